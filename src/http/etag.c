/* SPDX-License-Identifier: MIT */
#include "http/etag.h"

#include "http/http1_char.h"

#include <errno.h>

/* RFC 9110 section 8.8.3: visible but the quote, and all from 0x80 on. */
static bool is_opaque(char c)
{
    return c != '"' && !http1_char_is_blank(c) && http1_char_is(c, HTTP1_CHAR_FIELD);
}

const char *etag_read(const char *p, const char *end, struct etag *out)
{
    bool is_weak = end - p >= 2 && p[0] == 'W' && p[1] == '/';
    p += is_weak ? 2 : 0;
    if (p == end || *p != '"')
        return NULL;
    const char *opaque = ++p;
    while (p < end && is_opaque(*p))
        p++;
    if (p == end || *p != '"')
        return NULL;
    *out = (struct etag){.opaque = opaque, .len = (size_t)(p - opaque), .is_weak = is_weak};
    return p + 1;
}

int etag_parse(const char *text, size_t len, struct etag *out)
{
    struct etag etag;
    if (etag_read(text, text + len, &etag) != text + len)
        return -EINVAL;
    *out = etag;
    return 0;
}

bool etag_is_weakly(const struct etag *a, const struct etag *b)
{
    return a->len == b->len && memcmp(a->opaque, b->opaque, a->len) == 0;
}

bool etag_is_strongly(const struct etag *a, const struct etag *b)
{
    return !a->is_weak && !b->is_weak && etag_is_weakly(a, b);
}

bool etag_list_has(const char *list, size_t len, const struct etag *etag,
                   bool (*compare)(const struct etag *a, const struct etag *b))
{
    const char *p = list, *end = list + len;
    while (p < end) {
        struct etag element;
        if (http1_char_is_blank(*p) || *p == ',') { /* elements may be empty: section 5.6.1 */
            p++;
            continue;
        }
        if (*p == '*') /* it stands alone */
            return len == 1;
        p = etag_read(p, end, &element);
        if (p == NULL || (p < end && *p != ',' && !http1_char_is_blank(*p)))
            return false;
        if (etag != NULL && compare(&element, etag))
            return true;
    }
    return false;
}
