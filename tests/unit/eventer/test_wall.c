/* SPDX-License-Identifier: MIT */
/*
 * Goal: timers with an absolute time follow the wall clock when it is set, forth and back; those
 * with a duration do not; and nothing of it costs a loop without such timers anything.
 * Method: this program has its own wall clock, and its own timerfd_create(2), whose fds are made
 * readable by hand, as the kernel does when the clock is set.  Hours are set, and none is waited
 * for.
 */
#include "clean.h"
#include "logged.h"

#include "eventer/event.h"
#include "eventer/wall.h"

#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>

#define HOUR_S 3600

static _Atomic int64_t wall_offset_s;
static _Atomic int created, fails_wanted;
static int step_fds[2];

int clock_gettime(clockid_t clock, struct timespec *now)
{
    long rv = syscall(SYS_clock_gettime, clock, now);
    if (clock == CLOCK_REALTIME)
        now->tv_sec += atomic_load(&wall_offset_s);
    return (int)rv;
}

int timerfd_create(clockid_t clock, int flags)
{
    if (clock != CLOCK_REALTIME || flags != (TFD_NONBLOCK | TFD_CLOEXEC) ||
        atomic_load(&fails_wanted) > 0) {
        atomic_fetch_sub(&fails_wanted, 1);
        errno = EMFILE;
        return -1;
    }
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (fd >= 0)
        step_fds[atomic_fetch_add(&created, 1)] = fd;
    return fd;
}

int timerfd_settime(int fd, int flags, const struct itimerspec *value, struct itimerspec *old)
{
    return flags == (TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET) && old == NULL ? 0 : -1;
}

static struct tally fired = TALLY_NONE;
static _Atomic int fired_count;

static int on_time(eventer_t e, int mask, void *closure, struct timeval *now)
{
    const struct timeval *whence = closure;
    check(whence == NULL || clock_wall_ns() >= clock_duration_ns(whence));
    check(whence == NULL || now->tv_sec >= whence->tv_sec);
    atomic_fetch_add(&fired_count, 1);
    tally_raise(&fired);
    return 0;
}

static struct timeval wall_in_s(int64_t s)
{
    struct timeval now = clock_timeval(clock_wall_ns());
    return (struct timeval){now.tv_sec + s, now.tv_usec};
}

static void set_clock(int64_t by_s, int loop)
{
    atomic_fetch_add(&wall_offset_s, by_s);
    assert_int_equal(eventfd_write(step_fds[loop], 1), 0);
}

static void without_absolute_times_there_is_no_fd(void **state)
{
    eventer_add_in_s_us(on_time, NULL, 0, 1);
    tally_wait(&fired);
    eventer_add_at(on_time, NULL, (struct timeval){0, 0}); /* as soon as possible */
    tally_wait(&fired);
    settle_all();
    assert_int_equal(created, 0);
}

/* The first one finds no fd, and works by the clock as it is. */
static void without_an_fd_it_is_said_once(void **state)
{
    struct timeval whence = wall_in_s(0);
    whence.tv_usec += 2000;
    fails_wanted = 2;
    eventer_t far = eventer_add_at(on_time, NULL, wall_in_s(HOUR_S));
    eventer_add_at(on_time, &whence, whence);
    tally_wait(&fired);
    assert_int_equal(logged("timers will not follow the wall clock"), 1);
    logged_clear();
    assert_ptr_equal(eventer_remove(far), far);
    eventer_free(far);
    settle_all();
    assert_int_equal(created, 0);
}

static void a_clock_set_forth_makes_them_due(void **state)
{
    struct timeval whences[3];
    for (int i = 0; i < 3; i++) {
        whences[i] = wall_in_s(HOUR_S + i);
        eventer_add_at(on_time, &whences[i], whences[i]);
    }
    eventer_t later = eventer_add_at(on_time, NULL, wall_in_s(3 * HOUR_S));
    eventer_t after = eventer_add_in_s_us(on_time, NULL, HOUR_S, 0);
    settle_all();
    assert_int_equal(created, 1);
    int before = fired_count;
    set_clock(HOUR_S + 10, 0);
    for (int i = 0; i < 3; i++)
        tally_wait(&fired);
    settle_all();
    assert_int_equal(fired_count, before + 3); /* and no other */
    assert_ptr_equal(eventer_remove(later), later);
    assert_ptr_equal(eventer_remove(after), after);
    eventer_free(later);
    eventer_free(after);
}

struct look {
    eventer_t e;
    uint64_t due_ns;
};

static void look_when_due(void *closure)
{
    struct look *look = closure;
    look->due_ns = look->e->timer.due_ns;
}

static uint64_t when_due(eventer_t e)
{
    struct look look = {.e = e};
    in_loop(0, look_when_due, &look);
    return look.due_ns;
}

static void a_clock_set_back_puts_them_off(void **state)
{
    struct timeval whence = wall_in_s(HOUR_S);
    eventer_t e = eventer_add_at(on_time, &whence, whence);
    eventer_t by_duration = eventer_add_in_s_us(on_time, NULL, HOUR_S, 0);
    settle_all();
    uint64_t due_ns = when_due(e), other_ns = when_due(by_duration);
    set_clock(-HOUR_S, 0);
    settle_all();
    assert_in_range(when_due(e) - due_ns, (HOUR_S - 60) * CLOCK_NS_PER_S,
                    (HOUR_S + 60) * CLOCK_NS_PER_S);
    assert_true(when_due(by_duration) == other_ns);
    int before = fired_count;
    set_clock(2 * HOUR_S + 1, 0);
    tally_wait(&fired);
    assert_int_equal(fired_count, before + 1);
    assert_ptr_equal(eventer_remove(by_duration), by_duration);
    eventer_free(by_duration);
}

static void each_loop_is_told(void **state)
{
    struct timeval whence = wall_in_s(HOUR_S);
    eventer_t e = eventer_at(on_time, &whence, whence);
    eventer_set_owner(e, loop_at(1)->thread);
    eventer_add(e);
    settle_all();
    assert_int_equal(created, 2);
    set_clock(HOUR_S, 1);
    tally_wait(&fired);
}

static void unwatch(void *closure)
{
    wall_unwatch(loop_self);
    wall_unwatch(loop_self);
    check_int(loop_self->wall_fd, -1);
}

static void who_no_longer_watches_has_no_fd(void **state)
{
    for (uint32_t i = 0; i < 2; i++)
        in_loop(i, unwatch, NULL); /* and none is leaked: the harness looks */
}

static const struct CMUnitTest tests[] = {
    clean_test(without_absolute_times_there_is_no_fd),
    clean_test(without_an_fd_it_is_said_once),
    clean_test(a_clock_set_forth_makes_them_due),
    clean_test(a_clock_set_back_puts_them_off),
    clean_test(each_loop_is_told),
    clean_test(who_no_longer_watches_has_no_fd),
};

int main(void)
{
    logged_begin();
    start_loops(2);
    return harness_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]));
}
