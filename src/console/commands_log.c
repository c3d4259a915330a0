/* SPDX-License-Identifier: MIT */
#include "base/number.h"
#include "console/commands_impl.h"
#include "console/session_impl.h"

#include <errno.h>
#include <mtev_log.h>
#include <stdio.h>
#include <string.h>

#define TYPE "mtev_console" /* of the streams whose lines are shown */

#define FLAG(bit) ((void *)(uintptr_t)(bit))

/* What the closure of a command says: a flag of a stream, and whether it is to be set. */
#define IS_ON_MARK 0x10000u

/* The stream called name, or NULL, and then the operator knows. */
static mtev_log_stream_t find_stream(mtev_console_closure_t s, const char *name)
{
    if (mtev_log_stream_exists(name))
        return mtev_log_stream_find(name);
    nc_printf(s, "there is no log stream %s\n", name);
    return NULL;
}

/* log enable NAME..., no log debug NAME... */
static int set_flag(mtev_console_closure_t s, int argc, char **argv, mtev_console_state_t *state,
                    void *closure)
{
    unsigned what = (unsigned)(uintptr_t)closure, flag = what & ~IS_ON_MARK;
    if (argc < 1)
        return commands_expect(s, "the names of log streams");
    for (int i = 0; i < argc; i++) {
        mtev_log_stream_t stream = find_stream(s, argv[i]);
        if (stream == NULL)
            return -1;
        unsigned flags = mtev_log_stream_get_flags(stream) & ~flag;
        mtev_log_stream_set_flags(stream, what & IS_ON_MARK ? flags | flag : flags);
    }
    return 0;
}

static int show_details(mtev_console_closure_t s, int argc, char **argv,
                        mtev_console_state_t *state, void *closure)
{
    if (argc < 1)
        return commands_expect(s, "the names of log streams");
    for (int i = 0; i < argc; i++) {
        mtev_log_stream_t stream = find_stream(s, argv[i]);
        if (stream == NULL)
            return -1;
        unsigned flags = mtev_log_stream_get_flags(stream);
        nc_printf(s, "%s: %s, %s%s%s%s\n", argv[i],
                  flags & MTEV_LOG_STREAM_ENABLED ? "enabled" : "disabled",
                  flags & MTEV_LOG_STREAM_MATERIAL ? "reaches an outlet" : "reaches no outlet",
                  flags & MTEV_LOG_STREAM_DEBUG ? ", debug" : "",
                  flags & MTEV_LOG_STREAM_TIMESTAMPS ? ", timestamps" : "",
                  flags & MTEV_LOG_STREAM_FACILITY ? ", facility" : "");
    }
    return 0;
}

/* log to NAME WORD...: a mark, to be found again later. */
static int say(mtev_console_closure_t s, int argc, char **argv, mtev_console_state_t *state,
               void *closure)
{
    struct buf text;
    if (argc < 2)
        return commands_expect(s, "the name of a log stream, and what is to be said there");
    mtev_log_stream_t stream = find_stream(s, argv[0]);
    if (stream == NULL)
        return -1;
    buf_init(&text, EDIT_LINE_MAX + 1);
    int err = 0;
    for (int i = 1; i < argc && err == 0; i++)
        err = buf_appendf(&text, "%s%s", i == 1 ? "" : " ", argv[i]);
    bool is_said = err == 0 && N_L_S_ON(stream);
    if (is_said)
        mtevL(stream, "%.*s\n", (int)text.len, text.bytes);
    else
        nc_printf(s, "%s%s\n", err == 0 ? argv[0] : "",
                  err == 0 ? " is disabled, or reaches no outlet" : "out of memory");
    buf_free(&text);
    return is_said ? 0 : -1;
}

/* ---- what is said, shown here ----------------------------------------------------- */

/* A line, from any thread: what finds no room is left out. */
static int write_line(mtev_log_stream_t ls, const struct timeval *when, const void *bytes,
                      size_t len)
{
    mtev_console_closure_t s = mtev_log_stream_get_ctx(ls);
    int64_t count = output_put(&s->output, bytes, len, OUTPUT_FOREIGN, OUTPUT_DROP);
    if (count >= 0)
        return 0;
    errno = (int)-count;
    return -1;
}

/* The name of the stream that stands for s, whose names are few since streams live on. */
static void name_log(mtev_console_closure_t s, char name[static 32])
{
    snprintf(name, 32, TYPE "/%d", s->slot);
}

/* log connect NAME... and log disconnect NAME... */
static int connect_streams(mtev_console_closure_t s, int argc, char **argv,
                           mtev_console_state_t *state, void *closure)
{
    char name[32];
    bool connects = closure != NULL;
    if (argc < 1)
        return commands_expect(s, "the names of log streams");
    name_log(s, name);
    if (connects && s->log == NULL)
        s->log = mtev_log_stream_new(name, TYPE, name, s, NULL);
    for (int i = 0; i < argc; i++) {
        mtev_log_stream_t stream = find_stream(s, argv[i]);
        if (stream == NULL)
            return -1;
        int err = 0;
        if (connects)
            err = s->log == NULL ? -1 : mtev_log_stream_add_stream(stream, s->log);
        else if (mtev_log_stream_remove_stream(stream, name) == NULL)
            nc_printf(s, "%s was not connected\n", argv[i]);
        if (err != 0) {
            nc_printf(s, "%s: %s\n", argv[i], strerrordesc_np(errno));
            return -1;
        }
    }
    return 0;
}

void session_log_end(struct __mtev_console_closure *s)
{
    char name[32];
    name_log(s, name);
    mtev_log_stream_remove(name);
}

/* ---- streams that remember -------------------------------------------------------- */

static int show_line(uint64_t index, const struct timeval *when, const char *text, size_t len,
                     void *closure)
{
    (void)index;
    (void)when;
    return session_write_foreign(closure, text, len) < 0;
}

#define SHOWN_DEFAULT 23

static int show_log(mtev_console_closure_t s, int argc, char **argv, mtev_console_state_t *state,
                    void *closure)
{
    uint64_t count = SHOWN_DEFAULT;
    if (argc < 1 || argc > 2 ||
        (argc == 2 && number_u64(argv[1], strlen(argv[1]), INT32_MAX, &count) != 0))
        return commands_expect(s, "the name of a log stream, and how many lines (0: all)");
    mtev_log_stream_t stream = find_stream(s, argv[0]);
    if (stream == NULL)
        return -1;
    if (mtev_log_memory_lines(stream, (int)count, show_line, s) >= 0)
        return 0;
    nc_printf(s, "%s remembers nothing: it is not of the type memory\n", argv[0]);
    return -1;
}

#define CONNECTS ((void *)1)

#define ON(flag)  FLAG(MTEV_LOG_STREAM_##flag | IS_ON_MARK)
#define OFF(flag) FLAG(MTEV_LOG_STREAM_##flag)

static const struct command commands[] = {
    {{"show"}, "log", show_log, NULL, NULL},
    {{"log"}, "to", say, NULL, NULL},
    {{"log"}, "connect", connect_streams, NULL, CONNECTS},
    {{"log"}, "disconnect", connect_streams, NULL, NULL},
    {{"log"}, "details", show_details, NULL, NULL},
    {{"log"}, "enable", set_flag, NULL, ON(ENABLED)},
    {{"log"}, "facility", set_flag, NULL, ON(FACILITY)},
    {{"log"}, "debug", set_flag, NULL, ON(DEBUG)},
    {{"log"}, "timestamps", set_flag, NULL, ON(TIMESTAMPS)},
    {{"no", "log"}, "enable", set_flag, NULL, OFF(ENABLED)},
    {{"no", "log"}, "facility", set_flag, NULL, OFF(FACILITY)},
    {{"no", "log"}, "debug", set_flag, NULL, OFF(DEBUG)},
    {{"no", "log"}, "timestamps", set_flag, NULL, OFF(TIMESTAMPS)},
};

bool commands_add_log(void)
{
    static logops_t ops = {.writeop = write_line};
    mtev_register_logops(TYPE, &ops);
    return commands_add(commands, sizeof(commands) / sizeof(commands[0]));
}
