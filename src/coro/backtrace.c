/* SPDX-License-Identifier: MIT */
/*
 * backtrace.c - the frames of a coroutine, on its stack or in its save area.
 *
 * Frames are a chain of frame pointers, each the address of the caller's followed by where the
 * caller goes on.  They are addresses of the stack also while the bytes lie in the save area, so
 * each is translated.  Code that is compiled without frame pointers leaves anything in their
 * register: a chain must lead upward within the live bytes, and what it finds must lie in code.
 */
#include "coro/inspect_impl.h"

#include <errno.h>
#include <link.h>
#include <string.h>

/* A return address as it was before the processor signed it. */
static void *unsigned_address(void *address)
{
#if defined(__aarch64__)
    register void *link __asm__("x30") = address;
    __asm__("hint #7" : "+r"(link)); /* xpaclri; a processor without signatures does nothing */
    return link;
#else
    return address;
#endif
}

/* The word of a frame at a stack address that is passed with this; the sanitizer is not asked. */
__attribute__((no_sanitize("address"))) static uintptr_t take_word(struct frames *frames,
                                                                   uintptr_t at)
{
    const uintptr_t *word = (const uintptr_t *)(uintptr_t)(frames->bytes + (at - frames->low));
    uintptr_t value = *word;
    frames->bytes += at + sizeof(value) - frames->low;
    frames->low = at + sizeof(value);
    return value;
}

static bool has_two_words(const struct frames *frames, uintptr_t at)
{
    return at % sizeof(uintptr_t) == 0 && at >= frames->low && at < frames->high &&
           frames->high - at >= 2 * sizeof(uintptr_t);
}

void frames_from(struct frames *frames, void *address, uintptr_t pointer, uintptr_t low,
                 uintptr_t high)
{
    *frames = (struct frames){.bytes = (const char *)low, /* it is in place */
                              .low = low,
                              .high = high,
                              .address = address,
                              .pointer = pointer};
}

/* What the switch leaves at the stack pointer: where to go on, and the frame pointer. */
static void take_context(struct frames *frames)
{
    if (!has_two_words(frames, frames->low))
        return;
    frames->address = (void *)take_word(frames, frames->low);
    frames->pointer = take_word(frames, frames->low);
}

void frames_of(struct frames *frames, const struct coro *co)
{
    const bool is_in_place = co->co.share_stack->owner == &co->co;
    *frames = (struct frames){.high = (uintptr_t)co->co.share_stack->top};
    frames->low = co->co.sp == NULL ? frames->high : (uintptr_t)co->co.sp;
    frames->bytes = is_in_place ? co->co.sp : co->co.save_stack.ptr;
    take_context(frames);
}

bool frames_next(struct frames *frames, void **out)
{
    void *address = frames->address;
    if (address == NULL || address == (void *)(uintptr_t)aco_returned_)
        return false; /* that is where the coroutine's function returns to */
    *out = address;
    frames->address = NULL;
    if (has_two_words(frames, frames->pointer)) {
        frames->pointer = take_word(frames, frames->pointer);
        frames->address = unsigned_address((void *)take_word(frames, frames->low));
    }
    return true;
}

/* ---- what lies in code ----------------------------------------------------------- */

struct search {
    uintptr_t address;
    struct code_span span; /* around address: what is known so far */
};

/* See what one object's segments say of the address: it is in code, or the gap is smaller. */
static int narrow(struct dl_phdr_info *object, size_t size, void *closure)
{
    struct search *search = closure;
    struct code_span *span = &search->span;
    for (size_t i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &object->dlpi_phdr[i];
        uintptr_t begin = object->dlpi_addr + segment->p_vaddr, end = begin + segment->p_memsz;
        if (segment->p_type != PT_LOAD || !(segment->p_flags & PF_X))
            continue;
        if (search->address >= begin && search->address < end) {
            *span = (struct code_span){begin, end, true};
            return 1;
        }
        if (begin > search->address && begin < span->end)
            span->end = begin;
        if (end <= search->address && end > span->begin)
            span->begin = end;
    }
    return 0;
}

/* True if address lies in the code of the program or of a library. */
static bool is_code(struct code_map *map, const void *p)
{
    struct search search = {.address = (uintptr_t)p, .span = {0, UINTPTR_MAX, false}};
    for (size_t i = 0; i < CODE_SPAN_COUNT; i++)
        if (search.address >= map->spans[i].begin && search.address < map->spans[i].end)
            return map->spans[i].is_code;
    dl_iterate_phdr(narrow, &search);
    map->spans[map->next] = search.span;
    map->next = (map->next + 1) % CODE_SPAN_COUNT;
    return search.span.is_code;
}

static int collect(struct frames *frames, struct code_map *map, void **addresses, int max)
{
    int count = 0;
    void *address;
    while (count < max && frames_next(frames, &address) && is_code(map, address))
        addresses[count++] = address;
    return count;
}

int coro_backtrace(struct coro *co, struct code_map *map, void **addresses, int max)
{
    struct frames frames;
    stacks_unprotect(coro_stack_of(co));
    frames_of(&frames, co);
    int count = collect(&frames, map, addresses, max);
    stacks_protect(coro_stack_of(co));
    return count;
}

/* ---- from outside ---------------------------------------------------------------- */

/* Begin where the function that calls this is called itself. */
static inline __attribute__((always_inline)) void frames_here(struct frames *frames,
                                                              const aco_t *co)
{
    const uintptr_t here = (uintptr_t)__builtin_frame_address(0);
    void *self;
    frames_from(frames, (void *)here, here, here, (uintptr_t)co->share_stack->top);
    (void)frames_next(frames, &self);
}

int eventer_aco_backtrace(eventer_aco_id_t id, void **addresses, int max)
{
    struct coro *co = (struct coro *)(uintptr_t)id;
    const aco_t *self = aco_gtls_co;
    struct code_map map = {.next = 0};
    struct frames frames;
    if (self != NULL && co != NULL && &co->co == self)
        co = NULL;
    if (addresses == NULL || max < 0 || (co == NULL && (self == NULL || aco_is_main_co(self)))) {
        errno = EINVAL;
        return -1;
    }
    if (co != NULL)
        return coro_backtrace(co, &map, addresses, max);
    frames_here(&frames, self);
    return collect(&frames, &map, addresses, max);
}
