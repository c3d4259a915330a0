/* SPDX-License-Identifier: MIT */
/*
 * file.h - files that are read and written as a whole.
 *
 * Layer: conf, for this layer alone.  Any thread.  Blocks on the disk.  Nothing here logs.
 */
#ifndef EVENTER_CONF_FILE_H
#define EVENTER_CONF_FILE_H

#include "base/buf.h"

#include <stdbool.h>
#include <sys/stat.h>

/*
 * Append what path holds to text, and say in *ret_stat what it is.  must_be_regular: nothing but a
 * regular file is read, and none is waited for.  Returns 0; -EFBIG (longer than max bytes); -EINVAL
 * (not a regular file); -ENOMEM; or as open(2) and read(2).
 */
int file_read(const char *path, size_t max, bool must_be_regular, struct buf *text,
              struct stat *ret_stat);

/*
 * Replace the file path by one with the len bytes at bytes: a crash at any moment leaves the old
 * content or the new one, whole.  It keeps the old one's mode, and owner as far as the system
 * allows; a new file has mode 0600.  A symbolic link stays, and the file behind it is replaced.
 * Returns 0, or -errno as open(2), write(2), fsync(2) and rename(2), and the old one is as it was.
 */
int file_replace(const char *path, const char *bytes, size_t len);

/* Return an owned path: name itself if it starts with a slash, or name in the folder of file. */
char *file_beside(const char *file, const char *name);

/* Return an owned path that stays right when the working directory changes.  NULL: no memory. */
char *file_absolute(const char *path);

#endif
