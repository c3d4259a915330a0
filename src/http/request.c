/* SPDX-License-Identifier: MIT */
/*
 * request.c - what a handler asks of a request, and the reading of its body.
 */
#include "http/session_impl.h"

#include "base/alloc.h"
#include "coro/coro.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <strings.h>

/* ---- beginning ------------------------------------------------------------------- */

/*
 * End the text of a span where it stands: what follows it in the head was parsed and is not needed.
 */
static char *terminate(struct mtev_http_request *req, struct http1_span span)
{
    req->base[span.offset + span.len] = '\0';
    return req->base + span.offset;
}

static int begin_target(mtev_http_session_ctx *ctx)
{
    struct mtev_http_request *req = &ctx->x->request;
    struct uri uri;
    uri_split(req->base + req->head.path.offset, req->head.path.len, &uri);
    req->query = NULL;
    if (uri.query != NULL) {
        char *query = arena_alloc(&ctx->x->arena, uri.query_len + 1);
        if (query == NULL)
            return 503;
        memcpy(query, uri.query, uri.query_len);
        req->query = query;
    }
    char *path = arena_alloc(&ctx->x->arena, uri.path_len + 1);
    size_t len;
    if (path == NULL)
        return 503;
    memcpy(path, uri.path, uri.path_len);
    req->path = path;
    if (memchr(path, '%', uri.path_len) == NULL)
        return 0; /* as next to all are: the arena's zeroes end it */
    return uri_decode_path(path, uri.path_len, &len) == 0 ? 0 : 400;
}

int request_begin(mtev_http_session_ctx *ctx, char *base)
{
    struct mtev_http_request *req = &ctx->x->request;
    const struct http1_head *head = &req->head;
    req->base = base;
    req->has_pairs = false;
    req->body_read = 0;
    req->body_status = 0;
    req->upload = NULL;
    req->upload_len = 0;
    req->owes_continue = head->expect_continue;
    req->started = *loop_wall(ctx->home->loop);
    req->has_body = head->chunked || head->content_length > 0;
    req->is_body_complete = !req->has_body;
    int status = begin_target(ctx);
    req->method = terminate(req, head->method);
    return status;
}

void request_become_raw(mtev_http_session_ctx *ctx, const struct http_driver *driver)
{
    struct mtev_http_request *req = &ctx->x->request;
    req->is_raw = true;
    req->is_body_complete = false;
    req->driver = driver;
}

/* ---- the head -------------------------------------------------------------------- */

mtev_http_request *mtev_http_session_request(mtev_http_session_ctx *ctx)
{
    return &ctx->x->request;
}

const char *mtev_http_request_uri_str(mtev_http_request *req)
{
    return req->path;
}

const char *mtev_http_request_method_str(mtev_http_request *req)
{
    return req->method;
}

const char *mtev_http_request_protocol_str(mtev_http_request *req)
{
    if (req->head.version == 20)
        return "HTTP/2.0";
    return req->head.version == 10 ? "HTTP/1.0" : "HTTP/1.1";
}

mtev_http_method mtev_http_request_method(mtev_http_request *req)
{
    if (strcmp(req->method, "GET") == 0)
        return MTEV_HTTP_GET;
    if (strcmp(req->method, "HEAD") == 0)
        return MTEV_HTTP_HEAD;
    return strcmp(req->method, "POST") == 0 ? MTEV_HTTP_POST : MTEV_HTTP_OTHER;
}

mtev_http_protocol mtev_http_request_protocol(mtev_http_request *req)
{
    if (req->head.version == 20)
        return MTEV_HTTP20;
    return req->head.version == 10 ? MTEV_HTTP10 : MTEV_HTTP11;
}

const char *mtev_http_request_orig_querystring(mtev_http_request *req)
{
    return req->query;
}

static struct http_exchange *exchange_of(mtev_http_request *req)
{
    return list_entry(req, struct http_exchange, request);
}

static void parse_query(mtev_http_request *req)
{
    struct arena *arena = &exchange_of(req)->arena;
    size_t len = strlen(req->query);
    size_t count = uri_query_count(req->query, len);
    char *text = arena_alloc(arena, len + 1);
    struct uri_pair *pairs = arena_alloc(arena, count * sizeof(*pairs));
    req->has_pairs = true;
    req->pair_count = 0;
    if (text == NULL || pairs == NULL || count > URI_QUERY_PAIRS_MAX)
        return;
    memcpy(text, req->query, len);
    if (uri_query_parse(text, len, pairs, count, &req->pair_count) == 0)
        req->pairs = pairs;
    else
        req->pair_count = 0;
}

const char *mtev_http_request_querystring(mtev_http_request *req, const char *key)
{
    if (req->query == NULL)
        return NULL;
    if (!req->has_pairs)
        parse_query(req);
    const struct uri_pair *pair = uri_query_find(req->pairs, req->pair_count, key);
    return pair == NULL ? NULL : pair->value;
}

const char *mtev_http_request_header(mtev_http_request *req, const char *name)
{
    size_t len = strlen(name);
    for (uint32_t i = 0; i < req->head.fields_count; i++) {
        const struct http1_field *field = &req->fields[i];
        if (field->name.len == len && strncasecmp(req->base + field->name.offset, name, len) == 0)
            return terminate(req, field->value);
    }
    return NULL;
}

mtev_boolean mtev_http_request_has_payload(mtev_http_request *req)
{
    return req->has_body ? mtev_true : mtev_false;
}

mtev_boolean mtev_http_request_payload_chunked(mtev_http_request *req)
{
    return req->head.chunked ? mtev_true : mtev_false;
}

mtev_boolean mtev_http_request_payload_complete(mtev_http_request *req)
{
    return req->is_body_complete ? mtev_true : mtev_false;
}

size_t mtev_http_request_content_length(mtev_http_request *req)
{
    return req->head.content_length;
}

size_t mtev_http_request_content_length_read(mtev_http_request *req)
{
    return req->body_read;
}

void mtev_http_request_start_time(mtev_http_request *req, struct timeval *when)
{
    *when = req->started;
}

const void *mtev_http_request_get_upload(mtev_http_request *req, int64_t *size)
{
    if (size != NULL)
        *size = (int64_t)req->upload_len;
    return req->upload;
}

void http_request_set_upload(mtev_http_session_ctx *ctx, const void *bytes, size_t len)
{
    ctx->x->request.upload = bytes;
    ctx->x->request.upload_len = len;
}

void *http_request_alloc(mtev_http_session_ctx *ctx, size_t size)
{
    return arena_alloc(&ctx->x->arena, size);
}

void *http_request_state(mtev_http_session_ctx *ctx)
{
    return ctx->x->request.state;
}

void http_request_set_state(mtev_http_session_ctx *ctx, void *state, void (*at_end)(void *state))
{
    ctx->x->request.state = state;
    ctx->x->request.at_end = at_end;
}

/* ---- the body -------------------------------------------------------------------- */

static int fail(int err)
{
    errno = err;
    return -1;
}

int mtev_http_session_req_consume(mtev_http_session_ctx *ctx, void *buffer, size_t len, size_t size,
                                  int *mask)
{
    struct mtev_http_request *req = &ctx->x->request;
    int ignored;
    if (mask == NULL)
        mask = &ignored;
    *mask = EVENTER_READ | EVENTER_EXCEPTION;
    if (loop_self != ctx->home->loop)
        return fail(EXDEV);
    if (len > size && buffer != NULL)
        len = size;
    if (len > INT_MAX)
        len = INT_MAX;
    if (len == 0 && !req->is_body_complete)
        return fail(EINVAL);
    int count = req->is_body_complete ? 0 : ctx->carrier->read(ctx, buffer, len, mask);
    if (count > 0)
        req->body_read += (uint64_t)count;
    return count;
}
