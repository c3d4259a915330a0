/* SPDX-License-Identifier: MIT */
/*
 * Goal: a listener takes bursts of connections, survives having no fds left without spinning or
 * filling the log, serves those who waited when there are fds again, and frees its address at the
 * end.
 * Method: one loop; the limit on fds is lowered for a while.  That the loop does not spin is seen
 * in its count of turns.
 */
#include "listening.h"

#include <sys/resource.h>

#define BURST      500
#define WAITING    20  /* connections that find no fd */
#define TURNS_MAX  400 /* of a loop that looks again 10 times a second */
#define STARVED_NS (1500 * CLOCK_NS_PER_MS)

static pthread_t looping;
static _Atomic int closed; /* connections that the server has closed */

static void say_byte(void)
{
    eventer_aco_t e = eventer_aco_arg();
    char byte;
    eventer_aco_write(e, "!", 1, NULL);
    (void)eventer_aco_read(e, &byte, 1, NULL); /* until the peer goes */
    eventer_aco_close(e);
    eventer_aco_free(e);
    atomic_fetch_add(&closed, 1);
}

static void get_turns(void *closure)
{
    *(uint64_t *)closure = loop_self->turns;
}

static void assert_served(int fd)
{
    char byte;
    assert_int_equal(recv(fd, &byte, 1, 0), 1);
    assert_int_equal(byte, '!');
}

static void a_burst_is_served(void **state)
{
    (void)state;
    static int fds[BURST];
    for (int i = 0; i < BURST; i++)
        fds[i] = connect_to(listening_on);
    for (int i = 0; i < BURST; i++)
        assert_served(fds[i]);
    for (int i = 0; i < BURST; i++)
        close(fds[i]);
    wait_until(&closed, BURST);
}

/* Open fds until there are none, and give back some. */
static int exhaust(int *fds, int room, struct rlimit *before)
{
    struct rlimit limit;
    int top = dup(STDIN_FILENO), count = 0;
    assert_true(top >= 0);
    close(top);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, before), 0);
    limit = *before;
    limit.rlim_cur = (rlim_t)(top + 100);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    while (count < 200 && (fds[count] = dup(STDIN_FILENO)) >= 0)
        count++;
    assert_int_equal(errno, EMFILE);
    for (int i = 0; i < room; i++)
        close(fds[--count]);
    return count;
}

static void without_fds_connections_wait(void **state)
{
    (void)state;
    int fillers[200], fds[WAITING];
    struct rlimit before;
    uint64_t from, to;
    int count = exhaust(fillers, WAITING, &before);
    logged_clear();
    for (int i = 0; i < WAITING; i++) /* our ends take the last fds: none is left to accept */
        fds[i] = open_socket(listening_on);
    for (int i = 0; i < WAITING; i++)
        connect_socket(fds[i], listening_on);
    in_loop(0, get_turns, &from);
    struct timeval wait = clock_timeval(STARVED_NS);
    setsockopt(fds[0], SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
    char byte;
    uint64_t begin_ns = clock_mono_ns();
    assert_int_equal(recv(fds[0], &byte, 1, 0), -1); /* nobody serves it meanwhile */
    assert_int_equal(errno, EAGAIN);
    uint64_t seconds = (clock_mono_ns() - begin_ns) / CLOCK_NS_PER_S;
    in_loop(0, get_turns, &to);
    assert_true(to - from < TURNS_MAX * (1 + seconds));
    unsigned lines = logged("Too many open files; connections wait\n");
    assert_true(lines >= 1 && lines <= seconds + 2);
    assert_int_equal(logged("\n"), lines);
    for (int i = 0; i < count; i++)
        close(fillers[i]);
    const struct timeval patience = {.tv_sec = 30};
    setsockopt(fds[0], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    for (int i = 0; i < WAITING; i++)
        assert_served(fds[i]);
    for (int i = 0; i < WAITING; i++)
        close(fds[i]);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    wait_until(&closed, BURST + WAITING);
    logged_clear();
}

static void *loop_until_stopped(void *arg)
{
    (void)arg;
    eventer_loop();
    return NULL;
}

/* In a pause, the listener's timer is still to come. */
static void a_paused_listener_may_stop(void **state)
{
    (void)state;
    int fillers[200], fd;
    struct rlimit before;
    int count = exhaust(fillers, 1, &before);
    fd = connect_to(listening_on);
    while (logged("connections wait\n") == 0)
        settle(0);
    while (!pool_request_stop()) /* without an fd: no turn of the timer ends the pause before */
        sched_yield();
    pthread_join(looping, NULL);
    for (int i = 0; i < count; i++)
        close(fillers[i]);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    char byte;
    assert_true(recv(fd, &byte, 1, 0) <= 0);
    close(fd);
    assert_int_equal(listening_look(), 0);
    logged_clear();
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_burst_is_served),
    cmocka_unit_test(without_fds_connections_wait),
    cmocka_unit_test(a_paused_listener_may_stop),
};

int main(void)
{
    char text[128];
    struct rlimit limit;
    listening_begin(1);
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur < 2 * BURST + 200)
        return 77; /* this machine has too few */
    mtev_listener_register_aco_function("byte", say_byte);
    snprintf(text, sizeof(text),
             "<listener type='byte' address='127.0.0.1' port='0' backlog='%d'/>", BURST);
    if (listen_to(text, true) != 0 || pthread_create(&looping, NULL, loop_until_stopped, NULL) != 0)
        return 1;
    return harness_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]));
}
