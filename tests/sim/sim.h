/* SPDX-License-Identifier: MIT */
/*
 * sim.h - a world whose time, threads and sockets a seed decides; the library in it is the real
 * one.
 *
 * Threads are real, and one of them runs at a time: whoever has the turn.  It goes on to another,
 * which the seed picks, where a thread waits, and maybe where it reads the clock, uses a socket or
 * is about to wait or to wake (a "point").  Time is a number: it goes on by a little with each
 * reading of the clock, and to the next deadline where nobody can run.  If there is none, those who
 * wait would wait for good, and the seed has failed.  docs/internals/simulator.md says more.
 */
#ifndef EVENTER_TESTS_SIM_H
#define EVENTER_TESTS_SIM_H

#include "base/clock.h"
#include "eventer/event.h"
#include "eventer/poller.h"

#include <stdbool.h>
#include <stdint.h>

#define SIM_FOREVER     UINT64_MAX
#define SIM_THREADS_MAX 64     /* at once and ended, of one seed */
#define SIM_STEPS_MAX   500000 /* points of one seed: past that, somebody goes round in circles */

/* How a seed's world is; sim_begin() draws it. */
struct sim_nature {
    uint32_t switch_one_in;  /* so many points the turn goes on */
    uint32_t reading_ns_max; /* that a reading of the clock takes; 0: time stands still in a turn */
    uint32_t stall_one_in;   /* switches, after which a thread is held up; 0: never */
    uint32_t stall_ns_max;   /* for so long */
    uint32_t latency_ns_max; /* of what is sent from socket to socket */
    uint32_t spurious_one_in;  /* waits that end, or say that an fd is ready, without a reason */
    uint32_t short_one_in;     /* reads and writes that are cut short where they may be */
    uint32_t no_thread_one_in; /* threads that cannot be made, once the loops run; 0: none */
};

/* Defects that can be planted in the world itself, to show that they are found. */
enum sim_plant {
    SIM_PLANT_NONE = 0,
    SIM_PLANT_WAKE,  /* a poller loses wakes */
    SIM_PLANT_CLOCK, /* the loop's clock runs ahead of the true one */
    SIM_PLANT_EDGE,  /* a poller loses edges */
    SIM_PLANT_BYTE,  /* a socket loses a byte */
    SIM_PLANT_FUTEX, /* threads that sleep are not woken */
};

struct sim_report { /* of one seed, for whoever runs it */
    uint64_t hash;  /* of the trace */
    uint64_t steps, switches, waits, checks;
    uint64_t virtual_ns;
};

extern struct sim_nature sim_nature;
extern struct sim_report sim_report;
extern uint64_t sim_seed;

/* Make this thread the first one of the world of seed, and have the library live in it. */
void sim_begin(uint64_t seed, enum sim_plant plant, bool is_traced);

/* The loops run: from now on a thread may be refused. */
void sim_started(void);

/* The loops have ended: what is still on its way arrives now. */
void sim_finish(void);

/* Return a number in [0, bound), or true once in so many calls (0: never). */
uint32_t sim_random(uint32_t bound);
bool sim_chance(uint32_t one_in);

/* Return now, which costs no time here, by either clock. */
uint64_t sim_now_ns(void);
uint64_t sim_wall_ns(void);

/* Return the latest time that the wall clock has shown: it may have been set back since. */
uint64_t sim_wall_latest_ns(void);

/* Set the wall clock by so much; loops that watch it are told. */
void sim_set_wall(int64_t by_ns);

/* Somebody else may run now. */
void sim_point(void);

/* This thread is busy for so long. */
void sim_busy(uint64_t ns);

/* Add what happened to the trace: op (a literal), and two numbers that say the rest. */
void sim_trace(const char *op, int64_t a, int64_t b);

/* End the process: the seed has failed, for the reason that is printed. */
void sim_fail(const char *file, int line, const char *format, ...)
    __attribute__((noreturn, format(printf, 3, 4)));

#define sim_check(condition)                                                                       \
    (sim_report.checks++, (condition) ? (void)0 : sim_fail(__FILE__, __LINE__, "%s", #condition))

/* ---- sockets (sockets.c) --------------------------------------------------------- */

/* No number of the kernel's: whoever passes one to it is refused.  All are in one table. */
#define SIM_FD_FIRST    (98 * 1024)
#define SIM_SOCKETS_MAX 512
#define SIM_BUFFER_MAX  2048 /* bytes under way one way */

/*
 * Make a listening socket; connect to one; a connected pair.  Non-blocking fds, which the caller
 * owns.  A connection gives back bytes as TCP does, all there are, or (is_exact false) maybe fewer.
 */
int sim_listen(bool is_exact);
int sim_connect(int listener);
void sim_pair(bool is_exact, int fds[2]);

/* True if a short read of fd means that there is no more. */
bool sim_is_exact(int fd);

/* Send the end, as shutdown(2) of the writing side; or have close() send a reset. */
void sim_shutdown(int fd);
void sim_reset_at_close(int fd);

/* How many sockets are open. */
unsigned sim_open_sockets(void);

/* What events use, and what loops wait with. */
extern const struct eventer_fd_opset sim_opset;
extern const struct poller_ops sim_poller;

/* How many pollers are open. */
unsigned sim_open_pollers(void);

#endif
