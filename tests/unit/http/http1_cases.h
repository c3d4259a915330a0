/* SPDX-License-Identifier: MIT */
/*
 * http1_cases.h - one request head, parsed in every way it may arrive, with one verdict.
 */
#ifndef EVENTER_TESTS_HTTP1_CASES_H
#define EVENTER_TESTS_HTTP1_CASES_H

#include "http/http1_parse.h"

struct head_case {
    const char *text; /* the bytes that arrive; may hold NULs */
    size_t len;
    int verdict;        /* of http1_parse_head() */
    const char *reason; /* NULL for verdicts 0 and -EAGAIN */
};

/* A case whose text is a string literal. */
#define HEAD_CASE(text, verdict, reason)                                                           \
    {                                                                                              \
        (text), sizeof(text) - 1, (verdict), (reason)                                              \
    }

/* The head of a request in which only one field varies. */
#define WITH_FIELD(field) "GET / HTTP/1.1\r\nHost: a\r\n" field "\r\n\r\n"

#define CASES_COUNT(cases) (sizeof(cases) / sizeof((cases)[0]))

/*
 * Parse each case whole, cut in two at every place, and one byte at a time, each from a block of
 * exactly as many bytes as have arrived.  Fails the test unless every way gives the same verdict,
 * reason and facts as soon as, and not before, the bytes that settle it are there.
 */
void check_heads(const struct head_case *cases, size_t count);

/*
 * As check_heads() for one long text, with these limits and without the blocks.  *out (with
 * out->fields set) is the result of the last parse.
 */
void check_long_head(const struct head_case *head_case, const struct http1_limits *limits,
                     struct http1_head *out);

/*
 * Parse text (NUL-terminated, complete and valid) whole, with the default limits.  The fields of
 * what is returned are good until the next call.
 */
struct http1_head parse_valid_head(const char *text);

/* Fail the test unless span of text holds exactly expected. */
void assert_span(const char *text, struct http1_span span, const char *expected);

#endif
