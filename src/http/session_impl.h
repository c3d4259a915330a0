/* SPDX-License-Identifier: MIT */
/*
 * conn_impl.h - an HTTP/1 connection, and the exchange (request and response) under way on it.
 *
 * A connection that idles is this small struct and a registered event.  When bytes arrive it takes
 * an exchange, with its buffers, from its loop's pool, and gives it back when it idles again.
 *
 *              bytes, no whole head          PENDING               mask
 *   READING <------------------.   .--> HANDLING    .--> WAITING --.
 *      |  `-- head complete --> dispatch ----------'       ^-ready-'
 *      |                           | done
 *      |  all sent, keep-alive     v
 *      |<--------------------- WRITING --all sent, close--> LINGERING --EOF or time--> closed
 *      `-- EOF, time, error --> closed
 *
 *   READING    no request is under way; x is NULL while no byte of the next one has come
 *   HANDLING   a coroutine has the request; readiness is passed on to it
 *   WAITING    the dispatcher is called again when the connection is ready
 *   WRITING    the response is over, and waits for the peer to take it
 *   LINGERING  all is sent and the write side shut; what still comes is dropped
 */
#ifndef EVENTER_HTTP_CONN_IMPL_H
#define EVENTER_HTTP_CONN_IMPL_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/spinlock.h"
#include "eventer/event.h"
#include "eventer/loop.h"
#include "eventer/wire.h"
#include "http/http.h"
#include "http/http1_body.h"
#include "http/http1_parse.h"
#include "http/uri.h"

#include <stdatomic.h>

#define HTTP_HEAD_NS_MAX             (10 * CLOCK_NS_PER_S) /* from a head's first byte on */
#define HTTP_KEEPALIVE_NS_MAX        (75 * CLOCK_NS_PER_S) /* from a response to the next request */
#define HTTP_BODY_NS_MAX             (30 * CLOCK_NS_PER_S) /* without a byte of the body */
#define HTTP_WRITE_NS_MAX            (30 * CLOCK_NS_PER_S) /* without the peer taking a byte */
#define HTTP_LINGER_NS_MAX           (2 * CLOCK_NS_PER_S)
#define HTTP_LINGER_BYTES_MAX        ((uint64_t)1 << 28)     /* of a body that nobody wants */
#define HTTP_GRACE_NS                (500 * CLOCK_NS_PER_MS) /* to come when the process ends */
#define HTTP_IN_SIZE                 ((size_t)16 * 1024)     /* the input buffer at first */
#define HTTP_BODY_ROOM_MIN           ((size_t)4 * 1024)      /* of it behind a head, for the body */
#define HTTP_OUT_HIGH                ((size_t)64 * 1024) /* pipelined responses leave past this */
#define HTTP_FLUSH_AT                ((size_t)32 * 1024) /* a body is sent past this */
#define HTTP_RESPONSE_LEN_MAX        ((size_t)64 << 20)  /* of a response that waits in memory */
#define HTTP_RESPONSE_FIELDS_LEN_MAX ((size_t)32 * 1024)
#define HTTP_REASON_LEN_MAX          128
#define HTTP_DATE_LEN                29                  /* RFC 9110 section 5.6.7, IMF-fixdate */
#define HTTP_KEPT_CAPACITY_MAX       ((size_t)64 * 1024) /* of a buffer back in the pool */
#define HTTP_POOL_MAX                256                 /* exchanges kept by a loop */
#define HTTP_STEPS_MAX               64 /* in one turn, before others have theirs */

enum conn_state {
    CONN_READING = 1,
    CONN_HANDLING,
    CONN_WAITING,
    CONN_WRITING,
    CONN_LINGERING
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
};

struct http_response {
    struct spinlock lock; /* of all that a job may touch: ended, body, fields and what is set */
    int status;
    char reason[HTTP_REASON_LEN_MAX]; /* reason_len of it */
    uint8_t reason_len;
    struct buf fields; /* lines "Name: value\r\n" */
    struct buf body;   /* not yet in out */
    uint32_t options;
    bool is_torn;         /* a part of it found no memory */
    bool has_length;      /* Content-Length is known */
    bool is_started;      /* the head is in out */
    bool is_chunked;      /* once started */
    bool has_ended;       /* no more is appended */
    bool is_composed;     /* ended, and all of it in out */
    bool must_close;      /* after it */
    uint64_t length_left; /* of the announced Content-Length, once started */
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

struct mtev_http_session_ctx { /* a connection */
    eventer_t e;               /* owned */
    struct http_home *home;
    struct http_exchange *x; /* NULL: idle */
    http_dispatch_func dispatch;
    mtev_acceptor_closure_t *acceptor; /* shared through e */
    struct wheel_node timer;
    uint64_t keepalive_ns; /* idle_timeout of its listener; 0: that of its home */
    uint64_t deadline_ns;  /* 0: none.  The timer may be earlier: then it is set again */
    struct ring all;
    struct mail again; /* another turn */
    uint64_t lingered; /* bytes */
    uint8_t state;
    _Atomic bool is_broken; /* the peer is gone; nothing more can be sent.  Jobs look at it */
    bool is_again_due;      /* again is under way: the struct must stay */
    bool is_closed;
    bool is_dispatching; /* the dispatcher is on this stack */
    bool is_running;     /* run() is on this stack: the struct must stay */
};

/* How long a connection may keep its loop waiting, in nanoseconds: the HTTP_*_NS_MAX of above. */
struct http_times {
    uint64_t head, keepalive, body, write, linger;
};

struct http_home { /* of a loop */
    struct loop *loop;
    struct http_times times; /* tests of this layer set shorter ones */
    struct http_exchange *free;
    size_t free_count;
    struct ring all;
    size_t count;
    bool is_draining;
    time_t date_s;
    char date[HTTP_DATE_LEN + 1]; /* for date_s */
};

/* ---- exchange.c: memory ---------------------------------------------------------- */

/* The loop's part, made on first use; NULL: no memory. */
struct http_home *http_home_self(void);

struct http_exchange *exchange_take(struct http_home *home);
void exchange_give(struct http_home *home, struct http_exchange *x);

/* Make the exchange ready for the next request, whose head starts at x->start. */
void exchange_reset(struct http_exchange *x);

/* The value of Date for this turn (borrowed). */
const char *http_date(struct http_home *home);

/* ---- request.c ------------------------------------------------------------------- */

/* The head that was just parsed becomes the request of ctx.  0, or the status to answer. */
int request_begin(mtev_http_session_ctx *ctx);

/* Drop what has come of the body; true if that was all of it. */
bool request_skip_body(mtev_http_session_ctx *ctx);

/* ---- response.c ------------------------------------------------------------------ */

void response_init(struct http_response *res);

/* Move what the response has into out.  0 or -ENOMEM, -ENOSPC: then it cannot be sent. */
int response_compose(mtev_http_session_ctx *ctx);

/* ---- conn.c ---------------------------------------------------------------------- */

/* Send what is in out: 0 when all is sent, -EAGAIN, or another -errno when the peer is gone. */
int conn_send(mtev_http_session_ctx *ctx);

/* True if the calling thread is the loop of ctx and a coroutine runs. */
bool conn_may_block(mtev_http_session_ctx *ctx);

/* Wait in the coroutine until out is sent.  0 or -errno.  Yields. */
int conn_send_all(mtev_http_session_ctx *ctx);

/*
 * The response has ended and its handler has not: the peer need not wait for that.  Its loop only.
 */
void conn_send_ended(mtev_http_session_ctx *ctx);

#endif
