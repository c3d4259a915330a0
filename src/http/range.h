/* SPDX-License-Identifier: MIT */
/*
 * range.h - parts of a body: which ones Range asks for, and how they are sent.
 *
 * Layer: http.  Any thread.  Source: RFC 9110 sections 14.1.2, 14.2, 14.4 and 14.6.
 */
#ifndef EVENTER_HTTP_RANGE_H
#define EVENTER_HTTP_RANGE_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RANGE_COUNT_MAX 16 /* ranges that one request may ask for */

struct range {
    uint64_t first, last; /* bytes, both of them included */
};

/*
 * Read the len bytes at text, the value of a Range field, for a body of size bytes.  Gives the
 * ranges in ascending order, cut at the body's end, those that overlap or touch made one; and how
 * many, at least 1, in *out_count.  Returns 0 (answer 206),
 *   -EINVAL  another unit, malformed, or an empty body: go on as if there were no Range
 *   -ERANGE  no byte of the body is asked for: 416
 *   -E2BIG   more than RANGE_COUNT_MAX are asked for: 416
 * ranges may be spoilt on failure.  No allocation.  Cost: O(len).
 */
int range_parse(const char *text, size_t len, uint64_t size, struct range ranges[RANGE_COUNT_MAX],
                size_t *out_count);

#define RANGE_TEXT_SIZE 70 /* "bytes 1-2/3" with three numbers of 20 digits, and a NUL */

/* Write the Content-Range of range, or that of a 416 (range NULL), for a body of size bytes. */
void range_content_range(const struct range *range, uint64_t size, char out[RANGE_TEXT_SIZE]);

/* ---- multipart/byteranges ---------------------------------------------------------- */

struct range_parts {      /* what all parts of one answer share; borrowed */
    const char *boundary; /* 1 to 70 letters and digits, which are not in the body */
    const char *type;     /* the Content-Type of the whole; NULL: none is sent */
    uint64_t size;        /* of the whole */
};

/*
 * Append what stands before the bytes of range: boundary and head.  Errors as buf_append(), or
 * -EINVAL for a type that is no field value; out is then unchanged.
 */
int range_part_begin(struct buf *out, const struct range_parts *parts, const struct range *range);

/* Append what stands behind the last one. */
int range_parts_end(struct buf *out, const struct range_parts *parts);

/* Return the length of the whole message, for Content-Length.  No allocation. */
uint64_t range_parts_len(const struct range_parts *parts, const struct range *ranges, size_t count);

#endif
