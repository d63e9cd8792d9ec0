/* The op table: complete, consistent with itself, and attributes that survive printing. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#include "ir_build.h"

static bool is_written(const OpInfo *info)
{
    return info->name[0] != '\0';
}

Test(ir_op, every_row_is_complete)
{
    for (int op = 0; op < OP_COUNT; ++op) {
        const OpInfo *info = op_info((OpKind)op);
        cr_expect(info->id[0] != '\0' && info->stem[0] != '\0' && info->doc[0] != '\0', "op %d", op);
        if (!is_written(info)) {
            cr_expect(op == OP_INPUT || op == OP_CONST, "%s has no name", info->id);
            continue;
        }
        cr_expect(info->shapes[0] != '\0' && info->formula[0] != '\0' && info->example[0] != '\0', "%s", info->name);
        cr_expect(info->min_inputs >= 1 && info->max_inputs >= info->min_inputs, "%s", info->name);
        StrBuf call = {0};
        strbuf_printf(&call, "y = %s(", info->name);
        cr_expect(strncmp(info->example, call.ptr, call.len) == 0, "example of %s: %s", info->name, info->example);
        strbuf_free(&call);
        if (info->flags & OPF_ACT) {
            cr_expect(info->min_inputs == 1 && info->max_inputs == 1 && info->weights[0] == ROLE_NONE, "%s",
                      info->name);
        }
    }
}

Test(ir_op, names_are_found_and_unique)
{
    for (int op = 0; op < OP_COUNT; ++op) {
        OpKind found;
        const char *name = op_info((OpKind)op)->name;
        if (name[0] != '\0') {
            cr_expect(op_find(str_from(name), &found) && found == (OpKind)op, "%s", name);
        }
    }
    OpKind op;
    cr_expect(!op_find(STR(""), &op));
    cr_expect(!op_find(STR("con"), &op));
    cr_expect(!op_find(STR("conv2"), &op));
    cr_expect(!op_find(STR("CONV"), &op));
}

Test(ir_op, parameters_are_sound)
{
    for (int op = 0; op < OP_COUNT; ++op) {
        const OpInfo *info = op_info((OpKind)op);
        bool has_default = false;
        for (const OpParam *param = info->params; param->name != NULL; ++param) {
            cr_expect(op_param((OpKind)op, str_from(param->name)) == param, "%s.%s is there twice", info->name,
                      param->name);
            cr_expect(param->doc[0] != '\0' && param->offset < sizeof(Attr) && param->lo <= param->hi, "%s.%s",
                      info->name, param->name);
            cr_expect(!has_default || param->fallback != NULL, "%s.%s must be given and comes after one with a default",
                      info->name, param->name);
            has_default |= param->fallback != NULL;
        }
        cr_expect(op_param((OpKind)op, STR("nothing")) == NULL);
    }
}

/* What a table says as text is what op_attr_defaults sets: printing the defaults gives the table's text or its value.
 */
Test(ir_op, defaults_are_those_of_the_table)
{
    Arena *arena = arena_create();
    for (int op = 0; op < OP_COUNT; ++op) {
        Attr attr;
        op_attr_defaults((OpKind)op, &attr);
        for (const OpParam *param = op_info((OpKind)op)->params; param->name != NULL; ++param) {
            Str text;
            bool shown = op_param_format(arena, (OpKind)op, param, &attr, &text);
            cr_expect(shown == (param->fallback == NULL), "%s.%s", op_info((OpKind)op)->name, param->name);
            if (param->fallback == NULL || op_param((OpKind)op, str_from(param->fallback)) != NULL) {
                continue;
            }
            if (param->type == PARAM_FLOAT) {
                cr_expect(strtod(text.ptr, NULL) == strtod(param->fallback, NULL), "%s", text.ptr);
            } else if (param->type == PARAM_PAIR) {
                int both = atoi(param->fallback);
                cr_expect(str_equal(text, arena_printf(arena, "[%d, %d]", both, both)), "%s", text.ptr);
            } else {
                cr_expect(str_equal(text, str_from(param->fallback)), "%s: %s", param->name, text.ptr);
            }
        }
    }
    arena_destroy(arena);
}

Test(ir_op, known_defaults)
{
    Attr attr;
    op_attr_defaults(OP_CONV, &attr);
    cr_expect(attr.conv.stride[0] == 1 && attr.conv.stride[1] == 1 && attr.conv.dilation[1] == 1 &&
              attr.conv.groups == 1);
    cr_expect(attr.conv.bias && attr.conv.table.n_rows == 0 && !attr.conv.pad.same && attr.conv.pad.edge[3] == 0);
    op_attr_defaults(OP_BATCH_NORM, &attr);
    cr_expect(attr.norm.eps == 1e-5 && attr.norm.scale && attr.norm.shift);
    op_attr_defaults(OP_LRN, &attr);
    cr_expect(attr.lrn.size == 5 && attr.lrn.alpha == 1e-4 && attr.lrn.beta == 0.75 && attr.lrn.k == 1 &&
              attr.lrn.alpha_div_n);
    op_attr_defaults(OP_SCALED_TANH, &attr);
    cr_expect(attr.act.a == 1.7159 && attr.act.b == 2.0 / 3.0);
    op_attr_defaults(OP_LEAKY_RELU, &attr);
    cr_expect(attr.act.a == 0.01);
    op_attr_defaults(OP_AVG_POOL, &attr);
    cr_expect(attr.pool.count_pad && !attr.pool.ceil && attr.pool.stride[0] == 0);
    op_attr_defaults(OP_SUBSAMPLE, &attr);
    cr_expect(attr.pool.kernel[0] == 2 && attr.pool.kernel[1] == 2);
}

Test(ir_op, stride_of_pools_is_the_kernel_where_not_given)
{
    Attr attr;
    op_attr_defaults(OP_MAX_POOL, &attr);
    attr.pool.kernel[0] = 3;
    attr.pool.kernel[1] = 2;
    Attr given = attr;
    given.pool.stride[0] = given.pool.stride[1] = 1;
    op_attr_finish(OP_MAX_POOL, &attr);
    op_attr_finish(OP_MAX_POOL, &given);
    cr_expect(attr.pool.stride[0] == 3 && attr.pool.stride[1] == 2);
    cr_expect(given.pool.stride[0] == 1 && given.pool.stride[1] == 1);
}

static void check_format(const char *op_name, const char *params, const char *name, const char *expected)
{
    IrBuild build = irbuild_start();
    OpKind op;
    cr_assert(op_find(str_from(op_name), &op));
    Attr attr = irbuild_attr(&build, op, params);
    Str text;
    bool shown = op_param_format(build.arena, op, op_param(op, str_from(name)), &attr, &text);
    cr_expect(shown == (expected != NULL), "%s %s: %s", op_name, params, name);
    cr_expect(expected == NULL || str_equal(text, str_from(expected)), "%s %s: " STR_FMT, op_name, params,
              STR_ARG(text));
    irbuild_end(&build);
}

Test(ir_op, parameters_as_text)
{
    check_format("conv", "channels=64 kernel=3,5", "channels", "64");
    check_format("conv", "channels=64 kernel=3,5", "kernel", "[3, 5]");
    check_format("conv", "channels=64 kernel=3", "stride", NULL);
    check_format("conv", "channels=64 kernel=3 stride=1,2", "stride", "[1, 2]");
    check_format("conv", "channels=64 kernel=3 pad=0", "pad", NULL);
    check_format("conv", "channels=64 kernel=3 pad=1", "pad", "1");
    check_format("conv", "channels=64 kernel=3 pad=1,2", "pad", "[1, 2]");
    check_format("conv", "channels=64 kernel=3 pad=0,0,1,1", "pad", "[0, 0, 1, 1]");
    check_format("conv", "channels=64 kernel=3 pad=same", "pad", "\"same\"");
    check_format("conv", "channels=64 kernel=3 bias=false", "bias", "false");
    check_format("conv", "channels=64 kernel=3 bias=true", "bias", NULL);
    check_format("conv", "channels=2 kernel=3 table=0,1/2", "table", "[[0, 1], [2]]");
    check_format("max_pool", "kernel=3", "stride", NULL);
    check_format("max_pool", "kernel=3 stride=3", "stride", NULL);
    check_format("max_pool", "kernel=3 stride=2", "stride", "[2, 2]");
    check_format("batch_norm", "eps=0.001", "eps", "0.001");
    check_format("batch_norm", "eps=1e-5", "eps", NULL);
    check_format("scale", "factor=2", "factor", "2.0");
    check_format("flatten", "order=hwc", "order", "\"hwc\"");
    check_format("flatten", "order=chw", "order", NULL);
    check_format("pad", "pads=1 mode=reflect", "mode", "\"reflect\"");
    check_format("upsample", "scale=2 mode=bilinear", "mode", "\"bilinear\"");
    check_format("permute", "order=1,2,0", "order", "[1, 2, 0]");
    check_format("normalize", "mean=0.5,1 std=2", "mean", "[0.5, 1.0]");
}

static void check_number(double value, const char *expected)
{
    StrBuf text = {0};
    op_format_number(&text, value);
    cr_expect(expected == NULL || strcmp(text.ptr, expected) == 0, "%.17g as %s", value, text.ptr);
    double back = strtod(text.ptr, NULL);
    cr_expect(memcmp(&back, &value, sizeof value) == 0, "%.17g does not come back from %s", value, text.ptr);
    strbuf_free(&text);
}

Test(ir_op, numbers_are_short_and_exact)
{
    check_number(0.1, "0.1");
    check_number(1e-5, "1e-05");
    check_number(2, "2.0");
    check_number(150, "150.0");
    check_number(-1e10, "-10000000000.0");
    check_number(123456.5, "123456.5");
    check_number(1e15, "1e+15");
    check_number(0, "0.0");
    check_number(-0.0, "-0.0");
    check_number(1e30, "1e+30");
    check_number(2.0 / 3.0, "0.6666666666666666");
    check_number(0x1p-1074, NULL);
    check_number(0x1.fffffffffffffp1023, NULL);
    uint64_t state = 1;
    for (int i = 0; i < 20000; ++i) { /* any bit pattern that is finite */
        state = state * 6364136223846793005u + 1442695040888963407u;
        uint64_t bits = state ^ (state >> 29);
        double value;
        memcpy(&value, &bits, sizeof value);
        if (isfinite(value)) {
            check_number(value, NULL);
        }
    }
}

Test(ir_op, equality_sees_every_parameter)
{
    static const struct {
        OpKind op;
        const char *one, *other;
    } pairs[] = {
        {OP_CONV, "channels=4 kernel=3", "channels=5 kernel=3"},
        {OP_CONV, "channels=4 kernel=3", "channels=4 kernel=3,2"},
        {OP_CONV, "channels=4 kernel=3", "channels=4 kernel=3 stride=2"},
        {OP_CONV, "channels=4 kernel=3", "channels=4 kernel=3 pad=0,0,0,1"},
        {OP_CONV, "channels=4 kernel=3", "channels=4 kernel=3 pad=same"},
        {OP_CONV, "channels=4 kernel=3", "channels=4 kernel=3 dilation=1,2"},
        {OP_CONV, "channels=4 kernel=3", "channels=4 kernel=3 groups=2"},
        {OP_CONV, "channels=4 kernel=3", "channels=4 kernel=3 bias=false"},
        {OP_CONV, "channels=2 kernel=3 table=0/1", "channels=2 kernel=3 table=0/2"},
        {OP_CONV, "channels=2 kernel=3 table=0/1", "channels=2 kernel=3 table=0,1"},
        {OP_CONV, "channels=2 kernel=3 table=0/1", "channels=2 kernel=3"},
        {OP_BATCH_NORM, "eps=0.001", "eps=0.0010000000000000002"},
        {OP_CLAMP, "lo=0 hi=1", "lo=-0 hi=1"},
        {OP_FLATTEN, "order=hwc", "order=chw"},
        {OP_PERMUTE, "order=0,1,2", "order=0,2,1"},
        {OP_NORMALIZE, "mean=1,2 std=1", "mean=1,3 std=1"},
        {OP_NORMALIZE, "mean=1,2 std=1", "mean=1 std=1"},
        {OP_TOP_K, "k=1", "k=1 indices=false"},
        {OP_PAD, "pads=1", "pads=1 mode=edge"},
        {OP_UPSAMPLE, "scale=2", "scale=2 mode=bilinear"},
    };
    IrBuild build = irbuild_start();
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; ++i) {
        Attr one = irbuild_attr(&build, pairs[i].op, pairs[i].one);
        Attr same = irbuild_attr(&build, pairs[i].op, pairs[i].one);
        Attr other = irbuild_attr(&build, pairs[i].op, pairs[i].other);
        cr_expect(op_attr_equal(pairs[i].op, &one, &same), "%s", pairs[i].one);
        cr_expect(!op_attr_equal(pairs[i].op, &one, &other), "%s and %s", pairs[i].one, pairs[i].other);
    }
    irbuild_end(&build);
}

Test(ir_op, weights_follow_the_attributes)
{
    static const struct {
        OpKind op;
        const char *params, *roles;
    } cases[] = {
        {OP_CONV, "channels=1 kernel=1", "weight bias "},
        {OP_CONV, "channels=1 kernel=1 bias=false", "weight "},
        {OP_DEPTHWISE_CONV, "kernel=1 bias=false", "weight "},
        {OP_CONV_TRANSPOSE, "channels=1 kernel=1", "weight bias "},
        {OP_DENSE, "units=1 bias=false", "weight "},
        {OP_DENSE, "units=1", "weight bias "},
        {OP_RBF, "units=1", "weight "},
        {OP_BATCH_NORM, "", "weight bias running_mean running_var "},
        {OP_BATCH_NORM, "scale=false", "bias running_mean running_var "},
        {OP_BATCH_NORM, "shift=false", "weight running_mean running_var "},
        {OP_INSTANCE_NORM, "", ""},
        {OP_INSTANCE_NORM, "affine=true", "weight bias "},
        {OP_SUBSAMPLE, "", "weight bias "},
        {OP_PRELU, "", "weight "},
        {OP_AFFINE, "", "weight bias "},
        {OP_RELU, "", ""},
        {OP_ADD, "", ""},
    };
    IrBuild build = irbuild_start();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; ++i) {
        Attr attr = irbuild_attr(&build, cases[i].op, cases[i].params);
        WeightRole roles[4];
        int count = op_weights(cases[i].op, &attr, roles);
        StrBuf text = {0};
        strbuf_append(&text, STR(""));
        for (int k = 0; k < count; ++k) {
            strbuf_printf(&text, "%s ", role_name(roles[k]));
        }
        cr_expect(str_equal(strbuf_view(&text), str_from(cases[i].roles)), "%s %s: " STR_FMT,
                  op_info(cases[i].op)->name, cases[i].params, STR_ARG(strbuf_view(&text)));
        strbuf_free(&text);
    }
    irbuild_end(&build);
}

Test(ir_op, choices_end)
{
    cr_expect(strcmp(param_choice(PARAM_PAD_MODE, PAD_EDGE), "edge") == 0);
    cr_expect(strcmp(param_choice(PARAM_UPSAMPLE_MODE, UPSAMPLE_BILINEAR), "bilinear") == 0);
    cr_expect(strcmp(param_choice(PARAM_FLATTEN_ORDER, FLATTEN_HWC), "hwc") == 0);
    cr_expect(param_choice(PARAM_PAD_MODE, 3) == NULL && param_choice(PARAM_INT, 0) == NULL);
}
