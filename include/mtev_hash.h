/* SPDX-License-Identifier: MIT */
/*
 * mtev_hash.h - a table from keys to pointers; any number of threads read it without a lock.
 *
 * A key is klen bytes, of any value, klen from 0 up.  Keys and data are not copied: they belong to
 * the caller, and the key has to stay as it is as long as it is in the table.
 *
 * Readers (retrieve, get, size, adv, next) may run beside each other and beside a writer, and find
 * a NULL table empty.  What they give may be deleted by a writer at any time; who reads beside
 * writers opens a section (mtev_memory_begin()) around the call and the use of what it gives, and
 * has writers end keys and data with mtev_memory_safe_free().  Writers (all others) run one at a
 * time: the table's lock sees to that, or with MTEV_HASH_LOCK_MODE_NONE the caller.
 *
 * No call yields.  Those that return 1 or 0 set errno with the 0: EINVAL for no table, a negative
 * klen, or no key with klen above 0; or as they say.  Cost: O(1), and O(klen).
 */
#ifndef MTEV_HASH_H
#define MTEV_HASH_H

#include <mtev_defines.h>

#include <stdlib.h>

MTEV_BEGIN_DECLS

#define MTEV_HASH_DEFAULT_SIZE 128
#define MTEV_HASH_SIZE_MAX     1048576 /* of what is reserved; a table may grow beyond it */

typedef enum {
    MTEV_HASH_LOCK_MODE_NONE = 0, /* the caller sees to it that one thread writes at a time */
    MTEV_HASH_LOCK_MODE_MUTEX,
    MTEV_HASH_LOCK_MODE_SPIN /* for writers that seldom meet */
} mtev_hash_lock_mode_t;

typedef struct mtev_hash_table { /* one cache line; zeroed = empty, and ready for use */
    void *opaque[8];
} mtev_hash_table;

typedef struct mtev_hash_iter {
    union {
        const char *str;
        void *ptr;
    } key;
    union {
        const char *str;
        void *ptr;
    } value;
    int klen;
    void *opaque[3];
} mtev_hash_iter;

/* clang-format off */
#define MTEV_HASH_EMPTY     {{NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL}}
#define MTEV_HASH_ITER_ZERO {{NULL}, {NULL}, 0, {NULL, NULL, NULL}}
/* clang-format on */

/*
 * Make *h an empty table: of MTEV_HASH_DEFAULT_SIZE entries without a lock; of size entries, at
 * most MTEV_HASH_SIZE_MAX, and the default for 0 or less; and with a lock.  Without memory for a
 * mutex, the lock is a spin lock.  What the table holds is reserved by the first store.
 * mtev_hash_init_mtev_memory() is mtev_hash_init_locks(): every table reclaims its memory safely.
 */
API_EXPORT(void) mtev_hash_init(mtev_hash_table *h);
API_EXPORT(void) mtev_hash_init_size(mtev_hash_table *h, int size);
API_EXPORT(void)
mtev_hash_init_locks(mtev_hash_table *h, int size, mtev_hash_lock_mode_t lock_mode);
API_EXPORT(void)
mtev_hash_init_mtev_memory(mtev_hash_table *h, int size, mtev_hash_lock_mode_t lock_mode);

/*
 * Store a key that is not there yet.  Returns 1; or 0, with EEXIST or ENOMEM, and the table is as
 * it was.
 */
API_EXPORT(int) mtev_hash_store(mtev_hash_table *h, const char *key, int klen, void *data);

/*
 * Store a key, whether it is there or not.  What it replaces is ended with keyfree and datafree
 * (each may be NULL) before this returns, unless it is what replaces it.  Returns 1; or 0, with
 * ENOMEM, and the table is as it was.
 */
API_EXPORT(int)
mtev_hash_replace(mtev_hash_table *h, const char *key, int klen, void *data,
                  void (*keyfree)(void *key), void (*datafree)(void *data));

/*
 * Store a key, whether it is there or not, and give back what it replaces in *oldkey and *olddata
 * (each may be NULL; untouched if nothing is replaced).  Returns 1; 2 if it was there; or 0, with
 * ENOMEM, and the table is as it was.
 */
API_EXPORT(int)
mtev_hash_set(mtev_hash_table *h, const char *key, int klen, void *data, char **oldkey,
              void **olddata);

/* Find a key: return 1 and its data in *data; or 0 with ENOENT, and *data is untouched. */
API_EXPORT(int) mtev_hash_retrieve(mtev_hash_table *h, const char *key, int klen, void **data);
API_EXPORT(int)
mtev_hash_retr_str(mtev_hash_table *h, const char *key, int klen, const char **data);

/* Return the data of a key, or NULL. */
API_EXPORT(void *) mtev_hash_get(mtev_hash_table *h, const char *key, int klen);

/*
 * Delete a key, and end it and its data with keyfree and datafree (each may be NULL) before this
 * returns.  Returns 1; or 0 with ENOENT.
 */
API_EXPORT(int)
mtev_hash_delete(mtev_hash_table *h, const char *key, int klen, void (*keyfree)(void *key),
                 void (*datafree)(void *data));

/* Delete all keys, each as mtev_hash_delete() does. */
API_EXPORT(void)
mtev_hash_delete_all(mtev_hash_table *h, void (*keyfree)(void *key), void (*datafree)(void *data));

/*
 * Delete all keys, and give back what the table itself took.  Nobody else uses the table any more.
 * It is as MTEV_HASH_EMPTY then.
 */
API_EXPORT(void)
mtev_hash_destroy(mtev_hash_table *h, void (*keyfree)(void *key), void (*datafree)(void *data));

/* Return how many keys there are. */
API_EXPORT(int) mtev_hash_size(mtev_hash_table *h);

/*
 * Store a copy of each key of src, with a copy of its data, which is text or NULL, in dst, whose
 * keys and data are ended with free(3) where they are replaced.  What there is no memory for is
 * left out, with ENOMEM.
 */
API_EXPORT(void) mtev_hash_merge_as_dict(mtev_hash_table *dst, mtev_hash_table *src);

/*
 * Visit the keys of a table, in no order: iter starts as MTEV_HASH_ITER_ZERO, and each call that
 * returns 1 has put the next key and its data into it.  0: there are no more.  The key just visited
 * may be deleted.  While others store, mtev_hash_adv() may leave out keys or visit them twice;
 * mtev_hash_adv_spmc() visits every key that is there all the time once, if the whole iteration is
 * in one section.
 */
API_EXPORT(int) mtev_hash_adv(mtev_hash_table *h, mtev_hash_iter *iter);
API_EXPORT(int) mtev_hash_adv_spmc(mtev_hash_table *h, mtev_hash_iter *iter);

/* As mtev_hash_adv(), with the key and its data also in *key, *klen and *data. */
API_EXPORT(int)
mtev_hash_next(mtev_hash_table *h, mtev_hash_iter *iter, const char **key, int *klen, void **data);
API_EXPORT(int)
mtev_hash_next_str(mtev_hash_table *h, mtev_hash_iter *iter, const char **key, int *klen,
                   const char **data);

/*
 * Return a hash of len bytes, the same in every process of this version.  Tables use another one,
 * which differs from process to process, so that nobody can prepare keys that collide.
 */
API_EXPORT(uint32_t) mtev_hash__hash(const char *key, uint32_t len, uint32_t initval);

/*
 * A dictionary is a table of NUL-terminated keys and texts that the table owns: copies are stored,
 * and end with free(3).  Results are those of the call behind it.
 */
#define mtev_hash_dict_get(h, key) ((const char *)mtev_hash_get((h), (key), (int)strlen(key)))

#define mtev_hash_dict_store(h, key, text)   mtev_hash_dict_put_((h), (key), (text), mtev_false)
#define mtev_hash_dict_replace(h, key, text) mtev_hash_dict_put_((h), (key), (text), mtev_true)

#define mtev_hash_dict_delete(h, key) mtev_hash_delete((h), (key), (int)strlen(key), free, free)

/* Behind two of them: called by them only. */
API_EXPORT(int)
mtev_hash_dict_put_(mtev_hash_table *h, const char *key, const char *text, mtev_boolean replace);

MTEV_END_DECLS

#endif
