/* SPDX-License-Identifier: MIT */
/*
 * queues.c - job queues by name, as the public calls and the configuration set them up.
 */
#include "base/alloc.h"
#include "eventer/asynch.h"
#include "eventer/event.h"
#include "eventer/props.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

static_assert(EVENTER_JOBQ_BUCKETS == JOBQ_BUCKET_COUNT, "histograms are handed on as they are");

static struct eventer_jobq *queues; /* the oldest first */
static struct eventer_jobq *default_queue;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of both, and of their bounds */

/* ---- finding and making ---------------------------------------------------------- */

static struct eventer_jobq **find(const char *name)
{
    struct eventer_jobq **link = &queues;
    while (*link != NULL && strcmp(jobq_name((*link)->q), name) != 0)
        link = &(*link)->next;
    return link;
}

static struct jobq_limits limits_of(const struct props_jobq *settings)
{
    struct jobq_limits limits = JOBQ_LIMITS(settings->threads);
    limits.backlog_max = settings->backlog_max;
    limits.is_lifo = settings->is_lifo;
    return limits;
}

/* Find or make; the lock is held. */
static int find_or_make(const struct props_jobq *settings, struct eventer_jobq **out)
{
    struct eventer_jobq **link = find(settings->name), *queue = *link;
    if (queue == NULL) {
        queue = alloc_zeroed(1, sizeof(*queue));
        struct jobq_limits limits = limits_of(settings);
        int err = queue == NULL ? -ENOMEM : jobq_new(settings->name, &limits, &queue->q);
        if (err != 0) {
            alloc_free(queue);
            return err;
        }
        queue->min = (uint32_t)settings->min;
        queue->max = (uint32_t)settings->max;
        queue->safety = settings->safety;
        *link = queue;
    }
    if (queue->safety != settings->safety)
        return -EEXIST;
    *out = queue;
    return 0;
}

int asynch_init(void)
{
    const struct props *props = props_get();
    struct props_jobq standard = {.name = "default_queue",
                                  .threads = props->default_queue_threads,
                                  .safety = EVENTER_JOBQ_MS_GC,
                                  .is_lifo = props->jobqs_are_lifo};
    struct eventer_jobq *queue;
    pthread_mutex_lock(&lock);
    int err = find_or_make(&standard, &default_queue);
    for (size_t i = 0; err == 0 && i < props->jobq_count; i++) {
        struct props_jobq settings = props->jobqs[i];
        settings.is_lifo = settings.has_order ? settings.is_lifo : props->jobqs_are_lifo;
        err = find_or_make(&settings, &queue);
    }
    pthread_mutex_unlock(&lock);
    return err;
}

struct jobq *asynch_default_queue(void)
{
    return default_queue == NULL ? NULL : default_queue->q;
}

eventer_jobq_t *asynch_queue(eventer_jobq_t *q)
{
    return q == NULL ? default_queue : q;
}

eventer_jobq_t *eventer_default_jobq(void)
{
    return default_queue;
}

static int complain(const char *call, const char *name, int err)
{
    mtevL(eventer_err, "%s: %s: %s\n", call, name == NULL ? "(null)" : name, strerror(err));
    errno = err;
    return -1;
}

eventer_jobq_t *eventer_jobq_create_ms(const char *name, eventer_jobq_memory_safety_t safety)
{
    struct eventer_jobq *queue = NULL;
    struct props_jobq settings = {.threads = 1, .is_lifo = props_get()->jobqs_are_lifo};
    settings.safety = safety;
    int err = -EINVAL;
    if (name != NULL && strlen(name) <= JOBQ_NAME_LEN_MAX && safety >= EVENTER_JOBQ_MS_NONE &&
        safety <= EVENTER_JOBQ_MS_GC) {
        memcpy(settings.name, name, strlen(name) + 1);
        pthread_mutex_lock(&lock);
        err = find_or_make(&settings, &queue);
        pthread_mutex_unlock(&lock);
    }
    if (err != 0)
        (void)complain("eventer_jobq_create", name, -err);
    return queue;
}

eventer_jobq_t *eventer_jobq_create(const char *name)
{
    return eventer_jobq_create_ms(name, EVENTER_JOBQ_MS_GC);
}

eventer_jobq_t *eventer_jobq_retrieve(const char *name)
{
    if (name == NULL)
        return NULL;
    pthread_mutex_lock(&lock);
    struct eventer_jobq *queue = *find(name);
    pthread_mutex_unlock(&lock);
    return queue;
}

void eventer_jobq_process_each(void (*func)(eventer_jobq_t *q, void *closure), void *closure)
{
    pthread_mutex_lock(&lock);
    for (struct eventer_jobq *queue = queues, *next; queue != NULL; queue = next) {
        next = queue->next; /* func may end the queue */
        pthread_mutex_unlock(&lock);
        func(queue, closure);
        pthread_mutex_lock(&lock);
    }
    pthread_mutex_unlock(&lock);
}

/* ---- ending ---------------------------------------------------------------------- */

void eventer_jobq_drain_and_shutdown(eventer_jobq_t *q)
{
    int err = q == NULL ? -EINVAL : jobq_drain(q->q);
    if (err != 0)
        (void)complain("eventer_jobq_drain_and_shutdown", q == NULL ? NULL : jobq_name(q->q), -err);
}

void eventer_jobq_destroy(eventer_jobq_t *q)
{
    const char *name = q == NULL ? NULL : jobq_name(q->q);
    if (q == NULL || q == default_queue) {
        (void)complain("eventer_jobq_destroy", name, EINVAL);
        return;
    }
    if (!jobq_is_shut(q->q))
        mtevL(eventer_err, "eventer_jobq_destroy: %s: it was not shut down; its jobs end first\n",
              name);
    int err = jobq_drain(q->q);
    if (err != 0) {
        (void)complain("eventer_jobq_destroy", name, -err);
        return;
    }
    pthread_mutex_lock(&lock);
    *find(name) = q->next;
    pthread_mutex_unlock(&lock);
    jobq_free(q->q);
    alloc_free(q);
}

/* ---- settings -------------------------------------------------------------------- */

/* Bring the concurrency between the bounds and set limits; the lock is held. */
static int apply(eventer_jobq_t *q, struct jobq_limits *limits)
{
    if (limits->threads_max < q->min)
        limits->threads_max = q->min;
    if (q->max != 0 && limits->threads_max > q->max)
        limits->threads_max = q->max;
    return jobq_set_limits(q->q, limits);
}

void eventer_jobq_set_concurrency(eventer_jobq_t *q, uint32_t concurrency)
{
    if (q == NULL || concurrency == 0 || concurrency > JOBQ_THREADS_MAX) {
        mtevL(eventer_err, "eventer_jobq_set_concurrency: %s: %u is not between 1 and %d\n",
              q == NULL ? "(null)" : jobq_name(q->q), concurrency, JOBQ_THREADS_MAX);
        errno = EINVAL;
        return;
    }
    pthread_mutex_lock(&lock);
    struct jobq_limits limits = jobq_limits(q->q);
    limits.threads_max = concurrency;
    (void)apply(q, &limits);
    pthread_mutex_unlock(&lock);
}

uint32_t eventer_jobq_get_concurrency(eventer_jobq_t *q)
{
    return (uint32_t)jobq_limits(q->q).threads_max;
}

void eventer_jobq_set_min_max(eventer_jobq_t *q, uint32_t min, uint32_t max)
{
    if (q == NULL || min > JOBQ_THREADS_MAX || max > JOBQ_THREADS_MAX || (max != 0 && min > max)) {
        mtevL(eventer_err, "eventer_jobq_set_min_max: %s: %u to %u is no range within %d\n",
              q == NULL ? "(null)" : jobq_name(q->q), min, max, JOBQ_THREADS_MAX);
        errno = EINVAL;
        return;
    }
    pthread_mutex_lock(&lock);
    struct jobq_limits limits = jobq_limits(q->q);
    q->min = min;
    q->max = max;
    (void)apply(q, &limits);
    pthread_mutex_unlock(&lock);
}

void eventer_jobq_get_min_max(eventer_jobq_t *q, uint32_t *min, uint32_t *max)
{
    pthread_mutex_lock(&lock);
    if (min != NULL)
        *min = q->min;
    if (max != NULL)
        *max = q->max;
    pthread_mutex_unlock(&lock);
}

void eventer_jobq_set_floor(eventer_jobq_t *q, uint32_t floor)
{
    if (q == NULL || floor > JOBQ_THREADS_MAX) {
        mtevL(eventer_err, "eventer_jobq_set_floor: %s: %u is more than %d\n",
              q == NULL ? "(null)" : jobq_name(q->q), floor, JOBQ_THREADS_MAX);
        errno = EINVAL;
        return;
    }
    pthread_mutex_lock(&lock);
    struct jobq_limits limits = jobq_limits(q->q);
    limits.threads_kept = floor;
    if (q->min < floor)
        q->min = floor;
    if (q->max != 0 && q->max < floor)
        q->max = floor;
    (void)apply(q, &limits);
    pthread_mutex_unlock(&lock);
}

uint32_t eventer_jobq_get_floor(eventer_jobq_t *q)
{
    return (uint32_t)jobq_limits(q->q).threads_kept;
}

void eventer_jobq_set_max_backlog(eventer_jobq_t *q, uint32_t max)
{
    pthread_mutex_lock(&lock);
    struct jobq_limits limits = jobq_limits(q->q);
    limits.backlog_max = max;
    (void)apply(q, &limits);
    pthread_mutex_unlock(&lock);
}

void eventer_jobq_set_lifo(eventer_jobq_t *q, mtev_boolean is_lifo)
{
    pthread_mutex_lock(&lock);
    struct jobq_limits limits = jobq_limits(q->q);
    limits.is_lifo = is_lifo == mtev_true;
    (void)apply(q, &limits);
    pthread_mutex_unlock(&lock);
}

mtev_boolean eventer_jobq_get_lifo(eventer_jobq_t *q)
{
    return jobq_limits(q->q).is_lifo ? mtev_true : mtev_false;
}

void eventer_jobq_set_shortname(eventer_jobq_t *q, const char *name)
{
    jobq_set_thread_name(q->q, name == NULL ? jobq_name(q->q) : name);
}

eventer_jobq_memory_safety_t eventer_jobq_get_memory_safety(eventer_jobq_t *q)
{
    return q->safety;
}

const char *eventer_jobq_get_queue_name(eventer_jobq_t *q)
{
    return jobq_name(q->q);
}

/* ---- what it does ---------------------------------------------------------------- */

uint32_t eventer_jobq_get_backlog(eventer_jobq_t *q)
{
    return (uint32_t)jobq_backlog(q->q);
}

void eventer_jobq_ping(eventer_jobq_t *q)
{
    pthread_mutex_lock(&lock);
    struct jobq_limits limits = jobq_limits(q->q);
    (void)apply(q, &limits);
    pthread_mutex_unlock(&lock);
}

void eventer_jobq_post(eventer_jobq_t *q)
{
    eventer_jobq_ping(q);
}

void eventer_jobq_get_stats(eventer_jobq_t *q, eventer_jobq_stats_t *out)
{
    struct jobq_counts counts;
    jobq_counts(q->q, &counts);
    *out = (eventer_jobq_stats_t){.threads = counts.threads,
                                  .subqueues = counts.subqueues,
                                  .backlog = counts.backlog,
                                  .inflight = counts.inflight,
                                  .done = counts.total};
    memcpy(out->wait_ns, counts.wait_ns, sizeof(out->wait_ns));
    memcpy(out->run_ns, counts.run_ns, sizeof(out->run_ns));
    out->wait_ns_sum = counts.wait_ns_sum;
    out->run_ns_sum = counts.run_ns_sum;
    out->timeouts = atomic_load_explicit(&q->timeouts, memory_order_relaxed);
}
