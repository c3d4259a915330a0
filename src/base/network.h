/* SPDX-License-Identifier: MIT */
/*
 * network.h - a block of addresses: "10.0.0.0/8", "2001:db8::/32", or one address.
 *
 * Layer: base.  Any thread; no allocation.  Source: RFC 4632 section 3.1, RFC 4291 section 2.
 */
#ifndef EVENTER_BASE_NETWORK_H
#define EVENTER_BASE_NETWORK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct network {
    sa_family_t family; /* AF_INET or AF_INET6 */
    unsigned bits;      /* of the prefix */
    uint8_t address[16];
};

/*
 * Read text: an address of IPv4 or IPv6 and, behind a '/', the bits of its prefix (all of them if
 * not given; those of the address past it do not count).  Returns 0, or -EINVAL.
 */
int network_parse(const char *text, struct network *out);

/*
 * True if the address is in the block.  One of IPv4 in the shape of IPv6 (::ffff:a.b.c.d) is IPv4.
 */
bool network_contains(const struct network *network, const struct sockaddr *address);

#endif
