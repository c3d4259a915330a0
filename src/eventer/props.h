/* SPDX-License-Identifier: MIT */
/*
 * props.h - what <eventer><config> sets, typed and checked.
 *
 * Layer: eventer.  Written by eventer_propset() before eventer_init(), read afterwards.
 */
#ifndef EVENTER_EVENTER_PROPS_H
#define EVENTER_EVENTER_PROPS_H

#include "eventer/pool.h"
#include "jobq/jobq.h"

#include <eventer/eventer_jobq.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROPS_JOBQS_MAX 64

struct props_pool {
    char name[POOL_NAME_LEN_MAX + 1];
    uint64_t loops;       /* 0: as many as there are usable CPUs */
    uint64_t watchdog_ns; /* how long a turn may take; 0: as others */
};

struct props_jobq {
    char name[JOBQ_NAME_LEN_MAX + 1];
    uint64_t threads;
    uint64_t min, max; /* 0: none */
    uint64_t backlog_max;
    eventer_jobq_memory_safety_t safety;
    bool has_order; /* else as jobqs_are_lifo says */
    bool is_lifo;
};

struct props {
    uint64_t concurrency; /* loops of the default pool; 0: as many as there are usable CPUs */
    uint64_t watchdog_ns; /* of the default pool; 0: as others */
    bool has_affinity;    /* a loop's thread keeps to one CPU */
    uint64_t default_queue_threads;
    bool jobqs_are_lifo;        /* unless they say otherwise */
    uint64_t drain_s;           /* how long what is in flight may take when the process is to end */
    uint64_t rlim_nofiles;      /* 0: as many open files as the system allows */
    uint64_t aco_shared_stacks; /* stacks a loop; 0: the default */
    uint64_t aco_stack_size;    /* bytes */
    int64_t slow_callback_ms;   /* what runs so long in a loop is logged; -1: nothing is */
    int64_t slow_job_ms;        /* the same of jobs */
    const struct poller_ops *poller; /* of all loops; NULL: not set */
    struct props_pool pools[POOL_COUNT_MAX];
    size_t pool_count;
    struct props_jobq jobqs[PROPS_JOBQS_MAX];
    size_t jobq_count;
};

/* The properties as they are now (borrowed for good). */
const struct props *props_get(void);

/*
 * What loops wait with: what was set, or what EVENTER_IMPLEMENTATION in the environment names, or
 * epoll.  NULL if it names nothing.
 */
const struct poller_ops *props_poller(void);

/* Have loops made from now on wait with ops (borrowed for good), which need not have a name. */
void props_set_poller(const struct poller_ops *ops);

#endif
