/* SPDX-License-Identifier: MIT */
/*
 * coro.h - a coroutine that an event loop runs: how it waits, and how it is woken.
 *
 * Layer: coro (uses aco, eventer).  Everything here belongs to one loop's thread.
 *
 *   NEW --start--> READY --drain--> RUNNING --coro_park()--> PARKED --coro_wake()--> READY
 *                    ^                 |  `-- returns, aco_exit() --> ENDED
 *                    `-- its stack is pinned or there is no memory to free it: stays READY
 *
 * In PARKED: reason says what for, generation names this wait, at most one waker of each kind (an
 * event's reader or writer slot, the timer, a job) knows it, and each of them has forgotten it when
 * the coroutine runs again.  A wake with another generation is dropped.
 */
#ifndef EVENTER_CORO_CORO_H
#define EVENTER_CORO_CORO_H

#include "aco/core.h"
#include "base/list.h"
#include "base/smr.h"
#include "eventer/loop.h"
#include "eventer/wheel.h"

#include <aco/aco.h>
#include <assert.h>
#include <eventer/eventer.h>

enum coro_state {
    CORO_NEW = 0,
    CORO_READY,
    CORO_RUNNING,
    CORO_PARKED,
    CORO_ENDED, /* also of memory that is free again */
};

enum coro_reason {
    CORO_WAITS_FOR_NOTHING = 0,
    CORO_WAITS_FOR_START,
    CORO_WAITS_FOR_TIME,
    CORO_WAITS_TO_READ,
    CORO_WAITS_TO_WRITE,
    CORO_WAITS_TO_ACCEPT,
    CORO_WAITS_FOR_JOB,
    CORO_WAITS_FOR_GATE,
    CORO_WAITS_FOR_TURN,
    CORO_WAITS_FOR_ANSWER,
};

struct coro_home;
struct coro_site;

/*
 * A coroutine is 144 bytes, and its saved frames: there may be millions.  Its state, its reason to
 * wait and the generation of its wait stand in what aco_t keeps for an event loop.
 */
struct coro {
    aco_t co; /* first */
    struct coro_site *site;
    struct wheel_node timer;
    struct chain_node *events; /* that it converted and did not free */
    union {
        int fd;                 /* parked to read, write or accept: on what */
        uint32_t turn;          /* its index in home's ready or batch */
        struct queue_node link; /* on another list of those whose turn has come */
    };
    uint32_t born;           /* in units of CORO_AGE_UNIT_NS, loop clock */
    int16_t result;          /* of the last wait: 0 or -errno */
    uint16_t own_gates : 13; /* gates that it made and did not wait on */
    uint16_t job_result : 3; /* of its last job: eventer_job_result_t */
};

#define CORO_AGE_UNIT_NS (UINT64_C(1) << 26)
#define CORO_GATES_MAX   8191 /* that one coroutine made and did not wait on */

/* The bytes it costs at rest, beside the frames, are part of what the library promises. */
#ifndef ACO_SANITIZED_
static_assert(sizeof(struct coro) == 144, "a coroutine grew");
#endif

/* Return the running coroutine of this loop, or NULL: none runs, or it is not a loop's. */
static inline struct coro *coro_self(void)
{
    aco_t *co = aco_gtls_co;
    return co != NULL && co->scheduled_ == ACO_LOOP_ ? list_entry(co, struct coro, co) : NULL;
}

static inline void coro_set_job_result(struct coro *co, eventer_job_result_t result)
{
    co->job_result = result & 7u;
}

/* What a coroutine is started with. */
struct coro_start {
    void (*func)(void);
    void *arg;
    /*
     * The function that it is called after, and that tells those that lend their locals from
     * others: whatever lends or does not on its own must have a key of its own.  NULL: func.
     */
    const void *key;
    const char *where;         /* "file:line", for ever; NULL: not known */
    void (*on_end)(void *arg); /* of all with this key; see below.  NULL: nobody asks */
    size_t private_size;       /* bytes of a stack of its own; 0: whatever stack is best */
};

/*
 * Start a coroutine in the calling loop, as eventer_aco_start() says.  on_end(arg) is called when
 * it has ended, however it did, in its loop and on the loop's own stack, maybe before this
 * returns.
 * Returns 0, or -ENOMEM; then nothing was started.
 */
int coro_start(const struct coro_start *start);

/* Put co, which is off every list, behind those that are ready. */
void coro_make_ready(struct coro *co);

/*
 * End the wait of co that generation names, with result.  Returns false, and does nothing, if that
 * wait is over already.  Cost: O(1).
 */
static inline bool coro_wake(struct coro *co, uint32_t generation, int result)
{
    if (co->co.generation_ != generation || co->co.state_ != CORO_PARKED)
        return false;
    co->co.generation_++;
    co->result = (int16_t)result;
    co->co.state_ = CORO_READY;
    coro_make_ready(co);
    return true;
}

/*
 * Give the thread away, as all that yields here does.  A section that self has open (base/smr.h)
 * stays open and its own; the others find none.
 */
void coro_yield_in_section(struct coro *self);
static inline __attribute__((always_inline)) void coro_yield(struct coro *self)
{
    if (aco_unlikely(smr_is_open()))
        coro_yield_in_section(self);
    else
        aco_yield1(&self->co);
}

/*
 * Park self, the running coroutine, until it is woken; returns the wake's result.  Whoever is to
 * wake it knows it already, with self->co.generation_.  Yields.
 */
static inline __attribute__((always_inline)) int coro_park(struct coro *self,
                                                           enum coro_reason reason)
{
    self->co.state_ = CORO_PARKED;
    self->co.reason_ = (unsigned char)reason;
    coro_yield(self);
    return self->result;
}

/*
 * Let all others have a turn, and go on; returns 0, or what somebody has put in self->result
 * meanwhile.  The other place that yields.  Yields.
 */
static inline __attribute__((always_inline)) int coro_pass(struct coro *self)
{
    self->result = 0;
    self->co.state_ = CORO_READY;
    self->co.reason_ = CORO_WAITS_FOR_TURN;
    coro_make_ready(self);
    coro_yield(self);
    return self->result;
}

/* True if somebody has called eventer_aco_draining(). */
bool coro_drain_is_known(void);

/* Have self's next wait end with -ETIMEDOUT at due_ns (loop clock).  Cancel it after the wait. */
void coro_arm_timer(struct coro *self, uint64_t due_ns);

/*
 * Turn e, which is not registered, into an event of this loop's coroutines; the reference stays the
 * caller's.  e's fd is non-blocking.
 */
void coro_convert(eventer_t e, bool is_stream);

/*
 * Wait until the fd of e, which this loop's coroutines use, may have become ready for what mask
 * says (EVENTER_READ or EVENTER_WRITE), as eventer_aco_read() and eventer_aco_write() do.  timeout
 * (NULL: none) runs from the first wait with *deadline_ns, which is 0 before it.  Returns 0, or
 * -errno as those; -EAGAIN outside a coroutine.  Yields.
 */
int coro_await(eventer_t e, int mask, const struct timeval *timeout, uint64_t *deadline_ns);

/* Wake those who wait for e according to POLL* bits; fits edge_register(). */
void coro_on_ready(eventer_t e, uint32_t poll_bits);

/* End the waits on e with ECANCELED; they will not touch e again. */
void coro_cancel_waits(eventer_t e);

#endif
