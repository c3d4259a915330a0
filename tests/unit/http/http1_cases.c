/* SPDX-License-Identifier: MIT */
#include "http1_cases.h"

#include "harness.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static const struct http1_limits default_limits = HTTP1_LIMITS_DEFAULT;

static bool spans_are_equal(struct http1_span a, struct http1_span b)
{
    return a.offset == b.offset && a.len == b.len;
}

static bool reasons_are_equal(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool heads_are_equal(const struct http1_head *a, const struct http1_head *b)
{
    if (a->fields_count != b->fields_count || a->head_len != b->head_len ||
        !spans_are_equal(a->method, b->method) || !spans_are_equal(a->target, b->target) ||
        !spans_are_equal(a->path, b->path) || !spans_are_equal(a->host, b->host) ||
        !spans_are_equal(a->upgrade, b->upgrade) || a->content_length != b->content_length ||
        !reasons_are_equal(a->reason, b->reason) || a->version != b->version)
        return false;
    for (uint32_t i = 0; i < a->fields_count; i++) {
        if (!spans_are_equal(a->fields[i].name, b->fields[i].name) ||
            !spans_are_equal(a->fields[i].value, b->fields[i].value))
            return false;
    }
    return a->has_content_length == b->has_content_length && a->chunked == b->chunked &&
           a->keep_alive == b->keep_alive && a->expect_continue == b->expect_continue &&
           a->has_upgrade == b->has_upgrade && a->has_te == b->has_te;
}

/* Parse from a block that ends where the bytes end, so that a sanitizer sees a read past them. */
static int parse_block(const char *text, size_t len, size_t last_len, struct http1_head *out)
{
    char *block = malloc(len > 0 ? len : 1);
    assert_non_null(block);
    memcpy(block, text, len);
    int verdict = http1_parse_head(block, len, last_len, &default_limits, out);
    free(block);
    return verdict;
}

static bool check_head(const struct head_case *head_case)
{
    struct http1_field whole_fields[HTTP1_FIELDS_MAX];
    struct http1_field fields[HTTP1_FIELDS_MAX];
    struct http1_head whole = {.fields = whole_fields};
    struct http1_head head = {.fields = fields};
    bool is_settled = false;

    int verdict = parse_block(head_case->text, head_case->len, 0, &whole);
    if (verdict != head_case->verdict || !reasons_are_equal(whole.reason, head_case->reason))
        return false;
    for (size_t len = 0; len <= head_case->len; len++) {
        int direct = parse_block(head_case->text, len, 0, &head);
        if (direct != -EAGAIN ? direct != verdict || !heads_are_equal(&head, &whole) : is_settled)
            return false;
        int bytewise = -EAGAIN;
        if (len > 0 && !is_settled)
            bytewise = parse_block(head_case->text, len, len - 1, &head);
        if (!is_settled && bytewise != direct)
            return false;
        if (bytewise != -EAGAIN && !heads_are_equal(&head, &whole))
            return false;
        is_settled = direct != -EAGAIN;
        if (is_settled)
            continue;
        int resumed = parse_block(head_case->text, head_case->len, len, &head);
        if (resumed != verdict || (verdict != -EAGAIN && !heads_are_equal(&head, &whole)))
            return false;
    }
    return true;
}

void check_heads(const struct head_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (check_head(&cases[i]))
            continue;
        struct http1_field fields[HTTP1_FIELDS_MAX];
        struct http1_head head = {.fields = fields};
        int verdict = parse_block(cases[i].text, cases[i].len, 0, &head);
        fail_msg("case %zu: \"%.*s\" gave %d (%s), not %d (%s), or varied with its splits", i,
                 (int)cases[i].len, cases[i].text, verdict, head.reason ? head.reason : "none",
                 cases[i].verdict, cases[i].reason ? cases[i].reason : "none");
    }
}

void check_long_head(const struct head_case *head_case, const struct http1_limits *limits,
                     struct http1_head *out)
{
    int verdict = -EAGAIN;
    size_t len = 0;
    while (verdict == -EAGAIN && len < head_case->len) {
        len++;
        verdict = http1_parse_head(head_case->text, len, len - 1, limits, out);
    }
    assert_int_equal(verdict, head_case->verdict);

    for (size_t split = 0; split < head_case->len; split += 997) {
        if (split >= len)
            break;
        int first = http1_parse_head(head_case->text, split, 0, limits, out);
        assert_int_equal(first, -EAGAIN);
        int resumed = http1_parse_head(head_case->text, head_case->len, split, limits, out);
        assert_int_equal(resumed, head_case->verdict);
    }
    verdict = http1_parse_head(head_case->text, head_case->len, 0, limits, out);
    assert_int_equal(verdict, head_case->verdict);
    assert_true(reasons_are_equal(out->reason, head_case->reason));
}

struct http1_head parse_valid_head(const char *text)
{
    static struct http1_field fields[HTTP1_FIELDS_MAX];
    struct http1_head head = {.fields = fields};
    assert_int_equal(http1_parse_head(text, strlen(text), 0, &default_limits, &head), 0);
    assert_int_equal(head.head_len, strlen(text));
    assert_null(head.reason);
    return head;
}

void assert_span(const char *text, struct http1_span span, const char *expected)
{
    assert_int_equal(span.len, strlen(expected));
    assert_memory_equal(text + span.offset, expected, span.len);
}
