/* SPDX-License-Identifier: MIT */
/*
 * Goal: a list is sorted, and nodes that compare equal keep their order.
 * Method: lists of every small length and some large ones, of random keys that often are equal.
 */
#include "harness.h"

#include "base/alloc.h"

#include <mtev_rand.h>
#include <mtev_sort.h>
#include <stdbool.h>

struct node {
    struct node *next;
    unsigned key, place;
};

static void *next_of(void *current)
{
    return ((struct node *)current)->next;
}

static void set_next(void *current, void *value)
{
    ((struct node *)current)->next = value;
}

static int compare(void *left, void *right)
{
    const struct node *a = left, *b = right;
    return a->key < b->key ? -1 : a->key > b->key;
}

static void assert_sorts(unsigned count, unsigned keys)
{
    struct node *nodes = alloc_zeroed(count + 1, sizeof(*nodes));
    assert_non_null(nodes);
    for (unsigned i = 0; i < count; i++)
        nodes[i] = (struct node){.next = i + 1 < count ? &nodes[i + 1] : NULL,
                                 .key = (unsigned)(mtev_rand() % keys),
                                 .place = i};
    void *head = count == 0 ? NULL : nodes;
    mtev_merge_sort(&head, next_of, set_next, compare);
    unsigned found = 0;
    const struct node *before = NULL;
    for (const struct node *node = head; node != NULL; node = node->next) {
        if (before != NULL)
            assert_true(before->key < node->key ||
                        (before->key == node->key && before->place < node->place));
        before = node;
        found++;
    }
    assert_int_equal(found, count);
    alloc_free(nodes);
}

static void lists_of_any_length_are_sorted(void **state)
{
    for (unsigned count = 0; count <= 130; count++)
        for (unsigned keys = 1; keys <= 1000; keys *= 10)
            assert_sorts(count, keys);
    assert_sorts(100000, 1000);
    assert_sorts(65536, UINT32_MAX);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(lists_of_any_length_are_sorted),
};

HARNESS_MAIN(tests)
