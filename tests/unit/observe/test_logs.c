/* SPDX-License-Identifier: MIT */
/*
 * Goal: lines that a log keeps in memory are told by their indices, all or some; other logs, and
 * questions that make no sense, are refused.
 * Method: a log of ten lines that has had fifteen, over HTTP.
 */
#include "../rest/asking.h"

#include <mtev_events_rest.h>

#define LINES 10
#define SAID  15
#define LONG  2000 /* lines of a log that takes several parts */

/* The answer has count lines, the first of which has that index. */
static void assert_lines(const char *path, size_t count, json_int_t first)
{
    size_t index;
    json_t *line, *all = asking_json(path);
    assert_true(json_is_array(all));
    assert_int_equal(json_array_size(all), count);
    json_array_foreach(all, index, line)
    {
        char wanted[32];
        json_int_t idx = json_integer_value(json_object_get(line, "idx"));
        assert_int_equal(idx, first + (json_int_t)index);
        snprintf(wanted, sizeof(wanted), "line %lld \xef\xbf\xbd\n", (long long)idx);
        assert_string_equal(json_string_value(json_object_get(line, "line")), wanted);
        assert_int_equal(json_integer_value(json_object_get(line, "whence")), 1000000 * idx + 7);
        assert_int_equal(json_object_size(line), 3);
    }
    json_decref(all);
}

static void say_lines(mtev_log_stream_t ls, int count)
{
    for (int i = 0; i < count; i++)
        mtevLT(ls, (&(struct timeval){1000 * i, 7999}), "line %d \xff\n", i);
}

static void all_lines_are_told(void **state)
{
    assert_lines("/eventer/logs/kept/a.json", LINES, SAID - LINES);
}

static void the_last_ones_are_told(void **state)
{
    assert_lines("/eventer/logs/kept/a.json?last=1", 1, SAID - 1);
    assert_lines("/eventer/logs/kept/a.json?last=9", LINES - 1, SAID - LINES + 1);
    assert_lines("/eventer/logs/kept/a.json?last=10", LINES, SAID - LINES);
    assert_lines("/eventer/logs/kept/a.json?last=11", LINES, SAID - LINES);
    assert_lines("/eventer/logs/kept/a.json?last=0", LINES, SAID - LINES); /* no limit */
    assert_lines("/eventer/logs/kept/a.json?last=18446744073709551615", LINES, SAID - LINES);
}

static void those_behind_an_index_are_told(void **state)
{
    assert_lines("/eventer/logs/kept/a.json?since=0", LINES, SAID - LINES); /* gone since */
    assert_lines("/eventer/logs/kept/a.json?since=4", LINES, SAID - LINES);
    assert_lines("/eventer/logs/kept/a.json?since=5", LINES - 1, SAID - LINES + 1);
    assert_lines("/eventer/logs/kept/a.json?since=13", 1, SAID - 1);
    assert_lines("/eventer/logs/kept/a.json?since=14", 0, 0);
    assert_lines("/eventer/logs/kept/a.json?since=15", 0, 0);
    assert_lines("/eventer/logs/kept/a.json?since=18446744073709551615", 0, 0);
    assert_lines("/eventer/logs/kept/a.json?since=12&last=1", 2, 13); /* since decides */
}

static void what_is_no_number_is_400(void **state)
{
    assert_refused_with("/eventer/logs/kept/a.json?last=x", 400);
    assert_refused_with("/eventer/logs/kept/a.json?since=-1", 400);
    assert_refused_with("/eventer/logs/kept/a.json?last=", 400);
    assert_refused_with("/eventer/logs/kept/a.json?since", 400);
    assert_refused_with("/eventer/logs/kept/a.json?last=18446744073709551616", 400);
}

static void a_log_that_keeps_nothing_is_404(void **state)
{
    assert_refused_with("/eventer/logs/unheard-of.json", 404);
    assert_refused_with("/eventer/logs/error.json", 404);
    assert_refused_with("/eventer/logs/kept.json", 404);
    assert_refused_with("/eventer/logs/%ff.json", 404);
    assert_false(mtev_log_stream_exists("unheard-of"));
}

static void a_long_log_is_told_whole(void **state)
{
    mtev_log_stream_t ls = mtev_log_stream_new("long", "memory", "2000,1000000", NULL, NULL);
    say_lines(ls, LONG);
    assert_lines("/eventer/logs/long.json", LONG, 0);
    assert_lines("/eventer/logs/long.json?last=1999", LONG - 1, 1);
    mtev_log_stream_close(ls);
}

static void an_empty_log_is_an_empty_array(void **state)
{
    mtev_log_stream_t ls = mtev_log_stream_new("empty", "memory", "10,100", NULL, NULL);
    assert_lines("/eventer/logs/empty.json", 0, 0);
    assert_lines("/eventer/logs/empty.json?last=1", 0, 0);
    assert_lines("/eventer/logs/empty.json?since=0", 0, 0);
    mtev_log_stream_close(ls);
}

static void nobody_is_told_without_an_acl(void **state)
{
    assert_denied_without_acl("GET", "/eventer/logs/kept/a.json");
    assert_denied_without_acl("GET", "/eventer/logs/unheard-of.json");
}

static void each_allocation_may_fail(void **state)
{
    assert_bears_starvation("/eventer/logs/kept/a.json");
}

static const struct CMUnitTest tests[] = {
    asking_test(all_lines_are_told),
    asking_test(the_last_ones_are_told),
    asking_test(those_behind_an_index_are_told),
    asking_test(what_is_no_number_is_400),
    asking_test(a_log_that_keeps_nothing_is_404),
    asking_test(a_long_log_is_told_whole),
    asking_test(an_empty_log_is_an_empty_array),
    asking_test(nobody_is_told_without_an_acl),
    asking_test(each_allocation_may_fail),
};

int main(void)
{
    asking_begin();
    mtev_log_stream_t kept = mtev_log_stream_new("kept/a", "memory", "10,1000", NULL, NULL);
    if (kept == NULL)
        return 1;
    say_lines(kept, SAID);
    mtev_events_rest_init();
    return asking_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]));
}
