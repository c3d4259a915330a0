/* SPDX-License-Identifier: MIT */
#include "main/signals.h"

#include "eventer/pool.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

static void on_stop(int number);
static void on_quit(int number);
static void on_hangup(int number);
static void on_dump(int number);

static struct {
    const int number;
    void (*const handler)(int number);
    struct sigaction before;
} signals[] = {
    {.number = SIGTERM, .handler = on_stop}, {.number = SIGINT, .handler = on_stop},
    {.number = SIGQUIT, .handler = on_quit}, {.number = SIGHUP, .handler = on_hangup},
    {.number = SIGUSR1, .handler = on_dump},
};

static atomic_bool was_told_to_stop;
/* Eventfds: neither can be done in a handler.  Never closed. */
static int hangup_fd = -1, dump_fd = -1;

static void on_stop(int number)
{
    const int saved_errno = errno;
    if (atomic_exchange(&was_told_to_stop, true) || !pool_request_stop())
        _exit(0);
    errno = saved_errno;
}

static void on_quit(int number)
{
    _exit(0);
}

static void tell_loop(int fd)
{
    const int saved_errno = errno;
    (void)!eventfd_write(fd, 1); /* full: it is ready anyway */
    errno = saved_errno;
}

static void on_hangup(int number)
{
    tell_loop(hangup_fd);
}

static void on_dump(int number)
{
    tell_loop(dump_fd);
}

static int reopen_logs(eventer_t e, int mask, void *closure, struct timeval *now)
{
    eventfd_t count;
    if (eventfd_read(hangup_fd, &count) == 0 && mtev_log_reopen_all() != 0)
        mtevL(mtev_error, "a log file cannot be opened anew: %s\n", strerrordesc_np(errno));
    return EVENTER_READ | EVENTER_EXCEPTION;
}

static void *dump(void *closure)
{
    eventer_aco_dump(mtev_notice);
    return NULL;
}

/* In a thread of its own: a loop would stand still while others are looked at. */
static int begin_dump(eventer_t e, int mask, void *closure, struct timeval *now)
{
    eventfd_t count;
    pthread_t thread;
    if (eventfd_read(dump_fd, &count) != 0)
        return EVENTER_READ | EVENTER_EXCEPTION;
    int err = pthread_create(&thread, NULL, dump, NULL);
    if (err == 0)
        pthread_detach(thread);
    else
        mtevL(mtev_error, "coroutines are not shown: %s\n", strerrordesc_np(err));
    return EVENTER_READ | EVENTER_EXCEPTION;
}

static void watch(int fd, eventer_func_t func, const char *what)
{
    eventer_t e = eventer_alloc_fd(func, NULL, fd, EVENTER_READ | EVENTER_EXCEPTION);
    if (e == NULL)
        mtevL(mtev_error, "out of memory: %s\n", what);
    else
        eventer_add(e);
}

/* Called when the loops let traffic in. */
static void watch_signals(void)
{
    watch(hangup_fd, reopen_logs, "SIGHUP will not open the log files anew");
    watch(dump_fd, begin_dump, "SIGUSR1 will not show the coroutines");
}

int signals_begin(void)
{
    hangup_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    dump_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int err = hangup_fd == -1 || dump_fd == -1 ? -errno : pool_at_start(watch_signals);
    if (err != 0) {
        mtevL(mtev_error, "signals cannot be handled: %s\n", strerrordesc_np(-err));
        return err;
    }
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        struct sigaction action = {.sa_handler = signals[i].handler, .sa_flags = SA_RESTART};
        sigemptyset(&action.sa_mask);
        sigaction(signals[i].number, &action, &signals[i].before);
    }
    return 0;
}

void signals_end(void)
{
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        sigaction(signals[i].number, &signals[i].before, NULL);
}
