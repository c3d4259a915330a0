/* SPDX-License-Identifier: MIT */
/*
 * monitor.h - the process that starts what serves, looks after it, and starts it again.
 *
 * Layer: main.  One thread and no loop; docs/internals/process.md draws the states.
 *
 *   TERM, INT   sent on: the first lets the child drain, the second ends it; then the monitor ends
 *   QUIT        the same, at once
 *   HUP, USR1   sent on; HUP also opens the monitor's own log files anew
 *   USR2        the program on disk is started beside the child, and takes over when it is ready
 */
#ifndef EVENTER_MAIN_MONITOR_H
#define EVENTER_MAIN_MONITOR_H

/*
 * Call serve() in child processes, until one ends that is not to be started again.  In a child this
 * does not return: it exits with what serve() returned.  Returns the exit status for the process.
 */
int monitor_run(int (*serve)(void));

#endif
