/* SPDX-License-Identifier: MIT */
/*
 * Goal: queues are made, found, set up and ended by name as their manual page says, and as the
 * configuration says.
 * Method: every setting at and beyond its edges, read back; queues that are ended while others are
 * in use.
 */
#include "clean.h"

#include "eventer/asynch.h"

#include <eventer/eventer_jobq.h>
#include <mtev_memory.h>

#include <string.h>

static void assert_bounds(eventer_jobq_t *q, uint32_t min, uint32_t max, uint32_t concurrency)
{
    uint32_t is_min, is_max;
    eventer_jobq_get_min_max(q, &is_min, &is_max);
    eventer_jobq_get_min_max(q, NULL, NULL);
    assert_int_equal(is_min, min);
    assert_int_equal(is_max, max);
    assert_int_equal(eventer_jobq_get_concurrency(q), concurrency);
}

static void the_concurrency_stays_between_its_bounds(void **state)
{
    eventer_jobq_t *q = eventer_jobq_create("bounds");
    assert_bounds(q, 0, 0, 1);
    eventer_jobq_set_min_max(q, 3, 5);
    assert_bounds(q, 3, 5, 3);
    eventer_jobq_set_concurrency(q, 4);
    assert_bounds(q, 3, 5, 4);
    eventer_jobq_set_concurrency(q, 6);
    assert_bounds(q, 3, 5, 5);
    eventer_jobq_set_concurrency(q, 2);
    assert_bounds(q, 3, 5, 3);
    eventer_jobq_set_min_max(q, 0, 2);
    assert_bounds(q, 0, 2, 2);
    eventer_jobq_set_min_max(q, JOBQ_THREADS_MAX, 0);
    assert_bounds(q, JOBQ_THREADS_MAX, 0, JOBQ_THREADS_MAX);
    eventer_jobq_set_min_max(q, JOBQ_THREADS_MAX - 1, JOBQ_THREADS_MAX);
    eventer_jobq_set_min_max(q, 0, 0);
    assert_bounds(q, 0, 0, JOBQ_THREADS_MAX);
    eventer_jobq_set_concurrency(q, 1);

    eventer_jobq_set_min_max(q, 3, 2);
    assert_int_equal(errno, EINVAL);
    assert_logged(1, "eventer_jobq_set_min_max: bounds: 3 to 2 is no range within 4096");
    eventer_jobq_set_min_max(q, 0, JOBQ_THREADS_MAX + 1);
    assert_logged(1, "is no range");
    eventer_jobq_set_min_max(NULL, 0, 0);
    assert_logged(1, "(null)");
    assert_bounds(q, 0, 0, 1);
}

static void a_floor_raises_the_bounds(void **state)
{
    eventer_jobq_t *q = eventer_jobq_create("floor");
    assert_int_equal(eventer_jobq_get_floor(q), 1);
    eventer_jobq_set_min_max(q, 1, 2);
    eventer_jobq_set_floor(q, 4);
    assert_int_equal(eventer_jobq_get_floor(q), 4);
    assert_bounds(q, 4, 4, 4);
    eventer_jobq_set_floor(q, 0);
    assert_int_equal(eventer_jobq_get_floor(q), 0);
    assert_bounds(q, 4, 4, 4);
    eventer_jobq_set_floor(q, JOBQ_THREADS_MAX + 1);
    assert_int_equal(errno, EINVAL);
    assert_logged(1, "eventer_jobq_set_floor: floor: 4097 is more than 4096");
    eventer_jobq_set_floor(NULL, 1);
    assert_logged(1, "(null)");
}

static void a_queue_keeps_its_memory_safety(void **state)
{
    eventer_jobq_t *q = eventer_jobq_create_ms("cs", EVENTER_JOBQ_MS_CS);
    assert_int_equal(eventer_jobq_get_memory_safety(q), EVENTER_JOBQ_MS_CS);
    assert_ptr_equal(eventer_jobq_create_ms("cs", EVENTER_JOBQ_MS_CS), q);
    assert_null(eventer_jobq_create_ms("cs", EVENTER_JOBQ_MS_NONE));
    assert_int_equal(errno, EEXIST);
    assert_logged(1, "eventer_jobq_create: cs: File exists");
    assert_null(eventer_jobq_create("cs"));
    logged_clear();
    q = eventer_jobq_create_ms("none", EVENTER_JOBQ_MS_NONE);
    assert_int_equal(eventer_jobq_get_memory_safety(q), EVENTER_JOBQ_MS_NONE);
    assert_int_equal(eventer_jobq_get_memory_safety(eventer_default_jobq()), EVENTER_JOBQ_MS_GC);
    assert_null(eventer_jobq_create_ms("wrong", (eventer_jobq_memory_safety_t)3));
    assert_int_equal(errno, EINVAL);
    logged_clear();
}

static void the_configuration_sets_queues_up(void **state)
{
    eventer_jobq_t *q = eventer_jobq_retrieve("configured");
    assert_bounds(q, 2, 9, 7);
    assert_int_equal(eventer_jobq_get_memory_safety(q), EVENTER_JOBQ_MS_CS);
    assert_false(eventer_jobq_get_lifo(q)); /* against the default */
    assert_int_equal(jobq_limits(q->q).backlog_max, 50);
    assert_true(eventer_jobq_get_lifo(eventer_jobq_retrieve("plain")));
    assert_true(eventer_jobq_get_lifo(eventer_default_jobq()));
    assert_true(eventer_jobq_get_lifo(eventer_jobq_create("made later")));
    eventer_jobq_set_lifo(q, mtev_true);
    assert_true(eventer_jobq_get_lifo(q));
    eventer_jobq_set_lifo(q, mtev_false);
    assert_false(eventer_jobq_get_lifo(q));
}

/* ---- threads and figures --------------------------------------------------------- */

struct probe {
    _Atomic int completes;
    char thread[16];
};

static int note_thread(eventer_t e, int mask, void *closure, struct timeval *now)
{
    struct probe *probe = closure;
    if (mask == EVENTER_ASYNCH_WORK)
        pthread_getname_np(pthread_self(), probe->thread, sizeof(probe->thread));
    if (mask == EVENTER_ASYNCH_COMPLETE)
        atomic_fetch_add(&probe->completes, 1);
    return 0;
}

static void run_on(eventer_jobq_t *q, struct probe *probe)
{
    int before = atomic_load(&probe->completes);
    eventer_add_asynch(q, eventer_alloc_asynch(note_thread, probe));
    wait_until(&probe->completes, before + 1);
}

static void threads_are_called_by_the_short_name(void **state)
{
    struct probe probe = {.completes = 0};
    eventer_jobq_t *q = eventer_jobq_create("a queue with a long name");
    run_on(q, &probe);
    assert_string_equal(probe.thread, "q:a queue with ");
    eventer_jobq_set_shortname(q, "short");
    run_on(q, &probe);
    assert_string_equal(probe.thread, "q:short");
    eventer_jobq_set_shortname(q, "0123456789abcdef");
    run_on(q, &probe);
    assert_string_equal(probe.thread, "q:0123456789abc");
    eventer_jobq_set_shortname(q, NULL);
    run_on(q, &probe);
    assert_string_equal(probe.thread, "q:a queue with ");
    assert_string_equal(eventer_jobq_get_queue_name(q), "a queue with a long name");
}

static void jobs_are_counted(void **state)
{
    struct probe probe = {.completes = 0};
    eventer_jobq_stats_t stats;
    eventer_jobq_t *q = eventer_jobq_create("figures");
    for (int i = 0; i < 10; i++)
        run_on(q, &probe);
    do
        eventer_jobq_get_stats(q, &stats); /* a job completes before it is counted */
    while (stats.done < 10);
    assert_int_equal(stats.done, 10);
    assert_int_equal(stats.backlog, 0);
    assert_int_equal(stats.inflight, 0);
    assert_int_equal(stats.subqueues, 0);
    assert_int_equal(stats.threads, 1);
    uint64_t waits = 0, runs = 0;
    for (int i = 0; i < EVENTER_JOBQ_BUCKETS; i++) {
        waits += stats.wait_ns[i];
        runs += stats.run_ns[i];
    }
    assert_int_equal(waits, 10);
    assert_int_equal(runs, 10);
    eventer_jobq_ping(q);
    eventer_jobq_post(q);
}

static _Atomic int sections[3]; /* that jobs of each safety found open */
static _Atomic int steps[3];

static int note_section(eventer_t e, int mask, void *closure, struct timeval *now)
{
    const eventer_jobq_memory_safety_t *safety = closure;
    if (mask != EVENTER_ASYNCH_COMPLETE) {
        atomic_fetch_add(&sections[*safety], mtev_memory_in_cs());
        atomic_fetch_add(&steps[*safety], 1);
    }
    return 0;
}

static void jobs_are_sections_where_that_is_wanted(void **state)
{
    static eventer_jobq_memory_safety_t safeties[] = {EVENTER_JOBQ_MS_NONE, EVENTER_JOBQ_MS_CS,
                                                      EVENTER_JOBQ_MS_GC};
    for (int i = 0; i < 3; i++) {
        eventer_jobq_t *q = eventer_jobq_create_ms("of its own", safeties[i]);
        for (int n = 0; n < 5; n++)
            eventer_add_asynch(q, eventer_alloc_asynch(note_section, &safeties[i]));
        eventer_jobq_drain_and_shutdown(q);
        eventer_jobq_destroy(q);
        assert_int_equal(steps[safeties[i]], 10);
    }
    assert_int_equal(sections[EVENTER_JOBQ_MS_NONE], 0);
    assert_int_equal(sections[EVENTER_JOBQ_MS_CS], 10);
    assert_int_equal(sections[EVENTER_JOBQ_MS_GC], 0);
}

static int leave_open(eventer_t e, int mask, void *closure, struct timeval *now)
{
    if (mask == EVENTER_ASYNCH_WORK)
        mtev_memory_begin();
    return 0;
}

static void a_section_that_a_job_leaves_open_is_closed_and_said(void **state)
{
    eventer_jobq_t *q = eventer_jobq_create_ms("untidy", EVENTER_JOBQ_MS_NONE);
    eventer_add_asynch(q, eventer_alloc_asynch(leave_open, NULL));
    eventer_jobq_drain_and_shutdown(q);
    assert_logged(1, "section open");
    assert_true(mtev_memory_maintenance_ex(MTEV_MM_BARRIER) >= 0); /* it returns */
    eventer_jobq_destroy(q);
}

/* ---- all of them, and their end -------------------------------------------------- */

struct walk {
    unsigned count;
    bool has_default, has_mine;
};

static void visit(eventer_jobq_t *q, void *closure)
{
    struct walk *walk = closure;
    walk->count++;
    walk->has_default |= q == eventer_default_jobq();
    if (strcmp(eventer_jobq_get_queue_name(q), "mine") != 0)
        return;
    walk->has_mine = true;
    eventer_jobq_drain_and_shutdown(q);
    eventer_jobq_destroy(q);
    assert_non_null(eventer_jobq_create("made meanwhile"));
}

static void a_walk_meets_each_queue_and_may_end_it(void **state)
{
    struct walk first = {0}, second = {0};
    assert_non_null(eventer_jobq_create("mine"));
    eventer_jobq_process_each(visit, &first);
    assert_true(first.has_default && first.has_mine);
    assert_null(eventer_jobq_retrieve("mine"));
    eventer_jobq_process_each(visit, &second);
    assert_true(second.has_default && !second.has_mine);
    assert_in_range(second.count, first.count - 1, first.count);
}

static _Atomic int tries;

static int submit_another(eventer_t e, int mask, void *closure, struct timeval *now)
{
    eventer_jobq_t *q = closure;
    if (mask == EVENTER_ASYNCH_WORK && atomic_fetch_add(&tries, 1) < 5)
        eventer_add_asynch(q, eventer_alloc_asynch(submit_another, q));
    if (mask == EVENTER_ASYNCH_WORK && tries == 1) {
        eventer_jobq_drain_and_shutdown(q);
        check_int(errno, EDEADLK);
        eventer_jobq_destroy(q);
        check_int(errno, EDEADLK);
    }
    return 0;
}

static void a_queue_that_was_shut_down_refuses(void **state)
{
    eventer_jobq_t *q = eventer_jobq_create("shut");
    tries = 0;
    eventer_add_asynch(q, eventer_alloc_asynch(submit_another, q));
    eventer_jobq_drain_and_shutdown(q);
    logged_clear(); /* the job was told that it cannot do so */
    assert_int_equal(tries, 6);
    struct probe probe = {.completes = 0};
    eventer_t e = eventer_alloc_asynch(note_thread, &probe);
    eventer_add_asynch(q, e);
    assert_int_equal(errno, ESHUTDOWN);
    assert_logged(1, "the queue was shut down");
    assert_false(eventer_try_add_asynch(q, e));
    assert_int_equal(errno, ESHUTDOWN);
    assert_nothing_logged();
    eventer_add_asynch(NULL, e); /* it may go elsewhere */
    wait_until(&probe.completes, 1);
    eventer_jobq_destroy(q);
    assert_null(eventer_jobq_retrieve("shut"));
    q = eventer_jobq_create("shut"); /* another one */
    run_on(q, &probe);
}

static void a_queue_may_be_ended_at_once_which_is_logged(void **state)
{
    struct probe probe = {.completes = 0};
    eventer_jobq_t *q = eventer_jobq_create("hasty");
    for (int i = 0; i < 100; i++)
        eventer_add_asynch(q, eventer_alloc_asynch(note_thread, &probe));
    eventer_jobq_destroy(q);
    assert_logged(1, "eventer_jobq_destroy: hasty: it was not shut down; its jobs end first");
    wait_until(&probe.completes, 100);
}

static void some_are_not_ended(void **state)
{
    eventer_jobq_destroy(NULL);
    assert_int_equal(errno, EINVAL);
    assert_logged(1, "eventer_jobq_destroy: (null)");
    eventer_jobq_destroy(eventer_default_jobq());
    assert_logged(1, "eventer_jobq_destroy: default_queue: Invalid argument");
    eventer_jobq_drain_and_shutdown(NULL);
    assert_logged(1, "(null)");
    assert_null(eventer_jobq_retrieve(NULL));
}

static const struct CMUnitTest tests[] = {
    clean_test(the_concurrency_stays_between_its_bounds),
    clean_test(a_floor_raises_the_bounds),
    clean_test(a_queue_keeps_its_memory_safety),
    clean_test(the_configuration_sets_queues_up),
    clean_test(threads_are_called_by_the_short_name),
    clean_test(jobs_are_counted),
    clean_test(jobs_are_sections_where_that_is_wanted),
    clean_test(a_section_that_a_job_leaves_open_is_closed_and_said),
    clean_test(a_walk_meets_each_queue_and_may_end_it),
    clean_test(a_queue_that_was_shut_down_refuses),
    clean_test(a_queue_may_be_ended_at_once_which_is_logged),
    clean_test(some_are_not_ended),
};

int main(void)
{
    logged_begin();
    eventer_propset("default_jobq_ordering", "lifo");
    eventer_propset("jobq_configured", "7,2,9,cs,50,fifo");
    eventer_propset("jobq_plain", "2");
    start_loops(1);
    return harness_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]));
}
