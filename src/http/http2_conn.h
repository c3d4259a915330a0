/* SPDX-License-Identifier: MIT */
/*
 * http2_conn.h - an HTTP/2 connection, and its streams: each the session of one request.
 *
 * nghttp2 knows the protocol; here is what it is fed with, what becomes of what it says, and when
 * its frames leave: those of all streams together, once the input is used up.
 *
 *   OPEN --GOAWAY sent, no stream left, or an error--> LINGERING --EOF or time--> closed
 *     `-- EOF, an error of the socket, time --> closed
 *
 *   OPEN       frames come and go
 *   LINGERING  all is sent and the write side shut; what still comes is dropped
 *
 * A connection that is closed stays in memory until the last handler of its streams has ended.
 *
 *             .---- mask ----> WAITING --ready--.
 *   HEAD --> READY --> dispatch <---------------'      `closed' beside a state: the peer or we have
 *                         |   `- PENDING -> HANDLING    ended the stream; its memory goes when the
 *                         v                    |        handler has ended, too
 *                       OVER <-----------------'
 */
#ifndef EVENTER_HTTP_HTTP2_CONN_H
#define EVENTER_HTTP_HTTP2_CONN_H

#include "base/number.h"
#include "http/session_impl.h"
#include "listener/limits.h"

#include <nghttp2/nghttp2.h>

#define HTTP2_STREAMS_MAX       100  /* at once, and handlers of streams that were cancelled */
#define HTTP2_RESETS_BURST      1000 /* streams reset by the peer, or by us because of it */
#define HTTP2_RESETS_PER_S      33   /* behind the burst */
#define HTTP2_CONTROLS_BURST    1000 /* frames that ask for nothing: SETTINGS, PING, empty ones */
#define HTTP2_CONTROLS_PER_S    100  /* behind the burst */
#define HTTP2_CONTINUATIONS_MAX 8    /* frames of one header block behind the first */
#define HTTP2_STREAM_WINDOW     ((size_t)65535)       /* content that waits for its handler */
#define HTTP2_CONNECTION_WINDOW ((size_t)1024 * 1024) /* of all streams together */
#define HTTP2_FRAME_LEN_MAX     ((size_t)16384)       /* of a payload; RFC 9113 section 4.2 */
#define HTTP2_FRAME_HEAD_LEN    9
#define HTTP2_IN_SIZE           ((size_t)32 * 1024) /* read at once */
#define HTTP2_OUT_SIZE          (HTTP_OUT_HIGH + HTTP2_FRAME_LEN_MAX + HTTP2_FRAME_HEAD_LEN)
#define HTTP2_PROGRESS_MIN      ((size_t)16 * 1024) /* that a peer takes in the time to write */
#define HTTP2_FIELD_OVERHEAD    4  /* bytes that a field counts for beside its texts */
#define HTTP2_SETTINGS_LEN_MAX  96 /* of the payload in HTTP2-Settings */

enum http2_state {
    HTTP2_OPEN = 1,
    HTTP2_LINGERING
};

enum http2_drain {
    HTTP2_DRAIN_NONE = 0,
    HTTP2_DRAIN_NOTICED, /* the peer was told to begin no more streams, and may not know yet */
    HTTP2_DRAIN_LAST     /* it was told which is the last one */
};

struct http2_conn {
    struct http_home *home;
    eventer_t e;                       /* owned */
    mtev_acceptor_closure_t *acceptor; /* shared through e */
    http_dispatch_func dispatch;
    nghttp2_session *ng;     /* owned; NULL: nothing more is said */
    struct wheel_node timer; /* due at the earliest deadline, or before */
    struct http_connection connection;
    struct mail again;   /* another turn */
    struct ring streams; /* all */
    struct ring ready;   /* those to be dispatched */
    uint32_t stream_count;
    uint32_t failure; /* what the connection is to end with, if has_failed */
    struct buf out;   /* [sent, len) is what the socket has not taken */
    size_t sent;
    uint64_t keepalive_ns; /* idle_timeout of its listener; 0: that of its home */
    /* Since when it waits, by its loop's clock; 0: it does not. */
    uint64_t settings_ns; /* for the peer's SETTINGS */
    uint64_t head_ns;     /* for the end of a header block */
    uint64_t out_ns;      /* for the socket */
    uint64_t idle_ns;     /* for a stream */
    uint64_t drain_ns;    /* for the peer to know that it ends */
    uint64_t linger_ns;
    uint64_t lingered; /* bytes */
    struct rate resets, controls;
    uint8_t state, drain;
    bool has_failed;
    bool is_again_due; /* again is under way: the struct must stay */
    bool is_closed;
    bool is_running; /* run() is on this stack: the struct must stay */
};

enum http2_stream_state {
    HTTP2_HEAD = 1,
    HTTP2_READY,
    HTTP2_HANDLING,
    HTTP2_WAITING,
    HTTP2_OVER
};

struct http2_waiter { /* a coroutine, and which of its waits */
    struct coro *co;
    uint32_t generation;
};

struct http2_stream { /* in the arena of its exchange */
    mtev_http_session_ctx s;
    struct http2_conn *conn;
    struct ring all, ready;
    int32_t id;
    uint8_t state;
    bool is_closed;  /* nghttp2 has forgotten it */
    bool is_parsed;  /* its head was one of HTTP/1 */
    bool has_begun;  /* its handler was called */
    bool has_all;    /* the peer has sent all of the request */
    bool wants_room; /* WAITING: for the response to leave */
    int refusal;     /* the status for what is wrong with the head; 0: nothing */
    size_t fields_len;
    struct http1_span scheme;
    struct buf content; /* [content_at, len) was not read */
    size_t content_at;
    uint64_t received; /* bytes of content */
    struct http2_waiter reader, writer;
    uint64_t read_ns;         /* since when somebody waits for content; 0: nobody */
    uint64_t write_ns;        /* since when taken is counted; 0: nothing waits to be taken */
    size_t taken;             /* bytes */
    size_t body_at, body_end; /* of the response's body: what is to be sent */
    bool is_final;            /* and that is all */
    bool is_short;            /* it is less than was announced */
    char status[3];
    char length[NUMBER_DIGITS_MAX];
};

/* What a loop has for all of its connections of HTTP/2. */
struct http2_room {
    nghttp2_session_callbacks *callbacks; /* owned */
    nghttp2_option *options;              /* owned */
    size_t out_len;
    bool is_full; /* more is to be sent than had room in out */
    char out[HTTP2_OUT_SIZE];
    char in[HTTP2_IN_SIZE];
};

/* ---- http2_conn.c ---------------------------------------------------------------- */

/*
 * Serve e (taken) in the calling loop; bytes (len; borrowed for the call) were read from it
 * already. 0 or -errno: then e is as it was, but its edge may have no context.
 */
int http2_conn_begin(eventer_t e, struct http_home *home, http_dispatch_func dispatch,
                     const char *bytes, size_t len);

/*
 * As http2_conn_begin(), for a connection that says Upgrade: h2c (RFC 7540 section 3.2).  x (taken)
 * has the request, which is answered as stream 1; in its out is what is sent first.  settings: the
 * payload of HTTP2-Settings.  0 or -errno: then x is still the caller's, too.
 */
int http2_conn_upgrade(eventer_t e, struct http_home *home, http_dispatch_func dispatch,
                       struct http_exchange *x, const uint8_t *settings, size_t settings_len);

/* Have frames that were queued leave soon, with those that others queue meanwhile. */
void http2_conn_send_soon(struct http2_conn *conn);

/* Have the timer look in ns from now, or before. */
void http2_conn_look_in(struct http2_conn *conn, uint64_t ns);

/* The last stream is gone. */
void http2_conn_is_idle(struct http2_conn *conn);

/* The connection is to end, with this error code, when the present input is done with. */
void http2_conn_fail(struct http2_conn *conn, uint32_t error_code);

/* ---- http2_frames.c -------------------------------------------------------------- */

/* The loop's room; NULL: no memory. */
struct http2_room *http2_room_get(struct http_home *home);

/* Make conn's nghttp2 session, which says its SETTINGS.  0 or -ENOMEM. */
int http2_frames_begin(struct http2_conn *conn, struct http2_room *room);

/*
 * Have the peer begin no more streams: it is told so and, at the second call or when it is known to
 * have read that, which of its streams is the last one.
 */
void http2_frames_drain(struct http2_conn *conn);

/* ---- http2_stream.c -------------------------------------------------------------- */

/* Make a stream of conn with the exchange x, in whose memory it is. NULL: no memory. */
struct http2_stream *http2_stream_new(struct http2_conn *conn, struct http_exchange *x, int32_t id);

/* Its head is complete: have it dispatched. */
void http2_stream_make_ready(struct http2_stream *stream);

/* Let the handler have it, now that it is ready. */
void http2_stream_dispatch(struct http2_stream *stream);

/* Bytes of content have come.  0 or -errno: they cannot be kept. */
int http2_stream_take_content(struct http2_stream *stream, const void *bytes, size_t len);

/* All of the request has come. */
void http2_stream_end_content(struct http2_stream *stream);

/* All that there was of the response has been taken. */
void http2_stream_has_room(struct http2_stream *stream);

/* It is over for the peer, with this error code; nghttp2 forgets it. */
void http2_stream_close(struct http2_stream *stream, uint32_t error_code);

/* End it with an error code. */
void http2_stream_reset(struct http2_stream *stream, uint32_t error_code);

/*
 * Look whether something that the stream waits for takes too long, and return how long that may
 * still take; UINT64_MAX: it waits for nothing.
 */
uint64_t http2_stream_look(struct http2_stream *stream, uint64_t now_ns);

/* ---- http2_request.c ------------------------------------------------------------- */

/* Note a field of the stream's head. */
void http2_request_add(struct http2_stream *stream, const uint8_t *name, size_t name_len,
                       const uint8_t *value, size_t value_len);

/* The head is complete.  0, or the status to answer, with why in the head's reason. */
int http2_request_begin(struct http2_stream *stream);

/* ---- http2_response.c ------------------------------------------------------------ */

/* Hand what the response has so far to nghttp2.  0, or -errno: the stream was reset. */
int http2_respond(struct http2_stream *stream);

/* What nghttp2 calls for the frames of a response. */
ssize_t http2_response_read(nghttp2_session *ng, int32_t id, uint8_t *buffer, size_t len,
                            uint32_t *flags, nghttp2_data_source *source, void *closure);
int http2_response_send(nghttp2_session *ng, nghttp2_frame *frame, const uint8_t *head, size_t len,
                        nghttp2_data_source *source, void *closure);

/* ---- http2_upgrade.c ------------------------------------------------------------- */

/* True if the listener of ac lets its connections be of HTTP/2. */
bool http2_is_wanted(const mtev_acceptor_closure_t *ac);

/*
 * Do the len bytes (above 0) begin as the client's preface does?  1: it is all there; -EAGAIN: as
 * far as they go; 0: no.  RFC 9113 section 3.4.
 */
int http2_preface(const char *bytes, size_t len);

/*
 * Decode base64url without padding (RFC 4648 section 5), as HTTP2-Settings has it.  Returns how
 * many bytes; -EINVAL for other text, for more than HTTP2_SETTINGS_LEN_MAX bytes, and for what are
 * no whole settings.
 */
int http2_settings_decode(const char *text, size_t len, uint8_t out[static HTTP2_SETTINGS_LEN_MAX]);

/*
 * Does the request ask for Upgrade: h2c, in a way that can be had?  The settings are decoded.  As
 * http2_settings_decode(), but -ENOENT: no.
 */
int http2_upgrade_asked(const mtev_http_session_ctx *ctx,
                        uint8_t out[static HTTP2_SETTINGS_LEN_MAX]);

#endif
