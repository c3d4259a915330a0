/* SPDX-License-Identifier: MIT */
/*
 * Goal: who registers a context is told of every event and every callback, and keeps a pointer in
 * each event that is made from then on.
 * Method: two contexts that write down what they are told; then as many as there is room for.
 */
#include "clean.h"

#include "eventer/event.h"

#include <eventer/eventer_jobq.h>

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define SEEN_SIZE 256

static char seen[SEEN_SIZE];
static pthread_mutex_t seen_lock = PTHREAD_MUTEX_INITIALIZER;
static int first, second; /* indices */
static _Atomic int alive, steps;

static void note(const char *what)
{
    pthread_mutex_lock(&seen_lock);
    size_t len = strlen(seen);
    snprintf(seen + len, sizeof(seen) - len, "%s ", what);
    pthread_mutex_unlock(&seen_lock);
}

static void assert_seen(const char *what)
{
    pthread_mutex_lock(&seen_lock);
    assert_string_equal(seen, what);
    seen[0] = '\0';
    pthread_mutex_unlock(&seen_lock);
}

static void on_init(eventer_t e)
{
    alive++;
}

static void on_deinit(eventer_t e)
{
    alive--;
}

static void on_copy(eventer_t e, const eventer_t src)
{
    eventer_set_context(e, first, eventer_get_context(src, first));
}

static void first_prepares(eventer_t e, int mask, void *closure, struct timeval *now)
{
    note("first");
}

static void first_cleans_up(eventer_t e, int mask)
{
    note("/first");
}

static void second_prepares(eventer_t e, int mask, void *closure, struct timeval *now)
{
    note(mask == EVENTER_READ             ? "read"
         : mask == EVENTER_TIMER          ? "timer"
         : mask == EVENTER_ASYNCH_WORK    ? "work"
         : mask == EVENTER_ASYNCH         ? "complete"
         : mask == EVENTER_ASYNCH_CLEANUP ? "cleanup"
                                          : "?");
}

static void second_cleans_up(eventer_t e, int mask)
{
    note("/second");
}

static const eventer_context_opset_t first_opset = {.eventer_t_init = on_init,
                                                    .eventer_t_deinit = on_deinit,
                                                    .eventer_t_copy = on_copy,
                                                    .eventer_t_callback_prep = first_prepares,
                                                    .eventer_t_callback_cleanup = first_cleans_up};
static const eventer_context_opset_t second_opset = {
    .eventer_t_callback_prep = second_prepares, .eventer_t_callback_cleanup = second_cleans_up};
static const eventer_context_opset_t empty_opset;

static int run(eventer_t e, int mask, void *closure, struct timeval *now)
{
    check(event_this == e);
    note("run");
    steps++;
    return 0;
}

static void an_event_that_is_older_has_no_room(void **state)
{
    eventer_t old = eventer_alloc_recurrent(run, NULL);
    assert_int_equal(eventer_register_context(NULL, &first_opset), -1);
    assert_int_equal(errno, EINVAL);
    assert_logged(1, "no name");
    assert_int_equal(eventer_register_context("nothing", NULL), -1);
    assert_logged(1, "no opset");
    first = eventer_register_context("first", &first_opset);
    second = eventer_register_context("second", &second_opset);
    assert_int_equal(first, 0);
    assert_int_equal(second, 1);
    errno = 0;
    assert_null(eventer_get_context(old, first));
    assert_int_equal(errno, EINVAL);
    assert_logged(1, "before that context");
    assert_null(eventer_set_context(old, first, &steps));
    assert_logged(1, "before that context");
    eventer_free(old);
}

static void a_pointer_is_kept_in_each_event(void **state)
{
    int a, b;
    int before = alive;
    eventer_t e = eventer_alloc_fd(run, NULL, 1, EVENTER_READ);
    assert_int_equal(alive, before + 1);
    assert_null(eventer_get_context(e, first));
    assert_null(eventer_set_context(e, first, &a));
    assert_ptr_equal(eventer_set_context(e, first, &b), &a);
    assert_null(eventer_set_context(e, second, &a));
    eventer_t copy = eventer_alloc_copy(e);
    assert_int_equal(alive, before + 2);
    assert_ptr_equal(eventer_get_context(copy, first), &b);
    assert_null(eventer_get_context(copy, second));
    eventer_set_mask(e, EVENTER_TIMER); /* another kind of event */
    assert_ptr_equal(eventer_get_context(e, second), &a);
    assert_null(eventer_get_context(e, 2));
    assert_null(eventer_get_context(e, -1));
    assert_logged(2, "eventer_get_context");
    eventer_free(e);
    eventer_free(copy);
    assert_int_equal(alive, before);
}

static void every_callback_is_framed(void **state)
{
    int fds[2];
    steps = 0;
    eventer_add_in_s_us(run, NULL, 0, 0);
    while (steps < 1)
        sched_yield();
    settle_all();
    assert_seen("first timer run /second /first ");

    assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
    eventer_t e = eventer_alloc_fd(run, NULL, fds[0], EVENTER_READ);
    assert_int_equal(write(fds[1], "x", 1), 1);
    eventer_add(e);
    while (steps < 2)
        sched_yield();
    settle_all();
    assert_seen("first read run /second /first ");
    assert_logged(1, "it returned 0 and did not call eventer_remove()");
    close(fds[0]);
    close(fds[1]);

    eventer_add(eventer_alloc_asynch(run, NULL));
    while (steps < 5)
        sched_yield();
    settle_all();
    assert_seen("first work run /second /first first cleanup run /second /first "
                "first complete run /second /first ");
}

static void a_callback_may_be_run_by_hand(void **state)
{
    struct timeval now = {1, 0};
    uint64_t duration_ns = 0;
    eventer_t e = eventer_alloc_timer(run, NULL, &now);
    assert_null(event_this);
    assert_int_equal(eventer_run_callback(run, e, EVENTER_TIMER, NULL, &now, &duration_ns), 0);
    assert_true(duration_ns > 0);
    assert_seen("first timer run /second /first ");
    assert_int_equal(eventer_callback(e, EVENTER_TIMER, NULL, &now), 0);
    assert_seen("first timer run /second /first ");
    assert_null(event_this);
    eventer_free(e);
}

static void there_is_room_for_some(void **state)
{
    for (int i = 2; i < EVENTER_CONTEXTS_MAX; i++)
        assert_int_equal(eventer_register_context("more", &empty_opset), i);
    assert_int_equal(eventer_register_context("too many", &empty_opset), -1);
    assert_int_equal(errno, ENOSPC);
    assert_logged(1, "too many: there are 8 already");
    int here;
    eventer_t e = eventer_alloc();
    assert_null(eventer_set_context(e, EVENTER_CONTEXTS_MAX - 1, &here));
    assert_ptr_equal(eventer_get_context(e, EVENTER_CONTEXTS_MAX - 1), &here);
    eventer_free(e);
}

static const struct CMUnitTest tests[] = {
    clean_test(an_event_that_is_older_has_no_room),
    clean_test(a_pointer_is_kept_in_each_event),
    clean_test(every_callback_is_framed),
    clean_test(a_callback_may_be_run_by_hand),
    clean_test(there_is_room_for_some),
};

int main(void)
{
    logged_begin();
    start_loops(1);
    return harness_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]));
}
