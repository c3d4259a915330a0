/* SPDX-License-Identifier: MIT */
/*
 * late.c - how late timers are, in a loop that has other things to do.
 *
 * One loop on one core.  A thousand timers of 1 to 50 ms, each armed anew when it fires, note how
 * much later than asked they were called.  The load: a client on another core asks 64 connections
 * over and over, each of which a coroutine answers, as fast as they do.  Each measurement is made
 * in a process of its own, with the load and without; these alternate.  Medians are printed.
 */
#include "measure.h"

#include <eventer/eventer.h>
#include <mtev_defines.h>

#include <pthread.h>
#include <sched.h>
#include <sys/socket.h>

#define RUN_COUNT        5
#define CONNECTION_COUNT 64
#define MESSAGE_SIZE     64
#define TIMER_COUNT      1000
#define SHORTEST_US      1000
#define LONGEST_US       50000
#define RUN_NS           (2ULL * NS_PER_SEC)
#define SAMPLE_MAX       200000
#define NS_PER_US        1000.0

enum figure {
    P50_US,
    P99_US,
    P999_US,
    MAX_US,
    MESSAGES_PER_S,
    FIGURE_COUNT,
};

static bool has_load;
static int pairs[CONNECTION_COUNT][2]; /* the coroutine's end, the client's */
static uint64_t due_ns[TIMER_COUNT];   /* the loop's alone, as all down to the counts */
static double late_us[SAMPLE_MAX];
static size_t late_count;
static uint64_t begun_ns, answered;
static int output;

static void stay_on_core(int core)
{
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET(core, &cpus);
    (void)sched_setaffinity(0, sizeof(cpus), &cpus);
}

/* ---- the load -------------------------------------------------------------------- */

static int never_called(eventer_t e, int mask, void *closure, struct timeval *now)
{
    (void)e, (void)mask, (void)closure, (void)now;
    require(false, "an event of coroutines was called back");
    return 0;
}

static void answer(void)
{
    const int *pair = eventer_aco_arg();
    eventer_aco_t e =
        eventer_set_eventer_aco(eventer_alloc_fd(never_called, NULL, pair[0], EVENTER_READ));
    char bytes[MESSAGE_SIZE];
    int len;
    while ((len = eventer_aco_read(e, bytes, sizeof(bytes), NULL)) > 0) {
        require(eventer_aco_write(e, bytes, (size_t)len, NULL) == len, "an answer");
        answered++;
    }
}

static void *ask(void *unused)
{
    char bytes[MESSAGE_SIZE] = "question";
    stay_on_core(1);
    for (;;) {
        for (int i = 0; i < CONNECTION_COUNT; i++)
            require(write(pairs[i][1], bytes, sizeof(bytes)) == sizeof(bytes), "a question");
        for (int i = 0; i < CONNECTION_COUNT; i++)
            require(recv(pairs[i][1], bytes, sizeof(bytes), MSG_WAITALL) == sizeof(bytes),
                    "an answer");
    }
    return unused;
}

/* ---- the timers ------------------------------------------------------------------ */

static void report(void)
{
    double figures[FIGURE_COUNT];
    double seconds = (double)(clock_ns(CLOCK_MONOTONIC) - begun_ns) / NS_PER_SEC;
    figures[P50_US] = median(late_us, late_count); /* sorts them */
    figures[P99_US] = late_us[late_count / 100 * 99];
    figures[P999_US] = late_us[late_count / 1000 * 999];
    figures[MAX_US] = late_us[late_count - 1];
    figures[MESSAGES_PER_S] = (double)answered / seconds;
    require(write(output, figures, sizeof(figures)) == sizeof(figures), "write");
    _exit(0);
}

static int fire(eventer_t e, int mask, void *closure, struct timeval *now);

static void arm(uint64_t *due)
{
    static uint64_t random = 88172645463325252; /* xorshift64: Marsaglia 2003 */
    random ^= random << 13;
    random ^= random >> 7;
    random ^= random << 17;
    unsigned long us = SHORTEST_US + random % (LONGEST_US - SHORTEST_US);
    *due = clock_ns(CLOCK_MONOTONIC) + us * 1000;
    require(eventer_add_in_s_us(fire, due, 0, us) != NULL, "a timer");
}

static int fire(eventer_t e, int mask, void *closure, struct timeval *now)
{
    (void)e, (void)mask, (void)now;
    uint64_t *due = closure, now_ns = clock_ns(CLOCK_MONOTONIC);
    require(now_ns >= *due, "a timer is not early");
    if (late_count < SAMPLE_MAX)
        late_us[late_count++] = (double)(now_ns - *due) / NS_PER_US;
    if (now_ns - begun_ns > RUN_NS)
        report();
    arm(due);
    return 0;
}

static int start_all(eventer_t e, int mask, void *closure, struct timeval *now)
{
    (void)e, (void)mask, (void)closure, (void)now;
    for (int i = 0; has_load && i < CONNECTION_COUNT; i++)
        eventer_aco_start(answer, pairs[i]);
    begun_ns = clock_ns(CLOCK_MONOTONIC);
    for (int i = 0; i < TIMER_COUNT; i++)
        arm(&due_ns[i]);
    return 0;
}

static void run(int to)
{
    pthread_t thread;
    output = to;
    stay_on_core(0);
    for (int i = 0; i < CONNECTION_COUNT; i++)
        require(socketpair(AF_UNIX, SOCK_STREAM, 0, pairs[i]) == 0, "socketpair");
    require(eventer_propset("concurrency", "1") == 0 && eventer_init() == 0, "eventer_init");
    eventer_add_in_s_us(start_all, NULL, 0, 0);
    if (has_load)
        require(pthread_create(&thread, NULL, ask, NULL) == 0, "a thread");
    eventer_loop();
}

int main(void)
{
    static const char *const names[FIGURE_COUNT] = {"late_us_p50", "late_us_p99", "late_us_p999",
                                                    "late_us_max", "messages_per_s"};
    static double values[2][FIGURE_COUNT][RUN_COUNT];
    for (int i = 0; i < RUN_COUNT; i++) {
        for (int beside = 0; beside < 2; beside++) {
            double figures[FIGURE_COUNT];
            has_load = beside == 1;
            in_child(run, figures, FIGURE_COUNT);
            for (int f = 0; f < FIGURE_COUNT; f++)
                values[beside][f][i] = figures[f];
        }
    }
    for (int beside = 0; beside < 2; beside++) {
        printf("{\"bench\":\"late\",\"library\":\"eventer\",\"beside\":\"%s\",\"timers\":%d",
               beside == 0 ? "nobody" : "64 connections", TIMER_COUNT);
        for (int f = 0; f < FIGURE_COUNT; f++)
            printf(",\"%s\":%.1f", names[f], median(values[beside][f], RUN_COUNT));
        printf(",\"runs\":%d}\n", RUN_COUNT);
    }
    return 0;
}
