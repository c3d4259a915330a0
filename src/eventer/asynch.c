/* SPDX-License-Identifier: MIT */
/*
 * asynch.c - asynchronous events: WORK and CLEANUP on a job queue, COMPLETE in the event's loop.
 *
 * The memory that carries a job there and back is made with the event, so nothing on the way can
 * fail.
 */
#include "eventer/asynch.h"

#include "base/alloc.h"
#include "eventer/event.h"
#include "eventer/loop.h"
#include "eventer/pool.h"
#include "eventer/props.h"

#include <errno.h>
#include <string.h>

struct eventer_jobq {
    struct jobq *q; /* owned */
    struct eventer_jobq *next;
};

static struct eventer_jobq *queues; /* added to, never removed from */
static struct eventer_jobq *default_queue;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* ---- queues ---------------------------------------------------------------------- */

static struct eventer_jobq *find(const char *name)
{
    struct eventer_jobq *queue = queues;
    while (queue != NULL && strcmp(jobq_name(queue->q), name) != 0)
        queue = queue->next;
    return queue;
}

/* Find or make; the lock is held. */
static int find_or_make(const char *name, size_t threads, struct eventer_jobq **out)
{
    struct eventer_jobq *queue = find(name);
    int err = 0;
    if (queue == NULL) {
        queue = alloc_zeroed(1, sizeof(*queue));
        err = queue == NULL ? -ENOMEM : jobq_new(name, threads, &queue->q);
        if (err != 0) {
            alloc_free(queue);
            return err;
        }
        queue->next = queues;
        queues = queue;
    }
    *out = queue;
    return 0;
}

int asynch_init(void)
{
    const struct props *props = props_get();
    struct eventer_jobq *queue;
    pthread_mutex_lock(&lock);
    int err = find_or_make("default_queue", props->default_queue_threads, &default_queue);
    for (size_t i = 0; err == 0 && i < props->jobq_count; i++)
        err = find_or_make(props->jobqs[i].name, props->jobqs[i].threads, &queue);
    pthread_mutex_unlock(&lock);
    return err;
}

struct jobq *asynch_default_queue(void)
{
    return default_queue == NULL ? NULL : default_queue->q;
}

struct jobq *asynch_queue(eventer_jobq_t *q)
{
    return q == NULL ? asynch_default_queue() : q->q;
}

eventer_jobq_t *eventer_default_jobq(void)
{
    return default_queue;
}

eventer_jobq_t *eventer_jobq_create(const char *name)
{
    struct eventer_jobq *queue = NULL;
    pthread_mutex_lock(&lock);
    int err = name == NULL ? -EINVAL : find_or_make(name, 1, &queue);
    pthread_mutex_unlock(&lock);
    if (err != 0) {
        mtevL(mtev_error, "eventer_jobq_create: %s: %s\n", name == NULL ? "(null)" : name,
              strerror(-err));
        errno = -err;
    }
    return queue;
}

eventer_jobq_t *eventer_jobq_retrieve(const char *name)
{
    pthread_mutex_lock(&lock);
    struct eventer_jobq *queue = find(name);
    pthread_mutex_unlock(&lock);
    return queue;
}

void eventer_jobq_set_concurrency(eventer_jobq_t *q, uint32_t concurrency)
{
    if (q == NULL || jobq_set_threads_max(q->q, concurrency) != 0) {
        mtevL(mtev_error, "eventer_jobq_set_concurrency: %s: %u is not between 1 and %d\n",
              q == NULL ? "(null)" : jobq_name(q->q), concurrency, JOBQ_THREADS_MAX);
        errno = EINVAL;
    }
}

uint32_t eventer_jobq_get_concurrency(eventer_jobq_t *q)
{
    return (uint32_t)jobq_threads_max(q->q);
}

const char *eventer_jobq_get_queue_name(eventer_jobq_t *q)
{
    return jobq_name(q->q);
}

uint32_t eventer_jobq_get_backlog(eventer_jobq_t *q)
{
    return (uint32_t)jobq_counts(q->q).backlog;
}

/* ---- events ---------------------------------------------------------------------- */

struct async_job {
    struct jobq_job job;
    struct mail mail;
    eventer_t e; /* borrowed: it owns this */
    bool is_submitted;
};

struct async_job *async_job_new(eventer_t e)
{
    struct async_job *async = alloc_zeroed(1, sizeof(*async));
    if (async != NULL)
        async->e = e;
    return async;
}

void async_job_free(struct async_job *async)
{
    alloc_free(async);
}

/* Back in the loop. */
static void complete(struct mail *mail, struct loop *loop)
{
    struct async_job *async = list_entry(mail, struct async_job, mail);
    eventer_t e = async->e;
    async->is_submitted = false;
    int wanted = event_run(loop, e, EVENTER_ASYNCH_COMPLETE);
    if (wanted == 0) {
        eventer_free(e);
        return;
    }
    if (event_become(e, wanted) == 0) /* a new life, as what it returned */
        eventer_add(e);
}

/* On a thread of the queue. */
static void work(struct jobq_job *job)
{
    struct async_job *async = list_entry(job, struct async_job, job);
    eventer_t e = async->e;
    struct timeval now = clock_timeval(clock_wall_ns());
    e->callback(e, EVENTER_ASYNCH_WORK, e->closure, &now);
    now = clock_timeval(clock_wall_ns());
    e->callback(e, EVENTER_ASYNCH_CLEANUP, e->closure, &now);
    loop_post(event_owner(e), &async->mail);
}

void eventer_add_asynch(eventer_jobq_t *q, eventer_t e)
{
    struct jobq *queue = asynch_queue(q);
    if (e->kind != EVENT_ASYNCH || e->callback == NULL || queue == NULL || e->job->is_submitted) {
        event_complain("eventer_add_asynch", e, EINVAL,
                       queue == NULL             ? "eventer_init() was not called"
                       : e->kind != EVENT_ASYNCH ? "it is no asynchronous event"
                       : e->callback == NULL     ? "it has no callback"
                                                 : "it is on a queue already");
        return;
    }
    if (event_owner(e) == NULL)
        event_set_owner(e, pool_first_loop());
    e->job->is_submitted = true;
    e->job->job.run = work;
    e->job->mail.run = complete;
    jobq_submit(queue, &e->job->job);
}
