/* SPDX-License-Identifier: MIT */
/*
 * Goal: conditions on the environment hold exactly when they say so, what is none is told, and an
 * element that is off is found by nobody.
 * Method: a table of conditions with one variable that is set and one that is not; documents with
 * conditions at each level.
 */
#include "configured.h"

#include "base/alloc.h"
#include "conf/env.h"

#include <errno.h>
#include <stdlib.h>

static int set_up(void **state)
{
    setenv("ENV_TEST", "blue", 1);
    unsetenv("ENV_TEST_NOT");
    return logged_set_up(state);
}

static void a_condition_holds_or_not(void **state)
{
    static const struct {
        const char *text;
        bool holds;
    } cases[] = {
        {"ENV_TEST", true},         {"!ENV_TEST", false},       {"ENV_TEST_NOT", false},
        {"!ENV_TEST_NOT", true},    {"ENV_TEST=blue", true},    {"ENV_TEST=blu", false},
        {"ENV_TEST=", false},       {"!ENV_TEST=blue", false},  {"!ENV_TEST=red", true},
        {"ENV_TEST_NOT=", false},   {"!ENV_TEST_NOT=x", true},  {"ENV_TEST~^b.*e$", true},
        {"ENV_TEST~lu", true},      {"ENV_TEST~^lu", false},    {"!ENV_TEST~^lu", true},
        {"ENV_TEST_NOT~.*", false}, {"!ENV_TEST_NOT~.*", true}, {"ENV_TEST~", true},
        {" ENV_TEST", true},        {"ENV_TEST ", true},        {"ENV_TEST=blue ", false},
        {"ENV_TEST~=", false},      {"ENV_TEST=blue=~", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char reason[ENV_REASON_SIZE] = "";
        bool holds = !cases[i].holds;
        if (env_holds(cases[i].text, &holds, reason) != 0 || holds != cases[i].holds)
            fail_msg("%s: %d %s", cases[i].text, holds, reason);
    }
}

static void assert_is_none(const char *text, const char *wanted)
{
    char reason[ENV_REASON_SIZE] = "";
    bool holds;
    assert_int_equal(env_holds(text, &holds, reason), -EINVAL);
    assert_string_equal(reason, wanted);
}

static void what_is_no_condition_is_told(void **state)
{
    static const char form[] = "not VARIABLE, VARIABLE=text or VARIABLE~expression";
    assert_is_none("", form);
    assert_is_none(" ", form);
    assert_is_none("!", form);
    assert_is_none("=x", form);
    assert_is_none("~x", form);
    assert_is_none("A B", form);
    assert_is_none("A =x", form);
    assert_is_none("ENV_TEST~(", "missing closing parenthesis (at byte 1 of the expression)");
    assert_is_none("ENV_TEST_NOT~(", "missing closing parenthesis (at byte 1 of the expression)");
}

static void a_slow_expression_is_told(void **state)
{
    char value[64];
    memset(value, 'a', sizeof(value));
    value[sizeof(value) - 2] = '!';
    value[sizeof(value) - 1] = '\0';
    setenv("ENV_TEST", value, 1);
    assert_is_none("ENV_TEST~^(a+a+)+$", "the expression takes too long");
}

static void check_name(size_t len, int wanted)
{
    char name[ENV_NAME_LEN_MAX + 2];
    char reason[ENV_REASON_SIZE];
    bool holds = true;
    memset(name, 'N', len);
    name[len] = '\0';
    assert_int_equal(env_holds(name, &holds, reason), wanted);
    assert_int_equal(holds, wanted != 0);
}

static void a_name_has_a_limit(void **state)
{
    check_name(ENV_NAME_LEN_MAX - 1, 0);
    check_name(ENV_NAME_LEN_MAX, 0);
    check_name(ENV_NAME_LEN_MAX + 1, -EINVAL);
}

static const char text[] =
    "<app>\n"
    "<a require_env='ENV_TEST' n='1'><b require_env='!ENV_TEST' n='2'/>\n"
    "<b n='3'><config><k>1</k></config>\n"
    "<config require_env='ENV_TEST=red'><k>2</k></config>\n"
    "<config><k require_env='ENV_TEST=red'>3</k></config></b></a>\n"
    "<a require_env='!ENV_TEST' n='4'><b require_env='ENV_TEST' n='5'/></a>\n"
    "</app>";

static int keep_value(void *closure, const char *name, const char *value, long line)
{
    (void)line;
    assert_string_equal(name, "k");
    *(int *)closure = value[0];
    return 0;
}

static void what_is_off_is_not_found(void **state)
{
    int count = 0, value = 0;
    int32_t n = 0;
    assert_int_equal(conf_load_text("built-in", text), 0);
    mtev_conf_section_t *found = mtev_conf_get_sections_read(MTEV_CONF_ROOT, "//a", &count);
    assert_int_equal(count, 1);
    mtev_conf_release_sections_read(found, count);
    mtev_conf_section_t b = mtev_conf_get_section_read(MTEV_CONF_ROOT, "//b");
    assert_int_equal(mtev_conf_get_int32(b, "@n", &n), 1);
    assert_int_equal(n, 3);
    assert_int_equal(mtev_conf_get_int32(MTEV_CONF_ROOT, "a/b[@n=5]/@n", &n), 0);
    assert_int_equal(conf_each_child(b, "config", keep_value, &value), 0);
    assert_int_equal(value, '1');
    assert_int_equal(mtev_conf_env_off(b, NULL), mtev_false);
    assert_int_equal(mtev_conf_env_off(MTEV_CONF_EMPTY, NULL), mtev_false);
    mtev_conf_release_section_read(b);
}

static void another_attribute_may_say_so(void **state)
{
    assert_int_equal(conf_load_text("built-in", "<app only='ENV_TEST_NOT'><a/><b only='('/></app>"),
                     0);
    assert_int_equal(mtev_conf_env_off(MTEV_CONF_ROOT, NULL), mtev_false);
    mtev_conf_section_t a = mtev_conf_get_section_read(MTEV_CONF_ROOT, "a");
    assert_int_equal(mtev_conf_env_off(a, "only"), mtev_true);
    setenv("ENV_TEST_NOT", "1", 1);
    assert_int_equal(mtev_conf_env_off(a, "only"), mtev_false);
    mtev_conf_release_section_read(a);
    a = mtev_conf_get_section_read(MTEV_CONF_ROOT, "b");
    assert_int_equal(mtev_conf_env_off(a, "only"),
                     mtev_true); /* what is no condition holds never */
    mtev_conf_release_section_read(a);
}

static void a_wrong_condition_is_refused_when_it_is_loaded(void **state)
{
    assert_int_equal(
        conf_load_text("t", "<app>\n<a require_env=''/>\n<b require_env='A~['/></app>"), -EINVAL);
    assert_logged_lines(
        "t:2: <a> require_env=\"\": not VARIABLE, VARIABLE=text or VARIABLE~expression\n"
        "t:3: <b> require_env=\"A~[\": missing terminating ] for character class (at byte 1 of the "
        "expression)\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, configured_tear_down)

static const struct CMUnitTest tests[] = {
    TEST(a_condition_holds_or_not),
    TEST(what_is_no_condition_is_told),
    TEST(a_slow_expression_is_told),
    TEST(a_name_has_a_limit),
    TEST(what_is_off_is_not_found),
    TEST(another_attribute_may_say_so),
    TEST(a_wrong_condition_is_refused_when_it_is_loaded),
};
HARNESS_MAIN(tests)
