/* The search. Kernels are timed where they will run: in the whole network, between the other layers, with the caches as these
 * leave them and with the network's own layouts and halos. A variant of the network carries out every convolution by
 * its own k-th candidate, so as many variants are made as the convolution with most candidates has; they take turns.
 *
 * A convolution's time is that of the steps that its node became: the kernel, and conversions made for it. A max pool behind
 * it counts with it, since some kernels take it in. Stages follow each other (candidates.h), each starts from the best
 * so far, and at the end the best meets what the rules say: it must win by a margin. Timing never decides what is
 * computed, only how. */
#include "tune/search.h"

#include "tune/candidates.h"
#include "tune/entry.h"

static const double margin = 0.98; /* of the time so far: less is noise */

typedef struct Conv { /* a distinct one */
    Str key;
    KernelSizes sizes;
    const Node *node; /* the first of its kind */
    ConvChoice rules, best;
    Candidates candidates;
    double rules_time, best_time; /* nanoseconds in one run of the network */
} Conv;

typedef struct Search {
    const Timing *timing;
    Diag *silent; /* the driver lowers once more and tells what is wrong with network or choices */
    int stage;
    const Graph *graph;
    const TuningSection *section;
    Arena *arena;
    Conv *convs;
    uint32_t n_convs;
    uint32_t *conv_of; /* by node id: index + 1; 0: none that is timed */
} Search;

/* --- programs */

static Program *lower_with(const Search *s, const Map *choices)
{
    LowerOptions options = {.target = s->timing->target, .batch = 1, .parts = 1, .choices = choices};
    return lower(s->arena, s->graph, &options, s->silent);
}

/* What is known already, and the k-th candidate of each convolution, or its first where it has no k-th. */
static Map *choices_of_variant(const Search *s, uint32_t k)
{
    Map *choices = map_create(s->arena);
    for (size_t i = 0; i < map_count(s->section->choices); ++i) {
        map_put(choices, map_key_at(s->section->choices, i), map_value_at(s->section->choices, i));
    }
    for (uint32_t i = 0; i < s->n_convs; ++i) {
        Conv *conv = &s->convs[i];
        if (conv->candidates.count > 0) {
            map_put(choices, conv->key, &conv->candidates.items[k < conv->candidates.count ? k : 0]);
        }
    }
    return choices;
}

/* The record that carries out a convolution; NULL where another step does it too. */
static const Kernel *kernel_of(const Program *program, const Node *node)
{
    for (uint32_t i = 0; i < program->n_steps; ++i) {
        const Step *step = &program->steps[i];
        if (step->node == node && step->weight != NULL) {
            return step->kernel;
        }
    }
    return NULL;
}

/* --- the convolutions */

static void find_convs(Search *s)
{
    s->convs = ARENA_ARRAY(s->arena, Conv, s->graph->n_nodes);
    s->conv_of = ARENA_ARRAY(s->arena, uint32_t, s->graph->n_nodes);
    Map *seen = map_create(s->arena);
    Program *program = lower_with(s, s->section->choices);
    for (uint32_t i = 0; program != NULL && i < s->graph->n_nodes; ++i) {
        const Node *node = s->graph->nodes[i];
        Str key = conv_key(s->arena, node, s->timing->target);
        const Kernel *kernel = str_is_empty(key) ? NULL : kernel_of(program, node);
        if (kernel == NULL || map_has(s->section->choices, key) || !conv_choice_is_tunable(kernel->family)) {
            continue;
        }
        Conv *conv = map_get(seen, key);
        if (conv == NULL) {
            conv = &s->convs[s->n_convs++];
            *conv = (Conv){.key = key, .node = node, .sizes = conv_node_sizes(node), .rules = conv_choice_of(kernel)};
            conv->best = conv->rules;
            map_put(seen, key, conv);
        }
        s->conv_of[i] = (uint32_t)(conv - s->convs) + 1;
    }
}

/* --- candidates that differ */

/* Takes out candidates whose records are the same as an earlier one's. False after an error. */
static bool drop_equal(Search *s)
{
    uint32_t most = 0;
    for (uint32_t i = 0; i < s->n_convs; ++i) {
        most = s->convs[i].candidates.count > most ? s->convs[i].candidates.count : most;
    }
    const Kernel **kernels = ARENA_ARRAY(s->arena, const Kernel *, (size_t)s->n_convs *most + 1);
    for (uint32_t k = 0; k < most; ++k) {
        Program *program = lower_with(s, choices_of_variant(s, k));
        if (program == NULL) {
            return false;
        }
        for (uint32_t i = 0; i < s->n_convs; ++i) {
            kernels[i * most + k] = kernel_of(program, s->convs[i].node);
        }
    }
    for (uint32_t i = 0; i < s->n_convs; ++i) {
        Candidates *c = &s->convs[i].candidates;
        const Kernel **mine = &kernels[i * most];
        uint32_t kept = 0;
        for (uint32_t k = 0; k < c->count; ++k) {
            bool is_new = mine[k] != NULL;
            for (uint32_t earlier = 0; earlier < kept && is_new; ++earlier) {
                is_new = !kernel_equal(mine[k], mine[earlier]);
            }
            if (is_new) {
                c->items[kept] = c->items[k];
                mine[kept++] = mine[k];
            }
        }
        c->count = kept;
    }
    return true;
}

/* --- timing */

/* The convolution whose time a step's time is: index + 1, or 0. */
static uint32_t conv_of_step(const Search *s, const Step *step)
{
    const Node *node = step->node;
    if (node != NULL && node->op == OP_MAX_POOL) {
        node = node->inputs[0];
    }
    return node == NULL || node->id >= s->graph->n_nodes || s->graph->nodes[node->id] != node ? 0
                                                                                              : s->conv_of[node->id];
}

/* Stages as parts of the whole. */
static void report_stage(void *user, const char *what, int64_t done, int64_t total)
{
    const Search *s = user;
    const char *stage = s->stage < STAGE_COUNT ? tune_stage_name((TuneStage)s->stage) : "the best against the rules";
    s->timing->report(s->timing->user, arena_printf(s->arena, "%s: %s", stage, what).ptr, s->stage * total + done,
                      (STAGE_COUNT + 1) * total);
}

/* Times all candidates: result[convolution][candidate], nanoseconds of all its places in the network. */
static double **measure(Search *s)
{
    uint32_t n_variants = 1;
    for (uint32_t i = 0; i < s->n_convs; ++i) {
        n_variants = s->convs[i].candidates.count > n_variants ? s->convs[i].candidates.count : n_variants;
    }
    const Program **programs = ARENA_ARRAY(s->arena, const Program *, n_variants);
    for (uint32_t k = 0; k < n_variants; ++k) {
        programs[k] = lower_with(s, choices_of_variant(s, k));
        if (programs[k] == NULL) {
            return NULL;
        }
    }
    Timing timing = *s->timing;
    timing.report = timing.report == NULL ? NULL : report_stage;
    timing.user = s;
    double **steps = timing_measure(&timing, programs, n_variants);
    double **times = ARENA_ARRAY(s->arena, double *, s->n_convs + 1);
    for (uint32_t i = 0; i < s->n_convs; ++i) {
        times[i] = ARENA_ARRAY(s->arena, double, n_variants);
    }
    for (uint32_t k = 0; steps != NULL && k < n_variants; ++k) {
        for (uint32_t i = 0; i < programs[k]->n_steps; ++i) {
            uint32_t conv = conv_of_step(s, &programs[k]->steps[i]);
            if (conv > 0) {
                times[conv - 1][k] += steps[k][i];
            }
        }
    }
    return steps == NULL ? NULL : times;
}

static bool has_candidates(const Search *s)
{
    bool any = false;
    for (uint32_t i = 0; i < s->n_convs; ++i) {
        any = any || s->convs[i].candidates.count > 1;
    }
    return any;
}

static bool run_stage(Search *s, TuneStage stage)
{
    for (uint32_t i = 0; i < s->n_convs; ++i) {
        Conv *conv = &s->convs[i];
        conv->candidates = tune_candidates(s->arena, stage, s->timing->target, &conv->sizes, &conv->best);
    }
    if (!drop_equal(s)) {
        return false;
    }
    if (!has_candidates(s)) {
        return true;
    }
    double **times = measure(s);
    for (uint32_t i = 0; times != NULL && i < s->n_convs; ++i) {
        Conv *conv = &s->convs[i];
        double least = margin * times[i][0];
        for (uint32_t k = 1; k < conv->candidates.count; ++k) {
            if (times[i][k] < least) {
                conv->best = conv->candidates.items[k];
                least = times[i][k];
            }
        }
    }
    return times != NULL;
}

/* The rules against the best of each. */
static bool run_final(Search *s)
{
    for (uint32_t i = 0; i < s->n_convs; ++i) {
        Conv *conv = &s->convs[i];
        conv->candidates = (Candidates){ARENA_ARRAY(s->arena, ConvChoice, 2), 2};
        conv->candidates.items[0] = conv->rules;
        conv->candidates.items[1] = conv->best;
    }
    double **times = drop_equal(s) ? measure(s) : NULL;
    for (uint32_t i = 0; times != NULL && i < s->n_convs; ++i) {
        Conv *conv = &s->convs[i];
        bool wins = conv->candidates.count > 1 && times[i][1] < margin * times[i][0];
        conv->rules_time = times[i][0];
        conv->best_time = times[i][wins];
        conv->best = wins ? conv->best : conv->rules;
    }
    return times != NULL;
}

/* --- results */

static void keep(const Search *s, TuningDatabase *database, TuningSection *section, TuneResult *result)
{
    enum { NS_IN_US = 1000, NS_IN_MS = 1000000 };
    for (uint32_t i = 0; i < s->n_convs; ++i) {
        const Conv *conv = &s->convs[i];
        double us = conv->best_time / NS_IN_US, rules_us = conv->rules_time / NS_IN_US;
        bool differs = conv->best_time < conv->rules_time;
        Str comment = differs ? arena_printf(database->arena, "%.1f us, by the rules %.1f", us, rules_us)
                              : arena_printf(database->arena, "%.1f us, as the rules", us);
        tuning_add(database, section, conv->key, &conv->best, comment);
        result->tuned += conv->best_time / NS_IN_MS;
        result->by_rules += conv->rules_time / NS_IN_MS;
        if (differs) {
            strbuf_printf(&result->table, "%8.1f %8.1f  %3.0f %%  " STR_FMT ": ", rules_us, us,
                          100.0 * (conv->rules_time / conv->best_time - 1.0), STR_ARG(conv->key));
            choice_format(&conv->rules, &result->table);
            strbuf_printf(&result->table, " -> ");
            choice_format(&conv->best, &result->table);
            strbuf_char(&result->table, '\n');
        }
    }
    result->n_convs = s->n_convs;
}

bool tune_search(const Timing *timing, const Graph *graph, TuningDatabase *database, TuningSection *section,
                 TuneResult *result)
{
    Search s = {.timing = timing, .graph = graph, .section = section, .arena = arena_create()};
    s.silent = diag_create(s.arena, diag_sources(timing->diag));
    *result = (TuneResult){0};
    find_convs(&s);
    bool ok = true;
    for (; s.stage < STAGE_COUNT && ok && s.n_convs > 0; ++s.stage) {
        ok = run_stage(&s, (TuneStage)s.stage);
    }
    ok = ok && (s.n_convs == 0 || run_final(&s));
    if (ok) {
        keep(&s, database, section, result);
    }
    diag_destroy(s.silent);
    arena_destroy(s.arena);
    return ok;
}
