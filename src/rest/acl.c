/* SPDX-License-Identifier: MIT */
#include "rest/acl_impl.h"

#include "base/alloc.h"

#include <assert.h>
#include <string.h>

void acl_conditions_fini(struct acl_conditions *when)
{
    regex_free(when->url);
    regex_free(when->cn);
    while (when->configs != NULL) {
        struct acl_config *config = when->configs;
        when->configs = config->next;
        regex_free(config->value);
        alloc_free(config);
    }
}

void acl_policy_free(struct acl_policy *policy)
{
    for (size_t i = 0; policy != NULL && i < policy->count; i++) {
        struct acl *acl = &policy->acls[i];
        for (size_t j = 0; j < acl->rules_count; j++)
            acl_conditions_fini(&acl->rules[j].when);
        alloc_free(acl->rules);
        acl_conditions_fini(&acl->when);
    }
    alloc_free(policy);
}

/* Does the expression (NULL: none) match?  1, 0, or -errno: that could not be found out. */
static int matches(const struct regex *regex, const char *text, size_t len,
                   struct regex_match *match)
{
    int found = regex == NULL ? 1 : regex_find(regex, text, len, match);
    return found > 0 ? 1 : found;
}

/* As applies(), of what the listener has in <config>; what it has not is "". */
static int is_configured(const struct acl_config *config, mtev_hash_table *table,
                         struct regex_match *match)
{
    int verdict = 1;
    for (; config != NULL && verdict > 0; config = config->next) {
        const char *value = table == NULL ? NULL : mtev_hash_dict_get(table, config->key);
        value = value == NULL ? "" : value;
        verdict = matches(config->value, value, strlen(value), match);
    }
    return verdict;
}

/* Returns 1 if all conditions hold, 0 if one does not, or -errno: that could not be found out. */
static int applies(const struct acl_conditions *when, const struct acl_question *question,
                   struct regex_match *match)
{
    if (when->has_network && !network_contains(&when->network, question->remote))
        return 0;
    int verdict = matches(when->url, question->path, question->path_len, match);
    if (verdict > 0)
        verdict = matches(when->cn, question->cn, strlen(question->cn), match);
    return verdict > 0 ? is_configured(when->configs, question->config, match) : verdict;
}

/* The verdict of an acl whose conditions hold. */
static bool decide(const struct acl *acl, const struct acl_question *question,
                   struct regex_match *match)
{
    size_t i = 0;
    while (i < acl->rules_count) {
        const struct acl_rule *rule = &acl->rules[i];
        int verdict = applies(&rule->when, question, match);
        if (verdict < 0)
            return false;
        if (verdict > 0 && rule->skip_to == 0)
            return rule->is_allowed;
        assert(rule->skip_to == 0 || rule->skip_to > i);
        i = verdict > 0 ? rule->skip_to : i + 1;
    }
    return acl->is_allowed;
}

static bool has_conditions(const struct acl_conditions *when)
{
    return when->has_network || when->url != NULL || when->cn != NULL || when->configs != NULL;
}

enum acl_for_all acl_for_all(const struct acl_policy *policy)
{
    if (policy == NULL || policy->count == 0)
        return ACL_DENY;
    const struct acl *first = &policy->acls[0];
    if (has_conditions(&first->when))
        return ACL_ASK;
    bool is_allowed = first->is_allowed;
    if (first->rules_count > 0) {
        const struct acl_rule *rule = &first->rules[0];
        if (has_conditions(&rule->when) || rule->skip_to != 0)
            return ACL_ASK;
        is_allowed = rule->is_allowed;
    }
    return is_allowed ? ACL_ALLOW : ACL_DENY;
}

static bool ask(const struct acl_policy *policy, const struct acl_question *question,
                struct regex_match *match)
{
    for (size_t i = 0; i < policy->count; i++) {
        int verdict = applies(&policy->acls[i].when, question, match);
        if (verdict != 0)
            return verdict > 0 && decide(&policy->acls[i], question, match);
    }
    return false;
}

bool acl_allows(const struct acl_policy *policy, const struct acl_question *question)
{
    if (policy == NULL || question->remote == NULL)
        return false;
    struct regex_match match = {NULL};
    bool is_allowed = ask(policy, question, &match);
    regex_match_give(&match);
    return is_allowed;
}
