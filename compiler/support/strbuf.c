/* StrBuf: growth by doubling; one byte more than the text is always there for the NUL. */
#include "support/strbuf.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static void reserve(StrBuf *buf, size_t more)
{
    if (more >= SIZE_MAX / 2 - buf->len) {
        out_of_memory();
    }
    size_t needed = buf->len + more + 1;
    if (needed <= buf->capacity) {
        return;
    }
    size_t capacity = buf->capacity < 64 ? 64 : buf->capacity;
    while (capacity < needed) {
        capacity *= 2;
    }
    char *larger = realloc(buf->ptr, capacity);
    if (larger == NULL) {
        out_of_memory();
    }
    buf->ptr = larger;
    buf->capacity = capacity;
}

void strbuf_free(StrBuf *buf)
{
    free(buf->ptr);
    *buf = (StrBuf){0};
}

void strbuf_clear(StrBuf *buf)
{
    buf->len = 0;
    if (buf->ptr != NULL) {
        buf->ptr[0] = '\0';
    }
}

void strbuf_append(StrBuf *buf, Str text)
{
    reserve(buf, text.len);
    if (text.len > 0) {
        memcpy(buf->ptr + buf->len, text.ptr, text.len);
    }
    buf->len += text.len;
    buf->ptr[buf->len] = '\0';
}

void strbuf_char(StrBuf *buf, char c)
{
    strbuf_append(buf, (Str){&c, 1});
}

void strbuf_pad(StrBuf *buf, size_t count, char c)
{
    reserve(buf, count);
    memset(buf->ptr + buf->len, c, count);
    buf->len += count;
    buf->ptr[buf->len] = '\0';
}

void strbuf_printf(StrBuf *buf, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    strbuf_vprintf(buf, format, args);
    va_end(args);
}

void strbuf_vprintf(StrBuf *buf, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (length < 0) {
        ICE("strbuf_printf cannot format '%s'", format);
    }
    reserve(buf, (size_t)length);
    vsnprintf(buf->ptr + buf->len, (size_t)length + 1, format, args);
    buf->len += (size_t)length;
}

Str strbuf_view(const StrBuf *buf)
{
    return buf->len == 0 ? STR("") : (Str){buf->ptr, buf->len};
}
