/* ONNX export: models are written, unpacked with protobuf-c, and looked at. What they compute is tested by
 * `make test-onnxruntime`; here is the structure that any engine relies on. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <onnx.pb-c.h>
#include <stdlib.h>

#include "frontend/frontend.h"
#include "onnx/onnx.h"
#include "support/map.h"
#include "weights_files.h"

typedef struct Export {
    Arena *arena;
    Diag *diag;
    Graph *graph;
    Weights *weights;
    StrBuf bytes, data; /* the model, the data file */
    Onnx__ModelProto *model;
    bool ok;
} Export;

static void collect(void *user, const void *bytes, size_t size)
{
    strbuf_append(user, (Str){bytes, size});
}

static void write_model(Export *e, bool external)
{
    OnnxSink sink = {collect, &e->bytes}, data = {collect, &e->data};
    OnnxModel *model = onnx_model_create(e->arena, e->graph);
    e->ok = onnx_model_write(model, e->weights, &sink, external ? &data : NULL, STR("net.onnx.data"), e->diag);
    e->model = e->ok ? onnx__model_proto__unpack(NULL, e->bytes.len, (const uint8_t *)e->bytes.ptr) : NULL;
    cr_assert(!e->ok || e->model != NULL, "protobuf-c cannot unpack the model");
}

static Export export_file(Str name, Str text, bool external)
{
    Export e = {.arena = arena_create()};
    Sources *sources = sources_create(e.arena);
    e.diag = diag_create(e.arena, sources);
    FrontendOptions options = {0};
    AstFile *file = text.len > 0 ? frontend_parse_text(e.arena, sources, e.diag, name, text, &options)
                                 : frontend_parse(e.arena, sources, e.diag, name, &options);
    e.graph = file == NULL ? NULL : frontend_elaborate(e.arena, sources, e.diag, file, &options);
    Str fault = diag_text(e.diag);
    cr_assert_not_null(e.graph, STR_FMT, STR_ARG(fault));
    e.weights = weights_formula(e.arena);
    write_model(&e, external);
    return e;
}

static Export export_net(const char *text, bool external)
{
    Export e = export_file(STR("test.net"), str_from(text), external);
    cr_assert(e.ok);
    return e;
}

static void release(Export *e)
{
    if (e->model != NULL) {
        onnx__model_proto__free_unpacked(e->model, NULL);
    }
    strbuf_free(&e->bytes);
    strbuf_free(&e->data);
    diag_destroy(e->diag);
    arena_destroy(e->arena);
}

/* --- finding things */

static const Onnx__TensorProto *tensor(const Export *e, const char *name)
{
    const Onnx__TensorProto *found = NULL;
    for (size_t i = 0; i < e->model->graph->n_initializer; ++i) {
        if (strcmp(e->model->graph->initializer[i]->name, name) == 0) {
            cr_assert_null(found, "two initializers '%s'", name);
            found = e->model->graph->initializer[i];
        }
    }
    cr_assert_not_null(found, "no initializer '%s'", name);
    return found;
}

static const Onnx__NodeProto *node(const Export *e, const char *name)
{
    for (size_t i = 0; i < e->model->graph->n_node; ++i) {
        if (strcmp(e->model->graph->node[i]->name, name) == 0) {
            return e->model->graph->node[i];
        }
    }
    cr_assert_fail("no node '%s'", name);
    return NULL;
}

static size_t count_nodes(const Export *e, const char *op_type)
{
    size_t count = 0;
    for (size_t i = 0; i < e->model->graph->n_node; ++i) {
        count += strcmp(e->model->graph->node[i]->op_type, op_type) == 0;
    }
    return count;
}

static const Onnx__AttributeProto *attribute(const Onnx__NodeProto *node, const char *name)
{
    for (size_t i = 0; i < node->n_attribute; ++i) {
        if (strcmp(node->attribute[i]->name, name) == 0) {
            return node->attribute[i];
        }
    }
    cr_assert_fail("node '%s' has no attribute '%s'", node->name, name);
    return NULL;
}

static void check_ints(const Onnx__AttributeProto *found, const int64_t *expected, size_t count)
{
    cr_assert_eq(found->type, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS);
    cr_assert_eq(found->n_ints, count, "%s", found->name);
    for (size_t i = 0; i < count; ++i) {
        cr_assert_eq(found->ints[i], expected[i], "%s[%zu] is %lld", found->name, i, (long long)found->ints[i]);
    }
}

static float float_at(ProtobufCBinaryData bytes, size_t index)
{
    const uint8_t *b = bytes.data + 4 * index;
    uint32_t bits = (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
    float value;
    cr_assert_leq(4 * index + 4, bytes.len);
    memcpy(&value, &bits, sizeof value);
    return value;
}

static void check_dims(const Onnx__ValueInfoProto *info, const int64_t *expected, size_t rank)
{
    const Onnx__TensorShapeProto *shape = info->type->tensor_type->shape;
    cr_assert_eq(shape->n_dim, rank, "%s", info->name);
    for (size_t i = 0; i < rank; ++i) {
        cr_assert_eq(shape->dim[i]->dim_value, expected[i], "%s: axis %zu is %lld", info->name, i,
                     (long long)shape->dim[i]->dim_value);
    }
}

/* --- what holds for every model */

static size_t element_bytes(int32_t type)
{
    return type == ONNX__TENSOR_PROTO__DATA_TYPE__INT64 ? 8 : 4;
}

static void check_initializers(const Onnx__GraphProto *graph, Map *known)
{
    for (size_t i = 0; i < graph->n_initializer; ++i) {
        const Onnx__TensorProto *t = graph->initializer[i];
        size_t bytes = element_bytes(t->data_type);
        for (size_t k = 0; k < t->n_dims; ++k) {
            bytes *= (size_t)t->dims[k];
        }
        cr_assert(t->data_location == ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL || t->raw_data.len == bytes,
                  "%s: %zu bytes, its shape wants %zu", t->name, t->raw_data.len, bytes);
        cr_assert(map_put(known, str_from(t->name), known), "two values '%s'", t->name);
    }
}

static void check_nodes(const Onnx__GraphProto *graph, Arena *arena, Map *known)
{
    Map *names = map_create(arena);
    for (size_t i = 0; i < graph->n_node; ++i) {
        const Onnx__NodeProto *n = graph->node[i];
        cr_assert(n->name[0] != '\0' && map_put(names, str_from(n->name), names), "two nodes '%s'", n->name);
        for (size_t k = 0; k < n->n_input; ++k) {
            cr_assert(n->input[k][0] == '\0' || map_has(known, str_from(n->input[k])),
                      "'%s' reads '%s', which is not there yet", n->name, n->input[k]);
        }
        for (size_t k = 0; k < n->n_output; ++k) {
            cr_assert(map_put(known, str_from(n->output[k]), known), "two values '%s'", n->output[k]);
        }
    }
}

static void check_model(const Export *e)
{
    const Onnx__ModelProto *model = e->model;
    const Onnx__GraphProto *graph = model->graph;
    cr_assert_eq(model->ir_version, 8);
    cr_assert_str_eq(model->producer_name, "cnnc");
    cr_assert_eq(model->n_opset_import, 1u);
    cr_assert_str_eq(model->opset_import[0]->domain, "");
    cr_assert_eq(model->opset_import[0]->version, 17);
    cr_assert(str_equal(str_from(graph->name), e->graph->name));
    cr_assert_eq(graph->n_input, e->graph->n_inputs);
    cr_assert_eq(graph->n_output, e->graph->n_outputs);
    Map *known = map_create(e->arena);
    for (size_t i = 0; i < graph->n_input; ++i) {
        cr_assert(str_equal(str_from(graph->input[i]->name), e->graph->inputs[i].name));
        map_put(known, e->graph->inputs[i].name, known);
    }
    check_initializers(graph, known);
    check_nodes(graph, e->arena, known);
    for (size_t i = 0; i < graph->n_output; ++i) {
        cr_assert(str_equal(str_from(graph->output[i]->name), e->graph->outputs[i].name));
        cr_assert(map_has(known, e->graph->outputs[i].name), "output '%s' is not computed", graph->output[i]->name);
    }
}

typedef struct Net {
    char path[64];
} Net;

ParameterizedTestParameters(onnx, models_hold_together)
{
    static Net nets[] = {
        {"tests/golden/graph/every_op.net"}, {"tests/golden/graph/loss.net"}, {"tests/golden/graph/blocks.net"},
        {"tests/run/nets/blocks.net"},       {"tests/run/nets/names.net"},    {"tests/run/nets/shape.net"},
        {"tests/run/nets/pool.net"},         {"tests/run/nets/conv.net"},     {"tests/run/nets/elementwise.net"},
        {"tests/run/nets/camera.net"},       {"tests/run/nets/bare.net"},     {"dsl/zoo/lenet5.net"}};
    return cr_make_param_array(Net, nets, sizeof nets / sizeof nets[0], NULL);
}

ParameterizedTest(Net *net, onnx, models_hold_together)
{
    for (int external = 0; external < 2; ++external) {
        Export e = export_file(str_from(net->path), STR(""), external != 0);
        cr_assert(e.ok);
        check_model(&e);
        release(&e);
    }
}

/* --- weights */

static void check_numbers(const Export *e, const char *name, size_t rank, const int32_t *dims)
{
    const Onnx__TensorProto *t = tensor(e, name);
    TensorType type = type_make(DT_F32, (int)rank, dims);
    cr_assert_eq(t->data_type, ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT);
    cr_assert_eq(t->n_dims, rank);
    for (size_t i = 0; i < rank; ++i) {
        cr_assert_eq(t->dims[i], dims[i]);
    }
    int64_t count = type_elements(type);
    float *expected = ARENA_ARRAY(e->arena, float, count);
    weights_read(e->weights, str_from(name), type, 0, count, expected);
    for (int64_t i = 0; i < count; ++i) {
        float value = float_at(t->raw_data, (size_t)i);
        cr_assert(value == expected[i], "%s[%lld] is %a, not %a", name, (long long)i, (double)value,
                  (double)expected[i]);
    }
}

Test(onnx, weights_keep_names_shapes_and_numbers)
{
    Export e = export_net(
        "net t { input x: f32[3, 30, 30] output y = x |> conv(40, kernel=3, groups=1) as a.c |> batch_norm as b"
        " |> conv_transpose(6, kernel=2, groups=2) as up |> flatten |> dense(2) as fc }",
        false);
    check_numbers(&e, "a.c.weight", 4, (int32_t[]){40, 3, 3, 3});
    check_numbers(&e, "a.c.bias", 1, (int32_t[]){40});
    check_numbers(&e, "b.weight", 1, (int32_t[]){40});
    check_numbers(&e, "b.running_var", 1, (int32_t[]){40});
    check_numbers(&e, "up.weight", 4, (int32_t[]){40, 3, 2, 2});
    check_numbers(&e, "fc.weight", 2, (int32_t[]){2, 6 * 29 * 29}); /* 10092 and more: several blocks */
    cr_assert_eq(e.model->graph->n_initializer, 10u);
    cr_assert_str_eq(node(&e, "a.c")->op_type, "Conv");
    cr_assert_str_eq(node(&e, "fc")->output[0], "y", "the result is called after the output");
    release(&e);
}

Test(onnx, a_shared_weight_is_one_initializer)
{
    Export e = export_net("block f(x) { return x |> conv(3, kernel=1) as c }\n"
                          "net t { input x: f32[3, 4, 4] y = f(x) as shared s output z = f(y) as shared s }",
                          false);
    cr_assert_eq(e.model->graph->n_initializer, 2u);
    cr_assert_eq(count_nodes(&e, "Conv"), 2u);
    cr_assert_str_eq(node(&e, "s.c")->input[1], "s.c.weight");
    cr_assert_str_eq(node(&e, "s.c_2")->input[1], "s.c.weight");
    release(&e);
}

Test(onnx, a_connection_table_becomes_zeros)
{
    Export e = export_net(
        "net t { input x: f32[3, 4, 4] output y = x |> conv(2, kernel=2, table=[[2, 0], [1]], bias=false) as c }",
        false);
    const Onnx__TensorProto *t = tensor(&e, "c.weight");
    float sparse[12]; /* three connections of 2 x 2 */
    weights_read(e.weights, STR("c.weight"), type_make(DT_F32, 3, (int32_t[]){3, 2, 2}), 0, 12, sparse);
    cr_assert_eq(t->n_dims, 4u);
    cr_assert_eq(t->raw_data.len, 2u * 3 * 4 * sizeof(float));
    static const int connection[2][3] = {{1, -1, 0}, {-1, 2, -1}};
    for (size_t o = 0; o < 2; ++o) {
        for (size_t c = 0; c < 3; ++c) {
            for (size_t tap = 0; tap < 4; ++tap) {
                float expected = connection[o][c] < 0 ? 0.0f : sparse[(size_t)connection[o][c] * 4 + tap];
                cr_assert(float_at(t->raw_data, (o * 3 + c) * 4 + tap) == expected, "output %zu, input %zu, tap %zu", o,
                          c, tap);
            }
        }
    }
    release(&e);
}

static Str external_entry(const Onnx__TensorProto *t, const char *key)
{
    for (size_t i = 0; i < t->n_external_data; ++i) {
        if (strcmp(t->external_data[i]->key, key) == 0) {
            return str_from(t->external_data[i]->value);
        }
    }
    cr_assert_fail("no '%s'", key);
    return STR("");
}

Test(onnx, large_models_keep_weights_in_a_data_file)
{
    const char *net =
        "net t { input x: f32[30, 8, 8] output y = x |> conv(31, kernel=3) as c1 |> conv(17, kernel=3) as c2 }";
    Export inside = export_net(net, false), outside = export_net(net, true);
    cr_assert_eq(inside.data.len, 0u);
    check_model(&outside);
    static const char *const names[] = {"c1.weight", "c2.weight"};
    for (size_t i = 0; i < 2; ++i) {
        const Onnx__TensorProto *t = tensor(&outside, names[i]), *whole = tensor(&inside, names[i]);
        cr_assert_eq(t->data_location, ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL);
        cr_assert_eq(t->raw_data.len, 0u);
        cr_assert(str_equal(external_entry(t, "location"), STR("net.onnx.data")));
        size_t offset = strtoul(external_entry(t, "offset").ptr, NULL, 10),
               length = strtoul(external_entry(t, "length").ptr, NULL, 10);
        cr_assert_eq(offset % 4096, 0u);
        cr_assert_eq(length, whole->raw_data.len);
        cr_assert_leq(offset + length, outside.data.len);
        cr_assert_eq(memcmp(outside.data.ptr + offset, whole->raw_data.data, length), 0, "%s: other numbers", names[i]);
    }
    cr_assert_eq(tensor(&outside, "c1.bias")->raw_data.len, 31 * sizeof(float), "small tensors stay inside");
    release(&inside);
    release(&outside);
}

Test(onnx, a_weight_that_is_not_finite_is_refused)
{
    WeightsBench bench = weights_bench_create("onnx-not_finite");
    const char *path = weights_bench_path(&bench, "w.safetensors");
    const uint32_t bits[] = {0x3F800000u, 0x7F800000u};
    weights_bench_write_file(path, "{\"c.weight\":{\"dtype\":\"F32\",\"shape\":[2,1,1,1],\"data_offsets\":[0,8]}}",
                             bits, sizeof bits);
    Export e = export_net("net t { input x: f32[1, 2, 2] output y = x |> conv(2, kernel=1, bias=false) as c }", false);
    onnx__model_proto__free_unpacked(e.model, NULL);
    e.weights = weights_open_safetensors(e.arena, e.diag, str_from(path));
    cr_assert_not_null(e.weights);
    write_model(&e, false);
    cr_assert_not(e.ok);
    cr_assert_eq(diag_fired(e.diag, DIAG_WEIGHTS_VALUE), 1u);
    Str text = arena_copy(e.arena, diag_text(e.diag));
    cr_assert_not_null(strstr(text.ptr, "element 1 of c.weight is infinite"), "%s", text.ptr);
    weights_close(e.weights);
    release(&e);
    weights_bench_destroy(&bench);
}

/* --- ports */

Test(onnx, ports_have_a_batch_axis)
{
    Export e = export_net(
        "net t { input pixels: u8 hwc[5, 6, 3] input v: f32[4] input unused: f32[2, 3, 1]\n"
        "x = pixels |> normalize(mean=0.0, std=2.0)\n"
        "output y = x output again = x output same = v output best = argmax(x) output g = gram(x) output s = sum(v) }",
        false);
    check_model(&e);
    const Onnx__GraphProto *graph = e.model->graph;
    check_dims(graph->input[0], (int64_t[]){1, 5, 6, 3}, 4);
    cr_assert_eq(graph->input[0]->type->tensor_type->elem_type, ONNX__TENSOR_PROTO__DATA_TYPE__UINT8);
    check_dims(graph->input[1], (int64_t[]){1, 4}, 2);
    check_dims(graph->input[2], (int64_t[]){1, 2, 3, 1}, 4);
    check_dims(graph->output[0], (int64_t[]){1, 3, 5, 6}, 4);
    check_dims(graph->output[1], (int64_t[]){1, 3, 5, 6}, 4);
    check_dims(graph->output[2], (int64_t[]){1, 4}, 2);
    check_dims(graph->output[3], (int64_t[]){1, 1, 5, 6}, 4);
    cr_assert_eq(graph->output[3]->type->tensor_type->elem_type, ONNX__TENSOR_PROTO__DATA_TYPE__INT32);
    check_dims(graph->output[4], (int64_t[]){1, 3, 3}, 3);
    check_dims(graph->output[5], (int64_t[]){1, 1}, 2);
    cr_assert_str_eq(graph->node[0]->op_type, "Transpose", "an interleaved input is turned first");
    check_ints(attribute(graph->node[0], "perm"), (int64_t[]){0, 3, 1, 2}, 4);
    cr_assert_eq(count_nodes(&e, "Identity"), 2u, "a second output of one node, and an output that is an input");
    release(&e);
}

Test(onnx, what_no_output_reads_is_left_out)
{
    Export e = export_net("net t { input x: f32[3, 4, 4] unread = conv(x, 9, kernel=3) output y = relu(x) }", false);
    cr_assert_eq(e.model->graph->n_node, 1u);
    cr_assert_eq(e.model->graph->n_initializer, 0u);
    release(&e);
}

/* --- where ONNX means something else */

Test(onnx, ceil_mode_is_written_as_padding)
{
    Export e = export_net(
        "net t { input x: f32[2, 7, 8]\n"
        "output a = x |> max_pool(3, stride=2, ceil=true) as m1\n" /* columns 8 -> 4: one over */
        "output b = x |> max_pool(3, stride=2, pad=1) as m2\n"
        "output c = x |> avg_pool(3, stride=2, ceil=true) as a1\n"        /* divides by what is inside */
        "output d = x |> avg_pool(3, stride=2, pad=1, ceil=true) as a2\n" /* 8 + 2 = 10: 5 columns, 11 needed */
        "output e = x |> avg_pool(3, stride=2, ceil=true, count_pad=false) as a3\n"
        "output f = x |> avg_pool(2, stride=2, pad=[0, 1]) as a4 }",
        false);
    check_ints(attribute(node(&e, "m1"), "pads"), (int64_t[]){0, 0, 0, 1}, 4);
    check_ints(attribute(node(&e, "m2"), "pads"), (int64_t[]){1, 1, 1, 1}, 4);
    check_ints(attribute(node(&e, "a1/mean"), "pads"), (int64_t[]){0, 0, 0, 1}, 4);
    check_ints(attribute(node(&e, "a2/mean"), "pads"), (int64_t[]){1, 1, 1, 2}, 4);
    check_ints(attribute(node(&e, "a3"), "pads"), (int64_t[]){0, 0, 0, 1}, 4);
    check_ints(attribute(node(&e, "a4"), "pads"), (int64_t[]){0, 1, 0, 1}, 4);
    cr_assert_eq(attribute(node(&e, "a1/mean"), "count_include_pad")->i, 1);
    cr_assert_eq(attribute(node(&e, "a3"), "count_include_pad")->i, 0);
    const Onnx__TensorProto *factors = tensor(&e, "a1/factors");
    cr_assert_eq(factors->raw_data.len, 3u * 4 * sizeof(float));
    cr_assert_float_eq(float_at(factors->raw_data, 2), 1.0, 0.0);
    cr_assert_float_eq(float_at(factors->raw_data, 3), 1.5, 1e-7, "two of three columns are inside");
    for (size_t i = 0; i < e.model->graph->n_node; ++i) {
        for (size_t k = 0; k < e.model->graph->node[i]->n_attribute; ++k) {
            cr_assert_str_neq(e.model->graph->node[i]->attribute[k]->name, "ceil_mode");
        }
    }
    release(&e);
}

Test(onnx, lrn_divides_alpha_by_its_size)
{
    Export e = export_net("net t { input x: f32[8, 2, 2]\n"
                          "output a = x |> lrn(size=5, alpha=0.5, beta=0.7, k=2.0) as with\n"
                          "output b = x |> lrn(size=5, alpha=0.5, alpha_div_n=false) as without\n"
                          "output c = x |> lrn(size=4, alpha=0.5) as even }",
                          false);
    cr_assert_float_eq(attribute(node(&e, "with"), "alpha")->f, 0.5, 1e-9);
    cr_assert_float_eq(attribute(node(&e, "with"), "beta")->f, 0.7, 1e-7);
    cr_assert_float_eq(attribute(node(&e, "with"), "bias")->f, 2.0, 1e-9);
    cr_assert_eq(attribute(node(&e, "with"), "size")->i, 5);
    cr_assert_float_eq(attribute(node(&e, "without"), "alpha")->f, 2.5, 1e-9);
    cr_assert_eq(count_nodes(&e, "LRN"), 2u);
    check_ints(attribute(node(&e, "even/means"), "pads"), (int64_t[]){2, 0, 1, 0}, 4);
    release(&e);
}

Test(onnx, the_same_net_gives_the_same_bytes)
{
    Export a = export_file(STR("tests/golden/graph/every_op.net"), STR(""), false);
    Export b = export_file(STR("tests/golden/graph/every_op.net"), STR(""), false);
    cr_assert(a.bytes.len == b.bytes.len && memcmp(a.bytes.ptr, b.bytes.ptr, a.bytes.len) == 0);
    release(&a);
    release(&b);
}
