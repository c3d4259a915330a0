/* SPDX-License-Identifier: MIT */
/*
 * wave.c - many coroutines in one event loop: started, asleep, awake all at once, ended.
 *
 * Usage: wave eventer.conf COUNT.  Each holds a live buffer of 128 bytes while it sleeps until one
 * moment that is the same for all, late enough that all have been started: a fiftieth of them is
 * started before, to learn how long that takes.  They are started in slices, so that the loop turns
 * meanwhile.  Processor times are of the loop's thread; memory is what is resident of the whole
 * process.  "after" is a second after the last one ended.
 */
#include "measure.h"

#include <eventer/eventer.h>
#include <mtev_conf.h>
#include <mtev_defines.h>
#include <mtev_main.h>
#include <mtev_memory.h>

#define APPNAME      "bench"
#define BUFFER_SIZE  128
#define SLICE        10000
#define TRIAL_SHARE  50 /* one in so many is started to see how fast that is */
#define TRIAL_TIMES  4  /* the start may take so many times as long as the trial says */
#define US_PER_SEC   1000000
#define NS_PER_US    1000
#define SETTLE_SEC   1
#define NS_PER_SEC_F 1e9

struct moment {
    uint64_t wall_ns, cpu_ns;
    size_t resident;
};

static size_t count, started_count, awake_count, ended_count;
static uint64_t wake_ns; /* CLOCK_MONOTONIC */
static struct moment before, parked, awake, ended;

static struct moment take_moment(void)
{
    return (struct moment){clock_ns(CLOCK_MONOTONIC), cpu_ns(), resident_bytes()};
}

static void print_phase(const char *name, struct moment from, struct moment to)
{
    printf(",\"%s_s\":%.3f,\"%s_cpu_s\":%.3f", name,
           (double)(to.wall_ns - from.wall_ns) / NS_PER_SEC_F, name,
           (double)(to.cpu_ns - from.cpu_ns) / NS_PER_SEC_F);
}

static int report(eventer_t e, int mask, void *closure, struct timeval *now)
{
    (void)e, (void)mask, (void)closure, (void)now;
    require(awake_count == count, "some did not wake");
    printf("{\"bench\":\"wave\",\"library\":\"eventer\",\"coroutines\":%zu", count);
    print_phase("start", before, parked);
    print_phase("sleep", parked, awake);
    print_phase("end", awake, ended);
    printf(",\"resident_bytes_per_coroutine\":%.0f,\"resident_before\":%zu,\"resident_peak\":%zu,"
           "\"resident_after\":%zu}\n",
           ((double)parked.resident - (double)before.resident) / (double)count, before.resident,
           proc_bytes("/proc/self/status", "VmHWM:"), resident_bytes());
    fflush(stdout);
    _exit(0);
}

static void sleep_us(uint64_t us)
{
    eventer_aco_sleep(&(struct timeval){(time_t)(us / US_PER_SEC), (suseconds_t)(us % US_PER_SEC)});
}

static void trial(void)
{
    volatile char buffer[BUFFER_SIZE];
    memset((void *)(uintptr_t)buffer, 'x', sizeof(buffer));
    sleep_us(1);
    check_filled(buffer, BUFFER_SIZE);
}

static void sleeper(void)
{
    volatile char buffer[BUFFER_SIZE];
    memset((void *)(uintptr_t)buffer, 'x', sizeof(buffer));
    uint64_t now_ns = clock_ns(CLOCK_MONOTONIC);
    require(wake_ns > now_ns, "the wave was not started in time");
    started_count++;
    sleep_us((wake_ns - now_ns) / NS_PER_US);
    if (awake_count++ == 0) {
        require(started_count == count, "one woke before all were started");
        awake = take_moment();
    }
    check_filled(buffer, BUFFER_SIZE);
    if (++ended_count == count) {
        ended = take_moment();
        eventer_add_in_s_us(report, NULL, SETTLE_SEC, 0);
    }
}

static int start_slice(eventer_t e, int mask, void *closure, struct timeval *now)
{
    (void)e, (void)mask, (void)closure, (void)now;
    for (size_t i = 0; i < SLICE && started_count < count; i++)
        eventer_aco_start(sleeper, NULL);
    if (started_count < count)
        eventer_add_in_s_us(start_slice, NULL, 0, 0);
    else
        parked = take_moment();
    return 0;
}

static int begin(eventer_t e, int mask, void *closure, struct timeval *now)
{
    before = take_moment();
    uint64_t trial_ns = before.wall_ns;
    for (size_t i = 0; i < count / TRIAL_SHARE; i++)
        eventer_aco_start(trial, NULL);
    before.wall_ns = clock_ns(CLOCK_MONOTONIC);
    before.cpu_ns = cpu_ns();
    trial_ns = before.wall_ns - trial_ns;
    wake_ns = before.wall_ns + trial_ns * TRIAL_SHARE * TRIAL_TIMES + NS_PER_SEC;
    return start_slice(e, mask, closure, now);
}

static int child_main(void)
{
    if (mtev_conf_load(NULL) == -1)
        exit(2);
    eventer_init();
    eventer_add_in_s_us(begin, NULL, 0, 1000);
    eventer_loop();
    return 0;
}

int main(int argc, char **argv)
{
    if (argc < 3)
        return 2;
    count = strtoul(argv[2], NULL, 10);
    mtev_memory_init();
    return mtev_main(APPNAME, argv[1], 0, 1, MTEV_LOCK_OP_NONE, NULL, NULL, NULL, child_main);
}
