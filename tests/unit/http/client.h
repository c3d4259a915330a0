/* SPDX-License-Identifier: MIT */
/*
 * client.h - a blocking client that sends bytes as a test writes them and takes answers apart.
 *
 * For the main thread.  Whatever does not happen within CLIENT_PATIENCE_S fails the running test.
 */
#ifndef EVENTER_TESTS_HTTP_CLIENT_H
#define EVENTER_TESTS_HTTP_CLIENT_H

#include "harness.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define CLIENT_PATIENCE_S 30
#define CLIENT_BODY_SIZE  ((size_t)20 << 20)
#define CLIENT_COUNT_MAX  512
#define CLIENT_HEAD_SIZE  40000

/* The simplest requests. */
#define GET(path)  "GET " path " HTTP/1.1\r\nHost: x\r\n\r\n"
#define HEAD(path) "HEAD " path " HTTP/1.1\r\nHost: x\r\n\r\n"

static uint16_t client_port; /* where the server listens */

struct client {
    int fd;
    size_t start, len; /* [start, len) has arrived and was not looked at */
    char in[65536];
};

static struct { /* the answer read last */
    int status;
    bool is_chunked, has_length;
    unsigned chunks;
    size_t len;                  /* of the body */
    char head[CLIENT_HEAD_SIZE]; /* NUL-terminated */
    char body[CLIENT_BODY_SIZE]; /* NUL-terminated */
} answer;

static int client_fds[CLIENT_COUNT_MAX]; /* that are open; 0: none */

static inline void client_note(int before, int after)
{
    for (int i = 0; i < CLIENT_COUNT_MAX; i++)
        if (client_fds[i] == before) {
            client_fds[i] = after;
            return;
        }
    fail_msg("too many clients");
}

static inline int client_connect(int receive_size)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(client_port),
                                  .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    const struct timeval patience = {.tv_sec = CLIENT_PATIENCE_S};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    client_note(0, fd);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    if (receive_size > 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_size, sizeof(receive_size));
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static inline void client_open(struct client *client)
{
    memset(client, 0, sizeof(*client));
    client->fd = client_connect(0);
}

static inline void client_close(struct client *client)
{
    client_note(client->fd, 0);
    close(client->fd);
}

/* Close what a test that failed has left. */
static inline void client_close_all(void)
{
    for (int i = 0; i < CLIENT_COUNT_MAX; i++)
        if (client_fds[i] != 0)
            close(client_fds[i]);
    memset(client_fds, 0, sizeof(client_fds));
}

/* Close it so that the peer is told of an error. */
static inline void client_reset(struct client *client)
{
    const struct linger none = {.l_onoff = 1, .l_linger = 0};
    setsockopt(client->fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
    client_close(client);
}

/* Send len bytes; false if the peer does not take them. */
static inline bool client_try_send(struct client *client, const void *bytes, size_t len)
{
    for (size_t sent = 0; sent < len;) {
        ssize_t count = send(client->fd, (const char *)bytes + sent, len - sent, MSG_NOSIGNAL);
        if (count < 0)
            return false;
        sent += (size_t)count;
    }
    return true;
}

static inline void client_send(struct client *client, const char *text)
{
    assert_true(client_try_send(client, text, strlen(text)));
}

/* Receive more; returns how many bytes, 0 at the end, -1 for a reset. */
static inline ssize_t client_receive(struct client *client)
{
    if (client->start == client->len)
        client->start = client->len = 0;
    if (client->len == sizeof(client->in)) {
        memmove(client->in, client->in + client->start, client->len - client->start);
        client->len -= client->start;
        client->start = 0;
    }
    ssize_t count = recv(client->fd, client->in + client->len, sizeof(client->in) - client->len, 0);
    if (count < 0 && errno == EAGAIN)
        fail_msg("nothing arrives");
    if (count > 0)
        client->len += (size_t)count;
    return count;
}

/* Take one byte that the peer must send. */
static inline char client_byte(struct client *client)
{
    if (client->start == client->len && client_receive(client) <= 0)
        fail_msg("the connection ended; last head: %s", answer.head);
    return client->in[client->start++];
}

/* Read up to and with the end of a line, to buffer; returns its length without CRLF. */
static inline size_t client_line(struct client *client, char *buffer, size_t size)
{
    size_t len = 0;
    do {
        assert_true(len + 1 < size);
        buffer[len++] = client_byte(client);
    } while (buffer[len - 1] != '\n');
    buffer[len] = '\0';
    assert_true(len >= 2 && buffer[len - 2] == '\r');
    return len - 2;
}

/* The value of the field called name in the head, NUL-terminated; NULL: none.  Two fail the test.
 */
static inline const char *answer_field(const char *name)
{
    static char value[CLIENT_HEAD_SIZE];
    size_t len = strlen(name);
    bool has = false;
    for (const char *line = strstr(answer.head, "\r\n"); line != NULL && line[2] != '\0';
         line = strstr(line + 2, "\r\n")) {
        if (strncasecmp(line + 2, name, len) != 0 || line[2 + len] != ':')
            continue;
        const char *end = strstr(line + 2, "\r\n");
        assert_false(has);
        assert_int_equal(line[3 + len], ' ');
        has = true;
        snprintf(value, sizeof(value), "%.*s", (int)(end - (line + 4 + len)), line + 4 + len);
    }
    return has ? value : NULL;
}

static inline bool answer_says(const char *name, const char *value)
{
    const char *is = answer_field(name);
    return is != NULL && strcasecmp(is, value) == 0;
}

static inline void client_body(struct client *client, size_t len)
{
    assert_true(answer.len + len < sizeof(answer.body));
    for (size_t i = 0; i < len; i++)
        answer.body[answer.len++] = client_byte(client);
}

static inline void client_chunks(struct client *client)
{
    char line[64];
    for (;;) {
        client_line(client, line, sizeof(line));
        size_t len = strtoul(line, NULL, 16);
        client_body(client, len);
        if (len > 0)
            answer.chunks++;
        assert_int_equal(client_line(client, line, sizeof(line)), 0);
        if (len == 0)
            return;
    }
}

/* Read the head of an answer. */
static inline void client_head(struct client *client)
{
    size_t len = 0, line_len;
    do {
        line_len = client_line(client, answer.head + len, sizeof(answer.head) - len);
        len += line_len + 2;
    } while (line_len > 0);
    assert_int_equal(strncmp(answer.head, "HTTP/1.1 ", 9), 0);
    answer.status = (int)strtol(answer.head + 9, NULL, 10);
    answer.is_chunked = answer_says("Transfer-Encoding", "chunked");
    answer.has_length = answer_field("Content-Length") != NULL;
    assert_false(answer.is_chunked && answer.has_length);
    answer.len = answer.chunks = 0;
    answer.body[0] = '\0';
}

/* Read an answer; has_body: one that may have a body by its status and the request's method. */
static inline void client_read(struct client *client, bool has_body)
{
    client_head(client);
    if (!has_body)
        return;
    if (answer.is_chunked) {
        client_chunks(client);
    } else if (answer.has_length) {
        client_body(client, strtoul(answer_field("Content-Length"), NULL, 10));
    } else {
        assert_true(answer_says("Connection", "close"));
        while (client->start < client->len || client_receive(client) > 0)
            client_body(client, client->len - client->start);
    }
    answer.body[answer.len] = '\0';
}

/* Assert that the peer closes, without an error, and sends nothing before. */
static inline void client_sees_end(struct client *client)
{
    if (client->start < client->len)
        fail_msg("unexpected: %.*s", (int)(client->len - client->start),
                 client->in + client->start);
    assert_int_equal(client_receive(client), 0);
}

/* Assert that the peer closes, however it does that, whatever it sends before. */
static inline void client_sees_any_end(struct client *client)
{
    do
        client->start = client->len = 0;
    while (client_receive(client) > 0);
}

/* Send text, and assert that an answer of that status and body comes. */
static inline void client_asks(struct client *client, const char *text, int status,
                               const char *body)
{
    client_send(client, text);
    client_read(client, true);
    assert_int_equal(answer.status, status);
    if (body != NULL)
        assert_string_equal(answer.body, body);
}

/* The same on a connection of its own, which the server closes. */
static inline void client_asks_once(const char *text, int status, const char *body)
{
    struct client client;
    client_open(&client);
    client_asks(&client, text, status, body);
    assert_true(answer_says("Connection", "close"));
    client_sees_end(&client);
    client_close(&client);
}

#endif
