/* SPDX-License-Identifier: MIT */
#include "http/cookie.h"

#include "http/date.h"
#include "http/http1_char.h"

#include <errno.h>

/* ---- Cookie ----------------------------------------------------------------------- */

/* Read the cookie in [p, end), without blanks around; false: it is none. */
static bool read_cookie(const char *p, const char *end, struct cookie *out)
{
    const char *mark = http1_char_skip_token(p, end);
    if (mark == p || mark == end || *mark != '=')
        return false;
    const char *value = mark + 1;
    if (http1_char_skip_field(value, end) != end)
        return false;
    *out = (struct cookie){p, (size_t)(mark - p), value, (size_t)(end - value)};
    return true;
}

int cookie_parse(const char *field, size_t len, struct cookie *cookies, size_t cookies_max,
                 size_t *out_count)
{
    size_t count = 0;
    const char *end = field + len;
    for (const char *p = field; p < end;) {
        struct cookie cookie;
        const char *mark = memchr(p, ';', (size_t)(end - p));
        const char *last = mark != NULL ? mark : end;
        while (p < last && http1_char_is_blank(*p))
            p++;
        while (last > p && http1_char_is_blank(last[-1]))
            last--;
        if (read_cookie(p, last, &cookie)) {
            if (count == cookies_max)
                return -E2BIG;
            cookies[count++] = cookie;
        }
        p = mark != NULL ? mark + 1 : end;
    }
    *out_count = count;
    return 0;
}

const struct cookie *cookie_find(const struct cookie *cookies, size_t count, const char *name)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < count; i++) {
        if (cookies[i].name_len == len && memcmp(cookies[i].name, name, len) == 0)
            return &cookies[i];
    }
    return NULL;
}

/* ---- Set-Cookie ------------------------------------------------------------------- */

static bool is_token(const char *text)
{
    const char *end = text + strlen(text);
    return text < end && http1_char_skip_token(text, end) == end;
}

/* *cookie-octet, or the same in quotes: RFC 6265 section 4.1.1. */
static bool is_value(const char *text)
{
    size_t len = strlen(text);
    if (len >= 2 && text[0] == '"' && text[len - 1] == '"') {
        text++;
        len -= 2;
    }
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (c <= ' ' || c >= 0x7f || c == '"' || c == ',' || c == ';' || c == '\\')
            return false;
    }
    return true;
}

static bool is_path(const char *text)
{
    for (const char *p = text; *p != '\0'; p++) {
        if (*p < ' ' || *p >= 0x7f || *p == ';')
            return false;
    }
    return *text == '/'; /* anything else means the folder of the request: section 5.2.4 */
}

static bool is_domain(const char *text)
{
    for (const char *p = text; *p != '\0'; p++) {
        bool is_letter = (*p | 0x20) >= 'a' && (*p | 0x20) <= 'z';
        if (!is_letter && (*p < '0' || *p > '9') && *p != '-' && *p != '.')
            return false;
    }
    return *text != '\0';
}

/* What browsers drop without a word, so that a cookie that cannot live is told of here. */
static bool keeps_promises(const char *name, const struct cookie_attributes *attributes)
{
    if (attributes->is_secure) {
        return strncmp(name, "__Host-", 7) != 0 ||
               (attributes->domain == NULL && attributes->path != NULL &&
                strcmp(attributes->path, "/") == 0);
    }
    return attributes->same_site != COOKIE_SAME_SITE_NONE && strncmp(name, "__Secure-", 9) != 0 &&
           strncmp(name, "__Host-", 7) != 0;
}

static int append_attributes(struct buf *out, const struct cookie_attributes *attributes)
{
    static const char *const same_sites[] = {"", "; SameSite=Strict", "; SameSite=Lax",
                                             "; SameSite=None"};
    char date[DATE_LEN + 1];
    int err = 0;
    if (attributes->expires_s != NULL) {
        if (date_write(*attributes->expires_s, date) != 0)
            return -EINVAL;
        err = buf_appendf(out, "; Expires=%s", date);
    }
    if (err == 0 && attributes->max_age_s != NULL)
        err = buf_appendf(out, "; Max-Age=%jd", (intmax_t)*attributes->max_age_s);
    if (err == 0 && attributes->domain != NULL)
        err = buf_appendf(out, "; Domain=%s", attributes->domain);
    if (err == 0 && attributes->path != NULL)
        err = buf_appendf(out, "; Path=%s", attributes->path);
    if (err == 0)
        err = buf_appendf(out, "%s%s%s", attributes->is_secure ? "; Secure" : "",
                          attributes->is_http_only ? "; HttpOnly" : "",
                          same_sites[attributes->same_site]);
    return err;
}

int cookie_append(struct buf *out, const char *name, const char *value,
                  const struct cookie_attributes *attributes)
{
    const size_t start = out->len;
    if (!is_token(name) || !is_value(value) || !keeps_promises(name, attributes) ||
        (attributes->path != NULL && !is_path(attributes->path)) ||
        (attributes->domain != NULL && !is_domain(attributes->domain)))
        return -EINVAL;
    int err = buf_appendf(out, "%s=%s", name, value);
    if (err == 0)
        err = append_attributes(out, attributes);
    if (err == 0 && out->len - start > COOKIE_SIZE_MAX)
        err = -E2BIG;
    if (err != 0)
        out->len = start;
    return err;
}
