/* SPDX-License-Identifier: MIT */
#include "log/stream_impl.h"

#include "base/alloc.h"
#include "base/tsan.h"
#include "log/filter.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define ENABLED  MTEV_LOG_STREAM_ENABLED
#define MATERIAL MTEV_LOG_STREAM_MATERIAL

/* The streams that exist before anything ran: usable from any constructor. */
static struct log_stream boot_stacks, boot_debug, boot_notice, boot_error, boot_stderr;
static struct log_stream boot_stderr = {.flags = ENABLED | MATERIAL,
                                        .name = "stderr",
                                        .material = 1,
                                        .reach = {.all = 1},
                                        .next = &boot_error};
static struct log_stream boot_error = {.flags = ENABLED | MATERIAL,
                                       .name = "error",
                                       .edges = {{&boot_stderr, NULL}},
                                       .edge_count = 1,
                                       .reach = {.all = 1},
                                       .next = &boot_notice};
static struct log_stream boot_notice = {.flags = ENABLED | MATERIAL,
                                        .name = "notice",
                                        .edges = {{&boot_error, NULL}},
                                        .edge_count = 1,
                                        .reach = {.all = 1},
                                        .next = &boot_stacks};
static struct log_stream boot_stacks = {.flags = ENABLED | MATERIAL,
                                        .name = "error/stacktrace",
                                        .edges = {{&boot_error, NULL}},
                                        .edge_count = 1,
                                        .reach = {.all = 1},
                                        .next = &boot_debug};
static struct log_stream boot_debug = {
    .flags = 0, .name = "debug", .edges = {{&boot_stderr, NULL}}, .edge_count = 1};

mtev_log_stream_t mtev_stderr = &boot_stderr;
mtev_log_stream_t mtev_error = &boot_error;
mtev_log_stream_t mtev_notice = &boot_notice;
mtev_log_stream_t mtev_debug = &boot_debug;
mtev_log_stream_t mtev_error_stacktrace = &boot_stacks;

/* Who writes a line holds it for reading, who changes a stream for writing. */
static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
static struct log_stream *registry = &boot_stderr;
static size_t stream_count = 5;

static pthread_mutex_t change = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;

void stream_lock(void)
{
    pthread_rwlock_rdlock(&lock);
}

void stream_unlock(void)
{
    pthread_rwlock_unlock(&lock);
}

bool stream_try_lock(void)
{
    return pthread_rwlock_tryrdlock(&lock) == 0;
}

void stream_begin_change(void)
{
    pthread_mutex_lock(&change);
}

void stream_end_change(void)
{
    pthread_mutex_unlock(&change);
}

void stream_change_lock(void)
{
    pthread_rwlock_wrlock(&lock);
}

/* Both know their holder by a number that we do not have any more, so they begin anew. */
void stream_forget_locks(void)
{
#ifdef HAS_TSAN
    pthread_rwlock_unlock(&lock); /* or it is taken to be held still */
    pthread_mutex_unlock(&change);
#endif
    lock = (pthread_rwlock_t)PTHREAD_RWLOCK_INITIALIZER;
    change = (pthread_mutex_t)PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
}

struct log_stream *stream_first(void)
{
    return registry;
}

/* What s reaches by itself and, as worked out so far, over its outlets; nothing while it is off. */
static struct log_reach reach_of(const struct log_stream *s)
{
    struct log_reach reach = {0};
    if (!(s->flags & ENABLED))
        return reach;
    if (s->material > 0)
        reach.all = UINT64_C(1) << (s->material - 1);
    for (size_t i = 0; i < s->edge_count; i++) {
        const struct log_reach *over = &s->edges[i].to->reach;
        reach.all |= over->all;
        reach.debug |= over->debug;
        reach.timestamps |= over->timestamps;
        reach.facility |= over->facility;
        reach.is_filtered = reach.is_filtered || over->is_filtered || s->edges[i].filter != NULL;
    }
    if (s->flags & MTEV_LOG_STREAM_DEBUG)
        reach.debug = reach.all;
    if (s->flags & MTEV_LOG_STREAM_TIMESTAMPS)
        reach.timestamps = reach.all;
    if (s->flags & MTEV_LOG_STREAM_FACILITY)
        reach.facility = reach.all;
    return reach;
}

/* Not memcmp(3): what is between the members may differ. */
static bool is_same_reach(const struct log_reach *a, const struct log_reach *b)
{
    return a->all == b->all && a->debug == b->debug && a->timestamps == b->timestamps &&
           a->facility == b->facility && a->is_filtered == b->is_filtered;
}

/*
 * Work out what every stream reaches, from nothing and until nothing changes: sets only grow on the
 * way, so that this ends although streams may refer to each other in a circle.
 */
static void work_out_reach(void)
{
    for (struct log_stream *s = registry; s != NULL; s = s->next)
        s->reach = (struct log_reach){0};
    bool changed = true;
    while (changed) {
        changed = false;
        for (struct log_stream *s = registry; s != NULL; s = s->next) {
            struct log_reach reach = reach_of(s);
            changed = changed || !is_same_reach(&reach, &s->reach);
            s->reach = reach;
        }
    }
    /* relaxed: who sees the bit late loses or formats one line, send_line() looks under the lock */
    for (struct log_stream *s = registry; s != NULL; s = s->next) {
        unsigned flags = s->flags & ~MATERIAL;
        atomic_store_explicit(&s->flags, flags | (s->reach.all != 0 ? MATERIAL : 0),
                              memory_order_relaxed);
    }
}

void stream_change_unlock(void)
{
    work_out_reach();
    pthread_rwlock_unlock(&lock);
}

/* Find the stream of that name; one that was removed only if is_removed. */
static struct log_stream *look_up_any(const char *name, size_t len, bool is_removed)
{
    for (struct log_stream *s = registry; s != NULL; s = s->next)
        if (strncmp(s->name, name, len) == 0 && s->name[len] == '\0' && s->is_removed == is_removed)
            return s;
    return NULL;
}

static struct log_stream *look_up(const char *name, size_t len)
{
    return look_up_any(name, len, false);
}

struct log_stream *stream_look_up(const char *name)
{
    return look_up(name, strlen(name));
}

/* Return the length of the name of name's parent; 0: it has none. */
static size_t parent_len(const char *name, size_t len)
{
    const char *slash = memrchr(name, '/', len);
    return slash == NULL ? 0 : (size_t)(slash - name);
}

/* Make a stream that is on and has no outlet; the caller holds the lock and knows it is new. */
static int make_stream(const char *name, size_t len, struct log_stream **out)
{
    if (len > LOG_NAME_MAX)
        return -ENAMETOOLONG;
    struct log_stream *s = look_up_any(name, len, true);
    if (s != NULL) {
        s->is_removed = false;
        s->flags = ENABLED;
        *out = s;
        return 0;
    }
    if (stream_count == LOG_STREAMS_MAX)
        return -ENOSPC;
    s = alloc_zeroed(1, sizeof(*s));
    if (s == NULL)
        return -ENOMEM;
    s->name = s->owned_name = alloc_text_n(name, len);
    if (s->name == NULL) {
        alloc_free(s);
        return -ENOMEM;
    }
    s->flags = ENABLED;
    s->next = registry;
    registry = s;
    stream_count++;
    *out = s;
    return 0;
}

int stream_make(const char *name, struct log_stream **out)
{
    return make_stream(name, strlen(name), out);
}

/* Make the stream name and those of its parents that do not exist; the lock is held. */
static int make_with_parents(const char *name, struct log_stream **out)
{
    const size_t len = strlen(name);
    struct log_stream *parent = NULL;
    for (size_t end = 0; end < len || parent == NULL; end++) {
        end += strcspn(name + end, "/");
        if (end == 0 && len > 0) /* a name that begins with a slash has no parent there */
            continue;
        struct log_stream *s = look_up(name, end);
        if (s == NULL) {
            int err = len > LOG_NAME_MAX ? -ENAMETOOLONG : make_stream(name, end, &s);
            if (err != 0)
                return err;
            s->edges[0] = (struct log_edge){parent, NULL}; /* it may have been another's way */
            s->edge_count = parent != NULL;
        }
        parent = s;
    }
    *out = parent;
    return 0;
}

int log_stream_get(const char *name, mtev_log_stream_t *out)
{
    int err = 0;
    stream_lock();
    struct log_stream *s = stream_look_up(name);
    stream_unlock();
    if (s == NULL) {
        stream_change_lock();
        s = stream_look_up(name);
        if (s == NULL)
            err = make_with_parents(name, &s);
        stream_change_unlock();
    }
    if (err == 0)
        *out = s;
    return err;
}

/* What is returned in place of a stream that cannot be made: something that exists. */
static mtev_log_stream_t nearest_parent(const char *name)
{
    struct log_stream *found = NULL;
    stream_lock();
    size_t len = parent_len(name, strlen(name));
    for (; len > 0 && found == NULL; len = parent_len(name, len))
        found = look_up(name, len);
    stream_unlock();
    return found != NULL ? found : mtev_error;
}

mtev_log_stream_t mtev_log_stream_find(const char *name)
{
    const int saved_errno = errno;
    mtev_log_stream_t found = mtev_error;
    if (name != NULL && log_stream_get(name, &found) != 0)
        found = nearest_parent(name);
    errno = saved_errno;
    return found;
}

mtev_log_stream_t mtev_log_stream_findf(const char *format, ...)
{
    char name[LOG_NAME_MAX + 1];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(name, sizeof(name), format, args);
    va_end(args);
    if (len < 0)
        return mtev_error;
    return len > LOG_NAME_MAX ? nearest_parent(name) : mtev_log_stream_find(name);
}

mtev_boolean mtev_log_stream_exists(const char *name)
{
    stream_lock();
    bool exists = name != NULL && look_up(name, strlen(name)) != NULL;
    stream_unlock();
    return exists ? mtev_true : mtev_false;
}

/* ---- outlets of streams ----------------------------------------------------------- */

void stream_clear_edges(struct log_stream *s)
{
    for (size_t i = 0; i < s->edge_count; i++)
        filter_free(s->edges[i].filter);
    s->edge_count = 0;
}

/* Make outlet one of s, behind filter (taken on success); the lock is held. */
static int add_edge(struct log_stream *s, struct log_stream *outlet, struct filter *filter)
{
    for (size_t i = 0; i < s->edge_count; i++)
        if (s->edges[i].to == outlet) {
            filter_free(s->edges[i].filter);
            s->edges[i].filter = filter;
            return 0;
        }
    if (s->edge_count == LOG_OUTLETS_MAX)
        return -ENOSPC;
    s->edges[s->edge_count++] = (struct log_edge){outlet, filter};
    return 0;
}

static void drop_edge(struct log_stream *s, size_t i)
{
    filter_free(s->edges[i].filter);
    s->edge_count--;
    memmove(&s->edges[i], &s->edges[i + 1], (s->edge_count - i) * sizeof(s->edges[0]));
}

static int add_stream(mtev_log_stream_t ls, mtev_log_stream_t outlet, struct filter *filter)
{
    if (ls == NULL || outlet == NULL)
        return -EINVAL;
    stream_change_lock();
    int err = add_edge(ls, outlet, filter);
    stream_change_unlock();
    return err;
}

int mtev_log_stream_add_stream(mtev_log_stream_t ls, mtev_log_stream_t outlet)
{
    int err = add_stream(ls, outlet, NULL);
    if (err == 0)
        return 0;
    errno = -err;
    return -1;
}

mtev_boolean mtev_log_stream_add_stream_filtered(mtev_log_stream_t ls, mtev_log_stream_t outlet,
                                                 const char *filter)
{
    char reason[FILTER_REASON_SIZE] = "";
    struct filter *parsed = NULL;
    int err = filter == NULL ? 0 : filter_parse(filter, reason, &parsed);
    if (err == 0)
        err = add_stream(ls, outlet, parsed);
    if (err == 0)
        return mtev_true;
    if (reason[0] != '\0')
        mtevL(mtev_error, "mtev_log_stream_add_stream_filtered: %s\n", reason);
    filter_free(parsed);
    errno = -err;
    return mtev_false;
}

int log_stream_set_outlets(mtev_log_stream_t ls, struct log_outlet *chosen, size_t count)
{
    struct log_stream *s = ls;
    if (count > LOG_OUTLETS_MAX)
        return -ENOSPC;
    stream_change_lock();
    stream_clear_edges(s);
    for (size_t i = 0; i < count; i++) {
        add_edge(s, chosen[i].stream, chosen[i].filter);
        chosen[i].filter = NULL;
    }
    stream_change_unlock();
    return 0;
}

mtev_log_stream_t mtev_log_stream_remove_stream(mtev_log_stream_t ls, const char *name)
{
    struct log_stream *s = ls;
    struct log_stream *removed = NULL;
    if (s == NULL || name == NULL)
        return NULL;
    stream_change_lock();
    for (size_t i = 0; i < s->edge_count && removed == NULL; i++) {
        if (strcmp(s->edges[i].to->name, name) != 0)
            continue;
        removed = s->edges[i].to;
        drop_edge(s, i);
    }
    stream_change_unlock();
    return removed;
}

void mtev_log_stream_removeall_streams(mtev_log_stream_t ls)
{
    if (ls == NULL)
        return;
    stream_change_lock();
    stream_clear_edges(ls);
    stream_change_unlock();
}

static bool is_from_the_start(const struct log_stream *s)
{
    return s->owned_name == NULL;
}

void mtev_log_stream_remove(const char *name)
{
    struct log_stream *s = NULL;
    stream_begin_change();
    stream_lock();
    if (name != NULL)
        s = stream_look_up(name);
    stream_unlock();
    if (s != NULL && !is_from_the_start(s)) {
        mtev_log_stream_close(s);
        stream_change_lock();
        s->is_removed = true;
        s->flags = 0;
        stream_clear_edges(s);
        for (struct log_stream *other = registry; other != NULL; other = other->next)
            for (size_t i = other->edge_count; i > 0; i--)
                if (other->edges[i - 1].to == s)
                    drop_edge(other, i - 1);
        stream_change_unlock();
    }
    stream_end_change();
}

int mtev_log_list(mtev_log_stream_t *loggers, int nsize)
{
    int count = 0;
    stream_lock();
    for (struct log_stream *s = registry; s != NULL; s = s->next) {
        if (s->is_removed)
            continue;
        if (count < nsize)
            loggers[count] = s;
        count++;
    }
    stream_unlock();
    return count > nsize ? -count : count;
}

/* ---- the walk of a line over filters ----------------------------------------------- */

#define WALK_STEPS_MAX LOG_STREAMS_MAX /* streams that one line comes by */

struct walk {
    const struct log_line *line;
    struct log_reach *reach;
    unsigned steps;
};

struct step { /* how a line came to a stream */
    const struct step *before;
    const struct log_stream *stream;
};

static void walk_on(struct walk *walk, const struct log_stream *s, const struct step *before,
                    unsigned flags)
{
    const struct step step = {before, s};
    for (const struct step *past = before; past != NULL; past = past->before)
        if (past->stream == s) /* a circle */
            return;
    if (!(s->flags & ENABLED) || ++walk->steps > WALK_STEPS_MAX)
        return;
    flags |= s->flags;
    if (s->material > 0) {
        uint64_t bit = UINT64_C(1) << (s->material - 1);
        walk->reach->all |= bit;
        walk->reach->debug |= flags & MTEV_LOG_STREAM_DEBUG ? bit : 0;
        walk->reach->timestamps |= flags & MTEV_LOG_STREAM_TIMESTAMPS ? bit : 0;
        walk->reach->facility |= flags & MTEV_LOG_STREAM_FACILITY ? bit : 0;
    }
    for (size_t i = 0; i < s->edge_count; i++)
        if (s->edges[i].filter == NULL || filter_passes(s->edges[i].filter, walk->line))
            walk_on(walk, s->edges[i].to, &step, flags);
}

void stream_walk(const struct log_stream *s, const struct log_line *line, struct log_reach *out)
{
    struct walk walk = {.line = line, .reach = out};
    *out = (struct log_reach){.all = 0};
    walk_on(&walk, s, NULL, 0);
}

/* ---- flags ------------------------------------------------------------------------- */

unsigned mtev_log_stream_get_flags(mtev_log_stream_t ls)
{
    const struct log_stream *s = ls;
    return s == NULL ? 0 : s->flags;
}

unsigned mtev_log_stream_set_flags(mtev_log_stream_t ls, unsigned flags)
{
    struct log_stream *s = ls;
    if (s == NULL)
        return 0;
    stream_change_lock();
    unsigned before = s->flags;
    s->flags = (before & MATERIAL) | (flags & STREAM_USER_FLAGS);
    stream_change_unlock();
    return before;
}

void mtev_log_init(int debug_on)
{
    if (debug_on)
        mtev_log_stream_set_flags(mtev_debug, mtev_log_stream_get_flags(mtev_debug) | ENABLED);
}

void mtev_log_init_globals(void)
{
    /* The streams are initialised by the compiler. */
}
