/* SPDX-License-Identifier: MIT */
/*
 * idle.c - resident bytes of a parked coroutine, and the time to start one, beside peers.
 *
 * Usage: idle eventer.conf        a million of ours, fewer of the peers'
 *        idle eventer.conf COUNT  COUNT coroutines of the core alone
 *
 * Each coroutine holds a live buffer of 128 bytes in its frame, which is checked after the wait, so
 * that it cannot be optimised away.  "eventer" sleeps in an event loop, and all that this takes is
 * counted; "eventer-aco" is the core alone, on one share stack, and says where its bytes are.
 * boost.context has yielded, each on the smallest stack that is a whole number of pages and holds
 * its frames.  State Threads and Go wait for a condition and for a channel.
 *
 * Each measurement is made in a process of its own: resident memory (/proc/self/statm) before and
 * after.  The medians are printed.
 */
#include "fcontext.h"
#include "measure.h"

#include <eventer/eventer.h>
#include <mtev_conf.h>
#include <mtev_defines.h>
#include <mtev_main.h>
#include <mtev_memory.h>
#ifdef BENCH_ST
#include <st.h>
#endif

#define APPNAME          "bench"
#define RUN_COUNT        5
#define COUNT_OURS       1000000
#define COUNT_BOOST      100000 /* a page each, and the kernel's time to clear it */
#define COUNT_GO         100000
#define COUNT_ST         10000 /* three mappings each, of the 65,530 that a process may have */
#define BUFFER_SIZE      128
#define BOOST_STACK_SIZE 8192
#define ST_STACK_SIZE    16384
#define SLEEP_SEC        3600
#define NS_PER_US        1000.0

enum figure {
    BYTES,
    START_US,
    FRAME_BYTES, /* eventer-aco only: live bytes of the stack, and the save area around them */
    SAVE_BYTES,
    FIGURE_COUNT,
};

static size_t count, parked_count;
static const char *configuration;

/* ---- before and after ------------------------------------------------------------ */

struct measure {
    uint64_t time_ns;
    size_t resident;
};

static struct measure take_measure(void)
{
    return (struct measure){cpu_ns(), resident_bytes()};
}

static void report(int output, struct measure before, double *figures)
{
    struct measure after = take_measure();
    require(parked_count == count, "some did not park");
    figures[BYTES] = ((double)after.resident - (double)before.resident) / (double)count;
    figures[START_US] = (double)(after.time_ns - before.time_ns) / NS_PER_US / (double)count;
    size_t size = FIGURE_COUNT * sizeof(figures[0]);
    require(write(output, figures, size) == (ssize_t)size, "write");
}

/* A line without its end; the medians are left in figures. */
static void print_line(const char *library, double values[FIGURE_COUNT][RUN_COUNT], double *figures)
{
    for (int i = 0; i < FIGURE_COUNT; i++)
        figures[i] = median(values[i], RUN_COUNT);
    printf("{\"bench\":\"idle\",\"library\":\"%s\",\"coroutines\":%zu,"
           "\"resident_bytes_per_coroutine\":%.0f,\"start_us_per_coroutine\":%.3f,\"runs\":%d",
           library, count, figures[BYTES], figures[START_US], RUN_COUNT);
}

/* ---- the frame that every one of them holds -------------------------------------- */

#define HOLD_WHILE(wait)                                                                           \
    do {                                                                                           \
        volatile char buffer[BUFFER_SIZE];                                                         \
        memset((void *)(uintptr_t)buffer, 'x', sizeof(buffer));                                    \
        parked_count++;                                                                            \
        wait;                                                                                      \
        check_filled(buffer, sizeof(buffer));                                                      \
    } while (0)

/* ---- the library: in a loop ------------------------------------------------------ */

static int loop_output;

static void sleeper(void)
{
    HOLD_WHILE(eventer_aco_sleep(&(struct timeval){SLEEP_SEC, 0}));
}

/* A timer's callback, so that each start runs its coroutine up to its sleep before it returns. */
static int start_sleepers(eventer_t e, int mask, void *closure, struct timeval *now)
{
    (void)e, (void)mask, (void)closure, (void)now;
    double figures[FIGURE_COUNT] = {0};
    struct measure before = take_measure();
    for (size_t i = 0; i < count; i++)
        eventer_aco_start(sleeper, NULL);
    report(loop_output, before, figures);
    _exit(0);
}

static int child_main(void)
{
    if (mtev_conf_load(NULL) == -1)
        exit(2);
    eventer_init();
    eventer_add_in_s_us(start_sleepers, NULL, 0, 1000);
    eventer_loop();
    return 0;
}

static void measure_eventer(int output)
{
    loop_output = output;
    mtev_memory_init();
    mtev_main(APPNAME, configuration, 0, 1, MTEV_LOCK_OP_NONE, NULL, NULL, NULL, child_main);
}

/* ---- the library: the core alone ------------------------------------------------- */

static void aco_holder(void)
{
    HOLD_WHILE(aco_yield());
    aco_exit();
}

static void measure_aco(int output)
{
    aco_thread_init(NULL);
    aco_t *main_co = aco_create(NULL, NULL, 0, NULL, NULL);
    aco_share_stack_t *stack = aco_share_stack_new(0);
    require(main_co != NULL && stack != NULL, "aco_share_stack_new");
    aco_t *first = NULL;
    double figures[FIGURE_COUNT] = {0};
    struct measure before = take_measure();
    for (size_t i = 0; i < count; i++) {
        aco_t *co = aco_create(main_co, stack, 0, aco_holder, NULL);
        require(co != NULL, "aco_create");
        if (first == NULL)
            first = co;
        aco_resume(co);
    }
    require(first != NULL, "no coroutine");
    figures[FRAME_BYTES] = (double)first->save_stack.valid_sz;
    figures[SAVE_BYTES] = (double)first->save_stack.sz;
    report(output, before, figures);
    aco_resume(first);
    require(first->is_end, "the first did not end");
}

/* ---- peers ----------------------------------------------------------------------- */

static void boost_holder(transfer_t from)
{
    HOLD_WHILE(from = jump_fcontext(from.fctx, NULL));
    jump_fcontext(from.fctx, NULL);
}

static void measure_boost(int output)
{
    double figures[FIGURE_COUNT] = {0};
    struct measure before = take_measure();
    char *stacks = map_stacks(count * BOOST_STACK_SIZE);
    for (size_t i = 1; i <= count; i++)
        jump_fcontext(make_fcontext(stacks + i * BOOST_STACK_SIZE, BOOST_STACK_SIZE, boost_holder),
                      NULL);
    report(output, before, figures);
}

#ifdef BENCH_ST
static st_cond_t st_never;

static void *st_holder(void *unused)
{
    HOLD_WHILE(st_cond_wait(st_never));
    return unused;
}

static void measure_st(int output)
{
    require(st_init() == 0, "st_init");
    st_never = st_cond_new();
    double figures[FIGURE_COUNT] = {0};
    struct measure before = take_measure();
    for (size_t i = 0; i < count; i++)
        require(st_thread_create(st_holder, NULL, 0, ST_STACK_SIZE) != NULL, "st_thread_create");
    while (parked_count < count)
        st_usleep(0);
    report(output, before, figures);
}
#endif

/* ---- the table ------------------------------------------------------------------- */

static void print_measured(const char *library, size_t coroutines, void (*measure)(int))
{
    double values[FIGURE_COUNT][RUN_COUNT], figures[FIGURE_COUNT];
    count = coroutines;
    for (int run = 0; run < RUN_COUNT; run++) {
        in_child(measure, figures, FIGURE_COUNT);
        for (int i = 0; i < FIGURE_COUNT; i++)
            values[i][run] = figures[i];
    }
    print_line(library, values, figures);
    if (figures[FRAME_BYTES] > 0)
        printf(",\"header_bytes\":%zu,\"frame_bytes\":%.0f,\"save_area_bytes\":%.0f,"
               "\"other_bytes\":%.0f",
               sizeof(aco_t), figures[FRAME_BYTES], figures[SAVE_BYTES],
               figures[BYTES] - (double)sizeof(aco_t) - figures[FRAME_BYTES]);
    printf("}\n");
    fflush(stdout);
}

static void print_go(void)
{
    double values[FIGURE_COUNT][RUN_COUNT] = {0}, figures[FIGURE_COUNT];
    char arguments[32];
    count = COUNT_GO;
    snprintf(arguments, sizeof(arguments), "idle %d", COUNT_GO);
    for (int run = 0; run < RUN_COUNT; run++) {
        if (!ask_go(arguments, figures, 2)) {
            printf("{\"bench\":\"idle\",\"library\":\"go\",\"skipped\":\"not installed\"}\n");
            return;
        }
        values[BYTES][run] = figures[BYTES];
        values[START_US][run] = figures[START_US];
    }
    print_line("go", values, figures);
    printf("}\n");
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return 2;
    configuration = argv[1];
    if (argc > 2) {
        print_measured("eventer-aco", strtoul(argv[2], NULL, 10), measure_aco);
        return 0;
    }
    print_measured("eventer", COUNT_OURS, measure_eventer);
    print_measured("eventer-aco", COUNT_OURS, measure_aco);
    print_measured("boost.context", COUNT_BOOST, measure_boost);
#ifdef BENCH_ST
    print_measured("state-threads", COUNT_ST, measure_st);
#else
    printf("{\"bench\":\"idle\",\"library\":\"state-threads\",\"skipped\":\"not installed\"}\n");
#endif
    print_go();
    return 0;
}
