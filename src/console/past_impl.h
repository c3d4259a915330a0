/* SPDX-License-Identifier: MIT */
/*
 * past_impl.h - the lines of before, which libedit keeps.
 */
#ifndef EVENTER_CONSOLE_PAST_IMPL_H
#define EVENTER_CONSOLE_PAST_IMPL_H

#define PAST_LINES_MAX      500
#define PAST_FILE_BYTES_MAX (16 * 1024 * 1024) /* these, each byte of them escaped, and more */

struct past;

/* Make a past without lines.  NULL: no memory. */
struct past *past_new(void);
void past_free(struct past *p); /* NULL is a no-op */

/* Add a line (copied), unless it is the same as the newest one, and go back to now. */
void past_add(struct past *p, const char *line);

/*
 * Go one line back, or forward: the line there (borrowed until the next call); NULL: there is none
 * further back; "": forward of the newest one is now.
 */
const char *past_older(struct past *p);
const char *past_newer(struct past *p);

/*
 * Read lines from a file, as far as there is one, and write it, mode 0600.  Blocks.  0 or -errno;
 * -EINVAL: it is no file of such lines, and -EFBIG: too large a one, which should not be written.
 */
int past_load(struct past *p, const char *path);
int past_save(struct past *p, const char *path);

#endif
