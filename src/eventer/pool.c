/* SPDX-License-Identifier: MIT */
#include "eventer/pool.h"

#include "base/alloc.h"
#include "base/cpus.h"
#include "base/thread.h"
#include "base/topology.h"
#include "eventer/asynch.h"
#include "eventer/fdtable.h"
#include "eventer/props.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>

#define DRAIN_LOOK_NS 5000000 /* between two looks at what is left */

static struct eventer_pool pools[POOL_COUNT_MAX]; /* [0] is the default pool */
static _Atomic size_t pool_count;                 /* 0: eventer_init() was not called */
static _Atomic bool is_initialised;
static int loop_count; /* of all pools */
static struct timeval epoch;

static void (*start_hooks[POOL_HOOKS_MAX])(void), (*stop_hooks[POOL_HOOKS_MAX])(void);
static size_t start_hook_count, stop_hook_count;
static size_t (*drain_hooks[POOL_HOOKS_MAX])(void);
static size_t drain_hook_count;
static bool has_started; /* eventer_loop*() was called: traffic is let in */

static struct latch stop_requested;
static _Atomic bool is_looping; /* somebody waits for stop_requested */
static _Atomic bool is_draining;

/* ---- making them ----------------------------------------------------------------- */

static void raise_rlimit(uint64_t wanted)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    rlim_t soft = wanted == 0 || wanted > limit.rlim_max ? limit.rlim_max : wanted;
    if (soft > FDTABLE_FD_MAX)
        soft = FDTABLE_FD_MAX;
    if (wanted != 0 || soft > limit.rlim_cur)
        limit.rlim_cur = soft;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

static void end_loops(struct eventer_pool *pool)
{
    for (uint32_t i = 0; i < pool->count; i++)
        if (pool->loops[i]->thread != 0)
            loop_stop(pool->loops[i]);
    for (uint32_t i = 0; i < pool->count; i++)
        if (pool->loops[i]->thread != 0)
            thread_ops.join(pool->loops[i]->thread, NULL);
}

static void pool_fini(struct eventer_pool *pool)
{
    end_loops(pool);
    for (uint32_t i = 0; i < pool->count; i++)
        loop_free(pool->loops[i]);
    alloc_free(pool->loops);
    memset(pool, 0, sizeof(*pool));
}

static int pool_init(struct eventer_pool *pool, const char *name, uint64_t loops,
                     uint64_t watchdog_ns)
{
    char loop_name[sizeof(((struct loop *)NULL)->name)];
    if (loops == 0)
        loops = MIN(cpus_usable(), POOL_LOOPS_MAX);
    snprintf(pool->name, sizeof(pool->name), "%s", name);
    atomic_store(&pool->watchdog_ns, watchdog_ns);
    pool->loops = alloc_zeroed(loops, sizeof(*pool->loops));
    if (pool->loops == NULL)
        return -ENOMEM;
    for (uint64_t i = 0; i < loops; i++) {
        snprintf(loop_name, sizeof(loop_name), "e:%.19s/%u", name, (unsigned)i);
        int err = loop_new(loop_name, pool, loop_count, &pool->loops[i]);
        if (err != 0)
            return err;
        loop_count++;
        pool->count++;
    }
    return 0;
}

static int make_pools(void)
{
    const struct props *props = props_get();
    size_t count = 0;
    int err = pool_init(&pools[count++], "default", props->concurrency, props->watchdog_ns);
    for (size_t i = 0; err == 0 && i < props->pool_count; i++)
        err = pool_init(&pools[count++], props->pools[i].name, props->pools[i].loops,
                        props->pools[i].watchdog_ns);
    if (err == 0)
        atomic_store(&pool_count, count); /* loops may look for one another from here on */
    for (size_t p = 0; err == 0 && p < count; p++)
        for (uint32_t i = 0; err == 0 && i < pools[p].count; i++)
            err = loop_start(pools[p].loops[i]);
    if (err == 0)
        return 0;
    for (size_t p = 0; p < count; p++)
        pool_fini(&pools[p]);
    atomic_store(&pool_count, 0);
    loop_count = 0;
    return err;
}

int eventer_init(void)
{
    if (atomic_exchange(&is_initialised, true)) {
        mtevL(eventer_err, "eventer_init: it was called before\n");
        errno = EALREADY;
        return -1;
    }
    epoch = clock_timeval(clock_wall_ns());
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    raise_rlimit(props_get()->rlim_nofiles);
    account_init();
    int err = asynch_init();
    if (err == 0)
        err = make_pools();
    if (err != 0) {
        mtevL(eventer_err, "eventer_init: cannot start the loops: %s\n", strerror(-err));
        atomic_store(&is_initialised, false);
        errno = -err;
        return -1;
    }
    return 0;
}

/* ---- running --------------------------------------------------------------------- */

static int add_hook(void (**hooks)(void), size_t *count, void (*fn)(void))
{
    if (*count == POOL_HOOKS_MAX)
        return -ENOSPC;
    hooks[(*count)++] = fn;
    return 0;
}

int pool_at_start(void (*fn)(void))
{
    if (has_started) {
        fn();
        return 0;
    }
    return add_hook(start_hooks, &start_hook_count, fn);
}

int pool_at_stop(void (*fn)(void))
{
    return add_hook(stop_hooks, &stop_hook_count, fn);
}

int pool_at_drain(size_t (*left)(void))
{
    if (drain_hook_count == POOL_HOOKS_MAX)
        return -ENOSPC;
    drain_hooks[drain_hook_count++] = left;
    return 0;
}

uint64_t pool_drain_ns(void)
{
    return props_get()->drain_s * CLOCK_NS_PER_S;
}

bool pool_is_draining(void)
{
    return atomic_load_explicit(&is_draining, memory_order_relaxed); /* it orders nothing */
}

/* Let what is in flight end, within the limit. */
static void drain(void)
{
    const struct timespec moment = {.tv_nsec = DRAIN_LOOK_NS};
    const uint64_t end_ns = clock_mono_ns() + pool_drain_ns();
    for (;;) {
        size_t left = 0;
        for (size_t i = 0; i < drain_hook_count; i++)
            left += drain_hooks[i]();
        if (left == 0 || clock_mono_ns() >= end_ns)
            return;
        nanosleep(&moment, NULL);
    }
}

MTEV_HOOK_PROTO(eventer_started, (void), void *, closure, (void *closure));
MTEV_HOOK_IMPL(eventer_started, (void), void *, closure, (void *closure), (closure))

void eventer_loop_return(void)
{
    if (!has_started)
        (void)eventer_started_hook_invoke();
    for (size_t i = 0; i < start_hook_count; i++)
        start_hooks[i]();
    start_hook_count = 0; /* a second call starts nothing twice */
    has_started = true;
}

void eventer_loop(void)
{
    if (atomic_load(&pool_count) == 0) {
        mtevL(eventer_err, "eventer_loop: eventer_init() was not called\n");
        return;
    }
    stop_requested = (struct latch){0};
    atomic_store(&is_looping, true);
    eventer_loop_return();
    latch_await(&stop_requested);
    atomic_store(&is_draining, true);
    for (size_t i = stop_hook_count; i > 0; i--)
        stop_hooks[i - 1]();
    drain();
    for (size_t i = 0; i < atomic_load(&pool_count); i++)
        end_loops(&pools[i]);
}

bool pool_request_stop(void)
{
    if (!atomic_load(&is_looping))
        return false;
    latch_open(&stop_requested);
    return true;
}

/* ---- looking --------------------------------------------------------------------- */

struct loop *pool_first_loop(void)
{
    return atomic_load_explicit(&pool_count, memory_order_acquire) == 0 ? NULL : pools[0].loops[0];
}

struct loop *pool_loop_of(pthread_t thread)
{
    if (loop_self != NULL && pthread_equal(loop_self->thread, thread))
        return loop_self;
    for (size_t p = 0; p < atomic_load(&pool_count); p++)
        for (uint32_t i = 0; i < pools[p].count; i++)
            if (pthread_equal(pools[p].loops[i]->thread, thread))
                return pools[p].loops[i];
    return NULL;
}

struct loop *pool_next_loop(struct eventer_pool *pool)
{
    uint32_t turn = atomic_fetch_add_explicit(&pool->next, 1, memory_order_relaxed);
    return pool->loops[turn % pool->count];
}

void pool_each_loop(void (*fn)(struct loop *loop, void *closure), void *closure)
{
    for (size_t p = 0; p < atomic_load(&pool_count); p++)
        for (uint32_t i = 0; i < pools[p].count; i++)
            fn(pools[p].loops[i], closure);
}

eventer_pool_t *eventer_pool(const char *name)
{
    for (size_t p = 0; name != NULL && p < atomic_load(&pool_count); p++)
        if (strcmp(pools[p].name, name) == 0)
            return &pools[p];
    return NULL;
}

const char *eventer_pool_name(eventer_pool_t *pool)
{
    return pool->name;
}

uint32_t eventer_pool_concurrency(eventer_pool_t *pool)
{
    return pool->count;
}

eventer_pool_t *eventer_get_pool_for_event(eventer_t e)
{
    struct loop *owner = event_owner(e);
    return owner == NULL ? NULL : owner->pool;
}

pthread_t eventer_choose_owner_pool(eventer_pool_t *pool, int n)
{
    struct loop *first = pool_first_loop();
    if (first == NULL)
        return (pthread_t)0;
    if (pool == NULL)
        pool = first->pool;
    uint32_t turn = (uint32_t)n;
    if (pool != first->pool || pool->count == 1)
        turn %= pool->count;
    else if (turn != 0)
        turn = turn % (pool->count - 1) + 1;
    return pool->loops[turn]->thread;
}

pthread_t eventer_choose_owner(int n)
{
    return eventer_choose_owner_pool(NULL, n);
}

int eventer_is_loop(pthread_t thread)
{
    struct loop *loop = pool_loop_of(thread);
    return loop == NULL ? -1 : loop->index;
}

mtev_boolean eventer_in_loop(void)
{
    return loop_self != NULL ? mtev_true : mtev_false;
}

int eventer_loop_concurrency(void)
{
    return atomic_load(&pool_count) == 0 ? 0 : (int)pools[0].count;
}

int eventer_cpu_sockets_and_cores(int *sockets, int *cores)
{
    unsigned packages = 0, all_cores = 0;
    struct topology *topology = alloc_bytes(sizeof(*topology));
    int err = topology == NULL ? -ENOMEM : topology_read(TOPOLOGY_FOLDER, topology);
    if (err == 0)
        topology_counts(topology, &packages, &all_cores);
    alloc_free(topology);
    if (err != 0) {
        errno = -err;
        return -1;
    }
    *sockets = (int)packages;
    *cores = (int)all_cores;
    return 0;
}

int eventer_thread_check(eventer_t e)
{
    return loop_self != NULL && event_owner(e) == loop_self;
}

const char *eventer_get_thread_name(void)
{
    return thread_name();
}

void eventer_wakeup(eventer_t e)
{
    struct loop *loop = e != NULL           ? event_owner(e)
                        : loop_self != NULL ? loop_self
                                            : pool_first_loop();
    if (loop != NULL)
        loop_wake(loop);
}

/* ---- how long a turn may take ---------------------------------------------------- */

void eventer_pool_watchdog_timeout(eventer_pool_t *pool, double seconds)
{
    const double max_s = WATCHDOG_NS_MAX / (double)CLOCK_NS_PER_S;
    if (pool == NULL || !(seconds >= 0 && seconds <= max_s)) {
        mtevL(eventer_err, "eventer_pool_watchdog_timeout: %s: it is to be 0 to %.0f s\n",
              pool == NULL ? "(null)" : pool->name, max_s);
        errno = EINVAL;
        return;
    }
    atomic_store(&pool->watchdog_ns, (uint64_t)(seconds * (double)CLOCK_NS_PER_S));
}

static uint64_t watchdog_ns_here(void)
{
    uint64_t ns = loop_self == NULL || loop_self->pool == NULL
                      ? 0
                      : atomic_load(&loop_self->pool->watchdog_ns);
    return ns != 0 ? ns : EVENTER_WATCHDOG_TIMEOUT_S * CLOCK_NS_PER_S;
}

double eventer_watchdog_timeout(void)
{
    return loop_self == NULL ? 0 : (double)watchdog_ns_here() / (double)CLOCK_NS_PER_S;
}

mtev_boolean eventer_watchdog_timeout_timeval(struct timeval *out)
{
    if (loop_self == NULL)
        return mtev_false;
    *out = clock_timeval(watchdog_ns_here());
    return mtev_true;
}

mtev_boolean eventer_heartbeat_deadline(struct timeval *now, struct timeval *deadline)
{
    if (loop_self == NULL)
        return mtev_false;
    const uint64_t mono_ns = clock_mono_ns(), wall_ns = clock_wall_ns();
    if (now != NULL)
        *now = clock_timeval(wall_ns);
    *deadline = clock_timeval(wall_ns - (mono_ns - loop_self->now_ns) + watchdog_ns_here());
    return mtev_true;
}

/* ---- clocks ---------------------------------------------------------------------- */

int eventer_get_epoch(struct timeval *out)
{
    if (!atomic_load(&is_initialised))
        return -1;
    *out = epoch;
    return 0;
}

static __attribute__((noinline)) int read_wall(struct timeval *now)
{
    *now = loop_self != NULL ? *loop_wall(loop_self) : clock_timeval(clock_wall_ns());
    return 0;
}

int eventer_gettimeofcallback(struct timeval *now, void *tzp)
{
    if (loop_self == NULL || !loop_self->has_wall)
        return read_wall(now);
    *now = loop_self->wall;
    return 0;
}

uint64_t eventer_callback_us(void)
{
    struct timeval now;
    eventer_gettimeofcallback(&now, NULL);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_usec;
}

uint64_t eventer_callback_ms(void)
{
    return eventer_callback_us() / 1000;
}
