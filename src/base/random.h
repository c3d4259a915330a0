/* SPDX-License-Identifier: MIT */
/*
 * random.h - bits of the kernel's generator.
 *
 * Layer: base.  Any thread.  Source: getrandom(2).
 */
#ifndef EVENTER_BASE_RANDOM_H
#define EVENTER_BASE_RANDOM_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Fill len bytes at buffer with bits that nobody can foretell.  waits: early in the life of a
 * machine, until there are any; else -EAGAIN then.  Returns 0.
 */
int random_secure(void *buffer, size_t len, bool waits);

#endif
