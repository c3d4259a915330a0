/* SPDX-License-Identifier: MIT */
/*
 * switch.c - nanoseconds per coroutine switch, beside boost.context.
 *
 * A switch is one direction: resume and yield are two.  "flat" yields in the coroutine's own
 * function; "deep" yields three calls below it, as a handler -> read -> yield does, where a switch
 * that upsets the processor's return predictor pays for it.  Both libraries switch between one
 * thread and one coroutine; nothing is copied.  Runs of the two alternate; medians are printed.
 */
#include "fcontext.h"

#include <aco/aco.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#define RUN_COUNT   9
#define ROUND_COUNT 5000000 /* resumes, so twice as many switches, in a run */
#define WARM_UP     1000
#define STACK_SIZE  (64 * 1024)
#define NS_PER_SEC  1000000000
#define DEPTH_FLAT  0
#define DEPTH_DEEP  1
#define DEPTH_COUNT 2
#define KEEP_FRAME()                                                                               \
    __asm__ volatile("" ::: "memory") /* after a call: no tail call, a real frame */

typedef double (*run_function)(int depth);

static volatile bool is_stopping; /* the coroutine ends at its next resume */

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_SEC + (uint64_t)now.tv_nsec;
}

static double per_switch(uint64_t elapsed_ns)
{
    return (double)elapsed_ns / (2.0 * ROUND_COUNT);
}

__attribute__((noinline)) static void aco_third(void)
{
    aco_yield();
    KEEP_FRAME();
}

__attribute__((noinline)) static void aco_second(void)
{
    aco_third();
    KEEP_FRAME();
}

__attribute__((noinline)) static void aco_first(void)
{
    aco_second();
    KEEP_FRAME();
}

static void aco_flat(void)
{
    while (!is_stopping)
        aco_yield();
    aco_exit();
}

static void aco_deep(void)
{
    while (!is_stopping)
        aco_first();
    aco_exit();
}

static double run_aco(int depth)
{
    aco_t *main_co = aco_create(NULL, NULL, 0, NULL, NULL);
    aco_share_stack_t *stack = aco_share_stack_new(0);
    if (main_co == NULL || stack == NULL)
        exit(2);
    aco_t *co = aco_create(main_co, stack, 0, depth == DEPTH_DEEP ? aco_deep : aco_flat, NULL);
    if (co == NULL)
        exit(2);

    is_stopping = false;
    for (int i = 0; i < WARM_UP; i++)
        aco_resume(co);
    uint64_t start_ns = now_ns();
    for (int i = 0; i < ROUND_COUNT; i++)
        aco_resume(co);
    uint64_t elapsed_ns = now_ns() - start_ns;
    is_stopping = true;
    aco_resume(co);

    aco_destroy(co);
    aco_share_stack_destroy(stack);
    aco_destroy(main_co);
    return per_switch(elapsed_ns);
}

static fcontext_t boost_caller; /* boost hands the caller's new context over at each jump */

static inline void boost_yield(void)
{
    boost_caller = jump_fcontext(boost_caller, NULL).fctx;
}

__attribute__((noinline)) static void boost_third(void)
{
    boost_yield();
    KEEP_FRAME();
}

__attribute__((noinline)) static void boost_second(void)
{
    boost_third();
    KEEP_FRAME();
}

__attribute__((noinline)) static void boost_first(void)
{
    boost_second();
    KEEP_FRAME();
}

static void boost_flat(transfer_t from)
{
    boost_caller = from.fctx;
    while (!is_stopping)
        boost_yield();
    jump_fcontext(boost_caller, NULL);
}

static void boost_deep(transfer_t from)
{
    boost_caller = from.fctx;
    while (!is_stopping)
        boost_first();
    jump_fcontext(boost_caller, NULL);
}

static double run_boost(int depth)
{
    static char stack[STACK_SIZE] __attribute__((aligned(64)));
    fcontext_t co = make_fcontext(stack + sizeof(stack), sizeof(stack),
                                  depth == DEPTH_DEEP ? boost_deep : boost_flat);

    is_stopping = false;
    for (int i = 0; i < WARM_UP; i++)
        co = jump_fcontext(co, NULL).fctx;
    uint64_t start_ns = now_ns();
    for (int i = 0; i < ROUND_COUNT; i++)
        co = jump_fcontext(co, NULL).fctx;
    uint64_t elapsed_ns = now_ns() - start_ns;
    is_stopping = true;
    jump_fcontext(co, NULL);
    return per_switch(elapsed_ns);
}

static int compare_doubles(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static double median(double *values)
{
    qsort(values, RUN_COUNT, sizeof(values[0]), compare_doubles);
    return values[RUN_COUNT / 2];
}

int main(void)
{
    static const char *const depth_names[DEPTH_COUNT] = {"flat", "deep"};
    aco_thread_init(NULL);
    for (int depth = 0; depth < DEPTH_COUNT; depth++) {
        double aco_ns[RUN_COUNT], boost_ns[RUN_COUNT], ratios[RUN_COUNT];
        for (int i = 0; i < RUN_COUNT; i++) {
            aco_ns[i] = run_aco(depth);
            boost_ns[i] = run_boost(depth);
            ratios[i] = boost_ns[i] / aco_ns[i];
        }
        printf("{\"bench\":\"switch\",\"library\":\"eventer\",\"depth\":\"%s\","
               "\"ns_per_switch\":%.2f,\"runs\":%d}\n",
               depth_names[depth], median(aco_ns), RUN_COUNT);
        printf("{\"bench\":\"switch\",\"library\":\"boost.context\",\"depth\":\"%s\","
               "\"ns_per_switch\":%.2f,\"runs\":%d}\n",
               depth_names[depth], median(boost_ns), RUN_COUNT);
        printf("{\"bench\":\"switch\",\"depth\":\"%s\",\"boost_to_eventer\":%.2f}\n",
               depth_names[depth], median(ratios));
    }
    return 0;
}
