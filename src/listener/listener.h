/* SPDX-License-Identifier: MIT */
/*
 * listener.h - what protocols of higher layers may ask of listeners.
 *
 * Layer: listener (uses coro, conf).
 */
#ifndef EVENTER_LISTENER_LISTENER_H
#define EVENTER_LISTENER_LISTENER_H

#include <mtev_listener.h>

#include <stdbool.h>

/*
 * Make "name" a type whose connections are given to accepted, in their loop and on its own stack,
 * as events that are not registered (taken).  context is handed on.  Returns 0, -EEXIST or -ENOMEM.
 */
int listener_register_type(const char *name, void (*accepted)(eventer_t e, void *context),
                           void *context);

/*
 * Have those connections of the type called name that agree on protocol when TLS begins (ALPN), and
 * for which is_wanted says so, be given to accepted instead; it is a type called
 * "NAME/alpn:PROTOCOL".  Returns 0, -EEXIST, -EINVAL (too long a name) or -ENOMEM.
 */
int listener_register_protocol(const char *name, const char *protocol,
                               bool (*is_wanted)(const mtev_acceptor_closure_t *ac),
                               void (*accepted)(eventer_t e, void *context), void *context);

/*
 * What a connection of the type called name is sent before it is closed because there are too many
 * (NUL-terminated, kept by reference for good; NULL: nothing).  Returns 0 or -ENOENT.
 */
int listener_set_refusal(const char *name, const char *text);

/* The idle_timeout of ac's listener: for types that keep the time themselves.  0: none. */
uint64_t listener_idle_ns(const mtev_acceptor_closure_t *ac);

/*
 * Have the listeners of the configuration be as it is now: new ones are bound, those that are gone
 * stop, and what differs is changed in those that stay; connections go on.  If something is wrong,
 * or an address cannot be had, one line says so, all stays as it was, and -errno is returned.  Not
 * a loop's thread.
 */
int listener_reload(void);

/*
 * Log what is wrong with the listeners of the configuration, one line each, before eventer_init()
 * and without a socket: a type may be any, and a pool one of eventer_propset().  Returns 0, or
 * -EINVAL or -ENOMEM.
 */
int listener_check(void);

/*
 * As mtev_listener_init().  strict: the first fault is logged and returned (-EINVAL for a wrong
 * stanza, what bind(2) said otherwise), and nothing stays bound.  Else returns 0.
 */
int listener_init(const char *toplevel, bool strict);

/*
 * Offer a listening stream socket that a parent process or systemd made (taken): a listener whose
 * address it is bound to takes it and does not bind; one with port 0 takes one of any port.  Before
 * listener_init(), any thread.  Returns 0; or, with fd still the caller's, -ENOMEM, -EINVAL (it
 * does not listen) or as getsockopt(2) and fcntl(2).
 */
int listener_inherit(int fd);

/* Close the sockets that nobody took, with one line each. */
void listener_drop_inherited(void);

/*
 * Accept nothing more; connections that were accepted go on.  The sockets stay open and their paths
 * stay, so that a successor who has them too goes on with whoever waits.  Any thread.
 */
void listener_stop_accepting(void);

/* Call fn with each listening socket (borrowed), and its address as listener_each() has it. */
void listener_each_socket(void (*fn)(int fd, const char *address, void *closure), void *closure);

/* Call fn with the address ("127.0.0.1:8080", "[::1]:8080", a path) of every bound listener. */
void listener_each(void (*fn)(const char *address, void *closure), void *closure);

#endif
