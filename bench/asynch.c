/* SPDX-License-Identifier: MIT */
/*
 * asynch.c - round trips of a job that does nothing: out to another thread and back.
 *
 * From 1 and from 64 coroutines of one loop, each of which calls eventer_aco_simple_asynch() again
 * and again; beside as many uv_queue_work() of libuv, each of which is queued again when it is
 * done.  Both have as many threads.  Each measurement is made in a process of its own; these
 * alternate, and the library comes a second time, whose ratio is the noise.  Times are of all
 * threads on the processor.
 */
#include "measure.h"

#include <eventer/eventer.h>
#include <eventer/eventer_jobq.h>

#ifdef BENCH_UV
#include <uv.h>
#endif

#define RUN_COUNT  15
#define WARM_UP_NS (NS_PER_SEC / 10)
#define RUN_NS     (4ULL * NS_PER_SEC / 10)
#define THREADS    "4" /* libuv's default */
#define TRIPS_ASK  16  /* trips between two looks at the clock */

enum figure {
    TRIPS_PER_S,
    CPU_US,
    FIGURE_COUNT,
};

static const int in_flight[] = {1, 64};
#define VARIANT_COUNT (sizeof(in_flight) / sizeof(in_flight[0]))

static int chosen; /* how many are in flight */
static int output;
static uint64_t trips, warm_ns, begun_ns, begun_cpu_ns, begun_trips;

/* A trip is over; ends the process when there were enough. */
static void note_trip(void)
{
    if (++trips % TRIPS_ASK != 0)
        return;
    uint64_t now_ns = clock_ns(CLOCK_MONOTONIC);
    if (begun_ns == 0 && now_ns >= warm_ns) {
        begun_ns = now_ns;
        begun_cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
        begun_trips = trips;
    }
    if (begun_ns == 0 || now_ns - begun_ns < RUN_NS)
        return;
    double count = (double)(trips - begun_trips), figures[FIGURE_COUNT];
    figures[TRIPS_PER_S] = count * NS_PER_SEC / (double)(now_ns - begun_ns);
    figures[CPU_US] = (double)(clock_ns(CLOCK_PROCESS_CPUTIME_ID) - begun_cpu_ns) / 1000 / count;
    require(write(output, figures, sizeof(figures)) == sizeof(figures), "write");
    _exit(0);
}

/* ---- the library ----------------------------------------------------------------- */

static void do_nothing(void *closure)
{
    (void)closure;
}

static void travel(void)
{
    for (;;) {
        eventer_aco_simple_asynch(do_nothing, NULL);
        note_trip();
    }
}

static int start_all(eventer_t e, int mask, void *closure, struct timeval *now)
{
    (void)e, (void)mask, (void)closure, (void)now;
    for (int i = 0; i < chosen; i++)
        eventer_aco_start(travel, NULL);
    return 0;
}

static void run_eventer(int to)
{
    output = to;
    eventer_propset("concurrency", "1");
    eventer_propset("default_queue_threads", THREADS);
    require(eventer_init() == 0, "eventer_init");
    warm_ns = clock_ns(CLOCK_MONOTONIC) + WARM_UP_NS;
    eventer_add_in_s_us(start_all, NULL, 0, 0);
    eventer_loop();
}

/* ---- libuv ----------------------------------------------------------------------- */

#ifdef BENCH_UV
static void do_nothing_uv(uv_work_t *work)
{
    (void)work;
}

static void on_done_uv(uv_work_t *work, int status)
{
    (void)status;
    note_trip();
    require(uv_queue_work(uv_default_loop(), work, do_nothing_uv, on_done_uv) == 0,
            "uv_queue_work");
}

static void run_libuv(int to)
{
    static uv_work_t works[64];
    output = to;
    warm_ns = clock_ns(CLOCK_MONOTONIC) + WARM_UP_NS;
    for (int i = 0; i < chosen; i++)
        require(uv_queue_work(uv_default_loop(), &works[i], do_nothing_uv, on_done_uv) == 0,
                "uv_queue_work");
    uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}
#endif

static const struct contender {
    const char *library, *key;
    void (*run)(int output); /* NULL: it is not installed */
} contenders[] = {
    {"eventer", NULL, run_eventer},
    {"eventer-again", "again", run_eventer},
#ifdef BENCH_UV
    {"libuv", "libuv", run_libuv},
#else
    {"libuv", "libuv", NULL},
#endif
};
#define CONTENDER_COUNT (sizeof(contenders) / sizeof(contenders[0]))

static void print_ratios(double ratios[CONTENDER_COUNT][FIGURE_COUNT][RUN_COUNT])
{
    printf("{\"bench\":\"asynch\",\"in_flight\":%d", chosen);
    for (size_t c = 1; c < CONTENDER_COUNT; c++)
        if (contenders[c].run != NULL)
            printf(",\"eventer_to_%s_rate\":%.2f,\"eventer_to_%s_cpu\":%.2f", contenders[c].key,
                   median(ratios[c][TRIPS_PER_S], RUN_COUNT), contenders[c].key,
                   median(ratios[c][CPU_US], RUN_COUNT));
    printf("}\n");
    fflush(stdout);
}

static void compare(void)
{
    static double values[CONTENDER_COUNT][FIGURE_COUNT][RUN_COUNT];
    static double ratios[CONTENDER_COUNT][FIGURE_COUNT][RUN_COUNT];
    for (int i = 0; i < RUN_COUNT; i++)
        for (size_t c = 0; c < CONTENDER_COUNT && contenders[c].run != NULL; c++) {
            double figures[FIGURE_COUNT];
            in_child(contenders[c].run, figures, FIGURE_COUNT);
            for (int f = 0; f < FIGURE_COUNT; f++) {
                values[c][f][i] = figures[f];
                ratios[c][f][i] = values[0][f][i] / figures[f];
            }
        }
    for (size_t c = 0; c < CONTENDER_COUNT; c++) {
        printf("{\"bench\":\"asynch\",\"library\":\"%s\",\"in_flight\":%d", contenders[c].library,
               chosen);
        if (contenders[c].run == NULL)
            printf(",\"skipped\":\"not installed\"}\n");
        else
            printf(",\"trips_per_s\":%.0f,\"cpu_us_per_trip\":%.2f,\"runs\":%d}\n",
                   median(values[c][TRIPS_PER_S], RUN_COUNT), median(values[c][CPU_US], RUN_COUNT),
                   RUN_COUNT);
    }
    print_ratios(ratios);
}

int main(void)
{
    setenv("UV_THREADPOOL_SIZE", THREADS, 1);
    for (size_t v = 0; v < VARIANT_COUNT; v++) {
        chosen = in_flight[v];
        compare();
    }
    return 0;
}
