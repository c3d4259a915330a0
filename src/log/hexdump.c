/* SPDX-License-Identifier: MIT */
#include "base/clock.h"
#include "log/line_impl.h"

#include <stdio.h>

#define BYTES_A_LINE 16

/* Say 16 bytes at most, which are at that place of all. */
static void say_row(const struct log_line *as, const uint8_t *row, size_t len, size_t place)
{
    static const char digits[] = "0123456789abcdef";
    char hex[3 * BYTES_A_LINE + 1], shown[BYTES_A_LINE + 1];
    memset(hex, ' ', sizeof(hex) - 1);
    hex[sizeof(hex) - 1] = '\0';
    for (size_t i = 0; i < len; i++) {
        hex[3 * i] = digits[row[i] >> 4];
        hex[3 * i + 1] = digits[row[i] & 15];
        shown[i] = (char)(row[i] >= 0x20 && row[i] < 0x7f ? row[i] : '.');
    }
    shown[len] = '\0';
    mtev_log(as->stream, &as->when, as->file, as->number, "%08zx  %s |%s|\n", place, hex, shown);
}

static __attribute__((format(printf, 4, 0))) void
dump(const struct log_line *as, const uint8_t *bytes, size_t len, const char *format, va_list args)
{
    char label[128] = "";
    if (!N_L_S_ON(as->stream))
        return;
    if (format != NULL)
        vsnprintf(label, sizeof(label), format, args);
    mtev_log(as->stream, &as->when, as->file, as->number, "%s: %zu bytes%s\n", label, len,
             len > LOG_HEXDUMP_MAX ? ", of which the first are" : "");
    for (size_t at = 0; at < MIN(len, (size_t)LOG_HEXDUMP_MAX); at += BYTES_A_LINE)
        say_row(as, bytes + at, MIN(len - at, (size_t)BYTES_A_LINE), at);
}

void mtev_log_hexdump(mtev_log_stream_t ls, const void *addr, size_t len, const char *format, ...)
{
    const struct log_line as = {
        .stream = ls, .when = clock_timeval(clock_wall_ns()), .file = "", .number = 0};
    va_list args;
    va_start(args, format);
    dump(&as, addr, len, format, args);
    va_end(args);
}

void mtev_log_hexdump_ex(mtev_log_stream_t ls, const struct timeval *when, const char *file,
                         int line, const void *addr, size_t len, const char *format, ...)
{
    struct log_line as = {.stream = ls, .file = file, .number = line};
    va_list args;
    as.when = when != NULL ? *when : clock_timeval(clock_wall_ns());
    va_start(args, format);
    dump(&as, addr, len, format, args);
    va_end(args);
}
