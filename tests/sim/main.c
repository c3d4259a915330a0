/* SPDX-License-Identifier: MIT */
/*
 * main.c - runs seeds, each in a process of its own, and says which failed and how to see why.
 */
#include "world.h"

#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define RUNNERS_MAX 64
#define SEED_S_MAX  20 /* of real time, for one seed */

struct options {
    uint64_t first, count;
    uint64_t failures_max; /* after which no further seed is run */
    uint32_t programs;
    enum sim_plant plant;
    unsigned runners;
    bool is_traced;
};

struct total { /* shared by all runners and their seeds */
    _Atomic uint64_t hash, failed, done;
    _Atomic uint64_t steps, switches, waits, checks, virtual_ms;
};

static struct total *total;
static const char *program_path;

static const char *const plants[] = {"none", "wake", "clock", "edge", "byte", "futex"};

/* In a process of its own. */
static void live(uint64_t seed, const struct options *options)
{
    alarm(SEED_S_MAX);
    sim_begin(seed, options->plant, options->is_traced);
    uint64_t begun_ns = sim_now_ns();
    world_run(options->programs != 0 ? options->programs : world_choose());
    if (options->is_traced || options->count == 1)
        printf("seed %ju: trace %016jx\n", (uintmax_t)seed, (uintmax_t)sim_report.hash);
    fflush(stdout);
    total->hash += sim_report.hash * (2 * seed + 1); /* in any order the same */
    total->steps += sim_report.steps;
    total->switches += sim_report.switches;
    total->waits += sim_report.waits;
    total->checks += sim_report.checks;
    total->virtual_ms += (sim_now_ns() - begun_ns) / CLOCK_NS_PER_MS;
    _exit(0);
}

static void tell_failure(uint64_t seed, int status, const struct options *options)
{
    if (WIFSIGNALED(status))
        fprintf(stderr, "seed %ju: ended by signal %d (%s)%s\n", (uintmax_t)seed, WTERMSIG(status),
                strsignal(WTERMSIG(status)),
                WTERMSIG(status) == SIGALRM ? ": a thread held on to its turn" : "");
    fprintf(stderr, "to see it again: %s --seed %ju --trace", program_path, (uintmax_t)seed);
    if (options->plant != SIM_PLANT_NONE)
        fprintf(stderr, " --plant %s", plants[options->plant]);
    if (options->programs != 0)
        fprintf(stderr, " --programs %u", options->programs);
    fputc('\n', stderr);
}

static void run_seed(uint64_t seed, const struct options *options)
{
    int status = 0;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        live(seed, options);
    if (pid < 0 || waitpid(pid, &status, 0) != pid) {
        perror("fork");
        exit(2);
    }
    total->done++;
    if (status == 0)
        return;
    total->failed++;
    tell_failure(seed, status, options);
}

/* Stay on one processor: to hand the turn on to a thread of another costs ten times as much. */
static void settle(unsigned number)
{
    cpu_set_t all, one;
    if (sched_getaffinity(0, sizeof(all), &all) != 0)
        return;
    unsigned left = number % (unsigned)CPU_COUNT(&all);
    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &all) && left-- == 0) {
            CPU_ZERO(&one);
            CPU_SET(cpu, &one);
            (void)sched_setaffinity(0, sizeof(one), &one);
            return;
        }
}

static void run_share(unsigned number, const struct options *options)
{
    settle(options->runners == 1 ? (unsigned)getpid() : number);
    for (uint64_t i = number; i < options->count && total->failed < options->failures_max;
         i += options->runners)
        run_seed(options->first + i, options);
}

static void run_all(const struct options *options)
{
    if (options->runners == 1) {
        run_share(0, options);
        return;
    }
    for (unsigned i = 0; i < options->runners; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            run_share(i, options);
            exit(0);
        }
    }
    while (wait(NULL) > 0)
        ;
}

static void usage(void)
{
    printf("usage: sim [--seeds COUNT] [--first SEED] [--failures COUNT] [--jobs COUNT]\n"
           "       sim --seed SEED [--trace]\n"
           "       [--programs BITS] [--plant wake|clock|edge|byte|futex]\n");
    exit(2);
}

static enum sim_plant plant_of(const char *name)
{
    for (size_t i = 0; i < sizeof(plants) / sizeof(plants[0]); i++)
        if (strcmp(name, plants[i]) == 0)
            return (enum sim_plant)i;
    usage();
    return SIM_PLANT_NONE;
}

static struct options read_options(int argc, char **argv)
{
    static const struct option names[] = {
        {"seeds", required_argument, NULL, 'n'},
        {"first", required_argument, NULL, 'f'},
        {"seed", required_argument, NULL, 's'},
        {"trace", no_argument, NULL, 't'},
        {"programs", required_argument, NULL, 'p'},
        {"plant", required_argument, NULL, 'd'},
        {"jobs", required_argument, NULL, 'j'},
        {"failures", required_argument, NULL, 'm'},
        {NULL, 0, NULL, 0},
    };
    struct options options = {.first = 1, .count = 1000, .failures_max = 10, .runners = 1};
    for (int option; (option = getopt_long(argc, argv, "", names, NULL)) != -1;) {
        uint64_t number = optarg == NULL ? 0 : strtoull(optarg, NULL, 0);
        switch (option) {
        case 's':
            options.first = number;
            options.count = 1;
            break;
        case 'n':
            options.count = number;
            break;
        case 'f':
            options.first = number;
            break;
        case 'm':
            options.failures_max = number;
            break;
        case 't':
            options.is_traced = true;
            break;
        case 'p':
            options.programs = (uint32_t)number;
            break;
        case 'd':
            options.plant = plant_of(optarg);
            break;
        case 'j':
            options.runners = number > 0 && number <= RUNNERS_MAX ? (unsigned)number : 1;
            break;
        default:
            usage();
        }
    }
    return options;
}

int main(int argc, char **argv)
{
    struct options options = read_options(argc, argv);
    program_path = argv[0];
    total = mmap(NULL, sizeof(*total), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (total == MAP_FAILED) {
        perror("mmap");
        return 2;
    }
    run_all(&options);
    printf("%ju seeds from %ju, %ju failed; traces %016jx\n", (uintmax_t)total->done,
           (uintmax_t)options.first, (uintmax_t)total->failed, (uintmax_t)total->hash);
    printf("%ju steps, %ju changes of thread, %ju waits, %ju checks, %.1f s of their time\n",
           (uintmax_t)total->steps, (uintmax_t)total->switches, (uintmax_t)total->waits,
           (uintmax_t)total->checks, (double)total->virtual_ms / 1000);
    return total->failed == 0 && total->done == options.count ? 0 : 1;
}
