/* SPDX-License-Identifier: MIT */
/*
 * Goal: what was deferred outlives every section that could see it, and no longer than needed; it
 * is freed whoever ends, and without memory.
 * Method: one thread holds a section while others defer, collect and end, in turns by semaphores;
 * counts of what was freed; and readers beside a writer who poisons what it frees.
 */
#include "harness.h"

#include "base/alloc.h"
#include "base/list.h"
#include "base/smr.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define TRIES      4 /* to collect: the epoch moves on by one each time */
#define CROWD      1000
#define SWAP_COUNT 20000

struct object {
    ck_epoch_entry_t entry;
    uint64_t words[4]; /* all the same, and not 0, while it lives */
};

static _Atomic size_t freed;
static sem_t freed_one;

static void object_end(ck_epoch_entry_t *entry)
{
    struct object *object = list_entry(entry, struct object, entry);
    memset(object->words, 0, sizeof(object->words));
    alloc_free(object);
    atomic_fetch_add(&freed, 1);
}

static void defer_one(void)
{
    struct object *object = alloc_zeroed(1, sizeof(*object));
    assert_non_null(object);
    smr_defer(&object->entry, object_end, sizeof(*object));
}

static void collect_often(void)
{
    for (int i = 0; i < TRIES; i++)
        smr_collect();
}

static int begin(void **state)
{
    size_t count = 0;
    assert_int_equal(smr_barrier(&count), 0);
    atomic_store(&freed, 0);
    return 0;
}

/* ---- a second thread that holds a section ---------------------------------------- */

struct reader {
    pthread_t thread;
    sem_t is_in, may_leave, may_end;
    bool is_guest; /* there is no memory for its record */
};

static void *read_for_long(void *closure)
{
    struct reader *reader = closure;
    if (reader->is_guest)
        alloc_fail_nth(1, 1);
    smr_begin();
    alloc_fail_nth(0, 0);
    sem_post(&reader->is_in);
    sem_wait(&reader->may_leave);
    smr_end();
    sem_post(&reader->is_in);
    sem_wait(&reader->may_end);
    return NULL;
}

static void reader_start(struct reader *reader, bool is_guest)
{
    sem_init(&reader->is_in, 0, 0);
    sem_init(&reader->may_leave, 0, 0);
    sem_init(&reader->may_end, 0, 0);
    reader->is_guest = is_guest;
    assert_int_equal(pthread_create(&reader->thread, NULL, read_for_long, reader), 0);
    sem_wait(&reader->is_in);
}

static void reader_leave(struct reader *reader)
{
    sem_post(&reader->may_leave);
    sem_wait(&reader->is_in);
}

static void reader_end(struct reader *reader)
{
    sem_post(&reader->may_end);
    pthread_join(reader->thread, NULL);
}

/* Run a function in a thread of its own, to its end. */
static void in_thread(void *(*run)(void *closure), void *closure)
{
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, run, closure), 0);
    pthread_join(thread, NULL);
}

/* ---- sections -------------------------------------------------------------------- */

static void without_sections_one_try_frees_all(void **state)
{
    for (int i = 0; i < 10; i++)
        defer_one();
    assert_int_equal(smr_pending(), 10);
    assert_int_equal(smr_collect(), 10);
    assert_int_equal(freed, 10);
    assert_int_equal(smr_pending(), 0);
}

static void an_open_section_elsewhere_keeps_what_it_may_see(void **state)
{
    struct reader reader;
    reader_start(&reader, false);
    defer_one();
    collect_often();
    assert_int_equal(freed, 0);
    reader_leave(&reader);
    collect_often();
    assert_int_equal(freed, 1);
    reader_end(&reader);
}

static void sections_lie_in_each_other_and_the_outermost_counts(void **state)
{
    assert_false(smr_is_open());
    smr_begin();
    smr_begin();
    defer_one();
    assert_true(smr_end());
    collect_often();
    assert_true(smr_is_open());
    assert_int_equal(freed, 0);
    assert_true(smr_end());
    assert_false(smr_is_open());
    assert_false(smr_end());
    collect_often();
    assert_int_equal(freed, 1);
}

static void a_section_that_is_taken_away_protects_as_before(void **state)
{
    smr_begin();
    smr_begin();
    struct smr_section taken = smr_take();
    assert_false(smr_is_open());
    assert_false(smr_end());
    defer_one();
    smr_begin(); /* another coroutine's */
    smr_end();
    collect_often();
    assert_int_equal(freed, 0);
    smr_put(taken);
    assert_true(smr_end());
    assert_true(smr_is_open());
    assert_true(smr_end());
    assert_false(smr_is_open());
    collect_often();
    assert_int_equal(freed, 1);
}

static void sections_that_overlap_for_ever_do_not_hold_up_the_epoch(void **state)
{
    smr_begin();
    struct smr_section held = smr_take();
    for (int i = 0; i < 100; i++) {
        defer_one();
        smr_collect();
        smr_begin(); /* the next one, before the last is over */
        struct smr_section next = smr_take();
        smr_put(held);
        smr_end();
        held = next;
    }
    assert_in_range(freed, 90, 100);
    smr_put(held);
    smr_end();
}

/* ---- threads --------------------------------------------------------------------- */

static void *defer_and_end(void *closure)
{
    for (int i = 0; i < 10; i++)
        defer_one();
    return NULL;
}

static void what_a_thread_leaves_is_freed_by_others(void **state)
{
    struct reader reader;
    reader_start(&reader, false);
    in_thread(defer_and_end, NULL);
    assert_int_equal(smr_pending_left(), 10);
    collect_often();
    assert_int_equal(freed, 0);
    reader_leave(&reader);
    collect_often();
    assert_int_equal(freed, 10);
    assert_int_equal(smr_pending_left(), 0);
    reader_end(&reader);
}

static void end_and_defer(ck_epoch_entry_t *entry)
{
    object_end(entry);
    defer_one();
}

static void *defer_a_chain(void *closure)
{
    struct object *object = alloc_zeroed(1, sizeof(*object));
    smr_defer(&object->entry, end_and_defer, sizeof(*object));
    return NULL;
}

static void what_is_deferred_while_a_thread_ends_is_freed_by_others(void **state)
{
    in_thread(defer_a_chain, NULL);
    collect_often();
    assert_int_equal(freed, 2);
}

static void *begin_and_end(void *closure)
{
    smr_begin();
    return NULL; /* and the section with it */
}

static void a_thread_that_ends_closes_its_section(void **state)
{
    in_thread(begin_and_end, NULL);
    defer_one();
    collect_often();
    assert_int_equal(freed, 1);
}

static void a_crowd_of_threads_shares_one_record_in_turn(void **state)
{
    in_thread(defer_and_end, NULL);
    alloc_fail_nth(UINT64_MAX, 0); /* counts */
    for (int i = 0; i < CROWD; i++)
        in_thread(defer_and_end, NULL);
    uint64_t asked = alloc_asked();
    alloc_fail_nth(0, 0);
    assert_int_equal(asked, CROWD * 10); /* the objects */
    collect_often();
    assert_int_equal(freed, (CROWD + 1) * 10);
}

static void *leave_early(void *closure)
{
    assert_int_equal(smr_leave(), 0); /* was never registered */
    assert_int_equal(smr_enter(), 0);
    assert_int_equal(smr_enter(), 0);
    smr_begin();
    assert_int_equal(smr_leave(), -EBUSY);
    struct smr_section taken = smr_take();
    assert_int_equal(smr_leave(), -EBUSY);
    smr_put(taken);
    smr_end();
    assert_int_equal(smr_leave(), 0);
    defer_one(); /* is registered again */
    return NULL;
}

static void a_thread_leaves_outside_sections_only(void **state)
{
    in_thread(leave_early, NULL);
    collect_often();
    assert_int_equal(freed, 1);
}

/* ---- how much waits -------------------------------------------------------------- */

static void at_most_four_backlogs_wait(void **state)
{
    size_t most = 0;
    for (size_t i = 0; i < 20 * (size_t)SMR_BACKLOG_MAX; i++) {
        smr_begin();
        defer_one();
        smr_end();
        smr_collect_if_due();
        most = smr_pending() > most ? smr_pending() : most;
    }
    assert_in_range(most, SMR_BACKLOG_MAX - 1, 4 * SMR_BACKLOG_MAX);
}

static void a_collection_is_due_at_the_limit(void **state)
{
    for (size_t i = 0; i < SMR_BACKLOG_MAX - 1; i++)
        defer_one();
    smr_collect_if_due();
    assert_int_equal(freed, 0);
    defer_one();
    smr_collect_if_due();
    assert_int_equal(freed, SMR_BACKLOG_MAX);
}

static void a_collection_is_due_at_the_limit_of_bytes(void **state)
{
    struct object *object = alloc_zeroed(1, sizeof(*object));
    smr_defer(&object->entry, object_end, SMR_BACKLOG_SIZE_MAX - 1);
    smr_collect_if_due();
    assert_int_equal(freed, 0);
    object = alloc_zeroed(1, sizeof(*object));
    smr_defer(&object->entry, object_end, 1);
    smr_collect_if_due();
    assert_int_equal(freed, 2);
}

static void defer_in_end(ck_epoch_entry_t *entry)
{
    size_t count = 0;
    object_end(entry);
    for (size_t i = 0; i < 2 * (size_t)SMR_BACKLOG_MAX; i++)
        defer_one();
    smr_collect_if_due(); /* nothing: one is under way */
    assert_int_equal(smr_collect(), 0);
    assert_int_equal(smr_barrier(&count), -EDEADLK);
    assert_int_equal(smr_leave(), -EBUSY);
}

static void the_end_of_an_object_may_defer_others(void **state)
{
    struct object *object = alloc_zeroed(1, sizeof(*object));
    smr_defer(&object->entry, defer_in_end, sizeof(*object));
    assert_int_equal(smr_collect(), 1);
    assert_int_equal(smr_pending(), 2 * SMR_BACKLOG_MAX);
    collect_often();
    assert_int_equal(freed, 1 + 2 * SMR_BACKLOG_MAX);
}

/* ---- barriers, and the thread that frees ----------------------------------------- */

static void a_barrier_frees_all_and_refuses_to_wait_for_itself(void **state)
{
    size_t count = 7;
    defer_one();
    smr_begin();
    assert_int_equal(smr_barrier(&count), -EDEADLK);
    struct smr_section taken = smr_take();
    assert_int_equal(smr_barrier(&count), -EDEADLK);
    assert_int_equal(count, 7);
    smr_put(taken);
    smr_end();
    assert_int_equal(smr_barrier(&count), 0);
    assert_int_equal(count, 1);
    assert_int_equal(freed, 1);
}

static _Atomic bool has_left;

static void *leave_when_told(void *closure)
{
    struct reader *reader = closure;
    atomic_store(&has_left, true);
    reader_leave(reader);
    return NULL;
}

static void check_a_barrier_waits(bool is_guest)
{
    struct reader reader;
    pthread_t thread;
    size_t count = 0;
    reader_start(&reader, is_guest);
    defer_one();
    atomic_store(&has_left, false);
    assert_int_equal(pthread_create(&thread, NULL, leave_when_told, &reader), 0);
    assert_int_equal(smr_barrier(&count), 0);
    assert_true(has_left);
    assert_int_equal(freed, 1);
    pthread_join(thread, NULL);
    reader_end(&reader);
}

static void a_barrier_waits_for_sections_elsewhere(void **state)
{
    check_a_barrier_waits(false);
}

static void object_end_and_tell(ck_epoch_entry_t *entry)
{
    object_end(entry);
    sem_post(&freed_one);
}

static void check_others_free(int (*hand_over)(void))
{
    struct reader reader;
    reader_start(&reader, false);
    struct object *object = alloc_zeroed(1, sizeof(*object));
    smr_defer(&object->entry, object_end_and_tell, sizeof(*object));
    assert_int_equal(hand_over(), 0);
    assert_int_equal(smr_pending(), 0);
    assert_int_equal(freed, 0);
    reader_leave(&reader);
    sem_wait(&freed_one);
    assert_int_equal(freed, 1);
    reader_end(&reader);
}

static void what_is_handed_over_is_freed_by_a_thread(void **state)
{
    check_others_free(smr_hand_over);
}

static int defer_up_to_the_limit(void)
{
    int err = smr_hand_over_always();
    for (size_t i = 0; i < SMR_BACKLOG_MAX; i++) {
        struct object *object = alloc_zeroed(1, sizeof(*object));
        smr_defer(&object->entry, object_end_and_tell, sizeof(*object));
    }
    smr_collect_if_due();
    return err;
}

/* The last test: there is no way back. */
static void what_is_due_may_be_handed_over_always(void **state)
{
    assert_int_equal(defer_up_to_the_limit(), 0);
    assert_int_equal(smr_pending(), 0);
    for (size_t i = 0; i < SMR_BACKLOG_MAX; i++)
        sem_wait(&freed_one);
    assert_int_equal(freed, SMR_BACKLOG_MAX);
}

/* ---- without memory -------------------------------------------------------------- */

/* Use up the records that ended threads have left, so that a new thread needs memory. */
static struct reader *occupy_records(size_t count)
{
    struct reader *readers = alloc_zeroed(count, sizeof(*readers));
    assert_non_null(readers);
    for (size_t i = 0; i < count; i++) {
        reader_start(&readers[i], false);
        reader_leave(&readers[i]);
    }
    return readers;
}

#define RECORD_COUNT 8 /* more than the other tests here have threads at one time */

static void release_records(struct reader *readers)
{
    for (size_t i = 0; i < RECORD_COUNT; i++)
        reader_end(&readers[i]);
    alloc_free(readers);
}

static void a_reader_without_memory_is_waited_for_all_the_same(void **state)
{
    struct reader *occupied = occupy_records(RECORD_COUNT);
    struct reader reader;
    reader_start(&reader, true);
    defer_one();
    collect_often();
    assert_int_equal(freed, 0);
    reader_leave(&reader);
    collect_often();
    assert_int_equal(freed, 1);
    reader_end(&reader);
    release_records(occupied);
}

static void a_barrier_waits_for_a_reader_without_memory(void **state)
{
    struct reader *occupied = occupy_records(RECORD_COUNT);
    check_a_barrier_waits(true);
    release_records(occupied);
}

static void *defer_without_memory(void *closure)
{
    struct object *object = alloc_zeroed(1, sizeof(*object));
    size_t count = 0;
    alloc_fail_nth(1, 1);
    assert_int_equal(smr_enter(), -ENOMEM);
    smr_begin();
    smr_defer(&object->entry, object_end, sizeof(*object));
    assert_int_equal(smr_barrier(&count), -EDEADLK);
    smr_collect_if_due();
    assert_int_equal(freed, 0);
    smr_end();
    smr_collect_if_due();
    alloc_fail_nth(0, 0);
    return NULL;
}

static void a_writer_without_memory_defers_all_the_same(void **state)
{
    struct reader *occupied = occupy_records(RECORD_COUNT);
    in_thread(defer_without_memory, NULL);
    collect_often();
    assert_int_equal(freed, 1);
    release_records(occupied);
}

/* ---- readers beside a writer ----------------------------------------------------- */

static _Atomic(struct object *) shared;
static _Atomic bool is_over;

static void *look_again_and_again(void *closure)
{
    size_t *looks = closure;
    while (!atomic_load(&is_over)) {
        smr_begin();
        const struct object *object = atomic_load_explicit(&shared, memory_order_acquire);
        for (size_t i = 0; i < 4; i++)
            if (object->words[i] == 0 || object->words[i] != object->words[0])
                abort();
        smr_end();
        ++*looks;
    }
    return NULL;
}

static struct object *object_new(uint64_t word)
{
    struct object *object = alloc_zeroed(1, sizeof(*object));
    assert_non_null(object);
    for (size_t i = 0; i < 4; i++)
        object->words[i] = word;
    return object;
}

static void readers_never_see_what_was_freed(void **state)
{
    pthread_t threads[2];
    size_t looks[2] = {0, 0};
    size_t count = 0;
    atomic_store(&is_over, false);
    atomic_store(&shared, object_new(1));
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, look_again_and_again, &looks[i]), 0);
    for (uint64_t i = 2; i < SWAP_COUNT; i++) {
        struct object *old = atomic_exchange(&shared, object_new(i));
        smr_defer(&old->entry, object_end, sizeof(*old));
        smr_collect();
    }
    atomic_store(&is_over, true);
    for (size_t i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    alloc_free(atomic_load(&shared));
    assert_int_equal(smr_barrier(&count), 0);
    assert_int_equal(freed, SWAP_COUNT - 2);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup(without_sections_one_try_frees_all, begin),
    cmocka_unit_test_setup(an_open_section_elsewhere_keeps_what_it_may_see, begin),
    cmocka_unit_test_setup(sections_lie_in_each_other_and_the_outermost_counts, begin),
    cmocka_unit_test_setup(a_section_that_is_taken_away_protects_as_before, begin),
    cmocka_unit_test_setup(sections_that_overlap_for_ever_do_not_hold_up_the_epoch, begin),
    cmocka_unit_test_setup(what_a_thread_leaves_is_freed_by_others, begin),
    cmocka_unit_test_setup(what_is_deferred_while_a_thread_ends_is_freed_by_others, begin),
    cmocka_unit_test_setup(a_thread_that_ends_closes_its_section, begin),
    cmocka_unit_test_setup(a_crowd_of_threads_shares_one_record_in_turn, begin),
    cmocka_unit_test_setup(a_thread_leaves_outside_sections_only, begin),
    cmocka_unit_test_setup(at_most_four_backlogs_wait, begin),
    cmocka_unit_test_setup(a_collection_is_due_at_the_limit, begin),
    cmocka_unit_test_setup(a_collection_is_due_at_the_limit_of_bytes, begin),
    cmocka_unit_test_setup(the_end_of_an_object_may_defer_others, begin),
    cmocka_unit_test_setup(a_barrier_frees_all_and_refuses_to_wait_for_itself, begin),
    cmocka_unit_test_setup(a_barrier_waits_for_sections_elsewhere, begin),
    cmocka_unit_test_setup(a_reader_without_memory_is_waited_for_all_the_same, begin),
    cmocka_unit_test_setup(a_barrier_waits_for_a_reader_without_memory, begin),
    cmocka_unit_test_setup(a_writer_without_memory_defers_all_the_same, begin),
    cmocka_unit_test_setup(readers_never_see_what_was_freed, begin),
    cmocka_unit_test_setup(what_is_handed_over_is_freed_by_a_thread, begin),
    cmocka_unit_test_setup(what_is_due_may_be_handed_over_always, begin),
};

int main(void)
{
    sem_init(&freed_one, 0, 0);
    return harness_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]));
}
