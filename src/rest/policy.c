/* SPDX-License-Identifier: MIT */
/*
 * policy.c - the access control that is in force.
 *
 * Loops read it without a lock, at any moment.  A policy that was replaced is therefore kept until
 * the process ends: a reload, which an operator asks for, costs the size of the former <rest> part
 * (at most that of a configuration file), and a request costs no counter that all loops share.
 */
#include "rest/acl_impl.h"
#include "rest/rest.h"

#include "log/log.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

static _Atomic(struct acl_policy *) in_force; /* NULL: everybody is denied */
static struct acl_policy *retired;
static pthread_mutex_t loading = PTHREAD_MUTEX_INITIALIZER;

int rest_acl_load(void)
{
    struct acl_policy *policy = NULL;
    size_t faults = 0;

    pthread_mutex_lock(&loading);
    int err = acl_compile(&policy, &faults);
    if (err != 0)
        mtevL(mtev_error, "rest: no memory for <acl>: it denies everybody\n");
    else if (policy->count == 0)
        mtevL(mtev_notice, "rest: no <acl> in <rest>: rules that are not open deny everybody\n");
    /* release: pairs with the acquire of those who ask */
    struct acl_policy *former = atomic_exchange_explicit(&in_force, policy, memory_order_acq_rel);
    if (former != NULL) {
        former->next_retired = retired;
        retired = former;
    }
    pthread_mutex_unlock(&loading);
    return err == 0 && faults > 0 ? -EINVAL : err;
}

mtev_boolean mtev_http_rest_client_cert_auth(mtev_http_rest_closure_t *restc, int npats,
                                             char **pats)
{
    const char *path = mtev_http_request_uri_str(mtev_http_session_request(restc->http_ctx));
    const struct acl_question question = {
        .path = path,
        .path_len = strlen(path),
        .remote = mtev_acceptor_closure_remote(restc->ac),
    };
    const struct acl_policy *policy = atomic_load_explicit(&in_force, memory_order_acquire);
    return acl_allows(policy, &question) ? mtev_true : mtev_false;
}
