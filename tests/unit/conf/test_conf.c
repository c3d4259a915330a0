/* SPDX-License-Identifier: MIT */
/*
 * Goal: a file or a built-in text becomes current, or one line says what is wrong with it and what
 * was current stays; a reload may run beside readers.
 * Method: temporary files, each wrong in one way; threads that read while another loads.
 */
#include "configured.h"

#include "base/alloc.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static char folder[32];
static char path[64];
static char message[256];

static int set_up(void **state)
{
    snprintf(folder, sizeof(folder), "/tmp/test_conf.XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/app.conf", folder);
    return logged_set_up(state);
}

static int tear_down(void **state)
{
    unlink(path);
    rmdir(folder);
    return configured_tear_down(state);
}

static void write_file(const char *bytes, size_t len)
{
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}

static void write_text(const char *text)
{
    write_file(text, strlen(text));
}

/* Return "PATH" followed by rest. */
static const char *at_path(const char *rest)
{
    snprintf(message, sizeof(message), "%s%s", path, rest);
    return message;
}

static void assert_n(int32_t wanted)
{
    int32_t n = -1;
    assert_int_equal(mtev_conf_get_int32(MTEV_CONF_ROOT, "@n", &n), 1);
    assert_int_equal(n, wanted);
}

static void a_file_is_loaded_and_loaded_again(void **state)
{
    write_text("<?xml version=\"1.0\" encoding=\"utf8\" standalone=\"yes\"?>\n<app n='1'/>\n");
    assert_int_equal(mtev_conf_load(path), 0);
    assert_n(1);
    write_text("<app n='2'/>");
    assert_n(1);
    assert_int_equal(mtev_conf_load(NULL), 0);
    assert_n(2);
}

static void a_file_that_is_not_there_is_one_line(void **state)
{
    assert_int_equal(mtev_conf_load(path), -1);
    assert_int_equal(errno, ENOENT);
    assert_logged_lines(at_path(": cannot be read: No such file or directory\n"));
    assert_int_equal(mtev_conf_load(folder), -1);
    assert_int_equal(errno, EISDIR);
    snprintf(message, sizeof(message), "%s: cannot be read: Is a directory\n", folder);
    assert_logged_lines(message);
}

static void a_wrong_file_is_one_line_and_changes_nothing(void **state)
{
    write_text("<app n='1'/>");
    assert_int_equal(mtev_conf_load(path), 0);
    write_text("<app n='2'>\n<b>\n</app>");
    assert_int_equal(mtev_conf_load(NULL), -1);
    assert_int_equal(errno, EINVAL);
    assert_logged_lines(at_path(":3: Opening and ending tag mismatch: b line 2 and app\n"));
    assert_n(1);
    write_text("");
    assert_int_equal(mtev_conf_load(NULL), -1);
    assert_logged_one_line(at_path(":1: "));
    write_text("<app n='3'/>");
    assert_int_equal(mtev_conf_load(NULL), 0);
    assert_n(3);
}

static int follow_result, follow_count;

static int follow(void)
{
    follow_count++;
    return follow_result;
}

static int follow_the_second(void)
{
    assert_n(2);
    return follow();
}

static void what_cannot_be_followed_is_not_current(void **state)
{
    write_text("<app n='1'/>");
    assert_int_equal(mtev_conf_load(path), 0);
    write_text("<app n='2'/>");
    follow_result = -EBUSY;
    assert_int_equal(conf_load_again(follow_the_second), -EBUSY);
    assert_n(1);
    follow_result = 0;
    assert_int_equal(conf_load_again(follow_the_second), 0);
    assert_n(2);
    follow_count = 0;
    write_text("<app n='3'>");
    assert_int_equal(conf_load_again(follow), -EINVAL);
    assert_logged_one_line(at_path(":1: "));
    assert_int_equal(follow_count, 0);
    assert_n(2);
}

static int follow_a_change(void)
{
    assert_int_equal(mtev_conf_set_int32(MTEV_CONF_ROOT, "@n", 7), 1);
    return -EBUSY;
}

static void a_change_is_not_undone_with_what_it_changed(void **state)
{
    write_text("<app n='1'/>");
    assert_int_equal(mtev_conf_load(path), 0);
    assert_int_equal(conf_load_again(follow_a_change), -EBUSY);
    assert_n(7);
}

static void a_reload_is_that_of_whoever_knows_how(void **state)
{
    write_text("<app n='1'/>");
    assert_int_equal(mtev_conf_load(path), 0);
    write_text("<app n='2'/>");
    assert_int_equal(conf_reload(), 0);
    assert_n(2);
    follow_count = 0;
    follow_result = -EALREADY;
    conf_set_reload(follow);
    assert_int_equal(conf_reload(), -EALREADY);
    assert_int_equal(follow_count, 1);
    conf_set_reload(NULL);
    assert_int_equal(conf_reload(), 0);
    assert_int_equal(follow_count, 1);
}

static void a_wrong_new_file_does_not_replace_the_old_path(void **state)
{
    write_text("<app n='1'/>");
    assert_int_equal(mtev_conf_load(path), 0);
    assert_int_equal(mtev_conf_load("/nowhere"), -1);
    assert_logged_lines("/nowhere: cannot be read: No such file or directory\n");
    assert_int_equal(mtev_conf_load(NULL), 0);
    assert_n(1);
}

static void a_reload_keeps_the_root_element(void **state)
{
    write_text("<app n='1'/>");
    assert_int_equal(mtev_conf_load(path), 0);
    write_text("\n<other n='2'/>");
    assert_int_equal(mtev_conf_load(NULL), -1);
    assert_logged_lines(at_path(":2: the root element is <other>, it was <app>\n"));
    assert_n(1);
    assert_int_equal(mtev_conf_load(path), 0);
    assert_n(2);
}

static void a_built_in_text_may_be_loaded_and_reloaded(void **state)
{
    assert_int_equal(conf_load_text("built-in", "<app n='1'/>"), 0);
    assert_int_equal(mtev_conf_load(NULL), 0);
    assert_n(1);
    assert_int_equal(conf_load_text("built-in", "<app"), -EINVAL);
    assert_logged_one_line("built-in:1: ");
    assert_n(1);
}

static void there_is_nothing_to_reload_at_first(void **state)
{
    assert_int_equal(mtev_conf_load(NULL), -1);
    assert_logged_lines("no configuration file was named\n");
}

static void the_root_element_has_a_name(void **state)
{
    char *name = NULL;
    assert_int_equal(conf_root_name(&name), -ENOENT);
    assert_int_equal(conf_load_text("built-in", "<app/>"), 0);
    assert_int_equal(conf_root_name(&name), 0);
    assert_string_equal(name, "app");
    alloc_free(name);
}

static void the_program_has_a_name(void **state)
{
    char name[CONF_NAME_MAX + 2];
    memset(name, 'n', sizeof(name));
    assert_string_equal(conf_app_name(), "");
    name[CONF_NAME_MAX + 1] = '\0';
    assert_int_equal(conf_set_app_name(name), -ENAMETOOLONG);
    assert_string_equal(conf_app_name(), "");
    name[CONF_NAME_MAX] = '\0';
    assert_int_equal(conf_set_app_name(name), 0);
    assert_string_equal(conf_app_name(), name);
    name[CONF_NAME_MAX - 1] = '\0';
    assert_int_equal(conf_set_app_name(name), 0);
    assert_string_equal(conf_app_name(), name);
}

static void check_size(size_t size, int wanted)
{
    static const char head[] = "<app><!--";
    static const char tail[] = "--></app>";
    char *text = alloc_bytes(size + 1);
    assert_non_null(text);
    memset(text, ' ', size);
    memcpy(text, head, strlen(head));
    memcpy(text + size - strlen(tail), tail, sizeof(tail));
    write_file(text, size);
    assert_int_equal(conf_load(path), wanted);
    if (wanted != 0)
        assert_logged_lines(at_path(": longer than 4194304 bytes\n"));
    assert_int_equal(conf_load_text(path, text), wanted);
    if (wanted != 0)
        assert_logged_lines(at_path(": longer than 4194304 bytes\n"));
    alloc_free(text);
}

static void a_file_has_a_limit(void **state)
{
    check_size(CONF_BYTES_MAX - 1, 0);
    check_size(CONF_BYTES_MAX, 0);
    check_size(CONF_BYTES_MAX + 1, -EFBIG);
    check_size(2 * CONF_BYTES_MAX, -EFBIG);
}

static void load(void *closure)
{
    char *name = NULL;
    int err = conf_load(path);
    assert_true(err == 0 || err == -ENOMEM);
    if (err == -ENOMEM)
        assert_logged_one_line(at_path(": cannot be "));
    if (conf_root_name(&name) == 0)
        alloc_free(name);
    err = conf_load(NULL);
    assert_true(err == 0 || err == -ENOMEM || err == -EINVAL);
    logged_clear();
    conf_unload();
}

static void no_memory_is_one_line(void **state)
{
    write_text("<app n='1'/>");
    harness_fail_each_allocation(load, NULL);
}

static _Atomic bool is_over;

static void *read_on(void *closure)
{
    intptr_t wrong = 0;
    while (!atomic_load(&is_over)) {
        int32_t n = -1;
        mtev_conf_section_t found = mtev_conf_get_section_read(MTEV_CONF_ROOT, "b");
        wrong += mtev_conf_get_int32(found, "../@n", &n) != 1 || n != 1;
        wrong += mtev_conf_get_int32(MTEV_CONF_ROOT, "b/@n", &n) != 1 || n != 2;
        mtev_conf_release_section_read(found);
    }
    return (void *)wrong;
}

static void readers_go_on_during_a_reload(void **state)
{
    pthread_t readers[2];
    write_text("<app n='1'><b n='2'/></app>");
    assert_int_equal(mtev_conf_load(path), 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&readers[i], NULL, read_on, NULL), 0);
    for (int i = 0; i < 200; i++)
        assert_int_equal(mtev_conf_load(NULL), 0);
    atomic_store(&is_over, true);
    for (int i = 0; i < 2; i++) {
        void *wrong = NULL;
        pthread_join(readers[i], &wrong);
        assert_null(wrong);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static const struct CMUnitTest tests[] = {
    TEST(a_file_is_loaded_and_loaded_again),
    TEST(a_file_that_is_not_there_is_one_line),
    TEST(a_wrong_file_is_one_line_and_changes_nothing),
    TEST(what_cannot_be_followed_is_not_current),
    TEST(a_change_is_not_undone_with_what_it_changed),
    TEST(a_reload_is_that_of_whoever_knows_how),
    TEST(a_wrong_new_file_does_not_replace_the_old_path),
    TEST(a_reload_keeps_the_root_element),
    TEST(a_built_in_text_may_be_loaded_and_reloaded),
    TEST(there_is_nothing_to_reload_at_first),
    TEST(the_root_element_has_a_name),
    TEST(the_program_has_a_name),
    TEST(a_file_has_a_limit),
    TEST(no_memory_is_one_line),
    TEST(readers_go_on_during_a_reload),
};
HARNESS_MAIN(tests)
