/* Evaluating ops and recipes over literals of the .net file. Trained weights never enter: code does not depend on them.
 */
#ifndef CNNC_PASSES_LITERAL_H
#define CNNC_PASSES_LITERAL_H

#include "ir/graph.h"

/* A node whose value is known now: CONST_VALUES. */
bool literal_is(const Node *node);
/* True where the op or the recipe can be evaluated now: all its data are literals, and there are few of them. */
bool literal_can_evaluate(const Node *node);
/* The values, in `scratch`; type_elements(node->type) of them. literal_can_evaluate must hold. */
double *literal_evaluate(const Node *node, Arena *scratch);

#endif
