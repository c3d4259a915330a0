/* SPDX-License-Identifier: MIT */
/*
 * mtev_intern.h - one copy of each text or run of bytes, which many share.
 *
 * Interning bytes gives a handle; the same bytes give the same handle, so that two of one pool are
 * equal if their opaque1 is.  Handles are counted: each is released as often as it was given.  The
 * bytes live until the last one is released.  Any thread; no call yields.  Cost: a search without a
 * lock where the bytes are known already, and a lock and an allocation where they are not.
 */
#ifndef MTEV_INTERN_H
#define MTEV_INTERN_H

#include <mtev_defines.h>

MTEV_BEGIN_DECLS

#define MTEV_INTERN_LEN_MAX 16777215 /* bytes in one */

typedef struct mtev_interned { /* opaque1 is 0 for none */
    uintptr_t opaque1;
} mtev_intern_t;

typedef struct mtev_intern_pool mtev_intern_pool_t;

/* How a pool is made; zeroed: as usual.  Only the count is used; the rest is for older programs. */
typedef struct mtev_intern_pool_attr {
    size_t extent_size;
    uint32_t estimated_entity_count; /* room for so many is reserved by the first */
    const char *backing_directory;
} mtev_intern_pool_attr_t;

typedef struct mtev_intern_pool_stats {
    uint32_t item_count;     /* different texts that there are now */
    uint64_t allocated;      /* bytes that they take, all together */
    uint64_t internal_alloc; /* of these, what is not the texts themselves */
} mtev_intern_pool_stats_t;

/* Return a pool, which lives as long as the process; attr NULL: as usual.  NULL with ENOMEM. */
API_EXPORT(mtev_intern_pool_t *) mtev_intern_pool_new(const mtev_intern_pool_attr_t *attr);

/*
 * Intern len bytes, or (str) the text at string: len bytes of it, all of it for 0.  A handle, or
 * that of none with ENOMEM, or EINVAL: more than MTEV_INTERN_LEN_MAX.  Those without a pool use the
 * process's own one.
 */
API_EXPORT(mtev_intern_t)
mtev_intern_pool(mtev_intern_pool_t *pool, const void *bytes, size_t len);
API_EXPORT(mtev_intern_t)
mtev_intern_pool_str(mtev_intern_pool_t *pool, const char *string, size_t len);
API_EXPORT(mtev_intern_t) mtev_intern(const void *bytes, size_t len);
API_EXPORT(mtev_intern_t) mtev_intern_str(const char *string, size_t len);

/* Return one more handle for what interned (none: none) stands for. */
API_EXPORT(mtev_intern_t) mtev_intern_copy(mtev_intern_t interned);

/* Give a handle back; none is a no-op.  pool is that it is from. */
API_EXPORT(void) mtev_intern_release(mtev_intern_t interned);
API_EXPORT(void) mtev_intern_release_pool(mtev_intern_pool_t *pool, mtev_intern_t interned);

/*
 * Return the bytes, which a NUL follows (borrowed until the handle is released), and how many they
 * are in *ret_len (NULL: not asked for).  NULL and 0 for none.
 */
API_EXPORT(const char *) mtev_intern_get_str(mtev_intern_t interned, size_t *ret_len);
API_EXPORT(const void *) mtev_intern_get_ptr(mtev_intern_t interned, size_t *ret_len);

/* Return how many handles there are for the same as interned; 0 for none. */
API_EXPORT(uint32_t) mtev_intern_get_refcnt(mtev_intern_t interned);

/* Fill *out; and return how many different texts pool holds. */
API_EXPORT(void)
mtev_intern_pool_stats(mtev_intern_pool_t *pool, mtev_intern_pool_stats_t *out);
API_EXPORT(uint32_t) mtev_intern_pool_item_count(mtev_intern_pool_t *pool);

/* For older programs: a pool leaves no holes to be closed.  Returns 0. */
API_EXPORT(int) mtev_intern_pool_compact(mtev_intern_pool_t *pool, mtev_boolean force);

/* The process's own pool; NULL with ENOMEM. */
API_EXPORT(mtev_intern_pool_t *) mtev_intern_pool_default(void);

MTEV_END_DECLS

#endif
