/* SPDX-License-Identifier: MIT */
/*
 * A table is libck's hash set of items, one for each key.  An item never changes: storing another
 * value for its key puts another item in its place.  Items, and the arrays of the set when it has
 * grown, are ended when no reader can see them any more, so a reader needs a section and no lock.
 *
 * Nothing of the caller's runs while the table is locked, nor the ends of deferred objects, which
 * may be the caller's too: what a writer takes out is ended after the lock.
 */
#include <mtev_hash.h>

#include "base/alloc.h"
#include "base/list.h"
#include "base/siphash.h"
#include "base/smr.h"
#include "base/spinlock.h"
#include "base/tsan.h"

#include <assert.h>
#include <ck_hs.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/random.h>

#define SIZE_LOG2_DEFAULT 7
#define SIZE_LOG2_MIN     6

struct table {
    ck_hs_t set; /* when is_ready; at most half full */
    pthread_mutex_t *mutex;
    struct spinlock spin;
    uint8_t lock_mode;
    _Atomic bool is_ready;
    uint8_t size_log2; /* of the most keys there were, or that were announced; 0: the default */
    uint32_t deleted;  /* since the set was built anew: each leaves a mark that searches go past */
} __attribute__((may_alias));

struct item {
    ck_epoch_entry_t entry; /* once it is out of reach */
    const char *key;
    void *data;
    int klen;
    uint32_t hash;
};

struct array { /* before the memory that the set asked for */
    ck_epoch_entry_t entry;
};

static_assert(sizeof(struct table) == sizeof(mtev_hash_table), "the caller makes room for it");
static_assert(sizeof(struct table) == CK_MD_CACHELINE, "as promised");
static_assert(sizeof(ck_hs_iterator_t) == sizeof(((mtev_hash_iter *)0)->opaque), "kept there");
static_assert(sizeof(struct array) % _Alignof(max_align_t) == 0, "what follows is aligned");
static_assert(1 << SIZE_LOG2_DEFAULT == MTEV_HASH_DEFAULT_SIZE, "as promised");

static pthread_once_t once = PTHREAD_ONCE_INIT;
static _Atomic bool has_secret; /* once was done: quicker to ask */
static uint64_t secret[2];

/* ---- what the set calls ---------------------------------------------------------- */

/* Spread 32 bits over the word that the set takes its places from: Fibonacci hashing. */
static unsigned long spread(uint32_t hash)
{
    return (unsigned long)(hash * UINT64_C(0x9e3779b97f4a7c15));
}

static unsigned long hash_of_item(const void *item, unsigned long seed)
{
    return spread(((const struct item *)item)->hash);
}

static bool is_same_key(const void *left, const void *right)
{
    const struct item *a = left, *b = right;
    tsan_acquire((void *)(uintptr_t)left); /* pairs with put(), whichever of them is in the set */
    tsan_acquire((void *)(uintptr_t)right);
    return a->hash == b->hash && a->klen == b->klen &&
           (a->klen == 0 || memcmp(a->key, b->key, (size_t)a->klen) == 0);
}

static void *array_alloc(size_t size)
{
    struct array *array = alloc_bytes(sizeof(*array) + size);
    return array == NULL ? NULL : array + 1;
}

static void array_end(ck_epoch_entry_t *entry)
{
    alloc_free(entry);
}

static void array_free(void *memory, size_t size, bool is_shared)
{
    struct array *array = (struct array *)memory - 1;
    smr_defer(&array->entry, array_end, sizeof(*array) + size);
}

static struct ck_malloc allocator = {.malloc = array_alloc, .free = array_free};

/* ---- tables ---------------------------------------------------------------------- */

static struct table *table_of(mtev_hash_table *h)
{
    return (struct table *)h;
}

static void lock(struct table *table)
{
    if (table->lock_mode == MTEV_HASH_LOCK_MODE_SPIN)
        spinlock_lock(&table->spin);
    else if (table->lock_mode == MTEV_HASH_LOCK_MODE_MUTEX)
        pthread_mutex_lock(table->mutex);
}

static void unlock(struct table *table)
{
    if (table->lock_mode == MTEV_HASH_LOCK_MODE_SPIN)
        spinlock_unlock(&table->spin);
    else if (table->lock_mode == MTEV_HASH_LOCK_MODE_MUTEX)
        pthread_mutex_unlock(table->mutex);
}

static void make_secret(void)
{
    if (getrandom(secret, sizeof(secret), GRND_NONBLOCK) != (ssize_t)sizeof(secret)) {
        struct timespec now; /* the system has just started, and so has no peer met us yet */
        clock_gettime(CLOCK_REALTIME, &now);
        secret[0] = (uint64_t)now.tv_nsec;
        secret[1] = (uintptr_t)&now;
    }
    atomic_store_explicit(&has_secret, true, memory_order_release); /* pairs with begin_item() */
}

/* Have the set of a locked table be there; false: no memory. */
static bool make_ready(struct table *table)
{
    if (atomic_load_explicit(&table->is_ready, memory_order_relaxed))
        return true;
    if (table->size_log2 == 0)
        table->size_log2 = SIZE_LOG2_DEFAULT;
    if (!ck_hs_init(&table->set, CK_HS_MODE_SPMC | CK_HS_MODE_OBJECT, hash_of_item, is_same_key,
                    &allocator, 2UL << table->size_log2, 0))
        return false;
    atomic_store_explicit(&table->is_ready, true, memory_order_release); /* pairs with is_empty() */
    return true;
}

/* True if a reader need not look any further. */
static bool is_empty(struct table *table)
{
    return table == NULL || !atomic_load_explicit(&table->is_ready, memory_order_acquire);
}

void mtev_hash_init_locks(mtev_hash_table *h, int size, mtev_hash_lock_mode_t lock_mode)
{
    struct table *table = table_of(h);
    if (h == NULL) {
        errno = EINVAL;
        return;
    }
    memset(h, 0, sizeof(*h));
    if (size > MTEV_HASH_SIZE_MAX)
        size = MTEV_HASH_SIZE_MAX;
    if (size <= 0)
        size = MTEV_HASH_DEFAULT_SIZE;
    table->size_log2 = SIZE_LOG2_MIN;
    while (1 << table->size_log2 < size)
        table->size_log2++;
    table->lock_mode = (uint8_t)lock_mode;
    if (lock_mode != MTEV_HASH_LOCK_MODE_MUTEX)
        return;
    table->mutex = alloc_bytes(sizeof(*table->mutex));
    if (table->mutex == NULL || pthread_mutex_init(table->mutex, NULL) != 0) {
        alloc_free(table->mutex);
        table->mutex = NULL;
        table->lock_mode = MTEV_HASH_LOCK_MODE_SPIN;
    }
}

void mtev_hash_init_mtev_memory(mtev_hash_table *h, int size, mtev_hash_lock_mode_t lock_mode)
{
    mtev_hash_init_locks(h, size, lock_mode);
}

void mtev_hash_init_size(mtev_hash_table *h, int size)
{
    mtev_hash_init_locks(h, size, MTEV_HASH_LOCK_MODE_NONE);
}

void mtev_hash_init(mtev_hash_table *h)
{
    mtev_hash_init_locks(h, MTEV_HASH_DEFAULT_SIZE, MTEV_HASH_LOCK_MODE_NONE);
}

/* ---- items ----------------------------------------------------------------------- */

/* Fill an item to search for; false, with EINVAL: the arguments are no table and key. */
static bool begin_item(struct item *item, const mtev_hash_table *h, const char *key, int klen)
{
    if (h == NULL || klen < 0 || (key == NULL && klen > 0)) {
        errno = EINVAL;
        return false;
    }
    if (__builtin_expect(!atomic_load_explicit(&has_secret, memory_order_acquire), 0))
        pthread_once(&once, make_secret);
    item->key = key;
    item->klen = klen;
    item->hash = (uint32_t)siphash(key, (size_t)klen, secret);
    return true;
}

static struct item *item_new(const mtev_hash_table *h, const char *key, int klen, void *data)
{
    struct item wanted;
    if (!begin_item(&wanted, h, key, klen))
        return NULL;
    struct item *item = alloc_bytes(sizeof(*item));
    if (item == NULL)
        return NULL;
    *item = wanted;
    item->data = data;
    return item;
}

static void item_end(ck_epoch_entry_t *entry)
{
    static_assert(offsetof(struct item, entry) == 0, "entry is the item");
    alloc_free(entry);
}

/* End an item that was taken out of a table that is not locked any more. */
static void item_drop(struct item *item, void (*keyfree)(void *), void (*datafree)(void *))
{
    if (keyfree != NULL && item->key != NULL)
        keyfree((void *)(uintptr_t)item->key);
    if (datafree != NULL && item->data != NULL)
        datafree(item->data);
    smr_defer(&item->entry, item_end, sizeof(*item));
}

/* ---- writers --------------------------------------------------------------------- */

/* Note in a locked table that it has as many keys as it has. */
static void note_size(struct table *table)
{
    while (ck_hs_count(&table->set) >> table->size_log2 != 0)
        table->size_log2++;
}

/*
 * Note in a locked table that a key was deleted.  The set marks its place as one to go past; after
 * half as many as there were ever keys, all of these are swept away.  Without memory they stay.
 */
static void note_deleted(struct table *table)
{
    if (++table->deleted > 1U << (table->size_log2 - 1) && ck_hs_rebuild(&table->set))
        table->deleted = 0;
}

int mtev_hash_store(mtev_hash_table *h, const char *key, int klen, void *data)
{
    struct table *table = table_of(h);
    struct item *item = item_new(h, key, klen, data);
    if (item == NULL)
        return 0;
    tsan_release(item);
    lock(table);
    bool is_ready = make_ready(table);
    bool is_stored = is_ready && ck_hs_put(&table->set, spread(item->hash), item);
    int err = ENOMEM;
    if (is_stored)
        note_size(table);
    else if (is_ready && ck_hs_get(&table->set, spread(item->hash), item) != NULL)
        err = EEXIST;
    unlock(table);
    smr_collect_if_due();
    if (!is_stored) {
        alloc_free(item);
        errno = err;
    }
    return is_stored;
}

/* Store a key.  Returns 0, with errno; 1; or 2, and what was there in *ret_old. */
static int put(mtev_hash_table *h, struct item *item, struct item **ret_old)
{
    struct table *table = table_of(h);
    void *old = NULL;
    tsan_release(item); /* pairs with readers' tsan_acquire() */
    lock(table);
    bool is_stored = make_ready(table) && ck_hs_set(&table->set, spread(item->hash), item, &old);
    if (is_stored)
        note_size(table);
    unlock(table);
    if (!is_stored) {
        alloc_free(item);
        errno = ENOMEM;
        return 0;
    }
    *ret_old = old;
    return old == NULL ? 1 : 2;
}

int mtev_hash_set(mtev_hash_table *h, const char *key, int klen, void *data, char **oldkey,
                  void **olddata)
{
    struct item *old = NULL;
    struct item *item = item_new(h, key, klen, data);
    int result = item == NULL ? 0 : put(h, item, &old);
    if (old != NULL) {
        if (oldkey != NULL)
            *oldkey = (char *)(uintptr_t)old->key;
        if (olddata != NULL)
            *olddata = old->data;
        item_drop(old, NULL, NULL);
    }
    smr_collect_if_due();
    return result;
}

int mtev_hash_replace(mtev_hash_table *h, const char *key, int klen, void *data,
                      void (*keyfree)(void *key), void (*datafree)(void *data))
{
    struct item *old = NULL;
    struct item *item = item_new(h, key, klen, data);
    int result = item == NULL ? 0 : put(h, item, &old);
    if (old != NULL)
        item_drop(old, old->key == key ? NULL : keyfree, old->data == data ? NULL : datafree);
    smr_collect_if_due();
    return result > 0;
}

int mtev_hash_delete(mtev_hash_table *h, const char *key, int klen, void (*keyfree)(void *key),
                     void (*datafree)(void *data))
{
    struct table *table = table_of(h);
    struct item *old = NULL;
    struct item wanted;
    if (!begin_item(&wanted, h, key, klen))
        return 0;
    lock(table);
    if (!is_empty(table))
        old = ck_hs_remove(&table->set, spread(wanted.hash), &wanted);
    if (old != NULL)
        note_deleted(table);
    unlock(table);
    if (old == NULL) {
        errno = ENOENT;
        return 0;
    }
    item_drop(old, keyfree, datafree);
    smr_collect_if_due();
    return 1;
}

/*
 * Take all items out of a locked table; they are linked by what links them again when they are
 * deferred.
 */
static ck_stack_entry_t *take_all(struct table *table)
{
    ck_stack_entry_t *all = NULL;
    ck_hs_iterator_t at = CK_HS_ITERATOR_INITIALIZER;
    void *found;
    if (is_empty(table))
        return NULL;
    while (ck_hs_next(&table->set, &at, &found)) {
        struct item *item = found;
        ck_hs_remove(&table->set, spread(item->hash), item);
        item->entry.stack_entry.next = all;
        all = &item->entry.stack_entry;
    }
    return all;
}

static void drop_all(ck_stack_entry_t *node, void (*keyfree)(void *), void (*datafree)(void *))
{
    while (node != NULL) {
        struct item *item = list_entry(node, struct item, entry.stack_entry);
        node = node->next;
        item_drop(item, keyfree, datafree);
        smr_collect_if_due();
    }
}

void mtev_hash_delete_all(mtev_hash_table *h, void (*keyfree)(void *key),
                          void (*datafree)(void *data))
{
    struct table *table = table_of(h);
    if (table == NULL)
        return;
    lock(table);
    ck_stack_entry_t *all = take_all(table);
    if (all != NULL && ck_hs_reset_size(&table->set, 2 * MTEV_HASH_DEFAULT_SIZE)) {
        table->size_log2 = SIZE_LOG2_DEFAULT;
        table->deleted = 0;
    }
    unlock(table);
    drop_all(all, keyfree, datafree);
}

void mtev_hash_destroy(mtev_hash_table *h, void (*keyfree)(void *key), void (*datafree)(void *data))
{
    struct table *table = table_of(h);
    if (table == NULL)
        return;
    lock(table);
    ck_stack_entry_t *all = take_all(table);
    if (!is_empty(table))
        ck_hs_destroy(&table->set);
    unlock(table);
    if (table->mutex != NULL)
        pthread_mutex_destroy(table->mutex);
    alloc_free(table->mutex);
    memset(h, 0, sizeof(*h));
    drop_all(all, keyfree, datafree);
    smr_collect_if_due();
}

/* ---- readers --------------------------------------------------------------------- */

int mtev_hash_retrieve(mtev_hash_table *h, const char *key, int klen, void **data)
{
    struct table *table = table_of(h);
    struct item wanted;
    if (!begin_item(&wanted, h, key, klen))
        return 0;
    if (is_empty(table)) {
        errno = ENOENT;
        return 0;
    }
    smr_begin_short();
    const struct item *item = ck_hs_get(&table->set, spread(wanted.hash), &wanted);
    if (item != NULL && data != NULL)
        *data = item->data;
    smr_end_short();
    if (item == NULL)
        errno = ENOENT;
    return item != NULL;
}

int mtev_hash_retr_str(mtev_hash_table *h, const char *key, int klen, const char **data)
{
    void *found = NULL;
    if (!mtev_hash_retrieve(h, key, klen, &found))
        return 0;
    if (data != NULL)
        *data = found;
    return 1;
}

void *mtev_hash_get(mtev_hash_table *h, const char *key, int klen)
{
    void *found = NULL;
    mtev_hash_retrieve(h, key, klen, &found);
    return found;
}

int mtev_hash_size(mtev_hash_table *h)
{
    struct table *table = table_of(h);
    if (is_empty(table))
        return 0;
    smr_begin_short();
    unsigned long count = ck_hs_count(&table->set);
    smr_end_short();
    return count < INT_MAX ? (int)count : INT_MAX;
}

static int advance(mtev_hash_table *h, mtev_hash_iter *iter,
                   bool (*next)(ck_hs_t *set, ck_hs_iterator_t *at, void **found))
{
    struct table *table = table_of(h);
    ck_hs_iterator_t at;
    void *found = NULL;
    if (is_empty(table))
        return 0;
    memcpy(&at, iter->opaque, sizeof(at));
    smr_begin_short();
    bool is_found = next(&table->set, &at, &found);
    if (is_found) {
        struct item *item = found;
        tsan_acquire(item);
        iter->key.str = item->key;
        iter->value.ptr = item->data;
        iter->klen = item->klen;
    }
    smr_end_short();
    memcpy(iter->opaque, &at, sizeof(at));
    return is_found;
}

int mtev_hash_adv(mtev_hash_table *h, mtev_hash_iter *iter)
{
    return advance(h, iter, ck_hs_next);
}

int mtev_hash_adv_spmc(mtev_hash_table *h, mtev_hash_iter *iter)
{
    return advance(h, iter, ck_hs_next_spmc);
}

int mtev_hash_next(mtev_hash_table *h, mtev_hash_iter *iter, const char **key, int *klen,
                   void **data)
{
    if (!mtev_hash_adv(h, iter))
        return 0;
    *key = iter->key.str;
    *klen = iter->klen;
    *data = iter->value.ptr;
    return 1;
}

int mtev_hash_next_str(mtev_hash_table *h, mtev_hash_iter *iter, const char **key, int *klen,
                       const char **data)
{
    void *found = NULL;
    if (!mtev_hash_next(h, iter, key, klen, &found))
        return 0;
    *data = found;
    return 1;
}

uint32_t mtev_hash__hash(const char *key, uint32_t len, uint32_t initval)
{
    const uint64_t known[2] = {initval, 0};
    return (uint32_t)siphash(key, len, known);
}

/* ---- dictionaries ---------------------------------------------------------------- */

/* Store copies; key is klen bytes, text is text or NULL. */
static int put_copies(mtev_hash_table *h, const char *key, int klen, const char *text, bool replace)
{
    char *key_copy = alloc_text_n(key, (size_t)klen);
    char *text_copy = text == NULL ? NULL : alloc_text(text);
    int result = 0;
    if (key_copy != NULL && (text == NULL || text_copy != NULL))
        result = replace ? mtev_hash_replace(h, key_copy, klen, text_copy, free, free)
                         : mtev_hash_store(h, key_copy, klen, text_copy);
    if (result == 0) {
        int err = errno;
        alloc_free(key_copy);
        alloc_free(text_copy);
        errno = err;
    }
    return result;
}

int mtev_hash_dict_put_(mtev_hash_table *h, const char *key, const char *text, mtev_boolean replace)
{
    size_t len = strlen(key);
    if (len > INT_MAX) {
        errno = EINVAL;
        return 0;
    }
    return put_copies(h, key, (int)len, text, replace == mtev_true);
}

void mtev_hash_merge_as_dict(mtev_hash_table *dst, mtev_hash_table *src)
{
    mtev_hash_iter iter = MTEV_HASH_ITER_ZERO;
    int err = 0;
    smr_begin();
    while (mtev_hash_adv_spmc(src, &iter))
        if (put_copies(dst, iter.key.str, iter.klen, iter.value.str, true) == 0)
            err = errno;
    smr_end();
    if (err != 0)
        errno = err;
}
