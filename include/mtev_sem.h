/* SPDX-License-Identifier: MIT */
/*
 * mtev_sem.h - semaphores of POSIX by the names that libmtev's programs use.
 *
 * Results, errors and who may call are those of sem_init(3) and its kin.  mtev_sem_wait() blocks
 * the thread: not for loops and coroutines.
 */
#ifndef MTEV_SEM_H
#define MTEV_SEM_H

#include <mtev_defines.h>

#include <semaphore.h>

MTEV_BEGIN_DECLS

typedef sem_t mtev_sem_t;

#define mtev_sem_init(sem, pshared, value) sem_init((sem), (pshared), (value))
#define mtev_sem_destroy(sem)              sem_destroy(sem)
#define mtev_sem_wait(sem)                 sem_wait(sem)
#define mtev_sem_trywait(sem)              sem_trywait(sem)
#define mtev_sem_post(sem)                 sem_post(sem)
#define mtev_sem_getvalue(sem, out)        sem_getvalue((sem), (out))

/* Wait, also if a signal comes in between. */
static inline void mtev_sem_wait_noeintr(mtev_sem_t *sem)
{
    while (sem_wait(sem) != 0 && errno == EINTR)
        ;
}

MTEV_END_DECLS

#endif
