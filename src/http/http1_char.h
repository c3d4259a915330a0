/* SPDX-License-Identifier: MIT */
/*
 * http1_char.h - which bytes may stand where in HTTP/1 text.
 *
 * Layer: http.  Any thread.  Source: RFC 9110 section 5.6.2 (token) and 5.5 (field content),
 * RFC 3986 sections 2.2, 2.3 and 3.2.2 (host).
 */
#ifndef EVENTER_HTTP_HTTP1_CHAR_H
#define EVENTER_HTTP_HTTP1_CHAR_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum http1_char_class {
    HTTP1_CHAR_TOKEN = 1,  /* methods, field names, codings */
    HTTP1_CHAR_TARGET = 2, /* every visible ASCII character but '#', as browsers send '|' and '{' */
    HTTP1_CHAR_FIELD = 4,  /* field values: visible, blank, tab, and bytes from 0x80 up */
    HTTP1_CHAR_HOST = 8    /* registered names, without '%' */
};

/* The set of classes each byte belongs to, indexed by the byte. */
extern const uint8_t http1_char_classes[256];

static inline bool http1_char_is(char c, enum http1_char_class classes)
{
    return (http1_char_classes[(uint8_t)c] & classes) != 0;
}

static inline bool http1_char_is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Return the value of a hexadecimal digit, or -1. */
static inline int http1_char_hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    char lower = (char)(c | 0x20);
    if (lower >= 'a' && lower <= 'f')
        return lower - 'a' + 10;
    return -1;
}

/*
 * The skip functions return the first byte in [p, end) that is not of a class, or end.  They look
 * at 16 bytes a step (SSE2 or NEON, as the compiler finds them) and go byte by byte where fewer are
 * left.
 */
typedef uint8_t http1_char_block __attribute__((vector_size(16)));

static inline http1_char_block http1_char_load(const char *p)
{
    http1_char_block block;
    memcpy(&block, p, sizeof(block));
    return block;
}

/* Return the index of the first byte of marks (each 0 or 0xff) that is not 0, or 16. */
static inline size_t http1_char_first(http1_char_block marks)
{
    uint64_t halves[2];
    memcpy(halves, &marks, sizeof(halves));
    if (halves[0] != 0)
        return (size_t)__builtin_ctzll(le64toh(halves[0])) / 8;
    if (halves[1] != 0)
        return 8 + (size_t)__builtin_ctzll(le64toh(halves[1])) / 8;
    return sizeof(marks);
}

static inline const char *http1_char_skip_class(const char *p, const char *end,
                                                enum http1_char_class classes)
{
    while (p < end && http1_char_is(*p, classes))
        p++;
    return p;
}

static inline http1_char_block http1_char_no_field(http1_char_block block)
{
    return (http1_char_block)(((block < 0x20) & (block != '\t')) | (block == 0x7f));
}

static inline const char *http1_char_skip_field(const char *p, const char *end)
{
    size_t first = sizeof(http1_char_block);
    while (first == sizeof(http1_char_block) && end - p >= (ptrdiff_t)sizeof(http1_char_block)) {
        http1_char_block block = http1_char_load(p);
        first = http1_char_first(http1_char_no_field(block));
        p += first;
    }
    return first < sizeof(http1_char_block) ? p : http1_char_skip_class(p, end, HTTP1_CHAR_FIELD);
}

static inline const char *http1_char_skip_target(const char *p, const char *end)
{
    size_t first = sizeof(http1_char_block);
    while (first == sizeof(http1_char_block) && end - p >= (ptrdiff_t)sizeof(http1_char_block)) {
        http1_char_block block = http1_char_load(p);
        first =
            http1_char_first((http1_char_block)((block < 0x21) | (block > 0x7e) | (block == '#')));
        p += first;
    }
    return first < sizeof(http1_char_block) ? p : http1_char_skip_class(p, end, HTTP1_CHAR_TARGET);
}

static inline const char *http1_char_skip_token(const char *p, const char *end)
{
    /* Letters and hyphens, which is what names are made of; the table knows the rest. */
    if (end - p >= (ptrdiff_t)sizeof(http1_char_block)) {
        http1_char_block block = http1_char_load(p);
        p += http1_char_first(
            (http1_char_block)((((block | 0x20) - 'a') > 'z' - 'a') & (block != '-')));
    }
    return http1_char_skip_class(p, end, HTTP1_CHAR_TOKEN);
}

/* All bytes of a text of 8 to 16 bytes, some of them twice. */
static inline http1_char_block http1_char_load_short(const char *p, size_t len)
{
    char both[sizeof(http1_char_block)];
    memcpy(both, p, 8);
    memcpy(both + 8, p + len - 8, 8);
    return http1_char_load(both);
}

/* True if the whole text may be the content of a field. */
static inline bool http1_char_is_field(const char *p, size_t len)
{
    if (len < 8)
        return http1_char_skip_class(p, p + len, HTTP1_CHAR_FIELD) == p + len;
    if (len < sizeof(http1_char_block))
        return http1_char_first(http1_char_no_field(http1_char_load_short(p, len))) ==
               sizeof(http1_char_block);
    return http1_char_skip_field(p, p + len) == p + len;
}

/* True if the whole text is a token. */
static inline bool http1_char_is_token(const char *p, size_t len)
{
    if (len >= 8 && len <= sizeof(http1_char_block)) {
        http1_char_block block = http1_char_load_short(p, len);
        block = (http1_char_block)((((block | 0x20) - 'a') > 'z' - 'a') & (block != '-'));
        if (http1_char_first(block) == sizeof(block))
            return true;
    }
    return len > 0 && http1_char_skip_token(p, p + len) == p + len;
}

/* True if the len bytes at text equal lower (len bytes of lower-case text), whatever their case. */
bool http1_char_equal(const char *text, const char *lower, size_t len);

#endif
