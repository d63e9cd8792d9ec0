/* A weights file against the net: every weight that the net wants is there in its shape and a readable element type,
 * and every tensor is used. All faults are found in one run. The nearest tensor that nobody wants is offered for a
 * missing one. */
#include "support/suggest.h"
#include "weights/source.h"

enum { SLIP = 4 }; /* distance of suggest.h: two letters */

typedef struct Check {
    const Weights *weights;
    const Graph *graph;
    Diag *diag;
    Arena *scratch;
    Map *wanted;                            /* weight name -> the CONST_WEIGHT node */
    bool told_names, told_size, told_extra; /* remedies that are given once, not with each of many faults */
} Check;

static Str shape_of_type(Check *check, TensorType type)
{
    int64_t dims[TYPE_MAX_RANK];
    for (int i = 0; i < type.rank; ++i) {
        dims[i] = type.dim[i];
    }
    return tensor_shape_format(check->scratch, dims, type.rank);
}

static Str shape_of_tensor(Check *check, const TensorEntry *tensor)
{
    return tensor_shape_format(check->scratch, tensor->dims, tensor->rank);
}

static bool has_shape(const TensorEntry *tensor, TensorType type)
{
    if (tensor->rank != type.rank) {
        return false;
    }
    for (int i = 0; i < type.rank; ++i) {
        if (tensor->dims[i] != type.dim[i]) {
            return false;
        }
    }
    return true;
}

/* " (resnet50.net:12)", the line that wants the weight; empty where nobody knows. */
static Str place_of(Check *check, const Node *node)
{
    SourceLocation place = sources_locate(check->graph->sources, node->span.lo);
    if (place.file == NULL) {
        return STR("");
    }
    return arena_printf(check->scratch, " (" STR_FMT ":%u)", STR_ARG(place.file->path), (unsigned)place.line);
}

/* The part after the last dot. */
static Str last_part(Str name)
{
    for (size_t i = name.len; i > 0; --i) {
        if (name.ptr[i - 1] == '.') {
            return (Str){name.ptr + i, name.len - i};
        }
    }
    return name;
}

static bool is_ignored(Str name)
{
    return str_equal(last_part(name), STR("num_batches_tracked"));
}

static void help_once(Check *check, bool *told, const char *text)
{
    if (!*told) {
        diag_help(check->diag, "%s", text);
        *told = true;
    }
}

/* --- missing weights */

/* "module.fc.weight" for "fc.weight", or the reverse: one is the other's end, at a dot. */
static bool differs_by_prefix(Str a, Str b)
{
    Str longer = a.len > b.len ? a : b, shorter = a.len > b.len ? b : a;
    return longer.len > shorter.len && str_ends_with(longer, shorter) &&
           longer.ptr[longer.len - shorter.len - 1] == '.';
}

/* The tensor most likely meant: unwanted, and in this order: the same name but for a prefix; the nearest spelling in
 * the wanted shape; the only one of the wanted role and shape; another shape, but a spelling that is hardly different.
 * NULL where nothing is near. */
static const TensorEntry *nearest_tensor(Check *check, Str name, TensorType type)
{
    const TensorFile *file = check->weights->file;
    Suggest with_shape = suggest_start(name), any = suggest_start(name);
    const TensorEntry *same_kind = NULL;
    size_t n_same_kind = 0;
    for (size_t i = 0; i < file->n_tensors; ++i) {
        const TensorEntry *tensor = &file->tensors[i];
        if (is_ignored(tensor->name) || map_has(check->wanted, tensor->name)) {
            continue;
        }
        if (differs_by_prefix(tensor->name, name)) {
            return tensor;
        }
        suggest_consider(&any, tensor->name);
        if (has_shape(tensor, type)) {
            suggest_consider(&with_shape, tensor->name);
            if (str_equal(last_part(tensor->name), last_part(name))) {
                same_kind = tensor;
                ++n_same_kind;
            }
        }
    }
    if (!str_is_empty(with_shape.best)) {
        return map_get(file->by_name, with_shape.best);
    }
    if (n_same_kind == 1) {
        return same_kind;
    }
    return str_is_empty(any.best) || any.distance > SLIP ? NULL : map_get(file->by_name, any.best);
}

static void report_missing(Check *check, Str name, const Node *node)
{
    const TensorFile *file = check->weights->file;
    /* Looking for the nearest takes long in long lists; what is not shown needs none. */
    const TensorEntry *near = diag_is_full(check->diag) ? NULL : nearest_tensor(check, name, node->type);
    Str shape = shape_of_type(check, node->type), place = place_of(check, node);
    if (near != NULL) {
        diag_error_in(check->diag, DIAG_WEIGHTS_MISSING, file->path,
                      STR_FMT " " STR_FMT " is missing" STR_FMT "; the file has " STR_FMT " " STR_FMT, STR_ARG(name),
                      STR_ARG(shape), STR_ARG(place), STR_ARG(tensor_name_format(check->scratch, near->name)),
                      STR_ARG(shape_of_tensor(check, near)));
    } else {
        diag_error_in(check->diag, DIAG_WEIGHTS_MISSING, file->path, STR_FMT " " STR_FMT " is missing" STR_FMT,
                      STR_ARG(name), STR_ARG(shape), STR_ARG(place));
    }
    help_once(
        check, &check->told_names,
        "weights are named by the layers' paths, as PyTorch names them: rename the tensor, or the layer with `as`");
}

/* --- weights that are there, but wrong */

static bool differs_in_outputs(const TensorEntry *tensor, TensorType type)
{
    if (tensor->rank != type.rank || tensor->dims[0] == type.dim[0]) {
        return false;
    }
    for (int i = 1; i < type.rank; ++i) {
        if (tensor->dims[i] != type.dim[i]) {
            return false;
        }
    }
    return true;
}

static void report_shape(Check *check, const TensorEntry *tensor, const Node *node)
{
    TensorType type = node->type;
    diag_error_in(check->diag, DIAG_WEIGHTS_SHAPE, check->weights->file->path,
                  STR_FMT " is " STR_FMT " in the file, the net wants " STR_FMT STR_FMT, STR_ARG(tensor->name),
                  STR_ARG(shape_of_tensor(check, tensor)), STR_ARG(shape_of_type(check, type)),
                  STR_ARG(place_of(check, node)));
    if (tensor->rank == 2 && type.rank == 2 && tensor->dims[0] == type.dim[1] && tensor->dims[1] == type.dim[0]) {
        diag_help(check->diag, "it looks transposed: dense weights are stored as [outputs, inputs], as in PyTorch");
    } else if (tensor->elements == type_elements(type)) {
        diag_help(check->diag, "it has as many elements as wanted: reshape it before saving");
    } else if (!check->told_size) {
        check->told_size = true;
        if (differs_in_outputs(tensor, type)) {
            diag_help(
                check->diag,
                "the first number is the layer's outputs: if a parameter of the net sets it, give -D PARAMETER=%lld",
                (long long)tensor->dims[0]);
        } else {
            diag_help(check->diag, "was the file made for the net '" STR_FMT "', and with these parameters?",
                      STR_ARG(check->graph->name));
        }
    }
}

static void report_dtype(Check *check, const TensorEntry *tensor)
{
    diag_error_in(check->diag, DIAG_WEIGHTS_DTYPE, check->weights->file->path,
                  STR_FMT " has element type %s; weights are F32, F16 or BF16", STR_ARG(tensor->name),
                  tensor_dtype_name(tensor));
    diag_help(check->diag, "convert it before saving, for example with tensor.float()");
}

static void check_wanted(Check *check, Str name, const Node *node)
{
    const TensorEntry *tensor = map_get(check->weights->file->by_name, name);
    if (tensor == NULL) {
        report_missing(check, name, node);
        return;
    }
    if (!has_shape(tensor, node->type)) {
        report_shape(check, tensor, node);
    }
    if (!tensor_dtype_is_readable(tensor)) {
        report_dtype(check, tensor);
    }
}

static void check_extra(Check *check)
{
    const TensorFile *file = check->weights->file;
    for (size_t i = 0; i < file->n_tensors; ++i) {
        const TensorEntry *tensor = &file->tensors[i];
        if (is_ignored(tensor->name) || map_has(check->wanted, tensor->name)) {
            continue;
        }
        diag_error_in(check->diag, DIAG_WEIGHTS_EXTRA, file->path,
                      STR_FMT " " STR_FMT " is not used by the net '" STR_FMT "'",
                      STR_ARG(tensor_name_format(check->scratch, tensor->name)),
                      STR_ARG(shape_of_tensor(check, tensor)), STR_ARG(check->graph->name));
        help_once(check, &check->told_extra, "--allow-extra-weights ignores tensors that the net does not use");
    }
}

static void collect_wanted(Check *check)
{
    check->wanted = map_create(check->scratch);
    for (uint32_t i = 0; i < check->graph->n_nodes; ++i) {
        Node *node = check->graph->nodes[i];
        if (node_is_constant(node) && node->attr.constant.expr == CONST_WEIGHT &&
            !map_has(check->wanted, node->attr.constant.name)) {
            map_put(check->wanted, node->attr.constant.name, node);
        }
    }
}

bool weights_check(const Weights *weights, const Graph *graph, bool allow_extra, Diag *diag)
{
    if (weights->kind != WEIGHTS_FILE) {
        return true; /* made to measure */
    }
    size_t errors = diag_errors(diag);
    Check check = {.weights = weights, .graph = graph, .diag = diag, .scratch = arena_create()};
    collect_wanted(&check);
    for (size_t i = 0; i < map_count(check.wanted); ++i) {
        check_wanted(&check, map_key_at(check.wanted, i), map_value_at(check.wanted, i));
    }
    if (!allow_extra) {
        check_extra(&check);
    }
    arena_destroy(check.scratch);
    return diag_errors(diag) == errors;
}
