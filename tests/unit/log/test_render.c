/* SPDX-License-Identifier: MIT */
/*
 * Goal: a line in each format is what that format says, whatever bytes it holds, and ends as it
 * must when something had to be cut.
 * Method: lines with and without key-values, rendered and compared; those with every byte and of
 * every length are looked at for what must hold of all.
 */
#include "harness.h"

#include "log/line_impl.h"
#include "log/text_impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

static char out[LINE_MAX_BYTES + 1];
static const struct line_address address = {.priority = LOG_LOCAL3, .severity = -1};

static const char *render(const struct log_line *line, enum line_format format, unsigned look)
{
    size_t len = line_render(line, format, look, &address, out);
    assert_true(len <= LINE_MAX_BYTES);
    out[len] = '\0';
    return out;
}

static struct log_line line_of(const char *text, const mtev_log_kv_t *kvs)
{
    return (struct log_line){.facility = "error/db",
                             .when = {.tv_sec = 1000000000, .tv_usec = 42},
                             .file = "src/some/file.c",
                             .number = 7,
                             .text = text,
                             .len = strlen(text),
                             .kvs = kvs};
}

static void a_plain_line_has_its_key_values_behind_it(void **state)
{
    struct log_line line = line_of(
        "done\n",
        MLKV(MLKV_STR("word", "plain"), MLKV_STR("empty", ""), MLKV_STR("odd", "a \"b\"\n=c"),
             MLKV_STR("none", NULL), MLKV_STRN("part", "abcdef", 3), MLKV_NUM("int", -7),
             MLKV_NUM("size", sizeof(char)), MLKV_NUM("half", 0.5), MLKV_BOOL("yes", 1),
             MLKV_INT32("a", 1), MLKV_UINT32("b", 2), MLKV_INT64("c", INT64_MIN),
             MLKV_UINT64("d", UINT64_MAX), MLKV_DOUBLE("e", 1), MLKV_END));
    assert_string_equal(
        render(&line, LINE_PLAIN, 0),
        "done word=plain empty=\"\" odd=\"a \\\"b\\\"\\n=c\" none=\"\" part=abc int=-7 size=1 "
        "half=0.5 yes=true a=1 b=2 c=-9223372036854775808 d=18446744073709551615 e=1\n");
    line.text = "no newline";
    line.len = strlen(line.text);
    line.kvs = MLKV(MLKV_NUM("n", 1), MLKV_END);
    assert_string_equal(render(&line, LINE_PLAIN, LINE_LOOK_FACILITY), "[error/db] no newline n=1");
}

static void json_is_one_object_a_line(void **state)
{
    char wanted[1024];
    struct log_line line =
        line_of("said \"so\"\tand\\or\n",
                MLKV(MLKV_STR("user", "x\x01y"), MLKV_NUM("n", 3), MLKV_DOUBLE("inf", 1.0 / 0.0),
                     MLKV_BOOL("ok", 0), MLKV_STR("message", "taken"), MLKV_END));
    snprintf(wanted, sizeof(wanted),
             "{\"timestamp\":\"2001-09-09T01:46:40.000042Z\",\"facility\":\"error/db\","
             "\"threadid\":%d,\"threadname\":\"%s\",\"file\":\"file.c\",\"line\":7,"
             "\"user\":\"x\\u0001y\",\"n\":3,\"inf\":\"inf\",\"ok\":false,\"_message\":\"taken\","
             "\"message\":\"said \\\"so\\\"\\tand\\\\or\"}\n",
             (int)gettid(), line_thread(&(int){0}));
    assert_string_equal(render(&line, LINE_JSON, 0), wanted);
}

static void invalid_utf8_becomes_valid(void **state)
{
    static const struct {
        const char *text;
        const char *wanted;
    } cases[] = {
        {"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"},
        {"a\xff z", "a\xef\xbf\xbd z"},
        {"\xc3", "\xef\xbf\xbd"},
        {"\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd"},                 /* '/' in two bytes */
        {"\xe0\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"}, /* NUL in three */
        {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"}, /* a surrogate */
        {"\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xf0\x80\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xf5", "\xef\xbf\xbd"},
        {"\xe2\x82", "\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xe2\x82z", "\xef\xbf\xbd\xef\xbf\xbdz"},
        {"\x7f\b\f", "\\u007f\\b\\f"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char bytes[256];
        struct text t = {bytes, 0, sizeof(bytes) - 1};
        text_add_json(&t, cases[i].text, strlen(cases[i].text));
        bytes[t.len] = '\0';
        assert_string_equal(bytes, cases[i].wanted);
    }
}

/* What must hold of a JSON line whatever it says: quotes are in pairs, no control characters. */
static void assert_is_json_line(const char *text)
{
    size_t len = strlen(text);
    bool is_in_text = false;
    assert_string_equal(text + len - 3, "\"}\n");
    for (size_t i = 0; i + 1 < len; i++) {
        assert_true((unsigned char)text[i] >= ' ');
        if (is_in_text && text[i] == '\\')
            i++;
        else if (text[i] == '"')
            is_in_text = !is_in_text;
    }
    assert_false(is_in_text);
}

static void json_stays_whole_when_it_is_cut(void **state)
{
    static char text[LOG_MESSAGE_MAX + 1];
    for (size_t len = 0; len <= LOG_MESSAGE_MAX; len += 7) {
        for (size_t i = 0; i < len; i++)
            text[i] = (char)(1 + (i * 31 + len) % 255);
        text[len] = '\0';
        struct log_line line = line_of(text, MLKV(MLKV_STR("same", text), MLKV_NUM("n", 1),
                                                  MLKV_STR("again", text), MLKV_END));
        assert_is_json_line(render(&line, LINE_JSON, 0));
        line.facility = text;
        line.file = text;
        assert_is_json_line(render(&line, LINE_JSON, 0));
    }
}

static void a_plain_line_keeps_its_end_when_key_values_do_not_fit(void **state)
{
    static char text[LOG_MESSAGE_MAX + 1];
    memset(text, 'x', sizeof(text) - 1);
    text[LOG_MESSAGE_MAX - 1] = '\n';
    struct log_line line = line_of(text, MLKV(MLKV_STR("same", text), MLKV_NUM("n", 1), MLKV_END));
    const char *rendered = render(&line, LINE_PLAIN, LINE_LOOK_TIME);
    assert_string_equal(rendered + strlen(rendered) - 2, "x\n");
}

static void syslog_gets_what_its_daemons_read(void **state)
{
    char wanted[256];
    assert_int_equal(setenv("TZ", "UTC", 1), 0);
    struct log_line line = line_of("hello\n", NULL);
    snprintf(wanted, sizeof(wanted), "<155>Sep  9 01:46:40 %.32s[%d]: hello",
             program_invocation_short_name, (int)getpid());
    assert_string_equal(render(&line, LINE_SYSLOG, 0), wanted);
}

static void rfc5424_has_structured_data(void **state)
{
    char wanted[512], host[256] = "";
    gethostname(host, sizeof(host) - 1);
    struct log_line line = line_of("hello\n", MLKV(MLKV_STR("a b", "q\"]\\"), MLKV_END));
    snprintf(wanted, sizeof(wanted),
             "<155>1 2001-09-09T01:46:40.000042Z %s %.48s %d error/db "
             "[eventer@32473 ab=\"q\\\"\\]\\\\\"] hello",
             host, program_invocation_short_name, (int)getpid());
    assert_string_equal(render(&line, LINE_RFC5424, 0), wanted);
    line.kvs = NULL;
    assert_non_null(strstr(render(&line, LINE_RFC5424, 0), " error/db - hello"));
}

static void the_journal_gets_fields(void **state)
{
    struct log_line line = line_of(
        "two\nlines\n", MLKV(MLKV_STR("user-name", "x"), MLKV_STR("9lives", "y\nz"), MLKV_END));
    size_t len = line_render(&line, LINE_JOURNAL, 0, &address, out);
    static const char message[] = "\nMESSAGE\n\x09\0\0\0\0\0\0\0two\nlines\n";
    static const char lives[] = "\nF_9LIVES\n\x03\0\0\0\0\0\0\0y\nz\n";
    assert_non_null(memmem(out, len, message, sizeof(message) - 1));
    assert_non_null(memmem(out, len, lives, sizeof(lives) - 1));
    assert_non_null(memmem(out, len, "\nUSER_NAME=x\n", 13));
    assert_non_null(memmem(out, len, "PRIORITY=3\n", 11));
    assert_non_null(memmem(out, len, "\nCODE_LINE=7\n", 13));
    assert_non_null(memmem(out, len, "\nSTREAM=error/db\n", 17));
    assert_int_equal(out[len - 1], '\n');
}

static void severity_comes_from_the_first_name(void **state)
{
    assert_int_equal(line_severity("error"), LOG_ERR);
    assert_int_equal(line_severity("error/x/y"), LOG_ERR);
    assert_int_equal(line_severity("errors"), LOG_INFO);
    assert_int_equal(line_severity("notice/x"), LOG_NOTICE);
    assert_int_equal(line_severity("debug"), LOG_DEBUG);
    assert_int_equal(line_severity(""), LOG_INFO);
}

static void lines_that_differ_have_other_keys(void **state)
{
    struct log_line a = line_of("same\n", MLKV(MLKV_NUM("n", 1), MLKV_END));
    struct log_line b = line_of("same\n", MLKV(MLKV_NUM("n", 1), MLKV_END));
    b.when.tv_sec++;
    assert_int_equal(line_key(&a), line_key(&b));
    b.kvs = MLKV(MLKV_NUM("n", 2), MLKV_END);
    assert_int_not_equal(line_key(&a), line_key(&b));
    b = line_of("other\n", a.kvs);
    assert_int_not_equal(line_key(&a), line_key(&b));
    b = line_of("same\n", a.kvs);
    b.facility = "notice";
    assert_int_not_equal(line_key(&a), line_key(&b));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_plain_line_has_its_key_values_behind_it),
    cmocka_unit_test(json_is_one_object_a_line),
    cmocka_unit_test(invalid_utf8_becomes_valid),
    cmocka_unit_test(json_stays_whole_when_it_is_cut),
    cmocka_unit_test(a_plain_line_keeps_its_end_when_key_values_do_not_fit),
    cmocka_unit_test(syslog_gets_what_its_daemons_read),
    cmocka_unit_test(rfc5424_has_structured_data),
    cmocka_unit_test(the_journal_gets_fields),
    cmocka_unit_test(severity_comes_from_the_first_name),
    cmocka_unit_test(lines_that_differ_have_other_keys),
};
HARNESS_MAIN(tests)
