/* SPDX-License-Identifier: MIT */
#include "eventer/account.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "eventer/loop.h"
#include "eventer/pool.h"
#include "eventer/props.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#define SAY_GAP_NS CLOCK_NS_PER_S /* between two lines about a function */

_Atomic bool account_is_on;

static struct account_witness witness;
static uint64_t slow_ns = UINT64_MAX, slow_job_ns = UINT64_MAX;

static struct account jobs;
static pthread_mutex_t jobs_lock = PTHREAD_MUTEX_INITIALIZER; /* who writes to it has it */

/* ---- settings -------------------------------------------------------------------- */

void account_set_witness(const struct account_witness *added)
{
    witness = *added;
}

uint64_t account_slow_ns(void)
{
    return slow_ns;
}

static bool is_anything_slow(void)
{
    return slow_ns != UINT64_MAX || slow_job_ns != UINT64_MAX;
}

static uint64_t threshold_ns(int64_t ms)
{
    return ms < 0 ? UINT64_MAX : (uint64_t)ms * CLOCK_NS_PER_MS;
}

void account_init(void)
{
    slow_ns = threshold_ns(props_get()->slow_callback_ms);
    slow_job_ns = threshold_ns(props_get()->slow_job_ms);
    if (is_anything_slow())
        atomic_store(&account_is_on, true);
}

void eventer_callback_stats_enable(mtev_boolean enable)
{
    atomic_store(&account_is_on, enable == mtev_true || is_anything_slow());
}

/* ---- an account ------------------------------------------------------------------ */

/* Write a number that others read. */
static void set(uint64_t *number, uint64_t value)
{
    __atomic_store_n(number, value, __ATOMIC_RELAXED); /* it orders nothing */
}

static uint64_t get(const uint64_t *number)
{
    return __atomic_load_n(number, __ATOMIC_RELAXED);
}

static unsigned bucket_of(uint64_t ns)
{
    unsigned bucket = ns == 0 ? 0 : 64 - (unsigned)__builtin_clzll(ns);
    return bucket < EVENTER_CALLBACK_BUCKETS ? bucket : EVENTER_CALLBACK_BUCKETS - 1;
}

/* The entry of a function, made if need be; NULL: no memory for it. */
static struct account_entry *entry_of(struct account *account, const void *function,
                                      eventer_callback_kind_t kind)
{
    static_assert(ACCOUNT_BUCKETS == 64, "six bits of the product choose a bucket");
    size_t bucket = ((uintptr_t)function >> 4) * UINT64_C(0x9E3779B97F4A7C15) >>
                    58; /* Knuth, multiplicative hashing */
    struct account_entry *first =
        atomic_load_explicit(&account->buckets[bucket], memory_order_relaxed);
    struct account_entry *entry = first;
    while (entry != NULL && (entry->function != function || entry->kind != kind))
        entry = entry->next;
    if (entry != NULL)
        return entry;
    entry = alloc_zeroed(1, sizeof(*entry));
    if (entry == NULL)
        return NULL;
    entry->function = function;
    entry->kind = kind;
    entry->next = first;
    /* release: whoever reads the list from there (account_each()) finds the entry filled */
    atomic_store_explicit(&account->buckets[bucket], entry, memory_order_release);
    return entry;
}

static void add(struct account_entry *entry, uint64_t ns)
{
    uint64_t *in_bucket = &entry->run_ns[bucket_of(ns)];
    set(&entry->count, entry->count + 1);
    set(&entry->total_ns, entry->total_ns + ns);
    set(&entry->max_ns, MAX(entry->max_ns, ns));
    set(in_bucket, *in_bucket + 1);
}

void account_fini(struct account *account)
{
    for (size_t i = 0; i < ACCOUNT_BUCKETS; i++) {
        struct account_entry *entry = atomic_load(&account->buckets[i]), *next;
        for (; entry != NULL; entry = next) {
            next = entry->next;
            alloc_free(entry);
        }
        atomic_store(&account->buckets[i], NULL);
    }
}

/* ---- saying it ------------------------------------------------------------------- */

/*
 * True if a line may be said about entry now; *out: of how many spans before none was said.  NULL,
 * for want of memory: always.
 */
static bool may_say(struct account_entry *entry, uint64_t now_ns, uint64_t *out)
{
    *out = 0;
    if (entry == NULL)
        return true;
    if (entry->said_ns != 0 && now_ns - entry->said_ns < SAY_GAP_NS) {
        entry->left_unsaid++;
        return false;
    }
    *out = entry->left_unsaid;
    entry->left_unsaid = 0;
    entry->said_ns = now_ns;
    return true;
}

static void say_unsaid(char *text, size_t size, uint64_t count)
{
    *text = '\0';
    if (count > 0)
        snprintf(text, size, "; %" PRIu64 " more since the last line", count);
}

static void say_slow(const struct account_span *span, int fd, uint64_t ns, uint64_t unsaid)
{
    char more[64];
    say_unsaid(more, sizeof(more), unsaid);
    mtevL(eventer_err, "slow %s %s held %s for %" PRIu64 ".%03" PRIu64 " ms (fd %d)%s\n",
          span->kind == EVENTER_CALLBACK_COROUTINE ? "coroutine" : "callback",
          eventer_name_for_callback((eventer_func_t)(uintptr_t)span->function), span->loop->name,
          ns / CLOCK_NS_PER_MS, ns % CLOCK_NS_PER_MS / CLOCK_NS_PER_US, fd, more);
    if (witness.say_stack != NULL)
        witness.say_stack(span->loop, span->begun_ns, eventer_err);
}

/* ---- spans ----------------------------------------------------------------------- */

/* The function first, so that who sees since when sees it, too. */
static void beat(struct heart *heart, uint64_t since_ns, const void *function)
{
    atomic_store_explicit(&heart->function, function, memory_order_relaxed);
    atomic_store(&heart->busy_since_ns, since_ns); /* pairs with the witness's look, see begun() */
}

void account_begin(struct account_span *span, struct loop *loop, const void *function,
                   eventer_callback_kind_t kind)
{
    struct heart *heart = &loop->heart;
    const aco_t *co = aco_gtls_co;
    span->loop = NULL;
    if (co != NULL && !aco_is_main_co(co)) /* it may wait in there, and go on in another turn */
        return;
    *span = (struct account_span){
        .loop = loop,
        .function = function,
        .begun_ns = clock_mono_ns(),
        .kind = kind,
        .outer_ns = atomic_load_explicit(&heart->busy_since_ns, memory_order_relaxed),
        .outer_function = atomic_load_explicit(&heart->function, memory_order_relaxed)};
    beat(heart, span->begun_ns, function);
    if (slow_ns != UINT64_MAX && witness.begun != NULL)
        witness.begun();
}

void account_end(const struct account_span *span, int fd)
{
    if (span->loop == NULL)
        return;
    struct loop *loop = span->loop;
    uint64_t unsaid, now_ns = clock_mono_ns(), ns = now_ns - span->begun_ns;
    struct account_entry *entry = entry_of(&loop->account, span->function, span->kind);
    if (entry != NULL)
        add(entry, ns);
    if (ns >= slow_ns && may_say(entry, now_ns, &unsaid))
        say_slow(span, fd, ns, unsaid);
    beat(&loop->heart, span->outer_ns, span->outer_function);
}

void account_job(const void *function, const char *queue, uint64_t ns)
{
    uint64_t unsaid;
    char more[64];
    pthread_mutex_lock(&jobs_lock);
    struct account_entry *entry = entry_of(&jobs, function, EVENTER_CALLBACK_JOB);
    if (entry != NULL)
        add(entry, ns);
    bool says = ns >= slow_job_ns && may_say(entry, clock_mono_ns(), &unsaid);
    pthread_mutex_unlock(&jobs_lock);
    if (!says)
        return;
    say_unsaid(more, sizeof(more), unsaid);
    mtevL(eventer_err, "slow job %s held a thread of queue %s for %" PRIu64 ".%03" PRIu64 " ms%s\n",
          eventer_name_for_callback((eventer_func_t)(uintptr_t)function), queue,
          ns / CLOCK_NS_PER_MS, ns % CLOCK_NS_PER_MS / CLOCK_NS_PER_US, more);
}

/* ---- reading --------------------------------------------------------------------- */

struct sum { /* what all loops say of a function */
    const void *function;
    eventer_callback_stats_t stats;
};

struct sums {
    struct sum *items; /* owned: count of them, room for capacity */
    size_t count, capacity;
    int err;
};

/* The item for a function, made if need be; NULL: no memory. */
static struct sum *sum_of(struct sums *sums, const struct account_entry *entry)
{
    for (size_t i = 0; i < sums->count; i++)
        if (sums->items[i].function == entry->function && sums->items[i].stats.kind == entry->kind)
            return &sums->items[i];
    if (sums->count == sums->capacity) {
        size_t capacity = sums->capacity == 0 ? 64 : sums->capacity * 2;
        struct sum *items = alloc_resize(sums->items, capacity * sizeof(*items));
        if (items == NULL)
            return NULL;
        sums->items = items;
        sums->capacity = capacity;
    }
    struct sum *sum = &sums->items[sums->count++];
    *sum = (struct sum){.function = entry->function, .stats.kind = entry->kind};
    return sum;
}

static void add_account(struct sums *sums, struct account *account)
{
    for (size_t i = 0; i < ACCOUNT_BUCKETS && sums->err == 0; i++) {
        /* acquire: pairs with entry_of() */
        const struct account_entry *entry =
            atomic_load_explicit(&account->buckets[i], memory_order_acquire);
        for (; entry != NULL && sums->err == 0; entry = entry->next) {
            struct sum *sum = sum_of(sums, entry);
            if (sum == NULL) {
                sums->err = -ENOMEM;
                return;
            }
            eventer_callback_stats_t *stats = &sum->stats;
            stats->count += get(&entry->count);
            stats->total_ns += get(&entry->total_ns);
            stats->max_ns = MAX(stats->max_ns, get(&entry->max_ns));
            for (size_t b = 0; b < EVENTER_CALLBACK_BUCKETS; b++)
                stats->run_ns[b] += get(&entry->run_ns[b]);
        }
    }
}

static void add_loop(struct loop *loop, void *closure)
{
    add_account(closure, &loop->account);
}

int eventer_callback_stats_foreach(int (*cb)(const eventer_callback_stats_t *stats, void *closure),
                                   void *closure)
{
    struct sums sums = {0};
    int result = 0;
    if (cb == NULL) {
        errno = EINVAL;
        return -1;
    }
    pool_each_loop(add_loop, &sums);
    add_account(&sums, &jobs);
    for (size_t i = 0; sums.err == 0 && result == 0 && i < sums.count; i++) {
        char name[64];
        snprintf(name, sizeof(name), "%s",
                 eventer_name_for_callback((eventer_func_t)(uintptr_t)sums.items[i].function));
        sums.items[i].stats.name = name;
        result = cb(&sums.items[i].stats, closure);
    }
    alloc_free(sums.items);
    if (sums.err == 0)
        return result;
    errno = -sums.err;
    return -1;
}
