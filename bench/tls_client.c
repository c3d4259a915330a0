/* SPDX-License-Identifier: MIT */
/*
 * tls_client.c - the load of bench/tls that wrk cannot make.
 *
 * Usage: tls_client full PORT PATH COUNT     COUNT connections one after the other, each with a
 *                                            handshake of TLS 1.3 and one request
 *        tls_client resumed PORT PATH COUNT  the same with the session of the connection before
 *        tls_client idle PORT PATH COUNT     COUNT connections at once, one request on each; says
 *                                            "ready" and holds them until its input ends
 */
#include "loopback.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define NOT_RESUMED 3 /* status: the server would not, always */

static SSL_CTX *ctx;
static SSL_SESSION *kept;
static char request[512];
static unsigned resumed;

static int keep(SSL *ssl, SSL_SESSION *session)
{
    (void)ssl;
    SSL_SESSION_free(kept);
    kept = session;
    return 1;
}

static void require(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "tls_client: %s\n", what);
    ERR_print_errors_fp(stderr);
    exit(1);
}

/* Connect, ask once and read the answer. */
static SSL *ask(const char *port, bool resumes)
{
    struct sockaddr_in address = loopback_address(port);
    char answer[8192];
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    require(fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0, "connect");
    SSL *ssl = SSL_new(ctx);
    SSL_set_fd(ssl, fd);
    if (resumes && kept != NULL)
        SSL_set_session(ssl, kept);
    require(SSL_connect(ssl) == 1, "SSL_connect");
    resumed += SSL_session_reused(ssl) != 0;
    require(SSL_write(ssl, request, (int)strlen(request)) > 0, "SSL_write");
    int len = SSL_read(ssl, answer, sizeof(answer) - 1);
    require(len > 12 && memcmp(answer, "HTTP/1.1 200", 12) == 0, "the answer");
    return ssl;
}

static void end(SSL *ssl)
{
    int fd = SSL_get_fd(ssl);
    SSL_shutdown(ssl);
    SSL_free(ssl);
    close(fd);
}

int main(int argc, char **argv)
{
    require(argc == 5, "usage: tls_client full|resumed|idle PORT PATH COUNT");
    signal(SIGPIPE, SIG_IGN);
    const bool resumes = strcmp(argv[1], "resumed") == 0, idles = strcmp(argv[1], "idle") == 0;
    const unsigned count = (unsigned)strtoul(argv[4], NULL, 10);
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%s\r\n\r\n", argv[3],
             argv[2]);
    ctx = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ctx, keep);
    if (resumes)
        end(ask(argv[2], false));
    for (unsigned i = 0; i < count; i++) {
        SSL *ssl = ask(argv[2], resumes);
        if (!idles)
            end(ssl);
    }
    require(resumes || resumed == 0, "some were resumed");
    if (resumes && resumed != count)
        return NOT_RESUMED;
    if (idles) {
        puts("ready");
        fflush(stdout);
        (void)getchar();
    }
    return 0;
}
