/* SPDX-License-Identifier: MIT */
/*
 * format.h - vsnprintf(3), in a quarter of its time for what most lines of a log consist of.
 *
 * Layer: base.
 */
#ifndef EVENTER_BASE_FORMAT_H
#define EVENTER_BASE_FORMAT_H

#include <stdarg.h>
#include <stddef.h>

/*
 * Do and return what vsnprintf(out, size, format, args) does.  Of %d, %i, %u, %c, %s and %%, with
 * or without l, ll or z, nothing else is called; for any other conversion, a NULL for %s, and what
 * does not fit, vsnprintf itself is.
 */
int format_text(char *out, size_t size, const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));

#endif
