/* SPDX-License-Identifier: MIT */
/*
 * signals.h - what signals do to a process that serves.
 *
 * Layer: main.  The mask of blocked signals is left alone, so children inherit what they expect.
 *
 *   TERM, INT   the first: eventer_loop() returns; or, if nobody is in it, the process ends
 *               the second: the process ends
 *   QUIT        the process ends
 *   HUP         the configuration is loaded anew (reload.h), in a thread of its own
 *   USR1        the coroutines are shown on mtev_notice, in a thread of its own
 *   USR2        nothing, and a line says so: an upgrade needs a monitor, which gets that signal
 *
 * A monitor says with its TERM whether it was told once or twice, and counts as nobody else's.
 */
#ifndef EVENTER_MAIN_SIGNALS_H
#define EVENTER_MAIN_SIGNALS_H

#include <stdbool.h>

/*
 * Handle them, from now on.  Once, before the eventer's loops let traffic in.  Returns 0; or,
 * logged, -ENOSPC (too many hooks) or as eventfd(2).
 */
int signals_begin(void);

/*
 * What a monitor sends beside its TERM: drain and end; end at once; drain, for another one serves
 * already.
 */
enum signals_stop {
    SIGNALS_DRAIN = 1,
    SIGNALS_END,
    SIGNALS_SUCCEEDED
};

/* True once the monitor has sent the last of these. */
bool signals_have_successor(void);

/* Do with them what was done before. */
void signals_end(void);

#endif
