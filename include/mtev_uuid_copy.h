/* SPDX-License-Identifier: MIT */
/*
 * mtev_uuid_copy.h - copy, clear and compare identifiers.  Any thread; no call yields or fails.
 */
#ifndef MTEV_UUID_COPY_H
#define MTEV_UUID_COPY_H

#include <mtev_uuid_parse.h>

MTEV_BEGIN_DECLS

/* Copy from to to. */
API_EXPORT(void) mtev_uuid_copy(uuid_t to, const uuid_t from);

/* Make uuid the one whose bits are all zero; and return 1 if it is that one, else 0. */
API_EXPORT(void) mtev_uuid_clear(uuid_t uuid);
API_EXPORT(int) mtev_uuid_is_null(const uuid_t uuid);

/* Return a value below, equal to or above 0 as a is before, equal to or after b, as bytes. */
API_EXPORT(int) mtev_uuid_compare(const uuid_t a, const uuid_t b);

MTEV_END_DECLS

#endif
