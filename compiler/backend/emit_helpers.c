/* Functions that kernels of one family share: written once for each size that the program uses.
 *
 * All are loops of constant length over plain rows of floats, without a test inside: what gcc and clang both turn into
 * whole vectors of the machine that the user compiles for, from SSE to AVX-512 or NEON, without extensions of C. Where
 * a function is inlined, gcc forgets its `restrict`: hence the local arrays, which cannot overlap anything. */

#include "backend/embedded.h"
#include "backend/emit.h"

static void emit_matrix_start(int32_t n, CWriter *w)
{
    cw_comment(w, "Four rows of sums, of %d pixels each, start with the bias of their channels.", n);
    cw_line(w, "static void matrix_start_%d(const float *CNN_RESTRICT bias, float *CNN_RESTRICT sums)", n);
    cw_body(w);
    cw_open(w, "for (int p = 0; p < %d; ++p)", n);
    cw_line(w, "sums[p] = bias[0];");
    for (int row = 1; row < 4; ++row) {
        cw_line(w, "sums[%d + p] = bias[%d];", row * n, row);
    }
    cw_close(w, "");
    cw_close(w, "");
    cw_blank(w);
}

/* 4 x 4: as many weights as fit the registers beside the rows; measured against other shapes in bench/NOTES.md. */
static void emit_matrix(int32_t n, const char *name, const char *becomes, CWriter *w)
{
    cw_comment(
        w,
        "The micro-kernel of convolutions: sums[4][%d] %s w[4][taps] * rows[taps][%d], four taps at a time: each "
        "value of rows is loaded once for four products, each sum is loaded and stored once for four. "
        "Weights lie in the order of use: w[taps / 4][4 channels][4 taps]. Sums of their own, from zero, keep rounding "
        "errors small and show compilers that nothing overlaps.",
        n, becomes, n);
    cw_line(w,
            "static void %s_%d(const float *CNN_RESTRICT rows, const float *CNN_RESTRICT w, int taps, float "
            "*CNN_RESTRICT sums)",
            name, n);
    cw_body(w);
    cw_line(w, "float part[%d];", 4 * n);
    cw_open(w, "for (int p = 0; p < %d; ++p)", 4 * n);
    cw_line(w, "part[p] = 0.0f;");
    cw_close(w, "");
    cw_open(w, "for (int tap = 0; tap < taps; tap += 4, rows += %d, w += 16)", 4 * n);
    cw_open(w, "for (int p = 0; p < %d; ++p)", n);
    cw_line(w, "const float x0 = rows[p], x1 = rows[%d + p], x2 = rows[%d + p], x3 = rows[%d + p];", n, 2 * n, 3 * n);
    cw_line(w, "part[p] += w[0] * x0 + w[1] * x1 + w[2] * x2 + w[3] * x3;");
    for (int row = 1; row < 4; ++row) {
        cw_line(w, "part[%d + p] += w[%d] * x0 + w[%d] * x1 + w[%d] * x2 + w[%d] * x3;", row * n, 4 * row, 4 * row + 1,
                4 * row + 2, 4 * row + 3);
    }
    cw_close(w, "");
    cw_close(w, "");
    cw_open(w, "for (int p = 0; p < %d; ++p)", 4 * n);
    cw_line(w, "sums[p] %s part[p];", becomes);
    cw_close(w, "");
    cw_close(w, "");
    cw_blank(w);
}

static void emit_matrix_tile(int32_t n, CWriter *w)
{
    emit_matrix(n, "matrix_tile", "+=", w);
}

static void emit_matrix_first(int32_t n, CWriter *w)
{
    emit_matrix(n, "matrix_first", "=", w);
}

/* What is gathered as rows of n pixels, in the order of the micro-kernel's weights. */
static void emit_matrix_turn(int32_t n, CWriter *w)
{
    cw_comment(w, "turned[pixels/4][taps/4][4 pixels][4 taps] = rows[taps][%d].", n);
    cw_line(
        w,
        "static void matrix_turn_%d(const float *CNN_RESTRICT rows, int taps, int pixels, float *CNN_RESTRICT turned)",
        n);
    cw_body(w);
    cw_open(w, "for (int p = 0; p < pixels; p += 4)");
    cw_line(w, "const float *from = rows + p;");
    cw_open(w, "for (int tap = 0; tap < taps; tap += 4, from += %d, turned += 16)", 4 * n);
    cw_open(w, "for (int i = 0; i < 4; ++i)");
    cw_line(w, "turned[4 * i] = from[i];");
    for (int tap = 1; tap < 4; ++tap) {
        cw_line(w, "turned[4 * i + %d] = from[%d + i];", tap, tap * n);
    }
    cw_close(w, "");
    cw_close(w, "");
    cw_close(w, "");
    cw_close(w, "");
    cw_blank(w);
}

CExpr emit_dense_add_name(int32_t n, Storage storage)
{
    return storage == STORE_F32 ? cexpr_format("dense_add_%d", (int)n)
                                : cexpr_format("dense_add_%d_%s", (int)n, storage_name(storage));
}

static void emit_dense_rounds(int32_t n, Storage storage, CWriter *w)
{
    const char *v = storage == STORE_F32 ? "w" : "wide";
    cw_comment(w, "sums[%d] += w[inputs][%d] * x[inputs], for a number of inputs that is divisible by 8.", n, n);
    cw_line(w,
            "static void %s(const float *CNN_RESTRICT x, const %s *CNN_RESTRICT w, int inputs, float "
            "*CNN_RESTRICT sums)",
            emit_dense_add_name(n, storage).text, emit_weight_type(storage));
    cw_body(w);
    cw_open(w, "for (int i = 0; i < inputs; i += 8, x += 8, w += %d)", 8 * n);
    if (storage != STORE_F32) {
        cw_line(w, "float wide[%d];", 8 * n);
        cw_open(w, "for (int k = 0; k < %d; ++k)", 8 * n);
        cw_line(w, "wide[k] = float_of_%s(w[k]);", storage_name(storage));
        cw_close(w, "");
    }
    cw_open(w, "for (int u = 0; u < %d; ++u)", n);
    cw_line(w, "sums[u] += x[0] * %s[u] + x[1] * %s[%d + u] + x[2] * %s[%d + u] + x[3] * %s[%d + u]", v, v, n, v, 2 * n,
            v, 3 * n);
    cw_line(w, "           + x[4] * %s[%d + u] + x[5] * %s[%d + u] + x[6] * %s[%d + u] + x[7] * %s[%d + u];", v, 4 * n,
            v, 5 * n, v, 6 * n, v, 7 * n);
    cw_close(w, "");
    cw_close(w, "");
    cw_close(w, "");
    cw_blank(w);
}

static void emit_dense_add(int32_t n, CWriter *w)
{
    emit_dense_rounds(n, STORE_F32, w);
}

static void emit_dense_add_f16(int32_t n, CWriter *w)
{
    emit_dense_rounds(n, STORE_F16, w);
}

static void emit_dense_add_bf16(int32_t n, CWriter *w)
{
    emit_dense_rounds(n, STORE_BF16, w);
}

/* --- which of them a program needs: the size that a kernel calls, or 0 */

/* The transforms of tiles of m x m outputs. */
static int32_t size_of_winograd(const Kernel *kernel)
{
    return winograd_is_plain(kernel) ? kernel->winograd.rows : 0;
}

static int32_t size_of_matrix_first(const Kernel *kernel)
{
    return winograd_is_plain(kernel) ? kernel->weight_format.lanes : 0;
}

static int32_t size_of_matrix_tile(const Kernel *kernel)
{
    bool has_tiles =
        kernel->family == KERNEL_CONV || kernel->family == KERNEL_CONV_TRANSPOSE || kernel->family == KERNEL_GRAM;
    if (winograd_is_plain(kernel)) {
        return kernel->tile_taps < kernel->sizes.in_channels ? kernel->weight_format.lanes : 0;
    }
    return conv_is_wide(kernel) ? kernel->weight_format.row_block : has_tiles ? kernel->tile_pixels : 0;
}

static int32_t size_of_matrix_start(const Kernel *kernel)
{
    return kernel->epilogue.bias && !conv_is_wide(kernel) && !winograd_is_plain(kernel) ? size_of_matrix_tile(kernel)
                                                                                        : 0;
}

static int32_t size_of_matrix_turn(const Kernel *kernel)
{
    return conv_is_wide(kernel) ? kernel->tile_pixels : 0;
}

static bool is_plain_dense(const Kernel *kernel, Storage storage)
{
    return kernel->family == KERNEL_DENSE && kernel->vector <= 1 && kernel->weight_format.storage == storage;
}

static int32_t size_of_dense_rounds(const Kernel *kernel, Storage storage)
{
    enum { DENSE_STEP = 8 }; /* fewer inputs make no whole round */
    return is_plain_dense(kernel, storage) && kernel->sizes.in_channels >= DENSE_STEP ? kernel->weight_format.row_block
                                                                                      : 0;
}

static int32_t size_of_dense_add(const Kernel *kernel)
{
    return size_of_dense_rounds(kernel, STORE_F32);
}

static int32_t size_of_dense_add_f16(const Kernel *kernel)
{
    return size_of_dense_rounds(kernel, STORE_F16);
}

static int32_t size_of_dense_add_bf16(const Kernel *kernel)
{
    return size_of_dense_rounds(kernel, STORE_BF16);
}

/* What widens a weight of 16 bits. */
static void emit_half(const Program *program, CWriter *w)
{
    static const struct {
        Storage storage;
        const char *text;
    } halves[] = {{STORE_F16, embedded_half_f16_c}, {STORE_BF16, embedded_half_bf16_c}};
    for (size_t h = 0; h < sizeof halves / sizeof halves[0]; ++h) {
        bool used = false;
        for (uint32_t i = 0; i < program->n_kernels; ++i) {
            used = used || is_plain_dense(program->kernels[i], halves[h].storage);
        }
        if (used) {
            cw_raw(w, str_from(halves[h].text));
            cw_blank(w);
        }
    }
}

static const struct {
    int32_t (*size_of)(const Kernel *kernel);
    void (*emit)(int32_t size, CWriter *w);
} helpers[] = {
    {size_of_matrix_start, emit_matrix_start},    {size_of_matrix_turn, emit_matrix_turn},
    {size_of_matrix_tile, emit_matrix_tile},      {size_of_matrix_first, emit_matrix_first},
    {size_of_winograd, emit_winograd_transforms}, {size_of_dense_add, emit_dense_add},
    {size_of_dense_add_f16, emit_dense_add_f16},  {size_of_dense_add_bf16, emit_dense_add_bf16},
};

void emit_helpers(const Program *program, CWriter *w)
{
    emit_half(program, w);
    for (size_t h = 0; h < sizeof helpers / sizeof helpers[0]; ++h) {
        for (uint32_t i = 0; i < program->n_kernels; ++i) {
            int32_t size = helpers[h].size_of(program->kernels[i]);
            uint32_t first = 0;
            while (helpers[h].size_of(program->kernels[first]) != size) {
                ++first;
            }
            if (size > 0 && first == i) {
                helpers[h].emit(size, w);
            }
        }
    }
}
