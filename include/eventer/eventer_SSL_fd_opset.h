/* SPDX-License-Identifier: MIT */
/*
 * eventer_SSL_fd_opset.h - TLS 1.2 and 1.3 on the fd of an event, for callbacks, for coroutines and
 * for clients.
 *
 * A listener with ssl="on" does all of this by itself; see eventer_ssl(3).  Whoever does it by hand
 * makes an eventer_ssl_ctx_t, the TLS side of one connection, attaches it to an event, and does the
 * handshake; from then on eventer_read(), eventer_write() and eventer_close(), and those of
 * coroutines, go through TLS.
 *
 *   close_notify of the peer is the end of the stream: a read returns 0.  A stream that ends
 *   without it was cut: -1 with ECONNRESET.  What breaks the protocol is -1 with EPROTO.
 *
 * What makes and changes contexts may be called from any thread; what is done with a connection
 * belongs to the loop of its event, or to a job that its coroutine waits for.
 */
#ifndef EVENTER_EVENTER_SSL_FD_OPSET_H
#define EVENTER_EVENTER_SSL_FD_OPSET_H

#include <eventer/eventer.h>
#include <mtev_hash.h>

#include <stdint.h>
#include <time.h>

MTEV_BEGIN_DECLS

/* The TLS side of one connection. */
typedef struct eventer_ssl_ctx eventer_ssl_ctx_t;

typedef enum {
    SSL_SERVER = 0,
    SSL_CLIENT
} eventer_ssl_orientation_t;

/* OpenSSL's X509, SSL_SESSION and X509_STORE_CTX. */
struct x509_st;
struct ssl_session_st;
struct x509_store_ctx_st;

/* The operations of TLS, as eventer_get_fd_opset() gives them for an event that has it. */
API_EXPORT(const eventer_fd_opset_t) eventer_SSL_fd_opset;

/* ---- making ---------------------------------------------------------------------- */

/*
 * Make the TLS side of a connection; the caller owns it until it is attached.  settings (keys and
 * values NUL-terminated text, copied; NULL: none) are the keys of <sslconfig> in eventer.conf(5); a
 * server needs a certificate.  The first call with settings reads their files, which blocks; later
 * ones share what was read then, or since, for files that change are read again within seconds.
 * eventer_ssl_ctx_new() is the same for the keys layer, certificate, key, ca_chain and ciphers,
 * each of which may be NULL.
 * Clients with the same settings resume the last session of a server, which is known by its
 * address, the name it is asked for and the host it has to be, unless eventer_ssl_ctx_set_verify()
 * was called. Returns NULL with EINVAL (one line says what is wrong, by the name of the file), or
 * ENOMEM.
 */
API_EXPORT(eventer_ssl_ctx_t *)
eventer_ssl_ctx_new_ex(eventer_ssl_orientation_t type, mtev_hash_table *settings);
API_EXPORT(eventer_ssl_ctx_t *)
eventer_ssl_ctx_new(eventer_ssl_orientation_t type, const char *layer, const char *certificate,
                    const char *key, const char *ca_chain, const char *ciphers);

/* Free what is attached to no event.  NULL is a no-op. */
API_EXPORT(void) eventer_ssl_ctx_free(eventer_ssl_ctx_t *ctx);

/*
 * Have all files be read again, now, in a thread of the library; connections that are there keep
 * what they began with.  What is wrong is one line, and stays as it was.  Returns at once.
 */
API_EXPORT(void) eventer_ssl_reload(void);

/*
 * Attach ctx (taken) to the fd event e, whose fd is a connected socket that does not block; it goes
 * when e is closed.  Copies of e share it: one of them is closed.
 */
API_EXPORT(void) eventer_set_eventer_ssl_ctx(eventer_t e, eventer_ssl_ctx_t *ctx);
#define EVENTER_ATTACH_SSL(e, ctx) eventer_set_eventer_ssl_ctx((e), (ctx))

/* What is attached to e (borrowed while it is), also where a coroutine has converted e; or NULL. */
API_EXPORT(eventer_ssl_ctx_t *) eventer_get_eventer_ssl_ctx(const eventer_t e);

/* ---- the handshake --------------------------------------------------------------- */

/*
 * Do what can be done of the handshake, as server or as client.  Returns 1 when it is done; -1 with
 * EAGAIN and in *mask what e must wait for; or -1 with EIO, and eventer_ssl_get_last_error() says
 * why.  On an event that the calling coroutine has converted it waits instead, as long as it takes.
 */
API_EXPORT(int) eventer_SSL_accept(eventer_t e, int *mask);
API_EXPORT(int) eventer_SSL_connect(eventer_t e, int *mask);

/* TLS 1.3 has no renegotiation, and that of TLS 1.2 is off: returns -1 with ENOTSUP. */
API_EXPORT(int) eventer_SSL_renegotiate(eventer_t e);

/*
 * Attach ctx (taken, also on failure) to aco and do the handshake within timeout (NULL: without
 * limit).  connect: host (NUL-terminated; a name or an IP address) is whom the certificate must be
 * of, and is told to the server; NULL: neither is done.
 * Return 0; or -1 with errno: ETIMEDOUT, ECONNRESET (the peer is gone), EPROTO (no TLS, or nothing
 * in common), EACCES (the certificate is not accepted), EINVAL (host; or aco has TLS already),
 * ECANCELED (it was closed meanwhile), ENOMEM.  aco stays open.  Yield.
 */
API_EXPORT(int)
eventer_aco_SSL_connect(eventer_aco_t aco, eventer_ssl_ctx_t *ctx, const char *host,
                        struct timeval *timeout);
API_EXPORT(int)
eventer_aco_SSL_accept(eventer_aco_t aco, eventer_ssl_ctx_t *ctx, struct timeval *timeout);

/*
 * Before the handshake of a client: the name (NUL-terminated, copied) that is told to the server.
 * The certificate is not compared with it.  Returns 0, or -1 with EINVAL or ENOMEM.
 */
API_EXPORT(int) eventer_ssl_ctx_set_sni(eventer_ssl_ctx_t *ctx, const char *name);

/*
 * Before the handshake: have f decide about each certificate of the peer's chain, in place of what
 * the settings say.  It gets whether OpenSSL accepts it, and closure (borrowed until the handshake
 * is over), and returns 1 or 0.  A peer that shows none does not get there.  ENOMEM is one line,
 * and no peer is accepted then.
 * eventer_ssl_verify_cert() is such an f: closure is a table with the keys optional_no_ca and
 * ignore_dates, or NULL.
 */
typedef int (*eventer_ssl_verify_func_t)(eventer_ssl_ctx_t *ctx, int ok,
                                         struct x509_store_ctx_st *store, void *closure);
API_EXPORT(void)
eventer_ssl_ctx_set_verify(eventer_ssl_ctx_t *ctx, eventer_ssl_verify_func_t f, void *closure);
API_EXPORT(int)
eventer_ssl_verify_cert(eventer_ssl_ctx_t *ctx, int ok, struct x509_store_ctx_st *store,
                        void *closure);

/* ---- what is known of a connection ----------------------------------------------- */

/*
 * After the handshake; texts are NUL-terminated and borrowed while ctx lives, and NULL where there
 * is nothing to tell (the peer showed no certificate, nothing went wrong) or no memory.
 *   subject, issuer: distinguished names, as in RFC 2253, the most specific part first.
 *   san_list: the names that the certificate is for: "DNS:a.example, IP:192.0.2.1, URI:x, email:y".
 *   error: why the certificate would not be accepted, if it was.
 *   start_time, end_time: seconds since 1970 between which it is valid; 0: no certificate.
 *   last_error: of the last call that failed.
 *   sni_name: the server that the client asked for.
 *   cipher_list: the cipher of that priority (from 0); current_cipher: the one in use.
 *   method: "TLSv1.3" or "TLSv1.2".
 */
API_EXPORT(const char *) eventer_ssl_get_peer_subject(eventer_ssl_ctx_t *ctx);
API_EXPORT(const char *) eventer_ssl_get_peer_issuer(eventer_ssl_ctx_t *ctx);
API_EXPORT(const char *) eventer_ssl_get_peer_san_list(eventer_ssl_ctx_t *ctx);
API_EXPORT(const char *) eventer_ssl_get_peer_error(eventer_ssl_ctx_t *ctx);
API_EXPORT(time_t) eventer_ssl_get_peer_start_time(eventer_ssl_ctx_t *ctx);
API_EXPORT(time_t) eventer_ssl_get_peer_end_time(eventer_ssl_ctx_t *ctx);
API_EXPORT(const char *) eventer_ssl_get_last_error(eventer_ssl_ctx_t *ctx);
API_EXPORT(const char *) eventer_ssl_get_sni_name(eventer_ssl_ctx_t *ctx);
API_EXPORT(const char *) eventer_ssl_get_cipher_list(eventer_ssl_ctx_t *ctx, int priority);
API_EXPORT(const char *) eventer_ssl_get_current_cipher(eventer_ssl_ctx_t *ctx);
API_EXPORT(const char *) eventer_ssl_get_method(eventer_ssl_ctx_t *ctx);

/* Whether the session of an earlier connection was resumed. */
API_EXPORT(mtev_boolean) eventer_ssl_is_resumed(eventer_ssl_ctx_t *ctx);

/*
 * Write the common name in our own (local) or the peer's certificate to buffer, NUL-terminated and
 * cut to len bytes.  Return its length, or -1 if there is none.
 */
API_EXPORT(int)
eventer_ssl_get_local_commonname(eventer_ssl_ctx_t *ctx, char *buffer, int len);
API_EXPORT(int)
eventer_ssl_get_peer_commonname(eventer_ssl_ctx_t *ctx, char *buffer, int len);

/* The certificate of the peer, which the caller ends with X509_free(); NULL: it showed none. */
API_EXPORT(struct x509_st *) eventer_ssl_get_peer_certificate(eventer_ssl_ctx_t *ctx);

/* The session (borrowed while ctx lives); NULL: there is none. */
API_EXPORT(struct ssl_session_st *) eventer_ssl_get_session(eventer_ssl_ctx_t *ctx);

/* Give the protocol that was agreed on (borrowed while ctx lives; not NUL-terminated), or NULL. */
API_EXPORT(void)
eventer_ssl_get_alpn_selected(eventer_ssl_ctx_t *ctx, const uint8_t **ret_name, uint8_t *ret_len);

/* ---- protocols above TLS (ALPN, RFC 7301) ---------------------------------------- */

/*
 * What chooses: in is the client's list (inlen bytes: each name after one byte with its length).
 * Returns 0 with *out and *outlen at one of its names, or 3: none of them.
 */
typedef int (*eventer_ssl_alpn_func_t)(eventer_ssl_ctx_t *ctx, const uint8_t **out, uint8_t *outlen,
                                       const uint8_t *in, unsigned int inlen);

/*
 * Have f choose where the setting alpn of a server lists name (NUL-terminated, copied).  Names that
 * nobody registered are taken as they are, except h2, which is offered only when it is registered.
 * Returns 0, or -1 with EINVAL (1 to 255 bytes), EEXIST or ENOMEM.
 */
API_EXPORT(int) eventer_ssl_alpn_register(const char *name, eventer_ssl_alpn_func_t f);

/* Choose name (NUL-terminated) if it is in the list; as eventer_ssl_alpn_func_t. */
API_EXPORT(int)
eventer_ssl_alpn_match(const char *name, const uint8_t **out, uint8_t *outlen, const uint8_t *in,
                       unsigned int inlen);

/* Define func, which chooses key. */
#define EVENTER_SSL_ALPN_MATCHER(func, key)                                                        \
    static int func(eventer_ssl_ctx_t *ctx, const uint8_t **out, uint8_t *outlen,                  \
                    const uint8_t *in, unsigned int inlen)                                         \
    {                                                                                              \
        (void)ctx;                                                                                 \
        return eventer_ssl_alpn_match((key), out, outlen, in, inlen);                              \
    }

/* ---- figures --------------------------------------------------------------------- */

/* Handshakes of the whole process since its start. */
typedef struct eventer_ssl_stats {
    uint64_t completed;   /* as server or as client */
    uint64_t resumed;     /* of these, with the session of an earlier connection */
    uint64_t failed;      /* the peers that vanished included */
    uint64_t timed_out;   /* of those */
    uint64_t reloads;     /* contexts whose changed files were read again */
    uint64_t bad_reloads; /* and those that stayed as they were, since something was wrong */
} eventer_ssl_stats_t;
API_EXPORT(void) eventer_ssl_get_stats(eventer_ssl_stats_t *out);

MTEV_END_DECLS

#endif
