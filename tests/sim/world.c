/* SPDX-License-Identifier: MIT */
/*
 * world.c - a world's life: loops and queues begin, programs run, all ends, and nothing is left.
 */
#include "world.h"

#include "base/thread.h"
#include "coro/home_impl.h"
#include "eventer/asynch.h"
#include "eventer/fdtable.h"

#include <fcntl.h>
#include <limits.h>
#include <mtev_log.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What the library may say in these worlds. */
static const char *const expected_lines[] = {
    "lent", /* a loan that takes long holds other coroutines up */
};

#define BLOCKS_KEPT 3 /* the default queue, its name for others, and the list of loops */

bool world_has_loans;
eventer_jobq_t *world_queue;
static uint32_t actors; /* that have not ended */
static _Atomic uint32_t all_ended;
static int log_fds[2];

static const struct program *const programs_of[] = {
    &program_echo,   &program_close, &program_classic, &program_batch, &program_trigger,
    &program_timers, &program_sleep, &program_jobs,    &program_gates, &program_queues,
};

/* ---- memory ---------------------------------------------------------------------- */

/*
 * The linker sends calls of base/alloc.h here (--wrap), so that blocks can be counted; but for
 * aligned ones, which are the records that safe memory keeps of threads, to be used again.
 */
static _Atomic int64_t blocks;
static int64_t blocks_before; /* the loops began */

#define COUNTED(name, parameters, arguments)                                                       \
    void *__real_##name parameters;                                                                \
    void *__wrap_##name parameters;                                                                \
    void *__wrap_##name parameters                                                                 \
    {                                                                                              \
        void *p = __real_##name arguments;                                                         \
        blocks += p != NULL;                                                                       \
        return p;                                                                                  \
    }

COUNTED(alloc_bytes, (size_t size), (size))
COUNTED(alloc_zeroed, (size_t count, size_t size), (count, size))
COUNTED(alloc_text, (const char *text), (text))
COUNTED(alloc_text_n, (const char *bytes, size_t len), (bytes, len))

void *__real_alloc_resize(void *p, size_t size);
void *__wrap_alloc_resize(void *p, size_t size);
void *__wrap_alloc_resize(void *p, size_t size)
{
    void *resized = __real_alloc_resize(p, size);
    blocks += p == NULL && resized != NULL;
    return resized;
}

void __real_alloc_free(void *p);
void __wrap_alloc_free(void *p);
void __wrap_alloc_free(void *p)
{
    blocks -= p != NULL;
    __real_alloc_free(p);
}

/* Idle threads of queues, which end when they like to, keep these. */
void *__wrap_thread_add_signal_stack(size_t size);
void *__wrap_thread_add_signal_stack(size_t size)
{
    (void)size;
    return NULL;
}

/* ---- actors ---------------------------------------------------------------------- */

void actor_begin(struct actor *actor)
{
    actor->is_waiting = false;
    actors++;
}

void actor_end(struct actor *actor)
{
    sim_check(!actor->is_waiting);
    if (--actors > 0)
        return;
    atomic_store(&all_ended, 1);
    thread_ops.wake(&all_ended, INT_MAX);
}

void wait_begin(struct actor *actor)
{
    sim_check(!actor->is_waiting);
    actor->is_waiting = true;
}

void wait_end(struct actor *actor)
{
    sim_check(actor->is_waiting);
    actor->is_waiting = false;
}

bool world_is_calm(void)
{
    return sim_nature.reading_ns_max == 0 && sim_nature.stall_one_in == 0;
}

void check_time(uint64_t due_ns, bool may_be_late)
{
    sim_check(sim_now_ns() >= due_ns);
    if (world_is_calm() && !may_be_late)
        sim_check(sim_now_ns() - due_ns <= WORLD_TICK_NS);
}

void *world_alloc(size_t size)
{
    void *p = alloc_zeroed(1, size);
    sim_check(p != NULL);
    return p;
}

struct timeval world_duration(uint64_t max_ns)
{
    return clock_timeval(1000 + (uint64_t)sim_random((uint32_t)(max_ns / 1000)) * 1000);
}

uint32_t world_loop(void)
{
    return sim_random(eventer_pool("default")->count);
}

struct errand {
    struct mail mail;
    void (*fn)(void *arg);
    void (*coroutine)(void);
    void *arg;
};

static void run_errand(struct mail *mail, struct loop *loop)
{
    struct errand errand = *list_entry(mail, struct errand, mail);
    alloc_free(list_entry(mail, struct errand, mail));
    if (errand.fn != NULL)
        errand.fn(errand.arg);
    else
        eventer_aco_start(errand.coroutine, errand.arg);
}

static void send_errand(uint32_t index, struct errand contents)
{
    struct errand *errand = world_alloc(sizeof(*errand));
    *errand = contents;
    errand->mail.run = run_errand;
    loop_post(eventer_pool("default")->loops[index], &errand->mail);
}

void world_post(uint32_t index, void (*fn)(void *arg), void *arg)
{
    send_errand(index, (struct errand){.fn = fn, .arg = arg});
}

void world_start(uint32_t index, void (*fn)(void), void *arg)
{
    send_errand(index, (struct errand){.coroutine = fn, .arg = arg});
}

/* ---- checked calls --------------------------------------------------------------- */

static int never_called(eventer_t e, int mask, void *closure, struct timeval *now)
{
    sim_fail(__FILE__, __LINE__, "a coroutine's event was called back");
}

eventer_aco_t world_convert(int fd)
{
    eventer_t e = eventer_alloc_fd(never_called, NULL, fd, EVENTER_READ | EVENTER_EXCEPTION);
    sim_check(e != NULL);
    eventer_aco_t aco = eventer_set_eventer_aco(e);
    sim_check(aco != NULL);
    e->edge.is_stream = sim_is_exact(fd); /* which the kernel is not asked */
    return aco;
}

void world_close(eventer_aco_t aco)
{
    sim_check(eventer_aco_close(aco) == 0);
    eventer_aco_free(aco);
}

/* A wait has ended with rv: if its time had passed, then it has. */
static int check_outcome(const char *op, int rv, uint64_t begun_ns, const struct timeval *timeout)
{
    int err = errno;
    sim_trace(op, rv, rv < 0 ? err : 0);
    if (rv < 0) {
        sim_check(err != EAGAIN && err != EINTR && err != EBUSY && err != EBADF);
        sim_check(err != ETIMEDOUT || timeout != NULL);
    }
    if (rv < 0 && err == ETIMEDOUT)
        check_time(begun_ns + clock_duration_ns(timeout), world_has_loans);
    errno = err;
    return rv;
}

int checked_read(struct actor *actor, eventer_aco_t aco, void *buffer, size_t len,
                 struct timeval *timeout)
{
    uint64_t begun_ns = sim_now_ns();
    wait_begin(actor);
    int rv = eventer_aco_read(aco, buffer, len, timeout);
    wait_end(actor);
    return check_outcome("did read", rv, begun_ns, timeout);
}

int checked_write(struct actor *actor, eventer_aco_t aco, const void *buffer, size_t len,
                  struct timeval *timeout)
{
    uint64_t begun_ns = sim_now_ns();
    wait_begin(actor);
    int rv = eventer_aco_write(aco, buffer, len, timeout);
    wait_end(actor);
    return check_outcome("did write", rv, begun_ns, timeout);
}

void checked_sleep(struct actor *actor, struct timeval duration)
{
    uint64_t begun_ns = sim_now_ns();
    wait_begin(actor);
    eventer_aco_sleep(&duration);
    wait_end(actor);
    sim_trace("slept", (int64_t)clock_duration_ns(&duration), 0);
    check_time(begun_ns + clock_duration_ns(&duration), world_has_loans);
}

/* ---- its life -------------------------------------------------------------------- */

static void set(const char *key, uint32_t value)
{
    char text[16];
    snprintf(text, sizeof(text), "%u", value);
    sim_check(eventer_propset(key, text) == 0);
}

/* Have idle threads of q end soon, maybe: just when they are called. */
static void set_idle_time(eventer_jobq_t *q)
{
    static const uint64_t choices_ns[] = {20000, CLOCK_NS_PER_MS, JOBQ_IDLE_NS};
    struct jobq_limits limits = jobq_limits(q->q);
    limits.idle_ns = choices_ns[sim_random(3)];
    sim_check(jobq_set_limits(q->q, &limits) == 0);
}

static void begin_loops(void)
{
    static const uint32_t stack_counts[] = {0, 1, 2, 8};
    if (pipe2(log_fds, O_NONBLOCK | O_CLOEXEC) != 0 ||
        mtev_log_stream_new_on_fd("error", log_fds[1], NULL) == NULL)
        sim_fail(__FILE__, __LINE__, "no log");
    sim_check(fdtable_slot(SIM_FD_FIRST) != NULL);
    blocks_before = blocks;
    set("concurrency", 1 + sim_random(3));
    set("aco_shared_stacks", stack_counts[sim_random(4)]);
    set("default_queue_threads", 1 + sim_random(4));
    sim_check(eventer_propset("default_jobq_ordering", sim_chance(2) ? "lifo" : "fifo") == 0);
    sim_check(eventer_init() == 0);
    world_queue = eventer_jobq_create_ms(
        "other", (eventer_jobq_memory_safety_t)sim_random(EVENTER_JOBQ_MS_GC + 1));
    sim_check(world_queue != NULL);
    eventer_jobq_set_concurrency(world_queue, 1 + sim_random(3));
    eventer_jobq_set_max_backlog(world_queue, sim_random(4));
    set_idle_time(world_queue);
    set_idle_time(eventer_default_jobq());
}

/* The one whom pool_request_stop() stops may not wait yet. */
static void stop_loops(void *arg)
{
    if (!pool_request_stop())
        world_post(0, stop_loops, NULL);
}

static void check_log(void)
{
    char said[4096];
    ssize_t len = read(log_fds[0], said, sizeof(said) - 1);
    said[len > 0 ? len : 0] = '\0';
    for (char *line = said, *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        bool is_expected = false;
        *end = '\0';
        for (size_t i = 0; i < sizeof(expected_lines) / sizeof(expected_lines[0]); i++)
            is_expected = is_expected || strstr(line, expected_lines[i]) != NULL;
        if (!is_expected)
            sim_fail(__FILE__, __LINE__, "the library said: %s", line);
    }
}

static void check_queue(eventer_jobq_t *q)
{
    eventer_jobq_stats_t stats;
    eventer_jobq_get_stats(q, &stats);
    sim_check(stats.backlog == 0 && stats.inflight == 0);
}

/* The library keeps two for each loop, itself and its poller, and those of its first queue. */
static void check_blocks(uint32_t loops)
{
    int64_t leaked = blocks - blocks_before - 2 * (int64_t)loops - BLOCKS_KEPT;
    if (leaked != 0)
        sim_fail(__FILE__, __LINE__, "%jd blocks of memory leak", (intmax_t)leaked);
}

static void do_nothing(void *arg)
{
    (void)arg;
}

static void end_loops(void)
{
    uint32_t loops = eventer_pool("default")->count;
    eventer_jobq_drain_and_shutdown(eventer_default_jobq());
    eventer_jobq_drain_and_shutdown(world_queue);
    check_queue(eventer_default_jobq());
    check_queue(world_queue);
    eventer_jobq_destroy(world_queue);
    for (uint32_t i = 0; i < loops; i++) /* what is on its way keeps events alive */
        loop_call(eventer_pool("default")->loops[i], do_nothing, NULL);
    world_post(0, stop_loops, NULL);
    eventer_loop();
    for (uint32_t i = 0; i < loops; i++) /* no coroutine was left, or it would be there */
        sim_check(eventer_pool("default")->loops[i]->coro == NULL);
    sim_check(eventer_allocations_current() == 0);
    sim_check(sim_open_sockets() == 0);
    sim_finish();
    check_log();
    check_blocks(loops);
}

uint32_t world_choose(void)
{
    const uint32_t count = sizeof(programs_of) / sizeof(programs_of[0]);
    uint32_t chosen = 0;
    for (uint32_t i = 1 + sim_random(8); i > 0; i--)
        chosen |= UINT32_C(1) << sim_random(count);
    return chosen;
}

void world_run(uint32_t programs)
{
    struct actor first;
    begin_loops();
    sim_started();
    world_has_loans = false;
    actor_begin(&first);
    for (size_t i = 0; i < sizeof(programs_of) / sizeof(programs_of[0]); i++)
        if (programs & UINT32_C(1) << i) {
            sim_trace(programs_of[i]->name, 0, 0);
            programs_of[i]->start();
        }
    actor_end(&first);
    while (atomic_load(&all_ended) == 0)
        (void)thread_ops.wait(&all_ended, 0, NULL);
    end_loops();
}
