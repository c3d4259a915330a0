/* SPDX-License-Identifier: MIT */
/*
 * output_impl.h - what is to be sent to an operator: any thread puts it there, one sends it.
 */
#ifndef EVENTER_CONSOLE_OUTPUT_IMPL_H
#define EVENTER_CONSOLE_OUTPUT_IMPL_H

#include "base/buf.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#define OUTPUT_BYTES_MAX  65536 /* that wait to be sent */
#define OUTPUT_PATIENCE_S 30    /* for a peer that takes nothing */

struct output {
    pthread_mutex_t lock; /* of all below but wake_fd */
    pthread_cond_t taken; /* there is room, or it is over */
    struct buf bytes;
    uint64_t dropped; /* bytes that found no room, and were not told of yet */
    bool is_over;     /* nobody sends any more */
    bool is_telnet;   /* a new line is two bytes, and the byte 255 is doubled */
    int wake_fd;      /* an eventfd: there is something, or it is over */
};

enum output_form {
    OUTPUT_TEXT = 0, /* a new line is as the peer wants it */
    OUTPUT_RAW,      /* as it is */
    OUTPUT_FOREIGN,  /* text of whoever: what a terminal might take for commands is a ? */
};

enum output_wait {   /* what to do where there is no room */
    OUTPUT_DROP = 0, /* leave out the rest, and say so later */
    OUTPUT_PART,     /* leave the rest to the caller */
    OUTPUT_WAIT,     /* block the thread */
};

/* Returns 0 or as eventfd(2). */
int output_begin(struct output *o);
void output_end(struct output *o);

/*
 * Put len bytes there.  Returns how many of them were taken, which
 * is all but for OUTPUT_PART; or -EPIPE: it is over, also since nobody took anything for
 * OUTPUT_PATIENCE_S; or -ENOMEM.  Any thread; with OUTPUT_WAIT none of a loop.
 */
int64_t output_put(struct output *o, const char *bytes, size_t len, enum output_form form,
                   enum output_wait wait);

/* Exchange what is there with into, which is empty. */
void output_take(struct output *o, struct buf *into);

/* From now on nothing is sent. */
void output_close(struct output *o);

/* Wake whoever sends. */
void output_wake(struct output *o);

#endif
