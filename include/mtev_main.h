/* SPDX-License-Identifier: MIT */
/*
 * mtev_main.h - from main() to a configured process that logs, obeys signals, and serves.
 *
 * For the main thread, before there are others.  See mtev_main(3).
 */
#ifndef MTEV_MAIN_H
#define MTEV_MAIN_H

#include <mtev_defines.h>

#include <sys/types.h>

MTEV_BEGIN_DECLS

/* What to do with the file that the root element's lockfile="..." names. */
typedef enum {
    MTEV_LOCK_OP_NONE = 0, /* nothing */
    MTEV_LOCK_OP_LOCK,     /* lock it; held by another process: end */
    MTEV_LOCK_OP_WAIT      /* lock it; held by another process: wait */
} mtev_lock_op_t;

/*
 * Load config_filename, whose root element must be <appname>, make the process what it says (see
 * mtev_main(3) for the order), and call child where foreground says: 1, in this process; 2, in a
 * child that this process looks after and starts again; 0, the same in the background, while the
 * process that was started waits until the child is ready, or has failed, and ends with its status.
 * debug: 0, or the stream debug is on.  glider: a program that is called with the id of a child
 * that crashes or stalls; NULL: as the configuration says.  user, group: whom to become, by name or
 * number; NULL: as it is.  All texts are NUL-terminated and borrowed.
 * Returns what child returned; with a monitor, the status of the last child.  What is wrong is one
 * line on mtev_error, with file and line where it has them, and exit(2).
 * While child runs SIGTERM and SIGINT let eventer_loop() drain and return (the second one, or one
 * that comes while nobody is in it, ends the process with status 0), SIGQUIT ends the process at
 * once with status 0, SIGHUP loads the configuration and opens the log files anew, and SIGUSR2
 * starts the program on disk in place of the one that runs (not with foreground 1).
 */
API_EXPORT(int)
mtev_main(const char *appname, const char *config_filename, int debug, int foreground,
          mtev_lock_op_t lock, const char *glider, const char *user, const char *group,
          int (*child)(void));

/*
 * Whether a process holds the lock of that configuration; its id and that of its process group go
 * to *pid and *pgid (NULL: nowhere).  Returns 0, or -1 with errno: ESRCH, there is none.
 */
API_EXPORT(int)
mtev_main_status(const char *appname, const char *config_filename, int debug, pid_t *pid,
                 pid_t *pgid);

/*
 * Tell that process to end, as SIGTERM does, and wait until it has.  Returns 0, also if there is
 * none; or -1 with errno: ETIMEDOUT, it still runs some seconds past its drain_seconds.
 */
API_EXPORT(int)
mtev_main_terminate(const char *appname, const char *config_filename, int debug);

/*
 * Set a key of <eventer><config> (both copied; value NULL: forget it) for where the configuration
 * does not say otherwise.  Before mtev_main(); at most 128 keys, one more is logged and ignored.
 */
API_EXPORT(void) mtev_main_eventer_config(const char *key, const char *value);

/* As mtev_memory_init(): for programs that use parts of the library without mtev_main(). */
API_EXPORT(void) mtev_init_globals(void);

/*
 * Switch the log stream name (copied) on or off once mtev_main() has set up the logs, whatever the
 * configuration says.  Before mtev_main(); at most 128 calls, one more is logged and ignored.
 */
API_EXPORT(void) mtev_main_enable_log(const char *name);
API_EXPORT(void) mtev_main_disable_log(const char *name);

MTEV_END_DECLS

#endif
