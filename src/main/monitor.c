/* SPDX-License-Identifier: MIT */
#include "main/monitor_impl.h"

#include "base/clock.h"
#include "base/list.h"
#include "main/channel.h"
#include "main/daemon.h"
#include "main/notify.h"
#include "main/start.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define LOOK_NS_MAX   CLOCK_NS_PER_S /* between two looks at the pulses */
#define LOOKS_A_LIMIT 5              /* looks in the time that a thread may be busy */

static const int signals[] = {SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2, SIGCHLD};

struct monitor monitor_self = {.signal_fd = -1};

/* ---- messages -------------------------------------------------------------------- */

/* What it said of sockets was all: these count now. */
static void adopt_sockets(struct ward *ward)
{
    sockets_close(&monitor_self.sockets);
    monitor_self.sockets = ward->sockets;
    ward->sockets.count = 0;
}

static void become_ready(struct ward *ward, int32_t drain_s)
{
    struct ward *before = monitor_find_role(WARD_SERVING);
    ward->drain_ns = (uint64_t)MAX(drain_s, 0) * CLOCK_NS_PER_S;
    if (ward->role != WARD_STARTING && ward->role != WARD_SERVING &&
        ward->role != WARD_SUCCEEDING) { /* those of whoever serves count */
        sockets_close(&ward->sockets);
        return;
    }
    adopt_sockets(ward);
    if (ward->role == WARD_SUCCEEDING) {
        monitor_self.has_program = true;
        mtevL(mtev_notice, "monitor: process %d serves in place of process %d\n", (int)ward->pid,
              before == NULL ? 0 : (int)before->pid);
        if (before != NULL)
            monitor_tell_stop(before, SIGNALS_SUCCEEDED);
    } else if (ward->role != WARD_STARTING) {
        return; /* its listeners have changed */
    }
    ward->role = WARD_SERVING;
    ward->deadline_ns = 0;
    monitor_self.start_ns = 0;
    monitor_say_status(ward);
    daemon_is_ready();
}

static void keep_socket(struct ward *ward, int fd)
{
    if (fd >= 0 && ward->sockets.count < CHILD_SOCKETS_MAX) {
        ward->sockets.fds[ward->sockets.count++] = fd;
        return;
    }
    if (fd >= 0)
        close(fd);
    mtevL(mtev_error, "monitor: a socket of process %d is not kept beside %d others: %s\n",
          (int)ward->pid, ward->sockets.count,
          fd < 0 ? "too many files are open" : "it may have no more");
}

static void obey(struct ward *ward, const struct channel_message *message, int fd)
{
    if (message->word == CHANNEL_SOCKET) {
        keep_socket(ward, fd);
        return;
    }
    if (fd >= 0)
        close(fd);
    if (message->word == CHANNEL_READY) {
        become_ready(ward, message->number);
    } else if (message->word == CHANNEL_RELOADED) {
        ward->is_loading = false;
        if (ward->role == WARD_SERVING)
            monitor_say_status(ward);
    } else if (message->word == CHANNEL_CRASHED && ward->role != WARD_CONDEMNED) {
        monitor_look_into(ward, true);
    }
}

static void take_messages(struct ward *ward)
{
    struct channel_message message;
    int fd, err = 0;
    while (ward->channel >= 0 && (err = channel_take(ward->channel, &message, &fd)) == 0)
        obey(ward, &message, fd);
    if (err == -EPIPE && ward->channel >= 0) { /* it is about to end */
        close(ward->channel);
        ward->channel = -1;
    }
}

/* ---- signals --------------------------------------------------------------------- */

/* Send the signal on to whoever serves, which sees that it is not a person's second one. */
static void pass_on(int number)
{
    struct ward *ward = monitor_find_role(WARD_SERVING);
    if (ward != NULL)
        (void)kill(ward->pid, number);
}

/* Note that an upgrade is wanted; or say why there is none. */
static void want_upgrade(void)
{
    const struct ward *serving = monitor_find_role(WARD_SERVING);
    const char *why = NULL;
    if (monitor_self.stop_level > 0)
        why = "it is about to end";
    else if (monitor_self.wants_upgrade || monitor_find_role(WARD_SUCCEEDING) != NULL)
        why = "one is under way";
    else if (serving == NULL)
        why = "nobody serves";
    if (why != NULL)
        mtevL(mtev_error, "monitor: no upgrade now: %s\n", why);
    else if (serving->is_loading || monitor_self.wants_reload)
        mtevL(mtev_notice, "monitor: the upgrade waits until the configuration is loaded\n");
    monitor_self.wants_upgrade |= why == NULL;
}

static void take_signal(int number)
{
    switch (number) {
    case SIGTERM:
    case SIGINT:
        monitor_stop(1);
        break;
    case SIGQUIT:
        monitor_stop(2);
        break;
    case SIGHUP:
        if (mtev_log_reopen_all() != 0)
            mtevL(mtev_error, "a log file cannot be opened anew: %s\n", strerrordesc_np(errno));
        monitor_self.wants_reload = true;
        break;
    case SIGUSR1:
        pass_on(number);
        break;
    case SIGUSR2:
        want_upgrade();
        break;
    default: /* SIGCHLD: all are looked for, after what they have said */
        break;
    }
}

/*
 * A reload and an upgrade come one after the other: two processes would bind what a configuration
 * has anew.
 */
static void do_what_is_wanted(void)
{
    struct ward *serving = monitor_find_role(WARD_SERVING);
    if (serving == NULL || monitor_find_role(WARD_SUCCEEDING) != NULL)
        return;
    if (monitor_self.wants_reload) {
        monitor_self.wants_reload = false;
        notify_reloading();
        serving->is_loading = kill(serving->pid, SIGHUP) == 0;
    }
    if (monitor_self.wants_upgrade && !serving->is_loading) {
        monitor_self.wants_upgrade = false;
        monitor_upgrade();
    }
}

static void take_signals(void)
{
    struct signalfd_siginfo info;
    while (read(monitor_self.signal_fd, &info, sizeof(info)) == sizeof(info))
        take_signal((int)info.ssi_signo);
}

/* ---- time ------------------------------------------------------------------------ */

static void act_on_deadline(struct ward *ward)
{
    switch (ward->role) {
    case WARD_SUCCEEDING:
        mtevL(mtev_error, "monitor: process %d was not ready after %" PRId64 " s\n", (int)ward->pid,
              watch_settings()->ready_s);
        (void)kill(ward->pid, SIGKILL);
        ward->deadline_ns = 0;
        break;
    case WARD_ACCUSED:
        if (ward->glider == 0)
            monitor_look_into(ward, false);
        else
            monitor_condemn(ward);
        break;
    default: /* it should have ended by itself */
        mtevL(mtev_error, "monitor: process %d does not end: it is killed\n", (int)ward->pid);
        (void)kill(ward->pid, SIGKILL);
        ward->deadline_ns = 0;
        break;
    }
}

static void act_on_time(uint64_t now_ns)
{
    static uint64_t alive_ns;
    for (size_t i = 0; i < WARDS_MAX; i++) {
        struct ward *ward = &monitor_self.wards[i];
        if (ward->role != WARD_NONE && ward->deadline_ns != 0 && ward->deadline_ns <= now_ns)
            act_on_deadline(ward);
    }
    monitor_look_at_pulses(now_ns);
    if (monitor_self.start_ns != 0 && monitor_self.start_ns <= now_ns)
        monitor_start_serving();
    const uint64_t every_ns = notify_alive_every_ns();
    if (every_ns != 0 && now_ns - alive_ns >= every_ns) {
        alive_ns = now_ns;
        notify_alive();
    }
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return b == 0 || (a != 0 && a < b) ? a : b;
}

/* Until when nothing is to be done, unless somebody calls; 0: for ever. */
static uint64_t next_ns(uint64_t now_ns)
{
    const uint64_t every_ns = notify_alive_every_ns();
    uint64_t next = monitor_self.start_ns;
    if (every_ns != 0)
        next = earlier(next, now_ns + every_ns);
    for (size_t i = 0; i < WARDS_MAX; i++) {
        const struct ward *ward = &monitor_self.wards[i];
        if (ward->role == WARD_NONE)
            continue;
        next = earlier(next, ward->deadline_ns);
        uint64_t limit_ns = atomic_load(&ward->table->limit_ns);
        if (ward->role == WARD_SERVING && limit_ns != 0)
            next = earlier(next, now_ns + MIN(limit_ns / LOOKS_A_LIMIT + 1, LOOK_NS_MAX));
    }
    return next;
}

/* ---- running --------------------------------------------------------------------- */

static void turn(void)
{
    struct pollfd fds[WARDS_MAX + 1] = {{.fd = monitor_self.signal_fd, .events = POLLIN}};
    uint64_t now_ns = clock_mono_ns();
    const uint64_t until_ns = next_ns(now_ns);
    const struct timespec timeout = clock_timespec(until_ns > now_ns ? until_ns - now_ns : 0);
    for (size_t i = 0; i < WARDS_MAX; i++)
        fds[i + 1] = (struct pollfd){
            .fd = monitor_self.wards[i].role == WARD_NONE ? -1 : monitor_self.wards[i].channel,
            .events = POLLIN};
    (void)ppoll(fds, WARDS_MAX + 1, until_ns == 0 ? NULL : &timeout, NULL);
    take_signals();
    for (size_t i = 0; i < WARDS_MAX; i++)
        if (monitor_self.wards[i].role != WARD_NONE)
            take_messages(&monitor_self.wards[i]);
    monitor_reap();
    act_on_time(clock_mono_ns());
    do_what_is_wanted();
}

static bool is_over(void)
{
    for (size_t i = 0; i < WARDS_MAX; i++)
        if (monitor_self.wards[i].role != WARD_NONE)
            return false;
    return monitor_self.stop_level > 0;
}

/* The sockets of two children at a time, and some more fds; eventer_init() is for the child. */
static void raise_limit(void)
{
    struct rlimit limit;
    const rlim_t wanted = 2 * CHILD_SOCKETS_MAX + 1024;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
        return;
    limit.rlim_cur = MIN(wanted, limit.rlim_max);
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

static int begin(int (*serve)(void))
{
    sigset_t mask;
    sigemptyset(&mask);
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        sigaddset(&mask, signals[i]);
    monitor_self.serve = serve;
    raise_limit();
    for (size_t i = 0; i < WARDS_MAX; i++)
        monitor_self.wards[i].channel = monitor_self.wards[i].table_fd = -1;
    sigprocmask(SIG_BLOCK, &mask, &monitor_self.mask_before);
    monitor_self.signal_fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
    return monitor_self.signal_fd < 0 ? -errno : 0;
}

int monitor_run(int (*serve)(void))
{
    int err = begin(serve);
    if (err != 0) {
        mtevL(mtev_error, "monitor: %s\n", strerrordesc_np(-err));
        return START_STATUS_WRONG;
    }
    monitor_start_serving();
    while (!is_over())
        turn();
    daemon_has_failed(monitor_self.status);
    sockets_close(&monitor_self.sockets);
    close(monitor_self.signal_fd);
    sigprocmask(SIG_SETMASK, &monitor_self.mask_before, NULL);
    return monitor_self.status;
}