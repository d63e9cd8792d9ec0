/* Of the functions that kernels share a file has those that it uses. */
#include <criterion/criterion.h>

#include "backend/cwriter.h"
#include "backend/emit_vector.h"

static const char *const shared[] = {"#define ONE 1\n"
                                     "\n"
                                     "/* One more; see last(). */\n"
                                     "CNN_INLINE int more(int v)\n"
                                     "{\n"
                                     "    return v + ONE;\n"
                                     "}\n"
                                     "\n"
                                     "CNN_INLINE int twice(int v)\n"
                                     "{\n"
                                     "    return more(more(v));\n"
                                     "}\n",
                                     "typedef int whole;\n"
                                     "\n"
                                     "CNN_INLINE whole last(int v)\n"
                                     "{\n"
                                     "    return twice(v) - more(v);\n"
                                     "}\n",
                                     NULL};

/* Whether what is written for these texts has: ONE, more, twice, whole, last. */
static void expect(const char *tiles, const char *kernels, const char *parts)
{
    static const char *const starts[] = {"#define ONE", "int more(", "int twice(", "typedef int whole", "whole last("};
    CWriter w = {0};
    emit_vector_shared(shared, str_from(tiles), str_from(kernels), &w);
    const char *text = w.text.ptr == NULL ? "" : w.text.ptr;
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; ++i) {
        cr_expect_eq(strstr(text, starts[i]) != NULL, parts[i] == 'x', "%s for %s, %s:\n%s", starts[i], tiles, kernels,
                     text);
    }
    cw_free(&w);
}

Test(vector_shared, what_is_used_and_what_that_uses)
{
    expect("", "", "-----");
    expect("", "y = other(x);", "-----");
    expect("", "y = more(x);", "xx---");
    expect("y = more(x);", "", "xx---");
    expect("", "y = twice(x);", "xxx--");
    expect("", "y = last(x);", "xxxxx");
    expect("y = more(x);", "y = twice(x);", "xxx--");
}

Test(vector_shared, a_comment_or_a_longer_name_is_no_use)
{
    expect("", "/* more */ y = more_or_less(x);", "-----");
    expect("", "y = more(x); /* last */", "xx---");
}
