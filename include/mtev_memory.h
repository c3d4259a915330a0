/* SPDX-License-Identifier: MIT */
/*
 * mtev_memory.h - memory that threads share without a lock: freed when nobody can see it any more.
 *
 * A reader opens a section around its use of what others may take away.  A writer takes a block out
 * of reach and calls mtev_memory_safe_free(): the block lives on until every section that is open
 * then, in any thread or coroutine, is closed.
 *
 * Any thread may call everything here, at any time; nothing has to be called first.
 */
#ifndef MTEV_MEMORY_H
#define MTEV_MEMORY_H

#include <mtev_defines.h>

MTEV_BEGIN_DECLS

/* A thread frees what it deferred after each so many blocks or bytes, if it is not held up. */
#define MTEV_MEMORY_BACKLOG_MAX      1024
#define MTEV_MEMORY_BACKLOG_SIZE_MAX 1048576

typedef enum {
    MTEV_MM_BARRIER = 0,    /* wait for all sections, then free all that can be freed then */
    MTEV_MM_TRY,            /* free what can be freed now */
    MTEV_MM_BARRIER_ASYNCH, /* leave it to a thread of the library, which waits */
    MTEV_MM_NONE            /* nothing */
} mtev_memory_maintenance_method_t;

/* Make memory ready for threads that share it.  First in main(); any number of times. */
API_EXPORT(void) mtev_memory_init(void);

/*
 * Register the calling thread, and take it off.  Neither has to be called: a thread is registered
 * when it first needs it, and taken off when it ends.  What it has deferred by then, others free.
 * mtev_memory_fini_thread() does nothing, with EBUSY and a log line, while a section is open.
 */
API_EXPORT(void) mtev_memory_init_thread(void);
API_EXPORT(void) mtev_memory_fini_thread(void);

/*
 * Open a section, and close it.  Sections may lie in each other; the outermost one counts.  A
 * section belongs to the coroutine that opened it, or else to its thread.  An end without a
 * beginning is EINVAL and a log line.
 */
API_EXPORT(void) mtev_memory_begin(void);
API_EXPORT(void) mtev_memory_end(void);

/* mtev_true in a section. */
API_EXPORT(mtev_boolean) mtev_memory_in_cs(void);

/*
 * Return memory as malloc(3), calloc(3) and strdup(3) do, that is ended by mtev_memory_safe_free()
 * only.  NULL with ENOMEM.  cleanup, if not NULL, is called with the block just before it is freed,
 * in any thread; it neither waits nor yields, and may defer other blocks.
 */
API_EXPORT(void *) mtev_memory_safe_malloc(size_t size);
API_EXPORT(void *) mtev_memory_safe_malloc_cleanup(size_t size, void (*cleanup)(void *block));
API_EXPORT(void *) mtev_memory_safe_calloc(size_t count, size_t size);
API_EXPORT(char *) mtev_memory_safe_strdup(const char *text);

/*
 * Free a block of mtev_memory_safe_* when no section that is open now is open any more.  NULL is a
 * no-op; so is, with EINVAL and a log line, a block that is deferred already.  Never fails.
 */
API_EXPORT(void) mtev_memory_safe_free(void *block);

/*
 * Free deferred blocks now, in one of four ways.  Returns how many blocks this call freed; or -1:
 * EINVAL for no such way; EDEADLK for MTEV_MM_BARRIER where it would wait for its own thread, that
 * is while a section of the thread or of one of its coroutines is open, or in a cleanup; EAGAIN
 * where there can be no other thread, and then what was deferred stays so.  MTEV_MM_BARRIER blocks
 * the thread, coroutines and all, as long as any section stays open.
 */
API_EXPORT(int) mtev_memory_maintenance_ex(mtev_memory_maintenance_method_t method);

/* Have a thread of the library free what is deferred from now on, so that no other has to. */
API_EXPORT(void) mtev_memory_gc_asynch(void);

MTEV_END_DECLS

#endif
