/* SPDX-License-Identifier: MIT */
/*
 * Defect: after a coroutine had closed its fd in the fd's own dispatch, the mask of the dead
 * event was installed for whoever had the number now; and reports that were fetched already
 * reached him.
 * Method: two fds become ready in one batch; what the first wakes closes the second and opens
 * another fd of the same number, whose reader must go on waiting.
 * Shown red: in edge_ready() of eventer/edge.c, do not compare the generation.
 */
#include "in_coroutine.h"

#include "eventer/event.h"

struct end {
    eventer_aco_t e;
    int peer;
};

static struct end first, second, fresh;
static int on_ready_calls;

static int never(eventer_t e, int mask, void *closure, struct timeval *now)
{
    return 0;
}

static struct end open_end(void)
{
    int fds[2] = {-1, -1};
    check_int(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
    return (struct end){eventer_set_eventer_aco(eventer_alloc_fd(never, NULL, fds[0], 0)), fds[1]};
}

static void note_ready(eventer_t e, uint32_t poll_bits)
{
    on_ready_calls++;
}

/* Runs in the dispatch of the first: before the report for the second is looked at. */
static void replace_second(eventer_t e, uint32_t poll_bits)
{
    int fd = ((eventer_t)second.e)->fd, fds[2];
    if (fd < 0)
        return;
    eventer_aco_close(second.e);
    eventer_aco_free(second.e);
    close(second.peer);
    check_int(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
    check_int(fds[0], fd);
    eventer_t fresh_event = eventer_alloc_fd(never, NULL, fds[0], 0);
    coro_convert(fresh_event, false);
    fresh_event->edge.may_read = false;
    fresh = (struct end){(eventer_aco_t)fresh_event, fds[1]};
    check_int(edge_register(fresh_event, note_ready), 0);
    second.e = (eventer_aco_t)e; /* once is enough */
}

static void make_both_ready(void *closure)
{
    eventer_t e = (eventer_t)first.e;
    e->edge.may_read = ((eventer_t)second.e)->edge.may_read = false; /* both wait to hear */
    check_int(edge_register(e, replace_second), 0);
    check_int(edge_register((eventer_t)second.e, note_ready), 0);
    check_int(write(first.peer, "x", 1), 1); /* the kernel reports them in this order */
    check_int(write(second.peer, "x", 1), 1);
}

static void open_both(void *closure)
{
    first = open_end();
    second = open_end();
    make_both_ready(NULL);
}

static void close_both(void *closure)
{
    check_int(on_ready_calls, 0);
    eventer_aco_close(first.e);
    eventer_aco_free(first.e);
    close(first.peer);
    eventer_aco_close(fresh.e);
    eventer_aco_free(fresh.e);
    close(fresh.peer);
}

static void a_report_for_a_number_that_changed_hands_is_dropped(void **state)
{
    in_coroutine(0, open_both, NULL);
    settle(0);
    in_coroutine(0, close_both, NULL);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_report_for_a_number_that_changed_hands_is_dropped),
};

int main(void)
{
    start_loops(1);
    return harness_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]));
}
