/* SPDX-License-Identifier: MIT */
#include "base/alloc.h"

#include <errno.h>
#include <mtev_str.h>
#include <string.h>

size_t mtev_strlcpy(char *to, const char *from, size_t size)
{
    size_t len = strlen(from);
    if (size > 0) {
        size_t part = len < size ? len : size - 1;
        memcpy(to, from, part);
        to[part] = '\0';
    }
    return len;
}

size_t mtev_strlcat(char *to, const char *from, size_t size)
{
    size_t len = strnlen(to, size);
    return len + mtev_strlcpy(to + len, from, size - len);
}

const char *mtev_strnstrn(const char *needle, int needle_len, const char *haystack,
                          int haystack_len)
{
    if (needle_len < 0 || haystack_len < 0)
        return NULL;
    return memmem(haystack, (size_t)haystack_len, needle, (size_t)needle_len);
}

void *mtev_memmem(const void *haystack, size_t haystack_len, const void *needle, size_t needle_len)
{
    return memmem(haystack, haystack_len, needle, needle_len);
}

char *mtev_strndup(const char *text, size_t len)
{
    return alloc_text_n(text, strnlen(text, len));
}
