/* Offsets for blocks with lifetimes: no overlap, never below the bound, optimal where that can be known. */
#include "lower/plan.h"

#include <criterion/criterion.h>

enum { ALIGN = 64, MAX_BLOCKS = 64 };

static uint32_t next_random(uint32_t *state, uint32_t bound)
{
    *state = *state * 1664525u + 1013904223u;
    return (uint32_t)(((uint64_t)*state * bound) >> 32);
}

static int64_t checked_place(PlanBlock *blocks, uint32_t count, int32_t n_steps, int64_t *bound)
{
    Arena *scratch = arena_create();
    int32_t peak;
    *bound = plan_lower_bound(blocks, count, n_steps, &peak, scratch);
    int64_t size = plan_place(blocks, count, *bound, scratch);
    arena_destroy(scratch);
    cr_assert_geq(size, *bound);
    int64_t top = 0;
    for (uint32_t i = 0; i < count; ++i) {
        cr_assert_geq(blocks[i].offset, 0);
        cr_assert_eq(blocks[i].offset % ALIGN, 0);
        int64_t end = blocks[i].offset + blocks[i].bytes;
        top = end > top ? end : top;
        for (uint32_t j = 0; j < i; ++j) {
            bool in_time = blocks[i].first <= blocks[j].last && blocks[j].first <= blocks[i].last;
            bool in_memory = blocks[i].offset < blocks[j].offset + blocks[j].bytes && blocks[j].offset < end;
            cr_assert(!(in_time && in_memory), "blocks %u and %u overlap", i, j);
        }
    }
    cr_assert_eq(size, top);
    return size;
}

Test(plan_place, nothing_needs_nothing)
{
    int64_t bound;
    cr_assert_eq(checked_place(NULL, 0, 3, &bound), 0);
    cr_assert_eq(bound, 0);
}

Test(plan_place, bound_is_the_largest_sum_alive)
{
    PlanBlock blocks[] = {{64, 0, 1, 0}, {128, 1, 2, 0}, {256, 3, 3, 0}, {64, 2, 3, 0}};
    Arena *scratch = arena_create();
    int32_t peak;
    cr_assert_eq(plan_lower_bound(blocks, 4, 4, &peak, scratch), 320);
    cr_assert_eq(peak, 3);
    arena_destroy(scratch);
}

Test(plan_place, a_chain_needs_its_two_largest_neighbours)
{
    PlanBlock blocks[] = {{640, 0, 1, 0}, {64, 1, 2, 0}, {512, 2, 3, 0}, {320, 3, 4, 0}, {128, 4, 5, 0}};
    int64_t bound;
    cr_assert_eq(checked_place(blocks, 5, 6, &bound), 832);
}

/* All orders of rising offsets; feasible for a handful of blocks. */
static int64_t brute_force(PlanBlock *blocks, uint32_t count, uint32_t *order, uint32_t depth, int64_t size,
                           int64_t best)
{
    if (depth == count) {
        return size < best ? size : best;
    }
    for (uint32_t i = 0; i < count; ++i) {
        bool used = false;
        for (uint32_t d = 0; d < depth; ++d) {
            used |= order[d] == i;
        }
        if (used) {
            continue;
        }
        int64_t offset = 0;
        for (uint32_t d = 0; d < depth; ++d) {
            const PlanBlock *below = &blocks[order[d]];
            bool in_time = blocks[i].first <= below->last && below->first <= blocks[i].last;
            if (in_time && below->offset + below->bytes > offset) {
                offset = below->offset + below->bytes;
            }
        }
        blocks[i].offset = offset;
        order[depth] = i;
        int64_t top = offset + blocks[i].bytes;
        best = brute_force(blocks, count, order, depth + 1, top > size ? top : size, best);
    }
    return best;
}

Test(plan_place, small_instances_are_solved_exactly)
{
    uint32_t state = 7;
    for (int instance = 0; instance < 300; ++instance) {
        PlanBlock blocks[7], copy[7];
        uint32_t order[7];
        for (int i = 0; i < 7; ++i) {
            int32_t first = (int32_t)next_random(&state, 6);
            blocks[i] =
                (PlanBlock){ALIGN * (1 + next_random(&state, 6)), first, first + (int32_t)next_random(&state, 4), 0};
        }
        memcpy(copy, blocks, sizeof copy);
        int64_t bound;
        int64_t size = checked_place(blocks, 7, 10, &bound);
        int64_t optimum = brute_force(copy, 7, order, 0, 0, INT64_MAX);
        cr_assert_eq(size, optimum, "instance %d: %lld, optimum %lld", instance, (long long)size, (long long)optimum);
    }
}

/* Cuts a full rectangle of steps x memory into blocks: a plan without any gap exists, and is the bound. */
static uint32_t cut(PlanBlock *blocks, uint32_t count, uint32_t wanted, uint32_t *state)
{
    while (count < wanted) {
        PlanBlock *block = &blocks[next_random(state, count)];
        int32_t life = block->last - block->first + 1;
        int64_t units = block->bytes / ALIGN;
        PlanBlock *rest = &blocks[count];
        *rest = *block;
        if (next_random(state, 2) == 0 && life > 1) {
            int32_t at = block->first + (int32_t)next_random(state, (uint32_t)life - 1);
            block->last = at;
            rest->first = at + 1;
            ++count;
        } else if (units > 1) {
            int64_t part = 1 + next_random(state, (uint32_t)units - 1);
            block->bytes = part * ALIGN;
            rest->bytes = (units - part) * ALIGN;
            ++count;
        }
    }
    return count;
}

Test(plan_place, gapless_plans_are_nearly_found)
{
    uint32_t state = 3;
    int64_t sum = 0, sum_of_bounds = 0;
    for (int instance = 0; instance < 60; ++instance) {
        PlanBlock blocks[MAX_BLOCKS];
        int64_t bound;
        blocks[0] = (PlanBlock){ALIGN * 1000, 0, 39, 0};
        uint32_t count = cut(blocks, 1, 6 + next_random(&state, 40), &state);
        int64_t size = checked_place(blocks, count, 40, &bound);
        cr_assert_eq(bound, ALIGN * 1000);
        sum += size;
        sum_of_bounds += bound;
    }
    cr_expect_leq(sum * 100, sum_of_bounds * 105, "%lld for %lld", (long long)sum, (long long)sum_of_bounds);
}

Test(plan_place, random_instances_are_near_the_bound)
{
    uint32_t state = 11;
    int64_t sum = 0, sum_of_bounds = 0;
    for (int instance = 0; instance < 60; ++instance) {
        PlanBlock blocks[MAX_BLOCKS];
        uint32_t count = 2 + next_random(&state, MAX_BLOCKS - 2);
        for (uint32_t i = 0; i < count; ++i) {
            int32_t first = (int32_t)(i / 2);
            int32_t life = (int32_t)next_random(&state, next_random(&state, 8) == 0 ? 20 : 3);
            blocks[i] = (PlanBlock){ALIGN * (1 + next_random(&state, 500)), first, first + life, 0};
        }
        int64_t bound;
        sum += checked_place(blocks, count, MAX_BLOCKS, &bound);
        sum_of_bounds += bound;
    }
    cr_expect_leq(sum * 100, sum_of_bounds * 103, "%lld for %lld", (long long)sum, (long long)sum_of_bounds);
}

Test(plan_place, thousands_of_blocks_take_the_sweep)
{
    enum { COUNT = 20000 };
    PlanBlock *blocks = calloc(COUNT, sizeof *blocks);
    uint32_t state = 5;
    for (int32_t i = 0; i < COUNT; ++i) {
        blocks[i] = (PlanBlock){ALIGN * (1 + next_random(&state, 50)), i, i + 1 + (int32_t)next_random(&state, 3), 0};
    }
    Arena *scratch = arena_create();
    int32_t peak;
    int64_t bound = plan_lower_bound(blocks, COUNT, COUNT + 4, &peak, scratch);
    int64_t size = plan_place(blocks, COUNT, bound, scratch);
    cr_assert_leq(size, 2 * bound);
    for (int32_t i = 0; i < COUNT; ++i) { /* lives are at most 4 steps: only near neighbours can meet */
        for (int32_t j = i > 5 ? i - 5 : 0; j < i; ++j) {
            bool in_time = blocks[i].first <= blocks[j].last && blocks[j].first <= blocks[i].last;
            bool in_memory = blocks[i].offset < blocks[j].offset + blocks[j].bytes &&
                             blocks[j].offset < blocks[i].offset + blocks[i].bytes;
            cr_assert(!(in_time && in_memory));
        }
    }
    arena_destroy(scratch);
    free(blocks);
}

Test(plan_place, same_instance_same_plan)
{
    PlanBlock blocks[2][40];
    uint32_t state = 9;
    for (int i = 0; i < 40; ++i) {
        int32_t first = (int32_t)next_random(&state, 20);
        PlanBlock block = {ALIGN * (1 + next_random(&state, 90)), first, first + (int32_t)next_random(&state, 9), 0};
        blocks[0][i] = blocks[1][i] = block;
    }
    int64_t bound;
    checked_place(blocks[0], 40, 40, &bound);
    checked_place(blocks[1], 40, 40, &bound);
    for (int i = 0; i < 40; ++i) {
        cr_assert_eq(blocks[0][i].offset, blocks[1][i].offset);
    }
}
