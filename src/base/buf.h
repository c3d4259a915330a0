/* SPDX-License-Identifier: MIT */
/*
 * buf.h - a growing run of bytes that states the most it may become.
 *
 * Layer: base.  Not thread safe.  A buf is embedded; buf_init() makes it empty without allocating.
 */
#ifndef EVENTER_BASE_BUF_H
#define EVENTER_BASE_BUF_H

#include <stdarg.h>
#include <stddef.h>
#include <string.h>

struct buf {
    char *bytes;     /* owned; NULL while capacity is 0; not NUL-terminated */
    size_t len;      /* bytes in use */
    size_t capacity; /* bytes allocated */
    size_t max;      /* len never exceeds this */
};

/* Make b empty, never to hold more than max bytes.  No allocation. */
void buf_init(struct buf *b, size_t max);

/* Give the memory back; b is as after buf_init(). */
void buf_free(struct buf *b);

/* What buf_reserve() does where there is no room. */
int buf_grow(struct buf *b, size_t extra);

/*
 * Make room for extra more bytes behind len.  Returns 0, -ENOSPC (past max) or -ENOMEM; on failure
 * b is unchanged.  Capacity at least doubles, so appending is O(1) a byte.
 */
static inline int buf_reserve(struct buf *b, size_t extra)
{
    return __builtin_expect(extra <= b->capacity - b->len, 1) ? 0 : buf_grow(b, extra);
}

/* Append the len bytes at bytes.  Errors as buf_reserve(). */
static inline int buf_append(struct buf *b, const void *bytes, size_t len)
{
    int err = buf_reserve(b, len);
    if (err != 0)
        return err;
    if (len > 0)
        memcpy(b->bytes + b->len, bytes, len);
    b->len += len;
    return 0;
}

/* Append as printf(3).  Errors as buf_reserve(). */
int buf_appendf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
int buf_vappendf(struct buf *b, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

/* Drop the first len bytes (len <= b->len); the rest moves to the front. */
void buf_consume(struct buf *b, size_t len);

#endif
