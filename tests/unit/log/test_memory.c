/* SPDX-License-Identifier: MIT */
/*
 * Goal: memory keeps the newest lines, as many and as long as it was told, in order, through every
 * wrap; and streams of that type give them back, also to who logs meanwhile.
 * Method: random lengths beside a list of what must be there; a stream.
 */
#include "said.h"

#include "log/log.h"
#include "log/memory.h"
#include "random.h"

#include "base/alloc.h"

#include <errno.h>

#define LINES 10
#define BYTES 100
#define MANY  5000

static void the_newest_lines_are_kept(void **state)
{
    static size_t lens[MANY];
    struct memory *m = NULL;
    uint32_t seed = random_seed();
    const struct memory_range all = {.end = UINT64_MAX, .count = LINES};
    char text[2 * BYTES];
    assert_int_equal(memory_new(LINES, BYTES, &m), 0);
    for (uint64_t n = 0; n < MANY; n++) {
        struct memory_line *lines = NULL;
        char *bytes = NULL;
        const struct timeval when = {.tv_sec = (time_t)n};
        lens[n] = random_below(&seed, n % 100 == 0 ? 2 * BYTES : 30);
        memset(text, (int)('a' + n % 26), sizeof(text));
        memory_add(m, &when, text, lens[n]);
        int64_t count = memory_copy(m, &all, &lines, &bytes);
        assert_in_range(count, 1, LINES);
        for (int64_t i = 0; i < count; i++) {
            uint64_t index = n - (uint64_t)(count - 1 - i);
            assert_int_equal(lines[i].index, index);
            assert_int_equal(lines[i].when.tv_sec, index);
            assert_int_equal(lines[i].len, MIN(lens[index], BYTES));
            for (size_t k = 0; k < lines[i].len; k++)
                assert_int_equal(bytes[lines[i].start + k], 'a' + index % 26);
        }
        alloc_free(lines);
        alloc_free(bytes);
    }
    memory_free(m);
}

static char gathered[1024];

static int gather(uint64_t index, const struct timeval *when, const char *text, size_t len,
                  void *closure)
{
    int *left = closure;
    snprintf(gathered + strlen(gathered), sizeof(gathered) - strlen(gathered), "%d:%.*s",
             (int)index, (int)len, text);
    mtevL(mtev_log_stream_find("ring"), "said while looking\n");
    return --*left == 0;
}

static void a_stream_gives_its_lines_back(void **state)
{
    int left = 100;
    mtev_log_stream_t ring = mtev_log_stream_new("ring", "memory", "3,100", NULL, NULL);
    assert_non_null(ring);
    for (int i = 0; i < 5; i++)
        mtevL(ring, "line %d\n", i);
    gathered[0] = '\0';
    assert_int_equal(mtev_log_memory_lines(ring, 2, gather, &left), 2);
    assert_string_equal(gathered, "3:line 3\n4:line 4\n");
    gathered[0] = '\0';
    left = 1;
    assert_int_equal(mtev_log_memory_lines_since(ring, 4, gather, &left), 1);
    assert_string_equal(gathered, "5:said while looking\n");
    assert_int_equal(mtev_log_memory_lines_since(ring, UINT64_MAX, gather, &left), 0);
    gathered[0] = '\0';
    left = 100;
    assert_int_equal(mtev_log_memory_lines(ring, 0, gather, &left), 3);
    assert_int_equal(mtev_log_stream_set_format(ring, MTEV_LOG_FORMAT_JSON), 0);
    mtev_log_stream_close(ring);
    assert_int_equal(mtev_log_memory_lines(ring, 1, gather, &left), -1);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(mtev_log_memory_lines(NULL, 1, gather, &left), -1);
}

static void lines_are_found_by_their_indices(void **state)
{
    uint64_t first = 7, end = 7;
    int left = 100;
    mtev_log_stream_t empty = mtev_log_stream_new("empty ring", "memory", "3,100", NULL, NULL);
    mtev_log_stream_t kept = mtev_log_stream_new("kept ring", "memory", "3,100", NULL, NULL);
    mtev_log_stream_close(mtev_log_stream_new("ring", "memory", "3,100", NULL, NULL));
    assert_int_equal(log_memory_span(empty, &first, &end), 0);
    assert_int_equal(first, 0);
    assert_int_equal(end, 0);
    for (int i = 0; i < 5; i++)
        mtevL(kept, "%d.", i);
    assert_int_equal(log_memory_span(kept, &first, &end), 0);
    assert_int_equal(first, 2);
    assert_int_equal(end, 5);
    gathered[0] = '\0';
    assert_int_equal(log_memory_lines_between(kept, 0, 4, gather, &left), 2);
    assert_int_equal(log_memory_lines_between(kept, 4, UINT64_MAX, gather, &left), 1);
    assert_string_equal(gathered, "2:2.3:3.4:4.");
    assert_int_equal(log_memory_lines_between(kept, 0, 2, gather, &left), 0);
    assert_int_equal(log_memory_lines_between(kept, 5, 9, gather, &left), 0);
    assert_int_equal(log_memory_lines_between(kept, 4, 3, gather, &left), 0);
    assert_int_equal(log_memory_span(mtev_error, &first, &end), -EINVAL);
    mtev_log_stream_close(empty);
    mtev_log_stream_close(kept);
}

static void sizes_that_are_none_are_refused(void **state)
{
    static const char *const paths[] = {"",     "10",    "0,1",       "1,0",         "x,1",
                                        "1,1x", "1,1,1", "1000001,1", "1,1073741825"};
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        assert_null(mtev_log_stream_new("no ring", "memory", paths[i], NULL, NULL));
        assert_int_equal(errno, EINVAL);
    }
    assert_non_null(mtev_log_stream_new("least ring", "memory", "1,1", NULL, NULL));
    mtev_log_stream_close(mtev_log_stream_find("least ring"));
    assert_non_null(mtev_log_stream_new("most lines", "memory", "1000000,1", NULL, NULL));
    mtev_log_stream_close(mtev_log_stream_find("most lines"));
}

static void make_starved(void *closure)
{
    mtev_log_stream_t ring = mtev_log_stream_new("starved ring", "memory", "3,100", NULL, NULL);
    int left = 100;
    if (ring == NULL)
        assert_int_equal(errno, ENOMEM);
    else if (mtev_log_memory_lines(ring, 1, gather, &left) == -1)
        assert_int_equal(errno, ENOMEM);
    mtev_log_stream_close(ring);
}

static void no_memory_is_an_error(void **state)
{
    harness_fail_each_allocation(make_starved, NULL);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(the_newest_lines_are_kept),
    cmocka_unit_test(a_stream_gives_its_lines_back),
    cmocka_unit_test(lines_are_found_by_their_indices),
    cmocka_unit_test(sizes_that_are_none_are_refused),
    cmocka_unit_test(no_memory_is_an_error),
};
HARNESS_MAIN(tests)
