/* SPDX-License-Identifier: MIT */
#include "rest/request_impl.h"

#include <errno.h>
#include <mtev_console.h>
#include <stdlib.h>

static void show_rule(const struct mtev_rest_mountpoint *rule, void *closure)
{
    nc_printf(closure, "%-7s %s %s%s%s\n", rule->method, rule->base, rule->expression,
              atomic_load(&rule->is_aco) ? ", by coroutines" : "",
              atomic_load(&rule->auth) == NULL ? ", for everybody" : "");
}

static int show_rest(mtev_console_closure_t ncct, int argc, char **argv,
                     mtev_console_state_t *state, void *closure)
{
    rules_each(mountpoint_rules(), show_rule, ncct);
    return 0;
}

int rest_add_commands(void)
{
    static cmd_info_t command = {.name = "rest", .func = show_rest};
    mtev_console_state_t *show = mtev_console_mksubdelegate(mtev_console_state_initial(), "show");
    return show != NULL && mtev_console_state_add_cmd(show, &command) != 0 ? 0 : -ENOMEM;
}
