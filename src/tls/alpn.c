/* SPDX-License-Identifier: MIT */
/*
 * alpn.c - which protocol is spoken above TLS (ALPN, RFC 7301).
 */
#include "base/alloc.h"
#include "tls/tls_impl.h"

#include <errno.h>
#include <string.h>

#define NAME_LEN_MAX 255

/* The server chooses the first of these that the client has, too. */
static const char list_default[] = "h2,http/1.1";

/* ---- who chooses ----------------------------------------------------------------- */

struct chooser { /* kept for good */
    struct chooser *next;
    eventer_ssl_alpn_func_t f;
    char *name; /* owned */
};

static _Atomic(struct chooser *) choosers; /* pushed with release, read with acquire */

static eventer_ssl_alpn_func_t find(const char *name)
{
    struct chooser *chooser = atomic_load_explicit(&choosers, memory_order_acquire);
    while (chooser != NULL && strcmp(chooser->name, name) != 0)
        chooser = chooser->next;
    return chooser == NULL ? NULL : chooser->f;
}

int eventer_ssl_alpn_register(const char *name, eventer_ssl_alpn_func_t f)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of those who push */
    const size_t len = name == NULL ? 0 : strlen(name);
    if (len == 0 || len > NAME_LEN_MAX || f == NULL) {
        errno = EINVAL;
        return -1;
    }
    struct chooser *chooser = alloc_bytes(sizeof(*chooser));
    char *copy = alloc_text(name);
    int err = chooser == NULL || copy == NULL ? ENOMEM : 0;
    if (err == 0) {
        pthread_mutex_lock(&lock);
        err = find(name) != NULL ? EEXIST : 0;
        if (err == 0) {
            *chooser = (struct chooser){
                .next = atomic_load_explicit(&choosers, memory_order_relaxed),
                .f = f,
                .name = copy,
            };
            atomic_store_explicit(&choosers, chooser, memory_order_release); /* with find() */
        }
        pthread_mutex_unlock(&lock);
    }
    if (err == 0)
        return 0;
    alloc_free(chooser);
    alloc_free(copy);
    errno = err;
    return -1;
}

/* ---- lists ----------------------------------------------------------------------- */

/* Take the next name of a list with commas: its length, 0 at the end. */
static size_t next_name(const char **list, const char **out)
{
    *list += strspn(*list, ", \t\r\n");
    *out = *list;
    size_t len = strcspn(*list, ", \t\r\n");
    *list += len;
    return len;
}

int tls_alpn_encode(const char *list, unsigned char out[static TLS_ALPN_BYTES_MAX])
{
    const char *name;
    size_t total = 0, len;
    if (list == NULL)
        list = list_default;
    if (strcmp(list, "none") == 0)
        return 0;
    while ((len = next_name(&list, &name)) > 0) {
        if (len > NAME_LEN_MAX || total + 1 + len > TLS_ALPN_BYTES_MAX)
            return -EINVAL;
        out[total] = (unsigned char)len;
        memcpy(out + total + 1, name, len);
        total += 1 + len;
    }
    return total == 0 ? -EINVAL : (int)total;
}

static int match(const char *name, size_t len, const uint8_t **out, uint8_t *outlen,
                 const uint8_t *in, size_t inlen)
{
    for (size_t at = 0; at < inlen; at += 1 + (size_t)in[at]) {
        if (in[at] > inlen - at - 1)
            break; /* it says more than there is */
        if (in[at] == len && memcmp(in + at + 1, name, len) == 0) {
            *out = in + at + 1;
            *outlen = (uint8_t)len;
            return SSL_TLSEXT_ERR_OK;
        }
    }
    return SSL_TLSEXT_ERR_NOACK;
}

int eventer_ssl_alpn_match(const char *name, const uint8_t **out, uint8_t *outlen,
                           const uint8_t *in, unsigned int inlen)
{
    const size_t len = strlen(name);
    return len == 0 || len > NAME_LEN_MAX ? SSL_TLSEXT_ERR_NOACK
                                          : match(name, len, out, outlen, in, inlen);
}

/* ---- a client's hello ------------------------------------------------------------ */

int tls_alpn_choose(SSL *ssl, const unsigned char **out, unsigned char *outlen,
                    const unsigned char *in, unsigned int inlen, void *arg)
{
    unsigned char ours[TLS_ALPN_BYTES_MAX];
    char name[NAME_LEN_MAX + 1];
    const int total = tls_alpn_encode(arg, ours);
    if (total <= 0)
        return SSL_TLSEXT_ERR_NOACK;
    for (int at = 0; at < total; at += 1 + ours[at]) {
        memcpy(name, ours + at + 1, ours[at]);
        name[ours[at]] = '\0';
        eventer_ssl_alpn_func_t f = find(name);
        int rv = SSL_TLSEXT_ERR_NOACK;
        if (f != NULL)
            rv = f(tls_connection_of(ssl), out, outlen, in, inlen);
        else if (strcmp(name, "h2") != 0 || tls_handshake_speaks(tls_connection_of(ssl), name))
            rv = match(name, ours[at], out, outlen, in, inlen);
        if (rv == SSL_TLSEXT_ERR_OK)
            return rv;
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL; /* RFC 7301 3.2: a client is not left to guess */
}
