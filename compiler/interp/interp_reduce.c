/* Arithmetic on two tensors, and ops that reduce tensors to few numbers. */
#include <stdlib.h>

#include "interp/eval.h"

/* Element of `operand` that meets element i of the result: itself, its channel's, or the only one there is. */
static double broadcast(const Operand *operand, TensorType result, int64_t i)
{
    int64_t count = type_elements(operand->type);
    if (count == type_elements(result)) {
        return operand->data[i];
    }
    if (count == 1) {
        return operand->data[0];
    }
    return operand->data[i / (type_elements(result) / type_channels(result))];
}

void interp_binary(const Eval *eval)
{
    TensorType type = eval->node->type;
    int64_t count = type_elements(type);
    for (int64_t i = 0; i < count; ++i) {
        double a = broadcast(&eval->in[0], type, i), b = broadcast(&eval->in[1], type, i);
        eval->out[i] = eval->node->op == OP_ADD ? a + b : eval->node->op == OP_SUB ? a - b : a * b;
    }
}

void interp_scale(const Eval *eval)
{
    int64_t count = type_elements(eval->node->type);
    for (int64_t i = 0; i < count; ++i) {
        eval->out[i] = eval->node->attr.misc.scale * eval->in[0].data[i];
    }
}

void interp_gram(const Eval *eval)
{
    const Operand *in = &eval->in[0];
    int64_t channels = type_channels(in->type), plane = (int64_t)type_height(in->type) * type_width(in->type);
    for (int64_t a = 0; a < channels; ++a) {
        for (int64_t b = 0; b < channels; ++b) {
            double sum = 0.0;
            for (int64_t p = 0; p < plane; ++p) {
                sum += in->data[a * plane + p] * in->data[b * plane + p];
            }
            eval->out[a * channels + b] = sum / (double)(channels * plane);
        }
    }
}

void interp_mse(const Eval *eval)
{
    int64_t count = type_elements(eval->in[0].type);
    double sum = 0.0;
    for (int64_t i = 0; i < count; ++i) {
        double difference = eval->in[0].data[i] - eval->in[1].data[i];
        sum += difference * difference;
    }
    eval->out[0] = sum / (double)count;
}

void interp_sum(const Eval *eval)
{
    int64_t count = type_elements(eval->in[0].type);
    double sum = 0.0;
    for (int64_t i = 0; i < count; ++i) {
        sum += eval->in[0].data[i];
    }
    eval->out[0] = eval->node->op == OP_MEAN ? sum / (double)count : sum;
}

/* Over channels, at each pixel on its own; the first of equals. */
void interp_argmax(const Eval *eval)
{
    const Operand *in = &eval->in[0];
    int64_t plane = (int64_t)type_height(in->type) * type_width(in->type);
    for (int64_t p = 0; p < plane; ++p) {
        int32_t best = 0;
        for (int32_t c = 1; c < type_channels(in->type); ++c) {
            if (in->data[c * plane + p] > in->data[best * plane + p]) {
                best = c;
            }
        }
        eval->out[p] = best;
    }
}

/* k times the largest that is left; of equals the one with the lower index first. */
void interp_top_k(const Eval *eval)
{
    const Operand *in = &eval->in[0];
    const MiscAttr *attr = &eval->node->attr.misc;
    int64_t count = type_elements(in->type);
    bool *taken = calloc((size_t)count, sizeof *taken);
    if (taken == NULL) {
        out_of_memory();
    }
    for (int32_t k = 0; k < attr->k; ++k) {
        int64_t best = -1;
        for (int64_t i = 0; i < count; ++i) {
            if (!taken[i] && (best < 0 || in->data[i] > in->data[best])) {
                best = i;
            }
        }
        taken[best] = true;
        eval->out[k] = attr->indices ? (double)best : in->data[best];
    }
    free(taken);
}
