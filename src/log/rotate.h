/* SPDX-License-Identifier: MIT */
/*
 * rotate.h - the names and the end of files that were written to before.
 *
 * Layer: log, for this layer alone.  Any thread; both use the disk.
 */
#ifndef EVENTER_LOG_ROTATE_H
#define EVENTER_LOG_ROTATE_H

#include <stdint.h>

#define ROTATED_MAX 4096 /* files of one name that are looked at in one pass */

/*
 * Rename the file path to "PATH.SECOND", where SECOND is now in seconds since 1970, or the next
 * that is free.  Returns 0 or what rename(2) says.
 */
int rotate_rename(const char *path);

/*
 * Remove files that rotate_rename() made of path: those that got their name retain_ns ago or
 * longer, and of the rest the oldest, until they have retain_bytes or less together.
 * Returns 0, -ENOMEM, or the last of what opendir(3) and unlink(2) say.
 */
int rotate_cull(const char *path, uint64_t retain_ns, uint64_t retain_bytes);

#endif
