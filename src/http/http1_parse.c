/* SPDX-License-Identifier: MIT */
#include "http/http1_parse.h"

#include "http/http1_char.h"
#include "http/http1_facts.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

struct scan {
    const char *bytes; /* where offsets count from */
    const char *p;     /* the next byte to look at */
    const char *end;
    struct http1_head *head;
};

static struct http1_span span_between(const struct scan *scan, const char *from, const char *to)
{
    return (struct http1_span){(uint32_t)(from - scan->bytes), (uint32_t)(to - from)};
}

/* Pass a CRLF; what else may stand here is told from a line that is not complete yet. */
static inline int scan_crlf(struct scan *scan)
{
    const char *p = scan->p;
    if (p == scan->end)
        return -EAGAIN;
    if (*p == '\n')
        return http1_facts_refuse(scan->head, 400, "LF without CR");
    if (*p != '\r')
        return http1_facts_refuse(scan->head, 400, "control character");
    if (p + 1 == scan->end)
        return -EAGAIN;
    if (p[1] != '\n')
        return http1_facts_refuse(scan->head, 400, "CR without LF");
    scan->p = p + 2;
    return 0;
}

/* "HTTP/" DIGIT "." DIGIT: RFC 9112 section 2.3. */
static int scan_version(struct scan *scan)
{
    static const char name[] = "HTTP/";
    const size_t name_len = sizeof(name) - 1;
    size_t left = (size_t)(scan->end - scan->p);
    const char *p = scan->p;
    if (memcmp(p, name, left < name_len ? left : name_len) != 0)
        return http1_facts_refuse(scan->head, 400, "invalid protocol version");
    if (left < name_len + 3)
        return -EAGAIN; /* the caller looks whether a LF shows that no more will come */
    char major = p[name_len], minor = p[name_len + 2];
    if (major < '0' || major > '9' || p[name_len + 1] != '.' || minor < '0' || minor > '9')
        return http1_facts_refuse(scan->head, 400, "invalid protocol version");
    if (major != '1')
        return http1_facts_refuse(scan->head, 505, "only HTTP/1.0 and HTTP/1.1 are served here");
    scan->p = p + name_len + 3;
    scan->head->version = minor == '0' ? 10 : 11; /* RFC 9110 section 2.5: a later 1.x is read as
                                                     the highest that we know */
    return 0;
}

static const char *target_fault(char c)
{
    if (c == '#')
        return "fragment in the target";
    if (c == '\r' || c == '\n')
        return "no protocol version";
    return "invalid character in the target";
}

/* method SP target SP version CRLF: RFC 9112 section 3.  -EAGAIN if the bytes end before. */
static int scan_request_line(struct scan *scan)
{
    struct http1_head *head = scan->head;
    const char *start = scan->p;
    const char *p = http1_char_skip_token(start, scan->end);
    if (p == scan->end)
        return -EAGAIN;
    if (*p != ' ')
        return http1_facts_refuse(head, 400, "invalid character in the method");
    if (p - start > HTTP1_METHOD_MAX)
        return http1_facts_refuse(head, 501, "unknown method");
    head->method = span_between(scan, start, p);

    const char *target = ++p;
    p = http1_char_skip_target(p, scan->end);
    if (p == scan->end)
        return -EAGAIN;
    if (*p != ' ')
        return http1_facts_refuse(head, 400, target_fault(*p));
    if (p == target)
        return http1_facts_refuse(head, 400, "more than one space in the request line");
    head->target = span_between(scan, target, p);

    scan->p = p + 1;
    int status = scan_version(scan);
    return status != 0 ? status : scan_crlf(scan);
}

/*
 * Parse the request line and judge its length.  Nothing is said of a line before its LF is there
 * or it is too long, so that the verdict is the same however the bytes arrive.
 */
static int parse_request_line(struct scan *scan, uint32_t len_max)
{
    const char *start = scan->p;
    int status = scan_request_line(scan);
    size_t left = (size_t)(scan->end - start);
    if (status == 0 && (size_t)(scan->p - start) <= (size_t)len_max + 2)
        return 0;

    const size_t window = (size_t)len_max + 2;
    bool has_lf = memchr(start, '\n', left < window ? left : window) != NULL;
    if (has_lf && status == -EAGAIN) /* the version is cut short by the end of its line */
        status = http1_facts_refuse(scan->head, 400, "invalid protocol version");
    if (!has_lf && left < window)
        status = -EAGAIN;
    else if (!has_lf && scan->head->method.len > 0)
        status = http1_facts_refuse(scan->head, 414, "request line is too long");
    else if (!has_lf)
        status = http1_facts_refuse(scan->head, 400, "no method");
    scan->head->version = 0;
    return status;
}

static const char *name_fault(const struct scan *scan, const char *name, const char *p)
{
    if (p == name && http1_char_is_blank(*p))
        return scan->head->fields_count == 0 ? "blank before the first field" : "folded field line";
    if (p == name)
        return *p == ':' ? "empty field name" : "invalid character in a field name";
    if (http1_char_is_blank(*p))
        return "blank between field name and colon";
    if (*p == '\r' || *p == '\n')
        return "field line without a colon";
    return "invalid character in a field name";
}

/* name ":" OWS value OWS CRLF: RFC 9112 section 5.  -EAGAIN if the bytes end before. */
static inline int scan_field(struct scan *scan, struct http1_field *out)
{
    const char *name = scan->p;
    const char *p = http1_char_skip_token(name, scan->end);
    if (p == scan->end)
        return -EAGAIN;
    if (*p != ':' || p == name)
        return http1_facts_refuse(scan->head, 400, name_fault(scan, name, p));
    out->name = span_between(scan, name, p);

    p++;
    while (p < scan->end && http1_char_is_blank(*p))
        p++;
    const char *value = p;
    scan->p = p = http1_char_skip_field(p, scan->end);
    int status = scan_crlf(scan);
    if (status != 0)
        return status;
    while (p > value && http1_char_is_blank(p[-1]))
        p--;
    out->value = span_between(scan, value, p);
    return 0;
}

static int scan_fields(struct scan *scan, uint32_t fields_max, struct http1_facts *facts)
{
    struct http1_head *head = scan->head;
    for (;;) {
        if (scan->p == scan->end)
            return -EAGAIN;
        if (*scan->p == '\r' || *scan->p == '\n')
            return scan_crlf(scan);
        struct http1_field field;
        int status = scan_field(scan, &field);
        if (status == 0 && http1_facts_may_note(&field))
            status = http1_facts_note_field(scan->bytes, &field, facts, head);
        if (status != 0)
            return status;
        if (head->fields_count == fields_max)
            return http1_facts_refuse(head, 431, "too many fields");
        head->fields[head->fields_count++] = field;
    }
}

/*
 * Return the byte behind the first LF that ends a head (the one of an empty line), or that ruins
 * it (one without CR); NULL if there is none in [from, end).  previous: the last LF before from.
 */
static const char *find_head_end(const char *previous, const char *from, const char *end)
{
    const char *lf = from;
    while ((lf = memchr(lf, '\n', (size_t)(end - lf))) != NULL) {
        if (lf[-1] != '\r' || previous == lf - 2)
            return lf + 1;
        previous = lf++;
    }
    return NULL;
}

/* Parse the fields; an error counts only once the head is complete, and after its length. */
static int parse_fields(struct scan *scan, const struct http1_limits *limits, bool is_cut)
{
    const char *start = scan->p;
    struct http1_facts facts = {0};
    int status = http1_facts_note_target(scan->bytes, &facts, scan->head);
    if (status != 0)
        return status; /* the request line is complete, so this may be said at once */

    status = scan_fields(scan, limits->fields_max, &facts);
    const char *head_end = status == 0 ? scan->p : find_head_end(start - 1, start, scan->end);
    if (head_end == NULL && !is_cut)
        return -EAGAIN;
    if (head_end == NULL || head_end - start > (ptrdiff_t)limits->fields_len_max)
        return http1_facts_refuse(scan->head, 431, "fields are too long");
    assert(status != -EAGAIN);
    if (status == 0)
        status = http1_facts_judge(scan->bytes, &facts, scan->head);
    return status;
}

/*
 * True if the bytes from last_len on may change the verdict -EAGAIN that was given without them:
 * they end the request line or the head, or cross a limit.
 */
static bool may_decide(const char *bytes, size_t len, size_t last_len,
                       const struct http1_limits *limits)
{
    /* The first bytes are judged singly; a request line is too long 2 to 4 bytes past its limit. */
    if (last_len < 3 || len > http1_head_len_max(limits))
        return true;
    if (last_len < (size_t)limits->request_line_max + 4 &&
        len >= (size_t)limits->request_line_max + 2)
        return true;
    const char *lf = memchr(bytes + last_len, '\n', len - last_len);
    if (lf == NULL)
        return false;
    const char *previous = memrchr(bytes, '\n', (size_t)(lf - bytes));
    if (previous == NULL || previous == bytes + 1)
        return true; /* it ends the request line */
    return find_head_end(previous, lf, bytes + len) != NULL;
}

int http1_parse_head(const char *bytes, size_t len, size_t last_len,
                     const struct http1_limits *limits, struct http1_head *out)
{
    assert(last_len <= len && limits->request_line_max >= HTTP1_METHOD_MAX);
    *out = (struct http1_head){.fields = out->fields};
    if (last_len > 0 && !may_decide(bytes, len, last_len, limits))
        return -EAGAIN;

    /* One byte more than a head may have is enough to know that it has too many. */
    const size_t len_max = http1_head_len_max(limits);
    bool is_cut = len > len_max;
    struct scan scan = {bytes, bytes, bytes + (is_cut ? len_max + 1 : len), out};

    /* RFC 9112 section 2.2: one empty line before the request line is forgiven. */
    if (scan.p < scan.end && *scan.p == '\r') {
        int status = scan_crlf(&scan);
        if (status != 0)
            return status;
    }
    if (scan.p == scan.end)
        return -EAGAIN;
    if (!http1_char_is(*scan.p, HTTP1_CHAR_TOKEN))
        return http1_facts_refuse(out, 400, "not an HTTP request");

    int status = parse_request_line(&scan, limits->request_line_max);
    if (status == 0)
        status = parse_fields(&scan, limits, is_cut);
    if (status == -EAGAIN)
        out->reason = NULL; /* a fault was seen, but it is not its turn yet */
    if (status != 0)
        return status;
    out->head_len = (uint32_t)(scan.p - bytes);
    return 0;
}
