/* SPDX-License-Identifier: MIT */
/*
 * switch.c - nanoseconds per coroutine switch, beside peers.
 *
 * A switch is one direction: resume and yield are two.  "flat" yields in the coroutine's own
 * function; "deep" yields three calls below it, as a handler -> read -> yield does, where a switch
 * that upsets the processor's return predictor pays for it.  All switch between one thread and one
 * coroutine; nothing is copied.
 */
#include "contest.h"
#include "fcontext.h"

#include <aco/aco.h>
#include <ucontext.h>
#ifdef BENCH_ST
#include <st.h>
#endif

#define ROUNDS_FAST  100000 /* resumes, so twice as many switches, in a slice */
#define ROUNDS_SLOW  5000   /* where a switch costs more */
#define STACK_SIZE   (64 * 1024)
#define VARIANT_FLAT 0
#define VARIANT_DEEP 1

static volatile bool is_stopping; /* the coroutine ends at its next resume */

/* Define NAME_loop(variant): yield until it is time to stop, in place or three calls down. */
#define DEFINE_LOOP(name, yield)                                                                   \
    DEFINE_DEEP(name##_deeply, yield())                                                            \
    static inline __attribute__((always_inline)) void name##_loop(int variant)                     \
    {                                                                                              \
        if (variant == VARIANT_FLAT)                                                               \
            while (!is_stopping)                                                                   \
                yield();                                                                           \
        else                                                                                       \
            while (!is_stopping)                                                                   \
                name##_deeply();                                                                   \
    }

/* Resume again and again, then have the coroutine end; gives nanoseconds per switch. */
#define MEASURE(rounds, resume)                                                                    \
    ({                                                                                             \
        is_stopping = false;                                                                       \
        double ns = CONTEST_FASTEST(rounds, resume) / 2;                                           \
        is_stopping = true;                                                                        \
        resume;                                                                                    \
        ns;                                                                                        \
    })

/* ---- the library ----------------------------------------------------------------- */

DEFINE_LOOP(eventer, aco_yield)

static void eventer_flat(void)
{
    eventer_loop(VARIANT_FLAT);
    aco_exit();
}

static void eventer_deep(void)
{
    eventer_loop(VARIANT_DEEP);
    aco_exit();
}

static double run_eventer(int variant)
{
    aco_t *main_co = aco_create(NULL, NULL, 0, NULL, NULL);
    aco_share_stack_t *stack = aco_share_stack_new(0);
    require(main_co != NULL && stack != NULL, "aco_share_stack_new");
    aco_t *co =
        aco_create(main_co, stack, 0, variant == VARIANT_DEEP ? eventer_deep : eventer_flat, NULL);
    require(co != NULL, "aco_create");
    double time_ns = MEASURE(ROUNDS_FAST, aco_resume(co));
    aco_destroy(co);
    aco_share_stack_destroy(stack);
    aco_destroy(main_co);
    return time_ns;
}

/* ---- boost.context --------------------------------------------------------------- */

static char peer_stack[STACK_SIZE] __attribute__((aligned(64)));
static fcontext_t boost_caller; /* boost hands the caller's new context over at each jump */

static inline void boost_yield(void)
{
    boost_caller = jump_fcontext(boost_caller, NULL).fctx;
}

DEFINE_LOOP(boost, boost_yield)

static void boost_flat(transfer_t from)
{
    boost_caller = from.fctx;
    boost_loop(VARIANT_FLAT);
    jump_fcontext(boost_caller, NULL);
}

static void boost_deep(transfer_t from)
{
    boost_caller = from.fctx;
    boost_loop(VARIANT_DEEP);
    jump_fcontext(boost_caller, NULL);
}

static double run_boost(int variant)
{
    fcontext_t co = make_fcontext(peer_stack + STACK_SIZE, STACK_SIZE,
                                  variant == VARIANT_DEEP ? boost_deep : boost_flat);
    return MEASURE(ROUNDS_FAST, co = jump_fcontext(co, NULL).fctx);
}

/* ---- ucontext -------------------------------------------------------------------- */

static ucontext_t ucontext_main, ucontext_co;

static inline void ucontext_yield(void)
{
    swapcontext(&ucontext_co, &ucontext_main);
}

DEFINE_LOOP(ucontext, ucontext_yield)

static void ucontext_flat(void)
{
    ucontext_loop(VARIANT_FLAT);
}

static void ucontext_deep(void)
{
    ucontext_loop(VARIANT_DEEP);
}

static double run_ucontext(int variant)
{
    require(getcontext(&ucontext_co) == 0, "getcontext");
    ucontext_co.uc_stack.ss_sp = peer_stack;
    ucontext_co.uc_stack.ss_size = STACK_SIZE;
    ucontext_co.uc_link = &ucontext_main;
    makecontext(&ucontext_co, variant == VARIANT_DEEP ? ucontext_deep : ucontext_flat, 0);
    return MEASURE(ROUNDS_SLOW, swapcontext(&ucontext_main, &ucontext_co));
}

/* ---- State Threads --------------------------------------------------------------- */

#ifdef BENCH_ST
static st_cond_t st_main_turn, st_co_turn; /* its threads hand over through a condition each */

static inline void st_yield(void)
{
    st_cond_signal(st_main_turn);
    st_cond_wait(st_co_turn);
}

static inline void st_resume(void)
{
    st_cond_signal(st_co_turn);
    st_cond_wait(st_main_turn);
}

DEFINE_LOOP(st, st_yield)

static void *st_flat(void *unused)
{
    st_loop(VARIANT_FLAT);
    st_cond_signal(st_main_turn);
    return unused;
}

static void *st_deep(void *unused)
{
    st_loop(VARIANT_DEEP);
    st_cond_signal(st_main_turn);
    return unused;
}

static double run_st(int variant)
{
    st_main_turn = st_cond_new();
    st_co_turn = st_cond_new();
    st_thread_t co =
        st_thread_create(variant == VARIANT_DEEP ? st_deep : st_flat, NULL, 1, STACK_SIZE);
    require(co != NULL, "st_thread_create");
    double time_ns = MEASURE(ROUNDS_SLOW, st_resume());
    st_thread_join(co, NULL);
    st_cond_destroy(st_main_turn);
    st_cond_destroy(st_co_turn);
    return time_ns;
}
#else
#define run_st contest_skip
#endif

static double run_go(int variant)
{
    double ns = NAN;
    return ask_go(variant == VARIANT_DEEP ? "deep" : "flat", &ns, 1) ? ns : NAN;
}

int main(void)
{
    static const char *const depths[] = {"flat", "deep"};
    static const struct contest contest = {
        "switch",
        "ns_per_switch",
        "depth",
        depths,
        {{"eventer", NULL, run_eventer},
         {"eventer-again", "again", run_eventer},
         {"boost.context", "boost", run_boost},
         {"state-threads", "st", run_st},
         {"ucontext", "ucontext", run_ucontext},
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
