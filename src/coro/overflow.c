/* SPDX-License-Identifier: MIT */
/*
 * overflow.c - the last words about a coroutine that ran off its stack.
 *
 * Below each stack lies a guard that faults.  The handler of SIGSEGV and SIGBUS, on a stack of its
 * own, says which coroutine it was; then the default action is restored, and the same instruction
 * faults again on return: the process ends as it would have, with its core.  Everything here may
 * have interrupted anything, so it formats by hand and calls write(2), clock_gettime(2), and
 * backtrace_symbols_fd(3), which looks symbols up without the heap.
 *
 * In the build for debugging (aco_debug_stacks) the stack of a coroutine that waits faults, too:
 * then it is said whose it is, and who touched it.
 */
#include "coro/inspect_impl.h"

#include "base/thread.h"
#include "coro/report.h"
#include "eventer/pool.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>

/* Nothing here runs on the stack of a coroutine. */
#pragma GCC diagnostic ignored "-Wframe-larger-than="

#define INNER_FRAMES_MAX   32 /* frames that are shown: this many at the inner end */
#define OUTER_FRAMES_MAX   8  /* and this many at the outer one */
#define THREAD_STACK_SHOWN ((uintptr_t)64 * 1024) /* bytes of a thread's own that are looked at */
#define SAY_SIZE           128

/* ---- saying it ------------------------------------------------------------------- */

struct say { /* what is to be written */
    size_t len;
    char text[SAY_SIZE];
};

static void say_end(struct say *say)
{
    report_write(say->text, say->len);
    say->len = 0;
}

static void say_text(struct say *say, const char *text)
{
    for (; *text != '\0'; text++) {
        if (say->len == sizeof(say->text))
            say_end(say);
        say->text[say->len++] = *text;
    }
}

static void say_number(struct say *say, uint64_t number, unsigned base)
{
    char digits[20 + 1] = "";
    size_t at = sizeof(digits) - 1;
    do
        digits[--at] = "0123456789abcdef"[number % base];
    while ((number /= base) > 0);
    say_text(say, digits + at);
}

static void say_address(struct say *say, uintptr_t address)
{
    say_text(say, "0x");
    say_number(say, address, 16);
}

/* ---- where it happened ----------------------------------------------------------- */

struct place { /* of the fault */
    uintptr_t fault;
    const ucontext_t *context;
    struct object_map objects;
    struct frames walk; /* over the frames that led there */
};

/* Begin with the frames of the place, which lie in [low, high). */
static void begin_frames(struct place *place, uintptr_t low, uintptr_t high)
{
    frames_from(&place->walk, &place->objects, place->context, low, high);
}

/* Say them: the first and the last ones. */
static void say_backtrace(struct place *place, uintptr_t low, uintptr_t high)
{
    uint64_t count = 0, i = 0;
    struct frame frame;
    begin_frames(place, low, high);
    while (frames_next(&place->walk, &frame))
        count++;
    begin_frames(place, low, high);
    for (; frames_next(&place->walk, &frame); i++) {
        if (i < INNER_FRAMES_MAX || i + OUTER_FRAMES_MAX >= count)
            report_address(frame.address);
        if (i == INNER_FRAMES_MAX && count > INNER_FRAMES_MAX + OUTER_FRAMES_MAX) {
            struct say say = {0};
            say_text(&say, "... ");
            say_number(&say, count - INNER_FRAMES_MAX - OUTER_FRAMES_MAX, 10);
            say_text(&say, " more ...\n");
            say_end(&say);
        }
    }
}

/* ---- who it was ------------------------------------------------------------------ */

/* Go on with a line: which coroutine co is; and end it. */
static void say_coroutine(struct say *say, const struct coro *co)
{
    void *function = (void *)(uintptr_t)co->site->key;
    const char *name = aco_name(&co->co);
    if (name != NULL) {
        say_text(say, " called ");
        say_text(say, name);
    }
    say_text(say, ", started at ");
    say_text(say, co->site->where == NULL ? "a place not known" : co->site->where);
    say_text(say, ", ");
    say_number(say, coro_age_ns(co, clock_mono_ns()) / CLOCK_NS_PER_S, 10);
    say_text(say, " s old, in loop ");
    say_text(say, coro_home_of((struct coro *)(uintptr_t)co)->loop->name);
    say_text(say, "; its function:\n");
    say_end(say);
    report_address(function);
}

static void say_overflow(const struct coro *co, struct place *place)
{
    const aco_share_stack_t *stack = co->co.share_stack;
    struct say say = {0};
    say_text(&say, "eventer: stack overflow at ");
    say_address(&say, place->fault);
    say_text(&say, " in the coroutine");
    say_coroutine(&say, co);
    say_text(&say, "its stack has ");
    say_number(&say, stack->sz, 10);
    say_text(&say, " bytes, it is ");
    say_number(&say, (uintptr_t)stack->top - frames_sp(place->context), 10);
    say_text(&say, " bytes deep now, and was at most ");
    say_number(&say, co->co.save_stack.max_cpsz, 10);
    say_text(&say, " when it waited; it last waited for: ");
    say_text(&say, coro_reason_text(co->co.reason_));
    say_text(&say, "\nits backtrace:\n");
    say_end(&say);
    say_backtrace(place, MAX(frames_sp(place->context), (uintptr_t)stack->base),
                  (uintptr_t)stack->top);
}

#ifdef ACO_DEBUG_STACKS

/* ---- whose stack it was ---------------------------------------------------------- */

struct search {
    uintptr_t address;
    const struct coro *owner; /* whose frames stand there, or NULL */
};

static int is_on_stack_of(struct coro *co, void *closure)
{
    struct search *search = closure;
    const aco_share_stack_t *stack = co->co.share_stack;
    if (stack->owner == &co->co && aco_stack_has(stack, (const void *)search->address))
        search->owner = co;
    return search->owner != NULL;
}

static void search_loop(struct loop *loop, void *closure)
{
    struct search *search = closure;
    if (loop->coro != NULL && search->owner == NULL)
        coro_each(loop->coro, is_on_stack_of, search);
}

static void say_stray(const struct coro *owner, const struct coro *self, struct place *place)
{
    struct say say = {0};
    say_text(&say, "eventer: stray pointer ");
    say_address(&say, place->fault);
    say_text(&say, " into the stack of another coroutine");
    say_coroutine(&say, owner);
    say_text(&say, "that is ");
    say_text(&say, coro_state_text(owner));
    say_text(&say, ", waiting for: ");
    say_text(&say, coro_wait_text(owner));
    say_text(&say, "; it was touched by ");
    if (self != NULL) {
        say_text(&say, "the coroutine");
        say_coroutine(&say, self);
    } else if (loop_self != NULL) {
        say_text(&say, "a callback in loop ");
        say_text(&say, loop_self->name);
        say_text(&say, "\n");
    } else {
        say_text(&say, "a thread that is no loop's\n");
    }
    say_text(&say, "who touched it:\n");
    say_end(&say);
    const uintptr_t sp = frames_sp(place->context);
    say_backtrace(place, sp,
                  self != NULL ? (uintptr_t)self->co.share_stack->top : sp + THREAD_STACK_SHOWN);
}

/* The other threads run on meanwhile, but the one whose coroutine this is has it parked. */
static void explain_stray(const struct coro *self, struct place *place)
{
    struct search search = {.address = place->fault};
    pool_each_loop(search_loop, &search);
    if (search.owner != NULL && search.owner != self)
        say_stray(search.owner, self, place);
}

#else
#define explain_stray(self, place) ((void)(self), (void)(place))
#endif

/* ---- the handler ----------------------------------------------------------------- */

static bool is_in_guard(const aco_share_stack_t *stack, uintptr_t address)
{
    return address >= (uintptr_t)stack->mapping && address < (uintptr_t)stack->base;
}

void report_fault(const siginfo_t *info, const ucontext_t *context)
{
    const struct coro *self = coro_self();
    struct place place = {.fault = (uintptr_t)info->si_addr, .context = context};
    if (self != NULL && is_in_guard(self->co.share_stack, place.fault))
        say_overflow(self, &place);
    else
        explain_stray(self, &place);
}

static void on_fault(int number, siginfo_t *info, void *context)
{
    report_fault(info, context);
    signal(number, SIG_DFL);
    if (info->si_code <= 0) /* somebody sent it: nothing faults again on return */
        raise(number);
}

static void install(void)
{
    static const int numbers[] = {SIGSEGV, SIGBUS};
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
        struct sigaction before;
        sigemptyset(&action.sa_mask);
        if (sigaction(numbers[i], NULL, &before) == 0 && !(before.sa_flags & SA_SIGINFO) &&
            before.sa_handler == SIG_DFL)
            sigaction(numbers[i], &action, NULL);
    }
}

void overflow_watch(struct coro_home *home)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, install);
    frames_init();
    home->signal_stack = thread_add_signal_stack(THREAD_SIGNAL_STACK_SIZE);
}

void overflow_unwatch(struct coro_home *home)
{
    thread_drop_signal_stack(home->signal_stack);
    home->signal_stack = NULL;
}
