/* SPDX-License-Identifier: MIT */
/*
 * channel.h - what a monitor and the child that it looks after tell each other.
 *
 * Layer: main.  A pair of sockets that keep messages apart; each end's owner reads it.  The layout
 * is the same in every version of the library, as the two may be of different ones.
 */
#ifndef EVENTER_MAIN_CHANNEL_H
#define EVENTER_MAIN_CHANNEL_H

#include <stdint.h>

enum channel_word {
    CHANNEL_NOTHING = 0,
    CHANNEL_SOCKET,   /* child: a socket that it listens at, with the fd */
    CHANNEL_READY,    /* child: these were all; it serves */
    CHANNEL_RELOADED, /* child: the configuration is loaded anew; number 0, or -errno: it is not */
    CHANNEL_CRASHED,  /* child: a fault; it has said where, and waits for an answer */
    CHANNEL_END,      /* monitor: go on, and end */
};

struct channel_message {
    uint32_t word;
    int32_t number;
};

/* Make a pair, close-on-exec and non-blocking.  Returns 0 or -errno. */
int channel_open(int ends[2]);

/*
 * Send a message, with fd if that is not -1 (it stays the caller's).  A full channel is waited for.
 * Async-signal-safe.  Returns 0 or -errno: -EPIPE, the other end is closed.
 */
int channel_send(int channel, enum channel_word word, int32_t number, int fd);

/*
 * Take the next message in *out, and what fd came with it (owned, close-on-exec) or -1 in *out_fd.
 * Async-signal-safe.  Returns 0, -EAGAIN, or -EPIPE: the other end is closed.
 */
int channel_take(int channel, struct channel_message *out, int *out_fd);

#endif
