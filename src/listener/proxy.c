/* SPDX-License-Identifier: MIT */
#include "listener/proxy.h"

#include "base/number.h"

#include <mtev_defines.h>

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#define V2_FIXED_LEN 16
#define V2_PATH_LEN  108

static const char v1_start[] = "PROXY ";
static const char v2_start[12] = {'\r', '\n', '\r', '\n', '\0', '\r',
                                  '\n', 'Q',  'U',  'I',  'T',  '\n'};

static int refuse(const char *why, const char **ret_reason)
{
    *ret_reason = why;
    return -EPROTO;
}

/* ---- version 1: a line ----------------------------------------------------------- */

struct words { /* what is left of a line */
    const char *at, *end;
};

/* Copy the next word, which a blank or the end follows, to the size bytes at out. */
static bool next_word(struct words *words, char *out, size_t size)
{
    const size_t left = (size_t)(words->end - words->at);
    const char *blank = memchr(words->at, ' ', left);
    size_t len = blank == NULL ? left : (size_t)(blank - words->at);
    if (len == 0 || len >= size)
        return false;
    memcpy(out, words->at, len);
    out[len] = '\0';
    words->at += len + (blank != NULL);
    return true;
}

static bool next_address(struct words *words, struct address *out)
{
    char text[INET6_ADDRSTRLEN];
    void *to = out->any.sa_family == AF_INET ? (void *)&out->v4.sin_addr : &out->v6.sin6_addr;
    return next_word(words, text, sizeof(text)) && inet_pton(out->any.sa_family, text, to) == 1;
}

static bool next_port(struct words *words, in_port_t *out)
{
    char text[6];
    uint64_t port;
    if (!next_word(words, text, sizeof(text)) || (text[0] == '0' && text[1] != '\0') ||
        number_u64(text, strlen(text), UINT16_MAX, &port) != 0)
        return false;
    *out = htons((uint16_t)port);
    return true;
}

/* Read "TCP4 SOURCE DESTINATION PORT PORT", or "UNKNOWN" and whatever follows it. */
static int read_line(const char *text, size_t len, struct address *out, const char **ret_reason)
{
    struct words words = {text, text + len};
    struct address source, destination;
    char kind[8];
    in_port_t port, destination_port;
    memset(&source, 0, sizeof(source));
    if (!next_word(&words, kind, sizeof(kind)))
        return refuse("no protocol", ret_reason);
    if (strcmp(kind, "UNKNOWN") == 0) {
        *out = source;
        return 0;
    }
    if (strcmp(kind, "TCP4") != 0 && strcmp(kind, "TCP6") != 0)
        return refuse("a protocol other than TCP4, TCP6 and UNKNOWN", ret_reason);
    source.any.sa_family = kind[3] == '4' ? AF_INET : AF_INET6;
    source.len = kind[3] == '4' ? sizeof(source.v4) : sizeof(source.v6);
    destination = source;
    if (!next_address(&words, &source) || !next_address(&words, &destination))
        return refuse("an address is wrong", ret_reason);
    if (!next_port(&words, &port) || !next_port(&words, &destination_port))
        return refuse("a port is wrong", ret_reason);
    if (words.at != words.end || words.end[-1] == ' ')
        return refuse("more than a header on its line", ret_reason);
    if (source.any.sa_family == AF_INET)
        source.v4.sin_port = port;
    else
        source.v6.sin6_port = port;
    *out = source;
    return 0;
}

static int parse_v1(const char *bytes, size_t len, struct proxy_header *out,
                    const char **ret_reason)
{
    const size_t start = sizeof(v1_start) - 1;
    size_t end = start;
    while (end < len && end < PROXY_V1_LEN_MAX && bytes[end] >= ' ' && bytes[end] <= '~')
        end++;
    if (end + 2 > PROXY_V1_LEN_MAX)
        return refuse("a line that is too long", ret_reason);
    if (end < len && bytes[end] != '\r')
        return refuse("a byte that belongs in no line", ret_reason);
    if (end + 1 < len && bytes[end + 1] != '\n')
        return refuse("a carriage return inside of a line", ret_reason);
    if (end + 2 > len)
        return -EAGAIN;
    int err = read_line(bytes + start, end - start, &out->source, ret_reason);
    if (err == 0)
        out->len = end + 2;
    return err;
}

/* ---- version 2: binary ----------------------------------------------------------- */

/* How many bytes the addresses of a family have; -1: there is no such family on a stream. */
static int addresses_len(unsigned char family)
{
    switch (family) {
    case 0x00: /* not given */
        return 0;
    case 0x11: /* TCP over IPv4 */
        return 12;
    case 0x21: /* TCP over IPv6 */
        return 36;
    case 0x31: /* a unix stream */
        return 2 * V2_PATH_LEN;
    default:
        return -1;
    }
}

/* The source among the addresses of a family; false: it is not one. */
static bool read_source(unsigned char family, const char *at, struct address *out)
{
    struct address a;
    memset(&a, 0, sizeof(a));
    if (family == 0x11) {
        a.v4.sin_family = AF_INET;
        a.len = sizeof(a.v4);
        memcpy(&a.v4.sin_addr, at, 4);
        memcpy(&a.v4.sin_port, at + 8, 2);
    } else if (family == 0x21) {
        a.v6.sin6_family = AF_INET6;
        a.len = sizeof(a.v6);
        memcpy(&a.v6.sin6_addr, at, 16);
        memcpy(&a.v6.sin6_port, at + 32, 2);
    } else if (family == 0x31) {
        const char *end = memchr(at, '\0', V2_PATH_LEN);
        if (end == NULL)
            return false;
        a.local.sun_family = AF_UNIX;
        a.len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)(end - at) + 1);
        memcpy(a.local.sun_path, at, (size_t)(end - at));
    }
    *out = a;
    return true;
}

static int parse_v2(const char *bytes, size_t len, struct proxy_header *out,
                    const char **ret_reason)
{
    unsigned char fixed[V2_FIXED_LEN];
    memcpy(fixed, bytes, MIN(len, sizeof(fixed)));
    if (len > 12 && fixed[12] != 0x20 && fixed[12] != 0x21)
        return refuse("neither version 2 nor one of its commands", ret_reason);
    bool is_local = len > 12 && fixed[12] == 0x20; /* the proxy speaks for itself */
    if (len > 13 && addresses_len(fixed[13]) < 0)
        return refuse("a family that no stream has", ret_reason);
    if (len < V2_FIXED_LEN)
        return -EAGAIN;
    size_t rest = (size_t)fixed[14] << 8 | fixed[15];
    size_t wanted = is_local ? 0 : (size_t)addresses_len(fixed[13]);
    if (V2_FIXED_LEN + rest > PROXY_V2_LEN_MAX)
        return refuse("a header that is too long", ret_reason);
    if (rest < wanted)
        return refuse("no room for its addresses", ret_reason);
    if (len < V2_FIXED_LEN + wanted)
        return -EAGAIN;
    if (!read_source(is_local ? 0 : fixed[13], bytes + V2_FIXED_LEN, &out->source))
        return refuse("a path without an end", ret_reason);
    out->len = V2_FIXED_LEN + rest;
    return 0;
}

/* ---- either ---------------------------------------------------------------------- */

/* Is what there is of the bytes what start begins with? */
static bool begins(const char *bytes, size_t len, const char *start, size_t start_len)
{
    return memcmp(bytes, start, MIN(len, start_len)) == 0;
}

int proxy_parse(const char *bytes, size_t len, struct proxy_header *out, const char **ret_reason)
{
    struct proxy_header header;
    int err;
    if (len == 0)
        return -EAGAIN;
    if (begins(bytes, len, v2_start, sizeof(v2_start)))
        err = len < sizeof(v2_start) ? -EAGAIN : parse_v2(bytes, len, &header, ret_reason);
    else if (begins(bytes, len, v1_start, sizeof(v1_start) - 1))
        err = len < sizeof(v1_start) ? -EAGAIN : parse_v1(bytes, len, &header, ret_reason);
    else
        err = refuse("no such header", ret_reason);
    if (err == 0)
        *out = header;
    return err;
}
