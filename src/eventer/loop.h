/* SPDX-License-Identifier: MIT */
/*
 * loop.h - one thread that waits and runs: its clock, its timers, its mail.
 *
 * Layer: eventer (uses base).  What is not marked "any thread" belongs to the loop's own thread.
 */
#ifndef EVENTER_EVENTER_LOOP_H
#define EVENTER_EVENTER_LOOP_H

#include "base/clock.h"
#include "base/list.h"
#include "base/mailbox.h"
#include "eventer/account.h"
#include "eventer/poller.h"
#include "eventer/wheel.h"

#include <eventer/eventer.h>

#include <pthread.h>
#include <stdatomic.h>

#define LOOP_BATCH_MAX 256 /* ready fds taken from the kernel at once */

struct loop;

/* Something for another loop to do.  Embed it; run() may free it. */
struct mail {
    struct queue_node node;
    void (*run)(struct mail *mail, struct loop *loop);
};

struct loop {
    struct poller *poller;
    struct wheel wheel;
    uint64_t now_ns; /* monotonic clock as of this turn */
    struct timeval wall;
    bool has_wall;          /* wall was read in this turn */
    bool has_offset;        /* and this: */
    int64_t wall_offset_ns; /* the wall clock is so far ahead of the monotonic one */
    bool has_more;          /* coroutines are ready: the next wait does not sleep */
    struct ring recurrents;
    int wall_fd; /* owned; -1: none; see wall.c */
    bool has_said_wall;
    void *coro;     /* what the coroutine layer keeps for this loop */
    void *http;     /* what the HTTP layer keeps for it */
    void *tls;      /* and what the TLS layer does */
    void *client;   /* and the client layer */
    uint64_t turns; /* others read it atomically */
    struct heart heart;
    struct account account;
    const void *stack_top; /* of its thread, about; NULL: it does not run */

    struct mailbox mail;    /* any thread puts */
    _Atomic bool is_asleep; /* whoever takes it to false must wake the poller */
    _Atomic bool must_stop; /* any thread */
    bool is_in_room;        /* the memory of this struct is not from the heap */

    struct eventer_pool *pool;
    int index; /* among all loops */
    pthread_t thread;
    pid_t tid; /* of it, to the kernel; 0 before it runs */
    char name[32];
    struct poller_ready ready[LOOP_BATCH_MAX];
};

/* What a higher layer adds to every loop; called in the loop's thread. */
struct loop_hooks {
    int (*start)(struct loop *loop);  /* before the first turn; 0 or -errno */
    bool (*drain)(struct loop *loop); /* once a turn: run what is ready; true if more is ready */
    void (*stop)(struct loop *loop);  /* after the last turn */
};

/* Set the hooks; before eventer_init(). */
void loop_set_hooks(const struct loop_hooks *hooks);

/* The loop whose thread this is, or NULL. */
extern __thread struct loop *loop_self __attribute__((visibility("hidden")));

/* Make a loop (named, not running) for pool.  Returns 0 or -errno. */
int loop_new(const char *name, struct eventer_pool *pool, int index, struct loop **out);

/*
 * Have loops from now on made in memory (borrowed for good; zeroed; 64 KiB aligned; size bytes) as
 * long as there is room, so that another process can see their clocks; otherwise on the heap.
 * Before eventer_init().
 */
void loop_set_room(void *memory, size_t size);

/* Start its thread and wait until it runs.  Returns 0 or -errno. */
int loop_start(struct loop *loop);

/* Ask it to end after its present turn.  Any thread. */
void loop_stop(struct loop *loop);

/* Free a loop whose thread has ended or never ran. */
void loop_free(struct loop *loop);

/* Send mail (borrowed until it has run): run there in the order of arrival.  Any thread. */
void loop_post(struct loop *loop, struct mail *mail);

/*
 * Call fn(arg) in the loop's thread and wait until it has returned.  Any thread but that of another
 * loop, which would stand still meanwhile.  The loop runs.
 */
void loop_call(struct loop *loop, void (*fn)(void *arg), void *arg);

/* Wake the loop if it sleeps.  Any thread. */
void loop_wake(struct loop *loop);

/* Read the wall clock; see loop_wall(). */
void loop_read_wall(struct loop *loop);

/* The wall clock of this turn (borrowed until the turn ends). */
static inline struct timeval *loop_wall(struct loop *loop)
{
    if (!loop->has_wall)
        loop_read_wall(loop);
    return &loop->wall;
}

/* Read both clocks; see loop_wall_offset_ns(). */
void loop_compare_clocks(struct loop *loop);

/* Return by how much the wall clock is ahead of the monotonic one; nobody sets it in a turn. */
static inline int64_t loop_wall_offset_ns(struct loop *loop)
{
    if (!loop->has_offset)
        loop_compare_clocks(loop);
    return loop->wall_offset_ns;
}

/* A loop is idle until its poller says otherwise; the poller's batch goes here (dispatch.c). */
void loop_dispatch(struct loop *loop, int count);

#endif
