/* SPDX-License-Identifier: MIT */
/*
 * list.h - intrusive lists: a ring and a chain (doubly linked) and a queue (singly linked, FIFO).
 *
 * Layer: base.  Not thread safe.  A node is embedded in the object that it puts on the list and is
 * on one list at a time; no call allocates or fails.  Cost: O(1) each.
 */
#ifndef EVENTER_BASE_LIST_H
#define EVENTER_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The object of the given type whose member is at ptr. */
#define list_entry(ptr, type, member) ((type *)((uintptr_t)(ptr)-offsetof(type, member)))

struct ring { /* a head, or a node; a node that is on no ring has next == NULL */
    struct ring *next, *prev;
};

static inline void ring_init(struct ring *head)
{
    head->next = head->prev = head;
}

static inline bool ring_is_empty(const struct ring *head)
{
    return head->next == head;
}

static inline bool ring_is_linked(const struct ring *node)
{
    return node->next != NULL;
}

static inline void ring_add_tail(struct ring *head, struct ring *node)
{
    struct ring *last = head->prev;
    node->next = head;
    last->next = node;
    node->prev = last;
    head->prev = node;
}

/* Take node off its ring; a node that is on none is left alone. */
static inline void ring_remove(struct ring *node)
{
    if (node->next == NULL)
        return;
    node->prev->next = node->next;
    node->next->prev = node->prev;
    node->next = node->prev = NULL;
}

/*
 * A chain: doubly linked, with a head of one word; zeroed = empty.  For heads of which there are
 * many.
 */
struct chain_node { /* a node that is on no chain has link == NULL */
    struct chain_node *next, **link;
};

static inline void chain_add(struct chain_node **head, struct chain_node *node)
{
    node->next = *head;
    node->link = head;
    if (*head != NULL)
        (*head)->link = &node->next;
    *head = node;
}

/* Take node off its chain; a node that is on none is left alone. */
static inline void chain_remove(struct chain_node *node)
{
    if (node->link == NULL)
        return;
    *node->link = node->next;
    if (node->next != NULL)
        node->next->link = node->link;
    node->next = NULL;
    node->link = NULL;
}

struct queue_node {
    struct queue_node *next;
};

struct queue { /* zeroed = empty */
    struct queue_node *first, *last;
};

static inline bool queue_is_empty(const struct queue *q)
{
    return q->first == NULL;
}

static inline void queue_put(struct queue *q, struct queue_node *node)
{
    node->next = NULL;
    if (q->first == NULL)
        q->first = node;
    else
        q->last->next = node;
    q->last = node;
}

static inline void queue_put_first(struct queue *q, struct queue_node *node)
{
    node->next = q->first;
    if (q->first == NULL)
        q->last = node;
    q->first = node;
}

/* Take the oldest node, or NULL. */
static inline struct queue_node *queue_take(struct queue *q)
{
    struct queue_node *node = q->first;
    if (node != NULL)
        q->first = node->next;
    return node;
}

/* Move everything from one queue behind the last of another. */
static inline void queue_append(struct queue *to, struct queue *from)
{
    if (from->first == NULL)
        return;
    if (to->first == NULL)
        to->first = from->first;
    else
        to->last->next = from->first;
    to->last = from->last;
    from->first = from->last = NULL;
}

#endif
