/* SPDX-License-Identifier: MIT */
/*
 * Goal: a trigger runs its event's callback in the event's loop: at once in that loop, next turn
 * from the callback itself, in order from other threads, and wherever the event has moved
 * meanwhile.
 * Method: events on socket pairs that never become ready, so that every call is a trigger's.
 */
#include "clean.h"

#include "base/alloc.h"
#include "eventer/event.h"

struct probe {
    eventer_t e;
    int fds[2];
    _Atomic int calls, mask, loop_index;
    int seen[256]; /* closures, in the order of the calls */
    bool triggers_itself;
    bool moves;
    bool is_inside;
};

static int on_event(eventer_t e, int mask, void *closure, struct timeval *now)
{
    struct probe *probe = closure;
    check(eventer_thread_check(e));
    check(!probe->is_inside);
    probe->is_inside = true;
    if (probe->triggers_itself) {
        probe->triggers_itself = false;
        eventer_trigger(e, EVENTER_WRITE); /* queued: it is running */
    }
    if (probe->moves) {
        probe->moves = false;
        eventer_set_owner(e, loop_at(1)->thread);
    }
    probe->is_inside = false;
    atomic_store(&probe->mask, mask);
    atomic_store(&probe->loop_index, loop_self->index);
    atomic_fetch_add(&probe->calls, 1);
    return EVENTER_READ;
}

static void probe_open(struct probe *probe)
{
    *probe = (struct probe){.calls = 0};
    harness_socketpair(probe->fds);
    probe->e = eventer_alloc_fd(on_event, probe, probe->fds[0], EVENTER_READ);
}

static void probe_close(struct probe *probe)
{
    int ignored;
    eventer_close(probe->e, &ignored);
    settle_all();
    close(probe->fds[1]);
}

static void trigger_and_look(void *closure)
{
    struct probe *probe = closure;
    int calls = probe->calls;
    eventer_trigger(probe->e, EVENTER_READ | EVENTER_WRITE);
    check_int(probe->calls, calls + 1); /* when the call returns it has run */
    check_int(probe->mask, EVENTER_READ | EVENTER_WRITE);
}

static void in_its_loop_a_trigger_runs_at_once(void **state)
{
    struct probe probe;
    probe_open(&probe);
    eventer_add(probe.e);
    in_loop(0, trigger_and_look, &probe);
    in_loop(0, trigger_and_look, &probe);
    probe_close(&probe);
}

static void a_trigger_registers_an_event_that_is_not(void **state)
{
    struct probe probe;
    probe_open(&probe);
    in_loop(0, trigger_and_look, &probe);
    assert_ptr_equal(eventer_find_fd(probe.fds[0]), probe.e);
    assert_int_equal(write(probe.fds[1], "x", 1), 1);
    wait_until(&probe.calls, 2);
    probe_close(&probe);
}

static void a_callback_that_triggers_itself_runs_again_in_the_next_turn(void **state)
{
    struct probe probe;
    probe_open(&probe);
    probe.triggers_itself = true;
    eventer_add(probe.e);
    in_loop(0, trigger_and_look, &probe);
    wait_until(&probe.calls, 2);
    settle(0);
    assert_int_equal(probe.calls, 2);
    assert_int_equal(probe.mask, EVENTER_WRITE);
    probe_close(&probe);
}

/* ---- from other threads ---------------------------------------------------------- */

#define ORDER_COUNT 200

struct numbered {
    eventer_t e;
    int fd;
    int number;
};

static int order[ORDER_COUNT];
static _Atomic int order_len;

static int note_number(eventer_t e, int mask, void *closure, struct timeval *now)
{
    order[atomic_fetch_add(&order_len, 1)] = ((struct numbered *)closure)->number;
    return EVENTER_EXCEPTION;
}

static void triggers_of_another_thread_arrive_in_their_order(void **state)
{
    static struct numbered events[ORDER_COUNT];
    int fds[2];
    harness_socketpair(fds);
    order_len = 0;
    for (int i = 0; i < ORDER_COUNT; i++) {
        events[i].number = i;
        events[i].fd = dup(fds[0]);
        events[i].e = eventer_alloc_fd(note_number, &events[i], events[i].fd, EVENTER_EXCEPTION);
        eventer_add(events[i].e);
    }
    for (int i = 0; i < ORDER_COUNT; i++)
        eventer_trigger(events[i].e, EVENTER_READ);
    wait_until(&order_len, ORDER_COUNT);
    settle(0);
    assert_int_equal(order_len, ORDER_COUNT);
    for (int i = 0; i < ORDER_COUNT; i++) {
        int ignored;
        assert_int_equal(order[i], i);
        eventer_close(events[i].e, &ignored);
    }
    close(fds[0]);
    close(fds[1]);
    settle(0);
}

static void the_mask_of_a_trigger_arrives_without_its_cross_thread_bit(void **state)
{
    struct probe probe;
    probe_open(&probe);
    eventer_trigger(probe.e, (int)(EVENTER_CROSS_THREAD_TRIGGER | EVENTER_EXCEPTION));
    wait_until(&probe.calls, 1);
    assert_int_equal(probe.mask, EVENTER_EXCEPTION);
    probe_close(&probe);
}

static void trigger_here_and_move(void *closure)
{
    struct probe *probe = closure;
    probe->moves = true;
    eventer_trigger(probe->e, EVENTER_READ);
    check_int(probe->calls, 1);
    check_int(probe->loop_index, 0);
}

static void a_trigger_follows_an_event_that_has_moved(void **state)
{
    struct probe probe;
    struct hold hold;
    struct errand moving;
    probe_open(&probe);
    eventer_add(probe.e);
    hold_begin(&hold, loop_at(0));
    errand_post(&moving, 0, trigger_here_and_move, &probe);
    eventer_trigger(probe.e, EVENTER_WRITE); /* is in the mail of loop 0 when the event leaves */
    hold_end(&hold);
    errand_wait(&moving);
    wait_until(&probe.calls, 2);
    assert_int_equal(probe.loop_index, 1); /* on_event() checks its thread too */
    assert_int_equal(probe.mask, EVENTER_WRITE);
    probe_close(&probe);
}

static void a_trigger_of_an_event_that_was_closed_since_does_nothing(void **state)
{
    struct probe probe;
    struct hold hold;
    int ignored;
    probe_open(&probe);
    hold_begin(&hold, loop_at(0));
    eventer_trigger(probe.e, EVENTER_READ);
    assert_int_equal(eventer_close(probe.e, &ignored), 0);
    eventer_free(probe.e); /* the trigger shares it */
    hold_end(&hold);
    settle(0);
    assert_int_equal(probe.calls, 0);
    close(probe.fds[1]);
}

/* ---- what goes wrong ------------------------------------------------------------- */

static void a_trigger_of_a_second_event_for_an_fd_is_logged(void **state)
{
    struct probe probe;
    probe_open(&probe);
    eventer_t second = eventer_alloc_copy(probe.e);
    eventer_add(probe.e);
    eventer_trigger(second, EVENTER_READ);
    settle(0);
    assert_logged(1, "another event is registered for its fd");
    assert_int_equal(probe.calls, 0);
    assert_true(eventer_free(second));
    probe_close(&probe);
}

static void what_has_no_fd_cannot_be_triggered(void **state)
{
    eventer_t timer = eventer_in_s_us(on_event, NULL, 1, 0);
    eventer_trigger(timer, EVENTER_TIMER);
    assert_logged(1, "it is no fd event");
    eventer_free(timer);
}

static void without_memory_a_trigger_from_another_thread_is_lost_and_logged(void **state)
{
    struct probe probe;
    probe_open(&probe);
    eventer_add(probe.e);
    alloc_fail_nth(1, 0);
    eventer_trigger(probe.e, EVENTER_READ);
    alloc_fail_nth(0, 0);
    settle(0);
    assert_logged(1, "the trigger is lost");
    assert_int_equal(probe.calls, 0);
    probe_close(&probe);
}

static const struct CMUnitTest tests[] = {
    clean_test(in_its_loop_a_trigger_runs_at_once),
    clean_test(a_trigger_registers_an_event_that_is_not),
    clean_test(a_callback_that_triggers_itself_runs_again_in_the_next_turn),
    clean_test(triggers_of_another_thread_arrive_in_their_order),
    clean_test(the_mask_of_a_trigger_arrives_without_its_cross_thread_bit),
    clean_test(a_trigger_follows_an_event_that_has_moved),
    clean_test(a_trigger_of_an_event_that_was_closed_since_does_nothing),
    clean_test(a_trigger_of_a_second_event_for_an_fd_is_logged),
    clean_test(what_has_no_fd_cannot_be_triggered),
    clean_test(without_memory_a_trigger_from_another_thread_is_lost_and_logged),
};

int main(void)
{
    logged_begin();
    start_loops(2);
    return harness_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]));
}
