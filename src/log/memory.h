/* SPDX-License-Identifier: MIT */
/*
 * memory.h - the last lines that were said, kept in memory.
 *
 * Layer: log, for this layer alone.  Any thread; a lock of its own, held for a copy.  All memory is
 * taken at the start.
 */
#ifndef EVENTER_LOG_MEMORY_H
#define EVENTER_LOG_MEMORY_H

#include <stddef.h>
#include <stdint.h>
#include <sys/time.h>

#define MEMORY_LINES_MAX 1000000
#define MEMORY_BYTES_MAX ((size_t)1 << 30)

struct memory;

struct memory_line {
    uint64_t index; /* 0 for the first one ever */
    struct timeval when;
    size_t start; /* in the bytes that it is kept in */
    size_t len;
};

/*
 * Make a place for up to lines lines of up to bytes bytes together (each from 1 to its maximum);
 * the caller owns it.  0 or -ENOMEM.
 */
int memory_new(size_t lines, size_t bytes, struct memory **out);
void memory_free(struct memory *m);

/* Keep a line (cut to what there is room for); the oldest ones go where that is needed. */
void memory_add(struct memory *m, const struct timeval *when, const char *text, size_t len);

/* Which lines are wanted. */
struct memory_range {
    uint64_t first, end; /* those with an index from first on, and before end */
    size_t count;        /* of these the newest, at most so many */
};

/*
 * Copy lines, oldest first: the caller owns *ret_lines and *ret_bytes, which their starts refer to.
 * Returns how many, or -ENOMEM.
 */
int64_t memory_copy(struct memory *m, const struct memory_range *range,
                    struct memory_line **ret_lines, char **ret_bytes);

/* Give the index of the oldest line, and of the one that comes next. */
void memory_span(struct memory *m, uint64_t *first, uint64_t *end);

#endif
