/* SPDX-License-Identifier: MIT */
/*
 * Goal: no run of bytes makes the parser of proxies' headers read outside of it, take longer than
 * promised for a verdict, change its verdict when more bytes come, or name what is no address.
 * Method: each input is the beginning of a connection, parsed in every prefix.
 */
#include "fuzz.h"

#include "listener/proxy.h"

#include <errno.h>

/* Parse a copy of exactly len bytes, so that a read past them is seen. */
static int parse(const uint8_t *data, size_t len, struct proxy_header *out, const char **ret_reason)
{
    char *bytes = fuzz_copy(data, len);
    int err = proxy_parse(bytes, len, out, ret_reason);
    free(bytes);
    return err;
}

static void require_valid(const struct proxy_header *header, size_t at)
{
    const struct address *source = &header->source;
    char text[ADDRESS_TEXT_MAX];
    REQUIRE(header->len >= 15 && header->len <= PROXY_V2_LEN_MAX);
    REQUIRE(at <= header->len);
    if (source->len == 0)
        return;
    REQUIRE(source->len <= sizeof(struct sockaddr_un));
    REQUIRE(source->any.sa_family == AF_INET || source->any.sa_family == AF_INET6 ||
            source->any.sa_family == AF_UNIX);
    address_format(source, text);
    REQUIRE(strlen(text) < ADDRESS_TEXT_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct proxy_header first, header;
    const char *why = NULL;
    int verdict = -EAGAIN;
    if (size > 2 * PROXY_LOOK_LEN) /* there is a verdict long before */
        size = 2 * PROXY_LOOK_LEN;
    for (size_t len = 0; len <= size; len++) {
        const char *reason = NULL;
        int err = parse(data, len, &header, &reason);
        REQUIRE(err == 0 || err == -EAGAIN || err == -EPROTO);
        REQUIRE((err == -EPROTO) == (reason != NULL));
        REQUIRE(err != -EAGAIN || len < PROXY_LOOK_LEN);
        if (verdict == -EAGAIN && err == 0) {
            require_valid(&header, len);
            first = header;
        } else if (verdict != -EAGAIN) {
            REQUIRE(err == verdict && reason == why);
            REQUIRE(err != 0 ||
                    (header.len == first.len && header.source.len == first.source.len &&
                     memcmp(&header.source.any, &first.source.any, first.source.len) == 0));
        }
        verdict = err;
        why = reason;
    }
    return 0;
}
