/* SPDX-License-Identifier: MIT */
/*
 * answer.c - the head of an answer, line by line as libcurl gives it, and what callers see of it.
 */
#include "base/alloc.h"
#include "client/fetch_impl.h"
#include "http/http1_char.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

/* ---- taking it apart ------------------------------------------------------------- */

/* Another head: of a redirect's target, or after one of 1xx. */
static void begin_head(struct eventer_fetch *fetch, const char *line, size_t len)
{
    const char *blank = memchr(line, ' ', len);
    const char *end = line + len;
    fetch->fields.len = 0;
    fetch->has_head = false;
    fetch->status = 0;
    for (const char *p = blank == NULL ? end : blank + 1;
         p < end && *p >= '0' && *p <= '9' && fetch->status < 100; p++)
        fetch->status = fetch->status * 10 + (*p - '0');
}

static int put(struct buf *fields, const char *text, size_t len)
{
    int err = buf_append(fields, text, len);
    return err == 0 ? buf_append(fields, "", 1) : err;
}

/* Source: RFC 9112 section 5; a folded line (section 5.2) is refused. */
static int take_field(struct eventer_fetch *fetch, const char *line, size_t len)
{
    const char *end = line + len;
    const char *colon = http1_char_skip_token(line, end);
    if (colon == line || colon == end || *colon != ':')
        return -EBADMSG;
    const char *value = colon + 1;
    while (value < end && http1_char_is_blank(*value))
        value++;
    while (end > value && http1_char_is_blank(end[-1]))
        end--;
    if (http1_char_skip_field(value, end) != end)
        return -EBADMSG;
    int err = put(&fetch->fields, line, (size_t)(colon - line));
    if (err == 0)
        err = put(&fetch->fields, value, (size_t)(end - value));
    return err == -ENOSPC ? -EMSGSIZE : err;
}

int answer_take_line(struct eventer_fetch *fetch, const char *line, size_t len)
{
    if (fetch->has_body)
        return 0; /* a trailer, which nobody has asked for */
    if (len >= 5 && memcmp(line, "HTTP/", 5) == 0) {
        begin_head(fetch, line, len);
        return 0;
    }
    if (len == 0)
        fetch->has_head = true;
    return fetch->has_head ? 0 : take_field(fetch, line, len);
}

/* ---- seeing it ------------------------------------------------------------------- */

int eventer_fetch_status(const eventer_fetch_t *answer)
{
    return answer == NULL ? 0 : answer->status;
}

const char *eventer_fetch_field(const eventer_fetch_t *answer, const char *name, size_t nth)
{
    if (answer == NULL || name == NULL)
        return NULL;
    const char *end = answer->fields.bytes + answer->fields.len;
    for (const char *p = answer->fields.bytes; p < end;) {
        const char *value = p + strlen(p) + 1;
        if (strcasecmp(p, name) == 0 && nth-- == 0)
            return value;
        p = value + strlen(value) + 1;
    }
    return NULL;
}

const char *eventer_fetch_url(const eventer_fetch_t *answer)
{
    if (answer == NULL)
        return NULL;
    return answer->url != NULL ? answer->url : answer->options.url;
}

const char *eventer_fetch_body(const eventer_fetch_t *answer, size_t *ret_len)
{
    const bool has_body = answer != NULL && answer->options.consume == NULL && answer->in.len > 0;
    if (ret_len != NULL)
        *ret_len = has_body ? answer->in.len : 0;
    return has_body ? answer->in.bytes : "";
}

const char *eventer_fetch_error(const eventer_fetch_t *answer)
{
    return answer == NULL ? strerrordesc_np(ENOMEM) : answer->text;
}
