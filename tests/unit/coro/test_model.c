/* SPDX-License-Identifier: MIT */
/*
 * Goal: coroutines of a loop do what they were told, whatever else happens to them and in whatever
 * order: each wait ends for a reason that there was, and no local changes meanwhile.
 * Method: a crowd of actors, each of which does one random thing after another at a random depth of
 * frames whose locals are checked after it; and a director, which starts them, sends them bytes,
 * closes what they read from, and compares the library's counts with its own.  What an actor may
 * see is kept beside it, as plain numbers.  RANDOM_SEED in the environment repeats the choices; run
 * with the default number of stacks, and with one and with two (ACO_STACKS).
 */
#include "canary.h"
#include "clean.h"
#include "in_coroutine.h"
#include "random.h"
#include "tools.h"

#define OPERATION_COUNT (1000000 / TOOLS_SLOWNESS)
#define ACTOR_COUNT     300
#define STEPS_MAX       60
#define DEPTH_MAX       8
#define SITE_COUNT      400 /* of starts that may lend: who lends once is no longer shared */
#define SITE_STARTS     40  /* starts at one of them before the next one's turn */
#define DIRECTIONS      40  /* in a turn */

enum wish {
    MAY_DO_ANYTHING = 0,
    MUST_END,
};

struct actor {
    uint32_t seed;
    bool lives;
    bool lends;
    bool reads; /* it waits to read; e and peer are its socket pair */
    bool was_cancelled;
    unsigned steps_left;
    eventer_aco_t e; /* NULL: has none */
    int peer;        /* -1: closed */
    uint64_t sent, received;
    _Atomic unsigned jobs_done;
    unsigned jobs_sent;
};

/* What the model counts; the loop's alone. */
static struct actor actors[ACTOR_COUNT];
static uint64_t operations, broken;
static uint64_t living, started, loans;
static uint64_t orphans_sent;
static _Atomic uint64_t orphans_done;
static enum wish wish;
static char site_names[SITE_COUNT][16];
static eventer_aco_stats_t before;

static unsigned char byte_at(const struct actor *self, uint64_t offset)
{
    return (unsigned char)(offset * 7 + (uint64_t)(self - actors));
}

/* ---- what an actor does, at the bottom of its frames ----------------------------- */

static void nap(struct actor *self)
{
    suseconds_t us = (suseconds_t)random_below(&self->seed, 2000);
    uint64_t begun_ns = clock_mono_ns();
    eventer_aco_sleep(&(struct timeval){0, random_below(&self->seed, 3) == 0 ? 0 : us});
    broken += clock_mono_ns() < begun_ns;
}

static void nap_exactly(struct actor *self)
{
    uint64_t us = random_below(&self->seed, 3000);
    uint64_t begun_ns = clock_mono_ns();
    eventer_aco_sleep(&(struct timeval){0, (suseconds_t)us});
    check(clock_mono_ns() - begun_ns >= us * 1000);
}

static void close_pair(struct actor *self)
{
    if (self->e == NULL)
        return;
    if (!self->was_cancelled)
        check_int(eventer_aco_close(self->e), 0);
    eventer_aco_free(self->e);
    if (self->peer >= 0)
        close(self->peer);
    self->e = NULL;
}

static int never_called(eventer_t e, int mask, void *closure, struct timeval *now)
{
    check(false);
    return 0;
}

static void open_pair(struct actor *self)
{
    int fds[2] = {-1, -1};
    check_int(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    self->e = eventer_set_eventer_aco(eventer_alloc_fd(never_called, NULL, fds[0], EVENTER_READ));
    check(self->e != NULL);
    self->peer = fds[1];
    self->sent = self->received = 0;
    self->was_cancelled = false;
}

/* Read what the director sends, or what ends the wait otherwise: only what it did can be seen. */
static void read_some(struct actor *self)
{
    unsigned char bytes[48];
    bool is_timed = random_below(&self->seed, 2) == 0;
    struct timeval timeout = {0, (suseconds_t)random_below(&self->seed, 1500)};
    size_t len = 1 + random_below(&self->seed, sizeof(bytes));
    if (self->e == NULL)
        open_pair(self);
    uint64_t begun_ns = clock_mono_ns();
    self->reads = true;
    int count = eventer_aco_read(self->e, bytes, len, is_timed ? &timeout : NULL);
    int err = errno;
    self->reads = false;
    if (count > 0) {
        check((size_t)count <= len && self->received + (uint64_t)count <= self->sent);
        for (int i = 0; i < count; i++)
            check_int(bytes[i], byte_at(self, self->received + (uint64_t)i));
        self->received += (uint64_t)count;
        return;
    }
    if (count == 0)
        check(self->peer < 0 && self->received == self->sent);
    else if (err == ETIME)
        check(is_timed && clock_mono_ns() - begun_ns >= (uint64_t)timeout.tv_usec * 1000);
    else
        check(err == ECANCELED && self->was_cancelled);
    if (count == 0 || err != ETIME)
        close_pair(self);
}

static void write_some(struct actor *self)
{
    unsigned char bytes[32], back[32];
    size_t len = 1 + random_below(&self->seed, sizeof(bytes));
    if (self->e == NULL || self->peer < 0)
        return;
    memset(bytes, (int)len, len);
    check_int(eventer_aco_write(self->e, bytes, len, NULL), len);
    check_int(read(self->peer, back, sizeof(back)), len);
    check(memcmp(bytes, back, len) == 0);
}

static void fill(void *closure)
{
    int *lent = closure;
    int first = lent[0];
    for (int i = 1; i < 8; i++) {
        sched_yield();
        lent[i] = first + i;
    }
}

static void lend(struct actor *self)
{
    int lent[8] = {(int)random_below(&self->seed, 1000)};
    loans++;
    eventer_aco_simple_asynch(fill, lent);
    for (int i = 1; i < 8; i++)
        check_int(lent[i], lent[0] + i);
}

static void count_job(void *closure)
{
    struct actor *self = closure;
    atomic_fetch_add(&self->jobs_done, 1);
}

static void go_through_a_gate(struct actor *self)
{
    int lent[2][8] = {{5}, {50}};
    eventer_aco_gate_t gate = eventer_aco_gate();
    unsigned count = random_below(&self->seed, 4);
    check(gate != NULL);
    for (unsigned i = 0; i < count; i++) {
        eventer_aco_simple_asynch_gated(gate, count_job, self);
        self->jobs_sent++;
    }
    for (unsigned i = 0; i < 2 && self->lends; i++) {
        loans++;
        eventer_aco_simple_asynch_gated(gate, fill, lent[i]);
    }
    if (random_below(&self->seed, 2) == 0)
        nap(self);
    eventer_aco_gate_wait(gate);
    check_int(self->jobs_done, self->jobs_sent);
    for (int i = 1; i < 8 && self->lends; i++)
        check(lent[0][i] == 5 + i && lent[1][i] == 50 + i);
}

static void count_steps(eventer_asynch_op_t op, void *closure)
{
    if (op != EVENTER_ASYNCH_CLEANUP)
        count_job(closure);
}

static int on_event(eventer_t e, int mask, void *closure, struct timeval *now)
{
    count_steps((eventer_asynch_op_t)mask, closure);
    return 0;
}

static void work_elsewhere(struct actor *self)
{
    self->jobs_sent += 2;
    if (random_below(&self->seed, 2) == 0)
        eventer_aco_asynch(count_steps, self);
    else
        eventer_aco_run_asynch(eventer_alloc_asynch(on_event, self));
    check_int(self->jobs_done, self->jobs_sent);
}

static void count_orphan(void *closure)
{
    atomic_fetch_add((_Atomic uint64_t *)closure, 1);
}

/* A gate that nobody waits at; its owner may end before or after its job. */
static void forget_a_gate(void)
{
    eventer_aco_gate_t gate = eventer_aco_gate();
    check(gate != NULL);
    eventer_aco_simple_asynch_gated(gate, count_orphan, &orphans_done);
    orphans_sent++;
}

static void act(void);

/* Start another; it may be told who it is by a local, which is good until it waits. */
static void start(uint32_t *seed, bool from_actor)
{
    struct actor *actor = &actors[random_below(seed, ACTOR_COUNT)];
    struct actor *volatile told = actor;
    if (actor->lives || wish == MUST_END)
        return;
    *actor = (struct actor){.seed = random_next(seed) | 1,
                            .lives = true,
                            .lends = random_below(seed, 8) == 0,
                            .steps_left = random_below(seed, STEPS_MAX),
                            .peer = -1};
    living++;
    started++;
    loans += from_actor;
    void *closure = (void *)(uintptr_t)&told;
    uint32_t choice = random_below(seed, 8);
    int result;
    if (choice == 0)
        result = eventer_aco_start_private(act, closure, (size_t)65536 << random_below(seed, 3));
    else if (actor->lends)
        result =
            eventer_aco_try_start_at(act, closure, site_names[started / SITE_STARTS % SITE_COUNT]);
    else
        result = eventer_aco_try_start(act, closure);
    check_int(result, 0);
}

static void leave(struct actor *self)
{
    close_pair(self);
    self->lives = false;
    living--;
    if (random_below(&self->seed, 2) == 0)
        aco_exit();
    self->steps_left = 0; /* by returning */
}

static void do_something(void *closure)
{
    struct actor *self = closure;
    uint32_t choice = random_below(&self->seed, 100);
    operations++;
    if (self->steps_left == 0 || wish == MUST_END)
        leave(self);
    else if (choice < 30)
        read_some(self);
    else if (choice < 40)
        write_some(self);
    else if (choice < 43)
        go_through_a_gate(self);
    else if (choice < 45)
        work_elsewhere(self);
    else if (choice < 46)
        forget_a_gate();
    else if (choice < 50 && self->lends)
        lend(self);
    else if (choice < 60)
        start(&self->seed, true);
    else if (choice < 75)
        nap_exactly(self);
    else
        nap(self);
    self->steps_left -= self->steps_left > 0;
}

static void act(void)
{
    struct actor *self = *(struct actor *volatile *)eventer_aco_arg();
    while (self->lives) {
        uint32_t seed = random_next(&self->seed);
        broken += canary_call(seed % (DEPTH_MAX + 1), seed, do_something, self);
    }
}

/* ---- what the director does ------------------------------------------------------ */

static void send_bytes(struct actor *actor, uint32_t *seed)
{
    unsigned char bytes[64];
    size_t len = 1 + random_below(seed, sizeof(bytes));
    if (actor->peer < 0)
        return;
    for (size_t i = 0; i < len; i++)
        bytes[i] = byte_at(actor, actor->sent + i);
    check_int(write(actor->peer, bytes, len), len);
    actor->sent += len;
}

static void cancel(struct actor *actor)
{
    actor->was_cancelled = true;
    check_int(eventer_aco_close(actor->e), 0);
}

static void direct(struct actor *actor, uint32_t *seed)
{
    char byte;
    uint32_t choice = random_below(seed, 20);
    operations++;
    if (!actor->lives) {
        start(seed, true);
    } else if (actor->reads && !actor->was_cancelled) {
        if (choice < 14) {
            send_bytes(actor, seed);
        } else if (choice < 16) {
            check_int(eventer_aco_read(actor->e, &byte, 1, NULL), -1);
            check_int(errno, EBUSY);
        } else if (choice < 18 && actor->peer >= 0) {
            close(actor->peer);
            actor->peer = -1;
        } else {
            cancel(actor);
        }
    }
}

static void compare_counts(void)
{
    eventer_aco_stats_t now;
    eventer_aco_get_stats(&now);
    check_int(now.coroutines - before.coroutines, living + 1); /* and the director */
    check_int(now.started - before.started, started + 1);
    check_int(now.loans - before.loans, loans);
    check(now.blocked >= before.blocked && now.blocked_ns >= now.blocked_ns_max);
    check_int(broken, 0);
}

/* Those that wait to read without a time-out would stay for ever. */
static void wake_all_readers(void)
{
    for (size_t i = 0; i < ACTOR_COUNT; i++)
        if (actors[i].lives && actors[i].reads && !actors[i].was_cancelled)
            cancel(&actors[i]);
}

static void run(void *closure)
{
    uint32_t seed = *(const uint32_t *)closure;
    while (operations < OPERATION_COUNT && broken == 0 && check_text[0] == '\0') {
        for (int i = 0; i < DIRECTIONS; i++)
            direct(&actors[random_below(&seed, ACTOR_COUNT)], &seed);
        eventer_aco_sleep(&(struct timeval){0, 0});
        compare_counts();
    }
    wish = MUST_END;
    while (living > 0 || atomic_load(&orphans_done) < orphans_sent) {
        wake_all_readers();
        sleep_ms(1);
    }
}

/* Loans that took long are said, and here nothing else is. */
static void assert_only_long_loans_were_logged(void)
{
    unsigned lines = logged("\n");
    assert_int_equal(logged("lent its locals for"), lines);
    logged_clear();
}

static void any_operations_match_the_model(void **state)
{
    uint32_t seed = random_seed();
    eventer_aco_get_stats(&before);
    for (unsigned i = 0; i < SITE_COUNT; i++)
        snprintf(site_names[i], sizeof(site_names[i]), "site:%u", i);
    in_coroutine(0, run, &seed);
    wait_for_all_to_end(0);
    eventer_aco_stats_t after;
    eventer_aco_get_stats(&after);
    assert_int_equal(after.coroutines, before.coroutines);
    assert_only_long_loans_were_logged();
    print_message("%ju operations, %ju coroutines, %ju loans, %ju blocked, %ju + %ju stacks\n",
                  (uintmax_t)operations, (uintmax_t)started, (uintmax_t)loans,
                  (uintmax_t)after.blocked, (uintmax_t)after.shared_stacks,
                  (uintmax_t)after.private_stacks);
}

static const struct CMUnitTest tests[] = {
    clean_test(any_operations_match_the_model),
};

int main(void)
{
    logged_begin();
    start_loops(1);
    harness_keep_fds();
    return harness_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]));
}
