/* SPDX-License-Identifier: MIT */
/*
 * mountpoint.c - the public calls that make and change rules.
 */
#include "log/log.h"
#include "rest/request_impl.h"

#include <errno.h>

static struct rules process_rules = {.lock = PTHREAD_MUTEX_INITIALIZER};

struct rules *mountpoint_rules(void)
{
    return &process_rules;
}

static const char *shown(const char *text)
{
    return text == NULL ? "(null)" : text;
}

mtev_rest_mountpoint_t *mountpoint_add(const char *const keys[static 3],
                                       const struct mtev_rest_mountpoint *like)
{
    struct mtev_rest_mountpoint *rule = NULL;
    char reason[REGEX_REASON_SIZE] = "an argument is NULL";
    int err = -EINVAL;
    if (keys[0] != NULL && keys[1] != NULL && keys[2] != NULL &&
        atomic_load(&like->handler) != NULL)
        err = rules_add(&process_rules, keys, like, reason, &rule);
    if (err != 0) {
        mtevL(mtev_error, "rest: no rule for %.32s %.256s with %.256s: %s\n", shown(keys[0]),
              shown(keys[1]), shown(keys[2]), err == -EINVAL ? reason : strerrordesc_np(-err));
        errno = -err;
        return NULL;
    }
    return rule;
}

/* mtev_http_rest_new_rule_auth_closure() */
static mtev_rest_mountpoint_t *add(const char *const keys[static 3], rest_request_handler handler,
                                   rest_authorize_func_t auth, void *closure)
{
    const struct mtev_rest_mountpoint like = {.handler = handler, .auth = auth, .closure = closure};
    return mountpoint_add(keys, &like);
}

mtev_rest_mountpoint_t *mtev_http_rest_new_rule(const char *method, const char *base,
                                                const char *expression,
                                                rest_request_handler handler)
{
    const char *const keys[] = {method, base, expression};
    return add(keys, handler, mtev_http_rest_client_cert_auth, NULL);
}

mtev_rest_mountpoint_t *mtev_http_rest_new_rule_auth_closure(const char *method, const char *base,
                                                             const char *expression,
                                                             rest_request_handler handler,
                                                             rest_authorize_func_t auth,
                                                             void *closure)
{
    const char *const keys[] = {method, base, expression};
    return add(keys, handler, auth, closure);
}

int mtev_http_rest_register(const char *method, const char *base, const char *expression,
                            rest_request_handler handler)
{
    const char *const keys[] = {method, base, expression};
    return add(keys, handler, mtev_http_rest_client_cert_auth, NULL) == NULL ? -1 : 0;
}

int mtev_http_rest_register_closure(const char *method, const char *base, const char *expression,
                                    rest_request_handler handler, void *closure)
{
    const char *const keys[] = {method, base, expression};
    return add(keys, handler, mtev_http_rest_client_cert_auth, closure) == NULL ? -1 : 0;
}

int mtev_http_rest_register_auth(const char *method, const char *base, const char *expression,
                                 rest_request_handler handler, rest_authorize_func_t auth)
{
    const char *const keys[] = {method, base, expression};
    return add(keys, handler, auth, NULL) == NULL ? -1 : 0;
}

int mtev_http_rest_register_auth_closure(const char *method, const char *base,
                                         const char *expression, rest_request_handler handler,
                                         rest_authorize_func_t auth, void *closure)
{
    const char *const keys[] = {method, base, expression};
    return add(keys, handler, auth, closure) == NULL ? -1 : 0;
}

bool mountpoint_is(const mtev_rest_mountpoint_t *rule, const char *caller)
{
    if (rule != NULL)
        return true;
    mtevL(mtev_error, "%s: no rule\n", caller);
    errno = EINVAL;
    return false;
}

void mtev_rest_mountpoint_set_handler(mtev_rest_mountpoint_t *rule, rest_request_handler handler)
{
    if (!mountpoint_is(rule, __func__))
        return;
    if (handler == NULL) {
        mtevL(mtev_error, "%s: no handler\n", __func__);
        errno = EINVAL;
        return;
    }
    atomic_store_explicit(&rule->handler, handler, memory_order_release);
}

void mtev_rest_mountpoint_set_auth(mtev_rest_mountpoint_t *rule, rest_authorize_func_t auth)
{
    if (mountpoint_is(rule, __func__))
        atomic_store_explicit(&rule->auth, auth, memory_order_release);
}

void mtev_rest_mountpoint_set_closure(mtev_rest_mountpoint_t *rule, void *closure)
{
    if (mountpoint_is(rule, __func__))
        atomic_store_explicit(&rule->closure, closure, memory_order_release);
}

void mtev_rest_mountpoint_set_aco(mtev_rest_mountpoint_t *rule, mtev_boolean on)
{
    if (mountpoint_is(rule, __func__))
        atomic_store_explicit(&rule->is_aco, on != mtev_false, memory_order_release);
}
