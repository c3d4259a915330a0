/* SPDX-License-Identifier: MIT */
/*
 * backtrace.c - where a coroutine and its callers go on.
 */
#include "coro/inspect_impl.h"

#include <errno.h>

/* Nothing here waits, so these frames are never copied. */
#pragma GCC diagnostic ignored "-Wframe-larger-than="

static int collect(struct frames *frames, void **addresses, int max)
{
    struct frame frame;
    int count = 0;
    while (count < max && frames_next(frames, &frame))
        addresses[count++] = frame.address;
    return count;
}

static int collect_of(struct coro *co, void **addresses, int max)
{
    struct object_map map = {.next = 0};
    struct frames frames;
    stacks_unprotect(coro_stack_of(co));
    frames_of(&frames, &map, co);
    int count = collect(&frames, addresses, max);
    stacks_protect(coro_stack_of(co));
    return count;
}

/* From the frame of the one that runs that goes on at caller. */
static int collect_own(const void *caller, void **addresses, int max)
{
    struct object_map map = {.next = 0};
    struct frames frames;
    struct frame frame = {.address = NULL};
    ucontext_t context;
    int count = 0;
    if (max == 0 || getcontext(&context) != 0)
        return 0;
    frames_from(&frames, &map, &context, (uintptr_t)__builtin_frame_address(0),
                (uintptr_t)aco_gtls_co->share_stack->top);
    while (frame.address != caller)
        if (!frames_next(&frames, &frame))
            return 0;
    addresses[count++] = frame.address;
    return count + collect(&frames, addresses + count, max - count);
}

int eventer_aco_backtrace(eventer_aco_id_t id, void **addresses, int max)
{
    struct coro *co = (struct coro *)(uintptr_t)id;
    const aco_t *self = aco_gtls_co;
    if (self != NULL && co != NULL && &co->co == self)
        co = NULL;
    if (addresses == NULL || max < 0 || (co == NULL && (self == NULL || aco_is_main_co(self)))) {
        errno = EINVAL;
        return -1;
    }
    if (co != NULL)
        return collect_of(co, addresses, max);
    return collect_own(__builtin_extract_return_addr(__builtin_return_address(0)), addresses, max);
}
