/* Activations as C expressions, and the few lines that all kernel families share. Where it costs nothing, NaN passes
 * through as in PyTorch: comparisons are written so that a false one keeps the value. No expression overflows for
 * finite input: where expf gives infinity, the quotient or the branch is still right. */
#include "backend/emit.h"

#include "backend/cliteral.h"

enum { MAX_PARTS = 1024 }; /* --threads-max goes up to here: products with `part` must fit */

CExpr emit_float(double value)
{
    char literal[CLITERAL_MAX];
    return cexpr_format("%s", cliteral_float((float)value, literal));
}

CExpr emit_activation(const Activation *act, const char *v)
{
    CExpr a = emit_float(act->attr.a), b = emit_float(act->attr.b);
    switch (act->op) {
    case OP_RELU:
        return cexpr_format("%s < 0.0f ? 0.0f : %s", v, v);
    case OP_RELU6:
        return cexpr_format("%s < 0.0f ? 0.0f : %s > 6.0f ? 6.0f : %s", v, v, v);
    case OP_LEAKY_RELU:
        return cexpr_format("%s >= 0.0f ? %s : %s * %s", v, v, a.text, v);
    case OP_SIGMOID:
        return cexpr_format("1.0f / (1.0f + expf(-%s))", v);
    case OP_HARD_SIGMOID:
        return cexpr_format("%s <= -3.0f ? 0.0f : %s >= 3.0f ? 1.0f : %s / 6.0f + 0.5f", v, v, v);
    case OP_TANH:
        return cexpr_format("tanhf(%s)", v);
    case OP_SCALED_TANH:
        return cexpr_format("%s * tanhf(%s * %s)", a.text, b.text, v);
    case OP_SILU:
        return cexpr_format("%s / (1.0f + expf(-%s))", v, v);
    case OP_HARD_SWISH:
        return cexpr_format("%s <= -3.0f ? 0.0f : %s >= 3.0f ? %s : %s * (%s / 6.0f + 0.5f)", v, v, v, v, v);
    case OP_GELU:
        return cexpr_format("0.5f * %s * (1.0f + erff(0.70710678f * %s))", v, v);
    case OP_ELU:
        return cexpr_format("%s > 0.0f ? %s : %s * expm1f(%s)", v, v, a.text, v);
    case OP_SOFTPLUS:
        return cexpr_format("%s > 0.0f ? %s + log1pf(expf(-%s)) : log1pf(expf(%s))", v, v, v, v);
    case OP_STEP:
        return cexpr_format("%s >= 0.0f ? 1.0f : 0.0f", v);
    case OP_CLAMP:
        return cexpr_format("%s < %s ? %s : %s > %s ? %s : %s", v, a.text, a.text, v, b.text, b.text, v);
    case OP_IDENTITY:
        return cexpr_format("%s", v);
    case OP_INPUT:
    case OP_CONST:
    case OP_CONV:
    case OP_DEPTHWISE_CONV:
    case OP_CONV_TRANSPOSE:
    case OP_DENSE:
    case OP_BATCH_NORM:
    case OP_INSTANCE_NORM:
    case OP_LRN:
    case OP_MAX_POOL:
    case OP_AVG_POOL:
    case OP_GLOBAL_AVG_POOL:
    case OP_GLOBAL_MAX_POOL:
    case OP_ADAPTIVE_AVG_POOL:
    case OP_SUBSAMPLE:
    case OP_PRELU:
    case OP_SOFTMAX:
    case OP_LOG_SOFTMAX:
    case OP_RBF:
    case OP_L2_NORMALIZE:
    case OP_DROPOUT:
    case OP_ADD:
    case OP_SUB:
    case OP_MUL:
    case OP_CONCAT:
    case OP_FLATTEN:
    case OP_RESHAPE:
    case OP_PERMUTE:
    case OP_SLICE:
    case OP_CROP:
    case OP_CHANNEL_SHUFFLE:
    case OP_PAD:
    case OP_UPSAMPLE:
    case OP_AFFINE:
    case OP_NORMALIZE:
    case OP_GRAM:
    case OP_MSE:
    case OP_SUM:
    case OP_MEAN:
    case OP_SCALE:
    case OP_ARGMAX:
    case OP_TOP_K:
    case OP_COUNT:
        break;
    }
    ICE("op '%s' is no activation", op_info(act->op)->name);
}

void emit_store(CWriter *w, const Activation *act, const char *target, const char *value)
{
    if (act->op == OP_IDENTITY) {
        cw_line(w, "%s = %s;", target, value);
        return;
    }
    cw_line(w, "const float v = %s;", value);
    cw_line(w, "%s = %s;", target, emit_activation(act, "v").text);
}

CExpr emit_epilogue_text(const Epilogue *epilogue)
{
    CExpr text = {""};
    cexpr_append(&text, "%s%s", epilogue->bias ? ", + bias" : "", epilogue->residual ? ", + residual" : "");
    if (epilogue->act.op != OP_IDENTITY) {
        cexpr_append(&text, ", %s", op_info(epilogue->act.op)->name);
    }
    return text;
}

void emit_refuse(const char *file, int line, const Kernel *kernel, const char *fault)
{
    ice_at(file, line, "%s kernel '" STR_FMT "' %s", kernel_family_name(kernel->family), STR_ARG(kernel->name), fault);
}

void emit_kernel_head(const Kernel *kernel, CWriter *w)
{
    cw_line(w, "static void " STR_FMT "(const step_arguments *a, int part, int parts)", STR_ARG(kernel->name));
    cw_body(w);
}

CExpr emit_scratch(const Kernel *kernel)
{
    int64_t slice = kernel->scratch_bytes / 4;
    const char *part = slice * MAX_PARTS > INT32_MAX ? "(ptrdiff_t)part" : "part";
    return cexpr_sum((Term[]){{"a->scratch", 1}, {part, slice}, {NULL, 0}}, 0);
}

void emit_split(CWriter *w, const char *name, int64_t count)
{
    bool large = count * MAX_PARTS > INT32_MAX;
    const char *before = large ? "(int)((ptrdiff_t)" : "", *after = large ? ")" : "";
    CExpr n = cexpr_int(count);
    const char *times = count == 1 ? "" : n.text, *by = count == 1 ? "" : " * ";
    const char *next = "(part + 1) / parts";
    cw_line(w, "const int first_%s = %s%s%spart / parts%s, end_%s = %s%s%s%s%s;", name, before, times, by, after, name,
            before, times, by, next, after);
}
