/* SPDX-License-Identifier: MIT */
/*
 * raw_peer.h - the other end of a connection, with nothing of ours: OpenSSL between two buffers in
 * memory, so that a test decides which bytes go over the wire, and when.
 */
#ifndef EVENTER_TESTS_RAW_PEER_H
#define EVENTER_TESTS_RAW_PEER_H

#include "authority.h"

#include <errno.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/socket.h>

struct raw_peer {
    SSL *ssl;      /* owned */
    BIO *in, *out; /* of ssl: what came, and what is to go */
    int fd;        /* owned, non-blocking */
};

/* A context for such peers, which trusts the authority; the caller owns it. */
static inline SSL_CTX *raw_context(bool is_client)
{
    SSL_CTX *ctx = SSL_CTX_new(is_client ? TLS_client_method() : TLS_server_method());
    authority_require(ctx != NULL && SSL_CTX_load_verify_file(ctx, authority_path("ca.pem")) == 1,
                      "raw_context");
    if (is_client)
        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    else
        authority_require(SSL_CTX_use_certificate_file(ctx, authority_path("server.pem"),
                                                       SSL_FILETYPE_PEM) == 1 &&
                              SSL_CTX_use_PrivateKey_file(ctx, authority_path("server.key"),
                                                          SSL_FILETYPE_PEM) == 1,
                          "raw_context");
    return ctx;
}

static inline struct raw_peer raw_open(SSL_CTX *ctx, int fd)
{
    struct raw_peer peer = {
        .ssl = SSL_new(ctx), .in = BIO_new(BIO_s_mem()), .out = BIO_new(BIO_s_mem()), .fd = fd};
    authority_require(peer.ssl != NULL, "raw_open");
    SSL_set_bio(peer.ssl, peer.in, peer.out);
    if (SSL_is_server(peer.ssl) != 0)
        SSL_set_accept_state(peer.ssl);
    else
        SSL_set_connect_state(peer.ssl);
    return peer;
}

static inline void raw_close(struct raw_peer *peer)
{
    SSL_free(peer->ssl);
    if (peer->fd >= 0)
        close(peer->fd);
    ERR_clear_error();
}

static inline void raw_wait(const struct raw_peer *peer, short events)
{
    struct pollfd poller = {.fd = peer->fd, .events = events};
    (void)poll(&poller, 1, 10000);
}

/* Send all that OpenSSL wants to have sent. */
static inline void raw_flush(struct raw_peer *peer)
{
    char *bytes;
    const size_t len = (size_t)BIO_get_mem_data(peer->out, &bytes);
    for (size_t sent = 0; sent < len;) {
        ssize_t count = send(peer->fd, bytes + sent, len - sent, MSG_NOSIGNAL);
        if (count < 0 && errno != EAGAIN)
            break;
        if (count < 0)
            raw_wait(peer, POLLOUT);
        else
            sent += (size_t)count;
    }
    (void)BIO_reset(peer->out);
}

/* Wait for bytes and give them to OpenSSL; false: the stream has ended. */
static inline bool raw_fill(struct raw_peer *peer)
{
    char bytes[4096];
    raw_wait(peer, POLLIN);
    ssize_t count = recv(peer->fd, bytes, sizeof(bytes), 0);
    if (count > 0)
        BIO_write(peer->in, bytes, (int)count);
    return count > 0;
}

/* Do a call of OpenSSL, which returned rv, again?  Moves bytes until that may help. */
static inline bool raw_goes_on(struct raw_peer *peer, int rv)
{
    const int why = SSL_get_error(peer->ssl, rv);
    raw_flush(peer);
    return rv <= 0 && why == SSL_ERROR_WANT_READ && raw_fill(peer);
}

/* Do the handshake; false: it failed. */
static inline bool raw_handshake(struct raw_peer *peer)
{
    int rv;
    do
        rv = SSL_do_handshake(peer->ssl);
    while (raw_goes_on(peer, rv));
    return rv == 1;
}

/* As read(2), when there is something; 0: the end, -1: an error. */
static inline int raw_read(struct raw_peer *peer, void *buffer, int len)
{
    int rv;
    do
        rv = SSL_read(peer->ssl, buffer, len);
    while (raw_goes_on(peer, rv));
    if (rv <= 0)
        rv = SSL_get_error(peer->ssl, rv) == SSL_ERROR_ZERO_RETURN ? 0 : -1;
    return rv;
}

static inline bool raw_write(struct raw_peer *peer, const void *bytes, int len)
{
    const int rv = SSL_write(peer->ssl, bytes, len);
    raw_flush(peer);
    return rv == len;
}

/* Take what OpenSSL wants to have sent to buffer instead; returns how much that is. */
static inline size_t raw_take(struct raw_peer *peer, char *buffer, size_t size)
{
    const int count = BIO_read(peer->out, buffer, (int)size);
    return count < 0 ? 0 : (size_t)count;
}

/* Send bytes as they are. */
static inline void raw_send(struct raw_peer *peer, const void *bytes, size_t len)
{
    authority_require(send(peer->fd, bytes, len, MSG_NOSIGNAL) == (ssize_t)len, "raw_send");
}

#endif
