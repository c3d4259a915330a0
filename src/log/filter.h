/* SPDX-License-Identifier: MIT */
/*
 * filter.h - which lines an outlet wants.
 *
 * Layer: log, for this layer alone.  Any thread.
 *
 *     expression = all *( ( "or" / "||" ) all )
 *     all        = one *( ( "and" / "&&" ) one )
 *     one        = ( "not" / "!" ) one / "(" expression ")" / test
 *     test       = name ( "==" / "!=" / "<" / "<=" / ">" / ">=" / "=~" / "!~" ) value
 *     value      = "text" / 'text' / a word
 *
 * name is message, facility, level, file, line, thread or the key of a key-value.  level is debug,
 * info, notice or error, in this order.  Two numbers are compared as numbers, all else as text.
 * "=~" is true where the expression of pcre2pattern(3) is found.  A test of a key that a line does
 * not have is false, whatever is asked of it.
 */
#ifndef EVENTER_LOG_FILTER_H
#define EVENTER_LOG_FILTER_H

#include "log/line_impl.h"

#define FILTER_LEN_MAX     1024   /* bytes of an expression */
#define FILTER_NODES_MAX   64     /* tests, and what joins them */
#define FILTER_DEPTH_MAX   16     /* parentheses and negations within each other */
#define FILTER_STEPS_MAX   100000 /* of one match of a regular expression */
#define FILTER_STACK_MAX   65536  /* bytes for one */
#define FILTER_REASON_SIZE 160

struct filter; /* immutable */

/*
 * Read text (NUL-terminated).  Gives the filter in *out; the caller owns it.
 * Returns 0; -EINVAL, with reason saying what is wrong and where; or -ENOMEM.
 */
int filter_parse(const char *text, char reason[static FILTER_REASON_SIZE], struct filter **out);
void filter_free(struct filter *filter);

/* True if line passes.  An expression that takes too long is not found. */
bool filter_passes(struct filter *filter, const struct log_line *line);

#endif
