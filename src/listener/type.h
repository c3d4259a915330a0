/* SPDX-License-Identifier: MIT */
/*
 * type.h - what listeners do with their connections, by name.
 *
 * Layer: listener.  Any thread.  A type is kept for good.
 */
#ifndef EVENTER_LISTENER_TYPE_H
#define EVENTER_LISTENER_TYPE_H

#include <mtev_listener.h>

#include <stdbool.h>

#define TYPE_NAME_LEN_MAX 519 /* of a type for a protocol, as long as ALPN has one */

struct listener_type {
    struct listener_type *next;
    char *name;                       /* owned; NULL: a program's own listener */
    void (*coroutine)(void);          /* one of these three is set */
    _Atomic(eventer_func_t) callback; /* goes first if it is; see type_find() */
    void (*accepted)(eventer_t e, void *context);
    void *context;
    bool (*is_wanted)(const mtev_acceptor_closure_t *ac); /* of a protocol above TLS; or NULL */
    const char *_Atomic refusal; /* what who finds the listener full is sent; NULL: nothing */
};

/* Enter a type called name.  0, -EEXIST or -ENOMEM. */
int type_add(const char *name, const struct listener_type *wanted);

/* Give the type called name: a named callback goes first.  0, -ENOENT or -ENOMEM. */
int type_find(const char *name, const struct listener_type **out);

/*
 * Write the name of the type that connections of "name" become when they agree on protocol (len
 * bytes).  0, or -EINVAL: it is too long.
 */
int type_name_for(const char *name, const char *protocol, size_t len,
                  char out[static TYPE_NAME_LEN_MAX + 1]);

/* Give the type without a name that has this callback or this coroutine.  0 or -ENOMEM. */
int type_of_function(eventer_func_t callback, void (*coroutine)(void),
                     const struct listener_type **out);

#endif
