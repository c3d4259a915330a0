/* SPDX-License-Identifier: MIT */
/*
 * form.h - a body of application/x-www-form-urlencoded, as pairs.
 *
 * Layer: http.  Any thread.  Source: the URL Standard of WHATWG, section 5.1.
 */
#ifndef EVENTER_HTTP_FORM_H
#define EVENTER_HTTP_FORM_H

#include "http/uri.h"

#include "base/arena.h"

#define FORM_PAIRS_MAX URI_QUERY_PAIRS_MAX

/* True if the len bytes at type, a Content-Type, say that a body is such a form. */
bool form_is_type(const char *type, size_t len);

/*
 * Cut the len bytes at body into pairs, in memory of arena; body stays as it is.  Gives them in
 * their order, and how many.  Returns 0, -EINVAL (400) as uri_query_parse(), -E2BIG (413) for more
 * than FORM_PAIRS_MAX, or -ENOMEM.  Cost: O(len), and two blocks of the arena.
 */
int form_parse(const char *body, size_t len, struct arena *arena, struct uri_pair **out_pairs,
               size_t *out_count);

#endif
