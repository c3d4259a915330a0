/* SPDX-License-Identifier: MIT */
/*
 * Goal: sections are found and released, live on through a reload, can be complained of, and hand
 * over the keys of their <config> merged from the root to the leaf.
 * Method: built-in configurations; what is said is read back from a pipe.
 */
#include "configured.h"

#include "base/alloc.h"
#include "base/buf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static const char text[] = "<app>\n"
                           "<listeners>\n"
                           "<config><a>1</a><b>1</b></config>\n"
                           "<listener n='1'><config><b>2</b><c>2</c></config></listener>\n"
                           "<group><listener n='2'/></group>\n"
                           "</listeners>\n"
                           "</app>\n";

static int set_up(void **state)
{
    logged_set_up(state);
    assert_int_equal(conf_load_text("built-in", text), 0);
    return 0;
}

static void assert_n(mtev_conf_section_t section, int32_t wanted)
{
    int32_t n = -1;
    assert_int_equal(mtev_conf_get_int32(section, "@n", &n), 1);
    assert_int_equal(n, wanted);
}

static void the_last_element_is_the_section(void **state)
{
    mtev_conf_section_t found = mtev_conf_get_section_read(MTEV_CONF_ROOT, "//listener");
    assert_false(mtev_conf_section_is_empty(found));
    assert_n(found, 2);
    mtev_conf_release_section_read(found);
}

static void all_elements_come_in_order(void **state)
{
    int count = -1;
    mtev_conf_section_t *all =
        mtev_conf_get_sections_read(MTEV_CONF_ROOT, "listeners//listener", &count);
    assert_int_equal(count, 2);
    assert_n(all[0], 1);
    assert_n(all[1], 2);
    mtev_conf_release_sections_read(all, count);
}

static void nothing_is_an_empty_section(void **state)
{
    int count = -1;
    mtev_conf_section_t found = mtev_conf_get_section_read(MTEV_CONF_ROOT, "nothing");
    assert_true(mtev_conf_section_is_empty(found));
    mtev_conf_release_section_read(found);
    found = mtev_conf_get_section_read(MTEV_CONF_ROOT, "//@n"); /* attributes are no sections */
    assert_true(mtev_conf_section_is_empty(found));
    mtev_conf_section_t *all = mtev_conf_get_sections_read(MTEV_CONF_ROOT, "//@n", &count);
    assert_int_equal(count, 0);
    mtev_conf_release_sections_read(all, count);
    assert_null(mtev_conf_get_sections_read(MTEV_CONF_EMPTY, "*", &count));
    assert_true(mtev_conf_section_is_empty((mtev_conf_section_t){NULL, NULL}));
    assert_false(mtev_conf_section_is_empty(MTEV_CONF_ROOT));
    mtev_conf_release_section_read(MTEV_CONF_EMPTY);
    mtev_conf_release_section_read(MTEV_CONF_ROOT);
}

static void the_root_is_empty_while_nothing_is_loaded(void **state)
{
    char *value = NULL;
    conf_unload();
    assert_int_equal(mtev_conf_get_string(MTEV_CONF_ROOT, "@n", &value), 0);
    assert_true(mtev_conf_section_is_empty(mtev_conf_get_section_read(MTEV_CONF_ROOT, "*")));
    conf_error(MTEV_CONF_ROOT, "nowhere to be");
    conf_error_at(MTEV_CONF_EMPTY, 1, "nowhere to be");
    conf_value_error(MTEV_CONF_ROOT, "@n", "nowhere to be");
}

static void a_held_section_stays_as_it_was(void **state)
{
    mtev_conf_section_t held = mtev_conf_get_section_read(MTEV_CONF_ROOT, "//listener");
    assert_int_equal(conf_load_text("other", "<app><listener n='9'/></app>"), 0);
    assert_n(held, 2);
    mtev_conf_section_t fresh = mtev_conf_get_section_read(MTEV_CONF_ROOT, "//listener");
    assert_n(fresh, 9);
    conf_unload();
    assert_n(held, 2);
    mtev_conf_release_section_read(held);
    mtev_conf_release_section_read(fresh);
}

static void errors_name_the_place(void **state)
{
    mtev_conf_section_t found = mtev_conf_get_section_read(MTEV_CONF_ROOT, "//listener");
    conf_error(found, "%d things are wrong", 3);
    assert_logged_lines("built-in:5: 3 things are wrong\n");
    conf_error_at(found, 77, "there");
    assert_logged_lines("built-in:77: there\n");
    conf_value_error(found, "@n", "not %s", "good");
    assert_logged_lines("built-in:5: <listener> n=\"2\": not good\n");
    conf_value_error(found, "@m", "missing");
    assert_logged_lines("built-in:5: missing\n");
    mtev_conf_release_section_read(found);
}

static void a_long_or_broken_value_is_shown_in_part(void **state)
{
    char long_text[512];
    char wanted[512];
    snprintf(long_text, sizeof(long_text), "<app><n>\n 12\n3%0200d</n><m>%0200d</m></app>", 0, 0);
    assert_int_equal(conf_load_text("built-in", long_text), 0);
    conf_value_error(MTEV_CONF_ROOT, "n", "bad");
    assert_logged_lines("built-in:1: <n> \"12\": bad\n");
    conf_value_error(MTEV_CONF_ROOT, "m", "bad");
    snprintf(wanted, sizeof(wanted), "built-in:3: <m> \"%0100d\": bad\n", 0);
    assert_logged_lines(wanted);
}

static void secrets_are_not_shown(void **state)
{
    static const char *const secrets[] = {"key",     "Password", "db_password",   "token",
                                          "api_key", "psk",      "client_secret", "passphrase"};
    static const char *const others[] = {"key_file", "monkey",        "keys",
                                         "port",     "password_file", "_key"};
    for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++)
        assert_true(conf_is_secret(secrets[i]));
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        assert_false(conf_is_secret(others[i]));
    assert_int_equal(conf_load_text("t", "<app password='swordfish'><key>abc</key></app>"), 0);
    conf_value_error(MTEV_CONF_ROOT, "@password", "bad");
    assert_logged_lines("t:1: <app> password=\"...\": bad\n");
    int32_t number;
    assert_int_equal(mtev_conf_get_int32(MTEV_CONF_ROOT, "key", &number), 0);
    assert_logged_lines("t:1: <key> \"...\": not a number between -2147483648 and 2147483647\n");
}

static int collect(void *closure, const char *name, const char *value, long line)
{
    return buf_appendf(closure, "%s=%s@%ld ", name, value, line);
}

static void assert_children(const char *path, const char *wanted)
{
    struct buf keys;
    buf_init(&keys, 1 << 20);
    mtev_conf_section_t found = mtev_conf_get_section_read(MTEV_CONF_ROOT, path);
    assert_int_equal(conf_each_child(found, "config", collect, &keys), 0);
    assert_int_equal(keys.len, strlen(wanted));
    if (keys.len > 0)
        assert_memory_equal(keys.bytes, wanted, keys.len);
    buf_free(&keys);
    mtev_conf_release_section_read(found);
}

static void keys_are_merged_from_the_root_to_the_leaf(void **state)
{
    assert_children("//listener[@n=1]", "a=1@3 b=2@4 c=2@4 ");
    assert_children("//listener[@n=2]", "a=1@3 b=1@3 ");
    assert_children("/app", "");
    assert_children("nothing", "");
}

static int count_key(void *closure, const char *name, const char *value, long line)
{
    ++*(int *)closure;
    return 0;
}

static void count_keys(void *closure)
{
    int calls = 0;
    int err = conf_each_child(MTEV_CONF_ROOT, "config", count_key, &calls);
    assert_true((err == 0 && calls == 3) || (err == -ENOMEM && calls == 0));
    logged_clear();
}

static void without_memory_no_key_is_left_out(void **state)
{
    assert_int_equal(conf_load_text("test", "<a><config><b require_env='PATH'>1</b><c>2</c>"
                                            "<include/></config></a>"),
                     0);
    harness_fail_each_allocation(count_keys, NULL);
    assert_int_equal(conf_load_text("test", "<a><x id='y' require_env='PATH'><b>1</b><c>2</c></x>"
                                            "<x id='y'><d>1</d></x><config inherit='y'/></a>"),
                     0);
    harness_fail_each_allocation(count_keys, NULL);
}

static int stop_at_b(void *closure, const char *name, const char *value, long line)
{
    int *calls = closure;
    ++*calls;
    return strcmp(name, "b") == 0 ? 17 : 0;
}

static void what_is_called_may_end_it(void **state)
{
    int calls = 0;
    mtev_conf_section_t found = mtev_conf_get_section_read(MTEV_CONF_ROOT, "//listener[@n=1]");
    assert_int_equal(conf_each_child(found, "config", stop_at_b, &calls), 17);
    assert_int_equal(calls, 2);
    mtev_conf_release_section_read(found);
}

static void a_wrong_value_among_the_keys_is_one_line(void **state)
{
    int calls = 0;
    assert_int_equal(
        conf_load_text("keys", "<app><config><a>1</a>\n<b>{{x:1:{y}}}</b></config></app>"), 0);
    assert_int_equal(conf_each_child(MTEV_CONF_ROOT, "config", stop_at_b, &calls), -EINVAL);
    assert_logged_lines("keys:2: <b> \"{{x:1:{y}}}\": \"x\" is no facility (ENV, hwloc)\n");
    assert_int_equal(calls, 0);
}

static void check_keys(size_t count, int wanted)
{
    struct buf made;
    struct buf keys;
    buf_init(&made, 1 << 20);
    buf_init(&keys, 1 << 20);
    assert_int_equal(buf_appendf(&made, "<app><config>"), 0);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(buf_appendf(&made, "<k%zu/>", i), 0);
    assert_int_equal(buf_append(&made, "</config></app>", 16), 0);
    assert_int_equal(conf_load_text("keys", made.bytes), 0);
    assert_int_equal(conf_each_child(MTEV_CONF_ROOT, "config", collect, &keys), wanted);
    assert_int_equal(keys.len > 0, wanted == 0);
    buf_free(&made);
    buf_free(&keys);
}

static void there_may_be_so_many_keys(void **state)
{
    check_keys(CONF_CHILDREN_MAX - 1, 0);
    check_keys(CONF_CHILDREN_MAX, 0);
    check_keys(CONF_CHILDREN_MAX + 1, -ENOSPC);
    assert_logged_lines("keys:1: <config> has more than 1024 keys\n");
}

static void check_path(size_t len, int wanted)
{
    char path[CONF_PATH_MAX + 2];
    int calls = 0;
    memset(path, 'p', len);
    path[len] = '\0';
    assert_int_equal(conf_each_child(MTEV_CONF_ROOT, path, stop_at_b, &calls), wanted);
}

static void a_path_of_keys_has_a_limit(void **state)
{
    check_path(CONF_PATH_MAX - 1, 0);
    check_path(CONF_PATH_MAX, 0);
    check_path(CONF_PATH_MAX + 1, -ENAMETOOLONG);
    assert_logged_lines("built-in:1: cannot be read: File name too long\n");
}

static int list_attribute(void *closure, const char *name, const char *value)
{
    char *said = closure;
    size_t len = strlen(said);
    snprintf(said + len, 64 - len, "%s=%s;", name, value);
    return strcmp(value, "stop") == 0 ? 17 : 0;
}

static void attributes_are_found_by_how_they_begin(void **state)
{
    static const struct {
        const char *element, *said;
        int result;
    } elements[] = {
        {"<b/>", "", 0},
        {"<b a_x='1' b_x='2' a_='{{ENV:3:{NOWHERE}}}' a='4'/>", "a_x=1;a_=3;", 0},
        {"<b xmlns:n='m' n:a_x='1' a_y='2'/>", "a_y=2;", 0},
        {"<b><c a_x='1'/></b>", "", 0},
        {"<b a_x='stop' a_y='2'/>", "a_x=stop;", 17},
        {"<b a_x='{{x:y:{z}}}'/>", "", -EINVAL},
    };
    for (size_t i = 0; i < sizeof(elements) / sizeof(elements[0]); i++) {
        char whole[128], said[64] = "";
        snprintf(whole, sizeof(whole), "<a a_0='around'>%s</a>", elements[i].element);
        assert_int_equal(conf_load_text("test", whole), 0);
        mtev_conf_section_t b = mtev_conf_get_section_read(MTEV_CONF_ROOT, "b");
        assert_int_equal(conf_each_attribute(b, "a_", list_attribute, said), elements[i].result);
        assert_string_equal(said, elements[i].said);
        mtev_conf_release_section_read(b);
    }
    assert_logged_one_line("test:1: <b> a_x=\"{{x:y:{z}}}\": ");
    assert_int_equal(conf_each_attribute(MTEV_CONF_EMPTY, "a_", list_attribute, NULL), 0);
}

static void use_sections(void *closure)
{
    int count = -1;
    mtev_conf_section_t *all = mtev_conf_get_sections_read(MTEV_CONF_ROOT, "//listener", &count);
    assert_true(all == NULL ? count == 0 : count == 2);
    mtev_conf_release_sections_read(all, count);
    mtev_conf_section_t found = mtev_conf_get_section_read(MTEV_CONF_ROOT, "//listener[@n=1]");
    int calls = 0;
    int result = conf_each_child(found, "config", stop_at_b, &calls);
    char said[64] = "";
    int err = conf_each_attribute(found, "n", list_attribute, said);
    assert_true(err == 0 || err == -ENOMEM);
    if (!mtev_conf_section_is_empty(found))
        assert_true(result == 17 || (result == -ENOMEM && calls == 0));
    mtev_conf_release_section_read(found);
    logged_clear();
}

static void no_memory_is_an_error(void **state)
{
    harness_fail_each_allocation(use_sections, NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, configured_tear_down)

static const struct CMUnitTest tests[] = {
    TEST(the_last_element_is_the_section),
    TEST(all_elements_come_in_order),
    TEST(nothing_is_an_empty_section),
    TEST(the_root_is_empty_while_nothing_is_loaded),
    TEST(a_held_section_stays_as_it_was),
    TEST(errors_name_the_place),
    TEST(a_long_or_broken_value_is_shown_in_part),
    TEST(secrets_are_not_shown),
    TEST(keys_are_merged_from_the_root_to_the_leaf),
    TEST(what_is_called_may_end_it),
    TEST(a_wrong_value_among_the_keys_is_one_line),
    TEST(there_may_be_so_many_keys),
    TEST(a_path_of_keys_has_a_limit),
    TEST(attributes_are_found_by_how_they_begin),
    TEST(no_memory_is_an_error),
    TEST(without_memory_no_key_is_left_out),
};
HARNESS_MAIN(tests)
