/* SPDX-License-Identifier: MIT */
/*
 * Goal: at a listener that proxies connect to, the peer is who the header says and nothing behind
 * the header is lost, however the bytes arrive; others are not asked for a header; one that is
 * wrong, late or of an address with too many connections ends its connection alone.
 * Method: clients of 127.0.0.1 are proxies, and those of 127.0.0.2 are not.
 */
#include "listening.h"

#include "base/alloc.h"
#include "listener/acceptor.h"
#include "listener/listener_impl.h"
#include "listener/proxy.h"

#define V2 "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\2\1\xc6\x33\x64\2\x13\x88\0\x50"

static char folder[] = "/tmp/test_proxied.XXXXXX";

/* Says who the peer is, and what it has sent up to a newline. */
static void repeat(void)
{
    eventer_aco_t e = eventer_aco_arg();
    struct sockaddr *remote = mtev_acceptor_closure_remote(eventer_aco_get_closure(e));
    char text[256];
    int len = mtev_convert_sockaddr_to_buff(text, 64, remote);
    text[len++] = ' ';
    do {
        int count = eventer_aco_read(e, text + len, sizeof(text) - (size_t)len, NULL);
        len = count > 0 ? len + count : 0;
    } while (len > 0 && text[len - 1] != '\n');
    eventer_aco_write(e, text, (size_t)len, NULL);
    eventer_aco_close(e);
    eventer_aco_free(e);
}

/* The same, as a callback; what it sends fits in one piece. */
static int repeat_classic(eventer_t e, int mask, void *closure, struct timeval *now)
{
    char text[256];
    int ignored,
        len = mtev_convert_sockaddr_to_buff(text, 64, mtev_acceptor_closure_remote(closure));
    (void)now;
    if ((mask & (EVENTER_READ | EVENTER_EXCEPTION)) == 0)
        return EVENTER_READ | EVENTER_EXCEPTION;
    text[len++] = ' ';
    int count = eventer_read(e, text + len, sizeof(text) - (size_t)len, &ignored);
    if (count < 0 && errno == EAGAIN)
        return EVENTER_READ | EVENTER_EXCEPTION;
    if (count > 0)
        check_int(eventer_write(e, text, (size_t)(len + count), &ignored), len + count);
    eventer_remove_fde(e);
    eventer_close(e, &ignored);
    return 0;
}

static eventer_listener_t *listen_for(const char *address, uint32_t per_address_max, bool classic)
{
    eventer_listener_t *l =
        eventer_listen(&(struct eventer_listen_opts){.address = address,
                                                     .coroutine = classic ? NULL : repeat,
                                                     .callback = classic ? repeat_classic : NULL,
                                                     .max_per_address = per_address_max,
                                                     .proxy_protocol_from = "127.0.0.1/32, unix"});
    assert_non_null(l);
    return l;
}

static int client_of(eventer_listener_t *l)
{
    char text[ADDRESS_TEXT_MAX];
    eventer_listener_address(l, text, sizeof(text));
    return connect_to(text);
}

static void send_all(int fd, const char *bytes, size_t len)
{
    assert_int_equal(send(fd, bytes, len, MSG_NOSIGNAL), (ssize_t)len);
}

static struct eventer_listener_stats stats_of(eventer_listener_t *l)
{
    struct eventer_listener_stats stats;
    eventer_listener_get_stats(l, &stats);
    return stats;
}

static void await_end(eventer_listener_t *l)
{
    while (stats_of(l).connections != 0)
        sched_yield();
    eventer_listener_free(l);
}

/* Send the header and what follows it in two pieces; the second when the first was taken. */
static void assert_split(eventer_listener_t *l, const char *bytes, size_t len, size_t split,
                         const char *answer)
{
    char text[256];
    int fd = client_of(l);
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, 1 /* TCP_NODELAY */, &on, sizeof(on));
    send_all(fd, bytes, split);
    settle_all();
    send_all(fd, bytes + split, len - split);
    read_all(fd, text, sizeof(text));
    assert_string_equal(text, answer);
}

static void a_header_may_be_split_anywhere(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
        const char *answer;
    } cases[] = {
#define CASE(bytes, answer) {bytes, sizeof(bytes) - 1, answer}
        CASE("PROXY TCP4 192.0.2.7 192.0.2.8 1 2\r\nhello\n", "192.0.2.7 hello\n"),
        CASE("PROXY TCP6 2001:db8::7 ::1 1 2\r\nhello\n", "2001:db8::7 hello\n"),
        CASE("PROXY UNKNOWN\r\nhello\n", "127.0.0.1 hello\n"),
        CASE(V2 "hello\n", "192.0.2.1 hello\n"),
        CASE("\r\n\r\n\0\r\nQUIT\n\x20\0\0\0hello\n", "127.0.0.1 hello\n"),
        CASE("\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x10\xc0\0\2\1\xc6\x33\x64\2\x13\x88\0\x50\4\0\1\0"
             "hello\n",
             "192.0.2.1 hello\n"),
    };
    for (int classic = 0; classic <= 1; classic++) {
        eventer_listener_t *l = listen_for("127.0.0.1", 0, classic == 1);
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
            for (size_t split = 1; split <= cases[i].len - 6; split++)
                assert_split(l, cases[i].bytes, cases[i].len, split, cases[i].answer);
        assert_int_equal(stats_of(l).refused_proxy, 0);
        await_end(l);
    }
    assert_checks();
}

static void what_is_not_looked_at_may_be_long(void **state)
{
    (void)state;
    static char bytes[PROXY_V2_LEN_MAX + 6];
    char text[64];
    eventer_listener_t *l = listen_for("127.0.0.1", 0, false);
    memcpy(bytes, V2, sizeof(V2) - 1);
    bytes[14] = (char)((PROXY_V2_LEN_MAX - 16) >> 8);
    bytes[15] = (char)((PROXY_V2_LEN_MAX - 16) & 0xff);
    memcpy(bytes + PROXY_V2_LEN_MAX, "hello\n", 6);
    int fd = client_of(l);
    for (size_t at = 0; at < sizeof(bytes); at += 1367) {
        send_all(fd, bytes + at, at + 1367 < sizeof(bytes) ? 1367 : sizeof(bytes) - at);
        settle_all();
    }
    read_all(fd, text, sizeof(text));
    assert_string_equal(text, "192.0.2.1 hello\n");
    await_end(l);
}

static void others_are_not_asked_for_a_header(void **state)
{
    (void)state;
    const struct sockaddr_in other = {.sin_family = AF_INET,
                                      .sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1)};
    char address[ADDRESS_TEXT_MAX], text[64];
    eventer_listener_t *l = listen_for("127.0.0.1", 0, false);
    eventer_listener_address(l, address, sizeof(address));
    int fd = open_socket(address);
    assert_int_equal(bind(fd, (const struct sockaddr *)&other, sizeof(other)), 0);
    connect_socket(fd, address);
    send_all(fd, "PROXY UNKNOWN\r\n", 15);
    read_all(fd, text, sizeof(text));
    assert_string_equal(text, "127.0.0.2 PROXY UNKNOWN\r\n");
    await_end(l);
}

static void a_unix_socket_may_be_a_proxys(void **state)
{
    (void)state;
    char path[64], text[64];
    snprintf(path, sizeof(path), "%s/socket", folder);
    eventer_listener_t *l = listen_for(path, 0, false);
    int fd = connect_to(path);
    send_all(fd, "PROXY TCP6 2001:db8::7 ::1 1 2\r\nhello\n", 38);
    read_all(fd, text, sizeof(text));
    assert_string_equal(text, "2001:db8::7 hello\n");
    await_end(l);
}

static void what_is_wrong_ends_its_connection(void **state)
{
    (void)state;
    static const char *const wrong[] = {"GET / HTTP/1.1\r\n\r\n", "PROXY TCP4 x\r\n", "PROXY\n"};
    char text[64];
    eventer_listener_t *l = listen_for("127.0.0.1", 0, false);
    for (unsigned i = 0; i < 3; i++) {
        int fd = client_of(l);
        send_all(fd, wrong[i], strlen(wrong[i]));
        read_all(fd, text, sizeof(text));
        assert_string_equal(text, "");
    }
    int fd = client_of(l);
    send_all(fd, "PROXY T", 7);
    close(fd); /* in the middle of it */
    while (stats_of(l).refused_proxy != 4)
        sched_yield();
    await_end(l);
    assert_nothing_logged(); /* anybody could fill the log */
}

static void a_header_that_is_late_ends_its_connection(void **state)
{
    (void)state;
    const uint64_t before_ns = proxied_patience_ns;
    char text[64];
    eventer_listener_t *l = listen_for("127.0.0.1", 0, false);
    proxied_patience_ns = 50 * CLOCK_NS_PER_MS;
    int silent = client_of(l), slow = client_of(l);
    send_all(slow, "PROXY TCP4", 10);
    read_all(silent, text, sizeof(text));
    read_all(slow, text, sizeof(text));
    assert_string_equal(text, "");
    while (stats_of(l).refused_proxy != 2)
        sched_yield();
    await_end(l);
    proxied_patience_ns = before_ns;
}

static void the_named_address_is_counted(void **state)
{
    (void)state;
    static const char header[] = "PROXY TCP4 192.0.2.7 192.0.2.8 1 2\r\n";
    static const char other[] = "PROXY TCP4 192.0.2.9 192.0.2.8 1 2\r\nhello\n";
    char text[64];
    eventer_listener_t *l = listen_for("127.0.0.1", 1, false);
    int first = client_of(l);
    send_all(first, header, sizeof(header) - 1);
    send_all(first, "hel", 3);
    settle_all();
    settle_all();
    int second = client_of(l);
    send_all(second, header, sizeof(header) - 1);
    read_all(second, text, sizeof(text));
    assert_string_equal(text, "");
    assert_int_equal(stats_of(l).refused_address, 1);
    int third = client_of(l);
    send_all(third, other, sizeof(other) - 1);
    read_all(third, text, sizeof(text));
    assert_string_equal(text, "192.0.2.9 hello\n");
    send_all(first, "lo\n", 3);
    read_all(first, text, sizeof(text));
    assert_string_equal(text, "192.0.2.7 hello\n");
    await_end(l);
}

static void without_memory_a_connection_is_dropped(void **state)
{
    (void)state;
    static const char bytes[] = "PROXY TCP4 192.0.2.7 192.0.2.8 1 2\r\nhello\n";
    char text[64];
    eventer_listener_t *l = listen_for("127.0.0.1", 5, false);
    for (uint64_t nth = 1; nth < 16; nth++) {
        int fd = client_of(l);
        alloc_fail_nth(nth, 0);
        send_all(fd, bytes, sizeof(bytes) - 1);
        read_all(fd, text, sizeof(text));
        alloc_fail_nth(0, 0);
        assert_true(text[0] == '\0' || strcmp(text, "192.0.2.7 hello\n") == 0);
    }
    await_end(l);
    logged_clear();
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_header_may_be_split_anywhere),
    cmocka_unit_test(what_is_not_looked_at_may_be_long),
    cmocka_unit_test(others_are_not_asked_for_a_header),
    cmocka_unit_test(a_unix_socket_may_be_a_proxys),
    cmocka_unit_test(what_is_wrong_ends_its_connection),
    cmocka_unit_test(a_header_that_is_late_ends_its_connection),
    cmocka_unit_test(the_named_address_is_counted),
    cmocka_unit_test(without_memory_a_connection_is_dropped),
};

int main(void)
{
    listening_begin(2);
    return listening_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]), folder);
}
