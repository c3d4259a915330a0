/* SPDX-License-Identifier: MIT */
/*
 * Goal: coroutines on shared stacks keep their locals, their order and their save areas right,
 * and a misuse that leaves no way on ends the process with a message.
 * Method: run them against a plain model, with locals that are checked after every yield; look
 * at the counters of their save areas; do the misuse in a child.
 */
#include "dies.h"
#include "harness.h"

#include "aco/core.h"
#include "base/alloc.h"

#include <errno.h>

static aco_t *main_co;
static aco_share_stack_t *stack;

static int begin(void **state)
{
    aco_thread_init(NULL);
    main_co = aco_create(NULL, NULL, 0, NULL, NULL);
    stack = aco_share_stack_new(0);
    return main_co == NULL || stack == NULL;
}

static int end(void **state)
{
    stack->owner = NULL; /* of a test that failed half-way */
    aco_share_stack_destroy(stack);
    aco_destroy(main_co);
    assert_null(aco_gtls_co);
    return 0;
}

static aco_t *make(aco_cofuncp_t fp, void *arg)
{
    aco_t *co = aco_create(main_co, stack, 0, fp, arg);
    assert_non_null(co);
    return co;
}

/* ---- one at a time --------------------------------------------------------------- */

struct trace {
    int steps;
    aco_t *seen;
    void *arg;
};

static void take_two_steps(void)
{
    struct trace *trace = aco_get_arg();
    trace->seen = aco_get_co();
    trace->arg = aco_get_arg();
    trace->steps = 1;
    aco_yield();
    trace->steps = 2;
    aco_exit();
}

static void a_coroutine_runs_to_its_yield_and_then_to_its_end(void **state)
{
    struct trace trace = {0};
    aco_t *co = make(take_two_steps, &trace);
    assert_int_equal(trace.steps, 0);
    assert_false(aco_is_main_co(co));
    assert_true(aco_is_main_co(main_co));
    aco_resume(co);
    assert_int_equal(trace.steps, 1);
    assert_ptr_equal(trace.seen, co);
    assert_ptr_equal(trace.arg, &trace);
    assert_false(co->is_end);
    assert_ptr_equal(aco_get_co(), main_co);
    aco_resume(co);
    assert_int_equal(trace.steps, 2);
    assert_true(co->is_end);
    assert_null(stack->owner);
    aco_destroy(co);
}

/* Call exit_now() some frames further down. */
static __attribute__((noinline)) void leave_from(unsigned depth, void (*exit_now)(void))
{
    volatile char frame[64];
    frame[0] = (char)depth;
    if (depth == 0)
        exit_now();
    else
        leave_from(depth - 1, exit_now);
    frame[1] = frame[0]; /* keeps the call above from being the last thing done */
}

static void exit_here(void)
{
    aco_exit();
}

static void leave(void)
{
    leave_from(10, exit_here);
}

static void exit_from_nested_frames_ends_the_coroutine(void **state)
{
    aco_t *co = make(leave, NULL);
    aco_resume(co);
    assert_true(co->is_end);
    aco_destroy(co);
}

static void yield_for_ever(void)
{
    for (;;)
        aco_yield();
}

static void a_parked_coroutine_can_be_destroyed(void **state)
{
    aco_t *owner = make(yield_for_ever, NULL), *evicted = make(yield_for_ever, NULL);
    aco_resume(evicted);
    aco_resume(owner);
    assert_ptr_equal(stack->owner, owner);
    aco_destroy(evicted);
    aco_destroy(owner);
    assert_null(stack->owner);
    aco_destroy(NULL);
}

/* ---- the stack and the save area ------------------------------------------------- */

static void an_owner_stays_in_place_while_nobody_needs_its_stack(void **state)
{
    aco_t *co = make(yield_for_ever, NULL);
    for (unsigned i = 0; i < 100; i++)
        aco_resume(co);
    assert_ptr_equal(stack->owner, co);
    assert_int_equal(co->save_stack.ct_save, 0);
    assert_null(co->save_stack.ptr);
    aco_destroy(co);
}

static void a_coroutine_that_ends_unevicted_never_has_a_save_area(void **state)
{
    struct trace trace = {0};
    aco_t *co = make(take_two_steps, &trace);
    aco_resume(co);
    aco_resume(co);
    assert_null(co->save_stack.ptr);
    aco_destroy(co);
}

static __attribute__((noinline)) void yield_over(size_t depth)
{
    volatile char frame[512];
    __asm__ volatile("" : : "r"(frame) : "memory"); /* else only the byte in use is kept */
    frame[0] = (char)depth;
    if (depth == 0)
        aco_yield();
    else
        yield_over(depth - 1);
    if (frame[0] != (char)depth) /* cmocka's assertions must not jump off this stack */
        aco_die_("a local has changed", aco_get_co());
}

static void yield_low_and_high(void)
{
    for (;;) {
        yield_over(2);
        yield_over(40);
    }
}

/* Resume co and make another take its stack. */
static void run_and_evict(aco_t *co, aco_t *other)
{
    aco_resume(co);
    aco_resume(other);
    assert_ptr_equal(stack->owner, other);
}

static void a_save_area_grows_and_shrinks_to_what_is_live(void **state)
{
    aco_t *co = make(yield_low_and_high, NULL), *other = make(yield_for_ever, NULL);
    const aco_save_stack_t *save = &co->save_stack;
    run_and_evict(co, other);
    size_t low = save->valid_sz;
    assert_in_range(low, 2 * 512, 8 * 1024);
    assert_int_equal(save->sz, slab_round(low + SHADOW_SIZE(low)));
    run_and_evict(co, other);
    size_t high = save->valid_sz;
    assert_in_range(high, 40 * 512, 100 * 1024);
    assert_int_equal(save->sz, slab_round(high + SHADOW_SIZE(high)));
    run_and_evict(co, other);
    assert_int_equal(save->valid_sz, low);
    assert_int_equal(save->sz, slab_round(low + SHADOW_SIZE(low)));
    assert_int_equal(save->max_cpsz, high);
    assert_int_equal(save->ct_save, 3);
    assert_int_equal(save->ct_restore, 2);
    aco_destroy(co);
    aco_destroy(other);
}

static void a_save_area_asked_for_is_there_from_the_start(void **state)
{
    aco_t *co = aco_create(main_co, stack, 100, yield_for_ever, NULL);
    assert_non_null(co->save_stack.ptr);
    assert_int_equal(co->save_stack.sz, slab_round(100));
    aco_destroy(co);
}

static void without_memory_one_owner_is_moved_and_others_keep_their_stacks(void **state)
{
    aco_share_stack_t *second = aco_share_stack_new(0);
    aco_t *moved = make(yield_low_and_high, NULL), *other = make(yield_for_ever, NULL);
    aco_t *kept = aco_create(main_co, second, 0, yield_low_and_high, NULL);
    aco_t *late = aco_create(main_co, second, 0, yield_for_ever, NULL);
    aco_resume(moved);
    aco_resume(kept);
    alloc_fail_nth(1, 1);
    assert_int_equal(aco_take_stack_(other), 0);
    assert_int_equal(aco_take_stack_(late), -1);
    alloc_fail_nth(0, 0);
    assert_ptr_equal(second->owner, kept);
    assert_int_equal(moved->save_stack.sz, ACO_EMERGENCY_SIZE);
    aco_resume(kept);
    aco_resume(late); /* and later there is memory */
    aco_resume(kept);
    aco_resume(moved);
    aco_resume(other);
    assert_true(moved->save_stack.sz < ACO_EMERGENCY_SIZE);
    assert_false(aco_thread_of(main_co)->is_emergency);
    aco_destroy(moved);
    aco_destroy(other);
    aco_destroy(kept);
    aco_destroy(late);
    aco_share_stack_destroy(second);
}

static void without_memory_a_larger_area_than_needed_still_serves(void **state)
{
    aco_t *co = make(yield_low_and_high, NULL), *other = make(yield_for_ever, NULL);
    run_and_evict(co, other);
    run_and_evict(co, other); /* large now, and it is about to shrink */
    size_t large = co->save_stack.sz;
    aco_resume(co);
    alloc_fail_nth(1, 1);
    aco_resume(other);
    alloc_fail_nth(0, 0);
    assert_int_equal(co->save_stack.sz, large);
    assert_true(co->save_stack.valid_sz < large / 2);
    aco_resume(co);
    aco_destroy(co);
    aco_destroy(other);
}

/* ---- many, against a model ------------------------------------------------------- */

#define WORKER_COUNT      100
#define WORKER_STEPS_MAX  40
#define WORKER_DEPTH_MAX  9
#define SHARED_STACKS_MAX 5

struct worker {
    aco_t *co;
    uint32_t random;
    unsigned steps, steps_wanted;
    bool is_broken;
};

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525 + 1013904223; /* Knuth's LCG; the seeds are fixed */
    return *state >> 8;
}

static __attribute__((noinline)) void step(struct worker *self, unsigned depth)
{
    volatile uint32_t locals[24];
    uint32_t first = next_random(&self->random);
    for (unsigned i = 0; i < 24; i++)
        locals[i] = first + i * depth;
    if (depth == 0) {
        self->steps++;
        aco_yield();
    } else {
        step(self, depth - 1);
    }
    for (unsigned i = 0; i < 24; i++)
        if (locals[i] != first + i * depth)
            self->is_broken = true;
}

static void work(void)
{
    struct worker *self = aco_get_arg();
    while (self->steps < self->steps_wanted)
        step(self, next_random(&self->random) % (WORKER_DEPTH_MAX + 1));
    aco_exit();
}

static void run_workers(unsigned stack_count, uint32_t seed)
{
    static struct worker workers[WORKER_COUNT];
    aco_share_stack_t *stacks[SHARED_STACKS_MAX];
    unsigned alive = WORKER_COUNT;
    for (unsigned i = 0; i < stack_count; i++)
        stacks[i] = aco_share_stack_new(0);
    for (unsigned i = 0; i < WORKER_COUNT; i++) {
        workers[i] = (struct worker){.random = seed + i,
                                     .steps_wanted = 1 + next_random(&seed) % WORKER_STEPS_MAX};
        workers[i].co = aco_create(main_co, stacks[i % stack_count], 0, work, &workers[i]);
        assert_non_null(workers[i].co);
    }
    while (alive > 0) {
        struct worker *worker = &workers[next_random(&seed) % WORKER_COUNT];
        unsigned before = worker->steps;
        if (worker->co == NULL)
            continue;
        aco_resume(worker->co);
        assert_false(worker->is_broken);
        assert_int_equal(worker->co->is_end, before == worker->steps_wanted);
        assert_int_equal(worker->steps, before + !worker->co->is_end);
        if (worker->co->is_end) {
            aco_destroy(worker->co);
            worker->co = NULL;
            alive--;
        }
    }
    for (unsigned i = 0; i < stack_count; i++)
        aco_share_stack_destroy(stacks[i]);
}

static void locals_survive_in_any_order_on_any_number_of_stacks(void **state)
{
    for (unsigned stack_count = 1; stack_count <= SHARED_STACKS_MAX; stack_count++)
        run_workers(stack_count, 20260101 + stack_count);
}

/* ---- slots ----------------------------------------------------------------------- */

static void each_coroutine_has_its_own_slots(void **state)
{
    uint32_t idx = aco_tls_assign_idx(), other_idx = aco_tls_assign_idx();
    aco_t *a = make(yield_for_ever, NULL), *b = make(yield_for_ever, NULL);
    assert_true(idx != other_idx && idx < MAX_TLS_ENTRIES && other_idx < MAX_TLS_ENTRIES);
    assert_null(aco_tls(a, idx));
    aco_tls(a, idx) = a;
    aco_tls(a, other_idx) = &idx;
    assert_null(aco_tls(b, idx));
    assert_ptr_equal(aco_tls(a, idx), a);
    assert_ptr_equal(aco_tls(a, other_idx), &idx);
    aco_tls(main_co, idx) = main_co;
    assert_ptr_equal(aco_tls(main_co, idx), main_co);
    aco_destroy(a);
    aco_destroy(b);
}

static void assign_slots_to_the_limit(void)
{
    while (aco_tls_assign_idx() < MAX_TLS_ENTRIES - 1)
        ;
}

static void assign_a_slot_too_many(void)
{
    assign_slots_to_the_limit();
    aco_tls_assign_idx();
}

static void use_a_slot_past_the_last(void)
{
    aco_tls_slot_(main_co, MAX_TLS_ENTRIES);
}

static void slots_end_at_their_limit(void **state)
{
    assert_dies(assign_slots_to_the_limit, 0, "");
    assert_dies(assign_a_slot_too_many, SIGABRT, "all slots are assigned");
    assert_non_null(aco_tls_slot_(main_co, MAX_TLS_ENTRIES - 1));
    assert_dies(use_a_slot_past_the_last, SIGABRT, "no such slot");
}

/* ---- what is refused ------------------------------------------------------------- */

static void create_and_destroy(void *closure)
{
    struct trace trace = {0};
    aco_t *co = aco_create(main_co, stack, *(size_t *)closure, take_two_steps, &trace);
    if (co == NULL) {
        assert_int_equal(errno, ENOMEM);
        return;
    }
    aco_resume(co);
    assert_int_equal(trace.steps, 1);
    aco_destroy(co);
}

static void a_coroutine_that_cannot_be_made_leaves_nothing(void **state)
{
    size_t save_stack_sz[] = {0, 4096};
    harness_fail_each_allocation(create_and_destroy, &save_stack_sz[0]);
    harness_fail_each_allocation(create_and_destroy, &save_stack_sz[1]);
}

static void a_missing_stack_or_function_is_refused(void **state)
{
    assert_null(aco_create(main_co, NULL, 0, yield_for_ever, NULL));
    assert_int_equal(errno, EINVAL);
    errno = 0;
    assert_null(aco_create(main_co, stack, 0, NULL, NULL));
    assert_int_equal(errno, EINVAL);
}

static void come_back(void)
{
}

static void say_last_word(void)
{
    fprintf(stderr, "[last word]");
}

static void run_one_that_returns(void)
{
    aco_thread_init(say_last_word);
    aco_resume(make(come_back, NULL));
}

static void yield_in_main(void)
{
    aco_yield();
}

static void exit_in_main(void)
{
    aco_exit();
}

static void resume_another(void)
{
    aco_resume(aco_get_arg());
}

static void resume_inside_a_coroutine(void)
{
    aco_resume(make(resume_another, make(yield_for_ever, NULL)));
}

static void resume_one_that_ended(void)
{
    aco_t *co = make(leave, NULL);
    aco_resume(co);
    aco_resume(co);
}

static void resume_main(void)
{
    aco_resume(main_co);
}

static void destroy_itself(void)
{
    aco_destroy(aco_get_co());
}

static void run_one_that_destroys_itself(void)
{
    aco_resume(make(destroy_itself, NULL));
}

static void resume_without_memory(void)
{
    aco_resume(make(yield_for_ever, NULL));
    aco_t *other = make(yield_for_ever, NULL);
    aco_thread_of(main_co)->is_emergency = true; /* somebody has it */
    alloc_fail_nth(1, 1);
    aco_resume(other);
}

static void misuse_ends_the_process_with_a_message(void **state)
{
    const char resume[] = "aco_resume: only the main coroutine resumes, and only one that can run";
    assert_dies(run_one_that_returns, SIGABRT, "[last word]");
    assert_dies(run_one_that_returns, SIGABRT,
                "a coroutine's function returned instead of calling aco_exit() (coroutine 0x");
    assert_dies(yield_in_main, SIGABRT, "aco_yield: the main coroutine has nowhere to yield to");
    assert_dies(exit_in_main, SIGABRT, "aco_exit: called outside a coroutine");
    assert_dies(resume_inside_a_coroutine, SIGABRT, resume);
    assert_dies(resume_one_that_ended, SIGABRT, resume);
    assert_dies(resume_main, SIGABRT, resume);
    assert_dies(run_one_that_destroys_itself, SIGABRT, "cannot free itself while it runs");
    assert_dies(resume_without_memory, SIGABRT, "no memory to save the stack's owner");
}

#define with_stack(test) cmocka_unit_test_setup_teardown(test, begin, end)

static const struct CMUnitTest tests[] = {
    with_stack(a_coroutine_runs_to_its_yield_and_then_to_its_end),
    with_stack(exit_from_nested_frames_ends_the_coroutine),
    with_stack(a_parked_coroutine_can_be_destroyed),
    with_stack(an_owner_stays_in_place_while_nobody_needs_its_stack),
    with_stack(a_coroutine_that_ends_unevicted_never_has_a_save_area),
    with_stack(a_save_area_grows_and_shrinks_to_what_is_live),
    with_stack(a_save_area_asked_for_is_there_from_the_start),
    with_stack(without_memory_one_owner_is_moved_and_others_keep_their_stacks),
    with_stack(without_memory_a_larger_area_than_needed_still_serves),
    with_stack(locals_survive_in_any_order_on_any_number_of_stacks),
    with_stack(each_coroutine_has_its_own_slots),
    with_stack(slots_end_at_their_limit),
    with_stack(a_coroutine_that_cannot_be_made_leaves_nothing),
    with_stack(a_missing_stack_or_function_is_refused),
    with_stack(misuse_ends_the_process_with_a_message),
};
HARNESS_MAIN(tests)
