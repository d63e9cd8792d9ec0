/* The targets that --target knows. A target is data: selection and emission ask for its properties, never for its name.
 */
#include "lower/program.h"

const Target targets[] = {
    {"portable", "strict C99 for any compiler: plain [C][H][W] arrays, loops that compilers vectorise", 1, 1},
    {NULL, NULL, 0, 0},
};

const Target *target_find(Str name)
{
    for (const Target *target = targets; target->name != NULL; ++target) {
        if (str_equal(name, str_from(target->name))) {
            return target;
        }
    }
    return NULL;
}
