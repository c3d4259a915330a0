/* SPDX-License-Identifier: MIT */
/*
 * text_impl.h - text that is put together in a place of fixed size; for this layer alone.
 *
 * What does not fit is left out; nothing here fails or allocates.
 */
#ifndef EVENTER_LOG_TEXT_IMPL_H
#define EVENTER_LOG_TEXT_IMPL_H

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

struct text {
    char *bytes;
    size_t len;
    size_t max; /* len never exceeds it */
};

static inline void text_add(struct text *t, const char *bytes, size_t len)
{
    size_t fits = len < t->max - t->len ? len : t->max - t->len;
    memcpy(t->bytes + t->len, bytes, fits);
    t->len += fits;
}

static inline void text_add_text(struct text *t, const char *text)
{
    text_add(t, text, strlen(text));
}

static inline __attribute__((format(printf, 2, 3))) void text_addf(struct text *t,
                                                                   const char *format, ...)
{
    char piece[256];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(piece, sizeof(piece), format, args);
    va_end(args);
    if (len > 0)
        text_add(t, piece, (size_t)len < sizeof(piece) ? (size_t)len : sizeof(piece) - 1);
}

/* Append text with what JSON wants escaped, as whole characters; bytes that are no UTF-8 become
 * U+FFFD.  Stops where the next character would not fit. */
void text_add_json(struct text *t, const char *bytes, size_t len);

#endif
