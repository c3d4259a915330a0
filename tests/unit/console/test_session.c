/* SPDX-License-Identifier: MIT */
/*
 * Goal: at a terminal that speaks telnet a line can be edited, completed and taken from before; and
 * over TCP nobody is admitted but who should be.
 * Method: operators who type keys, at consoles of both kinds; listeners with and without an acl.
 */
#include "operator.h"

#include <sys/stat.h>

#define IAC "\xff"
#define HELLO                                                                                      \
    IAC "\xfb\1" IAC "\xfb\3" IAC "\xfd\x1f"                                                       \
        "\rtest# \033[K"

/* Sit down at the terminal. */
static int telnet_sit_down(void)
{
    int fd = connect_to(operator_telnet);
    assert_string_equal(operator_hear(fd, "\033[K"), HELLO);
    return fd;
}

/* Type keys, and hear end at the end of what is shown. */
static const char *type(int fd, const char *keys, const char *end)
{
    operator_type(fd, keys);
    operator_hear(fd, end);
    size_t len = strlen(operator_heard), wanted = strlen(end);
    if (len < wanted || strcmp(operator_heard + len - wanted, end) != 0)
        fail_msg("heard %s", operator_heard);
    return operator_heard;
}

static void telnet_leave(int fd)
{
    type(fd, "\025\004", "\r\n");
    assert_string_equal(operator_hear(fd, ""), "");
    close(fd);
}

static void keys_are_echoed_and_lines_end_as_telnet_wants(void **state)
{
    int fd = telnet_sit_down();
    type(fd, "help helx", "help helx");
    type(fd, "\b", "\rtest# help hel\033[K");
    assert_string_equal(type(fd, "p\r\n", "test# \033[K"),
                        "p\r\nhelp is a command; nothing more is known of it here\r\n"
                        "\rtest# \033[K");
    assert_string_equal(type(fd, "ab\003", "test# \033[K"), "ab^C\r\n\rtest# \033[K");
    type(fd, "exit\r", "exit\r\n");
    assert_string_equal(operator_hear(fd, ""), "");
    close(fd);
}

static void who_refuses_the_echo_gets_plain_lines(void **state)
{
    int fd = telnet_sit_down();
    type(fd, IAC "\xfe\1", IAC "\xfc\1");
    assert_string_equal(type(fd, "help help\r\n", "test# \033[K"),
                        "help is a command; nothing more is known of it here\r\n"
                        "\rtest# \033[K");
    operator_type(fd, "exit\r\n");
    assert_string_equal(operator_hear(fd, ""), "");
    close(fd);
}

static int do_nothing_at_all(mtev_console_closure_t s, int argc, char **argv,
                             mtev_console_state_t *state, void *closure)
{
    return 0;
}

static void who_gets_no_echo_may_correct_all_the_same(void **state)
{
    int fd = telnet_sit_down();
    type(fd, IAC "\xfe\1", IAC "\xfc\1");
    operator_type(fd, "nonsense" IAC "\xf4"
                      "wrong" IAC "\xf8" IAC "\xf7"
                      "help helpx" IAC "\xf7");
    assert_string_equal(type(fd, "\r\n", "test# \033[K"),
                        "help is a command; nothing more is known of it here\r\n"
                        "\rtest# \033[K");
    operator_type(fd, "exit\r\n");
    assert_string_equal(operator_hear(fd, ""), "");
    close(fd);
}

static void words_are_completed(void **state)
{
    static const char *const names[] = {"comet", "comma", "common"};
    mtev_console_state_t *first = mtev_console_state_initial();
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(mtev_console_state_add_cmd(
                             first, NCSCMD(names[i], do_nothing_at_all, NULL, NULL, NULL)),
                         1);
    int fd = telnet_sit_down();
    type(fd, "sho\t", "show ");
    type(fd, "ve\t", "version ");
    type(fd, "\025co\t", "com"); /* as far as all go on alike */
    type(fd, "\t", "comet  comma  common  \r\n\rtest# com\033[K");
    type(fd, "m\t", "\r\ncomma  common  \r\n\rtest# comm\033[K");
    type(fd, "a\t", "a ");
    type(fd, "\025show eventer debug jobq defa\t", "default_queue ");
    type(fd, "\025help show eve\t", "eventer ");
    type(fd, "\025nothing begins so\t!", "so!");
    type(fd, "\025\t", "\rtest# \033[K");
    telnet_leave(fd);
}

static void lines_of_before_come_back(void **state)
{
    unlink(operator_past);
    int fd = telnet_sit_down();
    type(fd, "\033[A!\b", "\rtest# \033[K"); /* there is none yet */
    type(fd, "help help\r\n", "\rtest# \033[K");
    type(fd, "help exit\r\n", "\rtest# \033[K");
    type(fd, "\033[A", "\rtest# help exit\033[K");
    type(fd, "\033[A", "\rtest# help help\033[K");
    type(fd, "\033[B", "\rtest# help exit\033[K");
    type(fd, "\033[B", "\rtest# \033[K");
    telnet_leave(fd);
    struct stat st;
    while (stat(operator_past, &st) != 0 || st.st_size == 0)
        sched_yield(); /* the session writes it at its end */
    assert_int_equal(st.st_mode & 0777, 0600);
    fd = telnet_sit_down(); /* and another session reads it */
    type(fd, "\020", "\rtest# help exit\033[K");
    type(fd, "\020", "\rtest# help help\033[K");
    type(fd, "\r\n", "\rtest# \033[K");
    telnet_leave(fd);
}

/* Connect to a console at an address of TCP with that in its stanza. */
static int connect_over_tcp(const char *address, const char *config)
{
    char stanza[512];
    snprintf(stanza, sizeof(stanza),
             "<listener type='mtev_console' address='%s' port='0'><config>%s</config></listener>",
             address, config);
    assert_int_equal(listen_to(stanza, true), 0);
    harness_keep_fds(); /* the listener stays */
    return connect_to(listening_on);
}

/* Have a session with that file for its lines, which it must not touch; hear of it in the log. */
static void assert_past_refused(const char *path, const char *why)
{
    char config[256], wanted[256];
    snprintf(config, sizeof(config), "<history_file>%s</history_file>", path);
    int fd = connect_over_tcp("127.0.0.1", config);
    operator_hear(fd, OPERATOR_PROMPT);
    operator_leave(fd);
    settle_all();
    snprintf(wanted, sizeof(wanted), "console: %s: no lines are kept: %s\n", path, why);
    assert_logged_lines(wanted);
}

static void a_file_that_is_no_past_is_left_alone(void **state)
{
    static const char other[] = "somebody else's\n";
    char path[80], text[64] = "";
    snprintf(path, sizeof(path), "%s/other", operator_folder);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    fputs(other, file);
    fclose(file);
    assert_past_refused(path, "it is no file of such lines");
    file = fopen(path, "re");
    assert_non_null(file);
    assert_int_equal(fread(text, 1, sizeof(text) - 1, file), sizeof(other) - 1);
    assert_string_equal(text, other);
    fclose(file);
    assert_int_equal(truncate(path, 16 * 1024 * 1024 + 1), 0);
    assert_past_refused(path, "File too large");
    unlink(path);
    assert_past_refused(operator_folder, "it is no file of such lines");
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_past_refused(path, "it is no file of such lines");
    unlink(path);
    assert_past_refused("/nonexistent/past", "No such file or directory");
}

static void the_window_has_a_width(void **state)
{
    int fd = telnet_sit_down();
    static const char size[] = IAC "\xfa\x1f\0\x1e\0\x18" IAC "\xf0";
    assert_int_equal(send(fd, size, sizeof(size) - 1, 0), sizeof(size) - 1);
    type(fd, "help help\r\n", "here\r\n\rtest# \033[K");
    type(fd, "0123456789012345678901234567890123456789", "\rtest# 78901234567890123456789\033[K");
    telnet_leave(fd);
}

/* Hear what it says. */
static const char *hear_of(const char *address, const char *config)
{
    int fd = connect_over_tcp(address, config);
    operator_hear(fd, OPERATOR_PROMPT);
    close(fd);
    return operator_heard;
}

static void over_tcp_an_acl_decides(void **state)
{
    static const char refusal[] = "you are not admitted to this console\n";
    assert_string_equal(hear_of("127.0.0.1", ""), OPERATOR_PROMPT);
    char socket[sizeof(listening_on) + 8];
    snprintf(socket, sizeof(socket), "local %s", listening_on);
    int operator= operator_sit_down();
    assert_answer_has(operator, "show eventer debug sockets", socket); /* with the port */
    operator_leave(operator);
    assert_string_equal(hear_of("*", ""), OPERATOR_PROMPT);
    assert_string_equal(hear_of("127.0.0.1", "<acl>127.0.0.0/8</acl>"), OPERATOR_PROMPT);
    assert_nothing_logged();
    assert_string_equal(hear_of("127.0.0.1", "<acl>10.0.0.0/8</acl>"), refusal);
    assert_logged_lines("console: 127.0.0.1 is not admitted\n");
    assert_string_equal(hear_of("127.0.0.1", "<acl>127.0.0.0/8 what</acl>"), refusal);
    assert_logged_lines(
        "console: 127.0.0.1 is not admitted: the acl of the listener has a fault\n");
}

/* As a browser does, for a page that wants to get at the console of whoever looks at it. */
static void a_request_of_http_ends_the_session(void **state)
{
    static const char request[] = "POST /x HTTP/1.1\r\nHost: a\r\n\r\nhelp\nshow version\n";
    static const char *const configs[] = {"", "<line_protocol>telnet</line_protocol>"};
    for (size_t i = 0; i < 2; i++) {
        int fd = connect_over_tcp("127.0.0.1", configs[i]);
        operator_type(fd, request);
        operator_hear(fd, "");
        assert_non_null(strstr(operator_heard, "no HTTP is spoken here"));
        assert_null(strstr(operator_heard, "HTTP/1.1\n"));
        assert_null(strstr(operator_heard, "up for"));
        assert_logged_lines("console: a request of HTTP was refused\n");
        close(fd);
    }
    int fd = operator_sit_down(); /* no browser gets at a unix socket */
    assert_answer_has(fd, "GET /x", "there is no command GET here");
    operator_leave(fd);
}

static const struct CMUnitTest tests[] = {
    operator_test(keys_are_echoed_and_lines_end_as_telnet_wants),
    operator_test(who_refuses_the_echo_gets_plain_lines),
    operator_test(who_gets_no_echo_may_correct_all_the_same),
    operator_test(words_are_completed),
    operator_test(lines_of_before_come_back),
    operator_test(the_window_has_a_width),
    logged_test(a_file_that_is_no_past_is_left_alone),
    logged_test(over_tcp_an_acl_decides),
    logged_test(a_request_of_http_ends_the_session),
};

int main(void)
{
    operator_begin();
    return operator_end(harness_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0])));
}
