/* SPDX-License-Identifier: MIT */
/*
 * Goal: reads and writes through TLS give what was written, wherever the bytes were split, whoever
 * has to wait for what, and the end of a stream is told from one that was cut.
 * Method: coroutines and callbacks of ours, and a peer that is OpenSSL alone between two buffers,
 * so that each byte on the wire is the test's.
 */
#include "secured.h"

#include "tls/tls_impl.h"

#include <openssl/rand.h>
#include <sys/ioctl.h>

/* ---- back and forth -------------------------------------------------------------- */

static void echo_once(struct secured *s, eventer_aco_t e)
{
    char bytes[64];
    int len = eventer_aco_read(e, bytes, sizeof(bytes), NULL);
    check_int(len, 5);
    check_int(eventer_aco_write(e, bytes, 5, NULL), 5);
    check_int(eventer_aco_read(e, bytes, 0, NULL), 0);
    check_int(eventer_aco_write(e, bytes, 0, NULL), 0);
    check_int(eventer_aco_read(e, bytes, sizeof(bytes), NULL), 0);
    check_int(eventer_aco_read(e, bytes, sizeof(bytes), NULL), 0); /* and stays at the end */
}

static void what_is_written_is_read_until_close_notify(void **state)
{
    struct secured s;
    char bytes[8];
    secured_start(&s, echo_once, NULL);
    assert_true(raw_write(&s.peer, "hello", 5));
    assert_int_equal(raw_read(&s.peer, bytes, sizeof(bytes)), 5);
    assert_memory_equal(bytes, "hello", 5);
    SSL_shutdown(s.peer.ssl);
    raw_flush(&s.peer);
    assert_int_equal(raw_read(&s.peer, bytes, sizeof(bytes)), 0); /* ours comes with the close */
    secured_wait(&s);
}

static void read_cut(struct secured *s, eventer_aco_t e)
{
    char bytes[64];
    check_int(eventer_aco_read(e, bytes, sizeof(bytes), NULL), 5);
    check_int(eventer_aco_read(e, bytes, sizeof(bytes), NULL), -1);
    check_int(errno, ECONNRESET);
    check_int(eventer_aco_read(e, bytes, sizeof(bytes), NULL), -1);
    check_int(errno, ECONNRESET);
    check_int(eventer_aco_write(e, bytes, 1, NULL), -1);
    check_int(errno, EPIPE);
    check(strstr(eventer_ssl_get_last_error(eventer_get_eventer_ssl_ctx((eventer_t)e)), "eof") !=
          NULL);
}

static void a_stream_without_close_notify_was_cut(void **state)
{
    struct secured s;
    secured_start(&s, read_cut, NULL);
    assert_true(raw_write(&s.peer, "hello", 5));
    assert_int_equal(shutdown(s.peer.fd, SHUT_WR), 0);
    secured_wait(&s);
}

static void read_garbage(struct secured *s, eventer_aco_t e)
{
    char bytes[64];
    check_int(eventer_aco_read(e, bytes, sizeof(bytes), NULL), -1);
    check_int(errno, EPROTO);
}

static void bytes_that_are_no_record_break_the_connection(void **state)
{
    struct secured s;
    char bytes[8];
    secured_start(&s, read_garbage, NULL);
    raw_send(&s.peer, "GET / HTTP/1.0\r\n\r\n", 18);
    assert_int_equal(raw_read(&s.peer, bytes, sizeof(bytes)), -1); /* an alert */
    secured_wait(&s);
}

/* A record whose last byte is another. */
static void a_record_that_was_changed_is_not_read(void **state)
{
    struct secured s;
    char record[256];
    secured_start(&s, read_garbage, NULL);
    assert_int_equal(SSL_write(s.peer.ssl, "hello", 5), 5);
    size_t len = raw_take(&s.peer, record, sizeof(record));
    record[len - 1] ^= 1;
    raw_send(&s.peer, record, len);
    secured_wait(&s);
}

/* ---- where records end ----------------------------------------------------------- */

struct split {
    size_t at, taken;
    int fd;
    char bytes[512];
};

static void read_three(struct secured *s, eventer_aco_t e)
{
    struct split *split = s->more;
    int count = 1;
    while (split->taken < 18 && count > 0) {
        count = eventer_aco_read(e, split->bytes + split->taken, 7, NULL);
        split->taken += count > 0 ? (size_t)count : 0;
    }
    check_int(split->taken, 18);
    check(memcmp(split->bytes, "first|second|third", 18) == 0);
}

/* Three records, in two pieces that are sent apart; at every place between them. */
static void records_may_be_split_anywhere(void **state)
{
    char records[1024];
    size_t len = 0;
    for (size_t at = 0; at == 0 || at < len; at++) {
        struct secured s;
        struct split split = {.at = at};
        secured_start(&s, read_three, &split);
        assert_int_equal(SSL_write(s.peer.ssl, "first|", 6), 6);
        assert_int_equal(SSL_write(s.peer.ssl, "second|", 7), 7);
        assert_int_equal(SSL_write(s.peer.ssl, "third", 5), 5);
        len = raw_take(&s.peer, records, sizeof(records));
        if (at > 0)
            raw_send(&s.peer, records, at);
        settle(0); /* it has read that, and waits */
        settle(0);
        raw_send(&s.peer, records + at, len - at);
        secured_wait(&s);
    }
}

static void read_all_of_one(struct secured *s, eventer_aco_t e)
{
    eventer_ssl_ctx_t *ctx = eventer_get_eventer_ssl_ctx((eventer_t)e);
    char bytes[64];
    check_int(eventer_aco_read(e, bytes, sizeof(bytes), NULL), 5);
    check(!((eventer_t)e)->edge.may_recv && !((eventer_t)e)->edge.may_read); /* it is known */
    check_int(eventer_aco_write(e, bytes, 5, NULL), 5);
    check_int(eventer_aco_read(e, bytes, 3, NULL), 3);
    check(((eventer_t)e)->edge.may_read); /* OpenSSL has two more */
    check_int(SSL_pending(ctx->ssl), 2);
    check_int(eventer_aco_read(e, bytes, 3, NULL), 2);
    check(!((eventer_t)e)->edge.may_read);
}

static void a_short_read_of_the_socket_says_that_there_is_no_more(void **state)
{
    struct secured s;
    char bytes[8];
    secured_start(&s, read_all_of_one, NULL);
    settle(0);
    assert_true(raw_write(&s.peer, "hello", 5));
    assert_int_equal(raw_read(&s.peer, bytes, sizeof(bytes)), 5);
    assert_true(raw_write(&s.peer, "again", 5));
    secured_wait(&s);
}

static void connect_and_read(void *closure)
{
    struct split *split = closure;
    eventer_aco_t e = secured_adopt(split->fd);
    check_int(eventer_aco_SSL_connect(e, secured_new(SSL_CLIENT), NULL, NULL), 0);
    check_int(eventer_aco_read(e, split->bytes, sizeof(split->bytes), NULL), 5);
    check(memcmp(split->bytes, "hello", 5) == 0);
    eventer_aco_close(e);
    eventer_aco_free(e);
}

/* A client is given tickets, alone, and then bytes. */
static void what_is_no_data_is_read_over(void **state)
{
    int fds[2];
    struct split split = {.at = 0};
    struct errand errand;
    secured_connect(fds);
    split.fd = fds[1];
    struct raw_peer peer = raw_open(secured_server, fds[0]);
    coroutine_post(&errand, 0, connect_and_read, &split);
    assert_true(raw_handshake(&peer));
    settle(0);
    settle(0);
    assert_true(raw_write(&peer, "hello", 5));
    errand_wait(&errand);
    raw_close(&peer);
}

/* ---- much ------------------------------------------------------------------------ */

#define MUCH (3 * 1024 * 1024)

static unsigned char much[MUCH];

static void write_much(struct secured *s, eventer_aco_t e)
{
    struct timeval patience = {.tv_sec = 30};
    for (size_t sent = 0; sent < MUCH;) {
        int count = eventer_aco_write(e, much + sent, MUCH - sent, &patience);
        if (!check(count > 0))
            return;
        sent += (size_t)count;
    }
}

static void more_than_the_socket_takes_is_waited_for(void **state)
{
    struct secured s;
    static unsigned char got[MUCH];
    secured_start(&s, write_much, NULL);
    settle(0); /* it waits for room */
    for (size_t len = 0; len < MUCH;) {
        int count = raw_read(&s.peer, got + len, (int)(MUCH - len));
        assert_true(count > 0);
        len += (size_t)count;
    }
    assert_memory_equal(got, much, MUCH);
    secured_wait(&s);
}

static void read_much(struct secured *s, eventer_aco_t e)
{
    static unsigned char got[MUCH];
    size_t len = 0;
    int count = 1;
    while (len < MUCH && count > 0) {
        count = eventer_aco_read(e, got + len, MIN(MUCH - len, (size_t)100000), NULL);
        len += count > 0 ? (size_t)count : 0;
    }
    check(len == MUCH && memcmp(got, much, MUCH) == 0);
    check_int(eventer_aco_read(e, got, 1, NULL), 0);
}

static void all_that_the_peer_sends_is_read(void **state)
{
    struct secured s;
    secured_start(&s, read_much, NULL);
    for (size_t at = 0; at < MUCH; at += 65536)
        assert_true(raw_write(&s.peer, much + at, 65536));
    SSL_shutdown(s.peer.ssl);
    raw_flush(&s.peer);
    secured_wait(&s);
}

/* ---- one direction waits for the other ------------------------------------------- */

struct crossing {
    struct errand errand;
    eventer_aco_t e;
    int fd;
    struct tally is_full;
    size_t filled; /* bytes in the way of what TLS says */
};

static void attach_and_read(void *closure)
{
    struct crossing *crossing = closure;
    char bytes[8], block[16384] = {0};
    int small = 1024;
    ssize_t count;
    eventer_aco_t e = secured_adopt(crossing->fd);
    EVENTER_ATTACH_SSL((eventer_t)e, secured_new(SSL_SERVER));
    check_int(setsockopt(crossing->fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
    while ((count = send(crossing->fd, block, sizeof(block), MSG_NOSIGNAL)) > 0)
        crossing->filled += (size_t)count;
    tally_raise(&crossing->is_full);
    check_int(eventer_aco_read(e, bytes, sizeof(bytes), NULL), 5);
    check(memcmp(bytes, "hello", 5) == 0);
    eventer_aco_close(e);
    eventer_aco_free(e);
}

/* Nobody did the handshake, so the read does, and there is no room for what it has to say. */
static void a_read_that_has_to_write_waits_for_room(void **state)
{
    int fds[2];
    char bytes[4096];
    struct crossing crossing = {.is_full = TALLY_NONE};
    secured_connect(fds);
    crossing.fd = fds[1];
    struct raw_peer peer = raw_open(secured_client, fds[0]);
    (void)SSL_do_handshake(peer.ssl);
    raw_flush(&peer);
    coroutine_post(&crossing.errand, 0, attach_and_read, &crossing);
    tally_wait(&crossing.is_full);
    settle(0);
    while (crossing.filled > 0) { /* make room */
        raw_wait(&peer, POLLIN);
        ssize_t count = recv(peer.fd, bytes, MIN(sizeof(bytes), crossing.filled), 0);
        assert_true(count > 0);
        crossing.filled -= (size_t)count;
    }
    assert_true(raw_handshake(&peer));
    assert_true(raw_write(&peer, "hello", 5));
    errand_wait(&crossing.errand);
    raw_close(&peer);
}

static void attach_and_write(void *closure)
{
    struct crossing *crossing = closure;
    eventer_aco_t e = secured_adopt(crossing->fd);
    EVENTER_ATTACH_SSL((eventer_t)e, secured_new(SSL_CLIENT));
    check_int(eventer_aco_write(e, "hello", 5, NULL), 5);
    eventer_aco_close(e);
    eventer_aco_free(e);
}

static void a_write_that_has_to_read_waits_for_the_peer(void **state)
{
    int fds[2];
    char bytes[16];
    struct crossing crossing = {.is_full = TALLY_NONE};
    secured_connect(fds);
    crossing.fd = fds[1];
    struct raw_peer peer = raw_open(secured_server, fds[0]);
    coroutine_post(&crossing.errand, 0, attach_and_write, &crossing);
    settle(0); /* it waits for our part of the handshake */
    assert_true(raw_handshake(&peer));
    assert_int_equal(raw_read(&peer, bytes, sizeof(bytes)), 5);
    errand_wait(&crossing.errand);
    raw_close(&peer);
}

static void wait_for_nothing(void *closure)
{
    struct crossing *crossing = closure;
    char byte;
    check_int(eventer_aco_read(crossing->e, &byte, 1, NULL), -1);
    check_int(errno, ECANCELED);
}

static struct crossing *reader_crossing;

static void read_beside(void)
{
    wait_for_nothing(reader_crossing);
}

static void write_beside_a_reader(struct secured *s, eventer_aco_t e)
{
    struct crossing crossing = {.e = e};
    reader_crossing = &crossing;
    eventer_aco_start(read_beside, NULL);
    check_int(eventer_aco_write(e, "hello", 5, NULL), 5);
    sleep_ms(1);
    check_int(eventer_aco_write(e, "again", 5, NULL), 5);
}

static void one_coroutine_reads_while_another_writes(void **state)
{
    struct secured s;
    char bytes[16];
    secured_start(&s, write_beside_a_reader, NULL);
    assert_int_equal(raw_read(&s.peer, bytes, 5), 5);
    assert_int_equal(raw_read(&s.peer, bytes, 5), 5);
    assert_int_equal(raw_read(&s.peer, bytes, 5), 0);
    secured_wait(&s);
}

static void wait_in_vain(struct secured *s, eventer_aco_t e)
{
    struct timeval moment = {.tv_usec = 2000};
    char bytes[8];
    check_int(eventer_aco_read(e, bytes, sizeof(bytes), &moment), -1);
    check_int(errno, ETIME);
    check_int(eventer_aco_write(e, "late", 4, NULL), 4);
    check_int(eventer_aco_read(e, bytes, sizeof(bytes), NULL), 2);
}

static void a_read_that_timed_out_leaves_the_connection_whole(void **state)
{
    struct secured s;
    char bytes[8];
    secured_start(&s, wait_in_vain, NULL);
    assert_int_equal(raw_read(&s.peer, bytes, sizeof(bytes)), 4);
    assert_true(raw_write(&s.peer, "ok", 2));
    secured_wait(&s);
}

/* ---- callbacks ------------------------------------------------------------------- */

struct classic {
    struct raw_peer peer;
    int fd, copy_at;
    _Atomic int len;
    char bytes[64];
    struct tally ended;
};

/* Reads at most three bytes in a call. */
static int read_little(eventer_t e, int mask, void *closure, struct timeval *now)
{
    struct classic *c = closure;
    int wanted = EVENTER_READ | EVENTER_EXCEPTION;
    int len = atomic_load(&c->len), count = eventer_read(e, c->bytes + len, 3, &wanted);
    if (count > 0) {
        atomic_store(&c->len, len + count);
        return EVENTER_READ | EVENTER_EXCEPTION;
    }
    if (count < 0 && errno == EAGAIN)
        return wanted;
    check_int(count, 0);
    check_int(eventer_write(e, "bye", 3, &wanted), 3);
    eventer_remove_fde(e);
    eventer_close(e, &wanted);
    check(eventer_get_eventer_ssl_ctx(e) == NULL && eventer_get_fd(e) == -1);
    check_int(eventer_read(e, c->bytes, 1, &wanted), -1);
    tally_raise(&c->ended);
    return 0;
}

static int shake_hands(eventer_t e, int mask, void *closure, struct timeval *now)
{
    int wanted = 0;
    int rv = eventer_SSL_accept(e, &wanted);
    if (rv < 0 && errno == EAGAIN)
        return wanted;
    if (!check_int(rv, 1))
        return EVENTER_READ;
    eventer_set_callback(e, read_little);
    return EVENTER_READ | EVENTER_EXCEPTION; /* only what comes: OpenSSL may have something */
}

static void begin_classic(void *closure)
{
    struct classic *c = closure;
    eventer_t e =
        eventer_alloc_fd(shake_hands, c, c->fd, EVENTER_READ | EVENTER_WRITE | EVENTER_EXCEPTION);
    EVENTER_ATTACH_SSL(e, secured_new(SSL_SERVER));
    check(eventer_get_eventer_ssl_ctx(e) != NULL);
    check(eventer_get_fd_opset(e) == eventer_SSL_fd_opset);
    check(strcmp(eventer_SSL_fd_opset->name, "SSL") == 0);
    eventer_add(e);
}

/* The client's first bytes come with the end of its handshake, in one piece, and are left there. */
static void a_callback_is_called_for_what_openssl_has(void **state)
{
    int fds[2];
    struct classic c = {.ended = TALLY_NONE};
    char bytes[16];
    secured_connect(fds);
    c.fd = fds[1];
    c.peer = raw_open(secured_client, fds[0]);
    in_loop(0, begin_classic, &c);
    while (SSL_do_handshake(c.peer.ssl) != 1) { /* its last bytes are held back */
        raw_flush(&c.peer);
        assert_true(raw_fill(&c.peer));
    }
    assert_int_equal(SSL_write(c.peer.ssl, "0123456789", 10), 10);
    raw_flush(&c.peer);
    wait_until(&c.len, 10);
    assert_true(raw_write(&c.peer, "abcdefgh", 8));
    wait_until(&c.len, 18);
    assert_memory_equal(c.bytes, "0123456789abcdefgh", 18);
    SSL_shutdown(c.peer.ssl);
    raw_flush(&c.peer);
    tally_wait(&c.ended);
    assert_int_equal(raw_read(&c.peer, bytes, sizeof(bytes)), 3);
    assert_int_equal(raw_read(&c.peer, bytes, sizeof(bytes)), 0);
    raw_close(&c.peer);
}

static void accept_through_tls(struct secured *s, eventer_aco_t e)
{
    eventer_t copy = eventer_alloc_copy((eventer_t)e);
    int mask;
    check(eventer_get_eventer_ssl_ctx(copy) == eventer_get_eventer_ssl_ctx((eventer_t)e));
    check_int(eventer_accept(copy, NULL, NULL, &mask), -1);
    check_int(errno, EINVAL);
    check_int(eventer_write(copy, "copy", 4, &mask), 4);
    eventer_free(copy);
    check_int(eventer_aco_write(e, "that", 4, NULL), 4);
}

static void a_copy_of_the_event_shares_the_connection(void **state)
{
    struct secured s;
    char bytes[16];
    secured_start(&s, accept_through_tls, NULL);
    assert_int_equal(raw_read(&s.peer, bytes, sizeof(bytes)), 4);
    assert_int_equal(raw_read(&s.peer, bytes, sizeof(bytes)), 4);
    secured_wait(&s);
}

static void finish_and_read(struct secured *s, eventer_aco_t e)
{
    char bytes[8];
    check_int(e != NULL && ((eventer_t)e)->wire->finish(s->fd, e) == 0, 1);
    check_int(eventer_aco_read(e, bytes, sizeof(bytes), NULL), 5);
    check_int(eventer_aco_write(e, bytes, 5, NULL), -1);
}

static void after_the_end_of_writing_there_is_still_reading(void **state)
{
    struct secured s;
    char bytes[8];
    secured_start(&s, finish_and_read, NULL);
    assert_int_equal(raw_read(&s.peer, bytes, sizeof(bytes)), 0);
    assert_true(raw_write(&s.peer, "hello", 5));
    secured_wait(&s);
}

/* ---- fairness -------------------------------------------------------------------- */

struct held { /* a loop, until so much has come */
    struct mail mail;
    int fd;
    size_t len;
    uint64_t turn; /* of the loop, then */
};

static void hold(struct mail *mail, struct loop *loop)
{
    struct held *held = list_entry(mail, struct held, mail);
    int len = 0;
    while (ioctl(held->fd, FIONREAD, &len) == 0 && (size_t)len < held->len)
        sched_yield();
    held->turn = loop->turns;
}

static void read_in_turns(struct secured *s, eventer_aco_t e)
{
    const struct held *held = s->more;
    char byte;
    check_int(eventer_aco_read(e, &byte, 1, NULL), 1);
    check_int(byte, 'x');
    check(loop_self->turns >= held->turn + 2);
}

static void keys_without_end_hold_up_nobody(void **state)
{
    struct held held = {.mail.run = hold};
    struct secured s;
    secured_start(&s, read_in_turns, &held);
    setsockopt(s.fd, SOL_SOCKET, SO_RCVBUF, &(int){200000}, sizeof(int));
    while (held.len < 150000) {
        assert_int_equal(SSL_key_update(s.peer.ssl, SSL_KEY_UPDATE_NOT_REQUESTED), 1);
        assert_int_equal(SSL_do_handshake(s.peer.ssl), 1);
        held.len = (size_t)BIO_pending(s.peer.out);
    }
    assert_int_equal(SSL_write(s.peer.ssl, "x", 1), 1);
    held.len = (size_t)BIO_pending(s.peer.out);
    held.fd = s.fd;
    loop_post(loop_at(0), &held.mail);
    raw_flush(&s.peer);
    secured_wait(&s);
}

static const struct CMUnitTest tests[] = {
    clean_test(what_is_written_is_read_until_close_notify),
    clean_test(a_stream_without_close_notify_was_cut),
    clean_test(bytes_that_are_no_record_break_the_connection),
    clean_test(a_record_that_was_changed_is_not_read),
    clean_test(records_may_be_split_anywhere),
    clean_test(a_short_read_of_the_socket_says_that_there_is_no_more),
    clean_test(what_is_no_data_is_read_over),
    clean_test(more_than_the_socket_takes_is_waited_for),
    clean_test(all_that_the_peer_sends_is_read),
    clean_test(a_read_that_has_to_write_waits_for_room),
    clean_test(a_write_that_has_to_read_waits_for_the_peer),
    clean_test(one_coroutine_reads_while_another_writes),
    clean_test(a_read_that_timed_out_leaves_the_connection_whole),
    clean_test(a_callback_is_called_for_what_openssl_has),
    clean_test(a_copy_of_the_event_shares_the_connection),
    clean_test(after_the_end_of_writing_there_is_still_reading),
    clean_test(keys_without_end_hold_up_nobody),
};

int main(void)
{
    RAND_bytes(much, sizeof(much));
    secured_begin(2);
    harness_keep_fds();
    int status = harness_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]));
    secured_end();
    return status;
}
