/* SPDX-License-Identifier: MIT */
/*
 * Defect: adding or removing a recurrent event in the callback of one waited for a lock that the
 * caller held; and an event with a thread of its own kept that for ever, whatever its callback
 * returned.
 * Method: one that adds another, which removes both; an event whose callback says that it is over.
 * Shown red: run the events of schedule_run_recurrent() (eventer/schedule.c) under a mutex that
 * schedule_add() takes; have thread_main() of eventer/own_thread.c go on whatever is returned.
 */
#include "clean.h"
#include "in_coroutine.h"

#include <fcntl.h>
#include <unistd.h>

static struct tally ended = TALLY_NONE;
static eventer_t first;

static int end_both(eventer_t e, int mask, void *closure, struct timeval *now)
{
    check(eventer_remove_recurrent(first) == first);
    eventer_free(first);
    check(eventer_remove_recurrent(e) == e);
    eventer_free(e);
    tally_raise(&ended);
    return 0;
}

static int add_another(eventer_t e, int mask, void *closure, struct timeval *now)
{
    static bool has_added;
    if (!has_added)
        eventer_add_recurrent(eventer_alloc_recurrent(end_both, NULL));
    has_added = true;
    return 0;
}

static void recurrent_events_are_added_and_removed_in_their_callbacks(void **state)
{
    first = eventer_alloc_recurrent(add_another, NULL);
    eventer_add_recurrent(first);
    tally_wait(&ended);
    settle(0);
    assert_checks();
}

static int twice(eventer_t e, int mask, void *closure, struct timeval *now)
{
    _Atomic int *left = closure;
    if (atomic_fetch_sub(left, 1) > 1)
        return EVENTER_READ;
    eventer_close(e, &mask);
    return 0;
}

static void a_thread_ends_when_its_callback_says_so(void **state)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    _Atomic int left = 2;
    eventer_run_in_thread(eventer_alloc_fd(twice, &left, fd, EVENTER_READ), EVENTER_READ);
    while (eventer_allocations_current() > 0) /* it drops the event last */
        sched_yield();
    assert_int_equal(atomic_load(&left), 0);
}

static const struct CMUnitTest tests[] = {
    clean_test(recurrent_events_are_added_and_removed_in_their_callbacks),
    clean_test(a_thread_ends_when_its_callback_says_so),
};

int main(void)
{
    logged_begin();
    start_loops(1);
    return harness_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]));
}
