/* SPDX-License-Identifier: MIT */
#include "http/form.h"

#include "http/http1_char.h"

#include <errno.h>

bool form_is_type(const char *type, size_t len)
{
    static const char form[] = "application/x-www-form-urlencoded";
    const size_t form_len = sizeof(form) - 1;
    if (len < form_len || !http1_char_equal(type, form, form_len))
        return false;
    return len == form_len || type[form_len] == ';' || http1_char_is_blank(type[form_len]);
}

int form_parse(const char *body, size_t len, struct arena *arena, struct uri_pair **out_pairs,
               size_t *out_count)
{
    size_t count = uri_query_count(body, len), found;
    if (count > FORM_PAIRS_MAX)
        return -E2BIG;
    char *text = arena_alloc(arena, len + 1);
    struct uri_pair *pairs = arena_alloc(arena, (count + 1) * sizeof(*pairs));
    if (text == NULL || pairs == NULL)
        return -ENOMEM;
    if (len > 0)
        memcpy(text, body, len);
    int err = uri_query_parse(text, len, pairs, count, &found);
    if (err != 0)
        return err;
    *out_pairs = pairs;
    *out_count = found;
    return 0;
}
