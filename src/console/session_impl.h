/* SPDX-License-Identifier: MIT */
/*
 * session_impl.h - an operator's connection, for this layer alone.
 *
 * Two coroutines of one loop serve it.  The reader takes what comes, and runs each line in a job,
 * for which it waits.  The writer sends what is in the output, where every thread may put
 * something, and sleeps on an eventfd while there is nothing.
 *
 *   reader: READS --line--> a job runs it --> READS --exit, end, error--> tells the writer, ends
 *   writer: SENDS --nothing there--> SLEEPS --eventfd--> SENDS --told, and all is sent--> ends
 *                `--the peer is gone or too slow--> closes the connection, so the reader ends
 *
 * The writer, which is the connection's own coroutine, is always the last one and ends the session.
 * What is not marked belongs to the reader and, while a line is run, to the job instead.
 */
#ifndef EVENTER_CONSOLE_SESSION_IMPL_H
#define EVENTER_CONSOLE_SESSION_IMPL_H

#include "console/edit.h"
#include "console/output_impl.h"
#include "console/telnet.h"

#include <mtev_console.h>
#include <mtev_hash.h>

#include <eventer/eventer.h>

struct past;

struct _console_state_stack { /* the newest first */
    mtev_console_state_stack_t *last;
    mtev_console_state_t *state; /* borrowed for good */
};

struct __mtev_console_closure {
    eventer_aco_t e;                   /* the writer's; the reader only reads */
    struct output output;              /* any thread's */
    struct buf sending;                /* the writer's: taken from the output */
    bool is_reader_done;               /* of both, in the loop */
    bool has_taken_leave, has_hung_up; /* the writer's */
    bool is_telnet;
    bool is_guarded;  /* the first line over TCP: it may be a browser's */
    bool is_applying; /* in apply */
    bool must_end;    /* after this line */
    bool is_too_long; /* the line: all of it is dropped */
    mtev_console_state_stack_t *stack;
    unsigned depth; /* of the stack */
    mtev_hash_table userdata;
    struct past *past;     /* NULL: there was no memory */
    const char *past_file; /* borrowed from the listener; NULL: none */
    int slot;              /* no other session has that number */
    mtev_log_stream_t log; /* what is said there is shown here; NULL: none */
    struct telnet telnet;
    struct buf shown;   /* for the terminal, new lines to be made telnet's */
    struct buf answers; /* for the telnet at the other end */
    struct edit edit;   /* the line, also without an editor */
    char input[512];
};

/* ---- session.c ------------------------------------------------------------------- */

/* As nc_write(), with text that others have written. */
int session_write_foreign(struct __mtev_console_closure *s, const char *text, size_t len);

/* ---- state.c --------------------------------------------------------------------- */

/* The prompt of the state that s is in (borrowed until the next line). */
const char *state_prompt(struct __mtev_console_closure *s);

/* Enter the first state: 0 or -ENOMEM; and leave all. */
int state_begin(struct __mtev_console_closure *s);
void state_end(struct __mtev_console_closure *s);

/* Take line apart into words and run them.  In a job. */
void state_run(struct __mtev_console_closure *s, const char *line);

/* ---- commands_log.c --------------------------------------------------------------- */

/* Nothing that is said on a log stream is shown any more when this returns.  Blocks. */
void session_log_end(struct __mtev_console_closure *s);

/* ---- complete.c ------------------------------------------------------------------ */

/*
 * Complete the word before the cursor of s as far as it can be; if there are several ways, and
 * nothing can be added, show them.
 */
void complete(struct __mtev_console_closure *s);

#endif
