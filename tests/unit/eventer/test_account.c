/* SPDX-License-Identifier: MIT */
/*
 * Goal: while it is asked for, and only then, each call of a function is counted once, with its
 * time, for its loop or for the jobs; spans nest; what is slow has its line, and not too many.
 * Method: spans of loops that do not run, whose begin is moved into the past; and events of one
 * that runs.
 */
#include "clean.h"

#include "base/alloc.h"
#include "eventer/account.h"
#include "eventer/event.h"

static struct loop idle;          /* has no thread */
static struct account_entry none; /* stays zeroed */
static int things[8];             /* functions, to the account */

static void set_up_idle(void)
{
    account_fini(&idle.account);
    memset(&idle, 0, sizeof(idle));
    snprintf(idle.name, sizeof(idle.name), "idle");
}

static void slow_is(const char *loop_ms, const char *job_ms)
{
    assert_int_equal(eventer_propset("show_loop_callbacks_threshold", loop_ms), 0);
    assert_int_equal(eventer_propset("show_jobq_callbacks_threshold", job_ms), 0);
    account_init();
    eventer_callback_stats_enable(mtev_false);
}

/* A span of thing that has taken ns. */
static void span_of(const void *thing, eventer_callback_kind_t kind, uint64_t ns)
{
    struct account_span span;
    account_begin(&span, &idle, thing, kind);
    span.begun_ns -= ns;
    account_end(&span, 7);
}

/* The entry of thing; none if there is none. */
static struct account_entry *entry_of(const void *thing)
{
    for (size_t i = 0; i < ACCOUNT_BUCKETS; i++)
        for (struct account_entry *entry = idle.account.buckets[i]; entry != NULL;
             entry = entry->next)
            if (entry->function == thing)
                return entry;
    return &none;
}

/* ---- the public figures ---- */

struct wanted {
    const char *name;
    unsigned found;
    eventer_callback_stats_t stats;
};

static int find(const eventer_callback_stats_t *stats, void *closure)
{
    struct wanted *wanted = closure;
    if (strcmp(stats->name, wanted->name) == 0) {
        wanted->stats = *stats;
        wanted->found++;
    }
    return 0;
}

static uint64_t count_of(const char *name)
{
    struct wanted wanted = {.name = name};
    assert_int_equal(eventer_callback_stats_foreach(find, &wanted), 0);
    assert_true(wanted.found <= 1);
    return wanted.found == 0 ? 0 : wanted.stats.count;
}

static int on_timer(eventer_t e, int mask, void *closure, struct timeval *now)
{
    tally_raise(closure);
    return 0;
}

static void run_timer(uint32_t index)
{
    struct tally tally = TALLY_NONE;
    eventer_t e = eventer_alloc_timer(on_timer, &tally, &(struct timeval){0, 0});
    eventer_set_owner(e, loop_at(index)->thread);
    eventer_add(e);
    tally_wait(&tally);
    settle(index);
}

static int on_job(eventer_t e, int mask, void *closure, struct timeval *now)
{
    if (mask == EVENTER_ASYNCH_COMPLETE)
        tally_raise(closure);
    return 0;
}

static void run_job(void)
{
    struct tally tally = TALLY_NONE;
    eventer_add_asynch(NULL, eventer_alloc_asynch(on_job, &tally));
    tally_wait(&tally);
    settle_all();
}

static void nothing_is_counted_unless_it_is_asked_for(void **state)
{
    slow_is("-1", "-1");
    run_timer(0);
    run_job();
    assert_int_equal(count_of("on_timer"), 0);
    assert_int_equal(count_of("on_job"), 0);
    eventer_callback_stats_enable(mtev_true);
    run_timer(0);
    run_timer(1); /* in one figure with the other loop's */
    assert_int_equal(count_of("on_timer"), 2);
    eventer_callback_stats_enable(mtev_false);
    run_timer(0);
    assert_int_equal(count_of("on_timer"), 2);
}

static int sum_jobs(const eventer_callback_stats_t *stats, void *closure)
{
    uint64_t in_buckets = 0;
    for (size_t i = 0; i < EVENTER_CALLBACK_BUCKETS; i++)
        in_buckets += stats->run_ns[i];
    check_int(in_buckets, stats->count);
    check(stats->max_ns <= stats->total_ns);
    if (stats->kind == EVENTER_CALLBACK_JOB)
        *(uint64_t *)closure += stats->count;
    return 0;
}

static void a_job_counts_once_for_its_work(void **state)
{
    uint64_t before = 0, after = 0;
    slow_is("-1", "-1");
    assert_int_equal(eventer_callback_stats_foreach(sum_jobs, &before), 0);
    eventer_callback_stats_enable(mtev_true);
    run_job();
    run_job();
    eventer_callback_stats_enable(mtev_false);
    assert_int_equal(eventer_callback_stats_foreach(sum_jobs, &after), 0);
    assert_checks();
    assert_int_equal(after, before + 2);
}

static int stop_at_once(const eventer_callback_stats_t *stats, void *closure)
{
    ++*(int *)closure;
    return 42;
}

static void a_reader_may_stop(void **state)
{
    int calls = 0;
    assert_int_equal(eventer_callback_stats_foreach(stop_at_once, &calls), 42);
    assert_int_equal(calls, 1);
    errno = 0;
    assert_int_equal(eventer_callback_stats_foreach(NULL, NULL), -1);
    assert_int_equal(errno, EINVAL);
}

/* ---- spans ---- */

static void a_span_is_counted_with_its_time(void **state)
{
    slow_is("-1", "-1");
    set_up_idle();
    span_of(&things[0], EVENTER_CALLBACK_EVENT, 1000000);
    span_of(&things[0], EVENTER_CALLBACK_EVENT, 3000000);
    span_of(&things[1], EVENTER_CALLBACK_COROUTINE, 0);
    const struct account_entry *entry = entry_of(&things[0]);
    assert_int_equal(entry->count, 2);
    assert_in_range(entry->total_ns, 4000000, UINT64_MAX);
    assert_in_range(entry->max_ns, 3000000, entry->total_ns);
    uint64_t long_ones = 0;
    for (size_t i = 20; i < EVENTER_CALLBACK_BUCKETS; i++) /* from 2^19 ns on */
        long_ones += entry->run_ns[i];
    assert_int_equal(long_ones, 2);
    assert_int_equal(entry_of(&things[1])->kind, EVENTER_CALLBACK_COROUTINE);
    span_of(&things[0], EVENTER_CALLBACK_EVENT, UINT64_C(1) << 62);
    assert_int_equal(entry->run_ns[EVENTER_CALLBACK_BUCKETS - 1], 1);
}

static void spans_nest(void **state)
{
    struct account_span outer, inner;
    set_up_idle();
    account_begin(&outer, &idle, &things[0], EVENTER_CALLBACK_EVENT);
    assert_int_equal(idle.heart.busy_since_ns, outer.begun_ns);
    account_begin(&inner, &idle, &things[1], EVENTER_CALLBACK_COROUTINE);
    assert_ptr_equal(idle.heart.function, &things[1]);
    account_end(&inner, -1);
    assert_int_equal(idle.heart.busy_since_ns, outer.begun_ns);
    assert_ptr_equal(idle.heart.function, &things[0]);
    account_begin(&inner, &idle, &things[2], EVENTER_CALLBACK_EVENT);
    account_end(&inner, -1);
    account_end(&outer, -1);
    assert_int_equal(idle.heart.busy_since_ns, 0);
    assert_in_range(entry_of(&things[0])->total_ns, entry_of(&things[1])->total_ns, UINT64_MAX);
    assert_int_equal(entry_of(&things[2])->count, 1);
}

/* ---- what is slow ---- */

static void what_is_slow_has_a_line(void **state)
{
    slow_is("10", "-1");
    set_up_idle();
    span_of(&things[0], EVENTER_CALLBACK_EVENT, 9000000 - 1000000);
    assert_nothing_logged();
    span_of(&things[0], EVENTER_CALLBACK_EVENT, 10000000);
    assert_logged(1, "held idle for 10.");
    span_of(&things[1], EVENTER_CALLBACK_COROUTINE, 10000000);
    assert_logged(1, "slow coroutine ");
    slow_is("-1", "-1");
}

static void a_function_has_a_line_a_second(void **state)
{
    slow_is("0", "-1");
    set_up_idle();
    span_of(&things[0], EVENTER_CALLBACK_EVENT, 0);
    assert_logged(1, "(fd 7)\n");
    span_of(&things[0], EVENTER_CALLBACK_EVENT, 0);
    span_of(&things[0], EVENTER_CALLBACK_EVENT, 0);
    assert_nothing_logged();
    span_of(&things[1], EVENTER_CALLBACK_EVENT, 0); /* others have theirs */
    assert_logged(1, "(fd 7)\n");
    entry_of(&things[0])->said_ns -= CLOCK_NS_PER_S;
    span_of(&things[0], EVENTER_CALLBACK_EVENT, 0);
    assert_logged(1, "; 2 more since the last line");
    slow_is("-1", "-1");
}

static void a_slow_job_has_a_line(void **state)
{
    slow_is("-1", "5");
    account_job(&things[3], "mill", 4999999);
    assert_nothing_logged();
    account_job(&things[3], "mill", 5000000);
    assert_logged(1, "held a thread of queue mill for 5.000 ms\n");
    account_job(&things[3], "mill", 5000000);
    assert_nothing_logged();
    slow_is("-1", "-1");
}

/* ---- without memory ---- */

static void without_memory_nothing_but_the_count_is_lost(void **state)
{
    slow_is("10", "-1");
    set_up_idle();
    alloc_fail_nth(1, 1);
    span_of(&things[0], EVENTER_CALLBACK_EVENT, 10000000);
    errno = 0;
    int calls = 0, result = eventer_callback_stats_foreach(stop_at_once, &calls);
    int err = errno;
    alloc_fail_nth(0, 0);
    assert_logged(1, "slow callback");
    assert_int_equal(result, -1);
    assert_int_equal(err, ENOMEM);
    assert_int_equal(calls, 0);
    assert_ptr_equal(entry_of(&things[0]), &none);
    assert_int_equal(idle.heart.busy_since_ns, 0);
    span_of(&things[0], EVENTER_CALLBACK_EVENT, 0);
    assert_int_equal(entry_of(&things[0])->count, 1);
    slow_is("-1", "-1");
    account_fini(&idle.account);
}

static const struct CMUnitTest tests[] = {
    clean_test(nothing_is_counted_unless_it_is_asked_for),
    clean_test(a_job_counts_once_for_its_work),
    clean_test(a_reader_may_stop),
    clean_test(a_span_is_counted_with_its_time),
    clean_test(spans_nest),
    clean_test(what_is_slow_has_a_line),
    clean_test(a_function_has_a_line_a_second),
    clean_test(a_slow_job_has_a_line),
    clean_test(without_memory_nothing_but_the_count_is_lost),
};

int main(void)
{
    logged_begin();
    start_loops(2);
    eventer_name_callback("on_timer", on_timer);
    eventer_name_callback("on_job", on_job);
    harness_keep_fds();
    return harness_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]));
}
