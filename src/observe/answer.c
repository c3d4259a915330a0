/* SPDX-License-Identifier: MIT */
#include "observe/answer_impl.h"

#include "base/alloc.h"
#include "base/number.h"

#include <errno.h>
#include <string.h>

bool answer_add(struct answer *a, json_t *value)
{
    if (a->elements > 0 && a->err == 0)
        a->err = buf_append(&a->text, ",", 1);
    if (a->err != 0) {
        json_decref(value);
        return false;
    }
    a->err = json_append(&a->text, value);
    if (a->err != 0 && a->elements > 0)
        a->text.len--;
    a->elements += a->err == 0;
    return a->err == 0;
}

void answer_error(mtev_http_session_ctx *ctx, int status, const char *reason, const char *text)
{
    mtev_http_response_standard(ctx, status, reason, "application/json");
    mtev_http_response_appendf(ctx, "{\"error\":\"%s\"}\n", text);
    mtev_http_response_end(ctx);
}

/* ---- parts ----------------------------------------------------------------------- */

static void make_part(void *closure)
{
    struct answer *a = closure;
    a->has_run = true;
    do
        a->goes_on = a->more(a);
    while (a->goes_on && a->err == 0 && a->text.len < ANSWER_PART_LEN);
}

/* Make the next part in the thread; the loop does something else meanwhile. */
static void await_part(struct answer *a)
{
    eventer_jobq_t *q = eventer_jobq_create_ms(ANSWER_QUEUE, EVENTER_JOBQ_MS_NONE);
    a->has_run = a->goes_on = false;
    a->text.len = 0;
    eventer_aco_simple_asynch_queue(make_part, a, q);
    if (!a->has_run)
        a->err = -ENOMEM;
}

static const char *error_text(const struct answer *a)
{
    return a == NULL || a->err == -ENOMEM ? "out of memory"
           : a->err_text != NULL          ? a->err_text
           : a->err == -ENOSPC            ? "it is too much"
                                          : strerrordesc_np(-a->err);
}

static void send_parts(mtev_http_session_ctx *ctx, struct answer *a)
{
    mtev_http_response_ok(ctx, a->type == NULL ? "application/json" : a->type);
    bool is_taken = a->begin == NULL || mtev_http_response_append_str(ctx, a->begin);
    while (is_taken) {
        is_taken = mtev_http_response_append(ctx, a->text.bytes, a->text.len);
        if (!a->goes_on || a->err != 0 || !is_taken)
            break;
        await_part(a);
    }
    if (a->err != 0 && a->type == NULL)
        mtev_http_response_appendf(ctx, "%s{\"error\":\"%s\"}", a->elements > 0 ? "," : "",
                                   error_text(a));
    if (a->end != NULL)
        mtev_http_response_append_str(ctx, a->end);
    mtev_http_response_end(ctx);
}

void answer_send(mtev_http_session_ctx *ctx, struct answer *a)
{
    if (a != NULL) {
        buf_init(&a->text, ANSWER_BYTES_MAX);
        await_part(a);
    }
    if (a == NULL || (a->err != 0 && a->elements == 0))
        answer_error(ctx, 503, "UNAVAILABLE", error_text(a));
    else
        send_parts(ctx, a);
    if (a != NULL)
        buf_free(&a->text);
}

/* ---- questions ------------------------------------------------------------------- */

void answer_rule(const char *method, const char *base, const char *expression,
                 rest_request_handler handler)
{
    mtev_rest_mountpoint_t *rule = mtev_http_rest_new_rule(method, base, expression, handler);
    if (rule != NULL)
        mtev_rest_mountpoint_set_aco(rule, mtev_true);
}

const char *answer_function_name(const char *name)
{
    return strncmp(name, "0x", 2) == 0 ? "unnamed" : name;
}

int answer_number(mtev_http_session_ctx *ctx, const char *key, uint64_t max, uint64_t *out)
{
    const char *value = mtev_http_request_querystring(mtev_http_session_request(ctx), key);
    if (value == NULL)
        return answer_has(ctx, key) ? -EINVAL : -ENOENT;
    return number_u64(value, strlen(value), max, out) == 0 ? 0 : -EINVAL;
}

bool answer_has(mtev_http_session_ctx *ctx, const char *key)
{
    const char *at = mtev_http_request_orig_querystring(mtev_http_session_request(ctx));
    size_t len = strlen(key);
    while (at != NULL) {
        if (strncmp(at, key, len) == 0 && strchr("&=", at[len]) != NULL) /* or its NUL */
            return true;
        at = strchr(at, '&');
        at = at == NULL ? NULL : at + 1;
    }
    return false;
}
