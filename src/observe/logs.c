/* SPDX-License-Identifier: MIT */
/*
 * logs.c - logs/NAME.json: what a log of the type memory has kept.
 */
#include "base/alloc.h"
#include "log/log.h"
#include "observe/answer_impl.h"
#include "observe/endpoints_impl.h"

#include <errno.h>

#define LINES_A_LOOK 64 /* lines that are copied at once, while others wait to say one */

struct lines {
    struct answer answer; /* first */
    mtev_log_stream_t ls;
    uint64_t next, end;
};

static int add_line(uint64_t index, const struct timeval *when, const char *text, size_t len,
                    void *closure)
{
    struct lines *lines = closure;
    json_int_t ms = (json_int_t)when->tv_sec * 1000 + when->tv_usec / 1000;
    return answer_add(&lines->answer, json_pack("{s:I, s:I, s:o}", "idx", (json_int_t)index,
                                                "whence", ms, "line", json_of_bytes(text, len)))
               ? 0
               : 1;
}

static bool more_lines(struct answer *a)
{
    struct lines *lines = (struct lines *)a;
    uint64_t end =
        lines->end - lines->next < LINES_A_LOOK ? lines->end : lines->next + LINES_A_LOOK;
    if (log_memory_lines_between(lines->ls, lines->next, end, add_line, lines) < 0)
        a->err = -errno;
    lines->next = end;
    return end < lines->end;
}

/*
 * Which lines are asked for, by their indices: those behind `since`, or the `last`, or all.
 * 0; -EINVAL: the log keeps none; or -EBADMSG: a parameter is no number.
 */
static int find_lines(mtev_http_session_ctx *ctx, struct lines *lines)
{
    uint64_t first, since = 0, last = 0;
    int no_since = answer_number(ctx, "since", UINT64_MAX, &since);
    int no_last = answer_number(ctx, "last", UINT64_MAX, &last);
    if (no_since == -EINVAL || no_last == -EINVAL)
        return -EBADMSG;
    if (log_memory_span(lines->ls, &first, &lines->end) != 0)
        return -EINVAL;
    lines->next = first;
    if (no_since == 0 && since >= first)
        lines->next = since < lines->end ? since + 1 : lines->end;
    else if (no_since != 0 && last > 0 && lines->end - first > last)
        lines->next = lines->end - last;
    return 0;
}

int endpoint_logs(mtev_http_rest_closure_t *restc, int npats, char **pats)
{
    mtev_http_session_ctx *ctx = restc->http_ctx;
    struct lines *lines = alloc_zeroed(1, sizeof(*lines));
    int err = -EINVAL;
    if (lines == NULL) {
        answer_send(ctx, NULL);
        return 0;
    }
    lines->answer = (struct answer){.more = more_lines, .begin = "[", .end = "]\n"};
    if (mtev_log_stream_exists(pats[0])) {
        lines->ls = mtev_log_stream_find(pats[0]);
        err = find_lines(ctx, lines);
    }
    if (err == -EBADMSG)
        answer_error(ctx, 400, "BAD REQUEST", "last and since are numbers");
    else if (err != 0)
        answer_error(ctx, 404, "NOT FOUND", "there is no such log in memory");
    else
        answer_send(ctx, &lines->answer);
    alloc_free(lines);
    return 0;
}
