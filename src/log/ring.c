/* SPDX-License-Identifier: MIT */
#include "log/ring.h"

#include "base/alloc.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#define GRAIN     32 /* a record begins at a multiple of it, so that its head is in one piece */
#define READY     (UINT32_C(1) << 31)
#define RESERVED  (UINT32_C(1) << 30)
#define LEN_MASK  (RESERVED - 1)
#define PAGES_LEN ((size_t)65536) /* what alloc_map() gives is a multiple of it */

struct head {
    _Atomic uint32_t state; /* a length with READY or RESERVED */
    uint32_t lost;
    uint64_t key;
};

static_assert(GRAIN % sizeof(struct head) == 0, "a record's head must not wrap");
static_assert(RING_BYTES_MIN % PAGES_LEN == 0, "a ring is whole pages");

static size_t room_of(size_t len)
{
    return (sizeof(struct head) + len + GRAIN - 1) & ~(size_t)(GRAIN - 1);
}

static struct head *head_at(const struct ring *ring, uint64_t at)
{
    return (struct head *)(void *)(ring->bytes + (at & (ring->size - 1)));
}

size_t ring_size_for(size_t size)
{
    size_t rounded = RING_BYTES_MIN;
    while (rounded < size && rounded < RING_BYTES_MAX)
        rounded *= 2;
    return rounded;
}

int ring_init(size_t size, struct ring *out)
{
    const size_t rounded = ring_size_for(size);
    char *bytes = alloc_map(PAGES_LEN, rounded);
    if (bytes == NULL)
        return -ENOMEM;
    *out = (struct ring){.bytes = bytes, .size = rounded};
    return 0;
}

void ring_free(struct ring *ring)
{
    if (ring->bytes != NULL)
        munmap(ring->bytes, ring->size);
    *ring = (struct ring){.bytes = NULL};
}

/* Copy between the ring, from at on, and bytes; it may go on at the ring's beginning. */
static void copy_in(const struct ring *ring, uint64_t at, const char *bytes, size_t len)
{
    size_t start = at & (ring->size - 1);
    size_t first = len < ring->size - start ? len : ring->size - start;
    memcpy(ring->bytes + start, bytes, first);
    memcpy(ring->bytes, bytes + first, len - first);
}

static void copy_out(const struct ring *ring, uint64_t at, char *bytes, size_t len)
{
    size_t start = at & (ring->size - 1);
    size_t first = len < ring->size - start ? len : ring->size - start;
    memcpy(bytes, ring->bytes + start, first);
    memcpy(bytes + first, ring->bytes, len - first);
}

static void zero(const struct ring *ring, uint64_t at, size_t len)
{
    size_t start = at & (ring->size - 1);
    size_t first = len < ring->size - start ? len : ring->size - start;
    memset(ring->bytes + start, 0, first);
    memset(ring->bytes, 0, len - first);
}

int ring_put(struct ring *ring, const struct ring_record *record, const char *line)
{
    const size_t room = room_of(record->len);
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    assert(record->len <= LEN_MASK);
    do {
        /* acquire: pairs with the release in ring_take(); what we fill has been zeroed */
        uint64_t head = atomic_load_explicit(&ring->head, memory_order_acquire);
        if ((int64_t)(tail + room - head) > (int64_t)ring->size) /* tail may be older than head */
            return -ENOBUFS;
        /* seq_cst: pairs with the last look of a writer that goes to sleep */
    } while (!atomic_compare_exchange_weak_explicit(&ring->tail, &tail, tail + room,
                                                    memory_order_seq_cst, memory_order_relaxed));
    struct head *head = head_at(ring, tail);
    const uint32_t len = (uint32_t)record->len;
    atomic_store_explicit(&head->state, len | RESERVED, memory_order_relaxed);
    head->lost = record->lost;
    head->key = record->key;
    copy_in(ring, tail + sizeof(*head), line, len);
    /* release: pairs with the acquire in ring_take() */
    atomic_store_explicit(&head->state, len | READY, memory_order_release);
    return 0;
}

bool ring_peek(const struct ring *ring, struct ring_record *out)
{
    uint64_t at = atomic_load_explicit(&ring->head, memory_order_relaxed);
    if (ring->bytes == NULL || at == atomic_load_explicit(&ring->tail, memory_order_relaxed))
        return false;
    struct head *head = head_at(ring, at);
    /* acquire: pairs with the release in ring_put() */
    uint32_t state = atomic_load_explicit(&head->state, memory_order_acquire);
    if (!(state & READY))
        return false;
    *out = (struct ring_record){.key = head->key, .lost = head->lost, .len = state & LEN_MASK};
    return true;
}

void ring_take(struct ring *ring, char *line)
{
    uint64_t at = atomic_load_explicit(&ring->head, memory_order_relaxed);
    size_t len = atomic_load_explicit(&head_at(ring, at)->state, memory_order_relaxed) & LEN_MASK;
    if (line != NULL)
        copy_out(ring, at + sizeof(struct head), line, len);
    zero(ring, at, room_of(len));
    /* release: pairs with the acquire in ring_put() */
    atomic_store_explicit(&ring->head, at + room_of(len), memory_order_release);
}

bool ring_skip(struct ring *ring)
{
    uint64_t at = atomic_load_explicit(&ring->head, memory_order_relaxed);
    if (ring->bytes == NULL || at == atomic_load_explicit(&ring->tail, memory_order_relaxed))
        return false;
    uint32_t state = atomic_load_explicit(&head_at(ring, at)->state, memory_order_acquire);
    if (!(state & RESERVED))
        return false;
    atomic_store_explicit(&ring->head, at + room_of(state & LEN_MASK), memory_order_release);
    return true;
}

void ring_clear(struct ring *ring)
{
    if (ring->bytes == NULL)
        return;
    memset(ring->bytes, 0, ring->size);
    atomic_store(&ring->head, 0);
    atomic_store(&ring->tail, 0);
}
