/* SPDX-License-Identifier: MIT */
/*
 * http2_upgrade.c - how a connection that begins as HTTP/1 becomes one of HTTP/2: because the
 * client knows (RFC 9113 section 3.3), or because it asks (RFC 7540 section 3.2).
 */
#include "conf/conf.h"
#include "http/http1_char.h"
#include "http/http2_conn.h"

#include <errno.h>

#define SETTING_LEN 6 /* bytes */

bool http2_is_wanted(const mtev_acceptor_closure_t *ac)
{
    mtev_hash_table *config =
        mtev_acceptor_closure_config((mtev_acceptor_closure_t *)(uintptr_t)ac);
    const char *value = mtev_hash_dict_get(config, CONF_KEY("http2"));
    return value == NULL || strcmp(value, "off") != 0;
}

int http2_preface(const char *bytes, size_t len)
{
    const size_t whole = NGHTTP2_CLIENT_MAGIC_LEN;
    if (memcmp(bytes, NGHTTP2_CLIENT_MAGIC, MIN(len, whole)) != 0)
        return 0;
    return len < whole ? -EAGAIN : 1;
}

/* ---- HTTP2-Settings -------------------------------------------------------------- */

/* The value of a digit of base64url, or -1. */
static int digit(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const char *at = c == '\0' ? NULL : strchr(digits, c);
    return at == NULL ? -1 : (int)(at - digits);
}

int http2_settings_decode(const char *text, size_t len, uint8_t out[static HTTP2_SETTINGS_LEN_MAX])
{
    uint32_t bits = 0, bit_count = 0;
    size_t count = 0;
    while (len > 0 && text[len - 1] == '=') /* some pad it */
        len--;
    for (size_t i = 0; i < len; i++) {
        int value = digit(text[i]);
        if (value < 0)
            return -EINVAL;
        bits = (bits << 6 | (uint32_t)value) & 0xffff;
        bit_count += 6;
        if (bit_count < 8)
            continue;
        bit_count -= 8;
        if (count == HTTP2_SETTINGS_LEN_MAX)
            return -EINVAL;
        out[count++] = (uint8_t)(bits >> bit_count);
    }
    return bit_count >= 6 || count % SETTING_LEN != 0 ? -EINVAL : (int)count;
}

/* ---- asking ---------------------------------------------------------------------- */

/* True if the list (of tokens with commas between them) has an element of that name. */
static bool list_has(const char *list, size_t len, const char *name)
{
    const char *end = list + len, *p = list;
    while (p < end) {
        while (p < end && (*p == ',' || http1_char_is_blank(*p)))
            p++;
        const char *element = p;
        p = http1_char_skip_token(p, end);
        if ((size_t)(p - element) == strlen(name) && http1_char_equal(element, name, strlen(name)))
            return true;
        while (p < end && *p != ',')
            p++;
    }
    return false;
}

static bool is_field(const struct mtev_http_request *req, const struct http1_field *field,
                     const char *lower)
{
    return field->name.len == strlen(lower) &&
           http1_char_equal(req->base + field->name.offset, lower, field->name.len);
}

int http2_upgrade_asked(const mtev_http_session_ctx *ctx,
                        uint8_t out[static HTTP2_SETTINGS_LEN_MAX])
{
    const struct mtev_http_request *req = &ctx->x->request;
    const struct http1_span upgrade = req->head.upgrade;
    const struct http1_field *settings = NULL;
    bool is_named = false;
    if (req->has_body || req->head.expect_continue || !req->head.keep_alive ||
        !list_has(req->base + upgrade.offset, upgrade.len, "h2c"))
        return -ENOENT;
    for (uint32_t i = 0; i < req->head.fields_count; i++) {
        const struct http1_field *field = &req->fields[i];
        if (is_field(req, field, "connection"))
            is_named = is_named || list_has(req->base + field->value.offset, field->value.len,
                                            "http2-settings");
        if (!is_field(req, field, "http2-settings"))
            continue;
        if (settings != NULL)
            return -ENOENT; /* which one counts? */
        settings = field;
    }
    if (settings == NULL || !is_named || !http2_is_wanted(ctx->acceptor))
        return -ENOENT;
    return http2_settings_decode(req->base + settings->value.offset, settings->value.len, out);
}
