/* SPDX-License-Identifier: MIT */
/*
 * reload.h - a configuration that has changed takes the place of the one that runs.
 *
 * Layer: main.
 */
#ifndef EVENTER_MAIN_RELOAD_H
#define EVENTER_MAIN_RELOAD_H

/*
 * Load the configuration anew, open the log files anew, and have logs, access control, listeners
 * and certificates follow.  What is wrong is said, and then all stays as it was.  Whoever asks
 * while that is under way has it done once more.  Returns 0, -errno after a line, or -EALREADY: it
 * is under way, or the process ends.  Any thread but a loop's.
 */
int reload(void);

/* Wait for the one under way, and begin no other: while the loops still run.  Main thread. */
void reload_end(void);

#endif
