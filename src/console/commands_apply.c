/* SPDX-License-Identifier: MIT */
#include "base/alloc.h"
#include "base/buf.h"
#include "base/number.h"
#include "console/commands_impl.h"
#include "console/session_impl.h"

#include <string.h>

#define APPLY_TEXTS_MAX      256   /* that a range stands for */
#define APPLY_LINE_BYTES_MAX 65536 /* of a command with one of them in it */

#define USAGE "apply WORD RANGE COMMAND ..., where RANGE is {A,B,C} or {1..9}, also within a text"

struct range {
    const char *before, *inner, *after; /* what stands before {, in the braces, behind } */
    size_t before_len, inner_len;
    uint64_t from, to; /* of numbers */
    bool has_numbers;
};

static bool read_numbers(struct range *r)
{
    const char *dots = memmem(r->inner, r->inner_len, "..", 2);
    if (dots == NULL)
        return false;
    size_t len = (size_t)(dots - r->inner);
    return number_u64(r->inner, len, INT32_MAX, &r->from) == 0 &&
           number_u64(dots + 2, r->inner_len - len - 2, INT32_MAX, &r->to) == 0;
}

static bool read_range(const char *text, struct range *out)
{
    const char *open = strchr(text, '{'), *close = open == NULL ? NULL : strchr(open, '}');
    if (close == NULL)
        return false;
    *out = (struct range){.before = text,
                          .before_len = (size_t)(open - text),
                          .inner = open + 1,
                          .inner_len = (size_t)(close - open - 1),
                          .after = close + 1};
    out->has_numbers = read_numbers(out);
    return true;
}

/* Write the index-th text of the range, with a NUL.  0, -ENOENT: there are no more, or -errno. */
static int write_text(const struct range *r, size_t index, struct buf *out)
{
    out->len = 0;
    if (r->has_numbers)
        return r->from + index > r->to
                   ? -ENOENT
                   : buf_appendf(out, "%.*s%llu%s%c", (int)r->before_len, r->before,
                                 (unsigned long long)(r->from + index), r->after, '\0');
    const char *at = r->inner, *end = r->inner + r->inner_len;
    for (; index > 0; index--, at++) {
        at = memchr(at, ',', (size_t)(end - at));
        if (at == NULL)
            return -ENOENT;
    }
    const char *comma = memchr(at, ',', (size_t)(end - at));
    return buf_appendf(out, "%.*s%.*s%s%c", (int)r->before_len, r->before,
                       (int)((comma == NULL ? end : comma) - at), at, r->after, '\0');
}

/* Append from, with text wherever word stands, and a NUL.  0 or as buf_append(). */
static int append_replaced(struct buf *line, const char *from, const char *word, const char *text)
{
    size_t len = strlen(word);
    const char *found;
    int err = 0;
    for (; err == 0 && (found = strstr(from, word)) != NULL; from = found + len) {
        err = buf_append(line, from, (size_t)(found - from));
        if (err == 0)
            err = buf_append(line, text, strlen(text));
    }
    return err == 0 ? buf_append(line, from, strlen(from) + 1) : err;
}

/* Run the command argv with text in place of word.  Returns what it does, or -1. */
static int run_with(mtev_console_closure_t s, int argc, char **argv, const char *word,
                    const char *text)
{
    struct buf line;
    int result = -1, err = 0;
    char **words = alloc_zeroed((size_t)argc + 1, sizeof(*words));
    buf_init(&line, APPLY_LINE_BYTES_MAX);
    for (int i = 0; i < argc && err == 0; i++)
        err = append_replaced(&line, argv[i], word, text);
    if (words == NULL || err != 0) {
        nc_printf(s, "%s\n", err == -ENOSPC ? "the command becomes too long" : "out of memory");
    } else {
        char *at = line.bytes;
        for (int i = 0; i < argc; i++, at += strlen(at) + 1)
            words[i] = at;
        result = mtev_console_state_do(s, argc, words);
    }
    buf_free(&line);
    alloc_free(words);
    return result;
}

static int apply_each(mtev_console_closure_t s, const struct range *range, int argc, char **argv)
{
    int result = 0, err = 0;
    struct buf text;
    buf_init(&text, APPLY_LINE_BYTES_MAX);
    for (size_t i = 0; result == 0 && !s->must_end; i++) {
        err = write_text(range, i, &text);
        if (err == 0 && i == APPLY_TEXTS_MAX) {
            nc_printf(s, "the range has more than %d texts: the rest is left out\n",
                      APPLY_TEXTS_MAX);
            result = -1;
        }
        if (err != 0 || result != 0)
            break;
        result = run_with(s, argc - 2, argv + 2, argv[0], text.bytes);
        if (result != 0)
            nc_printf(s, "apply: stopped at %s\n", text.bytes);
    }
    if (err != 0 && err != -ENOENT) {
        nc_printf(s, "out of memory\n");
        result = -1;
    }
    buf_free(&text);
    return result;
}

static int apply(mtev_console_closure_t s, int argc, char **argv, mtev_console_state_t *state,
                 void *closure)
{
    struct range range;
    if (argc < 3 || argv[0][0] == '\0' || !read_range(argv[1], &range))
        return commands_expect(s, USAGE);
    if (s->is_applying) { /* else one line could run commands for years */
        nc_printf(s, "apply cannot be applied\n");
        return -1;
    }
    s->is_applying = true;
    int result = apply_each(s, &range, argc, argv);
    s->is_applying = false;
    return result;
}

static const struct command commands[] = {{{NULL}, "apply", apply, NULL, NULL}};

bool commands_add_apply(void)
{
    return commands_add(commands, sizeof(commands) / sizeof(commands[0]));
}
