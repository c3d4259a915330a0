/* SPDX-License-Identifier: MIT */
#include "http/session_impl.h"

#include <string.h>

const char *http_status_text(int status)
{
    static const struct {
        int status;
        const char *text;
    } texts[] = {
        {101, "Switching Protocols"},
        {200, "OK"},
        {204, "No Content"},
        {304, "Not Modified"},
        {400, "Bad Request"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {408, "Request Timeout"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {417, "Expectation Failed"},
        {426, "Upgrade Required"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {503, "Service Unavailable"},
        {505, "HTTP Version Not Supported"},
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (texts[i].status == status)
            return texts[i].text;
    return "Unknown";
}

void http_respond_simply(mtev_http_session_ctx *ctx, int status, const char *text)
{
    struct http_response *res = &ctx->x->response;
    if (res->is_started) { /* too late to say it: what was sent ends unfinished */
        ctx->is_broken = true;
        res->has_ended = true;
        return;
    }
    bool must_close = res->must_close;
    response_init(res);
    res->must_close = must_close;
    mtev_http_response_status_set(ctx, status, http_status_text(status));
    mtev_http_response_header_set(ctx, "Content-Type", "text/plain");
    mtev_http_response_append(ctx, text, strlen(text));
    mtev_http_response_append(ctx, "\n", 1);
    mtev_http_response_end(ctx);
}
