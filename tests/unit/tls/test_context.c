/* SPDX-License-Identifier: MIT */
/*
 * Goal: a context is what its files say; what is wrong with one is told by its name; settings that
 * are the same share a context; a reload swaps what new connections get, or leaves all as it was.
 * Method: files of an authority of our own, wrong in one way each; raw clients against servers.
 */
#include "secured.h"

#include "tls/tls_impl.h"

#include <openssl/ocsp.h>

/* ---- what is wrong --------------------------------------------------------------- */

/* Assert that a server with these keys is refused, and that the reason is "FOLDER/" and reason. */
static void assert_refused(struct tls_settings settings, const char *reason)
{
    struct tls_context *context = NULL;
    char said[TLS_REASON_SIZE] = "";
    int err = tls_context_get(SSL_SERVER, &settings, 1, &context, said);
    if (err == 0)
        tls_context_unref(context);
    assert_true(err < 0);
    const size_t folder_len = strlen(authority_folder);
    const char *text = said;
    if (strncmp(said, authority_folder, folder_len) == 0)
        text += folder_len + (said[folder_len] == '/');
    if (strncmp(text, reason, strlen(reason)) != 0)
        fail_msg("said \"%s\"", said);
}

#define PATH(name) authority_path(name)

static void what_is_wrong_is_told_by_the_name_of_the_file(void **state)
{
    authority_text("empty", "");
    authority_text("text", "no certificate\n");
    authority_text("half", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n");
    assert_refused(secured_settings(NULL), "there is no certificate");
    assert_refused(secured_settings("certificate", PATH("none.pem"), NULL),
                   "none.pem: it cannot be read: No such file");
    assert_refused(secured_settings("certificate", authority_folder, NULL),
                   ": it cannot be read: Is a directory");
    assert_refused(secured_settings("certificate", PATH("empty"), NULL),
                   "empty: it holds no certificate");
    assert_refused(secured_settings("certificate", PATH("text"), NULL),
                   "text: it holds no certificate");
    assert_refused(secured_settings("certificate", PATH("half"), NULL),
                   "half: it holds no certificate: ");
    assert_refused(secured_settings("certificate", PATH("server.pem"), NULL),
                   "server.pem: it holds no key");
    assert_refused(secured_settings("certificate", PATH("server.pem"), "key", PATH("none"), NULL),
                   "none: it cannot be read");
    assert_refused(
        secured_settings("certificate", PATH("server.pem"), "key", PATH("client.key"), NULL),
        "client.key: it is not the key of /tmp/test_tls");
    assert_refused(secured_settings("certificate", PATH("server.pem"), "key", PATH("server.key"),
                                    "ca_chain", PATH("empty"), NULL),
                   "empty: it holds no certificate");
    assert_refused(secured_settings("certificate", PATH("server.pem"), "key", PATH("server.key"),
                                    "ca_accept", PATH("half"), NULL),
                   "half: it cannot be read as certificates");
    assert_refused(secured_settings("certificate", PATH("server.pem"), "key", PATH("server.key"),
                                    "crl", PATH("ca.pem"), NULL),
                   "ca.pem: it holds no list of revoked");
    assert_refused(secured_settings("certificate", PATH("server.pem"), "key", PATH("server.key"),
                                    "ocsp_file", PATH("ca.pem"), NULL),
                   "ca.pem: it is no good OCSP response");
    assert_refused(secured_settings("certificate", PATH("server.pem"), "key", PATH("server.key"),
                                    "ciphers", "NOTHING", NULL),
                   "ciphers: none is known");
    assert_refused(secured_settings("certificate", PATH("server.pem"), "key", PATH("server.key"),
                                    "layer", "tlsv7", NULL),
                   "layer: \"tlsv7\" is no protocol");
}

static void certificates_out_of_their_time_are_refused(void **state)
{
    authority_issue("old", &(struct authority_wish){.common_name = "old",
                                                    .from_s = -2 * AUTHORITY_DAY,
                                                    .to_s = -AUTHORITY_DAY});
    authority_issue("young", &(struct authority_wish){.common_name = "young",
                                                      .from_s = AUTHORITY_DAY,
                                                      .to_s = 2 * AUTHORITY_DAY});
    assert_refused(secured_settings("certificate", PATH("old.pem"), "key", PATH("old.key"), NULL),
                   "old.pem: the certificate has expired on ");
    assert_refused(
        secured_settings("certificate", PATH("young.pem"), "key", PATH("young.key"), NULL),
        "young.pem: the certificate is not valid before ");
}

static void keys_with_a_pass_phrase_are_refused(void **state)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    FILE *file = fopen(PATH("locked.key"), "w");
    PEM_write_PrivateKey(file, key, EVP_aes_128_cbc(), (const unsigned char *)"secret", 6, NULL,
                         NULL);
    fclose(file);
    EVP_PKEY_free(key);
    assert_refused(
        secured_settings("certificate", PATH("server.pem"), "key", PATH("locked.key"), NULL),
        "locked.key: it holds no key without a pass phrase");
}

static void a_file_has_its_limit(void **state)
{
    char reason[TLS_REASON_SIZE];
    struct tls_file file;
    for (long over = -1; over <= 1; over++) {
        authority_text("large", "");
        assert_int_equal(truncate(PATH("large"), TLS_FILE_BYTES_MAX + over), 0);
        int err = tls_file_read(PATH("large"), &file, reason);
        assert_int_equal(err, over <= 0 ? 0 : -EFBIG);
        if (err == 0) {
            assert_int_equal(file.len, TLS_FILE_BYTES_MAX + over);
            tls_file_free(&file);
        }
    }
    unlink(PATH("large"));
    assert_int_equal(tls_file_read("/dev/null", &file, reason), -EINVAL);
    assert_int_equal(mkfifo(PATH("fifo"), 0600), 0); /* nobody writes: it is not waited for */
    assert_int_equal(tls_file_read(PATH("fifo"), &file, reason), -EINVAL);
}

static void certificates_of_a_context_have_their_limit(void **state)
{
    struct tls_context *context;
    char reason[TLS_REASON_SIZE];
    struct tls_settings *many = calloc(TLS_PARTS_MAX + 1, sizeof(*many));
    for (size_t count = TLS_PARTS_MAX; count <= TLS_PARTS_MAX + 1; count++) {
        for (size_t i = 0; i < count; i++)
            many[i] = secured_settings("certificate", PATH("server.pem"), "key", PATH("server.key"),
                                       NULL);
        int err = tls_context_get(SSL_SERVER, many, count, &context, reason);
        assert_int_equal(err, count <= TLS_PARTS_MAX ? 0 : -EINVAL);
        if (err == 0)
            tls_context_unref(context);
    }
    assert_int_equal(tls_context_get(SSL_SERVER, many, 0, &context, reason), -EINVAL);
    free(many);
}

/* ---- sharing --------------------------------------------------------------------- */

static void the_same_settings_share_a_context(void **state)
{
    struct tls_context *first = secured_context(NULL), *second = secured_context(NULL);
    struct tls_context *other = secured_context("alpn", "none", NULL);
    assert_ptr_equal(first, second);
    assert_ptr_not_equal(first, other);
    assert_int_equal(tls_context_handshake_ms(first), TLS_HANDSHAKE_MS_DEFAULT);
    tls_context_unref(first);
    tls_context_unref(second);
    tls_context_unref(other);
    tls_context_unref(NULL);
}

static void get_context(void *closure)
{
    static unsigned turn;
    struct tls_context *context = NULL;
    char reason[TLS_REASON_SIZE], ms[16];
    const char *why;
    struct tls_settings settings;
    (void)closure;
    memset(&settings, 0, sizeof(settings));
    snprintf(ms, sizeof(ms), "%u", ++turn); /* each time another one */
    int err = tls_settings_set(&settings, "certificate", PATH("server.pem"), &why);
    if (err == 0)
        err = tls_settings_set(&settings, "key", PATH("server.key"), &why);
    if (err == 0)
        err = tls_settings_set(&settings, "handshake_timeout", ms, &why);
    if (err == 0)
        err = tls_context_get(SSL_SERVER, &settings, 1, &context, reason);
    else
        tls_settings_free(&settings);
    assert_true(err == 0 || err == -ENOMEM);
    if (err == 0) {
        eventer_ssl_ctx_t *ctx = tls_connection_new(context);
        eventer_ssl_ctx_free(ctx);
        (void)tls_context_reload(context, reason);
    }
    tls_context_unref(context);
}

static void without_memory_there_is_none(void **state)
{
    harness_fail_each_allocation(get_context, NULL);
}

static void contexts_that_nobody_uses_are_forgotten(void **state)
{
    for (int i = 0; i < 600; i++) {
        char ms[16];
        snprintf(ms, sizeof(ms), "%d", 1000 + i);
        tls_context_unref(secured_context("handshake_timeout", ms, NULL));
    }
    size_t count = 0;
    for (struct tls_context *context = tls_context_after(NULL), *next; context != NULL;
         context = next, count++) {
        next = tls_context_after(context);
        tls_context_unref(context);
    }
    assert_in_range(count, 1, 256);
}

static void the_public_call_names_what_is_wrong(void **state)
{
    mtev_hash_table table = MTEV_HASH_EMPTY;
    mtev_hash_dict_store(&table, "certificate_file", PATH("server.pem"));
    mtev_hash_dict_store(&table, "key_file", PATH("server.key"));
    mtev_hash_dict_store(&table, "colour", "blue");
    eventer_ssl_ctx_t *ctx = eventer_ssl_ctx_new_ex(SSL_SERVER, &table);
    assert_non_null(ctx);
    assert_logged(1, "eventer_ssl_ctx_new: \"colour\" is no key; it is ignored\n");
    eventer_ssl_ctx_free(ctx);
    mtev_hash_dict_store(&table, "optional_no_ca", "maybe");
    assert_null(eventer_ssl_ctx_new_ex(SSL_SERVER, &table));
    assert_int_equal(errno, EINVAL);
    assert_int_equal(logged("optional_no_ca: not true, on, false or off\n"), 1);
    logged_clear();
    mtev_hash_destroy(&table, free, free);
    assert_null(eventer_ssl_ctx_new(SSL_SERVER, NULL, "/no/such.pem", NULL, NULL, NULL));
    assert_int_equal(errno, EINVAL);
    assert_logged(1, "/no/such.pem: it cannot be read: No such file or directory\n");
    assert_null(eventer_ssl_ctx_new_ex(SSL_SERVER, NULL));
    assert_logged(1, "there is no certificate\n");
    ctx = eventer_ssl_ctx_new_ex(SSL_CLIENT, NULL);
    assert_non_null(ctx);
    eventer_ssl_ctx_free(ctx);
    eventer_ssl_ctx_free(NULL);
}

/* ---- what clients see ------------------------------------------------------------ */

static void say_hello(struct secured *s, eventer_aco_t e)
{
    check_int(eventer_aco_write(e, "hello", 5, NULL), 5);
}

/* Whether a client gets in. */
static bool gets_in(struct tls_context *context, SSL_CTX *client)
{
    struct secured s = {.serve = say_hello};
    char bytes[8];
    secured_begin_with(&s, context, client);
    bool is_in = raw_handshake(&s.peer) && raw_read(&s.peer, bytes, sizeof(bytes)) == 5;
    secured_wait(&s);
    assert_int_equal(s.err == 0, is_in);
    return is_in;
}

/* The same for a client with these versions and ciphers, at the lowest level of security. */
static bool lets_in(struct tls_context *context, int min, int max, const char *ciphers)
{
    SSL_CTX *client = raw_context(true);
    SSL_CTX_set_security_level(client, 0);
    SSL_CTX_set_min_proto_version(client, min);
    SSL_CTX_set_max_proto_version(client, max);
    assert_true(ciphers == NULL || SSL_CTX_set_cipher_list(client, ciphers) == 1);
    bool is_in = gets_in(context, client);
    SSL_CTX_free(client);
    return is_in;
}

static void only_good_protocols_and_ciphers_are_spoken(void **state)
{
    struct tls_context *context = secured_context(NULL);
    assert_true(lets_in(context, TLS1_3_VERSION, TLS1_3_VERSION, NULL));
    assert_true(lets_in(context, TLS1_2_VERSION, TLS1_2_VERSION, NULL));
    assert_false(lets_in(context, TLS1_1_VERSION, TLS1_1_VERSION, "ALL"));
    assert_false(lets_in(context, TLS1_VERSION, TLS1_VERSION, "ALL"));
    const int v12 = TLS1_2_VERSION;
    assert_true(lets_in(context, v12, v12, "ECDHE-ECDSA-AES128-GCM-SHA256"));
    assert_true(lets_in(context, v12, v12, "ECDHE-ECDSA-CHACHA20-POLY1305"));
    assert_false(lets_in(context, v12, v12, "ECDHE-ECDSA-AES128-SHA256")); /* CBC */
    assert_false(lets_in(context, v12, v12, "AES128-GCM-SHA256"));         /* no secrecy later */
    assert_false(lets_in(context, v12, v12, "eNULL"));
    assert_false(lets_in(context, v12, v12, "aNULL"));
    tls_context_unref(context);
    context = secured_context("layer", "tlsv1:>=tlsv1.3", NULL);
    assert_false(lets_in(context, v12, v12, NULL));
    assert_true(lets_in(context, v12, TLS1_3_VERSION, NULL));
    tls_context_unref(context);
    context = secured_context("ciphers", "ECDHE-ECDSA-AES256-GCM-SHA384", NULL);
    assert_false(lets_in(context, v12, v12, "ECDHE-ECDSA-AES128-GCM-SHA256"));
    tls_context_unref(context);
}

/* Settings of a server with two certificates, of keys of these kinds. */
static struct tls_settings with_both(void)
{
    char certificates[512], keys[512];
    const struct authority_wish wish = {.common_name = "server", .names = "DNS:localhost"};
    static bool is_issued;
    if (!is_issued) /* it takes time, and a new one would be read by the watcher */
        authority_issue_with("rsa", &wish, EVP_RSA_gen(2048));
    is_issued = true;
    snprintf(certificates, sizeof(certificates), "%s,%s", PATH("rsa.pem"), PATH("server.pem"));
    snprintf(keys, sizeof(keys), "%s, %s", PATH("rsa.key"), PATH("server.key"));
    return secured_settings("certificate", certificates, "key", keys, NULL);
}

/* The kind of key that a client sees who knows these signatures; 0: he does not get in. */
static int kind_for(struct tls_context *context, int version, const char *signatures)
{
    struct secured s = {.serve = say_hello};
    SSL_CTX *client = raw_context(true);
    SSL_CTX_set_max_proto_version(client, version);
    assert_int_equal(SSL_CTX_set1_sigalgs_list(client, signatures), 1);
    SSL_CTX_set_verify(client, SSL_VERIFY_NONE, NULL); /* the authority's key is of one kind */
    secured_begin_with(&s, context, client);
    int kind = raw_handshake(&s.peer)
                   ? EVP_PKEY_get_base_id(X509_get0_pubkey(SSL_get0_peer_certificate(s.peer.ssl)))
                   : 0;
    secured_wait(&s);
    SSL_CTX_free(client);
    return kind;
}

static void each_client_gets_the_certificate_it_knows(void **state)
{
    struct tls_settings settings = with_both();
    struct tls_context *both = secured_get(SSL_SERVER, &settings, 1), *one = secured_context(NULL);
    static const char rsa[] = "rsa_pss_rsae_sha256:RSA+SHA256", ecdsa[] = "ECDSA+SHA256";
    char any[64];
    snprintf(any, sizeof(any), "%s:%s", rsa, ecdsa);
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        assert_int_equal(kind_for(both, version, rsa), EVP_PKEY_RSA);
        assert_int_equal(kind_for(both, version, ecdsa), EVP_PKEY_EC);
        assert_int_equal(kind_for(both, version, any), EVP_PKEY_EC); /* the cheaper one */
        assert_int_equal(kind_for(one, version, rsa), 0);
    }
    tls_context_unref(both);
    tls_context_unref(one);
}

static void what_is_wrong_with_the_second_is_told(void **state)
{
    char two[512], keys[512];
    struct tls_settings settings = with_both();
    tls_settings_free(&settings);
    snprintf(two, sizeof(two), "%s,%s", PATH("server.pem"), PATH("client.pem"));
    snprintf(keys, sizeof(keys), "%s,%s", PATH("server.key"), PATH("client.key"));
    assert_refused(secured_settings("certificate", two, "key", keys, NULL),
                   "client.pem: its key is of the same kind as that of /tmp/test_tls");
    assert_refused(secured_settings("certificate", PATH("server.pem"), "key", keys, NULL),
                   "there is a second key without a certificate");
    snprintf(two, sizeof(two), "%s,%s", PATH("server.pem"), PATH("rsa.pem"));
    assert_refused(secured_settings("certificate", two, "key", PATH("server.key"), NULL),
                   "rsa.pem: it holds no key");
    assert_refused(secured_settings("certificate", two, "key", keys, NULL),
                   "client.key: it is not the key of /tmp/test_tls");
}

static void read_to_the_end(struct secured *s, eventer_aco_t e)
{
    char bytes[8];
    while (eventer_aco_read(e, bytes, sizeof(bytes), NULL) > 0)
        ;
}

static void nobody_negotiates_again(void **state)
{
    SSL_CTX *client = raw_context(true);
    struct secured s = {.serve = read_to_the_end};
    char byte;
    SSL_CTX_set_max_proto_version(client, TLS1_2_VERSION);
    struct tls_context *context = secured_context(NULL);
    secured_begin_with(&s, context, client);
    assert_true(raw_handshake(&s.peer));
    SSL_renegotiate(s.peer.ssl);
    (void)SSL_do_handshake(s.peer.ssl);
    raw_flush(&s.peer);
    assert_true(raw_read(&s.peer, &byte, 1) <= 0); /* no_renegotiation, and the client gives up */
    shutdown(s.peer.fd, SHUT_RDWR);
    secured_wait(&s);
    SSL_CTX_free(client);
    tls_context_unref(context);
}

static SSL_CTX *client_with(const char *name)
{
    char file[64];
    SSL_CTX *client = raw_context(true);
    snprintf(file, sizeof(file), "%s.pem", name);
    assert_int_equal(SSL_CTX_use_certificate_file(client, PATH(file), SSL_FILETYPE_PEM), 1);
    snprintf(file, sizeof(file), "%s.key", name);
    assert_int_equal(SSL_CTX_use_PrivateKey_file(client, PATH(file), SSL_FILETYPE_PEM), 1);
    return client;
}

/* Give serial 2, the server's, as revoked. */
static void write_crl(void)
{
    X509_CRL *crl = X509_CRL_new();
    X509_REVOKED *revoked = X509_REVOKED_new();
    ASN1_TIME *now = X509_gmtime_adj(NULL, -10), *later = X509_gmtime_adj(NULL, AUTHORITY_DAY);
    ASN1_INTEGER *serial = ASN1_INTEGER_new();
    FILE *client_file = fopen(PATH("revoked.pem"), "r");
    X509 *client = PEM_read_X509(client_file, NULL, NULL, NULL);
    fclose(client_file);
    X509_REVOKED_set_serialNumber(revoked, X509_get_serialNumber(client));
    X509_REVOKED_set_revocationDate(revoked, now);
    X509_CRL_set_version(crl, 1);
    X509_CRL_set_issuer_name(crl, X509_get_subject_name(authority_certificate));
    X509_CRL_set1_lastUpdate(crl, now);
    X509_CRL_set1_nextUpdate(crl, later);
    X509_CRL_add0_revoked(crl, revoked);
    assert_true(X509_CRL_sign(crl, authority_key, EVP_sha256()) > 0);
    FILE *file = fopen(PATH("crl.pem"), "w");
    PEM_write_X509_CRL(file, crl);
    fclose(file);
    X509_CRL_free(crl);
    X509_free(client);
    ASN1_TIME_free(now);
    ASN1_TIME_free(later);
    ASN1_INTEGER_free(serial);
}

static void clients_show_a_certificate_where_they_must(void **state)
{
    authority_issue_alone("stranger");
    authority_issue("late", &(struct authority_wish){.common_name = "late",
                                                     .from_s = -2 * AUTHORITY_DAY,
                                                     .to_s = -AUTHORITY_DAY});
    authority_issue("revoked", &(struct authority_wish){.common_name = "revoked"});
    write_crl();
    char ca[128];
    snprintf(ca, sizeof(ca), "%s", PATH("ca.pem"));
    struct tls_context *contexts[] = {
        secured_context(NULL),
        secured_context("ca_chain", ca, NULL),
        secured_context("ca_file", ca, "client_certificate", "optional", NULL),
        secured_context("ca_chain", ca, "optional_no_ca", "true", NULL),
        secured_context("ca_chain", ca, "ignore_dates", "true", NULL),
        secured_context("ca_chain", ca, "crl", PATH("crl.pem"), NULL),
        secured_context("ca_chain", ca, "client_certificate", "none", NULL),
        secured_context("ca_chain", ca, "ca_accept", PATH("server.pem"), NULL),
    };
    static const struct {
        const char *name; /* NULL: none */
        const char *in;   /* '+' for each context that lets it in */
    } clients[] = {
        {NULL, "+-++--+-"},   {"client", "++++++++"},  {"stranger", "+--+--+-"},
        {"late", "+---+-+-"}, {"revoked", "+++++-++"},
    };
    for (size_t i = 0; i < sizeof(clients) / sizeof(clients[0]); i++) {
        SSL_CTX *client =
            clients[i].name == NULL ? raw_context(true) : client_with(clients[i].name);
        for (size_t j = 0; j < sizeof(contexts) / sizeof(contexts[0]); j++)
            if (gets_in(contexts[j], client) != (clients[i].in[j] == '+'))
                fail_msg("client %zu, context %zu", i, j);
        SSL_CTX_free(client);
    }
    for (size_t j = 0; j < sizeof(contexts) / sizeof(contexts[0]); j++)
        tls_context_unref(contexts[j]);
}

/* ---- files ----------------------------------------------------------------------- */

static char *text_of(const char *name)
{
    struct tls_file file;
    char reason[TLS_REASON_SIZE];
    assert_int_equal(tls_file_read(PATH(name), &file, reason), 0);
    return file.bytes;
}

static void certificates_may_stand_in_the_configuration_itself(void **state)
{
    char *certificate = text_of("server.pem"), *key = text_of("server.key");
    struct tls_settings settings = secured_settings("certificate", certificate, "key", key, NULL);
    struct tls_context *context = secured_get(SSL_SERVER, &settings, 1);
    assert_true(gets_in(context, secured_client));
    assert_false(tls_context_is_stale(context));
    tls_context_unref(context);
    char both[8192]; /* and one file may have both, or a chain */
    snprintf(both, sizeof(both), "%s%s", key, certificate);
    authority_text("both.pem", both);
    settings = secured_settings("certificate", PATH("both.pem"), NULL);
    context = secured_get(SSL_SERVER, &settings, 1);
    assert_true(gets_in(context, secured_client));
    tls_context_unref(context);
    char *ca = text_of("ca.pem");
    snprintf(both, sizeof(both), "%s%s", certificate, ca);
    authority_text("chain.pem", both);
    settings = secured_settings("certificate", PATH("chain.pem"), "key", PATH("server.key"), NULL);
    context = secured_get(SSL_SERVER, &settings, 1);
    struct secured s = {.serve = say_hello};
    secured_begin_with(&s, context, secured_client);
    assert_true(raw_handshake(&s.peer));
    assert_int_equal(sk_X509_num(SSL_get_peer_cert_chain(s.peer.ssl)), 2);
    secured_wait(&s);
    tls_context_unref(context);
    alloc_free(certificate);
    alloc_free(key);
    alloc_free(ca);
}

/* The serial number of the certificate that a client sees. */
static long serial_of(struct tls_context *context)
{
    struct secured s = {.serve = say_hello};
    secured_begin_with(&s, context, secured_client);
    assert_true(raw_handshake(&s.peer));
    X509 *certificate = SSL_get0_peer_certificate(s.peer.ssl);
    long serial = ASN1_INTEGER_get(X509_get0_serialNumber(certificate));
    secured_wait(&s);
    return serial;
}

static void wait_for_the_reload(struct secured *s, eventer_aco_t e)
{
    char byte;
    check_int(eventer_aco_read(e, &byte, 1, NULL), 1);
    check_int(eventer_aco_write(e, &byte, 1, NULL), 1);
}

static void a_reload_is_for_new_connections(void **state)
{
    char reason[TLS_REASON_SIZE], byte;
    const struct authority_wish wish = {.common_name = "again", .names = "DNS:localhost"};
    authority_issue("again", &wish);
    struct tls_settings settings =
        secured_settings("certificate", PATH("again.pem"), "key", PATH("again.key"), NULL);
    struct tls_context *context = secured_get(SSL_SERVER, &settings, 1);
    long before = serial_of(context);
    struct secured s = {.serve = wait_for_the_reload};
    secured_begin_with(&s, context, secured_client);
    assert_true(raw_handshake(&s.peer));
    authority_issue("again", &wish);
    assert_int_equal(tls_context_reload(context, reason), 0);
    assert_int_not_equal(serial_of(context), before);
    assert_true(raw_write(&s.peer, "x", 1)); /* the one that was there goes on */
    assert_int_equal(raw_read(&s.peer, &byte, 1), 1);
    secured_wait(&s);
    before = serial_of(context);
    authority_text("again.key", "no key\n");
    assert_true(tls_context_reload(context, reason) < 0);
    assert_non_null(strstr(reason, "again.key: it holds no key"));
    assert_int_equal(serial_of(context), before);
    unlink(PATH("again.pem"));
    assert_true(tls_context_reload(context, reason) < 0);
    assert_non_null(strstr(reason, "again.pem: it cannot be read"));
    assert_int_equal(serial_of(context), before);
    tls_context_unref(context);
}

static void a_change_counts_once_it_stays(void **state)
{
    char reason[TLS_REASON_SIZE];
    const struct authority_wish wish = {.common_name = "changing"};
    authority_issue("changing", &wish);
    struct tls_settings settings =
        secured_settings("certificate", PATH("changing.pem"), "key", PATH("changing.key"), NULL);
    struct tls_context *context = secured_get(SSL_SERVER, &settings, 1);
    assert_false(tls_context_is_stale(context));
    authority_issue("changing", &wish);
    assert_false(tls_context_is_stale(context)); /* seen, and maybe not all of it */
    assert_true(tls_context_is_stale(context));
    assert_int_equal(tls_context_reload(context, reason), 0);
    assert_false(tls_context_is_stale(context));
    unlink(PATH("changing.key"));
    assert_false(tls_context_is_stale(context));
    assert_true(tls_context_is_stale(context));
    assert_true(tls_context_reload(context, reason) < 0);
    assert_false(tls_context_is_stale(context)); /* told once */
    assert_false(tls_context_is_stale(context));
    tls_context_unref(context);
}

/* ---- stapling -------------------------------------------------------------------- */

/* Write a response that is good until to_s seconds from now. */
static void write_ocsp(long to_s)
{
    OCSP_BASICRESP *basic = OCSP_BASICRESP_new();
    OCSP_CERTID *id = OCSP_cert_to_id(EVP_sha1(), authority_certificate, authority_certificate);
    ASN1_TIME *from = X509_gmtime_adj(NULL, -1000), *to = X509_gmtime_adj(NULL, to_s);
    assert_non_null(OCSP_basic_add1_status(basic, id, V_OCSP_CERTSTATUS_GOOD, 0, NULL, from, to));
    assert_int_equal(
        OCSP_basic_sign(basic, authority_certificate, authority_key, EVP_sha256(), NULL, 0), 1);
    OCSP_RESPONSE *response = OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic);
    unsigned char *bytes = NULL;
    const int len = i2d_OCSP_RESPONSE(response, &bytes);
    FILE *file = fopen(PATH("ocsp.der"), "w");
    assert_int_equal(fwrite(bytes, 1, (size_t)len, file), len);
    fclose(file);
    OPENSSL_free(bytes);
    OCSP_RESPONSE_free(response);
    OCSP_BASICRESP_free(basic);
    OCSP_CERTID_free(id);
    ASN1_TIME_free(from);
    ASN1_TIME_free(to);
}

#define ANY "RSA+SHA256:rsa_pss_rsae_sha256:ECDSA+SHA256"

static long stapled(struct tls_context *context, const char *signatures)
{
    struct secured s = {.serve = say_hello};
    const unsigned char *bytes;
    secured_begin_with(&s, context, secured_client);
    SSL_set_tlsext_status_type(s.peer.ssl, TLSEXT_STATUSTYPE_ocsp);
    assert_int_equal(SSL_set1_sigalgs_list(s.peer.ssl, signatures), 1);
    SSL_set_verify(s.peer.ssl, SSL_VERIFY_NONE, NULL);
    assert_true(raw_handshake(&s.peer));
    long len = SSL_get_tlsext_status_ocsp_resp(s.peer.ssl, &bytes);
    secured_wait(&s);
    return len;
}

static void a_response_is_stapled_while_it_is_good(void **state)
{
    char reason[TLS_REASON_SIZE];
    struct tls_context *context = secured_context(NULL);
    assert_int_equal(stapled(context, ANY), -1);
    tls_context_unref(context);
    write_ocsp(1000);
    context = secured_context("ocsp_file", PATH("ocsp.der"), NULL);
    assert_true(stapled(context, ANY) > 100);
    write_ocsp(-10);
    assert_int_equal(tls_context_reload(context, reason), 0);
    assert_int_equal(stapled(context, ANY), -1);
    tls_context_unref(context);
}

static void a_response_is_for_the_first_of_two(void **state)
{
    struct tls_settings settings = with_both();
    const char *why;
    write_ocsp(1000);
    assert_int_equal(tls_settings_set(&settings, "ocsp_file", PATH("ocsp.der"), &why), 0);
    struct tls_context *context = secured_get(SSL_SERVER, &settings, 1);
    assert_true(stapled(context, "RSA+SHA256:rsa_pss_rsae_sha256") > 100);
    assert_int_equal(stapled(context, "ECDSA+SHA256"), -1);
    tls_context_unref(context);
}

static const struct CMUnitTest tests[] = {
    clean_test(what_is_wrong_is_told_by_the_name_of_the_file),
    clean_test(certificates_out_of_their_time_are_refused),
    clean_test(keys_with_a_pass_phrase_are_refused),
    clean_test(a_file_has_its_limit),
    clean_test(certificates_of_a_context_have_their_limit),
    clean_test(the_same_settings_share_a_context),
    clean_test(without_memory_there_is_none),
    clean_test(contexts_that_nobody_uses_are_forgotten),
    clean_test(the_public_call_names_what_is_wrong),
    clean_test(only_good_protocols_and_ciphers_are_spoken),
    clean_test(each_client_gets_the_certificate_it_knows),
    clean_test(what_is_wrong_with_the_second_is_told),
    clean_test(nobody_negotiates_again),
    clean_test(clients_show_a_certificate_where_they_must),
    clean_test(certificates_may_stand_in_the_configuration_itself),
    clean_test(a_reload_is_for_new_connections),
    clean_test(a_change_counts_once_it_stays),
    clean_test(a_response_is_stapled_while_it_is_good),
    clean_test(a_response_is_for_the_first_of_two),
};

SECURED_MAIN(tests)
