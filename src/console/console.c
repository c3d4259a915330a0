/* SPDX-License-Identifier: MIT */
#include "base/alloc.h"
#include "console/commands_impl.h"
#include "console/session.h"
#include "console/state_impl.h"
#include "eventer/pool.h"

#include <mtev_listener.h>

#include <stdio.h>

#define PROMPT_MAX 64

char console_prompt[PROMPT_MAX + 3] = "# ";

bool commands_add(const struct command *commands, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct command *c = &commands[i];
        mtev_console_state_t *state = mtev_console_state_initial();
        for (size_t k = 0; k < COMMAND_GROUPS_MAX && c->groups[k] != NULL && state != NULL; k++)
            state = mtev_console_mksubdelegate(state, c->groups[k]);
        cmd_info_t *info = NCSCMD(c->name, c->func, c->autocomplete, NULL, c->closure);
        if (info == NULL || mtev_console_state_add_cmd(state, info) == 0) {
            alloc_free(info);
            return false;
        }
    }
    return true;
}

void mtev_console_init(const char *appname)
{
    static bool is_ready;
    if (is_ready)
        return;
    is_ready = true;
    snprintf(console_prompt, sizeof(console_prompt), "%.*s# ", PROMPT_MAX,
             appname == NULL ? "" : appname);
    if (!commands_add_apply() || !commands_add_basic() || !commands_add_clock() ||
        !commands_add_eventer() || !commands_add_log())
        mtevL(mtev_error, "mtev_console_init: out of memory: some commands are missing\n");
    if (pool_at_stop(session_end_all) != 0)
        mtevL(mtev_error, "mtev_console_init: sessions do not end before the process\n");
    mtev_listener_register_aco_function("mtev_console", session_serve);
}
