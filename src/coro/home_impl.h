/* SPDX-License-Identifier: MIT */
/*
 * home_impl.h - what the coroutine layer keeps for each loop.
 */
#ifndef EVENTER_CORO_HOME_IMPL_H
#define EVENTER_CORO_HOME_IMPL_H

#include "coro/coro.h"

#define CORO_STACKS_DEFAULT   256 /* shared stacks a loop; measured (bench/README.md) */
#define CORO_PRIVATE_POOL_MAX 64  /* private stacks kept for reuse */
#define CORO_JOB_POOL_MAX     256
#define CORO_LIST_MIN         64                             /* entries in a list at first */
#define CORO_TRIM_NS          (UINT64_C(1) * CLOCK_NS_PER_S) /* between looks at unused pages */
#define CORO_TRIM_KEPT        ((size_t)64 * 1024) /* bytes of a stack that are not given back */
#define CORO_BLOCKED_NS_MAX   (UINT64_C(10) * 1000 * 1000)   /* a longer loan is logged */
#define CORO_BLOCKED_LOG_NS   (UINT64_C(1) * CLOCK_NS_PER_S) /* at most one such line in */

/*
 * A stack and who may stand on it.  While pins > 0 its bytes are lent to somebody outside the loop,
 * so its owner is not moved; others who are bound to it wait.
 */
struct coro_stack {
    aco_share_stack_t stack; /* first */
    struct coro_home *home;
    unsigned pins;
    bool is_private; /* one coroutine at a time, and never evicted */
    bool is_listed;  /* on a free list */
    bool is_used;    /* private: a coroutine is bound to it */
    struct coro_stack *next_free;
    struct queue waiting; /* coroutines whose turn came while it was pinned */
    unsigned waiting_count;
    uint64_t waiting_since_ns; /* of the first of them, loop clock */
};

/* What is known of a function (or whatever stands for one) that is started as a coroutine. */
struct coro_site {
    const void *key;
    const char *where;      /* "file:line" of the start, or NULL */
    void (*on_end)(void *); /* NULL: nobody asks */
    struct coro_site *next; /* in its bucket */
    uint64_t started;       /* coroutines */
    uint32_t live_max;      /* the most bytes an ended one had on its stack at a wait */
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

/* Coroutines whose turn has come, in order.  There is always room for all that live. */
struct coro_list {
    struct coro **items; /* owned; NULL where one was run before its turn */
    size_t count;
};

struct coro_home {
    struct loop *loop;
    aco_t *main;
    struct coro_list ready; /* for the next drain */
    struct coro_list batch; /* of this drain */
    size_t next;            /* of batch */
    size_t list_capacity;   /* of both lists; at least count */
    struct queue urgent;    /* before what is left of batch */
    bool is_running;        /* somebody runs the batch */
    bool is_observed;       /* an account of it is kept, or each resume is logged */
    unsigned operations;    /* of the one that runs, since it last went on; see io.c */
    size_t count;           /* coroutines */
    struct slabs slabs;     /* of struct coro and nothing else */
    struct ring gates;
    struct coro_job *free_jobs;
    size_t free_job_count;
    uint64_t job_sent_ns; /* of the last one that somebody waits for; 0: it was looked out for */
    bool jobs_are_short;  /* the last one that ended was */
    struct coro_stacks stacks;
    struct wheel_node trim; /* armed for CORO_TRIM_NS after something ran */
    struct coro_site *sites[CORO_SITE_BUCKETS];
    uint64_t blocked_logged_ns;
    struct watched *watched;        /* owned; NULL: nobody looks what takes long; see watcher.c */
    void *signal_stack;             /* owned: where the thread handles signals; see overflow.c */
    struct eventer_aco_stats stats; /* written by the loop; others read each field atomically */
};

/* Write a field of a loop's statistics, which other threads read. */
static inline void stat_set(uint64_t *stat, uint64_t value)
{
    __atomic_store_n(stat, value, __ATOMIC_RELAXED); /* it orders nothing */
}

/* What site's coroutines are called (borrowed until the thread's next such call). */
const char *coro_site_name(const struct coro_site *site);

/* asynch.c: free the jobs that are kept for reuse. */
void jobs_free(struct coro_home *home);

/*
 * Nobody is ready.  If a job was just submitted, look out for its end for a moment: a sleep and a
 * wake cost more.
 */
void jobs_look_out(struct coro_home *home);

/* The calling loop's, or NULL. */
static inline struct coro_home *home_self(void)
{
    return loop_self == NULL ? NULL : loop_self->coro;
}

/* ---- stacks.c -------------------------------------------------------------------- */

void stacks_init(struct coro_stacks *stacks, size_t wanted, size_t size);
void stacks_fini(struct coro_stacks *stacks);

/* True if a piece of a stack is still lent to a job. */
bool stacks_are_lent(const struct coro_stacks *stacks);

/*
 * Return a stack for a new coroutine: a private one of private_size bytes, if that is not 0.  NULL:
 * no memory.
 */
struct coro_stack *stacks_choose(struct coro_home *home, size_t private_size);

/* A coroutine that was bound to stack has ended; its loans may go on. */
void stacks_release(struct coro_stack *stack);

/* Lend, and end the loan of, a stretch of stack. */
void stacks_pin(struct coro_stack *stack);
void stacks_unpin(struct coro_stack *stack);

/* co's turn came while its stack was pinned: it has another when that is over. */
void stacks_await(struct coro_stack *stack, struct coro *co);

/*
 * In a build for debugging, whoever touches the frames of a coroutine that waits is to fault there
 * and then.  Each coroutine has a stack of its own in it.
 */
#ifdef ACO_DEBUG_STACKS
void stacks_protect(struct coro_stack *stack);
void stacks_unprotect(struct coro_stack *stack);
#else
#define stacks_protect(stack)   ((void)0)
#define stacks_unprotect(stack) ((void)0)
#endif

/* Give pages back that lie deep in stacks and are not in use. */
void stacks_trim(struct coro_stacks *stacks);

static inline struct coro_stack *coro_stack_of(struct coro *co)
{
    return list_entry(co->co.share_stack, struct coro_stack, stack);
}

static inline struct coro_home *coro_home_of(struct coro *co)
{
    return coro_stack_of(co)->home;
}

/* Bytes that co, which does not run, has on its stack. */
static inline size_t coro_live_bytes(const struct coro *co)
{
    return co->co.sp == NULL ? 0 : (size_t)(co->co.share_stack->top - (char *)co->co.sp);
}

#endif
