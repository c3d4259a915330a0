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
#include "base/alloc.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

__thread aco_t *aco_gtls_co;
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

/*
 * Where a coroutine begins; entered by a jmp from the switch, on an empty stack (see the asm
 * below).
 */
void aco_begin(void);

void aco_begin(void)
{
    aco_t *co = aco_gtls_co;
    aco_fiber_arrive_(co);
    co->fp();
    if (last_word != NULL)
        last_word();
    aco_die_("a coroutine's function returned instead of calling aco_exit()", co);
}

/*
 * The first frame of every coroutine.  Nothing called it: an undefined return address and a null
 * frame pointer end a debugger's walk here.
 */
#if defined(__x86_64__)
__asm__(".text\n"
        ".p2align 4\n"
        ".hidden aco_entry\n"
        ".globl aco_entry\n"
        ".type aco_entry, @function\n"
        "aco_entry:\n"
        "    .cfi_startproc\n"
        "    .cfi_undefined rip\n"
        "    endbr64\n"
        "    xorl %ebp, %ebp\n"
        "    call aco_begin\n"
        "    ud2\n"
        "    .cfi_endproc\n"
        ".size aco_entry, .-aco_entry\n");
#endif
void aco_entry(void);

int aco_save_owner(aco_share_stack_t *stack)
{
    aco_t *owner = stack->owner;
    if (owner == NULL)
        return 0;
    aco_save_stack_t *save = &owner->save_stack;
    assert(owner->sp != NULL && (char *)owner->sp >= stack->base && (char *)owner->sp < stack->top);
    size_t live = (size_t)(stack->top - (char *)owner->sp);
    size_t needed = live + SHADOW_SIZE(live);

    if (save->sz < needed || save->sz > 2 * needed + 64) { /* grows, and shrinks, to what is live */
        void *area = alloc_bytes(needed);
        if (area == NULL) {
            if (save->sz < needed)
                return -1; /* ENOMEM; a larger area than needed still serves */
        } else {
            alloc_free(save->ptr);
            save->ptr = area;
            save->sz = needed;
        }
    }
    fiber_copy_out(save->ptr, owner->sp, live);
    save->valid_sz = live;
    if (live > save->max_cpsz)
        save->max_cpsz = live;
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
        void **first = (void **)(void *)(stack->top - sizeof(void *));
        *first = (void *)(uintptr_t)aco_entry;
        co->sp = first;
    } else {
        fiber_copy_in(co->sp, co->save_stack.ptr, co->save_stack.valid_sz);
        co->save_stack.ct_restore++;
    }
    stack->owner = co;
    return 0;
}

void aco_init(aco_t *co, aco_t *main_co, aco_share_stack_t *stack, aco_cofuncp_t fp, void *arg)
{
    *co = (aco_t){.main_co = main_co, .share_stack = stack, .fp = fp, .arg = arg};
    fiber_new(co);
}

void aco_fini(aco_t *co)
{
    if (co->share_stack != NULL && co->share_stack->owner == co)
        co->share_stack->owner = NULL;
    alloc_free(co->save_stack.ptr);
    alloc_free(co->tls_);
    fiber_free(co);
}

aco_t *aco_create(aco_t *main_co, aco_share_stack_t *sstk, size_t save_stack_sz, aco_cofuncp_t fp,
                  void *arg)
{
    if (main_co != NULL && (sstk == NULL || fp == NULL)) {
        errno = EINVAL;
        return NULL;
    }
    aco_t *co = alloc_bytes(sizeof(*co));
    if (co == NULL)
        return NULL;
    if (main_co == NULL) {
        aco_init(co, NULL, NULL, NULL, NULL);
        aco_gtls_co = co;
        return co;
    }
    aco_init(co, main_co, sstk, fp, arg);
    if (save_stack_sz > 0) {
        co->save_stack.ptr = alloc_bytes(save_stack_sz);
        if (co->save_stack.ptr == NULL) {
            aco_destroy(co);
            return NULL;
        }
        co->save_stack.sz = save_stack_sz;
    }
    return co;
}

void aco_destroy(aco_t *co)
{
    if (co == NULL)
        return;
    if (aco_gtls_co == co) {
        if (co->main_co != NULL)
            aco_die_("aco_destroy: a coroutine cannot free itself while it runs", co);
        aco_gtls_co = NULL;
    }
    aco_fini(co);
    alloc_free(co);
}

void aco_exit1(aco_t *co)
{
    if (co == NULL || co->main_co == NULL || co != aco_gtls_co)
        aco_die_("aco_exit: called outside a coroutine", co);
    aco_t *main_co = co->main_co;
    co->is_end = 1;
    co->share_stack->owner = NULL;
    aco_gtls_co = main_co;
    aco_fiber_leave_(co, main_co);
    aco_switch_(&co->sp, main_co->sp);
    __builtin_unreachable();
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
    if (co->tls_ == NULL) {
        co->tls_ = alloc_zeroed(MAX_TLS_ENTRIES, sizeof(void *));
        if (co->tls_ == NULL)
            aco_die_("aco_tls: out of memory", co);
    }
    return &co->tls_[idx];
}
