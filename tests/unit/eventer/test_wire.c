/* SPDX-License-Identifier: MIT */
/*
 * Goal: who puts a recv and a send of his own in front of the C library's is asked for each
 * message. Method: this program has its own; the sockets that are read and written are a pair.
 */
#include "in_loop.h"

#include "eventer/event.h"
#include "eventer/wire.h"

#include <sys/syscall.h>
#include <unistd.h>

static int received, sent;

ssize_t recv(int fd, void *bytes, size_t len, int flags)
{
    received++;
    return syscall(SYS_recvfrom, fd, bytes, len, flags, NULL, NULL);
}

ssize_t send(int fd, const void *bytes, size_t len, int flags)
{
    sent++;
    return syscall(SYS_sendto, fd, bytes, len, flags, NULL, 0);
}

static int never(eventer_t e, int mask, void *closure, struct timeval *now)
{
    check(false);
    return 0;
}

static void what_stands_before_the_c_library_is_called(void **state)
{
    int fds[2], mask;
    char bytes[4];
    harness_socketpair(fds);
    eventer_t e = eventer_alloc_fd(never, NULL, fds[0], EVENTER_READ);
    assert_false(wire_is_direct);
    assert_int_equal(eventer_write(e, "abc", 3, &mask), 3);
    assert_int_equal(sent, 1);
    assert_int_equal(write(fds[1], "abc", 3), 3);
    assert_int_equal(eventer_read(e, bytes, sizeof(bytes), &mask), 3);
    assert_int_equal(received, 1);
    assert_int_equal(eventer_close(e, &mask), 0);
    eventer_free(e);
    close(fds[1]);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(what_stands_before_the_c_library_is_called),
};

int main(void)
{
    start_loops(1);
    return harness_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]));
}
