/* SPDX-License-Identifier: MIT */
/*
 * io.c - read, write, accept and close that look as if they blocked.
 *
 * Each operation is one frame deep: try, park, try again.  A frame between the coroutine's function
 * and the switch costs more than the switch itself (every ret after a system call mispredicts).
 */
#include "base/alloc.h"
#include "base/hot.h"
#include "coro/home_impl.h"
#include "eventer/wire.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- waking ---------------------------------------------------------------------- */

HOT void coro_on_ready(eventer_t e, uint32_t poll_bits)
{
    struct coro *reader = e->edge.reader, *writer = e->edge.writer;
    if (reader != NULL && e->edge.may_read)
        coro_wake(reader, reader->co.generation_, 0);
    if (writer != NULL && (poll_bits & (POLLOUT | POLLHUP | POLLERR)))
        coro_wake(writer, writer->co.generation_, 0);
}

static void cancel(struct coro **slot)
{
    struct coro *waiter = *slot;
    *slot = NULL;
    if (waiter != NULL && !coro_wake(waiter, waiter->co.generation_, -ECANCELED))
        waiter->result = -ECANCELED; /* woken already, and has not run: it must not touch e */
}

void coro_cancel_waits(eventer_t e)
{
    cancel(&e->edge.reader);
    cancel(&e->edge.writer);
}

/* ---- waiting --------------------------------------------------------------------- */

/* What of prepare_wait() a wait for the next bytes, without a time-out, has no need of. */
static __attribute__((noinline)) int arrange_wait(struct coro *self, eventer_t e,
                                                  struct coro **slot, uint64_t timeout_ns,
                                                  uint64_t *deadline_ns)
{
    if (slot == &e->edge.writer) {
        int err = edge_want_out(e);
        if (err != 0)
            return err;
    }
    if (e->edge.on_ready == NULL) {
        int err = edge_register(e, coro_on_ready);
        if (err != 0)
            return err;
    }
    if (timeout_ns > 0) {
        if (*deadline_ns == 0)
            *deadline_ns = clock_mono_ns() + timeout_ns;
        coro_arm_timer(self, *deadline_ns);
    }
    return 0;
}

/*
 * Make sure that self's next wait is ended by e's readiness (slot: e's reader or writer) or by the
 * deadline, which the first call computes from timeout_ns.  Returns 0 or -errno.
 */
static inline int prepare_wait(struct coro *self, eventer_t e, struct coro **slot,
                               uint64_t timeout_ns, uint64_t *deadline_ns)
{
    if (timeout_ns > 0 || e->edge.on_ready == NULL || slot == &e->edge.writer) {
        int err = arrange_wait(self, e, slot, timeout_ns, deadline_ns);
        if (err != 0)
            return err;
    }
    *slot = self;
    self->fd = e->fd;
    return 0;
}

/* Wait as prepared.  After -ECANCELED e may be gone. */
static inline __attribute__((always_inline)) int
wait_prepared(struct coro *self, struct coro **slot, enum coro_reason reason)
{
    int result = coro_park(self, reason);
    wheel_cancel(&self->timer);
    if (result != -ECANCELED)
        *slot = NULL;
    return result;
}

/*
 * A coroutine whose fd is always ready would keep the loop for itself.  So it has this many
 * operations in a turn, and then all others have theirs.
 */
#define OPERATIONS_MAX 16

static inline bool has_had_its_turn(struct coro *self)
{
    return ++coro_home_of(self)->operations > OPERATIONS_MAX;
}

/* Let others run; as one that waits for e, so that a close meanwhile is noticed.  0 or -errno. */
static __attribute__((noinline)) int pass_turn(struct coro *self, struct coro **slot)
{
    *slot = self;
    int result = coro_pass(self);
    coro_home_of(self)->operations = 1; /* the one that follows */
    if (result != -ECANCELED)
        *slot = NULL;
    return result;
}

/* Of a call: its own, if it has one, or its event's; 0: none. */
static __attribute__((noinline)) uint64_t timeout_or(const struct timeval *timeout,
                                                     uint64_t otherwise_ns)
{
    if (timeout == NULL)
        return otherwise_ns;
    uint64_t ns = clock_duration_ns(timeout);
    return ns == 0 ? 1 : ns; /* zero has passed at once; 0 means none */
}

#define TIMEOUT_NS(e, timeout, of)                                                                 \
    (aco_likely((timeout) == NULL && (e)->timeouts == NULL)                                        \
         ? 0                                                                                       \
         : timeout_or(timeout, (e)->timeouts == NULL ? 0 : (e)->timeouts->of))

static inline int fail(int err)
{
    errno = -err;
    return -1;
}

/*
 * Why self must not wait in slot of e: 0 or -errno; 1: it is no coroutine's call, and does not
 * wait.
 */
static inline int refusal(const struct coro *self, eventer_t e, struct coro *const *slot)
{
    if (aco_likely(self != NULL && event_owner(e) == loop_self && *slot == NULL))
        return 0;
    if (loop_self != NULL && event_owner(e) != loop_self)
        return -EXDEV;
    return self == NULL ? 1 : -EBUSY;
}

HOT int eventer_aco_read(eventer_aco_t aco, void *buffer, size_t len, struct timeval *timeout)
{
    eventer_t e = (eventer_t)aco;
    struct coro *self = coro_self();
    uint64_t deadline_ns = 0;
    int mask, rv = refusal(self, e, &e->edge.reader);
    if (aco_unlikely(rv < 0))
        return fail(rv);
    if (aco_unlikely(rv > 0))
        return e->wire->read(e->fd, buffer, len, &mask, e);
    uint64_t timeout_ns = TIMEOUT_NS(e, timeout, read_ns);
    for (;;) {
        if (e->edge.may_read) {
            if (aco_unlikely(has_had_its_turn(self))) {
                rv = pass_turn(self, &e->edge.reader);
                if (rv < 0)
                    return fail(rv);
            }
            rv = wire_read(e, buffer, len, &mask);
            edge_note_read(e, rv, len);
            if (rv >= 0 || errno != EAGAIN)
                return rv;
        }
        rv = prepare_wait(self, e, &e->edge.reader, timeout_ns, &deadline_ns);
        if (rv == 0)
            rv = wait_prepared(self, &e->edge.reader, CORO_WAITS_TO_READ);
        if (rv < 0)
            return fail(rv);
    }
}

HOT int eventer_aco_write(eventer_aco_t aco, const void *buffer, size_t len,
                          struct timeval *timeout)
{
    eventer_t e = (eventer_t)aco;
    struct coro *self = coro_self();
    uint64_t deadline_ns = 0;
    int mask, rv = refusal(self, e, &e->edge.writer);
    if (aco_unlikely(rv < 0))
        return fail(rv);
    if (aco_unlikely(rv > 0))
        return e->wire->write(e->fd, buffer, len, &mask, e);
    uint64_t timeout_ns = TIMEOUT_NS(e, timeout, write_ns);
    for (;;) {
        if (e->edge.may_write) {
            if (aco_unlikely(has_had_its_turn(self))) {
                rv = pass_turn(self, &e->edge.writer);
                if (rv < 0)
                    return fail(rv);
            }
            rv = wire_write(e, buffer, len, &mask);
            edge_note_write(e, rv);
            if (rv >= 0 || errno != EAGAIN)
                return rv;
        }
        rv = prepare_wait(self, e, &e->edge.writer, timeout_ns, &deadline_ns);
        if (rv == 0)
            rv = wait_prepared(self, &e->edge.writer, CORO_WAITS_TO_WRITE);
        if (rv < 0)
            return fail(rv);
    }
}

int eventer_aco_accept(eventer_aco_t aco, struct sockaddr *addr, socklen_t *len,
                       struct timeval *timeout)
{
    eventer_t e = (eventer_t)aco;
    struct coro *self = coro_self();
    uint64_t deadline_ns = 0;
    int mask, rv = refusal(self, e, &e->edge.reader);
    if (aco_unlikely(rv < 0))
        return fail(rv);
    if (aco_unlikely(rv > 0))
        return e->wire->accept(e->fd, addr, len, &mask, e);
    uint64_t timeout_ns = TIMEOUT_NS(e, timeout, accept_ns);
    for (;;) {
        if (e->edge.may_read) {
            if (aco_unlikely(has_had_its_turn(self))) {
                rv = pass_turn(self, &e->edge.reader);
                if (rv < 0)
                    return fail(rv);
            }
            rv = e->wire->accept(e->fd, addr, len, &mask, e);
            edge_note_read(e, rv, 0);
            if (rv >= 0 || errno != EAGAIN)
                return rv;
        }
        rv = prepare_wait(self, e, &e->edge.reader, timeout_ns, &deadline_ns);
        if (rv == 0)
            rv = wait_prepared(self, &e->edge.reader, CORO_WAITS_TO_ACCEPT);
        if (rv < 0)
            return fail(rv);
    }
}

int coro_await(eventer_t e, int mask, const struct timeval *timeout, uint64_t *deadline_ns)
{
    struct coro *self = coro_self();
    const bool to_write = (mask & EVENTER_WRITE) != 0;
    struct coro **slot = to_write ? &e->edge.writer : &e->edge.reader;
    int err = refusal(self, e, slot);
    if (err != 0)
        return err < 0 ? err : -EAGAIN;
    err = prepare_wait(self, e, slot, timeout_or(timeout, 0), deadline_ns);
    return err != 0
               ? err
               : wait_prepared(self, slot, to_write ? CORO_WAITS_TO_WRITE : CORO_WAITS_TO_READ);
}

/* ---- closing --------------------------------------------------------------------- */

static int close_here(eventer_t e)
{
    int fd = e->fd, mask;
    coro_cancel_waits(e);
    edge_unregister(e);
    e->fd = -1;
    return e->wire->close(fd, &mask, e);
}

struct close_mail {
    struct mail mail;
    eventer_t e; /* shares a reference */
};

static void close_there(struct mail *mail, struct loop *loop)
{
    struct close_mail *message = list_entry(mail, struct close_mail, mail);
    (void)loop;
    if (message->e->fd >= 0)
        close_here(message->e);
    eventer_free(message->e);
    alloc_free(message);
}

int eventer_aco_close(eventer_aco_t aco)
{
    eventer_t e = (eventer_t)aco;
    if (e->fd < 0) {
        errno = EBADFD;
        return -1;
    }
    if (event_owner(e) == loop_self)
        return close_here(e);
    struct close_mail *message = alloc_bytes(sizeof(*message)); /* from a job: its loop does it */
    if (message == NULL)
        return -1;
    message->mail.run = close_there;
    message->e = e;
    eventer_ref(e);
    loop_post(event_owner(e), &message->mail);
    return 0;
}

void eventer_aco_free(eventer_aco_t aco)
{
    eventer_t e = (eventer_t)aco;
    if (e != NULL && event_owner(e) == loop_self) {
        chain_remove(&e->belongs); /* somebody else may hold e for a moment longer */
        if (atomic_load_explicit(&e->refs, memory_order_acquire) == 1)
            coro_cancel_waits(e);
    }
    eventer_free(e);
}

/* ---- converting ------------------------------------------------------------------ */

static int opset_accept(int fd, struct sockaddr *addr, socklen_t *len, int *mask, void *closure)
{
    (void)fd;
    (void)mask;
    return eventer_aco_accept(closure, addr, len, NULL);
}

static int opset_read(int fd, void *buffer, size_t len, int *mask, void *closure)
{
    (void)fd;
    (void)mask;
    return eventer_aco_read(closure, buffer, len, NULL);
}

static int opset_write(int fd, const void *buffer, size_t len, int *mask, void *closure)
{
    (void)fd;
    (void)mask;
    return eventer_aco_write(closure, buffer, len, NULL);
}

static int opset_close(int fd, int *mask, void *closure)
{
    (void)fd;
    (void)mask;
    return eventer_aco_close(closure);
}

static const struct eventer_fd_opset coro_opset = {
    .name = "aco",
    .accept = opset_accept,
    .read = opset_read,
    .write = opset_write,
    .close = opset_close,
};

const eventer_fd_opset_t eventer_aco_fd_opset = &coro_opset;

void coro_convert(eventer_t e, bool is_stream)
{
    e->opset = &coro_opset;
    e->is_aco = true;
    e->edge.is_stream = is_stream && !e->wire->buffers;
    event_set_owner(e, loop_self);
}

/* Convert e for co, which is of this loop; NULL: none is. */
static eventer_aco_t convert_for(const char *call, eventer_t e, struct coro *co)
{
    const char *why = NULL;
    if (e == NULL || co == NULL)
        why = co == NULL ? "no coroutine of this loop" : "no event";
    else if (e->kind != EVENT_FD || e->is_aco || e->fd < 0)
        why = e->is_aco ? "it was converted before" : "it is no open fd";
    else if (eventer_find_fd(e->fd) == e)
        why = "it is registered; eventer_remove() it first";
    if (why != NULL && e != NULL)
        event_complain(call, e, EINVAL, why);
    else if (why != NULL)
        mtevL(eventer_err, "%s: %s\n", call, why);
    if (why != NULL) {
        errno = EINVAL;
        return NULL;
    }
    int protocol = 0;
    socklen_t len = sizeof(protocol);
    bool is_socket = getsockopt(e->fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &len) == 0;
    (void)eventer_set_fd_nonblocking(e->fd); /* one that blocked would stop the whole loop */
    /* A Unix stream is none here: what is read ends at an fd that was passed, with more behind it.
     */
    coro_convert(e, is_socket && protocol == IPPROTO_TCP);
    chain_add(&co->events, &e->belongs);
    return (eventer_aco_t)e;
}

eventer_aco_t eventer_set_eventer_aco(eventer_t e)
{
    return convert_for("eventer_set_eventer_aco", e, coro_self());
}

/* Make e a classic event again, which nobody waits for and which is not registered. */
static void unconvert(eventer_t e)
{
    coro_cancel_waits(e);
    if (e->edge.on_ready != NULL)
        edge_unregister(e);
    chain_remove(&e->belongs);
    e->opset = e->wire;
    e->is_aco = false;
}

eventer_aco_t eventer_set_eventer_aco_co(eventer_t e, aco_t *co)
{
    bool is_ours = co != NULL && co->scheduled_ == ACO_LOOP_;
    struct coro *owner = is_ours ? list_entry(co, struct coro, co) : NULL;
    if (co != NULL)
        return convert_for("eventer_set_eventer_aco_co", e,
                           owner != NULL && coro_home_of(owner) == home_self() ? owner : NULL);
    if (e == NULL || !e->is_aco || event_owner(e) != loop_self) {
        mtevL(eventer_err, "eventer_set_eventer_aco_co: it is no converted event of this loop\n");
        errno = EINVAL;
        return NULL;
    }
    unconvert(e);
    return NULL;
}

eventer_t eventer_get_this_event(void)
{
    const struct coro *self = coro_self();
    if (self == NULL)
        return event_this;
    return self->events == NULL ? NULL : list_entry(self->events, struct _event, belongs);
}

mtev_boolean eventer_is_aco(eventer_t e)
{
    return (e == NULL ? coro_self() != NULL : e->is_aco) ? mtev_true : mtev_false;
}

void *eventer_aco_get_closure(eventer_aco_t aco)
{
    return eventer_get_closure((eventer_t)aco);
}

void eventer_aco_set_closure(eventer_aco_t aco, void *closure)
{
    eventer_set_closure((eventer_t)aco, closure);
}

/* ---- default time-outs ----------------------------------------------------------- */

/* e's time-outs, made if need be; NULL and one line where there is no memory. */
static struct event_timeouts *timeouts_of(eventer_aco_t aco, const char *call)
{
    eventer_t e = (eventer_t)aco;
    if (e->timeouts == NULL)
        e->timeouts = alloc_zeroed(1, sizeof(*e->timeouts));
    if (e->timeouts == NULL)
        event_complain(call, e, ENOMEM, "the time-out is not set");
    return e->timeouts;
}

void eventer_aco_set_accept_timeout(eventer_aco_t aco, struct timeval *timeout)
{
    struct event_timeouts *timeouts = timeouts_of(aco, "eventer_aco_set_accept_timeout");
    if (timeouts != NULL)
        timeouts->accept_ns = timeout_or(timeout, 0);
}

void eventer_aco_set_read_timeout(eventer_aco_t aco, struct timeval *timeout)
{
    struct event_timeouts *timeouts = timeouts_of(aco, "eventer_aco_set_read_timeout");
    if (timeouts != NULL)
        timeouts->read_ns = timeout_or(timeout, 0);
}

void eventer_aco_set_write_timeout(eventer_aco_t aco, struct timeval *timeout)
{
    struct event_timeouts *timeouts = timeouts_of(aco, "eventer_aco_set_write_timeout");
    if (timeouts != NULL)
        timeouts->write_ns = timeout_or(timeout, 0);
}
