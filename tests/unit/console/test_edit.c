/* SPDX-License-Identifier: MIT */
/*
 * Goal: each key does to the line what it does everywhere, and the terminal shows the line and its
 * cursor as they are.
 * Method: keys are typed, and a terminal of one row reads what is sent and draws it; random keys.
 */
#include "harness.h"
#include "tools.h"

#include "base/alloc.h"
#include "console/edit.h"

#include <mtev_rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/param.h>

/* ---- a terminal of one row -------------------------------------------------------- */

#define ROW_MAX 8192

static char row[ROW_MAX]; /* of one byte a column: UTF-8 is looked at by its first bytes */
static size_t column, most_columns;

static void draw(const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (bytes[i] == '\r') {
            column = 0;
        } else if (bytes[i] == '\n') {
            column = 0;
            memset(row, 0, sizeof(row));
        } else if (bytes[i] == '\033') {
            assert_int_equal(bytes[++i], '[');
            unsigned long number = 1;
            if (bytes[i + 1] >= '0' && bytes[i + 1] <= '9') {
                char *end;
                number = strtoul(bytes + i + 1, &end, 10);
                i = (size_t)(end - bytes) - 1;
            }
            switch (bytes[++i]) {
            case 'K':
                memset(row + column, 0, sizeof(row) - column);
                break;
            case 'D':
                assert_true(number <= column);
                column -= number;
                break;
            case 'H':
                column = 0;
                break;
            case 'J':
                memset(row, 0, sizeof(row));
                break;
            default:
                fail_msg("the terminal does not know ESC [ %c", bytes[i]);
            }
        } else if (((unsigned char)bytes[i] & 0xc0) != 0x80) {
            assert_true(column < ROW_MAX - 1);
            row[column++] = bytes[i];
            most_columns = MAX(most_columns, column);
        }
    }
}

/* ---- typing ----------------------------------------------------------------------- */

static struct edit e;
static struct buf out;
static enum edit_event event;

static void begin(void)
{
    edit_begin(&e, "> ", &out);
    draw(out.bytes, out.len);
    out.len = 0;
}

static int set_up(void **state)
{
    memset(row, 0, sizeof(row));
    column = most_columns = 0;
    memset(&e, 0, sizeof(e));
    buf_init(&out, 1000000);
    begin();
    return 0;
}

static int tear_down(void **state)
{
    buf_free(&out);
    return 0;
}

static void type(const char *keys)
{
    for (; *keys != '\0'; keys++) {
        event = edit_take(&e, (unsigned char)*keys, &out);
        if (out.len > 0)
            draw(out.bytes, out.len);
        out.len = 0;
    }
}

/* Assert that the line is before and after, with the cursor between them, and so is the row. */
static void assert_line(const char *before, const char *after)
{
    char whole[EDIT_LINE_MAX + 8];
    snprintf(whole, sizeof(whole), "%s%s", before, after);
    assert_string_equal(e.line, whole);
    assert_int_equal(e.at, strlen(before));
    assert_int_equal(e.len, strlen(whole));
    snprintf(whole, sizeof(whole), "> %s%s", before, after);
    assert_string_equal(row, whole);
    assert_int_equal(column, 2 + strlen(before));
}

#define UP    "\033[A"
#define DOWN  "\033[B"
#define RIGHT "\033[C"
#define LEFT  "\033[D"

static void text_is_typed_and_corrected(void **state)
{
    type("show vers");
    assert_line("show vers", "");
    type(LEFT LEFT LEFT "x");
    assert_line("show vx", "ers");
    type("\b");
    assert_line("show v", "ers");
    type("\x7f" RIGHT);
    assert_line("show e", "rs");
    type("\033[3~");
    assert_line("show e", "s");
    type("\004");
    assert_line("show e", "");
    type("\004\033[3~" RIGHT); /* nothing is behind the cursor */
    assert_line("show e", "");
}

static void the_cursor_jumps_to_either_end(void **state)
{
    static const char *const to_begin[] = {"\001", "\033[H", "\033OH", "\033[1~"};
    static const char *const to_end[] = {"\005", "\033[F", "\033OF", "\033[4~"};
    type("abc");
    for (size_t i = 0; i < 4; i++) {
        type(to_begin[i]);
        assert_line("", "abc");
        type(LEFT "\b");
        assert_line("", "abc");
        type(to_end[i]);
        assert_line("abc", "");
    }
    type("\002\002");
    assert_line("a", "bc");
    type("\006");
    assert_line("ab", "c");
}

static void words_and_ends_are_cut(void **state)
{
    type("one two  \027");
    assert_line("one ", "");
    type("\027\027");
    assert_line("", "");
    type("one two" LEFT LEFT "\013");
    assert_line("one t", "");
    type(LEFT "\025");
    assert_line("", "t");
    type("\014");
    assert_line("", "t");
}

static void a_line_ends_in_one_of_three_ways(void **state)
{
    type("abc\n");
    assert_int_equal(event, EDIT_LINE);
    assert_string_equal(e.line, "abc");
    edit_begin(&e, "> ", &out);
    type("abc\003");
    assert_int_equal(event, EDIT_INTERRUPT);
    assert_string_equal(e.line, "");
    type("\004");
    assert_int_equal(event, EDIT_END);
    type("\r");
    assert_int_equal(event, EDIT_LINE);
}

static void some_keys_are_for_the_caller(void **state)
{
    static const struct {
        const char *key;
        enum edit_event event;
    } cases[] = {{"\t", EDIT_COMPLETE}, {UP, EDIT_OLDER},     {"\020", EDIT_OLDER},
                 {DOWN, EDIT_NEWER},    {"\016", EDIT_NEWER}, {"\033OA", EDIT_OLDER}};
    type("abc");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        type(cases[i].key);
        assert_int_equal(event, cases[i].event);
        assert_line("abc", "");
    }
    edit_insert(&e, "def", 3, &out);
    edit_replace(&e, "another", &out);
    draw(out.bytes, out.len);
    assert_line("another", "");
}

static void unknown_keys_are_none(void **state)
{
    type("ab\033[5~\033[Z\033x\033[1;5C\033[99;99;99H\007\032");
    assert_string_equal(e.line, "ab"); /* a key with a modifier is the key */
    type("c");
    assert_string_equal(e.line, "cab");
}

static void a_character_may_be_several_bytes(void **state)
{
    type("a\xc3\xb6\xe2\x82\xac" LEFT);
    assert_int_equal(e.at, 3);
    assert_int_equal(column, 4);
    type("\b");
    assert_string_equal(e.line, "a\xe2\x82\xac");
    type("\004");
    assert_string_equal(e.line, "a");
    assert_int_equal(column, 3);
}

static void a_line_has_a_most(void **state)
{
    for (size_t i = 0; i < EDIT_LINE_MAX + 10; i++) {
        type("x");
        assert_int_equal(e.len, MIN(i + 1, EDIT_LINE_MAX));
    }
    assert_int_equal(strlen(e.line), EDIT_LINE_MAX);
    type("\b");
    edit_insert(&e, "yz", 2, &out);
    assert_int_equal(e.len, EDIT_LINE_MAX - 1);
    edit_insert(&e, "y", 1, &out);
    assert_int_equal(e.len, EDIT_LINE_MAX);
    static char text[EDIT_LINE_MAX + 2];
    memset(text, 'z', EDIT_LINE_MAX + 1);
    edit_replace(&e, text, &out);
    assert_int_equal(strlen(e.line), EDIT_LINE_MAX);
}

static void a_line_wider_than_the_terminal_scrolls(void **state)
{
    e.width = 40;
    for (char digit = 'a'; digit <= 'z'; digit++)
        type((const char[]){digit, digit, '\0'});
    assert_int_equal(e.len, 52);
    assert_string_equal(row, "> hiijjkkllmmnnooppqqrrssttuuvvwwxxyyzz");
    type("\001");
    assert_string_equal(row, "> aabbccddeeffgghhiijjkkllmmnnooppqqrrs");
    assert_int_equal(column, 2);
    assert_int_equal(most_columns, 39);
}

static void whatever_is_typed_is_shown(void **state)
{
    static const char keys[] = "\1\2\4\5\6\b\13\25\27\33[ADCH3~xyz   \xc3\xb6";
    for (int round = 0; round < 200 / TOOLS_SLOWNESS; round++) {
        e.width = (unsigned)(mtev_rand() % 100);
        for (int i = 0; i < 300; i++) {
            type((const char[]){keys[mtev_rand() % (sizeof(keys) - 1)], '\0'});
            if (event == EDIT_END)
                begin();
        }
        assert_true(e.at <= e.len && e.len <= EDIT_LINE_MAX);
        assert_int_equal(strlen(e.line), e.len);
        e.escape = 0;
        type("\014"); /* drawn anew it is the same */
        char seen[ROW_MAX];
        memcpy(seen, row, sizeof(seen));
        size_t was = column;
        edit_show(&e, &out);
        draw(out.bytes, out.len);
        out.len = 0;
        assert_memory_equal(seen, row, sizeof(seen));
        assert_int_equal(was, column);
        e.escape = 0;
        type("\003");
        begin();
    }
}

static void without_memory_the_line_is_the_same(void **state)
{
    buf_free(&out);
    alloc_fail_nth(1, 1);
    type("abc" LEFT "x");
    alloc_fail_nth(0, 0);
    assert_string_equal(e.line, "abxc");
}

#define edit_test(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

static const struct CMUnitTest tests[] = {
    edit_test(text_is_typed_and_corrected),
    edit_test(the_cursor_jumps_to_either_end),
    edit_test(words_and_ends_are_cut),
    edit_test(a_line_ends_in_one_of_three_ways),
    edit_test(some_keys_are_for_the_caller),
    edit_test(unknown_keys_are_none),
    edit_test(a_character_may_be_several_bytes),
    edit_test(a_line_has_a_most),
    edit_test(a_line_wider_than_the_terminal_scrolls),
    edit_test(whatever_is_typed_is_shown),
    edit_test(without_memory_the_line_is_the_same),
};

HARNESS_MAIN(tests)
