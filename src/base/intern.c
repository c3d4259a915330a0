/* SPDX-License-Identifier: MIT */
/*
 * intern.c - a table of counted texts for each pool.
 *
 *   ALIVE (count > 0, in the table) --last release--> DEAD (count 0 for good) --> out of the table,
 *   and freed when no reader can see it any more
 *
 * Who finds an ALIVE text raises its count without a lock, by a compare and exchange that never
 * raises it from 0.  Who finds a DEAD one, or none, takes the pool's lock, under which texts enter
 * and leave the table: a DEAD one gives its place to a new one of the same bytes, and whoever
 * released it last sees under the lock whether it still has it.
 */
#include "base/alloc.h"
#include "base/smr.h"

#include <assert.h>
#include <errno.h>
#include <mtev_hash.h>
#include <mtev_intern.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

struct text {
    _Atomic uint32_t count;
    uint32_t len;
    struct mtev_intern_pool *pool;
    ck_epoch_entry_t end;
    char bytes[]; /* len of them, and a NUL */
};

struct mtev_intern_pool {
    pthread_mutex_t lock; /* of those who change the table; recursive, see add() */
    mtev_hash_table texts;
    _Atomic uint64_t text_bytes;
};

mtev_intern_pool_t *mtev_intern_pool_new(const mtev_intern_pool_attr_t *attr)
{
    mtev_intern_pool_t *pool = alloc_zeroed(1, sizeof(*pool));
    if (pool == NULL)
        return NULL;
    uint32_t count = attr == NULL ? 0 : attr->estimated_entity_count;
    pthread_mutexattr_t recursive;
    pthread_mutexattr_init(&recursive);
    pthread_mutexattr_settype(&recursive, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&pool->lock, &recursive);
    pthread_mutexattr_destroy(&recursive);
    mtev_hash_init_size(&pool->texts, count > MTEV_HASH_SIZE_MAX ? MTEV_HASH_SIZE_MAX : (int)count);
    return pool;
}

mtev_intern_pool_t *mtev_intern_pool_default(void)
{
    static mtev_intern_pool_t *_Atomic shared;
    mtev_intern_pool_t *pool = atomic_load_explicit(&shared, memory_order_acquire);
    if (pool != NULL)
        return pool;
    mtev_intern_pool_t *made = mtev_intern_pool_new(NULL);
    if (made != NULL && !atomic_compare_exchange_strong(&shared, &pool, made)) {
        mtev_hash_destroy(&made->texts, NULL, NULL); /* another thread was faster */
        pthread_mutex_destroy(&made->lock);
        alloc_free(made);
        made = pool;
    }
    return made;
}

static struct text *text_of(mtev_intern_t interned)
{
    return (struct text *)interned.opaque1;
}

static bool take(struct text *text)
{
    uint32_t count = atomic_load_explicit(&text->count, memory_order_relaxed);
    while (count > 0)
        if (atomic_compare_exchange_weak_explicit(&text->count, &count, count + 1,
                                                  memory_order_acquire, memory_order_relaxed))
            return true;
    return false;
}

/* The living text of those bytes, with one more count, or NULL. */
static struct text *find(mtev_intern_pool_t *pool, const void *bytes, size_t len)
{
    smr_begin();
    struct text *text = mtev_hash_get(&pool->texts, bytes, (int)len);
    if (text != NULL && !take(text))
        text = NULL;
    (void)smr_end();
    return text;
}

/*
 * Put a new text in the table, in place of a dead one.  The lock is held.  NULL: no memory.  When
 * the table is through it may run the ends of what others deferred, which may release texts of this
 * pool: hence the lock is a recursive one.
 */
static struct text *add(mtev_intern_pool_t *pool, const void *bytes, size_t len)
{
    char *old_key;
    void *old_text;
    struct text *text = alloc_bytes(sizeof(*text) + len + 1);
    if (text == NULL)
        return NULL;
    atomic_init(&text->count, 1);
    text->len = (uint32_t)len;
    text->pool = pool;
    if (len > 0)
        memcpy(text->bytes, bytes, len);
    text->bytes[len] = '\0';
    if (mtev_hash_set(&pool->texts, text->bytes, (int)len, text, &old_key, &old_text) == 0) {
        alloc_free(text);
        errno = ENOMEM;
        return NULL;
    }
    atomic_fetch_add_explicit(&pool->text_bytes, len, memory_order_relaxed);
    return text;
}

mtev_intern_t mtev_intern_pool(mtev_intern_pool_t *pool, const void *bytes, size_t len)
{
    if (pool == NULL || len > MTEV_INTERN_LEN_MAX || (bytes == NULL && len > 0)) {
        errno = EINVAL;
        return (mtev_intern_t){0};
    }
    struct text *text = find(pool, bytes, len);
    if (text == NULL) {
        pthread_mutex_lock(&pool->lock);
        text = find(pool, bytes, len); /* another thread may have been faster */
        if (text == NULL)
            text = add(pool, bytes, len);
        pthread_mutex_unlock(&pool->lock);
    }
    return (mtev_intern_t){(uintptr_t)text};
}

mtev_intern_t mtev_intern_pool_str(mtev_intern_pool_t *pool, const char *string, size_t len)
{
    return mtev_intern_pool(pool, string, len == 0 && string != NULL ? strlen(string) : len);
}

mtev_intern_t mtev_intern(const void *bytes, size_t len)
{
    mtev_intern_pool_t *pool = mtev_intern_pool_default();
    return pool == NULL ? (mtev_intern_t){0} : mtev_intern_pool(pool, bytes, len);
}

mtev_intern_t mtev_intern_str(const char *string, size_t len)
{
    return mtev_intern(string, len == 0 && string != NULL ? strlen(string) : len);
}

mtev_intern_t mtev_intern_copy(mtev_intern_t interned)
{
    struct text *text = text_of(interned);
    if (text != NULL)
        atomic_fetch_add_explicit(&text->count, 1, memory_order_relaxed);
    return interned;
}

static void end_text(ck_epoch_entry_t *entry)
{
    alloc_free((char *)entry - offsetof(struct text, end));
}

void mtev_intern_release(mtev_intern_t interned)
{
    struct text *text = text_of(interned);
    if (text == NULL)
        return;
    /* release: what others did with the bytes is done; acquire: before the last one ends them */
    uint32_t count = atomic_fetch_sub_explicit(&text->count, 1, memory_order_acq_rel);
    assert(count > 0);
    if (count > 1)
        return;
    mtev_intern_pool_t *pool = text->pool;
    pthread_mutex_lock(&pool->lock);
    if (mtev_hash_get(&pool->texts, text->bytes, (int)text->len) == text)
        mtev_hash_delete(&pool->texts, text->bytes, (int)text->len, NULL, NULL);
    pthread_mutex_unlock(&pool->lock);
    atomic_fetch_sub_explicit(&pool->text_bytes, text->len, memory_order_relaxed);
    smr_defer(&text->end, end_text, sizeof(*text) + text->len);
    smr_collect_if_due();
}

void mtev_intern_release_pool(mtev_intern_pool_t *pool, mtev_intern_t interned)
{
    (void)pool; /* a text knows its own */
    mtev_intern_release(interned);
}

const void *mtev_intern_get_ptr(mtev_intern_t interned, size_t *ret_len)
{
    const struct text *text = text_of(interned);
    if (ret_len != NULL)
        *ret_len = text == NULL ? 0 : text->len;
    return text == NULL ? NULL : text->bytes;
}

const char *mtev_intern_get_str(mtev_intern_t interned, size_t *ret_len)
{
    return mtev_intern_get_ptr(interned, ret_len);
}

uint32_t mtev_intern_get_refcnt(mtev_intern_t interned)
{
    struct text *text = text_of(interned);
    return text == NULL ? 0 : atomic_load_explicit(&text->count, memory_order_relaxed);
}

uint32_t mtev_intern_pool_item_count(mtev_intern_pool_t *pool)
{
    return (uint32_t)mtev_hash_size(&pool->texts);
}

void mtev_intern_pool_stats(mtev_intern_pool_t *pool, mtev_intern_pool_stats_t *out)
{
    uint64_t texts = atomic_load_explicit(&pool->text_bytes, memory_order_relaxed);
    *out = (mtev_intern_pool_stats_t){.item_count = mtev_intern_pool_item_count(pool)};
    out->internal_alloc = out->item_count * (sizeof(struct text) + 1 + sizeof(void *));
    out->allocated = texts + out->internal_alloc;
}

int mtev_intern_pool_compact(mtev_intern_pool_t *pool, mtev_boolean force)
{
    (void)pool;
    (void)force;
    return 0;
}
