/* SPDX-License-Identifier: MIT */
/*
 * Goal: an operator sees, changes and writes the configuration, and is told what cannot be done.
 * Method: a configuration in a file, and an operator at a console that it makes.
 */
#include "operator.h"

#include "conf/conf.h"

#include <fcntl.h>

static char file[80];

/* Return what the file holds. */
static const char *file_text(void)
{
    static char text[4096];
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    ssize_t len = read(fd, text, sizeof(text) - 1);
    assert_true(len >= 0);
    text[len] = '\0';
    close(fd);
    return text;
}

static void values_are_shown(void **state)
{
    int fd = operator_sit_down();
    assert_answer(fd, "show conf a/@b", "1\n");
    assert_answer(fd, "show conf a/c", "last\nthis is the last one of 2\n");
    assert_answer(fd, "show conf nothing", "there is nothing at nothing\n");
    assert_answer_has(fd, "show conf", "expected: a path in the configuration");
    operator_leave(fd);
    logged_clear();
}

static void secrets_are_not_shown(void **state)
{
    int fd = operator_sit_down();
    assert_answer(fd, "configure set a/@password hush", "");
    assert_answer(fd, "show conf a/@password", "...\n");
    assert_answer(fd, "configure unset a/@password", "");
    operator_leave(fd);
}

static int is_under_way(void)
{
    return -EALREADY;
}

static void a_reload_is_that_of_the_process(void **state)
{
    int fd = operator_sit_down();
    conf_set_reload(is_under_way);
    assert_answer(fd, "configure reload",
                  "it is being read again already, and will be once more\n");
    conf_set_reload(NULL);
    operator_leave(fd);
}

static void values_are_changed_and_written(void **state)
{
    int fd = operator_sit_down();
    assert_answer(fd, "configure set a/@b 'two words'", "");
    assert_answer(fd, "show conf a/@b", "two words\n");
    assert_answer_has(fd, "write terminal", "<a b=\"two words\">");
    assert_non_null(strstr(file_text(), "<a b=\"1\">"));
    assert_answer(fd, "write file", "all changes are in the file\n");
    assert_non_null(strstr(file_text(), "<a b=\"two words\">"));
    assert_answer(fd, "configure unset a/@b", "");
    assert_answer(fd, "show conf a/@b", "there is nothing at a/@b\n");
    assert_answer(fd, "configure reload", "the configuration was read again\n");
    assert_logged(1, "without changes that were not written");
    assert_answer(fd, "show conf a/@b", "two words\n");
    operator_leave(fd);
}

static void what_cannot_be_done_is_said(void **state)
{
    int fd = operator_sit_down();
    assert_answer(fd, "configure set //[ x", "//[: Invalid argument\n");
    assert_answer_has(fd, "configure set a/@b", "expected: a path");
    assert_answer_has(fd, "configure unset", "expected: a path");
    FILE *broken = fopen(file, "w");
    assert_non_null(broken);
    fputs("<test>", broken);
    fclose(broken);
    logged_clear();
    assert_answer(fd, "configure reload",
                  "it was not read again, and is as it was; the log says why\n");
    assert_int_equal(logged("test.conf:"), 1);
    assert_answer(fd, "configure set a/@b 3", "");
    assert_answer_has(fd, "write memory", "test.conf");
    operator_leave(fd);
    logged_clear();
}

static void a_terminal_has_the_commands_without_more_words(void **state)
{
    int fd = operator_sit_down();
    operator_type(fd, "configure terminal\nset a/@b 4\nshow a/@b\nexit\n");
    assert_string_equal(operator_hear(fd, OPERATOR_PROMPT),
                        "configure# configure# 4\nconfigure# " OPERATOR_PROMPT);
    operator_leave(fd);
}

static const struct CMUnitTest tests[] = {
    operator_test(values_are_shown),
    operator_test(secrets_are_not_shown),
    operator_test(a_reload_is_that_of_the_process),
    operator_test(values_are_changed_and_written),
    operator_test(a_terminal_has_the_commands_without_more_words),
    operator_test(what_cannot_be_done_is_said),
};

int main(void)
{
    operator_begin();
    snprintf(file, sizeof(file), "%s/test.conf", operator_folder);
    FILE *made = fopen(file, "w");
    if (made == NULL ||
        fputs("<test>\n  <a b=\"1\"><c>first</c><c>last</c></a>\n</test>\n", made) < 0)
        return 1;
    fclose(made);
    mtev_console_conf_init();
    mtev_console_conf_init();
    if (mtev_conf_load(file) != 0)
        return 1;
    int status = harness_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]));
    unlink(file);
    return operator_end(status);
}
