/* SPDX-License-Identifier: MIT */
/*
 * commands_impl.h - the library's own commands, for this layer alone.
 */
#ifndef EVENTER_CONSOLE_COMMANDS_IMPL_H
#define EVENTER_CONSOLE_COMMANDS_IMPL_H

#include <mtev_console.h>

#include <stdbool.h>
#include <stddef.h>

#define COMMAND_GROUPS_MAX 3

struct command {
    const char *groups[COMMAND_GROUPS_MAX]; /* the words before its name */
    const char *name;
    console_cmd_func_t func;
    console_opt_func_t autocomplete;
    void *closure;
};

/* Enter commands; each of these returns false if there is no memory. */
bool commands_add(const struct command *commands, size_t count);

bool commands_add_apply(void);   /* apply */
bool commands_add_basic(void);   /* exit help show version shutdown restart crash hang */
bool commands_add_clock(void);   /* show mtev debug coreclocks, mtev rdtsc ... */
bool commands_add_eventer(void); /* show eventer ..., show coroutines, mtev ... */
bool commands_add_log(void);     /* log ..., no log ... */

/* Say that count words are expected, which are what; returns -1, for a command to return. */
int commands_expect(mtev_console_closure_t s, const char *what);

#endif
