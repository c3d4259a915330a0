/* SPDX-License-Identifier: MIT */
/*
 * Goal: an asynchronous event sees WORK and CLEANUP on a thread of its queue and COMPLETE in its
 * loop, each exactly once and in that order; queues are found by their names and keep to their
 * limits.
 * Method: callbacks that note where and how often they ran; two running loops.
 */
#include "clean.h"

#include "base/alloc.h"
#include "eventer/event.h"

#include <string.h>

struct probe {
    _Atomic int works, cleanups, completes;
    _Atomic int again; /* how often COMPLETE wants another life */
    int loop_index;    /* where it completed */
    char queue[16];    /* the thread that worked */
};

static int on_step(eventer_t e, int mask, void *closure, struct timeval *now)
{
    struct probe *probe = closure;
    check(now->tv_sec > 0);
    switch (mask) {
    case EVENTER_ASYNCH_WORK:
        check(!eventer_in_loop());
        check_int(probe->works, probe->completes);
        pthread_getname_np(pthread_self(), probe->queue, sizeof(probe->queue));
        atomic_fetch_add(&probe->works, 1);
        return 1; /* means nothing */
    case EVENTER_ASYNCH_CLEANUP:
        check(!eventer_in_loop());
        check_int(probe->works, probe->cleanups + 1);
        atomic_fetch_add(&probe->cleanups, 1);
        return 1;
    default:
        check_int(mask, EVENTER_ASYNCH_COMPLETE);
        check(eventer_thread_check(e));
        check_int(probe->cleanups, probe->completes + 1);
        probe->loop_index = loop_self->index;
        int again = atomic_fetch_sub(&probe->again, 1);
        atomic_fetch_add(&probe->completes, 1);
        return again > 0 ? EVENTER_ASYNCH : 0;
    }
}

static void each_step_happens_once_in_order_and_in_its_place(void **state)
{
    struct probe probe = {.works = 0};
    eventer_add(eventer_alloc_asynch(on_step, &probe));
    wait_until(&probe.completes, 1);
    settle(0);
    assert_int_equal(probe.works, 1);
    assert_int_equal(probe.cleanups, 1);
    assert_int_equal(probe.completes, 1);
    assert_int_equal(probe.loop_index, 0);
    assert_string_equal(probe.queue, "q:default_queue");
}

static void the_loop_that_owns_the_event_completes_it(void **state)
{
    struct probe probe = {.works = 0};
    eventer_t e = eventer_alloc_asynch(on_step, &probe);
    eventer_set_owner(e, loop_at(1)->thread);
    eventer_add(e);
    wait_until(&probe.completes, 1);
    assert_int_equal(probe.loop_index, 1);
}

static void a_complete_that_returns_its_kind_runs_all_again(void **state)
{
    struct probe probe = {.again = 3};
    eventer_add(eventer_alloc_asynch(on_step, &probe));
    wait_until(&probe.completes, 4);
    settle(0);
    assert_int_equal(probe.works, 4);
    assert_int_equal(probe.cleanups, 4);
    assert_int_equal(probe.completes, 4);
}

static int become_a_timer(eventer_t e, int mask, void *closure, struct timeval *now)
{
    struct probe *probe = closure;
    if (mask == EVENTER_ASYNCH_COMPLETE)
        return EVENTER_TIMER;
    if (mask == EVENTER_TIMER)
        atomic_fetch_add(&probe->completes, 1);
    return 0;
}

static void a_complete_that_returns_another_kind_begins_a_life_as_that(void **state)
{
    struct probe probe = {.works = 0};
    eventer_add(eventer_alloc_asynch(become_a_timer, &probe));
    wait_until(&probe.completes, 1);
}

/* ---- many ------------------------------------------------------------------------ */

#define STORM_COUNT 2000

static void every_one_of_many_completes_once(void **state)
{
    static struct probe probes[STORM_COUNT];
    memset(probes, 0, sizeof(probes));
    for (size_t i = 0; i < STORM_COUNT; i++) {
        eventer_t e = eventer_alloc_asynch(on_step, &probes[i]);
        eventer_set_owner(e, loop_at(i % 2)->thread);
        eventer_add(e);
    }
    for (size_t i = 0; i < STORM_COUNT; i++)
        wait_until(&probes[i].completes, 1);
    settle_all();
    for (size_t i = 0; i < STORM_COUNT; i++) {
        assert_int_equal(probes[i].works, 1);
        assert_int_equal(probes[i].cleanups, 1);
        assert_int_equal(probes[i].completes, 1);
        assert_int_equal(probes[i].loop_index, i % 2);
    }
}

/* ---- queues ---------------------------------------------------------------------- */

static void a_queue_is_made_once_and_found_by_its_name(void **state)
{
    char name[JOBQ_NAME_LEN_MAX + 2];
    assert_null(eventer_jobq_retrieve("mine"));
    eventer_jobq_t *q = eventer_jobq_create("mine");
    assert_non_null(q);
    assert_ptr_equal(eventer_jobq_create("mine"), q);
    assert_ptr_equal(eventer_jobq_retrieve("mine"), q);
    assert_string_equal(eventer_jobq_get_queue_name(q), "mine");
    assert_int_equal(eventer_jobq_get_concurrency(q), 1);
    assert_int_equal(eventer_jobq_get_backlog(q), 0);
    assert_ptr_equal(eventer_jobq_retrieve("default_queue"), eventer_default_jobq());
    assert_int_equal(eventer_jobq_get_concurrency(eventer_default_jobq()), 3);
    assert_int_equal(eventer_jobq_get_concurrency(eventer_jobq_retrieve("configured")), 7);

    assert_null(eventer_jobq_create(NULL));
    assert_logged(1, "eventer_jobq_create: (null)");
    memset(name, 'n', sizeof(name));
    name[JOBQ_NAME_LEN_MAX + 1] = '\0';
    assert_null(eventer_jobq_create(name));
    assert_int_equal(errno, EINVAL);
    assert_logged(1, "Invalid argument");
    name[JOBQ_NAME_LEN_MAX] = '\0';
    assert_non_null(eventer_jobq_create(name));
    name[JOBQ_NAME_LEN_MAX - 1] = '\0';
    assert_non_null(eventer_jobq_create(name));
}

static void a_job_runs_on_the_queue_it_was_added_to(void **state)
{
    struct probe probe = {.works = 0};
    eventer_add_asynch(eventer_jobq_create("mine"), eventer_alloc_asynch(on_step, &probe));
    wait_until(&probe.completes, 1);
    assert_string_equal(probe.queue, "q:mine");
    eventer_add_asynch(NULL, eventer_alloc_asynch(on_step, &probe));
    wait_until(&probe.completes, 2);
    assert_string_equal(probe.queue, "q:default_queue");
}

static _Atomic int inside, most_inside, may_leave;

static int wait_inside(eventer_t e, int mask, void *closure, struct timeval *now)
{
    if (mask == EVENTER_ASYNCH_WORK) {
        int now_inside = atomic_fetch_add(&inside, 1) + 1, most = atomic_load(&most_inside);
        while (now_inside > most && !atomic_compare_exchange_weak(&most_inside, &most, now_inside))
            ;
        wait_until(&may_leave, 1);
        atomic_fetch_sub(&inside, 1);
    }
    if (mask == EVENTER_ASYNCH_COMPLETE)
        atomic_fetch_add((_Atomic int *)closure, 1);
    return 0;
}

static void concurrency_is_reached_and_not_exceeded(void **state)
{
    _Atomic int completes = 0;
    eventer_jobq_t *q = eventer_jobq_create("three");
    eventer_jobq_set_concurrency(q, 3);
    assert_int_equal(eventer_jobq_get_concurrency(q), 3);
    inside = most_inside = may_leave = 0;
    for (int i = 0; i < 10; i++)
        eventer_add_asynch(q, eventer_alloc_asynch(wait_inside, &completes));
    wait_until(&inside, 3);
    assert_int_equal(eventer_jobq_get_backlog(q), 7);
    atomic_store(&may_leave, 1);
    wait_until(&completes, 10);
    settle(0);
    assert_int_equal(most_inside, 3);
}

static void a_concurrency_out_of_range_changes_nothing_and_is_logged(void **state)
{
    eventer_jobq_t *q = eventer_jobq_create("limits");
    const uint32_t wrong[] = {0, JOBQ_THREADS_MAX + 1, UINT32_MAX};
    for (size_t i = 0; i < 3; i++) {
        eventer_jobq_set_concurrency(q, wrong[i]);
        assert_logged(1, "is not between 1 and 4096");
        assert_int_equal(eventer_jobq_get_concurrency(q), 1);
    }
    eventer_jobq_set_concurrency(q, JOBQ_THREADS_MAX);
    eventer_jobq_set_concurrency(q, JOBQ_THREADS_MAX - 1);
    assert_int_equal(eventer_jobq_get_concurrency(q), JOBQ_THREADS_MAX - 1);
    eventer_jobq_set_concurrency(NULL, 1);
    assert_logged(1, "(null)");
}

/* ---- what is refused ------------------------------------------------------------- */

static void what_is_no_job_is_refused(void **state)
{
    eventer_t timer = eventer_in_s_us(on_step, NULL, 1, 0);
    eventer_add_asynch(NULL, timer);
    assert_int_equal(errno, EINVAL);
    assert_logged(1, "it is no asynchronous event");
    eventer_free(timer);
    eventer_t e = eventer_alloc_asynch(NULL, NULL);
    eventer_add_asynch(NULL, e);
    assert_logged(1, "it has no callback");
    eventer_add(e);
    assert_logged(1, "it has no callback");
    eventer_free(e);
}

static void a_job_on_a_queue_is_neither_added_again_nor_removed(void **state)
{
    _Atomic int completes = 0;
    inside = may_leave = 0;
    eventer_t e = eventer_alloc_asynch(wait_inside, &completes);
    eventer_add(e);
    wait_until(&inside, 1);
    eventer_add(e);
    assert_logged(1, "it is on a queue already");
    assert_null(eventer_remove(e));
    assert_logged(1, "a job cannot be removed");
    atomic_store(&may_leave, 1);
    wait_until(&completes, 1);
}

static void make_a_queue(void *closure)
{
    unsigned *number = closure;
    char name[32];
    snprintf(name, sizeof(name), "fail%u", (*number)++);
    (void)eventer_jobq_create(name);
    assert_true(logged("\n") <= 1);
    logged_clear();
}

static void a_queue_that_cannot_be_made_leaves_nothing(void **state)
{
    unsigned number = 0;
    harness_fail_each_allocation(make_a_queue, &number);
    assert_null(eventer_jobq_retrieve("fail0"));
}

static const struct CMUnitTest tests[] = {
    clean_test(each_step_happens_once_in_order_and_in_its_place),
    clean_test(the_loop_that_owns_the_event_completes_it),
    clean_test(a_complete_that_returns_its_kind_runs_all_again),
    clean_test(a_complete_that_returns_another_kind_begins_a_life_as_that),
    clean_test(every_one_of_many_completes_once),
    clean_test(a_queue_is_made_once_and_found_by_its_name),
    clean_test(a_job_runs_on_the_queue_it_was_added_to),
    clean_test(concurrency_is_reached_and_not_exceeded),
    clean_test(a_concurrency_out_of_range_changes_nothing_and_is_logged),
    clean_test(what_is_no_job_is_refused),
    clean_test(a_job_on_a_queue_is_neither_added_again_nor_removed),
    clean_test(a_queue_that_cannot_be_made_leaves_nothing),
};

int main(void)
{
    logged_begin();
    eventer_propset("default_queue_threads", "3");
    eventer_propset("jobq_configured", "7");
    start_loops(2);
    return harness_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]));
}
