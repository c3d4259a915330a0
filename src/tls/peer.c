/* SPDX-License-Identifier: MIT */
/*
 * peer.c - whom the peer says it is, whether that is accepted, and what was agreed on.
 */
#include "base/alloc.h"
#include "tls/tls_impl.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* ---- is it accepted? ------------------------------------------------------------- */

static bool is_about_trust(int error)
{
    return error == X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT ||
           error == X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN ||
           error == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT ||
           error == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY ||
           error == X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE ||
           error == X509_V_ERR_CERT_UNTRUSTED;
}

static int accepts(int ok, X509_STORE_CTX *store, bool optional_no_ca, bool ignore_dates)
{
    const int error = X509_STORE_CTX_get_error(store);
    if (ok)
        return 1;
    if (ignore_dates &&
        (error == X509_V_ERR_CERT_HAS_EXPIRED || error == X509_V_ERR_CERT_NOT_YET_VALID))
        return 1;
    return optional_no_ca && is_about_trust(error);
}

int tls_verify(int ok, X509_STORE_CTX *store)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    eventer_ssl_ctx_t *ctx = tls_connection_of(ssl);
    const struct tls_part *part = tls_part_of(SSL_get_SSL_CTX(ssl));
    if (ctx->extra != NULL && ctx->extra->verify != NULL)
        return ctx->extra->verify(ctx, ok, store, ctx->extra->verify_closure) != 0;
    return accepts(ok, store, part->optional_no_ca, part->ignore_dates);
}

static bool is_on(mtev_hash_table *table, const char *key)
{
    const char *value = mtev_hash_dict_get(table, key);
    return value != NULL && (strcasecmp(value, "true") == 0 || strcasecmp(value, "on") == 0);
}

int eventer_ssl_verify_cert(eventer_ssl_ctx_t *ctx, int ok, X509_STORE_CTX *store, void *closure)
{
    (void)ctx;
    return accepts(ok, store, is_on(closure, "optional_no_ca"), is_on(closure, "ignore_dates"));
}

/* ---- its certificate ------------------------------------------------------------- */

X509 *eventer_ssl_get_peer_certificate(eventer_ssl_ctx_t *ctx)
{
    return SSL_get1_peer_certificate(ctx->ssl);
}

/* A distinguished name as text (owned, OpenSSL's), or NULL. */
static char *name_text(const X509_NAME *name)
{
    char *text = NULL, *bytes;
    BIO *out = BIO_new(BIO_s_mem());
    if (out != NULL && X509_NAME_print_ex(out, name, 0, XN_FLAG_RFC2253) >= 0) {
        const long len = BIO_get_mem_data(out, &bytes);
        text = OPENSSL_strndup(bytes, (size_t)len);
    }
    BIO_free(out);
    return text;
}

const char *eventer_ssl_get_peer_subject(eventer_ssl_ctx_t *ctx)
{
    const X509 *peer = SSL_get0_peer_certificate(ctx->ssl);
    struct tls_extra *extra = peer == NULL ? NULL : tls_extra_of(ctx);
    if (extra != NULL && extra->subject == NULL)
        extra->subject = name_text(X509_get_subject_name(peer));
    return extra == NULL ? NULL : extra->subject;
}

const char *eventer_ssl_get_peer_issuer(eventer_ssl_ctx_t *ctx)
{
    const X509 *peer = SSL_get0_peer_certificate(ctx->ssl);
    struct tls_extra *extra = peer == NULL ? NULL : tls_extra_of(ctx);
    if (extra != NULL && extra->issuer == NULL)
        extra->issuer = name_text(X509_get_issuer_name(peer));
    return extra == NULL ? NULL : extra->issuer;
}

/* Write "KIND:bytes", with a mark for what could be taken for the end of it; its length. */
static size_t write_text(char *out, size_t size, const char *kind, const ASN1_STRING *text)
{
    const unsigned char *bytes = ASN1_STRING_get0_data(text);
    const size_t len = (size_t)ASN1_STRING_length(text);
    size_t at = strlen(kind);
    if (size > at)
        memcpy(out, kind, at);
    for (size_t i = 0; i < len; i++, at++)
        if (at < size)
            out[at] = bytes[i] > ' ' && bytes[i] < 0x7f && bytes[i] != ',' ? (char)bytes[i] : '?';
    return at;
}

static size_t write_address(char *out, size_t size, const ASN1_OCTET_STRING *address)
{
    char text[INET6_ADDRSTRLEN + 3] = "IP:";
    const int len = ASN1_STRING_length(address);
    const int family = len == 4 ? AF_INET : len == 16 ? AF_INET6 : AF_UNSPEC;
    if (family == AF_UNSPEC ||
        inet_ntop(family, ASN1_STRING_get0_data(address), text + 3, sizeof(text) - 3) == NULL)
        return 0;
    const size_t text_len = strlen(text);
    if (size >= text_len)
        memcpy(out, text, text_len);
    return text_len;
}

/* Write one name to out, which has size bytes; 0: it is of a kind that is not told. */
static size_t write_name(char *out, size_t size, const GENERAL_NAME *name)
{
    switch (name->type) {
    case GEN_DNS:
        return write_text(out, size, "DNS:", name->d.dNSName);
    case GEN_EMAIL:
        return write_text(out, size, "email:", name->d.rfc822Name);
    case GEN_URI:
        return write_text(out, size, "URI:", name->d.uniformResourceIdentifier);
    case GEN_IPADD:
        return write_address(out, size, name->d.iPAddress);
    default:
        return 0;
    }
}

/* All of them with ", " between, to out (size bytes, of which none need be there). */
static size_t write_names(char *out, size_t size, const GENERAL_NAMES *all)
{
    size_t len = 0;
    for (int i = 0; i < sk_GENERAL_NAME_num(all); i++) {
        const size_t gap = len == 0 ? 0 : 2, at = len + gap;
        const size_t written = write_name(at < size ? out + at : out, at < size ? size - at : 0,
                                          sk_GENERAL_NAME_value(all, i));
        if (written == 0)
            continue;
        if (gap > 0 && at < size)
            memcpy(out + len, ", ", gap);
        len = at + written;
    }
    return len;
}

const char *eventer_ssl_get_peer_san_list(eventer_ssl_ctx_t *ctx)
{
    const X509 *peer = SSL_get0_peer_certificate(ctx->ssl);
    struct tls_extra *extra = peer == NULL ? NULL : tls_extra_of(ctx);
    if (extra == NULL || extra->names != NULL)
        return extra == NULL ? NULL : extra->names;
    GENERAL_NAMES *all = X509_get_ext_d2i(peer, NID_subject_alt_name, NULL, NULL);
    if (all == NULL)
        return NULL;
    const size_t len = write_names(NULL, 0, all);
    extra->names = alloc_zeroed(len + 1, 1);
    if (extra->names != NULL)
        (void)write_names(extra->names, len, all);
    GENERAL_NAMES_free(all);
    return extra->names;
}

const char *eventer_ssl_get_peer_error(eventer_ssl_ctx_t *ctx)
{
    const long result = SSL_get_verify_result(ctx->ssl);
    return result == X509_V_OK || SSL_get0_peer_certificate(ctx->ssl) == NULL
               ? NULL
               : X509_verify_cert_error_string(result);
}

static time_t seconds_of(const ASN1_TIME *when)
{
    struct tm tm;
    return when != NULL && ASN1_TIME_to_tm(when, &tm) == 1 ? timegm(&tm) : 0;
}

time_t eventer_ssl_get_peer_start_time(eventer_ssl_ctx_t *ctx)
{
    const X509 *peer = SSL_get0_peer_certificate(ctx->ssl);
    return peer == NULL ? 0 : seconds_of(X509_get0_notBefore(peer));
}

time_t eventer_ssl_get_peer_end_time(eventer_ssl_ctx_t *ctx)
{
    const X509 *peer = SSL_get0_peer_certificate(ctx->ssl);
    return peer == NULL ? 0 : seconds_of(X509_get0_notAfter(peer));
}

static int common_name(const X509 *certificate, char *buffer, int len)
{
    if (certificate == NULL || buffer == NULL || len <= 0)
        return -1;
    const X509_NAME *subject = X509_get_subject_name(certificate);
    const int index = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    unsigned char *text;
    if (index < 0)
        return -1;
    const int text_len =
        ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, index)));
    if (text_len < 0)
        return -1;
    const bool is_text = memchr(text, '\0', (size_t)text_len) == NULL; /* else it would be cut */
    if (is_text)
        snprintf(buffer, (size_t)len, "%.*s", text_len, (const char *)text);
    OPENSSL_free(text);
    return is_text ? MIN(text_len, len - 1) : -1;
}

int eventer_ssl_get_local_commonname(eventer_ssl_ctx_t *ctx, char *buffer, int len)
{
    return common_name(SSL_get_certificate(ctx->ssl), buffer, len);
}

int eventer_ssl_get_peer_commonname(eventer_ssl_ctx_t *ctx, char *buffer, int len)
{
    return common_name(SSL_get0_peer_certificate(ctx->ssl), buffer, len);
}

/* ---- what was agreed on ---------------------------------------------------------- */

const char *eventer_ssl_get_last_error(eventer_ssl_ctx_t *ctx)
{
    const char *reason = ctx->error == 0 ? NULL : ERR_reason_error_string(ctx->error);
    if (reason == NULL && ctx->is_broken && ctx->error_number != 0)
        reason = strerrordesc_np(ctx->error_number);
    return reason;
}

const char *eventer_ssl_get_sni_name(eventer_ssl_ctx_t *ctx)
{
    return SSL_get_servername(ctx->ssl, TLSEXT_NAMETYPE_host_name);
}

const char *eventer_ssl_get_cipher_list(eventer_ssl_ctx_t *ctx, int priority)
{
    return SSL_get_cipher_list(ctx->ssl, priority);
}

const char *eventer_ssl_get_current_cipher(eventer_ssl_ctx_t *ctx)
{
    const SSL_CIPHER *cipher = SSL_get_current_cipher(ctx->ssl);
    return cipher == NULL ? NULL : SSL_CIPHER_get_name(cipher);
}

const char *eventer_ssl_get_method(eventer_ssl_ctx_t *ctx)
{
    return SSL_get_version(ctx->ssl);
}

mtev_boolean eventer_ssl_is_resumed(eventer_ssl_ctx_t *ctx)
{
    return SSL_session_reused(ctx->ssl) ? mtev_true : mtev_false;
}

SSL_SESSION *eventer_ssl_get_session(eventer_ssl_ctx_t *ctx)
{
    return SSL_get_session(ctx->ssl);
}

void eventer_ssl_get_alpn_selected(eventer_ssl_ctx_t *ctx, const uint8_t **ret_name,
                                   uint8_t *ret_len)
{
    unsigned len = 0;
    SSL_get0_alpn_selected(ctx->ssl, ret_name, &len);
    *ret_len = (uint8_t)len;
}
