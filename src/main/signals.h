/* SPDX-License-Identifier: MIT */
/*
 * signals.h - what signals do to a process that serves.
 *
 * Layer: main.  The mask of blocked signals is left alone, so children inherit what they expect.
 *
 *   TERM, INT   the first: eventer_loop() returns; or, if nobody is in it, the process ends
 *               the second: the process ends
 *   QUIT        the process ends
 *   HUP         the log files are opened anew, in a loop
 *   USR1        the coroutines are shown on mtev_notice, from a thread of its own
 */
#ifndef EVENTER_MAIN_SIGNALS_H
#define EVENTER_MAIN_SIGNALS_H

/*
 * Handle them, from now on.  Once, before the eventer's loops let traffic in.  Returns 0; or,
 * logged, -ENOSPC (too many hooks) or as eventfd(2).
 */
int signals_begin(void);

/* Do with them what was done before. */
void signals_end(void);

#endif
