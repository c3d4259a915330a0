/* SPDX-License-Identifier: MIT */
/*
 * address.h - where a listener listens: from the words of a configuration to a socket address.
 *
 * Layer: listener.  Any thread; nothing here allocates.
 */
#ifndef EVENTER_LISTENER_ADDRESS_H
#define EVENTER_LISTENER_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#define ADDRESS_TEXT_MAX (sizeof(((struct sockaddr_un *)0)->sun_path) + 16)

struct address {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
        struct sockaddr_un local;
    };
    socklen_t len;
};

/*
 * Read text: "*" or "inet:*" (every IPv4 address), "inet6:*" (every IPv6 address), "inet46:*" (both
 * in one socket: then *ret_is_dual is true), an address of either kind, the absolute path of a unix
 * socket, or "@NAME" for one in the abstract namespace of unix(7); port in host order (not used for
 * a unix socket).  Returns 0, or -EINVAL, or -ENAMETOOLONG for a path or NAME.
 */
int address_parse(const char *text, uint16_t port, struct address *out, bool *ret_is_dual);

/* The address that the socket fd is bound to.  0, -EAFNOSUPPORT (no such kind), or -errno. */
int address_of(int fd, struct address *out);

/* Its port, host order; 0: it has none. */
uint16_t address_port(const struct address *a);

/* True if it is an IP address with port 0. */
bool address_has_any_port(const struct address *a);

/* True if both are the same; any_port: but for the port. */
bool address_is_same(const struct address *a, const struct address *b, bool any_port);

/* Write a as "127.0.0.1:80", "[::1]:80", a path or "@NAME"; buffer has ADDRESS_TEXT_MAX bytes. */
void address_format(const struct address *a, char *buffer);

#endif
