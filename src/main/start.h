/* SPDX-License-Identifier: MIT */
/*
 * start.h - from a configuration to a process that is ready to serve.
 *
 * Layer: main (uses all others).  Main thread only.
 */
#ifndef EVENTER_MAIN_START_H
#define EVENTER_MAIN_START_H

#include <mtev_main.h>

#include <stdbool.h>

#define START_SWITCHES_MAX 128 /* calls of mtev_main_enable_log() and _disable_log() */

#define START_STATUS_WRONG 2 /* the exit status when something cannot work as it is configured */

struct start { /* borrows its texts */
    const char *app_name;
    const char *path; /* the configuration file ... */
    const char *text; /* ... or, not NULL, a built-in configuration */
    bool debug;
    mtev_lock_op_t lock;
};

/*
 * Load the configuration and apply what concerns the whole process: its name, the logs, the
 * properties of the eventer, the lock file.  Returns 0, or -errno after a line that says what is
 * wrong and where.
 */
int start_configured(const struct start *start);

#endif
