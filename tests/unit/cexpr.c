/* Index expressions of generated code: what folds, and what an int cannot hold. */
#include <criterion/criterion.h>

#include <string.h>

#include "backend/cexpr.h"
#include "support/str.h"

static void expect(CExpr expr, const char *text)
{
    cr_assert_str_eq(expr.text, text);
}

Test(cexpr, sums_fold)
{
    expect(cexpr_sum((Term[]){{"ic", 3136}, {"iy", 56}, {"ix", 1}, {NULL, 0}}, 0), "ic * 3136 + iy * 56 + ix");
    expect(cexpr_sum((Term[]){{"oy", 2}, {"ky", 1}, {NULL, 0}}, -1), "oy * 2 + ky - 1");
    expect(cexpr_sum((Term[]){{"a", 0}, {"b", 1}, {NULL, 0}}, 7), "b + 7");
    expect(cexpr_sum((Term[]){{"a", 0}, {NULL, 0}}, 0), "0");
    expect(cexpr_sum((Term[]){{NULL, 0}}, -5), "-5");
    expect(cexpr_sum((Term[]){{"a", -1}, {"b", -3}, {"c", 2}, {NULL, 0}}, 4), "-a - b * 3 + c * 2 + 4");
    expect(cexpr_sum((Term[]){{"a", 5000000000}, {NULL, 0}}, 0), "a * 5000000000");
}

Test(cexpr, quotients_fold)
{
    expect(cexpr_div("tap", 9), "tap / 9");
    expect(cexpr_div("tap", 1), "tap");
    expect(cexpr_mod("tap", 9), "tap % 9");
    expect(cexpr_mod("tap", 1), "0");
    expect(cexpr_at("x", cexpr_sum((Term[]){{"i", 1}, {NULL, 0}}, 2)), "x[i + 2]");
    expect(cexpr_int(-12), "-12");
}

Test(cexpr, appends)
{
    CExpr name = cexpr_format("tile_%dx%d", 1, 14);
    cexpr_append(&name, "%s", "");
    cexpr_append(&name, "_v%d%s", 2, "_p");
    expect(name, "tile_1x14_v2_p");
    CExpr empty = {""};
    cexpr_append(&empty, "%d", 7);
    expect(empty, "7");
}

/* The longest text that a CExpr holds, one character at a time. */
static CExpr longest(void)
{
    CExpr expr = {""};
    for (int i = 0; i < CEXPR_MAX - 1; ++i) {
        cexpr_append(&expr, "%c", 'a' + i % 26);
    }
    return expr;
}

Test(cexpr, holds_up_to_its_end)
{
    CExpr expr = longest();
    cr_assert_eq(strlen(expr.text), CEXPR_MAX - 1);
    cexpr_append(&expr, "%s", "");
    expect(cexpr_format("%s", expr.text), expr.text);
}

/* Nothing is cut silently. */
Test(cexpr, longer_text_is_our_fault, .exit_code = 70)
{
    CExpr expr = longest();
    cexpr_append(&expr, "b");
}

Test(cexpr, longer_format_is_our_fault, .exit_code = 70)
{
    cexpr_format("(%s)", longest().text);
}

Test(cexpr, longer_sum_is_our_fault, .exit_code = 70)
{
    cexpr_sum((Term[]){{longest().text, 1}, {NULL, 0}}, 1);
}

Test(cexpr, index_types)
{
    cr_assert_str_eq(cexpr_index_type(INT32_MAX), "int");
    cr_assert_str_eq(cexpr_index_type((int64_t)INT32_MAX + 1), "ptrdiff_t");
}
