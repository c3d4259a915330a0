/* SPDX-License-Identifier: MIT */
#include "base/utf8.h"

#include <stdint.h>

/*
 * Source: the Unicode standard, table 3-7: the second byte of some characters has a narrower range,
 * so that nothing has two encodings and no surrogate has any.
 */
size_t utf8_len(const char *bytes, size_t len)
{
    const uint8_t *b = (const uint8_t *)bytes;
    uint8_t low = 0x80, high = 0xbf;
    size_t need = 1;
    if (b[0] < 0x80)
        return 1;
    if (b[0] >= 0xc2 && b[0] <= 0xdf)
        need = 2;
    else if (b[0] >= 0xe0 && b[0] <= 0xef)
        need = 3;
    else if (b[0] >= 0xf0 && b[0] <= 0xf4)
        need = 4;
    if (need == 1 || need > len)
        return 0;
    if (b[0] == 0xe0)
        low = 0xa0;
    else if (b[0] == 0xed)
        high = 0x9f;
    else if (b[0] == 0xf0)
        low = 0x90;
    else if (b[0] == 0xf4)
        high = 0x8f;
    if (b[1] < low || b[1] > high)
        return 0;
    for (size_t i = 2; i < need; i++)
        if ((b[i] & 0xc0) != 0x80)
            return 0;
    return need;
}
