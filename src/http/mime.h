/* SPDX-License-Identifier: MIT */
/*
 * mime.h - the media type of a file, by its extension.
 *
 * Layer: http.  Any thread; no allocation.  Source: IANA's registry of media types.
 */
#ifndef EVENTER_HTTP_MIME_H
#define EVENTER_HTTP_MIME_H

#include <stddef.h>

#define MIME_DEFAULT       "application/octet-stream"
#define MIME_EXTENSION_MAX 11 /* bytes of the longest extension in the table */

/*
 * Return the media type of the extension of the len bytes at path: what stands behind the last '.'
 * of its last segment, in any case.  Texts say that they are in UTF-8.  MIME_DEFAULT for none, or
 * for one that is not in the table.  Borrowed for ever.  Cost: some 20 ns.
 */
const char *mime_type_of(const char *path, size_t len);

#endif
