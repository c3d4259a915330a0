/* SPDX-License-Identifier: MIT */
#include "log/text_impl.h"

#include "base/utf8.h"

#include <stdint.h>

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
        size_t count = utf8_len(bytes + i, len - i);
        const char *from = count == 0 ? UTF8_REPLACEMENT : bytes + i;
        size_t piece_len = count == 0 ? strlen(UTF8_REPLACEMENT) : count;
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
