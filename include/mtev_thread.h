/* SPDX-License-Identifier: MIT */
/*
 * mtev_thread.h - threads of one's own.  No call yields.
 */
#ifndef MTEV_THREAD_H
#define MTEV_THREAD_H

#include <mtev_defines.h>

#include <pthread.h>

MTEV_BEGIN_DECLS

#define MTEV_THREAD_NAME_MAX 31 /* bytes of a name that are kept; the kernel shows 15 */

/* pthread_create(3) itself: a thread needs nothing more to use this library. */
API_EXPORT(int)
mtev_thread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *arg),
                   void *arg);

/* For older programs: nothing has to be made ready. */
API_EXPORT(void) mtev_thread_init(void);

/* Name the calling thread (copied, cut), for logs, debuggers and ps(1); setnamef: as printf(3). */
API_EXPORT(void) mtev_thread_setname(const char *name);
API_EXPORT(void)
mtev_thread_setnamef(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Return the calling thread's name (borrowed while it lives); "" if it has none. */
API_EXPORT(const char *) mtev_thread_getname(void);

/* Return the number by which the kernel knows the calling thread: gettid(2). */
API_EXPORT(uint32_t) mtev_thread_id(void);

/*
 * Keep the calling thread on that CPU, numbered from 0, and let it go where the process may again.
 * mtev_true; or mtev_false with EINVAL (no such CPU, or not for this process).  Source:
 * sched_setaffinity(2).
 */
API_EXPORT(mtev_boolean) mtev_thread_bind_to_cpu(int cpu);
API_EXPORT(mtev_boolean) mtev_thread_unbind_from_cpu(void);
API_EXPORT(mtev_boolean) mtev_thread_is_bound_to_cpu(void);

MTEV_END_DECLS

#endif
