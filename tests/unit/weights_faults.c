/* Faulty weights files: each is refused with one clear error that names the file, the tensor and the cause. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "weights_files.h"

static int occurrences(const char *text, const char *part)
{
    int count = 0;
    for (const char *at = strstr(text, part); at != NULL; at = strstr(at + 1, part)) {
        ++count;
    }
    return count;
}

/* Opening `path` fails with exactly one error, of this id, that says all parts of `says` (split at '|'). */
static void refuse_path(WeightsBench *bench, const char *label, const char *path, DiagId id, const char *says)
{
    Diag *diag = bench->diag;
    bench->diag = diag_create(bench->arena, diag_sources(diag));
    Weights *weights = weights_open_safetensors(bench->arena, bench->diag, str_from(path));
    const char *text = weights_bench_text(bench);
    cr_assert(weights == NULL, "%s: accepted", label);
    cr_assert_eq(diag_errors(bench->diag), 1u, "%s: %zu errors:\n%s", label, diag_errors(bench->diag), text);
    cr_assert_eq(diag_fired(bench->diag, id), 1u, "%s: not [%s]:\n%s", label, diag_name(id), text);
    cr_assert(strncmp(text, path, strlen(path)) == 0, "%s: the file is not named first:\n%s", label, text);
    cr_assert_eq(occurrences(text, ": error: "), 1, "%s:\n%s", label, text);
    cr_assert_eq(occurrences(text, "\n  help: "), 1, "%s: no remedy, or several:\n%s", label, text);
    char parts[256];
    snprintf(parts, sizeof parts, "%s", says);
    for (char *part = strtok(parts, "|"); part != NULL; part = strtok(NULL, "|")) {
        cr_assert(strstr(text, part) != NULL, "%s: no \"%s\" in:\n%s", label, part, text);
    }
    diag_destroy(bench->diag);
    bench->diag = diag;
}

typedef struct HeaderCase {
    const char *label, *json;
    size_t data_bytes;
    DiagId id;
    const char *says;
} HeaderCase;

static const HeaderCase header_cases[] = {
    /* no header */
    {"no_braces", "abc", 0, DIAG_WEIGHTS_HEADER, "does not start with '{'"},
    {"blank", "        ", 0, DIAG_WEIGHTS_HEADER, "does not start with '{'"},
    {"array", "[1,2]", 0, DIAG_WEIGHTS_HEADER, "does not start with '{'"},
    /* no JSON */
    {"cut_json", "{\"a\":{\"dtype\":\"F32\",", 0, DIAG_WEIGHTS_HEADER, "not valid JSON|end of file"},
    {"open_string", "{\"a", 0, DIAG_WEIGHTS_HEADER, "not valid JSON"},
    {"bare_key", "{a:1}", 0, DIAG_WEIGHTS_HEADER, "not valid JSON|line 1, column 2"},
    {"number_key", "{1:1}", 0, DIAG_WEIGHTS_HEADER, "not valid JSON"},
    {"trailing_text", "{} {}", 0, DIAG_WEIGHTS_HEADER, "not valid JSON"},
    {"broken_utf8", "{\"\xff\":1}", 0, DIAG_WEIGHTS_HEADER, "not valid JSON|unable to decode byte 0xff"},
    {"nul_in_name", "{\"a\\u0000b\":1}", 0, DIAG_WEIGHTS_HEADER, "not valid JSON|\\u0000"},
    {"too_big_integer", "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,99999999999999999999]}}", 4,
     DIAG_WEIGHTS_HEADER, "not valid JSON|too big integer"},
    {"same_tensor_twice",
     "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_"
     "offsets\":[0,4]}}",
     4, DIAG_WEIGHTS_HEADER, "duplicate object key|\"a\"|only once"},
    {"same_key_twice", "{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F16\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4,
     DIAG_WEIGHTS_HEADER, "duplicate object key|dtype"},
    /* no description */
    {"tensor_is_null", "{\"conv.weight\":null}", 0, DIAG_WEIGHTS_HEADER, "'conv.weight' is not described by an object"},
    {"tensor_is_list", "{\"conv.weight\":[0,4]}", 0, DIAG_WEIGHTS_HEADER,
     "'conv.weight' is not described by an object"},
    {"no_dtype", "{\"a\":{\"shape\":[1],\"data_offsets\":[0,4]}}", 4, DIAG_WEIGHTS_HEADER, "'a' has no \"dtype\""},
    {"no_shape", "{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4, DIAG_WEIGHTS_HEADER, "'a' has no \"shape\""},
    {"no_offsets", "{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, DIAG_WEIGHTS_HEADER, "'a' has no \"data_offsets\""},
    {"dtype_is_number", "{\"a\":{\"dtype\":32,\"shape\":[1],\"data_offsets\":[0,4]}}", 4, DIAG_WEIGHTS_HEADER,
     "\"dtype\" of 'a' is not a string"},
    {"unknown_dtype", "{\"a\":{\"dtype\":\"F128\",\"shape\":[1],\"data_offsets\":[0,16]}}", 16, DIAG_WEIGHTS_DTYPE,
     "'a' has the unknown element type \"F128\"|F32, F16 and BF16"},
    {"shape_is_text", "{\"a\":{\"dtype\":\"F32\",\"shape\":\"1\",\"data_offsets\":[0,4]}}", 4, DIAG_WEIGHTS_HEADER,
     "\"shape\" of 'a' is not a list"},
    {"shape_is_real", "{\"a\":{\"dtype\":\"F32\",\"shape\":[1.0],\"data_offsets\":[0,4]}}", 4, DIAG_WEIGHTS_HEADER,
     "\"shape\" of 'a' is not a list"},
    {"negative_dim", "{\"a\":{\"dtype\":\"F32\",\"shape\":[-1,-1],\"data_offsets\":[0,4]}}", 4, DIAG_WEIGHTS_HEADER,
     "\"shape\" of 'a' is not a list"},
    {"overflowing_shape", "{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296,2],\"data_offsets\":[0,4]}}", 4,
     DIAG_WEIGHTS_HEADER, "'a' has the impossible shape [4294967296,4294967296,2]|overflows"},
    /* offsets */
    {"one_offset", "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}}", 4, DIAG_WEIGHTS_HEADER,
     "\"data_offsets\" of 'a' is not a pair"},
    {"three_offsets", "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,2,4]}}", 4, DIAG_WEIGHTS_HEADER,
     "\"data_offsets\" of 'a' is not a pair"},
    {"real_offsets", "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4e0]}}", 4, DIAG_WEIGHTS_HEADER,
     "\"data_offsets\" of 'a' is not a pair"},
    {"negative_offsets", "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[-4,0]}}", 4, DIAG_WEIGHTS_OFFSETS,
     "'a'|[-4,0]"},
    {"reversed_offsets", "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]}}", 4, DIAG_WEIGHTS_OFFSETS,
     "'a'|[4,0]"},
    {"huge_offsets",
     "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[9223372036854775803,9223372036854775807]}}", 4,
     DIAG_WEIGHTS_OFFSETS, "'a' ends 9223372036854775803 bytes beyond the end"},
    {"too_few_bytes", "{\"fc.bias\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,8]}}", 8, DIAG_WEIGHTS_OFFSETS,
     "'fc.bias' has 8 bytes|F32[3] takes 12"},
    {"bytes_of_another_dtype", "{\"fc.bias\":{\"dtype\":\"F16\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8,
     DIAG_WEIGHTS_OFFSETS, "'fc.bias' has 8 bytes|F16[2] takes 4"},
    {"truncated_data", "{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16]}}", 15, DIAG_WEIGHTS_OFFSETS,
     "'a' ends 1 byte beyond the end|truncated"},
    {"truncated_twice",
     "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_"
     "offsets\":[4,8]},"
     "\"c\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,16]}}",
     6, DIAG_WEIGHTS_OFFSETS, "2 tensors|'b'|10 bytes beyond|truncated"},
    {"overlap",
     "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_"
     "offsets\":[4,12]}}",
     12, DIAG_WEIGHTS_OFFSETS, "'a' (data_offsets [0,8])|'b' (data_offsets [4,12]) overlap"},
    {"same_place",
     "{\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_"
     "offsets\":[0,8]}}",
     8, DIAG_WEIGHTS_OFFSETS, "'a'|'b'|overlap"},
    {"inside",
     "{\"a\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,12]},\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_"
     "offsets\":[4,8]}}",
     12, DIAG_WEIGHTS_OFFSETS, "'a'|'b'|overlap"},
    {"hole_at_start", "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}", 8, DIAG_WEIGHTS_OFFSETS,
     "4 bytes of data before 'a' belong to no tensor"},
    {"hole",
     "{\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[6,10]},\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_"
     "offsets\":[0,4]}}",
     10, DIAG_WEIGHTS_OFFSETS, "2 bytes of data before 'b' belong to no tensor"},
    {"bytes_after", "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 11, DIAG_WEIGHTS_OFFSETS,
     "the last 7 bytes of the file belong to no tensor"},
    {"only_bytes", "{}", 3, DIAG_WEIGHTS_OFFSETS, "the last 3 bytes of the file belong to no tensor"},
    /* metadata */
    {"metadata_is_list", "{\"__metadata__\":[]}", 0, DIAG_WEIGHTS_HEADER, "'__metadata__' is not an object"},
    {"metadata_of_numbers", "{\"__metadata__\":{\"epochs\":3}}", 0, DIAG_WEIGHTS_HEADER,
     "'__metadata__' maps 'epochs'"},
    /* bombs */
    {"nested", "{\"a\":{\"shape\":[[[[[[[[[[[[]]]]]]]]]]]]}}", 0, DIAG_WEIGHTS_HEADER, "nests more than 3 levels"},
};
enum { N_HEADER_CASES = sizeof header_cases / sizeof header_cases[0] };

Test(weights_faults, each_faulty_header_is_refused)
{
    WeightsBench bench = weights_bench_create("weights_faults-headers");
    for (size_t i = 0; i < N_HEADER_CASES; ++i) {
        const HeaderCase *c = &header_cases[i];
        const char *path = weights_bench_path(&bench, arena_printf(bench.arena, "%s.safetensors", c->label).ptr);
        weights_bench_write_file(path, c->json, NULL, c->data_bytes);
        refuse_path(&bench, c->label, path, c->id, c->says);
    }
    weights_bench_destroy(&bench);
}

static void refuse_bytes(WeightsBench *bench, const char *label, const void *bytes, size_t size, const char *says)
{
    const char *path = weights_bench_path(bench, label);
    weights_bench_write(path, bytes, size);
    refuse_path(bench, label, path, DIAG_WEIGHTS_HEADER, says);
}

Test(weights_faults, lengths_that_lie)
{
    WeightsBench bench = weights_bench_create("weights_faults-lengths");
    refuse_bytes(&bench, "empty", "", 0, "the file has 0 bytes");
    refuse_bytes(&bench, "seven", "\2\0\0\0\0\0\0", 7, "the file has 7 bytes");
    refuse_bytes(&bench, "zero", "\0\0\0\0\0\0\0\0", 8, "does not start with '{'");
    refuse_bytes(&bench, "longer_than_file", "\3\0\0\0\0\0\0\0{}", 10,
                 "should have 3 bytes|ends after 2 of them|truncated");
    refuse_bytes(&bench, "no_header", "\2\0\0\0\0\0\0\0", 8, "should have 2 bytes|ends after 0 of them");
    refuse_bytes(&bench, "all_ones", "\377\377\377\377\377\377\377\377{}", 10,
                 "18446744073709551615 bytes|at most 100000000");
    refuse_bytes(&bench, "sign_bit", "\2\0\0\0\0\0\0\200{}", 10, "9223372036854775810 bytes|at most 100000000");
    refuse_bytes(&bench, "just_above_limit", "\1\341\365\5\0\0\0\0{}", 10, "100000001 bytes|at most 100000000");
    refuse_bytes(&bench, "just_the_limit", "\0\341\365\5\0\0\0\0{}", 10, "should have 100000000 bytes|ends after 2");
    weights_bench_destroy(&bench);
}

Test(weights_faults, other_formats_are_recognised)
{
    WeightsBench bench = weights_bench_create("weights_faults-formats");
    refuse_bytes(&bench, "model.pth", "PK\3\4abcdefghijkl", 16,
                 "this is a zip archive, as PyTorch's .pth|safetensors.torch.save_file");
    refuse_bytes(&bench, "old.pth", "\200\2\212\nl\374\234F\371 j\250P\31.", 16, "a pickle, as old PyTorch .pth");
    refuse_bytes(&bench, "model.h5", "\211HDF\r\n\032\nabcdefgh", 16, "this is an HDF5 file");
    refuse_bytes(&bench, "model.weights", "CNNCWTS\0\1\0\0\0aaaa", 16, "packed blob that cnnc wrote");
    refuse_bytes(&bench, "pointer", "version https://git-lfs.github.com/spec/v1\n", 43, "Git LFS");
    weights_bench_destroy(&bench);
}

/* Every shorter piece of a good file is refused, wherever it is cut. */
Test(weights_faults, truncated_at_each_byte)
{
    WeightsBench bench = weights_bench_create("weights_faults-cut");
    const char *path = weights_bench_path(&bench, "cut.safetensors");
    const char *json = "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},\"b\":{\"dtype\":\"F16\","
                       "\"shape\":[],\"data_offsets\":[8,10]}}";
    size_t whole = 8 + strlen(json) + 10;
    weights_bench_write_file(path, json, NULL, 10);
    Weights *weights = weights_open_safetensors(bench.arena, bench.diag, str_from(path));
    cr_assert(weights != NULL, "%s", weights_bench_text(&bench));
    weights_close(weights);
    for (size_t size = whole; size-- > 0;) {
        cr_assert_eq(truncate(path, (off_t)size), 0);
        Diag *diag = diag_create(bench.arena, diag_sources(bench.diag));
        cr_assert(weights_open_safetensors(bench.arena, diag, str_from(path)) == NULL, "accepted %zu of %zu bytes",
                  size, whole);
        cr_assert_eq(diag_errors(diag), 1u);
        diag_destroy(diag);
    }
    weights_bench_destroy(&bench);
}

Test(weights_faults, what_is_no_file)
{
    WeightsBench bench = weights_bench_create("weights_faults-nofile");
    refuse_path(&bench, "a folder", bench.folder, DIAG_FILE_UNREADABLE, "is a directory|.safetensors");
    refuse_path(&bench, "a slip of the pen", "formla", DIAG_FILE_UNREADABLE, "No such file|did you mean `formula`?");
    refuse_path(&bench, "nothing", weights_bench_path(&bench, "absent.safetensors"), DIAG_FILE_UNREADABLE,
                "No such file");
    const char *pipe = weights_bench_path(&bench, "pipe");
    unlink(pipe);
    cr_assert_eq(mkfifo(pipe, 0600), 0);
    refuse_path(&bench, "a pipe", pipe, DIAG_FILE_UNREADABLE, "not a regular file");
    unlink(pipe);
    weights_bench_destroy(&bench);
}

/* Headers that would cost a JSON reader gigabytes or its stack. */
Test(weights_faults, bombs)
{
    WeightsBench bench = weights_bench_create("weights_faults-bombs");
    const char *path = weights_bench_path(&bench, "bomb.safetensors");
    size_t size = 6000000;
    char *json = malloc(size + 1);
    json[size] = '\0';
    memset(json, '[', size);
    memcpy(json, "{\"a\":", 5);
    weights_bench_write_file(path, json, NULL, 0);
    refuse_path(&bench, "deep", path, DIAG_WEIGHTS_HEADER, "nests more than 3 levels");
    memset(json, ',', size);
    memcpy(json, "{\"a\":[1", 7);
    weights_bench_write_file(path, json, NULL, 0);
    refuse_path(&bench, "many values", path, DIAG_WEIGHTS_HEADER, "more than 4000000 values");
    /* Brackets inside a string are no structure, and the end of an open string is found. */
    memset(json, '{', size);
    memcpy(json, "{\"a\\\"", 5);
    weights_bench_write_file(path, json, NULL, 0);
    refuse_path(&bench, "endless string", path, DIAG_WEIGHTS_HEADER, "not valid JSON");
    free(json);
    weights_bench_destroy(&bench);
}

Test(weights_faults, names_in_messages_are_harmless)
{
    WeightsBench bench = weights_bench_create("weights_faults-names");
    const char *path = weights_bench_path(&bench, "name.safetensors");
    weights_bench_write_file(path, "{\"red\\u001b[31m\\nname\":{\"dtype\":\"F32\",\"shape\":[1]}}", NULL, 0);
    refuse_path(&bench, "control characters", path, DIAG_WEIGHTS_HEADER, "red\\x1B[31m\\x0Aname");
    char json[4096] = "{\"";
    memset(json + 2, 'n', 3000);
    strcpy(json + 3002, "\":0}");
    weights_bench_write_file(path, json, NULL, 0);
    char shown[200] = "'";
    memset(shown + 1, 'n', 120);
    strcpy(shown + 121, "...' is not described");
    refuse_path(&bench, "long name", path, DIAG_WEIGHTS_HEADER, shown);
    weights_bench_destroy(&bench);
}

Test(weights_faults, all_faults_of_a_header_are_reported)
{
    WeightsBench bench = weights_bench_create("weights_faults-several");
    const char *path = weights_bench_path(&bench, "several.safetensors");
    weights_bench_write_file(
        path,
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]},\"b\":{\"dtype\":\"X\",\"data_offsets\":[0]},"
        "\"c\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},\"__metadata__\":1}",
        NULL, 4);
    cr_assert(weights_open_safetensors(bench.arena, bench.diag, str_from(path)) == NULL);
    cr_assert_eq(diag_errors(bench.diag), 5u, "%s", weights_bench_text(&bench));
    cr_assert_eq(diag_fired(bench.diag, DIAG_WEIGHTS_HEADER), 4u);
    cr_assert_eq(diag_fired(bench.diag, DIAG_WEIGHTS_DTYPE), 1u);
    weights_bench_destroy(&bench);
}
