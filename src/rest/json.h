/* SPDX-License-Identifier: MIT */
/*
 * json.h - JSON of what may hold any bytes, without a NUL or anything else that is no JSON.
 *
 * Layer: rest (uses base).  Any thread.
 */
#ifndef EVENTER_REST_JSON_H
#define EVENTER_REST_JSON_H

#include "base/buf.h"

#include <jansson.h>

/*
 * Return the len bytes at bytes as a string, with U+FFFD for each byte that is no UTF-8; NULL: no
 * memory.
 */
json_t *json_of_bytes(const char *bytes, size_t len);

/* The same for a NUL-terminated text; NULL becomes "". */
json_t *json_of_text(const char *text);

/* Append value (taken, in any case; NULL: there was no memory) to text.  0, -ENOSPC or -ENOMEM. */
int json_append(struct buf *text, json_t *value);

#endif
