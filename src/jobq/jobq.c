/* SPDX-License-Identifier: MIT */
#include "jobq/jobq.h"

#include "base/alloc.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

struct jobq {
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t work;  /* a job came, or a thread is to end */
    pthread_cond_t ended; /* the last thread is gone */
    struct queue pending;
    struct jobq_counts counts;
    size_t idle;
    size_t threads_max;
    bool is_closing;
    char name[JOBQ_NAME_LEN_MAX + 1];
};

static void run_one(struct jobq *q)
{
    struct jobq_job *job = list_entry(queue_take(&q->pending), struct jobq_job, node);
    q->counts.backlog--;
    q->counts.inflight++;
    pthread_mutex_unlock(&q->lock);
    job->run(job);
    pthread_mutex_lock(&q->lock);
    q->counts.inflight--;
    q->counts.total++;
}

static void *thread_main(void *arg)
{
    struct jobq *q = arg;
    char title[16];
    snprintf(title, sizeof(title), "q:%.13s", q->name);
    pthread_setname_np(pthread_self(), title);

    pthread_mutex_lock(&q->lock);
    while (q->counts.threads <= q->threads_max) {
        if (!queue_is_empty(&q->pending)) {
            run_one(q);
            continue;
        }
        if (q->is_closing)
            break;
        q->idle++;
        pthread_cond_wait(&q->work, &q->lock);
        q->idle--;
    }
    q->counts.threads--;
    if (q->counts.threads == 0)
        pthread_cond_signal(&q->ended);
    pthread_mutex_unlock(&q->lock);
    return NULL;
}

/* Add a thread; q->lock is held. */
static int add_thread(struct jobq *q)
{
    pthread_t thread;
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    int err = pthread_create(&thread, &attr, thread_main, q);
    pthread_attr_destroy(&attr);
    if (err == 0)
        q->counts.threads++;
    return -err;
}

int jobq_new(const char *name, size_t threads_max, struct jobq **out)
{
    if (name == NULL || strlen(name) > JOBQ_NAME_LEN_MAX || threads_max == 0 ||
        threads_max > JOBQ_THREADS_MAX)
        return -EINVAL;
    struct jobq *q = alloc_zeroed(1, sizeof(*q));
    if (q == NULL)
        return -ENOMEM;
    pthread_mutex_init(&q->lock, NULL);
    pthread_cond_init(&q->work, NULL);
    pthread_cond_init(&q->ended, NULL);
    q->threads_max = threads_max;
    snprintf(q->name, sizeof(q->name), "%s", name);

    pthread_mutex_lock(&q->lock);
    int err = add_thread(q);
    pthread_mutex_unlock(&q->lock);
    if (err != 0) {
        alloc_free(q);
        return err;
    }
    *out = q;
    return 0;
}

void jobq_free(struct jobq *q)
{
    if (q == NULL)
        return;
    pthread_mutex_lock(&q->lock);
    q->is_closing = true;
    pthread_cond_broadcast(&q->work);
    while (q->counts.threads > 0)
        pthread_cond_wait(&q->ended, &q->lock);
    pthread_mutex_unlock(&q->lock);
    assert(queue_is_empty(&q->pending));
    pthread_cond_destroy(&q->ended);
    pthread_cond_destroy(&q->work);
    pthread_mutex_destroy(&q->lock);
    alloc_free(q);
}

void jobq_submit(struct jobq *q, struct jobq_job *job)
{
    pthread_mutex_lock(&q->lock);
    queue_put(&q->pending, &job->node);
    q->counts.backlog++;
    bool wake = q->idle > 0;
    /*
     * A signalled thread stays counted as idle until it runs, so compare with all that is pending.
     */
    if (q->counts.backlog > q->idle && q->counts.threads < q->threads_max)
        (void)add_thread(q);
    pthread_mutex_unlock(&q->lock);
    if (wake)
        pthread_cond_signal(&q->work);
}

int jobq_set_threads_max(struct jobq *q, size_t threads_max)
{
    if (threads_max == 0 || threads_max > JOBQ_THREADS_MAX)
        return -EINVAL;
    pthread_mutex_lock(&q->lock);
    q->threads_max = threads_max;
    for (size_t more = q->counts.backlog; more > 0 && q->counts.threads < threads_max; more--)
        if (add_thread(q) != 0)
            break;
    pthread_cond_broadcast(&q->work); /* those above the limit go */
    pthread_mutex_unlock(&q->lock);
    return 0;
}

const char *jobq_name(const struct jobq *q)
{
    return q->name;
}

size_t jobq_threads_max(struct jobq *q)
{
    pthread_mutex_lock(&q->lock);
    size_t threads_max = q->threads_max;
    pthread_mutex_unlock(&q->lock);
    return threads_max;
}

struct jobq_counts jobq_counts(struct jobq *q)
{
    pthread_mutex_lock(&q->lock);
    struct jobq_counts counts = q->counts;
    pthread_mutex_unlock(&q->lock);
    return counts;
}
