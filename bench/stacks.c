/* SPDX-License-Identifier: MIT */
/*
 * stacks.c - nanoseconds per resume, by the number of share stacks.
 *
 * Usage: stacks hot-set   64 coroutines with 1 KiB of live frames, round robin, on one stack and on
 *                         64, beside boost.context
 *        stacks stacks    numbers of stacks, sizes of the set and of the frames, and how they are
 *                         chosen: a line for each set, with a time for each number of stacks
 *
 * Coroutine i stands on stack i modulo their number, as they do when a loop starts them.  One that
 * finds its stack taken has the owner's frames copied away and its own copied back.  "uniform"
 * draws the next one from all; "skewed" draws nine of ten from a tenth of them, picked by chance.
 */
#include "contest.h"
#include "fcontext.h"

#include <aco/aco.h>

#define SET_MAX        1024
#define STACK_MAX      256
#define STACK_SIZE     (256 * 1024)
#define ROUNDS         100   /* through the hot set in a slice */
#define TABLE_ROUNDS   16384 /* the resumes of a slice, whose order is drawn beforehand */
#define HOT_SET        64
#define HOT_FRAME      1024
#define FRAME_OVERHEAD 112 /* what is saved around a buffer */
#define VARIANT_ONE    0
#define VARIANT_EACH   1

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* ---- frames of a size ------------------------------------------------------------ */

#define DEFINE_HOLDER(size)                                                                        \
    static void hold_##size(void)                                                                  \
    {                                                                                              \
        volatile char buffer[(size) > FRAME_OVERHEAD ? (size)-FRAME_OVERHEAD : 1];                 \
        buffer[0] = 'x';                                                                           \
        buffer[sizeof(buffer) - 1] = 'x';                                                          \
        for (;;)                                                                                   \
            aco_yield();                                                                           \
    }
DEFINE_HOLDER(128)
DEFINE_HOLDER(1024)
DEFINE_HOLDER(4096)

struct frame {
    int size;
    aco_cofuncp_t hold;
};

/* ---- a set of coroutines on some stacks ------------------------------------------ */

struct set {
    size_t count, stack_count;
    aco_t *main_co;
    aco_t *members[SET_MAX];
    aco_share_stack_t *stacks[STACK_MAX];
};

static void set_make(struct set *set, size_t count, size_t stack_count, aco_cofuncp_t hold)
{
    set->count = count;
    set->stack_count = stack_count;
    set->main_co = aco_create(NULL, NULL, 0, NULL, NULL);
    require(set->main_co != NULL, "aco_create");
    for (size_t i = 0; i < stack_count; i++) {
        set->stacks[i] = aco_share_stack_new(STACK_SIZE);
        require(set->stacks[i] != NULL, "aco_share_stack_new");
    }
    for (size_t i = 0; i < count; i++) {
        set->members[i] = aco_create(set->main_co, set->stacks[i % stack_count], 0, hold, NULL);
        require(set->members[i] != NULL, "aco_create");
        aco_resume(set->members[i]);
    }
}

static void set_free(struct set *set)
{
    for (size_t i = 0; i < set->count; i++)
        aco_destroy(set->members[i]);
    for (size_t i = 0; i < set->stack_count; i++)
        aco_share_stack_destroy(set->stacks[i]);
    aco_destroy(set->main_co);
}

/* ---- the hot set ----------------------------------------------------------------- */

static struct set hot_sets[2]; /* by variant */

static inline void resume_all(struct set *set)
{
    for (size_t i = 0; i < HOT_SET; i++)
        aco_resume(set->members[i]);
}

static double run_eventer(int variant)
{
    struct set *set = &hot_sets[variant];
    return CONTEST_FASTEST(ROUNDS, resume_all(set)) / HOT_SET;
}

static fcontext_t boosts[HOT_SET];

static void boost_entry(transfer_t from)
{
    volatile char buffer[HOT_FRAME - FRAME_OVERHEAD];
    buffer[0] = 'x';
    buffer[sizeof(buffer) - 1] = 'x';
    for (;;)
        from = jump_fcontext(from.fctx, NULL);
}

static inline void resume_boosts(void)
{
    for (size_t i = 0; i < HOT_SET; i++)
        boosts[i] = jump_fcontext(boosts[i], NULL).fctx;
}

static double run_boost(int variant)
{
    (void)variant;
    return CONTEST_FASTEST(ROUNDS, resume_boosts()) / HOT_SET;
}

static void print_hot_set(void)
{
    static const char *const stacks[] = {"1", "64"};
    static const struct contest contest = {
        "hot-set",
        "ns_per_resume",
        "stacks",
        stacks,
        {{"eventer", NULL, run_eventer},
         {"eventer-again", "again", run_eventer},
         {"boost.context", "boost", run_boost}},
    };
    static char boost_stacks[HOT_SET][STACK_SIZE] __attribute__((aligned(64)));
    for (size_t i = 0; i < HOT_SET; i++) {
        fcontext_t fresh = make_fcontext(boost_stacks[i] + STACK_SIZE, STACK_SIZE, boost_entry);
        boosts[i] = jump_fcontext(fresh, NULL).fctx;
    }
    set_make(&hot_sets[VARIANT_ONE], HOT_SET, 1, hold_1024);
    contest_run(&contest, VARIANT_ONE);
    set_free(&hot_sets[VARIANT_ONE]);
    set_make(&hot_sets[VARIANT_EACH], HOT_SET, HOT_SET, hold_1024);
    contest_run(&contest, VARIANT_EACH);
    set_free(&hot_sets[VARIANT_EACH]);
}

/* ---- the table ------------------------------------------------------------------- */

static uint16_t order[TABLE_ROUNDS]; /* indexes of the next ones */

static void draw_order(size_t count, bool is_skewed)
{
    uint64_t state = 1;
    uint16_t shuffled[SET_MAX];
    for (size_t i = 0; i < count; i++) {
        size_t other = next_random(&state) % (i + 1);
        shuffled[i] = shuffled[other];
        shuffled[other] = (uint16_t)i;
    }
    size_t few = (count + 9) / 10;
    for (size_t i = 0; i < TABLE_ROUNDS; i++) {
        bool is_favoured = is_skewed && next_random(&state) % 10 != 0;
        order[i] = shuffled[next_random(&state) % (is_favoured ? few : count)];
    }
}

static inline void resume_in_order(const struct set *set)
{
    for (size_t i = 0; i < TABLE_ROUNDS; i++)
        aco_resume(set->members[order[i]]);
}

static void print_row(const struct frame *frame, size_t count, bool is_skewed)
{
    static const size_t stack_counts[] = {1, 4, 16, 64, STACK_MAX};
    static struct set set;
    draw_order(count, is_skewed);
    printf("{\"bench\":\"stacks\",\"choice\":\"%s\",\"frame_bytes\":%d,\"set\":%zu,"
           "\"ns_per_resume\":{",
           is_skewed ? "skewed" : "uniform", frame->size, count);
    for (size_t i = 0; i < COUNT_OF(stack_counts); i++) {
        set_make(&set, count, stack_counts[i], frame->hold);
        printf("%s\"%zu\":%.1f", i == 0 ? "" : ",", stack_counts[i],
               CONTEST_FASTEST(1, resume_in_order(&set)) / TABLE_ROUNDS);
        set_free(&set);
    }
    printf("}}\n");
    fflush(stdout);
}

static void print_table(void)
{
    static const struct frame frames[] = {{128, hold_128}, {1024, hold_1024}, {4096, hold_4096}};
    static const size_t counts[] = {16, 64, 256, SET_MAX};
    for (int is_skewed = 0; is_skewed <= 1; is_skewed++)
        for (size_t i = 0; i < COUNT_OF(frames); i++)
            for (size_t j = 0; j < COUNT_OF(counts); j++)
                print_row(&frames[i], counts[j], is_skewed != 0);
}

int main(int argc, char **argv)
{
    aco_thread_init(NULL);
    if (argc > 1 && strcmp(argv[1], "stacks") == 0)
        print_table();
    else
        print_hot_set();
    return 0;
}
