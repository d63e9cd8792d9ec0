/* Ops that move elements and compute nothing (but for bilinear upsampling, which mixes neighbours). */
#include <math.h>

#include "interp/eval.h"

/* Element (c, y, x) of a [C,H,W] operand. */
static double at(const Operand *in, int64_t c, int64_t y, int64_t x)
{
    return in->data[(c * type_height(in->type) + y) * type_width(in->type) + x];
}

void interp_copy(const Eval *eval)
{
    memcpy(eval->out, eval->in[0].data, (size_t)type_elements(eval->node->type) * sizeof(double));
}

void interp_concat(const Eval *eval)
{
    double *out = eval->out;
    for (uint32_t i = 0; i < eval->n_in; ++i) {
        int64_t count = type_elements(eval->in[i].type);
        memcpy(out, eval->in[i].data, (size_t)count * sizeof(double));
        out += count;
    }
}

void interp_flatten(const Eval *eval)
{
    if (eval->node->attr.shape.order == FLATTEN_CHW) {
        interp_copy(eval);
        return;
    }
    const Operand *in = &eval->in[0];
    double *out = eval->out;
    for (int32_t y = 0; y < type_height(in->type); ++y) {
        for (int32_t x = 0; x < type_width(in->type); ++x) {
            for (int32_t c = 0; c < type_channels(in->type); ++c) {
                *out++ = at(in, c, y, x);
            }
        }
    }
}

/* Output axis i is input axis order[i]: walks the output in order and keeps the matching place in the input. */
void interp_permute(const Eval *eval)
{
    const Operand *in = &eval->in[0];
    TensorType out = eval->node->type;
    int64_t in_stride[TYPE_MAX_RANK] = {0};
    int64_t below = 1;
    for (int axis = in->type.rank - 1; axis >= 0; --axis) {
        in_stride[axis] = below;
        below *= in->type.dim[axis];
    }
    int64_t count = type_elements(out);
    for (int64_t i = 0; i < count; ++i) {
        int64_t rest = i, from = 0;
        for (int axis = out.rank - 1; axis >= 0; --axis) {
            from += rest % out.dim[axis] * in_stride[eval->node->attr.shape.permutation.values[axis]];
            rest /= out.dim[axis];
        }
        eval->out[i] = in->data[from];
    }
}

void interp_slice(const Eval *eval)
{
    const ShapeAttr *attr = &eval->node->attr.shape;
    TensorType in = eval->in[0].type;
    int64_t above = 1, below = 1; /* products of the dims before and after the axis */
    for (int axis = 0; axis < in.rank; ++axis) {
        above *= axis < attr->axis ? in.dim[axis] : 1;
        below *= axis > attr->axis ? in.dim[axis] : 1;
    }
    double *out = eval->out;
    for (int64_t a = 0; a < above; ++a) {
        for (int64_t k = attr->begin; k < attr->end; ++k) {
            const double *from = eval->in[0].data + (a * in.dim[attr->axis] + k) * below;
            memcpy(out, from, (size_t)below * sizeof(double));
            out += below;
        }
    }
}

void interp_crop(const Eval *eval)
{
    const int32_t *crop = eval->node->attr.shape.crop;
    TensorType type = eval->node->type;
    double *out = eval->out;
    for (int32_t c = 0; c < type_channels(type); ++c) {
        for (int32_t y = 0; y < type_height(type); ++y) {
            for (int32_t x = 0; x < type_width(type); ++x) {
                *out++ = at(&eval->in[0], c, y + crop[0], x + crop[1]);
            }
        }
    }
}

void interp_channel_shuffle(const Eval *eval)
{
    const Operand *in = &eval->in[0];
    int32_t groups = eval->node->attr.shape.groups, per_group = type_channels(in->type) / groups;
    size_t plane = (size_t)type_height(in->type) * (size_t)type_width(in->type);
    for (int32_t g = 0; g < groups; ++g) {
        for (int32_t c = 0; c < per_group; ++c) {
            memcpy(eval->out + (size_t)(c * groups + g) * plane, in->data + (size_t)(g * per_group + c) * plane,
                   plane * sizeof(double));
        }
    }
}

/* Where position `i` of a padded axis, counted from the first real element, takes its value; -1: from the padding. */
static int64_t padded_source(PadMode mode, int64_t i, int64_t n)
{
    if (i >= 0 && i < n) {
        return i;
    }
    switch (mode) {
    case PAD_ZERO:
        return -1;
    case PAD_REFLECT:
        return i < 0 ? -i : 2 * (n - 1) - i;
    case PAD_EDGE:
        return i < 0 ? 0 : n - 1;
    }
    ICE("unknown pad mode %d", (int)mode);
}

void interp_pad(const Eval *eval)
{
    const ShapeAttr *attr = &eval->node->attr.shape;
    const Operand *in = &eval->in[0];
    TensorType type = eval->node->type;
    double *out = eval->out;
    for (int32_t c = 0; c < type_channels(type); ++c) {
        for (int32_t y = 0; y < type_height(type); ++y) {
            for (int32_t x = 0; x < type_width(type); ++x) {
                int64_t from_y = padded_source(attr->pad_mode, y - attr->pads.edge[PAD_TOP], type_height(in->type));
                int64_t from_x = padded_source(attr->pad_mode, x - attr->pads.edge[PAD_LEFT], type_width(in->type));
                *out++ = from_y < 0 || from_x < 0 ? attr->pad_value : at(in, c, from_y, from_x);
            }
        }
    }
}

/* Two neighbours and the weight of the second, for one output row or column. */
typedef struct Neighbours {
    int64_t first, second;
    double part;
} Neighbours;

/* Half-pixel centres (PyTorch's align_corners=False): places before the first centre take the first pixel's value. */
static Neighbours bilinear_neighbours(int64_t i, int64_t scale, int64_t n)
{
    double place = fmax(((double)i + 0.5) / (double)scale - 0.5, 0.0);
    int64_t first = (int64_t)place;
    return (Neighbours){first, first + 1 < n ? first + 1 : n - 1, place - (double)first};
}

void interp_upsample(const Eval *eval)
{
    const ShapeAttr *attr = &eval->node->attr.shape;
    const Operand *in = &eval->in[0];
    TensorType type = eval->node->type;
    double *out = eval->out;
    for (int32_t c = 0; c < type_channels(type); ++c) {
        for (int32_t y = 0; y < type_height(type); ++y) {
            for (int32_t x = 0; x < type_width(type); ++x) {
                if (attr->upsample_mode == UPSAMPLE_NEAREST) {
                    *out++ = at(in, c, y / attr->scale[0], x / attr->scale[1]);
                    continue;
                }
                Neighbours v = bilinear_neighbours(y, attr->scale[0], type_height(in->type));
                Neighbours h = bilinear_neighbours(x, attr->scale[1], type_width(in->type));
                double top = (1.0 - h.part) * at(in, c, v.first, h.first) + h.part * at(in, c, v.first, h.second);
                double bottom = (1.0 - h.part) * at(in, c, v.second, h.first) + h.part * at(in, c, v.second, h.second);
                *out++ = (1.0 - v.part) * top + v.part * bottom;
            }
        }
    }
}
