/* SPDX-License-Identifier: MIT */
/*
 * aco_x86_64.h - the switch between two stacks on x86-64 (System V ABI).  Included by aco.h alone.
 *
 * A context is one word: the saved stack pointer.  At that address lies the address to go on at,
 * and behind it the frame pointer of a context that was left, or what the function of a
 * fresh one returns to.  Everything else is in the clobber list: the compiler saves what is live,
 * and nothing more.  The frame pointer is null on arrival, so that a walk up the frames of a fresh
 * context ends there.
 *
 * Both sides leave by jmp.  A called stub would leave one stale entry in the return predictor for
 * every switch, and each later ret would mispredict.
 *
 * Floating-point control words (MXCSR, x87 control word) belong to the thread.
 */
#ifndef ACO_X86_64_H
#define ACO_X86_64_H

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
    __asm__ volatile(ACO_RED_ZONE_SKIP_ "pushq %%rbp\n\t"
                                        "leaq 1f(%%rip), %%rax\n\t"
                                        "pushq %%rax\n\t"
                                        "movq %%rsp, (%0)\n\t"
                                        "movq %1, %%rsp\n\t"
                                        "xorl %%ebp, %%ebp\n\t"
                                        "popq %%rax\n\t"
                                        "jmpq *%%rax\n"
                                        "1:\n\t"
                                        "endbr64\n\t"
                                        "popq %%rbp\n\t" ACO_RED_ZONE_BACK_
                     : "+D"(from_sp), "+S"(to_sp)
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
    __asm__ volatile("movq %0, %%rsp\n\t"
                     "xorl %%ebp, %%ebp\n\t"
                     "popq %%rax\n\t"
                     "jmpq *%%rax"
                     :
                     : "r"(to_sp)
                     : "rax", "memory");
    __builtin_unreachable();
}

/*
 * Put on an empty stack what makes a switch to it call fp, which returns to back; returns the stack
 * pointer.
 */
static inline __attribute__((always_inline)) void *aco_fresh_(char *top, void (*fp)(void),
                                                              void (*back)(void))
{
    void **sp = (void **)(void *)top - 2;
    sp[0] = (void *)fp;
    sp[1] = (void *)back;
    return sp;
}

#endif
