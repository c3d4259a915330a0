/* SPDX-License-Identifier: MIT */
/*
 * program_classic.c - classic events: streams from one to another that change loops on their way,
 * triggers from all loops, and events that close others of the same batch.
 *
 * Holds: bytes arrive in order and none is lost; a callback runs in its event's loop; each trigger
 * runs its callback once; an event whose fd was closed, or has another's number, is not called.
 */
#include "world.h"

#define STREAMS_MAX  4
#define BYTES_MAX    9000
#define SENDERS_MAX  4
#define TRIGGERS_MAX 6
#define GROUP_MAX    5

/* ---- streams --------------------------------------------------------------------- */

struct end_of_stream {
    struct actor actor;
    uint64_t key;
    size_t at, total;
    int fd;
};

static void maybe_move(eventer_t e)
{
    if (sim_chance(8))
        eventer_set_owner(e, eventer_choose_owner((int)sim_random(8)));
}

static int finish(eventer_t e, struct end_of_stream *end)
{
    int mask;
    sim_check(eventer_close(e, &mask) == 0);
    actor_end(&end->actor);
    alloc_free(end);
    return 0;
}

static int on_readable(eventer_t e, int mask, void *closure, struct timeval *now)
{
    struct end_of_stream *end = closure;
    uint8_t bytes[300];
    sim_check(eventer_thread_check(e));
    for (uint32_t tries = 1 + sim_random(4); tries > 0; tries--) {
        int count = eventer_read(e, bytes, 1 + sim_random(sizeof(bytes)), &mask);
        if (count < 0)
            sim_check(errno == EAGAIN);
        for (int i = 0; i < count; i++)
            sim_check(bytes[i] == world_byte(end->key, end->at++));
        if (count < 0)
            break;
        if (count > 0)
            continue;
        sim_check(end->at == end->total);
        return finish(e, end);
    }
    maybe_move(e);
    return EVENTER_READ | EVENTER_EXCEPTION;
}

static int on_writable(eventer_t e, int mask, void *closure, struct timeval *now)
{
    struct end_of_stream *end = closure;
    uint8_t bytes[300];
    sim_check(eventer_thread_check(e));
    while (end->at < end->total) {
        size_t len = 1 + sim_random(sizeof(bytes));
        if (len > end->total - end->at)
            len = end->total - end->at;
        for (size_t i = 0; i < len; i++)
            bytes[i] = world_byte(end->key, end->at + i);
        int count = eventer_write(e, bytes, len, &mask);
        if (count < 0) {
            sim_check(errno == EAGAIN);
            maybe_move(e);
            return EVENTER_WRITE | EVENTER_EXCEPTION;
        }
        end->at += (size_t)count;
        if (sim_chance(8)) {
            maybe_move(e);
            return EVENTER_WRITE | EVENTER_EXCEPTION;
        }
    }
    return finish(e, end);
}

static void add_reader(void *arg)
{
    struct end_of_stream *end = arg;
    eventer_t e = eventer_alloc_fd(on_readable, end, end->fd, EVENTER_READ);
    sim_check(e != NULL);
    if (sim_chance(2))
        eventer_set_owner(e, eventer_choose_owner((int)sim_random(8)));
    eventer_add(e);
}

static void add_writer(void *arg)
{
    struct end_of_stream *end = arg;
    eventer_t e = eventer_alloc_fd(on_writable, end, end->fd, EVENTER_WRITE);
    sim_check(e != NULL);
    eventer_add(e);
}

static struct end_of_stream *make_end(int fd, uint64_t key, size_t total)
{
    struct end_of_stream *end = world_alloc(sizeof(*end));
    actor_begin(&end->actor);
    end->fd = fd;
    end->key = key;
    end->total = total;
    return end;
}

static void start_streams(void)
{
    for (uint32_t i = 1 + sim_random(STREAMS_MAX); i > 0; i--) {
        int fds[2];
        size_t total = sim_random(BYTES_MAX);
        sim_pair(sim_chance(2), fds);
        world_post(world_loop(), add_reader, make_end(fds[0], i, total));
        world_post(world_loop(), add_writer, make_end(fds[1], i, total));
    }
}

const struct program program_classic = {"classic", start_streams};

/* ---- triggers -------------------------------------------------------------------- */

struct target {
    struct actor actor;
    eventer_t e; /* shares a reference */
    int peer;    /* never used */
    uint32_t expected, count;
    uint32_t senders; /* that have not ended */
    bool is_closed;
};

static void end_target(struct target *t)
{
    if (t->senders > 0 || !t->is_closed)
        return;
    int mask;
    sim_check(t->count == t->expected);
    sim_check(sim_opset.close(t->peer, &mask, NULL) == 0);
    eventer_free(t->e);
    actor_end(&t->actor);
    alloc_free(t);
}

static int on_trigger(eventer_t e, int mask, void *closure, struct timeval *now)
{
    struct target *t = closure;
    sim_check(eventer_thread_check(e));
    if ((mask & EVENTER_EXCEPTION) == 0)
        return EVENTER_READ; /* the poller made it up */
    sim_check(t->count < t->expected);
    t->count++;
    sim_trace("triggered", t->count, t->expected);
    if (t->count < t->expected) {
        maybe_move(e);
        return EVENTER_READ;
    }
    sim_check(eventer_close(e, &mask) == 0);
    t->is_closed = true;
    end_target(t);
    return 0;
}

struct sender {
    struct actor actor;
    struct target *target;
    uint32_t left;
};

static void send_triggers(void)
{
    struct sender *s = eventer_aco_arg();
    struct target *t = s->target;
    for (; s->left > 0; s->left--) {
        eventer_trigger(t->e, EVENTER_EXCEPTION);
        if (sim_chance(2))
            checked_sleep(&s->actor, world_duration(100000));
    }
    actor_end(&s->actor);
    alloc_free(s);
    t->senders--;
    end_target(t);
}

static void add_target(void *arg)
{
    struct target *t = arg;
    eventer_add(t->e);
    uint32_t left = t->expected;
    for (uint32_t i = t->senders; i > 0; i--) {
        struct sender *s = world_alloc(sizeof(*s));
        actor_begin(&s->actor);
        s->target = t;
        s->left = i == 1 ? left : sim_random(left + 1);
        left -= s->left;
        world_start(world_loop(), send_triggers, s);
    }
}

static void start_triggers(void)
{
    int fds[2];
    struct target *t = world_alloc(sizeof(*t));
    actor_begin(&t->actor);
    sim_pair(true, fds);
    t->peer = fds[1];
    t->senders = 1 + sim_random(SENDERS_MAX);
    t->expected = 1 + sim_random(SENDERS_MAX * TRIGGERS_MAX);
    t->e = eventer_alloc_fd(on_trigger, t, fds[0], EVENTER_READ);
    sim_check(t->e != NULL);
    eventer_ref(t->e);
    world_post(world_loop(), add_target, t);
}

const struct program program_trigger = {"trigger", start_triggers};

/* ---- events of one batch --------------------------------------------------------- */

struct group;

struct member {
    struct group *group;
    struct actor actor;
    eventer_t e;  /* borrowed: it is registered, or its coroutine's */
    int fd, peer; /* of the first set */
    bool is_aco;  /* a coroutine waits for it */
};

struct group {
    struct actor actor;
    uint32_t count;
    uint32_t waiting; /* coroutines */
    bool is_quiet;    /* the first set is gone: the second one has its numbers, and no news */
    struct member members[GROUP_MAX];
};

/* Whatever it reads, it waits until the event is closed. */
static void await_close(void)
{
    struct member *m = eventer_aco_arg();
    uint8_t byte;
    eventer_aco_t aco = world_convert(m->fd);
    m->e = (eventer_t)aco;
    m->group->waiting++;
    wait_begin(&m->actor);
    while (eventer_aco_read(aco, &byte, 1, NULL) == 1)
        ;
    wait_end(&m->actor);
    sim_check(m->group->is_quiet && (errno == ECANCELED || errno == EBADF));
    eventer_aco_free(aco);
    m->group->waiting--;
}

static void close_group(struct group *g)
{
    int mask;
    for (uint32_t i = 0; i < g->count; i++) {
        struct member *m = &g->members[i];
        bool is_last = sim_chance(2); /* its number is the next one that is given out */
        if (is_last)
            sim_check(sim_opset.close(m->peer, &mask, NULL) == 0);
        if (m->is_aco)
            sim_check(eventer_aco_close((eventer_aco_t)m->e) == 0);
        else
            sim_check(eventer_close(m->e, &mask) == 0);
        if (!is_last)
            sim_check(sim_opset.close(m->peer, &mask, NULL) == 0);
    }
}

static int on_group(eventer_t e, int mask, void *closure, struct timeval *now);

static void open_member(struct group *g, struct member *m, bool is_aco)
{
    int fds[2];
    sim_pair(true, fds);
    m->group = g;
    m->fd = fds[0];
    m->peer = fds[1];
    m->is_aco = is_aco;
    if (is_aco) {
        eventer_aco_start(await_close, m);
        return;
    }
    m->e = eventer_alloc_fd(on_group, g, m->fd, EVENTER_READ);
    sim_check(m->e != NULL);
    eventer_add(m->e);
}

static int end_group(eventer_t e, int mask, void *closure, struct timeval *now)
{
    struct group *g = closure;
    if (g->waiting > 0) { /* what others have lent may hold coroutines up */
        (void)eventer_add_in(end_group, g, world_duration(2 * CLOCK_NS_PER_MS));
        return 0;
    }
    close_group(g);
    actor_end(&g->actor);
    alloc_free(g);
    return 0;
}

/* Whoever comes first closes all, itself too, and gives their numbers to others. */
static int on_group(eventer_t e, int mask, void *closure, struct timeval *now)
{
    struct group *g = closure;
    if (g->is_quiet) {
        sim_check(sim_nature.spurious_one_in != 0);
        return EVENTER_READ;
    }
    g->is_quiet = true;
    close_group(g);
    for (uint32_t i = 0; i < g->count; i++)
        open_member(g, &g->members[i], false);
    (void)eventer_add_in(end_group, g, world_duration(2 * CLOCK_NS_PER_MS));
    return 0;
}

static void open_group(void *arg)
{
    struct group *g = arg;
    int mask;
    for (uint32_t i = 0; i < g->count; i++)
        open_member(g, &g->members[i], i > 0 && sim_chance(2));
    for (uint32_t i = 0; i < g->count; i++)
        sim_check(sim_opset.write(g->members[i].peer, "x", 1, &mask, NULL) == 1);
}

static void start_group(void)
{
    for (uint32_t groups = 1 + sim_random(3); groups > 0; groups--) {
        struct group *g = world_alloc(sizeof(*g));
        actor_begin(&g->actor);
        g->count = 1 + sim_random(GROUP_MAX);
        world_post(world_loop(), open_group, g);
    }
}

const struct program program_batch = {"batch", start_group};
