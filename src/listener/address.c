/* SPDX-License-Identifier: MIT */
#include "listener/address.h"

#include <mtev_listener.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

int address_parse(const char *text, uint16_t port, struct address *out)
{
    struct address a;
    memset(&a, 0, sizeof(a));
    if (text[0] == '/') {
        size_t len = strlen(text);
        if (len >= sizeof(a.local.sun_path))
            return -ENAMETOOLONG;
        a.local.sun_family = AF_UNIX;
        memcpy(a.local.sun_path, text, len + 1);
        a.len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + 1);
    } else if (strcmp(text, "*") == 0 || strcmp(text, "inet:*") == 0 ||
               inet_pton(AF_INET, text, &a.v4.sin_addr) == 1) {
        a.v4.sin_family = AF_INET; /* "*" leaves the address zero: INADDR_ANY */
        a.v4.sin_port = htons(port);
        a.len = sizeof(a.v4);
    } else if (strcmp(text, "inet6:*") == 0 || inet_pton(AF_INET6, text, &a.v6.sin6_addr) == 1) {
        a.v6.sin6_family = AF_INET6;
        a.v6.sin6_port = htons(port);
        a.len = sizeof(a.v6);
    } else {
        return -EINVAL;
    }
    *out = a;
    return 0;
}

int address_of(int fd, struct address *out)
{
    struct address a;
    memset(&a, 0, sizeof(a));
    a.len = sizeof(a.local);
    if (getsockname(fd, &a.any, &a.len) != 0)
        return -errno;
    if (a.any.sa_family != AF_INET && a.any.sa_family != AF_INET6 && a.any.sa_family != AF_UNIX)
        return -EAFNOSUPPORT;
    *out = a;
    return 0;
}

bool address_is_same(const struct address *a, const struct address *b, bool any_port)
{
    if (a->any.sa_family != b->any.sa_family)
        return false;
    if (a->any.sa_family == AF_INET)
        return a->v4.sin_addr.s_addr == b->v4.sin_addr.s_addr &&
               (any_port || a->v4.sin_port == b->v4.sin_port);
    if (a->any.sa_family == AF_INET6)
        return memcmp(&a->v6.sin6_addr, &b->v6.sin6_addr, sizeof(a->v6.sin6_addr)) == 0 &&
               (any_port || a->v6.sin6_port == b->v6.sin6_port);
    return a->len == b->len && memcmp(&a->local, &b->local, a->len) == 0;
}

void address_format(const struct address *a, char *buffer)
{
    char host[INET6_ADDRSTRLEN] = "?";
    switch (a->any.sa_family) {
    case AF_INET:
        inet_ntop(AF_INET, &a->v4.sin_addr, host, sizeof(host));
        snprintf(buffer, ADDRESS_TEXT_MAX, "%s:%u", host, ntohs(a->v4.sin_port));
        break;
    case AF_INET6:
        inet_ntop(AF_INET6, &a->v6.sin6_addr, host, sizeof(host));
        snprintf(buffer, ADDRESS_TEXT_MAX, "[%s]:%u", host, ntohs(a->v6.sin6_port));
        break;
    case AF_UNIX:
        snprintf(buffer, ADDRESS_TEXT_MAX, "%s",
                 a->local.sun_path[0] == '\0' ? "(unnamed)" : a->local.sun_path);
        break;
    default:
        snprintf(buffer, ADDRESS_TEXT_MAX, "?");
    }
}

int mtev_convert_sockaddr_to_buff(char *buffer, int len, struct sockaddr *sa)
{
    char text[ADDRESS_TEXT_MAX] = "";
    if (len <= 0)
        return 0;
    if (sa->sa_family == AF_INET)
        inet_ntop(AF_INET, &((struct sockaddr_in *)(void *)sa)->sin_addr, text, sizeof(text));
    else if (sa->sa_family == AF_INET6)
        inet_ntop(AF_INET6, &((struct sockaddr_in6 *)(void *)sa)->sin6_addr, text, sizeof(text));
    else if (sa->sa_family == AF_UNIX)
        snprintf(text, sizeof(text), "%s", ((struct sockaddr_un *)(void *)sa)->sun_path);
    snprintf(buffer, (size_t)len, "%s", text);
    return (int)strlen(buffer);
}
