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
#include <sys/types.h>

#define START_SWITCHES_MAX   128 /* calls of mtev_main_enable_log() and _disable_log() */
#define START_PROPERTIES_MAX 128 /* calls of mtev_main_eventer_config() */

#define START_STATUS_WRONG 2 /* the exit status when something cannot work as it is configured */

enum start_mode {
    START_ALONE = 0, /* the process that was started serves */
    START_MONITORED, /* it looks after a child that serves */
    START_BACKGROUND /* the same, in a process without a terminal */
};

struct start { /* borrows its texts */
    const char *app_name;
    const char *path; /* the configuration file ... */
    const char *text; /* ... or, not NULL, a built-in configuration */
    bool debug;
    enum start_mode mode;
    mtev_lock_op_t lock;
    const char *glider;       /* NULL: as the configuration says */
    const char *user, *group; /* to become; NULL: as it is */
};

/*
 * Load the configuration and apply what concerns the whole process: its name, the folder, the lock
 * file, the background, the user, the logs, the properties of the eventer, in this order.  A
 * process that a monitor has executed in an upgrade has its folder, lock and so on from that.
 * Returns 0, or -errno after a line that says what is wrong and where.
 */
int start_configured(const struct start *start);

/*
 * start_configured(), and then call run() as mode says; in *out is the exit status.  Returns 0, or
 * -errno: run() was not called.
 */
int start_and_serve(const struct start *start, int (*run)(void), int *out);

/* True if the configuration wants confine(), which the process calls when it serves. */
bool start_wants_confinement(void);

/*
 * Look at what of a configuration is not done here, and must not be ignored: programs to start
 * (<managed>).  0; or, logged, -EINVAL.
 */
int start_refuse_managed(void);

/* Set up the logs as the configuration and the command line say now.  0, or, logged, -errno. */
int start_logs(void);

/* In a child that is forked when another one has died: load the configuration anew.  0 or -errno.
 */
int start_again(void);

/* The id of the process that holds the configuration's lock: 0, -ESRCH, or -errno after a line. */
int start_holder(const struct start *start, pid_t *out);

/*
 * Have that process end, as SIGTERM does, and wait until it has.  Returns 0, -ESRCH (nobody does),
 * -ETIMEDOUT (logged), or -errno after a line.
 */
int start_stop(const struct start *start);

#endif
