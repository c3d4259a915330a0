/* SPDX-License-Identifier: MIT */
/*
 * asynch.h - jobs as loops see them: out to a queue, back by mail, with deadlines and children.
 *
 * Layer: eventer (uses jobq).
 *
 *   submitted --a thread takes it--> WORK --> CLEANUP --no child is left--> mail --> COMPLETE
 *      |  `----its deadline has passed-----------^ |
 *      `--its deadline passes, and it may be cancelled: withdrawn by its loop, CLEANUP there
 *
 * Whoever takes the job from the queue, a thread or its loop, does CLEANUP; so it happens once.
 */
#ifndef EVENTER_EVENTER_ASYNCH_H
#define EVENTER_EVENTER_ASYNCH_H

#include "eventer/loop.h"
#include "jobq/jobq.h"

#include <eventer/eventer.h>

#define ASYNCH_NO_DEADLINE UINT64_MAX

/* In a mask: its deadline ends a job also after it was submitted; they all mean the same here. */
#define ASYNCH_CANCEL_BITS (EVENTER_CANCEL | EVENTER_EVIL_BRUTAL)

struct asynch_job { /* embed it in what the job is about */
    struct jobq_job job;
    struct mail mail, arm;
    struct wheel_node timer;
    struct loop *loop;  /* where it completes */
    eventer_jobq_t *on; /* the queue, until CLEANUP has ended */
    struct jobq *q;     /* shares it for the timer; NULL: no timer */
    /*
     * Does WORK or CLEANUP (on the queue, or the latter in the loop) or COMPLETE (in the loop; the
     * job may be gone afterwards).
     */
    void (*step)(struct asynch_job *job, eventer_asynch_op_t op);
    const void *function;      /* that WORK calls, for the account */
    struct asynch_job *parent; /* whose COMPLETE waits for ours; NULL: none */
    uint64_t subqueue;
    _Atomic uint64_t deadline_ns; /* wall clock */
    _Atomic uint32_t unfinished;  /* CLEANUP, arming the timer, children: 0 lets it complete */
    bool is_cancellable;          /* when its deadline passes */
    bool was_short;               /* it ran for less than a look-out (base/spin.h) lasts */
    bool was_told;                /* eventer_job_cancelled() said so */
    uint8_t result;               /* eventer_job_result_t, from CLEANUP on */
};

/*
 * Submit job, of which loop, step, function, parent, deadline_ns and is_cancellable are set, to q.
 * Borrowed until COMPLETE.  Returns 0 or, with is_try, -EAGAIN; or -ESHUTDOWN.
 */
int asynch_submit(struct asynch_job *job, eventer_jobq_t *q, uint64_t subqueue, bool is_try);

/* The deadline for *whence (NULL: none). */
uint64_t asynch_deadline(const struct timeval *whence);

/* Change the deadline of the asynchronous event e; false: it is one that cancels, and stays. */
bool asynch_update_whence(eventer_t e, struct timeval whence);

/* ---- queues.c -------------------------------------------------------------------- */

struct eventer_jobq {
    struct jobq *q; /* owned */
    struct eventer_jobq *next;
    uint32_t min, max; /* bounds of the concurrency; 0: none */
    eventer_jobq_memory_safety_t safety;
    _Atomic uint64_t timeouts; /* jobs without WORK, since their deadline had passed */
};

/* Make the default queue and those that the properties name.  Returns 0 or -errno. */
int asynch_init(void);

/* The default queue; NULL before asynch_init(). */
struct jobq *asynch_default_queue(void);

/* q, or for NULL the default queue, which is NULL before asynch_init(). */
eventer_jobq_t *asynch_queue(eventer_jobq_t *q);

#endif
