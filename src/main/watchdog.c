/* SPDX-License-Identifier: MIT */
/*
 * watchdog.c - mtev_watchdog.h, on top of pulse.h.
 */
#include <mtev_watchdog.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/list.h"
#include "eventer/pool.h"
#include "main/crash.h"
#include "main/pulse.h"
#include "main/watch.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BEATS_A_LIMIT 5
#define SECONDS_MAX   86400.0

struct mtev_watchdog {
    struct mtev_watchdog *next; /* of all, which live as long as the process */
    struct pulse *pulse;        /* NULL: nobody watches */
    char name[PULSE_NAME_MAX + 1];
};

static _Atomic(struct mtev_watchdog *) all;
static struct mtev_watchdog *default_watchdog; /* made once, enabled by its first beat */
static pthread_once_t default_once = PTHREAD_ONCE_INIT;

static int answer(int err)
{
    if (err == 0)
        return 0;
    errno = -err;
    return -1;
}

/* ---- one of them ----------------------------------------------------------------- */

mtev_watchdog_t *mtev_watchdog_create(void)
{
    struct mtev_watchdog *watchdog = alloc_zeroed(1, sizeof(*watchdog));
    if (watchdog == NULL)
        return NULL;
    watchdog->pulse = pulse_enter("");
    if (watchdog->pulse == NULL && pulse_own() != NULL) {
        alloc_free(watchdog);
        errno = ENOSPC;
        return NULL;
    }
    watchdog->next = atomic_load(&all);
    while (!atomic_compare_exchange_weak(&all, &watchdog->next, watchdog))
        ;
    return watchdog;
}

static void make_default(void)
{
    default_watchdog = mtev_watchdog_create();
    if (default_watchdog == NULL)
        return;
    mtev_watchdog_set_name(default_watchdog, "default");
    mtev_watchdog_enable(default_watchdog);
}

static struct mtev_watchdog *or_default(struct mtev_watchdog *watchdog)
{
    if (watchdog != NULL)
        return watchdog;
    pthread_once(&default_once, make_default);
    return default_watchdog;
}

void mtev_watchdog_set_name(mtev_watchdog_t *watchdog, const char *name)
{
    if (watchdog == NULL || name == NULL)
        return;
    snprintf(watchdog->name, sizeof(watchdog->name), "%s", name);
    if (watchdog->pulse != NULL)
        memcpy(watchdog->pulse->name, watchdog->name, sizeof(watchdog->name));
}

const char *mtev_watchdog_get_name(mtev_watchdog_t *watchdog)
{
    return watchdog == NULL ? "default" : watchdog->name;
}

/* ---- beating --------------------------------------------------------------------- */

static void beat(struct pulse *pulse)
{
    if (pulse == NULL)
        return;
    atomic_store_explicit(&pulse->tid, gettid(), memory_order_relaxed);
    /* Two beats in a tick of the clock are as good as one. */
    atomic_store_explicit(&pulse->beat_ns, clock_mono_ns(), memory_order_relaxed);
}

int mtev_watchdog_heartbeat(mtev_watchdog_t *watchdog)
{
    watchdog = or_default(watchdog);
    if (watchdog != NULL)
        beat(watchdog->pulse);
    return 0;
}

int mtev_watchdog_child_heartbeat(void)
{
    return mtev_watchdog_heartbeat(NULL);
}

static int beat_again(eventer_t e, int mask, void *closure, struct timeval *now)
{
    mtev_watchdog_t *watchdog = closure;
    const double every_s = MAX(mtev_watchdog_get_timeout(watchdog), 0.01) / BEATS_A_LIMIT;
    const struct timeval every = clock_timeval((uint64_t)(every_s * (double)CLOCK_NS_PER_S));
    (void)mtev_watchdog_heartbeat(watchdog);
    if (eventer_add_in(beat_again, watchdog, every) == NULL)
        mtev_watchdog_disable(watchdog); /* without memory nobody beats */
    return 0;
}

int mtev_watchdog_child_eventer_heartbeat(void)
{
    mtev_watchdog_t *watchdog = or_default(NULL);
    if (watchdog == NULL)
        return -1;
    (void)mtev_watchdog_heartbeat(watchdog);
    const struct timeval at_once = {0, 0};
    return eventer_add_in(beat_again, watchdog, at_once) == NULL ? -1 : 0;
}

static int beat_once(eventer_t e, int mask, void *closure, struct timeval *now)
{
    (void)mtev_watchdog_heartbeat(closure);
    return EVENTER_RECURRENT;
}

eventer_t mtev_watchdog_recurrent_heartbeat(mtev_watchdog_t *watchdog)
{
    return eventer_alloc_recurrent(beat_once, watchdog);
}

/* ---- being watched --------------------------------------------------------------- */

static void set_on(struct mtev_watchdog *watchdog, bool is_on)
{
    watchdog = or_default(watchdog);
    if (watchdog == NULL || watchdog->pulse == NULL)
        return;
    atomic_store(&watchdog->pulse->beat_ns, clock_mono_ns());
    atomic_store(&watchdog->pulse->is_on, is_on);
}

void mtev_watchdog_enable(mtev_watchdog_t *watchdog)
{
    set_on(watchdog, true);
}

void mtev_watchdog_disable(mtev_watchdog_t *watchdog)
{
    set_on(watchdog, false);
}

void mtev_watchdog_enable_all(void)
{
    if (pulse_own() != NULL)
        atomic_store(&pulse_own()->is_off, 0);
}

void mtev_watchdog_disable_all(void)
{
    if (pulse_own() != NULL)
        atomic_store(&pulse_own()->is_off, 1);
}

void mtev_watchdog_override_timeout(mtev_watchdog_t *watchdog, double seconds)
{
    if (!(seconds >= 0 && seconds <= SECONDS_MAX)) {
        mtevL(mtev_error, "mtev_watchdog_override_timeout: %g s: it is to be 0 to %.0f\n", seconds,
              SECONDS_MAX);
        errno = EINVAL;
        return;
    }
    const uint64_t ns = (uint64_t)(seconds * (double)CLOCK_NS_PER_S);
    if (watchdog == NULL && pulse_own() != NULL)
        atomic_store(&pulse_own()->limit_ns, ns);
    else if (watchdog != NULL && watchdog->pulse != NULL)
        atomic_store(&watchdog->pulse->limit_ns, ns);
}

static uint64_t limit_ns(const struct mtev_watchdog *watchdog)
{
    uint64_t ns =
        watchdog == NULL || watchdog->pulse == NULL ? 0 : atomic_load(&watchdog->pulse->limit_ns);
    if (ns == 0)
        ns = pulse_own() == NULL ? watch_settings()->limit_ns : atomic_load(&pulse_own()->limit_ns);
    return ns;
}

double mtev_watchdog_get_timeout(mtev_watchdog_t *watchdog)
{
    return (double)limit_ns(watchdog) / (double)CLOCK_NS_PER_S;
}

mtev_boolean mtev_watchdog_get_timeout_timeval(mtev_watchdog_t *watchdog, struct timeval *out)
{
    const uint64_t ns = limit_ns(watchdog);
    *out = clock_timeval(ns);
    return ns != 0 ? mtev_true : mtev_false;
}

double mtev_watchdog_remaining(mtev_watchdog_t *watchdog)
{
    watchdog = or_default(watchdog);
    if (watchdog == NULL || watchdog->pulse == NULL || atomic_load(&watchdog->pulse->is_on) == 0)
        return 0;
    const uint64_t now_ns = clock_mono_ns();
    const uint64_t end_ns = atomic_load(&watchdog->pulse->beat_ns) + limit_ns(watchdog);
    return end_ns <= now_ns ? 0 : (double)(end_ns - now_ns) / (double)CLOCK_NS_PER_S;
}

/* ---- how the monitor works ------------------------------------------------------- */

uint32_t mtev_watchdog_number_of_starts(void)
{
    return pulse_own() == NULL ? 1 : pulse_own()->starts;
}

int mtev_watchdog_glider(const char *path)
{
    return answer(watch_set_glider(path));
}

int mtev_watchdog_glider_trace_dir(const char *path)
{
    return answer(watch_set_trace_folder(path));
}

void mtev_watchdog_ratelimit(int retries, int span)
{
    watch_set_rate(retries, span);
}

void mtev_watchdog_disable_trace_output(void)
{
    watch_set_traces(false);
}

void mtev_watchdog_disable_asynch_core_dump(void)
{
    watch_forbid_core();
}

int mtev_watchdog_on_crash_close_add_fd(int fd)
{
    return answer(crash_add_fd(fd));
}

int mtev_watchdog_on_crash_close_remove_fd(int fd)
{
    return answer(crash_remove_fd(fd));
}

int mtev_watchdog_shutdown_handler(void (*func)(void))
{
    return func == NULL ? answer(-EINVAL) : answer(pool_at_stop(func));
}
