/* SPDX-License-Identifier: MIT */
/*
 * Goal: a coroutine asks an HTTP server in blocking style, with any method, fields and body, and
 * gets status, fields, URL and body; connections are used again, and are not more than the limits;
 * whatever a caller lends may lie on a stack that others use meanwhile.
 * Method: a server in this process, whose handlers answer with what they were told; coroutines of
 * its loops, also with all of them on one stack (ACO_STACKS=1).
 */
#include "fetching.h"

#define CROWD 100

static int tell(mtev_http_session_ctx *ctx)
{
    mtev_http_request *req = mtev_http_session_request(ctx);
    const char *x = mtev_http_request_header(req, "x-one");
    const char *type = mtev_http_request_header(req, "content-type");
    mtev_http_response_ok(ctx, "text/plain");
    mtev_http_response_header_set(ctx, "X-Answer", "yes");
    mtev_http_response_appendf(ctx, "%s %s %s %zu", mtev_http_request_method_str(req),
                               x == NULL ? "-" : x, type == NULL ? "-" : type,
                               mtev_http_request_content_length(req));
    mtev_http_response_end(ctx);
    return HTTP_DISPATCH_DONE;
}

/* Answer with the body, after the fact. */
static int echo(mtev_http_session_ctx *ctx)
{
    char bytes[500];
    int mask, count;
    mtev_http_request *req = mtev_http_session_request(ctx);
    mtev_http_response_ok(ctx, "text/plain");
    mtev_http_response_header_set(ctx, "X-Chunked",
                                  mtev_http_request_payload_chunked(req) ? "yes" : "no");
    while ((count = mtev_http_session_req_consume(ctx, bytes, 1000, sizeof(bytes), &mask)) > 0)
        mtev_http_response_append(ctx, bytes, (size_t)count);
    mtev_http_response_end(ctx);
    return HTTP_DISPATCH_DONE;
}

static int find_nothing(mtev_http_session_ctx *ctx)
{
    http_respond_simply(ctx, 404, "not here");
    return HTTP_DISPATCH_DONE;
}

static int say_nothing(mtev_http_session_ctx *ctx)
{
    mtev_http_response_ok(ctx, "text/plain");
    mtev_http_response_end(ctx);
    return HTTP_DISPATCH_DONE;
}

static int say_little(mtev_http_session_ctx *ctx)
{
    mtev_http_response_append_str(ctx, "0123456789");
    mtev_http_response_end(ctx);
    return HTTP_DISPATCH_DONE;
}

static _Atomic int waiting;
static _Atomic bool may_answer;

static int wait_for_others(mtev_http_session_ctx *ctx)
{
    atomic_fetch_add(&waiting, 1);
    while (!atomic_load(&may_answer))
        sleep_ms(1);
    mtev_http_response_append_str(ctx, "ok");
    mtev_http_response_end(ctx);
    return HTTP_DISPATCH_DONE;
}

static const struct handler handlers[] = {
    {"/tell", tell, false},         {"/echo", echo, true},
    {"/404", find_nothing, false},  {"/nothing", say_nothing, false},
    {"/little", say_little, false}, {"/wait", wait_for_others, true},
};

/* ---- asking ---------------------------------------------------------------------- */

static void get(void *closure)
{
    eventer_fetch_t *reply;
    eventer_fetch_options_t options = {.url = fetching_url("/tell?a=b")};
    (void)closure;
    check_int(eventer_aco_http_fetch(&options, &reply), 0);
    check_int(eventer_fetch_status(reply), 200);
    check(fetching_body_is(reply, "GET - - 0"));
    check(strcmp(eventer_fetch_field(reply, "x-ANSWER", 0), "yes") == 0);
    check(strcmp(eventer_fetch_field(reply, "Content-Type", 0), "text/plain") == 0);
    check(eventer_fetch_field(reply, "x-reply", 1) == NULL);
    check(eventer_fetch_field(reply, "x-answe", 0) == NULL);
    check(eventer_fetch_field(reply, NULL, 0) == NULL);
    check(strcmp(eventer_fetch_url(reply), options.url) == 0);
    check(strcmp(eventer_fetch_error(reply), "") == 0);
    eventer_fetch_free(reply);
}

static void a_url_is_enough(void **state)
{
    (void)state;
    in_coroutine(0, get, NULL);
}

static void ask_as(const char *method, const char *body, const char *wanted)
{
    eventer_fetch_t *reply;
    const eventer_fetch_field_t fields[] = {{"X-One", "two"}, {"X-Empty", ""}, {NULL, NULL}};
    check_int(eventer_aco_http_fetch(
                  &(eventer_fetch_options_t){.url = fetching_url("/tell"),
                                             .method = method,
                                             .fields = fields,
                                             .body = body,
                                             .body_len = body == NULL ? 0 : strlen(body)},
                  &reply),
              0);
    if (!check(fetching_body_is(reply, wanted)))
        print_message("%s is not %s\n", eventer_fetch_body(reply, NULL), wanted);
    eventer_fetch_free(reply);
}

static void ask_in_many_ways(void *closure)
{
    (void)closure;
    ask_as("GET", NULL, "GET two - 0");
    ask_as("DELETE", NULL, "DELETE two - 0");
    ask_as("OPTIONS", NULL, "OPTIONS two - 0");
    ask_as("POST", NULL, "POST two - 0");
    ask_as(NULL, "abc", "POST two - 3");
    ask_as("PUT", "abcd", "PUT two - 4");
    ask_as("PUT", NULL, "PUT two - 0");
    ask_as("PATCH", "", "PATCH two - 0");
    ask_as("HEAD", NULL, "");
}

static void any_method_may_have_fields_and_a_body(void **state)
{
    (void)state;
    in_coroutine(0, ask_in_many_ways, NULL);
}

static void be_told(void *closure)
{
    eventer_fetch_t *reply;
    size_t len = 1;
    (void)closure;
    check_int(
        eventer_aco_http_fetch(&(eventer_fetch_options_t){.url = fetching_url("/404")}, &reply), 0);
    check_int(eventer_fetch_status(reply), 404);
    eventer_fetch_free(reply);
    check_int(
        eventer_aco_http_fetch(&(eventer_fetch_options_t){.url = fetching_url("/nothing")}, &reply),
        0);
    check_int(eventer_fetch_status(reply), 200);
    check(strcmp(eventer_fetch_body(reply, &len), "") == 0 && len == 0);
    eventer_fetch_free(reply);
}

static void any_status_is_an_answer_and_no_body_is_none(void **state)
{
    (void)state;
    in_coroutine(0, be_told, NULL);
}

/* ---- bodies ---------------------------------------------------------------------- */

#define LARGE ((size_t)1 << 20)
static char large[LARGE];

static void post_and_compare(const eventer_fetch_options_t *options, const void *body, size_t len)
{
    eventer_fetch_t *reply;
    size_t got = 0;
    check_int(eventer_aco_http_fetch(options, &reply), 0);
    const char *bytes = eventer_fetch_body(reply, &got);
    check_int(got, len);
    check(got == len && memcmp(bytes, body, len) == 0);
    eventer_fetch_free(reply);
}

static void post_from_everywhere(void *closure)
{
    char local[200];
    (void)closure;
    memset(local, 'l', sizeof(local));
    const char *url = fetching_url("/echo");
    post_and_compare(
        &(eventer_fetch_options_t){.url = url, .body = local, .body_len = sizeof(local)}, local,
        sizeof(local));
    post_and_compare(&(eventer_fetch_options_t){.url = url, .body = large, .body_len = LARGE},
                     large, LARGE);
}

static void a_body_may_lie_on_the_stack_or_elsewhere(void **state)
{
    (void)state;
    for (size_t i = 0; i < LARGE; i++)
        large[i] = (char)(i * 7 + i / 1000);
    in_coroutine(0, post_from_everywhere, NULL);
}

struct source {
    size_t given, whole, most;
    bool yields;
};

static ssize_t give_large(void *buffer, size_t size, void *closure)
{
    struct source *source = closure; /* a local of the coroutine that asks */
    size_t len = MIN(MIN(size, source->most), source->whole - source->given);
    if (source->yields)
        sleep_ms(1);
    memcpy(buffer, large + source->given, len);
    source->given += len;
    return (ssize_t)len;
}

static void produce_as(size_t most, size_t body_len, bool yields)
{
    eventer_fetch_t *reply;
    struct source source = {.whole = most * 7, .most = most, .yields = yields};
    size_t len = 0;
    check_int(eventer_aco_http_fetch(&(eventer_fetch_options_t){.url = fetching_url("/echo"),
                                                                .produce = give_large,
                                                                .body_len = body_len,
                                                                .closure = &source},
                                     &reply),
              0);
    const char *bytes = eventer_fetch_body(reply, &len);
    check(len == source.whole && memcmp(bytes, large, len) == 0);
    check(strcmp(eventer_fetch_field(reply, "x-chunked", 0), body_len == 0 ? "yes" : "no") == 0);
    eventer_fetch_free(reply);
}

static void produce_in_many_ways(void *closure)
{
    (void)closure;
    for (int yields = 0; yields <= 1; yields++) {
        produce_as(1, 0, yields);
        produce_as(1, 7, yields);
        produce_as(FETCH_CHUNK_MAX - 1, 0, yields);
        produce_as(FETCH_CHUNK_MAX, 0, yields);
        produce_as(FETCH_CHUNK_MAX, 7 * FETCH_CHUNK_MAX, yields);
    }
}

static void a_body_may_be_produced_as_it_is_sent(void **state)
{
    (void)state;
    in_coroutine(0, produce_in_many_ways, NULL);
}

static ssize_t give_too_much(void *buffer, size_t size, void *closure)
{
    (void)buffer, (void)closure;
    return (ssize_t)size + 1;
}

static ssize_t give_up(void *buffer, size_t size, void *closure)
{
    (void)buffer, (void)size;
    errno = *(int *)closure;
    return -1;
}

static void produce_wrongly(void *closure)
{
    const char *url = fetching_url("/echo");
    int err = EXDEV, none = 0;
    (void)closure;
    eventer_fetch_options_t options = {.url = url, .produce = give_too_much};
    fetching_fails(&options, EINVAL);
    options.produce = give_up;
    options.closure = &err;
    fetching_fails(&options, EXDEV);
    options.closure = &none;
    fetching_fails(&options, EIO);
    for (size_t wrong = 6; wrong <= 8; wrong += 2) {
        struct source source = {.whole = 7, .most = 7};
        fetching_fails(
            &(eventer_fetch_options_t){
                .url = url, .produce = give_large, .closure = &source, .body_len = wrong},
            EINVAL);
    }
}

static void a_producer_may_give_up_and_must_keep_to_its_length(void **state)
{
    (void)state;
    in_coroutine(0, produce_wrongly, NULL);
}

static void collect_up_to(void *closure)
{
    eventer_fetch_t *reply;
    (void)closure;
    for (size_t max = 10; max <= 11; max++) {
        check_int(eventer_aco_http_fetch(
                      &(eventer_fetch_options_t){.url = fetching_url("/little"), .body_max = max},
                      &reply),
                  0);
        check(fetching_body_is(reply, "0123456789"));
        eventer_fetch_free(reply);
    }
    check_int(
        eventer_aco_http_fetch(
            &(eventer_fetch_options_t){.url = fetching_url("/little"), .body_max = 9}, &reply),
        -1);
    check_int(errno, EMSGSIZE);
    check_int(eventer_fetch_status(reply), 200);
    check(strstr(eventer_fetch_error(reply), "too long") != NULL);
    eventer_fetch_free(reply);
}

static void a_body_over_the_limit_is_an_error(void **state)
{
    (void)state;
    in_coroutine(0, collect_up_to, NULL);
}

/* ---- connections ----------------------------------------------------------------- */

static void ask_ten_times(void *closure)
{
    for (int i = 0; i < 10; i++)
        get(closure);
}

static void connections_are_used_again(void **state)
{
    (void)state;
    in_coroutine(0, ask_ten_times, NULL);
    assert_int_equal(server_connections(), 1);
    in_coroutine(1, ask_ten_times, NULL);
    assert_int_equal(server_connections(), 2); /* each loop has its own */
    fetching_end_homes();
    server_empty();
    in_coroutine(0, get, NULL);
    assert_int_equal(server_connections(), 1);
}

static void close_all(void *closure)
{
    (void)closure;
    struct http_home *home = loop_self->http;
    struct ring *link = home == NULL ? NULL : home->connections.next;
    while (home != NULL && link != &home->connections) {
        struct http_connection *connection = list_entry(link, struct http_connection, all);
        link = link->next;
        connection->drain(connection);
    }
}

static void a_connection_that_the_peer_has_closed_is_not_used(void **state)
{
    (void)state;
    in_coroutine(0, get, NULL);
    for (unsigned i = 0; i < FETCHING_LOOPS; i++)
        in_loop(i, close_all, NULL);
    server_empty();
    in_coroutine(0, get, NULL);
}

struct member {
    struct errand errand;
    int number;
};

/* Everything that is lent lies on the stack, which others use meanwhile. */
static void ask_with_locals(void *closure)
{
    const struct member *member = closure;
    eventer_fetch_t *reply;
    char body[64], name[32], path[32];
    snprintf(body, sizeof(body), "%d of a crowd of %d", member->number, CROWD);
    snprintf(name, sizeof(name), "X-%d", member->number);
    snprintf(path, sizeof(path), "http://127.0.0.1:%d/echo", client_port);
    const eventer_fetch_field_t fields[] = {{name, body}, {NULL, NULL}};
    check_int(eventer_aco_http_fetch(
                  &(eventer_fetch_options_t){
                      .url = path, .fields = fields, .body = body, .body_len = strlen(body)},
                  &reply),
              0);
    check(fetching_body_is(reply, body));
    eventer_fetch_free(reply);
}

static void ask_all_at_once(void (*fn)(void *closure), int count)
{
    struct member *members = calloc((size_t)count, sizeof(*members));
    assert_non_null(members);
    for (int i = 0; i < count; i++) {
        members[i].number = i;
        coroutine_post(&members[i].errand, (uint32_t)i % FETCHING_LOOPS, fn, &members[i]);
    }
    for (int i = 0; i < count; i++)
        errand_wait(&members[i].errand);
    free(members);
    assert_checks();
}

static void many_ask_at_once_from_many_loops(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++)
        ask_all_at_once(ask_with_locals, CROWD);
}

static void ask_and_wait(void *closure)
{
    eventer_fetch_t *reply;
    (void)closure;
    check_int(
        eventer_aco_http_fetch(&(eventer_fetch_options_t){.url = fetching_url("/wait")}, &reply),
        0);
    check(fetching_body_is(reply, "ok"));
    eventer_fetch_free(reply);
}

static void more_than_the_limit_of_a_host_wait_for_a_connection(void **state)
{
    (void)state;
    const int count = FETCHING_LOOPS * (EVENTER_FETCH_PER_HOST_MAX + 1);
    static struct member members[FETCHING_LOOPS * (EVENTER_FETCH_PER_HOST_MAX + 1)];
    atomic_store(&waiting, 0);
    atomic_store(&may_answer, false);
    for (int i = 0; i < count; i++)
        coroutine_post(&members[i].errand, (uint32_t)i % FETCHING_LOOPS, ask_and_wait, NULL);
    wait_until(&waiting, FETCHING_LOOPS * EVENTER_FETCH_PER_HOST_MAX);
    for (uint32_t i = 0; i < FETCHING_LOOPS; i++)
        settle(i);
    assert_int_equal(atomic_load(&waiting), FETCHING_LOOPS * EVENTER_FETCH_PER_HOST_MAX);
    assert_int_equal(server_connections(), FETCHING_LOOPS * EVENTER_FETCH_PER_HOST_MAX);
    atomic_store(&may_answer, true);
    for (int i = 0; i < count; i++)
        errand_wait(&members[i].errand);
    assert_checks();
    assert_true(server_connections() <= FETCHING_LOOPS * EVENTER_FETCH_IDLE_MAX);
}

/* ---- what is refused ------------------------------------------------------------- */

static void ask_wrongly(void *closure)
{
    const char *url = fetching_url("/tell");
    eventer_fetch_t *reply = (eventer_fetch_t *)closure;
    const eventer_fetch_field_t wrong[][2] = {
        {{"A b", "x"}},
        {{"", "x"}},
        {{"A", "b\r\nC: d"}},
        {{"A", NULL}},
        {{"content-LENGTH", "3"}},
        {{"Transfer-Encoding", "chunked"}},
    };
    const eventer_fetch_options_t options[] = {
        {.url = NULL},
        {.url = ""},
        {.url = "127.0.0.1"},
        {.url = "file:///etc/passwd"},
        {.url = "ftp://127.0.0.1/"},
        {.url = "http://"},
        {.url = "http://127.0.0.1:99999/"},
        {.url = "http://127.0.0.1/a b"},
        {.url = "http://127.0.0.1/\r\nA: b"},
        {.url = url, .method = ""},
        {.url = url, .method = "GET /x"},
        {.url = url, .body_len = 1},
        {.url = url, .body = "x", .body_len = 1, .produce = give_large},
        {.url = url, .method = "PUT", .redirects_max = 1},
    };
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
        fetching_fails(&options[i], EINVAL);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        fetching_fails(&(eventer_fetch_options_t){.url = url, .fields = wrong[i]}, EINVAL);
    check_int(eventer_aco_http_fetch(NULL, &reply), -1);
    check(errno == EINVAL && reply == NULL);
    check_int(eventer_aco_http_fetch(&options[9], NULL), -1);
    check_int(errno, EINVAL);
    check_int(eventer_fetch_status(NULL), 0);
    check(eventer_fetch_field(NULL, "a", 0) == NULL && eventer_fetch_url(NULL) == NULL);
    check(strcmp(eventer_fetch_body(NULL, NULL), "") == 0);
    check(strcmp(eventer_fetch_error(NULL), "") != 0);
    eventer_fetch_free(NULL);
}

static void what_cannot_be_asked_is_refused(void **state)
{
    (void)state;
    in_coroutine(0, ask_wrongly, NULL);
    assert_logged(2, "eventer_aco_http_fetch: no options, or no place for the answer");
    assert_int_equal(server_connections(), 0);
}

static void ask_outside(void *closure)
{
    eventer_fetch_t *reply = (eventer_fetch_t *)closure;
    check_int(
        eventer_aco_http_fetch(&(eventer_fetch_options_t){.url = fetching_url("/tell")}, &reply),
        -1);
    check(errno == EINVAL && reply == NULL);
}

static void outside_a_coroutine_nothing_is_asked(void **state)
{
    int place;
    (void)state;
    in_loop(0, ask_outside, &place);
    ask_outside(&place);
    assert_checks();
    assert_logged(2, "eventer_aco_http_fetch: called outside a coroutine");
}

static const struct CMUnitTest tests[] = {
    fetching_test(a_url_is_enough),
    fetching_test(any_method_may_have_fields_and_a_body),
    fetching_test(any_status_is_an_answer_and_no_body_is_none),
    fetching_test(a_body_may_lie_on_the_stack_or_elsewhere),
    fetching_test(a_body_may_be_produced_as_it_is_sent),
    fetching_test(a_producer_may_give_up_and_must_keep_to_its_length),
    fetching_test(a_body_over_the_limit_is_an_error),
    fetching_test(connections_are_used_again),
    fetching_test(a_connection_that_the_peer_has_closed_is_not_used),
    fetching_test(many_ask_at_once_from_many_loops),
    fetching_test(more_than_the_limit_of_a_host_wait_for_a_connection),
    fetching_test(what_cannot_be_asked_is_refused),
    fetching_test(outside_a_coroutine_nothing_is_asked),
};

int main(void)
{
    fetching_start(handlers, sizeof(handlers) / sizeof(handlers[0]));
    return harness_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]));
}
