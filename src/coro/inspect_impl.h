/* SPDX-License-Identifier: MIT */
/*
 * inspect_impl.h - how this layer looks at coroutines: at all of them, at the frames of one, and at
 * the one that has just run off its stack.
 */
#ifndef EVENTER_CORO_INSPECT_IMPL_H
#define EVENTER_CORO_INSPECT_IMPL_H

#include "coro/home_impl.h"

#include <mtev_log.h>

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <ucontext.h>
#if defined(__x86_64__) && !defined(ACO_SWITCH_UCONTEXT)
#define FRAMES_UNWIND 1 /* frames_unwind.c; otherwise frames_chain.c */
#include <libunwind.h>
#endif

/* ---- inspect.c ------------------------------------------------------------------- */

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

/* ---- frames.c -------------------------------------------------------------------- */

#define OBJECT_SPAN_COUNT 16

enum object_use {
    OBJECT_NONE = 0, /* it is in no loaded object, or may be written to */
    OBJECT_CONSTANTS,
    OBJECT_CODE,
};

/* What lies where, as far as somebody asked.  Zeroed: nothing is known. */
struct object_map {
    struct object_span {
        uintptr_t begin, end;
        enum object_use use;
    } spans[OBJECT_SPAN_COUNT];
    unsigned next; /* to be replaced */
};

/* Return what lies at address.  Async-signal-safe, but for the dynamic linker's own lock. */
enum object_use object_at(struct object_map *map, uintptr_t address);

/* Where a walk over frames, innermost first, has got to.  It must not be moved. */
struct frames {
    struct object_map *map; /* borrowed */
    const char *bytes;      /* what belongs at low */
    uintptr_t low, high;    /* stack addresses that may be read: [low, high) */
    struct frames_registers {
        uintptr_t pc, sp, frame_pointer;
    } registers; /* of the innermost */
    struct frame {
        void *address; /* where it goes on */
        uintptr_t at;  /* the stack address at which that was saved; 0: not known */
    } next;
    bool is_at_end; /* there is no next one */
#ifdef FRAMES_UNWIND
    unw_cursor_t cursor;
#else
    uintptr_t passed;  /* the chain goes on above this */
    uintptr_t pointer; /* to the next of it */
#endif
};

/* The bytes of co that are live; it does not run.  Readable as its stack is. */
static inline const char *coro_bytes(const struct coro *co)
{
    const bool is_in_place = co->co.share_stack->owner == &co->co;
    return is_in_place ? co->co.sp : co->co.save_stack.ptr;
}

/* Return the word at p, which need not be aligned; a sanitizer is not asked. */
uintptr_t frames_word(const void *p);

/* Once before all others; without memory there will be no frames. */
void frames_init(void);

/* Begin with the frames of co, which does not run and whose stack may be read. */
void frames_of(struct frames *frames, struct object_map *map, const struct coro *co);

/* Begin where context was taken or interrupted, on a stack that is in place up to high. */
void frames_from(struct frames *frames, struct object_map *map, const ucontext_t *context,
                 uintptr_t low, uintptr_t high);

/* The stack pointer in context; 0: not known on this processor. */
uintptr_t frames_sp(const ucontext_t *context);

/*
 * Give the next frame in *out.  False: there are no more; one that leads anywhere but upward in
 * [low, high) and into code is the last.  Async-signal-safe, but for the dynamic linker's own lock.
 * Cost: some microseconds.
 */
bool frames_next(struct frames *frames, struct frame *out);

/* Read the word at a stack address, or in what is read-only of an object; false: it is neither. */
bool frames_read(struct frames *frames, uintptr_t address, uintptr_t *value);

/* For frames.c alone: begin with the registers; then go to the caller's frame, false: none. */
bool frames_begin(struct frames *frames);
bool frames_step(struct frames *frames, struct frame *out);

/* ---- dump.c ---------------------------------------------------------------------- */

#define DUMP_FRAMES_MAX 64   /* of a place */
#define DUMP_GROUPS_MAX 1000 /* places that are told apart */

/* eventer_aco_dump(), which waits for VISIT_WAIT_NS. */
void coro_dump(mtev_log_stream_t ls, uint64_t wait_ns);

/* Say where address is, in an indented line. */
void coro_say_address(mtev_log_stream_t ls, void *address);

/* ---- watcher.c ------------------------------------------------------------------- */

#define SAMPLE_FRAMES_MAX 48
#define WATCHER_SIGNAL    (SIGRTMIN + 2)

struct watched { /* a loop */
    struct watched *next;
    struct coro_home *home;
    pthread_t thread;
    uint64_t asked_ns; /* the watcher's: busy since, when it last sent a signal */
    /* The rest is written by the loop's thread alone: its handler, and itself. */
    volatile bool is_read;     /* the handler is to leave it alone */
    _Atomic uint64_t taken_ns; /* when the addresses were taken; 0: never */
    int count;
    void *addresses[SAMPLE_FRAMES_MAX];
};

/*
 * Where something counts as slow (account.h), look from now on where home's loop spends its time;
 * without memory or a thread for that, one line says so.  In the loop's thread, behind
 * overflow_watch(), whose stack the handler of the signal uses.
 */
void watcher_add(struct coro_home *home);

/* The loop's thread is about to end. */
void watcher_remove(struct coro_home *home);

/* ---- overflow.c ------------------------------------------------------------------ */

/*
 * Have it said when a coroutine of the calling loop runs off its stack; without memory it is not.
 * A handler of SIGSEGV or SIGBUS that is there already stays in place.
 */
void overflow_watch(struct coro_home *home);

/* Give back what that took.  The loop's thread, where no coroutine runs any more. */
void overflow_unwatch(struct coro_home *home);

#endif
