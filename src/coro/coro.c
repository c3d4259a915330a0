/* SPDX-License-Identifier: MIT */
/*
 * coro.c - coroutines start, become ready, run and end.
 */
#include "coro/coro.h"

#include "base/alloc.h"
#include "base/hot.h"
#include "coro/gate_impl.h"
#include "coro/home_impl.h"
#include "coro/inspect_impl.h"
#include "eventer/event.h"
#include "eventer/pool.h"
#include "eventer/props.h"

#include <assert.h>
#include <string.h>

/*
 * How many turns ahead the processor is asked to fetch, and what; measured (bench/README.md).  What
 * stands on a stack is asked for when its coroutine becomes ready, and once more just before: the
 * system calls in between leave little in the first cache, and a page of the stack is found anew.
 */
#define HEADERS_AHEAD 8
#define FRAMES_AHEAD  4 /* saved ones */
#define STACK_AHEAD   1

/* ---- the lists ------------------------------------------------------------------- */

static uint32_t list_put(struct coro_list *list, struct coro *co)
{
    list->items[list->count] = co;
    return (uint32_t)list->count++;
}

/* Give both lists room for capacity coroutines: not fewer than live.  Returns 0 or -ENOMEM. */
static int lists_resize(struct coro_home *home, size_t capacity)
{
    const size_t size = capacity * sizeof(struct coro *);
    if (capacity < home->list_capacity)
        home->list_capacity = capacity; /* whichever of the two fails to shrink has more */
    struct coro **items = alloc_resize(home->ready.items, size);
    if (items == NULL)
        return -ENOMEM;
    home->ready.items = items;
    items = alloc_resize(home->batch.items, size);
    if (items == NULL)
        return -ENOMEM;
    home->batch.items = items;
    home->list_capacity = capacity;
    return 0;
}

/* See that another coroutine would find room. */
static int lists_reserve(struct coro_home *home)
{
    if (aco_likely(home->count < home->list_capacity))
        return 0;
    return lists_resize(home, MAX(CORO_LIST_MIN, home->list_capacity * 2));
}

HOT void coro_make_ready(struct coro *co)
{
    co->turn = list_put(&coro_home_of(co)->ready, co);
    aco_prefetch_stack(&co->co);
}

static void make_urgent(struct coro_home *home, struct coro *co)
{
    queue_put_first(&home->urgent, &co->link);
}

/*
 * Take the next coroutine whose turn it is, or NULL; and have the processor fetch what the ones
 * after it need.
 */
static inline struct coro *take_next(struct coro_home *home)
{
    if (aco_unlikely(!queue_is_empty(&home->urgent)))
        return list_entry(queue_take(&home->urgent), struct coro, link);
    const struct coro_list *batch = &home->batch;
    while (home->next < batch->count) {
        size_t at = home->next++;
        if (at + HEADERS_AHEAD < batch->count && batch->items[at + HEADERS_AHEAD] != NULL) {
            const char *header = (const char *)batch->items[at + HEADERS_AHEAD];
            for (size_t i = 0; i < sizeof(struct coro); i += ACO_CACHE_LINE_)
                __builtin_prefetch(header + i, 1);
        }
        if (at + FRAMES_AHEAD < batch->count && batch->items[at + FRAMES_AHEAD] != NULL)
            aco_prefetch_frames(&batch->items[at + FRAMES_AHEAD]->co);
        if (at + STACK_AHEAD < batch->count && batch->items[at + STACK_AHEAD] != NULL)
            aco_prefetch_stack(&batch->items[at + STACK_AHEAD]->co);
        if (aco_likely(batch->items[at] != NULL))
            return batch->items[at];
    }
    return NULL;
}

/* ---- running --------------------------------------------------------------------- */

static void complain_of_events(struct coro *co)
{
    mtevL(eventer_err, "coroutine %s ended with open events; they stay valid\n",
          coro_site_name(co->site));
    while (co->events != NULL)
        chain_remove(co->events);
}

static __attribute__((noinline)) void finish(struct coro_home *home, struct coro *co)
{
    struct coro_site *site = co->site;
    struct coro_stack *stack = coro_stack_of(co);
    void *arg = co->co.arg;
    assert(!wheel_is_armed(&co->timer));
    co->co.state_ = CORO_ENDED;
    if (aco_unlikely(co->own_gates > 0))
        gates_orphan(home, co);
    if (aco_unlikely(co->events != NULL))
        complain_of_events(co);
    if (aco_unlikely(smr_end_all()))
        mtevL(eventer_err, "coroutine %s ended with a section open (mtev_memory_begin); closed\n",
              coro_site_name(site));
    site->has_run = true;
    site->is_on_trial = false;
    if (co->co.save_stack.max_cpsz > site->live_max)
        site->live_max = co->co.save_stack.max_cpsz;
    aco_fini(&co->co);
    stacks_release(stack);
    slab_free(&home->slabs, co, sizeof(*co));
    home->count--;
    stat_set(&home->stats.coroutines, home->count);
    if (site->on_end != NULL)
        site->on_end(arg);
}

static bool is_observed(void)
{
    return account_is_kept() || N_L_S_ON(coro_resume_log);
}

/* Run co while it is observed: the only other place that resumes. */
static __attribute__((noinline)) void enter_observed(struct coro_home *home, struct coro *co)
{
    struct account_span span;
    const bool is_counted = account_is_kept();
    if (N_L_S_ON(coro_resume_log))
        coro_log_resume(co);
    if (is_counted)
        account_begin(&span, home->loop, co->site->key, EVENTER_CALLBACK_COROUTINE);
    aco_enter_(&co->co);
    if (is_counted)
        account_end(&span, -1);
}

/* Run co, which owns its stack, until it waits or ends. */
static inline __attribute__((always_inline)) void run_owner(struct coro_home *home, struct coro *co)
{
    co->co.state_ = CORO_RUNNING;
    home->operations = 0;
    stacks_unprotect(coro_stack_of(co));
    if (aco_unlikely(home->is_observed))
        enter_observed(home, co);
    else
        aco_enter_(&co->co);
    if (aco_unlikely(co->co.is_end)) {
        finish(home, co);
        return;
    }
    size_t live = coro_live_bytes(co);
    if (aco_unlikely(live > co->co.save_stack.max_cpsz))
        co->co.save_stack.max_cpsz = (uint32_t)live;
    stacks_protect(coro_stack_of(co));
}

/*
 * Whoever stands on co's stack runs before co if its turn comes in the same batch anyway: its
 * frames would be copied away and back for nothing.
 */
static struct coro *take_owner(struct coro_home *home, struct coro *co)
{
    aco_t *owner = co->co.share_stack->owner;
    struct coro_list *batch = &home->batch;
    if (owner == NULL)
        return NULL;
    struct coro *first = list_entry(owner, struct coro, co);
    if (owner->state_ != CORO_READY || first->turn < home->next || first->turn >= batch->count ||
        batch->items[first->turn] != first)
        return NULL;
    batch->items[first->turn] = NULL;
    return first;
}

/*
 * co's turn came, and it does not own its stack.  Move the owner away, or have co wait: for the end
 * of the loans, or, where there is no memory to move anybody to, for another turn.
 */
static __attribute__((noinline)) bool take_stack(struct coro_home *home, struct coro *co)
{
    struct coro_stack *stack = coro_stack_of(co);
    struct coro *owner = co->co.sp == NULL ? NULL : take_owner(home, co); /* a new one runs first */
    if (owner != NULL)
        run_owner(home, owner);
    if (stack->pins > 0) {
        stacks_await(stack, co);
        return false;
    }
    if (aco_take_stack_(&co->co) != 0) {
        coro_make_ready(co);
        return false;
    }
    return true;
}

/*
 * Run everything in the batch, and what is put in front of it meanwhile.  On the thread's own
 * stack; a call from within (an on_end that starts another coroutine) leaves the work to the one
 * that runs.
 */
static HOT void run_batch(struct coro_home *home)
{
    struct coro *co;
    if (home->is_running)
        return;
    home->is_running = true;
    home->is_observed = is_observed();
    while ((co = take_next(home)) != NULL)
        if (aco_likely(co->co.share_stack->owner == &co->co) || take_stack(home, co))
            run_owner(home, co);
    home->is_running = false;
}

static HOT bool drain(struct loop *loop)
{
    struct coro_home *home = loop->coro;
    if (home->ready.count == 0)
        return false;
    struct coro_list empty = {home->batch.items, 0};
    home->batch = home->ready;
    home->ready = empty;
    home->next = 0;
    run_batch(home);
    home->batch.count = home->next = 0;
    if (home->list_capacity > CORO_LIST_MIN && home->list_capacity / 8 > home->count)
        (void)lists_resize(home, MAX(CORO_LIST_MIN, home->list_capacity / 4));
    if (!wheel_is_armed(&home->trim))
        wheel_add(&loop->wheel, &home->trim, loop->now_ns + CORO_TRIM_NS);
    if (home->ready.count > 0)
        return true;
    if (home->job_sent_ns != 0)
        jobs_look_out(home);
    return false;
}

/* ---- starting -------------------------------------------------------------------- */

const char *coro_site_name(const struct coro_site *site)
{
    return eventer_name_for_callback((eventer_func_t)(uintptr_t)site->key);
}

static struct coro_site *site_of(struct coro_home *home, const struct coro_start *start)
{
    const void *key = start->key != NULL ? start->key : (const void *)(uintptr_t)start->func;
    size_t bucket =
        (((uintptr_t)key >> 4) ^ (uintptr_t)start->where) * UINT64_C(0x9E3779B97F4A7C15) >>
        58; /* Knuth, multiplicative hashing */
    static_assert(CORO_SITE_BUCKETS == 64, "six bits of the product choose a bucket");
    struct coro_site *site = home->sites[bucket];
    while (site != NULL && (site->key != key || site->where != start->where))
        site = site->next;
    if (aco_likely(site != NULL)) {
        assert(site->on_end == start->on_end);
        return site;
    }
    site = alloc_zeroed(1, sizeof(*site));
    if (site == NULL)
        return NULL;
    site->key = key;
    site->where = start->where;
    site->on_end = start->on_end;
    site->next = home->sites[bucket];
    home->sites[bucket] = site;
    return site;
}

/*
 * See that a new coroutine can run on stack at once: what it is given may be gone later.  Whoever
 * stands there is moved away, except the one that runs now.  False: no memory for that.
 */
static bool make_room(struct coro_stack *stack)
{
    const aco_t *owner = stack->stack.owner;
    return owner == NULL || owner == aco_gtls_co || aco_save_owner(&stack->stack) == 0;
}

static struct coro *make(struct coro_home *home, const struct coro_start *start)
{
    struct coro_site *site = site_of(home, start);
    if (site == NULL || lists_reserve(home) != 0)
        return NULL;
    struct coro *co = slab_alloc(&home->slabs, sizeof(*co));
    if (co == NULL)
        return NULL;
    /* The first run of a function is a trial: if it lends its locals, nobody shares its stack. */
    bool is_trial = !site->has_run && !site->is_on_trial;
    size_t private_size = start->private_size;
    if (private_size == 0 && (site->has_lent || is_trial))
        private_size = home->stacks.size;
    struct coro_stack *stack = stacks_choose(home, private_size);
    if (stack == NULL && start->private_size == 0)
        stack = stacks_choose(home, 0);
    if (stack == NULL || !make_room(stack)) {
        co->co.state_ = CORO_ENDED;
        slab_free(&home->slabs, co, sizeof(*co));
        return NULL;
    }
    memset(co, 0, sizeof(*co));
    aco_init(&co->co, home->main, &stack->stack, start->func, start->arg);
    co->co.scheduled_ = ACO_LOOP_;
    co->co.state_ = CORO_READY;
    co->site = site;
    co->born = (uint32_t)(home->loop->now_ns / CORO_AGE_UNIT_NS);
    site->is_on_trial = site->is_on_trial || is_trial;
    site->started++;
    home->count++;
    stat_set(&home->stats.coroutines, home->count);
    stat_set(&home->stats.started, home->stats.started + 1);
    return co;
}

/* Pin self's stack if its new coroutine is handed a piece of it. */
static struct coro_stack *lend_to_child(struct coro *self, const void *arg)
{
    struct coro_stack *stack = self == NULL ? NULL : coro_stack_of(self);
    if (stack == NULL || !aco_stack_has(&stack->stack, arg))
        return NULL;
    stacks_pin(stack);
    return stack;
}

int coro_start(const struct coro_start *start)
{
    struct coro_home *home = home_self();
    struct coro *self = coro_self();
    /* An address in our own frames holds while the child first runs: we stay in place. */
    struct coro_stack *lent = lend_to_child(self, start->arg);
    struct coro *co = make(home, start);
    if (co != NULL && self != NULL) {
        /* The drain runs the child until it waits or ends, and then goes on with us. */
        make_urgent(home, self);
        make_urgent(home, co);
        self->co.state_ = CORO_READY;
        self->co.reason_ = CORO_WAITS_FOR_START;
        coro_yield(self);
    } else if (co != NULL && aco_gtls_co == home->main) {
        struct smr_section section = smr_take(); /* the callback's; not co's */
        make_urgent(home, co);
        run_batch(home);
        smr_put(section);
    } else if (co != NULL) { /* in a coroutine that belongs to no loop, and cannot be parked */
        coro_make_ready(co);
    }
    if (lent != NULL)
        stacks_unpin(lent);
    return co == NULL ? -ENOMEM : 0;
}

struct start_mail {
    struct mail mail;
    struct coro_start start;
};

static void complain_of_start(const struct coro_start *start, const char *why)
{
    mtevL(eventer_err, "eventer_aco_start: %s: %s; not started\n",
          eventer_name_for_callback((eventer_func_t)(uintptr_t)start->func), why);
}

static void start_there(struct mail *mail, struct loop *loop)
{
    struct start_mail *message = list_entry(mail, struct start_mail, mail);
    (void)loop;
    if (coro_start(&message->start) != 0)
        complain_of_start(&message->start, strerrordesc_np(ENOMEM));
    alloc_free(message);
}

/* Start in this thread's loop, or in the first one.  Returns 0 or -errno. */
static int start_somewhere(const struct coro_start *start)
{
    if (start->func == NULL)
        return -EINVAL;
    if (home_self() != NULL)
        return coro_start(start);
    struct loop *loop = pool_first_loop();
    if (loop == NULL)
        return -ENXIO;
    struct start_mail *message = alloc_bytes(sizeof(*message));
    if (message == NULL)
        return -ENOMEM;
    *message = (struct start_mail){.mail.run = start_there, .start = *start};
    loop_post(loop, &message->mail);
    return 0;
}

static int start_or_say(const struct coro_start *start)
{
    int err = start_somewhere(start);
    if (err == 0)
        return 0;
    errno = -err;
    return -1;
}

int eventer_aco_try_start_at(void (*func)(void), void *closure, const char *where)
{
    return start_or_say(&(struct coro_start){.func = func, .arg = closure, .where = where});
}

int eventer_aco_start_private_at(void (*func)(void), void *closure, size_t stack_size,
                                 const char *where)
{
    size_t size = stack_size == 0 ? props_get()->aco_stack_size : stack_size;
    if (size > ACO_STACK_SIZE_MAX) {
        errno = EINVAL;
        return -1;
    }
    return start_or_say(
        &(struct coro_start){.func = func, .arg = closure, .where = where, .private_size = size});
}

void eventer_aco_start_at(void (*func)(void), void *closure, const char *where)
{
    const struct coro_start start = {.func = func, .arg = closure, .where = where};
    int err = start_somewhere(&start);
    if (err == 0)
        return;
    errno = -err;
    if (func == NULL)
        mtevL(eventer_err, "eventer_aco_start: no function\n");
    else
        complain_of_start(&start,
                          err == -ENXIO ? "eventer_init() was not called" : strerrordesc_np(-err));
}

void eventer_aco_start_stack(void (*func)(void), void *closure, size_t stack_size)
{
    (void)stack_size;
    eventer_aco_start_at(func, closure, NULL);
}

#undef eventer_aco_start
#undef eventer_aco_try_start
#undef eventer_aco_start_private

void eventer_aco_start(void (*func)(void), void *closure)
{
    eventer_aco_start_at(func, closure, NULL);
}

int eventer_aco_try_start(void (*func)(void), void *closure)
{
    return eventer_aco_try_start_at(func, closure, NULL);
}

int eventer_aco_start_private(void (*func)(void), void *closure, size_t stack_size)
{
    return eventer_aco_start_private_at(func, closure, stack_size, NULL);
}

void *eventer_aco_arg(void)
{
    struct coro *self = coro_self();
    return self == NULL ? NULL : self->co.arg;
}

void coro_yield_in_section(struct coro *self)
{
    struct smr_section section = smr_take();
    aco_yield1(&self->co);
    smr_put(section);
}

/* ---- waiting for time ------------------------------------------------------------ */

static void on_timeout(struct wheel_node *node)
{
    struct coro *co = list_entry(node, struct coro, timer);
    coro_wake(co, co->co.generation_, -ETIMEDOUT);
}

void coro_arm_timer(struct coro *self, uint64_t due_ns)
{
    self->timer.fire = on_timeout;
    wheel_add(&loop_self->wheel, &self->timer, due_ns);
}

/* In a frame of its own, which is gone when the coroutine waits. */
static __attribute__((noinline)) void arm_for(struct coro *self, const struct timeval *duration)
{
    coro_arm_timer(self, clock_mono_ns() + clock_duration_ns(duration));
}

void eventer_aco_sleep(struct timeval *duration)
{
    struct coro *self = coro_self();
    if (self == NULL || duration == NULL) {
        mtevL(eventer_err, "eventer_aco_sleep: %s\n",
              self == NULL ? "called outside a coroutine" : "no duration");
        errno = EINVAL;
        return;
    }
    arm_for(self, duration);
    coro_park(self, CORO_WAITS_FOR_TIME);
}

static atomic_bool is_drain_known;

mtev_boolean eventer_aco_draining(void)
{
    if (!atomic_load_explicit(&is_drain_known, memory_order_relaxed)) /* mostly read */
        atomic_store(&is_drain_known, true);
    return pool_is_draining() ? mtev_true : mtev_false;
}

bool coro_drain_is_known(void)
{
    return atomic_load(&is_drain_known);
}

/* ---- a loop's part --------------------------------------------------------------- */

static void on_trim(struct wheel_node *node)
{
    stacks_trim(&list_entry(node, struct coro_home, trim)->stacks);
}

static int start_home(struct loop *loop)
{
    const struct props *props = props_get();
    struct coro_home *home = alloc_zeroed(1, sizeof(*home));
    if (home == NULL)
        return -ENOMEM;
    aco_thread_init(NULL);
    home->main = aco_create(NULL, NULL, 0, NULL, NULL);
    if (home->main == NULL) {
        alloc_free(home);
        return -ENOMEM;
    }
    home->loop = loop;
    home->trim.fire = on_trim;
    ring_init(&home->gates);
    slabs_init(&home->slabs);
    stacks_init(&home->stacks,
                props->aco_shared_stacks == 0 ? CORO_STACKS_DEFAULT : props->aco_shared_stacks,
                props->aco_stack_size);
    overflow_watch(home);
    loop->coro = home;
    watcher_add(home);
    return 0;
}

static void free_sites(struct coro_home *home)
{
    for (size_t i = 0; i < CORO_SITE_BUCKETS; i++) {
        while (home->sites[i] != NULL) {
            struct coro_site *site = home->sites[i];
            home->sites[i] = site->next;
            alloc_free(site);
        }
    }
}

/*
 * Coroutines that wait when the loops end are left as they are, and so are stacks, which may be
 * lent: the process is ending.
 */
static void stop_home(struct loop *loop)
{
    struct coro_home *home = loop->coro;
    watcher_remove(home);
    if (home->count > 0 || !ring_is_empty(&home->gates) || stacks_are_lent(&home->stacks))
        return;
    loop->coro = NULL;
    wheel_cancel(&home->trim);
    overflow_unwatch(home);
    stacks_fini(&home->stacks);
    jobs_free(home);
    free_sites(home);
    slabs_fini(&home->slabs);
    aco_destroy(home->main);
    alloc_free(home->ready.items);
    alloc_free(home->batch.items);
    alloc_free(home);
}

static __attribute__((constructor)) void install(void)
{
    loop_set_hooks(&(struct loop_hooks){.start = start_home, .drain = drain, .stop = stop_home});
}
