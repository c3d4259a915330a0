/* SPDX-License-Identifier: MIT */
/*
 * Goal: whatever is done to coroutines, in whatever order, each goes on where it was, with its
 * locals as they were, and is moved when and only when another needs its stack.
 * Method: random operations beside a plain model that knows who stands on each stack, how often
 * each was moved away and back, and what it does next; locals are checked after every resume.
 * RANDOM_SEED in the environment repeats a run.
 */
#include "canary.h"
#include "harness.h"
#include "random.h"
#include "tools.h"

#include "aco/core.h"
#include "base/alloc.h"

#include <errno.h>

#define OPERATION_COUNT (1000000 / TOOLS_SLOWNESS)
#define ACTOR_COUNT     200
#define STACKS_MAX      6
#define DEPTH_MAX       12
#define STEPS_MAX       30

struct actor { /* a coroutine, and what is known of it */
    aco_t *co; /* NULL: there is none */
    unsigned stack;
    uint32_t seed;
    unsigned steps, steps_wanted;
    unsigned broken;
    bool has_run;
    uint32_t saves, restores;
    uint32_t live; /* bytes at its last yield */
};

static struct actor actors[ACTOR_COUNT];
static aco_t *main_co;
static aco_share_stack_t *stacks[STACKS_MAX];
static struct actor *owners[STACKS_MAX]; /* by the model */
static unsigned stack_count;
static uint32_t slot;

/* ---- what a coroutine does ------------------------------------------------------- */

static void yield_or_exit(void *closure)
{
    struct actor *self = closure;
    self->steps++;
    if (self->steps == self->steps_wanted)
        aco_exit();
    aco_yield();
}

static void act(void)
{
    struct actor *self = aco_get_arg();
    for (;;) {
        uint32_t seed = random_next(&self->seed);
        self->broken += canary_call(seed % (DEPTH_MAX + 1), seed, yield_or_exit, self);
        self->broken += aco_get_co() != self->co || aco_get_arg() != self;
    }
}

/* ---- what is done to it, here and in the model ----------------------------------- */

static void create(struct actor *actor, uint32_t *seed)
{
    *actor = (struct actor){.stack = random_below(seed, stack_count),
                            .seed = random_next(seed),
                            .steps_wanted = 1 + random_below(seed, STEPS_MAX)};
    size_t area = random_below(seed, 4) == 0 ? 1 + random_below(seed, 4000) : 0;
    actor->co = aco_create(main_co, stacks[actor->stack], area, act, actor);
    assert_non_null(actor->co);
    assert_null(actor->co->sp);
    assert_false(actor->co->is_end);
    assert_int_equal(actor->co->save_stack.sz, area == 0 ? 0 : slab_round(area));
}

/* It is about to own its stack: whoever does now is moved, and it is moved back. */
static void model_take(struct actor *actor)
{
    struct actor **owner = &owners[actor->stack];
    if (*owner == actor)
        return;
    if (*owner != NULL)
        (*owner)->saves++;
    if (actor->has_run)
        actor->restores++;
    *owner = actor;
}

static void check_counters(const struct actor *actor)
{
    const aco_save_stack_t *save = &actor->co->save_stack;
    const aco_share_stack_t *stack = stacks[actor->stack];
    assert_int_equal(save->ct_save, actor->saves);
    assert_int_equal(save->ct_restore, actor->restores);
    assert_true(save->valid_sz <= save->max_cpsz);
    assert_true(save->valid_sz + SHADOW_SIZE(save->valid_sz) <= save->sz || save->sz == 0);
    assert_ptr_equal(stack->owner, owners[actor->stack] == NULL ? NULL : owners[actor->stack]->co);
    if (owners[actor->stack] != actor && actor->has_run && !actor->co->is_end)
        assert_int_equal(save->valid_sz, actor->live);
}

static void resume(struct actor *actor)
{
    unsigned steps = actor->steps;
    model_take(actor);
    aco_resume(actor->co);
    actor->has_run = true;
    assert_int_equal(actor->broken, 0);
    assert_int_equal(actor->steps, steps + 1);
    assert_int_equal(actor->co->is_end, actor->steps == actor->steps_wanted);
    assert_ptr_equal(aco_get_co(), main_co);
    if (actor->co->is_end)
        owners[actor->stack] = NULL;
    else
        actor->live = (uint32_t)(stacks[actor->stack]->top - (char *)actor->co->sp);
    check_counters(actor);
}

static void destroy(struct actor *actor)
{
    aco_destroy(actor->co);
    if (owners[actor->stack] == actor)
        owners[actor->stack] = NULL;
    assert_ptr_equal(stacks[actor->stack]->owner,
                     owners[actor->stack] == NULL ? NULL : owners[actor->stack]->co);
    actor->co = NULL;
}

/* Try to have it take its stack while there is no memory; later it can. */
static void take_without_memory(struct actor *actor)
{
    struct actor *owner = owners[actor->stack];
    alloc_fail_nth(1, 1);
    errno = 0;
    int result = aco_take_stack_(actor->co);
    alloc_fail_nth(0, 0);
    if (result == 0) {
        model_take(actor);
    } else {
        assert_int_equal(errno, ENOMEM);
        assert_non_null(owner);
    }
    check_counters(actor);
    if (owner != NULL && owner->co != NULL)
        check_counters(owner);
    if (result == 0)
        resume(actor);
}

static void use_slot(struct actor *actor)
{
    void **value = &aco_tls(actor->co, slot);
    assert_true(*value == NULL || *value == actor);
    *value = actor;
}

static void operate(uint32_t *seed)
{
    struct actor *actor = &actors[random_below(seed, ACTOR_COUNT)];
    uint32_t choice = random_below(seed, 100);
    if (actor->co == NULL)
        create(actor, seed);
    else if (actor->co->is_end || choice < 2)
        destroy(actor);
    else if (choice < 4)
        use_slot(actor);
    else if (choice < 6 && owners[actor->stack] != actor)
        take_without_memory(actor);
    else
        resume(actor);
}

/* ---- the runs -------------------------------------------------------------------- */

static void run(unsigned count)
{
    uint32_t seed = random_seed();
    main_co = aco_create(NULL, NULL, 0, NULL, NULL);
    assert_non_null(main_co);
    stack_count = count;
    for (unsigned i = 0; i < count; i++) {
        owners[i] = NULL;
        stacks[i] = aco_share_stack_new(0);
        assert_non_null(stacks[i]);
    }
    for (unsigned i = 0; i < OPERATION_COUNT / 3; i++)
        operate(&seed);
    for (unsigned i = 0; i < ACTOR_COUNT; i++)
        if (actors[i].co != NULL)
            destroy(&actors[i]);
    assert_false(aco_thread_of(main_co)->is_emergency);
    for (unsigned i = 0; i < count; i++)
        aco_share_stack_destroy(stacks[i]);
    aco_destroy(main_co);
}

static void any_operations_on_one_stack_match_the_model(void **state)
{
    run(1);
}

static void any_operations_on_two_stacks_match_the_model(void **state)
{
    run(2);
}

static void any_operations_on_many_stacks_match_the_model(void **state)
{
    run(STACKS_MAX);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(any_operations_on_one_stack_match_the_model),
    cmocka_unit_test(any_operations_on_two_stacks_match_the_model),
    cmocka_unit_test(any_operations_on_many_stacks_match_the_model),
};

int main(void)
{
    aco_thread_init(NULL);
    slot = aco_tls_assign_idx();
    return harness_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]));
}
