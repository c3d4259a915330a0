/* SPDX-License-Identifier: MIT */
/*
 * home_impl.h - what the coroutine layer keeps for each loop.
 */
#ifndef EVENTER_CORO_HOME_IMPL_H
#define EVENTER_CORO_HOME_IMPL_H

#include "coro/coro.h"

#define CORO_STACKS_DEFAULT   64   /* shared stacks a loop */
#define CORO_POOL_MAX         1024 /* ended coroutines kept for reuse */
#define CORO_PRIVATE_POOL_MAX 64   /* private stacks kept for reuse */
#define CORO_JOB_POOL_MAX     256

/*
 * A stack and who may stand on it.  While pins > 0 its bytes are lent to somebody outside the loop,
 * so its owner is not moved; others who are bound to it wait.
 */
struct coro_stack {
    aco_share_stack_t stack; /* first */
    unsigned pins;
    bool is_private; /* one coroutine at a time, and never evicted */
    bool is_listed;  /* on a free list */
    bool is_used;    /* private: a coroutine is bound to it */
    struct coro_stack *next_free;
    struct queue waiting; /* coroutines whose turn came while it was pinned */
};

/* What is known of a start function (or whatever stands for one). */
struct coro_site {
    const void *key;
    struct coro_site *next; /* in its bucket */
    bool has_lent;          /* it lends its locals: from now on it gets private stacks */
    bool has_run;           /* one of its coroutines has ended */
    bool is_on_trial;       /* the first one runs, on a private stack, until it is known */
};

#define CORO_SITE_BUCKETS 64

struct coro_stacks {
    struct coro_stack **shared; /* owned: count of them, room for capacity */
    size_t count, capacity;
    size_t wanted;                   /* K */
    size_t hand;                     /* the one that was taken longest ago, about */
    size_t size;                     /* bytes of each */
    struct coro_stack *free_shared;  /* without owner, newest first */
    struct coro_stack *free_private; /* cached */
    size_t free_private_count;
};

struct coro_home {
    struct loop *loop;
    aco_t *main;
    struct queue ready; /* for the next drain */
    struct queue batch; /* of this drain, in order */
    bool is_running;    /* somebody runs the batch */
    struct ring all;
    size_t count;
    struct coro *free; /* linked by ready.next */
    size_t free_count;
    struct coro_job *free_jobs;
    size_t free_job_count;
    struct coro_stacks stacks;
    struct coro_site *sites[CORO_SITE_BUCKETS];
};

/* ---- stacks.c -------------------------------------------------------------------- */

void stacks_init(struct coro_stacks *stacks, size_t wanted, size_t size);
void stacks_fini(struct coro_stacks *stacks);

/* Return a stack for a new coroutine: a private one if asked and to be had.  NULL: no memory. */
struct coro_stack *stacks_choose(struct coro_stacks *stacks, bool prefer_private);

/* A coroutine that was bound to stack has ended; its loans may go on. */
void stacks_release(struct coro_home *home, struct coro_stack *stack);

/* Lend, and end the loan of, a stretch of stack. */
void stacks_pin(struct coro_stack *stack);
void stacks_unpin(struct coro_home *home, struct coro_stack *stack);

static inline struct coro_stack *coro_stack_of(struct coro *co)
{
    return list_entry(co->co.share_stack, struct coro_stack, stack);
}

#endif
