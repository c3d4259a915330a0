/* SPDX-License-Identifier: MIT */
/*
 * conditional.h - whether a request's conditions let it be done.
 *
 * Layer: http.  Any thread; no allocation.  Cost: O(the fields' length).
 * Source: RFC 9110 sections 13.1 and 13.2.2.
 */
#ifndef EVENTER_HTTP_CONDITIONAL_H
#define EVENTER_HTTP_CONDITIONAL_H

#include "http/etag.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct conditional_field { /* a field's value, without blanks around */
    const char *text;      /* NULL: the request has none; fields of one name are joined by commas */
    size_t len;
};

struct conditional_request { /* borrowed while it is judged */
    struct conditional_field if_match;
    struct conditional_field if_none_match;
    struct conditional_field if_modified_since;
    struct conditional_field if_unmodified_since;
    struct conditional_field if_range;
    bool is_get;  /* GET */
    bool is_head; /* HEAD */
    bool has_range;
};

struct conditional_state {   /* of what the request is for */
    bool exists;             /* there is a representation; else the rest says nothing */
    bool has_modified;       /* modified_s is known */
    const struct etag *etag; /* NULL: it has none */
    int64_t modified_s;      /* seconds since 1970, as sent in Last-Modified */
    int64_t now_s;           /* the wall's clock */
};

enum conditional_verdict {
    CONDITIONAL_INVALID,
    CONDITIONAL_GO_ON,        /* do it; Range, if there is one, holds */
    CONDITIONAL_IGNORE_RANGE, /* do it, as if there were no Range */
    CONDITIONAL_NOT_MODIFIED, /* answer 304 */
    CONDITIONAL_FAILED        /* answer 412 */
};

/*
 * Judge.  A date that is none is as no field at all; a list of entity-tags that is malformed ends
 * where it is so.  A modification date is a strong validator when its second is over.
 */
enum conditional_verdict conditional_judge(const struct conditional_request *request,
                                           const struct conditional_state *state);

#endif
