/* SPDX-License-Identifier: MIT */
/*
 * asynch.h - job queues as events see them: by name, with completions that come back by mail.
 *
 * Layer: eventer (uses jobq).
 */
#ifndef EVENTER_EVENTER_ASYNCH_H
#define EVENTER_EVENTER_ASYNCH_H

#include "jobq/jobq.h"

#include <eventer/eventer.h>

/* Make the default queue and those that the properties name.  Returns 0 or -errno. */
int asynch_init(void);

/* The default queue; NULL before asynch_init(). */
struct jobq *asynch_default_queue(void);

/* The bare queue behind q (NULL: the default one). */
struct jobq *asynch_queue(eventer_jobq_t *q);

#endif
