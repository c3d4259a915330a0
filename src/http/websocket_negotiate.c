/* SPDX-License-Identifier: MIT */
/*
 * websocket_negotiate.c - what both sides will speak: the part of the handshake that is the same
 * over HTTP/1 and HTTP/2.
 */
#include "http/websocket_impl.h"

#include "http/http1_char.h"

#include <stdio.h>
#include <strings.h>

#define WINDOW_BITS_MIN 9 /* zlib cannot write for a window of eight */
#define WINDOW_BITS_MAX 15

struct text { /* borrowed */
    const char *at;
    size_t len;
};

static struct text trimmed(const char *from, const char *to)
{
    while (from < to && http1_char_is_blank(*from))
        from++;
    while (from < to && http1_char_is_blank(to[-1]))
        to--;
    return (struct text){from, (size_t)(to - from)};
}

/* Cut what stands before the next mark, outside quotes, off *rest.  False: nothing is left. */
static bool cut(struct text *rest, char mark, struct text *out)
{
    const char *end = rest->at + rest->len, *p = rest->at;
    bool is_quoted = false;
    if (rest->len == 0)
        return false;
    while (p < end && (is_quoted || *p != mark)) {
        if (*p == '"')
            is_quoted = !is_quoted;
        p++;
    }
    *out = trimmed(rest->at, p);
    *rest = p < end ? (struct text){p + 1, (size_t)(end - p - 1)} : (struct text){end, 0};
    return true;
}

static bool is(struct text text, const char *word)
{
    return text.len == strlen(word) && strncasecmp(text.at, word, text.len) == 0;
}

/* Find the next field called name from *i on.  False: there is none. */
static bool next_field(const struct mtev_http_request *req, const char *name, uint32_t *i,
                       struct text *out)
{
    while (*i < req->head.fields_count) {
        const struct http1_field *field = &req->fields[(*i)++];
        if (!is((struct text){req->base + field->name.offset, field->name.len}, name))
            continue;
        *out = (struct text){req->base + field->value.offset, field->value.len};
        return true;
    }
    return false;
}

bool websocket_has_element(mtev_http_session_ctx *ctx, const char *name, const char *element,
                           bool exactly)
{
    struct text field, one;
    for (uint32_t i = 0; next_field(&ctx->x->request, name, &i, &field);)
        while (cut(&field, ',', &one))
            if (is(one, element) && (!exactly || memcmp(one.at, element, one.len) == 0))
                return true;
    return false;
}

/* ---- permessage-deflate: RFC 7692 section 7.1 ------------------------------------ */

enum { /* parameters that an offer has, each once */
    SERVER_NO_TAKEOVER = 1,
    CLIENT_NO_TAKEOVER = 2,
    SERVER_BITS = 4,
    CLIENT_BITS = 8
};

/* The number of bits that value says, 8 to 15; 0: it says none. */
static unsigned bits_of(struct text value)
{
    if (value.len >= 2 && value.at[0] == '"' && value.at[value.len - 1] == '"')
        value = (struct text){value.at + 1, value.len - 2};
    if (value.len == 1 && (value.at[0] == '8' || value.at[0] == '9'))
        return (unsigned)(value.at[0] - '0');
    if (value.len == 2 && value.at[0] == '1' && value.at[1] >= '0' && value.at[1] <= '5')
        return 10 + (unsigned)(value.at[1] - '0');
    return 0;
}

/* Take one parameter.  Returns its bit, with the window it says in *bits; 0: it cannot be met. */
static unsigned take_parameter(struct text parameter, uint8_t *bits)
{
    struct text name = {NULL, 0};
    const bool has_value = memchr(parameter.at, '=', parameter.len) != NULL;
    if (!cut(&parameter, '=', &name))
        return 0;
    unsigned said = bits_of(trimmed(parameter.at, parameter.at + parameter.len));
    if (is(name, "server_no_context_takeover"))
        return has_value ? 0 : SERVER_NO_TAKEOVER;
    if (is(name, "client_no_context_takeover"))
        return has_value ? 0 : CLIENT_NO_TAKEOVER;
    if (is(name, "client_max_window_bits"))
        return has_value && said == 0 ? 0 : CLIENT_BITS;
    if (!is(name, "server_max_window_bits") || said < WINDOW_BITS_MIN)
        return 0;
    *bits = (uint8_t)said;
    return SERVER_BITS;
}

/* True if offer is one that we meet. */
static bool take_offer(struct text offer, unsigned *has, uint8_t *bits)
{
    struct text part;
    *has = 0;
    *bits = WINDOW_BITS_MAX;
    if (!cut(&offer, ';', &part) || !is(part, "permessage-deflate"))
        return false;
    while (cut(&offer, ';', &part)) {
        unsigned parameter = take_parameter(part, bits);
        if (parameter == 0 || (*has & parameter) != 0)
            return false;
        *has |= parameter;
    }
    return true;
}

/* Take the first offer that can be met, in the peer's order of preference. */
static bool take_first_offer(const struct mtev_http_request *req, unsigned *has, uint8_t *bits)
{
    struct text field, offer;
    for (uint32_t i = 0; next_field(req, "Sec-WebSocket-Extensions", &i, &field);)
        while (cut(&field, ',', &offer))
            if (take_offer(offer, has, bits))
                return true;
    return false;
}

void websocket_negotiate(mtev_http_session_ctx *ctx, const char *protocol, uint8_t *deflate_bits)
{
    char text[128];
    unsigned has;
    uint8_t bits;
    *deflate_bits = 0;
    if (protocol != NULL && protocol[0] != '\0' &&
        websocket_has_element(ctx, "Sec-WebSocket-Protocol", protocol, true))
        mtev_http_response_header_set(ctx, "Sec-WebSocket-Protocol", protocol);
    if (!take_first_offer(&ctx->x->request, &has, &bits))
        return;
    int len =
        snprintf(text, sizeof(text),
                 "permessage-deflate; server_no_context_takeover; client_no_context_takeover");
    if ((has & SERVER_BITS) != 0)
        snprintf(text + len, sizeof(text) - (size_t)len, "; server_max_window_bits=%u", bits);
    if (mtev_http_response_header_set(ctx, "Sec-WebSocket-Extensions", text))
        *deflate_bits = bits;
}
