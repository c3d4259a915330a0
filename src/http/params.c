/* SPDX-License-Identifier: MIT */
#include "http/params.h"

#include "http/http1_char.h"

#include <errno.h>

static const char *skip_blanks(const char *p, const char *end)
{
    while (p < end && http1_char_is_blank(*p))
        p++;
    return p;
}

/* Read the string whose first quote is at p; returns the byte behind its last one, or NULL. */
static const char *read_quoted(const char *p, const char *end, struct param *out)
{
    out->is_quoted = true;
    out->value = ++p;
    while (p < end && *p != '"') {
        if (!http1_char_is(*p, HTTP1_CHAR_FIELD))
            return NULL;
        if (*p == '\\' && end - p > 1 && (p[1] == '"' || p[1] == '\\'))
            p++;
        p++;
    }
    out->value_len = (size_t)(p - out->value);
    return p < end ? p + 1 : NULL;
}

int params_next(const char **at, const char *end, struct param *out)
{
    struct param param = {0};
    const char *p = skip_blanks(*at, end);
    if (p < end && *p != ';')
        return -EINVAL;
    while (p < end && *p == ';')
        p = skip_blanks(p + 1, end);
    if (p == end)
        return 0;
    param.name = p;
    p = http1_char_skip_token(p, end);
    param.name_len = (size_t)(p - param.name);
    if (param.name_len == 0 || p == end || *p++ != '=')
        return -EINVAL;
    if (p < end && *p == '"') {
        p = read_quoted(p, end, &param);
        if (p == NULL)
            return -EINVAL;
    } else {
        param.value = p;
        p = http1_char_skip_token(p, end);
        param.value_len = (size_t)(p - param.value);
        if (param.value_len == 0)
            return -EINVAL;
    }
    *at = p;
    *out = param;
    return 1;
}

bool params_is(const struct param *param, const char *lower)
{
    size_t len = strlen(lower);
    return param->name_len == len && http1_char_equal(param->name, lower, len);
}

size_t params_unquote(const struct param *param, char *out)
{
    size_t to = 0;
    for (size_t i = 0; i < param->value_len; i++) {
        char c = param->value[i];
        if (param->is_quoted && c == '\\' && i + 1 < param->value_len &&
            (param->value[i + 1] == '"' || param->value[i + 1] == '\\'))
            c = param->value[++i];
        out[to++] = c;
    }
    return to;
}
