/* SPDX-License-Identifier: MIT */
/*
 * neighbour.c - what is left to one connection of a loop while another one floods it.
 *
 * One loop on one core.  A client asks over one socket pair, 64 bytes each time, and waits for the
 * answer; another writes without end over a second one, which a coroutine reads 64 bytes at a time,
 * so that it never has to wait.  Both clients are threads on another core.  Each measurement is
 * made in a process of its own, with the flood and without; these alternate.  Medians are printed.
 */
#include "measure.h"

#include <eventer/eventer.h>
#include <mtev_defines.h>

#include <pthread.h>
#include <sched.h>
#include <sys/socket.h>

#define RUN_COUNT    9
#define MESSAGE_SIZE 64
#define FLOOD_SIZE   16384
#define WARM_UP_NS   (NS_PER_SEC / 10)
#define RUN_NS       (1ULL * NS_PER_SEC)
#define SAMPLE_MAX   1000000
#define NS_PER_US    1000.0

enum figure {
    MESSAGES_PER_S,
    P50_US,
    P99_US,
    FLOOD_MB_PER_S,
    FIGURE_COUNT,
};

static bool has_flood;
static int asks[2], floods[2]; /* socket pairs: the coroutine's end, the client's */
static int output;
static uint64_t flooded_bytes; /* the loop's alone */
static double latency_us[SAMPLE_MAX];

static void stay_on_core(int core)
{
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET(core, &cpus);
    (void)sched_setaffinity(0, sizeof(cpus), &cpus);
}

/* ---- the loop's ------------------------------------------------------------------ */

static int never_called(eventer_t e, int mask, void *closure, struct timeval *now)
{
    (void)e, (void)mask, (void)closure, (void)now;
    require(false, "an event of coroutines was called back");
    return 0;
}

static eventer_aco_t adopt(int fd)
{
    return eventer_set_eventer_aco(eventer_alloc_fd(never_called, NULL, fd, EVENTER_READ));
}

static void answer(void)
{
    eventer_aco_t e = adopt(asks[0]);
    char bytes[MESSAGE_SIZE];
    int len;
    while ((len = eventer_aco_read(e, bytes, sizeof(bytes), NULL)) > 0)
        require(eventer_aco_write(e, bytes, (size_t)len, NULL) == len, "an answer");
}

static void swallow(void)
{
    eventer_aco_t e = adopt(floods[0]);
    char bytes[MESSAGE_SIZE];
    int len;
    while ((len = eventer_aco_read(e, bytes, sizeof(bytes), NULL)) > 0)
        __atomic_store_n(&flooded_bytes, flooded_bytes + (uint64_t)len, __ATOMIC_RELAXED);
}

static int start_both(eventer_t e, int mask, void *closure, struct timeval *now)
{
    (void)e, (void)mask, (void)closure, (void)now;
    eventer_aco_start(answer, NULL);
    eventer_aco_start(swallow, NULL);
    return 0;
}

/* ---- the clients ----------------------------------------------------------------- */

static void *flood(void *unused)
{
    static const char bytes[FLOOD_SIZE];
    stay_on_core(1);
    while (write(floods[1], bytes, sizeof(bytes)) > 0)
        ;
    return unused;
}

static void ask(void)
{
    char bytes[MESSAGE_SIZE] = "question";
    require(write(asks[1], bytes, sizeof(bytes)) == sizeof(bytes), "a question");
    require(recv(asks[1], bytes, sizeof(bytes), MSG_WAITALL) == sizeof(bytes), "an answer");
}

/* Ask for ns; returns how often, and leaves how long each took. */
static size_t ask_for(uint64_t ns)
{
    uint64_t begun_ns = clock_ns(CLOCK_MONOTONIC), before_ns = begun_ns;
    size_t count = 0;
    while (before_ns - begun_ns < ns && count < SAMPLE_MAX) {
        ask();
        uint64_t now_ns = clock_ns(CLOCK_MONOTONIC);
        latency_us[count++] = (double)(now_ns - before_ns) / NS_PER_US;
        before_ns = now_ns;
    }
    return count;
}

static void *measure(void *unused)
{
    double figures[FIGURE_COUNT];
    stay_on_core(1);
    (void)ask_for(WARM_UP_NS);
    uint64_t flooded = __atomic_load_n(&flooded_bytes, __ATOMIC_RELAXED);
    size_t count = ask_for(RUN_NS);
    flooded = __atomic_load_n(&flooded_bytes, __ATOMIC_RELAXED) - flooded;
    figures[MESSAGES_PER_S] = (double)count * NS_PER_SEC / (double)RUN_NS;
    figures[P50_US] = median(latency_us, count); /* sorts them */
    figures[P99_US] = latency_us[count / 100 * 99];
    figures[FLOOD_MB_PER_S] = (double)flooded * NS_PER_SEC / (double)RUN_NS / 1e6;
    require(write(output, figures, sizeof(figures)) == sizeof(figures), "write");
    _exit(0);
    return unused;
}

static void run(int to)
{
    pthread_t thread;
    output = to;
    stay_on_core(0);
    require(socketpair(AF_UNIX, SOCK_STREAM, 0, asks) == 0 &&
                socketpair(AF_UNIX, SOCK_STREAM, 0, floods) == 0,
            "socketpair");
    require(eventer_propset("concurrency", "1") == 0 && eventer_init() == 0, "eventer_init");
    eventer_add_in_s_us(start_both, NULL, 0, 0);
    require(pthread_create(&thread, NULL, measure, NULL) == 0, "a thread");
    if (has_flood)
        require(pthread_create(&thread, NULL, flood, NULL) == 0, "a thread");
    eventer_loop();
}

static void print_medians(const char *name, double values[FIGURE_COUNT][RUN_COUNT])
{
    static const char *const names[FIGURE_COUNT] = {"messages_per_s", "us_p50", "us_p99",
                                                    "flood_mb_per_s"};
    printf("{\"bench\":\"neighbour\",\"library\":\"eventer\",\"beside\":\"%s\"", name);
    for (int i = 0; i < FIGURE_COUNT; i++)
        printf(",\"%s\":%.1f", names[i], median(values[i], RUN_COUNT));
    printf(",\"runs\":%d}\n", RUN_COUNT);
}

int main(void)
{
    static double values[2][FIGURE_COUNT][RUN_COUNT];
    double kept[RUN_COUNT];
    for (int i = 0; i < RUN_COUNT; i++) {
        for (int beside = 0; beside < 2; beside++) {
            double figures[FIGURE_COUNT];
            has_flood = beside == 1;
            in_child(run, figures, FIGURE_COUNT);
            for (int f = 0; f < FIGURE_COUNT; f++)
                values[beside][f][i] = figures[f];
        }
        kept[i] = values[1][MESSAGES_PER_S][i] / values[0][MESSAGES_PER_S][i];
    }
    print_medians("nobody", values[0]);
    print_medians("a flood", values[1]);
    printf("{\"bench\":\"neighbour\",\"kept\":%.2f}\n", median(kept, RUN_COUNT));
    return 0;
}
