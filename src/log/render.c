/* SPDX-License-Identifier: MIT */
#include "log/line_impl.h"
#include "log/text_impl.h"

#include "base/siphash.h"
#include "base/thread.h"

#include <inttypes.h>
#include <sys/prctl.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#define SECOND_SIZE      24 /* "[YYYY-MM-DD HH:MM:SS", also of years with more digits */
#define THREAD_NAME_KEPT 16 /* PR_GET_NAME writes that many, prctl(2) */
#define JSON_TAIL        sizeof("\"}\n")

/*
 * What a thread finds out once: which it is, and how the second that it last printed is written;
 * localtime_r(3) takes a lock that all threads share.  Never kept across a yield: each use is
 * within one call.
 */
static _Thread_local struct {
    int tid;
    char name[THREAD_NAME_KEPT];
    time_t second;
    char second_text[SECOND_SIZE];
    size_t second_len;
} known;

void line_forget_thread(void)
{
    known.tid = 0;
}

const char *line_thread(int *ret_tid)
{
    if (known.tid == 0)
        known.tid = (int)gettid();
    *ret_tid = known.tid;
    if (thread_name()[0] != '\0')
        return thread_name();
    known.name[0] = '\0';
    prctl(PR_GET_NAME, known.name);
    return known.name;
}

int line_severity(const char *facility)
{
    static const struct {
        const char *stream;
        int severity;
    } roots[] = {
        {"error", LOG_ERR}, {"stderr", LOG_ERR}, {"notice", LOG_NOTICE}, {"debug", LOG_DEBUG}};
    size_t len = strcspn(facility, "/");
    for (size_t i = 0; i < sizeof(roots) / sizeof(roots[0]); i++)
        if (strlen(roots[i].stream) == len && memcmp(roots[i].stream, facility, len) == 0)
            return roots[i].severity;
    return LOG_INFO;
}

const char *line_value(const mtev_log_kv_t *kv, char out[static 32], size_t *ret_len)
{
    int len = 0;
    switch (kv->value_type) {
    case MTEV_LOG_KV_TYPE_NONE:
        break;
    case MTEV_LOG_KV_TYPE_STRING:
        if (kv->value.v_string == NULL)
            break;
        *ret_len = kv->len == SIZE_MAX ? strlen(kv->value.v_string) : kv->len;
        return kv->value.v_string;
    case MTEV_LOG_KV_TYPE_INT64:
        len = snprintf(out, 32, "%" PRId64, kv->value.v_int64);
        break;
    case MTEV_LOG_KV_TYPE_UINT64:
        len = snprintf(out, 32, "%" PRIu64, kv->value.v_uint64);
        break;
    case MTEV_LOG_KV_TYPE_DOUBLE:
        len = snprintf(out, 32, "%.17g", kv->value.v_double);
        break;
    case MTEV_LOG_KV_TYPE_BOOLEAN:
        len = snprintf(out, 32, "%s", kv->value.v_int64 != 0 ? "true" : "false");
        break;
    }
    *ret_len = len > 0 ? (size_t)len : 0;
    return out;
}

uint64_t line_key(const struct log_line *line)
{
    static const uint64_t key[2] = {0x6c6f672e6c696e65, 0x652e666f6c646564};
    char number[32];
    uint64_t hashes[4] = {siphash(line->facility, strlen(line->facility), key),
                          siphash(line->text, line->len, key), 0, 0};
    for (const mtev_log_kv_t *kv = line->kvs; kv != NULL && kv->key != NULL; kv++) {
        size_t len;
        const char *value = line_value(kv, number, &len);
        hashes[2] = siphash(kv->key, strlen(kv->key), hashes);
        hashes[3] = siphash(value, len, hashes + 2);
    }
    return siphash(hashes, sizeof(hashes), key) | 1;
}

/* ---- plain ----------------------------------------------------------------------- */

static void put_time(struct text *t, const struct timeval *when)
{
    if (known.second_len == 0 || known.second != when->tv_sec) {
        struct tm day;
        known.second_len = 0;
        if (localtime_r(&when->tv_sec, &day) == NULL)
            return;
        known.second = when->tv_sec;
        known.second_len = strftime(known.second_text, SECOND_SIZE, "[%Y-%m-%d %H:%M:%S", &day);
    }
    char micros[] = ".000000] ";
    long rest = (long)when->tv_usec;
    for (int i = 6; i > 0; i--, rest /= 10)
        micros[i] = (char)('0' + rest % 10);
    text_add(t, known.second_text, known.second_len);
    text_add(t, micros, sizeof(micros) - 1);
}

static void put_prefix(struct text *t, const struct log_line *line, unsigned look)
{
    if (look & LINE_LOOK_TIME)
        put_time(t, &line->when);
    if (look & LINE_LOOK_FACILITY)
        text_addf(t, "[%.64s] ", line->facility);
    if (look & LINE_LOOK_ORIGIN) {
        int tid;
        const char *slash = strrchr(line->file, '/');
        text_addf(t, "[%.15s,%.100s:%d] ", line_thread(&tid),
                  slash != NULL ? slash + 1 : line->file, line->number);
    }
}

/* True if a plain value reads the same without quotes. */
static bool is_word(const char *value, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)value[i] <= ' ' || strchr("\"\\=", value[i]) != NULL || value[i] == 0x7f)
            return false;
    return len > 0;
}

/* Put " key=value" for each; one that does not fit, and what is behind it, is left out. */
static void put_plain_kvs(struct text *t, const mtev_log_kv_t *kvs)
{
    char number[32];
    for (const mtev_log_kv_t *kv = kvs; kv != NULL && kv->key != NULL; kv++) {
        size_t before = t->len, len;
        const char *value = line_value(kv, number, &len);
        if (strlen(kv->key) + len + sizeof(" =\"\"") > t->max - t->len)
            return;
        text_addf(t, " %.128s=", kv->key);
        if (is_word(value, len)) {
            text_add(t, value, len);
            continue;
        }
        text_add(t, "\"", 1);
        text_add_json(t, value, len);
        if (t->len == t->max) {
            t->len = before;
            return;
        }
        text_add(t, "\"", 1);
    }
}

static size_t render_plain(const struct log_line *line, unsigned look, char *out)
{
    struct text t = {out, 0, LOG_PREFIX_MAX};
    put_prefix(&t, line, look);
    t.max = LINE_MAX_BYTES - 1;
    size_t len = line_bare_len(line);
    text_add(&t, line->text, len);
    put_plain_kvs(&t, line->kvs);
    t.max = LINE_MAX_BYTES;
    text_add(&t, line->text + len, line->len - len);
    return t.len;
}

/* ---- JSON ------------------------------------------------------------------------ */

/* Put a text of which max bytes are enough, escapes included. */
static void put_json_text(struct text *t, const char *key, const char *value, size_t max)
{
    text_addf(t, "\"%s\":\"", key);
    struct text part = {t->bytes + t->len, 0, MIN(max, t->max - t->len)};
    text_add_json(&part, value, strlen(value));
    t->len += part.len;
    text_add(t, "\"", 1);
}

/* A key of ours that a key-value has too is the key-value's with an underscore before it. */
static bool is_taken(const char *key)
{
    static const char *const ours[] = {"timestamp", "facility", "threadid", "threadname",
                                       "file",      "line",     "message"};
    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
        if (strcmp(ours[i], key) == 0)
            return true;
    return false;
}

/* JSON has no infinities, and no numbers that are none. */
static bool is_json_number(const mtev_log_kv_t *kv)
{
    return kv->value_type != MTEV_LOG_KV_TYPE_STRING &&
           (kv->value_type != MTEV_LOG_KV_TYPE_DOUBLE || __builtin_isfinite(kv->value.v_double));
}

static void put_json_kvs(struct text *t, const mtev_log_kv_t *kvs)
{
    char number[32];
    for (const mtev_log_kv_t *kv = kvs; kv != NULL && kv->key != NULL; kv++) {
        size_t before = t->len, len;
        const char *value = line_value(kv, number, &len);
        text_addf(t, is_taken(kv->key) ? ",\"_" : ",\"");
        text_add_json(t, kv->key, strlen(kv->key));
        text_add_text(t, is_json_number(kv) ? "\":" : "\":\"");
        if (is_json_number(kv))
            text_add(t, value, len);
        else
            text_add_json(t, value, len);
        if (!is_json_number(kv))
            text_add(t, "\"", 1);
        if (t->len == t->max) { /* it did not fit, or might not have */
            t->len = before;
            return;
        }
    }
}

static size_t render_json(const struct log_line *line, char *out)
{
    struct text t = {out, 0, LINE_MAX_BYTES - JSON_TAIL};
    struct tm day;
    char date[SECOND_SIZE] = "";
    int tid;
    if (gmtime_r(&line->when.tv_sec, &day) != NULL)
        strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &day);
    const char *slash = strrchr(line->file, '/');
    const char *file = slash != NULL ? slash + 1 : line->file;
    const char *thread = line_thread(&tid);
    text_addf(&t, "{\"timestamp\":\"%s.%06ldZ\",", date, (long)line->when.tv_usec);
    put_json_text(&t, "facility", line->facility, LOG_NAME_MAX);
    text_addf(&t, ",\"threadid\":%d,", tid);
    put_json_text(&t, "threadname", thread, THREAD_NAME_SIZE);
    text_add(&t, ",", 1);
    put_json_text(&t, "file", file, LOG_PREFIX_MAX);
    text_addf(&t, ",\"line\":%d", line->number);
    size_t message_least = sizeof(",\"message\":\"") + 256; /* that key-values leave to it */
    t.max -= message_least;
    put_json_kvs(&t, line->kvs);
    t.max += message_least;
    text_add_text(&t, ",\"message\":\"");
    text_add_json(&t, line->text, line_bare_len(line));
    t.max = LINE_MAX_BYTES;
    text_add_text(&t, "\"}\n");
    return t.len;
}

size_t line_render(const struct log_line *line, enum line_format format, unsigned look,
                   const struct line_address *address, char out[static LINE_MAX_BYTES])
{
    switch (format) {
    case LINE_JSON:
        return render_json(line, out);
    case LINE_SYSLOG:
        return line_render_syslog(line, address, out);
    case LINE_RFC5424:
        return line_render_rfc5424(line, address, out);
    case LINE_JOURNAL:
        return line_render_journal(line, address, out);
    case LINE_PLAIN:
        break;
    }
    return render_plain(line, look, out);
}
