/* SPDX-License-Identifier: MIT */
/*
 * Goal: every registered event is shown once, in the thread of its loop, and may be ended there.
 * Method: events of both loops, classic and of coroutines, that are counted, removed and closed.
 */
#include "clean.h"
#include "in_coroutine.h"

#include "base/alloc.h"
#include "eventer/event.h"
#include "eventer/foreach.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define COUNT 5

static struct seen {
    _Atomic int mine[2]; /* of each loop */
    _Atomic int others;
} seen;

static int never(eventer_t e, int mask, void *closure, struct timeval *now)
{
    check(false);
    return 0;
}

static void note(eventer_t e, void *closure)
{
    struct seen *all = closure;
    check(event_owner(e) == loop_self);
    if (eventer_get_callback(e) == never)
        all->mine[loop_self->index]++;
    else
        all->others++;
}

static void end(eventer_t e, void *closure)
{
    int mask;
    note(e, closure);
    if (eventer_get_callback(e) != never)
        return;
    if (eventer_get_fd(e) >= 0)
        eventer_close(e, &mask); /* drops the eventer's reference: no callback of e's runs */
    else
        eventer_free(eventer_remove(e));
}

static void assert_seen(int of_first, int of_second)
{
    settle_all();
    assert_checks();
    assert_int_equal(seen.mine[0], of_first);
    assert_int_equal(seen.mine[1], of_second);
    seen.mine[0] = seen.mine[1] = seen.others = 0;
}

static void fds_are_shown_by_their_loops(void **state)
{
    int peers[COUNT];
    for (uint32_t i = 0; i < COUNT; i++) {
        int fds[2];
        assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
        eventer_t e = eventer_alloc_fd(never, NULL, fds[0], EVENTER_READ);
        peers[i] = fds[1];
        eventer_set_owner(e, loop_at(i % 2)->thread);
        eventer_add(e);
    }
    eventer_foreach_fdevent(note, &seen);
    assert_seen(3, 2);
    eventer_foreach_fdevent(end, &seen);
    assert_seen(3, 2);
    eventer_foreach_fdevent(note, &seen);
    assert_seen(0, 0);
    for (int i = 0; i < COUNT; i++)
        close(peers[i]);
}

static void show_from_a_coroutine(void *closure)
{
    int fds[2];
    char byte;
    check_int(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
    eventer_aco_t e = eventer_set_eventer_aco(eventer_alloc_fd(never, NULL, fds[0], EVENTER_READ));
    check(eventer_get_this_event() == (eventer_t)e);
    check_int(eventer_aco_read(e, &byte, 1, &(struct timeval){0, 1}), -1); /* registers it */
    eventer_foreach_fdevent(note, &seen);
    eventer_aco_close(e);
    eventer_aco_free(e);
    check(eventer_get_this_event() == NULL);
    close(fds[1]);
}

static void events_of_coroutines_are_shown_too(void **state)
{
    in_coroutine(1, show_from_a_coroutine, NULL);
    assert_seen(0, 1);
}

static void add_timers(void)
{
    for (uint32_t i = 0; i < COUNT; i++) {
        eventer_t e = eventer_in_s_us(never, NULL, 3600 * (i + 1), 0);
        eventer_set_owner(e, loop_at(i % 2)->thread);
        eventer_add(e);
    }
    settle_all();
}

static void timers_are_shown_by_their_loops(void **state)
{
    add_timers();
    eventer_foreach_timedevent(note, &seen);
    assert_seen(3, 2);
    eventer_foreach_timedevent(end, &seen);
    assert_seen(3, 2);
    eventer_foreach_timedevent(note, &seen);
    assert_seen(0, 0);
}

static void remove_all(eventer_t e, void *closure)
{
    static eventer_t timers[COUNT];
    static int count;
    note(e, closure);
    if (eventer_get_callback(e) == never && count < COUNT)
        timers[count++] = e;
    for (int i = 0; count == 2 && i < 2; i++)
        eventer_free(eventer_remove(timers[i]));
}

/* Two of the first loop, of which the second one shown ends both. */
static void a_timer_that_ends_another_is_no_trouble(void **state)
{
    for (uint32_t i = 0; i < 2; i++) {
        eventer_t e = eventer_in_s_us(never, NULL, 3600, 0);
        eventer_set_owner(e, loop_at(0)->thread);
        eventer_add(e);
    }
    settle_all();
    eventer_foreach_timedevent(remove_all, &seen);
    assert_seen(2, 0);
    eventer_foreach_timedevent(note, &seen);
    assert_seen(0, 0);
}

static void list_in_a_list(eventer_t e, void *closure)
{
    note(e, closure);
    eventer_foreach_fdevent(note, closure);
    check_int(errno, EBUSY);
}

static void a_list_in_a_list_is_refused(void **state)
{
    add_timers();
    eventer_foreach_timedevent(list_in_a_list, &seen);
    assert_seen(3, 2);
    assert_int_equal(logged("a list is made already"), COUNT);
    logged_clear();
    eventer_foreach_timedevent(end, &seen);
    assert_seen(3, 2);
    eventer_foreach_fdevent(NULL, NULL);
    assert_logged(1, "Invalid argument");
}

static void without_memory_timers_are_left_out_and_it_is_said(void **state)
{
    unsigned nth = 1;
    add_timers();
    do { /* the visits and the list of each loop */
        logged_clear();
        alloc_fail_nth(nth++, 1);
        eventer_foreach_timedevent(note, &seen);
        alloc_fail_nth(0, 0);
        settle_all();
    } while (logged("Cannot allocate memory") == 1);
    assert_true(nth > 3);
    assert_checks();
    assert_nothing_logged();
    seen.mine[0] = seen.mine[1] = 0;
    eventer_foreach_timedevent(end, &seen);
    assert_seen(3, 2);
}

/* ---- a part at a time ------------------------------------------------------------ */

static struct parts {
    bool of_fds;              /* or of timers */
    unsigned count, part_max; /* parts; events of mine that one of them had */
    unsigned seen;
} parts;

static void note_part(eventer_t e, void *closure)
{
    (*(unsigned *)closure) += eventer_get_callback(e) == never;
    check(event_owner(e) == loop_self);
}

static void note_fd(eventer_t e, int fd, void *closure)
{
    check_int(eventer_get_fd(e), fd);
    note_part(e, closure);
}

static void walk(void *closure)
{
    struct parts *p = closure;
    uint64_t from = 0;
    p->count = p->part_max = p->seen = 0;
    do {
        unsigned mine = 0;
        from = p->of_fds ? foreach_fds_from(from, note_fd, &mine)
                         : foreach_timers_from(from, note_part, &mine);
        p->count++;
        p->seen += mine;
        p->part_max = mine > p->part_max ? mine : p->part_max;
    } while (from != FOREACH_END);
}

static void fds_come_in_parts(void **state)
{
    static const unsigned counts[] = {0, FOREACH_PART_MAX - 1, FOREACH_PART_MAX,
                                      FOREACH_PART_MAX + 1};
    static eventer_t events[FOREACH_PART_MAX + 1];
    int mask;
    parts.of_fds = true;
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        for (unsigned k = 0; k < counts[i]; k++) {
            int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
            assert_true(fd >= 0);
            events[k] = eventer_alloc_fd(never, NULL, fd, EVENTER_READ);
            eventer_set_owner(events[k], loop_at(1)->thread);
            eventer_add(events[k]);
        }
        in_loop(1, walk, &parts);
        assert_int_equal(parts.seen, counts[i]);
        assert_in_range(parts.part_max, 0, FOREACH_PART_MAX);
        in_loop(0, walk, &parts);
        assert_int_equal(parts.seen, 0);
        for (unsigned k = 0; k < counts[i]; k++)
            eventer_close(events[k], &mask); /* the eventer's reference is the last */
    }
}

static void timers_come_in_parts(void **state)
{
    static eventer_t timers[3 * FOREACH_PART_MAX];
    const unsigned count = sizeof(timers) / sizeof(timers[0]);
    parts.of_fds = false;
    for (unsigned i = 0; i < count; i++) {
        timers[i] = eventer_in_s_us(never, NULL, 3600 + i * 60, 0);
        eventer_set_owner(timers[i], loop_at(1)->thread);
        eventer_add(timers[i]);
    }
    settle_all();
    in_loop(1, walk, &parts);
    assert_int_equal(parts.seen, count);
    assert_in_range(parts.count, 2, count + 2);
    for (unsigned i = 0; i < count; i++)
        eventer_free(eventer_remove(timers[i]));
    settle_all();
    in_loop(1, walk, &parts);
    assert_int_equal(parts.seen, 0);
}

static const struct CMUnitTest tests[] = {
    clean_test(fds_are_shown_by_their_loops),
    clean_test(events_of_coroutines_are_shown_too),
    clean_test(timers_are_shown_by_their_loops),
    clean_test(a_timer_that_ends_another_is_no_trouble),
    clean_test(a_list_in_a_list_is_refused),
    clean_test(without_memory_timers_are_left_out_and_it_is_said),
    clean_test(fds_come_in_parts),
    clean_test(timers_come_in_parts),
};

int main(void)
{
    logged_begin();
    start_loops(2);
    return harness_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]));
}
