/* SPDX-License-Identifier: MIT */
/*
 * Goal: mail runs in order and exactly once, a sleeping loop is woken for it and one that is
 * awake costs its senders no system call, and a loop with nothing to do makes no turns.
 * Method: loops of our own whose poller is wrapped so that its calls are counted.
 */
#include "counted.h"
#include "in_loop.h"

#include "base/alloc.h"

#include <errno.h>
#include <poll.h>

static struct loop *loop;

static int begin(void **state)
{
    atomic_store(&counted_waits, 0);
    atomic_store(&counted_wakes, 0);
    if (loop_new("e:test/0", NULL, 0, &loop) != 0)
        return 1;
    return loop_start(loop);
}

static void stop(struct loop *running)
{
    loop_stop(running);
    pthread_join(running->thread, NULL);
    loop_free(running);
}

static int end(void **state)
{
    stop(loop);
    assert_checks();
    return 0;
}

static void run_there(void (*fn)(void *closure), void *closure)
{
    struct errand errand;
    errand_send(&errand, loop, fn, closure);
    errand_wait(&errand);
}

static void wait_until_asleep(void)
{
    while (!atomic_load(&loop->is_asleep))
        sched_yield();
}

/* ---- order ----------------------------------------------------------------------- */

#define ORDER_COUNT 500

static int order[ORDER_COUNT], order_len;

static void note_number(void *closure)
{
    order[order_len++] = *(int *)closure;
}

static void mail_runs_in_the_order_in_which_it_was_posted(void **state)
{
    static struct errand errands[ORDER_COUNT];
    static int numbers[ORDER_COUNT];
    order_len = 0;
    for (int i = 0; i < ORDER_COUNT; i++) {
        numbers[i] = i;
        errand_send(&errands[i], loop, note_number, &numbers[i]);
    }
    for (int i = 0; i < ORDER_COUNT; i++)
        errand_wait(&errands[i]);
    for (int i = 0; i < ORDER_COUNT; i++)
        assert_int_equal(order[i], i);
}

static void look_around(void *closure)
{
    char title[16];
    check(loop_self == loop);
    check(pthread_equal(pthread_self(), loop->thread) != 0);
    pthread_getname_np(pthread_self(), title, sizeof(title));
    check(strcmp(title, "e:test/0") == 0);
    check(strcmp(eventer_get_thread_name(), "e:test/0") == 0);
    check(eventer_in_loop());
}

static void mail_runs_in_the_threads_of_its_loop(void **state)
{
    assert_false(eventer_in_loop());
    assert_null(loop_self);
    assert_string_equal(eventer_get_thread_name(), "");
    run_there(look_around, NULL);
}

static struct errand chained;

static void post_another(void *closure)
{
    errand_send(&chained, loop, do_nothing, NULL);
}

static void mail_that_is_posted_by_mail_needs_no_wake(void **state)
{
    wait_until_asleep();
    atomic_store(&counted_wakes, 0);
    run_there(post_another, NULL);
    errand_wait(&chained);
    assert_int_equal(counted_wakes, 1); /* the first one's */
}

/* ---- waking ---------------------------------------------------------------------- */

static void a_loop_that_is_awake_is_not_woken(void **state)
{
    static struct errand errands[100];
    struct hold hold;
    hold_begin(&hold, loop);
    atomic_store(&counted_wakes, 0);
    for (size_t i = 0; i < 100; i++)
        errand_send(&errands[i], loop, do_nothing, NULL);
    loop_wake(loop);
    assert_int_equal(counted_wakes, 0);
    hold_end(&hold);
    for (size_t i = 0; i < 100; i++)
        errand_wait(&errands[i]);
    assert_int_equal(counted_wakes, 0);
}

static void a_loop_that_sleeps_is_woken_once(void **state)
{
    for (int i = 0; i < 100; i++) {
        wait_until_asleep();
        atomic_store(&counted_wakes, 0);
        run_there(do_nothing, NULL);
        assert_int_equal(counted_wakes, 1);
    }
}

#define SENDER_COUNT 8
#define STORM_COUNT  5000

struct storm_mail {
    struct mail mail;
    struct tally *tally; /* NULL: nobody waits for it */
    size_t sender, number;
};

static struct storm_mail storm[SENDER_COUNT][STORM_COUNT];
static size_t storm_next[SENDER_COUNT]; /* the letter of a sender whose turn it is */

static void count_storm(struct mail *mail, struct loop *running)
{
    struct storm_mail *letter = list_entry(mail, struct storm_mail, mail);
    check_int(letter->number, storm_next[letter->sender]);
    storm_next[letter->sender]++;
    if (letter->tally != NULL)
        tally_raise(letter->tally);
}

/* Every hundredth letter is waited for, so that the loop falls asleep again and again. */
static void *send_storm(void *closure)
{
    struct storm_mail *letters = closure;
    struct tally tally = TALLY_NONE;
    for (size_t i = 0; i < STORM_COUNT; i++) {
        bool is_last = i % 100 == 99;
        letters[i] = (struct storm_mail){.mail.run = count_storm,
                                         .tally = is_last ? &tally : NULL,
                                         .sender = (size_t)(letters - storm[0]) / STORM_COUNT,
                                         .number = i};
        loop_post(loop, &letters[i].mail);
        if (is_last)
            tally_wait(&tally);
    }
    return NULL;
}

static void a_storm_is_run_in_order_and_wakes_no_more_often_than_the_loop_sleeps(void **state)
{
    pthread_t senders[SENDER_COUNT];
    memset(storm_next, 0, sizeof(storm_next));
    for (size_t i = 0; i < SENDER_COUNT; i++)
        assert_int_equal(pthread_create(&senders[i], NULL, send_storm, storm[i]), 0);
    for (size_t i = 0; i < SENDER_COUNT; i++)
        pthread_join(senders[i], NULL);
    run_there(do_nothing, NULL);
    for (size_t i = 0; i < SENDER_COUNT; i++)
        assert_int_equal(storm_next[i], STORM_COUNT);
    assert_in_range(counted_wakes, 1, counted_waits); /* of 40,000 that were sent */
    assert_checks();
}

/* ---- rest ------------------------------------------------------------------------ */

#define REST_MS 700 /* nothing to wait for: that nothing happens is what is shown */

static void read_waits(void *closure)
{
    *(int *)closure = atomic_load(&counted_waits);
}

/* One wait begins after this mail; the wake for it may come late, and end that one for another. */
static void an_idle_loop_makes_no_turns(void **state)
{
    int before;
    run_there(read_waits, &before);
    poll(NULL, 0, REST_MS);
    assert_in_range(counted_waits, before + 1, before + 2);
}

static void never_fire(struct wheel_node *node)
{
    check(false);
}

static struct wheel_node far_node;

static void arm_far_timer(void *closure)
{
    far_node = (struct wheel_node){.fire = never_fire};
    wheel_add(&loop->wheel, &far_node, clock_mono_ns() + 3600 * CLOCK_NS_PER_S);
}

static void disarm_far_timer(void *closure)
{
    wheel_cancel(&far_node);
}

static void a_far_timer_costs_hardly_a_turn(void **state)
{
    int before;
    run_there(arm_far_timer, NULL);
    run_there(read_waits, &before);
    poll(NULL, 0, REST_MS);
    assert_in_range(counted_waits, before + 1,
                    before + 3); /* a coarse slot of the wheel may have ended */
    run_there(disarm_far_timer, NULL);
}

static void note_clocks(void *closure)
{
    struct timeval first, second;
    eventer_gettimeofcallback(&first, NULL);
    uint64_t us = eventer_callback_us();
    eventer_gettimeofcallback(&second, NULL);
    check_int(compare_timeval(first, second), 0); /* one reading a turn */
    check_int(us / 1000, eventer_callback_ms());
    struct timeval now = clock_timeval(clock_wall_ns());
    check(sub_timeval_ms(now, first) < 10000);
    check(clock_mono_ns() - loop->now_ns < 10 * CLOCK_NS_PER_S);
}

static void the_clock_of_a_turn_is_fresh_after_a_long_sleep(void **state)
{
    struct timeval now;
    wait_until_asleep();
    run_there(note_clocks, NULL);
    assert_int_equal(eventer_gettimeofcallback(&now, NULL), 0); /* elsewhere: as of now */
    assert_true(now.tv_sec > 0);
    assert_int_equal(mtev_gettimeofday(&now, NULL), 0);
    assert_true(now.tv_sec > 0);
}

/* ---- starting and stopping ------------------------------------------------------- */

static void make_and_free(void *closure)
{
    struct loop *made = NULL;
    int err = loop_new("test", NULL, 0, &made);
    assert_true(err == 0 || (err == -ENOMEM && made == NULL));
    loop_free(made);
}

static void a_loop_that_cannot_be_made_leaves_nothing(void **state)
{
    harness_fail_each_allocation(make_and_free, NULL);
    loop_free(NULL);
}

static int started, drained, stopped;

static int fail_to_start(struct loop *failing)
{
    return -ENOMEM;
}

static int note_start(struct loop *starting)
{
    started++;
    return 0;
}

static bool drain_thrice(struct loop *draining)
{
    return ++drained < 3;
}

static void note_stop(struct loop *stopping)
{
    stopped++;
}

static void the_hooks_of_a_loop_run_in_its_thread(void **state)
{
    struct loop *made;
    loop_set_hooks(
        &(struct loop_hooks){.start = note_start, .drain = drain_thrice, .stop = note_stop});
    assert_int_equal(loop_new("test", NULL, 0, &made), 0);
    assert_int_equal(loop_start(made), 0);
    struct errand errand = {.mail.run = errand_run, .fn = do_nothing, .done = TALLY_NONE};
    loop_post(made, &errand.mail); /* its turn has begun then, and drains before it ends */
    errand_wait(&errand);
    stop(made);
    assert_int_equal(started, 1);
    assert_true(drained >= 1);
    assert_int_equal(stopped, 1);
    loop_set_hooks(&(struct loop_hooks){NULL, NULL, NULL});
}

static void a_hook_that_fails_ends_the_start(void **state)
{
    struct loop *made;
    loop_set_hooks(&(struct loop_hooks){.start = fail_to_start});
    assert_int_equal(loop_new("test", NULL, 0, &made), 0);
    assert_int_equal(loop_start(made), -ENOMEM);
    assert_true(made->thread == 0); /* its thread is gone and joined */
    loop_free(made);
    loop_set_hooks(&(struct loop_hooks){NULL, NULL, NULL});
}

#define with_loop(test) cmocka_unit_test_setup_teardown(test, begin, end)

static const struct CMUnitTest tests[] = {
    with_loop(mail_runs_in_the_order_in_which_it_was_posted),
    with_loop(mail_runs_in_the_threads_of_its_loop),
    with_loop(mail_that_is_posted_by_mail_needs_no_wake),
    with_loop(a_loop_that_is_awake_is_not_woken),
    with_loop(a_loop_that_sleeps_is_woken_once),
    with_loop(a_storm_is_run_in_order_and_wakes_no_more_often_than_the_loop_sleeps),
    with_loop(an_idle_loop_makes_no_turns),
    with_loop(a_far_timer_costs_hardly_a_turn),
    with_loop(the_clock_of_a_turn_is_fresh_after_a_long_sleep),
    cmocka_unit_test(a_loop_that_cannot_be_made_leaves_nothing),
    cmocka_unit_test(the_hooks_of_a_loop_run_in_its_thread),
    cmocka_unit_test(a_hook_that_fails_ends_the_start),
};

int main(void)
{
    count_pollers();
    return harness_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]));
}
