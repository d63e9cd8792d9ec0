/* Nets with small faults put in by a generator, through the whole front end: whatever comes out, it is a graph that the
 * verifier accepts or at least one error, never both, never neither, and never a crash or a hang. The corpus is every
 * .net file of the repository; the seed is fixed, so a failure can be repeated. */
#include <criterion/criterion.h>
#include <glob.h>
#include <stdio.h>

#include "frontend/frontend.h"
#include "support/file.h"

enum { ROUNDS = 3000, MAX_FILE = 20000 };

static uint32_t state = 20240229;

static uint32_t next_random(uint32_t bound)
{
    state = state * 1664525u + 1013904223u;
    return (state >> 8) % bound;
}

static const char *const pieces[] = {"(",
                                     ")",
                                     "{",
                                     "}",
                                     "[",
                                     "]",
                                     "=",
                                     ",",
                                     " |> ",
                                     " as ",
                                     "net ",
                                     "if ",
                                     "for i in 0..3 {",
                                     " 3",
                                     "-1",
                                     "0",
                                     "1e300",
                                     "99999999999",
                                     "\"s\"",
                                     "x",
                                     "image",
                                     "relu",
                                     "conv(",
                                     "groups=3",
                                     "kernel=[1,2,3]",
                                     "shared ",
                                     "block ",
                                     "return ",
                                     "stride=0",
                                     "pad=\"same\"",
                                     "channels=-4",
                                     ".shape",
                                     ".channels",
                                     "[0]",
                                     "+",
                                     "*",
                                     "/",
                                     "//",
                                     "%",
                                     " or ",
                                     " not ",
                                     "true",
                                     "..",
                                     "2147483647",
                                     "table=[[0]]",
                                     "dilation=7",
                                     "*1000",
                                     "concat(",
                                     "training {",
                                     "output ",
                                     "input z: f32[3]",
                                     "u8 hwc",
                                     "dropout",
                                     "softmax",
                                     "flatten(order=\"hwc\")",
                                     ".5",
                                     ";",
                                     "\"",
                                     "#",
                                     "\n",
                                     "\x80",
                                     "\x01"};

typedef struct Corpus {
    Arena *arena;
    Str paths[1000], texts[1000];
    uint32_t count;
} Corpus;

static void add_files(Corpus *corpus, const char *pattern)
{
    glob_t found;
    if (glob(pattern, 0, NULL, &found) != 0) {
        return;
    }
    for (size_t i = 0; i < found.gl_pathc && corpus->count < 1000; ++i) {
        Str text, reason;
        /* Nets that reach a bound of the compiler on purpose take their time, and need no faults. */
        bool is_bound = strstr(found.gl_pathv[i], "too-many") != NULL || strstr(found.gl_pathv[i], "too-large") != NULL;
        if (!is_bound && file_read(corpus->arena, found.gl_pathv[i], MAX_FILE, &text, &reason) && text.len > 0) {
            corpus->paths[corpus->count] = arena_copy(corpus->arena, str_from(found.gl_pathv[i]));
            corpus->texts[corpus->count++] = text;
        }
    }
    globfree(&found);
}

/* Cuts out up to a few bytes at a random place, and puts something else there. */
static void mutate(const Corpus *corpus, StrBuf *text)
{
    Str old = strbuf_view(text);
    StrBuf changed = {0};
    size_t at = old.len == 0 ? 0 : next_random((uint32_t)old.len);
    size_t cut = next_random(4) == 0 ? next_random(40) : next_random(3);
    cut = cut > old.len - at ? old.len - at : cut;
    strbuf_append(&changed, (Str){old.ptr, at});
    uint32_t kind = next_random(4);
    if (kind == 0) { /* a piece of another net */
        Str other = corpus->texts[next_random(corpus->count)];
        size_t from = next_random((uint32_t)other.len), length = next_random(60);
        strbuf_append(&changed, (Str){other.ptr + from, length > other.len - from ? other.len - from : length});
    } else if (kind == 1) { /* another digit, maybe a second one */
        while (at < old.len && (old.ptr[at] < '0' || old.ptr[at] > '9')) {
            strbuf_char(&changed, old.ptr[at++]);
        }
        cut = at < old.len;
        strbuf_printf(&changed, "%u%s", (unsigned)next_random(10), next_random(3) == 0 ? "7" : "");
    } else {
        strbuf_append(&changed, str_from(pieces[next_random(sizeof pieces / sizeof pieces[0])]));
    }
    strbuf_append(&changed, (Str){old.ptr + at + cut, old.len - at - cut});
    strbuf_free(text);
    *text = changed;
}

/* True where the text is a net. */
static bool check(Str path, Str text, bool with_training)
{
    Arena *arena = arena_create(), *scratch = arena_create();
    Sources *sources = sources_create(arena);
    Diag *diag = diag_create(arena, sources);
    FrontendOptions options = {.with_training_outputs = with_training};
    AstFile *file = frontend_parse_text(arena, sources, diag, path, text, &options);
    cr_assert_not_null(file);
    Graph *graph = frontend_elaborate(arena, sources, diag, file, &options);
    cr_assert_neq(graph == NULL, diag_errors(diag) == 0, "a graph or an error:\n" STR_FMT "\n" STR_FMT, STR_ARG(text),
                  STR_ARG(diag_text(diag)));
    Str message = {0};
    cr_assert(graph == NULL || graph_verify(graph, scratch, &message), STR_FMT "\n" STR_FMT, STR_ARG(message),
              STR_ARG(text));
    diag_destroy(diag);
    arena_destroy(scratch);
    arena_destroy(arena);
    return graph != NULL;
}

Test(fuzz, front_end, .timeout = 600)
{
    static Corpus corpus;
    corpus.arena = arena_create();
    add_files(&corpus, "dsl/*/*.net");
    add_files(&corpus, "dsl/*/*/*.net");
    add_files(&corpus, "tests/golden/*/*.net");
    cr_assert_gt(corpus.count, 20);
    uint32_t nets = 0;
    for (int round = 0; round < ROUNDS; ++round) {
        uint32_t which = next_random(corpus.count);
        StrBuf text = {0};
        strbuf_append(&text, corpus.texts[which]);
        for (uint32_t n = next_random(2) + 1; n > 0; --n) {
            mutate(&corpus, &text);
        }
        nets += check(corpus.paths[which], strbuf_view(&text), round % 2 == 0);
        strbuf_free(&text);
    }
    cr_assert_gt(nets, ROUNDS / 50, "only %u mutants are still nets", (unsigned)nets);
    cr_assert_gt(ROUNDS - nets, ROUNDS / 2);
    arena_destroy(corpus.arena);
}
