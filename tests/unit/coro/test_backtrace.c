/* SPDX-License-Identifier: MIT */
/*
 * Goal: the frames of a coroutine are found on its stack and in its save area alike, and nothing is
 * read outside them whatever they hold.
 * Method: functions that note where they will return to, against what is found; frames of random
 * words between pages that fault.
 */
#include "clean.h"
#include "in_coroutine.h"

#include "coro/inspect_impl.h"

#include <sys/mman.h>

#define ADDRESSES_MAX 32

/* Functions of the library's that may stand below the coroutine's. */
#if defined(ACO_SWITCH_UCONTEXT)
#define ENTRY_FRAMES_MAX 4
#elif defined(ACO_SANITIZED_)
#define ENTRY_FRAMES_MAX 1
#else
#define ENTRY_FRAMES_MAX 0
#endif

/* Where a coroutine that sleeps goes on. */
#if defined(ACO_SWITCH_UCONTEXT)
#define GOES_ON_IN aco_swap_ /* to which eventer_aco_sleep() may jump */
#else
#define GOES_ON_IN eventer_aco_sleep
#endif

static struct {
    void *noted[3]; /* where the functions return to, the innermost first */
    struct coro *co;
    int own_count;
    void *own[ADDRESSES_MAX];
} seen;

static _Atomic bool may_end;
static struct timeval a_moment = {0, 1000};

static bool lies_in(const void *address, uintptr_t function)
{
    return (uintptr_t)address >= function && (uintptr_t)address < function + 2048;
}

/* Each goes on to do something after its call, so that the call is no jump. */
static __attribute__((noinline)) int innermost(int n)
{
    seen.noted[0] = __builtin_return_address(0);
    seen.own_count = eventer_aco_backtrace(NULL, seen.own, ADDRESSES_MAX);
    while (!may_end)
        eventer_aco_sleep(&a_moment);
    return n + 1;
}

static __attribute__((noinline)) int middle(int n)
{
    volatile char bytes[100] = {0};
    seen.noted[1] = __builtin_return_address(0);
    return innermost(n) + bytes[99];
}

static __attribute__((noinline)) int outermost(int n)
{
    seen.noted[2] = __builtin_return_address(0);
    return middle(n) + 1;
}

static void call_all(void)
{
    may_end = false;
    seen.co = this_coroutine();
    check_int(outermost(1), 3);
}

static void start_caller(void *closure)
{
    eventer_aco_start(call_all, NULL);
}

static void let_it_end(void)
{
    may_end = true;
    wait_for_all_to_end(0);
    assert_checks();
}

/* See that the frames from addresses[0] on are those of the functions above. */
static void check_functions(void *const *addresses, int count)
{
    if (!check(count >= 4 && count <= 4 + ENTRY_FRAMES_MAX))
        return;
    check(lies_in(addresses[0], (uintptr_t)innermost));
    for (int i = 0; i < 3; i++)
        check(addresses[i + 1] == seen.noted[i]);
}

static void look_at_frames(void *closure)
{
    void *addresses[ADDRESSES_MAX] = {NULL};
    const eventer_aco_id_t id = (eventer_aco_id_t)(const void *)seen.co;
    int count = eventer_aco_backtrace(id, addresses, ADDRESSES_MAX);
    check(lies_in(addresses[0], (uintptr_t)GOES_ON_IN));
    check_functions(addresses + 1, count - 1);
    for (int max = 0; max < count; max++) {
        void *some[ADDRESSES_MAX] = {NULL};
        check_int(eventer_aco_backtrace(id, some, max), max);
        check(memcmp(some, addresses, (size_t)max * sizeof(some[0])) == 0);
        check(some[max] == NULL);
    }
}

static void evict(void *closure)
{
    check(seen.co->co.share_stack->owner == &seen.co->co);
    check_int(aco_save_owner(seen.co->co.share_stack), 0);
    memset(seen.co->co.sp, 0x5a, 64); /* nobody's frames stand there */
    look_at_frames(NULL);
}

static void a_coroutine_that_waits_is_walked_in_place_and_when_it_was_moved_away(void **state)
{
    in_loop(0, start_caller, NULL);
    in_loop(0, look_at_frames, NULL);
#if !defined(ACO_TSAN_) && !defined(ACO_DEBUG_STACKS) /* where nobody is ever moved */
    in_loop(0, evict, NULL);
#else
    (void)evict;
#endif
    let_it_end();
}

static void a_coroutine_that_runs_is_walked_from_its_call_on(void **state)
{
    seen.own_count = -1;
    in_loop(0, start_caller, NULL);
    let_it_end();
    check_functions(seen.own, seen.own_count);
    assert_checks();
}

static void walk_itself_by_its_handle(void *closure)
{
    void *by_handle[ADDRESSES_MAX], *by_null[ADDRESSES_MAX];
    const eventer_aco_id_t id = (eventer_aco_id_t)(const void *)this_coroutine();
    int count = eventer_aco_backtrace(id, by_handle, ADDRESSES_MAX);
    check(count > 0);
    check_int(eventer_aco_backtrace(NULL, by_null, ADDRESSES_MAX), count);
    check(memcmp(by_handle + 1, by_null + 1, (size_t)(count - 1) * sizeof(by_null[0])) == 0);
}

static void the_handle_of_the_running_coroutine_is_as_good_as_none(void **state)
{
    in_coroutine(0, walk_itself_by_its_handle, NULL);
}

static void where_no_coroutine_runs_there_are_no_frames(void **state)
{
    void *addresses[1];
    errno = 0;
    assert_int_equal(eventer_aco_backtrace(NULL, addresses, 1), -1);
    assert_int_equal(errno, EINVAL);
}

static void give_bad_arguments(void *closure)
{
    void *addresses[1];
    errno = 0;
    check_int(eventer_aco_backtrace(NULL, NULL, 1), -1);
    check_int(errno, EINVAL);
    errno = 0;
    check_int(eventer_aco_backtrace(NULL, addresses, -1), -1);
    check_int(errno, EINVAL);
    check_int(eventer_aco_backtrace(NULL, addresses, 0), 0);
}

static void bad_arguments_are_refused(void **state)
{
    in_coroutine(0, give_bad_arguments, NULL);
}

/* ---- hostile frames ---- */

#define WORDS 64

struct fenced { /* words with pages that fault before and behind */
    char *mapping;
    size_t page;
};

static struct fenced fence(void)
{
    struct fenced fenced = {.page = (size_t)sysconf(_SC_PAGESIZE)};
    fenced.mapping = mmap(NULL, 3 * fenced.page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(fenced.mapping, MAP_FAILED);
    assert_int_equal(mprotect(fenced.mapping + fenced.page, fenced.page, PROT_READ | PROT_WRITE),
                     0);
    return fenced;
}

static int walk(struct frames frames)
{
    void *address;
    int count = 0;
    while (frames_next(&frames, &address))
        count++;
    return count;
}

/* Random words, of which many are addresses in the frames: the walk ends, and stays inside. */
static void frames_of_random_words_are_walked_to_an_end(void **state)
{
    struct fenced fenced = fence();
    uint64_t random = 88172645463325252;
    for (int round = 0; round < 20000; round++) {
        size_t count = (size_t)round % WORDS;
        bool is_at_the_end = round % 2 == 0;
        uintptr_t *words = (uintptr_t *)(void *)(fenced.mapping + fenced.page);
        if (is_at_the_end)
            words += fenced.page / sizeof(*words) - count;
        uintptr_t low = (uintptr_t)words + (round % 3 == 0 ? 0 : 0x10000); /* moved, or in place */
        for (size_t i = 0; i < count; i++) {
            random ^= random << 13; /* Marsaglia, Xorshift RNGs, 2003 */
            random ^= random >> 7;
            random ^= random << 17;
            words[i] = random % 4 == 0 ? random : low + random % (WORDS + 4) * 8 - random % 3;
        }
        struct frames frames = {.bytes = (const char *)words,
                                .low = low,
                                .high = low + count * sizeof(*words),
                                .address = words,
                                .pointer = low + random % (WORDS * 8)};
        assert_true(walk(frames) <= (int)count / 2 + 1);
    }
    munmap(fenced.mapping, 3 * fenced.page);
}

static void a_chain_may_not_lead_down_or_in_a_circle(void **state)
{
    uintptr_t words[8] = {0};
    const uintptr_t low = (uintptr_t)words, high = (uintptr_t)(words + 8);
    struct frames frames;
    for (size_t i = 0; i < 8; i += 2) {
        words[i] = (uintptr_t)&words[i + 2];
        words[i + 1] = i + 1;
    }
    words[6] = 0;
    frames_from(&frames, words, low, low, high);
    assert_int_equal(walk(frames), 5);
    words[4] = (uintptr_t)&words[4];
    frames_from(&frames, words, low, low, high);
    assert_int_equal(walk(frames), 4);
    words[4] = (uintptr_t)&words[2];
    frames_from(&frames, words, low, low, high);
    assert_int_equal(walk(frames), 4);
    words[4] = (uintptr_t)&words[7]; /* half a frame */
    frames_from(&frames, words, low, low, high);
    assert_int_equal(walk(frames), 4);
    words[3] = 0; /* nowhere to go on */
    frames_from(&frames, words, low, low, high);
    assert_int_equal(walk(frames), 2);
}

static void a_coroutine_that_never_ran_has_no_frames(void **state)
{
    struct coro_stack stack = {.stack = {.top = (char *)&stack}};
    struct coro co = {.co = {.share_stack = &stack.stack}};
    struct code_map map = {.next = 0};
    void *address;
    assert_int_equal(coro_backtrace(&co, &map, &address, 1), 0);
}

/* Frames that lead to addresses of data: code without frame pointers leaves such. */
static void what_is_no_code_ends_a_backtrace(void **state)
{
    uintptr_t words[6] = {(uintptr_t)what_is_no_code_ends_a_backtrace, 0};
    struct coro_stack stack = {.stack = {.top = (char *)(words + 6)}};
    struct coro co = {.co = {.share_stack = &stack.stack, .sp = words}};
    struct code_map map = {.next = 0};
    void *addresses[4];
    stack.stack.owner = &co.co;
    words[1] = (uintptr_t)&words[2];
    words[2] = (uintptr_t)&words[4];
    words[3] = (uintptr_t)eventer_aco_backtrace;
    words[5] = (uintptr_t)words; /* the stack */
    assert_int_equal(coro_backtrace(&co, &map, addresses, 4), 2);
    assert_ptr_equal(addresses[1], eventer_aco_backtrace);
    words[3] = (uintptr_t)&seen;
    assert_int_equal(coro_backtrace(&co, &map, addresses, 4), 1);
    words[0] = 8; /* nor here: found once, remembered then */
    assert_int_equal(coro_backtrace(&co, &map, addresses, 4), 0);
    assert_int_equal(coro_backtrace(&co, &map, addresses, 4), 0);
    for (uintptr_t at = 0; at < 3 * CODE_SPAN_COUNT; at++) { /* more than is remembered */
        words[0] = at << 40;
        assert_int_equal(coro_backtrace(&co, &map, addresses, 4), 0);
    }
}

static const struct CMUnitTest tests[] = {
    clean_test(a_coroutine_that_waits_is_walked_in_place_and_when_it_was_moved_away),
    clean_test(a_coroutine_that_runs_is_walked_from_its_call_on),
    clean_test(the_handle_of_the_running_coroutine_is_as_good_as_none),
    clean_test(where_no_coroutine_runs_there_are_no_frames),
    clean_test(bad_arguments_are_refused),
    clean_test(frames_of_random_words_are_walked_to_an_end),
    clean_test(a_chain_may_not_lead_down_or_in_a_circle),
    clean_test(a_coroutine_that_never_ran_has_no_frames),
    clean_test(what_is_no_code_ends_a_backtrace),
};

int main(void)
{
    logged_begin();
    start_loops(1);
    return harness_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]));
}
