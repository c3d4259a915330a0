/* SPDX-License-Identifier: MIT */
#include "rest/acl_impl.h"

#include "base/alloc.h"

#include <assert.h>

static void conditions_fini(struct acl_conditions *when)
{
    regex_free(when->url);
}

void acl_policy_free(struct acl_policy *policy)
{
    for (size_t i = 0; policy != NULL && i < policy->count; i++) {
        struct acl *acl = &policy->acls[i];
        for (size_t j = 0; j < acl->rules_count; j++)
            conditions_fini(&acl->rules[j].when);
        alloc_free(acl->rules);
        conditions_fini(&acl->when);
    }
    alloc_free(policy);
}

/* Returns 1 if all conditions hold, 0 if one does not, or -errno: that could not be found out. */
static int applies(const struct acl_conditions *when, const struct acl_question *question,
                   struct regex_match *match)
{
    if (when->has_network && !network_contains(&when->network, question->remote))
        return 0;
    if (when->url == NULL)
        return 1;
    int found = regex_find(when->url, question->path, question->path_len, match);
    return found > 0 ? 1 : found;
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
    struct regex_match *match = regex_match_take();
    if (match == NULL)
        return false;
    bool is_allowed = ask(policy, question, match);
    regex_match_give(match);
    return is_allowed;
}
