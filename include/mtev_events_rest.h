/* SPDX-License-Identifier: MIT */
/*
 * mtev_events_rest.h - let operators ask what a program does at this moment.
 */
#ifndef MTEV_EVENTS_REST_H
#define MTEV_EVENTS_REST_H

#include <mtev_defines.h>

MTEV_BEGIN_DECLS

/*
 * Answer, in JSON and for whom the <acl> admits:
 *   GET /eventer/sockets.json     what is registered for descriptors
 *   GET /eventer/timers.json      timers that wait
 *   GET /eventer/coroutines.json  coroutines that live, and what they wait for
 *   GET /eventer/jobq.json        job queues
 *   GET /eventer/memory.json      events that there are
 *   GET /eventer/logs/NAME.json   what a log of the type memory has kept; last=N, since=INDEX
 * mtev_events_rest(3) says what is in each.  Answers are made by a thread of a job queue of their
 * own, "observe"; a loop interrupts its work for a few hundred things at a time.  A second call
 * does nothing.  Rules that cannot be made are one line each on mtev_error.
 */
API_EXPORT(void) mtev_events_rest_init(void);

MTEV_END_DECLS

#endif
