/* SPDX-License-Identifier: MIT */
/*
 * mtev_http.h - one HTTP request and the response to it.
 *
 * A session is a connection; a handler is given it while a request of it is answered.  Until the
 * handler is done with the request, and no longer, the session, its request and every text borrowed
 * from them are valid.  Calls are for the handler: on its loop, in its coroutine, or, where "also
 * from a job" is said, in a job that its coroutine waits for.  See mtev_http(3).
 */
#ifndef MTEV_HTTP_H
#define MTEV_HTTP_H

#include <mtev_defines.h>

#include <eventer/eventer.h>

#include <mtev_listener.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

MTEV_BEGIN_DECLS

#define MTEV_HTTP_CHUNKED 0x01u
#define MTEV_HTTP_CLOSE   0x02u

typedef enum {
    MTEV_HTTP_OTHER = 0,
    MTEV_HTTP_GET,
    MTEV_HTTP_HEAD,
    MTEV_HTTP_POST
} mtev_http_method;

typedef enum {
    MTEV_HTTP09 = 0,
    MTEV_HTTP10,
    MTEV_HTTP11,
    MTEV_HTTP20
} mtev_http_protocol;

typedef struct mtev_http_session_ctx mtev_http_session_ctx;
typedef struct mtev_http_request mtev_http_request;
typedef struct mtev_http_connection mtev_http_connection;

/* ---- a request that goes on later ------------------------------------------------ */

/*
 * Return the connection of ctx (borrowed), and its event (borrowed): NULL for HTTP/2, where many
 * sessions share one.
 */
API_EXPORT(mtev_http_connection *) mtev_http_session_connection(mtev_http_session_ctx *ctx);
API_EXPORT(eventer_t) mtev_http_connection_event(mtev_http_connection *conn);

/*
 * For a handler on the loop's own stack, which needs others to answer: keep the request when the
 * handler returns, whatever it returns.  Until it is resumed the session stays, any thread may set
 * and append to the response, and the peer is not read.  Returns the event, which the handler may
 * give to eventer_remove_fde() as programs for libmtev do; that changes nothing.  NULL: for HTTP/2,
 * which floats all the same; or in a coroutine, which just waits, and outside a handler: then
 * nothing floats.  A request that was not resumed after 300 s loses its connection.
 */
API_EXPORT(eventer_t) mtev_http_connection_event_float(mtev_http_connection *conn);

/*
 * The floated request goes on: with what was appended if its response was ended, else by a call of
 * its handler (of REST: restc->fastpath).  The same is
 * eventer_trigger(mtev_http_connection_event(conn), EVENTER_READ | EVENTER_WRITE).  Any thread,
 * once; afterwards only the loop may use the session.  For a request that does not float nothing
 * happens.
 */
API_EXPORT(void) mtev_http_session_resume_after_float(mtev_http_session_ctx *ctx);

/* ---- the request ----------------------------------------------------------------- */

/* Return the request that is being answered (borrowed). */
API_EXPORT(mtev_http_request *) mtev_http_session_request(mtev_http_session_ctx *ctx);

/* The path, decoded; the method and the protocol, as sent.  NUL-terminated, borrowed. */
API_EXPORT(const char *) mtev_http_request_uri_str(mtev_http_request *req);
API_EXPORT(const char *) mtev_http_request_method_str(mtev_http_request *req);
API_EXPORT(const char *) mtev_http_request_protocol_str(mtev_http_request *req);
API_EXPORT(mtev_http_method) mtev_http_request_method(mtev_http_request *req);
API_EXPORT(mtev_http_protocol) mtev_http_request_protocol(mtev_http_request *req);

/* The text behind '?', as sent (borrowed); NULL if there is none. */
API_EXPORT(const char *) mtev_http_request_orig_querystring(mtev_http_request *req);

/*
 * Return the decoded value of the first pair with that key in the query (borrowed), or NULL: none,
 * no value, or a query that cannot be decoded.
 */
API_EXPORT(const char *)
mtev_http_request_querystring(mtev_http_request *req, const char *key);

/* Return the value of the first field called name, in any case (borrowed), or NULL. */
API_EXPORT(const char *) mtev_http_request_header(mtev_http_request *req, const char *name);

/* What the head says of the body, and what of it has been read. */
API_EXPORT(mtev_boolean) mtev_http_request_has_payload(mtev_http_request *req);
API_EXPORT(mtev_boolean) mtev_http_request_payload_chunked(mtev_http_request *req);
API_EXPORT(mtev_boolean) mtev_http_request_payload_complete(mtev_http_request *req);
API_EXPORT(size_t) mtev_http_request_content_length(mtev_http_request *req); /* 0: not said */
API_EXPORT(size_t) mtev_http_request_content_length_read(mtev_http_request *req);

/* Give in *when the wall-clock time at which the head was complete. */
API_EXPORT(void) mtev_http_request_start_time(mtev_http_request *req, struct timeval *when);

/* The whole body, once mtev_rest_complete_upload() said so (borrowed), and its size; else NULL. */
API_EXPORT(const void *) mtev_http_request_get_upload(mtev_http_request *req, int64_t *size);

/*
 * Read the next bytes of the body, its chunks taken apart, into buffer (size bytes at buffer; NULL:
 * they are dropped), at most len.  Returns how many; 0 when the body is complete; -1 with errno:
 *   EAGAIN   (never in a coroutine, which waits instead) return *mask to be called again;
 *   ETIME    the peer stopped sending; ECONNRESET: it is gone;
 *   EBADMSG  the framing is wrong; EFBIG: the body is over the limit.
 * In a coroutine it yields.
 */
API_EXPORT(int)
mtev_http_session_req_consume(mtev_http_session_ctx *ctx, void *buffer, size_t len, size_t size,
                              int *mask);

/* ---- the response ---------------------------------------------------------------- */

/* Status and reason (NUL-terminated, copied; 100 to 999).  mtev_false once output has started. */
API_EXPORT(mtev_boolean)
mtev_http_response_status_set(mtev_http_session_ctx *ctx, int code, const char *reason);

/*
 * Set a field, in place of one with that very name.  Both texts are copied.  mtev_false once output
 * has started, past the limits, or for what could not stand in a field (RFC 9110 section 5.5).
 */
API_EXPORT(mtev_boolean)
mtev_http_response_header_set(mtev_http_session_ctx *ctx, const char *name, const char *value);

/*
 * MTEV_HTTP_CHUNKED (HTTP/1.1 only) or MTEV_HTTP_CLOSE.  mtev_false once output has started, and
 * for what the peer cannot take.  A response that is complete before its output starts gets a
 * Content-Length.
 */
API_EXPORT(mtev_boolean)
mtev_http_response_option_set(mtev_http_session_ctx *ctx, uint32_t opts);

/*
 * Append to the body: len bytes, a NUL-terminated text, or as printf(3).  Past 32 KiB what is there
 * is sent, and a coroutine waits until it is.  Also from a job, where it is only kept.  mtev_false
 * when the response has ended, the peer is gone, or the limit on what may wait is reached.
 */
API_EXPORT(mtev_boolean)
mtev_http_response_append(mtev_http_session_ctx *ctx, const void *bytes, size_t len);
API_EXPORT(mtev_boolean)
mtev_http_response_append_str(mtev_http_session_ctx *ctx, const char *text);
API_EXPORT(mtev_boolean)
mtev_http_response_appendf(mtev_http_session_ctx *ctx, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
API_EXPORT(mtev_boolean)
mtev_http_response_vappend(mtev_http_session_ctx *ctx, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

/*
 * Send what is there (final: and end the response).  mtev_false if the peer is gone.  In a
 * coroutine it may yield; on a loop's own stack what cannot be sent at once is sent later.
 */
API_EXPORT(mtev_boolean)
mtev_http_response_flush(mtev_http_session_ctx *ctx, mtev_boolean final);

/*
 * End the response.  The peer has it soon after; also from a job.  mtev_false if it had ended
 * before.
 */
API_EXPORT(mtev_boolean) mtev_http_response_end(mtev_http_session_ctx *ctx);

/* True once the response was ended, or can no longer be sent. */
API_EXPORT(mtev_boolean) mtev_http_response_complete(mtev_http_session_ctx *ctx);
API_EXPORT(mtev_boolean) mtev_http_response_closed(mtev_http_session_ctx *ctx);

/* ---- a WebSocket ----------------------------------------------------------------- */

/* What a message is (RFC 6455 section 5.2).  Receivers see the first two. */
#define MTEV_HTTP_WEBSOCKET_TEXT   0x1
#define MTEV_HTTP_WEBSOCKET_BINARY 0x2
#define MTEV_HTTP_WEBSOCKET_CLOSE  0x8 /* nothing, or a status in two bytes and a text */
#define MTEV_HTTP_WEBSOCKET_PING   0x9
#define MTEV_HTTP_WEBSOCKET_PONG   0xa

/* True from the handshake, which comes before the handler (mtev_rest.h), to the request's end. */
API_EXPORT(mtev_boolean) mtev_http_is_websocket(mtev_http_session_ctx *ctx);

/*
 * Send a message (len bytes at msg, copied; a text is UTF-8, which is not checked) behind those
 * queued before.  Any thread, until the request is over, which call_closure_free of mtev_rest.h is
 * told.  Never waits.  mtev_false: it is not sent, because a close was queued, too much waits
 * already (16 MiB with 64 bytes for each message), it is longer than 16 MiB (125 bytes if it is no
 * text and not binary), opcode or status are none that may be sent, or there is no memory.
 */
API_EXPORT(mtev_boolean)
mtev_http_websocket_queue_msg(mtev_http_session_ctx *ctx, int opcode, const unsigned char *msg,
                              size_t len);

/*
 * Wait in a coroutine of the session's loop for the next message.  Returns
 *   1   it is len bytes at *msg, of MTEV_HTTP_WEBSOCKET_TEXT (valid UTF-8) or _BINARY in *opcode;
 *   0   the peer has closed, as it should: *opcode is the status that it gave (RFC 6455 section
 *       7.4; 1005: none), and *msg its reason;
 *   -1  with errno: ECONNRESET: there is no peer any more, or it broke the rules; ETIME: timeout
 *       (NULL: none) has passed; EBUSY: another coroutine waits; EXDEV: this is not a coroutine of
 *       its loop; EINVAL: it is no WebSocket, or a message handler gets its messages.
 * *msg is the library's: borrowed until the next call for ctx, or until the request is over.  A
 * message over 16 MiB is none: the connection is closed with status 1009.  Yields.
 */
API_EXPORT(int)
eventer_aco_websocket_recv(mtev_http_session_ctx *ctx, int *opcode, const unsigned char **msg,
                           size_t *len, struct timeval *timeout);

/*
 * As mtev_http_websocket_queue_msg(), but where too much waits already, wait in this coroutine of
 * the session's loop until the peer has taken it.  msg stays the caller's.  Returns 0; or -1 with
 * errno: ECONNRESET: the peer is gone or a close was queued; ETIME; EBUSY and EXDEV as above;
 * EMSGSIZE: it is too long; EINVAL: it is no message, or ctx no WebSocket; ENOMEM.  Yields.
 */
API_EXPORT(int)
eventer_aco_websocket_send(mtev_http_session_ctx *ctx, int opcode, const unsigned char *msg,
                           size_t len, struct timeval *timeout);

/* ---- the usual answers ----------------------------------------------------------- */

/*
 * Status, Content-Type, and a body of any length: status, field and option in one.  type is
 * NUL-terminated; nothing happens once output has started.
 */
API_EXPORT(void)
mtev_http_response_standard(mtev_http_session_ctx *ctx, int code, const char *reason,
                            const char *type);
#define mtev_http_response_ok(ctx, type) mtev_http_response_standard(ctx, 200, "OK", type)
#define mtev_http_response_not_found(ctx, type)                                                    \
    mtev_http_response_standard(ctx, 404, "NOT FOUND", type)
#define mtev_http_response_denied(ctx, type) mtev_http_response_standard(ctx, 403, "DENIED", type)
#define mtev_http_response_server_error(ctx, type)                                                 \
    mtev_http_response_standard(ctx, 500, "ERROR", type)

MTEV_END_DECLS

#endif
