/* SPDX-License-Identifier: MIT */
#include "main/signals.h"

#include "eventer/pool.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

static void on_stop(int number);
static void on_quit(int number);
static void on_hangup(int number);

static struct {
    const int number;
    void (*const handler)(int number);
    struct sigaction before;
} signals[] = {
    {.number = SIGTERM, .handler = on_stop},
    {.number = SIGINT, .handler = on_stop},
    {.number = SIGQUIT, .handler = on_quit},
    {.number = SIGHUP, .handler = on_hangup},
};

static atomic_bool was_told_to_stop;
static int hangup_fd = -1; /* an eventfd: no log can be reopened in a handler.  Never closed */

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

static void on_hangup(int number)
{
    const int saved_errno = errno;
    (void)!eventfd_write(hangup_fd, 1); /* full: it is ready anyway */
    errno = saved_errno;
}

static int reopen_logs(eventer_t e, int mask, void *closure, struct timeval *now)
{
    eventfd_t count;
    if (eventfd_read(hangup_fd, &count) == 0 && mtev_log_reopen_all() != 0)
        mtevL(mtev_error, "a log file cannot be opened anew: %s\n", strerrordesc_np(errno));
    return EVENTER_READ | EVENTER_EXCEPTION;
}

/* Called when the loops let traffic in. */
static void watch_hangups(void)
{
    eventer_t e = eventer_alloc_fd(reopen_logs, NULL, hangup_fd, EVENTER_READ | EVENTER_EXCEPTION);
    if (e == NULL)
        mtevL(mtev_error, "out of memory: SIGHUP will not open the log files anew\n");
    else
        eventer_add(e);
}

int signals_begin(void)
{
    hangup_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int err = hangup_fd == -1 ? -errno : pool_at_start(watch_hangups);
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
