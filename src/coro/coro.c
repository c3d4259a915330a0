/* SPDX-License-Identifier: MIT */
/*
 * coro.c - coroutines start, become ready, run and end.
 */
#include "coro/coro.h"

#include "base/alloc.h"
#include "coro/gate_impl.h"
#include "coro/home_impl.h"
#include "eventer/event.h"
#include "eventer/pool.h"
#include "eventer/props.h"

#include <assert.h>
#include <string.h>

/* ---- running --------------------------------------------------------------------- */

void coro_make_ready(struct coro *co)
{
    queue_put(&co->home->ready, &co->ready);
}

static struct coro_home *home_self(void)
{
    return loop_self == NULL ? NULL : loop_self->coro;
}

static void finish(struct coro_home *home, struct coro *co)
{
    co->state = CORO_ENDED;
    assert(!wheel_is_armed(&co->timer));
    gates_orphan(co->gates);
    if (!ring_is_empty(&co->events)) {
        mtevL(mtev_error, "coroutine %s ended with open events; they stay valid\n",
              eventer_name_for_callback((eventer_func_t)(uintptr_t)co->func));
        while (!ring_is_empty(&co->events))
            ring_remove(co->events.next);
    }
    co->site->has_run = true;
    co->site->is_on_trial = false;
    void (*on_end)(void *) = co->on_end;
    void *arg = co->co.arg;
    struct coro_stack *stack = coro_stack_of(co);
    aco_fini(&co->co);
    stacks_release(home, stack);
    ring_remove(&co->all);
    home->count--;
    if (home->free_count == CORO_POOL_MAX) {
        alloc_free(co);
    } else {
        home->free_count++;
        co->ready.next = home->free == NULL ? NULL : &home->free->ready;
        home->free = co;
    }
    if (on_end != NULL)
        on_end(arg);
}

/*
 * co's turn came, and another owns its stack.  Move that one away, or have co wait: for the end of
 * the loans, or, where there is no memory to move anybody to, for another turn.
 */
static __attribute__((noinline)) bool take_stack(struct coro_home *home, struct coro *co)
{
    struct coro_stack *stack = coro_stack_of(co);
    if (stack->pins > 0) {
        queue_put(&stack->waiting, &co->ready);
        return false;
    }
    if (aco_take_stack_(&co->co) != 0) {
        queue_put(&home->ready, &co->ready);
        return false;
    }
    return true;
}

/*
 * Run everything in the batch, and what is put in front of it meanwhile.  On the thread's own
 * stack; a call from within (an on_end that starts another coroutine) leaves the work to the one
 * that runs.
 */
static void run_batch(struct coro_home *home)
{
    struct queue_node *node;
    if (home->is_running)
        return;
    home->is_running = true;
    while ((node = queue_take(&home->batch)) != NULL) {
        struct coro *co = list_entry(node, struct coro, ready);
        if (aco_unlikely(co->co.share_stack->owner != &co->co) && !take_stack(home, co))
            continue;
        co->state = CORO_RUNNING;
        aco_enter_(&co->co);
        if (aco_unlikely(co->co.is_end))
            finish(home, co);
    }
    home->is_running = false;
}

static bool drain(struct loop *loop)
{
    struct coro_home *home = loop->coro;
    queue_append(&home->batch, &home->ready);
    run_batch(home);
    return !queue_is_empty(&home->ready);
}

/* ---- starting -------------------------------------------------------------------- */

static struct coro_site *site_of(struct coro_home *home, const void *key)
{
    size_t bucket = ((uintptr_t)key >> 4) * UINT64_C(0x9E3779B97F4A7C15) >> 58;
    static_assert(CORO_SITE_BUCKETS == 64, "six bits of the product choose a bucket");
    for (struct coro_site *site = home->sites[bucket]; site != NULL; site = site->next)
        if (site->key == key)
            return site;
    struct coro_site *site = alloc_zeroed(1, sizeof(*site));
    if (site == NULL)
        return NULL;
    site->key = key;
    site->next = home->sites[bucket];
    home->sites[bucket] = site;
    return site;
}

/* The first frame of ours in every coroutine: returning is the same as aco_exit(). */
static void begin(void)
{
    list_entry(aco_gtls_co, struct coro, co)->func();
    aco_exit();
}

static struct coro *take_free(struct coro_home *home)
{
    struct coro *co = home->free;
    if (co == NULL)
        return alloc_bytes(sizeof(*co));
    home->free = co->ready.next == NULL ? NULL : list_entry(co->ready.next, struct coro, ready);
    home->free_count--;
    return co;
}

static struct coro *make(struct coro_home *home, void (*func)(void), void *arg, const void *key)
{
    struct coro_site *site = site_of(home, key);
    struct coro *co = site == NULL ? NULL : take_free(home);
    if (co == NULL)
        return NULL;
    /* The first run of a function is a trial: if it lends its locals, nobody shares its stack. */
    bool is_trial = !site->has_run && !site->is_on_trial;
    struct coro_stack *stack = stacks_choose(&home->stacks, site->has_lent || is_trial);
    if (stack == NULL) {
        alloc_free(co);
        return NULL;
    }
    memset(co, 0, sizeof(*co));
    aco_init(&co->co, home->main, &stack->stack, begin, arg);
    co->co.scheduled_ = 1;
    co->home = home;
    co->func = func;
    co->site = site;
    co->state = CORO_READY;
    ring_init(&co->events);
    ring_add_tail(&home->all, &co->all);
    home->count++;
    site->is_on_trial = site->is_on_trial || is_trial;
    return co;
}

int coro_start(void (*func)(void), void *arg, const void *key)
{
    return coro_start_then(func, arg, key, NULL);
}

int coro_start_then(void (*func)(void), void *arg, const void *key, void (*on_end)(void *arg))
{
    struct coro_home *home = home_self();
    struct coro *self = coro_self();
    /*
     * An address in our own frames holds while the child runs for the first time: we stay in place.
     */
    struct coro_stack *lent = self == NULL ? NULL : coro_stack_of(self);
    if (lent != NULL && aco_stack_has(&lent->stack, arg))
        stacks_pin(lent);
    else
        lent = NULL;
    struct coro *co = make(home, func, arg, key);
    if (co == NULL) {
        if (lent != NULL)
            stacks_unpin(home, lent);
        return -ENOMEM;
    }
    co->on_end = on_end;
    if (self != NULL) {
        /* The drain runs the child until it waits or ends, and then goes on with us. */
        queue_put_first(&home->batch, &self->ready);
        queue_put_first(&home->batch, &co->ready);
        self->state = CORO_READY;
        self->reason = CORO_WAITS_FOR_START;
        aco_yield1(&self->co);
        if (lent != NULL)
            stacks_unpin(home, lent);
    } else if (aco_gtls_co == home->main) {
        queue_put_first(&home->batch, &co->ready);
        run_batch(home);
    } else { /* in a coroutine that belongs to no loop, and cannot be parked */
        coro_make_ready(co);
    }
    return 0;
}

struct start_mail {
    struct mail mail;
    void (*func)(void);
    void *arg;
};

static void complain_of_start(void (*func)(void), const char *why)
{
    mtevL(mtev_error, "eventer_aco_start: %s: %s; not started\n",
          eventer_name_for_callback((eventer_func_t)(uintptr_t)func), why);
}

static void start_there(struct mail *mail, struct loop *loop)
{
    struct start_mail *start = list_entry(mail, struct start_mail, mail);
    (void)loop;
    if (coro_start(start->func, start->arg, (const void *)(uintptr_t)start->func) != 0)
        complain_of_start(start->func, strerror(ENOMEM));
    alloc_free(start);
}

void eventer_aco_start(void (*func)(void), void *closure)
{
    if (func == NULL) {
        mtevL(mtev_error, "eventer_aco_start: no function\n");
        errno = EINVAL;
        return;
    }
    if (home_self() != NULL) {
        if (coro_start(func, closure, (const void *)(uintptr_t)func) != 0)
            complain_of_start(func, strerror(ENOMEM));
        return;
    }
    struct loop *loop = pool_first_loop();
    struct start_mail *start = loop == NULL ? NULL : alloc_bytes(sizeof(*start));
    if (start == NULL) {
        complain_of_start(func, loop == NULL ? "eventer_init() was not called" : strerror(ENOMEM));
        return;
    }
    *start = (struct start_mail){.mail.run = start_there, .func = func, .arg = closure};
    loop_post(loop, &start->mail);
}

void *eventer_aco_arg(void)
{
    struct coro *self = coro_self();
    return self == NULL ? NULL : self->co.arg;
}

/* ---- waiting for time ------------------------------------------------------------ */

static void on_timeout(struct wheel_node *node)
{
    struct coro *co = list_entry(node, struct coro, timer);
    coro_wake(co, co->generation, -ETIMEDOUT);
}

void coro_arm_timer(struct coro *self, uint64_t due_ns)
{
    self->timer.fire = on_timeout;
    wheel_add(&self->home->loop->wheel, &self->timer, due_ns);
}

void eventer_aco_sleep(struct timeval *duration)
{
    struct coro *self = coro_self();
    if (self == NULL || duration == NULL) {
        mtevL(mtev_error, "eventer_aco_sleep: %s\n",
              self == NULL ? "called outside a coroutine" : "no duration");
        errno = EINVAL;
        return;
    }
    coro_arm_timer(self, clock_mono_ns() + clock_duration_ns(duration));
    coro_park(self, CORO_WAITS_FOR_TIME);
}

/* ---- a loop's part --------------------------------------------------------------- */

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
    ring_init(&home->all);
    stacks_init(&home->stacks,
                props->aco_shared_stacks == 0 ? CORO_STACKS_DEFAULT : props->aco_shared_stacks,
                props->aco_stack_size);
    loop->coro = home;
    return 0;
}

/*
 * Coroutines that wait when the loops end are left as they are, and so are stacks, which may be
 * lent: the process is ending.  A loop without any ends because eventer_init() failed, and leaves
 * nothing.
 */
static void stop_home(struct loop *loop)
{
    struct coro_home *home = loop->coro;
    if (home->count > 0 || home->free != NULL)
        return;
    loop->coro = NULL;
    aco_destroy(home->main);
    alloc_free(home);
}

static __attribute__((constructor)) void install(void)
{
    loop_set_hooks(&(struct loop_hooks){.start = start_home, .drain = drain, .stop = stop_home});
}
