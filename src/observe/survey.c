/* SPDX-License-Identifier: MIT */
#include "observe/survey_impl.h"

#include "base/alloc.h"
#include "eventer/pool.h"
#include "eventer/visit.h"

#include <errno.h>

struct survey {
    struct answer answer; /* first */
    const struct survey_kind *kind;
    struct loop **loops; /* owned: count of them */
    size_t count, next;
    uint64_t from; /* in the next loop */
    struct survey_notes notes;
    size_t told; /* bytes of the notes that were told of */
};

static void count_loop(struct loop *loop, void *closure)
{
    ((struct survey *)closure)->count++;
}

static void note_loop(struct loop *loop, void *closure)
{
    struct survey *s = closure;
    s->loops[s->next++] = loop;
}

static void survey_free(struct survey *s)
{
    if (s == NULL)
        return;
    buf_free(&s->notes.bytes);
    alloc_free(s->loops);
    alloc_free(s);
}

static bool look(struct loop *loop, void *closure)
{
    struct survey *s = closure;
    s->from = s->kind->look(loop, s->from, &s->notes);
    return true;
}

/* The element that says what is missing. */
static json_t *missing(const struct loop *loop, const char *why)
{
    return json_pack("{s:s, s:o}", "error", why, "loop", json_of_text(loop->name));
}

/* Have the next loop write notes, or say why it did not; and go on to the next one if that is due.
 */
static void take_notes(struct survey *s)
{
    const struct visitor visitor = {.visit = look, .closure = s, .wait_ns = SURVEY_WAIT_NS};
    struct loop *loop = s->loops[s->next];
    s->notes.bytes.len = s->told = 0;
    s->notes.left_out = 0;
    int err = visit_loop(loop, &visitor);
    if (err == -ENOMEM)
        s->answer.err = err;
    else if (err != 0)
        answer_add(&s->answer, missing(loop, "the loop is busy: what it has is left out"));
    else if (s->notes.left_out > 0)
        answer_add(&s->answer, missing(loop, "out of memory: something is left out"));
    if (err != 0 || s->from == SURVEY_END) {
        s->from = 0;
        s->next++;
    }
}

/* Tell of as many notes as one part has room for. */
static void tell(struct survey *s)
{
    while (s->told < s->notes.bytes.len && s->answer.text.len < ANSWER_PART_LEN &&
           answer_add(&s->answer, s->kind->tell(s->notes.bytes.bytes + s->told)))
        s->told += s->kind->note_size;
}

static bool more(struct answer *a)
{
    struct survey *s = (struct survey *)a;
    if (s->told == s->notes.bytes.len && s->next < s->count)
        take_notes(s);
    if (a->err == 0)
        tell(s);
    return s->told < s->notes.bytes.len || s->next < s->count;
}

static struct survey *survey_new(const struct survey_kind *kind)
{
    struct survey *s = alloc_zeroed(1, sizeof(*s));
    if (s == NULL)
        return NULL;
    s->answer = (struct answer){.more = more, .begin = "[", .end = "]\n"};
    s->kind = kind;
    buf_init(&s->notes.bytes, SURVEY_NOTES_MAX);
    pool_each_loop(count_loop, s);
    s->loops = alloc_zeroed(s->count, sizeof(*s->loops));
    if (s->loops == NULL) {
        survey_free(s);
        return NULL;
    }
    pool_each_loop(note_loop, s);
    s->next = 0;
    return s;
}

void survey_answer(mtev_http_session_ctx *ctx, const struct survey_kind *kind)
{
    struct survey *s = survey_new(kind);
    answer_send(ctx, s == NULL ? NULL : &s->answer);
    survey_free(s);
}
