/* SPDX-License-Identifier: MIT */
/*
 * aco.c - the life of a coroutine: made, entered, its stack taken and given up, ended.
 *
 *   FRESH (sp == NULL)  --resume-->  RUNNING  --yield-->  PARKED, owner: frames stand on the stack
 *                                      |  ^                  |            ^
 *                                   aco_exit  resume      another     its turn comes:
 *                                      v      \           needs it    frames are copied back
 *                                    ENDED     \             v            |
 *                                               `-------  PARKED, evicted: frames in save_stack
 */
#include "aco/aco.h"

#include "aco/core.h"
#include "aco/entry_impl.h"
#include "base/alloc.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static __thread aco_cofuncp_t last_word;

static _Atomic uint32_t tls_assigned;

void aco_thread_init(aco_cofuncp_t word)
{
    last_word = word;
}

void aco_die_(const char *what, const aco_t *co)
{
    if (co == NULL)
        fprintf(stderr, "aco: %s\n", what);
    else
        fprintf(stderr, "aco: %s (coroutine %p, function %p)\n", what, (const void *)co,
                (void *)(uintptr_t)co->fp);
    abort();
}

/* For an event loop's coroutine that is the same as aco_exit(). */
void aco_end_returned(void)
{
    aco_t *co = aco_gtls_co;
    if (co->scheduled_ == ACO_LOOP_)
        aco_exit1(co);
    if (last_word != NULL)
        last_word();
    aco_die_("a coroutine's function returned instead of calling aco_exit()", co);
}

/* ---- save areas ------------------------------------------------------------------ */

static void free_area(struct aco_thread *thread, aco_save_stack_t *save)
{
    if (aco_likely(save->ptr == NULL))
        return;
    if (save->ptr == thread->emergency)
        thread->is_emergency = false;
    else
        slab_free(&thread->slabs, save->ptr, save->sz);
    save->ptr = NULL;
    save->sz = 0;
}

/* See that the save area has room for needed bytes, and not much more. */
static int fit_area(struct aco_thread *thread, aco_save_stack_t *save, size_t needed)
{
    if (aco_likely(save->sz >= needed && save->sz - needed <= needed / 4))
        return 0;
    size_t size = slab_round(needed);
    void *area = slab_alloc(&thread->slabs, size);
    if (area == NULL && save->sz >= needed)
        return 0;
    if (area == NULL) {
        if (needed > ACO_EMERGENCY_SIZE || thread->is_emergency)
            return -1; /* ENOMEM */
        area = thread->emergency;
        size = ACO_EMERGENCY_SIZE;
    }
    free_area(thread, save);
    if (area == thread->emergency)
        thread->is_emergency = true;
    save->ptr = area;
    save->sz = (uint32_t)size;
    return 0;
}

int aco_save_owner(aco_share_stack_t *stack)
{
    aco_t *owner = stack->owner;
    if (owner == NULL)
        return 0;
    aco_save_stack_t *save = &owner->save_stack;
    assert(owner->sp != NULL && (char *)owner->sp >= stack->base && (char *)owner->sp < stack->top);
    size_t live = (size_t)(stack->top - (char *)owner->sp);
    if (fit_area(aco_thread_of(stack->main_co_), save, live + SHADOW_SIZE(live)) != 0)
        return -1;
    fiber_copy_out(save->ptr, owner->sp, live);
    save->valid_sz = (uint32_t)live;
    if (live > save->max_cpsz)
        save->max_cpsz = (uint32_t)live;
    save->ct_save++;
    stack->owner = NULL;
    return 0;
}

int aco_take_stack_(aco_t *co)
{
    aco_share_stack_t *stack = co->share_stack;
    if (stack->owner != NULL && aco_save_owner(stack) != 0)
        return -1;
    if (co->sp == NULL) {
        fiber_forget_stack(stack);
        co->sp = aco_fresh_(stack->top, ENTRY_CALL(co), aco_returned_);
    } else {
        fiber_copy_in(co->sp, co->save_stack.ptr, co->save_stack.valid_sz);
        co->save_stack.ct_restore++;
    }
    stack->owner = co;
    return 0;
}

/* ---- making and freeing ---------------------------------------------------------- */

/* Make co's slots if it has none; the one past the last is its name.  Returns 0 or -ENOMEM. */
static int make_slots(aco_t *co)
{
    if (co->tls_ == NULL)
        co->tls_ = alloc_zeroed(MAX_TLS_ENTRIES + 1, sizeof(void *));
    return co->tls_ == NULL ? -ENOMEM : 0;
}

static void free_slots(aco_t *co)
{
    if (co->tls_ != NULL)
        alloc_free(co->tls_[MAX_TLS_ENTRIES]);
    alloc_free(co->tls_);
}

void aco_init(aco_t *co, aco_t *main_co, aco_share_stack_t *stack, aco_cofuncp_t fp, void *arg)
{
    *co = (aco_t){.share_stack = stack, .fp = fp, .arg = arg};
    stack->main_co_ = main_co;
    fiber_new(co);
}

void aco_fini(aco_t *co)
{
    aco_share_stack_t *stack = co->share_stack;
    if (stack->owner == co)
        stack->owner = NULL;
    free_area(aco_thread_of(stack->main_co_), &co->save_stack);
    if (aco_unlikely(co->tls_ != NULL))
        free_slots(co);
    fiber_free(co);
}

static aco_t *create_main(void)
{
    if (entry_has_shadow_stack()) {
        fputs("aco: coroutines cannot run with a shadow stack: turn it off for this process\n",
              stderr);
        errno = ENOTSUP;
        return NULL;
    }
    struct aco_thread *thread = alloc_zeroed(1, sizeof(*thread));
    if (thread == NULL)
        return NULL;
    thread->emergency = alloc_bytes(ACO_EMERGENCY_SIZE);
    if (thread->emergency == NULL) {
        alloc_free(thread);
        return NULL;
    }
    slabs_init(&thread->slabs);
    fiber_new(&thread->main.co);
    thread->main.co.scheduled_ = ACO_MAIN_;
    thread->main.spare = &thread->main.co; /* which is none */
    aco_gtls_.co = aco_gtls_.main_co = &thread->main.co;
    return &thread->main.co;
}

aco_t *aco_create_(aco_t *main_co, aco_share_stack_t *sstk, size_t save_stack_sz, aco_cofuncp_t fp,
                   void *arg)
{
    if (main_co == NULL)
        return create_main();
    if (sstk == NULL || fp == NULL || save_stack_sz > ACO_STACK_SIZE_MAX) {
        errno = EINVAL;
        return NULL;
    }
    struct aco_thread *thread = aco_thread_of(main_co);
    aco_t *co = slab_alloc(&thread->slabs, sizeof(*co));
    if (co == NULL)
        return NULL;
    aco_init(co, main_co, sstk, fp, arg);
    if (save_stack_sz > 0) {
        size_t size = slab_round(save_stack_sz);
        co->save_stack.ptr = slab_alloc(&thread->slabs, size);
        if (co->save_stack.ptr == NULL) {
            aco_destroy_(co);
            return NULL;
        }
        co->save_stack.sz = (uint32_t)size;
    }
    return co;
}

static void thread_free_if_unused(struct aco_thread *thread)
{
    if (!thread->has_ended || thread->slabs.used > 0)
        return;
    alloc_free(thread->emergency);
    slabs_fini(&thread->slabs);
    alloc_free(thread);
}

static void destroy_main(aco_t *main_co)
{
    struct aco_thread *thread = aco_thread_of(main_co);
    if (aco_gtls_.co == main_co)
        aco_gtls_.co = aco_gtls_.main_co = NULL;
    fiber_free(main_co);
    free_slots(main_co);
    aco_t *spare = thread->main.spare;
    main_co->is_end = ACO_DESTROYED_;
    thread->main.spare = main_co; /* so that of others that live yet none is kept */
    if (spare != main_co && spare->is_end == ACO_DESTROYED_)
        slab_free(&thread->slabs, spare, sizeof(*spare));
    thread->has_ended = true;
    thread_free_if_unused(thread);
}

void aco_destroy_(aco_t *co)
{
    if (co == NULL)
        return;
    if (co->is_end == ACO_DESTROYED_)
        aco_die_("aco_destroy: this coroutine was destroyed before", co);
    if (co->share_stack == NULL) {
        destroy_main(co);
        return;
    }
    if (aco_gtls_co == co)
        aco_die_("aco_destroy: a coroutine cannot free itself while it runs", co);
    struct aco_thread *thread = aco_thread_of(co->share_stack->main_co_);
    aco_fini(co);
    co->is_end = ACO_DESTROYED_;
    if (thread->main.spare == co)
        thread->main.spare = &thread->main.co;
    slab_free(&thread->slabs, co, sizeof(*co));
    thread_free_if_unused(thread);
}

uint32_t aco_tls_assign_idx(void)
{
    uint32_t idx = atomic_fetch_add(&tls_assigned, 1);
    if (idx >= MAX_TLS_ENTRIES)
        aco_die_("aco_tls_assign_idx: all slots are assigned", NULL);
    return idx;
}

void **aco_tls_slot_(aco_t *co, uint32_t idx)
{
    if (idx >= MAX_TLS_ENTRIES)
        aco_die_("aco_tls: no such slot", co);
    if (make_slots(co) != 0)
        aco_die_("aco_tls: out of memory", co);
    return &co->tls_[idx];
}

int aco_set_name(aco_t *co, const char *name)
{
    char *copy = NULL;
    if (name == NULL && co->tls_ == NULL)
        return 0;
    if (make_slots(co) != 0)
        return -ENOMEM;
    if (name != NULL) {
        copy = alloc_text_n(name, strnlen(name, ACO_NAME_MAX));
        if (copy == NULL)
            return -ENOMEM;
    }
    alloc_free(co->tls_[MAX_TLS_ENTRIES]);
    co->tls_[MAX_TLS_ENTRIES] = copy;
    return 0;
}
