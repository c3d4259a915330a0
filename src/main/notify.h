/* SPDX-License-Identifier: MIT */
/*
 * notify.h - what the service manager is told, and the sockets it has bound for us.
 *
 * Layer: main.  Without a manager all of it does nothing.  Source: sd_notify(3), sd_listen_fds(3):
 * the protocol is datagrams and environment variables, so that its library is not needed.
 */
#ifndef EVENTER_MAIN_NOTIFY_H
#define EVENTER_MAIN_NOTIFY_H

#include <stdint.h>

#define NOTIFY_SOCKETS_MAX 1024 /* sockets that are passed in */

/*
 * Take what the manager has put into the environment out of it, so that no other program takes it
 * for its own.  Once, in the process that was started, before it forks.
 */
void notify_begin(void);

/* Tell the manager the lines of text, without a last newline (see sd_notify(3)).  Any thread. */
void notify_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The service is ready, or is so again; text is what it does now. */
void notify_ready(const char *text);

/* It loads its configuration anew; notify_ready() ends that. */
void notify_reloading(void);

/* It is about to end. */
void notify_stopping(void);

/*
 * How often the manager wants to hear notify_alive(), in ns: half of its limit.  0: never.  That
 * does not wait for a manager that does not listen, as the others do for a second.
 */
uint64_t notify_alive_every_ns(void);
void notify_alive(void);

/* Give the sockets the manager has bound (borrowed, close-on-exec); returns their number. */
int notify_sockets(const int **out);

#endif
