/* SPDX-License-Identifier: MIT */
/*
 * mtev_watchdog.h - what a program says to the monitor that looks after it (foreground 0 and 2 of
 * mtev_main()), and how that does it.
 *
 * Loops are watched without a word: one that sleeps is well for ever, one that is busy with a turn
 * for longer than the limit is said, with the stack of its thread, and the process is started
 * again. Where there is no monitor these functions do nothing.  Any thread, where nothing else is
 * said.
 */
#ifndef MTEV_WATCHDOG_H
#define MTEV_WATCHDOG_H

#include <mtev_defines.h>

#include <eventer/eventer.h>

#include <sys/time.h>

MTEV_BEGIN_DECLS

/* Something that has to beat within its limit, as long as it is enabled. */
typedef struct mtev_watchdog mtev_watchdog_t;

#define MTEV_WATCHDOG_MAX 1024 /* of them and the loops, in a process */

/*
 * Make one that is not enabled; it lives as long as the process.  NULL: there are too many, or no
 * memory.  Its name (31 bytes, copied) is what the monitor says.
 */
API_EXPORT(mtev_watchdog_t *) mtev_watchdog_create(void);
API_EXPORT(void) mtev_watchdog_set_name(mtev_watchdog_t *watchdog, const char *name);
API_EXPORT(const char *) mtev_watchdog_get_name(mtev_watchdog_t *watchdog);

/*
 * It is alive; a beat of the calling thread, whose stack is shown when there is none for too long.
 * NULL: the default one, as mtev_watchdog_child_heartbeat().  Return 0.
 */
API_EXPORT(int) mtev_watchdog_heartbeat(mtev_watchdog_t *watchdog);
API_EXPORT(int) mtev_watchdog_child_heartbeat(void);

/* Have it beat by the calling loop, five times in a limit; 0, or -1 without memory or a loop. */
API_EXPORT(int) mtev_watchdog_child_eventer_heartbeat(void);

/* Return an event that beats when it is called: give it to eventer_add().  NULL: no memory. */
API_EXPORT(eventer_t) mtev_watchdog_recurrent_heartbeat(mtev_watchdog_t *watchdog);

/* From now on it has to beat, or need not; all: loops as well. */
API_EXPORT(void) mtev_watchdog_enable(mtev_watchdog_t *watchdog);
API_EXPORT(void) mtev_watchdog_disable(mtev_watchdog_t *watchdog);
API_EXPORT(void) mtev_watchdog_enable_all(void);
API_EXPORT(void) mtev_watchdog_disable_all(void);

/*
 * Its limit in seconds; 0: that of all, which is 5 unless MTEV_WATCHDOG_TIMEOUT in the environment
 * says otherwise (0: nothing is watched).  NULL: the limit of all.  mtev_false: there is none.
 */
API_EXPORT(void) mtev_watchdog_override_timeout(mtev_watchdog_t *watchdog, double seconds);
API_EXPORT(double) mtev_watchdog_get_timeout(mtev_watchdog_t *watchdog);
API_EXPORT(mtev_boolean)
mtev_watchdog_get_timeout_timeval(mtev_watchdog_t *watchdog, struct timeval *out);

/* Return how many seconds are left for its next beat; 0: none are, or it is not enabled. */
API_EXPORT(double) mtev_watchdog_remaining(mtev_watchdog_t *watchdog);

/* Return how often the monitor has started a child so far, this one included; 1 without one. */
API_EXPORT(uint32_t) mtev_watchdog_number_of_starts(void);

/*
 * How the monitor works; before mtev_main(), and the configuration counts more.  glider: a program
 * that is called with the id of a child that crashes or stalls, and the reason.  A folder for its
 * output and for what a crash has to say; without trace output nothing is written there.  A child
 * is started again retries times in span seconds.  Return 0, or -1 with ENAMETOOLONG.
 */
API_EXPORT(int) mtev_watchdog_glider(const char *path);
API_EXPORT(int) mtev_watchdog_glider_trace_dir(const char *path);
API_EXPORT(void) mtev_watchdog_ratelimit(int retries, int span);
API_EXPORT(void) mtev_watchdog_disable_trace_output(void);

/* No core is written, whatever the configuration says; before mtev_main(). */
API_EXPORT(void) mtev_watchdog_disable_asynch_core_dump(void);

/*
 * Close fd when the process crashes, before the glider looks at it: a peer need not wait for that.
 * At most 64; 0, or -1 with ENOSPC, ENOENT or EINVAL.
 */
API_EXPORT(int) mtev_watchdog_on_crash_close_add_fd(int fd);
API_EXPORT(int) mtev_watchdog_on_crash_close_remove_fd(int fd);

/*
 * Have func called when the process begins to end in an orderly way, before its loops do.  In the
 * main thread.  Before eventer_loop(); 0, or -1 with ENOSPC or EINVAL.
 */
API_EXPORT(int) mtev_watchdog_shutdown_handler(void (*func)(void));

MTEV_END_DECLS

#endif
