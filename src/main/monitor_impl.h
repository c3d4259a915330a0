/* SPDX-License-Identifier: MIT */
/*
 * monitor_impl.h - what the parts of the monitor share.
 *
 *     monitor.c          a turn: messages, signals, time
 *     monitor_start.c    who there is, and how another one is started
 *     monitor_end.c      how one is told to end, and what follows from an end
 *     monitor_accuse.c   one that is stuck or has crashed, until it may end
 */
#ifndef EVENTER_MAIN_MONITOR_IMPL_H
#define EVENTER_MAIN_MONITOR_IMPL_H

#include "main/monitor.h"

#include "main/signals.h"
#include "main/ward.h"
#include "main/watch.h"

#include <mtev_log.h>

#include <signal.h>

#define MONITOR_GLIDER_DONE (-1) /* in place of its id */

struct monitor {
    int (*serve)(void);
    int signal_fd;
    sigset_t mask_before;
    struct ward wards[WARDS_MAX];
    struct sockets sockets; /* of whoever serves or served last */
    bool has_program;       /* a new one is started by executing it, since an upgrade was made */
    uint32_t starts;
    int stop_level;       /* 1: they drain; 2: they end */
    pid_t last;           /* who served when that began, and whose status counts; 0: it has not */
    uint64_t start_ns;    /* when to start another; 0: never */
    unsigned short_lives; /* in a row */
    uint64_t deaths[WATCH_RETRIES_MAX + 1]; /* when; a ring */
    size_t death_count;
    bool wants_reload;  /* a signal that waits until it can be obeyed */
    bool wants_upgrade; /* the same */
    int status;
};

extern struct monitor monitor_self __attribute__((visibility("hidden")));

/* ---- monitor_start.c ------------------------------------------------------------- */

/* Whoever has that role, or id, or should answer requests or will; NULL: nobody. */
struct ward *monitor_find_role(enum ward_role role);
struct ward *monitor_find_pid(pid_t pid);
struct ward *monitor_find_main(void);

/* Tell the service manager that the ward serves. */
void monitor_say_status(const struct ward *ward);

/* Start one that serves; if that fails, later.  And one that is to succeed whoever serves. */
void monitor_start_serving(void);
void monitor_upgrade(void);

/* ---- monitor_end.c --------------------------------------------------------------- */

void monitor_tell_stop(struct ward *ward, enum signals_stop what);

/* Have all end: 1 more politely than 2, and 1 twice is 2. */
void monitor_stop(int level);

/* See what has become of whom, and do what follows from it. */
void monitor_reap(void);

/* ---- monitor_accuse.c ------------------------------------------------------------ */

/* Accuse who is stuck. */
void monitor_look_at_pulses(uint64_t now_ns);

/* Its crash is told, or it is time: let the glider look into it. */
void monitor_look_into(struct ward *ward, bool has_told);

/* What a child that crashed had to say goes to the log, line by line and once. */
void monitor_say_last_words(struct ward *ward);

/* It has said where it is, or will never: let it end. */
void monitor_condemn(struct ward *ward);

void monitor_stop_glider(struct ward *ward);

#endif
