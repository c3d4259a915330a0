/* SPDX-License-Identifier: MIT */
/*
 * http2_conn.c - an HTTP/2 connection: bytes to nghttp2 and from it, its time, and its end.
 *
 * The states are drawn in http2_conn.h.  What a turn has brought is read to its end and handed to
 * handlers; then all frames that this has produced leave together.  Input and output go through
 * buffers of the loop, so that a connection has none of its own but for what its socket did not
 * take.
 */
#include "http/http2_conn.h"

#include "base/alloc.h"
#include "coro/coro.h"
#include "eventer/pool.h"
#include "eventer/wire.h"
#include "listener/listener.h"

#include <assert.h>
#include <errno.h>

/* ---- the end --------------------------------------------------------------------- */

/* Free conn, which is closed, unless somebody still looks at it. */
static void conn_free(struct http2_conn *conn)
{
    if (conn->is_again_due || conn->is_running || conn->stream_count > 0)
        return;
    eventer_free(conn->e);
    http_home_leave(conn->home, &conn->connection);
    buf_free(&conn->out);
    alloc_free(conn);
}

/* Call those handlers that are to be called now; what they make ready has its turn later. */
static void dispatch_ready(struct http2_conn *conn)
{
    for (uint32_t left = conn->stream_count; left > 0 && !ring_is_empty(&conn->ready); left--)
        http2_stream_dispatch(list_entry(conn->ready.next, struct http2_stream, ready));
}

/* Nothing more is said: its streams are over for the peer. */
static void end_session(struct http2_conn *conn)
{
    struct ring *link = conn->streams.next;
    if (conn->ng == NULL)
        return;
    while (link != &conn->streams) {
        struct http2_stream *stream = list_entry(link, struct http2_stream, all);
        link = link->next; /* it may go */
        if (!stream->is_closed)
            http2_stream_close(stream, NGHTTP2_CANCEL);
    }
    nghttp2_session_del(conn->ng);
    conn->ng = NULL;
    dispatch_ready(conn); /* those who wait are told */
}

static void conn_close(struct http2_conn *conn)
{
    int mask;
    assert(!conn->is_closed);
    end_session(conn);
    conn->is_closed = true;
    wheel_cancel(&conn->timer);
    edge_unregister(conn->e);
    conn->e->wire->close(conn->e->fd, &mask, conn->e);
    conn->e->fd = -1;
    conn_free(conn);
}

void http2_conn_fail(struct http2_conn *conn, uint32_t error_code)
{
    if (conn->has_failed)
        return;
    conn->has_failed = true;
    conn->failure = error_code;
}

/* All has been said and sent.  Closing now would reset the connection under what is on its way. */
static void linger(struct http2_conn *conn)
{
    end_session(conn);
    if (wire_finish(conn->e) != 0) {
        conn_close(conn);
        return;
    }
    conn->state = HTTP2_LINGERING;
    conn->linger_ns = conn->home->loop->now_ns;
    http2_conn_look_in(conn, conn->home->times.linger);
}

static bool step_lingering(struct http2_conn *conn)
{
    struct http2_room *room = conn->home->http2;
    int mask;
    if (!conn->e->edge.may_read)
        return false;
    int count = wire_read(conn->e, room->in, sizeof(room->in), &mask);
    edge_note_read(conn->e, count, sizeof(room->in));
    if (count < 0 && errno == EAGAIN)
        return false;
    conn->lingered += count > 0 ? (uint64_t)count : 0;
    if (count > 0 && conn->lingered < HTTP_LINGER_BYTES_MAX)
        return true;
    conn_close(conn);
    return false;
}

/* ---- output ---------------------------------------------------------------------- */

/* Send what the bytes are; returns how many were taken, or -errno: the peer is gone. */
static ssize_t send_some(struct http2_conn *conn, const char *bytes, size_t len)
{
    struct event_edge *edge = &conn->e->edge;
    size_t sent = 0;
    int mask;
    while (sent < len) {
        int count = edge->may_write ? wire_write(conn->e, bytes + sent, len - sent, &mask) : -1;
        if (count >= 0) {
            sent += (size_t)count;
        } else if (!edge->may_write || errno == EAGAIN) {
            edge->may_write = false;
            return edge_want_out(conn->e) == 0 ? (ssize_t)sent : -EPIPE;
        } else {
            return -EPIPE;
        }
    }
    return (ssize_t)sent;
}

/* Send what waits.  0: all of it; -EAGAIN; or another -errno. */
static int send_rest(struct http2_conn *conn)
{
    struct buf *out = &conn->out;
    if (out->len == 0)
        return 0;
    ssize_t sent = send_some(conn, out->bytes + conn->sent, out->len - conn->sent);
    if (sent < 0)
        return (int)sent;
    conn->sent += (size_t)sent;
    if (sent > 0)
        conn->out_ns = conn->home->loop->now_ns;
    if (conn->sent < out->len)
        return -EAGAIN;
    buf_free(out);
    conn->sent = 0;
    conn->out_ns = 0;
    return 0;
}

/* Send what is in the room; what the socket does not take waits in a buffer of the connection. */
static int send_room(struct http2_conn *conn, struct http2_room *room)
{
    ssize_t sent = send_some(conn, room->out, room->out_len);
    if (sent < 0)
        return (int)sent;
    if ((size_t)sent == room->out_len)
        return 0;
    if (buf_append(&conn->out, room->out + sent, room->out_len - (size_t)sent) != 0)
        return -ENOMEM;
    conn->out_ns = conn->home->loop->now_ns;
    http2_conn_look_in(conn, conn->home->times.write);
    return -EAGAIN;
}

/* Send the frames that are due.  0: all; -EAGAIN: the socket is full; or another -errno. */
static int send_frames(struct http2_conn *conn)
{
    struct http2_room *room = conn->home->http2;
    int err = send_rest(conn);
    do {
        if (err != 0)
            return err;
        room->out_len = 0;
        room->is_full = false;
        if (nghttp2_session_send(conn->ng) != 0)
            return -ENOMEM;
        err = send_room(conn, room);
    } while (room->is_full);
    return err;
}

/* ---- input ----------------------------------------------------------------------- */

/* What the peer did so that nghttp2 reads no more of it. */
static uint32_t error_code_of(int rv)
{
    return rv == NGHTTP2_ERR_FLOODED || rv == NGHTTP2_ERR_TOO_MANY_CONTINUATIONS
               ? NGHTTP2_ENHANCE_YOUR_CALM
               : NGHTTP2_PROTOCOL_ERROR;
}

/* Have nghttp2 look at the bytes. */
static void take_input(struct http2_conn *conn, const char *bytes, size_t len)
{
    if (conn->has_failed) /* nothing that follows counts */
        return;
    ssize_t rv = nghttp2_session_mem_recv(conn->ng, (const uint8_t *)bytes, len);
    if (rv < 0)
        http2_conn_fail(conn, rv == NGHTTP2_ERR_NOMEM || rv == NGHTTP2_ERR_CALLBACK_FAILURE
                                  ? NGHTTP2_INTERNAL_ERROR
                                  : error_code_of((int)rv));
}

/* Read what there is; false: nothing, for now or for ever. */
static bool read_input(struct http2_conn *conn)
{
    struct http2_room *room = conn->home->http2;
    int mask;
    int count = wire_read(conn->e, room->in, sizeof(room->in), &mask);
    edge_note_read(conn->e, count, sizeof(room->in));
    if (count > 0) {
        take_input(conn, room->in, (size_t)count);
        return true;
    }
    if (count == 0 || errno != EAGAIN)
        conn_close(conn);
    return false;
}

/* ---- steps ----------------------------------------------------------------------- */

/* Send, and end what is at its end.  True if there is something to do at once. */
static bool step_output(struct http2_conn *conn)
{
    int err = send_frames(conn);
    if (err != 0 && err != -EAGAIN) {
        conn_close(conn);
        return false;
    }
    if (conn->has_failed && nghttp2_session_want_read(conn->ng)) {
        /* The output has room for GOAWAY, and for nothing behind it. */
        if (nghttp2_session_terminate_session(conn->ng, conn->failure) != 0) {
            conn_close(conn);
            return false;
        }
        if (err == 0)
            err = send_frames(conn);
    }
    if (err == 0 && !nghttp2_session_want_read(conn->ng) && !nghttp2_session_want_write(conn->ng)) {
        linger(conn);
        return !conn->is_closed;
    }
    return !ring_is_empty(&conn->ready);
}

static bool step(struct http2_conn *conn)
{
    if (conn->is_closed)
        return false;
    if (conn->state == HTTP2_LINGERING)
        return step_lingering(conn);
    if (conn->e->edge.may_read) {
        bool has_read = read_input(conn);
        if (conn->is_closed)
            return false;
        if (has_read && conn->e->edge.may_read && ring_is_empty(&conn->ready))
            return true;
    }
    dispatch_ready(conn);
    if (conn->e->edge.may_read && !conn->has_failed)
        return true;
    return step_output(conn);
}

static void run(struct http2_conn *conn)
{
    unsigned steps = 0;
    conn->is_running = true;
    while (steps < HTTP_STEPS_MAX && step(conn))
        steps++;
    if (steps == HTTP_STEPS_MAX && !conn->is_closed && conn->state == HTTP2_OPEN)
        (void)step_output(conn); /* others have their turn, and the peer has what there is */
    conn->is_running = false;
    if (conn->is_closed)
        conn_free(conn);
    else if (steps == HTTP_STEPS_MAX)
        http2_conn_send_soon(conn);
}

static void run_again(struct mail *mail, struct loop *loop)
{
    struct http2_conn *conn = list_entry(mail, struct http2_conn, again);
    (void)loop;
    conn->is_again_due = false;
    if (conn->is_closed)
        conn_free(conn);
    else
        run(conn);
}

void http2_conn_send_soon(struct http2_conn *conn)
{
    if (conn->is_running || conn->is_again_due || conn->is_closed)
        return;
    conn->is_again_due = true;
    loop_post(conn->home->loop, &conn->again);
}

void http2_conn_is_idle(struct http2_conn *conn)
{
    if (conn->is_closed) {
        conn_free(conn);
        return;
    }
    const bool has_own = conn->keepalive_ns != 0 && !conn->home->is_draining;
    conn->idle_ns = conn->home->loop->now_ns;
    http2_conn_look_in(conn, has_own ? conn->keepalive_ns : conn->home->times.keepalive);
}

/* ---- the clock ------------------------------------------------------------------- */

void http2_conn_look_in(struct http2_conn *conn, uint64_t ns)
{
    const uint64_t due_ns = conn->home->loop->now_ns + ns;
    if (!conn->is_closed && (!wheel_is_armed(&conn->timer) || conn->timer.due_ns > due_ns))
        wheel_add(&conn->home->loop->wheel, &conn->timer, due_ns);
}

/*
 * How much is left of the patience with what has lasted since since_ns; 0: nothing; UINT64_MAX: it
 * is nothing that one waits for.
 */
static uint64_t left(uint64_t since_ns, uint64_t patience_ns, uint64_t now_ns)
{
    if (since_ns == 0)
        return UINT64_MAX;
    return now_ns - since_ns >= patience_ns ? 0 : patience_ns - (now_ns - since_ns);
}

/* Look at what the peer is to do for the connection; returns the time until the next look. */
static uint64_t look_at_peer(struct http2_conn *conn, uint64_t now_ns)
{
    const struct http_times *times = &conn->home->times;
    const bool has_own = conn->keepalive_ns != 0 && !conn->home->is_draining;
    const uint64_t idle_ns = has_own ? conn->keepalive_ns : times->keepalive;
    if (conn->has_failed)
        return UINT64_MAX;
    uint64_t begin =
        MIN(left(conn->settings_ns, times->head, now_ns), left(conn->head_ns, times->head, now_ns));
    uint64_t idle = left(conn->stream_count > 0 ? 0 : conn->idle_ns, idle_ns, now_ns);
    if (begin > 0 && idle > 0)
        return MIN(begin, idle);
    http2_conn_fail(conn, begin == 0 ? NGHTTP2_ENHANCE_YOUR_CALM : NGHTTP2_NO_ERROR);
    return UINT64_MAX;
}

static void look(struct http2_conn *conn, uint64_t now_ns)
{
    uint64_t next = look_at_peer(conn, now_ns);
    uint64_t drain = left(conn->drain_ns, HTTP_GRACE_NS, now_ns);
    if (drain == 0)
        http2_frames_drain(conn);
    else
        next = MIN(next, drain);
    next = MIN(next, left(conn->out_ns, conn->home->times.write, now_ns));
    struct ring *link = conn->streams.next;
    while (link != &conn->streams) {
        struct http2_stream *stream = list_entry(link, struct http2_stream, all);
        link = link->next; /* it may go */
        next = MIN(next, http2_stream_look(stream, now_ns));
    }
    if (next != UINT64_MAX)
        http2_conn_look_in(conn, next);
    run(conn);
}

static void on_deadline(struct wheel_node *node)
{
    struct http2_conn *conn = list_entry(node, struct http2_conn, timer);
    const uint64_t now_ns = conn->home->loop->now_ns;
    if (conn->state == HTTP2_LINGERING) {
        uint64_t rest = left(conn->linger_ns, conn->home->times.linger, now_ns);
        if (rest > 0)
            http2_conn_look_in(conn, rest);
        else
            conn_close(conn);
    } else if (left(conn->out_ns, conn->home->times.write, now_ns) == 0) {
        conn_close(conn);
    } else {
        look(conn, now_ns);
    }
}

/* ---- what wakes it --------------------------------------------------------------- */

static void on_ready(eventer_t e, uint32_t poll_bits)
{
    struct http2_conn *conn = e->edge.context;
    (void)poll_bits;
    if (!conn->is_again_due)
        run(conn);
}

/* The process is about to end. */
static void drain(struct http_connection *connection)
{
    struct http2_conn *conn = list_entry(connection, struct http2_conn, connection);
    if (conn->ng == NULL || conn->drain != HTTP2_DRAIN_NONE)
        return;
    http2_frames_drain(conn);
    http2_conn_send_soon(conn);
}

/* ---- the beginning --------------------------------------------------------------- */

static struct http2_conn *conn_new(eventer_t e, struct http_home *home, http_dispatch_func dispatch)
{
    struct http2_room *room = http2_room_get(home);
    struct http2_conn *conn = room == NULL ? NULL : alloc_zeroed(1, sizeof(*conn));
    if (conn == NULL)
        return NULL;
    conn->home = home;
    conn->e = e;
    conn->acceptor = e->closure;
    conn->dispatch = dispatch;
    conn->keepalive_ns = listener_idle_ns(conn->acceptor);
    conn->timer.fire = on_deadline;
    conn->again.run = run_again;
    conn->state = HTTP2_OPEN;
    conn->settings_ns = conn->idle_ns = home->loop->now_ns;
    ring_init(&conn->streams);
    ring_init(&conn->ready);
    buf_init(&conn->out, 2 * HTTP2_OUT_SIZE);
    if (http2_frames_begin(conn, room) == 0)
        return conn;
    alloc_free(conn);
    return NULL;
}

static void conn_discard(struct http2_conn *conn)
{
    nghttp2_session_del(conn->ng);
    buf_free(&conn->out);
    alloc_free(conn);
}

/* From here on the connection is conn's. */
static void conn_enter(struct http2_conn *conn)
{
    conn->e->edge.context = conn;
    http_home_enter(conn->home, &conn->connection, drain);
    http2_conn_look_in(conn, conn->home->times.head);
    if (conn->home->is_draining)
        http2_frames_drain(conn);
}

int http2_conn_begin(eventer_t e, struct http_home *home, http_dispatch_func dispatch,
                     const char *bytes, size_t len)
{
    const bool is_known = e->edge.on_ready != NULL; /* what is ready was told */
    struct http2_conn *conn = conn_new(e, home, dispatch);
    int err = conn == NULL ? -ENOMEM : edge_register(e, on_ready);
    if (err != 0) {
        if (conn != NULL)
            conn_discard(conn);
        return err;
    }
    if (!is_known)
        e->edge.may_read = false; /* the registration reports what is there already */
    conn_enter(conn);
    if (len > 0)
        take_input(conn, bytes, len);
    run(conn);
    return 0;
}

int http2_conn_upgrade(eventer_t e, struct http_home *home, http_dispatch_func dispatch,
                       struct http_exchange *x, const uint8_t *settings, size_t settings_len)
{
    struct http2_conn *conn = conn_new(e, home, dispatch);
    struct http2_stream *stream = NULL;
    const bool is_head = strcmp(x->request.method, "HEAD") == 0;
    int err = conn == NULL ? -ENOMEM : 0;
    if (err == 0)
        err = buf_append(&conn->out, x->out.bytes + x->sent, x->out.len - x->sent);
    if (err == 0) {
        stream = http2_stream_new(conn, x, 1);
        err = stream == NULL ? -ENOMEM : 0;
    }
    if (err == 0 &&
        nghttp2_session_upgrade2(conn->ng, settings, settings_len, is_head, stream) != 0)
        err = -EINVAL;
    if (err != 0) {
        if (conn != NULL)
            conn_discard(conn);
        return err;
    }
    (void)edge_register(e, on_ready); /* it is registered: another function */
    conn->out_ns = home->loop->now_ns;
    x->out.len = x->sent = 0;
    x->request.head.version = 20;
    conn_enter(conn);
    stream->is_parsed = stream->has_all = true;
    http2_stream_make_ready(stream);
    if (x->body_at < x->in.len) /* the preface, ahead of our answer; nothing of x moves */
        take_input(conn, x->in.bytes + x->body_at, x->in.len - x->body_at);
    run(conn);
    return 0;
}
