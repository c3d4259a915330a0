/* SPDX-License-Identifier: MIT */
/*
 * Goal: a section of safe memory (mtev_memory.h) belongs to the coroutine that opened it, whoever
 * runs meanwhile, and protects what it reads as long as it waits.
 * Method: coroutines that wait with sections open while others look, free and collect.
 */
#include "io_helpers.h"

#include <fcntl.h>
#include <mtev_memory.h>

static _Atomic int freed;
static int has_ended;

static void note_free(void *block)
{
    (void)block;
    freed++;
}

static void take_turns(void)
{
    for (int i = 0; i < 5; i++)
        eventer_aco_sleep(&(struct timeval){0, 0});
}

/* Free a block and collect: is it gone? */
static bool is_freed_at_once(void)
{
    int before = freed;
    mtev_memory_safe_free(mtev_memory_safe_malloc_cleanup(8, note_free));
    for (int i = 0; i < 4; i++)
        mtev_memory_maintenance_ex(MTEV_MM_TRY);
    return freed > before;
}

static void wait_in_a_section(void)
{
    mtev_memory_begin();
    mtev_memory_begin();
    take_turns();
    check(mtev_memory_in_cs());
    mtev_memory_end();
    take_turns();
    check(mtev_memory_in_cs());
    mtev_memory_end();
    check(!mtev_memory_in_cs());
    has_ended++;
}

static void look_while_it_waits(void *closure)
{
    has_ended = 0;
    check(is_freed_at_once());
    eventer_aco_start(wait_in_a_section, NULL);
    while (has_ended == 0) {
        check(!mtev_memory_in_cs());
        check(!is_freed_at_once());
        eventer_aco_sleep(&(struct timeval){0, 0});
    }
    check(is_freed_at_once());
}

static void a_section_is_its_coroutines_while_it_waits(void **state)
{
    in_coroutine(0, look_while_it_waits, NULL);
}

static void look(void)
{
    check(!mtev_memory_in_cs());
    eventer_aco_sleep(&(struct timeval){0, 0});
    check(!mtev_memory_in_cs());
    has_ended++;
}

static void start_in_a_section(void *closure)
{
    has_ended = 0;
    mtev_memory_begin();
    eventer_aco_start(look, NULL);
    check(mtev_memory_in_cs());
    if (eventer_is_aco(NULL)) {
        while (has_ended == 0)
            eventer_aco_sleep(&(struct timeval){0, 0});
        check(mtev_memory_in_cs());
    }
    mtev_memory_end();
}

static void a_section_is_not_that_of_who_is_started_in_it(void **state)
{
    in_coroutine(0, start_in_a_section, NULL);
}

static void end_started(void *closure)
{
    while (has_ended == 0)
        eventer_aco_sleep(&(struct timeval){0, 0});
}

static void a_callbacks_section_is_not_that_of_who_it_starts(void **state)
{
    in_loop(0, start_in_a_section, NULL);
    in_coroutine(0, end_started, NULL);
}

static void leave_it_open(void)
{
    mtev_memory_begin();
    take_turns();
    mtev_memory_begin();
}

static void start_who_leaves_it_open(void *closure)
{
    eventer_aco_start(leave_it_open, NULL);
    for (int i = 0; i < 20; i++)
        take_turns();
    check(is_freed_at_once());
}

static void a_section_that_a_coroutine_leaves_open_is_closed_and_said(void **state)
{
    in_coroutine(0, start_who_leaves_it_open, NULL);
    assert_logged(1, "ended with a section open");
}

static void pass_in_a_section(void *closure)
{
    char byte;
    eventer_aco_t e = adopt(open("/dev/zero", O_RDONLY | O_CLOEXEC));
    mtev_memory_begin();
    for (int i = 0; i < 100; i++)
        check_int(eventer_aco_read(e, &byte, 1, NULL), 1);
    check(mtev_memory_in_cs());
    mtev_memory_end();
    end_event(e);
}

static void a_section_lasts_over_the_turns_of_who_is_always_ready(void **state)
{
    in_coroutine(0, pass_in_a_section, NULL);
}

static const struct CMUnitTest tests[] = {
    clean_test(a_section_is_its_coroutines_while_it_waits),
    clean_test(a_section_is_not_that_of_who_is_started_in_it),
    clean_test(a_callbacks_section_is_not_that_of_who_it_starts),
    clean_test(a_section_that_a_coroutine_leaves_open_is_closed_and_said),
    clean_test(a_section_lasts_over_the_turns_of_who_is_always_ready),
};

int main(void)
{
    logged_begin();
    start_loops(1);
    return harness_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]));
}
