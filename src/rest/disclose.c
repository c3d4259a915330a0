/* SPDX-License-Identifier: MIT */
/*
 * disclose.c - which rules there are, for whom the <acl> admits.
 */
#include "rest/json.h"
#include "rest/request_impl.h"

#include <errno.h>

#define DISCLOSED_BYTES_MAX ((size_t)16 << 20)

struct disclosing {
    json_t *bases;
    int err;
};

/* Put the rule behind those of its base.  0 or -ENOMEM. */
static int put_rule(json_t *bases, const struct mtev_rest_mountpoint *rule, const char *base)
{
    json_t *rules = json_object_get(bases, base);
    if (rules == NULL) {
        rules = json_array();
        if (json_object_set_new_nocheck(bases, base, rules) != 0)
            return -ENOMEM;
    }
    json_t *shown = json_pack("{s:o, s:o}", "method", json_of_text(rule->method), "expression",
                              json_of_text(rule->expression));
    return json_array_append_new(rules, shown) == 0 ? 0 : -ENOMEM;
}

static void disclose_rule(const struct mtev_rest_mountpoint *rule, void *closure)
{
    struct disclosing *d = closure;
    json_t *base = json_of_text(rule->base);
    int err = base == NULL ? -ENOMEM : put_rule(d->bases, rule, json_string_value(base));
    json_decref(base);
    if (err != 0)
        d->err = err;
}

static int disclose(mtev_http_rest_closure_t *restc, int npats, char **pats)
{
    struct disclosing d = {.bases = json_object()};
    struct buf text;
    mtev_http_session_ctx *ctx = restc->http_ctx;
    buf_init(&text, DISCLOSED_BYTES_MAX);
    rules_each(mountpoint_rules(), disclose_rule, &d);
    int err = json_append(&text, d.bases);
    if (err == 0 && d.err == 0) {
        mtev_http_response_ok(ctx, "application/json");
        mtev_http_response_append(ctx, text.bytes, text.len);
    } else {
        mtev_http_response_standard(ctx, 503, "UNAVAILABLE", "application/json");
        mtev_http_response_append_str(ctx, "{\"error\":\"out of memory\"}");
    }
    buf_free(&text);
    mtev_http_response_end(ctx);
    return 0;
}

int mtev_http_rest_disclose_endpoints(const char *base, const char *expression)
{
    return mtev_http_rest_register("GET", base, expression, disclose);
}
