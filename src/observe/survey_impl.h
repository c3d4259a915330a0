/* SPDX-License-Identifier: MIT */
/*
 * survey_impl.h - an array of what all loops have, however much that is.
 *
 * Layer: observe.  A loop's thread writes short notes of the next few hundred things and goes on
 * with its work; the thread of answers makes JSON of the notes, and asks for the next ones.
 */
#ifndef EVENTER_OBSERVE_SURVEY_IMPL_H
#define EVENTER_OBSERVE_SURVEY_IMPL_H

#include "base/clock.h"
#include "eventer/loop.h"
#include "observe/answer_impl.h"

#define SURVEY_WAIT_NS   CLOCK_NS_PER_S     /* for a loop that is busy; then it is left out */
#define SURVEY_NOTES_MAX ((size_t)64 << 20) /* bytes */
#define SURVEY_END       UINT64_MAX

struct survey_notes {
    struct buf bytes;
    uint64_t left_out; /* notes there was no room for */
};

struct survey_kind {
    size_t note_size;
    /*
     * Add notes of what comes next from `from` (0 at first) on.  Returns where to go on, or
     * SURVEY_END.  In the thread of the loop.
     */
    uint64_t (*look)(struct loop *loop, uint64_t from, struct survey_notes *notes);
    json_t *(*tell)(const void *note); /* NULL: no memory */
};

/* Add a note of size bytes. */
static inline void survey_note(struct survey_notes *notes, const void *note, size_t size)
{
    notes->left_out += buf_append(&notes->bytes, note, size) != 0;
}

/* Answer with the array. */
void survey_answer(mtev_http_session_ctx *ctx, const struct survey_kind *kind);

#endif
