/* SPDX-License-Identifier: MIT */
#include "console/commands_impl.h"
#include "console/state_impl.h"
#include "log/log.h"

#include <eventer/eventer.h>

#include <signal.h>
#include <stdlib.h>
#include <sys/utsname.h>
#include <unistd.h>

int commands_expect(mtev_console_closure_t s, const char *what)
{
    nc_printf(s, "expected: %s\n", what);
    return -1;
}

static int help(mtev_console_closure_t s, int argc, char **argv, mtev_console_state_t *unused,
                void *closure)
{
    mtev_console_state_t *state = s->stack->state;
    for (int i = 0; i < argc; i++) {
        int count;
        const cmd_info_t *command = state_find(state, argv[i], &count);
        if (command == NULL) {
            nc_printf(s, "%s %s\n", argv[i], count > 0 ? "may be several" : "is no command here");
            return -1;
        }
        if (command->dstate == NULL) {
            nc_printf(s, "%s is a command; nothing more is known of it here\n", command->name);
            return 0;
        }
        state = command->dstate;
    }
    state_list(s, state, "");
    return 0;
}

static char *help_words(mtev_console_closure_t s, mtev_console_state_stack_t *stack,
                        mtev_console_state_t *unused, int argc, char **argv, int index)
{
    return mtev_console_opt_delegate(s, stack, stack->state, argc, argv, index);
}

static int show_version(mtev_console_closure_t s, int argc, char **argv,
                        mtev_console_state_t *state, void *closure)
{
    struct utsname name;
    struct timeval epoch, now;
    nc_printf(s, "eventer %s\n", EVENTER_VERSION);
    if (uname(&name) == 0)
        nc_printf(s, "%s %s %s on %s\n", name.sysname, name.release, name.machine, name.nodename);
    if (eventer_get_epoch(&epoch) == 0) {
        mtev_gettimeofday(&now, NULL);
        nc_printf(s, "process %d, up for %.0f s\n", (int)getpid(), sub_timeval_d(now, epoch));
    }
    return 0;
}

static int shut_down(mtev_console_closure_t s, int argc, char **argv, mtev_console_state_t *state,
                     void *closure)
{
    nc_printf(s, "shutting down\n");
    return kill(getpid(), SIGTERM);
}

/* A status that tells a supervisor to start the process again. */
static int restart(mtev_console_closure_t s, int argc, char **argv, mtev_console_state_t *state,
                   void *closure)
{
    mtevL(mtev_notice, "console: restart\n");
    log_emergency_flush();
    _exit(1);
}

static int crash(mtev_console_closure_t s, int argc, char **argv, mtev_console_state_t *state,
                 void *closure)
{
    mtevL(mtev_notice, "console: crash\n");
    abort();
}

static int stand_still(eventer_t e, int mask, void *closure, struct timeval *now)
{
    for (;;)
        pause();
    return 0;
}

/* So that one can see whether it is found out. */
static int hang(mtev_console_closure_t s, int argc, char **argv, mtev_console_state_t *state,
                void *closure)
{
    mtevL(mtev_notice, "console: hang\n");
    nc_printf(s, "a loop stands still from now on\n");
    return eventer_add_timer_next_opportunity(stand_still, NULL, eventer_choose_owner(0)) == NULL;
}

static const struct command commands[] = {
    {{NULL}, "exit", mtev_console_state_pop, NULL, NULL},
    {{NULL}, "help", help, help_words, NULL},
    {{NULL}, "shutdown", shut_down, NULL, NULL},
    {{NULL}, "restart", restart, NULL, NULL},
    {{NULL}, "crash", crash, NULL, NULL},
    {{NULL}, "hang", hang, NULL, NULL},
    {{"show"}, "version", show_version, NULL, NULL},
};

bool commands_add_basic(void)
{
    return commands_add(commands, sizeof(commands) / sizeof(commands[0]));
}
