/* SPDX-License-Identifier: MIT */
/*
 * handshake.c - handshakes of accepted connections, on the loop's own stack, within a deadline.
 *
 * Until the first byte of a client has come there is nothing but the small struct; then there is an
 * SSL, and no coroutine and no buffer of ours.
 */
#include "base/alloc.h"
#include "eventer/loop.h"
#include "eventer/pool.h"
#include "tls/tls_impl.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#define LINES_MAX 10 /* on failures, in a second */

/* ---- figures and lines ----------------------------------------------------------- */

static _Atomic uint64_t counts[TLS_COUNT_COUNT];

void tls_count(enum tls_count what)
{
    atomic_fetch_add_explicit(&counts[what], 1, memory_order_relaxed); /* it orders nothing */
}

void eventer_ssl_get_stats(eventer_ssl_stats_t *out)
{
    uint64_t now[TLS_COUNT_COUNT];
    for (size_t i = 0; i < TLS_COUNT_COUNT; i++)
        now[i] = atomic_load_explicit(&counts[i], memory_order_relaxed);
    *out = (eventer_ssl_stats_t){.completed = now[TLS_COMPLETED],
                                 .resumed = now[TLS_RESUMED],
                                 .failed = now[TLS_FAILED],
                                 .timed_out = now[TLS_TIMED_OUT],
                                 .reloads = now[TLS_RELOADS],
                                 .bad_reloads = now[TLS_BAD_RELOADS]};
}

static mtev_log_stream_t stream; /* made before threads are */

static __attribute__((constructor)) void make_stream(void)
{
    stream = mtev_log_stream_find("debug/eventer/ssl");
}

/* False: there were enough lines in this second.  How many were left out is told with the next. */
static bool may_say(unsigned *ret_left_out)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of these three */
    static uint64_t second;
    static unsigned said, left_out;
    const uint64_t now = clock_mono_ns() / CLOCK_NS_PER_S;
    pthread_mutex_lock(&lock);
    if (second != now) {
        second = now;
        said = 0;
    }
    const bool may = said < LINES_MAX;
    *ret_left_out = may ? left_out : 0;
    left_out = may ? 0 : left_out + 1;
    said += may;
    pthread_mutex_unlock(&lock);
    return may;
}

bool tls_format_peer(int fd, char *text, size_t size)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
        struct sockaddr_un local;
    } peer;
    socklen_t len = sizeof(peer);
    char host[INET6_ADDRSTRLEN] = "?";
    memset(&peer, 0, sizeof(peer));
    if (getpeername(fd, &peer.any, &len) != 0)
        snprintf(text, size, "a peer that is gone");
    else if (peer.any.sa_family == AF_INET &&
             inet_ntop(AF_INET, &peer.v4.sin_addr, host, sizeof(host)) != NULL)
        snprintf(text, size, "%s:%u", host, ntohs(peer.v4.sin_port));
    else if (peer.any.sa_family == AF_INET6 &&
             inet_ntop(AF_INET6, &peer.v6.sin6_addr, host, sizeof(host)) != NULL)
        snprintf(text, size, "[%s]:%u", host, ntohs(peer.v6.sin6_port));
    else
        snprintf(text, size, "a local peer");
    return host[0] != '?';
}

void tls_say_failure(eventer_ssl_ctx_t *ctx, eventer_t e, const char *why)
{
    char peer[TLS_PEER_SIZE];
    unsigned left_out;
    if (!N_L_S_ON(stream) || !may_say(&left_out))
        return;
    (void)tls_format_peer(e->fd, peer, sizeof(peer));
    if (why == NULL && ctx != NULL)
        why = eventer_ssl_get_last_error(ctx);
    if (left_out > 0)
        mtevL(stream, "TLS: %u more handshakes failed\n", left_out);
    mtevL(stream, "TLS: the handshake with %s failed: %s\n", peer, why == NULL ? "?" : why);
}

/* ---- handshakes ------------------------------------------------------------------ */

struct handshake {
    eventer_t e;                 /* owned */
    struct tls_context *context; /* shared */
    const struct tls_handshake_ops *ops;
    void *closure;
    struct wheel_node timer;
    struct ring all; /* of the loop */
};

/* The handshakes of a loop, made on first use; NULL: no memory. */
static struct ring *all_of(struct loop *loop)
{
    if (loop->tls == NULL) {
        struct ring *all = alloc_bytes(sizeof(*all));
        if (all != NULL)
            ring_init(all);
        loop->tls = all;
    }
    return loop->tls;
}

static void forget(struct handshake *h)
{
    wheel_cancel(&h->timer);
    ring_remove(&h->all);
    tls_context_unref(h->context);
    alloc_free(h);
}

static void fail(struct handshake *h, const char *why)
{
    eventer_t e = h->e;
    const struct tls_handshake_ops *ops = h->ops;
    void *closure = h->closure;
    const int fd = e->fd;
    int mask;
    tls_say_failure(eventer_get_eventer_ssl_ctx(e), e, why);
    forget(h);
    edge_unregister(e);
    e->fd = -1;
    e->wire->close(fd, &mask, e);
    if (ops->failed != NULL)
        ops->failed(closure);
    eventer_free(e);
}

static void succeed(struct handshake *h, eventer_ssl_ctx_t *ctx)
{
    eventer_t e = h->e;
    const struct tls_handshake_ops *ops = h->ops;
    void *closure = h->closure;
    e->edge.may_read = e->edge.may_recv || SSL_has_pending(ctx->ssl) != 0;
    forget(h);
    ops->done(e, closure);
}

static void on_ready(eventer_t e, uint32_t poll_bits)
{
    struct handshake *h = e->edge.context;
    eventer_ssl_ctx_t *ctx = eventer_get_eventer_ssl_ctx(e);
    int mask = 0;
    (void)poll_bits;
    if (ctx == NULL) {
        ctx = tls_connection_new(h->context);
        if (ctx == NULL) {
            tls_count(TLS_FAILED);
            fail(h, "out of memory");
            return;
        }
        eventer_set_eventer_ssl_ctx(e, ctx);
    }
    int err = tls_handshake_step(ctx, e, &mask);
    if (err == 1)
        succeed(h, ctx);
    else if (err != -EAGAIN || ((mask & EVENTER_WRITE) != 0 && edge_want_out(e) != 0))
        fail(h, NULL);
}

static void on_deadline(struct wheel_node *node)
{
    struct handshake *h = list_entry(node, struct handshake, timer);
    tls_count(TLS_TIMED_OUT);
    tls_count(TLS_FAILED);
    fail(h, "it took too long");
}

bool tls_handshake_speaks(const eventer_ssl_ctx_t *ctx, const char *protocol)
{
    const eventer_t e = ctx == NULL ? NULL : ctx->e;
    if (e == NULL || e->kind != EVENT_FD || e->edge.on_ready != on_ready)
        return false; /* it is done by other means */
    const struct handshake *h = e->edge.context;
    return h->ops->speaks != NULL && h->ops->speaks(protocol, h->closure);
}

int tls_handshake_begin(eventer_t e, struct tls_context *context,
                        const struct tls_handshake_ops *ops, void *closure)
{
    struct ring *all = all_of(loop_self);
    struct handshake *h = all == NULL ? NULL : alloc_zeroed(1, sizeof(*h));
    if (h == NULL)
        return -ENOMEM;
    *h = (struct handshake){.e = e, .context = context, .ops = ops, .closure = closure};
    e->edge.context = h;
    int err = edge_register(e, on_ready);
    if (err != 0) {
        alloc_free(h);
        return err;
    }
    e->edge.may_read = false; /* the registration reports what is there already */
    tls_context_ref(context);
    ring_add_tail(all, &h->all);
    h->timer.fire = on_deadline;
    wheel_add(&loop_self->wheel, &h->timer,
              loop_self->now_ns + tls_context_handshake_ms(context) * CLOCK_NS_PER_MS);
    return 0;
}

/* ---- when the process ends ------------------------------------------------------- */

static void end_all(void *arg)
{
    struct ring *all = loop_self->tls;
    (void)arg;
    while (all != NULL && !ring_is_empty(all))
        fail(list_entry(all->next, struct handshake, all), "the process ends");
}

static void end_in(struct loop *loop, void *closure)
{
    loop_call(loop, end_all, closure);
}

void tls_handshakes_end(void)
{
    pool_each_loop(end_in, NULL);
}
