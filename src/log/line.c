/* SPDX-License-Identifier: MIT */
#include "log/stream_impl.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/format.h"
#include "log/foreign_impl.h"

#include <errno.h>
#include <mtev_hooks.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CUT_MARK "...[cut]\n"

MTEV_HOOK_PROTO(mtev_log_plain,
                (mtev_log_stream_t ls, const struct timeval *when, const char *text, size_t len),
                void *, closure,
                (void *closure, mtev_log_stream_t ls, const struct timeval *when, const char *text,
                 size_t len));
MTEV_HOOK_PROTO(mtev_log_line,
                (mtev_log_stream_t ls, const struct timeval *when, const char *file, int line,
                 const char *text, size_t len),
                void *, closure,
                (void *closure, mtev_log_stream_t ls, const struct timeval *when, const char *file,
                 int line, const char *text, size_t len));
MTEV_HOOK_IMPL(mtev_log_plain,
               (mtev_log_stream_t ls, const struct timeval *when, const char *text, size_t len),
               void *, closure,
               (void *closure, mtev_log_stream_t ls, const struct timeval *when, const char *text,
                size_t len),
               (closure, ls, when, text, len))
MTEV_HOOK_IMPL(mtev_log_line,
               (mtev_log_stream_t ls, const struct timeval *when, const char *file, int line,
                const char *text, size_t len),
               void *, closure,
               (void *closure, mtev_log_stream_t ls, const struct timeval *when, const char *file,
                int line, const char *text, size_t len),
               (closure, ls, when, file, line, text, len))

/*
 * A line is put together here: on a stack that is copied when a coroutine yields it would weigh too
 * much, and from the heap it would cost an allocation a line.  One place a thread is enough, as
 * nothing between its first use and its last can yield; only what is said while a line is on its
 * way to its outlets, by functions of the program's own, takes from the heap.  The TLS model is the
 * general one, because a place of this size would keep the library from being loaded with
 * dlopen(3).
 */
struct place {
    char message[LOG_MESSAGE_MAX + 1];
    char line[LINE_MAX_BYTES];
};

static _Thread_local __attribute__((tls_model("global-dynamic"))) struct {
    struct place place;
    unsigned depth;       /* lines that are under way */
    unsigned in_handlers; /* mtev_log_enter_sighandler() */
} own;

static struct place handlers_place; /* of the one handler that has it */
static atomic_flag handlers_place_is_taken = ATOMIC_FLAG_INIT;

/* Return a place for a line, or NULL: it cannot be said. */
static struct place *take_place(void)
{
    if (own.in_handlers > 0)
        return atomic_flag_test_and_set(&handlers_place_is_taken) ? NULL : &handlers_place;
    struct place *place = own.depth == 0 ? &own.place : alloc_bytes(sizeof(*place));
    own.depth += place != NULL;
    return place;
}

static void give_place(struct place *place)
{
    if (place == &handlers_place) {
        atomic_flag_clear(&handlers_place_is_taken);
        return;
    }
    own.depth--;
    if (place != &own.place)
        alloc_free(place);
}

void mtev_log_enter_sighandler(void)
{
    own.in_handlers++;
}

void mtev_log_leave_sighandler(void)
{
    own.in_handlers -= own.in_handlers > 0;
}

static unsigned look_of(const struct log_reach *reach, uint64_t bit)
{
    return (reach->timestamps & bit ? LINE_LOOK_TIME : 0u) |
           (reach->facility & bit ? LINE_LOOK_FACILITY : 0u) |
           (reach->debug & bit ? LINE_LOOK_ORIGIN : 0u);
}

/* Let the outlets of reach have line. */
static int send_to(const struct log_reach *reach, const struct log_line *line, char *scratch)
{
    int err = 0;
    for (uint64_t left = reach->all; left != 0; left &= left - 1) {
        struct outlet *o = stream_outlet((unsigned)__builtin_ctzll(left));
        unsigned look = look_of(reach, left & -left);
        if (own.depth > 1 && foreign_is(o->ops)) /* what it says itself, perhaps */
            continue;
        int failed = own.in_handlers > 0
                         ? outlet_say_in_handler(o, line, look & ~(unsigned)LINE_LOOK_TIME, scratch)
                         : outlet_say(o, line, look, scratch);
        err = failed != 0 ? failed : err;
    }
    return err;
}

static int send_line(const struct log_line *line, char *scratch)
{
    const struct log_stream *s = line->stream;
    if (own.in_handlers == 0)
        stream_lock();
    else if (!stream_try_lock()) /* perhaps who holds it was interrupted */
        return write(STDERR_FILENO, line->text, line->len) == -1 ? -errno : 0;
    struct log_reach walked;
    const struct log_reach *reach = &s->reach;
    int err = 0;
    if (s->speculation != NULL) {
        speculation_add(s->speculation, line);
    } else {
        if (reach->is_filtered) {
            stream_walk(s, line, &walked);
            reach = &walked;
        }
        err = send_to(reach, line, scratch);
    }
    stream_unlock();
    return err;
}

/* What others want to see or to keep from the outlets; not what they say themselves. */
static bool is_kept_by_hooks(const struct log_line *line)
{
    if (own.in_handlers > 0 || own.depth > 1)
        return false;
    return (mtev_log_line_hook_exists() &&
            mtev_log_line_hook_invoke(line->stream, &line->when, line->file, line->number,
                                      line->text, line->len) == MTEV_HOOK_ABORT) ||
           (mtev_log_plain_hook_exists() &&
            mtev_log_plain_hook_invoke(line->stream, &line->when, line->text, line->len) ==
                MTEV_HOOK_ABORT);
}

int line_say(const struct log_line *line)
{
    struct place *place = take_place();
    if (place == NULL)
        return -ENOMEM;
    int err = send_line(line, place->line);
    give_place(place);
    return err;
}

/*
 * Put "[kind][file:line] " (kind NULL: nothing) and the formatted text into message.
 * Returns the length, which is at most LOG_MESSAGE_MAX.
 */
static __attribute__((format(printf, 4, 0))) size_t
make_message(char message[static LOG_MESSAGE_MAX + 1], const char *kind,
             const struct log_line *line, const char *format, va_list args)
{
    const size_t size = LOG_MESSAGE_MAX + 1;
    int head = 0;
    if (kind != NULL)
        head = snprintf(message, size, "[%s][%.255s:%d] ", kind, line->file, line->number);
    int len = format_text(message + head, size - (size_t)head, format, args);
    if (len < 0) /* an encoding error: say at least where */
        len = snprintf(message + head, size - (size_t)head, "unprintable message from %.255s:%d\n",
                       line->file, line->number);
    if (len <= LOG_MESSAGE_MAX - head)
        return (size_t)head + (size_t)len;
    memcpy(message + LOG_MESSAGE_MAX - strlen(CUT_MARK), CUT_MARK, strlen(CUT_MARK) + 1);
    return LOG_MESSAGE_MAX;
}

static struct log_line begin_line(mtev_log_stream_t ls, const struct timeval *when,
                                  const char *file, int number)
{
    const struct log_stream *s = ls;
    return (struct log_line){.stream = ls,
                             .facility = s == NULL ? "" : s->name,
                             .when = when != NULL ? *when : clock_timeval(clock_wall_ns()),
                             .file = file,
                             .number = number};
}

int mtev_ex_vlog(mtev_log_stream_t ls, const struct timeval *when, const char *file, int line,
                 const mtev_log_kv_t *kvs, const char *format, va_list args)
{
    if (!N_L_S_ON(ls))
        return 0;
    const int saved_errno = errno; /* also what %m prints */
    struct place *place = take_place();
    int err = -ENOMEM;
    if (place != NULL) {
        struct log_line made = begin_line(ls, when, file, line);
        errno = saved_errno;
        made.kvs = kvs;
        made.text = place->message;
        made.len = make_message(place->message, NULL, &made, format, args);
        err = is_kept_by_hooks(&made) ? 0 : send_line(&made, place->line);
        give_place(place);
    }
    errno = saved_errno;
    return err == 0 ? 0 : -1;
}

int mtev_vlog(mtev_log_stream_t ls, const struct timeval *when, const char *file, int line,
              const char *format, va_list args)
{
    return mtev_ex_vlog(ls, when, file, line, NULL, format, args);
}

int mtev_log(mtev_log_stream_t ls, const struct timeval *when, const char *file, int line,
             const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int result = mtev_ex_vlog(ls, when, file, line, NULL, format, args);
    va_end(args);
    return result;
}

int mtev_ex_log(mtev_log_stream_t ls, const struct timeval *when, const char *file, int line,
                const mtev_log_kv_t *kvs, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int result = mtev_ex_vlog(ls, when, file, line, kvs, format, args);
    va_end(args);
    return result;
}

/*
 * The last words of a process: on standard error if ls does not take them, so that they are seen;
 * and all that was said before them.
 */
static __attribute__((format(printf, 5, 0))) void say_last(mtev_log_stream_t ls, const char *file,
                                                           int number, const char *kind,
                                                           const char *format, va_list args)
{
    struct log_line line = begin_line(ls, NULL, file, number);
    struct place *place = take_place();
    if (place == NULL) {
        vdprintf(STDERR_FILENO, format, args);
        return;
    }
    line.text = place->message;
    line.len = make_message(place->message, kind, &line, format, args);
    if (!N_L_S_ON(ls) || send_line(&line, place->line) != 0)
        dprintf(STDERR_FILENO, "%s", place->message);
    give_place(place);
    log_emergency_flush();
}

void mtev_log_fatal(mtev_log_stream_t ls, const char *file, int line, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say_last(ls, file, line, "FATAL", format, args);
    va_end(args);
    abort();
}

static bool is_restarted; /* set before there are threads */

void log_is_restarted(void)
{
    is_restarted = true;
}

void mtev_log_startup_terminate(mtev_log_stream_t ls, const char *file, int line,
                                const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say_last(ls, file, line, is_restarted ? "FATAL" : "TERMINATE", format, args);
    va_end(args);
    if (is_restarted)
        abort();
    exit(2); /* NOLINT(concurrency-mt-unsafe): what the caller asked for */
}

void mtev_log_terminate(mtev_log_stream_t ls, const char *file, int line, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say_last(ls, file, line, "TERMINATE", format, args);
    va_end(args);
    exit(2); /* NOLINT(concurrency-mt-unsafe): what the caller asked for */
}
