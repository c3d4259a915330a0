/* SPDX-License-Identifier: MIT */
/*
 * cookie.h - cookies: those of a request, and Set-Cookie.
 *
 * Layer: http.  Any thread.  Source: RFC 6265 sections 4.1 and 4.2, and draft-ietf-httpbis-
 * rfc6265bis sections 4.1.2.7 (SameSite) and 4.1.3 (names with a prefix).
 */
#ifndef EVENTER_HTTP_COOKIE_H
#define EVENTER_HTTP_COOKIE_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COOKIE_COUNT_MAX 180  /* cookies of one request; browsers keep as many for a site */
#define COOKIE_SIZE_MAX  4096 /* name, value and attributes that browsers take: section 6.1 */

struct cookie { /* points into the field it was read from; not NUL-terminated */
    const char *name;
    size_t name_len;
    const char *value; /* as sent, with its quotes if it has any */
    size_t value_len;
};

/*
 * Cut the len bytes at field, the value of Cookie, into cookies (room for cookies_max), in their
 * order.  What is no cookie (a name that is no token, no '=', a control character) is passed over,
 * as the others may be all right.  Returns 0, or -E2BIG for more than cookies_max.  No allocation;
 * cost: O(len).
 */
int cookie_parse(const char *field, size_t len, struct cookie *cookies, size_t cookies_max,
                 size_t *out_count);

/*
 * Return the first of the count cookies with that name (their case matters), or NULL.  Several may
 * have one name: the first is that of the longest path.
 */
const struct cookie *cookie_find(const struct cookie *cookies, size_t count, const char *name);

enum cookie_same_site {
    COOKIE_SAME_SITE_UNSAID,
    COOKIE_SAME_SITE_STRICT,
    COOKIE_SAME_SITE_LAX,
    COOKIE_SAME_SITE_NONE
};

struct cookie_attributes {    /* zeroed: a cookie of the session, for this host and this folder */
    const char *path;         /* NULL: not said */
    const char *domain;       /* NULL: not said */
    const int64_t *max_age_s; /* NULL: not said; 0 or less: forget it */
    const int64_t *expires_s; /* NULL: not said; seconds since 1970 */
    enum cookie_same_site same_site;
    bool is_secure;
    bool is_http_only;
};

/*
 * Append the value of a Set-Cookie field to out.  name and value are NUL-terminated, and sent as
 * they are.  Returns 0, -EINVAL (a name, value, path or domain with a byte that may not stand
 * there; a date past the year 9999; SameSite=None or a name with __Secure- that is not Secure; one
 * with
 * __Host- that is not Secure, or has another path than / or a domain), -E2BIG (more than
 * COOKIE_SIZE_MAX bytes), or as buf_append(); then out is unchanged.
 */
int cookie_append(struct buf *out, const char *name, const char *value,
                  const struct cookie_attributes *attributes);

#endif
