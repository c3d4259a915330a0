/* SPDX-License-Identifier: MIT */
/*
 * in_loop.h - tests whose bodies run in an event loop, or in a coroutine of one.
 *
 * cmocka's assertions jump, so they must not be used off the main thread or on a coroutine's stack.
 * There check() and check_int() note what failed and go on; in_loop() and in_coroutine() run a
 * function to its end and then fail the running test for what was noted, wherever that was.
 */
#ifndef EVENTER_TESTS_IN_LOOP_H
#define EVENTER_TESTS_IN_LOOP_H

#include "harness.h"

#include "base/clock.h"
#include "eventer/loop.h"
#include "eventer/pool.h"
#include "jobq/jobq.h"

#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- noting failures ------------------------------------------------------------- */

static pthread_mutex_t check_lock = PTHREAD_MUTEX_INITIALIZER;
static char check_text[2048]; /* what failed since the last test; empty: nothing */

static inline bool check_note(bool holds, const char *file, int line, const char *what)
{
    if (!holds) {
        pthread_mutex_lock(&check_lock);
        size_t len = strlen(check_text);
        snprintf(check_text + len, sizeof(check_text) - len, "%s:%d: %s\n", file, line, what);
        pthread_mutex_unlock(&check_lock);
    }
    return holds;
}

static inline bool check_note_int(intmax_t is, intmax_t wanted, const char *file, int line)
{
    char what[64];
    snprintf(what, sizeof(what), "%jd is not %jd", is, wanted);
    return check_note(is == wanted, file, line, what);
}

/* Note a failure unless condition holds; returns whether it does.  Any thread. */
#define check(condition)      check_note((condition), __FILE__, __LINE__, #condition)
#define check_int(is, wanted) check_note_int((intmax_t)(is), (intmax_t)(wanted), __FILE__, __LINE__)

/* Fail the running test for what was noted.  The main thread only. */
static inline void assert_checks(void)
{
    char text[sizeof(check_text)];
    pthread_mutex_lock(&check_lock);
    snprintf(text, sizeof(text), "%s", check_text);
    check_text[0] = '\0';
    pthread_mutex_unlock(&check_lock);
    if (text[0] != '\0')
        fail_msg("%s", text);
}

/* ---- loops ----------------------------------------------------------------------- */

/*
 * Start count loops; a program that cannot is ended.  ACO_STACKS in the environment: see props.h.
 */
static inline void start_loops(unsigned count)
{
    char text[16];
    const char *stacks = getenv("ACO_STACKS");
    snprintf(text, sizeof(text), "%u", count);
    if (eventer_propset("concurrency", text) != 0 ||
        (stacks != NULL && eventer_propset("aco_shared_stacks", stacks) != 0) ||
        eventer_init() != 0) {
        perror("start_loops");
        exit(1);
    }
}

static inline struct loop *loop_at(uint32_t index)
{
    return eventer_pool("default")->loops[index];
}

/*
 * A count that one thread raises and another waits for.  Unlike a sem_t it may be gone as soon as
 * the one who waited has seen it raised: the raiser is then done with it.
 */
struct tally {
    pthread_mutex_t lock;
    pthread_cond_t raised;
    unsigned count;
};

#define TALLY_NONE                                                                                 \
    {                                                                                              \
        PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0                                     \
    }

static inline void tally_raise(struct tally *tally)
{
    pthread_mutex_lock(&tally->lock);
    tally->count++;
    pthread_cond_signal(&tally->raised);
    pthread_mutex_unlock(&tally->lock);
}

/* Wait until it was raised once more than it was waited for. */
static inline void tally_wait(struct tally *tally)
{
    pthread_mutex_lock(&tally->lock);
    while (tally->count == 0)
        pthread_cond_wait(&tally->raised, &tally->lock);
    tally->count--;
    pthread_mutex_unlock(&tally->lock);
}

struct errand {
    struct mail mail;
    void (*fn)(void *closure);
    void *closure;
    struct tally done;
};

static inline void errand_run(struct mail *mail, struct loop *loop)
{
    struct errand *errand = list_entry(mail, struct errand, mail);
    (void)loop;
    errand->fn(errand->closure);
    tally_raise(&errand->done);
}

/* Post fn(closure) to loop; end with errand_wait().  The caller keeps errand until then. */
static inline void errand_send(struct errand *errand, struct loop *loop, void (*fn)(void *closure),
                               void *closure)
{
    *errand =
        (struct errand){.mail.run = errand_run, .fn = fn, .closure = closure, .done = TALLY_NONE};
    loop_post(loop, &errand->mail);
}

/* The same to loop index. */
static inline void errand_post(struct errand *errand, uint32_t index, void (*fn)(void *closure),
                               void *closure)
{
    errand_send(errand, loop_at(index), fn, closure);
}

static inline void errand_wait(struct errand *errand)
{
    tally_wait(&errand->done);
}

/* Run fn(closure) in loop index and wait until it has returned. */
static inline void in_loop(uint32_t index, void (*fn)(void *closure), void *closure)
{
    struct errand errand;
    errand_post(&errand, index, fn, closure);
    errand_wait(&errand);
    assert_checks();
}

static inline void do_nothing(void *closure)
{
    (void)closure;
}

/* Return once loop index has run all mail of before, and all that this made ready. */
static inline void settle(uint32_t index)
{
    in_loop(index, do_nothing, NULL); /* in this turn; what is ready runs at its end */
    in_loop(index, do_nothing, NULL); /* so it has run when the next turn reads mail */
}

/* The same for all loops of the default pool, one after the other. */
static inline void settle_all(void)
{
    for (uint32_t i = 0; i < eventer_pool("default")->count; i++)
        settle(i);
}

/* What keeps a loop from doing anything else. */
struct hold {
    struct errand errand;
    struct tally is_held, may_go;
};

static inline void hold_run(void *closure)
{
    struct hold *hold = closure;
    tally_raise(&hold->is_held);
    tally_wait(&hold->may_go);
}

/* Return once loop does nothing but wait for hold_end().  The caller keeps hold until then. */
static inline void hold_begin(struct hold *hold, struct loop *loop)
{
    *hold = (struct hold){.is_held = TALLY_NONE, .may_go = TALLY_NONE};
    errand_send(&hold->errand, loop, hold_run, hold);
    tally_wait(&hold->is_held);
}

static inline void hold_end(struct hold *hold)
{
    tally_raise(&hold->may_go);
    errand_wait(&hold->errand);
}

/* Wait until *count is at least wanted. */
static inline void wait_until(_Atomic int *count, int wanted)
{
    while (atomic_load(count) < wanted)
        sched_yield();
}

#endif
