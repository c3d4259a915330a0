/* SPDX-License-Identifier: MIT */
/*
 * contest.h - one operation, done by several libraries in turn: a line for each, then the ratios.
 *
 * The first contender is the library, the second the library again: its ratio is the noise.
 *
 * A run is a number of short slices, of which the fastest counts: where two processors are threads
 * of one core, a neighbour slows down whatever runs beside it, for longer than a slice lasts.
 */
#ifndef BENCH_CONTEST_H
#define BENCH_CONTEST_H

#include "measure.h"

#define CONTEST_RUNS          15
#define CONTEST_SLICES        40
#define CONTEST_CONTENDER_MAX 8

/* Do step rounds times in each slice; gives nanoseconds per step in the fastest one. */
#define CONTEST_FASTEST(rounds, step)                                                              \
    ({                                                                                             \
        uint64_t fastest_ns = UINT64_MAX;                                                          \
        for (int slice = 0; slice < CONTEST_SLICES; slice++) {                                     \
            uint64_t start_ns = cpu_ns();                                                          \
            for (int turn = 0; turn < (rounds); turn++)                                            \
                step;                                                                              \
            uint64_t elapsed_ns = cpu_ns() - start_ns;                                             \
            if (elapsed_ns < fastest_ns)                                                           \
                fastest_ns = elapsed_ns;                                                           \
        }                                                                                          \
        (double)fastest_ns / (rounds);                                                             \
    })

struct contender {
    const char *library;
    const char *key;            /* its ratio is called KEY_to_eventer; NULL for the first */
    double (*run)(int variant); /* returns nanoseconds per operation; NAN: it is not there */
};

struct contest {
    const char *bench;
    const char *unit;
    const char *variant_key;          /* NULL: there is one variant, without a name */
    const char *const *variant_names; /* one for each variant */
    struct contender contenders[CONTEST_CONTENDER_MAX]; /* those without a library are not there */
};

/* The run of a contender that is not installed. */
static inline double contest_skip(int variant)
{
    (void)variant;
    return NAN;
}

static inline void contest_label(const struct contest *contest, int variant, const char *library)
{
    printf("{\"bench\":\"%s\"", contest->bench);
    if (library != NULL)
        printf(",\"library\":\"%s\"", library);
    if (contest->variant_key != NULL)
        printf(",\"%s\":\"%s\"", contest->variant_key, contest->variant_names[variant]);
}

/* Let all run CONTEST_RUNS times, alternating, and print the medians. */
static inline void contest_run(const struct contest *contest, int variant)
{
    double times[CONTEST_CONTENDER_MAX][CONTEST_RUNS], ratios[CONTEST_CONTENDER_MAX][CONTEST_RUNS];
    const struct contender *contenders = contest->contenders;
    size_t count = 0;
    while (count < CONTEST_CONTENDER_MAX && contenders[count].library != NULL)
        count++;
    for (size_t run = 0; run < CONTEST_RUNS; run++)
        for (size_t i = 0; i < count; i++) {
            times[i][run] = contenders[i].run(variant);
            ratios[i][run] = times[i][run] / times[0][run];
        }
    for (size_t i = 0; i < count; i++) {
        contest_label(contest, variant, contenders[i].library);
        if (isnan(times[i][0]))
            printf(",\"skipped\":\"not installed\"}\n");
        else
            printf(",\"%s\":%.2f,\"runs\":%d}\n", contest->unit, median(times[i], CONTEST_RUNS),
                   CONTEST_RUNS);
    }
    contest_label(contest, variant, NULL);
    for (size_t i = 1; i < count; i++)
        if (!isnan(times[i][0]))
            printf(",\"%s_to_eventer\":%.2f", contenders[i].key, median(ratios[i], CONTEST_RUNS));
    printf("}\n");
    fflush(stdout);
}

#endif
