/* SPDX-License-Identifier: MIT */
/*
 * Goal: mtev_memory.h keeps its promises, and says what a caller did wrong.
 * Method: each call with and without memory, in and outside sections; what is reported is counted.
 * How sections and threads meet is test_smr.c's.
 */
#include "harness.h"

#include <mtev_memory.h>

#include "base/alloc.h"
#include "base/memory.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <string.h>

static const char *reported; /* the last one */
static int report_count;
static int cleaned;

/* Sizes that the compiler must not see through, or it warns that they cannot be had. */
static volatile size_t too_much = SIZE_MAX / 2 + 1;

static void on_report(const char *what)
{
    reported = what;
    report_count++;
}

static int begin(void **state)
{
    mtev_memory_maintenance_ex(MTEV_MM_BARRIER);
    memory_report_to(on_report);
    reported = NULL;
    report_count = cleaned = 0;
    errno = 0;
    return 0;
}

static void on_cleanup(void *block)
{
    cleaned += *(int *)block;
}

static int *block_of(int number)
{
    int *block = mtev_memory_safe_malloc_cleanup(sizeof(*block), on_cleanup);
    assert_non_null(block);
    *block = number;
    return block;
}

static void a_block_is_cleaned_up_once_when_nobody_sees_it(void **state)
{
    int *block = block_of(1);
    mtev_memory_begin();
    mtev_memory_safe_free(block);
    assert_int_equal(mtev_memory_maintenance_ex(MTEV_MM_TRY), 0);
    assert_int_equal(cleaned, 0);
    assert_int_equal(*block, 1);
    mtev_memory_end();
    assert_int_equal(mtev_memory_maintenance_ex(MTEV_MM_TRY), 1);
    assert_int_equal(cleaned, 1);
    assert_int_equal(report_count, 0);
}

static void blocks_are_as_malloc_calloc_and_strdup_make_them(void **state)
{
    static const unsigned char zeros[48];
    void *none = mtev_memory_safe_malloc(0);
    void *zeroed = mtev_memory_safe_calloc(6, 8);
    char *copy = mtev_memory_safe_strdup("text");
    assert_non_null(none);
    assert_memory_equal(zeroed, zeros, sizeof(zeros));
    assert_string_equal(copy, "text");
    assert_int_equal((uintptr_t)none % _Alignof(max_align_t), 0);
    assert_int_equal((uintptr_t)zeroed % _Alignof(max_align_t), 0);
    mtev_memory_safe_free(none);
    mtev_memory_safe_free(zeroed);
    mtev_memory_safe_free(copy);
    mtev_memory_safe_free(NULL);
    assert_int_equal(mtev_memory_maintenance_ex(MTEV_MM_BARRIER), 3);
}

static void sizes_that_cannot_be_had_are_refused(void **state)
{
    const size_t sizes[] = {too_much * 2 - 1, too_much * 2 - 32, too_much};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        errno = 0;
        assert_null(mtev_memory_safe_malloc(sizes[i]));
        assert_int_equal(errno, ENOMEM);
        errno = 0;
        assert_null(mtev_memory_safe_calloc(sizes[i], 1));
        assert_int_equal(errno, ENOMEM);
    }
    errno = 0;
    assert_null(mtev_memory_safe_calloc(too_much, 2));
    assert_int_equal(errno, ENOMEM);
}

static void run_out_of_memory(void *closure)
{
    void *blocks[] = {mtev_memory_safe_malloc(8), mtev_memory_safe_calloc(2, 8),
                      mtev_memory_safe_strdup("text")};
    mtev_memory_begin();
    for (size_t i = 0; i < 3; i++) {
        assert_true(blocks[i] != NULL || errno == ENOMEM);
        mtev_memory_safe_free(blocks[i]);
    }
    mtev_memory_end();
    mtev_memory_maintenance_ex(MTEV_MM_BARRIER);
}

static void *run_in_a_new_thread(void *closure)
{
    harness_fail_each_allocation(run_out_of_memory, NULL);
    return NULL;
}

static void every_allocation_may_fail(void **state)
{
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, run_in_a_new_thread, NULL), 0);
    pthread_join(thread, NULL);
}

static void sections_are_seen(void **state)
{
    assert_int_equal(mtev_memory_in_cs(), mtev_false);
    mtev_memory_begin();
    mtev_memory_begin();
    mtev_memory_end();
    assert_int_equal(mtev_memory_in_cs(), mtev_true);
    mtev_memory_end();
    assert_int_equal(mtev_memory_in_cs(), mtev_false);
}

static void an_end_without_a_beginning_is_reported(void **state)
{
    mtev_memory_end();
    assert_int_equal(errno, EINVAL);
    assert_string_equal(reported, "mtev_memory_end: no section is open");
    memory_report_to(NULL);
    mtev_memory_end();
    assert_int_equal(report_count, 1);
}

static void a_block_that_is_freed_twice_is_reported(void **state)
{
    int *block = block_of(1);
    mtev_memory_begin();
    mtev_memory_safe_free(block);
    mtev_memory_safe_free(block);
    mtev_memory_end();
    assert_int_equal(errno, EINVAL);
    assert_string_equal(reported, "mtev_memory_safe_free: a block is freed twice");
    assert_int_equal(mtev_memory_maintenance_ex(MTEV_MM_BARRIER), 1);
    assert_int_equal(cleaned, 1);
}

static void what_is_no_block_is_reported(void **state)
{
    max_align_t other[8] = {0};
    mtev_memory_safe_free(&other[4]);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(report_count, 1);
}

static void a_thread_in_a_section_cannot_be_taken_off(void **state)
{
    mtev_memory_init_thread();
    mtev_memory_begin();
    mtev_memory_fini_thread();
    assert_int_equal(errno, EBUSY);
    assert_string_equal(reported, "mtev_memory_fini_thread: a section is open");
    mtev_memory_end();
    mtev_memory_fini_thread();
    mtev_memory_fini_thread();
    assert_int_equal(report_count, 1);
}

static void maintenance_has_four_ways(void **state)
{
    mtev_memory_safe_free(block_of(1));
    assert_int_equal(mtev_memory_maintenance_ex(MTEV_MM_NONE), 0);
    assert_int_equal(cleaned, 0);
    assert_int_equal(mtev_memory_maintenance_ex((mtev_memory_maintenance_method_t)99), -1);
    assert_int_equal(errno, EINVAL);
    mtev_memory_begin();
    assert_int_equal(mtev_memory_maintenance_ex(MTEV_MM_BARRIER), -1);
    assert_int_equal(errno, EDEADLK);
    mtev_memory_end();
    assert_int_equal(mtev_memory_maintenance_ex(MTEV_MM_TRY), 1);
    mtev_memory_safe_free(block_of(1));
    assert_int_equal(mtev_memory_maintenance_ex(MTEV_MM_BARRIER), 1);
    assert_int_equal(cleaned, 2);
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t was_cleaned = PTHREAD_COND_INITIALIZER;
static int cleaned_by_others;

static void on_cleanup_elsewhere(void *block)
{
    pthread_mutex_lock(&lock);
    cleaned_by_others++;
    pthread_cond_signal(&was_cleaned);
    pthread_mutex_unlock(&lock);
}

static void free_elsewhere(size_t count)
{
    for (size_t i = 0; i < count; i++)
        mtev_memory_safe_free(mtev_memory_safe_malloc_cleanup(1, on_cleanup_elsewhere));
}

static void wait_for_cleanups(int count)
{
    pthread_mutex_lock(&lock);
    while (cleaned_by_others < count)
        pthread_cond_wait(&was_cleaned, &lock);
    pthread_mutex_unlock(&lock);
}

static void a_thread_of_the_library_frees(void **state)
{
    free_elsewhere(1);
    mtev_memory_begin(); /* also from a section */
    assert_int_equal(mtev_memory_maintenance_ex(MTEV_MM_BARRIER_ASYNCH), 0);
    mtev_memory_end();
    wait_for_cleanups(1);
    mtev_memory_gc_asynch(); /* from now on always, so this is the last test */
    free_elsewhere(MTEV_MEMORY_BACKLOG_MAX);
    wait_for_cleanups(1 + MTEV_MEMORY_BACKLOG_MAX);
    assert_int_equal(report_count, 0);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup(every_allocation_may_fail, begin), /* first: no record is left */
    cmocka_unit_test_setup(a_block_is_cleaned_up_once_when_nobody_sees_it, begin),
    cmocka_unit_test_setup(blocks_are_as_malloc_calloc_and_strdup_make_them, begin),
    cmocka_unit_test_setup(sizes_that_cannot_be_had_are_refused, begin),
    cmocka_unit_test_setup(sections_are_seen, begin),
    cmocka_unit_test_setup(an_end_without_a_beginning_is_reported, begin),
    cmocka_unit_test_setup(a_block_that_is_freed_twice_is_reported, begin),
    cmocka_unit_test_setup(what_is_no_block_is_reported, begin),
    cmocka_unit_test_setup(a_thread_in_a_section_cannot_be_taken_off, begin),
    cmocka_unit_test_setup(maintenance_has_four_ways, begin),
    cmocka_unit_test_setup(a_thread_of_the_library_frees, begin),
};
HARNESS_MAIN(tests)
