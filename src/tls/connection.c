/* SPDX-License-Identifier: MIT */
/*
 * connection.c - the TLS side of a connection: made, attached to an event, and its handshake as
 * callbacks and coroutines do it.
 */
#include "base/alloc.h"
#include "coro/coro.h"
#include "eventer/loop.h"
#include "tls/tls_impl.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>

/* ---- making ---------------------------------------------------------------------- */

eventer_ssl_ctx_t *tls_connection_new(struct tls_context *context)
{
    eventer_ssl_ctx_t *ctx = alloc_zeroed(1, sizeof(*ctx));
    if (ctx == NULL)
        return NULL;
    SSL_CTX *current = tls_context_current(context);
    ctx->ssl = SSL_new(current);
    SSL_CTX_free(current);
    BIO *bio = ctx->ssl == NULL ? NULL : tls_bio_new(ctx);
    if (bio == NULL) {
        SSL_free(ctx->ssl);
        alloc_free(ctx);
        ERR_clear_error();
        errno = ENOMEM;
        return NULL;
    }
    SSL_set_bio(ctx->ssl, bio, bio);
    if (context->type == SSL_SERVER)
        SSL_set_accept_state(ctx->ssl);
    else
        SSL_set_connect_state(ctx->ssl);
    tls_context_ref(context);
    ctx->context = context;
    return ctx;
}

void eventer_ssl_ctx_free(eventer_ssl_ctx_t *ctx)
{
    if (ctx == NULL)
        return;
    SSL_free(ctx->ssl);
    tls_context_unref(ctx->context);
    if (ctx->extra != NULL) {
        OPENSSL_free(ctx->extra->subject);
        OPENSSL_free(ctx->extra->issuer);
        alloc_free(ctx->extra->names);
        alloc_free(ctx->extra);
    }
    alloc_free(ctx);
}

eventer_ssl_ctx_t *tls_connection_of(const SSL *ssl)
{
    return BIO_get_data(SSL_get_rbio(ssl)); /* cheaper than a place in OpenSSL's own tables */
}

struct tls_extra *tls_extra_of(eventer_ssl_ctx_t *ctx)
{
    if (ctx->extra == NULL)
        ctx->extra = alloc_zeroed(1, sizeof(*ctx->extra));
    return ctx->extra;
}

static bool is_tcp(int fd)
{
    int protocol = 0;
    socklen_t len = sizeof(protocol);
    return getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &len) == 0 && protocol == IPPROTO_TCP;
}

void eventer_set_eventer_ssl_ctx(eventer_t e, eventer_ssl_ctx_t *ctx)
{
    if (e == NULL || ctx == NULL || e->kind != EVENT_FD || e->fd < 0 || e->wire == &tls_opset) {
        mtevL(eventer_err, "eventer_set_eventer_ssl_ctx: %s\n",
              ctx == NULL                          ? "no TLS"
              : e != NULL && e->wire == &tls_opset ? "the event has TLS already"
                                                   : "no event of an open fd");
        eventer_ssl_ctx_free(ctx);
        errno = EINVAL;
        return;
    }
    ctx->is_stream = e->edge.is_stream || is_tcp(e->fd);
    e->edge.is_stream = false; /* it is ctx that knows when there is no more */
    if (e->opset == e->wire)
        e->opset = &tls_opset;
    e->wire = &tls_opset;
    e->wire_state = ctx;
}

eventer_ssl_ctx_t *eventer_get_eventer_ssl_ctx(const eventer_t e)
{
    return e != NULL && e->wire == &tls_opset ? e->wire_state : NULL;
}

/* OpenSSL's macro for this casts a const away. */
static bool tell_name(SSL *ssl, const char *name)
{
    return SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                    (void *)(uintptr_t)name) == 1;
}

int eventer_ssl_ctx_set_sni(eventer_ssl_ctx_t *ctx, const char *name)
{
    const bool is_ok = ctx != NULL && name != NULL && *name != '\0' && tell_name(ctx->ssl, name);
    ERR_clear_error();
    if (!is_ok)
        errno = EINVAL;
    return is_ok ? 0 : -1;
}

static int refuse(int ok, X509_STORE_CTX *store)
{
    (void)ok, (void)store;
    return 0;
}

void eventer_ssl_ctx_set_verify(eventer_ssl_ctx_t *ctx, eventer_ssl_verify_func_t f, void *closure)
{
    struct tls_extra *extra = tls_extra_of(ctx);
    int mode = SSL_get_verify_mode(ctx->ssl);
    if (mode == SSL_VERIFY_NONE)
        mode = SSL_VERIFY_PEER;
    if (extra == NULL) {
        mtevL(eventer_err, "eventer_ssl_ctx_set_verify: out of memory; no peer is accepted\n");
        SSL_set_verify(ctx->ssl, mode, refuse);
        return;
    }
    extra->verify = f;
    extra->verify_closure = closure;
    SSL_set_verify(ctx->ssl, mode, tls_verify);
}

/* ---- the handshake --------------------------------------------------------------- */

void tls_count_completed(eventer_ssl_ctx_t *ctx)
{
    ctx->is_established = true;
    tls_count(TLS_COMPLETED);
    if (SSL_session_reused(ctx->ssl))
        tls_count(TLS_RESUMED);
}

int tls_handshake_step(eventer_ssl_ctx_t *ctx, eventer_t e, int *mask)
{
    if (ctx->is_broken)
        return -EPROTO;
    tls_enter(ctx, e);
    if (ctx->context->type == SSL_CLIENT && SSL_in_before(ctx->ssl))
        tls_session_recall(ctx);
    int rv = SSL_do_handshake(ctx->ssl);
    if (rv == 1) {
        tls_establish(ctx);
        return 1;
    }
    int err = tls_outcome(ctx, e, rv, mask);
    if (err == -EAGAIN)
        return err;
    tls_count(TLS_FAILED);
    if (err == 0) /* the peer said goodbye instead */
        ctx->error_number = ECONNRESET;
    ctx->is_broken = true;
    return -ctx->error_number;
}

/* What a failure is to who asked for the handshake. */
static int meaning(const eventer_ssl_ctx_t *ctx, int err)
{
    const bool is_distrust = ERR_GET_LIB(ctx->error) == ERR_LIB_SSL &&
                             ERR_GET_REASON(ctx->error) == SSL_R_CERTIFICATE_VERIFY_FAILED;
    return is_distrust ? -EACCES : err;
}

/* In a coroutine: until it is over.  0 or -errno; the latter may mean that e is gone. */
static int handshake(eventer_t e, const struct timeval *timeout)
{
    eventer_ssl_ctx_t *ctx = e->wire_state;
    uint64_t deadline_ns = 0;
    int mask, err;
    for (;;) {
        err = tls_handshake_step(ctx, e, &mask);
        if (err == 1)
            return 0;
        if (err != -EAGAIN)
            break;
        err = coro_await(e, mask, timeout, &deadline_ns);
        if (err == -ETIMEDOUT) {
            tls_count(TLS_TIMED_OUT);
            tls_count(TLS_FAILED);
        }
        if (err != 0)
            return err;
    }
    tls_say_failure(ctx, e, NULL);
    return meaning(ctx, err);
}

static int handshake_or_error(eventer_t e, eventer_ssl_orientation_t type, int *mask)
{
    eventer_ssl_ctx_t *ctx = eventer_get_eventer_ssl_ctx(e);
    if (ctx == NULL || ctx->context->type != type) {
        mtevL(eventer_err, "eventer_SSL_%s: %s\n", type == SSL_SERVER ? "accept" : "connect",
              ctx == NULL ? "the event has no TLS" : "it is the other side's");
        errno = EINVAL;
        return -1;
    }
    int err =
        e->is_aco && coro_self() != NULL ? handshake(e, NULL) : tls_handshake_step(ctx, e, mask);
    if (err >= 0) {
        if (SSL_has_pending(ctx->ssl))
            tls_call_again(ctx, e);
        return 1;
    }
    if (err != -EAGAIN && !e->is_aco)
        tls_say_failure(ctx, e, NULL);
    errno = err == -EAGAIN || err == -ECANCELED ? -err : EIO;
    return -1;
}

int eventer_SSL_accept(eventer_t e, int *mask)
{
    return handshake_or_error(e, SSL_SERVER, mask);
}

int eventer_SSL_connect(eventer_t e, int *mask)
{
    return handshake_or_error(e, SSL_CLIENT, mask);
}

int eventer_SSL_renegotiate(eventer_t e)
{
    (void)e;
    errno = ENOTSUP;
    return -1;
}

/* ---- for coroutines -------------------------------------------------------------- */

/* Have the server know, and prove, that it is host.  0, -EINVAL or -ENOMEM. */
static int expect_host(eventer_ssl_ctx_t *ctx, const char *host)
{
    unsigned char address[sizeof(struct in6_addr)];
    X509_VERIFY_PARAM *param = SSL_get0_param(ctx->ssl);
    bool is_ok;
    if (inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1) {
        is_ok = X509_VERIFY_PARAM_set1_ip_asc(param, host) == 1; /* RFC 6066: is not told */
    } else {
        X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
        is_ok = *host != '\0' && X509_VERIFY_PARAM_set1_host(param, host, 0) == 1 &&
                tell_name(ctx->ssl, host);
    }
    ERR_clear_error();
    return is_ok ? 0 : -EINVAL;
}

static int fail(int err)
{
    errno = -err;
    return -1;
}

static int attach_and_shake(eventer_aco_t aco, eventer_ssl_ctx_t *ctx,
                            eventer_ssl_orientation_t type, const struct timeval *timeout)
{
    eventer_t e = (eventer_t)aco;
    if (ctx == NULL || ctx->context->type != type || e->wire == &tls_opset || e->fd < 0) {
        eventer_ssl_ctx_free(ctx);
        return fail(-EINVAL);
    }
    eventer_set_eventer_ssl_ctx(e, ctx);
    int err = handshake(e, timeout);
    return err == 0 ? 0 : fail(err);
}

int eventer_aco_SSL_accept(eventer_aco_t aco, eventer_ssl_ctx_t *ctx, struct timeval *timeout)
{
    return attach_and_shake(aco, ctx, SSL_SERVER, timeout);
}

int eventer_aco_SSL_connect(eventer_aco_t aco, eventer_ssl_ctx_t *ctx, const char *host,
                            struct timeval *timeout)
{
    int err = ctx == NULL || host == NULL ? 0 : expect_host(ctx, host);
    if (err != 0) {
        eventer_ssl_ctx_free(ctx);
        return fail(err);
    }
    return attach_and_shake(aco, ctx, SSL_CLIENT, timeout);
}
