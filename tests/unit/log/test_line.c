/* SPDX-License-Identifier: MIT */
/*
 * Goal: a line is put together as asked, cut at its limit, kept in one piece among threads, and the
 * fatal calls end the process as they say.
 * Method: a stream on a pipe or on a temporary file, read back; a child process for what ends one.
 */
#include "harness.h"

#include "log/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREAD_COUNT  4
#define LINES_EACH    500
#define READ_SIZE     8192
#define THREAD_FORMAT "thread %d says line %03d of many, and it ends here\n"

struct pipe_log { /* a stream whose lines can be read back */
    mtev_log_stream_t stream;
    int fds[2];
};

static void open_log(struct pipe_log *log)
{
    assert_int_equal(pipe2(log->fds, O_CLOEXEC | O_NONBLOCK), 0);
    log->stream = mtev_log_stream_new_on_fd("test", log->fds[1], NULL);
    assert_non_null(log->stream);
}

/* Read what was said into text, NUL-terminated. */
static void read_log(const struct pipe_log *log, char text[static READ_SIZE])
{
    ssize_t len = read(log->fds[0], text, READ_SIZE - 1);
    text[len > 0 ? len : 0] = '\0';
}

static void close_log(struct pipe_log *log)
{
    mtev_log_stream_close(log->stream);
    close(log->fds[0]);
    close(log->fds[1]);
}

static void adds_nothing_to_a_message(void **state)
{
    struct pipe_log log;
    char text[READ_SIZE];
    open_log(&log);
    mtevL(log.stream, "no newline");
    mtevL(log.stream, " and %s\n", "one newline");
    read_log(&log, text);
    assert_string_equal(text, "no newline and one newline\n");
    mtevL(log.stream, "%s", "");
    read_log(&log, text);
    assert_string_equal(text, "");
    close_log(&log);
}

static int count_call(int *calls)
{
    return ++*calls;
}

static void evaluates_nothing_while_a_stream_is_off(void **state)
{
    struct pipe_log log;
    int calls = 0;
    open_log(&log);
    mtev_log_stream_set_flags(log.stream, 0);
    mtevL(log.stream, "%d\n", count_call(&calls));
    mtevL(mtev_log_stream_find("without an outlet"), "%d\n", count_call(&calls));
    mtevL(NULL, "%d\n", count_call(&calls));
    assert_int_equal(calls, 0);
    mtev_log_stream_set_flags(log.stream, MTEV_LOG_STREAM_ENABLED);
    mtevL(log.stream, "%d\n", count_call(&calls));
    assert_int_equal(calls, 1);
    close_log(&log);
}

static void keeps_errno_and_prints_it(void **state)
{
    struct pipe_log log;
    char text[READ_SIZE];
    open_log(&log);
    errno = EXDEV;
    mtevL(log.stream, "%m\n");
    assert_int_equal(errno, EXDEV);
    read_log(&log, text);
    assert_string_equal(text, "Invalid cross-device link\n");
    close_log(&log);
}

static void check_length(size_t len, bool is_cut)
{
    static const char mark[] = "...[cut]\n";
    struct pipe_log log;
    char said[LOG_MESSAGE_MAX + 2];
    char text[READ_SIZE];
    memset(said, 'x', len);
    said[len - 1] = '\n';
    said[len] = '\0';
    open_log(&log);
    mtevL(log.stream, "%s", said);
    read_log(&log, text);
    assert_int_equal(strlen(text), len < LOG_MESSAGE_MAX ? len : LOG_MESSAGE_MAX);
    if (is_cut)
        assert_string_equal(text + strlen(text) - strlen(mark), mark);
    else
        assert_string_equal(text, said);
    close_log(&log);
}

static void a_message_is_cut_past_its_limit_only(void **state)
{
    check_length(LOG_MESSAGE_MAX - 1, false);
    check_length(LOG_MESSAGE_MAX, false);
    check_length(LOG_MESSAGE_MAX + 1, true);
}

static void says_when(void **state)
{
    struct pipe_log log;
    char text[READ_SIZE];
    const struct timeval when = {.tv_sec = 1000000000, .tv_usec = 42};
    assert_int_equal(setenv("TZ", "UTC", 1), 0);
    open_log(&log);
    mtev_log_stream_set_flags(log.stream, MTEV_LOG_STREAM_ENABLED | MTEV_LOG_STREAM_TIMESTAMPS);
    mtevLT(log.stream, &when, "then\n");
    read_log(&log, text);
    assert_string_equal(text, "[2001-09-09 01:46:40.000042] then\n");
    mtevL(log.stream, "now\n");
    read_log(&log, text);
    assert_int_equal(strlen(text), strlen("[2001-09-09 01:46:40.000042] now\n"));
    close_log(&log);
}

static void says_who_and_where(void **state)
{
    struct pipe_log log;
    char text[READ_SIZE];
    char wanted[READ_SIZE];
    open_log(&log);
    prctl(PR_SET_NAME, "fifteen letters");
    mtev_log_stream_set_flags(log.stream, MTEV_LOG_STREAM_ENABLED | MTEV_LOG_STREAM_DEBUG |
                                              MTEV_LOG_STREAM_FACILITY);
    const int line = __LINE__ + 1;
    mtevL(log.stream, "here\n");
    read_log(&log, text);
    snprintf(wanted, sizeof(wanted), "[test] [fifteen letters,test_line.c:%d] here\n", line);
    assert_string_equal(text, wanted);
    close_log(&log);
}

static void a_long_place_does_not_push_the_message_out(void **state)
{
    struct pipe_log log;
    char text[READ_SIZE];
    char file[2 * LOG_PREFIX_MAX];
    memset(file, 'f', sizeof(file) - 1);
    file[sizeof(file) - 1] = '\0';
    open_log(&log);
    mtev_log_stream_set_flags(log.stream, ~0u);
    assert_int_equal(mtev_log(log.stream, NULL, file, 2147483647, "message\n"), 0);
    read_log(&log, text);
    assert_true(strlen(text) <= LOG_PREFIX_MAX + strlen("message\n"));
    assert_string_equal(text + strlen(text) - strlen("message\n"), "message\n");
    close_log(&log);
}

static void each_outlet_gets_the_prefix_of_its_road(void **state)
{
    struct pipe_log log;
    char text[READ_SIZE];
    open_log(&log);
    mtev_log_stream_t plain = mtev_log_stream_find("plain");
    mtev_log_stream_t named = mtev_log_stream_find("named");
    mtev_log_stream_add_stream(plain, log.stream);
    mtev_log_stream_add_stream(named, log.stream);
    mtev_log_stream_set_flags(named, MTEV_LOG_STREAM_ENABLED | MTEV_LOG_STREAM_FACILITY);
    mtevL(plain, "one\n");
    mtevL(named, "two\n");
    read_log(&log, text);
    assert_string_equal(text, "one\n[named] two\n");
    close_log(&log);
}

struct talk {
    mtev_log_stream_t stream;
    int number;
};

static void *talk(void *closure)
{
    const struct talk *t = closure;
    for (int i = 0; i < LINES_EACH; i++)
        mtevL(t->stream, THREAD_FORMAT, t->number, i);
    return NULL;
}

static void lines_of_threads_never_mix(void **state)
{
    char path[] = "/tmp/test_line.XXXXXX";
    pthread_t threads[THREAD_COUNT];
    struct talk talks[THREAD_COUNT];
    int next[THREAD_COUNT] = {0};
    char text[READ_SIZE];
    char wanted[READ_SIZE];
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    mtev_log_stream_t stream = mtev_log_stream_new("threads", "file", path, NULL, NULL);
    assert_non_null(stream);
    for (int i = 0; i < THREAD_COUNT; i++) {
        talks[i] = (struct talk){stream, i};
        assert_int_equal(pthread_create(&threads[i], NULL, talk, &talks[i]), 0);
    }
    for (int i = 0; i < THREAD_COUNT; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(log_flush(UINT64_C(10000000000)), 0);
    FILE *file = fdopen(fd, "r");
    while (fgets(text, sizeof(text), file) != NULL) {
        int number = text[strlen("thread ")] - '0';
        assert_in_range(number, 0, THREAD_COUNT - 1);
        snprintf(wanted, sizeof(wanted), THREAD_FORMAT, number, next[number]++);
        assert_string_equal(text, wanted);
    }
    for (int i = 0; i < THREAD_COUNT; i++)
        assert_int_equal(next[i], LINES_EACH);
    fclose(file);
    mtev_log_stream_close(stream);
    unlink(path);
}

/* Run die in a child whose stream is log.  Returns how it ended, with what it said in text. */
static int run_child(void (*die)(mtev_log_stream_t), char text[static READ_SIZE])
{
    struct pipe_log log;
    int status = 0;
    open_log(&log);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        signal(SIGABRT, SIG_DFL);
        dup2(log.fds[1], 2);
        die(log.stream);
        _exit(99);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    read_log(&log, text);
    close_log(&log);
    return status;
}

static void die_fatally(mtev_log_stream_t ls)
{
    mtevFatal(ls, "because of %d\n", 7);
}

static void die_silently(mtev_log_stream_t ls)
{
    mtev_log_stream_set_flags(ls, 0);
    mtevFatal(ls, "unheard\n");
}

static void die_orderly(mtev_log_stream_t ls)
{
    mtevTerminate(ls, "no %s\n", "more");
}

static void die_at_start(mtev_log_stream_t ls)
{
    mtevStartupTerminate(ls, "not begun\n");
}

static void die_at_another_start(mtev_log_stream_t ls)
{
    log_is_restarted();
    mtevStartupTerminate(ls, "not begun again\n");
}

static void die_by_assertion(mtev_log_stream_t ls)
{
    mtevAssert(ls != NULL);
    mtevEvalAssert(ls == NULL);
}

static void check_death(void (*die)(mtev_log_stream_t), bool aborts, const char *start,
                        const char *end)
{
    char text[READ_SIZE];
    int status = run_child(die, text);
    if (aborts)
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    else
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 2);
    assert_int_equal(strncmp(text, start, strlen(start)), 0);
    assert_non_null(strstr(text, "test_line.c:"));
    assert_string_equal(text + strlen(text) - strlen(end), end);
}

static void the_last_words_name_the_place(void **state)
{
    check_death(die_fatally, true, "[FATAL][", "] because of 7\n");
    check_death(die_silently, true, "[FATAL][", "] unheard\n");
    check_death(die_orderly, false, "[TERMINATE][", "] no more\n");
    check_death(die_at_start, false, "[TERMINATE][", "] not begun\n");
    check_death(die_at_another_start, true, "[FATAL][", "] not begun again\n");
    check_death(die_by_assertion, true, "[FATAL][", "] assertion failed: ls == NULL\n");
}

static void an_assertion_evaluates_once(void **state)
{
    int calls = 0;
    mtevAssert(count_call(&calls) == 1);
    mtevEvalAssert(count_call(&calls) == 2);
    assert_int_equal(calls, 2);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(adds_nothing_to_a_message),
    cmocka_unit_test(evaluates_nothing_while_a_stream_is_off),
    cmocka_unit_test(keeps_errno_and_prints_it),
    cmocka_unit_test(a_message_is_cut_past_its_limit_only),
    cmocka_unit_test(says_when),
    cmocka_unit_test(says_who_and_where),
    cmocka_unit_test(a_long_place_does_not_push_the_message_out),
    cmocka_unit_test(each_outlet_gets_the_prefix_of_its_road),
    cmocka_unit_test(lines_of_threads_never_mix),
    cmocka_unit_test(the_last_words_name_the_place),
    cmocka_unit_test(an_assertion_evaluates_once),
};
HARNESS_MAIN(tests)
