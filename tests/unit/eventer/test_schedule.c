/* SPDX-License-Identifier: MIT */
/*
 * Goal: timers fire once, not early, also when another thread sets, moves or removes them;
 * recurrent events run every turn until they are removed, from wherever that is.
 * Method: two running loops; callbacks note what they see; a loop is held while another thread
 * acts where the order matters.  Lateness is only bounded where it would be a lost wake-up, and
 * generously.
 */
#include "clean.h"

#include "base/alloc.h"
#include "eventer/event.h"
#include "eventer/wall.h"

#define FAR_S 3600 /* a time that is not waited for */

struct probe {
    _Atomic int calls;
    _Atomic int wanted; /* what the callback returns while calls are below it; then 0 */
    uint64_t due_ns;    /* earliest right time */
    struct tally called;
    struct timeval next; /* whence to set in the callback; {0, 0}: none */
    int loop_index;
};

static int on_time(eventer_t e, int mask, void *closure, struct timeval *now)
{
    struct probe *probe = closure;
    check_int(mask, EVENTER_TIMER);
    check(eventer_thread_check(e));
    check(clock_mono_ns() >= probe->due_ns);
    probe->loop_index = loop_self->index;
    if (probe->next.tv_sec != 0)
        eventer_update_whence(e, probe->next);
    int calls = atomic_fetch_add(&probe->calls, 1) + 1;
    int again = calls < atomic_load(&probe->wanted);
    tally_raise(&probe->called); /* probe may be gone after the last one */
    return again;
}

static void probe_init(struct probe *probe)
{
    *probe = (struct probe){.called = TALLY_NONE};
}

static struct timeval wall_in_ms(int64_t ms)
{
    return clock_timeval(clock_wall_ns() + (uint64_t)(ms * (int64_t)CLOCK_NS_PER_MS));
}

/* ---- firing ---------------------------------------------------------------------- */

static void a_timer_set_in_its_loop_fires_in_time(void *closure)
{
    struct probe *probe = closure;
    probe->due_ns = clock_mono_ns() + 5 * CLOCK_NS_PER_MS;
    eventer_add_in_s_us(on_time, probe, 0, 5000);
}

static void timers_fire_once_and_not_early(void **state)
{
    struct probe probe;
    probe_init(&probe);
    in_loop(0, a_timer_set_in_its_loop_fires_in_time, &probe);
    tally_wait(&probe.called);
    settle(0);
    assert_int_equal(probe.calls, 1);
    probe.due_ns = clock_mono_ns() + 5 * CLOCK_NS_PER_MS;
    eventer_add_in(on_time, &probe, (struct timeval){0, 5000});
    tally_wait(&probe.called);
    eventer_add_at(on_time, &probe, wall_in_ms(5)); /* wall time: not earlier, if no one sets it */
    tally_wait(&probe.called);
    eventer_add(eventer_at(on_time, &probe, wall_in_ms(1)));
    tally_wait(&probe.called);
    settle(0);
    assert_int_equal(probe.calls, 4);
}

static void a_time_that_has_passed_fires_at_once(void **state)
{
    struct probe probe;
    probe_init(&probe);
    eventer_add_at(on_time, &probe, (struct timeval){0, 0});
    tally_wait(&probe.called);
    eventer_add_at(on_time, &probe, wall_in_ms(-5000));
    tally_wait(&probe.called);
    eventer_add_in(on_time, &probe, (struct timeval){-5, 0});
    tally_wait(&probe.called);
    eventer_add_at(on_time, &probe, (struct timeval){INT64_MIN, INT64_MIN});
    tally_wait(&probe.called);
    eventer_add_timer_next_opportunity(on_time, &probe, loop_at(1)->thread);
    tally_wait(&probe.called);
    assert_int_equal(probe.loop_index, 1);
}

/* A sleeping loop is woken for it: without that it would sleep for the hour of the other timer. */
static void a_timer_from_another_thread_wakes_a_loop_that_sleeps(void **state)
{
    struct probe probe, far;
    probe_init(&probe);
    probe_init(&far);
    eventer_t later = eventer_add_in_s_us(on_time, &far, FAR_S, 0);
    settle(0);
    for (int i = 0; i < 100; i++) {
        while (!atomic_load(&loop_at(0)->is_asleep))
            sched_yield();
        eventer_add_in_s_us(on_time, &probe, 0, 0);
        tally_wait(&probe.called);
    }
    assert_ptr_equal(eventer_remove(later), later);
    eventer_free(later);
}

static void a_far_timer_can_be_set_and_removed(void **state)
{
    struct probe probe;
    probe_init(&probe);
    const unsigned long seconds[] = {FAR_S, UINT32_MAX, INT64_MAX, UINT64_MAX};
    for (size_t i = 0; i < 4; i++) {
        eventer_t e = eventer_add_in_s_us(on_time, &probe, seconds[i], 999999999);
        settle(0);
        assert_ptr_equal(eventer_remove(e), e);
        eventer_free(e);
    }
    eventer_t e = eventer_add_at(on_time, &probe, (struct timeval){INT64_MAX, INT64_MAX});
    settle(0);
    assert_ptr_equal(eventer_remove(e), e);
    eventer_free(e);
    assert_int_equal(probe.calls, 0);
}

/* ---- again ----------------------------------------------------------------------- */

static void a_timer_that_returns_nonzero_fires_again_at_its_whence(void **state)
{
    struct probe probe;
    probe_init(&probe);
    probe.wanted = 5;
    eventer_add_in_s_us(on_time, &probe, 0, 1000);
    for (int i = 0; i < 5; i++)
        tally_wait(&probe.called);
    settle(0);
    assert_int_equal(probe.calls, 5);
}

static void a_callback_sets_when_it_fires_next(void **state)
{
    struct probe probe;
    probe_init(&probe);
    probe.wanted = 2;
    probe.next = (struct timeval){(time_t)(clock_wall_ns() / CLOCK_NS_PER_S) + FAR_S, 0};
    eventer_t e = eventer_add_in_s_us(on_time, &probe, 0, 0);
    tally_wait(&probe.called);
    settle(0);
    assert_int_equal(probe.calls, 1);
    assert_ptr_equal(eventer_remove(e), e);
    eventer_free(e);
}

static void pull_forward(void *closure)
{
    eventer_update_whence(closure, wall_in_ms(0));
}

static void a_waiting_timer_is_pulled_forward_from_any_thread(void **state)
{
    struct probe probe;
    probe_init(&probe);
    eventer_t e = eventer_add_in_s_us(on_time, &probe, FAR_S, 0);
    settle(0);
    eventer_update_whence(e, wall_in_ms(1));
    tally_wait(&probe.called);
    e = eventer_add_in_s_us(on_time, &probe, FAR_S, 0);
    settle(0);
    in_loop(0, pull_forward, e);
    tally_wait(&probe.called);
    e = eventer_add_in_s_us(on_time, &probe, FAR_S, 0);
    eventer_update_whence(e, wall_in_ms(1)); /* its mail may not even have arrived */
    tally_wait(&probe.called);
    settle(0);
    assert_int_equal(probe.calls, 3);
}

static void a_waiting_timer_is_put_off_from_any_thread(void **state)
{
    struct probe probe;
    probe_init(&probe);
    eventer_t e = eventer_add_in_s_us(on_time, &probe, 60, 0);
    settle(0);
    eventer_update_whence(e, wall_in_ms(FAR_S * 1000));
    settle(0);
    assert_true(eventer_get_whence(e).tv_sec > (time_t)(clock_wall_ns() / CLOCK_NS_PER_S) + 60);
    assert_ptr_equal(eventer_remove(e), e);
    eventer_free(e);
}

/* Nothing to assert but the count: the sanitizer sees who touches the event at the same time. */
static void updates_race_with_firing_harmlessly(void **state)
{
    struct probe probe;
    probe_init(&probe);
    probe.wanted = 300;
    eventer_t e = eventer_alloc_timer(on_time, &probe, &(struct timeval){0, 0});
    eventer_ref(e);
    eventer_add(e);
    while (atomic_load(&probe.calls) < 300) {
        for (int i = 0; i < 10; i++)
            eventer_update_whence(e, (struct timeval){1, 0});
        settle(0);
    }
    settle(0);
    assert_int_equal(probe.calls, 300);
    assert_true(eventer_free(e));
}

/* ---- removing -------------------------------------------------------------------- */

static void remove_here(void *closure)
{
    check(eventer_remove(closure) == closure);
    check(eventer_remove(closure) == NULL);
}

static void a_removed_timer_never_fires(void **state)
{
    struct probe probe;
    probe_init(&probe);
    for (int i = 0; i < 300; i++) { /* POSTED, ARMED or fired: whoever is first decides */
        int before = atomic_load(&probe.calls);
        eventer_t e = eventer_in_s_us(on_time, &probe, 0, (unsigned long)(i % 3) * 50);
        eventer_ref(e);
        eventer_add(e);
        if (i % 2)
            sched_yield();
        bool was_removed = eventer_remove(e) == e;
        settle(0);
        settle(0);
        assert_null(eventer_remove(e));
        assert_int_equal(atomic_load(&probe.calls), before + !was_removed);
        if (was_removed)
            eventer_free(e);
        assert_true(eventer_free(e));
    }
    eventer_t e = eventer_add_in_s_us(on_time, &probe, FAR_S, 0);
    settle(0);
    in_loop(0, remove_here, e);
    eventer_free(e);
}

static void a_removed_timer_can_be_added_again(void **state)
{
    struct probe probe;
    probe_init(&probe);
    eventer_t e = eventer_in_s_us(on_time, &probe, FAR_S, 0);
    for (int i = 0; i < 100; i++) {
        eventer_add(e);
        if (i % 2)
            settle(0);
        assert_ptr_equal(eventer_remove(e), e);
    }
    eventer_update_whence(e, (struct timeval){0, 0});
    eventer_add(e);
    tally_wait(&probe.called);
    settle(0);
    assert_int_equal(probe.calls, 1);
}

static void a_timer_that_is_added_twice_is_logged(void **state)
{
    struct probe probe;
    probe_init(&probe);
    eventer_t e = eventer_add_in_s_us(on_time, &probe, FAR_S, 0);
    eventer_add(e);
    assert_logged(1, "it is registered already");
    settle(0);
    eventer_add(e);
    assert_logged(1, "it is registered already");
    assert_ptr_equal(eventer_remove(e), e);
    eventer_free(e);
}

static void a_waiting_timer_is_not_moved_to_another_loop(void **state)
{
    struct probe probe;
    probe_init(&probe);
    eventer_t e = eventer_add_in_s_us(on_time, &probe, FAR_S, 0);
    settle(0);
    eventer_set_owner(e, loop_at(1)->thread);
    assert_logged(1, "it is registered");
    assert_true(eventer_get_owner(e) == loop_at(0)->thread);
    assert_ptr_equal(eventer_remove(e), e);
    settle(0);
    eventer_set_owner(e, loop_at(1)->thread);
    eventer_update_whence(e, (struct timeval){0, 0});
    eventer_add(e);
    tally_wait(&probe.called);
    assert_int_equal(probe.loop_index, 1);
}

static int move_and_fire_again(eventer_t e, int mask, void *closure, struct timeval *now)
{
    eventer_set_callback(e, on_time);
    eventer_set_owner(e, loop_at(1)->thread);
    return EVENTER_TIMER;
}

static void a_timer_moves_where_its_callback_sends_it(void **state)
{
    struct probe probe;
    probe_init(&probe);
    eventer_add_in_s_us(move_and_fire_again, &probe, 0, 0);
    tally_wait(&probe.called);
    assert_int_equal(probe.loop_index, 1);
}

/* ---- without memory -------------------------------------------------------------- */

static void without_memory_a_timer_is_not_added_and_stays_the_callers(void **state)
{
    struct probe probe;
    probe_init(&probe);
    eventer_t e = eventer_in_s_us(on_time, &probe, 0, 0);
    alloc_fail_nth(1, 0);
    eventer_add(e);
    alloc_fail_nth(0, 0);
    assert_logged(1, "not added");
    settle(0);
    assert_int_equal(probe.calls, 0);
    assert_true(eventer_free(e));
    alloc_fail_nth(1, 0);
    assert_null(eventer_add_in_s_us(on_time, &probe, 0, 0));
    alloc_fail_nth(1, 0);
    assert_null(eventer_add_at(on_time, &probe, (struct timeval){0, 0}));
    alloc_fail_nth(1, 0);
    assert_null(eventer_alloc_timer_next_opportunity(on_time, &probe, loop_at(0)->thread));
    alloc_fail_nth(0, 0);
    settle(0);
}

static void without_memory_a_timer_is_not_removed_and_still_fires(void **state)
{
    struct probe probe;
    probe_init(&probe);
    eventer_t e = eventer_add_in_s_us(on_time, &probe, FAR_S, 0);
    settle(0);
    alloc_fail_nth(1, 0);
    eventer_t removed = eventer_remove(e);
    alloc_fail_nth(0, 0);
    assert_logged(1, "Cannot allocate memory");
    assert_null(removed); /* else it could be freed, and is still on the loop's wheel */
    eventer_update_whence(e, (struct timeval){0, 0});
    tally_wait(&probe.called);
}

/* ---- recurrent events ------------------------------------------------------------ */

static _Atomic int recurrent_calls;
static eventer_t recurrent, other;

static int on_turn(eventer_t e, int mask, void *closure, struct timeval *now)
{
    check_int(mask, EVENTER_RECURRENT);
    atomic_fetch_add(&recurrent_calls, 1);
    return 0; /* means nothing */
}

static void a_recurrent_event_runs_every_turn_until_it_is_removed(void **state)
{
    recurrent_calls = 0;
    eventer_t e = eventer_alloc_recurrent(on_turn, NULL);
    eventer_add_recurrent(e);
    for (int i = 0; i < 10; i++) {
        int before = atomic_load(&recurrent_calls);
        settle(0);
        assert_true(atomic_load(&recurrent_calls) > before);
    }
    assert_ptr_equal(eventer_remove_recurrent(e), e);
    int after = atomic_load(&recurrent_calls); /* it may be under way */
    settle(0);
    int last = atomic_load(&recurrent_calls);
    assert_in_range(last, after, after + 1);
    settle(0);
    assert_int_equal(recurrent_calls, last);
    assert_null(eventer_remove(e));
    eventer_free(e);
}

static int add_other_and_leave(eventer_t e, int mask, void *closure, struct timeval *now)
{
    other = eventer_alloc_recurrent(on_turn, NULL);
    eventer_add(other);
    check(eventer_remove(e) == e);
    eventer_free(e);
    return 1;
}

static void remove_other(void *closure)
{
    check(eventer_remove(other) == other);
    eventer_free(other);
}

static void recurrent_callbacks_add_and_remove_recurrent_events(void **state)
{
    recurrent_calls = 0;
    recurrent = eventer_alloc_recurrent(add_other_and_leave, NULL);
    eventer_add(recurrent);
    wait_until(&recurrent_calls, 3);
    in_loop(0, remove_other, NULL);
}

static int remove_both(eventer_t e, int mask, void *closure, struct timeval *now)
{
    atomic_fetch_add(&recurrent_calls, 1);
    eventer_t next = e == recurrent ? other : recurrent;
    check(eventer_remove(next) == next);
    eventer_free(next);
    check(eventer_remove(e) == e);
    eventer_free(e);
    return 0;
}

static void add_both(void *closure)
{
    recurrent = eventer_alloc_recurrent(remove_both, NULL);
    other = eventer_alloc_recurrent(remove_both, NULL);
    eventer_add(recurrent);
    eventer_add(other);
}

static void a_recurrent_event_that_was_removed_in_this_turn_does_not_run(void **state)
{
    recurrent_calls = 0;
    in_loop(0, add_both, NULL);
    settle(0);
    assert_int_equal(recurrent_calls, 1);
}

static const struct CMUnitTest tests[] = {
    clean_test(timers_fire_once_and_not_early),
    clean_test(a_time_that_has_passed_fires_at_once),
    clean_test(a_timer_from_another_thread_wakes_a_loop_that_sleeps),
    clean_test(a_far_timer_can_be_set_and_removed),
    clean_test(a_timer_that_returns_nonzero_fires_again_at_its_whence),
    clean_test(a_callback_sets_when_it_fires_next),
    clean_test(a_waiting_timer_is_pulled_forward_from_any_thread),
    clean_test(a_waiting_timer_is_put_off_from_any_thread),
    clean_test(updates_race_with_firing_harmlessly),
    clean_test(a_removed_timer_never_fires),
    clean_test(a_removed_timer_can_be_added_again),
    clean_test(a_timer_that_is_added_twice_is_logged),
    clean_test(a_waiting_timer_is_not_moved_to_another_loop),
    clean_test(a_timer_moves_where_its_callback_sends_it),
    clean_test(without_memory_a_timer_is_not_added_and_stays_the_callers),
    clean_test(without_memory_a_timer_is_not_removed_and_still_fires),
    clean_test(a_recurrent_event_runs_every_turn_until_it_is_removed),
    clean_test(recurrent_callbacks_add_and_remove_recurrent_events),
    clean_test(a_recurrent_event_that_was_removed_in_this_turn_does_not_run),
};

static void watch_wall(void *closure)
{
    wall_watch(loop_self);
}

int main(void)
{
    logged_begin();
    start_loops(2);
    for (uint32_t i = 0; i < 2; i++)
        in_loop(i, watch_wall, NULL);
    harness_keep_fds(); /* those of that */
    return harness_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]));
}
