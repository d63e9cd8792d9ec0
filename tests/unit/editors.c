/* dsl/editors/: written from the op table, fresh, and with the words that scanner and elaborator really have. */
#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "frontend/elaborate.h"
#include "report/report.h"
#include "support/file.h"

static void check_fresh(const char *path, void (*write)(StrBuf *))
{
    Arena *arena = arena_create();
    StrBuf text = {0};
    write(&text);
    if (getenv("CNNC_BLESS") != NULL) {
        FILE *file = fopen(path, "wb");
        cr_assert(file != NULL && fwrite(text.ptr, 1, text.len, file) == text.len && fclose(file) == 0);
    }
    Str committed, reason;
    cr_assert(file_read(arena, path, 1 << 24, &committed, &reason), "%s: " STR_FMT, path, STR_ARG(reason));
    cr_assert_str_eq(arena_cstr(arena, committed), text.ptr, "%s is out of date: make bless", path);
    strbuf_free(&text);
    arena_destroy(arena);
}

Test(golden_editors, files_are_fresh)
{
    check_fresh("dsl/editors/net.vim", editor_vim);
    check_fresh("dsl/editors/net.tmLanguage.json", editor_textmate);
}

Test(golden_editors, json_is_json)
{
    static const char *const paths[] = {"dsl/editors/net.tmLanguage.json", "dsl/editors/package.json",
                                        "dsl/editors/language-configuration.json"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; ++i) {
        json_error_t error;
        json_t *json = json_load_file(paths[i], JSON_REJECT_DUPLICATES, &error);
        cr_assert_not_null(json, "%s:%d: %s", paths[i], error.line, error.text);
        json_decref(json);
    }
}

static bool has_word(const char *text, Str word)
{
    for (const char *at = strstr(text, word.ptr); at != NULL; at = strstr(at + 1, word.ptr)) {
        if (strchr(" |(\n", at[-1]) != NULL && strchr(" |)\n", at[word.len]) != NULL) {
            return true;
        }
    }
    return false;
}

Test(golden_editors, every_function_and_op_is_there)
{
    StrBuf vim = {0}, textmate = {0};
    editor_vim(&vim);
    editor_textmate(&textmate);
    size_t n_functions = 0;
    for (Str name = builtin_name_at(0); name.len > 0; name = builtin_name_at(++n_functions)) {
        cr_expect(has_word(vim.ptr, name) && has_word(textmate.ptr, name), STR_FMT, STR_ARG(name));
    }
    cr_assert_gt(n_functions, 10);
    for (int op = 0; op < OP_COUNT; ++op) {
        Str name = str_from(op_info((OpKind)op)->name); /* empty: not to be written by users */
        cr_expect(name.len == 0 || (has_word(vim.ptr, name) && has_word(textmate.ptr, name)), STR_FMT, STR_ARG(name));
    }
    strbuf_free(&vim);
    strbuf_free(&textmate);
}

/* A keyword of the grammar cannot be a variable; and every keyword of the language is in the grammar. */
Test(golden_editors, keywords_are_those_of_the_scanner)
{
    static const char *const keywords[] = {"net", "block", "import", "input",    "output", "return",
                                           "for", "in",    "if",     "else",     "and",    "or",
                                           "not", "as",    "shared", "training", "true",   "false"};
    StrBuf vim = {0};
    editor_vim(&vim);
    for (size_t i = 0; i < sizeof keywords / sizeof keywords[0]; ++i) {
        Arena *arena = arena_create();
        Sources *sources = sources_create(arena);
        Diag *diag = diag_create(arena, sources);
        Str text = arena_printf(arena, "net n { %s = 1 }", keywords[i]);
        frontend_parse_text(arena, sources, diag, STR("t.net"), text, &(FrontendOptions){0});
        cr_expect_gt(diag_errors(diag), 0, "%s is no keyword", keywords[i]);
        cr_expect(has_word(vim.ptr, str_from(keywords[i])), "%s", keywords[i]);
        diag_destroy(diag);
        arena_destroy(arena);
    }
    strbuf_free(&vim);
}
