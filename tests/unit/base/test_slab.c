/* SPDX-License-Identifier: MIT */
/*
 * Goal: slabs give every object room of its own, take it back, and return to the system what a wave
 * of objects no longer needs; without memory they say so and lose nothing.
 * Method: every size at the borders of its class; random calls beside a model that knows what each
 * object holds; the counts of regions and the process's own sizes (/proc/self/statm) around a wave.
 */
#include "harness.h"
#include "random.h"
#include "tools.h"

#include "base/alloc.h"
#include "base/slab.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define OBJECT_SIZE ((size_t)144)
#define WAVE_COUNT  1000000 /* objects */

static struct slabs slabs;

static int begin(void **state)
{
    slabs_init(&slabs);
    return 0;
}

static int end(void **state)
{
    slabs_fini(&slabs);
    assert_int_equal(slabs.region_count, 0);
    return 0;
}

/* Objects of a size that fit into a slab, which begins with a header. */
static size_t objects_a_slab(size_t size)
{
    return (SLAB_SIZE - 64) / slab_round(size);
}

static void *take(size_t size)
{
    void *p = slab_alloc(&slabs, size);
    assert_non_null(p);
    return p;
}

/* ---- sizes ----------------------------------------------------------------------- */

static void every_size_rounds_up_by_less_than_its_class_allows(void **state)
{
    size_t before = 0, classes = 0;
    for (size_t size = 1; size <= SLAB_SIZE_MAX; size++) {
        size_t rounded = slab_round(size);
        assert_true(rounded >= size && rounded >= before && rounded % 16 == 0);
        assert_int_equal(slab_round(rounded), rounded);
        assert_true(rounded - size < (size <= 1024 ? 16 : size / 8 + 1));
        classes += rounded != before;
        before = rounded;
    }
    assert_int_equal(classes, SLAB_CLASS_COUNT);
}

static void a_class_begins_where_the_one_before_ends(void **state)
{
    static const size_t borders[][2] = {
        {1, 16},      {16, 16},     {17, 32},     {1008, 1008}, {1009, 1024}, {1024, 1024},
        {1025, 1152}, {1152, 1152}, {1153, 1280}, {2047, 2048}, {2048, 2048}, {2049, 2304},
        {4096, 4096}, {4097, 4608}, {7680, 7680}, {7681, 8192},
    };
    for (size_t i = 0; i < sizeof(borders) / sizeof(borders[0]); i++)
        assert_int_equal(slab_round(borders[i][0]), borders[i][1]);
}

static void an_object_past_the_largest_comes_from_the_heap(void **state)
{
    assert_int_equal(slab_round(SLAB_SIZE_MAX - 1), SLAB_SIZE_MAX);
    assert_int_equal(slab_round(SLAB_SIZE_MAX), SLAB_SIZE_MAX);
    assert_int_equal(slab_round(SLAB_SIZE_MAX + 1), SLAB_SIZE_MAX + 1);
    char *past = take(SLAB_SIZE_MAX + 1);
    memset(past, 'x', SLAB_SIZE_MAX + 1);
    assert_int_equal(slabs.region_count, 0);
    char *largest = take(SLAB_SIZE_MAX), *less = take(SLAB_SIZE_MAX - 1);
    memset(largest, 'y', SLAB_SIZE_MAX);
    memset(less, 'z', SLAB_SIZE_MAX - 1);
    assert_int_equal(slabs.region_count, 1);
    assert_int_equal(largest[SLAB_SIZE_MAX - 1], 'y');
    slab_free(&slabs, past, SLAB_SIZE_MAX + 1);
    slab_free(&slabs, largest, SLAB_SIZE_MAX);
    slab_free(&slabs, less, SLAB_SIZE_MAX - 1);
    slab_free(&slabs, NULL, 1);
}

/* ---- any mix of calls ------------------------------------------------------------ */

#define MODEL_COUNT 2000
#define MODEL_STEPS 200000

struct object {
    unsigned char *bytes; /* NULL: not in use */
    size_t size;
    unsigned char fill;
};

static void object_check_and_free(struct object *object)
{
    for (size_t i = 0; i < object->size; i++)
        assert_int_equal(object->bytes[i], object->fill);
    slab_free(&slabs, object->bytes, slab_round(object->size)); /* any size of the class will do */
    object->bytes = NULL;
}

static void any_mix_of_sizes_keeps_what_was_written(void **state)
{
    static struct object objects[MODEL_COUNT];
    uint32_t seed = 2463534242U;
    for (unsigned step = 0; step < MODEL_STEPS; step++) {
        struct object *object = &objects[random_next(&seed) % MODEL_COUNT];
        if (object->bytes != NULL) {
            object_check_and_free(object);
            continue;
        }
        size_t below = (size_t)16 << random_next(&seed) % 11; /* small ones more often */
        object->size = 1 + random_next(&seed) % below;
        object->fill = (unsigned char)step;
        object->bytes = take(object->size);
        assert_int_equal((uintptr_t)object->bytes % 16, 0);
        memset(object->bytes, object->fill, object->size);
    }
    for (size_t i = 0; i < MODEL_COUNT; i++)
        if (objects[i].bytes != NULL)
            object_check_and_free(&objects[i]);
}

static void the_object_freed_last_is_used_next(void **state)
{
    void *first = take(OBJECT_SIZE), *second = take(OBJECT_SIZE);
    slab_free(&slabs, first, OBJECT_SIZE);
    slab_free(&slabs, second, OBJECT_SIZE - 1);
    assert_ptr_equal(take(OBJECT_SIZE), second);
    assert_ptr_equal(take(OBJECT_SIZE - 15), first);
    slab_free(&slabs, first, OBJECT_SIZE);
    slab_free(&slabs, second, OBJECT_SIZE);
}

/* ---- what is kept and what is given back ----------------------------------------- */

/* The process's mapped (field 0) or resident (field 1) bytes. */
static size_t process_bytes(int field)
{
    unsigned long pages[2] = {0, 0};
    FILE *file = fopen("/proc/self/statm", "re");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%lu %lu", &pages[0], &pages[1]), 2);
    fclose(file);
    return pages[field] * (size_t)sysconf(_SC_PAGESIZE);
}

/* True if the slab that p lies in has its own page, and not the system's empty one. */
static bool slab_is_resident(const void *p)
{
    unsigned char resident = 0;
    uintptr_t at = (uintptr_t)p & ~(uintptr_t)(SLAB_SIZE - 1);
    assert_int_equal(mincore((void *)(at + SLAB_SIZE / 2), 1, &resident), 0);
    return resident & 1;
}

static void fill_slab(void **objects, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        objects[i] = take(OBJECT_SIZE);
        memset(objects[i], 'x', OBJECT_SIZE);
    }
}

static void free_all(void **objects, size_t count)
{
    for (size_t i = 0; i < count; i++)
        slab_free(&slabs, objects[i], OBJECT_SIZE);
}

static void one_empty_slab_of_a_class_is_kept_and_a_second_is_given_back(void **state)
{
    static void *objects[4][SLAB_SIZE / OBJECT_SIZE];
    size_t count = objects_a_slab(OBJECT_SIZE);
    void *other_class = take(16); /* has the region's first slab, which is a little smaller */
    for (size_t i = 0; i < 4; i++)
        fill_slab(objects[i], count);
    free_all(objects[0], count);
    assert_true(slab_is_resident(objects[0][0])); /* whoever sways around a border pays nothing */
    free_all(objects[1], count);
    assert_true(slab_is_resident(objects[0][0]));
    assert_false(slab_is_resident(objects[1][0]));
    void *again = take(OBJECT_SIZE); /* the kept one is used before a new one */
    assert_int_equal((uintptr_t)again / SLAB_SIZE, (uintptr_t)objects[0][0] / SLAB_SIZE);
    slab_free(&slabs, again, OBJECT_SIZE);
    free_all(objects[2], count);
    free_all(objects[3], count);
    slab_free(&slabs, other_class, 16);
}

static void a_slab_that_was_given_back_serves_another_class(void **state)
{
    static void *objects[3][SLAB_SIZE / OBJECT_SIZE];
    size_t count = objects_a_slab(OBJECT_SIZE);
    void *other_class = take(16);
    for (size_t i = 0; i < 3; i++)
        fill_slab(objects[i], count);
    free_all(objects[0], count);
    free_all(objects[1], count);
    unsigned char *large = take(4096);
    assert_int_equal((uintptr_t)large / SLAB_SIZE, (uintptr_t)objects[1][0] / SLAB_SIZE);
    memset(large, 'x', 4096);
    slab_free(&slabs, large, 4096);
    free_all(objects[2], count);
    slab_free(&slabs, other_class, 16);
}

static void take_wave(void **objects)
{
    for (size_t i = 0; i < WAVE_COUNT; i++) {
        objects[i] = take(OBJECT_SIZE);
        memset(objects[i], (int)i, OBJECT_SIZE);
    }
}

static void assert_wave_is_packed(void)
{
    size_t slab_count = WAVE_COUNT / objects_a_slab(OBJECT_SIZE) + 1;
    size_t regions_wanted = slab_count / (SLAB_REGION_SIZE / SLAB_SIZE) + 1;
    assert_in_range(slabs.region_count, regions_wanted - 1, regions_wanted + 1);
}

static void a_wave_is_packed_and_its_memory_goes_back_when_it_has_ended(void **state)
{
    void **objects = test_malloc(WAVE_COUNT * sizeof(*objects));
    size_t mapped = process_bytes(0), resident = process_bytes(1);
    for (int wave = 0; wave < 2; wave++) {
        take_wave(objects);
        assert_wave_is_packed();
        assert_true(process_bytes(0) >= mapped + WAVE_COUNT * OBJECT_SIZE);
        assert_true(process_bytes(1) >= resident + WAVE_COUNT * OBJECT_SIZE);
        for (size_t i = 0; i < WAVE_COUNT; i++) {
            const unsigned char *object = objects[i];
            assert_true(object[0] == (unsigned char)i &&
                        object[OBJECT_SIZE - 1] == (unsigned char)i);
            slab_free(&slabs, objects[i], OBJECT_SIZE);
        }
        assert_in_range(slabs.region_count, 1, 2); /* the current slab, and the spare one */
        assert_true(process_bytes(0) <= mapped + 2 * SLAB_REGION_SIZE);
#ifndef TOOLS_ASAN /* whose shadow stays */
        assert_true(process_bytes(1) <=
                    resident + 2 * SLAB_REGION_SIZE + WAVE_COUNT * sizeof(*objects));
#endif
    }
    test_free(objects);
}

static void a_wave_that_ends_in_any_order_gives_its_memory_back_too(void **state)
{
    void **objects = test_malloc(WAVE_COUNT * sizeof(*objects));
    uint32_t seed = 88172645U;
    take_wave(objects);
    size_t all = slabs.region_count;
    for (size_t left = WAVE_COUNT; left > 0; left--) {
        size_t at = random_next(&seed) % left;
        slab_free(&slabs, objects[at], OBJECT_SIZE);
        objects[at] = objects[left - 1];
    }
    assert_in_range(slabs.region_count, 1, 2);
    take_wave(objects);
    assert_in_range(slabs.region_count, all - 1, all + 1);
    free_all(objects, WAVE_COUNT);
    test_free(objects);
}

/* ---- visiting -------------------------------------------------------------------- */

#define VISITED_COUNT 3000

struct visited {
    uint64_t free_list; /* overwritten while it is free */
    uint64_t number;    /* 0: not in use */
    unsigned visits;
    char rest[OBJECT_SIZE - 24];
};

struct walk {
    size_t calls, in_use, stop_after;
};

static int visit(void *p, void *closure)
{
    struct visited *object = p;
    struct walk *walk = closure;
    walk->calls++;
    if (object->number != 0) {
        walk->in_use++;
        object->visits++;
    }
    return walk->in_use == walk->stop_after ? 42 : 0;
}

static void each_object_in_use_is_visited_once(void **state)
{
    static struct visited *objects[VISITED_COUNT];
    struct walk walk = {.stop_after = SIZE_MAX};
    assert_int_equal(slabs_each(&slabs, sizeof(struct visited), visit, &walk), 0);
    assert_int_equal(walk.calls, 0);
    void *of_another_class = take(sizeof(struct visited) + 16);
    memset(of_another_class, 'x', sizeof(struct visited) + 16);
    for (size_t i = 0; i < VISITED_COUNT; i++) {
        objects[i] = take(sizeof(struct visited));
        *objects[i] = (struct visited){.number = i + 1};
    }
    for (size_t i = 0; i < VISITED_COUNT; i += 3) {
        objects[i]->number = 0;
        slab_free(&slabs, objects[i], sizeof(struct visited));
    }
    assert_int_equal(slabs_each(&slabs, sizeof(struct visited), visit, &walk), 0);
    assert_int_equal(walk.in_use, VISITED_COUNT - VISITED_COUNT / 3);
    assert_in_range(walk.calls, walk.in_use, VISITED_COUNT);
    for (size_t i = 0; i < VISITED_COUNT; i++) {
        if (i % 3 == 0)
            continue;
        assert_int_equal(objects[i]->visits, 1);
        slab_free(&slabs, objects[i], sizeof(struct visited));
    }
    slab_free(&slabs, of_another_class, sizeof(struct visited) + 16);
}

static size_t walk_by_slabs(struct walk *walk, void (*between)(void *closure), void *closure)
{
    size_t slab_count = 0;
    uintptr_t at = 0;
    while (slabs_each_next(&slabs, sizeof(struct visited), &at, visit, walk)) {
        slab_count++;
        between(closure);
    }
    return slab_count;
}

/* Objects of the second half go, and others come. */
static void change_the_rest(void *closure)
{
    struct visited **objects = closure;
    static size_t turn;
    size_t i = VISITED_COUNT / 2 + turn++ % (VISITED_COUNT / 2);
    slab_free(&slabs, objects[i], sizeof(struct visited));
    objects[i] = take(sizeof(struct visited));
    *objects[i] = (struct visited){.number = i + 1};
}

static void a_walk_by_slabs_meets_once_what_stays(void **state)
{
    static struct visited *objects[VISITED_COUNT];
    struct walk walk = {.stop_after = SIZE_MAX};
    uintptr_t at = 0;
    assert_false(slabs_each_next(&slabs, sizeof(struct visited), &at, visit, &walk));
    for (size_t i = 0; i < VISITED_COUNT; i++) {
        objects[i] = take(sizeof(struct visited));
        *objects[i] = (struct visited){.number = i + 1};
    }
    size_t per_slab = objects_a_slab(sizeof(struct visited));
    assert_in_range(walk_by_slabs(&walk, change_the_rest, objects), VISITED_COUNT / per_slab,
                    VISITED_COUNT / per_slab + 2);
    for (size_t i = 0; i < VISITED_COUNT; i++) {
        if (i < VISITED_COUNT / 2)
            assert_int_equal(objects[i]->visits, 1);
        slab_free(&slabs, objects[i], sizeof(struct visited));
    }
}

static void a_visitor_ends_the_walk_with_its_result(void **state)
{
    struct visited *objects[5];
    struct walk walk = {.stop_after = 3};
    for (size_t i = 0; i < 5; i++) {
        objects[i] = take(sizeof(struct visited));
        *objects[i] = (struct visited){.number = i + 1};
    }
    assert_int_equal(slabs_each(&slabs, sizeof(struct visited), visit, &walk), 42);
    assert_int_equal(walk.calls, 3);
    for (size_t i = 0; i < 5; i++)
        slab_free(&slabs, objects[i], sizeof(struct visited));
}

/* ---- without memory -------------------------------------------------------------- */

static void take_some_and_free_them(void *closure)
{
    static const size_t sizes[] = {16, 144, 144, 1025, 8192, 8193, 100000};
    void *objects[sizeof(sizes) / sizeof(sizes[0])];
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        errno = 0;
        objects[i] = slab_alloc(&slabs, sizes[i]);
        if (objects[i] == NULL)
            assert_int_equal(errno, ENOMEM);
        else
            memset(objects[i], 'x', sizes[i]);
    }
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
        slab_free(&slabs, objects[i], sizes[i]);
    slabs_fini(&slabs); /* every run maps its region anew */
}

static void an_object_that_cannot_be_had_is_null_and_nothing_is_lost(void **state)
{
    harness_fail_each_allocation(take_some_and_free_them, NULL);
}

static void after_a_failed_region_the_next_try_goes_on(void **state)
{
    static void *objects[SLAB_REGION_SIZE / SLAB_SIZE];
    const size_t count = sizeof(objects) / sizeof(objects[0]);
    for (size_t i = 0; i < count; i++) /* each in a slab of its own: the region is full */
        objects[i] = take(16 + 16 * i);
    assert_int_equal(slabs.region_count, 1);
    alloc_fail_nth(2, 0); /* the first is the object, the second its region */
    errno = 0;
    assert_null(slab_alloc(&slabs, SLAB_SIZE_MAX));
    alloc_fail_nth(0, 0);
    assert_int_equal(errno, ENOMEM);
    void *p = take(SLAB_SIZE_MAX);
    assert_int_equal(slabs.region_count, 2);
    slab_free(&slabs, p, SLAB_SIZE_MAX);
    for (size_t i = 0; i < count; i++)
        slab_free(&slabs, objects[i], 16 + 16 * i);
}

#define slab_test(test) cmocka_unit_test_setup_teardown(test, begin, end)

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(every_size_rounds_up_by_less_than_its_class_allows),
    cmocka_unit_test(a_class_begins_where_the_one_before_ends),
    slab_test(an_object_past_the_largest_comes_from_the_heap),
    slab_test(any_mix_of_sizes_keeps_what_was_written),
    slab_test(the_object_freed_last_is_used_next),
    slab_test(one_empty_slab_of_a_class_is_kept_and_a_second_is_given_back),
    slab_test(a_slab_that_was_given_back_serves_another_class),
    slab_test(a_wave_is_packed_and_its_memory_goes_back_when_it_has_ended),
    slab_test(a_wave_that_ends_in_any_order_gives_its_memory_back_too),
    slab_test(each_object_in_use_is_visited_once),
    slab_test(a_walk_by_slabs_meets_once_what_stays),
    slab_test(a_visitor_ends_the_walk_with_its_result),
    slab_test(an_object_that_cannot_be_had_is_null_and_nothing_is_lost),
    slab_test(after_a_failed_region_the_next_try_goes_on),
};
HARNESS_MAIN(tests)
