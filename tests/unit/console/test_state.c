/* SPDX-License-Identifier: MIT */
/*
 * Goal: a command is found by as much of its name as tells it from others, wherever it is, and gets
 * its words; states can be entered and left.
 * Method: commands of our own, which an operator gives.
 */
#include "operator.h"

#include "base/alloc.h"

#include <errno.h>

/* Say what words came. */
static int say(mtev_console_closure_t s, int argc, char **argv, mtev_console_state_t *state,
               void *closure)
{
    nc_printf(s, "%s:", (const char *)closure);
    for (int i = 0; i < argc; i++)
        nc_printf(s, " [%s]", argv[i]);
    nc_printf(s, "\n");
    return 0;
}

static const char *planet_prompt(mtev_console_closure_t s)
{
    return "planet test# "; /* ends as the usual one, for operator_ask() */
}

static mtev_console_state_t *planet;

static int enter_planet(mtev_console_closure_t s, int argc, char **argv,
                        mtev_console_state_t *state, void *closure)
{
    int result = mtev_console_state_push_state(s, planet);
    nc_printf(s, "%s\n", result == 0 ? "entered" : strerrorname_np(errno));
    return result;
}

static int say_twice(mtev_console_closure_t s, int argc, char **argv, mtev_console_state_t *state,
                     void *closure)
{
    return mtev_console_state_do(s, argc, argv) + mtev_console_state_do(s, argc, argv) +
           mtev_console_state_do(s, 0, argv);
}

static void add(mtev_console_state_t *state, const char *name, console_cmd_func_t func,
                const char *closure)
{
    cmd_info_t *command = NCSCMD(name, func, NULL, NULL, (void *)(uintptr_t)closure);
    assert_int_equal(mtev_console_state_add_cmd(state, operator_keep(command)), 1);
}

static void a_beginning_that_is_of_one_name_will_do(void **state)
{
    mtev_console_state_t *first = mtev_console_state_initial();
    add(first, "earth", say, "earth");
    add(first, "eart", say, "eart");
    add(first, "europa", say, "europa");
    int fd = operator_sit_down();
    assert_answer(fd, "europa a b", "europa: [a] [b]\n");
    assert_answer(fd, "eu", "europa:\n");
    assert_answer(fd, "eart", "eart:\n"); /* the whole of a name is that name */
    assert_answer(fd, "earth", "earth:\n");
    assert_answer(fd, "e", "e may be:\n  eart\n  earth\n  europa\n  exit\n");
    assert_answer(fd, "ear", "ear may be:\n  eart\n  earth\n");
    assert_answer_has(fd, "pluto", "there is no command pluto here, but:\n");
    assert_answer_has(fd, "exi", "there is no command exi here, but:\n");
    operator_leave(fd);
}

static void words_may_be_quoted(void **state)
{
    add(mtev_console_state_initial(), "words", say, "words");
    int fd = operator_sit_down();
    assert_answer(fd, "  words  'a b'  \"c 'd'\" e\\ f ''", "words: [a b] [c 'd'] [e f] []\n");
    assert_answer(fd, "words 'a", "a quote is not closed\n");
    assert_answer(fd, "words \"a", "a quote is not closed\n");
    assert_answer(fd, "", "");
    assert_answer(fd, " \t ", "");
    assert_answer(fd, "\r", "");
    operator_leave(fd);
}

static void commands_lead_to_others(void **state)
{
    mtev_console_state_t *show = mtev_console_mksubdelegate(mtev_console_state_initial(), "sky");
    mtev_console_state_t *stars = mtev_console_mksubdelegate(show, "stars");
    assert_non_null(stars);
    assert_ptr_equal(mtev_console_mksubdelegate(show, "stars"), stars);
    add(stars, "sirius", say, "sirius");
    add(stars, "vega", say, "vega");
    add(show, "sun", say, "sun");
    int fd = operator_sit_down();
    assert_answer(fd, "sky stars vega x", "vega: [x]\n");
    assert_answer(fd, "sk st si", "sirius:\n");
    assert_answer(fd, "sky su", "sun:\n");
    assert_answer(fd, "sky s", "s may be:\n  stars ...\n  sun\n");
    assert_answer(fd, "sky stars", "a word is missing:\n  sirius\n  vega\n");
    assert_answer(fd, "help sky", "  stars ...\n  sun\n");
    assert_answer(fd, "help sky stars", "  sirius\n  vega\n");
    assert_answer(fd, "help sky sun", "sun is a command; nothing more is known of it here\n");
    assert_answer(fd, "help sky moon", "moon is no command here\n");
    assert_answer(fd, "help sky s", "s may be several\n");
    errno = 0;
    assert_null(mtev_console_mksubdelegate(show, "sun")); /* leads nowhere */
    assert_int_equal(errno, EINVAL);
    operator_leave(fd);
}

static void states_are_entered_and_left(void **state)
{
    cmd_info_t *commands[] = {
        NCSCMD("exit", mtev_console_state_pop, NULL, NULL, NULL),
        NCSCMD("further", enter_planet, NULL, NULL, NULL),
        NCSCMD("name", say, NULL, NULL, (void *)(uintptr_t) "name"),
        NULL,
    };
    planet = mtev_console_state_build(planet_prompt, commands, NULL);
    add(mtev_console_state_initial(), "planet", enter_planet, "");
    int fd = operator_sit_down();
    assert_answer(fd, "planet", "entered\nplanet ");
    assert_answer(fd, "name x", "name: [x]\nplanet ");
    for (int depth = 2; depth < MTEV_CONSOLE_DEPTH_MAX; depth++)
        assert_answer(fd, "further", "entered\nplanet ");
    assert_answer(fd, "further", "ENOSPC\nplanet ");
    assert_answer(fd, "exit now", "no more words are expected here\nplanet ");
    for (int depth = MTEV_CONSOLE_DEPTH_MAX; depth > 2; depth--)
        assert_answer(fd, "exit", "planet ");
    assert_answer(fd, "exit", "");
    operator_leave(fd);
}

static void a_command_may_run_others(void **state)
{
    mtev_console_state_t *first = mtev_console_state_initial();
    add(first, "twice", say_twice, "");
    add(first, "words", say, "words");
    int fd = operator_sit_down();
    assert_answer(fd, "twice words a", "words: [a]\nwords: [a]\n");
    operator_leave(fd);
}

static void a_command_may_be_replaced(void **state)
{
    mtev_console_state_t *first = mtev_console_state_initial();
    add(first, "changing", say, "old");
    add(first, "changing", say, "new");
    int fd = operator_sit_down();
    assert_answer(fd, "changing", "new:\n");
    operator_leave(fd);
}

static void what_is_no_command_is_refused(void **state)
{
    static const char *const names[] = {"", "two words", "a\ttab", "quote'", NULL};
    mtev_console_state_t *first = mtev_console_state_initial();
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        cmd_info_t command = {.name = names[i], .func = say};
        errno = 0;
        assert_int_equal(mtev_console_state_add_cmd(first, &command), 0);
        assert_int_equal(errno, EINVAL);
        assert_null(mtev_console_mksubdelegate(first, names[i]));
    }
    assert_int_equal(mtev_console_state_add_cmd(NULL, NULL), 0);
    assert_int_equal(mtev_console_state_add_cmd(first, &(cmd_info_t){.name = "x"}), 0);
    assert_null(mtev_console_state_get_cmd(first, "x"));
    assert_null(mtev_console_state_get_cmd(NULL, "x"));
    assert_null(mtev_console_mksubdelegate(NULL, "x"));
}

static void add_without_memory(void *closure)
{
    static int round;
    char name[32];
    mtev_console_state_t *first = mtev_console_state_initial();
    snprintf(name, sizeof(name), "made%d", round++);
    mtev_console_state_t *made = mtev_console_mksubdelegate(first, name);
    assert_int_equal(made != NULL, mtev_console_state_get_cmd(first, name) != NULL);
    mtev_console_state_t *alone = operator_keep(mtev_console_state_alloc());
    cmd_info_t *command = operator_keep(NCSCMD("alone", say, NULL, NULL, NULL));
    if (alone != NULL && command != NULL && mtev_console_state_add_cmd(alone, command) == 0)
        assert_null(mtev_console_state_get_cmd(alone, "alone"));
}

static void each_allocation_may_fail(void **state)
{
    harness_fail_each_allocation(add_without_memory, NULL);
}

static const struct CMUnitTest tests[] = {
    operator_test(a_beginning_that_is_of_one_name_will_do),
    operator_test(words_may_be_quoted),
    operator_test(commands_lead_to_others),
    operator_test(states_are_entered_and_left),
    operator_test(a_command_may_run_others),
    operator_test(a_command_may_be_replaced),
    operator_test(what_is_no_command_is_refused),
    operator_test(each_allocation_may_fail),
};

int main(void)
{
    operator_begin();
    return operator_end(harness_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0])));
}
