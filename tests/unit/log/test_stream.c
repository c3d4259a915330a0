/* SPDX-License-Identifier: MIT */
/*
 * Goal: streams are found, made, joined and parted as promised, lines reach exactly what can be
 * reached, limits hold, and a failure leaves everything as it was.
 * Method: streams on pipes, read back.  Streams live as long as the process, so each test uses
 * names of its own, and the test that fills the registry comes last.
 */
#include "harness.h"

#include "base/alloc.h"
#include "log/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEXT_SIZE 4096

struct sink { /* a material stream whose lines can be read back */
    mtev_log_stream_t stream;
    int fds[2];
};

static void open_sink(struct sink *sink, const char *name)
{
    assert_int_equal(pipe2(sink->fds, O_CLOEXEC | O_NONBLOCK), 0);
    sink->stream = mtev_log_stream_new_on_fd(name, sink->fds[1], NULL);
    assert_non_null(sink->stream);
}

static void close_sink(struct sink *sink)
{
    mtev_log_stream_close(sink->stream);
    close(sink->fds[0]);
    close(sink->fds[1]);
}

static void assert_said(const struct sink *sink, const char *wanted)
{
    char text[TEXT_SIZE];
    ssize_t len = read(sink->fds[0], text, sizeof(text) - 1);
    text[len > 0 ? len : 0] = '\0';
    assert_string_equal(text, wanted);
}

static void the_four_streams_work_before_anything_ran(void **state)
{
    assert_true(N_L_S_ON(mtev_stderr));
    assert_true(N_L_S_ON(mtev_error));
    assert_true(N_L_S_ON(mtev_notice));
    assert_false(N_L_S_ON(mtev_debug));
    assert_ptr_equal(mtev_log_stream_find("notice"), mtev_notice);
}

static void debug_is_off_until_it_is_asked_for(void **state)
{
    mtev_log_init_globals();
    mtev_log_init(0);
    assert_false(N_L_S_ON(mtev_debug));
    mtev_log_init(1);
    assert_true(N_L_S_ON(mtev_debug));
    mtev_log_stream_set_flags(mtev_debug, 0);
    assert_false(N_L_S_ON(mtev_debug));
}

static void notice_reaches_stderr_over_error(void **state)
{
    struct sink sink;
    open_sink(&sink, "stderr");
    mtevL(mtev_notice, "noticed\n");
    assert_said(&sink, "noticed\n");
    mtev_log_stream_set_flags(mtev_error, 0);
    assert_false(N_L_S_ON(mtev_notice));
    mtev_log_stream_set_flags(mtev_error, MTEV_LOG_STREAM_ENABLED);
    close_sink(&sink);
    assert_false(N_L_S_ON(mtev_error));
    assert_non_null(mtev_log_stream_new_on_fd("stderr", 2, NULL));
    assert_true(N_L_S_ON(mtev_error));
}

static void finding_makes_a_stream_and_its_parents(void **state)
{
    struct sink sink;
    assert_false(mtev_log_stream_exists("family"));
    mtev_log_stream_t child = mtev_log_stream_findf("family/%s/%d", "line", 3);
    assert_true(mtev_log_stream_exists("family/line/3"));
    assert_true(mtev_log_stream_exists("family/line"));
    assert_true(mtev_log_stream_exists("family"));
    assert_ptr_equal(mtev_log_stream_find("family/line/3"), child);
    assert_false(N_L_S_ON(child));
    open_sink(&sink, "family outlet");
    mtev_log_stream_add_stream(mtev_log_stream_find("family"), sink.stream);
    assert_true(N_L_S_ON(child));
    mtevL(child, "over two parents\n");
    assert_said(&sink, "over two parents\n");
    close_sink(&sink);
}

static void odd_names_find_a_stream_too(void **state)
{
    static const char *const names[] = {"", "/", "//", "/a", "a/", "a//b", "/a/b/"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        mtev_log_stream_t found = mtev_log_stream_find(names[i]);
        assert_ptr_not_equal(found, mtev_error);
        assert_ptr_equal(mtev_log_stream_find(names[i]), found);
    }
    assert_ptr_equal(mtev_log_stream_find(NULL), mtev_error);
    assert_false(mtev_log_stream_exists(NULL));
}

static void a_name_has_a_limit(void **state)
{
    char name[LOG_NAME_MAX + 2];
    memset(name, 'n', sizeof(name));
    name[1] = '/';
    name[LOG_NAME_MAX + 1] = '\0';
    mtev_log_stream_t parent = mtev_log_stream_find("n");
    assert_ptr_equal(mtev_log_stream_find(name), parent);
    assert_ptr_equal(mtev_log_stream_findf("%s", name), parent);
    errno = 0;
    assert_null(mtev_log_stream_new(name, NULL, NULL, NULL, NULL));
    assert_int_equal(errno, ENAMETOOLONG);
    name[LOG_NAME_MAX] = '\0';
    assert_ptr_not_equal(mtev_log_stream_findf("%s", name), parent);
    assert_true(mtev_log_stream_exists(name));
    name[LOG_NAME_MAX - 1] = '\0';
    assert_ptr_not_equal(mtev_log_stream_find(name), parent);
}

static void an_outlet_is_written_to_once_however_it_is_reached(void **state)
{
    struct sink sink;
    open_sink(&sink, "once outlet");
    mtev_log_stream_t top = mtev_log_stream_find("once");
    mtev_log_stream_t left = mtev_log_stream_find("once left");
    assert_int_equal(mtev_log_stream_add_stream(left, sink.stream), 0);
    assert_int_equal(mtev_log_stream_add_stream(top, left), 0);
    assert_int_equal(mtev_log_stream_add_stream(top, sink.stream), 0);
    assert_int_equal(mtev_log_stream_add_stream(top, sink.stream), 0);
    mtevL(top, "once\n");
    assert_said(&sink, "once\n");
    close_sink(&sink);
}

static void a_circle_of_streams_is_harmless(void **state)
{
    struct sink sink;
    open_sink(&sink, "circle outlet");
    mtev_log_stream_t a = mtev_log_stream_find("circle a");
    mtev_log_stream_t b = mtev_log_stream_find("circle b");
    mtev_log_stream_add_stream(a, b);
    mtev_log_stream_add_stream(b, a);
    assert_false(N_L_S_ON(a));
    mtev_log_stream_add_stream(b, sink.stream);
    mtevL(a, "round\n");
    assert_said(&sink, "round\n");
    assert_ptr_equal(mtev_log_stream_remove_stream(b, "circle outlet"), sink.stream);
    assert_false(N_L_S_ON(a));
    close_sink(&sink);
}

static void an_outlet_that_is_removed_gets_nothing_more(void **state)
{
    struct sink one, two;
    open_sink(&one, "removed one");
    open_sink(&two, "removed two");
    mtev_log_stream_t top = mtev_log_stream_find("removed");
    mtev_log_stream_add_stream(top, one.stream);
    mtev_log_stream_add_stream(top, two.stream);
    assert_null(mtev_log_stream_remove_stream(top, "no such outlet"));
    assert_ptr_equal(mtev_log_stream_remove_stream(top, "removed one"), one.stream);
    mtevL(top, "to one\n");
    assert_said(&one, "");
    assert_said(&two, "to one\n");
    close_sink(&one);
    close_sink(&two);
}

static void bad_arguments_are_refused(void **state)
{
    assert_int_equal(mtev_log_stream_add_stream(NULL, mtev_error), -1);
    assert_int_equal(mtev_log_stream_add_stream(mtev_error, NULL), -1);
    assert_int_equal(errno, EINVAL);
    assert_null(mtev_log_stream_remove_stream(NULL, "stderr"));
    assert_null(mtev_log_stream_new("bad", "carrier pigeon", "/tmp/x", NULL, NULL));
    assert_null(mtev_log_stream_new("bad", "file", NULL, NULL, NULL));
    assert_null(mtev_log_stream_new(NULL, NULL, NULL, NULL, NULL));
    assert_null(mtev_log_stream_new_on_fd("bad", -1, NULL));
    assert_int_equal(errno, EINVAL);
    assert_false(mtev_log_stream_exists("bad"));
    assert_int_equal(mtev_log_stream_reopen(NULL), -1);
    mtev_log_stream_close(NULL);
    assert_int_equal(mtev_log_stream_get_flags(NULL), 0);
    assert_int_equal(mtev_log_stream_set_flags(NULL, ~0u), 0);
}

static void a_stream_has_so_many_outlets(void **state)
{
    struct log_outlet outlets[LOG_OUTLETS_MAX + 1] = {{NULL, NULL}};
    mtev_log_stream_t top = mtev_log_stream_find("many");
    for (size_t i = 0; i <= LOG_OUTLETS_MAX; i++) {
        outlets[i].stream = mtev_log_stream_findf("many %zu", i);
        errno = 0;
        assert_int_equal(mtev_log_stream_add_stream(top, outlets[i].stream),
                         i < LOG_OUTLETS_MAX ? 0 : -1);
    }
    assert_int_equal(errno, ENOSPC);
    assert_int_equal(log_stream_set_outlets(top, outlets, LOG_OUTLETS_MAX - 1), 0);
    assert_int_equal(log_stream_set_outlets(top, outlets, LOG_OUTLETS_MAX), 0);
    assert_int_equal(log_stream_set_outlets(top, outlets, LOG_OUTLETS_MAX + 1), -ENOSPC);
}

static void outlets_are_replaced_in_one_step(void **state)
{
    struct sink one, two;
    open_sink(&one, "step one");
    open_sink(&two, "step two");
    mtev_log_stream_t top = mtev_log_stream_find("step");
    mtev_log_stream_add_stream(top, one.stream);
    struct log_outlet chosen[] = {{two.stream, NULL}, {two.stream, NULL}};
    assert_int_equal(log_stream_set_outlets(top, chosen, 2), 0);
    mtevL(top, "to two\n");
    assert_said(&one, "");
    assert_said(&two, "to two\n");
    close_sink(&one);
    close_sink(&two);
}

static void making_a_stream_anew_keeps_its_address(void **state)
{
    struct sink old;
    open_sink(&old, "anew");
    struct sink again;
    open_sink(&again, "anew");
    assert_ptr_equal(again.stream, old.stream);
    mtevL(old.stream, "moved\n");
    assert_said(&old, "");
    assert_said(&again, "moved\n");
    assert_ptr_equal(mtev_log_stream_new("anew", NULL, NULL, NULL, NULL), old.stream);
    assert_false(N_L_S_ON(old.stream));
    close_sink(&again);
    close(old.fds[0]);
    close(old.fds[1]);
}

/* Compare what the file path holds, when all is written. */
static void assert_holds(const char *path, const char *wanted)
{
    char text[TEXT_SIZE];
    assert_int_equal(log_flush(UINT64_C(10000000000)), 0);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    ssize_t len = read(fd, text, sizeof(text) - 1);
    text[len > 0 ? len : 0] = '\0';
    assert_string_equal(text, wanted);
    close(fd);
}

static void a_file_is_opened_anew_after_it_was_renamed(void **state)
{
    char folder[] = "/tmp/test_stream.XXXXXX";
    char path[64], renamed[64];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/log", folder);
    snprintf(renamed, sizeof(renamed), "%s/log.1", folder);
    mtev_log_stream_t file = mtev_log_stream_new_on_file(path, NULL);
    assert_non_null(file);
    assert_true(mtev_log_stream_exists(path));
    mtevL(file, "before\n");
    assert_int_equal(rename(path, renamed), 0);
    mtevL(file, "between\n");
    assert_int_equal(mtev_log_stream_reopen(file), 0);
    mtevL(file, "after\n");
    assert_holds(renamed, "before\nbetween\n");
    assert_holds(path, "after\n");
    assert_int_equal(rename(path, renamed), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(mtev_log_stream_reopen(file), -1);
    assert_int_equal(errno, EISDIR);
    assert_int_equal(mtev_log_reopen_all(), -1);
    mtevL(file, "in the old one\n");
    assert_holds(renamed, "after\nin the old one\n");
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(mtev_log_reopen_all(), 0);
    assert_holds(path, "");
    mtev_log_stream_close(file);
    unlink(path);
    unlink(renamed);
    rmdir(folder);
}

static void a_file_that_cannot_be_opened_leaves_the_stream_as_it_was(void **state)
{
    struct sink sink;
    open_sink(&sink, "kept");
    assert_null(mtev_log_stream_new("kept", "file", "/nowhere/at/all", NULL, NULL));
    assert_int_equal(errno, ENOENT);
    assert_null(mtev_log_stream_new("never made", "file", "/nowhere/at/all", NULL, NULL));
    assert_false(mtev_log_stream_exists("never made"));
    mtevL(sink.stream, "kept\n");
    assert_said(&sink, "kept\n");
    close_sink(&sink);
}

static void lost_lines_are_counted(void **state)
{
    mtev_log_stream_t full = mtev_log_stream_new("full", "file_synch", "/dev/full", NULL, NULL);
    assert_non_null(full);
    assert_int_equal(mtev_log(full, NULL, "f", 1, "lost\n"), -1);
    mtevL(full, "lost\n");
    assert_int_equal(log_stream_lost(full), 2);
    assert_int_equal(log_stream_lost(mtev_error), 0);
    mtev_log_stream_close(full);
}

static void use_streams(void *closure)
{
    static int run;
    char name[64];
    (void)closure;
    snprintf(name, sizeof(name), "starved %d/child", run++);
    assert_non_null(mtev_log_stream_find(name));
    mtev_log_stream_t file = mtev_log_stream_new(name, "file", "/dev/null", NULL, NULL);
    if (file == NULL) {
        assert_int_equal(errno, ENOMEM);
        return;
    }
    mtevL(file, "nothing is allocated for a line\n");
    mtev_log_stream_close(file);
}

static void no_memory_is_an_error(void **state)
{
    harness_fail_each_allocation(use_streams, NULL);
}

static void logging_allocates_nothing(void **state)
{
    struct sink sink;
    open_sink(&sink, "frugal");
    mtev_log_stream_set_flags(sink.stream, ~0u);
    alloc_fail_nth(1, 1);
    mtevL(sink.stream, "%s %d\n", "text", 7);
    assert_int_equal(alloc_asked(), 0);
    alloc_fail_nth(0, 0);
    close_sink(&sink);
}

static _Atomic bool is_over;

static void *talk(void *closure)
{
    while (!atomic_load(&is_over))
        mtevL(closure, "talk\n");
    return NULL;
}

static void streams_may_change_while_threads_log(void **state)
{
    pthread_t threads[2];
    mtev_log_stream_t top = mtev_log_stream_find("busy");
    mtev_log_stream_t null = mtev_log_stream_new("busy null", "file", "/dev/null", NULL, NULL);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, talk, top), 0);
    for (int i = 0; i < 200; i++) {
        mtev_log_stream_add_stream(top, null);
        mtev_log_stream_set_flags(top, i % 2 == 0 ? ~0u : MTEV_LOG_STREAM_ENABLED);
        mtev_log_stream_reopen(null);
        mtev_log_stream_new("busy null", "file", "/dev/null", NULL, NULL);
        mtev_log_stream_remove_stream(top, "busy null");
    }
    atomic_store(&is_over, true);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    mtev_log_stream_close(null);
}

static void a_process_has_so_many_material_streams(void **state)
{
    mtev_log_stream_t made[LOG_MATERIAL_MAX];
    size_t count = 0;
    char name[64];
    do { /* one is in use already: stderr */
        snprintf(name, sizeof(name), "material %zu", count);
        errno = 0;
        made[count] = mtev_log_stream_new(name, "file", "/dev/null", NULL, NULL);
    } while (made[count] != NULL && ++count < LOG_MATERIAL_MAX);
    assert_int_equal(errno, ENOSPC);
    assert_int_equal(count, LOG_MATERIAL_MAX - 1);
    assert_non_null(mtev_log_stream_new("material 0", "file", "/dev/null", NULL, NULL));
    mtev_log_stream_close(made[1]);
    assert_non_null(mtev_log_stream_new("material 1", "file", "/dev/null", NULL, NULL));
    while (count > 0)
        mtev_log_stream_close(made[--count]);
}

static void a_process_has_so_many_streams(void **state)
{
    mtev_log_stream_t parent = mtev_log_stream_find("crowd");
    mtev_log_stream_t last = NULL;
    size_t made = 0;
    while (made <= LOG_STREAMS_MAX && (last = mtev_log_stream_findf("crowd/%zu", made)) != parent)
        made++;
    assert_true(made < LOG_STREAMS_MAX);
    assert_ptr_equal(mtev_log_stream_find("outsider"), mtev_error);
    errno = 0;
    assert_null(mtev_log_stream_new("outsider", NULL, NULL, NULL, NULL));
    assert_int_equal(errno, ENOSPC);
    assert_ptr_not_equal(mtev_log_stream_findf("crowd/%zu", made - 1), parent);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(the_four_streams_work_before_anything_ran),
    cmocka_unit_test(debug_is_off_until_it_is_asked_for),
    cmocka_unit_test(notice_reaches_stderr_over_error),
    cmocka_unit_test(finding_makes_a_stream_and_its_parents),
    cmocka_unit_test(odd_names_find_a_stream_too),
    cmocka_unit_test(a_name_has_a_limit),
    cmocka_unit_test(an_outlet_is_written_to_once_however_it_is_reached),
    cmocka_unit_test(a_circle_of_streams_is_harmless),
    cmocka_unit_test(an_outlet_that_is_removed_gets_nothing_more),
    cmocka_unit_test(bad_arguments_are_refused),
    cmocka_unit_test(a_stream_has_so_many_outlets),
    cmocka_unit_test(outlets_are_replaced_in_one_step),
    cmocka_unit_test(making_a_stream_anew_keeps_its_address),
    cmocka_unit_test(a_file_is_opened_anew_after_it_was_renamed),
    cmocka_unit_test(a_file_that_cannot_be_opened_leaves_the_stream_as_it_was),
    cmocka_unit_test(lost_lines_are_counted),
    cmocka_unit_test(no_memory_is_an_error),
    cmocka_unit_test(logging_allocates_nothing),
    cmocka_unit_test(streams_may_change_while_threads_log),
    cmocka_unit_test(a_process_has_so_many_material_streams),
    cmocka_unit_test(a_process_has_so_many_streams),
};
HARNESS_MAIN(tests)
