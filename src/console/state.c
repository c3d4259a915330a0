/* SPDX-License-Identifier: MIT */
/*
 * state.c - commands by name, and the states that a session is in.
 *
 * States and commands are only ever added, under one lock, and live for good; so whoever has found
 * a command may use it without.
 */
#include "console/state_impl.h"

#include "base/alloc.h"

#include <errno.h>
#include <histedit.h>
#include <pthread.h>
#include <string.h>

MTEV_HOOK_PROTO(mtev_console_dispatch, (mtev_console_closure_t ncct, const char *line), void *,
                closure, (void *closure, mtev_console_closure_t ncct, const char *line));
MTEV_HOOK_IMPL(mtev_console_dispatch, (mtev_console_closure_t ncct, const char *line), void *,
               closure, (void *closure, mtev_console_closure_t ncct, const char *line),
               (closure, ncct, line))

struct entry {
    struct entry *next; /* by name */
    cmd_info_t *command;
};

struct _console_state {
    struct entry *entries;
    console_prompt_func_t prompt;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of the entries of all states */
static mtev_console_state_t *initial;                    /* and this */

/* ---- commands -------------------------------------------------------------------- */

cmd_info_t *NCSCMD(const char *name, console_cmd_func_t func, console_opt_func_t autocomplete,
                   mtev_console_state_t *dstate, void *closure)
{
    cmd_info_t *command = alloc_bytes(sizeof(*command));
    if (command != NULL)
        *command = (cmd_info_t){name, func, autocomplete, dstate, closure};
    return command;
}

static bool is_name(const char *name)
{
    return name != NULL && name[0] != '\0' && strpbrk(name, " \t\r\n\"'\\") == NULL;
}

int mtev_console_state_add_cmd(mtev_console_state_t *state, cmd_info_t *command)
{
    if (state == NULL || command == NULL || command->func == NULL || !is_name(command->name)) {
        errno = EINVAL;
        return 0;
    }
    struct entry *entry = alloc_bytes(sizeof(*entry));
    if (entry == NULL)
        return 0;
    pthread_mutex_lock(&lock);
    struct entry **at = &state->entries;
    while (*at != NULL && strcmp((*at)->command->name, command->name) < 0)
        at = &(*at)->next;
    if (*at != NULL && strcmp((*at)->command->name, command->name) == 0) {
        (*at)->command = command;
        alloc_free(entry);
    } else {
        *entry = (struct entry){*at, command};
        *at = entry;
    }
    pthread_mutex_unlock(&lock);
    return 1;
}

cmd_info_t *mtev_console_state_get_cmd(mtev_console_state_t *state, const char *name)
{
    if (state == NULL || name == NULL)
        return NULL;
    pthread_mutex_lock(&lock);
    const struct entry *entry = state->entries;
    while (entry != NULL && strcmp(entry->command->name, name) != 0)
        entry = entry->next;
    cmd_info_t *command = entry == NULL ? NULL : entry->command;
    pthread_mutex_unlock(&lock);
    return command;
}

cmd_info_t *state_nth(mtev_console_state_t *state, const char *prefix, int index)
{
    size_t len = strlen(prefix);
    cmd_info_t *command = NULL;
    pthread_mutex_lock(&lock);
    for (const struct entry *entry = state->entries; entry != NULL && command == NULL;
         entry = entry->next)
        if (strncmp(entry->command->name, prefix, len) == 0 && index-- == 0)
            command = entry->command;
    pthread_mutex_unlock(&lock);
    return command;
}

/* "exit" ends something, so it is never meant by less. */
static bool may_be_shortened(const cmd_info_t *command)
{
    return strcmp(command->name, "exit") != 0;
}

cmd_info_t *state_find(mtev_console_state_t *state, const char *word, int *ret_count)
{
    cmd_info_t *found = mtev_console_state_get_cmd(state, word), *command;
    *ret_count = found != NULL;
    for (int i = 0; *ret_count != 1 || found == NULL || strcmp(found->name, word) != 0; i++) {
        command = state_nth(state, word, i);
        if (command == NULL)
            break;
        if (may_be_shortened(command)) {
            found = command;
            ++*ret_count;
        }
    }
    return *ret_count == 1 ? found : NULL;
}

/* ---- states ---------------------------------------------------------------------- */

mtev_console_state_t *mtev_console_state_alloc(void)
{
    return alloc_zeroed(1, sizeof(mtev_console_state_t));
}

mtev_console_state_t *mtev_console_state_initial(void)
{
    pthread_mutex_lock(&lock);
    if (initial == NULL)
        initial = mtev_console_state_alloc();
    mtev_console_state_t *state = initial;
    pthread_mutex_unlock(&lock);
    return state;
}

mtev_console_state_t *mtev_console_state_build(console_prompt_func_t prompt, cmd_info_t **commands,
                                               state_free_func_t state_free)
{
    (void)state_free;
    mtev_console_state_t *state = mtev_console_state_alloc();
    if (state == NULL)
        return NULL;
    state->prompt = prompt;
    for (; *commands != NULL; commands++)
        if (mtev_console_state_add_cmd(state, *commands) == 0)
            return NULL; /* what is there already stays: the entries may be in use */
    return state;
}

mtev_console_state_t *mtev_console_mksubdelegate(mtev_console_state_t *state, const char *name)
{
    if (state == NULL || !is_name(name)) {
        errno = EINVAL;
        return NULL;
    }
    cmd_info_t *command = mtev_console_state_get_cmd(state, name);
    if (command != NULL) {
        if (command->dstate == NULL)
            errno = EINVAL;
        return command->dstate;
    }
    mtev_console_state_t *further = mtev_console_state_alloc();
    char *copy = alloc_text(name);
    command = NCSCMD(copy, mtev_console_state_delegate, mtev_console_opt_delegate, further, NULL);
    if (further == NULL || copy == NULL || command == NULL ||
        mtev_console_state_add_cmd(state, command) == 0) {
        alloc_free(command);
        alloc_free(copy);
        alloc_free(further);
        return NULL;
    }
    return further;
}

/* ---- a session's ----------------------------------------------------------------- */

int mtev_console_state_push_state(mtev_console_closure_t s, mtev_console_state_t *state)
{
    if (s->depth == MTEV_CONSOLE_DEPTH_MAX) {
        errno = ENOSPC;
        return -1;
    }
    mtev_console_state_stack_t *top = alloc_bytes(sizeof(*top));
    if (top == NULL)
        return -1;
    *top = (mtev_console_state_stack_t){s->stack, state};
    s->stack = top;
    s->depth++;
    return 0;
}

static void pop(mtev_console_closure_t s)
{
    mtev_console_state_stack_t *top = s->stack;
    s->stack = top->last;
    s->depth--;
    alloc_free(top);
}

int mtev_console_state_pop(mtev_console_closure_t s, int argc, char **argv,
                           mtev_console_state_t *state, void *closure)
{
    (void)argv;
    (void)state;
    (void)closure;
    if (argc > 0) {
        nc_printf(s, "no more words are expected here\n");
        return -1;
    }
    if (s->depth == 1)
        s->must_end = true;
    else
        pop(s);
    return 0;
}

int state_begin(struct __mtev_console_closure *s)
{
    mtev_console_state_t *first = mtev_console_state_initial();
    return first == NULL || mtev_console_state_push_state(s, first) != 0 ? -ENOMEM : 0;
}

void state_end(struct __mtev_console_closure *s)
{
    while (s->stack != NULL)
        pop(s);
}

const char *state_prompt(struct __mtev_console_closure *s)
{
    console_prompt_func_t prompt = s->stack->state->prompt;
    return prompt != NULL ? prompt(s) : console_prompt;
}

/* ---- running --------------------------------------------------------------------- */

void state_list(mtev_console_closure_t s, mtev_console_state_t *state, const char *prefix)
{
    cmd_info_t *command;
    for (int i = 0; (command = state_nth(state, prefix, i)) != NULL; i++)
        nc_printf(s, "  %s%s\n", command->name, command->dstate != NULL ? " ..." : "");
}

static int run_in(mtev_console_closure_t s, int argc, char **argv, mtev_console_state_t *state)
{
    int count;
    cmd_info_t *command = state_find(state, argv[0], &count);
    if (command != NULL)
        return command->func(s, argc - 1, argv + 1, command->dstate, command->closure);
    if (count > 0)
        nc_printf(s, "%s may be:\n", argv[0]);
    else
        nc_printf(s, "there is no command %s here, but:\n", argv[0]);
    state_list(s, state, count > 0 ? argv[0] : "");
    return -1;
}

int mtev_console_state_do(mtev_console_closure_t s, int argc, char **argv)
{
    return argc < 1 ? 0 : run_in(s, argc, argv, s->stack->state);
}

int mtev_console_state_delegate(mtev_console_closure_t s, int argc, char **argv,
                                mtev_console_state_t *state, void *closure)
{
    (void)closure;
    if (argc > 0)
        return run_in(s, argc, argv, state);
    nc_printf(s, "a word is missing:\n");
    state_list(s, state, "");
    return -1;
}

void state_run(struct __mtev_console_closure *s, const char *line)
{
    int argc;
    const char **argv;
    if (mtev_console_dispatch_hook_invoke(s, line) == MTEV_HOOK_ABORT)
        return;
    Tokenizer *words = tok_init(NULL);
    if (words == NULL)
        nc_printf(s, "out of memory\n");
    else if (tok_str(words, line, &argc, &argv) != 0)
        nc_printf(s, "a quote is not closed\n");
    else
        (void)mtev_console_state_do(s, argc, (char **)(uintptr_t)argv);
    if (words != NULL)
        tok_end(words);
}
