/* SPDX-License-Identifier: MIT */
/*
 * number.h - strict reading of decimal numbers: no sign unless asked, no blanks, no tail; and their
 * writing.
 *
 * Layer: base.  Any thread.  Nothing here allocates.
 */
#ifndef EVENTER_BASE_NUMBER_H
#define EVENTER_BASE_NUMBER_H

#include <stddef.h>
#include <stdint.h>

/*
 * Read the len bytes at text as an unsigned decimal number in [0, max] into *out. Returns 0,
 * -EINVAL (empty, or a byte that is no digit) or -ERANGE (over max); then *out is untouched.
 */
int number_u64(const char *text, size_t len, uint64_t max, uint64_t *out);

/* As number_u64(), with an optional leading '-', in [min, max]. */
int number_i64(const char *text, size_t len, int64_t min, int64_t max, int64_t *out);

#define NUMBER_DIGITS_MAX 20 /* of a uint64_t */

/*
 * Write value in decimal so that its last digit stands before end; returns where the first one
 * stands, at most NUMBER_DIGITS_MAX bytes before.  No NUL.
 */
char *number_put_before(char *end, uint64_t value);

#endif
