/* SPDX-License-Identifier: MIT */
#include "console/access.h"

#include "base/network.h"

#include <string.h>

#define NETWORK_TEXT_MAX 63
#define BETWEEN          " \t\r\n,"

static bool is_loopback(const struct sockaddr *address)
{
    struct network v4, v6;
    return (network_parse("127.0.0.0/8", &v4) == 0 && network_contains(&v4, address)) ||
           (network_parse("::1", &v6) == 0 && network_contains(&v6, address));
}

/* Read the next network of *rest, which is moved on.  False: there is no more, or it is none. */
static bool next_network(const char **rest, struct network *out, bool *ret_fault)
{
    char text[NETWORK_TEXT_MAX + 1];
    *rest += strspn(*rest, BETWEEN);
    size_t len = strcspn(*rest, BETWEEN);
    if (len == 0)
        return false;
    *ret_fault = len > NETWORK_TEXT_MAX;
    if (!*ret_fault) {
        memcpy(text, *rest, len);
        text[len] = '\0';
        *ret_fault = network_parse(text, out) != 0;
    }
    *rest += len;
    return !*ret_fault;
}

bool access_is_allowed(const struct sockaddr *address, const char *acl, bool *ret_fault)
{
    bool is_listed = false;
    unsigned count = 0;
    struct network network;
    *ret_fault = false;
    if (address->sa_family == AF_UNIX)
        return true;
    if (acl == NULL)
        return is_loopback(address);
    while (next_network(&acl, &network, ret_fault)) {
        is_listed = is_listed || network_contains(&network, address);
        if (++count > ACCESS_NETWORKS_MAX)
            *ret_fault = true;
        if (*ret_fault)
            break;
    }
    return is_listed && !*ret_fault;
}
