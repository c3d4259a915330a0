/* SPDX-License-Identifier: MIT */
/*
 * upload.c - the whole body of a request, in memory.
 *
 * What a head says of its body costs its sender nothing, so it is not believed: the memory taken is
 * never more than UPLOAD_AHEAD_MAX, or as much again as has arrived.  How much may arrive is the
 * limit that HTTP has.
 */
#include "rest/request_impl.h"

#include "base/list.h"
#include "http/http.h"

#include <errno.h>
#include <limits.h>

#define UPLOAD_AHEAD_MIN ((size_t)4 * 1024)  /* for a body of unknown length */
#define UPLOAD_AHEAD_MAX ((size_t)64 * 1024) /* at first */

/* Make room for what may come next, and for the NUL that is put behind the body.  0 or -ENOMEM. */
static int make_room(struct buf *upload, size_t announced)
{
    size_t room = announced > 0 ? MIN(announced - upload->len, UPLOAD_AHEAD_MAX)
                                : MAX(UPLOAD_AHEAD_MIN, MIN(upload->len, UPLOAD_AHEAD_MAX));
    if (upload->capacity - upload->len > room)
        return 0;
    return buf_reserve(upload, room + 1) == 0 ? 0 : -ENOMEM;
}

/* Answer a request whose body cannot be had because of err. */
static void refuse(mtev_http_session_ctx *ctx, int err)
{
    switch (err) {
    case ECONNRESET: /* nobody is there to be told */
        mtev_http_response_end(ctx);
        break;
    case EFBIG:
        http_respond_simply(ctx, 413, "the body is too large");
        break;
    case ETIMEDOUT:
        http_respond_simply(ctx, 408, "the body did not arrive in time");
        break;
    case ENOMEM:
        http_respond_simply(ctx, 503, "out of memory");
        break;
    default:
        http_respond_simply(ctx, 400, "the body is framed wrongly");
    }
}

/* Read to the end.  Returns 0 or -errno; -EAGAIN: later, for *mask. */
static int read_all(struct rest_request *req, int *mask)
{
    mtev_http_session_ctx *ctx = req->restc.http_ctx;
    mtev_http_request *http = mtev_http_session_request(ctx);
    struct buf *upload = &req->upload;
    size_t announced = mtev_http_request_content_length(http);
    if (upload->max == 0)
        buf_init(upload, announced > 0 ? announced + 1 : SIZE_MAX / 2);
    for (;;) {
        int err = make_room(upload, announced);
        if (err != 0)
            return err;
        if (mtev_http_request_payload_complete(http))
            return 0;
        size_t room = MIN(upload->capacity - upload->len - 1, (size_t)INT_MAX);
        int count =
            mtev_http_session_req_consume(ctx, upload->bytes + upload->len, room, room, mask);
        if (count < 0)
            return -errno;
        if (count == 0)
            return 0;
        upload->len += (size_t)count;
    }
}

mtev_boolean mtev_rest_complete_upload(mtev_http_rest_closure_t *restc, int *mask)
{
    struct rest_request *req = list_entry(restc, struct rest_request, restc);
    int ignored;
    if (mask == NULL)
        mask = &ignored;
    if (req->has_upload)
        return mtev_true;
    int err = http_response_has_ended(restc->http_ctx) ? -ECONNRESET : read_all(req, mask);
    if (err == -EAGAIN)
        return mtev_false;
    if (err != 0) {
        *mask = 0;
        refuse(restc->http_ctx, -err);
        return mtev_false;
    }
    req->upload.bytes[req->upload.len] = '\0'; /* who takes it for a text does not read past it */
    req->has_upload = true;
    http_request_set_upload(restc->http_ctx, req->upload.bytes, req->upload.len);
    return mtev_true;
}
