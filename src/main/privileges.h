/* SPDX-License-Identifier: MIT */
/*
 * privileges.h - from root to a user that may do little.
 *
 * Layer: main.  The main thread, before there are others.  Source: credentials(7), capabilities(7).
 */
#ifndef EVENTER_MAIN_PRIVILEGES_H
#define EVENTER_MAIN_PRIVILEGES_H

/*
 * Become user, with its groups, or with group in place of its first one; each is a name or a
 * number, and NULL leaves it as it is.  A number that is no user's has a group of that number.
 * Nothing is left of root but, where it was there, that ports below 1024 may be bound
 * (CAP_NET_BIND_SERVICE), and no program that is executed can gain anything (PR_SET_NO_NEW_PRIVS).
 * That it is so is verified. Who is that user already gets no more than no-new-privs. Returns 0;
 * or, logged, -ENOENT (nobody is called so) or -EPERM (as the system says).
 */
int privileges_drop(const char *user, const char *group);

#endif
