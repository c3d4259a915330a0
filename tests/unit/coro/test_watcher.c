/* SPDX-License-Identifier: MIT */
/*
 * Goal: a callback or a coroutine that holds its loop, with the processor or in a system call, is
 * logged with the stack that it had meanwhile; others are not; and when loops sleep nobody looks.
 * Method: callbacks that go on until their stack was taken, and the lines that follow.
 */
#include "clean.h"
#include "in_coroutine.h"
#include "tools.h"

#include "base/alloc.h"
#include "coro/inspect_impl.h"
#include "eventer/event.h"

#include <dirent.h>
#include <poll.h>

#define SLOW_MS 250

static struct watched *watched; /* of the loop */
static int fds[2];              /* a pipe */
static void *returns_to;        /* where what takes long goes on in its caller */

static bool was_taken_since(uint64_t ns)
{
    return atomic_load(&watched->taken_ns) >= ns;
}

/* ---- what takes long ---- */

/* ThreadSanitizer runs them in some calls only. */
static void let_handlers_run(int timeout_ms)
{
#ifdef TOOLS_TSAN
    struct pollfd pollfd = {.fd = fds[0], .events = POLLIN};
    while (poll(&pollfd, 1, timeout_ms) < 0 && errno == EINTR)
        ;
#endif
}

#define NOTE_CALLER() (returns_to = __builtin_extract_return_addr(__builtin_return_address(0)))

static __attribute__((noinline)) void burn(void)
{
    NOTE_CALLER();
    uint64_t begun_ns = clock_mono_ns();
    while (!was_taken_since(begun_ns))
        let_handlers_run(0);
    atomic_signal_fence(memory_order_seq_cst); /* so that it is not the last thing done here */
}

static __attribute__((noinline)) void block(void)
{
    char byte;
    NOTE_CALLER();
    let_handlers_run(-1);
    check_int(read(fds[0], &byte, 1), 1); /* it is restarted behind the signal */
}

static struct tally has_ended = TALLY_NONE;

static int on_burn(eventer_t e, int mask, void *closure, struct timeval *now)
{
    burn();
    tally_raise(&has_ended);
    return 0;
}

static int on_block(eventer_t e, int mask, void *closure, struct timeval *now)
{
    block();
    tally_raise(&has_ended);
    return 0;
}

static int on_quick(eventer_t e, int mask, void *closure, struct timeval *now)
{
    tally_raise(&has_ended);
    return 0;
}

static void burn_in_coroutine(void)
{
    burn();
    tally_raise(&has_ended);
}

static void block_in_coroutine(void)
{
    block();
    tally_raise(&has_ended);
}

static void add_timer(eventer_func_t func)
{
    eventer_add(eventer_alloc_timer(func, NULL, &(struct timeval){0, 0}));
}

/* Write to whoever blocks once its stack was taken. */
static void release_when_taken(uint64_t begun_ns)
{
    while (!was_taken_since(begun_ns))
        sched_yield();
    assert_int_equal(write(fds[1], "x", 1), 1);
}

/* True if the stack that was taken leads through the caller of what took long. */
static bool has_caller(void)
{
    for (int i = 0; i < watched->count; i++)
        if (watched->addresses[i] == returns_to)
            return true;
    return false;
}

/* Fail the running test unless a line begins with start, and the stack follows. */
static void assert_said(const char *start)
{
    tally_wait(&has_ended);
    settle_all();
    assert_checks();
    assert_int_equal(logged(start), 1);
    bool is_shown = has_caller() && logged("\n") == 1u + (unsigned)watched->count;
#ifdef TOOLS_TSAN /* it runs handlers later, elsewhere */
    is_shown = true;
#endif
    if (!is_shown)
        fail_msg("said:\n%s", logged_lines());
    logged_clear();
}

static void a_callback_that_burns_is_shown(void **state)
{
    add_timer(on_burn);
    assert_said("slow callback burner held e:default/0 for ");
}

static void a_callback_that_blocks_is_shown(void **state)
{
    uint64_t begun_ns = clock_mono_ns();
    add_timer(on_block);
    release_when_taken(begun_ns);
    assert_said("slow callback blocker held e:default/0 for ");
}

static void a_coroutine_that_burns_is_shown(void **state)
{
    eventer_aco_start(burn_in_coroutine, NULL);
    assert_said("slow coroutine burning held e:default/0 for ");
}

static void a_coroutine_that_blocks_is_shown(void **state)
{
    uint64_t begun_ns = clock_mono_ns();
    eventer_aco_start(block_in_coroutine, NULL);
    release_when_taken(begun_ns);
    assert_said("slow coroutine blocking held e:default/0 for ");
}

/* ---- and what does not ---- */

static void what_is_quick_is_not_shown(void **state)
{
    for (int i = 0; i < 100; i++) {
        add_timer(on_quick);
        tally_wait(&has_ended);
    }
}

static void park(void *closure)
{
    sleep_ms(*(long *)closure);
}

/* Held by the whole turn, and not by each coroutine in it, which waits meanwhile. */
static void a_coroutine_that_waits_is_not_shown(void **state)
{
    long ms = 300;
    in_coroutine(0, park, &ms);
}

static void call_and_wait(void *closure)
{
    struct account_span span;
    account_enter(&span, loop_self, closure);
    check(span.loop == NULL);
    sleep_ms(1);
    account_leave(&span, -1);
}

static void what_a_coroutine_calls_is_a_part_of_its_turn(void **state)
{
    static int function;
    in_coroutine(0, call_and_wait, &function);
}

/* How often the watcher has gone to sleep. */
static long switches(void)
{
    long count = -1;
    DIR *tasks = opendir("/proc/self/task");
    const struct dirent *task;
    assert_non_null(tasks);
    while ((task = readdir(tasks)) != NULL) {
        char path[300], line[256];
        bool is_it = false;
        snprintf(path, sizeof(path), "/proc/self/task/%s/status", task->d_name);
        FILE *status = fopen(path, "r");
        while (status != NULL && fgets(line, sizeof(line), status) != NULL) {
            is_it |= strcmp(line, "Name:\te:watcher\n") == 0;
            if (is_it)
                (void)sscanf(line, "voluntary_ctxt_switches: %ld", &count);
        }
        if (status != NULL)
            fclose(status);
    }
    closedir(tasks);
    return count;
}

static void nobody_looks_while_loops_sleep(void **state)
{
    long before;
    do { /* until it has looked for the last time */
        before = switches();
        poll(NULL, 0, 2 * SLOW_MS);
    } while (switches() != before);
    assert_true(before > 0);
    poll(NULL, 0, 500); /* nothing to wait for: that nothing happens is what is shown */
    assert_int_equal(switches(), before);
}

/* ---- where it cannot look ---- */

static struct loop other;
static struct coro_home other_home = {.loop = &other};

static void on_other(int number)
{
}

static void who_has_the_signal_keeps_it(void **state)
{
    struct sigaction before, after, own = {.sa_handler = on_other};
    static char stack[64 * 1024];
    stack_t stack_before;
    assert_int_equal(
        sigaltstack(&(stack_t){.ss_sp = stack, .ss_size = sizeof(stack)}, &stack_before), 0);
    assert_int_equal(sigaction(WATCHER_SIGNAL, &own, &before), 0);
    watcher_add(&other_home);
    assert_logged(1, "what is slow is logged without its stack: the signal has a handler");
    assert_int_equal(sigaction(WATCHER_SIGNAL, &before, &after), 0);
    assert_ptr_equal(after.sa_handler, on_other);
    assert_null(other_home.watched);
    watcher_remove(&other_home);
    alloc_fail_nth(1, 1);
    watcher_add(&other_home);
    alloc_fail_nth(0, 0);
    assert_logged(1, "without its stack: Cannot allocate memory");
    watcher_add(&other_home); /* beside the other one */
    assert_non_null(other_home.watched);
    watcher_remove(&other_home);
    assert_int_equal(sigaltstack(&stack_before, NULL), 0);
}

static const struct CMUnitTest tests[] = {
    clean_test(a_callback_that_burns_is_shown),
    clean_test(a_callback_that_blocks_is_shown),
    clean_test(a_coroutine_that_burns_is_shown),
    clean_test(a_coroutine_that_blocks_is_shown),
    clean_test(what_is_quick_is_not_shown),
    clean_test(a_coroutine_that_waits_is_not_shown),
    clean_test(what_a_coroutine_calls_is_a_part_of_its_turn),
    clean_test(nobody_looks_while_loops_sleep),
    clean_test(who_has_the_signal_keeps_it),
};

int main(void)
{
    char slow_ms[16];
    snprintf(slow_ms, sizeof(slow_ms), "%d", SLOW_MS);
    logged_begin();
    eventer_name_callback("burner", on_burn);
    eventer_name_callback("blocker", on_block);
    eventer_name_callback("burning", (eventer_func_t)(uintptr_t)burn_in_coroutine);
    eventer_name_callback("blocking", (eventer_func_t)(uintptr_t)block_in_coroutine);
    if (pipe(fds) != 0 || eventer_propset("show_loop_callbacks_threshold", slow_ms) != 0)
        return 1;
    start_loops(1);
    watched = ((struct coro_home *)loop_at(0)->coro)->watched;
    harness_keep_fds();
    return watched == NULL || harness_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]));
}
