/* SPDX-License-Identifier: MIT */
/*
 * sim_impl.h - what the parts of the simulator know of one another.  The thread that has the turn
 * may use all of it, and nobody else does.
 */
#ifndef EVENTER_TESTS_SIM_IMPL_H
#define EVENTER_TESTS_SIM_IMPL_H

#include "sim.h"

extern enum sim_plant sim_plant;

/* Something that happens at a time, whoever runs then.  Embed it; run() may free it. */
struct sim_happening {
    struct sim_happening *next;
    uint64_t at_ns;
    void (*run)(struct sim_happening *happening);
};

/* Have it happen at at_ns; those of one time in the order they were added. */
void sim_schedule(struct sim_happening *happening, uint64_t at_ns);

/* Wait until sim_wake(channel), or until_ns; returns whether it was woken. */
bool sim_block(const void *channel, uint64_t until_ns);

/* Let up to count of those who wait for channel go on; returns how many there were. */
unsigned sim_wake(const void *channel, int count);

/* ---- pollers --------------------------------------------------------------------- */

struct sim_watch { /* the registration of a socket; zeroed = none */
    struct poller *poller;
    uint32_t interest;
    uint64_t tag;
    bool is_pending; /* edge-triggered: it has something to say */
};

/* A socket became ready for more: tell whoever watches it. */
void sim_watch_raise(struct sim_watch *watch);

/* The wall clock was set: tell all pollers that watch it. */
void sim_pollers_wall_was_set(void);

/* The watch of socket number i and what it is ready for; false: none is open there. */
bool sim_socket_at(unsigned i, struct sim_watch **out, uint32_t *ret_bits);

/* The watch of fd, or NULL: it is not open. */
struct sim_watch *sim_watch_of(int fd);

#endif
