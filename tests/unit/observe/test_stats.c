/* SPDX-License-Identifier: MIT */
/*
 * Goal: what the library counts is told by both kinds of names, and begins anew when that is asked
 * for; without jemalloc its part is empty.
 * Method: things are done that are counted, and asked for over HTTP.
 */
#include "../rest/asking.h"

#include <mtev_heap_profiler.h>
#include <mtev_stats.h>

static void do_job(void *closure)
{
    (void)closure;
}

static void begin_jobs(void *closure)
{
    for (int i = 0; i < 5; i++)
        eventer_aco_simple_asynch_queue(do_job, NULL, closure);
}

/* Have q do five jobs more. */
static void run_jobs(eventer_jobq_t *q)
{
    eventer_jobq_stats_t stats;
    eventer_jobq_get_stats(q, &stats);
    in_coroutine(0, begin_jobs, q);
    await_jobs(q, stats.done + 5);
}

static json_int_t value_of(const json_t *all, const char *name)
{
    const json_t *value = json_object_get(all, name);
    if (!json_is_integer(value))
        fail_msg("no number %s in %.3000s", name, asking_heard);
    return json_integer_value(value);
}

/* The sum of those whose names begin with that. */
static json_int_t sum_of(json_t *all, const char *prefix)
{
    const char *name;
    json_t *value;
    json_int_t sum = 0;
    json_object_foreach(all, name, value)
    {
        if (strncmp(name, prefix, strlen(prefix)) == 0)
            sum += json_integer_value(value);
    }
    return sum;
}

static json_t *delete_stats(const char *query)
{
    char path[64];
    snprintf(path, sizeof(path), "/mtev/stats.json%s", query);
    json_t *all = asking_parse(asking_over(connect_to(asking_addresses[0]), "DELETE", path));
    assert_int_equal(asking_status, 200);
    return all;
}

static eventer_jobq_t *busy;

static int begin(void **state)
{
    logged_set_up(state);
    busy = eventer_jobq_create("busy \xff:[");
    run_jobs(busy);
    return 0;
}

static int end(void **state)
{
    eventer_jobq_drain_and_shutdown(busy);
    eventer_jobq_destroy(busy);
    json_decref(delete_stats(""));
    return asking_tear_down(state);
}

static void simple_names_are_paths(void **state)
{
    char name[300];
    settle_all(); /* each loop has made a turn */
    json_t *all = asking_json("/mtev/stats.json?format=simple");
    json_t *same = asking_json("/mtev/stats.json");
    assert_int_equal(value_of(all, "jobq.busy%20%FF:%5B.done"), 5);
    assert_int_equal(value_of(all, "jobq.busy%20%FF:%5B.inflight"), 0);
    assert_int_equal(sum_of(all, "jobq.busy%20%FF:%5B.run_ns."), 5);
    assert_int_equal(sum_of(all, "jobq.busy%20%FF:%5B.wait_ns."), 5);
    assert_true(value_of(all, "loop.e:default/0.turns") > 0);
    assert_true(value_of(all, "loop.e:default/1.turns") > 0);
    assert_true(value_of(all, "events.live") > 0);
    assert_true(value_of(all, "events.made") >= value_of(all, "events.live"));
    assert_true(value_of(all, "coroutines.live") >= 1); /* the one that answers */
    assert_true(value_of(all, "coroutines.started") >= 2);
    assert_int_equal(value_of(all, "coroutines.loans"), 0);
    snprintf(name, sizeof(name), "listener.%s.accepted", asking_addresses[0]);
    assert_true(value_of(all, name) >= 1);
    snprintf(name, sizeof(name), "listener.%s.open", asking_addresses[0]);
    assert_int_equal(value_of(all, name), 1);
    assert_true(value_of(all, "log.error.written_bytes") >= 0);
    assert_int_equal(value_of(all, "log.error.lost_lines"), 0);
    assert_int_equal(value_of(same, "jobq.busy%20%FF:%5B.done"), 5);
    json_decref(same);
    json_decref(all);
}

static void tagged_names_have_tags(void **state)
{
    json_t *all = asking_json("/mtev/stats.json?format=tagged");
    assert_int_equal(value_of(all, "jobq_done|ST[jobq:busy%20%FF:%5B]"), 5);
    assert_int_equal(sum_of(all, "jobq_run_ns|ST[jobq:busy%20%FF:%5B,lt:"), 5);
    assert_true(value_of(all, "loop_turns|ST[loop:e:default/0]") > 0);
    assert_true(value_of(all, "events_live") > 0);
    json_decref(all);
}

static void counts_begin_anew_and_the_rest_stays(void **state)
{
    json_t *all = asking_json("/mtev/stats.json?reset=1");
    assert_int_equal(value_of(all, "jobq.busy%20%FF:%5B.done"), 5);
    json_decref(all);
    all = asking_json("/mtev/stats.json?reset=0");
    assert_int_equal(value_of(all, "jobq.busy%20%FF:%5B.done"), 0);
    assert_int_equal(sum_of(all, "jobq.busy%20%FF:%5B.run_ns."), 0);
    assert_int_equal(value_of(all, "jobq.busy%20%FF:%5B.threads"), 1);
    assert_true(value_of(all, "events.live") > 0);
    json_decref(all);
    run_jobs(busy);
    all = asking_json("/mtev/stats.json?format=tagged");
    assert_int_equal(value_of(all, "jobq_done|ST[jobq:busy%20%FF:%5B]"), 5);
    json_decref(all);
}

static void what_is_deleted_may_be_one_kind(void **state)
{
    json_t *all = delete_stats("?type=histogram");
    assert_null(json_object_get(all, "jobq.busy%20%FF:%5B.done"));
    assert_null(json_object_get(all, "events.live"));
    assert_int_equal(sum_of(all, "jobq.busy%20%FF:%5B.run_ns."), 5);
    json_decref(all);
    all = delete_stats("?type=counter&format=tagged");
    assert_int_equal(value_of(all, "jobq_done|ST[jobq:busy%20%FF:%5B]"), 5);
    assert_int_equal(sum_of(all, "jobq_run_ns|ST[jobq:busy%20%FF:%5B,lt:"), 0);
    json_decref(all);
    all = delete_stats("");
    assert_int_equal(value_of(all, "jobq.busy%20%FF:%5B.done"), 0);
    json_decref(all);
}

static void a_queue_that_is_made_anew_counts_from_its_start(void **state)
{
    run_jobs(busy); /* ten have been done, which are forgotten */
    json_decref(delete_stats(""));
    eventer_jobq_drain_and_shutdown(busy);
    eventer_jobq_destroy(busy);
    busy = eventer_jobq_create("busy \xff:[");
    run_jobs(busy);
    json_t *all = asking_json("/mtev/stats.json");
    assert_int_equal(value_of(all, "jobq.busy%20%FF:%5B.done"), 5);
    json_decref(all);
}

static void functions_are_told_while_accounts_are_kept(void **state)
{
    eventer_callback_stats_enable(mtev_true);
    json_decref(asking_json("/mtev/stats.json"));
    json_t *all = asking_json("/mtev/stats.json");
    eventer_callback_stats_enable(mtev_false);
    assert_true(sum_of(all, "callback.") > 0);
    assert_null(strstr(asking_heard, "0x"));
    json_decref(all);
}

static void questions_that_make_no_sense_are_400(void **state)
{
    assert_refused_with("/mtev/stats.json?format=xml", 400);
    json_decref(asking_parse(
        asking_over(connect_to(asking_addresses[0]), "DELETE", "/mtev/stats.json?type=gauge")));
    assert_int_equal(asking_status, 400);
}

static void without_jemalloc_its_part_is_empty(void **state)
{
    json_t *all = asking_json("/mtev/memory.json");
    assert_true(json_is_object(all));
    assert_int_equal(json_object_size(all), 0);
    json_decref(all);
    const char *body = asking_get("/mtev/heap_profile?dump");
    assert_int_equal(asking_status, 501);
    assert_non_null(strstr(body, "-ljemalloc"));
}

static void nobody_is_told_without_an_acl(void **state)
{
    assert_denied_without_acl("GET", "/mtev/stats.json");
    assert_denied_without_acl("DELETE", "/mtev/stats.json");
    assert_denied_without_acl("GET", "/mtev/memory.json");
    assert_denied_without_acl("GET", "/mtev/heap_profile");
}

static void each_allocation_may_fail(void **state)
{
    assert_bears_starvation("/mtev/stats.json?format=tagged&reset=1");
    assert_bears_starvation("/mtev/memory.json");
}

#define stats_test(test) cmocka_unit_test_setup_teardown(test, begin, end)

static const struct CMUnitTest tests[] = {
    stats_test(simple_names_are_paths),
    stats_test(tagged_names_have_tags),
    stats_test(counts_begin_anew_and_the_rest_stays),
    stats_test(what_is_deleted_may_be_one_kind),
    stats_test(a_queue_that_is_made_anew_counts_from_its_start),
    stats_test(functions_are_told_while_accounts_are_kept),
    stats_test(questions_that_make_no_sense_are_400),
    stats_test(without_jemalloc_its_part_is_empty),
    stats_test(nobody_is_told_without_an_acl),
    stats_test(each_allocation_may_fail),
};

int main(void)
{
    asking_begin();
    mtev_stats_rest_init();
    mtev_stats_rest_init(); /* does nothing */
    mtev_heap_profiler_rest_init();
    mtev_heap_profiler_rest_init(); /* neither */
    return asking_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]));
}
