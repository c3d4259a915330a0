/* SPDX-License-Identifier: MIT */
/*
 * Goal: wherever memory runs out in the life of a coroutine, from eventer_init() to its last end,
 * the call concerned says so, everything else goes on, nothing is lost, and with memory again all
 * works.
 * Method: for each allocation in turn a child of this process, so that every pool is empty, in
 * which that one fails, or that one and all after it; the child lives the same life a second time
 * with memory.  A build with AddressSanitizer looks for leaks when the child ends.
 */
#include "canary.h"
#include "in_coroutine.h"
#include "logged.h"

#include "base/alloc.h"
#include "eventer/event.h"

#include <sys/mman.h>
#include <sys/wait.h>

#define ALLOCATIONS_MAX 5000 /* a life that asks for more is taken to be endless */
#define DEEP_COUNT      6
#define DEEP_FRAMES     30

struct report { /* from a child */
    uint64_t asked;
    char failures[sizeof(check_text)];
};

static struct report *report;
static bool has_memory;     /* nothing may fail */
static _Atomic int running; /* coroutines */

/* True if a call did what it is for, or failed for want of memory while that may be. */
static bool came_to(bool is_done)
{
    int err = errno;
    check(is_done || (!has_memory && err == ENOMEM));
    return is_done;
}

/* ---- a life ---------------------------------------------------------------------- */

static void end_at_once(void)
{
    atomic_fetch_sub(&running, 1);
}

static void sleep_and_end(void)
{
    sleep_ms(1);
    atomic_fetch_sub(&running, 1);
    aco_exit();
}

static void nap(void *closure)
{
    sleep_ms(1);
}

/* Its frames have to be moved for others; without memory those wait until it has ended. */
static void sleep_deep(void)
{
    for (unsigned i = 0; i < 3; i++)
        check_int(canary_call(DEEP_FRAMES * (i + 1), 1 + i, nap, NULL), 0);
    atomic_fetch_sub(&running, 1);
}

static bool start(void (*func)(void), size_t private_size)
{
    atomic_fetch_add(&running, 1);
    errno = 0;
    int result = private_size == 0 ? eventer_aco_try_start(func, NULL)
                                   : eventer_aco_start_private(func, NULL, private_size);
    check(result == 0 || result == -1);
    if (came_to(result == 0))
        return true;
    atomic_fetch_sub(&running, 1);
    return false;
}

static void start_or_drop(void)
{
    unsigned said = logged("not started");
    atomic_fetch_add(&running, 1);
    eventer_aco_start(sleep_and_end, NULL);
    if (logged("not started") == said)
        return;
    check(!has_memory);
    atomic_fetch_sub(&running, 1);
}

static void add_up(void *closure)
{
    int *numbers = closure;
    numbers[2] = numbers[0] + numbers[1];
}

static void add_up_in_steps(eventer_asynch_op_t op, void *closure)
{
    if (op == EVENTER_ASYNCH_WORK)
        add_up(closure);
}

static int on_event(eventer_t e, int mask, void *closure, struct timeval *now)
{
    add_up_in_steps((eventer_asynch_op_t)mask, closure);
    return 0;
}

/* Without memory the work is done all the same, in the loop. */
static void lend(void)
{
    int numbers[3] = {1, 2, 0};
    eventer_aco_simple_asynch(add_up, numbers);
    check_int(numbers[2], 3);
    numbers[0] = 10;
    eventer_aco_asynch(add_up_in_steps, numbers);
    check_int(numbers[2], 12);
    errno = 0;
    eventer_t e = eventer_alloc_asynch(on_event, numbers);
    if (!came_to(e != NULL))
        return;
    numbers[0] = 20;
    eventer_aco_run_asynch(e);
    check_int(numbers[2], 22);
}

static void use_a_gate(void)
{
    int numbers[2][3] = {{1, 2, 0}, {3, 4, 0}};
    errno = 0;
    eventer_aco_gate_t gate = eventer_aco_gate();
    if (!came_to(gate != NULL))
        return;
    eventer_aco_simple_asynch_gated(gate, add_up, numbers[0]);
    eventer_aco_simple_asynch_gated(gate, add_up, numbers[1]);
    eventer_aco_gate_wait(gate);
    check_int(numbers[0][2], 3);
    check_int(numbers[1][2], 7);
}

static int never_called(eventer_t e, int mask, void *closure, struct timeval *now)
{
    check(false);
    return 0;
}

static void talk(eventer_aco_t e, int peer)
{
    char byte = 'x';
    errno = 0;
    int count = eventer_aco_read(e, &byte, 1, &(struct timeval){0, 1000});
    check_int(count, -1);
    came_to(errno == ETIME);
    check_int(write(peer, "y", 1), 1);
    errno = 0;
    count = eventer_aco_read(e, &byte, 1, &(struct timeval){10, 0});
    if (came_to(count == 1))
        check_int(byte, 'y');
    came_to(eventer_aco_write(e, "z", 1, NULL) == 1);
}

static void use_a_socket(void)
{
    int fds[2] = {-1, -1};
    check_int(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    errno = 0;
    eventer_t e = eventer_alloc_fd(never_called, NULL, fds[0], EVENTER_READ);
    if (came_to(e != NULL)) {
        eventer_aco_t aco = eventer_set_eventer_aco(e);
        if (came_to(aco != NULL)) {
            talk(aco, fds[1]);
            check_int(eventer_aco_close(aco), 0);
            eventer_aco_free(aco);
            fds[0] = -1;
        } else {
            eventer_free(e);
        }
    }
    if (fds[0] >= 0)
        close(fds[0]);
    close(fds[1]);
}

static void live(void)
{
    sleep_ms(1);
    lend();
    start(end_at_once, 0);
    start(sleep_and_end, 0);
    start(sleep_and_end, 32768);
    start_or_drop();
    use_a_gate();
    use_a_socket();
    lend();
    atomic_fetch_sub(&running, 1);
}

static void begin_life(void *closure)
{
    start(live, 0);
    for (unsigned i = 0; i < DEEP_COUNT; i++)
        start(sleep_deep, 0);
}

static void be_one_turn(void *closure)
{
    struct errand errand;
    errand_post(&errand, 0, do_nothing, NULL);
    errand_wait(&errand);
}

static void live_once(void)
{
    struct errand errand;
    errand_post(&errand, 0, begin_life, NULL);
    errand_wait(&errand);
    while (atomic_load(&running) > 0)
        be_one_turn(NULL);
    size_t count;
    do {
        errand_post(&errand, 0, read_coroutine_count, &count);
        errand_wait(&errand);
    } while (count > 0);
}

/* ---- in a child ------------------------------------------------------------------ */

static void init(void)
{
    const char *stacks = getenv("ACO_STACKS");
    if (eventer_propset("concurrency", "1") != 0 ||
        (stacks != NULL && eventer_propset("aco_shared_stacks", stacks) != 0))
        _exit(2);
    errno = 0;
    if (came_to(eventer_init() == 0))
        return;
    alloc_fail_nth(0, 0);
    check_int(eventer_init(), 0); /* later it works */
}

static int be_child(uint64_t nth, int and_after)
{
    alarm(30);
    logged_clear();
    alloc_fail_nth(nth, and_after);
    init();
    int64_t events = eventer_allocations_current();
    live_once();
    report->asked = alloc_asked();
    alloc_fail_nth(0, 0);
    has_memory = true;
    live_once();
    check_int(eventer_allocations_current(), events);
    memcpy(report->failures, check_text, sizeof(check_text));
    return check_text[0] != '\0';
}

/* Returns how many allocations that life asked for. */
static uint64_t fail_in_child(uint64_t nth, int and_after)
{
    int status = 0;
    *report = (struct report){.asked = 0};
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        exit(be_child(nth, and_after));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (status != 0)
        fail_msg("allocation %ju%s: status %x, %s", (uintmax_t)nth,
                 and_after ? " and all after it" : "", (unsigned)status, report->failures);
    return report->asked;
}

static void fail_each(int and_after)
{
    uint64_t nth = 1;
    while (fail_in_child(nth, and_after) >= nth) {
        nth++;
        assert_true(nth <= ALLOCATIONS_MAX);
    }
    print_message("%ju allocations\n", (uintmax_t)nth - 1);
    assert_true(nth > 30);
}

static void any_one_allocation_may_fail(void **state)
{
    fail_each(0);
}

static void memory_may_run_out_anywhere(void **state)
{
    fail_each(1);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(any_one_allocation_may_fail),
    cmocka_unit_test(memory_may_run_out_anywhere),
};

int main(void)
{
    report = mmap(NULL, sizeof(*report), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (report == MAP_FAILED)
        return 1;
    logged_begin();
    return harness_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]));
}
