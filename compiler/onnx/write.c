/* A model as bytes. protobuf-c packs everything but the numbers of the initializers. Those would double in memory, and
 * a message wants its length first; so the lengths are worked out from the shapes, the envelopes of graph and
 * initializers are written by hand (two fields of the wire format: a tag, a length, the bytes), and the numbers flow
 * from their source to the sink in blocks. */
#include <math.h>

#include "onnx/build.h"
#include "version.h"

enum { BLOCK = 1 << 14, VARINT_MAX = 10 };
enum { FIELD_GRAPH = 7, FIELD_INITIALIZER = 5, FIELD_RAW_DATA = 9 }; /* in ModelProto, GraphProto, TensorProto */
/* Numbers of a page or more go to the data file, each tensor at the start of a page, so that an engine can map it. */
enum { PAGE = 4096 };

typedef struct Writer {
    const OnnxModel *model;
    const Weights *weights;
    const OnnxSink *sink, *data;
    Str data_name;
    Diag *diag;
    Arena *arena;      /* of one tensor at a time */
    Arena *scratch;    /* of one block */
    int64_t data_size; /* bytes in the data file so far */
    bool ok;
} Writer;

/* --- the wire format */

static size_t put_varint(uint64_t value, unsigned char bytes[VARINT_MAX])
{
    size_t size = 0;
    for (; value >= 0x80; value >>= 7) {
        bytes[size++] = (unsigned char)(value | 0x80);
    }
    bytes[size++] = (unsigned char)value;
    return size;
}

/* Tag and length of a field of bytes; returns its size. `sink` NULL: only counts. */
static uint64_t write_field_start(const OnnxSink *sink, uint32_t field, uint64_t length)
{
    enum { WIRE_BYTES = 2 };
    unsigned char bytes[2 * VARINT_MAX];
    size_t size = put_varint(field << 3 | WIRE_BYTES, bytes);
    size += put_varint(length, bytes + size);
    if (sink != NULL) {
        sink->write(sink->user, bytes, size);
    }
    return size;
}

typedef struct SinkBuffer {
    ProtobufCBuffer base;
    const OnnxSink *sink;
} SinkBuffer;

static void append(ProtobufCBuffer *buffer, size_t size, const uint8_t *bytes)
{
    const OnnxSink *sink = ((SinkBuffer *)(void *)buffer)->sink;
    sink->write(sink->user, bytes, size);
}

static void write_message(const OnnxSink *sink, const ProtobufCMessage *message)
{
    SinkBuffer buffer = {.base = {.append = append}, .sink = sink};
    protobuf_c_message_pack_to_buffer(message, &buffer.base);
}

/* --- initializers */

static bool is_external(const Writer *w, const OnnxTensor *tensor)
{
    return w->data != NULL && tensor->constant != NULL && tensor->bytes >= PAGE;
}

static Onnx__StringStringEntryProto *entry(Arena *arena, Str key, Str value)
{
    Onnx__StringStringEntryProto *entry = ARENA_NEW(arena, Onnx__StringStringEntryProto);
    onnx__string_string_entry_proto__init(entry);
    entry->key = (char *)(uintptr_t)arena_cstr(arena, key);
    entry->value = (char *)(uintptr_t)arena_cstr(arena, value);
    return entry;
}

static int64_t page_start(int64_t offset)
{
    return (offset + PAGE - 1) / PAGE * PAGE;
}

/* Everything of the TensorProto but its numbers. `offset`: where these stand in the data file, if they go there. */
static Onnx__TensorProto *tensor_header(Writer *w, const OnnxTensor *tensor, int64_t offset)
{
    arena_reset(w->arena);
    Onnx__TensorProto *proto = ARENA_NEW(w->arena, Onnx__TensorProto);
    onnx__tensor_proto__init(proto);
    proto->name = tensor->name;
    proto->n_dims = (size_t)tensor->rank;
    proto->dims = ARENA_ARRAY(w->arena, int64_t, tensor->rank);
    memcpy(proto->dims, tensor->dims, (size_t)tensor->rank * sizeof *tensor->dims);
    proto->has_data_type = 1;
    proto->data_type = (int32_t)tensor->type;
    if (is_external(w, tensor)) {
        proto->n_external_data = 3;
        proto->external_data = ARENA_ARRAY(w->arena, Onnx__StringStringEntryProto *, 3);
        proto->external_data[0] = entry(w->arena, STR("location"), w->data_name);
        proto->external_data[1] = entry(w->arena, STR("offset"), arena_printf(w->arena, "%lld", (long long)offset));
        proto->external_data[2] =
            entry(w->arena, STR("length"), arena_printf(w->arena, "%lld", (long long)tensor->bytes));
        proto->has_data_location = 1;
        proto->data_location = ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL;
    }
    return proto;
}

/* Size of the TensorProto, numbers included where they are inside. */
static uint64_t tensor_size(const Writer *w, const OnnxTensor *tensor, const Onnx__TensorProto *header)
{
    uint64_t size = onnx__tensor_proto__get_packed_size(header), inside = (uint64_t)tensor->bytes;
    return is_external(w, tensor) ? size : size + write_field_start(NULL, FIELD_RAW_DATA, inside) + inside;
}

/* "conv1.weight[17]"; reported once a tensor. */
static void report_value(Writer *w, const OnnxTensor *tensor, int64_t index, double value)
{
    diag_error_in(w->diag, DIAG_WEIGHTS_VALUE, weights_description(w->weights), "element %lld of %s is %s",
                  (long long)index, tensor->name,
                  isnan(value)  ? "not a number (NaN)"
                  : value > 0.0 ? "infinite"
                                : "minus infinity");
    diag_help(w->diag, "weights must be finite: did the training diverge, or was the file damaged?");
    w->ok = false;
}

static void put_little_endian(uint64_t bits, int size, unsigned char *bytes)
{
    for (int i = 0; i < size; ++i) {
        bytes[i] = (unsigned char)(bits >> (8 * i));
    }
}

static void write_floats(const OnnxSink *sink, const float *values, int64_t count)
{
    unsigned char bytes[4 * BLOCK];
    for (int64_t done = 0; done < count; done += BLOCK) {
        int64_t size = count - done < BLOCK ? count - done : BLOCK;
        for (int64_t i = 0; i < size; ++i) {
            uint32_t bits;
            memcpy(&bits, &values[done + i], sizeof bits);
            put_little_endian(bits, 4, bytes + 4 * i);
        }
        sink->write(sink->user, bytes, 4 * (size_t)size);
    }
}

/* Elements [first, first + count) of a constant; at most BLOCK. */
static void write_constant_block(Writer *w, const OnnxSink *sink, const OnnxTensor *tensor, int64_t first,
                                 int64_t count)
{
    double values[BLOCK];
    float floats[BLOCK];
    const_eval_range(tensor->constant, w->weights, first, count, values, w->scratch);
    arena_reset(w->scratch);
    for (int64_t i = 0; i < count; ++i) {
        floats[i] = (float)values[i];
        if (!isfinite(floats[i]) && w->ok) {
            report_value(w, tensor, first + i, values[i]);
        }
    }
    write_floats(sink, floats, count);
}

static void write_constant(Writer *w, const OnnxSink *sink, const OnnxTensor *tensor, int64_t first, int64_t count)
{
    for (int64_t done = 0; done < count; done += BLOCK) {
        write_constant_block(w, sink, tensor, first + done, count - done < BLOCK ? count - done : BLOCK);
    }
}

/* A conv with a connection table: for each output and input map the kernel of their connection, or zeros. */
static void write_table_weight(Writer *w, const OnnxSink *sink, const OnnxTensor *tensor)
{
    const IntTable *table = &tensor->table_of->attr.conv.table;
    int64_t taps = tensor->dims[2] * tensor->dims[3];
    float *zeros = ARENA_ARRAY(w->arena, float, taps);
    for (int64_t o = 0; o < tensor->dims[0]; ++o) {
        for (int64_t c = 0; c < tensor->dims[1]; ++c) {
            int32_t connection = table->start[o];
            while (connection < table->start[o + 1] && table->values[connection] != c) {
                ++connection;
            }
            if (connection < table->start[o + 1]) {
                write_constant(w, sink, tensor, connection * taps, taps);
            } else {
                write_floats(sink, zeros, taps);
            }
        }
    }
}

static void write_numbers(Writer *w, const OnnxSink *sink, const OnnxTensor *tensor)
{
    if (tensor->table_of != NULL) {
        write_table_weight(w, sink, tensor);
    } else if (tensor->constant != NULL) {
        write_constant(w, sink, tensor, 0, tensor->bytes / 4);
    } else if (tensor->type == ONNX__TENSOR_PROTO__DATA_TYPE__INT64) {
        for (int64_t i = 0; i < tensor->bytes / 8; ++i) {
            unsigned char bytes[8];
            put_little_endian((uint64_t)((const int64_t *)tensor->numbers)[i], 8, bytes);
            sink->write(sink->user, bytes, sizeof bytes);
        }
    } else {
        write_floats(sink, tensor->numbers, tensor->bytes / 4);
    }
}

static void write_external(Writer *w, const OnnxTensor *tensor)
{
    static const unsigned char zeros[PAGE];
    int64_t offset = page_start(w->data_size);
    w->data->write(w->data->user, zeros, (size_t)(offset - w->data_size));
    write_numbers(w, w->data, tensor);
    w->data_size = offset + tensor->bytes;
}

static void write_tensor(Writer *w, const OnnxTensor *tensor)
{
    Onnx__TensorProto *header = tensor_header(w, tensor, page_start(w->data_size));
    write_field_start(w->sink, FIELD_INITIALIZER, tensor_size(w, tensor, header));
    write_message(w->sink, &header->base);
    if (is_external(w, tensor)) {
        write_external(w, tensor);
    } else {
        write_field_start(w->sink, FIELD_RAW_DATA, (uint64_t)tensor->bytes);
        write_numbers(w, w->sink, tensor);
    }
}

/* Bytes that all initializers take in the GraphProto. */
static uint64_t tensors_size(Writer *w)
{
    uint64_t size = 0;
    int64_t offset = 0;
    for (size_t i = 0; i < w->model->n_tensors; ++i) {
        const OnnxTensor *tensor = &w->model->tensors[i];
        offset = page_start(offset);
        uint64_t inside = tensor_size(w, tensor, tensor_header(w, tensor, offset));
        size += write_field_start(NULL, FIELD_INITIALIZER, inside) + inside;
        offset += is_external(w, tensor) ? tensor->bytes : 0;
    }
    return size;
}

/* --- the model */

static Onnx__GraphProto graph_without_tensors(const OnnxModel *model, Arena *arena)
{
    Onnx__GraphProto graph = ONNX__GRAPH_PROTO__INIT;
    graph.name = (char *)(uintptr_t)arena_cstr(arena, model->graph->name);
    graph.n_node = model->n_nodes;
    graph.node = model->nodes;
    graph.n_input = model->n_inputs;
    graph.input = model->inputs;
    graph.n_output = model->n_outputs;
    graph.output = model->outputs;
    graph.n_value_info = model->n_values;
    graph.value_info = model->values;
    return graph;
}

static void write_head(const OnnxSink *sink)
{
    Onnx__OperatorSetIdProto opset = ONNX__OPERATOR_SET_ID_PROTO__INIT;
    char no_domain[] = "", producer[] = "cnnc", version[] = CNNC_VERSION;
    opset.domain = no_domain; /* ONNX's own operators */
    opset.has_version = 1;
    opset.version = ONNX_OPSET;
    Onnx__ModelProto head = ONNX__MODEL_PROTO__INIT;
    head.has_ir_version = 1;
    head.ir_version = ONNX_IR_VERSION;
    head.producer_name = producer;
    head.producer_version = version;
    head.n_opset_import = 1;
    head.opset_import = (Onnx__OperatorSetIdProto *[]){&opset};
    write_message(sink, &head.base);
}

bool onnx_model_write(const OnnxModel *model, const Weights *weights, const OnnxSink *sink, const OnnxSink *data,
                      Str data_name, Diag *diag)
{
    Writer w = {.model = model,
                .weights = weights,
                .sink = sink,
                .data = data,
                .data_name = data_name,
                .diag = diag,
                .arena = arena_create(),
                .scratch = arena_create(),
                .ok = true};
    Arena *arena = arena_create();
    Onnx__GraphProto graph = graph_without_tensors(model, arena);
    write_head(sink);
    write_field_start(sink, FIELD_GRAPH, onnx__graph_proto__get_packed_size(&graph) + tensors_size(&w));
    write_message(sink, &graph.base);
    for (size_t i = 0; i < model->n_tensors && w.ok; ++i) {
        write_tensor(&w, &model->tensors[i]);
    }
    arena_destroy(arena);
    arena_destroy(w.arena);
    arena_destroy(w.scratch);
    return w.ok;
}
