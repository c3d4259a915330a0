/* SPDX-License-Identifier: MIT */
/*
 * Goal: an expression matches whole texts of any bytes, gives what its groups captured, is refused
 * with a reason when it is none, and cannot be made to burn the processor.
 * Method: tables; expressions and groups at the limits; patterns that backtrack without end; each
 * allocation failing.
 */
#include "harness.h"

#include "rest/regex_impl.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct regex *compiled(const char *text)
{
    char reason[REGEX_REASON_SIZE] = "";
    struct regex *regex = NULL;
    int err = regex_compile(text, reason, &regex);
    if (err != 0)
        fail_msg("%.99s: %d, %s", text, err, reason);
    return regex;
}

static int found(const char *expression, const char *text, size_t len)
{
    struct regex *regex = compiled(expression);
    struct regex_match match = {NULL};
    int result = regex_find(regex, text, len, &match);
    regex_match_give(&match);
    regex_free(regex);
    return result;
}

static void it_is_not_anchored_and_sees_no_lines(void **state)
{
    assert_int_equal(found("ell", "hello", 5), 1);
    assert_int_equal(found("^ell", "hello", 5), 0);
    assert_int_equal(found("^hello$", "hello", 5), 1);
    assert_int_equal(found("^hello$", "hello\n", 6), 0);
    assert_int_equal(found("^a.b$", "a\nb", 3), 1);
    assert_int_equal(found("^b", "a\nb", 3), 0);
    assert_int_equal(found("", "", 0), 1);
    assert_int_equal(found("^$", "", 0), 1);
}

static void bytes_that_are_no_text_are_bytes(void **state)
{
    assert_int_equal(found("^.\\xff.$", "\x80\xff\xc3", 3), 1);
    assert_int_equal(found("^(.)(.)$", "\xc3\xa4", 2), 3);
}

static void it_gives_what_the_groups_captured(void **state)
{
    const char *text = "users/42";
    struct regex *regex = compiled("^(\\w+)/(\\d+)(/x)?(y)?$");
    struct regex_match match = {NULL};
    assert_int_equal(regex_groups(regex), 4);
    assert_int_equal(regex_find(regex, text, strlen(text), &match), 3);
    struct regex_span first = regex_span(&match, text, 1);
    assert_ptr_equal(first.start, text);
    assert_int_equal(first.len, 5);
    assert_int_equal(regex_span(&match, text, 2).len, 2);
    assert_null(regex_span(&match, text, 3).start);
    regex_match_give(&match);
    regex_free(regex);
}

static void what_is_no_expression_is_refused_with_the_reason(void **state)
{
    static const char *const texts[] = {"(",  "[a",      "a{2,1}", "(?<n>a)(?<n>b)",
                                        "\\", "(*UTF)a", "*"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        char reason[REGEX_REASON_SIZE] = "";
        struct regex *regex = NULL;
        assert_int_equal(regex_compile(texts[i], reason, &regex), -EINVAL);
        assert_null(regex);
        assert_non_null(strstr(reason, texts[i]));
        assert_non_null(strstr(reason, "at byte"));
    }
}

static void the_length_of_an_expression_has_a_limit(void **state)
{
    static char text[REGEX_EXPRESSION_MAX + 2];
    char reason[REGEX_REASON_SIZE] = "";
    for (size_t len = REGEX_EXPRESSION_MAX - 1; len <= REGEX_EXPRESSION_MAX + 1; len++) {
        struct regex *regex = NULL;
        memset(text, 'a', len);
        text[len] = '\0';
        int err = regex_compile(text, reason, &regex);
        assert_int_equal(err, len <= REGEX_EXPRESSION_MAX ? 0 : -EINVAL);
        regex_free(regex);
    }
    assert_string_equal(reason, "the expression has more than 4095 bytes");
}

static void the_number_of_groups_has_a_limit(void **state)
{
    for (size_t groups = REGEX_GROUPS_MAX - 1; groups <= REGEX_GROUPS_MAX + 1; groups++) {
        char text[3 * (REGEX_GROUPS_MAX + 1) + 1] = "";
        char letters[REGEX_GROUPS_MAX + 2] = "";
        char reason[REGEX_REASON_SIZE] = "";
        struct regex *regex = NULL;
        for (size_t i = 0; i < groups; i++) {
            memcpy(text + 3 * i, "(a)", 4);
            letters[i] = 'a';
        }
        int err = regex_compile(text, reason, &regex);
        if (groups > REGEX_GROUPS_MAX) {
            assert_int_equal(err, -EINVAL);
            assert_string_equal(reason, "the expression has more than 32 groups");
            continue;
        }
        assert_int_equal(err, 0);
        struct regex_match match = {NULL};
        assert_int_equal(regex_find(regex, letters, groups, &match), (int)groups + 1);
        assert_ptr_equal(regex_span(&match, letters, groups).start, letters + groups - 1);
        regex_match_give(&match);
        regex_free(regex);
    }
}

static void a_hostile_text_meets_a_bound(void **state)
{
    enum {
        LEN = 8192
    };
    static const char *const expressions[] = {"^(a+)+$", "^(a|aa)+$", "^(?:a|a)*[bc]",
                                              "^(a+a+)+[bc]$"};
    char *text = malloc(LEN);
    assert_non_null(text);
    memset(text, 'a', LEN);
    text[LEN - 1] = '!';
    for (size_t i = 0; i < sizeof(expressions) / sizeof(expressions[0]); i++)
        assert_int_equal(found(expressions[i], text, LEN), -EOVERFLOW);
    free(text);
}

static void room_for_a_match_is_kept_for_the_next(void **state)
{
    struct regex *regex = compiled("^(a)");
    struct regex_match first = {NULL}, second = {NULL}, third = {NULL};
    assert_int_equal(regex_find(regex, "a", 1, &first), 2);
    const void *room = first.room;
    regex_match_give(&first);
    assert_null(first.room);
    assert_int_equal(regex_find(regex, "a", 1, &second), 2);
    assert_ptr_equal(second.room, room);
    assert_int_equal(regex_find(regex, "a", 1, &third), 2); /* another at the same time */
    assert_ptr_not_equal(third.room, room);
    regex_match_give(&second);
    regex_match_give(&third);
    regex_free(regex);
}

static void a_text_between_anchors_is_compared(void **state)
{
    static const struct {
        const char *expression, *text;
    } cases[] = {
        {"^$", ""},
        {"^users/all$", "users/all"},
        {"^a\\.b\\-c\\/d$", "a.b-c/d"},
        {"^%20~x,y:z;k=v@h&$", "%20~x,y:z;k=v@h&"},
    };
    static const char *const others[] = {"^a.b$", "^a+$",  "a$",    "^a",   "^a\\d$",
                                         "^a\\$", "^(a)$", "^a|b$", "^a b$"};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct regex *regex = compiled(cases[i].expression);
        struct regex_match match = {NULL};
        char longer[64];
        snprintf(longer, sizeof(longer), "%sx", cases[i].text);
        const size_t len = strlen(cases[i].text);
        assert_int_equal(regex_find(regex, cases[i].text, len, &match), 1);
        assert_int_equal(regex_find(regex, longer, len + 1, &match), 0);
        longer[0] = '!';
        assert_int_equal(regex_find(regex, longer, len, &match), len == 0);
        assert_null(match.room); /* none was needed */
        regex_free(regex);
    }
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        struct regex *regex = compiled(others[i]);
        struct regex_match match = {NULL};
        (void)regex_find(regex, "a", 1, &match);
        assert_non_null(match.room);
        regex_match_give(&match);
        regex_free(regex);
    }
}

static void compile_and_find(void *closure)
{
    char reason[REGEX_REASON_SIZE] = "";
    struct regex *regex = NULL;
    struct regex_match kept = {NULL}, match = {NULL};
    (void)regex_find(closure, "c", 1, &kept); /* so that the one below needs a new one */
    int err = regex_compile("^(a)|b$", reason, &regex);
    if (err != 0)
        assert_int_equal(err, -ENOMEM);
    if (regex != NULL) {
        int result = regex_find(regex, "a", 1, &match);
        assert_true(result == 2 || result == -ENOMEM);
    }
    regex_match_give(&match);
    regex_match_give(&kept);
    regex_free(regex);
}

static void it_bears_the_failure_of_each_allocation(void **state)
{
    struct regex *other = compiled("(c)");
    harness_fail_each_allocation(compile_and_find, other);
    regex_free(other);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(it_bears_the_failure_of_each_allocation), /* first: it makes what is shared */
    cmocka_unit_test(it_is_not_anchored_and_sees_no_lines),
    cmocka_unit_test(bytes_that_are_no_text_are_bytes),
    cmocka_unit_test(it_gives_what_the_groups_captured),
    cmocka_unit_test(what_is_no_expression_is_refused_with_the_reason),
    cmocka_unit_test(the_length_of_an_expression_has_a_limit),
    cmocka_unit_test(the_number_of_groups_has_a_limit),
    cmocka_unit_test(a_hostile_text_meets_a_bound),
    cmocka_unit_test(room_for_a_match_is_kept_for_the_next),
    cmocka_unit_test(a_text_between_anchors_is_compared),
};
HARNESS_MAIN(tests)
