/* The networks of dsl/zoo against the published counts: ../shared/design/networks.csv (totals) and networks/NAME.tsv
 * (every layer). Parameters, MACs, tensors and their names and shapes must be equal to the last digit. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "frontend/frontend.h"
#include "report/report.h"
#include "support/file.h"
#include "support/map.h"

/* A line of dsl/zoo/index: a variant, and how to elaborate it. */
typedef struct Network {
    const char *name;    /* row of networks.csv */
    const char *file;    /* dsl/zoo/FILE */
    const char *net;     /* in that file; "": its only one */
    const char *defines; /* "alpha=0.75 size=192" */
    bool with_training;  /* the name ends in +aux */
} Network;

enum { MAX_FIELDS = 16, MAX_DEFINES = 8, MAX_NETWORKS = 128 };

static Str next_field(Str *rest, char separator)
{
    const char *end = memchr(rest->ptr, separator, rest->len);
    Str field = {rest->ptr, end == NULL ? rest->len : (size_t)(end - rest->ptr)};
    size_t used = field.len + (end == NULL ? 0 : 1);
    *rest = (Str){rest->ptr + used, rest->len - used};
    return field;
}

static int split(Str line, char separator, Str fields[MAX_FIELDS])
{
    int count = 0;
    while (count < MAX_FIELDS && (line.len > 0 || count == 0)) {
        fields[count++] = next_field(&line, separator);
    }
    for (int i = count; i < MAX_FIELDS; ++i) {
        fields[i] = STR("");
    }
    return count;
}

static int64_t number_of(Arena *arena, Str text)
{
    return strtoll(arena_cstr(arena, text), NULL, 10);
}

/* "1x32x32" as a type's text, "f32[1,32,32]". */
static Str shape_text(Arena *arena, Str shape)
{
    char *text = (char *)arena_cstr(arena, shape);
    for (char *at = text; *at != '\0'; ++at) {
        *at = *at == 'x' ? ',' : *at;
    }
    return arena_printf(arena, "f32[%s]", text);
}

static Graph *load(Arena *arena, Diag **diag, const Network *network)
{
    Sources *sources = sources_create(arena);
    *diag = diag_create(arena, sources);
    Definement defines[MAX_DEFINES];
    FrontendOptions options = {
        .defines = defines, .net = str_from(network->net), .with_training_outputs = network->with_training};
    Str rest = str_from(network->defines);
    while (rest.len > 0) {
        Str value = next_field(&rest, ' ');
        Str name = next_field(&value, '=');
        cr_assert(options.n_defines < MAX_DEFINES);
        defines[options.n_defines++] = (Definement){name, value};
    }
    AstFile *file = frontend_parse(arena, sources, *diag, arena_printf(arena, "dsl/zoo/%s", network->file), &options);
    cr_assert(file != NULL && diag_errors(*diag) == 0, "%s: " STR_FMT, network->name, STR_ARG(diag_text(*diag)));
    Graph *graph = frontend_elaborate(arena, sources, *diag, file, &options);
    cr_assert(graph != NULL, "%s: " STR_FMT, network->name, STR_ARG(diag_text(*diag)));
    return graph;
}

static Str read_or_skip(Arena *arena, const char *path)
{
    Str text, reason;
    if (!file_read(arena, path, 1u << 26, &text, &reason)) {
        cr_skip_test("%s is not here", path);
    }
    return text;
}

/* The next word of a line; words are parted by any number of blanks. */
static Str next_word(Str *rest)
{
    while (rest->len > 0 && rest->ptr[0] == ' ') {
        *rest = (Str){rest->ptr + 1, rest->len - 1};
    }
    return next_field(rest, ' ');
}

/* Reads dsl/zoo/index; returns the number of variants. */
static int read_index(Arena *arena, Network networks[MAX_NETWORKS])
{
    Str text, reason;
    cr_assert(file_read(arena, "dsl/zoo/index", 1u << 20, &text, &reason), STR_FMT, STR_ARG(reason));
    int count = 0;
    while (text.len > 0) {
        Str line = next_field(&text, '\n');
        if (line.len == 0 || line.ptr[0] == '#') {
            continue;
        }
        cr_assert(count < MAX_NETWORKS);
        Network *network = &networks[count++];
        Str name = next_word(&line);
        network->name = arena_cstr(arena, name);
        network->file = arena_cstr(arena, next_word(&line));
        network->net = arena_cstr(arena, next_word(&line));
        while (line.len > 0 && line.ptr[0] == ' ') {
            line = (Str){line.ptr + 1, line.len - 1};
        }
        network->defines = arena_cstr(arena, line);
        network->with_training = name.len > 4 && memcmp(name.ptr + name.len - 4, "+aux", 4) == 0;
    }
    return count;
}

/* --- totals */

typedef struct Counts {
    int64_t params, macs, tensors, stats, norms;
} Counts;

static Counts count(const Graph *graph, Arena *arena)
{
    Counts counts = {0};
    Map *names = map_create(arena);
    for (uint32_t n = 0; n < graph->n_nodes; ++n) {
        const Node *node = graph->nodes[n];
        counts.macs += node_is_constant(node) ? 0 : node_macs(node);
        counts.norms += node->op == OP_BATCH_NORM;
        if (node->op == OP_RBF) { /* its rows are given, not trained: they are a tensor, but no parameters */
            counts.params -= type_elements(node->inputs[1]->type);
        }
        bool is_weight = node_is_constant(node) && node->attr.constant.expr == CONST_WEIGHT;
        if (!is_weight || !map_put(names, node->attr.constant.name, graph->nodes[n])) {
            continue;
        }
        WeightRole role = node->attr.constant.role;
        bool is_stat = role == ROLE_RUNNING_MEAN || role == ROLE_RUNNING_VAR;
        ++counts.tensors;
        *(is_stat ? &counts.stats : &counts.params) += type_elements(node->type);
    }
    return counts;
}

static void expect_total(const Network *network, const char *what, int64_t is, int64_t should)
{
    cr_expect(is == should, "%s: %lld %s, not %lld", network->name, (long long)is, what, (long long)should);
}

/* The line of --summary that begins with `name`, and ends with `number` written with separators. */
static void expect_summary(const Network *network, const char *summary, const char *name, int64_t number)
{
    const char *line = strstr(summary, name);
    cr_assert(line != NULL, "%s", summary);
    int64_t shown = 0;
    for (const char *at = line + strlen(name); *at != '\n'; ++at) {
        if (*at >= '0' && *at <= '9') {
            shown = shown * 10 + (*at - '0');
        } else if (*at != ',' && *at != ' ') {
            break;
        }
    }
    expect_total(network, name + 1, shown, number);
}

static void check_totals(const Network *network, Arena *arena, Str row)
{
    Str field[MAX_FIELDS];
    cr_assert(split(row, ',', field) >= 10);
    Diag *diag;
    Graph *graph = load(arena, &diag, network);
    Counts counts = count(graph, arena);
    expect_total(network, "parameters", counts.params, number_of(arena, field[3]));
    expect_total(network, "MACs", counts.macs, number_of(arena, field[4]));
    expect_total(network, "tensors", counts.tensors, number_of(arena, field[5]));
    expect_total(network, "running statistics", counts.stats, number_of(arena, field[6]));
    expect_total(network, "batch norms", counts.norms, number_of(arena, field[7]));
    expect_total(network, "outputs", graph->n_outputs, number_of(arena, field[9]));
    Str shapes = field[2]; /* parted by ';' where there are several inputs */
    for (uint32_t i = 0; i < graph->n_inputs; ++i) {
        Str shape = next_field(&shapes, ';');
        cr_expect(str_equal(type_format(arena, graph->inputs[i].node->type), shape_text(arena, shape)), "%s",
                  network->name);
    }
    cr_expect(shapes.len == 0, "%s: inputs", network->name);
    cr_expect(str_equal(type_format(arena, graph->outputs[0].node->type), shape_text(arena, field[8])), "%s",
              network->name);
    StrBuf summary = {0};
    summary_print(graph, NULL, &summary);
    expect_summary(network, summary.ptr, "\nparameters", counts.params);
    expect_summary(network, summary.ptr, "\nMACs", counts.macs);
    strbuf_free(&summary);
    diag_destroy(diag);
}

Test(zoo, totals_are_those_of_the_literature)
{
    Arena *arena = arena_create();
    Str csv = read_or_skip(arena, "../shared/design/networks.csv");
    Network networks[MAX_NETWORKS];
    int count = read_index(arena, networks), rows = 0;
    next_field(&csv, '\n'); /* the head of the table */
    for (Str rest = csv; rest.len > 0;) {
        Str row = next_field(&rest, '\n'), after = row;
        Str name = next_field(&after, ',');
        bool is_found = false;
        for (int i = 0; i < count; ++i) {
            if (str_equal(name, str_from(networks[i].name))) {
                check_totals(&networks[i], arena, row);
                is_found = true;
            }
        }
        cr_expect(is_found, STR_FMT " is not in dsl/zoo/index", STR_ARG(name));
        ++rows;
    }
    cr_expect(rows == count, "%d variants in the index, %d in the table", count, rows);
    arena_destroy(arena);
}

/* --- layers */

/* A layer of the table: its weights by name and shape, the shape of its result, and its MACs. */
static void check_layer(const Network *network, Arena *arena, const Map *weights, const Map *readers,
                        Str field[MAX_FIELDS], Map *seen)
{
    const Node *layer = NULL;
    for (Str rest = field[9]; rest.len > 0;) {
        Str shape = next_field(&rest, ' ');
        Str name = next_field(&shape, '[');
        const Node *weight = map_get(weights, name);
        cr_expect(weight != NULL, "%s has no weight " STR_FMT, network->name, STR_ARG(name));
        if (weight == NULL) {
            continue;
        }
        map_put(seen, name, (void *)(uintptr_t)weight);
        Str type = arena_printf(arena, "f32[" STR_FMT, STR_ARG(shape));
        cr_expect(str_equal(type_format(arena, weight->type), type), "%s: " STR_FMT " is %s, not " STR_FMT,
                  network->name, STR_ARG(name), type_text(weight->type).text, STR_ARG(type));
        layer = map_get(readers, name);
    }
    if (layer != NULL) {
        cr_expect(node_macs(layer) == number_of(arena, field[8]), "%s: MACs of " STR_FMT, network->name,
                  STR_ARG(field[3]));
        cr_expect(str_equal(type_format(arena, layer->type), shape_text(arena, field[6])), "%s: " STR_FMT " gives %s",
                  network->name, STR_ARG(field[3]), type_text(layer->type).text);
    }
}

static void check_layers(const Network *network, Arena *arena, Str table)
{
    Diag *diag;
    Graph *graph = load(arena, &diag, network);
    Map *weights = map_create(arena), *readers = map_create(arena);
    for (uint32_t n = 0; n < graph->n_nodes; ++n) {
        Node *node = graph->nodes[n];
        for (uint32_t i = node->n_data; i < node->n_inputs; ++i) {
            map_put(weights, node->inputs[i]->attr.constant.name, node->inputs[i]);
            map_put(readers, node->inputs[i]->attr.constant.name, node);
        }
    }
    Map *seen = map_create(arena); /* a shared weight stands at each of its layers */
    for (Str rest = table; rest.len > 0;) {
        Str field[MAX_FIELDS];
        Str line = next_field(&rest, '\n');
        bool is_left_out = !network->with_training && split(line, '\t', field) > 1 && !str_equal(field[1], STR("main"));
        if (!is_left_out && split(line, '\t', field) >= 9 && field[0].ptr[0] >= '0' && field[0].ptr[0] <= '9') {
            check_layer(network, arena, weights, readers, field, seen);
        }
    }
    cr_expect(map_count(seen) == map_count(weights), "%s: %zu of %zu weights are in the table", network->name,
              map_count(seen), map_count(weights));
    diag_destroy(diag);
}

Test(zoo, every_layer_is_that_of_the_reference)
{
    Arena *arena = arena_create();
    Network networks[MAX_NETWORKS];
    int count = read_index(arena, networks), found = 0;
    read_or_skip(arena, "../shared/design/networks.csv");
    for (int i = 0; i < count; ++i) {
        size_t length = strlen(networks[i].name) - (networks[i].with_training ? 4 : 0); /* one table serves both */
        const char *path = arena_printf(arena, "../shared/design/networks/%.*s.tsv", (int)length, networks[i].name).ptr;
        if (file_exists(path)) { /* of MobileNet's variants only three have a table */
            check_layers(&networks[i], arena, read_or_skip(arena, path));
            ++found;
        }
    }
    cr_expect(found >= 70, "%d tables of layers", found);
    arena_destroy(arena);
}

/* --- conventions, which need no table */

Test(zoo, the_image_comes_in_and_logits_can_come_out)
{
    static const char *const files[] = {"lenet5.net",       "alexnet.net",  "vgg16.net",     "resnet18.net",
                                        "resnet34.net",     "resnet50.net", "resnet101.net", "resnet152.net",
                                        "mobilenet_v1.net", "xception.net"};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; ++i) {
        Arena *arena = arena_create();
        Diag *diag;
        Network network = {files[i], files[i], "", "", false};
        Graph *graph = load(arena, &diag, &network);
        cr_expect(graph->n_inputs == 1 && str_equal(graph->inputs[0].name, STR("image")), "%s", files[i]);
        cr_expect(graph->n_outputs == 1 && str_equal(graph->outputs[0].name, STR("probabilities")), "%s", files[i]);
        cr_expect(graph->outputs[0].node->op == OP_SOFTMAX, "%s", files[i]);
        diag_destroy(diag);
        network.defines = "probabilities=false classes=7";
        graph = load(arena, &diag, &network);
        cr_expect(str_equal(graph->outputs[0].name, STR("logits")), "%s", files[i]);
        cr_expect(type_equal(graph->outputs[0].node->type, type_f32_1(7)), "%s", files[i]);
        Str message = STR("");
        cr_expect(graph_verify(graph, arena, &message), "%s: " STR_FMT, files[i], STR_ARG(message));
        diag_destroy(diag);
        arena_destroy(arena);
    }
}
