/* SPDX-License-Identifier: MIT */
#include "base/format.h"

#include "base/number.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct room {
    char *at, *end;
    va_list args; /* that are still to be put */
};

/* Put len bytes; false: they and a NUL do not fit. */
static inline bool put(struct room *room, const char *bytes, size_t len)
{
    if (len >= (size_t)(room->end - room->at))
        return false;
    memcpy(room->at, bytes, len);
    room->at += len;
    return true;
}

static bool put_number(struct room *room, uint64_t value, bool is_negative)
{
    char digits[NUMBER_DIGITS_MAX + 1], *const end = digits + sizeof(digits);
    char *first = number_put_before(end, value);
    if (is_negative)
        *--first = '-';
    return put(room, first, (size_t)(end - first));
}

enum width {
    WIDTH_INT,
    WIDTH_LONG,
    WIDTH_LONG_LONG,
    WIDTH_SIZE
};

static enum width width_of(const char **at)
{
    if (**at == 'z') {
        ++*at;
        return WIDTH_SIZE;
    }
    if (**at != 'l')
        return WIDTH_INT;
    ++*at;
    if (**at != 'l')
        return WIDTH_LONG;
    ++*at;
    return WIDTH_LONG_LONG;
}

static bool put_signed(struct room *room, enum width width)
{
    const int64_t value = width == WIDTH_INT         ? va_arg(room->args, int)
                          : width == WIDTH_LONG      ? va_arg(room->args, long)
                          : width == WIDTH_LONG_LONG ? va_arg(room->args, long long)
                                                     : va_arg(room->args, ssize_t);
    return put_number(room, value < 0 ? -(uint64_t)value : (uint64_t)value, value < 0);
}

static bool put_unsigned(struct room *room, enum width width)
{
    const uint64_t value = width == WIDTH_INT         ? va_arg(room->args, unsigned)
                           : width == WIDTH_LONG      ? va_arg(room->args, unsigned long)
                           : width == WIDTH_LONG_LONG ? va_arg(room->args, unsigned long long)
                                                      : va_arg(room->args, size_t);
    return put_number(room, value, false);
}

static bool put_text(struct room *room)
{
    const char *text = va_arg(room->args, const char *);
    return text != NULL && put(room, text, strlen(text));
}

/* Put what the conversion at *at, behind its '%', says, and pass it; false: it is for vsnprintf. */
static inline bool convert(struct room *room, const char **at)
{
    const enum width width = width_of(at);
    const char conversion = *(*at)++;
    if (conversion == 'd' || conversion == 'i')
        return put_signed(room, width);
    if (conversion == 'u')
        return put_unsigned(room, width);
    if (width != WIDTH_INT)
        return false;
    if (conversion == 's')
        return put_text(room);
    const char c = conversion == 'c' ? (char)va_arg(room->args, int) : '%';
    return (conversion == 'c' || conversion == '%') && put(room, &c, 1);
}

/* The bytes put, without the NUL; -1: it is for vsnprintf. */
static int format_plain(struct room *room, const char *format)
{
    const char *const begin = room->at;
    for (;;) {
        const char *percent = strchrnul(format, '%');
        if (!put(room, format, (size_t)(percent - format)))
            return -1;
        if (*percent == '\0')
            break;
        format = percent + 1;
        if (!convert(room, &format))
            return -1;
    }
    *room->at = '\0';
    return room->at - begin > INT_MAX ? -1 : (int)(room->at - begin);
}

int format_text(char *out, size_t size, const char *format, va_list args)
{
    struct room room = {.at = out, .end = out + size};
    va_copy(room.args, args);
    int len = format_plain(&room, format);
    va_end(room.args);
    return len >= 0 ? len : vsnprintf(out, size, format, args);
}
