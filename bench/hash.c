/* SPDX-License-Identifier: MIT */
/*
 * hash.c - nanoseconds to store, find and delete a key in a table, beside peers.
 * hash.c shared - the same to find one, by two threads beside a third that writes.
 *
 * KEY_COUNT keys of some 16 bytes, in an order that was shuffled once.  Nothing is copied: every
 * table keeps pointers to the same keys, and allocates and frees its own entries.
 */
#include "contest.h"

#include <mtev_hash.h>
#include <mtev_memory.h>

#include <ck_hs.h>
#include <pthread.h>
#include <stdatomic.h>
#ifdef BENCH_GLIB
#include <glib.h>
#endif

#define KEY_COUNT      10000
#define READER_COUNT   2
#define SHARED_SECONDS 0.1
#define WRITES_A_PAUSE 100
#define PAUSE_NS       1000000

enum {
    VARIANT_STORE,
    VARIANT_RETRIEVE,
    VARIANT_MISS,
    VARIANT_DELETE,
    VARIANT_COUNT
};

struct key {
    char text[20];
    int len;
};

static struct key keys[KEY_COUNT], missing[KEY_COUNT];
volatile uintptr_t found_sum;

static void make_keys(void)
{
    uint64_t random = 88172645463325252;
    for (int i = 0; i < KEY_COUNT; i++) {
        keys[i].len = snprintf(keys[i].text, sizeof(keys[i].text), "session-%07d", i * 7);
        missing[i].len = snprintf(missing[i].text, sizeof(keys[i].text), "session-%07d", i * 7 + 1);
    }
    for (size_t i = KEY_COUNT - 1; i > 0; i--) {
        size_t other = next_random(&random) % (i + 1);
        struct key kept = keys[i];
        keys[i] = keys[other];
        keys[other] = kept;
    }
}

/*
 * Fill, read and empty a table, by four statements for the key k, and give the nanoseconds per key
 * of the fastest of many slices of that variant.
 */
#define MEASURE(variant, store, retrieve, miss, delete)                                            \
    ({                                                                                             \
        uint64_t fastest_ns = UINT64_MAX;                                                          \
        for (int slice = 0; slice < CONTEST_SLICES; slice++) {                                     \
            uint64_t ns[VARIANT_COUNT + 1];                                                        \
            ns[0] = cpu_ns();                                                                      \
            for (struct key *k = keys; k < keys + KEY_COUNT; k++)                                  \
                store;                                                                             \
            ns[1] = cpu_ns();                                                                      \
            for (struct key *k = keys; k < keys + KEY_COUNT; k++)                                  \
                found_sum += (uintptr_t)(retrieve);                                                \
            ns[2] = cpu_ns();                                                                      \
            for (struct key *k = missing; k < missing + KEY_COUNT; k++)                            \
                found_sum += (uintptr_t)(miss);                                                    \
            ns[3] = cpu_ns();                                                                      \
            for (struct key *k = keys; k < keys + KEY_COUNT; k++)                                  \
                delete;                                                                            \
            ns[4] = cpu_ns();                                                                      \
            if (ns[(variant) + 1] - ns[variant] < fastest_ns)                                      \
                fastest_ns = ns[(variant) + 1] - ns[variant];                                      \
        }                                                                                          \
        (double)fastest_ns / KEY_COUNT;                                                            \
    })

/* ---- the library ----------------------------------------------------------------- */

static double run_eventer(int variant)
{
    mtev_hash_table table = MTEV_HASH_EMPTY;
    double ns =
        MEASURE(variant, mtev_hash_store(&table, k->text, k->len, k),
                mtev_hash_get(&table, k->text, k->len), mtev_hash_get(&table, k->text, k->len),
                mtev_hash_delete(&table, k->text, k->len, NULL, NULL));
    require(mtev_hash_size(&table) == 0, "a table is not empty");
    mtev_hash_destroy(&table, NULL, NULL);
    return ns;
}

/* ---- libck's hash set, as it comes ----------------------------------------------- */

struct entry {
    const struct key *key;
};

/* Source: Fowler, Noll and Vo, FNV-1a. */
static unsigned long fnv(const struct key *key)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (int i = 0; i < key->len; i++)
        hash = (hash ^ (unsigned char)key->text[i]) * UINT64_C(0x100000001b3);
    return hash;
}

static unsigned long hash_entry(const void *entry, unsigned long seed)
{
    (void)seed;
    return fnv(((const struct entry *)entry)->key);
}

static bool is_same_entry(const void *left, const void *right)
{
    const struct key *a = ((const struct entry *)left)->key;
    const struct key *b = ((const struct entry *)right)->key;
    return a->len == b->len && memcmp(a->text, b->text, (size_t)a->len) == 0;
}

static void free_array(void *array, size_t size, bool is_shared)
{
    (void)size, (void)is_shared;
    free(array);
}

static struct ck_malloc allocator = {.malloc = malloc, .free = free_array};

static void ck_store(ck_hs_t *set, const struct key *key)
{
    struct entry *entry = malloc(sizeof(*entry));
    require(entry != NULL, "malloc");
    entry->key = key;
    require(ck_hs_put(set, fnv(key), entry), "ck_hs_put");
}

static double run_ck(int variant)
{
    ck_hs_t set;
    require(ck_hs_init(&set, CK_HS_MODE_SPMC | CK_HS_MODE_OBJECT, hash_entry, is_same_entry,
                       &allocator, MTEV_HASH_DEFAULT_SIZE, 0),
            "ck_hs_init");
    double ns = MEASURE(variant, ck_store(&set, k), ck_hs_get(&set, fnv(k), &(struct entry){k}),
                        ck_hs_get(&set, fnv(k), &(struct entry){k}),
                        free(ck_hs_remove(&set, fnv(k), &(struct entry){k})));
    ck_hs_destroy(&set);
    return ns;
}

/* ---- GLib ------------------------------------------------------------------------ */

#ifdef BENCH_GLIB
static double run_glib(int variant)
{
    GHashTable *table = g_hash_table_new(g_str_hash, g_str_equal);
    double ns = MEASURE(variant, g_hash_table_insert(table, k->text, k),
                        g_hash_table_lookup(table, k->text), g_hash_table_lookup(table, k->text),
                        g_hash_table_remove(table, k->text));
    g_hash_table_destroy(table);
    return ns;
}
#else
#define run_glib contest_skip
#endif

/* ---- readers beside a writer ----------------------------------------------------- */

static _Atomic bool is_over;
static _Atomic uint64_t write_count;

struct table { /* what readers and the writer do to one */
    void *(*get)(const struct key *key);
    void (*replace)(struct key *key);
};

struct reader {
    pthread_t thread;
    const struct table *table;
    uint64_t cpu_ns, count;
};

static void *read_all(void *closure)
{
    struct reader *reader = closure;
    uint64_t start_ns = cpu_ns();
    uintptr_t sum = 0;
    while (!atomic_load_explicit(&is_over, memory_order_relaxed)) {
        for (int i = 0; i < 1000; i++)
            sum += (uintptr_t)reader->table->get(&keys[(reader->count + (unsigned)i) % KEY_COUNT]);
        reader->count += 1000;
    }
    reader->cpu_ns = cpu_ns() - start_ns;
    return (void *)sum;
}

static void *write_all(void *closure)
{
    const struct table *table = closure;
    const struct timespec pause = {.tv_nsec = PAUSE_NS};
    for (size_t i = 0; !atomic_load_explicit(&is_over, memory_order_relaxed); i++) {
        table->replace(&keys[i % KEY_COUNT]);
        atomic_fetch_add_explicit(&write_count, 1, memory_order_relaxed);
        if (i % WRITES_A_PAUSE == 0)
            nanosleep(&pause, NULL);
    }
    return NULL;
}

/* Returns nanoseconds per retrieval: of the processor, or on the clock for both readers. */
static double run_shared(const struct table *table, int variant)
{
    struct reader readers[READER_COUNT];
    pthread_t writer;
    const struct timespec length = {.tv_nsec = (long)(SHARED_SECONDS * NS_PER_SEC)};
    uint64_t total_cpu_ns = 0, total = 0;
    atomic_store(&is_over, false);
    uint64_t start_ns = clock_ns(CLOCK_MONOTONIC);
    for (int i = 0; i < READER_COUNT; i++) {
        readers[i] = (struct reader){.table = table};
        pthread_create(&readers[i].thread, NULL, read_all, &readers[i]);
    }
    pthread_create(&writer, NULL, write_all, (void *)(uintptr_t)table);
    nanosleep(&length, NULL);
    atomic_store(&is_over, true);
    uint64_t elapsed_ns = clock_ns(CLOCK_MONOTONIC) - start_ns;
    pthread_join(writer, NULL);
    for (int i = 0; i < READER_COUNT; i++) {
        pthread_join(readers[i].thread, NULL);
        total_cpu_ns += readers[i].cpu_ns;
        total += readers[i].count;
    }
    return (double)(variant == 0 ? total_cpu_ns : elapsed_ns) / (double)total;
}

static double writes_per_s(double (*run)(int variant))
{
    double rates[CONTEST_RUNS];
    for (size_t i = 0; i < CONTEST_RUNS; i++) {
        uint64_t start_ns = clock_ns(CLOCK_MONOTONIC), count = atomic_load(&write_count);
        run(0);
        rates[i] = (double)(atomic_load(&write_count) - count) * NS_PER_SEC /
                   (double)(clock_ns(CLOCK_MONOTONIC) - start_ns);
    }
    return median(rates, CONTEST_RUNS);
}

static mtev_hash_table shared = MTEV_HASH_EMPTY;

static void *eventer_get(const struct key *key)
{
    mtev_memory_begin();
    const void *found = mtev_hash_get(&shared, key->text, key->len);
    uintptr_t number = (uintptr_t)found; /* as if it were read */
    mtev_memory_end();
    return (void *)number;
}

static void eventer_replace(struct key *key)
{
    mtev_hash_replace(&shared, key->text, key->len, key, NULL, NULL);
}

static double run_eventer_shared(int variant)
{
    static const struct table table = {eventer_get, eventer_replace};
    for (int i = 0; i < KEY_COUNT; i++)
        eventer_replace(&keys[i]);
    double ns = run_shared(&table, variant);
    mtev_hash_destroy(&shared, NULL, NULL);
    return ns;
}

#ifdef BENCH_GLIB
static GHashTable *shared_glib;
/* With the default kind readers would keep the writer out. */
static pthread_rwlock_t shared_lock = PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP;

static void *glib_get(const struct key *key)
{
    pthread_rwlock_rdlock(&shared_lock);
    void *found = g_hash_table_lookup(shared_glib, key->text);
    pthread_rwlock_unlock(&shared_lock);
    return found;
}

static void glib_replace(struct key *key)
{
    pthread_rwlock_wrlock(&shared_lock);
    g_hash_table_replace(shared_glib, key->text, key);
    pthread_rwlock_unlock(&shared_lock);
}

static double run_glib_shared(int variant)
{
    static const struct table table = {glib_get, glib_replace};
    shared_glib = g_hash_table_new(g_str_hash, g_str_equal);
    for (int i = 0; i < KEY_COUNT; i++)
        glib_replace(&keys[i]);
    double ns = run_shared(&table, variant);
    g_hash_table_destroy(shared_glib);
    return ns;
}
#else
#define run_glib_shared contest_skip
#endif

int main(int argc, char **argv)
{
    static const char *const operations[] = {"store", "retrieve", "miss", "delete"};
    static const char *const clocks[] = {"cpu", "clock"};
    static const struct contest alone = {
        "hash",
        "ns_per_operation",
        "operation",
        operations,
        {{"eventer", NULL, run_eventer},
         {"eventer-again", "again", run_eventer},
         {"ck_hs", "ck", run_ck},
         {"glib", "glib", run_glib}},
    };
    static const struct contest together = {
        "hash-shared",
        "ns_per_retrieve",
        "clock",
        clocks,
        {{"eventer", NULL, run_eventer_shared},
         {"eventer-again", "again", run_eventer_shared},
         {"glib-rwlock", "glib", run_glib_shared}},
    };
    (void)argv;
    make_keys();
    mtev_memory_init();
    for (int variant = 0; variant < VARIANT_COUNT && argc == 1; variant++)
        contest_run(&alone, variant);
    for (int variant = 0; variant < 2 && argc == 2; variant++)
        contest_run(&together, variant);
    for (int i = 0; argc == 2 && together.contenders[i].library != NULL; i++)
        printf("{\"bench\":\"hash-shared\",\"library\":\"%s\",\"writes_per_s\":%.0f}\n",
               together.contenders[i].library, writes_per_s(together.contenders[i].run));
    return 0;
}
