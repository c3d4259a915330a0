/* SPDX-License-Identifier: MIT */
#include "main/signals.h"

#include "base/thread.h"
#include "eventer/pool.h"
#include "log/log.h"
#include "main/child.h"
#include "main/reload.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

static void on_stop(int number, siginfo_t *info, void *context);
static void on_quit(int number, siginfo_t *info, void *context);
static void on_other(int number, siginfo_t *info, void *context);
static void *dump(void *closure);
static void *load_anew(void *closure);
static void *refuse_upgrade(void *closure);

static struct handled {
    const int number;
    void (*const handler)(int number, siginfo_t *info, void *context);
    void *(*const work)(void *closure); /* what cannot be done in a handler */
    const char *const what;
    int fd; /* an eventfd, with work; never closed */
    struct sigaction before;
} signals[] = {
    {.number = SIGTERM, .handler = on_stop, .fd = -1},
    {.number = SIGINT, .handler = on_stop, .fd = -1},
    {.number = SIGQUIT, .handler = on_quit, .fd = -1},
    {.number = SIGHUP,
     .handler = on_other,
     .fd = -1,
     .work = load_anew,
     .what = "SIGHUP: the configuration is not loaded anew"},
    {.number = SIGUSR1,
     .handler = on_other,
     .fd = -1,
     .work = dump,
     .what = "SIGUSR1: coroutines are not shown"},
    {.number = SIGUSR2, .handler = on_other, .fd = -1, .work = refuse_upgrade, .what = "SIGUSR2"},
};

#define SIGNAL_COUNT (sizeof(signals) / sizeof(signals[0]))

static atomic_int stops; /* how often somebody else than the monitor asked for the end */

static atomic_bool has_successor;

bool signals_have_successor(void)
{
    return atomic_load(&has_successor);
}

static bool is_monitors(const siginfo_t *info)
{
    return info->si_code == SI_QUEUE && child_self.monitor != 0 &&
           info->si_pid == child_self.monitor;
}

static void end_now(void)
{
    log_emergency_flush();
    _exit(0);
}

static void on_stop(int number, siginfo_t *info, void *context)
{
    const int saved_errno = errno;
    int stop = is_monitors(info) ? info->si_value.sival_int : SIGNALS_DRAIN;
    if (stop == SIGNALS_SUCCEEDED)
        atomic_store(&has_successor, true);
    if (!is_monitors(info) && atomic_fetch_add(&stops, 1) > 0)
        stop = SIGNALS_END;
    if (stop == SIGNALS_END || !pool_request_stop())
        end_now();
    errno = saved_errno;
}

static void on_quit(int number, siginfo_t *info, void *context)
{
    end_now();
}

static struct handled *handled(int number)
{
    struct handled *found = signals;
    while (found->number != number)
        found++;
    return found;
}

static void on_other(int number, siginfo_t *info, void *context)
{
    const int saved_errno = errno;
    (void)!eventfd_write(handled(number)->fd, 1); /* full: it is ready anyway */
    errno = saved_errno;
}

static void *load_anew(void *closure)
{
    (void)reload(); /* what is wrong was said */
    return NULL;
}

static void *dump(void *closure)
{
    eventer_aco_dump(mtev_notice);
    return NULL;
}

static void *refuse_upgrade(void *closure)
{
    mtevL(mtev_error, "SIGUSR2: only a program that has a monitor can be upgraded\n");
    return NULL;
}

/* In a thread of its own: a loop would stand still meanwhile. */
static int begin_work(eventer_t e, int mask, void *closure, struct timeval *now)
{
    const struct handled *signal = closure;
    eventfd_t count;
    if (eventfd_read(signal->fd, &count) != 0)
        return EVENTER_READ | EVENTER_EXCEPTION;
    int err = thread_start_detached(signal->work, NULL);
    if (err != 0)
        mtevL(mtev_error, "%s: %s\n", signal->what, strerrordesc_np(-err));
    return EVENTER_READ | EVENTER_EXCEPTION;
}

/* Called when the loops let traffic in. */
static void watch_signals(void)
{
    for (size_t i = 0; i < SIGNAL_COUNT; i++) {
        eventer_t e = signals[i].work == NULL
                          ? NULL
                          : eventer_alloc_fd(begin_work, &signals[i], signals[i].fd,
                                             EVENTER_READ | EVENTER_EXCEPTION);
        if (e != NULL)
            eventer_add(e);
        else if (signals[i].work != NULL)
            mtevL(mtev_error, "%s: out of memory\n", signals[i].what);
    }
}

static int open_fds(void)
{
    for (size_t i = 0; i < SIGNAL_COUNT; i++) {
        if (signals[i].work == NULL || signals[i].fd != -1)
            continue;
        signals[i].fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (signals[i].fd == -1)
            return -errno;
    }
    return 0;
}

int signals_begin(void)
{
    int err = open_fds();
    if (err == 0)
        err = pool_at_start(watch_signals);
    if (err != 0) {
        mtevL(mtev_error, "signals cannot be handled: %s\n", strerrordesc_np(-err));
        return err;
    }
    for (size_t i = 0; i < SIGNAL_COUNT; i++) {
        struct sigaction action = {.sa_sigaction = signals[i].handler,
                                   .sa_flags = SA_RESTART | SA_SIGINFO};
        sigemptyset(&action.sa_mask);
        sigaction(signals[i].number, &action, &signals[i].before);
    }
    return 0;
}

void signals_end(void)
{
    for (size_t i = 0; i < SIGNAL_COUNT; i++)
        sigaction(signals[i].number, &signals[i].before, NULL);
}
