/* Every op that can be lowered, carried out from its records in double precision and compared with the interpreter. */
#include "lower_build.h"
#include "lower_exec.h"

#include <criterion/criterion.h>

static void compare(LowerBuild *b, Node *result, const char *what)
{
    graph_add_output(b->graph, STR("y"), result, (Span){0, 0});
    Program *program = lower_build_finish(b);
    lower_exec_compare(program, what);
    lower_build_stop(b);
}

static void check_op(OpKind op, const Attr *attr, int32_t c, int32_t h, int32_t w, const char *what)
{
    LowerBuild b = lower_build_start();
    compare(&b, lower_build_op(&b, op, attr, "op", lower_build_input(&b, "x", c, h, w), NULL), what);
}

static Attr defaults(OpKind op)
{
    Attr attr;
    op_attr_defaults(op, &attr);
    return attr;
}

static void set_pads(Pads *pads, int32_t top, int32_t left, int32_t bottom, int32_t right)
{
    pads->edge[PAD_TOP] = top;
    pads->edge[PAD_LEFT] = left;
    pads->edge[PAD_BOTTOM] = bottom;
    pads->edge[PAD_RIGHT] = right;
}

static Attr conv(int32_t channels, int32_t kh, int32_t kw, int32_t sh, int32_t sw, int32_t groups)
{
    Attr attr = defaults(OP_CONV);
    attr.conv.channels = channels;
    attr.conv.kernel[0] = kh;
    attr.conv.kernel[1] = kw;
    attr.conv.stride[0] = sh;
    attr.conv.stride[1] = sw;
    attr.conv.groups = groups;
    return attr;
}

Test(lower_ops, conv)
{
    Attr attr = conv(7, 3, 3, 1, 1, 1);
    check_op(OP_CONV, &attr, 3, 9, 8, "plain");
    set_pads(&attr.conv.pad, 1, 1, 1, 1);
    check_op(OP_CONV, &attr, 3, 9, 8, "padded");
    set_pads(&attr.conv.pad, 0, 2, 3, 1);
    attr.conv.bias = false;
    check_op(OP_CONV, &attr, 3, 9, 8, "uneven padding, no bias");
    attr = conv(8, 1, 5, 2, 3, 2);
    set_pads(&attr.conv.pad, 1, 2, 1, 2);
    check_op(OP_CONV, &attr, 6, 9, 11, "groups, oblong");
    attr = conv(4, 3, 3, 1, 1, 1);
    attr.conv.dilation[0] = 2;
    attr.conv.dilation[1] = 3;
    check_op(OP_CONV, &attr, 2, 9, 11, "dilated");
    attr = conv(5, 3, 3, 2, 2, 1);
    attr.conv.pad.same = true;
    check_op(OP_CONV, &attr, 2, 8, 7, "same");
    attr = conv(9, 1, 1, 1, 1, 1);
    check_op(OP_CONV, &attr, 5, 6, 6, "pointwise");
}

Test(lower_ops, depthwise)
{
    Attr attr = conv(12, 3, 3, 1, 1, 6);
    check_op(OP_CONV, &attr, 6, 8, 8, "groups = channels, two each");
    attr = conv(5, 3, 3, 1, 1, 1);
    check_op(OP_CONV, &attr, 1, 8, 8, "one input channel");
    attr = defaults(OP_DEPTHWISE_CONV);
    attr.conv.kernel[0] = attr.conv.kernel[1] = 3;
    attr.conv.stride[0] = attr.conv.stride[1] = 2;
    set_pads(&attr.conv.pad, 0, 0, 1, 1);
    check_op(OP_DEPTHWISE_CONV, &attr, 6, 8, 8, "depthwise_conv");
    attr.conv.multiplier = 3;
    check_op(OP_DEPTHWISE_CONV, &attr, 4, 8, 8, "multiplier");
    check_op(OP_DEPTHWISE_CONV, &attr, 1, 8, 8, "multiplier of one channel");
}

Test(lower_ops, dense)
{
    Attr attr = defaults(OP_DENSE);
    attr.dense.units = 11;
    check_op(OP_DENSE, &attr, 23, 0, 0, "dense");
    attr.dense.bias = false;
    check_op(OP_DENSE, &attr, 23, 0, 0, "dense without bias");
}

Test(lower_ops, pools)
{
    for (int op = 0; op < 2; ++op) {
        OpKind kind = op == 0 ? OP_MAX_POOL : OP_AVG_POOL;
        Attr attr = defaults(kind);
        attr.pool.kernel[0] = 3;
        attr.pool.kernel[1] = 2;
        attr.pool.stride[0] = attr.pool.stride[1] = 2;
        check_op(kind, &attr, 3, 9, 8, "pool");
        set_pads(&attr.pool.pad, 1, 1, 1, 0);
        check_op(kind, &attr, 3, 9, 8, "padded pool");
        attr.pool.ceil = true;
        check_op(kind, &attr, 3, 10, 9, "pool with an overhang");
        attr.pool.count_pad = false;
        check_op(kind, &attr, 3, 10, 9, "pool that does not count its padding");
    }
    Attr attr = defaults(OP_GLOBAL_AVG_POOL);
    check_op(OP_GLOBAL_AVG_POOL, &attr, 4, 5, 6, "global average");
    check_op(OP_GLOBAL_MAX_POOL, &attr, 4, 5, 6, "global maximum");
    attr.pool.keep = false;
    check_op(OP_GLOBAL_AVG_POOL, &attr, 4, 5, 6, "global average to a vector");
    static const int32_t sizes[][2] = {{4, 4}, {14, 14}, {7, 2}, {1, 1}, {14, 1}};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; ++i) {
        attr = defaults(OP_ADAPTIVE_AVG_POOL);
        attr.pool.size[0] = sizes[i][0];
        attr.pool.size[1] = sizes[i][1];
        check_op(OP_ADAPTIVE_AVG_POOL, &attr, 3, 14, 14, "adaptive average");
    }
}

Test(lower_ops, adaptive_pools_that_adapt_nothing_are_views)
{
    LowerBuild b = lower_build_start();
    Attr attr = defaults(OP_ADAPTIVE_AVG_POOL);
    attr.pool.size[0] = attr.pool.size[1] = 7;
    Node *c = lower_build_conv(&b, "c", lower_build_input(&b, "x", 3, 7, 7), 4, 3, 1, 1);
    Node *p = lower_build_op(&b, OP_ADAPTIVE_AVG_POOL, &attr, "p", c, NULL);
    graph_add_output(b.graph, STR("y"), lower_build_plain(&b, OP_RELU, "r", p), (Span){0, 0});
    cr_assert_eq(lower_build_finish(&b)->n_steps, 2);
    lower_build_stop(&b);
}

Test(lower_ops, activations)
{
    static const OpKind kinds[] = {OP_RELU, OP_LEAKY_RELU, OP_PRELU, OP_TANH, OP_SCALED_TANH, OP_SIGMOID, OP_CLAMP};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; ++i) {
        Attr attr = defaults(kinds[i]);
        if (kinds[i] == OP_CLAMP) {
            attr.act.a = -0.25;
            attr.act.b = 0.5;
        }
        check_op(kinds[i], &attr, 3, 4, 5, op_info(kinds[i])->name);
    }
}

Test(lower_ops, arithmetic)
{
    static const OpKind kinds[] = {OP_ADD, OP_SUB, OP_MUL};
    for (size_t i = 0; i < 3; ++i) {
        Attr attr = defaults(kinds[i]);
        for (int shape = 0; shape < 4; ++shape) { /* same, [C,1,1], [C]; shape 3: the vector comes first */
            LowerBuild b = lower_build_start();
            Node *x = lower_build_input(&b, "x", 3, 4, 5);
            Node *z = shape == 0   ? lower_build_input(&b, "z", 3, 4, 5)
                      : shape == 1 ? lower_build_input(&b, "z", 3, 1, 1)
                                   : lower_build_input(&b, "z", 3, 0, 0);
            Node *y = lower_build_op(&b, kinds[i], &attr, "y", shape == 3 ? z : x, shape == 3 ? x : z);
            compare(&b, y, op_info(kinds[i])->name);
        }
        for (int side = 0; side < 2; ++side) { /* literals */
            LowerBuild b = lower_build_start();
            Node *x = lower_build_input(&b, "x", 3, 4, 5);
            double three = 3.5;
            Node *literal = graph_add_values(b.graph, type_f32_1(1), &three, (NodeSource){0});
            Node *y = lower_build_op(&b, kinds[i], &attr, "y", side == 0 ? literal : x, side == 0 ? x : literal);
            compare(&b, y, "literal");
        }
    }
    Attr attr = defaults(OP_SCALE);
    attr.misc.scale = -0.75;
    check_op(OP_SCALE, &attr, 3, 4, 5, "scale");
}

Test(lower_ops, twice_the_same_operand)
{
    LowerBuild b = lower_build_start();
    Attr attr = defaults(OP_MUL);
    Node *t = lower_build_plain(&b, OP_TANH, "t", lower_build_input(&b, "x", 3, 4, 5));
    Node *square = lower_build_op(&b, OP_MUL, &attr, "square", t, t);
    compare(&b, lower_build_plain(&b, OP_GLOBAL_AVG_POOL, "g", square), "t * t");
}

Test(lower_ops, epilogues)
{
    static const OpKind kinds[] = {OP_CONV, OP_DEPTHWISE_CONV, OP_DENSE, OP_ADD};
    for (size_t i = 0; i < 4; ++i) {
        LowerBuild b = lower_build_start();
        bool flat = kinds[i] == OP_DENSE;
        Node *x = lower_build_input(&b, "x", 6, flat ? 0 : 5, flat ? 0 : 5);
        Node *z = lower_build_plain(&b, OP_TANH, "z", x);
        Attr attr = defaults(kinds[i]);
        if (flat) {
            attr.dense.units = 6;
        } else if (kinds[i] != OP_ADD) {
            attr = conv(6, 3, 3, 1, 1, 1);
            attr.conv.multiplier = 1;
            set_pads(&attr.conv.pad, 1, 1, 1, 1);
        }
        Node *y = lower_build_op(&b, kinds[i], &attr, "y", x, kinds[i] == OP_ADD ? x : NULL);
        if (kinds[i] != OP_ADD) {
            lower_build_add_residual(&b, y, z);
        }
        y->act.op = OP_LEAKY_RELU;
        op_attr_defaults(OP_LEAKY_RELU, &attr);
        y->act.attr = attr.act;
        compare(&b, y, op_info(kinds[i])->name);
    }
}

Test(lower_ops, scale_and_shift_per_channel)
{
    for (int variant = 0; variant < 4; ++variant) {
        Attr attr = defaults(OP_BATCH_NORM);
        attr.norm.eps = 1e-3;
        attr.norm.scale = variant & 1;
        attr.norm.shift = variant & 2;
        check_op(OP_BATCH_NORM, &attr, 5, 4, 3, "batch_norm");
    }
    Attr attr = defaults(OP_BATCH_NORM);
    check_op(OP_BATCH_NORM, &attr, 17, 0, 0, "batch_norm of a vector");
    attr = defaults(OP_AFFINE);
    check_op(OP_AFFINE, &attr, 5, 4, 3, "affine");
    static const double mean[] = {0.485, 0.456, 0.406}, deviation[] = {0.229, 0.224, 0.225}, one[] = {0.5};
    attr = defaults(OP_NORMALIZE);
    attr.misc.mean = (FloatList){3, mean};
    attr.misc.std = (FloatList){3, deviation};
    attr.misc.scale = 1.0 / 255;
    check_op(OP_NORMALIZE, &attr, 3, 4, 5, "normalize");
    attr.misc.mean = attr.misc.std = (FloatList){1, one};
    check_op(OP_NORMALIZE, &attr, 3, 4, 5, "normalize alike");
}

Test(lower_ops, across_channels)
{
    Attr attr = defaults(OP_LRN);
    attr.lrn.alpha = 0.3;
    check_op(OP_LRN, &attr, 7, 3, 4, "lrn");
    attr.lrn.alpha_div_n = false;
    attr.lrn.size = 4;
    check_op(OP_LRN, &attr, 7, 3, 4, "lrn of even size");
    attr = defaults(OP_SOFTMAX);
    check_op(OP_SOFTMAX, &attr, 7, 0, 0, "softmax");
    check_op(OP_SOFTMAX, &attr, 7, 3, 4, "softmax of each pixel");
    check_op(OP_LOG_SOFTMAX, &attr, 7, 3, 4, "log_softmax");
}

Test(lower_ops, moves)
{
    static const int32_t orders[][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    for (size_t i = 0; i < 6; ++i) {
        Attr attr = defaults(OP_PERMUTE);
        attr.shape.permutation = (IntList){3, orders[i]};
        check_op(OP_PERMUTE, &attr, 3, 4, 5, "permute");
        check_op(OP_PERMUTE, &attr, 1, 4, 5, "permute of one channel");
        check_op(OP_PERMUTE, &attr, 4, 1, 5, "permute of one row");
    }
    for (int32_t axis = 0; axis < 3; ++axis) {
        for (int32_t end = 2; end <= 4; ++end) {
            Attr attr = defaults(OP_SLICE);
            attr.shape.axis = axis;
            attr.shape.begin = 1;
            attr.shape.end = end;
            check_op(OP_SLICE, &attr, 4, 5, 6, "slice");
        }
    }
    Attr attr = defaults(OP_CROP);
    attr.shape.crop[0] = 1;
    attr.shape.crop[1] = 2;
    check_op(OP_CROP, &attr, 2, 5, 8, "crop");
    attr = defaults(OP_CHANNEL_SHUFFLE);
    for (int32_t groups = 1; groups <= 6; ++groups) {
        attr.shape.groups = groups;
        if (12 % groups == 0) {
            check_op(OP_CHANNEL_SHUFFLE, &attr, 12, 2, 3, "channel_shuffle");
            check_op(OP_CHANNEL_SHUFFLE, &attr, 12, 1, 1, "channel_shuffle of single pixels");
        }
    }
    attr = defaults(OP_FLATTEN);
    check_op(OP_FLATTEN, &attr, 3, 4, 5, "flatten");
    attr.shape.order = FLATTEN_HWC;
    check_op(OP_FLATTEN, &attr, 3, 4, 5, "flatten hwc");
    check_op(OP_FLATTEN, &attr, 3, 1, 1, "flatten hwc of a pixel");
    static const int32_t dims[] = {5, 6, 2};
    attr = defaults(OP_RESHAPE);
    attr.shape.shape = (IntList){3, dims};
    check_op(OP_RESHAPE, &attr, 3, 4, 5, "reshape");
    attr = defaults(OP_PAD);
    set_pads(&attr.shape.pads, 1, 0, 2, 3);
    attr.shape.pad_value = -2.5;
    check_op(OP_PAD, &attr, 3, 4, 5, "pad");
    set_pads(&attr.shape.pads, 0, 0, 0, 0);
    check_op(OP_PAD, &attr, 3, 4, 5, "pad by nothing");
    check_op(OP_IDENTITY, &attr, 3, 4, 5, "identity");
}

Test(lower_ops, concat)
{
    for (uint32_t count = 1; count <= 3; ++count) {
        LowerBuild b = lower_build_start();
        Node *x = lower_build_input(&b, "x", 3, 4, 5);
        Node *parts[] = {x, lower_build_conv(&b, "c", x, 4, 3, 1, 1), x};
        Attr attr = defaults(OP_CONCAT);
        compare(&b, lower_build_many(&b, OP_CONCAT, &attr, "both", parts, count), "concat");
    }
}

Test(lower_ops, interleaved_input)
{
    LowerBuild b = lower_build_start();
    Node *x = graph_add_input(b.graph, STR("x"), type_f32_3(3, 4, 5), true, (Span){0, 0});
    Node *c = lower_build_conv(&b, "c", x, 4, 3, 1, 1);
    Node *d = lower_build_conv(&b, "d", x, 4, 3, 1, 1);
    Attr attr = defaults(OP_ADD);
    Node *y = lower_build_op(&b, OP_ADD, &attr, "y", c, d);
    graph_add_output(b.graph, STR("copy"), x, (Span){0, 0});
    graph_add_output(b.graph, STR("y"), y, (Span){0, 0});
    Program *program = lower_build_finish(&b);
    cr_assert_eq(program->n_steps, 4); /* one conversion for all readers, straight into the output */
    lower_exec_compare(program, "hwc");
    lower_build_stop(&b);
}

Test(lower_ops, outputs_that_are_views_inputs_and_twice_the_same)
{
    LowerBuild b = lower_build_start();
    Node *x = lower_build_input(&b, "x", 3, 4, 5);
    Node *c = lower_build_conv(&b, "c", x, 4, 3, 1, 1);
    Node *flat = lower_build_plain(&b, OP_FLATTEN, "flat", c);
    graph_add_output(b.graph, STR("a"), flat, (Span){0, 0});
    graph_add_output(b.graph, STR("b"), c, (Span){0, 0});
    graph_add_output(b.graph, STR("c"), x, (Span){0, 0});
    graph_add_output(b.graph, STR("d"), flat, (Span){0, 0});
    graph_add_output(b.graph, STR("e"), lower_build_plain(&b, OP_RELU, "r", flat), (Span){0, 0});
    Program *program = lower_build_finish(&b);
    cr_assert_eq(program->n_steps, 5); /* conv into a, relu into e, and copies for b, c, d */
    cr_assert_eq(program->arena_bytes, program->steps[0].scratch == NULL ? 0 : program->steps[0].scratch->bytes);
    lower_exec_compare(program, "outputs");
    lower_build_stop(&b);
}

/* --- families of one op */

static Attr transposed(int32_t channels, int32_t kernel, int32_t stride, int32_t output_pad, int32_t groups)
{
    Attr attr = defaults(OP_CONV_TRANSPOSE);
    attr.conv.channels = channels;
    attr.conv.kernel[0] = attr.conv.kernel[1] = kernel;
    attr.conv.stride[0] = attr.conv.stride[1] = stride;
    attr.conv.output_pad[0] = attr.conv.output_pad[1] = output_pad;
    attr.conv.groups = groups;
    return attr;
}

Test(lower_ops, conv_transpose)
{
    Attr attr = transposed(5, 3, 2, 1, 1);
    set_pads(&attr.conv.pad, 1, 1, 1, 1);
    check_op(OP_CONV_TRANSPOSE, &attr, 4, 5, 6, "doubles the size");
    attr = transposed(6, 2, 3, 0, 2);
    check_op(OP_CONV_TRANSPOSE, &attr, 4, 5, 3, "groups, phases without taps");
    attr = transposed(3, 4, 1, 0, 1);
    attr.conv.bias = false;
    attr.conv.dilation[0] = 2;
    set_pads(&attr.conv.pad, 2, 0, 1, 3);
    check_op(OP_CONV_TRANSPOSE, &attr, 2, 5, 6, "dilated, uneven padding, no bias");
}

Test(lower_ops, conv_transpose_with_residual_in_place)
{
    LowerBuild b = lower_build_start();
    Node *x = lower_build_input(&b, "x", 3, 4, 4);
    Node *other = lower_build_plain(&b, OP_TANH, "t", lower_build_input(&b, "other", 4, 9, 9));
    Attr attr = transposed(4, 3, 2, 0, 1);
    Node *y = lower_build_add_residual(&b, lower_build_op(&b, OP_CONV_TRANSPOSE, &attr, "up", x, NULL), other);
    y->act.op = OP_RELU;
    graph_add_output(b.graph, STR("y"), lower_build_plain(&b, OP_SIGMOID, "s", y), (Span){0, 0});
    Program *program = lower_build_finish(&b);
    cr_assert(program->steps[1].residual == program->steps[1].output || program->steps[1].output->parent != NULL);
    lower_exec_compare(program, "transposed, residual, relu");
    lower_build_stop(&b);
}

Test(lower_ops, conv_with_a_table)
{
    static const int32_t start[] = {0, 2, 3, 6}, maps[] = {0, 1, 4, 1, 3, 4};
    Attr attr = conv(3, 3, 2, 2, 1, 1);
    attr.conv.table = (IntTable){3, start, maps};
    set_pads(&attr.conv.pad, 1, 0, 2, 1);
    check_op(OP_CONV, &attr, 5, 7, 6, "table");
}

Test(lower_ops, normalisations_by_measured_sizes)
{
    Attr attr = defaults(OP_INSTANCE_NORM);
    check_op(OP_INSTANCE_NORM, &attr, 3, 5, 4, "instance norm");
    attr.norm.affine = true;
    attr.norm.eps = 0.1;
    check_op(OP_INSTANCE_NORM, &attr, 3, 5, 4, "affine");
    attr = defaults(OP_L2_NORMALIZE);
    check_op(OP_L2_NORMALIZE, &attr, 3, 5, 4, "l2 of pixels");
    check_op(OP_L2_NORMALIZE, &attr, 9, 0, 0, "l2 of a vector");
    attr.norm.eps = 100;
    check_op(OP_L2_NORMALIZE, &attr, 9, 0, 0, "short vectors");
}

Test(lower_ops, planes_of_other_sizes)
{
    Attr attr = defaults(OP_PAD);
    set_pads(&attr.shape.pads, 4, 1, 2, 3);
    attr.shape.pad_mode = PAD_REFLECT;
    check_op(OP_PAD, &attr, 2, 5, 4, "reflect");
    attr.shape.pad_mode = PAD_EDGE;
    check_op(OP_PAD, &attr, 2, 1, 2, "edge");
    attr = defaults(OP_UPSAMPLE);
    attr.shape.scale[0] = 3;
    attr.shape.scale[1] = 2;
    check_op(OP_UPSAMPLE, &attr, 2, 3, 4, "nearest");
    attr.shape.upsample_mode = UPSAMPLE_BILINEAR;
    check_op(OP_UPSAMPLE, &attr, 2, 3, 4, "bilinear");
    check_op(OP_UPSAMPLE, &attr, 2, 1, 1, "bilinear of one pixel");
    attr = defaults(OP_SUBSAMPLE);
    check_op(OP_SUBSAMPLE, &attr, 3, 7, 6, "subsample");
}

Test(lower_ops, reductions)
{
    Attr attr = defaults(OP_RBF);
    attr.dense.units = 4;
    check_op(OP_RBF, &attr, 9, 0, 0, "rbf");
    attr = defaults(OP_GRAM);
    check_op(OP_GRAM, &attr, 5, 3, 4, "gram");
    attr = defaults(OP_SUM);
    check_op(OP_SUM, &attr, 5, 3, 4, "sum");
    check_op(OP_MEAN, &attr, 5, 3, 4, "mean");
    check_op(OP_ARGMAX, &attr, 5, 3, 4, "argmax of pixels");
    check_op(OP_ARGMAX, &attr, 50, 0, 0, "argmax of a vector");
    attr.misc.k = 7;
    attr.misc.indices = true;
    check_op(OP_TOP_K, &attr, 30, 0, 0, "top_k");
    attr.misc.indices = false;
    check_op(OP_TOP_K, &attr, 7, 0, 0, "top_k of all, values");
    LowerBuild b = lower_build_start();
    Node *x = lower_build_input(&b, "x", 3, 4, 4), *other = lower_build_input(&b, "other", 3, 4, 4);
    compare(&b, lower_build_op(&b, OP_MSE, &(Attr){0}, "mse", x, other), "mse");
}
