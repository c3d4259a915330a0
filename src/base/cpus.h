/* SPDX-License-Identifier: MIT */
/*
 * cpus.h - how many processors this process may keep busy.
 *
 * Layer: base.  Any thread.  Reads files; for the start of a program.
 * Source: sched_getaffinity(2), cgroups(7), the kernel's cgroup-v2.rst and sched-bwc.rst.
 */
#ifndef EVENTER_BASE_CPUS_H
#define EVENTER_BASE_CPUS_H

/*
 * Return the number of processors that it may run on, or the processor time a second that its
 * control groups (version 1 or 2) let it have, rounded up, if that is less; at least 1.
 */
unsigned cpus_usable(void);

/*
 * The same for a process that may run on allowed processors and is in the groups that the file
 * self_cgroup (as /proc/self/cgroup) names, which are mounted below mount (as /sys/fs/cgroup).
 */
unsigned cpus_usable_by(const char *self_cgroup, const char *mount, unsigned allowed);

#endif
