/* SPDX-License-Identifier: MIT */
/*
 * etag.h - entity-tags: what they say, and whether two are one.
 *
 * Layer: http.  Any thread; no allocation.  Source: RFC 9110 section 8.8.3.
 */
#ifndef EVENTER_HTTP_ETAG_H
#define EVENTER_HTTP_ETAG_H

#include <stdbool.h>
#include <stddef.h>

struct etag {           /* points into the text it was read from */
    const char *opaque; /* without the quotes; not NUL-terminated */
    size_t len;
    bool is_weak;
};

/*
 * Read the entity-tag that starts at p and ends at or before end.  Returns the first byte behind
 * it, or NULL: there is none; *out is then untouched.
 */
const char *etag_read(const char *p, const char *end, struct etag *out);

/* Read the len bytes at text, which are one entity-tag and nothing else.  0 or -EINVAL. */
int etag_parse(const char *text, size_t len, struct etag *out);

/* Whether the two are equal and none is weak; and whether they are equal, weak or not. */
bool etag_is_strongly(const struct etag *a, const struct etag *b);
bool etag_is_weakly(const struct etag *a, const struct etag *b);

/*
 * True if the len bytes at list are "*", or a list with an entity-tag that compares as one with
 * etag (NULL: there is none, and only "*" matches).  What follows an element that is none is not
 * looked at.  Cost: O(len).
 */
bool etag_list_has(const char *list, size_t len, const struct etag *etag,
                   bool (*compare)(const struct etag *a, const struct etag *b));

#endif
