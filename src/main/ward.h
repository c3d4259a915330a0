/* SPDX-License-Identifier: MIT */
/*
 * ward.h - a child, as its monitor sees it.
 *
 * Layer: main.
 *
 *   STARTING --ready--> SERVING --a signal, or a successor is ready--> DRAINING
 *   SUCCEEDING --ready--> SERVING     (an upgrade; the one before goes on until then)
 *   any of them --crash, stall--> ACCUSED --it has said where, and the glider is done--> CONDEMNED
 *
 * Each of them leaves when the process has ended.
 */
#ifndef EVENTER_MAIN_WARD_H
#define EVENTER_MAIN_WARD_H

#include "main/child.h"
#include "main/pulse.h"

#define WARDS_MAX 8

enum ward_role {
    WARD_NONE = 0,
    WARD_STARTING,
    WARD_SERVING,
    WARD_SUCCEEDING, /* an upgrade that is not ready yet */
    WARD_DRAINING,
    WARD_ACCUSED,   /* it has crashed, or stalls, and is asked where */
    WARD_CONDEMNED, /* it is about to end */
};

struct sockets { /* owned */
    int fds[CHILD_SOCKETS_MAX];
    int count;
};

struct ward {
    enum ward_role role;
    enum ward_role accused_as; /* the role before it was accused */
    bool has_told;             /* accused: it has said where it is */
    bool is_stopped;           /* by a signal, until it is told to go on */
    bool is_loading;           /* told to load its configuration, and has not said that it has */
    pid_t pid;
    int channel, table_fd; /* owned; -1: none */
    struct pulse_table *table;
    struct pulse_watch watch;
    struct sockets sockets; /* that it has told of, and not yet said to be all */
    uint64_t started_ns;
    uint64_t deadline_ns; /* for what its role waits for; 0: none */
    uint64_t drain_ns;    /* how long it may drain */
    pid_t glider;         /* that looks into it; 0: none; -1: it is done */
};

/*
 * Fork a ward.  Returns 0 in the child, which shares table and channel with it; its id in the
 * monitor; or -errno.
 */
pid_t ward_fork(struct ward *ward, int *child_channel);

/* Forget a ward whose process has ended. */
void ward_end(struct ward *ward);

void sockets_close(struct sockets *sockets);

/* What has become of a process, from waitpid(2). */
const char *ward_fate(int status, char *buffer, size_t size);

/* Have the thread with that id, or if it is 0 any, say what it does. */
void ward_accuse(const struct ward *ward, int tid);

/*
 * Start the glider (see watch.h) for the ward, as the leader of a group.  Returns its id, or 0:
 * there is none.
 */
pid_t ward_start_glider(const struct ward *ward, const char *why);

/* What the ward is for, accused or not. */
enum ward_role ward_duty(const struct ward *ward);

#endif
