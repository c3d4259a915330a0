/* SPDX-License-Identifier: MIT */
#include "base/slab.h"

#include "base/alloc.h"
#include "base/asan.h"
#include "base/memcheck.h"

#include <assert.h>
#include <stdbool.h>
#include <sys/mman.h>

#ifdef HAS_ASAN
#include <sanitizer/asan_interface.h>
#define POISON(p, size)   __asan_poison_memory_region((p), (size))
#define UNPOISON(p, size) __asan_unpoison_memory_region((p), (size))
#define IS_POISONED(p)    __asan_address_is_poisoned(p)
#else
#define POISON(p, size)   memcheck_no_access((p), (size))
#define UNPOISON(p, size) memcheck_defined((p), (size))
#define IS_POISONED(p)    memcheck_is_no_access(p)
#endif

#define SLABS_A_REGION (SLAB_REGION_SIZE / SLAB_SIZE)
#define ALL_SLABS      UINT32_MAX
#define STEP           ((size_t)16)
#define STEPPED_MAX    ((size_t)1024) /* multiples of STEP up to here */
#define STEPPED_COUNT  (STEPPED_MAX / STEP)

struct free_object {
    struct free_object *next;
};

struct slab {         /* at its own start */
    struct ring link; /* partial ones of its class */
    struct free_object *free;
    uint32_t object_size;
    uint32_t used;   /* objects in use */
    uint32_t carved; /* offset behind the last object that was ever in use */
    bool is_current;
};

struct region { /* at the start of its first slab, before that one's header */
    struct ring link;
    uint32_t free; /* a bit per slab */
};

#define PAGE_SIZE_MAX      ((size_t)16 * 1024) /* of the processors that we know */
#define REGION_HEADER_SIZE 32
#define SLAB_HEADER_SIZE   64

static_assert(SLABS_A_REGION == 32, "a bit each");
static_assert(sizeof(struct region) <= REGION_HEADER_SIZE, "the first slab's header follows");
static_assert(sizeof(struct slab) <= SLAB_HEADER_SIZE, "objects start behind it");

/* ---- classes --------------------------------------------------------------------- */

static size_t class_of(size_t size)
{
    assert(size > 0 && size <= SLAB_SIZE_MAX);
    if (size <= STEPPED_MAX)
        return (size - 1) / STEP;
    unsigned power = 63U - (unsigned)__builtin_clzll(size - 1); /* 2^power <= size - 1 */
    size_t eighth = ((size - 1) >> (power - 3)) & 7;
    return STEPPED_COUNT + (power - 10) * 8 + eighth;
}

static size_t class_size(size_t index)
{
    if (index < STEPPED_COUNT)
        return (index + 1) * STEP;
    size_t power = 10 + (index - STEPPED_COUNT) / 8;
    return ((size_t)9 + (index - STEPPED_COUNT) % 8) << (power - 3);
}

size_t slab_round(size_t size)
{
    return size > SLAB_SIZE_MAX ? size : class_size(class_of(size));
}

void slabs_init(struct slabs *slabs)
{
    *slabs = (struct slabs){.region_count = 0};
    ring_init(&slabs->regions);
    for (size_t i = 0; i < SLAB_CLASS_COUNT; i++)
        ring_init(&slabs->classes[i].partial);
}

/* ---- regions --------------------------------------------------------------------- */

static struct region *region_of(const void *p)
{
    return (struct region *)((uintptr_t)p & ~(SLAB_REGION_SIZE - 1));
}

static char *slab_start(struct region *region, unsigned index)
{
    return (char *)region + index * SLAB_SIZE;
}

/* Where a slab's objects start, from the slab's own start. */
static uint32_t first_offset(unsigned index)
{
    return index == 0 ? REGION_HEADER_SIZE + SLAB_HEADER_SIZE : SLAB_HEADER_SIZE;
}

static unsigned index_in_region(const struct slab *slab)
{
    return (unsigned)(((uintptr_t)slab & (SLAB_REGION_SIZE - 1)) / SLAB_SIZE);
}

/* The header of the slab that p lies in; the first one of a region has the region's before it. */
static struct slab *slab_of(const void *p)
{
    uintptr_t start = (uintptr_t)p & ~(SLAB_SIZE - 1);
    return (struct slab *)((start & (SLAB_REGION_SIZE - 1)) == 0 ? start + REGION_HEADER_SIZE
                                                                 : start);
}

static struct region *region_new(struct slabs *slabs)
{
    char *p = alloc_map(SLAB_REGION_SIZE, SLAB_REGION_SIZE);
    if (p == NULL)
        return NULL;
    if (slabs->region_count > 0) /* a process with few objects keeps to small pages */
        madvise(p, SLAB_REGION_SIZE, MADV_HUGEPAGE);
    struct region *region = (struct region *)(void *)p;
    region->free = ALL_SLABS;
    ring_add_tail(slabs->regions.next, &region->link); /* in front: it has free slabs */
    slabs->region_count++;
    asan_note_root(p, SLAB_REGION_SIZE);
    return region;
}

static void region_free(struct slabs *slabs, struct region *region)
{
    ring_remove(&region->link);
    slabs->region_count--;
    asan_forget_root(region, SLAB_REGION_SIZE);
    UNPOISON(region, SLAB_REGION_SIZE);
    munmap(region, SLAB_REGION_SIZE);
}

/* Put region at that end of the list: the front has free slabs, the back has none. */
static void region_move(struct slabs *slabs, struct region *region, bool to_front)
{
    ring_remove(&region->link);
    ring_add_tail(to_front ? slabs->regions.next : &slabs->regions, &region->link);
}

/* ---- slabs ----------------------------------------------------------------------- */

static struct slab *slab_new(struct slabs *slabs, size_t object_size)
{
    struct region *region = list_entry(slabs->regions.next, struct region, link);
    if (ring_is_empty(&slabs->regions) || region->free == 0)
        region = region_new(slabs);
    if (region == NULL)
        return NULL;
    unsigned index = (unsigned)__builtin_ctz(region->free);
    region->free &= region->free - 1;
    if (region->free == 0)
        region_move(slabs, region, false);
    struct slab *slab = slab_of(slab_start(region, index));
    *slab = (struct slab){.object_size = (uint32_t)object_size, .carved = first_offset(index)};
    POISON(slab_start(region, index) + slab->carved, SLAB_SIZE - slab->carved);
    return slab;
}

/* Give the slab's pages back, and its region too when that was the last of it. */
static void slab_release(struct slabs *slabs, struct slab *slab)
{
    struct region *region = region_of(slab);
    unsigned index = index_in_region(slab);
    region->free |= UINT32_C(1) << index;
    if (region->free == ALL_SLABS && slabs->region_count > 1) {
        region_free(slabs, region);
        return;
    }
    size_t kept = index == 0 ? PAGE_SIZE_MAX : 0; /* the region's header */
    UNPOISON(slab_start(region, index) + first_offset(index), SLAB_SIZE - first_offset(index));
    madvise(slab_start(region, index) + kept, SLAB_SIZE - kept, MADV_DONTNEED);
    region_move(slabs, region, true);
}

void slabs_fini(struct slabs *slabs)
{
    assert(slabs->used == 0);
    while (!ring_is_empty(&slabs->regions))
        region_free(slabs, list_entry(slabs->regions.next, struct region, link));
    slabs_init(slabs);
}

static bool has_room(const struct slab *slab)
{
    return slab->free != NULL || slab->carved + slab->object_size <= SLAB_SIZE;
}

/* Make a slab with room the current one of class; NULL: no memory. */
static struct slab *next_current(struct slabs *slabs, struct slab_class *class, size_t object_size)
{
    struct slab *slab = class->spare;
    if (!ring_is_empty(&class->partial)) {
        slab = list_entry(class->partial.next, struct slab, link);
        ring_remove(&slab->link);
    } else if (slab != NULL) {
        class->spare = NULL;
    } else {
        slab = slab_new(slabs, object_size);
    }
    if (class->current != NULL)
        class->current->is_current = false;
    class->current = slab;
    if (slab != NULL)
        slab->is_current = true;
    return slab;
}

void *slab_alloc(struct slabs *slabs, size_t size)
{
    if (size > SLAB_SIZE_MAX)
        return alloc_bytes(size);
    if (alloc_is_refused())
        return NULL;
    size_t index = class_of(size);
    struct slab_class *class = &slabs->classes[index];
    struct slab *slab = class->current;
    if (slab == NULL || !has_room(slab))
        slab = next_current(slabs, class, class_size(index));
    if (slab == NULL)
        return NULL;
    void *p = slab->free;
    if (p != NULL) {
        UNPOISON(p, slab->object_size);
        slab->free = slab->free->next;
    } else {
        p = (char *)((uintptr_t)slab & ~(SLAB_SIZE - 1)) + slab->carved;
        slab->carved += slab->object_size;
        UNPOISON(p, slab->object_size);
    }
    slab->used++;
    memcheck_take(p, size, slab->object_size);
    slabs->used++;
    return p;
}

void slab_free(struct slabs *slabs, void *p, size_t size)
{
    if (p == NULL)
        return;
    if (size > SLAB_SIZE_MAX) {
        alloc_free(p);
        return;
    }
    struct slab *slab = slab_of(p);
    bool was_full = !has_room(slab);
    struct free_object *object = p;
    assert(slab->used > 0 && slab->object_size == slab_round(size));
    memcheck_give(p);
    memcheck_undefined(p, sizeof(*object));
    object->next = slab->free;
    slab->free = object;
    slab->used--;
    slabs->used--;
    POISON(p, slab->object_size);
    if (slab->is_current)
        return;
    struct slab_class *class = &slabs->classes[class_of(size)];
    if (slab->used == 0) {
        ring_remove(&slab->link);
        if (class->spare == NULL)
            class->spare = slab;
        else
            slab_release(slabs, slab);
    } else if (was_full) {
        ring_add_tail(&class->partial, &slab->link);
    }
}

static int each_in_slab(struct slab *slab, int (*fn)(void *p, void *closure), void *closure)
{
    char *start = (char *)((uintptr_t)slab & ~(SLAB_SIZE - 1));
    int result = 0;
    for (uint32_t at = first_offset(index_in_region(slab));
         at + slab->object_size <= slab->carved && result == 0; at += slab->object_size)
        if (!IS_POISONED(start + at))
            result = fn(start + at, closure);
    return result;
}

int slabs_each(struct slabs *slabs, size_t size, int (*fn)(void *p, void *closure), void *closure)
{
    size_t object_size = slab_round(size);
    for (struct ring *link = slabs->regions.next; link != &slabs->regions; link = link->next) {
        struct region *region = list_entry(link, struct region, link);
        for (uint32_t used = ~region->free; used != 0; used &= used - 1) {
            struct slab *slab = slab_of(slab_start(region, (unsigned)__builtin_ctz(used)));
            int result = slab->object_size == object_size ? each_in_slab(slab, fn, closure) : 0;
            if (result != 0)
                return result;
        }
    }
    return 0;
}

/* The region with the lowest address that ends behind at; NULL: there is none. */
static struct region *first_region(const struct slabs *slabs, uintptr_t at)
{
    uintptr_t first = UINTPTR_MAX;
    for (struct ring *link = slabs->regions.next; link != &slabs->regions; link = link->next) {
        uintptr_t region = (uintptr_t)list_entry(link, struct region, link);
        if (region + SLAB_REGION_SIZE > at && region < first)
            first = region;
    }
    return first == UINTPTR_MAX ? NULL : (struct region *)first;
}

bool slabs_each_next(struct slabs *slabs, size_t size, uintptr_t *at,
                     int (*fn)(void *p, void *closure), void *closure)
{
    size_t object_size = slab_round(size);
    uintptr_t from = *at;
    struct region *region;
    while ((region = first_region(slabs, from)) != NULL) {
        for (uint32_t used = ~region->free; used != 0; used &= used - 1) {
            uintptr_t start = (uintptr_t)slab_start(region, (unsigned)__builtin_ctz(used));
            struct slab *slab = slab_of((void *)start);
            if (start < from || slab->object_size != object_size)
                continue;
            *at = start + SLAB_SIZE;
            each_in_slab(slab, fn, closure);
            return true;
        }
        from = (uintptr_t)region + SLAB_REGION_SIZE;
    }
    return false;
}
