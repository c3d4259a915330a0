/* SPDX-License-Identifier: MIT */
/*
 * Goal: a stack has the size asked for, a guard that faults, limits, and is not executable.
 * Method: map stacks and look; touch what must not be touched in a child and see it die.
 */
#include "dies.h"
#include "harness.h"

#include "aco/core.h"
#include "base/alloc.h"

#include <errno.h>
#include <link.h>

static aco_share_stack_t *stack;
static aco_t *main_co;

static int make_stack(void **state)
{
    aco_thread_init(NULL);
    main_co = aco_create(NULL, NULL, 0, NULL, NULL);
    stack = aco_share_stack_new(ACO_STACK_SIZE_MIN);
    return main_co == NULL || stack == NULL;
}

static int free_stack(void **state)
{
    aco_share_stack_destroy(stack);
    aco_destroy(main_co);
    return 0;
}

static void touch(char *at)
{
    *(volatile char *)at = 'x';
}

static void every_byte_of_a_stack_can_be_used(void **state)
{
    for (char *at = stack->base; at < stack->base + stack->sz; at++)
        touch(at);
    assert_int_equal((uintptr_t)stack->top % 16, 0);
    assert_true(stack->top <= stack->base + stack->sz);
    assert_true(aco_stack_has(stack, stack->base));
    assert_true(aco_stack_has(stack, stack->base + stack->sz - 1));
    assert_false(aco_stack_has(stack, stack->base - 1));
    assert_false(aco_stack_has(stack, stack->base + stack->sz));
}

static void touch_below(void)
{
    touch(stack->base - 1);
}

static void touch_lowest_of_guard(void)
{
    touch(stack->base - ACO_GUARD_SIZE);
}

static __attribute__((noinline)) unsigned sink_down(unsigned depth)
{
    volatile char frame[512];
    frame[depth % sizeof(frame)] = (char)depth;
    return depth > 1000000 ? 0 : sink_down(depth + 1) + (unsigned char)frame[0];
}

static void sink(void)
{
    sink_down(0);
    aco_exit();
}

static void overflow_it(void)
{
    aco_resume(aco_create(main_co, stack, 0, sink, NULL));
}

static void a_touch_of_the_guard_faults(void **state)
{
    assert_dies(touch_below, SIGSEGV, "");
    assert_dies(touch_lowest_of_guard, SIGSEGV, "");
}

static void a_coroutine_that_overflows_its_stack_faults(void **state)
{
    assert_dies(overflow_it, SIGSEGV, "");
}

static void a_stack_without_guard_is_smaller_by_it(void **state)
{
    aco_share_stack_t *bare = aco_share_stack_new2(ACO_STACK_SIZE_MIN, 0);
    assert_non_null(bare);
    assert_int_equal(bare->mapping_size, bare->sz);
    assert_int_equal(stack->mapping_size, stack->sz + ACO_GUARD_SIZE);
    assert_ptr_equal(bare->mapping, bare->base);
    aco_share_stack_destroy(bare);
}

static size_t size_of(size_t asked)
{
    aco_share_stack_t made = {0};
    assert_int_equal(aco_stack_map(&made, asked, 0, true), 0);
    size_t size = made.sz;
    aco_stack_unmap(&made);
    return size;
}

static void sizes_are_rounded_up_within_their_limits(void **state)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    assert_int_equal(size_of(0), ACO_STACK_SIZE_MIN);
    assert_int_equal(size_of(1), ACO_STACK_SIZE_MIN);
    assert_int_equal(size_of(ACO_STACK_SIZE_MIN - 1), ACO_STACK_SIZE_MIN);
    assert_int_equal(size_of(ACO_STACK_SIZE_MIN), ACO_STACK_SIZE_MIN);
    assert_int_equal(size_of(ACO_STACK_SIZE_MIN + 1), ACO_STACK_SIZE_MIN + page);
    assert_int_equal(size_of(ACO_STACK_SIZE_MAX - 1), ACO_STACK_SIZE_MAX);
    assert_int_equal(size_of(ACO_STACK_SIZE_MAX), ACO_STACK_SIZE_MAX);
    errno = 0;
    assert_null(aco_share_stack_new(ACO_STACK_SIZE_MAX + 1));
    assert_int_equal(errno, ENOMEM);
    assert_null(aco_share_stack_new(SIZE_MAX));
    aco_share_stack_t *usual = aco_share_stack_new(0);
    assert_true(usual->top - usual->base >= 2 * 1024 * 1024);
    aco_share_stack_destroy(usual);
}

/* Two stacks whose tops lie in the same line of the same page share cache sets at every depth. */
static void a_colour_moves_the_top_and_leaves_the_size(void **state)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uint64_t lines_seen = 0;
    uintptr_t lowered_max = 0;
    for (unsigned colour = 0; colour < ACO_STACK_COLOUR_MAX; colour++) {
        aco_share_stack_t coloured = {0};
        assert_int_equal(aco_stack_map(&coloured, ACO_STACK_SIZE_MIN, colour, true), 0);
        uintptr_t lowered = (uintptr_t)(coloured.base + coloured.sz - coloured.top);
        assert_int_equal((uintptr_t)coloured.top % 64, 0);
        assert_true((size_t)(coloured.top - coloured.base) >= ACO_STACK_SIZE_MIN);
        lines_seen |= UINT64_C(1) << (uintptr_t)coloured.top % page / 64 % 64;
        lowered_max = MAX(lowered_max, lowered);
        aco_stack_unmap(&coloured);
        assert_null(coloured.mapping);
        aco_stack_unmap(&coloured); /* nothing is left to do */
    }
    assert_int_equal(lines_seen, UINT64_MAX);
    assert_true(lowered_max >= 14 * page);
}

static void make_and_free(void *closure)
{
    aco_share_stack_destroy(aco_share_stack_new(0));
}

static void a_stack_that_cannot_be_made_leaves_nothing(void **state)
{
    harness_fail_each_allocation(make_and_free, NULL);
    alloc_fail_nth(1, 0);
    errno = 0;
    assert_null(aco_share_stack_new(0));
    alloc_fail_nth(0, 0);
    assert_int_equal(errno, ENOMEM);
}

static int look_for_executable_stack(struct dl_phdr_info *info, size_t size, void *closure)
{
    unsigned *found = closure;
    for (unsigned i = 0; i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_type == PT_GNU_STACK)
            *found += (info->dlpi_phdr[i].p_flags & PF_X) != 0 ? 1000 : 1;
    return 0;
}

/* The linker asks for an executable stack as soon as one object does not say that it needs none. */
static void a_program_with_coroutines_has_no_executable_stack(void **state)
{
    unsigned found = 0;
    dl_iterate_phdr(look_for_executable_stack, &found);
    assert_in_range(found, 1, 999);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(every_byte_of_a_stack_can_be_used, make_stack, free_stack),
    cmocka_unit_test_setup_teardown(a_touch_of_the_guard_faults, make_stack, free_stack),
    cmocka_unit_test_setup_teardown(a_coroutine_that_overflows_its_stack_faults, make_stack,
                                    free_stack),
    cmocka_unit_test_setup_teardown(a_stack_without_guard_is_smaller_by_it, make_stack, free_stack),
    cmocka_unit_test(sizes_are_rounded_up_within_their_limits),
    cmocka_unit_test(a_colour_moves_the_top_and_leaves_the_size),
    cmocka_unit_test(a_stack_that_cannot_be_made_leaves_nothing),
    cmocka_unit_test(a_program_with_coroutines_has_no_executable_stack),
};
HARNESS_MAIN(tests)
