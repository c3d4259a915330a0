/* SPDX-License-Identifier: MIT */
/*
 * acl_compile.c - from the elements of the configuration to what can be asked.
 *
 * A condition that is not understood cannot just be left out: a rule without it holds for more
 * requests, and one that never held would let a <rule type="deny"> deny nobody.  So it is a fault.
 */
#include "rest/acl_impl.h"

#include "base/alloc.h"
#include "conf/conf.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define LISTENER   CONF_ATTRIBUTE("listener_") /* and a key of the <config> of a listener */
#define KNOWN_ACL  " type url cn ip require_env id "
#define KNOWN_RULE KNOWN_ACL "name skipto "
/* The last attribute that is not in a list. */
#define UNKNOWN(known)                                                                             \
    "@*[not(contains('" known "', concat(' ', name(), ' ')) or starts-with(name(), '" LISTENER     \
    "'))]"

#define KEY_LEN_MAX 255 /* of a key of <config> */
#define PATH_SIZE   (sizeof("@" LISTENER) + KEY_LEN_MAX)

/* Fill *out with the value that path finds, or leave it NULL.  Returns 0, -EINVAL or -ENOMEM. */
static int get_optional(mtev_conf_section_t section, const char *path, char **out)
{
    int err = conf_get_text(section, path, out);
    return err == -ENOENT ? 0 : err;
}

/* Compile the text that path finds.  Returns 0, or -EINVAL (logged) or -ENOMEM. */
static int compile_text(mtev_conf_section_t section, const char *path, const char *text,
                        struct regex **out)
{
    char reason[REGEX_REASON_SIZE] = "matches everything: leave it out to say so";
    int err = text[0] == '\0' ? -EINVAL : regex_compile(text, reason, out);
    if (err == -EINVAL)
        conf_value_error(section, path, "%s", reason);
    return err;
}

static int compile_expression(mtev_conf_section_t section, const char *path, struct regex **out)
{
    char *text = NULL;
    int err = get_optional(section, path, &text);
    if (err == 0 && text != NULL)
        err = compile_text(section, path, text, out);
    alloc_free(text);
    return err;
}

struct configs {
    mtev_conf_section_t section;
    struct acl_conditions *when;
};

/* What is made belongs to the conditions at once, also half made. */
static int compile_config(void *closure, const char *name, const char *value)
{
    char path[PATH_SIZE];
    const struct configs *configs = closure;
    const char *key = name + strlen(LISTENER);
    if (key[0] == '\0' || strlen(key) > KEY_LEN_MAX) {
        conf_error(configs->section, "%.80s: what follows \"" LISTENER "\" is no key of <config>",
                   name);
        return -EINVAL;
    }
    struct acl_config *config = alloc_zeroed(1, sizeof(*config) + strlen(key) + 1);
    if (config == NULL)
        return -ENOMEM;
    memcpy(config->key, key, strlen(key) + 1);
    config->next = configs->when->configs;
    configs->when->configs = config;
    snprintf(path, sizeof(path), "@%s", name);
    return compile_text(configs->section, path, value, &config->value);
}

static int compile_network(mtev_conf_section_t section, struct acl_conditions *when)
{
    char *text = NULL;
    int err = get_optional(section, "@ip", &text);
    if (err != 0 || text == NULL)
        return err;
    err = network_parse(text, &when->network);
    if (err == 0)
        when->has_network = true;
    else
        conf_value_error(section, "@ip", "neither an address nor a block of them");
    alloc_free(text);
    return err;
}

/* Read what <acl> and <rule> have in common; unknown finds attributes that they do not have. */
static int compile_common(mtev_conf_section_t section, const char *unknown,
                          struct acl_conditions *when, bool *is_allowed)
{
    char *text = NULL;
    int err = get_optional(section, unknown, &text);
    if (err == 0 && text != NULL) {
        conf_value_error(section, unknown,
                         "not a condition that can be checked (url, ip, cn, listener_KEY)");
        err = -EINVAL;
    }
    alloc_free(text);
    text = NULL;
    if (err == 0)
        err = get_optional(section, "@type", &text);
    if (err == 0 && text != NULL && strcmp(text, "allow") != 0 && strcmp(text, "deny") != 0) {
        conf_value_error(section, "@type", "neither allow nor deny");
        err = -EINVAL;
    }
    if (err == 0) {
        *is_allowed = text != NULL && strcmp(text, "allow") == 0;
        err = compile_expression(section, "@url", &when->url);
    }
    alloc_free(text);
    if (err == 0)
        err = compile_expression(section, "@cn", &when->cn);
    if (err == 0)
        err = conf_each_attribute(section, LISTENER, compile_config,
                                  &(struct configs){section, when});
    return err == 0 ? compile_network(section, when) : err;
}

/* Find the rule behind the one at index that has the name it skips to, if it does. */
static int compile_skip(const mtev_conf_section_t *sections, size_t count, size_t index,
                        struct acl_rule *rule)
{
    char *wanted = NULL;
    int err = get_optional(sections[index], "@skipto", &wanted);
    if (err != 0 || wanted == NULL)
        return err;
    for (size_t i = index + 1; i < count && err == 0 && rule->skip_to == 0; i++) {
        char *name = NULL;
        err = get_optional(sections[i], "@name", &name);
        if (name != NULL && strcmp(name, wanted) == 0)
            rule->skip_to = i;
        alloc_free(name);
    }
    if (err == 0 && rule->skip_to == 0) {
        conf_value_error(sections[index], "@skipto", "no <rule> behind this one has that name");
        err = -EINVAL;
    }
    alloc_free(wanted);
    return err;
}

static int compile_rules(mtev_conf_section_t section, struct acl *acl)
{
    char *text = NULL;
    int count = 0;
    int err = 0;
    mtev_conf_section_t *sections = mtev_conf_get_sections_read(section, "rule", &count);
    if (sections == NULL) { /* none, or no memory to list them: only one of them is harmless */
        err = get_optional(section, "rule", &text);
        if (err == 0 && text != NULL)
            err = -ENOMEM;
        alloc_free(text);
        return err;
    }
    acl->rules = alloc_zeroed((size_t)count, sizeof(*acl->rules));
    if (acl->rules == NULL) {
        err = -ENOMEM;
        goto fail_sections;
    }
    acl->rules_count = (size_t)count;
    for (size_t i = 0; i < acl->rules_count && err == 0; i++) {
        struct acl_rule *rule = &acl->rules[i];
        err = compile_common(sections[i], UNKNOWN(KNOWN_RULE), &rule->when, &rule->is_allowed);
        if (err == 0)
            err = compile_skip(sections, acl->rules_count, i, rule);
    }
fail_sections:
    mtev_conf_release_sections_read(sections, count);
    return err;
}

static int compile_acl(mtev_conf_section_t section, struct acl *acl)
{
    char *text = NULL;
    int err = get_optional(section, "*[name() != 'rule']", &text);
    if (err == 0 && text != NULL) {
        conf_error(section, "<acl> has an element that is no <rule>");
        err = -EINVAL;
    }
    alloc_free(text);
    if (err == 0)
        err = compile_common(section, UNKNOWN(KNOWN_ACL), &acl->when, &acl->is_allowed);
    return err == 0 ? compile_rules(section, acl) : err;
}

/* Take everything away from an acl that has a fault: no conditions, no rules, deny. */
static void close_acl(struct acl *acl)
{
    acl_conditions_fini(&acl->when);
    for (size_t i = 0; i < acl->rules_count; i++)
        acl_conditions_fini(&acl->rules[i].when);
    alloc_free(acl->rules);
    *acl = (struct acl){0};
}

int acl_compile(struct acl_policy **out, size_t *ret_faults)
{
    int count = 0;
    int err = 0;
    size_t faults = 0;
    mtev_conf_section_t *sections =
        mtev_conf_get_sections_read(MTEV_CONF_ROOT, CONF_BLOCK("rest") "//acl", &count);
    struct acl_policy *policy =
        alloc_zeroed(1, sizeof(*policy) + (size_t)count * sizeof(policy->acls[0]));
    if (policy == NULL)
        err = -ENOMEM;
    for (int i = 0; i < count && err == 0; i++) {
        err = compile_acl(sections[i], &policy->acls[i]);
        policy->count = (size_t)i + 1;
        if (err == -EINVAL) {
            close_acl(&policy->acls[i]);
            faults++;
            err = 0;
        }
    }
    mtev_conf_release_sections_read(sections, count);
    if (err != 0) {
        acl_policy_free(policy);
        return err;
    }
    *out = policy;
    *ret_faults = faults;
    return 0;
}
