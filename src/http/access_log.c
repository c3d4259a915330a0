/* SPDX-License-Identifier: MIT */
#include "http/access_log.h"

#include "base/clock.h"

#include <assert.h>
#include <stdbool.h>
#include <time.h>

static bool is_plain(char c)
{
    return c >= ' ' && c < 0x7f && c != '"' && c != '\\';
}

static int append_escape(struct buf *out, char c, bool is_json)
{
    if (!is_json)
        return buf_appendf(out, "\\x%02x", (unsigned char)c);
    if (c == '"' || c == '\\')
        return buf_appendf(out, "\\%c", c);
    return buf_appendf(out, "\\u%04x", (unsigned char)c);
}

/* Append the bytes at text, runs of plain ones at once. */
static int append_escaped(struct buf *out, const struct access_log_text *text, bool is_json)
{
    int err = 0;
    for (size_t i = 0; i < text->len && err == 0;) {
        size_t end = i;
        while (end < text->len && is_plain(text->text[end]))
            end++;
        err = buf_append(out, text->text + i, end - i);
        if (err == 0 && end < text->len)
            err = append_escape(out, text->text[end++], is_json);
        i = end;
    }
    return err;
}

/* Set *out to at_ns in UTC. */
static void break_down(uint64_t at_ns, struct tm *out)
{
    time_t s = (time_t)(at_ns / CLOCK_NS_PER_S);
    gmtime_r(&s, out);
}

/* ---- common and combined ---------------------------------------------------------- */

static int append_or_dash(struct buf *out, const struct access_log_text *text)
{
    return text->len > 0 ? append_escaped(out, text, false) : buf_append(out, "-", 1);
}

/* A field that is no more than a word: a blank in it would make it two. */
static int append_word(struct buf *out, const struct access_log_text *text)
{
    int err = 0;
    if (text->len == 0)
        return buf_append(out, "-", 1);
    for (size_t i = 0; i < text->len && err == 0; i++) {
        char c = text->text[i];
        err = c != ' ' && is_plain(c) ? buf_append(out, &c, 1) : append_escape(out, c, false);
    }
    return err;
}

static int append_time(struct buf *out, uint64_t at_ns)
{
    static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    struct tm at;
    break_down(at_ns, &at);
    return buf_appendf(out, " [%02d/%s/%04d:%02d:%02d:%02d +0000] \"", at.tm_mday,
                       months[at.tm_mon], at.tm_year + 1900, at.tm_hour, at.tm_min, at.tm_sec);
}

static int append_request(struct buf *out, const struct access_log_facts *facts)
{
    int err = append_or_dash(out, &facts->method);
    if (err == 0)
        err = buf_append(out, " ", 1);
    if (err == 0)
        err = append_or_dash(out, &facts->target);
    if (err == 0)
        err = buf_append(out, " ", 1);
    if (err == 0)
        err = append_or_dash(out, &facts->protocol);
    return err;
}

static int append_common(struct buf *out, const struct access_log_facts *facts)
{
    int err = append_word(out, &facts->peer);
    if (err == 0)
        err = buf_append(out, " - ", 3);
    if (err == 0)
        err = append_word(out, &facts->user);
    if (err == 0)
        err = append_time(out, facts->at_ns);
    if (err == 0)
        err = append_request(out, facts);
    if (err == 0)
        err = buf_appendf(out, "\" %d ", facts->status);
    if (err == 0) /* %b of Apache's format: no bytes are a dash */
        err = facts->sent > 0 ? buf_appendf(out, "%ju", (uintmax_t)facts->sent)
                              : buf_append(out, "-", 1);
    return err;
}

static int append_combined(struct buf *out, const struct access_log_facts *facts)
{
    int err = append_common(out, facts);
    if (err == 0)
        err = buf_append(out, " \"", 2);
    if (err == 0)
        err = append_or_dash(out, &facts->referer);
    if (err == 0)
        err = buf_append(out, "\" \"", 3);
    if (err == 0)
        err = append_or_dash(out, &facts->agent);
    if (err == 0)
        err = buf_append(out, "\"", 1);
    return err;
}

/* ---- JSON ------------------------------------------------------------------------- */

static int append_member(struct buf *out, const char *name, const struct access_log_text *text)
{
    if (text->text == NULL)
        return 0;
    int err = buf_appendf(out, ",\"%s\":\"", name);
    if (err == 0)
        err = append_escaped(out, text, true);
    if (err == 0)
        err = buf_append(out, "\"", 1);
    return err;
}

static int append_json(struct buf *out, const struct access_log_facts *facts)
{
    const struct {
        const char *name;
        const struct access_log_text *text;
    } members[] = {
        {"peer", &facts->peer},     {"user", &facts->user},         {"method", &facts->method},
        {"target", &facts->target}, {"protocol", &facts->protocol}, {"referer", &facts->referer},
        {"agent", &facts->agent},
    };
    struct tm at;
    break_down(facts->at_ns, &at);
    int err = buf_appendf(out, "{\"time\":\"%04d-%02d-%02dT%02d:%02d:%02d.%06uZ\"",
                          at.tm_year + 1900, at.tm_mon + 1, at.tm_mday, at.tm_hour, at.tm_min,
                          at.tm_sec, (unsigned)(facts->at_ns % CLOCK_NS_PER_S / CLOCK_NS_PER_US));
    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]) && err == 0; i++)
        err = append_member(out, members[i].name, members[i].text);
    if (err == 0)
        err = buf_appendf(out, ",\"status\":%d,\"received\":%ju,\"sent\":%ju,\"duration_us\":%ju}",
                          facts->status, (uintmax_t)facts->received, (uintmax_t)facts->sent,
                          (uintmax_t)(facts->duration_ns / CLOCK_NS_PER_US));
    return err;
}

int access_log_append(struct buf *out, enum access_log_format format,
                      const struct access_log_facts *facts)
{
    static int (*const writers[])(struct buf *, const struct access_log_facts *) = {
        [ACCESS_LOG_COMMON] = append_common,
        [ACCESS_LOG_COMBINED] = append_combined,
        [ACCESS_LOG_JSON] = append_json,
    };
    const size_t start = out->len;
    assert(format != ACCESS_LOG_INVALID);
    int err = writers[format](out, facts);
    if (err == 0)
        err = buf_append(out, "\n", 1);
    if (err != 0)
        out->len = start;
    return err;
}
