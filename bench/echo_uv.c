/* SPDX-License-Identifier: MIT */
/*
 * echo_uv.c - libuv's side of bench/echo: uv_read_start() and uv_write(), as its guide does it,
 * with the buffer and the write request kept in the connection instead of allocated each time.
 */
#include "echo.h"

#include <uv.h>

struct connection {
    uv_tcp_t tcp; /* first */
    uv_write_t write;
    char buffer[BUFFER_SIZE];
};

static void on_closed(uv_handle_t *handle)
{
    free(handle);
}

static void give_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *out)
{
    (void)suggested;
    struct connection *c = (struct connection *)handle;
    *out = uv_buf_init(c->buffer, sizeof(c->buffer));
}

static void on_written(uv_write_t *write, int status)
{
    require(status == 0 || uv_is_closing((uv_handle_t *)write->handle), "uv_write");
}

static void on_read(uv_stream_t *stream, ssize_t len, const uv_buf_t *buffer)
{
    struct connection *c = (struct connection *)stream;
    if (len < 0) {
        uv_close((uv_handle_t *)stream, on_closed);
    } else if (len > 0) {
        uv_buf_t answer = uv_buf_init(buffer->base, (unsigned)len);
        require(uv_write(&c->write, stream, &answer, 1, on_written) == 0, "uv_write");
    }
}

static void on_connection(uv_stream_t *server, int status)
{
    struct connection *c = calloc(1, sizeof(*c));
    require(status == 0 && c != NULL && uv_tcp_init(server->loop, &c->tcp) == 0, "uv_tcp_init");
    require(uv_accept(server, (uv_stream_t *)&c->tcp) == 0, "uv_accept");
    uv_tcp_nodelay(&c->tcp, 1);
    uv_read_start((uv_stream_t *)&c->tcp, give_buffer, on_read);
}

int main(int argc, char **argv)
{
    uv_tcp_t server;
    require(uv_tcp_init(uv_default_loop(), &server) == 0 &&
                uv_tcp_open(&server, listen_on(port_of(argc, argv))) == 0 &&
                uv_listen((uv_stream_t *)&server, LISTEN_BACKLOG, on_connection) == 0,
            "uv_listen");
    return uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}
