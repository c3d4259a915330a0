/* SPDX-License-Identifier: MIT */
#include "conf/value.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/topology.h"

#include <errno.h>
#include <mtev_conf.h> /* the hook is public */
#include <mtev_hooks.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY_LEN_MAX  255
#define WHOLE_PREFIX "ENV:"

MTEV_HOOK_PROTO(mtev_conf_value_interpolate,
                (const char *facility, const char *key, const char *fallback, char **value), void *,
                closure,
                (void *closure, const char *facility, const char *key, const char *fallback,
                 char **value));
MTEV_HOOK_IMPL(mtev_conf_value_interpolate,
               (const char *facility, const char *key, const char *fallback, char **value), void *,
               closure,
               (void *closure, const char *facility, const char *key, const char *fallback,
                char **value),
               (closure, facility, key, fallback, value))

struct span {
    const char *start;
    size_t len;
};

struct reference { /* FACILITY:default:{KEY} */
    struct span facility;
    struct span fallback;
    struct span key;
};

static bool span_is(struct span s, const char *text)
{
    return strlen(text) == s.len && memcmp(s.start, text, s.len) == 0;
}

/* Read "default:{KEY}" from text.  Returns what is behind it, or NULL if there is no such thing. */
static const char *read_rest(const char *text, struct reference *ref)
{
    size_t len = strcspn(text, "{}");
    if (len == 0 || text[len] != '{' || text[len - 1] != ':')
        return NULL;
    ref->fallback = (struct span){text, len - 1};
    ref->key.start = text + len + 1;
    ref->key.len = strcspn(ref->key.start, "{}");
    const char *end = ref->key.start + ref->key.len;
    return *end == '}' && ref->key.len > 0 ? end + 1 : NULL;
}

/* Read "{{FACILITY:default:{KEY}}}".  Returns what is behind it, or NULL. */
static const char *read_reference(const char *text, struct reference *ref)
{
    if (strncmp(text, "{{", 2) != 0)
        return NULL;
    ref->facility.start = text + 2;
    ref->facility.len = strcspn(text + 2, ":{}");
    const char *rest = text + 2 + ref->facility.len;
    if (*rest != ':' || ref->facility.len == 0)
        return NULL;
    const char *end = read_rest(rest + 1, ref);
    return end != NULL && strncmp(end, "}}", 2) == 0 ? end + 2 : NULL;
}

/* Return the environment variable, or NULL. */
static const char *look_up(struct span key)
{
    char name[KEY_LEN_MAX + 1];
    if (key.len > KEY_LEN_MAX)
        return NULL;
    memcpy(name, key.start, key.len);
    name[key.len] = '\0';
    return getenv(name); /* NOLINT(concurrency-mt-unsafe): value.h says when it may be called */
}

static int append_variable(struct buf *text, const struct reference *ref)
{
    const char *value = look_up(ref->key);
    if (value != NULL)
        return buf_append(text, value, strlen(value));
    return buf_append(text, ref->fallback.start, ref->fallback.len);
}

/* Append the count of what the machine has of key, or the default where it does not say. */
static int append_count(struct buf *text, const struct reference *ref)
{
    static const char *const keys[] = {"numanodes", "packages", "cores", "pus"};
    struct topology_counts counts;
    int err = topology_count(&counts);
    if (err == -ENOMEM)
        return err;
    if (err == 0) {
        const unsigned values[] = {counts.nodes, counts.packages, counts.cores, counts.cpus};
        for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
            if (span_is(ref->key, keys[i]))
                return buf_appendf(text, "%u", values[i]);
    }
    return buf_append(text, ref->fallback.start, ref->fallback.len);
}

/* Append what a function of the program has for a facility.  -ENOENT: none knows it. */
static int append_asked(struct buf *text, const struct reference *ref, char *reason)
{
    char *value = NULL;
    if (!mtev_conf_value_interpolate_hook_exists())
        return -ENOENT;
    char *facility = alloc_text_n(ref->facility.start, ref->facility.len);
    char *key = alloc_text_n(ref->key.start, ref->key.len);
    char *fallback = alloc_text_n(ref->fallback.start, ref->fallback.len);
    int err = facility == NULL || key == NULL || fallback == NULL ? -ENOMEM : -ENOENT;
    mtev_hook_return_t answer =
        err == -ENOMEM ? MTEV_HOOK_CONTINUE
                       : mtev_conf_value_interpolate_hook_invoke(facility, key, fallback, &value);
    if (answer == MTEV_HOOK_ABORT) {
        snprintf(reason, VALUE_REASON_SIZE, "the program refuses it");
        err = -EINVAL;
    } else if (answer == MTEV_HOOK_DONE) {
        err = value == NULL ? buf_append(text, ref->fallback.start, ref->fallback.len)
                            : buf_append(text, value, strlen(value));
    }
    alloc_free(value);
    alloc_free(fallback);
    alloc_free(key);
    alloc_free(facility);
    return err;
}

/* Append what ref stands for. */
static int append_value(struct buf *text, const struct reference *ref, char *reason)
{
    if (span_is(ref->facility, "ENV"))
        return append_variable(text, ref);
    if (span_is(ref->facility, "hwloc"))
        return append_count(text, ref);
    int err = append_asked(text, ref, reason);
    if (err != -ENOENT)
        return err;
    snprintf(reason, VALUE_REASON_SIZE, "\"%.*s\" is no facility (ENV, hwloc)",
             (int)(ref->facility.len < 32 ? ref->facility.len : 32), ref->facility.start);
    return -EINVAL;
}

/* Append raw with every reference in it replaced. */
static int append_all(struct buf *text, const char *raw, char *reason)
{
    struct reference ref;
    int err = 0;
    const char *end = NULL;
    if (strncmp(raw, WHOLE_PREFIX, strlen(WHOLE_PREFIX)) == 0)
        end = read_rest(raw + strlen(WHOLE_PREFIX), &ref);
    if (end != NULL && *end == '\0') {
        ref.facility = (struct span){WHOLE_PREFIX, strlen(WHOLE_PREFIX) - 1};
        return append_value(text, &ref, reason);
    }
    while (err == 0 && *raw != '\0') {
        size_t plain = strcspn(raw, "{");
        end = plain == 0 ? read_reference(raw, &ref) : NULL;
        if (end != NULL) {
            err = append_value(text, &ref, reason);
            raw = end;
        } else {
            plain += plain == 0;
            err = buf_append(text, raw, plain);
            raw += plain;
        }
    }
    return err;
}

int value_interpolate(const char *raw, char **out, char reason[static VALUE_REASON_SIZE])
{
    struct buf text;
    buf_init(&text, VALUE_LEN_MAX);
    int err = append_all(&text, raw, reason);
    if (err == -ENOSPC)
        snprintf(reason, VALUE_REASON_SIZE, "longer than %d bytes", VALUE_LEN_MAX);
    char *copy = err == 0 ? alloc_text_n(text.bytes, text.len) : NULL;
    buf_free(&text);
    if (err != 0)
        return err;
    if (copy == NULL)
        return -ENOMEM;
    *out = copy;
    return 0;
}
