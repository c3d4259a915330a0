/* SPDX-License-Identifier: MIT */
/*
 * Goal: a client of ours resumes the last session of a server, in TLS 1.2 and 1.3, and never one of
 * another server, of another trust, or of before a reload; it keeps no more than it may.
 * Method: clients and servers of ours on one port, where all connections go one after the other.
 */
#include "secured.h"

#include "tls/tls_impl.h"

#include <netinet/tcp.h>

static int listening; /* a blocking socket */
static uint16_t port;

struct visit {
    struct errand errand;
    int fd;
    eventer_ssl_ctx_t *ctx; /* taken */
    const char *host;       /* that it has to prove to be; NULL: nobody */
    bool fails;             /* all its allocations do */
    int err;
    bool is_resumed;
};

static void run_visit(void *closure)
{
    struct visit *v = closure;
    char bytes[8];
    eventer_aco_t e = secured_adopt(v->fd);
    alloc_fail_nth(v->fails, v->fails);
    v->err = eventer_aco_SSL_connect(e, v->ctx, v->host, NULL) == 0 ? 0 : errno;
    if (v->err == 0) {
        check_int(eventer_aco_read(e, bytes, sizeof(bytes), NULL), 5); /* and the ticket */
        v->is_resumed = eventer_ssl_is_resumed(v->ctx);
        X509 *peer = eventer_ssl_get_peer_certificate(v->ctx);
        check(peer != NULL);
        X509_free(peer);
    }
    alloc_fail_nth(0, 0);
    eventer_aco_close(e);
    eventer_aco_free(e);
}

static void greet(struct secured *s, eventer_aco_t e)
{
    char byte;
    check_int(eventer_aco_write(e, "hello", 5, NULL), 5);
    check_int(eventer_aco_read(e, &byte, 1, NULL), 0);
}

static int connect_here(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(port),
                             .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&to, sizeof(to)), 0);
    assert_int_equal(eventer_set_fd_nonblocking(fd), 0);
    return fd;
}

/* Have a client (ctx, taken) visit the server. */
static struct visit visit(struct tls_context *server, eventer_ssl_ctx_t *ctx, const char *host)
{
    struct visit v = {.host = host, .ctx = ctx, .fd = connect_here()};
    struct secured s = {.serve = greet, .context = server};
    s.fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    setsockopt(s.fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    coroutine_post(&s.errand, 0, secured_serve, &s);
    coroutine_post(&v.errand, 1, run_visit, &v);
    errand_wait(&v.errand);
    errand_wait(&s.errand);
    settle_all();
    assert_checks();
    return v;
}

static bool resumes(struct tls_context *server, eventer_ssl_ctx_t *ctx, const char *host)
{
    struct visit v = visit(server, ctx, host);
    assert_int_equal(v.err, 0);
    return v.is_resumed;
}

/* Forget all sessions of the usual clients, as a reload does. */
static void reload(void)
{
    char reason[TLS_REASON_SIZE];
    struct tls_settings settings = secured_settings("ca_chain", authority_path("ca.pem"), NULL);
    struct tls_context *context = secured_get(SSL_CLIENT, &settings, 1);
    assert_int_equal(tls_context_reload(context, reason), 0);
    tls_context_unref(context);
}

static void the_next_connection_resumes(void **state)
{
    static const char *const layers[] = {"tlsv1.2", "tlsv1.3"};
    for (size_t i = 0; i < 2; i++) {
        struct tls_context *server = secured_context("layer", layers[i], NULL);
        reload();
        for (int turn = 0; turn < 3; turn++)
            assert_int_equal(resumes(server, secured_new(SSL_CLIENT), "localhost"), turn > 0);
        tls_context_unref(server);
    }
}

static void a_server_that_knows_it_no_more_is_met_anew(void **state)
{
    struct tls_context *server = secured_context("layer", "tlsv1.2", NULL);
    reload();
    assert_false(resumes(server, secured_new(SSL_CLIENT), "localhost"));
    for (int i = 0; i < 3; i++)
        tls_tickets_rotate(true);
    assert_false(resumes(server, secured_new(SSL_CLIENT), "localhost"));
    assert_true(resumes(server, secured_new(SSL_CLIENT), "localhost"));
    tls_context_unref(server);
}

static eventer_ssl_ctx_t *new_for(const char *name)
{
    eventer_ssl_ctx_t *ctx = secured_new(SSL_CLIENT);
    assert_int_equal(eventer_ssl_ctx_set_sni(ctx, name), 0);
    return ctx;
}

static void who_is_trusted_for_another_reason_is_not_resumed(void **state)
{
    struct tls_context *server = secured_context(NULL);
    reload();
    assert_false(resumes(server, secured_new(SSL_CLIENT), NULL));
    assert_false(resumes(server, secured_new(SSL_CLIENT), "127.0.0.1"));
    assert_false(resumes(server, new_for("localhost"), NULL));
    assert_false(resumes(server, secured_new(SSL_CLIENT), "localhost"));
    assert_int_equal(visit(server, secured_new(SSL_CLIENT), "other.example").err, EACCES);
    assert_int_equal(visit(server, secured_new(SSL_CLIENT), "127.0.0.2").err, EACCES);
    assert_false(resumes(
        server,
        eventer_ssl_ctx_new(SSL_CLIENT, NULL, NULL, NULL, authority_path("ca.pem"), "ECDHE+AESGCM"),
        NULL)); /* who has other settings */
    assert_true(resumes(server, secured_new(SSL_CLIENT), NULL));
    assert_true(resumes(server, secured_new(SSL_CLIENT), "127.0.0.1"));
    assert_true(resumes(server, new_for("localhost"), NULL));
    assert_true(resumes(server, secured_new(SSL_CLIENT), "localhost"));
    tls_context_unref(server);
}

static void another_address_is_another_server(void **state)
{
    struct tls_context *server = secured_context(NULL);
    const int before = listening;
    const uint16_t port_before = port;
    reload();
    assert_false(resumes(server, secured_new(SSL_CLIENT), "localhost"));
    listening = harness_listen(&port);
    assert_int_equal(fcntl(listening, F_SETFL, 0), 0);
    assert_false(resumes(server, secured_new(SSL_CLIENT), "localhost"));
    close(listening);
    listening = before;
    port = port_before;
    assert_true(resumes(server, secured_new(SSL_CLIENT), "localhost"));
    tls_context_unref(server);
}

static int decide(eventer_ssl_ctx_t *ctx, int ok, X509_STORE_CTX *store, void *closure)
{
    (void)ctx, (void)store;
    *(int *)closure += 1;
    return ok;
}

static void who_decides_himself_is_asked_each_time(void **state)
{
    struct tls_context *server = secured_context(NULL);
    reload();
    for (int turn = 0; turn < 3; turn++) {
        int asked = 0;
        eventer_ssl_ctx_t *ctx = secured_new(SSL_CLIENT);
        eventer_ssl_ctx_set_verify(ctx, decide, &asked);
        assert_false(resumes(server, ctx, "localhost"));
        assert_true(asked > 0);
        assert_int_equal(resumes(server, secured_new(SSL_CLIENT), "localhost"), turn > 0);
    }
    tls_context_unref(server);
}

static void a_reload_forgets_them(void **state)
{
    struct tls_context *server = secured_context(NULL);
    reload();
    assert_false(resumes(server, secured_new(SSL_CLIENT), "localhost"));
    eventer_ssl_ctx_t *ctx = secured_new(SSL_CLIENT); /* of before, and used after it */
    reload();
    assert_false(resumes(server, ctx, "localhost"));
    assert_false(resumes(server, secured_new(SSL_CLIENT), "localhost"));
    assert_true(resumes(server, secured_new(SSL_CLIENT), "localhost"));
    tls_context_unref(server);
}

static void the_oldest_goes_when_there_are_too_many(void **state)
{
    struct tls_context *server = secured_context(NULL);
    char name[32];
    for (int count = TLS_SESSIONS_MAX - 1; count <= TLS_SESSIONS_MAX + 1; count++) {
        reload();
        for (int i = 0; i < count; i++) {
            snprintf(name, sizeof(name), "host%d.example", i);
            assert_false(resumes(server, new_for(name), NULL));
        }
        assert_true(resumes(server, new_for(name), NULL));
        assert_int_equal(resumes(server, new_for("host0.example"), NULL),
                         count <= TLS_SESSIONS_MAX);
    }
    tls_context_unref(server);
}

/* Only our own allocations fail, and the server is a raw one, which has none. */
static void without_memory_none_is_kept(void **state)
{
    reload();
    for (int turn = 0; turn < 2; turn++) {
        struct visit v = {.host = "localhost",
                          .ctx = secured_new(SSL_CLIENT),
                          .fd = connect_here(),
                          .fails = true};
        struct raw_peer peer =
            raw_open(secured_server, accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC));
        coroutine_post(&v.errand, 1, run_visit, &v);
        assert_true(raw_handshake(&peer));
        assert_true(raw_write(&peer, "hello", 5));
        errand_wait(&v.errand);
        raw_close(&peer);
        settle_all();
        assert_checks();
        assert_int_equal(v.err, 0);
        assert_false(v.is_resumed);
    }
}

static const struct CMUnitTest tests[] = {
    clean_test(the_next_connection_resumes),
    clean_test(a_server_that_knows_it_no_more_is_met_anew),
    clean_test(who_is_trusted_for_another_reason_is_not_resumed),
    clean_test(another_address_is_another_server),
    clean_test(who_decides_himself_is_asked_each_time),
    clean_test(a_reload_forgets_them),
    clean_test(the_oldest_goes_when_there_are_too_many),
    clean_test(without_memory_none_is_kept),
};

int main(void)
{
    secured_begin(2);
    listening = harness_listen(&port);
    if (fcntl(listening, F_SETFL, 0) != 0)
        return 1;
    harness_keep_fds();
    int status = harness_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]));
    close(listening);
    secured_end();
    return status;
}
