/* SPDX-License-Identifier: MIT */
/*
 * listener.c - all listeners: what the configuration asks for, at the start and when it is read
 * anew, and what programs ask for.
 */
#include "listener/listener.h"

#include "base/alloc.h"
#include "conf/conf.h"
#include "coro/coro.h"
#include "eventer/pool.h"
#include "listener/inherit.h"
#include "listener/listener_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct listener *listeners; /* oldest first; each is shared */
static uint64_t last_id;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of both */
static _Atomic bool may_accept;                          /* eventer_loop*() was called */

/* ---- one of them ----------------------------------------------------------------- */

struct listener *listener_share(struct listener *l)
{
    atomic_fetch_add_explicit(&l->refs, 1, memory_order_relaxed);
    return l;
}

void listener_release(struct listener *l)
{
    if (atomic_fetch_sub_explicit(&l->refs, 1, memory_order_acq_rel) != 1)
        return;
    peers_fini(&l->peers);
    pthread_mutex_destroy(&l->lock);
    pthread_mutex_destroy(&l->change);
    alloc_free(l);
}

static void init_locks(struct listener *l)
{
    pthread_mutexattr_t attr;
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&l->change, NULL);
    pthread_mutex_init(&l->lock, &attr);
    pthread_mutexattr_destroy(&attr);
}

static void set_settings(struct listener *l, struct listen_settings *settings)
{
    const struct eventer_pool *pool = settings->v.pool;
    settings->listener = listener_share(l);
    pthread_mutex_lock(&l->lock);
    l->settings = settings;
    for (uint32_t i = 0; i < l->socket_count; i++)
        l->sockets[i].loop = pool->loops[i % pool->count];
    pthread_mutex_unlock(&l->lock);
}

/* A closed listener that has settings (taken).  NULL: no memory; settings are the caller's still.
 */
static struct listener *listener_new(struct listen_settings *settings)
{
    const struct listen_values *v = &settings->v;
    const bool any_port = address_has_any_port(&v->address);
    uint32_t count = v->shares_port ? v->pool->count : 1;
    count = MAX(count, inherited_count(&v->address, any_port));
    struct listener *l = alloc_zeroed(1, sizeof(*l) + count * sizeof(l->sockets[0]));
    if (l == NULL)
        return NULL;
    atomic_init(&l->refs, 1);
    init_locks(l);
    peers_init(&l->peers);
    l->address = v->address;
    address_format(&l->address, l->text);
    l->socket_count = count;
    for (uint32_t i = 0; i < count; i++) {
        l->sockets[i].listener = l;
        l->sockets[i].fd = -1;
        accept_init(&l->sockets[i]);
    }
    set_settings(l, settings);
    return l;
}

static void add_to_list(struct listener *l)
{
    pthread_mutex_lock(&lock);
    struct listener **last = &listeners;
    while (*last != NULL)
        last = &(*last)->next;
    l->id = ++last_id;
    *last = l;
    pthread_mutex_unlock(&lock);
}

static void take_off_list(struct listener *l)
{
    pthread_mutex_lock(&lock);
    struct listener **at = &listeners;
    while (*at != l)
        at = &(*at)->next;
    *at = l->next;
    l->next = NULL;
    pthread_mutex_unlock(&lock);
}

/* Share the listener that comes behind the one called id; NULL: there is none. */
static struct listener *share_next(uint64_t id)
{
    pthread_mutex_lock(&lock);
    struct listener *l = listeners;
    while (l != NULL && l->id <= id)
        l = l->next;
    if (l != NULL)
        (void)listener_share(l);
    pthread_mutex_unlock(&lock);
    return l;
}

int listener_begin(struct listener *l)
{
    pthread_mutex_lock(&l->change);
    int err = l->is_open && !l->is_handed_over && atomic_load(&may_accept) ? accept_begin(l) : 0;
    pthread_mutex_unlock(&l->change);
    return err;
}

int listener_change(struct listener *l, struct listen_settings *settings)
{
    pthread_mutex_lock(&l->change);
    struct listen_settings *before = l->settings;
    accept_end(l);
    if (before->v.accept_rate != settings->v.accept_rate ||
        before->v.accept_burst != settings->v.accept_burst)
        rate_forget(&l->rate); /* what was taken at another rate is not to be waited for */
    set_settings(l, settings);
    int err = l->is_open ? socket_refresh_all(l) : 0;
    pthread_mutex_unlock(&l->change);
    settings_release(before);
    int begun = listener_begin(l);
    return err != 0 ? err : begun;
}

int listener_start(struct listener *l)
{
    pthread_mutex_lock(&l->change);
    int err = l->is_ended ? -EINVAL : 0;
    if (err == 0 && !l->is_open)
        err = socket_open_all(l);
    pthread_mutex_unlock(&l->change);
    return err != 0 ? err : listener_begin(l);
}

void listener_stop(struct listener *l)
{
    pthread_mutex_lock(&l->change);
    bool was_open = l->is_open;
    accept_end(l);
    if (was_open && !l->is_handed_over && atomic_load(&may_accept))
        accept_rest(l);
    socket_close_all(l);
    pthread_mutex_unlock(&l->change);
}

/* Stop l, which is off the list, for good; what is still shared of it goes with its connections. */
static void end(struct listener *l)
{
    listener_stop(l);
    pthread_mutex_lock(&l->change);
    struct listen_settings *settings = l->settings;
    l->is_ended = true;
    l->settings = NULL;
    pthread_mutex_unlock(&l->change);
    settings_release(settings);
    listener_release(l);
}

int listener_open(struct listen_settings *settings, bool is_configured, struct listener **out)
{
    struct listener *l = listener_new(settings);
    if (l == NULL) {
        settings_release(settings);
        return -ENOMEM;
    }
    l->is_configured = is_configured;
    int err = socket_open_all(l);
    if (err != 0) {
        end(l);
        return err;
    }
    add_to_list(l);
    *out = l;
    return 0;
}

void listener_end(struct listener *l)
{
    take_off_list(l);
    end(l);
}

/* ---- all of them ----------------------------------------------------------------- */

/* Call fn with each; it may do whatever it likes with them. */
void listener_each_of_all(void (*fn)(struct listener *l, void *closure), void *closure)
{
    uint64_t id = 0;
    struct listener *l;
    while ((l = share_next(id)) != NULL) {
        id = l->id;
        fn(l, closure);
        listener_release(l);
    }
}

static void begin_one(struct listener *l, void *closure)
{
    (void)closure;
    int err = listener_begin(l);
    if (err != 0)
        mtevL(mtev_error, "listener %s: %s; it accepts nothing\n", l->text, strerror(-err));
}

static void stop_one(struct listener *l, void *closure)
{
    (void)closure;
    listener_stop(l);
}

static void hand_over_one(struct listener *l, void *closure)
{
    (void)closure;
    pthread_mutex_lock(&l->change);
    l->is_handed_over = true;
    accept_end(l);
    pthread_mutex_unlock(&l->change);
}

static void stop_all(void)
{
    listener_each_of_all(stop_one, NULL);
    refusals_end();
}

static void count_one(struct listener *l, void *closure)
{
    size_t *count = closure;
    pthread_mutex_lock(&l->change);
    if (l->settings != NULL && l->settings->v.type->coroutine != NULL)
        *count += atomic_load_explicit(&l->live, memory_order_relaxed);
    pthread_mutex_unlock(&l->change);
}

/* The connections that drain by themselves: of coroutines, if any of them knows what that is. */
static size_t count_draining(void)
{
    size_t count = 0;
    if (coro_drain_is_known())
        listener_each_of_all(count_one, &count);
    return count;
}

static void start_all(void)
{
    /* Late, so that nobody new comes while others drain. */
    if (pool_at_stop(tls_handshakes_end) != 0 || pool_at_stop(stop_all) != 0 ||
        pool_at_drain(count_draining) != 0)
        mtevL(mtev_error, "listeners: too much is to be done at the end; they stay open\n");
    atomic_store(&may_accept, true);
    listener_each_of_all(begin_one, NULL);
}

static __attribute__((constructor)) void add_hook(void)
{
    (void)pool_at_start(start_all); /* there is room: it is among the first */
    (void)eventer_name_callback("control_dispatch", mtev_control_dispatch);
}

void listener_stop_accepting(void)
{
    listener_each_of_all(hand_over_one, NULL);
}

struct each {
    void (*named)(const char *address, void *closure);
    void (*with_fd)(int fd, const char *address, void *closure);
    void *closure;
};

static void call_each(struct listener *l, void *closure)
{
    const struct each *each = closure;
    pthread_mutex_lock(&l->change);
    if (each->named != NULL && l->is_open)
        each->named(l->text, each->closure);
    for (uint32_t i = 0; each->with_fd != NULL && i < l->socket_count; i++)
        if (l->sockets[i].fd >= 0)
            each->with_fd(l->sockets[i].fd, l->text, each->closure);
    pthread_mutex_unlock(&l->change);
}

void listener_each(void (*fn)(const char *address, void *closure), void *closure)
{
    listener_each_of_all(call_each, &(struct each){.named = fn, .closure = closure});
}

void listener_each_socket(void (*fn)(int fd, const char *address, void *closure), void *closure)
{
    listener_each_of_all(call_each, &(struct each){.with_fd = fn, .closure = closure});
}
