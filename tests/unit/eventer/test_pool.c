/* SPDX-License-Identifier: MIT */
/*
 * Goal: eventer_init() makes the pools that the properties ask for, once; a failed one leaves
 * things as they were; owners are chosen by the documented formulas; the process ends when it is
 * asked to.
 * Method: one process can be initialised once, so the tests run in the order of such a life:
 * before, failing at each allocation and at each loop's start, and after.
 */
#include "in_loop.h"
#include "logged.h"

#include "base/alloc.h"
#include "eventer/props.h"

#include <errno.h>
#include <signal.h>

static int starts_left; /* starts of loops that succeed */
static _Atomic int started, stopped;

static int count_start(struct loop *loop)
{
    if (starts_left-- == 0)
        return -ENOMEM;
    atomic_fetch_add(&started, 1);
    return 0;
}

static void count_stop(struct loop *loop)
{
    atomic_fetch_add(&stopped, 1);
}

static void before_eventer_init_there_are_no_loops(void **state)
{
    struct timeval epoch;
    assert_null(eventer_pool("default"));
    assert_int_equal(eventer_loop_concurrency(), 0);
    assert_int_equal(eventer_is_loop(pthread_self()), -1);
    assert_int_equal(eventer_get_epoch(&epoch), -1);
    assert_true(eventer_choose_owner(3) == 0);
    assert_null(pool_first_loop());
    assert_null(eventer_default_jobq());
    assert_false(pool_request_stop());
    eventer_loop();
    assert_logged(1, "eventer_init() was not called");
}

/* The lowest free fd: the same before and after, unless some were left open. */
static int lowest_fd(void)
{
    int fd = dup(STDERR_FILENO);
    close(fd);
    return fd;
}

static void assert_init_fails(int err)
{
    int fd = lowest_fd();
    errno = 0;
    assert_int_equal(eventer_init(), -1);
    assert_int_equal(errno, err);
    alloc_fail_nth(0, 0);
    assert_logged(1, "cannot start the loops");
    assert_null(eventer_pool("default"));
    assert_null(pool_first_loop());
    assert_int_equal(eventer_loop_concurrency(), 0);
    assert_int_equal(atomic_load(&started), atomic_load(&stopped));
    assert_int_equal(lowest_fd(), fd);
}

static void a_loop_that_cannot_start_fails_eventer_init(void **state)
{
    for (int succeed = 0; succeed < 6; succeed++) { /* of the six loops */
        starts_left = succeed;
        assert_init_fails(ENOMEM);
    }
}

static void without_memory_eventer_init_fails_and_can_be_called_again(void **state)
{
    int fd = lowest_fd();
    for (uint64_t nth = 1;; nth++) {
        assert_true(nth < 1000);
        starts_left = 100;
        alloc_fail_nth(nth, nth % 2);
        int rv = eventer_init();
        uint64_t asked = alloc_asked();
        alloc_fail_nth(0, 0);
        if (rv == 0) {
            assert_true(asked < nth); /* it succeeds when nothing fails */
            break;
        }
        assert_int_equal(errno, ENOMEM);
        assert_logged(1, "cannot start the loops");
        assert_null(eventer_pool("default"));
        assert_int_equal(lowest_fd(), fd);
    }
    assert_null(eventer_pool(NULL));
    assert_non_null(eventer_pool("default"));
    harness_keep_fds();
}

static void a_second_eventer_init_changes_nothing(void **state)
{
    eventer_pool_t *pool = eventer_pool("default");
    errno = 0;
    assert_int_equal(eventer_init(), -1);
    assert_int_equal(errno, EALREADY);
    assert_logged(1, "it was called before");
    assert_ptr_equal(eventer_pool("default"), pool);
}

static void the_pools_are_those_that_were_asked_for(void **state)
{
    static const struct {
        const char *name;
        uint32_t count;
    } wanted[] = {{"default", 3}, {"web", 2}, {"one", 1}};
    int index = 0;
    for (size_t p = 0; p < 3; p++) {
        eventer_pool_t *pool = eventer_pool(wanted[p].name);
        assert_non_null(pool);
        assert_string_equal(eventer_pool_name(pool), wanted[p].name);
        assert_int_equal(eventer_pool_concurrency(pool), wanted[p].count);
        for (uint32_t i = 0; i < wanted[p].count; i++) {
            char name[32];
            snprintf(name, sizeof(name), "e:%s/%u", wanted[p].name, i);
            assert_string_equal(pool->loops[i]->name, name);
            assert_int_equal(eventer_is_loop(pool->loops[i]->thread), index);
            index++;
        }
    }
    assert_null(eventer_pool("none"));
    assert_null(eventer_pool(""));
    assert_int_equal(eventer_loop_concurrency(), 3);
    assert_int_equal(eventer_is_loop(pthread_self()), -1);
}

static void count_loop(struct loop *loop, void *closure)
{
    (*(int *)closure)++;
}

static void every_loop_can_be_visited(void **state)
{
    int count = 0;
    pool_each_loop(count_loop, &count);
    assert_int_equal(count, 6);
}

static void owners_are_chosen_by_the_formula(void **state)
{
    eventer_pool_t *pool = eventer_pool("default"), *web = eventer_pool("web");
    assert_true(eventer_choose_owner(0) == pool->loops[0]->thread);
    for (int n = 1; n < 20; n++) { /* loop 0 is left to n = 0 */
        assert_true(eventer_choose_owner(n) == pool->loops[n % 2 + 1]->thread);
        assert_true(eventer_choose_owner_pool(NULL, n) == eventer_choose_owner(n));
        assert_true(eventer_choose_owner_pool(web, n) == web->loops[n % 2]->thread);
        assert_true(eventer_choose_owner_pool(eventer_pool("one"), n) ==
                    eventer_pool("one")->loops[0]->thread);
    }
    assert_true(eventer_choose_owner_pool(web, 0) == web->loops[0]->thread);
    assert_true(eventer_is_loop(eventer_choose_owner(INT32_MIN)) >= 0);
    assert_true(eventer_is_loop(eventer_choose_owner(-1)) >= 0);
}

static void the_next_loop_is_each_in_turn(void **state)
{
    eventer_pool_t *web = eventer_pool("web");
    struct loop *first = pool_next_loop(web);
    struct loop *second = pool_next_loop(web);
    assert_ptr_not_equal(first, second);
    assert_ptr_equal(pool_next_loop(web), first);
    assert_ptr_equal(pool_next_loop(web), second);
}

static int never(eventer_t e, int mask, void *closure, struct timeval *now)
{
    return 0;
}

static void an_event_knows_its_pool(void **state)
{
    eventer_t e = eventer_in_s_us(never, NULL, 1, 0);
    assert_ptr_equal(eventer_get_pool_for_event(e), eventer_pool("default"));
    eventer_set_owner(e, eventer_choose_owner_pool(eventer_pool("web"), 1));
    assert_ptr_equal(eventer_get_pool_for_event(e), eventer_pool("web"));
    assert_false(eventer_thread_check(e));
    eventer_free(e);
}

static void eventer_init_leaves_its_marks_on_the_process(void **state)
{
    struct timeval epoch;
    struct sigaction action;
    assert_int_equal(eventer_get_epoch(&epoch), 0);
    assert_true(epoch.tv_sec > 0);
    sigaction(SIGPIPE, NULL, &action);
    assert_true(action.sa_handler == SIG_IGN);
}

/* ---- the end --------------------------------------------------------------------- */

static char hooks_seen[64];

static void start_a(void)
{
    strncat(hooks_seen, "a", 2);
}

static void start_b(void)
{
    strncat(hooks_seen, "b", 2);
}

static void stop_x(void)
{
    strncat(hooks_seen, "x", 2);
}

static void stop_y(void)
{
    strncat(hooks_seen, "y", 2);
}

static void ask_how_long(void *closure)
{
    struct timeval as_timeval, now, deadline;
    const double *seconds = closure;
    check(eventer_watchdog_timeout() == *seconds);
    check_int(eventer_watchdog_timeout_timeval(&as_timeval), mtev_true);
    check((double)as_timeval.tv_sec + (double)as_timeval.tv_usec / 1e6 == *seconds);
    check_int(eventer_heartbeat_deadline(&now, &deadline), mtev_true);
    double left =
        (double)(deadline.tv_sec - now.tv_sec) + (double)(deadline.tv_usec - now.tv_usec) / 1e6;
    check(left > *seconds - 5 && left <= *seconds + 1e-6);
    check_int(eventer_heartbeat_deadline(NULL, &deadline), mtev_true);
}

static void a_turn_may_take_as_long_as_its_pool_says(void **state)
{
    struct timeval out;
    eventer_pool_t *pool = eventer_pool("default");
    double seconds = EVENTER_WATCHDOG_TIMEOUT_S;
    in_loop(0, ask_how_long, &seconds);
    seconds = 7.5;
    eventer_pool_watchdog_timeout(pool, seconds);
    in_loop(0, ask_how_long, &seconds);
    eventer_pool_watchdog_timeout(pool, -1);
    assert_int_equal(errno, EINVAL);
    assert_logged(1, "default: it is to be 0 to 31536000 s");
    eventer_pool_watchdog_timeout(NULL, 1);
    assert_logged(1, "(null)");
    in_loop(0, ask_how_long, &seconds);
    eventer_pool_watchdog_timeout(pool, 0);
    seconds = EVENTER_WATCHDOG_TIMEOUT_S;
    in_loop(0, ask_how_long, &seconds);
    assert_true(eventer_watchdog_timeout() == 0);
    assert_int_equal(eventer_watchdog_timeout_timeval(&out), mtev_false);
    assert_int_equal(eventer_heartbeat_deadline(NULL, &out), mtev_false);
}

static void ask_for_the_name(void *closure)
{
    check(strcmp(eventer_get_thread_name(), "e:default/0") == 0);
}

static int ask_for_the_job_name(eventer_t e, int mask, void *closure, struct timeval *now)
{
    if (mask == EVENTER_ASYNCH_WORK)
        check(strcmp(eventer_get_thread_name(), "q:default_queue") == 0);
    if (mask == EVENTER_ASYNCH)
        tally_raise(closure);
    return 0;
}

static void threads_know_their_names(void **state)
{
    struct tally done = TALLY_NONE;
    assert_string_equal(eventer_get_thread_name(), "");
    in_loop(0, ask_for_the_name, NULL);
    eventer_add(eventer_alloc_asynch(ask_for_the_job_name, &done));
    tally_wait(&done);
    assert_checks();
}

static void the_machine_has_cores(void **state)
{
    int sockets = 0, cores = 0;
    if (eventer_cpu_sockets_and_cores(&sockets, &cores) != 0) {
        assert_int_equal(errno, ENOTSUP);
        return;
    }
    assert_true(sockets >= 1 && cores >= sockets);
    alloc_fail_nth(1, 0);
    assert_int_equal(eventer_cpu_sockets_and_cores(&sockets, &cores), -1);
    alloc_fail_nth(0, 0);
    assert_int_equal(errno, ENOMEM);
}

static mtev_hook_return_t note_start(void *closure)
{
    char *text = closure;
    snprintf(text + strlen(text), 4, "!");
    return MTEV_HOOK_CONTINUE;
}

static void do_no_more(void)
{
}

static void hooks_are_limited(void **state)
{
    assert_int_equal(pool_at_start(start_a), 0);
    assert_int_equal(pool_at_start(start_b), 0);
    assert_int_equal(pool_at_stop(stop_x), 0);
    assert_int_equal(pool_at_stop(stop_y), 0);
    for (int i = 2; i < POOL_HOOKS_MAX; i++) {
        assert_int_equal(pool_at_start(do_no_more), 0);
        assert_int_equal(pool_at_stop(do_no_more), 0);
    }
    assert_int_equal(pool_at_start(do_no_more), -ENOSPC);
    assert_int_equal(pool_at_stop(do_no_more), -ENOSPC);
}

static void *ask_for_the_end(void *closure)
{
    while (!pool_request_stop()) /* until somebody waits for it */
        sched_yield();
    return NULL;
}

static void eventer_loop_runs_hooks_until_it_is_asked_to_stop(void **state)
{
    pthread_t thread;
    assert_int_equal(eventer_started_hook_register("test", note_start, hooks_seen),
                     MTEV_HOOK_CONTINUE);
    eventer_loop_return();
    assert_string_equal(hooks_seen, "!ab");
    assert_int_equal(pool_at_start(start_b), 0); /* it comes late, and runs at once */
    assert_string_equal(hooks_seen, "!abb");
    assert_int_equal(pthread_create(&thread, NULL, ask_for_the_end, NULL), 0);
    eventer_loop();
    pthread_join(thread, NULL);
    assert_string_equal(hooks_seen, "!abbyx"); /* starts once, in order; stops in reverse */
    assert_int_equal(atomic_load(&started), atomic_load(&stopped));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(before_eventer_init_there_are_no_loops),
    cmocka_unit_test(a_loop_that_cannot_start_fails_eventer_init),
    cmocka_unit_test(without_memory_eventer_init_fails_and_can_be_called_again),
    cmocka_unit_test(a_second_eventer_init_changes_nothing),
    cmocka_unit_test(the_pools_are_those_that_were_asked_for),
    cmocka_unit_test(every_loop_can_be_visited),
    cmocka_unit_test(owners_are_chosen_by_the_formula),
    cmocka_unit_test(the_next_loop_is_each_in_turn),
    cmocka_unit_test(an_event_knows_its_pool),
    cmocka_unit_test(a_turn_may_take_as_long_as_its_pool_says),
    cmocka_unit_test(threads_know_their_names),
    cmocka_unit_test(the_machine_has_cores),
    cmocka_unit_test(eventer_init_leaves_its_marks_on_the_process),
    cmocka_unit_test(hooks_are_limited),
    cmocka_unit_test(eventer_loop_runs_hooks_until_it_is_asked_to_stop),
};

int main(void)
{
    static const char *props[][2] = {
        {"concurrency", "3"}, {"loop_web", "2"}, {"loop_one", "1"}, {"jobq_extra", "2"}};
    logged_begin();
    for (size_t i = 0; i < sizeof(props) / sizeof(props[0]); i++)
        if (eventer_propset(props[i][0], props[i][1]) != 0)
            return 1;
    loop_set_hooks(&(struct loop_hooks){.start = count_start, .stop = count_stop});
    return harness_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]));
}
