/* SPDX-License-Identifier: MIT */
/*
 * listen.c - listeners as programs make and see them.
 */
#include "listener/listener_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Log why the call failed; set errno.  Returns -1. */
static int fail(const char *call, const char *what, int err)
{
    mtevL(mtev_error, "%s: %s: %s\n", call, what, strerror(-err));
    errno = -err;
    return -1;
}

/* ---- options --------------------------------------------------------------------- */

/* Where something is wrong, *ret_what is it.  0 or -errno. */
static int read_type(const struct eventer_listen_opts *opts, struct listen_values *v,
                     const char **ret_what)
{
    *ret_what = "one of coroutine, callback and type is to be given";
    if ((opts->coroutine != NULL) + (opts->callback != NULL) + (opts->type != NULL) != 1)
        return -EINVAL;
    *ret_what = opts->type;
    if (opts->type != NULL)
        return type_find(opts->type, &v->type);
    *ret_what = "its type";
    return type_of_function(opts->callback, opts->coroutine, &v->type);
}

static int read_path_options(const struct eventer_listen_opts *opts, struct listen_values *v,
                             const char **ret_what)
{
    int err = 0;
    if (opts->mode != NULL) {
        *ret_what = opts->mode;
        err = settings_read_mode(opts->mode, v);
    }
    if (err == 0 && opts->owner != NULL) {
        *ret_what = opts->owner;
        err = settings_find_user(opts->owner, &v->owner);
    }
    if (err == 0 && opts->group != NULL) {
        *ret_what = opts->group;
        err = settings_find_group(opts->group, &v->group);
    }
    return err;
}

static int read_address(const struct eventer_listen_opts *opts, struct listen_values *v,
                        const char **ret_what)
{
    const char *address = opts->address == NULL ? "*" : opts->address;
    *ret_what = address;
    return address_parse(address, opts->port, &v->address, &v->is_dual);
}

static bool is_between(int64_t number, int64_t min, int64_t max)
{
    return number >= min && number <= max;
}

static int check_numbers(const struct eventer_listen_opts *opts, const char **ret_what)
{
    *ret_what = "a number is too large";
    bool is_fine = is_between(opts->backlog, 0, LISTEN_BACKLOG_MAX) &&
                   is_between(opts->defer_accept, 0, LISTEN_DEFER_S_MAX) &&
                   is_between(opts->fastopen, 0, LISTEN_FAST_OPEN_MAX) &&
                   is_between(opts->max_connections, 0, LISTEN_CONNECTIONS_MAX) &&
                   is_between(opts->max_per_address, 0, LISTEN_CONNECTIONS_MAX) &&
                   is_between(opts->accept_rate, 0, LISTEN_ACCEPT_RATE_MAX) &&
                   is_between(opts->accept_burst, 0, LISTEN_ACCEPT_RATE_MAX) &&
                   is_between(opts->idle_timeout, 0, LISTEN_IDLE_MS_MAX);
    return is_fine ? 0 : -EINVAL;
}

static void copy_plain(const struct eventer_listen_opts *opts, struct listen_values *v)
{
    if (opts->pool != NULL)
        v->pool = opts->pool;
    v->closure = opts->closure;
    v->fans_out = !opts->one_loop;
    v->shares_port = opts->reuseport;
    v->has_thread = opts->accept_thread;
    v->no_delay = !opts->delay;
    v->keepalive = opts->keepalive;
    if (opts->backlog != 0)
        v->backlog = opts->backlog;
    v->defer_accept_s = opts->defer_accept;
    v->fast_open = opts->fastopen;
    v->connections_max = opts->max_connections;
    v->per_address_max = opts->max_per_address;
    v->accept_rate = opts->accept_rate;
    v->accept_burst = opts->accept_burst != 0 ? opts->accept_burst : opts->accept_rate;
    v->idle_ns = opts->idle_timeout * CLOCK_NS_PER_MS;
}

static int read_options(const struct eventer_listen_opts *opts, struct listen_values *v,
                        const char **ret_what)
{
    size_t len;
    int err = read_type(opts, v, ret_what);
    if (err == 0)
        err = read_address(opts, v, ret_what);
    if (err == 0)
        err = read_path_options(opts, v, ret_what);
    if (err == 0)
        err = check_numbers(opts, ret_what);
    if (err == 0 && opts->proxy_protocol_from != NULL) {
        err = settings_read_proxies(opts->proxy_protocol_from, v, ret_what, &len);
        *ret_what = opts->proxy_protocol_from;
    }
    if (err != 0)
        return err;
    copy_plain(opts, v);
    *ret_what = settings_conflict(v);
    return *ret_what == NULL ? 0 : -EINVAL;
}

eventer_listener_t *eventer_listen(const struct eventer_listen_opts *opts)
{
    struct listener *l = NULL;
    char text[ADDRESS_TEXT_MAX], reason[TLS_REASON_SIZE] = "";
    const char *what = "no options";
    if (pool_first_loop() == NULL) {
        fail("eventer_listen", "eventer_init() was not called", -EINVAL);
        return NULL;
    }
    struct listen_settings *settings = opts == NULL ? NULL : settings_new();
    int err = opts == NULL ? -EINVAL : settings == NULL ? -ENOMEM : 0;
    if (err == 0)
        err = read_options(opts, &settings->v, &what);
    if (err == 0 && opts->sslconfig != NULL) {
        err = secured_read_table(opts->sslconfig, &settings->v, reason);
        what = reason;
    }
    if (err != 0) {
        settings_release(settings);
        fail("eventer_listen", what, err);
        return NULL;
    }
    address_format(&settings->v.address, text);
    err = listener_open(settings, false, &l);
    if (err == 0) {
        err = listener_start(l);
        if (err != 0)
            listener_end(l);
    }
    if (err == 0)
        return l;
    fail("eventer_listen", text, err);
    return NULL;
}

/* ---- one of them ----------------------------------------------------------------- */

int eventer_listener_stop(eventer_listener_t *listener)
{
    if (listener == NULL)
        return fail("eventer_listener_stop", "(null)", -EINVAL);
    listener_stop(listener);
    return 0;
}

int eventer_listener_start(eventer_listener_t *listener)
{
    if (listener == NULL)
        return fail("eventer_listener_start", "(null)", -EINVAL);
    int err = listener_start(listener);
    return err == 0 ? 0 : fail("eventer_listener_start", listener->text, err);
}

void eventer_listener_free(eventer_listener_t *listener)
{
    if (listener == NULL)
        return;
    if (listener->is_configured)
        fail("eventer_listener_free", "it is the configuration's", -EINVAL);
    else
        listener_end(listener);
}

void eventer_listener_each(void (*fn)(eventer_listener_t *listener, void *closure), void *closure)
{
    listener_each_of_all(fn, closure);
}

size_t eventer_listener_address(eventer_listener_t *listener, char *buffer, size_t size)
{
    char text[ADDRESS_TEXT_MAX];
    pthread_mutex_lock(&listener->change);
    memcpy(text, listener->text, sizeof(text));
    pthread_mutex_unlock(&listener->change);
    size_t len = strlen(text);
    if (size > 0) {
        size_t kept = MIN(len, size - 1);
        memcpy(buffer, text, kept);
        buffer[kept] = '\0';
    }
    return len;
}

uint16_t eventer_listener_port(eventer_listener_t *listener)
{
    pthread_mutex_lock(&listener->change);
    uint16_t port = address_port(&listener->address);
    pthread_mutex_unlock(&listener->change);
    return port;
}

void eventer_listener_get_stats(eventer_listener_t *listener, struct eventer_listener_stats *out)
{
    pthread_mutex_lock(&listener->change);
    bool is_open = listener->is_open;
    pthread_mutex_unlock(&listener->change);
    *out = (struct eventer_listener_stats){
        .is_open = is_open ? mtev_true : mtev_false,
        .connections = atomic_load_explicit(&listener->live, memory_order_relaxed),
        .accepted = atomic_load_explicit(&listener->accepted, memory_order_relaxed),
        .refused_full = atomic_load_explicit(&listener->refused_full, memory_order_relaxed),
        .refused_address = atomic_load_explicit(&listener->refused_address, memory_order_relaxed),
        .refused_proxy = atomic_load_explicit(&listener->refused_proxy, memory_order_relaxed),
        .delayed = atomic_load_explicit(&listener->delayed, memory_order_relaxed),
        .failed = atomic_load_explicit(&listener->failed, memory_order_relaxed),
    };
}
