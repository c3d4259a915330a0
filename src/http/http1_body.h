/* SPDX-License-Identifier: MIT */
/*
 * http1_body.h - the body of an HTTP/1 request: bytes in, spans of content out, nothing copied.
 *
 * Layer: http.  One thread at a time for one body; no I/O, no allocation.  The verdict and the
 * content never depend on how the bytes are split.  A struct http1_body is embedded and needs no
 * end. Source: RFC 9112 sections 6 and 7.1.
 */
#ifndef EVENTER_HTTP_HTTP1_BODY_H
#define EVENTER_HTTP_HTTP1_BODY_H

#include <stddef.h>
#include <stdint.h>

#define HTTP1_BODY_LEN_MAX         (UINT64_C(64) << 20) /* bytes of content; default of len_max */
#define HTTP1_CHUNK_DIGITS_MAX     16                   /* of a chunk size, leading zeros counted */
#define HTTP1_CHUNK_EXTENSION_MAX  256                  /* bytes behind one chunk size */
#define HTTP1_CHUNK_EXTENSIONS_MAX 4096                 /* bytes behind all chunk sizes of a body */
#define HTTP1_TRAILERS_LEN_MAX     8192 /* bytes of all trailer lines and their CRLFs */

struct http1_body {
    uint64_t left;          /* bytes of content still to come in the body, or in this chunk */
    uint64_t announced;     /* bytes of content in all chunks so far, this one included */
    uint64_t len_max;       /* announced never exceeds this */
    const char *reason;     /* static text that says what is wrong, once a status was returned */
    uint16_t status;        /* what every later call returns, once a status was returned */
    uint16_t extension_len; /* on this line */
    uint16_t extensions_len;
    uint16_t trailers_len;
    uint8_t digits;
    uint8_t state; /* enum state of http1_body.c */
};

/*
 * Expect len bytes of content.  Returns 0, or 413 if that is more than len_max (then every
 * http1_body_decode() returns 413 too).
 */
int http1_body_init_length(struct http1_body *body, uint64_t len, uint64_t len_max);

/* Expect chunks with at most len_max bytes of content together. */
void http1_body_init_chunked(struct http1_body *body, uint64_t len_max);

/*
 * Decode from the in_len bytes at in (in may be NULL if in_len is 0).  All three out-parameters are
 * written by every call: *consumed bytes of in are done with, and *data_len bytes of content stand
 * at *data, which points into in (NULL if there are none).  A call stops behind the first span of
 * content, so call again with the rest of in until it has been consumed.
 * Returns
 *   0    the body goes on: behind *consumed, or in bytes that are still to come;
 *   1    the body is complete and ends at *consumed; there may be content too.  The next request
 *        starts there, and further calls return 1 and consume nothing;
 *   400 or 413: the status to answer before the connection is closed; body->reason says why.
 * Trailer fields are checked as strictly as header fields and dropped.  Does not yield.
 * Cost: O(1) for content, about 3 ns for each byte of framing.
 */
int http1_body_decode(struct http1_body *body, const char *in, size_t in_len, size_t *consumed,
                      const char **data, size_t *data_len);

#endif
