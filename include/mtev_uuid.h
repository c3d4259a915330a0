/* SPDX-License-Identifier: MIT */
/*
 * mtev_uuid.h - all about identifiers of 128 bits.
 */
#ifndef MTEV_UUID_H
#define MTEV_UUID_H

#include <mtev_uuid_copy.h>
#include <mtev_uuid_generate.h>
#include <mtev_uuid_parse.h>

#endif
