/* SPDX-License-Identifier: MIT */
/*
 * Goal: the public calls make rules with what they were given, change them, and answer what is
 * wrong with one line. Method: rules of the process, looked at from inside.
 */
#include "logged.h"

#include "rest/request_impl.h"

#include <errno.h>

static int handler(mtev_http_rest_closure_t *restc, int npats, char **pats)
{
    return 0;
}

static int other_handler(mtev_http_rest_closure_t *restc, int npats, char **pats)
{
    return 0;
}

static mtev_boolean nobody(mtev_http_rest_closure_t *restc, int npats, char **pats)
{
    return mtev_false;
}

/* The rule for GET of the base. */
static struct mtev_rest_mountpoint *rule_at(const char *base)
{
    struct mtev_rest_mountpoint *rule = NULL;
    struct rules_place place;
    struct regex_match match = {NULL};
    assert_int_equal(rules_locate(mountpoint_rules(), base, strlen(base), &place), 0);
    assert_true(rules_find(&place, "GET", &match, &rule) > 0);
    regex_match_give(&match);
    return rule;
}

static void each_form_keeps_what_it_was_given(void **state)
{
    int closure;
    mtev_rest_mountpoint_t *rule = mtev_http_rest_new_rule("GET", "/n/", "", handler);
    assert_ptr_equal(rule, rule_at("/n/"));
    assert_true(rule->handler == handler);
    assert_true(rule->auth == mtev_http_rest_client_cert_auth);
    assert_null(rule->closure);
    assert_false(rule->is_aco);

    rule = mtev_http_rest_new_rule_auth_closure("GET", "/nac/", "", handler, nobody, &closure);
    assert_ptr_equal(rule, rule_at("/nac/"));
    assert_true(rule->auth == nobody);
    assert_ptr_equal(rule->closure, &closure);

    assert_int_equal(mtev_http_rest_register("GET", "/r/", "", handler), 0);
    assert_true(rule_at("/r/")->auth == mtev_http_rest_client_cert_auth);

    assert_int_equal(mtev_http_rest_register_closure("GET", "/rc/", "", handler, &closure), 0);
    assert_true(rule_at("/rc/")->auth == mtev_http_rest_client_cert_auth);
    assert_ptr_equal(rule_at("/rc/")->closure, &closure);

    assert_int_equal(mtev_http_rest_register_auth("GET", "/ra/", "", handler, NULL), 0);
    assert_true(rule_at("/ra/")->auth == NULL);

    assert_int_equal(
        mtev_http_rest_register_auth_closure("GET", "/rac/", "", handler, nobody, &closure), 0);
    assert_true(rule_at("/rac/")->auth == nobody);
    assert_ptr_equal(rule_at("/rac/")->closure, &closure);
}

static void a_rule_may_be_changed(void **state)
{
    int closure;
    mtev_rest_mountpoint_t *rule = mtev_http_rest_new_rule("GET", "/c/", "", handler);
    mtev_rest_mountpoint_set_handler(rule, other_handler);
    mtev_rest_mountpoint_set_auth(rule, nobody);
    mtev_rest_mountpoint_set_closure(rule, &closure);
    mtev_rest_mountpoint_set_aco(rule, mtev_true);
    assert_true(rule->handler == other_handler);
    assert_true(rule->auth == nobody);
    assert_ptr_equal(rule->closure, &closure);
    assert_true(rule->is_aco);
    mtev_rest_mountpoint_set_aco(rule, mtev_false);
    assert_false(rule->is_aco);
    mtev_rest_mountpoint_set_handler(rule, NULL);
    assert_logged_lines("mtev_rest_mountpoint_set_handler: no handler\n");
    assert_true(rule->handler == other_handler);
}

static void what_is_wrong_with_a_rule_is_one_line(void **state)
{
    errno = 0;
    assert_null(mtev_http_rest_new_rule("GET", "/w", "^a$", handler));
    assert_int_equal(errno, EINVAL);
    assert_logged_lines(
        "rest: no rule for GET /w with ^a$: the base does not begin and end with '/'\n");
    assert_null(mtev_http_rest_new_rule("GET", "/", "(", handler));
    assert_logged_lines("rest: no rule for GET / with (: \"(\" is no expression: missing closing "
                        "parenthesis at byte 1\n");
    assert_int_equal(mtev_http_rest_register("", "/", "a", handler), -1);
    assert_logged_lines(
        "rest: no rule for  / with a: the method is no token of 32 bytes or less\n");
    assert_int_equal(mtev_http_rest_register(NULL, NULL, NULL, NULL), -1);
    assert_logged_lines("rest: no rule for (null) (null) with (null): an argument is NULL\n");
    assert_null(mtev_http_rest_new_rule("GET", "/", "a", NULL));
    assert_logged_lines("rest: no rule for GET / with a: an argument is NULL\n");
}

static void a_rule_that_is_none_cannot_be_changed(void **state)
{
    mtev_rest_mountpoint_set_handler(NULL, handler);
    assert_logged_lines("mtev_rest_mountpoint_set_handler: no rule\n");
    mtev_rest_mountpoint_set_auth(NULL, nobody);
    assert_logged_lines("mtev_rest_mountpoint_set_auth: no rule\n");
    mtev_rest_mountpoint_set_closure(NULL, NULL);
    assert_logged_lines("mtev_rest_mountpoint_set_closure: no rule\n");
    mtev_rest_mountpoint_set_aco(NULL, mtev_true);
    assert_logged_lines("mtev_rest_mountpoint_set_aco: no rule\n");
}

static const struct CMUnitTest tests[] = {
    logged_test(each_form_keeps_what_it_was_given),
    logged_test(a_rule_may_be_changed),
    logged_test(what_is_wrong_with_a_rule_is_one_line),
    logged_test(a_rule_that_is_none_cannot_be_changed),
};
HARNESS_MAIN(tests)
