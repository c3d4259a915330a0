/* SPDX-License-Identifier: MIT */
/*
 * Goal: whoever may ask is told which rules there are.
 * Method: rules of two bases, one with bytes that are no UTF-8, over HTTP; each allocation fails.
 */
#include "asking.h"

#include "base/buf.h"
#include "rest/json.h"

static int answer(mtev_http_rest_closure_t *restc, int npats, char **pats)
{
    mtev_http_response_ok(restc->http_ctx, "text/plain");
    mtev_http_response_end(restc->http_ctx);
    return 0;
}

static void assert_rule(const json_t *all, const char *base, size_t index, const char *method,
                        const char *expression)
{
    const json_t *rule = json_array_get(json_object_get(all, base), index);
    assert_string_equal(json_string_value(json_object_get(rule, "method")), method);
    assert_string_equal(json_string_value(json_object_get(rule, "expression")), expression);
    assert_int_equal(json_object_size(rule), 2);
}

static void rules_are_told_by_their_bases_in_order(void **state)
{
    json_t *all = asking_json("/meta/rules");
    assert_int_equal(json_object_size(all), 3);
    assert_int_equal(json_array_size(json_object_get(all, "/a/")), 2);
    assert_rule(all, "/a/", 0, "GET", "^(\\d+)\"$");
    assert_rule(all, "/a/", 1, "PUT", "^$");
    assert_rule(all, "/b\xef\xbf\xbd/", 0, "DELETE", "x");
    assert_rule(all, "/meta/", 0, "GET", "^rules$");
    json_decref(all);
}

static void nobody_is_told_without_an_acl(void **state)
{
    assert_denied_without_acl("GET", "/meta/rules");
}

static void a_base_that_is_none_is_refused(void **state)
{
    assert_int_equal(mtev_http_rest_disclose_endpoints("meta", "^rules$"), -1);
    assert_logged(1, "does not begin and end with '/'");
}

static void each_allocation_may_fail(void **state)
{
    assert_bears_starvation("/meta/rules");
}

/* ---- texts ----------------------------------------------------------------------- */

static void assert_written(json_t *value, const char *wanted)
{
    struct buf text;
    buf_init(&text, 100);
    assert_int_equal(json_append(&text, value), 0);
    assert_int_equal(text.len, strlen(wanted));
    assert_memory_equal(text.bytes, wanted, text.len);
    buf_free(&text);
}

static void any_bytes_become_json(void **state)
{
    assert_written(json_of_text(NULL), "\"\"");
    assert_written(json_of_text("plain"), "\"plain\"");
    assert_written(json_of_text("\xc3\xa4\"\\\n"), "\"\xc3\xa4\\\"\\\\\\n\"");
    assert_written(json_of_text("\xff"), "\"\xef\xbf\xbd\"");
    assert_written(json_of_text("a\xff\xfe"), "\"a\xef\xbf\xbd\xef\xbf\xbd\"");
    assert_written(json_of_text("\xc3(\xc3"), "\"\xef\xbf\xbd(\xef\xbf\xbd\"");
    assert_written(json_of_bytes("a\0b", 3), "\"a\\u0000b\"");
    assert_written(json_of_bytes("", 0), "\"\"");
}

static void what_cannot_be_written_leaves_the_text_alone(void **state)
{
    struct buf text;
    buf_init(&text, 8);
    assert_int_equal(buf_append(&text, "x", 1), 0);
    assert_int_equal(json_append(&text, json_of_text("12345")), 0); /* the limit */
    text.len = 1;
    assert_int_equal(json_append(&text, json_of_text("123456")), -ENOSPC);
    assert_int_equal(text.len, 1);
    assert_int_equal(json_append(&text, NULL), -ENOMEM);
    buf_free(&text);
}

static const struct CMUnitTest tests[] = {
    asking_test(rules_are_told_by_their_bases_in_order),
    asking_test(nobody_is_told_without_an_acl),
    asking_test(a_base_that_is_none_is_refused),
    asking_test(each_allocation_may_fail),
    asking_test(any_bytes_become_json),
    asking_test(what_cannot_be_written_leaves_the_text_alone),
};

int main(void)
{
    asking_begin();
    mtev_http_rest_new_rule("GET", "/a/", "^(\\d+)\"$", answer);
    mtev_http_rest_new_rule("PUT", "/a/", "^$", answer);
    mtev_http_rest_new_rule("DELETE", "/b\xff/", "x", answer);
    if (mtev_http_rest_disclose_endpoints("/meta/", "^rules$") != 0)
        return 1;
    return asking_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]));
}
