/* Activations: one function an activation, as the op table writes it, and the softmaxes. */
#include <math.h>
#include <stdlib.h>

#include "interp/eval.h"

typedef double ActFunction(double x, const ActAttr *attr);

static double relu(double x, const ActAttr *attr)
{
    (void)attr;
    return fmax(x, 0.0);
}

static double relu6(double x, const ActAttr *attr)
{
    (void)attr;
    return fmin(fmax(x, 0.0), 6.0);
}

static double leaky_relu(double x, const ActAttr *attr)
{
    return x >= 0.0 ? x : attr->a * x;
}

static double sigmoid(double x, const ActAttr *attr)
{
    (void)attr;
    return 1.0 / (1.0 + exp(-x));
}

static double hard_sigmoid(double x, const ActAttr *attr)
{
    (void)attr;
    return fmin(fmax(x / 6.0 + 0.5, 0.0), 1.0);
}

static double tanh_(double x, const ActAttr *attr)
{
    (void)attr;
    return tanh(x);
}

static double scaled_tanh(double x, const ActAttr *attr)
{
    return attr->a * tanh(attr->b * x);
}

static double silu(double x, const ActAttr *attr)
{
    (void)attr;
    return x / (1.0 + exp(-x));
}

static double hard_swish(double x, const ActAttr *attr)
{
    return x * hard_sigmoid(x, attr);
}

static double gelu(double x, const ActAttr *attr)
{
    (void)attr;
    return x / 2.0 * (1.0 + erf(x / sqrt(2.0)));
}

static double elu(double x, const ActAttr *attr)
{
    return x > 0.0 ? x : attr->a * expm1(x);
}

/* log(1 + exp(x)), written so that exp cannot overflow. */
static double softplus(double x, const ActAttr *attr)
{
    (void)attr;
    return fmax(x, 0.0) + log1p(exp(-fabs(x)));
}

static double step(double x, const ActAttr *attr)
{
    (void)attr;
    return x >= 0.0 ? 1.0 : 0.0;
}

static double identity(double x, const ActAttr *attr)
{
    (void)attr;
    return x;
}

static double clamp(double x, const ActAttr *attr)
{
    return fmin(fmax(x, attr->a), attr->b);
}

/* NULL for ops that are no activation. */
static ActFunction *const act_functions[OP_COUNT] = {
    [OP_RELU] = relu,
    [OP_RELU6] = relu6,
    [OP_LEAKY_RELU] = leaky_relu,
    [OP_SIGMOID] = sigmoid,
    [OP_HARD_SIGMOID] = hard_sigmoid,
    [OP_TANH] = tanh_,
    [OP_SCALED_TANH] = scaled_tanh,
    [OP_SILU] = silu,
    [OP_HARD_SWISH] = hard_swish,
    [OP_GELU] = gelu,
    [OP_ELU] = elu,
    [OP_SOFTPLUS] = softplus,
    [OP_STEP] = step,
    [OP_IDENTITY] = identity,
    [OP_CLAMP] = clamp,
};

static ActFunction *act_function(OpKind op)
{
    if (act_functions[op] == NULL) {
        ICE("the interpreter has no activation for op %d", (int)op);
    }
    return act_functions[op];
}

void interp_act(const Eval *eval)
{
    ActFunction *function = act_function(eval->node->op);
    int64_t count = type_elements(eval->node->type);
    for (int64_t i = 0; i < count; ++i) {
        eval->out[i] = function(eval->in[0].data[i], &eval->node->attr.act);
    }
}

void interp_apply_activation(const Activation *act, double *values, int64_t count)
{
    /* A node made without epilogue may leave act zeroed, which is OP_INPUT: nothing to apply either way. */
    if (act->op == OP_IDENTITY || act->op == OP_INPUT) {
        return;
    }
    ActFunction *function = act_function(act->op);
    for (int64_t i = 0; i < count; ++i) {
        values[i] = function(values[i], &act->attr);
    }
}

void interp_prelu(const Eval *eval)
{
    const Operand *in = &eval->in[0];
    int64_t plane = (int64_t)type_height(in->type) * type_width(in->type);
    double *weight = interp_weight(eval, ROLE_WEIGHT);
    for (int32_t c = 0; c < type_channels(in->type); ++c) {
        for (int64_t p = c * plane; p < (c + 1) * plane; ++p) {
            eval->out[p] = in->data[p] >= 0.0 ? in->data[p] : weight[c] * in->data[p];
        }
    }
    free(weight);
}

/* Over channels, at each pixel on its own. */
void interp_softmax(const Eval *eval)
{
    const Operand *in = &eval->in[0];
    int32_t channels = type_channels(in->type);
    int64_t plane = (int64_t)type_height(in->type) * type_width(in->type);
    bool is_log = eval->node->op == OP_LOG_SOFTMAX;
    for (int64_t p = 0; p < plane; ++p) {
        double max = -INFINITY, sum = 0.0;
        for (int32_t c = 0; c < channels; ++c) {
            max = fmax(max, in->data[c * plane + p]);
        }
        for (int32_t c = 0; c < channels; ++c) {
            sum += exp(in->data[c * plane + p] - max);
        }
        for (int32_t c = 0; c < channels; ++c) {
            double x = in->data[c * plane + p] - max;
            eval->out[c * plane + p] = is_log ? x - log(sum) : exp(x) / sum;
        }
    }
}
