/* SPDX-License-Identifier: MIT */
#include "base/thread.h"

#include <assert.h>
#include <errno.h>
#include <mtev_thread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

static_assert(MTEV_THREAD_NAME_MAX == THREAD_NAME_SIZE - 1, "as the header promises");

int mtev_thread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *arg),
                       void *arg)
{
    return thread_ops.create(thread, attr, run, arg);
}

void mtev_thread_init(void)
{
}

void mtev_thread_setname(const char *name)
{
    thread_set_name(name);
}

void mtev_thread_setnamef(const char *format, ...)
{
    char name[THREAD_NAME_SIZE];
    va_list args;
    va_start(args, format);
    vsnprintf(name, sizeof(name), format, args);
    va_end(args);
    thread_set_name(name);
}

const char *mtev_thread_getname(void)
{
    return thread_name();
}

uint32_t mtev_thread_id(void)
{
    return (uint32_t)gettid();
}

/* Where the thread was before it was bound; of the thread, since only it asks. */
static _Thread_local cpu_set_t before;
static _Thread_local bool is_bound;

mtev_boolean mtev_thread_bind_to_cpu(int cpu)
{
    cpu_set_t was, one;
    CPU_ZERO(&one);
    if (cpu < 0 || cpu >= CPU_SETSIZE) {
        errno = EINVAL;
        return mtev_false;
    }
    CPU_SET((size_t)cpu, &one);
    if (sched_getaffinity(0, sizeof(was), &was) != 0 ||
        sched_setaffinity(0, sizeof(one), &one) != 0)
        return mtev_false;
    if (!is_bound)
        before = was;
    is_bound = true;
    return mtev_true;
}

mtev_boolean mtev_thread_unbind_from_cpu(void)
{
    if (is_bound && sched_setaffinity(0, sizeof(before), &before) != 0)
        return mtev_false;
    is_bound = false;
    return mtev_true;
}

mtev_boolean mtev_thread_is_bound_to_cpu(void)
{
    return is_bound ? mtev_true : mtev_false;
}
