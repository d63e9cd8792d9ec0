/* The table of passes, in order, and the one place that runs them. */
#include "passes/pass.h"

#include <time.h>

/* The order matters:
 *   drop_dropout, dead_code   first: a dropout between two nodes, or a dead reader, hides every pattern below
 *   fold_batch_norm           before anything is fused: a layer with an epilogue takes no norm
 *   fold_constants            after it: what it could not fold is `affine` now, which joins scales around it and may
 *                             then fold; and conv, norm, scale in a row all end up in the conv
 *   fold_normalize            when the first layer's weights are otherwise done; free among the folds
 *   fuse_activation           after all folds, before fuse_add: relu(conv + x) makes it `add | relu`, and the addition
 *                             takes its epilogue along; in relu(conv) + x the activation belongs to the conv, which
 *                             then cannot take x
 *   fuse_add                  last of the fusions; an activation after it would find its conv just as well
 *   elide_flatten             any time; here it sees the final readers of each flatten
 */
const Pass pass_pipeline[] = {
    {"drop_dropout", "removes dropout: nothing at inference", drop_dropout},
    {"dead_code", "drops nodes that no output reads", dead_code},
    {"fold_batch_norm", "folds batch norms into linear layers before or after them; the rest becomes affine",
     fold_batch_norm},
    {"fold_constants", "computes literals, drops neutral ops, joins scales, folds them into layers", fold_constants},
    {"fold_normalize", "folds the preparation of pixels into the first layer", fold_normalize},
    {"fuse_activation", "moves activations into the epilogue of the op before", fuse_activation},
    {"fuse_add", "moves residual additions into the epilogue of a layer", fuse_add},
    {"elide_flatten", "permutes dense weights instead of activations, and joins views", elide_flatten},
    {NULL, NULL, NULL},
};

static char normal_char(char c)
{
    return c == '-' ? '_' : c;
}

const Pass *pass_find(Str name)
{
    for (const Pass *pass = pass_pipeline; pass->name != NULL; ++pass) {
        size_t i = 0;
        while (i < name.len && pass->name[i] != '\0' && normal_char(name.ptr[i]) == pass->name[i]) {
            ++i;
        }
        if (i == name.len && pass->name[i] == '\0') {
            return pass;
        }
    }
    return NULL;
}

static double milliseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec * 1e-6;
}

static void verify_or_stop(const Graph *graph, const Pass *pass, Arena *scratch)
{
    Str message;
    if (!graph_verify(graph, scratch, &message)) {
        ICE("after pass %s the graph is no graph any more: " STR_FMT, pass->name, STR_ARG(message));
    }
}

bool passes_run(const PassRun *run, Graph *graph)
{
    PassContext context = {arena_create(), run->diag};
    size_t errors = diag_errors(run->diag);
    bool ok = true;
    for (size_t i = 0; pass_pipeline[i].name != NULL && ok; ++i) {
        const Pass *pass = &pass_pipeline[i];
        if (run->off != NULL && run->off[i]) {
            continue;
        }
        double start = milliseconds();
        bool changed = pass->run(&context, graph);
        double end = milliseconds();
        if (run->verify_ir) {
            verify_or_stop(graph, pass, context.scratch);
        }
        if (run->time) {
            strbuf_printf(run->log, "%-16s %9.3f ms\n", pass->name, end - start);
        }
        if (run->print_after != NULL && run->print_after[i]) {
            strbuf_printf(run->log, changed ? "after %s:\n" : "after %s (unchanged)\n", pass->name);
            if (changed) {
                graph_dump(graph, run->log);
            }
        }
        ok = diag_errors(run->diag) == errors;
        if (ok && changed && run->check != NULL) {
            ok = run->check(run->check_user, graph, pass->name);
        }
        arena_reset(context.scratch);
    }
    arena_destroy(context.scratch);
    return ok;
}
