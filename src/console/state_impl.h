/* SPDX-License-Identifier: MIT */
/*
 * state_impl.h - commands by name, for this layer alone.
 */
#ifndef EVENTER_CONSOLE_STATE_IMPL_H
#define EVENTER_CONSOLE_STATE_IMPL_H

#include "console/session_impl.h"

/* The prompt of states that have none; set once, before there is a session. */
extern char console_prompt[] __attribute__((visibility("hidden")));

/* The index-th command of state whose name begins with prefix, by name; NULL: there are no more. */
cmd_info_t *state_nth(mtev_console_state_t *state, const char *prefix, int index);

/*
 * The command that word means: its name, or the beginning of just one.  NULL: none; *ret_count is
 * how many it might be.
 */
cmd_info_t *state_find(mtev_console_state_t *state, const char *word, int *ret_count);

/* Say to the operator which commands begin with prefix. */
void state_list(mtev_console_closure_t s, mtev_console_state_t *state, const char *prefix);

#endif
