/* SPDX-License-Identifier: MIT */
/*
 * type.h - what listeners do with their connections, by name.
 *
 * Layer: listener.  Any thread.  A type is kept for good.
 */
#ifndef EVENTER_LISTENER_TYPE_H
#define EVENTER_LISTENER_TYPE_H

#include <eventer/eventer.h>

struct listener_type {
    struct listener_type *next;
    char *name;                       /* owned; NULL: a program's own listener */
    void (*coroutine)(void);          /* one of these three is set */
    _Atomic(eventer_func_t) callback; /* goes first if it is; see type_find() */
    void (*accepted)(eventer_t e, void *context);
    void *context;
    const char *_Atomic refusal; /* what who finds the listener full is sent; NULL: nothing */
};

/* Enter a type called name.  0, -EEXIST or -ENOMEM. */
int type_add(const char *name, const struct listener_type *wanted);

/* Give the type called name: a named callback goes first.  0, -ENOENT or -ENOMEM. */
int type_find(const char *name, const struct listener_type **out);

/* Give the type without a name that has this callback or this coroutine.  0 or -ENOMEM. */
int type_of_function(eventer_func_t callback, void (*coroutine)(void),
                     const struct listener_type **out);

#endif
