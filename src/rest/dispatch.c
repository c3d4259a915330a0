/* SPDX-License-Identifier: MIT */
/*
 * dispatch.c - from a request to its rule, past access control, to the handler.
 *
 *                 no rule                   denied
 *   FOUND? -----------------> 404, 405   .---------> 403
 *      | a rule                          |
 *      `---------> ALLOWED? -------------'
 *                     | yes
 *                     |-- classic: RUNNING <--ready-- WAITING      in a coroutine: PENDING
 *                     |              |  `-- a mask ------^                |
 *                     |              `-- 0 --.                            `-- its function ended
 *                     |                      v                            v
 *                     `-----------------> OVER: not ended?  500 and close, or ended for it
 *
 * From FOUND on, on_over() is called when the request is over, however it came to that, the end of
 * its connection included.
 */
#include "rest/request_impl.h"
#include "rest/rest.h"

#include "base/alloc.h"
#include "coro/coro.h"
#include "eventer/account.h"
#include "http/http.h"
#include "http/websocket.h"
#include "log/log.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

/* Of a handler in a coroutine: it waits inside, and never needs a second call. */
#define CALLS_MAX 16

/* What a rule is complained of once. */
#define COMPLAINT_NOT_ENDED 1u
#define COMPLAINT_CALLS     2u
#define COMPLAINT_BOUNDS    4u
#define COMPLAINT_NO_TAKER  8u

#define MASK_READY (EVENTER_READ | EVENTER_WRITE | EVENTER_EXCEPTION)

static void complain(struct mtev_rest_mountpoint *rule, unsigned complaint, const char *what)
{
    unsigned before = atomic_fetch_or_explicit(&rule->complaints, complaint, memory_order_relaxed);
    if ((before & complaint) == 0)
        mtevL(mtev_error, "rest: %s %s with %.256s: %s\n", rule->method, rule->base,
              rule->expression, what);
}

void rest_complain_of_no_taker(struct mtev_rest_mountpoint *rule)
{
    complain(rule, COMPLAINT_NO_TAKER, "it has no message handler, and is not for coroutines");
}

/* ---- the end --------------------------------------------------------------------- */

static void on_over(void *state)
{
    struct rest_request *req = state;
    if (req->restc.call_closure_free != NULL)
        req->restc.call_closure_free(req->restc.call_closure);
    buf_free(&req->upload);
}

/* The handler is through with the request: see that it has an answer. */
static void settle(struct rest_request *req)
{
    mtev_http_session_ctx *ctx = req->restc.http_ctx;
    if (http_response_has_ended(ctx))
        return;
    if (req->wants_more) {
        complain(req->rule, COMPLAINT_CALLS,
                 "the handler, in a coroutine, asked without end to be called again");
        http_respond_simply(ctx, 500, "the handler did not answer");
        return;
    }
    if (!mtev_http_response_closed(ctx))
        complain(req->rule, COMPLAINT_NOT_ENDED,
                 "the handler returned without mtev_http_response_end()");
    if (req->restc.aco_enabled) {
        mtev_http_response_end(ctx);
        return;
    }
    mtev_http_response_option_set(ctx, MTEV_HTTP_CLOSE);
    http_respond_simply(ctx, 500, "the handler did not answer");
}

/* ---- the handler ----------------------------------------------------------------- */

/* In a coroutine it is a part of the turn. */
static int call_counted(mtev_http_rest_closure_t *restc)
{
    struct account_span span;
    const int fd = http_session_fd(restc->http_ctx);
    account_begin(&span, loop_self, (const void *)(uintptr_t)restc->fastpath,
                  EVENTER_CALLBACK_EVENT);
    int mask = restc->fastpath(restc, restc->nparams, restc->params);
    account_end(&span, fd);
    return mask;
}

int rest_call(struct rest_request *req)
{
    mtev_http_rest_closure_t *restc = &req->restc;
    if (restc->fastpath == NULL)
        restc->fastpath = atomic_load_explicit(&req->rule->handler, memory_order_acquire);
    int mask = account_is_kept() ? call_counted(restc)
                                 : restc->fastpath(restc, restc->nparams, restc->params);
    /* Other bits, and the -1 of a handler that means it as an error, are nothing to wait for. */
    if (mask <= 0 || (mask & MASK_READY) == 0 || mtev_http_response_closed(restc->http_ctx))
        return 0;
    return mask & MASK_READY;
}

static int run(struct rest_request *req)
{
    int mask = rest_call(req);
    if (http_session_is_floated(req->restc.http_ctx))
        return HTTP_DISPATCH_PENDING;
    if (mask != 0)
        return mask;
    settle(req);
    return HTTP_DISPATCH_DONE;
}

static void run_in_coroutine(void)
{
    struct rest_request *req = eventer_aco_arg();
    int calls = 0;
    while (rest_call(req) != 0) {
        calls++;
        if (calls == CALLS_MAX) {
            req->wants_more = true;
            return;
        }
    }
}

void rest_on_coroutine_end(void *arg)
{
    struct rest_request *req = arg;
    req->has_ended = true;
    if (req->is_websocket) {
        websocket_release(req->restc.http_ctx);
        return;
    }
    if (req->is_starting)
        return;
    settle(req);
    http_request_done(req->restc.http_ctx);
}

static int start_coroutine(struct rest_request *req)
{
    const struct coro_start start = {.func = run_in_coroutine,
                                     .arg = req,
                                     .key = (const void *)(uintptr_t)req->restc.fastpath,
                                     .on_end = rest_on_coroutine_end};
    req->restc.aco_enabled = mtev_true;
    req->is_starting = true;
    if (coro_start(&start) != 0) {
        http_respond_simply(req->restc.http_ctx, 503, "out of memory");
        return HTTP_DISPATCH_DONE;
    }
    req->is_starting = false;
    if (!req->has_ended)
        return HTTP_DISPATCH_PENDING;
    settle(req);
    return HTTP_DISPATCH_DONE;
}

/* ---- the rule -------------------------------------------------------------------- */

/* Answer with the methods that are there: 200, or 405 for one that is not. */
static int answer_allow(mtev_http_session_ctx *ctx, int status, const struct rules_place *place,
                        struct regex_match *match)
{
    struct buf text;
    buf_init(&text, RULES_ALLOW_MAX + 1);
    int err = rules_allow(place, match, &text);
    if (err == 0)
        err = buf_append(&text, "", 1);
    if (err == 0) {
        mtev_http_response_status_set(ctx, status, http_status_text(status));
        mtev_http_response_header_set(ctx, "Allow", text.bytes);
        mtev_http_response_end(ctx);
    }
    buf_free(&text);
    return err;
}

/* Answer a request for which rules_find() said err; rule is the one it said it of, or NULL. */
static void answer_unfound(mtev_http_session_ctx *ctx, int err, struct mtev_rest_mountpoint *rule)
{
    if (err == -ENOENT) {
        http_respond_simply(ctx, 404, "nothing is here");
    } else if (err == -ENOMEM) {
        http_respond_simply(ctx, 503, "out of memory");
    } else {
        complain(rule, COMPLAINT_BOUNDS, "a path takes its expression too long");
        http_respond_simply(ctx, 500, "the path is too hard to match");
    }
}

/* Make what is kept for a request, with the texts that the groups captured.  NULL: no memory. */
static struct rest_request *make_request(mtev_http_session_ctx *ctx,
                                         struct mtev_rest_mountpoint *rule,
                                         const struct rules_place *place,
                                         const struct regex_match *match, int spans)
{
    struct regex_span captured[REGEX_GROUPS_MAX];
    const size_t groups = rule->groups;
    const size_t set = (size_t)spans - 1;
    size_t text_size = 1; /* one "" for all that captured nothing */
    for (size_t i = 0; i < set; i++) {
        captured[i] = regex_span(match, place->rest, i + 1);
        text_size += captured[i].len + 1;
    }
    struct rest_request *req =
        http_request_alloc(ctx, sizeof(*req) + (groups + 1) * sizeof(char *) + text_size);
    if (req == NULL)
        return NULL;
    char **params = (char **)(req + 1);
    char *text = (char *)(params + groups + 1); /* zeroed: each text below ends */
    for (size_t i = 0; i < groups; i++) {
        params[i] = text;
        if (i >= set || captured[i].len == 0)
            continue;
        params[i] = text + 1;
        memcpy(text + 1, captured[i].start, captured[i].len);
        text += captured[i].len + 1;
    }
    req->rule = rule;
    req->restc.nparams = (int)set;
    req->restc.params = params;
    return req;
}

/* The method of the rules that a request may have; asks: to become a WebSocket. */
static const char *method_sought(const char *method, bool asks)
{
    if (asks)
        return RULES_WEBSOCKET;
    return strcmp(method, RULES_WEBSOCKET) == 0 ? "" : method;
}

/* Find the rule for the request of ctx.  NULL: there is none, and the request has its answer. */
static struct rest_request *find(mtev_http_session_ctx *ctx, struct regex_match *match)
{
    mtev_http_request *http = mtev_http_session_request(ctx);
    const char *method = mtev_http_request_method_str(http);
    const char *path = mtev_http_request_uri_str(http);
    struct mtev_rest_mountpoint *rule = NULL;
    struct rest_request *req = NULL;
    struct rules_place place;
    if (strcmp(path, "*") == 0) {
        /* Of the server as a whole (RFC 9110 section 9.3.7): it is there. */
        mtev_http_response_end(ctx);
        return NULL;
    }
    const bool asks = websocket_is_asked_for(ctx);
    int found = rules_locate(mountpoint_rules(), path, strlen(path), &place);
    if (found == 0)
        found = rules_find(&place, method_sought(method, asks), match, &rule);
    if (found > 0) {
        req = make_request(ctx, rule, &place, match, found);
        if (req == NULL)
            found = -ENOMEM;
        else
            req->is_websocket = asks;
    } else if (found == -ENOTSUP && asks) {
        found = -ENOENT; /* what is here is none */
    } else if (found == -ENOTSUP && strcmp(method, "GET") == 0 &&
               rules_find(&place, RULES_WEBSOCKET, match, &rule) > 0) {
        websocket_demand(ctx);
    } else if (found == -ENOTSUP) {
        int status = strcmp(method, "OPTIONS") == 0 ? 200 : 405;
        found = answer_allow(ctx, status, &place, match);
    }
    if (found < 0)
        answer_unfound(ctx, found, rule);
    return req;
}

/* Make ctx's request one of a rule.  NULL: it has its answer. */
static struct rest_request *begin(mtev_http_session_ctx *ctx)
{
    static char no_name[] = "";
    struct regex_match match = {NULL};
    struct rest_request *req = find(ctx, &match);
    regex_match_give(&match);
    if (req == NULL)
        return NULL;
    req->restc.http_ctx = ctx;
    req->restc.ac = http_session_acceptor(ctx);
    const char *name = mtev_acceptor_closure_remote_cn(http_session_acceptor(ctx));
    req->restc.remote_cn = name == NULL ? no_name : (char *)(uintptr_t)name; /* not written to */
    /* acquire, here and below: pairs with the setters, and what was written before them */
    req->restc.fastpath = atomic_load_explicit(&req->rule->handler, memory_order_acquire);
    req->restc.closure = atomic_load_explicit(&req->rule->closure, memory_order_acquire);
    http_request_set_state(ctx, req, on_over);
    return req;
}

static int dispatch(mtev_http_session_ctx *ctx)
{
    struct rest_request *req = http_request_state(ctx);
    if (req != NULL)
        return run(req);
    req = begin(ctx);
    if (req == NULL)
        return HTTP_DISPATCH_DONE;
    rest_authorize_func_t auth = atomic_load_explicit(&req->rule->auth, memory_order_acquire);
    if (auth != NULL && !auth(&req->restc, req->restc.nparams, req->restc.params)) {
        if (!http_response_has_ended(ctx))
            http_respond_simply(ctx, 403, "denied");
        return HTTP_DISPATCH_DONE;
    }
    if (req->is_websocket)
        return rest_begin_websocket(req);
    if (atomic_load_explicit(&req->rule->is_aco, memory_order_acquire))
        return start_coroutine(req);
    return run(req);
}

void mtev_http_rest_init(void)
{
    static atomic_bool is_done;
    if (atomic_exchange(&is_done, true))
        return;
    int err = http_register_listener("http_rest_api", dispatch);
    if (err != 0) {
        mtevL(mtev_error, "mtev_http_rest_init: http_rest_api: %s\n", strerrordesc_np(-err));
        atomic_store(&is_done, false);
        return;
    }
    if (rest_add_commands() != 0)
        mtevL(mtev_error, "mtev_http_rest_init: out of memory: the console has no show rest\n");
    rest_acl_load();
}
