/* SPDX-License-Identifier: MIT */
/*
 * Goal: sub-queues take turns and have equal shares, whoever has most jobs; each exists while it
 * has jobs; the order within one is as asked.
 * Method: jobs that are never run are put, taken and done, and their order is looked at; random
 * sequences are compared with counts that are kept beside.
 */
#include "harness.h"
#include "random.h"

#include "base/alloc.h"
#include "jobq/fair_impl.h"

#include <stdlib.h>
#include <string.h>

#define JOB_COUNT 512

static struct fair fair;
static struct jobq_job jobs[JOB_COUNT];

static int set_up(void **state)
{
    memset(jobs, 0, sizeof(jobs));
    fair_init(&fair);
    return 0;
}

static int tear_down(void **state)
{
    fair_fini(&fair);
    return 0;
}

static void put(size_t i, uint64_t id)
{
    fair_put(&fair, &jobs[i], id, false);
}

static size_t take(void)
{
    struct jobq_job *job = fair_take(&fair);
    assert_non_null(job);
    return (size_t)(job - jobs);
}

static void done(size_t i)
{
    fair_done(&fair, jobs[i].subqueue);
}

static void assert_next(size_t i)
{
    size_t taken = take();
    assert_int_equal(taken, i);
    done(taken);
}

static void jobs_of_one_come_in_order_or_in_reverse(void **state)
{
    assert_null(fair_take(&fair));
    put(0, 0);
    put(1, 0);
    fair_put(&fair, &jobs[2], 0, true);
    put(3, 0);
    assert_next(2);
    assert_next(0);
    assert_next(1);
    fair_put(&fair, &jobs[4], 0, true); /* into what still holds one */
    assert_next(4);
    assert_next(3);
    assert_null(fair_take(&fair));
}

static void those_with_jobs_take_turns(void **state)
{
    for (size_t i = 0; i < 6; i++)
        put(i, 7); /* it was first, and has most */
    put(6, 8);
    put(7, 8);
    put(8, 0);
    const size_t order[] = {0, 6, 8, 1, 7, 2, 3, 4, 5};
    for (size_t i = 0; i < 9; i++)
        assert_next(order[i]);
}

static void whoever_has_fewest_under_way_is_next(void **state)
{
    for (size_t i = 0; i < 8; i++)
        put(i, 1);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(take(), i); /* four threads work for 1 alone */
    for (size_t i = 8; i < 16; i++)
        put(i, 2);
    done(0);
    assert_int_equal(take(), 8); /* the next three that are free work for 2 */
    done(1);
    assert_int_equal(take(), 9);
    done(8);
    assert_int_equal(take(), 10);
    done(9);
    assert_int_equal(take(), 11);
    done(10);
    assert_int_equal(take(), 12); /* 2 has one, 1 has two */
    assert_int_equal(take(), 4);  /* equal: they take turns */
    for (size_t i = 0; i < 16; i++)
        if (i == 2 || i == 3 || i == 4 || i == 11 || i == 12)
            done(i);
    while (fair_take(&fair) != NULL)
        ;
    for (size_t i = 5; i < 16; i++)
        if (i < 8 || i > 12)
            done(i);
}

static void more_under_way_than_levels_is_possible(void **state)
{
    for (size_t i = 0; i < JOB_COUNT; i++)
        put(i, 1 + i % 2);
    for (size_t i = 0; i < JOB_COUNT; i++)
        assert_int_equal(take(), i);
    for (size_t i = JOB_COUNT; i > 0; i--)
        done(i - 1);
    assert_int_equal(fair.count, 0);
}

static void a_subqueue_exists_while_it_has_jobs(void **state)
{
    put(0, 5);
    put(1, 6);
    assert_int_equal(fair.count, 2);
    assert_int_equal(take(), 0);
    assert_int_equal(fair.count, 2); /* under way */
    done(0);
    assert_int_equal(fair.count, 1);
    fair_remove(&fair, &jobs[1]);
    assert_int_equal(fair.count, 0);
    assert_null(fair_take(&fair));
    put(2, 5);
    put(3, 5);
    fair_remove(&fair, &jobs[2]);
    assert_next(3);
}

static void their_number_is_limited(void **state)
{
    struct jobq_job *many = calloc(JOBQ_SUBQUEUES_MAX + 1, sizeof(*many));
    assert_non_null(many);
    for (size_t i = 0; i <= JOBQ_SUBQUEUES_MAX; i++) {
        fair_put(&fair, &many[i], i + 1, false);
        if (i == JOBQ_SUBQUEUES_MAX - 2)
            assert_int_equal(fair.count, JOBQ_SUBQUEUES_MAX - 1);
    }
    assert_int_equal(fair.count, JOBQ_SUBQUEUES_MAX);
    assert_ptr_not_equal(many[JOBQ_SUBQUEUES_MAX - 1].subqueue, &fair.standard);
    assert_ptr_equal(many[JOBQ_SUBQUEUES_MAX].subqueue, &fair.standard);
    for (size_t i = 0; i <= JOBQ_SUBQUEUES_MAX; i++) {
        struct jobq_job *job = fair_take(&fair);
        assert_ptr_equal(job, &many[i]);
        fair_done(&fair, job->subqueue);
    }
    assert_int_equal(fair.count, 0);
    free(many);
}

static void use_without_memory(void *closure)
{
    struct fair mine;
    struct jobq_job three[3] = {{.submitted_ns = 0}};
    (void)closure;
    fair_init(&mine);
    for (size_t i = 0; i < 3; i++)
        fair_put(&mine, &three[i], 1 + i % 2, false);
    for (size_t i = 0; i < 3; i++) {
        struct jobq_job *job = fair_take(&mine);
        assert_non_null(job); /* in the standard one, if there was no memory for another */
        fair_done(&mine, job->subqueue);
    }
    assert_null(fair_take(&mine));
    fair_fini(&mine);
}

static void without_memory_jobs_share_the_standard_one(void **state)
{
    harness_fail_each_allocation(use_without_memory, NULL);
}

/* ---- at random ------------------------------------------------------------------- */

#define ID_COUNT 9

static void shares_stay_equal_whatever_happens(void **state)
{
    uint32_t random = random_seed();
    size_t pending[ID_COUNT] = {0}, inflight[ID_COUNT] = {0}, free_jobs[JOB_COUNT], free_count = 0;
    size_t running[JOB_COUNT], running_count = 0;
    uint64_t id_of[JOB_COUNT];
    for (size_t i = 0; i < JOB_COUNT; i++)
        free_jobs[free_count++] = i;
    for (int step = 0; step < 100000; step++) {
        uint32_t choice = random_below(&random, 3);
        if (choice == 0 && free_count > 0) {
            size_t i = free_jobs[--free_count];
            id_of[i] = random_below(&random, ID_COUNT);
            fair_put(&fair, &jobs[i], id_of[i], random_below(&random, 2) == 0);
            pending[id_of[i]]++;
        } else if (choice == 1) {
            struct jobq_job *job = fair_take(&fair);
            if (job == NULL)
                continue;
            size_t i = (size_t)(job - jobs);
            for (size_t id = 0; id < ID_COUNT; id++)
                assert_true(pending[id] == 0 || inflight[id] >= inflight[id_of[i]] ||
                            inflight[id] >= FAIR_LEVEL_COUNT - 1);
            pending[id_of[i]]--;
            inflight[id_of[i]]++;
            running[running_count++] = i;
        } else if (running_count > 0) {
            size_t at = random_below(&random, (uint32_t)running_count);
            size_t i = running[at];
            running[at] = running[--running_count];
            inflight[id_of[i]]--;
            done(i);
            free_jobs[free_count++] = i;
        }
    }
    while (running_count > 0)
        done(running[--running_count]);
    for (struct jobq_job *job; (job = fair_take(&fair)) != NULL;)
        fair_done(&fair, job->subqueue);
}

#define fair_test(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

static const struct CMUnitTest tests[] = {
    fair_test(jobs_of_one_come_in_order_or_in_reverse),
    fair_test(those_with_jobs_take_turns),
    fair_test(whoever_has_fewest_under_way_is_next),
    fair_test(more_under_way_than_levels_is_possible),
    fair_test(a_subqueue_exists_while_it_has_jobs),
    fair_test(their_number_is_limited),
    fair_test(without_memory_jobs_share_the_standard_one),
    fair_test(shares_stay_equal_whatever_happens),
};
HARNESS_MAIN(tests)
