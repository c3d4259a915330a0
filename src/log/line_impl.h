/* SPDX-License-Identifier: MIT */
/*
 * line_impl.h - what is said, and the bytes that it becomes for an outlet; for this layer alone.
 */
#ifndef EVENTER_LOG_LINE_IMPL_H
#define EVENTER_LOG_LINE_IMPL_H

#include "log/log.h"

struct log_stream;

struct log_line { /* all of it is borrowed for the call that it is given to */
    mtev_log_stream_t stream;
    const char *facility; /* the name of the stream */
    struct timeval when;
    const char *file;
    int number;
    const char *text; /* with the newline that most have at their end */
    size_t len;
    const mtev_log_kv_t *kvs; /* the last has no key; NULL: none */
};

#define LINE_MAX_BYTES (LOG_MESSAGE_MAX + LOG_PREFIX_MAX) /* of a line in any format */

enum line_format { /* the first two as mtev_log_format_t */
    LINE_PLAIN = 0,
    LINE_JSON,
    LINE_SYSLOG,  /* RFC 3164 as local daemons take it */
    LINE_RFC5424, /* with the key-values as structured data */
    LINE_JOURNAL  /* the native protocol of systemd-journald */
};

enum line_look { /* what is put before a plain line */
    LINE_LOOK_TIME = 1,
    LINE_LOOK_FACILITY = 2,
    LINE_LOOK_ORIGIN = 4
};

struct line_address { /* for the formats of other daemons */
    int priority;     /* facility * 8, as syslog(3) has it */
    int severity;     /* 0 to 7; -1: as the stream's name says */
};

/*
 * Write line in that format into out.  Returns its length.  What does not fit is cut off the
 * message, or left out of the key-values; the line ends all the same as it must.  Allocates
 * nothing.
 */
size_t line_render(const struct log_line *line, enum line_format format, unsigned look,
                   const struct line_address *address, char out[static LINE_MAX_BYTES]);

/* The formats of other daemons, for line_render(). */
size_t line_render_syslog(const struct log_line *line, const struct line_address *address,
                          char out[static LINE_MAX_BYTES]);
size_t line_render_rfc5424(const struct log_line *line, const struct line_address *address,
                           char out[static LINE_MAX_BYTES]);
size_t line_render_journal(const struct log_line *line, const struct line_address *address,
                           char out[static LINE_MAX_BYTES]);

/* The length of the message without the newline at its end. */
static inline size_t line_bare_len(const struct log_line *line)
{
    return line->len > 0 && line->text[line->len - 1] == '\n' ? line->len - 1 : line->len;
}

/* Return how severe lines of a stream of that name are, as syslog(3) counts: 3, 5, 6 or 7. */
int line_severity(const char *facility);

/* Return what two lines have in common if they say the same; never 0. */
uint64_t line_key(const struct log_line *line);

/* Return the value of kv as text: its own, or written into out. */
const char *line_value(const mtev_log_kv_t *kv, char out[static 32], size_t *ret_len);

/* Return the name of the running thread, or "" (borrowed until the next call), and its number. */
const char *line_thread(int *ret_tid);

/* Forget what is known of the running thread: it is another process's now. */
void line_forget_thread(void);

#endif
