/* SPDX-License-Identifier: MIT */
/*
 * regex_impl.h - regular expressions over bytes that hold no NUL, with a bound on what one costs.
 *
 * Layer: rest.  Any thread.  Never yields.
 *
 * An expression describes a whole text, not lines: '.' matches every byte and '$' the very end, so
 * that a newline in a path cannot make a rule say other than it reads.  Source: pcre2api(3),
 * pcre2jit(3).
 */
#ifndef EVENTER_REST_REGEX_IMPL_H
#define EVENTER_REST_REGEX_IMPL_H

#include <stddef.h>

#define REGEX_EXPRESSION_MAX 4095   /* bytes of an expression */
#define REGEX_GROUPS_MAX     32     /* groups that capture, of one expression */
#define REGEX_STEPS_MAX      100000 /* of PCRE2's match(), for one text */
#define REGEX_HEAP_KIB_MAX   1024   /* that a match without JIT may take */
#define REGEX_REASON_SIZE    160    /* of what is wrong with an expression, with the NUL */

struct regex; /* immutable: shared by all threads */

struct regex_match { /* the result of one match; zeroed before the first */
    void *room;      /* taken when a match needs it */
};

struct regex_span {
    const char *start; /* NULL: the group took no part */
    size_t len;
};

/*
 * Compile text (NUL-terminated).  Gives the expression in *out; the caller owns it.
 * Returns 0; -EINVAL, with reason saying what is wrong and where; or -ENOMEM.
 */
int regex_compile(const char *text, char reason[static REGEX_REASON_SIZE], struct regex **out);
void regex_free(struct regex *regex);

/* How many groups it has. */
size_t regex_groups(const struct regex *regex);

/*
 * Look for regex in the len bytes at text.  Returns how many spans are set, the whole one included;
 * 0 if it does not match; or -EOVERFLOW (a bound was met) or -ENOMEM.  match may be used for one
 * after the other, and is given back in the same call of the loop.  Cost: for ^TEXT$ a comparison;
 * else that of PCRE2's machine code, and for the first with match an atomic exchange.
 */
int regex_find(const struct regex *regex, const char *text, size_t len, struct regex_match *match);

/* Give back what match has taken. */
void regex_match_give(struct regex_match *match);

/* The span of a group (1 and up) of the last match in text. */
struct regex_span regex_span(const struct regex_match *match, const char *text, size_t group);

#endif
