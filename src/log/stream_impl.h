/* SPDX-License-Identifier: MIT */
/*
 * stream_impl.h - the inside of a log stream, for this layer alone.
 *
 * Streams refer to each other; from that, whenever something changes, the set of material streams
 * that each one reaches is worked out, so that a line finds its files without a walk.  The k-th
 * material stream is bit k of a set.
 */
#ifndef EVENTER_LOG_STREAM_IMPL_H
#define EVENTER_LOG_STREAM_IMPL_H

#include "log/log.h"
#include "log/outlet.h"

struct log_reach { /* the outlets that a stream reaches; and those to which a prefix is due */
    uint64_t all;
    uint64_t debug;
    uint64_t timestamps;
    uint64_t facility;
};

struct log_stream {
    _Atomic unsigned flags; /* first, as mtev_log.h promises; read without the lock */
    const char *name;
    char *owned_name;        /* name, if it is on the heap */
    int material;            /* index + 1 of the outlet that it is; 0: none */
    struct log_stream *next; /* in the registry */
    size_t outlet_count;
    struct log_stream *outlets[LOG_OUTLETS_MAX];
    struct log_reach reach; /* guarded by the lock of the streams, as all above but flags */
};

/* Hold the streams still (any number of threads at a time) and let go of them. */
void stream_lock(void);
void stream_unlock(void);

/* Return the outlet of bit k of a reach. */
struct outlet *stream_outlet(unsigned k);

#endif
