/* SPDX-License-Identifier: MIT */
/*
 * mtev_main.h - from main() to a configured process that logs, obeys signals, and serves.
 *
 * For the main thread, before there are others.  See mtev_main(3).
 */
#ifndef MTEV_MAIN_H
#define MTEV_MAIN_H

#include <mtev_defines.h>

MTEV_BEGIN_DECLS

/* What to do with the file that the root element's lockfile="..." names. */
typedef enum {
    MTEV_LOCK_OP_NONE = 0, /* nothing */
    MTEV_LOCK_OP_LOCK,     /* lock it; held by another process: end */
    MTEV_LOCK_OP_WAIT      /* lock it; held by another process: wait */
} mtev_lock_op_t;

/*
 * Load config_filename, whose root element must be <appname>, set up the logs, the eventer's
 * properties and the signals as it says, take the lock, run child, and return what child returned.
 * debug: 0, or the stream debug is on.  foreground: 1 (0 and 2, a daemon, are not supported yet).
 * glider, user, group: NULL (not supported yet).  All texts are NUL-terminated and borrowed.
 * What is wrong is one line on mtev_error, with file and line where it has them, and exit(2).
 * While child runs SIGTERM and SIGINT let eventer_loop() return (the second one, or one that comes
 * while nobody is in it, ends the process with status 0), SIGQUIT ends the process at once with
 * status 0, and SIGHUP opens the log files anew.
 */
API_EXPORT(int)
mtev_main(const char *appname, const char *config_filename, int debug, int foreground,
          mtev_lock_op_t lock, const char *glider, const char *user, const char *group,
          int (*child)(void));

/*
 * Switch the log stream name (copied) on or off once mtev_main() has set up the logs, whatever the
 * configuration says.  Before mtev_main(); at most 128 calls, one more is logged and ignored.
 */
API_EXPORT(void) mtev_main_enable_log(const char *name);
API_EXPORT(void) mtev_main_disable_log(const char *name);

MTEV_END_DECLS

#endif
