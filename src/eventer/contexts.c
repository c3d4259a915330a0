/* SPDX-License-Identifier: MIT */
/*
 * contexts.c - what others keep with each event, and do around its callback.
 *
 * The slots of an event are behind it, as many as there were contexts when it was made: a program
 * that registers none pays for none.
 */
#include "base/alloc.h"
#include "eventer/event.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>

static const eventer_context_opset_t *opsets[EVENTER_CONTEXTS_MAX]; /* set once, before the count */
static _Atomic unsigned context_count;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static_assert(EVENTER_CONTEXTS_MAX <= UINT8_MAX, "an event counts its contexts in a byte");

int eventer_register_context(const char *name, const eventer_context_opset_t *opset)
{
    if (name == NULL || opset == NULL) {
        mtevL(eventer_err, "eventer_register_context: %s\n", name == NULL ? "no name" : "no opset");
        errno = EINVAL;
        return -1;
    }
    pthread_mutex_lock(&lock);
    unsigned index = atomic_load_explicit(&context_count, memory_order_relaxed);
    if (index < EVENTER_CONTEXTS_MAX) {
        opsets[index] = opset;
        /* release: whoever counts it sees its opset */
        atomic_store_explicit(&context_count, index + 1, memory_order_release);
    }
    pthread_mutex_unlock(&lock);
    if (index < EVENTER_CONTEXTS_MAX)
        return (int)index;
    mtevL(eventer_err, "eventer_register_context: %s: there are %d already\n", name,
          EVENTER_CONTEXTS_MAX);
    errno = ENOSPC;
    return -1;
}

uint8_t contexts_count(void)
{
    return (uint8_t)atomic_load_explicit(&context_count, memory_order_acquire);
}

void contexts_init(eventer_t e)
{
    for (unsigned i = 0; i < e->context_count; i++)
        if (opsets[i]->eventer_t_init != NULL)
            opsets[i]->eventer_t_init(e);
}

void contexts_deinit(eventer_t e)
{
    for (unsigned i = 0; i < e->context_count; i++)
        if (opsets[i]->eventer_t_deinit != NULL)
            opsets[i]->eventer_t_deinit(e);
}

void contexts_copy(eventer_t e, eventer_t src)
{
    for (unsigned i = 0; i < e->context_count; i++)
        if (opsets[i]->eventer_t_copy != NULL)
            opsets[i]->eventer_t_copy(e, src);
}

void contexts_prepare(eventer_t e, int mask, void *closure, struct timeval *now)
{
    for (unsigned i = 0; i < e->context_count; i++)
        if (opsets[i]->eventer_t_callback_prep != NULL)
            opsets[i]->eventer_t_callback_prep(e, mask, closure, now);
}

void contexts_clean_up(eventer_t e, int mask)
{
    for (unsigned i = e->context_count; i > 0; i--)
        if (opsets[i - 1]->eventer_t_callback_cleanup != NULL)
            opsets[i - 1]->eventer_t_callback_cleanup(e, mask);
}

static bool has_context(const char *call, eventer_t e, int index)
{
    if (index >= 0 && index < e->context_count)
        return true;
    event_complain(call, e, EINVAL, "it was made before that context was registered");
    return false;
}

void *eventer_get_context(eventer_t e, int index)
{
    return has_context("eventer_get_context", e, index) ? e->contexts[index] : NULL;
}

void *eventer_set_context(eventer_t e, int index, void *data)
{
    if (!has_context("eventer_set_context", e, index))
        return NULL;
    void *old = e->contexts[index];
    e->contexts[index] = data;
    return old;
}
