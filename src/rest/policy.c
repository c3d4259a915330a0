/* SPDX-License-Identifier: MIT */
/*
 * policy.c - the access control that is in force.
 *
 * Loops read it without a lock, in a section of base/smr.h; a policy that was replaced is freed
 * when nobody reads it any more.
 */
#include "rest/acl_impl.h"
#include "rest/rest.h"

#include "base/smr.h"
#include "log/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

static _Atomic(struct acl_policy *) in_force;               /* NULL: everybody is denied */
static _Atomic int verdict_for_all;                         /* enum acl_for_all of in_force */
static pthread_mutex_t loading = PTHREAD_MUTEX_INITIALIZER; /* of what is below, and of loads */
static bool has_begun;

static void end_policy(ck_epoch_entry_t *end)
{
    acl_policy_free((struct acl_policy *)end); /* its first member */
}

/* With the lock: put policy (taken; NULL: deny everybody) in force. */
static void put_in_force(struct acl_policy *policy)
{
    if (policy != NULL && policy->count == 0)
        mtevL(mtev_notice, "rest: no <acl> in <rest>: rules that are not open deny everybody\n");
    /* release: pairs with the acquire of those who ask */
    struct acl_policy *former = atomic_exchange_explicit(&in_force, policy, memory_order_acq_rel);
    atomic_store_explicit(&verdict_for_all, acl_for_all(policy), memory_order_release);
    if (former != NULL)
        smr_defer(&former->end, end_policy, sizeof(*former));
    has_begun = true;
}

int rest_acl_load(void)
{
    struct acl_policy *policy = NULL;
    size_t faults = 0;

    pthread_mutex_lock(&loading);
    int err = acl_compile(&policy, &faults);
    if (err != 0)
        mtevL(mtev_error, "rest: no memory for <acl>: it denies everybody\n");
    put_in_force(policy);
    pthread_mutex_unlock(&loading);
    smr_collect();
    return err == 0 && faults > 0 ? -EINVAL : err;
}

int rest_acl_reload(void)
{
    struct acl_policy *policy = NULL;
    size_t faults = 0;
    int err = 0;

    pthread_mutex_lock(&loading);
    if (has_begun)
        err = acl_compile(&policy, &faults);
    if (err != 0)
        mtevL(mtev_error, "rest: no memory for <acl>\n");
    if (faults > 0) {
        acl_policy_free(policy);
        err = -EINVAL;
    } else if (policy != NULL) {
        put_in_force(policy);
    }
    pthread_mutex_unlock(&loading);
    smr_collect();
    return err;
}

bool rest_acl_allows(const struct acl_question *question)
{
    int known = atomic_load_explicit(&verdict_for_all, memory_order_acquire);
    if (known != ACL_ASK)
        return known == ACL_ALLOW && question->remote != NULL;
    smr_begin();
    bool is_allowed = acl_allows(atomic_load_explicit(&in_force, memory_order_acquire), question);
    smr_end();
    return is_allowed;
}

mtev_boolean mtev_http_rest_client_cert_auth(mtev_http_rest_closure_t *restc, int npats,
                                             char **pats)
{
    const char *path = mtev_http_request_uri_str(mtev_http_session_request(restc->http_ctx));
    const struct acl_question question = {
        .path = path,
        .path_len = strlen(path),
        .remote = mtev_acceptor_closure_remote(restc->ac),
        .cn = restc->remote_cn == NULL ? "" : restc->remote_cn,
        .config = mtev_acceptor_closure_config(restc->ac),
    };
    return rest_acl_allows(&question) ? mtev_true : mtev_false;
}
