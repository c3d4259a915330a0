/* SPDX-License-Identifier: MIT */
#include "eventer/wheel.h"

#include "base/hot.h"

#include <assert.h>

/*
 * A node due at tick t sits on the level of the highest 6-bit group in which t differs from the
 * wheel's tick, in the slot which that group of t names.  So all nodes of a level are later than
 * all nodes of lower levels, and the slots of a level that hold any lie above the wheel's own
 * position there.
 */

static_assert((WHEEL_SLOT_COUNT & (WHEEL_SLOT_COUNT - 1)) == 0, "slots must be a power of two");
static_assert(WHEEL_LEVEL_COUNT * WHEEL_SLOT_BITS + WHEEL_TICK_SHIFT >= 64, "every time must fit");

void wheel_init(struct wheel *w, uint64_t now_ns)
{
    w->tick = now_ns >> WHEEL_TICK_SHIFT;
    w->next = UINT64_MAX;
    ring_init(&w->expired);
    for (unsigned level = 0; level < WHEEL_LEVEL_COUNT; level++) {
        w->busy[level] = 0;
        for (unsigned slot = 0; slot < WHEEL_SLOT_COUNT; slot++)
            ring_init(&w->slots[level][slot]);
    }
}

/* The first tick that is not before due_ns: a timer is never early. */
static uint64_t tick_of(uint64_t due_ns)
{
    const uint64_t part = ((uint64_t)1 << WHEEL_TICK_SHIFT) - 1;
    const uint64_t last = UINT64_MAX >> WHEEL_TICK_SHIFT;
    uint64_t tick = (due_ns >> WHEEL_TICK_SHIFT) + ((due_ns & part) != 0);
    return tick < last ? tick : last;
}

static __attribute__((noinline)) void mark_busy(struct wheel *w, unsigned level, uint64_t bit,
                                                uint64_t tick)
{
    uint64_t begin = tick >> (level * WHEEL_SLOT_BITS) << (level * WHEEL_SLOT_BITS);
    w->busy[level] |= bit;
    if (begin < w->next)
        w->next = begin;
}

static inline __attribute__((always_inline)) void place(struct wheel *w, struct wheel_node *node)
{
    uint64_t tick = tick_of(node->due_ns);
    if (tick <= w->tick) {
        ring_add_tail(&w->expired, &node->link);
        return;
    }
    unsigned level = (63u - (unsigned)__builtin_clzll(tick ^ w->tick)) / WHEEL_SLOT_BITS;
    unsigned slot = (unsigned)(tick >> (level * WHEEL_SLOT_BITS)) % WHEEL_SLOT_COUNT;
    uint64_t bit = (uint64_t)1 << slot;
    ring_add_tail(&w->slots[level][slot], &node->link);
    if ((w->busy[level] & bit) == 0)
        mark_busy(w, level, bit, tick);
}

void wheel_add(struct wheel *w, struct wheel_node *node, uint64_t due_ns)
{
    assert(node->fire != NULL);
    ring_remove(&node->link);
    node->due_ns = due_ns;
    place(w, node);
}

/* The earliest slot that holds a node, as *level and the tick at which it begins; false if none. */
static bool next_slot(struct wheel *w, unsigned *level, uint64_t *tick)
{
    for (unsigned i = 0; i < WHEEL_LEVEL_COUNT; i++) {
        while (w->busy[i] != 0) {
            unsigned slot = (unsigned)__builtin_ctzll(w->busy[i]);
            if (ring_is_empty(&w->slots[i][slot])) {
                w->busy[i] &= w->busy[i] - 1; /* its nodes were cancelled */
                continue;
            }
            unsigned shift = i * WHEEL_SLOT_BITS;
            uint64_t above = shift + WHEEL_SLOT_BITS >= 64
                                 ? 0
                                 : w->tick >> (shift + WHEEL_SLOT_BITS)
                                                  << (shift + WHEEL_SLOT_BITS);
            *level = i;
            *tick = above | (uint64_t)slot << shift;
            return true;
        }
    }
    return false;
}

/* Note what is left to do in the slots, and when; false if nothing. */
static bool look_ahead(struct wheel *w, unsigned *level)
{
    w->next = UINT64_MAX;
    return next_slot(w, level, &w->next);
}

static void advance(struct wheel *w, uint64_t target)
{
    unsigned level;
    while (look_ahead(w, &level) && w->next <= target) {
        uint64_t tick = w->next;
        struct ring *slot =
            &w->slots[level][(tick >> (level * WHEEL_SLOT_BITS)) % WHEEL_SLOT_COUNT];
        w->tick = tick;
        w->busy[level] &= ~((uint64_t)1 << (slot - w->slots[level]));
        while (!ring_is_empty(slot)) {
            struct wheel_node *node = list_entry(slot->next, struct wheel_node, link);
            ring_remove(&node->link);
            place(w, node);
        }
    }
    if (w->tick < target)
        w->tick = target;
}

HOT unsigned wheel_run(struct wheel *w, uint64_t now_ns)
{
    unsigned count = 0;
    struct ring due;
    uint64_t now = now_ns >> WHEEL_TICK_SHIFT;
    if (now >= w->next)
        advance(w, now);
    else if (w->tick < now)
        w->tick = now; /* no node changes its level: none is in a slot that begins by now */
    if (ring_is_empty(&w->expired))
        return 0;

    due = w->expired; /* its own ring, so that what a callback adds waits for the next run */
    due.next->prev = due.prev->next = &due;
    ring_init(&w->expired);
    while (!ring_is_empty(&due)) {
        struct wheel_node *node = list_entry(due.next, struct wheel_node, link);
        ring_remove(&node->link);
        count++;
        node->fire(node);
    }
    return count;
}

uint64_t wheel_next_ns(struct wheel *w)
{
    unsigned level;
    if (!ring_is_empty(&w->expired))
        return 0;
    return look_ahead(w, &level) ? w->next << WHEEL_TICK_SHIFT : WHEEL_NEVER;
}

static void each_in(struct ring *slot, void (*fn)(struct wheel_node *node, void *closure),
                    void *closure)
{
    struct ring *next;
    for (struct ring *link = slot->next; link != slot; link = next) {
        next = link->next;
        fn(list_entry(link, struct wheel_node, link), closure);
    }
}

void wheel_each(struct wheel *w, void (*fn)(struct wheel_node *node, void *closure), void *closure)
{
    each_in(&w->expired, fn, closure);
    for (unsigned level = 0; level < WHEEL_LEVEL_COUNT; level++)
        for (unsigned slot = 0; slot < WHEEL_SLOT_COUNT; slot++)
            each_in(&w->slots[level][slot], fn, closure);
}

static void each_from(const struct ring *slot, uint64_t from,
                      void (*fn)(struct wheel_node *node, void *closure), void *closure)
{
    for (struct ring *link = slot->next; link != slot; link = link->next) {
        struct wheel_node *node = list_entry(link, struct wheel_node, link);
        if (tick_of(node->due_ns) >= from)
            fn(node, closure);
    }
}

uint64_t wheel_each_from(struct wheel *w, uint64_t from,
                         void (*fn)(struct wheel_node *node, void *closure), void *closure)
{
    if (from <= w->tick) {
        each_from(&w->expired, from, fn, closure);
        return w->tick + 1;
    }
    for (unsigned level = 0; level < WHEEL_LEVEL_COUNT; level++) {
        unsigned shift = level * WHEEL_SLOT_BITS;
        uint64_t at = w->tick >> shift;
        for (unsigned slot = at % WHEEL_SLOT_COUNT + 1; slot < WHEEL_SLOT_COUNT; slot++) {
            uint64_t end = ((at & ~(uint64_t)(WHEEL_SLOT_COUNT - 1)) + slot + 1) << shift;
            if (end <= from || ring_is_empty(&w->slots[level][slot]))
                continue;
            each_from(&w->slots[level][slot], from, fn, closure);
            return end;
        }
    }
    return WHEEL_NEVER;
}

static bool check_slot(const struct wheel *w, unsigned level, unsigned slot)
{
    const struct ring *head = &w->slots[level][slot];
    unsigned shift = level * WHEEL_SLOT_BITS;
    if (head->next != head && (w->busy[level] & (uint64_t)1 << slot) == 0)
        return false;
    for (const struct ring *link = head->next; link != head; link = link->next) {
        const struct wheel_node *node = list_entry(link, struct wheel_node, link);
        uint64_t tick = tick_of(node->due_ns);
        if (link->next->prev != link || tick <= w->tick || tick >> shift << shift < w->next)
            return false;
        if ((tick >> shift) % WHEEL_SLOT_COUNT != slot)
            return false;
        if ((63u - (unsigned)__builtin_clzll(tick ^ w->tick)) / WHEEL_SLOT_BITS != level)
            return false;
    }
    return true;
}

bool wheel_check(const struct wheel *w)
{
    for (unsigned level = 0; level < WHEEL_LEVEL_COUNT; level++)
        for (unsigned slot = 0; slot < WHEEL_SLOT_COUNT; slot++)
            if (!check_slot(w, level, slot))
                return false;
    return true;
}
