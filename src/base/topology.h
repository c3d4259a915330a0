/* SPDX-License-Identifier: MIT */
/*
 * topology.h - which processors share a core, and which a package.
 *
 * Layer: base.  Any thread.  Reads files; for the start of a program.
 * Source: the kernel's cputopology.rst.
 */
#ifndef EVENTER_BASE_TOPOLOGY_H
#define EVENTER_BASE_TOPOLOGY_H

#include <sched.h>

#define TOPOLOGY_FOLDER "/sys/devices/system/cpu"

struct topology {
    unsigned count;
    struct topology_cpu {
        unsigned cpu, core, package;
    } cpus[CPU_SETSIZE]; /* those above are not seen */
};

/* Read what folder (as TOPOLOGY_FOLDER) says.  Returns 0, or -ENOTSUP if that is nothing. */
int topology_read(const char *folder, struct topology *out);

/* Count packages and their cores. */
void topology_counts(const struct topology *topology, unsigned *packages, unsigned *cores);

struct topology_counts {
    unsigned nodes, packages, cores, cpus;
};

/*
 * Count what the processors in folder (as TOPOLOGY_FOLDER) that are allowed belong to.  Without
 * nodes of memory there is one.  Returns 0, -ENOMEM or -ENOTSUP (folder says nothing).
 */
int topology_count_allowed(const char *folder, const cpu_set_t *allowed,
                           struct topology_counts *out);

/* The same for what this thread may run on. */
int topology_count(struct topology_counts *out);

/*
 * Return the processor for the nth of many threads, of those that are allowed: each core has one
 * thread before any has two.  -1: none is allowed.
 */
int topology_nth(const struct topology *topology, const cpu_set_t *allowed, unsigned n);

/* Keep the calling thread, the nth of many, to one processor.  Returns 0 or -errno. */
int topology_bind(unsigned n);

#endif
