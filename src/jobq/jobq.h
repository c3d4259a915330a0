/* SPDX-License-Identifier: MIT */
/*
 * jobq.h - a bare pool of threads for work that blocks.
 *
 * Layer: jobq (uses base).  Knows no event: a job is a function pointer, and whoever submits it
 * hands over memory for it.  Jobs of a queue start in the order in which they were submitted.
 */
#ifndef EVENTER_JOBQ_JOBQ_H
#define EVENTER_JOBQ_JOBQ_H

#include "base/list.h"

#include <stddef.h>
#include <stdint.h>

#define JOBQ_THREADS_MAX  4096
#define JOBQ_NAME_LEN_MAX 63

struct jobq; /* opaque */

struct jobq_job { /* embed it in what the job is about */
    struct queue_node node;
    void (*run)(struct jobq_job *job); /* on a thread of the queue; may free the job */
};

struct jobq_counts {
    size_t threads;  /* running, idle ones included */
    size_t backlog;  /* submitted and not begun */
    size_t inflight; /* begun and not ended */
    uint64_t total;  /* ended so far */
};

/*
 * Make a queue with one thread, which more join up to threads_max (1 to JOBQ_THREADS_MAX) as jobs
 * find no idle one.  name (NUL-terminated, copied) becomes the threads' name, "q:NAME", cut to 15
 * bytes. Gives the queue in *out; the caller owns it.  Returns 0, -EINVAL, -ENOMEM or -EAGAIN (no
 * thread).
 */
int jobq_new(const char *name, size_t threads_max, struct jobq **out);

/* Run every job submitted so far, end the threads, free the queue.  Blocks.  NULL is a no-op. */
void jobq_free(struct jobq *q);

/*
 * Submit job (borrowed until run() is called).  Any thread; also from a job.  Never fails: where no
 * further thread can be had, the job waits for one of those there are.  Cost: one lock, and a
 * wake-up only when a thread is idle.
 */
void jobq_submit(struct jobq *q, struct jobq_job *job);

/* Let up to threads_max threads run.  Lowering it lets idle threads go.  Returns 0 or -EINVAL. */
int jobq_set_threads_max(struct jobq *q, size_t threads_max);

/* The name and limit that the queue has, and what it is doing. */
const char *jobq_name(const struct jobq *q);
size_t jobq_threads_max(struct jobq *q);
struct jobq_counts jobq_counts(struct jobq *q);

#endif
