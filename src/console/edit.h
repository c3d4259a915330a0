/* SPDX-License-Identifier: MIT */
/*
 * edit.h - a line that is edited on a distant terminal, key by key.
 *
 * Layer: console.  Not thread safe.  Nothing waits; what the terminal is to show is appended to a
 * buf, and what there is no memory for is not shown.  The keys are those of emacs; the terminal is
 * one that knows ECMA-48, as all do that are in use.  A line wider than the terminal scrolls.
 */
#ifndef EVENTER_CONSOLE_EDIT_H
#define EVENTER_CONSOLE_EDIT_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>

#define EDIT_LINE_MAX 4095 /* bytes of a line */

enum edit_event { /* what is for the caller to do */
    EDIT_NOTHING = 0,
    EDIT_LINE,      /* the line is complete */
    EDIT_INTERRUPT, /* it was given up */
    EDIT_END,       /* there will be none */
    EDIT_COMPLETE,  /* the word before the cursor may be completed */
    EDIT_OLDER,     /* the line is to be one of before */
    EDIT_NEWER,
};

struct edit {
    size_t len, at;     /* bytes in line; the cursor stands before the byte at */
    unsigned escape;    /* how far into the sequence of a key: 0, ESC, ESC [, ESC [ digit */
    unsigned parameter; /* its digit */
    unsigned width;     /* of the terminal; 0: not known */
    const char *prompt; /* borrowed while the line is edited */
    char line[EDIT_LINE_MAX + 1]; /* NUL-terminated */
};

/* Begin an empty line behind prompt, which is shown. */
void edit_begin(struct edit *e, const char *prompt, struct buf *out);

/* Take a byte of a key. */
enum edit_event edit_take(struct edit *e, unsigned char byte, struct buf *out);

/* Put text (len bytes) in at the cursor; what does not fit is left out.  Show it. */
void edit_insert(struct edit *e, const char *text, size_t len, struct buf *out);

/* Make the line be text, cut where it is too long.  Show it. */
void edit_replace(struct edit *e, const char *text, struct buf *out);

/* Show prompt and line anew, where the cursor of the terminal stands in an empty line or at this
 * one. */
void edit_show(const struct edit *e, struct buf *out);

#endif
