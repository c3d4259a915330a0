/* SPDX-License-Identifier: MIT */
/*
 * Goal: messages arrive in order and apart, with their fds, and the end of a peer is seen.
 * Method: both ends of a channel in one process.
 */
#include "harness.h"

#include "main/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

static void messages_arrive_in_order(void **state)
{
    int ends[2], fd = -7;
    struct channel_message message;
    assert_int_equal(channel_open(ends), 0);
    assert_int_equal(channel_take(ends[1], &message, &fd), -EAGAIN);
    assert_int_equal(fd, -7);
    assert_int_equal(channel_send(ends[0], CHANNEL_READY, 30, -1), 0);
    assert_int_equal(channel_send(ends[0], CHANNEL_RELOADED, -EINVAL, -1), 0);
    assert_int_equal(channel_take(ends[1], &message, &fd), 0);
    assert_int_equal(message.word, CHANNEL_READY);
    assert_int_equal(message.number, 30);
    assert_int_equal(fd, -1);
    assert_int_equal(channel_take(ends[1], &message, &fd), 0);
    assert_int_equal(message.word, CHANNEL_RELOADED);
    assert_int_equal(message.number, -EINVAL);
    close(ends[0]);
    assert_int_equal(channel_take(ends[1], &message, &fd), -EPIPE);
    assert_int_equal(channel_send(ends[1], CHANNEL_END, 0, -1), -EPIPE);
    close(ends[1]);
}

static void a_message_carries_an_fd(void **state)
{
    int ends[2], pair[2], fd = -7;
    char byte = 0;
    struct channel_message message;
    assert_int_equal(channel_open(ends), 0);
    harness_socketpair(pair);
    assert_int_equal(channel_send(ends[0], CHANNEL_SOCKET, 0, pair[0]), 0);
    assert_int_equal(channel_send(ends[0], CHANNEL_SOCKET, 0, 12345), -EBADF);
    assert_int_equal(channel_take(ends[1], &message, &fd), 0);
    assert_int_equal(message.word, CHANNEL_SOCKET);
    assert_int_not_equal(fd, pair[0]);
    assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
    assert_int_equal(write(fd, "x", 1), 1);
    assert_int_equal(read(pair[1], &byte, 1), 1);
    assert_int_equal(byte, 'x');
    close(fd);
    close(pair[0]);
    close(pair[1]);
    close(ends[0]);
    close(ends[1]);
}

#define MANY 20000 /* more than fit into a socket */

static void *send_many(void *closure)
{
    const int *end = closure;
    for (int i = 0; i < MANY; i++)
        assert_int_equal(channel_send(*end, CHANNEL_RELOADED, i, -1), 0);
    return NULL;
}

static void a_full_channel_is_waited_for(void **state)
{
    int ends[2], fd, taken = 0;
    pthread_t sender;
    struct channel_message message;
    assert_int_equal(channel_open(ends), 0);
    assert_int_equal(pthread_create(&sender, NULL, send_many, &ends[0]), 0);
    while (taken < MANY) {
        if (channel_take(ends[1], &message, &fd) != 0)
            continue;
        assert_int_equal(message.number, taken);
        taken++;
    }
    pthread_join(sender, NULL);
    close(ends[0]);
    close(ends[1]);
}

static void no_fds_are_an_error(void **state)
{
    int ends[2] = {-7, -7};
    struct rlimit before, few = {.rlim_cur = 0};
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few.rlim_max = before.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    int err = channel_open(ends);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(err, -EMFILE);
    assert_int_equal(ends[0], -7);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(messages_arrive_in_order),
    cmocka_unit_test(a_message_carries_an_fd),
    cmocka_unit_test(a_full_channel_is_waited_for),
    cmocka_unit_test(no_fds_are_an_error),
};

HARNESS_MAIN(tests)
