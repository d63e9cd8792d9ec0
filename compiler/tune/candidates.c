/* Candidates, stage by stage. Everything that a machine with the target's registers could like is tried; what only
 * repeats others falls out when records are compared (search.c). */
#include "tune/candidates.h"

#include "lower/tiles.h"

const char *tune_stage_name(TuneStage stage)
{
    static const char *const names[STAGE_COUNT] = {"algorithms", "tiles", "order of loops"};
    return names[stage];
}

typedef struct List {
    Arena *arena;
    const Target *target;
    const KernelSizes *sizes;
    Candidates found;
    size_t capacity;
} List;

static void add(List *list, ConvChoice choice)
{
    if (conv_choice_fault(list->target, list->sizes, &choice) != NULL) {
        return;
    }
    Candidates *found = &list->found;
    found->items = arena_grow(list->arena, found->items, found->count, &list->capacity, sizeof *found->items);
    found->items[found->count++] = choice;
}

/* Most pixels of a tile of so many vectors: sums, a set of weights and one value stay in registers. */
static int32_t most_pixels(const Target *target, int32_t vectors)
{
    int32_t pixels = (target->registers - vectors - 1) / vectors;
    return pixels > CHOICE_MOST_SUMS / vectors ? CHOICE_MOST_SUMS / vectors : pixels;
}

static int32_t most_live_tiles(const List *list, int32_t m)
{
    const KernelSizes *s = list->sizes;
    return winograd_live_most(list->target, winograd_points(m, winograd_taps(s->kernel_rows, s->stride_rows)));
}

/* Tiles as the rules of a first try have them. */
static void add_usual(List *list, const ConvChoice *best, KernelFamily family, WinogradTile tile)
{
    enum { BLOCK = 32 };
    ConvChoice choice = {.family = family,
                         .winograd = tile,
                         .vectors = 2,
                         .tile_cols = most_pixels(list->target, 2),
                         .prefetch = best->prefetch};
    choice.block_tiles = is_winograd(family) ? BLOCK : 0;
    if (family == KERNEL_WINOGRAD_LIVE) {
        choice.vectors = 0;
        choice.tile_cols = most_live_tiles(list, tile.rows);
    }
    if (family != best->family || !winograd_tile_equal(tile, best->winograd)) {
        add(list, choice);
    }
}

static void add_algorithms(List *list, const ConvChoice *best)
{
    add_usual(list, best, KERNEL_DIRECT, (WinogradTile){0});
    add_usual(list, best, KERNEL_PLANAR, (WinogradTile){0});
    if (best->family != KERNEL_STRASSEN) {
        add(list, (ConvChoice){.family = KERNEL_STRASSEN});
    }
    for (int32_t m = 2; m <= WINOGRAD_MOST_OUTPUTS; ++m) {
        add_usual(list, best, KERNEL_WINOGRAD, winograd_square(m));
        add_usual(list, best, KERNEL_WINOGRAD_LIVE, winograd_square(m));
    }
}

/* Accumulators from as many as there are registers down to two thirds; planar ones are spilled sooner. */
static void add_tiles(List *list, const ConvChoice *best)
{
    enum { MOST_VECTORS = 4 };
    int32_t planes = (list->sizes->out_channels / list->sizes->groups + list->target->vector_floats - 1) /
                     list->target->vector_floats;
    for (int32_t vectors = 1; vectors <= MOST_VECTORS && vectors <= planes; ++vectors) {
        int32_t most = most_pixels(list->target, vectors);
        static const int32_t parts[] = {6, 5, 4, 3}; /* sixths */
        for (size_t i = 0; i < (best->family == KERNEL_PLANAR ? 4 : 3) && most > 0; ++i) {
            ConvChoice choice = *best;
            choice.vectors = vectors;
            choice.tile_cols = (most * parts[i] + 5) / 6;
            add(list, choice);
        }
    }
}

/* Another m on one of the axes, as images of sides that no m divides may want. */
static void add_oblongs(List *list, const ConvChoice *best)
{
    for (int32_t m = 2; m <= WINOGRAD_MOST_OUTPUTS; ++m) {
        add_usual(list, best, KERNEL_WINOGRAD, (WinogradTile){best->winograd.rows, m});
        add_usual(list, best, KERNEL_WINOGRAD, (WinogradTile){m, best->winograd.cols});
    }
}

/* As many tiles of a chunk as registers hold, and fewer, of which the image may be a whole number. */
static void add_live_tiles(List *list, const ConvChoice *best)
{
    for (int32_t tiles = most_live_tiles(list, best->winograd.rows) + 1; tiles > 0; --tiles) {
        ConvChoice choice = *best;
        choice.tile_cols = tiles;
        add(list, choice);
    }
}

static void add_depthwise_tiles(List *list, const ConvChoice *best)
{
    static const int32_t cols[] = {2, 3, 4, 5, 6, 7, 8, 10, 14};
    for (int32_t rows = 1; rows <= 4 && rows <= list->sizes->out_rows; ++rows) {
        for (size_t i = 0; i < sizeof cols / sizeof cols[0]; ++i) {
            ConvChoice choice = *best;
            choice.tile_rows = rows;
            choice.tile_cols = cols[i];
            if (rows * cols[i] < list->target->registers - 2 && 4 * rows * cols[i] >= list->target->registers) {
                add(list, choice);
            }
        }
    }
}

static void add_grouped_tiles(List *list, const ConvChoice *best)
{
    static const int32_t pixels[] = {2, 3, 4, 6, 7, 8, 10, 14, 20, 28};
    for (size_t i = 0; i < sizeof pixels / sizeof pixels[0]; ++i) {
        ConvChoice choice = *best;
        choice.tile_cols = pixels[i];
        if (pixels[i] < list->target->registers) {
            add(list, choice);
        }
    }
}

static void add_orders(List *list, const ConvChoice *best)
{
    static const int32_t blocks[] = {1, 2, 4, 8, 16}, winograd_blocks[] = {8, 16, 32, 64, 112};
    ConvChoice choice = *best;
    if (best->family == KERNEL_DIRECT) {
        choice.pixels_outer = false;
        choice.block_tiles = 0;
        for (int prefetch = 0; prefetch < 2; ++prefetch) {
            choice.prefetch = prefetch == 1;
            add(list, choice);
        }
        choice.prefetch = false;
        choice.pixels_outer = true;
        for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; ++i) {
            choice.block_tiles = blocks[i];
            add(list, choice);
        }
    } else if (is_winograd(best->family)) {
        for (size_t i = 0; i < sizeof winograd_blocks / sizeof winograd_blocks[0]; ++i) {
            for (int prefetch = 0; prefetch < 2; ++prefetch) {
                choice.block_tiles = winograd_blocks[i];
                choice.prefetch = prefetch == 1;
                add(list, choice);
            }
        }
    }
}

Candidates tune_candidates(Arena *arena, TuneStage stage, const Target *target, const KernelSizes *sizes,
                           const ConvChoice *best)
{
    List list = {.arena = arena, .target = target, .sizes = sizes};
    add(&list, *best);
    switch (stage) {
    case STAGE_ALGORITHM:
        add_algorithms(&list, best);
        break;
    case STAGE_TILE:
        if (best->family == KERNEL_DEPTHWISE) {
            add_depthwise_tiles(&list, best);
        } else if (best->family == KERNEL_GROUPED) {
            add_grouped_tiles(&list, best);
        } else if (best->family == KERNEL_WINOGRAD_LIVE) {
            add_live_tiles(&list, best);
        } else if (best->family != KERNEL_STRASSEN) { /* its tiles are the rules' */
            add_tiles(&list, best);
        }
        if (best->family == KERNEL_WINOGRAD) {
            add_oblongs(&list, best);
        }
        break;
    case STAGE_ORDER:
        add_orders(&list, best);
        break;
    case STAGE_COUNT:
        break;
    }
    return list.found;
}
