/* SPDX-License-Identifier: MIT */
/*
 * Goal: callbacks and coroutines of ours do the handshake with each other and with others, a client
 * trusts the server that it means and no other, and what fails says why and leaves nothing.
 * Method: both ends in loops of this process, or one of them a raw peer.
 */
#include "secured.h"

#include "tls/tls_impl.h"

/* ---- coroutines ------------------------------------------------------------------ */

struct client {
    struct errand errand;
    int fd;
    const char *host;
    eventer_ssl_ctx_t *ctx; /* taken */
    long patience_ms;       /* 0: for ever */
    int err;                /* errno of the connect, or 0 */
    char said[64];
};

static void run_client(void *closure)
{
    struct client *c = closure;
    struct timeval patience = clock_timeval((uint64_t)c->patience_ms * CLOCK_NS_PER_MS);
    eventer_aco_t e = secured_adopt(c->fd);
    if (eventer_aco_SSL_connect(e, c->ctx, c->host, c->patience_ms == 0 ? NULL : &patience) != 0) {
        c->err = errno;
        const char *why = c->ctx == NULL || eventer_get_eventer_ssl_ctx((eventer_t)e) == NULL
                              ? NULL
                              : eventer_ssl_get_last_error(c->ctx);
        snprintf(c->said, sizeof(c->said), "%s", why == NULL ? "" : why);
    } else {
        int len = eventer_aco_read(e, c->said, sizeof(c->said) - 1, NULL);
        c->said[len > 0 ? len : 0] = '\0';
    }
    eventer_aco_close(e);
    eventer_aco_free(e);
}

static void greet(struct secured *s, eventer_aco_t e)
{
    check_int(eventer_aco_write(e, "hello", 5, NULL), 5);
}

/* Have a client of ours meet a server of ours.  Gives what it said, or why not, and its errno. */
static struct client meet_as(struct tls_context *server, struct client c)
{
    int fds[2];
    struct secured s = {.serve = greet, .context = server};
    secured_connect(fds);
    s.fd = fds[0];
    c.fd = fds[1];
    coroutine_post(&s.errand, 0, secured_serve, &s);
    coroutine_post(&c.errand, 1, run_client, &c);
    errand_wait(&c.errand);
    errand_wait(&s.errand);
    settle_all();
    assert_checks();
    return c;
}

static struct client meet(struct tls_context *server, const char *host)
{
    return meet_as(server, (struct client){.host = host, .ctx = secured_new(SSL_CLIENT)});
}

static void a_client_trusts_the_server_that_it_means(void **state)
{
    struct tls_context *server = secured_context(NULL);
    static const char *const names[] = {"localhost", "LocalHost", "127.0.0.1", NULL};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct client c = meet(server, names[i]);
        assert_int_equal(c.err, 0);
        assert_string_equal(c.said, "hello");
    }
    static const char *const others[] = {"example.org", "127.0.0.2", "::1", "localhost.org"};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        struct client c = meet(server, others[i]);
        assert_int_equal(c.err, EACCES);
        assert_string_equal(c.said, "certificate verify failed");
    }
    tls_context_unref(server);
}

static void a_client_refuses_a_server_of_nobody(void **state)
{
    EVP_PKEY *key = EVP_EC_gen("P-256"), *own = authority_key;
    authority_key = key; /* who says that it is the authority, and is not */
    authority_issue("liar",
                    &(struct authority_wish){.common_name = "server", .names = "DNS:localhost"});
    authority_key = own;
    EVP_PKEY_free(key);
    struct tls_settings settings = secured_settings("certificate", authority_path("liar.pem"),
                                                    "key", authority_path("liar.key"), NULL);
    struct tls_context *server = secured_get(SSL_SERVER, &settings, 1);
    assert_int_equal(meet(server, "localhost").err, EACCES);
    tls_context_unref(server);
}

static int accept_all(eventer_ssl_ctx_t *ctx, int ok, X509_STORE_CTX *store, void *closure)
{
    check(ctx != NULL && store != NULL);
    *(int *)closure += ok == 0;
    return 1;
}

static int accept_nothing(eventer_ssl_ctx_t *ctx, int ok, X509_STORE_CTX *store, void *closure)
{
    (void)ctx, (void)ok, (void)store, (void)closure;
    return 0;
}

static struct client meet_with(eventer_ssl_verify_func_t f, void *closure, const char *host)
{
    struct client c = {.host = host, .ctx = secured_new(SSL_CLIENT)};
    eventer_ssl_ctx_set_verify(c.ctx, f, closure);
    return meet_as(NULL, c);
}

static void who_verifies_himself_decides(void **state)
{
    int refused = 0;
    assert_int_equal(meet_with(accept_all, &refused, "example.org").err, 0);
    assert_true(refused > 0);
    assert_int_equal(meet_with(accept_nothing, NULL, "localhost").err, EACCES);
    assert_int_equal(meet_with(eventer_ssl_verify_cert, NULL, "localhost").err, 0);
    assert_int_equal(meet_with(eventer_ssl_verify_cert, NULL, "example.org").err, EACCES);
    mtev_hash_table table = MTEV_HASH_EMPTY;
    mtev_hash_dict_store(&table, "optional_no_ca", "true");
    mtev_hash_dict_store(&table, "ignore_dates", "on");
    assert_int_equal(meet_with(eventer_ssl_verify_cert, &table, "localhost").err, 0);
    assert_int_equal(meet_with(eventer_ssl_verify_cert, &table, "example.org").err, EACCES);
    mtev_hash_destroy(&table, free, free);
}

/* ---- what may go wrong ----------------------------------------------------------- */

static struct client alone(const char *host, eventer_ssl_ctx_t *ctx, long patience_ms,
                           const char *peer_says)
{
    int fds[2];
    struct client c = {.host = host, .ctx = ctx, .patience_ms = patience_ms};
    secured_connect(fds);
    c.fd = fds[1];
    if (peer_says != NULL) {
        assert_int_equal(send(fds[0], peer_says, strlen(peer_says), 0), strlen(peer_says));
        shutdown(fds[0], SHUT_WR);
    }
    coroutine_post(&c.errand, 1, run_client, &c);
    errand_wait(&c.errand);
    close(fds[0]);
    settle_all();
    assert_checks();
    return c;
}

static void a_handshake_that_fails_says_why(void **state)
{
    eventer_ssl_stats_t before, after;
    eventer_ssl_get_stats(&before);
    assert_int_equal(alone(NULL, secured_new(SSL_CLIENT), 5, NULL).err, ETIME);
    assert_int_equal(alone(NULL, secured_new(SSL_CLIENT), 0, "").err, ECONNRESET);
    assert_int_equal(alone(NULL, secured_new(SSL_CLIENT), 0, "HTTP/1.1 400 Bad\r\n\r\n").err,
                     EPROTO);
    eventer_ssl_get_stats(&after);
    assert_int_equal(after.failed - before.failed, 3);
    assert_int_equal(after.timed_out - before.timed_out, 1);
    assert_int_equal(alone("", secured_new(SSL_CLIENT), 0, "").err, EINVAL);
    assert_int_equal(alone("localhost", NULL, 0, "").err, EINVAL);
    assert_int_equal(alone(NULL, secured_new(SSL_SERVER), 0, "").err, EINVAL);
}

static eventer_aco_t to_be_closed;

static void connect_in_vain(void *closure)
{
    struct client *c = closure;
    to_be_closed = secured_adopt(c->fd);
    check_int(eventer_aco_SSL_connect(to_be_closed, c->ctx, NULL, NULL), -1);
    check_int(errno, ECANCELED);
}

static void close_it(void *closure)
{
    (void)closure;
    eventer_aco_close(to_be_closed);
    eventer_aco_free(to_be_closed);
}

static void a_close_ends_the_wait(void **state)
{
    int fds[2];
    struct client c = {.ctx = secured_new(SSL_CLIENT)};
    secured_connect(fds);
    c.fd = fds[1];
    coroutine_post(&c.errand, 0, connect_in_vain, &c);
    settle(0);
    in_loop(0, close_it, NULL);
    errand_wait(&c.errand);
    close(fds[0]);
    logged_clear(); /* that it ended with an open event */
}

static void misuse(void *closure)
{
    int *fds = closure, mask = 0;
    eventer_t e = eventer_alloc_fd(secured_never, NULL, fds[0], EVENTER_READ);
    check_int(eventer_SSL_accept(e, &mask), -1);
    check_int(errno, EINVAL);
    eventer_set_eventer_ssl_ctx(e, NULL);
    check_int(errno, EINVAL);
    eventer_set_eventer_ssl_ctx(NULL, secured_new(SSL_CLIENT));
    check(eventer_get_eventer_ssl_ctx(e) == NULL && eventer_get_eventer_ssl_ctx(NULL) == NULL);
    EVENTER_ATTACH_SSL(e, secured_new(SSL_CLIENT));
    EVENTER_ATTACH_SSL(e, secured_new(SSL_CLIENT));
    check_int(eventer_SSL_accept(e, &mask), -1);
    check_int(eventer_SSL_renegotiate(e), -1);
    check_int(errno, ENOTSUP);
    check_int(eventer_SSL_connect(e, &mask), -1);
    check_int(errno, EAGAIN);
    check_int(mask, EVENTER_READ | EVENTER_EXCEPTION);
    eventer_close(e, &mask);
    eventer_free(e);
}

static void what_a_caller_does_wrong_is_told(void **state)
{
    int fds[2];
    secured_connect(fds);
    in_loop(0, misuse, fds);
    close(fds[1]);
    assert_int_equal(logged("eventer_SSL_accept: the event has no TLS\n"), 1);
    assert_int_equal(logged("eventer_SSL_accept: it is the other side's\n"), 1);
    assert_int_equal(logged("eventer_set_eventer_ssl_ctx: no TLS\n"), 1);
    assert_int_equal(logged("eventer_set_eventer_ssl_ctx: no event of an open fd\n"), 1);
    assert_int_equal(logged("eventer_set_eventer_ssl_ctx: the event has TLS already\n"), 1);
    logged_clear();
    eventer_ssl_ctx_t *ctx = secured_new(SSL_CLIENT);
    assert_int_equal(eventer_ssl_ctx_set_sni(ctx, "host"), 0);
    assert_int_equal(eventer_ssl_ctx_set_sni(ctx, ""), -1);
    assert_int_equal(eventer_ssl_ctx_set_sni(ctx, NULL), -1);
    eventer_ssl_ctx_free(ctx);
}

/* ---- callbacks ------------------------------------------------------------------- */

struct both {
    int fds[2];
    _Atomic int done;
    int expected; /* of the client */
};

static int client_event(eventer_t e, int mask, void *closure, struct timeval *now)
{
    struct both *both = closure;
    int wanted = 0, rv = eventer_SSL_connect(e, &wanted);
    if (rv < 0 && errno == EAGAIN)
        return wanted;
    check_int(rv, both->expected);
    check_int(rv > 0 ? 0 : errno, rv > 0 ? 0 : EIO);
    check(rv > 0 || eventer_ssl_get_last_error(eventer_get_eventer_ssl_ctx(e)) != NULL);
    check_int(rv > 0 ? eventer_write(e, "x", 1, &wanted) : 1, 1);
    eventer_remove_fde(e);
    eventer_close(e, &wanted);
    atomic_fetch_add(&both->done, 1);
    return 0;
}

static int server_event(eventer_t e, int mask, void *closure, struct timeval *now)
{
    struct both *both = closure;
    int wanted = 0, rv = eventer_SSL_accept(e, &wanted);
    char byte;
    if (rv == 1)
        rv = eventer_read(e, &byte, 1, &wanted);
    if (rv < 0 && errno == EAGAIN)
        return wanted;
    check(rv == both->expected || both->expected < 0); /* TLS 1.3: it may know later */
    eventer_remove_fde(e);
    eventer_close(e, &wanted);
    atomic_fetch_add(&both->done, 1);
    return 0;
}

static void begin_server(void *closure)
{
    struct both *both = closure;
    eventer_t e = eventer_alloc_fd(server_event, both, both->fds[1], EVENTER_READ);
    EVENTER_ATTACH_SSL(e, secured_new(SSL_SERVER));
    eventer_add(e);
}

static void begin_client(void *closure)
{
    struct both *both = closure;
    eventer_t e = eventer_alloc_fd(client_event, both, both->fds[0], EVENTER_WRITE);
    EVENTER_ATTACH_SSL(e, both->expected > 0
                              ? secured_new(SSL_CLIENT)
                              : eventer_ssl_ctx_new(SSL_CLIENT, NULL, NULL, NULL, NULL, NULL));
    eventer_add(e);
}

static void callbacks_do_the_handshake_as_their_mask_says(void **state)
{
    for (int expected = 1; expected >= -1; expected -= 2) { /* trusted, and not */
        struct both both = {.expected = expected};
        secured_connect(both.fds);
        in_loop(0, begin_server, &both);
        in_loop(1, begin_client, &both);
        wait_until(&both.done, 2);
    }
}

/* Whatever cannot be allocated, the connection is made or not, and nothing is left. */
static void connect_once(void *closure)
{
    int fds[2];
    struct secured s = {.serve = greet};
    struct client c = {.host = "localhost", .ctx = secured_new(SSL_CLIENT)};
    (void)closure;
    secured_connect(fds);
    s.context = secured_context(NULL);
    alloc_fail_nth(0, 0);
    s.fd = fds[0];
    c.fd = fds[1];
    coroutine_post(&s.errand, 0, secured_serve, &s);
    coroutine_post(&c.errand, 1, run_client, &c);
    errand_wait(&c.errand);
    errand_wait(&s.errand);
    assert_int_equal(c.err, c.ctx == NULL ? EINVAL : 0);
    tls_context_unref(s.context);
}

static void without_memory_there_is_no_connection(void **state)
{
    struct tls_context *context = secured_context(NULL);
    eventer_ssl_ctx_t *ctx;
    alloc_fail_nth(1, 0);
    assert_null(tls_connection_new(context));
    alloc_fail_nth(0, 0);
    ctx = secured_new(SSL_CLIENT);
    alloc_fail_nth(1, 0);
    eventer_ssl_ctx_set_verify(ctx, accept_all, NULL);
    alloc_fail_nth(0, 0);
    assert_logged(1, "eventer_ssl_ctx_set_verify: out of memory; no peer is accepted\n");
    struct client c = alone(NULL, ctx, 0, "");
    assert_int_equal(c.err, ECONNRESET);
    connect_once(NULL);
    tls_context_unref(context);
}

static const struct CMUnitTest tests[] = {
    clean_test(a_client_trusts_the_server_that_it_means),
    clean_test(a_client_refuses_a_server_of_nobody),
    clean_test(who_verifies_himself_decides),
    clean_test(a_handshake_that_fails_says_why),
    clean_test(a_close_ends_the_wait),
    clean_test(what_a_caller_does_wrong_is_told),
    clean_test(callbacks_do_the_handshake_as_their_mask_says),
    clean_test(without_memory_there_is_no_connection),
};

SECURED_MAIN(tests)
