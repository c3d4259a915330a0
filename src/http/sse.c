/* SPDX-License-Identifier: MIT */
#include "http/sse.h"

#include <errno.h>
#include <stdbool.h>

static bool is_one_line(const char *text)
{
    return text == NULL || strpbrk(text, "\r\n") == NULL;
}

/* Append each line of data as a field.  Data that ends with a line's end has an empty last line. */
static int append_data(struct buf *out, const char *data, size_t len)
{
    int err = 0;
    size_t at = 0;
    bool has_more = true;
    while (has_more && err == 0) {
        size_t end = at;
        while (end < len && data[end] != '\n' && data[end] != '\r')
            end++;
        err = buf_append(out, "data: ", 6);
        if (err == 0)
            err = buf_append(out, data + at, end - at);
        if (err == 0)
            err = buf_append(out, "\n", 1);
        has_more = end < len;
        at = end + (end + 1 < len && data[end] == '\r' && data[end + 1] == '\n' ? 2 : 1);
    }
    return err;
}

int sse_append(struct buf *out, const struct sse_event *event)
{
    const size_t start = out->len;
    int err = 0;
    if (!is_one_line(event->type) || !is_one_line(event->id))
        return -EINVAL;
    if (event->type != NULL)
        err = buf_appendf(out, "event: %s\n", event->type);
    if (err == 0 && event->id != NULL)
        err = buf_appendf(out, "id: %s\n", event->id);
    if (err == 0 && event->retry_ms != NULL)
        err = buf_appendf(out, "retry: %u\n", *event->retry_ms);
    if (err == 0 && event->data != NULL)
        err = append_data(out, event->data, event->data_len);
    if (err == 0)
        err = buf_append(out, "\n", 1);
    if (err != 0)
        out->len = start;
    return err;
}

int sse_append_comment(struct buf *out, const char *text)
{
    if (!is_one_line(text))
        return -EINVAL;
    return buf_appendf(out, ": %s\n\n", text);
}
