/* SPDX-License-Identifier: MIT */
/*
 * program.h - this program, as it was called, so that it can be executed again.
 *
 * Layer: main.  Main thread.
 */
#ifndef EVENTER_MAIN_PROGRAM_H
#define EVENTER_MAIN_PROGRAM_H

/*
 * Note the arguments and the folder; before the process goes to another.  Without /proc the
 * arguments cannot be known, which is no error before they are needed.  0 or -errno.
 */
int program_remember(void);

/* What would be executed (borrowed), or words in place of it if nothing was noted. */
const char *program_path(void);

/*
 * Execute what is now called as this program was, with its arguments and in its folder.  Returns
 * -errno if that fails; then the folder is another.
 */
int program_execute(void);

/* Return the absolute form of path, from the folder noted; the caller owns it.  NULL: no memory. */
char *program_absolute(const char *path);

#endif
