/* SPDX-License-Identifier: MIT */
/*
 * fair_impl.h - which pending job is the next: sub-queues take turns, so that none of them has many
 * more jobs under way than the others while these have something to do.
 *
 * Layer: jobq (uses base).  Not thread safe: the queue's lock guards it.  A sub-queue is an id; it
 * exists while jobs of it are pending or under way.  Those with pending jobs stand on a ring for
 * each number of jobs under way; the first one of the lowest ring is served, and goes to the end of
 * the next.  So the share of each is max-min fair in threads (Bertsekas & Gallager, Data Networks,
 * 1992, 6.5.2), and those that are equal take turns.  Cost: O(1), but for a chain of its bucket.
 */
#ifndef EVENTER_JOBQ_FAIR_IMPL_H
#define EVENTER_JOBQ_FAIR_IMPL_H

#include "jobq/jobq.h"

#define FAIR_LEVEL_COUNT                                                                           \
    64 /* rings; the last one is for all that have as many under way, or more */
#define FAIR_BUCKET_COUNT 4096
#define FAIR_SPARE_MAX    64 /* sub-queues kept for reuse */

struct subqueue {
    struct ring place;   /* on a level; on none without pending jobs */
    struct ring pending; /* jobs */
    struct subqueue *next;
    uint64_t id;
    size_t inflight;
};

struct fair {
    struct ring levels[FAIR_LEVEL_COUNT];
    uint64_t busy; /* a bit for each level that is not empty */
    struct subqueue standard;
    struct subqueue **buckets; /* owned; NULL until the first other sub-queue */
    size_t count;              /* of others */
    struct subqueue *spares;
    size_t spare_count;
};

void fair_init(struct fair *fair);
void fair_fini(struct fair *fair); /* with nothing pending or under way */

/*
 * Add job (borrowed until it is taken or removed) behind the others of sub-queue id, or before
 * them. Where another sub-queue cannot be had (no memory, or JOBQ_SUBQUEUES_MAX) it goes to the
 * standard one, 0.
 */
void fair_put(struct fair *fair, struct jobq_job *job, uint64_t id, bool is_first);

/* Take the next job, or NULL; job->subqueue is told when it has ended. */
struct jobq_job *fair_take(struct fair *fair);
void fair_done(struct fair *fair, struct subqueue *subqueue);

/* Take job, which is pending, off. */
void fair_remove(struct fair *fair, struct jobq_job *job);

#endif
