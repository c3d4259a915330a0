/* SPDX-License-Identifier: MIT */
/*
 * States of a body.  Each names the byte that is expected next.
 *
 *   by length:  CONTENT ----------------------------------------------------> DONE
 *
 *   in chunks:  SIZE -> [EXTENSION_BLANK ->] [EXTENSION ->] SIZE_LF
 *                 ^                                           |
 *                 |                            size > 0       | size 0
 *                 +-- CONTENT_LF <- CONTENT_CR <- CHUNK <-----+---> TRAILER
 *
 *   TRAILER -> TRAILER_NAME -> TRAILER_VALUE -> TRAILER_LF -> TRAILER ... -> END_LF -> DONE
 *
 * CONTENT and CHUNK: left > 0.  FAILED: status and reason are set; no way leads out of it.
 */
#include "http/http1_body.h"

#include "http/http1_char.h"

#include <assert.h>
#include <stdbool.h>

enum state {
    STATE_INVALID,
    STATE_CONTENT,
    STATE_SIZE,
    STATE_EXTENSION_BLANK,
    STATE_EXTENSION,
    STATE_SIZE_LF,
    STATE_CHUNK,
    STATE_CONTENT_CR,
    STATE_CONTENT_LF,
    STATE_TRAILER,
    STATE_TRAILER_NAME,
    STATE_TRAILER_VALUE,
    STATE_TRAILER_LF,
    STATE_END_LF,
    STATE_DONE,
    STATE_FAILED
};

static_assert(HTTP1_CHUNK_DIGITS_MAX <= 16, "a chunk size must fit 64 bits");
static_assert(HTTP1_CHUNK_EXTENSIONS_MAX < UINT16_MAX && HTTP1_TRAILERS_LEN_MAX < UINT16_MAX,
              "counted in 16 bits");

static void refuse(struct http1_body *body, uint16_t status, const char *reason)
{
    body->state = STATE_FAILED;
    body->status = status;
    body->reason = reason;
}

int http1_body_init_length(struct http1_body *body, uint64_t len, uint64_t len_max)
{
    *body = (struct http1_body){.left = len, .announced = len, .len_max = len_max};
    if (len > len_max)
        refuse(body, 413, "body is too long");
    else
        body->state = len > 0 ? STATE_CONTENT : STATE_DONE;
    return body->status;
}

void http1_body_init_chunked(struct http1_body *body, uint64_t len_max)
{
    *body = (struct http1_body){.len_max = len_max, .state = STATE_SIZE};
}

static void expect(struct http1_body *body, char c, char expected, enum state next)
{
    if (c == expected)
        body->state = (uint8_t)next;
    else
        refuse(body, 400, "invalid end of line or chunk");
}

/* The end of a size and its extension, or the first byte of the latter. */
static void on_size_tail(struct http1_body *body, char c)
{
    if (body->digits == 0) {
        refuse(body, 400, "invalid chunk size");
        return;
    }
    if (c == '\r') {
        body->state = STATE_SIZE_LF;
        return;
    }
    body->extension_len = 1;
    body->extensions_len++;
    if (c == ';')
        body->state = STATE_EXTENSION;
    else if (http1_char_is_blank(c))
        body->state = STATE_EXTENSION_BLANK;
    else
        refuse(body, 400, "invalid chunk size");
    if (body->extensions_len > HTTP1_CHUNK_EXTENSIONS_MAX)
        refuse(body, 400, "chunk extensions are too long");
}

static void on_size(struct http1_body *body, char c)
{
    int value = http1_char_hex(c);
    if (value < 0)
        on_size_tail(body, c);
    else if (body->digits == HTTP1_CHUNK_DIGITS_MAX)
        refuse(body, 400, "chunk size has too many digits");
    else {
        body->digits++;
        body->left = body->left << 4 | (uint64_t)value;
    }
}

/*
 * Bytes of an extension are passed over, whatever it says; none of them may be a control character,
 * so that no other recipient can see a line end where we do not.
 */
static void on_extension(struct http1_body *body, char c)
{
    bool is_blank = body->state == STATE_EXTENSION_BLANK;
    if (c == '\r' && !is_blank) {
        body->state = STATE_SIZE_LF;
        return;
    }
    if (is_blank ? c != ';' && !http1_char_is_blank(c) : !http1_char_is(c, HTTP1_CHAR_FIELD)) {
        refuse(body, 400, "invalid chunk extension");
        return;
    }
    if (c == ';')
        body->state = STATE_EXTENSION;
    if (++body->extension_len > HTTP1_CHUNK_EXTENSION_MAX ||
        ++body->extensions_len > HTTP1_CHUNK_EXTENSIONS_MAX)
        refuse(body, 400, "chunk extensions are too long");
}

static void on_size_lf(struct http1_body *body, char c)
{
    expect(body, c, '\n', body->left > 0 ? STATE_CHUNK : STATE_TRAILER);
    if (body->state == STATE_FAILED)
        return;
    if (body->left > body->len_max - body->announced)
        refuse(body, 413, "body is too long");
    else
        body->announced += body->left;
}

static void on_content_lf(struct http1_body *body, char c)
{
    expect(body, c, '\n', STATE_SIZE);
    body->digits = 0;
    assert(body->left == 0);
}

static void on_trailer(struct http1_body *body, char c)
{
    if (body->state == STATE_TRAILER && c == '\r') {
        body->state = STATE_END_LF;
        return;
    }
    if (body->state == STATE_TRAILER_LF) {
        expect(body, c, '\n', STATE_TRAILER);
    } else if (body->state == STATE_TRAILER_VALUE) {
        if (c == '\r')
            body->state = STATE_TRAILER_LF;
        else if (!http1_char_is(c, HTTP1_CHAR_FIELD))
            refuse(body, 400, "control character in a trailer");
    } else if (http1_char_is(c, HTTP1_CHAR_TOKEN)) {
        body->state = STATE_TRAILER_NAME;
    } else if (c == ':' && body->state == STATE_TRAILER_NAME) {
        body->state = STATE_TRAILER_VALUE;
    } else {
        refuse(body, 400, "invalid trailer name");
    }
    if (body->state != STATE_FAILED && ++body->trailers_len > HTTP1_TRAILERS_LEN_MAX)
        refuse(body, 400, "trailers are too long");
}

static void on_framing_byte(struct http1_body *body, char c)
{
    switch ((enum state)body->state) {
    case STATE_SIZE:
        on_size(body, c);
        break;
    case STATE_EXTENSION_BLANK:
    case STATE_EXTENSION:
        on_extension(body, c);
        break;
    case STATE_SIZE_LF:
        on_size_lf(body, c);
        break;
    case STATE_CONTENT_CR:
        expect(body, c, '\r', STATE_CONTENT_LF);
        break;
    case STATE_CONTENT_LF:
        on_content_lf(body, c);
        break;
    case STATE_TRAILER:
    case STATE_TRAILER_NAME:
    case STATE_TRAILER_VALUE:
    case STATE_TRAILER_LF:
        on_trailer(body, c);
        break;
    case STATE_END_LF:
        expect(body, c, '\n', STATE_DONE);
        break;
    case STATE_INVALID:
    case STATE_CONTENT:
    case STATE_CHUNK:
    case STATE_DONE:
    case STATE_FAILED:
        assert(false);
        break;
    }
}

int http1_body_decode(struct http1_body *body, const char *in, size_t in_len, size_t *consumed,
                      const char **data, size_t *data_len)
{
    size_t used = 0;
    *data = NULL;
    *data_len = 0;
    while (used < in_len && body->state != STATE_DONE && body->state != STATE_FAILED) {
        if (body->state != STATE_CONTENT && body->state != STATE_CHUNK) {
            on_framing_byte(body, in[used]);
            used += body->state != STATE_FAILED;
            continue;
        }
        size_t rest = in_len - used;
        size_t span = body->left < rest ? (size_t)body->left : rest;
        *data = in + used;
        *data_len = span;
        used += span;
        body->left -= span;
        if (body->left == 0)
            body->state = body->state == STATE_CHUNK ? STATE_CONTENT_CR : STATE_DONE;
        break;
    }
    *consumed = used;
    if (body->state == STATE_FAILED)
        return body->status;
    return body->state == STATE_DONE;
}
