/* SPDX-License-Identifier: MIT */
/*
 * options.c - what a coroutine asks for is checked, and copied away from its stack.
 */
#include "aco/core.h"
#include "base/clock.h"
#include "client/fetch_impl.h"
#include "http/http1_char.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

/* Return the arena's copy of text (NULL: none). */
static const char *copy_text(struct eventer_fetch *fetch, const char *text, bool *has_memory)
{
    if (text == NULL)
        return NULL;
    const size_t size = strlen(text) + 1;
    char *copy = arena_alloc(&fetch->arena, size);
    if (copy == NULL)
        *has_memory = false;
    else
        memcpy(copy, text, size);
    return copy;
}

static bool is_token(const char *text)
{
    const char *end = text + strlen(text);
    return end > text && http1_char_skip_token(text, end) == end;
}

static bool is_value(const char *text)
{
    const char *end = text + strlen(text);
    return http1_char_skip_field(text, end) == end;
}

/* ---- fields ---------------------------------------------------------------------- */

/* What frames the message is libcurl's to say. */
static bool is_framing(const char *name)
{
    return strcasecmp(name, "Content-Length") == 0 || strcasecmp(name, "Transfer-Encoding") == 0;
}

static const char *why_no_field(const eventer_fetch_field_t *field)
{
    if (!is_token(field->name))
        return "its name is none";
    if (field->value == NULL || !is_value(field->value))
        return "its value cannot be sent";
    return is_framing(field->name) ? "the length of the body is told otherwise" : NULL;
}

static bool has_field(const eventer_fetch_field_t *fields, const char *name)
{
    for (; fields != NULL && fields->name != NULL; fields++)
        if (strcasecmp(fields->name, name) == 0)
            return true;
    return false;
}

/* A field as libcurl takes it; an empty value has a mark of its own. */
static const char *line_of(struct eventer_fetch *fetch, const eventer_fetch_field_t *field)
{
    const size_t name_len = strlen(field->name), value_len = strlen(field->value);
    char *line = arena_alloc(&fetch->arena, name_len + value_len + 3);
    if (line == NULL)
        return NULL;
    memcpy(line, field->name, name_len);
    if (value_len == 0) {
        line[name_len] = ';';
        return line;
    }
    memcpy(line + name_len, ": ", 2);
    memcpy(line + name_len + 2, field->value, value_len);
    return line;
}

/* Fields that libcurl would add, and that nobody has asked for. */
static const char *const unwanted[] = {"Content-Type", "Expect"};
static const char *const without_unwanted[] = {"Content-Type:", "Expect:"};
#define UNWANTED_COUNT (sizeof(unwanted) / sizeof(unwanted[0]))

static int copy_fields(struct eventer_fetch *fetch, const eventer_fetch_field_t *fields)
{
    size_t count = 0, at = 0;
    while (fields != NULL && fields[count].name != NULL)
        count++;
    fetch->lines = arena_alloc(&fetch->arena, (count + UNWANTED_COUNT + 1) * sizeof(char *));
    if (fetch->lines == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        const char *why = why_no_field(&fields[i]);
        if (why != NULL) {
            fetch_fail(fetch, -EINVAL, "field %s: %s", fields[i].name, why);
            return -EINVAL;
        }
        fetch->lines[at] = line_of(fetch, &fields[i]);
        if (fetch->lines[at++] == NULL)
            return -ENOMEM;
    }
    for (size_t i = 0; i < UNWANTED_COUNT; i++)
        if (!has_field(fields, unwanted[i]))
            fetch->lines[at++] = without_unwanted[i];
    return 0;
}

/* ---- the rest -------------------------------------------------------------------- */

/* As the caller will be told; a URL is looked at once more by libcurl. */
static const char *why_not(const eventer_fetch_options_t *options)
{
    const char *url = options->url, *method = options->method;
    if (url == NULL ||
        (strncasecmp(url, "http://", 7) != 0 && strncasecmp(url, "https://", 8) != 0))
        return "the URL is none of http: or https:";
    if (method != NULL && !is_token(method))
        return "the method is none";
    if (options->body != NULL && options->produce != NULL)
        return "there are two bodies";
    if (options->body == NULL && options->produce == NULL && options->body_len > 0)
        return "there is no body";
    /* libcurl would repeat any other method after a 303, with an empty body */
    if (options->redirects_max > 0 && method != NULL && strcmp(method, "GET") != 0 &&
        strcmp(method, "HEAD") != 0 && strcmp(method, "POST") != 0)
        return "redirects are followed for GET, HEAD and POST";
    return NULL;
}

static uint64_t duration_or(const struct timeval *duration, uint64_t otherwise_s)
{
    return timerisset(duration) ? clock_duration_ns(duration) : otherwise_s * CLOCK_NS_PER_S;
}

/* These methods say by an empty body that they have none; RFC 9110 section 8.6. */
static bool wants_length(const char *method)
{
    return method != NULL && (strcmp(method, "POST") == 0 || strcmp(method, "PUT") == 0 ||
                              strcmp(method, "PATCH") == 0);
}

/* The body stays where it is, but on the stack, whose frames move while the coroutine waits. */
static int copy_body(struct eventer_fetch *fetch, const struct coro *self)
{
    eventer_fetch_options_t *own = &fetch->options;
    if (own->body == NULL && own->produce == NULL && wants_length(own->method))
        own->body = "";
    if (own->body == NULL || !aco_stack_has(self->co.share_stack, own->body))
        return 0;
    void *copy = arena_alloc(&fetch->arena, own->body_len + 1);
    if (copy == NULL)
        return -ENOMEM;
    memcpy(copy, own->body, own->body_len);
    own->body = copy;
    return 0;
}

int options_copy(struct eventer_fetch *fetch, const struct coro *self,
                 const eventer_fetch_options_t *options)
{
    const char *why = why_not(options);
    bool has_memory = true;
    if (why != NULL) {
        fetch_fail(fetch, -EINVAL, "%s", why);
        return -EINVAL;
    }
    eventer_fetch_options_t *own = &fetch->options;
    *own = *options;
    own->fields = NULL;
    own->url = copy_text(fetch, options->url, &has_memory);
    own->method = copy_text(fetch, options->method, &has_memory);
    own->ca_file = copy_text(fetch, options->ca_file, &has_memory);
    own->ca_path = copy_text(fetch, options->ca_path, &has_memory);
    if (own->body_max == 0)
        own->body_max = EVENTER_FETCH_BODY_MAX;
    fetch->timeout_ns = duration_or(&options->timeout, EVENTER_FETCH_TIMEOUT_S);
    fetch->connect_timeout_ns =
        duration_or(&options->connect_timeout, EVENTER_FETCH_CONNECT_TIMEOUT_S);
    int err = has_memory ? copy_body(fetch, self) : -ENOMEM;
    return err == 0 ? copy_fields(fetch, options->fields) : err;
}
