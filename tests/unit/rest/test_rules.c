/* SPDX-License-Identifier: MIT */
/*
 * Goal: a request finds the first rule of its longest base that answers its method, or is told why
 * there is none, also while rules are added.
 * Method: registries of a few rules and tables of requests; limits at max - 1, max and max + 1;
 * hostile paths; readers beside a writer; each allocation failing.
 */
#include "harness.h"

#include "rest/rules_impl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int handler(mtev_http_rest_closure_t *restc, int npats, char **pats)
{
    return 0;
}

static int add(struct rules *rules, const char *method, const char *base, const char *expression,
               struct mtev_rest_mountpoint **out)
{
    const char *const keys[] = {method, base, expression};
    const struct mtev_rest_mountpoint like = {.handler = handler};
    char reason[REGEX_REASON_SIZE] = "";
    int err = rules_add(rules, keys, &like, reason, out);
    assert_true(err != -EINVAL || reason[0] != '\0');
    return err;
}

static struct mtev_rest_mountpoint *added(struct rules *rules, const char *method, const char *base,
                                          const char *expression)
{
    struct mtev_rest_mountpoint *rule = NULL;
    assert_int_equal(add(rules, method, base, expression, &rule), 0);
    return rule;
}

/* What a request for path finds: a rule, or NULL with *ret_found saying why. */
static const struct mtev_rest_mountpoint *ask(const struct rules *rules, const char *method,
                                              const char *path, int *ret_found)
{
    struct rules_place place;
    struct mtev_rest_mountpoint *rule = NULL;
    struct regex_match match = {NULL};
    *ret_found = rules_locate(rules, path, strlen(path), &place);
    if (*ret_found == 0)
        *ret_found = rules_find(&place, method, &match, &rule);
    regex_match_give(&match);
    return *ret_found > 0 ? rule : NULL;
}

static const struct mtev_rest_mountpoint *asked(const struct rules *rules, const char *method,
                                                const char *path)
{
    int found;
    return ask(rules, method, path, &found);
}

static void assert_none(const struct rules *rules, const char *method, const char *path, int why)
{
    int found;
    assert_null(ask(rules, method, path, &found));
    assert_int_equal(found, why);
}

static void nothing_is_found_where_nothing_is(void **state)
{
    struct rules rules;
    rules_init(&rules);
    assert_none(&rules, "GET", "/", -ENOENT);
    assert_none(&rules, "GET", "", -ENOENT);
    assert_none(&rules, "GET", "*", -ENOENT);
    rules_fini(&rules);
}

static void the_longest_base_counts_and_no_shorter_one_helps(void **state)
{
    struct rules rules;
    rules_init(&rules);
    const struct mtev_rest_mountpoint *top = added(&rules, "GET", "/", ".*");
    const struct mtev_rest_mountpoint *deep = added(&rules, "GET", "/a/b/", "^x$");
    const struct mtev_rest_mountpoint *middle = added(&rules, "GET", "/a/", "^y$");
    assert_ptr_equal(asked(&rules, "GET", "/"), top);
    assert_ptr_equal(asked(&rules, "GET", "/a"), top);
    assert_ptr_equal(asked(&rules, "GET", "/ab/x"), top);
    assert_ptr_equal(asked(&rules, "GET", "/a/b/x"), deep);
    assert_ptr_equal(asked(&rules, "GET", "/a/y"), middle);
    assert_none(&rules, "GET", "/a/b/y", -ENOENT);
    assert_none(&rules, "GET", "/a/x", -ENOENT);
    assert_none(&rules, "GET", "/a/b/", -ENOENT);
    assert_none(&rules, "GET", "/a/bc", -ENOENT);
    rules_fini(&rules);
}

static void the_order_of_registration_counts_within_a_base(void **state)
{
    struct rules rules;
    rules_init(&rules);
    const struct mtev_rest_mountpoint *first = added(&rules, "GET", "/", "^a");
    const struct mtev_rest_mountpoint *second = added(&rules, "GET", "/", "^ab?");
    const struct mtev_rest_mountpoint *third = added(&rules, "GET", "/", "");
    const struct mtev_rest_mountpoint *post = added(&rules, "POST", "/", "^a");
    assert_ptr_equal(asked(&rules, "GET", "/ab"), first);
    assert_ptr_equal(asked(&rules, "GET", "/b"), third);
    assert_ptr_equal(asked(&rules, "POST", "/ab"), post);
    assert_ptr_not_equal(second, first);
    rules_fini(&rules);
}

static void the_expression_sees_what_is_behind_the_base(void **state)
{
    struct rules rules;
    struct rules_place place;
    struct mtev_rest_mountpoint *rule = NULL;
    const char *path = "/users/42/posts";
    rules_init(&rules);
    added(&rules, "GET", "/users/", "^(\\d+)/(\\w+)$");
    struct regex_match match = {NULL};
    assert_int_equal(rules_locate(&rules, path, strlen(path), &place), 0);
    assert_ptr_equal(place.rest, path + 7);
    assert_int_equal(rules_find(&place, "GET", &match, &rule), 3);
    assert_int_equal(rule->groups, 2);
    assert_string_equal(rule->base, "/users/");
    assert_ptr_equal(regex_span(&match, place.rest, 2).start, path + 10);
    regex_match_give(&match);
    rules_fini(&rules);
}

static void the_method_is_compared_exactly(void **state)
{
    struct rules rules;
    rules_init(&rules);
    added(&rules, "GET", "/", "^a$");
    assert_none(&rules, "get", "/a", -ENOTSUP);
    assert_none(&rules, "GETS", "/a", -ENOTSUP);
    assert_none(&rules, "GE", "/a", -ENOTSUP);
    assert_none(&rules, "OPTIONS", "/a", -ENOTSUP);
    assert_none(&rules, "GET", "/b", -ENOENT);
    assert_none(&rules, "PUT", "/b", -ENOENT);
    rules_fini(&rules);
}

static void head_is_answered_by_get_unless_it_has_its_own(void **state)
{
    struct rules rules;
    rules_init(&rules);
    const struct mtev_rest_mountpoint *get = added(&rules, "GET", "/", "^a");
    added(&rules, "POST", "/", "^p$");
    assert_ptr_equal(asked(&rules, "HEAD", "/ab"), get);
    assert_none(&rules, "HEAD", "/p", -ENOTSUP);
    const struct mtev_rest_mountpoint *head = added(&rules, "HEAD", "/", "^ab");
    assert_ptr_equal(asked(&rules, "HEAD", "/ab"), head);
    assert_ptr_equal(asked(&rules, "HEAD", "/a"), get);
    rules_fini(&rules);
}

static void assert_allow(const struct rules *rules, const char *path, const char *wanted)
{
    struct buf text;
    struct rules_place place;
    struct regex_match match = {NULL};
    buf_init(&text, RULES_ALLOW_MAX);
    assert_int_equal(rules_locate(rules, path, strlen(path), &place), 0);
    assert_int_equal(rules_allow(&place, &match, &text), 0);
    assert_int_equal(buf_append(&text, "", 1), 0);
    assert_string_equal(text.bytes, wanted);
    buf_free(&text);
    regex_match_give(&match);
}

static void the_methods_of_a_path_are_listed_once_each(void **state)
{
    struct rules rules;
    rules_init(&rules);
    added(&rules, "PUT", "/", "^a$");
    added(&rules, "GET", "/", "^a");
    added(&rules, "GET", "/", "^a$");
    added(&rules, "PUTS", "/", "^a$");
    added(&rules, "HEAD", "/", "^a$");
    added(&rules, "UT", "/", "^a$");
    added(&rules, "DELETE", "/", "^b$");
    assert_allow(&rules, "/a", "OPTIONS, PUT, GET, HEAD, PUTS, UT");
    assert_allow(&rules, "/b", "OPTIONS, DELETE");
    assert_allow(&rules, "/c", "OPTIONS");
    rules_fini(&rules);
}

static void more_methods_than_fit_are_left_out(void **state)
{
    struct rules rules;
    struct buf text;
    struct rules_place place;
    struct regex_match match = {NULL};
    rules_init(&rules);
    for (int i = 0; i < 40; i++) {
        char method[RULES_METHOD_MAX + 1];
        snprintf(method, sizeof(method), "M%0*d", RULES_METHOD_MAX - 1, i);
        added(&rules, method, "/", "");
    }
    buf_init(&text, RULES_ALLOW_MAX);
    assert_int_equal(rules_locate(&rules, "/", 1, &place), 0);
    assert_int_equal(rules_allow(&place, &match, &text), 0);
    assert_true(text.len <= RULES_ALLOW_MAX && text.len > RULES_ALLOW_MAX - 40);
    buf_free(&text);
    regex_match_give(&match);
    rules_fini(&rules);
}

static void what_is_no_rule_is_refused(void **state)
{
    static const char *const wrong[][3] = {
        {"", "/", "a"},     {"G T", "/", "a"}, {"GET\n", "/", "a"},
        {"GET:", "/", "a"}, {"GET", "", "a"},  {"GET", "a/", "a"},
        {"GET", "/a", "a"}, {"GET", "/", "("}, {"GET", "/a/b", ".*"},
    };
    struct rules rules;
    rules_init(&rules);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct mtev_rest_mountpoint *rule = NULL;
        if (add(&rules, wrong[i][0], wrong[i][1], wrong[i][2], &rule) != -EINVAL)
            fail_msg("%s %s %s was taken", wrong[i][0], wrong[i][1], wrong[i][2]);
        assert_null(rule);
    }
    assert_none(&rules, "GET", "/a", -ENOENT);
    rules_fini(&rules);
}

static void a_base_has_a_limit(void **state)
{
    static char base[RULES_BASE_MAX + 2];
    for (size_t len = RULES_BASE_MAX - 1; len <= RULES_BASE_MAX + 1; len++) {
        struct rules rules;
        struct mtev_rest_mountpoint *rule = NULL;
        rules_init(&rules);
        memset(base, 'a', len);
        base[0] = base[len - 1] = '/';
        base[len] = '\0';
        int err = add(&rules, "GET", base, "^$", &rule);
        assert_int_equal(err, len <= RULES_BASE_MAX ? 0 : -EINVAL);
        assert_ptr_equal(asked(&rules, "GET", base), rule);
        rules_fini(&rules);
    }
}

static void a_method_has_a_limit(void **state)
{
    char method[RULES_METHOD_MAX + 2];
    for (size_t len = RULES_METHOD_MAX - 1; len <= RULES_METHOD_MAX + 1; len++) {
        struct rules rules;
        struct mtev_rest_mountpoint *rule = NULL;
        rules_init(&rules);
        memset(method, 'M', len);
        method[len] = '\0';
        int err = add(&rules, method, "/", "^$", &rule);
        assert_int_equal(err, len <= RULES_METHOD_MAX ? 0 : -EINVAL);
        assert_ptr_equal(asked(&rules, method, "/"), rule);
        rules_fini(&rules);
    }
}

static void many_bases_are_told_apart(void **state)
{
    enum {
        COUNT = 2000
    };
    static const struct mtev_rest_mountpoint *all[COUNT];
    struct rules rules;
    char text[32];
    rules_init(&rules);
    for (int i = 0; i < COUNT; i++) {
        snprintf(text, sizeof(text), "/b%d/", i);
        all[i] = added(&rules, "GET", text, "^x$");
    }
    for (int i = 0; i < COUNT; i++) {
        snprintf(text, sizeof(text), "/b%d/x", i);
        assert_ptr_equal(asked(&rules, "GET", text), all[i]);
    }
    assert_none(&rules, "GET", "/b2000/x", -ENOENT);
    rules_fini(&rules);
}

static void a_hostile_path_finds_what_it_names(void **state)
{
    static char path[8193];
    struct rules rules;
    int found;
    rules_init(&rules);
    const struct mtev_rest_mountpoint *top = added(&rules, "GET", "/", "^/+$");
    added(&rules, "GET", "/a/", "^(x+x+)+[yz]$");
    added(&rules, "GET", "/b/", "^z$");
    memset(path, '/', sizeof(path) - 1);
    assert_ptr_equal(asked(&rules, "GET", path), top);
    memset(path, 'x', sizeof(path) - 1);
    assert_none(&rules, "GET", path, -ENOENT);
    memcpy(path, "/a/", 3);
    assert_null(ask(&rules, "GET", path, &found));
    assert_int_equal(found, -EOVERFLOW);
    assert_null(ask(&rules, "PUT", path, &found));
    assert_int_equal(found, -EOVERFLOW);
    memcpy(path, "/b/", 3);
    assert_none(&rules, "GET", path, -ENOENT);
    assert_none(&rules, "GET", "/\xff/\x01/../..", -ENOENT);
    rules_fini(&rules);
}

struct shared {
    struct rules rules;
    atomic_bool is_done;
};

static void *read_all_the_time(void *closure)
{
    struct shared *shared = closure;
    size_t wrong = 0;
    while (!atomic_load(&shared->is_done)) {
        struct rules_place place;
        struct mtev_rest_mountpoint *rule = NULL;
        struct regex_match match = {NULL};
        bool is_found = rules_locate(&shared->rules, "/r/77", 5, &place) == 0 &&
                        rules_find(&place, "GET", &match, &rule) > 0;
        if (is_found && strcmp(rule->expression, "^77$") != 0)
            wrong++;
        regex_match_give(&match);
    }
    return (void *)(uintptr_t)wrong;
}

static void rules_may_be_added_while_they_are_read(void **state)
{
    struct shared shared = {.is_done = false};
    pthread_t readers[2];
    void *wrong;
    char text[32];
    rules_init(&shared.rules);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&readers[i], NULL, read_all_the_time, &shared), 0);
    for (int i = 0; i < 200; i++) {
        snprintf(text, sizeof(text), "^%d$", i);
        added(&shared.rules, "GET", "/r/", text);
        snprintf(text, sizeof(text), "/r%d/", i);
        added(&shared.rules, "GET", text, "");
    }
    atomic_store(&shared.is_done, true);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_join(readers[i], &wrong), 0);
        assert_null(wrong);
    }
    assert_non_null(asked(&shared.rules, "GET", "/r/77"));
    rules_fini(&shared.rules);
}

static void add_and_ask(void *closure)
{
    struct rules rules;
    struct mtev_rest_mountpoint *rule = NULL;
    struct rules_place place;
    struct buf text;
    rules_init(&rules);
    int err = add(&rules, "GET", "/a/", "^(b)$", &rule);
    assert_true(err == 0 || err == -ENOMEM);
    assert_int_equal(err == 0, rule != NULL);
    struct regex_match match = {NULL};
    if (err == 0) {
        buf_init(&text, RULES_ALLOW_MAX);
        assert_int_equal(rules_locate(&rules, "/a/b", 4, &place), 0);
        int found = rules_find(&place, "GET", &match, &rule);
        assert_true(found == 2 || found == -ENOMEM);
        err = rules_allow(&place, &match, &text);
        assert_true(err == 0 || err == -ENOMEM);
        buf_free(&text);
    }
    regex_match_give(&match);
    rules_fini(&rules);
}

static void it_bears_the_failure_of_each_allocation(void **state)
{
    harness_fail_each_allocation(add_and_ask, NULL);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(it_bears_the_failure_of_each_allocation), /* first: it makes what is shared */
    cmocka_unit_test(nothing_is_found_where_nothing_is),
    cmocka_unit_test(the_longest_base_counts_and_no_shorter_one_helps),
    cmocka_unit_test(the_order_of_registration_counts_within_a_base),
    cmocka_unit_test(the_expression_sees_what_is_behind_the_base),
    cmocka_unit_test(the_method_is_compared_exactly),
    cmocka_unit_test(head_is_answered_by_get_unless_it_has_its_own),
    cmocka_unit_test(the_methods_of_a_path_are_listed_once_each),
    cmocka_unit_test(more_methods_than_fit_are_left_out),
    cmocka_unit_test(what_is_no_rule_is_refused),
    cmocka_unit_test(a_base_has_a_limit),
    cmocka_unit_test(a_method_has_a_limit),
    cmocka_unit_test(many_bases_are_told_apart),
    cmocka_unit_test(a_hostile_path_finds_what_it_names),
    cmocka_unit_test(rules_may_be_added_while_they_are_read),
};
HARNESS_MAIN(tests)
