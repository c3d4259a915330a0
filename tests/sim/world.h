/* SPDX-License-Identifier: MIT */
/*
 * world.h - what the programs that live in a simulated world share: actors, whose end the world
 * awaits, and waits that check what they promise.
 */
#ifndef EVENTER_TESTS_SIM_WORLD_H
#define EVENTER_TESTS_SIM_WORLD_H

#include "sim.h"

#include "base/alloc.h"
#include "coro/coro.h"
#include "eventer/loop.h"
#include "eventer/pool.h"

#include <errno.h>

#define WORLD_TICK_NS ((uint64_t)1 << WHEEL_TICK_SHIFT)

struct program {
    const char *name;
    void (*start)(void); /* by the world's first thread; makes actors */
};

extern const struct program program_echo, program_close, program_classic, program_batch,
    program_trigger, program_timers, program_sleep, program_jobs, program_gates, program_queues;

/*
 * Something that is under way and comes to an end: the world waits for it.  Each has one wait at a
 * time.
 */
struct actor {
    bool is_waiting;
};

void actor_begin(struct actor *actor);
void actor_end(struct actor *actor);

/* Around each call that may wait: it returns once for each time it was called. */
void wait_begin(struct actor *actor);
void wait_end(struct actor *actor);

/* What was to end at due_ns has: not early; and not late where nothing held its loop up. */
void check_time(uint64_t due_ns, bool may_be_late);

/* True if time passes only while all wait. */
bool world_is_calm(void);

/* True if coroutines may be held up by what others have lent. */
extern bool world_has_loans;

/* The queue of this world that is not the default one. */
extern eventer_jobq_t *world_queue;

/* Do fn(arg) in loop number index; or start it as a coroutine there. */
uint32_t world_loop(void);
void world_post(uint32_t index, void (*fn)(void *arg), void *arg);
void world_start(uint32_t index, void (*fn)(void), void *arg);

/* Memory that is there, or the seed fails; zeroed. */
void *world_alloc(size_t size);

/* A duration of up to max_ns, at least a microsecond. */
struct timeval world_duration(uint64_t max_ns);

/* Turn an fd of the simulator into an event of the running coroutine. */
eventer_aco_t world_convert(int fd);
void world_close(eventer_aco_t aco);

/* As the calls of the library, with their promises checked; *actor is the caller. */
int checked_read(struct actor *actor, eventer_aco_t aco, void *buffer, size_t len,
                 struct timeval *timeout);
int checked_write(struct actor *actor, eventer_aco_t aco, const void *buffer, size_t len,
                  struct timeval *timeout);
void checked_sleep(struct actor *actor, struct timeval duration);

/* The byte at an offset of the stream that key names. */
static inline uint8_t world_byte(uint64_t key, uint64_t at)
{
    return (uint8_t)((key + at) * UINT64_C(0x9E3779B97F4A7C15) >> 56);
}

/* Draw which programs live in a world. */
uint32_t world_choose(void);

/* Run a world with the programs whose bits are set; fails the process, or leaves sim_report. */
void world_run(uint32_t programs);

#endif
