/* SPDX-License-Identifier: MIT */
/*
 * Goal: random numbers differ between calls, threads and processes, and fill exactly what is asked.
 * Method: draw in this thread, in another one, and on both sides of a fork; count bits.
 */
#include "harness.h"

#include "base/random.h"

#include <mtev_rand.h>
#include <pthread.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void numbers_are_spread_over_all_bits(void **state)
{
    enum {
        DRAWS = 20000
    };
    unsigned ones[64] = {0};
    mtev_rand_init();
    mtev_rand_init_thread();
    for (int i = 0; i < DRAWS; i++) {
        uint64_t bits = mtev_rand();
        for (unsigned k = 0; k < 64; k++)
            ones[k] += (unsigned)(bits >> k & 1);
    }
    for (unsigned k = 0; k < 64; k++) /* ten standard deviations on either side */
        assert_in_range(ones[k], DRAWS / 2 - 710, DRAWS / 2 + 710);
}

static void *draw(void *out)
{
    *(uint64_t *)out = mtev_rand();
    return NULL;
}

static void threads_draw_different_numbers(void **state)
{
    uint64_t drawn[2];
    for (int i = 0; i < 2; i++) {
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, draw, &drawn[i]), 0);
        pthread_join(thread, NULL);
    }
    assert_int_not_equal(drawn[0], drawn[1]);
}

static void a_child_does_not_repeat_its_parent(void **state)
{
    int fds[2], status;
    uint64_t of_child;
    (void)mtev_rand(); /* the state is there before the fork */
    assert_int_equal(pipe(fds), 0);
    pid_t child = fork();
    if (child == 0) {
        uint64_t bits = mtev_rand();
        _exit(write(fds[1], &bits, sizeof(bits)) == (ssize_t)sizeof(bits) ? 0 : 1);
    }
    assert_true(child > 0);
    uint64_t of_parent = mtev_rand();
    assert_int_equal(read(fds[0], &of_child, sizeof(of_child)), sizeof(of_child));
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_not_equal(of_parent, of_child);
    close(fds[0]);
    close(fds[1]);
}

/* True if the size bytes are as they were set; one in 2^64 runs of eight random ones is, too. */
static int is_untouched(const unsigned char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != 0xa5)
            return 0;
    return 1;
}

static void just_the_buffer_is_filled(void **state)
{
    size_t (*const fill[])(void *, size_t) = {mtev_rand_buf, mtev_rand_buf_secure,
                                              mtev_rand_buf_trysecure};
    for (size_t k = 0; k < sizeof(fill) / sizeof(fill[0]); k++)
        for (size_t len = 0; len <= 600; len += len < 40 ? 1 : 80) {
            unsigned char bytes[700];
            memset(bytes, 0xa5, sizeof(bytes));
            assert_int_equal(fill[k](bytes, len), len);
            assert_true(is_untouched(bytes + len, sizeof(bytes) - len));
            for (size_t at = 0; at + 8 <= len; at += 8)
                assert_false(is_untouched(bytes + at, 8));
        }
}

static void secure_numbers_differ(void **state)
{
    uint64_t tried = 0;
    assert_int_equal(mtev_rand_trysecure(&tried), 1);
    assert_int_not_equal(tried, mtev_rand_secure());
    assert_int_not_equal(mtev_rand_secure(), mtev_rand_secure());
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(numbers_are_spread_over_all_bits),
    cmocka_unit_test(threads_draw_different_numbers),
    cmocka_unit_test(a_child_does_not_repeat_its_parent),
    cmocka_unit_test(just_the_buffer_is_filled),
    cmocka_unit_test(secure_numbers_differ),
};

HARNESS_MAIN(tests)
