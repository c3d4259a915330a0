/* SPDX-License-Identifier: MIT */
/*
 * eventer.h - events, the loops that run them, and coroutines that read like blocking code.
 *
 * A loop is a thread that waits for file descriptors and timers and runs callbacks and coroutines;
 * a pool is a group of loops.  An event belongs to one loop, its owner, and its callback runs
 * there. Events are counted: alloc gives one reference; eventer_add() hands that one to the
 * eventer; eventer_remove() hands it back; a callback that returns 0 makes the eventer drop it.
 *
 * Unless said otherwise a function may be called from any thread, does not yield, and reports bad
 * arguments with EINVAL (or the value given) and one line on mtev_error.
 * Interface after libmtev 2.7; see eventer(3), eventer_event(3), eventer_aco(3).
 */
#ifndef EVENTER_EVENTER_H
#define EVENTER_EVENTER_H

#include <mtev_defines.h>
#include <mtev_hooks.h>
#include <mtev_log.h>
#include <mtev_time.h>

#include <aco/aco.h>

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

MTEV_BEGIN_DECLS

#define EVENTER_READ                 0x01
#define EVENTER_WRITE                0x02
#define EVENTER_EXCEPTION            0x04
#define EVENTER_TIMER                0x08
#define EVENTER_ASYNCH_WORK_D        0x10
#define EVENTER_ASYNCH_CLEANUP_D     0x20
#define EVENTER_ASYNCH_D             0x30
#define EVENTER_ASYNCH_COMPLETE_D    EVENTER_ASYNCH_D
#define EVENTER_RECURRENT            0x80
#define EVENTER_EVIL_BRUTAL          0x100
#define EVENTER_CANCEL_DEFERRED      0x200
#define EVENTER_CANCEL_ASYNCH        0x400
#define EVENTER_CANCEL               0x600
#define EVENTER_RESERVED             0xfff00000
#define EVENTER_CROSS_THREAD_TRIGGER 0x80000000
#define EVENTER_DEFAULT_ASYNCH_ABORT EVENTER_EVIL_BRUTAL

typedef enum {
    EVENTER_ASYNCH_WORK = EVENTER_ASYNCH_WORK_D,
    EVENTER_ASYNCH_CLEANUP = EVENTER_ASYNCH_CLEANUP_D,
    EVENTER_ASYNCH_COMPLETE = EVENTER_ASYNCH_COMPLETE_D
} eventer_asynch_op_t;
#define EVENTER_ASYNCH EVENTER_ASYNCH_COMPLETE

#ifdef SOCK_CLOEXEC
#define NE_SOCK_CLOEXEC SOCK_CLOEXEC
#define NE_O_CLOEXEC    O_CLOEXEC
#endif

typedef struct _event *eventer_t;
typedef struct eventer_aco *eventer_aco_t; /* an eventer_t that a coroutine uses; cast freely */
typedef struct eventer_jobq eventer_jobq_t;
typedef struct eventer_pool eventer_pool_t;
typedef struct eventer_aco_gate *eventer_aco_gate_t;
typedef const struct eventer_fd_opset *eventer_fd_opset_t;

/*
 * What an event runs.  mask says why; closure is the event's; *now is the wall clock of this turn.
 * Returns: for an fd, the mask it wants next (0: it is over, and the callback has removed it); for
 * a timer, 0 to end or another value to fire again at its whence; otherwise ignored, except that 0
 * from EVENTER_ASYNCH_COMPLETE ends the event.
 */
typedef int (*eventer_func_t)(eventer_t e, int mask, void *closure, struct timeval *now);

/* Where the library says what went wrong, and what it does: error/eventer and debug/eventer. */
API_EXPORT(mtev_log_stream_t) eventer_err;
API_EXPORT(mtev_log_stream_t) eventer_deb;

/* ---- starting -------------------------------------------------------------------- */

/*
 * Start the loops, as configured by eventer_propset(): every thread is running when this returns.
 * Call it once, in the process that serves.  Ignores SIGPIPE and raises the limit on open files.
 * Returns 0, or -1 with errno (EALREADY: it was called before; EAGAIN, ENOMEM: no threads or
 * memory).
 */
API_EXPORT(int) eventer_init(void);

/*
 * Let listeners accept and loops run until the process is told to end; returns then, with every
 * loop stopped.  For the main thread, once.
 */
API_EXPORT(void) eventer_loop(void);

/* As eventer_loop(), without waiting: the loops go on in their threads. */
API_EXPORT(void) eventer_loop_return(void);

/*
 * Set a property (both NUL-terminated, copied) before eventer_init(): the keys of <eventer><config>
 * in eventer.conf(5).  Returns 0, or -1: ENOENT for an unknown key, EINVAL for a bad value.
 */
API_EXPORT(int) eventer_propset(const char *key, const char *value);
#define eventer_impl_propset(key, value) eventer_propset((key), (value))

/*
 * Have the loops wait with the poller called name: eventer_propset("implementation", name).
 * Returns 0, or -1 with EINVAL.
 */
API_EXPORT(int) eventer_choose(const char *name);

/*
 * Have func called with closure, which is borrowed for good, by eventer_loop*() when every loop
 * runs and before listeners accept; name is for readers.  Before that; the newest comes first.
 * Returns MTEV_HOOK_CONTINUE, or MTEV_HOOK_ABORT with ENOMEM or EINVAL (no func).
 */
API_EXPORT(mtev_hook_return_t)
eventer_started_hook_register(const char *name, mtev_hook_return_t (*func)(void *closure),
                              void *closure);

/* ---- events ---------------------------------------------------------------------- */

/*
 * Make an event; the caller owns the one reference.  Its owner is the calling loop, or else loop 0
 * of the default pool.  NULL with ENOMEM.
 *   _fd: for fd (borrowed), interested in mask: EVENTER_READ | EVENTER_WRITE | EVENTER_EXCEPTION.
 *   _timer: due at *whence, wall-clock time; {0, 0} is at once.
 *   _recurrent: runs in every turn of its loop.
 *   _asynch: its callback runs on a job queue with EVENTER_ASYNCH_WORK, then _CLEANUP, then in its
 *     loop with _COMPLETE, each exactly once.
 *   _asynch_timeout: the same, without _WORK if *deadline (wall-clock time; NULL: none) has passed
 *     when its turn comes.  With EVENTER_CANCEL in its mask it does not wait for a thread any
 *     longer then, and eventer_job_cancelled() is true.
 *   _copy: a copy of e with its fd, mask, callback, closure and owner, not registered anywhere.
 */
API_EXPORT(eventer_t) eventer_alloc(void);
API_EXPORT(eventer_t) eventer_alloc_copy(eventer_t e);
API_EXPORT(eventer_t) eventer_alloc_fd(eventer_func_t func, void *closure, int fd, int mask);
API_EXPORT(eventer_t)
eventer_alloc_timer(eventer_func_t func, void *closure, struct timeval *whence);
API_EXPORT(eventer_t) eventer_alloc_recurrent(eventer_func_t func, void *closure);
API_EXPORT(eventer_t) eventer_alloc_asynch(eventer_func_t func, void *closure);
API_EXPORT(eventer_t)
eventer_alloc_asynch_timeout(eventer_func_t func, void *closure, struct timeval *deadline);

/* Take one more reference. */
API_EXPORT(void) eventer_ref(eventer_t e);

/* Drop a reference; the last one frees the event, not its fd.  Returns mtev_true if it did. */
API_EXPORT(mtev_boolean) eventer_free(eventer_t e);
#define eventer_deref(e) eventer_free(e)

API_EXPORT(int) eventer_get_fd(eventer_t e);
API_EXPORT(int) eventer_get_mask(eventer_t e);
API_EXPORT(void) eventer_set_mask(eventer_t e, int mask);
API_EXPORT(struct timeval) eventer_get_whence(eventer_t e);
API_EXPORT(eventer_func_t) eventer_get_callback(eventer_t e);
API_EXPORT(void) eventer_set_callback(eventer_t e, eventer_func_t func);
API_EXPORT(void *) eventer_get_closure(eventer_t e);
/* For a listener's connection, another closure ends the share in what mtev_listener.h knows. */
API_EXPORT(void) eventer_set_closure(eventer_t e, void *closure);
API_EXPORT(pthread_t) eventer_get_owner(eventer_t e);

/*
 * Return the event whose callback the calling thread runs (borrowed during it), jobs included; in
 * a coroutine, the one that it converted last and has not freed.  NULL: there is none.
 */
API_EXPORT(eventer_t) eventer_get_this_event(void);

/*
 * Move e to the loop whose thread is owner.  Before eventer_add(), or in the callback of an fd or a
 * timer, whose registration moves when it returns.  Anything else, a thread that is no loop
 * included, changes nothing and is logged.
 */
API_EXPORT(void) eventer_set_owner(eventer_t e, pthread_t owner);

/*
 * Change when timer e fires: in its callback for the next time, or while it waits.  Change the
 * deadline of an asynchronous event without EVENTER_CANCEL in its mask.
 */
API_EXPORT(void) eventer_update_whence(eventer_t e, struct timeval whence);

/*
 * Contexts: a pointer of one's own in every event, and something to do around its callback.
 * register: opset (borrowed for good; a NULL in it does nothing) is called for every event that is
 * made from now on: init when it was made, copy(e, src) after that of a copy, deinit before it is
 * freed; callback_prep before and callback_cleanup after each callback and each step of a job, in
 * that thread, the latter in reverse order.  Returns its index, or -1: EINVAL for no name or opset,
 * ENOSPC for more than EVENTER_CONTEXTS_MAX.
 * get and set: what e keeps for index; NULL at first.  set returns what was there before.  NULL
 * with EINVAL for an event that is older than the context.
 */
#define EVENTER_CONTEXTS_MAX 8
typedef struct eventer_context_opset_t {
    void (*eventer_t_init)(eventer_t e);
    void (*eventer_t_deinit)(eventer_t e);
    void (*eventer_t_copy)(eventer_t e, const eventer_t src);
    void (*eventer_t_callback_prep)(eventer_t e, int mask, void *closure, struct timeval *now);
    void (*eventer_t_callback_cleanup)(eventer_t e, int mask);
} eventer_context_opset_t;
API_EXPORT(int) eventer_register_context(const char *name, const eventer_context_opset_t *opset);
API_EXPORT(void *) eventer_get_context(eventer_t e, int index);
API_EXPORT(void *) eventer_set_context(eventer_t e, int index, void *data);

/* Events alive now, and made since the start. */
API_EXPORT(int64_t) eventer_allocations_current(void);
API_EXPORT(int64_t) eventer_allocations_total(void);

/* ---- registering ----------------------------------------------------------------- */

/*
 * Register e by its mask: EVENTER_ASYNCH on the default job queue, EVENTER_RECURRENT,
 * EVENTER_TIMER, or its fd.  The eventer takes the caller's reference.  An fd that the kernel
 * cannot poll (a regular file) is accepted and never ready; one that it has no memory for gets
 * EVENTER_EXCEPTION.  A second event for one fd changes nothing and is logged.
 */
API_EXPORT(void) eventer_add(eventer_t e);

/*
 * Unregister e.  Returns e, whose reference is the caller's again, or NULL if it was not
 * registered.
 */
API_EXPORT(eventer_t) eventer_remove(eventer_t e);

/* Unregister what is registered for fd; returns it, or NULL.  _fde: e itself, by its fd. */
API_EXPORT(eventer_t) eventer_remove_fd(int fd);
#define eventer_remove_fde(e) eventer_remove(e)

/* Return the event registered for fd (borrowed while it is), or NULL. */
API_EXPORT(eventer_t) eventer_find_fd(int fd);

/*
 * Call func for every event that is registered for an fd, or as a timer, in the thread of its loop,
 * one loop after the other.  func may remove, close or free what it is given, and neither waits nor
 * starts a coroutine.  A loop that is busy with something else for 5 s is left out, and timers for
 * which there is no memory are, with one line.  Any thread; a loop's thread stands still while it
 * waits for other loops.  EBUSY and one line while such a list is made already.
 */
API_EXPORT(void)
eventer_foreach_fdevent(void (*func)(eventer_t e, void *closure), void *closure);
API_EXPORT(void)
eventer_foreach_timedevent(void (*func)(eventer_t e, void *closure), void *closure);

/* Change what the registered fd event e waits for, or when the timer e does (its whence). */
API_EXPORT(void) eventer_update(eventer_t e, int mask);

/*
 * Run e's callback with mask as if its fd were ready, registering it first if it is not.  In e's
 * own loop at once (next turn if e's callback is what runs now); from another thread e's loop is
 * woken, and triggers arrive in the order in which they were made.
 */
API_EXPORT(void) eventer_trigger(eventer_t e, int mask);

/*
 * Call func as a loop would call e's callback, in the calling thread, and return what it returned;
 * *ret_duration_ns (NULL: not asked for) is how long it took.  eventer_callback(): e's own.
 */
API_EXPORT(int)
eventer_run_callback(eventer_func_t func, eventer_t e, int mask, void *closure, struct timeval *now,
                     uint64_t *ret_duration_ns);
#define eventer_callback(e, mask, closure, now)                                                    \
    eventer_run_callback(eventer_get_callback(e), (e), (mask), (closure), (now), NULL)

/*
 * Take the fd event e off its loop, make its fd blocking, and call its callback in a thread of its
 * own, again and again, with mask or what it last returned, until it returns 0; then the reference
 * to e is dropped.  Without a thread it is as it was before, and one line says so.
 */
API_EXPORT(void) eventer_run_in_thread(eventer_t e, int mask);

/* Wake e's loop (NULL: the calling loop, or loop 0). */
API_EXPORT(void) eventer_wakeup(eventer_t e);

/*
 * Make (and with add_: also register) a timer.  at: wall-clock time; in: from now, by the clock
 * that only runs forward.  The add_ forms return an event that the eventer owns.  NULL with ENOMEM.
 */
API_EXPORT(eventer_t) eventer_at(eventer_func_t func, void *closure, struct timeval whence);
API_EXPORT(eventer_t) eventer_add_at(eventer_func_t func, void *closure, struct timeval whence);
API_EXPORT(eventer_t) eventer_in(eventer_func_t func, void *closure, struct timeval diff);
API_EXPORT(eventer_t) eventer_add_in(eventer_func_t func, void *closure, struct timeval diff);
API_EXPORT(eventer_t)
eventer_in_s_us(eventer_func_t func, void *closure, unsigned long seconds,
                unsigned long microseconds);
API_EXPORT(eventer_t)
eventer_add_in_s_us(eventer_func_t func, void *closure, unsigned long seconds,
                    unsigned long microseconds);
API_EXPORT(eventer_t)
eventer_alloc_timer_next_opportunity(eventer_func_t func, void *closure, pthread_t owner);
API_EXPORT(eventer_t)
eventer_add_timer_next_opportunity(eventer_func_t func, void *closure, pthread_t owner);

/* The same as eventer_add() and eventer_remove(), for readers who want the kind in the name. */
#define eventer_add_timed(e)        eventer_add(e)
#define eventer_remove_timed(e)     eventer_remove(e)
#define eventer_add_recurrent(e)    eventer_add(e)
#define eventer_remove_recurrent(e) eventer_remove(e)

/* ---- operations ------------------------------------------------------------------ */

/*
 * accept(2), read(2), write(2) and close(2) on e's fd, through TLS where e has it.  They do not
 * block: -1 with EAGAIN sets *mask to what e must wait for.  On an event that a coroutine has
 * converted they are eventer_aco_* without a time-out, and *mask is left alone. close: e is
 * unregistered, everyone who waits for it is woken with ECANCELED, its fd becomes -1.
 */
API_EXPORT(int) eventer_accept(eventer_t e, struct sockaddr *addr, socklen_t *len, int *mask);
API_EXPORT(int) eventer_read(eventer_t e, void *buffer, size_t len, int *mask);
API_EXPORT(int) eventer_write(eventer_t e, const void *buffer, size_t len, int *mask);
API_EXPORT(int) eventer_close(eventer_t e, int *mask);

/*
 * The operations of an fd as functions: e's (with those of a coroutine where it was converted), the
 * plain ones of POSIX, and those of coroutines.  They take the fd, and the event as closure.
 */
typedef int (*eventer_fd_accept_t)(int fd, struct sockaddr *addr, socklen_t *len, int *mask,
                                   void *closure);
typedef int (*eventer_fd_read_t)(int fd, void *buffer, size_t len, int *mask, void *closure);
typedef int (*eventer_fd_write_t)(int fd, const void *buffer, size_t len, int *mask, void *closure);
typedef int (*eventer_fd_close_t)(int fd, int *mask, void *closure);
API_EXPORT(eventer_fd_opset_t) eventer_get_fd_opset(eventer_t e);
API_EXPORT(eventer_fd_accept_t) eventer_fd_opset_get_accept(eventer_fd_opset_t opset);
API_EXPORT(eventer_fd_read_t) eventer_fd_opset_get_read(eventer_fd_opset_t opset);
API_EXPORT(eventer_fd_write_t) eventer_fd_opset_get_write(eventer_fd_opset_t opset);
API_EXPORT(eventer_fd_close_t) eventer_fd_opset_get_close(eventer_fd_opset_t opset);
API_EXPORT(const eventer_fd_opset_t) eventer_POSIX_fd_opset;
API_EXPORT(const eventer_fd_opset_t) eventer_aco_fd_opset;

/* Set or clear O_NONBLOCK.  Returns 0, or -1 with errno. */
API_EXPORT(int) eventer_set_fd_nonblocking(int fd);
API_EXPORT(int) eventer_set_fd_blocking(int fd);

/* ---- loops and pools ------------------------------------------------------------- */

/* Return the pool called name, or NULL.  "default" exists after eventer_init(). */
API_EXPORT(eventer_pool_t *) eventer_pool(const char *name);
API_EXPORT(const char *) eventer_pool_name(eventer_pool_t *pool);
API_EXPORT(uint32_t) eventer_pool_concurrency(eventer_pool_t *pool);
API_EXPORT(eventer_pool_t *) eventer_get_pool_for_event(eventer_t e);

/*
 * Set for how many seconds a loop of pool may be busy with one turn before it counts as stuck; 0:
 * as other pools, EVENTER_WATCHDOG_TIMEOUT_S.
 */
#define EVENTER_WATCHDOG_TIMEOUT_S 5
API_EXPORT(void) eventer_pool_watchdog_timeout(eventer_pool_t *pool, double seconds);

/* Return that of the calling loop, in seconds; 0 elsewhere.  _timeval: mtev_false elsewhere. */
API_EXPORT(double) eventer_watchdog_timeout(void);
API_EXPORT(mtev_boolean) eventer_watchdog_timeout_timeval(struct timeval *out);

/*
 * Give in *now (NULL: not asked for) the wall clock, and in *deadline by when the calling loop has
 * to be through with this turn.  mtev_false, and neither, in a thread that is no loop.
 */
API_EXPORT(mtev_boolean) eventer_heartbeat_deadline(struct timeval *now, struct timeval *deadline);

/*
 * Return the thread of one of the pool's loops (default: the default pool), chosen by n: in the
 * default pool 0 is the first loop and any other n one of the rest, if there are any; elsewhere n
 * modulo size.
 */
API_EXPORT(pthread_t) eventer_choose_owner(int n);
API_EXPORT(pthread_t) eventer_choose_owner_pool(eventer_pool_t *pool, int n);
#define EVENTER_CHOOSE_THREAD_FOR_EVENT_FD(e) eventer_choose_owner(eventer_get_fd(e) + 1)

/* Return the index of the loop whose thread this is, or -1. */
API_EXPORT(int) eventer_is_loop(pthread_t thread);

/* True in a loop's thread. */
API_EXPORT(mtev_boolean) eventer_in_loop(void);

/* Return the number of loops of the default pool. */
API_EXPORT(int) eventer_loop_concurrency(void);

/* True (not 0) if the calling thread is e's owner. */
API_EXPORT(int) eventer_thread_check(eventer_t e);

/*
 * Give the number of processor packages and cores of the machine.  Returns 0, or -1 with ENOTSUP
 * where the system does not say.
 */
API_EXPORT(int) eventer_cpu_sockets_and_cores(int *sockets, int *cores);

/* The longest that a loop with recurrent events sleeps; others sleep until something is due. */
API_EXPORT(const struct timeval) eventer_max_sleeptime;

/*
 * Return the calling thread's name (borrowed while it lives): "e:POOL/N" of a loop, "q:QUEUE" of a
 * job queue's thread, "dedicated/N" of eventer_run_in_thread()'s; "" of any other.
 */
API_EXPORT(const char *) eventer_get_thread_name(void);

/* Give in *epoch when eventer_init() was called.  Returns 0, or -1 before that. */
API_EXPORT(int) eventer_get_epoch(struct timeval *epoch);

/*
 * Give in *now (and us) the wall clock as of this turn of the calling loop; elsewhere, as of now.
 */
API_EXPORT(int) eventer_gettimeofcallback(struct timeval *now, void *tzp);
API_EXPORT(uint64_t) eventer_callback_ms(void);
API_EXPORT(uint64_t) eventer_callback_us(void);

/* ---- names ----------------------------------------------------------------------- */

/*
 * Give callback func a name (NUL-terminated, copied), for messages and for <listener type="...">.
 * The first function of a name keeps it; the last name of a function is shown.  Returns 0, or -1:
 * ENOMEM, or EINVAL for a missing name or function.
 */
API_EXPORT(int) eventer_name_callback(const char *name, eventer_func_t func);

/*
 * The same, with a way to tell events of that callback apart: describe(text, size, e, closure)
 * writes to text[0..size) what eventer_name_for_callback_e() shows for e.  -1 with EEXIST, too, if
 * name has a function already.
 */
API_EXPORT(int)
eventer_name_callback_ext(const char *name, eventer_func_t func,
                          void (*describe)(char *text, int size, eventer_t e, void *closure),
                          void *closure);

/* Return the function called name, or NULL. */
API_EXPORT(eventer_func_t) eventer_callback_for_name(const char *name);

/*
 * Return a name for func: given, or its symbol's, or its address (borrowed until the thread's
 * next).
 */
API_EXPORT(const char *) eventer_name_for_callback(eventer_func_t func);
API_EXPORT(const char *) eventer_name_for_callback_e(eventer_func_t func, eventer_t e);

/* ---- coroutines: blocking style -------------------------------------------------- */

/*
 * Start a coroutine that runs func; it finds closure (not touched) with eventer_aco_arg().  func
 * ends with aco_exit() or by returning.  In a loop's thread it begins at once and this returns when
 * it first waits or ends, also inside another coroutine, which waits meanwhile; from any other
 * thread it begins in loop 0 of the default pool.  Out of memory: it is not started, and one line
 * says so.  closure may be a local of the coroutine that calls; it is good until func first waits.
 */
API_EXPORT(void) eventer_aco_start(void (*func)(void), void *closure);

/* The same; stack_size was a first guess of what is to be saved, which nobody has to make here. */
API_EXPORT(void)
eventer_aco_start_stack(void (*func)(void), void *closure, size_t stack_size);

/* The same, and say whether it was started: 0; or -1 with ENOMEM, EINVAL, ENXIO (no loops yet). */
API_EXPORT(int) eventer_aco_try_start(void (*func)(void), void *closure);

/*
 * The same, on a stack of stack_size bytes (0: the configured size; at most 1 GiB) that it shares
 * with nobody: pointers to its locals stay good while it waits.  Costs a kept stack, some 8 KiB.
 */
API_EXPORT(int)
eventer_aco_start_private(void (*func)(void), void *closure, size_t stack_size);

/*
 * The macros pass on where they stand (a "file:line" that lives for ever, or NULL), which is shown
 * wherever coroutines are listed.
 */
API_EXPORT(void) eventer_aco_start_at(void (*func)(void), void *closure, const char *where);
API_EXPORT(int) eventer_aco_try_start_at(void (*func)(void), void *closure, const char *where);
API_EXPORT(int)
eventer_aco_start_private_at(void (*func)(void), void *closure, size_t stack_size,
                             const char *where);
#define EVENTER_LINE__(line)             #line
#define EVENTER_LINE_(line)              EVENTER_LINE__(line)
#define EVENTER_HERE_                    __FILE__ ":" EVENTER_LINE_(__LINE__)
#define eventer_aco_start(func, closure) eventer_aco_start_at((func), (closure), EVENTER_HERE_)
#define eventer_aco_try_start(func, closure)                                                       \
    eventer_aco_try_start_at((func), (closure), EVENTER_HERE_)
#define eventer_aco_start_private(func, closure, stack_size)                                       \
    eventer_aco_start_private_at((func), (closure), (stack_size), EVENTER_HERE_)

/* What the loops' coroutines have done and cost since eventer_init(). */
typedef struct eventer_aco_stats {
    uint64_t coroutines; /* that live now */
    uint64_t started;
    uint64_t shared_stacks;  /* that exist now */
    uint64_t private_stacks; /* that exist now, in use or kept for reuse */
    uint64_t loans;          /* calls that lent a local of a coroutine to others */
    uint64_t blocked;        /* turns that had to wait because their stack was lent */
    uint64_t blocked_ns;     /* for how long, all together */
    uint64_t blocked_ns_max; /* the longest of them */
} eventer_aco_stats_t;

/* Fill *out with the sums over all loops.  Any thread. */
API_EXPORT(void) eventer_aco_get_stats(eventer_aco_stats_t *out);

/* Return the closure of the running coroutine; NULL outside one. */
API_EXPORT(void *) eventer_aco_arg(void);

/* True if e was converted; for NULL, if a coroutine is running. */
API_EXPORT(mtev_boolean) eventer_is_aco(eventer_t e);

/*
 * Convert the unregistered fd event e for use by coroutines of the calling loop and return it, with
 * the caller's reference.  NULL with EINVAL: no coroutine runs here, e is registered, or is no fd
 * event.  A time-out in the calls below is relative, for the whole call; NULL: e's default, or
 * none.
 */
API_EXPORT(eventer_aco_t) eventer_set_eventer_aco(eventer_t e);

/*
 * The same for co, a coroutine of the calling loop, which is told if it ends without freeing e.
 * With co == NULL, make e a classic event again, not registered, with the callback it had; who
 * waits for it gets ECANCELED.  Returns NULL then, and the reference stays the caller's.
 */
API_EXPORT(eventer_aco_t) eventer_set_eventer_aco_co(eventer_t e, aco_t *co);

/*
 * Read, write or accept on e, and let others run until that is possible.  One coroutine may read
 * (or accept) while another writes.  Short counts are returned as they are; 0 is the end of the
 * stream. -1 with errno: ETIME (also called ETIMEDOUT) after the time-out, ECANCELED when e was
 * closed meanwhile, EBUSY for a second reader or writer, EXDEV in a loop that is not e's, or the
 * system call's own.  From a job's thread each is one plain call that does not block.  Yields.
 */
API_EXPORT(int)
eventer_aco_accept(eventer_aco_t e, struct sockaddr *addr, socklen_t *len, struct timeval *timeout);
API_EXPORT(int)
eventer_aco_read(eventer_aco_t e, void *buffer, size_t len, struct timeval *timeout);
API_EXPORT(int)
eventer_aco_write(eventer_aco_t e, const void *buffer, size_t len, struct timeval *timeout);

/* Close e's fd: others who wait for it get ECANCELED.  Does not yield.  e still wants its free. */
API_EXPORT(int) eventer_aco_close(eventer_aco_t e);

/* Drop the reference to e.  One free ends a converted event, however it was used. */
API_EXPORT(void) eventer_aco_free(eventer_aco_t e);

/* Default time-outs of e's operations, copied; NULL: none. */
API_EXPORT(void) eventer_aco_set_accept_timeout(eventer_aco_t e, struct timeval *timeout);
API_EXPORT(void) eventer_aco_set_read_timeout(eventer_aco_t e, struct timeval *timeout);
API_EXPORT(void) eventer_aco_set_write_timeout(eventer_aco_t e, struct timeval *timeout);

API_EXPORT(void *) eventer_aco_get_closure(eventer_aco_t e);
API_EXPORT(void) eventer_aco_set_closure(eventer_aco_t e, void *closure);

/* Let others run for at least *duration.  Outside a coroutine: nothing, and one line.  Yields. */
API_EXPORT(void) eventer_aco_sleep(struct timeval *duration);
#define mtev_aco_sleep eventer_aco_sleep

/*
 * mtev_true once the process is about to end (SIGTERM, or an upgrade): nothing more is accepted,
 * and what is in flight has drain_seconds, if it wants them.  A program in which nobody asks is not
 * waited for.  Any thread.
 */
API_EXPORT(mtev_boolean) eventer_aco_draining(void);

/*
 * Run blocking work on a job queue (NULL: the default one) while others run here, and go on when it
 * is done.  closure may be the address of a local: the stack stays where it is until the work is
 * done (a pointer inside *closure is not seen).  In a coroutine only; elsewhere nothing, and one
 * line.  Yields.
 *   simple_asynch: func(closure) on the queue.
 *   asynch: func(op, closure) with EVENTER_ASYNCH_WORK and _CLEANUP on the queue, _COMPLETE in the
 *     loop.
 *   run_asynch: the callback of the asynchronous event e, the same way; e is freed afterwards.
 *   _gated: returns at once; eventer_aco_gate_wait() waits for all that went through the gate.
 *   _subqueue: for the sub-queue id, else 0.
 *   _deadline: there is no _WORK after *deadline (wall-clock time; NULL: none), and no waiting for
 *     a thread: _CLEANUP is done in the loop then; in _WORK, eventer_job_cancelled() says so.
 *   try_: as eventer_try_add_asynch(): mtev_false if refused, and e is still the caller's.
 */
API_EXPORT(void)
eventer_aco_simple_asynch_queue_subqueue(void (*func)(void *), void *closure, eventer_jobq_t *q,
                                         uint64_t id);
API_EXPORT(void)
eventer_aco_simple_asynch_queue_subqueue_gated(eventer_aco_gate_t gate, void (*func)(void *),
                                               void *closure, eventer_jobq_t *q, uint64_t id);
API_EXPORT(void)
eventer_aco_asynch_queue_subqueue_deadline(void (*func)(eventer_asynch_op_t, void *), void *closure,
                                           eventer_jobq_t *q, uint64_t id,
                                           struct timeval *deadline);
API_EXPORT(void)
eventer_aco_asynch_queue_subqueue_deadline_gated(eventer_aco_gate_t gate,
                                                 void (*func)(eventer_asynch_op_t, void *),
                                                 void *closure, eventer_jobq_t *q, uint64_t id,
                                                 struct timeval *deadline);
API_EXPORT(void)
eventer_aco_run_asynch_queue_subqueue(eventer_jobq_t *q, eventer_t e, uint64_t id);
API_EXPORT(void)
eventer_aco_run_asynch_queue_subqueue_gated(eventer_aco_gate_t gate, eventer_jobq_t *q, eventer_t e,
                                            uint64_t id);
API_EXPORT(mtev_boolean)
eventer_aco_try_run_asynch_queue_subqueue(eventer_jobq_t *q, eventer_t e, uint64_t id);
API_EXPORT(mtev_boolean)
eventer_aco_try_run_asynch_queue_subqueue_gated(eventer_aco_gate_t gate, eventer_jobq_t *q,
                                                eventer_t e, uint64_t id);

API_EXPORT(void)
eventer_aco_simple_asynch_queue(void (*func)(void *), void *closure, eventer_jobq_t *q);
API_EXPORT(void)
eventer_aco_simple_asynch_queue_gated(eventer_aco_gate_t gate, void (*func)(void *), void *closure,
                                      eventer_jobq_t *q);
API_EXPORT(void)
eventer_aco_asynch_queue(void (*func)(eventer_asynch_op_t, void *), void *closure,
                         eventer_jobq_t *q);
API_EXPORT(void)
eventer_aco_asynch_queue_gated(eventer_aco_gate_t gate, void (*func)(eventer_asynch_op_t, void *),
                               void *closure, eventer_jobq_t *q);
API_EXPORT(void) eventer_aco_run_asynch_queue(eventer_jobq_t *q, eventer_t e);
API_EXPORT(void)
eventer_aco_run_asynch_queue_gated(eventer_aco_gate_t gate, eventer_jobq_t *q, eventer_t e);

#define eventer_aco_simple_asynch(func, closure)                                                   \
    eventer_aco_simple_asynch_queue((func), (closure), NULL)
#define eventer_aco_simple_asynch_gated(gate, func, closure)                                       \
    eventer_aco_simple_asynch_queue_gated((gate), (func), (closure), NULL)
#define eventer_aco_asynch(func, closure) eventer_aco_asynch_queue((func), (closure), NULL)
#define eventer_aco_asynch_gated(gate, func, closure)                                              \
    eventer_aco_asynch_queue_gated((gate), (func), (closure), NULL)
#define eventer_aco_run_asynch(e)             eventer_aco_run_asynch_queue(NULL, (e))
#define eventer_aco_run_asynch_gated(gate, e) eventer_aco_run_asynch_queue_gated((gate), NULL, (e))
#define eventer_aco_try_run_asynch_queue(q, e)                                                     \
    eventer_aco_try_run_asynch_queue_subqueue((q), (e), 0)
#define eventer_aco_try_run_asynch(e) eventer_aco_try_run_asynch_queue_subqueue(NULL, (e), 0)
#define eventer_aco_try_run_asynch_queue_gated(gate, q, e)                                         \
    eventer_aco_try_run_asynch_queue_subqueue_gated((gate), (q), (e), 0)
#define eventer_aco_try_run_asynch_gated(gate, e)                                                  \
    eventer_aco_try_run_asynch_queue_subqueue_gated((gate), NULL, (e), 0)

/* With the queue, or with the queue and the id of a sub-queue, at the end. */
#define EVENTER_QUEUE_(q, ...)        (q)
#define EVENTER_SUBQUEUE_(q, id, ...) (id)
#define eventer_aco_asynch_queue_subqueue(func, closure, ...)                                      \
    eventer_aco_asynch_queue_subqueue_deadline((func), (closure), EVENTER_QUEUE_(__VA_ARGS__, 0),  \
                                               EVENTER_SUBQUEUE_(__VA_ARGS__, 0, 0), NULL)
#define eventer_aco_asynch_queue_subqueue_gated(gate, func, closure, ...)                          \
    eventer_aco_asynch_queue_subqueue_deadline_gated((gate), (func), (closure),                    \
                                                     EVENTER_QUEUE_(__VA_ARGS__, 0),               \
                                                     EVENTER_SUBQUEUE_(__VA_ARGS__, 0, 0), NULL)

/* How a job went; of several that went through a gate, the last one here counts. */
typedef enum {
    EVENTER_JOB_NONE = 0,
    EVENTER_JOB_DONE,      /* WORK has run */
    EVENTER_JOB_CANCELLED, /* WORK has run, and eventer_job_cancelled() told it of its deadline */
    EVENTER_JOB_TIMED_OUT, /* WORK has not run, because of the deadline */
    EVENTER_JOB_REFUSED    /* nothing has run: the call was wrong or refused */
} eventer_job_result_t;

/*
 * Return how the last job went that the running coroutine waited for, or was refused: by one of the
 * calls above, or at the gate that it last waited on.  EVENTER_JOB_NONE outside a coroutine.
 */
API_EXPORT(eventer_job_result_t) eventer_aco_asynch_result(void);

/*
 * Make a gate: a count of jobs under way.  It belongs to the running coroutine, which waits on it
 * once; that frees it.  One that is never waited on is freed when its last job is done.  NULL with
 * ENOMEM, or EINVAL outside a coroutine.
 */
API_EXPORT(eventer_aco_gate_t) eventer_aco_gate(void);

/* Wait until every job that went through gate is done, and free it.  Yields. */
API_EXPORT(void) eventer_aco_gate_wait(eventer_aco_gate_t gate);

/* ---- coroutines: seeing them ----------------------------------------------------- */

/*
 * Name the running coroutine, for lists and messages: the first EVENTER_ACO_NAME_MAX bytes of name
 * (NUL-terminated, copied).  NULL: it is called after its function again, as it is at first.
 * Returns 0, or -1 with ENOMEM, or EINVAL outside a coroutine.
 */
#define EVENTER_ACO_NAME_MAX 31
API_EXPORT(int) eventer_aco_set_name(const char *name);

/* A coroutine that is looked at; good during the callback that was given it. */
typedef const struct eventer_aco_id *eventer_aco_id_t;

/* What a coroutine is and does.  Texts are borrowed until the callback that was given it returns.
 */
typedef struct eventer_aco_info {
    eventer_aco_id_t co;
    const char *name;       /* its own, or its function's */
    const char *function;   /* a name or an address, as eventer_name_for_callback() finds it */
    const char *where;      /* "file:line" of its start; NULL: not known */
    const char *loop;       /* the name of its loop */
    const char *state;      /* "running", "ready" (its turn will come) or "parked" */
    const char *waits_for;  /* "nothing", "time", "to read", "to write", "to accept", "a job", */
                            /* "a gate", "an answer" or "a coroutine it started" */
    int fd;                 /* that it waits to read, write or accept on; -1: none */
    uint64_t age_ns;        /* to about 0.1 s */
    size_t stack_bytes;     /* on its stack now */
    size_t stack_bytes_max; /* the most it ever had there while it waited */
    size_t saved_bytes;     /* memory that is set aside for its frames while others use its stack */
    mtev_boolean is_private; /* it shares its stack with nobody */
    mtev_boolean is_lent;    /* its frames are kept in place, since a local is lent */
} eventer_aco_info_t;

/*
 * Call cb for every living coroutine, in the thread of its loop, one loop after the other; what cb
 * returns other than 0 ends it.  cb neither waits nor starts or ends a coroutine.  A loop that is
 * busy with something else for 5 s is left out.  Any thread; a loop's thread stands still while it
 * waits for other loops.  Returns 0, what cb returned, or -1: EINVAL without cb, ENOMEM, EBUSY
 * while this (or one of the next two) is under way already, ETIMEDOUT if a loop was left out.
 */
API_EXPORT(int)
eventer_aco_foreach(int (*cb)(const eventer_aco_info_t *info, void *closure), void *closure);

/*
 * Give at addresses[0..max) where co goes on, then where its caller does, and so on to its
 * function; NULL: the running coroutine, from the call of this on.  On x86-64 frames are found by
 * the unwind tables of the code, elsewhere by frame pointers: of code that is compiled without
 * them, some may be missing there.  Returns how many, at most max; or -1 with EINVAL.  The thread
 * of co's loop.  Cost: about 10 us.
 */
API_EXPORT(int) eventer_aco_backtrace(eventer_aco_id_t co, void **addresses, int max);

/* What is known of a function that was started as a coroutine, in all loops together. */
typedef struct eventer_aco_function {
    const char *name;       /* as eventer_name_for_callback() finds it */
    const char *where;      /* "file:line" of the start; NULL: not known */
    uint64_t started;       /* coroutines */
    uint64_t living;        /* that have not ended */
    size_t stack_bytes_max; /* the most that one of them had on its stack while it waited */
    mtev_boolean lends;     /* it has lent a local: each of its coroutines gets a private stack */
} eventer_aco_function_t;

/*
 * Call cb in the calling thread for every function (and place of start), as eventer_aco_foreach()
 * does for coroutines; returns the same.  cb may do what it likes but wait.
 */
API_EXPORT(int)
eventer_aco_foreach_function(int (*cb)(const eventer_aco_function_t *function, void *closure),
                             void *closure);

/*
 * Say on ls which coroutines live, with their stacks: those that stand at the same place in one
 * entry, the largest number first (at most 1000 entries of 64 frames).  Any thread; a loop's
 * thread stands still while it waits for other loops.
 */
API_EXPORT(void) eventer_aco_dump(mtev_log_stream_t ls);

/* ---- how long callbacks run ------------------------------------------------------ */

typedef enum {
    EVENTER_CALLBACK_EVENT = 1, /* of an event, or a REST handler: a call */
    EVENTER_CALLBACK_COROUTINE, /* a function started as a coroutine: a turn, until it waits */
    EVENTER_CALLBACK_JOB        /* WORK on a job queue */
} eventer_callback_kind_t;

/*
 * What one function took, in all loops together.  Bucket 0 of the histogram counts calls of 0 ns,
 * bucket i those of less than 2^i and not less than 2^(i-1) ns, the last one all that took longer.
 */
#define EVENTER_CALLBACK_BUCKETS 48
typedef struct eventer_callback_stats {
    const char *name; /* as eventer_name_for_callback() finds it; borrowed during the callback */
    eventer_callback_kind_t kind;
    uint64_t count;
    uint64_t total_ns, max_ns; /* a call contains those that it makes through the eventer */
    uint64_t run_ns[EVENTER_CALLBACK_BUCKETS];
} eventer_callback_stats_t;

/*
 * Keep account of them from now on, or no longer; what was counted stays.  At first no account is
 * kept, unless show_loop_callbacks_threshold or show_jobq_callbacks_threshold is set
 * (eventer.conf(5)), and then it always is.  Cost: two readings of the clock a call.
 */
API_EXPORT(void) eventer_callback_stats_enable(mtev_boolean enable);

/*
 * Call cb in the calling thread for every function of which account was kept, until it returns
 * other than 0.  Loops run on meanwhile, so the numbers of one that runs may not add up.  Returns
 * 0, what cb returned, or -1: EINVAL without cb, ENOMEM.
 */
API_EXPORT(int)
eventer_callback_stats_foreach(int (*cb)(const eventer_callback_stats_t *stats, void *closure),
                               void *closure);

MTEV_END_DECLS

#include <eventer/eventer_jobq.h>

#endif
