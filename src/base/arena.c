/* SPDX-License-Identifier: MIT */
#include "base/arena.h"

#include "base/alloc.h"

#include <stdalign.h>
#include <stdint.h>
#include <string.h>

struct arena_chunk {
    struct arena_chunk *older;
    size_t size;
    alignas(max_align_t) char bytes[];
};

void *arena_alloc(struct arena *a, size_t size)
{
    const size_t align = alignof(max_align_t);
    if (size > SIZE_MAX / 2)
        return NULL;
    size = (size + align - 1) & ~(align - 1);
    if (a->chunks == NULL || a->chunks->size - a->used < size) {
        size_t chunk_size = size > ARENA_CHUNK_SIZE ? size : ARENA_CHUNK_SIZE;
        struct arena_chunk *chunk = alloc_bytes(sizeof(*chunk) + chunk_size);
        if (chunk == NULL)
            return NULL;
        chunk->older = a->chunks;
        chunk->size = chunk_size;
        a->chunks = chunk;
        a->used = 0;
    }
    void *p = a->chunks->bytes + a->used;
    a->used += size;
    memset(p, 0, size);
    return p;
}

void arena_reset(struct arena *a)
{
    while (a->chunks != NULL && (a->chunks->older != NULL || a->chunks->size > ARENA_CHUNK_SIZE)) {
        struct arena_chunk *older = a->chunks->older;
        alloc_free(a->chunks);
        a->chunks = older;
    }
    a->used = 0;
}

void arena_free(struct arena *a)
{
    while (a->chunks != NULL) {
        struct arena_chunk *older = a->chunks->older;
        alloc_free(a->chunks);
        a->chunks = older;
    }
    a->used = 0;
}
