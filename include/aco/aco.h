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

#include <aco/aco_config.h>
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
#if defined(ACO_SANITIZED_) || defined(ACO_VALGRIND)
#define ACO_WATCHED_ 1 /* nothing is reused or left out: a tool looks on */
#endif

#if defined(ACO_SWITCH_UCONTEXT)
#include "aco_ucontext.h"
#elif defined(__x86_64__)
#include "aco_x86_64.h"
#elif defined(__aarch64__)
#include "aco_aarch64.h"
#else
#error "aco: the library was built for another processor"
#endif

MTEV_BEGIN_DECLS

typedef void (*aco_cofuncp_t)(void);
typedef struct aco_s aco_t;

typedef struct {
    void *ptr;           /* owned: where the live bytes wait while another owns the stack */
    uint32_t sz;         /* bytes allocated at ptr */
    uint32_t valid_sz;   /* bytes of it that are live */
    uint32_t max_cpsz;   /* the largest valid_sz there ever was */
    uint32_t ct_save;    /* how often it was saved */
    uint32_t ct_restore; /* how often it was restored */
} aco_save_stack_t;

typedef struct aco_share_stack_s {
    aco_t *owner;        /* whose frames stand on it now, or NULL */
    char *top;           /* one past the first byte a coroutine uses; a multiple of 16 */
    char *base;          /* the lowest byte that may be used */
    size_t sz;           /* usable bytes: at least top - base */
    void *mapping;       /* the whole mapping, guard included */
    size_t mapping_size; /* bytes */
    aco_t *main_co_;     /* of the coroutines that are bound to it; they have one thread */
    unsigned tool_id_;   /* what valgrind knows it by */
} aco_share_stack_t;

struct aco_s { /* 80 bytes: there may be millions */
    void *sp;  /* while it does not run: its stack pointer; NULL before its first run */
    aco_share_stack_t *share_stack; /* borrowed for life; NULL for a main coroutine */
    unsigned char is_end;           /* 1 once aco_exit() was called; ACO_DESTROYED_ */
    unsigned char scheduled_;       /* other than 0: aco_resume() is not for it */
    unsigned char state_;           /* the event loop's, as the two below */
    unsigned char reason_;
    uint32_t generation_;
    aco_save_stack_t save_stack;
    void *arg;
    aco_cofuncp_t fp;
    void **tls_; /* owned: MAX_TLS_ENTRIES slots and a name, made on first use */
#ifdef ACO_SANITIZED_
    void *fiber_; /* what the sanitizer knows it by */
#endif
};

/*
 * What a main coroutine has beyond others; aco_create() and aco_destroy() reach into it.
 *
 * The coroutine that has ended last serves for the next.  It stays where it is: a list would have
 * each creation wait for what the destruction before it wrote.
 */
struct aco_main_ {
    aco_t co;     /* first; ACO_MAIN_ */
    aco_t *spare; /* that coroutine if it is ACO_DESTROYED_; otherwise there is none */
};

/*
 * The running thread's: its main coroutine, or NULL, with the stack pointer of that while another
 * runs; and the one that runs.  The first two could be found from a coroutine's stack, but then
 * each switch would wait for what the one before wrote.
 */
struct aco_gtls_s_ {
    void *main_sp;
    aco_t *main_co;
    aco_t *co;
};
API_EXPORT(__thread struct aco_gtls_s_) aco_gtls_ __attribute__((tls_model("initial-exec")));

/*
 * The coroutine that runs in this thread; NULL in a thread that has none.  To be read: it is the
 * last member of the above by another name.
 */
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
static inline aco_t *aco_create(aco_t *main_co, aco_share_stack_t *sstk, size_t save_stack_sz,
                                aco_cofuncp_t fp, void *arg);

/* Free co, which does not run; frames that it still has are dropped.  NULL is a no-op. */
static inline void aco_destroy(aco_t *co);

/* What these two do if there is none to reuse, or nothing to keep. */
API_EXPORT(aco_t *)
aco_create_(aco_t *main_co, aco_share_stack_t *sstk, size_t save_stack_sz, aco_cofuncp_t fp,
            void *arg);
API_EXPORT(void) aco_destroy_(aco_t *co);

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

/*
 * Where a coroutine's function returns to if it does not call aco_exit(); not to be called.
 */
API_EXPORT(void) aco_returned_(void);

/* aco_switch_() and aco_fresh_() out of line, for a processor on which that is all there is. */
API_EXPORT(void) aco_swap_(void **from_sp, void *to_sp);
API_EXPORT(void *) aco_prepare_(char *top, void (*fp)(void), void (*back)(void));

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

#define ACO_DESTROYED_    2 /* is_end of what is not to be used any more */
#define ACO_LOOP_         1 /* scheduled_ of what belongs to an event loop, which resumes it */
#define ACO_MAIN_         2 /* scheduled_ of a main coroutine */
#define ACO_CACHE_LINE_   64
#define ACO_PREFETCH_MAX_ 512 /* of saved frames; the processor sees the pattern then */
#define ACO_PREFETCH_TOP_ 192 /* of frames on the stack */

#define aco_likely(x)   (__builtin_expect(!!(x), 1))
#define aco_unlikely(x) (__builtin_expect(!!(x), 0))

#define aco_assert_(expr, what) (aco_likely(expr) ? (void)0 : aco_die_((what), NULL))

#define aco_get_co()             (aco_gtls_.co)
#define aco_co()                 (aco_gtls_.co)
#define aco_get_arg()            (aco_gtls_.co->arg)
#define aco_is_main_co(co)       ((co)->share_stack == NULL)
#define aco_co_thread()          (aco_gtls_.co)
#define aco_assert(expr)         aco_assert_(expr, "assertion failed: " #expr)
#define aco_assertptr(ptr)       aco_assert((ptr) != NULL)
#define aco_assertalloc_bool(b)  aco_assert_(b, "out of memory: " #b)
#define aco_assertalloc_ptr(ptr) aco_assertalloc_bool((ptr) != NULL)

/*
 * Have the processor fetch what aco_resume(co) will need: first the coroutine itself, and when that
 * has arrived its saved frames.  Whoever knows the order of the next resumes calls the first about
 * eight ahead and the second four ahead.  co is any living coroutine but a main one.
 */
static inline __attribute__((always_inline)) void aco_prefetch_header(const aco_t *co)
{
    __builtin_prefetch(co, 1);
    __builtin_prefetch((const char *)co + sizeof(*co) - 1, 1);
}

static inline __attribute__((always_inline)) void aco_prefetch_frames(const aco_t *co)
{
    const char *saved = (const char *)co->save_stack.ptr;
    uint32_t size = co->save_stack.valid_sz;
    if (co->share_stack->owner == co)
        return;
    for (uint32_t at = 0; at < size && at < ACO_PREFETCH_MAX_; at += ACO_CACHE_LINE_)
        __builtin_prefetch(saved + at);
}

/* The same for one whose frames stand on the stack: those that it goes on with. */
static inline __attribute__((always_inline)) void aco_prefetch_stack(const aco_t *co)
{
    const char *sp = (const char *)co->sp;
    if (co->share_stack->owner != co)
        return;
    for (uint32_t at = 0; at < ACO_PREFETCH_TOP_; at += ACO_CACHE_LINE_)
        __builtin_prefetch(sp + at);
}

/* Go on in co, which owns its stack, until it yields or ends.  The main coroutine only. */
static inline __attribute__((always_inline)) void aco_enter_(aco_t *co)
{
    aco_gtls_.co = co;
    aco_fiber_leave_(aco_gtls_.main_co, co);
    aco_switch_(&aco_gtls_.main_sp, co->sp);
    aco_fiber_arrive_(aco_gtls_.main_co);
}

/* True if co has ended, or belongs to an event loop, or is a main coroutine. */
static inline __attribute__((always_inline)) int aco_is_barred_(const aco_t *co)
{
    uint16_t both; /* is_end and scheduled_, in one load */
    __builtin_memcpy(&both, &co->is_end, sizeof(both));
    return both != 0;
}

/*
 * Run co until it yields or ends (co->is_end).  Callable by co's main coroutine alone, for a
 * coroutine that has not ended and does not belong to an event loop: anything else ends the process
 * with a message, and so does a save stack that cannot be had.
 */
static inline __attribute__((always_inline)) void aco_resume(aco_t *co)
{
    aco_share_stack_t *stack = co->share_stack;
    if (aco_unlikely(aco_is_barred_(co) || aco_gtls_.co != stack->main_co_))
        aco_die_("aco_resume: only the main coroutine resumes, and only one that can run", co);
    if (aco_unlikely(stack->owner != co)) {
#ifndef ACO_WATCHED_
        if (aco_likely(stack->owner == NULL && co->sp == NULL)) {
            co->sp = aco_fresh_(stack->top, co->fp, aco_returned_);
            stack->owner = co;
        } else
#endif
            if (aco_take_stack_(co) != 0)
            aco_die_("aco_resume: no memory to save the stack's owner", co);
    }
    aco_enter_(co);
}

/* Go back to the main coroutine until co, which is the running one, is resumed. */
static inline __attribute__((always_inline)) void aco_yield1(aco_t *co)
{
    if (aco_unlikely(co == aco_gtls_.main_co)) /* so in a thread without coroutines: both NULL */
        aco_die_("aco_yield: the main coroutine has nowhere to yield to", co);
    aco_gtls_.co = aco_gtls_.main_co;
    aco_fiber_leave_(co, aco_gtls_.main_co);
    aco_switch_(&co->sp, aco_gtls_.main_sp);
    aco_fiber_arrive_(co);
}
#define aco_yield() aco_yield1(aco_gtls_.co)

/*
 * End co, the running coroutine: its frames are dropped, is_end is set, the main coroutine goes on.
 */
static inline __attribute__((always_inline, noreturn)) void aco_exit1(aco_t *co)
{
    if (aco_unlikely(co == aco_gtls_.main_co || co != aco_gtls_.co))
        aco_die_("aco_exit: called outside a coroutine", co);
    co->is_end = 1;
    co->share_stack->owner = NULL;
    aco_gtls_.co = aco_gtls_.main_co;
    aco_fiber_leave_(co, aco_gtls_.main_co);
    aco_leave_(aco_gtls_.main_sp);
}
#define aco_exit() aco_exit1(aco_gtls_.co)

static inline aco_t *aco_create(aco_t *main_co, aco_share_stack_t *sstk, size_t save_stack_sz,
                                aco_cofuncp_t fp, void *arg)
{
#ifndef ACO_WATCHED_
    if (aco_likely(main_co != NULL && sstk != NULL && fp != NULL && save_stack_sz == 0 &&
                   ((struct aco_main_ *)main_co)->spare->is_end == ACO_DESTROYED_)) {
        aco_t *co = ((struct aco_main_ *)main_co)->spare;
        co->sp = NULL;
        co->share_stack = sstk;
        co->arg = arg;
        co->fp = fp;
        co->is_end = 0; /* with the four after it one store, which the checks can read back */
        co->scheduled_ = 0;
        co->state_ = 0;
        co->reason_ = 0;
        co->generation_ = 0;
        sstk->main_co_ = main_co;
        return co;
    }
#endif
    return aco_create_(main_co, sstk, save_stack_sz, fp, arg);
}

static inline void aco_destroy(aco_t *co)
{
#ifndef ACO_WATCHED_
    if (aco_likely(co != NULL && co->is_end == 1 && co->save_stack.ptr == NULL &&
                   co->tls_ == NULL)) {
        struct aco_main_ *keeper = (struct aco_main_ *)co->share_stack->main_co_;
        if (aco_likely(keeper->spare == co || keeper->spare->is_end != ACO_DESTROYED_)) {
            co->is_end = ACO_DESTROYED_;
            if (aco_unlikely(keeper->spare != co))
                keeper->spare = co;
            return;
        }
    }
#endif
    aco_destroy_(co);
}

MTEV_END_DECLS

#endif
