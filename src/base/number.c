/* SPDX-License-Identifier: MIT */
#include "base/number.h"

#include <errno.h>
#include <string.h>

int number_u64(const char *text, size_t len, uint64_t max, uint64_t *out)
{
    uint64_t value = 0;
    int err = len == 0 ? -EINVAL : 0;
    for (size_t i = 0; i < len; i++) {
        unsigned digit = (unsigned)(unsigned char)text[i] - '0';
        if (digit > 9)
            return -EINVAL;
        if (digit > max || value > (max - digit) / 10)
            err = -ERANGE; /* go on: a later byte may still show that it is no number at all */
        else if (err == 0)
            value = value * 10 + digit;
    }
    if (err == 0)
        *out = value;
    return err;
}

int number_i64(const char *text, size_t len, int64_t min, int64_t max, int64_t *out)
{
    uint64_t magnitude;
    int negative = len > 0 && text[0] == '-';
    int err = number_u64(text + negative, len - (size_t)negative,
                         (uint64_t)INT64_MAX + (negative ? 1u : 0u), &magnitude);
    if (err != 0)
        return err;
    int64_t value = negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
    if (value < min || value > max)
        return -ERANGE;
    *out = value;
    return 0;
}

char *number_put_before(char *end, uint64_t value)
{
    static const char pairs[] = "00010203040506070809101112131415161718192021222324"
                                "25262728293031323334353637383940414243444546474849"
                                "50515253545556575859606162636465666768697071727374"
                                "75767778798081828384858687888990919293949596979899";
    while (value >= 100) {
        end -= 2;
        memcpy(end, pairs + value % 100 * 2, 2);
        value /= 100;
    }
    if (value >= 10) {
        end -= 2;
        memcpy(end, pairs + value * 2, 2);
    } else {
        *--end = (char)('0' + value);
    }
    return end;
}
