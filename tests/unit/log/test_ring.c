/* SPDX-License-Identifier: MIT */
/*
 * Goal: lines come out of a ring as they were put, in order, those of each thread too; what does
 * not fit is refused; a line that is being put holds up what is behind it and is skipped by a
 * process that dies.
 * Method: rings of the least size, filled again and again so that lines lie across the end.
 */
#include "harness.h"

#include "base/alloc.h"
#include "log/ring.h"
#include "random.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#define LINE_SIZE    4096
#define THREAD_COUNT 3
#define LINES_EACH   20000

static struct ring ring;

static int set_up(void **state)
{
    return ring_init(1, &ring);
}

static int tear_down(void **state)
{
    ring_free(&ring);
    return 0;
}

static int put(const char *line, size_t len)
{
    const struct ring_record record = {.key = len, .lost = (uint32_t)(len / 2), .len = len};
    return ring_put(&ring, &record, line);
}

static void lines_come_out_in_order(void **state)
{
    char line[LINE_SIZE];
    struct ring_record record;
    uint32_t seed = random_seed();
    uint64_t put_count = 0, taken = 0;
    assert_false(ring_peek(&ring, &record));
    while (taken < 20000) {
        for (uint32_t n = random_below(&seed, 50); n > 0; n--) {
            size_t len = (put_count * 7919) % (LINE_SIZE / 4);
            memset(line, (int)('a' + put_count % 26), len);
            if (put(line, len) != 0)
                break;
            put_count++;
        }
        for (uint32_t n = random_below(&seed, 50); n > 0 && ring_peek(&ring, &record); n--) {
            size_t len = (taken * 7919) % (LINE_SIZE / 4);
            assert_int_equal(record.len, len);
            assert_int_equal(record.key, len);
            assert_int_equal(record.lost, len / 2);
            ring_take(&ring, line);
            for (size_t i = 0; i < len; i++)
                assert_int_equal(line[i], 'a' + taken % 26);
            taken++;
        }
    }
}

static void what_does_not_fit_is_refused(void **state)
{
    static char line[RING_BYTES_MIN];
    struct ring_record record;
    assert_int_equal(put(line, RING_BYTES_MIN - 15), -ENOBUFS);
    assert_int_equal(put(line, RING_BYTES_MIN - 16), 0);
    assert_int_equal(ring_used(&ring), RING_BYTES_MIN);
    assert_int_equal(put(line, 0), -ENOBUFS);
    assert_true(ring_peek(&ring, &record));
    ring_take(&ring, NULL);
    assert_int_equal(ring_used(&ring), 0);
    assert_int_equal(put(line, RING_BYTES_MIN - 17), 0);
    ring_clear(&ring);
    assert_false(ring_peek(&ring, &record));
    assert_int_equal(put(line, 0), 0);
}

static void no_ring_takes_nothing(void **state)
{
    static struct ring none;
    struct ring_record record;
    assert_int_equal(ring_put(&none, &(struct ring_record){.len = 1}, "x"), -ENOBUFS);
    assert_false(ring_peek(&none, &record));
    assert_false(ring_skip(&none));
    ring_clear(&none);
    ring_free(&none);
}

static void sizes_are_rounded_up(void **state)
{
    struct ring other;
    assert_int_equal(ring_init(RING_BYTES_MIN + 1, &other), 0);
    assert_int_equal(other.size, 2 * RING_BYTES_MIN);
    ring_free(&other);
    assert_int_equal(ring_init(RING_BYTES_MIN, &other), 0);
    assert_int_equal(other.size, RING_BYTES_MIN);
    ring_free(&other);
    alloc_fail_nth(1, 0);
    int err = ring_init(1, &other);
    alloc_fail_nth(0, 0);
    assert_int_equal(err, -ENOMEM);
}

static void a_line_that_is_half_put_is_skipped_on_demand(void **state)
{
    char line[8] = "";
    struct ring_record record;
    /* What ring_put() leaves when its thread is stopped in the middle. */
    *(uint32_t *)(void *)ring.bytes = 5 | UINT32_C(1) << 30;
    atomic_store(&ring.tail, 32);
    assert_int_equal(put("next", 4), 0);
    assert_false(ring_peek(&ring, &record));
    assert_true(ring_skip(&ring));
    assert_false(ring_skip(&ring));
    assert_true(ring_peek(&ring, &record));
    ring_take(&ring, line);
    assert_string_equal(line, "next");
}

static void *put_many(void *number)
{
    char line[64];
    for (int i = 0; i < LINES_EACH; i++) {
        int len = snprintf(line, sizeof(line), "%d %d", *(int *)number, i);
        while (put(line, (size_t)len + 1) != 0)
            sched_yield();
    }
    return NULL;
}

static void each_threads_lines_stay_in_order(void **state)
{
    pthread_t threads[THREAD_COUNT];
    int numbers[THREAD_COUNT], next[THREAD_COUNT] = {0};
    for (int i = 0; i < THREAD_COUNT; i++) {
        numbers[i] = i;
        assert_int_equal(pthread_create(&threads[i], NULL, put_many, &numbers[i]), 0);
    }
    for (int taken = 0; taken < THREAD_COUNT * LINES_EACH;) {
        char line[64];
        struct ring_record record;
        int thread, number;
        if (!ring_peek(&ring, &record)) {
            sched_yield();
            continue;
        }
        ring_take(&ring, line);
        taken++;
        assert_int_equal(sscanf(line, "%d %d", &thread, &number), 2);
        assert_int_equal(number, next[thread]++);
    }
    for (int i = 0; i < THREAD_COUNT; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(ring_used(&ring), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static const struct CMUnitTest tests[] = {
    TEST(lines_come_out_in_order),
    TEST(what_does_not_fit_is_refused),
    TEST(no_ring_takes_nothing),
    TEST(sizes_are_rounded_up),
    TEST(a_line_that_is_half_put_is_skipped_on_demand),
    TEST(each_threads_lines_stay_in_order),
};
HARNESS_MAIN(tests)
