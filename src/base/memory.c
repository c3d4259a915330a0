/* SPDX-License-Identifier: MIT */
#include "base/memory.h"

#include <mtev_memory.h>

#include "base/alloc.h"
#include "base/smr.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_LIVE     UINT32_C(0x5afe11fe) /* state: numbers that memory holds by chance seldom */
#define BLOCK_DEFERRED UINT32_C(0x5afedead)

struct block { /* before what the caller gets */
    ck_epoch_entry_t entry;
    void (*cleanup)(void *block);
    uint32_t size; /* or UINT32_MAX */
    _Atomic uint32_t state;
};

static_assert(sizeof(struct block) % _Alignof(max_align_t) == 0, "what follows is aligned");
static_assert(offsetof(struct block, entry) == 0, "end_block() gets it");
static_assert(MTEV_MEMORY_BACKLOG_MAX == SMR_BACKLOG_MAX, "as promised");
static_assert(MTEV_MEMORY_BACKLOG_SIZE_MAX == SMR_BACKLOG_SIZE_MAX, "as promised");

static _Atomic(void (*)(const char *what)) reporter;

void memory_report_to(void (*report)(const char *what))
{
    atomic_store(&reporter, report);
}

static void misused(const char *what, int err)
{
    void (*report)(const char *what) = atomic_load(&reporter);
    if (report != NULL)
        report(what);
    errno = err;
}

/* ---- threads and sections -------------------------------------------------------- */

void mtev_memory_init_thread(void)
{
    smr_enter(); /* without memory, it is tried again at the first need */
}

void mtev_memory_fini_thread(void)
{
    if (smr_leave() != 0)
        misused("mtev_memory_fini_thread: a section is open", EBUSY);
}

void mtev_memory_begin(void)
{
    smr_begin();
}

void mtev_memory_end(void)
{
    if (!smr_end())
        misused("mtev_memory_end: no section is open", EINVAL);
}

mtev_boolean mtev_memory_in_cs(void)
{
    return smr_is_open() ? mtev_true : mtev_false;
}

/* ---- blocks ---------------------------------------------------------------------- */

/* Return the caller's part of a new block, whose head is at memory. */
static void *begin_block(void *memory, size_t size, void (*cleanup)(void *block))
{
    struct block *block = memory;
    if (block == NULL)
        return NULL;
    *block = (struct block){.cleanup = cleanup,
                            .size = size < UINT32_MAX ? (uint32_t)size : UINT32_MAX,
                            .state = BLOCK_LIVE};
    return block + 1;
}

static void end_block(ck_epoch_entry_t *entry)
{
    struct block *block = (struct block *)entry;
    if (block->cleanup != NULL)
        block->cleanup(block + 1);
    alloc_free(block);
}

void *mtev_memory_safe_malloc_cleanup(size_t size, void (*cleanup)(void *block))
{
    if (size > SIZE_MAX - sizeof(struct block)) {
        errno = ENOMEM;
        return NULL;
    }
    return begin_block(alloc_bytes(sizeof(struct block) + size), size, cleanup);
}

void *mtev_memory_safe_malloc(size_t size)
{
    return mtev_memory_safe_malloc_cleanup(size, NULL);
}

void *mtev_memory_safe_calloc(size_t count, size_t size)
{
    size_t total = 0, with_head = 0;
    if (__builtin_mul_overflow(count, size, &total) ||
        __builtin_add_overflow(total, sizeof(struct block), &with_head)) {
        errno = ENOMEM;
        return NULL;
    }
    return begin_block(alloc_zeroed(1, with_head), total, NULL);
}

char *mtev_memory_safe_strdup(const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = mtev_memory_safe_malloc(size);
    if (copy != NULL)
        memcpy(copy, text, size);
    return copy;
}

void mtev_memory_safe_free(void *memory)
{
    if (memory == NULL)
        return;
    struct block *block = (struct block *)memory - 1;
    uint32_t state = BLOCK_LIVE;
    if (!atomic_compare_exchange_strong_explicit(&block->state, &state, BLOCK_DEFERRED,
                                                 memory_order_relaxed, memory_order_relaxed)) {
        misused(state == BLOCK_DEFERRED
                    ? "mtev_memory_safe_free: a block is freed twice"
                    : "mtev_memory_safe_free: a block that is not of mtev_memory_safe_malloc()",
                EINVAL);
        return;
    }
    smr_defer(&block->entry, end_block, sizeof(*block) + block->size);
    smr_collect_if_due();
}

/* ---- freeing --------------------------------------------------------------------- */

int mtev_memory_maintenance_ex(mtev_memory_maintenance_method_t method)
{
    size_t count = 0;
    int err = 0;
    switch (method) {
    case MTEV_MM_BARRIER:
        err = smr_barrier(&count);
        break;
    case MTEV_MM_TRY:
        count = smr_collect();
        break;
    case MTEV_MM_BARRIER_ASYNCH:
        err = smr_hand_over();
        break;
    case MTEV_MM_NONE:
        break;
    default:
        err = -EINVAL;
        break;
    }
    if (err != 0) {
        errno = -err;
        return -1;
    }
    return count < INT_MAX ? (int)count : INT_MAX;
}

void mtev_memory_gc_asynch(void)
{
    int err = smr_hand_over_always();
    if (err != 0)
        misused("mtev_memory_gc_asynch: there can be no other thread", -err);
}
