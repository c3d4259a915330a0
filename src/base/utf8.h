/* SPDX-License-Identifier: MIT */
/*
 * utf8.h - which bytes are characters.
 *
 * Layer: base.  Any thread.  Nothing here allocates.
 */
#ifndef EVENTER_BASE_UTF8_H
#define EVENTER_BASE_UTF8_H

#include <stddef.h>

#define UTF8_REPLACEMENT "\xef\xbf\xbd" /* U+FFFD: stands for a byte that is none */

/* Return the length of the UTF-8 character at the start of the len > 0 bytes; 0: it is none. */
size_t utf8_len(const char *bytes, size_t len);

#endif
