/* SPDX-License-Identifier: MIT */
/*
 * Goal: a command is applied to each text of a range, and to no more than can be taken in.
 * Method: an operator, and a command that repeats its words.
 */
#include "operator.h"

#include "base/alloc.h"

static int repeat(mtev_console_closure_t s, int argc, char **argv, mtev_console_state_t *state,
                  void *closure)
{
    for (int i = 0; i < argc; i++)
        nc_printf(s, "%s%c", argv[i], i == argc - 1 ? '\n' : ' ');
    return argc > 0 && strcmp(argv[0], "bad") == 0 ? -1 : 0;
}

static void each_text_takes_the_place_of_the_word(void **state)
{
    static const struct {
        const char *line, *wanted;
    } cases[] = {
        {"apply N {a,b} repeat N x", "a x\nb x\n"},
        {"apply N {1..3} repeat N", "1\n2\n3\n"},
        {"apply N {9..10} repeat N", "9\n10\n"},
        {"apply N {3..1} repeat N", ""},
        {"apply N a{1..2}z repeat -NN- 'N N'", "-a1za1z- a1z a1z\n-a2za2z- a2z a2z\n"},
        {"apply N {a} repeat n", "n\n"},
        {"apply N x{,y} repeat N", "x\nxy\n"},
        {"apply N {1..x} repeat N", "1..x\n"},
        {"apply N {-1..2} repeat N", "-1..2\n"},
        {"apply N {a,bad,c} repeat N", "a\nbad\napply: stopped at bad\n"},
        {"apply N {repeat,help} N repeat", "repeat\nrepeat is a command; nothing more is known of "
                                           "it here\n"},
        {"apply N {1..2} apply M {1..2} repeat", "apply cannot be applied\napply: stopped at 1\n"},
        {"apply N {1..2} nothing", "there is no command nothing here, but:\n"},
    };
    int fd = operator_sit_down();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]) - 1; i++)
        assert_answer(fd, cases[i].line, cases[i].wanted);
    assert_answer_has(fd, cases[12].line, cases[12].wanted);
    operator_leave(fd);
}

static void what_is_no_range_is_refused(void **state)
{
    static const char *const lines[] = {"apply",
                                        "apply N {1..2}",
                                        "apply N a repeat",
                                        "apply N { repeat",
                                        "apply N } repeat",
                                        "apply '' {a} repeat"};
    int fd = operator_sit_down();
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        assert_answer_has(fd, lines[i], "expected: apply WORD RANGE COMMAND");
    operator_leave(fd);
}

static void there_is_a_most(void **state)
{
    int fd = operator_sit_down();
    char line[4096], letters[301];
    for (unsigned most = 255; most <= 257; most++) {
        snprintf(line, sizeof(line), "apply N {1..%u} repeat N", most);
        const char *said = operator_ask(fd, line);
        assert_int_equal(strstr(said, "\n256\n") != NULL, most >= 256);
        assert_null(strstr(said, "\n257\n"));
        assert_int_equal(strstr(said, "the range has more than 256 texts") != NULL, most == 257);
    }
    memset(letters, 'N', 300);
    letters[300] = '\0';
    snprintf(line, sizeof(line), "apply N {%s} repeat %s", letters, letters);
    assert_answer_has(fd, line, "the command becomes too long\napply: stopped at NNN");
    operator_leave(fd);
}

static void whoever_leaves_is_at_the_end(void **state)
{
    int fd = operator_sit_down();
    operator_type(fd, "apply N {1..3} exit\n");
    assert_string_equal(operator_hear(fd, ""), "");
    close(fd);
}

static void each_allocation_may_fail(void **state)
{
    static char text[] = "apply N {a,b} repeat N\nexit\n";
    operator_visit(text); /* what is made once is there */
    harness_fail_each_allocation(operator_visit, text);
    int fd = operator_sit_down();
    assert_answer(fd, "apply N {a,b} repeat N", "a\nb\n");
    operator_leave(fd);
}

static const struct CMUnitTest tests[] = {
    operator_test(each_text_takes_the_place_of_the_word),
    operator_test(what_is_no_range_is_refused),
    operator_test(there_is_a_most),
    operator_test(whoever_leaves_is_at_the_end),
    operator_test(each_allocation_may_fail),
};

int main(void)
{
    operator_begin();
    mtev_console_state_add_cmd(mtev_console_state_initial(),
                               operator_keep(NCSCMD("repeat", repeat, NULL, NULL, NULL)));
    return operator_end(harness_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0])));
}
