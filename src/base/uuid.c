/* SPDX-License-Identifier: MIT */
#include "base/random.h"

#include <errno.h>
#include <mtev_uuid.h>
#include <string.h>

#define UUID_LEN (UUID_STR_LEN - 1)

/* Dashes stand before the bytes 4, 6, 8 and 10. */
static bool has_dash_before(size_t i)
{
    return i == 4 || i == 6 || i == 8 || i == 10;
}

static int hex_value(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    if (digit >= 'a' && digit <= 'f')
        return digit - 'a' + 10;
    return digit >= 'A' && digit <= 'F' ? digit - 'A' + 10 : -1;
}

int mtev_uuid_parse(const char *in, uuid_t out)
{
    unsigned char bytes[sizeof(uuid_t)];
    if (in == NULL || strnlen(in, UUID_LEN + 1) != UUID_LEN)
        goto invalid;
    for (size_t i = 0; i < sizeof(bytes); i++) {
        if (has_dash_before(i) && *in++ != '-')
            goto invalid;
        int high = hex_value(*in++), low = hex_value(*in++);
        if (high < 0 || low < 0)
            goto invalid;
        bytes[i] = (unsigned char)(high << 4 | low);
    }
    memcpy(out, bytes, sizeof(bytes));
    return 0;

invalid:
    errno = EINVAL;
    return -1;
}

static void unparse(const uuid_t uuid, const char digits[static 16], char *out)
{
    for (size_t i = 0; i < sizeof(uuid_t); i++) {
        if (has_dash_before(i))
            *out++ = '-';
        *out++ = digits[uuid[i] >> 4];
        *out++ = digits[uuid[i] & 15];
    }
    *out = '\0';
}

void mtev_uuid_unparse_lower(const uuid_t uuid, char *out)
{
    unparse(uuid, "0123456789abcdef", out);
}

void mtev_uuid_unparse_upper(const uuid_t uuid, char *out)
{
    unparse(uuid, "0123456789ABCDEF", out);
}

void mtev_uuid_unparse(const uuid_t uuid, char *out)
{
    mtev_uuid_unparse_lower(uuid, out);
}

void mtev_uuid_copy(uuid_t to, const uuid_t from)
{
    memmove(to, from, sizeof(uuid_t));
}

void mtev_uuid_clear(uuid_t uuid)
{
    memset(uuid, 0, sizeof(uuid_t));
}

int mtev_uuid_is_null(const uuid_t uuid)
{
    static const uuid_t null;
    return mtev_uuid_compare(uuid, null) == 0;
}

int mtev_uuid_compare(const uuid_t a, const uuid_t b)
{
    return memcmp(a, b, sizeof(uuid_t));
}

void mtev_uuid_generate(uuid_t out)
{
    (void)random_secure(out, sizeof(uuid_t), true);
    out[6] = (unsigned char)((out[6] & 0x0f) | 0x40); /* version 4 */
    out[8] = (unsigned char)((out[8] & 0x3f) | 0x80); /* the variant of RFC 9562 */
}
