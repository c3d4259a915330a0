/* SPDX-License-Identifier: MIT */
#include "base/topology.h"

#include "base/alloc.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static bool read_number(const char *folder, unsigned cpu, const char *name, unsigned *out)
{
    char path[PATH_MAX];
    if ((size_t)snprintf(path, sizeof(path), "%s/cpu%u/topology/%s", folder, cpu, name) >=
        sizeof(path))
        return false;
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return false;
    bool is_read = fscanf(file, "%u", out) == 1;
    fclose(file);
    return is_read;
}

int topology_read(const char *folder, struct topology *out)
{
    out->count = 0;
    for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++) { /* some in between may be off */
        struct topology_cpu *next = &out->cpus[out->count];
        next->cpu = cpu;
        if (read_number(folder, cpu, "core_id", &next->core) &&
            read_number(folder, cpu, "physical_package_id", &next->package))
            out->count++;
    }
    return out->count > 0 ? 0 : -ENOTSUP;
}

void topology_counts(const struct topology *topology, unsigned *packages, unsigned *cores)
{
    *packages = *cores = 0;
    for (unsigned i = 0; i < topology->count; i++) {
        const struct topology_cpu *cpu = &topology->cpus[i];
        bool is_new_package = true, is_new_core = true;
        for (unsigned k = 0; k < i; k++) {
            if (topology->cpus[k].package != cpu->package)
                continue;
            is_new_package = false;
            is_new_core = is_new_core && topology->cpus[k].core != cpu->core;
        }
        *packages += is_new_package;
        *cores += is_new_core;
    }
}

/* How many allowed processors before the one at index share its core. */
static unsigned rank_of(const struct topology *topology, const cpu_set_t *allowed, unsigned index)
{
    const struct topology_cpu *cpu = &topology->cpus[index];
    unsigned rank = 0;
    for (unsigned i = 0; i < index; i++)
        rank += topology->cpus[i].package == cpu->package && topology->cpus[i].core == cpu->core &&
                CPU_ISSET(topology->cpus[i].cpu, allowed);
    return rank;
}

int topology_nth(const struct topology *topology, const cpu_set_t *allowed, unsigned n)
{
    unsigned count = 0;
    for (unsigned i = 0; i < topology->count; i++)
        count += CPU_ISSET(topology->cpus[i].cpu, allowed) != 0;
    if (count == 0)
        return -1;
    n %= count;
    for (unsigned rank = 0;; rank++)
        for (unsigned i = 0; i < topology->count; i++)
            if (CPU_ISSET(topology->cpus[i].cpu, allowed) &&
                rank_of(topology, allowed, i) == rank && n-- == 0)
                return (int)topology->cpus[i].cpu;
}

int topology_bind(unsigned n)
{
    cpu_set_t cpus;
    if (sched_getaffinity(0, sizeof(cpus), &cpus) != 0)
        return -errno;
    struct topology *topology = alloc_bytes(sizeof(*topology));
    if (topology == NULL)
        return -ENOMEM;
    int err = topology_read(TOPOLOGY_FOLDER, topology);
    int cpu = err == 0 ? topology_nth(topology, &cpus, n) : -1;
    alloc_free(topology);
    if (cpu < 0)
        return -ENOTSUP;
    CPU_ZERO(&cpus);
    CPU_SET((size_t)cpu, &cpus);
    return -pthread_setaffinity_np(pthread_self(), sizeof(cpus), &cpus);
}

/* Return the node of memory that a processor is at, or 0. */
static unsigned node_of(const char *folder, unsigned cpu)
{
    char path[PATH_MAX];
    unsigned node = 0;
    const struct dirent *entry;
    if ((size_t)snprintf(path, sizeof(path), "%s/cpu%u", folder, cpu) >= sizeof(path))
        return 0;
    DIR *files = opendir(path);
    if (files == NULL)
        return 0;
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): each call has a stream of its own */
    while ((entry = readdir(files)) != NULL)
        if (strncmp(entry->d_name, "node", 4) == 0 && sscanf(entry->d_name, "node%u", &node) == 1)
            break;
    closedir(files);
    return node;
}

/* How many bits are there?  Nodes are numbered from 0, below the processors' limit. */
static unsigned count_nodes(const char *folder, const struct topology *topology)
{
    cpu_set_t nodes;
    CPU_ZERO(&nodes);
    for (unsigned i = 0; i < topology->count; i++)
        CPU_SET(node_of(folder, topology->cpus[i].cpu) % CPU_SETSIZE, &nodes);
    return (unsigned)CPU_COUNT(&nodes);
}

int topology_count_allowed(const char *folder, const cpu_set_t *allowed,
                           struct topology_counts *out)
{
    struct topology *topology = alloc_bytes(sizeof(*topology));
    unsigned kept = 0;
    if (topology == NULL)
        return -ENOMEM;
    int err = topology_read(folder, topology);
    for (unsigned i = 0; i < topology->count; i++)
        if (CPU_ISSET(topology->cpus[i].cpu, allowed))
            topology->cpus[kept++] = topology->cpus[i];
    topology->count = kept;
    if (err == 0 && kept == 0)
        err = -ENOTSUP;
    if (err == 0) {
        out->cpus = kept;
        out->nodes = count_nodes(folder, topology);
        topology_counts(topology, &out->packages, &out->cores);
    }
    alloc_free(topology);
    return err;
}

int topology_count(struct topology_counts *out)
{
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0)
        return -errno;
    return topology_count_allowed(TOPOLOGY_FOLDER, &allowed, out);
}
