/* SPDX-License-Identifier: MIT */
/*
 * mtev_console.h - commands for operators: over a unix socket or TCP, by lines or telnet.
 *
 * A listener of the type mtev_console gives each connection a session, which reads lines and runs
 * commands.  Commands are grouped in states; those of the first state are there when a session
 * begins, and some of them lead to others ("show version").  Any thread may add commands, at any
 * time; they live as long as the process.  See mtev_console(3) and eventer_console(7).
 *
 * A command runs in a thread of its own queue, so it may block; nothing else of its session runs
 * meanwhile, and other sessions do.
 */
#ifndef MTEV_CONSOLE_H
#define MTEV_CONSOLE_H

#include <mtev_defines.h>
#include <mtev_hooks.h>

#include <stdarg.h>

MTEV_BEGIN_DECLS

#define MTEV_CONSOLE_SESSIONS_MAX 32   /* at once */
#define MTEV_CONSOLE_LINE_MAX     4095 /* bytes of a line */
#define MTEV_CONSOLE_DEPTH_MAX    16   /* states that a session has entered and not left */

typedef struct __mtev_console_closure *mtev_console_closure_t; /* a session */
typedef struct _console_state mtev_console_state_t;
typedef struct _console_state_stack mtev_console_state_stack_t;

/*
 * A command.  argv: the argc words behind its name.  state and closure are those of its cmd_info_t.
 * Returns 0, or another value: it failed, and has said why.
 */
typedef int (*console_cmd_func_t)(mtev_console_closure_t ncct, int argc, char **argv,
                                  mtev_console_state_t *state, void *closure);

/*
 * Say what the last of the argc words behind a command's name may be completed to: a text of
 * malloc(3) (taken), the index-th one, or NULL: there are no more.  On the loop's own stack or in
 * its coroutine: it neither blocks nor yields.
 */
typedef char *(*console_opt_func_t)(mtev_console_closure_t ncct, mtev_console_state_stack_t *stack,
                                    mtev_console_state_t *state, int argc, char **argv, int index);

/* Return the prompt of a state (borrowed until the next line). */
typedef const char *(*console_prompt_func_t)(mtev_console_closure_t ncct);

typedef void (*state_free_func_t)(mtev_console_state_t *state);
typedef void (*state_userdata_free_func_t)(void *data);

typedef struct cmd_info {
    const char *name; /* borrowed for good */
    console_cmd_func_t func;
    console_opt_func_t autocomplete; /* NULL: nothing is completed */
    mtev_console_state_t *dstate;    /* where it leads to; NULL: nowhere */
    void *closure;                   /* borrowed for good */
} cmd_info_t;

/* Return a command (of malloc(3), for mtev_console_state_add_cmd()), or NULL with ENOMEM. */
API_EXPORT(cmd_info_t *)
NCSCMD(const char *name, console_cmd_func_t func, console_opt_func_t autocomplete,
       mtev_console_state_t *dstate, void *closure);

/*
 * Make "mtev_console" a type of listener, and enter the commands of the library; appname (copied)
 * is in the prompt.  Before mtev_listener_init(); a second call does nothing.
 */
API_EXPORT(void) mtev_console_init(const char *appname);

/* ---- states ---------------------------------------------------------------------- */

/* Return the state of commands that a session begins with, or NULL with ENOMEM. */
API_EXPORT(mtev_console_state_t *) mtev_console_state_initial(void);

/* Return a new state without commands, which lives as long as the process, or NULL with ENOMEM. */
API_EXPORT(mtev_console_state_t *) mtev_console_state_alloc(void);

/*
 * The same, with a prompt (NULL: the usual one) and the commands of commands (ends with NULL;
 * borrowed for good, each).  state_free is for older programs, and not called.
 */
API_EXPORT(mtev_console_state_t *)
mtev_console_state_build(console_prompt_func_t prompt, cmd_info_t **commands,
                         state_free_func_t state_free);

/*
 * Add a command (borrowed for good) to state, in place of one with that name.  Returns 1; or 0 with
 * EINVAL (no state or command, or a name that is none) or ENOMEM.
 */
API_EXPORT(int) mtev_console_state_add_cmd(mtev_console_state_t *state, cmd_info_t *command);

/* Return the command of state with just that name (borrowed), or NULL. */
API_EXPORT(cmd_info_t *)
mtev_console_state_get_cmd(mtev_console_state_t *state, const char *name);

/*
 * Return the state that the command called name (copied) of state leads to; one that does not exist
 * is made, with a state of its own.  NULL with ENOMEM, or EINVAL: it exists and leads nowhere.
 */
API_EXPORT(mtev_console_state_t *)
mtev_console_mksubdelegate(mtev_console_state_t *state, const char *name);

/*
 * Commands themselves: run the command of state that the words name ("show" leads to "version");
 * what the words behind may be completed to; and leave the state, or from the first one the
 * session.
 */
API_EXPORT(int)
mtev_console_state_delegate(mtev_console_closure_t ncct, int argc, char **argv,
                            mtev_console_state_t *state, void *closure);
API_EXPORT(char *)
mtev_console_opt_delegate(mtev_console_closure_t ncct, mtev_console_state_stack_t *stack,
                          mtev_console_state_t *state, int argc, char **argv, int index);
API_EXPORT(int)
mtev_console_state_pop(mtev_console_closure_t ncct, int argc, char **argv,
                       mtev_console_state_t *state, void *closure);

/*
 * In a command: enter a state; 0, or -1 with ENOSPC (MTEV_CONSOLE_DEPTH_MAX).  Run the words as a
 * line of the session: what the command returned, or -1 after a word to the operator.
 */
API_EXPORT(int)
mtev_console_state_push_state(mtev_console_closure_t ncct, mtev_console_state_t *state);
API_EXPORT(int) mtev_console_state_do(mtev_console_closure_t ncct, int argc, char **argv);

/* ---- in a command ---------------------------------------------------------------- */

/*
 * Say something to the operator, as printf(3), or len bytes.  Returns how many bytes were taken; or
 * -1: the session is at its end.  In a command, they wait while the operator's end is slow; in any
 * other place what does not fit into 64 KiB is left out.
 */
API_EXPORT(int)
nc_printf(mtev_console_closure_t ncct, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
API_EXPORT(int)
nc_vprintf(mtev_console_closure_t ncct, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));
API_EXPORT(int) nc_write(mtev_console_closure_t ncct, const void *bytes, int len);

/*
 * Keep data in the session under a name (copied), in place of what was there, which is ended with
 * its own free_data (NULL: nothing), as all is when the session ends; data NULL: keep nothing.
 * Returns it, or NULL.  set: 0, or -1 with ENOMEM, and all is as it was.
 */
API_EXPORT(int)
mtev_console_userdata_set(mtev_console_closure_t ncct, const char *name, void *data,
                          state_userdata_free_func_t free_data);
API_EXPORT(void *) mtev_console_userdata_get(mtev_console_closure_t ncct, const char *name);

/*
 * Have func called with each line, before it is run; MTEV_HOOK_ABORT: it is not run.  As in a
 * command.
 */
API_EXPORT(mtev_hook_return_t)
mtev_console_dispatch_hook_register(const char *name,
                                    mtev_hook_return_t (*func)(void *closure,
                                                               mtev_console_closure_t ncct,
                                                               const char *line),
                                    void *closure);

MTEV_END_DECLS

#endif
