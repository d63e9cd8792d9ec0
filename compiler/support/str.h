/* Str: a borrowed run of bytes, not NUL-terminated. Whoever made the bytes owns them (mostly an Arena). */
#ifndef CNNC_SUPPORT_STR_H
#define CNNC_SUPPORT_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

typedef struct Str {
    const char *ptr;
    size_t len;
} Str;

#define STR(literal) ((Str){"" literal, sizeof(literal) - 1}) /* of a string literal */
#define STR_FMT "%.*s"                                        /* printf("x " STR_FMT, STR_ARG(s)) */
#define STR_ARG(s) (int)(s).len, (s).ptr

static inline Str str_from(const char *text)
{
    return (Str){text, strlen(text)};
}

static inline bool str_equal(Str a, Str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool str_is_empty(Str s)
{
    return s.len == 0;
}

static inline bool str_starts_with(Str text, Str start)
{
    return text.len >= start.len && str_equal((Str){text.ptr, start.len}, start);
}

static inline bool str_ends_with(Str text, Str end)
{
    return text.len >= end.len && str_equal((Str){text.ptr + (text.len - end.len), end.len}, end);
}

/* "model.c" -> "model" for ".c"; a text that is nothing but the suffix, or ends otherwise, stays. */
static inline Str str_without_suffix(Str text, Str suffix)
{
    bool has = text.len > suffix.len && str_ends_with(text, suffix);
    return has ? (Str){text.ptr, text.len - suffix.len} : text;
}

#endif
