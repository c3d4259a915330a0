/* SPDX-License-Identifier: MIT */
/*
 * tsan.h - what ThreadSanitizer is told of order that it cannot see.
 *
 * Layer: base.  Under -fsanitize=thread; in any other build these are nothing.
 *
 * libck orders memory in assembly, and is compiled without the sanitizer.  What one thread did
 * before tsan_release(p) happened before what another does after a later tsan_acquire(p).  Source:
 * compiler-rt, include/sanitizer/tsan_interface.h.
 */
#ifndef EVENTER_BASE_TSAN_H
#define EVENTER_BASE_TSAN_H

#if defined(__SANITIZE_THREAD__)
#define HAS_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define HAS_TSAN 1
#endif
#endif

#ifdef HAS_TSAN
#include <sanitizer/tsan_interface.h>
#define tsan_acquire(p) __tsan_acquire(p)
#define tsan_release(p) __tsan_release(p)
#else
#define tsan_acquire(p) ((void)(p))
#define tsan_release(p) ((void)(p))
#endif

#endif
