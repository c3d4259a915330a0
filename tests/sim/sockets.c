/* SPDX-License-Identifier: MIT */
/*
 * sockets.c - sockets in memory: a connection is two streams of bytes, each of which takes its time
 * and is full at some point.  The number of a closed one is given out again at once.
 */
#include "sim_impl.h"

#include "base/alloc.h"

#include <errno.h>
#include <string.h>

#define BACKLOG_MAX 64

struct socket;

struct stream {            /* of bytes, from writer to reader */
    struct socket *reader; /* NULL: closed */
    struct socket *writer;
    unsigned under_way; /* happenings that know it */
    uint64_t last_ns;   /* when the last of what was sent arrives */
    uint8_t bytes[SIM_BUFFER_MAX];
    size_t first, count; /* of those that were sent and not read */
    size_t arrived;      /* of these */
    bool end_sent, end_arrived;
    bool is_reset;    /* arrived: its reader's socket is dead */
    bool wants_space; /* the writer was told EAGAIN */
};

struct socket {
    int fd; /* -1: not open */
    bool is_exact, is_listener;
    bool was_told; /* of the reset */
    bool resets;   /* at close */
    struct sim_watch watch;
    struct stream *in, *out;
    struct socket *backlog[BACKLOG_MAX]; /* of a listener: what waits to be accepted */
    unsigned backlog_count;
};

static struct socket *sockets[SIM_SOCKETS_MAX]; /* by fd; kept for good */
static int free_fds[SIM_SOCKETS_MAX];           /* the last one that was closed comes first */
static unsigned free_count, used_count, open_count;

#define fail(...) sim_fail(__FILE__, __LINE__, __VA_ARGS__)

/* ---- finding --------------------------------------------------------------------- */

static struct socket *socket_of(int fd)
{
    int at = fd - SIM_FD_FIRST;
    if (at < 0 || at >= (int)used_count || sockets[at] == NULL || sockets[at]->fd != fd) {
        errno = EBADF;
        return NULL;
    }
    return sockets[at];
}

/* The same of a program's own, which knows that it is open. */
static struct socket *own_socket(int fd)
{
    struct socket *s = socket_of(fd);
    if (s == NULL)
        fail("fd %d is not open", fd);
    return s;
}

static uint32_t readiness(struct socket *s)
{
    if (s->is_listener)
        return s->backlog_count > 0 ? POLLIN : 0;
    uint32_t bits = 0;
    if (s->in->arrived > 0)
        bits |= POLLIN;
    if (s->in->end_arrived)
        bits |= POLLIN | POLLRDHUP;
    if (s->out->count < SIM_BUFFER_MAX || s->out->end_sent)
        bits |= POLLOUT;
    else
        s->out->wants_space = true; /* whoever asks is told when there is */
    if (s->in->end_arrived && s->out->end_sent)
        bits |= POLLHUP;
    if (s->in->is_reset)
        bits |= POLLIN | POLLOUT | POLLRDHUP | POLLHUP | (s->was_told ? 0 : POLLERR);
    return bits;
}

bool sim_socket_at(unsigned i, struct sim_watch **out, uint32_t *ret_bits)
{
    if (i >= used_count || sockets[i]->fd < 0 || sockets[i]->watch.poller == NULL)
        return false;
    *out = &sockets[i]->watch;
    *ret_bits = readiness(sockets[i]);
    return true;
}

struct sim_watch *sim_watch_of(int fd)
{
    struct socket *s = socket_of(fd);
    return s == NULL ? NULL : &s->watch;
}

bool sim_is_exact(int fd)
{
    return own_socket(fd)->is_exact;
}

unsigned sim_open_sockets(void)
{
    return open_count;
}

/* ---- what arrives ---------------------------------------------------------------- */

enum parcel_kind {
    PARCEL_BYTES = 1,
    PARCEL_END,
    PARCEL_RESET,
    PARCEL_SPACE, /* the other way */
};

struct parcel {
    struct sim_happening happening;
    struct stream *stream;
    enum parcel_kind kind;
    size_t count;
};

static void free_if_unused(struct stream *s)
{
    if (s->reader == NULL && s->writer == NULL && s->under_way == 0)
        alloc_free(s);
}

static void raise_watch(struct socket *s)
{
    if (s != NULL && s->fd >= 0)
        sim_watch_raise(&s->watch);
}

static void arrive(struct sim_happening *happening)
{
    struct parcel *parcel = (struct parcel *)happening; /* its first */
    struct stream *s = parcel->stream;
    switch (parcel->kind) {
    case PARCEL_BYTES:
        s->arrived += s->reader == NULL ? 0 : parcel->count;
        raise_watch(s->reader);
        break;
    case PARCEL_END:
        s->end_arrived = true;
        raise_watch(s->reader);
        break;
    case PARCEL_RESET:
        s->is_reset = true;
        raise_watch(s->reader);
        break;
    case PARCEL_SPACE:
        raise_watch(s->writer);
        break;
    }
    s->under_way--;
    free_if_unused(s);
    alloc_free(parcel);
}

static void send_parcel(struct stream *s, enum parcel_kind kind, size_t count)
{
    struct parcel *parcel = alloc_zeroed(1, sizeof(*parcel));
    if (parcel == NULL)
        fail("no memory");
    parcel->happening.run = arrive;
    parcel->stream = s;
    parcel->kind = kind;
    parcel->count = count;
    s->under_way++;
    uint64_t at_ns = sim_now_ns() + sim_random(sim_nature.latency_ns_max);
    if (kind != PARCEL_SPACE) {
        if (at_ns < s->last_ns)
            at_ns = s->last_ns;
        s->last_ns = at_ns;
    }
    sim_schedule(&parcel->happening, at_ns);
}

/* ---- making ---------------------------------------------------------------------- */

static struct socket *make_socket(bool is_exact)
{
    int at = free_count > 0 ? free_fds[--free_count] : (int)used_count++;
    if (at >= SIM_SOCKETS_MAX)
        fail("more than %d sockets", SIM_SOCKETS_MAX);
    if (sockets[at] == NULL)
        sockets[at] = calloc(1, sizeof(struct socket));
    if (sockets[at] == NULL)
        fail("no memory");
    *sockets[at] = (struct socket){.fd = SIM_FD_FIRST + at, .is_exact = is_exact};
    open_count++;
    return sockets[at];
}

static struct stream *make_stream(struct socket *writer, struct socket *reader)
{
    struct stream *s = alloc_zeroed(1, sizeof(*s));
    if (s == NULL)
        fail("no memory");
    s->writer = writer;
    s->reader = reader;
    writer->out = reader->in = s;
    return s;
}

static void connect_pair(struct socket *a, struct socket *b)
{
    (void)make_stream(a, b);
    (void)make_stream(b, a);
}

int sim_listen(bool is_exact)
{
    struct socket *s = make_socket(is_exact);
    s->is_listener = true;
    sim_trace("listen", s->fd, 0);
    return s->fd;
}

void sim_pair(bool is_exact, int fds[2])
{
    struct socket *a = make_socket(is_exact), *b = make_socket(is_exact);
    connect_pair(a, b);
    fds[0] = a->fd;
    fds[1] = b->fd;
    sim_trace("pair", fds[0], fds[1]);
}

int sim_connect(int listener)
{
    struct socket *l = socket_of(listener);
    if (l == NULL || l->backlog_count == BACKLOG_MAX) {
        errno = ECONNREFUSED;
        return -1;
    }
    struct socket *a = make_socket(l->is_exact), *b = make_socket(l->is_exact);
    connect_pair(a, b);
    l->backlog[l->backlog_count++] = b;
    raise_watch(l);
    sim_trace("connect", a->fd, b->fd);
    return a->fd;
}

/* ---- using ----------------------------------------------------------------------- */

static int would_block(int *mask, int wanted)
{
    *mask = wanted | EVENTER_EXCEPTION;
    errno = EAGAIN;
    return -1;
}

static int traced(const char *op, int fd, int rv)
{
    int err = errno;
    sim_trace(op, fd, rv < 0 ? -err : rv);
    errno = err;
    return rv;
}

static int accept_one(int fd, struct sockaddr *addr, socklen_t *len, int *mask, void *closure)
{
    sim_point();
    struct socket *l = socket_of(fd);
    if (l == NULL)
        return traced("accept", fd, -1);
    if (l->backlog_count == 0)
        return traced("accept", fd, would_block(mask, EVENTER_READ));
    struct socket *oldest = l->backlog[0];
    memmove(l->backlog, l->backlog + 1, --l->backlog_count * sizeof(struct socket *));
    return traced("accept", fd, oldest->fd);
}

/* How many of so many bytes there are this time. */
static size_t cut(const struct socket *s, size_t count)
{
    if (count <= 1 || !sim_chance(sim_nature.short_one_in))
        return count;
    return s->is_exact ? count : 1 + sim_random((uint32_t)count);
}

static int read_bytes(struct socket *s, uint8_t *buffer, size_t len, int *mask)
{
    struct stream *in = s->in;
    if (in->arrived == 0) {
        if (in->is_reset && !s->was_told) {
            s->was_told = true;
            errno = ECONNRESET;
            return -1;
        }
        return in->end_arrived || in->is_reset ? 0 : would_block(mask, EVENTER_READ);
    }
    size_t count = cut(s, len < in->arrived ? len : in->arrived);
    for (size_t i = 0; i < count; i++)
        buffer[i] = in->bytes[(in->first + i) % SIM_BUFFER_MAX];
    in->first = (in->first + count) % SIM_BUFFER_MAX;
    in->count -= count;
    in->arrived -= count;
    if (in->wants_space && count > 0) {
        in->wants_space = false;
        send_parcel(in, PARCEL_SPACE, 0);
    }
    return (int)count;
}

static int read_some(int fd, void *buffer, size_t len, int *mask, void *closure)
{
    sim_point();
    struct socket *s = socket_of(fd);
    return traced("read", fd, s == NULL ? -1 : read_bytes(s, buffer, len, mask));
}

static int write_bytes(struct socket *s, const uint8_t *buffer, size_t len, int *mask)
{
    struct stream *out = s->out;
    if (out->end_sent || s->in->is_reset) {
        errno = s->in->is_reset && !s->was_told ? ECONNRESET : EPIPE;
        s->was_told = s->was_told || s->in->is_reset;
        return -1;
    }
    if (out->reader == NULL) { /* the answer to this will be a reset */
        send_parcel(s->in, PARCEL_RESET, 0);
        return (int)len;
    }
    size_t space = SIM_BUFFER_MAX - out->count;
    if (space == 0) {
        out->wants_space = true;
        return would_block(mask, EVENTER_WRITE);
    }
    size_t count = len < space ? len : space;
    if (count > 1 && sim_chance(sim_nature.short_one_in))
        count = 1 + sim_random((uint32_t)count);
    for (size_t i = 0; i < count; i++)
        out->bytes[(out->first + out->count + i) % SIM_BUFFER_MAX] = buffer[i];
    size_t kept = sim_plant == SIM_PLANT_BYTE && count > 1 && sim_chance(64) ? count - 1 : count;
    out->count += kept;
    send_parcel(out, PARCEL_BYTES, kept);
    return (int)count;
}

static int write_some(int fd, const void *buffer, size_t len, int *mask, void *closure)
{
    sim_point();
    struct socket *s = socket_of(fd);
    return traced("write", fd, s == NULL ? -1 : write_bytes(s, buffer, len, mask));
}

static void send_end(struct stream *s)
{
    if (!s->end_sent)
        send_parcel(s, PARCEL_END, 0);
    s->end_sent = true;
}

void sim_shutdown(int fd)
{
    sim_trace("shutdown", fd, 0);
    send_end(own_socket(fd)->out);
}

void sim_reset_at_close(int fd)
{
    own_socket(fd)->resets = true;
}

static void close_socket(struct socket *s)
{
    int at = s->fd - SIM_FD_FIRST;
    for (unsigned i = 0; i < s->backlog_count; i++) {
        s->backlog[i]->resets = true;
        close_socket(s->backlog[i]);
    }
    if (!s->is_listener) {
        if (s->resets || s->in->count > 0) /* what was not read is lost, and that is told */
            send_parcel(s->out, PARCEL_RESET, 0);
        else
            send_end(s->out);
        s->in->reader = s->out->writer = NULL;
        s->in->count = s->in->arrived = 0;
        free_if_unused(s->in);
        free_if_unused(s->out);
    }
    *s = (struct socket){.fd = -1};
    free_fds[free_count++] = at;
    open_count--;
}

static int close_one(int fd, int *mask, void *closure)
{
    sim_point();
    struct socket *s = socket_of(fd);
    if (s == NULL)
        fail("fd %d is closed, and is not open", fd);
    close_socket(s);
    return traced("close", fd, 0);
}

const struct eventer_fd_opset sim_opset = {
    .name = "simulator",
    .accept = accept_one,
    .read = read_some,
    .write = write_some,
    .close = close_one,
};
