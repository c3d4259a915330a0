/* SPDX-License-Identifier: MIT */
/*
 * proxied.c - connections that a proxy made for somebody: the header is read, and nothing behind
 * it.
 */
#include "listener/acceptor.h"
#include "listener/listener_impl.h"
#include "listener/proxy.h"

#include "base/alloc.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define PATIENCE_NS (5 * CLOCK_NS_PER_S)

uint64_t proxied_patience_ns = PATIENCE_NS;

struct proxied { /* a connection whose header is on its way */
    mtev_acceptor_closure_t *ac;
    struct wheel_node timer;
    size_t len;  /* of bytes */
    size_t skip; /* bytes of the header that are still to come, and not looked at */
    bool is_told;
    char bytes[PROXY_LOOK_LEN];
};

bool proxied_is_expected(const struct listen_settings *settings, const struct sockaddr *address)
{
    const struct listen_values *v = &settings->v;
    for (uint32_t i = 0; i < v->proxy_count; i++)
        if (network_contains(&v->proxies[i], address))
            return true;
    return v->trusts_local && address->sa_family == AF_UNIX;
}

/* ---- reading --------------------------------------------------------------------- */

/* recv(2): bytes, or -errno; at the end of the stream -ECONNRESET. */
static ssize_t receive(const struct proxied *p, char *bytes, size_t len, int flags)
{
    ssize_t count;
    do
        count = recv(p->ac->fd, bytes, len, flags | MSG_DONTWAIT);
    while (count < 0 && errno == EINTR);
    return count > 0 ? count : count == 0 ? -ECONNRESET : -errno;
}

/*
 * Take some of the header off the stream.  What arrived is looked at first, so that nothing behind
 * the header is taken.  Returns 1 when it is complete, 0 when there may be more to take, or -errno.
 */
static int take_some(struct proxied *p, const char **ret_reason)
{
    struct proxy_header header;
    ssize_t count;
    if (p->skip > 0) {
        count = receive(p, p->bytes, MIN(p->skip, sizeof(p->bytes)), 0);
        if (count > 0)
            p->skip -= (size_t)count;
        return count > 0 ? p->skip == 0 : (int)count;
    }
    assert(p->len < sizeof(p->bytes));
    count = receive(p, p->bytes + p->len, sizeof(p->bytes) - p->len, MSG_PEEK);
    if (count < 0)
        return (int)count;
    int err = proxy_parse(p->bytes, p->len + (size_t)count, &header, ret_reason);
    if (err == -EPROTO)
        return err;
    size_t wanted = (size_t)count;
    if (err == 0)
        wanted = MIN(wanted, header.len - p->len);
    count = receive(p, p->bytes + p->len, wanted, 0); /* the same ones */
    if (count < 0)
        return (int)count;
    p->len += (size_t)count;
    if (err != 0)
        return 0;
    if (header.source.len > 0) {
        acceptor_set_remote(p->ac, &header.source.any, header.source.len);
        p->is_told = true;
    }
    p->skip = header.len - p->len;
    return p->skip == 0;
}

/* ---- its end --------------------------------------------------------------------- */

/* Forget p; the connection goes on, or is dropped. */
static mtev_acceptor_closure_t *leave(struct proxied *p)
{
    mtev_acceptor_closure_t *ac = p->ac;
    wheel_cancel(&p->timer);
    edge_unregister(ac->e);
    alloc_free(p);
    return ac;
}

static void give_up(struct proxied *p, const char *why)
{
    struct listener *l = p->ac->settings->listener;
    char peer[64];
    listener_count(&l->refused_proxy);
    mtev_convert_sockaddr_to_buff(peer, sizeof(peer), p->ac->remote);
    mtevL(mtev_debug, "listener %s: %s: PROXY protocol: %s\n", l->text, peer, why);
    acceptor_drop(leave(p));
}

static void deliver(struct proxied *p)
{
    mtev_acceptor_closure_t *ac = leave(p);
    if (acceptor_count_peer(ac) == 0) {
        acceptor_deliver(ac);
        return;
    }
    listener_count(&ac->settings->listener->refused_address);
    acceptor_refuse(ac);
}

static void on_ready(eventer_t e, uint32_t poll_bits)
{
    struct proxied *p = e->edge.context;
    const char *why = "the connection ended";
    int state;
    (void)poll_bits;
    do
        state = take_some(p, &why);
    while (state == 0);
    if (state == 1)
        deliver(p);
    else if (state == -EAGAIN)
        e->edge.may_read = false;
    else
        give_up(p, why);
}

static void on_deadline(struct wheel_node *node)
{
    give_up(list_entry(node, struct proxied, timer), "the header did not arrive in time");
}

void proxied_begin(mtev_acceptor_closure_t *ac)
{
    struct proxied *p = alloc_zeroed(1, sizeof(*p));
    eventer_t e = ac->e;
    int err = p == NULL ? -ENOMEM : 0;
    if (err == 0) {
        p->ac = ac;
        p->timer.fire = on_deadline;
        e->edge.context = p;
        err = edge_register(e, on_ready);
    }
    if (err != 0) {
        mtevL(mtev_error, "listener %s: a connection is dropped: %s\n",
              ac->settings->listener->text, strerror(-err));
        alloc_free(p);
        acceptor_drop(ac);
        return;
    }
    e->edge.may_read = false; /* the registration reports what is there already */
    wheel_add(&ac->loop->wheel, &p->timer, clock_mono_ns() + proxied_patience_ns);
}
