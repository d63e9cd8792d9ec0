/* Lowering for vector targets: small networks carried out from their records, where every halo and every lane is looked
 * at; plans of networks of the zoo; which kernels the rules choose. */
#include "lower_exec.h"

#include <criterion/criterion.h>
#include <glob.h>
#include <stdio.h>

#include "frontend/frontend.h"
#include "lower/tiles.h"
#include "lower_build.h"
#include "passes/pass.h"
#include "../run/kernel_reference.h"
#include "../run/sandbox.h"

typedef struct Net {
    Arena *arena;
    Diag *diag;
    StrBuf log;
    Program *program; /* NULL: not supported */
} Net;

static Net lower_with(const char *path, LowerOptions options, bool with_passes)
{
    Net net = {.arena = arena_create()};
    Sources *sources = sources_create(net.arena);
    net.diag = diag_create(net.arena, sources);
    FrontendOptions frontend = {0};
    AstFile *file = frontend_parse(net.arena, sources, net.diag, str_from(path), &frontend);
    Graph *graph = file == NULL ? NULL : frontend_elaborate(net.arena, sources, net.diag, file, &frontend);
    PassRun run = {.arena = net.arena, .diag = net.diag, .log = &net.log};
    if (graph != NULL && (!with_passes || passes_run(&run, graph))) {
        net.program = lower(net.arena, graph, &options, net.diag);
    }
    return net;
}

static LowerOptions options_for(const char *target)
{
    return (LowerOptions){.target = target_find(str_from(target)), .batch = 1, .parts = 1};
}

static Net lower_for(const char *path, const char *target, bool with_passes, bool no_winograd)
{
    LowerOptions options = options_for(target);
    options.no_winograd = no_winograd;
    return lower_with(path, options, with_passes);
}

static void release(Net *net)
{
    strbuf_free(&net->log);
    diag_destroy(net->diag);
    arena_destroy(net->arena);
}

/* Every buffer of blocks within its root, every view a whole number of planes into it. */
static void check_views(const Program *program)
{
    for (uint32_t i = 0; i < program->n_buffers; ++i) {
        const Buffer *buffer = program->buffers[i], *root = buffer;
        while (root->parent != NULL) {
            root = root->parent;
        }
        cr_assert_leq(buffer->offset + buffer->bytes, root->offset + root->bytes);
        cr_assert(buffer->is_scratch || buffer->parent_offset % (4 * buffer->layout.block) == 0);
        cr_assert(buffer->layout.block <= 1 || buffer->kind == BUFFER_INPUT || buffer->kind == BUFFER_ARENA);
    }
}

/* Each net for each target, as it is, without passes and without Winograd's convolution; under the sanitizers, which make
 * lower_exec slow, each of these three for one target in turn. */
static void check_nets(const char *pattern, int at_least)
{
    static const char *const names[] = {"x86-64-v4", "x86-64-v3", "znver1", "x86-64-v2", "aarch64"};
    enum { TARGETS = sizeof names / sizeof names[0] };
    glob_t found;
    cr_assert_eq(glob(pattern, 0, NULL, &found), 0);
    int count = 0;
    for (size_t i = 0; i < found.gl_pathc; ++i) {
        for (size_t t = 0; t < TARGETS; ++t) {
            for (size_t variant = 0; variant < 3; ++variant) {
                if (IS_SANITIZED && (i + 2 * variant) % TARGETS != t) {
                    continue;
                }
                Net net = lower_for(found.gl_pathv[i], names[t], variant != 1, variant == 2);
                if (net.program != NULL) {
                    check_views(net.program);
                    lower_exec_compare(net.program, found.gl_pathv[i]);
                    ++count;
                }
                release(&net);
            }
        }
    }
    globfree(&found);
    cr_assert_geq(count, IS_SANITIZED ? at_least / TARGETS : at_least);
}

Test(lower_vector, nets_of_the_golden_tests)
{
    check_nets("tests/golden/program/*.net", 12);
    check_nets("tests/golden/plan/*.net", 12);
    check_nets("tests/golden/pass/*.net", 12);
}

Test(lower_vector, nets_of_vectors)
{
    check_nets("tests/run/nets/vector_*.net", 48);
}

/* --- projections in the sums of the convolution that they are added to */

static const Step *step_of(const Program *program, const char *path)
{
    for (uint32_t i = 0; i < program->n_steps; ++i) {
        if (str_equal(program->steps[i].node->path, str_from(path)) &&
            program->steps[i].kernel->family != KERNEL_CONVERT) {
            return &program->steps[i];
        }
    }
    return NULL;
}

static const char projections[] = "tests/run/nets/vector_projection.net";

Test(lower_vector, projections_share_the_sums)
{
    Net net = lower_with(projections, options_for("x86-64-v4"), true);
    static const struct {
        const char *fused, *into, *title;
        bool bias;
    } pairs[] = {
        {"two.conv3", "two.downsample", "two.downsample + conv3 + relu", false},
        {"three.conv3", "three.downsample", "three.downsample + conv3 + relu", true},
        {"left", "right", "right + left", true}, /* a bias of one alone */
    };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; ++i) {
        cr_assert_null(step_of(net.program, pairs[i].fused), "%s", pairs[i].fused);
        const Step *step = step_of(net.program, pairs[i].into);
        cr_assert(step != NULL && step->n_inputs == 2 && step->residual == NULL, "%s", pairs[i].into);
        cr_assert_gt(step->kernel->sizes.second_stride_rows, 0);
        cr_assert_eq(step->bias != NULL, pairs[i].bias);
        cr_assert(str_equal(step->title, str_from(pairs[i].title)), STR_FMT, STR_ARG(step->title));
    }
    const Kernel *merged = step_of(net.program, "three.downsample")->kernel;
    cr_assert(merged->sizes.in_rows == 1 && merged->in2.rows == 1, "two images without halos are rows of pixels");
    /* Channels that end within a block, a value read twice, an activation before the sum, windows, padding. */
    static const char *const alone[] = {"one.conv3", "twice", "before", "last", "padded", "window"};
    for (size_t i = 0; i < sizeof alone / sizeof alone[0]; ++i) {
        const Step *step = step_of(net.program, alone[i]);
        cr_assert(step != NULL && step->n_inputs == 1, "%s", alone[i]);
    }
    release(&net);
}

/* The same for a vector target, with an option that leaves something alone, and for the portable one. */
static void check_left_alone(const char *path, LowerOptions options, void (*check)(const Program *program))
{
    Net net = lower_with(path, options, true), portable = lower_with(path, options_for("portable"), true);
    for (int k = 0; k < 2; ++k) {
        const Program *program = k == 0 ? net.program : portable.program;
        check(program);
        lower_exec_compare(program, path);
    }
    release(&net);
    release(&portable);
}

static void check_no_second(const Program *program)
{
    for (uint32_t i = 0; i < program->n_steps; ++i) {
        cr_assert_null(program->steps[i].second);
    }
    const Step *step = step_of(program, "two.downsample");
    cr_assert(step != NULL && step->residual != NULL);
}

Test(lower_vector, projections_can_be_left_alone)
{
    LowerOptions options = options_for("x86-64-v4");
    options.no_fuse_projection = true;
    check_left_alone(projections, options, check_no_second);
}

/* 16 registers of 8 floats: one product a cycle, and two. */
static const char *const avx2[] = {"znver1", "x86-64-v3"};
enum { AVX2_TARGETS = 2 };

/* Products of matrices by Strassen where it was measured to pay (bench/NOTES.md), direct sums where it was not. */
Test(lower_vector, strassen_where_it_pays)
{
    const struct {
        int32_t in, side, out;
        bool pays, narrow; /* with 32 registers of 16 floats, 16 of 8 */
    } layers[] = {
        {1024, 7, 1024, true, true},
        {512, 7, 2048, true, true},
        {1024, 10, 1536, true, true},
        {728, 19, 728, true, true} /* 91 blocks of 8 */,
        {256, 28, 256, true, true},
        {128, 56, 128, true, true},
        {256, 74, 256, true, true},
        {256, 56, 64, false, false},
        {64, 56, 256, false, false},
        {512, 14, 32, false, false},
        {128, 147, 128, false, true} /* far images */,
        {512, 4, 512, false, false},
        {512 + 16, 14, 256, false, true} /* an odd number of blocks of 16 */,
        {512, 14, 512 - 16, false, true},
        {480, 14, 112, false, false} /* seven blocks of 16; few channels */,
        {480, 14, 144, false, true},
    };
    const Target *wide = target_find(STR("x86-64-v4"));
    for (size_t i = 0; i < sizeof layers / sizeof layers[0]; ++i) {
        Kernel k = {.sizes = lower_build_sizes(layers[i].in, layers[i].side, layers[i].out, 1, 1)};
        cr_assert(select_vector_conv(wide, true, &k));
        cr_expect_eq(k.family, layers[i].pays ? KERNEL_STRASSEN : KERNEL_DIRECT, "%d -> %d at %d", (int)layers[i].in,
                     (int)layers[i].out, (int)layers[i].side);
        Kernel direct = {.sizes = k.sizes};
        cr_assert(select_vector_conv(wide, false, &direct));
        cr_expect_eq(direct.family, KERNEL_DIRECT);
        for (int t = 0; t < AVX2_TARGETS; ++t) {
            Kernel few_registers = {.sizes = k.sizes};
            cr_assert(select_vector_conv(target_find(str_from(avx2[t])), true, &few_registers));
            cr_expect_eq(few_registers.family, layers[i].narrow ? KERNEL_STRASSEN : KERNEL_DIRECT, "%s: %d -> %d at %d",
                         avx2[t], (int)layers[i].in, (int)layers[i].out, (int)layers[i].side);
        }
    }
}

static Kernel chosen_product(int32_t in, int32_t side, int32_t out)
{
    const Target *target = target_find(STR("x86-64-v4"));
    Kernel k = {.sizes = lower_build_sizes(in, side, out, 1, 1), .vector = target->channel_block};
    cr_assert(select_vector_conv(target, true, &k) && k.family == KERNEL_STRASSEN);
    tiles_choose_vector(target, &k);
    return k;
}

/* Without multiply-add, whose products round twice, from more channels on. */
Test(lower_vector, strassen_rounds_more_without_fma)
{
    const Target *target = target_find(STR("x86-64-v2"));
    for (int32_t channels = 128; channels <= 256; channels += 128) {
        Kernel k = {.sizes = lower_build_sizes(channels, 28, channels, 1, 1)};
        cr_assert(select_vector_conv(target, true, &k));
        cr_expect_eq(k.family, channels < 256 ? KERNEL_DIRECT : KERNEL_STRASSEN, "%d", (int)channels);
    }
}

/* Each of the seven products by seven more, where channels are many on both sides and pixels enough for their weights. */
Test(lower_vector, strassen_twice_where_it_pays)
{
    const struct {
        int32_t in, side, out;
        bool twice;
    } layers[] = {
        {728, 19, 728, true},  {728, 37, 728, true},   {1536, 10, 2048, true},
        {512, 14, 512, true},  {1024, 14, 512, true},  {1024, 14, 256, false},
        {256, 28, 256, false}, {256, 37, 728, false},  {1024, 7, 1024, false} /* few pixels */,
        {512, 7, 2048, false}, {384, 19, 2304, false}, {2304, 19, 384, false},
    };
    for (size_t i = 0; i < sizeof layers / sizeof layers[0]; ++i) {
        Kernel k = chosen_product(layers[i].in, layers[i].side, layers[i].out);
        cr_expect_eq(k.weight_format.kind, layers[i].twice ? PACK_STRASSEN_TWICE : PACK_STRASSEN, "%d -> %d at %d",
                     (int)layers[i].in, (int)layers[i].out, (int)layers[i].side);
        cr_expect(k.tile_cols <= 14);
    }
    cr_expect_eq(chosen_product(728, 19, 728).block_tiles, 91); /* two blocks, for threads */
}

/* With 16 registers: tiles of four pixels, or of six with two vectors where two products are made in a cycle; two levels from
 * 256 channels on; of 196 or 361 pixels one block, whose weights are read once, where that costs most; of larger images
 * blocks whose inputs and sums stay near the processor. */
Test(lower_vector, strassen_with_few_registers)
{
    const struct {
        int32_t in, side, out;
        bool twice;
        int32_t vectors, half, fast_half; /* with one product a cycle, with two; 0: not tested */
    } layers[] = {{728, 19, 728, true, 3, 181, 46}, {1024, 14, 512, true, 2, 98, 0}, {256, 14, 1024, true, 3, 98, 0},
                  {256, 37, 728, true, 3, 0, 0},    {728, 19, 256, false, 2, 0, 0},  {256, 14, 512, false, 3, 0, 0},
                  {1024, 14, 256, false, 2, 98, 0}, {728, 7, 728, false, 2, 25, 25}, {512, 28, 256, false, 2, 28, 0}};
    for (size_t n = 0; n < AVX2_TARGETS * (sizeof layers / sizeof layers[0]); ++n) {
        size_t i = n / AVX2_TARGETS;
        const Target *target = target_find(str_from(avx2[n % AVX2_TARGETS]));
        int32_t in = layers[i].in, side = layers[i].side, out = layers[i].out, vectors = layers[i].vectors;
        int32_t half = target->products > 1 ? layers[i].fast_half : layers[i].half;
        int32_t pixels = target->products > 1 && vectors == 2 ? 6 : 4;
        Kernel k = {.sizes = lower_build_sizes(in, side, out, 1, 1), .vector = target->channel_block};
        cr_assert(select_vector_conv(target, true, &k) && k.family == KERNEL_STRASSEN);
        tiles_choose_vector(target, &k);
        cr_expect_eq(k.weight_format.kind, layers[i].twice ? PACK_STRASSEN_TWICE : PACK_STRASSEN, "%s: %d -> %d at %d",
                     target->name, (int)in, (int)out, (int)side);
        cr_expect_eq(k.weight_format.vectors, vectors, "%s: %d -> %d", target->name, (int)in, (int)out);
        cr_expect(k.tile_cols <= pixels && k.weight_format.vectors * k.tile_cols <= 12 && k.input_ahead);
        cr_expect((layers[i].twice ? 4 * (in + out) : 14 * in) * k.block_tiles <= 1500 * 1024);
        cr_expect(half == 0 || k.block_tiles == half, "%s: %d -> %d: %d", target->name, (int)in, (int)out,
                  (int)k.block_tiles);
    }
}

/* With 8 lanes: filters transformed where they are used for stride 2 alone; LeNet-5's
 * 28 columns as rows of pixels, and its six planes by Winograd down the columns. */
Test(lower_vector, families_with_8_lanes)
{
    const struct {
        int32_t in, side, out, window, stride, pad;
        KernelFamily family;
        int32_t lines;
    } layers[] = {{512, 14, 512, 3, 2, 1, KERNEL_WINOGRAD_LIVE, 0},
                  {512, 7, 512, 3, 1, 1, KERNEL_WINOGRAD, 0},
                  {1, 32, 6, 5, 1, 0, KERNEL_ROWS, 4},
                  {6, 14, 16, 5, 1, 0, KERNEL_PLANAR, 5}};
    for (size_t n = 0; n < AVX2_TARGETS * (sizeof layers / sizeof layers[0]); ++n) {
        size_t i = n / AVX2_TARGETS;
        const Target *target = target_find(str_from(avx2[n % AVX2_TARGETS]));
        int32_t in = layers[i].in, side = layers[i].side, out = layers[i].out;
        Kernel k = {.sizes =
                        reference_sizes(in, side, side, out, layers[i].window, layers[i].stride, layers[i].pad, 0)};
        k.sizes.groups = 1;
        cr_assert(select_vector_conv(target, true, &k));
        cr_expect(k.family == layers[i].family && k.lines == layers[i].lines, "%s: %d -> %d at %d", target->name,
                  (int)in, (int)out, (int)side);
    }
}

/* What weights from memory cost, in products, decides between few points, whose weights are few, and many. */
Test(lower_vector, winograd_by_the_cost_of_memory)
{
    const struct {
        const char *target;
        int32_t channels, side;
        WinogradTile tile;
    } layers[] = {{"x86-64-v3", 256, 14, {3, 7}}, {"znver1", 256, 14, {5, 7}}, {"x86-64-v2", 256, 14, {5, 7}},
                  {"x86-64-v3", 512, 7, {2, 4}},  {"znver1", 512, 7, {2, 4}},  {"x86-64-v2", 512, 7, {4, 4}},
                  {"x86-64-v3", 64, 56, {7, 7}},  {"znver1", 64, 56, {7, 7}} /* weights that a cache keeps */};
    for (size_t i = 0; i < sizeof layers / sizeof layers[0]; ++i) {
        int32_t channels = layers[i].channels, side = layers[i].side;
        Kernel k = {.sizes = reference_sizes(channels, side, side, channels, 3, 1, 1, 0)};
        k.sizes.groups = 1;
        cr_assert(select_vector_conv(target_find(str_from(layers[i].target)), true, &k));
        cr_expect(k.family == KERNEL_WINOGRAD && winograd_tile_equal(k.winograd, layers[i].tile),
                  "%s, %d at %d: F(%dx%d)", layers[i].target, (int)channels, (int)side, (int)k.winograd.rows,
                  (int)k.winograd.cols);
    }
}

/* --- zeros around images */

static const char rings[] = "tests/run/nets/vector_rings.net";

Test(lower_vector, zeros_are_written_once_while_nothing_else_is_in_their_place)
{
    Net net = lower_with(rings, options_for("x86-64-v4"), true);
    static const char *const zeroed[] = {"stem",       "before.first", "narrow",  "after.first",
                                         "last.first", "small",        "one.down"};
    for (size_t i = 0; i < sizeof zeroed / sizeof zeroed[0]; ++i) {
        const Step *step = step_of(net.program, zeroed[i]);
        cr_assert(step != NULL && step->zero_halo != NULL && step->halo_of == step->output, "%s", zeroed[i]);
    }
    static const char *const still_there[] = {"before.second", "before.third", "after.third", "last.third"};
    for (size_t i = 0; i < sizeof still_there / sizeof still_there[0]; ++i) {
        const Step *step = step_of(net.program, still_there[i]);
        cr_assert(step != NULL && step->zero_halo == NULL && layout_has_halo(&step->output->layout), "%s",
                  still_there[i]);
    }
    lower_exec_compare(net.program, rings); /* which looks at all zeros */
    release(&net);
}

/* --- norms that a 1x1 convolution does to its input */

static const char prologues[] = "tests/run/nets/vector_prologue.net";

Test(lower_vector, norms_move_into_the_convolution_that_reads_them)
{
    Net net = lower_with(prologues, options_for("x86-64-v4"), true);
    static const struct {
        const char *norm, *conv, *title;
        KernelFamily family;
        OpKind act;
    } pairs[] = {
        {"dense1.norm1", "dense1.conv1", "dense1.norm1 + relu + conv1 + norm2 + relu", KERNEL_DIRECT, OP_RELU},
        {"dense2.norm1", "dense2.conv1", "dense2.norm1 + relu + conv1 + norm2 + relu", KERNEL_DIRECT, OP_RELU},
        {"before_strided", "strided", "before_strided + leaky_relu + strided", KERNEL_DIRECT, OP_LEAKY_RELU},
        {"before_residual", "residual", "before_residual + relu + residual + add", KERNEL_DIRECT, OP_RELU},
        {"before_product", "product", "before_product + relu6 + product + relu", KERNEL_STRASSEN, OP_RELU6},
        {"before_strides", "strides", "before_strides + relu + strides", KERNEL_STRASSEN, OP_RELU},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; ++i) {
        cr_assert_null(step_of(net.program, pairs[i].norm), "%s", pairs[i].norm);
        const Step *step = step_of(net.program, pairs[i].conv);
        cr_assert(step != NULL && step->before != NULL && step->n_inputs == 1, "%s", pairs[i].conv);
        const Kernel *kernel = step->kernel;
        cr_assert(kernel->prologue.kind == PROLOGUE_NORM && kernel->family == pairs[i].family, "%s", pairs[i].conv);
        cr_assert_eq(kernel->prologue.act.op, pairs[i].act);
        cr_assert(step->norm->rows == 2 * kernel->sizes.in_channels && step->norm->groups == 2 &&
                  step->norm->cols == 1);
        cr_assert(step->scratch != NULL && kernel->scratch_bytes % 64 == 0);
        cr_assert(str_equal(step->title, str_from(pairs[i].title)), STR_FMT, STR_ARG(step->title));
    }
    /* An image that the cache holds, two readers, few outputs, padding, groups, a window, the operand's place, a port. */
    static const char *const alone[] = {"before_sum",    "twice",         "before_few", "before_pad",
                                        "before_groups", "before_window", "in_place",   "shown"};
    for (size_t i = 0; i < sizeof alone / sizeof alone[0]; ++i) {
        const Step *step = step_of(net.program, alone[i]);
        cr_assert(step != NULL && step->kernel->family == KERNEL_CHANNEL_AFFINE, "%s", alone[i]);
    }
    release(&net);
}

Test(lower_vector, norms_without_activation_move_too)
{
    Net net = lower_with(prologues, options_for("x86-64-v4"), false); /* passes fold them into the convolution */
    const Step *step = step_of(net.program, "plain");
    cr_assert(step != NULL && step->kernel->prologue.kind == PROLOGUE_NORM);
    cr_assert_eq(step->kernel->prologue.act.op, OP_IDENTITY);
    release(&net);
}

static void check_no_prologue(const Program *program, const char *before, KernelFamily family)
{
    for (uint32_t i = 0; i < program->n_steps; ++i) {
        cr_assert(program->steps[i].before == NULL && program->steps[i].norm == NULL);
    }
    const Step *step = step_of(program, before);
    cr_assert(step != NULL && step->kernel->family == family);
}

static void check_norm_apart(const Program *program)
{
    check_no_prologue(program, "before_residual", KERNEL_CHANNEL_AFFINE);
}

Test(lower_vector, norms_can_be_left_alone)
{
    LowerOptions options = options_for("x86-64-v4");
    options.no_fuse_prologue = true;
    check_left_alone(prologues, options, check_norm_apart);
}

/* --- means over an image that a dense layer reads */

static void check_means_apart(const Program *program)
{
    check_no_prologue(program, "mean", KERNEL_GLOBAL_POOL);
}

Test(lower_vector, means_move_into_the_dense_layer_that_reads_them)
{
    Net net = lower_with(prologues, options_for("x86-64-v4"), true);
    static const struct {
        const char *mean, *layer, *title;
    } pairs[] = {{"mean", "fc_mean", "mean + fc_mean + tanh"}, {"mean_window", "conv_mean", "mean_window + conv_mean"}};
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; ++i) {
        cr_assert_null(step_of(net.program, pairs[i].mean), "%s", pairs[i].mean);
        const Step *step = step_of(net.program, pairs[i].layer);
        cr_assert(step != NULL && step->before != NULL && step->norm == NULL && step->scratch != NULL, "%s",
                  pairs[i].layer);
        cr_assert(step->kernel->family == KERNEL_DENSE && step->kernel->prologue.kind == PROLOGUE_MEAN);
        cr_assert_eq(step->kernel->in.block, net.program->target->channel_block);
        cr_assert(str_equal(step->title, str_from(pairs[i].title)), STR_FMT, STR_ARG(step->title));
    }
    /* Of many pixels, a port, two readers. */
    static const char *const alone[] = {"many", "mean_shown", "mean_twice"};
    for (size_t i = 0; i < sizeof alone / sizeof alone[0]; ++i) {
        const Step *step = step_of(net.program, alone[i]);
        cr_assert(step != NULL && step->kernel->family == KERNEL_GLOBAL_POOL, "%s", alone[i]);
    }
    release(&net);
}

Test(lower_vector, means_can_be_left_alone)
{
    LowerOptions options = options_for("x86-64-v4");
    options.no_fuse_prologue = true;
    check_left_alone(prologues, options, check_means_apart);
}

/* --- dense layers that skip zeros */

Test(lower_vector, large_dense_layers_behind_a_relu_skip_zeros)
{
    static const char dense[] = "tests/run/nets/vector_dense_nonzero.net";
    static const char *const names[] = {"x86-64-v4", "x86-64-v3", "znver1", "x86-64-v2", "aarch64"};
    for (size_t t = 0; t < sizeof names / sizeof names[0]; ++t) {
        Net net = lower_for(dense, names[t], true, false);
        static const char *const skip[] = {"behind_pool", "behind_relu", "behind_relu6", "before_sum"};
        for (size_t i = 0; i < sizeof skip / sizeof skip[0]; ++i) {
            const Step *step = step_of(net.program, skip[i]);
            cr_assert(step != NULL && step->kernel->skips_zeros, "%s", skip[i]);
            const PackFormat *f = &step->kernel->weight_format;
            cr_assert_eq(f->vectors * f->lanes * 4, DENSE_ROW);
            cr_assert(step->scratch != NULL && step->kernel->scratch_bytes >= dense_scratch_bytes(step->kernel));
        }
        LowerOptions halves = options_for(names[t]);
        halves.dense_storage = STORE_BF16;
        Net half = lower_with(dense, halves, true);
        const Step *smaller = step_of(half.program, "behind_pool"); /* 1.25 MB now */
        cr_assert(smaller != NULL && !smaller->kernel->skips_zeros);
        const PackFormat *wide = &step_of(half.program, "huge")->kernel->weight_format;
        cr_assert_eq(wide->vectors * wide->lanes * 2, DENSE_ROW);
        release(&half);
        static const char *const all[] = {"behind_tanh", "small", "few_outputs"};
        for (size_t i = 0; i < sizeof all / sizeof all[0]; ++i) {
            const Step *step = step_of(net.program, all[i]);
            cr_assert(step != NULL && !step->kernel->skips_zeros, "%s", all[i]);
        }
        lower_exec_compare(net.program, dense);
        release(&net);
    }
}

/* --- depthwise */

/* Rows of seven pixels; of 16 registers a tile keeps its sums to the end. */
Test(lower_vector, depthwise_tiles)
{
    static const char *const vector_targets[] = {"x86-64-v4", "x86-64-v3", "znver1", "x86-64-v2", "aarch64"};
    for (size_t i = 0; i < sizeof vector_targets / sizeof vector_targets[0]; ++i) {
        const Target *target = target_find(str_from(vector_targets[i]));
        Kernel k = {.family = KERNEL_DEPTHWISE,
                    .sizes = lower_build_sizes(512, 14, 512, 3, 512),
                    .vector = target->channel_block,
                    .in.block = target->channel_block};
        tiles_choose_vector(target, &k);
        cr_expect(k.tile_rows == 1 && k.tile_cols == 7, "%s: %d", vector_targets[i], (int)k.tile_cols);
        cr_expect_eq(k.tile_ends, target->registers == 16, "%s", vector_targets[i]);
    }
}

/* --- silu */

/* Without limits first where that was measured, and where outputs can be computed twice. */
Test(lower_vector, silu_is_first_computed_near_0)
{
    static const struct {
        const char *target;
        KernelFamily family;
        OpKind act;
        bool residual, near;
    } cases[] = {
        {"x86-64-v3", KERNEL_DIRECT, OP_SILU, false, true},     {"znver1", KERNEL_DIRECT, OP_SILU, false, true},
        {"znver1", KERNEL_DEPTHWISE, OP_SILU, false, true},     {"znver1", KERNEL_STRASSEN, OP_SILU, false, true},
        {"znver1", KERNEL_DIRECT, OP_SILU, true, false},        {"znver1", KERNEL_DIRECT, OP_SIGMOID, false, false},
        {"x86-64-v4", KERNEL_DEPTHWISE, OP_SILU, false, false}, {"x86-64-v2", KERNEL_DIRECT, OP_SILU, false, false},
        {"aarch64", KERNEL_DIRECT, OP_SILU, false, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; ++i) {
        const Target *target = target_find(str_from(cases[i].target));
        bool depthwise = cases[i].family == KERNEL_DEPTHWISE;
        Kernel k = {.family = cases[i].family,
                    .sizes = lower_build_sizes(512, 14, 512, depthwise ? 3 : 1, depthwise ? 512 : 1),
                    .vector = target->channel_block,
                    .in.block = target->channel_block,
                    .out.block = target->channel_block};
        k.epilogue.act.op = cases[i].act;
        k.epilogue.residual = cases[i].residual;
        tiles_choose_vector(target, &k);
        cr_expect_eq(k.near, cases[i].near, "case %zu: %s", i, cases[i].target);
    }
}

/* --- activations that a depthwise convolution does to its input */

static const char activations[] = "tests/run/nets/vector_before_depthwise.net";

Test(lower_vector, activations_move_into_the_depthwise_convolution_that_reads_them)
{
    Net net = lower_with(activations, options_for("x86-64-v4"), true);
    static const struct {
        const char *act, *conv, *title;
        OpKind op;
    } pairs[] = {
        {"one.act", "one.spatial", "one.act + spatial", OP_RELU},
        {"two.act", "two.spatial", "two.act + spatial", OP_RELU},
        {"act6", "strided", "act6 + strided + relu", OP_RELU6},
        {"act_dilated", "dilated", "act_dilated + dilated + silu", OP_RELU},
        {"act_concat", "of_concat", "act_concat + of_concat", OP_RELU},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; ++i) {
        cr_assert_null(step_of(net.program, pairs[i].act), "%s", pairs[i].act);
        const Step *step = step_of(net.program, pairs[i].conv);
        cr_assert(step != NULL && step->before != NULL && step->norm == NULL, "%s", pairs[i].conv);
        cr_assert_eq(step->kernel->family, KERNEL_DEPTHWISE);
        cr_assert(step->kernel->prologue.kind == PROLOGUE_ACT && step->kernel->prologue.act.op == pairs[i].op);
        cr_assert(str_equal(step->title, str_from(pairs[i].title)), STR_FMT, STR_ARG(step->title));
    }
    /* Two readers, not 0 at 0, a port, another kind of convolution, inside a border. */
    static const char *const alone[] = {"twice", "gate", "shown", "before_window", "act_border"};
    for (size_t i = 0; i < sizeof alone / sizeof alone[0]; ++i) {
        const Step *step = step_of(net.program, alone[i]);
        cr_assert(step != NULL && step->kernel->family == KERNEL_UNARY, "%s", alone[i]);
    }
    lower_exec_compare(net.program, activations);
    release(&net);
}

static void check_activation_apart(const Program *program)
{
    check_no_prologue(program, "one.act", KERNEL_UNARY);
}

Test(lower_vector, activations_can_be_left_alone)
{
    LowerOptions options = options_for("x86-64-v4");
    options.no_fuse_prologue = true;
    check_left_alone(activations, options, check_activation_apart);
}
