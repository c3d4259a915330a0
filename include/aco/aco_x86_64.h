/* SPDX-License-Identifier: MIT */
/*
 * aco_x86_64.h - the switch between two stacks on x86-64 (System V ABI).  Included by aco.h alone.
 *
 * A context is one word: the saved stack pointer.  There lie
 *
 *     of a context that was switched away from   the address to go on at, its frame pointer
 *     of a fresh context                         its function, the address that returns to
 *     with ACO_FPU_CONTROL, above these          MXCSR, x87 control word
 *
 * Everything else is in the clobber list: the compiler saves what is live, and nothing more.  The
 * frame pointer is null on arrival, so that a walk up a fresh context's frames ends there.  Without
 * ACO_FPU_CONTROL the control words belong to the thread.
 *
 * Both sides leave by jmp.  A called stub would leave one stale entry in the return predictor for
 * every switch, and each later ret would mispredict.
 */
#ifndef ACO_X86_64_H
#define ACO_X86_64_H

#include <stdint.h>

/*
 * The switch pushes two words.  A leaf function of the System V ABI may keep locals in the 128
 * bytes below its stack pointer; code that is compiled without that red zone says so and saves
 * them.
 */
#ifdef ACO_NO_RED_ZONE
#define ACO_RED_ZONE_SKIP_
#define ACO_RED_ZONE_BACK_
#else
#define ACO_RED_ZONE_SKIP_ "leaq -128(%%rsp), %%rsp\n\t"
#define ACO_RED_ZONE_BACK_ "leaq 128(%%rsp), %%rsp\n\t"
#endif

#ifdef ACO_FPU_CONTROL
#define ACO_FPU_SAVE_                                                                              \
    "leaq -8(%%rsp), %%rsp\n\t"                                                                    \
    "stmxcsr (%%rsp)\n\t"                                                                          \
    "fnstcw 4(%%rsp)\n\t"
#define ACO_FPU_LOAD_                                                                              \
    "ldmxcsr 16(%[to])\n\t"                                                                        \
    "fldcw 20(%[to])\n\t"
#define ACO_FPU_DROP_ "leaq 8(%%rsp), %%rsp\n\t"
#else
#define ACO_FPU_SAVE_
#define ACO_FPU_LOAD_
#define ACO_FPU_DROP_
#endif

#ifdef __AVX512F__
#define ACO_AVX512_CLOBBERS_                                                                       \
    , "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23", "xmm24", "xmm25",    \
        "xmm26", "xmm27", "xmm28", "xmm29", "xmm30", "xmm31", "k0", "k1", "k2", "k3", "k4", "k5",  \
        "k6", "k7"
#else
#define ACO_AVX512_CLOBBERS_
#endif

/*
 * Save this context's stack pointer in *from_sp and go on in the context whose stack pointer is
 * to_sp.
 */
static inline __attribute__((always_inline)) void aco_switch_(void **from_sp, void *to_sp)
{
    __asm__ volatile("leaq 1f(%%rip), %%rax\n\t" ACO_RED_ZONE_SKIP_ ACO_FPU_SAVE_ "pushq %%rbp\n\t"
                     "pushq %%rax\n\t"
                     "movq %%rsp, (%[from])\n\t" ACO_FPU_LOAD_ "movq %[to], %%rsp\n\t"
                     "xorl %%ebp, %%ebp\n\t"
                     "popq %%rax\n\t"
                     "jmpq *%%rax\n"
                     "1:\n\t"
                     "endbr64\n\t"
                     "popq %%rbp\n\t" ACO_FPU_DROP_ ACO_RED_ZONE_BACK_
                     : [from] "+D"(from_sp), [to] "+S"(to_sp)
                     :
                     : "rax", "rbx", "rcx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13", "r14",
                       "r15", "memory", "cc", "st", "st(1)", "st(2)", "st(3)", "st(4)", "st(5)",
                       "st(6)", "st(7)", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6",
                       "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14",
                       "xmm15" ACO_AVX512_CLOBBERS_);
}

/* The same for a context that nobody comes back to. */
static inline __attribute__((always_inline, noreturn)) void aco_leave_(void *to_sp)
{
    __asm__ volatile(ACO_FPU_LOAD_ "movq %[to], %%rsp\n\t"
                                   "xorl %%ebp, %%ebp\n\t"
                                   "popq %%rax\n\t"
                                   "jmpq *%%rax"
                     :
                     : [to] "r"(to_sp)
                     : "rax", "memory");
    __builtin_unreachable();
}

/*
 * Put on an empty stack what makes a switch to it call fp, which returns to back, with the control
 * words of who calls this; returns the stack pointer.
 */
static inline __attribute__((always_inline)) void *aco_fresh_(char *top, void (*fp)(void),
                                                              void (*back)(void))
{
#ifdef ACO_FPU_CONTROL
    void **sp = (void **)(void *)top - 4; /* one more, since the stack pointer is aligned to 16 */
    __asm__ volatile("stmxcsr 16(%0)\n\t"
                     "fnstcw 20(%0)"
                     :
                     : "r"(sp)
                     : "memory");
#else
    void **sp = (void **)(void *)top - 2;
#endif
    sp[0] = (void *)(uintptr_t)fp;
    sp[1] = (void *)(uintptr_t)back;
    return sp;
}

#endif
