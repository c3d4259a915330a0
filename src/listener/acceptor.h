/* SPDX-License-Identifier: MIT */
/*
 * acceptor.h - what is known of an accepted connection, and its way to the loop that serves it.
 *
 * Layer: listener.  The closure of the connection's event; the event and its copies share it.
 */
#ifndef EVENTER_LISTENER_ACCEPTOR_H
#define EVENTER_LISTENER_ACCEPTOR_H

#include "eventer/event.h"
#include "eventer/loop.h"
#include "listener/address.h"

#include <mtev_listener.h>

struct listener_type;

struct mtev_acceptor_closure {
    struct event_guest guest; /* of its event and the copies */
    struct mail mail;         /* to the loop that serves it */
    eventer_t e;              /* on the way there: taken */
    const struct listener_type *type;
    _Atomic uint32_t refs;
    void *ctx;
    void (*ctx_free)(void *ctx);
    socklen_t remote_len;
    struct sockaddr_storage remote;
};

/* What a type does with a connection; kept for good. */
struct listener_type {
    struct listener_type *next;
    char *name;              /* owned */
    void (*coroutine)(void); /* one of these three is set */
    eventer_func_t callback;
    void (*accepted)(eventer_t e, void *context);
    void *context;
};

/*
 * Give the accepted fd (taken; non-blocking) to its type in loop, from any loop.  Returns 0, or
 * -ENOMEM with the fd still the caller's.
 */
int acceptor_hand_over(const struct listener_type *type, struct loop *loop, int fd,
                       const struct sockaddr_storage *remote, socklen_t remote_len);

#endif
