/* SPDX-License-Identifier: MIT */
/*
 * Goal: no run of bytes makes the request head parser read outside of it, answer with something
 * that is no verdict, or answer differently when the bytes arrive otherwise.
 * Method: each input is a head, parsed under the default limits and under tiny ones: whole, and
 * for each prefix afresh and going on from the prefix one byte shorter.
 */
#include "fuzz.h"

#include "http/http1_parse.h"

#include <errno.h>

#define PREFIXES_LEN_MAX 192 /* longer inputs are cut at each 61st byte only */

static void require_inside(struct http1_span span, size_t len)
{
    REQUIRE(span.offset <= len && span.len <= len - span.offset);
}

static void require_value(const char *text, struct http1_span span)
{
    for (uint32_t i = 0; i < span.len; i++) {
        unsigned char c = (unsigned char)text[span.offset + i];
        REQUIRE((c >= 0x20 || c == '\t') && c != 0x7f);
    }
}

static void require_valid(const char *text, size_t len, const struct http1_limits *limits,
                          const struct http1_head *head)
{
    const size_t end = head->head_len;
    REQUIRE(end >= 16 && end <= len && end <= http1_head_len_max(limits));
    REQUIRE(memcmp(text + end - 4, "\r\n\r\n", 4) == 0);
    REQUIRE(head->version == 10 || head->version == 11);
    REQUIRE(head->method.len > 0 && head->method.len <= HTTP1_METHOD_MAX && head->target.len > 0);
    REQUIRE(!(head->chunked && (head->has_content_length || head->version == 10)));
    REQUIRE(head->host.len > 0 || head->version == 10);
    REQUIRE(head->fields_count <= limits->fields_max);
    REQUIRE(head->content_length <= INT64_MAX);
    require_inside(head->method, end);
    require_inside(head->target, end);
    require_inside(head->path, end);
    require_inside(head->host, end);
    require_inside(head->upgrade, end);
    for (uint32_t i = 0; i < head->fields_count; i++) {
        REQUIRE(head->fields[i].name.len > 0);
        require_inside(head->fields[i].name, end);
        require_inside(head->fields[i].value, end);
        require_value(text, head->fields[i].name);
        require_value(text, head->fields[i].value);
    }
}

/* Parse a copy of exactly len bytes, so that a read past them is seen. */
static int parse(const uint8_t *data, size_t len, size_t last_len,
                 const struct http1_limits *limits, struct http1_head *head)
{
    char *text = fuzz_copy(data, len);
    int verdict = http1_parse_head(text, len, last_len, limits, head);
    REQUIRE(verdict == 0 || verdict == -EAGAIN || verdict == 400 || verdict == 414 ||
            verdict == 431 || verdict == 501 || verdict == 505);
    REQUIRE((verdict > 0) == (head->reason != NULL));
    if (verdict == 0)
        require_valid(text, len, limits, head);
    free(text);
    return verdict;
}

static void check(const uint8_t *data, size_t size, const struct http1_limits *limits)
{
    static struct http1_field whole_fields[HTTP1_FIELDS_MAX], fields[HTTP1_FIELDS_MAX];
    struct http1_head whole = {.fields = whole_fields}, head = {.fields = fields};
    const size_t step = size <= PREFIXES_LEN_MAX ? 1 : 61;
    const int verdict = parse(data, size, 0, limits, &whole);

    for (size_t len = 0, last_len = 0; len < size; last_len = len, len += step) {
        int fresh = parse(data, len, 0, limits, &head);
        const char *reason = head.reason;
        REQUIRE(parse(data, len, last_len, limits, &head) == fresh && head.reason == reason);
        if (fresh == -EAGAIN) {
            REQUIRE(parse(data, size, len, limits, &head) == verdict);
            REQUIRE(head.head_len == whole.head_len && head.reason == whole.reason);
            continue;
        }
        REQUIRE(fresh == verdict && head.reason == whole.reason);
        REQUIRE(head.head_len == whole.head_len && head.fields_count == whole.fields_count);
        REQUIRE(memcmp(fields, whole_fields, head.fields_count * sizeof(fields[0])) == 0);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct http1_limits usual = HTTP1_LIMITS_DEFAULT;
    static const struct http1_limits tiny = {HTTP1_METHOD_MAX, 24, 2};
    check(data, size, &usual);
    check(data, size, &tiny);
    return 0;
}
