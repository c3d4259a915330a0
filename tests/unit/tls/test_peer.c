/* SPDX-License-Identifier: MIT */
/*
 * Goal: a coroutine can read whom the peer showed itself to be, and what was agreed on.
 * Method: raw clients with certificates that have something in each field, and with none.
 */
#include "secured.h"

#include "tls/tls_impl.h"

static eventer_ssl_ctx_t *of(eventer_aco_t e)
{
    return eventer_get_eventer_ssl_ctx((eventer_t)e);
}

static bool is(const char *text, const char *wanted)
{
    return text != NULL && strcmp(text, wanted) == 0;
}

static void look_at_full(struct secured *s, eventer_aco_t e)
{
    char name[32], small[4];
    X509 *certificate = eventer_ssl_get_peer_certificate(of(e));
    check(is(eventer_ssl_get_peer_subject(of(e)), "CN=full,O=Test"));
    check(is(eventer_ssl_get_peer_subject(of(e)), "CN=full,O=Test"));
    check(is(eventer_ssl_get_peer_issuer(of(e)), "CN=authority,O=Test"));
    check(is(eventer_ssl_get_peer_san_list(of(e)),
             "DNS:a.example, IP:192.0.2.1, email:me@example.org, URI:urn:x, IP:2001:db8::1"));
    check(is(eventer_ssl_get_peer_san_list(of(e)),
             "DNS:a.example, IP:192.0.2.1, email:me@example.org, URI:urn:x, IP:2001:db8::1"));
    check(eventer_ssl_get_peer_error(of(e)) == NULL);
    check(eventer_ssl_get_last_error(of(e)) == NULL);
    check_int(eventer_ssl_get_peer_end_time(of(e)) - eventer_ssl_get_peer_start_time(of(e)),
              366 * AUTHORITY_DAY);
    check(eventer_ssl_get_peer_start_time(of(e)) < time(NULL));
    check_int(eventer_ssl_get_peer_commonname(of(e), name, sizeof(name)), 4);
    check(is(name, "full"));
    check_int(eventer_ssl_get_peer_commonname(of(e), small, sizeof(small)), 3);
    check(is(small, "ful"));
    check_int(eventer_ssl_get_local_commonname(of(e), name, sizeof(name)), 6);
    check(is(name, "server"));
    check_int(eventer_ssl_get_local_commonname(of(e), name, 0), -1);
    check(certificate != NULL);
    X509_free(certificate);
    check_int(eventer_aco_write(e, "ok", 2, NULL), 2);
}

static void look_at_none(struct secured *s, eventer_aco_t e)
{
    char name[32];
    check(eventer_ssl_get_peer_subject(of(e)) == NULL);
    check(eventer_ssl_get_peer_issuer(of(e)) == NULL);
    check(eventer_ssl_get_peer_san_list(of(e)) == NULL);
    check(eventer_ssl_get_peer_error(of(e)) == NULL);
    check(eventer_ssl_get_peer_certificate(of(e)) == NULL);
    check_int(eventer_ssl_get_peer_start_time(of(e)), 0);
    check_int(eventer_ssl_get_peer_end_time(of(e)), 0);
    check_int(eventer_ssl_get_peer_commonname(of(e), name, sizeof(name)), -1);
    check(eventer_ssl_get_sni_name(of(e)) == NULL);
    check(is(eventer_ssl_get_method(of(e)), "TLSv1.3"));
    check(is(eventer_ssl_get_current_cipher(of(e)), "TLS_AES_256_GCM_SHA384"));
    check(eventer_ssl_get_cipher_list(of(e), 0) != NULL);
    check(eventer_ssl_get_cipher_list(of(e), 1000) == NULL);
    check(!eventer_ssl_is_resumed(of(e)));
    check_int(eventer_aco_write(e, "ok", 2, NULL), 2);
}

static void look_at_odd(struct secured *s, eventer_aco_t e)
{
    char name[32];
    check(is(eventer_ssl_get_peer_subject(of(e)), "CN=a\\00b,O=Test"));
    check_int(eventer_ssl_get_peer_commonname(of(e), name, sizeof(name)), -1); /* not just "a" */
    check(is(eventer_ssl_get_peer_error(of(e)), "certificate has expired"));
    check(eventer_ssl_get_peer_san_list(of(e)) == NULL);
    check_int(eventer_aco_write(e, "ok", 2, NULL), 2);
}

static SSL_CTX *client_with(X509 *certificate, EVP_PKEY *key)
{
    SSL_CTX *client = raw_context(true);
    assert_int_equal(SSL_CTX_use_certificate(client, certificate), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(client, key), 1);
    return client;
}

static void be_looked_at(struct tls_context *context, SSL_CTX *client,
                         void (*look)(struct secured *s, eventer_aco_t e))
{
    struct secured s = {.serve = look};
    char bytes[8];
    secured_begin_with(&s, context, client);
    assert_true(raw_handshake(&s.peer));
    assert_int_equal(raw_read(&s.peer, bytes, sizeof(bytes)), 2);
    secured_wait(&s);
}

static void a_peer_is_known_by_its_certificate(void **state)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = authority_sign(
        &(struct authority_wish){.common_name = "full",
                                 .names = "DNS:a.example,IP:192.0.2.1,email:me@example.org,"
                                          "URI:urn:x,IP:2001:db8::1,RID:1.2.3"},
        key, 0);
    SSL_CTX *client = client_with(certificate, key);
    struct tls_context *context = secured_context("ca_chain", authority_path("ca.pem"), NULL);
    be_looked_at(context, client, look_at_full);
    tls_context_unref(context);
    SSL_CTX_free(client);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

static void a_peer_may_show_nothing(void **state)
{
    struct tls_context *context = secured_context(NULL);
    be_looked_at(context, secured_client, look_at_none);
    tls_context_unref(context);
}

/* A name with a NUL in it is not the part before that. */
static void odd_names_are_told_whole_or_not_at_all(void **state)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = authority_sign(
        &(struct authority_wish){.common_name = "x", .from_s = -100, .to_s = -10}, key, 0);
    X509_NAME *subject = X509_get_subject_name(certificate);
    X509_NAME_ENTRY_free(X509_NAME_delete_entry(subject, 1));
    X509_NAME_add_entry_by_NID(subject, NID_commonName, MBSTRING_UTF8,
                               (const unsigned char *)"a\0b", 3, -1, 0);
    X509_sign(certificate, authority_key, EVP_sha256());
    SSL_CTX *client = client_with(certificate, key);
    struct tls_context *context =
        secured_context("ca_chain", authority_path("ca.pem"), "ignore_dates", "on", NULL);
    be_looked_at(context, client, look_at_odd);
    tls_context_unref(context);
    SSL_CTX_free(client);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

static const struct CMUnitTest tests[] = {
    clean_test(a_peer_is_known_by_its_certificate),
    clean_test(a_peer_may_show_nothing),
    clean_test(odd_names_are_told_whole_or_not_at_all),
};

SECURED_MAIN(tests)
