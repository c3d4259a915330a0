/* SPDX-License-Identifier: MIT */
/*
 * hot.h - where functions lie in the library.
 *
 * After each system call the instruction cache is the kernel's.  What every message passes lies
 * side by side, in few lines and pages (gcc's .text.hot); what almost none passes lies elsewhere.
 * An echo costs 1 % less (bench/README.md).
 */
#ifndef EVENTER_BASE_HOT_H
#define EVENTER_BASE_HOT_H

#define HOT  __attribute__((hot))
#define COLD __attribute__((noinline, cold))

#endif
