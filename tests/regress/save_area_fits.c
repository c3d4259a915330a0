/* SPDX-License-Identifier: MIT */
/*
 * Defect: every coroutine had 32 KiB for its frames from the start, and the area never shrank.
 * Method: park many on few stacks and look at what each holds: nothing while it owns its stack,
 * else about what is live.
 * Shown red: in aco_save_owner() of aco/aco.c, allocate at least 32 KiB.
 */
#include "in_coroutine.h"

#include "coro/home_impl.h"

#define COUNT 300

static _Atomic int may_end, ended;

static void wait_for_end(void)
{
    while (!atomic_load(&may_end))
        sleep_ms(1);
    atomic_fetch_add(&ended, 1);
}

static void start_all(void *closure)
{
    for (int i = 0; i < COUNT; i++)
        eventer_aco_start(wait_for_end, NULL);
}

static size_t held, saved;

static int measure_one(void *p, void *closure)
{
    const struct coro *co = p;
    const aco_save_stack_t *save = &co->co.save_stack;
    size_t needed = save->valid_sz + SHADOW_SIZE(save->valid_sz);
    if (co->co.state_ == CORO_ENDED)
        return 0;
    held += save->sz;
    saved += save->ptr != NULL;
    check(save->ptr == NULL || save->sz <= slab_round(needed) + needed / 4);
    return 0;
}

static void measure(void *closure)
{
    struct coro_home *home = loop_self->coro;
    slabs_each(&home->slabs, sizeof(struct coro), measure_one, NULL);
    check(held < (size_t)COUNT * 4096);          /* far less without a sanitizer */
    check(saved > 0 || home->stacks.count == 0); /* without shared stacks nobody is moved */
}

static void a_parked_coroutine_holds_what_is_live(void **state)
{
    in_loop(0, start_all, NULL);
    settle(0);
    in_loop(0, measure, NULL);
    atomic_store(&may_end, 1);
    wait_until(&ended, COUNT);
    settle(0);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_parked_coroutine_holds_what_is_live),
};

int main(void)
{
    start_loops(1);
    return harness_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]));
}
