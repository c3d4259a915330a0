/* SPDX-License-Identifier: MIT */
/*
 * date.h - HTTP-date: read in its three forms, written in the one.
 *
 * Layer: http.  Any thread; no allocation.  Source: RFC 9110 section 5.6.7.
 */
#ifndef EVENTER_HTTP_DATE_H
#define EVENTER_HTTP_DATE_H

#include <stddef.h>
#include <stdint.h>

#define DATE_LEN   29                    /* "Sun, 06 Nov 1994 08:49:37 GMT" */
#define DATE_S_MIN INT64_C(-62167219200) /* the first second of the year 0 */
#define DATE_S_MAX INT64_C(253402300799) /* the last one of the year 9999 */

/*
 * Read the len bytes at text, which are one date and nothing else: IMF-fixdate, the form of RFC 850
 * or that of asctime(3).  *out is in seconds since 1970.  now_s says in which century a year of two
 * digits lies: in no more than 50 years from now.  The name of the day is one of the seven, and
 * need not be the right one.  Returns 0 or -EINVAL.  Cost: about 30 ns.
 */
int date_parse(const char *text, size_t len, int64_t now_s, int64_t *out);

/*
 * Write s (seconds since 1970) as IMF-fixdate, with a NUL.  Returns 0, or -ERANGE outside of
 * [DATE_S_MIN, DATE_S_MAX]; out is then untouched.  Cost: about 30 ns.
 */
int date_write(int64_t s, char out[DATE_LEN + 1]);

#endif
