/* Arithmetic of sizes: quotients rounded up, and totals cut into pieces of nearly equal size. */
#include <criterion/criterion.h>

#include "support/ints.h"

Test(support_ints, rounds_up)
{
    cr_assert_eq(int_div_up(0, 4), 0);
    cr_assert_eq(int_div_up(8, 4), 2);
    cr_assert_eq(int_div_up(9, 4), 3);
    cr_assert_eq(int_align_up(9, 4), 12);
    cr_assert_eq(int_max(-3, 2), 2);
    cr_assert_eq(int_min(-3, 2), -3);
}

Test(support_ints, pieces_differ_by_one_at_most)
{
    for (int64_t total = 1; total <= 60; ++total) {
        for (int64_t most = 1; most <= 20; ++most) {
            Pieces p = pieces_of(total, most);
            cr_assert(p.size <= most && p.wide > 0 && p.wide <= p.count, "%d by %d", (int)total, (int)most);
            cr_assert_eq(p.wide * p.size + (p.count - p.wide) * (p.size - 1), total);
            cr_assert_geq(total, (p.count - 1) * most + 1, "one piece fewer would do");
        }
    }
}
