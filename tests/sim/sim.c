/* SPDX-License-Identifier: MIT */
/*
 * sim.c - who has the turn, and what time it is.
 *
 * A thread is READY (not before until_ns), or WAITING for its channel (or until until_ns), or has
 * ENDED.  The one that has the turn is READY, and all others sleep for real, each on a word of its
 * own, until the turn is theirs.  So all that is here is used by one thread at a time.
 */
#include "sim_impl.h"

#include "base/spin.h"
#include "base/thread.h"
#include "eventer/props.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum state {
    THREAD_NONE = 0,
    THREAD_READY,
    THREAD_WAITING,
    THREAD_ENDED,
};

struct sim_thread {
    pthread_t thread;
    int64_t id;
    enum state state;
    const void *channel;
    uint64_t until_ns;
    bool was_woken;
    _Atomic uint32_t has_turn; /* a futex */
    void *(*run)(void *arg);
    void *arg;
    int farewells; /* destructors of thread-local values that are left to run before its own */
};

struct sim_nature sim_nature;
struct sim_report sim_report;
uint64_t sim_seed;
enum sim_plant sim_plant;

static struct {
    uint64_t now_ns;
    int64_t wall_offset_ns;
    uint64_t wall_latest_ns; /* when it was last set */
    uint64_t random;
    bool is_traced, has_started;
    struct sim_happening *agenda; /* the earliest first */
    struct sim_thread threads[SIM_THREADS_MAX];
    unsigned thread_count;
    pthread_key_t end_key;
} world;

static __thread struct sim_thread *self; /* NULL: a thread of somebody else's */

/* ---- numbers and messages -------------------------------------------------------- */

/* splitmix64: Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014. */
static uint64_t next_random(void)
{
    world.random += UINT64_C(0x9E3779B97F4A7C15);
    uint64_t z = world.random;
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

uint32_t sim_random(uint32_t bound)
{
    return (uint32_t)((next_random() >> 32) * bound >> 32);
}

bool sim_chance(uint32_t one_in)
{
    return one_in != 0 && sim_random(one_in) == 0;
}

/* FNV-1a, 64 bits (Fowler, Noll, Vo), of one number. */
static void hash_number(uint64_t number)
{
    for (int i = 0; i < 8; i++) {
        sim_report.hash = (sim_report.hash ^ (number & 0xff)) * UINT64_C(0x100000001B3);
        number >>= 8;
    }
}

void sim_trace(const char *op, int64_t a, int64_t b)
{
    uint64_t name = 0;
    for (const char *at = op; *at != '\0'; at++)
        name = name * 131 + (unsigned char)*at;
    int64_t id = self == NULL ? -1 : self->id;
    hash_number(name + (uint64_t)id);
    hash_number(world.now_ns);
    hash_number((uint64_t)a);
    hash_number((uint64_t)b);
    if (world.is_traced)
        printf("%12.3f us  thread %-2jd %-10s %jd %jd\n", (double)world.now_ns / 1e3, (intmax_t)id,
               op, (intmax_t)a, (intmax_t)b);
}

void sim_fail(const char *file, int line, const char *format, ...)
{
    va_list arguments;
    fflush(stdout);
    fprintf(stderr, "seed %ju failed at %.3f us in thread %jd: %s:%d: ", (uintmax_t)sim_seed,
            (double)world.now_ns / 1e3, (intmax_t)(self == NULL ? -1 : self->id), file, line);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    _exit(1);
}

#define fail(...) sim_fail(__FILE__, __LINE__, __VA_ARGS__)

/* ---- whose turn it is ------------------------------------------------------------ */

uint64_t sim_now_ns(void)
{
    return world.now_ns;
}

uint64_t sim_wall_ns(void)
{
    return world.now_ns + (uint64_t)world.wall_offset_ns;
}

uint64_t sim_wall_latest_ns(void)
{
    uint64_t now_ns = sim_wall_ns();
    return now_ns > world.wall_latest_ns ? now_ns : world.wall_latest_ns;
}

void sim_schedule(struct sim_happening *happening, uint64_t at_ns)
{
    struct sim_happening **link = &world.agenda;
    while (*link != NULL && (*link)->at_ns <= at_ns)
        link = &(*link)->next;
    happening->at_ns = at_ns;
    happening->next = *link;
    *link = happening;
}

/* Let happen what is due, and give those another go whose time has come. */
static void catch_up(void)
{
    while (world.agenda != NULL && world.agenda->at_ns <= world.now_ns) {
        struct sim_happening *happening = world.agenda;
        world.agenda = happening->next;
        happening->run(happening);
    }
    for (unsigned i = 0; i < world.thread_count; i++)
        if (world.threads[i].state == THREAD_WAITING && world.threads[i].until_ns <= world.now_ns)
            world.threads[i].state = THREAD_READY;
}

static bool may_run(const struct sim_thread *thread)
{
    return thread->state == THREAD_READY && thread->until_ns <= world.now_ns;
}

/* When the next thing happens by itself; SIM_FOREVER: never. */
static uint64_t next_ns(void)
{
    uint64_t next = world.agenda == NULL ? SIM_FOREVER : world.agenda->at_ns;
    for (unsigned i = 0; i < world.thread_count; i++) {
        const struct sim_thread *thread = &world.threads[i];
        bool counts = thread->state == THREAD_WAITING || thread->state == THREAD_READY;
        if (counts && thread->until_ns < next)
            next = thread->until_ns;
    }
    return next;
}

/* Pick the thread whose turn is next, and let time pass until there is one. */
static struct sim_thread *choose(void)
{
    struct sim_thread *able[SIM_THREADS_MAX];
    for (;;) {
        uint32_t count = 0;
        catch_up();
        for (unsigned i = 0; i < world.thread_count; i++)
            if (may_run(&world.threads[i]))
                able[count++] = &world.threads[i];
        if (count > 0)
            return able[sim_random(count)];
        uint64_t next = next_ns();
        if (next == SIM_FOREVER)
            fail("all threads wait, and nothing will happen any more");
        world.now_ns = next;
    }
}

static void await_turn(struct sim_thread *thread)
{
    while (atomic_load(&thread->has_turn) == 0)
        syscall(SYS_futex, &thread->has_turn, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
    atomic_store(&thread->has_turn, 0);
}

static void give_turn(struct sim_thread *thread)
{
    atomic_store(&thread->has_turn, 1);
    syscall(SYS_futex, &thread->has_turn, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void go_on(void)
{
    struct sim_thread *next = choose();
    if (next == self)
        return;
    sim_report.switches++;
    give_turn(next);
    await_turn(self);
}

void sim_point(void)
{
    if (self == NULL)
        return;
    if (++sim_report.steps > SIM_STEPS_MAX)
        fail("no end after %d steps", SIM_STEPS_MAX);
    catch_up();
    if (!sim_chance(sim_nature.switch_one_in))
        return;
    if (sim_chance(sim_nature.stall_one_in))
        self->until_ns = world.now_ns + sim_random(sim_nature.stall_ns_max);
    go_on();
}

bool sim_block(const void *channel, uint64_t until_ns)
{
    sim_report.waits++;
    self->state = THREAD_WAITING;
    self->channel = channel;
    self->until_ns = until_ns;
    self->was_woken = false;
    go_on();
    self->channel = NULL;
    self->until_ns = 0;
    return self->was_woken;
}

unsigned sim_wake(const void *channel, int count)
{
    struct sim_thread *waiting[SIM_THREADS_MAX];
    uint32_t found = 0;
    unsigned woken = 0;
    for (unsigned i = 0; i < world.thread_count; i++)
        if (world.threads[i].state == THREAD_WAITING && world.threads[i].channel == channel)
            waiting[found++] = &world.threads[i];
    for (; found > 0 && (int)woken < count; woken++) {
        uint32_t pick = sim_random(found);
        waiting[pick]->state = THREAD_READY;
        waiting[pick]->until_ns = world.now_ns;
        waiting[pick]->was_woken = true;
        waiting[pick] = waiting[--found];
    }
    return woken;
}

void sim_busy(uint64_t ns)
{
    (void)sim_block(NULL, world.now_ns + ns);
}

/* ---- the library's clock --------------------------------------------------------- */

void sim_set_wall(int64_t by_ns)
{
    sim_trace("set wall", by_ns, 0);
    world.wall_latest_ns = sim_wall_latest_ns();
    world.wall_offset_ns += by_ns;
    sim_pollers_wall_was_set();
}

static int gettime(clockid_t clock, struct timespec *out)
{
    if (self != NULL) {
        sim_point();
        world.now_ns += sim_random(sim_nature.reading_ns_max + 1);
    }
    uint64_t ahead_ns =
        sim_plant == SIM_PLANT_CLOCK && clock == CLOCK_MONOTONIC && sim_chance(64) ? 200000 : 0;
    *out = clock_timespec((clock == CLOCK_REALTIME ? sim_wall_ns() : world.now_ns) + ahead_ns);
    return 0;
}

/* ---- the library's threads ------------------------------------------------------- */

/*
 * A thread's end is its turn's end, and that is after the library's own destructors of thread-local
 * values: it has asked for one more round of them until no other is left.
 */
static void end_thread(void *value)
{
    if (self->farewells-- > 0) {
        pthread_setspecific(world.end_key, value);
        return;
    }
    sim_trace("end", 0, 0);
    self->state = THREAD_ENDED;
    (void)sim_wake(self, INT_MAX);
    give_turn(choose());
}

static void *begin_thread(void *arg)
{
    self = arg;
    self->farewells = PTHREAD_DESTRUCTOR_ITERATIONS - 2;
    pthread_setspecific(world.end_key, self);
    await_turn(self);
    sim_trace("begin", 0, 0);
    return self->run(self->arg);
}

static struct sim_thread *add_thread(void)
{
    if (world.thread_count == SIM_THREADS_MAX)
        fail("more than %d threads", SIM_THREADS_MAX);
    struct sim_thread *thread = &world.threads[world.thread_count];
    thread->id = world.thread_count++;
    thread->state = THREAD_READY;
    return thread;
}

static int create(pthread_t *out, const pthread_attr_t *attr, void *(*run)(void *arg), void *arg)
{
    if (world.has_started && sim_chance(sim_nature.no_thread_one_in)) {
        sim_trace("no thread", 0, 0);
        return EAGAIN;
    }
    struct sim_thread *thread = add_thread();
    thread->run = run;
    thread->arg = arg;
    int err = pthread_create(&thread->thread, attr, begin_thread, thread);
    if (err != 0)
        fail("pthread_create: %s", strerror(err));
    *out = thread->thread;
    sim_trace("create", thread->id, 0);
    return 0;
}

static int join(pthread_t thread, void **ret_value)
{
    struct sim_thread *other = NULL;
    for (unsigned i = 0; i < world.thread_count; i++)
        if (pthread_equal(world.threads[i].thread, thread))
            other = &world.threads[i]; /* the newest one: the others that were called so are gone */
    if (other == NULL)
        fail("a thread is joined that nobody made");
    while (other->state != THREAD_ENDED)
        (void)sim_block(other, SIM_FOREVER);
    return pthread_join(thread, ret_value);
}

static int wait_word(_Atomic uint32_t *word, uint32_t value, const struct timespec *timeout)
{
    sim_point();
    if (atomic_load(word) != value)
        return -EAGAIN;
    if (sim_chance(sim_nature.spurious_one_in))
        return sim_chance(2) ? 0 : -EINTR;
    uint64_t until_ns = SIM_FOREVER;
    if (timeout != NULL)
        until_ns =
            world.now_ns + (uint64_t)timeout->tv_sec * CLOCK_NS_PER_S + (uint64_t)timeout->tv_nsec;
    sim_trace("sleep", value, timeout == NULL ? -1 : (int64_t)(until_ns - world.now_ns));
    bool was_woken = sim_block(word, until_ns);
    sim_trace("awake", was_woken, 0);
    return was_woken ? 0 : -ETIMEDOUT;
}

static void wake_word(_Atomic uint32_t *word, int count)
{
    if (self == NULL || (sim_plant == SIM_PLANT_FUTEX && sim_chance(16)))
        return;
    sim_trace("wake", sim_wake(word, count), 0);
}

/* ---- locks ----------------------------------------------------------------------- */

/*
 * The linker sends the library's calls here (--wrap).  Whoever waits for a lock gives up the turn,
 * so that a lock may be held by a thread that has not the turn.
 */
int __real_pthread_mutex_lock(pthread_mutex_t *lock);
int __real_pthread_mutex_unlock(pthread_mutex_t *lock);
int __wrap_pthread_mutex_lock(pthread_mutex_t *lock);
int __wrap_pthread_mutex_unlock(pthread_mutex_t *lock);
int __wrap_sched_yield(void);

int __wrap_pthread_mutex_lock(pthread_mutex_t *lock)
{
    if (self == NULL)
        return __real_pthread_mutex_lock(lock);
    sim_point();
    while (pthread_mutex_trylock(lock) != 0)
        (void)sim_block(lock, SIM_FOREVER);
    return 0;
}

int __wrap_pthread_mutex_unlock(pthread_mutex_t *lock)
{
    int err = __real_pthread_mutex_unlock(lock);
    if (self != NULL)
        (void)sim_wake(lock, INT_MAX);
    return err;
}

/* A spinlock is held by somebody else, who may be held up himself. */
int __wrap_sched_yield(void)
{
    if (self != NULL && sim_nature.stall_one_in == 0)
        go_on();
    else if (self != NULL)
        sim_busy(CLOCK_NS_PER_US);
    return 0;
}

/* ---- a world --------------------------------------------------------------------- */

static uint32_t one_of(const uint32_t *choices, uint32_t count)
{
    return choices[sim_random(count)];
}

#define ONE_OF(...)                                                                                \
    one_of((const uint32_t[]){__VA_ARGS__}, sizeof((uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t))

static void draw_nature(void)
{
    sim_nature = (struct sim_nature){
        .switch_one_in = ONE_OF(1, 2, 4, 16, 64),
        .reading_ns_max = ONE_OF(0, 0, 40, 500, 20000),
        .stall_one_in = ONE_OF(0, 0, 16, 128),
        .stall_ns_max = ONE_OF(10000, 300000, 30000000),
        .latency_ns_max = ONE_OF(1, 1, 50000, 20000000),
        .spurious_one_in = ONE_OF(0, 0, 32, 6),
        .short_one_in = ONE_OF(0, 2, 8),
        .no_thread_one_in = ONE_OF(0, 0, 4, 16),
    };
    spin_is_futile = sim_nature.reading_ns_max == 0 || sim_chance(2); /* or no spin would end */
}

void sim_begin(uint64_t seed, enum sim_plant plant, bool is_traced)
{
    sim_seed = seed;
    sim_plant = plant;
    sim_report = (struct sim_report){.hash = UINT64_C(0xCBF29CE484222325)};
    world.random = seed;
    world.is_traced = is_traced;
    world.now_ns = 1000 * CLOCK_NS_PER_S + sim_random(1000000000);
    world.wall_offset_ns = INT64_C(1700000000000000000);
    draw_nature();
    if (pthread_key_create(&world.end_key, end_thread) != 0)
        fail("no key");
    self = add_thread();
    self->thread = pthread_self();
    clock_source.gettime = gettime;
    thread_ops =
        (struct thread_ops){.create = create, .join = join, .wait = wait_word, .wake = wake_word};
    event_set_opset(&sim_opset);
    props_set_poller(&sim_poller);
}

void sim_started(void)
{
    world.has_started = true;
}

void sim_finish(void)
{
    while (world.agenda != NULL) {
        world.now_ns = world.agenda->at_ns > world.now_ns ? world.agenda->at_ns : world.now_ns;
        catch_up();
    }
}
