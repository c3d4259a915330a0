/* SPDX-License-Identifier: MIT */
/*
 * session.h - what a console does with a connection.
 *
 * Layer: console (uses listener).
 */
#ifndef EVENTER_CONSOLE_SESSION_H
#define EVENTER_CONSOLE_SESSION_H

/* The coroutine of a connection: serve the operator until the end.  Yields. */
void session_serve(void);

/* Have all sessions end, also those that begin: the process does.  Any thread but a loop's. */
void session_end_all(void);

#endif
