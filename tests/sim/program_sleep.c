/* SPDX-License-Identifier: MIT */
/*
 * program_sleep.c - coroutines that sleep, and that wait for a byte and for the end of a time-out
 * by turns, so that each kind of wake might be taken for another.
 *
 * Holds: nobody wakes early, and late only where something held the loop up; a time-out that was
 * set for one wait never ends another.
 */
#include "world.h"

#define SLEEPERS_MAX 12
#define WAITS_MAX    12

struct sleeper {
    struct actor actor;
    uint32_t waits;
    uint64_t scale_ns;
    int fd; /* the peer's */
};

static void sleep_and_wait(void)
{
    struct sleeper *s = eventer_aco_arg();
    int fds[2];
    uint8_t byte = 0;
    sim_pair(true, fds);
    eventer_aco_t reader = world_convert(fds[0]), writer = world_convert(fds[1]);
    for (uint32_t i = 0; i < s->waits; i++) {
        struct timeval duration = world_duration(s->scale_ns);
        uint32_t kind = sim_random(3);
        if (kind == 0) {
            checked_sleep(&s->actor, duration);
        } else if (kind == 1) { /* nothing comes */
            sim_check(checked_read(&s->actor, reader, &byte, 1, &duration) == -1);
            sim_check(errno == ETIMEDOUT);
        } else { /* something comes, maybe too late */
            byte = (uint8_t)i;
            sim_check(checked_write(&s->actor, writer, &byte, 1, NULL) == 1);
            byte = 0xff;
            while (checked_read(&s->actor, reader, &byte, 1, &duration) != 1)
                sim_check(errno == ETIMEDOUT);
            sim_check(byte == (uint8_t)i);
        }
    }
    world_close(reader);
    world_close(writer);
    actor_end(&s->actor);
    alloc_free(s);
}

static void start(void)
{
    for (uint32_t i = 1 + sim_random(SLEEPERS_MAX); i > 0; i--) {
        struct sleeper *s = world_alloc(sizeof(*s));
        actor_begin(&s->actor);
        s->waits = 1 + sim_random(WAITS_MAX);
        s->scale_ns = sim_chance(3) ? 10 * CLOCK_NS_PER_S / 4 : 5 * CLOCK_NS_PER_MS;
        world_start(world_loop(), sleep_and_wait, s);
    }
}

const struct program program_sleep = {"sleep", start};
