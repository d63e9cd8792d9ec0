/* Every op of the table as generated code: nets/ops_*.net hold all forms of those that conv.net, pool.net, elementwise.net
 * and shape.net do not have, with shapes that no network of the zoo has; and a test that no op is without a net. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>

#include "net_check.h"

static void check_in_parts(const char *name, const char *file)
{
    for (int parts = 1; parts <= 8; ++parts) {
        char folder[64];
        snprintf(folder, sizeof folder, "%s-%d", name, parts);
        net_check(&(NetCheck){.name = folder, .file = file, .parts = parts});
    }
}

Test(every_op, tmp)
{
    check_in_parts("all", "/tmp/ops/all.net");
}
