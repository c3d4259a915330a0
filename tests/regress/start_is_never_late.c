/* SPDX-License-Identifier: MIT */
/*
 * Defect: a coroutine was started, but its first run was put off until its starter had gone on, and
 * what it had been given, a local of the starter, was gone: because the owner of its stack was let
 * run first and lent its locals, or because there was no memory to move that owner away.
 * Method: one shared stack.  A starter on a stack of its own and an owner of the shared one become
 * ready in one batch, the starter first; the owner lends when it runs.  Then an owner that is too
 * large for the emergency area, and no memory for its frames.
 * Shown red: in take_stack() of coro/coro.c, call take_owner() for a new coroutine too; in make(),
 * leave out the call of make_room().
 */
#include "in_coroutine.h"

#include "base/alloc.h"

#define LARGE_SIZE (ACO_EMERGENCY_SIZE + 4096)

static int starter_fds[2], owner_fds[2];
static struct tally may_work = TALLY_NONE;
static _Atomic int parked, child_ran;

static int never_called(eventer_t e, int mask, void *closure, struct timeval *now)
{
    check(false);
    return 0;
}

/* Wait until the test writes to the other end. */
static void wait_for_byte(int fd)
{
    char byte;
    eventer_aco_t e =
        eventer_set_eventer_aco(eventer_alloc_fd(never_called, NULL, fd, EVENTER_READ));
    atomic_fetch_add(&parked, 1);
    check_int(eventer_aco_read(e, &byte, 1, NULL), 1);
    eventer_aco_close(e);
    eventer_aco_free(e);
}

static void write_byte(int fd)
{
    assert_int_equal(write(fd, "x", 1), 1);
}

static void work(void *closure)
{
    tally_wait(&may_work);
    *(int *)closure = 1;
}

static void child(void)
{
    const int *told = eventer_aco_arg();
    if (told != NULL)
        check_int(*told, 42);
    atomic_fetch_add(&child_ran, told != NULL);
}

static void own_and_lend(void)
{
    int lent = 0;
    if (eventer_aco_arg() == NULL)
        return; /* the first run, on trial: it is seen not to lend */
    wait_for_byte(owner_fds[0]);
    eventer_aco_simple_asynch(work, &lent);
    check_int(lent, 1);
}

static void own_much(void)
{
    volatile char frame[LARGE_SIZE];
    frame[0] = 'x';
    frame[LARGE_SIZE - 1] = 'x';
    if (eventer_aco_arg() == NULL)
        return;
    wait_for_byte(owner_fds[0]);
    check(frame[0] == 'x' && frame[LARGE_SIZE - 1] == 'x');
}

static void start_with_local(void)
{
    int local = 42;
    wait_for_byte(starter_fds[0]);
    check_int((eventer_aco_try_start)(child, &local), 0);
    check_int(child_ran, 1);
    tally_raise(&may_work); /* it has run, so this is late enough */
}

static void start_without_memory(void)
{
    int local = 42;
    wait_for_byte(starter_fds[0]);
    alloc_fail_nth(2, 0); /* the first is the coroutine */
    errno = 0;
    int result = (eventer_aco_try_start)(child, &local);
    int err = errno;
    alloc_fail_nth(0, 0);
    local = 0;
    if (result == 0)
        check_int(child_ran, 1); /* a stack of its own */
    else
        check(err == ENOMEM && child_ran == 0);
}

struct pair {
    void (*starter)(void), (*owner)(void);
};

static void start_pair(void *closure)
{
    const struct pair *pair = closure;
    /* Not as macros, which tell one place from another: known from now on, no longer on trial. */
    (eventer_aco_start)(child, NULL);
    (eventer_aco_start)(pair->owner, NULL);
    (eventer_aco_start)(pair->owner, closure);
    eventer_aco_start_private(pair->starter, NULL, 0);
}

static void run_pair(struct pair *pair)
{
    struct hold hold;
    parked = child_ran = 0;
    harness_socketpair(starter_fds);
    harness_socketpair(owner_fds);
    in_loop(0, start_pair, pair);
    wait_until(&parked, 2);
    settle(0);
    hold_begin(&hold, loop_at(0)); /* both are seen at once, in this order */
    write_byte(starter_fds[1]);
    write_byte(owner_fds[1]);
    hold_end(&hold);
    wait_for_all_to_end(0);
    close(starter_fds[1]);
    close(owner_fds[1]);
    assert_checks();
}

static void a_child_runs_before_who_stands_on_its_stack(void **state)
{
    run_pair(&(struct pair){start_with_local, own_and_lend});
}

static void a_child_that_cannot_run_at_once_is_not_started(void **state)
{
    run_pair(&(struct pair){start_without_memory, own_much});
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_child_runs_before_who_stands_on_its_stack),
    cmocka_unit_test(a_child_that_cannot_run_at_once_is_not_started),
};

int main(void)
{
    setenv("ACO_STACKS", "1", 1);
    start_loops(1);
    return harness_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]));
}
