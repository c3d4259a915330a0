/* SPDX-License-Identifier: MIT */
/*
 * session_impl.h - what a handler is given: a request, the response to it, and what carries both.
 *
 * The carrier is an HTTP/1 connection (http1_conn.h) or a stream of HTTP/2.  It embeds the session,
 * takes an exchange from its loop's pool for each request, and gives it back when that is over.
 * What request.c and response.c do is the same for all carriers; how it becomes bytes is theirs.
 */
#ifndef EVENTER_HTTP_SESSION_IMPL_H
#define EVENTER_HTTP_SESSION_IMPL_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/list.h"
#include "base/spinlock.h"
#include "eventer/event.h"
#include "eventer/loop.h"
#include "http/http.h"
#include "http/http1_body.h"
#include "http/http1_parse.h"
#include "http/uri.h"

#include <stdatomic.h>
#include <string.h>

#define HTTP_HEAD_NS_MAX             (10 * CLOCK_NS_PER_S) /* from a head's first byte on */
#define HTTP_KEEPALIVE_NS_MAX        (75 * CLOCK_NS_PER_S) /* from a response to the next request */
#define HTTP_BODY_NS_MAX             (30 * CLOCK_NS_PER_S) /* without a byte of the body */
#define HTTP_WRITE_NS_MAX            (30 * CLOCK_NS_PER_S) /* without the peer taking a byte */
#define HTTP_FLOAT_NS_MAX            (300 * CLOCK_NS_PER_S) /* for a floated request to go on */
#define HTTP_LINGER_NS_MAX           (2 * CLOCK_NS_PER_S)
#define HTTP_WEBSOCKET_IDLE_NS_MAX   (30 * CLOCK_NS_PER_S)   /* until the peer is pinged */
#define HTTP_WEBSOCKET_PONG_NS_MAX   (30 * CLOCK_NS_PER_S)   /* for its pong */
#define HTTP_WEBSOCKET_CLOSE_NS_MAX  (5 * CLOCK_NS_PER_S)    /* for a close and its answer */
#define HTTP_LINGER_BYTES_MAX        ((uint64_t)1 << 28)     /* of a body that nobody wants */
#define HTTP_GRACE_NS                (500 * CLOCK_NS_PER_MS) /* to come when the process ends */
#define HTTP_IN_SIZE                 ((size_t)16 * 1024)     /* the input buffer at first */
#define HTTP_BODY_ROOM_MIN           ((size_t)4 * 1024)      /* of it behind a head, for the body */
#define HTTP_OUT_HIGH                ((size_t)64 * 1024) /* pipelined responses leave past this */
#define HTTP_FLUSH_AT                ((size_t)32 * 1024) /* a body is sent past this */
#define HTTP_RESPONSE_LEN_MAX        ((size_t)64 << 20)  /* of a response that waits in memory */
#define HTTP_RESPONSE_FIELDS_LEN_MAX ((size_t)32 * 1024)
#define HTTP_REASON_LEN_MAX          128
#define HTTP_DATE_LEN                29 /* RFC 9110 section 5.6.7, IMF-fixdate */
#define HTTP_OK_DATE_AT              23 /* where it stands behind HTTP/1.1 200 OK */
#define HTTP_OK_LEN                  (HTTP_OK_DATE_AT + HTTP_DATE_LEN + 2)
#define HTTP_KEPT_CAPACITY_MAX       ((size_t)64 * 1024) /* of a buffer back in the pool */
#define HTTP_POOL_MAX                256                 /* exchanges kept by a loop */
#define HTTP_STEPS_MAX               64 /* in one turn, before others have theirs */

/* What a request that goes on for long is told, on the loop's own stack; ctx may be gone after. */
struct http_driver {
    void (*ready)(mtev_http_session_ctx *ctx); /* there may be input, room, or the peer's end */
    void (*drain)(mtev_http_session_ctx *ctx); /* the process is about to end */
};

struct mtev_http_request {
    struct http1_head head;
    struct http1_field fields[HTTP1_FIELDS_MAX];
    char *base;        /* where the head's spans start, in the exchange's input */
    const char *path;  /* decoded, NUL-terminated */
    const char *query; /* as sent, NUL-terminated; NULL: none */
    const char *method;
    struct uri_pair *pairs; /* of the query, once asked for */
    size_t pair_count;
    bool has_pairs;
    bool has_body;
    bool is_body_complete;
    bool owes_continue; /* the peer waits for 100 */
    int body_status;    /* 400, 408 or 413: what went wrong with the body */
    struct http1_body body;
    uint64_t body_read; /* bytes of content given out */
    const void *upload; /* borrowed */
    size_t upload_len;
    struct timeval started;
    void *state; /* of the dispatcher */
    void (*at_end)(void *state);
    bool is_raw;                      /* its content is all that comes until the stream ends */
    const struct http_driver *driver; /* NULL: readiness is for a coroutine */
    struct websocket *websocket;      /* NULL: it is none */
};

struct http_response {
    struct spinlock
        lock; /* until the end, of all that a job may touch: body, fields, what is set */
    int status;
    char reason[HTTP_REASON_LEN_MAX]; /* reason_len of it */
    uint8_t reason_len;
    struct buf fields; /* lines "Name: value\r\n" */
    struct buf body;   /* not yet in out */
    uint32_t options;
    bool is_torn;           /* a part of it found no memory */
    bool has_length;        /* Content-Length is known */
    bool is_started;        /* the head is in out */
    bool is_chunked;        /* once started */
    _Atomic bool has_ended; /* no more is appended, and who sees it needs no lock */
    bool is_composed;       /* ended, and all of it in out */
    bool must_close;        /* after it */
    bool has_upgrade;       /* it has the field, which Connection is to name */
    uint64_t length_left;   /* of the announced Content-Length, once started */
};

struct http_exchange {
    struct http_exchange *next_free;
    struct mtev_http_request request;
    struct http_response response;
    struct arena arena; /* lives as long as the request */
    struct buf in;      /* [0, start) is done with; the head; then the body or the next head */
    size_t start;       /* of the present or next head */
    size_t seen;        /* bytes behind start that the parser found to be too few */
    size_t body_at;     /* of input that is not yet decoded, behind the head */
    struct buf out;     /* [sent, len) waits to be sent */
    size_t sent;
};

struct http_home;

/* How bytes go to and from the peer.  All on the session's loop. */
struct http_carrier {
    /*
     * Give at most len bytes (above 0) of the request's content in buffer (NULL: dropped).  Returns
     * how many; 0 when it is complete; -1 with errno as mtev_http_session_req_consume() says.  In a
     * coroutine it yields.
     */
    int (*read)(mtev_http_session_ctx *ctx, void *buffer, size_t len, int *mask);

    /*
     * Send what the response has so far; in a coroutine wait until it is sent.  0; -EAGAIN: it is
     * sent later; or another -errno: it cannot be sent.
     */
    int (*flush)(mtev_http_session_ctx *ctx);

    /* The response has ended and its handler, in a coroutine, has not: the peer need not wait. */
    void (*send_ended)(mtev_http_session_ctx *ctx);

    /* http_request_done() */
    void (*done)(mtev_http_session_ctx *ctx);

    /* The request that was floated goes on, on the loop's own stack. */
    void (*resume)(mtev_http_session_ctx *ctx);

    bool has_own_event; /* the connection is of this session alone */
};

enum session_float {
    FLOAT_NO = 0,
    FLOAT_OUT, /* the handler says later that the request goes on */
    FLOAT_BACK /* it has said so, and the mail is under way */
};

struct mtev_http_session_ctx {
    const struct http_carrier *carrier;
    eventer_t e; /* of the connection; borrowed from the carrier */
    struct http_home *home;
    struct http_exchange *x; /* NULL: idle */
    http_dispatch_func dispatch;
    mtev_acceptor_closure_t *acceptor; /* shared through e */
    _Atomic bool is_broken;   /* the peer is gone; nothing more can be sent.  Jobs look at it */
    bool is_dispatching;      /* the dispatcher is on this stack */
    _Atomic uint8_t floating; /* enum session_float */
    struct mail resume;
};

struct http_connection { /* embedded in every connection, of HTTP/1 and of HTTP/2 */
    struct ring all;
    void (*drain)(struct http_connection *connection); /* the process is about to end */
};

/* How long a connection may keep its loop waiting, in nanoseconds: the HTTP_*_NS_MAX of above. */
struct http_times {
    uint64_t head, keepalive, body, write, linger, floated;
    uint64_t websocket_idle, websocket_pong, websocket_close;
};

struct http_home { /* of a loop */
    struct loop *loop;
    struct http_times times; /* tests of this layer set shorter ones */
    struct http_exchange *free;
    size_t free_count;
    struct ring connections;
    size_t count; /* of them */
    bool is_draining;
    struct websocket_zlib *zlib; /* owned; NULL: not needed yet */
    struct http2_room *http2;    /* owned; NULL: no connection has spoken HTTP/2 yet */
    time_t date_s;
    char ok[HTTP_OK_LEN + 1]; /* "HTTP/1.1 200 OK", and a line Date for date_s */
};

/* ---- home.c ---------------------------------------------------------------------- */

/* The loop's part, made on first use; NULL: no memory. */
struct http_home *http_home_self(void);

/* The connection is one of home's from here on, until it leaves. */
void http_home_enter(struct http_home *home, struct http_connection *connection,
                     void (*drain)(struct http_connection *connection));
void http_home_leave(struct http_home *home, struct http_connection *connection);

/* Have connections drained when the process is about to end.  0 or -ENOSPC. */
int http_home_drain_at_stop(void);

/*
 * "HTTP/1.1 200 OK" CRLF "Date: " and the date of this turn at HTTP_OK_DATE_AT, CRLF: HTTP_OK_LEN
 * bytes (borrowed).
 */
const char *http_ok_line(struct http_home *home);

/* The value of Date for this turn: HTTP_DATE_LEN bytes (borrowed). */
static inline const char *http_date(struct http_home *home)
{
    return http_ok_line(home) + HTTP_OK_DATE_AT;
}

/* ---- exchange.c: memory ---------------------------------------------------------- */

struct http_exchange *exchange_take(struct http_home *home);
void exchange_give(struct http_home *home, struct http_exchange *x);

/* Make the exchange ready for the next request, whose head starts at x->start. */
void exchange_reset(struct http_exchange *x);

/* True if no response with this status has content: RFC 9110 sections 15.2, 15.3.5 and 15.4.5. */
static inline bool http_status_has_no_content(int status)
{
    return status < 200 || status == 204 || status == 304;
}

/* True if the response to this request has content: not an answer to HEAD (section 9.3.2). */
static inline bool session_has_content(const mtev_http_session_ctx *ctx)
{
    return ctx->x->request.is_raw || (!http_status_has_no_content(ctx->x->response.status) &&
                                      strcmp(ctx->x->request.method, "HEAD") != 0);
}

/* ---- request.c ------------------------------------------------------------------- */

/*
 * The head that was just parsed, with its spans counted from base (borrowed until the request is
 * over, and written to), becomes the request of ctx.  0, or the status to answer.
 */
int request_begin(mtev_http_session_ctx *ctx, char *base);

/*
 * From here on the request's content is all that comes, and the response's leaves as it is.  Its
 * reads and flushes never wait: driver is told when there is something to do.
 */
void request_become_raw(mtev_http_session_ctx *ctx, const struct http_driver *driver);

/* ---- response.c ------------------------------------------------------------------ */

void response_init(struct http_response *res);

/* ---- session.c ------------------------------------------------------------------- */

/* True if the calling thread is the loop of ctx and a coroutine runs. */
bool session_may_block(const mtev_http_session_ctx *ctx);

/* Let the dispatcher have the request; as it returns, and PENDING if it floated the request. */
int session_dispatch(mtev_http_session_ctx *ctx);

/* The request is over: tell the dispatcher. */
void session_end_request(mtev_http_session_ctx *ctx);

/* The dispatcher is done: give the response an end, if it has none, that says what went wrong. */
void session_settle(mtev_http_session_ctx *ctx);

#endif
