/* SPDX-License-Identifier: MIT */
/*
 * inspect_impl.h - how this layer looks at coroutines: at all of them, at the frames of one, and at
 * the one that has just run off its stack.
 */
#ifndef EVENTER_CORO_INSPECT_IMPL_H
#define EVENTER_CORO_INSPECT_IMPL_H

#include "coro/home_impl.h"

#include <mtev_log.h>

/* ---- inspect.c ------------------------------------------------------------------- */

#define WALK_WAIT_NS (5 * CLOCK_NS_PER_S) /* how long the public calls wait for a busy loop */

/* A walk over the loops; one at a time in the process. */
struct walk {
    bool (*visit)(struct coro_home *home, void *closure); /* in its loop; false ends the walk */
    void (*skip)(struct loop *loop, void *closure);       /* in the calling thread; NULL: nothing */
    void *closure;
    uint64_t wait_ns; /* for a loop that is busy with something else */
};

/*
 * Visit every loop's coroutines.  Any thread; a loop's own is visited directly.  Returns 0, or
 * -EBUSY (another walk is under way), -ENOMEM, -ETIMEDOUT (a loop was skipped, since it did not
 * come to it in time).
 */
int coro_walk(const struct walk *walk);

/* Call fn for every living coroutine of home until it returns other than 0; returns that.  Its
 * loop. */
int coro_each(struct coro_home *home, int (*fn)(struct coro *co, void *closure), void *closure);

/*
 * What co does ("running", "ready", "parked"), and what it, or who has an enum coro_reason, waits
 * for; as texts that live for ever.  Async-signal-safe.
 */
const char *coro_state_text(const struct coro *co);
const char *coro_reason_text(unsigned reason);
const char *coro_wait_text(const struct coro *co);

/* How long ago co was started, by a clock that shows now_ns. */
uint64_t coro_age_ns(const struct coro *co, uint64_t now_ns);

/* debug/eventer/aco: while it is on, each resume is said there. */
extern mtev_log_stream_t coro_resume_log;
void coro_log_resume(struct coro *co) __attribute__((cold));

/* ---- backtrace.c ----------------------------------------------------------------- */

/* Where a walk over frames, innermost first, has got to.  No state is kept elsewhere. */
struct frames {
    const char *bytes; /* what belongs at low */
    uintptr_t low;     /* stack addresses that have not been passed yet: [low, high) */
    uintptr_t high;
    void *address;     /* where the next frame goes on; NULL: there is none */
    uintptr_t pointer; /* the next frame's pointer */
};

/* Begin with the frames of co, which does not run and whose stack may be read. */
void frames_of(struct frames *frames, const struct coro *co);

/* Begin with a frame that goes on at address, on a stack that is in place up to high. */
void frames_from(struct frames *frames, void *address, uintptr_t pointer, uintptr_t low,
                 uintptr_t high);

/*
 * Give in *out where the next frame goes on.  False: there are no more.  Reads nothing outside
 * [low, high); ends at a frame pointer that does not lead upward in it.  Async-signal-safe.
 */
bool frames_next(struct frames *frames, void **out);

#define CODE_SPAN_COUNT 8

/* Where code lies and where it does not, as far as somebody asked.  Zeroed: nothing is known. */
struct code_map {
    struct code_span {
        uintptr_t begin, end;
        bool is_code;
    } spans[CODE_SPAN_COUNT];
    unsigned next; /* to be replaced */
};

/*
 * Give at addresses[0..max) where co and its callers go on; returns how many.  What does not lie in
 * code ends it.  co does not run.
 */
int coro_backtrace(struct coro *co, struct code_map *map, void **addresses, int max);

/* ---- dump.c ---------------------------------------------------------------------- */

#define DUMP_FRAMES_MAX 64   /* of a place */
#define DUMP_GROUPS_MAX 1000 /* places that are told apart */

/* eventer_aco_dump(), which waits for WALK_WAIT_NS. */
void coro_dump(mtev_log_stream_t ls, uint64_t wait_ns);

/* ---- overflow.c ------------------------------------------------------------------ */

/*
 * Have it said when a coroutine of the calling loop runs off its stack; without memory it is not.
 * A handler of SIGSEGV or SIGBUS that is there already stays in place.
 */
void overflow_watch(struct coro_home *home);

/* Give back what that took.  The loop's thread, where no coroutine runs any more. */
void overflow_unwatch(struct coro_home *home);

#endif
