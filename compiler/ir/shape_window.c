/* Shapes of ops with a window: convolutions and pools, their padding, groups and connection tables. */
#include "ir/shape_parts.h"

#include <stdlib.h>

/* --- windows: convolution and pooling along one axis */

typedef struct Window {
    int64_t in, kernel, stride; /* kernel: with dilation, so from the first tap to the last */
    int64_t lo, hi;             /* padding */
} Window;

static int64_t floor_div(int64_t a, int64_t b) /* b > 0 */
{
    return a >= 0 ? a / b : -((-a + b - 1) / b);
}

static int64_t ceil_div(int64_t a, int64_t b)
{
    return -floor_div(-a, b);
}

/* Number of window positions; 0 or less where the window does not fit. */
static int64_t window_count(Window w, bool ceil)
{
    int64_t room = w.in + w.lo + w.hi - w.kernel;
    if (!ceil) {
        return floor_div(room, w.stride) + 1;
    }
    int64_t count = ceil_div(room, w.stride) + 1;
    if ((count - 1) * w.stride >= w.in + w.lo) {
        --count; /* the last window would start past the input, in the padding at its end */
    }
    return count;
}

/* The window along rows (axis 0) or columns (1) of the input. */
static Window window_of(const Infer *in, int axis, const int32_t *kernel, const int32_t *stride,
                        const int32_t *dilation, const Pads *pad)
{
    return (Window){
        .in = in->a.dim[axis + 1],
        .kernel = ((int64_t)kernel[axis] - 1) * (dilation == NULL ? 1 : dilation[axis]) + 1,
        .stride = stride[axis],
        .lo = pad->edge[axis == 0 ? PAD_TOP : PAD_LEFT],
        .hi = pad->edge[axis == 0 ? PAD_BOTTOM : PAD_RIGHT],
    };
}

enum { PAD_LIMIT = 65535 }; /* as the PARAM rows of pad say */

/* Turns "same" into edges: output = ceil(input / stride), the odd pixel at the bottom and right. */
static bool resolve_same(const Infer *in, const int32_t *kernel, const int32_t *stride, const int32_t *dilation,
                         Pads *pad)
{
    if (!pad->same) {
        return true;
    }
    Pads resolved = {.same = false};
    for (int axis = 0; axis < 2; ++axis) {
        Window w = window_of(in, axis, kernel, stride, dilation, &resolved);
        int64_t total = (ceil_div(w.in, w.stride) - 1) * w.stride + w.kernel - w.in;
        total = total > 0 ? total : 0;
        if (total - total / 2 > PAD_LIMIT) {
            return shape_fail(in, DIAG_VALUE_RANGE, NULL, "%s: \"same\" would pad by %lld %s; at most %d are allowed",
                              in->op, (long long)(total - total / 2), axis == 0 ? "rows" : "columns", PAD_LIMIT);
        }
        resolved.edge[axis == 0 ? PAD_TOP : PAD_LEFT] = (int32_t)(total / 2);
        resolved.edge[axis == 0 ? PAD_BOTTOM : PAD_RIGHT] = (int32_t)(total - total / 2);
    }
    *pad = resolved;
    return true;
}

/* Output rows and columns. */
static bool window_sizes(const Infer *in, const int32_t *kernel, const int32_t *stride, const int32_t *dilation,
                         const Pads *pad, bool ceil, int64_t out[2])
{
    Window w[2];
    for (int axis = 0; axis < 2; ++axis) {
        w[axis] = window_of(in, axis, kernel, stride, dilation, pad);
        out[axis] = window_count(w[axis], ceil);
    }
    if (out[0] >= 1 && out[1] >= 1) {
        return true;
    }
    bool dilated = w[0].kernel != kernel[0] || w[1].kernel != kernel[1];
    return shape_fail(in, DIAG_WINDOW_TOO_LARGE, "take a smaller kernel, more padding, or a larger input",
                      "the %lldx%lld window of %s%s is larger than its input %s%s%s: no output would be left",
                      (long long)w[0].kernel, (long long)w[1].kernel, in->op, dilated ? " (dilation included)" : "",
                      type_text(in->a).text, w[0].lo + w[0].hi + w[1].lo + w[1].hi > 0 ? ", even padded" : "",
                      ceil ? ", even in ceil mode" : "");
}

bool shape_groups_divide(const Infer *in, int64_t channels, int64_t groups, const char *what)
{
    if (channels % groups == 0) {
        return true;
    }
    return shape_fail(in, DIAG_BAD_GROUPS, NULL, "%s: %lld groups do not divide %lld %s channels", in->op,
                      (long long)groups, (long long)channels, what);
}

/* --- convolution */

static int compare_ints(const void *a, const void *b)
{
    int32_t x = *(const int32_t *)a;
    int32_t y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

/* Repeats are found in a sorted copy of each row, so that time and memory follow the table, not the input's channels.
 */
static bool check_table_repeats(const Infer *in, const IntTable *table)
{
    Arena *scratch = arena_create();
    bool ok = true;
    for (int32_t row = 0; row < table->n_rows && ok; ++row) {
        int32_t count = table->start[row + 1] - table->start[row];
        int32_t *sorted = ARENA_ARRAY(scratch, int32_t, count);
        memcpy(sorted, table->values + table->start[row], (size_t)count * sizeof *sorted);
        qsort(sorted, (size_t)count, sizeof *sorted, compare_ints);
        for (int32_t i = 1; i < count && ok; ++i) {
            if (sorted[i] == sorted[i - 1]) {
                ok = shape_fail(in, DIAG_BAD_TABLE, NULL, "%s: row %d of the table names input map %d twice", in->op,
                                (int)row, (int)sorted[i]);
            }
        }
    }
    arena_destroy(scratch);
    return ok;
}

/* A table has a row an output map: the input maps it reads, each at most once. */
static bool check_table(const Infer *in)
{
    const ConvAttr *conv = &in->node->attr.conv;
    const IntTable *table = &conv->table;
    if (table->n_rows == 0) {
        return true;
    }
    if (conv->groups != 1) {
        return shape_fail(in, DIAG_BAD_TABLE, NULL, "%s: a table and %d groups exclude each other", in->op,
                          (int)conv->groups);
    }
    if (table->n_rows != conv->channels) {
        return shape_fail(in, DIAG_BAD_TABLE, "the table has one list of input maps for each output map",
                          "%s: the table has %d rows for %d output channels", in->op, (int)table->n_rows,
                          (int)conv->channels);
    }
    for (int32_t row = 0; row < table->n_rows; ++row) {
        if (table->start[row] == table->start[row + 1]) {
            return shape_fail(in, DIAG_BAD_TABLE, NULL, "%s: row %d of the table is empty", in->op, (int)row);
        }
        for (int32_t i = table->start[row]; i < table->start[row + 1]; ++i) {
            if (table->values[i] < 0 || table->values[i] >= in->a.dim[0]) {
                return shape_fail(in, DIAG_BAD_TABLE, NULL,
                                  "%s: row %d of the table names input map %d; %s has maps 0 to %d", in->op, (int)row,
                                  (int)table->values[i], type_text(in->a).text, (int)in->a.dim[0] - 1);
            }
        }
    }
    return check_table_repeats(in, table);
}

bool shape_conv(Infer *in)
{
    ConvAttr *conv = &in->node->attr.conv;
    int64_t out[2];
    return shape_need_image(in) && shape_groups_divide(in, in->a.dim[0], conv->groups, "input") &&
           shape_groups_divide(in, conv->channels, conv->groups, "output") && check_table(in) &&
           resolve_same(in, conv->kernel, conv->stride, conv->dilation, &conv->pad) &&
           window_sizes(in, conv->kernel, conv->stride, conv->dilation, &conv->pad, false, out) &&
           shape_set_3(in, conv->channels, out[0], out[1]);
}

bool shape_depthwise(Infer *in)
{
    ConvAttr *conv = &in->node->attr.conv;
    int64_t out[2];
    if (!shape_need_image(in) || !resolve_same(in, conv->kernel, conv->stride, conv->dilation, &conv->pad) ||
        !window_sizes(in, conv->kernel, conv->stride, conv->dilation, &conv->pad, false, out) ||
        !shape_set_3(in, (int64_t)in->a.dim[0] * conv->multiplier, out[0], out[1])) {
        return false;
    }
    conv->groups = in->a.dim[0];
    conv->channels = in->node->type.dim[0];
    return true;
}

bool shape_conv_transpose(Infer *in)
{
    const ConvAttr *conv = &in->node->attr.conv;
    if (!shape_need_image(in) || !shape_groups_divide(in, in->a.dim[0], conv->groups, "input") ||
        !shape_groups_divide(in, conv->channels, conv->groups, "output")) {
        return false;
    }
    int64_t out[2];
    for (int axis = 0; axis < 2; ++axis) {
        Window w = window_of(in, axis, conv->kernel, conv->stride, conv->dilation, &conv->pad);
        int64_t limit = conv->stride[axis] > conv->dilation[axis] ? conv->stride[axis] : conv->dilation[axis];
        if (conv->output_pad[axis] >= limit) {
            return shape_fail(in, DIAG_VALUE_RANGE, NULL,
                              "%s: output_pad %d must be less than stride or dilation (%lld)", in->op,
                              (int)conv->output_pad[axis], (long long)limit);
        }
        out[axis] = (w.in - 1) * w.stride + w.kernel - w.lo - w.hi + conv->output_pad[axis];
        if (out[axis] < 1) {
            return shape_fail(in, DIAG_WINDOW_TOO_LARGE, "take less padding, or a larger kernel or input",
                              "%s of %s: pad takes all %lld %s off the output", in->op, type_text(in->a).text,
                              (long long)(out[axis] + w.lo + w.hi), axis == 0 ? "rows" : "columns");
        }
    }
    return shape_set_3(in, conv->channels, out[0], out[1]);
}

/* --- pooling */

/* Padding narrower than the window: then every window sees a pixel, and a maximum or average exists. */
static bool pads_narrower(const Infer *in, const PoolAttr *pool)
{
    for (int edge = 0; edge < 4; ++edge) {
        int axis = edge == PAD_TOP || edge == PAD_BOTTOM ? 0 : 1;
        if (pool->pad.edge[edge] >= pool->kernel[axis]) {
            return shape_fail(in, DIAG_VALUE_RANGE,
                              "a window must see at least one pixel: pad must be less than kernel",
                              "%s: pad %d is not less than the %dx%d window", in->op, (int)pool->pad.edge[edge],
                              (int)pool->kernel[0], (int)pool->kernel[1]);
        }
    }
    return true;
}

bool shape_pool(Infer *in)
{
    PoolAttr *pool = &in->node->attr.pool;
    int64_t out[2];
    return shape_need_image(in) && resolve_same(in, pool->kernel, pool->stride, NULL, &pool->pad) &&
           pads_narrower(in, pool) && window_sizes(in, pool->kernel, pool->stride, NULL, &pool->pad, pool->ceil, out) &&
           shape_set_3(in, in->a.dim[0], out[0], out[1]);
}

bool shape_global_pool(Infer *in)
{
    return shape_need_image(in) &&
           (in->node->attr.pool.keep ? shape_set_3(in, in->a.dim[0], 1, 1) : shape_set_1(in, in->a.dim[0]));
}

bool shape_adaptive_pool(Infer *in)
{
    const int32_t *size = in->node->attr.pool.size;
    return shape_need_image(in) && shape_set_3(in, in->a.dim[0], size[0], size[1]);
}

bool shape_subsample(Infer *in)
{
    PoolAttr *pool = &in->node->attr.pool;
    pool->stride[0] = pool->kernel[0]; /* windows do not overlap */
    pool->stride[1] = pool->kernel[1];
    int64_t out[2];
    return shape_need_image(in) && window_sizes(in, pool->kernel, pool->stride, NULL, &pool->pad, false, out) &&
           shape_set_3(in, in->a.dim[0], out[0], out[1]);
}
