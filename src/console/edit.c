/* SPDX-License-Identifier: MIT */
#include "console/edit.h"

#include <stdint.h>
#include <string.h>

#define CTRL(letter) ((letter)-64)
#define ESC          27
#define DEL          127

#define EDIT_WIDTH_DEFAULT 80
#define EDIT_WIDTH_MIN     20 /* a terminal that says it is narrower is not believed */

/* ---- characters: UTF-8, each one column ------------------------------------------ */

static bool is_continuation(char byte)
{
    return ((unsigned char)byte & 0xc0) == 0x80;
}

static size_t before(const struct edit *e, size_t at)
{
    while (at > 0 && is_continuation(e->line[--at]))
        ;
    return at;
}

static size_t after(const struct edit *e, size_t at)
{
    while (at < e->len && is_continuation(e->line[++at]))
        ;
    return at;
}

static size_t columns(const char *text, size_t len)
{
    size_t count = 0;
    for (size_t i = 0; i < len; i++)
        count += !is_continuation(text[i]);
    return count;
}

/* ---- what is shown --------------------------------------------------------------- */

/* The columns that the line may take behind the prompt; one is left for the cursor. */
static size_t room(const struct edit *e)
{
    size_t width = e->width >= EDIT_WIDTH_MIN ? e->width : EDIT_WIDTH_DEFAULT;
    size_t prompt = columns(e->prompt, strlen(e->prompt));
    return prompt + EDIT_WIDTH_MIN / 2 < width ? width - prompt - 1 : EDIT_WIDTH_MIN / 2;
}

void edit_show(const struct edit *e, struct buf *out)
{
    size_t from = 0, until = e->at, space = room(e);
    size_t before_cursor = columns(e->line, e->at), behind = 0;
    for (; before_cursor > space; before_cursor--)
        from = after(e, from);
    for (; before_cursor + behind < space && until < e->len; behind++)
        until = after(e, until);
    (void)buf_appendf(out, "\r%s%.*s\033[K", e->prompt, (int)(until - from), e->line + from);
    if (behind > 0)
        (void)buf_appendf(out, "\033[%zuD", behind);
}

void edit_begin(struct edit *e, const char *prompt, struct buf *out)
{
    e->len = e->at = 0;
    e->line[0] = '\0';
    e->escape = 0;
    e->prompt = prompt;
    edit_show(e, out);
}

/* ---- changes --------------------------------------------------------------------- */

void edit_insert(struct edit *e, const char *text, size_t len, struct buf *out)
{
    if (len > EDIT_LINE_MAX - e->len)
        return;
    bool is_simple = e->at == e->len && columns(e->line, e->len) + len <= room(e);
    memmove(e->line + e->at + len, e->line + e->at, e->len - e->at + 1);
    memcpy(e->line + e->at, text, len);
    e->len += len;
    e->at += len;
    if (is_simple)
        (void)buf_append(out, text, len);
    else
        edit_show(e, out);
}

void edit_replace(struct edit *e, const char *text, struct buf *out)
{
    e->len = e->at = strnlen(text, EDIT_LINE_MAX);
    memcpy(e->line, text, e->len);
    e->line[e->len] = '\0';
    edit_show(e, out);
}

/* Take out the bytes [from, until), where the cursor is from then on. */
static void cut(struct edit *e, size_t from, size_t until, struct buf *out)
{
    if (from == until)
        return;
    memmove(e->line + from, e->line + until, e->len - until + 1);
    e->len -= until - from;
    e->at = from;
    edit_show(e, out);
}

static void move(struct edit *e, size_t to, struct buf *out)
{
    if (to == e->at)
        return;
    e->at = to;
    edit_show(e, out);
}

static size_t word_before(const struct edit *e)
{
    size_t at = e->at;
    while (at > 0 && e->line[at - 1] == ' ')
        at--;
    while (at > 0 && e->line[at - 1] != ' ')
        at--;
    return at;
}

/* ---- keys ------------------------------------------------------------------------ */

static enum edit_event end_line(struct edit *e, enum edit_event event, struct buf *out)
{
    (void)buf_append(out, event == EDIT_INTERRUPT ? "^C\n" : "\n", event == EDIT_INTERRUPT ? 3 : 1);
    if (event != EDIT_LINE) {
        e->len = e->at = 0;
        e->line[0] = '\0';
    }
    return event;
}

static enum edit_event take_control(struct edit *e, unsigned char byte, struct buf *out)
{
    switch (byte) {
    case '\n':
    case '\r':
        return end_line(e, EDIT_LINE, out);
    case CTRL('C'):
        return end_line(e, EDIT_INTERRUPT, out);
    case CTRL('D'):
        if (e->len == 0)
            return end_line(e, EDIT_END, out);
        cut(e, e->at, after(e, e->at), out);
        break;
    case '\t':
        return EDIT_COMPLETE;
    case CTRL('P'):
        return EDIT_OLDER;
    case CTRL('N'):
        return EDIT_NEWER;
    case CTRL('A'):
        move(e, 0, out);
        break;
    case CTRL('E'):
        move(e, e->len, out);
        break;
    case CTRL('B'):
        move(e, before(e, e->at), out);
        break;
    case CTRL('F'):
        move(e, after(e, e->at), out);
        break;
    case CTRL('H'):
    case DEL:
        cut(e, before(e, e->at), e->at, out);
        break;
    case CTRL('K'):
        cut(e, e->at, e->len, out);
        break;
    case CTRL('U'):
        cut(e, 0, e->at, out);
        break;
    case CTRL('W'):
        cut(e, word_before(e), e->at, out);
        break;
    case CTRL('L'):
        (void)buf_append(out, "\033[H\033[2J", 7);
        edit_show(e, out);
        break;
    case ESC:
        e->escape = 1;
        break;
    default:
        break;
    }
    return EDIT_NOTHING;
}

/* The key whose sequence ends with that byte, as the control character that does the same. */
static unsigned char meaning_of(unsigned char last, unsigned parameter)
{
    switch (last) {
    case 'A':
        return CTRL('P');
    case 'B':
        return CTRL('N');
    case 'C':
        return CTRL('F');
    case 'D':
        return CTRL('B');
    case 'H':
        return CTRL('A');
    case 'F':
        return CTRL('E');
    case '~':
        return parameter == 1 ? CTRL('A') : parameter == 4 ? CTRL('E') : 0;
    default:
        return 0;
    }
}

/* A byte behind ESC: ESC [ A, ESC O A, ESC [ 3 ~; what is none of a key is dropped. */
static enum edit_event take_escape(struct edit *e, unsigned char byte, struct buf *out)
{
    if (e->escape == 1) {
        e->parameter = 0;
        e->escape = byte == '[' || byte == 'O' ? 2 : 0;
        return EDIT_NOTHING;
    }
    if (byte >= '0' && byte <= '?') { /* digits, and what may stand between them */
        e->parameter = byte <= '9' ? byte - '0' : 0;
        return EDIT_NOTHING;
    }
    e->escape = 0;
    if (byte == '~' && e->parameter == 3) {
        cut(e, e->at, after(e, e->at), out);
        return EDIT_NOTHING;
    }
    unsigned char key = meaning_of(byte, e->parameter);
    return key == 0 ? EDIT_NOTHING : take_control(e, key, out);
}

enum edit_event edit_take(struct edit *e, unsigned char byte, struct buf *out)
{
    if (e->escape > 0)
        return take_escape(e, byte, out);
    if (byte < ' ' || byte == DEL)
        return take_control(e, byte, out);
    const char text = (char)byte;
    edit_insert(e, &text, 1, out);
    return EDIT_NOTHING;
}
