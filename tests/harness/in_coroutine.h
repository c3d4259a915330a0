/* SPDX-License-Identifier: MIT */
/*
 * in_coroutine.h - in_loop.h, and running a function in a coroutine of a loop.
 */
#ifndef EVENTER_TESTS_IN_COROUTINE_H
#define EVENTER_TESTS_IN_COROUTINE_H

#include "in_loop.h"

#include "coro/home_impl.h"

/* The coroutine that runs here; there is one. */
static inline struct coro *this_coroutine(void)
{
    return list_entry(aco_get_co(), struct coro, co);
}

static inline void coroutine_run_errand(void)
{
    struct errand *errand = eventer_aco_arg();
    errand->fn(errand->closure);
    tally_raise(&errand->done);
}

static inline void errand_start(struct mail *mail, struct loop *loop)
{
    (void)loop;
    eventer_aco_start(coroutine_run_errand, list_entry(mail, struct errand, mail));
}

/* Have fn(closure) begin in a coroutine of loop index; end with errand_wait(). */
static inline void coroutine_post(struct errand *errand, uint32_t index, void (*fn)(void *closure),
                                  void *closure)
{
    *errand =
        (struct errand){.mail.run = errand_start, .fn = fn, .closure = closure, .done = TALLY_NONE};
    loop_post(loop_at(index), &errand->mail);
}

/* Run fn(closure) in a coroutine of loop index and wait until it has returned. */
static inline void in_coroutine(uint32_t index, void (*fn)(void *closure), void *closure)
{
    struct errand errand;
    coroutine_post(&errand, index, fn, closure);
    errand_wait(&errand);
    settle(index); /* the coroutine itself has ended, too */
    assert_checks();
}

static inline void read_coroutine_count(void *closure)
{
    *(size_t *)closure = ((struct coro_home *)loop_self->coro)->count;
}

/* Return once no coroutine of loop index is left. */
static inline void wait_for_all_to_end(uint32_t index)
{
    size_t count;
    do
        in_loop(index, read_coroutine_count, &count);
    while (count > 0);
}

/* Sleep, in a coroutine. */
static inline void sleep_ms(long ms)
{
    eventer_aco_sleep(
        &(struct timeval){.tv_sec = ms / 1000, .tv_usec = (suseconds_t)(ms % 1000 * 1000)});
}

#endif
