/* What a user may read about the ops, both forms written from the op table alone: --help-ops for the terminal, and
 * dsl/OPS.md, which a test compares and `make bless` rewrites. */
#include "report/report.h"

static const char *type_words(ParamType type)
{
    switch (type) {
    case PARAM_INT:
        return "int";
    case PARAM_FLOAT:
        return "float";
    case PARAM_BOOL:
        return "bool";
    case PARAM_PAIR:
        return "int or [h, w]";
    case PARAM_PADS:
        return "int, [h, w] or [top, left, bottom, right]";
    case PARAM_PADS_SAME:
        return "int, [h, w], [top, left, bottom, right] or \"same\"";
    case PARAM_PAD_MODE:
    case PARAM_UPSAMPLE_MODE:
    case PARAM_FLATTEN_ORDER:
        return "string";
    case PARAM_INTS:
        return "list of int";
    case PARAM_FLOATS:
        return "float or list of float";
    case PARAM_TABLE:
        return "list of lists of int";
    }
    ICE("parameter type %d", (int)type);
}

/* "conv(x, channels, kernel, stride=1, ...)" */
static void append_signature(StrBuf *out, const OpInfo *info)
{
    strbuf_printf(out, "%s(%s", info->name,
                  info->max_inputs == OP_ANY ? "a, b, ..."
                  : info->max_inputs == 2    ? "a, b"
                                             : "x");
    for (const OpParam *param = info->params; param->name != NULL; ++param) {
        strbuf_printf(out, ", %s", param->name);
        if (param->fallback != NULL) {
            strbuf_printf(out, "=%s", param->fallback);
        }
    }
    strbuf_char(out, ')');
}

static void append_weights(StrBuf *out, const OpInfo *info, const char *quote)
{
    for (int i = 0; i < 4 && info->weights[i] != ROLE_NONE; ++i) {
        strbuf_printf(out, "%s%s%s%s", i > 0 ? ", " : "", quote, role_name(info->weights[i]), quote);
    }
}

static bool is_written(const OpInfo *info)
{
    return info->name[0] != '\0'; /* the others cannot be written in .net */
}

/* Folds text at blanks to lines of at most 100 columns that begin with `indent` blanks. */
static void append_folded(StrBuf *out, size_t indent, const char *text)
{
    enum { WIDTH = 100 };
    size_t column = 0;
    while (*text != '\0') {
        size_t word = strcspn(text, " ");
        if (column > indent && column + 1 + word > WIDTH) {
            strbuf_char(out, '\n');
            column = 0;
        }
        if (column == 0) {
            strbuf_pad(out, indent, ' ');
            column = indent;
        } else {
            strbuf_char(out, ' ');
            ++column;
        }
        strbuf_append(out, (Str){text, word});
        column += word;
        text += word;
        text += strspn(text, " ");
    }
    strbuf_char(out, '\n');
}

/* "label: text", folded. */
static void append_labelled(StrBuf *out, size_t indent, const char *label, const char *text)
{
    StrBuf line = {0};
    strbuf_printf(&line, "%s: %s", label, text);
    append_folded(out, indent, line.ptr);
    strbuf_free(&line);
}

static void append_bounds(StrBuf *out, const OpParam *param)
{
    bool is_number = param->type == PARAM_INT || param->type == PARAM_PAIR || param->type == PARAM_PADS ||
                     param->type == PARAM_PADS_SAME || param->type == PARAM_INTS;
    if (is_number && param->lo == 1) {
        strbuf_append(out, STR(", at least 1"));
    }
}

void ops_help(StrBuf *out)
{
    strbuf_append(out,
                  STR("Ops of the .net language: x, a, b are tensors; the rest are parameters with their defaults.\n"));
    for (int op = 0; op < OP_COUNT; ++op) {
        const OpInfo *info = op_info((OpKind)op);
        if (!is_written(info)) {
            continue;
        }
        StrBuf signature = {0};
        append_signature(&signature, info);
        strbuf_char(out, '\n');
        append_folded(out, 0, signature.ptr);
        strbuf_free(&signature);
        append_folded(out, 4, info->doc);
        append_folded(out, 4, info->formula);
        append_labelled(out, 4, "shapes", info->shapes);
        if (info->weights[0] != ROLE_NONE) {
            strbuf_append(out, STR("    weights: "));
            append_weights(out, info, "");
            strbuf_char(out, '\n');
        }
        for (const OpParam *param = info->params; param->name != NULL; ++param) {
            append_labelled(out, 6, param->name, param->doc);
        }
        append_labelled(out, 4, "example", info->example);
    }
}

/* In a table cell a bar would end the cell. */
static void append_cell(StrBuf *out, const char *text)
{
    for (; *text != '\0'; ++text) {
        if (*text == '|') {
            strbuf_char(out, '\\');
        }
        strbuf_char(out, *text);
    }
}

static void append_params(StrBuf *out, const OpInfo *info)
{
    if (info->params[0].name == NULL) {
        return;
    }
    strbuf_append(out, STR("\n| parameter | type | default | |\n| --- | --- | --- | --- |\n"));
    for (const OpParam *param = info->params; param->name != NULL; ++param) {
        strbuf_printf(out, "| `%s` | %s", param->name, type_words(param->type));
        append_bounds(out, param);
        if (param->fallback == NULL) {
            strbuf_append(out, STR(" | must be given | "));
        } else {
            strbuf_printf(out, " | `%s` | ", param->fallback);
        }
        append_cell(out, param->doc);
        strbuf_append(out, STR(" |\n"));
    }
}

static void append_section(StrBuf *out, const OpInfo *info)
{
    strbuf_printf(out, "\n## %s\n\n%c%s.\n\n", info->name,
                  info->doc[0] >= 'a' && info->doc[0] <= 'z' ? info->doc[0] - 'a' + 'A' : info->doc[0], info->doc + 1);
    strbuf_append(out, STR("    "));
    append_signature(out, info);
    strbuf_printf(out, "\n\n- Formula: `%s`\n- Shapes: %s.\n", info->formula, info->shapes);
    if (info->weights[0] != ROLE_NONE) {
        strbuf_append(out, STR("- Weights: "));
        append_weights(out, info, "`");
        strbuf_append(out, STR(".\n"));
    }
    strbuf_printf(out, "- Named `%s1`, `%s2`, ... where no `as` names it.\n- Example: `%s`\n", info->stem, info->stem,
                  info->example);
    append_params(out, info);
}

void ops_markdown(StrBuf *out)
{
    strbuf_append(
        out, STR("# Ops of the `.net` language\n\n"
                 "Written from `compiler/ir/ops.def` by `make bless`; do not edit.\n\n"
                 "`x`, `a`, `b` are tensors, `[C,H,W]` (channels, rows, columns) or `[C]`; an op takes them first, "
                 "or through `|>`.\nThen come parameters, by position or by name. In formulas `c` and `o` are "
                 "channels, `i` and `j` row and column\nof the result, `u` and `v` row and column within a "
                 "window. Elements are f32 where nothing else is said.\n\n"));
    const char *before = "";
    for (int op = 0; op < OP_COUNT; ++op) {
        const OpInfo *info = op_info((OpKind)op);
        if (is_written(info)) {
            strbuf_printf(out, "%s[%s](#%s)", before, info->name, info->name);
            before = " ·\n";
        }
    }
    strbuf_char(out, '\n');
    for (int op = 0; op < OP_COUNT; ++op) {
        const OpInfo *info = op_info((OpKind)op);
        if (is_written(info)) {
            append_section(out, info);
        }
    }
}
