/* SPDX-License-Identifier: MIT */
/*
 * Goal: <logs> sets up streams with what they inherit, and every fault in it is one line with its
 * place while the rest is applied.
 * Method: built-in configurations whose files are in a temporary folder, read back.
 */
#include "configured.h"

#include "base/alloc.h"
#include "log/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>

#define TEXT_SIZE 4096

static char folder[32];
static char text[TEXT_SIZE];

static int set_up(void **state)
{
    snprintf(folder, sizeof(folder), "/tmp/test_logs.XXXXXX");
    assert_non_null(mkdtemp(folder));
    return logged_set_up(state);
}

static void remove_file(const char *name)
{
    char path[64];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    unlink(path);
}

static int tear_down(void **state)
{
    mtev_log_stream_close(mtev_log_stream_find("one"));
    mtev_log_stream_close(mtev_log_stream_find("two"));
    remove_file("one");
    remove_file("two");
    rmdir(folder);
    return configured_tear_down(state);
}

/* Load <app> around logs, in which each %s is the folder, and apply it. */
static int apply(const char *logs)
{
    size_t len = 0;
    len += (size_t)snprintf(text, sizeof(text), "<app>\n");
    for (const char *c = logs; *c != '\0'; c++) {
        assert_true(len < sizeof(text) - 64);
        if (*c == '%')
            len += (size_t)snprintf(text + len, sizeof(text) - len, "%s", folder);
        else
            text[len++] = *c;
    }
    snprintf(text + len, sizeof(text) - len, "\n</app>");
    assert_int_equal(conf_load_text("logs", text), 0);
    return conf_apply_logs();
}

/* Return what the file holds when all is written. */
static const char *file_text(const char *name)
{
    static char held[TEXT_SIZE];
    char path[64];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    assert_int_equal(log_flush(UINT64_C(10000000000)), 0);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    ssize_t len = read(fd, held, sizeof(held) - 1);
    held[len > 0 ? len : 0] = '\0';
    close(fd);
    return held;
}

static void assert_file(const char *name, const char *wanted)
{
    assert_string_equal(file_text(name), wanted);
}

static void a_file_and_what_writes_to_it(void **state)
{
    assert_int_equal(
        apply("<logs><log name='one' type='file' path='%/one'/>\n"
              "<group><outlet name='one'/><log name='to/one'/>\n"
              "<sub><outlet name='one'/><log name='to/one/too'/></sub></group></logs>"),
        0);
    mtevL(mtev_log_stream_find("to/one"), "first\n");
    mtevL(mtev_log_stream_find("to/one/too"), "second\n");
    assert_file("one", "first\nsecond\n");
}

static void standard_error_is_there_by_name(void **state)
{
    assert_int_equal(apply("<logs><log name='stderr'/><console_output><outlet name='stderr'/>\n"
                           "<log name='notice'/></console_output></logs>"),
                     0);
    assert_true(N_L_S_ON(mtev_notice));
    assert_ptr_equal(mtev_log_stream_remove_stream(mtev_notice, "stderr"), mtev_stderr);
    assert_null(mtev_log_stream_remove_stream(mtev_notice, "error"));
    mtev_log_stream_add_stream(mtev_notice, mtev_error);
}

static void a_log_without_outlets_keeps_those_it_has(void **state)
{
    assert_int_equal(apply("<logs><log name='notice'/></logs>"), 0);
    mtevL(mtev_notice, "over error\n");
    assert_logged_lines("over error\n");
}

static void switches_are_inherited_and_overruled(void **state)
{
    const unsigned on = MTEV_LOG_STREAM_ENABLED;
    assert_int_equal(
        apply("<logs timestamps='on'><a disabled='true' debug='true'><log name='x/a'/>\n"
              "<log name='x/b' disabled='false' timestamps='off' facility='on'/></a>\n"
              "<log name='x/c'/></logs>"),
        0);
    const unsigned material = MTEV_LOG_STREAM_MATERIAL;
    assert_int_equal(mtev_log_stream_get_flags(mtev_log_stream_find("x/a")) & ~material,
                     MTEV_LOG_STREAM_TIMESTAMPS | MTEV_LOG_STREAM_DEBUG);
    assert_int_equal(mtev_log_stream_get_flags(mtev_log_stream_find("x/b")) & ~material,
                     on | MTEV_LOG_STREAM_DEBUG | MTEV_LOG_STREAM_FACILITY);
    assert_int_equal(mtev_log_stream_get_flags(mtev_log_stream_find("x/c")) & ~material,
                     on | MTEV_LOG_STREAM_TIMESTAMPS);
    assert_int_equal(apply("<logs><log name='x/b'/></logs>"), 0);
    assert_int_equal(mtev_log_stream_get_flags(mtev_log_stream_find("x/b")) & ~material, on);
}

static void an_outlet_may_come_before_its_log(void **state)
{
    assert_int_equal(apply("<logs><log name='early'><outlet name='two'/></log>\n"
                           "<log name='two' type='file_synch' path='%/two'/></logs>"),
                     0);
    mtevL(mtev_log_stream_find("early"), "early\n");
    assert_file("two", "early\n");
}

static void applying_again_appends_to_the_same_file(void **state)
{
    for (int i = 0; i < 3; i++) {
        assert_int_equal(apply("<logs><log name='one' type='file' path='%/one'/></logs>"), 0);
        mtevL(mtev_log_stream_find("one"), "%d\n", i);
    }
    assert_file("one", "0\n1\n2\n");
}

static void what_a_log_says_applies(void **state)
{
    assert_int_equal(apply("<logs format='json'><log name='one' type='file' path='%/one'\n"
                           " dedup_seconds='60' rotate_bytes='102400' queue_bytes='65536'/>\n"
                           "<log name='to/one'><outlet name='one' filter='n > 1'/></log></logs>"),
                     0);
    for (int i = 0; i < 5; i++)
        mtevEL(mtev_log_stream_find("to/one"), MLKV(MLKV_NUM("n", i / 2), MLKV_END), "x\n");
    const char *at = file_text("one");
    assert_non_null(strstr(at, "\"facility\":\"to/one\""));
    assert_non_null(strstr(at, "\"n\":2,\"message\":\"x\"}\n"));
    assert_int_equal(strchr(at, '\n') - at, strlen(at) - 1);
    assert_int_equal(apply("<logs><log name='one' type='file' path='%/one'/></logs>"), 0);
    mtevL(mtev_log_stream_find("one"), "plain again\n");
    mtevL(mtev_log_stream_find("one"), "plain again\n");
    assert_non_null(strstr(file_text("one"), "}\nplain again\nplain again\n"));
}

static void a_format_of_its_own_is_not_asked_for(void **state)
{
    char socket_path[64];
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    snprintf(socket_path, sizeof(socket_path), "%s/two", folder);
    memcpy(address.sun_path, socket_path, strlen(socket_path) + 1);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(apply("<logs format='json'>"
                           "<log name='two' type='syslog' path='daemon@%/two'/></logs>"),
                     0);
    assert_int_equal(
        apply("<logs>\n"
              "<log name='two' format='json' type='syslog' path='daemon@%/two'/></logs>"),
        -EINVAL);
    assert_logged_lines("logs:3: <log> format=\"json\": syslog has a format of its own\n");
    close(fd);
}

static void no_logs_are_no_fault(void **state)
{
    assert_int_equal(apply(""), 0);
    conf_unload();
    assert_int_equal(conf_apply_logs(), 0);
}

static void every_fault_is_one_line_and_the_rest_is_applied(void **state)
{
    static const struct {
        const char *logs;
        const char *wanted;
    } cases[] = {
        {"<logs>\n<log/></logs>", "logs:3: <log> has no name\n"},
        {"<logs>\n<log name='x' type='jungle' path='/x'/></logs>",
         "logs:3: <log> type=\"jungle\": no type of log (file, file_synch, memory, syslog, "
         "journald)\n"},
        {"<logs>\n<log name='x' type='jlog' path='/x'/></logs>",
         "logs:3: <log> type=\"jlog\": jlog is not supported (file, file_synch, memory, syslog, "
         "journald)\n"},
        {"<logs>\n<log name='x' type='file'/></logs>", "logs:3: <log> has a type but no path\n"},
        {"<logs>\n<log name='x' type='memory' path='10'/></logs>",
         "logs:3: <log> path=\"10\": this is no path for such a log\n"},
        {"<logs>\n<log name='x' type='syslog' path='nobody'/></logs>",
         "logs:3: <log> path=\"nobody\": this is no path for such a log\n"},
        {"<logs>\n<log name='x' type='journald' path='/nowhere'/></logs>",
         "logs:3: <log> path=\"/nowhere\": No such file or directory\n"},
        {"<logs>\n<log name='x' format='xml'/></logs>",
         "logs:3: <log> format=\"xml\": no format (plain, json)\n"},
        {"<logs>\n<log name='x' format='flatbuffer'/></logs>",
         "logs:3: <log> format=\"flatbuffer\": flatbuffer is not supported (plain, json)\n"},
        {"<logs>\n<log name='x' stats='some'/></logs>",
         "logs:3: <log> stats=\"some\": neither true (on) nor false (off)\n"},
        {"<logs>\n<log name='x' timestamps='some'/></logs>",
         "logs:3: <log> timestamps=\"some\": neither true (on) nor false (off)\n"},
        {"<logs>\n<log name='x' facility='some'/></logs>",
         "logs:3: <log> facility=\"some\": neither true (on) nor false (off)\n"},
        {"<logs>\n<log name='x' rotate_bytes='102399'/></logs>",
         "logs:3: <log> rotate_bytes=\"102399\": not a number between 102400 and "
         "1125899906842624\n"},
        {"<logs>\n<log name='x' rotate_seconds='599'/></logs>",
         "logs:3: <log> rotate_seconds=\"599\": not a number between 600 and 315360000\n"},
        {"<logs>\n<log name='x' retain_bytes='0'/></logs>",
         "logs:3: <log> retain_bytes=\"0\": not a number between 1 and 1125899906842624\n"},
        {"<logs>\n<log name='x' retain_seconds='0'/></logs>",
         "logs:3: <log> retain_seconds=\"0\": not a number between 1 and 315360000\n"},
        {"<logs>\n<log name='x' dedup_seconds='86401'/></logs>",
         "logs:3: <log> dedup_seconds=\"86401\": not a number between 1 and 86400\n"},
        {"<logs>\n<log name='x' queue_bytes='lots'/></logs>",
         "logs:3: <log> queue_bytes=\"lots\": not a number between 65536 and 1073741824\n"},
        {"<logs><log name='x'>\n<outlet name='y' filter='a ='/></log></logs>",
         "logs:3: <outlet> filter=\"a =\": no operator (== != < <= > >= =~ !~) at byte 2 of the "
         "filter\n"},
        {"<logs>\n<log name='x' path='/x'/></logs>", "logs:3: <log> has a path but no type\n"},
        {"<logs>\n<log name='x' type='file' path='/nowhere/x'/></logs>",
         "logs:3: <log> path=\"/nowhere/x\": No such file or directory\n"},
        {"<logs type='file'\npath='/nowhere/x'><log name='x'/></logs>",
         "logs:3: <logs> path=\"/nowhere/x\": No such file or directory\n"},
        {"<logs>\n<log name='x' disabled='maybe'/></logs>",
         "logs:3: <log> disabled=\"maybe\": neither true (on) nor false (off)\n"},
        {"<logs>\n<log name='x' debug='1'/></logs>",
         "logs:3: <log> debug=\"1\": neither true (on) nor false (off)\n"},
        {"<logs><log name='x'>\n<outlet/></log></logs>", "logs:3: <outlet> has no name\n"},
        {"<logs>\n<log name='{{f:x:{y}}}'/></logs>",
         "logs:3: <log> name=\"{{f:x:{y}}}\": \"f\" is no facility (ENV, hwloc)\n"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(apply(cases[i].logs), -EINVAL);
        assert_logged_lines(cases[i].wanted);
    }
    assert_int_equal(apply("<logs><log/><log name='one' type='file' path='%/one'/>\n<log/></logs>"),
                     -EINVAL);
    assert_logged_lines("logs:2: <log> has no name\nlogs:3: <log> has no name\n");
    mtevL(mtev_log_stream_find("one"), "applied\n");
    assert_file("one", "applied\n");
}

static void check_outlets(int count, int wanted)
{
    char logs[TEXT_SIZE];
    int len = snprintf(logs, sizeof(logs), "<logs><log name='outlets'>");
    for (int i = 0; i < count; i++)
        len += snprintf(logs + len, sizeof(logs) - (size_t)len, "<outlet name='o%d'/>", i);
    snprintf(logs + len, sizeof(logs) - (size_t)len, "</log></logs>");
    assert_int_equal(apply(logs), wanted);
}

static void a_log_has_so_many_outlets(void **state)
{
    check_outlets(LOG_OUTLETS_MAX - 1, 0);
    check_outlets(LOG_OUTLETS_MAX, 0);
    check_outlets(LOG_OUTLETS_MAX + 1, -EINVAL);
    assert_logged_lines("logs:2: <log> has more than 16 outlets\n");
}

static void a_name_has_a_limit(void **state)
{
    char logs[LOG_NAME_MAX + 64];
    snprintf(logs, sizeof(logs), "<logs>\n<log name='%0*d'/></logs>", LOG_NAME_MAX + 1, 0);
    assert_int_equal(apply(logs), -EINVAL);
    assert_logged_one_line("logs:3: <log> name=\"0");
    snprintf(logs, sizeof(logs), "<logs>\n<log name='%0*d'/></logs>", LOG_NAME_MAX, 0);
    assert_int_equal(apply(logs), 0);
}

static void apply_starved(void *closure)
{
    int err = conf_apply_logs();
    assert_true(err == 0 || err == -EINVAL);
    if (err != 0)
        assert_non_null(strstr(logged_take(), "Cannot allocate memory"));
    else
        assert_nothing_logged();
}

static void no_memory_is_an_error(void **state)
{
    assert_int_equal(apply("<logs format='json'><outlet name='one' filter='a == b'/>\n"
                           "<log name='one' type='file' path='%/one' dedup_seconds='5'/>\n"
                           "<log name='two' type='memory' path='10,1000'/>\n"
                           "<log name='starved' timestamps='on'/></logs>"),
                     0);
    harness_fail_each_allocation(apply_starved, NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static const struct CMUnitTest tests[] = {
    TEST(a_file_and_what_writes_to_it),
    TEST(standard_error_is_there_by_name),
    TEST(a_log_without_outlets_keeps_those_it_has),
    TEST(switches_are_inherited_and_overruled),
    TEST(an_outlet_may_come_before_its_log),
    TEST(applying_again_appends_to_the_same_file),
    TEST(what_a_log_says_applies),
    TEST(a_format_of_its_own_is_not_asked_for),
    TEST(no_logs_are_no_fault),
    TEST(every_fault_is_one_line_and_the_rest_is_applied),
    TEST(a_log_has_so_many_outlets),
    TEST(a_name_has_a_limit),
    TEST(no_memory_is_an_error),
};
HARNESS_MAIN(tests)
