/* SPDX-License-Identifier: MIT */
/*
 * entry.S - where a coroutine's function returns to, if it does; and what each thread has.
 *
 * In the eyes of a debugger this is the first frame of every coroutine: its function is entered by a
 * jump, with aco_returned_ to return to.  Nothing called this frame itself: an undefined return
 * address ends the walk here.  The nop belongs to the frame because debuggers look at the byte
 * before.
 *
 * This file does not say, in a note, that it can run with a shadow stack, and so neither does what
 * it is linked into, whatever flags the rest is compiled with: frames are copied away and back.
 */
#include <aco/aco_config.h>

#ifndef ACO_SWITCH_UCONTEXT

#ifdef __x86_64__
#define RETURN_ADDRESS rip
#define CALL call
#define TRAP ud2
#else
#define RETURN_ADDRESS x30
#define CALL bl
#define TRAP brk #1
#endif

    .text
    .p2align 4
    .type aco_entry, %function
aco_entry:
    .cfi_startproc
    .cfi_undefined RETURN_ADDRESS
    nop
    .globl aco_returned_
    .type aco_returned_, %function
aco_returned_:
    CALL aco_end_returned
    TRAP
    .cfi_endproc
    .size aco_returned_, . - aco_returned_
    .size aco_entry, . - aco_entry

#endif

/* struct aco_gtls_s_, whose last member has a name of its own */
    .section .tbss, "awT", %nobits
    .balign 8
    .globl aco_gtls_
    .type aco_gtls_, %tls_object
    .size aco_gtls_, 3 * __SIZEOF_POINTER__
aco_gtls_:
    .skip 2 * __SIZEOF_POINTER__
    .globl aco_gtls_co
    .type aco_gtls_co, %tls_object
    .size aco_gtls_co, __SIZEOF_POINTER__
aco_gtls_co:
    .skip __SIZEOF_POINTER__

#ifdef __aarch64__ /* NT_GNU_PROPERTY_TYPE_0: indirect jumps land where they may (BTI, PAC) */
    .section .note.gnu.property, "a"
    .balign 8
    .long 4, 16, 5
    .asciz "GNU"
    .long 0xc0000000, 4, 3, 0
#endif

    .section .note.GNU-stack, "", %progbits
