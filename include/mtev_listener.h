/* SPDX-License-Identifier: MIT */
/*
 * mtev_listener.h - addresses that accept connections, as <listeners> of the configuration says.
 */
#ifndef MTEV_LISTENER_H
#define MTEV_LISTENER_H

#include <mtev_defines.h>

#include <eventer/eventer.h>

#include <sys/socket.h>

MTEV_BEGIN_DECLS

/* What is known of an accepted connection: the closure of its event, which shares it. */
typedef struct mtev_acceptor_closure mtev_acceptor_closure_t;

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

/* The address of the peer; borrowed while the closure lives. */
API_EXPORT(struct sockaddr *) mtev_acceptor_closure_remote(mtev_acceptor_closure_t *ac);

/*
 * What the connection's protocol keeps here; ctx_free (NULL: nothing) is called with it at the end.
 */
API_EXPORT(void *) mtev_acceptor_closure_ctx(mtev_acceptor_closure_t *ac);
API_EXPORT(void)
mtev_acceptor_closure_set_ctx(mtev_acceptor_closure_t *ac, void *ctx, void (*ctx_free)(void *ctx));

/*
 * Write sa as text (an address without its port, or a path), NUL-terminated and cut to len bytes,
 * to buffer.  Returns its length, 0 for an unknown family.
 */
API_EXPORT(int) mtev_convert_sockaddr_to_buff(char *buffer, int len, struct sockaddr *sa);

MTEV_END_DECLS

#endif
