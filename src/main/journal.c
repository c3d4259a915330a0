/* SPDX-License-Identifier: MIT */
/*
 * journal.c - changes of the configuration are noticed and handed over, in a job.
 *
 *     IDLE -- a change --> WAITING -- a timer --> a job -- done --> IDLE
 *
 * Whoever makes the change that leaves IDLE sets the timer, so there is one at most; the job goes
 * back to IDLE before it looks at the configuration, so that no change is missed.
 */
#include "conf/conf.h"
#include "eventer/pool.h"

#include <eventer/eventer.h>
#include <mtev_conf.h>
#include <mtev_log.h>

#include <errno.h>
#include <stdatomic.h>

#define SECONDS_DEFAULT 5
#define SECONDS_MAX     86400
#define RETRY_SECONDS   1 /* at least, behind a failure */

static int (*watcher)(void *closure); /* these two are set once, before the first change is told */
static void *watcher_closure;
static _Atomic uint32_t coalesced_seconds = SECONDS_DEFAULT;
static _Atomic bool is_waiting;

static int on_time(eventer_t e, int mask, void *closure, struct timeval *now);

/* Without memory for a timer the next change, or the end, is the occasion. */
static void wait_for(uint32_t seconds)
{
    if (atomic_exchange_explicit(&is_waiting, true, memory_order_acq_rel))
        return;
    if (eventer_add_in_s_us(on_time, NULL, seconds, 0) == NULL)
        atomic_store_explicit(&is_waiting, false, memory_order_release);
}

static void on_change(void)
{
    wait_for(atomic_load_explicit(&coalesced_seconds, memory_order_relaxed));
}

/* Have what changed looked at. */
static void hand_over(void)
{
    atomic_store_explicit(&is_waiting, false, memory_order_release); /* before: see above */
    if (watcher(watcher_closure) != 0) {
        uint32_t seconds = atomic_load_explicit(&coalesced_seconds, memory_order_relaxed);
        wait_for(MAX(seconds, RETRY_SECONDS));
    }
}

static int work(eventer_t e, int mask, void *closure, struct timeval *now)
{
    if (mask == EVENTER_ASYNCH_WORK)
        hand_over();
    return 0;
}

static int on_time(eventer_t e, int mask, void *closure, struct timeval *now)
{
    eventer_t job = eventer_alloc_asynch(work, NULL);
    if (job != NULL)
        eventer_add_asynch(NULL, job);
    else
        atomic_store_explicit(&is_waiting, false, memory_order_release);
    return 0;
}

static void at_stop(void)
{
    if (atomic_load_explicit(&is_waiting, memory_order_acquire))
        watcher(watcher_closure);
}

void mtev_conf_coalesce_changes(uint32_t seconds)
{
    atomic_store_explicit(&coalesced_seconds, MIN(seconds, SECONDS_MAX), memory_order_relaxed);
}

void mtev_conf_watch_and_journal_watchdog(int (*f)(void *closure), void *closure)
{
    const char *why = f == NULL                   ? "no function was given"
                      : watcher != NULL           ? "there is one already"
                      : pool_first_loop() == NULL ? "eventer_init() was not called"
                                                  : NULL;
    if (why != NULL) {
        mtevL(mtev_error, "mtev_conf_watch_and_journal_watchdog: %s\n", why);
        return;
    }
    watcher = f;
    watcher_closure = closure;
    if (pool_at_stop(at_stop) != 0)
        mtevL(mtev_error, "mtev_conf_watch_and_journal_watchdog: the end cannot be noticed\n");
    conf_at_change(on_change);
}
