/* SPDX-License-Identifier: MIT */
/*
 * eventer_jobq.h - queues of threads for work that blocks.  See eventer_jobq(3).
 */
#ifndef EVENTER_EVENTER_JOBQ_H
#define EVENTER_EVENTER_JOBQ_H

#include <eventer/eventer.h>

MTEV_BEGIN_DECLS

/*
 * Return the queue called name (NUL-terminated, copied, at most 63 bytes), made with one thread if
 * there is none.  It lives as long as the process.  NULL with EINVAL, ENOMEM or EAGAIN.
 */
API_EXPORT(eventer_jobq_t *) eventer_jobq_create(const char *name);

/* Return the queue called name, or NULL. */
API_EXPORT(eventer_jobq_t *) eventer_jobq_retrieve(const char *name);

/* Return the queue that NULL stands for elsewhere; NULL before eventer_init(). */
API_EXPORT(eventer_jobq_t *) eventer_default_jobq(void);

/*
 * Let up to concurrency jobs of q (1 to 4096) run at once; anything else changes nothing, one line.
 */
API_EXPORT(void) eventer_jobq_set_concurrency(eventer_jobq_t *q, uint32_t concurrency);
API_EXPORT(uint32_t) eventer_jobq_get_concurrency(eventer_jobq_t *q);
API_EXPORT(const char *) eventer_jobq_get_queue_name(eventer_jobq_t *q);

/* Return how many jobs of q have not begun yet. */
API_EXPORT(uint32_t) eventer_jobq_get_backlog(eventer_jobq_t *q);

/* Submit the asynchronous event e (taken) to q (NULL: the default queue). */
API_EXPORT(void) eventer_add_asynch(eventer_jobq_t *q, eventer_t e);

MTEV_END_DECLS

#endif
