/* SPDX-License-Identifier: MIT */
/*
 * proxy.h - the header that a proxy sends before what its client sends: who that client is.
 *
 * Layer: listener.  No I/O, no allocation, any thread.  The verdict never depends on how the bytes
 * are split.  Source: HAProxy Technologies, "The PROXY protocol, versions 1 & 2", 2020/03/05.
 */
#ifndef EVENTER_LISTENER_PROXY_H
#define EVENTER_LISTENER_PROXY_H

#include "listener/address.h"

#include <stddef.h>

#define PROXY_V1_LEN_MAX 107  /* of the line and its CRLF; section 2.1 */
#define PROXY_V2_LEN_MAX 4096 /* with what follows the addresses, which is not looked at */
#define PROXY_LOOK_LEN   232  /* a verdict is reached within so many bytes: 16 and two paths */

struct proxy_header {
    size_t len;            /* bytes of the stream that it takes; may be more than were given */
    struct address source; /* who the client is; source.len is 0 if the header does not say */
};

/*
 * Look at the len bytes at bytes, with which a connection begins.  Returns 0 with *out filled,
 * -EAGAIN (they may become a header), or -EPROTO with what is wrong, a static text, in *ret_reason.
 */
int proxy_parse(const char *bytes, size_t len, struct proxy_header *out, const char **ret_reason);

#endif
