/* SPDX-License-Identifier: MIT */
/*
 * Each thread has a record, which says in which epoch its oldest open section began, and has a list
 * of deferred objects for each of the last four epochs.  An object deferred in epoch e can be freed
 * in epoch e + 2, because the epoch only moves on when every open section began in the last one.
 *
 * A record is its thread's alone, but for the epoch's scan.  Two kinds of threads need more:
 *
 *   ended     What it deferred moves to the attic, a record without a thread behind a lock, each
 *             list to the one of the same epoch; whoever collects, collects there too.  The record
 *             itself is the next new thread's.
 *   guest     There was no memory for its record.  Its sections are only counted, and while that
 *             count is not 0 nothing is freed; what it defers goes to the attic.
 *
 * Who frees looks at the count of guests after the objects were taken out of reach, and a guest is
 * counted before it reads: so one of them sees the other.
 */
#include "base/smr.h"

#include "base/alloc.h"
#include "base/list.h"
#include "base/tsan.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#define BUCKET_GUEST UINT32_MAX /* of a section that guests counts */
#define YIELDS_MAX   64         /* how often a waiter gives up its turn before it sleeps */
#define NAP_NS_MIN   50000      /* then it sleeps, twice as long each time up to the longest */
#define NAP_NS_MAX   10000000

struct thread_record {
    ck_epoch_record_t epoch;
    ck_stack_entry_t *fresh, *fresh_last; /* deferred since the last try to free: of no epoch yet */
    unsigned fresh_count;
    size_t fresh_size; /* bytes */
};

struct nap {
    unsigned yields;
    long ns;
};

static ck_epoch_t epoch;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key; /* its destructor runs when a thread ends */
static bool has_key;
static _Atomic unsigned guests;

static pthread_mutex_t attic_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t attic_filled = PTHREAD_COND_INITIALIZER;
static struct thread_record attic;
static _Atomic size_t attic_count; /* objects; a hint outside the lock */
static bool has_collector;         /* under the lock */
static _Atomic bool hands_over;    /* a collection that is due is the collector's */

static _Thread_local struct thread_record *self; /* NULL: not registered */
_Thread_local struct smr_section smr_current;
static _Thread_local unsigned guest_sections; /* of this thread, open or taken */
static _Thread_local bool is_freeing;

/* ---- threads --------------------------------------------------------------------- */

static void on_thread_end(void *closure);

static void start(void)
{
    ck_epoch_init(&epoch);
    ck_epoch_register(&epoch, &attic.epoch, NULL);
    has_key = pthread_key_create(&key, on_thread_end) == 0;
}

/* Return a record that is nobody's, or NULL. */
static struct thread_record *find_record(void)
{
    ck_epoch_record_t *used = ck_epoch_recycle(&epoch, NULL);
    if (used != NULL) {
        tsan_acquire(used); /* pairs with leave() of its last owner */
        return (struct thread_record *)used;
    }
    struct thread_record *record = alloc_aligned(_Alignof(struct thread_record), sizeof(*record));
    if (record == NULL)
        return NULL;
    memset(record, 0, sizeof(*record));
    ck_epoch_register(&epoch, &record->epoch, NULL);
    return record;
}

int smr_enter(void)
{
    pthread_once(&once, start);
    if (self != NULL)
        return 0;
    if (!has_key)
        return -ENOMEM;
    struct thread_record *record = find_record();
    if (record == NULL)
        return -ENOMEM;
    if (pthread_setspecific(key, record) != 0) {
        tsan_release(record);
        ck_epoch_unregister(&record->epoch);
        return -ENOMEM;
    }
    self = record;
    return 0;
}

/*
 * Put what record has deferred on the list of this epoch.  The epoch must not be read before others
 * see that the objects are out of reach, or one who still reaches them in the next epoch would not
 * be waited for.  One fence, which costs as much as a section, does for all.
 */
static void date(struct thread_record *record)
{
    if (record->fresh == NULL)
        return;
    ck_pr_fence_memory();
    ck_stack_t *list = &record->epoch.pending[ck_epoch_value(&epoch) & (CK_EPOCH_LENGTH - 1)];
    record->fresh_last->next = list->head;
    list->head = record->fresh;
    record->epoch.n_pending += record->fresh_count;
    record->fresh = record->fresh_last = NULL;
    record->fresh_count = 0;
    record->fresh_size = 0;
}

/* Move all that record has deferred to the attic, which the caller has locked. */
static void move_to_attic(struct thread_record *record)
{
    date(record);
    for (size_t i = 0; i < CK_EPOCH_LENGTH; i++) {
        ck_stack_entry_t *node = ck_stack_batch_pop_npsc(&record->epoch.pending[i]);
        while (node != NULL) {
            ck_stack_entry_t *next = CK_STACK_NEXT(node);
            ck_stack_push_spnc(&attic.epoch.pending[i], node);
            node = next;
        }
    }
    attic.epoch.n_pending += record->epoch.n_pending;
    atomic_store_explicit(&attic_count, attic.epoch.n_pending, memory_order_relaxed);
    record->epoch.n_pending = 0;
}

/* Take the thread's record from it; no section of the thread goes on. */
static void leave(void)
{
    struct thread_record *record = self;
    smr_collect();
    if (smr_pending() > 0) {
        pthread_mutex_lock(&attic_lock);
        move_to_attic(record);
        pthread_cond_signal(&attic_filled);
        pthread_mutex_unlock(&attic_lock);
    }
    self = NULL;
    smr_current = (struct smr_section){0, 0};
    tsan_release(&epoch);
    tsan_release(record);
    ck_epoch_unregister(&record->epoch);
}

static void on_thread_end(void *closure)
{
    if (self != NULL)
        leave();
}

int smr_leave(void)
{
    if (self == NULL)
        return 0;
    if (is_freeing || self->epoch.active > 0)
        return -EBUSY;
    pthread_setspecific(key, NULL);
    leave();
    return 0;
}

/* ---- sections -------------------------------------------------------------------- */

void smr_begin(void)
{
    if (smr_current.depth++ > 0)
        return;
    if (__builtin_expect(self == NULL, 0) && smr_enter() != 0) {
        smr_current.bucket = BUCKET_GUEST;
        guest_sections++;
        atomic_fetch_add(&guests, 1); /* sequentially consistent: pairs with has_guests() */
        return;
    }
    ck_epoch_section_t section;
    ck_epoch_begin(&self->epoch, &section);
    smr_current.bucket = section.bucket;
}

bool smr_end(void)
{
    if (smr_current.depth == 0)
        return false;
    if (--smr_current.depth > 0)
        return true;
    uint32_t bucket = smr_current.bucket;
    smr_current.bucket = 0;
    tsan_release(&epoch); /* pairs with free_all() */
    if (bucket == BUCKET_GUEST) {
        guest_sections--;
        atomic_fetch_sub(&guests, 1);
    } else {
        ck_epoch_section_t section = {.bucket = bucket};
        ck_epoch_end(&self->epoch, &section);
    }
    return true;
}

bool smr_end_all(void)
{
    bool was_open = smr_is_open();
    while (smr_end())
        ;
    return was_open;
}

/* Between the two nothing changes what they look at. */
void smr_begin_short(void)
{
    if (smr_current.depth == 0 && self != NULL)
        ck_epoch_begin(&self->epoch, NULL);
    else
        smr_begin();
}

void smr_end_short(void)
{
    if (smr_current.depth > 0) {
        smr_end();
        return;
    }
    tsan_release(&epoch); /* pairs with free_all() */
    ck_epoch_end(&self->epoch, NULL);
}

struct smr_section smr_take(void)
{
    struct smr_section section = smr_current;
    smr_current = (struct smr_section){0, 0};
    return section;
}

void smr_put(struct smr_section section)
{
    assert(smr_current.depth == 0);
    smr_current = section;
}

/* ---- deferring and freeing ------------------------------------------------------- */

void smr_defer(ck_epoch_entry_t *entry, ck_epoch_cb_t *end, size_t size)
{
    if (self == NULL && smr_enter() != 0) {
        pthread_mutex_lock(&attic_lock);
        ck_pr_fence_memory(); /* as in date() */
        ck_epoch_call(&attic.epoch, entry, end);
        atomic_store_explicit(&attic_count, attic.epoch.n_pending, memory_order_relaxed);
        pthread_mutex_unlock(&attic_lock);
        return;
    }
    struct thread_record *record = self;
    entry->function = end;
    entry->stack_entry.next = record->fresh;
    if (record->fresh == NULL)
        record->fresh_last = &entry->stack_entry;
    record->fresh = &entry->stack_entry;
    record->fresh_count++;
    record->fresh_size += size;
}

/* True if somebody has a section open that no record tells of. */
static bool has_guests(void)
{
    ck_pr_fence_memory(); /* what is to be freed was taken out of reach before */
    return atomic_load(&guests) != 0;
}

/* Call the ends of all that is on the list; returns how many. */
static size_t free_all(ck_stack_entry_t *node)
{
    size_t count = 0;
    tsan_acquire(&epoch); /* pairs with smr_end() */
    is_freeing = true;
    while (node != NULL) {
        ck_epoch_entry_t *entry = list_entry(node, ck_epoch_entry_t, stack_entry);
        node = CK_STACK_NEXT(node);
        entry->function(entry);
        count++;
    }
    is_freeing = false;
    return count;
}

/* Free what can be of what lies in the attic, unless somebody else is at it. */
static size_t collect_attic(void)
{
    ck_stack_t ready = CK_STACK_INITIALIZER;
    if (atomic_load_explicit(&attic_count, memory_order_relaxed) == 0 ||
        pthread_mutex_trylock(&attic_lock) != 0)
        return 0;
    if (!has_guests())
        ck_epoch_poll_deferred(&attic.epoch, &ready);
    atomic_store_explicit(&attic_count, attic.epoch.n_pending, memory_order_relaxed);
    pthread_mutex_unlock(&attic_lock);
    return free_all(CK_STACK_FIRST(&ready));
}

size_t smr_collect(void)
{
    size_t count = 0;
    pthread_once(&once, start);
    if (is_freeing)
        return 0;
    if (self != NULL) {
        ck_stack_t ready = CK_STACK_INITIALIZER;
        date(self);
        if (self->epoch.n_pending > 0 && !has_guests())
            ck_epoch_poll_deferred(&self->epoch, &ready);
        count = free_all(CK_STACK_FIRST(&ready));
    }
    return count + collect_attic();
}

void smr_collect_if_due(void)
{
    bool is_due = self == NULL || self->fresh_count >= SMR_BACKLOG_MAX ||
                  self->fresh_size >= SMR_BACKLOG_SIZE_MAX;
    if (__builtin_expect(!is_due, 1) || is_freeing)
        return;
    if (!atomic_load_explicit(&hands_over, memory_order_relaxed) || smr_hand_over() != 0)
        smr_collect();
}

/* ---- waiting --------------------------------------------------------------------- */

static void nap(struct nap *nap)
{
    if (nap->yields < YIELDS_MAX) {
        nap->yields++;
        sched_yield();
        return;
    }
    struct timespec pause = {.tv_nsec = nap->ns};
    nanosleep(&pause, NULL);
    nap->ns = nap->ns * 2 > NAP_NS_MAX ? NAP_NS_MAX : nap->ns * 2;
}

static void on_wait(ck_epoch_t *global, ck_epoch_record_t *late, void *closure)
{
    nap(closure);
}

/* Move what a record has deferred to the list all. */
static void take_pending(ck_epoch_record_t *record, ck_stack_t *all)
{
    for (size_t i = 0; i < CK_EPOCH_LENGTH; i++) {
        ck_stack_entry_t *node = ck_stack_batch_pop_npsc(&record->pending[i]);
        while (node != NULL) {
            ck_stack_entry_t *next = CK_STACK_NEXT(node);
            ck_stack_push_spnc(all, node);
            node = next;
        }
    }
    record->n_pending = 0;
}

int smr_barrier(size_t *ret_count)
{
    ck_stack_t all = CK_STACK_INITIALIZER;
    struct nap patience = {0, NAP_NS_MIN};
    pthread_once(&once, start);
    if (is_freeing || guest_sections > 0 || (self != NULL && self->epoch.active > 0))
        return -EDEADLK;
    if (self != NULL) {
        date(self);
        take_pending(&self->epoch, &all);
    }
    pthread_mutex_lock(&attic_lock);
    take_pending(&attic.epoch, &all);
    atomic_store_explicit(&attic_count, 0, memory_order_relaxed);
    pthread_mutex_unlock(&attic_lock);
    while (has_guests())
        nap(&patience);
    ck_epoch_synchronize_wait(&epoch, on_wait, &patience);
    *ret_count = free_all(CK_STACK_FIRST(&all));
    return 0;
}

/* ---- a thread that frees --------------------------------------------------------- */

static void *collector(void *closure)
{
    for (;;) {
        struct nap patience = {0, NAP_NS_MIN};
        pthread_mutex_lock(&attic_lock);
        while (attic.epoch.n_pending == 0)
            pthread_cond_wait(&attic_filled, &attic_lock);
        pthread_mutex_unlock(&attic_lock);
        while (collect_attic() == 0 && atomic_load(&attic_count) > 0)
            nap(&patience);
    }
    return NULL;
}

/* Start the collector, with all signals blocked; the caller has locked the attic. */
static int start_collector(void)
{
    pthread_attr_t attributes;
    pthread_t thread;
    sigset_t all, before;
    if (pthread_attr_init(&attributes) != 0)
        return -EAGAIN;
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int err = pthread_create(&thread, &attributes, collector, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    has_collector = err == 0;
    return err == 0 ? 0 : -EAGAIN;
}

int smr_hand_over(void)
{
    int err = 0;
    pthread_once(&once, start);
    pthread_mutex_lock(&attic_lock);
    if (!has_collector)
        err = start_collector();
    if (err == 0 && self != NULL)
        move_to_attic(self);
    if (attic.epoch.n_pending > 0)
        pthread_cond_signal(&attic_filled);
    pthread_mutex_unlock(&attic_lock);
    return err;
}

int smr_hand_over_always(void)
{
    int err = smr_hand_over();
    if (err == 0)
        atomic_store(&hands_over, true);
    return err;
}

size_t smr_pending(void)
{
    return self == NULL ? 0 : self->epoch.n_pending + self->fresh_count;
}

size_t smr_pending_left(void)
{
    return atomic_load(&attic_count);
}
