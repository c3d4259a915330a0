/* SPDX-License-Identifier: MIT */
/*
 * Goal: each getter reads its kind of value, finds the deepest, and says in one line what is wrong
 * with a value, leaving what it was to fill.
 * Method: one built-in configuration; what is said is read back from a pipe.
 */
#include "configured.h"

#include "base/alloc.h"

#include <errno.h>
#include <stdlib.h>

static const char text[] = "<app port='1'>\n"
                           "  <a port='2' name=' spaced '>\n"
                           "    <b port='{{ENV:3:{GETTERS_TEST}}}'/>\n"
                           "    <n> 42\t</n><neg>-7</neg><big>18446744073709551615</big>\n"
                           "    <f>1.5e3</f><huge>1e300</huge><nan>nan</nan><word>abc</word>\n"
                           "    <t>TRUE</t><on> on </on><no>off</no><what>yes</what><none/>\n"
                           "    <bad x='{{ENW:1:{K}}}'/>\n"
                           "  </a>\n"
                           "</app>\n";

static int set_up(void **state)
{
    logged_set_up(state);
    unsetenv("GETTERS_TEST");
    assert_int_equal(conf_load_text("built-in", text), 0);
    return 0;
}

static void a_string_is_a_copy_of_the_deepest_value(void **state)
{
    char *value = NULL;
    mtev_conf_section_t b = mtev_conf_get_section_read(MTEV_CONF_ROOT, "a/b");
    assert_int_equal(mtev_conf_get_string(b, "ancestor-or-self::node()/@port", &value), 1);
    assert_string_equal(value, "3");
    free(value);
    assert_int_equal(mtev_conf_get_string(b, "ancestor-or-self::node()/@name", &value), 1);
    assert_string_equal(value, " spaced ");
    free(value);
    assert_int_equal(mtev_conf_get_string(b, "/app/@port", &value), 1);
    assert_string_equal(value, "1");
    free(value);
    mtev_conf_release_section_read(b);
}

static void what_is_not_there_leaves_the_output(void **state)
{
    char *value = NULL;
    char buffer[4] = "abc";
    int32_t number = 5;
    mtev_boolean truth = mtev_true;
    assert_int_equal(mtev_conf_get_string(MTEV_CONF_ROOT, "a/@nothing", &value), 0);
    assert_int_equal(mtev_conf_get_stringbuf(MTEV_CONF_ROOT, "x", buffer, sizeof(buffer)), 0);
    assert_int_equal(mtev_conf_get_int32(MTEV_CONF_ROOT, "x", &number), 0);
    assert_int_equal(mtev_conf_get_boolean(MTEV_CONF_ROOT, "x", &truth), 0);
    assert_int_equal(mtev_conf_get_int32(MTEV_CONF_EMPTY, "@port", &number), 0);
    assert_null(value);
    assert_string_equal(buffer, "abc");
    assert_int_equal(number, 5);
    assert_int_equal(truth, mtev_true);
}

static void a_buffer_is_filled_and_no_more(void **state)
{
    char buffer[9] = "";
    assert_int_equal(mtev_conf_get_stringbuf(MTEV_CONF_ROOT, "a/@name", buffer, 9), 1);
    assert_string_equal(buffer, " spaced ");
    assert_int_equal(mtev_conf_get_stringbuf(MTEV_CONF_ROOT, "a/@name", buffer, 8), 1);
    assert_string_equal(buffer, " spaced");
    assert_int_equal(mtev_conf_get_stringbuf(MTEV_CONF_ROOT, "a/@name", buffer, 1), 1);
    assert_string_equal(buffer, "");
    assert_int_equal(mtev_conf_get_stringbuf(MTEV_CONF_ROOT, "a/@name", buffer, 0), 0);
    assert_int_equal(mtev_conf_get_stringbuf(MTEV_CONF_ROOT, "a/@name", buffer, -1), 0);
}

static void numbers_are_read(void **state)
{
    int32_t i32 = 0;
    uint32_t u32 = 0;
    int64_t i64 = 0;
    uint64_t u64 = 0;
    float f = 0;
    double d = 0;
    assert_int_equal(mtev_conf_get_int32(MTEV_CONF_ROOT, "a/n", &i32), 1);
    assert_int_equal(i32, 42);
    assert_int_equal(mtev_conf_get_uint32(MTEV_CONF_ROOT, "a/n", &u32), 1);
    assert_int_equal(u32, 42);
    assert_int_equal(mtev_conf_get_int64(MTEV_CONF_ROOT, "a/neg", &i64), 1);
    assert_int_equal(i64, -7);
    assert_int_equal(mtev_conf_get_uint64(MTEV_CONF_ROOT, "a/big", &u64), 1);
    assert_true(u64 == UINT64_MAX);
    assert_int_equal(mtev_conf_get_float(MTEV_CONF_ROOT, "a/f", &f), 1);
    assert_true(f > 1499.9f && f < 1500.1f);
    assert_int_equal(mtev_conf_get_double(MTEV_CONF_ROOT, "a/huge", &d), 1);
    assert_true(d > 9e299);
}

static void what_is_no_number_is_one_line(void **state)
{
    int32_t i32 = 5;
    uint32_t u32 = 5;
    int64_t i64 = 5;
    uint64_t u64 = 5;
    float f = 5;
    double d = 5;
    assert_int_equal(mtev_conf_get_int32(MTEV_CONF_ROOT, "a/word", &i32), 0);
    assert_logged_lines(
        "built-in:5: <word> \"abc\": not a number between -2147483648 and 2147483647\n");
    assert_int_equal(mtev_conf_get_int32(MTEV_CONF_ROOT, "a/big", &i32), 0);
    assert_logged_one_line("built-in:4: <big> \"18446744073709551615\": not a number");
    assert_int_equal(mtev_conf_get_uint32(MTEV_CONF_ROOT, "a/neg", &u32), 0);
    assert_logged_lines("built-in:4: <neg> \"-7\": not a number between 0 and 4294967295\n");
    assert_int_equal(mtev_conf_get_int64(MTEV_CONF_ROOT, "a/none", &i64), 0);
    assert_logged_one_line("built-in:6: <none> \"\": not a number");
    assert_int_equal(mtev_conf_get_uint64(MTEV_CONF_ROOT, "a/neg", &u64), 0);
    assert_logged_one_line(
        "built-in:4: <neg> \"-7\": not a number between 0 and 18446744073709551615");
    assert_int_equal(mtev_conf_get_float(MTEV_CONF_ROOT, "a/huge", &f), 0);
    assert_logged_lines("built-in:5: <huge> \"1e300\": too large a number\n");
    assert_int_equal(mtev_conf_get_float(MTEV_CONF_ROOT, "a/word", &f), 0);
    assert_int_equal(mtev_conf_get_double(MTEV_CONF_ROOT, "a/nan", &d), 0);
    assert_int_equal(mtev_conf_get_double(MTEV_CONF_ROOT, "a/none", &d), 0);
    logged_clear();
    assert_true(i32 == 5 && u32 == 5 && i64 == 5 && u64 == 5 && f > 4 && d > 4);
}

static void an_attribute_is_named_with_its_element(void **state)
{
    int64_t number = 5;
    mtev_conf_section_t b = mtev_conf_get_section_read(MTEV_CONF_ROOT, "a/b");
    assert_int_equal(conf_get_int(b, "@port", 0, 65535, &number), 0);
    assert_int_equal(number, 3);
    setenv("GETTERS_TEST", "abc", 1);
    assert_int_equal(conf_get_int(b, "@port", 0, 65535, &number), -EINVAL);
    assert_logged_lines("built-in:3: <b> port=\"abc\": not a number between 0 and 65535\n");
    assert_int_equal(conf_get_int(b, "@nothing", 0, 65535, &number), -ENOENT);
    assert_int_equal(number, 3);
    mtev_conf_release_section_read(b);
}

static void the_limits_of_a_number_are_inside(void **state)
{
    int64_t number = 5;
    assert_int_equal(conf_get_int(MTEV_CONF_ROOT, "a/n", 42, 42, &number), 0);
    assert_int_equal(conf_get_int(MTEV_CONF_ROOT, "a/n", 43, 50, &number), -EINVAL);
    assert_int_equal(conf_get_int(MTEV_CONF_ROOT, "a/n", 0, 41, &number), -EINVAL);
    logged_clear();
    assert_int_equal(number, 42);
}

static void a_boolean_is_true_or_else_false(void **state)
{
    static const struct {
        const char *path;
        mtev_boolean wanted;
    } cases[] = {{"a/t", mtev_true},     {"a/on", mtev_true}, {"a/no", mtev_false},
                 {"a/what", mtev_false}, {"a/n", mtev_false}, {"a/none", mtev_false}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        mtev_boolean value = !cases[i].wanted;
        assert_int_equal(mtev_conf_get_boolean(MTEV_CONF_ROOT, cases[i].path, &value), 1);
        assert_int_equal(value, cases[i].wanted);
    }
}

static void the_strict_boolean_refuses_other_words(void **state)
{
    bool value = true;
    assert_int_equal(conf_get_bool(MTEV_CONF_ROOT, "a/no", &value), 0);
    assert_false(value);
    assert_int_equal(conf_get_bool(MTEV_CONF_ROOT, "a/on", &value), 0);
    assert_true(value);
    assert_int_equal(conf_get_bool(MTEV_CONF_ROOT, "a/what", &value), -EINVAL);
    assert_logged_lines("built-in:6: <what> \"yes\": neither true (on) nor false (off)\n");
    assert_int_equal(conf_get_bool(MTEV_CONF_ROOT, "x", &value), -ENOENT);
    assert_true(value);
}

static void a_reference_to_an_unknown_facility_is_one_line(void **state)
{
    char *value = NULL;
    assert_int_equal(mtev_conf_get_string(MTEV_CONF_ROOT, "a/bad/@x", &value), 0);
    assert_logged_lines(
        "built-in:7: <bad> x=\"{{ENW:1:{K}}}\": \"ENW\" is no facility (ENV, hwloc)\n");
    assert_null(value);
}

static void what_is_no_path_is_one_line(void **state)
{
    char *value = NULL;
    assert_int_equal(mtev_conf_get_string(MTEV_CONF_ROOT, "a[", &value), 0);
    assert_logged_lines("built-in:1: \"a[\" is no path\n");
}

static void get_all(void *closure)
{
    char *value = NULL;
    int64_t number = 0;
    int err = conf_get_text(MTEV_CONF_ROOT, "a/@name", &value);
    assert_true(err == 0 || err == -ENOMEM);
    alloc_free(value);
    err = conf_get_int(MTEV_CONF_ROOT, "a/n", 0, 100, &number);
    assert_true(err == 0 || err == -ENOMEM);
    if (err == -ENOMEM)
        assert_non_null(
            strstr(logged_take(), "built-in:1: cannot be read: Cannot allocate memory\n"));
    logged_clear();
}

static void no_memory_is_one_line(void **state)
{
    harness_fail_each_allocation(get_all, NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, configured_tear_down)

static const struct CMUnitTest tests[] = {
    TEST(a_string_is_a_copy_of_the_deepest_value),
    TEST(what_is_not_there_leaves_the_output),
    TEST(a_buffer_is_filled_and_no_more),
    TEST(numbers_are_read),
    TEST(what_is_no_number_is_one_line),
    TEST(an_attribute_is_named_with_its_element),
    TEST(the_limits_of_a_number_are_inside),
    TEST(a_boolean_is_true_or_else_false),
    TEST(the_strict_boolean_refuses_other_words),
    TEST(a_reference_to_an_unknown_facility_is_one_line),
    TEST(what_is_no_path_is_one_line),
    TEST(no_memory_is_one_line),
};
HARNESS_MAIN(tests)
