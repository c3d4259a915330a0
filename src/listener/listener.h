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
 * As mtev_listener_init().  strict: the first fault is logged and returned (-EINVAL for a wrong
 * stanza, what bind(2) said otherwise), and nothing stays bound.  Else returns 0.
 */
int listener_init(const char *toplevel, bool strict);

/* Call fn with the address ("127.0.0.1:8080", "[::1]:8080", a path) of every bound listener. */
void listener_each(void (*fn)(const char *address, void *closure), void *closure);

#endif
