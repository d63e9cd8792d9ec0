/* The generated source file: head comment, includes, types, shared functions, kernels, init, run, set_parallel,
 * weights. Whatever the network does not use is not written; which standard headers it needs is read off the text
 * itself. */
#include "backend/emit.h"

#include <inttypes.h>

#include "backend/ctext.h"
#include "backend/emit_parts.h"
#include "backend/emit_vector.h"
#include "version.h"

/* --- small parts shared with the header */

const char *emit_c_type(DType dtype)
{
    switch (dtype) {
    case DT_F32:
        return "float";
    case DT_U8:
        return "uint8_t";
    case DT_I32:
        return "int32_t";
    }
    ICE("no C type for element type %d", (int)dtype);
}

void items_add(ItemList *list, const char *format, ...)
{
    StrBuf text = {0};
    va_list args;
    va_start(args, format);
    strbuf_vprintf(&text, format, args);
    va_end(args);
    list->items = arena_grow(list->arena, list->items, list->count, &list->capacity, sizeof *list->items);
    list->items[list->count++] = arena_copy(list->arena, strbuf_view(&text));
    strbuf_free(&text);
}

void emit_items(CWriter *w, const char *head, const ItemList *list, const char *tail)
{
    enum { COLUMNS = 120, INDENT_COLUMNS = 4 };
    StrBuf line = {0};
    strbuf_printf(&line, "%s(", head);
    size_t margin = line.len, column = line.len + (size_t)w->depth * INDENT_COLUMNS;
    for (size_t i = 0; i < list->count; ++i) {
        Str item = list->items[i];
        if (i > 0 && column + item.len + 3 + strlen(tail) > COLUMNS) {
            strbuf_append(&line, STR(","));
            cw_line(w, "%s", line.ptr);
            strbuf_clear(&line);
            strbuf_pad(&line, margin, ' ');
            column = margin + (size_t)w->depth * INDENT_COLUMNS;
        } else if (i > 0) {
            strbuf_append(&line, STR(", "));
            column += 2;
        }
        strbuf_append(&line, item);
        column += item.len;
    }
    cw_line(w, "%s)%s", line.ptr, tail);
    strbuf_free(&line);
}

/* Base name of the .net file that declares the net; empty where the graph was not read from one. */
static Str model_name(const Graph *graph)
{
    uint32_t place = graph->n_outputs > 0 ? graph->outputs[0].span.lo : 0;
    const SourceFile *file = sources_locate(graph->sources, place).file;
    return file != NULL ? file->name : STR("");
}

/* "Target   x86-64-v4" and how to compile for it. */
static void describe_target(const Target *target, const EmitOptions *options, StrBuf *text)
{
    strbuf_printf(text, "Target   %s", target->name);
    if (options->set != NULL) {
        strbuf_append(
            text, STR("\n         Compile all .c files with gcc or clang, without -march; init chooses among them."));
    } else if (target->flags != NULL) {
        strbuf_printf(text, "\n         Compile with gcc or clang and %s, or -march=native on such a machine.",
                      target->flags);
    } else if (target->architecture != NULL) {
        strbuf_append(text, STR("\n         Compile with gcc or clang."));
    }
    strbuf_char(text, '\n');
}

void emit_head(const Program *program, const EmitOptions *options, Str file, const char *role, CWriter *w)
{
    Str model = model_name(program->graph);
    StrBuf text = {0};
    strbuf_printf(&text, STR_FMT ": %s of the network '" STR_FMT "'.\n", STR_ARG(file), role,
                  STR_ARG(program->graph->name));
    strbuf_printf(&text, "Written by cnnc " CNNC_VERSION "%s" STR_FMT "; change that and compile again, not this.\n",
                  model.len > 0 ? " from " : "", STR_ARG(model.len > 0 ? model : STR("")));
    strbuf_printf(&text, "\n");
    describe_target(program->target, options, &text);
    if (options->settings.len > 0) {
        strbuf_printf(&text, "Options  " STR_FMT "\n", STR_ARG(options->settings));
    }
    if (!emit_has_weights(program)) {
        strbuf_printf(&text, "Weights  none\n");
    } else if (emit_has_blob(program, options)) {
        strbuf_printf(&text, "Weights  " STR_FMT ", %" PRId64 " bytes\n", STR_ARG(options->weights_name),
                      program->blob_bytes);
    } else {
        strbuf_printf(&text, "Weights  built in, %" PRId64 " bytes\n", program->blob_bytes - BLOB_HEADER_BYTES);
    }
    if (program->dense_storage != STORE_F32) {
        strbuf_printf(&text, "         of dense layers as %s, rounded to %s; computed in float\n",
                      storage_name(program->dense_storage),
                      program->dense_storage == STORE_F16 ? "11 bits (error up to 0.05 %)"
                                                          : "8 bits (error up to 0.4 %)");
    }
    strbuf_printf(&text, "\n");
    strbuf_printf(&text, "This code is yours: use, change, share and sell it without conditions "
                         "(BSD Zero Clause License, SPDX: 0BSD). It comes without any warranty.");
    cw_comment(w, "%s", text.ptr);
    strbuf_free(&text);
}

/* --- kernels */

static void emit_kernel(const Kernel *kernel, CWriter *w)
{
    if (kernel->vector > 1) {
        emit_vector_kernel(kernel, w);
        return;
    }
    switch (kernel->family) {
    case KERNEL_CONV:
        emit_conv(kernel, w);
        return;
    case KERNEL_WINOGRAD:
        emit_winograd_plain(kernel, w);
        return;
    case KERNEL_DEPTHWISE:
        emit_depthwise(kernel, w);
        return;
    case KERNEL_DENSE:
        emit_dense(kernel, w);
        return;
    case KERNEL_MAX_POOL:
        emit_max_pool(kernel, w);
        return;
    case KERNEL_AVG_POOL:
        emit_avg_pool(kernel, w);
        return;
    case KERNEL_GLOBAL_POOL:
        emit_global_pool(kernel, w);
        return;
    case KERNEL_UNARY:
        emit_unary(kernel, w);
        return;
    case KERNEL_BINARY:
        emit_binary(kernel, w);
        return;
    case KERNEL_CHANNEL_AFFINE:
        emit_channel_affine(kernel, w);
        return;
    case KERNEL_LRN:
        emit_lrn(kernel, w);
        return;
    case KERNEL_SOFTMAX:
        emit_softmax(kernel, w);
        return;
    case KERNEL_COPY:
        emit_copy(kernel, w);
        return;
    case KERNEL_CONV_TRANSPOSE:
        emit_conv_transpose(kernel, w);
        return;
    case KERNEL_TABLE_CONV:
        emit_table_conv(kernel, w);
        return;
    case KERNEL_RBF:
        emit_rbf(kernel, w);
        return;
    case KERNEL_SUBSAMPLE:
        emit_subsample(kernel, w);
        return;
    case KERNEL_INSTANCE_NORM:
        emit_instance_norm(kernel, w);
        return;
    case KERNEL_L2_NORMALIZE:
        emit_l2_normalize(kernel, w);
        return;
    case KERNEL_BORDER:
        emit_border(kernel, w);
        return;
    case KERNEL_UPSAMPLE:
        emit_upsample(kernel, w);
        return;
    case KERNEL_GRAM:
        emit_gram(kernel, w);
        return;
    case KERNEL_REDUCE:
        emit_reduce(kernel, w);
        return;
    case KERNEL_ARGMAX:
        emit_argmax(kernel, w);
        return;
    case KERNEL_TOP_K:
        emit_top_k(kernel, w);
        return;
    case KERNEL_PIXELS:
        emit_bytes(kernel, w);
        return;
    case KERNEL_DIRECT:
    case KERNEL_PLANAR:
    case KERNEL_ROWS:
    case KERNEL_WINOGRAD_LIVE:
    case KERNEL_STRASSEN:
    case KERNEL_GROUPED:
    case KERNEL_FEW:
    case KERNEL_CONVERT:
    case KERNEL_SPACE_TO_DEPTH:
    case KERNEL_ZERO_HALO:
    case KERNEL_FAMILY_COUNT:
        break;
    }
    ICE("no emitter for kernel family %d", (int)kernel->family);
}

static void emit_blob_check(CWriter *w)
{
    cw_raw(w, str_from(embedded_cnn_blob_c));
    cw_blank(w);
    cw_raw(w, str_from(embedded_cnn_check_weights_c));
    cw_blank(w);
}

void emit_private(const Program *program, bool has_blob, CWriter *w)
{
    if (has_blob) {
        emit_blob_check(w);
    }
    if (program->n_steps > 0) {
        cw_raw(w, str_from(emit_is_mixed(program) ? embedded_step_types_mixed_c : embedded_step_types_c));
        cw_blank(w);
    }
    CWriter kernels = {0};
    emit_helpers(program, &kernels);
    cw_blank(&kernels);
    for (uint32_t i = 0; i < program->n_kernels; ++i) {
        emit_kernel(program->kernels[i], &kernels);
        cw_blank(&kernels);
    }
    emit_vector_prologue(program, strbuf_view(&kernels.text), w);
    cw_join(w, &kernels);
    cw_free(&kernels);
}

/* --- the rest of the interface */

/* "if (condition) return status", the condition as a format. */
static void emit_return(CWriter *w, const char *status, const char *condition, ...) PRINTF(3, 4);
static void emit_return(CWriter *w, const char *status, const char *condition, ...)
{
    StrBuf text = {0};
    va_list args;
    va_start(args, condition);
    strbuf_vprintf(&text, condition, args);
    va_end(args);
    cw_open(w, "if (%s)", text.ptr);
    cw_line(w, "return %s;", status);
    cw_close(w, "");
    strbuf_free(&text);
}

static void emit_arena_checks(const ApiNames *n, CWriter *w)
{
    emit_return(w, "CNN_ERROR_NULL_ARGUMENT", STR_FMT " == NULL", STR_ARG(n->arena));
    emit_return(w, "CNN_ERROR_ARENA_MISALIGNED", "(uintptr_t)" STR_FMT " %% CNN_ALIGNMENT != 0", STR_ARG(n->arena));
    emit_return(w, "CNN_ERROR_ARENA_TOO_SMALL", STR_FMT " < (size_t)" STR_FMT "_ARENA_BYTES", STR_ARG(n->arena_bytes),
                STR_ARG(n->upper));
}

void emit_init_prototype(const ApiNames *n, const char *tail, CWriter *w)
{
    Arena *arena = arena_create();
    ItemList list = {.arena = arena};
    items_add(&list, STR_FMT " *" STR_FMT, STR_ARG(n->prefix), STR_ARG(n->net));
    items_add(&list, "const void *" STR_FMT, STR_ARG(n->weights));
    items_add(&list, "size_t " STR_FMT, STR_ARG(n->weights_bytes));
    items_add(&list, "void *" STR_FMT, STR_ARG(n->arena));
    items_add(&list, "size_t " STR_FMT, STR_ARG(n->arena_bytes));
    emit_items(w, arena_printf(arena, "cnn_status " STR_FMT "_init", STR_ARG(n->prefix)).ptr, &list, tail);
    arena_destroy(arena);
}

static void emit_init(const Program *program, const ApiNames *n, const EmitOptions *options, CWriter *w)
{
    Arena *arena = arena_create();
    bool has_arena = program->arena_bytes > 0, has_blob = emit_has_blob(program, options);
    emit_init_prototype(n, "", w);
    cw_body(w);
    emit_return(w, "CNN_ERROR_NULL_ARGUMENT", STR_FMT " == NULL", STR_ARG(n->net));
    cw_line(w, STR_FMT "->ready = 0;", STR_ARG(n->net));
    if (options->set != NULL) {
        emit_target_choice(options->set, n, w);
    }
    if (has_arena) {
        emit_arena_checks(n, w);
    } else {
        cw_line(w, "(void)" STR_FMT "; /* this network needs no arena */", STR_ARG(n->arena));
        cw_line(w, "(void)" STR_FMT ";", STR_ARG(n->arena_bytes));
    }
    if (has_blob) {
        ItemList list = {.arena = arena};
        items_add(&list, STR_FMT, STR_ARG(n->weights));
        items_add(&list, STR_FMT, STR_ARG(n->weights_bytes));
        items_add(&list, "(size_t)" STR_FMT "_WEIGHTS_BYTES", STR_ARG(n->upper));
        items_add(&list, "UINT64_C(0x%016" PRIx64 ")", program->fingerprint);
        emit_items(w, "const cnn_status status = cnn_check_weights", &list, ";");
        emit_return(w, "status", "status != CNN_OK");
        cw_line(w, STR_FMT "->weights = (const float *)" STR_FMT " + sizeof(cnn_blob_header) / sizeof(float);",
                STR_ARG(n->net), STR_ARG(n->weights));
    } else {
        emit_return(w, "CNN_ERROR_WEIGHTS_BUILT_IN", STR_FMT " != NULL || " STR_FMT " != 0", STR_ARG(n->weights),
                    STR_ARG(n->weights_bytes));
        if (emit_keeps_weights(program, options)) {
            cw_line(w, STR_FMT "->weights = built_in_weights();", STR_ARG(n->net));
        }
    }
    if (has_arena) {
        cw_line(w, STR_FMT "->arena = (float *)" STR_FMT ";", STR_ARG(n->net), STR_ARG(n->arena));
    }
    if (program->parts > 1) {
        cw_line(w, STR_FMT "->parallel_for = NULL;", STR_ARG(n->net));
        cw_line(w, STR_FMT "->parallel_context = NULL;", STR_ARG(n->net));
    }
    cw_line(w, STR_FMT "->ready = " STR_FMT "_READY;", STR_ARG(n->net), STR_ARG(n->upper));
    cw_line(w, "return CNN_OK;");
    cw_close(w, "");
    cw_blank(w);
    arena_destroy(arena);
}

void emit_set_parallel_prototype(const ApiNames *n, const char *tail, CWriter *w)
{
    cw_line(w,
            "void " STR_FMT "_set_parallel(" STR_FMT " *" STR_FMT ", cnn_parallel_for *" STR_FMT ", void *" STR_FMT
            ")%s",
            STR_ARG(n->prefix), STR_ARG(n->prefix), STR_ARG(n->net), STR_ARG(n->run), STR_ARG(n->context), tail);
}

static void emit_set_parallel(const Program *program, const ApiNames *n, CWriter *w)
{
    cw_blank(w);
    emit_set_parallel_prototype(n, "", w);
    cw_body(w);
    if (program->parts > 1) {
        cw_open(w, "if (" STR_FMT " != NULL)", STR_ARG(n->net));
        cw_line(w, STR_FMT "->parallel_for = " STR_FMT ";", STR_ARG(n->net), STR_ARG(n->run));
        cw_line(w, STR_FMT "->parallel_context = " STR_FMT ";", STR_ARG(n->net), STR_ARG(n->context));
        cw_close(w, "");
    } else {
        cw_comment(w, "Compiled for one thread: cnnc --threads-max=N makes code whose steps are split.");
        cw_line(w, "(void)" STR_FMT ";", STR_ARG(n->net));
        cw_line(w, "(void)" STR_FMT ";", STR_ARG(n->run));
        cw_line(w, "(void)" STR_FMT ";", STR_ARG(n->context));
    }
    cw_close(w, "");
}

/* --- includes */

static void emit_restrict(CWriter *w)
{
    cw_line(w, "#if !defined(__cplusplus)");
    cw_line(w, "#define CNN_RESTRICT restrict");
    cw_line(w, "#elif defined(__GNUC__) || defined(_MSC_VER)");
    cw_line(w, "#define CNN_RESTRICT __restrict");
    cw_line(w, "#else");
    cw_line(w, "#define CNN_RESTRICT");
    cw_line(w, "#endif");
    cw_blank(w);
}

/* The standard headers that the text needs beside those of the net's own header (stddef.h, stdint.h). */
void emit_includes(const CWriter *body, const EmitOptions *options, CWriter *w)
{
    static const char *const math[] = {"expf",  "expm1f", "logf",  "log1pf", "tanhf", "erff",      "sqrtf",   "powf",
                                       "fabsf", "floorf", "ceilf", "fmaxf",  "fminf", "fmaf",      "roundf",  "exp",
                                       "log",   "pow",    "sqrt",  "tanh",   "erf",   "HUGE_VALF", "INFINITY"};
    static const char *const string[] = {"memcpy", "memset", "memmove"};
    Str text = strbuf_view(&body->text);
    bool needs_math = false, needs_string = false;
    for (size_t i = 0; i < sizeof math / sizeof math[0]; ++i) {
        needs_math = needs_math || ctext_uses(text, math[i]);
    }
    for (size_t i = 0; i < sizeof string / sizeof string[0]; ++i) {
        needs_string = needs_string || ctext_uses(text, string[i]);
    }
    cw_line(w, "#include \"" STR_FMT "\"", STR_ARG(options->header_name));
    cw_blank(w);
    if (needs_math) {
        cw_line(w, "#include <math.h>");
    }
    if (needs_string) {
        cw_line(w, "#include <string.h>");
    }
    cw_blank(w);
    if (ctext_uses(text, "CNN_RESTRICT")) {
        emit_restrict(w);
    }
}

/* --- the file */

/* The header's name with another ending: "resnet50.h" -> "resnet50.c". */
static Str source_name(Arena *arena, Str header_name)
{
    return arena_printf(arena, STR_FMT ".c", STR_ARG(str_without_suffix(header_name, STR(".h"))));
}

void emit_source(const Program *program, const EmitOptions *options, StrBuf *out)
{
    Arena *arena = arena_create();
    ApiNames names = api_names_disguised(arena, program, options->prefix);
    CWriter body = {0}, file = {0};

    if (options->set == NULL) {
        emit_private(program, emit_has_blob(program, options), &body);
        emit_step_functions(program, &names, &body);
    } else {
        if (emit_has_blob(program, options)) {
            emit_blob_check(&body);
        }
        emit_target_probe(options->set, &body);
    }
    if (options->embedded != NULL && emit_has_weights(program)) {
        emit_weights_declaration(&body);
    }
    emit_init(program, &names, options, &body);
    if (options->set != NULL) {
        emit_target_run(options, &names, &body);
    } else {
        emit_run(program, &names, options, &body);
    }
    emit_set_parallel(program, &names, &body);
    if (options->embedded != NULL && emit_has_weights(program)) {
        cw_blank(&body);
        emit_weights(program, options->embedded, &body);
    }

    emit_head(program, options, source_name(arena, options->header_name),
              options->set == NULL ? "the code" : "the code that all targets share", &file);
    emit_includes(&body, options, &file);
    strbuf_append(out, strbuf_view(&file.text));
    api_undisguise(arena, strbuf_view(&body.text), options->prefix, names.net, out);
    cw_free(&body);
    cw_free(&file);
    arena_destroy(arena);
}
