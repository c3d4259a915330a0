/* SPDX-License-Identifier: MIT */
#include "base/alloc.h"

#include <dlfcn.h>
#include <errno.h>
#include <mtev_hooks.h>

mtev_hook_return_t mtev_hook_add_(struct mtev_hook_ **list, const char *name, void (*func)(void),
                                  void *closure)
{
    if (func == NULL) {
        errno = EINVAL;
        return MTEV_HOOK_ABORT;
    }
    struct mtev_hook_ *hook = alloc_bytes(sizeof(*hook)); /* never freed: it may be called */
    if (hook == NULL)
        return MTEV_HOOK_ABORT;
    *hook = (struct mtev_hook_){.name = name, .func = func, .data = closure};
    hook->next = __atomic_load_n(list, __ATOMIC_RELAXED);
    /* release: whoever finds it sees what it holds */
    while (!__atomic_compare_exchange_n(list, &hook->next, hook, true, __ATOMIC_RELEASE,
                                        __ATOMIC_RELAXED))
        ;
    return MTEV_HOOK_CONTINUE;
}

mtev_boolean mtev_hook_find_(const char *symbol, void **found)
{
    if (__atomic_load_n(found, __ATOMIC_RELAXED) != NULL)
        return mtev_true;
    void *address = dlsym(RTLD_DEFAULT, symbol);
    __atomic_store_n(found, address, __ATOMIC_RELAXED); /* all who search find the same */
    return address == NULL ? mtev_false : mtev_true;
}
