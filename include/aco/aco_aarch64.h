/* SPDX-License-Identifier: MIT */
/*
 * aco_aarch64.h - the switch between two stacks on 64-bit ARM (AAPCS64).  Included by aco.h alone.
 *
 * A context is one word: the saved stack pointer.  There lie
 *
 *     of a context that was switched away from   the address to go on at, its frame pointer
 *     of a fresh context                         its function, the address that returns to
 *     with ACO_FPU_CONTROL, above these          FPCR
 *
 * Everything else is in the clobber list: the compiler saves what is live, and nothing more.  That
 * holds for x18 too, which on Linux is a temporary register like others.  The frame pointer is null
 * on arrival, so that a walk up a fresh context's frames ends there.  Without ACO_FPU_CONTROL the
 * control word belongs to the thread.
 *
 * Both sides leave by br x16, which may land on bti j, and on the bti c of a function.  The second
 * word goes through x30: that is where a fresh function expects it.  Return addresses may be
 * signed: they are signed with the stack pointer, and frames always come back to the same
 * addresses.
 */
#ifndef ACO_AARCH64_H
#define ACO_AARCH64_H

#include <stdint.h>

#ifdef __aarch64__

#ifdef ACO_FPU_CONTROL
#define ACO_CONTEXT_SIZE_ 32
#define ACO_FPU_SAVE_                                                                              \
    "mrs x17, fpcr\n\t"                                                                            \
    "str x17, [sp, #-16]!\n\t"
#define ACO_FPU_LOAD_                                                                              \
    "ldr x17, [%[to], #16]\n\t"                                                                    \
    "msr fpcr, x17\n\t"
#define ACO_FPU_DROP_ "add sp, sp, #16\n\t"
#else
#define ACO_CONTEXT_SIZE_ 16 /* bytes at a saved stack pointer that are the switch's */
#define ACO_FPU_SAVE_
#define ACO_FPU_LOAD_
#define ACO_FPU_DROP_
#endif

#ifdef __ARM_FEATURE_SVE
#define ACO_SVE_CLOBBERS_                                                                          \
    , "p0", "p1", "p2", "p3", "p4", "p5", "p6", "p7", "p8", "p9", "p10", "p11", "p12", "p13",      \
        "p14", "p15"
#else
#define ACO_SVE_CLOBBERS_
#endif

/*
 * Save this context's stack pointer in *from_sp and go on in the context whose stack pointer is
 * to_sp.
 */
static inline __attribute__((always_inline)) void aco_switch_(void **from_sp, void *to_sp)
{
    __asm__ volatile("adr x16, 1f\n\t" ACO_FPU_SAVE_ "stp x16, x29, [sp, #-16]!\n\t"
                     "mov x17, sp\n\t"
                     "str x17, [%[from]]\n\t" ACO_FPU_LOAD_ "ldp x16, x30, [%[to]]\n\t"
                     "add sp, %[to], #16\n\t"
                     "mov x29, xzr\n\t"
                     "br x16\n"
                     "1:\n\t"
                     "hint #36\n\t" /* bti j, for assemblers that do not know it */
                     "mov x29, x30\n\t" ACO_FPU_DROP_
                     : [from] "+r"(from_sp), [to] "+r"(to_sp)
                     :
                     : "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13",
                       "x14", "x15", "x16", "x17", "x18", "x19", "x20", "x21", "x22", "x23", "x24",
                       "x25", "x26", "x27", "x28", "x30", "memory", "cc", "v0", "v1", "v2", "v3",
                       "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11", "v12", "v13", "v14", "v15",
                       "v16", "v17", "v18", "v19", "v20", "v21", "v22", "v23", "v24", "v25", "v26",
                       "v27", "v28", "v29", "v30", "v31" ACO_SVE_CLOBBERS_);
}

/* The same for a context that nobody comes back to. */
static inline __attribute__((always_inline, noreturn)) void aco_leave_(void *to_sp)
{
    __asm__ volatile(ACO_FPU_LOAD_ "ldp x16, x30, [%[to]]\n\t"
                                   "add sp, %[to], #16\n\t"
                                   "mov x29, xzr\n\t"
                                   "br x16"
                     :
                     : [to] "r"(to_sp)
                     : "x16", "x17", "x30", "memory");
    __builtin_unreachable();
}

/*
 * Put on an empty stack what makes a switch to it call fp, which returns to back, with the control
 * word of who calls this; returns the stack pointer.
 */
static inline __attribute__((always_inline)) void *aco_fresh_(char *top, void (*fp)(void),
                                                              void (*back)(void))
{
#ifdef ACO_FPU_CONTROL
    void **sp = (void **)(void *)top - 4;
    __asm__ volatile("mrs %0, fpcr" : "=r"(sp[2]));
#else
    void **sp = (void **)(void *)top - 2;
#endif
    sp[0] = (void *)(uintptr_t)fp;
    sp[1] = (void *)(uintptr_t)back;
    return sp;
}

#endif

#endif
