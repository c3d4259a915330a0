/* SPDX-License-Identifier: MIT */
/*
 * siphash.h - a hash of bytes whose collisions cannot be guessed by who does not know the key.
 *
 * Layer: base.  Any thread.  SipHash-1-3: one round for each eight bytes, three at the end.
 * Source: Aumasson and Bernstein, "SipHash: a fast short-input PRF", INDOCRYPT 2012.
 */
#ifndef EVENTER_BASE_SIPHASH_H
#define EVENTER_BASE_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

/* Return the hash of the len bytes at bytes (NULL if there are none) under key. */
uint64_t siphash(const void *bytes, size_t len, const uint64_t key[2]);

#endif
