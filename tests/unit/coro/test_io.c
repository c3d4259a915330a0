/* SPDX-License-Identifier: MIT */
/*
 * Goal: reads, writes and accepts of a coroutine give what the system calls give, and wait where
 * those would block.
 * Method: coroutines on one end of socket pairs and connections, whose other end is plain; what
 * must happen while one waits is done by a second coroutine.
 */
#include "io_helpers.h"

#include <fcntl.h>
#include <string.h>

/* ---- without waiting ---- */

static void read_what_is_there(void *closure)
{
    char bytes[16];
    struct pair pair = pair_open(SOCK_STREAM);
    check_int(write(pair.peer, "hello", 5), 5);
    check_int(eventer_aco_read(pair.e, bytes, 2, NULL), 2);
    check_int(eventer_aco_read(pair.e, bytes + 2, 14, NULL), 3); /* short counts are given as is */
    check(memcmp(bytes, "hello", 5) == 0);
    check_int(eventer_aco_write(pair.e, "world!", 6, NULL), 6);
    check_int(read(pair.peer, bytes, sizeof(bytes)), 6);
    check(memcmp(bytes, "world!", 6) == 0);
    close(pair.peer);
    pair.peer = -1;
    check_int(eventer_aco_read(pair.e, bytes, sizeof(bytes), NULL), 0);
    check_int(eventer_aco_read(pair.e, bytes, sizeof(bytes), NULL), 0); /* and stays at the end */
    check_int(eventer_aco_write(pair.e, "x", 1, NULL), -1);
    check_int(errno, EPIPE);
    pair_close(&pair);
}

static void bytes_that_are_there_are_read_at_once(void **state)
{
    in_coroutine(0, read_what_is_there, NULL);
}

static void read_nothing(void *closure)
{
    struct pair pair = pair_open(SOCK_STREAM);
    check_int(eventer_aco_write(pair.e, "", 0, NULL), 0);
    check_int(write(pair.peer, "x", 1), 1);
    check_int(eventer_aco_read(pair.e, NULL, 0, NULL), 0);
    pair_close(&pair);
}

static void zero_bytes_are_read_and_written_at_once(void **state)
{
    in_coroutine(0, read_nothing, NULL);
}

static void use_dev_null(void *closure)
{
    char byte;
    eventer_aco_t e = adopt(open("/dev/null", O_RDWR | O_CLOEXEC));
    check_int(eventer_aco_read(e, &byte, 1, NULL), 0);
    check_int(eventer_aco_write(e, "x", 1, NULL), 1);
    end_event(e);
}

static void an_fd_that_cannot_be_polled_never_waits(void **state)
{
    in_coroutine(0, use_dev_null, NULL);
}

/* ---- waiting ---- */

static struct pair shared;

static void write_slowly(void)
{
    for (int i = 0; i < 20; i++) {
        sleep_ms(i % 2);
        check_int(write(shared.peer, "abc", 3), 3);
    }
}

static void read_as_it_comes(void *closure)
{
    char bytes[100];
    int total = 0;
    shared = pair_open(SOCK_STREAM);
    eventer_aco_start(write_slowly, NULL);
    while (total < 60) {
        int count = eventer_aco_read(shared.e, bytes, sizeof(bytes), NULL);
        if (!check(count > 0))
            break;
        total += count;
    }
    check_int(total, 60);
    pair_close(&shared);
}

static void a_read_waits_for_bytes(void **state)
{
    in_coroutine(0, read_as_it_comes, NULL);
}

static void close_the_peer_later(void)
{
    sleep_ms(2);
    close(shared.peer);
    shared.peer = -1;
}

static void read_to_the_end(void *closure)
{
    char byte;
    shared = pair_open(SOCK_STREAM);
    eventer_aco_start(close_the_peer_later, NULL);
    check_int(eventer_aco_read(shared.e, &byte, 1, NULL), 0);
    pair_close(&shared);
}

static void a_read_waits_for_the_end(void **state)
{
    in_coroutine(0, read_to_the_end, NULL);
}

#define LARGE_LEN ((size_t)1024 * 1024)

static char large[LARGE_LEN];
static size_t drained;

static void drain_the_peer(void)
{
    static char bytes[30000];
    while (drained < LARGE_LEN) {
        ssize_t count = read(shared.peer, bytes, sizeof(bytes));
        for (ssize_t i = 0; i < count; i++)
            if (bytes[i] != large[drained + (size_t)i])
                check(false);
        if (count > 0)
            drained += (size_t)count;
        else
            sleep_ms(1);
    }
}

static void write_more_than_fits(void *closure)
{
    bool over_tcp = closure != NULL;
    size_t sent = 0;
    for (size_t i = 0; i < LARGE_LEN; i++)
        large[i] = (char)(i * 7 + i / 1000);
    drained = 0;
    shared = over_tcp ? pair_open_tcp() : pair_open(SOCK_STREAM);
    eventer_set_fd_nonblocking(shared.peer);
    eventer_aco_start(drain_the_peer, NULL);
    while (sent < LARGE_LEN) {
        int count = eventer_aco_write(shared.e, large + sent, LARGE_LEN - sent, NULL);
        if (!check(count > 0))
            break;
        sent += (size_t)count;
    }
    while (drained < LARGE_LEN)
        sleep_ms(1);
    pair_close(&shared);
}

static void a_write_waits_for_room(void **state)
{
    in_coroutine(0, write_more_than_fits, NULL);
    in_coroutine(0, write_more_than_fits, &large);
}

static struct sockaddr_in accept_address;
static int accept_clients[5];

static void connect_slowly(void)
{
    for (size_t i = 0; i < 5; i++) {
        sleep_ms((long)i % 2);
        accept_clients[i] = connect_to(&accept_address);
    }
}

static void accept_five(void *closure)
{
    eventer_aco_t e = adopt(listen_on_loopback(&accept_address));
    eventer_aco_start(connect_slowly, NULL);
    for (size_t i = 0; i < 5; i++) {
        struct sockaddr_in from;
        socklen_t len = sizeof(from);
        int conn = eventer_aco_accept(e, (struct sockaddr *)&from, &len, NULL);
        check(conn >= 0);
        check_int(len, sizeof(from));
        check_int(from.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
        close(conn);
    }
    for (size_t i = 0; i < 5; i++)
        close(accept_clients[i]);
    end_event(e);
}

static void an_accept_waits_for_connections(void **state)
{
    in_coroutine(0, accept_five, NULL);
}

/* ---- what a short read means ---- */

static void read_datagrams(void *closure)
{
    char bytes[100];
    struct pair pair = pair_open(SOCK_DGRAM);
    check_int(write(pair.peer, "one", 3), 3);
    check_int(write(pair.peer, "three", 5), 5);
    check_int(write(pair.peer, "", 0), 0);
    check_int(eventer_aco_read(pair.e, bytes, sizeof(bytes), NULL), 3);
    check_int(eventer_aco_read(pair.e, bytes, sizeof(bytes), NULL), 5);
    check_int(eventer_aco_read(pair.e, bytes, sizeof(bytes), NULL), 0); /* an empty one, no end */
    check_int(eventer_aco_read(pair.e, bytes, sizeof(bytes), &(struct timeval){0, 1}), -1);
    check_int(errno, ETIME);
    check_int(write(pair.peer, "four", 4), 4);
    check_int(eventer_aco_read(pair.e, bytes, sizeof(bytes), NULL), 4);
    pair_close(&pair);
}

static void after_a_short_datagram_there_may_be_more(void **state)
{
    in_coroutine(0, read_datagrams, NULL);
}

static void read_packets(void *closure)
{
    char bytes[100];
    struct pair pair = pair_open(SOCK_SEQPACKET);
    check_int(eventer_aco_read(pair.e, bytes, 1, &(struct timeval){0, 1}), -1); /* registers it */
    check_int(write(pair.peer, "one", 3), 3);
    check_int(write(pair.peer, "three", 5), 5);
    check_int(eventer_aco_read(pair.e, bytes, sizeof(bytes), NULL), 3);
    check_int(eventer_aco_read(pair.e, bytes, sizeof(bytes), NULL), 5);
    pair_close(&pair);
}

static void after_a_short_packet_there_may_be_more(void **state)
{
    in_coroutine(0, read_packets, NULL);
}

static void read_short_over_tcp(void *closure)
{
    char bytes[100];
    struct pair pair = pair_open_tcp();
    check_int(write(pair.peer, "one", 3), 3);
    check_int(eventer_aco_read(pair.e, bytes, sizeof(bytes), NULL), 3);
    check(!((eventer_t)pair.e)->edge.may_read); /* no probe is needed to know that it is empty */
    check_int(eventer_aco_read(pair.e, bytes, sizeof(bytes), &(struct timeval){0, 1}), -1);
    check_int(write(pair.peer, "more", 4), 4);
    check_int(eventer_aco_read(pair.e, bytes, sizeof(bytes), NULL), 4);
    check_int(write(pair.peer, "last", 4), 4);
    close(pair.peer);
    pair.peer = -1;
    check_int(eventer_aco_read(pair.e, bytes, sizeof(bytes), NULL), 4);
    check_int(eventer_aco_read(pair.e, bytes, sizeof(bytes), NULL), 0);
    pair_close(&pair);
}

static void after_a_short_tcp_read_the_socket_is_known_to_be_empty(void **state)
{
    in_coroutine(0, read_short_over_tcp, NULL);
}

/* Urgent data splits what a read gives: it stops short in front of it, with more behind. */
static void read_around_urgent_data(void *closure)
{
    char bytes[100];
    struct timeval soon = {5, 0};
    struct pair pair = pair_open_tcp();
    check_int(eventer_aco_read(pair.e, bytes, 1, &(struct timeval){0, 1}), -1); /* registers it */
    check_int(send(pair.peer, "abc", 3, 0), 3);
    check_int(send(pair.peer, "!", 1, MSG_OOB), 1);
    check_int(send(pair.peer, "def", 3, 0), 3);
    int total = 0;
    while (total < 6) {
        int count = eventer_aco_read(pair.e, bytes, sizeof(bytes), &soon);
        if (!check(count > 0))
            break;
        total += count;
    }
    pair_close(&pair);
}

static void urgent_data_does_not_hide_what_is_behind_it(void **state)
{
    in_coroutine(0, read_around_urgent_data, NULL);
}

/* An fd that is passed along splits what a read gives, too. */
static void read_around_a_passed_fd(void *closure)
{
    char bytes[100], control[CMSG_SPACE(sizeof(int))] = {0};
    struct pair pair = pair_open(SOCK_STREAM);
    struct iovec part = {.iov_base = bytes, .iov_len = 1};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof(control)};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &pair.peer, sizeof(int));
    check_int(eventer_aco_read(pair.e, bytes, 1, &(struct timeval){0, 1}), -1); /* registers it */
    bytes[0] = 'x';
    check_int(sendmsg(pair.peer, &message, 0), 1);
    check_int(write(pair.peer, "more", 4), 4);
    check_int(eventer_aco_read(pair.e, bytes, sizeof(bytes), NULL), 1);
    check_int(eventer_aco_read(pair.e, bytes, sizeof(bytes), &(struct timeval){5, 0}), 4);
    pair_close(&pair);
}

static void a_passed_fd_does_not_hide_what_is_behind_it(void **state)
{
    in_coroutine(0, read_around_a_passed_fd, NULL);
}

/* ---- peers that break off ---- */

static void reset_peer(void)
{
    sleep_ms(1);
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    check_int(setsockopt(shared.peer, SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
    close(shared.peer);
    shared.peer = -1;
}

static void read_until_reset(void *closure)
{
    char byte;
    shared = pair_open_tcp();
    eventer_aco_start(reset_peer, NULL);
    check_int(eventer_aco_read(shared.e, &byte, 1, NULL), -1);
    check_int(errno, ECONNRESET);
    pair_close(&shared);
}

static void write_until_reset(void *closure)
{
    int count;
    shared = pair_open_tcp();
    eventer_aco_start(reset_peer, NULL);
    do
        count = eventer_aco_write(shared.e, large, LARGE_LEN, NULL);
    while (count > 0);
    check_int(count, -1);
    check(errno == ECONNRESET || errno == EPIPE);
    pair_close(&shared);
}

static void a_reset_ends_the_waits_of_readers_and_writers(void **state)
{
    in_coroutine(0, read_until_reset, NULL);
    in_coroutine(0, write_until_reset, NULL);
}

/* ---- the classic calls ---- */

static void use_classic_calls(void *closure)
{
    char bytes[16];
    int mask = 12345;
    shared = pair_open(SOCK_STREAM);
    eventer_t e = (eventer_t)shared.e;
    check(eventer_is_aco(e));
    eventer_aco_start(write_slowly, NULL);
    int total = 0;
    while (total < 60) {
        int count = eventer_read(e, bytes, sizeof(bytes), &mask); /* waits */
        if (!check(count > 0))
            break;
        total += count;
    }
    check_int(eventer_write(e, "xyz", 3, &mask), 3);
    check_int(read(shared.peer, bytes, 16), 3);
    check_int(mask, 12345);
    check_int(eventer_close(e, &mask), 0);
    check_int(eventer_close(e, &mask), -1);
    check_int(errno, EBADFD);
    eventer_free(e);
    close(shared.peer);

    eventer_t listener = (eventer_t)adopt(listen_on_loopback(&accept_address));
    eventer_aco_start(connect_slowly, NULL);
    for (size_t i = 0; i < 5; i++)
        close(eventer_accept(listener, NULL, NULL, &mask));
    check_int(mask, 12345);
    for (size_t i = 0; i < 5; i++)
        close(accept_clients[i]);
    check_int(eventer_close(listener, &mask), 0);
    eventer_free(listener);
}

static void classic_calls_on_a_converted_event_wait_like_their_twins(void **state)
{
    in_coroutine(0, use_classic_calls, NULL);
}

/* ---- converting ---- */

static void convert_wrongly(void *closure)
{
    int fds[2] = {-1, -1};
    check_int(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    check(eventer_set_eventer_aco(NULL) == NULL);
    check_int(errno, EINVAL);
    eventer_t timer = eventer_in_s_us(io_never, NULL, 1, 0);
    check(eventer_set_eventer_aco(timer) == NULL);
    eventer_free(timer);
    eventer_t e = eventer_alloc_fd(io_never, NULL, fds[0], EVENTER_READ);
    eventer_add(e);
    check(eventer_set_eventer_aco(e) == NULL); /* registered */
    check(eventer_remove(e) == e);
    check(eventer_set_eventer_aco(e) == (eventer_aco_t)e);
    check(fcntl(fds[0], F_GETFL) & O_NONBLOCK); /* a blocking one would stop the loop */
    check(eventer_set_eventer_aco(e) == NULL);  /* converted before */
    eventer_add(e);
    eventer_update(e, EVENTER_READ);
    eventer_set_owner(e, loop_at(1)->thread);
    eventer_aco_set_closure((eventer_aco_t)e, fds);
    check(eventer_aco_get_closure((eventer_aco_t)e) == fds);
    end_event((eventer_aco_t)e);
    close(fds[1]);
}

static void what_cannot_be_converted_is_refused(void **state)
{
    in_coroutine(0, convert_wrongly, NULL);
    assert_int_equal(logged("no event"), 1);
    assert_int_equal(logged("it is no open fd"), 1);
    assert_int_equal(logged("it is registered; eventer_remove() it first"), 1);
    assert_int_equal(logged("it was converted before"), 1);
    assert_int_equal(logged("it belongs to a coroutine"), 1);
    assert_int_equal(logged("it waits for nothing that could change"), 1);
    assert_int_equal(logged("a coroutine's event stays with it"), 1);
    assert_int_equal(logged("\n"), 7);
    logged_clear();
}

static void outside_a_coroutine_nothing_is_converted(void **state)
{
    eventer_t e = eventer_alloc_fd(io_never, NULL, 0, EVENTER_READ);
    assert_null(eventer_set_eventer_aco(e));
    assert_logged(1, "no coroutine of this loop");
    assert_false(eventer_is_aco(e));
    eventer_free(e);
}

static void leave_it_open(void *closure)
{
    shared = pair_open(SOCK_STREAM);
}

static void take_it_over(void *closure)
{
    char byte;
    check_int(write(shared.peer, "x", 1), 1);
    check_int(eventer_aco_read(shared.e, &byte, 1, NULL), 1);
    check_int(eventer_aco_read(shared.e, &byte, 1, &(struct timeval){0, 1}), -1);
    pair_close(&shared);
}

static void an_event_that_its_coroutine_left_open_stays_valid(void **state)
{
    in_coroutine(0, leave_it_open, NULL);
    assert_logged(1, "ended with open events; they stay valid");
    in_coroutine(0, take_it_over, NULL);
}

static const struct CMUnitTest tests[] = {
    clean_test(bytes_that_are_there_are_read_at_once),
    clean_test(zero_bytes_are_read_and_written_at_once),
    clean_test(an_fd_that_cannot_be_polled_never_waits),
    clean_test(a_read_waits_for_bytes),
    clean_test(a_read_waits_for_the_end),
    clean_test(a_write_waits_for_room),
    clean_test(an_accept_waits_for_connections),
    clean_test(after_a_short_datagram_there_may_be_more),
    clean_test(after_a_short_packet_there_may_be_more),
    clean_test(after_a_short_tcp_read_the_socket_is_known_to_be_empty),
    clean_test(urgent_data_does_not_hide_what_is_behind_it),
    clean_test(a_passed_fd_does_not_hide_what_is_behind_it),
    clean_test(a_reset_ends_the_waits_of_readers_and_writers),
    clean_test(classic_calls_on_a_converted_event_wait_like_their_twins),
    clean_test(what_cannot_be_converted_is_refused),
    clean_test(outside_a_coroutine_nothing_is_converted),
    clean_test(an_event_that_its_coroutine_left_open_stays_valid),
};

int main(void)
{
    logged_begin();
    start_loops(2);
    return harness_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]));
}
