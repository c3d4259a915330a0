/* SPDX-License-Identifier: MIT */
/*
 * Goal: accept, read, write and close on an event say what the system call says, and what to
 * wait for.
 * Method: by hand on sockets that are not registered; one running loop for what needs it.
 */
#include "in_loop.h"
#include "logged.h"

#include "eventer/event.h"

#include <fcntl.h>
#include <netinet/in.h>

static int never(eventer_t e, int mask, void *closure, struct timeval *now)
{
    check(false);
    return 0;
}

static void a_read_gives_bytes_the_end_or_what_to_wait_for(void **state)
{
    int fds[2], mask = 0;
    char bytes[8];
    harness_socketpair(fds);
    eventer_t e = eventer_alloc_fd(never, NULL, fds[0], EVENTER_READ);
    assert_int_equal(eventer_read(e, bytes, sizeof(bytes), &mask), -1);
    assert_int_equal(errno, EAGAIN);
    assert_int_equal(mask, EVENTER_READ | EVENTER_EXCEPTION);
    assert_int_equal(write(fds[1], "abc", 3), 3);
    assert_int_equal(eventer_read(e, bytes, sizeof(bytes), &mask), 3);
    close(fds[1]);
    assert_int_equal(eventer_read(e, bytes, sizeof(bytes), &mask), 0);
    assert_int_equal(eventer_close(e, &mask), 0);
    eventer_free(e);
}

static void a_write_takes_bytes_or_says_what_to_wait_for(void **state)
{
    static const char bytes[65536];
    int fds[2], mask = 0, count;
    harness_socketpair(fds);
    eventer_t e = eventer_alloc_fd(never, NULL, fds[0], EVENTER_WRITE);
    while ((count = eventer_write(e, bytes, sizeof(bytes), &mask)) > 0)
        ;
    assert_int_equal(count, -1);
    assert_int_equal(errno, EAGAIN);
    assert_int_equal(mask, EVENTER_WRITE | EVENTER_EXCEPTION);
    close(fds[1]);
    assert_int_equal(eventer_write(e, bytes, 1, &mask), -1);
    assert_int_equal(errno, EPIPE); /* and no signal */
    assert_int_equal(eventer_close(e, &mask), 0);
    eventer_free(e);
}

static void what_is_no_socket_is_found_out_once(void **state)
{
    int fds[2], mask = 0;
    char bytes[8] = "";
    assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
    eventer_t in = eventer_alloc_fd(never, NULL, fds[0], EVENTER_READ);
    eventer_t out = eventer_alloc_fd(never, NULL, fds[1], EVENTER_WRITE);
    assert_int_equal(eventer_read(in, bytes, sizeof(bytes), &mask), -1);
    assert_int_equal(errno, EAGAIN);
    assert_int_equal(mask, EVENTER_READ | EVENTER_EXCEPTION);
    assert_true(in->is_file);
    assert_int_equal(eventer_write(out, "abc", 3, &mask), 3);
    assert_true(out->is_file);
    eventer_t copy = eventer_alloc_copy(in);
    assert_true(copy->is_file);
    assert_int_equal(eventer_read(copy, bytes, sizeof(bytes), &mask), 3);
    assert_string_equal(bytes, "abc");
    eventer_free(copy);
    assert_int_equal(eventer_close(in, &mask), 0);
    assert_int_equal(eventer_write(out, "d", 1, &mask), -1);
    assert_int_equal(errno, EPIPE);
    assert_int_equal(eventer_close(out, &mask), 0);
    eventer_free(in);
    eventer_free(out);
}

static void an_accept_gives_a_connection_or_what_to_wait_for(void **state)
{
    struct sockaddr_in address;
    socklen_t len = sizeof(address);
    uint16_t port;
    int mask = 0, listener = harness_listen(&port);
    eventer_t e = eventer_alloc_fd(never, NULL, listener, EVENTER_READ);
    assert_int_equal(eventer_accept(e, NULL, NULL, &mask), -1);
    assert_int_equal(errno, EAGAIN);
    assert_int_equal(mask, EVENTER_READ | EVENTER_EXCEPTION);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &len), 0);
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(client, (struct sockaddr *)&address, len), 0);
    int conn = eventer_accept(e, (struct sockaddr *)&address, &len, &mask);
    assert_true(conn >= 0);
    assert_int_equal(address.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
    assert_true(fcntl(conn, F_GETFD) & FD_CLOEXEC);
    close(conn);
    close(client);
    eventer_close(e, &mask);
    eventer_free(e);
}

static void a_close_happens_once_and_now(void **state)
{
    int fds[2], mask;
    char byte;
    harness_socketpair(fds);
    eventer_t e = eventer_alloc_fd(never, NULL, fds[0], EVENTER_READ);
    assert_int_equal(eventer_close(e, &mask), 0);
    assert_int_equal(read(fds[1], &byte, 1), 0); /* the peer sees it already */
    assert_int_equal(eventer_get_fd(e), -1);
    errno = 0;
    assert_int_equal(eventer_close(e, &mask), -1);
    assert_int_equal(errno, EBADFD);
    eventer_free(e);
    eventer_t timer = eventer_in_s_us(never, NULL, 1, 0);
    assert_int_equal(eventer_close(timer, &mask), -1);
    eventer_free(timer);
    close(fds[1]);
}

static void closing_a_registered_event_ends_it(void **state)
{
    int fds[2], mask;
    int64_t alive = eventer_allocations_current();
    harness_socketpair(fds);
    eventer_t e = eventer_alloc_fd(never, NULL, fds[0], EVENTER_READ);
    eventer_add(e);
    assert_int_equal(eventer_close(e, &mask), 0);
    assert_null(eventer_find_fd(fds[0]));
    assert_int_equal(eventer_allocations_current(), alive);
    close(fds[1]);
    settle(0);
}

#ifndef EVENTER_VALGRIND /* all threads stand still in a close(2) there */

/* A thread of the queue closes it, because close(2) waits for the peer to take what was sent. */
static void a_close_that_lingers_does_not_wait(void **state)
{
    static const char bytes[65536];
    struct linger linger = {.l_onoff = 1, .l_linger = 10};
    struct sockaddr_in address;
    socklen_t len = sizeof(address);
    uint16_t port;
    int mask, listener = harness_listen(&port);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &len), 0);
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(client, (struct sockaddr *)&address, len), 0);
    int conn = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    assert_int_equal(setsockopt(conn, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
    eventer_t e = eventer_alloc_fd(never, NULL, conn, EVENTER_WRITE);
    while (eventer_write(e, bytes, sizeof(bytes), &mask) > 0)
        ;
    uint64_t begun_ns = clock_mono_ns();
    assert_int_equal(eventer_close(e, &mask), 0);
    assert_true(clock_mono_ns() - begun_ns < 5 * CLOCK_NS_PER_S); /* not the ten of linger */
    eventer_free(e);
    close(client); /* with data unread: a reset, which ends the wait */
    while (fcntl(conn, F_GETFD) >= 0)
        sched_yield();
    close(listener);
}

#endif

static void an_fd_is_made_blocking_and_back(void **state)
{
    int fds[2];
    harness_socketpair(fds);
    assert_int_equal(eventer_set_fd_blocking(fds[0]), 0);
    assert_false(fcntl(fds[0], F_GETFL) & O_NONBLOCK);
    assert_int_equal(eventer_set_fd_blocking(fds[0]), 0);
    assert_int_equal(eventer_set_fd_nonblocking(fds[0]), 0);
    assert_true(fcntl(fds[0], F_GETFL) & O_NONBLOCK);
    close(fds[0]);
    close(fds[1]);
    assert_int_equal(eventer_set_fd_nonblocking(fds[0]), -1);
    assert_int_equal(errno, EBADF);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_read_gives_bytes_the_end_or_what_to_wait_for),
    cmocka_unit_test(a_write_takes_bytes_or_says_what_to_wait_for),
    cmocka_unit_test(an_accept_gives_a_connection_or_what_to_wait_for),
    cmocka_unit_test(a_close_happens_once_and_now),
    cmocka_unit_test(closing_a_registered_event_ends_it),
#ifndef EVENTER_VALGRIND
    cmocka_unit_test(a_close_that_lingers_does_not_wait),
#endif
    cmocka_unit_test(an_fd_is_made_blocking_and_back),
    cmocka_unit_test(what_is_no_socket_is_found_out_once),
};

int main(void)
{
    logged_begin();
    start_loops(1);
    return harness_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]));
}
