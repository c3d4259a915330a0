/* SPDX-License-Identifier: MIT */
/*
 * names.c - which certificate a client means: the name in its hello (SNI, RFC 6066 section 3)
 * compared with those that the certificates are for.
 */
#include "base/alloc.h"
#include "tls/tls_impl.h"

#include <ctype.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>

#define NAME_LEN_MAX 255 /* of a host */

/* ---- of a certificate ------------------------------------------------------------ */

/* A copy in lower case; NULL: no memory. */
static char *lower_case(const char *text, size_t len)
{
    char *copy = alloc_text_n(text, len);
    for (size_t i = 0; copy != NULL && i < len; i++)
        copy[i] = (char)tolower((unsigned char)copy[i]);
    return copy;
}

/* Add the name that is the ASN.1 text; false: no memory.  What cannot be a name is left out. */
static bool add_name(char **names, size_t *count, const ASN1_STRING *text)
{
    const char *bytes = (const char *)ASN1_STRING_get0_data(text);
    const size_t len = (size_t)ASN1_STRING_length(text);
    if (len == 0 || len > NAME_LEN_MAX || memchr(bytes, '\0', len) != NULL)
        return true;
    names[*count] = lower_case(bytes, len);
    return names[*count] != NULL && ++*count > 0;
}

/* Without names of the kind DNS the common name counts, as it did long ago. */
static bool add_common_name(char **names, size_t *count, const X509 *certificate)
{
    const X509_NAME *subject = X509_get_subject_name(certificate);
    const int index = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    if (index < 0)
        return true;
    return add_name(names, count, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, index)));
}

int tls_names_of(const X509 *certificate, char ***out)
{
    GENERAL_NAMES *all = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    const int all_count = all == NULL ? 0 : sk_GENERAL_NAME_num(all);
    char **names = alloc_zeroed((size_t)all_count + 2, sizeof(*names));
    size_t count = 0;
    bool has_memory = names != NULL;
    for (int i = 0; i < all_count && has_memory; i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(all, i);
        if (name->type == GEN_DNS)
            has_memory = add_name(names, &count, name->d.dNSName);
    }
    if (has_memory && count == 0)
        has_memory = add_common_name(names, &count, certificate);
    GENERAL_NAMES_free(all);
    if (!has_memory) {
        tls_names_free(names);
        return -ENOMEM;
    }
    *out = names;
    return 0;
}

void tls_names_free(char **names)
{
    for (char **name = names; name != NULL && *name != NULL; name++)
        alloc_free(*name);
    alloc_free(names);
}

bool tls_name_fits(const char *pattern, const char *name, size_t len)
{
    if (strncmp(pattern, "*.", 2) != 0)
        return strlen(pattern) == len && memcmp(pattern, name, len) == 0;
    const char *dot = memchr(name, '.', len); /* the star is one whole label: RFC 6125 6.4.3 */
    const size_t rest = dot == NULL ? 0 : len - (size_t)(dot - name);
    return rest > 0 && dot != name && strlen(pattern + 1) == rest &&
           memcmp(pattern + 1, dot, rest) == 0;
}

/* ---- of a hello ------------------------------------------------------------------ */

/* The host in the extension server_name of len bytes at bytes; 0: there is none, or it is wrong. */
static size_t read_host(const unsigned char *bytes, size_t len, const unsigned char **out)
{
    const size_t head = 5; /* length of the list, kind, length of the name */
    if (len < head || (size_t)(bytes[0] << 8 | bytes[1]) != len - 2 || bytes[2] != 0)
        return 0;
    const size_t name_len = (size_t)(bytes[3] << 8 | bytes[4]);
    *out = bytes + head;
    return name_len <= len - head && name_len <= NAME_LEN_MAX ? name_len : 0;
}

static bool is_for(const SSL_CTX *ctx, const char *name, size_t len, bool wildcards)
{
    char **names = tls_part_of(ctx)->names;
    for (; names != NULL && *names != NULL; names++)
        if (((*names)[0] == '*') == wildcards && tls_name_fits(*names, name, len))
            return true;
    return false;
}

/* The one for name; the first is one of them, and for all that none is for. */
static SSL_CTX *find(SSL_CTX *first, const char *name, size_t len)
{
    for (int wildcards = 0; wildcards <= 1; wildcards++) {
        if (is_for(first, name, len, wildcards != 0))
            return first;
        for (SSL_CTX **other = tls_part_of(first)->others; *other != NULL; other++)
            if (is_for(*other, name, len, wildcards != 0))
                return *other;
    }
    return first;
}

int tls_choose_part(SSL *ssl, int *alert, void *arg)
{
    const unsigned char *bytes, *host;
    char name[NAME_LEN_MAX + 1];
    size_t len, name_len;
    SSL_CTX *first = SSL_get_SSL_CTX(ssl);
    (void)alert;
    (void)arg;
    if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &bytes, &len) != 1 ||
        (name_len = read_host(bytes, len, &host)) == 0)
        return SSL_CLIENT_HELLO_SUCCESS;
    if (tls_part_of(first)->others == NULL) /* a second hello: it is chosen */
        return SSL_CLIENT_HELLO_SUCCESS;
    for (size_t i = 0; i < name_len; i++)
        name[i] = (char)tolower(host[i]);
    SSL_CTX *chosen = find(first, name, name_len);
    if (chosen != first) {
        SSL_set_SSL_CTX(ssl, chosen);
        SSL_set_verify(ssl, SSL_CTX_get_verify_mode(chosen), tls_verify);
    }
    return SSL_CLIENT_HELLO_SUCCESS;
}
