/* dense: y[u] = act(bias[u] + sum over i of weights[u][i] * x[i]).
 *
 * The weights are most of the memory of many networks and each is used once, so they lie in the order of use:
 * [units / n][inputs][n]. A block of n units is summed side by side, which vectorises without changing any order of
 * additions. Sums over many inputs are split into chunks that start from zero, so that rounding errors do not grow with
 * the number of inputs (VGG-16 adds 25,088 products).
 *
 * Weights of 16 bits are widened a round at a time. */
#include "backend/emit.h"
#include "support/ints.h"

#include <inttypes.h>

enum { CHUNK = 512, STEP = 8 }; /* inputs: of a partial sum; of one round of dense_add */

const char *emit_weight_type(Storage storage)
{
    return storage == STORE_F32 ? "float" : "uint16_t";
}

/* partial[] = the products of inputs [first, end), in rounds of STEP and one by one. */
static void emit_inputs(int64_t in, const PackFormat *format, const char *sums, CWriter *w)
{
    int32_t n = format->row_block;
    CExpr add = emit_dense_add_name(n, format->storage);
    int64_t whole = in / STEP * STEP;
    if (in > CHUNK) {
        cw_line(w, "%s(a->x[0] + first, weights + first * %d, inputs, %s);", add.text, n, sums);
    } else if (whole > 0) {
        cw_line(w, "%s(a->x[0], weights, %" PRId64 ", %s);", add.text, whole, sums);
    }
}

/* The inputs past the last multiple of STEP. */
static void emit_last_inputs(int64_t in, const PackFormat *format, CWriter *w)
{
    int32_t n = format->row_block;
    if (in % STEP == 0) {
        return;
    }
    cw_open(w, "for (int i = %" PRId64 "; i < %" PRId64 "; ++i)", in / STEP * STEP, in);
    cw_open(w, "for (int u = 0; u < %d; ++u)", n);
    if (format->storage == STORE_F32) {
        cw_line(w, "sums[u] += a->x[0][i] * weights[i * %d + u];", n);
    } else {
        cw_line(w, "sums[u] += a->x[0][i] * float_of_%s(weights[i * %d + u]);", storage_name(format->storage), n);
    }
    cw_close(w, "");
    cw_close(w, "");
}

void emit_dense(const Kernel *kernel, CWriter *w)
{
    const KernelSizes *s = &kernel->sizes;
    const Epilogue *e = &kernel->epilogue;
    int64_t in = s->in_channels, out = s->out_channels;
    int32_t n = kernel->weight_format.row_block;
    Storage storage = kernel->weight_format.storage;
    if (n <= 0 || kernel->weight_format.col_block != 1) {
        ICE("dense kernel '" STR_FMT "' has no block of units", STR_ARG(kernel->name));
    }
    int64_t blocks = int_div_up(out, n);
    const char *index = cexpr_index_type(blocks * n * in);
    cw_comment(
        w, "Dense layer: %" PRId64 " -> %" PRId64 "%s. %d units side by side; weights%s%s[units/%d][%" PRId64 "][%d].",
        in, out, emit_epilogue_text(e).text, n, storage == STORE_F32 ? "" : " ",
        storage == STORE_F32 ? "" : storage_name(storage), n, in, n);
    emit_kernel_head(kernel, w);
    emit_split(w, "block", blocks);
    cw_blank(w);
    cw_open(w, "for (%s block = first_block; block < end_block; ++block)", index);
    const char *base = storage == STORE_F32 ? "a->weights" : "(const uint16_t *)a->weights";
    CExpr weights = cexpr_sum((Term[]){{base, 1}, {"block", in * n}, {NULL, 0}}, 0);
    CExpr at = cexpr_sum((Term[]){{"block", n}, {"u", 1}, {NULL, 0}}, 0);
    cw_line(w, "const %s *const weights = %s;", emit_weight_type(storage), weights.text);
    cw_line(w, "float sums[%d];", n);
    cw_open(w, "for (int u = 0; u < %d; ++u)", n);
    if (e->bias) {
        cw_line(w, "sums[u] = a->bias[%s];", at.text);
    } else {
        cw_line(w, "sums[u] = 0.0f;");
    }
    cw_close(w, "");
    if (in > CHUNK) {
        int64_t whole = in / STEP * STEP;
        cw_comment(w, "Partial sums of %d inputs keep rounding errors small.", CHUNK);
        cw_open(w, "for (%s first = 0; first < %" PRId64 "; first += %d)", index, whole, CHUNK);
        if (whole % CHUNK == 0) {
            cw_line(w, "const int inputs = %d;", CHUNK);
        } else {
            cw_line(w, "const int inputs = first < %" PRId64 " ? %d : %" PRId64 ";", whole / CHUNK * CHUNK, CHUNK,
                    whole % CHUNK);
        }
        cw_line(w, "float partial[%d] = {0.0f};", n);
        emit_inputs(in, &kernel->weight_format, "partial", w);
        cw_open(w, "for (int u = 0; u < %d; ++u)", n);
        cw_line(w, "sums[u] += partial[u];");
        cw_close(w, "");
        cw_close(w, "");
    } else {
        emit_inputs(in, &kernel->weight_format, "sums", w);
    }
    emit_last_inputs(in, &kernel->weight_format, w);
    CExpr units = cexpr_int(n);
    if (out % n != 0 && blocks > 1) {
        cw_line(w, "const int units = block < %" PRId64 " ? %d : %" PRId64 ";", blocks - 1, n, out % n);
        units = (CExpr){"units"};
    } else if (out % n != 0) {
        units = cexpr_int(out);
    }
    if (e->residual) {
        cw_comment(w, "The residual may be y itself.");
        cw_open(w, "for (int u = 0; u < %s; ++u)", units.text);
        cw_line(w, "sums[u] += a->residual[%s];", at.text);
        cw_close(w, "");
    }
    cw_open(w, "for (int u = 0; u < %s; ++u)", units.text);
    emit_store(w, &e->act, cexpr_at("a->y", at).text, "sums[u]");
    cw_close(w, "");
    cw_close(w, "");
    cw_close(w, "");
    cw_blank(w);
}
