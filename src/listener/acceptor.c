/* SPDX-License-Identifier: MIT */
#include "listener/acceptor.h"

#include "base/alloc.h"
#include "coro/coro.h"
#include "eventer/event.h"

#include <string.h>
#include <unistd.h>

static void take(struct event_guest *guest)
{
    mtev_acceptor_closure_t *ac = list_entry(guest, mtev_acceptor_closure_t, guest);
    atomic_fetch_add_explicit(&ac->refs, 1, memory_order_relaxed);
}

static void drop(struct event_guest *guest)
{
    mtev_acceptor_closure_t *ac = list_entry(guest, mtev_acceptor_closure_t, guest);
    if (atomic_fetch_sub_explicit(&ac->refs, 1, memory_order_acq_rel) != 1)
        return;
    if (ac->ctx_free != NULL)
        ac->ctx_free(ac->ctx);
    alloc_free(ac);
}

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

/* In the loop that serves the connection. */
static void arrive(struct mail *mail, struct loop *loop)
{
    mtev_acceptor_closure_t *ac = list_entry(mail, mtev_acceptor_closure_t, mail);
    const struct listener_type *type = ac->type;
    eventer_t e = ac->e;
    (void)loop;
    if (type->callback != NULL) {
        e->callback = type->callback;
        eventer_add(e);
    } else if (type->accepted != NULL) {
        type->accepted(e, type->context);
    } else {
        coro_convert(e, e->edge.is_stream);
        const void *key = (const void *)(uintptr_t)type->coroutine;
        if (coro_start(&(struct coro_start){.func = serve, .arg = e, .key = key}) != 0) {
            mtevL(mtev_error, "listener: %s: out of memory; a connection is dropped\n", type->name);
            eventer_aco_close((eventer_aco_t)e);
            eventer_aco_free((eventer_aco_t)e);
        }
    }
}

int acceptor_hand_over(const struct listener_type *type, struct loop *loop, int fd,
                       const struct sockaddr_storage *remote, socklen_t remote_len)
{
    mtev_acceptor_closure_t *ac = alloc_bytes(sizeof(*ac));
    eventer_t e = ac == NULL ? NULL
                             : eventer_alloc_fd(never_called, ac, fd,
                                                EVENTER_READ | EVENTER_WRITE | EVENTER_EXCEPTION);
    if (e == NULL) {
        alloc_free(ac);
        return -ENOMEM;
    }
    ac->mail.run = arrive;
    ac->e = e;
    ac->type = type;
    atomic_init(&ac->refs, 1);
    ac->ctx = NULL;
    ac->ctx_free = NULL;
    ac->remote_len = remote_len;
    memset(&ac->remote, 0, sizeof(ac->remote)); /* the path of a unix socket ends there */
    memcpy(&ac->remote, remote, MIN((size_t)remote_len, sizeof(ac->remote)));
    ac->guest = (struct event_guest){.take = take, .drop = drop};
    e->guest = &ac->guest;
    e->edge.is_stream = remote->ss_family != AF_UNIX; /* see eventer_set_eventer_aco() */
    event_set_owner(e, loop);
    if (loop == loop_self)
        arrive(&ac->mail, loop);
    else
        loop_post(loop, &ac->mail);
    return 0;
}

struct sockaddr *mtev_acceptor_closure_remote(mtev_acceptor_closure_t *ac)
{
    return (struct sockaddr *)&ac->remote;
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
