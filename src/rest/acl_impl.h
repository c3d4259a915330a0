/* SPDX-License-Identifier: MIT */
/*
 * acl_impl.h - who may ask for what: the <acl> elements of the configuration, compiled.
 *
 * Layer: rest.  Any thread; never yields.
 *
 *   policy --the first acl whose conditions all hold--> acl --its first rule whose hold--> verdict
 *      `-- none: deny                                    `-- none: the acl's own type
 *
 * Whatever is not known is denied: no policy, a fault in an acl, an expression that takes too long,
 * a peer without an address.
 */
#ifndef EVENTER_REST_ACL_IMPL_H
#define EVENTER_REST_ACL_IMPL_H

#include "base/network.h"
#include "rest/regex_impl.h"

#include <stdbool.h>
#include <stddef.h>

struct acl_conditions { /* all that are given must hold */
    struct regex *url;  /* NULL: any */
    bool has_network;
    struct network network;
};

struct acl_rule {
    struct acl_conditions when;
    bool is_allowed;
    size_t skip_to; /* index of the rule to go on with; 0: this one decides */
};

struct acl {
    struct acl_conditions when;
    bool is_allowed; /* if no rule decides */
    size_t rules_count;
    struct acl_rule *rules; /* owned */
};

struct acl_policy {
    struct acl_policy *next_retired; /* for policy.c */
    size_t count;
    struct acl acls[];
};

struct acl_question {
    const char *path; /* decoded, without the query */
    size_t path_len;
    const struct sockaddr *remote; /* NULL: not known */
};

/*
 * Compile the <acl> elements of the current configuration.  Gives a policy in *out; the caller owns
 * it.  Each fault is logged, and the acl that has it denies whatever comes to it; then *ret_faults
 * is how many.  Returns 0, or -ENOMEM.
 */
int acl_compile(struct acl_policy **out, size_t *ret_faults);
void acl_policy_free(struct acl_policy *policy);

/* True if the policy (NULL: none) says so. */
bool acl_allows(const struct acl_policy *policy, const struct acl_question *question);

#endif
