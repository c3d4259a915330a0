/* SPDX-License-Identifier: MIT */
/*
 * aco.h - coroutines on shared stacks.
 *
 * A thread has a main coroutine (the thread itself) and any number of others.  Each of those is
 * bound for life to one share stack, which several may use in turn: the one whose frames stand
 * there now owns it.  When another needs the stack, the owner's live bytes move to its save stack
 * and come back, to the same addresses, before it runs again.  So a pointer to a local of a
 * coroutine is valid only while that coroutine runs or owns its stack.
 *
 * aco_resume() may be called by the main coroutine alone.  Nothing here may be called for a
 * coroutine of another thread.  The layout of aco_t and aco_share_stack_t is part of the ABI,
 * because the switch is inline; ACO_VERSION_MAJOR changes with it.
 *
 * The names are those of libaco 1.2; the code is our own.
 */
#ifndef ACO_H
#define ACO_H

#include <mtev_defines.h>

#include <stddef.h>
#include <stdint.h>

#define ACO_VERSION_MAJOR 1
#define ACO_VERSION_MINOR 2
#define ACO_VERSION_PATCH 4

#if defined(__SANITIZE_ADDRESS__)
#define ACO_ASAN_ 1
#elif defined(__SANITIZE_THREAD__)
#define ACO_TSAN_ 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ACO_ASAN_ 1
#elif __has_feature(thread_sanitizer)
#define ACO_TSAN_ 1
#endif
#endif
#if defined(ACO_ASAN_) || defined(ACO_TSAN_)
#define ACO_SANITIZED_ 1
#endif

#if defined(__x86_64__)
#include "aco_x86_64.h"
#else
#error "aco: no switch for this processor"
#endif

MTEV_BEGIN_DECLS

typedef void (*aco_cofuncp_t)(void);
typedef struct aco_s aco_t;

typedef struct {
    void *ptr;         /* owned: where the live bytes wait while another owns the stack, or NULL */
    size_t sz;         /* bytes allocated at ptr */
    size_t valid_sz;   /* bytes of it that are live */
    size_t max_cpsz;   /* the largest valid_sz there ever was */
    size_t ct_save;    /* how often it was saved */
    size_t ct_restore; /* how often it was restored */
} aco_save_stack_t;

typedef struct aco_share_stack_s {
    aco_t *owner;        /* whose frames stand on it now, or NULL */
    char *top;           /* one past the first byte a coroutine uses; a multiple of 16 */
    char *base;          /* the lowest byte that may be used */
    size_t sz;           /* usable bytes: at least top - base */
    void *mapping;       /* the whole mapping, guard included */
    size_t mapping_size; /* bytes */
} aco_share_stack_t;

struct aco_s {
    void *sp; /* while it does not run: its stack pointer; NULL before its first run */
    aco_share_stack_t *share_stack; /* borrowed for life; NULL for a main coroutine */
    aco_t *main_co;                 /* NULL for a main coroutine */
    aco_save_stack_t save_stack;
    void *arg;
    aco_cofuncp_t fp;
    void **tls_;              /* owned: MAX_TLS_ENTRIES slots, made on first use */
    unsigned char is_end;     /* 1 once aco_exit() was called */
    unsigned char scheduled_; /* 1: belongs to an event loop, which alone resumes it */
#ifdef ACO_SANITIZED_
    void *fiber_; /* what the sanitizer knows it by */
#endif
};

/* The coroutine that runs in this thread; NULL in a thread that has none. */
API_EXPORT(__thread aco_t *) aco_gtls_co __attribute__((tls_model("initial-exec")));

/*
 * Make this thread ready for coroutines.  last_word runs when a coroutine's function returns
 * without aco_exit(), just before the process is ended for it; NULL for none.
 */
API_EXPORT(void) aco_thread_init(aco_cofuncp_t last_word);

/*
 * Make a share stack of at least sz usable bytes (0: 2 MiB; never under 16 KiB), reserved now and
 * committed as it is touched.  guard: 1 puts 64 KiB below it that fault on any access.
 * The caller owns it.  NULL with ENOMEM.  Source: mmap(2).
 */
API_EXPORT(aco_share_stack_t *) aco_share_stack_new(size_t sz);
API_EXPORT(aco_share_stack_t *) aco_share_stack_new2(size_t sz, char guard);

/* Free a share stack that no living coroutine is bound to.  NULL is a no-op. */
API_EXPORT(void) aco_share_stack_destroy(aco_share_stack_t *sstk);

/*
 * Make a coroutine that will run fp with arg on sstk (borrowed until the coroutine is destroyed),
 * with a save stack of save_stack_sz bytes (0: as much as the first save needs).  With main_co
 * NULL: make this thread's main coroutine; the other arguments are not used.  The caller owns it.
 * NULL with ENOMEM, or EINVAL for a missing sstk or fp.
 */
API_EXPORT(aco_t *)
aco_create(aco_t *main_co, aco_share_stack_t *sstk, size_t save_stack_sz, aco_cofuncp_t fp,
           void *arg);

/* Free co, which does not run; frames that it still has are dropped.  NULL is a no-op. */
API_EXPORT(void) aco_destroy(aco_t *co);

/*
 * Return a new index into every coroutine's slots, in [0, MAX_TLS_ENTRIES); aborts past the last.
 */
#define MAX_TLS_ENTRIES 16
API_EXPORT(uint32_t) aco_tls_assign_idx(void);

/* Return the address of co's slot idx; the slots are made, as NULLs, on first use. */
API_EXPORT(void **) aco_tls_slot_(aco_t *co, uint32_t idx);
#define aco_tls(co, idx) (*aco_tls_slot_((co), (idx)))

/*
 * The slow half of aco_resume(): make co the owner of its stack.  Returns 0, or -1 with ENOMEM when
 * the present owner's bytes found no room; then nothing has changed.
 */
API_EXPORT(int) aco_take_stack_(aco_t *co);

/* End the process with a message: a misuse that leaves no way on. */
API_EXPORT(void) aco_die_(const char *what, const aco_t *co) __attribute__((noreturn, cold));

/*
 * Tell AddressSanitizer that the thread leaves from for to, and that it arrived in co.  For a
 * program that is built with it, and with a library that is too; otherwise nothing.
 */
API_EXPORT(void) aco_fiber_leave_(aco_t *from, aco_t *to);
API_EXPORT(void) aco_fiber_arrive_(aco_t *co);
#if defined(ACO_TSAN_)
/*
 * Called in place: a function of ours around it would be entered by one fiber and left by another.
 */
extern void __tsan_switch_to_fiber(void *fiber, unsigned flags);
#define aco_fiber_leave_(from, to) __tsan_switch_to_fiber((to)->fiber_, 0)
#define aco_fiber_arrive_(co)      ((void)0)
#elif !defined(ACO_ASAN_)
#define aco_fiber_leave_(from, to) ((void)0)
#define aco_fiber_arrive_(co)      ((void)0)
#endif

#define aco_likely(x)   (__builtin_expect(!!(x), 1))
#define aco_unlikely(x) (__builtin_expect(!!(x), 0))

#define aco_assert_(expr, what) (aco_likely(expr) ? (void)0 : aco_die_((what), NULL))

#define aco_get_co()             (aco_gtls_co)
#define aco_co()                 (aco_gtls_co)
#define aco_get_arg()            (aco_gtls_co->arg)
#define aco_is_main_co(co)       ((co)->main_co == NULL)
#define aco_co_thread()          (aco_gtls_co)
#define aco_assert(expr)         aco_assert_(expr, "assertion failed: " #expr)
#define aco_assertptr(ptr)       aco_assert((ptr) != NULL)
#define aco_assertalloc_bool(b)  aco_assert_(b, "out of memory: " #b)
#define aco_assertalloc_ptr(ptr) aco_assertalloc_bool((ptr) != NULL)

/* Go on in co, which owns its stack, until it yields or ends.  The main coroutine only. */
static inline __attribute__((always_inline)) void aco_enter_(aco_t *co)
{
    aco_t *main_co = co->main_co;
    aco_gtls_co = co;
    aco_fiber_leave_(main_co, co);
    aco_switch_(&main_co->sp, co->sp);
    aco_fiber_arrive_(main_co);
}

/*
 * Run co until it yields or ends (co->is_end).  Callable by co's main coroutine alone, for a
 * coroutine that has not ended and does not belong to an event loop: anything else ends the process
 * with a message, and so does a save stack that cannot be had.
 */
static inline __attribute__((always_inline)) void aco_resume(aco_t *co)
{
    if (aco_unlikely(aco_gtls_co != co->main_co || co->is_end || co->scheduled_))
        aco_die_("aco_resume: only the main coroutine resumes, and only one that can run", co);
    if (aco_unlikely(co->share_stack->owner != co) && aco_take_stack_(co) != 0)
        aco_die_("aco_resume: no memory to save the stack's owner", co);
    aco_enter_(co);
}

/* Go back to the main coroutine until co, which is the running one, is resumed. */
static inline __attribute__((always_inline)) void aco_yield1(aco_t *co)
{
    aco_t *main_co = co->main_co;
    if (aco_unlikely(main_co == NULL))
        aco_die_("aco_yield: the main coroutine has nowhere to yield to", co);
    aco_gtls_co = main_co;
    aco_fiber_leave_(co, main_co);
    aco_switch_(&co->sp, main_co->sp);
    aco_fiber_arrive_(co);
}
#define aco_yield() aco_yield1(aco_gtls_co)

/*
 * End co, the running coroutine: its frames are dropped, is_end is set, the main coroutine goes on.
 */
API_EXPORT(void) aco_exit1(aco_t *co) __attribute__((noreturn));
#define aco_exit() aco_exit1(aco_gtls_co)

MTEV_END_DECLS

#endif
