/* SPDX-License-Identifier: MIT */
/*
 * program_close.c - events that are closed while somebody waits for them, from their loop, from
 * another coroutine and from a job, and whose fd numbers are given out again at once.
 *
 * Holds: who waits is told ECANCELED, once; who has the number next reads its own bytes and no
 * other's, and is woken by its own readiness alone.
 */
#include "world.h"

#define ROUNDS_MAX 6
#define BYTES      40

struct round {
    struct actor reader, writer, closer;
    int fds[2];
    eventer_aco_t aco, other;
    bool is_closed, has_ended;
    bool may_end; /* the peer ends its side, too */
    unsigned waiting;
    uint64_t key;
};

/* Wait until it is closed: for a byte that never comes, or for room that never is. */
static void await_byte(void)
{
    struct round *r = eventer_aco_arg();
    struct timeval timeout = world_duration(3 * CLOCK_NS_PER_MS);
    uint8_t byte;
    for (;;) {
        uint64_t begun_ns = sim_now_ns();
        bool is_timed = sim_chance(2), was_closed = r->is_closed;
        wait_begin(&r->reader);
        int rv = eventer_aco_read(r->aco, &byte, 1, is_timed ? &timeout : NULL);
        wait_end(&r->reader);
        if (rv == 0) {
            sim_check(r->may_end && !was_closed);
            break;
        }
        sim_check(rv < 0);
        if (errno != ETIMEDOUT) {
            sim_check(r->is_closed);
            sim_check(was_closed || errno == ECANCELED);
            break;
        }
        sim_check(is_timed);
        check_time(begun_ns + clock_duration_ns(&timeout), world_has_loans);
    }
    r->waiting--;
    actor_end(&r->reader);
}

static void await_room(void)
{
    struct round *r = eventer_aco_arg();
    uint8_t bytes[300] = {0};
    int rv;
    bool was_closed;
    do {
        was_closed = r->is_closed;
        wait_begin(&r->writer);
        rv = eventer_aco_write(r->aco, bytes, sizeof(bytes), NULL);
        wait_end(&r->writer);
    } while (rv > 0);
    sim_check(r->is_closed);
    sim_check(was_closed || errno == ECANCELED);
    r->waiting--;
    actor_end(&r->writer);
}

static void close_it(void *arg)
{
    struct round *r = arg;
    r->is_closed = true;
    sim_check(eventer_aco_close(r->aco) == 0);
}

static void close_from_job(void *arg)
{
    sim_busy(sim_random(1000000));
    close_it(arg);
}

/* A pair of sockets that has the same numbers, maybe: what goes in at one end comes out. */
static void use_the_numbers_again(struct round *r)
{
    int fds[2];
    uint8_t bytes[BYTES];
    size_t at = 0;
    sim_pair(sim_chance(2), fds);
    eventer_aco_t from = world_convert(fds[0]), to = world_convert(fds[1]);
    for (size_t i = 0; i < BYTES; i++)
        bytes[i] = world_byte(r->key, i);
    for (size_t sent = 0; sent < BYTES;) {
        int count = checked_write(&r->closer, from, bytes + sent, BYTES - sent, NULL);
        sim_check(count > 0);
        sent += (size_t)count;
    }
    sim_shutdown(fds[0]);
    struct timeval timeout = world_duration(CLOCK_NS_PER_MS);
    for (;;) {
        int count = checked_read(&r->closer, to, bytes, BYTES, sim_chance(2) ? &timeout : NULL);
        if (count < 0 && errno == ETIMEDOUT)
            continue;
        sim_check(count >= 0);
        for (int i = 0; i < count; i++)
            sim_check(bytes[i] == world_byte(r->key, at++));
        if (count == 0)
            break;
    }
    sim_check(at == BYTES);
    world_close(from);
    world_close(to);
}

/*
 * Come back in the turn in which the reader hears that the peer has ended: before it or after it.
 */
static void await_the_same_turn(struct round *r)
{
    int fds[2], mask;
    uint8_t byte;
    sim_pair(true, fds);
    eventer_aco_t aco = world_convert(fds[0]);
    r->may_end = true;
    sim_shutdown(r->fds[1]);
    sim_check(sim_opset.write(fds[1], "x", 1, &mask, NULL) == 1);
    sim_check(checked_read(&r->closer, aco, &byte, 1, NULL) == 1);
    sim_check(sim_opset.close(fds[1], &mask, NULL) == 0);
    world_close(aco);
}

static void go_round(void)
{
    struct round *r = eventer_aco_arg();
    r->aco = world_convert(r->fds[0]);
    r->other = world_convert(r->fds[1]);
    r->waiting = 2;
    eventer_aco_start(await_byte, r);
    eventer_aco_start(await_room, r);
    if (sim_chance(2))
        await_the_same_turn(r);
    else if (sim_chance(2))
        checked_sleep(&r->closer, world_duration(2 * CLOCK_NS_PER_MS));
    if (sim_chance(3)) {
        wait_begin(&r->closer);
        eventer_aco_simple_asynch(close_from_job, r);
        wait_end(&r->closer);
    } else {
        close_it(r);
    }
    if (sim_chance(2))
        world_close(r->other);
    else
        r->has_ended = true;
    use_the_numbers_again(r);
    while (r->waiting > 0)
        checked_sleep(&r->closer, world_duration(CLOCK_NS_PER_MS));
    eventer_aco_free(r->aco);
    if (r->has_ended)
        world_close(r->other);
    actor_end(&r->closer);
    alloc_free(r);
}

static void start(void)
{
    for (uint32_t i = 1 + sim_random(ROUNDS_MAX); i > 0; i--) {
        struct round *r = world_alloc(sizeof(*r));
        actor_begin(&r->reader);
        actor_begin(&r->writer);
        actor_begin(&r->closer);
        r->key = i * 7777;
        sim_pair(sim_chance(2), r->fds);
        world_start(world_loop(), go_round, r);
    }
}

const struct program program_close = {"close", start};
