/* From programs to times: C files in a folder of their own, the C compiler on each, one executable, its output.
 *
 * A variant's file is what emit_source writes, with a mark before each step, and behind it a function through which
 * embed/tune_main.c runs it without weights file: any numbers will do. */
#include "tune/timing.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/emit.h"
#include "support/file.h"

extern const char embedded_tune_main_c[];

/* One measurement on its way. */
typedef struct Work {
    const Timing *timing;
    const Program *const *programs;
    uint32_t n_programs;
    Arena *arena;
    bool interrupted;
    const char *folder; /* NULL: none yet */
} Work;

static const char *path_of(const Work *work, const char *name)
{
    return arena_printf(work->arena, "%s/%s", work->folder, name).ptr;
}

static void fail(const Work *work, Str where, Str message, const char *help)
{
    diag_error_in(work->timing->diag, DIAG_TUNING_FAILED, where, STR_FMT, STR_ARG(message));
    diag_help(work->timing->diag, "%s", help);
}

/* --- the folder */

static bool make_folder(Work *work)
{
    const char *base = getenv("TMPDIR");
    base = base == NULL || *base == '\0' ? "/tmp" : base;
    char *folder = (char *)arena_printf(work->arena, "%s/cnnc-tune-XXXXXX", base).ptr;
    if (mkdtemp(folder) == NULL) {
        diag_error_in(work->timing->diag, DIAG_FILE_UNWRITABLE, str_from(base),
                      "cannot make a folder for scratch files");
        diag_help(work->timing->diag, "name a folder that can be written in the environment variable TMPDIR");
        return false;
    }
    work->folder = folder;
    return true;
}

static void remove_folder(const Work *work)
{
    DIR *dir = work->folder == NULL ? NULL : opendir(work->folder);
    if (dir == NULL) {
        return;
    }
    for (const struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        if (entry->d_name[0] != '.') {
            unlink(path_of(work, entry->d_name));
        }
    }
    closedir(dir);
    rmdir(work->folder);
}

static bool write_file(const Work *work, const char *name, Str text)
{
    const char *path = path_of(work, name);
    FILE *file = fopen(path, "w");
    bool ok = file != NULL && fwrite(text.ptr, 1, text.len, file) == text.len;
    ok = (file == NULL || fclose(file) == 0) && ok;
    if (!ok) {
        diag_error_in(work->timing->diag, DIAG_FILE_UNWRITABLE, str_from(path), "cannot write a scratch file");
        diag_help(work->timing->diag, "name a folder with more room in the environment variable TMPDIR");
    }
    return ok;
}

/* --- the texts */

static const char *c_type(DType dtype)
{
    return dtype == DT_U8 ? "uint8_t" : dtype == DT_I32 ? "int32_t" : "float";
}

static int64_t port_bytes(const Buffer *port)
{
    return (port->dtype == DT_U8 ? 1 : 4) * layout_elements(&port->layout);
}

/* Behind a variant: runs it on any weights. */
static void write_entry(const Program *program, uint32_t number, StrBuf *out)
{
    strbuf_printf(out, "\nvoid tune_run_%u(const float *weights, float *arena, void *const *ports);\n", number);
    strbuf_printf(out, "void tune_run_%u(const float *weights, float *arena, void *const *ports)\n{\n", number);
    strbuf_printf(out, "    tune%u net;\n    net.ready = TUNE%u_READY;\n", number, number);
    strbuf_printf(out, program->arena_bytes > 0 ? "    net.arena = arena;\n" : "    (void)arena;\n");
    strbuf_printf(out, program->n_segments > 0 ? "    net.weights = weights;\n" : "    (void)weights;\n");
    strbuf_printf(out, "    (void)tune%u_run(&net", number);
    uint32_t n_inputs = program->graph->n_inputs, n_outputs = program->graph->n_outputs;
    for (uint32_t i = 0; i < n_inputs + n_outputs; ++i) {
        const Buffer *port = i < n_inputs ? program->inputs[i] : program->outputs[i - n_inputs];
        strbuf_printf(out, ", (%s%s *)ports[%u]", i < n_inputs ? "const " : "", c_type(port->dtype), i);
    }
    strbuf_printf(out, ");\n    cnn_tune_mark(-1);\n}\n");
}

static bool write_variant(const Work *work, uint32_t number)
{
    const Program *program = work->programs[number];
    Str stem = arena_printf(work->arena, "tune%u", number);
    EmitOptions options = {.prefix = stem,
                           .header_name = arena_printf(work->arena, STR_FMT ".h", STR_ARG(stem)),
                           .weights_name = STR("none"),
                           .marks = true,
                           .settings = STR("")};
    StrBuf source = {0}, header = {0};
    strbuf_append(&source, STR("void cnn_tune_mark(int step);\n"));
    emit_source(program, &options, &source);
    write_entry(program, number, &source);
    emit_header(program, &options, &header);
    bool ok = write_file(work, options.header_name.ptr, strbuf_view(&header)) &&
              write_file(work, arena_printf(work->arena, STR_FMT ".c", STR_ARG(stem)).ptr, strbuf_view(&source));
    strbuf_free(&source);
    strbuf_free(&header);
    return ok;
}

static int64_t largest(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static bool write_main(const Work *work)
{
    enum { SLACK = 64 };
    StrBuf text = {0};
    const Program *first = work->programs[0];
    const Graph *graph = first->graph;
    int64_t arena_bytes = 0, weights_bytes = 0;
    strbuf_append(&text, str_from(embedded_tune_main_c));
    for (uint32_t v = 0; v < work->n_programs; ++v) {
        arena_bytes = largest(arena_bytes, work->programs[v]->arena_bytes);
        weights_bytes = largest(weights_bytes, work->programs[v]->blob_bytes);
        strbuf_printf(&text, "tune_run tune_run_%u;\n", v);
    }
    strbuf_printf(&text, "tune_run *const tune_runs[] = {");
    for (uint32_t v = 0; v < work->n_programs; ++v) {
        strbuf_printf(&text, "tune_run_%u, ", v);
    }
    strbuf_printf(&text, "};\nconst int tune_steps[] = {");
    for (uint32_t v = 0; v < work->n_programs; ++v) {
        strbuf_printf(&text, "%u, ", work->programs[v]->n_steps);
    }
    uint32_t n_ports = graph->n_inputs + graph->n_outputs;
    strbuf_printf(&text, "};\nconst int tune_variants = %u, tune_ports = %u;\nconst size_t tune_port_bytes[] = {",
                  work->n_programs, n_ports);
    StrBuf bytewise = {0};
    for (uint32_t i = 0; i < n_ports; ++i) {
        const Buffer *port = i < graph->n_inputs ? first->inputs[i] : first->outputs[i - graph->n_inputs];
        strbuf_printf(&text, "%lld, ", (long long)port_bytes(port));
        strbuf_printf(&bytewise, "%d, ", port->dtype == DT_U8);
    }
    strbuf_printf(&text, "};\nconst unsigned char tune_port_bytewise[] = {" STR_FMT "};\n",
                  STR_ARG(strbuf_view(&bytewise)));
    strbuf_printf(&text, "const size_t tune_arena_bytes = %lld, tune_weights_bytes = %lld;\n",
                  (long long)arena_bytes + SLACK, (long long)weights_bytes + SLACK);
    bool ok = write_file(work, "main.c", strbuf_view(&text));
    strbuf_free(&bytewise);
    strbuf_free(&text);
    return ok;
}

/* --- running */

/* Compiling is the first half of the work, timing the second. */
static void report(const Work *work, const char *what, int half, int64_t done, int64_t total)
{
    if (work->timing->report != NULL) {
        work->timing->report(work->timing->user, what, half * total + done, 2 * total);
    }
}

static pid_t start_compiler(Work *work, const char *const *arguments, const char *log)
{
    size_t count, more = 0;
    while (arguments[more] != NULL) {
        ++more;
    }
    const char **argv = process_words(work->arena, work->timing->cc, more, &count);
    Str reason = STR("no command is given");
    memcpy(argv + count, arguments, more * sizeof *arguments);
    pid_t process = count == 0 ? 0
                               : process_start(work->timing->interrupts, argv, path_of(work, log),
                                               path_of(work, arena_printf(work->arena, "%s.err", log).ptr), &reason);
    if (process == 0) {
        fail(work, work->timing->cc,
             arena_printf(work->arena, "cannot run this as C compiler: " STR_FMT, STR_ARG(reason)),
             "name one in the environment variable CC");
    }
    return process;
}

static Str first_line_of(const Work *work, const char *name)
{
    Str text, reason;
    if (!file_read(work->arena, path_of(work, name), 1 << 20, &text, &reason)) {
        return STR("");
    }
    const char *end = text.len == 0 ? NULL : memchr(text.ptr, '\n', text.len);
    return (Str){text.ptr, end == NULL ? text.len : (size_t)(end - text.ptr)};
}

static bool check_compiler(const Work *work, int status, const char *log)
{
    Str fault = process_fault(work->arena, status);
    if (!str_is_empty(fault)) {
        Str said = first_line_of(work, arena_printf(work->arena, "%s.err", log).ptr);
        fail(work, work->timing->cc,
             arena_printf(work->arena, "the C compiler " STR_FMT ": " STR_FMT, STR_ARG(fault), STR_ARG(said)),
             "it must take -O3 and the target's flags; name another one in the environment variable CC");
    }
    return str_is_empty(fault);
}

/* Waits for one process; false where an interrupt came, which ended it. */
static bool wait_for(Work *work, pid_t process, int *status)
{
    while (!process_ended(process, status)) {
        if (interrupts_came(work->timing->interrupts)) {
            process_stop(process);
            work->interrupted = true;
            return false;
        }
        process_pause();
    }
    return true;
}

/* The arguments that make NAME.o of NAME.c. */
static const char *const *compile_arguments(const Work *work, const char *name)
{
    size_t n_flags = 0, n = 0;
    const char *flags = work->timing->target->flags;
    const char **target = process_words(work->arena, str_from(flags == NULL ? "" : flags), 0, &n_flags);
    const char **arguments = ARENA_ARRAY(work->arena, const char *, n_flags + 8);
    arguments[n++] = "-O3";
    for (size_t i = 0; i < n_flags; ++i) {
        arguments[n++] = target[i];
    }
    arguments[n++] = "-w";
    arguments[n++] = "-c";
    arguments[n++] = path_of(work, arena_printf(work->arena, "%s.c", name).ptr);
    arguments[n++] = "-o";
    arguments[n++] = path_of(work, arena_printf(work->arena, "%s.o", name).ptr);
    return arguments;
}

/* All variants and the main program, as many at a time as there are processors. */
static bool compile_all(Work *work)
{
    enum { MOST_AT_ONCE = 64 };
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    uint32_t at_once = processors < 1 ? 1 : processors > MOST_AT_ONCE ? MOST_AT_ONCE : (uint32_t)processors;
    struct {
        pid_t process; /* 0: idle */
        const char *log;
    } slots[MOST_AT_ONCE] = {{0, NULL}};
    uint32_t total = work->n_programs + 1, next = 0, done = 0;
    bool ok = true;
    while (ok && done < total) {
        for (uint32_t i = 0; i < at_once && ok; ++i) {
            int status = 0;
            if (slots[i].process != 0 && process_ended(slots[i].process, &status)) {
                slots[i].process = 0;
                ++done;
                ok = check_compiler(work, status, slots[i].log);
            }
            if (ok && slots[i].process == 0 && next < total) {
                const char *name = next == 0 ? "main" : arena_printf(work->arena, "tune%u", next - 1).ptr;
                ++next;
                slots[i].log = arena_printf(work->arena, "%s.log", name).ptr;
                slots[i].process = start_compiler(work, compile_arguments(work, name), slots[i].log);
                ok = slots[i].process != 0;
            }
        }
        work->interrupted = interrupts_came(work->timing->interrupts);
        ok = ok && !work->interrupted;
        report(work, "compiling", 0, done, total);
        process_pause();
    }
    for (uint32_t i = 0; i < at_once; ++i) {
        if (slots[i].process != 0) {
            process_stop(slots[i].process);
        }
    }
    return ok;
}

static bool link_all(Work *work)
{
    const char **arguments = ARENA_ARRAY(work->arena, const char *, work->n_programs + 5);
    size_t n = 0;
    arguments[n++] = path_of(work, "main.o");
    for (uint32_t v = 0; v < work->n_programs; ++v) {
        arguments[n++] = path_of(work, arena_printf(work->arena, "tune%u.o", v).ptr);
    }
    arguments[n++] = "-o";
    arguments[n++] = path_of(work, "tune");
    arguments[n++] = "-lm";
    pid_t process = start_compiler(work, arguments, "link.log");
    int status = 0;
    return process != 0 && wait_for(work, process, &status) && check_compiler(work, status, "link.log");
}

static int64_t file_bytes(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 ? (int64_t)status.st_size : 0;
}

static bool run_all(Work *work)
{
    int rounds = work->timing->rounds;
    Str reason;
    const char *argv[] = {path_of(work, "tune"), arena_printf(work->arena, "%d", rounds).ptr, NULL};
    const char *rounds_file = path_of(work, "rounds");
    pid_t process = process_start(work->timing->interrupts, argv, path_of(work, "times"), rounds_file, &reason);
    if (process == 0) {
        fail(work, str_from(argv[0]), arena_printf(work->arena, "cannot be run: " STR_FMT, STR_ARG(reason)),
             "programs must be allowed to run in the folder for scratch files: name another in TMPDIR");
        return false;
    }
    int status = 0;
    while (!process_ended(process, &status)) {
        if (interrupts_came(work->timing->interrupts)) {
            process_stop(process);
            work->interrupted = true;
            return false;
        }
        report(work, "timing", 1, file_bytes(rounds_file), rounds);
        process_pause();
    }
    Str fault = process_fault(work->arena, status);
    if (!str_is_empty(fault)) {
        fail(work, STR("cnnc"),
             arena_printf(work->arena, "the program that times kernels " STR_FMT "; " STR_FMT, STR_ARG(fault),
                          STR_ARG(first_line_of(work, "rounds"))),
             "this machine must run code for the target, and have memory for the network's weights and arena");
    }
    return str_is_empty(fault);
}

static double **read_times(const Work *work)
{
    enum { MOST_BYTES = 256 << 20 };
    Arena *arena = work->timing->arena;
    Str text, reason;
    double **times = ARENA_ARRAY(arena, double *, work->n_programs);
    bool ok = file_read(work->arena, path_of(work, "times"), MOST_BYTES, &text, &reason);
    const char *at = ok ? text.ptr : "";
    for (uint32_t v = 0; v < work->n_programs && ok; ++v) {
        uint32_t n_steps = work->programs[v]->n_steps;
        times[v] = ARENA_ARRAY(arena, double, n_steps + 1);
        for (uint32_t i = 0; i < n_steps && ok; ++i) {
            char *end;
            times[v][i] = strtod(at, &end);
            ok = end != at && isfinite(times[v][i]);
            at = end;
        }
    }
    if (!ok) {
        fail(work, STR("cnnc"), STR("the program that times kernels printed no times"),
             "was the folder for scratch files emptied meanwhile? TMPDIR names another");
    }
    return ok ? times : NULL;
}

double **timing_measure(const Timing *timing, const Program *const *programs, uint32_t n_programs)
{
    Work work = {.timing = timing, .programs = programs, .n_programs = n_programs, .arena = arena_create()};
    bool ok = make_folder(&work) && write_main(&work);
    for (uint32_t v = 0; v < n_programs && ok; ++v) {
        ok = write_variant(&work, v);
    }
    ok = ok && compile_all(&work) && link_all(&work) && run_all(&work);
    double **times = ok ? read_times(&work) : NULL;
    remove_folder(&work);
    if (work.interrupted) {
        fail(&work, STR("cnnc"), STR("tuning was interrupted"), "what was not measured to its end is not kept");
    }
    arena_destroy(work.arena);
    return times;
}

bool timing_compiler_version(const Timing *timing, Str *version)
{
    Work work = {.timing = timing, .arena = arena_create()};
    static const char *const arguments[] = {"--version", NULL};
    int status = 0;
    pid_t process = make_folder(&work) ? start_compiler(&work, arguments, "version.log") : 0;
    bool ok = process != 0 && wait_for(&work, process, &status) && check_compiler(&work, status, "version.log");
    if (ok) {
        *version = arena_copy(timing->arena, first_line_of(&work, "version.log"));
    }
    remove_folder(&work);
    arena_destroy(work.arena);
    return ok;
}
