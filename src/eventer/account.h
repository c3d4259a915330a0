/* SPDX-License-Identifier: MIT */
/*
 * account.h - how long callbacks, turns of coroutines and jobs run, by function; and whether one
 * runs at this moment.
 *
 * Layer: eventer (uses base, log, aco).  It is off until somebody asks: then a callback costs one
 * branch.  While it is on, a loop's own thread alone writes the loop's account, without a lock;
 * others may read it at any time, each number as it is at that moment.  Entries live as long as the
 * account, and what is said of an entry once it is linked, its function and kind, does not change.
 * Jobs have one account, under a lock.
 *
 * A span is the time from the begin of a callback, or of a coroutine's turn, to its end.  Spans
 * nest: one that a callback triggers lies within the callback's, which contains its time.  What a
 * coroutine calls is a part of its turn and no span, since it may wait there.
 */
#ifndef EVENTER_EVENTER_ACCOUNT_H
#define EVENTER_EVENTER_ACCOUNT_H

#include <eventer/eventer.h>

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define ACCOUNT_BUCKETS 64 /* of the table of functions */

struct loop;

struct account_entry {
    struct account_entry *next; /* in its bucket */
    const void *function;
    eventer_callback_kind_t kind;
    uint64_t count, total_ns, max_ns;
    uint64_t run_ns[EVENTER_CALLBACK_BUCKETS];
    uint64_t said_ns;     /* when a line was said of it; 0: never */
    uint64_t left_unsaid; /* spans that had no line since */
};

struct account {
    _Atomic(struct account_entry *) buckets[ACCOUNT_BUCKETS]; /* owned */
};

/* What runs in a loop, while accounts are kept.  Its thread writes, any thread reads. */
struct heart {
    _Atomic uint64_t busy_since_ns; /* of the innermost span, monotonic clock; 0: none */
    _Atomic(const void *) function; /* written before busy_since_ns */
};

struct account_span {  /* on the stack of whoever calls a function */
    struct loop *loop; /* NULL: nobody keeps account */
    const void *function;
    uint64_t begun_ns;
    eventer_callback_kind_t kind;
    uint64_t outer_ns; /* of the heart, before */
    const void *outer_function;
};

extern _Atomic bool account_is_on __attribute__((visibility("hidden")));

/* True if a span is to be begun. */
static inline bool account_is_kept(void)
{
    return __builtin_expect(atomic_load_explicit(&account_is_on, memory_order_relaxed), 0);
}

/* Begin and end a span of the calling loop; fd: what it is about, or -1. */
void account_begin(struct account_span *span, struct loop *loop, const void *function,
                   eventer_callback_kind_t kind);
void account_end(const struct account_span *span, int fd);

/* The same, where accounts are kept. */
static inline void account_enter(struct account_span *span, struct loop *loop, const void *function)
{
    span->loop = NULL;
    if (account_is_kept())
        account_begin(span, loop, function, EVENTER_CALLBACK_EVENT);
}

static inline void account_leave(const struct account_span *span, int fd)
{
    if (__builtin_expect(span->loop != NULL, 0))
        account_end(span, fd);
}

/* A job of the queue has run function for ns.  Any thread. */
void account_job(const void *function, const char *queue, uint64_t ns);

/* Begin as the properties say; before the first loop. */
void account_init(void);

/* Free the entries. */
void account_fini(struct account *account);

/* What is slow in a loop; UINT64_MAX: nothing is. */
uint64_t account_slow_ns(void);

/* Who is told of spans, and says where one spent its time. */
struct account_witness {
    void (*begun)(void); /* a span has, in the calling loop */
    /* Say on ls what is known of the loop's stack since since_ns; its thread. */
    void (*say_stack)(struct loop *loop, uint64_t since_ns, mtev_log_stream_t ls);
};

/* Set it, before eventer_init(); it is called only where something counts as slow. */
void account_set_witness(const struct account_witness *witness);

#endif
