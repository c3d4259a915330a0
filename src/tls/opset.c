/* SPDX-License-Identifier: MIT */
/*
 * opset.c - reading, writing and closing through TLS, and the way from OpenSSL to the fd.
 *
 * What is remembered of an fd's readiness is in two places.  edge.may_recv is the kernel's: false
 * when the last recv(2) had no more.  edge.may_read is the caller's: a read may succeed, because
 * the kernel or OpenSSL has bytes.  OpenSSL reads ahead, so one recv takes all there is, and where
 * that was short of what it had room for, no other one is tried to learn of EAGAIN.
 *
 * A read may have to wait for room to write, and the reverse: then edge.crosses is set, and
 * whatever comes next of the fd lets both be tried again.
 *
 * Classic events are level-triggered.  Where a callback leaves bytes in OpenSSL's buffer, the
 * kernel has nothing more to report, so the callback is called again by mail.
 *
 * A peer can send records without end that are for OpenSSL alone: new keys, warnings.  So one call
 * takes no more from the kernel than RECVS_MAX times; then it says EAGAIN, and goes on by mail.
 */
#include "base/alloc.h"
#include "base/hot.h"
#include "eventer/fdtable.h"
#include "eventer/loop.h"
#include "eventer/wire.h"
#include "tls/tls_impl.h"

#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <poll.h>

#define RECVS_MAX 4 /* a record with bytes for the caller takes two at most */

/* ---- below OpenSSL --------------------------------------------------------------- */

/* True if e remembers its readiness, and the calling thread may know of it. */
static inline bool is_edge(eventer_t e)
{
    return (e->edge.on_ready != NULL || e->is_aco) && event_owner(e) == loop_self;
}

struct again { /* an event that is to be looked at again, for nobody else will report it */
    struct mail mail;
    eventer_t e; /* shared */
};

static void call_again(struct mail *mail, struct loop *loop)
{
    struct again *again = list_entry(mail, struct again, mail);
    eventer_t e = again->e;
    eventer_ssl_ctx_t *ctx = eventer_get_eventer_ssl_ctx(e);
    if (ctx != NULL) {
        ctx->is_again_due = false;
        if (is_edge(e) && e->edge.on_ready != NULL) {
            const uint32_t bits = e->edge.crosses ? POLLIN | POLLOUT : POLLIN;
            e->edge.may_read = e->edge.may_recv = true;
            e->edge.may_write |= e->edge.crosses;
            e->edge.crosses = false;
            e->edge.on_ready(e, bits);
        } else if (event_owner(e) == loop && !e->is_aco && (e->mask & EVENTER_READ) != 0 &&
                   eventer_find_fd(e->fd) == e && SSL_has_pending(ctx->ssl))
            fd_event_trigger(loop, e, EVENTER_READ);
    }
    eventer_free(e);
    alloc_free(again);
}

static void post_again(eventer_ssl_ctx_t *ctx, eventer_t e)
{
    if (ctx->is_again_due)
        return;
    struct again *again = alloc_bytes(sizeof(*again));
    if (again == NULL) {
        event_complain("eventer_read", e, ENOMEM, "what is buffered waits for more to come");
        return;
    }
    again->mail.run = call_again;
    again->e = e;
    eventer_ref(e);
    ctx->is_again_due = true;
    loop_post(loop_self, &again->mail);
}

static HOT int bio_read(BIO *bio, char *buffer, size_t len, size_t *ret_len)
{
    eventer_ssl_ctx_t *ctx = BIO_get_data(bio);
    eventer_t e = ctx->e;
    bool remembers = is_edge(e);
    ssize_t count = -1;
    int mask;
    BIO_clear_retry_flags(bio);
    errno = EAGAIN;
    if (__builtin_expect(ctx->recv_count == RECVS_MAX, 0)) {
        if (remembers) /* else the kernel reports it again */
            post_again(ctx, e);
        remembers = false;
    } else if (!remembers || e->edge.may_recv) {
        ctx->recv_count++;
        count = posix_read(e->fd, buffer, len, &mask, e);
    }
    if (count > 0) {
        if (remembers && (size_t)count < len && ctx->is_stream && e->edge.sticky == 0)
            e->edge.may_recv = false;
        *ret_len = (size_t)count;
        return 1;
    }
    *ret_len = 0;
    if (count < 0 && errno == EAGAIN) {
        if (remembers)
            e->edge.may_recv = false;
        ctx->blocked = EVENTER_READ;
        BIO_set_retry_read(bio);
    } else {
        ctx->error_number = count < 0 ? errno : ECONNRESET;
    }
    return 0;
}

static HOT int bio_write(BIO *bio, const char *buffer, size_t len, size_t *ret_len)
{
    eventer_ssl_ctx_t *ctx = BIO_get_data(bio);
    eventer_t e = ctx->e;
    int mask;
    BIO_clear_retry_flags(bio);
    ssize_t count = posix_write(e->fd, buffer, len, &mask, e);
    *ret_len = count > 0 ? (size_t)count : 0;
    if (count > 0)
        return 1;
    if (count < 0 && errno == EAGAIN) {
        ctx->blocked = EVENTER_WRITE;
        BIO_set_retry_write(bio);
    } else {
        ctx->error_number = count < 0 ? errno : EPIPE;
    }
    return 0;
}

static long bio_control(BIO *bio, int command, long number, void *argument)
{
    (void)number;
    (void)argument;
    if (command == BIO_CTRL_EOF) {
        eventer_ssl_ctx_t *ctx = BIO_get_data(bio);
        return ctx->error_number == ECONNRESET;
    }
    return command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *method; /* made before threads are */

static __attribute__((constructor)) void make_method(void)
{
    method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "eventer");
    if (method == NULL)
        return;
    BIO_meth_set_read_ex(method, bio_read);
    BIO_meth_set_write_ex(method, bio_write);
    BIO_meth_set_ctrl(method, bio_control);
}

BIO *tls_bio_new(eventer_ssl_ctx_t *ctx)
{
    BIO *bio = method == NULL ? NULL : BIO_new(method);
    if (bio == NULL)
        return NULL;
    BIO_set_data(bio, ctx);
    BIO_set_init(bio, 1);
    return bio;
}

/* ---- what OpenSSL says ----------------------------------------------------------- */

HOT void tls_enter(eventer_ssl_ctx_t *ctx, eventer_t e)
{
    ctx->e = e;
    ctx->blocked = 0;
    ctx->recv_count = 0;
    ctx->error_number = 0;
    if (__builtin_expect(ERR_peek_error() != 0, 0))
        ERR_clear_error();
}

/* The call waits for the other direction than it is for. */
static void cross(eventer_t e)
{
    e->edge.crosses = true;
    (void)edge_want_out(e); /* without it the next bytes of the peer let it go on */
}

/* What broke is broken for good. */
static int give_up(eventer_ssl_ctx_t *ctx)
{
    ctx->is_broken = true;
    ctx->error = (uint32_t)ERR_peek_last_error(); /* all of one is in 32 bits */
    ERR_clear_error();
    if (ctx->error_number == 0)
        ctx->error_number = EPROTO;
    return -ctx->error_number;
}

int tls_outcome(eventer_ssl_ctx_t *ctx, eventer_t e, int rv, int *mask)
{
    const int what = SSL_get_error(ctx->ssl, rv);
    if (what == SSL_ERROR_ZERO_RETURN)
        return 0;
    if (ctx->blocked == 0 || (what != SSL_ERROR_WANT_READ && what != SSL_ERROR_WANT_WRITE))
        return give_up(ctx);
    if (is_edge(e) && ctx->blocked == EVENTER_WRITE)
        e->edge.may_write = false;
    else if (is_edge(e)) /* what is not known to be gone is not reported: edge_awaited() */
        e->edge.may_read = false;
    *mask = ctx->blocked | EVENTER_EXCEPTION;
    return -EAGAIN;
}

static int fail(int err)
{
    errno = -err;
    return -1;
}

/* ---- above it -------------------------------------------------------------------- */

void tls_call_again(eventer_ssl_ctx_t *ctx, eventer_t e)
{
    if (!is_edge(e) && event_owner(e) == loop_self)
        post_again(ctx, e);
}

static HOT int tls_read(int fd, void *buffer, size_t len, int *mask, void *closure)
{
    eventer_t e = closure;
    eventer_ssl_ctx_t *ctx = e->wire_state;
    (void)fd;
    if (len > INT_MAX)
        len = INT_MAX;
    if (len == 0 || ctx->is_broken)
        return len == 0 ? 0 : fail(-ctx->error_number);
    tls_enter(ctx, e);
    int count = SSL_read(ctx->ssl, buffer, (int)len);
    if (__builtin_expect(count > 0, 1)) {
        tls_establish(ctx);
        if (SSL_has_pending(ctx->ssl) != 0)
            tls_call_again(ctx, e);
        else if (is_edge(e) && !e->edge.may_recv)
            e->edge.may_read = false; /* neither OpenSSL nor the kernel has more */
        return count;
    }
    int err = tls_outcome(ctx, e, count, mask);
    if (err == -EAGAIN && ctx->blocked == EVENTER_WRITE && is_edge(e))
        cross(e);
    return err == 0 ? 0 : fail(err);
}

static HOT int tls_write(int fd, const void *buffer, size_t len, int *mask, void *closure)
{
    eventer_t e = closure;
    eventer_ssl_ctx_t *ctx = e->wire_state;
    (void)fd;
    if (len > INT_MAX)
        len = INT_MAX;
    if (len == 0 || ctx->is_broken)
        return len == 0 ? 0 : fail(-EPIPE);
    tls_enter(ctx, e);
    int count = SSL_write(ctx->ssl, buffer, (int)len);
    if (__builtin_expect(count > 0, 1)) {
        tls_establish(ctx);
        return count;
    }
    int err = tls_outcome(ctx, e, count, mask);
    if (err == -EAGAIN && ctx->blocked == EVENTER_READ && is_edge(e))
        cross(e);
    return fail(err == 0 ? -EPIPE : err);
}

static int tls_accept(int fd, struct sockaddr *addr, socklen_t *len, int *mask, void *closure)
{
    (void)fd, (void)addr, (void)len, (void)mask, (void)closure;
    return fail(-EINVAL); /* it is connected */
}

/* Say that nothing more will be written, as far as that is possible without waiting. */
static void say_close(eventer_ssl_ctx_t *ctx, eventer_t e)
{
    if (!ctx->is_established || ctx->is_broken ||
        (SSL_get_shutdown(ctx->ssl) & SSL_SENT_SHUTDOWN) != 0)
        return;
    tls_enter(ctx, e);
    (void)SSL_shutdown(ctx->ssl);
    ERR_clear_error();
}

static int tls_finish(int fd, void *closure)
{
    eventer_t e = closure;
    say_close(e->wire_state, e);
    return posix_opset.finish(fd, e);
}

static int tls_close(int fd, int *mask, void *closure)
{
    eventer_t e = closure;
    eventer_ssl_ctx_t *ctx = e->wire_state;
    e->fd = fd; /* taken away from e before */
    say_close(ctx, e);
    e->fd = -1;
    e->wire_state = NULL;
    if (e->opset == &tls_opset)
        e->opset = &posix_opset;
    e->wire = &posix_opset;
    eventer_ssl_ctx_free(ctx);
    return posix_opset.close(fd, mask, e);
}

const struct eventer_fd_opset tls_opset = {
    .name = "SSL",
    .accept = tls_accept,
    .read = tls_read,
    .write = tls_write,
    .close = tls_close,
    .finish = tls_finish,
    .buffers = true,
};

const eventer_fd_opset_t eventer_SSL_fd_opset = &tls_opset;
