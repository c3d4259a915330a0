/* SPDX-License-Identifier: MIT */
#include "log/text_impl.h"

#include <stdint.h>

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

/*
 * Source: the Unicode standard, table 3-7: the second byte of some characters has a narrower range,
 * so that nothing has two encodings and no surrogate has any.
 */
size_t text_utf8_len(const char *bytes, size_t len)
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

/* How the byte c, which is ASCII, is written in a JSON string.  Returns the length. */
static size_t escape(unsigned char c, char out[static 8])
{
    static const char letters[] = "\"\"\\\\\bb\ff\nn\rr\tt";
    for (size_t i = 0; i < sizeof(letters) - 1; i += 2)
        if (c == (unsigned char)letters[i]) {
            out[0] = '\\';
            out[1] = letters[i + 1];
            return 2;
        }
    if (c >= 0x20 && c != 0x7f) {
        out[0] = (char)c;
        return 1;
    }
    return (size_t)snprintf(out, 8, "\\u%04x", c);
}

void text_add_json(struct text *t, const char *bytes, size_t len)
{
    for (size_t i = 0; i < len;) {
        char piece[8];
        size_t count = text_utf8_len(bytes + i, len - i);
        const char *from = count == 0 ? REPLACEMENT : bytes + i;
        size_t piece_len = count == 0 ? strlen(REPLACEMENT) : count;
        if (count == 1) {
            piece_len = escape((unsigned char)bytes[i], piece);
            from = piece;
        }
        if (t->len + piece_len > t->max)
            return;
        text_add(t, from, piece_len);
        i += count == 0 ? 1 : count;
    }
}
