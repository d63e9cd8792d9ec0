/* The generated header: what the network takes and gives (shapes, layout, values), how to use it, the runtime's text,
 * sizes, struct, functions. */
#include <inttypes.h>

#include "backend/emit_parts.h"

/* How an input or output lies in memory: its dims from the outermost in, and what they are. */
typedef struct PortShape {
    int rank;
    int32_t dim[TYPE_MAX_RANK];
    const char *order; /* "channels, rows, columns"; empty for vectors */
} PortShape;

static PortShape shape_of_port(const Port *port, const Buffer *buffer)
{
    TensorType type = port->node->type;
    PortShape shape = {.rank = type.rank, .order = ""};
    memcpy(shape.dim, type.dim, sizeof shape.dim);
    if (type.rank == 3) {
        shape.order = "channels, rows, columns";
    }
    if (type.rank == 3 && buffer->layout.block > 1) {
        shape.dim[0] = type.dim[1];
        shape.dim[1] = type.dim[2];
        shape.dim[2] = type.dim[0];
        shape.order = "rows, columns, channels";
    }
    return shape;
}

/* What the net's author says of a port: the comment at the end of its line; empty where there is none. */
static Str comment_of_port(const Graph *graph, const Port *port)
{
    if (graph->sources == NULL || port->span.lo == 0) {
        return STR("");
    }
    Str line = sources_locate(graph->sources, port->span.lo).line_text;
    bool quoted = false;
    for (size_t i = 0; i < line.len; ++i) {
        quoted = quoted != (line.ptr[i] == '"');
        if (line.ptr[i] == '#' && !quoted) {
            size_t end = line.len;
            for (++i; i < end && (line.ptr[i] == '#' || line.ptr[i] == ' ' || line.ptr[i] == '\t'); ++i) {
            }
            while (end > i && (line.ptr[end - 1] == ' ' || line.ptr[end - 1] == '\t' || line.ptr[end - 1] == '\r')) {
                --end;
            }
            return (Str){line.ptr + i, end - i};
        }
    }
    return STR("");
}

/* "float image[3][224][224]   channels, rows, columns; values 0 to 1" */
static void describe_port(const Graph *graph, const Port *port, Str name, const Buffer *buffer, int32_t batch,
                          StrBuf *out)
{
    enum { COLUMNS = 94 }; /* of a comment's text */
    Arena *arena = arena_create();
    PortShape shape = shape_of_port(port, buffer);
    size_t start = out->len;
    strbuf_printf(out, "    %s " STR_FMT, emit_c_type(buffer->dtype), STR_ARG(name));
    if (batch > 1) {
        strbuf_printf(out, "[%d]", (int)batch);
    }
    for (int i = 0; i < shape.rank; ++i) {
        strbuf_printf(out, "[%d]", (int)shape.dim[i]);
    }
    strbuf_printf(out, "   %s%s%s%s", batch > 1 ? "images" : "", batch > 1 && shape.order[0] != '\0' ? ", " : "",
                  shape.order, batch > 1 || shape.order[0] != '\0' ? "; " : "");
    strbuf_append(out, emit_value_range(arena, graph, port->node));
    if (!str_equal(name, port->name)) {
        strbuf_printf(out, "   ('" STR_FMT "' in the net)", STR_ARG(port->name));
    }
    Str comment = comment_of_port(graph, port);
    if (!str_is_empty(comment)) {
        bool fits = out->len - start + 2 + comment.len <= COLUMNS;
        strbuf_printf(out, "%s" STR_FMT, fits ? "; " : "\n        ", STR_ARG(comment));
    }
    strbuf_char(out, '\n');
    arena_destroy(arena);
}

static void describe_ports(const Graph *graph, const char *title, const Port *ports, const PortName *names,
                           Buffer *const *buffers, uint32_t count, int32_t batch, StrBuf *out)
{
    strbuf_printf(out, "%s\n", title);
    for (uint32_t i = 0; i < count; ++i) {
        describe_port(graph, &ports[i], names[i].parameter, buffers[i], batch, out);
    }
}

/* Lines of a program that runs the network once. */
static void describe_use(const Program *program, const EmitOptions *options, const ApiNames *n, StrBuf *out)
{
    const Graph *graph = program->graph;
    bool has_blob = emit_has_blob(program, options), has_arena = program->arena_bytes > 0;
    strbuf_printf(out, "Use\n");
    if (has_arena) {
        strbuf_printf(out, "    static CNN_ALIGNED unsigned char memory[" STR_FMT "_ARENA_BYTES];\n",
                      STR_ARG(n->upper));
    }
    for (uint32_t i = 0; i < graph->n_inputs + graph->n_outputs; ++i) {
        bool is_input = i < graph->n_inputs;
        const PortName *port = is_input ? &n->inputs[i] : &n->outputs[i - graph->n_inputs];
        const Buffer *buffer = is_input ? program->inputs[i] : program->outputs[i - graph->n_inputs];
        strbuf_printf(out, "    static %s " STR_FMT "[" STR_FMT "];\n", emit_c_type(buffer->dtype),
                      STR_ARG(port->parameter), STR_ARG(port->elements));
    }
    strbuf_printf(out, "    static " STR_FMT " network;\n", STR_ARG(n->prefix));
    if (has_blob) {
        strbuf_printf(out, "    cnn_weights file; (runtime/cnn_weights.c; or any copy of the file in memory)\n");
        strbuf_printf(out, "    cnn_status status = cnn_weights_map(&file, \"" STR_FMT "\");\n",
                      STR_ARG(options->weights_name));
        strbuf_printf(out, "    if (status == CNN_OK)\n");
        strbuf_printf(out, "        status = " STR_FMT "_init(&network, file.bytes, file.size, ", STR_ARG(n->prefix));
    } else {
        strbuf_printf(out, "    cnn_status status = " STR_FMT "_init(&network, NULL, 0, ", STR_ARG(n->prefix));
    }
    strbuf_append(out, has_arena ? STR("memory, sizeof memory);\n") : STR("NULL, 0);\n"));
    strbuf_printf(out, "    if (status == CNN_OK)\n");
    strbuf_printf(out, "        status = " STR_FMT "_run(&network", STR_ARG(n->prefix));
    for (uint32_t i = 0; i < graph->n_inputs; ++i) {
        strbuf_printf(out, ", " STR_FMT, STR_ARG(n->inputs[i].parameter));
    }
    for (uint32_t i = 0; i < graph->n_outputs; ++i) {
        strbuf_printf(out, ", " STR_FMT, STR_ARG(n->outputs[i].parameter));
    }
    strbuf_printf(out, ");\n    if (status != CNN_OK)\n        puts(cnn_status_text(status));");
}

static void emit_description(const Program *program, const EmitOptions *options, const ApiNames *names, CWriter *w)
{
    const Graph *graph = program->graph;
    StrBuf text = {0};
    describe_ports(graph, "Inputs", graph->inputs, names->inputs, program->inputs, graph->n_inputs, program->batch,
                   &text);
    describe_ports(graph, "Outputs", graph->outputs, names->outputs, program->outputs, graph->n_outputs, program->batch,
                   &text);
    strbuf_char(&text, '\n');
    describe_use(program, options, names, &text);
    cw_comment(w, "%s", text.ptr);
    strbuf_free(&text);
}

/* --- sizes. An enumerator is an int: what is larger becomes a macro. */

static void emit_constant(CWriter *w, CWriter *macros, Str name, int64_t value, const char *text)
{
    if (value <= INT32_MAX) {
        cw_line(w, STR_FMT " = %s,", STR_ARG(name), text);
    } else {
        cw_line(macros, "#define " STR_FMT " INT64_C(%" PRId64 ")", STR_ARG(name), value);
    }
}

static void emit_number(CWriter *w, CWriter *macros, const ApiNames *n, const char *what, int64_t value)
{
    Arena *arena = arena_create();
    emit_constant(w, macros, arena_printf(arena, STR_FMT "_%s", STR_ARG(n->upper), what), value,
                  arena_printf(arena, "%" PRId64, value).ptr);
    arena_destroy(arena);
}

static void emit_elements(CWriter *w, CWriter *macros, Str name, const Port *port, const Buffer *buffer, int32_t batch)
{
    PortShape shape = shape_of_port(port, buffer);
    StrBuf text = {0};
    if (batch > 1) {
        strbuf_printf(&text, "%d * ", (int)batch);
    }
    for (int i = 0; i < shape.rank; ++i) {
        strbuf_printf(&text, "%s%d", i > 0 ? " * " : "", (int)shape.dim[i]);
    }
    emit_constant(w, macros, name, batch * type_elements(port->node->type), text.ptr);
    strbuf_free(&text);
}

static void emit_sizes(const Program *program, const EmitOptions *options, const ApiNames *n, CWriter *w)
{
    const Graph *graph = program->graph;
    CWriter macros = {0};
    cw_comment(w, "Sizes: of the memory that the caller gives (bytes), and of every input and output (elements).");
    cw_open(w, "enum");
    emit_number(w, &macros, n, "ARENA_BYTES", program->arena_bytes);
    emit_number(w, &macros, n, "WEIGHTS_BYTES", emit_has_blob(program, options) ? program->blob_bytes : 0);
    for (uint32_t i = 0; i < graph->n_inputs; ++i) {
        emit_elements(w, &macros, n->inputs[i].elements, &graph->inputs[i], program->inputs[i], program->batch);
    }
    for (uint32_t i = 0; i < graph->n_outputs; ++i) {
        emit_elements(w, &macros, n->outputs[i].elements, &graph->outputs[i], program->outputs[i], program->batch);
    }
    emit_number(w, &macros, n, "BATCH", program->batch);
    emit_number(w, &macros, n, "THREADS_MAX", program->parts);
    cw_line(w, STR_FMT "_READY = 0x%08" PRIx32 " /* private */", STR_ARG(n->upper),
            (uint32_t)(program->fingerprint >> 33) | 1u);
    cw_close(w, ";");
    cw_join(w, &macros);
    cw_free(&macros);
    cw_blank(w);
}

static void emit_struct(const Program *program, const EmitOptions *options, const ApiNames *n, CWriter *w)
{
    cw_comment(
        w,
        "One network. The caller's memory, nothing to free; the members are private. A network and its arena serve one "
        "thread at a time; weights are only read and may be shared by any number of networks.");
    cw_open(w, "typedef struct " STR_FMT, STR_ARG(n->prefix));
    cw_line(w, "uint32_t ready;");
    if (program->arena_bytes > 0) {
        cw_line(w, "float *arena;");
    }
    if (emit_keeps_weights(program, options)) {
        cw_line(w, "const float *weights;");
    }
    if (options->set != NULL) {
        cw_line(w, "int level; /* of the processor, as init has chosen: x86-64-v1 to v4 */");
    }
    if (program->parts > 1) {
        cw_line(w, "cnn_parallel_for *parallel_for;");
        cw_line(w, "void *parallel_context;");
    }
    w->depth--;
    cw_line(w, "} " STR_FMT ";", STR_ARG(n->prefix));
    cw_blank(w);
}

static void emit_functions(const Program *program, const EmitOptions *options, const ApiNames *n, CWriter *w)
{
    bool has_blob = emit_has_blob(program, options);
    cw_comment(
        w,
        "Prepares a network. The arena: %s. The weights: %s. Both stay the caller's, and must stay in place as long as "
        "the "
        "network is used. Any status but CNN_OK leaves the network unusable.",
        program->arena_bytes > 0 ? "..._ARENA_BYTES or more, on a multiple of 64 bytes, with any contents"
                                 : "none, NULL and 0",
        has_blob
            ? "the contents of the weights file, all of it, on a multiple of 64 bytes; they are checked to be whole, "
              "undamaged and this network's"
            : "NULL and 0");
    emit_init_prototype(n, ";", w);
    cw_blank(w);
    cw_comment(
        w,
        "Computes the outputs from the inputs%s. Inputs and outputs must not overlap. The same inputs give the same "
        "bits in every run, with any number of threads.",
        program->batch > 1 ? ", for all images of the batch, which lie back to back" : "");
    emit_run_prototype(program, n, ";", w);
    cw_blank(w);
    if (program->parts > 1) {
        cw_comment(w,
                   "Optional, after init: lets `" STR_FMT
                   "` (such as cnn_threads_run of runtime/cnn_threads.c) carry out the " STR_FMT
                   "_THREADS_MAX parts of each step on threads; NULL goes back to one.",
                   STR_ARG(n->run), STR_ARG(n->upper));
    } else {
        cw_comment(w, "Accepted without effect: this code was compiled for one thread (cnnc --threads-max=N makes code "
                      "for more).");
    }
    emit_set_parallel_prototype(n, ";", w);
    cw_blank(w);
}

void emit_header(const Program *program, const EmitOptions *options, StrBuf *out)
{
    Arena *arena = arena_create();
    ApiNames names = api_names(arena, program, options->prefix);
    CWriter w = {0};
    emit_head(program, options, options->header_name, "the interface", &w);
    cw_blank(&w);
    emit_description(program, options, &names, &w);
    cw_blank(&w);
    cw_line(&w, "#ifndef " STR_FMT "_H", STR_ARG(names.upper));
    cw_line(&w, "#define " STR_FMT "_H", STR_ARG(names.upper));
    cw_blank(&w);
    cw_raw(&w, str_from(embedded_cnn_h));
    cw_blank(&w);
    cw_line(&w, "#if CNN_INTERFACE != 1");
    cw_line(&w,
            "#error \"" STR_FMT
            " and the cnn.h included before it come from versions of cnnc that do not fit each other\"",
            STR_ARG(options->header_name));
    cw_line(&w, "#endif");
    cw_blank(&w);
    cw_line(&w, "#ifdef __cplusplus");
    cw_line(&w, "extern \"C\" {");
    cw_line(&w, "#endif");
    cw_blank(&w);
    emit_sizes(program, options, &names, &w);
    emit_struct(program, options, &names, &w);
    emit_functions(program, options, &names, &w);
    if (options->set != NULL) {
        emit_target_prototypes(options, &names, &w);
    }
    cw_line(&w, "#ifdef __cplusplus");
    cw_line(&w, "}");
    cw_line(&w, "#endif");
    cw_blank(&w);
    cw_line(&w, "#endif");
    strbuf_append(out, strbuf_view(&w.text));
    cw_free(&w);
    arena_destroy(arena);
}
