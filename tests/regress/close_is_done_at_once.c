/* SPDX-License-Identifier: MIT */
/*
 * Defect: a close went through a queue of threads, so that the number was free and the peer was
 * told some time later, and an error was never seen.
 * Method: right after the close the number is the lowest that is free, and the peer reads the end;
 * also where every thread of the queue is busy.
 * Shown red: have hand_over_lingering() of eventer/ops.c hand every socket over.
 */
#include "clean.h"
#include "in_coroutine.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

static struct tally may_end = TALLY_NONE;
static _Atomic int held;

static int never(eventer_t e, int mask, void *closure, struct timeval *now)
{
    check(false);
    return 0;
}

static int hold_thread(eventer_t e, int mask, void *closure, struct timeval *now)
{
    if (mask != EVENTER_ASYNCH_WORK)
        return 0;
    atomic_fetch_add(&held, 1);
    tally_wait(&may_end);
    return 0;
}

static void close_and_look(void *closure)
{
    int fds[2], mask;
    char byte;
    check_int(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
    eventer_t e = eventer_alloc_fd(never, NULL, fds[0], EVENTER_EXCEPTION);
    eventer_ref(e);
    eventer_add(e);
    check_int(eventer_close(e, &mask), 0);
    check_int(recv(fds[1], &byte, 1, 0), 0); /* the end, not EAGAIN */
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    check_int(fd, fds[0]);
    close(fd);
    errno = 0;
    check_int(eventer_close(e, &mask), -1);
    check_int(errno, EBADFD);
    eventer_free(e);
    close(fds[1]);
}

static void a_close_waits_for_no_thread(void **state)
{
    const int threads = (int)eventer_jobq_get_concurrency(eventer_default_jobq());
    for (int i = 0; i < threads; i++)
        eventer_add(eventer_alloc_asynch(hold_thread, NULL));
    wait_until(&held, threads);
    in_loop(0, close_and_look, NULL);
    for (int i = 0; i < threads; i++)
        tally_raise(&may_end);
    while (eventer_allocations_current() > 0)
        sched_yield();
}

static const struct CMUnitTest tests[] = {
    clean_test(a_close_waits_for_no_thread),
};

int main(void)
{
    logged_begin();
    start_loops(1);
    return harness_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]));
}
