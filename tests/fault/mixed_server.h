/* SPDX-License-Identifier: MIT */
/*
 * mixed_server.h - a server of everything there is, in this process, and clients for it: echo in
 * coroutines over TCP and over a unix socket, classic echo, HTTP on the loop's stack and in
 * coroutines, with jobs whose locals are lent, pipes, timers by both clocks, and triggers from
 * outside.
 *
 * The clients run in the test's thread, which is spared from faults (kernel_faults.h).
 */
#ifndef EVENTER_TESTS_MIXED_SERVER_H
#define EVENTER_TESTS_MIXED_SERVER_H

#include "in_coroutine.h"
#include "kernel_faults.h"
#include "logged.h"

#include "base/alloc.h"
#include "conf/conf.h"
#include "listener/listener.h"

#include <mtev_listener.h>
#include <mtev_rest.h>

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/un.h>

#define MIXED_PATIENCE_S 20 /* for what must happen */
#define MIXED_LINE_LEN   24
#define MIXED_LOOPS      2

enum mixed_kind {
    MIXED_ACO = 0,
    MIXED_ACO_UNIX,
    MIXED_CLASSIC,
    MIXED_HTTP,
    MIXED_HTTP_ACO,
    MIXED_KINDS
};

static struct sockaddr_storage mixed_addresses[MIXED_KINDS];
static char mixed_path[64]; /* of the unix socket */

/*
 * Fail the running test; in a child, which must not go on with the tests of its parent, end it.
 */
static bool mixed_is_child;

#define mixed_fail(...)                                                                            \
    do {                                                                                           \
        if (!mixed_is_child)                                                                       \
            fail_msg(__VA_ARGS__);                                                                 \
        fprintf(stderr, __VA_ARGS__);                                                              \
        fputc('\n', stderr);                                                                       \
        _exit(3);                                                                                  \
    } while (0)

#define mixed_assert(condition)                                                                    \
    do {                                                                                           \
        if (!(condition))                                                                          \
            mixed_fail("%s:%d: %s: %s", __FILE__, __LINE__, #condition, strerror(errno));          \
    } while (0)

/* ---- what it serves -------------------------------------------------------------- */

struct mixed_piece {
    char bytes[64];
    int len;
};

static inline void mixed_shout(void *closure) /* on a job queue */
{
    struct mixed_piece *piece = closure;
    for (int i = 0; i < piece->len; i++)
        if (piece->bytes[i] >= 'a' && piece->bytes[i] <= 'z')
            piece->bytes[i] = (char)(piece->bytes[i] - 'a' + 'A');
}

static inline bool mixed_write_all(eventer_aco_t e, const struct mixed_piece *piece)
{
    int count = 0;
    for (int sent = 0; sent < piece->len && count >= 0; sent += count)
        count = eventer_aco_write(e, piece->bytes + sent, (size_t)(piece->len - sent), NULL);
    return count >= 0;
}

static inline void mixed_aco(void)
{
    eventer_aco_t e = eventer_aco_arg();
    struct mixed_piece piece;
    while ((piece.len = eventer_aco_read(e, piece.bytes, sizeof(piece.bytes), NULL)) > 0) {
        eventer_aco_simple_asynch(mixed_shout, &piece);
        if (!mixed_write_all(e, &piece))
            break;
    }
    eventer_aco_close(e);
    eventer_aco_free(e);
}

struct mixed_classic {
    struct mixed_piece piece;
    int sent;
};

static inline int mixed_classic_end(eventer_t e)
{
    int mask;
    eventer_remove_fde(e);
    eventer_close(e, &mask);
    return 0;
}

static inline int mixed_classic(eventer_t e, int mask, void *closure, struct timeval *now)
{
    mtev_acceptor_closure_t *ac = closure;
    struct mixed_classic *own = mtev_acceptor_closure_ctx(ac);
    if (own == NULL) {
        own = alloc_zeroed(1, sizeof(*own));
        mtev_acceptor_closure_set_ctx(ac, own, alloc_free);
    }
    struct mixed_piece *piece = &own->piece;
    if (own == NULL || (mask & EVENTER_EXCEPTION))
        return mixed_classic_end(e);
    if (own->sent == piece->len) {
        int len = eventer_read(e, piece->bytes, sizeof(piece->bytes), &mask);
        if (len < 0 && errno == EAGAIN)
            return mask | EVENTER_EXCEPTION;
        if (len <= 0)
            return mixed_classic_end(e);
        *own = (struct mixed_classic){.piece = *piece};
        piece->len = len;
        mixed_shout(piece);
        return EVENTER_WRITE | EVENTER_EXCEPTION;
    }
    int count = eventer_write(e, piece->bytes + own->sent, (size_t)(piece->len - own->sent), &mask);
    if (count < 0 && errno == EAGAIN)
        return mask | EVENTER_EXCEPTION;
    if (count < 0)
        return mixed_classic_end(e);
    own->sent += count;
    return (own->sent == piece->len ? EVENTER_READ : EVENTER_WRITE) | EVENTER_EXCEPTION;
}

static inline int mixed_never(eventer_t e, int mask, void *closure, struct timeval *now)
{
    return 0;
}

/* Write a byte to out and read one from in; a file that is not ready is tried again. */
static inline bool mixed_pass_byte(eventer_t out, eventer_t in, char *byte)
{
    int mask, count;
    do
        count = eventer_write(out, byte, 1, &mask);
    while (count < 0 && errno == EAGAIN);
    if (count == 1)
        do
            count = eventer_read(in, byte, 1, &mask);
        while (count < 0 && errno == EAGAIN);
    return count == 1;
}

/* Files are read and written by other calls than sockets: through a pipe, byte by byte. */
static inline void mixed_pipe(struct mixed_piece *piece)
{
    int fds[2], mask;
    if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) != 0)
        return;
    eventer_t in = eventer_alloc_fd(mixed_never, NULL, fds[0], EVENTER_READ);
    eventer_t out = eventer_alloc_fd(mixed_never, NULL, fds[1], EVENTER_WRITE);
    for (int i = 0; i < piece->len && mixed_pass_byte(out, in, &piece->bytes[i]); i++)
        ;
    eventer_close(in, &mask);
    eventer_close(out, &mask);
    eventer_free(in);
    eventer_free(out);
}

static inline int mixed_http(mtev_http_rest_closure_t *restc, int npats, char **pats)
{
    struct mixed_piece piece = {"it is done", 10};
    if (restc->aco_enabled) {
        eventer_aco_simple_asynch(mixed_shout, &piece);
        eventer_aco_sleep(&(struct timeval){0, 300});
    } else {
        mixed_shout(&piece);
        mixed_pipe(&piece);
    }
    mtev_http_response_ok(restc->http_ctx, "text/plain");
    mtev_http_response_append(restc->http_ctx, piece.bytes, (size_t)piece.len);
    mtev_http_response_end(restc->http_ctx);
    return 0;
}

/* ---- starting it ----------------------------------------------------------------- */

static inline void mixed_note_address(const char *text, void *closure)
{
    int *kind = closure;
    struct sockaddr_storage *address = &mixed_addresses[(*kind)++];
    if (text[0] == '/') {
        struct sockaddr_un *un = (struct sockaddr_un *)address;
        un->sun_family = AF_UNIX;
        snprintf(un->sun_path, sizeof(un->sun_path), "%s", text);
        return;
    }
    struct sockaddr_in *in = (struct sockaddr_in *)address;
    in->sin_family = AF_INET;
    in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    in->sin_port = htons((uint16_t)strtoul(strrchr(text, ':') + 1, NULL, 10));
}

/* Registrations and configuration, once. */
static inline void mixed_set_up(void)
{
    char text[1024];
    snprintf(text, sizeof(text),
             "<test><rest><acl><rule type='allow'/></acl></rest><listeners address='127.0.0.1'>"
             "<listener type='mixed_aco' port='0'/>"
             "<listener type='mixed_aco' address='%s'/>"
             "<listener type='mixed_classic' port='0'/>"
             "<listener type='http_rest_api' port='0'/></listeners></test>",
             mixed_path);
    eventer_name_callback("mixed_classic", mixed_classic);
    mtev_listener_register_aco_function("mixed_aco", mixed_aco);
    if (conf_load_text("test.conf", text) != 0)
        exit(2);
    mtev_http_rest_init();
    mtev_http_rest_new_rule("GET", "/", "^now$", mixed_http);
    mtev_rest_mountpoint_set_aco(mtev_http_rest_new_rule("GET", "/", "^later$", mixed_http),
                                 mtev_true);
}

/* After the loops were started.  Returns 0 or -errno. */
static inline int mixed_listen(void)
{
    int kind = 0, err = listener_init("test", true);
    if (err != 0)
        return err;
    eventer_loop_return();
    listener_each(mixed_note_address, &kind);
    mixed_addresses[MIXED_HTTP_ACO] = mixed_addresses[MIXED_HTTP];
    return 0;
}

/* ---- clients --------------------------------------------------------------------- */

static inline int mixed_connect(enum mixed_kind kind)
{
    const struct sockaddr_storage *address = &mixed_addresses[kind];
    const struct timeval patience = {.tv_sec = MIXED_PATIENCE_S};
    const int on = 1;
    bool is_unix = address->ss_family == AF_UNIX;
    int fd = socket(address->ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    mixed_assert(fd >= 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    if (!is_unix)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    mixed_assert(connect(fd, (const struct sockaddr *)address,
                         is_unix ? sizeof(struct sockaddr_un) : sizeof(struct sockaddr_in)) == 0);
    return fd;
}

static inline void mixed_ask(int fd, enum mixed_kind kind, int number)
{
    char text[128];
    if (kind == MIXED_HTTP || kind == MIXED_HTTP_ACO)
        snprintf(text, sizeof(text), "GET /%s HTTP/1.1\r\nHost: x\r\n\r\n",
                 kind == MIXED_HTTP ? "now" : "later");
    else
        snprintf(text, sizeof(text), "message %015d\n", number);
    (void)!send(fd, text, strlen(text), MSG_NOSIGNAL); /* a dead one is seen below */
}

/* Read on until the text so far ends with end.  False: the connection has died. */
static inline bool mixed_read_until(int fd, const char *end)
{
    char text[1024];
    size_t len = 0, end_len = strlen(end);
    while (len < end_len || memcmp(text + len - end_len, end, end_len) != 0) {
        mixed_assert(len < sizeof(text));
        ssize_t count = recv(fd, text + len, sizeof(text) - len, 0);
        if (count < 0 && errno == EAGAIN)
            mixed_fail("no answer to a client; so far: %.*s", (int)len, text);
        if (count <= 0)
            return false;
        len += (size_t)count;
    }
    return true;
}

/* False: the connection has died. */
static inline bool mixed_answer(int fd, enum mixed_kind kind, int number)
{
    char text[128] = "\r\n\r\nIT IS DONE";
    if (kind != MIXED_HTTP && kind != MIXED_HTTP_ACO)
        snprintf(text, sizeof(text), "MESSAGE %015d\n", number);
    return mixed_read_until(fd, text);
}

/* ---- everything at once ---------------------------------------------------------- */

static _Atomic int mixed_ticks;

static inline int mixed_tick(eventer_t e, int mask, void *closure, struct timeval *now)
{
    atomic_fetch_add(&mixed_ticks, 1);
    return e != NULL && eventer_get_fd(e) >= 0 ? EVENTER_READ : 0;
}

static inline void mixed_await(const _Atomic int *count, int wanted)
{
    uint64_t end_ns = clock_mono_ns() + MIXED_PATIENCE_S * CLOCK_NS_PER_S;
    while (atomic_load(count) < wanted) {
        if (clock_mono_ns() > end_ns)
            mixed_fail("%d of %d timers and triggers", atomic_load(count), wanted);
        sched_yield();
    }
}

/* Timers and triggers from this thread, whose own wakes may fail. */
static inline void mixed_poke(eventer_t triggered, int count)
{
    struct timeval now;
    fault_spare_thread(false);
    for (int i = 0; i < count; i++) {
        eventer_add_in_s_us(mixed_tick, NULL, 0, 200);
        eventer_trigger(triggered, EVENTER_READ);
        mtev_gettimeofday(&now, NULL);
        now.tv_sec += now.tv_usec >= 999000;
        now.tv_usec = now.tv_usec >= 999000 ? 0 : now.tv_usec + 1000;
        eventer_add_at(mixed_tick, NULL, now);
    }
    fault_spare_thread(true);
}

/* clients of each kind, rounds of questions each.  Returns how many connections died. */
static inline int mixed_run(int clients, int rounds)
{
    int fds[MIXED_KINDS * 4], dead = 0, pair[2], mask;
    const int count = MIXED_KINDS * clients;
    mixed_assert(clients <= 4);
    mixed_assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == 0);
    eventer_t triggered = eventer_alloc_fd(mixed_tick, NULL, pair[0], EVENTER_READ);
    eventer_set_owner(triggered, loop_at(1)->thread);
    eventer_ref(triggered);
    for (int i = 0; i < count; i++)
        fds[i] = mixed_connect((enum mixed_kind)(i % MIXED_KINDS));
    atomic_store(&mixed_ticks, 0);
    for (int round = 0; round < rounds; round++) {
        for (int i = 0; i < count; i++)
            mixed_ask(fds[i], (enum mixed_kind)(i % MIXED_KINDS), round);
        mixed_poke(triggered, 1);
        for (int i = 0; i < count; i++) {
            if (fds[i] < 0 || mixed_answer(fds[i], (enum mixed_kind)(i % MIXED_KINDS), round))
                continue;
            close(fds[i]);
            fds[i] = -1;
            dead++;
        }
    }
    mixed_await(&mixed_ticks, 3 * rounds);
    mixed_poke(triggered, 1); /* now that nothing else wakes a loop */
    mixed_await(&mixed_ticks, 3 * rounds + 3);
    for (int i = 0; i < count; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    eventer_close(triggered, &mask); /* which drops the eventer's reference */
    eventer_free(triggered);
    close(pair[1]);
    return dead;
}

/* ---- what is left ---------------------------------------------------------------- */

struct mixed_state {
    int64_t events;
    uint64_t coroutines;
    int fds;
};

static inline int mixed_fds(void)
{
    int count = 0;
    DIR *dir = opendir("/proc/self/fd");
    mixed_assert(dir != NULL);
    while (readdir(dir) != NULL)
        count++;
    closedir(dir);
    return count;
}

static inline struct mixed_state mixed_look(void)
{
    eventer_aco_stats_t stats;
    eventer_aco_get_stats(&stats);
    return (struct mixed_state){eventer_allocations_current(), stats.coroutines, mixed_fds()};
}

/* Wait until nothing more is left than was before. */
static inline void mixed_settle(const struct mixed_state *before)
{
    uint64_t end_ns = clock_mono_ns() + MIXED_PATIENCE_S * CLOCK_NS_PER_S;
    struct mixed_state now = mixed_look();
    while (now.events > before->events || now.coroutines > before->coroutines ||
           now.fds > before->fds) {
        if (clock_mono_ns() > end_ns)
            mixed_fail("left behind: %jd events, %jd coroutines, %d fds",
                       (intmax_t)(now.events - before->events),
                       (intmax_t)(now.coroutines - before->coroutines), now.fds - before->fds);
        sched_yield();
        now = mixed_look();
    }
}

#endif
