/* SPDX-License-Identifier: MIT */
#include "http/uri.h"

#include "http/http1_char.h"

#include <errno.h>
#include <string.h>

void uri_split(const char *target, size_t len, struct uri *out)
{
    const char *mark = len > 0 ? memchr(target, '?', len) : NULL;
    *out = (struct uri){.path = target, .path_len = len};
    if (mark != NULL) {
        out->path_len = (size_t)(mark - target);
        out->query = mark + 1;
        out->query_len = len - out->path_len - 1;
    }
    if (out->path_len == 0) { /* RFC 9110 section 4.2.3 */
        out->path = "/";
        out->path_len = 1;
    }
}

static int decode(char *text, size_t len, bool is_query, size_t *out_len)
{
    size_t to = 0;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (c == '%') {
            int high = len - i > 2 ? http1_char_hex(text[i + 1]) : -1;
            int low = len - i > 2 ? http1_char_hex(text[i + 2]) : -1;
            if (high < 0 || low < 0)
                return -EINVAL;
            c = (char)(high << 4 | low);
            i += 2;
        } else if (c == '+' && is_query) {
            c = ' ';
        }
        if (c == '\0')
            return -EINVAL;
        text[to++] = c;
    }
    text[to] = '\0';
    *out_len = to;
    return 0;
}

int uri_decode_path(char *text, size_t len, size_t *out_len)
{
    return decode(text, len, false, out_len);
}

int uri_decode_query(char *text, size_t len, size_t *out_len)
{
    return decode(text, len, true, out_len);
}

size_t uri_query_count(const char *query, size_t len)
{
    size_t count = 0;
    for (size_t i = 0; i < len; i++)
        count += query[i] != '&' && (i == 0 || query[i - 1] == '&');
    return count;
}

/* Decode the piece in [text, text + len), whose end may be overwritten by a NUL. */
static int decode_pair(char *text, size_t len, struct uri_pair *out)
{
    size_t ignored;
    char *mark = memchr(text, '=', len);
    size_t key_len = mark != NULL ? (size_t)(mark - text) : len;
    *out = (struct uri_pair){.key = text, .value = mark != NULL ? mark + 1 : NULL};
    if (mark != NULL && uri_decode_query(mark + 1, len - key_len - 1, &ignored) != 0)
        return -EINVAL;
    return uri_decode_query(text, key_len, &ignored);
}

int uri_query_parse(char *text, size_t len, struct uri_pair *pairs, size_t pairs_max,
                    size_t *out_count)
{
    size_t count = 0;
    for (size_t start = 0, end; start < len; start = end + 1) {
        char *mark = memchr(text + start, '&', len - start);
        end = mark != NULL ? (size_t)(mark - text) : len;
        if (end == start)
            continue;
        if (count == pairs_max)
            return -E2BIG;
        if (decode_pair(text + start, end - start, &pairs[count]) != 0)
            return -EINVAL;
        count++;
    }
    *out_count = count;
    return 0;
}

const struct uri_pair *uri_query_find(const struct uri_pair *pairs, size_t count, const char *key)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(pairs[i].key, key) == 0)
            return &pairs[i];
    }
    return NULL;
}
