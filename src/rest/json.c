/* SPDX-License-Identifier: MIT */
#include "rest/json.h"

#include "base/utf8.h"

#include <errno.h>
#include <stdint.h>

static size_t valid_len(const char *bytes, size_t len)
{
    size_t at = 0, count;
    while (at < len && (count = utf8_len(bytes + at, len - at)) > 0)
        at += count;
    return at;
}

json_t *json_of_bytes(const char *bytes, size_t len)
{
    struct buf whole;
    json_t *value = NULL;
    size_t good = valid_len(bytes, len);
    if (good == len)
        return json_stringn_nocheck(bytes, len);
    buf_init(&whole, SIZE_MAX);
    int err = buf_append(&whole, bytes, good);
    while (err == 0 && good < len) {
        err = buf_append(&whole, UTF8_REPLACEMENT, strlen(UTF8_REPLACEMENT));
        bytes += good + 1;
        len -= good + 1;
        good = valid_len(bytes, len);
        if (err == 0)
            err = buf_append(&whole, bytes, good);
    }
    if (err == 0)
        value = json_stringn_nocheck(whole.bytes, whole.len);
    buf_free(&whole);
    return value;
}

json_t *json_of_text(const char *text)
{
    return text == NULL ? json_string("") : json_of_bytes(text, strlen(text));
}

struct output {
    struct buf *text;
    int err;
};

/* jansson goes on after some errors: the first one stays. */
static int append(const char *bytes, size_t len, void *closure)
{
    struct output *output = closure;
    if (output->err == 0)
        output->err = buf_append(output->text, bytes, len);
    return output->err == 0 ? 0 : -1;
}

int json_append(struct buf *text, json_t *value)
{
    struct output output = {.text = text};
    size_t len = text->len;
    if (value == NULL)
        return -ENOMEM;
    int failed = json_dump_callback(value, append, &output, JSON_COMPACT | JSON_ENCODE_ANY);
    if (failed != 0 && output.err == 0)
        output.err = -ENOMEM;
    if (output.err != 0)
        text->len = len;
    json_decref(value);
    return output.err;
}
