/* Normalisations, and per-channel scale and shift. */
#include <math.h>
#include <stdlib.h>

#include "interp/eval.h"

/* Elements of one channel: H * W, or 1 for a vector. */
static int64_t plane_size(TensorType type)
{
    return (int64_t)type_height(type) * type_width(type);
}

static double value_or(const double *values, int32_t index, double fallback)
{
    return values != NULL ? values[index] : fallback;
}

void interp_batch_norm(const Eval *eval)
{
    const Operand *in = &eval->in[0];
    int64_t plane = plane_size(in->type);
    double *gamma = interp_weight(eval, ROLE_WEIGHT), *beta = interp_weight(eval, ROLE_BIAS);
    double *mean = interp_weight(eval, ROLE_RUNNING_MEAN), *var = interp_weight(eval, ROLE_RUNNING_VAR);
    for (int32_t c = 0; c < type_channels(in->type); ++c) {
        double deviation = sqrt(var[c] + eval->node->attr.norm.eps);
        for (int64_t p = c * plane; p < (c + 1) * plane; ++p) {
            eval->out[p] = (in->data[p] - mean[c]) / deviation * value_or(gamma, c, 1.0) + value_or(beta, c, 0.0);
        }
    }
    free(gamma);
    free(beta);
    free(mean);
    free(var);
}

void interp_instance_norm(const Eval *eval)
{
    const Operand *in = &eval->in[0];
    int64_t plane = plane_size(in->type);
    double *gamma = interp_weight(eval, ROLE_WEIGHT), *beta = interp_weight(eval, ROLE_BIAS);
    for (int32_t c = 0; c < type_channels(in->type); ++c) {
        const double *x = in->data + c * plane;
        double mean = 0.0, var = 0.0;
        for (int64_t p = 0; p < plane; ++p) {
            mean += x[p] / (double)plane;
        }
        for (int64_t p = 0; p < plane; ++p) {
            var += (x[p] - mean) * (x[p] - mean) / (double)plane;
        }
        double deviation = sqrt(var + eval->node->attr.norm.eps);
        for (int64_t p = 0; p < plane; ++p) {
            eval->out[c * plane + p] = (x[p] - mean) / deviation * value_or(gamma, c, 1.0) + value_or(beta, c, 0.0);
        }
    }
    free(gamma);
    free(beta);
}

void interp_lrn(const Eval *eval)
{
    const Operand *in = &eval->in[0];
    const LrnAttr *attr = &eval->node->attr.lrn;
    int32_t channels = type_channels(in->type);
    int64_t plane = plane_size(in->type);
    double a = attr->alpha_div_n ? attr->alpha / attr->size : attr->alpha;
    for (int32_t c = 0; c < channels; ++c) {
        int32_t lo = c - attr->size / 2, hi = c + (attr->size - 1) / 2; /* both included */
        lo = lo < 0 ? 0 : lo;
        hi = hi >= channels ? channels - 1 : hi;
        for (int64_t p = 0; p < plane; ++p) {
            double sum = 0.0;
            for (int32_t j = lo; j <= hi; ++j) {
                sum += in->data[j * plane + p] * in->data[j * plane + p];
            }
            eval->out[c * plane + p] = in->data[c * plane + p] / pow(attr->k + a * sum, attr->beta);
        }
    }
}

void interp_l2_normalize(const Eval *eval)
{
    const Operand *in = &eval->in[0];
    int64_t plane = plane_size(in->type);
    for (int64_t p = 0; p < plane; ++p) {
        double sum = 0.0;
        for (int32_t c = 0; c < type_channels(in->type); ++c) {
            sum += in->data[c * plane + p] * in->data[c * plane + p];
        }
        double divisor = fmax(sqrt(sum), eval->node->attr.norm.eps);
        for (int32_t c = 0; c < type_channels(in->type); ++c) {
            eval->out[c * plane + p] = in->data[c * plane + p] / divisor;
        }
    }
}

void interp_affine(const Eval *eval)
{
    const Operand *in = &eval->in[0];
    int64_t plane = plane_size(in->type);
    double *weight = interp_weight(eval, ROLE_WEIGHT), *bias = interp_weight(eval, ROLE_BIAS);
    for (int32_t c = 0; c < type_channels(in->type); ++c) {
        for (int64_t p = c * plane; p < (c + 1) * plane; ++p) {
            eval->out[p] = in->data[p] * weight[c] + bias[c];
        }
    }
    free(weight);
    free(bias);
}

void interp_normalize(const Eval *eval)
{
    const Operand *in = &eval->in[0];
    const MiscAttr *attr = &eval->node->attr.misc;
    int64_t plane = plane_size(in->type);
    for (int32_t c = 0; c < type_channels(in->type); ++c) {
        double mean = attr->mean.values[attr->mean.count == 1 ? 0 : c];
        double std = attr->std.values[attr->std.count == 1 ? 0 : c];
        for (int64_t p = c * plane; p < (c + 1) * plane; ++p) {
            eval->out[p] = (in->data[p] * attr->scale - mean) / std;
        }
    }
}
