/* SPDX-License-Identifier: MIT */
/*
 * The outlets of the process: which stream is which, how they are made anew, and what happens to
 * them when it forks, ends or dies.
 */
#include "log/stream_impl.h"

#include "base/clock.h"
#include "base/number.h"
#include "log/foreign_impl.h"
#include "log/rotate.h"

#include <errno.h>
#include <mtev_hash.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOG_SECONDS_MAX INT64_C(315360000) /* ten years */
#define LOG_BYTES_MAX   (INT64_C(1) << 50)

#define ENABLED MTEV_LOG_STREAM_ENABLED

static struct outlet boot_outlet = OUTLET_STDERR;

/* The k-th is that of a stream whose material is k + 1; changed with the streams held. */
static _Atomic(struct outlet *) outlets[LOG_MATERIAL_MAX] = {&boot_outlet};

static_assert(LOG_MATERIAL_MAX == 64, "an outlet is a bit of struct log_reach");

struct outlet *stream_outlet(unsigned k)
{
    return atomic_load_explicit(&outlets[k], memory_order_relaxed);
}

static const struct outlet_ops *ops_of(const char *type)
{
    static const struct outlet_ops *const known[] = {
        &outlet_file, &outlet_file_synch, &outlet_memory, &outlet_syslog, &outlet_journal};
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (strcmp(known[i]->type, type) == 0)
            return known[i];
    return foreign_find(type);
}

bool log_type_is_known(const char *type)
{
    return ops_of(type) != NULL;
}

const char *log_type_default_path(const char *type)
{
    const struct outlet_ops *ops = ops_of(type);
    return ops == NULL ? NULL : ops->default_path;
}

int log_check_path(const char *type, const char *path)
{
    const struct outlet_ops *ops = ops_of(type);
    return ops == NULL || ops->check == NULL ? 0 : ops->check(path);
}

bool log_type_has_format(const char *type)
{
    const struct outlet_ops *ops = ops_of(type);
    return ops != NULL && ops->is_datagram;
}

/* ---- making anew ----------------------------------------------------------------- */

/* Make o (NULL: none) what s is; the streams are held for writing.  Gives what it was before. */
static int install(struct log_stream *s, struct outlet *o, struct outlet **ret_before)
{
    struct outlet *before = stream_material(s);
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
        stream_clear_edges(s);
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
    struct outlet *o = s == NULL ? NULL : stream_material(s);
    bool is_same = o != NULL && o->ops == ops && path != NULL && strcmp(o->path, path) == 0;
    stream_unlock();
    return is_same ? o : NULL;
}

/* What functions of the program's own are called with: a stream that is there, with its ctx. */
static int prepare_foreign(const char *name, void *ctx, struct log_stream **out)
{
    mtev_log_stream_t stream = NULL;
    int err = log_stream_get(name, &stream);
    if (err != 0)
        return err;
    *out = stream;
    (*out)->ctx = ctx;
    return 0;
}

struct kind {                     /* what a stream is to become */
    const struct outlet_ops *ops; /* NULL: nothing material */
    const char *path;
    int fd;
    void *ctx;
};

static int renew_as(const char *name, const struct kind *kind, struct log_stream **out)
{
    static const struct outlet_settings none;
    struct log_stream *s = NULL;
    struct outlet *o = NULL, *same = NULL;
    int err = strlen(name) > LOG_NAME_MAX ? -ENAMETOOLONG : 0;
    bool is_foreign = kind->ops != NULL && foreign_is(kind->ops);
    if (err == 0 && is_foreign)
        err = prepare_foreign(name, kind->ctx, &s);
    else if (kind->ops != NULL)
        same = same_outlet(name, kind->ops, kind->path);
    if (err == 0 && same != NULL)
        err = outlet_reopen(same);
    else if (err == 0 && kind->ops != NULL)
        err = outlet_new(kind->ops, kind->path, kind->fd, s, &none, &o);
    if (err == 0)
        err = renew_with(name, same != NULL ? same : o, &s);
    if (err != 0) {
        outlet_end(o);
        return err;
    }
    s->ctx = kind->ctx;
    *out = s;
    return 0;
}

/* Give s the properties that options, a dictionary (NULL: none), holds. */
static void take_options(struct log_stream *s, struct mtev_hash_table *options)
{
    mtev_hash_iter iter = MTEV_HASH_ITER_ZERO;
    while (options != NULL && mtev_hash_adv(options, &iter) == 1)
        mtev_log_stream_set_property(s, iter.key.str, iter.value.str);
}

static mtev_log_stream_t renew(const char *name, const struct kind *kind,
                               struct mtev_hash_table *options)
{
    struct log_stream *s = NULL;
    stream_begin_change();
    int err = renew_as(name, kind, &s);
    if (err == 0)
        take_options(s, options);
    stream_end_change();
    if (err == 0)
        return s;
    errno = -err;
    return NULL;
}

mtev_log_stream_t mtev_log_stream_new(const char *name, const char *type, const char *path,
                                      void *closure, struct mtev_hash_table *options)
{
    struct kind kind = {.path = path, .fd = -1, .ctx = closure};
    if (type != NULL)
        kind.ops = ops_of(type);
    if (kind.ops != NULL && path == NULL)
        kind.path = kind.ops->default_path;
    bool needs_path = kind.ops != NULL && !foreign_is(kind.ops);
    if (name == NULL || (type != NULL && kind.ops == NULL) || (needs_path && kind.path == NULL)) {
        errno = EINVAL;
        return NULL;
    }
    return renew(name, &kind, options);
}

mtev_log_stream_t mtev_log_stream_new_on_file(const char *path, struct mtev_hash_table *options)
{
    return mtev_log_stream_new(path, "file", path, NULL, options);
}

mtev_log_stream_t mtev_log_stream_new_on_fd(const char *name, int fd,
                                            struct mtev_hash_table *options)
{
    if (name == NULL || fd < 0) {
        errno = EINVAL;
        return NULL;
    }
    return renew(name, &(struct kind){.ops = &outlet_descriptor, .fd = fd}, options);
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

static int reopen(struct outlet *o)
{
    return foreign_is(o->ops) ? foreign_reopen(o) : outlet_reopen(o);
}

/* Reopen the outlets of that set that are of ops (NULL: of any kind). */
static int reopen_outlets(uint64_t set, const struct outlet_ops *ops)
{
    int err = 0;
    stream_begin_change(); /* none of them ends meanwhile */
    for (; set != 0; set &= set - 1) {
        struct outlet *o = stream_outlet((unsigned)__builtin_ctzll(set));
        int failed = o == NULL || (ops != NULL && o->ops != ops) ? 0 : reopen(o);
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

int log_give_files(uid_t user, gid_t group)
{
    int err = 0;
    stream_begin_change();
    for (unsigned k = 0; k < LOG_MATERIAL_MAX; k++) {
        struct outlet *o = stream_outlet(k);
        if (o == NULL || !o->ops->has_file)
            continue;
        pthread_mutex_lock(&o->lock);
        if (o->file_type == S_IFREG && fchown(o->fd, user, group) != 0)
            err = -errno;
        pthread_mutex_unlock(&o->lock);
    }
    stream_end_change();
    return err;
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
    const struct outlet *o = stream_material(s);
    uint64_t lost = o == NULL ? 0 : atomic_load(&o->lost);
    stream_unlock();
    return lost;
}

/* Return the outlet that ls is, which stays until end_use(); NULL: none, or not of a file. */
static struct outlet *use_file(mtev_log_stream_t ls)
{
    const struct log_stream *s = ls;
    stream_begin_change();
    struct outlet *o = s == NULL ? NULL : stream_material(s);
    return o != NULL && (o->ops->has_file || foreign_is(o->ops)) ? o : NULL;
}

static void end_use(void)
{
    stream_end_change();
}

int mtev_log_stream_rename(mtev_log_stream_t ls, const char *newname)
{
    struct outlet *o = use_file(ls);
    int err = o == NULL || newname == NULL ? -EINVAL : 0;
    if (err == 0 && foreign_is(o->ops))
        err = foreign_rename(o, newname);
    else if (err == 0 && newname == MTEV_LOG_RENAME_AUTOTIME)
        err = rotate_rename(o->path);
    else if (err == 0 && rename(o->path, newname) != 0)
        err = -errno;
    end_use();
    return public_result(err);
}

int mtev_log_stream_cull(mtev_log_stream_t ls, int age, ssize_t bytes)
{
    struct outlet *o = use_file(ls);
    int err = -EINVAL;
    if (o != NULL && foreign_is(o->ops))
        err = foreign_cull(o, age, bytes);
    else if (o != NULL)
        err = rotate_cull(o->path, age < 0 ? UINT64_MAX : (uint64_t)age * CLOCK_NS_PER_S,
                          bytes < 0 ? UINT64_MAX : (uint64_t)bytes);
    end_use();
    return public_result(err);
}

size_t mtev_log_stream_size(mtev_log_stream_t ls)
{
    struct outlet *o = use_file(ls);
    struct stat found;
    size_t size = 0;
    if (o != NULL && foreign_is(o->ops))
        size = foreign_size(o);
    else if (o != NULL && stat(o->path, &found) == 0)
        size = (size_t)found.st_size;
    end_use();
    return size;
}

size_t mtev_log_stream_written(mtev_log_stream_t ls)
{
    const struct log_stream *s = ls;
    size_t written = 0;
    stream_lock();
    const struct outlet *o = s == NULL ? NULL : stream_material(s);
    if (o != NULL)
        written = atomic_load(&o->written);
    stream_unlock();
    return written;
}

int mtev_log_stream_set_format(mtev_log_stream_t ls, mtev_log_format_t format)
{
    const struct log_stream *s = ls;
    int err = 0;
    if (s == NULL || (format != MTEV_LOG_FORMAT_PLAIN && format != MTEV_LOG_FORMAT_JSON))
        return public_result(-EINVAL);
    stream_lock();
    struct outlet *o = stream_material(s);
    if (o == NULL || o->ops->is_datagram) /* the daemon decides */
        err = -EINVAL;
    else
        atomic_store(&o->format, format == MTEV_LOG_FORMAT_JSON ? LINE_JSON : LINE_PLAIN);
    stream_unlock();
    return public_result(err);
}

const char *mtev_log_stream_get_type(mtev_log_stream_t ls)
{
    const struct log_stream *s = ls;
    const struct outlet *o = s == NULL ? NULL : stream_material(s);
    return o == NULL ? NULL : o->ops->type;
}

const char *mtev_log_stream_get_path(mtev_log_stream_t ls)
{
    const struct log_stream *s = ls;
    const struct outlet *o = s == NULL ? NULL : stream_material(s);
    return o == NULL ? NULL : o->path;
}

/* ---- numbers ------------------------------------------------------------------------ */

const struct log_limit log_limits[LOG_LIMITS_COUNT] = {
    [LOG_ROTATE_SECONDS] = {"rotate_seconds", 600, LOG_SECONDS_MAX},
    [LOG_ROTATE_BYTES] = {"rotate_bytes", 102400, LOG_BYTES_MAX},
    [LOG_RETAIN_SECONDS] = {"retain_seconds", 1, LOG_SECONDS_MAX},
    [LOG_RETAIN_BYTES] = {"retain_bytes", 1, LOG_BYTES_MAX},
    [LOG_DEDUP_SECONDS] = {"dedup_seconds", 1, 86400},
    [LOG_QUEUE_BYTES] = {"queue_bytes", (int64_t)RING_BYTES_MIN, (int64_t)RING_BYTES_MAX},
};

static void put_limit(struct outlet_settings *settings, enum log_limit_index i, int64_t value)
{
    const uint64_t number = (uint64_t)value, ns = number * CLOCK_NS_PER_S;
    switch (i) {
    case LOG_ROTATE_SECONDS:
        settings->rotate_ns = ns;
        break;
    case LOG_ROTATE_BYTES:
        settings->rotate_bytes = number;
        break;
    case LOG_RETAIN_SECONDS:
        settings->retain_ns = ns;
        break;
    case LOG_RETAIN_BYTES:
        settings->retain_bytes = number;
        break;
    case LOG_DEDUP_SECONDS:
        settings->fold_ns = ns;
        break;
    case LOG_QUEUE_BYTES:
        settings->queue_bytes = number;
        break;
    case LOG_LIMITS_COUNT:
        break;
    }
}

static void set_settings(struct outlet *o, const struct outlet_settings *settings)
{
    outlet_set(o, settings);
    stream_change_lock();
    outlet_resize(o);
    stream_change_unlock();
}

int log_stream_set_limits(mtev_log_stream_t ls, const int64_t values[static LOG_LIMITS_COUNT])
{
    struct outlet_settings settings = {0};
    for (size_t i = 0; i < LOG_LIMITS_COUNT; i++)
        put_limit(&settings, (enum log_limit_index)i, values[i]);
    stream_begin_change();
    struct outlet *o = stream_material(ls);
    if (o != NULL)
        set_settings(o, &settings);
    stream_end_change();
    return o == NULL ? -EINVAL : 0;
}

int stream_apply_property(struct log_stream *s, const char *name, const char *value)
{
    size_t i = 0;
    uint64_t number = 0;
    while (i < LOG_LIMITS_COUNT && strcmp(log_limits[i].name, name) != 0)
        i++;
    if (i == LOG_LIMITS_COUNT)
        return 0;
    if (value != NULL &&
        (number_u64(value, strlen(value), (uint64_t)log_limits[i].max, &number) != 0 ||
         (number > 0 && number < (uint64_t)log_limits[i].min)))
        return -EINVAL;
    stream_begin_change(); /* which is who else writes the settings */
    struct outlet *o = stream_material(s);
    if (o != NULL) {
        struct outlet_settings settings = o->settings;
        put_limit(&settings, (enum log_limit_index)i, (int64_t)number);
        set_settings(o, &settings);
    }
    stream_end_change();
    return 0;
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
