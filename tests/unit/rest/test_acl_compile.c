/* SPDX-License-Identifier: MIT */
/*
 * Goal: a fault in an <acl> is one line that names the place, and closes that acl; the others are
 * as written.  Without memory there is no policy. Method: a table of <acl> elements that are wrong
 * in one way each, in front of one that allows everything: the verdict must be deny.  Each
 * allocation failing must never open what is closed.
 */
#include "configured.h"

#include "rest/acl_impl.h"
#include "rest/rest.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#define TEXT_SIZE 2048

static void load(const char *acls)
{
    char text[TEXT_SIZE];
    snprintf(text, sizeof(text), "<a><rest>\n%s</rest></a>", acls);
    assert_int_equal(conf_load_text("test", text), 0);
}

static bool allows(const struct acl_policy *policy, const char *path)
{
    const struct sockaddr_in in = {.sin_family = AF_INET};
    const struct acl_question question = {
        .path = path, .path_len = strlen(path), .remote = (const struct sockaddr *)&in, .cn = ""};
    return acl_allows(policy, &question);
}

static const struct {
    const char *acl, *line;
} faults[] = {
    {"<acl type='permit'/>", "test:2: <acl> type=\"permit\": neither allow nor deny\n"},
    {"<acl type='Allow'/>", "test:2: <acl> type=\"Allow\": neither allow nor deny\n"},
    {"<acl type=''/>", "test:2: <acl> type=\"\": neither allow nor deny\n"},
    {"<acl type='allow' url='('/>", "test:2: <acl> url=\"(\": \"(\" is no expression: missing "
                                    "closing parenthesis at byte 1\n"},
    {"<acl type='allow' url=''/>",
     "test:2: <acl> url=\"\": matches everything: leave it out to say so\n"},
    {"<acl type='allow' ip='10.0.0.0/33'/>",
     "test:2: <acl> ip=\"10.0.0.0/33\": neither an address nor a block of them\n"},
    {"<acl type='allow' ip=''/>",
     "test:2: <acl> ip=\"\": neither an address nor a block of them\n"},
    {"<acl type='allow' cn='['/>", "test:2: <acl> cn=\"[\": \"[\" is no expression: missing "
                                   "terminating ] for character class at byte 1\n"},
    {"<acl type='allow' cn=''/>",
     "test:2: <acl> cn=\"\": matches everything: leave it out to say so\n"},
    {"<acl type='allow' listener_acl='('/>",
     "test:2: <acl> listener_acl=\"(\": \"(\" is no expression: missing closing parenthesis at "
     "byte 1\n"},
    {"<acl type='allow' listener_acl=''/>",
     "test:2: <acl> listener_acl=\"\": matches everything: leave it out to say so\n"},
    {"<acl type='allow' listener_='x'/>",
     "test:2: listener_: what follows \"listener_\" is no key of <config>\n"},
    {"<acl type='allow' x:cn='x' xmlns:x='y'/>",
     "test:2: <acl> cn=\"x\": not a condition that can be checked (url, ip, cn, listener_KEY)\n"},
    {"<acl type='allow' x:listener_a='x' xmlns:x='y'/>",
     "test:2: <acl> listener_a=\"x\": not a condition that can be checked (url, ip, cn, "
     "listener_KEY)\n"},
    {"<acl type='allow' skipto='x'/>", "test:2: <acl> skipto=\"x\": not a condition that can be "
                                       "checked (url, ip, cn, listener_KEY)\n"},
    {"<acl type='allow' ulr='^/a'/>", "test:2: <acl> ulr=\"^/a\": not a condition that can be "
                                      "checked (url, ip, cn, listener_KEY)\n"},
    {"<acl type='allow'><roole type='deny'/></acl>",
     "test:2: <acl> has an element that is no <rule>\n"},
    {"<acl type='allow'><rule type='x'/></acl>",
     "test:2: <rule> type=\"x\": neither allow nor deny\n"},
    {"<acl type='allow'>\n<rule type='deny' url='['/></acl>",
     "test:3: <rule> url=\"[\": \"[\" is no expression: missing terminating ] for character class "
     "at byte 1\n"},
    {"<acl type='allow'>\n\n<rule type='deny' ip='nowhere'/></acl>",
     "test:4: <rule> ip=\"nowhere\": neither an address nor a block of them\n"},
    {"<acl type='allow'><rule type='deny' user='^x$'/></acl>",
     "test:2: <rule> user=\"^x$\": not a condition that can be checked (url, ip, cn, "
     "listener_KEY)\n"},
    {"<acl type='allow'><rule type='deny' auth='^x$'/></acl>",
     "test:2: <rule> auth=\"^x$\": not a condition that can be checked (url, ip, cn, "
     "listener_KEY)\n"},
    {"<acl type='allow'><rule type='deny' listener_a='x' listener_b='?'/></acl>",
     "test:2: <rule> listener_b=\"?\": \"?\" is no expression: quantifier does not follow a "
     "repeatable item at byte 0\n"},
    {"<acl type='allow'><rule skipto='x'/></acl>",
     "test:2: <rule> skipto=\"x\": no <rule> behind this one has that name\n"},
    {"<acl type='allow'><rule name='x' url='n' type='deny'/><rule skipto='x'/></acl>",
     "test:2: <rule> skipto=\"x\": no <rule> behind this one has that name\n"},
    {"<acl type='allow'><rule name='x' skipto='x'/></acl>",
     "test:2: <rule> skipto=\"x\": no <rule> behind this one has that name\n"},
};

static void a_key_may_have_255_bytes(void **state)
{
    for (int len = 254; len <= 256; len++) {
        char acls[TEXT_SIZE / 2], key[257];
        struct acl_policy *policy = NULL;
        size_t count = 0;
        memset(key, 'k', sizeof(key));
        snprintf(acls, sizeof(acls), "<acl listener_%.*s='^$' type='allow'/>", len, key);
        load(acls);
        assert_int_equal(acl_compile(&policy, &count), 0);
        assert_int_equal(count, len > 255);
        assert_int_equal(allows(policy, "/"), len <= 255);
        acl_policy_free(policy);
    }
    assert_logged_one_line("test:2: listener_kkk");
}

static void a_fault_is_one_line_and_closes_its_acl(void **state)
{
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        struct acl_policy *policy = NULL;
        size_t count = 0;
        char acls[TEXT_SIZE / 2];
        snprintf(acls, sizeof(acls), "%s<acl type='allow'/>", faults[i].acl);
        load(acls);
        assert_int_equal(acl_compile(&policy, &count), 0);
        assert_logged_lines(faults[i].line);
        assert_int_equal(count, 1);
        assert_int_equal(policy->count, 2);
        assert_false(allows(policy, "/"));
        acl_policy_free(policy);
    }
}

static void what_comes_before_a_fault_is_as_written(void **state)
{
    struct acl_policy *policy = NULL;
    size_t count = 0;
    load("<acl url='^/open$' type='allow'/><acl><rule type='maybe'/></acl><acl type='allow'/>");
    assert_int_equal(acl_compile(&policy, &count), 0);
    assert_logged_one_line("test:2: <rule> type=\"maybe\"");
    assert_true(allows(policy, "/open"));
    assert_false(allows(policy, "/other"));
    acl_policy_free(policy);
}

static void each_acl_with_a_fault_has_its_line(void **state)
{
    struct acl_policy *policy = NULL;
    size_t count = 0;
    load("<acl type='x'/>\n<acl type='y'/>");
    assert_int_equal(acl_compile(&policy, &count), 0);
    assert_logged_lines("test:2: <acl> type=\"x\": neither allow nor deny\n"
                        "test:3: <acl> type=\"y\": neither allow nor deny\n");
    assert_int_equal(count, 2);
    acl_policy_free(policy);
}

static void no_configuration_is_no_acl(void **state)
{
    struct acl_policy *policy = NULL;
    size_t count = 1;
    assert_int_equal(acl_compile(&policy, &count), 0);
    assert_int_equal(count, 0);
    assert_int_equal(policy->count, 0);
    acl_policy_free(policy);
}

static void loading_says_whether_there_were_faults(void **state)
{
    load("<acl type='allow'/>");
    assert_int_equal(rest_acl_load(), 0);
    load("<acl type='x'/>");
    assert_int_equal(rest_acl_load(), -EINVAL);
    assert_logged_lines("test:2: <acl> type=\"x\": neither allow nor deny\n");
    load("");
    assert_int_equal(rest_acl_load(), 0);
    assert_logged_lines("rest: no <acl> in <rest>: rules that are not open deny everybody\n");
}

/* A policy made with too little memory is none, or says what it should. */
static void compile(void *closure)
{
    struct acl_policy *policy = NULL;
    size_t count = 0;
    int err = acl_compile(&policy, &count);
    assert_true(err == 0 || err == -ENOMEM);
    assert_int_equal(err == 0, policy != NULL);
    assert_false(allows(policy, "/secret"));
    acl_policy_free(policy);
}

static void memory_that_is_not_there_opens_nothing(void **state)
{
    load("<acl url='^/none$' ip='10.0.0.0/8' type='allow'/>"
         "<acl type='allow'><rule url='^/s' skipto='x'/><rule type='allow'/>"
         "<rule name='x' type='deny' url='^/secret' ip='0.0.0.0/0' cn='^$' listener_a='^$'/>"
         "</acl>");
    harness_fail_each_allocation(compile, NULL);
    load("<acl type='allow'><rule type='deny' require_env='PATH'/><rule type='allow'/></acl>");
    harness_fail_each_allocation(compile, NULL);
    logged_clear(); /* how much was said depends on what failed */
}

static const struct CMUnitTest tests[] = {
    configured_test(memory_that_is_not_there_opens_nothing),
    configured_test(a_fault_is_one_line_and_closes_its_acl),
    configured_test(a_key_may_have_255_bytes),
    configured_test(what_comes_before_a_fault_is_as_written),
    configured_test(each_acl_with_a_fault_has_its_line),
    configured_test(no_configuration_is_no_acl),
    configured_test(loading_says_whether_there_were_faults),
};
HARNESS_MAIN(tests)
