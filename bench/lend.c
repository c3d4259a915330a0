/* SPDX-License-Identifier: MIT */
/*
 * lend.c - how late a crowd of coroutines is while others on its loop have lent their locals.
 *
 * 64 coroutines hand the address of a local to a job that takes a second, again and again, so that
 * this many loans are under way all the time.  Meanwhile 10,000 others on the same loop sleep, ask
 * over socket pairs and answer.  Late is how much later than asked a sleep returns, and how long an
 * answer takes.  Each measurement is made in a process of its own: with the default number of
 * shared stacks and with one, with the loans and without any; these alternate.  Medians are
 * printed.
 */
#include "measure.h"

#include <eventer/eventer.h>
#include <eventer/eventer_jobq.h>
#include <mtev_defines.h>

#include <sys/socket.h>

#define RUN_COUNT     5
#define LOAN_COUNT    64
#define TALKER_COUNT  1000 /* pairs */
#define SLEEPER_COUNT 8000
#define CROWD_COUNT   (SLEEPER_COUNT + 2 * TALKER_COUNT)
#define PAUSE_MS      100 /* the shortest sleep; the longest is twice that */
#define WARM_UP_NS    (NS_PER_SEC / 2)
#define RUN_NS        (2ULL * NS_PER_SEC)
#define SAMPLE_MAX    400000
#define LENT_SIZE     256
#define US_PER_MS     1000
#define NS_PER_US     1000.0

enum figure {
    P50_US,
    P99_US,
    MAX_US,
    SAMPLES,
    BLOCKED,
    FIGURE_COUNT,
};

static const struct variant {
    const char *stacks; /* of aco_shared_stacks; NULL: the default */
    bool has_loans;
} variants[] = {{NULL, true}, {NULL, false}, {"1", true}, {"1", false}};
#define VARIANT_COUNT (sizeof(variants) / sizeof(variants[0]))

static const struct variant *chosen;
static eventer_jobq_t *loan_queue;
static uint64_t start_ns;
static double late_us[SAMPLE_MAX];
static size_t sample_count;

/* ---- those that lend ------------------------------------------------------------- */

static void take_a_second(void *closure)
{
    volatile unsigned char *lent = closure;
    sleep(1);
    for (int i = 1; i < LENT_SIZE; i++)
        lent[i] = (unsigned char)(lent[0] + i);
}

static void lend(void)
{
    for (;;) {
        unsigned char lent[LENT_SIZE] = {7};
        eventer_aco_simple_asynch_queue(take_a_second, lent, loan_queue);
        for (int i = 1; i < LENT_SIZE; i++)
            require(lent[i] == (unsigned char)(lent[0] + i), "a lent local is wrong");
    }
}

/* ---- the crowd ------------------------------------------------------------------- */

static void note(uint64_t ns)
{
    if (clock_ns(CLOCK_MONOTONIC) - start_ns < WARM_UP_NS)
        return;
    require(sample_count < SAMPLE_MAX, "too many samples");
    late_us[sample_count++] = (double)ns / NS_PER_US;
}

static void pause_and_note(uint64_t *state)
{
    uint64_t ms = PAUSE_MS + next_random(state) % PAUSE_MS;
    uint64_t begun_ns = clock_ns(CLOCK_MONOTONIC);
    struct timeval duration = {.tv_usec = (suseconds_t)(ms * US_PER_MS)};
    eventer_aco_sleep(&duration);
    note(clock_ns(CLOCK_MONOTONIC) - begun_ns - ms * US_PER_MS * 1000);
}

static void sleep_often(void)
{
    uint64_t state = (uintptr_t)eventer_aco_arg();
    for (;;)
        pause_and_note(&state);
}

static int never_called(eventer_t e, int mask, void *closure, struct timeval *now)
{
    (void)e, (void)mask, (void)closure, (void)now;
    require(false, "an event of coroutines was called back");
    return 0;
}

static eventer_aco_t adopt(void)
{
    int fd = (int)(intptr_t)eventer_aco_arg();
    return eventer_set_eventer_aco(eventer_alloc_fd(never_called, NULL, fd, EVENTER_READ));
}

static void answer(void)
{
    eventer_aco_t e = adopt();
    char bytes[16];
    for (;;) {
        int len = eventer_aco_read(e, bytes, sizeof(bytes), NULL);
        require(len > 0 && eventer_aco_write(e, bytes, (size_t)len, NULL) == len, "an answer");
    }
}

static void ask(void)
{
    eventer_aco_t e = adopt();
    uint64_t state = 1 + (uintptr_t)eventer_aco_arg();
    for (;;) {
        char bytes[16] = "question";
        pause_and_note(&state);
        uint64_t begun_ns = clock_ns(CLOCK_MONOTONIC);
        require(eventer_aco_write(e, bytes, sizeof(bytes), NULL) == sizeof(bytes), "a question");
        require(eventer_aco_read(e, bytes, sizeof(bytes), NULL) == sizeof(bytes), "an answer");
        note(clock_ns(CLOCK_MONOTONIC) - begun_ns);
    }
}

/* ---- one measurement ------------------------------------------------------------- */

static int output;

static void end_run(void)
{
    eventer_aco_stats_t stats;
    double figures[FIGURE_COUNT];
    struct timeval duration = {(WARM_UP_NS + RUN_NS) / NS_PER_SEC,
                               (WARM_UP_NS + RUN_NS) % NS_PER_SEC / 1000};
    eventer_aco_sleep(&duration);
    eventer_aco_get_stats(&stats);
    require(stats.coroutines == CROWD_COUNT + 1 + (chosen->has_loans ? LOAN_COUNT : 0),
            "the crowd");
    figures[P50_US] = median(late_us, sample_count); /* sorts them */
    figures[P99_US] = late_us[sample_count / 100 * 99];
    figures[MAX_US] = late_us[sample_count - 1];
    figures[SAMPLES] = (double)sample_count;
    figures[BLOCKED] = (double)stats.blocked;
    require(write(output, figures, sizeof(figures)) == sizeof(figures), "write");
    _exit(0);
}

static int start_all(eventer_t e, int mask, void *closure, struct timeval *now)
{
    (void)e, (void)mask, (void)closure, (void)now;
    start_ns = clock_ns(CLOCK_MONOTONIC);
    for (int i = 0; i < LOAN_COUNT && chosen->has_loans; i++)
        eventer_aco_start(lend, NULL);
    for (uintptr_t i = 1; i <= SLEEPER_COUNT; i++)
        eventer_aco_start(sleep_often, (void *)i);
    for (int i = 0; i < TALKER_COUNT; i++) {
        int fds[2];
        require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0,
                "socketpair");
        eventer_aco_start(answer, (void *)(intptr_t)fds[0]);
        eventer_aco_start(ask, (void *)(intptr_t)fds[1]);
    }
    start_ns = clock_ns(CLOCK_MONOTONIC);
    eventer_aco_start(end_run, NULL);
    return 0;
}

static void run(int to)
{
    output = to;
    eventer_propset("concurrency", "1");
    if (chosen->stacks != NULL)
        eventer_propset("aco_shared_stacks", chosen->stacks);
    require(eventer_init() == 0, "eventer_init");
    loan_queue = eventer_jobq_create("loans");
    require(loan_queue != NULL, "a queue");
    eventer_jobq_set_concurrency(loan_queue, LOAN_COUNT);
    eventer_add_in_s_us(start_all, NULL, 0, 0);
    eventer_loop();
}

static void print_medians(const struct variant *variant, double values[FIGURE_COUNT][RUN_COUNT])
{
    printf("{\"bench\":\"lend\",\"library\":\"eventer\",\"shared_stacks\":\"%s\",\"loans\":%d,"
           "\"crowd\":%d",
           variant->stacks == NULL ? "default" : variant->stacks,
           variant->has_loans ? LOAN_COUNT : 0, CROWD_COUNT);
    static const char *const names[FIGURE_COUNT] = {"late_us_p50", "late_us_p99", "late_us_max",
                                                    "samples", "blocked"};
    for (int i = 0; i < FIGURE_COUNT; i++)
        printf(",\"%s\":%.0f", names[i], median(values[i], RUN_COUNT));
    printf(",\"runs\":%d}\n", RUN_COUNT);
}

int main(void)
{
    static double values[VARIANT_COUNT][FIGURE_COUNT][RUN_COUNT];
    for (int i = 0; i < RUN_COUNT; i++)
        for (size_t v = 0; v < VARIANT_COUNT; v++) {
            double figures[FIGURE_COUNT];
            chosen = &variants[v];
            in_child(run, figures, FIGURE_COUNT);
            for (int f = 0; f < FIGURE_COUNT; f++)
                values[v][f][i] = figures[f];
        }
    for (size_t v = 0; v < VARIANT_COUNT; v++)
        print_medians(&variants[v], values[v]);
    return 0;
}
