/* SPDX-License-Identifier: MIT */
/*
 * Goal: what is put into the output comes out in order and within its limit, whoever waits for
 * room; nobody waits for a session that is over.
 * Method: put and take around the limit, and between threads.
 */
#include "harness.h"

#include "base/alloc.h"
#include "console/output_impl.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct output o;
static struct buf taken;
static char many[2 * OUTPUT_BYTES_MAX];

static int set_up(void **state)
{
    buf_init(&taken, OUTPUT_BYTES_MAX);
    memset(many, 'x', sizeof(many));
    return output_begin(&o);
}

static int tear_down(void **state)
{
    buf_free(&taken);
    close(o.wake_fd);
    output_end(&o);
    return 0;
}

static void assert_takes(const char *wanted, size_t len)
{
    output_take(&o, &taken);
    assert_int_equal(taken.len, len);
    assert_memory_equal(taken.bytes, wanted, len);
    taken.len = 0;
}

static bool is_awake(void)
{
    struct pollfd fd = {.fd = o.wake_fd, .events = POLLIN};
    return poll(&fd, 1, 0) == 1;
}

static void what_is_put_is_taken_in_order(void **state)
{
    assert_false(is_awake());
    assert_int_equal(output_put(&o, "one\n", 4, OUTPUT_TEXT, OUTPUT_WAIT), 4);
    assert_true(is_awake());
    assert_int_equal(output_put(&o, "two", 3, OUTPUT_RAW, OUTPUT_DROP), 3);
    assert_int_equal(output_put(&o, "", 0, OUTPUT_TEXT, OUTPUT_PART), 0);
    assert_takes("one\ntwo", 7);
}

static void telnet_has_new_lines_of_its_own(void **state)
{
    o.is_telnet = true;
    assert_int_equal(output_put(&o, "a\n\xff", 3, OUTPUT_TEXT, OUTPUT_WAIT), 3);
    assert_int_equal(output_put(&o, "b\n\xff", 3, OUTPUT_RAW, OUTPUT_WAIT), 3);
    assert_takes("a\r\n\xff\xff"
                 "b\n\xff",
                 8);
}

static void what_finds_no_room_is_left_out_and_told_of(void **state)
{
    assert_int_equal(output_put(&o, many, OUTPUT_BYTES_MAX - 1, OUTPUT_TEXT, OUTPUT_DROP),
                     OUTPUT_BYTES_MAX - 1);
    assert_int_equal(output_put(&o, "abc", 3, OUTPUT_TEXT, OUTPUT_DROP), 3);
    assert_int_equal(output_put(&o, "def", 3, OUTPUT_TEXT, OUTPUT_DROP), 3);
    output_take(&o, &taken);
    assert_int_equal(taken.len, OUTPUT_BYTES_MAX);
    assert_int_equal(taken.bytes[OUTPUT_BYTES_MAX - 1], 'a');
    taken.len = 0;
    assert_takes("\n[5 bytes were left out]\n", 25);
}

static void a_part_is_taken_where_the_caller_wants_that(void **state)
{
    assert_int_equal(output_put(&o, many, OUTPUT_BYTES_MAX + 1, OUTPUT_TEXT, OUTPUT_PART),
                     OUTPUT_BYTES_MAX);
    assert_int_equal(output_put(&o, many, 1, OUTPUT_TEXT, OUTPUT_PART), 0);
    output_take(&o, &taken);
    assert_int_equal(taken.len, OUTPUT_BYTES_MAX);
}

static void *put_many(void *closure)
{
    *(int64_t *)closure = output_put(&o, many, sizeof(many), OUTPUT_TEXT, OUTPUT_WAIT);
    return NULL;
}

static void a_thread_waits_for_room(void **state)
{
    pthread_t thread;
    int64_t put = 0;
    size_t count = 0;
    assert_int_equal(pthread_create(&thread, NULL, put_many, &put), 0);
    while (count < sizeof(many)) {
        uint64_t ignored;
        struct pollfd fd = {.fd = o.wake_fd, .events = POLLIN};
        assert_int_equal(poll(&fd, 1, -1), 1);
        assert_int_equal(read(o.wake_fd, &ignored, sizeof(ignored)), sizeof(ignored));
        output_take(&o, &taken);
        count += taken.len;
        taken.len = 0;
    }
    pthread_join(thread, NULL);
    assert_int_equal(put, sizeof(many));
}

static void nobody_waits_for_what_is_over(void **state)
{
    pthread_t thread;
    int64_t put = 0;
    struct pollfd fd = {.fd = o.wake_fd, .events = POLLIN};
    assert_int_equal(pthread_create(&thread, NULL, put_many, &put), 0);
    assert_int_equal(poll(&fd, 1, -1), 1);
    output_close(&o);
    pthread_join(thread, NULL);
    assert_int_equal(put, -EPIPE);
    assert_int_equal(output_put(&o, "x", 1, OUTPUT_TEXT, OUTPUT_DROP), -EPIPE);
    output_take(&o, &taken);
    assert_int_equal(taken.len, 0);
}

static void without_memory_it_says_so(void **state)
{
    alloc_fail_nth(1, 0);
    assert_int_equal(output_put(&o, "x", 1, OUTPUT_TEXT, OUTPUT_WAIT), -ENOMEM);
    alloc_fail_nth(0, 0);
    assert_int_equal(output_put(&o, "x", 1, OUTPUT_TEXT, OUTPUT_WAIT), 1);
    assert_takes("x", 1);
}

#define output_test(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

static const struct CMUnitTest tests[] = {
    output_test(what_is_put_is_taken_in_order),
    output_test(telnet_has_new_lines_of_its_own),
    output_test(what_finds_no_room_is_left_out_and_told_of),
    output_test(a_part_is_taken_where_the_caller_wants_that),
    output_test(a_thread_waits_for_room),
    output_test(nobody_waits_for_what_is_over),
    output_test(without_memory_it_says_so),
};

HARNESS_MAIN(tests)
