/* Reports for people. */
#ifndef CNNC_REPORT_REPORT_H
#define CNNC_REPORT_REPORT_H

#include "ir/graph.h"
#include "lower/program.h"

/* The table of --summary, of the graph as elaborated: layer path, op, output shape, parameters, MACs; totals,
 * activation memory (program may be NULL: unknown) and weights size. */
void summary_print(const Graph *graph, const Program *program, StrBuf *out);

/* --help-ops, and dsl/OPS.md. */
void ops_help(StrBuf *out);
void ops_markdown(StrBuf *out);

/* dsl/editors/net.vim and net.tmLanguage.json: syntax colouring. */
void editor_vim(StrBuf *out);
void editor_textmate(StrBuf *out);

#endif
