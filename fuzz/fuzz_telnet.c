/* SPDX-License-Identifier: MIT */
/*
 * Goal: no run of bytes makes the telnet parser or the line editor behind it write or read outside
 * of a line, answer without end, or lose or invent a byte of data.
 * Method: each input is taken as what a peer sends, key by key, and then as data that is sent as
 * telnet wants it, which comes out as it was.
 */
#include "fuzz.h"

#include "console/edit.h"
#include "console/telnet.h"

#define ANSWERS_MAX   (256 * 2 * 3 + 3) /* to options, each refused once in either direction */
#define SHOWN_KEY_MAX (2 * EDIT_LINE_MAX + 64)

static const char *const past[] = {"", "a line of before", "\xc3\xa9t\xc3\xa9 \xff\x80"};

/* What a session does with a key. */
static void take_key(struct edit *e, unsigned char key, unsigned count, struct buf *shown)
{
    switch (edit_take(e, key, shown)) {
    case EDIT_LINE:
    case EDIT_INTERRUPT:
    case EDIT_END:
        edit_begin(e, "test# ", shown);
        break;
    case EDIT_COMPLETE:
        edit_insert(e, "completed", 9, shown);
        break;
    case EDIT_OLDER:
    case EDIT_NEWER:
        edit_replace(e, past[count % 3], shown);
        break;
    case EDIT_NOTHING:
    default:
        break;
    }
    REQUIRE(e->at <= e->len && e->len <= EDIT_LINE_MAX);
    REQUIRE(strlen(e->line) == e->len);
    REQUIRE(shown->len <= SHOWN_KEY_MAX);
    shown->len = 0;
}

static void take_as_sent(const uint8_t *data, size_t size)
{
    struct telnet t = {.state = TELNET_DATA};
    static struct edit e;
    struct buf answers, shown;
    size_t asked = 0; /* are you there? each time */
    buf_init(&answers, SIZE_MAX / 2);
    buf_init(&shown, SIZE_MAX / 2);
    REQUIRE(telnet_begin(&t, &answers) == 0);
    answers.len = 0;
    memset(&e, 0, sizeof(e));
    edit_begin(&e, "test# ", &shown);
    for (size_t i = 0; i < size; i++) {
        int key = telnet_take(&t, data[i], &answers);
        REQUIRE(key >= -1 && key <= UINT8_MAX);
        asked += data[i] == 246; /* at most */
        e.width = t.width;
        if (key >= 0)
            take_key(&e, (unsigned char)key, (unsigned)i, &shown);
    }
    REQUIRE(answers.len <= ANSWERS_MAX + 9 * asked);
    buf_free(&answers);
    buf_free(&shown);
}

static void take_as_data(const uint8_t *data, size_t size)
{
    struct telnet t = {.state = TELNET_DATA};
    struct buf answers;
    buf_init(&answers, SIZE_MAX / 2);
    for (size_t i = 0; i < size; i++) {
        bool is_return = data[i] == '\r', is_command = data[i] == 255;
        int first = telnet_take(&t, data[i], &answers);
        REQUIRE(first == (is_return ? '\n' : is_command ? -1 : data[i]));
        if (is_return)
            REQUIRE(telnet_take(&t, '\0', &answers) == -1);
        if (is_command)
            REQUIRE(telnet_take(&t, 255, &answers) == 255);
    }
    REQUIRE(answers.len == 0);
    buf_free(&answers);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    take_as_sent(data, size);
    take_as_data(data, size);
    return 0;
}
