/* SPDX-License-Identifier: MIT */
/*
 * conn.c - an HTTP/1 connection: reads heads, has requests answered, sends what they said.
 *
 * The states are drawn in conn_impl.h.  step() does what the present state allows and is called
 * until nothing more can be done without the peer, the clock or a coroutine.  Responses to
 * pipelined requests gather in the output and leave in one send when the input is used up.
 */
#include "http/conn_impl.h"

#include "base/alloc.h"
#include "coro/coro.h"
#include "eventer/pool.h"
#include "listener/listener.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

/* ---- the clock ------------------------------------------------------------------- */

/*
 * Have the deadline ns from now.  A timer that is armed for earlier is left: it looks again then.
 */
static void set_deadline(mtev_http_session_ctx *ctx, uint64_t ns)
{
    ctx->deadline_ns = ctx->home->loop->now_ns + ns;
    if (!wheel_is_armed(&ctx->timer) || ctx->timer.due_ns > ctx->deadline_ns)
        wheel_add(&ctx->home->loop->wheel, &ctx->timer, ctx->deadline_ns);
}

/* ---- the end --------------------------------------------------------------------- */

/*
 * Free ctx, which is closed, unless somebody further down the stack or in the mail still looks at
 * it.
 */
static void conn_free(mtev_http_session_ctx *ctx)
{
    if (!ctx->is_again_due && !ctx->is_running)
        alloc_free(ctx);
}

static void end_request(mtev_http_session_ctx *ctx)
{
    struct mtev_http_request *req = &ctx->x->request;
    void (*at_end)(void *) = req->at_end;
    req->at_end = NULL;
    if (at_end != NULL)
        at_end(req->state);
}

static void conn_close(mtev_http_session_ctx *ctx)
{
    struct http_home *home = ctx->home;
    int mask;
    assert(ctx->state != CONN_HANDLING && !ctx->is_closed);
    ctx->is_closed = true;
    wheel_cancel(&ctx->timer);
    edge_unregister(ctx->e);
    if (ctx->x != NULL) {
        end_request(ctx);
        exchange_give(home, ctx->x);
        ctx->x = NULL;
    }
    ctx->e->wire->close(ctx->e->fd, &mask, ctx->e);
    ctx->e->fd = -1;
    eventer_free(ctx->e);
    ring_remove(&ctx->all);
    home->count--;
    conn_free(ctx);
}

/* ---- output ---------------------------------------------------------------------- */

bool conn_may_block(mtev_http_session_ctx *ctx)
{
    return ctx->state == CONN_HANDLING && loop_self == ctx->home->loop && coro_self() != NULL;
}

static void drop_output(mtev_http_session_ctx *ctx)
{
    ctx->x->out.len = ctx->x->sent = 0;
}

int conn_send(mtev_http_session_ctx *ctx)
{
    struct http_exchange *x = ctx->x;
    int mask;
    while (x->sent < x->out.len && !ctx->is_broken) {
        int count = ctx->e->edge.may_write
                        ? wire_write(ctx->e, x->out.bytes + x->sent, x->out.len - x->sent, &mask)
                        : -1;
        if (count < 0 && (!ctx->e->edge.may_write || errno == EAGAIN)) {
            ctx->e->edge.may_write = false;
            int err = edge_want_out(ctx->e);
            if (err == 0)
                return -EAGAIN;
            ctx->is_broken = true;
        } else if (count < 0) {
            ctx->is_broken = true;
        } else {
            x->sent += (size_t)count;
        }
    }
    drop_output(ctx);
    return ctx->is_broken ? -EPIPE : 0;
}

int conn_send_all(mtev_http_session_ctx *ctx)
{
    struct http_exchange *x = ctx->x;
    struct timeval patience = clock_timeval(ctx->home->times.write);
    while (x->sent < x->out.len && !ctx->is_broken) {
        int count = eventer_aco_write((eventer_aco_t)ctx->e, x->out.bytes + x->sent,
                                      x->out.len - x->sent, &patience);
        if (count < 0)
            ctx->is_broken = true;
        else
            x->sent += (size_t)count;
    }
    drop_output(ctx);
    return ctx->is_broken ? -EPIPE : 0;
}

void conn_send_ended(mtev_http_session_ctx *ctx)
{
    if (!ctx->x->request.is_body_complete) /* the handler may go on reading it */
        ctx->x->response.must_close = true;
    if (!ctx->is_broken && response_compose(ctx) == 0 && ctx->e->edge.writer == NULL)
        (void)conn_send(ctx);
}

/*
 * ---- steps: each returns true if the next one may follow, false if there is nothing to do now
 * ----
 */

/* The connection is over once its output is sent. */
static bool write_and_close(mtev_http_session_ctx *ctx)
{
    ctx->x->response.must_close = true;
    ctx->state = CONN_WRITING;
    set_deadline(ctx, ctx->home->times.write);
    return true;
}

/* Answer what is no proper request. */
static bool refuse(mtev_http_session_ctx *ctx, int status, const char *why)
{
    struct mtev_http_request *req = &ctx->x->request;
    if (req->head.version == 0) /* nothing is known of it */
        req->head.version = 11;
    req->head.keep_alive = false;
    http_respond_simply(ctx, status, why);
    (void)response_compose(ctx);
    return write_and_close(ctx);
}

/* The dispatcher is done with the request. */
static bool finish_request(mtev_http_session_ctx *ctx)
{
    struct http_exchange *x = ctx->x;
    bool body_is_over = request_skip_body(ctx);
    if (!x->response.has_ended) {
        mtevL(mtev_error, "http: %s: the handler did not end its response\n", x->request.path);
        x->response.must_close = true;
        http_respond_simply(ctx, 500, "the handler did not answer");
    }
    if (x->response.is_torn && !x->response.is_composed)
        http_respond_simply(ctx, 503, "out of memory");
    if (!body_is_over) /* what follows on the connection is of this request still */
        x->response.must_close = true;
    if (!ctx->is_broken)
        (void)response_compose(ctx);
    end_request(ctx);
    ctx->state = CONN_WRITING;
    if (ctx->is_broken) {
        conn_close(ctx);
        return false;
    }
    if (x->response.must_close)
        return write_and_close(ctx);
    x->start = x->body_at;
    exchange_reset(x);
    if (x->out.len - x->sent > HTTP_OUT_HIGH)
        set_deadline(ctx, ctx->home->times.write);
    else
        ctx->state = CONN_READING;
    return true;
}

/* A handler that waits for the body may ask for everything that could happen; so it is not for
 * room. */
static bool waits_for_room(const mtev_http_session_ctx *ctx, int mask)
{
    return (mask & EVENTER_WRITE) != 0 &&
           ((mask & EVENTER_READ) == 0 || ctx->x->request.is_body_complete);
}

static bool dispatch(mtev_http_session_ctx *ctx)
{
    ctx->state = CONN_HANDLING;
    ctx->is_dispatching = true;
    int next = ctx->dispatch(ctx);
    ctx->is_dispatching = false;
    if (next == HTTP_DISPATCH_DONE)
        return finish_request(ctx);
    if (next == HTTP_DISPATCH_PENDING) {
        ctx->deadline_ns = 0;
        if (http_response_has_ended(ctx)) /* maybe by a job */
            conn_send_ended(ctx);
        else if (ctx->e->edge.writer == NULL) /* what earlier requests were answered */
            (void)conn_send(ctx);
        return false;
    }
    ctx->state = CONN_WAITING;
    set_deadline(ctx, ctx->home->times.body);
    if ((next & EVENTER_READ) != 0 && ctx->e->edge.may_read) /* it may go on at once, next turn */
        return true;
    if (waits_for_room(ctx, next) && ctx->e->edge.may_write)
        return true;
    if ((next & EVENTER_WRITE) != 0)
        (void)edge_want_out(ctx->e);
    return false;
}

/* Read what there is; false: nothing, for now or for ever. */
static bool read_input(mtev_http_session_ctx *ctx)
{
    struct http_exchange *x = ctx->x;
    int mask;
    if (x->start == x->in.len)
        x->start = x->in.len = 0;
    else if (x->in.len == x->in.capacity && x->start > 0) {
        buf_consume(&x->in, x->start);
        x->start = 0;
    }
    if (x->in.len == x->in.capacity && buf_reserve(&x->in, HTTP_IN_SIZE) != 0) {
        conn_close(ctx);
        return false;
    }
    size_t room = x->in.capacity - x->in.len;
    int count = wire_read(ctx->e, x->in.bytes + x->in.len, room, &mask);
    edge_note_read(ctx->e, count, room);
    if (count > 0) {
        x->in.len += (size_t)count;
        return true;
    }
    if (count < 0 && errno == EAGAIN)
        return false;
    conn_close(ctx); /* the end of the stream, or an error; a head that was begun is of no use */
    return false;
}

/* Nothing is left to parse: send, and wait for more or give the exchange back. */
static bool await_input(mtev_http_session_ctx *ctx)
{
    struct http_exchange *x = ctx->x;
    if (x->sent < x->out.len) {
        int err = conn_send(ctx);
        if (err == -EAGAIN) {
            ctx->state = CONN_WRITING;
            set_deadline(ctx, ctx->home->times.write);
            return false;
        }
        if (err != 0) {
            conn_close(ctx);
            return false;
        }
    }
    if (ctx->e->edge.may_read) {
        if (read_input(ctx))
            return true;
        if (ctx->is_closed)
            return false;
    }
    if (x->start < x->in.len) { /* a head was begun: its time runs from its first byte */
        if (x->seen == 0)
            x->seen = x->in.len - x->start;
        return false;
    }
    exchange_give(ctx->home, x);
    ctx->x = NULL;
    const bool has_own = ctx->keepalive_ns != 0 && !ctx->home->is_draining;
    set_deadline(ctx, has_own ? ctx->keepalive_ns : ctx->home->times.keepalive);
    return false;
}

static bool is_head(const struct http1_head *head, const char *bytes)
{
    return head->version != 0 && head->method.len == 4 &&
           memcmp(bytes + head->method.offset, "HEAD", 4) == 0;
}

static bool step_reading(mtev_http_session_ctx *ctx)
{
    static const struct http1_limits limits = HTTP1_LIMITS_DEFAULT;
    if (ctx->x == NULL) {
        if (!ctx->e->edge.may_read)
            return false;
        ctx->x = exchange_take(ctx->home);
        if (ctx->x == NULL) {
            mtevL(mtev_error, "http: out of memory; a connection is dropped\n");
            conn_close(ctx);
            return false;
        }
    }
    struct http_exchange *x = ctx->x;
    size_t avail = x->in.len - x->start;
    if (avail == 0 || avail == x->seen)
        return await_input(ctx);
    int status =
        http1_parse_head(x->in.bytes + x->start, avail, x->seen, &limits, &x->request.head);
    if (status == -EAGAIN) {
        if (x->seen == 0)
            set_deadline(ctx, ctx->home->times.head);
        x->seen = avail;
        return await_input(ctx);
    }
    const char *why = x->request.head.reason;
    if (status == 0) {
        status = request_begin(ctx);
        why = status == 503 ? "out of memory" : "the path cannot be decoded";
    } else if (is_head(&x->request.head, x->in.bytes + x->start)) {
        x->request.method = "HEAD"; /* its answer has no body */
    }
    if (status != 0)
        return refuse(ctx, status, why);
    return dispatch(ctx);
}

static bool step_writing(mtev_http_session_ctx *ctx)
{
    bool is_last = ctx->x->response.must_close;
    size_t sent = ctx->x->sent;
    int err = conn_send(ctx);
    if (err == -EAGAIN) {
        if (ctx->x->sent > sent)
            set_deadline(ctx, ctx->home->times.write);
        return false;
    }
    if (err != 0) {
        conn_close(ctx);
        return false;
    }
    if (!is_last) {
        ctx->state = CONN_READING;
        return true;
    }
    /* The peer may still be sending: closing now would reset the connection under our answer. */
    if (wire_finish(ctx->e) != 0) {
        conn_close(ctx);
        return false;
    }
    ctx->state = CONN_LINGERING;
    set_deadline(ctx, ctx->home->times.linger);
    return true;
}

static bool step_lingering(mtev_http_session_ctx *ctx)
{
    struct buf *in = &ctx->x->in;
    int mask;
    if (!ctx->e->edge.may_read)
        return false;
    int count = wire_read(ctx->e, in->bytes, in->capacity, &mask);
    edge_note_read(ctx->e, count, in->capacity);
    if (count < 0 && errno == EAGAIN)
        return false;
    ctx->lingered += count > 0 ? (uint64_t)count : 0;
    if (count > 0 && ctx->lingered < HTTP_LINGER_BYTES_MAX)
        return true;
    conn_close(ctx);
    return false;
}

static bool step(mtev_http_session_ctx *ctx)
{
    switch ((enum conn_state)ctx->state) {
    case CONN_READING:
        return step_reading(ctx);
    case CONN_WAITING:
        return dispatch(ctx);
    case CONN_WRITING:
        return step_writing(ctx);
    case CONN_LINGERING:
        return step_lingering(ctx);
    case CONN_HANDLING:
        break;
    }
    return false;
}

static void run(mtev_http_session_ctx *ctx)
{
    unsigned steps = 0;
    ctx->is_running = true;
    while (step(ctx) && steps < HTTP_STEPS_MAX)
        steps++;
    ctx->is_running = false;
    if (ctx->is_closed) {
        conn_free(ctx);
    } else if (steps == HTTP_STEPS_MAX && !ctx->is_again_due) { /* others have their turn first */
        ctx->is_again_due = true;
        loop_post(ctx->home->loop, &ctx->again);
    }
}

static void run_again(struct mail *mail, struct loop *loop)
{
    mtev_http_session_ctx *ctx = list_entry(mail, mtev_http_session_ctx, again);
    (void)loop;
    ctx->is_again_due = false;
    if (ctx->is_closed)
        conn_free(ctx);
    else
        run(ctx);
}

void http_request_done(mtev_http_session_ctx *ctx)
{
    assert(ctx->state == CONN_HANDLING && !ctx->is_dispatching);
    if (finish_request(ctx))
        run(ctx);
}

/* ---- what wakes it --------------------------------------------------------------- */

static void on_ready(eventer_t e, uint32_t poll_bits)
{
    mtev_http_session_ctx *ctx = e->edge.context;
    bool is_handled = ctx->state == CONN_HANDLING || ctx->state == CONN_WAITING;
    if (is_handled && (poll_bits & (POLLERR | POLLHUP)) != 0)
        ctx->is_broken = true;
    else if (is_handled && e->edge.writer == NULL && ctx->x->sent < ctx->x->out.len)
        (void)conn_send(ctx); /* what was flushed, or answers an earlier request */
    if (ctx->state == CONN_HANDLING)
        coro_on_ready(e, poll_bits);
    else if (!ctx->is_again_due)
        run(ctx);
}

/* True if the next request is there although we have not been told yet. */
static bool has_unread(const mtev_http_session_ctx *ctx)
{
    char byte;
    return ctx->state == CONN_READING && ctx->x == NULL &&
           recv(ctx->e->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 1;
}

static void on_deadline(struct wheel_node *node)
{
    mtev_http_session_ctx *ctx = list_entry(node, mtev_http_session_ctx, timer);
    if (ctx->deadline_ns == 0) /* whoever has the request keeps its own time */
        return;
    if (ctx->is_again_due && ctx->state == CONN_READING) /* it is us who are late */
        ctx->deadline_ns = ctx->home->loop->now_ns + ctx->home->times.head;
    if (ctx->deadline_ns > ctx->home->loop->now_ns) {
        wheel_add(&ctx->home->loop->wheel, &ctx->timer, ctx->deadline_ns);
        return;
    }
    if (ctx->home->is_draining && has_unread(ctx)) { /* it came just now, and is not lost */
        set_deadline(ctx, HTTP_GRACE_NS);
        return;
    }
    bool has_begun = ctx->state == CONN_READING && ctx->x != NULL;
    if (has_begun || ctx->state == CONN_WAITING) {
        if (has_begun)
            ctx->x->request.head.version = 0;
        if (refuse(ctx, 408,
                   has_begun ? "the request head did not arrive in time"
                             : "the request body did not arrive in time"))
            run(ctx);
        return;
    }
    conn_close(ctx);
}

static void accepted(eventer_t e, void *context)
{
    struct http_home *home = http_home_self();
    mtev_http_session_ctx *ctx = home == NULL ? NULL : alloc_zeroed(1, sizeof(*ctx));
    const bool is_known = e->edge.on_ready != NULL; /* from a handshake: what is ready was told */
    int mask, err = ctx == NULL ? -ENOMEM : 0;
    if (err == 0) {
        e->edge.context = ctx;
        err = edge_register(e, on_ready);
    }
    if (err != 0) {
        mtevL(mtev_error, "http: a connection is dropped: %s\n", strerror(-err));
        edge_unregister(e);
        e->wire->close(e->fd, &mask, e);
        e->fd = -1;
        eventer_free(e);
        alloc_free(ctx);
        return;
    }
    ctx->e = e;
    ctx->home = home;
    ctx->dispatch = (http_dispatch_func)(uintptr_t)context;
    ctx->acceptor = e->closure;
    ctx->keepalive_ns = listener_idle_ns(ctx->acceptor);
    ctx->timer.fire = on_deadline;
    ctx->again.run = run_again;
    ctx->state = CONN_READING;
    ring_add_tail(&home->all, &ctx->all);
    home->count++;
    if (!is_known)
        e->edge.may_read = false; /* the registration reports what is there already */
    set_deadline(ctx, ctx->home->times.head);
    if (e->edge.may_read)
        run(ctx);
}

mtev_acceptor_closure_t *http_session_acceptor(mtev_http_session_ctx *ctx)
{
    return ctx->acceptor;
}

int http_session_fd(const mtev_http_session_ctx *ctx)
{
    return ctx->e->fd;
}

/* ---- when the process ends ------------------------------------------------------- */

/*
 * A peer that was not told that the connection will close may be sending its next request: such a
 * connection waits for that a while, and the answer says so.
 */
static void drain_home(void *arg)
{
    struct http_home *home = loop_self->http;
    if (home == NULL)
        return;
    home->is_draining = true;
    home->times.keepalive = home->times.linger = HTTP_GRACE_NS;
    home->times.head = MIN(home->times.head, HTTP_GRACE_NS);
    for (struct ring *link = home->all.next; link != &home->all; link = link->next) {
        mtev_http_session_ctx *ctx = list_entry(link, mtev_http_session_ctx, all);
        if (ctx->state == CONN_READING || ctx->state == CONN_LINGERING)
            set_deadline(ctx, HTTP_GRACE_NS);
    }
}

static void drain_loop(struct loop *loop, void *closure)
{
    loop_call(loop, drain_home, closure);
}

static void drain_all(void)
{
    pool_each_loop(drain_loop, NULL);
}

static void count_home(void *arg)
{
    size_t *left = arg;
    const struct http_home *home = loop_self->http;
    *left += home == NULL ? 0 : home->count;
}

static void count_loop(struct loop *loop, void *closure)
{
    loop_call(loop, count_home, closure);
}

static size_t count_all(void)
{
    size_t left = 0;
    pool_each_loop(count_loop, &left);
    return left;
}

/* To whoever connects when there are too many already. */
static const char refusal[] = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n"
                              "Retry-After: 1\r\nConnection: close\r\n\r\n";

int http_register_listener(const char *name, http_dispatch_func dispatch_func)
{
    static bool has_hook;
    if (!has_hook) {
        int err = pool_at_stop(drain_all);
        if (err == 0)
            err = pool_at_drain(count_all);
        if (err != 0)
            return err;
        has_hook = true;
    }
    int err = listener_register_type(name, accepted, (void *)(uintptr_t)dispatch_func);
    return err != 0 ? err : listener_set_refusal(name, refusal);
}
