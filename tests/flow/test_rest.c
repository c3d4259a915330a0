/* SPDX-License-Identifier: MIT */
/*
 * Goal: requests that arrive over a socket find their rule, pass access control, are answered by a
 * handler on the loop's stack or in a coroutine, and leave nothing behind, whatever the handler or
 * the peer does.
 * Method: a server of two loops in this process, and a blocking client that sends bytes as they are
 * written here.  What a handler keeps for a request is given back through a semaphore, which is how
 * a test knows that a request is over.
 */
#include "logged.h"

#include "base/alloc.h"
#include "conf/conf.h"
#include "eventer/pool.h"
#include "listener/listener.h"
#include "rest/rest.h"

#include <eventer/eventer.h>
#include <mtev_rest.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define REPLY_SIZE   65536
#define PATIENCE_S   20 /* for what must happen, however slow a sanitizer makes it */
#define BODY_LEN_MAX ((size_t)3000000)

static uint16_t port;
static pthread_t looping;
static sem_t over; /* posted for each request whose call_closure was given back */
static char reply[REPLY_SIZE];

/* ---- the server -------------------------------------------------------------------------------
 */

static void give_back(void *closure)
{
    assert_ptr_equal(closure, &over);
    sem_post(&over);
}

/* Have the end of this request be known. */
static void note_end(mtev_http_rest_closure_t *restc)
{
    restc->call_closure = &over;
    restc->call_closure_free = give_back;
}

static int echo(mtev_http_rest_closure_t *restc, int npats, char **pats)
{
    mtev_http_session_ctx *ctx = restc->http_ctx;
    mtev_http_response_ok(ctx, "text/plain");
    mtev_http_response_appendf(ctx, "%d:", npats);
    for (int i = 0; i < npats; i++)
        mtev_http_response_appendf(ctx, "[%s]", pats[i]);
    if (restc->closure != NULL)
        mtev_http_response_append_str(ctx, restc->closure);
    if (restc->aco_enabled)
        mtev_http_response_append_str(ctx, " in a coroutine");
    mtev_http_response_end(ctx);
    return 0;
}

static int nap(mtev_http_rest_closure_t *restc, int npats, char **pats)
{
    note_end(restc);
    eventer_aco_sleep(&(struct timeval){0, 2000});
    assert_ptr_equal(restc->call_closure, &over);
    return echo(restc, npats, pats);
}

static int second_call(mtev_http_rest_closure_t *restc, int npats, char **pats)
{
    mtev_http_response_ok(restc->http_ctx, "text/plain");
    mtev_http_response_append_str(restc->http_ctx, "second\n");
    mtev_http_response_end(restc->http_ctx);
    return 0;
}

static int first_call(mtev_http_rest_closure_t *restc, int npats, char **pats)
{
    note_end(restc);
    restc->fastpath = second_call;
    return EVENTER_READ | EVENTER_WRITE | EVENTER_EXCEPTION;
}

/* The completion of a job: as programs for libmtev are written. */
static int on_job(eventer_t e, int mask, void *closure, struct timeval *now)
{
    mtev_http_rest_closure_t *restc = closure;
    if (mask == EVENTER_ASYNCH_WORK) {
        mtev_http_response_ok(restc->http_ctx, "text/plain");
        mtev_http_response_append_str(restc->http_ctx, "from a job, ");
    }
    if (mask == EVENTER_ASYNCH) {
        mtev_http_connection *conn = mtev_http_session_connection(restc->http_ctx);
        eventer_trigger(mtev_http_connection_event(conn), EVENTER_READ | EVENTER_WRITE);
    }
    return 0;
}

static int float_for_job(mtev_http_rest_closure_t *restc, int npats, char **pats)
{
    mtev_http_connection *conn = mtev_http_session_connection(restc->http_ctx);
    eventer_t e = mtev_http_connection_event_float(conn);
    note_end(restc);
    if (e != NULL)
        eventer_remove_fde(e);
    restc->fastpath = second_call;
    eventer_add_asynch(NULL, eventer_alloc_asynch(on_job, restc));
    return 0;
}

static int forget(mtev_http_rest_closure_t *restc, int npats, char **pats)
{
    note_end(restc);
    mtev_http_response_header_set(restc->http_ctx, "Content-Type", "text/x-forgotten");
    return 0;
}

static int return_minus_one(mtev_http_rest_closure_t *restc, int npats, char **pats)
{
    note_end(restc);
    return -1;
}

static int leave_by_exit(mtev_http_rest_closure_t *restc, int npats, char **pats)
{
    note_end(restc);
    mtev_http_response_ok(restc->http_ctx, "text/plain");
    mtev_http_response_append_str(restc->http_ctx, "left\n");
    mtev_http_response_end(restc->http_ctx);
    aco_exit();
    return 0;
}

static int ask_again(mtev_http_rest_closure_t *restc, int npats, char **pats)
{
    note_end(restc);
    return EVENTER_READ;
}

static int upload(mtev_http_rest_closure_t *restc, int npats, char **pats)
{
    mtev_http_session_ctx *ctx = restc->http_ctx;
    int64_t size = -1;
    uint32_t sum = 0;
    int mask = -1;
    note_end(restc);
    if (!mtev_rest_complete_upload(restc, &mask)) {
        assert_true(mask >= 0);
        return mask;
    }
    assert_true(mtev_rest_complete_upload(restc, &mask)); /* a second time costs nothing */
    const char *body = mtev_http_request_get_upload(mtev_http_session_request(ctx), &size);
    assert_non_null(body);
    for (int64_t i = 0; i < size; i++)
        sum = sum * 31 + (uint8_t)body[i];
    assert_int_equal(body[size], '\0');
    assert_ptr_equal(restc->call_closure, &over);
    mtev_http_response_ok(ctx, "text/plain");
    mtev_http_response_appendf(ctx, "%lld bytes, %u\n", (long long)size, sum);
    mtev_http_response_end(ctx);
    return 0;
}

static mtev_boolean nobody(mtev_http_rest_closure_t *restc, int npats, char **pats)
{
    note_end(restc);
    return mtev_false;
}

static mtev_boolean who_are_you(mtev_http_rest_closure_t *restc, int npats, char **pats)
{
    assert_string_equal(restc->remote_cn, "");
    assert_non_null(restc->ac);
    mtev_http_response_status_set(restc->http_ctx, 401, "WHO");
    mtev_http_response_header_set(restc->http_ctx, "WWW-Authenticate", "Basic");
    mtev_http_response_end(restc->http_ctx);
    return mtev_false;
}

static void add_rules(void)
{
    static char closure[] = " with its closure";
    mtev_rest_mountpoint_t *rule;
    mtev_http_rest_new_rule("GET", "/", "^users/(\\d+)(/x)?(/y)?$", echo);
    mtev_http_rest_register_closure("GET", "/", "^closure$", echo, closure);
    mtev_http_rest_new_rule("PUT", "/", "^users/\\d+$", echo);
    rule = mtev_http_rest_new_rule("GET", "/nap/", "^(.*)$", nap);
    mtev_rest_mountpoint_set_aco(rule, mtev_true);
    mtev_http_rest_new_rule("GET", "/", "^twice$", first_call);
    mtev_http_rest_new_rule("GET", "/", "^float$", float_for_job);
    mtev_http_rest_new_rule("GET", "/", "^forget$", forget);
    mtev_http_rest_new_rule("GET", "/", "^minus$", return_minus_one);
    mtev_http_rest_new_rule("GET", "/", "^stuck$", ask_again);
    mtev_http_rest_new_rule("POST", "/", "^upload$", upload);
    mtev_http_rest_new_rule("GET", "/deep/", "^(x+x+)+[yz]$", echo);
    mtev_http_rest_register_auth("GET", "/", "^open/secret$", echo, NULL);
    mtev_http_rest_register_auth("GET", "/", "^nobody$", echo, nobody);
    mtev_http_rest_register_auth("GET", "/", "^who$", echo, who_are_you);
    mtev_http_rest_new_rule("GET", "/secret/", "", echo);

    rule = mtev_http_rest_new_rule("GET", "/aco/", "^forget$", forget);
    mtev_rest_mountpoint_set_aco(rule, mtev_true);
    rule = mtev_http_rest_new_rule("GET", "/aco/", "^exit$", leave_by_exit);
    mtev_rest_mountpoint_set_aco(rule, mtev_true);
    rule = mtev_http_rest_new_rule("GET", "/aco/", "^again$", ask_again);
    mtev_rest_mountpoint_set_aco(rule, mtev_true);
    rule = mtev_http_rest_new_rule("POST", "/aco/", "^upload$", upload);
    mtev_rest_mountpoint_set_aco(rule, mtev_true);
    rule = mtev_http_rest_new_rule("GET", "/aco/", "^users/(\\d+)$", echo);
    mtev_rest_mountpoint_set_aco(rule, mtev_true);
}

static void note_port(const char *address, void *closure)
{
    port = (uint16_t)strtol(strrchr(address, ':') + 1, NULL, 10);
}

static void *loop_in_a_thread(void *closure)
{
    eventer_loop();
    return NULL;
}

/* Make acls, in <rest>, the configuration; the rest of it counts at the start only. */
static void load(const char *acls)
{
    char text[1024];
    snprintf(text, sizeof(text),
             "<t><eventer><config><concurrency>2</concurrency></config></eventer>"
             "<listeners><listener type='http_rest_api' address='127.0.0.1' port='0'/></listeners>"
             "<rest>%s</rest></t>",
             acls);
    assert_int_equal(conf_load_text("test", text), 0);
}

#define ACLS "<acl><rule type='deny' url='^/secret/'/><rule type='allow' ip='127.0.0.0/8'/></acl>"

static void the_server_starts(void **state)
{
    load(ACLS);
    assert_int_equal(eventer_init(), 0);
    assert_int_equal(sem_init(&over, 0, 0), 0);
    mtev_http_rest_init();
    mtev_http_rest_init(); /* does nothing */
    assert_int_equal(listener_init("t", true), 0);
    add_rules();
    listener_each(note_port, NULL);
    assert_int_not_equal(port, 0);
    assert_int_equal(pthread_create(&looping, NULL, loop_in_a_thread, NULL), 0);
    logged_begin();
    harness_keep_fds();
}

static void the_server_ends(void **state)
{
    assert_true(pool_request_stop());
    assert_int_equal(pthread_join(looping, NULL), 0);
    assert_nothing_logged();
    assert_int_equal(sem_trywait(&over), -1); /* nothing was given back twice */
}

/* ---- the client -------------------------------------------------------------------------------
 */

static int dial(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(port),
                                  .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    const struct timeval patience = {.tv_sec = PATIENCE_S};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static void send_bytes(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t count = send(fd, bytes, len, MSG_NOSIGNAL);
        if (count < 0) /* it may be answered, and closed, before all is sent */
            return;
        bytes += count;
        len -= (size_t)count;
    }
}

static void send_text(int fd, const char *text)
{
    send_bytes(fd, text, strlen(text));
}

/* Read until the peer closes. */
static const char *read_to_end(int fd)
{
    size_t len = 0;
    ssize_t count;
    while ((count = recv(fd, reply + len, REPLY_SIZE - 1 - len, 0)) > 0)
        len += (size_t)count;
    assert_true(count == 0 || errno == ECONNRESET);
    reply[len] = '\0';
    return reply;
}

/* Send a request whose connection ends with it; return the whole answer. */
static const char *ask(const char *method, const char *path)
{
    char text[512];
    int fd = dial();
    snprintf(text, sizeof(text), "%s %s HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n", method,
             path);
    send_text(fd, text);
    read_to_end(fd);
    close(fd);
    return reply;
}

static const char *body_of(const char *answer)
{
    const char *end = strstr(answer, "\r\n\r\n");
    return end == NULL ? "" : end + 4;
}

static void assert_has(const char *answer, const char *wanted)
{
    if (strstr(answer, wanted) == NULL)
        fail_msg("no \"%s\" in: %s", wanted, answer);
}

static void assert_has_not(const char *answer, const char *unwanted)
{
    if (strstr(answer, unwanted) != NULL)
        fail_msg("\"%s\" in: %s", unwanted, answer);
}

static void assert_status(const char *answer, int status)
{
    char wanted[32];
    snprintf(wanted, sizeof(wanted), "HTTP/1.1 %d ", status);
    if (strncmp(answer, wanted, strlen(wanted)) != 0)
        fail_msg("not %d: %s", status, answer);
}

/* Wait until a request that noted its end is over. */
static void await_end(void)
{
    struct timespec deadline;
    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += PATIENCE_S;
    assert_int_equal(sem_timedwait(&over, &deadline), 0);
}

/* ---- rules ------------------------------------------------------------------------------------
 */

static void a_handler_is_given_what_was_captured(void **state)
{
    assert_status(ask("GET", "/users/42"), 200);
    assert_string_equal(body_of(reply), "1:[42]");
    assert_string_equal(body_of(ask("GET", "/users/42/x")), "2:[42][/x]");
    assert_string_equal(body_of(ask("GET", "/users/42/y")), "3:[42][][/y]");
    assert_string_equal(body_of(ask("GET", "/%75sers/4%32?a=b")), "1:[42]");
    assert_string_equal(body_of(ask("GET", "/closure")), "0: with its closure");
    assert_string_equal(body_of(ask("GET", "/aco/users/7")), "1:[7] in a coroutine");
}

static void a_path_without_a_rule_is_404(void **state)
{
    assert_status(ask("GET", "/nothing"), 404);
    assert_status(ask("OPTIONS", "/nothing"), 404);
    assert_status(ask("GET", "/users/42%0a"), 404);
    assert_status(ask("GET", "/aco/users/x"), 404);
}

static void a_method_without_a_rule_is_405_with_those_that_have_one(void **state)
{
    assert_status(ask("POST", "/users/42"), 405);
    assert_has(reply, "\r\nAllow: OPTIONS, GET, HEAD, PUT\r\n");
    assert_status(ask("get", "/users/42"), 405);
}

static void options_are_answered_by_themselves(void **state)
{
    assert_status(ask("OPTIONS", "/users/42"), 200);
    assert_has(reply, "\r\nAllow: OPTIONS, GET, HEAD, PUT\r\n");
    assert_has(reply, "\r\nContent-Length: 0\r\n");
    assert_status(ask("OPTIONS", "*"), 200);
}

static void head_is_get_without_the_body(void **state)
{
    assert_status(ask("HEAD", "/users/42"), 200);
    assert_has(reply, "\r\nContent-Length: 6\r\n");
    assert_string_equal(body_of(reply), "");
    assert_status(ask("HEAD", "/aco/users/42"), 200);
    assert_string_equal(body_of(reply), "");
}

static void a_path_that_is_too_hard_is_500_and_one_line(void **state)
{
    static char path[400] = "/deep/";
    memset(path + 6, 'x', 300);
    assert_status(ask("GET", path), 500);
    assert_logged_lines(
        "rest: GET /deep/ with ^(x+x+)+[yz]$: a path takes its expression too long\n");
    assert_status(ask("GET", path), 500);
    assert_nothing_logged();
}

/* ---- access -----------------------------------------------------------------------------------
 */

static void what_the_acl_denies_is_403(void **state)
{
    assert_status(ask("GET", "/secret/x"), 403);
    assert_status(ask("GET", "/%73ecret/"), 403);
}

static void a_new_acl_counts_from_the_next_request(void **state)
{
    load("<acl><rule type='deny' ip='127.0.0.0/8'/><rule type='allow'/></acl>");
    assert_status(ask("GET", "/users/1"), 200);
    assert_int_equal(rest_acl_load(), 0);
    assert_status(ask("GET", "/users/1"), 403);
    load("<acl type='allow' ip='nowhere'/>");
    assert_int_equal(rest_acl_load(), -EINVAL);
    assert_logged_one_line("test:1: <acl> ip=\"nowhere\": ");
    assert_status(ask("GET", "/users/1"), 403);
    load(ACLS);
    assert_int_equal(rest_acl_load(), 0);
    assert_status(ask("GET", "/users/1"), 200);
}

static void an_open_rule_asks_no_acl(void **state)
{
    assert_status(ask("GET", "/open/secret"), 200);
}

static void an_auth_function_decides(void **state)
{
    assert_status(ask("GET", "/nobody"), 403);
    await_end();
    assert_status(ask("GET", "/who"), 401);
    assert_has(reply, "\r\nWWW-Authenticate: Basic\r\n");
}

/* ---- handlers ---------------------------------------------------------------------------------
 */

static void a_handler_in_a_coroutine_may_sleep(void **state)
{
    assert_status(ask("GET", "/nap/soundly"), 200);
    assert_string_equal(body_of(reply), "1:[soundly] in a coroutine");
    await_end();
}

static void requests_in_one_go_are_answered_in_order(void **state)
{
    int fd = dial();
    send_text(fd, "GET /nap/1 HTTP/1.1\r\nHost: t\r\n\r\n"
                  "GET /aco/users/2 HTTP/1.1\r\nHost: t\r\n\r\n"
                  "GET /users/3 HTTP/1.1\r\nHost: t\r\n\r\n"
                  "GET /twice HTTP/1.1\r\nHost: t\r\n\r\n"
                  "GET /nap/4 HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n");
    read_to_end(fd);
    close(fd);
    const char *place = reply;
    static const char *const bodies[] = {"[1]", "[2]", "[3]", "second", "[4]"};
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        place = strstr(place, bodies[i]);
        assert_non_null(place);
    }
    for (int i = 0; i < 3; i++)
        await_end();
}

static void a_handler_may_have_another_go_on_for_it(void **state)
{
    assert_status(ask("GET", "/twice"), 200);
    assert_string_equal(body_of(reply), "second\n");
    await_end();
}

static void a_classic_handler_that_forgets_to_answer_is_500_and_closes(void **state)
{
    int fd = dial();
    send_text(fd, "GET /forget HTTP/1.1\r\nHost: t\r\n\r\n");
    assert_status(read_to_end(fd), 500);
    assert_has(reply, "\r\nConnection: close\r\n");
    assert_has_not(reply, "forgotten");
    close(fd);
    await_end();
    assert_logged_lines("rest: GET / with ^forget$: the handler returned without "
                        "mtev_http_response_end()\n");
    assert_status(ask("GET", "/forget"), 500);
    await_end();
    assert_nothing_logged(); /* once a rule */
}

static void a_floated_request_goes_on_in_its_handlers_next_function(void **state)
{
    assert_status(ask("GET", "/float"), 200);
    assert_string_equal(body_of(reply), "from a job, second\n");
    await_end();
    assert_nothing_logged();
}

static void a_handler_in_a_coroutine_that_forgets_is_ended_for_it(void **state)
{
    assert_status(ask("GET", "/aco/forget"), 200);
    assert_has(reply, "text/x-forgotten");
    await_end();
    assert_logged_lines("rest: GET /aco/ with ^forget$: the handler returned without "
                        "mtev_http_response_end()\n");
    assert_status(ask("GET", "/aco/forget"), 200);
    await_end();
    assert_nothing_logged();
}

static void minus_one_is_no_mask(void **state)
{
    assert_status(ask("GET", "/minus"), 500);
    await_end();
    assert_logged_lines("rest: GET / with ^minus$: the handler returned without "
                        "mtev_http_response_end()\n");
}

static void a_handler_may_leave_by_aco_exit(void **state)
{
    assert_status(ask("GET", "/aco/exit"), 200);
    assert_string_equal(body_of(reply), "left\n");
    await_end();
}

static void a_handler_in_a_coroutine_is_not_called_for_ever(void **state)
{
    assert_status(ask("GET", "/aco/again"), 500);
    await_end();
    assert_logged_lines(
        "rest: GET /aco/ with ^again$: the handler, in a coroutine, asked without end to "
        "be called again\n");
}

static void the_end_of_the_peer_is_the_end_of_the_request(void **state)
{
    static const char *const requests[] = {
        "POST /upload HTTP/1.1\r\nHost: t\r\nContent-Length: 100\r\n\r\nbegun",
        "POST /aco/upload HTTP/1.1\r\nHost: t\r\nContent-Length: 100\r\n\r\nbegun",
        "POST /aco/upload HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegun",
        "GET /nap/x HTTP/1.1\r\nHost: t\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        int fd = dial();
        send_text(fd, requests[i]);
        close(fd);
        await_end();
    }
    assert_nothing_logged();
}

/* ---- uploads ----------------------------------------------------------------------------------
 */

static char *make_body(size_t len, uint32_t *ret_sum)
{
    char *body = malloc(len + 1);
    uint32_t sum = 0;
    assert_non_null(body);
    for (size_t i = 0; i < len; i++) {
        body[i] = (char)(i * 7 + i / 251);
        sum = sum * 31 + (uint8_t)body[i];
    }
    *ret_sum = sum;
    return body;
}

static void assert_uploads(const char *path, size_t len, size_t chunk)
{
    char text[256];
    uint32_t sum;
    char *body = make_body(len, &sum);
    int fd = dial();
    if (chunk == 0) {
        snprintf(text, sizeof(text),
                 "POST %s HTTP/1.1\r\nHost: t\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n",
                 path, len);
        send_text(fd, text);
        send_bytes(fd, body, len);
    } else {
        snprintf(text, sizeof(text),
                 "POST %s HTTP/1.1\r\nHost: t\r\nConnection: close\r\n"
                 "Transfer-Encoding: chunked\r\n\r\n",
                 path);
        send_text(fd, text);
        for (size_t sent = 0; sent < len; sent += chunk) {
            size_t size = len - sent < chunk ? len - sent : chunk;
            snprintf(text, sizeof(text), "%zx\r\n", size);
            send_text(fd, text);
            send_bytes(fd, body + sent, size);
            send_text(fd, "\r\n");
        }
        send_text(fd, "0\r\n\r\n");
    }
    assert_status(read_to_end(fd), 200);
    snprintf(text, sizeof(text), "%zu bytes, %u\n", len, sum);
    assert_string_equal(body_of(reply), text);
    close(fd);
    free(body);
    await_end();
}

static void a_body_arrives_whole(void **state)
{
    static const size_t lens[] = {0,     1,     4095,  4096,   4097,   16384,
                                  65535, 65536, 65537, 131072, 200000, BODY_LEN_MAX};
    for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
        assert_uploads("/upload", lens[i], 0);
        assert_uploads("/aco/upload", lens[i], 0);
        assert_uploads("/upload", lens[i], 5000);
        assert_uploads("/aco/upload", lens[i], 5000);
    }
    assert_uploads("/upload", 1000, 1);
    assert_uploads("/aco/upload", 1000, 1);
}

static void a_body_may_be_asked_for(void **state)
{
    static const char *const paths[] = {"/upload", "/aco/upload"};
    char text[256];
    for (size_t i = 0; i < 2; i++) {
        int fd = dial();
        snprintf(text, sizeof(text),
                 "POST %s HTTP/1.1\r\nHost: t\r\nConnection: close\r\nExpect: 100-continue\r\n"
                 "Content-Length: 2\r\n\r\n",
                 paths[i]);
        send_text(fd, text);
        ssize_t len = recv(fd, reply, 25, MSG_WAITALL);
        assert_int_equal(len, 25);
        assert_memory_equal(reply, "HTTP/1.1 100 Continue\r\n\r\n", 25);
        send_text(fd, "ab");
        assert_status(read_to_end(fd), 200);
        assert_has(reply, "2 bytes");
        close(fd);
        await_end();
    }
}

static void assert_refused(const char *path, const char *rest, int status)
{
    char text[512];
    int fd = dial();
    snprintf(text, sizeof(text), "POST %s HTTP/1.1\r\nHost: t\r\n%s", path, rest);
    send_text(fd, text);
    assert_status(read_to_end(fd), status);
    close(fd);
    await_end();
}

static void a_body_that_cannot_be_had_is_answered(void **state)
{
    static const char *const paths[] = {"/upload", "/aco/upload"};
    for (size_t i = 0; i < 2; i++) {
        assert_refused(paths[i], "Content-Length: 67108865\r\n\r\n", 413);
        assert_refused(paths[i], "Content-Length: 9223372036854775807\r\n\r\n", 413);
        assert_refused(paths[i], "Transfer-Encoding: chunked\r\n\r\nfffffff0\r\n", 413);
        assert_refused(paths[i], "Transfer-Encoding: chunked\r\n\r\nx\r\n", 400);
        assert_refused(paths[i], "Transfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n", 400);
    }
    assert_nothing_logged();
}

/* ---- memory -----------------------------------------------------------------------------------
 */

struct question {
    const char *path;
    int status; /* when there is memory */
};

static void ask_with_too_little_memory(void *closure)
{
    const struct question *question = closure;
    char text[512];
    int fd = dial();
    snprintf(
        text, sizeof(text),
        "POST %s HTTP/1.1\r\nHost: t\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
        "3\r\nabc\r\n0\r\n\r\n",
        question->path);
    send_text(fd, text);
    read_to_end(fd);
    close(fd);
    if (reply[0] != '\0' && strstr(reply, " 503 ") == NULL)
        assert_status(reply, question->status);
}

static void it_bears_the_failure_of_each_allocation(void **state)
{
    static struct question questions[] = {
        {"/upload", 200}, {"/aco/upload", 200}, {"/users/1", 405}};
    for (size_t i = 0; i < sizeof(questions) / sizeof(questions[0]); i++)
        harness_fail_each_allocation(ask_with_too_little_memory, &questions[i]);
    logged_clear(); /* how much was said depends on what failed */
    while (sem_trywait(&over) == 0)
        ;
    assert_uploads("/aco/upload", 10, 0);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(the_server_starts),
    cmocka_unit_test(a_handler_is_given_what_was_captured),
    cmocka_unit_test(a_path_without_a_rule_is_404),
    cmocka_unit_test(a_method_without_a_rule_is_405_with_those_that_have_one),
    cmocka_unit_test(options_are_answered_by_themselves),
    cmocka_unit_test(head_is_get_without_the_body),
    cmocka_unit_test(a_path_that_is_too_hard_is_500_and_one_line),
    cmocka_unit_test(what_the_acl_denies_is_403),
    cmocka_unit_test(a_new_acl_counts_from_the_next_request),
    cmocka_unit_test(an_open_rule_asks_no_acl),
    cmocka_unit_test(an_auth_function_decides),
    cmocka_unit_test(a_handler_in_a_coroutine_may_sleep),
    cmocka_unit_test(requests_in_one_go_are_answered_in_order),
    cmocka_unit_test(a_handler_may_have_another_go_on_for_it),
    cmocka_unit_test(a_classic_handler_that_forgets_to_answer_is_500_and_closes),
    cmocka_unit_test(a_floated_request_goes_on_in_its_handlers_next_function),
    cmocka_unit_test(a_handler_in_a_coroutine_that_forgets_is_ended_for_it),
    cmocka_unit_test(minus_one_is_no_mask),
    cmocka_unit_test(a_handler_may_leave_by_aco_exit),
    cmocka_unit_test(a_handler_in_a_coroutine_is_not_called_for_ever),
    cmocka_unit_test(the_end_of_the_peer_is_the_end_of_the_request),
    cmocka_unit_test(a_body_arrives_whole),
    cmocka_unit_test(a_body_may_be_asked_for),
    cmocka_unit_test(a_body_that_cannot_be_had_is_answered),
    cmocka_unit_test(it_bears_the_failure_of_each_allocation),
    cmocka_unit_test(the_server_ends),
};
HARNESS_MAIN(tests)
