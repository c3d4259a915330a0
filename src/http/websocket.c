/* SPDX-License-Identifier: MIT */
/*
 * websocket.c - the machine behind a WebSocket; websocket_impl.h is its picture.
 */
#include "http/websocket_impl.h"

#include "base/alloc.h"
#include "coro/coro.h"
#include "listener/listener.h"

#include <errno.h>
#include <mtev_http1.h>

#define ROUNDS_MAX 16 /* of messages in one turn, before others have theirs */

/* ---- memory ---------------------------------------------------------------------- */

static struct websocket_message *message_new(int opcode, const void *bytes, size_t len)
{
    struct websocket_message *message = alloc_bytes(sizeof(*message) + len);
    if (message == NULL)
        return NULL;
    memset(message, 0, sizeof(*message));
    message->opcode = opcode;
    message->len = len;
    message->data = message->bytes;
    if (len > 0)
        memcpy(message->bytes, bytes, len);
    return message;
}

void websocket_message_free(struct websocket_message *message)
{
    if (message != NULL)
        alloc_free(message->inflated);
    alloc_free(message);
}

static void drop_messages(struct queue *queue)
{
    struct queue_node *node;
    while ((node = queue_take(queue)) != NULL)
        websocket_message_free(list_entry(node, struct websocket_message, node));
}

static void hold(struct websocket *ws)
{
    atomic_fetch_add_explicit(&ws->refs, 1, memory_order_relaxed);
}

void websocket_drop(struct websocket *ws)
{
    if (atomic_fetch_sub_explicit(&ws->refs, 1, memory_order_acq_rel) > 1)
        return;
    if (ws->frames != NULL)
        wslay_event_context_free(ws->frames);
    drop_messages(&ws->inbox);
    drop_messages(&ws->outbox);
    websocket_message_free(ws->taken);
    alloc_free(ws);
}

/* ---- what is said from elsewhere -------------------------------------------------- */

static void on_mail(struct mail *mail, struct loop *loop)
{
    struct websocket *ws = list_entry(mail, struct websocket, mail);
    (void)loop;
    spinlock_lock(&ws->lock);
    ws->is_mailed = false;
    spinlock_unlock(&ws->lock);
    if (ws->ctx != NULL)
        websocket_drive(ws);
    websocket_drop(ws);
}

/* Have its loop drive it, soon.  Any thread. */
static void wake(struct websocket *ws)
{
    spinlock_lock(&ws->lock);
    bool is_first = !ws->is_mailed;
    ws->is_mailed = true;
    spinlock_unlock(&ws->lock);
    if (!is_first)
        return;
    hold(ws);
    loop_post(ws->loop, &ws->mail);
}

/* ---- the end --------------------------------------------------------------------- */

/* waiter: NULL if there is none. */
static void wake_waiter(struct coro *waiter)
{
    if (waiter != NULL)
        coro_wake(waiter, waiter->co.generation_, 0);
}

static void wake_waiters(struct websocket *ws)
{
    wake_waiter(ws->receiver);
    wake_waiter(ws->sender);
}

/* Nothing is said any more; is_lost: nor can it be, and what waits is not sent. */
static void be_over(struct websocket *ws, bool is_lost)
{
    if (is_lost)
        ws->ctx->is_broken = true;
    if (ws->is_over)
        return;
    ws->is_over = true;
    spinlock_lock(&ws->lock);
    ws->is_shut = true;
    spinlock_unlock(&ws->lock);
    wheel_cancel(&ws->timer);
    wake_waiters(ws);
    wake(ws);
}

void websocket_end(struct websocket *ws)
{
    be_over(ws, true);
    ws->ctx = NULL;
    websocket_drop(ws);
}

void websocket_release(mtev_http_session_ctx *ctx)
{
    struct websocket *ws = ctx->x->request.websocket;
    ws->is_released = true;
    websocket_close(ws, WSLAY_CODE_NORMAL_CLOSURE);
    wake(ws);
}

/* ---- out ------------------------------------------------------------------------- */

/* What wslay has framed goes behind the response's body. */
static ssize_t on_send(wslay_event_context_ptr frames, const uint8_t *data, size_t len, int flags,
                       void *user_data)
{
    struct websocket *ws = user_data;
    struct http_response *res = &ws->ctx->x->response;
    (void)flags;
    spinlock_lock(&res->lock);
    int err = buf_append(&res->body, data, len);
    spinlock_unlock(&res->lock);
    if (err == 0)
        return (ssize_t)len;
    wslay_event_set_error(frames, WSLAY_ERR_CALLBACK_FAILURE);
    return -1;
}

/* Frame a message, compressed where that is agreed on and makes it shorter.  0 or a wslay error. */
static int frame_data(struct websocket *ws, const struct websocket_message *message)
{
    struct wslay_event_msg out = {(uint8_t)message->opcode, message->data, message->len};
    struct buf packed;
    int err = -1;
    buf_init(&packed, message->len + 64);
    if (ws->deflate_bits != 0 && message->len >= WEBSOCKET_DEFLATE_MIN)
        err = websocket_deflate(ws->ctx->home, ws->deflate_bits, message->data, message->len,
                                &packed);
    uint8_t rsv = WSLAY_RSV_NONE;
    if (err == 0 && packed.len < message->len) {
        out.msg = (const uint8_t *)packed.bytes;
        out.msg_length = packed.len;
        rsv = WSLAY_RSV1_BIT;
    }
    int rv = wslay_event_queue_msg_ex(ws->frames, &out, rsv);
    buf_free(&packed);
    return rv;
}

static int frame(struct websocket *ws, const struct websocket_message *message)
{
    struct wslay_event_msg out = {(uint8_t)message->opcode, message->data, message->len};
    int rv;
    if (message->opcode == WSLAY_CONNECTION_CLOSE)
        rv = wslay_event_queue_close(ws->frames, message->status, message->data, message->len);
    else if (wslay_is_ctrl_frame(message->opcode))
        rv = wslay_event_queue_msg(ws->frames, &out);
    else
        rv = frame_data(ws, message);
    if (rv == WSLAY_ERR_NO_MORE_MSG) /* the peer's close was answered before */
        return 0;
    return rv != 0 ? rv : wslay_event_send(ws->frames); /* now: or a close would overtake it */
}

/* All that was framed is sent: make room for its senders, and take what they have put since. */
static struct queue next_batch(struct websocket *ws)
{
    struct queue batch;
    spinlock_lock(&ws->lock);
    ws->queued -= ws->in_flight;
    ws->in_flight = ws->queued;
    batch = ws->outbox;
    ws->outbox = (struct queue){NULL, NULL};
    spinlock_unlock(&ws->lock);
    wake_waiter(ws->sender);
    return batch;
}

static int frame_batch(struct websocket *ws)
{
    struct queue batch = next_batch(ws);
    struct queue_node *node;
    int rv = wslay_event_send(ws->frames); /* what wslay answers by itself */
    while ((node = queue_take(&batch)) != NULL) {
        struct websocket_message *message = list_entry(node, struct websocket_message, node);
        if (rv == 0)
            rv = frame(ws, message);
        websocket_message_free(message);
    }
    return rv;
}

/* Send what there is to send, as far as the peer takes it. */
static void send_out(struct websocket *ws)
{
    struct http_response *res = &ws->ctx->x->response;
    while (!ws->is_over) {
        int err = ws->ctx->is_broken ? -EPIPE : ws->ctx->carrier->flush(ws->ctx);
        ws->is_stuck = err == -EAGAIN;
        if (ws->is_stuck)
            return;
        if (err != 0 || frame_batch(ws) != 0) {
            be_over(ws, true);
            return;
        }
        if (res->body.len == 0)
            return;
    }
}

/* Return the length of msg's payload that may be sent under opcode; or -errno. */
static int check(int opcode, size_t len)
{
    if (opcode == WSLAY_TEXT_FRAME || opcode == WSLAY_BINARY_FRAME)
        return len <= WEBSOCKET_MESSAGE_MAX ? 0 : -EMSGSIZE;
    if (opcode != WSLAY_CONNECTION_CLOSE && opcode != WSLAY_PING && opcode != WSLAY_PONG)
        return -EINVAL;
    return len <= WEBSOCKET_CONTROL_MAX ? 0 : -EMSGSIZE;
}

/* True if an endpoint may send status: RFC 6455 section 7.4, and the registry it opens. */
static bool is_status(unsigned status)
{
    return (status >= 1000 && status <= 1003) || (status >= 1007 && status <= 1014) ||
           (status >= 3000 && status <= 4999);
}

/* Turn the payload of a close into status and reason.  0 or -EINVAL. */
static int open_close(struct websocket_message *message)
{
    if (message->len == 0)
        return 0;
    unsigned status = message->len < 2 ? 0 : (unsigned)message->data[0] << 8 | message->data[1];
    if (!is_status(status) || !websocket_is_utf8(message->data + 2, message->len - 2))
        return -EINVAL;
    message->status = (uint16_t)status;
    message->data += 2;
    message->len -= 2;
    return 0;
}

/* Put message (taken on success) behind the others, unless there are too many and it can wait. */
static int put_message(struct websocket *ws, struct websocket_message *message)
{
    const size_t cost = message->len + WEBSOCKET_MESSAGE_COST;
    const bool is_control = wslay_is_ctrl_frame(message->opcode);
    int err = 0;
    spinlock_lock(&ws->lock);
    const size_t max = WEBSOCKET_QUEUE_MAX + (is_control ? WEBSOCKET_QUEUE_MAX / 16 : 0);
    if (ws->is_shut) {
        err = -EPIPE;
    } else if (ws->queued > 0 && ws->queued + cost > max &&
               message->opcode != WSLAY_CONNECTION_CLOSE) {
        err = -EAGAIN;
    } else {
        queue_put(&ws->outbox, &message->node);
        ws->queued += cost;
        ws->is_shut = message->opcode == WSLAY_CONNECTION_CLOSE;
    }
    spinlock_unlock(&ws->lock);
    return err;
}

int websocket_put(struct websocket *ws, int opcode, const void *msg, size_t len)
{
    int err = check(opcode, len);
    if (err != 0)
        return err;
    struct websocket_message *message = message_new(opcode, msg, len);
    if (message == NULL)
        return -ENOMEM;
    if (opcode == WSLAY_CONNECTION_CLOSE)
        err = open_close(message);
    if (err == 0)
        err = put_message(ws, message);
    if (err != 0) {
        websocket_message_free(message);
        return err;
    }
    if (loop_self != ws->loop || opcode == WSLAY_CONNECTION_CLOSE)
        wake(ws);
    else if (!ws->is_driven)
        send_out(ws);
    return 0;
}

void websocket_close(struct websocket *ws, uint16_t status)
{
    const unsigned char payload[] = {(unsigned char)(status >> 8), (unsigned char)status};
    if (websocket_put(ws, WSLAY_CONNECTION_CLOSE, payload, sizeof(payload)) == -ENOMEM)
        be_over(ws, true);
}

/* ---- in -------------------------------------------------------------------------- */

/*
 * The peer broke the rules, or we cannot go on: tell it why, and neither hear nor say more.  wslay
 * would close without a status for some of it.
 */
static void fail(struct websocket *ws, uint16_t status)
{
    const uint8_t bytes[] = {0x80 | WSLAY_CONNECTION_CLOSE, 2, (uint8_t)(status >> 8),
                             (uint8_t)status};
    if (!ws->has_failed && !wslay_event_get_close_sent(ws->frames))
        (void)on_send(ws->frames, bytes, sizeof(bytes), 0, ws);
    ws->has_failed = true;
    wslay_event_shutdown_read(ws->frames);
    wslay_event_shutdown_write(ws->frames);
}

static ssize_t on_receive(wslay_event_context_ptr frames, uint8_t *buffer, size_t len, int flags,
                          void *user_data)
{
    struct websocket *ws = user_data;
    int count = -1, mask;
    (void)flags;
    errno = EAGAIN;
    if (queue_is_empty(&ws->inbox) && !ws->is_over)
        count = ws->ctx->carrier->read(ws->ctx, buffer, len, &mask);
    if (count > 0) {
        ws->alive_ns = ws->loop->now_ns;
        ws->is_pinged = false;
        return count;
    }
    const bool may_come = count < 0 && errno == EAGAIN;
    if (!may_come)
        ws->ctx->is_broken = true;
    wslay_event_set_error(frames, may_come ? WSLAY_ERR_WOULDBLOCK : WSLAY_ERR_CALLBACK_FAILURE);
    return -1;
}

/* What wslay lets pass, or answers without a status; and a message in no end of fragments. */
static void on_frame(wslay_event_context_ptr frames,
                     const struct wslay_event_on_frame_recv_start_arg *arg, void *user_data)
{
    struct websocket *ws = user_data;
    (void)frames;
    if (arg->opcode > WSLAY_PONG ||
        (arg->opcode == WSLAY_CONNECTION_CLOSE && arg->payload_length == 1)) {
        fail(ws, WSLAY_CODE_PROTOCOL_ERROR);
        return;
    }
    if (wslay_is_ctrl_frame(arg->opcode))
        return;
    ws->fragments = arg->opcode == WSLAY_CONTINUATION_FRAME ? ws->fragments + 1 : 1;
    if (ws->fragments > WEBSOCKET_FRAGMENTS_MAX)
        fail(ws, WSLAY_CODE_POLICY_VIOLATION);
}

static void on_message(wslay_event_context_ptr frames,
                       const struct wslay_event_on_msg_recv_arg *arg, void *user_data)
{
    struct websocket *ws = user_data;
    const bool is_end = arg->opcode == WSLAY_CONNECTION_CLOSE;
    const bool is_data = !wslay_is_ctrl_frame(arg->opcode);
    (void)frames;
    if (ws->has_failed || !(is_end || is_data) || (is_data && ws->is_released && ws->is_shut))
        return;
    const size_t skipped = is_end && arg->msg_length >= 2 ? 2 : 0;
    struct websocket_message *message =
        message_new(arg->opcode, arg->msg + skipped, arg->msg_length - skipped);
    if (message == NULL) {
        fail(ws, WSLAY_CODE_INTERNAL_SERVER_ERROR);
        return;
    }
    message->is_end = is_end;
    message->status = arg->status_code == 0 ? WSLAY_CODE_NO_STATUS_RCVD : arg->status_code;
    message->is_compressed = wslay_get_rsv1(arg->rsv) != 0;
    queue_put(&ws->inbox, &message->node);
}

/* Make the data of a compressed message what it was.  0, or the status to close with. */
static uint16_t inflate_message(struct websocket *ws, struct websocket_message *message)
{
    struct buf out;
    buf_init(&out, WEBSOCKET_MESSAGE_MAX);
    int err = websocket_inflate(ws->ctx->home, message->data, message->len, &out);
    message->inflated = out.bytes;
    message->data = (unsigned char *)out.bytes;
    message->len = out.len;
    if (err == -ENOSPC)
        return WSLAY_CODE_MESSAGE_TOO_BIG;
    if (err == -ENOMEM)
        return WSLAY_CODE_INTERNAL_SERVER_ERROR;
    if (err != 0 ||
        (message->opcode == WSLAY_TEXT_FRAME && !websocket_is_utf8(message->data, message->len)))
        return WSLAY_CODE_INVALID_FRAME_PAYLOAD_DATA;
    return 0;
}

struct websocket_message *websocket_take(struct websocket *ws)
{
    struct queue_node *node = queue_take(&ws->inbox);
    if (node == NULL)
        return NULL;
    struct websocket_message *message = list_entry(node, struct websocket_message, node);
    uint16_t status = 0;
    if (message->is_compressed && !message->is_end)
        status = ws->ctx == NULL ? 1 : inflate_message(ws, message);
    if (status == 0)
        return message;
    websocket_message_free(message);
    drop_messages(&ws->inbox); /* what came behind it is not heard */
    if (ws->ctx != NULL)
        fail(ws, status);
    return NULL;
}

/* ---- the machine ----------------------------------------------------------------- */

/* Give the messages that have come to the handler.  True if there were any. */
static bool deliver(struct websocket *ws)
{
    struct websocket_message *message;
    bool has_any = false;
    if (ws->on_message == NULL && ws->is_released)
        drop_messages(&ws->inbox); /* nobody takes them any more */
    if (ws->on_message == NULL)
        return false;
    while ((message = websocket_take(ws)) != NULL) {
        has_any = true;
        if (!message->is_end && !ws->is_shut &&
            ws->on_message(ws->ctx, message->opcode, message->data, message->len) != 0)
            websocket_close(ws, WSLAY_CODE_NORMAL_CLOSURE);
        websocket_message_free(message);
    }
    return has_any;
}

/* Read, unless somebody has not taken what came or output is stuck. */
static void read_in(struct websocket *ws)
{
    if (ws->is_over || ws->is_stuck || !queue_is_empty(&ws->inbox) ||
        !wslay_event_get_read_enabled(ws->frames))
        return;
    int rv = wslay_event_recv(ws->frames);
    if (rv != 0 && ws->ctx->is_broken)
        be_over(ws, true);
    else if (rv != 0) /* of a frame that it does not even begin to take */
        fail(ws,
             rv == WSLAY_ERR_NOMEM ? WSLAY_CODE_INTERNAL_SERVER_ERROR : WSLAY_CODE_PROTOCOL_ERROR);
}

/* See whether a close is under way, and whether it is all that there was to say. */
static void look_at_close(struct websocket *ws)
{
    const bool is_deaf = !wslay_event_get_read_enabled(ws->frames);
    if (ws->is_over || !(is_deaf || ws->is_shut))
        return;
    spinlock_lock(&ws->lock);
    ws->is_shut = true; /* also when it was wslay that closed */
    spinlock_unlock(&ws->lock);
    if (ws->close_by_ns == 0)
        ws->close_by_ns = ws->loop->now_ns + ws->ctx->home->times.websocket_close;
    if (is_deaf && (ws->has_failed || wslay_event_get_close_sent(ws->frames)) && !ws->is_stuck &&
        ws->ctx->x->response.body.len == 0)
        be_over(ws, false);
}

static void arm_timer(struct websocket *ws)
{
    uint64_t due_ns = ws->alive_ns + ws->idle_ns;
    if (ws->is_over)
        return;
    if (ws->is_pinged)
        due_ns += ws->ctx->home->times.websocket_pong;
    if (ws->close_by_ns != 0)
        due_ns = ws->close_by_ns;
    if (!wheel_is_armed(&ws->timer) || ws->timer.due_ns > due_ns)
        wheel_add(&ws->loop->wheel, &ws->timer, due_ns);
}

static void on_time(struct wheel_node *node)
{
    struct websocket *ws = list_entry(node, struct websocket, timer);
    const uint64_t now_ns = ws->loop->now_ns;
    const uint64_t ping_ns = ws->alive_ns + ws->idle_ns;
    if (ws->close_by_ns != 0 && now_ns >= ws->close_by_ns) {
        be_over(ws, true);
    } else if (ws->is_pinged && now_ns >= ping_ns + ws->ctx->home->times.websocket_pong) {
        be_over(ws, true);
    } else if (!ws->is_pinged && now_ns >= ping_ns) {
        ws->is_pinged = true;
        (void)websocket_put(ws, WSLAY_PING, NULL, 0);
    }
    arm_timer(ws);
}

/* The request is done once nobody needs it; on the loop's own stack only. */
static void finish(struct websocket *ws)
{
    mtev_http_session_ctx *ctx = ws->ctx;
    if (ctx == NULL || !ws->is_over || !ws->is_released || coro_self() != NULL)
        return;
    mtev_http_response_end(ctx);
    http_request_done(ctx);
}

void websocket_drive(struct websocket *ws)
{
    unsigned rounds = 0;
    bool has_more;
    if (ws->is_driven)
        return;
    hold(ws);
    ws->is_driven = true;
    do {
        send_out(ws);
        read_in(ws);
        has_more = deliver(ws);
    } while (has_more && ++rounds < ROUNDS_MAX);
    send_out(ws);
    look_at_close(ws);
    ws->is_driven = false;
    if (has_more)
        wake(ws); /* others have their turn first */
    if (!queue_is_empty(&ws->inbox))
        wake_waiter(ws->receiver);
    arm_timer(ws);
    finish(ws);
    websocket_drop(ws);
}

/* ---- what it is told ------------------------------------------------------------- */

static void ready(mtev_http_session_ctx *ctx)
{
    struct websocket *ws = ctx->x->request.websocket;
    ws->alive_ns = ws->loop->now_ns; /* it sends, or takes */
    websocket_drive(ws);
}

static void drain(mtev_http_session_ctx *ctx)
{
    websocket_close(ctx->x->request.websocket, WSLAY_CODE_GOING_AWAY);
}

static const struct http_driver driver = {.ready = ready, .drain = drain};

int websocket_begin(mtev_http_session_ctx *ctx, uint8_t deflate_bits,
                    websocket_message_func message_func)
{
    static const struct wslay_event_callbacks callbacks = {
        .recv_callback = on_receive,
        .send_callback = on_send,
        .on_frame_recv_start_callback = on_frame,
        .on_msg_recv_callback = on_message,
    };
    struct websocket *ws = alloc_zeroed(1, sizeof(*ws));
    if (ws == NULL)
        return -ENOMEM;
    atomic_init(&ws->refs, 1);
    if (alloc_is_refused() || wslay_event_context_server_init(&ws->frames, &callbacks, ws) != 0) {
        ws->frames = NULL;
        websocket_drop(ws);
        return -ENOMEM;
    }
    wslay_event_config_set_max_recv_msg_length(ws->frames, WEBSOCKET_MESSAGE_MAX);
    if (deflate_bits != 0)
        wslay_event_config_set_allowed_rsv_bits(ws->frames, WSLAY_RSV1_BIT);
    ws->ctx = ctx;
    ws->loop = ctx->home->loop;
    ws->on_message = message_func;
    ws->is_released = message_func != NULL;
    ws->deflate_bits = deflate_bits;
    ws->idle_ns = listener_idle_ns(ctx->acceptor);
    if (ws->idle_ns == 0)
        ws->idle_ns = ctx->home->times.websocket_idle;
    ws->alive_ns = ws->loop->now_ns;
    ws->timer.fire = on_time;
    ws->mail.run = on_mail;
    request_become_raw(ctx, &driver);
    ctx->x->request.websocket = ws;
    if (ctx->home->is_draining)
        websocket_close(ws, WSLAY_CODE_GOING_AWAY);
    wake(ws); /* what came behind the head is there already */
    return 0;
}

/* ---- the public calls ------------------------------------------------------------ */

mtev_boolean mtev_http_is_websocket(mtev_http_session_ctx *ctx)
{
    return ctx->x != NULL && ctx->x->request.websocket != NULL ? mtev_true : mtev_false;
}

mtev_boolean mtev_http_websocket_queue_msg(mtev_http_session_ctx *ctx, int opcode,
                                           const unsigned char *msg, size_t len)
{
    if (!mtev_http_is_websocket(ctx) || (msg == NULL && len > 0))
        return mtev_false;
    return websocket_put(ctx->x->request.websocket, opcode, msg, len) == 0 ? mtev_true : mtev_false;
}

mtev_boolean mtev_http1_websocket_queue_msg(mtev_http1_session_ctx *ctx, int opcode,
                                            const unsigned char *msg, size_t len)
{
    return mtev_http_websocket_queue_msg(ctx, opcode, msg, len);
}
