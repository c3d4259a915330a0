/* SPDX-License-Identifier: MIT */
#include "jobq/fair_impl.h"

#include "base/alloc.h"

#include <assert.h>

static_assert(FAIR_LEVEL_COUNT == 64, "busy has a bit for each");
static_assert((FAIR_BUCKET_COUNT & (FAIR_BUCKET_COUNT - 1)) == 0, "a power of two");

/* ---- sub-queues by id ------------------------------------------------------------ */

static struct subqueue **bucket_of(struct fair *fair, uint64_t id)
{
    uint64_t hash = id * UINT64_C(0x9E3779B97F4A7C15); /* Knuth, multiplicative hashing */
    return &fair->buckets[hash >> 32 & (FAIR_BUCKET_COUNT - 1)];
}

static struct subqueue *make(struct fair *fair, uint64_t id)
{
    if (fair->count == JOBQ_SUBQUEUES_MAX)
        return NULL;
    struct subqueue *subqueue = fair->spares;
    if (subqueue != NULL) {
        fair->spares = subqueue->next;
        fair->spare_count--;
    } else {
        subqueue = alloc_zeroed(1, sizeof(*subqueue));
        if (subqueue == NULL)
            return NULL;
        ring_init(&subqueue->pending);
    }
    struct subqueue **bucket = bucket_of(fair, id);
    subqueue->id = id;
    subqueue->next = *bucket;
    *bucket = subqueue;
    fair->count++;
    return subqueue;
}

static struct subqueue *find_or_make(struct fair *fair, uint64_t id)
{
    if (id == 0)
        return &fair->standard;
    if (fair->buckets == NULL)
        fair->buckets = alloc_zeroed(FAIR_BUCKET_COUNT, sizeof(struct subqueue *));
    if (fair->buckets == NULL)
        return &fair->standard;
    struct subqueue *subqueue = *bucket_of(fair, id);
    while (subqueue != NULL && subqueue->id != id)
        subqueue = subqueue->next;
    if (subqueue == NULL)
        subqueue = make(fair, id);
    return subqueue != NULL ? subqueue : &fair->standard;
}

static void end_if_unused(struct fair *fair, struct subqueue *subqueue)
{
    if (subqueue->inflight > 0 || !ring_is_empty(&subqueue->pending) || subqueue == &fair->standard)
        return;
    struct subqueue **link = bucket_of(fair, subqueue->id);
    while (*link != subqueue)
        link = &(*link)->next;
    *link = subqueue->next;
    fair->count--;
    if (fair->spare_count == FAIR_SPARE_MAX) {
        alloc_free(subqueue);
        return;
    }
    subqueue->next = fair->spares;
    fair->spares = subqueue;
    fair->spare_count++;
}

/* ---- levels ---------------------------------------------------------------------- */

static unsigned level_of(const struct subqueue *subqueue)
{
    return subqueue->inflight < FAIR_LEVEL_COUNT ? (unsigned)subqueue->inflight
                                                 : FAIR_LEVEL_COUNT - 1;
}

static void enter_level(struct fair *fair, struct subqueue *subqueue)
{
    unsigned level = level_of(subqueue);
    ring_add_tail(&fair->levels[level], &subqueue->place);
    fair->busy |= UINT64_C(1) << level;
}

static void leave_level(struct fair *fair, struct subqueue *subqueue)
{
    unsigned level = level_of(subqueue);
    ring_remove(&subqueue->place);
    if (ring_is_empty(&fair->levels[level]))
        fair->busy &= ~(UINT64_C(1) << level);
}

void fair_init(struct fair *fair)
{
    *fair = (struct fair){.busy = 0};
    ring_init(&fair->standard.pending);
    for (int i = 0; i < FAIR_LEVEL_COUNT; i++)
        ring_init(&fair->levels[i]);
}

void fair_fini(struct fair *fair)
{
    assert(fair->busy == 0 && fair->count == 0);
    while (fair->spares != NULL) {
        struct subqueue *subqueue = fair->spares;
        fair->spares = subqueue->next;
        alloc_free(subqueue);
    }
    alloc_free(fair->buckets);
}

void fair_put(struct fair *fair, struct jobq_job *job, uint64_t id, bool is_first)
{
    struct subqueue *subqueue = find_or_make(fair, id);
    job->subqueue = subqueue;
    ring_add_tail(is_first ? subqueue->pending.next : &subqueue->pending, &job->node);
    if (!ring_is_linked(&subqueue->place))
        enter_level(fair, subqueue);
}

struct jobq_job *fair_take(struct fair *fair)
{
    if (fair->busy == 0)
        return NULL;
    int lowest = __builtin_ctzll(fair->busy);
    struct subqueue *subqueue = list_entry(fair->levels[lowest].next, struct subqueue, place);
    struct jobq_job *job = list_entry(subqueue->pending.next, struct jobq_job, node);
    ring_remove(&job->node);
    leave_level(fair, subqueue);
    subqueue->inflight++;
    if (!ring_is_empty(&subqueue->pending))
        enter_level(fair, subqueue);
    return job;
}

void fair_done(struct fair *fair, struct subqueue *subqueue)
{
    bool is_placed = ring_is_linked(&subqueue->place);
    assert(subqueue->inflight > 0);
    if (is_placed)
        leave_level(fair, subqueue);
    subqueue->inflight--;
    if (is_placed)
        enter_level(fair, subqueue);
    else
        end_if_unused(fair, subqueue);
}

void fair_remove(struct fair *fair, struct jobq_job *job)
{
    struct subqueue *subqueue = job->subqueue;
    ring_remove(&job->node);
    if (!ring_is_empty(&subqueue->pending))
        return;
    leave_level(fair, subqueue);
    end_if_unused(fair, subqueue);
}
