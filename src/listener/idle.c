/* SPDX-License-Identifier: MIT */
/*
 * idle.c - idle_timeout: connections on which nothing moves are told so.
 *
 * Nothing is done when bytes move.  A timer looks once a period at when they last did: TCP knows
 * that itself; on a unix socket, whose kernel does not, reading and writing note the time.  The
 * timer is the connection's own and goes with it.  It asks which event is registered for the fd
 * now, and that must be one of this connection: so another one that got the fd is never hit.
 */
#include "listener/acceptor.h"

#include "coro/coro.h"
#include "eventer/fdtable.h"
#include "eventer/wire.h"
#include "listener/listener.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>

/* ---- when bytes moved ------------------------------------------------------------ */

static uint64_t now_here(void)
{
    return loop_self != NULL ? loop_self->now_ns : clock_mono_ns();
}

static mtev_acceptor_closure_t *connection_of(void *closure)
{
    return list_entry(((eventer_t)closure)->guest, mtev_acceptor_closure_t, guest);
}

static int noting_read(int fd, void *buffer, size_t len, int *mask, void *closure)
{
    int count = posix_read(fd, buffer, len, mask, closure);
    if (count > 0)
        atomic_store_explicit(&connection_of(closure)->last_read_ns, now_here(),
                              memory_order_relaxed);
    return count;
}

static int noting_write(int fd, const void *buffer, size_t len, int *mask, void *closure)
{
    int count = posix_write(fd, buffer, len, mask, closure);
    if (count > 0)
        atomic_store_explicit(&connection_of(closure)->last_write_ns, now_here(),
                              memory_order_relaxed);
    return count;
}

static struct eventer_fd_opset noting_opset; /* posix_opset, and the two above */

static __attribute__((constructor)) void make_opset(void)
{
    noting_opset = posix_opset;
    noting_opset.read = noting_read;
    noting_opset.write = noting_write;
}

/* For how long TCP has neither got nor sent anything. */
static uint64_t tcp_age_ns(int fd)
{
    struct tcp_info info;
    socklen_t len = sizeof(info);
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) != 0)
        return UINT64_MAX;
    return MIN(info.tcpi_last_data_recv, info.tcpi_last_data_sent) * CLOCK_NS_PER_MS;
}

static uint64_t age_since(uint64_t then_ns, uint64_t now_ns)
{
    return now_ns > then_ns ? now_ns - then_ns : 0;
}

uint64_t idle_age_ns(const mtev_acceptor_closure_t *ac, uint64_t now_ns)
{
    uint64_t read_ns = atomic_load_explicit(&ac->last_read_ns, memory_order_relaxed);
    uint64_t write_ns = atomic_load_explicit(&ac->last_write_ns, memory_order_relaxed);
    return age_since(MAX(read_ns, write_ns), now_ns);
}

/* ---- telling --------------------------------------------------------------------- */

/* The event of this connection that is registered; referenced.  NULL: none is. */
static eventer_t registered_event(const mtev_acceptor_closure_t *ac)
{
    struct fd_slot *slot = fdtable_find(ac->fd);
    eventer_t e = NULL;
    if (slot == NULL)
        return NULL;
    fd_slot_lock(slot);
    if (slot->event != NULL && slot->event->guest == &ac->guest) {
        e = slot->event;
        eventer_ref(e);
    }
    fd_slot_unlock(slot);
    return e;
}

/* A coroutine that waits for the connection is told as by a time-out of its own. */
static void time_out(struct coro *waiter)
{
    if (waiter != NULL)
        coro_wake(waiter, waiter->co.generation_, -ETIMEDOUT);
}

static void tell(eventer_t e)
{
    if (!e->is_aco) {
        eventer_trigger(e, EVENTER_EXCEPTION); /* in whatever loop it is now */
    } else if (event_owner(e) == loop_self) {
        time_out(e->edge.reader);
        time_out(e->edge.writer);
    }
}

/*
 * Look how long nothing has moved.  Who cannot be told, because he does something else or was told
 * before, has another period.
 */
static void look(struct wheel_node *node)
{
    mtev_acceptor_closure_t *ac = list_entry(node, mtev_acceptor_closure_t, timer);
    const uint64_t idle_ns = ac->settings->v.idle_ns, now_ns = ac->loop->now_ns;
    uint64_t age_ns = idle_age_ns(ac, now_ns), wait_ns = idle_ns;
    eventer_t e = registered_event(ac);
    if (e != NULL && age_ns >= idle_ns)
        age_ns = MIN(age_ns, tcp_age_ns(ac->fd));
    if (e != NULL && age_ns < idle_ns)
        wait_ns = idle_ns - age_ns;
    wheel_add(&ac->loop->wheel, &ac->timer, now_ns + wait_ns);
    if (e != NULL && age_ns >= idle_ns)
        tell(e); /* last: it may be the end of the connection */
    eventer_free(e);
}

void idle_begin(mtev_acceptor_closure_t *ac, eventer_t e)
{
    const uint64_t now_ns = ac->loop->now_ns;
    if (ac->settings->v.address.any.sa_family == AF_UNIX) { /* whoever a proxy has named */
        if (e->wire != &posix_opset)
            return; /* of TLS over a unix socket nothing is known */
        e->opset = e->wire = &noting_opset;
    }
    ac->timer.fire = look;
    wheel_add(&ac->loop->wheel, &ac->timer, now_ns + ac->settings->v.idle_ns);
}

uint64_t listener_idle_ns(const mtev_acceptor_closure_t *ac)
{
    return ac->settings->v.idle_ns;
}

/* ---- asking ---------------------------------------------------------------------- */

static uint64_t ns_of(const struct timeval *now)
{
    const uint64_t mono_ns = clock_mono_ns();
    if (now == NULL)
        return mono_ns;
    const uint64_t wall_ns = clock_wall_ns();
    const uint64_t then_ns =
        (uint64_t)now->tv_sec * CLOCK_NS_PER_S + (uint64_t)now->tv_usec * CLOCK_NS_PER_US;
    return then_ns < wall_ns ? mono_ns - MIN(mono_ns, wall_ns - then_ns) : mono_ns;
}

void mtev_acceptor_closure_mark_read(mtev_acceptor_closure_t *ac, struct timeval *now)
{
    atomic_store_explicit(&ac->last_read_ns, ns_of(now), memory_order_relaxed);
}

void mtev_acceptor_closure_mark_write(mtev_acceptor_closure_t *ac, struct timeval *now)
{
    atomic_store_explicit(&ac->last_write_ns, ns_of(now), memory_order_relaxed);
}

uint64_t mtev_acceptor_closure_readwrite_age(mtev_acceptor_closure_t *ac)
{
    const uint64_t now_ns = clock_mono_ns();
    uint64_t age_ns = idle_age_ns(ac, now_ns);
    eventer_t e = registered_event(ac);
    if (e != NULL)
        age_ns = MIN(age_ns, tcp_age_ns(ac->fd));
    eventer_free(e);
    return age_ns / CLOCK_NS_PER_MS;
}
