/* SPDX-License-Identifier: MIT */
/*
 * report.h - last words: what threads and coroutines do when the process is about to end.
 *
 * Layer: coro (uses eventer).  Everything here is async-signal-safe, but for the dynamic linker's
 * own lock, and may have interrupted anything; it runs on a stack that is not a coroutine's.
 */
#ifndef EVENTER_CORO_REPORT_H
#define EVENTER_CORO_REPORT_H

#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <ucontext.h>

#define REPORT_FDS_MAX        4
#define REPORT_COROUTINES_MAX 1000 /* that are shown one by one */

/* Where it is said, beside standard error: fds (borrowed for good), at most REPORT_FDS_MAX - 1. */
void report_also_to(int fd);

/* Say it on mtev_error, in place of standard error (see mtev_log_enter_sighandler()). */
void report_to_log(void);

/*
 * Say it, in place of standard error, in size bytes of memory (borrowed for good), of which *len
 * are used; what does not fit is lost.
 */
void report_into(char *memory, uint32_t size, _Atomic uint32_t *len);

/* Write len bytes; text; a number; and where in which function an address is, as a line. */
void report_write(const char *bytes, size_t len);
void report_text(const char *text);
void report_number(uint64_t number, unsigned base);
void report_address(void *address);

/*
 * Say what the calling thread did when context was interrupted: its loop, its callback or
 * coroutine, and its stack.
 */
void report_thread(const ucontext_t *context);

/* Say what every coroutine waits for, with its stack.  All loops stand still. */
void report_coroutines(void);

/* If the fault was an overflow of a coroutine's stack, or a stray pointer into one, say which. */
void report_fault(const siginfo_t *info, const ucontext_t *context);

#endif
