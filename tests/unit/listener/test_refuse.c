/* SPDX-License-Identifier: MIT */
/*
 * Goal: who is too many reads why, whatever he has sent and still sends, and is not waited for
 * longer, nor are more of them, than promised.
 * Method: a type with words for such peers; listeners that are full, from the start or but for one;
 * clients that send more than anybody reads.
 */
#include "listening.h"

#include "base/alloc.h"
#include "listener/listener_impl.h"

#define WORDS "too many\n"

static char piece[65536];

/* Stays until the peer goes. */
static void hold_on(void)
{
    eventer_aco_t e = eventer_aco_arg();
    char byte;
    eventer_aco_write(e, "!", 1, NULL);
    while (eventer_aco_read(e, &byte, 1, NULL) > 0)
        ;
    eventer_aco_close(e);
    eventer_aco_free(e);
}

struct full { /* a listener that serves one connection at most, and that one */
    eventer_listener_t *l;
    int fd;
};

static int client_of(eventer_listener_t *l)
{
    char text[ADDRESS_TEXT_MAX];
    eventer_listener_address(l, text, sizeof(text));
    return connect_to(text);
}

static struct full full_with(struct eventer_listen_opts opts)
{
    struct full full;
    char byte;
    opts.type = "busy";
    full.l = eventer_listen(&opts);
    assert_non_null(full.l);
    full.fd = client_of(full.l);
    if (opts.proxy_protocol_from != NULL)
        assert_int_equal(send(full.fd, "PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n", 34, 0), 34);
    assert_int_equal(recv(full.fd, &byte, 1, 0), 1);
    return full;
}

static void end(struct full *full)
{
    struct eventer_listener_stats stats;
    close(full->fd);
    do {
        sched_yield();
        eventer_listener_get_stats(full->l, &stats);
    } while (stats.connections > 0 || refusals_count() > 0);
    eventer_listener_free(full->l);
    assert_nothing_logged();
}

static uint64_t refused_by(eventer_listener_t *l)
{
    struct eventer_listener_stats stats;
    eventer_listener_get_stats(l, &stats);
    return stats.refused_full + stats.refused_address;
}

static void send_piece(int fd)
{
    for (size_t sent = 0; sent < sizeof(piece);) {
        ssize_t len = send(fd, piece + sent, sizeof(piece) - sent, MSG_NOSIGNAL);
        assert_true(len > 0);
        sent += (size_t)len;
    }
}

/* Send before and behind the refusal; then all is read that was said, and the end. */
static void assert_reads_words(struct full *full, const char *header)
{
    const uint64_t before = refused_by(full->l);
    char text[64];
    size_t len = 0;
    ssize_t count;
    int fd = client_of(full->l);
    assert_int_equal(send(fd, header, strlen(header), 0), (ssize_t)strlen(header));
    send_piece(fd);
    while (refused_by(full->l) == before)
        sched_yield();
    for (int i = 0; i < 4; i++)
        send_piece(fd);
    while ((count = recv(fd, text + len, sizeof(text) - len, 0)) > 0)
        len += (size_t)count;
    assert_int_equal(count, 0); /* not reset */
    assert_int_equal(len, strlen(WORDS));
    assert_memory_equal(text, WORDS, len);
    close(fd);
}

static void words_are_read_whatever_was_sent(void **state)
{
    static const struct eventer_listen_opts cases[] = {
        {.address = "127.0.0.1", .max_connections = 1},
        {.address = "127.0.0.1", .max_connections = 1, .accept_thread = true},
        {.address = "127.0.0.1", .max_connections = 1, .one_loop = true},
        {.address = "127.0.0.1", .max_per_address = 1},
        {.address = "127.0.0.1", .max_per_address = 1, .proxy_protocol_from = "127.0.0.1"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct full full = full_with(cases[i]);
        assert_reads_words(&full, cases[i].proxy_protocol_from == NULL
                                      ? ""
                                      : "PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n");
        end(&full);
    }
}

static void a_unix_peer_reads_them_too(void **state)
{
    char path[] = "/tmp/test_refuse.XXXXXX", address[64], text[64];
    (void)state;
    assert_non_null(mkdtemp(path));
    snprintf(address, sizeof(address), "%s/socket", path);
    struct full full =
        full_with((struct eventer_listen_opts){.address = address, .max_connections = 1});
    int fd = connect_to(address);
    (void)!send(fd, "x", 1, MSG_NOSIGNAL);
    read_all(fd, text, sizeof(text));
    assert_string_equal(text, WORDS);
    end(&full);
    rmdir(path);
}

static void who_does_not_close_is_not_waited_for(void **state)
{
    (void)state;
    const uint64_t patience_ns = refuse_patience_ns;
    refuse_patience_ns = 20 * CLOCK_NS_PER_MS;
    struct full full =
        full_with((struct eventer_listen_opts){.address = "127.0.0.1", .max_connections = 1});
    int fd = client_of(full.l);
    while (refused_by(full.l) == 0 || refusals_count() > 0)
        sched_yield();
    refuse_patience_ns = patience_ns;
    close(fd);
    end(&full);
}

/* The number of them is what it may be, with one less, as many, and one more who are refused. */
static void the_limit_of_them_is_exact(void **state)
{
    static int fds[REFUSALS_MAX + 1];
    (void)state;
    const uint64_t patience_ns = refuse_patience_ns;
    refuse_patience_ns = 600 * CLOCK_NS_PER_S;
    struct full full =
        full_with((struct eventer_listen_opts){.address = "127.0.0.1", .max_connections = 1});
    for (size_t i = 0; i < REFUSALS_MAX + 1; i++) {
        fds[i] = client_of(full.l);
        if (i + 1 < REFUSALS_MAX - 1)
            continue;
        while (refused_by(full.l) != i + 1 || refusals_count() != MIN(i + 1, REFUSALS_MAX))
            sched_yield();
    }
    while (send(fds[REFUSALS_MAX], "x", 1, MSG_NOSIGNAL) == 1) /* it is closed */
        sched_yield();
    assert_int_equal(refusals_count(), REFUSALS_MAX);
    refusals_end();
    assert_int_equal(refusals_count(), 0);
    for (size_t i = 0; i < REFUSALS_MAX + 1; i++)
        close(fds[i]);
    refuse_patience_ns = patience_ns;
    end(&full);
}

static void without_memory_they_are_closed(void **state)
{
    (void)state;
    struct full full =
        full_with((struct eventer_listen_opts){.address = "127.0.0.1", .max_connections = 1});
    struct listen_settings *settings = full.l->settings;
    uint64_t nth = 0, asked;
    do {
        int fds[2];
        char text[64];
        uint16_t port;
        struct sockaddr_in to = {.sin_family = AF_INET};
        int listening = harness_listen(&port);
        to.sin_port = htons(port);
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        fds[0] = open_socket("127.0.0.1");
        assert_int_equal(connect(fds[0], (const struct sockaddr *)&to, sizeof(to)), 0);
        fds[1] = accept4(listening, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        close(listening);
        alloc_fail_nth(++nth, 0);
        refuse(settings, full.l->sockets[0].loop, fds[1]);
        asked = alloc_asked();
        alloc_fail_nth(0, 0);
        read_all(fds[0], text, sizeof(text));
        assert_string_equal(text, WORDS);
        while (refusals_count() > 0)
            sched_yield();
    } while (asked >= nth);
    assert_true(nth > 2);
    end(&full);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(words_are_read_whatever_was_sent),
    cmocka_unit_test(a_unix_peer_reads_them_too),
    cmocka_unit_test(who_does_not_close_is_not_waited_for),
    cmocka_unit_test(the_limit_of_them_is_exact),
    cmocka_unit_test(without_memory_they_are_closed),
};

int main(void)
{
    listening_begin(2);
    mtev_listener_register_aco_function("busy", hold_on);
    if (listener_set_refusal("busy", WORDS) != 0)
        return 1;
    eventer_loop_return();
    return harness_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]));
}
