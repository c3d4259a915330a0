/* SPDX-License-Identifier: MIT */
/*
 * Goal: filters let through what they say, refuse what is none with its place, keep their limits,
 * and streams send lines over them as asked.
 * Method: a line with key-values, and tables of filters; streams on a pipe.
 */
#include "said.h"

#include "log/filter.h"

#include <errno.h>

static bool passes(const char *text)
{
    char reason[FILTER_REASON_SIZE] = "";
    struct filter *filter = NULL;
    const struct log_line line = {
        .facility = "notice/web",
        .file = "src/x.c",
        .number = 42,
        .text = "GET /index 200\n",
        .len = 15,
        .kvs = MLKV(MLKV_STR("user", "joe"), MLKV_NUM("ms", 17), MLKV_STR("empty", ""), MLKV_END)};
    if (filter_parse(text, reason, &filter) != 0)
        fail_msg("%s: %s", text, reason);
    bool result = filter_passes(filter, &line);
    filter_free(filter);
    return result;
}

static void tests_compare(void **state)
{
    static const char *const true_ones[] = {"message =~ \"^GET .* 200$\"",
                                            "message !~ POST",
                                            "facility == notice/web",
                                            "facility =~ '^notice'",
                                            "file == 'src/x.c'",
                                            "line == 42",
                                            "line >= 9",
                                            "line < 100",
                                            "level == notice",
                                            "level >= info",
                                            "level < error",
                                            "level != debug",
                                            "user == joe",
                                            "user != jane",
                                            "user < k",
                                            "ms > 9",
                                            "ms <= 17",
                                            "ms == 17.0",
                                            "empty == ''",
                                            "not user == jane",
                                            "! user == jane",
                                            "user == joe and ms == 17",
                                            "user==joe&&ms==17",
                                            "user == jane or ms == 17",
                                            "user == jane || (ms == 17 && not level == error)",
                                            "user == joe or user == jane and ms == 1",
                                            "not not user == joe",
                                            "thread != nobody"};
    static const char *const false_ones[] = {
        "message =~ POST",   "level > notice",
        "level == error",    "user == Joe",
        "ms < 17",           "ms > 170",
        "nobody == x",       "nobody != x",
        "nobody !~ x",       "(user == joe or user == jane) and ms == 1",
        "not (user == joe)", "user == jo",
        "user == joey",      "message == GET"};
    for (size_t i = 0; i < sizeof(true_ones) / sizeof(true_ones[0]); i++)
        if (!passes(true_ones[i]))
            fail_msg("does not pass: %s", true_ones[i]);
    for (size_t i = 0; i < sizeof(false_ones) / sizeof(false_ones[0]); i++)
        if (passes(false_ones[i]))
            fail_msg("passes: %s", false_ones[i]);
}

static void what_is_no_filter_is_refused_with_its_place(void **state)
{
    static const struct {
        const char *text;
        const char *reason;
    } cases[] = {
        {"", "no test at byte 0 of the filter"},
        {"message", "no operator (== != < <= > >= =~ !~) at byte 7 of the filter"},
        {"message = x", "no operator (== != < <= > >= =~ !~) at byte 8 of the filter"},
        {"message ==", "no value at byte 10 of the filter"},
        {"message == 'x", "a quote that does not end at byte 11 of the filter"},
        {"(message == x", "no closing parenthesis at byte 13 of the filter"},
        {"message == x y", "neither \"and\" nor \"or\" at byte 13 of the filter"},
        {"message == x and", "no test at byte 16 of the filter"},
        {"level == loud", "no level (debug, info, notice, error) at byte 13 of the filter"},
        {"message =~ '['", "\"[\" is no expression: missing terminating ] for character class"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char reason[FILTER_REASON_SIZE] = "";
        struct filter *filter = NULL;
        assert_int_equal(filter_parse(cases[i].text, reason, &filter), -EINVAL);
        assert_string_equal(reason, cases[i].reason);
        assert_null(filter);
    }
}

/* Join count tests. */
static int parse_many(int count, int depth, size_t blanks)
{
    static char text[4096];
    char reason[FILTER_REASON_SIZE];
    struct filter *filter = NULL;
    size_t len = 0;
    for (int i = 1; i < depth; i++)
        text[len++] = '(';
    for (int i = 0; i < count; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%sa == b", i > 0 ? " or " : "");
    for (int i = 1; i < depth; i++)
        text[len++] = ')';
    while (len < blanks)
        text[len++] = ' ';
    text[len] = '\0';
    int err = filter_parse(text, reason, &filter);
    filter_free(filter);
    return err;
}

static void a_filter_has_limits(void **state)
{
    assert_int_equal(parse_many(32, 1, 0), 0); /* and 31 joins */
    assert_int_equal(parse_many(33, 1, 0), -EINVAL);
    assert_int_equal(parse_many(1, FILTER_DEPTH_MAX - 1, 0), 0);
    assert_int_equal(parse_many(1, FILTER_DEPTH_MAX, 0), 0);
    assert_int_equal(parse_many(1, FILTER_DEPTH_MAX + 1, 0), -EINVAL);
    assert_int_equal(parse_many(1, 1, FILTER_LEN_MAX - 1), 0);
    assert_int_equal(parse_many(1, 1, FILTER_LEN_MAX), 0);
    assert_int_equal(parse_many(1, 1, FILTER_LEN_MAX + 1), -EINVAL);
}

static void an_expression_that_takes_too_long_is_not_found(void **state)
{
    static const char text[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab\n";
    char reason[FILTER_REASON_SIZE];
    struct filter *filter = NULL;
    const struct log_line line = {
        .facility = "x", .file = "", .text = text, .len = sizeof(text) - 1};
    assert_int_equal(filter_parse("message =~ '^(a+)+$'", reason, &filter), 0);
    assert_false(filter_passes(filter, &line));
    filter_free(filter);
}

static void parse_starved(void *closure)
{
    char reason[FILTER_REASON_SIZE];
    struct filter *filter = NULL;
    int err = filter_parse("a == b and (c =~ d or not e < 3)", reason, &filter);
    assert_true(err == 0 || err == -ENOMEM);
    filter_free(filter);
}

static void no_memory_is_an_error(void **state)
{
    harness_fail_each_allocation(parse_starved, NULL);
}

static void lines_go_where_filters_let_them(void **state)
{
    mtev_log_stream_t top = mtev_log_stream_find("filtered");
    mtev_log_stream_t middle = mtev_log_stream_find("filtered middle");
    assert_true(mtev_log_stream_add_stream_filtered(top, middle, "message =~ yes"));
    assert_true(mtev_log_stream_add_stream_filtered(middle, said_stream, "n >= 2"));
    mtev_log_stream_set_flags(middle, MTEV_LOG_STREAM_ENABLED | MTEV_LOG_STREAM_FACILITY);
    assert_true(N_L_S_ON(top));
    for (int i = 1; i <= 3; i++) {
        mtevEL(top, MLKV(MLKV_NUM("n", i), MLKV_END), "yes\n");
        mtevEL(top, MLKV(MLKV_NUM("n", i), MLKV_END), "no\n");
    }
    assert_string_equal(said(), "[filtered] yes n=2\n[filtered] yes n=3\n");
    mtev_log_stream_add_stream(middle, top); /* a circle */
    assert_true(mtev_log_stream_add_stream_filtered(top, middle, NULL));
    mtevEL(top, MLKV(MLKV_NUM("n", 2), MLKV_END), "no\n");
    assert_string_equal(said(), "[filtered] no n=2\n");
    mtev_log_stream_removeall_streams(middle);
    assert_false(N_L_S_ON(top));
}

static void a_filter_that_is_none_changes_nothing(void **state)
{
    int fds[2];
    assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
    assert_non_null(mtev_log_stream_new_on_fd("error", fds[1], NULL));
    mtev_log_stream_t top = mtev_log_stream_find("unfiltered");
    assert_false(mtev_log_stream_add_stream_filtered(top, said_stream, "huh"));
    assert_int_equal(errno, EINVAL);
    assert_false(N_L_S_ON(top));
    char text[256] = "";
    assert_true(read(fds[0], text, sizeof(text) - 1) > 0);
    assert_non_null(strstr(text, "no operator"));
    mtev_log_stream_close(mtev_error);
    mtev_log_stream_add_stream(mtev_error, mtev_stderr);
    close(fds[0]);
    close(fds[1]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, said_set_up, said_tear_down)

/* Shown red by making the first way of a stream that is made again without its filter. */
static void a_stream_that_is_made_again_has_no_filter(void **state)
{
    mtev_log_stream_t above = mtev_log_stream_find("first");
    mtev_log_stream_add_stream(above, said_stream);
    mtev_log_stream_t ls = mtev_log_stream_find("first/again");
    assert_true(mtev_log_stream_add_stream_filtered(ls, above, "message =~ yes"));
    mtevL(ls, "no\n");
    assert_string_equal(said(), "");
    mtev_log_stream_remove("first/again");
    assert_ptr_equal(mtev_log_stream_find("first/again"), ls);
    mtevL(ls, "no\n");
    assert_string_equal(said(), "no\n");
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(tests_compare),
    cmocka_unit_test(what_is_no_filter_is_refused_with_its_place),
    cmocka_unit_test(a_filter_has_limits),
    cmocka_unit_test(an_expression_that_takes_too_long_is_not_found),
    cmocka_unit_test(no_memory_is_an_error),
    TEST(lines_go_where_filters_let_them),
    TEST(a_filter_that_is_none_changes_nothing),
    TEST(a_stream_that_is_made_again_has_no_filter),
};
HARNESS_MAIN(tests)
