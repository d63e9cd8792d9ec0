/* StrBuf: text that grows at its end. The owner calls strbuf_free; strbuf_view borrows. */
#ifndef CNNC_SUPPORT_STRBUF_H
#define CNNC_SUPPORT_STRBUF_H

#include <stdarg.h>

#include "support/attributes.h"
#include "support/str.h"

typedef struct StrBuf {
    char *ptr; /* NUL after the last byte once anything was written */
    size_t len, capacity;
} StrBuf;

void strbuf_free(StrBuf *buf); /* leaves an empty, usable buffer; {0} is a valid empty buffer */
void strbuf_clear(StrBuf *buf);
void strbuf_append(StrBuf *buf, Str text);
void strbuf_char(StrBuf *buf, char c);
void strbuf_pad(StrBuf *buf, size_t count, char c); /* count times c */
void strbuf_printf(StrBuf *buf, const char *format, ...) PRINTF(2, 3);
void strbuf_vprintf(StrBuf *buf, const char *format, va_list args) PRINTF(2, 0);
Str strbuf_view(const StrBuf *buf);

#endif
