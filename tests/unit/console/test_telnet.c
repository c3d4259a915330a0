/* SPDX-License-Identifier: MIT */
/*
 * Goal: data and commands of telnet are told apart, options are agreed on, and nobody can make us
 * answer without end.
 * Method: bytes as RFC 854 and its kin have them, in every kind of order; random bytes.
 */
#include "harness.h"

#include "base/alloc.h"
#include "console/telnet.h"

#include <mtev_rand.h>
#include <string.h>

#define IAC  "\xff"
#define DONT "\xfe"
#define DO   "\xfd"
#define WONT "\xfc"
#define WILL "\xfb"
#define SB   "\xfa"
#define SE   "\xf0"

/* Take the len bytes at text; what is data goes to data, NUL-terminated. */
static void take(struct telnet *t, const char *text, size_t len, char *data, struct buf *out)
{
    for (size_t i = 0; i < len; i++) {
        int byte = telnet_take(t, (uint8_t)text[i], out);
        if (byte >= 0)
            *data++ = (char)byte;
    }
    *data = '\0';
}

/* The literal text, in which a NUL may stand, is taken as the data wanted, with the answer. */
#define assert_taken(text, wanted, answer)                                                         \
    do {                                                                                           \
        char data_[256];                                                                           \
        take(&t, (text), sizeof(text) - 1, data_, &out);                                           \
        assert_string_equal(data_, wanted);                                                        \
        assert_int_equal(out.len, sizeof(answer) - 1);                                             \
        if (out.len > 0)                                                                           \
            assert_memory_equal(out.bytes, (answer), out.len);                                     \
        out.len = 0;                                                                               \
    } while (0)

static struct telnet t;
static struct buf out;

static int set_up(void **state)
{
    t = (struct telnet){.state = TELNET_DATA};
    buf_init(&out, 100000);
    return 0;
}

static int tear_down(void **state)
{
    buf_free(&out);
    return 0;
}

static void it_begins_with_what_it_offers_and_asks_for(void **state)
{
    assert_int_equal(telnet_begin(&t, &out), 0);
    assert_taken("", "", IAC WILL "\1" IAC WILL "\3" IAC DO "\x1f");
    assert_true(t.echoes);
    assert_taken(IAC DO "\1" IAC DO "\3" IAC WILL "\x1f", "", ""); /* that is the answer */
    assert_true(t.echoes);
    alloc_fail_nth(1, 1);
    buf_free(&out);
    assert_int_not_equal(telnet_begin(&t, &out), 0);
    alloc_fail_nth(0, 0);
}

static void each_kind_of_new_line_is_one(void **state)
{
    assert_taken("a\r\nb\r\0c\nd\re", "a\nb\nc\nd\ne", "");
    assert_taken("\r\r\n\n", "\n\n\n", "");
    assert_taken("\r" IAC "\xf1\n", "\n\n", ""); /* a command between them */
}

static void a_byte_of_255_is_doubled(void **state)
{
    assert_taken("a" IAC IAC "b", "a" IAC "b", "");
}

static void commands_become_keys(void **state)
{
    assert_taken("a" IAC "\xf4" IAC "\xf7" IAC "\xf8"
                 "b",
                 "a\3\x08\x15"
                 "b",
                 "");
    assert_taken(IAC "\xf6", "", "\r\n[yes]\r\n");
    assert_taken(IAC "\xf1" IAC "\xf2" IAC "\xf9x", "x", "");
}

static void the_window_has_a_size(void **state)
{
    assert_taken(IAC SB "\x1f\0\x50\0\x18" IAC SE "x", "x", "");
    assert_int_equal(t.width, 80);
    assert_int_equal(t.height, 24);
    assert_taken(IAC SB "\x1f\1" IAC IAC "\0\x19" IAC SE, "", ""); /* 255 is doubled here, too */
    assert_int_equal(t.width, 511);
    assert_int_equal(t.height, 25);
    assert_taken(IAC SB "\x1f\0\1\0" IAC SE, "", ""); /* one byte short */
    assert_taken(IAC SB "\x1f\0\1\0\1\1" IAC SE, "", "");
    assert_taken(IAC SB "\x18\0\1\0\1" IAC SE, "", ""); /* of another option */
    assert_int_equal(t.width, 511);
    assert_taken(IAC SB "0123456789012345678901234567890123456789" IAC SE "x", "x", "");
}

static void unknown_options_are_refused_and_only_once(void **state)
{
    assert_taken(IAC DO "\x18" IAC DO "\x18", "", IAC WONT "\x18");
    assert_taken(IAC WILL "\x18" IAC WILL "\x18", "", IAC DONT "\x18");
    assert_taken(IAC DO "\xff" IAC DO "\0", "", IAC WONT "\xff" IAC WONT "\0");
    assert_taken(IAC WONT "\x20" IAC DONT "\x20", "", "");
}

static void who_does_not_want_an_echo_gets_none(void **state)
{
    t.echoes = true;
    assert_taken(IAC DONT "\1" IAC DONT "\1", "", IAC WONT "\1");
    assert_false(t.echoes);
}

static void answers_to_anything_are_bounded(void **state)
{
    size_t answered = 0, refused = 0, asked_for_life = 0;
    for (int i = 0; i < 1000000; i++) {
        uint8_t byte = (uint8_t)mtev_rand();
        if (byte < 40)
            byte = 255; /* so that there are many commands */
        int data = telnet_take(&t, byte, &out);
        assert_in_range(data + 1, 0, 256);
        if (out.len == 9)
            asked_for_life++; /* each is a question of its own */
        else
            answered += out.len;
        out.len = 0;
    }
    for (size_t i = 0; i < 32; i++)
        refused += (size_t)__builtin_popcount(t.refused_do[i]) +
                   (size_t)__builtin_popcount(t.refused_will[i]);
    assert_int_equal(answered, refused * 3);
    assert_in_range(refused, 1, 512);
    assert_true(asked_for_life > 0);
}

static void without_memory_the_answer_is_left_out(void **state)
{
    alloc_fail_nth(1, 1);
    assert_taken(IAC DO "\x18x", "x", "");
    alloc_fail_nth(0, 0);
}

#define telnet_test(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

static const struct CMUnitTest tests[] = {
    telnet_test(it_begins_with_what_it_offers_and_asks_for),
    telnet_test(each_kind_of_new_line_is_one),
    telnet_test(a_byte_of_255_is_doubled),
    telnet_test(commands_become_keys),
    telnet_test(the_window_has_a_size),
    telnet_test(unknown_options_are_refused_and_only_once),
    telnet_test(who_does_not_want_an_echo_gets_none),
    telnet_test(answers_to_anything_are_bounded),
    telnet_test(without_memory_the_answer_is_left_out),
};

HARNESS_MAIN(tests)
