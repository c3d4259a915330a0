/* SPDX-License-Identifier: MIT */
/*
 * Goal: an operator is served from the prompt to the end, whatever he types and however slowly he
 * reads, and nobody else is held up meanwhile.
 * Method: operators at a unix socket; commands that block, or say more than anybody takes.
 */
#include "operator.h"

#include "base/alloc.h"
#include "console/session.h"

#include <poll.h>

static struct tally is_running = TALLY_NONE, may_end = TALLY_NONE;

static void add(const char *name, console_cmd_func_t func)
{
    cmd_info_t *command = NCSCMD(name, func, NULL, NULL, NULL);
    assert_int_equal(
        mtev_console_state_add_cmd(mtev_console_state_initial(), operator_keep(command)), 1);
}

static int block(mtev_console_closure_t s, int argc, char **argv, mtev_console_state_t *state,
                 void *closure)
{
    tally_raise(&is_running);
    tally_wait(&may_end);
    nc_printf(s, "done\n");
    return 0;
}

static void a_command_that_blocks_holds_nobody_up(void **state)
{
    add("block", block);
    int slow = operator_sit_down(), other = operator_sit_down();
    operator_type(slow, "block\n");
    tally_wait(&is_running);
    assert_answer_has(other, "show version", "eventer ");
    settle_all();
    tally_raise(&may_end);
    assert_string_equal(operator_hear(slow, OPERATOR_PROMPT), "done\n" OPERATOR_PROMPT);
    operator_leave(slow);
    operator_leave(other);
}

static void lines_that_come_together_run_one_after_the_other(void **state)
{
    int fd = operator_sit_down();
    operator_type(fd, "help help\nhelp help\r\nexit\n");
    assert_string_equal(operator_hear(fd, ""),
                        "help is a command; nothing more is known of it here\n" OPERATOR_PROMPT
                        "help is a command; nothing more is known of it here\n" OPERATOR_PROMPT);
    close(fd);
}

#define PIECES 40000

static int say_much(mtev_console_closure_t s, int argc, char **argv, mtev_console_state_t *state,
                    void *closure)
{
    int said = 0;
    while (said < PIECES && nc_printf(s, "%031d\n", said) == 32)
        said++;
    *(_Atomic int *)closure = said;
    tally_raise(&is_running);
    return 0;
}

static _Atomic int said;

static void add_say_much(void)
{
    cmd_info_t *command = NCSCMD("say", say_much, NULL, NULL, &said);
    assert_int_equal(
        mtev_console_state_add_cmd(mtev_console_state_initial(), operator_keep(command)), 1);
}

static void much_is_said_to_who_reads_it(void **state)
{
    add_say_much();
    int fd = operator_sit_down();
    operator_type(fd, "say\n");
    char line[33];
    for (int i = 0; i < PIECES; i++) {
        char wanted[40];
        assert_int_equal(recv(fd, line, 32, MSG_WAITALL), 32);
        snprintf(wanted, sizeof(wanted), "%031d\n", i);
        assert_memory_equal(line, wanted, 32);
    }
    tally_wait(&is_running);
    assert_int_equal(atomic_load(&said), PIECES);
    assert_string_equal(operator_hear(fd, OPERATOR_PROMPT), OPERATOR_PROMPT);
    operator_leave(fd);
}

static void who_goes_away_ends_what_is_said(void **state)
{
    add_say_much();
    int fd = operator_sit_down();
    operator_type(fd, "say\n");
    assert_int_equal(recv(fd, operator_heard, 100, MSG_WAITALL), 100);
    close(fd);
    tally_wait(&is_running);
    assert_true(atomic_load(&said) < PIECES);
}

static void who_goes_away_while_a_command_runs_ends_his_session(void **state)
{
    add("block", block);
    int fd = operator_sit_down();
    operator_type(fd, "block\n");
    tally_wait(&is_running);
    close(fd);
    tally_raise(&may_end);
    fd = operator_sit_down();
    operator_leave(fd);
}

static void a_line_has_a_most(void **state)
{
    char *line = malloc(MTEV_CONSOLE_LINE_MAX + 2);
    assert_non_null(line);
    int fd = operator_sit_down();
    for (int len = MTEV_CONSOLE_LINE_MAX - 1; len <= MTEV_CONSOLE_LINE_MAX + 1; len++) {
        memset(line, ' ', (size_t)len);
        memcpy(line, "help help", 9);
        line[len] = '\0';
        assert_answer(fd, line,
                      len > MTEV_CONSOLE_LINE_MAX
                          ? "that line is too long\n"
                          : "help is a command; nothing more is known of it here\n");
    }
    assert_answer(fd, "help help", "help is a command; nothing more is known of it here\n");
    operator_leave(fd);
    free(line);
}

static void there_may_be_so_many_sessions(void **state)
{
    int fds[MTEV_CONSOLE_SESSIONS_MAX];
    for (int i = 0; i < MTEV_CONSOLE_SESSIONS_MAX; i++)
        fds[i] = operator_sit_down();
    int refused = connect_to(operator_socket);
    assert_string_equal(operator_hear(refused, ""), "there are too many sessions\n");
    close(refused);
    operator_leave(fds[0]);
    do { /* its session may need a moment to end */
        fds[0] = connect_to(operator_socket);
        operator_hear(fds[0], OPERATOR_PROMPT);
        if (strcmp(operator_heard, OPERATOR_PROMPT) != 0)
            close(fds[0]);
    } while (strcmp(operator_heard, OPERATOR_PROMPT) != 0);
    for (int i = 0; i < MTEV_CONSOLE_SESSIONS_MAX; i++)
        operator_leave(fds[i]);
}

static _Atomic int freed;

static void count_freed(void *data)
{
    atomic_fetch_add(&freed, 1);
    free(data);
}

static int keep(mtev_console_closure_t s, int argc, char **argv, mtev_console_state_t *state,
                void *closure)
{
    const char *before = mtev_console_userdata_get(s, argv[0]);
    nc_printf(s, "%s\n", before == NULL ? "nothing" : before);
    return mtev_console_userdata_set(s, argv[0], argc > 1 ? strdup(argv[1]) : NULL, count_freed);
}

static void a_session_keeps_what_it_is_given(void **state)
{
    atomic_store(&freed, 0);
    add("keep", keep);
    int fd = operator_sit_down(), other = operator_sit_down();
    assert_answer(fd, "keep a 1", "nothing\n");
    assert_answer(fd, "keep a 2", "1\n");
    assert_int_equal(atomic_load(&freed), 1);
    assert_answer(fd, "keep b 3", "nothing\n");
    assert_answer(other, "keep a", "nothing\n");
    assert_answer(fd, "keep a", "2\n");
    assert_int_equal(atomic_load(&freed), 2);
    assert_answer(fd, "keep a", "nothing\n");
    operator_leave(fd);
    operator_leave(other);
    wait_until(&freed, 3);
}

static mtev_hook_return_t judge(void *closure, mtev_console_closure_t s, const char *line)
{
    if (strcmp(line, "forbidden") != 0)
        return MTEV_HOOK_CONTINUE;
    nc_printf(s, "that is forbidden\n");
    return MTEV_HOOK_ABORT;
}

static void a_hook_may_forbid_a_line(void **state)
{
    assert_int_equal(mtev_console_dispatch_hook_register("judge", judge, NULL), MTEV_HOOK_CONTINUE);
    int fd = operator_sit_down();
    assert_answer(fd, "forbidden", "that is forbidden\n");
    assert_answer(fd, "help help", "help is a command; nothing more is known of it here\n");
    operator_leave(fd);
}

static void commands_say_what_there_is(void **state)
{
    static const struct {
        const char *line, *part;
    } cases[] = {
        {"help", "  show ...\n"},
        {"show version", "up for "},
        {"show eventer debug timers", " timers\n"},
        {"show eventer debug sockets", "fd "},
        {"show eventer debug jobq", "default_queue"},
        {"show eventer debug jobq console", "console"},
        {"show eventer debug jobq none", "there is no job queue none\n"},
        {"show eventer debug memory", "events: "},
        {"show coroutines", " coroutines\n"},
        {"mtev intern", " texts, "},
        {"show mtev debug coreclocks", " ns\n"},
        {"mtev rdtsc status", "the kernel's clocks are read, whose source is "},
        {"mtev rdtsc enable", "no counter of the processor is read"},
        {"mtev rdtsc disable", "no counter of the processor is read"},
        {"mtev jobq", "expected: mtev jobq NAME"},
        {"mtev jobq none", "there is no job queue none\n"},
        {"mtev jobq console what 1", "expected: mtev jobq NAME"},
        {"mtev jobq console max x", "expected: mtev jobq NAME"},
        {"mtev jobq console concurrency", "expected: mtev jobq NAME"},
        {"mtev jobq default_queue concurrency 3", "concurrency 3 (0 to 0), floor 1, fifo"},
        {"mtev jobq default_queue max 9", "concurrency 3 (0 to 9)"},
        {"mtev jobq default_queue min 4", "concurrency 4 (4 to 9)"},
        {"mtev jobq default_queue floor 2", "floor 2"},
        {"mtev jobq default_queue lifo", "lifo"},
        {"mtev jobq default_queue fifo", "fifo"},
        {"mtev jobq default_queue backlog 7", "default_queue"},
        {"log details", "expected: the names of log streams\n"},
        {"log details nobody", "there is no log stream nobody\n"},
        {"log details debug", "debug: disabled, reaches no outlet\n"},
        {"log enable debug nobody", "there is no log stream nobody\n"},
        {"log details debug", "debug: enabled, reaches an outlet\n"},
        {"no log enable debug", ""},
        {"log details debug", "debug: disabled, reaches no outlet\n"},
        {"log facility debug", ""},
        {"log timestamps debug", ""},
        {"log debug debug", ""},
        {"log details debug", ", debug, timestamps, facility\n"},
        {"no log facility debug", ""},
        {"no log debug debug", ""},
        {"no log timestamps debug", ""},
        {"log details debug", "reaches no outlet\n"},
    };
    int fd = operator_sit_down();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_answer_has(fd, cases[i].line, cases[i].part);
    operator_leave(fd);
}

static void what_is_said_is_shown(void **state)
{
    mtev_log_stream_t news = mtev_log_stream_find("news");
    int fd = operator_sit_down(), other = operator_sit_down();
    assert_answer(fd, "log connect news", "");
    assert_answer(fd, "log connect news", "");
    assert_answer(other, "log connect news", "");
    mtevL(news, "something happened\n");
    assert_string_equal(operator_hear(fd, "\n"), "something happened\n");
    assert_string_equal(operator_hear(other, "\n"), "something happened\n");
    operator_leave(other);
    mtevL(news, "and again\n");
    assert_string_equal(operator_hear(fd, "\n"), "and again\n");
    mtevL(news, "a name: \033]0;x\a\b\x7f\r\tand \xc3\xa9\n"); /* a terminal does as it is told */
    assert_string_equal(operator_hear(fd, "\n"), "a name: ?]0;x????\tand \xc3\xa9\n");
    assert_answer(fd, "log disconnect news", "");
    mtevL(news, "and nobody hears it\n");
    assert_answer(fd, "log disconnect news", "news was not connected\n");
    assert_answer(fd, "log connect nobody", "there is no log stream nobody\n");
    assert_answer(fd, "log connect", "expected: the names of log streams\n");
    operator_leave(fd);
}

static void an_operator_may_say_something(void **state)
{
    mtev_log_stream_t news = mtev_log_stream_find("news");
    int fd = operator_sit_down();
    assert_answer(fd, "log to news nobody hears", "news is disabled, or reaches no outlet\n");
    assert_answer(fd, "log connect news", "");
    mtev_log_stream_set_flags(news, mtev_log_stream_get_flags(news) & ~MTEV_LOG_STREAM_ENABLED);
    assert_answer(fd, "log to news still nobody", "news is disabled, or reaches no outlet\n");
    assert_answer(fd, "log enable news", "");
    assert_answer(fd, "log to news 100% 'a  mark'", "100% a  mark\n");
    assert_answer(fd, "log to news",
                  "expected: the name of a log stream, and what is to be said "
                  "there\n");
    assert_answer(fd, "log to nobody x", "there is no log stream nobody\n");
    assert_answer(fd, "log disconnect news", "");
    operator_leave(fd);
}

static _Atomic bool may_chat;

static void *chat(void *closure)
{
    while (atomic_load(&may_chat))
        mtevL(closure, "a line of no news, said as often as one can, of some length\n");
    return NULL;
}

static void who_does_not_read_holds_up_nobody_who_says(void **state)
{
    pthread_t thread;
    mtev_log_stream_t news = mtev_log_stream_find("news");
    int fd = operator_sit_down();
    assert_answer(fd, "log connect news", "");
    atomic_store(&may_chat, true);
    assert_int_equal(pthread_create(&thread, NULL, chat, news), 0);
    do
        operator_hear(fd, "bytes were left out]\n");
    while (strstr(operator_heard, "bytes were left out]\n") == NULL);
    close(fd); /* and its session ends while lines are said */
    fd = operator_sit_down();
    operator_leave(fd);
    atomic_store(&may_chat, false);
    pthread_join(thread, NULL);
}

static void a_stream_in_memory_is_shown(void **state)
{
    mtev_log_stream_t past = mtev_log_stream_new("past", "memory", "10,1000", NULL, NULL);
    assert_non_null(past);
    mtevL(past, "one\n");
    mtevL(past, "two\n");
    mtevL(past, "\033[2Jthree\n");
    int fd = operator_sit_down();
    assert_answer(fd, "show log past", "one\ntwo\n?[2Jthree\n");
    assert_answer(fd, "show log past 2", "two\n?[2Jthree\n");
    assert_answer(fd, "show log past x",
                  "expected: the name of a log stream, and how many lines (0: all)\n");
    assert_answer(fd, "show log news", "news remembers nothing: it is not of the type memory\n");
    operator_leave(fd);
}

static void each_allocation_may_fail(void **state)
{
    static char text[] = "help help\nlog connect news\nexit\n";
    operator_visit(text); /* what is made once is there */
    harness_fail_each_allocation(operator_visit, text);
    int fd = operator_sit_down();
    operator_leave(fd);
}

static void when_the_process_ends_all_sessions_do(void **state)
{
    add("block", block);
    int idle = operator_sit_down(), busy = operator_sit_down();
    operator_type(busy, "block\n");
    tally_wait(&is_running);
    session_end_all();
    assert_string_equal(operator_hear(idle, ""), "\nthe program ends\n");
    assert_string_equal(operator_hear(busy, ""), "\nthe program ends\n");
    tally_raise(&may_end);
    close(idle);
    close(busy);
    int late = connect_to(operator_socket);
    assert_non_null(strstr(operator_hear(late, ""), "\nthe program ends\n"));
    close(late);
}

static const struct CMUnitTest tests[] = {
    operator_test(a_command_that_blocks_holds_nobody_up),
    operator_test(lines_that_come_together_run_one_after_the_other),
    operator_test(much_is_said_to_who_reads_it),
    operator_test(who_goes_away_ends_what_is_said),
    operator_test(who_goes_away_while_a_command_runs_ends_his_session),
    operator_test(a_line_has_a_most),
    operator_test(there_may_be_so_many_sessions),
    operator_test(a_session_keeps_what_it_is_given),
    operator_test(a_hook_may_forbid_a_line),
    operator_test(commands_say_what_there_is),
    operator_test(what_is_said_is_shown),
    operator_test(an_operator_may_say_something),
    operator_test(who_does_not_read_holds_up_nobody_who_says),
    operator_test(a_stream_in_memory_is_shown),
    operator_test(each_allocation_may_fail),
    operator_test(when_the_process_ends_all_sessions_do),
};

int main(void)
{
    operator_begin();
    return operator_end(harness_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0])));
}
