/* SPDX-License-Identifier: MIT */
/*
 * socket.h - a bound socket that accepts, and what happens when it cannot.
 *
 * Layer: listener.  States: BOUND (accepts nothing yet) --start--> OPEN --no fds left--> PAUSED
 * --a moment later--> OPEN; any of them --stop--> closed.
 */
#ifndef EVENTER_LISTENER_SOCKET_H
#define EVENTER_LISTENER_SOCKET_H

#include "listener/acceptor.h"
#include "listener/address.h"

#define SOCKET_BACKLOG_DEFAULT  512
#define SOCKET_ACCEPT_BURST_MAX 64 /* connections taken in one callback */

struct listen_socket {
    struct listen_socket *next;
    struct address address; /* as bound */
    const struct listener_type *type;
    struct eventer_pool *pool; /* whose loops serve */
    bool fans_out;             /* in turn over all of them; else the accepting loop serves */
    int fd;
    eventer_t e; /* shared with the eventer while it is registered */
    uint64_t last_complaint_ns;
    bool is_handed_over; /* a successor listens there, too: the path is its */
    char text[ADDRESS_TEXT_MAX];
};

/*
 * Bind and listen, or take a socket that was inherited.  A unix socket that nobody answers at is
 * removed first.  no_delay: TCP_NODELAY on every connection.  Returns 0 or -errno.
 */
int listen_socket_bind(struct listen_socket *s, int backlog, bool no_delay);

/* Begin to accept, in the pool's first loop.  Returns 0 or -ENOMEM. */
int listen_socket_start(struct listen_socket *s);

/* Accept nothing more, and leave the socket open for a successor. */
void listen_socket_hand_over(struct listen_socket *s);

/* Close it; connections that were accepted go on. */
void listen_socket_stop(struct listen_socket *s);

#endif
