/* SPDX-License-Identifier: MIT */
#include "base/alloc.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static _Atomic bool hooked; /* false: one relaxed load is all the hook costs */
static _Atomic uint64_t asked;
static _Atomic uint64_t fail_at;
static _Atomic bool fail_after;

bool alloc_is_refused(void)
{
    if (__builtin_expect(!atomic_load_explicit(&hooked, memory_order_relaxed), 1))
        return false;
    uint64_t nth = atomic_fetch_add(&asked, 1) + 1;
    uint64_t at = atomic_load(&fail_at);
    if (nth != at && !(nth > at && atomic_load(&fail_after)))
        return false;
    errno = ENOMEM;
    return true;
}

void *alloc_bytes(size_t size)
{
    return alloc_is_refused() ? NULL : malloc(size ? size : 1);
}

void *alloc_zeroed(size_t count, size_t size)
{
    return alloc_is_refused() ? NULL : calloc(count ? count : 1, size ? size : 1);
}

void *alloc_resize(void *p, size_t size)
{
    return alloc_is_refused() ? NULL : realloc(p, size ? size : 1);
}

void *alloc_aligned(size_t alignment, size_t size)
{
    void *p = NULL;
    if (alloc_is_refused())
        return NULL;
    int err = posix_memalign(&p, alignment, size ? size : alignment);
    if (err != 0) {
        errno = err;
        return NULL;
    }
    return p;
}

void *alloc_map(size_t alignment, size_t size)
{
    if (alloc_is_refused())
        return NULL;
    char *p = mmap(NULL, size + alignment, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED)
        return NULL;
    size_t before = -(uintptr_t)p & (alignment - 1);
    if (before > 0)
        munmap(p, before);
    munmap(p + before + size, alignment - before);
    return p + before;
}

char *alloc_text(const char *text)
{
    return alloc_text_n(text, strlen(text));
}

char *alloc_text_n(const char *bytes, size_t len)
{
    char *copy = len == SIZE_MAX ? NULL : alloc_bytes(len + 1);
    if (copy == NULL)
        return NULL;
    if (len > 0)
        memcpy(copy, bytes, len);
    copy[len] = '\0';
    return copy;
}

void alloc_free(void *p)
{
    free(p);
}

void alloc_fail_nth(uint64_t nth, int and_after)
{
    atomic_store(&hooked, false);
    atomic_store(&fail_at, nth);
    atomic_store(&fail_after, and_after != 0);
    if (nth > 0) {
        atomic_store(&asked, 0);
        atomic_store(&hooked, true);
    }
}

uint64_t alloc_asked(void)
{
    return atomic_load(&asked);
}
