/* SPDX-License-Identifier: MIT */
#include "http/range.h"

#include "base/number.h"
#include "http/http1_char.h"

#include <errno.h>
#include <stdio.h>

struct text {
    const char *p, *end;
};

/* Read the digits at text->p.  A number past 2^64 is as good as the largest. */
static int read_number(struct text *text, uint64_t *out)
{
    const char *start = text->p;
    while (text->p < text->end && *text->p >= '0' && *text->p <= '9')
        text->p++;
    int err = number_u64(start, (size_t)(text->p - start), UINT64_MAX, out);
    if (err == -ERANGE) {
        *out = UINT64_MAX;
        return 0;
    }
    return err;
}

/*
 * Read one of "1-2", "1-" and "-2" for a body of size bytes.  0 with a range, -EINVAL, or -ERANGE:
 * it is well-formed, and has no byte of the body.
 */
static int read_range(struct text text, uint64_t size, struct range *out)
{
    uint64_t first, last = UINT64_MAX;
    if (*text.p == '-') {
        text.p++;
        if (read_number(&text, &last) != 0 || text.p != text.end)
            return -EINVAL;
        if (last == 0)
            return -ERANGE;
        *out = (struct range){last < size ? size - last : 0, size - 1};
        return 0;
    }
    if (read_number(&text, &first) != 0 || text.p == text.end || *text.p++ != '-')
        return -EINVAL;
    if (text.p < text.end && (read_number(&text, &last) != 0 || text.p != text.end))
        return -EINVAL;
    if (last < first)
        return -EINVAL;
    if (first >= size)
        return -ERANGE;
    *out = (struct range){first, last < size ? last : size - 1};
    return 0;
}

/* Put range where its first byte says, among those before it, which are in order. */
static void insert(struct range *ranges, size_t count, struct range range)
{
    while (count > 0 && ranges[count - 1].first > range.first) {
        ranges[count] = ranges[count - 1];
        count--;
    }
    ranges[count] = range;
}

/* Make those that overlap or touch one; returns how many are left. */
static size_t coalesce(struct range *ranges, size_t count)
{
    size_t last = 0;
    for (size_t i = 1; i < count; i++) {
        if (ranges[i].first <= ranges[last].last + 1) { /* no overflow: last < the body's size */
            if (ranges[i].last > ranges[last].last)
                ranges[last].last = ranges[i].last;
        } else {
            ranges[++last] = ranges[i];
        }
    }
    return last + 1;
}

/* Cut the first element of a comma-separated list off *rest, without blanks; it may be empty. */
static struct text next_element(struct text *rest)
{
    const char *comma = memchr(rest->p, ',', (size_t)(rest->end - rest->p));
    struct text element = {rest->p, comma != NULL ? comma : rest->end};
    rest->p = comma != NULL ? comma + 1 : rest->end;
    while (element.p < element.end && http1_char_is_blank(*element.p))
        element.p++;
    while (element.end > element.p && http1_char_is_blank(element.end[-1]))
        element.end--;
    return element;
}

int range_parse(const char *text, size_t len, uint64_t size, struct range ranges[RANGE_COUNT_MAX],
                size_t *out_count)
{
    size_t asked = 0, count = 0;
    if (size == 0 || len < 6 || !http1_char_equal(text, "bytes=", 6))
        return -EINVAL;
    struct text rest = {text + 6, text + len};
    while (rest.p < rest.end) {
        struct range range;
        struct text element = next_element(&rest);
        if (element.p == element.end)
            continue;
        int err = read_range(element, size, &range);
        if (err == -EINVAL)
            return err;
        if (asked++ == RANGE_COUNT_MAX)
            return -E2BIG;
        if (err == 0)
            insert(ranges, count++, range);
    }
    if (count == 0)
        return asked > 0 ? -ERANGE : -EINVAL;
    *out_count = coalesce(ranges, count);
    return 0;
}

/* ---- writing ---------------------------------------------------------------------- */

void range_content_range(const struct range *range, uint64_t size, char out[RANGE_TEXT_SIZE])
{
    if (range == NULL)
        snprintf(out, RANGE_TEXT_SIZE, "bytes */%ju", (uintmax_t)size);
    else
        snprintf(out, RANGE_TEXT_SIZE, "bytes %ju-%ju/%ju", (uintmax_t)range->first,
                 (uintmax_t)range->last, (uintmax_t)size);
}

/* The text of a part's head has one place, where it is appended or, with out NULL, counted. */
static int part_head(struct buf *out, const struct range_parts *parts, const struct range *range,
                     size_t *out_len)
{
    char content_range[RANGE_TEXT_SIZE];
    bool has_type = parts->type != NULL;
    const char *const texts[] = {"\r\n--",
                                 parts->boundary,
                                 "\r\n",
                                 has_type ? "Content-Type: " : "",
                                 has_type ? parts->type : "",
                                 has_type ? "\r\n" : "",
                                 "Content-Range: ",
                                 content_range,
                                 "\r\n\r\n"};
    size_t len = 0;
    range_content_range(range, parts->size, content_range);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        len += strlen(texts[i]);
    *out_len = len;
    if (out == NULL)
        return 0;
    int err = buf_reserve(out, len);
    if (err != 0)
        return err;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        buf_append(out, texts[i], strlen(texts[i]));
    return 0;
}

int range_part_begin(struct buf *out, const struct range_parts *parts, const struct range *range)
{
    size_t ignored;
    if (parts->type != NULL) {
        const char *end = parts->type + strlen(parts->type);
        if (http1_char_skip_field(parts->type, end) != end)
            return -EINVAL;
    }
    return part_head(out, parts, range, &ignored);
}

int range_parts_end(struct buf *out, const struct range_parts *parts)
{
    return buf_appendf(out, "\r\n--%s--\r\n", parts->boundary);
}

uint64_t range_parts_len(const struct range_parts *parts, const struct range *ranges, size_t count)
{
    uint64_t total = strlen("\r\n--") + strlen(parts->boundary) + strlen("--\r\n");
    for (size_t i = 0; i < count; i++) {
        size_t len;
        part_head(NULL, parts, &ranges[i], &len);
        total += len + ranges[i].last - ranges[i].first + 1;
    }
    return total;
}
