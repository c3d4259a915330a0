/* SPDX-License-Identifier: MIT */
/*
 * Goal: every poller keeps the same contract (poller.h): levels, edges, deadlines, wakes, changes
 * by other threads, closed fds, more that is ready than is asked for, no memory. Method: each
 * poller by itself, without a loop, over socket pairs and pipes; what is awaited of an edge is what
 * the test says.  Where a kernel forbids io_uring, epoll stands in for it.
 */
#include "harness.h"
#include "logged.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "eventer/poller.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define READY_MAX 16

static const struct poller_ops *const kinds[] = {&poller_epoll, &poller_poll, &poller_uring};

static struct poller *poller;
static struct poller_ready ready[READY_MAX];
static uint32_t is_awaited; /* what awaited() says */

static uint32_t awaited(uint64_t tag)
{
    (void)tag;
    return is_awaited;
}

static int begin(const struct poller_ops *ops)
{
    int err = ops->open(&poller);
    if (err != 0)
        return err;
    poller->awaited = awaited;
    is_awaited = UINT32_MAX;
    return 0;
}

static int watch(int fd, uint32_t was, uint32_t interest, uint64_t tag)
{
    return poller->ops->watch(poller, fd, was, interest, tag);
}

/* Wait, without sleeping if deadline_ns is POLLER_AT_ONCE, and leave wakes out of what is found. */
static int look(uint64_t deadline_ns)
{
    int found = poller->ops->wait(poller, ready, READY_MAX, deadline_ns), kept = 0;
    assert_in_range(found, 0, READY_MAX);
    for (int i = 0; i < found; i++)
        if (ready[i].tag != POLLER_TAG_WAKE)
            ready[kept++] = ready[i];
    return kept;
}

static int now(void)
{
    return look(POLLER_AT_ONCE);
}

/* Until something is found: a wait may end without reason. */
static int wait_for_one(void)
{
    int found = 0;
    while (found == 0)
        found = look(POLLER_FOREVER);
    return found;
}

static void put(int fd)
{
    assert_int_equal(write(fd, "x", 1), 1);
}

static void take(int fd)
{
    char byte;
    assert_int_equal(read(fd, &byte, 1), 1);
}

static void close_pair(int fds[2])
{
    close(fds[0]);
    close(fds[1]);
}

/* ---- levels ---------------------------------------------------------------------- */

static void a_level_is_reported_as_long_as_it_lasts(void)
{
    int fds[2];
    harness_socketpair(fds);
    assert_int_equal(watch(fds[0], 0, POLLIN | POLLPRI, 7), 0);
    assert_int_equal(now(), 0);
    put(fds[1]);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(wait_for_one(), 1);
        assert_int_equal(ready[0].tag, 7);
        assert_int_equal(ready[0].bits, POLLIN);
    }
    take(fds[0]);
    assert_int_equal(now(), 0);
    put(fds[1]);
    assert_int_equal(wait_for_one(), 1);
    assert_int_equal(watch(fds[0], POLLIN | POLLPRI, 0, 0), 0);
    assert_int_equal(now(), 0);
    close_pair(fds);
}

static void an_interest_that_changes_counts_from_the_next_wait_on(void)
{
    int fds[2];
    harness_socketpair(fds);
    put(fds[1]);
    assert_int_equal(watch(fds[0], 0, POLLIN, 7), 0);
    assert_int_equal(wait_for_one(), 1);
    assert_int_equal(watch(fds[0], POLLIN, POLLOUT, 8), 0);
    assert_int_equal(wait_for_one(), 1);
    assert_int_equal(ready[0].bits, POLLOUT);
    assert_int_equal(ready[0].tag, 8);
    assert_int_equal(watch(fds[0], POLLOUT, POLLERR | POLLHUP, 8), 0);
    assert_int_equal(now(), 0);
    close(fds[1]);
    assert_int_equal(wait_for_one(), 1); /* what nobody asks for is told all the same */
    assert_true(ready[0].bits & POLLHUP);
    close(fds[0]);
}

/* ---- edges ----------------------------------------------------------------------- */

static void an_edge_is_reported_once_until_it_was_used_up(void)
{
    int fds[2];
    harness_socketpair(fds);
    put(fds[1]);
    assert_int_equal(watch(fds[0], 0, POLLIN | POLLRDHUP | POLLER_EDGE, 9), 0);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(wait_for_one(), 1); /* also what was there when it was registered */
        assert_int_equal(ready[0].bits, POLLIN);
        assert_int_equal(ready[0].tag, 9);
        is_awaited = POLLRDHUP | POLLERR | POLLHUP; /* it knows that it may read */
        assert_int_equal(now(), 0);
        assert_int_equal(look(clock_mono_ns() + CLOCK_NS_PER_MS), 0);
        take(fds[0]);
        put(fds[1]); /* between its last read and the next wait */
        is_awaited |= POLLIN;
    }
    close(fds[1]);
    assert_int_equal(wait_for_one(), 1);
    assert_true(ready[0].bits & POLLRDHUP);
    assert_int_equal(watch(fds[0], POLLIN | POLLRDHUP | POLLER_EDGE, 0, 0), 0);
    close(fds[0]);
}

static void an_edge_that_asks_for_more_is_told_what_is_there(void)
{
    int fds[2];
    const uint32_t first = POLLIN | POLLER_EDGE, then = POLLIN | POLLOUT | POLLER_EDGE;
    harness_socketpair(fds);
    assert_int_equal(watch(fds[0], 0, first, 9), 0);
    assert_int_equal(now(), 0);
    assert_int_equal(watch(fds[0], first, then, 9), 0);
    assert_int_equal(wait_for_one(), 1);
    assert_int_equal(ready[0].bits, POLLOUT);
    close_pair(fds);
}

/* ---- time and wakes -------------------------------------------------------------- */

static void a_deadline_is_kept_and_never_early(void)
{
    const uint64_t naps_ns[] = {1, 100 * CLOCK_NS_PER_US, 3 * CLOCK_NS_PER_MS};
    for (size_t i = 0; i < sizeof(naps_ns) / sizeof(naps_ns[0]); i++) {
        uint64_t due_ns = clock_mono_ns() + naps_ns[i];
        unsigned waits = 0;
        do
            assert_int_equal(look(due_ns), 0);
        while (++waits < 1000 && clock_mono_ns() < due_ns);
        assert_in_range(waits, 1, 50); /* it sleeps; the end of a ring may interrupt that */
        assert_true(clock_mono_ns() >= due_ns);
    }
    assert_int_equal(look(1), 0); /* long past */
}

static _Atomic bool has_waited;

static void *wait_until_woken(void *closure)
{
    (void)closure;
    (void)poller->ops->wait(poller, ready, READY_MAX, POLLER_FOREVER);
    atomic_store(&has_waited, true);
    return NULL;
}

static void a_wake_ends_a_wait_also_one_that_has_not_begun(void)
{
    for (int i = 0; i < 100; i++) {
        pthread_t waiter;
        atomic_store(&has_waited, false);
        if (i % 2 == 0)
            poller->ops->wake(poller);
        assert_int_equal(pthread_create(&waiter, NULL, wait_until_woken, NULL), 0);
        if (i % 2 != 0)
            poller->ops->wake(poller);
        pthread_join(waiter, NULL);
        assert_true(has_waited);
        poller->ops->close(poller); /* a poller has one thread that waits */
        assert_int_equal(begin(kinds[(size_t)i % 3]), 0);
    }
}

/* ---- other threads --------------------------------------------------------------- */

#define HANDED_COUNT 200

struct handed {
    int fds[2];
    _Atomic bool is_seen;
};

static struct handed handed[HANDED_COUNT];
static _Atomic bool has_handed_all;

/* The other side: registers, has it seen, takes it back, closes it. */
static void *hand_over(void *closure)
{
    (void)closure;
    for (uint32_t i = 0; i < HANDED_COUNT; i++) {
        if (pipe2(handed[i].fds, O_CLOEXEC | O_NONBLOCK) != 0 ||
            write(handed[i].fds[1], "x", 1) != 1 || watch(handed[i].fds[0], 0, POLLIN, i) != 0)
            break;
        while (!atomic_load(&handed[i].is_seen))
            sched_yield();
        if (watch(handed[i].fds[0], POLLIN, 0, 0) != 0)
            break;
        close_pair(handed[i].fds);
    }
    atomic_store(&has_handed_all, true);
    poller->ops->wake(poller);
    return NULL;
}

static void what_another_thread_registers_ends_the_wait(void)
{
    pthread_t other;
    memset(handed, 0, sizeof(handed));
    atomic_store(&has_handed_all, false);
    (void)now(); /* from here on this is the thread that waits */
    assert_int_equal(pthread_create(&other, NULL, hand_over, NULL), 0);
    while (!atomic_load(&has_handed_all)) {
        int found = look(POLLER_FOREVER);
        for (int i = 0; i < found; i++)
            atomic_store(&handed[ready[i].tag].is_seen, true);
    }
    pthread_join(other, NULL);
    assert_true(handed[HANDED_COUNT - 1].is_seen);
    assert_int_equal(now(), 0);
}

/* ---- many ------------------------------------------------------------------------ */

#define CROWD_COUNT 100

static void all_that_are_ready_are_reported_in_the_end(void)
{
    static int fds[CROWD_COUNT];
    bool is_seen[CROWD_COUNT] = {false};
    for (uint32_t i = 0; i < CROWD_COUNT; i++) {
        fds[i] = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
        assert_true(fds[i] >= 0);
        assert_int_equal(watch(fds[i], 0, POLLIN, i), 0);
    }
    unsigned left = CROWD_COUNT;
    for (unsigned waits = 0; left > 0; waits++) {
        assert_true(waits < 4 * CROWD_COUNT / READY_MAX); /* nobody is passed over for long */
        int found = look(POLLER_AT_ONCE);
        for (int i = 0; i < found; i++) {
            left -= !is_seen[ready[i].tag];
            is_seen[ready[i].tag] = true;
        }
    }
    for (size_t i = 0; i < CROWD_COUNT; i++)
        close(fds[i]);
}

/* ---- faults ---------------------------------------------------------------------- */

static void what_cannot_be_watched_is_said(void)
{
    int fds[2], fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    assert_int_equal(watch(fd, 0, POLLIN, 1), -EPERM);
    close(fd);
    assert_int_equal(watch(fd, 0, POLLIN, 1), -EBADF);
    fd = open("/", O_RDONLY | O_CLOEXEC);
    assert_int_equal(watch(fd, 0, POLLIN, 1), -EPERM);
    close(fd);
    harness_socketpair(fds);
    assert_int_equal(watch(fds[0], POLLIN, POLLOUT, 1), -ENOENT);
    assert_int_equal(watch(fds[0], POLLIN, 0, 1), -ENOENT);
    assert_int_equal(watch(fds[0], 0, POLLIN, 1), 0);
    assert_int_equal(watch(fds[0], 0, POLLIN, 1), -EEXIST);
    close_pair(fds);
}

static void an_fd_that_was_closed_is_forgotten(void)
{
    int fds[2], fresh[2];
    harness_socketpair(fds);
    assert_int_equal(watch(fds[0], 0, POLLIN, 1), 0);
    assert_int_equal(now(), 0);
    close_pair(fds);
    assert_int_equal(now(), 0);
    harness_socketpair(fresh);
    assert_int_equal(fresh[0], fds[0]);
    assert_int_not_equal(watch(fresh[0], POLLIN, POLLIN, 1), 0);
    assert_int_equal(watch(fresh[0], 0, POLLIN, 2), 0);
    put(fresh[1]);
    assert_int_equal(wait_for_one(), 1);
    assert_int_equal(ready[0].tag, 2);
    close_pair(fresh);
}

static void make_pipe(int fds[2])
{
    assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
}

/* Have the poller ask the kernel about fds[0] after another one, and tell of that one alone. */
static void look_at_another_one_first(int fds[2], bool is_closed)
{
    int other = eventfd(1, EFD_CLOEXEC);
    assert_int_equal(watch(other, 0, POLLIN, 1), 0);
    assert_int_equal(watch(fds[0], 0, POLLIN, 2), 0);
    if (is_closed)
        close_pair(fds);
    while (poller->ops->wait(poller, ready, 1, POLLER_AT_ONCE) == 0)
        ;
    assert_int_equal(watch(other, POLLIN, 0, 0), 0);
    close(other);
}

static void what_is_registered_anew_is_not_taken_for_what_it_was(void)
{
    for (int i = 0; i < 2; i++) { /* closed before it was asked about, or when it was known ready */
        int fds[2], fresh[2];
        make_pipe(fds);
        put(fds[1]);
        look_at_another_one_first(fds, i == 0);
        if (i != 0)
            close_pair(fds);
        make_pipe(fresh);
        assert_int_equal(fresh[0], fds[0]);
        assert_int_equal(watch(fresh[0], 0, POLLIN, 3), 0);
        assert_int_equal(now(), 0);
        put(fresh[1]);
        assert_int_equal(wait_for_one(), 1);
        assert_int_equal(ready[0].tag, 3);
        assert_int_equal(watch(fresh[0], POLLIN, 0, 0), 0);
        close_pair(fresh);
    }
}

static void an_fd_is_let_go_at_once_by_the_thread_that_waits(void)
{
    int fds[2];
    char byte;
    harness_socketpair(fds);
    assert_int_equal(watch(fds[0], 0, POLLIN | POLLER_EDGE, 1), 0);
    assert_int_equal(now(), 0);
    assert_int_equal(watch(fds[0], POLLIN | POLLER_EDGE, 0, 0), 0);
    close(fds[0]);
    assert_int_equal(read(fds[1], &byte, 1), 0); /* its peer sees the end before the next wait */
    close(fds[1]);
}

/* ---- each of them, of each kind -------------------------------------------------- */

static void (*const contract[])(void) = {
    a_level_is_reported_as_long_as_it_lasts,
    an_interest_that_changes_counts_from_the_next_wait_on,
    an_edge_is_reported_once_until_it_was_used_up,
    an_edge_that_asks_for_more_is_told_what_is_there,
    a_deadline_is_kept_and_never_early,
    what_another_thread_registers_ends_the_wait,
    all_that_are_ready_are_reported_in_the_end,
    what_cannot_be_watched_is_said,
    an_fd_that_was_closed_is_forgotten,
    what_is_registered_anew_is_not_taken_for_what_it_was,
    an_fd_is_let_go_at_once_by_the_thread_that_waits,
};

static void keep_the_contract(const struct poller_ops *ops)
{
    for (size_t i = 0; i < sizeof(contract) / sizeof(contract[0]); i++) {
        assert_int_equal(begin(ops), 0);
        contract[i]();
        poller->ops->close(poller);
    }
}

static void epoll_keeps_the_contract(void **state)
{
    keep_the_contract(&poller_epoll);
}

static void poll_keeps_the_contract(void **state)
{
    keep_the_contract(&poller_poll);
}

static unsigned times_said; /* that io_uring cannot be used */

static void io_uring_keeps_the_contract(void **state)
{
    keep_the_contract(&poller_uring);
    times_said = logged("io_uring cannot be used"); /* without liburing, or by order */
}

static void a_wake_is_never_lost(void **state)
{
    assert_int_equal(begin(&poller_epoll), 0);
    a_wake_ends_a_wait_also_one_that_has_not_begun();
    poller->ops->close(poller);
}

static void open_and_use(void *closure)
{
    int fds[2];
    if (begin(closure) != 0)
        return;
    harness_socketpair(fds);
    int high = fcntl(fds[0], F_DUPFD_CLOEXEC, 500); /* past what tables begin with */
    assert_true(high >= 0);
    int err = watch(high, 0, POLLIN, 1);
    assert_true(err == 0 || err == -ENOMEM);
    put(fds[1]);
    assert_int_equal(err == 0 ? wait_for_one() : 1 + now(), 1);
    close(high);
    close_pair(fds);
    poller->ops->close(poller);
}

static void without_memory_there_is_an_error_and_nothing_is_left(void **state)
{
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        union {
            const struct poller_ops *ops;
            void *closure;
        } kind = {.ops = kinds[i]};
        harness_fail_each_allocation(open_and_use, kind.closure);
    }
}

static void without_fds_there_is_an_error_and_nothing_is_left(void **state)
{
    struct rlimit before, limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    int lowest = fcntl(0, F_DUPFD_CLOEXEC, 0);
    close(lowest);
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        struct poller *made = NULL;
        int err = -EMFILE;
        for (int more = 0; err != 0; more++) {
            assert_true(more < 4);
            limit = (struct rlimit){(rlim_t)(lowest + more), before.rlim_max};
            assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
            err = kinds[i]->open(&made);
            assert_true(err == 0 || (err == -EMFILE && made == NULL));
        }
        made->ops->close(made);
    }
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

/* ---- where it is forbidden ------------------------------------------------------- */

static int forbid_io_uring(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof(filter) / sizeof(filter[0]), filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return -1;
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

/* The last test: there is no way back. */
static void where_io_uring_is_forbidden_epoll_is_used_and_one_line_says_so(void **state)
{
    if (forbid_io_uring() != 0)
        skip(); /* no such filters here */
    logged_clear();
    for (int i = 0; i < 3; i++) {
        assert_int_equal(begin(&poller_uring), 0);
        assert_ptr_equal(poller->ops, &poller_epoll);
        poller->ops->close(poller);
    }
    assert_logged(1 - times_said, "io_uring cannot be used");
    keep_the_contract(&poller_uring);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(epoll_keeps_the_contract),
    cmocka_unit_test(poll_keeps_the_contract),
    cmocka_unit_test(io_uring_keeps_the_contract),
    cmocka_unit_test(a_wake_is_never_lost),
    cmocka_unit_test(without_memory_there_is_an_error_and_nothing_is_left),
    cmocka_unit_test(without_fds_there_is_an_error_and_nothing_is_left),
    cmocka_unit_test(where_io_uring_is_forbidden_epoll_is_used_and_one_line_says_so),
};

int main(void)
{
    logged_begin();
    return harness_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]));
}
