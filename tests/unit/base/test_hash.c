/* SPDX-License-Identifier: MIT */
/*
 * Goal: mtev_hash.h keeps its promises, for any key, without memory, and with readers and writers
 * in several threads.
 * Method: each call at its borders; a million random calls beside a plain array that knows what the
 * table holds (RANDOM_SEED has them again); threads that read while others store and delete, with
 * keys and data that are poisoned when they are freed.
 */
#include "harness.h"
#include "random.h"

#include <mtev_hash.h>
#include <mtev_memory.h>

#include "base/alloc.h"
#include "base/smr.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define KEY_COUNT  1000
#define CALL_COUNT 1000000

static int key_frees, data_frees;

static void on_key_free(void *key)
{
    key_frees++;
}

static void on_data_free(void *data)
{
    data_frees++;
}

static int begin(void **state)
{
    key_frees = data_frees = 0;
    errno = 0;
    return 0;
}

static int store(mtev_hash_table *h, const char *key, void *data)
{
    return mtev_hash_store(h, key, (int)strlen(key), data);
}

/* ---- one call at a time ---------------------------------------------------------- */

static void a_zeroed_table_works(void **state)
{
    mtev_hash_table h = MTEV_HASH_EMPTY;
    int one = 1;
    assert_int_equal(sizeof(h), 64);
    assert_int_equal(mtev_hash_size(&h), 0);
    assert_null(mtev_hash_get(&h, "key", 3));
    assert_int_equal(mtev_hash_delete(&h, "key", 3, NULL, NULL), 0);
    assert_int_equal(errno, ENOENT);
    mtev_hash_delete_all(&h, NULL, NULL);
    assert_int_equal(store(&h, "key", &one), 1);
    assert_ptr_equal(mtev_hash_get(&h, "key", 3), &one);
    mtev_hash_destroy(&h, NULL, NULL);
    assert_int_equal(store(&h, "again", &one), 1); /* as MTEV_HASH_EMPTY */
    mtev_hash_destroy(&h, NULL, NULL);
    mtev_hash_destroy(&h, NULL, NULL);
}

static void no_table_is_empty_and_takes_nothing(void **state)
{
    mtev_hash_iter iter = MTEV_HASH_ITER_ZERO;
    const char *text = "untouched";
    void *data = &iter;
    mtev_hash_init(NULL);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(mtev_hash_size(NULL), 0);
    assert_int_equal(mtev_hash_retrieve(NULL, "k", 1, &data), 0);
    assert_int_equal(mtev_hash_retr_str(NULL, "k", 1, &text), 0);
    assert_null(mtev_hash_get(NULL, "k", 1));
    assert_int_equal(mtev_hash_adv(NULL, &iter), 0);
    assert_int_equal(mtev_hash_adv_spmc(NULL, &iter), 0);
    assert_int_equal(store(NULL, "k", data), 0);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(mtev_hash_set(NULL, "k", 1, data, NULL, NULL), 0);
    assert_int_equal(mtev_hash_replace(NULL, "k", 1, data, NULL, NULL), 0);
    assert_int_equal(mtev_hash_delete(NULL, "k", 1, NULL, NULL), 0);
    mtev_hash_delete_all(NULL, NULL, NULL);
    mtev_hash_destroy(NULL, NULL, NULL);
    mtev_hash_merge_as_dict(NULL, NULL);
    assert_string_equal(text, "untouched");
    assert_ptr_equal(data, &iter);
}

static void keys_are_any_bytes(void **state)
{
    mtev_hash_table h = MTEV_HASH_EMPTY;
    static const struct {
        const char *key;
        int klen;
    } keys[] = {{NULL, 0}, {"\0", 1}, {"\0\0", 2}, {"a\0b", 3}, {"a\0c", 3}, {"a", 1}, {"\xff", 1}};
    size_t count = sizeof(keys) / sizeof(keys[0]);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(mtev_hash_store(&h, keys[i].key, keys[i].klen, (void *)(i + 1)), 1);
    for (size_t i = 0; i < count; i++)
        assert_ptr_equal(mtev_hash_get(&h, keys[i].key, keys[i].klen), (void *)(i + 1));
    assert_int_equal(mtev_hash_store(&h, "", 0, NULL), 0); /* the same as NULL, 0 */
    assert_int_equal(errno, EEXIST);
    assert_int_equal(mtev_hash_size(&h), count);
    mtev_hash_destroy(&h, NULL, NULL);
}

static void keys_that_cannot_be_are_refused(void **state)
{
    mtev_hash_table h = MTEV_HASH_EMPTY;
    static const int lengths[] = {-1, INT_MIN, -INT_MAX};
    void *data = &h;
    for (size_t i = 0; i < 3; i++) {
        errno = 0;
        assert_int_equal(mtev_hash_store(&h, "key", lengths[i], NULL), 0);
        assert_int_equal(errno, EINVAL);
        assert_int_equal(mtev_hash_set(&h, "key", lengths[i], NULL, NULL, NULL), 0);
        assert_int_equal(mtev_hash_replace(&h, "key", lengths[i], NULL, NULL, NULL), 0);
        assert_int_equal(mtev_hash_retrieve(&h, "key", lengths[i], &data), 0);
        assert_int_equal(mtev_hash_delete(&h, "key", lengths[i], NULL, NULL), 0);
    }
    errno = 0;
    assert_int_equal(mtev_hash_store(&h, NULL, INT_MAX, NULL), 0);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(mtev_hash_size(&h), 0);
}

static void a_long_key_is_like_any_other(void **state)
{
    mtev_hash_table h = MTEV_HASH_EMPTY;
    size_t len = 1 << 24;
    char *key = alloc_zeroed(1, len + 1);
    char *other = alloc_zeroed(1, len + 1);
    other[len - 1] = 1;
    assert_int_equal(mtev_hash_store(&h, key, (int)len, key), 1);
    assert_ptr_equal(mtev_hash_get(&h, key, (int)len), key);
    assert_null(mtev_hash_get(&h, other, (int)len));
    assert_null(mtev_hash_get(&h, key, (int)len + 1));
    mtev_hash_destroy(&h, NULL, NULL);
    alloc_free(key);
    alloc_free(other);
}

static void a_key_is_stored_once(void **state)
{
    mtev_hash_table h = MTEV_HASH_EMPTY;
    int one = 1, two = 2;
    void *data = NULL;
    assert_int_equal(store(&h, "key", &one), 1);
    assert_int_equal(store(&h, "key", &two), 0);
    assert_int_equal(errno, EEXIST);
    assert_int_equal(mtev_hash_retrieve(&h, "key", 3, &data), 1);
    assert_ptr_equal(data, &one);
    assert_int_equal(mtev_hash_retrieve(&h, "key", 3, NULL), 1);
    assert_int_equal(mtev_hash_retrieve(&h, "kex", 3, &data), 0);
    assert_int_equal(errno, ENOENT);
    assert_ptr_equal(data, &one);
    mtev_hash_destroy(&h, on_key_free, on_data_free);
    assert_int_equal(key_frees, 1);
    assert_int_equal(data_frees, 1);
}

static void a_replaced_key_is_given_back(void **state)
{
    mtev_hash_table h = MTEV_HASH_EMPTY;
    const char first[] = "key", second[] = "key";
    int one = 1, two = 2;
    char *old_key = NULL;
    void *old_data = NULL;
    assert_int_equal(mtev_hash_set(&h, first, 3, &one, &old_key, &old_data), 1);
    assert_null(old_key);
    assert_int_equal(mtev_hash_set(&h, second, 3, &two, &old_key, &old_data), 2);
    assert_ptr_equal(old_key, first);
    assert_ptr_equal(old_data, &one);
    assert_int_equal(mtev_hash_set(&h, first, 3, &one, NULL, NULL), 2);
    mtev_hash_iter iter = MTEV_HASH_ITER_ZERO;
    assert_int_equal(mtev_hash_adv(&h, &iter), 1);
    assert_ptr_equal(iter.key.str, first);
    mtev_hash_destroy(&h, NULL, NULL);
}

static void what_is_replaced_is_ended_unless_it_stays(void **state)
{
    mtev_hash_table h = MTEV_HASH_EMPTY;
    const char first[] = "key", second[] = "key";
    int one = 1, two = 2;
    assert_int_equal(mtev_hash_replace(&h, first, 3, &one, on_key_free, on_data_free), 1);
    assert_int_equal(key_frees + data_frees, 0);
    assert_int_equal(mtev_hash_replace(&h, second, 3, &two, on_key_free, on_data_free), 1);
    assert_int_equal(key_frees, 1);
    assert_int_equal(data_frees, 1);
    assert_int_equal(mtev_hash_replace(&h, second, 3, &two, on_key_free, on_data_free), 1);
    assert_int_equal(key_frees, 1);
    assert_int_equal(data_frees, 1);
    assert_int_equal(mtev_hash_delete(&h, "key", 3, on_key_free, on_data_free), 1);
    assert_int_equal(key_frees, 2);
    assert_int_equal(data_frees, 2);
    mtev_hash_destroy(&h, NULL, NULL);
}

static void text_is_found_as_text(void **state)
{
    mtev_hash_table h = MTEV_HASH_EMPTY;
    mtev_hash_iter iter = MTEV_HASH_ITER_ZERO;
    const char *key = NULL, *text = NULL;
    char value[] = "value";
    int klen = 0;
    assert_int_equal(store(&h, "key", value), 1);
    assert_int_equal(mtev_hash_retr_str(&h, "key", 3, &text), 1);
    assert_string_equal(text, "value");
    text = NULL;
    assert_int_equal(mtev_hash_next_str(&h, &iter, &key, &klen, &text), 1);
    assert_string_equal(key, "key");
    assert_int_equal(klen, 3);
    assert_string_equal(text, "value");
    assert_int_equal(mtev_hash_next_str(&h, &iter, &key, &klen, &text), 0);
    mtev_hash_destroy(&h, NULL, NULL);
}

static void sizes_up_to_the_limit_are_reserved(void **state)
{
    static const int sizes[] = {INT_MIN,
                                -1,
                                0,
                                1,
                                2,
                                127,
                                128,
                                129,
                                MTEV_HASH_SIZE_MAX - 1,
                                MTEV_HASH_SIZE_MAX,
                                MTEV_HASH_SIZE_MAX + 1,
                                INT_MAX};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        mtev_hash_table h;
        mtev_hash_init_size(&h, sizes[i]);
        for (char c = 'a'; c <= 'z'; c++)
            assert_int_equal(mtev_hash_store(&h, memset(alloc_bytes(1), c, 1), 1, NULL), 1);
        assert_int_equal(mtev_hash_size(&h), 26);
        mtev_hash_destroy(&h, free, NULL);
    }
}

static void the_public_hash_is_the_same_everywhere(void **state)
{
    assert_int_equal(mtev_hash__hash("key", 3, 0), mtev_hash__hash("key", 3, 0));
    assert_int_not_equal(mtev_hash__hash("key", 3, 0), mtev_hash__hash("key", 3, 1));
    assert_int_not_equal(mtev_hash__hash("key", 3, 0), mtev_hash__hash("kez", 3, 0));
    assert_int_equal(mtev_hash__hash("\0\1", 2, 0), 0xc41e3669u); /* of test_siphash.c */
}

/* ---- all keys -------------------------------------------------------------------- */

static char keys[KEY_COUNT][8];

static void make_keys(void)
{
    for (int i = 0; i < KEY_COUNT; i++)
        snprintf(keys[i], sizeof(keys[i]), "%d", i);
}

/* The number of a key that make_keys() made. */
static size_t number_of(const char *key)
{
    return strtoul(key, NULL, 10);
}

static void fill_from(mtev_hash_table *h, size_t first)
{
    for (size_t i = first; i < KEY_COUNT; i++)
        assert_int_equal(store(h, keys[i], (void *)(i + 1)), 1);
}

static void fill(mtev_hash_table *h)
{
    fill_from(h, 0);
}

static void check_visits(mtev_hash_table *h, int (*advance)(mtev_hash_table *, mtev_hash_iter *))
{
    bool is_visited[KEY_COUNT] = {false};
    mtev_hash_iter iter = MTEV_HASH_ITER_ZERO;
    size_t count = 0;
    for (; advance(h, &iter) == 1; count++) {
        size_t i = (size_t)iter.value.ptr - 1;
        assert_ptr_equal(iter.key.str, keys[i]);
        assert_int_equal(iter.klen, strlen(keys[i]));
        assert_false(is_visited[i]);
        is_visited[i] = true;
    }
    assert_int_equal(count, KEY_COUNT);
    assert_int_equal(advance(h, &iter), 0);
}

static void every_key_is_visited_once(void **state)
{
    mtev_hash_table h = MTEV_HASH_EMPTY;
    fill(&h);
    check_visits(&h, mtev_hash_adv);
    check_visits(&h, mtev_hash_adv_spmc);
    mtev_hash_destroy(&h, NULL, NULL);
}

static void the_key_just_visited_may_be_deleted(void **state)
{
    mtev_hash_table h = MTEV_HASH_EMPTY;
    mtev_hash_iter iter = MTEV_HASH_ITER_ZERO;
    int count = 0;
    fill(&h);
    for (; mtev_hash_adv(&h, &iter); count++)
        if (count % 2 == 0)
            assert_int_equal(mtev_hash_delete(&h, iter.key.str, iter.klen, NULL, NULL), 1);
    assert_int_equal(count, KEY_COUNT);
    assert_int_equal(mtev_hash_size(&h), KEY_COUNT / 2);
    mtev_hash_destroy(&h, NULL, NULL);
}

static void a_snapshot_is_visited_while_the_table_grows(void **state)
{
    mtev_hash_table h = MTEV_HASH_EMPTY;
    mtev_hash_iter iter = MTEV_HASH_ITER_ZERO;
    int count = 0;
    for (int i = 0; i < 10; i++)
        store(&h, keys[i], NULL);
    mtev_memory_begin();
    while (mtev_hash_adv_spmc(&h, &iter)) {
        for (int i = 10; i < KEY_COUNT && count == 0; i++)
            store(&h, keys[i], NULL);
        count++;
    }
    mtev_memory_end();
    assert_in_range(count, 10, KEY_COUNT);
    assert_int_equal(mtev_hash_size(&h), KEY_COUNT);
    mtev_hash_destroy(&h, NULL, NULL);
}

static void all_keys_are_deleted_and_the_table_goes_on(void **state)
{
    mtev_hash_table h;
    mtev_hash_init_mtev_memory(&h, 4, MTEV_HASH_LOCK_MODE_SPIN);
    for (int i = 1; i <= 2; i++) {
        fill(&h);
        mtev_hash_delete_all(&h, on_key_free, on_data_free);
        assert_int_equal(key_frees, i * KEY_COUNT);
        assert_int_equal(data_frees, i * KEY_COUNT);
        assert_int_equal(mtev_hash_size(&h), 0);
        assert_null(mtev_hash_get(&h, "1", 1));
    }
    mtev_hash_destroy(&h, NULL, NULL);
}

static void a_dictionary_owns_copies(void **state)
{
    mtev_hash_table h = MTEV_HASH_EMPTY, src = MTEV_HASH_EMPTY;
    char key[] = "key", text[] = "text", one[] = "one";
    assert_int_equal(mtev_hash_dict_store(&h, key, text), 1);
    key[0] = text[0] = 'x';
    assert_string_equal(mtev_hash_dict_get(&h, "key"), "text");
    assert_int_equal(mtev_hash_dict_store(&h, "key", "other"), 0);
    assert_int_equal(errno, EEXIST);
    assert_int_equal(mtev_hash_dict_replace(&h, "key", "other"), 1);
    assert_string_equal(mtev_hash_dict_get(&h, "key"), "other");
    assert_int_equal(mtev_hash_dict_store(&h, "none", NULL), 1);
    assert_null(mtev_hash_dict_get(&h, "none"));
    assert_int_equal(mtev_hash_store(&src, "key", 3, one), 1);
    assert_int_equal(mtev_hash_store(&src, "a\0b", 3, one), 1);
    assert_int_equal(mtev_hash_store(&src, "nil", 3, NULL), 1);
    mtev_hash_merge_as_dict(&h, &src);
    one[0] = 'x';
    assert_int_equal(mtev_hash_size(&h), 4);
    assert_string_equal(mtev_hash_dict_get(&h, "key"), "one");
    assert_string_equal(mtev_hash_get(&h, "a\0b", 3), "one");
    assert_int_equal(mtev_hash_dict_delete(&h, "key"), 1);
    assert_int_equal(mtev_hash_dict_delete(&h, "key"), 0);
    mtev_hash_destroy(&h, free, free);
    mtev_hash_destroy(&src, NULL, NULL);
}

#define MANY_KEYS 300000 /* of which some ten pairs share the 32 bits of their hash */

static void keys_with_the_same_hash_are_told_apart(void **state)
{
    mtev_hash_table h = MTEV_HASH_EMPTY;
    uint32_t *numbers = alloc_zeroed(MANY_KEYS, sizeof(*numbers));
    assert_non_null(numbers);
    for (uint32_t i = 0; i < MANY_KEYS; i++) {
        numbers[i] = i;
        assert_int_equal(mtev_hash_store(&h, (const char *)&numbers[i], 4, &numbers[i]), 1);
    }
    for (uint32_t i = 0; i < MANY_KEYS; i++)
        assert_ptr_equal(mtev_hash_get(&h, (const char *)&i, 4), &numbers[i]);
    for (uint32_t i = MANY_KEYS; i < 2 * MANY_KEYS; i++)
        assert_null(mtev_hash_get(&h, (const char *)&i, 4));
    mtev_hash_destroy(&h, NULL, NULL);
    alloc_free(numbers);
}

/* ---- memory ---------------------------------------------------------------------- */

static void what_readers_may_see_is_kept_for_them(void **state)
{
    mtev_hash_table h = MTEV_HASH_EMPTY;
    mtev_memory_maintenance_ex(MTEV_MM_BARRIER);
    store(&h, keys[0], NULL);
    mtev_memory_begin();
    fill_from(&h, 1); /* it grows */
    size_t arrays = smr_pending();
    assert_in_range(arrays, 1, 10);
    assert_int_equal(mtev_hash_delete(&h, keys[0], (int)strlen(keys[0]), NULL, NULL), 1);
    assert_int_equal(smr_pending(), arrays + 1);
    assert_int_equal(mtev_memory_maintenance_ex(MTEV_MM_TRY), 0);
    mtev_memory_end();
    assert_int_equal(mtev_memory_maintenance_ex(MTEV_MM_BARRIER), arrays + 1);
    mtev_hash_destroy(&h, NULL, NULL);
}

static void marks_of_deleted_keys_are_swept_away(void **state)
{
    mtev_hash_table h = MTEV_HASH_EMPTY;
    const int count = 10000, at_once = 10;
    alloc_fail_nth(UINT64_MAX, 0); /* counts */
    for (int i = 0; i < count; i++) {
        const char *old = keys[(i + KEY_COUNT - at_once) % KEY_COUNT];
        assert_int_equal(store(&h, keys[i % KEY_COUNT], NULL), 1);
        mtev_hash_delete(&h, old, (int)strlen(old), NULL, NULL);
    }
    uint64_t arrays = alloc_asked() - (uint64_t)count;
    alloc_fail_nth(0, 0);
    assert_in_range(arrays, count / MTEV_HASH_DEFAULT_SIZE, 2 * count / MTEV_HASH_DEFAULT_SIZE);
    mtev_hash_destroy(&h, NULL, NULL);
}

/* ---- without memory -------------------------------------------------------------- */

static void store_many(void *closure)
{
    mtev_hash_table h, dict = MTEV_HASH_EMPTY;
    size_t stored = 0;
    mtev_hash_init_locks(&h, 1, MTEV_HASH_LOCK_MODE_MUTEX);
    for (size_t i = 0; i < 200; i++) {
        errno = 0;
        int result =
            i % 2 == 0 ? store(&h, keys[i], keys[i])
                       : mtev_hash_replace(&h, keys[i], (int)strlen(keys[i]), keys[i], NULL, NULL);
        assert_true(result == 1 || errno == ENOMEM);
        stored += (size_t)result;
        assert_true((mtev_hash_get(&h, keys[i], (int)strlen(keys[i])) == keys[i]) == (result == 1));
    }
    assert_int_equal(mtev_hash_size(&h), stored);
    for (size_t i = 0; i < 150; i++)
        stored -= (size_t)mtev_hash_delete(&h, keys[i], (int)strlen(keys[i]), NULL, NULL);
    assert_int_equal(mtev_hash_size(&h), stored);
    mtev_hash_merge_as_dict(&dict, &h);
    assert_in_range(mtev_hash_size(&dict), 0, stored);
    mtev_hash_delete_all(&h, NULL, NULL);
    assert_int_equal(mtev_hash_size(&h), 0);
    mtev_hash_destroy(&h, NULL, NULL);
    mtev_hash_destroy(&dict, free, free);
    mtev_memory_maintenance_ex(MTEV_MM_BARRIER);
}

static void every_allocation_may_fail(void **state)
{
    harness_fail_each_allocation(store_many, NULL);
}

/* ---- a model --------------------------------------------------------------------- */

static void *values[KEY_COUNT]; /* what the table holds for each key; NULL: nothing */

static void step(mtev_hash_table *h, uint32_t *seed)
{
    size_t i = random_below(seed, KEY_COUNT);
    int klen = (int)strlen(keys[i]);
    void *value = &keys[random_below(seed, KEY_COUNT)], *old = NULL;
    switch (random_below(seed, 16)) {
    case 0:
    case 1:
    case 2:
        assert_int_equal(mtev_hash_store(h, keys[i], klen, value), values[i] == NULL);
        values[i] = values[i] == NULL ? value : values[i];
        break;
    case 3:
        assert_int_equal(mtev_hash_set(h, keys[i], klen, value, NULL, &old), 1 + (values[i] != 0));
        assert_ptr_equal(old, values[i]);
        values[i] = value;
        break;
    case 4:
        assert_int_equal(mtev_hash_replace(h, keys[i], klen, value, NULL, NULL), 1);
        values[i] = value;
        break;
    case 5:
    case 6:
    case 7:
    case 8:
        assert_int_equal(mtev_hash_delete(h, keys[i], klen, NULL, NULL), values[i] != NULL);
        values[i] = NULL;
        break;
    default:
        assert_ptr_equal(mtev_hash_get(h, keys[i], klen), values[i]);
        break;
    }
}

static void check_all(mtev_hash_table *h)
{
    mtev_hash_iter iter = MTEV_HASH_ITER_ZERO;
    int count = 0, visited = 0;
    for (size_t i = 0; i < KEY_COUNT; i++) {
        count += values[i] != NULL;
        assert_ptr_equal(mtev_hash_get(h, keys[i], (int)strlen(keys[i])), values[i]);
    }
    for (; mtev_hash_adv(h, &iter); visited++)
        assert_ptr_equal(iter.value.ptr, values[number_of(iter.key.str)]);
    assert_int_equal(mtev_hash_size(h), count);
    assert_int_equal(visited, count);
}

static void a_million_calls_agree_with_an_array(void **state)
{
    mtev_hash_table h = MTEV_HASH_EMPTY;
    uint32_t seed = random_seed();
    memset(values, 0, sizeof(values));
    for (size_t i = 0; i < CALL_COUNT; i++) {
        step(&h, &seed);
        if (random_below(&seed, 50000) == 0) {
            mtev_hash_delete_all(&h, NULL, NULL);
            memset(values, 0, sizeof(values));
        }
        if (i % 10000 == 0)
            check_all(&h);
    }
    check_all(&h);
    mtev_hash_destroy(&h, NULL, NULL);
}

/* ---- threads --------------------------------------------------------------------- */

#define WRITER_COUNT 2
#define READER_COUNT 2
#define WRITES       20000
#define SHARED_KEYS  200
#define POISON       0xdead

struct value { /* what key it belongs to, or POISON */
    size_t index;
};

struct writer {
    mtev_hash_table *h;
    size_t first; /* of the keys that it alone writes */
    uint32_t seed;
};

static _Atomic bool is_over;
static _Atomic size_t found_count;

static void poison_value(void *block)
{
    ((struct value *)block)->index = POISON;
}

static void poison_key(void *block)
{
    memset(block, 'x', 1);
}

static void *new_value(size_t index)
{
    struct value *value = mtev_memory_safe_malloc_cleanup(sizeof(*value), poison_value);
    value->index = index;
    return value;
}

static char *new_key(size_t index)
{
    size_t size = strlen(keys[index]) + 1;
    return memcpy(mtev_memory_safe_malloc_cleanup(size, poison_key), keys[index], size);
}

static void *write_randomly(void *closure)
{
    struct writer *writer = closure;
    bool is_there[SHARED_KEYS / WRITER_COUNT] = {false};
    for (int n = 0; n < WRITES; n++) {
        size_t i = random_below(&writer->seed, SHARED_KEYS / WRITER_COUNT);
        size_t index = writer->first + i;
        int klen = (int)strlen(keys[index]);
        if (random_below(&writer->seed, 2) == 0) {
            char *key = new_key(index);
            if (mtev_hash_replace(writer->h, key, klen, new_value(index), mtev_memory_safe_free,
                                  mtev_memory_safe_free) != 1)
                abort();
            is_there[i] = true;
        } else {
            if (mtev_hash_delete(writer->h, keys[index], klen, mtev_memory_safe_free,
                                 mtev_memory_safe_free) != is_there[i])
                abort();
            is_there[i] = false;
        }
    }
    return NULL;
}

static void *read_randomly(void *closure)
{
    mtev_hash_table *h = closure;
    uint32_t seed = 1;
    while (!atomic_load(&is_over)) {
        size_t index = random_below(&seed, SHARED_KEYS);
        mtev_memory_begin();
        const struct value *value = mtev_hash_get(h, keys[index], (int)strlen(keys[index]));
        if (value != NULL && value->index != index)
            abort();
        if (random_below(&seed, 100) == 0) {
            mtev_hash_iter iter = MTEV_HASH_ITER_ZERO;
            while (mtev_hash_adv_spmc(h, &iter))
                if (((const struct value *)iter.value.ptr)->index != number_of(iter.key.str))
                    abort();
        }
        mtev_memory_end();
        atomic_fetch_add(&found_count, value != NULL);
    }
    return NULL;
}

static void run_crowd(mtev_hash_lock_mode_t lock_mode, size_t writer_count)
{
    mtev_hash_table h;
    pthread_t writers[WRITER_COUNT], readers[READER_COUNT];
    struct writer what[WRITER_COUNT];
    mtev_hash_init_locks(&h, 2, lock_mode);
    atomic_store(&is_over, false);
    for (size_t i = 0; i < READER_COUNT; i++)
        assert_int_equal(pthread_create(&readers[i], NULL, read_randomly, &h), 0);
    for (size_t i = 0; i < writer_count; i++) {
        what[i] = (struct writer){&h, i * (SHARED_KEYS / WRITER_COUNT), (uint32_t)i + 1};
        assert_int_equal(pthread_create(&writers[i], NULL, write_randomly, &what[i]), 0);
    }
    for (size_t i = 0; i < writer_count; i++)
        pthread_join(writers[i], NULL);
    atomic_store(&is_over, true);
    for (size_t i = 0; i < READER_COUNT; i++)
        pthread_join(readers[i], NULL);
    mtev_hash_destroy(&h, mtev_memory_safe_free, mtev_memory_safe_free);
    assert_true(mtev_memory_maintenance_ex(MTEV_MM_BARRIER) > 0);
}

static void readers_run_beside_one_writer_without_a_lock(void **state)
{
    run_crowd(MTEV_HASH_LOCK_MODE_NONE, 1);
}

static void readers_run_beside_writers_that_spin(void **state)
{
    run_crowd(MTEV_HASH_LOCK_MODE_SPIN, WRITER_COUNT);
}

static void readers_run_beside_writers_with_a_mutex(void **state)
{
    run_crowd(MTEV_HASH_LOCK_MODE_MUTEX, WRITER_COUNT);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup(a_zeroed_table_works, begin),
    cmocka_unit_test_setup(no_table_is_empty_and_takes_nothing, begin),
    cmocka_unit_test_setup(keys_are_any_bytes, begin),
    cmocka_unit_test_setup(keys_that_cannot_be_are_refused, begin),
    cmocka_unit_test_setup(a_long_key_is_like_any_other, begin),
    cmocka_unit_test_setup(a_key_is_stored_once, begin),
    cmocka_unit_test_setup(a_replaced_key_is_given_back, begin),
    cmocka_unit_test_setup(what_is_replaced_is_ended_unless_it_stays, begin),
    cmocka_unit_test_setup(text_is_found_as_text, begin),
    cmocka_unit_test_setup(sizes_up_to_the_limit_are_reserved, begin),
    cmocka_unit_test_setup(the_public_hash_is_the_same_everywhere, begin),
    cmocka_unit_test_setup(every_key_is_visited_once, begin),
    cmocka_unit_test_setup(the_key_just_visited_may_be_deleted, begin),
    cmocka_unit_test_setup(a_snapshot_is_visited_while_the_table_grows, begin),
    cmocka_unit_test_setup(all_keys_are_deleted_and_the_table_goes_on, begin),
    cmocka_unit_test_setup(a_dictionary_owns_copies, begin),
    cmocka_unit_test_setup(keys_with_the_same_hash_are_told_apart, begin),
    cmocka_unit_test_setup(what_readers_may_see_is_kept_for_them, begin),
    cmocka_unit_test_setup(marks_of_deleted_keys_are_swept_away, begin),
    cmocka_unit_test_setup(every_allocation_may_fail, begin),
    cmocka_unit_test_setup(a_million_calls_agree_with_an_array, begin),
    cmocka_unit_test_setup(readers_run_beside_one_writer_without_a_lock, begin),
    cmocka_unit_test_setup(readers_run_beside_writers_that_spin, begin),
    cmocka_unit_test_setup(readers_run_beside_writers_with_a_mutex, begin),
};

int main(void)
{
    make_keys();
    return harness_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]));
}
