/* SPDX-License-Identifier: MIT */
/*
 * stats.c - stats.json, in two kinds of names, and counts that begin anew.
 *
 * What counts is never set back, since others rely on it: what was there at a reset is remembered,
 * and taken off what is told.
 */
#include "observe/stats_impl.h"

#include "base/alloc.h"
#include "observe/answer_impl.h"
#include "observe/heap_impl.h"

#include <mtev_stats.h>

#include <ctype.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#define NAME_BYTES_MAX 4096

/* Whoever resets puts the answers in order. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static json_t *forgotten; /* by simple names: what counts had at their reset; owned */

struct stats {
    struct answer answer; /* first */
    bool is_tagged;
    bool resets[STAT_HISTOGRAM + 1]; /* by kind */
    bool is_partial;                 /* what is not reset is not told */
    json_t *told, *raw, *next;       /* what is told; all raw values; what will be forgotten */
    struct buf simple, tagged;
    int err;
};

/* ---- names ----------------------------------------------------------------------- */

static int add_member(struct buf *name, const char *member)
{
    int err = 0;
    for (; err == 0 && *member != '\0'; member++) {
        unsigned char c = (unsigned char)*member;
        if ((c < 0x80 && isalnum(c)) || strchr("_-./:@", c) != NULL)
            err = buf_append(name, member, 1);
        else
            err = buf_appendf(name, "%%%02X", c);
    }
    return err;
}

static int add_simple(struct buf *name, const struct stat *stat)
{
    int err = buf_appendf(name, "%s.", stat->group);
    if (err == 0 && stat->member != NULL)
        err = add_member(name, stat->member);
    if (err == 0)
        err = buf_appendf(name, "%s%s", stat->member == NULL ? "" : ".", stat->what);
    if (err == 0 && stat->kind == STAT_HISTOGRAM)
        err = stat->below == UINT64_MAX
                  ? buf_append(name, ".any", 4)
                  : buf_appendf(name, ".lt_%llu", (unsigned long long)stat->below);
    return err;
}

static int add_tagged(struct buf *name, const struct stat *stat)
{
    int err = buf_appendf(name, "%s_%s", stat->group, stat->what);
    if (err != 0 || (stat->member == NULL && stat->kind != STAT_HISTOGRAM))
        return err;
    err = buf_append(name, "|ST[", 4);
    if (err == 0 && stat->member != NULL)
        err = buf_appendf(name, "%s:", stat->group);
    if (err == 0 && stat->member != NULL)
        err = add_member(name, stat->member);
    if (err == 0 && stat->kind == STAT_HISTOGRAM)
        err = stat->below == UINT64_MAX
                  ? buf_append(name, ",lt:any", 7)
                  : buf_appendf(name, ",lt:%llu", (unsigned long long)stat->below);
    return err == 0 ? buf_append(name, "]", 1) : err;
}

/* Make both names, NUL-terminated. */
static int make_names(struct stats *s, const struct stat *stat)
{
    s->simple.len = s->tagged.len = 0;
    int err = add_simple(&s->simple, stat);
    if (err == 0)
        err = buf_append(&s->simple, "", 1);
    if (err == 0)
        err = add_tagged(&s->tagged, stat);
    return err == 0 ? buf_append(&s->tagged, "", 1) : err;
}

/* ---- values ---------------------------------------------------------------------- */

static int set(json_t *object, const char *name, uint64_t value)
{
    return json_object_set_new(object, name, json_integer((json_int_t)value)) == 0 ? 0 : -ENOMEM;
}

static uint64_t get(const json_t *object, const char *name)
{
    return (uint64_t)json_integer_value(json_object_get(object, name));
}

static int put_named(struct stats *s, const struct stat *stat)
{
    const char *simple = s->simple.bytes;
    uint64_t raw = get(s->raw, simple) + stat->value; /* two of one name are told as one */
    uint64_t old = get(forgotten, simple);
    uint64_t value = raw >= old ? raw - old : raw; /* less: it was made anew since */
    int err = set(s->raw, simple, raw);
    if (err == 0 && (!s->is_partial || s->resets[stat->kind]))
        err = set(s->told, s->is_tagged ? s->tagged.bytes : simple, value);
    if (err == 0 && stat->kind != STAT_GAUGE)
        err = set(s->next, simple, s->resets[stat->kind] ? raw : old);
    return err;
}

static void put(const struct stat *stat, void *closure)
{
    struct stats *s = closure;
    int err = make_names(s, stat);
    if (err == 0)
        err = put_named(s, stat);
    if (err != 0)
        s->err = err;
}

static bool tell_stats(struct answer *a)
{
    struct stats *s = (struct stats *)a;
    buf_init(&s->simple, NAME_BYTES_MAX);
    buf_init(&s->tagged, NAME_BYTES_MAX);
    s->told = json_object();
    s->raw = json_object();
    s->next = json_object();
    pthread_mutex_lock(&lock);
    stats_gather(put, s);
    a->err = json_append(&a->text, s->told);
    if (s->err != 0)
        a->err = s->err;
    if (a->err == 0 && s->resets[STAT_COUNTER] + s->resets[STAT_HISTOGRAM] > 0) {
        json_decref(forgotten);
        forgotten = s->next;
        s->next = NULL;
    }
    pthread_mutex_unlock(&lock);
    json_decref(s->next);
    json_decref(s->raw);
    buf_free(&s->simple);
    buf_free(&s->tagged);
    return false;
}

/* ---- questions ------------------------------------------------------------------- */

static const char *parameter(mtev_http_session_ctx *ctx, const char *key)
{
    return mtev_http_request_querystring(mtev_http_session_request(ctx), key);
}

/* What the query says; NULL, or what is wrong with it. */
static const char *read_query(mtev_http_session_ctx *ctx, bool is_delete, struct stats *s)
{
    const char *format = parameter(ctx, "format"), *type = parameter(ctx, "type");
    const char *reset = parameter(ctx, "reset");
    s->is_tagged = format != NULL && strcmp(format, "tagged") == 0;
    if (format != NULL && !s->is_tagged && strcmp(format, "simple") != 0)
        return "format is simple or tagged";
    if (type != NULL && strcmp(type, "counter") != 0 && strcmp(type, "histogram") != 0)
        return "type is counter or histogram";
    bool resets = is_delete || (reset != NULL && strcmp(reset, "1") == 0);
    s->is_partial = is_delete;
    s->resets[STAT_COUNTER] = resets && (type == NULL || strcmp(type, "counter") == 0);
    s->resets[STAT_HISTOGRAM] = resets && (type == NULL || strcmp(type, "histogram") == 0);
    return NULL;
}

static int answer_stats(mtev_http_session_ctx *ctx, bool is_delete)
{
    struct stats *s = alloc_zeroed(1, sizeof(*s));
    const char *wrong = s == NULL ? NULL : read_query(ctx, is_delete, s);
    if (s != NULL)
        s->answer = (struct answer){.more = tell_stats, .end = "\n"};
    if (wrong != NULL)
        answer_error(ctx, 400, "BAD REQUEST", wrong);
    else
        answer_send(ctx, s == NULL ? NULL : &s->answer);
    alloc_free(s);
    return 0;
}

static int endpoint_stats(mtev_http_rest_closure_t *restc, int npats, char **pats)
{
    return answer_stats(restc->http_ctx, false);
}

static int endpoint_delete(mtev_http_rest_closure_t *restc, int npats, char **pats)
{
    return answer_stats(restc->http_ctx, true);
}

static int endpoint_heap(mtev_http_rest_closure_t *restc, int npats, char **pats)
{
    struct answer *a = alloc_zeroed(1, sizeof(*a));
    if (a != NULL)
        *a = (struct answer){.more = heap_tell};
    answer_send(restc->http_ctx, a);
    alloc_free(a);
    return 0;
}

void mtev_stats_rest_init(void)
{
    static atomic_flag is_ready = ATOMIC_FLAG_INIT;
    if (atomic_flag_test_and_set(&is_ready))
        return;
    answer_rule("GET", "/mtev/", "^stats\\.json$", endpoint_stats);
    answer_rule("DELETE", "/mtev/", "^stats\\.json$", endpoint_delete);
    answer_rule("GET", "/mtev/", "^memory\\.json$", endpoint_heap);
}
