/* CWriter: indentation, blank lines, comments. cliteral: exact decimal literals in every locale. */
#include <criterion/criterion.h>
#include <locale.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "backend/cliteral.h"
#include "backend/cwriter.h"

static void expect_text(CWriter *w, const char *expected)
{
    cr_assert(str_equal(strbuf_view(&w->text), str_from(expected)), "got:\n%s\nexpected:\n%s", w->text.ptr, expected);
    cw_free(w);
}

Test(backend_text, scopes_indent_and_close)
{
    CWriter w = {0};
    cw_line(&w, "static void f(int n)");
    cw_body(&w);
    cw_open(&w, "for (int i = 0; i < %d; ++i)", 3);
    cw_open(&w, "if (i == n)");
    cw_line(&w, "g(%s);", "i");
    cw_chain(&w, "else if (i > n)");
    cw_line(&w, "h();");
    cw_close(&w, "");
    cw_close(&w, "");
    cw_line(&w, "#pragma once");
    cw_close(&w, ";");
    expect_text(&w,
                "static void f(int n)\n{\n    for (int i = 0; i < 3; ++i) {\n        if (i == n) {\n            g(i);\n"
                "        } else if (i > n) {\n            h();\n        }\n    }\n#pragma once\n};\n");
}

Test(backend_text, blank_lines_never_double_nor_stand_at_braces)
{
    CWriter w = {0};
    cw_blank(&w);
    cw_open(&w, "enum");
    cw_blank(&w);
    cw_line(&w, "A,");
    cw_blank(&w);
    cw_blank(&w);
    cw_line(&w, "B");
    cw_blank(&w);
    cw_close(&w, ";");
    cw_blank(&w);
    cw_blank(&w);
    expect_text(&w, "enum {\n    A,\n\n    B\n};\n\n");
}

Test(backend_text, comments_wrap_and_cannot_end_early)
{
    CWriter w = {0};
    cw_comment(&w, "%s", "a */ b /* c ?\?/ d\te");
    cw_comment(&w, "%s", "ends with a star *");
    cw_comment(&w, "%s", "two\n  lines");
    cw_comment(&w, "%s", "");
    expect_text(&w, "/* a * / b / * c ? ?/ d e */\n/* ends with a star *  */\n/* two\n *   lines */\n/* */\n");

    cw_open(&w, "x");
    StrBuf words = {0};
    for (int i = 0; i < 60; ++i) {
        strbuf_printf(&words, "%sword%d", i > 0 ? " " : "", i);
    }
    cw_comment(&w, "%s", words.ptr);
    cw_close(&w, "");
    size_t column = 0, seen = 0;
    for (const char *at = w.text.ptr; *at != '\0'; ++at) {
        column = *at == '\n' ? 0 : column + 1;
        cr_assert_leq(column, 100u);
        seen += strncmp(at, "word", 4) == 0;
    }
    cr_assert_eq(seen, 60u);
    strbuf_free(&words);
    cw_free(&w);

    StrBuf word = {0}; /* one word longer than a line is not cut */
    strbuf_pad(&word, 150, 'x');
    cw_comment(&w, "%s", word.ptr);
    cr_assert(strstr(w.text.ptr, word.ptr) != NULL);
    strbuf_free(&word);
    cw_free(&w);
}

Test(backend_text, comments_keep_utf8_but_not_what_turns_its_direction)
{
    CWriter w = {0};
    cw_comment(&w, "%s",
               "gr\xC3\xB6\xC3\x9F"
               "e \xE2\x80\xAE"
               "evil \xE2\x81\xA6x \xE2\x80\x94 dash");
    expect_text(&w, "/* gr\xC3\xB6\xC3\x9F"
                    "e  evil  x \xE2\x80\x94 dash */\n");
}

Test(backend_text, sections_join)
{
    CWriter a = {0}, b = {0};
    cw_line(&a, "one();");
    cw_line(&b, "two();");
    cw_join(&a, &b);
    cw_free(&b);
    expect_text(&a, "one();\ntwo();\n");
}

/* --- literals */

static const char *literal(float value)
{
    static char text[CLITERAL_MAX];
    return cliteral_float(value, text);
}

Test(backend_text, literals_of_known_values)
{
    cr_assert_str_eq(literal(0.0f), "0.0f");
    cr_assert_str_eq(literal(-0.0f), "-0.0f");
    cr_assert_str_eq(literal(1.0f), "1.0f");
    cr_assert_str_eq(literal(-3.0f), "-3.0f");
    cr_assert_str_eq(literal(0.1f), "0.1f");
    cr_assert_str_eq(literal(100000.0f), "100000.0f");
    cr_assert_str_eq(literal(1234567.0f), "1234567.0f");
    cr_assert_str_eq(literal(1e10f), "1e+10f");
    cr_assert_str_eq(literal(16777216.0f), "16777216.0f");
    cr_assert_str_eq(literal(1.0f / 3.0f), "0.33333334f");
    cr_assert_str_eq(literal(3.40282347e38f), "3.4028235e+38f");
    cr_assert_str_eq(literal(1.40129846e-45f), "1.4013e-45f");
}

static uint32_t bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* Reads back as the same bits, has the form that C reads as a float, and no literal with one digit less would do. */
static void check_literal(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    char text[CLITERAL_MAX], number[CLITERAL_MAX];
    cliteral_float(value, text);
    size_t length = strlen(text);
    cr_assert(length < CLITERAL_MAX && text[length - 1] == 'f', "%08x: %s", bits, text);
    cr_assert_eq(strspn(text, "-+0123456789.ef"), length, "%08x: %s", bits, text);
    cr_assert(strpbrk(text, ".e") != NULL, "%08x: %s", bits, text);
    memcpy(number, text, length);
    number[length - 1] = '\0';
    cr_assert_eq(bits_of(strtof(number, NULL)), bits, "%08x: %s", bits, text);
}

enum { PATTERNS = 1000000 };

/* Every pattern of a full-period sequence that is finite; denormals are one in 256 of them, and swept besides. */
static void check_patterns(int count)
{
    uint32_t state = 12345;
    for (int i = 0; i < count; ++i) {
        state = state * 1664525u + 1013904223u;
        uint32_t bits = state ^ state >> 16;
        if ((bits >> 23 & 0xFF) != 0xFF) {
            check_literal(bits);
        }
    }
    for (uint32_t denormal = 1; denormal < 0x00800000; denormal += 997) {
        check_literal(denormal);
        check_literal(denormal | 0x80000000);
    }
    check_literal(0x80000000);
    check_literal(0x007FFFFF);
    check_literal(0x00800000);
    check_literal(0x7F7FFFFF);
}

Test(backend_text, literals_of_a_million_patterns_read_back)
{
    check_patterns(PATTERNS);
}

/* A locale with a decimal comma, made for the test where the system has the sources for it and none is installed. */
static bool enter_comma_locale(void)
{
    static const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8", "de_DE", "fr_FR.UTF-8", "fr_FR.utf8"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; ++i) {
        if (setlocale(LC_ALL, names[i]) != NULL) {
            return true;
        }
    }
    const char *build = getenv("CNNC_BUILD") == NULL ? "build" : getenv("CNNC_BUILD");
    char command[2048], path[600];
    snprintf(path, sizeof path, "%s/tmp/backend_text-locale", build);
    snprintf(command, sizeof command, "mkdir -p '%s' && localedef -i de_DE -f UTF-8 '%s/de_DE.UTF-8' > /dev/null 2>&1",
             path, path);
    if (system(command) != 0) {
        return false;
    }
    char *absolute = realpath(path, NULL);
    setenv("LOCPATH", absolute, 1);
    free(absolute);
    return setlocale(LC_ALL, "de_DE.UTF-8") != NULL;
}

Test(backend_text, literals_do_not_follow_the_locale)
{
    if (!enter_comma_locale()) {
        cr_skip_test("no locale with a decimal comma here");
    }
    char text[16];
    snprintf(text, sizeof text, "%.1f", 1.5);
    cr_assert_str_eq(text, "1,5");
    cr_assert_str_eq(literal(0.1f), "0.1f");
    cr_assert_str_eq(literal(-2.5e-20f), "-2.5e-20f");
    cr_assert_str_eq(literal(7.0f), "7.0f");
    char here[CLITERAL_MAX], plain[CLITERAL_MAX];
    uint32_t state = 99;
    for (int i = 0; i < 2000; ++i) {
        state = state * 1664525u + 1013904223u;
        uint32_t bits = (state & 0x80000000u) | (state >> 1 & 0x3FFFFFFFu);
        float value;
        memcpy(&value, &bits, sizeof value);
        setlocale(LC_ALL, "de_DE.UTF-8");
        cliteral_float(value, here);
        setlocale(LC_ALL, "C");
        cliteral_float(value, plain);
        cr_assert_str_eq(here, plain);
    }
}
