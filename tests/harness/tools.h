/* SPDX-License-Identifier: MIT */
/*
 * tools.h - what looks on while the tests run.
 */
#ifndef EVENTER_TESTS_TOOLS_H
#define EVENTER_TESTS_TOOLS_H

#if defined(__SANITIZE_ADDRESS__)
#define TOOLS_ASAN 1
#elif defined(__SANITIZE_THREAD__)
#define TOOLS_TSAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TOOLS_ASAN 1
#elif __has_feature(thread_sanitizer)
#define TOOLS_TSAN 1
#endif
#endif

/* How much less a long test does under a tool. */
#if defined(EVENTER_VALGRIND)
#define TOOLS_SLOWNESS 50
#elif defined(TOOLS_ASAN) || defined(TOOLS_TSAN) || defined(__aarch64__) /* in an emulator */
#define TOOLS_SLOWNESS 10
#else
#define TOOLS_SLOWNESS 1
#endif

#endif
