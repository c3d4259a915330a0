/* SPDX-License-Identifier: MIT */
/*
 * http1_conn.h - an HTTP/1 connection: the session of one request after the other.
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
#ifndef EVENTER_HTTP_HTTP1_CONN_H
#define EVENTER_HTTP_HTTP1_CONN_H

#include "eventer/wire.h"
#include "http/session_impl.h"

enum conn_state {
    CONN_READING = 1,
    CONN_HANDLING,
    CONN_WAITING,
    CONN_WRITING,
    CONN_LINGERING
};

struct http1_conn {
    mtev_http_session_ctx s; /* owns its event */
    struct wheel_node timer;
    uint64_t keepalive_ns; /* idle_timeout of its listener; 0: that of its home */
    uint64_t deadline_ns;  /* 0: none.  The timer may be earlier: then it is set again */
    struct http_connection connection;
    struct mail again; /* another turn */
    uint64_t lingered; /* bytes */
    uint8_t state;
    bool is_again_due; /* again is under way: the struct must stay */
    bool is_closed;
    bool is_fresh;   /* nothing was understood yet: it may turn out to speak HTTP/2 */
    bool is_running; /* run() is on this stack: the struct must stay */
};

/* ---- http1_conn.c ---------------------------------------------------------------- */

/*
 * Serve e (taken, with what was read from it) in the calling loop.  0 or -errno: then e is as it
 * was, but not registered.
 */
int http1_conn_begin(eventer_t e, struct http_home *home, http_dispatch_func dispatch);

/* Send what is in out; in a coroutine wait for it.  0, -EAGAIN: later, or another -errno. */
int http1_send(mtev_http_session_ctx *ctx);

/* ---- http1_message.c ------------------------------------------------------------- */

/* The head that was just parsed becomes the request of ctx.  0, or the status to answer. */
int http1_begin_request(mtev_http_session_ctx *ctx);

/* The carrier's read. */
int http1_read(mtev_http_session_ctx *ctx, void *buffer, size_t len, int *mask);

/* Drop what has come of the body; true if that was all of it. */
bool http1_skip_body(mtev_http_session_ctx *ctx);

/* Move what the response has into out.  0 or -ENOMEM, -ENOSPC: then it cannot be sent. */
int http1_compose(mtev_http_session_ctx *ctx);

#endif
