/* SPDX-License-Identifier: MIT */
/*
 * Goal: the memory of a request is used again and again, and what one large request took is given
 * back; a loop keeps no more than its limit.  Date is of RFC 9110 section 5.6.7.
 * Method: the functions are called in a loop that serves nothing else.
 */
#include "in_loop.h"

#include "base/alloc.h"
#include "http/session_impl.h"

#include <time.h>

static void use_again(void *closure)
{
    (void)closure;
    struct http_home *home = http_home_self();
    check(http_home_self() == home);
    struct http_exchange *x = exchange_take(home);
    check(x->in.capacity == HTTP_IN_SIZE);
    check(arena_alloc(&x->arena, 100) != NULL);
    x->request.state = x;
    x->response.must_close = x->response.has_length = x->response.is_torn = true;
    x->start = x->seen = x->sent = 7;
    exchange_give(home, x);
    check_int(home->free_count, 1);
    alloc_fail_nth(1, 1); /* nothing is asked for */
    struct http_exchange *again = exchange_take(home);
    alloc_fail_nth(0, 0);
    check(again == x && home->free_count == 0);
    check(again->request.state == NULL && again->start == 0 && again->seen == 0);
    check(again->sent == 0 && again->in.len == 0 && again->out.len == 0);
    check(!again->response.must_close && !again->response.has_length && !again->response.is_torn);
    check_int(again->response.status, 200);
    check(*again->request.method == '\0' && *again->request.path == '\0');
    exchange_give(home, again);
}

static void exchanges_are_used_again(void **state)
{
    (void)state;
    in_loop(0, use_again, NULL);
}

static void take_much(void *closure)
{
    (void)closure;
    struct http_home *home = http_home_self();
    for (int by = 0; by <= 1; by++) {
        const size_t size = HTTP_KEPT_CAPACITY_MAX + (size_t)by;
        struct http_exchange *x = exchange_take(home);
        check_int(buf_reserve(&x->out, size), 0);
        check_int(buf_reserve(&x->response.body, size), 0);
        exchange_give(home, x);
        check(home->free == x);
        check_int(x->out.capacity, by == 0 ? size : 0);
        check_int(x->response.body.capacity, by == 0 ? size : 0);
    }
    struct http_exchange *x = exchange_take(home);
    check_int(buf_reserve(&x->in, HTTP_KEPT_CAPACITY_MAX + 1), 0);
    exchange_give(home, x); /* it goes as a whole: an exchange always has an input buffer */
    check_int(home->free_count, 0);
}

static void what_a_large_request_took_is_given_back(void **state)
{
    (void)state;
    in_loop(0, take_much, NULL);
}

static void take_many(void *closure)
{
    (void)closure;
    static struct http_exchange *taken[HTTP_POOL_MAX + 1];
    struct http_home *home = http_home_self();
    for (size_t i = 0; i <= HTTP_POOL_MAX; i++)
        check((taken[i] = exchange_take(home)) != NULL);
    for (size_t i = 0; i <= HTTP_POOL_MAX; i++) {
        exchange_give(home, taken[i]);
        check_int(home->free_count, i < HTTP_POOL_MAX ? i + 1 : HTTP_POOL_MAX);
    }
}

static void a_loop_keeps_no_more_than_its_limit(void **state)
{
    (void)state;
    in_loop(0, take_many, NULL);
}

static void take_without_memory(void *closure)
{
    (void)closure;
    struct http_home *home = http_home_self(), none = *home;
    none.free = NULL;
    none.free_count = 0;
    for (uint64_t nth = 1; nth <= 2; nth++) {
        alloc_fail_nth(nth, 0);
        check(exchange_take(&none) == NULL);
        alloc_fail_nth(0, 0);
    }
}

static void without_memory_there_is_no_exchange(void **state)
{
    (void)state;
    in_loop(0, take_without_memory, NULL);
}

static void read_date(void *closure)
{
    (void)closure;
    static const struct {
        time_t time;
        const char *text;
    } cases[] = {
        {784111777, "Sun, 06 Nov 1994 08:49:37 GMT"}, /* the example of the RFC */
        {951782400, "Tue, 29 Feb 2000 00:00:00 GMT"},
        {1735689599, "Tue, 31 Dec 2024 23:59:59 GMT"},
    };
    struct http_home *home = http_home_self();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        loop_self->wall = (struct timeval){.tv_sec = cases[i].time};
        loop_self->has_wall = true;
        check(memcmp(http_date(home), cases[i].text, HTTP_DATE_LEN) == 0);
        check_int(strlen(http_ok_line(home)), HTTP_OK_LEN);
    }
}

static void date_is_of_rfc_9110(void **state)
{
    (void)state;
    in_loop(0, read_date, NULL);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(exchanges_are_used_again),
    cmocka_unit_test(what_a_large_request_took_is_given_back),
    cmocka_unit_test(a_loop_keeps_no_more_than_its_limit),
    cmocka_unit_test(without_memory_there_is_no_exchange),
    cmocka_unit_test(date_is_of_rfc_9110),
};

int main(void)
{
    start_loops(1);
    return harness_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]));
}
