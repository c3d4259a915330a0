/* SPDX-License-Identifier: MIT */
/*
 * Goal: a client gets the certificate that is for the name it asks for, an exact one before a
 * wildcard's and the first for all other names; and what belongs to another certificate with it.
 * Method: servers with several certificates in a loop, and raw clients.
 */
#include "secured.h"

#include "tls/tls_impl.h"

static void stars_are_one_label(void **state)
{
    static const struct {
        const char *pattern, *name;
        bool fits;
    } cases[] = {
        {"a.example", "a.example", true},
        {"a.example", "b.example", false},
        {"a.example", "aa.example", false},
        {"a.example", "a.exampl", false},
        {"*.example", "a.example", true},
        {"*.example", "a.b.example", false},
        {"*.example", ".example", false},
        {"*.example", "example", false},
        {"*.example", "a.examples", false},
        {"*.example", "*.example", true},
        {"*", "a", false},
        {"a.*.example", "a.b.example", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(tls_name_fits(cases[i].pattern, cases[i].name, strlen(cases[i].name)),
                         cases[i].fits);
}

static void a_certificate_is_for_its_dns_names_or_else_its_subject(void **state)
{
    char **names;
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = authority_sign(
        &(struct authority_wish){.common_name = "Upper",
                                 .names = "DNS:A.Example,IP:127.0.0.1,DNS:*.b.example"},
        key, 0);
    assert_int_equal(tls_names_of(certificate, &names), 0);
    assert_string_equal(names[0], "a.example");
    assert_string_equal(names[1], "*.b.example");
    assert_null(names[2]);
    tls_names_free(names);
    X509_free(certificate);
    certificate = authority_sign(&(struct authority_wish){.common_name = "Upper"}, key, 0);
    assert_int_equal(tls_names_of(certificate, &names), 0);
    assert_string_equal(names[0], "upper");
    assert_null(names[1]);
    tls_names_free(names);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

static struct tls_settings files_of(const char *name)
{
    char certificate[64], key[64];
    snprintf(certificate, sizeof(certificate), "%s.pem", name);
    snprintf(key, sizeof(key), "%s.key", name);
    return secured_settings("certificate", authority_path(certificate), "key", authority_path(key),
                            NULL);
}

static void tell_sni(struct secured *s, eventer_aco_t e)
{
    const char *name = eventer_ssl_get_sni_name(eventer_get_eventer_ssl_ctx((eventer_t)e));
    char own[64];
    eventer_ssl_get_local_commonname(eventer_get_eventer_ssl_ctx((eventer_t)e), own, sizeof(own));
    eventer_aco_write(e, own, strlen(own), NULL);
    check(s->more == NULL ? name == NULL : name != NULL && strcmp(name, s->more) == 0);
}

/* Ask for name (NULL: for none); out gets the subject of the certificate that came. */
static bool ask(struct tls_context *context, SSL_CTX *client, const char *name, char *out,
                size_t size)
{
    struct secured s = {.serve = tell_sni, .more = (void *)(uintptr_t)name};
    char told[64] = "", asked[64];
    snprintf(asked, sizeof(asked), "%s", name == NULL ? "" : name);
    secured_begin_with(&s, context, client);
    if (name != NULL)
        SSL_set_tlsext_host_name(s.peer.ssl, asked);
    bool done = raw_handshake(&s.peer);
    int len = done ? raw_read(&s.peer, told, sizeof(told) - 1) : -1;
    out[0] = '\0';
    if (len > 0) {
        X509_NAME_get_text_by_NID(X509_get_subject_name(SSL_get0_peer_certificate(s.peer.ssl)),
                                  NID_commonName, out, (int)size);
        assert_string_equal(out, told);
    }
    secured_wait(&s);
    return len > 0;
}

static struct tls_context *several(void)
{
    struct tls_settings settings[3] = {files_of("server"), files_of("exact"), files_of("wild")};
    return secured_get(SSL_SERVER, settings, 3);
}

static void the_name_chooses_the_certificate(void **state)
{
    static const char *const cases[][2] = {
        {"a.example", "exact"},    {"A.EXAMPLE", "exact"},   {"b.example", "wild"},
        {"c.b.example", "server"}, {"localhost", "server"},  {"example", "server"},
        {"other.name", "server"},  {"b.exact.org", "exact"},
    };
    struct tls_context *context = several();
    char got[64];
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_true(ask(context, secured_client, cases[i][0], got, sizeof(got)));
        assert_string_equal(got, cases[i][1]);
    }
    assert_true(ask(context, secured_client, NULL, got, sizeof(got)));
    assert_string_equal(got, "server");
    tls_context_unref(context);
}

static void the_same_with_tls_1_2(void **state)
{
    struct tls_context *context = several();
    SSL_CTX *client = raw_context(true);
    char got[64];
    SSL_CTX_set_max_proto_version(client, TLS1_2_VERSION);
    assert_true(ask(context, client, "a.example", got, sizeof(got)));
    assert_string_equal(got, "exact");
    SSL_CTX_free(client);
    tls_context_unref(context);
}

/* One name wants to see the client's certificate, and the others do not. */
static void whom_to_trust_goes_with_the_name(void **state)
{
    char got[64];
    const char *why;
    struct tls_settings settings[2] = {files_of("server"), files_of("exact")};
    assert_int_equal(tls_settings_set(&settings[1], "ca_chain", authority_path("ca.pem"), &why), 0);
    struct tls_context *context = secured_get(SSL_SERVER, settings, 2);
    assert_true(ask(context, secured_client, "localhost", got, sizeof(got)));
    assert_false(ask(context, secured_client, "a.example", got, sizeof(got)));
    SSL_CTX *client = raw_context(true);
    SSL_CTX_use_certificate_file(client, authority_path("client.pem"), SSL_FILETYPE_PEM);
    SSL_CTX_use_PrivateKey_file(client, authority_path("client.key"), SSL_FILETYPE_PEM);
    assert_true(ask(context, client, "a.example", got, sizeof(got)));
    SSL_CTX_free(client);
    tls_context_unref(context);
}

static const struct CMUnitTest tests[] = {
    clean_test(stars_are_one_label),
    clean_test(a_certificate_is_for_its_dns_names_or_else_its_subject),
    clean_test(the_name_chooses_the_certificate),
    clean_test(the_same_with_tls_1_2),
    clean_test(whom_to_trust_goes_with_the_name),
};

int main(void)
{
    secured_begin(1);
    authority_issue("exact", &(struct authority_wish){.common_name = "exact",
                                                      .names = "DNS:a.example,DNS:b.exact.org"});
    authority_issue("wild",
                    &(struct authority_wish){.common_name = "wild", .names = "DNS:*.example"});
    harness_keep_fds();
    int status = harness_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]));
    secured_end();
    return status;
}
