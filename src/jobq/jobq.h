/* SPDX-License-Identifier: MIT */
/*
 * jobq.h - a bare pool of threads for work that blocks.
 *
 * Layer: jobq (uses base).  Knows no event: a job is a function pointer, and whoever submits it
 * hands over memory for it.  How threads come, wait and go is drawn at the top of jobq.c.
 */
#ifndef EVENTER_JOBQ_JOBQ_H
#define EVENTER_JOBQ_JOBQ_H

#include "base/list.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JOBQ_THREADS_MAX   4096
#define JOBQ_NAME_LEN_MAX  63
#define JOBQ_SUBQUEUES_MAX 65536 /* of one queue at once, beside the standard one */
#define JOBQ_IDLE_NS       (UINT64_C(5000000000)) /* after which a thread ends */
#define JOBQ_BUCKET_COUNT  48                     /* of a histogram */

struct jobq; /* opaque */
struct subqueue;

struct jobq_job { /* embed it in what the job is about */
    struct ring node;
    struct subqueue *subqueue;
    uint64_t submitted_ns, begun_ns;   /* monotonic clock */
    void (*run)(struct jobq_job *job); /* on a thread of the queue; may free the job */
};

struct jobq_limits {
    size_t threads_max;  /* 1 to JOBQ_THREADS_MAX: jobs that run at once */
    size_t threads_kept; /* that stay when they are idle; at least one does */
    size_t backlog_max;  /* for jobq_try_submit(); 0: none */
    uint64_t idle_ns;    /* after which an idle thread ends */
    bool is_lifo;        /* the job of a sub-queue that came last begins first */
};

#define JOBQ_LIMITS(threads)                                                                       \
    ((struct jobq_limits){.threads_max = (threads), .threads_kept = 1, .idle_ns = JOBQ_IDLE_NS})

/*
 * What a queue does and did.  Bucket 0 counts what took 0 ns, bucket i what took less than 2^i and
 * not less than 2^(i-1) nanoseconds, the last one all that took longer.
 */
struct jobq_counts {
    size_t threads;                      /* there are, idle ones included */
    size_t subqueues;                    /* with jobs, beside the standard one */
    size_t backlog;                      /* jobs submitted and not begun */
    size_t inflight;                     /* begun and not ended */
    uint64_t total;                      /* ended so far */
    uint64_t wakes;                      /* of a thread for a job */
    uint64_t wait_ns[JOBQ_BUCKET_COUNT]; /* from submission to begin */
    uint64_t run_ns[JOBQ_BUCKET_COUNT];  /* from begin to end */
    uint64_t wait_ns_sum, run_ns_sum;
};

/*
 * Make a queue with one thread, which more join as jobs find no idle one, within limits (copied).
 * name (NUL-terminated, copied) becomes the threads' name, "q:NAME", cut to 15 bytes; it blocks
 * signals, but for faults.  Gives the queue in *out; the caller owns it.  Returns 0, -EINVAL,
 * -ENOMEM or -EAGAIN (no thread).
 */
int jobq_new(const char *name, const struct jobq_limits *limits, struct jobq **out);

/*
 * Run every job submitted so far, end the threads, drop the caller's reference.  Blocks; not in a
 * job of it.  NULL is a no-op.
 */
void jobq_free(struct jobq *q);

/* Keep the memory of q, which has not ended yet, until jobq_unref(); for a late jobq_withdraw(). */
void jobq_ref(struct jobq *q);
void jobq_unref(struct jobq *q);

/*
 * Submit job (borrowed until run() is called) for the sub-queue of that id, 0 being the standard
 * one.  Jobs of a sub-queue begin in the order of submission (or in the reverse one, with is_lifo),
 * sub-queues have equal shares of the threads.  Any thread; also from a job.  Where no further
 * thread can be had, the job waits for one of those there are; where no further sub-queue can be,
 * it goes to the standard one.  Returns 0, or -ESHUTDOWN once jobq_drain() has begun, except from
 * jobs of the queue while it drains; try also -EAGAIN, if backlog_max jobs wait already. Cost: one
 * lock, and a system call if a thread must be woken; nothing is allocated for a job.
 */
int jobq_submit(struct jobq *q, struct jobq_job *job, uint64_t subqueue);
int jobq_try_submit(struct jobq *q, struct jobq_job *job, uint64_t subqueue);

/*
 * Take job off the queue if it has not begun.  Returns whether it was there; else it runs or has
 * ended.  The caller knows that the memory of both is.
 */
bool jobq_withdraw(struct jobq *q, struct jobq_job *job);

/*
 * Return when all jobs have ended, and refuse any further one.  Blocks.  0, or -EDEADLK in a job of
 * the queue.
 */
int jobq_drain(struct jobq *q);

/* True once jobq_drain() has begun. */
bool jobq_is_shut(struct jobq *q);

/*
 * Change the limits: pending jobs begin if they may now, threads above the limit go as they become
 * idle, jobs keep their places.  Returns 0 or -EINVAL.
 */
int jobq_set_limits(struct jobq *q, const struct jobq_limits *limits);
struct jobq_limits jobq_limits(struct jobq *q);

/* Have its threads be called "q:NAME" (NUL-terminated, copied, cut) from their next job on. */
void jobq_set_thread_name(struct jobq *q, const char *name);

/* The name that the queue has (borrowed while it lives), and what it is doing. */
const char *jobq_name(const struct jobq *q);
size_t jobq_backlog(struct jobq *q);
void jobq_counts(struct jobq *q, struct jobq_counts *out);

#endif
