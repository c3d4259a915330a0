/* SPDX-License-Identifier: MIT */
/*
 * Goal: a switch keeps what a function call keeps, and the floating-point control words belong to
 * the thread or to the coroutine as the library was built; a fresh coroutine finds its stack
 * aligned; a thread with a shadow stack gets no coroutines.
 * Method: hold more values than there are registers over switches, between coroutines that hold
 * others; set a rounding mode here and look at it there; say that there is a shadow stack in place
 * of the function that asks the kernel.
 */
#include "harness.h"

#include "aco/entry_impl.h"

#include <errno.h>
#include <fenv.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool shadow_stack; /* what the kernel is made to say */

bool entry_has_shadow_stack(void)
{
    return shadow_stack;
}

static aco_t *main_co;
static aco_share_stack_t *stack;

static int begin(void **state)
{
    main_co = aco_create(NULL, NULL, 0, NULL, NULL);
    stack = aco_share_stack_new(0);
    return main_co == NULL || stack == NULL;
}

static int end(void **state)
{
    fesetround(FE_TONEAREST);
    aco_share_stack_destroy(stack);
    aco_destroy(main_co);
    return 0;
}

/* ---- registers ------------------------------------------------------------------- */

#define HELD_COUNT 20 /* more than any processor keeps over a call */

struct holder {
    uint64_t seed;
    void (*pause)(void);
    uint64_t sum;
    double product;
};

/* The values are kept wherever the compiler likes over each pause, registers first. */
static __attribute__((noinline)) void hold(struct holder *self)
{
    uint64_t seed = self->seed, a = seed * 3, b = seed * 5, c = seed * 7, d = seed * 11;
    uint64_t e = seed * 13, f = seed * 17, g = seed * 19, h = seed * 23, i = seed * 29,
             j = seed * 31;
    double s = (double)seed, t = s + 1, u = s + 2, v = s + 3, w = s + 4;
    double x = s + 5, y = s + 6, z = s + 7;
    for (unsigned round = 0; round < HELD_COUNT; round++) {
        __asm__ volatile("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d));
        __asm__ volatile("" : "+r"(e), "+r"(f), "+r"(g), "+r"(h), "+r"(i), "+r"(j));
        self->pause();
        self->sum += a + b + c + d + e + f + g + h + i + j;
        self->product += s * t - u * v + w * x - y * z;
    }
}

/* 3 + 5 + 7 + 11 + 13 + 17 + 19 + 23 + 29 + 31 = 158 */
static bool is_right(const struct holder *holder)
{
    double s = (double)holder->seed;
    double term = s * (s + 1) - (s + 2) * (s + 3) + (s + 4) * (s + 5) - (s + 6) * (s + 7);
    return holder->sum == HELD_COUNT * 158 * holder->seed && holder->product == HELD_COUNT * term;
}

static void yield_inline(void)
{
    aco_yield();
}

static void yield_out_of_line(void)
{
    aco_t *co = aco_get_co(), *home = co->share_stack->main_co_;
    aco_gtls_.co = home;
    aco_fiber_leave_(co, home);
    aco_swap_(&co->sp, aco_gtls_.main_sp);
    aco_fiber_arrive_(co);
}

static void hold_in_coroutine(void)
{
    hold(aco_get_arg());
    aco_exit();
}

static aco_t *held[2];

static void resume_both(void)
{
    aco_resume(held[0]);
    aco_resume(held[1]);
}

static void values_survive(void (*pause)(void))
{
    struct holder holders[3] = {{.seed = 1000003, .pause = pause},
                                {.seed = 7919, .pause = pause},
                                {.seed = 104729, .pause = resume_both}};
    for (unsigned i = 0; i < 2; i++) {
        held[i] = aco_create(main_co, stack, 0, hold_in_coroutine, &holders[i]);
        assert_non_null(held[i]);
    }
    hold(&holders[2]);
    resume_both(); /* to their ends */
    for (unsigned i = 0; i < 2; i++) {
        assert_true(held[i]->is_end);
        aco_destroy(held[i]);
    }
    for (unsigned i = 0; i < 3; i++)
        assert_true(is_right(&holders[i]));
}

static void values_survive_a_switch(void **state)
{
    values_survive(yield_inline);
}

static void values_survive_a_switch_out_of_line(void **state)
{
    values_survive(yield_out_of_line);
}

/* ---- the first frame ------------------------------------------------------------- */

static __attribute__((noinline)) void look_at_alignment(bool *is_aligned)
{
    _Alignas(16) volatile char bytes[16] = {0};
    uintptr_t at = (uintptr_t)bytes; /* the compiler must not know the answer */
    __asm__("" : "+r"(at));
    *is_aligned = at % 16 == 0 && bytes[0] == 0;
}

static void begin_aligned(void)
{
    char text[32]; /* the C library uses aligned instructions here if anywhere */
    snprintf(text, sizeof(text), "%g", 0.5);
    look_at_alignment(aco_get_arg());
    if (strcmp(text, "0.5") != 0)
        *(bool *)aco_get_arg() = false;
    aco_exit();
}

static void a_coroutine_begins_on_an_aligned_stack(void **state)
{
    for (unsigned colour = 0; colour < ACO_STACK_COLOUR_MAX; colour++) {
        aco_share_stack_t coloured;
        bool is_aligned = false;
        assert_int_equal(aco_stack_map(&coloured, ACO_STACK_SIZE_MIN, colour, true), 0);
        aco_t *co = aco_create(main_co, &coloured, 0, begin_aligned, &is_aligned);
        aco_resume(co);
        assert_true(is_aligned);
        aco_destroy(co);
        aco_stack_unmap(&coloured);
    }
}

/* ---- floating-point control words ------------------------------------------------ */

#ifdef ACO_FPU_CONTROL
#define SEEN_OUTSIDE(inside, outside) (outside)
#else
#define SEEN_OUTSIDE(inside, outside) (inside)
#endif

struct rounding {
    int first, set, after;
};

static void set_rounding(void)
{
    struct rounding *rounding = aco_get_arg();
    rounding->first = fegetround();
    fesetround(rounding->set);
    aco_yield();
    rounding->after = fegetround();
    aco_yield();
    aco_exit();
}

static void a_rounding_mode_belongs_to_whom_the_build_says(void **state)
{
    struct rounding up = {.set = FE_UPWARD}, down = {.set = FE_DOWNWARD};
    aco_t *a = aco_create(main_co, stack, 0, set_rounding, &up);
    aco_t *b = aco_create(main_co, stack, 0, set_rounding, &down);
    fesetround(FE_TOWARDZERO);
    aco_resume(a);
    assert_int_equal(up.first, FE_TOWARDZERO); /* a coroutine begins as who resumes it */
    assert_int_equal(fegetround(), SEEN_OUTSIDE(FE_UPWARD, FE_TOWARDZERO));
    aco_resume(b);
    assert_int_equal(down.first, SEEN_OUTSIDE(FE_UPWARD, FE_TOWARDZERO));
    assert_int_equal(fegetround(), SEEN_OUTSIDE(FE_DOWNWARD, FE_TOWARDZERO));
    aco_resume(a);
    assert_int_equal(up.after, SEEN_OUTSIDE(FE_DOWNWARD, FE_UPWARD));
    aco_resume(b);
    assert_int_equal(down.after, FE_DOWNWARD);
    fesetround(FE_TONEAREST);
    aco_resume(a);
    aco_resume(b); /* both end, and with them what they had set */
    assert_int_equal(fegetround(), FE_TONEAREST);
    assert_true(a->is_end && b->is_end);
    aco_destroy(a);
    aco_destroy(b);
}

/* ---- a shadow stack -------------------------------------------------------------- */

static void a_thread_with_a_shadow_stack_gets_no_coroutines(void **state)
{
    char said[128] = "";
    int fds[2], kept = dup(STDERR_FILENO);
    assert_int_equal(pipe(fds), 0);
    fflush(stderr);
    dup2(fds[1], STDERR_FILENO);
    shadow_stack = true;
    errno = 0;
    aco_t *refused = aco_create(NULL, NULL, 0, NULL, NULL);
    int err = errno;
    shadow_stack = false;
    fflush(stderr);
    dup2(kept, STDERR_FILENO);
    close(kept);
    close(fds[1]);
    assert_true(read(fds[0], said, sizeof(said) - 1) > 0);
    close(fds[0]);
    assert_null(refused);
    assert_int_equal(err, ENOTSUP);
    assert_non_null(strstr(said, "aco: coroutines cannot run with a shadow stack"));
    assert_ptr_equal(strchr(said, '\n'), said + strlen(said) - 1); /* one line */
}

#define with_stack(test) cmocka_unit_test_setup_teardown(test, begin, end)

static const struct CMUnitTest tests[] = {
    with_stack(values_survive_a_switch),
    with_stack(values_survive_a_switch_out_of_line),
    with_stack(a_coroutine_begins_on_an_aligned_stack),
    with_stack(a_rounding_mode_belongs_to_whom_the_build_says),
    cmocka_unit_test(a_thread_with_a_shadow_stack_gets_no_coroutines),
};
HARNESS_MAIN(tests)
