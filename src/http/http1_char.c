/* SPDX-License-Identifier: MIT */
#include "http/http1_char.h"

#define TOKEN  HTTP1_CHAR_TOKEN
#define TARGET HTTP1_CHAR_TARGET
#define FIELD  HTTP1_CHAR_FIELD
#define HOST   HTTP1_CHAR_HOST
#define ALL    (TOKEN | TARGET | FIELD | HOST)

const uint8_t http1_char_classes[256] = {
    ['\t'] = FIELD,
    [' '] = FIELD,
    ['!'] = ALL,
    ['"'] = TARGET | FIELD,
    ['#'] = TOKEN | FIELD,
    ['$'] = ALL,
    ['%'] = TOKEN | TARGET | FIELD,
    ['&'] = ALL,
    ['\''] = ALL,
    ['('] = TARGET | FIELD | HOST,
    [')'] = TARGET | FIELD | HOST,
    ['*'] = ALL,
    ['+'] = ALL,
    [','] = TARGET | FIELD | HOST,
    ['-'] = ALL,
    ['.'] = ALL,
    ['/'] = TARGET | FIELD,
    ['0' ... '9'] = ALL,
    [':'] = TARGET | FIELD,
    [';'] = TARGET | FIELD | HOST,
    ['<'] = TARGET | FIELD,
    ['='] = TARGET | FIELD | HOST,
    ['>'] = TARGET | FIELD,
    ['?'] = TARGET | FIELD,
    ['@'] = TARGET | FIELD,
    ['A' ... 'Z'] = ALL,
    ['['] = TARGET | FIELD,
    ['\\'] = TARGET | FIELD,
    [']'] = TARGET | FIELD,
    ['^'] = TOKEN | TARGET | FIELD,
    ['_'] = ALL,
    ['`'] = TOKEN | TARGET | FIELD,
    ['a' ... 'z'] = ALL,
    ['{'] = TARGET | FIELD,
    ['|'] = TOKEN | TARGET | FIELD,
    ['}'] = TARGET | FIELD,
    ['~'] = ALL,
    [0x80 ... 0xff] = FIELD,
};

bool http1_char_equal(const char *text, const char *lower, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (c >= 'A' && c <= 'Z')
            c = (char)(c | 0x20);
        if (c != lower[i])
            return false;
    }
    return true;
}
