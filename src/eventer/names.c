/* SPDX-License-Identifier: MIT */
/*
 * names.c - names of callbacks: for messages, and for <listener type="...">.
 */
#include "base/alloc.h"

#include <eventer/eventer.h>

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

struct name {
    struct name *next;
    eventer_func_t func;
    char *text;                                                         /* owned */
    void (*describe)(char *text, int size, eventer_t e, void *closure); /* NULL: by text alone */
    void *closure;
};

/* Newest first; a few dozen at most, entered at start-up. */
static struct name *names;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static int refuse(int err)
{
    errno = -err;
    return -1;
}

static struct name *name_of(const char *text)
{
    struct name *found = NULL;
    for (struct name *name = names; name != NULL; name = name->next)
        if (strcmp(name->text, text) == 0)
            found = name; /* the last one found was the first one given */
    return found;
}

/* Enter a name; is_new: unless it is known already. */
static int add(const struct name *made, bool is_new)
{
    struct name *name = alloc_bytes(sizeof(*name));
    char *copy = alloc_text(made->text);
    bool is_refused = false;
    if (name != NULL && copy != NULL) {
        *name = *made;
        name->text = copy;
        pthread_mutex_lock(&lock);
        is_refused = is_new && name_of(copy) != NULL;
        name->next = names;
        if (!is_refused)
            names = name;
        pthread_mutex_unlock(&lock);
        if (!is_refused)
            return 0;
    }
    alloc_free(name);
    alloc_free(copy);
    return is_refused ? -EEXIST : -ENOMEM;
}

static const char *fault_of(const char *text, eventer_func_t func)
{
    return text == NULL ? "no name" : func == NULL ? "no function" : NULL;
}

int eventer_name_callback(const char *text, eventer_func_t func)
{
    const char *fault = fault_of(text, func);
    if (fault != NULL) {
        mtevL(eventer_err, "eventer_name_callback: %s\n", fault);
        return refuse(-EINVAL);
    }
    int err = add(&(struct name){.func = func, .text = (char *)(uintptr_t)text}, false);
    return err == 0 ? 0 : refuse(err);
}

int eventer_name_callback_ext(const char *text, eventer_func_t func,
                              void (*describe)(char *text, int size, eventer_t e, void *closure),
                              void *closure)
{
    const char *fault = fault_of(text, func);
    if (fault != NULL) {
        mtevL(eventer_err, "eventer_name_callback_ext: %s\n", fault);
        return refuse(-EINVAL);
    }
    const struct name name = {
        .func = func, .text = (char *)(uintptr_t)text, .describe = describe, .closure = closure};
    int err = add(&name, true);
    return err == 0 ? 0 : refuse(err);
}

eventer_func_t eventer_callback_for_name(const char *text)
{
    if (text == NULL)
        return NULL;
    pthread_mutex_lock(&lock);
    const struct name *name = name_of(text);
    eventer_func_t func = name == NULL ? NULL : name->func;
    pthread_mutex_unlock(&lock);
    return func;
}

/* Texts that are made to be looked at; never used across a yield. */
static _Thread_local char buffer[128];

/* The last name that func was given, or NULL; names are never freed. */
static const struct name *last_name_of(eventer_func_t func)
{
    pthread_mutex_lock(&lock);
    const struct name *name = names;
    while (name != NULL && name->func != func)
        name = name->next;
    pthread_mutex_unlock(&lock);
    return name;
}

const char *eventer_name_for_callback(eventer_func_t func)
{
    const struct name *name = last_name_of(func);
    if (name != NULL)
        return name->text;
    Dl_info info;
    void *address = (void *)(uintptr_t)func;
    if (dladdr(address, &info) != 0 && info.dli_sname != NULL)
        snprintf(buffer, sizeof(buffer), "%s", info.dli_sname);
    else
        snprintf(buffer, sizeof(buffer), "%p", address);
    return buffer;
}

const char *eventer_name_for_callback_e(eventer_func_t func, eventer_t e)
{
    const struct name *name = last_name_of(func);
    if (name == NULL || name->describe == NULL || e == NULL)
        return eventer_name_for_callback(func);
    snprintf(buffer, sizeof(buffer), "%s", name->text);
    name->describe(buffer, (int)sizeof(buffer), e, name->closure);
    buffer[sizeof(buffer) - 1] = '\0'; /* whatever describe() did */
    return buffer;
}
