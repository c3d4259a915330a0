/* SPDX-License-Identifier: MIT */
/*
 * ring.h - the lines that wait for a writer: many threads put, one takes; first in, first out.
 *
 * Layer: log, for this layer alone.  ring_put(): any thread, lock-free: a reservation by one
 * compare-and-swap, a copy, a release.  ring_take() and ring_clear(): one thread at a time, who
 * sees to that himself.  A thread that is stopped in the middle of a put holds up the taker, but no
 * other putter.
 *
 * The first word of a record's head is 0 wherever no record is, then a length with RESERVED (it is
 * being filled) or READY.  Whatever is taken is zeroed before its room is given back.
 */
#ifndef EVENTER_LOG_RING_H
#define EVENTER_LOG_RING_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RING_BYTES_MIN ((size_t)65536)
#define RING_BYTES_MAX ((size_t)1 << 30)

struct ring {                          /* zeroed = none */
    char *bytes;                       /* owned pages, zero where no record is */
    size_t size;                       /* a power of two */
    alignas(64) _Atomic uint64_t tail; /* where the next record begins; only grows */
    alignas(64) _Atomic uint64_t head; /* where the oldest one begins; only the taker moves it */
};

struct ring_record {
    uint64_t key;  /* what is the same in lines that say the same; 0: never folded */
    uint32_t lost; /* lines that were lost just before this one */
    size_t len;    /* of the line */
};

/* Return the size of a ring of at least size bytes. */
size_t ring_size_for(size_t size);

/* Make *out an empty ring of at least size bytes, RING_BYTES_MAX at most.  0 or -ENOMEM. */
int ring_init(size_t size, struct ring *out);

/* Give back its memory; it is as zeroed. */
void ring_free(struct ring *ring);

/* Put the record->len bytes at line.  Returns 0, or -ENOBUFS if there is no room (or no ring). */
int ring_put(struct ring *ring, const struct ring_record *record, const char *line);

/*
 * Give the oldest line's record if it is whole; ring_take() then moves the line to where there is
 * room for it (NULL: nowhere).  Async-signal-safe, as far as nobody else takes.
 */
bool ring_peek(const struct ring *ring, struct ring_record *out);
void ring_take(struct ring *ring, char *line);

/*
 * Drop the oldest line if it is still being put: for a process that ends, where the thread that
 * puts it may never go on.  Returns false if that is not so.  Async-signal-safe.
 */
bool ring_skip(struct ring *ring);

/* Drop all there is, also what is half put.  For a child of fork(2), where nobody puts. */
void ring_clear(struct ring *ring);

/* Return how many bytes are in use, lines that are being put included. */
static inline size_t ring_used(const struct ring *ring)
{
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    /* seq_cst: a taker's last look before it sleeps; pairs with the reservation in ring_put() */
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_seq_cst);
    return tail > head ? (size_t)(tail - head) : 0;
}

#endif
