/* SPDX-License-Identifier: MIT */
#include "log/stream_impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#define CUT_MARK         "...[cut]\n"
#define THREAD_NAME_SIZE 16 /* PR_GET_NAME writes that many, prctl(2) */

/*
 * A message is put together here: on a stack that is copied when a coroutine yields it would weigh
 * too much, and from the heap it would cost an allocation a line.  One buffer a thread is enough,
 * as nothing between its first use and its last can yield.  The TLS model is the general one,
 * because a buffer of this size would keep the library from being loaded with dlopen(3).
 */
static _Thread_local __attribute__((tls_model("global-dynamic"))) char message[LOG_MESSAGE_MAX + 1];

struct line {
    const char *facility;
    const struct timeval *when; /* NULL: now */
    const char *file;
    int number;
    size_t len; /* of message */
};

struct prefix {
    char text[LOG_PREFIX_MAX + 1];
    size_t len;
};

static __attribute__((format(printf, 2, 3))) void put(struct prefix *p, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int len = vsnprintf(p->text + p->len, sizeof(p->text) - p->len, format, args);
    va_end(args);
    if (len > 0)
        p->len = MIN(p->len + (size_t)len, LOG_PREFIX_MAX);
}

static void put_time(struct prefix *p, const struct timeval *when)
{
    struct timeval now;
    struct tm day;
    if (when == NULL) {
        gettimeofday(&now, NULL);
        when = &now;
    }
    if (localtime_r(&when->tv_sec, &day) == NULL)
        return;
    p->len += strftime(p->text + p->len, sizeof(p->text) - p->len, "[%Y-%m-%d %H:%M:%S", &day);
    put(p, ".%06ld] ", (long)when->tv_usec);
}

static void put_origin(struct prefix *p, const struct line *line)
{
    char thread[THREAD_NAME_SIZE] = "";
    prctl(PR_GET_NAME, thread);
    const char *slash = strrchr(line->file, '/');
    put(p, "[%.15s,%.100s:%d] ", thread, slash != NULL ? slash + 1 : line->file, line->number);
}

/* The prefix of line for the outlet of that bit. */
static void make_prefix(const struct line *line, const struct log_reach *reach, uint64_t bit,
                        struct prefix *out)
{
    out->len = 0;
    if (reach->timestamps & bit)
        put_time(out, line->when);
    if (reach->facility & bit)
        put(out, "[%.64s] ", line->facility);
    if (reach->debug & bit)
        put_origin(out, line);
}

static int send_line(const struct log_stream *s, const struct line *line)
{
    int err = 0;
    struct prefix prefix;
    stream_lock();
    for (uint64_t left = s->reach.all; left != 0; left &= left - 1) {
        unsigned k = (unsigned)__builtin_ctzll(left);
        make_prefix(line, &s->reach, left & -left, &prefix);
        const struct iovec pieces[] = {{prefix.text, prefix.len}, {message, line->len}};
        int failed = outlet_write(stream_outlet(k), pieces, 2);
        err = failed != 0 ? failed : err;
    }
    stream_unlock();
    return err;
}

/*
 * Put "[kind][file:line] " (kind NULL: nothing) and the formatted text into message.
 * Returns the length, which is at most LOG_MESSAGE_MAX.
 */
static __attribute__((format(printf, 3, 0))) size_t
make_message(const char *kind, const struct line *line, const char *format, va_list args)
{
    int head = 0;
    if (kind != NULL)
        head =
            snprintf(message, sizeof(message), "[%s][%.255s:%d] ", kind, line->file, line->number);
    int len = vsnprintf(message + head, sizeof(message) - (size_t)head, format, args);
    if (len < 0) /* an encoding error: say at least where */
        len = snprintf(message + head, sizeof(message) - (size_t)head,
                       "unprintable message from %.255s:%d\n", line->file, line->number);
    if (len <= LOG_MESSAGE_MAX - head)
        return (size_t)head + (size_t)len;
    memcpy(message + LOG_MESSAGE_MAX - strlen(CUT_MARK), CUT_MARK, strlen(CUT_MARK) + 1);
    return LOG_MESSAGE_MAX;
}

int mtev_vlog(mtev_log_stream_t ls, const struct timeval *when, const char *file, int line,
              const char *format, va_list args)
{
    if (!N_L_S_ON(ls))
        return 0;
    const int saved_errno = errno; /* also what %m prints */
    const struct log_stream *s = ls;
    struct line made = {s->name, when, file, line, 0};
    made.len = make_message(NULL, &made, format, args);
    int err = send_line(s, &made);
    errno = saved_errno;
    return err == 0 ? 0 : -1;
}

int mtev_log(mtev_log_stream_t ls, const struct timeval *when, const char *file, int line,
             const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int result = mtev_vlog(ls, when, file, line, format, args);
    va_end(args);
    return result;
}

/*
 * The last words of a process: on standard error if ls does not take them, so that they are seen.
 */
static __attribute__((format(printf, 4, 0))) void say_last(mtev_log_stream_t ls, const char *kind,
                                                           struct line *line, const char *format,
                                                           va_list args)
{
    line->len = make_message(kind, line, format, args);
    if (N_L_S_ON(ls)) {
        const struct log_stream *s = ls;
        line->facility = s->name;
        if (send_line(s, line) == 0)
            return;
    }
    dprintf(2, "%s", message);
}

void mtev_log_fatal(mtev_log_stream_t ls, const char *file, int line, const char *format, ...)
{
    struct line made = {"", NULL, file, line, 0};
    va_list args;
    va_start(args, format);
    say_last(ls, "FATAL", &made, format, args);
    va_end(args);
    abort();
}

void mtev_log_terminate(mtev_log_stream_t ls, const char *file, int line, const char *format, ...)
{
    struct line made = {"", NULL, file, line, 0};
    va_list args;
    va_start(args, format);
    say_last(ls, "TERMINATE", &made, format, args);
    va_end(args);
    exit(2); /* NOLINT(concurrency-mt-unsafe): what the caller asked for */
}
