/* SPDX-License-Identifier: MIT */
/*
 * eventer_jobq.h - queues of threads for work that blocks.  See eventer_jobq(3).
 */
#ifndef EVENTER_EVENTER_JOBQ_H
#define EVENTER_EVENTER_JOBQ_H

#include <eventer/eventer.h>

MTEV_BEGIN_DECLS

/* ---- queues ---------------------------------------------------------------------- */

/* What is done in a queue's threads for memory that is reclaimed when nobody reads it any more. */
typedef enum {
    EVENTER_JOBQ_MS_NONE = 0, /* nothing */
    EVENTER_JOBQ_MS_CS = 1,   /* each job is a section that reads such memory */
    EVENTER_JOBQ_MS_GC = 2    /* the threads reclaim it */
} eventer_jobq_memory_safety_t;

/*
 * Return the queue called name (NUL-terminated, copied, at most 63 bytes), made with one thread if
 * there is none.  It lives until eventer_jobq_destroy().  NULL with EINVAL, ENOMEM, EAGAIN (no
 * thread), or EEXIST: there is one of another safety.  create(): EVENTER_JOBQ_MS_GC.
 */
API_EXPORT(eventer_jobq_t *) eventer_jobq_create(const char *name);
API_EXPORT(eventer_jobq_t *)
eventer_jobq_create_ms(const char *name, eventer_jobq_memory_safety_t safety);

/* Return the queue called name, or NULL. */
API_EXPORT(eventer_jobq_t *) eventer_jobq_retrieve(const char *name);

/* Return the queue that NULL stands for elsewhere; NULL before eventer_init(). */
API_EXPORT(eventer_jobq_t *) eventer_default_jobq(void);

/* Call func in this thread for each queue, the oldest first; it may do what it likes, also end it.
 */
API_EXPORT(void)
eventer_jobq_process_each(void (*func)(eventer_jobq_t *q, void *closure), void *closure);

/*
 * Return when all jobs of q have ended.  From the call on, only they themselves may submit to q,
 * and nobody from its return on.  Blocks.  In a job of q: EDEADLK, one line, and nothing is done.
 */
API_EXPORT(void) eventer_jobq_drain_and_shutdown(eventer_jobq_t *q);

/*
 * End q, which was shut down (else one line, and it is first); it must not be used any more.  Its
 * jobs may yet complete.  Blocks.  The default queue, NULL, and a job of q: EINVAL or EDEADLK, one
 * line, and nothing is done.
 */
API_EXPORT(void) eventer_jobq_destroy(eventer_jobq_t *q);

/* ---- limits, at any time and from any thread -------------------------------------- */

/*
 * Let up to concurrency jobs of q (1 to 4096) run at once, within its bounds; anything else changes
 * nothing, one line.  Threads are made as jobs find none that is idle, and end after 5 s without a
 * job.
 */
API_EXPORT(void) eventer_jobq_set_concurrency(eventer_jobq_t *q, uint32_t concurrency);
API_EXPORT(uint32_t) eventer_jobq_get_concurrency(eventer_jobq_t *q);

/*
 * Bounds of the concurrency (0: none), to which it is brought now, and by later calls.  min > max
 * or more than 4096 changes nothing, one line.
 */
API_EXPORT(void) eventer_jobq_set_min_max(eventer_jobq_t *q, uint32_t min, uint32_t max);
API_EXPORT(void) eventer_jobq_get_min_max(eventer_jobq_t *q, uint32_t *min, uint32_t *max);

/* Have floor idle threads stay (at first 1; the last one always does); raises the bounds to it. */
API_EXPORT(void) eventer_jobq_set_floor(eventer_jobq_t *q, uint32_t floor);
API_EXPORT(uint32_t) eventer_jobq_get_floor(eventer_jobq_t *q);

/* Have the try_ calls be refused while max jobs (0: any number) have not begun. */
API_EXPORT(void) eventer_jobq_set_max_backlog(eventer_jobq_t *q, uint32_t max);

/* Have the job that was submitted last begin first, from the next submission on. */
API_EXPORT(void) eventer_jobq_set_lifo(eventer_jobq_t *q, mtev_boolean is_lifo);
API_EXPORT(mtev_boolean) eventer_jobq_get_lifo(eventer_jobq_t *q);

/* Call q's threads "q:NAME", of which 13 bytes are kept; NULL: after the queue again. */
API_EXPORT(void) eventer_jobq_set_shortname(eventer_jobq_t *q, const char *name);

API_EXPORT(const char *) eventer_jobq_get_queue_name(eventer_jobq_t *q);
API_EXPORT(eventer_jobq_memory_safety_t) eventer_jobq_get_memory_safety(eventer_jobq_t *q);

/* Have q look whether a thread is missing.  It always does so itself. */
API_EXPORT(void) eventer_jobq_ping(eventer_jobq_t *q);
API_EXPORT(void) eventer_jobq_post(eventer_jobq_t *q);

/* ---- what it does ---------------------------------------------------------------- */

/* Return how many jobs of q have not begun yet. */
API_EXPORT(uint32_t) eventer_jobq_get_backlog(eventer_jobq_t *q);

/*
 * Histograms: bucket 0 counts jobs with 0 ns, bucket i those with less than 2^i and not less than
 * 2^(i-1) ns, and the last one all that took longer.
 */
#define EVENTER_JOBQ_BUCKETS 48
typedef struct eventer_jobq_stats {
    uint64_t threads;                       /* that there are */
    uint64_t subqueues;                     /* that have jobs, beside sub-queue 0 */
    uint64_t backlog;                       /* jobs that have not begun */
    uint64_t inflight;                      /* jobs that run */
    uint64_t done;                          /* jobs that have ended */
    uint64_t wait_ns[EVENTER_JOBQ_BUCKETS]; /* of those that have ended: from submission to begin */
    uint64_t run_ns[EVENTER_JOBQ_BUCKETS];  /* and from begin to end */
    uint64_t wait_ns_sum, run_ns_sum;       /* all of both together */
    uint64_t timeouts;                      /* jobs without WORK, since their deadline had passed */
} eventer_jobq_stats_t;

API_EXPORT(void) eventer_jobq_get_stats(eventer_jobq_t *q, eventer_jobq_stats_t *out);

/* ---- jobs ------------------------------------------------------------------------ */

/*
 * Submit the asynchronous event e (taken) to q (NULL: the default queue).  In a job it goes to that
 * job's sub-queue, elsewhere to sub-queue 0; or to the one whose id is given.  Sub-queues exist
 * while they have jobs, and have equal shares of the threads.
 *   _dep: e becomes a child of the job that runs here, whose COMPLETE waits for e's.
 *   try_: returns mtev_false, with errno EAGAIN or ESHUTDOWN and without a line, if as many jobs
 *     wait as set_max_backlog() allows, or if q was shut down.
 * What is refused is still the caller's.  Any thread.
 */
API_EXPORT(void) eventer_add_asynch(eventer_jobq_t *q, eventer_t e);
API_EXPORT(void) eventer_add_asynch_subqueue(eventer_jobq_t *q, eventer_t e, uint64_t id);
API_EXPORT(void) eventer_add_asynch_dep(eventer_jobq_t *q, eventer_t e);
API_EXPORT(void) eventer_add_asynch_dep_subqueue(eventer_jobq_t *q, eventer_t e, uint64_t id);
API_EXPORT(mtev_boolean) eventer_try_add_asynch(eventer_jobq_t *q, eventer_t e);
API_EXPORT(mtev_boolean)
eventer_try_add_asynch_subqueue(eventer_jobq_t *q, eventer_t e, uint64_t id);
API_EXPORT(mtev_boolean) eventer_try_add_asynch_dep(eventer_jobq_t *q, eventer_t e);
API_EXPORT(mtev_boolean)
eventer_try_add_asynch_dep_subqueue(eventer_jobq_t *q, eventer_t e, uint64_t id);

/*
 * In WORK: true once the deadline of the job that runs here has passed, if it may be cancelled (an
 * event with EVENTER_CANCEL, _CANCEL_DEFERRED, _CANCEL_ASYNCH or _EVIL_BRUTAL in its mask, or the
 * call of a coroutine with a deadline).  It is up to WORK to return early.  Else false.  Cost: a
 * reading of the clock.
 */
API_EXPORT(mtev_boolean) eventer_job_cancelled(void);

MTEV_END_DECLS

#endif
