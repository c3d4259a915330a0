/* SPDX-License-Identifier: MIT */
/*
 * A program in the style of libmtev's own, C and C++ alike: requests are answered by the names that
 * such programs use, and a listener serves coroutines.  A job talks to both, at unix sockets in the
 * folder that is the second argument, and tells the program to end.  It ends with status 0 and
 * prints nothing if all is well.
 */
#include <mtev_defines.h>

#include <eventer/eventer.h>
#include <mtev_conf.h>
#include <mtev_http.h>
#include <mtev_listener.h>
#include <mtev_log.h>
#include <mtev_main.h>
#include <mtev_memory.h>
#include <mtev_rest.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define APPNAME "services"

static const char *folder;

/* ---- what answers ---------------------------------------------------------------- */

static int hello(mtev_http_rest_closure_t *restc, int npats, char **pats)
{
    mtev_http_session_ctx *ctx = restc->http_ctx;
    mtevAssert(npats == 1 && restc->nparams == 1 && restc->params[0] == pats[0]);
    mtev_http_response_ok(ctx, "text/plain");
    mtev_http_response_header_set(ctx, "X-Style", "classic");
    mtev_http_response_append_str(ctx, "hello");
    mtev_http_response_append(ctx, ", ", 2);
    mtev_http_response_appendf(ctx, "%s", pats[0]);
    mtev_http_response_end(ctx);
    return 0;
}

static int query(mtev_http_rest_closure_t *restc, int npats, char **pats)
{
    mtev_http_request *req = mtev_http_session_request(restc->http_ctx);
    const char *value = mtev_http_request_querystring(req, "key");
    (void)npats, (void)pats;
    mtevAssert(restc->aco_enabled && mtev_http_request_querystring(req, "none") == NULL);
    mtev_http_response_standard(restc->http_ctx, 201, "MADE", "text/plain");
    mtev_http_response_append_str(restc->http_ctx, value == NULL ? "nothing" : value);
    mtev_http_response_end(restc->http_ctx);
    return 0;
}

static int echo(mtev_http_rest_closure_t *restc, int npats, char **pats)
{
    int mask;
    int64_t size;
    (void)npats, (void)pats;
    if (!mtev_rest_complete_upload(restc, &mask))
        return mask;
    const void *body =
        mtev_http_request_get_upload(mtev_http_session_request(restc->http_ctx), &size);
    mtev_http_response_ok(restc->http_ctx, "text/plain");
    mtev_http_response_append(restc->http_ctx, body, (size_t)size);
    mtev_http_response_end(restc->http_ctx);
    return 0;
}

static int consume(mtev_http_rest_closure_t *restc, int npats, char **pats)
{
    char piece[4];
    int mask, len, all = 0;
    mtev_http_session_ctx *ctx = restc->http_ctx;
    (void)npats, (void)pats;
    while ((len = mtev_http_session_req_consume(ctx, piece, sizeof(piece), sizeof(piece), &mask)) >
           0)
        all += len;
    mtev_http_response_status_set(ctx, 202, "TAKEN");
    mtev_http_response_option_set(ctx, MTEV_HTTP_CLOSE);
    mtev_http_response_appendf(ctx, "%d", all);
    mtev_http_response_flush(ctx, mtev_false);
    mtev_http_response_end(ctx);
    return 0;
}

static mtev_boolean admit(mtev_http_rest_closure_t *restc, int npats, char **pats)
{
    (void)restc, (void)npats, (void)pats;
    return mtev_true;
}

static mtev_boolean refuse(mtev_http_rest_closure_t *restc, int npats, char **pats)
{
    (void)restc, (void)npats, (void)pats;
    return mtev_false;
}

static void repeat(void)
{
    char text[16];
    eventer_aco_t e = (eventer_aco_t)eventer_aco_arg();
    int len = eventer_aco_read(e, text, sizeof(text), NULL);
    mtevAssert(len > 0 && eventer_aco_write(e, text, (size_t)len, NULL) == len);
    eventer_aco_close(e);
    eventer_aco_free(e);
}

/* ---- who asks -------------------------------------------------------------------- */

/* Send text to the socket called name, and return all that comes back. */
static const char *ask(const char *name, const char *text)
{
    static char heard[4096];
    struct sockaddr_un address;
    size_t len = 0;
    ssize_t count;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    memset(&address, 0, sizeof(address));
    address.sun_family = AF_UNIX;
    snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", folder, name);
    mtevAssert(connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
    mtevAssert(send(fd, text, strlen(text), 0) == (ssize_t)strlen(text));
    while ((count = read(fd, heard + len, sizeof(heard) - 1 - len)) > 0)
        len += (size_t)count;
    heard[len] = '\0';
    close(fd);
    return heard;
}

/* Ask for that, and expect the status and, in the answer, part. */
static void expect(const char *method, const char *path, const char *body, int status,
                   const char *part)
{
    char request[512], head[32];
    snprintf(request, sizeof(request),
             "%s %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n%s",
             method, path, strlen(body), body);
    snprintf(head, sizeof(head), "HTTP/1.1 %d ", status);
    const char *answer = ask("http", request);
    if (strncmp(answer, head, strlen(head)) != 0 || strstr(answer, part) == NULL)
        mtevFatal(mtev_error, "%s %s: %s\n", method, path, answer);
}

static int client(eventer_t e, int mask, void *closure, struct timeval *now)
{
    (void)e, (void)closure, (void)now;
    if (mask == EVENTER_ASYNCH_WORK) {
        expect("GET", "/hello/you", "", 200, "hello, you");
        expect("GET", "/hello/you", "", 200, "X-Style: classic\r\n");
        expect("GET", "/query?key=a%20value", "", 201, "a value");
        expect("POST", "/echo", "a body", 200, "a body");
        expect("POST", "/consume", "eleven more", 202, "11");
        expect("GET", "/by_acl/yes", "", 200, "hello, yes");
        expect("GET", "/by_acl/no", "", 403, "");
        expect("GET", "/open/x", "", 200, "hello, x");
        expect("GET", "/closed/x", "", 403, "");
        expect("GET", "/rules/all", "", 200, "\"/rules/\":[{\"method\":\"GET\"");
        expect("GET", "/elsewhere", "", 404, "");
        mtevAssert(strcmp(ask("echo", "and back"), "and back") == 0);
    } else if (mask == EVENTER_ASYNCH_COMPLETE) {
        kill(getpid(), SIGTERM);
    }
    return 0;
}

/* ---- the program ----------------------------------------------------------------- */

static void set_rules(void)
{
    mtev_rest_mountpoint_t *rule = mtev_http_rest_new_rule("GET", "/", "^query$", query);
    mtev_rest_mountpoint_set_aco(rule, mtev_true);
    rule = mtev_http_rest_new_rule("POST", "/", "^consume$", consume);
    mtev_rest_mountpoint_set_aco(rule, mtev_true);
    rule = mtev_http_rest_new_rule("GET", "/", "^closed/(.*)$", hello);
    mtev_rest_mountpoint_set_auth(rule, refuse);
    mtevAssert(mtev_http_rest_register("GET", "/", "^hello/(.*)$", hello) == 0);
    mtevAssert(mtev_http_rest_disclose_endpoints("/rules/", "^all$") == 0);
    mtevAssert(mtev_http_rest_register("POST", "/", "^echo$", echo) == 0);
    mtevAssert(mtev_http_rest_register_auth("GET", "/", "^by_acl/(.*)$", hello,
                                            mtev_http_rest_client_cert_auth) == 0);
    mtevAssert(mtev_http_rest_register_auth("GET", "/", "^open/(.*)$", hello, admit) == 0);
}

static int child_main(void)
{
    if (mtev_conf_load(NULL) == -1)
        return 1;
    eventer_init();
    mtev_http_rest_init();
    set_rules();
    mtev_listener_register_aco_function("repeat", repeat);
    mtev_listener_init(APPNAME);
    eventer_add(eventer_alloc_asynch(client, NULL));
    eventer_loop();
    return 0;
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    folder = argv[2];
    mtev_memory_init();
    return mtev_main(APPNAME, argv[1], 0, 1, MTEV_LOCK_OP_NONE, NULL, NULL, NULL, child_main);
}
