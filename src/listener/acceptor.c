/* SPDX-License-Identifier: MIT */
#include "listener/acceptor.h"

#include "base/alloc.h"
#include "coro/coro.h"
#include "listener/listener_impl.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

/* ---- its life -------------------------------------------------------------------- */

static void take(struct event_guest *guest)
{
    mtev_acceptor_closure_t *ac = list_entry(guest, mtev_acceptor_closure_t, guest);
    atomic_fetch_add_explicit(&ac->refs, 1, memory_order_relaxed);
}

static void count_out(mtev_acceptor_closure_t *ac)
{
    struct listener *l = ac->settings->listener;
    if (ac->has_peer_count) {
        struct peer_key key = peer_key_of(ac->remote);
        peers_remove(&l->peers, &key);
    }
    atomic_fetch_sub_explicit(&l->live, 1, memory_order_relaxed);
}

static void acceptor_free(mtev_acceptor_closure_t *ac)
{
    wheel_cancel(&ac->timer);
    settings_release(ac->settings);
    alloc_free(ac->remote_cn);
    alloc_free(ac);
}

static void end_there(struct mail *mail, struct loop *loop)
{
    (void)loop;
    acceptor_free(list_entry(mail, mtev_acceptor_closure_t, mail));
}

static void drop(struct event_guest *guest)
{
    mtev_acceptor_closure_t *ac = list_entry(guest, mtev_acceptor_closure_t, guest);
    if (atomic_fetch_sub_explicit(&ac->refs, 1, memory_order_acq_rel) != 1)
        return;
    count_out(ac);
    mtev_acceptor_closure_ctx_free(ac);
    if (ac->settings->v.idle_ns == 0 || loop_self == ac->loop) {
        acceptor_free(ac);
        return;
    }
    ac->mail.run = end_there; /* its timer is its loop's */
    loop_post(ac->loop, &ac->mail);
}

/* ---- to its type ----------------------------------------------------------------- */

/* Stands in as the callback of events that a coroutine or a protocol drives by other means. */
static int never_called(eventer_t e, int mask, void *closure, struct timeval *now)
{
    (void)e;
    (void)mask;
    (void)closure;
    (void)now;
    return 0;
}

/* The coroutine of a connection: the connection is its own, as if it had converted it. */
static void serve(void)
{
    struct coro *self = list_entry(aco_gtls_co, struct coro, co);
    eventer_t e = eventer_aco_arg();
    mtev_acceptor_closure_t *ac = e->closure;
    chain_add(&self->events, &e->belongs);
    ac->type->coroutine();
}

static void start_coroutine(const struct listener_type *type, eventer_t e)
{
    const void *key = (const void *)(uintptr_t)type->coroutine;
    coro_convert(e, e->edge.is_stream);
    if (e->edge.on_ready != NULL) /* since its handshake */
        (void)edge_register(e, coro_on_ready);
    if (coro_start(&(struct coro_start){.func = serve, .arg = e, .key = key}) == 0)
        return;
    mtevL(mtev_error, "listener: %s: out of memory; a connection is dropped\n",
          type->name == NULL ? "(no name)" : type->name);
    eventer_aco_close((eventer_aco_t)e);
    eventer_aco_free((eventer_aco_t)e);
}

void acceptor_deliver(mtev_acceptor_closure_t *ac)
{
    if (secured_is_due(ac)) {
        secured_begin(ac);
        return;
    }
    const struct listener_type *type = ac->type;
    eventer_func_t callback = atomic_load_explicit(&type->callback, memory_order_acquire);
    eventer_t e = ac->e;
    ac->e = NULL;
    atomic_store_explicit(&ac->last_read_ns, ac->loop->now_ns, memory_order_relaxed);
    if (ac->settings->v.idle_ns != 0 && (callback != NULL || type->accepted == NULL))
        idle_begin(ac, e);
    if (callback != NULL) {
        if (e->edge.on_ready != NULL)
            edge_unregister(e);
        e->callback = callback;
        eventer_add(e);
    } else if (type->accepted != NULL) {
        type->accepted(e, type->context);
    } else {
        start_coroutine(type, e);
    }
}

void acceptor_drop(mtev_acceptor_closure_t *ac)
{
    eventer_t e = ac->e;
    int mask, fd = e->fd;
    ac->e = NULL;
    e->fd = -1;
    e->wire->close(fd, &mask, e);
    eventer_free(e);
}

void acceptor_refuse(mtev_acceptor_closure_t *ac)
{
    eventer_t e = ac->e;
    ac->e = NULL;
    refuse(ac->settings, ac->loop, e->fd);
    e->fd = -1;
    eventer_free(e);
}

void acceptor_arrive(mtev_acceptor_closure_t *ac)
{
    if (ac->is_proxied)
        proxied_begin(ac);
    else
        acceptor_deliver(ac);
}

static void arrive(struct mail *mail, struct loop *loop)
{
    (void)loop;
    acceptor_arrive(list_entry(mail, mtev_acceptor_closure_t, mail));
}

/* ---- handing over ---------------------------------------------------------------- */

/* Show a peer of IPv4 as such, also where the socket is of IPv6. */
static socklen_t unmap(struct sockaddr_storage *remote, socklen_t len)
{
    struct sockaddr_in6 v6;
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    if (remote->ss_family != AF_INET6)
        return len;
    memcpy(&v6, remote, sizeof(v6));
    if (!IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr))
        return len;
    v4.sin_port = v6.sin6_port;
    memcpy(&v4.sin_addr, v6.sin6_addr.s6_addr + 12, sizeof(v4.sin_addr));
    memcpy(remote, &v4, sizeof(v4));
    return sizeof(v4);
}

int acceptor_count_peer(mtev_acceptor_closure_t *ac)
{
    const uint32_t max = ac->settings->v.per_address_max;
    if (max == 0)
        return 0;
    const struct peer_key key = peer_key_of(ac->remote);
    int err = peers_add(&ac->settings->listener->peers, &key, max);
    ac->has_peer_count = err == 0;
    return err;
}

void acceptor_set_remote(mtev_acceptor_closure_t *ac, const struct sockaddr *address, socklen_t len)
{
    memcpy(ac->remote, address, len);
    ((char *)ac->remote)[len] = '\0'; /* the path of a unix socket ends there */
    ac->remote_len = len;
}

/* What is known of a connection from remote, with room for any address a proxy may name. */
static mtev_acceptor_closure_t *acceptor_new(struct listen_settings *settings,
                                             const struct sockaddr *remote, socklen_t len)
{
    const size_t room =
        (settings_have_proxies(settings) ? sizeof(struct sockaddr_un) : MAX((size_t)len, 2)) + 1;
    mtev_acceptor_closure_t *ac = alloc_bytes(sizeof(*ac) + room);
    if (ac == NULL)
        return NULL;
    memset(ac, 0, sizeof(*ac) + room); /* an unnamed peer has a family and no more */
    atomic_init(&ac->refs, 1);
    ac->guest = (struct event_guest){.take = take, .drop = drop};
    ac->mail.run = arrive;
    acceptor_set_remote(ac, remote, len);
    ac->settings = settings;
    ac->type = settings->v.type;
    ac->ctx = settings->v.closure;
    return ac;
}

int acceptor_hand_over(struct listen_settings *settings, struct loop *loop, int fd,
                       struct sockaddr_storage *remote, socklen_t remote_len,
                       mtev_acceptor_closure_t **ret_here)
{
    const struct sockaddr *address = (const struct sockaddr *)remote;
    remote_len = unmap(remote, MIN(remote_len, (socklen_t)sizeof(struct sockaddr_un)));
    mtev_acceptor_closure_t *ac = acceptor_new(settings, address, remote_len);
    if (ac == NULL)
        return -ENOMEM;
    ac->is_proxied = settings_have_proxies(settings) && proxied_is_expected(settings, address);
    int err = ac->is_proxied ? 0 : acceptor_count_peer(ac);
    eventer_t e = err != 0 ? NULL
                           : eventer_alloc_fd(never_called, ac, fd,
                                              EVENTER_READ | EVENTER_WRITE | EVENTER_EXCEPTION);
    if (e == NULL) {
        struct peer_key key = peer_key_of(ac->remote);
        if (ac->has_peer_count)
            peers_remove(&settings->listener->peers, &key);
        alloc_free(ac);
        return err != 0 ? err : -ENOMEM;
    }
    (void)settings_share(settings);
    ac->e = e;
    ac->fd = fd;
    ac->loop = loop;
    e->guest = &ac->guest;
    e->edge.is_stream = remote->ss_family != AF_UNIX; /* see eventer_set_eventer_aco() */
    event_set_owner(e, loop);
    if (ret_here != NULL && loop == loop_self)
        *ret_here = ac;
    else
        loop_post(loop, &ac->mail);
    return 0;
}

/* ---- asking ---------------------------------------------------------------------- */

struct sockaddr *mtev_acceptor_closure_remote(mtev_acceptor_closure_t *ac)
{
    return ac->remote;
}

const char *mtev_acceptor_closure_remote_cn(mtev_acceptor_closure_t *ac)
{
    return ac->remote_cn;
}

mtev_hash_table *mtev_acceptor_closure_config(mtev_acceptor_closure_t *ac)
{
    return &ac->settings->config;
}

eventer_func_t mtev_acceptor_closure_dispatch(mtev_acceptor_closure_t *ac)
{
    return atomic_load_explicit(&ac->type->callback, memory_order_acquire);
}

uint32_t mtev_acceptor_closure_cmd(mtev_acceptor_closure_t *ac)
{
    return ac->cmd;
}

void *mtev_acceptor_closure_ctx(mtev_acceptor_closure_t *ac)
{
    return ac->ctx;
}

void mtev_acceptor_closure_set_ctx(mtev_acceptor_closure_t *ac, void *ctx,
                                   void (*ctx_free)(void *ctx))
{
    ac->ctx = ctx;
    ac->ctx_free = ctx_free;
}

mtev_acceptor_ctx_free_t mtev_acceptor_closure_ctx_free_func(mtev_acceptor_closure_t *ac)
{
    return ac->ctx_free;
}

void mtev_acceptor_closure_ctx_free(mtev_acceptor_closure_t *ac)
{
    void (*ctx_free)(void *ctx) = ac->ctx_free;
    void *ctx = ac->ctx;
    ac->ctx = NULL;
    ac->ctx_free = NULL;
    if (ctx_free != NULL)
        ctx_free(ctx);
}

void mtev_acceptor_closure_free(mtev_acceptor_closure_t *ac)
{
    if (ac != NULL)
        mtev_acceptor_closure_ctx_free(ac);
}
