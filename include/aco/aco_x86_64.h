/* SPDX-License-Identifier: MIT */
/*
 * aco_x86_64.h - the switch between two stacks on x86-64 (System V ABI).  Included by aco.h alone.
 *
 * A context is one word: the saved stack pointer.  There lie
 *
 *     the address to go on at; of a fresh context its function
 *     the frame pointer; of a fresh context null, so that a walk up its frames ends there
 *     with ACO_FPU_CONTROL, MXCSR and x87 control word
 *
 * and above these, of a fresh context, the address that its function returns to.  Everything else
 * is in the clobber list: the compiler saves what is live, and nothing more.  Without
 * ACO_FPU_CONTROL the control words belong to the thread.
 *
 * Both sides leave by jmp.  A called stub would leave one stale entry in the return predictor for
 * every switch, and each later ret would mispredict.  The words are written below the stack pointer
 * before that moves, where signal handlers leave 128 bytes alone (System V ABI, 3.2.2): pushes
 * would be two more steps in the chain from one stack pointer to the next.
 */
#ifndef ACO_X86_64_H
#define ACO_X86_64_H

#include <stddef.h>
#include <stdint.h>

/*
 * A leaf function of the System V ABI may keep locals in those 128 bytes, so the switch steps over
 * them; code that is compiled without that red zone says so.
 */
#ifdef ACO_NO_RED_ZONE
#define ACO_RED_ZONE_SKIP_
#define ACO_RED_ZONE_BACK_
#else
#define ACO_RED_ZONE_SKIP_ "leaq -128(%%rsp), %%rsp\n\t"
#define ACO_RED_ZONE_BACK_ "leaq 128(%%rsp), %%rsp\n\t"
#endif

#ifdef ACO_FPU_CONTROL
#define ACO_CONTEXT_SIZE_ 24
#define ACO_CONTEXT_TEXT_ "24"
#define ACO_FPU_SAVE_                                                                              \
    "stmxcsr 16(%%rdx)\n\t"                                                                        \
    "fnstcw 20(%%rdx)\n\t"
#define ACO_FPU_LOAD_                                                                              \
    "ldmxcsr 16(%[to])\n\t"                                                                        \
    "fldcw 20(%[to])\n\t"
#else
#define ACO_CONTEXT_SIZE_ 16 /* bytes at a saved stack pointer that are the switch's */
#define ACO_CONTEXT_TEXT_ "16"
#define ACO_FPU_SAVE_
#define ACO_FPU_LOAD_
#endif

#ifdef __AVX512F__
#define ACO_AVX512_CLOBBERS_                                                                       \
    , "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23", "xmm24", "xmm25",    \
        "xmm26", "xmm27", "xmm28", "xmm29", "xmm30", "xmm31", "k0", "k1", "k2", "k3", "k4", "k5",  \
        "k6", "k7"
#else
#define ACO_AVX512_CLOBBERS_
#endif

#define ACO_STAY_                                                                                  \
    "leaq 1f(%%rip), %%rax\n\t" ACO_RED_ZONE_SKIP_ "leaq -" ACO_CONTEXT_TEXT_ "(%%rsp), %%rdx\n\t" \
    "movq %%rax, (%%rdx)\n\t"                                                                      \
    "movq %%rbp, 8(%%rdx)\n\t" ACO_FPU_SAVE_ "movq %%rdx, %[from]\n\t"
#define ACO_GO_ON_                                                                                 \
    ACO_FPU_LOAD_                                                                                  \
    "movq 8(%[to]), %%rbp\n\t"                                                                     \
    "leaq " ACO_CONTEXT_TEXT_ "(%[to]), %%rsp\n\t"                                                 \
    "jmpq *(%[to])\n"
#define ACO_COME_BACK_                                                                             \
    "1:\n\t"                                                                                       \
    "endbr64\n\t" ACO_RED_ZONE_BACK_

/*
 * Save this context's stack pointer in *from_sp, which is no local, and go on in the context whose
 * stack pointer is to_sp.
 */
static inline __attribute__((always_inline)) void aco_switch_(void **from_sp, void *to_sp)
{
    void *lost; /* rdi, in which the address of *from_sp may be until then */
    __asm__ volatile(ACO_STAY_ ACO_GO_ON_ ACO_COME_BACK_
                     : [from] "=m"(*from_sp), [to] "+S"(to_sp), "=D"(lost)
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
    __asm__ volatile(ACO_GO_ON_ : : [to] "S"(to_sp) : "memory");
    __builtin_unreachable();
}

/*
 * Put on an empty stack what makes a switch to it call fp, which returns to back, with the control
 * words of who calls this; returns the stack pointer.
 */
static inline __attribute__((always_inline)) void *aco_fresh_(char *top, void (*fp)(void),
                                                              void (*back)(void))
{
    void **returns = (void **)(void *)top - 1; /* its address is that of a return address */
    void **sp = returns - ACO_CONTEXT_SIZE_ / sizeof(void *);
    sp[0] = (void *)(uintptr_t)fp;
    sp[1] = NULL;
#ifdef ACO_FPU_CONTROL
    __asm__ volatile("stmxcsr 16(%0)\n\t"
                     "fnstcw 20(%0)"
                     :
                     : "r"(sp)
                     : "memory");
#endif
    *returns = (void *)(uintptr_t)back;
    return sp;
}

#endif
