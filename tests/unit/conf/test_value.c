/* SPDX-License-Identifier: MIT */
/*
 * Goal: references in a value are replaced exactly where they have one of the two forms.
 * Method: a table of texts and what they stand for, the limit of length, and hostile bytes.
 */
#include "harness.h"

#include "base/alloc.h"
#include "base/topology.h"
#include "conf/value.h"

#include <errno.h>
#include <mtev_conf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void assert_becomes(const char *raw, const char *wanted)
{
    char reason[VALUE_REASON_SIZE] = "";
    char *text = NULL;
    assert_int_equal(value_interpolate(raw, &text, reason), 0);
    assert_string_equal(text, wanted);
    alloc_free(text);
}

static void plain_text_stays(void **state)
{
    static const char *const texts[] = {
        "",          "plain",        "{",         "{{",         "{{}}",        "{{ENV",
        "{{ENV:",    "{{ENV:a",      "{{ENV:a:{", "{{ENV:a:{K", "{{ENV:a:{K}", "{{ENV:a:{K}}",
        "ENV:",      "ENV:a",        "ENV:a:{",   "ENV:a:{}",   "ENV:a:{K} ",  "{{ENV:a:{}}}",
        "{{:a:{K}}", "{{ENV:a{K}}}", "}}}",       "{{{{",       "{a}{b}",      "{{mustache}}",
        " ENV:a:{K}"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assert_becomes(texts[i], texts[i]);
}

static void a_variable_that_is_not_set_gives_the_default(void **state)
{
    unsetenv("VALUE_TEST");
    assert_becomes("ENV:80:{VALUE_TEST}", "80");
    assert_becomes("ENV::{VALUE_TEST}", "");
    assert_becomes("ENV:a:b:{VALUE_TEST}", "a:b");
    assert_becomes("{{ENV:80:{VALUE_TEST}}}", "80");
    assert_becomes("{{ENV::{VALUE_TEST}}}", "");
    assert_becomes("{{ENV:::1:{VALUE_TEST}}}", "::1");
}

static void a_variable_that_is_set_replaces_the_reference(void **state)
{
    setenv("VALUE_TEST", "set", 1);
    assert_becomes("ENV:80:{VALUE_TEST}", "set");
    assert_becomes("{{ENV:80:{VALUE_TEST}}}", "set");
    assert_becomes("a {{ENV:1:{VALUE_TEST}}}{{ENV:2:{VALUE_TEST}}} z", "a setset z");
    assert_becomes("{{{ENV:1:{VALUE_TEST}}}}", "{set}");
    setenv("VALUE_TEST", "", 1);
    assert_becomes("ENV:80:{VALUE_TEST}", "");
}

static void what_was_put_in_is_not_looked_at_again(void **state)
{
    setenv("VALUE_TEST", "{{ENV:x:{HOME}}}", 1);
    assert_becomes("{{ENV:1:{VALUE_TEST}}}", "{{ENV:x:{HOME}}}");
    assert_becomes("ENV:1:{VALUE_TEST}", "{{ENV:x:{HOME}}}");
}

static void processors_are_counted(void **state)
{
    static const char *const keys[] = {"numanodes", "packages", "cores", "pus"};
    struct topology_counts counts = {0};
    bool is_known = topology_count(&counts) == 0;
    const unsigned wanted[] = {counts.nodes, counts.packages, counts.cores, counts.cpus};
    for (int i = 0; i < 4; i++) {
        char raw[64], number[16];
        snprintf(raw, sizeof(raw), "{{hwloc:7:{%s}}}", keys[i]);
        snprintf(number, sizeof(number), "%u", is_known ? wanted[i] : 7);
        assert_becomes(raw, number);
    }
    assert_becomes("{{hwloc:4:{caches}}}", "4");
}

/* What the program knows is asked for under facilities that the library does not know. */
static mtev_hook_return_t answer(void *closure, const char *facility, const char *key,
                                 const char *fallback, char **value)
{
    if (strcmp(facility, "sum") == 0) {
        assert_string_equal(fallback, "none");
        *value = alloc_text(key);
        return *value == NULL ? MTEV_HOOK_ABORT : MTEV_HOOK_DONE;
    }
    if (strcmp(facility, "empty") == 0)
        return MTEV_HOOK_DONE;
    return strcmp(facility, "never") == 0 ? MTEV_HOOK_ABORT : MTEV_HOOK_CONTINUE;
}

static void interpolate_answer(void *closure)
{
    char reason[VALUE_REASON_SIZE];
    char *text = NULL;
    int err = value_interpolate("a{{sum:none:{one}}}c", &text, reason);
    if (err == 0)
        assert_string_equal(text, "aonec");
    else
        assert_true(err == -ENOMEM || err == -EINVAL);
    alloc_free(text);
}

static void the_program_may_know_more_facilities(void **state)
{
    char reason[VALUE_REASON_SIZE];
    char *text = NULL;
    assert_int_equal(mtev_conf_value_interpolate_hook_register("test", answer, NULL), 0);
    assert_becomes("x{{sum:none:{one}}}{{empty:b:{two}}}y", "xoneby");
    assert_int_equal(value_interpolate("{{never:1:{K}}}", &text, reason), -EINVAL);
    assert_string_equal(reason, "the program refuses it");
    assert_int_equal(value_interpolate("{{other:1:{K}}}", &text, reason), -EINVAL);
    assert_string_equal(reason, "\"other\" is no facility (ENV, hwloc)");
    harness_fail_each_allocation(interpolate_answer, NULL);
}

static void an_unknown_facility_is_named(void **state)
{
    char reason[VALUE_REASON_SIZE];
    char *text = NULL;
    assert_int_equal(value_interpolate("x{{env:1:{K}}}", &text, reason), -EINVAL);
    assert_string_equal(reason, "\"env\" is no facility (ENV, hwloc)");
    assert_null(text);
}

static void check_length(size_t len, int wanted)
{
    char reason[VALUE_REASON_SIZE] = "";
    char *text = NULL;
    char *raw = alloc_bytes(len + 1);
    assert_non_null(raw);
    memset(raw, 'x', len);
    raw[len] = '\0';
    assert_int_equal(value_interpolate(raw, &text, reason), wanted);
    if (wanted == 0)
        assert_string_equal(text, raw);
    else
        assert_string_equal(reason, "longer than 65536 bytes");
    alloc_free(text);
    alloc_free(raw);
}

static void a_value_has_a_limit(void **state)
{
    check_length(VALUE_LEN_MAX - 1, 0);
    check_length(VALUE_LEN_MAX, 0);
    check_length(VALUE_LEN_MAX + 1, -ENOSPC);
}

static void a_name_too_long_to_be_a_variable_gives_the_default(void **state)
{
    char raw[512];
    memset(raw, 'K', sizeof(raw));
    memcpy(raw, "ENV:d:{", strlen("ENV:d:{"));
    memcpy(raw + sizeof(raw) - 2, "}", 2);
    assert_becomes(raw, "d");
}

static void interpolate(void *closure)
{
    char reason[VALUE_REASON_SIZE];
    char *text = NULL;
    int err = value_interpolate("a{{ENV:b:{VALUE_TEST}}}c", &text, reason);
    assert_true(err == 0 || err == -ENOMEM);
    alloc_free(text);
}

static void no_memory_is_an_error(void **state)
{
    harness_fail_each_allocation(interpolate, NULL);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(plain_text_stays),
    cmocka_unit_test(a_variable_that_is_not_set_gives_the_default),
    cmocka_unit_test(a_variable_that_is_set_replaces_the_reference),
    cmocka_unit_test(what_was_put_in_is_not_looked_at_again),
    cmocka_unit_test(processors_are_counted),
    cmocka_unit_test(an_unknown_facility_is_named),
    cmocka_unit_test(a_value_has_a_limit),
    cmocka_unit_test(a_name_too_long_to_be_a_variable_gives_the_default),
    cmocka_unit_test(no_memory_is_an_error),
    cmocka_unit_test(the_program_may_know_more_facilities),
};
HARNESS_MAIN(tests)
