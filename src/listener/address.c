/* SPDX-License-Identifier: MIT */
#include "listener/address.h"

#include <mtev_listener.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Read a path, or with '@' in its place the NUL that abstract names begin with. */
static int parse_local(const char *text, struct address *out)
{
    const bool is_abstract = text[0] == '@';
    const size_t len = strlen(text), size = is_abstract ? len : len + 1;
    if (len == 1 && is_abstract)
        return -EINVAL;
    if (size > sizeof(out->local.sun_path))
        return -ENAMETOOLONG;
    out->local.sun_family = AF_UNIX;
    memcpy(out->local.sun_path, text, size);
    if (is_abstract)
        out->local.sun_path[0] = '\0';
    out->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size);
    return 0;
}

int address_parse(const char *text, uint16_t port, struct address *out, bool *ret_is_dual)
{
    const bool is_dual = strcmp(text, "inet46:*") == 0;
    struct address a;
    memset(&a, 0, sizeof(a));
    if (text[0] == '/' || text[0] == '@') {
        int err = parse_local(text, &a);
        if (err != 0)
            return err;
    } else if (strcmp(text, "*") == 0 || strcmp(text, "inet:*") == 0 ||
               inet_pton(AF_INET, text, &a.v4.sin_addr) == 1) {
        a.v4.sin_family = AF_INET; /* "*" leaves the address zero: INADDR_ANY */
        a.v4.sin_port = htons(port);
        a.len = sizeof(a.v4);
    } else if (strcmp(text, "inet6:*") == 0 || is_dual ||
               inet_pton(AF_INET6, text, &a.v6.sin6_addr) == 1) {
        a.v6.sin6_family = AF_INET6;
        a.v6.sin6_port = htons(port);
        a.len = sizeof(a.v6);
    } else {
        return -EINVAL;
    }
    *out = a;
    *ret_is_dual = is_dual;
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

uint16_t address_port(const struct address *a)
{
    return ntohs(a->any.sa_family == AF_INET    ? a->v4.sin_port
                 : a->any.sa_family == AF_INET6 ? a->v6.sin6_port
                                                : 0);
}

bool address_has_any_port(const struct address *a)
{
    return a->any.sa_family != AF_UNIX && address_port(a) == 0;
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

/* The name of a unix socket; a path need not end in a NUL. */
static void format_local(const struct sockaddr_un *local, socklen_t len, char *buffer)
{
    const size_t start = offsetof(struct sockaddr_un, sun_path);
    const size_t name_len = len > start ? len - start : 0;
    if (name_len == 0)
        snprintf(buffer, ADDRESS_TEXT_MAX, "(unnamed)");
    else if (local->sun_path[0] == '\0')
        snprintf(buffer, ADDRESS_TEXT_MAX, "@%.*s", (int)name_len - 1, local->sun_path + 1);
    else
        snprintf(buffer, ADDRESS_TEXT_MAX, "%.*s", (int)name_len, local->sun_path);
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
        format_local(&a->local, a->len, buffer);
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
