/* SPDX-License-Identifier: MIT */
/*
 * How syslog daemons and systemd-journald want a line.  Sources: RFC 3164 section 4.1 and what
 * syslog(3) of the C library sends, which leaves the host out; RFC 5424 section 6;
 * systemd.journal-fields(7) and the "native protocol" of systemd-journald.
 */
#include "log/line_impl.h"
#include "log/text_impl.h"

#include <endian.h>
#include <errno.h>
#include <time.h>
#include <unistd.h>

#define TAG_MAX        32  /* bytes of the name of the program, RFC 3164 */
#define HOST_MAX       255 /* RFC 5424 section 6 */
#define FIELD_NAME_MAX 64  /* what journald takes */
#define MESSAGE_LEAST  512 /* of a line: what key-values leave to the message */
#define SD_ID          "eventer@32473"

static int priority_of(const struct log_line *line, const struct line_address *address)
{
    int severity = address->severity >= 0 ? address->severity : line_severity(line->facility);
    return address->priority | severity;
}

/* Put what is printable of text, max bytes at most; "-" if that is nothing. */
static void put_printable(struct text *t, const char *text, size_t max, const char *but)
{
    size_t before = t->len;
    for (const char *c = text; *c != '\0' && t->len - before < max; c++)
        if (*c > ' ' && *c < 0x7f && strchr(but, *c) == NULL)
            text_add(t, c, 1);
    if (t->len == before)
        text_add(t, "-", 1);
}

size_t line_render_syslog(const struct log_line *line, const struct line_address *address,
                          char out[static LINE_MAX_BYTES])
{
    struct text t = {out, 0, LINE_MAX_BYTES};
    struct tm day = {.tm_mday = 1};
    char date[32] = "";
    localtime_r(&line->when.tv_sec, &day);
    strftime(date, sizeof(date), "%b %e %H:%M:%S", &day);
    text_addf(&t, "<%d>%s ", priority_of(line, address), date);
    put_printable(&t, program_invocation_short_name, TAG_MAX, "[:");
    text_addf(&t, "[%d]: ", (int)getpid());
    text_add(&t, line->text, line_bare_len(line));
    return t.len;
}

/* ---- RFC 5424 -------------------------------------------------------------------- */

static void put_parameter(struct text *t, const mtev_log_kv_t *kv)
{
    char number[32];
    size_t before = t->len, len;
    const char *value = line_value(kv, number, &len);
    text_add(t, " ", 1);
    put_printable(t, kv->key, 32, "=]\"");
    text_add(t, "=\"", 2);
    for (size_t i = 0; i < len; i++) {
        if (strchr("\"\\]", value[i]) != NULL && value[i] != '\0')
            text_add(t, "\\", 1);
        text_add(t, value + i, 1);
    }
    text_add(t, "\"", 1);
    if (t->len == t->max)
        t->len = before;
}

size_t line_render_rfc5424(const struct log_line *line, const struct line_address *address,
                           char out[static LINE_MAX_BYTES])
{
    struct text t = {out, 0, LINE_MAX_BYTES - MESSAGE_LEAST};
    struct tm day = {.tm_mday = 1};
    char date[32] = "", host[HOST_MAX + 1] = "";
    gmtime_r(&line->when.tv_sec, &day);
    strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &day);
    gethostname(host, sizeof(host) - 1);
    text_addf(&t, "<%d>1 %s.%06ldZ ", priority_of(line, address), date, (long)line->when.tv_usec);
    put_printable(&t, host, HOST_MAX, "");
    text_add(&t, " ", 1);
    put_printable(&t, program_invocation_short_name, 48, "");
    text_addf(&t, " %d ", (int)getpid());
    put_printable(&t, line->facility, 32, "");
    if (line->kvs == NULL || line->kvs->key == NULL) {
        text_add(&t, " -", 2);
    } else {
        text_add_text(&t, " [" SD_ID);
        for (const mtev_log_kv_t *kv = line->kvs; kv->key != NULL; kv++)
            put_parameter(&t, kv);
        t.max++;
        text_add(&t, "]", 1);
    }
    t.max = LINE_MAX_BYTES;
    text_add(&t, " ", 1);
    text_add(&t, line->text, line_bare_len(line));
    return t.len;
}

/* ---- the journal ----------------------------------------------------------------- */

/*
 * NAME=value, or where value holds a newline NAME, its length as 64 bits, and value: then a value
 * that has to be cut is cut before its length is written.
 */
static void put_field(struct text *t, const char *name, const char *value, size_t len)
{
    size_t before = t->len;
    text_add_text(t, name);
    if (memchr(value, '\n', len) == NULL) {
        text_add(t, "=", 1);
        text_add(t, value, MIN(len, t->max - t->len > 0 ? t->max - t->len - 1 : 0));
    } else {
        const size_t frame = sizeof(uint64_t) + 2;
        if (t->max - t->len <= frame) {
            t->len = before;
            return;
        }
        len = MIN(len, t->max - t->len - frame);
        const uint64_t wire = htole64(len);
        text_add(t, "\n", 1);
        text_add(t, (const char *)&wire, sizeof(wire));
        text_add(t, value, len);
    }
    if (t->len == t->max)
        t->len = before;
    else
        text_add(t, "\n", 1);
}

/* What key is called in the journal: A-Z, 0-9 and underscores, which do not come first. */
static void name_field(const char *key, char out[static FIELD_NAME_MAX + 1])
{
    size_t len = 0;
    if (!((key[0] >= 'a' && key[0] <= 'z') || (key[0] >= 'A' && key[0] <= 'Z')))
        len = (size_t)snprintf(out, FIELD_NAME_MAX, "F_");
    for (const char *c = key; *c != '\0' && len < FIELD_NAME_MAX; c++) {
        bool is_lower = *c >= 'a' && *c <= 'z';
        bool is_plain = (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9');
        out[len++] = (char)(is_lower ? *c - 'a' + 'A' : is_plain ? *c : '_');
    }
    out[len] = '\0';
}

static void put_number(struct text *t, const char *name, int number)
{
    text_addf(t, "%s=%d\n", name, number);
}

size_t line_render_journal(const struct log_line *line, const struct line_address *address,
                           char out[static LINE_MAX_BYTES])
{
    struct text t = {out, 0, LINE_MAX_BYTES - MESSAGE_LEAST};
    char number[32], name[FIELD_NAME_MAX + 1];
    int tid;
    const char *thread = line_thread(&tid);
    const char *program = program_invocation_short_name;
    put_number(&t, "PRIORITY", priority_of(line, address) & 7);
    put_number(&t, "SYSLOG_FACILITY", address->priority >> 3);
    put_field(&t, "SYSLOG_IDENTIFIER", program, strlen(program));
    put_number(&t, "SYSLOG_PID", (int)getpid());
    put_number(&t, "TID", tid);
    put_field(&t, "THREAD_NAME", thread, strlen(thread));
    put_field(&t, "CODE_FILE", line->file, strnlen(line->file, LOG_PREFIX_MAX));
    put_number(&t, "CODE_LINE", line->number);
    put_field(&t, "STREAM", line->facility, strlen(line->facility));
    for (const mtev_log_kv_t *kv = line->kvs; kv != NULL && kv->key != NULL; kv++) {
        size_t len;
        const char *value = line_value(kv, number, &len);
        name_field(kv->key, name);
        put_field(&t, name, value, len);
    }
    t.max = LINE_MAX_BYTES;
    put_field(&t, "MESSAGE", line->text, line_bare_len(line));
    return t.len;
}
