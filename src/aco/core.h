/* SPDX-License-Identifier: MIT */
/*
 * core.h - what the layers above may do with a coroutine beyond the installed aco/aco.h: embed one,
 * embed a stack, and save an owner without taking its place.
 *
 * Layer: aco (uses base).  Everything here belongs to the thread that made the coroutine.
 */
#ifndef EVENTER_ACO_CORE_H
#define EVENTER_ACO_CORE_H

#include "aco/aco.h"
#include "base/memcheck.h"
#include "base/slab.h"

#include <stdbool.h>
#include <stddef.h>

#define ACO_GUARD_SIZE       ((size_t)64 * 1024) /* below a stack: faults on any access */
#define ACO_STACK_SIZE_MIN   ((size_t)16 * 1024)
#define ACO_STACK_SIZE_MAX   ((size_t)1 << 30)
#define ACO_STACK_COLOUR_MAX 1024 /* tops of stacks differ by cache lines and pages */

#define ACO_EMERGENCY_SIZE ((size_t)64 * 1024)

/* What a thread with coroutines has; begins with its main coroutine. */
struct aco_thread {
    struct aco_main_ main;
    struct slabs slabs; /* coroutines of aco_create(), and save areas */
    void *emergency;    /* owned: a save area for when there is no memory */
    bool is_emergency;  /* it is in use */
    bool has_ended;     /* the main coroutine is destroyed, and others live yet */
};

static inline struct aco_thread *aco_thread_of(aco_t *main_co)
{
    return list_entry(main_co, struct aco_thread, main.co);
}

#define ACO_NAME_MAX 31 /* bytes of a coroutine's name that are kept */

/* Fill co (uninitialised memory of the caller's) as a fresh coroutine, as aco_create() does. */
void aco_init(aco_t *co, aco_t *main_co, aco_share_stack_t *stack, aco_cofuncp_t fp, void *arg);

/*
 * Give back what co holds, not co itself.  It does not run; frames that it still has are dropped.
 */
void aco_fini(aco_t *co);

/*
 * Name co: the first ACO_NAME_MAX bytes of name (NUL-terminated, copied); NULL takes the name away.
 * Returns 0, or -ENOMEM: it is called what it was.
 */
int aco_set_name(aco_t *co, const char *name);

/* Return co's name, borrowed until it is named anew or ends; NULL: it has none. */
static inline const char *aco_name(const aco_t *co)
{
    return co->tls_ == NULL ? NULL : co->tls_[MAX_TLS_ENTRIES];
}

/*
 * Copy the owner's live bytes to its save area, which grows or shrinks to them; the stack has no
 * owner then.  Without memory the thread's emergency area serves, for one coroutine at a time.
 * Returns 0, or -1 with ENOMEM and the owner still in place.  No owner: nothing to do.
 */
int aco_save_owner(aco_share_stack_t *stack);

/*
 * Map a stack of at least size usable bytes (a page multiple within the limits above) with a guard
 * below and a top that depends on colour (< ACO_STACK_COLOUR_MAX), so that the stacks of a loop,
 * which are used at the same depths, do not all fall into the same sets of the processor's caches.
 * Returns 0 or -ENOMEM.
 */
int aco_stack_map(aco_share_stack_t *stack, size_t size, unsigned colour, bool guard);

/* Unmap it.  A stack that was never mapped (zeroed) is a no-op. */
void aco_stack_unmap(aco_share_stack_t *stack);

/* True if the address p lies on stack. */
static inline bool aco_stack_has(const aco_share_stack_t *stack, const void *p)
{
    return (const char *)p >= stack->base && (const char *)p < stack->base + stack->sz;
}

/* What sanitizers have to be told; without one these are a plain copy, or nothing. */
#ifdef ACO_SANITIZED_
void fiber_new(aco_t *co);
void fiber_free(aco_t *co);
void fiber_forget_stack(aco_share_stack_t *stack);
void fiber_copy_out(void *area, void *sp, size_t len);
void fiber_copy_in(void *sp, const void *area, size_t len);
#else
#define RED_ZONE                      ((size_t)128) /* below the stack pointer */
#define fiber_new(co)                 ((void)0)
#define fiber_free(co)                ((void)0)
#define fiber_forget_stack(stack)     memcheck_undefined((stack)->top - RED_ZONE, RED_ZONE)
#define fiber_copy_out(area, sp, len) memcpy((area), (sp), (len))
#define fiber_copy_in(sp, area, len)                                                               \
    do {                                                                                           \
        memcheck_undefined((char *)(sp)-RED_ZONE, (len) + RED_ZONE);                               \
        memcpy((sp), (area), (len));                                                               \
    } while (0)
#endif

/* The same of a stack that was just mapped, and of one that is about to be unmapped. */
#ifdef ACO_ASAN_
void fiber_stack_new(aco_share_stack_t *stack);
void fiber_stack_free(aco_share_stack_t *stack);
#else
#define fiber_stack_new(stack)                                                                     \
    ((stack)->tool_id_ = memcheck_stack_begin((stack)->base, (stack)->base + (stack)->sz - 1))
#define fiber_stack_free(stack) memcheck_stack_end((stack)->tool_id_)
#endif

/* Bytes of a save area that hold the sanitizer's shadow of len bytes of stack. */
#ifdef ACO_ASAN_
#define SHADOW_SIZE(len) ((len) / 8)
#else
#define SHADOW_SIZE(len) ((size_t)0 * (len))
#endif

#endif
