/* SPDX-License-Identifier: MIT */
/*
 * mailbox.h - a queue that many threads put into and one thread empties, in the order it was put.
 *
 * Layer: base.  mailbox_put(): any thread, lock-free, no allocation.  mailbox_take_all(): one
 * thread.  Senders push on a stack (Treiber 1986); the receiver takes the whole stack at once and
 * turns it round, so no node is ever popped singly and there is no ABA problem.
 */
#ifndef EVENTER_BASE_MAILBOX_H
#define EVENTER_BASE_MAILBOX_H

#include "base/list.h"

#include <stdatomic.h>

struct mailbox { /* zeroed = empty */
    _Atomic(struct queue_node *) newest;
};

/* Put node (borrowed until it is taken). */
static inline void mailbox_put(struct mailbox *box, struct queue_node *node)
{
    struct queue_node *newest = atomic_load_explicit(&box->newest, memory_order_relaxed);
    do
        node->next = newest;
    while (!atomic_compare_exchange_weak_explicit(&box->newest, &newest, node,
                                                  memory_order_seq_cst, /* pairs with a sleeper's
                                                                           last look */
                                                  memory_order_relaxed));
}

/* True if something was put; sequentially consistent, for the last look before a sleep. */
static inline bool mailbox_has_mail(struct mailbox *box)
{
    return atomic_load_explicit(&box->newest, memory_order_seq_cst) != NULL;
}

/* Take all that was put, oldest first. */
static inline struct queue mailbox_take_all(struct mailbox *box)
{
    struct queue mail = {NULL, NULL};
    if (atomic_load_explicit(&box->newest, memory_order_relaxed) == NULL)
        return mail;
    /* acquire: pairs with the release half of mailbox_put() */
    struct queue_node *node = atomic_exchange_explicit(&box->newest, NULL, memory_order_acq_rel);
    while (node != NULL) {
        struct queue_node *older = node->next;
        queue_put_first(&mail, node);
        node = older;
    }
    return mail;
}

#endif
