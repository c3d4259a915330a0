/* SPDX-License-Identifier: MIT */
/*
 * Goal: every property takes what is allowed, refuses the rest, and a refusal changes nothing.
 * Method: set each at, just inside and just outside its limits and read the struct behind.
 */
#include "harness.h"

#include "aco/core.h"
#include "eventer/props.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void assert_refused(const char *key, const char *value, int err)
{
    struct props before = *props_get();
    errno = 0;
    assert_int_equal(eventer_propset(key, value), -1);
    assert_int_equal(errno, err);
    assert_memory_equal(&before, props_get(), sizeof(before));
}

static void assert_number(const char *key, const uint64_t *value, uint64_t number)
{
    char text[32];
    snprintf(text, sizeof(text), "%" PRIu64, number);
    assert_int_equal(eventer_propset(key, text), 0);
    assert_int_equal(*value, number);
}

static void assert_limits(const char *key, const uint64_t *value, uint64_t min, uint64_t max)
{
    char text[32];
    assert_number(key, value, min);
    assert_number(key, value, min + 1);
    assert_number(key, value, max - 1);
    assert_number(key, value, max);
    if (min > 0) {
        snprintf(text, sizeof(text), "%" PRIu64, min - 1);
        assert_refused(key, text, EINVAL);
    }
    snprintf(text, sizeof(text), "%" PRIu64, max + 1);
    assert_refused(key, text, EINVAL);
    const char *wrong[] = {"", "x", "-1", "+1", " 1", "1 ", "0x1", "1.0", "99999999999999999999"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_refused(key, wrong[i], EINVAL);
}

static void the_defaults_are_documented_ones(void **state)
{
    const struct props *props = props_get();
    assert_int_equal(props->concurrency, 0);
    assert_int_equal(props->default_queue_threads, 5);
    assert_int_equal(props->rlim_nofiles, 0);
    assert_int_equal(props->aco_shared_stacks, 0);
    assert_int_equal(props->aco_stack_size, 1024 * 1024);
    assert_true(props->slow_callback_ms == -1 && props->slow_job_ms == -1);
    assert_int_equal(props->pool_count, 0);
    assert_int_equal(props->jobq_count, 0);
}

static void numbers_are_taken_within_their_limits(void **state)
{
    const struct props *props = props_get();
    assert_limits("concurrency", &props->concurrency, 0, POOL_LOOPS_MAX);
    assert_limits("default_queue_threads", &props->default_queue_threads, 1, JOBQ_THREADS_MAX);
    assert_limits("rlim_nofiles", &props->rlim_nofiles, 256, UINT32_MAX);
    assert_limits("aco_shared_stacks", &props->aco_shared_stacks, 0, 4096);
    assert_limits("aco_stack_size", &props->aco_stack_size, ACO_STACK_SIZE_MIN, ACO_STACK_SIZE_MAX);
}

static void assert_slow_ms(const char *key, const int64_t *value)
{
    static const char *const wrong[] = {"-2", "-", "", "1s", "86400001", "99999999999999999999"};
    static const struct {
        const char *text;
        int64_t ms;
    } right[] = {{"0", 0}, {"86399999", 86399999}, {"86400000", 86400000}, {"-1", -1}};
    for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++) {
        assert_int_equal(eventer_propset(key, right[i].text), 0);
        assert_true(*value == right[i].ms);
    }
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_refused(key, wrong[i], EINVAL);
    assert_true(*value == -1);
}

static void what_counts_as_slow_is_a_number_or_minus_one(void **state)
{
    assert_slow_ms("show_loop_callbacks_threshold", &props_get()->slow_callback_ms);
    assert_slow_ms("show_jobq_callbacks_threshold", &props_get()->slow_job_ms);
}

static void the_default_pool_has_two_names(void **state)
{
    assert_int_equal(eventer_propset("loop_default", "7,0.5"), 0);
    assert_int_equal(props_get()->concurrency, 7);
    assert_int_equal(props_get()->watchdog_ns, CLOCK_NS_PER_S / 2);
    assert_int_equal(eventer_propset("loop_default", "7"), 0);
    assert_int_equal(props_get()->watchdog_ns, 0);
    assert_int_equal(props_get()->pool_count, 0);
}

static void a_pool_is_named_once_and_set_as_often_as_wanted(void **state)
{
    const struct props *props = props_get();
    char key[64], name[POOL_NAME_LEN_MAX + 2];
    assert_int_equal(eventer_propset("loop_web", "3,2.5"), 0);
    assert_string_equal(props->pools[0].name, "web");
    assert_int_equal(props->pools[0].loops, 3);
    assert_int_equal(props->pools[0].watchdog_ns, 2500 * CLOCK_NS_PER_MS);
    assert_int_equal(eventer_propset("loop_web", "3,0.000000001"), 0);
    assert_int_equal(props->pools[0].watchdog_ns, 1);
    assert_int_equal(eventer_propset("loop_web", "3,31536000"), 0);
    assert_int_equal(props->pools[0].watchdog_ns, WATCHDOG_NS_MAX);
    assert_refused("loop_web", "3,31536001", EINVAL);
    assert_refused("loop_web", "3,0.0000000001", EINVAL);
    assert_refused("loop_web", "3,", EINVAL);
    assert_refused("loop_web", "3,.5", EINVAL);
    assert_refused("loop_web", "3,5.", EINVAL);
    assert_refused("loop_web", "3,-1", EINVAL);
    assert_refused("loop_web", "3,5,more", EINVAL);
    assert_int_equal(eventer_propset("loop_web", "256"), 0);
    assert_int_equal(props->pools[0].loops, POOL_LOOPS_MAX);
    assert_int_equal(eventer_propset("loop_web", "255"), 0);
    assert_int_equal(props->pool_count, 1);
    assert_refused("loop_web", "257", EINVAL);
    assert_refused("loop_web", ",3", EINVAL);
    assert_refused("loop_web", "many", EINVAL);
    assert_refused("loop_", "3", EINVAL);

    memset(name, 'p', sizeof(name));
    for (size_t len = POOL_NAME_LEN_MAX - 1; len <= POOL_NAME_LEN_MAX + 1; len++) {
        snprintf(key, sizeof(key), "loop_%.*s", (int)len, name);
        if (len > POOL_NAME_LEN_MAX)
            assert_refused(key, "1", EINVAL);
        else
            assert_int_equal(eventer_propset(key, "1"), 0);
    }
    while (props->pool_count < POOL_COUNT_MAX - 1) { /* one more is the default pool */
        snprintf(key, sizeof(key), "loop_n%zu", props->pool_count);
        assert_int_equal(eventer_propset(key, "1"), 0);
    }
    assert_refused("loop_one_too_many", "1", ENOSPC);
    assert_int_equal(eventer_propset("loop_web", "2"), 0); /* those there are can still be set */
}

static void processors_are_kept_or_not(void **state)
{
    assert_false(props_get()->has_affinity);
    assert_int_equal(eventer_propset("cpu_affinity", "on"), 0);
    assert_true(props_get()->has_affinity);
    assert_refused("cpu_affinity", "yes", EINVAL);
    assert_refused("cpu_affinity", "", EINVAL);
    assert_int_equal(eventer_propset("cpu_affinity", "off"), 0);
    assert_false(props_get()->has_affinity);
}

static void a_queue_is_named_once_and_its_last_value_counts(void **state)
{
    const struct props *props = props_get();
    char key[128], name[JOBQ_NAME_LEN_MAX + 2];
    assert_int_equal(eventer_propset("jobq_slow", "1"), 0);
    assert_int_equal(props->jobqs[0].safety, EVENTER_JOBQ_MS_GC);
    assert_false(props->jobqs[0].has_order);
    assert_int_equal(eventer_propset("jobq_slow", "3,2,9,none,50,lifo"), 0);
    assert_int_equal(props->jobqs[0].min, 2);
    assert_int_equal(props->jobqs[0].max, 9);
    assert_int_equal(props->jobqs[0].safety, EVENTER_JOBQ_MS_NONE);
    assert_int_equal(props->jobqs[0].backlog_max, 50);
    assert_true(props->jobqs[0].has_order && props->jobqs[0].is_lifo);
    assert_int_equal(eventer_propset("jobq_slow", "2,2"), 0); /* max is min */
    assert_int_equal(props->jobqs[0].max, 2);
    assert_int_equal(props->jobqs[0].backlog_max, 0);
    assert_int_equal(eventer_propset("jobq_slow", "3,0,3,cs,4294967295,fifo"), 0);
    assert_int_equal(eventer_propset("jobq_slow", "4096,0,0"), 0);
    assert_int_equal(props->jobq_count, 1);
    const char *wrong[] = {"3,2",
                           "3,4,5",
                           "3,1,2",
                           "3,",
                           "3,1,",
                           "3,1,4,",
                           "3,1,4,xx",
                           "3,1,4,gc,",
                           "3,1,4,gc,-1",
                           "3,0,3,gc,4294967296",
                           "3,0,4097",
                           "3,0,0,g",
                           "3,0,0,gc,1,",
                           "3,0,0,gc,1,fif",
                           "3,0,0,gc,1,fifo,",
                           "3,0,0,gc,1,fifo,1"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_refused("jobq_slow", wrong[i], EINVAL);
    assert_string_equal(props->jobqs[0].name, "slow");
    assert_int_equal(props->jobqs[0].threads, JOBQ_THREADS_MAX);
    assert_int_equal(eventer_propset("jobq_slow", "4095"), 0);
    assert_refused("jobq_slow", "0", EINVAL);
    assert_refused("jobq_slow", "4097", EINVAL);
    assert_refused("jobq_", "1", EINVAL);

    memset(name, 'q', sizeof(name));
    for (size_t len = JOBQ_NAME_LEN_MAX - 1; len <= JOBQ_NAME_LEN_MAX + 1; len++) {
        snprintf(key, sizeof(key), "jobq_%.*s", (int)len, name);
        if (len > JOBQ_NAME_LEN_MAX)
            assert_refused(key, "1", EINVAL);
        else
            assert_int_equal(eventer_propset(key, "1"), 0);
    }
    while (props->jobq_count < PROPS_JOBQS_MAX) {
        snprintf(key, sizeof(key), "jobq_n%zu", props->jobq_count);
        assert_int_equal(eventer_propset(key, "1"), 0);
    }
    assert_refused("jobq_one_too_many", "1", ENOSPC);
    assert_int_equal(eventer_propset("jobq_slow", "2"), 0);
}

static void queues_are_fifo_unless_told_otherwise(void **state)
{
    assert_false(props_get()->jobqs_are_lifo);
    assert_int_equal(eventer_propset("default_jobq_ordering", "lifo"), 0);
    assert_true(props_get()->jobqs_are_lifo);
    assert_refused("default_jobq_ordering", "random", EINVAL);
    assert_refused("default_jobq_ordering", "", EINVAL);
    assert_int_equal(eventer_propset("default_jobq_ordering", "fifo"), 0);
    assert_false(props_get()->jobqs_are_lifo);
}

static void an_implementation_is_named_by_a_property_or_else_by_the_environment(void **state)
{
    const char *outside = getenv("EVENTER_IMPLEMENTATION");
    unsetenv("EVENTER_IMPLEMENTATION");
    assert_ptr_equal(props_poller(), &poller_epoll);
    setenv("EVENTER_IMPLEMENTATION", "", 1);
    assert_ptr_equal(props_poller(), &poller_epoll);
    setenv("EVENTER_IMPLEMENTATION", "poll", 1);
    assert_ptr_equal(props_poller(), &poller_poll);
    setenv("EVENTER_IMPLEMENTATION", "kqueue", 1);
    assert_null(props_poller());
    assert_refused("implementation", "kqueue", EINVAL);
    assert_refused("implementation", "", EINVAL);
    assert_null(props_poller());
    assert_int_equal(eventer_propset("implementation", "io_uring"), 0);
    assert_ptr_equal(props_poller(), &poller_uring);
    assert_int_equal(eventer_propset("implementation", "poll"), 0);
    assert_ptr_equal(props_poller(), &poller_poll);
    assert_int_equal(eventer_propset("implementation", "epoll"), 0);
    assert_ptr_equal(props_poller(), &poller_epoll);
    props_set_poller(NULL);
    if (outside == NULL)
        unsetenv("EVENTER_IMPLEMENTATION");
    else
        setenv("EVENTER_IMPLEMENTATION", outside, 1);
}

static void what_is_unknown_or_missing_is_refused(void **state)
{
    assert_refused("no_such_key", "1", ENOENT);
    assert_refused("", "1", ENOENT);
    assert_refused("Concurrency", "1", ENOENT);
    assert_refused(NULL, "1", EINVAL);
    assert_refused("concurrency", NULL, EINVAL);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(the_defaults_are_documented_ones),
    cmocka_unit_test(numbers_are_taken_within_their_limits),
    cmocka_unit_test(what_counts_as_slow_is_a_number_or_minus_one),
    cmocka_unit_test(the_default_pool_has_two_names),
    cmocka_unit_test(a_pool_is_named_once_and_set_as_often_as_wanted),
    cmocka_unit_test(processors_are_kept_or_not),
    cmocka_unit_test(a_queue_is_named_once_and_its_last_value_counts),
    cmocka_unit_test(queues_are_fifo_unless_told_otherwise),
    cmocka_unit_test(an_implementation_is_named_by_a_property_or_else_by_the_environment),
    cmocka_unit_test(what_is_unknown_or_missing_is_refused),
};
HARNESS_MAIN(tests)
