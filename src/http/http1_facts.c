/* SPDX-License-Identifier: MIT */
#include "http/http1_facts.h"

#include "base/number.h"
#include "http/http1_char.h"

#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>
#include <string.h>

#define PORT_DIGITS_MAX 5
#define PORT_MAX        65535

struct text { /* the bytes in [p, end) */
    const char *p, *end;
};

static struct text text_of(const char *bytes, struct http1_span span)
{
    return (struct text){bytes + span.offset, bytes + span.offset + span.len};
}

static size_t text_len(struct text text)
{
    return (size_t)(text.end - text.p);
}

static bool text_is(struct text text, const char *lower)
{
    size_t len = strlen(lower);
    return text_len(text) == len && http1_char_equal(text.p, lower, len);
}

/* Cut the first element of a comma-separated list off *rest; false when none is left. */
static bool next_element(struct text *rest, struct text *out)
{
    if (rest->p == NULL)
        return false;
    const char *comma = memchr(rest->p, ',', text_len(*rest));
    struct text element = {rest->p, comma != NULL ? comma : rest->end};
    rest->p = comma != NULL ? comma + 1 : NULL;
    while (element.p < element.end && http1_char_is_blank(*element.p))
        element.p++;
    while (element.end > element.p && http1_char_is_blank(element.end[-1]))
        element.end--;
    *out = element;
    return true;
}

/*
 * An IPv6 address without its brackets, RFC 3986 section 3.2.2; a future version is none we know.
 */
static bool is_ipv6(struct text text)
{
    char address[INET6_ADDRSTRLEN];
    struct in6_addr ignored;
    if (text_len(text) >= sizeof(address))
        return false;
    memcpy(address, text.p, text_len(text));
    address[text_len(text)] = '\0';
    return inet_pton(AF_INET6, address, &ignored) == 1;
}

/* A registered name or IPv4 address: RFC 3986 section 3.2.2. */
static bool is_name(struct text text)
{
    const char *p = text.p;
    if (text_len(text) >= 8 && text_len(text) <= sizeof(http1_char_block)) { /* as most are */
        http1_char_block block = http1_char_load_short(p, text_len(text));
        block = (http1_char_block)(((block | 0x20) - 'a' > 'z' - 'a') & (block - '0' > '9' - '0') &
                                   (block != '-') & (block != '.'));
        if (http1_char_first(block) == sizeof(block))
            return true;
    }
    p = http1_char_skip_class(p, text.end, HTTP1_CHAR_HOST);
    while (text.end - p >= 3 && *p == '%' && http1_char_hex(p[1]) >= 0 && http1_char_hex(p[2]) >= 0)
        p = http1_char_skip_class(p + 3, text.end, HTTP1_CHAR_HOST);
    return p == text.end && p > text.p;
}

/* host [":" port]: RFC 9110 section 7.2.  An empty host is no http authority (section 4.2.1). */
static bool is_authority(struct text text)
{
    const char *end = text.end; /* of the host */
    uint32_t port = 0, unit = 1;
    while (end > text.p && end[-1] >= '0' && end[-1] <= '9') {
        end--;
        port +=
            unit * (uint32_t)(*end - '0'); /* what has too many digits is refused by their number */
        unit *= 10;
    }
    const bool has_port = end > text.p && end[-1] == ':';
    if (has_port && (text.end - end > PORT_DIGITS_MAX || port > PORT_MAX))
        return false;
    const struct text host = {text.p, has_port ? end - 1 : text.end};
    if (host.p < host.end && *host.p == '[')
        return host.end[-1] == ']' && is_ipv6((struct text){host.p + 1, host.end - 1});
    return is_name(host);
}

static const char *skip_scheme(struct text text)
{
    if (text_len(text) > 7 && http1_char_equal(text.p, "http://", 7))
        return text.p + 7;
    if (text_len(text) > 8 && http1_char_equal(text.p, "https://", 8))
        return text.p + 8;
    return NULL;
}

int http1_facts_note_target(const char *bytes, struct http1_facts *facts, struct http1_head *head)
{
    struct text target = text_of(bytes, head->target);
    struct text method = text_of(bytes, head->method);
    assert(target.p < target.end);

    head->path = head->target;
    if (text_len(method) == 7 && memcmp(method.p, "CONNECT", 7) == 0)
        return http1_facts_refuse(head, 501, "CONNECT is not served");
    if (*target.p == '/')
        return 0;
    if (text_len(target) == 1 && *target.p == '*') {
        if (text_len(method) == 7 && memcmp(method.p, "OPTIONS", 7) == 0)
            return 0;
        return http1_facts_refuse(head, 400, "target * with a method other than OPTIONS");
    }
    const char *authority = skip_scheme(target);
    if (authority == NULL)
        return http1_facts_refuse(head, 400, "target is neither a path nor an http URI");
    const char *p = authority;
    while (p < target.end && *p != '/' && *p != '?')
        p++;
    if (!is_authority((struct text){authority, p}))
        return http1_facts_refuse(head, 400, "invalid authority in the target");
    facts->has_authority = true;
    head->host = (struct http1_span){(uint32_t)(authority - bytes), (uint32_t)(p - authority)};
    head->path = (struct http1_span){(uint32_t)(p - bytes), (uint32_t)(target.end - p)};
    return 0;
}

/*
 * Any repeat is refused, even of the same value, which RFC 9112 section 6.3 would let us accept:
 * two recipients that pick differently see two different bodies.
 */
static int note_content_length(struct text value, struct http1_head *head)
{
    if (head->has_content_length)
        return http1_facts_refuse(head, 400, "Content-Length is repeated");
    if (number_u64(value.p, text_len(value), INT64_MAX, &head->content_length) != 0)
        return http1_facts_refuse(head, 400, "invalid Content-Length");
    head->has_content_length = true;
    return 0;
}

static int note_host(struct text value, struct http1_span span, struct http1_facts *facts,
                     struct http1_head *head)
{
    if (facts->has_host_field)
        return http1_facts_refuse(head, 400, "Host is repeated");
    if (!is_authority(value))
        return http1_facts_refuse(head, 400, "invalid Host");
    facts->has_host_field = true;
    if (!facts->has_authority)
        head->host = span;
    return 0;
}

static void note_connection(struct text value, struct http1_facts *facts)
{
    struct text element;
    while (next_element(&value, &element)) {
        facts->wants_close |= text_is(element, "close");
        facts->wants_keep_alive |= text_is(element, "keep-alive");
        facts->wants_upgrade |= text_is(element, "upgrade");
    }
}

static void note_expect(struct text value, struct http1_facts *facts)
{
    struct text element;
    while (next_element(&value, &element))
        facts->wants_continue |= text_is(element, "100-continue");
}

int http1_facts_note_field(const char *bytes, const struct http1_field *field,
                           struct http1_facts *facts, struct http1_head *head)
{
    const char *name = bytes + field->name.offset;
    struct text value = text_of(bytes, field->value);
    switch (field->name.len) {
    case 2:
        head->has_te |= http1_char_equal(name, "te", 2);
        break;
    case 4:
        if (http1_char_equal(name, "host", 4))
            return note_host(value, field->value, facts, head);
        break;
    case 6:
        if (http1_char_equal(name, "expect", 6))
            note_expect(value, facts);
        break;
    case 7:
        if (!head->has_upgrade && http1_char_equal(name, "upgrade", 7)) {
            head->has_upgrade = true;
            head->upgrade = field->value;
        }
        break;
    case 10:
        if (http1_char_equal(name, "connection", 10))
            note_connection(value, facts);
        break;
    case 14:
        if (http1_char_equal(name, "content-length", 14))
            return note_content_length(value, head);
        break;
    case 17:
        if (!http1_char_equal(name, "transfer-encoding", 17))
            break;
        if (facts->has_transfer_encoding)
            return http1_facts_refuse(head, 400, "Transfer-Encoding is repeated");
        facts->has_transfer_encoding = true;
        facts->transfer_encoding = field->value;
        break;
    default:
        break;
    }
    return 0;
}

/*
 * Only "chunked" is served.  A list in which chunked stands twice, with a parameter, or before
 * another coding has no certain end and is 400 (RFC 9112 sections 6.1 and 6.3); other codings are
 * unknown to us and 501, in any place of the list.
 */
static int judge_transfer_encoding(struct text value, struct http1_head *head)
{
    bool is_unknown = false;
    struct text element;
    while (next_element(&value, &element)) {
        const char *p = element.p;
        while (p < element.end && http1_char_is(*p, HTTP1_CHAR_TOKEN))
            p++;
        struct text coding = {element.p, p};
        while (p < element.end && http1_char_is_blank(*p))
            p++;
        if (text_len(coding) == 0 || (p < element.end && *p != ';'))
            return http1_facts_refuse(head, 400, "invalid Transfer-Encoding");
        if (head->chunked)
            return http1_facts_refuse(head, 400, "chunked is not the last transfer coding");
        if (!text_is(coding, "chunked"))
            is_unknown = true;
        else if (p < element.end)
            return http1_facts_refuse(head, 400, "chunked with a parameter");
        else
            head->chunked = true;
    }
    if (is_unknown)
        return http1_facts_refuse(head, 501, "unknown transfer coding");
    return 0;
}

int http1_facts_judge(const char *bytes, const struct http1_facts *facts, struct http1_head *head)
{
    if (!facts->has_host_field && head->version == 11)
        return http1_facts_refuse(head, 400, "Host is missing");
    if (facts->has_transfer_encoding) {
        if (head->version == 10)
            return http1_facts_refuse(head, 400, "Transfer-Encoding in HTTP/1.0");
        if (head->has_content_length)
            return http1_facts_refuse(head, 400, "Transfer-Encoding with Content-Length");
        int status = judge_transfer_encoding(text_of(bytes, facts->transfer_encoding), head);
        if (status != 0)
            return status;
    }
    /* What HTTP/1.0 cannot mean is passed over there: RFC 9110 sections 7.8 and 10.1.1. */
    bool is_11 = head->version == 11;
    head->keep_alive = !facts->wants_close && (is_11 || facts->wants_keep_alive);
    head->expect_continue = is_11 && facts->wants_continue;
    head->has_upgrade = is_11 && head->has_upgrade && facts->wants_upgrade;
    if (!head->has_upgrade)
        head->upgrade = (struct http1_span){0, 0};
    return 0;
}
