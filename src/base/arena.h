/* SPDX-License-Identifier: MIT */
/*
 * arena.h - memory that is given back all at once, when what it was for is over.
 *
 * Layer: base.  Not thread safe.  An arena is embedded; small requests cost an addition.
 */
#ifndef EVENTER_BASE_ARENA_H
#define EVENTER_BASE_ARENA_H

#include <stddef.h>

#define ARENA_CHUNK_SIZE 2048 /* bytes taken from the heap at once; more for a larger request */

struct arena_chunk;

struct arena {                  /* zeroed = empty */
    struct arena_chunk *chunks; /* owned, newest first */
    size_t used;                /* bytes of the newest */
};

/* Return size zeroed bytes, aligned for any type, that live until the reset.  NULL: no memory. */
void *arena_alloc(struct arena *a, size_t size);

/* Give all of it back, but for one chunk that the next round starts with. */
void arena_reset(struct arena *a);

/* Give all of it back. */
void arena_free(struct arena *a);

#endif
