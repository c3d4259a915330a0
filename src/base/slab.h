/* SPDX-License-Identifier: MIT */
/*
 * slab.h - memory for many small objects of one thread, given back to the system after a wave.
 *
 * Layer: base.  Everything belongs to the thread that uses the slabs; no locks.
 *
 *   region (2 MiB, aligned, mapped)  =  32 slabs of 64 KiB
 *   slab  =  header | object | object | ...      all of one size class; free ones are linked
 *
 * The slab of an object is found from its address.  Sizes up to SLAB_SIZE_MAX are rounded up to a
 * class: a multiple of 16 up to 1 KiB, and then eight classes for each doubling.  Larger ones go to
 * the heap.  What an object costs beyond its class is its part of a slab's header.
 * Source: Bonwick, "The Slab Allocator", USENIX Summer 1994.
 */
#ifndef EVENTER_BASE_SLAB_H
#define EVENTER_BASE_SLAB_H

#include "base/list.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SLAB_REGION_SIZE ((size_t)2 * 1024 * 1024)
#define SLAB_SIZE        ((size_t)64 * 1024)
#define SLAB_SIZE_MAX    ((size_t)8 * 1024) /* of an object that lies in a slab */
#define SLAB_CLASS_COUNT 88

struct slab;

struct slab_class {
    struct slab *current; /* has room, or NULL */
    struct ring partial;  /* others that have room and are in use */
    struct slab *spare;   /* one that is empty, or NULL */
};

struct slabs { /* of one thread; not copied, since rings point into it */
    struct slab_class classes[SLAB_CLASS_COUNT];
    struct ring regions; /* those with a free slab first */
    size_t region_count;
    size_t used; /* objects of slabs */
};

/* Make slabs empty; it takes no memory yet. */
void slabs_init(struct slabs *slabs);

/* Give all regions back.  No object of a slab is in use any more. */
void slabs_fini(struct slabs *slabs);

/* Return the size that an object of size > 0 bytes takes: at least size. */
size_t slab_round(size_t size);

/*
 * Return size > 0 bytes, uninitialised, aligned to 16; NULL with ENOMEM.  Give them back with the
 * same size, or any that rounds to the same.  Cost: O(1); a system call per slab.
 */
void *slab_alloc(struct slabs *slabs, size_t size);
void slab_free(struct slabs *slabs, void *p, size_t size);

/*
 * Call fn for every object of that size that is in use, or was and is free again (then *p has had
 * its first word overwritten); fn tells them apart by what they hold beyond it.  size is at most
 * SLAB_SIZE_MAX.  fn neither allocates nor frees objects.  Returns what fn returned if not 0.
 */
int slabs_each(struct slabs *slabs, size_t size, int (*fn)(void *p, void *closure), void *closure);

/*
 * The same for the objects of one slab, until fn returns other than 0: the first one at *at (0 at
 * first) or behind it, which is set to where to go on.  False: there is none.  Objects may come and
 * go between calls; one that stays is met once.  Cost: O(regions).
 */
bool slabs_each_next(struct slabs *slabs, size_t size, uintptr_t *at,
                     int (*fn)(void *p, void *closure), void *closure);

#endif
