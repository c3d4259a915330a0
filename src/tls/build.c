/* SPDX-License-Identifier: MIT */
/*
 * build.c - from settings and their files to OpenSSL's contexts.
 *
 * What is decided here and not by a setting: TLS 1.2 and 1.3; in TLS 1.2 only ciphers with forward
 * secrecy and authenticated encryption; the server's order of ciphers, but ChaCha20 for clients
 * that put it first (they have no AES in hardware); no renegotiation, no compression, no early
 * data; a server's sessions in tickets alone, nothing is kept of them; a client's in sessions.c.
 */
#include "base/alloc.h"
#include "tls/tls_impl.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#define CIPHERS_DEFAULT "ECDHE+AESGCM:ECDHE+CHACHA20"
#define CHAIN_MAX       16   /* certificates behind the first in a file */
#define CAS_MAX         1024 /* certificates in a file of those to trust */
#define VERIFY_DEPTH    9

struct build { /* of one SSL_CTX */
    const struct tls_context *context;
    const struct tls_settings *settings;
    SSL_CTX *ctx;
    struct tls_part *part; /* owned by ctx */
    struct tls_stamp *stamps;
    EVP_MD_CTX *identity; /* what a session depends on */
    X509 *leaf;           /* owned: of the certificate that is being read */
    char *reason;
};

int tls_fault(char reason[static TLS_REASON_SIZE], const char *name, const char *what)
{
    const unsigned long code = ERR_peek_last_error();
    const char *why = ERR_reason_error_string(code);
    snprintf(reason, TLS_REASON_SIZE, "%s: %s%s%s", name, what, why == NULL ? "" : ": ",
             why == NULL ? "" : why);
    ERR_clear_error();
    return -EINVAL;
}

/* ---- parts ----------------------------------------------------------------------- */

static int part_index; /* of an SSL_CTX's own data */

static void free_part(void *parent, void *data, CRYPTO_EX_DATA *all, int index, long number,
                      void *argument)
{
    struct tls_part *part = data;
    (void)parent, (void)all, (void)index, (void)number, (void)argument;
    if (part == NULL)
        return;
    for (SSL_CTX **other = part->others; other != NULL && *other != NULL; other++)
        SSL_CTX_free(*other);
    alloc_free(part->others);
    tls_names_free(part->names);
    OPENSSL_free(part->ocsp);
    alloc_free(part);
}

static void prepare(void)
{
    /* Loops may still run when the process exits, so nothing is taken from under them. */
    OPENSSL_init_ssl(OPENSSL_INIT_NO_ATEXIT, NULL);
    part_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, free_part);
}

struct tls_part *tls_part_of(const SSL_CTX *ctx)
{
    return SSL_CTX_get_ex_data(ctx, part_index);
}

/* ---- files ----------------------------------------------------------------------- */

/* A key with a pass phrase is no key for a server: nobody is there to be asked. */
static int no_pass_phrase(char *buffer, int size, int is_writing, void *closure)
{
    (void)buffer, (void)size, (void)is_writing, (void)closure;
    return -1;
}

/* The file of key, opened as a BIO.  0, -ENOENT: not set, or -errno. */
static int open_file(struct build *b, enum tls_key key, struct tls_file *file, BIO **out)
{
    const char *name = b->settings->texts[key];
    if (name == NULL)
        return -ENOENT;
    int err = tls_file_read(name, file, b->reason);
    if (err != 0)
        return err == -ENOENT ? -ENXIO : err;
    b->stamps[key] = file->stamp;
    *out = BIO_new_mem_buf(file->bytes, (int)file->len);
    if (*out != NULL)
        return 0;
    tls_file_free(file);
    return -ENOMEM;
}

/* True if the PEM reader stopped because there is no more to read. */
static bool is_at_end(void)
{
    const unsigned long code = ERR_peek_last_error();
    const bool is_end = code == 0 || (ERR_GET_LIB(code) == ERR_LIB_PEM &&
                                      ERR_GET_REASON(code) == PEM_R_NO_START_LINE);
    if (is_end)
        ERR_clear_error();
    return is_end;
}

static void identify(struct build *b, const void *bytes, size_t len)
{
    (void)EVP_DigestUpdate(b->identity, &len, sizeof(len));
    (void)EVP_DigestUpdate(b->identity, bytes, len);
}

/* ---- our certificate ------------------------------------------------------------- */

static int check_dates(struct build *b, const char *name)
{
    const ASN1_TIME *end = X509_get0_notAfter(b->leaf), *begin = X509_get0_notBefore(b->leaf);
    const bool is_over = X509_cmp_current_time(end) < 0;
    char text[64] = "?";
    if (!is_over && X509_cmp_current_time(begin) <= 0)
        return 0;
    BIO *out = BIO_new(BIO_s_mem());
    if (out != NULL) {
        ASN1_TIME_print(out, is_over ? end : begin);
        int len = BIO_read(out, text, sizeof(text) - 1);
        text[len > 0 ? len : 0] = '\0';
        BIO_free(out);
    }
    snprintf(b->reason, TLS_REASON_SIZE, "%s: the certificate %s %s", name,
             is_over ? "has expired on" : "is not valid before", text);
    return -EINVAL;
}

static int use_chain(struct build *b, BIO *bio, const char *name)
{
    X509 *next;
    int count = 0;
    while ((next = PEM_read_bio_X509(bio, NULL, no_pass_phrase, NULL)) != NULL) {
        if (++count > CHAIN_MAX || SSL_CTX_add0_chain_cert(b->ctx, next) != 1) {
            X509_free(next);
            return tls_fault(b->reason, name, "its chain cannot be used");
        }
    }
    return is_at_end() ? 0 : tls_fault(b->reason, name, "what follows the first certificate");
}

/* Each context has one certificate of each kind of key, and takes which the client understands. */
static int check_kind(struct build *b, const char *name)
{
    X509 *first = SSL_CTX_get0_certificate(b->ctx);
    if (first == NULL || EVP_PKEY_get_base_id(X509_get0_pubkey(first)) !=
                             EVP_PKEY_get_base_id(X509_get0_pubkey(b->leaf)))
        return 0;
    snprintf(b->reason, TLS_REASON_SIZE, "%s: its key is of the same kind as that of %s", name,
             b->settings->texts[TLS_CERTIFICATE]);
    return -EINVAL;
}

static int use_certificate(struct build *b, enum tls_key key)
{
    struct tls_file file;
    BIO *bio;
    int err = open_file(b, key, &file, &bio);
    if (err != 0)
        return err;
    b->leaf = PEM_read_bio_X509_AUX(bio, NULL, no_pass_phrase, NULL);
    if (b->leaf == NULL)
        err = tls_fault(b->reason, file.name, "it holds no certificate");
    else
        err = check_dates(b, file.name);
    if (err == 0)
        err = check_kind(b, file.name);
    if (err == 0 && SSL_CTX_use_certificate(b->ctx, b->leaf) != 1)
        err = tls_fault(b->reason, file.name, "the certificate cannot be used");
    if (err == 0)
        err = use_chain(b, bio, file.name);
    if (err == 0 && b->part->first == NULL) {
        b->part->first = b->leaf;
        err = tls_names_of(b->leaf, &b->part->names);
    }
    if (err == 0)
        identify(b, file.bytes, file.len);
    BIO_free(bio);
    tls_file_free(&file);
    return err;
}

static int check_key(struct build *b, EVP_PKEY *key, const char *name, const char *certificate)
{
    if (X509_check_private_key(b->leaf, key) != 1) {
        snprintf(b->reason, TLS_REASON_SIZE, "%s: it is not the key of %s", name,
                 tls_is_text(certificate) ? "the certificate" : certificate);
        ERR_clear_error();
        return -EINVAL;
    }
    return SSL_CTX_use_PrivateKey(b->ctx, key) == 1
               ? 0
               : tls_fault(b->reason, name, "the key cannot be used");
}

/* Without a file of its own the key is in that of the certificate. */
static int use_key(struct build *b, enum tls_key certificate)
{
    struct tls_file file;
    BIO *bio;
    const enum tls_key apart = certificate + 1;
    int err = open_file(b, b->settings->texts[apart] != NULL ? apart : certificate, &file, &bio);
    if (err != 0)
        return err;
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, no_pass_phrase, NULL);
    err = key == NULL ? tls_fault(b->reason, file.name, "it holds no key without a pass phrase")
                      : check_key(b, key, file.name, b->settings->texts[certificate]);
    EVP_PKEY_free(key);
    BIO_free(bio);
    tls_file_free(&file);
    return err;
}

static time_t time_of(const ASN1_GENERALIZEDTIME *when)
{
    struct tm tm;
    return when != NULL && ASN1_TIME_to_tm(when, &tm) == 1 ? timegm(&tm) : 0;
}

/* Until when a response may be told; 0: it does not say.  -EINVAL: it is none that counts. */
static int read_response(OCSP_RESPONSE *response, time_t *out)
{
    ASN1_GENERALIZEDTIME *revoked, *begin, *next = NULL;
    int why;
    OCSP_BASICRESP *basic = OCSP_response_status(response) == OCSP_RESPONSE_STATUS_SUCCESSFUL
                                ? OCSP_response_get1_basic(response)
                                : NULL;
    OCSP_SINGLERESP *single = basic == NULL ? NULL : OCSP_resp_get0(basic, 0);
    if (single != NULL)
        (void)OCSP_single_get0_status(single, &why, &revoked, &begin, &next);
    *out = time_of(next);
    OCSP_BASICRESP_free(basic);
    return single == NULL ? -EINVAL : 0;
}

static int use_ocsp(struct build *b)
{
    struct tls_file file;
    BIO *bio;
    int err = open_file(b, TLS_OCSP, &file, &bio);
    if (err != 0)
        return err == -ENOENT ? 0 : err;
    const unsigned char *at = (const unsigned char *)file.bytes;
    OCSP_RESPONSE *response = d2i_OCSP_RESPONSE(NULL, &at, (long)file.len);
    if (response == NULL || read_response(response, &b->part->ocsp_until) != 0)
        err = tls_fault(b->reason, file.name, "it is no good OCSP response in DER");
    OCSP_RESPONSE_free(response);
    if (err == 0) {
        b->part->ocsp = OPENSSL_memdup(file.bytes, file.len);
        b->part->ocsp_len = (int)file.len;
        err = b->part->ocsp == NULL ? -ENOMEM : 0;
    }
    BIO_free(bio);
    tls_file_free(&file);
    return err;
}

/* OpenSSL asks what to staple (RFC 6066, section 8). */
static int staple(SSL *ssl, void *argument)
{
    const struct tls_part *part = tls_part_of(SSL_get_SSL_CTX(ssl));
    (void)argument;
    if (part == NULL || part->ocsp == NULL || SSL_get_certificate(ssl) != part->first ||
        (part->ocsp_until != 0 && part->ocsp_until <= time(NULL)))
        return SSL_TLSEXT_ERR_NOACK;
    unsigned char *copy = OPENSSL_memdup(part->ocsp, (size_t)part->ocsp_len);
    if (copy == NULL)
        return SSL_TLSEXT_ERR_NOACK;
    SSL_set_tlsext_status_ocsp_resp(ssl, copy, part->ocsp_len); /* takes it */
    return SSL_TLSEXT_ERR_OK;
}

/* ---- whom to trust --------------------------------------------------------------- */

/* Call use(b, certificate) for each certificate of a file.  -ENOENT: the key is not set. */
static int each_certificate(struct build *b, enum tls_key key,
                            int (*use)(struct build *b, X509 *certificate))
{
    struct tls_file file;
    BIO *bio;
    X509 *next;
    int count = 0, err = open_file(b, key, &file, &bio);
    if (err != 0)
        return err;
    while (err == 0 && (next = PEM_read_bio_X509_AUX(bio, NULL, no_pass_phrase, NULL)) != NULL) {
        if (++count > CAS_MAX || use(b, next) != 1)
            err = tls_fault(b->reason, file.name, "not all of its certificates can be used");
        X509_free(next);
    }
    if (err == 0 && !is_at_end())
        err = tls_fault(b->reason, file.name, "it cannot be read as certificates");
    else if (err == 0 && count == 0)
        err = tls_fault(b->reason, file.name, "it holds no certificate");
    identify(b, file.bytes, file.len);
    BIO_free(bio);
    tls_file_free(&file);
    return err;
}

static int trust(struct build *b, X509 *certificate)
{
    if (b->settings->texts[TLS_CA_ACCEPT] == NULL && b->context->type == SSL_SERVER &&
        SSL_CTX_add_client_CA(b->ctx, certificate) != 1)
        return 0;
    return X509_STORE_add_cert(SSL_CTX_get_cert_store(b->ctx), certificate);
}

static int announce(struct build *b, X509 *certificate)
{
    return SSL_CTX_add_client_CA(b->ctx, certificate);
}

static int use_crl(struct build *b)
{
    struct tls_file file;
    BIO *bio;
    X509_CRL *crl;
    X509_STORE *store = SSL_CTX_get_cert_store(b->ctx);
    int count = 0, err = open_file(b, TLS_CRL, &file, &bio);
    if (err != 0)
        return err == -ENOENT ? 0 : err;
    while ((crl = PEM_read_bio_X509_CRL(bio, NULL, no_pass_phrase, NULL)) != NULL) {
        count += X509_STORE_add_crl(store, crl);
        X509_CRL_free(crl);
    }
    if (!is_at_end() || count == 0)
        err = tls_fault(b->reason, file.name, "it holds no list of revoked certificates");
    X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
    identify(b, file.bytes, file.len);
    BIO_free(bio);
    tls_file_free(&file);
    return err;
}

static int verify_mode(const struct build *b)
{
    enum tls_client_certificate how = b->settings->client_certificate;
    if (b->context->type == SSL_CLIENT)
        return SSL_VERIFY_PEER;
    if (how == TLS_CLIENT_DEFAULT && b->settings->optional_no_ca)
        how = TLS_CLIENT_OPTIONAL;
    else if (how == TLS_CLIENT_DEFAULT)
        how = b->settings->texts[TLS_CA_CHAIN] != NULL ? TLS_CLIENT_REQUIRED : TLS_CLIENT_NONE;
    return how == TLS_CLIENT_REQUIRED   ? SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT
           : how == TLS_CLIENT_OPTIONAL ? SSL_VERIFY_PEER
                                        : SSL_VERIFY_NONE;
}

static int use_trust(struct build *b)
{
    int err = each_certificate(b, TLS_CA_CHAIN, trust);
    if (err == -ENOENT && b->context->type == SSL_CLIENT && !b->settings->optional_no_ca)
        (void)SSL_CTX_set_default_verify_paths(b->ctx);
    if (err == 0 || err == -ENOENT)
        err = each_certificate(b, TLS_CA_ACCEPT, announce);
    if (err == 0 || err == -ENOENT)
        err = use_crl(b);
    b->part->optional_no_ca = b->settings->optional_no_ca;
    b->part->ignore_dates = b->settings->ignore_dates;
    const int mode = verify_mode(b);
    const char how[] = {(char)mode, b->part->optional_no_ca, b->part->ignore_dates};
    identify(b, how, sizeof(how));
    SSL_CTX_set_verify(b->ctx, mode, tls_verify);
    SSL_CTX_set_verify_depth(b->ctx, VERIFY_DEPTH);
    return err;
}

/* ---- all of it ------------------------------------------------------------------- */

static int use_alpn(struct build *b)
{
    unsigned char wire[TLS_ALPN_BYTES_MAX];
    char *list = b->settings->texts[TLS_ALPN]; /* lives as long as the context */
    if (b->context->type == SSL_SERVER) {
        SSL_CTX_set_alpn_select_cb(b->ctx, tls_alpn_choose, list);
        return 0;
    }
    int len = list == NULL ? 0 : tls_alpn_encode(list, wire);
    return len > 0 && SSL_CTX_set_alpn_protos(b->ctx, wire, (unsigned)len) != 0 ? -ENOMEM : 0;
}

static int use_protocols(struct build *b)
{
    static char groups[] = "X25519:P-256:P-384";
    const char *layer = b->settings->texts[TLS_LAYER], *ciphers = b->settings->texts[TLS_CIPHERS];
    SSL_CTX_set_min_proto_version(b->ctx, TLS1_2_VERSION);
    SSL_CTX_set_options(b->ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
                                    SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    SSL_CTX_clear_options(b->ctx, SSL_OP_LEGACY_SERVER_CONNECT);
    SSL_CTX_set_mode(b->ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                 SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(b->ctx, 1);
    SSL_CTX_set_session_cache_mode(b->ctx,
                                   b->context->type == SSL_SERVER
                                       ? SSL_SESS_CACHE_OFF
                                       : SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(b->ctx, tls_session_keep);
    SSL_CTX_set_num_tickets(b->ctx, 1);
    if (SSL_CTX_set1_groups_list(b->ctx, groups) != 1)
        return tls_fault(b->reason, "groups", "OpenSSL does not have them");
    if (SSL_CTX_set_cipher_list(b->ctx, ciphers == NULL ? CIPHERS_DEFAULT : ciphers) != 1)
        return tls_fault(b->reason, "ciphers", "none is known");
    return layer == NULL ? 0 : tls_layer_apply(b->ctx, layer, b->reason);
}

static int use_identity(struct build *b)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    if (EVP_DigestFinal_ex(b->identity, digest, &len) != 1 || len > SSL_MAX_SID_CTX_LENGTH ||
        SSL_CTX_set_session_id_context(b->ctx, digest, len) != 1)
        return -ENOMEM;
    return 0;
}

/* Our certificates and their keys. */
static int use_own(struct build *b)
{
    char *const *texts = b->settings->texts;
    const char *missing = texts[TLS_CERTIFICATE] == NULL && b->context->type == SSL_SERVER
                              ? "there is no certificate"
                          : texts[TLS_OTHER_KEY] != NULL && texts[TLS_OTHER_CERTIFICATE] == NULL
                              ? "there is a second key without a certificate"
                              : NULL;
    int err = 0;
    if (missing != NULL) {
        snprintf(b->reason, TLS_REASON_SIZE, "%s", missing);
        return -EINVAL;
    }
    for (enum tls_key key = TLS_CERTIFICATE; err == 0 && key <= TLS_OTHER_CERTIFICATE; key += 2) {
        if (texts[key] == NULL)
            continue;
        err = use_certificate(b, key);
        if (err == 0)
            err = use_key(b, key);
        X509_free(b->leaf);
        b->leaf = NULL;
    }
    return err;
}

static int fill(struct build *b)
{
    const bool is_server = b->context->type == SSL_SERVER;
    int err = use_protocols(b);
    if (err == 0)
        err = use_own(b);
    if (err == 0)
        err = use_trust(b);
    if (err == 0)
        err = use_alpn(b);
    if (err == 0 && is_server) {
        err = use_ocsp(b);
        SSL_CTX_set_tlsext_status_cb(b->ctx, staple);
    }
    if (err == 0 && is_server)
        err = tls_tickets_use(b->ctx);
    return err == 0 ? use_identity(b) : err;
}

static int build_one(const struct tls_context *context, const struct tls_settings *settings,
                     struct tls_stamp *stamps, SSL_CTX **out, char *reason)
{
    struct build b = {
        .context = context,
        .settings = settings,
        .stamps = stamps,
        .reason = reason,
        .ctx = SSL_CTX_new(context->type == SSL_SERVER ? TLS_server_method() : TLS_client_method()),
        .part = alloc_zeroed(1, sizeof(struct tls_part)),
        .identity = EVP_MD_CTX_new(),
    };
    int err = -ENOMEM;
    if (b.ctx != NULL && b.part != NULL && SSL_CTX_set_ex_data(b.ctx, part_index, b.part) == 1) {
        if (b.identity != NULL && EVP_DigestInit_ex(b.identity, EVP_sha256(), NULL) == 1)
            err = fill(&b);
    } else {
        alloc_free(b.part);
    }
    EVP_MD_CTX_free(b.identity);
    if (err == 0)
        *out = b.ctx;
    else
        SSL_CTX_free(b.ctx);
    ERR_clear_error();
    return err;
}

int tls_build(const struct tls_context *context, struct tls_loaded *out,
              char reason[static TLS_REASON_SIZE])
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    const size_t count = context->settings_count;
    struct tls_loaded loaded = {.stamps =
                                    alloc_zeroed(count * TLS_FILE_COUNT, sizeof(*loaded.stamps))};
    SSL_CTX **others = count > 1 ? alloc_zeroed(count, sizeof(SSL_CTX *)) : NULL;
    int err = loaded.stamps == NULL || (count > 1 && others == NULL) ? -ENOMEM : 0;
    pthread_once(&once, prepare);
    snprintf(reason, TLS_REASON_SIZE, "out of memory");
    for (size_t i = 0; i < count && err == 0; i++)
        err = build_one(context, &context->settings[i], loaded.stamps + i * TLS_FILE_COUNT,
                        i == 0 ? &loaded.ssl_ctx : &others[i - 1], reason);
    if (err == 0) {
        tls_part_of(loaded.ssl_ctx)->others = others;
        if (others != NULL)
            SSL_CTX_set_client_hello_cb(loaded.ssl_ctx, tls_choose_part, NULL);
        *out = loaded;
        return 0;
    }
    for (size_t i = 0; others != NULL && others[i] != NULL; i++)
        SSL_CTX_free(others[i]);
    alloc_free(others);
    SSL_CTX_free(loaded.ssl_ctx);
    alloc_free(loaded.stamps);
    return err;
}
