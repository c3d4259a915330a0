/* SPDX-License-Identifier: MIT */
/*
 * sse.h - the text of Server-Sent Events.
 *
 * Layer: http.  Any thread.  Source: HTML Standard of WHATWG, section 9.2.6 (event streams).
 */
#ifndef EVENTER_HTTP_SSE_H
#define EVENTER_HTTP_SSE_H

#include "base/buf.h"

#include <stddef.h>
#include <stdint.h>

#define SSE_TYPE "text/event-stream" /* the Content-Type */

struct sse_event {            /* zeroed: an event without data, which browsers pass over */
    const char *type;         /* NUL-terminated, one line; NULL: "message" */
    const char *id;           /* NUL-terminated, one line; NULL: that of before stays */
    const uint32_t *retry_ms; /* how long to wait before connecting again; NULL: as before */
    const char *data;         /* NULL: none; each of its lines (LF, CRLF or CR) is sent as one */
    size_t data_len;
};

/*
 * Append event to out.  Returns 0, -EINVAL (CR or LF in type or id, which would be another field),
 * or as buf_append(); then out is unchanged.  Cost: O(its length).
 */
int sse_append(struct buf *out, const struct sse_event *event);

/* Append a comment of one line, which keeps a connection alive and is no event.  As above. */
int sse_append_comment(struct buf *out, const char *text);

#endif
