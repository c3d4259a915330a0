/* SPDX-License-Identifier: MIT */
/*
 * Goal: a monitor sees in the table who is busy with one thing for too long, and nobody else; and
 * believes no offset that leads out of it.
 * Method: the table is made and attended to by one process, and looked at with times of the test's.
 */
#include "harness.h"

#include "base/clock.h"
#include "main/pulse.h"

#include <mtev_watchdog.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define S CLOCK_NS_PER_S

static struct pulse_table *table;
static struct pulse_watch *watch;

static int set_up_all(void **state)
{
    int fd = -1;
    table = pulse_make(&fd);
    assert_non_null(table);
    struct pulse_table *same = pulse_map(fd); /* as the other process has it */
    assert_non_null(same);
    assert_int_equal(same->version, PULSE_VERSION);
    pulse_unmap(same);
    close(fd);
    assert_null(pulse_own());
    assert_int_equal(mtev_watchdog_number_of_starts(), 1);
    assert_null(pulse_enter("nobody watches"));
    table->starts = 4;
    pulse_attend(table);
    atomic_store(&table->limit_ns, 5 * S);
    watch = test_calloc(1, sizeof(*watch));
    return 0;
}

static int tear_down_all(void **state)
{
    test_free(watch);
    return 0;
}

static int look(uint64_t now_ns)
{
    uint64_t busy_ns = 0;
    return pulse_look(table, watch, now_ns, &busy_ns);
}

static void who_does_not_beat_is_seen_after_its_limit(void **state)
{
    uint64_t busy_ns = 0;
    mtev_watchdog_t *watchdog = mtev_watchdog_create();
    assert_non_null(watchdog);
    mtev_watchdog_set_name(watchdog, "a name of more than thirty-one bytes");
    assert_string_equal(mtev_watchdog_get_name(watchdog), "a name of more than thirty-one ");
    assert_int_equal(look(100 * S), -1);
    assert_int_equal(look(200 * S), -1); /* it is not enabled */
    assert_true(mtev_watchdog_remaining(watchdog) == 0);
    mtev_watchdog_enable(watchdog);
    assert_true(mtev_watchdog_remaining(watchdog) > 4);
    assert_int_equal(look(200 * S), -1);
    assert_int_equal(look(205 * S - 1), -1);
    assert_int_equal(pulse_look(table, watch, 205 * S, &busy_ns), 0);
    assert_int_equal(busy_ns, 5 * S);
    assert_int_equal(mtev_watchdog_heartbeat(watchdog), 0);
    assert_int_equal(atomic_load(&table->pulses[0].tid), gettid());
    assert_int_equal(look(206 * S), -1);
    assert_int_equal(look(211 * S), 0);
    mtev_watchdog_override_timeout(watchdog, 10);
    assert_true(mtev_watchdog_get_timeout(watchdog) == 10);
    assert_int_equal(look(211 * S), -1);
    assert_int_equal(look(216 * S), 0);
    mtev_watchdog_disable_all();
    assert_int_equal(look(216 * S), -1);
    mtev_watchdog_enable_all();
    assert_int_equal(look(216 * S), -1); /* it is new again */
    mtev_watchdog_disable(watchdog);
    assert_int_equal(look(300 * S), -1);
}

static void the_default_one_is_there_when_it_is_used(void **state)
{
    struct timeval limit;
    assert_int_equal(atomic_load(&table->count), 1);
    assert_int_equal(mtev_watchdog_child_heartbeat(), 0);
    assert_int_equal(atomic_load(&table->count), 2);
    assert_string_equal(table->pulses[1].name, "default");
    assert_int_equal(look(10 * S), -1);
    assert_int_equal(look(15 * S), 1);
    assert_int_equal(mtev_watchdog_child_heartbeat(), 0);
    assert_int_equal(look(15 * S), -1);
    assert_int_equal(mtev_watchdog_get_timeout_timeval(NULL, &limit), mtev_true);
    assert_int_equal(limit.tv_sec, 5);
    mtev_watchdog_override_timeout(NULL, 0);
    assert_int_equal(mtev_watchdog_get_timeout_timeval(NULL, &limit), mtev_false);
    assert_int_equal(look(50 * S), -1);
    mtev_watchdog_override_timeout(NULL, 5);
    mtev_watchdog_disable(NULL);
    assert_int_equal(mtev_watchdog_number_of_starts(), 4);
}

static void who_sleeps_is_well(void **state)
{
    struct pulse *pulse = pulse_enter("sleeper");
    char *base = (char *)table;
    uint64_t *since = (uint64_t *)(void *)(base + PULSE_SIZE - 16);
    char *asleep = base + PULSE_SIZE - 1;
    assert_non_null(pulse);
    *since = 7;
    *asleep = 1;
    atomic_store(&pulse->since_at, PULSE_SIZE - 16);
    atomic_store(&pulse->asleep_at, PULSE_SIZE - 1);
    atomic_store(&pulse->is_on, 1);
    assert_int_equal(look(10 * S), -1);
    assert_int_equal(look(100 * S), -1);
    *asleep = 0; /* it was woken, and has not come to it yet */
    assert_int_equal(look(100 * S), -1);
    *since = 8;
    assert_int_equal(look(105 * S), -1);
    assert_int_equal(look(110 * S), 2);
    atomic_store(&pulse->is_on, 0);
}

static void offsets_that_lead_elsewhere_are_not_followed(void **state)
{
    struct pulse *pulse = pulse_enter("wild");
    static const uint64_t wild[] = {
        PULSE_SIZE, PULSE_SIZE - 4, PULSE_SIZE + 8, UINT64_MAX, UINT64_MAX - 7, 3, 0};
    assert_non_null(pulse);
    atomic_store(&pulse->is_on, 1);
    for (size_t i = 0; i < sizeof(wild) / sizeof(wild[0]); i++) {
        atomic_store(&pulse->since_at, wild[i]);
        atomic_store(&pulse->asleep_at, wild[i]);
        assert_int_equal(look(10 * S), -1);
        assert_int_equal(look(100 * S), -1);
    }
    atomic_store(&pulse->is_on, 0);
    const uint32_t count = atomic_load(&table->count);
    atomic_store(&table->count, UINT32_MAX);
    assert_int_equal(look(100 * S), -1);
    atomic_store(&table->count, count);
}

static void there_are_1024(void **state)
{
    const uint32_t count = atomic_load(&table->count);
    for (uint32_t i = count; i < PULSE_COUNT_MAX; i++)
        assert_non_null(pulse_enter("one of many"));
    assert_null(pulse_enter("one more"));
    errno = 0;
    assert_null(mtev_watchdog_create());
    assert_int_equal(errno, ENOSPC);
}

static void a_table_of_another_version_is_refused(void **state)
{
    int fd = -1;
    struct pulse_table *other = pulse_make(&fd);
    assert_non_null(other);
    other->version = PULSE_VERSION + 1;
    errno = 0;
    assert_null(pulse_map(fd));
    assert_int_equal(errno, EPROTO);
    pulse_unmap(other);
    close(fd);
    assert_null(pulse_map(-1));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(who_does_not_beat_is_seen_after_its_limit),
    cmocka_unit_test(the_default_one_is_there_when_it_is_used),
    cmocka_unit_test(who_sleeps_is_well),
    cmocka_unit_test(offsets_that_lead_elsewhere_are_not_followed),
    cmocka_unit_test(there_are_1024),
    cmocka_unit_test(a_table_of_another_version_is_refused),
};

int main(void)
{
    return cmocka_run_group_tests_name(__FILE__, tests, set_up_all, tear_down_all);
}
