/* C text as words: which names a text uses. */
#include <criterion/criterion.h>

#include "backend/ctext.h"

Test(ctext, uses_whole_words_outside_of_comments)
{
    Str text = STR("static void f(int n) /* g(n) */ { x_y(n + 1); }");
    cr_assert(ctext_uses(text, "f"));
    cr_assert(ctext_uses(text, "x_y"));
    cr_assert(ctext_uses_name(text, STR("n")));
    cr_assert(!ctext_uses(text, "g"), "in a comment");
    cr_assert(!ctext_uses(text, "x"), "part of a longer word");
    cr_assert(!ctext_uses(STR(""), "f"));
}

Test(ctext, tokens_are_the_whole_text)
{
    static const char *const texts[] = {"a/**/b", "/* open", "a / b", "*/ \xc3\xa4z1 ;", "/*/ c */d", "/"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; ++i) {
        Str text = str_from(texts[i]);
        size_t len = 0;
        for (CToken token = ctext_first(text); token.text.len > 0; token = ctext_next(text, token)) {
            cr_assert_eq(token.text.ptr, text.ptr + len);
            len += token.text.len;
        }
        cr_assert_eq(len, text.len, "%s", texts[i]);
    }
}

Test(ctext, kinds)
{
    CToken token = ctext_first(STR("w1/* c */+"));
    cr_assert_eq(token.kind, CTOKEN_WORD);
    Str text = STR("/* c */+");
    token = ctext_first(text);
    cr_assert_eq(token.kind, CTOKEN_COMMENT);
    cr_assert_eq(token.text.len, 7);
    cr_assert_eq(ctext_next(text, token).kind, CTOKEN_OTHER);
}
