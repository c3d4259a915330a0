/* SPDX-License-Identifier: MIT */
/*
 * Goal: a dump has an entry for each place at which coroutines stand, the largest first, with their
 * names, their waits and their frames, and keeps to its limits.
 * Method: coroutines that are brought to a few places, or to many, and a stream that is a file.
 */
#include "clean.h"
#include "in_coroutine.h"

#include "base/alloc.h"
#include "coro/inspect_impl.h"

static mtev_log_stream_t to_file; /* a stream */
static FILE *file;
static char *text; /* owned: what was said last */

static int open_file(void **state)
{
    file = tmpfile();
    if (file == NULL)
        return -1;
    to_file = mtev_log_stream_new_on_fd("dump", fileno(file), NULL);
    return to_file == NULL ? -1 : clean_set_up(state);
}

static int close_file(void **state)
{
    mtev_log_stream_close(to_file);
    fclose(file);
    alloc_free(text);
    text = NULL;
    return clean_tear_down(state);
}

/* Dump, and give what that said in text. */
static void dump(void)
{
    rewind(file);
    assert_int_equal(ftruncate(fileno(file), 0), 0);
    eventer_aco_dump(to_file);
    long size = lseek(fileno(file), 0, SEEK_END);
    assert_true(size >= 0);
    alloc_free(text);
    text = alloc_zeroed(1, (size_t)size + 1);
    assert_non_null(text);
    assert_int_equal(pread(fileno(file), text, (size_t)size, 0), size);
}

static unsigned times_said(const char *part)
{
    unsigned found = 0;
    for (const char *at = text; (at = strstr(at, part)) != NULL; at += strlen(part))
        found++;
    return found;
}

static void assert_said(const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("not said: %s\n%s", part, text);
}

/* ---- coroutines at many places ---- */

static struct timeval long_time = {1000, 0};

struct sleeper {
    const char *name;
    int depth; /* of calls between its function and its sleep */
};

static __attribute__((noinline)) int descend(int depth)
{
    volatile int below = 0; /* so that the call is one, and not the next round of a loop */
    if (depth == 0)
        eventer_aco_sleep(&long_time);
    else
        below = descend(depth - 1);
    return depth == 0 ? 0 : below + 1;
}

static void be_a_sleeper(void)
{
    const struct sleeper *sleeper = eventer_aco_arg();
    check_int(eventer_aco_set_name(sleeper->name), 0);
    check_int(descend(sleeper->depth), sleeper->depth);
}

static void start_one(void *closure)
{
    eventer_aco_start_at(be_a_sleeper, closure, "dump:1");
}

static int wake(struct coro *co, void *closure)
{
    wheel_cancel(&co->timer);
    check(coro_wake(co, co->co.generation_, 0));
    return 0;
}

static void wake_all(void *closure)
{
    check_int(coro_each(home_self(), wake, NULL), 0);
}

static void end_all(void)
{
    for (uint32_t i = 0; i < 2; i++) {
        in_loop(i, wake_all, NULL);
        wait_for_all_to_end(i);
    }
    assert_checks();
}

static void coroutines_at_one_place_are_one_entry_and_the_largest_is_first(void **state)
{
    static struct sleeper sleepers[] = {{"a", 0}, {"b", 1}, {"c", 1}, {"d", 1}, {"b", 1},
                                        {"e", 1}, {"x", 2}, {"y", 2}, {NULL, 2}};
    for (uint32_t i = 0; i < sizeof(sleepers) / sizeof(sleepers[0]); i++)
        in_loop(i % 2, start_one, &sleepers[i]);
    dump();
    assert_said("9 coroutines, at 3 different places\n5 x ");
    assert_said(" (dump:1): ");
    const char *first = strstr(text, "\n5 x "), *second = strstr(text, "\n3 x "),
               *third = strstr(text, "\n1 x ");
    assert_true(first < second && second < third);
    assert_int_equal(times_said("; parked, waiting for: time; oldest "), 3);
    assert_int_equal(times_said("    eventer_aco_sleep+0x"), 0); /* in this program: no symbol */
    assert_non_null(strstr(second, ": y, x; parked") != NULL ? second
                                                             : strstr(second, ": x, y; parked"));
    assert_int_equal(times_said(", ...; parked"), 1); /* four names, of which three are said */
    end_all();
    dump();
    assert_said("0 coroutines, at 0 different places\n");
}

static void who_asks_is_shown_running(void *closure)
{
    eventer_aco_dump(to_file);
}

static void a_coroutine_may_ask_and_is_shown_running(void **state)
{
    in_coroutine(0, who_asks_is_shown_running, NULL);
    off_t size = lseek(fileno(file), 0, SEEK_END);
    text = alloc_zeroed(1, (size_t)size + 1);
    assert_int_equal(pread(fileno(file), text, (size_t)size, 0), size);
    assert_said("1 coroutines, at 1 different places\n1 x ");
    assert_said("; running, waiting for: nothing; ");
}

static void frames_are_shown_up_to_their_limit(void **state)
{
    struct sleeper sleeper = {.depth = 0};
    in_loop(0, start_one, &sleeper);
    dump();
    end_all();
    sleeper.depth = DUMP_FRAMES_MAX - 1 - (int)times_said("\n    "); /* each has a frame */
    for (int frames = DUMP_FRAMES_MAX - 1; frames <= DUMP_FRAMES_MAX + 1; frames++) {
        const bool is_limit = frames >= DUMP_FRAMES_MAX;
        in_loop(0, start_one, &sleeper);
        dump();
        assert_int_equal(times_said("\n    "), DUMP_FRAMES_MAX - !is_limit + is_limit);
        assert_int_equal(times_said("    and perhaps more: 64 frames are shown\n"), is_limit);
        end_all();
        sleeper.depth++;
    }
}

static void start_at_places(void *closure)
{
    static struct sleeper sleeper = {.name = NULL};
    const uintptr_t *range = closure;
    for (uintptr_t key = range[0]; key < range[1]; key++)
        check_int(coro_start(&(struct coro_start){
                      .func = be_a_sleeper, .arg = &sleeper, .key = (const void *)key}),
                  0);
}

static void places_are_told_apart_up_to_their_limit(void **state)
{
    uintptr_t range[2] = {1, DUMP_GROUPS_MAX};
    in_loop(0, start_at_places, range);
    dump();
    assert_said("999 coroutines, at 999 different places\n");
    assert_int_equal(times_said("more, elsewhere"), 0);
    for (int more = 0; more < 2; more++) {
        range[0] = range[1]++;
        in_loop(0, start_at_places, range);
        dump();
        assert_int_equal(times_said("1 more, elsewhere: no more places are told apart\n"), more);
    }
    assert_said("1001 coroutines, at 1000 different places\n");
    end_all();
}

/* ---- what comes in between ---- */

static void a_stream_that_is_off_is_not_dumped_to(void **state)
{
    eventer_aco_dump(NULL);
    eventer_aco_dump(mtev_debug);
    assert_int_equal(lseek(fileno(file), 0, SEEK_END), 0);
}

static void a_busy_loop_is_said_to_be_left_out(void **state)
{
    struct hold hold;
    hold_begin(&hold, loop_at(1));
    coro_dump(mtev_error, CLOCK_NS_PER_MS);
    hold_end(&hold);
    assert_int_equal(logged("coroutines of e:default/1 are left out: it is busy"), 1);
    assert_int_equal(logged("0 coroutines, at 0 different places\n"), 1);
    logged_clear();
    settle_all();
}

static int dump_within(const eventer_aco_info_t *info, void *closure)
{
    eventer_aco_dump(mtev_error);
    return 1;
}

static void during_a_walk_there_is_no_dump(void **state)
{
    struct sleeper sleeper = {.name = NULL};
    in_loop(0, start_one, &sleeper);
    assert_int_equal(eventer_aco_foreach(dump_within, NULL), 1);
    assert_logged_one_line("coroutines are not shown: they are being listed already\n");
    end_all();
}

static void dump_whatever_memory_says(void *closure)
{
    eventer_aco_dump(to_file);
}

static void without_memory_a_dump_says_so_and_leaves_nothing(void **state)
{
    struct sleeper sleepers[] = {{"one", 0}, {"two", 1}};
    for (uint32_t i = 0; i < 2; i++)
        in_loop(i, start_one, &sleepers[i]);
    harness_fail_each_allocation(dump_whatever_memory_says, NULL);
    dump();
    assert_said("2 coroutines, at 2 different places\n");
    end_all();
}

#define file_test(test) cmocka_unit_test_setup_teardown(test, open_file, close_file)

static const struct CMUnitTest tests[] = {
    file_test(coroutines_at_one_place_are_one_entry_and_the_largest_is_first),
    file_test(a_coroutine_may_ask_and_is_shown_running),
    file_test(frames_are_shown_up_to_their_limit),
    file_test(places_are_told_apart_up_to_their_limit),
    file_test(a_stream_that_is_off_is_not_dumped_to),
    file_test(a_busy_loop_is_said_to_be_left_out),
    file_test(during_a_walk_there_is_no_dump),
    file_test(without_memory_a_dump_says_so_and_leaves_nothing),
};

int main(void)
{
    logged_begin();
    start_loops(2);
    return harness_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]));
}
