/* SPDX-License-Identifier: MIT */
#include "http/session_impl.h"

#include "base/alloc.h"

static void exchange_free(struct http_exchange *x)
{
    arena_free(&x->arena);
    buf_free(&x->in);
    buf_free(&x->out);
    buf_free(&x->response.fields);
    buf_free(&x->response.body);
    alloc_free(x);
}

struct http_exchange *exchange_take(struct http_home *home)
{
    const struct http1_limits limits = HTTP1_LIMITS_DEFAULT;
    struct http_exchange *x = home->free;
    if (x != NULL) {
        home->free = x->next_free;
        home->free_count--;
        return x;
    }
    x = alloc_zeroed(1, sizeof(*x));
    if (x == NULL)
        return NULL;
    buf_init(&x->in, http1_head_len_max(&limits) + 2 * HTTP_IN_SIZE);
    buf_init(&x->out, HTTP_RESPONSE_LEN_MAX + HTTP_RESPONSE_FIELDS_LEN_MAX + HTTP_OUT_HIGH);
    buf_init(&x->response.fields, HTTP_RESPONSE_FIELDS_LEN_MAX);
    buf_init(&x->response.body, HTTP_RESPONSE_LEN_MAX);
    if (buf_reserve(&x->in, HTTP_IN_SIZE) != 0) {
        exchange_free(x);
        return NULL;
    }
    exchange_reset(x);
    return x;
}

static void trim(struct buf *b)
{
    b->len = 0;
    if (b->capacity > HTTP_KEPT_CAPACITY_MAX)
        buf_free(b);
}

void exchange_reset(struct http_exchange *x)
{
    arena_reset(&x->arena);
    x->request.head.fields = x->request.fields;
    x->request.method = ""; /* until its head is complete */
    x->request.path = "";
    x->request.has_body = false;
    x->request.state = NULL;
    x->request.at_end = NULL;
    x->request.is_raw = false;
    x->request.driver = NULL;
    response_init(&x->response);
    x->seen = 0;
}

void exchange_give(struct http_home *home, struct http_exchange *x)
{
    if (home->free_count == HTTP_POOL_MAX || x->in.capacity > HTTP_KEPT_CAPACITY_MAX) {
        exchange_free(x);
        return;
    }
    x->in.len = x->start = x->sent = 0;
    trim(&x->out);
    trim(&x->response.body);
    exchange_reset(x);
    x->next_free = home->free;
    home->free = x;
    home->free_count++;
}
