/* SPDX-License-Identifier: MIT */
/*
 * Goal: files are included where they are named, relative to the file that names them; what is
 * wrong is told with the file that has it; loops and limits are refused.
 * Method: a folder of small files; what is said is read back from a pipe.
 */
#include "configured.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "conf/xml.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static char folder[40];
static char main_path[64];

static int set_up(void **state)
{
    snprintf(folder, sizeof(folder), "/tmp/test_include.XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(main_path, sizeof(main_path), "%s/app.conf", folder);
    unsetenv("INCLUDE_TEST");
    return logged_set_up(state);
}

static int tear_down(void **state)
{
    harness_remove_folder(folder);
    return configured_tear_down(state);
}

static void write_file(const char *name, const char *text)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void make_folder(const char *name)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    assert_int_equal(mkdir(path, 0700), 0);
}

/* Fail unless these lines were said, where %s is the folder. */
static void assert_said(const char *format)
{
    char wanted[2048];
    size_t len = 0;
    for (const char *c = format; *c != '\0'; c++) {
        if (*c == '%') {
            len += (size_t)snprintf(wanted + len, sizeof(wanted) - len, "%s", folder);
            c++;
        } else {
            wanted[len++] = *c;
        }
    }
    wanted[len] = '\0';
    assert_logged_lines(wanted);
}

static void assert_value(const char *path, const char *wanted)
{
    char *value = NULL;
    assert_int_equal(mtev_conf_get_string(MTEV_CONF_ROOT, path, &value), 1);
    assert_string_equal(value, wanted);
    free(value);
}

static void files_are_included_where_they_are_named(void **state)
{
    make_folder("sub");
    write_file("app.conf", "<app><include file='sub/one.conf'/><a>{{ENV:1:{X}}}</a></app>");
    write_file("sub/one.conf", "<?xml version='1.0'?>\n<!-- c --><any at='x'><b n='2'>two</b>\n"
                               "<include file='two.conf' snippet='true'/></any>");
    write_file("sub/two.conf", "<c/>\n<d>four</d><!-- end -->");
    assert_int_equal(mtev_conf_load(main_path), 0);
    assert_value("include/b", "two");
    assert_value("include/include/d", "four");
    assert_value("a", "1");
    assert_value("include/@file", "sub/one.conf");
    mtev_conf_section_t d = mtev_conf_get_section_read(MTEV_CONF_ROOT, "//d");
    conf_error(d, "here");
    assert_said("%s/sub/two.conf:2: here\n");
    conf_value_error(d, ".", "here");
    assert_said("%s/sub/two.conf:2: <d> \"four\": here\n");
    mtev_conf_release_section_read(d);
    conf_value_error(MTEV_CONF_ROOT, "include/@file", "here");
    assert_said("%s/app.conf:1: <include> file=\"sub/one.conf\": here\n");
}

static void a_block_may_be_in_an_include(void **state)
{
    int count = 0;
    write_file("app.conf", "<app><logs n='1'/><include file='1.conf'/><x><logs/></x></app>");
    write_file("1.conf", "<r><logs n='2'/><include file='2.conf'/></r>");
    write_file("2.conf", "<r><logs n='3'><logs/></logs></r>");
    assert_int_equal(mtev_conf_load(main_path), 0);
    mtev_conf_section_t *all =
        mtev_conf_get_sections_read(MTEV_CONF_ROOT, CONF_BLOCK("logs"), &count);
    assert_int_equal(count, 3);
    mtev_conf_release_sections_read(all, count);
}

static void included_keys_are_keys(void **state)
{
    write_file("app.conf",
               "<app><config><a>1</a><include file='k.conf' snippet='on'/></config></app>");
    write_file("k.conf", "<a>2</a><b>3</b>");
    assert_int_equal(mtev_conf_load(main_path), 0);
    mtev_hash_table *table = mtev_conf_get_hash(MTEV_CONF_ROOT, "config");
    assert_int_equal(mtev_hash_size(table), 2);
    assert_string_equal(mtev_hash_dict_get(table, "a"), "2");
    assert_string_equal(mtev_hash_dict_get(table, "b"), "3");
    mtev_hash_destroy(table, free, free);
    free(table);
}

static void the_name_may_depend_on_the_environment(void **state)
{
    write_file("app.conf", "<app><include file='{{ENV:a:{INCLUDE_TEST}}}.conf'/>\n"
                           "<include file='nowhere' require_env='INCLUDE_TEST'/>\n"
                           "<x require_env='INCLUDE_TEST'><include file='nowhere'/></x></app>");
    write_file("a.conf", "<r><n>a</n></r>");
    write_file("b.conf", "<r><n>b</n></r>");
    assert_int_equal(mtev_conf_load(main_path), 0);
    assert_value("include/n", "a");
    setenv("INCLUDE_TEST", "b", 1);
    assert_int_equal(mtev_conf_load(NULL), -1);
    assert_int_equal(errno, EINVAL);
    assert_said("%s/nowhere: cannot be read: No such file or directory\n"
                "%s/nowhere: cannot be read: No such file or directory\n");
    assert_value("include/n", "a");
}

static void every_fault_is_told(void **state)
{
    write_file("app.conf", "<app>\n<include file='bad.conf'/>\n<include file='.'/>\n"
                           "<include file='own'><a/></include>\n<include file='{{f:a:{k}}}'/>\n"
                           "<include file='good.conf' snippet='maybe'/>\n"
                           "<b backingstore='x'/>\n<include file='type.conf'/>\n"
                           "<include file='good.conf' snippet='true'/></app>");
    write_file("bad.conf", "<r>\n\n</q>");
    write_file("good.conf", "<?xml version='1.0'?><r/>");
    write_file("type.conf", "<!DOCTYPE r SYSTEM 'file:///etc/passwd'><r/>");
    assert_int_equal(mtev_conf_load(main_path), -1);
    assert_said("%s/bad.conf:3: Opening and ending tag mismatch: r line 1 and q\n"
                "%s/.: cannot be read: Is a directory\n"
                "%s/app.conf:4: <include> has elements of its own; they belong into the file\n"
                "%s/app.conf:5: <include> file=\"{{f:a:{k}}}\": \"f\" is no facility (ENV, hwloc)\n"
                "%s/app.conf:6: <include> snippet=\"maybe\": neither true (on) nor false (off)\n"
                "%s/app.conf:7: <b> backingstore=\"...\": a folder of files is not supported; "
                "<include> is\n"
                "%s/type.conf:1: a <!DOCTYPE> is not accepted\n"
                "%s/good.conf:1: XML declaration allowed only at the start of the document\n");
}

static void no_special_file_is_waited_for(void **state)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/fifo", folder);
    assert_int_equal(mkfifo(path, 0600), 0);
    write_file("app.conf", "<app><include file='fifo'/><include file='/dev/zero'/></app>");
    assert_int_equal(mtev_conf_load(main_path), -1);
    assert_said("%s/fifo: cannot be read: it is no regular file\n"
                "/dev/zero: cannot be read: it is no regular file\n");
}

static void a_loop_is_refused(void **state)
{
    write_file("app.conf", "<app><include file='a.conf'/></app>");
    write_file("a.conf", "<r>\n<include file='b.conf'/></r>");
    write_file("b.conf", "<r>\n\n<include file='./a.conf'/><include file='app.conf'/></r>");
    assert_int_equal(mtev_conf_load(main_path), -1);
    assert_said("%s/b.conf:3: <include> %s/./a.conf: it is included in itself\n"
                "%s/b.conf:3: <include> %s/app.conf: it is included in itself\n");
}

static void a_text_includes_beside_the_working_directory(void **state)
{
    char text[128];
    snprintf(text, sizeof(text), "<app><include file='%s/a.conf'/></app>", folder);
    write_file("a.conf", "<r><n>1</n><include file='b.conf'/></r>");
    write_file("b.conf", "<r><m>2</m></r>");
    assert_int_equal(conf_load_text("text", text), 0);
    assert_value("include/n", "1");
    assert_value("//m", "2");
}

static void a_relative_path_is_found_again_elsewhere(void **state)
{
    char here[256];
    assert_non_null(getcwd(here, sizeof(here)));
    write_file("app.conf", "<app><include file='a.conf'/></app>");
    write_file("a.conf", "<r><n>1</n></r>");
    assert_int_equal(chdir(folder), 0);
    assert_int_equal(mtev_conf_load("app.conf"), 0);
    assert_int_equal(chdir("/"), 0);
    write_file("a.conf", "<r><n>2</n></r>");
    assert_int_equal(mtev_conf_load(NULL), 0);
    assert_value("//n", "2");
    write_file("a.conf", "<r>");
    assert_int_equal(mtev_conf_load(NULL), -1);
    assert_logged_one_line("a.conf:1: ");
    assert_int_equal(chdir(here), 0);
}

/* A chain of files of that length below the first. */
static void check_depth(unsigned depth, bool is_right)
{
    char name[32], text[64];
    write_file("app.conf", "<app><include file='1.conf'/></app>");
    for (unsigned i = 1; i <= depth; i++) {
        snprintf(name, sizeof(name), "%u.conf", i);
        snprintf(text, sizeof(text), i < depth ? "<r><include file='%u.conf'/></r>" : "<r><n/></r>",
                 i + 1);
        write_file(name, text);
    }
    assert_int_equal(mtev_conf_load(main_path), is_right ? 0 : -1);
    if (!is_right)
        assert_said("%s/8.conf:1: files are included more than 8 deep\n");
}

static void files_are_included_only_so_deep(void **state)
{
    check_depth(CONF_INCLUDE_DEPTH_MAX - 1, true);
    check_depth(CONF_INCLUDE_DEPTH_MAX, true);
    check_depth(CONF_INCLUDE_DEPTH_MAX + 1, false);
}

static void check_count(unsigned count, bool is_right)
{
    struct buf text;
    buf_init(&text, 1 << 20);
    assert_int_equal(buf_appendf(&text, "<app>"), 0);
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(buf_appendf(&text, "<include file='n.conf'/>"), 0);
    assert_int_equal(buf_append(&text, "</app>", 7), 0);
    write_file("app.conf", text.bytes);
    buf_free(&text);
    assert_int_equal(mtev_conf_load(main_path), is_right ? 0 : -1);
    if (!is_right)
        assert_said("%s/app.conf:1: more than 256 files are included\n");
}

static void only_so_many_files_are_included(void **state)
{
    write_file("n.conf", "<r><n/></r>");
    check_count(CONF_INCLUDES_MAX - 1, true);
    check_count(CONF_INCLUDES_MAX, true);
    check_count(CONF_INCLUDES_MAX + 1, false);
}

static void elements_nest_only_so_deep_with_what_is_included(void **state)
{
    write_file("app.conf", "<app><include file='deep.conf'/></app>");
    for (size_t depth = XML_DEPTH_MAX - 3; depth <= XML_DEPTH_MAX - 1; depth++) {
        struct buf text;
        buf_init(&text, 1 << 16);
        for (size_t i = 0; i <= depth; i++) /* of which the first is absorbed */
            assert_int_equal(buf_append(&text, "<a>\n", 4), 0);
        for (size_t i = 0; i <= depth; i++)
            assert_int_equal(buf_append(&text, "</a>", 4), 0);
        assert_int_equal(buf_append(&text, "", 1), 0);
        write_file("deep.conf", text.bytes);
        buf_free(&text);
        assert_int_equal(mtev_conf_load(main_path), depth + 2 <= XML_DEPTH_MAX ? 0 : -1);
        if (depth + 2 > XML_DEPTH_MAX)
            assert_said("%s/deep.conf:64: elements are nested too deep\n");
    }
}

static void all_files_together_have_a_limit(void **state)
{
    static const char head[] = "<app><include file='big.conf'/></app>", tail[] = "--></r>";
    for (size_t i = 0; i < 3; i++) {
        size_t size = CONF_BYTES_MAX - 1 - strlen(head) + i;
        char *text = alloc_bytes(size + 1);
        assert_non_null(text);
        memset(text, ' ', size);
        memcpy(text, "<r><!--", 7);
        memcpy(text + size - strlen(tail), tail, sizeof(tail));
        write_file("app.conf", head);
        write_file("big.conf", text);
        alloc_free(text);
        assert_int_equal(mtev_conf_load(main_path), i < 2 ? 0 : -1);
    }
    assert_said("%s/big.conf: longer than 4194304 bytes with all that is included before it\n");
}

static void load(void *closure)
{
    if (conf_load(main_path) != 0)
        assert_false(logged("\n") == 0);
    conf_unload();
    logged_clear();
}

static void no_memory_is_told(void **state)
{
    write_file("app.conf", "<app><include file='a.conf' require_env='!INCLUDE_TEST'/></app>");
    write_file("a.conf", "<r><include file='b.conf' snippet='true'/></r>");
    write_file("b.conf", "<d>four</d>");
    assert_int_equal(conf_load(main_path), 0);
    assert_value("//d", "four");
    harness_fail_each_allocation(load, NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static const struct CMUnitTest tests[] = {
    TEST(files_are_included_where_they_are_named),
    TEST(a_block_may_be_in_an_include),
    TEST(included_keys_are_keys),
    TEST(the_name_may_depend_on_the_environment),
    TEST(every_fault_is_told),
    TEST(no_special_file_is_waited_for),
    TEST(a_loop_is_refused),
    TEST(a_text_includes_beside_the_working_directory),
    TEST(a_relative_path_is_found_again_elsewhere),
    TEST(files_are_included_only_so_deep),
    TEST(only_so_many_files_are_included),
    TEST(elements_nest_only_so_deep_with_what_is_included),
    TEST(all_files_together_have_a_limit),
    TEST(no_memory_is_told),
};
HARNESS_MAIN(tests)
