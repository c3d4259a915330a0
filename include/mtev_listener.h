/* SPDX-License-Identifier: MIT */
/*
 * mtev_listener.h - addresses that accept connections, as <listeners> of the configuration says.
 */
#ifndef MTEV_LISTENER_H
#define MTEV_LISTENER_H

#include <mtev_defines.h>

#include <eventer/eventer.h>
#include <mtev_hash.h>

#include <sys/socket.h>

MTEV_BEGIN_DECLS

/* What is known of an accepted connection: the closure of its event, which shares it. */
typedef struct mtev_acceptor_closure mtev_acceptor_closure_t;

/* What ends a context. */
typedef void (*mtev_acceptor_ctx_free_t)(void *ctx);

/*
 * Make func a type for <listener type="name">: each connection gets a coroutine that runs it, where
 * eventer_aco_arg() is the connection, an eventer_aco_t that the coroutine closes and frees.  A
 * named callback (eventer_name_callback()) of the same name goes first.  Before
 * mtev_listener_init().
 */
API_EXPORT(void) mtev_listener_register_aco_function(const char *name, void (*func)(void));

/*
 * Bind every <listener> of the configuration (toplevel, the name of its root element, is not looked
 * at).  Call it after eventer_init() and after all types are registered; connections are accepted
 * from eventer_loop*() on.  A listener that is wrong, or whose address cannot be had, is one line,
 * and the others go on; with <listeners strict="true"> that line is the last one, and the process
 * ends with status 2.
 */
API_EXPORT(void) mtev_listener_init(const char *toplevel);

/*
 * Have mtev_listener_init() leave out what would listen at address (as in eventer.conf(5)) and
 * port; NULL: at any address with that port.  What is no address is one line.
 */
API_EXPORT(void) mtev_listener_skip(const char *address, int port);

/*
 * The address of the peer; borrowed while the closure lives.  Where a proxy says whom it speaks
 * for, that one's.  A peer of IPv4 has an address of IPv4, also at a socket for both.
 */
API_EXPORT(struct sockaddr *) mtev_acceptor_closure_remote(mtev_acceptor_closure_t *ac);

/* The common name in the peer's certificate, borrowed in the same way; NULL: it showed none. */
API_EXPORT(const char *) mtev_acceptor_closure_remote_cn(mtev_acceptor_closure_t *ac);

/*
 * What stands in <config> around and in the listener: a dictionary (mtev_hash.h), borrowed in the
 * same way, and not to be written.
 */
API_EXPORT(mtev_hash_table *) mtev_acceptor_closure_config(mtev_acceptor_closure_t *ac);

/* The callback of the listener's type; NULL: the type is none. */
API_EXPORT(eventer_func_t) mtev_acceptor_closure_dispatch(mtev_acceptor_closure_t *ac);

/* The word that mtev_control_dispatch() has read, as a number; 0 before. */
API_EXPORT(uint32_t) mtev_acceptor_closure_cmd(mtev_acceptor_closure_t *ac);

/*
 * What the connection's protocol keeps here; ctx_free (NULL: nothing) is called with it at the end.
 * mtev_acceptor_closure_ctx_free() ends it at once, as does mtev_acceptor_closure_free(): the
 * closure itself goes with its events.
 */
API_EXPORT(void *) mtev_acceptor_closure_ctx(mtev_acceptor_closure_t *ac);
API_EXPORT(void)
mtev_acceptor_closure_set_ctx(mtev_acceptor_closure_t *ac, void *ctx, void (*ctx_free)(void *ctx));
API_EXPORT(void) mtev_acceptor_closure_ctx_free(mtev_acceptor_closure_t *ac);
API_EXPORT(mtev_acceptor_ctx_free_t)
mtev_acceptor_closure_ctx_free_func(mtev_acceptor_closure_t *ac);
API_EXPORT(void) mtev_acceptor_closure_free(mtev_acceptor_closure_t *ac);

/*
 * Note that something was read or written now (wall clock; NULL: this moment), for idle_timeout;
 * and tell for how many milliseconds nothing was.  What moves on the connection itself is known
 * without notes.  Any thread.
 */
API_EXPORT(void)
mtev_acceptor_closure_mark_read(mtev_acceptor_closure_t *ac, struct timeval *now);
API_EXPORT(void)
mtev_acceptor_closure_mark_write(mtev_acceptor_closure_t *ac, struct timeval *now);
API_EXPORT(uint64_t) mtev_acceptor_closure_readwrite_age(mtev_acceptor_closure_t *ac);

/*
 * The callback of the type "control_dispatch": it reads four bytes, the most significant first, and
 * has the delegate of that word serve the connection from then on: its callback becomes the
 * event's, and is called at once.  A connection with another word is closed.
 */
API_EXPORT(int)
mtev_control_dispatch(eventer_t e, int mask, void *closure, struct timeval *now);

/*
 * Make delegate_dispatch the delegate of the word cmd at listeners whose callback is
 * listener_dispatch: mtev_control_dispatch, or a callback that calls it.  It replaces an earlier
 * one; do so before connections come.
 */
API_EXPORT(void)
mtev_control_dispatch_delegate(eventer_func_t listener_dispatch, uint32_t cmd,
                               eventer_func_t delegate_dispatch);

/*
 * For the callback of a type behind TLS: have the callback that is named "TYPE/alpn:PROTOCOL", for
 * the protocol that was agreed on, serve e from now on.  Returns 1, and *mask is what that callback
 * returned when it was called with *mask, closure and now; or 0: there is none, or it is the one
 * that serves.  A listener does so by itself before it gives a connection to its type.
 */
API_EXPORT(int)
mtev_listener_apply_alpn(eventer_t e, int *mask, void *closure, struct timeval *now);

/*
 * All delegates: a table from the bytes of a callback (sizeof(eventer_func_t) of them) to a
 * mtev_hash_table from the bytes of a word, a uint32_t, to the delegate.  Borrowed for good; not to
 * be written.
 */
API_EXPORT(mtev_hash_table *) mtev_listener_commands(void);

/*
 * Write sa as text (an address without its port, or a path), NUL-terminated and cut to len bytes,
 * to buffer.  Returns its length, 0 for an unknown family.
 */
API_EXPORT(int) mtev_convert_sockaddr_to_buff(char *buffer, int len, struct sockaddr *sa);

MTEV_END_DECLS

#endif
