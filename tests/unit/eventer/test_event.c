/* SPDX-License-Identifier: MIT */
/*
 * Goal: an event is made, copied, counted and freed, and its mask says of what kind it is.
 * Method: by hand, without a loop; every allocation fails once.
 */
#include "harness.h"
#include "logged.h"

#include "base/alloc.h"
#include "eventer/event.h"

#include <errno.h>

static int never(eventer_t e, int mask, void *closure, struct timeval *now)
{
    return 0;
}

static int other(eventer_t e, int mask, void *closure, struct timeval *now)
{
    return 0;
}

static void an_event_has_what_it_was_made_with(void **state)
{
    int closure;
    struct timeval whence = {12, 34};
    eventer_t e = eventer_alloc_fd(never, &closure, 5, EVENTER_READ | EVENTER_EXCEPTION);
    assert_int_equal(eventer_get_fd(e), 5);
    assert_int_equal(eventer_get_mask(e), EVENTER_READ | EVENTER_EXCEPTION);
    assert_ptr_equal(eventer_get_callback(e), never);
    assert_ptr_equal(eventer_get_closure(e), &closure);
    assert_int_equal(e->kind, EVENT_FD);
    assert_true(eventer_free(e));

    e = eventer_alloc_timer(never, &closure, &whence);
    assert_int_equal(eventer_get_mask(e), EVENTER_TIMER);
    assert_int_equal(eventer_get_whence(e).tv_sec, 12);
    assert_int_equal(eventer_get_whence(e).tv_usec, 34);
    assert_int_equal(eventer_get_fd(e), -1);
    assert_int_equal(e->kind, EVENT_TIMER);
    eventer_free(e);

    e = eventer_alloc_recurrent(never, &closure);
    assert_int_equal(eventer_get_mask(e), EVENTER_RECURRENT);
    assert_int_equal(e->kind, EVENT_RECURRENT);
    eventer_free(e);

    e = eventer_alloc_asynch(never, &closure);
    assert_int_equal(eventer_get_mask(e), EVENTER_ASYNCH);
    assert_int_equal(e->kind, EVENT_ASYNCH);
    eventer_free(e);

    e = eventer_alloc();
    assert_null(eventer_get_callback(e));
    eventer_set_callback(e, other);
    eventer_set_closure(e, &closure);
    assert_ptr_equal(eventer_get_callback(e), other);
    assert_ptr_equal(eventer_get_closure(e), &closure);
    eventer_free(e);
}

static void a_bad_fd_or_mask_or_no_callback_is_refused(void **state)
{
    errno = 0;
    assert_null(eventer_alloc_fd(never, NULL, -1, EVENTER_READ));
    assert_int_equal(errno, EINVAL);
    assert_null(eventer_alloc_fd(NULL, NULL, 0, EVENTER_READ));
    assert_null(eventer_alloc_fd(never, NULL, 0, EVENTER_TIMER));
    assert_null(eventer_alloc_fd(never, NULL, 0, EVENTER_READ | EVENTER_RECURRENT));
}

static void the_last_reference_frees(void **state)
{
    int64_t alive = eventer_allocations_current(), made = eventer_allocations_total();
    eventer_t e = eventer_alloc_recurrent(never, NULL);
    assert_int_equal(eventer_allocations_current(), alive + 1);
    eventer_ref(e);
    eventer_ref(e);
    assert_false(eventer_free(e));
    assert_false(eventer_deref(e));
    assert_int_equal(eventer_allocations_current(), alive + 1);
    assert_true(eventer_free(e));
    assert_int_equal(eventer_allocations_current(), alive);
    assert_int_equal(eventer_allocations_total(), made + 1);
    assert_false(eventer_free(NULL));
}

static int taken, dropped;

static void take(struct event_guest *guest)
{
    taken++;
}

static void drop(struct event_guest *guest)
{
    dropped++;
}

static struct event_guest guest = {.take = take, .drop = drop};

static void what_came_with_an_event_outlives_its_closure(void **state)
{
    int closure, another;
    eventer_t e = eventer_alloc_fd(never, &closure, 5, EVENTER_WRITE);
    e->guest = &guest;
    taken = dropped = 0;
    eventer_set_closure(e, &closure);
    assert_int_equal(dropped, 0);
    eventer_set_closure(e, &another);
    assert_int_equal(dropped, 0);
    assert_ptr_equal(eventer_get_closure(e), &another);
    assert_true(eventer_free(e));
    assert_int_equal(dropped, 1);
}

static void a_copy_is_like_its_source_and_separate(void **state)
{
    int closure;
    eventer_t e = eventer_alloc_fd(never, &closure, 5, EVENTER_WRITE);
    e->guest = &guest;
    e->edge.is_stream = true;
    e->edge.may_read = false;
    taken = dropped = 0;
    eventer_t copy = eventer_alloc_copy(e);
    assert_int_equal(taken, 1);
    assert_int_equal(eventer_get_fd(copy), 5);
    assert_int_equal(eventer_get_mask(copy), EVENTER_WRITE);
    assert_ptr_equal(eventer_get_callback(copy), never);
    assert_ptr_equal(eventer_get_closure(copy), &closure);
    assert_true(copy->edge.is_stream);
    assert_true(copy->edge.may_read); /* what is known of readiness belongs to a registration */
    assert_true(eventer_free(e));
    assert_true(eventer_free(copy));
    assert_int_equal(dropped, 2);

    eventer_t timer = eventer_in_s_us(never, &closure, 3, 7);
    copy = eventer_alloc_copy(timer);
    assert_int_equal(copy->timer.due_ns, timer->timer.due_ns);
    assert_true(copy->is_monotonic);
    eventer_free(timer);
    eventer_free(copy);

    eventer_t job = eventer_alloc_asynch(never, &closure);
    copy = eventer_alloc_copy(job);
    assert_ptr_not_equal(copy->job, job->job);
    eventer_free(job);
    eventer_free(copy);
}

static void a_mask_makes_an_event_of_another_kind(void **state)
{
    static const struct {
        int mask;
        enum event_kind kind;
    } kinds[] = {
        {EVENTER_READ, EVENT_FD},
        {EVENTER_ASYNCH, EVENT_ASYNCH},
        {EVENTER_TIMER, EVENT_TIMER},
        {EVENTER_RECURRENT, EVENT_RECURRENT},
        {EVENTER_ASYNCH, EVENT_ASYNCH},
        {EVENTER_WRITE, EVENT_FD},
        {EVENTER_RECURRENT, EVENT_RECURRENT},
    };
    eventer_t e = eventer_alloc();
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        eventer_set_mask(e, kinds[i].mask);
        assert_int_equal(eventer_get_mask(e), kinds[i].mask);
        assert_int_equal(e->kind, kinds[i].kind);
    }
    eventer_free(e);
}

static void without_memory_an_event_keeps_its_kind(void **state)
{
    eventer_t e = eventer_alloc_fd(never, NULL, 5, EVENTER_READ);
    logged_clear();
    alloc_fail_nth(1, 0);
    eventer_set_mask(e, EVENTER_ASYNCH);
    alloc_fail_nth(0, 0);
    assert_int_equal(e->kind, EVENT_FD);
    assert_int_equal(eventer_get_mask(e), EVENTER_READ);
    assert_logged(1, "it keeps its kind");
    eventer_free(e);
}

static void make_and_free(void *closure)
{
    int64_t alive = eventer_allocations_current();
    eventer_t events[] = {
        eventer_alloc(),
        eventer_alloc_fd(never, NULL, 1, EVENTER_READ),
        eventer_alloc_timer(never, NULL, NULL),
        eventer_alloc_recurrent(never, NULL),
        eventer_alloc_asynch(never, NULL),
        eventer_in_s_us(never, NULL, 1, 0),
        eventer_at(never, NULL, (struct timeval){1, 0}),
    };
    for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
        eventer_t copy = events[i] == NULL ? NULL : eventer_alloc_copy(events[i]);
        eventer_free(copy);
        eventer_free(events[i]);
    }
    assert_int_equal(eventer_allocations_current(), alive);
}

static void an_event_that_cannot_be_made_leaves_nothing(void **state)
{
    harness_fail_each_allocation(make_and_free, NULL);
}

static void before_eventer_init_nothing_can_be_registered(void **state)
{
    eventer_t events[] = {eventer_alloc_fd(never, NULL, 1, EVENTER_READ),
                          eventer_alloc_timer(never, NULL, NULL),
                          eventer_alloc_asynch(never, NULL)};
    logged_clear();
    for (size_t i = 0; i < 3; i++) {
        errno = 0;
        eventer_add(events[i]);
        assert_int_equal(errno, EINVAL);
        assert_logged(1, "eventer_init() was not called");
        assert_int_equal((int)eventer_get_owner(events[i]), 0);
    }
    eventer_add_asynch(NULL, events[2]);
    assert_logged(1, "eventer_init() was not called");
    eventer_trigger(events[0], EVENTER_READ);
    assert_logged(1, "eventer_init() was not called");
    eventer_set_owner(events[0], pthread_self());
    assert_logged(1, "that thread is no loop");
    eventer_wakeup(NULL);
    for (size_t i = 0; i < 3; i++)
        eventer_free(events[i]);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(an_event_has_what_it_was_made_with),
    cmocka_unit_test(a_bad_fd_or_mask_or_no_callback_is_refused),
    cmocka_unit_test(the_last_reference_frees),
    cmocka_unit_test(what_came_with_an_event_outlives_its_closure),
    cmocka_unit_test(a_copy_is_like_its_source_and_separate),
    cmocka_unit_test(a_mask_makes_an_event_of_another_kind),
    cmocka_unit_test(without_memory_an_event_keeps_its_kind),
    cmocka_unit_test(an_event_that_cannot_be_made_leaves_nothing),
    cmocka_unit_test(before_eventer_init_nothing_can_be_registered),
};

int main(void)
{
    logged_begin();
    return harness_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]));
}
