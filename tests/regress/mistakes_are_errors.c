/* SPDX-License-Identifier: MIT */
/*
 * Defect: a second event for an fd, a forgotten removal, the removal of a job, an event in the
 * hands of a wrong thread, and an fd beyond the table's end stopped the process or read beyond it.
 * Method: do each of these; a line names the callback, and the loop goes on.
 * Shown red: call abort() in event_complain() of eventer/event.c.
 */
#include "clean.h"
#include "in_coroutine.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

static _Atomic int runs;

static int forgetful(eventer_t e, int mask, void *closure, struct timeval *now)
{
    atomic_fetch_add(&runs, 1);
    return 0; /* and does not remove e */
}

static void a_second_event_for_an_fd_is_refused(void **state)
{
    int fds[2];
    assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
    eventer_t e = eventer_alloc_fd(forgetful, NULL, fds[0], EVENTER_READ);
    eventer_t other = eventer_alloc_fd(forgetful, NULL, fds[0], EVENTER_READ);
    eventer_add(e);
    errno = 0;
    eventer_add(other);
    assert_int_equal(errno, EEXIST);
    assert_logged(1, "forgetful (fd");
    eventer_add(e);
    assert_logged(1, "forgetful (fd");
    assert_ptr_equal(eventer_remove_fd(fds[0]), e);
    eventer_free(e);
    eventer_free(other);
    close(fds[0]);
    close(fds[1]);
}

static void a_forgotten_removal_is_made_up_for(void **state)
{
    int fds[2];
    assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
    eventer_add(eventer_alloc_fd(forgetful, NULL, fds[0], EVENTER_READ));
    assert_int_equal(write(fds[1], "x", 1), 1);
    wait_until(&runs, 1);
    settle(0);
    assert_logged(1, "forgetful (fd");
    assert_null(eventer_find_fd(fds[0]));
    close(fds[0]);
    close(fds[1]);
}

static void what_cannot_be_removed_is_not(void **state)
{
    eventer_t job = eventer_alloc_asynch(forgetful, NULL);
    errno = 0;
    assert_null(eventer_remove(job));
    assert_int_equal(errno, EINVAL);
    assert_logged(1, "forgetful");
    eventer_free(job);
    assert_null(eventer_remove_fd(INT_MAX));
    assert_null(eventer_remove_fd(-1));
    assert_null(eventer_find_fd(1 << 30));
}

static void read_elsewhere(void *closure)
{
    char byte;
    errno = 0;
    check_int(eventer_aco_read(closure, &byte, 1, NULL), -1);
    check_int(errno, EXDEV);
}

static void convert_and_lend(void *closure)
{
    static struct errand errand;
    int fds[2];
    check_int(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
    eventer_aco_t e =
        eventer_set_eventer_aco(eventer_alloc_fd(forgetful, NULL, fds[0], EVENTER_READ));
    errand_post(&errand, 1, read_elsewhere, e);
    errand_wait(&errand);
    eventer_set_owner((eventer_t)e, loop_at(1)->thread);
    check_int(errno, EINVAL);
    eventer_aco_close(e);
    eventer_aco_free(e);
    close(fds[1]);
}

static void an_event_in_a_wrong_thread_is_refused(void **state)
{
    in_coroutine(0, convert_and_lend, NULL);
    assert_logged(1, "forgetful (fd");
}

static const struct CMUnitTest tests[] = {
    clean_test(a_second_event_for_an_fd_is_refused),
    clean_test(a_forgotten_removal_is_made_up_for),
    clean_test(what_cannot_be_removed_is_not),
    clean_test(an_event_in_a_wrong_thread_is_refused),
};

int main(void)
{
    logged_begin();
    start_loops(2);
    eventer_name_callback("forgetful", forgetful);
    return harness_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]));
}
