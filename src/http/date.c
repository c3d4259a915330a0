/* SPDX-License-Identifier: MIT */
#include "http/date.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define SECONDS_OF_DAY    86400
#define DAYS_OF_ERA       146097 /* 400 years, after which the calendar repeats */
#define DAYS_FROM_0_MARCH 719468 /* from the 1st of March of the year 0 to that of 1970-01-01 */

static const char day_names[7][10] = {"Thursday", "Friday",  "Saturday", "Sunday",
                                      "Monday",   "Tuesday", "Wednesday"}; /* from 1970-01-01 on */
static const char month_names[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

struct fields {
    unsigned year, month, day, hour, minute, second; /* month and day from 1 on */
};

/*
 * The calendar, in years that begin with March, so that the day that may be missing is the last
 * one.  Source: Howard Hinnant, "chrono-compatible low-level date algorithms", 2013.
 */
static int64_t days_of(const struct fields *at)
{
    int64_t year = (int64_t)at->year - (at->month <= 2);
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t month = (at->month + 9) % 12;
    int64_t day_of_year = (153 * month + 2) / 5 + at->day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * DAYS_OF_ERA + day_of_era - DAYS_FROM_0_MARCH;
}

static void set_day(int64_t days, struct fields *out)
{
    days += DAYS_FROM_0_MARCH;
    int64_t era = (days >= 0 ? days : days - (DAYS_OF_ERA - 1)) / DAYS_OF_ERA;
    int64_t day_of_era = days - era * DAYS_OF_ERA;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / (DAYS_OF_ERA - 1)) /
        365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month = (5 * day_of_year + 2) / 153;
    out->day = (unsigned)(day_of_year - (153 * month + 2) / 5 + 1);
    out->month = (unsigned)(month < 10 ? month + 3 : month - 9);
    out->year = (unsigned)(year_of_era + era * 400 + (out->month <= 2));
}

static unsigned year_of(int64_t s)
{
    struct fields at;
    int64_t days = s / SECONDS_OF_DAY - (s % SECONDS_OF_DAY < 0);
    set_day(days, &at);
    return at.year;
}

static bool is_in_calendar(const struct fields *at)
{
    static const unsigned lengths[12] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool is_leap = at->year % 4 == 0 && (at->year % 100 != 0 || at->year % 400 == 0);
    if (at->day < 1 || at->day > lengths[at->month - 1])
        return false;
    if (at->month == 2 && at->day == 29 && !is_leap)
        return false;
    return at->hour <= 23 && at->minute <= 59 && at->second <= 60; /* 60: a leap second */
}

/* ---- reading ---------------------------------------------------------------------- */

/* Read count digits at p; false: they are none. */
static bool read_digits(const char *p, unsigned count, unsigned *out)
{
    unsigned value = 0;
    for (unsigned i = 0; i < count; i++) {
        if (p[i] < '0' || p[i] > '9')
            return false;
        value = value * 10 + (unsigned)(p[i] - '0');
    }
    *out = value;
    return true;
}

static bool read_month(const char *p, unsigned *out)
{
    for (unsigned i = 0; i < 12; i++) {
        if (memcmp(p, month_names[i], 3) == 0) {
            *out = i + 1;
            return true;
        }
    }
    return false;
}

/* "08:49:37" */
static bool read_time(const char *p, struct fields *out)
{
    return read_digits(p, 2, &out->hour) && p[2] == ':' && read_digits(p + 3, 2, &out->minute) &&
           p[5] == ':' && read_digits(p + 6, 2, &out->second);
}

static bool is_day_name(const char *p, size_t len)
{
    for (size_t i = 0; i < 7; i++) {
        if ((len == 3 || len == strlen(day_names[i])) && memcmp(p, day_names[i], len) == 0)
            return true;
    }
    return false;
}

/* ", 06 Nov 1994 08:49:37 GMT", 26 bytes */
static bool read_fixdate(const char *p, struct fields *out)
{
    return memcmp(p, ", ", 2) == 0 && read_digits(p + 2, 2, &out->day) && p[4] == ' ' &&
           read_month(p + 5, &out->month) && p[8] == ' ' && read_digits(p + 9, 4, &out->year) &&
           p[13] == ' ' && read_time(p + 14, out) && memcmp(p + 22, " GMT", 4) == 0;
}

/* ", 06-Nov-94 08:49:37 GMT", 24 bytes */
static bool read_rfc850(const char *p, unsigned this_year, struct fields *out)
{
    if (memcmp(p, ", ", 2) != 0 || !read_digits(p + 2, 2, &out->day) || p[4] != '-' ||
        !read_month(p + 5, &out->month) || p[8] != '-' || !read_digits(p + 9, 2, &out->year) ||
        p[11] != ' ' || !read_time(p + 12, out) || memcmp(p + 20, " GMT", 4) != 0)
        return false;
    out->year += this_year - this_year % 100;
    if (out->year > this_year + 50)
        out->year -= 100;
    else if (out->year + 50 <= this_year)
        out->year += 100;
    return true;
}

/* " Nov  6 08:49:37 1994", 21 bytes */
static bool read_asctime(const char *p, struct fields *out)
{
    bool has_one_digit = p[5] == ' ';
    return p[0] == ' ' && read_month(p + 1, &out->month) && p[4] == ' ' &&
           read_digits(p + 5 + has_one_digit, 2 - has_one_digit, &out->day) && p[7] == ' ' &&
           read_time(p + 8, out) && p[16] == ' ' && read_digits(p + 17, 4, &out->year);
}

int date_parse(const char *text, size_t len, int64_t now_s, int64_t *out)
{
    struct fields at = {0};
    bool is_read = false;
    size_t name_len = 0;
    while (name_len < len && text[name_len] != ',' && text[name_len] != ' ')
        name_len++;
    const char *rest = text + name_len;
    if (!is_day_name(text, name_len))
        return -EINVAL;
    if (name_len == 3 && len - name_len == 26)
        is_read = read_fixdate(rest, &at);
    else if (name_len == 3 && len - name_len == 21)
        is_read = read_asctime(rest, &at);
    else if (name_len > 3 && len - name_len == 24)
        is_read = read_rfc850(rest, year_of(now_s), &at);
    if (!is_read || !is_in_calendar(&at))
        return -EINVAL;
    *out = days_of(&at) * SECONDS_OF_DAY + at.hour * 3600 + at.minute * 60 + at.second;
    return 0;
}

/* ---- writing ---------------------------------------------------------------------- */

static void put_digits(char *p, unsigned value, unsigned count)
{
    while (count-- > 0) {
        p[count] = (char)('0' + value % 10);
        value /= 10;
    }
}

int date_write(int64_t s, char out[DATE_LEN + 1])
{
    struct fields at;
    if (s < DATE_S_MIN || s > DATE_S_MAX)
        return -ERANGE;
    int64_t days = s / SECONDS_OF_DAY - (s % SECONDS_OF_DAY < 0);
    unsigned second = (unsigned)(s - days * SECONDS_OF_DAY);
    set_day(days, &at);
    memcpy(out, "Sun, 06 Nov 1994 08:49:37 GMT", DATE_LEN + 1);
    memcpy(out, day_names[(days % 7 + 7) % 7], 3);
    put_digits(out + 5, at.day, 2);
    memcpy(out + 8, month_names[at.month - 1], 3);
    put_digits(out + 12, at.year, 4);
    put_digits(out + 17, second / 3600, 2);
    put_digits(out + 20, second / 60 % 60, 2);
    put_digits(out + 23, second % 60, 2);
    return 0;
}
