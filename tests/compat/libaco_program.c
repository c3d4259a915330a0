/* SPDX-License-Identifier: MIT */
/*
 * Goal: a program that was written for libaco 1.2 compiles, as C11 and as C++17, and runs.
 * Method: use each call, macro and field that its manual names, and fail if one does something
 * else. Everything here is what such a program may write: nothing ends in an underscore.
 */
#include <aco/aco.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if ACO_VERSION_MAJOR != 1 || ACO_VERSION_MINOR != 2
#error "another interface"
#endif

#define ROUND_COUNT 5

static uint32_t slot, other_slot;

struct trip {
    aco_t *self;
    aco_share_stack_t *stack;
    const char *name;
    int round;
};

static void check_place(const struct trip *trip)
{
    aco_assert(aco_get_co() == trip->self);
    aco_assert(aco_co() == trip->self);
    aco_assert(aco_gtls_co == trip->self);
    aco_assert(aco_get_arg() == (const void *)trip);
    aco_assert(!aco_is_main_co(trip->self));
    aco_assert(trip->self->share_stack == trip->stack);
    aco_assert(trip->self->share_stack->owner == trip->self);
    aco_assert(trip->self->is_end == 0);
    aco_assert(aco_tls(trip->self, slot) == (void *)trip);
}

static void travel(void)
{
    struct trip *trip = (struct trip *)aco_get_arg();
    char name[200];
    aco_assertptr(trip);
    snprintf(name, sizeof(name), "%s on its own stack", trip->name);
    while (trip->round < ROUND_COUNT) {
        trip->round++;
        check_place(trip);
        if (trip->round % 2 == 0)
            aco_yield();
        else
            aco_yield1(aco_get_co());
        check_place(trip);
        aco_assert(strstr(name, trip->name) == name);
    }
    if (trip->name[0] == 'A')
        aco_exit();
    aco_exit1(trip->self);
}

static void last_word(void)
{
    fprintf(stderr, "a coroutine has returned\n");
    abort();
}

static aco_t *start(aco_t *main_co, aco_share_stack_t *stack, size_t save_size, struct trip *trip)
{
    aco_cofuncp_t function = travel;
    aco_t *co = aco_create(main_co, stack, save_size, function, trip);
    aco_assertalloc_ptr(co);
    aco_assert(co->arg == trip && co->fp == function && !co->is_end);
    trip->self = co;
    trip->stack = stack;
    aco_tls(co, slot) = trip;
    aco_tls(co, other_slot) = NULL;
    return co;
}

static void check_counters(const aco_t *co, int saves)
{
    aco_assert((int)co->save_stack.ct_save == saves);
    aco_assert((int)co->save_stack.ct_restore == saves);
    aco_assert((saves == 0) == (co->save_stack.max_cpsz == 0));
    aco_assert(co->save_stack.valid_sz <= co->save_stack.max_cpsz);
    if (saves > 0)
        aco_assert(co->save_stack.valid_sz > 200 && co->save_stack.sz >= co->save_stack.valid_sz);
}

int main(void)
{
    struct trip a = {NULL, NULL, "Anna", 0}, b = {NULL, NULL, "Bert", 0},
                c = {NULL, NULL, "Cleo", 0};
    aco_thread_init(last_word);
    slot = aco_tls_assign_idx();
    other_slot = aco_tls_assign_idx();
    aco_assert(slot != other_slot && slot < MAX_TLS_ENTRIES && other_slot < MAX_TLS_ENTRIES);

    aco_t *main_co = aco_create(NULL, NULL, 0, NULL, NULL);
    aco_assertalloc_bool(main_co != NULL);
    aco_assert(aco_is_main_co(main_co) && aco_get_co() == main_co);
    aco_share_stack_t *stack = aco_share_stack_new(0);
    aco_share_stack_t *unguarded = aco_share_stack_new2(64 * 1024, 0);
    aco_assertptr(stack);
    aco_assertptr(unguarded);

    start(main_co, stack, 0, &a);
    start(main_co, stack, 64, &b);
    start(main_co, unguarded, 0, &c);
    while (aco_likely(!a.self->is_end) || aco_unlikely(!b.self->is_end)) {
        aco_resume(a.self);
        aco_resume(b.self);
        aco_resume(c.self);
    }
    aco_assert(a.self->is_end && b.self->is_end && c.self->is_end);
    aco_assert(a.round == ROUND_COUNT && b.round == ROUND_COUNT && c.round == ROUND_COUNT);
    check_counters(a.self, ROUND_COUNT);
    check_counters(b.self, ROUND_COUNT);
    check_counters(c.self, 0); /* nobody else needed its stack */

    aco_destroy(a.self);
    aco_destroy(b.self);
    aco_destroy(c.self);
    aco_share_stack_destroy(stack);
    aco_share_stack_destroy(unguarded);
    aco_destroy(main_co);
    return 0;
}
