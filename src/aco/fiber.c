/* SPDX-License-Identifier: MIT */
/*
 * fiber.c - what the sanitizers are told of coroutines; next to nothing without one.
 *
 * AddressSanitizer keeps one shadow byte for eight bytes of stack and writes it as frames come and
 * go.  A frame that is copied away must take its shadow along, and leave clean shadow behind, or
 * the next owner of the addresses is judged by somebody else's red zones.  ThreadSanitizer knows
 * each coroutine as a fiber.  Source: sanitizer/common_interface_defs.h,
 * sanitizer/tsan_interface.h.
 */
#include "aco/core.h"

#ifdef ACO_SANITIZED_

#ifdef ACO_ASAN_

#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#include <sanitizer/lsan_interface.h>

static __thread const void *main_bottom; /* the thread's own stack, learnt on arriving from it */
static __thread size_t main_size;

void fiber_new(aco_t *co)
{
    co->fiber_ = NULL; /* the fake stack of a coroutine that was left */
}

/*
 * Frames from sp up were dropped.  Their red zones are taken away: gcc's code does not write the
 * shadow of what it finds clean, and would take them for those of who stands there next.
 */
static void forget_frames(const aco_share_stack_t *stack, const char *sp)
{
    __asan_unpoison_memory_region(sp, (size_t)(stack->top - sp));
}

void fiber_free(aco_t *co)
{
    const aco_share_stack_t *stack = co->share_stack;
    if (stack != NULL && stack->owner == NULL && co->sp != NULL)
        forget_frames(stack, co->sp);
}

void fiber_forget_stack(aco_share_stack_t *stack)
{
    __asan_unpoison_memory_region(stack->base, stack->sz);
}

/* What the frames that stand on it point to is not lost. */
void fiber_stack_new(aco_share_stack_t *stack)
{
    __lsan_register_root_region(stack->base, stack->sz);
}

void fiber_stack_free(aco_share_stack_t *stack)
{
    fiber_forget_stack(stack);
    __lsan_unregister_root_region(stack->base, stack->sz);
}

/* Byte by byte and unchecked: red zones are copied like everything else. */
__attribute__((no_sanitize("address", "undefined"))) static void
copy_unchecked(volatile char *to, const volatile char *from, size_t len)
{
    for (size_t i = 0; i < len; i++)
        to[i] = from[i];
}

static char *shadow_of(void *p)
{
    size_t scale, offset;
    __asan_get_shadow_mapping(&scale, &offset);
    return (char *)(((uintptr_t)p >> scale) + offset);
}

void fiber_copy_out(void *area, void *sp, size_t len)
{
    copy_unchecked(area, sp, len);
    copy_unchecked((char *)area + len, shadow_of(sp), SHADOW_SIZE(len));
    __asan_unpoison_memory_region(sp, len);
}

void fiber_copy_in(void *sp, const void *area, size_t len)
{
    copy_unchecked(sp, area, len);
    copy_unchecked(shadow_of(sp), (const char *)area + len, SHADOW_SIZE(len));
}

void aco_fiber_leave_(aco_t *from, aco_t *to)
{
    void **fake_stack = from->is_end ? NULL : &from->fiber_;
    if (from->is_end)
        forget_frames(from->share_stack, __builtin_frame_address(0));
    if (to->share_stack != NULL)
        __sanitizer_start_switch_fiber(fake_stack, to->share_stack->base, to->share_stack->sz);
    else
        __sanitizer_start_switch_fiber(fake_stack, main_bottom, main_size);
}

void aco_fiber_arrive_(aco_t *co)
{
    const void *bottom;
    size_t size;
    __sanitizer_finish_switch_fiber(co->fiber_, &bottom, &size);
    if (co->share_stack != NULL) { /* only the thread's own stack switches to a coroutine */
        main_bottom = bottom;
        main_size = size;
    }
}

#else /* ThreadSanitizer */

#include <sanitizer/tsan_interface.h>
#include <string.h>

void fiber_new(aco_t *co)
{
    co->fiber_ = co->share_stack == NULL ? __tsan_get_current_fiber() : __tsan_create_fiber(0);
}

void fiber_free(aco_t *co)
{
    if (co->share_stack != NULL)
        __tsan_destroy_fiber(co->fiber_);
}

void fiber_forget_stack(aco_share_stack_t *stack)
{
    (void)stack;
}

void fiber_copy_out(void *area, void *sp, size_t len)
{
    memcpy(area, sp, len);
}

void fiber_copy_in(void *sp, const void *area, size_t len)
{
    memcpy(sp, area, len);
}

#endif

#endif

#ifndef ACO_ASAN_ /* always exported, so that the list of names does not depend on the build */

#undef aco_fiber_leave_
#undef aco_fiber_arrive_

void aco_fiber_leave_(aco_t *from, aco_t *to)
{
    (void)from;
    (void)to;
}

void aco_fiber_arrive_(aco_t *co)
{
    (void)co;
}

#endif
