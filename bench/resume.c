/* SPDX-License-Identifier: MIT */
/*
 * resume.c - nanoseconds to resume one of a million coroutines, in random order, beside a peer.
 *
 * Ours stand on one share stack, so each resume copies the frames of the one before to its save
 * area and those of the next one back.  "prefetch" asks for the header of a coroutine eight resumes
 * ahead and for its saved frames four ahead; "plain" does not.  boost.context copies nothing: each
 * of a quarter of a million has its own page.  All hold a buffer of the same size in their frames.
 * "memory-read" is the yardstick: one read of a line that nobody predicts, as far apart.
 */
#include "contest.h"
#include "fcontext.h"

#include <aco/aco.h>
#include <assert.h>

#define COUNT            1000000
#define BUFFER_SIZE      176    /* with what is saved around it, 256 bytes are live */
#define RESUMES          250000 /* in a run; the next one goes on where it stopped */
#define BOOST_COUNT      250000 /* a GiB of stacks; a million would take four */
#define BOOST_STACK_SIZE 4096
#define READ_STRIDE      256
#define HEADER_AHEAD     8
#define FRAMES_AHEAD     4
#define VARIANT_PREFETCH 0
#define VARIANT_PLAIN    1

static uint32_t order[COUNT + HEADER_AHEAD]; /* a permutation, and its beginning once more */
static_assert(COUNT % RESUMES == 0, "runs go through the order in whole numbers");
static aco_t *ours[COUNT + HEADER_AHEAD]; /* in that order */
static fcontext_t boosts[BOOST_COUNT];    /* in the order of those indexes that it has */

static void shuffle(void)
{
    uint64_t state = 1;
    for (uint32_t i = 0; i < COUNT; i++)
        order[i] = i;
    for (uint32_t i = COUNT - 1; i > 0; i--) {
        uint32_t other = (uint32_t)(next_random(&state) % (i + 1)), swapped = order[i];
        order[i] = order[other];
        order[other] = swapped;
    }
    memcpy(order + COUNT, order, HEADER_AHEAD * sizeof(order[0]));
}

static void eventer_entry(void)
{
    volatile char buffer[BUFFER_SIZE];
    memset((void *)(uintptr_t)buffer, 'x', sizeof(buffer));
    for (;;)
        aco_yield();
}

static void make_eventer(void)
{
    aco_t **made = calloc(COUNT, sizeof(made[0]));
    aco_t *main_co = aco_create(NULL, NULL, 0, NULL, NULL);
    aco_share_stack_t *stack = aco_share_stack_new(0);
    require(made != NULL && main_co != NULL && stack != NULL, "aco_share_stack_new");
    for (size_t i = 0; i < COUNT; i++) {
        made[i] = aco_create(main_co, stack, 0, eventer_entry, NULL);
        require(made[i] != NULL, "aco_create");
        aco_resume(made[i]);
    }
    for (size_t i = 0; i < COUNT + HEADER_AHEAD; i++)
        ours[i] = made[order[i]];
    printf("{\"bench\":\"resume\",\"coroutines\":%d,\"boost_coroutines\":%d,\"frame_bytes\":%zu}\n",
           COUNT, BOOST_COUNT, (size_t)made[0]->save_stack.valid_sz);
    free(made);
}

static double run_eventer(int variant)
{
    static size_t from;
    from = (from + RESUMES) % COUNT;
    uint64_t start_ns = cpu_ns();
    if (variant == VARIANT_PREFETCH)
        for (size_t i = from; i < from + RESUMES; i++) {
            aco_prefetch_header(ours[i + HEADER_AHEAD]);
            aco_prefetch_frames(ours[i + FRAMES_AHEAD]);
            aco_resume(ours[i]);
        }
    else
        for (size_t i = from; i < from + RESUMES; i++)
            aco_resume(ours[i]);
    return (double)(cpu_ns() - start_ns) / RESUMES;
}

static void boost_entry(transfer_t from)
{
    volatile char buffer[BUFFER_SIZE];
    memset((void *)(uintptr_t)buffer, 'x', sizeof(buffer));
    for (;;)
        from = jump_fcontext(from.fctx, NULL);
}

static void make_boost(void)
{
    char *stacks = map_stacks((size_t)BOOST_COUNT * BOOST_STACK_SIZE);
    for (size_t i = 0, made = 0; i < COUNT; i++) {
        if (order[i] >= BOOST_COUNT)
            continue;
        char *top = stacks + ((size_t)order[i] + 1) * BOOST_STACK_SIZE;
        boosts[made++] =
            jump_fcontext(make_fcontext(top, BOOST_STACK_SIZE, boost_entry), NULL).fctx;
    }
}

static double run_boost(int variant)
{
    (void)variant;
    uint64_t start_ns = cpu_ns();
    for (size_t i = 0; i < BOOST_COUNT; i++)
        boosts[i] = jump_fcontext(boosts[i], NULL).fctx;
    return (double)(cpu_ns() - start_ns) / BOOST_COUNT;
}

struct line { /* as far apart as frames are */
    uint32_t next;
    char unused[READ_STRIDE - sizeof(uint32_t)];
};
static struct line *lines;

static void make_lines(void)
{
    lines = calloc(COUNT, sizeof(lines[0]));
    require(lines != NULL, "calloc");
    for (size_t i = 0; i < COUNT; i++)
        lines[order[i]].next = order[i + 1];
}

static double run_read(int variant)
{
    (void)variant;
    static uint32_t at;
    uint64_t start_ns = cpu_ns();
    for (size_t i = 0; i < RESUMES; i++)
        at = *(volatile uint32_t *)&lines[at].next;
    return (double)(cpu_ns() - start_ns) / RESUMES;
}

int main(void)
{
    static const char *const orders[] = {"prefetch", "plain"};
    static const struct contest contest = {
        "resume",
        "ns_per_resume",
        "order",
        orders,
        {{"eventer", NULL, run_eventer},
         {"eventer-again", "again", run_eventer},
         {"boost.context", "boost", run_boost},
         {"memory-read", "read", run_read}},
    };
    aco_thread_init(NULL);
    shuffle();
    make_eventer();
    make_boost();
    make_lines();
    contest_run(&contest, VARIANT_PREFETCH);
    contest_run(&contest, VARIANT_PLAIN);
    return 0;
}
