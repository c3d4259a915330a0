/* SPDX-License-Identifier: MIT */
/*
 * event.h - what an event is inside, and what layers above the loop may do with one.
 *
 * Layer: eventer (uses base).  States of an event that is registered for an fd:
 *
 *   idle --eventer_add()----> level-triggered --callback returns 0, remove, close--> idle
 *     |                         `-- callback returns a mask: stays, its interest follows
 *     `----edge_register()--> edge-triggered --edge_unregister(), close--> idle
 *
 * and of one that is scheduled (a timer or a recurrent event; see schedule.c):
 *
 *   IDLE --add in its loop--> ARMED --removed in its loop--> IDLE
 *   ARMED --due--> FIRING --its callback has returned--> IDLE, or ARMED or POSTED for another time
 *     `--add elsewhere--> POSTED --mail arrives--> ARMED
 *   POSTED or ARMED --removed elsewhere--> CANCELLED --mail arrives--> IDLE
 */
#ifndef EVENTER_EVENTER_EVENT_H
#define EVENTER_EVENTER_EVENT_H

#include <eventer/eventer.h>

#include "base/list.h"
#include "eventer/poller.h"
#include "eventer/wheel.h"

#include <stdatomic.h>
#include <stdbool.h>

struct loop;
struct coro;

/* What an fd can do, or what stands between the caller and the fd.  closure is the event. */
struct eventer_fd_opset {
    const char *name;
    eventer_fd_accept_t accept;
    eventer_fd_read_t read;
    eventer_fd_write_t write;
    eventer_fd_close_t close;
    int (*finish)(int fd, void *closure); /* nothing more will be written: 0, or -1 with errno */
    bool buffers; /* it keeps bytes of its own, so that a short read does not mean there are none */
};

/* The system calls themselves; -1/EAGAIN sets *mask.  See wire.h. */
extern const struct eventer_fd_opset posix_opset __attribute__((visibility("hidden")));

/* Have events made from now on do their calls with opset (borrowed), not posix_opset. */
void event_set_opset(const struct eventer_fd_opset *opset);

/*
 * What goes with an event, its copies and nothing else: told when another copy shares it, and when
 * one is gone.  Embedded in what it keeps alive.
 */
struct event_guest {
    void (*take)(struct event_guest *guest);
    void (*drop)(struct event_guest *guest);
};

enum event_kind { /* from the mask */
    EVENT_NONE = 0,
    EVENT_FD,
    EVENT_TIMER,
    EVENT_RECURRENT,
    EVENT_ASYNCH,
};

enum schedule_state {
    SCHEDULE_IDLE = 0,
    SCHEDULE_POSTED,
    SCHEDULE_ARMED,
    SCHEDULE_FIRING,
    SCHEDULE_CANCELLED
};

struct async_job;

/* Edge-triggered use of an fd: readiness that is remembered, and who waits for it. */
struct event_edge {
    void (*on_ready)(eventer_t e, uint32_t poll_bits); /* NULL: not registered */
    void *context;            /* of whoever registered on_ready; borrowed */
    struct coro *reader;      /* borrowed while it waits, and until it has run again */
    struct coro *writer;      /* the same */
    bool may_read, may_write; /* false: the last try said EAGAIN, or was short on a stream */
    bool is_stream;           /* a short read means that there is no more */
    bool wants_out;           /* POLLOUT is installed */
    bool may_recv;            /* may_read of the fd itself, below a wire that buffers */
    bool crosses;             /* a read waits for POLLOUT, or a write for POLLIN: edge_ready() */
    uint16_t sticky;          /* POLLRDHUP, POLLHUP, POLLERR, POLLPRI as seen so far */
};

struct event_timeouts { /* nanoseconds; 0: none */
    uint64_t accept_ns, read_ns, write_ns;
};

struct _event { /* what a wait touches comes first, 64 bytes; then what a call or a callback does */
    _Atomic uint32_t refs;
    uint8_t kind;
    bool is_aco;       /* a coroutine converted it */
    bool is_monotonic; /* timer: due_ns decides, not whence */
    uint8_t running;   /* depth of its callback on its loop's stack */
    _Atomic uint8_t schedule;
    uint8_t context_count; /* of contexts */
    _Atomic bool is_file;  /* recv(2) and send(2) said that it is no socket */
    int fd;                /* -1: none, or closed */
    _Atomic(struct loop *) owner;
    union {
        struct event_edge edge;  /* EVENT_FD */
        struct wheel_node timer; /* EVENT_TIMER, EVENT_RECURRENT (its link) */
        struct async_job *job;   /* EVENT_ASYNCH: owned */
    };
    eventer_func_t callback;
    struct timeval whence;
    eventer_fd_opset_t wire;         /* what its calls do, below the coroutine's opset */
    struct event_timeouts *timeouts; /* owned; NULL: none */
    eventer_fd_opset_t opset;        /* what eventer_read() and the others call */
    void *closure;
    _Atomic int mask;          /* what it waits for, or its kind */
    void *wire_state;          /* of wire; borrowed */
    struct event_guest *guest; /* NULL: none */
    struct chain_node belongs; /* to the coroutine that converted it */
    void *contexts[];          /* see contexts.c */
};

/* Return the loop that e belongs to, or NULL before eventer_init(). */
static inline struct loop *event_owner(eventer_t e)
{
    return atomic_load_explicit(&e->owner, memory_order_relaxed);
}

/* Put a loop in the place of e's owner; the caller knows that e is not registered. */
static inline void event_set_owner(eventer_t e, struct loop *loop)
{
    atomic_store_explicit(&e->owner, loop, memory_order_relaxed);
}

/*
 * Give e, which is not registered, another mask, and with it perhaps another kind.  0 or -ENOMEM.
 */
int event_become(eventer_t e, int mask);

/* Call e's callback in its loop and return what it returned. */
int event_run(struct loop *loop, eventer_t e, int mask);

/* The event whose callback runs in this thread, outside coroutines; NULL: none. */
extern __thread eventer_t event_this __attribute__((visibility("hidden")));

/* ---- contexts (contexts.c) ------------------------------------------------------- */

/* How many there are. */
uint8_t contexts_count(void);

/* Call what is registered for each of e's contexts. */
void contexts_init(eventer_t e);
void contexts_deinit(eventer_t e);
void contexts_copy(eventer_t e, eventer_t src);
void contexts_prepare(eventer_t e, int mask, void *closure, struct timeval *now);
void contexts_clean_up(eventer_t e, int mask);

/* ---- level-triggered, classic (fd.c) --------------------------------------------- */

/* Add, remove (e or NULL) or update a registration; any thread. */
void fd_event_add(eventer_t e);
eventer_t fd_event_remove(eventer_t e);
void fd_event_update(eventer_t e, int mask);

/* Run e's callback with mask, registering e first if needed; its loop only. */
void fd_event_trigger(struct loop *loop, eventer_t e, int mask);

/* The poller said that fd is ready, for the registration of that generation. */
void fd_event_ready(struct loop *loop, int fd, uint32_t generation, uint32_t poll_bits);

/* ---- edge-triggered, for coroutines and connections (edge.c) --------------------- */

/*
 * Register e's fd with its loop, which calls on_ready with POLL* bits when readiness arrives, after
 * e->edge has taken note of it.  The calling loop's events only.  Returns 0 or -errno (-EEXIST: a
 * live registration has the fd; -EPERM: the kernel cannot poll it, and it is always ready).
 */
int edge_register(eventer_t e, void (*on_ready)(eventer_t e, uint32_t poll_bits));

#define EDGE_TRIGGERED (1u << 30) /* to on_ready, among the POLL* bits: by eventer_trigger() */

/* End the registration, if there is one; readiness counts as unknown again. */
void edge_unregister(eventer_t e);

/* Ask for POLLOUT too, from now on.  Returns 0 or -errno. */
int edge_want_out(eventer_t e);

/* The poller said that e is ready. */
void edge_ready(int fd, uint32_t generation, uint32_t poll_bits);

/*
 * Which POLL* bits of a registration its user waits for, or has not been told of (poller.h).  Its
 * loop only.
 */
uint32_t edge_awaited(int fd, uint32_t generation);

/* Note what a read or write of wanted bytes that returned rv says about readiness. */
static inline void edge_note_read(eventer_t e, ssize_t rv, size_t wanted)
{
    struct event_edge *edge = &e->edge;
    if (rv < 0 ? errno == EAGAIN
               : ((size_t)rv < wanted && rv > 0 && edge->is_stream && edge->sticky == 0))
        edge->may_read = false;
}

static inline void edge_note_write(eventer_t e, ssize_t rv)
{
    if (rv < 0 && errno == EAGAIN)
        e->edge.may_write = false;
}

/* ---- timers and recurrent events (schedule.c) ------------------------------------ */

void schedule_add(eventer_t e);
void schedule_add_timer(struct loop *loop, eventer_t e); /* a timer of the calling loop */
eventer_t schedule_remove(eventer_t e);
void schedule_run_recurrent(struct loop *loop);

/* The event whose timer node is; NULL: it is something else's. */
eventer_t schedule_event_of(struct wheel_node *node);

/* Put the loop's timers with an absolute time where they belong by the wall clock as it is now. */
void schedule_wall_was_set(struct loop *loop);

/* ---- asynchronous events (asynch.c) ---------------------------------------------- */

struct async_job *async_job_new(eventer_t e);
void async_job_free(struct async_job *job);

/* Its deadline, wall clock. */
uint64_t async_job_deadline_ns(const struct async_job *job);
void async_job_set_deadline(struct async_job *job, uint64_t deadline_ns);

/* ---- messages -------------------------------------------------------------------- */

/* Log that the public call failed for e, naming e's callback, and set errno to err. */
void event_complain(const char *call, eventer_t e, int err, const char *why);

#endif
