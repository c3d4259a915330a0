/* SPDX-License-Identifier: MIT */
/*
 * gate_impl.h - a gate: jobs under way, and the coroutine that waits for them.
 */
#ifndef EVENTER_CORO_GATE_IMPL_H
#define EVENTER_CORO_GATE_IMPL_H

#include "coro/coro.h"
#include "coro/home_impl.h"

struct eventer_aco_gate {
    struct loop *loop;           /* all of it happens here */
    struct ring all;             /* of the loop's */
    struct coro *owner;          /* who made it; NULL: ended without waiting */
    struct coro *waiter;         /* NULL: nobody waits yet */
    uint32_t generation;         /* of the waiter's wait */
    uint32_t outstanding;        /* jobs under way */
    eventer_job_result_t result; /* the worst of those that are done, or were refused */
};

/* owner has ended: each of its gates is freed when its last job is done. */
void gates_orphan(struct coro_home *home, const struct coro *owner);

/* A job went in, or is done. */
void gate_enter(struct eventer_aco_gate *gate);
void gate_leave(struct eventer_aco_gate *gate, eventer_job_result_t result);

/* A job went as result says. */
void gate_note(struct eventer_aco_gate *gate, eventer_job_result_t result);

#endif
