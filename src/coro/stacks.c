/* SPDX-License-Identifier: MIT */
/*
 * stacks.c - which stack a coroutine is bound to.
 *
 * A few shared stacks serve all coroutines of a loop.  A new one goes to a stack without an owner,
 * or to a further stack while there are fewer than wanted, or else to the stack whose turn was
 * longest ago, whose owner is then moved away.  A pinned stack is passed over; while all are
 * pinned, there may be more than wanted.  A coroutine that is known to lend its locals, or that
 * might, has a private stack.
 */
#include "base/alloc.h"
#include "coro/home_impl.h"

#include <assert.h>

#ifdef ACO_TSAN_
#define ALWAYS_PRIVATE true /* ThreadSanitizer cannot follow frames that move */
#else
#define ALWAYS_PRIVATE false
#endif

void stacks_init(struct coro_stacks *stacks, size_t wanted, size_t size)
{
    *stacks = (struct coro_stacks){.wanted = wanted, .size = size};
}

static void stack_free(struct coro_stack *stack)
{
    aco_stack_unmap(&stack->stack);
    alloc_free(stack);
}

void stacks_fini(struct coro_stacks *stacks)
{
    for (size_t i = 0; i < stacks->count; i++)
        stack_free(stacks->shared[i]);
    alloc_free(stacks->shared);
    while (stacks->free_private != NULL) {
        struct coro_stack *stack = stacks->free_private;
        stacks->free_private = stack->next_free;
        stack_free(stack);
    }
    stacks_init(stacks, stacks->wanted, stacks->size);
}

static struct coro_stack *stack_new(struct coro_stacks *stacks, unsigned colour)
{
    struct coro_stack *stack = alloc_zeroed(1, sizeof(*stack));
    if (stack == NULL)
        return NULL;
    if (aco_stack_map(&stack->stack, stacks->size, colour % ACO_STACK_COLOUR_MAX, true) != 0) {
        alloc_free(stack);
        return NULL;
    }
    return stack;
}

static struct coro_stack *take_private(struct coro_stacks *stacks)
{
    struct coro_stack *stack = stacks->free_private;
    if (stack != NULL) {
        stacks->free_private = stack->next_free;
        stacks->free_private_count--;
        stack->is_listed = false;
    } else {
        stack = stack_new(stacks, 0);
        if (stack == NULL)
            return NULL;
        stack->is_private = true;
    }
    stack->is_used = true;
    return stack;
}

static struct coro_stack *add_shared(struct coro_stacks *stacks)
{
    if (stacks->count == stacks->capacity) {
        size_t capacity = stacks->capacity == 0 ? 16 : stacks->capacity * 2;
        struct coro_stack **shared =
            alloc_resize(stacks->shared, capacity * sizeof(*stacks->shared));
        if (shared == NULL)
            return NULL;
        stacks->shared = shared;
        stacks->capacity = capacity;
    }
    struct coro_stack *stack = stack_new(stacks, (unsigned)stacks->count);
    if (stack != NULL)
        stacks->shared[stacks->count++] = stack;
    return stack;
}

/* The unpinned stack that was taken longest ago, or NULL. */
static struct coro_stack *take_oldest(struct coro_stacks *stacks)
{
    for (size_t tries = 0; tries < stacks->count; tries++) {
        struct coro_stack *stack = stacks->shared[stacks->hand];
        stacks->hand = stacks->hand + 1 == stacks->count ? 0 : stacks->hand + 1;
        if (stack->pins == 0)
            return stack;
    }
    return NULL;
}

struct coro_stack *stacks_choose(struct coro_stacks *stacks, bool prefer_private)
{
    struct coro_stack *stack = NULL;
    if (prefer_private || ALWAYS_PRIVATE)
        stack = take_private(stacks);
    while (stack == NULL && stacks->free_shared != NULL) {
        stack = stacks->free_shared;
        stacks->free_shared = stack->next_free;
        stack->is_listed = false;
        if (stack->stack.owner != NULL || stack->pins > 0)
            stack = NULL; /* somebody came back to it since */
    }
    if (stack == NULL && stacks->count < stacks->wanted)
        stack = add_shared(stacks);
    if (stack == NULL)
        stack = take_oldest(stacks);
    if (stack == NULL)
        stack = add_shared(stacks);
    return stack;
}

static void recycle(struct coro_home *home, struct coro_stack *stack)
{
    struct coro_stacks *stacks = &home->stacks;
    assert(stack->pins == 0);
    queue_append(&home->ready, &stack->waiting);
    if (stack->is_listed)
        return;
    if (!stack->is_private && stack->stack.owner == NULL) {
        stack->next_free = stacks->free_shared;
        stacks->free_shared = stack;
        stack->is_listed = true;
    } else if (stack->is_private && !stack->is_used) {
        if (stacks->free_private_count == CORO_PRIVATE_POOL_MAX) {
            stack_free(stack);
            return;
        }
        stack->next_free = stacks->free_private;
        stacks->free_private = stack;
        stacks->free_private_count++;
        stack->is_listed = true;
    }
}

void stacks_release(struct coro_home *home, struct coro_stack *stack)
{
    stack->is_used = false;
    if (stack->pins == 0)
        recycle(home, stack);
}

void stacks_pin(struct coro_stack *stack)
{
    stack->pins++;
}

void stacks_unpin(struct coro_home *home, struct coro_stack *stack)
{
    assert(stack->pins > 0);
    stack->pins--;
    if (stack->pins == 0)
        recycle(home, stack);
}
