/* SPDX-License-Identifier: MIT */
/*
 * tls_daemon.c - a daemon for the tests of TLS in listeners.
 *
 * Usage: tls_daemon FILE.conf
 * GET /hello answers "hello" on the loop's stack, GET /coroutine in a coroutine, GET /name the
 * common name of the client's certificate, GET /big 3,000,000 bytes, POST /count how many bytes
 * came.  Types: "echo" (a coroutine), "classic" (a callback), which send back what they get, and
 * "echo/alpn:loud", which says "LOUD" first.
 */
#include <eventer/eventer_SSL_fd_opset.h>
#include <mtev_conf.h>
#include <mtev_listener.h>
#include <mtev_main.h>
#include <mtev_memory.h>
#include <mtev_rest.h>

#include <stdio.h>

#define BIG 3000000

static int answer(mtev_http_rest_closure_t *restc, const char *text)
{
    mtev_http_response_ok(restc->http_ctx, "text/plain");
    mtev_http_response_append_str(restc->http_ctx, text);
    mtev_http_response_end(restc->http_ctx);
    return 0;
}

static int hello(mtev_http_rest_closure_t *restc, int npats, char **pats)
{
    (void)npats, (void)pats;
    return answer(restc, "hello");
}

static int name(mtev_http_rest_closure_t *restc, int npats, char **pats)
{
    (void)npats, (void)pats;
    return answer(restc, restc->remote_cn);
}

static int big(mtev_http_rest_closure_t *restc, int npats, char **pats)
{
    char *text = calloc(BIG + 1, 1);
    (void)npats, (void)pats;
    for (size_t i = 0; i < BIG; i++)
        text[i] = (char)('a' + i % 26);
    answer(restc, text);
    free(text);
    return 0;
}

static int count(mtev_http_rest_closure_t *restc, int npats, char **pats)
{
    char bytes[512], text[32];
    size_t total = 0;
    int len, mask;
    (void)npats, (void)pats;
    while ((len = mtev_http_session_req_consume(restc->http_ctx, bytes, sizeof(bytes),
                                                sizeof(bytes), &mask)) > 0)
        total += (size_t)len;
    snprintf(text, sizeof(text), "%zu", total);
    return answer(restc, text);
}

static void echo_with(eventer_aco_t e, const char *greeting)
{
    char bytes[400];
    int len = eventer_aco_write(e, greeting, strlen(greeting), NULL);
    while (len >= 0 && (len = eventer_aco_read(e, bytes, sizeof(bytes), NULL)) > 0)
        if (eventer_aco_write(e, bytes, (size_t)len, NULL) != len)
            break;
    eventer_aco_close(e);
    eventer_aco_free(e);
}

static void echo(void)
{
    echo_with(eventer_aco_arg(), "");
}

static void loud(void)
{
    echo_with(eventer_aco_arg(), "LOUD");
}

/* Reads little at a time, and writes it at once; what does not fit ends the connection. */
static int classic(eventer_t e, int mask, void *closure, struct timeval *now)
{
    char bytes[3];
    int wanted = EVENTER_READ | EVENTER_EXCEPTION, len = eventer_read(e, bytes, 3, &wanted);
    (void)mask, (void)closure, (void)now;
    if (len < 0 && errno == EAGAIN)
        return wanted;
    if (len > 0 && eventer_write(e, bytes, (size_t)len, &wanted) == len)
        return EVENTER_READ | EVENTER_EXCEPTION;
    eventer_remove_fde(e);
    eventer_close(e, &wanted);
    return 0;
}

static int child_main(void)
{
    if (mtev_conf_load(NULL) != 0 || eventer_init() != 0)
        return 2;
    mtev_http_rest_init();
    mtev_http_rest_new_rule("GET", "/", "^hello$", hello);
    mtev_rest_mountpoint_set_aco(mtev_http_rest_new_rule("GET", "/", "^coroutine$", hello),
                                 mtev_true);
    mtev_http_rest_new_rule("GET", "/", "^name$", name);
    mtev_http_rest_new_rule("GET", "/", "^big$", big);
    mtev_rest_mountpoint_set_aco(mtev_http_rest_new_rule("POST", "/", "^count$", count), mtev_true);
    mtev_listener_register_aco_function("echo", echo);
    mtev_listener_register_aco_function("echo/alpn:loud", loud);
    eventer_name_callback("classic", classic);
    mtev_listener_init("daemon");
    puts("ready");
    fflush(stdout);
    eventer_loop();
    return 0;
}

int main(int argc, char **argv)
{
    mtev_memory_init();
    return argc < 2 ? 3
                    : mtev_main("daemon", argv[1], 0, 1, MTEV_LOCK_OP_NONE, NULL, NULL, NULL,
                                child_main);
}
