/* SPDX-License-Identifier: MIT */
/*
 * mtev_hooks.h - places where others have functions of theirs called.
 *
 * MTEV_HOOK_PROTO(name, (int fd), void *, closure, (void *closure, int fd)); in a header, and
 * MTEV_HOOK_IMPL(name, (int fd), void *, closure, (void *closure, int fd), (closure, fd)) in one
 * source make
 *   name_hook_register(text, func, closure): have func called with closure (both borrowed for good)
 *     from now on, before those that are there already; text says what it is.  Any thread, at any
 *     time.  MTEV_HOOK_CONTINUE, or MTEV_HOOK_ABORT with EINVAL (no func) or ENOMEM.
 *   name_hook_invoke(fd): call them, the newest first.  MTEV_HOOK_ABORT ends that and is returned;
 *     after a MTEV_HOOK_DONE that is, and otherwise MTEV_HOOK_CONTINUE.
 *   name_hook_exists(): mtev_true if there is any.
 */
#ifndef MTEV_HOOKS_H
#define MTEV_HOOKS_H

#include <mtev_defines.h>
#include <mtev_log.h>

#include <assert.h>
#include <dlfcn.h>

MTEV_BEGIN_DECLS

/* For the macros: a function on the list of a hook, and how it gets there. */
struct mtev_hook_ {
    struct mtev_hook_ *next;
    const char *name;
    void (*func)(void);
    void *data;
};
API_EXPORT(mtev_hook_return_t)
mtev_hook_add_(struct mtev_hook_ **list, const char *name, void (*func)(void), void *closure);

#define MTEV_HOOK_PROTO(hook, proto_without_closure, closure_type, closure, proto)                 \
    mtev_hook_return_t hook##_hook_invoke proto_without_closure;                                   \
    mtev_boolean hook##_hook_exists(void);                                                         \
    mtev_hook_return_t hook##_hook_register(const char *name, mtev_hook_return_t(*func) proto,     \
                                            closure_type closure)

#define MTEV_HOOK_IMPL(hook, proto_without_closure, closure_type, closure, proto, arguments)       \
    static struct mtev_hook_ *hook##_hook_list_;                                                   \
    mtev_hook_return_t hook##_hook_invoke proto_without_closure                                    \
    {                                                                                              \
        mtev_hook_return_t result_ = MTEV_HOOK_CONTINUE;                                           \
        struct mtev_hook_ *at_ = __atomic_load_n(&hook##_hook_list_, __ATOMIC_ACQUIRE);            \
        for (; at_ != NULL && result_ != MTEV_HOOK_ABORT; at_ = at_->next) {                       \
            closure_type closure = (closure_type)at_->data;                                        \
            mtev_hook_return_t(*func_) proto = (mtev_hook_return_t(*) proto)at_->func;             \
            mtev_hook_return_t this_ = func_ arguments;                                            \
            if (this_ != MTEV_HOOK_CONTINUE)                                                       \
                result_ = this_;                                                                   \
        }                                                                                          \
        return result_;                                                                            \
    }                                                                                              \
    mtev_boolean hook##_hook_exists(void)                                                          \
    {                                                                                              \
        return __atomic_load_n(&hook##_hook_list_, __ATOMIC_RELAXED) != NULL ? mtev_true           \
                                                                             : mtev_false;         \
    }                                                                                              \
    mtev_hook_return_t hook##_hook_register(const char *name, mtev_hook_return_t(*func) proto,     \
                                            closure_type closure)                                  \
    {                                                                                              \
        return mtev_hook_add_(&hook##_hook_list_, name, (void (*)(void))func, (void *)closure);    \
    }

/*
 * What a module offers, which may not be loaded (mtev_dso.h), is looked for when it is needed.
 * MTEV_RUNTIME_RESOLVE(api, symbol, type, (int fd), (fd)) makes an inline function "type api(int
 * fd)" that calls the function symbol, wherever that is; where it is nowhere, the process ends with
 * a line, as by mtevFatal().  MTEV_RUNTIME_AVAIL(api, symbol) makes api_available(): mtev_true if
 * it is somewhere.  Cost: a search of all symbols until it is found, and then one load.
 */
#define MTEV_RUNTIME_RESOLVE(api, symbol, type, parameters, arguments)                             \
    static inline type api parameters                                                              \
    {                                                                                              \
        static void *found_;                                                                       \
        type(*func_) parameters;                                                                   \
        if (mtev_hook_find_(#symbol, &found_) == mtev_false)                                       \
            mtevFatal(mtev_error, "%s: no module that is loaded has it\n", #symbol);               \
        memcpy(&func_, &found_, sizeof(func_));                                                    \
        return func_ arguments;                                                                    \
    }
#define MTEV_RUNTIME_AVAIL(api, symbol)                                                            \
    static inline mtev_boolean api##_available(void)                                               \
    {                                                                                              \
        static void *found_;                                                                       \
        return mtev_hook_find_(#symbol, &found_);                                                  \
    }

/* For these: find symbol, unless *found is not NULL; mtev_false: it is nowhere.  Any thread. */
API_EXPORT(mtev_boolean) mtev_hook_find_(const char *symbol, void **found);

MTEV_END_DECLS

#endif
