/* SPDX-License-Identifier: MIT */
/*
 * websocket_http1.c - how a connection of HTTP/1 becomes a WebSocket: RFC 6455 section 4.2.
 */
#include "http/websocket_impl.h"

#include "log/log.h"

#include <errno.h>
#include <openssl/evp.h>

#define KEY_LEN    24 /* sixteen bytes in base64 */
#define DIGEST_LEN 20 /* of SHA-1 */

static bool is_get(mtev_http_request *req)
{
    return strcmp(req->method, "GET") == 0;
}

bool websocket_is_asked_for(mtev_http_session_ctx *ctx)
{
    mtev_http_request *req = &ctx->x->request;
    return req->head.has_upgrade && is_get(req) &&
           websocket_has_element(ctx, "Upgrade", "websocket", false);
}

bool websocket_is_meant(mtev_http_session_ctx *ctx)
{
    mtev_http_request *req = &ctx->x->request;
    return is_get(req) && (mtev_http_request_header(req, "Sec-WebSocket-Key") != NULL ||
                           websocket_has_element(ctx, "Upgrade", "websocket", false));
}

/* Answer 426, with what the peer is to come with. */
static void demand(mtev_http_session_ctx *ctx, const char *text)
{
    mtev_http_response_status_set(ctx, 426, http_status_text(426));
    mtev_http_response_header_set(ctx, "Upgrade", "websocket");
    mtev_http_response_header_set(ctx, "Sec-WebSocket-Version", "13");
    mtev_http_response_header_set(ctx, "Content-Type", "text/plain");
    mtev_http_response_append_str(ctx, text);
    mtev_http_response_end(ctx);
}

void websocket_demand(mtev_http_session_ctx *ctx)
{
    if (websocket_is_meant(ctx))
        http_respond_simply(ctx, 400, "the handshake of a WebSocket is not complete");
    else
        demand(ctx, "here is a WebSocket\n");
}

/* True if key is sixteen bytes in base64. */
static bool is_key(const char *key)
{
    unsigned char bytes[KEY_LEN];
    if (key == NULL || strlen(key) != KEY_LEN || strcmp(key + KEY_LEN - 2, "==") != 0 ||
        key[KEY_LEN - 3] == '=')
        return false;
    return EVP_DecodeBlock(bytes, (const unsigned char *)key, KEY_LEN) >= 16;
}

/* Set the field that proves that key was read.  False: no memory. */
static bool set_accept(mtev_http_session_ctx *ctx, const char *key)
{
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"; /* RFC 6455 section 1.3 */
    char text[KEY_LEN + sizeof(guid)];
    unsigned char digest[EVP_MAX_MD_SIZE], accept[EVP_MAX_MD_SIZE * 2];
    memcpy(text, key, KEY_LEN);
    memcpy(text + KEY_LEN, guid, sizeof(guid));
    if (EVP_Digest(text, KEY_LEN + sizeof(guid) - 1, digest, NULL, EVP_sha1(), NULL) != 1)
        return false;
    EVP_EncodeBlock(accept, digest, DIGEST_LEN);
    return mtev_http_response_header_set(ctx, "Sec-WebSocket-Accept", (const char *)accept) ==
           mtev_true;
}

/* Set what changes the protocol of the connection.  0 or -ENOMEM. */
static int set_head(mtev_http_session_ctx *ctx, const char *key)
{
    if (!set_accept(ctx, key) || !mtev_http_response_header_set(ctx, "Upgrade", "websocket") ||
        !mtev_http_response_status_set(ctx, 101, http_status_text(101)))
        return -ENOMEM;
    return 0;
}

int websocket_accept(mtev_http_session_ctx *ctx, const char *protocol,
                     websocket_message_func on_message)
{
    mtev_http_request *req = &ctx->x->request;
    const char *version = mtev_http_request_header(req, "Sec-WebSocket-Version");
    const char *key = mtev_http_request_header(req, "Sec-WebSocket-Key");
    uint8_t deflate_bits;
    if (version == NULL || strcmp(version, "13") != 0) {
        demand(ctx, "only version 13 is spoken here\n");
        return -EBADMSG;
    }
    if (!is_key(key) || req->has_body) {
        http_respond_simply(ctx, 400, "the handshake of a WebSocket is wrong");
        return -EBADMSG;
    }
    int err = set_head(ctx, key);
    if (err == 0) {
        websocket_negotiate(ctx, protocol, &deflate_bits);
        err = websocket_begin(ctx, deflate_bits, on_message);
    }
    if (err != 0)
        http_respond_simply(ctx, 503, "out of memory");
    return err;
}
