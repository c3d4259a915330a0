/* SPDX-License-Identifier: MIT */
/*
 * access.h - who may have a console.
 *
 * Layer: console.  Any thread; nothing here allocates.
 */
#ifndef EVENTER_CONSOLE_ACCESS_H
#define EVENTER_CONSOLE_ACCESS_H

#include <stdbool.h>
#include <sys/socket.h>

#define ACCESS_NETWORKS_MAX 64 /* in an acl */

/*
 * True if a peer at address may have one.  Whoever gets at a unix socket may: its mode decides.
 * Over TCP, the addresses of this machine may; or, where there is an acl (else NULL), just those in
 * the networks that it lists, with blanks or commas between them.  An acl with a fault admits
 * nobody over TCP; *ret_fault says whether it has one.
 */
bool access_is_allowed(const struct sockaddr *address, const char *acl, bool *ret_fault);

#endif
