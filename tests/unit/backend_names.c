/* cnames: reserved names, and different identifiers for different texts. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "backend/cnames.h"

Test(backend_names, reserved)
{
    static const char *const reserved[] = {
        "int",      "restrict", "constexpr", "nullptr", "class",      "co_await", "char8_t", "and_eq",
        "typename", "std", /* keywords */
        "main",     "exp",      "expf",      "y0",      "j1",         "jn",       "gamma",   "signal",
        "index",    "abs",      "printf",    "malloc",  "memcpy",     "read",                /* functions */
        "size_t",   "uint8_t",  "FILE",      "float_t", "atomic_int", "ssize_t",  "clock_t", /* types */
        "errno",    "stdin",    "stdout",    "environ", "EOF",        "NULL",     "NAN",     "INFINITY",
        "INT_MAX",  "M_PI",     "EPERM",     "SIGINT",  "I",          "true",     "unix",    "linux",
        "min",      "max",      "near",      "far",     "cnn",        "CNN",      "Cnn",     "cnn_status",
        "CNN_OK",   "cnn_x",    "_x",        "_Bool",   "__x",        "a__b"};
    for (size_t i = 0; i < sizeof reserved / sizeof reserved[0]; ++i) {
        cr_assert(cname_is_reserved(str_from(reserved[i])), "%s", reserved[i]);
    }
    static const char *const free_names[] = {
        "resnet50",     "lenet5",       "cnnc",    "image", "probabilities", "logits",     "Int",
        "exps",         "inception_v3", "alexnet", "vgg16", "mobilenet_v1",  "perceptron", "ENET",
        "EfficientNet", "in",           "t"};
    for (size_t i = 0; i < sizeof free_names / sizeof free_names[0]; ++i) {
        cr_assert(!cname_is_reserved(str_from(free_names[i])), "%s", free_names[i]);
    }
}

Test(backend_names, identifiers)
{
    cr_assert(cname_is_identifier(STR("a_1")));
    cr_assert(cname_is_identifier(STR("Z")));
    cr_assert(!cname_is_identifier(STR("")));
    cr_assert(!cname_is_identifier(STR("1a")));
    cr_assert(!cname_is_identifier(STR("a.b")));
    cr_assert(!cname_is_identifier(STR("a b")));
    cr_assert(!cname_is_identifier(STR("gr\xC3\xB6sse")));
}

static void expect_pick(CNames *names, const char *wanted, const char *expected)
{
    Str got = cname_pick(names, str_from(wanted));
    cr_assert(str_equal(got, str_from(expected)), "%s: got " STR_FMT ", expected %s", wanted, STR_ARG(got), expected);
}

Test(backend_names, picks_stay_readable)
{
    Arena *arena = arena_create();
    CNames names = cnames_create(arena);
    expect_pick(&names, "image", "image");
    expect_pick(&names, "image", "image_2");
    expect_pick(&names, "image_2", "image_2_2");
    expect_pick(&names, "a.b", "a_b");
    expect_pick(&names, "a_b", "a_b_2");
    expect_pick(&names, "int", "int_");
    expect_pick(&names, "int_", "int_2");
    expect_pick(&names, "main", "main_");
    expect_pick(&names, "3x3", "n3x3");
    expect_pick(&names, "", "n");
    expect_pick(&names, "..", "n_2");
    expect_pick(&names, "cnn_x", "n_cnn_x");
    expect_pick(&names, "_x", "x");
    expect_pick(&names, "a__b", "a_b_3");
    cr_assert(str_equal(cname_upper(arena, STR("resnet50_v1")), STR("RESNET50_V1")));
    arena_destroy(arena);
}

/* All texts of up to four characters of an alphabet chosen to collide: each gets an identifier of its own, none
 * reserved. */
Test(backend_names, picks_are_injective)
{
    static const char alphabet[] = {'a', '_', '.', '2', 'A', '-'};
    enum { LETTERS = sizeof alphabet, LENGTH = 4 };
    Arena *arena = arena_create();
    CNames names = cnames_create(arena);
    Map *seen = map_create(arena);
    int texts = 0;
    for (int length = 0; length <= LENGTH; ++length) {
        int count = 1;
        for (int i = 0; i < length; ++i) {
            count *= LETTERS;
        }
        for (int code = 0; code < count; ++code, ++texts) {
            char text[LENGTH + 1] = {0};
            for (int i = 0, rest = code; i < length; ++i, rest /= LETTERS) {
                text[i] = alphabet[rest % LETTERS];
            }
            Str name = cname_pick(&names, str_from(text));
            cr_assert(map_put(seen, name, &names), "'%s' shares " STR_FMT, text, STR_ARG(name));
            cr_assert(cname_is_identifier(name) && !cname_is_reserved(name), "'%s': " STR_FMT, text, STR_ARG(name));
        }
    }
    cr_assert_eq(map_count(seen), (size_t)texts);
    arena_destroy(arena);
}

Test(backend_names, same_order_same_names)
{
    Arena *arena = arena_create();
    CNames first = cnames_create(arena), second = cnames_create(arena);
    static const char *const wanted[] = {"x", "x.y", "x_y", "exp", "exp_", "x", "9", "n9"};
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; ++i) {
        cr_assert(str_equal(cname_pick(&first, str_from(wanted[i])), cname_pick(&second, str_from(wanted[i]))));
    }
    arena_destroy(arena);
}

/* Each name of the list stands in it once: a lost blank or comma would join two of them into one that nobody uses. */
Test(backend_names, list_is_well_formed)
{
    static const char *const lines[] = {
#include "backend/reserved.def"
    };
    Arena *arena = arena_create();
    Map *seen = map_create(arena);
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; ++i) {
        cr_assert_lt(strlen(lines[i]), 200u);
        for (const char *at = lines[i]; *at != '\0';) {
            size_t length = strcspn(at, " ");
            Str name = {at, length};
            cr_assert(cname_is_identifier(name), STR_FMT, STR_ARG(name));
            cr_assert_leq(length, 40u);
            cr_assert(map_put(seen, name, seen), STR_FMT " stands twice", STR_ARG(name));
            at += length + (at[length] == ' ');
        }
    }
    cr_assert_gt(map_count(seen), 1500u);
    arena_destroy(arena);
}
