/* The networks that cnnc ships: `zoo:VARIANT` on the command line, `--list-zoo`. dsl/zoo/index says which variant is
 * which net of which file, with which settings. */
#ifndef CNNC_ZOO_H
#define CNNC_ZOO_H

#include "options.h"

/* Where options->model is "zoo:VARIANT": puts the shipped file, its net and its settings (those of -D win) in its
 * place, and the variant's name as the name of outputs. Other models stay. Reports an unknown variant, or a zoo that is
 * nowhere. */
bool zoo_resolve(Options *options, Arena *arena, Diag *diag);

/* One line a variant: name, file, settings. Reports to diag, and returns false, where the zoo is not found. */
bool zoo_list(Arena *arena, Diag *diag, StrBuf *out);

#endif
