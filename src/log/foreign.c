/* SPDX-License-Identifier: MIT */
/*
 * Outlets that are functions of the program's own: mtev_register_logops().
 */
#include "log/foreign_impl.h"

#include "base/alloc.h"

#include <errno.h>
#include <string.h>

struct foreign { /* a type; never freed */
    struct outlet_ops ops;
    const logops_t *functions;
    struct foreign *next;
};

static _Atomic(struct foreign *) types;

static const logops_t *functions_of(const struct outlet *o)
{
    return ((const struct foreign *)(const void *)o->ops)->functions;
}

static int open_foreign(struct outlet *o, int *ret_fd)
{
    const logops_t *functions = functions_of(o);
    (void)ret_fd;
    errno = 0;
    if (functions->openop == NULL || functions->openop(o->target) == 0)
        return 0;
    return errno != 0 ? -errno : -EIO;
}

static int say_foreign(struct outlet *o, const struct log_line *line, const char *text, size_t len)
{
    const logops_t *functions = functions_of(o);
    const struct iovec piece = {(void *)(uintptr_t)text, len};
    int result = -1;
    pthread_mutex_lock(&o->lock); /* one line at a time */
    if (functions->writeop != NULL)
        result = functions->writeop(o->target, &line->when, text, len);
    else if (functions->writevop != NULL)
        result = functions->writevop(o->target, &line->when, &piece, 1);
    pthread_mutex_unlock(&o->lock);
    if (result >= 0)
        atomic_fetch_add_explicit(&o->written, len, memory_order_relaxed);
    else
        atomic_fetch_add_explicit(&o->lost, 1, memory_order_relaxed);
    return result >= 0 ? 0 : -EIO;
}

static void close_foreign(struct outlet *o)
{
    const logops_t *functions = functions_of(o);
    if (functions->closeop != NULL)
        functions->closeop(o->target);
}

bool foreign_is(const struct outlet_ops *ops)
{
    return ops->say == say_foreign;
}

const struct outlet_ops *foreign_find(const char *type)
{
    /* acquire: pairs with the release below */
    const struct foreign *f = atomic_load_explicit(&types, memory_order_acquire);
    while (f != NULL && strcmp(f->ops.type, type) != 0)
        f = f->next;
    return f == NULL ? NULL : &f->ops;
}

int foreign_reopen(struct outlet *o)
{
    const logops_t *functions = functions_of(o);
    return functions->reopenop == NULL || functions->reopenop(o->target) == 0 ? 0 : -EIO;
}

int foreign_rename(struct outlet *o, const char *name)
{
    const logops_t *functions = functions_of(o);
    if (functions->renameop == NULL)
        return -ENOTSUP;
    return functions->renameop(o->target, name) == 0 ? 0 : -EIO;
}

int foreign_cull(struct outlet *o, int age, ssize_t bytes)
{
    const logops_t *functions = functions_of(o);
    if (functions->cullop == NULL)
        return -ENOTSUP;
    return functions->cullop(o->target, age, bytes) >= 0 ? 0 : -EIO;
}

size_t foreign_size(struct outlet *o)
{
    const logops_t *functions = functions_of(o);
    return functions->sizeop == NULL ? 0 : functions->sizeop(o->target);
}

void mtev_register_logops(const char *name, logops_t *ops)
{
    if (name == NULL || ops == NULL || log_type_is_known(name))
        return;
    struct foreign *f = alloc_zeroed(1, sizeof(*f));
    char *copy = f == NULL ? NULL : alloc_text(name);
    if (copy == NULL) {
        alloc_free(f);
        return;
    }
    f->ops = (struct outlet_ops){
        .type = copy, .open = open_foreign, .say = say_foreign, .close = close_foreign};
    f->functions = ops;
    f->next = atomic_load(&types);
    /* release: who finds it sees what it holds */
    while (!atomic_compare_exchange_weak_explicit(&types, &f->next, f, memory_order_release,
                                                  memory_order_relaxed))
        ;
}
