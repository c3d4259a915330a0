/* SPDX-License-Identifier: MIT */
/* secure.c - a server behind TLS, and a client of it: chapter 11 of the guide. */
#include <eventer/eventer_SSL_fd_opset.h>
#include <eventer_run.h>

#include <arpa/inet.h>
#include <netinet/in.h>

/* Tells whoever connects who he is. */
static void greet(void)
{
    eventer_aco_t e = eventer_aco_arg();
    eventer_ssl_ctx_t *tls = eventer_get_eventer_ssl_ctx((eventer_t)e);
    const char *name = mtev_acceptor_closure_remote_cn(eventer_aco_get_closure(e));
    char text[256];
    int len = snprintf(text, sizeof(text), "hello %s, over %s\n", name == NULL ? "you" : name,
                       eventer_ssl_get_method(tls));
    eventer_aco_write(e, text, (size_t)len, NULL);
    eventer_aco_close(e);
    eventer_aco_free(e);
}

/* A coroutine uses the event, so nobody calls this. */
static int never(eventer_t e, int mask, void *closure, struct timeval *now)
{
    (void)e, (void)mask, (void)closure, (void)now;
    return 0;
}

/* Connect to a port of this machine; an event that this coroutine uses, or NULL. */
static eventer_aco_t connect_to(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, (const void *)&address, sizeof(address)) != 0) {
        close(fd);
        return NULL;
    }
    return eventer_set_eventer_aco(eventer_alloc_fd(never, NULL, fd, EVENTER_READ));
}

/* Ask the server at e, which must be host, through TLS; the length of its answer, or -1. */
static int ask(eventer_aco_t e, const char *host, char *answer, size_t size)
{
    struct timeval patience = {.tv_sec = 10};
    eventer_ssl_ctx_t *tls =
        eventer_ssl_ctx_new(SSL_CLIENT, NULL, NULL, NULL, getenv("CA_FILE"), NULL);
    if (tls == NULL || eventer_aco_SSL_connect(e, tls, host, &patience) != 0)
        return -1;
    return eventer_aco_read(e, answer, size, &patience);
}

/* Is told a port, and passes on what the server behind it says. */
static void relay(void)
{
    eventer_aco_t e = eventer_aco_arg();
    struct timeval patience = {.tv_sec = 10};
    char text[256] = "";
    int len = eventer_aco_read(e, text, sizeof(text) - 1, &patience);
    eventer_aco_t other = len > 0 ? connect_to((int)strtol(text, NULL, 10)) : NULL;
    if (other != NULL) {
        len = ask(other, "localhost", text, sizeof(text));
        if (len < 0)
            len = snprintf(text, sizeof(text), "%s\n", strerror(errno));
        eventer_aco_write(e, text, (size_t)len, NULL);
        eventer_aco_close(other);
        eventer_aco_free(other);
    }
    eventer_aco_close(e);
    eventer_aco_free(e);
}

int main(int argc, char **argv)
{
    mtev_listener_register_aco_function("greet", greet);
    mtev_listener_register_aco_function("relay", relay);
    return eventer_run(argc, argv, &(struct eventer_run_options){.name = "secure"});
}
