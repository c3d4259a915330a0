/* SPDX-License-Identifier: MIT */
/*
 * Goal: rings, chains and queues keep their order and their links through every mix of calls.
 * Method: small cases by hand, then 100,000 pseudo-random calls beside an array as the model.
 */
#include "harness.h"
#include "random.h"

#include "base/list.h"

#include <string.h>

#define ITEM_COUNT 16

struct item {
    int before; /* so that neither node is at offset 0 */
    struct ring node;
    struct queue_node link;
};

static void list_entry_finds_the_object(void **state)
{
    struct item one;
    assert_ptr_equal(list_entry(&one.node, struct item, node), &one);
    assert_ptr_equal(list_entry(&one.link, struct item, link), &one);
}

static void a_ring_is_walked_both_ways_in_order(void **state)
{
    struct ring head;
    struct ring nodes[3] = {{NULL, NULL}};
    ring_init(&head);
    assert_true(ring_is_empty(&head));
    for (size_t i = 0; i < 3; i++) {
        assert_false(ring_is_linked(&nodes[i]));
        ring_add_tail(&head, &nodes[i]);
        assert_true(ring_is_linked(&nodes[i]));
    }
    assert_false(ring_is_empty(&head));
    assert_ptr_equal(head.next, &nodes[0]);
    assert_ptr_equal(nodes[0].next, &nodes[1]);
    assert_ptr_equal(nodes[1].next, &nodes[2]);
    assert_ptr_equal(nodes[2].next, &head);
    assert_ptr_equal(head.prev, &nodes[2]);
    assert_ptr_equal(nodes[0].prev, &head);
}

static void a_node_on_no_ring_may_be_removed(void **state)
{
    struct ring head;
    struct ring node = {NULL, NULL};
    ring_init(&head);
    ring_remove(&node);
    ring_add_tail(&head, &node);
    ring_remove(&node);
    ring_remove(&node);
    assert_true(ring_is_empty(&head));
    assert_ptr_equal(head.prev, &head);
    assert_false(ring_is_linked(&node));
}

static void any_mix_of_ring_calls_matches_the_model(void **state)
{
    struct ring head;
    struct ring nodes[ITEM_COUNT];
    struct ring *model[ITEM_COUNT];
    size_t count = 0;
    uint32_t seed = 2463534242u;

    memset(nodes, 0, sizeof(nodes));
    ring_init(&head);
    for (unsigned step = 0; step < 100000; step++) {
        struct ring *node = &nodes[random_next(&seed) % ITEM_COUNT];
        if (!ring_is_linked(node)) {
            ring_add_tail(&head, node);
            model[count++] = node;
        } else {
            size_t at = 0;
            while (model[at] != node)
                at++;
            ring_remove(node);
            count--;
            memmove(&model[at], &model[at + 1], (count - at) * sizeof(model[0]));
        }
        const struct ring *walk = &head;
        for (size_t i = 0; i < count; i++) {
            assert_ptr_equal(walk->next, model[i]);
            assert_ptr_equal(walk->next->prev, walk);
            walk = walk->next;
        }
        assert_ptr_equal(walk->next, &head);
        assert_ptr_equal(head.prev, walk);
    }
}

static void a_node_on_no_chain_may_be_removed(void **state)
{
    struct chain_node *head = NULL;
    struct chain_node node = {NULL, NULL};
    chain_remove(&node);
    chain_add(&head, &node);
    assert_ptr_equal(head, &node);
    chain_remove(&node);
    assert_null(head);
    chain_remove(&node);
    assert_null(node.link);
    chain_add(&head, &node); /* and it may be on one again */
    assert_ptr_equal(head, &node);
}

static void any_mix_of_chain_calls_matches_the_model(void **state)
{
    struct chain_node *head = NULL;
    struct chain_node nodes[ITEM_COUNT];
    struct chain_node *model[ITEM_COUNT]; /* the oldest first, the last one at the head */
    size_t count = 0;
    uint32_t seed = 362436069U;

    memset(nodes, 0, sizeof(nodes));
    for (unsigned step = 0; step < 100000; step++) {
        struct chain_node *node = &nodes[random_next(&seed) % ITEM_COUNT];
        if (node->link == NULL) {
            chain_add(&head, node);
            model[count++] = node;
        } else {
            size_t at = 0;
            while (model[at] != node)
                at++;
            chain_remove(node);
            count--;
            memmove(&model[at], &model[at + 1], (count - at) * sizeof(model[0]));
        }
        struct chain_node **link = &head;
        for (size_t i = count; i > 0; i--) {
            assert_ptr_equal(*link, model[i - 1]);
            assert_ptr_equal((*link)->link, link);
            link = &(*link)->next;
        }
        assert_null(*link);
    }
}

static void an_empty_queue_gives_nothing(void **state)
{
    struct queue q = {NULL, NULL};
    struct queue other = {NULL, NULL};
    assert_true(queue_is_empty(&q));
    assert_null(queue_take(&q));
    queue_append(&q, &other);
    assert_true(queue_is_empty(&q));
}

static void a_queue_gives_the_oldest_first(void **state)
{
    struct queue q = {NULL, NULL};
    struct queue_node nodes[4];
    queue_put(&q, &nodes[1]);
    queue_put(&q, &nodes[2]);
    queue_put_first(&q, &nodes[0]);
    for (size_t i = 0; i < 3; i++)
        assert_ptr_equal(queue_take(&q), &nodes[i]);
    assert_null(queue_take(&q));
    queue_put_first(&q, &nodes[2]); /* last must be right after a put_first on an empty one */
    queue_put(&q, &nodes[3]);
    assert_ptr_equal(queue_take(&q), &nodes[2]);
    assert_ptr_equal(queue_take(&q), &nodes[3]);
    assert_true(queue_is_empty(&q));
}

static void appending_moves_all_and_empties_the_source(void **state)
{
    for (size_t first = 0; first <= 2; first++) {
        for (size_t second = 0; second <= 2; second++) {
            struct queue to = {NULL, NULL};
            struct queue from = {NULL, NULL};
            struct queue_node nodes[5];
            size_t count = 0;
            for (size_t i = 0; i < first; i++)
                queue_put(&to, &nodes[count++]);
            for (size_t i = 0; i < second; i++)
                queue_put(&from, &nodes[count++]);
            queue_append(&to, &from);
            assert_true(queue_is_empty(&from));
            queue_put(&to, &nodes[count++]);
            for (size_t i = 0; i < count; i++)
                assert_ptr_equal(queue_take(&to), &nodes[i]);
            assert_null(queue_take(&to));
        }
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(list_entry_finds_the_object),
    cmocka_unit_test(a_ring_is_walked_both_ways_in_order),
    cmocka_unit_test(a_node_on_no_ring_may_be_removed),
    cmocka_unit_test(any_mix_of_ring_calls_matches_the_model),
    cmocka_unit_test(a_node_on_no_chain_may_be_removed),
    cmocka_unit_test(any_mix_of_chain_calls_matches_the_model),
    cmocka_unit_test(an_empty_queue_gives_nothing),
    cmocka_unit_test(a_queue_gives_the_oldest_first),
    cmocka_unit_test(appending_moves_all_and_empties_the_source),
};
HARNESS_MAIN(tests)
