/* Types from inputs and attributes: one function an op (or a family that agrees); ops with a window are in
 * shape_window.c. Attributes are within the bounds of their PARAM rows (the elaborator checks those); what depends on
 * the inputs is checked here, and with care: no tensor, activation or weight, may have more than TYPE_MAX_ELEMENTS
 * elements, and no size is computed in less than 64 bits. */
#include "ir/shape_parts.h"

#include <stdarg.h>
#include <stdio.h>

bool shape_fail(const Infer *in, DiagId id, const char *help, const char *format, ...)
{
    StrBuf text = {0};
    va_list args;
    va_start(args, format);
    strbuf_vprintf(&text, format, args);
    va_end(args);
    diag_error(in->diag, id, in->node->span, STR_FMT, STR_ARG(strbuf_view(&text)));
    strbuf_free(&text);
    if (help != NULL) {
        diag_help(in->diag, "%s", help);
    }
    diag_chain(in->diag, in->node->site);
    return false;
}

/* --- results */

bool shape_set(Infer *in, DType dtype, int rank, const int64_t *dims)
{
    if (type_count(rank, dims) < 0) {
        StrBuf text = {0};
        for (int i = 0; i < rank; ++i) {
            strbuf_printf(&text, "%s%lld", i > 0 ? "," : "", (long long)dims[i]);
        }
        shape_fail(in, DIAG_TENSOR_TOO_LARGE, NULL,
                   "the result of %s, %s[" STR_FMT "], has more than 2147483647 elements", in->op, dtype_name(dtype),
                   STR_ARG(strbuf_view(&text)));
        strbuf_free(&text);
        return false;
    }
    in->node->type = (TensorType){.dtype = dtype, .rank = (uint8_t)rank};
    for (int i = 0; i < rank; ++i) {
        in->node->type.dim[i] = (int32_t)dims[i];
    }
    return true;
}

bool shape_set_1(Infer *in, int64_t d0)
{
    return shape_set(in, DT_F32, 1, (const int64_t[]){d0});
}

bool shape_set_3(Infer *in, int64_t c, int64_t h, int64_t w)
{
    return shape_set(in, DT_F32, 3, (const int64_t[]){c, h, w});
}

static bool set_same(Infer *in)
{
    in->node->type = in->a;
    in->node->type.dtype = DT_F32;
    return true;
}

/* --- demands on inputs */

bool shape_need_image(const Infer *in)
{
    if (in->a.rank == 3) {
        return true;
    }
    return shape_fail(in, DIAG_BAD_RANK, "`reshape(x, [c, h, w])` gives a vector an image's shape",
                      "%s takes a tensor [C,H,W], not %s", in->op, type_text(in->a).text);
}

static bool need_vector(const Infer *in)
{
    if (in->a.rank == 1) {
        return true;
    }
    if (in->a.rank == 3) {
        return shape_fail(in, DIAG_NEEDS_FLATTEN, "put `|> flatten` before it, or `|> global_avg_pool |> flatten`",
                          "%s takes a vector [N], not %s", in->op, type_text(in->a).text);
    }
    return shape_fail(in, DIAG_BAD_RANK, "put `|> flatten` before it", "%s takes a vector [N], not %s", in->op,
                      type_text(in->a).text);
}

static bool need_channels(const Infer *in)
{
    if (in->a.rank == 1 || in->a.rank == 3) {
        return true;
    }
    return shape_fail(in, DIAG_BAD_RANK, NULL, "%s takes a tensor [C,H,W] or a vector [C], not %s", in->op,
                      type_text(in->a).text);
}

/* u8 comes from cameras and leaves through normalize; i32 comes from argmax and top_k and only leaves the net. */
static bool need_f32(const Infer *in)
{
    for (uint32_t i = 0; i < in->n_inputs; ++i) {
        TensorType type = in->node->inputs[i]->type;
        bool takes_u8 = in->node->op == OP_NORMALIZE;
        if (type.dtype == DT_F32 || (type.dtype == DT_U8 && takes_u8)) {
            continue;
        }
        const char *help = type.dtype == DT_U8 ? "put `|> normalize(mean=..., std=...)` between the u8 input and it"
                                               : "indices can only be outputs of the net";
        return shape_fail(in, DIAG_BAD_DTYPE, help, "%s takes %s elements, not %s", in->op,
                          takes_u8 ? "f32 or u8" : "f32", type_text(type).text);
    }
    return true;
}

/* In what two types differ, for messages. */
typedef struct Difference {
    char text[64];
} Difference;

static Difference difference(TensorType a, TensorType b, int first_dim)
{
    static const char *const image_dims[] = {"channels", "heights", "widths"};
    Difference out = {""};
    if (a.rank != b.rank) {
        snprintf(out.text, sizeof out.text, "ranks differ (%d and %d)", a.rank, b.rank);
        return out;
    }
    for (int i = first_dim; i < a.rank; ++i) {
        if (a.dim[i] != b.dim[i]) {
            const char *what = a.rank == 3 ? image_dims[i] : a.rank == 1 ? "lengths" : i == 0 ? "rows" : "columns";
            snprintf(out.text, sizeof out.text, "%s differ (%d and %d)", what, (int)a.dim[i], (int)b.dim[i]);
            return out;
        }
    }
    return out;
}

/* --- elementwise and joins */

/* Can `small` be repeated over `large`? One number, or one a channel. */
static bool broadcasts(TensorType small, TensorType large)
{
    if (small.rank == 1 && small.dim[0] == 1) {
        return true;
    }
    bool per_channel = small.rank == 1 || (small.rank == 3 && small.dim[1] == 1 && small.dim[2] == 1);
    return per_channel && large.rank == 3 && small.dim[0] == large.dim[0];
}

static bool infer_binary(Infer *in)
{
    TensorType a = in->a;
    TensorType b = in->b;
    if (type_equal(a, b) || broadcasts(b, a)) {
        in->node->type = a;
        return true;
    }
    if (broadcasts(a, b)) {
        in->node->type = b;
        return true;
    }
    bool is_sub = in->node->op == OP_SUB;
    TensorType first = is_sub ? b : a; /* "subtract b from a" */
    TensorType second = is_sub ? a : b;
    const char *verb = is_sub ? "subtract" : in->node->op == OP_ADD ? "add" : "multiply";
    const char *help = "the shapes must be equal, or one side [1], [C] or [C,1,1] against [C,H,W]";
    /* Channels are what counts between [C] and [C,H,W]. */
    if (a.rank != b.rank && (a.rank == 1 || b.rank == 1) && (a.rank == 3 || b.rank == 3) && a.dim[0] != b.dim[0]) {
        return shape_fail(in, DIAG_SHAPE_MISMATCH, help, "cannot %s %s %s %s: channels differ (%d and %d)", verb,
                          type_text(first).text, is_sub ? "from" : "and", type_text(second).text, (int)first.dim[0],
                          (int)second.dim[0]);
    }
    return shape_fail(in, DIAG_SHAPE_MISMATCH, a.rank == b.rank ? NULL : help, "cannot %s %s %s %s: %s", verb,
                      type_text(first).text, is_sub ? "from" : "and", type_text(second).text,
                      difference(first, second, 0).text);
}

static bool infer_concat(Infer *in)
{
    if (!need_channels(in)) {
        return false;
    }
    int64_t channels = in->a.dim[0];
    for (uint32_t i = 1; i < in->n_inputs; ++i) {
        TensorType other = in->node->inputs[i]->type;
        Difference why = difference(in->a, other, 1);
        if (why.text[0] != '\0') {
            return shape_fail(in, DIAG_SHAPE_MISMATCH, "concat joins channels; all other dims must agree",
                              "cannot concat %s and %s: %s", type_text(in->a).text, type_text(other).text, why.text);
        }
        channels += other.dim[0]; /* below 2^63: at most 2^32 inputs of 2^31 */
    }
    return shape_set(in, DT_F32, in->a.rank, (const int64_t[]){channels, in->a.dim[1], in->a.dim[2]});
}

/* --- shapes */

static bool infer_flatten(Infer *in)
{
    if (in->node->attr.shape.order == FLATTEN_HWC && in->a.rank == 2) {
        return shape_fail(in, DIAG_BAD_RANK, NULL, "flatten(order=\"hwc\") takes a tensor [C,H,W], not %s",
                          type_text(in->a).text);
    }
    return shape_set_1(in, type_elements(in->a));
}

static bool infer_reshape(Infer *in)
{
    const IntList *shape = &in->node->attr.shape.shape;
    int64_t dims[3];
    if (shape->count < 1 || shape->count > 3) {
        return shape_fail(in, DIAG_BAD_RANK, "[N], [R,C] or [C,H,W]",
                          "reshape to a list of %d dims; 1 to 3 are possible", (int)shape->count);
    }
    for (int32_t i = 0; i < shape->count; ++i) {
        dims[i] = shape->values[i];
    }
    if (!shape_set(in, DT_F32, shape->count, dims)) {
        return false;
    }
    TensorType to = in->node->type;
    if (type_elements(to) != type_elements(in->a)) {
        return shape_fail(in, DIAG_SHAPE_MISMATCH, NULL, "cannot reshape %s to %s: %lld and %lld elements",
                          type_text(in->a).text, type_text(to).text, (long long)type_elements(in->a),
                          (long long)type_elements(to));
    }
    return true;
}

static bool infer_permute(Infer *in)
{
    const IntList *order = &in->node->attr.shape.permutation;
    if (order->count != in->a.rank) {
        return shape_fail(in, DIAG_SHAPE_MISMATCH, NULL, "permute: an order of %d axes for %s, which has %d",
                          (int)order->count, type_text(in->a).text, in->a.rank);
    }
    int64_t dims[TYPE_MAX_RANK];
    bool seen[TYPE_MAX_RANK] = {false};
    for (int32_t i = 0; i < order->count; ++i) {
        int32_t axis = order->values[i];
        if (axis < 0 || axis >= in->a.rank || seen[axis]) {
            return shape_fail(
                in, DIAG_VALUE_RANGE, "each axis of the input stands in the order once", "permute: axis %d %s",
                (int)axis, axis >= 0 && axis < in->a.rank ? "stands twice in the order" : "is not one of the input's");
        }
        seen[axis] = true;
        dims[i] = in->a.dim[axis];
    }
    return shape_set(in, DT_F32, in->a.rank, dims);
}

static bool infer_slice(Infer *in)
{
    const ShapeAttr *slice = &in->node->attr.shape;
    if (slice->axis < 0 || slice->axis >= in->a.rank) {
        return shape_fail(in, DIAG_VALUE_RANGE, NULL, "slice: %s has no axis %d", type_text(in->a).text,
                          (int)slice->axis);
    }
    int32_t size = in->a.dim[slice->axis];
    if (slice->begin < 0 || slice->begin >= slice->end || slice->end > size) {
        return shape_fail(in, DIAG_VALUE_RANGE, "0 <= begin < end <= size of the axis",
                          "slice: %d to %d is no range within axis %d of %s, of size %d", (int)slice->begin,
                          (int)slice->end, (int)slice->axis, type_text(in->a).text, (int)size);
    }
    in->node->type = in->a;
    in->node->type.dim[slice->axis] = slice->end - slice->begin;
    return true;
}

static bool infer_crop(Infer *in)
{
    const int32_t *crop = in->node->attr.shape.crop;
    if (!shape_need_image(in)) {
        return false;
    }
    int64_t out[2];
    for (int axis = 0; axis < 2; ++axis) {
        out[axis] = in->a.dim[axis + 1] - 2 * (int64_t)crop[axis];
        if (out[axis] < 1) {
            return shape_fail(in, DIAG_VALUE_RANGE, NULL, "crop: taking %d %s off both sides leaves nothing of %s",
                              (int)crop[axis], axis == 0 ? "rows" : "columns", type_text(in->a).text);
        }
    }
    return shape_set_3(in, in->a.dim[0], out[0], out[1]);
}

static bool infer_shuffle(Infer *in)
{
    return need_channels(in) && shape_groups_divide(in, in->a.dim[0], in->node->attr.shape.groups, "input") &&
           set_same(in);
}

static bool infer_pad(Infer *in)
{
    const ShapeAttr *pad = &in->node->attr.shape;
    if (!shape_need_image(in)) {
        return false;
    }
    for (int edge = 0; edge < 4; ++edge) {
        bool is_row = edge == PAD_TOP || edge == PAD_BOTTOM;
        int32_t size = in->a.dim[is_row ? 1 : 2];
        if (pad->pad_mode == PAD_REFLECT && pad->pads.edge[edge] >= size) {
            return shape_fail(in, DIAG_VALUE_RANGE,
                              "\"reflect\" mirrors pixels of the input without the edge: pads must be less "
                              "than its size",
                              "pad: cannot reflect %d %s of %s, which has %d", (int)pad->pads.edge[edge],
                              is_row ? "rows" : "columns", type_text(in->a).text, (int)size);
        }
    }
    return shape_set_3(in, in->a.dim[0], (int64_t)in->a.dim[1] + pad->pads.edge[PAD_TOP] + pad->pads.edge[PAD_BOTTOM],
                       (int64_t)in->a.dim[2] + pad->pads.edge[PAD_LEFT] + pad->pads.edge[PAD_RIGHT]);
}

static bool infer_upsample(Infer *in)
{
    const int32_t *scale = in->node->attr.shape.scale;
    return shape_need_image(in) &&
           shape_set_3(in, in->a.dim[0], (int64_t)in->a.dim[1] * scale[0], (int64_t)in->a.dim[2] * scale[1]);
}

/* --- the rest */

static bool infer_dense(Infer *in)
{
    return need_vector(in) && shape_set_1(in, in->node->attr.dense.units);
}

static bool infer_normalize(Infer *in)
{
    const MiscAttr *misc = &in->node->attr.misc;
    if (!need_channels(in)) {
        return false;
    }
    const struct {
        const char *name;
        const FloatList *list;
    } lists[] = {{"mean", &misc->mean}, {"std", &misc->std}};
    for (int i = 0; i < 2; ++i) {
        if (lists[i].list->count != 1 && lists[i].list->count != in->a.dim[0]) {
            return shape_fail(in, DIAG_SHAPE_MISMATCH, "give one number for all channels, or one for each",
                              "normalize: %s has %d values for the %d channels of %s", lists[i].name,
                              (int)lists[i].list->count, (int)in->a.dim[0], type_text(in->a).text);
        }
    }
    for (int32_t i = 0; i < misc->std.count; ++i) {
        if (misc->std.values[i] == 0) {
            return shape_fail(in, DIAG_VALUE_RANGE, NULL,
                              "normalize: std of channel %d is 0; the difference is divided by it", (int)i);
        }
    }
    return set_same(in);
}

static bool infer_clamp(Infer *in)
{
    const ActAttr *act = &in->node->attr.act;
    if (!(act->a <= act->b)) {
        return shape_fail(in, DIAG_VALUE_RANGE, NULL, "clamp: lo %g is above hi %g", act->a, act->b);
    }
    return set_same(in);
}

static bool infer_mse(Infer *in)
{
    if (!type_equal(in->a, in->b)) {
        return shape_fail(in, DIAG_SHAPE_MISMATCH, NULL, "cannot take mse of %s and %s: %s", type_text(in->a).text,
                          type_text(in->b).text, difference(in->a, in->b, 0).text);
    }
    return shape_set_1(in, 1);
}

static bool infer_argmax(Infer *in)
{
    return need_channels(in) && shape_set(in, DT_I32, in->a.rank, (const int64_t[]){1, in->a.dim[1], in->a.dim[2]});
}

static bool infer_top_k(Infer *in)
{
    const MiscAttr *misc = &in->node->attr.misc;
    if (!need_vector(in)) {
        return false;
    }
    if (misc->k > in->a.dim[0]) {
        return shape_fail(in, DIAG_VALUE_RANGE, NULL, "top_k: the %d largest of %s, which has %d", (int)misc->k,
                          type_text(in->a).text, (int)in->a.dim[0]);
    }
    return shape_set(in, misc->indices ? DT_I32 : DT_F32, 1, (const int64_t[]){misc->k});
}

static bool infer_by_op(Infer *in)
{
    switch (in->node->op) {
    case OP_INPUT:
    case OP_CONST:
        return true; /* declared, not inferred */
    case OP_CONV:
        return shape_conv(in);
    case OP_DEPTHWISE_CONV:
        return shape_depthwise(in);
    case OP_CONV_TRANSPOSE:
        return shape_conv_transpose(in);
    case OP_DENSE:
    case OP_RBF:
        return infer_dense(in);
    case OP_MAX_POOL:
    case OP_AVG_POOL:
        return shape_pool(in);
    case OP_GLOBAL_AVG_POOL:
    case OP_GLOBAL_MAX_POOL:
        return shape_global_pool(in);
    case OP_ADAPTIVE_AVG_POOL:
        return shape_adaptive_pool(in);
    case OP_SUBSAMPLE:
        return shape_subsample(in);
    case OP_BATCH_NORM:
    case OP_SOFTMAX:
    case OP_LOG_SOFTMAX:
    case OP_L2_NORMALIZE:
    case OP_PRELU:
    case OP_AFFINE:
        return need_channels(in) && set_same(in);
    case OP_INSTANCE_NORM:
    case OP_LRN:
        return shape_need_image(in) && set_same(in);
    case OP_RELU:
    case OP_RELU6:
    case OP_LEAKY_RELU:
    case OP_SIGMOID:
    case OP_HARD_SIGMOID:
    case OP_TANH:
    case OP_SCALED_TANH:
    case OP_SILU:
    case OP_HARD_SWISH:
    case OP_GELU:
    case OP_ELU:
    case OP_SOFTPLUS:
    case OP_STEP:
    case OP_IDENTITY:
    case OP_DROPOUT:
    case OP_SCALE:
        return set_same(in);
    case OP_ADD:
    case OP_SUB:
    case OP_MUL:
        return infer_binary(in);
    case OP_CONCAT:
        return infer_concat(in);
    case OP_FLATTEN:
        return infer_flatten(in);
    case OP_RESHAPE:
        return infer_reshape(in);
    case OP_PERMUTE:
        return infer_permute(in);
    case OP_SLICE:
        return infer_slice(in);
    case OP_CROP:
        return infer_crop(in);
    case OP_CHANNEL_SHUFFLE:
        return infer_shuffle(in);
    case OP_PAD:
        return infer_pad(in);
    case OP_UPSAMPLE:
        return infer_upsample(in);
    case OP_NORMALIZE:
        return infer_normalize(in);
    case OP_GRAM:
        return shape_need_image(in) && shape_set(in, DT_F32, 2, (const int64_t[]){in->a.dim[0], in->a.dim[0]});
    case OP_MSE:
        return infer_mse(in);
    case OP_SUM:
    case OP_MEAN:
        return shape_set_1(in, 1);
    case OP_CLAMP:
        return infer_clamp(in);
    case OP_ARGMAX:
        return infer_argmax(in);
    case OP_TOP_K:
        return infer_top_k(in);
    case OP_COUNT:
        break;
    }
    ICE("op number %d", (int)in->node->op);
}

static bool weights_fit(const Infer *in)
{
    WeightRole roles[4];
    int count = op_weights(in->node->op, &in->node->attr, roles);
    for (int i = 0; i < count; ++i) {
        int64_t dims[TYPE_MAX_RANK];
        if (type_count(shape_weight_dims(in->node, roles[i], dims), dims) < 0) {
            return shape_fail(in, DIAG_TENSOR_TOO_LARGE, NULL,
                              "the %s of %s on %s would have more than 2147483647 elements", role_name(roles[i]),
                              in->op, type_text(in->a).text);
        }
    }
    return true;
}

bool shape_infer(Node *node, Diag *diag)
{
    Infer in = {.node = node, .diag = diag, .op = op_info(node->op)->name};
    in.n_inputs = node->n_data - (node->adds_residual ? 1 : 0);
    if (in.n_inputs > 0) {
        in.a = node->inputs[0]->type;
    }
    if (in.n_inputs > 1) {
        in.b = node->inputs[1]->type;
    }
    if (node->op == OP_INPUT || node->op == OP_CONST) {
        return true;
    }
    if (!need_f32(&in) || !infer_by_op(&in) || !weights_fit(&in)) {
        return false;
    }
    if (node->adds_residual && !type_equal(node_residual(node)->type, node->type)) {
        return shape_fail(&in, DIAG_SHAPE_MISMATCH, NULL, "cannot add the residual %s to the result %s of %s",
                          type_text(node_residual(node)->type).text, type_text(node->type).text, in.op);
    }
    return true;
}
