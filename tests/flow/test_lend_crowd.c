/* SPDX-License-Identifier: MIT */
/*
 * Goal: while many coroutines have lent their locals, a crowd on the same loop goes on sleeping,
 * reading and answering, and none of it waits for a loan.
 * Method: 64 jobs hold a loan each until the whole crowd has ended; so the crowd cannot have waited
 * for any of them.  How late its sleeps and answers were is printed (the figure is bench/lend.c's).
 * Run with the default number of stacks and with one (ACO_STACKS).
 */
#include "clean.h"
#include "in_coroutine.h"
#include "tools.h"

#include <eventer/eventer_jobq.h>

#define LOAN_COUNT    64
#define CROWD_COUNT   (TOOLS_SLOWNESS == 1 ? 10000 : 1000)
#define TALKER_COUNT  (CROWD_COUNT / 10) /* pairs of them; the others sleep */
#define SLEEPER_COUNT (CROWD_COUNT - 2 * TALKER_COUNT)
#define ROUNDS        5 /* the first ones overlap with starting the others, and are not counted */
#define PAUSE_MS      50
#define SAMPLE_COUNT  ((SLEEPER_COUNT + TALKER_COUNT) * (ROUNDS - 1))
#define LENT_SIZE     256

static _Atomic int loans_begun, loans_ended, crowd_ended;
static struct tally loans_may_end = TALLY_NONE;
static eventer_jobq_t *loan_queue;

static uint64_t late_ns[SAMPLE_COUNT]; /* the loop's alone */
static size_t sample_count;

/* ---- those that lend ------------------------------------------------------------- */

static void hold_loan(void *closure)
{
    volatile unsigned char *lent = closure;
    unsigned char first = lent[0];
    atomic_fetch_add(&loans_begun, 1);
    tally_wait(&loans_may_end);
    for (int i = 1; i < LENT_SIZE; i++)
        lent[i] = (unsigned char)(first + i);
}

static void lend(void)
{
    unsigned char lent[LENT_SIZE] = {(unsigned char)(uintptr_t)eventer_aco_arg()};
    eventer_aco_simple_asynch_queue(hold_loan, lent, loan_queue);
    for (int i = 1; i < LENT_SIZE; i++)
        check_int(lent[i], (unsigned char)(lent[0] + i));
    atomic_fetch_add(&loans_ended, 1);
}

static void start_lenders(void *closure)
{
    for (uintptr_t i = 0; i < LOAN_COUNT; i++)
        eventer_aco_start(lend, (void *)i);
}

/* ---- the crowd ------------------------------------------------------------------- */

static void note_lateness(int round, uint64_t ns)
{
    if (round > 0 && check(sample_count < SAMPLE_COUNT))
        late_ns[sample_count++] = ns;
}

static void sleep_often(void)
{
    uint64_t ms = PAUSE_MS + (uintptr_t)eventer_aco_arg() % PAUSE_MS;
    for (int i = 0; i < ROUNDS; i++) {
        uint64_t due_ns = clock_mono_ns() + ms * 1000000;
        sleep_ms((long)ms);
        note_lateness(i, clock_mono_ns() - due_ns);
    }
    atomic_fetch_add(&crowd_ended, 1);
}

static int never_called(eventer_t e, int mask, void *closure, struct timeval *now)
{
    check(false);
    return 0;
}

static eventer_aco_t adopt(int fd)
{
    return eventer_set_eventer_aco(eventer_alloc_fd(never_called, NULL, fd, EVENTER_READ));
}

static void answer(void)
{
    eventer_aco_t e = adopt((int)(intptr_t)eventer_aco_arg());
    char bytes[16];
    int len;
    while ((len = eventer_aco_read(e, bytes, sizeof(bytes), NULL)) > 0)
        check_int(eventer_aco_write(e, bytes, (size_t)len, NULL), len);
    eventer_aco_close(e);
    eventer_aco_free(e);
    atomic_fetch_add(&crowd_ended, 1);
}

static void ask(void)
{
    eventer_aco_t e = adopt((int)(intptr_t)eventer_aco_arg());
    for (int i = 0; i < ROUNDS; i++) {
        char bytes[16] = "question";
        sleep_ms(PAUSE_MS + i);
        uint64_t begun_ns = clock_mono_ns();
        check_int(eventer_aco_write(e, bytes, sizeof(bytes), NULL), sizeof(bytes));
        check_int(eventer_aco_read(e, bytes, sizeof(bytes), NULL), sizeof(bytes));
        note_lateness(i, clock_mono_ns() - begun_ns);
        check(strcmp(bytes, "question") == 0);
    }
    eventer_aco_close(e);
    eventer_aco_free(e);
    atomic_fetch_add(&crowd_ended, 1);
}

static void start_crowd(void *closure)
{
    for (uintptr_t i = 0; i < SLEEPER_COUNT; i++)
        eventer_aco_start(sleep_often, (void *)i);
    for (int i = 0; i < TALKER_COUNT; i++) {
        int fds[2] = {-1, -1};
        check_int(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
        eventer_aco_start(answer, (void *)(intptr_t)fds[0]);
        eventer_aco_start(ask, (void *)(intptr_t)fds[1]);
    }
}

/* ---- both ------------------------------------------------------------------------ */

static int compare(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

static void print_lateness(void)
{
    qsort(late_ns, sample_count, sizeof(late_ns[0]), compare);
    print_message("late: p50 %ju us, p99 %ju us, at most %ju us\n",
                  (uintmax_t)late_ns[sample_count / 2] / 1000,
                  (uintmax_t)late_ns[sample_count / 100 * 99] / 1000,
                  (uintmax_t)late_ns[sample_count - 1] / 1000);
}

static void a_crowd_goes_on_while_loans_are_held(void **state)
{
    eventer_aco_stats_t before, held;
    in_loop(0, start_lenders, NULL);
    wait_until(&loans_begun, LOAN_COUNT);
    eventer_aco_get_stats(&before);
    assert_int_equal(before.loans, LOAN_COUNT);
    assert_int_equal(before.coroutines, LOAN_COUNT);
    in_loop(0, start_crowd, NULL);
    wait_until(&crowd_ended, CROWD_COUNT);
    settle(0);
    eventer_aco_get_stats(&held);
    assert_int_equal(loans_ended, 0);
    assert_int_equal(held.coroutines, LOAN_COUNT); /* all others have ended */
    assert_int_equal(held.started, before.started + CROWD_COUNT);
    assert_int_equal(held.blocked, 0); /* and none of their turns had to wait */
    assert_int_equal(sample_count, SAMPLE_COUNT);
    for (int i = 0; i < LOAN_COUNT; i++)
        tally_raise(&loans_may_end);
    wait_until(&loans_ended, LOAN_COUNT);
    wait_for_all_to_end(0);
    print_lateness();
}

static const struct CMUnitTest tests[] = {
    clean_test(a_crowd_goes_on_while_loans_are_held),
};

int main(void)
{
    logged_begin();
    start_loops(1);
    loan_queue = eventer_jobq_create("loans");
    if (loan_queue == NULL)
        return 1;
    eventer_jobq_set_concurrency(loan_queue, LOAN_COUNT);
    return harness_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]));
}
