/* SPDX-License-Identifier: MIT */
/*
 * acceptor.h - what is known of an accepted connection, and its way to the type that serves it.
 *
 * Layer: listener.  The closure of the connection's event; the event and its copies share it.
 *
 *   handed over --a proxy's--> its header is read --with TLS--> handshake --> the type
 *        `-------------------------------^--------------------------------------^
 */
#ifndef EVENTER_LISTENER_ACCEPTOR_H
#define EVENTER_LISTENER_ACCEPTOR_H

#include "eventer/event.h"
#include "eventer/loop.h"
#include "listener/limits.h"
#include "listener/settings.h"

#include <mtev_listener.h>

struct mtev_acceptor_closure {
    struct event_guest guest;         /* of its event and the copies */
    struct mail mail;                 /* to the loop that serves it, and for its end */
    eventer_t e;                      /* on the way there: taken */
    struct listen_settings *settings; /* shared */
    const struct listener_type *type; /* of settings; or that for the protocol above TLS */
    struct loop *loop;                /* that serves it */
    _Atomic uint32_t refs;
    int fd;              /* as accepted; see idle.c */
    bool is_proxied;     /* it begins with a proxy's header */
    bool has_peer_count; /* peers_add() counted it */
    uint8_t word_len;    /* of word, of what came of mtev_control_dispatch()'s */
    unsigned char word[4];
    uint32_t cmd;                  /* once it was there */
    struct wheel_node timer;       /* in loop's wheel: idle.c */
    _Atomic uint64_t last_read_ns; /* monotonic, as far as anybody said; or when it came */
    _Atomic uint64_t last_write_ns;
    char *remote_cn; /* owned; NULL: the peer has shown no certificate */
    void *ctx;
    void (*ctx_free)(void *ctx);
    socklen_t remote_len;
    _Alignas(8) struct sockaddr
        remote[]; /* remote_len bytes, and a NUL behind the path of a unix socket */
};

/*
 * Give the accepted fd (non-blocking; taken) to the type of settings in loop, from any thread.
 * remote is rewritten where IPv4 is shown as IPv6.  If ret_here is not NULL and loop is the calling
 * one, the connection is given in *ret_here for acceptor_arrive(); else it is posted.  Returns 0;
 * or, with the fd still the caller's, -EUSERS (as many of that address as there may be) or -ENOMEM.
 */
int acceptor_hand_over(struct listen_settings *settings, struct loop *loop, int fd,
                       struct sockaddr_storage *remote, socklen_t remote_len,
                       mtev_acceptor_closure_t **ret_here);

/* Bring it to its type.  Its loop, with no lock held: the user's code runs. */
void acceptor_arrive(mtev_acceptor_closure_t *ac);

/* Count the connection with those of its address.  0, -EUSERS or -ENOMEM. */
int acceptor_count_peer(mtev_acceptor_closure_t *ac);

/* Have its peer be address. */
void acceptor_set_remote(mtev_acceptor_closure_t *ac, const struct sockaddr *address,
                         socklen_t len);

/* Give it to its type.  Its loop. */
void acceptor_deliver(mtev_acceptor_closure_t *ac);

/* Close it before its type has it.  Its loop. */
void acceptor_drop(mtev_acceptor_closure_t *ac);

/* The same, and who speaks the type's protocol is told that he is too many. */
void acceptor_refuse(mtev_acceptor_closure_t *ac);

/* ---- proxied.c ------------------------------------------------------------------- */

/* True if connections from address begin with a proxy's header. */
bool proxied_is_expected(const struct listen_settings *settings, const struct sockaddr *address);

/* Read the header, then deliver; or drop the connection.  Its loop. */
void proxied_begin(mtev_acceptor_closure_t *ac);

/* How long the header may take; tests set less. */
extern uint64_t proxied_patience_ns __attribute__((visibility("hidden")));

/* ---- secured.c ------------------------------------------------------------------- */

/* True if TLS comes before the type, and the handshake is not done. */
bool secured_is_due(const mtev_acceptor_closure_t *ac);

/* Do the handshake, then deliver; or drop the connection.  Its loop. */
void secured_begin(mtev_acceptor_closure_t *ac);

/* ---- idle.c ---------------------------------------------------------------------- */

/* Watch over the connection, whose event is e, before its type has it.  Its loop. */
void idle_begin(mtev_acceptor_closure_t *ac, eventer_t e);

/* For how long nothing was read or written. */
uint64_t idle_age_ns(const mtev_acceptor_closure_t *ac, uint64_t now_ns);

#endif
