/* SPDX-License-Identifier: MIT */
/*
 * Goal: the frames of a coroutine are found on its stack and in its save area alike, and nothing is
 * read outside them whatever they hold.
 * Method: functions that note where they will return to, against what is found; frames of random
 * words between pages that fault.
 */
#include "clean.h"
#include "in_coroutine.h"
#include "random.h"
#include "tools.h"

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
#define GOES_ON_IN        aco_swap_ /* to which eventer_aco_sleep() may jump */
#define GOES_ON_IN_SWITCH 1
#else
#define GOES_ON_IN        eventer_aco_sleep
#define GOES_ON_IN_SWITCH 0
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

/* What frames_of() looks at: words that belong at low, and whether they lie there. */
struct fake {
    struct coro_stack stack;
    struct coro co;
};

static void fake_init(struct fake *fake, uintptr_t *words, size_t count, uintptr_t low)
{
    memset(fake, 0, sizeof(*fake));
    fake->stack.stack.top = (char *)low + count * sizeof(*words); /* NOLINT: an address */
    fake->co.co.share_stack = &fake->stack.stack;
    fake->co.co.sp = (void *)low;
    fake->co.co.save_stack.ptr = words;
    if ((uintptr_t)words == low)
        fake->stack.stack.owner = &fake->co.co;
}

static int walk(const struct coro *co, void **addresses, int max)
{
    struct object_map map = {.next = 0};
    struct frames frames;
    struct frame frame;
    int count = 0;
    frames_of(&frames, &map, co);
    while (frames_next(&frames, &frame)) {
        if (count < max)
            addresses[count] = frame.address;
        count++;
    }
    return count;
}

/* Some byte of some code: not always the first one of an instruction. */
static uintptr_t random_code(uint32_t *seed)
{
    static void (*const functions[])(void) = {call_all, let_it_end, eventer_loop};
    return (uintptr_t)functions[random_below(seed, 3)] + random_below(seed, 200);
}

/* Random words, of which many are addresses in the frames or of code: the walk ends, inside. */
static void frames_of_random_words_are_walked_to_an_end(void **state)
{
    struct fenced fenced = fence();
    struct fake fake;
    uint32_t seed = random_seed();
    int longest = 0;
    for (int round = 0; round < 20000 / TOOLS_SLOWNESS; round++) {
        size_t count = (size_t)round % WORDS;
        bool is_at_the_end = round % 2 == 0;
        uintptr_t *words = (uintptr_t *)(void *)(fenced.mapping + fenced.page);
        if (is_at_the_end)
            words += fenced.page / sizeof(*words) - count;
        uintptr_t low = (uintptr_t)words + (round % 3 == 0 ? 0 : 0x10000); /* moved, or in place */
        for (size_t i = 0; i < count; i++) {
            uint32_t choice = random_below(&seed, 4);
            if (choice == 0)
                words[i] = (uintptr_t)random_next(&seed) << random_below(&seed, 32);
            else if (choice == 1)
                words[i] = low + random_below(&seed, WORDS + 4) * 8 - (random_below(&seed, 8) == 0);
            else
                words[i] = random_code(&seed);
        }
        fake_init(&fake, words, count, low);
        int found = walk(&fake.co, NULL, 0);
        assert_true(found <= (int)count + 1); /* each is further up */
        longest = MAX(longest, found);
    }
    assert_true(longest >= 2);
    munmap(fenced.mapping, 3 * fenced.page);
}

static void a_coroutine_that_never_ran_has_no_frames(void **state)
{
    struct fake fake;
    fake_init(&fake, NULL, 0, (uintptr_t)&fake);
    fake.co.co.sp = NULL;
    assert_int_equal(walk(&fake.co, NULL, 0), 0);
}

static void what_is_no_code_ends_a_backtrace(void **state)
{
    uintptr_t words[64] = {0};
    struct fake fake;
    fake_init(&fake, words, 64, (uintptr_t)words);
    const uintptr_t addresses[] = {0, 8, (uintptr_t)words, (uintptr_t)&seen, UINTPTR_MAX};
    for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
        words[0] = addresses[i];
        assert_int_equal(walk(&fake.co, NULL, 0), 0);
    }
    for (uintptr_t at = 0; at < 3 * OBJECT_SPAN_COUNT; at++) { /* more than is remembered */
        words[0] = at << 40;
        assert_int_equal(walk(&fake.co, NULL, 0), 0);
    }
    words[0] = (uintptr_t)what_is_no_code_ends_a_backtrace; /* at its start: words[2] returns */
    words[2] = (uintptr_t)&seen;
    assert_int_equal(walk(&fake.co, NULL, 0), 1);
}

/* ---- a switch that is inlined ---- */

static __attribute__((noinline)) int yield_inline(int n)
{
    seen.noted[0] = __builtin_return_address(0);
    aco_yield();
    return n + 1;
}

static __attribute__((noinline)) int call_it(int n)
{
    volatile char bytes[40] = {0};
    seen.noted[1] = __builtin_return_address(0);
    return yield_inline(n) + bytes[39];
}

static void call_and_end(void)
{
    (void)call_it(1);
    aco_exit();
}

/* The compiler may have put locals below the stack pointer of the function that switches. */
static void a_switch_in_code_with_a_red_zone_is_walked(void **state)
{
    void *addresses[4];
    aco_thread_init(NULL);
    aco_t *main_co = aco_create(NULL, NULL, 0, NULL, NULL);
    aco_share_stack_t *stack = aco_share_stack_new(0);
    aco_t *co = aco_create(main_co, stack, 0, call_and_end, NULL);
    aco_resume(co);
    int count = walk((const struct coro *)(const void *)co, addresses, 4);
    assert_in_range(count, 3, 3 + ENTRY_FRAMES_MAX + GOES_ON_IN_SWITCH);
    void **from = addresses + GOES_ON_IN_SWITCH;
    assert_true(lies_in(from[0], (uintptr_t)yield_inline));
    assert_ptr_equal(from[1], seen.noted[0]);
    assert_ptr_equal(from[2], seen.noted[1]);
    aco_resume(co);
    aco_destroy(co);
    aco_share_stack_destroy(stack);
    aco_destroy(main_co);
}

static const struct CMUnitTest tests[] = {
    clean_test(a_coroutine_that_waits_is_walked_in_place_and_when_it_was_moved_away),
    clean_test(a_coroutine_that_runs_is_walked_from_its_call_on),
    clean_test(the_handle_of_the_running_coroutine_is_as_good_as_none),
    clean_test(where_no_coroutine_runs_there_are_no_frames),
    clean_test(bad_arguments_are_refused),
    clean_test(frames_of_random_words_are_walked_to_an_end),
    clean_test(a_coroutine_that_never_ran_has_no_frames),
    clean_test(what_is_no_code_ends_a_backtrace),
    cmocka_unit_test(a_switch_in_code_with_a_red_zone_is_walked),
};

int main(void)
{
    logged_begin();
    start_loops(1);
    return harness_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]));
}
