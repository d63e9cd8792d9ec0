/* safetensors: 8 bytes of header length (little-endian), the header as a JSON object, then the tensors' bytes.
 *
 *     {"conv1.weight": {"dtype": "F32", "shape": [6,1,5,5], "data_offsets": [0,600]}, ...,
 *      "__metadata__": {"format": "pt"}}
 *
 * Offsets count from the end of the header. The file may come from anywhere, so nothing in it is believed: tensors must
 * fill the data exactly, without overlap or hole, each with as many bytes as its shape and element type want. */
#include <jansson.h>
#include <stdlib.h>

#include "support/suggest.h"
#include "weights/tensor_file.h"

enum {
    LENGTH_BYTES = 8,
    MAX_HEADER = 100000000, /* the format's own limit */
    /* A tensor's description nests three deep, and the largest published models have some 10,000 of them. These bounds
     * keep the JSON library's memory in check: a header of the size above could otherwise ask for many GB. */
    MAX_DEPTH = 3,
    MAX_VALUES = 4000000,
    SHOWN_DIMS = 8,
    SHOWN_NAME = 120
};

static const struct {
    const char *name;
    uint32_t bits;                                                         /* of an element */
    void (*convert)(const unsigned char *bytes, size_t count, float *out); /* NULL: no type for weights */
} dtypes[] = {
    {"F32", 32, convert_f32}, {"F16", 16, convert_f16}, {"BF16", 16, convert_bf16},
    {"F64", 64, NULL},        {"I64", 64, NULL},        {"U64", 64, NULL},
    {"I32", 32, NULL},        {"U32", 32, NULL},        {"I16", 16, NULL},
    {"U16", 16, NULL},        {"I8", 8, NULL},          {"U8", 8, NULL},
    {"BOOL", 8, NULL},        {"C64", 64, NULL},        {"F8_E5M2", 8, NULL},
    {"F8_E4M3", 8, NULL},     {"F8_E8M0", 8, NULL},     {"F6_E2M3", 6, NULL},
    {"F6_E3M2", 6, NULL},     {"F4", 4, NULL},
};
enum { N_DTYPES = sizeof dtypes / sizeof dtypes[0] };

const char *tensor_dtype_name(const TensorEntry *tensor)
{
    return dtypes[tensor->dtype].name;
}

bool tensor_dtype_is_readable(const TensorEntry *tensor)
{
    return dtypes[tensor->dtype].convert != NULL;
}

Str tensor_shape_format(Arena *arena, const int64_t *dims, uint32_t rank)
{
    Str text = STR("[");
    for (uint32_t i = 0; i < rank && i < SHOWN_DIMS; ++i) {
        text = arena_printf(arena, STR_FMT "%s%lld", STR_ARG(text), i == 0 ? "" : ",", (long long)dims[i]);
    }
    return arena_printf(arena, STR_FMT "%s]", STR_ARG(text), rank > SHOWN_DIMS ? ",..." : "");
}

Str tensor_name_format(Arena *arena, Str name)
{
    if (name.len <= SHOWN_NAME) {
        return name;
    }
    size_t length = SHOWN_NAME;
    while (length > 0 && ((unsigned char)name.ptr[length] & 0xC0) == 0x80) {
        --length; /* not through a character */
    }
    return arena_printf(arena, "%.*s...", (int)length, name.ptr);
}

void tensor_read(const TensorFile *file, const TensorEntry *tensor, int64_t first, int64_t count, float *out)
{
    uint64_t offset = tensor->begin + (uint64_t)first * (dtypes[tensor->dtype].bits / 8);
    dtypes[tensor->dtype].convert(file->data + offset, (size_t)count, out);
}

void tensor_file_close(TensorFile *file)
{
    file_unmap(&file->map);
    file->data = NULL;
}

/* --- reading the header */

typedef struct Reader {
    Arena *arena;
    Diag *diag;
    TensorFile *file;
    Str header;          /* the JSON text */
    uint64_t data_bytes; /* after the header */
    bool ok;
    bool has_help; /* the last fault has its remedy */
    bool has_general_help;
    /* Tensors that the file is too short for. */
    size_t n_beyond;
    Str first_beyond;
    uint64_t wanted_bytes; /* largest end of any tensor */
} Reader;

/* Reports a fault of the file. */
PRINTF(3, 4) static void fault(Reader *reader, DiagId id, const char *format, ...)
{
    va_list args;
    StrBuf text = {0};
    va_start(args, format);
    strbuf_vprintf(&text, format, args);
    va_end(args);
    diag_error_in(reader->diag, id, reader->file->path, STR_FMT, STR_ARG(strbuf_view(&text)));
    strbuf_free(&text);
    reader->ok = false;
    reader->has_help = false;
}

/* The remedy for the last fault. */
static void help(Reader *reader, const char *text)
{
    diag_help(reader->diag, "%s", text);
    reader->has_help = true;
}

/* Where the last fault has no remedy of its own: the general one, once. */
static void help_generally(Reader *reader)
{
    if (!reader->ok && !reader->has_help && !reader->has_general_help) {
        help(reader, "the file is damaged, or was written wrongly: fetch it again, or write it with "
                     "safetensors.torch.save_file");
        reader->has_general_help = true;
    }
}

static const char *plural(uint64_t count)
{
    return count == 1 ? "" : "s";
}

/* A file that is something else altogether is told by its first bytes. True where it was. */
static bool report_other_format(Reader *reader)
{
    static const struct {
        const char *magic, *what, *help;
    } formats[] = {
        {"PK\003\004", "a zip archive, as PyTorch's .pth and .pt files are",
         "load it with torch.load, and save its state_dict with safetensors.torch.save_file"},
        {"\200\002", "a pickle, as old PyTorch .pth files are",
         "load it with torch.load, and save its state_dict with safetensors.torch.save_file"},
        {"\211HDF", "an HDF5 file, as Keras writes them",
         "bring its tensors into PyTorch's layouts and save them with safetensors"},
        {"CNNCWTS", "a packed blob that cnnc wrote", "give the .safetensors file that it was made from"},
        {"GGUF", "a GGUF file", "convert it to safetensors"},
        {"\223NUMPY", "a NumPy file", "save the arrays with safetensors.numpy.save_file"},
        {"version https://git-lfs", "a Git LFS pointer, not the file itself", "run `git lfs pull`"},
    };
    const FileMap *map = &reader->file->map;
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; ++i) {
        size_t length = strlen(formats[i].magic);
        if (map->size >= length && memcmp(map->bytes, formats[i].magic, length) == 0) {
            fault(reader, DIAG_WEIGHTS_HEADER, "this is %s; cnnc reads safetensors", formats[i].what);
            help(reader, formats[i].help);
            return true;
        }
    }
    return false;
}

static bool read_length(Reader *reader)
{
    const FileMap *map = &reader->file->map;
    uint64_t length = 0, room = map->size < LENGTH_BYTES ? 0 : map->size - LENGTH_BYTES;
    for (int i = LENGTH_BYTES - 1; i >= 0 && map->size >= LENGTH_BYTES; --i) {
        length = length << 8 | map->bytes[i];
    }
    const char *text = (const char *)map->bytes + LENGTH_BYTES;
    if (length > 0 && length <= room && length <= MAX_HEADER && text[0] == '{') {
        reader->header = (Str){text, (size_t)length};
        reader->data_bytes = room - length;
        reader->file->data = map->bytes + LENGTH_BYTES + length;
        return true;
    }
    if (report_other_format(reader)) {
        return false;
    }
    if (map->size < LENGTH_BYTES) {
        fault(reader, DIAG_WEIGHTS_HEADER,
              "the file has %llu byte%s, too few for the 8 bytes that give a safetensors header's length",
              (unsigned long long)map->size, plural(map->size));
    } else if (length > MAX_HEADER) {
        fault(reader, DIAG_WEIGHTS_HEADER,
              "the first 8 bytes ask for a header of %llu bytes; safetensors allows at most 100000000",
              (unsigned long long)length);
    } else if (length > room) {
        fault(reader, DIAG_WEIGHTS_HEADER,
              "the header should have %llu byte%s, but the file ends after %llu of them: it is truncated",
              (unsigned long long)length, plural(length), (unsigned long long)room);
    } else {
        fault(reader, DIAG_WEIGHTS_HEADER, "the header does not start with '{'");
    }
    return false;
}

/* Refuses what would cost the JSON library too much: brackets and commas outside strings are counted, nothing else is
 * judged. */
static bool check_bulk(Reader *reader)
{
    Str header = reader->header;
    size_t depth = 0, values = 0;
    bool in_string = false;
    for (size_t i = 0; i < header.len; ++i) {
        char c = header.ptr[i];
        if (in_string) {
            i += c == '\\';
            in_string = c != '"';
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            if (++depth > MAX_DEPTH) {
                fault(reader, DIAG_WEIGHTS_HEADER, "the header nests more than %d levels deep at its byte %zu",
                      MAX_DEPTH, i);
                return false;
            }
        } else if (c == '}' || c == ']') {
            depth -= depth > 0;
        } else if (c == ',' && ++values > MAX_VALUES) {
            fault(reader, DIAG_WEIGHTS_HEADER, "the header holds more than %d values", MAX_VALUES);
            return false;
        }
    }
    return true;
}

static json_t *parse_json(Reader *reader)
{
    json_error_t error;
    json_t *root = json_loadb(reader->header.ptr, reader->header.len, JSON_REJECT_DUPLICATES, &error);
    if (root == NULL) {
        fault(reader, DIAG_WEIGHTS_HEADER, "the header is not valid JSON: %s (line %d, column %d of the header)",
              error.text, error.line, error.column);
        if (json_error_code(&error) == json_error_duplicate_key) {
            help(reader, "a name may stand only once: write the file again");
        }
    }
    return root;
}

static void check_metadata(Reader *reader, const json_t *metadata)
{
    if (!json_is_object(metadata)) {
        fault(reader, DIAG_WEIGHTS_HEADER, "'__metadata__' is not an object of strings");
        return;
    }
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)metadata, key, value)
    {
        if (!json_is_string(value)) {
            fault(reader, DIAG_WEIGHTS_HEADER, "'__metadata__' maps '" STR_FMT "' to a value that is not a string",
                  STR_ARG(tensor_name_format(reader->arena, str_from(key))));
        }
    }
}

/* A member of a tensor's description; reports and returns NULL where it is missing. */
static const json_t *member(Reader *reader, Str shown, const json_t *description, const char *key)
{
    const json_t *value = json_object_get(description, key);
    if (value == NULL) {
        fault(reader, DIAG_WEIGHTS_HEADER, "'" STR_FMT "' has no \"%s\"", STR_ARG(shown), key);
    }
    return value;
}

static bool read_dtype(Reader *reader, Str shown, const json_t *value, TensorEntry *tensor)
{
    if (!json_is_string(value)) {
        fault(reader, DIAG_WEIGHTS_HEADER, "\"dtype\" of '" STR_FMT "' is not a string", STR_ARG(shown));
        return false;
    }
    const char *name = json_string_value(value);
    for (uint32_t i = 0; i < N_DTYPES; ++i) {
        if (strcmp(name, dtypes[i].name) == 0) {
            tensor->dtype = i;
            return true;
        }
    }
    fault(reader, DIAG_WEIGHTS_DTYPE, "'" STR_FMT "' has the unknown element type \"%.20s\"", STR_ARG(shown), name);
    help(reader, "cnnc reads F32, F16 and BF16: convert the tensor, or leave it out");
    return false;
}

static bool read_shape(Reader *reader, Str shown, const json_t *value, TensorEntry *tensor)
{
    bool ok = json_is_array(value);
    size_t rank = json_array_size(value);
    int64_t *dims = ARENA_ARRAY(reader->arena, int64_t, rank + 1);
    for (size_t i = 0; i < rank && ok; ++i) {
        const json_t *dim = json_array_get(value, i);
        ok = json_is_integer(dim) && json_integer_value(dim) >= 0;
        dims[i] = ok ? json_integer_value(dim) : 0;
    }
    if (!ok) {
        fault(reader, DIAG_WEIGHTS_HEADER, "\"shape\" of '" STR_FMT "' is not a list of whole numbers from 0 on",
              STR_ARG(shown));
        return false;
    }
    tensor->dims = dims;
    tensor->rank = (uint32_t)rank;
    tensor->elements = 1;
    for (size_t i = 0; i < rank; ++i) {
        if (dims[i] != 0 && tensor->elements > INT64_MAX / 64 / dims[i]) { /* 64: bits fit, too */
            fault(reader, DIAG_WEIGHTS_HEADER,
                  "'" STR_FMT "' has the impossible shape " STR_FMT ": its size overflows 64 bits", STR_ARG(shown),
                  STR_ARG(tensor_shape_format(reader->arena, dims, tensor->rank)));
            return false;
        }
        tensor->elements *= dims[i];
    }
    return true;
}

static bool read_offsets(Reader *reader, Str shown, const json_t *value, TensorEntry *tensor)
{
    const json_t *begin = json_array_get(value, 0), *end = json_array_get(value, 1);
    if (json_array_size(value) != 2 || !json_is_integer(begin) || !json_is_integer(end)) {
        fault(reader, DIAG_WEIGHTS_HEADER, "\"data_offsets\" of '" STR_FMT "' is not a pair of whole numbers",
              STR_ARG(shown));
        return false;
    }
    long long lo = json_integer_value(begin), hi = json_integer_value(end);
    if (lo < 0 || hi < lo) {
        fault(reader, DIAG_WEIGHTS_OFFSETS, "'" STR_FMT "' has the impossible data_offsets [%lld,%lld]", STR_ARG(shown),
              lo, hi);
        return false;
    }
    tensor->begin = (uint64_t)lo;
    tensor->end = (uint64_t)hi;
    return true;
}

/* Shape, element type and offsets of one tensor against each other and the file. */
static bool check_size(Reader *reader, Str shown, const TensorEntry *tensor)
{
    uint64_t bits = (uint64_t)tensor->elements * dtypes[tensor->dtype].bits;
    uint64_t bytes = tensor->end - tensor->begin;
    if (bits % 8 != 0 || bits / 8 != bytes) {
        fault(reader, DIAG_WEIGHTS_OFFSETS,
              "'" STR_FMT "' has %llu bytes (data_offsets [%llu,%llu]), but %s" STR_FMT " takes %llu", STR_ARG(shown),
              (unsigned long long)bytes, (unsigned long long)tensor->begin, (unsigned long long)tensor->end,
              dtypes[tensor->dtype].name, STR_ARG(tensor_shape_format(reader->arena, tensor->dims, tensor->rank)),
              (unsigned long long)((bits + 7) / 8));
        return false;
    }
    if (tensor->end > reader->data_bytes) {
        if (reader->n_beyond++ == 0) {
            reader->first_beyond = shown;
        }
        reader->wanted_bytes = tensor->end > reader->wanted_bytes ? tensor->end : reader->wanted_bytes;
    }
    return true;
}

static void read_tensor(Reader *reader, const char *key, const json_t *description)
{
    TensorEntry tensor = {.name = arena_copy(reader->arena, str_from(key))};
    Str shown = tensor_name_format(reader->arena, tensor.name);
    if (!json_is_object(description)) {
        fault(reader, DIAG_WEIGHTS_HEADER,
              "'" STR_FMT "' is not described by an object with dtype, shape and data_offsets", STR_ARG(shown));
        return;
    }
    const json_t *dtype = member(reader, shown, description, "dtype");
    const json_t *shape = member(reader, shown, description, "shape");
    const json_t *offsets = member(reader, shown, description, "data_offsets");
    bool ok = dtype != NULL && read_dtype(reader, shown, dtype, &tensor);
    ok = shape != NULL && read_shape(reader, shown, shape, &tensor) && ok;
    ok = offsets != NULL && read_offsets(reader, shown, offsets, &tensor) && ok;
    if (ok && check_size(reader, shown, &tensor)) {
        reader->file->tensors[reader->file->n_tensors++] = tensor;
    }
}

static void report_truncation(Reader *reader)
{
    uint64_t lost = reader->wanted_bytes - reader->data_bytes;
    if (reader->n_beyond == 1) {
        fault(reader, DIAG_WEIGHTS_OFFSETS, "the data of '" STR_FMT "' ends %llu byte%s beyond the end of the file",
              STR_ARG(reader->first_beyond), (unsigned long long)lost, plural(lost));
    } else {
        fault(reader, DIAG_WEIGHTS_OFFSETS,
              "the data of %zu tensors, first of them '" STR_FMT "', ends up to %llu byte%s beyond the end of the file",
              reader->n_beyond, STR_ARG(reader->first_beyond), (unsigned long long)lost, plural(lost));
    }
    help(reader, "the file is probably truncated: fetch or write it again");
}

/* --- layout of the data */

static int compare_positions(const void *a, const void *b)
{
    const TensorEntry *x = a, *y = b;
    if (x->begin != y->begin) {
        return x->begin < y->begin ? -1 : 1;
    }
    if (x->end != y->end) {
        return x->end < y->end ? -1 : 1;
    }
    size_t length = x->name.len < y->name.len ? x->name.len : y->name.len;
    int order = memcmp(x->name.ptr, y->name.ptr, length);
    return order != 0 ? order : (x->name.len > y->name.len) - (x->name.len < y->name.len);
}

/* Sorts the tensors by position; each must begin where the one before it ends, the last at the end of the file. */
static void check_layout(Reader *reader)
{
    TensorFile *file = reader->file;
    qsort(file->tensors, file->n_tensors, sizeof *file->tensors, compare_positions);
    uint64_t end = 0;
    const TensorEntry *last = NULL; /* the one that ends at `end` */
    for (size_t i = 0; i < file->n_tensors; ++i) {
        const TensorEntry *tensor = &file->tensors[i];
        Str shown = tensor_name_format(reader->arena, tensor->name);
        if (tensor->begin < end) {
            fault(reader, DIAG_WEIGHTS_OFFSETS,
                  "'" STR_FMT "' (data_offsets [%llu,%llu]) and '" STR_FMT "' (data_offsets [%llu,%llu]) overlap",
                  STR_ARG(tensor_name_format(reader->arena, last->name)), (unsigned long long)last->begin,
                  (unsigned long long)last->end, STR_ARG(shown), (unsigned long long)tensor->begin,
                  (unsigned long long)tensor->end);
        } else if (tensor->begin > end) {
            fault(reader, DIAG_WEIGHTS_OFFSETS, "the %llu byte%s of data before '" STR_FMT "' belong to no tensor",
                  (unsigned long long)(tensor->begin - end), plural(tensor->begin - end), STR_ARG(shown));
        }
        if (last == NULL || tensor->end >= end) {
            end = tensor->end;
            last = tensor;
        }
    }
    if (end < reader->data_bytes) {
        fault(reader, DIAG_WEIGHTS_OFFSETS, "the last %llu byte%s of the file belong to no tensor",
              (unsigned long long)(reader->data_bytes - end), plural(reader->data_bytes - end));
    }
}

static void read_tensors(Reader *reader, json_t *root)
{
    TensorFile *file = reader->file;
    file->tensors = ARENA_ARRAY(reader->arena, TensorEntry, json_object_size(root) + 1);
    const char *key;
    json_t *value;
    json_object_foreach(root, key, value)
    { /* in the file's order */
        if (strcmp(key, "__metadata__") == 0) {
            check_metadata(reader, value);
        } else {
            read_tensor(reader, key, value);
        }
        help_generally(reader);
    }
    if (reader->n_beyond > 0) {
        report_truncation(reader);
    }
    if (reader->ok) {
        check_layout(reader);
    }
    file->by_name = map_create(reader->arena);
    for (size_t i = 0; i < file->n_tensors; ++i) {
        map_put(file->by_name, file->tensors[i].name, &file->tensors[i]);
    }
}

TensorFile *tensor_file_open(Arena *arena, Diag *diag, Str path)
{
    TensorFile *file = ARENA_NEW(arena, TensorFile);
    file->path = arena_copy(arena, path);
    Str reason;
    if (!file_map(arena, file->path.ptr, &file->map, &reason)) {
        diag_error_in(diag, DIAG_FILE_UNREADABLE, file->path, "cannot read the weights: " STR_FMT, STR_ARG(reason));
        Suggest suggest = suggest_start(path);
        suggest_consider(&suggest, STR("formula"));
        diag_help(diag, "%s",
                  str_is_empty(suggest.best) ? "--weights wants a .safetensors file, `formula` or `random:SEED`"
                                             : "did you mean `formula`?");
        return NULL;
    }
    Reader reader = {.arena = arena, .diag = diag, .file = file, .ok = true};
    if (read_length(&reader) && check_bulk(&reader)) {
        json_t *root = parse_json(&reader);
        if (root != NULL) {
            read_tensors(&reader, root);
            json_decref(root);
        }
    }
    if (!reader.ok) {
        help_generally(&reader);
        tensor_file_close(file);
        return NULL;
    }
    return file;
}
