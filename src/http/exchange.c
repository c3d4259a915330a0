/* SPDX-License-Identifier: MIT */
#include "http/conn_impl.h"

#include "base/alloc.h"

#include <stdio.h>
#include <time.h>

struct http_home *http_home_self(void)
{
    struct http_home *home = loop_self->http;
    if (home != NULL)
        return home;
    home = alloc_zeroed(1, sizeof(*home));
    if (home == NULL)
        return NULL;
    home->loop = loop_self;
    home->times = (struct http_times){
        .head = HTTP_HEAD_NS_MAX,
        .keepalive = HTTP_KEEPALIVE_NS_MAX,
        .body = HTTP_BODY_NS_MAX,
        .write = HTTP_WRITE_NS_MAX,
        .linger = HTTP_LINGER_NS_MAX,
    };
    ring_init(&home->all);
    loop_self->http = home;
    return home;
}

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

const char *http_date(struct http_home *home)
{
    time_t now = loop_wall(home->loop)->tv_sec;
    if (now != home->date_s) {
        /* strftime(3) would use the names of the locale */
        static const char days[][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
        static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
        struct tm tm;
        gmtime_r(&now, &tm);
        snprintf(home->date, sizeof(home->date), "%s, %02u %s %04u %02u:%02u:%02u GMT",
                 days[tm.tm_wday % 7], (unsigned)tm.tm_mday % 100, months[tm.tm_mon % 12],
                 (unsigned)(tm.tm_year + 1900) % 10000, (unsigned)tm.tm_hour % 100,
                 (unsigned)tm.tm_min % 100, (unsigned)tm.tm_sec % 100);
        home->date_s = now;
    }
    return home->date;
}
