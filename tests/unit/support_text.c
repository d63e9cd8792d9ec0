/* Arena, text buffers, maps, suggestions: the parts that everything else takes for granted. */
#include <criterion/criterion.h>
#include <stdint.h>
#include <stdio.h>

#include "support/hash.h"
#include "support/map.h"
#include "support/strbuf.h"
#include "support/suggest.h"

/* --- arena */

Test(support_arena, memory_is_zeroed_aligned_and_apart)
{
    Arena *arena = arena_create();
    unsigned char *before = NULL;
    for (size_t i = 0; i < 3000; ++i) {
        size_t bytes = (i * 37) % 300;
        unsigned char *memory = arena_alloc(arena, bytes);
        cr_assert_eq((uintptr_t)memory % _Alignof(max_align_t), 0);
        cr_assert_neq(memory, before);
        for (size_t k = 0; k < bytes; ++k) {
            cr_assert_eq(memory[k], 0, "request %zu, byte %zu", i, k);
        }
        memset(memory, 0xAB, bytes); /* a later request that overlaps would not be zero */
        before = memory;
    }
    arena_destroy(arena);
}

Test(support_arena, large_requests_and_reset)
{
    Arena *arena = arena_create();
    char *small = arena_alloc(arena, 10);
    char *large = arena_alloc(arena, 5000000);
    char *next = arena_alloc(arena, 10);
    memset(large, 1, 5000000);
    cr_assert_eq(next - small, 16, "the chunk in use stays in use");
    arena_reset(arena);
    char *again = arena_alloc(arena, 100);
    for (int i = 0; i < 100; ++i) {
        cr_assert_eq(again[i], 0);
    }
    arena_destroy(arena);
}

Test(support_arena, growing_arrays_keep_their_items)
{
    Arena *arena = arena_create();
    int *items = NULL;
    size_t capacity = 0;
    for (size_t i = 0; i < 1000; ++i) {
        items = arena_grow(arena, items, i, &capacity, sizeof *items);
        cr_assert_gt(capacity, i);
        items[i] = (int)i * 3;
    }
    for (size_t i = 0; i < 1000; ++i) {
        cr_assert_eq(items[i], (int)i * 3);
    }
    arena_destroy(arena);
}

Test(support_arena, impossible_array_ends_with_status_70, .exit_code = 70)
{
    static Arena *volatile arena; /* reachable to the end: no leak */
    arena = arena_create();
    arena_array(arena, SIZE_MAX / 2, 16);
}

Test(support_arena, texts)
{
    Arena *arena = arena_create();
    Str copy = arena_copy(arena, (Str){"abcdef", 3});
    cr_assert(str_equal(copy, STR("abc")));
    cr_assert_eq(copy.ptr[3], '\0');
    cr_assert_str_eq(arena_printf(arena, "%d-%s", 7, "x").ptr, "7-x");
    cr_assert_str_eq(arena_cstr(arena, STR("")), "");
    arena_destroy(arena);
}

/* --- text buffers */

Test(support_strbuf, append_pad_print_clear)
{
    StrBuf buf = {0};
    cr_assert(str_is_empty(strbuf_view(&buf)));
    strbuf_printf(&buf, "%s %d", "n", 5);
    strbuf_pad(&buf, 3, '.');
    strbuf_char(&buf, '!');
    strbuf_append(&buf, STR(""));
    cr_assert_str_eq(buf.ptr, "n 5...!");
    strbuf_clear(&buf);
    cr_assert_eq(buf.len, 0);
    for (int i = 0; i < 5000; ++i) {
        strbuf_printf(&buf, "%d,", i);
    }
    cr_assert_eq(strlen(buf.ptr), buf.len);
    cr_assert_str_eq(buf.ptr + buf.len - 5, "4999,");
    strbuf_free(&buf);
    cr_assert_null(buf.ptr);
}

/* --- maps */

Test(support_map, keeps_the_order_of_insertion)
{
    Arena *arena = arena_create();
    Map *map = map_create(arena);
    static int values[5000];
    cr_assert_not(map_has(map, STR("k1")));
    for (int i = 0; i < 5000; ++i) {
        values[i] = i;
        cr_assert(map_put(map, arena_printf(arena, "k%d", i * 7919 % 5000), &values[i]));
    }
    cr_assert_eq(map_count(map), 5000);
    for (size_t i = 0; i < 5000; ++i) {
        cr_assert_eq(*(int *)map_value_at(map, i), (int)i);
        cr_assert_eq(map_get(map, map_key_at(map, i)), &values[i]);
    }
    cr_assert_null(map_get(map, STR("k5000")));
    arena_destroy(arena);
}

Test(support_map, put_replaces_and_null_values_count)
{
    Arena *arena = arena_create();
    Map *map = map_create(arena);
    int one = 1, two = 2;
    cr_assert(map_put(map, STR(""), &one));
    cr_assert_not(map_put(map, STR(""), &two));
    cr_assert_eq(map_get(map, STR("")), &two);
    cr_assert(map_put(map, STR("none"), NULL));
    cr_assert(map_has(map, STR("none")));
    cr_assert_eq(map_count(map), 2);
    arena_destroy(arena);
}

Test(support_hash, published_values)
{
    cr_assert_eq(hash_fnv1a_32(STR("")), 0x811c9dc5u);
    cr_assert_eq(hash_fnv1a_32(STR("a")), 0xe40c292cu);
    cr_assert_eq(hash_fnv1a_64(STR("foobar")), 0x85944171f73967e8u);
}

/* --- suggestions */

static const char *suggest(const char *wanted, const char *const *names)
{
    Suggest state = suggest_start(str_from(wanted));
    for (; *names != NULL; ++names) {
        suggest_consider(&state, str_from(*names));
    }
    return state.best.len == 0 ? "" : state.best.ptr;
}

Test(support_suggest, nearest_name)
{
    static const char *const ops[] = {"conv", "conv_transpose", "dense",   "batch_norm", "max_pool", "avg_pool",
                                      "relu", "relu6",          "softmax", "x",          NULL};
    cr_assert_str_eq(suggest("covn", ops), "conv", "neighbours swapped");
    cr_assert_str_eq(suggest("batchnorm", ops), "batch_norm");
    cr_assert_str_eq(suggest("BatchNorm", ops), "batch_norm", "case costs little");
    cr_assert_str_eq(suggest("maxpool", ops), "max_pool");
    cr_assert_str_eq(suggest("Relu", ops), "relu");
    cr_assert_str_eq(suggest("rely", ops), "relu");
    cr_assert_str_eq(suggest("attention", ops), "", "nothing is near");
    cr_assert_str_eq(suggest("y", ops), "", "no letter in common");
    cr_assert_str_eq(suggest("relu", ops), "relu6", "never the name itself");
    cr_assert_str_eq(suggest("", ops), "");
}

Test(support_suggest, ties_keep_the_earlier_and_long_names_are_left)
{
    static const char *const names[] = {"bat", "cat", NULL};
    cr_assert_str_eq(suggest("rat", names), "bat");
    char name[200];
    memset(name, 'a', sizeof name);
    name[199] = '\0';
    const char *const one[] = {name, NULL};
    cr_assert_str_eq(suggest(name + 1, one), "");
}
