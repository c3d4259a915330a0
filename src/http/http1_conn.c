/* SPDX-License-Identifier: MIT */
/*
 * http1_conn.c - an HTTP/1 connection: reads heads, has requests answered, sends what they said.
 *
 * The states are drawn in http1_conn.h.  step() does what the present state allows and is called
 * until nothing more can be done without the peer, the clock or a coroutine.  Responses to
 * pipelined requests gather in the output and leave in one send when the input is used up.
 */
#include "http/http1_conn.h"

#include "base/alloc.h"
#include "coro/coro.h"
#include "eventer/pool.h"
#include "http/http2_conn.h"
#include "listener/listener.h"
#include "tls/tls.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

/* ---- the clock ------------------------------------------------------------------- */

/*
 * Have the deadline ns from now.  A timer that is armed for earlier is left: it looks again then.
 */
static void set_deadline(struct http1_conn *conn, uint64_t ns)
{
    conn->deadline_ns = conn->s.home->loop->now_ns + ns;
    if (!wheel_is_armed(&conn->timer) || conn->timer.due_ns > conn->deadline_ns)
        wheel_add(&conn->s.home->loop->wheel, &conn->timer, conn->deadline_ns);
}

/* ---- the end --------------------------------------------------------------------- */

/*
 * Free conn, which is closed, unless somebody further down the stack or in the mail still looks at
 * it.
 */
static void conn_free(struct http1_conn *conn)
{
    if (!conn->is_again_due && !conn->is_running)
        alloc_free(conn);
}

static void conn_close(struct http1_conn *conn)
{
    struct http_home *home = conn->s.home;
    int mask;
    assert(conn->state != CONN_HANDLING && !conn->is_closed);
    conn->is_closed = true;
    wheel_cancel(&conn->timer);
    edge_unregister(conn->s.e);
    if (conn->s.x != NULL) {
        session_end_request(&conn->s);
        exchange_give(home, conn->s.x);
        conn->s.x = NULL;
    }
    conn->s.e->wire->close(conn->s.e->fd, &mask, conn->s.e);
    conn->s.e->fd = -1;
    eventer_free(conn->s.e);
    http_home_leave(home, &conn->connection);
    conn_free(conn);
}

/* ---- output ---------------------------------------------------------------------- */

static void drop_output(struct http1_conn *conn)
{
    conn->s.x->out.len = conn->s.x->sent = 0;
}

/* Send what is in out: 0 when all is sent, -EAGAIN, or another -errno when the peer is gone. */
static int conn_send(struct http1_conn *conn)
{
    struct http_exchange *x = conn->s.x;
    int mask;
    while (x->sent < x->out.len && !conn->s.is_broken) {
        int count = conn->s.e->edge.may_write
                        ? wire_write(conn->s.e, x->out.bytes + x->sent, x->out.len - x->sent, &mask)
                        : -1;
        if (count < 0 && (!conn->s.e->edge.may_write || errno == EAGAIN)) {
            conn->s.e->edge.may_write = false;
            int err = edge_want_out(conn->s.e);
            if (err == 0)
                return -EAGAIN;
            conn->s.is_broken = true;
        } else if (count < 0) {
            conn->s.is_broken = true;
        } else {
            x->sent += (size_t)count;
        }
    }
    drop_output(conn);
    return conn->s.is_broken ? -EPIPE : 0;
}

/* Wait in the coroutine until out is sent.  0 or -errno.  Yields. */
static int conn_send_all(struct http1_conn *conn)
{
    struct http_exchange *x = conn->s.x;
    struct timeval patience = clock_timeval(conn->s.home->times.write);
    while (x->sent < x->out.len && !conn->s.is_broken) {
        int count = eventer_aco_write((eventer_aco_t)conn->s.e, x->out.bytes + x->sent,
                                      x->out.len - x->sent, &patience);
        if (count < 0)
            conn->s.is_broken = true;
        else
            x->sent += (size_t)count;
    }
    drop_output(conn);
    return conn->s.is_broken ? -EPIPE : 0;
}

int http1_send(mtev_http_session_ctx *ctx)
{
    struct http1_conn *conn = list_entry(ctx, struct http1_conn, s);
    return session_may_block(ctx) ? conn_send_all(conn) : conn_send(conn);
}

static int flush(mtev_http_session_ctx *ctx)
{
    int err = http1_compose(ctx);
    return err != 0 ? err : http1_send(ctx);
}

static void send_ended(mtev_http_session_ctx *ctx)
{
    if (!ctx->x->request.is_body_complete) /* the handler may go on reading it */
        ctx->x->response.must_close = true;
    if (!ctx->is_broken && http1_compose(ctx) == 0 && ctx->e->edge.writer == NULL)
        (void)conn_send(list_entry(ctx, struct http1_conn, s));
}

/*
 * ---- steps: each returns true if the next one may follow, false if there is nothing to do now
 * ----
 */

/* The connection is over once its output is sent. */
static bool write_and_close(struct http1_conn *conn)
{
    conn->s.x->response.must_close = true;
    conn->state = CONN_WRITING;
    set_deadline(conn, conn->s.home->times.write);
    return true;
}

/* Answer what is no proper request. */
static bool refuse(struct http1_conn *conn, int status, const char *why)
{
    struct mtev_http_request *req = &conn->s.x->request;
    if (req->head.version == 0) /* nothing is known of it */
        req->head.version = 11;
    req->head.keep_alive = false;
    http_respond_simply(&conn->s, status, why);
    (void)http1_compose(&conn->s);
    return write_and_close(conn);
}

/* The dispatcher is done with the request. */
static bool finish_request(struct http1_conn *conn)
{
    struct http_exchange *x = conn->s.x;
    bool body_is_over = http1_skip_body(&conn->s);
    session_settle(&conn->s);
    if (!body_is_over) /* what follows on the connection is of this request still */
        x->response.must_close = true;
    if (!conn->s.is_broken)
        (void)http1_compose(&conn->s);
    session_end_request(&conn->s);
    conn->state = CONN_WRITING;
    if (conn->s.is_broken) {
        conn_close(conn);
        return false;
    }
    if (x->response.must_close)
        return write_and_close(conn);
    x->start = x->body_at;
    exchange_reset(x);
    if (x->out.len - x->sent > HTTP_OUT_HIGH)
        set_deadline(conn, conn->s.home->times.write);
    else
        conn->state = CONN_READING;
    return true;
}

/* A handler that waits for the body may ask for everything that could happen; so it is not for
 * room. */
static bool waits_for_room(const struct http1_conn *conn, int mask)
{
    return (mask & EVENTER_WRITE) != 0 &&
           ((mask & EVENTER_READ) == 0 || conn->s.x->request.is_body_complete);
}

static bool dispatch(struct http1_conn *conn)
{
    conn->state = CONN_HANDLING;
    int next = session_dispatch(&conn->s);
    if (next == HTTP_DISPATCH_DONE)
        return finish_request(conn);
    if (next == HTTP_DISPATCH_PENDING) {
        conn->deadline_ns = 0;
        if (http_session_is_floated(&conn->s))
            set_deadline(conn, conn->s.home->times.floated);
        if (http_response_has_ended(&conn->s)) /* maybe by a job */
            send_ended(&conn->s);
        else if (conn->s.e->edge.writer == NULL) /* what earlier requests were answered */
            (void)conn_send(conn);
        return false;
    }
    conn->state = CONN_WAITING;
    set_deadline(conn, conn->s.home->times.body);
    if ((next & EVENTER_READ) != 0 && conn->s.e->edge.may_read)
        return true; /* it may go on at once, next turn */
    if (waits_for_room(conn, next) && conn->s.e->edge.may_write)
        return true;
    if ((next & EVENTER_WRITE) != 0)
        (void)edge_want_out(conn->s.e);
    return false;
}

/* Read what there is; false: nothing, for now or for ever. */
static bool read_input(struct http1_conn *conn)
{
    struct http_exchange *x = conn->s.x;
    int mask;
    if (x->start == x->in.len)
        x->start = x->in.len = 0;
    else if (x->in.len == x->in.capacity && x->start > 0) {
        buf_consume(&x->in, x->start);
        x->start = 0;
    }
    if (x->in.len == x->in.capacity && buf_reserve(&x->in, HTTP_IN_SIZE) != 0) {
        conn_close(conn);
        return false;
    }
    size_t room = x->in.capacity - x->in.len;
    int count = wire_read(conn->s.e, x->in.bytes + x->in.len, room, &mask);
    edge_note_read(conn->s.e, count, room);
    if (count > 0) {
        x->in.len += (size_t)count;
        return true;
    }
    if (count < 0 && errno == EAGAIN)
        return false;
    conn_close(conn); /* the end of the stream, or an error; a head that was begun is of no use */
    return false;
}

/* Nothing is left to parse: send, and wait for more or give the exchange back. */
static bool await_input(struct http1_conn *conn)
{
    struct http_exchange *x = conn->s.x;
    if (x->sent < x->out.len) {
        int err = conn_send(conn);
        if (err == -EAGAIN) {
            conn->state = CONN_WRITING;
            set_deadline(conn, conn->s.home->times.write);
            return false;
        }
        if (err != 0) {
            conn_close(conn);
            return false;
        }
    }
    if (conn->s.e->edge.may_read) {
        if (read_input(conn))
            return true;
        if (conn->is_closed)
            return false;
    }
    if (x->start < x->in.len) { /* a head was begun: its time runs from its first byte */
        if (x->seen == 0)
            x->seen = x->in.len - x->start;
        return false;
    }
    exchange_give(conn->s.home, x);
    conn->s.x = NULL;
    const bool has_own = conn->keepalive_ns != 0 && !conn->s.home->is_draining;
    set_deadline(conn, has_own ? conn->keepalive_ns : conn->s.home->times.keepalive);
    return false;
}

/* ---- HTTP/2 ---------------------------------------------------------------------- */

/* The event is another connection's now, or nobody's; what is left here goes. */
static bool leave(struct http1_conn *conn)
{
    wheel_cancel(&conn->timer);
    conn->is_closed = true;
    http_home_leave(conn->s.home, &conn->connection);
    return false;
}

/* The client's preface is there, with what follows it. */
static bool become_http2(struct http1_conn *conn)
{
    struct http_exchange *x = conn->s.x;
    int err = http2_conn_begin(conn->s.e, conn->s.home, conn->s.dispatch, x->in.bytes + x->start,
                               x->in.len - x->start);
    if (err != 0) {
        mtevL(mtev_error, "http: a connection is dropped: %s\n", strerror(-err));
        conn_close(conn);
        return false;
    }
    exchange_give(conn->s.home, x);
    conn->s.x = NULL;
    return leave(conn);
}

/* True if conn is no more: the request of ctx asks for HTTP/2, and is answered there. */
static bool upgrade(struct http1_conn *conn)
{
    static const char switching[] = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
                                    "Upgrade: h2c\r\n\r\n";
    struct http_exchange *x = conn->s.x;
    uint8_t settings[HTTP2_SETTINGS_LEN_MAX];
    if (!x->request.head.has_upgrade || eventer_get_eventer_ssl_ctx(conn->s.e) != NULL)
        return false;
    int len = http2_upgrade_asked(&conn->s, settings);
    const size_t before = x->out.len;
    if (len < 0 || buf_append(&x->out, switching, sizeof(switching) - 1) != 0)
        return false;
    if (http2_conn_upgrade(conn->s.e, conn->s.home, conn->s.dispatch, x, settings, (size_t)len) !=
        0) {
        x->out.len = before;
        return false;
    }
    conn->s.x = NULL;
    return true;
}

/* -EAGAIN, or 1 if the connection begins as one of HTTP/2 does; 0: it is one of HTTP/1. */
static int look_for_http2(struct http1_conn *conn, const char *bytes, size_t len)
{
    const int rv = http2_preface(bytes, len);
    if (rv != 0 && eventer_get_eventer_ssl_ctx(conn->s.e) == NULL &&
        http2_is_wanted(conn->s.acceptor))
        return rv;
    conn->is_fresh = false;
    return 0;
}

static bool is_head(const struct http1_head *head, const char *bytes)
{
    return head->version != 0 && head->method.len == 4 &&
           memcmp(bytes + head->method.offset, "HEAD", 4) == 0;
}

static bool step_reading(struct http1_conn *conn)
{
    static const struct http1_limits limits = HTTP1_LIMITS_DEFAULT;
    if (conn->s.x == NULL) {
        if (!conn->s.e->edge.may_read)
            return false;
        conn->s.x = exchange_take(conn->s.home);
        if (conn->s.x == NULL) {
            mtevL(mtev_error, "http: out of memory; a connection is dropped\n");
            conn_close(conn);
            return false;
        }
    }
    struct http_exchange *x = conn->s.x;
    size_t avail = x->in.len - x->start;
    if (avail == 0 || avail == x->seen)
        return await_input(conn);
    int status = conn->is_fresh ? look_for_http2(conn, x->in.bytes + x->start, avail) : 0;
    if (status == 1)
        return become_http2(conn);
    if (status == 0)
        status =
            http1_parse_head(x->in.bytes + x->start, avail, x->seen, &limits, &x->request.head);
    if (status == -EAGAIN) {
        if (x->seen == 0)
            set_deadline(conn, conn->s.home->times.head);
        x->seen = avail;
        return await_input(conn);
    }
    const char *why = x->request.head.reason;
    if (status == 0) {
        status = http1_begin_request(&conn->s);
        why = status == 503 ? "out of memory" : "the path cannot be decoded";
    } else if (is_head(&x->request.head, x->in.bytes + x->start)) {
        x->request.method = "HEAD"; /* its answer has no body */
    }
    if (status != 0)
        return refuse(conn, status, why);
    if (upgrade(conn))
        return leave(conn);
    return dispatch(conn);
}

static bool step_writing(struct http1_conn *conn)
{
    bool is_last = conn->s.x->response.must_close;
    size_t sent = conn->s.x->sent;
    int err = conn_send(conn);
    if (err == -EAGAIN) {
        if (conn->s.x->sent > sent)
            set_deadline(conn, conn->s.home->times.write);
        return false;
    }
    if (err != 0) {
        conn_close(conn);
        return false;
    }
    if (!is_last) {
        conn->state = CONN_READING;
        return true;
    }
    /* The peer may still be sending: closing now would reset the connection under our answer. */
    if (wire_finish(conn->s.e) != 0) {
        conn_close(conn);
        return false;
    }
    conn->state = CONN_LINGERING;
    set_deadline(conn, conn->s.home->times.linger);
    return true;
}

static bool step_lingering(struct http1_conn *conn)
{
    struct buf *in = &conn->s.x->in;
    int mask;
    if (!conn->s.e->edge.may_read)
        return false;
    int count = wire_read(conn->s.e, in->bytes, in->capacity, &mask);
    edge_note_read(conn->s.e, count, in->capacity);
    if (count < 0 && errno == EAGAIN)
        return false;
    conn->lingered += count > 0 ? (uint64_t)count : 0;
    if (count > 0 && conn->lingered < HTTP_LINGER_BYTES_MAX)
        return true;
    conn_close(conn);
    return false;
}

static bool step(struct http1_conn *conn)
{
    switch ((enum conn_state)conn->state) {
    case CONN_READING:
        return step_reading(conn);
    case CONN_WAITING:
        return dispatch(conn);
    case CONN_WRITING:
        return step_writing(conn);
    case CONN_LINGERING:
        return step_lingering(conn);
    case CONN_HANDLING:
        break;
    }
    return false;
}

static void run(struct http1_conn *conn)
{
    unsigned steps = 0;
    conn->is_running = true;
    while (step(conn) && steps < HTTP_STEPS_MAX)
        steps++;
    conn->is_running = false;
    if (conn->is_closed) {
        conn_free(conn);
    } else if (steps == HTTP_STEPS_MAX && !conn->is_again_due) { /* others have their turn first */
        conn->is_again_due = true;
        loop_post(conn->s.home->loop, &conn->again);
    }
}

static void run_again(struct mail *mail, struct loop *loop)
{
    struct http1_conn *conn = list_entry(mail, struct http1_conn, again);
    (void)loop;
    conn->is_again_due = false;
    if (conn->is_closed)
        conn_free(conn);
    else
        run(conn);
}

static void done(mtev_http_session_ctx *ctx)
{
    struct http1_conn *conn = list_entry(ctx, struct http1_conn, s);
    assert(conn->state == CONN_HANDLING);
    if (finish_request(conn))
        run(conn);
}

static void resume(mtev_http_session_ctx *ctx)
{
    struct http1_conn *conn = list_entry(ctx, struct http1_conn, s);
    assert(conn->state == CONN_HANDLING);
    if (http_response_has_ended(ctx) ? finish_request(conn) : dispatch(conn))
        run(conn);
}

/* ---- what wakes it --------------------------------------------------------------- */

static void on_ready(eventer_t e, uint32_t poll_bits)
{
    struct http1_conn *conn = e->edge.context;
    bool is_handled = conn->state == CONN_HANDLING || conn->state == CONN_WAITING;
    if (is_handled && (poll_bits & (POLLERR | POLLHUP)) != 0)
        conn->s.is_broken = true;
    else if (is_handled && e->edge.writer == NULL && conn->s.x->sent < conn->s.x->out.len)
        (void)conn_send(conn); /* what was flushed, or answers an earlier request */
    if ((poll_bits & EDGE_TRIGGERED) != 0 && http_session_is_floated(&conn->s))
        mtev_http_session_resume_after_float(&conn->s);
    else if (conn->state == CONN_HANDLING && conn->s.x->request.driver != NULL)
        conn->s.x->request.driver->ready(&conn->s);
    else if (conn->state == CONN_HANDLING)
        coro_on_ready(e, poll_bits);
    else if (!conn->is_again_due)
        run(conn);
}

/* True if the next request is there although we have not been told yet. */
static bool has_unread(const struct http1_conn *conn)
{
    char byte;
    return conn->state == CONN_READING && conn->s.x == NULL &&
           recv(conn->s.e->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 1;
}

static void on_deadline(struct wheel_node *node)
{
    struct http1_conn *conn = list_entry(node, struct http1_conn, timer);
    if (conn->deadline_ns == 0) /* whoever has the request keeps its own time */
        return;
    if (conn->is_again_due && conn->state == CONN_READING) /* it is us who are late */
        conn->deadline_ns = conn->s.home->loop->now_ns + conn->s.home->times.head;
    if (conn->deadline_ns > conn->s.home->loop->now_ns) {
        wheel_add(&conn->s.home->loop->wheel, &conn->timer, conn->deadline_ns);
        return;
    }
    if (conn->s.home->is_draining && has_unread(conn)) { /* it came just now, and is not lost */
        set_deadline(conn, HTTP_GRACE_NS);
        return;
    }
    if (conn->state == CONN_HANDLING) { /* it floats, and whoever has it may still write to it */
        mtevL(mtev_error, "http: %s: its handler floated the request and has not resumed it\n",
              conn->s.x->request.path);
        conn->deadline_ns = 0;
        conn->s.is_broken = true;
        (void)shutdown(conn->s.e->fd, SHUT_RDWR);
        return;
    }
    bool has_begun = conn->state == CONN_READING && conn->s.x != NULL;
    if (has_begun || conn->state == CONN_WAITING) {
        if (has_begun)
            conn->s.x->request.head.version = 0;
        if (refuse(conn, 408,
                   has_begun ? "the request head did not arrive in time"
                             : "the request body did not arrive in time"))
            run(conn);
        return;
    }
    conn_close(conn);
}

/* The process is about to end. */
static void drain(struct http_connection *connection)
{
    struct http1_conn *conn = list_entry(connection, struct http1_conn, connection);
    if (conn->state == CONN_READING || conn->state == CONN_LINGERING)
        set_deadline(conn, HTTP_GRACE_NS);
    else if (conn->state == CONN_HANDLING && conn->s.x->request.driver != NULL)
        conn->s.x->request.driver->drain(&conn->s);
}

static const struct http_carrier carrier = {
    .read = http1_read,
    .flush = flush,
    .send_ended = send_ended,
    .done = done,
    .resume = resume,
    .has_own_event = true,
};

int http1_conn_begin(eventer_t e, struct http_home *home, http_dispatch_func dispatch_func)
{
    struct http1_conn *conn = alloc_zeroed(1, sizeof(*conn));
    const bool is_known = e->edge.on_ready != NULL; /* from a handshake: what is ready was told */
    if (conn == NULL)
        return -ENOMEM;
    e->edge.context = conn;
    int err = edge_register(e, on_ready);
    if (err != 0) {
        alloc_free(conn);
        return err;
    }
    conn->s.carrier = &carrier;
    conn->s.e = e;
    conn->s.home = home;
    conn->s.dispatch = dispatch_func;
    conn->s.acceptor = e->closure;
    conn->keepalive_ns = listener_idle_ns(conn->s.acceptor);
    conn->timer.fire = on_deadline;
    conn->again.run = run_again;
    conn->state = CONN_READING;
    conn->is_fresh = true;
    http_home_enter(home, &conn->connection, drain);
    if (!is_known)
        e->edge.may_read = false; /* the registration reports what is there already */
    set_deadline(conn, home->times.head);
    if (e->edge.may_read)
        run(conn);
    return 0;
}
