/* SPDX-License-Identifier: MIT */
/*
 * Goal: what waits for a writer is in the file when the process exits, dies by a signal, aborts or
 * terminates, once; a child of fork(2) writes its own lines and none of its parent's; lines said
 * in a signal handler come through.
 * Method: child processes that log to a temporary file and end in each of these ways.
 */
#include "harness.h"

#include "log/log.h"
#include "tools.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define LINE_COUNT 2000
#define TEXT_SIZE  262144
#define LONG_NS    UINT64_C(30000000000)

static char path[32];
static char text[TEXT_SIZE];
static mtev_log_stream_t file;

static int set_up(void **state)
{
    snprintf(path, sizeof(path), "/tmp/test_material.XXXXXX");
    close(mkstemp(path));
    file = mtev_log_stream_new("material file", "file", path, NULL, NULL);
    return file == NULL;
}

static int tear_down(void **state)
{
    mtev_log_stream_close(file);
    unlink(path);
    return 0;
}

static const char *read_file(void)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t len = read(fd, text, sizeof(text) - 1);
    assert_true(len >= 0);
    text[len] = '\0';
    close(fd);
    return text;
}

/* Run end in a child that has said LINE_COUNT lines.  Returns how it ended. */
static int run_child(void (*end)(void))
{
    int status = 0;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        signal(SIGABRT, SIG_DFL);
        for (int i = 0; i < LINE_COUNT; i++)
            mtevL(file, "line %d\n", i);
        end();
        _exit(99);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

/* Fail unless the file holds the lines of run_child(), each once, and then something with more. */
static void assert_all_lines(const char *more)
{
    const char *at = read_file();
    for (int i = 0; i < LINE_COUNT; i++) {
        char line[32];
        int len = snprintf(line, sizeof(line), "line %d\n", i);
        assert_memory_equal(at, line, (size_t)len);
        at += len;
    }
    if (*more == '\0')
        assert_string_equal(at, "");
    else
        assert_non_null(strstr(at, more));
}

static void exit_orderly(void)
{
    exit(0); /* NOLINT(concurrency-mt-unsafe) */
}

static void terminate(void)
{
    mtevTerminate(file, "no more\n");
}

static void die(void)
{
    mtevFatal(file, "last words\n");
}

static void on_fault(int number)
{
    mtev_log_enter_sighandler();
    mtevL(file, "from the handler\n");
    mtev_log_leave_sighandler();
    log_emergency_flush();
    _exit(7);
}

static void crash(void)
{
    signal(SIGSEGV, on_fault);
    raise(SIGSEGV);
}

static void nothing_is_lost_at_the_end_of_a_process(void **state)
{
    assert_true(WIFEXITED(run_child(exit_orderly)));
    assert_all_lines("");
}

static void nothing_is_lost_when_it_terminates(void **state)
{
    int status = run_child(terminate);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 2);
    assert_all_lines("] no more\n");
}

static void nothing_is_lost_when_it_aborts(void **state)
{
    int status = run_child(die);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    assert_all_lines("] last words\n");
}

static void nothing_is_lost_when_it_crashes(void **state)
{
    int status = run_child(crash);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
    assert_all_lines("from the handler\n");
}

/* TSan makes no threads in a child of a process that has some: there who says a line writes it. */
static void begin_child(void)
{
#ifdef TOOLS_TSAN
    mtev_log_go_synch();
#endif
}

static void say_own_line(void)
{
    begin_child();
    mtevL(file, "of the child\n");
    exit_orderly();
}

static void a_child_writes_its_own_lines_only(void **state)
{
    for (int i = 0; i < 100; i++)
        mtevL(file, "of the parent\n");
    pid_t pid = fork();
    if (pid == 0)
        say_own_line();
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    mtevL(file, "of the parent again\n");
    assert_int_equal(log_flush(LONG_NS), 0);
    const char *at = read_file();
    for (int i = 0; i < 100; i++, at += strlen("of the parent\n"))
        assert_memory_equal(at, "of the parent\n", strlen("of the parent\n"));
    assert_string_equal(at, "of the child\nof the parent again\n");
}

static _Atomic bool is_over;

static void *talk(void *unused)
{
    while (!atomic_load(&is_over))
        mtevL(file, "talk\n");
    return NULL;
}

static void a_child_of_a_process_whose_threads_log_can_log(void **state)
{
    pthread_t talker;
    atomic_store(&is_over, false);
    assert_int_equal(pthread_create(&talker, NULL, talk, NULL), 0);
    for (int i = 0; i < 20; i++) {
        int status = 0;
        fflush(NULL);
        pid_t pid = fork();
        if (pid == 0) {
            begin_child();
            mtevL(file, "child %d\n", i);
            _exit(log_flush(LONG_NS) == 0 ? 0 : 1);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
    }
    atomic_store(&is_over, true);
    pthread_join(talker, NULL);
}

static void on_alarm(int number)
{
    mtev_log_enter_sighandler();
    mtevL(file, "alarm\n");
    mtev_log_leave_sighandler();
}

static void a_signal_handler_may_interrupt_a_line(void **state)
{
    void (*before)(int) = signal(SIGUSR1, on_alarm);
    for (int i = 0; i < 100; i++) {
        mtevL(file, "%s\n", "before");
        raise(SIGUSR1);
        mtevL(file, "after\n");
    }
    signal(SIGUSR1, before);
    assert_int_equal(log_flush(LONG_NS), 0);
    const char *at = read_file();
    for (int i = 0; i < 100; i++, at += strlen("before\nalarm\nafter\n"))
        assert_memory_equal(at, "before\nalarm\nafter\n", strlen("before\nalarm\nafter\n"));
}

static void files_of_a_type_are_opened_anew(void **state)
{
    mtevL(file, "old\n");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mtev_log_reopen_type("file_synch"), 0);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(mtev_log_reopen_type("file"), 0);
    mtevL(file, "new\n");
    assert_int_equal(log_flush(LONG_NS), 0);
    assert_string_equal(read_file(), "new\n");
    assert_int_equal(mtev_log_reopen_type("pigeon"), -1);
    assert_int_equal(errno, EINVAL);
}

static void plain_and_queued_files_hold_the_same(void **state)
{
    char other[] = "/tmp/test_material.XXXXXX";
    static char first[TEXT_SIZE];
    close(mkstemp(other));
    mtev_log_stream_t synch = mtev_log_stream_new("synch", "file_synch", other, NULL, NULL);
    const struct timeval when = {.tv_sec = 1000000000, .tv_usec = 1};
    mtev_log_stream_t both = mtev_log_stream_find("both");
    mtev_log_stream_add_stream(both, synch);
    mtev_log_stream_add_stream(both, file);
    mtev_log_stream_set_flags(both, ~0u);
    for (int i = 0; i < 1000; i++)
        mtevLT(both, &when, "%0*d\n", 1 + i % 300, i);
    mtev_log_stream_close(synch);
    assert_int_equal(log_flush(LONG_NS), 0);
    strncpy(first, read_file(), TEXT_SIZE - 1);
    int fd = open(other, O_RDONLY | O_CLOEXEC);
    ssize_t len = read(fd, text, sizeof(text) - 1);
    text[len] = '\0';
    assert_string_equal(first, text);
    close(fd);
    unlink(other);
}

static void files_are_given_to_a_user(void **state)
{
    struct stat found;
    assert_int_equal(log_give_files((uid_t)-1, (gid_t)-1), 0);
    bool is_root = geteuid() == 0;
    uid_t user = is_root ? 65534 : 0;
    assert_int_equal(log_give_files(user, (gid_t)-1), is_root ? 0 : -EPERM);
    assert_int_equal(stat(path, &found), 0);
    assert_int_equal(found.st_uid, is_root ? user : geteuid());
    assert_int_equal(log_give_files(geteuid(), (gid_t)-1), 0);
}

static void a_path_can_be_looked_at_before(void **state)
{
    static const struct {
        const char *type, *path;
        int err;
    } paths[] = {
        {"file", "/tmp/no such file", 0},
        {"file", "here", 0},
        {"file", "/tmp", -EISDIR},
        {"file", "", -ENOENT},
        {"file_synch", "/nowhere/x", -ENOENT},
        {"file", "/dev/null", 0},
        {"file", "/dev/null/x", -ENOTDIR},
        {"memory", "10,1000", 0},
        {"memory", "10", -EINVAL},
        {"memory", "0,10", -EINVAL},
        {"syslog", "daemon.info@/x", 0},
        {"syslog", "nobody", -EINVAL},
        {"journald", "/anything", 0},
    };
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
        assert_int_equal(log_check_path(paths[i].type, paths[i].path), paths[i].err);
    assert_true(log_type_has_format("syslog"));
    assert_false(log_type_has_format("file"));
    assert_false(log_type_has_format("nothing"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static const struct CMUnitTest tests[] = {
    TEST(nothing_is_lost_at_the_end_of_a_process),
    TEST(nothing_is_lost_when_it_terminates),
    TEST(nothing_is_lost_when_it_aborts),
    TEST(nothing_is_lost_when_it_crashes),
    TEST(a_child_writes_its_own_lines_only),
    TEST(a_child_of_a_process_whose_threads_log_can_log),
    TEST(a_signal_handler_may_interrupt_a_line),
    TEST(files_of_a_type_are_opened_anew),
    TEST(plain_and_queued_files_hold_the_same),
    TEST(files_are_given_to_a_user),
    TEST(a_path_can_be_looked_at_before),
};
HARNESS_MAIN(tests)
