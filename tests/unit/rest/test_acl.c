/* SPDX-License-Identifier: MIT */
/*
 * Goal: the verdict on a request is that of the first acl and the first rule whose conditions hold,
 * and whatever is not known is denied.
 * Method: a table of configurations and requests with the verdict that section REST of
 * eventer.conf(5) gives; policies that are none.
 */
#include "harness.h"

#include "base/alloc.h"
#include "conf/conf.h"
#include "rest/acl_impl.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_SIZE 2048

static struct acl_policy *compiled(const char *acls)
{
    char text[TEXT_SIZE];
    struct acl_policy *policy = NULL;
    size_t faults = 0;
    snprintf(text, sizeof(text), "<a><rest>%s</rest></a>", acls);
    assert_int_equal(conf_load_text("test", text), 0);
    assert_int_equal(acl_compile(&policy, &faults), 0);
    assert_int_equal(faults, 0);
    conf_unload();
    return policy;
}

static bool allows_peer(const struct acl_policy *policy, const char *path, const char *from,
                        const char *cn, mtev_hash_table *config)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
    struct acl_question question = {
        .path = path, .path_len = strlen(path), .cn = cn, .config = config};
    if (inet_pton(AF_INET, from, &in.sin_addr) == 1)
        question.remote = (const struct sockaddr *)&in;
    else if (inet_pton(AF_INET6, from, &in6.sin6_addr) == 1)
        question.remote = (const struct sockaddr *)&in6;
    return acl_allows(policy, &question);
}

static bool allows(const struct acl_policy *policy, const char *path, const char *from)
{
    return allows_peer(policy, path, from, "", NULL);
}

static const struct {
    const char *acls, *path, *from;
    bool is_allowed;
} cases[] = {
    /* none, and none that applies */
    {"", "/", "10.0.0.1", false},
    {"<acl url='^/a'><rule type='allow'/></acl>", "/b", "10.0.0.1", false},
    {"<acl url='^/a'><rule type='allow'/></acl>", "/a", "10.0.0.1", true},
    /* the acl's own type, and what it is when it is missing */
    {"<acl/>", "/", "10.0.0.1", false},
    {"<acl type='allow'/>", "/", "10.0.0.1", true},
    {"<acl type='deny'/>", "/", "10.0.0.1", false},
    {"<acl type='allow'><rule type='deny' url='^/a'/></acl>", "/b", "10.0.0.1", true},
    {"<acl type='allow'><rule type='deny' url='^/a'/></acl>", "/a", "10.0.0.1", false},
    {"<acl type='deny'><rule type='allow' url='^/a'/></acl>", "/a", "10.0.0.1", true},
    {"<acl type='deny'><rule type='allow' url='^/a'/></acl>", "/b", "10.0.0.1", false},
    {"<acl><rule type='allow' url='^/a'/></acl>", "/b", "10.0.0.1", false},
    /* a rule without a type denies */
    {"<acl type='allow'><rule/></acl>", "/", "10.0.0.1", false},
    /* the first rule that matches, and no other */
    {"<acl><rule type='deny' url='^/a/b'/><rule type='allow' url='^/a'/></acl>", "/a/b/c",
     "10.0.0.1", false},
    {"<acl><rule type='deny' url='^/a/b'/><rule type='allow' url='^/a'/></acl>", "/a/c", "10.0.0.1",
     true},
    /* the first acl that applies, and no other, even if it leaves it to its own type */
    {"<acl url='^/a'><rule type='allow' url='x'/></acl><acl type='allow'/>", "/a", "10.0.0.1",
     false},
    {"<acl url='^/a'><rule type='allow' url='x'/></acl><acl type='allow'/>", "/b", "10.0.0.1",
     true},
    /* all conditions of one */
    {"<acl><rule type='allow' url='^/a' ip='10.0.0.0/8'/></acl>", "/a", "10.0.0.1", true},
    {"<acl><rule type='allow' url='^/a' ip='10.0.0.0/8'/></acl>", "/b", "10.0.0.1", false},
    {"<acl><rule type='allow' url='^/a' ip='10.0.0.0/8'/></acl>", "/a", "11.0.0.1", false},
    /* addresses */
    {"<acl ip='2001:db8::/32' type='allow'/>", "/", "2001:db8::5", true},
    {"<acl ip='2001:db8::/32' type='allow'/>", "/", "10.0.0.1", false},
    {"<acl ip='10.0.0.1' type='allow'/>", "/", "::ffff:10.0.0.1", true},
    {"<acl type='allow'><rule type='deny' ip='10.0.0.0/8'/></acl>", "/", "::ffff:10.0.0.1", false},
    /* skipto */
    {"<acl><rule url='^/a' skipto='x'/><rule type='deny'/><rule name='x' type='allow'/></acl>",
     "/a", "10.0.0.1", true},
    {"<acl><rule url='^/a' skipto='x'/><rule type='deny'/><rule name='x' type='allow'/></acl>",
     "/b", "10.0.0.1", false},
    {"<acl type='allow'><rule skipto='x'/><rule type='deny'/><rule name='x' url='no' "
     "type='deny'/></acl>",
     "/a", "10.0.0.1", true},
    {"<acl><rule skipto='x'/><rule name='x' skipto='y'/><rule type='deny'/><rule name='y' "
     "type='allow'/></acl>",
     "/a", "10.0.0.1", true},
    {"<acl><rule name='x' type='deny' url='no'/><rule skipto='x'/><rule name='x' "
     "type='allow'/></acl>",
     "/a", "10.0.0.1", true},
    /* an expression is of the whole path, and a newline in it is a byte */
    {"<acl type='allow'><rule type='deny' url='^/secret/.*$'/></acl>", "/secret/a\nb", "10.0.0.1",
     false},
    {"<acl><rule type='allow' url='^/open$'/></acl>", "/open\n", "10.0.0.1", false},
    /* deeper in <rest> */
    {"<group><acl type='allow'/></group>", "/", "10.0.0.1", true},
    {"<group><acl type='deny' url='^/a'/></group><acl type='allow'/>", "/a", "10.0.0.1", false},
};

static void each_request_has_its_verdict(void **state)
{
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct acl_policy *policy = compiled(cases[i].acls);
        if (allows(policy, cases[i].path, cases[i].from) != cases[i].is_allowed)
            fail_msg("%s: %s from %s", cases[i].acls, cases[i].path, cases[i].from);
        acl_policy_free(policy);
    }
}

static const struct {
    const char *acls, *cn;
    bool is_allowed; /* at a listener with <zone>inner</zone><acl>x</acl> in <config> */
} peers[] = {
    {"<acl><rule type='allow' cn='^admin$'/></acl>", "admin", true},
    {"<acl><rule type='allow' cn='^admin$'/></acl>", "admin\n", false},
    {"<acl><rule type='allow' cn='^admin$'/></acl>", "an admin", false},
    {"<acl><rule type='allow' cn='^admin$'/></acl>", "", false},
    {"<acl cn='adm' type='allow'/>", "an admin", true},
    {"<acl cn='adm' type='allow'/>", "somebody", false},
    /* without a certificate, and by what does not match */
    {"<acl type='allow'><rule type='deny' cn='^$'/></acl>", "", false},
    {"<acl type='allow'><rule type='deny' cn='^$'/></acl>", "admin", true},
    {"<acl type='allow'><rule type='deny' cn='^(?!admin$)'/></acl>", "", false},
    {"<acl type='allow'><rule type='deny' cn='^(?!admin$)'/></acl>", "admin", true},
    /* what the listener has, and has not */
    {"<acl><rule type='allow' listener_zone='^inner$'/></acl>", "", true},
    {"<acl><rule type='allow' listener_zone='^outer$'/></acl>", "", false},
    {"<acl listener_zone='inn' type='allow'/>", "", true},
    {"<acl><rule type='allow' listener_none='x'/></acl>", "", false},
    {"<acl><rule type='allow' listener_none='^$'/></acl>", "", true},
    {"<acl type='allow'><rule type='deny' listener_none='^(?!inner$)'/></acl>", "", false},
    /* all of them */
    {"<acl><rule type='allow' listener_zone='inner' listener_acl='x' cn='a'/></acl>", "a", true},
    {"<acl><rule type='allow' listener_zone='inner' listener_acl='y' cn='a'/></acl>", "a", false},
    {"<acl><rule type='allow' listener_zone='outer' listener_acl='x' cn='a'/></acl>", "a", false},
    {"<acl><rule type='allow' listener_zone='inner' listener_acl='x' cn='a'/></acl>", "b", false},
    {"<acl><rule type='allow' url='^/b' cn='a'/></acl>", "a", false},
    /* elements that count, and that do not */
    {"<acl id='x' require_env='PATH'><rule type='allow' require_env='PATH'/></acl>", "", true},
    {"<acl require_env='!PATH' type='deny'/><acl type='allow'/>", "", true},
};

static void peers_and_listeners_are_told_apart(void **state)
{
    mtev_hash_table config = MTEV_HASH_EMPTY;
    mtev_hash_dict_store(&config, "zone", "inner");
    mtev_hash_dict_store(&config, "acl", "x");
    for (size_t i = 0; i < sizeof(peers) / sizeof(peers[0]); i++) {
        struct acl_policy *policy = compiled(peers[i].acls);
        if (allows_peer(policy, "/", "10.0.0.1", peers[i].cn, &config) != peers[i].is_allowed)
            fail_msg("%s: %s", peers[i].acls, peers[i].cn);
        acl_policy_free(policy);
    }
    mtev_hash_destroy(&config, alloc_free, alloc_free);
}

static void a_listener_may_have_no_config(void **state)
{
    struct acl_policy *policy = compiled("<acl listener_zone='inner' type='allow'/>"
                                         "<acl url='^/a' listener_zone='^$' type='allow'/>");
    assert_false(allows(policy, "/", "10.0.0.1"));
    assert_true(allows(policy, "/a", "10.0.0.1"));
    acl_policy_free(policy);
}

static void without_a_policy_all_is_denied(void **state)
{
    assert_false(allows(NULL, "/", "10.0.0.1"));
    acl_policy_free(NULL);
}

static void a_peer_without_an_address_is_denied(void **state)
{
    struct acl_policy *policy = compiled("<acl type='allow'/>");
    assert_true(allows(policy, "/", "10.0.0.1"));
    assert_false(allows(policy, "/", "unknown"));
    acl_policy_free(policy);
}

static void an_expression_that_takes_too_long_denies(void **state)
{
    enum {
        LEN = 8192
    };
    static const char *const acls[] = {
        "<acl type='allow'><rule type='deny' url='^(x+x+)+[yz]$'/></acl>",
        "<acl type='allow'><rule type='allow' url='^(x+x+)+[yz]$'/></acl>",
        "<acl type='allow' url='^(x+x+)+[yz]$'/><acl type='allow'/>",
        "<acl type='allow'><rule type='deny' cn='^(x+x+)+[yz]$'/></acl>",
    };
    char *path = malloc(LEN + 1);
    assert_non_null(path);
    memset(path, 'x', LEN);
    path[LEN] = '\0';
    for (size_t i = 0; i < sizeof(acls) / sizeof(acls[0]); i++) {
        struct acl_policy *policy = compiled(acls[i]);
        assert_false(allows_peer(policy, path, "10.0.0.1", path, NULL));
        acl_policy_free(policy);
    }
    free(path);
}

static void what_is_the_same_for_all_is_known_before(void **state)
{
    static const struct {
        const char *acls;
        enum acl_for_all verdict;
    } policies[] = {
        {"", ACL_DENY},
        {"<acl/>", ACL_DENY},
        {"<acl type='allow'/>", ACL_ALLOW},
        {"<acl type='allow'><rule type='deny'/><rule type='allow' url='x'/></acl>", ACL_DENY},
        {"<acl><rule type='allow'/></acl><acl type='deny' ip='10.0.0.1'/>", ACL_ALLOW},
        {"<acl type='allow' url='x'/>", ACL_ASK},
        {"<acl type='allow' ip='10.0.0.1'/>", ACL_ASK},
        {"<acl type='allow' cn='x'/>", ACL_ASK},
        {"<acl type='allow' listener_key='x'/>", ACL_ASK},
        {"<acl><rule type='allow' url='x'/></acl>", ACL_ASK},
        {"<acl><rule skipto='x'/><rule name='x' type='allow'/></acl>", ACL_ASK},
    };
    assert_int_equal(acl_for_all(NULL), ACL_DENY);
    for (size_t i = 0; i < sizeof(policies) / sizeof(policies[0]); i++) {
        struct acl_policy *policy = compiled(policies[i].acls);
        assert_int_equal(acl_for_all(policy), policies[i].verdict);
        if (policies[i].verdict != ACL_ASK)
            assert_int_equal(allows(policy, "/x", "10.0.0.2"), policies[i].verdict == ACL_ALLOW);
        acl_policy_free(policy);
    }
}

static void without_memory_for_a_match_all_is_denied(void **state)
{
    struct acl_policy *policy = compiled("<acl type='allow'><rule url='^/a+' type='allow'/></acl>");
    struct acl_policy *other = compiled("<acl type='allow'/>");
    char reason[REGEX_REASON_SIZE];
    struct regex *regex = NULL;
    struct regex_match kept = {NULL};
    assert_int_equal(regex_compile("(a)", reason, &regex), 0);
    assert_int_equal(regex_find(regex, "a", 1, &kept), 2); /* so that another has to be made */
    alloc_fail_nth(1, 1);
    bool is_allowed = allows(policy, "/a", "10.0.0.1");
    alloc_fail_nth(1, 1);
    bool needs_none = allows(other, "/a", "10.0.0.1");
    alloc_fail_nth(0, 0);
    assert_false(is_allowed);
    assert_true(needs_none);
    assert_true(allows(policy, "/a", "10.0.0.1"));
    regex_match_give(&kept);
    regex_free(regex);
    acl_policy_free(other);
    acl_policy_free(policy);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(each_request_has_its_verdict),
    cmocka_unit_test(peers_and_listeners_are_told_apart),
    cmocka_unit_test(a_listener_may_have_no_config),
    cmocka_unit_test(without_a_policy_all_is_denied),
    cmocka_unit_test(a_peer_without_an_address_is_denied),
    cmocka_unit_test(an_expression_that_takes_too_long_denies),
    cmocka_unit_test(what_is_the_same_for_all_is_known_before),
    cmocka_unit_test(without_memory_for_a_match_all_is_denied),
};
HARNESS_MAIN(tests)
