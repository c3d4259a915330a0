/* SPDX-License-Identifier: MIT */
/*
 * listener_impl.h - a listener and its sockets, for the files of this layer.
 *
 *   CLOSED --bind--> BOUND --accept--> OPEN --stop--> CLOSED
 *                      ^                | ^
 *                      `-- hand over ---' `-- PAUSED: no fds, no memory, or a rate that is used up
 *
 * Two locks: change is held by whoever starts, stops or changes the listener, from beginning to
 * end; lock by whoever accepts, for one connection or a burst, and by the others while they change
 * what accepting looks at.  change is taken before lock.  Nothing of the user's runs under either.
 */
#ifndef EVENTER_LISTENER_LISTENER_IMPL_H
#define EVENTER_LISTENER_LISTENER_IMPL_H

#include "eventer/event.h"
#include "eventer/loop.h"
#include "listener/limits.h"
#include "listener/listener.h"
#include "listener/settings.h"

#include <eventer_listen.h>

#include <pthread.h>

#define LISTEN_ACCEPT_BURST_MAX 64 /* connections taken before others have their turn */

struct listen_socket {
    struct event_guest guest; /* of e: the listener stays while the eventer has it */
    struct listener *listener;
    struct loop *loop;            /* which accepts, if no thread does */
    int fd;                       /* -1: closed */
    eventer_t e;                  /* shared with the eventer; NULL: no loop accepts */
    _Atomic uint32_t burst;       /* how many are taken at once */
    bool is_paused;               /* until the timer fires */
    bool is_timer_armed;          /* by the loop that it is in; it holds the listener */
    struct wheel_node timer;      /* in loop's wheel, or in that of the loop before */
    struct accept_thread *thread; /* NULL: none accepts */
    uint64_t last_complaint_ns;
    bool is_inherited; /* others may have it, who are to go on with it */
    dev_t device;      /* of a path, as it was made: another one there is not ours */
    ino_t inode;
    uid_t owner;
    gid_t group;
    mode_t mode;
};

struct listener {
    struct listener *next; /* by id */
    uint64_t id;
    _Atomic uint32_t refs;
    bool is_configured; /* by a stanza; else by a call */
    bool is_ended;      /* nobody has it as a handle */
    pthread_mutex_t change;
    pthread_mutex_t lock; /* recursive: the kernel's want of memory is told at once (fd.c) */
    struct listen_settings *settings; /* shared; NULL: ended */
    bool is_open;                     /* its sockets are bound */
    bool is_handed_over;              /* a successor has the sockets, too: the path is its */
    struct address address;           /* as bound; kept for the next start */
    char text[ADDRESS_TEXT_MAX];
    struct rate rate;
    struct peers peers;
    _Atomic uint32_t live; /* connections */
    _Atomic uint64_t accepted, refused_full, refused_address, refused_proxy, delayed, failed;
    uint32_t socket_count;
    struct listen_socket sockets[];
};

static inline void listener_count(_Atomic uint64_t *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

/* ---- listener.c ------------------------------------------------------------------ */

struct listener *listener_share(struct listener *l);
void listener_release(struct listener *l);

/*
 * Make a listener with settings (taken, also on failure), bind it, and put it behind all others.
 * It begins to accept with listener_start().  Returns 0 with the listener, which the list shares,
 * in *out, or -errno.
 */
int listener_open(struct listen_settings *settings, bool is_configured, struct listener **out);

/* Have it accept, if it is open, unless it does or it is too early.  0 or -errno. */
int listener_begin(struct listener *l);

/* Bind it, if it is closed, and accept, as soon as the loops let traffic in.  0 or -errno. */
int listener_start(struct listener *l);

/* Accept no more, and close its sockets; whoever waited there is served still. */
void listener_stop(struct listener *l);

/* Have other settings (taken), of the same address and the same number of sockets.  0 or -errno. */
int listener_change(struct listener *l, struct listen_settings *settings);

/* Stop it for good, and take it off the list, which shared it. */
void listener_end(struct listener *l);

/* Call fn with each one; it may start, stop and end them. */
void listener_each_of_all(void (*fn)(struct listener *l, void *closure), void *closure);

/* ---- socket.c -------------------------------------------------------------------- */

/*
 * Bind and listen, or take what was inherited, for all of its sockets.  The stale socket of a path
 * is removed first: one of ours that nobody answers at.  Returns 0 or -errno, with nothing open.
 */
int socket_open_all(struct listener *l);

/* Have what can change while they are open be as l's settings have it.  0 or -errno. */
int socket_refresh_all(struct listener *l);

/* Close them, which accept no more, and remove the path if it is theirs. */
void socket_close_all(struct listener *l);

/* ---- accept.c -------------------------------------------------------------------- */

/* Once for each socket of a new listener: events of an earlier start may still be looking at it. */
void accept_init(struct listen_socket *s);

/* Begin to accept on all of its sockets.  change is held.  0 or -errno, and then none accepts. */
int accept_begin(struct listener *l);

/* Accept no more: when this returns, nobody does.  change is held. */
void accept_end(struct listener *l);

/* Accept whoever waits already, so that closing turns nobody away.  change is held. */
void accept_rest(struct listener *l);

/* ---- refuse.c -------------------------------------------------------------------- */

#define REFUSALS_MAX                                                                               \
    1024 /* who have been told, and have not closed yet; others are not waited for */

/*
 * Close fd (taken), the connection of somebody who is too many; in loop, if he has to be told.  Any
 * thread.
 */
void refuse(const struct listen_settings *settings, struct loop *loop, int fd);

/* Wait for nobody who was refused any longer.  The loops run; not one of their threads. */
void refusals_end(void);

/* How long they may take; tests set less, or more. */
extern _Atomic uint64_t refuse_patience_ns __attribute__((visibility("hidden")));

/* How many have not closed yet. */
size_t refusals_count(void);

#endif
