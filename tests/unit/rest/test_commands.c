/* SPDX-License-Identifier: MIT */
/*
 * Goal: an operator sees the rules that there are.
 * Method: rules of each kind, and an operator at a console.
 */
#include "../console/operator.h"

#include <mtev_rest.h>

static int answer(mtev_http_rest_closure_t *restc, int npats, char **pats)
{
    return 0;
}

static void rules_are_shown(void **state)
{
    int fd = operator_sit_down();
    assert_answer(fd, "show rest", "");
    mtev_rest_mountpoint_t *rule = mtev_http_rest_new_rule("GET", "/a/", "^b$", answer);
    mtev_rest_mountpoint_set_aco(rule, mtev_true);
    assert_answer(fd, "show rest", "GET     /a/ ^b$, by coroutines\n");
    assert_int_equal(mtev_http_rest_register_auth("DELETE", "/a/", "", answer, NULL), 0);
    assert_answer(fd, "show rest", "GET     /a/ ^b$, by coroutines\nDELETE  /a/ , for everybody\n");
    assert_int_equal(mtev_http_rest_register("PUT", "/", "x", answer), 0);
    assert_answer_has(fd, "show rest", "PUT     / x\n");
    operator_leave(fd);
}

static const struct CMUnitTest tests[] = {
    operator_test(rules_are_shown),
};

int main(void)
{
    operator_begin();
    mtev_http_rest_init();
    return operator_end(harness_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0])));
}
