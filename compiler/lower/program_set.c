/* One network for several targets: a program for each, and what the file set has once. */
#include "lower/lowering.h"

/* "x86-64-v4,x86-64-v3": a target in name only, for comments and --target. */
static const Target *target_of_set(Arena *arena, const Target *const *list, int count)
{
    StrBuf name = {0};
    for (int i = 0; i < count; ++i) {
        strbuf_printf(&name, "%s%s", i > 0 ? "," : "", list[i]->name);
    }
    Target *target = ARENA_NEW(arena, Target);
    *target = targets[0]; /* nothing is made for it: the plainest */
    target->name = arena_copy(arena, strbuf_view(&name)).ptr;
    target->doc = "several targets in one file set";
    strbuf_free(&name);
    return target;
}

static const Program *make_whole(Arena *arena, const ProgramSet *set, const Target *const *list)
{
    Program *whole = ARENA_NEW(arena, Program);
    const Program *first = set->programs[0];
    *whole = (Program){.arena = arena,
                       .graph = first->graph,
                       .target = target_of_set(arena, list, set->n_programs),
                       .inputs = first->inputs,
                       .outputs = first->outputs,
                       .batch = first->batch,
                       .parts = first->parts};
    uint32_t n_kernels = 0;
    for (int p = 0; p < set->n_programs; ++p) {
        const Program *program = set->programs[p];
        whole->arena_bytes = program->arena_bytes > whole->arena_bytes ? program->arena_bytes : whole->arena_bytes;
        n_kernels += program->n_kernels;
    }
    whole->kernels = ARENA_ARRAY(arena, Kernel *, n_kernels);
    for (int p = 0; p < set->n_programs; ++p) {
        for (uint32_t i = 0; i < set->programs[p]->n_kernels; ++i) {
            whole->kernels[whole->n_kernels++] = set->programs[p]->kernels[i];
        }
    }
    segments_share(set->programs, set->n_programs, whole);
    return whole;
}

ProgramSet *lower_set(Arena *arena, const Graph *graph, const LowerOptions *options, const Target *const *list,
                      int n_targets, Diag *diag)
{
    ProgramSet *set = ARENA_NEW(arena, ProgramSet);
    set->programs = ARENA_ARRAY(arena, Program *, n_targets);
    for (; set->n_programs < n_targets; ++set->n_programs) {
        LowerOptions of_target = *options;
        of_target.target = list[set->n_programs];
        Program *program = lower(arena, graph, &of_target, diag);
        if (program == NULL) {
            return NULL;
        }
        set->programs[set->n_programs] = program;
    }
    set->whole = n_targets == 1 ? set->programs[0] : make_whole(arena, set, list);
    return set;
}
