/* SPDX-License-Identifier: MIT */
/*
 * The outlets of the process: which stream is which, how they are made anew, and what happens to
 * them when it forks, ends or dies.
 */
#include "log/stream_impl.h"

#include "base/clock.h"
#include "log/rotate.h"

#include <errno.h>
#include <string.h>

#define ENABLED MTEV_LOG_STREAM_ENABLED

static struct outlet boot_outlet = OUTLET_STDERR;

/* The k-th is that of a stream whose material is k + 1; changed with the streams held. */
static _Atomic(struct outlet *) outlets[LOG_MATERIAL_MAX] = {&boot_outlet};

static_assert(LOG_MATERIAL_MAX == 64, "an outlet is a bit of struct log_reach");

struct outlet *stream_outlet(unsigned k)
{
    return atomic_load_explicit(&outlets[k], memory_order_relaxed);
}

static struct outlet *outlet_of(const struct log_stream *s)
{
    return s->material > 0 ? stream_outlet((unsigned)s->material - 1) : NULL;
}

static const struct outlet_ops *ops_of(const char *type)
{
    static const struct outlet_ops *const known[] = {&outlet_file, &outlet_file_synch};
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (strcmp(known[i]->type, type) == 0)
            return known[i];
    return NULL;
}

/* ---- making anew ----------------------------------------------------------------- */

/* Make o (NULL: none) what s is; the streams are held for writing.  Gives what it was before. */
static int install(struct log_stream *s, struct outlet *o, struct outlet **ret_before)
{
    struct outlet *before = outlet_of(s);
    unsigned k = s->material > 0 ? (unsigned)s->material - 1 : 0;
    if (s->material == 0 && o != NULL) {
        while (k < LOG_MATERIAL_MAX && stream_outlet(k) != NULL)
            k++;
        if (k == LOG_MATERIAL_MAX)
            return -ENOSPC;
    }
    if (s->material > 0 || o != NULL)
        atomic_store(&outlets[k], o);
    s->material = o == NULL ? 0 : (int)k + 1;
    *ret_before = before == o ? NULL : before;
    return 0;
}

/* Make the stream name, if it is not there, and give it o (taken on success; NULL: none). */
static int renew_with(const char *name, struct outlet *o, struct log_stream **out)
{
    struct outlet *before = NULL;
    struct log_stream *s;
    int err = 0;
    stream_change_lock();
    s = stream_look_up(name);
    if (s == NULL)
        err = stream_make(name, &s);
    if (err == 0)
        err = install(s, o, &before);
    if (err == 0) {
        s->edge_count = 0;
        s->flags = ENABLED;
    }
    stream_change_unlock();
    outlet_end(before);
    if (err == 0)
        *out = s;
    return err;
}

/* Return the outlet that name has already, if it is of that kind and path. */
static struct outlet *same_outlet(const char *name, const struct outlet_ops *ops, const char *path)
{
    stream_lock();
    const struct log_stream *s = stream_look_up(name);
    struct outlet *o = s == NULL ? NULL : outlet_of(s);
    bool is_same = o != NULL && o->ops == ops && path != NULL && strcmp(o->path, path) == 0;
    stream_unlock();
    return is_same ? o : NULL;
}

int log_stream_renew(const char *name, const struct outlet_ops *ops, const char *path, int fd,
                     mtev_log_stream_t *out)
{
    static const struct outlet_settings none;
    struct log_stream *s = NULL;
    struct outlet *o = NULL;
    int err = 0;
    if (strlen(name) > LOG_NAME_MAX)
        return -ENAMETOOLONG;
    stream_begin_change();
    struct outlet *same = ops == NULL ? NULL : same_outlet(name, ops, path);
    if (same != NULL)
        err = outlet_reopen(same);
    else if (ops != NULL)
        err = outlet_new(ops, path, fd, &none, &o);
    if (err == 0)
        err = renew_with(name, same != NULL ? same : o, &s);
    if (err != 0)
        outlet_end(o);
    stream_end_change();
    if (err == 0)
        *out = s;
    return err;
}

static mtev_log_stream_t renew(const char *name, const struct outlet_ops *ops, const char *path,
                               int fd)
{
    mtev_log_stream_t stream = NULL;
    int err = log_stream_renew(name, ops, path, fd, &stream);
    if (err != 0)
        errno = -err;
    return stream;
}

mtev_log_stream_t mtev_log_stream_new(const char *name, const char *type, const char *path,
                                      void *closure, struct mtev_hash_table *options)
{
    (void)closure;
    (void)options;
    if (name != NULL && type == NULL)
        return renew(name, NULL, NULL, -1);
    const struct outlet_ops *ops = type == NULL ? NULL : ops_of(type);
    if (name == NULL || path == NULL || ops == NULL) {
        errno = EINVAL;
        return NULL;
    }
    return renew(name, ops, path, -1);
}

mtev_log_stream_t mtev_log_stream_new_on_file(const char *path, struct mtev_hash_table *options)
{
    return mtev_log_stream_new(path, "file", path, NULL, options);
}

mtev_log_stream_t mtev_log_stream_new_on_fd(const char *name, int fd,
                                            struct mtev_hash_table *options)
{
    (void)options;
    if (name == NULL || fd < 0) {
        errno = EINVAL;
        return NULL;
    }
    return renew(name, &outlet_descriptor, NULL, fd);
}

void mtev_log_stream_close(mtev_log_stream_t ls)
{
    struct log_stream *s = ls;
    struct outlet *before = NULL;
    if (s == NULL)
        return;
    stream_begin_change();
    stream_change_lock();
    install(s, NULL, &before);
    stream_change_unlock();
    outlet_end(before);
    stream_end_change();
}

/* ---- what is done to many --------------------------------------------------------- */

/* Reopen the outlets of that set that are of ops (NULL: of any kind). */
static int reopen_outlets(uint64_t set, const struct outlet_ops *ops)
{
    int err = 0;
    stream_begin_change(); /* none of them ends meanwhile */
    for (; set != 0; set &= set - 1) {
        struct outlet *o = stream_outlet((unsigned)__builtin_ctzll(set));
        int failed = o == NULL || (ops != NULL && o->ops != ops) ? 0 : outlet_reopen(o);
        err = failed != 0 ? failed : err;
    }
    stream_end_change();
    return err;
}

static int public_result(int err)
{
    if (err == 0)
        return 0;
    errno = -err;
    return -1;
}

int mtev_log_stream_reopen(mtev_log_stream_t ls)
{
    const struct log_stream *s = ls;
    if (s == NULL)
        return public_result(-EINVAL);
    stream_lock();
    uint64_t set = s->reach.all;
    stream_unlock();
    return public_result(reopen_outlets(set, NULL));
}

int mtev_log_reopen_all(void)
{
    return public_result(reopen_outlets(UINT64_MAX, NULL));
}

int mtev_log_reopen_type(const char *type)
{
    const struct outlet_ops *ops = type == NULL ? NULL : ops_of(type);
    return public_result(ops == NULL ? -EINVAL : reopen_outlets(UINT64_MAX, ops));
}

int log_flush(uint64_t timeout_ns)
{
    const uint64_t deadline_ns = clock_mono_ns() + timeout_ns;
    int err = 0;
    stream_lock(); /* none of them ends meanwhile */
    for (unsigned k = 0; k < LOG_MATERIAL_MAX; k++) {
        struct outlet *o = stream_outlet(k);
        int failed = o == NULL ? 0 : outlet_flush(o, deadline_ns);
        err = failed != 0 ? failed : err;
    }
    stream_unlock();
    return err;
}

void log_emergency_flush(void)
{
    const int saved_errno = errno;
    for (unsigned k = 0; k < LOG_MATERIAL_MAX; k++) {
        struct outlet *o = stream_outlet(k);
        if (o != NULL)
            outlet_flush_dying(o);
    }
    errno = saved_errno;
}

void mtev_log_go_synch(void)
{
    outlet_all_at_once(true);
    log_flush(OUTLET_EXIT_MS_MAX * CLOCK_NS_PER_MS);
}

void mtev_log_go_asynch(void)
{
    outlet_all_at_once(false);
}

/* ---- one outlet -------------------------------------------------------------------- */

uint64_t log_stream_lost(mtev_log_stream_t ls)
{
    const struct log_stream *s = ls;
    stream_lock();
    const struct outlet *o = outlet_of(s);
    uint64_t lost = o == NULL ? 0 : atomic_load(&o->lost);
    stream_unlock();
    return lost;
}

/* ---- the process ------------------------------------------------------------------ */

static void each_outlet(void (*visit)(struct outlet *o))
{
    for (unsigned k = 0; k < LOG_MATERIAL_MAX; k++)
        if (stream_outlet(k) != NULL)
            visit(stream_outlet(k));
}

static void before_fork(void)
{
    stream_begin_change();
    stream_change_lock();
    each_outlet(outlet_before_fork);
}

static void after_fork(void)
{
    each_outlet(outlet_after_fork);
    stream_change_unlock();
    stream_end_change();
}

static void after_fork_in_child(void)
{
    each_outlet(outlet_after_fork_in_child);
    stream_forget_locks();
    line_forget_thread();
}

static __attribute__((constructor)) void begin(void)
{
    pthread_atfork(before_fork, after_fork, after_fork_in_child);
}

static __attribute__((destructor)) void end(void)
{
    log_flush(OUTLET_EXIT_MS_MAX * CLOCK_NS_PER_MS);
}
