/* SPDX-License-Identifier: MIT */
/*
 * create.c - nanoseconds to create a coroutine, run its empty function and end it, beside peers.
 *
 * All reuse one stack, or what their library keeps for reuse.  "flat" does so in a loop; "deep" in
 * a function that is called three deep from the loop, as programs do, where a coroutine that upset
 * the processor's return predictor is paid for.
 */
#include "contest.h"
#include "fcontext.h"

#include <aco/aco.h>
#ifdef BENCH_ST
#include <st.h>
#endif

#define ROUNDS       50000 /* in a slice */
#define ROUNDS_SLOW  5000  /* where one costs more */
#define STACK_SIZE   (64 * 1024)
#define VARIANT_FLAT 0
#define VARIANT_DEEP 1

volatile uint64_t ended_count;

/* Do NAME_life() again and again; gives nanoseconds for one. */
#define MEASURE(name, variant, rounds)                                                             \
    ({                                                                                             \
        ended_count = 0;                                                                           \
        double ns = (variant) == VARIANT_DEEP ? CONTEST_FASTEST(rounds, name##_deep())             \
                                              : CONTEST_FASTEST(rounds, name##_life());            \
        require(ended_count == (rounds)*CONTEST_SLICES, "some did not run");                       \
        ns;                                                                                        \
    })

static void eventer_entry(void)
{
    ended_count++;
    aco_exit();
}

static aco_t *main_co;
static aco_share_stack_t *stack;

static inline void eventer_life(void)
{
    aco_t *co = aco_create(main_co, stack, 0, eventer_entry, NULL);
    require(co != NULL, "aco_create");
    aco_resume(co);
    aco_destroy(co);
}

DEFINE_DEEP(eventer_deep, eventer_life())

static double run_eventer(int variant)
{
    main_co = aco_create(NULL, NULL, 0, NULL, NULL);
    stack = aco_share_stack_new(0);
    require(main_co != NULL && stack != NULL, "aco_share_stack_new");
    double time_ns = MEASURE(eventer, variant, ROUNDS);
    aco_share_stack_destroy(stack);
    aco_destroy(main_co);
    return time_ns;
}

static void boost_entry(transfer_t from)
{
    ended_count++;
    jump_fcontext(from.fctx, NULL);
}

static inline void boost_life(void)
{
    static char boost_stack[STACK_SIZE] __attribute__((aligned(64)));
    jump_fcontext(make_fcontext(boost_stack + STACK_SIZE, STACK_SIZE, boost_entry), NULL);
}

DEFINE_DEEP(boost_deep, boost_life())

static double run_boost(int variant)
{
    return MEASURE(boost, variant, ROUNDS);
}

#ifdef BENCH_BOOST_FIBER
void boost_fiber_life(void); /* boost_fiber.cc */

DEFINE_DEEP(boost_fiber_deep, boost_fiber_life())

static double run_boost_fiber(int variant)
{
    return MEASURE(boost_fiber, variant, ROUNDS);
}
#else
#define run_boost_fiber contest_skip
#endif

#ifdef BENCH_ST
static void *st_entry(void *unused)
{
    ended_count++;
    return unused;
}

static inline void st_life(void)
{
    st_thread_t co = st_thread_create(st_entry, NULL, 1, STACK_SIZE);
    require(co != NULL, "st_thread_create");
    st_thread_join(co, NULL);
}

DEFINE_DEEP(st_deep, st_life())

static double run_st(int variant)
{
    return MEASURE(st, variant, ROUNDS_SLOW);
}
#else
#define run_st contest_skip
#endif

static double run_go(int variant)
{
    double ns = NAN;
    return ask_go(variant == VARIANT_DEEP ? "create-deep" : "create", &ns, 1) ? ns : NAN;
}

int main(void)
{
    static const char *const depths[] = {"flat", "deep"};
    static const struct contest contest = {
        "create",
        "ns_per_coroutine",
        "depth",
        depths,
        {{"eventer", NULL, run_eventer},
         {"eventer-again", "again", run_eventer},
         {"boost.context", "boost", run_boost},
         {"boost.context-fiber", "boost_fiber", run_boost_fiber},
         {"state-threads", "st", run_st},
         {"go", "go", run_go}},
    };
    aco_thread_init(NULL);
#ifdef BENCH_ST
    require(st_init() == 0, "st_init");
#endif
    contest_run(&contest, VARIANT_FLAT);
    contest_run(&contest, VARIANT_DEEP);
    return 0;
}
