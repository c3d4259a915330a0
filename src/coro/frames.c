/* SPDX-License-Identifier: MIT */
/*
 * frames.c - the frames of a stack, one after another, on the stack or in a save area.
 *
 * A word of the stack is read from where it lies now; otherwise nothing is read but what is
 * read-only in a loaded object, which is where unwind tables are.  So nothing wild is, whatever the
 * frames hold.  How to get from a frame to its caller depends on the processor: frames_unwind.c,
 * frames_chain.c.
 */
#include "coro/inspect_impl.h"

#include <link.h>
#include <string.h>

#define WORD_SIZE sizeof(uintptr_t)

/* ---- what lies where ------------------------------------------------------------- */

struct search {
    uintptr_t address;
    struct object_span span; /* around address: what is known so far */
};

static enum object_use use_of(const ElfW(Phdr) * segment)
{
    if (segment->p_flags & PF_X)
        return OBJECT_CODE;
    return segment->p_flags & PF_W ? OBJECT_NONE : OBJECT_CONSTANTS;
}

/* See what one object's segments say of the address: it is in one, or the gap is smaller. */
static int narrow(struct dl_phdr_info *object, size_t size, void *closure)
{
    struct search *search = closure;
    struct object_span *span = &search->span;
    for (size_t i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &object->dlpi_phdr[i];
        uintptr_t begin = object->dlpi_addr + segment->p_vaddr, end = begin + segment->p_memsz;
        if (segment->p_type != PT_LOAD)
            continue;
        if (search->address >= begin && search->address < end) {
            *span = (struct object_span){begin, end, use_of(segment)};
            return 1;
        }
        if (begin > search->address && begin < span->end)
            span->end = begin;
        if (end <= search->address && end > span->begin)
            span->begin = end;
    }
    return 0;
}

enum object_use object_at(struct object_map *map, uintptr_t address)
{
    struct search search = {.address = address, .span = {0, UINTPTR_MAX, OBJECT_NONE}};
    for (size_t i = 0; i < OBJECT_SPAN_COUNT; i++)
        if (address >= map->spans[i].begin && address < map->spans[i].end)
            return map->spans[i].use;
    dl_iterate_phdr(narrow, &search);
    map->spans[map->next] = search.span;
    map->next = (map->next + 1) % OBJECT_SPAN_COUNT;
    return search.span.use;
}

/* ---- words ----------------------------------------------------------------------- */

/* Unwind tables align nothing, and there may be red zones in frames. */
__attribute__((no_sanitize("address"))) uintptr_t frames_word(const void *p)
{
    const struct {
        uintptr_t word;
    } __attribute__((packed)) *at = p;
    return at->word;
}

bool frames_read(struct frames *frames, uintptr_t address, uintptr_t *value)
{
    if (address >= frames->low && address < frames->high && frames->high - address >= WORD_SIZE)
        *value = frames_word(frames->bytes + (address - frames->low));
    else if (object_at(frames->map, address) != OBJECT_NONE &&
             object_at(frames->map, address + WORD_SIZE - 1) != OBJECT_NONE)
        *value = frames_word((const void *)address);
    else
        return false;
    return true;
}

/* ---- where a walk begins --------------------------------------------------------- */

static void begin(struct frames *frames)
{
    frames->next = (struct frame){.address = (void *)frames->registers.pc, .at = frames->low};
    frames->is_at_end =
        object_at(frames->map, frames->registers.pc) != OBJECT_CODE || !frames_begin(frames);
}

static void take_registers(struct frames_registers *registers, const ucontext_t *context)
{
#if defined(__x86_64__)
    registers->pc = (uintptr_t)context->uc_mcontext.gregs[REG_RIP];
    registers->sp = (uintptr_t)context->uc_mcontext.gregs[REG_RSP];
    registers->frame_pointer = (uintptr_t)context->uc_mcontext.gregs[REG_RBP];
#elif defined(__aarch64__)
    registers->pc = context->uc_mcontext.pc;
    registers->sp = context->uc_mcontext.sp;
    registers->frame_pointer = context->uc_mcontext.regs[29];
#endif
}

uintptr_t frames_sp(const ucontext_t *context)
{
    struct frames_registers registers = {0};
    take_registers(&registers, context);
    return registers.sp;
}

void frames_from(struct frames *frames, struct object_map *map, const ucontext_t *context,
                 uintptr_t low, uintptr_t high)
{
    *frames = (struct frames){
        .map = map, .bytes = (const char *)low, .low = low, .high = high}; /* it is in place */
    take_registers(&frames->registers, context);
    begin(frames);
}

/*
 * The stack pointer behind the switch that left two words at low, as the code that goes on at pc
 * will have it: that takes off what the switch had pushed, and the red zone, where there is one.
 */
static uintptr_t sp_behind_switch(uintptr_t low, uintptr_t pc)
{
    uintptr_t sp = low + ACO_CONTEXT_SIZE_;
#ifdef FRAMES_UNWIND
    static const unsigned char red_zone_back[] = {0x48, 0x8d, 0xa4, 0x24}; /* lea 128(%rsp),%rsp */
    if (memcmp((const char *)pc + 4, red_zone_back, sizeof(red_zone_back)) == 0) /* endbr64 first */
        sp += 128;
#endif
    return sp;
}

/* What the switch leaves at the stack pointer: where to go on, and the frame pointer. */
static void take_context(struct frames *frames)
{
    if (frames->high - frames->low < 2 * WORD_SIZE)
        return;
    frames->registers.pc = frames_word(frames->bytes);
    frames->registers.frame_pointer = frames_word(frames->bytes + WORD_SIZE);
    if (object_at(frames->map, frames->registers.pc) == OBJECT_CODE)
        frames->registers.sp = sp_behind_switch(frames->low, frames->registers.pc);
}

void frames_of(struct frames *frames, struct object_map *map, const struct coro *co)
{
    *frames = (struct frames){.map = map, .high = (uintptr_t)co->co.share_stack->top};
    frames->low = co->co.sp == NULL ? frames->high : (uintptr_t)co->co.sp;
    frames->bytes = coro_bytes(co);
    take_context(frames);
    begin(frames);
}

/* ---- and goes on ----------------------------------------------------------------- */

/* Go to the caller's frame. */
static bool step(struct frames *frames)
{
    if (!frames_step(frames, &frames->next))
        return false;
    return frames->next.address != (void *)(uintptr_t)aco_returned_ &&
           object_at(frames->map, (uintptr_t)frames->next.address) == OBJECT_CODE;
}

bool frames_next(struct frames *frames, struct frame *out)
{
    if (frames->is_at_end)
        return false;
    *out = frames->next;
    frames->is_at_end = !step(frames);
    return true;
}
