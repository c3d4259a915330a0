/* SPDX-License-Identifier: MIT */
/*
 * uri.h - a request's path and query: where they are, what they say once decoded.
 *
 * Layer: http.  Any thread; no allocation.  Source: RFC 3986 sections 2.1, 3.3 and 3.4.
 *
 * '+' means a blank in a query only: that is how HTML forms write one.  In a path it is a plus (RFC
 * 3986 section 3.3), so that /c++/ and /a+b name what they say and no path has a second spelling.
 */
#ifndef EVENTER_HTTP_URI_H
#define EVENTER_HTTP_URI_H

#include <stdbool.h>
#include <stddef.h>

#define URI_QUERY_PAIRS_MAX 1024 /* pairs that a caller should make room for in one query */

struct uri { /* borrows the target it was split from */
    const char *path;
    size_t path_len;   /* never 0 */
    const char *query; /* without the '?'; NULL if there is none */
    size_t query_len;
};

struct uri_pair {      /* points into the text it was parsed from */
    const char *key;   /* NUL-terminated, decoded; may be "" */
    const char *value; /* NUL-terminated, decoded; NULL for a key without '=' */
};

/* Split the len bytes at target (path and query, no fragment).  An empty path becomes "/". */
void uri_split(const char *target, size_t len, struct uri *out);

/*
 * Replace each %XX in the len bytes at text by the byte it means, in place, and put a NUL behind
 * the result: text has room for len + 1 bytes. Returns 0, or -EINVAL (answer 400) for a '%' without
 * two hexadecimal digits and for %00 or a NUL, which would cut the text short for whoever reads it
 * as a string; text is then spoilt and *out_len untouched.
 */
int uri_decode_path(char *text, size_t len, size_t *out_len);

/* As uri_decode_path(), for a key or a value of a query: '+' becomes a blank too. */
int uri_decode_query(char *text, size_t len, size_t *out_len);

/* Return how many pairs uri_query_parse() will find in the len bytes at query. */
size_t uri_query_count(const char *query, size_t len);

/*
 * Cut the len bytes at text (a query or a form, with room for len + 1) at '&' and the first '=' of
 * each piece, and decode in place.  Gives the pairs in their order in pairs (room for pairs_max),
 * and how many in *out_count; empty pieces are none.
 * Returns 0, -EINVAL as uri_decode_path(), or -E2BIG for more than pairs_max pairs; on failure text
 * and pairs are spoilt and *out_count is untouched.  Cost: O(len).
 */
int uri_query_parse(char *text, size_t len, struct uri_pair *pairs, size_t pairs_max,
                    size_t *out_count);

/* Return the first of the count pairs with that key, or NULL.  Cost: O(count). */
const struct uri_pair *uri_query_find(const struct uri_pair *pairs, size_t count, const char *key);

#endif
