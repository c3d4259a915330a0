/* SPDX-License-Identifier: MIT */
/*
 * kernel_faults.h - system calls that fail when a test says so.
 *
 * The program is linked with --wrap for each call (meson.build), so that what the library calls is
 * counted here, on any thread, and at one count does not reach the kernel but fails.  What a real
 * kernel does next is done, too: where nothing was ready, it reports the fd once more, as for bytes
 * that come a moment later.
 */
#ifndef EVENTER_TESTS_KERNEL_FAULTS_H
#define EVENTER_TESTS_KERNEL_FAULTS_H

#include <stdbool.h>

enum fault_call {
    FAULT_NONE = 0,
    FAULT_ACCEPT4,
    FAULT_READ,
    FAULT_WRITE, /* but to an eventfd: */
    FAULT_WAKE,
    FAULT_RECV,
    FAULT_SEND,
    FAULT_EPOLL_ADD,
    FAULT_EPOLL_MOD,
    FAULT_EPOLL_WAIT,
    FAULT_EPOLL_PWAIT2,
    FAULT_EPOLL_CREATE1,
    FAULT_EVENTFD,
    FAULT_TIMERFD_CREATE,
    FAULT_SOCKET,
    FAULT_BIND,
    FAULT_LISTEN,
    FAULT_MMAP,
    FAULT_THREAD, /* clone(2) */
    FAULT_CALLS
};

#define FAULT_SHORT (-1) /* instead of an error: one byte is read or written */

/* Have the nth such call from now on (1: the next) fail with the error. */
void fault_arm(enum fault_call call, int error, unsigned nth);

/* Nothing fails any more.  Returns whether it has. */
bool fault_disarm(void);

/* True if the call that failed was made again at once, by the same thread. */
bool fault_was_repeated(void);

/* How many such calls there were since the last fault_arm(). */
unsigned fault_count(enum fault_call call);

/* The calls of this thread are the test's own: they are neither counted nor fail. */
void fault_spare_thread(bool is_spared);

const char *fault_name(enum fault_call call);

#endif
