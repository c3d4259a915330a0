/* SPDX-License-Identifier: MIT */
/*
 * timers.c - nanoseconds to cancel a timer and add another, while a million are armed.
 *
 * All are due at a random time within the hour.  Each round takes a random one of them, as when a
 * million connections have their turns, or always the same one, as when one of them does.  Nothing
 * fires.  All set a timer anew that they have.
 */
#include "contest.h"

#include <eventer/eventer.h>
#include <mtev_defines.h>

#ifdef BENCH_EV
#include <ev.h> /* before libevent, whose macros have the names of some enumerators here */
#endif
#ifdef BENCH_UV
#include <uv.h>
#endif
#ifdef BENCH_EVENT
#include <event2/event.h>
#include <event2/event_struct.h>
#endif

#define ROUNDS     5000 /* in a slice */
#define WITHIN_MS  3600000
#define MS_PER_SEC 1000
#define US_PER_MS  1000

static const size_t counts[] = {1000, 1000000, 1000000}; /* armed */
static const size_t taken[] = {1000, 1000000, 1};        /* the last ones, at random */
static uint64_t state;

static uint64_t random_ms(void)
{
    return 60000 + next_random(&state) % WITHIN_MS;
}

/* Arm count timers, then cancel and add; gives nanoseconds for both together. */
#define MEASURE(variant, add, cancel)                                                              \
    ({                                                                                             \
        state = 88172645463325252u;                                                                \
        for (size_t i = 0; i < counts[variant]; i++)                                               \
            add;                                                                                   \
        size_t i;                                                                                  \
        double ns =                                                                                \
            CONTEST_FASTEST(ROUNDS, ({                                                             \
                                i = counts[variant] - 1 - next_random(&state) % taken[variant];    \
                                cancel;                                                            \
                                add;                                                               \
                            }));                                                                   \
        for (i = 0; i < counts[variant]; i++)                                                      \
            cancel;                                                                                \
        ns;                                                                                        \
    })

/* ---- the library ----------------------------------------------------------------- */

static int never(eventer_t e, int mask, void *closure, struct timeval *now)
{
    (void)e, (void)mask, (void)closure, (void)now;
    require(false, "a timer fired");
    return 0;
}

static void eventer_timer_add(eventer_t timer)
{
    struct timeval whence;
    uint64_t ms = random_ms();
    eventer_gettimeofcallback(&whence, NULL);
    whence.tv_sec += (time_t)(ms / MS_PER_SEC);
    whence.tv_usec += (suseconds_t)(ms % MS_PER_SEC * US_PER_MS);
    eventer_update_whence(timer, whence);
    eventer_add(timer);
}

static void eventer_timer_cancel(eventer_t timer)
{
    require(eventer_remove(timer) == timer, "eventer_remove");
}

static double run_eventer(int variant)
{
    eventer_t *timers = calloc(counts[variant], sizeof(*timers));
    require(timers != NULL, "calloc");
    for (size_t i = 0; i < counts[variant]; i++)
        timers[i] = eventer_alloc_timer(never, NULL, NULL);
    double ns = MEASURE(variant, eventer_timer_add(timers[i]), eventer_timer_cancel(timers[i]));
    for (size_t i = 0; i < counts[variant]; i++)
        eventer_free(timers[i]);
    free(timers);
    return ns;
}

/* ---- libuv ----------------------------------------------------------------------- */

#ifdef BENCH_UV
static void uv_never(uv_timer_t *timer)
{
    (void)timer;
    require(false, "a timer fired");
}

static double run_uv(int variant)
{
    uv_timer_t *timers = calloc(counts[variant], sizeof(*timers));
    uv_loop_t loop;
    require(timers != NULL && uv_loop_init(&loop) == 0, "uv_loop_init");
    for (size_t i = 0; i < counts[variant]; i++)
        uv_timer_init(&loop, &timers[i]);
    double ns = MEASURE(variant, uv_timer_start(&timers[i], uv_never, random_ms(), 0),
                        uv_timer_stop(&timers[i]));
    for (size_t i = 0; i < counts[variant]; i++)
        uv_close((uv_handle_t *)&timers[i], NULL);
    uv_run(&loop, UV_RUN_NOWAIT);
    require(uv_loop_close(&loop) == 0, "uv_loop_close");
    free(timers);
    return ns;
}
#else
#define run_uv contest_skip
#endif

/* ---- libevent -------------------------------------------------------------------- */

#ifdef BENCH_EVENT
static void event_never(evutil_socket_t fd, short what, void *closure)
{
    (void)fd, (void)what, (void)closure;
    require(false, "a timer fired");
}

static void event_timer_add(struct event *timer)
{
    uint64_t ms = random_ms();
    struct timeval wait = {(time_t)(ms / MS_PER_SEC), (suseconds_t)(ms % MS_PER_SEC * US_PER_MS)};
    require(evtimer_add(timer, &wait) == 0, "evtimer_add");
}

static double run_event(int variant)
{
    struct event *timers = calloc(counts[variant], sizeof(*timers));
    struct event_base *base = event_base_new();
    require(timers != NULL && base != NULL, "event_base_new");
    for (size_t i = 0; i < counts[variant]; i++)
        evtimer_assign(&timers[i], base, event_never, NULL);
    double ns = MEASURE(variant, event_timer_add(&timers[i]), evtimer_del(&timers[i]));
    event_base_free(base);
    free(timers);
    return ns;
}
#else
#define run_event contest_skip
#endif

/* ---- libev ----------------------------------------------------------------------- */

#ifdef BENCH_EV
static void ev_never(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop, (void)timer, (void)events;
    require(false, "a timer fired");
}

static void ev_timer_add(struct ev_loop *loop, ev_timer *timer)
{
    ev_timer_set(timer, (double)random_ms() / MS_PER_SEC, 0.);
    ev_timer_start(loop, timer);
}

static double run_ev(int variant)
{
    ev_timer *timers = calloc(counts[variant], sizeof(*timers));
    struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
    require(timers != NULL && loop != NULL, "ev_loop_new");
    for (size_t i = 0; i < counts[variant]; i++)
        ev_init(&timers[i], ev_never);
    double ns = MEASURE(variant, ev_timer_add(loop, &timers[i]), ev_timer_stop(loop, &timers[i]));
    ev_loop_destroy(loop);
    free(timers);
    return ns;
}
#else
#define run_ev contest_skip
#endif

/* In the loop's thread, which its timers belong to. */
static int measure(eventer_t e, int mask, void *closure, struct timeval *now)
{
    static const char *const names[] = {"1000", "1000000", "1000000, and always the same"};
    static const struct contest contest = {
        "timers",
        "ns_per_cancel_and_add",
        "armed",
        names,
        {{"eventer", NULL, run_eventer},
         {"eventer-again", "again", run_eventer},
         {"libuv", "uv", run_uv},
         {"libevent", "event", run_event},
         {"libev", "ev", run_ev}},
    };
    (void)e, (void)mask, (void)closure, (void)now;
    contest_run(&contest, 0);
    contest_run(&contest, 1);
    contest_run(&contest, 2);
    fflush(stdout);
    _exit(0);
}

int main(void)
{
    require(eventer_propset("concurrency", "1") == 0 && eventer_init() == 0, "eventer_init");
    eventer_add_in_s_us(measure, NULL, 0, 0);
    eventer_loop();
}
