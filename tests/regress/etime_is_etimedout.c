/* SPDX-License-Identifier: MIT */
/*
 * Defect: a time-out set ETIMEDOUT (110), programs tested for ETIME (62), and their branch was
 * dead.
 * Method: time out, and take both branches.
 * Shown red: drop the "#define ETIME ETIMEDOUT" of mtev_defines.h and its #undef.
 */
#include "in_coroutine.h"

static int never(eventer_t e, int mask, void *closure, struct timeval *now)
{
    return 0;
}

static void time_out(void *closure)
{
    char byte;
    int fds[2];
    check_int(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    eventer_aco_t e = eventer_set_eventer_aco(eventer_alloc_fd(never, NULL, fds[0], EVENTER_READ));
    check_int(eventer_aco_read(e, &byte, 1, &(struct timeval){0, 1000}), -1);
    check(errno == ETIME);
    check(errno == ETIMEDOUT);
    eventer_aco_close(e);
    eventer_aco_free(e);
    close(fds[1]);
}

static void a_time_out_satisfies_either_test(void **state)
{
    in_coroutine(0, time_out, NULL);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_time_out_satisfies_either_test),
};

int main(void)
{
    start_loops(1);
    return harness_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]));
}
