/* SPDX-License-Identifier: MIT */
/*
 * Goal: classic events on an fd: called when it is ready, as long and as often as their callback
 * wants, in the loop that owns them; a mistake is logged and harms nobody else.
 * Method: socket pairs and two running loops.  A callback notes what it sees in its probe; the
 * main thread reads the probe after the loop has settled.
 */
#include "clean.h"
#include "counted.h"

#include "base/alloc.h"
#include "eventer/event.h"

#include <fcntl.h>
#include <netinet/in.h>

struct probe {
    eventer_t e;
    int fds[2]; /* e's, and its peer */
    _Atomic int calls;
    _Atomic int mask;   /* of the last call */
    _Atomic int seen;   /* of all calls together */
    _Atomic int wanted; /* what the callback returns */
    _Atomic int loop_index;
    _Atomic int move_to; /* the loop to move to, -1: none */
    char last;           /* byte read last */
};

static int on_event(eventer_t e, int mask, void *closure, struct timeval *now)
{
    struct probe *probe = closure;
    int ignored;
    check_int(eventer_is_loop(pthread_self()), loop_self->index);
    check(eventer_thread_check(e));
    check(now->tv_sec > 0);
    if (mask & EVENTER_READ)
        (void)eventer_read(e, &probe->last, 1, &ignored);
    int move_to = atomic_exchange(&probe->move_to, -1);
    if (move_to >= 0)
        eventer_set_owner(e, loop_at((uint32_t)move_to)->thread);
    atomic_store(&probe->loop_index, loop_self->index);
    atomic_store(&probe->mask, mask);
    atomic_fetch_or(&probe->seen, mask);
    atomic_fetch_add(&probe->calls, 1);
    return atomic_load(&probe->wanted);
}

/* Make a probe for a socket pair whose event belongs to loop 0; mask is what it waits for, too. */
static void probe_open(struct probe *probe, int mask)
{
    *probe = (struct probe){.wanted = mask, .move_to = -1};
    harness_socketpair(probe->fds);
    probe->e = eventer_alloc_fd(on_event, probe, probe->fds[0], mask);
}

static void probe_close(struct probe *probe)
{
    int ignored;
    eventer_close(probe->e, &ignored);
    settle_all();
    if (probe->fds[1] >= 0)
        close(probe->fds[1]);
}

struct turn {
    _Atomic int reads, writes;
    bool installs; /* by eventer_update(), other than what it returns then */
};

/* Reads once, and writes from then on: its mask is set before it is returned. */
static int turn_around(eventer_t e, int mask, void *closure, struct timeval *now)
{
    struct turn *turn = closure;
    char byte;
    int ignored;
    if (mask & EVENTER_WRITE) {
        atomic_fetch_add(&turn->writes, 1);
        eventer_remove(e);
        return 0;
    }
    check_int(eventer_read(e, &byte, 1, &ignored), 1);
    atomic_fetch_add(&turn->reads, 1);
    if (turn->installs)
        eventer_update(e, EVENTER_READ | EVENTER_WRITE);
    eventer_set_mask(e, EVENTER_WRITE);
    return EVENTER_WRITE;
}

/* ---- readiness and interest ------------------------------------------------------ */

static void a_callback_runs_once_for_each_time_its_fd_is_ready(void **state)
{
    struct probe probe;
    probe_open(&probe, EVENTER_READ);
    eventer_add(probe.e);
    settle(0);
    assert_int_equal(probe.calls, 0);
    for (int i = 1; i <= 10; i++) {
        assert_int_equal(write(probe.fds[1], "x", 1), 1);
        wait_until(&probe.calls, i);
        settle(0);
        assert_int_equal(probe.calls, i);
        assert_int_equal(probe.mask, EVENTER_READ);
    }
    probe_close(&probe);
}

static void readiness_that_is_left_is_reported_again(void **state)
{
    struct probe probe;
    probe_open(&probe, EVENTER_READ);
    eventer_add(probe.e);
    assert_int_equal(write(probe.fds[1], "abcdef", 6), 6); /* the callback reads one a time */
    wait_until(&probe.calls, 6);
    settle(0);
    assert_int_equal(probe.calls, 6);
    assert_int_equal(probe.last, 'f');
    probe_close(&probe);
}

static void what_is_returned_counts_also_if_the_mask_was_set_to_it_before(void **state)
{
    for (int i = 0; i < 2; i++) {
        struct turn turn = {.installs = i == 1};
        int fds[2];
        harness_socketpair(fds);
        eventer_t e = eventer_alloc_fd(turn_around, &turn, fds[0], EVENTER_READ);
        eventer_add(e);
        assert_int_equal(write(fds[1], "ab", 2), 2);
        wait_until(&turn.writes, 1);
        settle(0);
        assert_int_equal(turn.reads, 1);
        assert_int_equal(turn.writes, 1);
        close(fds[0]);
        close(fds[1]);
    }
}

static void what_a_callback_returns_is_what_it_waits_for_next(void **state)
{
    struct probe probe;
    probe_open(&probe, EVENTER_READ);
    eventer_add(probe.e);
    atomic_store(&probe.wanted, EVENTER_WRITE);
    assert_int_equal(write(probe.fds[1], "ab", 2), 2);
    wait_until(&probe.calls, 3); /* once to read, and then it is writable all the time */
    assert_int_equal(probe.mask, EVENTER_WRITE);
    atomic_store(&probe.wanted, EVENTER_EXCEPTION);
    settle(0);
    settle(0);
    assert_int_equal(eventer_get_mask(probe.e), EVENTER_EXCEPTION);
    int calls = atomic_load(&probe.calls);
    settle(0);
    assert_int_equal(probe.calls, calls);
    probe_close(&probe);
}

static void the_end_of_the_peer_is_an_exception_whatever_is_waited_for(void **state)
{
    struct probe probe;
    probe_open(&probe, EVENTER_EXCEPTION);
    eventer_add(probe.e);
    settle(0);
    assert_int_equal(probe.calls, 0);
    close(probe.fds[1]);
    probe.fds[1] = -1;
    wait_until(&probe.calls, 1);
    assert_true(probe.mask & EVENTER_EXCEPTION);
    probe_close(&probe);
}

static void urgent_data_counts_as_readable(void **state)
{
    struct probe probe = {.wanted = EVENTER_READ, .move_to = -1};
    struct sockaddr_in address;
    socklen_t len = sizeof(address);
    uint16_t port;
    int listener = harness_listen(&port);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &len), 0);
    probe.fds[1] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(probe.fds[1], (struct sockaddr *)&address, len), 0);
    probe.fds[0] = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    close(listener);
    probe.e = eventer_alloc_fd(on_event, &probe, probe.fds[0], EVENTER_READ);
    assert_int_equal(send(probe.fds[1], "u", 1, MSG_OOB), 1);
    eventer_add(probe.e);
    wait_until(&probe.calls, 1);
    assert_true(probe.mask & EVENTER_READ);
    probe_close(&probe);
}

/* ---- the end --------------------------------------------------------------------- */

static int remove_and_end(eventer_t e, int mask, void *closure, struct timeval *now)
{
    struct probe *probe = closure;
    check(eventer_remove_fde(e) == e);
    check(eventer_find_fd(eventer_get_fd(e)) == NULL);
    atomic_fetch_add(&probe->calls, 1);
    return 0;
}

static int close_and_end(eventer_t e, int mask, void *closure, struct timeval *now)
{
    struct probe *probe = closure;
    int ignored;
    check_int(eventer_close(e, &ignored), 0);
    check_int(eventer_get_fd(e), -1);
    atomic_fetch_add(&probe->calls, 1);
    return 0;
}

static void a_callback_that_removes_its_event_and_returns_0_ends_it(void **state)
{
    struct probe probe;
    probe_open(&probe, EVENTER_READ);
    eventer_set_callback(probe.e, remove_and_end);
    eventer_add(probe.e);
    assert_int_equal(write(probe.fds[1], "x", 1), 1);
    wait_until(&probe.calls, 1);
    settle(0);
    assert_int_equal(probe.calls, 1);
    assert_int_equal(eventer_allocations_current(), clean_events);
    close(probe.fds[0]);
    close(probe.fds[1]);
}

static void a_callback_that_closes_its_event_and_returns_0_ends_it(void **state)
{
    struct probe probe;
    char byte;
    probe_open(&probe, EVENTER_READ);
    eventer_set_callback(probe.e, close_and_end);
    eventer_add(probe.e);
    assert_int_equal(write(probe.fds[1], "x", 1), 1);
    wait_until(&probe.calls, 1);
    settle(0);
    assert_int_equal(recv(probe.fds[1], &byte, 1, MSG_DONTWAIT), -1); /* it did not read the x */
    assert_int_equal(errno, ECONNRESET);
    close(probe.fds[1]);
}

static void a_forgotten_remove_is_logged_and_done(void **state)
{
    struct probe probe;
    probe_open(&probe, EVENTER_READ);
    atomic_store(&probe.wanted, 0);
    eventer_add(probe.e);
    assert_int_equal(write(probe.fds[1], "x", 1), 1);
    wait_until(&probe.calls, 1);
    settle(0);
    assert_null(eventer_find_fd(probe.fds[0]));
    assert_logged(1, "it returned 0 and did not call eventer_remove()");
    assert_int_equal(write(probe.fds[1], "x", 1), 1);
    settle(0);
    assert_int_equal(probe.calls, 1);
    close(probe.fds[0]);
    close(probe.fds[1]);
}

/* ---- one event for an fd --------------------------------------------------------- */

static void a_second_event_for_an_fd_is_logged_and_the_first_goes_on(void **state)
{
    struct probe probe;
    probe_open(&probe, EVENTER_READ);
    eventer_t second = eventer_alloc_copy(probe.e);
    eventer_add(probe.e);
    eventer_add(second);
    assert_logged(1, "another event is registered for its fd");
    eventer_add(probe.e);
    assert_logged(1, "another event is registered for its fd");
    assert_null(eventer_remove(second));
    assert_ptr_equal(eventer_find_fd(probe.fds[0]), probe.e);
    assert_int_equal(write(probe.fds[1], "x", 1), 1);
    wait_until(&probe.calls, 1);
    eventer_free(second);
    probe_close(&probe);
}

static void an_fd_closed_behind_our_back_is_given_to_the_next_event(void **state)
{
    struct probe stale, probe;
    probe_open(&stale, EVENTER_READ);
    eventer_add(stale.e);
    close(stale.fds[0]);
    close(stale.fds[1]);
    probe_open(&probe, EVENTER_READ);
    assert_int_equal(probe.fds[0], stale.fds[0]);
    eventer_add(probe.e);
    assert_logged(1, "closed without eventer_remove() or eventer_close()");
    assert_int_equal(write(probe.fds[1], "x", 1), 1);
    wait_until(&probe.calls, 1);
    settle(0);
    assert_int_equal(stale.calls, 0);
    probe_close(&probe);
}

static void a_bad_fd_is_logged_and_its_event_stays_the_callers(void **state)
{
    struct probe probe;
    probe_open(&probe, EVENTER_READ);
    close(probe.fds[0]);
    close(probe.fds[1]);
    eventer_add(probe.e);
    assert_logged(1, "Bad file descriptor");
    assert_true(eventer_free(probe.e));
}

static void an_fd_that_the_kernel_cannot_poll_is_accepted_and_never_ready(void **state)
{
    struct probe probe = {.wanted = EVENTER_READ, .move_to = -1};
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    probe.e = eventer_alloc_fd(on_event, &probe, fd, EVENTER_READ);
    eventer_add(probe.e);
    settle(0);
    assert_int_equal(probe.calls, 0);
    assert_ptr_equal(eventer_find_fd(fd), probe.e);
    eventer_trigger(probe.e, EVENTER_WRITE);
    settle(0);
    assert_int_equal(probe.calls, 1);
    assert_ptr_equal(eventer_remove_fd(fd), probe.e);
    eventer_free(probe.e);
    close(fd);
}

static void fds_out_of_range_have_no_event(void **state)
{
    assert_null(eventer_find_fd(-1));
    assert_null(eventer_find_fd(INT32_MAX));
    assert_null(eventer_remove_fd(-1));
    assert_null(eventer_remove_fd(INT32_MAX));
}

static void without_memory_for_its_slot_an_event_gets_exception(void **state)
{
    struct probe probe;
    probe_open(&probe, EVENTER_READ);
    int high = fcntl(probe.fds[0], F_DUPFD_CLOEXEC, 10 * 1024); /* no fd near it was used yet */
    assert_true(high > 0);
    close(probe.fds[0]);
    eventer_free(probe.e);
    probe.e = eventer_alloc_fd(close_and_end, &probe, high, EVENTER_READ);
    struct errand errand;
    alloc_fail_nth(1, 1);
    errand_post(&errand, 0, (void (*)(void *))eventer_add, probe.e);
    errand_wait(&errand);
    uint64_t asked = alloc_asked();
    alloc_fail_nth(0, 0);
    assert_true(asked > 0);
    assert_int_equal(probe.calls, 1);
    assert_logged(1, "the kernel cannot watch it; it gets EXCEPTION");
    close(probe.fds[1]);
}

/* Fail the running test unless probe is told that it was refused, and then gets what it wants. */
static void assert_refused_once(struct probe *probe, int wanted)
{
    assert_logged(1, "the kernel cannot watch it; it gets EXCEPTION");
    while ((atomic_load(&probe->seen) & wanted) != wanted)
        sched_yield();
    atomic_store(&probe->wanted, EVENTER_READ);
    settle(0);
    assert_int_equal(probe->seen & EVENTER_EXCEPTION, EVENTER_EXCEPTION);
    assert_int_equal(counted_refusals, 0);
    probe_close(probe);
}

static void an_event_that_cannot_be_watched_is_told_and_watched_later(void **state)
{
    struct probe probe;
    probe_open(&probe, EVENTER_READ);
    atomic_store(&counted_refusals, 1);
    eventer_add(probe.e);
    wait_until(&probe.calls, 1);
    settle(0);
    assert_int_equal(probe.seen, EVENTER_EXCEPTION);
    assert_int_equal(write(probe.fds[1], "x", 1), 1);
    assert_refused_once(&probe, EVENTER_READ);
}

static void an_update_that_cannot_be_had_is_told(void **state)
{
    struct probe probe;
    probe_open(&probe, EVENTER_READ);
    eventer_add(probe.e);
    atomic_store(&probe.wanted, EVENTER_WRITE);
    atomic_store(&counted_refusals, 1);
    eventer_update(probe.e, EVENTER_WRITE);
    wait_until(&probe.calls, 1);
    assert_refused_once(&probe, EVENTER_WRITE);
}

static void a_mask_that_cannot_be_had_is_told(void **state)
{
    struct probe probe;
    probe_open(&probe, EVENTER_READ);
    eventer_add(probe.e);
    atomic_store(&probe.wanted, EVENTER_WRITE);
    atomic_store(&counted_refusals, 1);
    assert_int_equal(write(probe.fds[1], "x", 1), 1);
    wait_until(&probe.calls, 2);
    assert_refused_once(&probe, EVENTER_READ | EVENTER_WRITE);
}

static void a_live_fd_that_cannot_be_looked_at_keeps_its_event(void **state)
{
    struct probe probe;
    probe_open(&probe, EVENTER_READ);
    eventer_t second = eventer_alloc_copy(probe.e);
    eventer_add(probe.e);
    atomic_store(&counted_refusals, 2);
    eventer_add(second);
    atomic_store(&counted_refusals, 0);
    assert_logged(1, "another event is registered for its fd");
    assert_ptr_equal(eventer_find_fd(probe.fds[0]), probe.e);
    eventer_free(second);
    probe_close(&probe);
}

/* ---- other threads --------------------------------------------------------------- */

static void any_thread_adds_updates_and_removes(void **state)
{
    struct probe probe;
    probe_open(&probe, EVENTER_READ);
    eventer_set_owner(probe.e, loop_at(1)->thread);
    for (int round = 0; round < 50; round++) {
        int calls = atomic_load(&probe.calls);
        atomic_store(&probe.wanted, EVENTER_READ);
        eventer_set_mask(probe.e, EVENTER_READ);
        eventer_add(probe.e);
        assert_int_equal(write(probe.fds[1], "x", 1), 1);
        wait_until(&probe.calls, calls + 1);
        assert_int_equal(probe.loop_index, 1);
        settle(1);
        atomic_store(&probe.wanted, EVENTER_WRITE);
        eventer_update(probe.e, EVENTER_WRITE);
        wait_until(&probe.calls, calls + 2);
        assert_int_equal(probe.mask, EVENTER_WRITE);
        assert_ptr_equal(eventer_remove(probe.e), probe.e);
        settle(1); /* one call may have been under way */
        calls = atomic_load(&probe.calls);
        assert_null(eventer_remove(probe.e));
        settle(1);
        assert_int_equal(probe.calls, calls);
    }
    probe_close(&probe);
    eventer_free(probe.e);
}

static void an_update_registers_an_event_that_is_not(void **state)
{
    struct probe probe;
    probe_open(&probe, EVENTER_READ);
    atomic_store(&probe.wanted, EVENTER_READ);
    eventer_update(probe.e, EVENTER_WRITE);
    wait_until(&probe.calls, 1);
    assert_int_equal(probe.mask, EVENTER_WRITE);
    probe_close(&probe);
}

/*
 * Updates from here and returned masks from there write the same fields: for the sanitizer to see.
 */
static void updates_race_with_callbacks_harmlessly(void **state)
{
    struct probe probe;
    probe_open(&probe, EVENTER_READ | EVENTER_WRITE);
    eventer_add(probe.e);
    for (int i = 0; i < 2000; i++)
        eventer_update(probe.e, i % 2 ? EVENTER_WRITE : EVENTER_READ | EVENTER_WRITE);
    wait_until(&probe.calls, 1);
    probe_close(&probe);
}

static void an_event_moves_where_its_callback_sends_it(void **state)
{
    struct probe probe;
    probe_open(&probe, EVENTER_READ);
    eventer_add(probe.e);
    int here = 0;
    for (int i = 1; i <= 20; i++) {
        atomic_store(&probe.move_to, 1 - here);
        assert_int_equal(write(probe.fds[1], "x", 1), 1);
        wait_until(&probe.calls, i);
        assert_int_equal(probe.loop_index, here); /* on_event() checks its thread too */
        here = 1 - here;
        settle(1 - (uint32_t)here); /* the move is done when the callback's turn is */
    }
    assert_true(eventer_get_owner(probe.e) == loop_at((uint32_t)here)->thread);
    probe_close(&probe);
}

static void a_registered_event_is_not_moved_from_outside(void **state)
{
    struct probe probe;
    probe_open(&probe, EVENTER_READ);
    eventer_set_owner(probe.e, pthread_self());
    assert_logged(1, "that thread is no loop");
    eventer_add(probe.e);
    eventer_set_owner(probe.e, loop_at(1)->thread);
    assert_logged(1, "it is registered, and this is not its callback");
    assert_true(eventer_get_owner(probe.e) == loop_at(0)->thread);
    probe_close(&probe);
}

/* ---- stale reports --------------------------------------------------------------- */

static struct probe first, second, fresh;

static int close_second_and_reuse_its_fd(eventer_t e, int mask, void *closure, struct timeval *now)
{
    int ignored;
    atomic_fetch_add(&first.calls, 1);
    if (atomic_load(&first.calls) > 1)
        return EVENTER_EXCEPTION;
    check_int(eventer_close(second.e, &ignored), 0);
    harness_socketpair(fresh.fds);
    check_int(fresh.fds[0], second.fds[0]);
    fresh.wanted = EVENTER_EXCEPTION;
    fresh.move_to = -1;
    fresh.e = eventer_alloc_fd(on_event, &fresh, fresh.fds[0], EVENTER_EXCEPTION);
    eventer_add(fresh.e);
    return EVENTER_EXCEPTION;
}

static void make_both_ready(void *closure)
{
    check_int(write(first.fds[1], "x", 1), 1); /* the kernel reports them in this order */
    check_int(write(second.fds[1], "x", 1), 1);
}

static void a_report_for_an_fd_that_was_reused_meanwhile_is_dropped(void **state)
{
    probe_open(&first, EVENTER_READ);
    probe_open(&second, EVENTER_READ);
    eventer_set_callback(first.e, close_second_and_reuse_its_fd);
    eventer_add(first.e);
    eventer_add(second.e);
    settle(0);
    in_loop(0, make_both_ready, NULL); /* while the loop does this it fetches nothing */
    wait_until(&first.calls, 1);
    settle(0);
    assert_int_equal(second.calls, 0);
    assert_int_equal(fresh.calls, 0);
    close(second.fds[1]);
    probe_close(&first);
    probe_close(&fresh);
}

static const struct CMUnitTest tests[] = {
    clean_test(a_callback_runs_once_for_each_time_its_fd_is_ready),
    clean_test(readiness_that_is_left_is_reported_again),
    clean_test(what_is_returned_counts_also_if_the_mask_was_set_to_it_before),
    clean_test(what_a_callback_returns_is_what_it_waits_for_next),
    clean_test(the_end_of_the_peer_is_an_exception_whatever_is_waited_for),
    clean_test(urgent_data_counts_as_readable),
    clean_test(a_callback_that_removes_its_event_and_returns_0_ends_it),
    clean_test(a_callback_that_closes_its_event_and_returns_0_ends_it),
    clean_test(a_forgotten_remove_is_logged_and_done),
    clean_test(a_second_event_for_an_fd_is_logged_and_the_first_goes_on),
    clean_test(an_fd_closed_behind_our_back_is_given_to_the_next_event),
    clean_test(a_bad_fd_is_logged_and_its_event_stays_the_callers),
    clean_test(an_fd_that_the_kernel_cannot_poll_is_accepted_and_never_ready),
    clean_test(fds_out_of_range_have_no_event),
    clean_test(without_memory_for_its_slot_an_event_gets_exception),
    clean_test(an_event_that_cannot_be_watched_is_told_and_watched_later),
    clean_test(an_update_that_cannot_be_had_is_told),
    clean_test(a_mask_that_cannot_be_had_is_told),
    clean_test(a_live_fd_that_cannot_be_looked_at_keeps_its_event),
    clean_test(any_thread_adds_updates_and_removes),
    clean_test(an_update_registers_an_event_that_is_not),
    clean_test(updates_race_with_callbacks_harmlessly),
    clean_test(an_event_moves_where_its_callback_sends_it),
    clean_test(a_registered_event_is_not_moved_from_outside),
    clean_test(a_report_for_an_fd_that_was_reused_meanwhile_is_dropped),
};

int main(void)
{
    logged_begin();
    count_pollers();
    start_loops(2);
    return harness_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]));
}
