/* SPDX-License-Identifier: MIT */
/*
 * stats_impl.h - what the library has counted, by name.
 *
 * Layer: observe.
 *
 * A statistic is something of a group (of the loops, of the queues), of one of its members or of
 * all together:
 *   simple  GROUP.MEMBER.WHAT         loop.default/0.turns          events.live
 *   tagged  GROUP_WHAT|ST[GROUP:MEMBER] loop_turns|ST[loop:default/0] events_live
 * In MEMBER, what is no letter, digit or one of _-./:@ is %XX, so that each name has one reading.
 */
#ifndef EVENTER_OBSERVE_STATS_IMPL_H
#define EVENTER_OBSERVE_STATS_IMPL_H

#include <stddef.h>
#include <stdint.h>

enum stat_kind {
    STAT_GAUGE = 1, /* how much there is now */
    STAT_COUNTER,   /* how often something happened */
    STAT_HISTOGRAM  /* a bucket: how often something took less than `below` */
};

struct stat {
    const char *group;
    const char *member; /* NULL: all together */
    const char *what;
    enum stat_kind kind;
    uint64_t below; /* of a bucket; UINT64_MAX: any time */
    uint64_t value;
};

/* Call put for every statistic; two of one name are to be added up. */
void stats_gather(void (*put)(const struct stat *stat, void *closure), void *closure);

#endif
