/* SPDX-License-Identifier: MIT */
/*
 * coroutines.c - coroutines.json: every coroutine that lives, and what it waits for.
 */
#include "coro/inspect.h"
#include "observe/endpoints_impl.h"
#include "observe/survey_impl.h"

#include <stdio.h>

struct coroutine_note {
    char name[64], function[64];
    const char *where, *loop, *state, *waits_for; /* live as long as the process */
    int fd;
    bool is_private, is_lent;
    uint64_t age_ns;
    size_t stack_bytes, stack_bytes_max, saved_bytes;
};

static int note_coroutine(const eventer_aco_info_t *info, void *closure)
{
    struct coroutine_note note = {.where = info->where,
                                  .loop = info->loop,
                                  .state = info->state,
                                  .waits_for = info->waits_for,
                                  .fd = info->fd,
                                  .is_private = info->is_private == mtev_true,
                                  .is_lent = info->is_lent == mtev_true,
                                  .age_ns = info->age_ns,
                                  .stack_bytes = info->stack_bytes,
                                  .stack_bytes_max = info->stack_bytes_max,
                                  .saved_bytes = info->saved_bytes};
    snprintf(note.name, sizeof(note.name), "%s", info->name);
    snprintf(note.function, sizeof(note.function), "%s", info->function);
    survey_note(closure, &note, sizeof(note));
    return 0;
}

static uint64_t look_at_coroutines(struct loop *loop, uint64_t from, struct survey_notes *notes)
{
    uintptr_t at = (uintptr_t)from;
    return inspect_next(loop, &at, note_coroutine, notes) ? at : SURVEY_END;
}

static json_t *tell_of_coroutine(const void *p)
{
    const struct coroutine_note *note = p;
    json_t *json =
        json_pack("{s:o, s:o, s:o, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:b, s:b}", "name",
                  json_of_text(answer_function_name(note->name)), "function",
                  json_of_text(answer_function_name(note->function)), "loop",
                  json_of_text(note->loop), "state", note->state, "waits_for", note->waits_for,
                  "age_ms", (json_int_t)(note->age_ns / CLOCK_NS_PER_MS), "bytes",
                  (json_int_t)(note->stack_bytes + note->saved_bytes), "stack_bytes",
                  (json_int_t)note->stack_bytes, "stack_bytes_max",
                  (json_int_t)note->stack_bytes_max, "saved_bytes", (json_int_t)note->saved_bytes,
                  "private", note->is_private, "lent", note->is_lent);
    int err = 0;
    if (note->where != NULL)
        err |= json_object_set_new(json, "where", json_of_text(note->where));
    if (note->fd >= 0)
        err |= json_object_set_new(json, "fd", json_integer(note->fd));
    if (err == 0)
        return json;
    json_decref(json);
    return NULL;
}

int endpoint_coroutines(mtev_http_rest_closure_t *restc, int npats, char **pats)
{
    static const struct survey_kind kind = {.note_size = sizeof(struct coroutine_note),
                                            .look = look_at_coroutines,
                                            .tell = tell_of_coroutine};
    survey_answer(restc->http_ctx, &kind);
    return 0;
}
