/* SPDX-License-Identifier: MIT */
/*
 * inherit.h - listening sockets that a parent process made, until a listener takes them.
 *
 * Layer: listener.  Any thread.  listener_inherit() and listener_drop_inherited() (listener.h) are
 * the other end.
 */
#ifndef EVENTER_LISTENER_INHERIT_H
#define EVENTER_LISTENER_INHERIT_H

#include "listener/address.h"

/*
 * Take an offered socket that is bound to wanted; any_port: whose port is another.  Returns the fd,
 * which is the caller's, or -ENOENT.
 */
int inherited_take(const struct address *wanted, bool any_port);

/* Leave the socket that is bound to wanted, if there is one, to whoever asks for that port. */
void inherited_reserve(const struct address *wanted);

/* How many such sockets there are at the address of the first one. */
uint32_t inherited_count(const struct address *wanted, bool any_port);

#endif
