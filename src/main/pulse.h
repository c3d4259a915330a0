/* SPDX-License-Identifier: MIT */
/*
 * pulse.h - the table in which a monitor sees whether the threads of its child are alive.
 *
 * Layer: main.  The table lies in memory that both processes map; the child fills it in, the
 * monitor reads it and believes nothing of it: offsets are checked, texts are cut.  The layout is
 * the same in every version of the library that has this PULSE_VERSION.
 *
 * A loop costs nothing more for it: that it sleeps, and since when it does not, stands in struct
 * loop anyway, and the table says where in the mapping.  Asleep is healthy, for however long; so is
 * a thread that was seen to begin something new.
 */
#ifndef EVENTER_MAIN_PULSE_H
#define EVENTER_MAIN_PULSE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PULSE_VERSION   1
#define PULSE_COUNT_MAX 1024
#define PULSE_NAME_MAX  31
#define PULSE_WORDS_MAX (256 * 1024)               /* bytes of last words */
#define PULSE_SIZE      ((size_t)64 * 1024 * 1024) /* of the mapping; what nobody uses costs none */

struct pulse {
    _Atomic uint32_t is_on;
    _Atomic int32_t tid; /* of the thread, to the kernel; 0: not known */
    char name[PULSE_NAME_MAX + 1];
    _Atomic uint64_t limit_ns; /* how long it may be busy with one thing; 0: as the table says */
    _Atomic uint64_t
        since_at; /* offset of an uint64_t: it has been busy since; a beat changes it */
    _Atomic uint64_t asleep_at; /* offset of a byte: not 0, it is asleep.  0: it never is */
    _Atomic uint64_t beat_ns;   /* for those that have no such place themselves */
};

struct pulse_table {
    uint32_t version;
    _Atomic uint32_t count;
    _Atomic uint32_t is_off;   /* nothing is watched */
    uint32_t starts;           /* the child that this is for is the monitor's nth */
    _Atomic uint64_t limit_ns; /* 0: nothing is watched */
    struct pulse pulses[PULSE_COUNT_MAX];
    _Atomic uint32_t words_len; /* what a child that crashes has to say, for the log */
    char words[PULSE_WORDS_MAX];
};

/* Make a table; its memory's fd goes to *out.  The monitor.  Returns NULL with errno on failure. */
struct pulse_table *pulse_make(int *out);

/* Map the table of fd (owned still by the caller).  Returns NULL with errno on failure. */
struct pulse_table *pulse_map(int fd);
void pulse_unmap(struct pulse_table *table);

/* ---- the child ------------------------------------------------------------------- */

/* The table of this process; NULL: nobody watches it. */
struct pulse_table *pulse_own(void);

/* It is this one (taken).  Loops made from now on are seen in it. */
void pulse_attend(struct pulse_table *table);

/* Enter every loop.  Once they run. */
void pulse_enter_loops(void);

/* Enter something that beats by hand; NULL: PULSE_COUNT_MAX are there.  Any thread. */
struct pulse *pulse_enter(const char *name);

/* Forget what is entered for a loop, which is about to end. */
void pulse_leave_loops(void);

/* ---- the monitor ----------------------------------------------------------------- */

struct pulse_watch { /* what was seen of a table; zeroed: nothing yet */
    struct {
        uint64_t since, seen_ns; /* seen_ns: when since was first seen; 0: asleep */
    } seen[PULSE_COUNT_MAX];
};

/*
 * Look at the table at now_ns.  Returns the index of a pulse that has been busy with one thing for
 * its limit, while it was looked at; *busy_ns says how long.  -1: all are well.
 */
int pulse_look(const struct pulse_table *table, struct pulse_watch *watch, uint64_t now_ns,
               uint64_t *busy_ns);

#endif
