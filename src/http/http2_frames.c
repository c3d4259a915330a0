/* SPDX-License-Identifier: MIT */
/*
 * http2_frames.c - what nghttp2 tells of the frames that come and go, and how many may.
 *
 * Its callbacks note what has happened; handlers run later, when the bytes at hand were looked at.
 * nghttp2 itself holds peers to RFC 9113; what is here besides are limits for those who keep to
 * the letter of it to do harm.
 */
#include "http/http2_conn.h"

#include "base/alloc.h"

#include <errno.h>

/* ---- memory ---------------------------------------------------------------------- */

static void *take_bytes(size_t size, void *closure)
{
    (void)closure;
    return alloc_bytes(size);
}

static void *take_zeroed(size_t count, size_t size, void *closure)
{
    (void)closure;
    return alloc_zeroed(count, size);
}

static void *take_more(void *p, size_t size, void *closure)
{
    (void)closure;
    return alloc_resize(p, size);
}

static void give(void *p, void *closure)
{
    (void)closure;
    alloc_free(p);
}

/* ---- limits ---------------------------------------------------------------------- */

/* Count one more of what there may be burst of.  0, or what makes nghttp2 stop. */
static int count(struct http2_conn *conn, struct rate *rate, uint32_t per_second, uint32_t burst)
{
    const uint64_t now_ns = conn->home->loop->now_ns;
    if (rate_wait_ns(rate, per_second, burst, now_ns) > 0) {
        http2_conn_fail(conn, NGHTTP2_ENHANCE_YOUR_CALM);
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    rate_take(rate, per_second, now_ns);
    return 0;
}

static int count_reset(struct http2_conn *conn)
{
    return count(conn, &conn->resets, HTTP2_RESETS_PER_S, HTTP2_RESETS_BURST);
}

static int count_control(struct http2_conn *conn)
{
    return count(conn, &conn->controls, HTTP2_CONTROLS_PER_S, HTTP2_CONTROLS_BURST);
}

/* ---- what comes ------------------------------------------------------------------ */

/* True for a frame that has no part in a request, or no bytes for it. */
static bool is_control(const nghttp2_frame_hd *hd)
{
    switch (hd->type) {
    case NGHTTP2_DATA:
        return hd->length == 0 && (hd->flags & NGHTTP2_FLAG_END_STREAM) == 0;
    case NGHTTP2_HEADERS:
    case NGHTTP2_CONTINUATION:
        return hd->length == 0;
    case NGHTTP2_WINDOW_UPDATE: /* one for each of our own frames is usual; http2_stream_look() */
    case NGHTTP2_RST_STREAM:    /* counted apart */
        return false;
    default:
        return true;
    }
}

static int on_begin_frame(nghttp2_session *ng, const nghttp2_frame_hd *hd, void *closure)
{
    struct http2_conn *conn = closure;
    (void)ng;
    if (hd->type == NGHTTP2_HEADERS) {
        conn->head_ns = conn->home->loop->now_ns;
        http2_conn_look_in(conn, conn->home->times.head);
    } else if (hd->type != NGHTTP2_CONTINUATION) {
        conn->head_ns = 0;
    }
    return is_control(hd) ? count_control(conn) : 0;
}

static struct http2_stream *stream_of(nghttp2_session *ng, int32_t id)
{
    return nghttp2_session_get_stream_user_data(ng, id);
}

static int on_begin_headers(nghttp2_session *ng, const nghttp2_frame *frame, void *closure)
{
    struct http2_conn *conn = closure;
    const int32_t id = frame->hd.stream_id;
    if (frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    struct http_exchange *x =
        conn->stream_count < HTTP2_STREAMS_MAX ? exchange_take(conn->home) : NULL;
    struct http2_stream *stream = x == NULL ? NULL : http2_stream_new(conn, x, id);
    if (stream == NULL) {
        if (x != NULL)
            exchange_give(conn->home, x);
        return nghttp2_submit_rst_stream(ng, NGHTTP2_FLAG_NONE, id, NGHTTP2_REFUSED_STREAM) == 0
                   ? 0
                   : NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    return nghttp2_session_set_stream_user_data(ng, id, stream);
}

static int on_header(nghttp2_session *ng, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                     void *closure)
{
    struct http2_stream *stream = stream_of(ng, frame->hd.stream_id);
    (void)flags;
    (void)closure;
    if (stream != NULL && stream->state == HTTP2_HEAD) /* trailers are checked, and dropped */
        http2_request_add(stream, name, name_len, value, value_len);
    return 0;
}

/* nghttp2 would pass over such a field; RFC 9113 section 8.2.1 calls the request malformed. */
static int on_invalid_header(nghttp2_session *ng, const nghttp2_frame *frame, const uint8_t *name,
                             size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                             void *closure)
{
    (void)frame;
    (void)name;
    (void)name_len;
    (void)value;
    (void)value_len;
    (void)flags;
    (void)closure;
    (void)ng;
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

static int on_data(nghttp2_session *ng, uint8_t flags, int32_t id, const uint8_t *bytes, size_t len,
                   void *closure)
{
    struct http2_stream *stream = stream_of(ng, id);
    (void)flags;
    (void)closure;
    if (stream == NULL || stream->state == HTTP2_OVER) /* nobody will read it */
        return nghttp2_session_consume(ng, id, len) == 0 ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE;
    if (http2_stream_take_content(stream, bytes, len) == 0)
        return 0;
    http2_stream_reset(stream, NGHTTP2_INTERNAL_ERROR);
    return nghttp2_session_consume(ng, id, len) == 0 ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE;
}

/* The peer has read a PING that it was sent behind the notice, and so the notice. */
static void say_last_stream(struct http2_conn *conn)
{
    if (conn->drain != HTTP2_DRAIN_NOTICED)
        return;
    conn->drain = HTTP2_DRAIN_LAST;
    conn->drain_ns = 0;
    (void)nghttp2_submit_goaway(conn->ng, NGHTTP2_FLAG_NONE,
                                nghttp2_session_get_last_proc_stream_id(conn->ng), NGHTTP2_NO_ERROR,
                                NULL, 0);
}

void http2_frames_drain(struct http2_conn *conn)
{
    if (conn->drain != HTTP2_DRAIN_NONE) {
        say_last_stream(conn);
        return;
    }
    conn->drain = HTTP2_DRAIN_NOTICED;
    conn->drain_ns = conn->home->loop->now_ns;
    (void)nghttp2_submit_shutdown_notice(conn->ng);
    (void)nghttp2_submit_ping(conn->ng, NGHTTP2_FLAG_NONE, (const uint8_t *)"draining");
    http2_conn_look_in(conn, HTTP_GRACE_NS);
}

static void on_message(struct http2_conn *conn, struct http2_stream *stream,
                       const nghttp2_frame *frame)
{
    if (frame->hd.type == NGHTTP2_HEADERS)
        conn->head_ns = 0;
    if (stream == NULL)
        return;
    if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0)
        http2_stream_end_content(stream);
    if (frame->hd.type == NGHTTP2_HEADERS && stream->state == HTTP2_HEAD)
        http2_stream_make_ready(stream);
}

static int on_frame(nghttp2_session *ng, const nghttp2_frame *frame, void *closure)
{
    struct http2_conn *conn = closure;
    switch (frame->hd.type) {
    case NGHTTP2_HEADERS:
    case NGHTTP2_DATA:
        on_message(conn, stream_of(ng, frame->hd.stream_id), frame);
        return 0;
    case NGHTTP2_RST_STREAM:
        return count_reset(conn);
    case NGHTTP2_SETTINGS:
        conn->settings_ns = 0;
        return 0;
    case NGHTTP2_PING:
        if ((frame->hd.flags & NGHTTP2_FLAG_ACK) != 0)
            say_last_stream(conn);
        return 0;
    default:
        return 0;
    }
}

static int on_stream_close(nghttp2_session *ng, int32_t id, uint32_t error_code, void *closure)
{
    struct http2_stream *stream = stream_of(ng, id);
    (void)closure;
    if (stream != NULL)
        http2_stream_close(stream, error_code);
    return 0;
}

/* ---- what goes ------------------------------------------------------------------- */

/* Put bytes into the room: all, or as nghttp2 says "later". */
static ssize_t send_bytes(nghttp2_session *ng, const uint8_t *bytes, size_t len, int flags,
                          void *closure)
{
    struct http2_conn *conn = closure;
    struct http2_room *room = conn->home->http2;
    (void)ng;
    (void)flags;
    if (len > sizeof(room->out) - room->out_len || room->out_len > HTTP_OUT_HIGH) {
        room->is_full = true;
        return NGHTTP2_ERR_WOULDBLOCK;
    }
    memcpy(room->out + room->out_len, bytes, len);
    room->out_len += len;
    return (ssize_t)len;
}

/*
 * The peer still sends content of a request that was answered: it is told not to, without an error
 * (RFC 9113 section 8.1).
 */
static void end_answered(nghttp2_session *ng, const nghttp2_frame *frame)
{
    struct http2_stream *stream = stream_of(ng, frame->hd.stream_id);
    if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0 && stream != NULL && !stream->has_all)
        (void)nghttp2_submit_rst_stream(ng, NGHTTP2_FLAG_NONE, frame->hd.stream_id,
                                        NGHTTP2_NO_ERROR);
}

static int on_sent(nghttp2_session *ng, const nghttp2_frame *frame, void *closure)
{
    const uint32_t error_code = frame->rst_stream.error_code; /* if it is one */
    switch (frame->hd.type) {
    case NGHTTP2_DATA:
    case NGHTTP2_HEADERS:
        end_answered(ng, frame);
        break;
    case NGHTTP2_RST_STREAM:
        /* Whose fault it is cannot be told from the code, but for these: the end is as it should
         * be, and a handler's failing.  The connection ends when what is queued was sent. */
        if (error_code != NGHTTP2_NO_ERROR && error_code != NGHTTP2_INTERNAL_ERROR)
            (void)count_reset(closure);
        break;
    default:
        break;
    }
    return 0;
}

/* ---- a session ------------------------------------------------------------------- */

static void room_free(struct http2_room *room)
{
    nghttp2_session_callbacks_del(room->callbacks);
    nghttp2_option_del(room->options);
    alloc_free(room);
}

static int room_make(struct http2_room *room)
{
    if (nghttp2_session_callbacks_new(&room->callbacks) != 0 ||
        nghttp2_option_new(&room->options) != 0)
        return -ENOMEM;
    nghttp2_session_callbacks *c = room->callbacks;
    nghttp2_session_callbacks_set_on_begin_frame_callback(c, on_begin_frame);
    nghttp2_session_callbacks_set_on_begin_headers_callback(c, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(c, on_header);
    nghttp2_session_callbacks_set_on_invalid_header_callback(c, on_invalid_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(c, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(c, on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(c, on_stream_close);
    nghttp2_session_callbacks_set_send_callback(c, send_bytes);
    nghttp2_session_callbacks_set_send_data_callback(c, http2_response_send);
    nghttp2_session_callbacks_set_on_frame_send_callback(c, on_sent);
    nghttp2_option *o = room->options;
    nghttp2_option_set_no_auto_window_update(o, 1);
    nghttp2_option_set_no_closed_streams(o, 1);
    nghttp2_option_set_builtin_recv_extension_type(o, NGHTTP2_PRIORITY_UPDATE);
    nghttp2_option_set_max_continuations(o, HTTP2_CONTINUATIONS_MAX);
    /* Resets are counted here, with those that the peer makes us send. */
    nghttp2_option_set_stream_reset_rate_limit(o, UINT32_MAX, UINT32_MAX);
    return 0;
}

struct http2_room *http2_room_get(struct http_home *home)
{
    struct http2_room *room = home->http2;
    if (room != NULL)
        return room;
    room = alloc_zeroed(1, sizeof(*room));
    if (room == NULL)
        return NULL;
    if (room_make(room) != 0) {
        room_free(room);
        return NULL;
    }
    home->http2 = room;
    return room;
}

int http2_frames_begin(struct http2_conn *conn, struct http2_room *room)
{
    static const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, HTTP2_STREAMS_MAX},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, HTTP2_STREAM_WINDOW},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, HTTP1_FIELDS_LEN_MAX},
        {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1}, /* but those of RFC 9218 */
    };
    nghttp2_mem memory = {
        .malloc = take_bytes, .free = give, .calloc = take_zeroed, .realloc = take_more};
    if (nghttp2_session_server_new3(&conn->ng, room->callbacks, conn, room->options, &memory) != 0)
        return -ENOMEM;
    if (nghttp2_submit_settings(conn->ng, NGHTTP2_FLAG_NONE, settings,
                                sizeof(settings) / sizeof(settings[0])) == 0 &&
        nghttp2_session_set_local_window_size(conn->ng, NGHTTP2_FLAG_NONE, 0,
                                              (int32_t)HTTP2_CONNECTION_WINDOW) == 0)
        return 0;
    nghttp2_session_del(conn->ng);
    conn->ng = NULL;
    return -ENOMEM;
}
