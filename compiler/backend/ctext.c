/* Words and comments of C text, and which names it uses. */
#include "backend/ctext.h"

bool ctext_is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           (unsigned char)c >= 0x80;
}

static CToken token_at(Str text, size_t at)
{
    size_t end = at;
    if (at >= text.len) {
        return (CToken){CTOKEN_OTHER, {text.ptr, 0}};
    }
    if (ctext_is_word(text.ptr[at])) {
        while (end < text.len && ctext_is_word(text.ptr[end])) {
            end++;
        }
        return (CToken){CTOKEN_WORD, {text.ptr + at, end - at}};
    }
    if (at + 1 < text.len && text.ptr[at] == '/' && text.ptr[at + 1] == '*') {
        for (end = at + 4; end < text.len && !(text.ptr[end - 2] == '*' && text.ptr[end - 1] == '/'); ++end) {
        }
        return (CToken){CTOKEN_COMMENT, {text.ptr + at, end - at}};
    }
    return (CToken){CTOKEN_OTHER, {text.ptr + at, 1}};
}

CToken ctext_first(Str text)
{
    return token_at(text, 0);
}

CToken ctext_next(Str text, CToken token)
{
    return token_at(text, (size_t)(token.text.ptr - text.ptr) + token.text.len);
}

bool ctext_uses_name(Str text, Str name)
{
    for (CToken token = ctext_first(text); token.text.len > 0; token = ctext_next(text, token)) {
        if (token.kind == CTOKEN_WORD && str_equal(token.text, name)) {
            return true;
        }
    }
    return false;
}

bool ctext_uses(Str text, const char *name)
{
    return ctext_uses_name(text, str_from(name));
}
