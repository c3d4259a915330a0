/* SPDX-License-Identifier: MIT */
/*
 * Goal: the helpers of the harness do what they say.
 * Method: use each once; let the allocation helper drive a function whose runs are counted.
 */
#include "harness.h"

#include "base/alloc.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

static void the_sockets_of_a_pair_are_connected(void **state)
{
    int fds[2];
    char bytes[4] = "";
    harness_socketpair(fds);
    assert_true(fcntl(fds[0], F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(fds[1], F_GETFD) & FD_CLOEXEC);
    assert_int_equal(write(fds[0], "abc", 4), 4);
    assert_int_equal(read(fds[1], bytes, 4), 4);
    assert_string_equal(bytes, "abc");
    close(fds[0]);
    close(fds[1]);
}

static void the_port_of_a_listener_is_the_one_it_listens_on(void **state)
{
    uint16_t port = 0;
    int listener = harness_listen(&port);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(port),
                                  .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(client, (const struct sockaddr *)&address, sizeof(address)), 0);
    close(client);
    close(listener);
}

static void fds_declared_as_kept_are_no_leak(void **state)
{
    assert_true(open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0);
    harness_keep_fds(); /* else this program fails at its end */
}

struct seen {
    unsigned runs;
    unsigned failures[3]; /* of the first, the second, the third allocation */
};

static void allocate_three(void *closure)
{
    struct seen *seen = closure;
    seen->runs++;
    for (unsigned i = 0; i < 3; i++) {
        void *block = alloc_bytes(1);
        seen->failures[i] += block == NULL;
        alloc_free(block);
    }
}

static void each_allocation_fails_alone_and_with_all_after_it(void **state)
{
    struct seen seen = {0, {0, 0, 0}};
    harness_fail_each_allocation(allocate_three, &seen);
    assert_int_equal(seen.runs, 2 * 4); /* the last run of each round sees no failure */
    assert_int_equal(seen.failures[0], 1 + 1);
    assert_int_equal(seen.failures[1], 1 + 2);
    assert_int_equal(seen.failures[2], 1 + 3);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(the_sockets_of_a_pair_are_connected),
    cmocka_unit_test(the_port_of_a_listener_is_the_one_it_listens_on),
    cmocka_unit_test(fds_declared_as_kept_are_no_leak),
    cmocka_unit_test(each_allocation_fails_alone_and_with_all_after_it),
};
HARNESS_MAIN(tests)
