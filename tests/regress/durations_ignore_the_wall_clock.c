/* SPDX-License-Identifier: MIT */
/*
 * Defect: time-outs and sleeps were computed with the wall clock, so that setting it broke them
 * all.
 * Method: this program has its own clock_gettime(2), whose wall clock jumps by an hour, back and
 * forth, while coroutines sleep and time out, and timers wait; a jump back must not keep them
 * for an hour, one forth must not end them early.
 * Shown red: have clock_mono_ns() of base/clock.h read CLOCK_REALTIME.
 */
#include "in_coroutine.h"

#include <sys/syscall.h>

static _Atomic int64_t wall_offset_s;

int clock_gettime(clockid_t clock, struct timespec *now)
{
    long rv = syscall(SYS_clock_gettime, clock, now);
    if (clock == CLOCK_REALTIME)
        now->tv_sec += atomic_load(&wall_offset_s);
    return (int)rv;
}

static uint64_t real_mono_ns(void)
{
    struct timespec now;
    syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * CLOCK_NS_PER_S + (uint64_t)now.tv_nsec;
}

static _Atomic int ended;
static int64_t jump_s;

#define WAIT_MS 20

static void check_elapsed(uint64_t begun_ns)
{
    uint64_t elapsed_ns = real_mono_ns() - begun_ns;
    check(elapsed_ns >= WAIT_MS * CLOCK_NS_PER_MS);
    check(elapsed_ns < 1800 * CLOCK_NS_PER_S);
    atomic_fetch_add(&ended, 1);
}

static int never(eventer_t e, int mask, void *closure, struct timeval *now)
{
    return 0;
}

static void sleeper(void)
{
    uint64_t begun_ns = real_mono_ns();
    sleep_ms(WAIT_MS);
    check_elapsed(begun_ns);
}

static void reader(void)
{
    char byte;
    int fds[2];
    uint64_t begun_ns = real_mono_ns();
    check_int(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    eventer_aco_t e = eventer_set_eventer_aco(eventer_alloc_fd(never, NULL, fds[0], 0));
    check_int(eventer_aco_read(e, &byte, 1, &(struct timeval){0, WAIT_MS * 1000}), -1);
    check_elapsed(begun_ns);
    eventer_aco_close(e);
    eventer_aco_free(e);
    close(fds[1]);
}

static uint64_t timer_begun_ns;

static int on_timer(eventer_t e, int mask, void *closure, struct timeval *now)
{
    check_elapsed(timer_begun_ns);
    return 0;
}

static void start_all_and_jump(void *closure)
{
    eventer_aco_start(sleeper, NULL);
    eventer_aco_start(reader, NULL);
    timer_begun_ns = real_mono_ns();
    eventer_add_in_s_us(on_timer, NULL, 0, WAIT_MS * 1000);
    atomic_fetch_add(&wall_offset_s, jump_s);
}

static void a_step_of_the_wall_clock_changes_no_duration(void **state)
{
    const int64_t jumps_s[] = {-3600, 3600, 3600, -3600};
    for (size_t i = 0; i < 4; i++) {
        ended = 0;
        jump_s = jumps_s[i];
        in_loop(0, start_all_and_jump, NULL);
        wait_until(&ended, 3);
        settle(0);
        assert_checks();
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_step_of_the_wall_clock_changes_no_duration),
};

int main(void)
{
    start_loops(1);
    return harness_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]));
}
