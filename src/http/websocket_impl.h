/* SPDX-License-Identifier: MIT */
/*
 * websocket_impl.h - a WebSocket: frames in the content of a request that never ends.
 *
 * Layer: http.  It is driven on its loop, whatever carries it and whoever takes its messages:
 *
 *   bytes --carrier->read()--> wslay --> inbox --> handler on the loop's stack, or a coroutine
 *   any thread --> outbox --> wslay --> the response's body --carrier->flush()--> bytes
 *
 * Nothing is read while a message waits in the inbox or output is stuck, and nothing is framed
 * while output is stuck, so the peer and the senders wait for each other and memory does not grow.
 *
 *   OPEN --a close is sent--> waits for the peer's --it comes, or time--> OVER --released--> done
 *     |--the peer's close comes, wslay answers it----------------------->|
 *     `--the peer breaks the rules (a close is sent), or is gone-------->|
 */
#ifndef EVENTER_HTTP_WEBSOCKET_IMPL_H
#define EVENTER_HTTP_WEBSOCKET_IMPL_H

#include "http/session_impl.h"
#include "http/websocket.h"

#include <wslay/wslay.h>

#define WEBSOCKET_MESSAGE_MAX   ((size_t)16 << 20) /* bytes of a message, also once inflated */
#define WEBSOCKET_QUEUE_MAX     ((size_t)16 << 20) /* of messages, and their cost, not yet sent */
#define WEBSOCKET_MESSAGE_COST  64                 /* bytes that a waiting message counts more */
#define WEBSOCKET_FRAGMENTS_MAX 16384              /* of a message */
#define WEBSOCKET_CONTROL_MAX   125                /* bytes in a control frame: section 5.5 */
#define WEBSOCKET_DEFLATE_MIN   128 /* bytes; shorter messages are sent as they are */

struct coro;

struct websocket_message {
    struct queue_node node;
    int opcode;
    bool is_compressed;  /* of the inbox */
    bool is_end;         /* it is the peer's close: status, and its reason */
    uint16_t status;     /* of a close */
    size_t len;          /* of data */
    unsigned char *data; /* bytes, or inflated */
    char *inflated;      /* owned; NULL: it is not */
    unsigned char bytes[];
};

struct websocket {
    mtev_http_session_ctx *ctx; /* NULL: the request is over */
    struct loop *loop;
    websocket_message_func on_message;
    wslay_event_context_ptr frames; /* owned; used by the loop's thread alone */
    struct queue inbox;
    struct websocket_message *taken; /* what a coroutine was given last; owned */
    struct coro *receiver, *sender;  /* that wait */
    struct wheel_node timer;
    uint64_t idle_ns;
    uint64_t alive_ns;    /* when the peer was last heard, or took something */
    uint64_t close_by_ns; /* 0: no close is under way */
    size_t in_flight;     /* of queued: framed, and not known to be sent */
    unsigned fragments;   /* of the message that comes in */
    unsigned takes;       /* since its coroutine last waited */
    bool has_ended;       /* its coroutine was told of the peer's close */
    uint8_t deflate_bits; /* the window of messages to the peer; 0: none is compressed */
    bool is_driven;       /* drive() is on a stack */
    bool is_stuck;        /* output waits for room */
    bool is_pinged;       /* since alive_ns */
    bool has_failed;      /* the peer broke the rules: what it says is not heard */
    bool is_over;         /* nothing is read or written any more */
    bool is_released;     /* once over, the request is done */
    _Atomic unsigned refs;
    struct mail mail;
    struct spinlock lock; /* of what follows, which any thread may touch */
    struct queue outbox;
    size_t queued;        /* bytes, with costs, of the outbox and in flight */
    _Atomic bool is_shut; /* a close is queued: nothing may follow it */
    bool is_mailed;       /* mail is under way, and has a reference */
};

/* ---- websocket.c ----------------------------------------------------------------- */

/* Make ctx's request one, with nothing sent yet; it is raw from here on.  0 or -ENOMEM. */
int websocket_begin(mtev_http_session_ctx *ctx, uint8_t deflate_bits,
                    websocket_message_func on_message);

/* The request is over. */
void websocket_end(struct websocket *ws);

void websocket_drop(struct websocket *ws); /* a reference */

/*
 * Queue a message for sending, and send it if this is its loop.  Any thread.  0; -EINVAL: it is
 * none; -EMSGSIZE; -EAGAIN: too much waits; -EPIPE: a close was queued; -ENOMEM.
 */
int websocket_put(struct websocket *ws, int opcode, const void *msg, size_t len);

/* Queue a close, if none is. */
void websocket_close(struct websocket *ws, uint16_t status);

/* Do what can be done; its loop, not within a handler of its messages. */
void websocket_drive(struct websocket *ws);

/*
 * Take the oldest message that has come, ready to be looked at; the caller owns it.  NULL: none.
 */
struct websocket_message *websocket_take(struct websocket *ws);
void websocket_message_free(struct websocket_message *message);

/* ---- websocket_negotiate.c ------------------------------------------------------- */

/*
 * Choose sub-protocol and extension by what the request offers and set the fields that say so.
 * Gives in *deflate_bits what struct websocket has.
 */
void websocket_negotiate(mtev_http_session_ctx *ctx, const char *protocol, uint8_t *deflate_bits);

/* True if a field called name of the request has that element in its list, in any case or exactly.
 */
bool websocket_has_element(mtev_http_session_ctx *ctx, const char *name, const char *element,
                           bool exactly);

/* ---- websocket_deflate.c --------------------------------------------------------- */

/*
 * Append to out what the len bytes at bytes become as the data of one compressed message, without
 * what was sent before.  0, -ENOSPC (out is full) or -ENOMEM.
 */
int websocket_deflate(struct http_home *home, uint8_t window_bits, const void *bytes, size_t len,
                      struct buf *out);

/* The way back.  0; -EBADMSG: that is no compressed data; -ENOSPC or -ENOMEM. */
int websocket_inflate(struct http_home *home, const void *bytes, size_t len, struct buf *out);

/* True if the len bytes at bytes are UTF-8: RFC 3629 section 4. */
bool websocket_is_utf8(const unsigned char *bytes, size_t len);

#endif
