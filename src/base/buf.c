/* SPDX-License-Identifier: MIT */
#include "base/buf.h"

#include "base/alloc.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define BUF_CAPACITY_MIN 256

void buf_init(struct buf *b, size_t max)
{
    *b = (struct buf){.max = max};
}

void buf_free(struct buf *b)
{
    alloc_free(b->bytes);
    buf_init(b, b->max);
}

int buf_grow(struct buf *b, size_t extra)
{
    assert(b->len <= b->capacity && extra > b->capacity - b->len);
    if (extra > b->max - b->len)
        return -ENOSPC;
    size_t wanted = b->len + extra;
    size_t capacity = b->capacity < BUF_CAPACITY_MIN ? BUF_CAPACITY_MIN : b->capacity * 2;
    if (capacity < wanted)
        capacity = wanted;
    if (capacity > b->max)
        capacity = b->max;
    char *bytes = alloc_resize(b->bytes, capacity);
    if (bytes == NULL)
        return -ENOMEM;
    b->bytes = bytes;
    b->capacity = capacity;
    return 0;
}

int buf_appendf(struct buf *b, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int err = buf_vappendf(b, format, args);
    va_end(args);
    return err;
}

int buf_vappendf(struct buf *b, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    size_t room = b->capacity - b->len;
    int needed = vsnprintf(room > 0 ? b->bytes + b->len : NULL, room, format, args);
    int err = needed < 0 ? -EINVAL : 0;
    if (err == 0 && (size_t)needed >= room) { /* vsnprintf(3) wants a byte for its NUL */
        err = buf_reserve(b, (size_t)needed + 1);
        if (err == 0)
            vsnprintf(b->bytes + b->len, (size_t)needed + 1, format, again);
    }
    if (err == 0)
        b->len += (size_t)needed;
    va_end(again);
    return err;
}

void buf_consume(struct buf *b, size_t len)
{
    assert(len <= b->len);
    b->len -= len;
    if (b->len > 0)
        memmove(b->bytes, b->bytes + len, b->len);
}
