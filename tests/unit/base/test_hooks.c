/* SPDX-License-Identifier: MIT */
/*
 * Goal: functions that are registered for a hook are called as mtev_hooks.h says.
 * Method: hooks of our own, from one thread and from several.
 */
#include "harness.h"

#include "base/alloc.h"

#include <errno.h>
#include <mtev_hooks.h>
#include <pthread.h>
#include <stdio.h>

MTEV_HOOK_PROTO(seen, (int number, char *out), void *, closure,
                (void *closure, int number, char *out));
MTEV_HOOK_IMPL(seen, (int number, char *out), void *, closure,
               (void *closure, int number, char *out), (closure, number, out))

MTEV_HOOK_PROTO(crowded, (void), int *, count, (int *count));
MTEV_HOOK_IMPL(crowded, (void), int *, count, (int *count), (count))

struct answer {
    char letter;
    mtev_hook_return_t result;
};

static mtev_hook_return_t write_down(void *closure, int number, char *out)
{
    const struct answer *answer = closure;
    size_t len = strlen(out);
    snprintf(out + len, 8, "%c%d", answer->letter, number);
    return answer->result;
}

static void the_newest_comes_first_and_an_abort_ends_it(void **state)
{
    struct answer a = {'a', MTEV_HOOK_CONTINUE}, b = {'b', MTEV_HOOK_CONTINUE};
    char out[32] = "";
    assert_int_equal(seen_hook_exists(), mtev_false);
    assert_int_equal(seen_hook_invoke(1, out), MTEV_HOOK_CONTINUE);
    assert_string_equal(out, "");
    assert_int_equal(seen_hook_register("a", write_down, &a), MTEV_HOOK_CONTINUE);
    assert_int_equal(seen_hook_register("b", write_down, &b), MTEV_HOOK_CONTINUE);
    assert_int_equal(seen_hook_exists(), mtev_true);
    assert_int_equal(seen_hook_invoke(2, out), MTEV_HOOK_CONTINUE);
    assert_string_equal(out, "b2a2");

    out[0] = '\0';
    b.result = MTEV_HOOK_DONE;
    assert_int_equal(seen_hook_invoke(3, out), MTEV_HOOK_DONE);
    assert_string_equal(out, "b3a3");

    out[0] = '\0';
    b.result = MTEV_HOOK_ABORT;
    assert_int_equal(seen_hook_invoke(4, out), MTEV_HOOK_ABORT);
    assert_string_equal(out, "b4");
}

static void nothing_is_registered_without_function_or_memory(void **state)
{
    struct answer a = {'a', MTEV_HOOK_CONTINUE};
    errno = 0;
    assert_int_equal(seen_hook_register("none", NULL, NULL), MTEV_HOOK_ABORT);
    assert_int_equal(errno, EINVAL);
    alloc_fail_nth(1, 0);
    assert_int_equal(seen_hook_register("a", write_down, &a), MTEV_HOOK_ABORT);
    assert_int_equal(errno, ENOMEM);
    alloc_fail_nth(0, 0);
}

#define THREADS 4
#define HOOKS   250

static mtev_hook_return_t count_one(int *count)
{
    ++*count;
    return MTEV_HOOK_CONTINUE;
}

static void *register_many(void *count)
{
    for (int i = 0; i < HOOKS; i++)
        if (crowded_hook_register("one of many", count_one, count) != MTEV_HOOK_CONTINUE)
            return count;
    return NULL;
}

static void none_is_lost_where_many_register(void **state)
{
    pthread_t threads[THREADS];
    int count = 0;
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, register_many, &count), 0);
    for (int i = 0; i < THREADS; i++) {
        void *failed;
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    assert_int_equal(crowded_hook_invoke(), MTEV_HOOK_CONTINUE);
    assert_int_equal(count, THREADS * HOOKS);
    assert_int_equal(crowded_hook_exists(), mtev_true);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(the_newest_comes_first_and_an_abort_ends_it),
    cmocka_unit_test(nothing_is_registered_without_function_or_memory),
    cmocka_unit_test(none_is_lost_where_many_register),
};

HARNESS_MAIN(tests)
