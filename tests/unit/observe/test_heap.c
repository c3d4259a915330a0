/* SPDX-License-Identifier: MIT */
/*
 * Goal: where the process has jemalloc, its statistics and its profile are given as they are, and
 * what it refuses is said.
 * Method: a jemalloc of two functions that knows what this program asks of it, and can be told to
 * have no profiler or to fail.
 */
#include "../rest/asking.h"

#include "base/alloc.h"

#include <mtev_heap_profiler.h>
#include <mtev_stats.h>

#define PROFILE_LEN 100000

int mallctl(const char *name, void *old, size_t *old_len, void *new, size_t new_len);
void malloc_stats_print(void (*write)(void *closure, const char *text), void *closure,
                        const char *options);

static atomic_bool can_profile, was_told_to, is_active;
static _Atomic int fault;

static int read_bool(atomic_bool *from, void *old, const size_t *len)
{
    if (*len != sizeof(bool))
        return EINVAL;
    *(bool *)old = atomic_load(from);
    return 0;
}

static int dump(const char *path)
{
    FILE *file = fopen(path, "w");
    if (file == NULL)
        return EFAULT;
    for (size_t i = 0; i < PROFILE_LEN; i++)
        putc((int)(i % 251), file);
    return fclose(file) == 0 ? 0 : EFAULT;
}

int mallctl(const char *name, void *old, size_t *old_len, void *new, size_t new_len)
{
    if (strcmp(name, "config.prof") == 0)
        return read_bool(&can_profile, old, old_len);
    if (strcmp(name, "opt.prof") == 0)
        return read_bool(&was_told_to, old, old_len);
    if (atomic_load(&fault) != 0)
        return atomic_load(&fault);
    if (strcmp(name, "prof.dump") == 0)
        return new_len == sizeof(char *) ? dump(*(char **)new) : EINVAL;
    if (strcmp(name, "prof.active") != 0)
        return ENOENT;
    if (new != NULL && new_len == sizeof(bool))
        atomic_store(&is_active, *(bool *)new);
    return old == NULL ? 0 : read_bool(&is_active, old, old_len);
}

void malloc_stats_print(void (*write)(void *closure, const char *text), void *closure,
                        const char *options)
{
    check_int(strcmp(options, "J"), 0);
    write(closure, "{\"jemalloc\":");
    write(closure, "{\"version\":\"5\"}}\n");
}

static int set_up(void **state)
{
    can_profile = was_told_to = true;
    is_active = false;
    fault = 0;
    return logged_set_up(state);
}

static void assert_says(const char *path, int status, const char *part)
{
    const char *body = asking_get(path);
    assert_int_equal(asking_status, status);
    if (strstr(body, part) == NULL)
        fail_msg("%s is not in %s", part, asking_heard);
}

static void statistics_are_given_as_they_are(void **state)
{
    assert_string_equal(asking_get("/mtev/memory.json"), "{\"jemalloc\":{\"version\":\"5\"}}\n");
    assert_int_equal(asking_status, 200);
    assert_checks();
}

static void sampling_begins_and_ends(void **state)
{
    assert_says("/mtev/heap_profile", 200, "inactive\n");
    assert_says("/mtev/heap_profile?activate", 200, "active\n");
    assert_true(is_active);
    assert_says("/mtev/heap_profile?x=activate", 200, "active\n");
    assert_says("/mtev/heap_profile?deactivates=1", 200, "active\n");
    assert_true(is_active);
    assert_says("/mtev/heap_profile?a=b&deactivate=1", 200, "inactive\n");
    assert_false(is_active);
}

static void the_profile_is_given_whole(void **state)
{
    const char *body = asking_get("/mtev/heap_profile?dump");
    assert_int_equal(asking_status, 200);
    assert_non_null(strstr(asking_heard, "application/octet-stream"));
    for (size_t i = 0; i < PROFILE_LEN; i++)
        assert_int_equal((unsigned char)body[i], i % 251);
}

static void what_is_missing_is_said(void **state)
{
    was_told_to = false;
    assert_says("/mtev/heap_profile?dump", 501, "MALLOC_CONF=prof:true");
    can_profile = false;
    assert_says("/mtev/heap_profile", 501, "--enable-prof");
}

static void what_is_refused_is_said(void **state)
{
    fault = EAGAIN;
    assert_refused_with("/mtev/heap_profile?dump", 503);
    assert_says("/mtev/heap_profile?activate", 500, "refuses");
}

static void ask_starved(void *closure)
{
    asking_get("/mtev/heap_profile?dump");
    if (asking_status != 0 && asking_status != 200)
        assert_int_equal(asking_status, 503);
    settle_all();
    logged_clear();
}

static void each_allocation_may_fail(void **state)
{
    harness_fail_each_allocation(ask_starved, NULL);
    the_profile_is_given_whole(state);
}

#define heap_test(test) cmocka_unit_test_setup_teardown(test, set_up, asking_tear_down)

static const struct CMUnitTest tests[] = {
    heap_test(statistics_are_given_as_they_are), heap_test(sampling_begins_and_ends),
    heap_test(the_profile_is_given_whole),       heap_test(what_is_missing_is_said),
    heap_test(what_is_refused_is_said),          heap_test(each_allocation_may_fail),
};

int main(void)
{
    asking_begin();
    mtev_stats_rest_init();
    mtev_heap_profiler_rest_init();
    return asking_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]));
}
