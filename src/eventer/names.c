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
    char *text; /* owned */
};

/* Newest first; a few dozen at most, entered at start-up. */
static struct name *names;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

int eventer_name_callback(const char *text, eventer_func_t func)
{
    if (text == NULL || func == NULL) {
        mtevL(mtev_error, "eventer_name_callback: %s\n", text == NULL ? "no name" : "no function");
        errno = EINVAL;
        return -1;
    }
    struct name *name = alloc_zeroed(1, sizeof(*name));
    char *copy = alloc_text(text);
    if (name == NULL || copy == NULL) {
        alloc_free(name);
        alloc_free(copy);
        errno = ENOMEM;
        return -1;
    }
    name->func = func;
    name->text = copy;
    pthread_mutex_lock(&lock);
    name->next = names;
    names = name;
    pthread_mutex_unlock(&lock);
    return 0;
}

eventer_func_t eventer_callback_for_name(const char *text)
{
    eventer_func_t func = NULL;
    if (text == NULL)
        return NULL;
    pthread_mutex_lock(&lock);
    for (struct name *name = names; name != NULL; name = name->next)
        if (strcmp(name->text, text) == 0)
            func = name->func; /* the last one found was the first one given */
    pthread_mutex_unlock(&lock);
    return func;
}

const char *eventer_name_for_callback(eventer_func_t func)
{
    static _Thread_local char
        buffer[64]; /* for a symbol or an address; never used across a yield */
    const char *text = NULL;
    pthread_mutex_lock(&lock);
    for (struct name *name = names; name != NULL && text == NULL; name = name->next)
        if (name->func == func)
            text = name->text; /* names are never freed */
    pthread_mutex_unlock(&lock);
    if (text != NULL)
        return text;

    Dl_info info;
    void *address = (void *)(uintptr_t)func;
    if (dladdr(address, &info) != 0 && info.dli_sname != NULL)
        snprintf(buffer, sizeof(buffer), "%s", info.dli_sname);
    else
        snprintf(buffer, sizeof(buffer), "%p", address);
    return buffer;
}
