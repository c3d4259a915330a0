/* SPDX-License-Identifier: MIT */
/*
 * Goal: durations become nanoseconds without overflow, and back; the clocks run as they should.
 * Method: a table around each limit; two readings of each clock, compared with the system's.
 */
#include "harness.h"

#include "base/clock.h"

#define LONGEST_S (INT64_MAX / 1000000000 - 1)

static void durations_become_nanoseconds(void **state)
{
    const struct {
        struct timeval tv;
        uint64_t ns;
    } cases[] = {
        {{0, 0}, 0},
        {{0, 1}, 1000},
        {{1, 0}, 1000000000},
        {{1, 999999}, 1999999000},
        {{0, 2500000}, 2500000000}, /* not normalised */
        {{3, -500000}, 2500000000},
        {{0, -1}, 0},
        {{-1, 0}, 0},
        {{-1, 999999}, 0},
        {{-1, 1500000}, 500000000},
        {{LONGEST_S - 1, 0}, (LONGEST_S - 1) * CLOCK_NS_PER_S},
        {{LONGEST_S, 0}, LONGEST_S * CLOCK_NS_PER_S},
        {{LONGEST_S + 1, 0}, LONGEST_S * CLOCK_NS_PER_S},
        {{LONGEST_S, 999999}, LONGEST_S * CLOCK_NS_PER_S},
        {{INT64_MAX, 999999}, LONGEST_S * CLOCK_NS_PER_S},
        {{INT64_MAX, 1000000}, LONGEST_S * CLOCK_NS_PER_S},
        {{INT64_MIN, 0}, 0},
        {{INT64_MIN, -1}, 0},
        {{UINT32_MAX, UINT32_MAX}, UINT32_MAX * (CLOCK_NS_PER_S + 1000)},
        {{UINT32_MAX + INT64_C(1), 1}, (UINT32_MAX + UINT64_C(1)) * CLOCK_NS_PER_S + 1000},
        {{1, UINT32_MAX + INT64_C(1)}, CLOCK_NS_PER_S + (UINT32_MAX + UINT64_C(1)) * 1000},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(clock_duration_ns(&cases[i].tv), cases[i].ns);
}

static void the_longest_duration_may_be_added_to_now(void **state)
{
    const struct timeval forever = {.tv_sec = INT64_MAX, .tv_usec = 999999};
    uint64_t now = clock_wall_ns();
    assert_true(now + clock_duration_ns(&forever) > now);
}

static void nanoseconds_become_a_timeval_rounded_down(void **state)
{
    const struct {
        uint64_t ns;
        struct timeval tv;
    } cases[] = {
        {0, {0, 0}},          {999, {0, 0}},
        {1000, {0, 1}},       {999999999, {0, 999999}},
        {1000000000, {1, 0}}, {UINT64_MAX, {18446744073, 709551}},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct timeval tv = clock_timeval(cases[i].ns);
        assert_int_equal(tv.tv_sec, cases[i].tv.tv_sec);
        assert_int_equal(tv.tv_usec, cases[i].tv.tv_usec);
    }
}

static void the_monotonic_clock_never_runs_back(void **state)
{
    uint64_t last = clock_mono_ns();
    for (size_t i = 0; i < 10000; i++) {
        uint64_t now = clock_mono_ns();
        assert_true(now >= last);
        last = now;
    }
}

static void the_wall_clock_is_the_one_of_the_system(void **state)
{
    time_t before = time(NULL);
    uint64_t now_s = clock_wall_ns() / CLOCK_NS_PER_S;
    /* time(2) may lag by a tick, and the clock may be set meanwhile: ten seconds are no error */
    assert_true(now_s + 10 >= (uint64_t)before && now_s <= (uint64_t)before + 10);
}

static int a_minute_past(clockid_t clock, struct timespec *out)
{
    *out = (struct timespec){.tv_sec = clock == CLOCK_REALTIME ? 3600 : 60, .tv_nsec = 1};
    return 0;
}

static void another_source_may_tell_the_time(void **state)
{
    struct clock_source before = clock_source;
    clock_source.gettime = a_minute_past;
    uint64_t mono_ns = clock_mono_ns(), wall_ns = clock_wall_ns();
    clock_source = before;
    assert_int_equal(mono_ns, 60 * CLOCK_NS_PER_S + 1);
    assert_int_equal(wall_ns, 3600 * CLOCK_NS_PER_S + 1);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(durations_become_nanoseconds),
    cmocka_unit_test(the_longest_duration_may_be_added_to_now),
    cmocka_unit_test(nanoseconds_become_a_timeval_rounded_down),
    cmocka_unit_test(the_monotonic_clock_never_runs_back),
    cmocka_unit_test(the_wall_clock_is_the_one_of_the_system),
    cmocka_unit_test(another_source_may_tell_the_time),
};
HARNESS_MAIN(tests)
