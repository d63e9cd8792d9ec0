/* Lowering: what records say, how they are named, which constants become which segments, and what is refused. */
#include "lower_build.h"
#include "lower_exec.h"

#include <criterion/criterion.h>
#include <stdio.h>

static Attr defaults(OpKind op)
{
    Attr attr;
    op_attr_defaults(op, &attr);
    return attr;
}

static Program *finish(LowerBuild *b, Node *result)
{
    graph_add_output(b->graph, STR("y"), result, (Span){0, 0});
    return lower_build_finish(b);
}

static void expect_text(Str text, const char *expected)
{
    cr_assert(str_equal(text, str_from(expected)), "'" STR_FMT "' instead of '%s'", STR_ARG(text), expected);
}

/* --- layouts */

Test(lower, layouts)
{
    Arena *arena = arena_create();
    TensorType type = type_f32_3(6, 4, 5);
    Layout plain = layout_plain(type), hwc = layout_of_input(type, true), blocked = layout_blocked(type, 4);
    cr_assert(layout_is_plain(&plain));
    cr_assert_not(layout_is_plain(&hwc));
    cr_assert_eq(layout_elements(&plain), 120);
    cr_assert_eq(layout_elements(&hwc), 120);
    cr_assert_eq(layout_elements(&blocked), 160); /* two blocks of four channels */
    cr_assert_eq(hwc.row_stride, 30);
    cr_assert_eq(blocked.plane_stride, 80);
    expect_text(layout_format(arena, &plain), "chw");
    expect_text(layout_format(arena, &hwc), "hwc");
    expect_text(layout_format(arena, &blocked), "c4hw");
    blocked.halo_top = blocked.halo_bottom = 1;
    expect_text(layout_format(arena, &blocked), "c4hw halo 1,0,1,0");
    cr_assert_not(layout_equal(&plain, &hwc));
    Layout vector = layout_plain(type_f32_1(6)), pixel = layout_plain(type_f32_3(6, 1, 1));
    cr_assert(layout_equal(&vector, &pixel));
    arena_destroy(arena);
}

Test(lower, targets)
{
    cr_assert_not_null(target_find(STR("portable")));
    cr_assert_eq(target_find(STR("portable"))->channel_block, 1);
    cr_assert_null(target_find(STR("portab")));
    cr_assert_null(target_find(STR("")));
}

/* --- names and equality of records */

static void expect_conv_name(int32_t in_channels, Attr attr, const char *expected)
{
    LowerBuild b = lower_build_start();
    Node *x = lower_build_input(&b, "x", in_channels, 12, 16);
    Program *p = finish(&b, lower_build_op(&b, OP_CONV, &attr, "c", x, NULL));
    expect_text(p->kernels[0]->name, expected);
    lower_build_stop(&b);
}

Test(lower, kernel_names)
{
    Attr attr = defaults(OP_CONV);
    attr.conv.channels = 8;
    attr.conv.kernel[0] = attr.conv.kernel[1] = 3;
    expect_conv_name(4, attr, "conv3x3_s1_4x12x16_to_8x10x14");
    attr.conv.pad = (Pads){{1, 1, 1, 1}, false};
    expect_conv_name(4, attr, "conv3x3_s1p1_4x12x16_to_8x12x16");
    attr.conv.groups = 2;
    attr.conv.bias = false;
    expect_conv_name(4, attr, "conv3x3_s1p1_g2_4x12x16_to_8x12x16_nobias");
    attr.conv.groups = 4;
    expect_conv_name(4, attr, "depthwise3x3_s1p1_4x12x16_to_8x12x16_nobias");
    attr = defaults(OP_CONV);
    attr.conv.channels = 8;
    attr.conv.kernel[0] = 1;
    attr.conv.kernel[1] = 5;
    attr.conv.stride[1] = 2;
    attr.conv.pad = (Pads){{0, 2, 0, 2}, false};
    expect_conv_name(4, attr, "conv1x5_s1x2p0x2_4x12x16_to_8x12x8");
    attr.conv.kernel[0] = 3;
    attr.conv.stride[0] = 2;
    attr.conv.dilation[0] = 2;
    attr.conv.pad = (Pads){{0, 0, 3, 2}, false};
    expect_conv_name(4, attr, "conv3x5_s2p0_0_3_1_d2x1_4x12x16_to_8x6x7");
}

Test(lower, equal_layers_share_one_kernel)
{
    LowerBuild b = lower_build_start();
    Node *x = lower_build_input(&b, "x", 8, 6, 6);
    for (int i = 0; i < 4; ++i) {
        const char *const paths[] = {"a", "b", "c", "d"};
        x = lower_build_conv(&b, paths[i], x, 8, 3, 1, 1);
    }
    Program *p = finish(&b, x);
    cr_assert_eq(p->n_steps, 4);
    cr_assert_eq(p->n_kernels, 1);
    cr_assert_eq(p->n_segments, 8);
    lower_build_stop(&b);
}

Test(lower, kernels_that_a_name_cannot_tell_apart_get_ordinals)
{
    LowerBuild b = lower_build_start();
    Node *x = lower_build_input(&b, "x", 8, 0, 0);
    static const double slopes[] = {0.1, 0.2, 0.1};
    static const char *const paths[] = {"a", "b", "c"};
    for (int i = 0; i < 3; ++i) {
        Attr attr = defaults(OP_LEAKY_RELU);
        attr.act.a = slopes[i];
        x = lower_build_op(&b, OP_LEAKY_RELU, &attr, paths[i], x, NULL);
    }
    Program *p = finish(&b, x);
    cr_assert_eq(p->n_kernels, 2);
    expect_text(p->kernels[0]->name, "leaky_relu_8");
    expect_text(p->kernels[1]->name, "leaky_relu_8_2");
    cr_assert_eq(p->steps[2].kernel, p->kernels[0]);
    lower_build_stop(&b);
}

/* Changing any member makes another record. */
Test(lower, every_member_counts_in_equality)
{
    Kernel base = {.family = KERNEL_CONV};
    base.epilogue.act.op = OP_IDENTITY;
    Kernel copy = base;
    cr_assert(kernel_equal(&base, &copy));
#define DIFFERS(member, value)                                                                                         \
    do {                                                                                                               \
        copy = base;                                                                                                   \
        copy.member = value;                                                                                           \
        cr_assert_not(kernel_equal(&base, &copy), #member);                                                            \
    } while (0)
    DIFFERS(family, KERNEL_DENSE);
    DIFFERS(sizes.in_channels, 1);
    DIFFERS(sizes.in_rows, 1);
    DIFFERS(sizes.in_cols, 1);
    DIFFERS(sizes.out_channels, 1);
    DIFFERS(sizes.out_rows, 1);
    DIFFERS(sizes.out_cols, 1);
    DIFFERS(sizes.kernel_rows, 1);
    DIFFERS(sizes.kernel_cols, 1);
    DIFFERS(sizes.stride_rows, 1);
    DIFFERS(sizes.stride_cols, 1);
    DIFFERS(sizes.dilation_rows, 1);
    DIFFERS(sizes.dilation_cols, 1);
    DIFFERS(sizes.pad_top, 1);
    DIFFERS(sizes.pad_left, 1);
    DIFFERS(sizes.pad_bottom, 1);
    DIFFERS(sizes.pad_right, 1);
    DIFFERS(sizes.groups, 1);
    DIFFERS(sizes.second_stride_rows, 1);
    DIFFERS(sizes.second_stride_cols, 1);
    DIFFERS(sizes.multiplier, 1);
    DIFFERS(sizes.count_pad, true);
    DIFFERS(sizes.adaptive, true);
    DIFFERS(sizes.is_max, true);
    DIFFERS(sizes.is_log, true);
    DIFFERS(sizes.op, OP_ADD);
    DIFFERS(sizes.broadcast[0], BROADCAST_CHANNEL);
    DIFFERS(sizes.broadcast[1], BROADCAST_SCALAR);
    DIFFERS(sizes.scalar[0], -0.0);
    DIFFERS(sizes.scalar[1], 1.0);
    DIFFERS(sizes.scalar_is_literal[0], true);
    DIFFERS(sizes.scalar_is_literal[1], true);
    DIFFERS(sizes.lrn.size, 5);
    DIFFERS(sizes.lrn.alpha, 1.0);
    DIFFERS(sizes.lrn.beta, 1.0);
    DIFFERS(sizes.lrn.k, 1.0);
    DIFFERS(sizes.lrn.alpha_div_n, true);
    DIFFERS(sizes.in_stride[0], 1);
    DIFFERS(sizes.in_stride[1], 1);
    DIFFERS(sizes.in_stride[2], 1);
    DIFFERS(sizes.out_stride[0], 1);
    DIFFERS(sizes.out_stride[1], 1);
    DIFFERS(sizes.out_stride[2], 1);
    DIFFERS(sizes.frame, true);
    DIFFERS(out_step, 2);
    DIFFERS(skips_zeros, true);
    DIFFERS(in.block, 1);
    DIFFERS(out.halo_left, 1);
    DIFFERS(epilogue.bias, true);
    DIFFERS(prologue.kind, PROLOGUE_NORM);
    DIFFERS(prologue.act.op, OP_RELU);
    DIFFERS(prologue.act.attr.a, 0.5);
    DIFFERS(epilogue.residual, true);
    DIFFERS(epilogue.act.op, OP_RELU);
    DIFFERS(epilogue.act.attr.a, 0.5);
    DIFFERS(epilogue.act.attr.b, 0.5);
    DIFFERS(weight_format.row_block, 4);
    DIFFERS(weight_format.col_block, 4);
    DIFFERS(tile_pixels, 16);
    DIFFERS(tile_taps, 4);
    DIFFERS(scratch_bytes, 64);
#undef DIFFERS
}

/* --- segments */

Test(lower, segments_lie_in_order_of_use_and_aligned)
{
    LowerBuild b = lower_build_start();
    Node *x = lower_build_conv(&b, "a", lower_build_input(&b, "x", 3, 9, 9), 5, 3, 1, 1);
    Program *p = finish(&b, lower_build_conv(&b, "b", x, 7, 3, 1, 1));
    static const char *const names[] = {"a.weight", "a.bias", "b.weight", "b.bias"};
    cr_assert_eq(p->n_segments, 4);
    int64_t end = 0;
    for (uint32_t i = 0; i < p->n_segments; ++i) {
        const Segment *s = p->segments[i];
        expect_text(s->name, names[i]);
        cr_assert_eq(s->offset % BLOB_ALIGN, 0);
        cr_assert_geq(s->offset, end);
        cr_assert_lt(s->offset - end, BLOB_ALIGN);
        cr_assert_eq(s->bytes, 4 * segment_elements(s));
        cr_assert_geq(segment_elements(s), (int64_t)s->rows * s->cols);
        end = s->offset + s->bytes;
    }
    cr_assert_eq(p->blob_bytes, BLOB_HEADER_BYTES + (end + BLOB_ALIGN - 1) / BLOB_ALIGN * BLOB_ALIGN);
    lower_build_stop(&b);
}

Test(lower, segment_sizes_include_padding_of_each_group)
{
    Segment segment = {.format = pack_rows(4, 4), .rows = 10, .cols = 6, .groups = 2};
    cr_assert_eq(segment_elements(&segment), 2 * 8 * 8);
    segment = (Segment){.format = pack_rows(16, 1), .rows = 17, .cols = 3, .groups = 1};
    cr_assert_eq(segment_elements(&segment), 32 * 3);
    segment = (Segment){.format = pack_rows(1, 1), .rows = 7, .cols = 3, .groups = 1};
    cr_assert_eq(segment_elements(&segment), 21);
}

Test(lower, a_bias_is_padded_like_the_rows_of_its_weight)
{
    LowerBuild b = lower_build_start();
    Attr attr = defaults(OP_CONV);
    attr.conv.channels = 10;
    attr.conv.kernel[0] = attr.conv.kernel[1] = 3;
    attr.conv.groups = 2;
    Node *x = lower_build_input(&b, "x", 4, 9, 9);
    Program *p = finish(&b, lower_build_op(&b, OP_CONV, &attr, "c", x, NULL));
    const Step *step = &p->steps[0];
    cr_assert_eq(step->weight->groups, 2);
    cr_assert_eq(step->weight->rows, 10);
    cr_assert_eq(step->weight->cols, 2 * 9);
    cr_assert_eq(step->bias->groups, 2);
    cr_assert_eq(step->bias->format.row_block, step->weight->format.row_block);
    cr_assert_eq(step->bias->cols, 1);
    lower_build_stop(&b);
}

/* In plain C too Winograd's convolution is taken, with transformed filters, unless --no-winograd says no. */
Test(lower, no_winograd_holds_for_plain_c)
{
    for (int no = 0; no < 2; ++no) {
        LowerBuild b = lower_build_start();
        Node *x = lower_build_conv(&b, "c", lower_build_input(&b, "x", 64, 28, 28), 64, 3, 1, 1);
        graph_add_output(b.graph, STR("y"), x, (Span){0, 0});
        graph_compact(b.graph); /* weights were attached after their readers */
        LowerOptions options = {.target = target_find(STR("portable")), .batch = 1, .parts = 1, .no_winograd = no == 1};
        Program *p = lower(b.arena, b.graph, &options, b.diag);
        const Step *step = &p->steps[0];
        cr_assert_eq(step->kernel->family, no ? KERNEL_CONV : KERNEL_WINOGRAD);
        cr_assert_eq(step->weight->format.kind, no ? PACK_ROWS : PACK_WINOGRAD);
        cr_assert_eq(step->weight->bytes, 4 * 64 * 64 * (no ? 9 : 36));
        lower_build_stop(&b);
    }
}

Test(lower, one_weight_read_twice_is_packed_once)
{
    LowerBuild b = lower_build_start();
    Node *x = lower_build_conv(&b, "a", lower_build_input(&b, "x", 3, 9, 9), 3, 3, 1, 1);
    Attr attr = x->attr;
    NodeSource source = {.path = STR("again")};
    Node *y = graph_add(b.graph, OP_CONV, &attr, &x, 1, source, b.diag);
    graph_attach_weight(b.graph, y, node_weight(x, ROLE_WEIGHT));
    graph_attach_weight(b.graph, y, node_weight(x, ROLE_BIAS));
    Program *p = finish(&b, y);
    cr_assert_eq(p->n_segments, 2);
    cr_assert_eq(p->steps[0].weight, p->steps[1].weight);
    lower_build_stop(&b);
}

/* The fingerprint ties a blob to everything that its bytes depend on but the values. */
static uint64_t fingerprint(const char *name, int32_t channels, int32_t kernel, double eps, const char *output)
{
    LowerBuild b = lower_build_start();
    Node *c = lower_build_conv(&b, name, lower_build_input(&b, "x", 3, 9, 9), channels, kernel, 1, kernel / 2);
    Attr attr = defaults(OP_BATCH_NORM);
    attr.norm.eps = eps;
    Node *y = lower_build_op(&b, OP_BATCH_NORM, &attr, "bn", c, NULL);
    graph_add_output(b.graph, str_from(output), y, (Span){0, 0});
    uint64_t result = lower_build_finish(&b)->fingerprint;
    lower_build_stop(&b);
    return result;
}

Test(lower, fingerprint)
{
    uint64_t base = fingerprint("c", 4, 3, 1e-5, "y");
    cr_assert_eq(fingerprint("c", 4, 3, 1e-5, "y"), base);
    cr_assert_eq(fingerprint("c", 4, 3, 1e-5, "z"), base); /* names of ports are no part of a blob */
    cr_assert_neq(fingerprint("d", 4, 3, 1e-5, "y"), base);
    cr_assert_neq(fingerprint("c", 5, 3, 1e-5, "y"), base);
    cr_assert_neq(fingerprint("c", 4, 5, 1e-5, "y"), base);
    cr_assert_neq(fingerprint("c", 4, 3, 1e-3, "y"), base);
}

/* --- titles */

Test(lower, titles_tell_what_was_fused)
{
    LowerBuild b = lower_build_start();
    Node *x = lower_build_conv(&b, "layer1.0.conv1", lower_build_input(&b, "x", 4, 5, 5), 4, 3, 1, 1);
    Node *y = lower_build_add_residual(&b, lower_build_conv(&b, "layer1.0.conv2", x, 4, 3, 1, 1), x);
    y->act.op = OP_RELU;
    Node *weight = node_weight(y, ROLE_WEIGHT);
    NodeSource source = {.path = STR("layer1.0.bn2")};
    Node *var = graph_add_weight(b.graph, STR("layer1.0.bn2.running_var"), type_f32_1(4), ROLE_RUNNING_VAR, source);
    Node *inverse = graph_add_recipe(b.graph, (ConstAttr){.expr = CONST_RSQRT, .eps = 1e-5}, var, NULL, var->type);
    ConstAttr scaled = {.expr = CONST_MUL, .role = ROLE_WEIGHT};
    graph_set_weight(b.graph, y, ROLE_WEIGHT, graph_add_recipe(b.graph, scaled, weight, inverse, weight->type));
    Program *p = finish(&b, y);
    expect_text(p->steps[0].title, "layer1.0.conv1");
    expect_text(p->steps[1].title, "layer1.0.conv2 + bn2 + add + relu");
    lower_build_stop(&b);
}

/* --- what is refused */

static void expect_refused(LowerBuild *b, Node *result, const char *phrase)
{
    graph_add_output(b->graph, STR("y"), result, (Span){0, 0});
    graph_compact(b->graph);
    LowerOptions options = {.target = target_find(STR("portable")), .batch = 1, .parts = 1};
    cr_assert_null(lower(b->arena, b->graph, &options, b->diag), "%s", phrase);
    cr_assert_eq(diag_fired(b->diag, DIAG_UNSUPPORTED_OP), 1);
    Str text = diag_text(b->diag);
    cr_assert_not_null(strstr(arena_cstr(b->arena, text), phrase), STR_FMT, STR_ARG(text));
    lower_build_stop(b);
}

static Node *two_numbers(LowerBuild *b)
{
    static const double values[] = {1, 2};
    return graph_add_values(b->graph, type_f32_1(2), values, (NodeSource){0});
}

/* Passes fold what depends on constants alone; without them it has no place in memory. */
Test(lower, an_op_on_constants_is_refused)
{
    LowerBuild b = lower_build_start();
    expect_refused(&b, lower_build_plain(&b, OP_TANH, "op", two_numbers(&b)),
                   "tanh 'op' of a constant is not supported");
}

Test(lower, all_that_is_unsupported_is_reported_at_once)
{
    LowerBuild b = lower_build_start();
    Node *constant = two_numbers(&b);
    static const char *const paths[] = {"a", "b", "c"};
    for (int i = 0; i < 3; ++i) {
        graph_add_output(b.graph, str_from(paths[i]), lower_build_plain(&b, OP_RELU, paths[i], constant), (Span){0, 0});
    }
    LowerOptions options = {.target = target_find(STR("portable")), .batch = 1, .parts = 1};
    cr_assert_null(lower(b.arena, b.graph, &options, b.diag));
    cr_assert_eq(diag_fired(b.diag, DIAG_UNSUPPORTED_OP), 3);
    lower_build_stop(&b);
}

/* Two names for one result of argmax: each gets indices of its own, there is no copy of anything but floats. */
Test(lower, indices_for_two_outputs_are_made_twice)
{
    LowerBuild b = lower_build_start();
    Node *best = lower_build_plain(&b, OP_ARGMAX, "best", lower_build_input(&b, "x", 4, 3, 3));
    graph_add_output(b.graph, STR("first"), best, (Span){0, 0});
    graph_add_output(b.graph, STR("second"), best, (Span){0, 0});
    Program *p = lower_build_finish(&b);
    cr_assert_eq(p->n_steps, 2);
    cr_assert_eq(p->n_kernels, 1);
    for (uint32_t i = 0; i < 2; ++i) {
        cr_assert_eq(p->steps[i].kernel->family, KERNEL_ARGMAX);
        cr_assert_eq(p->outputs[i]->kind, BUFFER_OUTPUT);
        cr_assert_eq(p->outputs[i]->port, i);
        cr_assert_eq(p->outputs[i]->dtype, DT_I32);
    }
    lower_exec_compare(p, "argmax for two");
    lower_build_stop(&b);
}

/* Pixels are converted where they are read, and never copied as bytes. */
Test(lower, bytes_become_floats_in_one_step)
{
    LowerBuild b = lower_build_start();
    static const int32_t dims[] = {3, 4, 5};
    static const double mean[] = {100, 110, 120}, deviation[] = {50};
    Node *x = graph_add_input(b.graph, STR("photo"), type_make(DT_U8, 3, dims), true, (Span){0, 0});
    Attr attr = defaults(OP_NORMALIZE);
    attr.misc.mean = (FloatList){3, mean};
    attr.misc.std = (FloatList){1, deviation};
    Node *prepared = lower_build_op(&b, OP_NORMALIZE, &attr, "n", x, NULL);
    Program *p = finish(&b, lower_build_conv(&b, "c", prepared, 2, 3, 1, 1));
    cr_assert_eq(p->n_steps, 2);
    cr_assert_eq(p->steps[0].kernel->family, KERNEL_PIXELS);
    cr_assert_eq(p->inputs[0]->bytes, 60);
    lower_exec_compare(p, "bytes");
    lower_build_stop(&b);
}

Test(lower, deep_chains_are_lowered)
{
    enum { DEPTH = 20000 };
    LowerBuild b = lower_build_start();
    Node *x = lower_build_input(&b, "x", 2, 3, 3);
    for (int i = 0; i < DEPTH; ++i) {
        x = lower_build_plain(&b, i % 2 ? OP_TANH : OP_RELU, "r", x);
    }
    Program *p = finish(&b, x);
    cr_assert_eq(p->n_steps, DEPTH);
    cr_assert_eq(p->n_kernels, 2);
    cr_assert_eq(p->arena_bytes, 128); /* all in place */
    lower_build_stop(&b);
}
