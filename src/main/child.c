/* SPDX-License-Identifier: MIT */
#include "main/child.h"

#include "base/number.h"
#include "conf/conf.h"
#include "eventer/pool.h"
#include "listener/listener.h"
#include "log/log.h"
#include "main/channel.h"
#include "main/confine.h"
#include "main/crash.h"
#include "main/daemon.h"
#include "main/notify.h"
#include "main/reload.h"
#include "main/signals.h"
#include "main/start.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define VARIABLE  "EVENTER_MONITOR" /* its id, the channel, the table, and the sockets */
#define TEXT_SIZE ((CHILD_SOCKETS_MAX + 3) * 12)

struct child child_self = {.channel = -1};

/* ---- across execve(2) ------------------------------------------------------------ */

static int keep(int fd)
{
    return fcntl(fd, F_SETFD, 0) == 0 ? 0 : -errno;
}

int child_write_environment(const struct child *child, int table_fd)
{
    static char text[TEXT_SIZE];
    int len =
        snprintf(text, sizeof(text), "%d %d %d", (int)child->monitor, child->channel, table_fd);
    int err = keep(child->channel);
    if (err == 0)
        err = keep(table_fd);
    for (int i = 0; i < child->socket_count && err == 0; i++) {
        len += snprintf(text + len, sizeof(text) - (size_t)len, " %d", child->sockets[i]);
        err = keep(child->sockets[i]);
    }
    if (err == 0 && setenv(VARIABLE, text, 1) != 0)
        err = -errno;
    return err;
}

/* Give the number before the next blank of *text, and go behind it.  False: there is none. */
static bool take_number(const char **text, int *out)
{
    uint64_t number;
    size_t len = strcspn(*text, " ");
    if (number_u64(*text, len, INT_MAX, &number) != 0)
        return false;
    *out = (int)number;
    *text += (*text)[len] == ' ' ? len + 1 : len;
    return true;
}

static void close_on_exec(int fd)
{
    (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
}

/* Take what the text says, if it is meant for this process and not for one that had it before. */
static bool take_all(const char *text)
{
    struct child child = {.channel = -1};
    int monitor, table_fd;
    if (!take_number(&text, &monitor) || !take_number(&text, &child.channel) ||
        !take_number(&text, &table_fd) || monitor != getppid())
        return false;
    while (child.socket_count < CHILD_SOCKETS_MAX &&
           take_number(&text, &child.sockets[child.socket_count]))
        close_on_exec(child.sockets[child.socket_count++]);
    child.monitor = monitor;
    close_on_exec(child.channel);
    child_self = child;
    struct pulse_table *table = pulse_map(table_fd); /* of another version: nobody watches us */
    if (table != NULL)
        pulse_attend(table);
    close(table_fd);
    return true;
}

bool child_read_environment(void)
{
    const char *text = secure_getenv(VARIABLE);
    const bool is_ours = text != NULL && take_all(text);
    unsetenv(VARIABLE);
    return is_ours;
}

/* ---- serving --------------------------------------------------------------------- */

static int alive_every(eventer_t e, int mask, void *closure, struct timeval *now)
{
    const uint64_t us = notify_alive_every_ns() / CLOCK_NS_PER_US;
    notify_alive();
    if (eventer_add_in_s_us(alive_every, NULL, us / 1000000, us % 1000000) == NULL)
        mtevL(mtev_error, "out of memory: the service manager is not told that all is well\n");
    return 0;
}

static void send_socket(int fd, const char *address, void *closure)
{
    int *err = closure;
    if (*err == 0)
        *err = channel_send(child_self.channel, CHANNEL_SOCKET, 0, fd);
}

void child_say_ready(void)
{
    int err = 0;
    if (child_self.monitor == 0)
        return;
    listener_each_socket(send_socket, &err);
    if (err == 0)
        err = channel_send(child_self.channel, CHANNEL_READY,
                           (int32_t)(pool_drain_ns() / CLOCK_NS_PER_S), -1);
    if (err != 0)
        mtevL(mtev_error, "the monitor is not told of the listeners: %s\n", strerrordesc_np(-err));
}

void child_say_reloaded(int err)
{
    if (child_self.monitor != 0)
        (void)channel_send(child_self.channel, CHANNEL_RELOADED, err, -1);
    else
        notify_ready(err == 0 ? "Serving" : "Serving; its new configuration is wrong");
}

/* Called when the process is to end, before the listeners are. */
static void say_stopping(void)
{
    const int *passed;
    reload_end(); /* it needs the loops */
    pulse_leave_loops();
    if (signals_have_successor() || notify_sockets(&passed) > 0)
        listener_stop_accepting(); /* the sockets are somebody else's, too */
    if (child_self.monitor == 0)
        notify_stopping();
}

/* Called when the loops let traffic in. */
static void prepare_end(void)
{
    if (pool_at_stop(say_stopping) != 0) /* the last one there is the first one called */
        mtevL(mtev_error, "too many hooks: this process will not end as it should\n");
}

/*
 * Called when all loops run and every listener is bound, before any lets traffic in: who has been
 * answered may rely on the monitor's knowing.
 */
static mtev_hook_return_t say_ready(void *closure)
{
    listener_drop_inherited();
    pulse_enter_loops();
    child_say_ready();
    if (child_self.monitor == 0) {
        notify_ready("Serving");
        if (notify_alive_every_ns() != 0)
            (void)alive_every(NULL, 0, NULL, NULL);
    }
    daemon_is_ready();
    return MTEV_HOOK_CONTINUE;
}

static mtev_hook_return_t confine_all(void *closure)
{
    int err = confine();
    if (err != 0) {
        mtevL(mtev_error, "seccomp: %s\n", strerrordesc_np(-err));
        exit(START_STATUS_WRONG);
    }
    return MTEV_HOOK_CONTINUE;
}

/* Offer what the service manager or the process before this one has bound. */
static void offer_sockets(void)
{
    const int *passed;
    const int count = notify_sockets(&passed);
    for (int i = 0; i < child_self.socket_count; i++)
        (void)listener_inherit(child_self.sockets[i]);
    for (int i = 0; child_self.socket_count == 0 && i < count; i++) {
        int err = listener_inherit(passed[i]);
        if (err != 0)
            mtevL(mtev_error, "fd %d of the service manager is not one to accept at: %s\n",
                  passed[i], strerrordesc_np(-err));
    }
}

int child_serve(int (*run)(void))
{
    offer_sockets();
    conf_set_reload(reload);
    if (pulse_own() != NULL && pulse_own()->starts > 1)
        log_is_restarted();
    int err = pool_at_start(prepare_end);
    if (err == 0 && eventer_started_hook_register("ready", say_ready, NULL) != 0)
        err = -ENOMEM;
    if (err == 0 && start_wants_confinement() && /* the last one there is the first one called */
        eventer_started_hook_register("confine", confine_all, NULL) != 0)
        err = -ENOMEM;
    if (err == 0)
        err = crash_begin();
    if (err == 0)
        err = signals_begin();
    if (err != 0) {
        mtevL(mtev_error, "cannot serve: %s\n", strerrordesc_np(-err));
        return 2;
    }
    int status = run();
    signals_end();
    crash_end();
    return status;
}
