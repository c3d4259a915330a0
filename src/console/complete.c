/* SPDX-License-Identifier: MIT */
#include "console/state_impl.h"

#include "base/alloc.h"

#include <string.h>

#define COMPLETE_WORDS_MAX 32  /* of a line that is completed */
#define COMPLETE_WAYS_MAX  256 /* that are looked at */
#define COMPLETE_SHOWN_MAX 64

/* The index-th text (owned) that the last word may become in state; NULL: there are no more. */
static char *candidate(mtev_console_closure_t s, mtev_console_state_stack_t *stack,
                       mtev_console_state_t *state, char **words, int index)
{
    int argc = 0, count;
    while (words[argc] != NULL)
        argc++;
    if (argc == 1) {
        const cmd_info_t *command = state_nth(state, words[0], index);
        return command == NULL ? NULL : alloc_text(command->name);
    }
    const cmd_info_t *command = argc == 0 ? NULL : state_find(state, words[0], &count);
    if (command == NULL || command->autocomplete == NULL)
        return NULL;
    return command->autocomplete(s, stack, command->dstate, argc - 1, words + 1, index);
}

char *mtev_console_opt_delegate(mtev_console_closure_t s, mtev_console_state_stack_t *stack,
                                mtev_console_state_t *state, int argc, char **argv, int index)
{
    (void)argc;
    return state == NULL ? NULL : candidate(s, stack, state, argv, index);
}

/* Take line apart at blanks; the last word may be empty.  Returns how many words these are. */
static int split(char *line, char *words[static COMPLETE_WORDS_MAX + 1])
{
    int count = 0;
    for (char *at = line;;) {
        at += strspn(at, " ");
        if (count == COMPLETE_WORDS_MAX)
            return 0;
        words[count++] = at;
        at += strcspn(at, " ");
        if (*at == '\0')
            break;
        *at++ = '\0';
    }
    words[count] = NULL;
    return count;
}

struct ways {     /* what the last word may become */
    char *shared; /* what all begin with; owned */
    int count;
};

static void add_way(struct ways *ways, char *text)
{
    if (ways->count++ == 0) {
        ways->shared = text;
        return;
    }
    size_t same = 0;
    while (ways->shared[same] != '\0' && ways->shared[same] == text[same])
        same++;
    ways->shared[same] = '\0';
    alloc_free(text);
}

static void show_ways(mtev_console_closure_t s, char **words)
{
    char *text;
    (void)buf_append(&s->shown, "\n", 1);
    for (int i = 0; i < COMPLETE_SHOWN_MAX; i++) {
        text = candidate(s, s->stack, s->stack->state, words, i);
        if (text == NULL)
            break;
        (void)buf_appendf(&s->shown, "%s  ", text);
        alloc_free(text);
    }
    (void)buf_append(&s->shown, "\n", 1);
    edit_show(&s->edit, &s->shown);
}

void complete(struct __mtev_console_closure *s)
{
    char *words[COMPLETE_WORDS_MAX + 1], *text;
    struct ways ways = {NULL, 0};
    char *line = alloc_text_n(s->edit.line, s->edit.at);
    int count = line == NULL ? 0 : split(line, words);
    if (count == 0) {
        alloc_free(line);
        return;
    }
    size_t len = strlen(words[count - 1]);
    for (int i = 0; i < COMPLETE_WAYS_MAX; i++) {
        text = candidate(s, s->stack, s->stack->state, words, i);
        if (text == NULL)
            break;
        if (strncmp(text, words[count - 1], len) == 0)
            add_way(&ways, text);
        else
            alloc_free(text);
    }
    if (ways.count > 0 && strlen(ways.shared) > len)
        edit_insert(&s->edit, ways.shared + len, strlen(ways.shared + len), &s->shown);
    else if (ways.count > 1)
        show_ways(s, words);
    if (ways.count == 1)
        edit_insert(&s->edit, " ", 1, &s->shown);
    alloc_free(ways.shared);
    alloc_free(line);
}
