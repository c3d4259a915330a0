/* SPDX-License-Identifier: MIT */
/*
 * Defect: triggers from other threads ran in reverse order, each with a wake of its own.
 * Method: trigger many events while their loop is held and once while it sleeps: they run in
 * order, and at most one wake is asked for.
 * Shown red: have mailbox_take_all() of base/mailbox.h not turn the stack round; or have
 * loop_wake() of eventer/loop.c not ask is_asleep.
 */
#include "counted.h"
#include "in_coroutine.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define COUNT 100

static int order[COUNT], order_len;
static _Atomic int arrived;

static int note(eventer_t e, int mask, void *closure, struct timeval *now)
{
    order[order_len++] = *(int *)closure;
    eventer_remove_fde(e);
    atomic_fetch_add(&arrived, 1);
    return 0;
}

static void triggers_run_in_the_order_in_which_they_were_made(void **state)
{
    static int numbers[COUNT], fds[COUNT];
    static eventer_t events[COUNT];
    struct hold hold;
    for (int i = 0; i < COUNT; i++) {
        fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
        assert_true(fds[i] >= 0);
        numbers[i] = i;
        events[i] = eventer_alloc_fd(note, &numbers[i], fds[i], EVENTER_READ);
    }
    hold_begin(&hold, loop_at(0));
    int before = atomic_load(&counted_wakes);
    for (int i = 0; i < COUNT; i++)
        eventer_trigger(events[i], EVENTER_READ);
    assert_int_equal(atomic_load(&counted_wakes), before); /* it is awake */
    hold_end(&hold);
    wait_until(&arrived, COUNT);
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(order[i], i);
    for (int i = 0; i < COUNT; i++)
        close(fds[i]);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(triggers_run_in_the_order_in_which_they_were_made),
};

int main(void)
{
    count_pollers();
    start_loops(1);
    return harness_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]));
}
