/* SPDX-License-Identifier: MIT */
/*
 * answer_impl.h - an answer that is made a part at a time, in a thread, and sent by a coroutine.
 *
 * Layer: observe.  What a program tells of itself may be much, and is asked for when it is in
 * trouble.  So no loop makes it: a thread of a job queue of its own does, which jobs of the program
 * cannot fill.  One thread serves all who ask, a part for each in turn; a part is made when the one
 * before it has been sent, so that a slow reader costs the memory of a part.
 */
#ifndef EVENTER_OBSERVE_ANSWER_IMPL_H
#define EVENTER_OBSERVE_ANSWER_IMPL_H

#include "base/buf.h"
#include "rest/json.h"

#include <mtev_rest.h>

#include <stdbool.h>

#define ANSWER_QUEUE     "observe"
#define ANSWER_PART_LEN  ((size_t)32 * 1024) /* a part has about that */
#define ANSWER_BYTES_MAX ((size_t)48 << 20)  /* and never more than this */

struct answer {
    /*
     * Append more to text, by answer_add() in an array; true: there may be still more.  In the
     * thread.
     */
    bool (*more)(struct answer *a);
    const char *type;        /* of the content; NULL: JSON */
    const char *begin, *end; /* around it all; NULL: nothing */
    struct buf text;
    int err;              /* set by more(): -errno, and it is not called again */
    const char *err_text; /* NULL: what err says */
    uint64_t elements;    /* of the array, so far */
    bool has_run, goes_on;
};

/* Append an element (taken; NULL: no memory) of the array.  False: it cannot be, and err is set. */
bool answer_add(struct answer *a, json_t *value);

/*
 * Answer with what a->more() appends, from a coroutine; yields.  An error before the first part is
 * status 503 and {"error": TEXT}; later it is a last element of that kind in an array, and the end
 * of any other answer.  a, made by alloc_zeroed(), is borrowed; NULL is an error, too.
 */
void answer_send(mtev_http_session_ctx *ctx, struct answer *a);

/* Answer {"error": text} with that status. */
void answer_error(mtev_http_session_ctx *ctx, int status, const char *reason, const char *text);

/*
 * Have handler, in a coroutine, answer that, for whom the <acl> admits.  A rule that cannot be made
 * is one line, of mtev_http_rest_new_rule().
 */
void answer_rule(const char *method, const char *base, const char *expression,
                 rest_request_handler handler);

/*
 * The name that a function was given, or that its symbol has; never its address, which helps who
 * wants to break in.
 */
const char *answer_function_name(const char *name);

/* The value of a parameter of the query: a number up to max.  0; -ENOENT: none; -EINVAL. */
int answer_number(mtev_http_session_ctx *ctx, const char *key, uint64_t max, uint64_t *out);

/* True if the query has that parameter, with a value or without. */
bool answer_has(mtev_http_session_ctx *ctx, const char *key);

#endif
