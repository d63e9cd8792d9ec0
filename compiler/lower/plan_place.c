/* Offsets for blocks of known lifetimes. Several greedy orders are tried, each with two ways to choose a gap, and the
 * best result kept; where that is above the lower bound, a small instance is searched exactly and a larger one improved
 * by moving what sits on top of the pile to an earlier turn. Everything is deterministic. */
#include <stdlib.h>

#include "lower/plan.h"
#include "support/attributes.h"

enum {
    ORDERED_LIMIT = 3000,           /* more blocks than this: one sweep through time, nearly linear */
    EXACT_LIMIT = 14,               /* blocks for which the exact search is tried */
    EXACT_NODES = 100000,           /* and how many partial plans it may look at */
    IMPROVE_WORK = 20 * 1000 * 1000 /* comparisons spent on improvement, about */
};

typedef struct Placer {
    PlanBlock *blocks;
    uint32_t count;
    int64_t lower_bound;
    uint32_t *placed; /* indices by rising offset, of the plan under construction */
    int64_t *best;    /* offsets of the best plan so far */
    int64_t best_size;
    uint32_t *best_order;
    bool best_is_tight; /* which choice of gaps gave it */
} Placer;

static bool overlap_in_time(const PlanBlock *a, const PlanBlock *b)
{
    return a->first <= b->last && b->first <= a->last;
}

int64_t plan_lower_bound(const PlanBlock *blocks, uint32_t count, int32_t n_steps, int32_t *peak_step, Arena *scratch)
{
    int64_t *change = ARENA_ARRAY(scratch, int64_t, n_steps + 1); /* bytes that begin or end at each step */
    for (uint32_t i = 0; i < count; ++i) {
        change[blocks[i].first] += blocks[i].bytes;
        change[blocks[i].last + 1] -= blocks[i].bytes;
    }
    int64_t live = 0, most = 0;
    *peak_step = 0;
    for (int32_t step = 0; step < n_steps; ++step) {
        live += change[step];
        if (live > most) {
            most = live;
            *peak_step = step;
        }
    }
    return most;
}

/* --- placing in a given order */

/* Where a block fits between those already placed that live at the same time: the lowest gap, or the tightest. */
static int64_t find_gap(const Placer *p, uint32_t n_placed, const PlanBlock *block, bool tight)
{
    int64_t end = 0, best = -1, best_gap = 0;
    for (uint32_t i = 0; i < n_placed; ++i) {
        const PlanBlock *other = &p->blocks[p->placed[i]];
        if (!overlap_in_time(block, other)) {
            continue;
        }
        int64_t gap = other->offset - end;
        if (gap >= block->bytes && (best < 0 || gap < best_gap)) {
            best = end;
            best_gap = gap;
            if (!tight) {
                return best;
            }
        }
        if (other->offset + other->bytes > end) {
            end = other->offset + other->bytes;
        }
    }
    return best >= 0 ? best : end;
}

static void insert_placed(Placer *p, uint32_t n_placed, uint32_t index)
{
    uint32_t at = n_placed;
    while (at > 0 && p->blocks[p->placed[at - 1]].offset > p->blocks[index].offset) {
        p->placed[at] = p->placed[at - 1];
        --at;
    }
    p->placed[at] = index;
}

/* Places all blocks in the given order; gives up (INT64_MAX) as soon as the size exceeds `limit`. */
static int64_t place_in_order(Placer *p, const uint32_t *order, bool tight, int64_t limit)
{
    int64_t size = 0;
    for (uint32_t i = 0; i < p->count; ++i) {
        PlanBlock *block = &p->blocks[order[i]];
        block->offset = find_gap(p, i, block, tight);
        if (block->offset + block->bytes > size) {
            size = block->offset + block->bytes;
            if (size > limit) {
                return INT64_MAX;
            }
        }
        insert_placed(p, i, order[i]);
    }
    return size;
}

static void keep_if_better(Placer *p, const uint32_t *order, bool tight, int64_t size)
{
    if (size >= p->best_size) {
        return;
    }
    p->best_size = size;
    p->best_is_tight = tight;
    for (uint32_t i = 0; i < p->count; ++i) {
        p->best[i] = p->blocks[i].offset;
        p->best_order[i] = order[i];
    }
}

/* --- greedy orders. Ties go by index, so that the result does not depend on the C library's sort. */

typedef enum GreedyOrder {
    BY_SIZE,      /* large blocks first: what is left fits into the gaps */
    BY_AREA,      /* bytes * steps: large and long-lived first */
    BY_LIFE,      /* long-lived first: they form a floor */
    BY_TIME,      /* as the steps run */
    BY_TIME_BACK, /* and backwards */
    GREEDY_ORDERS
} GreedyOrder;

typedef struct SortKey {
    double major, minor; /* falling */
    uint32_t index;
} SortKey;

static SortKey key_of(const PlanBlock *block, GreedyOrder order, uint32_t index)
{
    double bytes = (double)block->bytes, life = (double)block->last - block->first + 1;
    SortKey key = {.index = index};
    switch (order) {
    case BY_SIZE:
        key.major = bytes;
        key.minor = life;
        break;
    case BY_AREA:
        key.major = bytes * life;
        key.minor = bytes;
        break;
    case BY_LIFE:
        key.major = life;
        key.minor = bytes;
        break;
    case BY_TIME:
        key.major = -block->first;
        key.minor = bytes;
        break;
    case BY_TIME_BACK:
        key.major = block->last;
        key.minor = bytes;
        break;
    case GREEDY_ORDERS:
        ICE("no such order");
    }
    return key;
}

static int compare_keys(const void *left, const void *right)
{
    const SortKey *a = left, *b = right;
    if (a->major != b->major) {
        return a->major > b->major ? -1 : 1;
    }
    if (a->minor != b->minor) {
        return a->minor > b->minor ? -1 : 1;
    }
    return a->index < b->index ? -1 : a->index > b->index;
}

static uint32_t *sorted_order(const Placer *p, GreedyOrder order, Arena *scratch)
{
    SortKey *keys = ARENA_ARRAY(scratch, SortKey, p->count);
    for (uint32_t i = 0; i < p->count; ++i) {
        keys[i] = key_of(&p->blocks[i], order, i);
    }
    qsort(keys, p->count, sizeof *keys, compare_keys);
    uint32_t *result = ARENA_ARRAY(scratch, uint32_t, p->count);
    for (uint32_t i = 0; i < p->count; ++i) {
        result[i] = keys[i].index;
    }
    return result;
}

static void try_greedy_orders(Placer *p, Arena *scratch)
{
    for (int order = 0; order < GREEDY_ORDERS; ++order) {
        const uint32_t *sorted = sorted_order(p, (GreedyOrder)order, scratch);
        for (int tight = 0; tight < 2 && p->best_size > p->lower_bound; ++tight) {
            keep_if_better(p, sorted, tight, place_in_order(p, sorted, tight, INT64_MAX));
        }
    }
}

/* --- exact search for few blocks
 *
 * Some optimal plan, read from low to high offsets, has every block resting on the highest of its earlier neighbours
 * (push all down). So it is enough to try orders of rising offsets, each block resting on those before it. A branch is
 * cut as soon as at any step the pile plus what must still live there cannot beat the best plan. */
typedef struct Exact {
    Placer *p;
    uint32_t *order;
    bool *used;
    uint32_t nodes; /* looked at so far */
} Exact;

/* Size that the plan will at least have: over each unplaced block's first step, where a sum of live blocks can peak. */
static int64_t bound_of_rest(const Exact *e)
{
    const Placer *p = e->p;
    int64_t bound = 0;
    for (uint32_t i = 0; i < p->count; ++i) {
        int32_t step = p->blocks[i].first;
        int64_t top = 0, rest = 0;
        for (uint32_t j = 0; j < p->count; ++j) {
            const PlanBlock *block = &p->blocks[j];
            if (block->first > step || block->last < step) {
                continue;
            }
            if (!e->used[j]) {
                rest += block->bytes;
            } else if (block->offset + block->bytes > top) {
                top = block->offset + block->bytes;
            }
        }
        if (top + rest > bound) {
            bound = top + rest;
        }
    }
    return bound;
}

static int64_t rest_on(const Exact *e, uint32_t depth, const PlanBlock *block)
{
    int64_t offset = 0;
    for (uint32_t i = 0; i < depth; ++i) {
        const PlanBlock *below = &e->p->blocks[e->order[i]];
        if (overlap_in_time(block, below) && below->offset + below->bytes > offset) {
            offset = below->offset + below->bytes;
        }
    }
    return offset;
}

/* Recurses at most EXACT_LIMIT deep. */
static void search(Exact *e, uint32_t depth, int64_t size)
{
    Placer *p = e->p;
    if (depth == p->count) {
        keep_if_better(p, e->order, false, size);
        return;
    }
    int64_t floor = depth == 0 ? 0 : p->blocks[e->order[depth - 1]].offset;
    for (uint32_t i = 0; i < p->count && p->best_size > p->lower_bound && e->nodes < EXACT_NODES; ++i) {
        PlanBlock *block = &p->blocks[i];
        if (e->used[i]) {
            continue;
        }
        block->offset = rest_on(e, depth, block);
        int64_t top = block->offset + block->bytes;
        bool in_order = block->offset > floor ||
                        (block->offset == floor && (depth == 0 || i > e->order[depth - 1])); /* equals by index, once */
        if (!in_order || top >= p->best_size) {
            continue;
        }
        ++e->nodes;
        e->used[i] = true;
        e->order[depth] = i;
        if (bound_of_rest(e) < p->best_size) {
            search(e, depth + 1, top > size ? top : size);
        }
        e->used[i] = false;
    }
}

static void search_exactly(Placer *p, Arena *scratch)
{
    Exact exact = {
        .p = p, .order = ARENA_ARRAY(scratch, uint32_t, p->count), .used = ARENA_ARRAY(scratch, bool, p->count)};
    search(&exact, 0, 0);
}

/* --- improvement: a block that sticks out at the top gets its turn earlier */

static uint32_t next_random(uint32_t *state, uint32_t bound)
{
    *state = *state * 1664525u + 1013904223u;
    return (uint32_t)(((uint64_t)*state * bound) >> 32);
}

/* Position in `order` of one of the blocks that reach the top. */
static uint32_t pick_top(const Placer *p, const uint32_t *order, int64_t size, uint32_t *random)
{
    uint32_t found = 0, seen = 0;
    for (uint32_t i = 0; i < p->count; ++i) {
        const PlanBlock *block = &p->blocks[order[i]];
        if (block->offset + block->bytes == size && next_random(random, ++seen) == 0) {
            found = i;
        }
    }
    return found;
}

static void move_forward(uint32_t *order, uint32_t from, uint32_t to)
{
    uint32_t moved = order[from];
    memmove(&order[to + 1], &order[to], (from - to) * sizeof *order);
    order[to] = moved;
}

static void improve(Placer *p, const uint32_t *start, bool tight, uint32_t rounds, Arena *scratch)
{
    uint32_t *order = ARENA_ARRAY(scratch, uint32_t, p->count), *candidate = ARENA_ARRAY(scratch, uint32_t, p->count);
    memcpy(order, start, p->count * sizeof *order);
    int64_t size = place_in_order(p, order, tight, INT64_MAX);
    uint32_t random = 1;
    for (uint32_t round = 0; round < rounds && p->best_size > p->lower_bound; ++round) {
        uint32_t from = pick_top(p, order, size, &random);
        if (from == 0) {
            from = 1 + next_random(&random, p->count - 1);
        }
        memcpy(candidate, order, p->count * sizeof *order);
        move_forward(candidate, from, next_random(&random, from));
        int64_t moved = place_in_order(p, candidate, tight, size); /* equals are taken: they lead off plateaus */
        if (moved <= size) {
            size = moved;
            memcpy(order, candidate, p->count * sizeof *order);
            keep_if_better(p, order, tight, size);
        } else {
            place_in_order(p, order, tight, INT64_MAX); /* offsets of the order that stays */
        }
    }
}

/* Half of the work goes into the best plan so far; where that leads nowhere, the other half into all greedy orders: the
 * one that is worst at first may be a single move away from the bound. */
static void improve_all(Placer *p, Arena *scratch)
{
    uint32_t rounds = IMPROVE_WORK / (p->count * p->count + 1) / 2;
    uint32_t *best = ARENA_ARRAY(scratch, uint32_t, p->count);
    memcpy(best, p->best_order, p->count * sizeof *best);
    improve(p, best, p->best_is_tight, rounds, scratch);
    for (int order = 0; order < GREEDY_ORDERS; ++order) {
        const uint32_t *start = sorted_order(p, (GreedyOrder)order, scratch);
        for (int tight = 0; tight < 2; ++tight) {
            improve(p, start, tight, rounds / (2 * GREEDY_ORDERS), scratch);
        }
    }
}

/* --- very many blocks: a sweep through time over the blocks alive */

static int64_t sweep(Placer *p, Arena *scratch)
{
    const uint32_t *order = sorted_order(p, BY_TIME, scratch);
    int64_t size = 0;
    uint32_t n_placed = 0;
    for (uint32_t i = 0; i < p->count; ++i) {
        PlanBlock *block = &p->blocks[order[i]];
        uint32_t alive = 0;
        for (uint32_t j = 0; j < n_placed; ++j) {
            if (p->blocks[p->placed[j]].last >= block->first) {
                p->placed[alive++] = p->placed[j];
            }
        }
        n_placed = alive;
        block->offset = find_gap(p, n_placed, block, true);
        insert_placed(p, n_placed++, order[i]);
        if (block->offset + block->bytes > size) {
            size = block->offset + block->bytes;
        }
    }
    return size;
}

int64_t plan_place(PlanBlock *blocks, uint32_t count, int64_t lower_bound, Arena *scratch)
{
    if (count == 0) {
        return 0;
    }
    Placer p = {.blocks = blocks,
                .count = count,
                .lower_bound = lower_bound,
                .placed = ARENA_ARRAY(scratch, uint32_t, count),
                .best = ARENA_ARRAY(scratch, int64_t, count),
                .best_size = INT64_MAX,
                .best_order = ARENA_ARRAY(scratch, uint32_t, count)};
    if (count > ORDERED_LIMIT) {
        return sweep(&p, scratch);
    }
    try_greedy_orders(&p, scratch);
    if (p.best_size > lower_bound && count <= EXACT_LIMIT) {
        search_exactly(&p, scratch);
    }
    if (p.best_size > lower_bound && count > 1) {
        improve_all(&p, scratch);
    }
    for (uint32_t i = 0; i < count; ++i) {
        blocks[i].offset = p.best[i];
    }
    return p.best_size;
}
