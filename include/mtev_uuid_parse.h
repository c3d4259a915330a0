/* SPDX-License-Identifier: MIT */
/*
 * mtev_uuid_parse.h - identifiers of 128 bits as text: 8-4-4-4-12 hexadecimal digits.
 *
 * Any thread; no call yields or allocates.  Source: RFC 9562 section 4.
 */
#ifndef MTEV_UUID_PARSE_H
#define MTEV_UUID_PARSE_H

#include <mtev_defines.h>

MTEV_BEGIN_DECLS

typedef unsigned char uuid_t[16]; /* in network order; the type of libuuid, too */

#ifndef UUID_STR_LEN
#define UUID_STR_LEN 37 /* bytes of the text, with its NUL */
#endif

/*
 * Read the NUL-terminated text in, with digits of either case and nothing around them, into out.
 * Returns 0; or -1 with EINVAL, and out is untouched.
 */
API_EXPORT(int) mtev_uuid_parse(const char *in, uuid_t out);

/* Write uuid as text to out (UUID_STR_LEN bytes), with small or capital letters; first: small. */
API_EXPORT(void) mtev_uuid_unparse(const uuid_t uuid, char *out);
API_EXPORT(void) mtev_uuid_unparse_lower(const uuid_t uuid, char *out);
API_EXPORT(void) mtev_uuid_unparse_upper(const uuid_t uuid, char *out);

MTEV_END_DECLS

#endif
