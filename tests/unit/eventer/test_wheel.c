/* SPDX-License-Identifier: MIT */
/*
 * Goal: a timer fires once, never early and at most one tick late, whatever is added, moved and
 * cancelled meanwhile, up to the end of time.
 * Method: a long seeded walk of random operations against a plain array of due times; then the
 * edges by hand.
 */
#include "harness.h"

#include "eventer/wheel.h"

#include <string.h>

#define NODE_COUNT 150
#define WALK_COUNT 150000
#define TICK_NS    ((uint64_t)1 << WHEEL_TICK_SHIFT)

struct timer {
    struct wheel_node node;
    bool is_armed; /* as the model has it */
    unsigned fired;
};

static struct wheel wheel;
static struct timer timers[NODE_COUNT];

static uint64_t random_state;

static uint64_t next_random(void)
{
    random_state ^= random_state << 13; /* Marsaglia's xorshift64 */
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static void note(struct wheel_node *node)
{
    list_entry(node, struct timer, node)->fired++;
}

static void begin(uint64_t now_ns)
{
    memset(timers, 0, sizeof(timers));
    for (size_t i = 0; i < NODE_COUNT; i++)
        timers[i].node.fire = note;
    wheel_init(&wheel, now_ns);
}

/* A time from a little in the past to hours ahead; near ones are as likely as far ones. */
static uint64_t random_due(uint64_t now_ns)
{
    uint64_t span = (uint64_t)1 << (next_random() % 46);
    uint64_t offset = next_random() % span;
    return next_random() % 16 == 0 && offset < now_ns ? now_ns - offset : now_ns + offset;
}

static uint64_t earliest(void)
{
    uint64_t due_ns = WHEEL_NEVER;
    for (size_t i = 0; i < NODE_COUNT; i++)
        if (timers[i].is_armed && timers[i].node.due_ns < due_ns)
            due_ns = timers[i].node.due_ns;
    return due_ns;
}

static void run_and_compare(uint64_t now_ns)
{
    unsigned fired = wheel_run(&wheel, now_ns), wanted = 0;
    for (size_t i = 0; i < NODE_COUNT; i++) {
        struct timer *timer = &timers[i];
        uint64_t due_ns = timer->node.due_ns;
        if (timer->fired > 0) {
            assert_true(timer->is_armed);
            assert_int_equal(timer->fired, 1);
            assert_true(due_ns <= now_ns); /* never early */
            timer->is_armed = false;
            timer->fired = 0;
            wanted++;
        } else if (timer->is_armed) { /* late by less than a tick */
            assert_true(due_ns > now_ns || now_ns - due_ns < TICK_NS);
        }
        assert_int_equal(wheel_is_armed(&timer->node), timer->is_armed);
    }
    assert_int_equal(fired, wanted);
}

static void one_step(uint64_t *now_ns)
{
    struct timer *timer = &timers[next_random() % NODE_COUNT];
    switch (next_random() % 8) {
    case 0:
    case 1:
    case 2: /* add, or move */
        wheel_add(&wheel, &timer->node, random_due(*now_ns));
        timer->is_armed = true;
        break;
    case 3:
        wheel_cancel(&timer->node);
        timer->is_armed = false;
        break;
    case 4: /* a turn after a random while */
        *now_ns += next_random() % ((uint64_t)1 << (next_random() % 40));
        run_and_compare(*now_ns);
        break;
    case 5: /* what a loop does: sleep as long as it is told, and run */
        if (wheel_next_ns(&wheel) != WHEEL_NEVER && wheel_next_ns(&wheel) > *now_ns)
            *now_ns = wheel_next_ns(&wheel);
        run_and_compare(*now_ns);
        break;
    default:
        *now_ns += next_random() % (4 * TICK_NS);
        run_and_compare(*now_ns);
        break;
    }
}

static void a_long_random_walk_agrees_with_a_plain_list(void **state)
{
    uint64_t now_ns = 123456789012345;
    random_state = 88172645463325252;
    begin(now_ns);
    for (unsigned i = 0; i < WALK_COUNT; i++) {
        one_step(&now_ns);
        if (i % 8 == 0)
            assert_true(wheel_check(&wheel));
        if (i % 3 == 0) /* a loop that is busy does not ask before the next run */
            continue;
        uint64_t first_ns = earliest(), next_ns = wheel_next_ns(&wheel);
        if (first_ns == WHEEL_NEVER)
            assert_int_equal(next_ns, WHEEL_NEVER);
        else /* never told to sleep past the tick of the earliest */
            assert_true(next_ns < first_ns + TICK_NS);
    }
}

static void sleeping_as_told_reaches_a_far_timer_in_few_turns(void **state)
{
    const uint64_t due_ns = 86400 * UINT64_C(365000000000);
    uint64_t now_ns = 0;
    unsigned turns = 0;
    begin(now_ns);
    wheel_add(&wheel, &timers[0].node, due_ns);
    while (timers[0].fired == 0) {
        uint64_t next_ns = wheel_next_ns(&wheel);
        assert_true(next_ns > now_ns);
        now_ns = next_ns;
        wheel_run(&wheel, now_ns);
        turns++;
    }
    assert_true(now_ns >= due_ns && now_ns - due_ns < TICK_NS);
    assert_true(turns <= WHEEL_LEVEL_COUNT);
}

static void runs_with_nothing_to_do_keep_the_wheel_up_with_the_clock(void **state)
{
    begin(0);
    for (uint64_t now = 1; now < 1000000; now += 777) {
        assert_int_equal(wheel_next_ns(&wheel), WHEEL_NEVER);
        assert_int_equal(wheel_run(&wheel, now * TICK_NS), 0);
        wheel_add(&wheel, &timers[0].node, (now + 5) * TICK_NS);
        assert_true(wheel_next_ns(&wheel) > now * TICK_NS); /* or a turn would not sleep */
        wheel_cancel(&timers[0].node);
    }
}

static void an_earlier_timer_is_seen_after_a_later_one_was_waited_for(void **state)
{
    begin(0);
    wheel_add(&wheel, &timers[0].node, 100000 * TICK_NS);
    assert_true(wheel_next_ns(&wheel) > 5 * TICK_NS);
    assert_int_equal(wheel_run(&wheel, 3 * TICK_NS), 0);
    wheel_add(&wheel, &timers[1].node, 5 * TICK_NS);
    assert_int_equal(wheel_run(&wheel, 5 * TICK_NS), 1);
    assert_int_equal(timers[1].fired, 1);
}

static void a_timer_due_on_a_tick_fires_on_it_and_not_a_nanosecond_before(void **state)
{
    begin(0);
    wheel_add(&wheel, &timers[0].node, 10 * TICK_NS);
    wheel_add(&wheel, &timers[1].node, 10 * TICK_NS + 1);
    assert_int_equal(wheel_run(&wheel, 10 * TICK_NS - 1), 0);
    assert_int_equal(wheel_run(&wheel, 10 * TICK_NS), 1);
    assert_int_equal(timers[0].fired, 1);
    assert_int_equal(wheel_run(&wheel, 11 * TICK_NS - 1), 0);
    assert_int_equal(wheel_run(&wheel, 11 * TICK_NS), 1);
    assert_int_equal(wheel_run(&wheel, 100 * TICK_NS), 0);
}

static void a_time_in_the_past_fires_on_the_next_run(void **state)
{
    begin(1000 * TICK_NS);
    wheel_add(&wheel, &timers[0].node, 0);
    assert_int_equal(wheel_next_ns(&wheel), 0);
    assert_int_equal(wheel_run(&wheel, 1000 * TICK_NS), 1);
    assert_int_equal(wheel_next_ns(&wheel), WHEEL_NEVER);
}

static void the_ends_of_every_level_are_exact(void **state)
{
    for (unsigned level = 0; level < WHEEL_LEVEL_COUNT; level++) {
        for (int by = -1; by <= 1; by++) {
            uint64_t ticks = ((uint64_t)1 << (level * WHEEL_SLOT_BITS)) + (uint64_t)by;
            if (ticks == 0)
                continue;
            begin(0);
            wheel_add(&wheel, &timers[0].node, ticks * TICK_NS);
            assert_true(wheel_check(&wheel));
            assert_int_equal(wheel_run(&wheel, (ticks - 1) * TICK_NS), 0);
            assert_true(wheel_check(&wheel));
            assert_int_equal(wheel_run(&wheel, ticks * TICK_NS), 1);
        }
    }
}

static void the_end_of_time_can_be_waited_for(void **state)
{
    begin(UINT64_MAX / 2);
    wheel_add(&wheel, &timers[0].node, UINT64_MAX);
    wheel_add(&wheel, &timers[1].node, UINT64_MAX - 1);
    wheel_add(&wheel, &timers[2].node, UINT64_MAX - 3 * TICK_NS);
    assert_true(wheel_check(&wheel));
    assert_int_equal(wheel_run(&wheel, UINT64_MAX - 2 * TICK_NS), 1);
    assert_int_equal(wheel_run(&wheel, UINT64_MAX), 2);
}

/* ---- callbacks that change the wheel --------------------------------------------- */

static void add_again_at_once(struct wheel_node *node)
{
    note(node);
    wheel_add(&wheel, node, 0);
}

static void what_a_callback_adds_waits_for_the_next_run(void **state)
{
    begin(0);
    timers[0].node.fire = add_again_at_once;
    wheel_add(&wheel, &timers[0].node, 0);
    for (unsigned i = 1; i <= 5; i++) {
        assert_int_equal(wheel_run(&wheel, TICK_NS), 1);
        assert_int_equal(timers[0].fired, i);
    }
    wheel_cancel(&timers[0].node);
    assert_int_equal(wheel_run(&wheel, TICK_NS), 0);
}

static void cancel_the_next(struct wheel_node *node)
{
    note(node);
    wheel_cancel(&list_entry(node, struct timer, node)[1].node);
}

static void move_the_next(struct wheel_node *node)
{
    note(node);
    wheel_add(&wheel, &list_entry(node, struct timer, node)[1].node, 50 * TICK_NS);
}

static void a_callback_may_cancel_or_move_one_that_is_due(void **state)
{
    begin(0);
    timers[0].node.fire = cancel_the_next;
    timers[2].node.fire = move_the_next;
    for (size_t i = 0; i < 4; i++)
        wheel_add(&wheel, &timers[i].node, TICK_NS);
    assert_int_equal(wheel_run(&wheel, TICK_NS), 2);
    assert_int_equal(timers[1].fired, 0);
    assert_int_equal(timers[3].fired, 0);
    assert_int_equal(wheel_run(&wheel, 50 * TICK_NS), 1);
    assert_int_equal(timers[1].fired, 0);
    assert_int_equal(timers[3].fired, 1);
    wheel_cancel(&timers[0].node); /* on no wheel: nothing to do */
}

/* ---- a slot at a time ------------------------------------------------------------ */

static unsigned shown[NODE_COUNT];

static void show(struct wheel_node *node, void *closure)
{
    shown[list_entry(node, struct timer, node) - timers]++;
}

static void a_walk_by_slots_meets_once_what_stays_while_time_goes_on(void **state)
{
    uint64_t now_ns = 123456789012345;
    random_state = 88172645463325252;
    for (unsigned walk = 0; walk < 200; walk++) {
        begin(now_ns);
        memset(shown, 0, sizeof(shown));
        for (size_t i = 0; i < NODE_COUNT; i++)
            wheel_add(&wheel, &timers[i].node, random_due(now_ns));
        uint64_t from = 0, before = 0;
        while ((from = wheel_each_from(&wheel, from, show, NULL)) != WHEEL_NEVER) {
            assert_true(from > before);
            before = from;
            now_ns += next_random() % ((uint64_t)1 << (next_random() % 36));
            wheel_run(&wheel, now_ns);
        }
        for (size_t i = 0; i < NODE_COUNT; i++) {
            assert_true(shown[i] <= 1);
            if (timers[i].fired == 0)
                assert_int_equal(shown[i], 1);
        }
    }
}

static void the_ends_of_time_are_met(void **state)
{
    begin(0);
    memset(shown, 0, sizeof(shown));
    wheel_add(&wheel, &timers[0].node, 0);
    wheel_add(&wheel, &timers[1].node, UINT64_MAX);
    uint64_t from = wheel_each_from(&wheel, 0, show, NULL);
    assert_int_equal(shown[0], 1);
    assert_int_equal(shown[1], 0);
    while (from != WHEEL_NEVER)
        from = wheel_each_from(&wheel, from, show, NULL);
    assert_int_equal(shown[0], 1);
    assert_int_equal(shown[1], 1);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_long_random_walk_agrees_with_a_plain_list),
    cmocka_unit_test(sleeping_as_told_reaches_a_far_timer_in_few_turns),
    cmocka_unit_test(runs_with_nothing_to_do_keep_the_wheel_up_with_the_clock),
    cmocka_unit_test(an_earlier_timer_is_seen_after_a_later_one_was_waited_for),
    cmocka_unit_test(a_timer_due_on_a_tick_fires_on_it_and_not_a_nanosecond_before),
    cmocka_unit_test(a_time_in_the_past_fires_on_the_next_run),
    cmocka_unit_test(the_ends_of_every_level_are_exact),
    cmocka_unit_test(the_end_of_time_can_be_waited_for),
    cmocka_unit_test(what_a_callback_adds_waits_for_the_next_run),
    cmocka_unit_test(a_callback_may_cancel_or_move_one_that_is_due),
    cmocka_unit_test(a_walk_by_slots_meets_once_what_stays_while_time_goes_on),
    cmocka_unit_test(the_ends_of_time_are_met),
};
HARNESS_MAIN(tests)
