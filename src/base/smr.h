/* SPDX-License-Identifier: MIT */
/*
 * smr.h - safe memory reclamation: what readers without a lock may still see is freed later.
 *
 * Layer: base, over libck's epochs.  Any thread, without being registered first.
 *
 * A reader opens a section around its use of shared memory.  A writer takes an object out of reach
 * and defers its end, until every section that was open then, in any thread, is closed.  Threads
 * free what they deferred themselves, after every SMR_BACKLOG_MAX objects; what a thread leaves
 * behind when it ends, others free.  Source: Fraser, "Practical lock-freedom", 2004, chapter 5.
 */
#ifndef EVENTER_BASE_SMR_H
#define EVENTER_BASE_SMR_H

#include <ck_epoch.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A thread tries to free what it deferred after so many objects or bytes since the last try; as
 * long as sections are short, no more than four times as much waits.
 */
#define SMR_BACKLOG_MAX      1024
#define SMR_BACKLOG_SIZE_MAX ((size_t)1024 * 1024)

struct smr_section { /* of a thread, or taken from it; zeroed = none is open */
    uint32_t depth;  /* how often it was begun and not ended */
    uint32_t bucket; /* where the epoch counts it */
};

/* Open a section; one inside another is the same one.  Cost: some 10 ns, 1 ns inside another. */
void smr_begin(void);

/* Close what the last smr_begin() opened; false: nothing was open. */
bool smr_end(void);

/* Close all that is open, of whoever should have; false: nothing was. */
bool smr_end_all(void);

/* For what stands here alone. */
extern _Thread_local struct smr_section smr_current __attribute__((visibility("hidden")));

/* True if the thread has a section open. */
static inline bool smr_is_open(void)
{
    return smr_current.depth > 0;
}

/*
 * Take the thread's section away, so that it has none open, and put it back; in between it protects
 * as before.  For a coroutine that waits.  Put back in the same thread, which has none open then.
 */
struct smr_section smr_take(void);
void smr_put(struct smr_section section);

/* The same for a few instructions, in which no section is begun, ended, taken or put back. */
void smr_begin_short(void);
void smr_end_short(void);

/*
 * Have end(entry) called when no section that is open now is open any more.  entry is embedded in
 * the object of size bytes, which nobody can reach any more by new reads.  Calls back nobody, so it
 * may be called with a lock held; smr_collect_if_due() later, without.  Never fails.
 */
void smr_defer(ck_epoch_entry_t *entry, ck_epoch_cb_t *end, size_t size);

/*
 * Free what can be, if the thread has deferred enough since the last try.  The ends of objects run
 * here, of any thread's, in no order.  Cost: O(threads) and what is freed.
 */
void smr_collect_if_due(void);

/* Free what can be; returns how many objects that were.  0 inside an object's end. */
size_t smr_collect(void);

/*
 * Wait until every section that is open now is closed, and free all that this thread and ended ones
 * deferred before; *ret_count is how many objects.  Returns 0; or -EDEADLK in a section, in an end
 * of an object, or while a section is taken from this thread, which would wait for itself.
 */
int smr_barrier(size_t *ret_count);

/*
 * Leave what this thread has deferred to a thread that frees it as soon as that can be done; it is
 * made when it is first needed.  Returns 0, or -EAGAIN if there is no thread and can be none; then
 * the caller keeps it.
 */
int smr_hand_over(void);

/* As smr_hand_over(), and do so from now on, in every thread, wherever a collection is due. */
int smr_hand_over_always(void);

/*
 * Register the thread, and take it off; what it has deferred is left to others.  Both happen by
 * themselves, at the first need and when the thread ends, which ends its sections.  smr_enter()
 * returns 0, or -ENOMEM; a thread that is not registered works all the same, but as long as it has
 * a section open nothing is freed at all.  smr_leave() returns 0, or -EBUSY in a section, in an end
 * of an object, or while a section is taken from this thread.
 */
int smr_enter(void);
int smr_leave(void);

/* How many objects this thread has deferred and not freed; and ended threads.  For tests. */
size_t smr_pending(void);
size_t smr_pending_left(void);

#endif
