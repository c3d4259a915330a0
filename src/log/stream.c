/* SPDX-License-Identifier: MIT */
#include "log/stream_impl.h"

#include "base/alloc.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define ENABLED  MTEV_LOG_STREAM_ENABLED
#define MATERIAL MTEV_LOG_STREAM_MATERIAL
#define USER_FLAGS                                                                                 \
    (ENABLED | MTEV_LOG_STREAM_DEBUG | MTEV_LOG_STREAM_TIMESTAMPS | MTEV_LOG_STREAM_FACILITY)

/* The streams that exist before anything ran: usable from any constructor. */
static struct log_stream boot_debug, boot_notice, boot_error, boot_stderr;
static struct log_stream boot_stderr = {.flags = ENABLED | MATERIAL,
                                        .name = "stderr",
                                        .material = 1,
                                        .reach = {.all = 1},
                                        .next = &boot_error};
static struct log_stream boot_error = {.flags = ENABLED | MATERIAL,
                                       .name = "error",
                                       .outlets = {&boot_stderr},
                                       .outlet_count = 1,
                                       .reach = {.all = 1},
                                       .next = &boot_notice};
static struct log_stream boot_notice = {.flags = ENABLED | MATERIAL,
                                        .name = "notice",
                                        .outlets = {&boot_error},
                                        .outlet_count = 1,
                                        .reach = {.all = 1},
                                        .next = &boot_debug};
static struct log_stream boot_debug = {
    .flags = 0, .name = "debug", .outlets = {&boot_stderr}, .outlet_count = 1};

mtev_log_stream_t mtev_stderr = &boot_stderr;
mtev_log_stream_t mtev_error = &boot_error;
mtev_log_stream_t mtev_notice = &boot_notice;
mtev_log_stream_t mtev_debug = &boot_debug;

/* Who writes a line holds it for reading, who changes a stream for writing. */
static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
static struct log_stream *registry = &boot_stderr;
static size_t stream_count = 4;
static struct outlet outlets[LOG_MATERIAL_MAX] = {OUTLET_STDERR};

static_assert(LOG_MATERIAL_MAX == 64, "an outlet is a bit of struct log_reach");

void stream_lock(void)
{
    pthread_rwlock_rdlock(&lock);
}

void stream_unlock(void)
{
    pthread_rwlock_unlock(&lock);
}

struct outlet *stream_outlet(unsigned k)
{
    return &outlets[k];
}

/* What s reaches by itself and, as worked out so far, over its outlets; nothing while it is off. */
static struct log_reach reach_of(const struct log_stream *s)
{
    struct log_reach reach = {0};
    if (!(s->flags & ENABLED))
        return reach;
    if (s->material > 0)
        reach.all = UINT64_C(1) << (s->material - 1);
    for (size_t i = 0; i < s->outlet_count; i++) {
        const struct log_reach *over = &s->outlets[i]->reach;
        reach.all |= over->all;
        reach.debug |= over->debug;
        reach.timestamps |= over->timestamps;
        reach.facility |= over->facility;
    }
    if (s->flags & MTEV_LOG_STREAM_DEBUG)
        reach.debug = reach.all;
    if (s->flags & MTEV_LOG_STREAM_TIMESTAMPS)
        reach.timestamps = reach.all;
    if (s->flags & MTEV_LOG_STREAM_FACILITY)
        reach.facility = reach.all;
    return reach;
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
            changed = changed || memcmp(&reach, &s->reach, sizeof(reach)) != 0;
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

static struct log_stream *look_up(const char *name, size_t len)
{
    for (struct log_stream *s = registry; s != NULL; s = s->next)
        if (strncmp(s->name, name, len) == 0 && s->name[len] == '\0')
            return s;
    return NULL;
}

/* Undo make_stream(). */
static void drop_newest(void)
{
    struct log_stream *s = registry;
    registry = s->next;
    stream_count--;
    alloc_free(s->owned_name);
    alloc_free(s);
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
    if (stream_count == LOG_STREAMS_MAX)
        return -ENOSPC;
    struct log_stream *s = alloc_zeroed(1, sizeof(*s));
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
            s->outlets[0] = parent;
            s->outlet_count = parent != NULL;
        }
        parent = s;
    }
    work_out_reach();
    *out = parent;
    return 0;
}

int log_stream_get(const char *name, mtev_log_stream_t *out)
{
    int err = 0;
    pthread_rwlock_wrlock(&lock);
    struct log_stream *s = look_up(name, strlen(name));
    if (s == NULL)
        err = make_with_parents(name, &s);
    pthread_rwlock_unlock(&lock);
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

/* Return the outlet that s has, or is to have; NULL: all are in use. */
static struct outlet *outlet_for(const struct log_stream *s)
{
    if (s->material > 0)
        return &outlets[s->material - 1];
    for (size_t k = 0; k < LOG_MATERIAL_MAX; k++)
        if (outlets[k].ops == NULL)
            return &outlets[k];
    return NULL;
}

/* End what makes s itself material; the lock is held. */
static void close_outlet(struct log_stream *s)
{
    if (s->material > 0)
        outlet_close(&outlets[s->material - 1]);
    s->material = 0;
}

/* Make the stream name anew with an outlet of that kind (NULL: none). */
static mtev_log_stream_t renew(const char *name, const struct outlet_ops *ops, const char *path,
                               int fd)
{
    struct outlet *outlet = NULL;
    int err = 0;
    pthread_rwlock_wrlock(&lock);
    struct log_stream *s = look_up(name, strlen(name));
    bool is_new = s == NULL;
    if (is_new)
        err = make_stream(name, strlen(name), &s);
    if (err == 0 && ops != NULL) {
        outlet = outlet_for(s);
        err = outlet == NULL ? -ENOSPC : outlet_open(outlet, ops, path, fd);
        if (err != 0 && is_new)
            drop_newest();
    }
    if (err == 0) {
        if (ops == NULL)
            close_outlet(s);
        else
            s->material = (int)(outlet - outlets) + 1;
        s->outlet_count = 0;
        s->flags = ENABLED;
        work_out_reach();
    }
    pthread_rwlock_unlock(&lock);
    if (err == 0)
        return s;
    errno = -err;
    return NULL;
}

mtev_log_stream_t mtev_log_stream_new(const char *name, const char *type, const char *path,
                                      void *closure, struct mtev_hash_table *options)
{
    (void)closure;
    (void)options;
    if (name != NULL && type == NULL)
        return renew(name, NULL, NULL, -1);
    bool is_file = type != NULL && (strcmp(type, "file") == 0 || strcmp(type, "file_synch") == 0);
    if (name == NULL || path == NULL || !is_file) {
        errno = EINVAL;
        return NULL;
    }
    return renew(name, &outlet_file, path, -1);
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

static bool has_outlet(const struct log_stream *s, const struct log_stream *outlet)
{
    for (size_t i = 0; i < s->outlet_count; i++)
        if (s->outlets[i] == outlet)
            return true;
    return false;
}

int mtev_log_stream_add_stream(mtev_log_stream_t ls, mtev_log_stream_t outlet)
{
    struct log_stream *s = ls;
    int err = s == NULL || outlet == NULL ? EINVAL : 0;
    if (err == 0) {
        pthread_rwlock_wrlock(&lock);
        bool has = has_outlet(s, outlet);
        if (!has && s->outlet_count == LOG_OUTLETS_MAX)
            err = ENOSPC;
        else if (!has)
            s->outlets[s->outlet_count++] = outlet;
        work_out_reach();
        pthread_rwlock_unlock(&lock);
    }
    if (err == 0)
        return 0;
    errno = err;
    return -1;
}

int log_stream_set_outlets(mtev_log_stream_t ls, const mtev_log_stream_t *chosen, size_t count)
{
    struct log_stream *s = ls;
    if (count > LOG_OUTLETS_MAX)
        return -ENOSPC;
    pthread_rwlock_wrlock(&lock);
    s->outlet_count = 0;
    for (size_t i = 0; i < count; i++)
        if (!has_outlet(s, chosen[i]))
            s->outlets[s->outlet_count++] = chosen[i];
    work_out_reach();
    pthread_rwlock_unlock(&lock);
    return 0;
}

mtev_log_stream_t mtev_log_stream_remove_stream(mtev_log_stream_t ls, const char *name)
{
    struct log_stream *s = ls;
    struct log_stream *removed = NULL;
    if (s == NULL || name == NULL)
        return NULL;
    pthread_rwlock_wrlock(&lock);
    for (size_t i = 0; i < s->outlet_count && removed == NULL; i++) {
        if (strcmp(s->outlets[i]->name, name) != 0)
            continue;
        removed = s->outlets[i];
        s->outlet_count--;
        memmove(&s->outlets[i], &s->outlets[i + 1],
                (s->outlet_count - i) * sizeof(struct log_stream *));
        work_out_reach();
    }
    pthread_rwlock_unlock(&lock);
    return removed;
}

/* Reopen the outlets of that set; the lock is held. */
static int reopen_outlets(uint64_t set)
{
    int err = 0;
    for (; set != 0; set &= set - 1) {
        int failed = outlet_reopen(&outlets[__builtin_ctzll(set)]);
        err = failed != 0 ? failed : err;
    }
    return err;
}

int mtev_log_stream_reopen(mtev_log_stream_t ls)
{
    const struct log_stream *s = ls;
    if (s == NULL) {
        errno = EINVAL;
        return -1;
    }
    pthread_rwlock_wrlock(&lock);
    int err = reopen_outlets(s->reach.all);
    pthread_rwlock_unlock(&lock);
    if (err == 0)
        return 0;
    errno = -err;
    return -1;
}

int mtev_log_reopen_all(void)
{
    uint64_t in_use = 0;
    pthread_rwlock_wrlock(&lock);
    for (unsigned k = 0; k < LOG_MATERIAL_MAX; k++)
        if (outlets[k].ops != NULL)
            in_use |= UINT64_C(1) << k;
    int err = reopen_outlets(in_use);
    pthread_rwlock_unlock(&lock);
    if (err == 0)
        return 0;
    errno = -err;
    return -1;
}

void mtev_log_stream_close(mtev_log_stream_t ls)
{
    if (ls == NULL)
        return;
    pthread_rwlock_wrlock(&lock);
    close_outlet(ls);
    work_out_reach();
    pthread_rwlock_unlock(&lock);
}

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
    pthread_rwlock_wrlock(&lock);
    unsigned before = s->flags;
    s->flags = (before & MATERIAL) | (flags & USER_FLAGS);
    work_out_reach();
    pthread_rwlock_unlock(&lock);
    return before;
}

uint64_t log_stream_lost(mtev_log_stream_t ls)
{
    const struct log_stream *s = ls;
    stream_lock();
    uint64_t lost = s->material > 0 ? outlet_lost(&outlets[s->material - 1]) : 0;
    stream_unlock();
    return lost;
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
