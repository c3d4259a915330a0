/* SPDX-License-Identifier: MIT */
/*
 * mtev_uuid_generate.h - new identifiers.
 */
#ifndef MTEV_UUID_GENERATE_H
#define MTEV_UUID_GENERATE_H

#include <mtev_uuid_parse.h>

MTEV_BEGIN_DECLS

/*
 * Make out a new identifier of version 4: 122 bits of the kernel's random generator, which nobody
 * can foretell.  Any thread; does not yield.  Cost: a system call.  Source: RFC 9562 section 5.4.
 */
API_EXPORT(void) mtev_uuid_generate(uuid_t out);

MTEV_END_DECLS

#endif
