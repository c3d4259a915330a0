/* SPDX-License-Identifier: MIT */
/*
 * Goal: a client's session is resumed, in TLS 1.2 and 1.3, also after the keys were changed twice,
 * and by no context that has another certificate or trusts others.
 * Method: a raw client that keeps the session of one connection for the next.
 */
#include "secured.h"

#include "tls/tls_impl.h"

static SSL_SESSION *kept; /* the newest that the client was given; owned */

static int keep(SSL *ssl, SSL_SESSION *session)
{
    (void)ssl;
    SSL_SESSION_free(kept);
    kept = session;
    return 1;
}

static SSL_CTX *client_of(int version)
{
    SSL_CTX *client = raw_context(true);
    SSL_CTX_set_max_proto_version(client, version);
    SSL_CTX_set_session_cache_mode(client, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(client, keep);
    return client;
}

static void say_resumed(struct secured *s, eventer_aco_t e)
{
    eventer_ssl_ctx_t *ctx = eventer_get_eventer_ssl_ctx((eventer_t)e);
    check(eventer_ssl_get_session(ctx) != NULL);
    check_int(eventer_aco_write(e, eventer_ssl_is_resumed(ctx) ? "y" : "n", 1, NULL), 1);
}

/* Connect with what is kept; returns whether both sides say that it was resumed. */
static bool resumes(struct tls_context *context, SSL_CTX *client)
{
    struct secured s = {.serve = say_resumed};
    char byte = '?';
    secured_begin_with(&s, context, client);
    if (kept != NULL)
        SSL_set_session(s.peer.ssl, kept);
    assert_true(raw_handshake(&s.peer));
    assert_int_equal(raw_read(&s.peer, &byte, 1), 1);
    const bool is_resumed = SSL_session_reused(s.peer.ssl) != 0;
    assert_int_equal(byte, is_resumed ? 'y' : 'n');
    SSL_shutdown(s.peer.ssl); /* else the session is not to be used again */
    raw_flush(&s.peer);
    secured_wait(&s);
    return is_resumed;
}

static void forget(void)
{
    SSL_SESSION_free(kept);
    kept = NULL;
}

static void sessions_are_resumed(int version)
{
    struct tls_context *context = secured_context(NULL);
    SSL_CTX *client = client_of(version);
    eventer_ssl_stats_t before, after;
    eventer_ssl_get_stats(&before);
    assert_false(resumes(context, client));
    assert_true(resumes(context, client));
    assert_true(resumes(context, client));
    eventer_ssl_get_stats(&after);
    assert_int_equal(after.completed - before.completed, 3);
    assert_int_equal(after.resumed - before.resumed, 2);
    SSL_CTX_free(client);
    forget();
    tls_context_unref(context);
}

static void sessions_of_tls_1_3_are_resumed(void **state)
{
    sessions_are_resumed(TLS1_3_VERSION);
}

static void sessions_of_tls_1_2_are_resumed(void **state)
{
    sessions_are_resumed(TLS1_2_VERSION);
}

static void keys_of_before_are_accepted_and_then_forgotten(void **state)
{
    struct tls_context *context = secured_context(NULL);
    SSL_CTX *client = client_of(TLS1_3_VERSION);
    for (int rotations = 0; rotations <= 3; rotations++) {
        forget();
        assert_false(resumes(context, client));
        SSL_SESSION *first = kept;
        kept = NULL;
        for (int i = 0; i < rotations; i++)
            tls_tickets_rotate(true);
        kept = first;
        assert_int_equal(resumes(context, client), rotations < 3);
    }
    forget();
    SSL_CTX_free(client);
    tls_context_unref(context);
}

/* A ticket for a server that asks nobody must not let a client in where it has to show itself. */
static void a_session_is_of_what_it_was_made_with(void **state)
{
    struct tls_context *open = secured_context(NULL);
    struct tls_context *same = secured_context("handshake_timeout", "5000", NULL);
    struct tls_context *closed = secured_context("ca_chain", authority_path("ca.pem"),
                                                 "client_certificate", "optional", NULL);
    SSL_CTX *client = client_of(TLS1_3_VERSION);
    assert_false(resumes(open, client));
    assert_true(resumes(same, client));
    assert_false(resumes(closed, client));
    forget();
    SSL_CTX_free(client);
    tls_context_unref(open);
    tls_context_unref(same);
    tls_context_unref(closed);
}

static void keys_are_new_only_when_they_are_due(void **state)
{
    struct tls_context *context = secured_context(NULL);
    SSL_CTX *client = client_of(TLS1_3_VERSION);
    assert_false(resumes(context, client));
    for (int i = 0; i < 5; i++)
        tls_tickets_rotate(false);
    assert_true(resumes(context, client));
    forget();
    SSL_CTX_free(client);
    tls_context_unref(context);
}

static void rotate(void *closure)
{
    (void)closure;
    tls_tickets_rotate(true);
}

static void without_memory_the_keys_stay(void **state)
{
    struct tls_context *context = secured_context(NULL);
    SSL_CTX *client = client_of(TLS1_3_VERSION);
    assert_false(resumes(context, client));
    alloc_fail_nth(1, 1);
    for (int i = 0; i < 5; i++)
        tls_tickets_rotate(true);
    alloc_fail_nth(0, 0);
    assert_true(resumes(context, client));
    harness_fail_each_allocation(rotate, NULL);
    forget();
    SSL_CTX_free(client);
    tls_context_unref(context);
}

static const struct CMUnitTest tests[] = {
    clean_test(sessions_of_tls_1_3_are_resumed),
    clean_test(sessions_of_tls_1_2_are_resumed),
    clean_test(keys_of_before_are_accepted_and_then_forgotten),
    clean_test(a_session_is_of_what_it_was_made_with),
    clean_test(keys_are_new_only_when_they_are_due),
    clean_test(without_memory_the_keys_stay),
};

SECURED_MAIN(tests)
