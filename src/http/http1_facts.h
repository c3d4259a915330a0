/* SPDX-License-Identifier: MIT */
/*
 * http1_facts.h - what target and fields of a request head mean for its connection and its body.
 *
 * Layer: http, for http1_parse.c.  Any thread; no I/O, no allocation.  Each call returns 0, or the
 * status to answer, with head->reason set.  bytes is the buffer that all spans point into.
 */
#ifndef EVENTER_HTTP_HTTP1_FACTS_H
#define EVENTER_HTTP_HTTP1_FACTS_H

#include "http/http1_parse.h"

struct http1_facts { /* zeroed before the first call */
    struct http1_span transfer_encoding;
    bool has_host_field;
    bool has_authority; /* in the target, where it overrides Host */
    bool has_transfer_encoding;
    bool wants_close;
    bool wants_keep_alive;
    bool wants_upgrade;
    bool wants_continue;
};

/* Set head->reason and return status. */
static inline int http1_facts_refuse(struct http1_head *head, int status, const char *reason)
{
    head->reason = reason;
    return status;
}

/*
 * Split head->target (visible bytes only) into head->path and, in absolute-form, head->host.
 * Source: RFC 9112 section 3.2.
 */
int http1_facts_note_target(const char *bytes, struct http1_facts *facts, struct http1_head *head);

/* False if the length of the name alone shows that field is none of those noted below. */
static inline bool http1_facts_may_note(const struct http1_field *field)
{
    const uint32_t lengths = 1u << 2 | 1u << 4 | 1u << 6 | 1u << 7 | 1u << 10 | 1u << 14 | 1u << 17;
    return field->name.len < 32 && (lengths >> field->name.len & 1) != 0;
}

/* Note field if it bears on framing or on the connection; others are passed over. */
int http1_facts_note_field(const char *bytes, const struct http1_field *field,
                           struct http1_facts *facts, struct http1_head *head);

/* Judge all that was noted once the last field is in, and complete head. */
int http1_facts_judge(const char *bytes, const struct http1_facts *facts, struct http1_head *head);

#endif
