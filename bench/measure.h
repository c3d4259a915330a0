/* SPDX-License-Identifier: MIT */
/*
 * measure.h - what the benchmarks share: clocks, resident memory, medians, a run in a process of
 * its own, and the peer that is written in Go.
 *
 * Times are of the processor (user and kernel), so that a neighbour on the machine does not count.
 */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_SEC 1000000000

/* Define name(): it does step three calls down, each of which has a real frame (no tail call). */
#define DEFINE_DEEP(name, step)                                                                    \
    __attribute__((noinline)) static void name##_third(void)                                       \
    {                                                                                              \
        step;                                                                                      \
        __asm__ volatile("" ::: "memory");                                                         \
    }                                                                                              \
    __attribute__((noinline)) static void name##_second(void)                                      \
    {                                                                                              \
        name##_third();                                                                            \
        __asm__ volatile("" ::: "memory");                                                         \
    }                                                                                              \
    __attribute__((noinline)) static void name(void)                                               \
    {                                                                                              \
        name##_second();                                                                           \
        __asm__ volatile("" ::: "memory");                                                         \
    }

/* End the benchmark with status 2 unless is_true. */
static inline void require(bool is_true, const char *what)
{
    if (!is_true) {
        fprintf(stderr, "bench: failed: %s\n", what);
        _exit(2);
    }
}

static inline uint64_t clock_ns(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return (uint64_t)now.tv_sec * NS_PER_SEC + (uint64_t)now.tv_nsec;
}

/* Nanoseconds that this thread has spent on the processor. */
static inline uint64_t cpu_ns(void)
{
    return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

/* Bytes of this process that are in memory now. */
static inline size_t resident_bytes(void)
{
    size_t pages_total = 0, pages_resident = 0;
    FILE *statm = fopen("/proc/self/statm", "r");
    require(statm != NULL && fscanf(statm, "%zu %zu", &pages_total, &pages_resident) == 2,
            "/proc/self/statm");
    fclose(statm);
    return pages_resident * (size_t)sysconf(_SC_PAGESIZE);
}

/* The number in the line "NAME: number kB" of a file of /proc, in bytes. */
static inline size_t proc_bytes(const char *path, const char *name)
{
    char line[128];
    size_t kilobytes = 0;
    FILE *file = fopen(path, "r");
    require(file != NULL, path);
    while (fgets(line, sizeof(line), file) != NULL)
        if (strncmp(line, name, strlen(name)) == 0)
            kilobytes = strtoul(line + strlen(name), NULL, 10);
    fclose(file);
    return kilobytes * 1024;
}

/*
 * The next of a row of numbers that look random; *state is not 0.  Source: Marsaglia, "Xorshift
 * RNGs", Journal of Statistical Software 8 (2003).
 */
static inline uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state >> 11;
}

static inline int compare_doubles(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

/* The middle one of count values, which are sorted. */
static inline double median(double *values, size_t count)
{
    qsort(values, count, sizeof(values[0]), compare_doubles);
    return values[count / 2];
}

/*
 * Fail unless every byte of buffer is 'x': a coroutine that checks the buffer in its frame after a
 * wait keeps it alive until then.
 */
__attribute__((noinline, unused)) static void check_filled(const volatile char *buffer, size_t size)
{
    for (size_t i = 0; i < size; i++)
        require(buffer[i] == 'x', "a buffer changed");
}

/*
 * Pages for size bytes of small stacks, side by side; each is charged the pages that it touches,
 * not the huge page that its neighbours are on.
 */
static inline char *map_stacks(size_t size)
{
    char *stacks = mmap(NULL, size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    require(stacks != MAP_FAILED, "mmap");
    madvise(stacks, size, MADV_NOHUGEPAGE);
    return stacks;
}

/*
 * Call measure in a child of this process, whose memory is as fresh as ours; what it has written to
 * output is read into values (count of them).  The child may also end by itself once it has
 * written.
 */
static inline void in_child(void (*measure)(int output), double *values, size_t count)
{
    int ends[2];
    require(pipe(ends) == 0, "pipe");
    pid_t pid = fork();
    require(pid >= 0, "fork");
    if (pid == 0) {
        close(ends[0]);
        measure(ends[1]);
        _exit(0);
    }
    close(ends[1]);
    ssize_t len = read(ends[0], values, count * sizeof(values[0]));
    close(ends[0]);
    int status = 0;
    waitpid(pid, &status, 0);
    require(status == 0 && len == (ssize_t)(count * sizeof(values[0])), "a measurement");
}

/*
 * Read count numbers that the peer written in Go prints for arguments.  Returns false if it was not
 * built, because there is no Go here.
 */
static inline bool ask_go(const char *arguments, double *values, size_t count)
{
    char command[512];
    const char *program = getenv("BENCH_GO_PEER");
    if (program == NULL)
        return false;
    snprintf(command, sizeof(command), "%s %s", program, arguments);
    FILE *output = popen(command, "r");
    require(output != NULL, command);
    for (size_t i = 0; i < count; i++)
        require(fscanf(output, "%lf", &values[i]) == 1, command);
    require(pclose(output) == 0, command);
    return true;
}

#endif
