/* SPDX-License-Identifier: MIT */
/*
 * params.h - the parameters behind a field's value: ; name=token; name="quoted string".
 *
 * Layer: http.  Any thread; no allocation.  Source: RFC 9110 sections 5.6.4 and 5.6.6.
 */
#ifndef EVENTER_HTTP_PARAMS_H
#define EVENTER_HTTP_PARAMS_H

#include <stdbool.h>
#include <stddef.h>

struct param { /* points into the text it was read from */
    const char *name;
    size_t name_len;
    const char *value; /* without the quotes; escapes are as they were */
    size_t value_len;
    bool is_quoted;
};

/*
 * Read the parameter at *at, which points behind a value or another parameter, and move *at on;
 * empty ones are passed over.  Returns 1 with *out set, 0 at the end, or -EINVAL.
 */
int params_next(const char **at, const char *end, struct param *out);

/* True if the parameter's name is lower (NUL-terminated, lower case), in any case. */
bool params_is(const struct param *param, const char *lower);

/*
 * Write the value, with the escapes of a quoted string undone, to out, which has room for value_len
 * bytes and may be where the value stands; returns its length.  Before anything but '"' and '\' a
 * backslash is itself: browsers escape nothing, and there are paths of Windows.
 */
size_t params_unquote(const struct param *param, char *out);

#endif
