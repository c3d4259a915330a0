/* SPDX-License-Identifier: MIT */
/*
 * alloc.h - the one door to the heap, with a hook that makes the nth allocation fail.
 *
 * Layer: base.  Any thread.  The memory is malloc's: a block may be handed to a caller who will
 * free() it.  Every function may fail (NULL, errno ENOMEM) and every caller says what happens then.
 */
#ifndef EVENTER_BASE_ALLOC_H
#define EVENTER_BASE_ALLOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Return size bytes, uninitialised; the caller owns them.  NULL with ENOMEM when there are none. */
void *alloc_bytes(size_t size) __attribute__((malloc, alloc_size(1)));

/* Return count * size zeroed bytes; the caller owns them.  NULL with ENOMEM, also on overflow. */
void *alloc_zeroed(size_t count, size_t size) __attribute__((malloc, alloc_size(1, 2)));

/* Resize p (NULL: a new block) to size bytes.  On failure p is untouched and still the caller's. */
void *alloc_resize(void *p, size_t size) __attribute__((alloc_size(2)));

/*
 * Return size bytes that start at a multiple of alignment (a power of two); end with alloc_free().
 */
void *alloc_aligned(size_t alignment, size_t size) __attribute__((malloc, alloc_size(2)));

/*
 * Return size zeroed bytes of fresh pages that start at a multiple of alignment (a power of two,
 * and like size a multiple of 64 KiB); end with munmap(2).
 */
void *alloc_map(size_t alignment, size_t size) __attribute__((malloc, alloc_size(2)));

/*
 * For an allocator on top of this one: return true, with ENOMEM, if this allocation is to fail.
 */
bool alloc_is_refused(void);

/* Return an owned copy of the NUL-terminated text. */
char *alloc_text(const char *text) __attribute__((malloc));

/* Return an owned, NUL-terminated copy of the len bytes at bytes (they may hold NULs). */
char *alloc_text_n(const char *bytes, size_t len) __attribute__((malloc));

/* Free p; NULL is a no-op. */
void alloc_free(void *p);

/*
 * Make the nth allocation from now fail (1 = the next one), and every one after it too when
 * and_after is not 0.  0 switches the hook off.  For tests; counts the allocations of all threads.
 */
void alloc_fail_nth(uint64_t nth, int and_after);

/*
 * Return how many allocations were asked for since alloc_fail_nth() was last called with nth > 0.
 */
uint64_t alloc_asked(void);

#endif
