/* Syntax colouring for editors: Vim's format, and the TextMate format that VS Code, Sublime Text and others read. The
 * names of ops and parameters come from the op table; a test compares dsl/editors/ with what is written here, checks
 * the words against scanner and elaborator, and `make bless` rewrites the files. */
#include "report/report.h"

#include "support/map.h"

static const char statement_words[] = "net block import input output return for in if else training";
static const char operator_words[] = "and or not as shared";
static const char type_words[] = "f32 u8 hwc";
static const char function_words[] = "min max abs floor ceil round int float str len range sqrt log2 make_divisible";

/* Ops as users write them, separated as the format wants it. */
static void append_ops(StrBuf *out, const char *separator)
{
    const char *before = "";
    for (int op = 0; op < OP_COUNT; ++op) {
        const OpInfo *info = op_info((OpKind)op);
        if (info->name[0] != '\0') { /* the others cannot be written in .net */
            strbuf_printf(out, "%s%s", before, info->name);
            before = separator;
        }
    }
}

/* Each parameter's name once, in the order of the table. */
static void append_params(StrBuf *out, const char *separator)
{
    Arena *scratch = arena_create();
    Map *seen = map_create(scratch);
    for (int op = 0; op < OP_COUNT; ++op) {
        for (const OpParam *param = op_info((OpKind)op)->params; param->name != NULL; ++param) {
            if (map_put(seen, str_from(param->name), NULL)) {
                strbuf_printf(out, "%s%s", map_count(seen) > 1 ? separator : "", param->name);
            }
        }
    }
    arena_destroy(scratch);
}

static void append_words(StrBuf *out, const char *words, char separator)
{
    for (; *words != '\0'; ++words) {
        strbuf_char(out, *words == ' ' ? separator : *words);
    }
}

void editor_vim(StrBuf *out)
{
    strbuf_append(out, STR("\" Vim syntax of cnnc's .net language. Written from compiler/ir/ops.def by `make bless`.\n"
                           "if exists(\"b:current_syntax\")\n  finish\nendif\n\n"));
    strbuf_printf(out, "syn keyword netStatement %s\n", statement_words);
    strbuf_printf(out, "syn keyword netOperator %s\n", operator_words);
    strbuf_printf(out, "syn keyword netType %s\n", type_words);
    strbuf_append(out, STR("syn keyword netBoolean true false\nsyn keyword netTodo TODO FIXME contained\n\n"));
    strbuf_append(out, STR("syn match netOp /\\v<("));
    append_ops(out, "|");
    strbuf_append(out, STR(")>/\nsyn match netFunction /\\v<("));
    append_words(out, function_words, '|');
    strbuf_append(out, STR(")>\\ze\\s*\\(/\nsyn match netParameter /\\v<("));
    append_params(out, "|");
    strbuf_append(out, STR(")>\\ze\\s*\\=[^=]/\n"));
    strbuf_append(out, STR("syn match netNumber /\\v<\\d+(\\.\\d+)?([eE][+-]?\\d+)?>/\n"
                           "syn match netPipe /|>/\n"
                           "syn region netString start=/\"/ skip=/\\\\./ end=/\"\\|$/ oneline\n"
                           "syn match netComment /#.*$/ contains=netTodo,@Spell\n\n"));
    strbuf_append(out, STR("hi def link netStatement Statement\nhi def link netOperator Operator\n"
                           "hi def link netPipe Operator\nhi def link netType Type\nhi def link netBoolean Boolean\n"
                           "hi def link netNumber Number\nhi def link netString String\n"
                           "hi def link netComment Comment\nhi def link netTodo Todo\n"
                           "hi def link netOp Function\nhi def link netFunction Function\n"
                           "hi def link netParameter Identifier\n\n"
                           "let b:current_syntax = \"net\"\n"));
}

typedef struct Rule { /* of a TextMate grammar */
    const char *scope;
    const char *before, *words, *after; /* the pattern, as JSON text; words separated by blanks */
} Rule;

static void append_rule(StrBuf *out, const Rule *rule)
{
    strbuf_printf(out, "    {\"name\": \"%s.net\", \"match\": \"%s", rule->scope, rule->before);
    append_words(out, rule->words, '|');
    strbuf_printf(out, "%s\"},\n", rule->after);
}

void editor_textmate(StrBuf *out)
{
    static const Rule rules[] = {
        {"comment.line.number-sign", "#.*$", "", ""},
        {"constant.numeric", "\\\\b[0-9]+(\\\\.[0-9]+)?([eE][+-]?[0-9]+)?\\\\b", "", ""},
        {"constant.language", "\\\\b(", "true false", ")\\\\b"},
        {"keyword.control", "\\\\b(", statement_words, ")\\\\b"},
        {"keyword.operator.word", "\\\\b(", operator_words, ")\\\\b"},
        {"keyword.operator", "\\\\|>|\\\\.\\\\.|==|!=|<=|>=|[-+*/%<>=?:]", "", ""},
        {"storage.type", "\\\\b(", type_words, ")\\\\b"},
        {"support.function.builtin", "\\\\b(", function_words, ")\\\\b(?=\\\\s*\\\\()"},
    };
    strbuf_append(out, STR("{\n  \"//\": \"Written from compiler/ir/ops.def by `make bless`; do not edit.\",\n"
                           "  \"name\": \"cnnc network\",\n  \"scopeName\": \"source.net\",\n"
                           "  \"fileTypes\": [\"net\"],\n  \"patterns\": [\n"));
    strbuf_append(out, STR("    {\"name\": \"string.quoted.double.net\", \"begin\": \"\\\"\", \"end\": \"\\\"|$\",\n"
                           "     \"patterns\": [{\"name\": \"constant.character.escape.net\", "
                           "\"match\": \"\\\\\\\\[\\\"\\\\\\\\nt]\"}]},\n"));
    /* Comments first: nothing in them is coloured otherwise. */
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; ++i) {
        append_rule(out, &rules[i]);
    }
    strbuf_append(out, STR("    {\"name\": \"variable.parameter.net\", \"match\": \"\\\\b("));
    append_params(out, "|");
    strbuf_append(out,
                  STR(")\\\\b(?=\\\\s*=[^=])\"},\n    {\"name\": \"support.function.op.net\", \"match\": \"\\\\b("));
    append_ops(out, "|");
    strbuf_append(out, STR(")\\\\b\"}\n  ]\n}\n"));
}
