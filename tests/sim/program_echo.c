/* SPDX-License-Identifier: MIT */
/*
 * program_echo.c - a server that sends back what it gets, and clients who are not kind to it.
 *
 * Holds: bytes come back in order and none is lost; each client and each connection comes to its
 * end; a time-out is not early; the wait for a client who never comes ends when the listener is
 * closed, and not otherwise.
 */
#include "world.h"

#define CLIENTS_MAX    6
#define BYTES_MAX      9000
#define PIECE_MAX      1500
#define TIMEOUT_NS_MAX (20 * CLOCK_NS_PER_MS)

enum manner {
    POLITE = 0, /* one coroutine sends, another reads what comes back */
    HALVES,     /* sends all, ends its side, and then reads all */
    RUDE,       /* resets in the middle */
    HASTY,      /* goes at once */
    SILENT,     /* waits until it is thrown out */
    DEAF,       /* sends and does not read, until it is thrown out */
    MANNERS
};

struct server {
    struct actor actor;
    int fd;
    uint32_t loop, clients; /* that have not ended */
    bool is_patient;        /* it throws nobody out, so all that is sent comes back */
    eventer_aco_t aco;
    bool is_closed;
};

struct client {
    struct actor actor, reader;
    bool has_read;
    struct server *server;
    eventer_aco_t aco;
    enum manner manner;
    uint64_t key;
    size_t total;
};

/* ---- the server ------------------------------------------------------------------ */

struct connection {
    struct actor actor;
    int fd;
    struct timeval timeout;
    struct timeval *patience; /* the same, or NULL */
};

static bool write_all(struct actor *actor, eventer_aco_t aco, const uint8_t *bytes, size_t len,
                      struct timeval *timeout)
{
    for (size_t sent = 0; sent < len;) {
        int count = checked_write(actor, aco, bytes + sent, len - sent, timeout);
        if (count < 0)
            return false;
        sim_check(count > 0 && (size_t)count <= len - sent);
        sent += (size_t)count;
    }
    return true;
}

static void serve(void)
{
    struct connection *c = eventer_aco_arg();
    uint8_t bytes[400];
    int count;
    eventer_aco_t aco = world_convert(c->fd);
    while ((count = checked_read(&c->actor, aco, bytes, 1 + sim_random(sizeof(bytes)),
                                 c->patience)) > 0)
        if (!write_all(&c->actor, aco, bytes, (size_t)count, c->patience))
            break;
    world_close(aco);
    actor_end(&c->actor);
    alloc_free(c);
}

static void accept_clients(void)
{
    struct server *s = eventer_aco_arg();
    s->aco = world_convert(s->fd);
    for (;;) {
        struct timeval timeout = world_duration(TIMEOUT_NS_MAX);
        bool is_timed = sim_chance(2);
        uint64_t begun_ns = sim_now_ns();
        wait_begin(&s->actor);
        int fd = eventer_aco_accept(s->aco, NULL, NULL, is_timed ? &timeout : NULL);
        wait_end(&s->actor);
        if (fd < 0 && errno == ETIMEDOUT) {
            sim_check(is_timed);
            check_time(begun_ns + clock_duration_ns(&timeout), world_has_loans);
            continue;
        }
        if (fd < 0)
            break;
        struct connection *c = world_alloc(sizeof(*c));
        actor_begin(&c->actor);
        c->fd = fd;
        c->timeout = world_duration(TIMEOUT_NS_MAX);
        c->patience = s->is_patient ? NULL : &c->timeout;
        eventer_aco_start(serve, c);
    }
    sim_check((errno == ECANCELED || errno == EBADF) && s->is_closed);
    eventer_aco_free(s->aco);
    actor_end(&s->actor);
    alloc_free(s);
}

static void close_listener(void *arg)
{
    struct server *s = arg;
    if (s->aco == NULL) { /* all have gone before it opened */
        world_post(s->loop, close_listener, s);
        return;
    }
    s->is_closed = true;
    sim_check(eventer_aco_close(s->aco) == 0);
}

/* ---- clients --------------------------------------------------------------------- */

static void end_client(struct client *c)
{
    struct server *s = c->server;
    world_close(c->aco);
    if (--s->clients == 0)
        world_post(s->loop, close_listener, s);
    actor_end(&c->actor);
    alloc_free(c);
}

static void send_bytes(struct client *c, size_t from, size_t to)
{
    uint8_t piece[300];
    while (from < to) {
        size_t len = 1 + sim_random(sizeof(piece));
        if (len > to - from)
            len = to - from;
        for (size_t i = 0; i < len; i++)
            piece[i] = world_byte(c->key, from + i);
        if (!write_all(&c->actor, c->aco, piece, len, NULL))
            return;
        from += len;
        if (sim_chance(8))
            checked_sleep(&c->actor, world_duration(2 * CLOCK_NS_PER_MS));
    }
}

/* Read until the end, and check each byte. */
static void read_back(struct client *c, struct actor *actor)
{
    uint8_t bytes[300];
    size_t at = 0;
    int count;
    while ((count = checked_read(actor, c->aco, bytes, 1 + sim_random(sizeof(bytes)), NULL)) > 0)
        for (int i = 0; i < count; i++)
            sim_check(bytes[i] == world_byte(c->key, at++));
    sim_check(count == 0 || errno == ECONNRESET);
    sim_check(at <= c->total);
    if (c->server->is_patient)
        sim_check(count == 0 && at == c->total);
}

static void read_while_the_other_writes(void)
{
    struct client *c = eventer_aco_arg();
    read_back(c, &c->reader);
    c->has_read = true;
    actor_end(&c->reader);
}

static void be_polite(struct client *c)
{
    actor_begin(&c->reader);
    eventer_aco_start(read_while_the_other_writes, c);
    send_bytes(c, 0, c->total);
    sim_shutdown(eventer_get_fd((eventer_t)c->aco));
    while (!c->has_read)
        checked_sleep(&c->actor, world_duration(CLOCK_NS_PER_MS));
}

static void behave(struct client *c)
{
    uint8_t byte;
    switch (c->manner) {
    case POLITE:
        be_polite(c);
        break;
    case HALVES:
        c->total %= PIECE_MAX; /* what fits on the way: nobody reads meanwhile */
        send_bytes(c, 0, c->total);
        sim_shutdown(eventer_get_fd((eventer_t)c->aco));
        read_back(c, &c->actor);
        break;
    case RUDE:
        send_bytes(c, 0, c->total % PIECE_MAX);
        sim_reset_at_close(eventer_get_fd((eventer_t)c->aco));
        break;
    case SILENT:
        sim_check(checked_read(&c->actor, c->aco, &byte, 1, NULL) == 0);
        break;
    case DEAF:
        send_bytes(c, 0, 8 * SIM_BUFFER_MAX);
        break;
    default: /* HASTY */
        break;
    }
}

static void visit(void)
{
    struct client *c = eventer_aco_arg();
    checked_sleep(&c->actor, world_duration(5 * CLOCK_NS_PER_MS));
    int fd = sim_connect(c->server->fd);
    sim_check(fd >= 0);
    c->aco = world_convert(fd);
    behave(c);
    end_client(c);
}

static void start(void)
{
    struct server *s = world_alloc(sizeof(*s));
    actor_begin(&s->actor);
    s->is_patient = sim_chance(2);
    s->fd = sim_listen(sim_chance(2));
    s->loop = world_loop();
    s->clients = 1 + sim_random(CLIENTS_MAX);
    for (uint32_t i = s->clients; i > 0; i--) {
        struct client *c = world_alloc(sizeof(*c));
        actor_begin(&c->actor);
        c->server = s;
        c->manner = (enum manner)sim_random(s->is_patient ? SILENT : MANNERS);
        c->key = i * 1000003;
        c->total = sim_random(BYTES_MAX);
        world_start(world_loop(), visit, c);
    }
    world_start(s->loop, accept_clients, s);
}

const struct program program_echo = {"echo", start};
