/* SPDX-License-Identifier: MIT */
/*
 * entry.c - how a coroutine begins, and the switch by the C library.
 */
#include "aco/entry_impl.h"

#include <sys/syscall.h>
#include <unistd.h>

#define ARCH_SHSTK_STATUS  0x5005 /* of arch_prctl(2), since Linux 6.6 */
#define SHADOW_STACK_IS_ON 1UL

__attribute__((weak)) bool entry_has_shadow_stack(void)
{
    unsigned long features = 0;
#ifdef __x86_64__
    if (syscall(SYS_arch_prctl, ARCH_SHSTK_STATUS, &features) != 0)
        return false; /* an older kernel, which knows of none */
#endif
    return (features & SHADOW_STACK_IS_ON) != 0;
}

#ifdef ACO_SANITIZED_
void entry_call(void)
{
    aco_fiber_arrive_(aco_gtls_co);
    aco_gtls_co->fp();
}
#endif

#ifdef ACO_SWITCH_UCONTEXT

#include <fenv.h>
#include <ucontext.h>

/* What getcontext() saves lies in the frame of who switches, and so is copied with it. */
struct saved {
    ucontext_t registers;
    femode_t control; /* floating-point control words of who switches to this context */
};

/* What a saved stack pointer points to: the lowest of all that has to be kept. */
struct context {
    void *go_on; /* some address in the function that owns the frame */
    void *frame; /* its frame pointer */
    struct saved *saved;
};

/*
 * This frame is below all that the caller keeps, so its local is where the live bytes begin.  What
 * else it holds is not needed again: the caller goes on.  It is never returned from, so that red
 * zones would stay behind.
 */
static __attribute__((noinline, no_sanitize("address"))) void
leave(void **from_sp, struct context context, const struct context *to)
{
    struct context lowest = context;
    *from_sp = &lowest;
    fegetmode(&to->saved->control);
    setcontext(&to->saved->registers);
    aco_die_("setcontext failed", NULL);
}

void aco_swap_(void **from_sp, void *to_sp)
{
    struct saved saved;
    volatile bool is_back = false; /* getcontext() returns twice */
    getcontext(&saved.registers);
    if (!is_back) {
        is_back = true;
        struct context context = {.go_on = (void *)(uintptr_t)aco_swap_,
                                  .frame = __builtin_frame_address(0),
                                  .saved = &saved};
        leave(from_sp, context, to_sp);
    }
#ifndef ACO_FPU_CONTROL
    fesetmode(&saved.control); /* setcontext() has put back what getcontext() saw */
#endif
}

void aco_returned_(void)
{
    aco_end_returned();
}

/* makecontext() passes ints, so a pointer is two of them. */
#define HIGH(fp) ((unsigned)((uintptr_t)(fp) >> 16 >> 16))
#define LOW(fp)  ((unsigned)(uintptr_t)(fp))

static void call(unsigned high, unsigned low)
{
    ((aco_cofuncp_t)(((uintptr_t)high << 16 << 16) | low))();
}

static void begin(unsigned fp_high, unsigned fp_low, unsigned back_high, unsigned back_low)
{
    call(fp_high, fp_low);
    call(back_high, back_low);
}

#define MAKECONTEXT_ROOM                                                                           \
    512 /* bytes at the top of a stack: more than makecontext() writes there                       \
         */

/* Lies below that room, where the coroutine's frames may overwrite it once it runs. */
struct fresh {
    struct context context;
    struct saved saved;
};

void *aco_prepare_(char *top, void (*fp)(void), void (*back)(void))
{
    struct fresh *fresh = (struct fresh *)(void *)(top - MAKECONTEXT_ROOM) - 1;
    ucontext_t *registers = &fresh->saved.registers;
    getcontext(registers);
    registers->uc_stack.ss_sp = fresh;
    registers->uc_stack.ss_size = (size_t)(top - (char *)fresh);
    registers->uc_link = NULL;
    makecontext(registers, (aco_cofuncp_t)(uintptr_t)begin, 4, HIGH(fp), LOW(fp), HIGH(back),
                LOW(back));
    fresh->context = (struct context){.go_on = (void *)(uintptr_t)fp, .saved = &fresh->saved};
    return fresh;
}

#else

/*
 * It is entered on behalf of one fiber and left on behalf of another: a sanitizer that counted both
 * would take a call too many off the second, until what it keeps below its calls was overwritten.
 */
#if defined(ACO_TSAN_) && defined(__clang__)
__attribute__((disable_sanitizer_instrumentation))
#endif
void aco_swap_(void **from_sp, void *to_sp)
{
    aco_switch_(from_sp, to_sp);
}

void *aco_prepare_(char *top, void (*fp)(void), void (*back)(void))
{
    return aco_fresh_(top, fp, back);
}

#endif
