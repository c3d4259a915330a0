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
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#if defined(ACO_TSAN_) || defined(ACO_DEBUG_STACKS)
#define ALWAYS_PRIVATE true /* ThreadSanitizer cannot follow frames that move */
#else
#define ALWAYS_PRIVATE false
#endif

#define TRIM_PAGES_MAX 256 /* looked at in one call */

static void stack_is_there(const struct coro_stack *stack, int count)
{
    struct eventer_aco_stats *stats = &stack->home->stats;
    uint64_t *stat = stack->is_private ? &stats->private_stacks : &stats->shared_stacks;
    stat_set(stat, *stat + (uint64_t)count);
}

void stacks_init(struct coro_stacks *stacks, size_t wanted, size_t size)
{
    *stacks = (struct coro_stacks){.wanted = wanted, .size = size};
}

static void stack_free(struct coro_stack *stack)
{
    stack_is_there(stack, -1);
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

bool stacks_are_lent(const struct coro_stacks *stacks)
{
    for (size_t i = 0; i < stacks->count; i++)
        if (stacks->shared[i]->pins > 0)
            return true;
    return false;
}

static struct coro_stack *stack_new(struct coro_home *home, size_t size, unsigned colour,
                                    bool is_private)
{
    struct coro_stack *stack = alloc_zeroed(1, sizeof(*stack));
    if (stack == NULL)
        return NULL;
    if (aco_stack_map(&stack->stack, size, colour % ACO_STACK_COLOUR_MAX, true) != 0) {
        alloc_free(stack);
        return NULL;
    }
    stack->home = home;
    stack->is_private = is_private;
    stack_is_there(stack, 1);
    return stack;
}

/* A private stack of at least size bytes, and not twice as many: kept from before, or new. */
static struct coro_stack *take_private(struct coro_home *home, size_t size)
{
    struct coro_stacks *stacks = &home->stacks;
    struct coro_stack **link = &stacks->free_private;
    while (*link != NULL && ((*link)->stack.sz < size || (*link)->stack.sz / 2 >= size))
        link = &(*link)->next_free;
    struct coro_stack *stack = *link;
    if (stack != NULL) {
        *link = stack->next_free;
        stacks->free_private_count--;
        stack->is_listed = false;
    } else {
        stack = stack_new(home, size, (unsigned)home->stats.private_stacks, true);
        if (stack == NULL)
            return NULL;
    }
    stack->is_used = true;
    return stack;
}

static struct coro_stack *add_shared(struct coro_home *home)
{
    struct coro_stacks *stacks = &home->stacks;
    if (stacks->count == stacks->capacity) {
        size_t capacity = stacks->capacity == 0 ? 16 : stacks->capacity * 2;
        struct coro_stack **shared =
            alloc_resize(stacks->shared, capacity * sizeof(*stacks->shared));
        if (shared == NULL)
            return NULL;
        stacks->shared = shared;
        stacks->capacity = capacity;
    }
    struct coro_stack *stack = stack_new(home, stacks->size, (unsigned)stacks->count, false);
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

struct coro_stack *stacks_choose(struct coro_home *home, size_t private_size)
{
    struct coro_stacks *stacks = &home->stacks;
    struct coro_stack *stack = NULL;
    if (private_size > 0 || ALWAYS_PRIVATE)
        return take_private(home, private_size > 0 ? private_size : stacks->size);
    while (stack == NULL && stacks->free_shared != NULL) {
        stack = stacks->free_shared;
        stacks->free_shared = stack->next_free;
        stack->is_listed = false;
        if (stack->stack.owner != NULL || stack->pins > 0)
            stack = NULL; /* somebody came back to it since */
    }
    if (stack == NULL && stacks->count < stacks->wanted)
        stack = add_shared(home);
    if (stack == NULL)
        stack = take_oldest(stacks);
    if (stack == NULL)
        stack = add_shared(home);
    return stack;
}

/* ---- the end of a coroutine, or of a loan ---------------------------------------- */

/* Let those who waited for the end of the loans go on, and say so if it took long. */
static void end_wait(struct coro_stack *stack)
{
    struct coro_home *home = stack->home;
    struct queue_node *node;
    uint64_t now_ns = clock_mono_ns();
    uint64_t waited_ns = now_ns - stack->waiting_since_ns;
    const aco_t *owner = stack->stack.owner;
    stat_set(&home->stats.blocked_ns, home->stats.blocked_ns + waited_ns);
    if (waited_ns > home->stats.blocked_ns_max)
        stat_set(&home->stats.blocked_ns_max, waited_ns);
    if (waited_ns > CORO_BLOCKED_NS_MAX &&
        (home->blocked_logged_ns == 0 || now_ns - home->blocked_logged_ns > CORO_BLOCKED_LOG_NS)) {
        home->blocked_logged_ns = now_ns;
        mtevL(mtev_notice,
              "coroutine %s lent its locals for %" PRIu64 " ms while %u others waited for its "
              "stack; start it with eventer_aco_start_private(), or lend memory of the heap\n",
              owner == NULL ? "(ended)" : coro_site_name(list_entry(owner, struct coro, co)->site),
              waited_ns / 1000000, stack->waiting_count);
    }
    stack->waiting_count = 0;
    while ((node = queue_take(&stack->waiting)) != NULL)
        coro_make_ready(list_entry(node, struct coro, link));
}

static void recycle(struct coro_stack *stack)
{
    struct coro_stacks *stacks = &stack->home->stacks;
    assert(stack->pins == 0);
    if (!queue_is_empty(&stack->waiting))
        end_wait(stack);
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

void stacks_release(struct coro_stack *stack)
{
    stack->is_used = false;
    if (stack->pins == 0)
        recycle(stack);
}

void stacks_pin(struct coro_stack *stack)
{
    struct eventer_aco_stats *stats = &stack->home->stats;
    stack->pins++;
    stat_set(&stats->loans, stats->loans + 1);
}

void stacks_unpin(struct coro_stack *stack)
{
    assert(stack->pins > 0);
    stack->pins--;
    if (stack->pins > 0)
        return;
    if (stack->stack.owner != NULL && stack->stack.owner->state_ == CORO_PARKED)
        stacks_protect(stack);
    recycle(stack);
}

void stacks_await(struct coro_stack *stack, struct coro *co)
{
    struct eventer_aco_stats *stats = &stack->home->stats;
    stat_set(&stats->blocked, stats->blocked + 1);
    if (queue_is_empty(&stack->waiting))
        stack->waiting_since_ns = clock_mono_ns();
    stack->waiting_count++;
    queue_put(&stack->waiting, &co->link);
}

/* ---- unused pages ---------------------------------------------------------------- */

/* Give back what lies deeper than the frames that stand there, if a page of it is resident. */
static void trim(struct coro_stack *stack)
{
    unsigned char resident[TRIM_PAGES_MAX];
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const aco_t *owner = stack->stack.owner;
    const char *used = owner == NULL ? stack->stack.top : owner->sp;
    char *base = stack->stack.base;
    if (stack->pins > 0 || (size_t)(used - base) <= CORO_TRIM_KEPT + page)
        return;
    size_t size = ((size_t)(used - base) - CORO_TRIM_KEPT) & ~(page - 1);
    for (size_t at = 0; at < size; at += TRIM_PAGES_MAX * page) {
        size_t len = MIN(size - at, TRIM_PAGES_MAX * page);
        if (mincore(base + at, len, resident) != 0)
            return;
        if (memchr(resident, 1, len / page) != NULL)
            madvise(base + at, len, MADV_DONTNEED);
    }
}

void stacks_trim(struct coro_stacks *stacks)
{
    for (size_t i = 0; i < stacks->count; i++)
        trim(stacks->shared[i]);
    for (struct coro_stack *stack = stacks->free_private; stack != NULL; stack = stack->next_free)
        trim(stack);
}

/* ---- for debugging --------------------------------------------------------------- */

#ifdef ACO_DEBUG_STACKS

void stacks_protect(struct coro_stack *stack)
{
    if (stack->pins == 0 && stack->stack.owner != NULL)
        mprotect(stack->stack.base, stack->stack.sz, PROT_NONE);
}

void stacks_unprotect(struct coro_stack *stack)
{
    mprotect(stack->stack.base, stack->stack.sz, PROT_READ | PROT_WRITE);
}

#endif
