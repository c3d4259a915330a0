/* SPDX-License-Identifier: MIT */
/*
 * frames_chain.c - from a frame to its caller's by the chain of frame pointers, where nearly all
 * code keeps one: aarch64, whose procedure call standard (AAPCS64, "The Frame Pointer") asks for
 * it; and what other processors there are.
 *
 * Each frame pointer is the address of the caller's, followed by where the caller goes on.  (Tables
 * would do better with code that keeps none; but libunwind 1.6 stops at signed return addresses.)
 */
#include "coro/inspect_impl.h"

#define WORD_SIZE sizeof(uintptr_t)

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

void frames_init(void)
{
}

bool frames_begin(struct frames *frames)
{
    frames->pointer = frames->registers.frame_pointer;
    frames->passed = frames->low;
    return true;
}

bool frames_step(struct frames *frames, struct frame *out)
{
    const uintptr_t at = frames->pointer;
    uintptr_t address;
    if (at % WORD_SIZE != 0 || at < frames->passed || at >= frames->high ||
        !frames_read(frames, at, &frames->pointer) || at + WORD_SIZE >= frames->high ||
        !frames_read(frames, at + WORD_SIZE, &address))
        return false;
    frames->passed = at + 2 * WORD_SIZE;
    *out = (struct frame){.address = unsigned_address((void *)address), .at = at + WORD_SIZE};
    return true;
}
