/* SPDX-License-Identifier: MIT */
#include "console/commands_impl.h"

#include <mtev_log.h>

#include <string.h>

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

#define ON(flag)  FLAG(MTEV_LOG_STREAM_##flag | IS_ON_MARK)
#define OFF(flag) FLAG(MTEV_LOG_STREAM_##flag)

static const struct command commands[] = {
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
    return commands_add(commands, sizeof(commands) / sizeof(commands[0]));
}
