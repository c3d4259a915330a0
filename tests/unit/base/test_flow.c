/* SPDX-License-Identifier: MIT */
/*
 * Goal: the producer is stopped at the high mark, and set going once, by one, at the low mark.
 * Method: every count between the marks; then threads that end work while one produces it, which
 * comes to its end only if no word is lost.
 */
#include "harness.h"

#include "base/alloc.h"

#include <errno.h>
#include <mtev_flow_regulator.h>
#include <mtev_sem.h>
#include <pthread.h>
#include <stdatomic.h>

static void marks_that_make_no_sense_are_refused(void **state)
{
    static const struct {
        unsigned low, high;
    } cases[] = {{0, 0}, {5, 5}, {6, 5}, {0, (unsigned)INT32_MAX + 1}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        errno = 0;
        assert_null(mtev_flow_regulator_create(cases[i].low, cases[i].high));
        assert_int_equal(errno, EINVAL);
    }
    mtev_flow_regulator_t *regulator = mtev_flow_regulator_create(INT32_MAX - 1, INT32_MAX);
    assert_non_null(regulator);
    mtev_flow_regulator_destroy(regulator);
    alloc_fail_nth(1, 0);
    assert_null(mtev_flow_regulator_create(0, 1));
    alloc_fail_nth(0, 0);
}

static void it_stops_at_the_high_mark_and_goes_on_at_the_low_one(void **state)
{
    mtev_flow_regulator_t *regulator = mtev_flow_regulator_create(2, 5);
    for (int round = 0; round < 3; round++) {
        while (mtev_flow_regulator_stable_try_raise_one(regulator))
            ;
        assert_false(mtev_flow_regulator_stable_lower(regulator, 1)); /* 4 */
        assert_false(mtev_flow_regulator_stable_try_raise_one(regulator));
        assert_false(mtev_flow_regulator_stable_lower(regulator, 1)); /* 3 */
        assert_false(mtev_flow_regulator_stable_try_raise_one(regulator));
        assert_true(mtev_flow_regulator_stable_lower(regulator, 1));  /* 2 */
        assert_false(mtev_flow_regulator_stable_lower(regulator, 1)); /* it is told once */
        assert_true(mtev_flow_regulator_stable_try_raise_one(regulator));
    }
    for (int i = 0; i < 3; i++) /* full, but nobody was stopped */
        assert_true(mtev_flow_regulator_stable_try_raise_one(regulator));
    assert_false(mtev_flow_regulator_stable_lower(regulator, 100));
    for (int i = 0; i < 5; i++) /* it did not go below 0 */
        assert_true(mtev_flow_regulator_stable_try_raise_one(regulator));
    assert_false(mtev_flow_regulator_stable_try_raise_one(regulator));
    assert_true(mtev_flow_regulator_stable_lower(regulator, 5));
    mtev_flow_regulator_destroy(regulator);
}

#define WORKERS 3
#define PIECES  30000

static struct {
    mtev_flow_regulator_t *regulator;
    mtev_sem_t pieces, may_go;
    atomic_int under_way, most;
} line;

static void *work(void *closure)
{
    for (;;) {
        mtev_sem_wait_noeintr(&line.pieces);
        if (atomic_fetch_sub(&line.under_way, 1) <= 0)
            return NULL; /* woken to end */
        if (mtev_flow_regulator_stable_lower(line.regulator, 1))
            mtev_sem_post(&line.may_go);
    }
}

static void no_word_is_lost_between_threads(void **state)
{
    pthread_t workers[WORKERS];
    line.regulator = mtev_flow_regulator_create(3, 10);
    mtev_sem_init(&line.pieces, 0, 0);
    mtev_sem_init(&line.may_go, 0, 0);
    for (int i = 0; i < WORKERS; i++)
        assert_int_equal(pthread_create(&workers[i], NULL, work, NULL), 0);
    for (int i = 0; i < PIECES; i++) {
        while (!mtev_flow_regulator_stable_try_raise_one(line.regulator))
            mtev_sem_wait_noeintr(&line.may_go);
        int count = atomic_fetch_add(&line.under_way, 1) + 1;
        if (count > atomic_load(&line.most))
            atomic_store(&line.most, count);
        mtev_sem_post(&line.pieces);
    }
    for (int i = 0; i < WORKERS; i++)
        mtev_sem_post(&line.pieces);
    for (int i = 0; i < WORKERS; i++)
        pthread_join(workers[i], NULL);
    assert_in_range(atomic_load(&line.most), 1, 10);
    mtev_sem_destroy(&line.pieces);
    mtev_sem_destroy(&line.may_go);
    mtev_flow_regulator_destroy(line.regulator);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(marks_that_make_no_sense_are_refused),
    cmocka_unit_test(it_stops_at_the_high_mark_and_goes_on_at_the_low_one),
    cmocka_unit_test(no_word_is_lost_between_threads),
};

HARNESS_MAIN(tests)
