/* SPDX-License-Identifier: MIT */
/*
 * Goal: what is set is read back by everybody once it is whole, by its writer at once; what was
 * got for reading stays as it was; mistakes are errors and never wait for each other.
 * Method: built-in configurations; threads that write while others read.
 */
#include "configured.h"

#include "base/alloc.h"
#include "conf/value.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

static int set_up(void **state)
{
    logged_set_up(state);
    assert_int_equal(conf_load_text("t", "<app n='1'>\n <a m='2'>three<k/></a>\n <b/>\n</app>"), 0);
    return 0;
}

static void assert_value(mtev_conf_section_t section, const char *path, const char *wanted)
{
    char *value = NULL;
    int found = mtev_conf_get_string(section, path, &value);
    assert_int_equal(found, wanted != NULL);
    if (wanted != NULL)
        assert_string_equal(value, wanted);
    free(value);
}

#define ROOT MTEV_CONF_ROOT

static void every_kind_of_value_is_set(void **state)
{
    int32_t i32 = 0;
    uint32_t u32 = 0;
    int64_t i64 = 0;
    uint64_t u64 = 0;
    float f = 0;
    double d = 0;
    mtev_boolean truth = mtev_false;
    assert_int_equal(mtev_conf_set_int32(ROOT, "@n", INT32_MIN), 1);
    assert_int_equal(mtev_conf_get_int32(ROOT, "@n", &i32), 1);
    assert_int_equal(i32, INT32_MIN);
    assert_int_equal(mtev_conf_set_uint32(ROOT, "a/@m", UINT32_MAX), 1);
    assert_int_equal(mtev_conf_get_uint32(ROOT, "a/@m", &u32), 1);
    assert_int_equal(u32, UINT32_MAX);
    assert_int_equal(mtev_conf_set_int64(ROOT, "b", INT64_MIN), 1);
    assert_int_equal(mtev_conf_get_int64(ROOT, "b", &i64), 1);
    assert_true(i64 == INT64_MIN);
    assert_int_equal(mtev_conf_set_uint64(ROOT, "b", UINT64_MAX), 1);
    assert_int_equal(mtev_conf_get_uint64(ROOT, "b", &u64), 1);
    assert_true(u64 == UINT64_MAX);
    assert_int_equal(mtev_conf_set_float(ROOT, "b", 0.1f), 1);
    assert_int_equal(mtev_conf_get_float(ROOT, "b", &f), 1);
    assert_true(f == 0.1f);
    assert_int_equal(mtev_conf_set_double(ROOT, "b", -1e300 / 3), 1);
    assert_int_equal(mtev_conf_get_double(ROOT, "b", &d), 1);
    assert_true(d == -1e300 / 3);
    assert_int_equal(mtev_conf_set_boolean(ROOT, "b", mtev_true), 1);
    assert_int_equal(mtev_conf_get_boolean(ROOT, "b", &truth), 1);
    assert_int_equal(truth, mtev_true);
    assert_int_equal(mtev_conf_set_boolean(ROOT, "b", mtev_false), 1);
    assert_value(ROOT, "b", "false");
}

static void text_is_kept_as_it_is(void **state)
{
    static const char *const texts[] = {"", "<&>\"'", "&amp;", "\xc3\xa9 \t\n", "]]>"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_int_equal(mtev_conf_set_string(ROOT, "a", texts[i]), 1);
        assert_value(ROOT, "a", texts[i]);
        assert_int_equal(mtev_conf_set_string(ROOT, "@n", texts[i]), 1);
        assert_value(ROOT, "@n", texts[i]);
    }
    assert_value(ROOT, "a/k", NULL); /* the text is all there is */
    assert_int_equal(mtev_conf_set_string(ROOT, "a", "{{ENV:5:{SET_TEST_NOT}}}"), 1);
    assert_value(ROOT, "a", "5");
}

static void what_is_not_there_is_made(void **state)
{
    assert_int_equal(mtev_conf_set_string(ROOT, "x/y/@z", "1"), 1);
    assert_value(ROOT, "x/y/@z", "1");
    assert_int_equal(mtev_conf_set_string(ROOT, "x/y/w", "2"), 1);
    assert_value(ROOT, "x/y[@z=1]/w", "2");
    assert_int_equal(mtev_conf_set_string(ROOT, "@new", "3"), 1);
    assert_value(ROOT, "@new", "3");
}

static void what_is_set_to_nothing_is_taken_out(void **state)
{
    assert_int_equal(mtev_conf_set_string(ROOT, "a/@m", NULL), 1);
    assert_value(ROOT, "a/@m", NULL);
    assert_int_equal(mtev_conf_set_string(ROOT, "a", NULL), 1);
    assert_value(ROOT, "a", NULL);
    assert_int_equal(mtev_conf_set_string(ROOT, "a", NULL), 1);
}

static void assert_refused(mtev_conf_section_t section, const char *path, const char *value,
                           int wanted)
{
    errno = 0;
    assert_int_equal(mtev_conf_set_string(section, path, value), 0);
    assert_int_equal(errno, wanted);
    logged_clear();
    assert_value(ROOT, "@n", "1");
    assert_value(ROOT, "x", NULL);
}

static void what_cannot_be_set_changes_nothing(void **state)
{
    char *text = alloc_bytes(VALUE_LEN_MAX + 2);
    assert_non_null(text);
    assert_refused(ROOT, "][", "1", EINVAL);
    assert_refused(ROOT, "x[1]", "1", EINVAL);
    assert_refused(ROOT, "x/y z", "1", EINVAL);
    assert_refused(ROOT, "x/@a/b", "1", EINVAL);
    assert_refused(ROOT, "x//b", "1", EINVAL);
    assert_refused(ROOT, "x/1", "1", EINVAL);
    assert_refused(ROOT, "@n", "\x01", EILSEQ);
    assert_refused(ROOT, "@n", "\xff", EILSEQ);
    assert_refused(ROOT, "@n", "\xef\xbf\xbf", EILSEQ);
    assert_refused(ROOT, "self::app", NULL, EPERM);
    assert_refused(MTEV_CONF_EMPTY, "@n", "1", ENOENT);
    memset(text, 'x', VALUE_LEN_MAX + 1);
    text[VALUE_LEN_MAX + 1] = '\0';
    assert_refused(ROOT, "@n", text, EFBIG);
    text[VALUE_LEN_MAX] = '\0';
    assert_int_equal(mtev_conf_set_string(ROOT, "@n", text), 1);
    text[VALUE_LEN_MAX - 1] = '\0';
    assert_int_equal(mtev_conf_set_string(ROOT, "@n", text), 1);
    assert_value(ROOT, "@n", text);
    alloc_free(text);
    assert_int_equal(mtev_conf_set_string(ROOT, "][", "1"), 0);
    assert_logged_lines("mtev_conf_set_string: \"][\": Invalid argument\n");
}

static void without_a_path_there_is_an_error(void **state)
{
    char *value = NULL;
    assert_refused(ROOT, NULL, "1", EINVAL);
    assert_int_equal(mtev_conf_get_string(ROOT, NULL, &value), 0);
    assert_logged_lines("t:1: \"(null)\" is no path\n");
    mtev_hash_table *table = mtev_conf_get_hash(ROOT, NULL);
    assert_int_equal(mtev_hash_size(table), 0);
    mtev_hash_destroy(table, free, free);
    free(table);
    assert_logged_lines("t:1: cannot be read: Invalid argument\n");
    assert_true(mtev_conf_section_is_empty(mtev_conf_get_section_write(ROOT, NULL)));
    assert_logged_lines("t:1: \"(null)\" is no path\n");
}

static void nothing_can_be_set_while_nothing_is_loaded(void **state)
{
    conf_unload();
    assert_int_equal(mtev_conf_set_string(ROOT, "@n", "1"), 0);
    assert_int_equal(errno, ENOENT);
    assert_true(mtev_conf_section_is_empty(mtev_conf_get_section_write(ROOT, "a")));
}

static void *read_n(void *closure)
{
    char *value = NULL;
    mtev_conf_get_string(ROOT, closure, &value);
    return value;
}

/* Fail unless another thread finds that value. */
static void assert_others_see(const char *path, const char *wanted)
{
    pthread_t thread;
    void *value = NULL;
    assert_int_equal(pthread_create(&thread, NULL, read_n, (void *)(uintptr_t)path), 0);
    pthread_join(thread, &value);
    assert_string_equal(value, wanted);
    free(value);
}

static void a_writer_sees_what_it_writes_and_others_when_it_is_whole(void **state)
{
    mtev_conf_section_t held = mtev_conf_get_section_read(ROOT, "a");
    mtev_conf_section_t a = mtev_conf_get_section_write(ROOT, "a");
    mtev_conf_section_t again = mtev_conf_get_section_write(a, "self::a");
    assert_int_equal(mtev_conf_set_string(a, "@m", "9"), 1);
    assert_int_equal(mtev_conf_set_string(ROOT, "@n", "9"), 1);
    assert_value(a, "@m", "9");
    assert_value(ROOT, "a/@m", "9");
    assert_value(held, "@m", "2");
    assert_others_see("a/@m", "2");
    mtev_conf_release_section_write(again);
    assert_others_see("@n", "1");
    mtev_conf_release_section_write(a);
    assert_others_see("@n", "9");
    assert_others_see("a/@m", "9");
    assert_value(held, "@m", "2");
    mtev_conf_release_section_read(held);
}

static void several_sections_are_written(void **state)
{
    int count = 0;
    mtev_conf_section_t *all = mtev_conf_get_sections_write(ROOT, "*", &count);
    assert_int_equal(count, 2);
    for (int i = 0; i < count; i++)
        assert_int_equal(mtev_conf_set_int32(all[i], "@i", i), 1);
    mtev_conf_release_sections_write(all, count);
    assert_value(ROOT, "a/@i", "0");
    assert_value(ROOT, "b/@i", "1");
    assert_null(mtev_conf_get_sections_write(ROOT, "nothing", &count));
    assert_int_equal(count, 0);
    mtev_conf_release_sections_write(NULL, 0);
    mtev_conf_release_section_write(MTEV_CONF_EMPTY);
    assert_int_equal(mtev_conf_load(NULL), 0); /* nobody writes any more */
}

static void who_reads_cannot_begin_to_write(void **state)
{
    int count = 0;
    mtev_conf_section_t a = mtev_conf_get_section_read(ROOT, "a");
    assert_true(mtev_conf_section_is_empty(mtev_conf_get_section_write(a, "k")));
    assert_int_equal(errno, EDEADLK);
    assert_logged_lines(
        "mtev_conf_get_section_write: \"k\": the section was got for reading; get it "
        "for writing\n");
    assert_null(mtev_conf_get_sections_write(a, "k", &count));
    logged_clear();
    assert_int_equal(mtev_conf_set_string(a, "@m", "1"), 0);
    assert_int_equal(errno, EDEADLK);
    logged_clear();
    assert_int_equal(mtev_conf_remove_section(a), 0);
    assert_int_equal(errno, EDEADLK);
    logged_clear();
    mtev_conf_section_t b = mtev_conf_get_section_write(ROOT, "b");
    assert_int_equal(mtev_conf_set_string(a, "@m", "1"), 0); /* neither while it writes another */
    logged_clear();
    mtev_conf_release_section_write(b);
    mtev_conf_release_section_read(a);
}

static void who_writes_cannot_load(void **state)
{
    mtev_conf_section_t a = mtev_conf_get_section_write(ROOT, "a");
    assert_int_equal(mtev_conf_load(NULL), -1);
    assert_int_equal(errno, EDEADLK);
    assert_logged_one_line("a configuration cannot be loaded while ");
    mtev_conf_release_section_write(a);
}

static mtev_hook_return_t forbid_b(void *closure, mtev_conf_section_t section, const char *name)
{
    return strcmp(name, "b") == 0 ? MTEV_HOOK_ABORT : MTEV_HOOK_CONTINUE;
}

static void a_section_is_removed_unless_the_program_minds(void **state)
{
    assert_int_equal(mtev_conf_delete_section_hook_register("test", forbid_b, NULL), 0);
    mtev_conf_section_t a = mtev_conf_get_section_write(ROOT, "a");
    assert_int_equal(mtev_conf_remove_section(a), 1);
    assert_value(ROOT, "a", NULL);
    assert_value(a, "@m", "2"); /* it lives until it is released */
    mtev_conf_release_section_write(a);
    assert_value(ROOT, "a", NULL);
    mtev_conf_section_t b = mtev_conf_get_section_write(ROOT, "b");
    assert_int_equal(mtev_conf_remove_section(b), 0);
    assert_int_equal(errno, ECANCELED);
    assert_logged_lines("mtev_conf_remove_section: \"b\": Operation canceled\n");
    mtev_conf_release_section_write(b);
    assert_int_equal(mtev_conf_remove_section(ROOT), 0);
    assert_int_equal(errno, EPERM);
    logged_clear();
}

static mtev_hook_return_t fix_up(void *closure, mtev_conf_section_t section, const char *path,
                                 const char *name, int set, char **value)
{
    if (strcmp(name, "fixed") != 0)
        return MTEV_HOOK_CONTINUE;
    if (strcmp(*value, "bad") == 0)
        return MTEV_HOOK_ABORT;
    if (strcmp(*value, "none") == 0) {
        free(*value);
        *value = NULL;
        return MTEV_HOOK_DONE;
    }
    char *text = NULL;
    assert_true(asprintf(&text, "%s%s", *value, set ? "-set" : "-read") > 0);
    free(*value);
    *value = text;
    return MTEV_HOOK_DONE;
}

static void the_program_may_change_values(void **state)
{
    assert_int_equal(mtev_conf_value_fixup_hook_register("test", fix_up, NULL), 0);
    assert_int_equal(mtev_conf_set_string(ROOT, "a/@fixed", "1"), 1);
    assert_value(ROOT, "a/@fixed", "1-set-read");
    assert_int_equal(mtev_conf_set_string(ROOT, "fixed", "bad"), 0);
    assert_int_equal(errno, EINVAL);
    logged_clear();
    assert_int_equal(mtev_conf_set_string(ROOT, "fixed", "none"), 0);
    assert_int_equal(errno, EINVAL);
    logged_clear();
    assert_int_equal(conf_load_text("t", "<app fixed='bad'/>"), 0);
    assert_value(ROOT, "@fixed", NULL);
    assert_logged_lines("t:1: <app> fixed=\"bad\": the program refuses it\n");
}

static unsigned changes;

static void count_change(void)
{
    changes++;
    conf_at_change(NULL);
    assert_int_equal(mtev_conf_set_string(ROOT, "@n", NULL), 1); /* it may write itself */
}

static void changes_are_told(void **state)
{
    conf_at_change(count_change);
    mtev_conf_section_t a = mtev_conf_get_section_write(ROOT, "a");
    mtev_conf_release_section_write(a);
    assert_int_equal(changes, 0);
    assert_int_equal(mtev_conf_set_string(ROOT, "@n", "7"), 1);
    assert_int_equal(changes, 1);
}

static void names_are_kept(void **state)
{
    mtev_set_app_version("1.2.3");
    assert_string_equal(mtev_get_app_version(), "1.2.3");
    mtev_set_app_name("tester");
    assert_string_equal(mtev_get_app_name(), "tester");
    assert_string_equal(conf_app_name(), "tester");
    char name[CONF_NAME_MAX + 2];
    memset(name, 'n', sizeof(name));
    name[CONF_NAME_MAX + 1] = '\0';
    mtev_set_app_version(name);
    assert_logged_lines("mtev_set_app_version: the name is longer than 63 bytes\n");
    name[CONF_NAME_MAX] = '\0';
    mtev_set_app_version(name);
    assert_string_equal(mtev_get_app_version(), name);
    mtev_set_app_version(NULL);
    assert_string_equal(mtev_get_app_version(), "");
}

static _Atomic bool is_over;

static void *write_on(void *closure)
{
    for (int i = 0; i < 100; i++) {
        mtev_conf_section_t a = mtev_conf_get_section_write(ROOT, "a");
        int32_t m = 0;
        mtev_conf_get_int32(a, "@m", &m);
        mtev_conf_set_int32(a, "@m", m + 1);
        mtev_conf_set_int32(ROOT, "@n", m); /* always one less */
        mtev_conf_release_section_write(a);
    }
    return NULL;
}

static void *read_on(void *closure)
{
    intptr_t wrong = 0;
    while (!atomic_load(&is_over)) {
        int32_t n = -1, m = -1;
        mtev_conf_section_t a = mtev_conf_get_section_read(ROOT, "a");
        wrong +=
            mtev_conf_get_int32(a, "@m", &m) != 1 || mtev_conf_get_int32(a, "/app/@n", &n) != 1;
        wrong += n != m - 1;
        mtev_conf_release_section_read(a);
    }
    return (void *)wrong;
}

static void no_change_is_lost_and_none_is_seen_in_part(void **state)
{
    pthread_t writers[2], reader;
    void *wrong = NULL;
    assert_int_equal(pthread_create(&reader, NULL, read_on, NULL), 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&writers[i], NULL, write_on, NULL), 0);
    for (int i = 0; i < 2; i++)
        pthread_join(writers[i], NULL);
    atomic_store(&is_over, true);
    pthread_join(reader, &wrong);
    assert_null(wrong);
    assert_value(ROOT, "a/@m", "202");
}

static void change(void *closure)
{
    int was_set = mtev_conf_set_string(ROOT, "x/y/@z", "1");
    assert_true(was_set == 1 || errno == ENOMEM);
    mtev_conf_section_t b = mtev_conf_get_section_write(ROOT, "b");
    mtev_conf_set_string(b, "c", "1");
    mtev_conf_release_section_write(b);
    logged_clear();
}

static void no_memory_changes_nothing(void **state)
{
    harness_fail_each_allocation(change, NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, configured_tear_down)

static const struct CMUnitTest tests[] = {
    TEST(every_kind_of_value_is_set),
    TEST(text_is_kept_as_it_is),
    TEST(what_is_not_there_is_made),
    TEST(what_is_set_to_nothing_is_taken_out),
    TEST(what_cannot_be_set_changes_nothing),
    TEST(without_a_path_there_is_an_error),
    TEST(nothing_can_be_set_while_nothing_is_loaded),
    TEST(a_writer_sees_what_it_writes_and_others_when_it_is_whole),
    TEST(several_sections_are_written),
    TEST(who_reads_cannot_begin_to_write),
    TEST(who_writes_cannot_load),
    TEST(a_section_is_removed_unless_the_program_minds),
    TEST(the_program_may_change_values),
    TEST(changes_are_told),
    TEST(names_are_kept),
    TEST(no_change_is_lost_and_none_is_seen_in_part),
    TEST(no_memory_changes_nothing),
};
HARNESS_MAIN(tests)
