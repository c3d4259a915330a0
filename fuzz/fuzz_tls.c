/* SPDX-License-Identifier: MIT */
/*
 * Goal: no settings and no hello of a client makes what TLS reads by itself (keys and their values,
 * layers, names of hosts, lists of protocols) read outside of them, or choose what is not there.
 * Method: the first byte says what an input is: 'S' a key, a newline and its value; 'N' a pattern
 * and a name in the same way; 'H' a hello's names, a newline and its protocols, put into a hello
 * that is right otherwise; 'R' all that a client sends.  The server has two certificates.
 */
#include "fuzz.h"

#include "tls/tls_impl.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#define HELLO_PART_MAX 1024

/* Return the bytes with a NUL behind them; free() it. */
static char *copy_text(const void *data, size_t len)
{
    char *text = malloc(len + 1);
    REQUIRE(text != NULL);
    if (len > 0)
        memcpy(text, data, len);
    text[len] = '\0';
    return text;
}

/* A certificate for name, and behind it its key, as a text; the caller frees it. */
static char *make_certificate(const char *name)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    BIO *out = BIO_new(BIO_s_mem());
    char *bytes;
    REQUIRE(key != NULL && certificate != NULL && out != NULL);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -86400);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 86400L * 365);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                               (const unsigned char *)name, -1, -1, 0);
    X509_set_pubkey(certificate, key);
    REQUIRE(X509_sign(certificate, key, EVP_sha256()) > 0);
    REQUIRE(PEM_write_bio_X509(out, certificate) == 1 &&
            PEM_write_bio_PrivateKey(out, key, NULL, NULL, 0, NULL, NULL) == 1);
    const size_t len = (size_t)BIO_get_mem_data(out, &bytes);
    char *text = copy_text(bytes, len);
    BIO_free(out);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return text;
}

/* The server, made once. */
static SSL_CTX *server(void)
{
    static struct tls_context *context;
    static const char *const names[2] = {"a.example", "*.b.example"};
    struct tls_settings settings[2];
    char reason[TLS_REASON_SIZE];
    const char *why;
    memset(settings, 0, sizeof(settings));
    for (size_t i = 0; context == NULL && i < 2; i++) {
        char *text = make_certificate(names[i]);
        REQUIRE(tls_settings_set(&settings[i], "certificate", text, &why) == 0);
        free(text);
    }
    if (context == NULL)
        REQUIRE(tls_context_get(SSL_SERVER, settings, 2, &context, reason) == 0);
    return tls_context_current(context);
}

static void greet_server(const uint8_t *data, size_t len)
{
    SSL_CTX *ctx = server();
    SSL *ssl = SSL_new(ctx);
    BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
    REQUIRE(ssl != NULL && in != NULL && out != NULL);
    SSL_set_bio(ssl, in, out);
    SSL_set_accept_state(ssl);
    if (len > 0)
        REQUIRE(BIO_write(in, data, (int)len) == (int)len);
    REQUIRE(SSL_do_handshake(ssl) != 1);
    const SSL_CTX *chosen = SSL_get_SSL_CTX(ssl);
    REQUIRE(chosen == ctx || chosen == tls_part_of(ctx)->others[0]);
    SSL_free(ssl);
    SSL_CTX_free(ctx);
    ERR_clear_error();
}

static uint8_t *put_number(uint8_t *at, size_t number)
{
    *at++ = (uint8_t)(number >> 8);
    *at++ = (uint8_t)number;
    return at;
}

static uint8_t *put_extension(uint8_t *at, unsigned type, const void *bytes, size_t len)
{
    at = put_number(put_number(at, type), len);
    if (len > 0)
        memcpy(at, bytes, len);
    return at + len;
}

/* A hello of TLS 1.2 with these extensions. */
static void say_hello(const char *names, size_t names_len, const char *protocols, size_t len)
{
    static const uint8_t groups[] = {0, 2, 0, 23}, signatures[] = {0, 2, 4, 3}, points[] = {1, 0};
    uint8_t bytes[2 * HELLO_PART_MAX + 256], *at = bytes, *body = bytes + 9, *extensions;
    names_len = names_len > HELLO_PART_MAX ? HELLO_PART_MAX : names_len;
    len = len > HELLO_PART_MAX ? HELLO_PART_MAX : len;
    memset(bytes, 0, sizeof(bytes));
    at = put_number(body, 0x0303) + 32 + 1; /* random bytes, and no session */
    at = put_number(put_number(at, 2), 0xc02b);
    at = put_number(at, 0x0100); /* no compression */
    extensions = at;
    at = put_extension(at + 2, 0, names, names_len);
    at = put_extension(at, 16, protocols, len);
    at = put_extension(at, 10, groups, sizeof(groups));
    at = put_extension(at, 13, signatures, sizeof(signatures));
    at = put_extension(at, 11, points, sizeof(points));
    put_number(extensions, (size_t)(at - extensions - 2));
    bytes[0] = 22;
    put_number(bytes + 1, 0x0301);
    put_number(bytes + 3, (size_t)(at - bytes - 5));
    bytes[5] = 1;
    put_number(bytes + 7, (size_t)(at - body));
    greet_server(bytes, (size_t)(at - bytes));
}

static void set(const char *key, const char *value)
{
    struct tls_settings settings;
    const char *why = NULL;
    memset(&settings, 0, sizeof(settings));
    int err = tls_settings_set(&settings, key, value, &why);
    REQUIRE(err == 0 || err == -ENOENT || err == -EINVAL);
    REQUIRE((err == -EINVAL) == (why != NULL));
    for (size_t i = 0; i < TLS_KEY_COUNT && err != 0; i++)
        REQUIRE(settings.texts[i] == NULL);
    tls_settings_free(&settings);
    (void)tls_layer_is_known(value);
    ERR_clear_error();
}

static void compare(const char *pattern, const char *name, size_t len)
{
    const bool fits = tls_name_fits(pattern, name, len);
    if (strncmp(pattern, "*.", 2) != 0)
        REQUIRE(fits == (strlen(pattern) == len && memcmp(pattern, name, len) == 0));
    else
        REQUIRE(!fits || (len > strlen(pattern + 1) && memchr(name, '.', len) != NULL));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    if (data[0] == 'R') {
        greet_server(data + 1, size - 1);
        return 0;
    }
    const uint8_t *line = memchr(data + 1, '\n', size - 1);
    const size_t first_len = line == NULL ? size - 1 : (size_t)(line - data) - 1;
    const size_t rest_len = line == NULL ? 0 : size - first_len - 2;
    const uint8_t *behind = line == NULL ? data : line + 1;
    char *first = copy_text(data + 1, first_len), *text = copy_text(behind, rest_len);
    char *rest = fuzz_copy(behind, rest_len); /* so that a byte too many is seen */
    if (data[0] == 'S')
        set(first, text);
    else if (data[0] == 'N')
        compare(first, rest, rest_len);
    else if (data[0] == 'H')
        say_hello(first, first_len, rest, rest_len);
    free(first);
    free(rest);
    free(text);
    return 0;
}
