/* SPDX-License-Identifier: MIT */
/*
 * What else there is to know of a stream: properties, the program's own pointer, and all of it as
 * JSON.
 */
#include "log/stream_impl.h"
#include "log/text_impl.h"

#include "base/alloc.h"
#include "base/buf.h"

#include <errno.h>
#include <string.h>

#define JSON_BYTES_MAX    65536
#define PROPERTY_NAME_MAX 255
#define PROPERTIES_MAX    64 /* of a stream */

static struct log_property *find(const struct log_stream *s, const char *name)
{
    struct log_property *p = s->properties;
    while (p != NULL && strcmp(p->name, name) != 0)
        p = p->next;
    return p;
}

static struct log_property *make(struct log_stream *s, const char *name)
{
    size_t count = 0, len = strlen(name);
    for (const struct log_property *p = s->properties; p != NULL; p = p->next)
        count++;
    if (count == PROPERTIES_MAX || len > PROPERTY_NAME_MAX)
        return NULL;
    struct log_property *p = alloc_zeroed(1, sizeof(*p) + len + 1);
    if (p == NULL)
        return NULL;
    memcpy(p->name, name, len + 1);
    p->next = s->properties;
    s->properties = p;
    return p;
}

/* Keep value, copied (NULL: none).  The lock is held for writing. */
static int put(struct log_stream *s, const char *name, const char *value)
{
    struct log_property *p = find(s, name);
    char *copy = NULL;
    if (p == NULL && value == NULL)
        return 0;
    if (value != NULL && (copy = alloc_text(value)) == NULL)
        return -ENOMEM;
    if (p == NULL && (p = make(s, name)) == NULL) {
        alloc_free(copy);
        return -ENOSPC;
    }
    alloc_free(p->value);
    p->value = copy;
    return 0;
}

void mtev_log_stream_set_property(mtev_log_stream_t ls, const char *name, const char *value)
{
    struct log_stream *s = ls;
    if (s == NULL || name == NULL)
        return;
    int err = stream_apply_property(s, name, value);
    if (err == 0) {
        stream_change_lock();
        err = put(s, name, value);
        stream_change_unlock();
    }
    if (err != 0)
        mtevL(mtev_error, "log %.64s: property %.64s=\"%.64s\": %s\n", s->name, name,
              value == NULL ? "" : value,
              err == -EINVAL ? "this value is not possible" : strerrordesc_np(-err));
}

const char *mtev_log_stream_get_property(mtev_log_stream_t ls, const char *name)
{
    const struct log_stream *s = ls;
    const char *value = NULL;
    if (s == NULL || name == NULL)
        return NULL;
    stream_lock();
    const struct log_property *p = find(s, name);
    if (p != NULL)
        value = p->value;
    stream_unlock();
    return value;
}

void mtev_log_stream_set_ctx(mtev_log_stream_t ls, void *ctx)
{
    struct log_stream *s = ls;
    if (s != NULL)
        s->ctx = ctx;
}

void *mtev_log_stream_get_ctx(mtev_log_stream_t ls)
{
    const struct log_stream *s = ls;
    return s == NULL ? NULL : s->ctx;
}

const char *mtev_log_stream_get_name(mtev_log_stream_t ls)
{
    const struct log_stream *s = ls;
    return s == NULL ? NULL : s->name;
}

/* ---- JSON ------------------------------------------------------------------------ */

/* Append before and then text as a JSON string. */
static int add_text(struct buf *b, const char *before, const char *text)
{
    int err = buf_append(b, before, strlen(before));
    if (err == 0)
        err = buf_append(b, "\"", 1);
    if (err == 0)
        err = buf_reserve(b, 6 * strlen(text) + 1); /* of a control character */
    if (err != 0)
        return err;
    struct text t = {b->bytes, b->len, b->capacity};
    text_add_json(&t, text, strlen(text));
    text_add(&t, "\"", 1);
    b->len = t.len;
    return 0;
}

/* Append what s is and has; the lock is held. */
static int describe(const struct log_stream *s, struct buf *b)
{
    const struct outlet *o = stream_material(s);
    int err = add_text(b, "{\"name\":", s->name);
    if (err == 0)
        err = buf_appendf(b, ",\"enabled\":%s,\"debug\":%s,\"timestamps\":%s,\"facility\":%s",
                          s->flags & MTEV_LOG_STREAM_ENABLED ? "true" : "false",
                          s->flags & MTEV_LOG_STREAM_DEBUG ? "true" : "false",
                          s->flags & MTEV_LOG_STREAM_TIMESTAMPS ? "true" : "false",
                          s->flags & MTEV_LOG_STREAM_FACILITY ? "true" : "false");
    if (err == 0 && o != NULL)
        err = add_text(b, ",\"type\":", o->ops->type);
    if (err == 0 && o != NULL && o->path != NULL)
        err = add_text(b, ",\"path\":", o->path);
    if (err == 0 && o != NULL)
        err = buf_appendf(b, ",\"written\":%llu,\"lost\":%llu",
                          (unsigned long long)atomic_load(&o->written),
                          (unsigned long long)atomic_load(&o->lost));
    if (err == 0)
        err = buf_appendf(b, ",\"outlets\":[");
    for (size_t i = 0; i < s->edge_count && err == 0; i++)
        err = add_text(b, i == 0 ? "" : ",", s->edges[i].to->name);
    if (err == 0)
        err = buf_append(b, "]}", 3); /* with a NUL */
    return err;
}

char *mtev_log_stream_to_json(mtev_log_stream_t ls)
{
    struct buf b;
    if (ls == NULL) {
        errno = EINVAL;
        return NULL;
    }
    buf_init(&b, JSON_BYTES_MAX);
    stream_lock();
    int err = describe(ls, &b);
    stream_unlock();
    if (err == 0)
        return b.bytes;
    buf_free(&b);
    errno = -err;
    return NULL;
}
