/* SPDX-License-Identifier: MIT */
/*
 * settings.c - the keys of <sslconfig>, and what the value of layer means.
 */
#include "base/alloc.h"
#include "conf/conf.h"
#include "tls/tls_impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const struct {
    const char *name;
    enum tls_key key;
} text_keys[] = {
    {CONF_KEY("layer"), TLS_LAYER},
    {CONF_KEY("layer_openssl_11"), TLS_LAYER},
    {CONF_KEY("certificate"), TLS_CERTIFICATE},
    {CONF_KEY("certificate_file"), TLS_CERTIFICATE},
    {CONF_KEY("key"), TLS_KEY},
    {CONF_KEY("key_file"), TLS_KEY},
    {CONF_KEY("ca_chain"), TLS_CA_CHAIN},
    {CONF_KEY("ca_file"), TLS_CA_CHAIN},
    {CONF_KEY("ca_accept"), TLS_CA_ACCEPT},
    {CONF_KEY("crl"), TLS_CRL},
    {CONF_KEY("ocsp_file"), TLS_OCSP},
    {CONF_KEY("ciphers"), TLS_CIPHERS},
    {CONF_KEY("alpn"), TLS_ALPN},
    {CONF_KEY("npn"), TLS_ALPN},
};

static int set_text(char **text, const char *value)
{
    char *copy = alloc_text(value);
    if (copy == NULL)
        return -ENOMEM;
    alloc_free(*text);
    *text = copy;
    return 0;
}

/*
 * Set a file, or two with a comma between: of one certificate or key, and of the other.  A text of
 * one has lines, and is one.
 */
static int set_files(char **one, char **other, const char *value, const char **ret_why)
{
    const char *comma = tls_is_text(value) ? NULL : strchr(value, ',');
    size_t len = comma == NULL ? strlen(value) : (size_t)(comma - value);
    const char *second = comma == NULL ? NULL : comma + 1 + strspn(comma + 1, " \t");
    while (comma != NULL && len > 0 && strchr(" \t", value[len - 1]) != NULL)
        len--;
    if (comma != NULL && (len == 0 || *second == '\0' || strchr(second, ',') != NULL)) {
        *ret_why = "not one file, or two with a comma between them";
        return -EINVAL;
    }
    char *first = alloc_text_n(value, len), *rest = second == NULL ? NULL : alloc_text(second);
    if (first == NULL || (second != NULL && rest == NULL)) {
        alloc_free(first);
        alloc_free(rest);
        return -ENOMEM;
    }
    alloc_free(*one);
    alloc_free(*other);
    *one = first;
    *other = rest;
    return 0;
}

static int set_bool(bool *out, const char *value, const char **ret_why)
{
    const bool on = strcasecmp(value, "true") == 0 || strcasecmp(value, "on") == 0;
    if (!on && strcasecmp(value, "false") != 0 && strcasecmp(value, "off") != 0) {
        *ret_why = "not true, on, false or off";
        return -EINVAL;
    }
    *out = on;
    return 0;
}

static int set_client_certificate(struct tls_settings *settings, const char *value,
                                  const char **ret_why)
{
    static const char *const words[] = {"", "none", "optional", "required"};
    for (unsigned i = 1; i < sizeof(words) / sizeof(words[0]); i++)
        if (strcmp(value, words[i]) == 0) {
            settings->client_certificate = (enum tls_client_certificate)i;
            return 0;
        }
    *ret_why = "not none, optional or required";
    return -EINVAL;
}

static int set_handshake_timeout(struct tls_settings *settings, const char *value,
                                 const char **ret_why)
{
    char *end;
    errno = 0;
    unsigned long ms = strtoul(value, &end, 10);
    if (errno != 0 || end == value || *end != '\0' || strchr(value, '-') != NULL || ms == 0 ||
        ms > TLS_HANDSHAKE_MS_MAX) {
        *ret_why = "not a number of milliseconds between 1 and 600000";
        return -EINVAL;
    }
    settings->handshake_ms = (unsigned)ms;
    return 0;
}

int tls_settings_set(struct tls_settings *settings, const char *key, const char *value,
                     const char **ret_why)
{
    unsigned char wire[TLS_ALPN_BYTES_MAX];
    for (size_t i = 0; i < sizeof(text_keys) / sizeof(text_keys[0]); i++) {
        if (strcmp(key, text_keys[i].name) != 0)
            continue;
        if (text_keys[i].key == TLS_ALPN && tls_alpn_encode(value, wire) < 0) {
            *ret_why = "not a list of names with commas between them, or none";
            return -EINVAL;
        }
        char **text = &settings->texts[text_keys[i].key];
        if (text_keys[i].key == TLS_CERTIFICATE || text_keys[i].key == TLS_KEY)
            return set_files(text, text + (TLS_OTHER_KEY - TLS_KEY), value, ret_why);
        return set_text(text, value);
    }
    if (strcmp(key, "optional_no_ca") == 0)
        return set_bool(&settings->optional_no_ca, value, ret_why);
    if (strcmp(key, "ignore_dates") == 0)
        return set_bool(&settings->ignore_dates, value, ret_why);
    if (strcmp(key, "client_certificate") == 0)
        return set_client_certificate(settings, value, ret_why);
    if (strcmp(key, "handshake_timeout") == 0)
        return set_handshake_timeout(settings, value, ret_why);
    return strcmp(key, "layer_openssl_10") == 0 ? 0 : -ENOENT; /* of another version */
}

void tls_settings_free(struct tls_settings *settings)
{
    for (size_t i = 0; i < TLS_KEY_COUNT; i++) {
        if (settings->texts[i] != NULL && tls_is_text(settings->texts[i])) /* with a key, maybe */
            OPENSSL_cleanse(settings->texts[i], strlen(settings->texts[i]));
        alloc_free(settings->texts[i]);
        settings->texts[i] = NULL;
    }
}

bool tls_settings_are_same(const struct tls_settings *a, const struct tls_settings *b)
{
    for (size_t i = 0; i < TLS_KEY_COUNT; i++) {
        if ((a->texts[i] == NULL) != (b->texts[i] == NULL))
            return false;
        if (a->texts[i] != NULL && strcmp(a->texts[i], b->texts[i]) != 0)
            return false;
    }
    return a->client_certificate == b->client_certificate &&
           a->optional_no_ca == b->optional_no_ca && a->ignore_dates == b->ignore_dates &&
           a->handshake_ms == b->handshake_ms;
}

/* ---- layer ----------------------------------------------------------------------- */

static const struct {
    const char *name;
    int version;
    uint64_t off; /* the option that switches it off */
    bool is_any;  /* as the first word it stands for all */
} protocols[] = {
    {"tlsv1", TLS1_VERSION, SSL_OP_NO_TLSv1, true},
    {"tlsv1.0", TLS1_VERSION, SSL_OP_NO_TLSv1, false},
    {"tlsv1.1", TLS1_1_VERSION, SSL_OP_NO_TLSv1_1, false},
    {"tlsv1.2", TLS1_2_VERSION, SSL_OP_NO_TLSv1_2, false},
    {"tlsv1.3", TLS1_3_VERSION, SSL_OP_NO_TLSv1_3, false},
    {"sslv3", SSL3_VERSION, SSL_OP_NO_SSLv3, false},
    {"sslv23", 0, 0, true},
    {"tls", 0, 0, true},
};

#define PROTOCOL_COUNT (sizeof(protocols) / sizeof(protocols[0]))

static size_t find_protocol(const char *name)
{
    size_t i = 0;
    while (i < PROTOCOL_COUNT && strcasecmp(name, protocols[i].name) != 0)
        i++;
    return i;
}

/* One word behind the colon.  False: nobody knows it. */
static bool apply_word(SSL_CTX *ctx, const char *word)
{
    if (strncmp(word, ">=", 2) == 0) {
        size_t i = find_protocol(word + 2);
        return i < PROTOCOL_COUNT && protocols[i].version != 0 &&
               SSL_CTX_set_min_proto_version(ctx, protocols[i].version) == 1;
    }
    if (word[0] == '!') {
        size_t i = find_protocol(word + 1);
        if (i < PROTOCOL_COUNT)
            SSL_CTX_set_options(ctx, protocols[i].off);
        return i < PROTOCOL_COUNT || strcasecmp(word + 1, "sslv2") == 0 ||
               strcasecmp(word + 1, "all") == 0;
    }
    if (strcasecmp(word, "cipher_server_preference") == 0) {
        SSL_CTX_set_options(ctx, SSL_OP_CIPHER_SERVER_PREFERENCE);
        return true;
    }
    return strcasecmp(word, "all") == 0; /* workarounds for peers of long ago */
}

static bool apply_protocol(SSL_CTX *ctx, const char *name)
{
    size_t i = find_protocol(name);
    if (i == PROTOCOL_COUNT)
        return false;
    return protocols[i].is_any || (SSL_CTX_set_min_proto_version(ctx, protocols[i].version) == 1 &&
                                   SSL_CTX_set_max_proto_version(ctx, protocols[i].version) == 1);
}

int tls_layer_apply(SSL_CTX *ctx, const char *text, char reason[static TLS_REASON_SIZE])
{
    char copy[256], *rest = copy;
    if (snprintf(copy, sizeof(copy), "%s", text) >= (int)sizeof(copy)) {
        snprintf(reason, TLS_REASON_SIZE, "layer: it is too long");
        return -EINVAL;
    }
    const char *word = strsep(&rest, ":");
    bool is_known = apply_protocol(ctx, word);
    while (is_known && rest != NULL) {
        word = strsep(&rest, ",");
        is_known = *word == '\0' || apply_word(ctx, word);
    }
    if (is_known)
        return 0;
    snprintf(reason, TLS_REASON_SIZE, "layer: \"%s\" is no protocol or option", word);
    return -EINVAL;
}

bool tls_layer_is_known(const char *text)
{
    char reason[TLS_REASON_SIZE];
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    const bool is_known = ctx != NULL && tls_layer_apply(ctx, text, reason) == 0;
    SSL_CTX_free(ctx);
    return is_known;
}
