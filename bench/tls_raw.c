/* SPDX-License-Identifier: MIT */
/*
 * tls_raw.c - the yardstick of bench/tls: a one-thread epoll server that calls OpenSSL as its
 * manual says, and nothing else.
 *
 * Usage: tls_raw PORT CERTIFICATE KEY [FILE].  Listens on 127.0.0.1:PORT and answers every request
 * with the bytes of FILE.  An idle connection keeps its SSL, which releases its buffers
 * (SSL_MODE_RELEASE_BUFFERS), and a place in a table.
 */
#include "loopback.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#define FD_MAX       65536
#define RESPONSE_MAX 4096
#define READY_MAX    256

static SSL *connections[FD_MAX]; /* by fd */
static char response[RESPONSE_MAX] = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
                                     "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
                                     "Content-Length: 13\r\n\r\nHello world.\n";
static int response_len;

static SSL_CTX *make_context(const char *certificate, const char *key)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    if (SSL_CTX_use_certificate_chain_file(ctx, certificate) != 1 ||
        SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1) {
        ERR_print_errors_fp(stderr);
        exit(2);
    }
    return ctx;
}

static void end(int fd)
{
    SSL_shutdown(connections[fd]);
    SSL_free(connections[fd]);
    connections[fd] = NULL;
    close(fd);
}

/* Requests come one at a time, and whole. */
static void serve(int fd)
{
    char request[4096];
    SSL *ssl = connections[fd];
    int count;
    ERR_clear_error();
    while ((count = SSL_read(ssl, request, sizeof(request))) > 0)
        if (SSL_write(ssl, response, response_len) != response_len)
            break;
    if (count > 0 || SSL_get_error(ssl, count) != SSL_ERROR_WANT_READ)
        end(fd);
}

static void accept_all(SSL_CTX *ctx, int epoll_fd, int listen_fd)
{
    int fd;
    while ((fd = accept_next(listen_fd)) >= 0) {
        struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data.fd = fd};
        if (fd >= FD_MAX || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0) {
            close(fd);
            continue;
        }
        connections[fd] = SSL_new(ctx);
        SSL_set_fd(connections[fd], fd);
        SSL_set_accept_state(connections[fd]); /* SSL_read does the handshake */
    }
}

int main(int argc, char **argv)
{
    if (argc < 4)
        return 2;
    signal(SIGPIPE, SIG_IGN); /* OpenSSL writes as to any file */
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    response_len = (int)strlen(response);
    if (argc > 4) {
        FILE *file = fopen(argv[4], "r");
        if (file == NULL || (response_len = (int)fread(response, 1, RESPONSE_MAX, file)) <= 0)
            return 2;
        fclose(file);
    }
    SSL_CTX *ctx = make_context(argv[2], argv[3]);
    int listen_fd = listen_on(argv[1]), epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listen_fd}, ready[READY_MAX];
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listen_fd, &event);
    for (;;) {
        int count = epoll_wait(epoll_fd, ready, READY_MAX, -1);
        for (int i = 0; i < count; i++) {
            if (ready[i].data.fd == listen_fd)
                accept_all(ctx, epoll_fd, listen_fd);
            else if (connections[ready[i].data.fd] != NULL)
                serve(ready[i].data.fd);
        }
    }
}
