/* SPDX-License-Identifier: MIT */
/*
 * program_timers.c - timers and recurrent events that are set, moved and removed from any loop,
 * while somebody sets the wall clock.
 *
 * Holds: a timer fires once or is removed once, and never both; never before its time by its clock,
 * and after its tick only where something held its loop up.
 */
#include "world.h"

#define TIMERS_MAX  16
#define AGAIN_MAX   4
#define STEPS_MAX   4
#define REMOVES_MAX 3

struct timer {
    struct actor actor;
    eventer_t e; /* shares a reference */
    uint32_t loop, refs;
    uint64_t earliest_ns; /* by its clock */
    uint64_t moved_ns;    /* the earliest that others moved it to, which its loop hears of later */
    uint64_t last_ns;     /* the last time it was given, */
    uint64_t set_ns;      /* and when that was */
    bool is_contested;    /* two set it at once, and either may win */
    bool sets_itself;
    bool is_wall; /* it is the wall clock */
    bool has_ended;
    uint32_t again; /* so often it sets itself */
    uint32_t removes;
};

static uint64_t last_step_ns; /* when somebody set the wall clock */
static bool has_steps;

static void drop(struct timer *t)
{
    if (--t->refs > 0)
        return;
    eventer_free(t->e);
    alloc_free(t);
}

static void end(struct timer *t)
{
    sim_check(!t->has_ended);
    t->has_ended = true;
    actor_end(&t->actor);
    drop(t);
}

/* True if a turn may be going on that began before the wall clock was set. */
static bool was_just_set(void)
{
    uint64_t since_ns = sim_now_ns() - last_step_ns;
    return has_steps && (world_is_calm() ? since_ns == 0 : since_ns < CLOCK_NS_PER_S);
}

static void check_due(const struct timer *t)
{
    sim_trace("fires", (int64_t)t->earliest_ns, t->is_wall);
    if (!t->is_wall) {
        check_time(t->earliest_ns, false);
        return;
    }
    if (was_just_set())
        return;
    sim_check(sim_wall_ns() >= t->earliest_ns || sim_wall_ns() >= t->moved_ns);
    if (!world_is_calm() || has_steps || t->sets_itself || t->is_contested)
        return;
    sim_check(sim_wall_ns() <= MAX(t->last_ns, t->set_ns) + WORLD_TICK_NS);
    if (sim_wall_ns() > t->set_ns) /* its loop has heard of it */
        sim_check(sim_wall_ns() >= t->last_ns);
}

static struct timeval wall_in(uint64_t ns)
{
    return clock_timeval(sim_wall_ns() + ns);
}

static int on_time(eventer_t e, int mask, void *closure, struct timeval *now)
{
    struct timer *t = closure;
    sim_check(mask == EVENTER_TIMER && eventer_thread_check(e));
    sim_check(!t->has_ended);
    check_due(t);
    if (t->again > 0) {
        struct timeval whence = wall_in(sim_random(50000000));
        t->again--;
        t->is_wall = true;
        t->earliest_ns = clock_duration_ns(&whence);
        eventer_update_whence(e, whence);
        return EVENTER_TIMER;
    }
    end(t);
    return 0;
}

/* ---- what others do to it -------------------------------------------------------- */

static void remove_it(void *arg)
{
    struct timer *t = arg;
    eventer_t removed = eventer_remove(t->e);
    sim_trace("removed", removed != NULL, 0);
    if (removed != NULL) {
        sim_check(removed == t->e);
        eventer_free(removed); /* the reference that was the eventer's */
        end(t);
    }
    drop(t);
}

static void move_it(void *arg)
{
    struct timer *t = arg;
    struct timeval whence = wall_in(sim_random(sim_chance(2) ? 1000000 : 80000000));
    if (!t->has_ended && t->is_wall) {
        uint64_t moved_ns = clock_duration_ns(&whence);
        if (moved_ns < t->moved_ns)
            t->moved_ns = moved_ns;
        t->is_contested = t->is_contested || t->set_ns == sim_wall_ns();
        t->last_ns = moved_ns;
        t->set_ns = sim_wall_ns();
        eventer_update_whence(t->e, whence);
    }
    drop(t);
}

struct rival {
    struct actor actor;
    struct timer *timer;
    bool moves;
};

static int on_rival(eventer_t e, int mask, void *closure, struct timeval *now)
{
    struct rival *rival = closure;
    if (rival->moves)
        move_it(rival->timer);
    else
        remove_it(rival->timer);
    actor_end(&rival->actor);
    alloc_free(rival);
    return 0;
}

/* Have it moved or removed: now, later or when it is due; by any loop. */
static void disturb(struct timer *t, struct timeval duration)
{
    struct rival *rival = world_alloc(sizeof(*rival));
    actor_begin(&rival->actor);
    rival->timer = t;
    rival->moves = sim_chance(2);
    if (sim_chance(2))
        duration = world_duration(clock_duration_ns(&duration) + 1000);
    eventer_t e = eventer_in(on_rival, rival, duration);
    sim_check(e != NULL);
    eventer_set_owner(e, eventer_choose_owner((int)sim_random(8)));
    eventer_add(e);
}

static void set_wall_clock(void)
{
    struct actor *actor = eventer_aco_arg();
    for (uint32_t i = 1 + sim_random(STEPS_MAX); i > 0; i--) {
        checked_sleep(actor, world_duration(20 * CLOCK_NS_PER_MS));
        int64_t by_ns = (int64_t)sim_random(2000000000) - 1000000000;
        last_step_ns = sim_now_ns();
        sim_set_wall(sim_chance(4) ? by_ns * 3600 : by_ns);
    }
    actor_end(actor);
    alloc_free(actor);
}

/* ---- recurrent events ------------------------------------------------------------ */

struct recurrent {
    struct actor actor;
    uint32_t left;
};

static int on_turn(eventer_t e, int mask, void *closure, struct timeval *now)
{
    struct recurrent *r = closure;
    sim_check(eventer_thread_check(e) && r->left > 0);
    if (--r->left > 0)
        return EVENTER_RECURRENT;
    sim_check(eventer_remove(e) == e);
    eventer_free(e);
    actor_end(&r->actor);
    alloc_free(r);
    return 0;
}

static void add_recurrent(void *arg)
{
    struct recurrent *r = arg;
    eventer_t e = eventer_alloc_recurrent(on_turn, r);
    sim_check(e != NULL);
    eventer_add(e);
}

/* ---- beginning ------------------------------------------------------------------- */

static void arm(void *arg)
{
    struct timer *t = arg;
    struct timeval duration = world_duration(sim_chance(4) ? 3 * CLOCK_NS_PER_S : 30000000);
    if (t->is_wall) {
        struct timeval whence = wall_in(clock_duration_ns(&duration));
        t->earliest_ns = t->last_ns = clock_duration_ns(&whence);
        t->e = eventer_at(on_time, t, whence);
    } else {
        t->earliest_ns = sim_now_ns() + clock_duration_ns(&duration);
        t->e = eventer_in(on_time, t, duration);
    }
    sim_check(t->e != NULL);
    eventer_ref(t->e);
    eventer_set_owner(t->e, eventer_pool("default")->loops[t->loop]->thread);
    t->refs += t->removes;
    for (; t->removes > 0; t->removes--)
        disturb(t, duration);
    eventer_add(t->e);
}

static void start(void)
{
    has_steps = sim_chance(2);
    last_step_ns = 0;
    for (uint32_t i = 1 + sim_random(TIMERS_MAX); i > 0; i--) {
        struct timer *t = world_alloc(sizeof(*t));
        actor_begin(&t->actor);
        t->refs = 1;
        t->moved_ns = SIM_FOREVER;
        t->loop = world_loop();
        t->is_wall = sim_chance(2);
        t->again = sim_chance(3) ? sim_random(AGAIN_MAX) : 0;
        t->sets_itself = t->again > 0;
        t->removes = sim_chance(2) ? sim_random(REMOVES_MAX) : 0;
        world_post(world_loop(), arm, t);
    }
    if (sim_chance(3)) {
        struct recurrent *r = world_alloc(sizeof(*r));
        actor_begin(&r->actor);
        r->left = 1 + sim_random(8);
        world_post(world_loop(), add_recurrent, r);
    }
    if (has_steps) {
        struct actor *actor = world_alloc(sizeof(*actor));
        actor_begin(actor);
        world_start(world_loop(), set_wall_clock, actor);
    }
}

const struct program program_timers = {"timers", start};
