/* SPDX-License-Identifier: MIT */
/*
 * Goal: a coroutine whose fd is always ready has a number of operations in a turn, and then the
 * others have theirs; what happens to its event meanwhile is noticed.
 * Method: one that reads or writes what never ends, while the turns of its loop are counted, or
 * another closes its event or reads from it.
 */
#include "io_helpers.h"

#include <fcntl.h>

#define OPERATIONS 480 /* thirty turns of sixteen */

static eventer_aco_t busy; /* the event of the busy one */
static _Atomic int has_ended;

static void read_all(void *closure)
{
    static const char bytes[OPERATIONS];
    char byte;
    struct pair pair = pair_open(SOCK_STREAM);
    check_int(write(pair.peer, bytes, sizeof(bytes)), sizeof(bytes));
    uint64_t turns = loop_self->turns;
    for (int i = 0; i < OPERATIONS; i++)
        check_int(eventer_aco_read(pair.e, &byte, 1, NULL), 1);
    check(loop_self->turns - turns >= OPERATIONS / 16 - 2); /* it begins and ends within one */
    pair_close(&pair);
}

static void who_always_finds_bytes_lets_others_run(void **state)
{
    in_coroutine(0, read_all, NULL);
}

static void write_to_dev_null(void *closure)
{
    eventer_aco_t e = adopt(open("/dev/null", O_WRONLY | O_CLOEXEC));
    uint64_t turns = loop_self->turns;
    for (int i = 0; i < OPERATIONS; i++)
        check_int(eventer_aco_write(e, "x", 1, NULL), 1);
    check(loop_self->turns - turns >= OPERATIONS / 16 - 2); /* it begins and ends within one */
    end_event(e);
}

static void who_always_finds_room_lets_others_run(void **state)
{
    in_coroutine(0, write_to_dev_null, NULL);
}

/* ---- closed meanwhile ---- */

static void close_it(void)
{
    eventer_aco_sleep(&(struct timeval){0, 0});
    end_event(busy);
    busy = NULL;
}

static void read_until_it_is_closed(void *closure)
{
    char byte;
    int count = 0;
    busy = adopt(open("/dev/zero", O_RDONLY | O_CLOEXEC));
    eventer_aco_start(close_it, NULL);
    while (eventer_aco_read(busy, &byte, 1, NULL) == 1)
        count++;
    check_int(errno, ECANCELED);
    check(busy == NULL && count >= 16);
}

static void a_close_between_its_turns_is_noticed(void **state)
{
    in_coroutine(0, read_until_it_is_closed, NULL);
}

/* It stands in its place between the turns, too. */
static void read_as_another(void *closure)
{
    char byte;
    eventer_aco_sleep(&(struct timeval){0, 0});
    check_int(eventer_aco_read(*(eventer_aco_t *)closure, &byte, 1, NULL), -1);
    check_int(errno, EBUSY);
    has_ended = 1;
}

static void start_another(void)
{
    read_as_another(eventer_aco_arg());
}

static void read_while_another_tries(void *closure)
{
    char byte;
    has_ended = 0;
    busy = adopt(open("/dev/zero", O_RDONLY | O_CLOEXEC));
    eventer_aco_start(start_another, &busy);
    while (!has_ended)
        check_int(eventer_aco_read(busy, &byte, 1, NULL), 1);
    end_event(busy);
}

static void another_that_reads_between_its_turns_is_refused(void **state)
{
    in_coroutine(0, read_while_another_tries, NULL);
}

static const struct CMUnitTest tests[] = {
    clean_test(who_always_finds_bytes_lets_others_run),
    clean_test(who_always_finds_room_lets_others_run),
    clean_test(a_close_between_its_turns_is_noticed),
    clean_test(another_that_reads_between_its_turns_is_refused),
};

int main(void)
{
    logged_begin();
    start_loops(1);
    return harness_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]));
}
