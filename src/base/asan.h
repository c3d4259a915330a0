/* SPDX-License-Identifier: MIT */
/*
 * asan.h - what AddressSanitizer is told of memory that is not from the heap.
 *
 * Layer: base.  Under -fsanitize=address; in any other build these are nothing.
 *
 * The leak sanitizer looks for pointers between asan_note_root() and asan_forget_root() of the same
 * memory, too.  Source: compiler-rt, include/sanitizer/lsan_interface.h.
 */
#ifndef EVENTER_BASE_ASAN_H
#define EVENTER_BASE_ASAN_H

#if defined(__SANITIZE_ADDRESS__)
#define HAS_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_ASAN 1
#endif
#endif

#ifdef HAS_ASAN
#include <sanitizer/lsan_interface.h>
#define asan_note_root(p, size)   __lsan_register_root_region((p), (size))
#define asan_forget_root(p, size) __lsan_unregister_root_region((p), (size))
#else
#define asan_note_root(p, size)   ((void)(p))
#define asan_forget_root(p, size) ((void)(p))
#endif

#endif
