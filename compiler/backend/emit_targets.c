/* Several targets in one file set:
 *
 *     resnet50.c               init, run, set_parallel, weights; init asks the processor, run calls the code for it
 *     resnet50_x86_64_v4.c     types, kernels and steps of one target, behind resnet50_x86_64_v4_run
 *     resnet50_x86_64_v3.c     ...
 *
 * A file of a target asks the compiler for that processor's instructions itself, so that one command without flags for a
 * machine compiles all, to the same instructions as with -march. Files of their own, since names of types, functions and kernels
 * are the same in all of them, and since they compile side by side. */
#include "backend/emit_parts.h"

/* "_x86_64_v4": a target's name as part of an identifier. */
Str emit_target_suffix(Arena *arena, const Target *target)
{
    Str text = arena_printf(arena, "_%s", target->name);
    char *copy = ARENA_ARRAY(arena, char, text.len + 1);
    for (size_t i = 0; i < text.len; ++i) {
        copy[i] = text.ptr[i] == '-' ? '_' : text.ptr[i];
    }
    return (Str){copy, text.len};
}

/* "resnet50_x86_64_v4_run" */
static Str target_entry(Arena *arena, const ApiNames *names, const Target *target)
{
    return arena_printf(arena, STR_FMT STR_FMT "_run", STR_ARG(names->prefix),
                        STR_ARG(emit_target_suffix(arena, target)));
}

void emit_target_prototypes(const EmitOptions *options, const ApiNames *names, CWriter *w)
{
    Arena *arena = arena_create();
    cw_comment(w, "Private: the code of each target, for run to call.");
    for (int i = 0; i < options->set->n_programs; ++i) {
        ApiNames of_target = *names;
        of_target.entry = target_entry(arena, names, options->set->programs[i]->target);
        emit_run_prototype(options->set->whole, &of_target, ";", w);
    }
    cw_blank(w);
    arena_destroy(arena);
}

/* --- MODEL.c */

static void emit_architecture_check(const Target *target, CWriter *w)
{
    cw_line(w, "#if !defined(__GNUC__) || !defined(__x86_64__)");
    cw_line(w, "#error \"written for %s machines and gcc or clang; cnnc --target=portable writes plain C99\"",
            target->architecture);
    cw_line(w, "#endif");
    cw_blank(w);
}

void emit_target_probe(const ProgramSet *set, CWriter *w)
{
    emit_architecture_check(set->programs[0]->target, w); /* the widest; portable comes last */
    cw_raw(w, str_from(embedded_cnn_x86_64_level_c));
    cw_blank(w);
}

/* "net->level = level >= 4 ? 4 : level >= 3 ? 3 : 0;" */
void emit_target_choice(const ProgramSet *set, const ApiNames *names, CWriter *w)
{
    StrBuf choice = {0};
    int least = 0;
    for (int i = 0; i < set->n_programs; ++i) {
        int level = set->programs[i]->target->level;
        if (level > 1) {
            strbuf_printf(&choice, "level >= %d ? %d : ", level, level);
        } else {
            least = level;
        }
    }
    cw_line(w, "const int level = cnn_x86_64_level();");
    cw_line(w, STR_FMT "->level = " STR_FMT "%d;", STR_ARG(names->net), STR_ARG(strbuf_view(&choice)), least);
    if (least == 0) {
        cw_open(w, "if (" STR_FMT "->level == 0)", STR_ARG(names->net));
        cw_line(w, "return CNN_ERROR_PROCESSOR;");
        cw_close(w, "");
    }
    strbuf_free(&choice);
}

void emit_target_run(const EmitOptions *options, const ApiNames *names, CWriter *w)
{
    Arena *arena = arena_create();
    const ProgramSet *set = options->set;
    const Graph *graph = set->whole->graph;
    emit_run_prototype(set->whole, names, "", w);
    cw_body(w);
    emit_run_checks(set->whole, names, w);
    cw_open(w, "switch (" STR_FMT "->level)", STR_ARG(names->net));
    w->depth--;
    for (int i = 0; i < set->n_programs; ++i) {
        const Target *target = set->programs[i]->target;
        ItemList list = {.arena = arena};
        items_add(&list, STR_FMT, STR_ARG(names->net));
        for (uint32_t k = 0; k < graph->n_inputs; ++k) {
            items_add(&list, STR_FMT, STR_ARG(names->inputs[k].parameter));
        }
        for (uint32_t k = 0; k < graph->n_outputs; ++k) {
            items_add(&list, STR_FMT, STR_ARG(names->outputs[k].parameter));
        }
        cw_line(w, "case %d:", target->level);
        w->depth++;
        emit_items(w, arena_printf(arena, "return " STR_FMT, STR_ARG(target_entry(arena, names, target))).ptr, &list,
                   ";");
        w->depth--;
    }
    cw_line(w, "default:");
    w->depth++;
    cw_line(w, "return CNN_ERROR_NOT_INITIALISED;");
    cw_close(w, "");
    cw_close(w, "");
    arena_destroy(arena);
}

/* --- MODEL_TARGET.c */

/* As -march would, for the functions from here to the end of the file. */
static void emit_features_begin(const Target *target, CWriter *w)
{
    cw_comment(w, "Instructions of %s, whatever the compiler's flags say: only a processor that has them gets here.",
               target->name);
    cw_line(w, "#if defined(__clang__)");
    cw_line(w, "#pragma clang attribute push(__attribute__((target(\"%s,tune=%s\"))), apply_to = function)",
            target->features, target->tuned_for);
    cw_line(w, "#else");
    cw_line(w, "#pragma GCC target(\"%s\")", target->features);
    cw_line(w, "#endif");
    cw_blank(w);
}

static void emit_features_end(CWriter *w)
{
    cw_blank(w);
    cw_line(w, "#if defined(__clang__)");
    cw_line(w, "#pragma clang attribute pop");
    cw_line(w, "#endif");
}

void emit_target_source(const Program *program, const EmitOptions *options, StrBuf *out)
{
    Arena *arena = arena_create();
    const Target *target = program->target;
    ApiNames names = api_names_disguised(arena, options->set->whole, options->prefix);
    names.entry = target_entry(arena, &names, target);
    CWriter body = {0}, file = {0};

    /* Nothing to compare the compiler's flags with: the file has its own. */
    Target unchecked = *target;
    unchecked.condition = NULL;
    Program copy = *program;
    copy.target = &unchecked;
    if (target->features != NULL) {
        emit_architecture_check(target, &body);
        emit_features_begin(target, &body);
    }
    emit_private(&copy, false, &body);
    emit_step_functions(&copy, &names, &body);
    emit_run(&copy, &names, options, &body);
    if (target->features != NULL) {
        emit_features_end(&body);
    }

    Str stem = str_without_suffix(options->header_name, STR(".h"));
    Str name = arena_printf(arena, STR_FMT STR_FMT ".c", STR_ARG(stem), STR_ARG(emit_target_suffix(arena, target)));
    emit_head(options->set->whole, options, name, arena_printf(arena, "the code for %s", target->name).ptr, &file);
    emit_includes(&body, options, &file);
    strbuf_append(out, strbuf_view(&file.text));
    api_undisguise(arena, strbuf_view(&body.text), options->prefix, names.net, out);
    cw_free(&body);
    cw_free(&file);
    arena_destroy(arena);
}
