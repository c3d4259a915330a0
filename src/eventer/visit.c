/* SPDX-License-Identifier: MIT */
/*
 * visit.c - going from loop to loop by mail.  The mail of a loop that does not come to it in time
 * is abandoned, and freed by the loop when it does.
 */
#include "eventer/visit.h"

#include "base/alloc.h"
#include "eventer/pool.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>

enum visit_state {
    VISIT_POSTED = 0,
    VISIT_BEGUN,
    VISIT_DONE,
    VISIT_ABANDONED,
};

struct visit { /* of one loop, by mail */
    struct mail mail;
    const struct visitor *visitor; /* gone when the visit was abandoned */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    enum visit_state state;
    bool goes_on; /* what the visitor returned */
};

struct round {
    const struct visitor *visitor;
    bool goes_on;
    int err;
};

static atomic_bool is_under_way;

static struct visit *visit_new(const struct visitor *visitor)
{
    pthread_condattr_t attributes;
    struct visit *visit = alloc_zeroed(1, sizeof(*visit));
    if (visit == NULL)
        return NULL;
    visit->visitor = visitor;
    pthread_mutex_init(&visit->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&visit->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    return visit;
}

static void visit_free(struct visit *visit)
{
    pthread_cond_destroy(&visit->changed);
    pthread_mutex_destroy(&visit->lock);
    alloc_free(visit);
}

static void visit_by_mail(struct mail *mail, struct loop *loop)
{
    struct visit *visit = list_entry(mail, struct visit, mail);
    pthread_mutex_lock(&visit->lock);
    const bool is_abandoned = visit->state == VISIT_ABANDONED;
    if (!is_abandoned)
        visit->state = VISIT_BEGUN;
    pthread_mutex_unlock(&visit->lock);
    if (is_abandoned) {
        visit_free(visit);
        return;
    }
    bool goes_on = visit->visitor->visit(loop, visit->visitor->closure);
    pthread_mutex_lock(&visit->lock);
    visit->goes_on = goes_on;
    visit->state = VISIT_DONE;
    pthread_cond_signal(&visit->changed);
    pthread_mutex_unlock(&visit->lock); /* visit is gone after this */
}

/* Wait for the loop to begin, and then as long as it takes.  False: it did not begin. */
static bool await_visit(struct visit *visit)
{
    const uint64_t end_ns = clock_mono_ns() + visit->visitor->wait_ns;
    const struct timespec end = {.tv_sec = (time_t)(end_ns / CLOCK_NS_PER_S),
                                 .tv_nsec = (long)(end_ns % CLOCK_NS_PER_S)};
    int err = 0;
    pthread_mutex_lock(&visit->lock);
    while (visit->state == VISIT_POSTED && err != ETIMEDOUT)
        err = pthread_cond_timedwait(&visit->changed, &visit->lock, &end);
    if (visit->state == VISIT_POSTED)
        visit->state = VISIT_ABANDONED;
    while (visit->state == VISIT_BEGUN)
        pthread_cond_wait(&visit->changed, &visit->lock);
    const bool is_done = visit->state == VISIT_DONE;
    pthread_mutex_unlock(&visit->lock); /* if it was abandoned it may be gone after this */
    return is_done;
}

/* Visit another loop than the calling thread's; *goes_on: what the visitor said.  0 or -errno. */
static int visit_other(struct loop *loop, const struct visitor *visitor, bool *goes_on)
{
    struct visit *visit = visit_new(visitor);
    if (visit == NULL)
        return -ENOMEM;
    visit->mail.run = visit_by_mail;
    loop_post(loop, &visit->mail);
    if (await_visit(visit)) {
        *goes_on = visit->goes_on;
        visit_free(visit);
        return 0;
    }
    if (visitor->skip != NULL)
        visitor->skip(loop, visitor->closure);
    return -ETIMEDOUT;
}

static void visit_next(struct loop *loop, void *closure)
{
    struct round *round = closure;
    if (!round->goes_on)
        return;
    if (loop == loop_self) {
        round->goes_on = round->visitor->visit(loop, round->visitor->closure);
        return;
    }
    int err = visit_other(loop, round->visitor, &round->goes_on);
    if (err == -ENOMEM)
        round->goes_on = false;
    if (err != 0)
        round->err = err;
}

int visit_loop(struct loop *loop, const struct visitor *visitor)
{
    bool goes_on;
    assert(loop_self == NULL);
    return visit_other(loop, visitor, &goes_on);
}

int visit_loops(const struct visitor *visitor)
{
    struct round round = {.visitor = visitor, .goes_on = true};
    if (atomic_exchange(&is_under_way, true))
        return -EBUSY;
    pool_each_loop(visit_next, &round);
    atomic_store(&is_under_way, false);
    return round.err;
}
