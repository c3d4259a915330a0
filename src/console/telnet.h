/* SPDX-License-Identifier: MIT */
/*
 * telnet.h - the bytes of a telnet connection taken apart, and answered.
 *
 * Layer: console.  Not thread safe: one for each connection, zeroed at first.  Nothing waits; what
 * is to be sent is appended to a buf.  Source: RFC 854, 855, 857, 858, 1073; RFC 1123 section 3.
 *
 *   DATA --IAC--> COMMAND --WILL, WONT, DO, DONT--> OPTION --any--> DATA
 *    ^ |             |--SB--> SUB <--any-- SUB_IAC --SE--> DATA
 *    | `--CR--> RETURN         `-----IAC-----^
 *    `----------'
 */
#ifndef EVENTER_CONSOLE_TELNET_H
#define EVENTER_CONSOLE_TELNET_H

#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>

#define TELNET_SUB_MAX 5 /* bytes of a subnegotiation that are kept: all of NAWS */

enum telnet_key { /* what is taken for commands of the peer: control characters */
    TELNET_INTERRUPT = 3,
    TELNET_ERASE = 8,
    TELNET_ERASE_LINE = 21,
};

enum telnet_state { /* what the next byte is */
    TELNET_DATA = 0,
    TELNET_RETURN,
    TELNET_COMMAND,
    TELNET_OPTION,
    TELNET_SUB,
    TELNET_SUB_IAC,
};

struct telnet {
    enum telnet_state state;
    uint8_t verb;                             /* of OPTION */
    uint8_t sub[TELNET_SUB_MAX];              /* of SUB */
    unsigned sub_len;                         /* how many came, also of those that were not kept */
    bool echoes;                              /* the peer lets us */
    uint16_t width, height;                   /* of the peer's window; 0: not known */
    uint8_t refused_will[32], refused_do[32]; /* a bit an option: it is refused once only */
};

/* Begin: offer to echo and to send at any time, and ask for the size of the window. */
int telnet_begin(struct telnet *t, struct buf *out);

/*
 * Take the next byte that came.  Returns a byte of data (a new line is '\n'; for
 * some commands enum telnet_key), or -1: none.  Answers are appended to out; one that there is no
 * memory for is left out, and the peer goes on without.
 */
int telnet_take(struct telnet *t, uint8_t byte, struct buf *out);

#endif
