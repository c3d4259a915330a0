/* SPDX-License-Identifier: MIT */
/*
 * wheel.h - hierarchical timing wheel: O(1) add and cancel, ticks of 2^16 ns, never early.
 *
 * Layer: eventer (uses base).  Not thread safe: one wheel per loop thread.
 * Source of the algorithm: Varghese & Lauck, SOSP 1987, scheme 7.
 */
#ifndef EVENTER_EVENTER_WHEEL_H
#define EVENTER_EVENTER_WHEEL_H

#include "base/list.h"

#include <stdbool.h>
#include <stdint.h>

#define WHEEL_TICK_SHIFT  16 /* a tick is 65,536 ns */
#define WHEEL_SLOT_BITS   6
#define WHEEL_SLOT_COUNT  (1u << WHEEL_SLOT_BITS)
#define WHEEL_LEVEL_COUNT 8 /* 48 bits of ticks: every time that fits 64 bits of nanoseconds */
#define WHEEL_NEVER       UINT64_MAX

struct wheel_node { /* embed it in your object; zero it before first use */
    struct ring link;
    uint64_t due_ns;                       /* absolute, loop clock */
    void (*fire)(struct wheel_node *node); /* called by wheel_run(), off the wheel already */
};

struct wheel {
    uint64_t tick;                    /* everything due up to here is in expired or fired */
    uint64_t next;                    /* no slot whose bit is set begins before this tick */
    uint64_t busy[WHEEL_LEVEL_COUNT]; /* a bit per slot that may hold a node */
    struct ring slots[WHEEL_LEVEL_COUNT][WHEEL_SLOT_COUNT];
    struct ring expired; /* due, in the order found */
};

/* Make w empty, its clock at now_ns (loop clock, nanoseconds). */
void wheel_init(struct wheel *w, uint64_t now_ns);

/*
 * Put node on the wheel, due at due_ns (absolute); a node that is on it moves.  A due_ns in the
 * past fires on the next run.  Borrowed: node must outlive its stay on the wheel.  Cost: O(1), no
 * allocation, cannot fail.
 */
void wheel_add(struct wheel *w, struct wheel_node *node, uint64_t due_ns);

/* Take node off.  A node that is on no wheel is left alone.  Cost: O(1). */
static inline void wheel_cancel(struct wheel_node *node)
{
    ring_remove(&node->link);
}

static inline bool wheel_is_armed(const struct wheel_node *node)
{
    return ring_is_linked(&node->link);
}

/*
 * Fire all that is due at now_ns, each once.  Callbacks may add and cancel any node; what they add
 * fires in a later run even if it is due already.  Returns how many fired.
 */
unsigned wheel_run(struct wheel *w, uint64_t now_ns);

/*
 * Return when wheel_run() next has something to do (loop clock), at the latest the time of the
 * earliest node; WHEEL_NEVER if the wheel is empty.
 */
uint64_t wheel_next_ns(struct wheel *w);

/*
 * Call fn for every node; it may take that one off, and do nothing else to the wheel.  Cost: a
 * visit to every node.
 */
void wheel_each(struct wheel *w, void (*fn)(struct wheel_node *node, void *closure), void *closure);

/*
 * Call fn, which leaves the wheel as it is, for the nodes of one slot: the earliest that has any
 * due in tick from (0 at first) or later; of these, for those that are.  Returns the tick to go on
 * with, or WHEEL_NEVER: these were the last.  A node that stays where it is while the clock goes on
 * between calls is met once.  Cost: a visit to each node of the slot.
 */
uint64_t wheel_each_from(struct wheel *w, uint64_t from,
                         void (*fn)(struct wheel_node *node, void *closure), void *closure);

/* True if every invariant of w holds (for assert and tests only; cost O(nodes)). */
bool wheel_check(const struct wheel *w);

#endif
