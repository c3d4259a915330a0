/* SPDX-License-Identifier: MIT */
#include "console/telnet.h"

enum { /* commands, RFC 854 */
    SE = 240,
    INTERRUPT = 244,
    ARE_YOU_THERE = 246,
    ERASE_CHARACTER = 247,
    ERASE_LINE = 248,
    SB = 250,
    WILL,
    WONT,
    DO,
    DONT,
    IAC,
};

enum {        /* options */
    ECHO = 1, /* RFC 857 */
    SGA = 3,  /* suppress go-ahead, RFC 858 */
    NAWS = 31 /* RFC 1073 */
};

static int send_option(uint8_t verb, uint8_t option, struct buf *out)
{
    const uint8_t bytes[] = {IAC, verb, option};
    return buf_append(out, bytes, sizeof(bytes));
}

int telnet_begin(struct telnet *t, struct buf *out)
{
    t->echoes = true;
    int err = send_option(WILL, ECHO, out);
    if (err == 0)
        err = send_option(WILL, SGA, out);
    return err == 0 ? send_option(DO, NAWS, out) : err;
}

/* Refuse an option, unless that was done: who asks again and again is not answered for ever. */
static void refuse(uint8_t seen[static 32], uint8_t verb, uint8_t option, struct buf *out)
{
    uint8_t bit = (uint8_t)(1u << (option % 8));
    if (seen[option / 8] & bit)
        return;
    seen[option / 8] |= bit;
    (void)send_option(verb, option, out);
}

/* The peer's word about an option.  Those that we offered or asked for are answered by that. */
static void negotiate(struct telnet *t, uint8_t option, struct buf *out)
{
    bool is_ours = option == ECHO || option == SGA;
    if (t->verb == WILL && option != NAWS)
        refuse(t->refused_will, DONT, option, out);
    else if (t->verb == DO && !is_ours)
        refuse(t->refused_do, WONT, option, out);
    else if (t->verb == DONT && option == ECHO && t->echoes) {
        t->echoes = false;
        (void)send_option(WONT, ECHO, out);
    }
}

static void end_sub(struct telnet *t)
{
    if (t->sub_len != 5 || t->sub[0] != NAWS)
        return;
    t->width = (uint16_t)(t->sub[1] << 8 | t->sub[2]);
    t->height = (uint16_t)(t->sub[3] << 8 | t->sub[4]);
}

static void keep_sub(struct telnet *t, uint8_t byte)
{
    if (t->sub_len < TELNET_SUB_MAX)
        t->sub[t->sub_len] = byte;
    if (t->sub_len <= TELNET_SUB_MAX)
        t->sub_len++;
}

/* A byte behind IAC. */
static int take_command(struct telnet *t, uint8_t byte, struct buf *out)
{
    t->state = TELNET_DATA;
    switch (byte) {
    case IAC:
        return IAC;
    case WILL:
    case WONT:
    case DO:
    case DONT:
        t->verb = byte;
        t->state = TELNET_OPTION;
        return -1;
    case SB:
        t->sub_len = 0;
        t->state = TELNET_SUB;
        return -1;
    case INTERRUPT:
        return TELNET_INTERRUPT;
    case ERASE_CHARACTER:
        return TELNET_ERASE;
    case ERASE_LINE:
        return TELNET_ERASE_LINE;
    case ARE_YOU_THERE:
        (void)buf_append(out, "\r\n[yes]\r\n", 9);
        return -1;
    default:
        return -1;
    }
}

static int take_data(struct telnet *t, uint8_t byte)
{
    bool is_behind_return = t->state == TELNET_RETURN;
    t->state = TELNET_DATA;
    if (is_behind_return && (byte == '\n' || byte == '\0'))
        return -1; /* it was a new line already */
    if (byte == IAC) {
        t->state = TELNET_COMMAND;
        return -1;
    }
    if (byte != '\r')
        return byte;
    t->state = TELNET_RETURN;
    return '\n';
}

int telnet_take(struct telnet *t, uint8_t byte, struct buf *out)
{
    switch (t->state) {
    case TELNET_COMMAND:
        return take_command(t, byte, out);
    case TELNET_OPTION:
        t->state = TELNET_DATA;
        negotiate(t, byte, out);
        return -1;
    case TELNET_SUB:
        if (byte == IAC)
            t->state = TELNET_SUB_IAC;
        else
            keep_sub(t, byte);
        return -1;
    case TELNET_SUB_IAC:
        t->state = byte == SE ? TELNET_DATA : TELNET_SUB;
        if (byte == SE)
            end_sub(t);
        else
            keep_sub(t, byte); /* IAC IAC is one byte */
        return -1;
    case TELNET_DATA:
    case TELNET_RETURN:
    default:
        return take_data(t, byte);
    }
}
