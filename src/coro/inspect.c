/* SPDX-License-Identifier: MIT */
/*
 * inspect.c - what can be seen of coroutines from inside the process: counts, lists, names.
 */
#include "coro/inspect_impl.h"

#include "base/alloc.h"
#include "coro/inspect.h"
#include "eventer/pool.h"
#include "eventer/visit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* ---- counts ---------------------------------------------------------------------- */

static uint64_t stat_get(const uint64_t *stat)
{
    return __atomic_load_n(stat, __ATOMIC_RELAXED);
}

static void add_stats(struct loop *loop, void *closure)
{
    const struct coro_home *home = loop->coro;
    eventer_aco_stats_t *sum = closure;
    if (home == NULL)
        return;
    const eventer_aco_stats_t *stats = &home->stats;
    sum->coroutines += stat_get(&stats->coroutines);
    sum->started += stat_get(&stats->started);
    sum->shared_stacks += stat_get(&stats->shared_stacks);
    sum->private_stacks += stat_get(&stats->private_stacks);
    sum->loans += stat_get(&stats->loans);
    sum->blocked += stat_get(&stats->blocked);
    sum->blocked_ns += stat_get(&stats->blocked_ns);
    sum->blocked_ns_max = MAX(sum->blocked_ns_max, stat_get(&stats->blocked_ns_max));
}

void eventer_aco_get_stats(eventer_aco_stats_t *out)
{
    *out = (eventer_aco_stats_t){0};
    pool_each_loop(add_stats, out);
}

/* ---- one coroutine --------------------------------------------------------------- */

struct each {
    int (*fn)(struct coro *co, void *closure);
    void *closure;
};

static int call_if_living(void *p, void *closure)
{
    const struct each *each = closure;
    struct coro *co = p;
    return co->co.state_ == CORO_ENDED ? 0 : each->fn(co, each->closure);
}

int coro_each(struct coro_home *home, int (*fn)(struct coro *co, void *closure), void *closure)
{
    struct each each = {fn, closure};
    return slabs_each(&home->slabs, sizeof(struct coro), call_if_living, &each);
}

const char *coro_state_text(const struct coro *co)
{
    return co->co.state_ == CORO_RUNNING ? "running"
           : co->co.state_ == CORO_READY ? "ready"
                                         : "parked";
}

const char *coro_reason_text(unsigned reason)
{
    static const char *const texts[] = {
        [CORO_WAITS_FOR_NOTHING] = "nothing", [CORO_WAITS_FOR_START] = "a coroutine it started",
        [CORO_WAITS_FOR_TIME] = "time",       [CORO_WAITS_TO_READ] = "to read",
        [CORO_WAITS_TO_WRITE] = "to write",   [CORO_WAITS_TO_ACCEPT] = "to accept",
        [CORO_WAITS_FOR_JOB] = "a job",       [CORO_WAITS_FOR_GATE] = "a gate",
        [CORO_WAITS_FOR_TURN] = "its turn",   [CORO_WAITS_FOR_ANSWER] = "an answer",
    };
    return reason < sizeof(texts) / sizeof(texts[0]) ? texts[reason] : "something";
}

const char *coro_wait_text(const struct coro *co)
{
    /* Who waits for its child is ready itself: its turn comes when the child first waits. */
    const bool waits = co->co.state_ == CORO_PARKED ||
                       (co->co.state_ == CORO_READY && co->co.reason_ == CORO_WAITS_FOR_START);
    return coro_reason_text(waits ? co->co.reason_ : CORO_WAITS_FOR_NOTHING);
}

uint64_t coro_age_ns(const struct coro *co, uint64_t now_ns)
{
    return (uint64_t)((uint32_t)(now_ns / CORO_AGE_UNIT_NS) - co->born) * CORO_AGE_UNIT_NS;
}

/* The fd that co waits on, or -1. */
static int waited_fd(const struct coro *co)
{
    const unsigned reason = co->co.reason_;
    bool waits_on_fd = reason == CORO_WAITS_TO_READ || reason == CORO_WAITS_TO_WRITE ||
                       reason == CORO_WAITS_TO_ACCEPT;
    return co->co.state_ == CORO_PARKED && waits_on_fd ? co->fd : -1;
}

int eventer_aco_set_name(const char *name)
{
    struct coro *self = coro_self();
    static_assert(EVENTER_ACO_NAME_MAX == ACO_NAME_MAX, "the public name of the limit");
    int err = self == NULL ? -EINVAL : aco_set_name(&self->co, name);
    if (self == NULL)
        mtevL(eventer_err, "eventer_aco_set_name: called outside a coroutine\n");
    if (err == 0)
        return 0;
    errno = -err;
    return -1;
}

/* ---- listing coroutines ---------------------------------------------------------- */

struct listing {
    int (*cb)(const eventer_aco_info_t *info, void *closure);
    void *closure;
    int result;
    struct coro_home *home;       /* of the present loop */
    uint64_t now_ns;              /* when it was begun with */
    const struct coro_site *site; /* whose name is in function */
    char function[64];
};

/* As coro_site_name(), in memory of the listing's: the callback may look up names, too. */
static const char *function_name(struct listing *listing, const struct coro_site *site)
{
    if (listing->site != site)
        snprintf(listing->function, sizeof(listing->function), "%s", coro_site_name(site));
    listing->site = site;
    return listing->function;
}

static int list_one(struct coro *co, void *closure)
{
    struct listing *listing = closure;
    const struct coro_stack *stack = coro_stack_of(co);
    const char *function = function_name(listing, co->site);
    const char *name = aco_name(&co->co);
    const size_t live = co->co.state_ == CORO_RUNNING
                            ? (size_t)(co->co.share_stack->top - (char *)__builtin_frame_address(0))
                            : coro_live_bytes(co);
    const eventer_aco_info_t info = {
        .co = (eventer_aco_id_t)(const void *)co,
        .name = name == NULL ? function : name,
        .function = function,
        .where = co->site->where,
        .loop = listing->home->loop->name,
        .state = coro_state_text(co),
        .waits_for = coro_wait_text(co),
        .fd = waited_fd(co),
        .age_ns = coro_age_ns(co, listing->now_ns),
        .stack_bytes = live,
        .stack_bytes_max = co->co.save_stack.max_cpsz,
        .saved_bytes = co->co.save_stack.sz,
        .is_private = stack->is_private ? mtev_true : mtev_false,
        .is_lent = stack->pins > 0 && stack->stack.owner == &co->co ? mtev_true : mtev_false,
    };
    listing->result = listing->cb(&info, listing->closure);
    return listing->result;
}

static bool list_loop(struct loop *loop, void *closure)
{
    struct listing *listing = closure;
    struct coro_home *home = loop->coro;
    if (home == NULL)
        return true;
    listing->home = home;
    listing->now_ns = clock_mono_ns();
    listing->site = NULL;
    return coro_each(home, list_one, listing) == 0;
}

bool inspect_next(struct loop *loop, uintptr_t *at,
                  int (*cb)(const eventer_aco_info_t *info, void *closure), void *closure)
{
    struct listing listing = {
        .cb = cb, .closure = closure, .home = loop->coro, .now_ns = clock_mono_ns()};
    struct each each = {list_one, &listing};
    return listing.home != NULL &&
           slabs_each_next(&listing.home->slabs, sizeof(struct coro), at, call_if_living, &each);
}

static int fail(int err)
{
    errno = -err;
    return -1;
}

int eventer_aco_foreach(int (*cb)(const eventer_aco_info_t *info, void *closure), void *closure)
{
    struct listing listing = {.cb = cb, .closure = closure};
    if (cb == NULL)
        return fail(-EINVAL);
    int err = visit_loops(
        &(struct visitor){.visit = list_loop, .closure = &listing, .wait_ns = VISIT_WAIT_NS});
    if (listing.result != 0)
        return listing.result;
    return err == 0 ? 0 : fail(err);
}

/* ---- listing functions ----------------------------------------------------------- */

struct function { /* a site, in all loops together */
    const void *key;
    const char *where;
    uint64_t started, living;
    uint32_t live_max;
    bool has_lent;
};

struct functions {
    struct function *items; /* owned: count of them, room for capacity */
    size_t count, capacity;
    const struct coro_site *site; /* the one that was looked up last, and its item */
    size_t at;
    int err;
};

/* The item for site, made if need be; NULL: no memory. */
static struct function *function_of(struct functions *functions, const struct coro_site *site)
{
    if (functions->site == site)
        return &functions->items[functions->at];
    size_t at = 0;
    while (at < functions->count &&
           (functions->items[at].key != site->key || functions->items[at].where != site->where))
        at++;
    if (at == functions->capacity) {
        size_t capacity = at == 0 ? 64 : at * 2;
        struct function *items =
            alloc_resize(functions->items, capacity * sizeof(*functions->items));
        if (items == NULL)
            return NULL;
        functions->items = items;
        functions->capacity = capacity;
    }
    if (at == functions->count)
        functions->items[functions->count++] =
            (struct function){.key = site->key, .where = site->where};
    functions->site = site;
    functions->at = at;
    return &functions->items[at];
}

static int count_living(struct coro *co, void *closure)
{
    struct function *function = function_of(closure, co->site); /* it is there */
    function->living++;
    function->live_max = MAX(function->live_max, co->co.save_stack.max_cpsz);
    return 0;
}

static bool collect_functions(struct loop *loop, void *closure)
{
    struct functions *functions = closure;
    struct coro_home *home = loop->coro;
    functions->site = NULL;
    for (size_t i = 0; home != NULL && i < CORO_SITE_BUCKETS; i++) {
        for (const struct coro_site *site = home->sites[i]; site != NULL; site = site->next) {
            struct function *function = function_of(functions, site);
            if (function == NULL) {
                functions->err = -ENOMEM;
                return false;
            }
            function->started += site->started;
            function->live_max = MAX(function->live_max, site->live_max);
            function->has_lent = function->has_lent || site->has_lent;
        }
    }
    if (home != NULL)
        coro_each(home, count_living, functions);
    return true;
}

int eventer_aco_foreach_function(int (*cb)(const eventer_aco_function_t *function, void *closure),
                                 void *closure)
{
    struct functions functions = {0};
    int result = 0;
    if (cb == NULL)
        return fail(-EINVAL);
    int err = visit_loops(&(struct visitor){
        .visit = collect_functions, .closure = &functions, .wait_ns = VISIT_WAIT_NS});
    if (functions.err != 0)
        err = functions.err;
    for (size_t i = 0; result == 0 && (err == 0 || err == -ETIMEDOUT) && i < functions.count; i++) {
        const struct function *function = &functions.items[i];
        char name[64];
        snprintf(name, sizeof(name), "%s",
                 eventer_name_for_callback((eventer_func_t)(uintptr_t)function->key));
        result = cb(&(eventer_aco_function_t){.name = name,
                                              .where = function->where,
                                              .started = function->started,
                                              .living = function->living,
                                              .stack_bytes_max = function->live_max,
                                              .lends = function->has_lent ? mtev_true : mtev_false},
                    closure);
    }
    alloc_free(functions.items);
    if (result != 0)
        return result;
    return err == 0 ? 0 : fail(err);
}

/* ---- each resume ----------------------------------------------------------------- */

mtev_log_stream_t coro_resume_log;

static __attribute__((constructor)) void find_log(void)
{
    coro_resume_log = mtev_log_stream_find("debug/eventer/aco");
}

void coro_log_resume(struct coro *co)
{
    const char *name = aco_name(&co->co);
    mtevL(coro_resume_log, "resume %s: %zu bytes of stack, at most %u\n",
          name == NULL ? coro_site_name(co->site) : name, coro_live_bytes(co),
          co->co.save_stack.max_cpsz);
}
