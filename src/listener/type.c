/* SPDX-License-Identifier: MIT */
#include "listener/type.h"

#include "base/alloc.h"
#include "listener/listener.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

static struct listener_type *types; /* newest first */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static struct listener_type *find(const char *name)
{
    struct listener_type *type = types;
    while (type != NULL && (type->name == NULL || strcmp(type->name, name) != 0))
        type = type->next;
    return type;
}

int type_add(const char *name, const struct listener_type *wanted)
{
    struct listener_type *type = alloc_bytes(sizeof(*type));
    char *copy = alloc_text(name);
    if (type == NULL || copy == NULL) {
        alloc_free(type);
        alloc_free(copy);
        return -ENOMEM;
    }
    *type = *wanted;
    type->name = copy;
    pthread_mutex_lock(&lock);
    int err = find(name) != NULL ? -EEXIST : 0;
    if (err == 0) {
        type->next = types;
        types = type;
    }
    pthread_mutex_unlock(&lock);
    if (err != 0) {
        alloc_free(copy);
        alloc_free(type);
    }
    return err;
}

int type_find(const char *name, const struct listener_type **out)
{
    eventer_func_t callback = eventer_callback_for_name(name);
    int err = callback == NULL ? 0 : type_add(name, &(struct listener_type){.callback = callback});
    if (err == -ENOMEM)
        return err;
    pthread_mutex_lock(&lock);
    struct listener_type *type = find(name);
    if (type != NULL && callback != NULL) /* from now on, for all */
        atomic_store(&type->callback, callback);
    pthread_mutex_unlock(&lock);
    if (type == NULL)
        return -ENOENT;
    *out = type;
    return 0;
}

int type_of_function(eventer_func_t callback, void (*coroutine)(void),
                     const struct listener_type **out)
{
    int err = 0;
    pthread_mutex_lock(&lock);
    struct listener_type *type = types;
    while (type != NULL && (type->name != NULL || type->coroutine != coroutine ||
                            atomic_load(&type->callback) != callback))
        type = type->next;
    if (type == NULL) {
        type = alloc_zeroed(1, sizeof(*type));
        if (type == NULL) {
            err = -ENOMEM;
        } else {
            atomic_init(&type->callback, callback);
            type->coroutine = coroutine;
            type->next = types;
            types = type;
        }
    }
    pthread_mutex_unlock(&lock);
    if (err == 0)
        *out = type;
    return err;
}

int listener_register_type(const char *name, void (*accepted)(eventer_t e, void *context),
                           void *context)
{
    return type_add(name, &(struct listener_type){.accepted = accepted, .context = context});
}

int type_name_for(const char *name, const char *protocol, size_t len,
                  char out[static TYPE_NAME_LEN_MAX + 1])
{
    int total = snprintf(out, TYPE_NAME_LEN_MAX + 1, "%s/alpn:%.*s", name, (int)len, protocol);
    return total < 0 || total > TYPE_NAME_LEN_MAX ? -EINVAL : 0;
}

int listener_register_protocol(const char *name, const char *protocol,
                               bool (*is_wanted)(const mtev_acceptor_closure_t *ac),
                               void (*accepted)(eventer_t e, void *context), void *context)
{
    char full[TYPE_NAME_LEN_MAX + 1];
    const struct listener_type type = {
        .accepted = accepted, .context = context, .is_wanted = is_wanted};
    int err = type_name_for(name, protocol, strlen(protocol), full);
    return err != 0 ? err : type_add(full, &type);
}

int listener_set_refusal(const char *name, const char *text)
{
    pthread_mutex_lock(&lock);
    struct listener_type *type = find(name);
    if (type != NULL)
        atomic_store(&type->refusal, text);
    pthread_mutex_unlock(&lock);
    return type == NULL ? -ENOENT : 0;
}

void mtev_listener_register_aco_function(const char *name, void (*func)(void))
{
    int err = name == NULL || func == NULL
                  ? -EINVAL
                  : type_add(name, &(struct listener_type){.coroutine = func});
    if (err != 0)
        mtevL(mtev_error, "mtev_listener_register_aco_function: %s: %s\n",
              name == NULL ? "(null)" : name,
              err == -EEXIST ? "there is a type of that name" : strerror(-err));
}
