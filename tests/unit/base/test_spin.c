/* SPDX-License-Identifier: MIT */
/*
 * Goal: a look-out ends as soon as what it waits for is there, or when its time is over.
 * Method: what is there at the nth look, and never.
 */
#include "harness.h"

#include "base/spin.h"

static bool is_the_last_look(void *left)
{
    return --*(int *)left == 0;
}

static bool is_never_there(void *looks)
{
    ++*(int *)looks;
    return false;
}

static void it_ends_when_it_is_there(void **state)
{
    int left = 3 * SPIN_LOOKS / 2;
    bool was_there = false;
    while (!was_there && left > 0) /* a look-out may be cut short by the scheduler */
        was_there = spin_until(is_the_last_look, &left, clock_mono_ns());
    assert_true(was_there);
    assert_int_equal(left, 0);
}

static void it_ends_when_its_time_is_over(void **state)
{
    int looks = 0;
    uint64_t start_ns = clock_mono_ns();
    assert_false(spin_until(is_never_there, &looks, start_ns));
    assert_true(clock_mono_ns() - start_ns >= SPIN_NS_MAX);
    assert_true(looks >= SPIN_LOOKS);
    looks = 0;
    assert_false(spin_until(is_never_there, &looks, start_ns)); /* over before it began */
    assert_int_equal(looks, SPIN_LOOKS);
}

static void with_one_processor_nobody_looks(void **state)
{
    int looks = 0;
    bool before = spin_is_futile;
    spin_is_futile = true;
    assert_false(spin_until(is_never_there, &looks, clock_mono_ns()));
    assert_int_equal(looks, 0);
    spin_is_futile = before;
}

static int set_up(void **state)
{
    spin_is_futile = false; /* also where there is one */
    return 0;
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup(it_ends_when_it_is_there, set_up),
    cmocka_unit_test_setup(it_ends_when_its_time_is_over, set_up),
    cmocka_unit_test_setup(with_one_processor_nobody_looks, set_up),
};
HARNESS_MAIN(tests)
