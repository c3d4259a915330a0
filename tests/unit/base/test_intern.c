/* SPDX-License-Identifier: MIT */
/*
 * Goal: the same bytes are one text, which lives exactly as long as somebody has a handle of it.
 * Method: handles are compared and counted; each allocation fails; threads intern and release the
 * same few texts, so that each is revived while others end it.
 */
#include "harness.h"

#include "tools.h"

#include "base/alloc.h"
#include "base/smr.h"

#include <errno.h>
#include <mtev_intern.h>
#include <mtev_rand.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

static mtev_intern_pool_t *pool;

static int set_up(void **state)
{
    if (pool == NULL)
        pool = mtev_intern_pool_new(&(mtev_intern_pool_attr_t){.estimated_entity_count = 100});
    return pool == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
    assert_int_equal(mtev_intern_pool_item_count(pool), 0);
    size_t count;
    return smr_barrier(&count);
}

static void the_same_bytes_are_one_text(void **state)
{
    char text[] = "text";
    mtev_intern_t a = mtev_intern_pool_str(pool, "text", 0);
    mtev_intern_t b = mtev_intern_pool_str(pool, "text and more", 4);
    mtev_intern_t c = mtev_intern_pool(pool, text, 4);
    mtev_intern_t d = mtev_intern_copy(a);
    mtev_intern_t other = mtev_intern_pool(pool, text, 5); /* with its NUL */
    text[0] = '?';
    assert_int_equal(a.opaque1, b.opaque1);
    assert_int_equal(a.opaque1, c.opaque1);
    assert_int_equal(a.opaque1, d.opaque1);
    assert_int_not_equal(a.opaque1, other.opaque1);
    assert_int_equal(mtev_intern_get_refcnt(a), 4);
    assert_int_equal(mtev_intern_pool_item_count(pool), 2);
    size_t len;
    assert_string_equal(mtev_intern_get_str(a, &len), "text");
    assert_int_equal(len, 4);
    assert_memory_equal(mtev_intern_get_ptr(other, &len), "text\0", 6); /* a NUL follows */
    assert_int_equal(len, 5);
    mtev_intern_release(a);
    mtev_intern_release_pool(pool, b);
    mtev_intern_release(c);
    assert_string_equal(mtev_intern_get_str(d, NULL), "text");
    mtev_intern_release(d);
    assert_int_equal(mtev_intern_pool_item_count(pool), 1);
    mtev_intern_release(other);
}

static void no_bytes_are_a_text_and_none_is_not(void **state)
{
    const mtev_intern_t none = {0};
    size_t len = 7;
    mtev_intern_t empty = mtev_intern_pool(pool, NULL, 0);
    assert_int_not_equal(empty.opaque1, 0);
    assert_string_equal(mtev_intern_get_str(empty, &len), "");
    assert_int_equal(len, 0);
    mtev_intern_release(empty);
    assert_null(mtev_intern_get_str(none, &len));
    assert_int_equal(mtev_intern_copy(none).opaque1, 0);
    assert_int_equal(mtev_intern_get_refcnt(none), 0);
    mtev_intern_release(none);
}

static void a_text_over_the_limit_is_refused(void **state)
{
    static char bytes[MTEV_INTERN_LEN_MAX + 1];
    for (size_t len = MTEV_INTERN_LEN_MAX - 1; len <= MTEV_INTERN_LEN_MAX + 1; len++) {
        errno = 0;
        mtev_intern_t interned = mtev_intern_pool(pool, bytes, len);
        assert_int_equal(interned.opaque1 == 0, len > MTEV_INTERN_LEN_MAX);
        assert_true(interned.opaque1 != 0 || errno == EINVAL);
        mtev_intern_release(interned);
    }
    assert_int_equal(mtev_intern_pool(NULL, "x", 1).opaque1, 0);
    assert_int_equal(mtev_intern_pool(pool, NULL, 1).opaque1, 0);
}

static void the_process_has_a_pool_of_its_own(void **state)
{
    mtev_intern_t a = mtev_intern_str("shared", 0), b = mtev_intern("shared", 6);
    mtev_intern_t elsewhere = mtev_intern_pool_str(pool, "shared", 0);
    assert_int_equal(a.opaque1, b.opaque1);
    assert_int_not_equal(a.opaque1, elsewhere.opaque1);
    assert_int_equal(mtev_intern_pool_item_count(mtev_intern_pool_default()), 1);
    mtev_intern_release(a);
    mtev_intern_release(b);
    mtev_intern_release(elsewhere);
}

static void a_pool_tells_what_it_holds(void **state)
{
    mtev_intern_pool_stats_t stats;
    mtev_intern_t a = mtev_intern_pool_str(pool, "three", 0);
    mtev_intern_pool_stats(pool, &stats);
    assert_int_equal(stats.item_count, 1);
    assert_int_equal(stats.allocated - stats.internal_alloc, 5);
    assert_int_equal(mtev_intern_pool_compact(pool, mtev_true), 0);
    mtev_intern_release(a);
    mtev_intern_pool_stats(pool, &stats);
    assert_int_equal(stats.allocated, 0);
}

static void intern_two(void *closure)
{
    mtev_intern_t a = mtev_intern_pool_str(pool, "one", 0);
    mtev_intern_t b = mtev_intern_pool_str(pool, "two", 0);
    mtev_intern_pool_t *another = mtev_intern_pool_new(NULL);
    assert_int_equal(mtev_intern_pool_item_count(pool), (a.opaque1 != 0) + (b.opaque1 != 0));
    mtev_intern_release(a);
    mtev_intern_release(b);
    alloc_free(another); /* it has nothing else yet */
}

static void each_allocation_may_fail(void **state)
{
    harness_fail_each_allocation(intern_two, NULL);
}

#define THREADS 4
#define ROUNDS  (200000 / TOOLS_SLOWNESS)
#define TEXTS   3

/* Returns what is wrong, or NULL. */
static const char *work_on_texts(void)
{
    mtev_intern_t held[TEXTS] = {{0}};
    for (int i = 0; i < ROUNDS; i++) {
        size_t which = mtev_rand() % TEXTS;
        const char wanted[] = {'t', (char)('0' + which), '\0'};
        mtev_intern_t interned = mtev_intern_pool_str(pool, wanted, 0);
        if (interned.opaque1 == 0 || strcmp(mtev_intern_get_str(interned, NULL), wanted) != 0)
            return "a text is another";
        if (held[which].opaque1 != 0 && held[which].opaque1 != interned.opaque1)
            return "a text that lives is there twice";
        mtev_intern_release(interned);
        if (mtev_rand() % 2 != 0)
            continue;
        if (held[which].opaque1 == 0)
            held[which] = mtev_intern_pool_str(pool, wanted, 0);
        else {
            mtev_intern_release(held[which]);
            held[which].opaque1 = 0;
        }
    }
    for (size_t i = 0; i < TEXTS; i++)
        mtev_intern_release(held[i]);
    return NULL;
}

static void *intern_and_release(void *out)
{
    *(const char **)out = work_on_texts();
    return NULL;
}

static void threads_agree_on_every_text(void **state)
{
    pthread_t threads[THREADS];
    const char *faults[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, intern_and_release, &faults[i]), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < THREADS; i++)
        if (faults[i] != NULL)
            fail_msg("%s", faults[i]);
}

#define intern_test(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

static const struct CMUnitTest tests[] = {
    intern_test(the_same_bytes_are_one_text),      intern_test(no_bytes_are_a_text_and_none_is_not),
    intern_test(a_text_over_the_limit_is_refused), intern_test(the_process_has_a_pool_of_its_own),
    intern_test(a_pool_tells_what_it_holds),       intern_test(each_allocation_may_fail),
    intern_test(threads_agree_on_every_text),
};

HARNESS_MAIN(tests)
