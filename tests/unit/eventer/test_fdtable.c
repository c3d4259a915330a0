/* SPDX-License-Identifier: MIT */
/*
 * Goal: a slot knows who is registered for an fd, and its generation tells registrations apart.
 * Method: enter and leave with a loop that does not run, so that only the table and the kernel
 * act.
 */
#include "harness.h"
#include "logged.h"

#include "base/alloc.h"
#include "eventer/fdtable.h"
#include "eventer/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>

static struct loop *loop;

static int begin(void **state)
{
    logged_clear();
    return loop_new("test", NULL, 0, &loop);
}

static int end(void **state)
{
    loop_free(loop);
    return 0;
}

static int never(eventer_t e, int mask, void *closure, struct timeval *now)
{
    return 0;
}

static int enter(struct fd_slot *slot, eventer_t e, uint32_t interest)
{
    fd_slot_lock(slot);
    int err = fd_slot_enter(slot, e, loop, interest);
    fd_slot_unlock(slot);
    return err;
}

static void leave(struct fd_slot *slot, int fd)
{
    fd_slot_lock(slot);
    fd_slot_leave(slot, fd);
    fd_slot_unlock(slot);
}

/* What the kernel reports now: the tag of the one ready fd, or 0. */
static uint64_t reported(void)
{
    int count = loop->poller->ops->wait(loop->poller, loop->ready, LOOP_BATCH_MAX, 0);
    assert_in_range(count, 0, 1);
    return count == 0 ? 0 : loop->ready[0].tag;
}

static void the_next_slot_is_found_across_those_that_were_never_made(void **state)
{
    const int far = FDTABLE_FD_MAX - 5000;
    assert_non_null(fdtable_slot(far));
    int next = fdtable_next(far - 1);
    assert_in_range(next, far - 1, far);
    assert_int_equal(fdtable_next(far), far);
    while (next >= 0 && next <= far)
        next = fdtable_next(next + 1);
    while (next >= 0) {
        assert_non_null(fdtable_find(next));
        next = fdtable_next(next + 1);
    }
    assert_int_equal(fdtable_next(FDTABLE_FD_MAX + 1), -1);
}

static void slots_exist_for_fds_within_the_limit_alone(void **state)
{
    assert_null(fdtable_find(-1));
    assert_null(fdtable_find(FDTABLE_FD_MAX));
    errno = 0;
    assert_null(fdtable_slot(-1));
    assert_int_equal(errno, EBADF);
    assert_non_null(fdtable_slot(FDTABLE_FD_MAX - 1));
    assert_non_null(fdtable_slot(FDTABLE_FD_MAX));
    assert_ptr_equal(fdtable_slot(FDTABLE_FD_MAX), fdtable_find(FDTABLE_FD_MAX));
    assert_ptr_equal(fdtable_slot(FDTABLE_FD_MAX - 1) + 1, fdtable_slot(FDTABLE_FD_MAX));
    errno = 0;
    assert_null(fdtable_slot(FDTABLE_FD_MAX + 1));
    assert_int_equal(errno, EBADF);
    assert_null(fdtable_find(FDTABLE_FD_MAX + 1));
    assert_null(fdtable_slot(INT32_MIN));
}

static void without_memory_there_is_no_slot_and_later_there_is(void **state)
{
    alloc_fail_nth(1, 0);
    errno = 0;
    assert_null(fdtable_slot(1000000));
    alloc_fail_nth(0, 0);
    assert_int_equal(errno, ENOMEM);
    assert_null(fdtable_find(1000000));
    assert_non_null(fdtable_slot(1000000));
}

static void a_registration_has_a_generation_of_its_own(void **state)
{
    int fds[2];
    harness_socketpair(fds);
    assert_int_equal(write(fds[1], "x", 1), 1);
    struct fd_slot *slot = fdtable_slot(fds[0]);
    eventer_t e = eventer_alloc_fd(never, NULL, fds[0], EVENTER_READ);
    uint32_t before = slot->generation;

    assert_int_equal(enter(slot, e, POLLIN), 0);
    assert_ptr_equal(slot->event, e);
    assert_ptr_equal(slot->loop, loop);
    assert_int_equal(reported(), fd_tag(fds[0], before + 1, false));
    leave(slot, fds[0]);
    assert_null(slot->event);
    assert_int_equal(reported(), 0);
    e->edge.may_read = false; /* so that it waits to hear */
    assert_int_equal(enter(slot, e, POLLIN | POLLER_EDGE), 0);
    assert_int_equal(reported(), fd_tag(fds[0], before + 3, true));
    leave(slot, fds[0]);
    eventer_free(e);
    close(fds[0]);
    close(fds[1]);
}

static void a_second_event_for_a_live_fd_is_refused(void **state)
{
    int fds[2];
    harness_socketpair(fds);
    struct fd_slot *slot = fdtable_slot(fds[0]);
    eventer_t e = eventer_alloc_fd(never, NULL, fds[0], EVENTER_READ);
    eventer_t other = eventer_alloc_copy(e);
    assert_int_equal(enter(slot, e, POLLIN), 0);
    uint32_t generation = slot->generation;
    assert_int_equal(enter(slot, other, POLLIN), -EEXIST);
    assert_int_equal(enter(slot, e, POLLIN), -EEXIST);
    assert_ptr_equal(slot->event, e);
    assert_int_equal(slot->generation, generation);
    leave(slot, fds[0]);
    eventer_free(e);
    eventer_free(other);
    close(fds[0]);
    close(fds[1]);
    assert_nothing_logged();
}

static void a_slot_whose_fd_was_closed_behind_our_back_is_taken_over(void **state)
{
    int fds[2], fresh[2];
    harness_socketpair(fds);
    struct fd_slot *slot = fdtable_slot(fds[0]);
    eventer_t stale = eventer_alloc_fd(never, NULL, fds[0], EVENTER_READ);
    int64_t alive = eventer_allocations_current();
    assert_int_equal(enter(slot, stale, POLLIN), 0);
    close(fds[0]);
    close(fds[1]);
    harness_socketpair(fresh); /* the same numbers again */
    assert_int_equal(fresh[0], fds[0]);
    eventer_t e = eventer_alloc_fd(never, NULL, fresh[0], EVENTER_READ);
    assert_int_equal(enter(slot, e, POLLIN), 0);
    assert_ptr_equal(slot->event, e);
    assert_int_equal(eventer_allocations_current(), alive); /* the stale one is freed */
    assert_logged(1, "closed without eventer_remove() or eventer_close()");
    leave(slot, fresh[0]);
    eventer_free(e);
    close(fresh[0]);
    close(fresh[1]);
}

static void an_fd_that_cannot_be_polled_is_entered_all_the_same(void **state)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    struct fd_slot *slot = fdtable_slot(fd);
    eventer_t e = eventer_alloc_fd(never, NULL, fd, EVENTER_READ);
    assert_int_equal(enter(slot, e, POLLIN), -EPERM);
    assert_ptr_equal(slot->event, e);
    assert_int_equal(slot->interest, 0);
    leave(slot, fd);
    assert_null(slot->event);
    eventer_free(e);
    close(fd);
}

static void a_bad_fd_leaves_the_slot_as_it_was(void **state)
{
    struct fd_slot *slot = fdtable_slot(900);
    uint32_t generation = slot->generation;
    eventer_t e = eventer_alloc_fd(never, NULL, 900, EVENTER_READ); /* not open */
    assert_int_equal(enter(slot, e, POLLIN), -EBADF);
    assert_null(slot->event);
    assert_int_equal(slot->generation, generation);
    eventer_free(e);
}

/* ---- threads --------------------------------------------------------------------- */

#define THREAD_COUNT 4
#define LOCK_COUNT   20000

static struct fd_slot *found[THREAD_COUNT];
static unsigned counter; /* plain: the lock alone must guard it */

static void *find_and_count(void *closure)
{
    struct fd_slot **mine = closure;
    *mine = fdtable_slot(2000000);
    for (unsigned i = 0; i < LOCK_COUNT; i++) {
        fd_slot_lock(*mine);
        counter++;
        fd_slot_unlock(*mine);
    }
    return NULL;
}

static void threads_find_one_slot_and_its_lock_excludes_them(void **state)
{
    pthread_t threads[THREAD_COUNT];
    for (size_t i = 0; i < THREAD_COUNT; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, find_and_count, &found[i]), 0);
    for (size_t i = 0; i < THREAD_COUNT; i++)
        pthread_join(threads[i], NULL);
    for (size_t i = 1; i < THREAD_COUNT; i++)
        assert_ptr_equal(found[i], found[0]);
    assert_int_equal(counter, THREAD_COUNT * LOCK_COUNT);
}

#define with_loop(test) cmocka_unit_test_setup_teardown(test, begin, end)

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(slots_exist_for_fds_within_the_limit_alone),
    cmocka_unit_test(without_memory_there_is_no_slot_and_later_there_is),
    with_loop(a_registration_has_a_generation_of_its_own),
    with_loop(a_second_event_for_a_live_fd_is_refused),
    with_loop(a_slot_whose_fd_was_closed_behind_our_back_is_taken_over),
    with_loop(an_fd_that_cannot_be_polled_is_entered_all_the_same),
    with_loop(a_bad_fd_leaves_the_slot_as_it_was),
    cmocka_unit_test(the_next_slot_is_found_across_those_that_were_never_made),
    cmocka_unit_test(threads_find_one_slot_and_its_lock_excludes_them),
};

int main(void)
{
    logged_begin();
    return harness_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]));
}
