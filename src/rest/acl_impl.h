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

#include <ck_epoch.h>
#include <mtev_hash.h>
#include <stdbool.h>
#include <stddef.h>

struct acl_config { /* a condition on what a listener has in <config> */
    struct acl_config *next;
    struct regex *value;
    char key[];
};

struct acl_conditions {         /* all that are given must hold */
    struct regex *url;          /* NULL: any */
    struct regex *cn;           /* NULL: any */
    struct acl_config *configs; /* owned */
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
    ck_epoch_entry_t end; /* for policy.c */
    size_t count;
    struct acl acls[];
};

struct acl_question {
    const char *path; /* decoded, without the query */
    size_t path_len;
    const struct sockaddr *remote; /* NULL: not known */
    const char *cn;                /* of the peer's certificate; "": it has shown none */
    mtev_hash_table *config;       /* of the listener; NULL: none, all in it is "" */
};

/*
 * Compile the <acl> elements of the current configuration.  Gives a policy in *out; the caller owns
 * it.  Each fault is logged, and the acl that has it denies whatever comes to it; then *ret_faults
 * is how many.  Returns 0, or -ENOMEM.
 */
int acl_compile(struct acl_policy **out, size_t *ret_faults);
void acl_policy_free(struct acl_policy *policy);

/* Free what the conditions own; they may be half made. */
void acl_conditions_fini(struct acl_conditions *when);

/* What a policy (NULL: none) says to everybody with an address, whatever they ask for. */
enum acl_for_all {
    ACL_DENY = 0,
    ACL_ALLOW,
    ACL_ASK /* it depends */
};
enum acl_for_all acl_for_all(const struct acl_policy *policy);

/* True if the policy (NULL: none) says so; or the one that is in force. */
bool acl_allows(const struct acl_policy *policy, const struct acl_question *question);
bool rest_acl_allows(const struct acl_question *question);

#endif
