/* SPDX-License-Identifier: MIT */
/*
 * confine.h - a process that serves gives up the system calls that it does not need.
 *
 * Layer: main.  Source: seccomp(2); the filter is made by libseccomp, where the library is built
 * with it.
 */
#ifndef EVENTER_MAIN_CONFINE_H
#define EVENTER_MAIN_CONFINE_H

#include <stdbool.h>

/*
 * Have all threads of the process, and those that they start, be refused (EPERM) whatever is not on
 * the list in confine.c: above all to execute a program and to fork.  For good; no_new_privs is set
 * as well.  Returns 0, -ENOTSUP (built without it), or -errno as the kernel says.
 */
int confine(void);

/* True if the library is built with it. */
bool confine_is_possible(void);

#endif
