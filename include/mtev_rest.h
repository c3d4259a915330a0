/* SPDX-License-Identifier: MIT */
/*
 * mtev_rest.h - which function answers which request: rules of a method, a base and an expression.
 *
 * Rules may be added from any thread and at any time; they live as long as the process, and so must
 * their functions and closures.  Interface after libmtev 2.7; see mtev_rest(3).
 */
#ifndef MTEV_REST_H
#define MTEV_REST_H

#include <mtev_defines.h>

#include <mtev_http.h>
#include <mtev_listener.h>

MTEV_BEGIN_DECLS

typedef struct mtev_http_rest_closure mtev_http_rest_closure_t;
typedef struct mtev_rest_mountpoint mtev_rest_mountpoint_t; /* a rule */

/*
 * Answer a request, in its loop: on the loop's own stack, or in a coroutine if the rule says so.
 * pats: what the npats groups of the expression captured, each NUL-terminated, "" where a group
 * took no part; borrowed until the request is over.  Returns 0 when the response was ended with
 * mtev_http_response_end(); or, never needed in a coroutine, the mask that restc->fastpath is to be
 * called again for.
 */
typedef int (*rest_request_handler)(mtev_http_rest_closure_t *restc, int npats, char **pats);

/*
 * Say whether the request may have its handler, on the loop's own stack.  mtev_false: it is
 * answered with 403, or has been answered here.
 */
typedef mtev_boolean (*rest_authorize_func_t)(mtev_http_rest_closure_t *restc, int npats,
                                              char **pats);

/*
 * Take a message of a WebSocket: len bytes at msg (borrowed for the call), of
 * MTEV_HTTP_WEBSOCKET_TEXT or _BINARY.  Called for one message after the other, on the loop's own
 * stack, or in the one coroutine of the connection if the rule says so.  0: go on; anything else:
 * close.
 */
typedef int (*rest_websocket_message_handler)(mtev_http_rest_closure_t *restc, int opcode,
                                              const unsigned char *msg, size_t len);

/* One request, valid until it is over. */
struct mtev_http_rest_closure {
    mtev_http_session_ctx *http_ctx;
    mtev_acceptor_closure_t *ac;   /* the connection it came by */
    char *remote_cn;               /* the name in the peer's certificate; "" if it has shown none */
    rest_request_handler fastpath; /* what is called next: a handler may set another one */
    void *websocket_handler_memo;  /* for the message handler, as it likes */
    int nparams;                   /* npats and pats of the handler */
    char **params;
    int wants_shutdown; /* not looked at: MTEV_HTTP_CLOSE closes the connection */
    void *call_closure; /* the handler's own, for this request */
    void (*call_closure_free)(void *call_closure); /* called when the request is over */
    void *closure;                                 /* of the rule */
    mtev_boolean aco_enabled;                      /* the handler runs in a coroutine */
};

/*
 * Make <listener type="http_rest_api"> answer by rules, and compile the <rest> part of the
 * configuration.  Call it once the configuration is loaded, before mtev_listener_init(); a second
 * call does nothing.
 */
API_EXPORT(void) mtev_http_rest_init(void);

/*
 * Have handler answer the requests of that method for paths that are base followed by what the
 * expression matches.  method: a token, at most 32 bytes.  base: begins and ends with '/', at most
 * 1023 bytes.  expression: of PCRE2, at most 32 groups; it sees the decoded path behind base, and
 * is not anchored.  All are NUL-terminated and copied.  Only the longest base of a path counts, and
 * of its rules the first that matches. auth: NULL lets everybody in; forms without it use
 * mtev_http_rest_client_cert_auth(). Returns the rule (borrowed), or NULL with one log line and
 * EINVAL or ENOMEM; the register forms 0 or -1.  Cost: O(1), besides the compilation of the
 * expression.
 */
API_EXPORT(mtev_rest_mountpoint_t *)
mtev_http_rest_new_rule(const char *method, const char *base, const char *expression,
                        rest_request_handler handler);
API_EXPORT(mtev_rest_mountpoint_t *)
mtev_http_rest_new_rule_auth_closure(const char *method, const char *base, const char *expression,
                                     rest_request_handler handler, rest_authorize_func_t auth,
                                     void *closure);
API_EXPORT(int)
mtev_http_rest_register(const char *method, const char *base, const char *expression,
                        rest_request_handler handler);
API_EXPORT(int)
mtev_http_rest_register_closure(const char *method, const char *base, const char *expression,
                                rest_request_handler handler, void *closure);
API_EXPORT(int)
mtev_http_rest_register_auth(const char *method, const char *base, const char *expression,
                             rest_request_handler handler, rest_authorize_func_t auth);
API_EXPORT(int)
mtev_http_rest_register_auth_closure(const char *method, const char *base, const char *expression,
                                     rest_request_handler handler, rest_authorize_func_t auth,
                                     void *closure);

/*
 * Have handler take the messages of WebSockets at such paths: a rule for the method "WS".  The
 * handshake is answered once the rule is found and auth agrees, and before the handler is called
 * first.  protocol: the sub-protocol (a token of HTTP, NUL-terminated, copied) that is agreed on
 * where the peer offers it; NULL: none.  The rest as above.
 *
 * A rule for "WS" made by mtev_http_rest_new_rule() with mtev_rest_mountpoint_set_aco() has a
 * handler that is called once, in a coroutine, and takes the messages with
 * eventer_aco_websocket_recv() (mtev_http.h); when it returns, the connection is closed.
 */
API_EXPORT(int)
mtev_http_rest_websocket_register(const char *base, const char *expression, const char *protocol,
                                  rest_websocket_message_handler handler);
API_EXPORT(int)
mtev_http_rest_websocket_register_closure(const char *base, const char *expression,
                                          const char *protocol,
                                          rest_websocket_message_handler handler, void *closure);
API_EXPORT(int)
mtev_http_rest_websocket_register_auth(const char *base, const char *expression,
                                       const char *protocol, rest_websocket_message_handler handler,
                                       rest_authorize_func_t auth);
API_EXPORT(int)
mtev_http_rest_websocket_register_auth_closure(const char *base, const char *expression,
                                               const char *protocol,
                                               rest_websocket_message_handler handler,
                                               rest_authorize_func_t auth, void *closure);

/*
 * Change a rule, from the next request on.  Two changes are two steps: a request that comes between
 * them sees one.  rule NULL, as a rule that could not be made, is one log line.
 */
API_EXPORT(void)
mtev_rest_mountpoint_set_handler(mtev_rest_mountpoint_t *rule, rest_request_handler handler);
API_EXPORT(void)
mtev_rest_mountpoint_set_auth(mtev_rest_mountpoint_t *rule, rest_authorize_func_t auth);
API_EXPORT(void) mtev_rest_mountpoint_set_closure(mtev_rest_mountpoint_t *rule, void *closure);

/*
 * Have a rule for "WS" speak protocol (NUL-terminated, copied; NULL: none) and give messages to
 * handler (NULL: its request handler takes them).  For rules that no request has come to yet;
 * EINVAL and one log line for another method, ENOMEM.
 */
API_EXPORT(void)
mtev_rest_mountpoint_set_websocket(mtev_rest_mountpoint_t *rule, const char *protocol,
                                   rest_websocket_message_handler handler);

/* Run the handler in a coroutine of its own (mtev_true), or on the loop's stack. */
API_EXPORT(void) mtev_rest_mountpoint_set_aco(mtev_rest_mountpoint_t *rule, mtev_boolean on);

/* An auth function: what the <acl> of the configuration says; mtev_false if it says nothing. */
API_EXPORT(mtev_boolean)
mtev_http_rest_client_cert_auth(mtev_http_rest_closure_t *restc, int npats, char **pats);

/*
 * Answer GET of base and expression, for whom the <acl> admits, with all rules there are then:
 * {BASE: [{"method": METHOD, "expression": EXPRESSION}, ...], ...}, those of a base in the order in
 * which they are tried.  Returns 0, or -1 as mtev_http_rest_register().
 */
API_EXPORT(int) mtev_http_rest_disclose_endpoints(const char *base, const char *expression);

/*
 * Read the whole body, for mtev_http_request_get_upload(), which borrows it until the request is
 * over.  Returns mtev_true once it is there; else mtev_false and in *mask what the handler is to
 * return at once: a mask to be called again (never in a coroutine, which waits here), or 0 when the
 * request has been answered (400, 408, 413, 503) or its peer is gone.  Yields in a coroutine.
 */
API_EXPORT(mtev_boolean) mtev_rest_complete_upload(mtev_http_rest_closure_t *restc, int *mask);

MTEV_END_DECLS

#endif
