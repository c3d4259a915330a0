/* SPDX-License-Identifier: MIT */
#include "aco/core.h"
#include "base/alloc.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

#define STACK_SIZE_DEFAULT ((size_t)2 * 1024 * 1024)
#define CACHE_LINE         64

int aco_stack_map(aco_share_stack_t *stack, size_t size, unsigned colour, bool guard)
{
    assert(colour < ACO_STACK_COLOUR_MAX);
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    if (size < ACO_STACK_SIZE_MIN)
        size = ACO_STACK_SIZE_MIN;
    if (size > ACO_STACK_SIZE_MAX)
        return -ENOMEM;
    /* Other lines in a page, and other pages: a stack is used over a few lines of one page. */
    const size_t lowered = colour * 17 % 64 * CACHE_LINE + colour % 15 * page;
    size = (size + lowered + page - 1) & ~(page - 1);
    size_t guard_size = guard ? ACO_GUARD_SIZE : 0;

    char *mapping = mmap(NULL, guard_size + size, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (mapping == MAP_FAILED)
        return -ENOMEM;
    if (guard && mprotect(mapping, guard_size, PROT_NONE) != 0) {
        munmap(mapping, guard_size + size);
        return -ENOMEM;
    }
    *stack = (aco_share_stack_t){
        .top = mapping + guard_size + size - lowered,
        .base = mapping + guard_size,
        .sz = size,
        .mapping = mapping,
        .mapping_size = guard_size + size,
    };
    fiber_stack_new(stack);
    return 0;
}

void aco_stack_unmap(aco_share_stack_t *stack)
{
    if (stack->mapping == NULL)
        return;
    fiber_stack_free(stack);
    munmap(stack->mapping, stack->mapping_size);
    *stack = (aco_share_stack_t){0};
}

aco_share_stack_t *aco_share_stack_new(size_t sz)
{
    return aco_share_stack_new2(sz, 1);
}

aco_share_stack_t *aco_share_stack_new2(size_t sz, char guard)
{
    aco_share_stack_t *stack = alloc_zeroed(1, sizeof(*stack));
    if (stack == NULL)
        return NULL;
    static _Atomic unsigned next_colour;
    unsigned colour = atomic_fetch_add(&next_colour, 1) % ACO_STACK_COLOUR_MAX;
    int err = aco_stack_map(stack, sz == 0 ? STACK_SIZE_DEFAULT : sz, colour, guard != 0);
    if (err != 0) {
        alloc_free(stack);
        errno = -err;
        return NULL;
    }
    return stack;
}

void aco_share_stack_destroy(aco_share_stack_t *sstk)
{
    if (sstk == NULL)
        return;
    assert(sstk->owner == NULL);
    aco_stack_unmap(sstk);
    alloc_free(sstk);
}
