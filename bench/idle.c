/* SPDX-License-Identifier: MIT */
/*
 * idle.c - resident bytes of a parked coroutine, at 100,000, beside boost.context.
 *
 * Usage: idle eventer.conf.  Each coroutine holds a live buffer of 128 bytes in its frame, which is
 * checked after the wait, so that it cannot be optimised away.  The library's sleep in
 * eventer_aco_sleep; boost's have just yielded, each on the smallest stack that is a whole number
 * of pages and holds its frames.  Resident memory is read from /proc/self/statm before and after.
 */
#include "fcontext.h"

#include <eventer/eventer.h>
#include <mtev_conf.h>
#include <mtev_defines.h>
#include <mtev_main.h>
#include <mtev_memory.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define APPNAME          "bench"
#define COROUTINE_COUNT  100000
#define BUFFER_SIZE      128
#define BOOST_STACK_SIZE 8192
#define SLEEP_SEC        3600
#define NS_PER_SEC       1000000000
#define NS_PER_US        1000.0

struct measure { /* taken before and after */
    uint64_t time_ns;
    size_t resident;
};

static size_t parked_count;

static struct measure take_measure(void)
{
    struct timespec now;
    unsigned long pages_total = 0, pages_resident = 0;
    FILE *statm = fopen("/proc/self/statm", "r");
    if (statm == NULL || fscanf(statm, "%lu %lu", &pages_total, &pages_resident) != 2)
        exit(2);
    fclose(statm);
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (struct measure){(uint64_t)now.tv_sec * NS_PER_SEC + (uint64_t)now.tv_nsec,
                            pages_resident * (size_t)sysconf(_SC_PAGESIZE)};
}

static void print_measure(const char *library, struct measure before, struct measure after)
{
    if (parked_count != COROUTINE_COUNT) {
        fprintf(stderr, "idle: %s parked %zu of %d coroutines\n", library, parked_count,
                COROUTINE_COUNT);
        _exit(1);
    }
    printf("{\"bench\":\"idle\",\"library\":\"%s\",\"coroutines\":%d,"
           "\"resident_bytes_per_coroutine\":%.0f,\"start_us_per_coroutine\":%.2f}\n",
           library, COROUTINE_COUNT,
           ((double)after.resident - (double)before.resident) / COROUTINE_COUNT,
           (double)(after.time_ns - before.time_ns) / NS_PER_US / COROUTINE_COUNT);
    fflush(stdout);
}

static void check_buffer(const volatile char *buffer)
{
    for (size_t i = 0; i < BUFFER_SIZE; i++)
        if (buffer[i] != 'x')
            abort();
}

static void boost_entry(transfer_t from)
{
    volatile char buffer[BUFFER_SIZE];
    memset((void *)(uintptr_t)buffer, 'x', sizeof(buffer));
    parked_count++;
    from = jump_fcontext(from.fctx, NULL);
    check_buffer(buffer);
    jump_fcontext(from.fctx, NULL);
}

static void measure_boost(void)
{
    size_t size = (size_t)COROUTINE_COUNT * BOOST_STACK_SIZE;
    struct measure before = take_measure();
    char *stacks = mmap(NULL, size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (stacks == MAP_FAILED)
        exit(2);
    madvise(stacks, size, MADV_NOHUGEPAGE); /* a stack is charged the pages it touches */
    for (size_t i = 1; i <= COROUTINE_COUNT; i++)
        jump_fcontext(make_fcontext(stacks + i * BOOST_STACK_SIZE, BOOST_STACK_SIZE, boost_entry),
                      NULL);
    print_measure("boost.context", before, take_measure());
    munmap(stacks, size);
}

static void sleeper(void)
{
    volatile char buffer[BUFFER_SIZE];
    memset((void *)(uintptr_t)buffer, 'x', sizeof(buffer));
    parked_count++;
    eventer_aco_sleep(&(struct timeval){SLEEP_SEC, 0});
    check_buffer(buffer);
    aco_exit();
}

/* A timer's callback, so that each start runs its coroutine up to its sleep before it returns. */
static int measure_eventer(eventer_t e, int mask, void *closure, struct timeval *now)
{
    (void)e, (void)mask, (void)closure, (void)now;
    parked_count = 0;
    struct measure before = take_measure();
    for (int i = 0; i < COROUTINE_COUNT; i++)
        eventer_aco_start(sleeper, NULL);
    print_measure("eventer", before, take_measure());
    _exit(0);
}

static int child_main(void)
{
    if (mtev_conf_load(NULL) == -1)
        exit(2);
    eventer_init();
    eventer_add_in_s_us(measure_eventer, NULL, 0, 1000);
    eventer_loop();
    return 0;
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return 2;
    measure_boost();
    mtev_memory_init();
    return mtev_main(APPNAME, argv[1], 0, 1, MTEV_LOCK_OP_NONE, NULL, NULL, NULL, child_main);
}
