/* SPDX-License-Identifier: MIT */
/*
 * Goal: an asynchronous event sees WORK and CLEANUP on a thread of its queue and COMPLETE in its
 * loop, each exactly once and in that order; queues are found by their names and keep to their
 * limits.
 * Method: callbacks that note where and how often they ran; two running loops.
 */
#include "clean.h"

#include "base/alloc.h"
#include "eventer/asynch.h"
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

/* ---- deadlines and cancellation -------------------------------------------------- */

static struct timeval from_now(long ms)
{
    return clock_timeval(clock_wall_ns() + (uint64_t)(ms * (int64_t)CLOCK_NS_PER_MS));
}

/* A queue whose only thread is at work until release_queue(). */
struct held_queue {
    eventer_jobq_t *q;
    _Atomic int completes;
};

static void hold_queue(struct held_queue *held, const char *name)
{
    held->q = eventer_jobq_create(name);
    held->completes = 0;
    inside = may_leave = 0;
    eventer_add_asynch(held->q, eventer_alloc_asynch(wait_inside, &held->completes));
    wait_until(&inside, 1);
}

static void release_queue(struct held_queue *held)
{
    atomic_store(&may_leave, 1);
    wait_until(&held->completes, 1);
}

static int on_late_step(eventer_t e, int mask, void *closure, struct timeval *now)
{
    struct probe *probe = closure;
    if (mask == EVENTER_ASYNCH_WORK)
        atomic_fetch_add(&probe->works, 1);
    if (mask == EVENTER_ASYNCH_CLEANUP)
        atomic_fetch_add(&probe->cleanups, 1);
    if (mask == EVENTER_ASYNCH_COMPLETE)
        atomic_fetch_add(&probe->completes, 1);
    return 0;
}

static void add_late(eventer_jobq_t *q, struct probe *probe, struct timeval deadline, int mask)
{
    eventer_t e = eventer_alloc_asynch_timeout(on_late_step, probe, &deadline);
    assert_int_equal(eventer_get_whence(e).tv_sec, deadline.tv_sec);
    eventer_set_mask(e, EVENTER_ASYNCH | mask);
    eventer_add_asynch(q, e);
}

static void assert_steps(struct probe *probe, int works)
{
    wait_until(&probe->completes, 1);
    settle_all();
    assert_int_equal(probe->works, works);
    assert_int_equal(probe->cleanups, 1);
    assert_int_equal(probe->completes, 1);
}

static void after_the_deadline_there_is_no_work(void **state)
{
    struct timeval past[] = {from_now(-10000), from_now(-10000), {0, 0}, {0, 1}, {-5, 0}};
    past[0].tv_usec = 0;
    past[1].tv_usec = 1;
    const int masks[] = {0, EVENTER_CANCEL, EVENTER_EVIL_BRUTAL, EVENTER_CANCEL_DEFERRED};
    for (size_t i = 0; i < sizeof(past) / sizeof(past[0]); i++)
        for (size_t m = 0; m < sizeof(masks) / sizeof(masks[0]); m++) {
            struct probe probe = {.works = 0};
            add_late(NULL, &probe, past[i], masks[m]);
            assert_steps(&probe, 0);
        }
}

static void before_the_deadline_there_is(void **state)
{
    const struct timeval never = {INT64_MAX, 0};
    struct probe probe = {.works = 0}, second = {.works = 0}, third = {.works = 0};
    add_late(NULL, &probe, from_now(3600 * 1000), EVENTER_CANCEL);
    add_late(NULL, &second, never, EVENTER_CANCEL);
    eventer_add(eventer_alloc_asynch_timeout(on_late_step, &third, NULL));
    assert_steps(&probe, 1);
    assert_steps(&second, 1);
    assert_steps(&third, 1);
}

static void a_deadline_counts_when_the_turn_comes(void **state)
{
    struct held_queue held;
    struct probe late = {.works = 0}, later = {.works = 0};
    struct timeval deadline = from_now(3600 * 1000);
    hold_queue(&held, "deadlines");
    eventer_t e = eventer_alloc_asynch_timeout(on_late_step, &late, &deadline);
    eventer_t copy = eventer_alloc_copy(e);
    eventer_set_closure(copy, &later);
    eventer_add_asynch(held.q, e);
    eventer_add_asynch(held.q, copy);
    eventer_update_whence(e, from_now(-1)); /* it waits; nobody ends that before its turn */
    assert_int_equal(late.cleanups, 0);
    release_queue(&held);
    assert_steps(&late, 0);
    assert_steps(&later, 1);
}

static void what_may_be_cancelled_does_not_wait_for_a_thread(void **state)
{
    struct held_queue held;
    struct probe probes[3] = {{.works = 0}};
    hold_queue(&held, "cancelled");
    for (int i = 0; i < 3; i++)
        add_late(held.q, &probes[i], from_now(i), EVENTER_CANCEL);
    for (int i = 0; i < 3; i++)
        assert_steps(&probes[i], 0); /* although the thread is at work */
    assert_int_equal(held.completes, 0);
    assert_int_equal(eventer_jobq_get_backlog(held.q), 0);
    release_queue(&held);
}

static void a_deadline_that_cancels_stays(void **state)
{
    struct timeval deadline = from_now(3600 * 1000);
    eventer_t e = eventer_alloc_asynch_timeout(on_late_step, NULL, &deadline);
    eventer_set_mask(e, EVENTER_ASYNCH | EVENTER_CANCEL);
    eventer_update_whence(e, from_now(0));
    assert_logged(1, "no job that its deadline leaves alone");
    assert_int_equal(eventer_get_whence(e).tv_sec, deadline.tv_sec);
    eventer_free(e);
}

static _Atomic int told, untold, asked;

/* Work until told, or, of one that is never told, until the deadline has passed. */
static int work_past_deadline(eventer_t e, int mask, void *closure, struct timeval *now)
{
    struct timeval deadline = eventer_get_whence(e);
    bool is_told = eventer_get_mask(e) != EVENTER_ASYNCH;
    if (mask == EVENTER_ASYNCH_WORK) {
        while (is_told ? !eventer_job_cancelled() : clock_wall_ns() < clock_duration_ns(&deadline))
            sched_yield();
        atomic_fetch_add(eventer_job_cancelled() ? &told : &untold, 1);
    }
    if (mask == EVENTER_ASYNCH_COMPLETE) {
        check(!eventer_job_cancelled()); /* no job runs here */
        atomic_fetch_add(&asked, 1);
    }
    return 0;
}

static void run_past_deadline(int mask)
{
    struct timeval deadline = from_now(20);
    int before = asked;
    eventer_t e = eventer_alloc_asynch_timeout(work_past_deadline, NULL, &deadline);
    eventer_set_mask(e, EVENTER_ASYNCH | mask);
    eventer_add(e);
    wait_until(&asked, before + 1);
}

static void work_may_ask_whether_it_is_cancelled(void **state)
{
    told = untold = 0;
    assert_false(eventer_job_cancelled());
    while (told == 0) /* on a busy machine it may begin too late */
        run_past_deadline(EVENTER_CANCEL_ASYNCH);
    assert_int_equal(untold, 0);
    while (untold == 0) /* a deadline without a mask only keeps it from beginning */
        run_past_deadline(0);
    assert_int_equal(told, 1);
}

/* ---- children -------------------------------------------------------------------- */

#define GRANDCHILD_COUNT 3

static struct {
    _Atomic int parents, children, grandchildren;
    eventer_jobq_t *q;
} family;

static int on_grandchild(eventer_t e, int mask, void *closure, struct timeval *now)
{
    if (mask == EVENTER_ASYNCH_COMPLETE)
        atomic_fetch_add(&family.grandchildren, 1);
    return 0;
}

static int on_child(eventer_t e, int mask, void *closure, struct timeval *now)
{
    for (int i = 0; i < GRANDCHILD_COUNT && mask == EVENTER_ASYNCH_WORK; i++) {
        eventer_t grandchild = eventer_alloc_asynch(on_grandchild, NULL);
        eventer_set_owner(grandchild, loop_at((uint32_t)i % 2)->thread);
        eventer_add_asynch_dep(NULL, grandchild);
    }
    if (mask != EVENTER_ASYNCH_COMPLETE)
        return 0;
    check(family.grandchildren >= GRANDCHILD_COUNT);
    check_int(family.parents, 0);
    atomic_fetch_add(&family.children, 1);
    return 0;
}

static int on_parent(eventer_t e, int mask, void *closure, struct timeval *now)
{
    if (mask == EVENTER_ASYNCH_WORK) {
        eventer_add_asynch_dep(family.q, eventer_alloc_asynch(on_child, NULL));
        eventer_add_asynch_dep_subqueue(NULL, eventer_alloc_asynch(on_child, NULL), 9);
        check(eventer_try_add_asynch_dep(NULL, eventer_alloc_asynch(on_child, NULL)));
        check(
            eventer_try_add_asynch_dep_subqueue(family.q, eventer_alloc_asynch(on_child, NULL), 3));
    }
    if (mask != EVENTER_ASYNCH_COMPLETE)
        return 0;
    check_int(family.children, 4);
    check_int(family.grandchildren, 4 * GRANDCHILD_COUNT);
    atomic_fetch_add(&family.parents, 1);
    return 0;
}

static void a_parent_completes_after_its_children_and_theirs(void **state)
{
    family.q = eventer_jobq_create("family");
    for (int round = 0; round < 50; round++) {
        family.parents = family.children = family.grandchildren = 0;
        eventer_add(eventer_alloc_asynch(on_parent, NULL));
        wait_until(&family.parents, 1);
        settle_all();
    }
}

static int on_refused_parent(eventer_t e, int mask, void *closure, struct timeval *now)
{
    struct held_queue *held = closure;
    if (mask == EVENTER_ASYNCH_WORK) {
        eventer_t child = eventer_alloc_asynch(on_grandchild, NULL);
        check(!eventer_try_add_asynch_dep(held->q, child));
        check_int(errno, EAGAIN);
        eventer_free(child);
    }
    if (mask == EVENTER_ASYNCH_COMPLETE)
        atomic_fetch_add(&family.parents, 1);
    return 0;
}

static void a_child_that_is_refused_is_not_waited_for(void **state)
{
    struct held_queue held;
    struct probe probe = {.works = 0};
    hold_queue(&held, "full");
    eventer_jobq_set_max_backlog(held.q, 1);
    assert_true(eventer_try_add_asynch(held.q, eventer_alloc_asynch(on_late_step, &probe)));
    family.parents = 0;
    eventer_add(eventer_alloc_asynch(on_refused_parent, &held));
    wait_until(&family.parents, 1);
    eventer_t e = eventer_alloc_asynch(on_late_step, &probe);
    assert_false(eventer_try_add_asynch_subqueue(held.q, e, 4));
    assert_int_equal(errno, EAGAIN);
    assert_nothing_logged();
    eventer_add_asynch_subqueue(held.q, e, 4); /* this one does not ask */
    release_queue(&held);
    wait_until(&probe.completes, 2);
}

static void only_a_job_has_children(void **state)
{
    eventer_t e = eventer_alloc_asynch(on_late_step, NULL);
    eventer_add_asynch_dep(NULL, e);
    assert_int_equal(errno, EINVAL);
    assert_logged(1, "no job runs here that it could belong to");
    assert_false(eventer_try_add_asynch_dep(NULL, e));
    assert_logged(1, "no job runs here");
    eventer_free(e);
}

/* ---- sub-queues ------------------------------------------------------------------ */

static _Atomic int heirs, guests;
static _Atomic uint64_t heir_subqueues;

static int on_heir(eventer_t e, int mask, void *closure, struct timeval *now)
{
    if (mask == EVENTER_ASYNCH_COMPLETE)
        atomic_fetch_add((_Atomic int *)closure, 1);
    return 0;
}

static int submit_heirs(eventer_t e, int mask, void *closure, struct timeval *now)
{
    eventer_jobq_stats_t stats;
    if (mask != EVENTER_ASYNCH_WORK)
        return 0;
    for (int i = 0; i < 3; i++)
        eventer_add_asynch(closure, eventer_alloc_asynch(on_heir, &heirs));
    eventer_add_asynch_subqueue(closure, eventer_alloc_asynch(on_heir, &guests), 0);
    eventer_jobq_get_stats(closure, &stats);
    heir_subqueues = stats.subqueues;
    return 0;
}

static void a_job_that_submits_stays_in_its_subqueue(void **state)
{
    eventer_jobq_t *q = eventer_jobq_create("heirs"); /* its one thread is busy meanwhile */
    eventer_jobq_stats_t stats;
    heirs = guests = 0;
    eventer_add_asynch_subqueue(q, eventer_alloc_asynch(submit_heirs, q), UINT64_MAX);
    wait_until(&heirs, 3);
    wait_until(&guests, 1);
    assert_int_equal(heir_subqueues, 1);
    do
        eventer_jobq_get_stats(q, &stats);
    while (stats.done < 5);
    assert_int_equal(stats.subqueues, 0);
}

#define SUBQUEUE_STORM 3000

static void every_job_of_many_subqueues_has_one_end(void **state)
{
    static struct probe probes[SUBQUEUE_STORM];
    eventer_jobq_t *q = eventer_jobq_create("storm");
    eventer_jobq_set_concurrency(q, 3);
    memset(probes, 0, sizeof(probes));
    for (size_t i = 0; i < SUBQUEUE_STORM; i++) {
        struct timeval deadline = from_now((long)(i % 7) - 3);
        eventer_t e =
            eventer_alloc_asynch_timeout(on_late_step, &probes[i], i % 2 ? &deadline : NULL);
        eventer_set_owner(e, loop_at(i % 3 % 2)->thread);
        if (i % 4 == 1)
            eventer_set_mask(e, EVENTER_ASYNCH | EVENTER_CANCEL);
        eventer_add_asynch_subqueue(q, e, i % 17);
        if (i % 100 == 0)
            eventer_jobq_set_lifo(q, i % 200 == 0);
    }
    for (size_t i = 0; i < SUBQUEUE_STORM; i++)
        wait_until(&probes[i].completes, 1);
    eventer_jobq_drain_and_shutdown(q);
    eventer_jobq_destroy(q); /* timers of its jobs may be armed in the other loop */
    settle_all();
    for (size_t i = 0; i < SUBQUEUE_STORM; i++) {
        assert_true(i % 2 == 0 ? probes[i].works == 1 : probes[i].works <= 1);
        assert_int_equal(probes[i].cleanups, 1);
        assert_int_equal(probes[i].completes, 1);
    }
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
    clean_test(after_the_deadline_there_is_no_work),
    clean_test(before_the_deadline_there_is),
    clean_test(a_deadline_counts_when_the_turn_comes),
    clean_test(what_may_be_cancelled_does_not_wait_for_a_thread),
    clean_test(a_deadline_that_cancels_stays),
    clean_test(work_may_ask_whether_it_is_cancelled),
    clean_test(a_parent_completes_after_its_children_and_theirs),
    clean_test(a_child_that_is_refused_is_not_waited_for),
    clean_test(only_a_job_has_children),
    clean_test(a_job_that_submits_stays_in_its_subqueue),
    clean_test(every_job_of_many_subqueues_has_one_end),
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
