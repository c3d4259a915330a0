/* SPDX-License-Identifier: MIT */
#include "base/network.h"

#include "base/number.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#define MAPPED_BITS 96 /* ::ffff:0:0/96 holds all of IPv4 */

/* Turn IPv4 that is written as IPv6 into what it is. */
static void unmap(struct network *network)
{
    static const uint8_t mapped[MAPPED_BITS / 8] = {[10] = 0xff, [11] = 0xff};
    if (network->family != AF_INET6 || network->bits < MAPPED_BITS ||
        memcmp(network->address, mapped, sizeof(mapped)) != 0)
        return;
    network->family = AF_INET;
    network->bits -= MAPPED_BITS;
    memmove(network->address, network->address + sizeof(mapped), 4);
}

int network_parse(const char *text, struct network *out)
{
    char address[INET6_ADDRSTRLEN];
    struct network network = {.family = strchr(text, ':') == NULL ? AF_INET : AF_INET6};
    unsigned bits_max = network.family == AF_INET ? 32 : 128;
    uint64_t bits = bits_max;
    size_t len = strcspn(text, "/");
    if (len >= sizeof(address))
        return -EINVAL;
    memcpy(address, text, len);
    address[len] = '\0';
    if (inet_pton(network.family, address, network.address) != 1)
        return -EINVAL;
    if (text[len] == '/' &&
        number_u64(text + len + 1, strlen(text + len + 1), bits_max, &bits) != 0)
        return -EINVAL;
    network.bits = (unsigned)bits;
    unmap(&network);
    *out = network;
    return 0;
}

/* Take the address out of its wrapping.  Returns false for what is no IP address. */
static bool read_address(const struct sockaddr *address, struct network *out)
{
    if (address->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, address, sizeof(in));
        *out = (struct network){.family = AF_INET, .bits = 32};
        memcpy(out->address, &in.sin_addr, 4);
        return true;
    }
    if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, address, sizeof(in6));
        *out = (struct network){.family = AF_INET6, .bits = 128};
        memcpy(out->address, &in6.sin6_addr, 16);
        unmap(out);
        return true;
    }
    return false;
}

bool network_contains(const struct network *network, const struct sockaddr *address)
{
    struct network peer;
    if (!read_address(address, &peer) || peer.family != network->family)
        return false;
    unsigned bytes = network->bits / 8;
    unsigned bits = network->bits % 8;
    if (memcmp(peer.address, network->address, bytes) != 0)
        return false;
    return bits == 0 || (peer.address[bytes] ^ network->address[bytes]) >> (8 - bits) == 0;
}
