/* SPDX-License-Identifier: MIT */
#include "main/monitor.h"

#include "base/clock.h"
#include "base/list.h"
#include "main/channel.h"
#include "main/daemon.h"
#include "main/notify.h"
#include "main/program.h"
#include "main/signals.h"
#include "main/start.h"
#include "main/ward.h"
#include "main/watch.h"

#include <mtev_log.h>

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOOK_NS_MAX   CLOCK_NS_PER_S          /* between two looks at the pulses */
#define LOOKS_A_LIMIT 5                       /* looks in the time that a thread may be busy */
#define SHORT_LIFE_NS (500 * CLOCK_NS_PER_MS) /* whoever dies younger is waited with */
#define BACK_OFF_NS   (100 * CLOCK_NS_PER_MS) /* the first time; then twice as long */
#define BACK_OFF_MAX  6                       /* doublings */
#define ANSWER_NS     (2 * CLOCK_NS_PER_S)    /* in which a thread that stalls says where */
#define GLIDER_NS_MAX (60 * CLOCK_NS_PER_S)   /* for the glider */
#define CORE_NS_MAX   (60 * CLOCK_NS_PER_S)   /* to write a core */
#define LATE_NS_MAX   (5 * CLOCK_NS_PER_S)    /* beyond the time that a child may drain */
#define LINE_LEN_MAX  1024                    /* of what a child had to say */
#define NOBODY        (-1)                    /* in place of an id */
#define GLIDER_DONE   (-1)                    /* in place of its id */
#define GAVE_UP       0                       /* the status when there were too many deaths */

static const int signals[] = {SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2, SIGCHLD};

static struct monitor {
    int (*serve)(void);
    int signal_fd;
    sigset_t mask_before;
    struct ward wards[WARDS_MAX];
    struct sockets sockets; /* of whoever serves or served last */
    bool has_program;       /* a new one is started by executing it, since an upgrade was made */
    uint32_t starts;
    int stop_level;       /* 1: they drain; 2: they end */
    pid_t last;           /* who served when that began, and whose status counts; 0: it has not */
    uint64_t start_ns;    /* when to start another; 0: never */
    unsigned short_lives; /* in a row */
    uint64_t deaths[WATCH_RETRIES_MAX + 1]; /* when; a ring */
    size_t death_count;
    bool is_over;
    int status;
} monitor = {.signal_fd = -1};

/* ---- who there is ---------------------------------------------------------------- */

static struct ward *find_role(enum ward_role role)
{
    for (size_t i = 0; i < WARDS_MAX; i++)
        if (monitor.wards[i].role == role)
            return &monitor.wards[i];
    return NULL;
}

static struct ward *find_pid(pid_t pid)
{
    for (size_t i = 0; i < WARDS_MAX; i++)
        if (monitor.wards[i].role != WARD_NONE && monitor.wards[i].pid == pid)
            return &monitor.wards[i];
    return NULL;
}

/* Whoever should answer requests, or will; NULL: nobody. */
static struct ward *find_main(void)
{
    static const enum ward_role roles[] = {WARD_SERVING, WARD_STARTING, WARD_ACCUSED,
                                           WARD_CONDEMNED, WARD_SUCCEEDING};
    struct ward *found = NULL;
    for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]) && found == NULL; i++)
        found = find_role(roles[i]);
    return found;
}

static void say_status(const struct ward *ward)
{
    char text[96];
    snprintf(text, sizeof(text), "Serving, as process %d", (int)ward->pid);
    notify_ready(text);
}

/* ---- starting one ---------------------------------------------------------------- */

/* In the child: nothing of the monitor's stays but what ward and channel say. */
static void leave_monitor(const struct ward *ward, int channel, pid_t parent)
{
    static struct child child;
    child = (struct child){.monitor = parent, .channel = channel};
    child.socket_count = monitor.sockets.count;
    memcpy(child.sockets, monitor.sockets.fds, sizeof(child.sockets));
    for (size_t i = 0; i < WARDS_MAX; i++) {
        struct ward *other = &monitor.wards[i];
        if (other->role == WARD_NONE)
            continue;
        close(other->channel);
        close(other->table_fd);
        pulse_unmap(other->table);
        sockets_close(&other->sockets);
    }
    close(monitor.signal_fd);
    daemon_is_child();
    ward->table->starts = monitor.starts;
    atomic_store(&ward->table->limit_ns, watch_settings()->limit_ns);
    child_self = child;
    setpgid(0, 0); /* what a terminal sends, the monitor sends on */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1); /* it was over before the line above */
    sigprocmask(SIG_SETMASK, &monitor.mask_before, NULL);
}

/* In the child. */
static void __attribute__((noreturn)) be_child(struct ward *ward, bool executes)
{
    if (!executes) {
        pulse_attend(ward->table);
        close(ward->table_fd);
        if (ward->table->starts > 1 && start_again() != 0)
            mtevL(mtev_error, "it goes on with the configuration of before\n");
        exit(child_serve(monitor.serve));
    }
    int err = child_write_environment(&child_self, ward->table_fd);
    if (err == 0)
        err = program_execute();
    mtevL(mtev_error, "monitor: %s cannot be executed: %s\n", program_path(),
          strerrordesc_np(-err));
    exit(START_STATUS_WRONG);
}

/* Start a process in that role.  Returns 0 or -errno. */
static int start(enum ward_role role)
{
    struct ward *slot = find_role(WARD_NONE), ward;
    const pid_t self = getpid();
    int channel;
    if (slot == NULL)
        return -EAGAIN;
    monitor.starts++;
    pid_t pid = ward_fork(&ward, &channel);
    if (pid == 0) {
        leave_monitor(&ward, channel, self);
        be_child(&ward, role == WARD_SUCCEEDING || monitor.has_program);
    }
    if (pid < 0)
        return pid;
    ward.role = role;
    if (role == WARD_SUCCEEDING)
        ward.deadline_ns = ward.started_ns + (uint64_t)watch_settings()->ready_s * CLOCK_NS_PER_S;
    *slot = ward;
    return 0;
}

static void start_serving(void)
{
    monitor.start_ns = 0;
    int err = start(WARD_STARTING);
    if (err == 0)
        return;
    mtevL(mtev_error, "monitor: no process can be started: %s\n", strerrordesc_np(-err));
    monitor.start_ns = clock_mono_ns() + CLOCK_NS_PER_S;
}

/* ---- ending them ----------------------------------------------------------------- */

/* What is meant goes with it, so that who has the signal from somebody else, too, sees it once. */
static void tell_stop(struct ward *ward, enum signals_stop what)
{
    if (ward->role == WARD_ACCUSED || ward->role == WARD_CONDEMNED) {
        (void)kill(ward->pid, SIGKILL);
        return;
    }
    (void)sigqueue(ward->pid, SIGTERM, (union sigval){.sival_int = (int)what});
    if (what != SIGNALS_END && ward->role != WARD_DRAINING) {
        ward->role = WARD_DRAINING;
        ward->deadline_ns = clock_mono_ns() + ward->drain_ns + LATE_NS_MAX;
    }
}

static void stop_glider(struct ward *ward)
{
    if (ward->glider > 0)
        (void)kill(ward->glider, SIGKILL);
    ward->glider = 0;
}

static void stop(int level)
{
    monitor.stop_level = MIN(2, monitor.stop_level + level);
    monitor.start_ns = 0;
    if (monitor.last == 0) {
        const struct ward *serving = find_main();
        monitor.last = serving == NULL ? NOBODY : serving->pid;
        notify_stopping();
    }
    for (size_t i = 0; i < WARDS_MAX; i++)
        if (monitor.wards[i].role != WARD_NONE)
            tell_stop(&monitor.wards[i], monitor.stop_level == 1 ? SIGNALS_DRAIN : SIGNALS_END);
}

static void end(int status)
{
    if (!monitor.is_over)
        monitor.status = status;
    monitor.is_over = true;
}

/* End what is left, and wait for it. */
static void end_all(void)
{
    for (size_t i = 0; i < WARDS_MAX; i++) {
        struct ward *ward = &monitor.wards[i];
        if (ward->role == WARD_NONE)
            continue;
        stop_glider(ward);
        (void)kill(ward->pid, SIGKILL);
        while (waitpid(ward->pid, NULL, 0) == -1 && errno == EINTR)
            ;
        ward_end(ward);
    }
}

/* ---- a death --------------------------------------------------------------------- */

/* Note it; true if there were too many. */
static bool count_death(uint64_t now_ns)
{
    const struct watch_settings *settings = watch_settings();
    const uint64_t span_ns = (uint64_t)settings->span_s * CLOCK_NS_PER_S;
    size_t in_span = 0;
    monitor.deaths[monitor.death_count++ % (WATCH_RETRIES_MAX + 1)] = now_ns;
    const size_t kept = MIN(monitor.death_count, WATCH_RETRIES_MAX + 1);
    for (size_t i = 0; i < kept; i++)
        in_span += now_ns - monitor.deaths[i] < span_ns;
    return in_span > (size_t)settings->retries;
}

/* When to start the next one: at once, unless this one had hardly begun. */
static uint64_t restart_ns(const struct ward *ward, uint64_t now_ns)
{
    if (now_ns - ward->started_ns >= SHORT_LIFE_NS)
        monitor.short_lives = 0;
    else
        monitor.short_lives++;
    if (monitor.short_lives <= 1)
        return now_ns;
    return now_ns + (BACK_OFF_NS << MIN(monitor.short_lives - 2, BACK_OFF_MAX));
}

static bool is_to_be_started_again(int status)
{
    if (WIFEXITED(status))
        return WEXITSTATUS(status) != 0 && WEXITSTATUS(status) != START_STATUS_WRONG;
    return WTERMSIG(status) != SIGINT && WTERMSIG(status) != SIGQUIT;
}

static int status_of(int status)
{
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Of one that was told to end, maybe before it could handle the signal. */
static int status_when_stopped(int status)
{
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM ? 0 : status_of(status);
}

/* Whoever should serve has died. */
static void replace(const struct ward *dead, int status)
{
    const uint64_t now_ns = clock_mono_ns();
    if (!is_to_be_started_again(status)) {
        end(WIFEXITED(status) ? WEXITSTATUS(status) : 0);
    } else if (count_death(now_ns)) {
        mtevL(mtev_error, "monitor: more than %" PRId64 " deaths in %" PRId64 " s: it gives up\n",
              watch_settings()->retries, watch_settings()->span_s);
        end(dead->role == WARD_STARTING ? status_of(status) : GAVE_UP);
    } else if (find_role(WARD_SUCCEEDING) == NULL) { /* it takes over as it is */
        monitor.start_ns = restart_ns(dead, now_ns);
    }
}

/* What a child that crashed had to say goes to the log, line by line. */
static void say_last_words(const struct ward *ward)
{
    const char *words = ward->table->words;
    const size_t len = MIN(atomic_load(&ward->table->words_len), PULSE_WORDS_MAX);
    for (size_t at = 0; at < len;) {
        const char *end = memchr(words + at, '\n', len - at);
        const size_t line_len = end == NULL ? len - at : (size_t)(end - words) - at;
        mtevL(mtev_error, "%.*s\n", (int)MIN(line_len, LINE_LEN_MAX), words + at);
        at += line_len + 1;
    }
}

static void bury(struct ward *ward, int status)
{
    char how[96];
    const bool was_successor = ward->role == WARD_SUCCEEDING || ward->was_successor;
    stop_glider(ward);
    say_last_words(ward);
    const bool was_draining = ward->role == WARD_DRAINING;
    const bool is_clean = monitor.stop_level > 0 ? status_when_stopped(status) == 0 : status == 0;
    if (!is_clean && (!WIFEXITED(status) || !was_successor))
        mtevL(mtev_error, "monitor: process %d %s\n", (int)ward->pid,
              ward_end_text(status, how, sizeof(how)));
    if (was_successor) {
        mtevL(mtev_error, "monitor: the upgrade has failed: process %d %s before it was ready\n",
              (int)ward->pid, ward_end_text(status, how, sizeof(how)));
        if (find_main() != ward)
            say_status(find_main());
        else if (monitor.stop_level == 0)
            monitor.start_ns = clock_mono_ns();
    } else if (monitor.stop_level > 0) {
        if (ward->pid == monitor.last)
            monitor.status = status_when_stopped(status);
    } else if (!was_draining) {
        replace(ward, status);
    }
    ward_end(ward);
}

static void reap(void)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        struct ward *ward = find_pid(pid);
        if (ward != NULL)
            bury(ward, status);
        for (size_t i = 0; ward == NULL && i < WARDS_MAX; i++)
            if (monitor.wards[i].glider == pid) {
                monitor.wards[i].glider = GLIDER_DONE;
                monitor.wards[i].deadline_ns = 1; /* at once */
            }
    }
}

/* ---- an accusation --------------------------------------------------------------- */

static void accuse(struct ward *ward, int tid)
{
    ward->was_successor = ward->role == WARD_SUCCEEDING;
    ward->role = WARD_ACCUSED;
    ward->deadline_ns = clock_mono_ns() + ANSWER_NS;
    if (tid >= 0)
        ward_accuse(ward, tid);
}

/* It has said where it is, or will never: let it end. */
static void condemn(struct ward *ward)
{
    stop_glider(ward);
    ward->role = WARD_CONDEMNED;
    ward->deadline_ns = clock_mono_ns() + CORE_NS_MAX;
    if (!ward->has_told || channel_send(ward->channel, CHANNEL_END, 0, -1) != 0)
        (void)kill(ward->pid, SIGKILL);
}

/* Its crash is told, or it is time. */
static void look_into(struct ward *ward, bool has_told)
{
    const char *why = has_told ? "crash" : "watchdog";
    if (ward->role != WARD_ACCUSED)
        accuse(ward, -1);
    ward->has_told = has_told;
    ward->glider = ward_start_glider(ward, why);
    ward->deadline_ns = clock_mono_ns() + GLIDER_NS_MAX;
    if (ward->glider == 0)
        condemn(ward);
}

static void look_at_pulses(uint64_t now_ns)
{
    for (size_t i = 0; i < WARDS_MAX; i++) {
        struct ward *ward = &monitor.wards[i];
        uint64_t busy_ns;
        if (ward->role != WARD_SERVING)
            continue;
        int index = pulse_look(ward->table, &ward->watch, now_ns, &busy_ns);
        if (index < 0)
            continue;
        const struct pulse *pulse = &ward->table->pulses[index];
        mtevL(mtev_error,
              "monitor: %.*s of process %d has been busy with one thing for %" PRIu64 ".%" PRIu64
              " s: it is ended\n",
              PULSE_NAME_MAX, pulse->name, (int)ward->pid, busy_ns / CLOCK_NS_PER_S,
              busy_ns % CLOCK_NS_PER_S / (CLOCK_NS_PER_S / 10));
        accuse(ward, atomic_load(&pulse->tid));
    }
}

/* ---- messages -------------------------------------------------------------------- */

/* What it said of sockets was all: these count now. */
static void adopt_sockets(struct ward *ward)
{
    sockets_close(&monitor.sockets);
    monitor.sockets = ward->sockets;
    ward->sockets.count = 0;
}

static void become_ready(struct ward *ward, int32_t drain_s)
{
    struct ward *before = find_role(WARD_SERVING);
    ward->drain_ns = (uint64_t)MAX(drain_s, 0) * CLOCK_NS_PER_S;
    if (ward->role != WARD_STARTING && ward->role != WARD_SERVING &&
        ward->role != WARD_SUCCEEDING) { /* those of whoever serves count */
        sockets_close(&ward->sockets);
        return;
    }
    adopt_sockets(ward);
    if (ward->role == WARD_SUCCEEDING) {
        monitor.has_program = true;
        mtevL(mtev_notice, "monitor: process %d serves in place of process %d\n", (int)ward->pid,
              before == NULL ? 0 : (int)before->pid);
        if (before != NULL)
            tell_stop(before, SIGNALS_SUCCEEDED);
    } else if (ward->role != WARD_STARTING) {
        return; /* its listeners have changed */
    }
    ward->role = WARD_SERVING;
    ward->deadline_ns = 0;
    monitor.start_ns = 0;
    say_status(ward);
    daemon_is_ready();
}

static void obey(struct ward *ward, const struct channel_message *message, int fd)
{
    if (message->word == CHANNEL_SOCKET && fd >= 0 && ward->sockets.count < CHILD_SOCKETS_MAX) {
        ward->sockets.fds[ward->sockets.count++] = fd;
        return;
    }
    if (fd >= 0) {
        mtevL(mtev_error, "monitor: more than %d sockets: one is not kept\n", CHILD_SOCKETS_MAX);
        close(fd);
    }
    if (message->word == CHANNEL_READY)
        become_ready(ward, message->number);
    else if (message->word == CHANNEL_RELOADED && ward->role == WARD_SERVING)
        say_status(ward);
    else if (message->word == CHANNEL_CRASHED && ward->role != WARD_CONDEMNED)
        look_into(ward, true);
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

static void upgrade(void)
{
    struct ward *before = find_role(WARD_SERVING);
    if (before == NULL || find_role(WARD_SUCCEEDING) != NULL || monitor.stop_level > 0) {
        mtevL(mtev_error, "monitor: no upgrade now: %s\n",
              before == NULL ? "nobody serves" : "one is under way");
        return;
    }
    int err = start(WARD_SUCCEEDING);
    if (err != 0)
        mtevL(mtev_error, "monitor: no upgrade: %s\n",
              err == -EAGAIN ? "too many processes still drain" : strerrordesc_np(-err));
    else
        notify_say("STATUS=Serving, and starting its successor");
}

/* Send the signal on to whoever serves, which sees that it is not a person's second one. */
static void pass_on(int number)
{
    struct ward *ward = find_role(WARD_SERVING);
    if (ward != NULL)
        (void)kill(ward->pid, number);
}

static void take_signal(int number)
{
    switch (number) {
    case SIGTERM:
    case SIGINT:
        stop(1);
        break;
    case SIGQUIT:
        stop(2);
        break;
    case SIGHUP:
        if (mtev_log_reopen_all() != 0)
            mtevL(mtev_error, "a log file cannot be opened anew: %s\n", strerrordesc_np(errno));
        if (find_role(WARD_SERVING) != NULL)
            notify_reloading();
        pass_on(number);
        break;
    case SIGUSR1:
        pass_on(number);
        break;
    case SIGUSR2:
        upgrade();
        break;
    default: /* SIGCHLD: all are looked for, after what they have said */
        break;
    }
}

static void take_signals(void)
{
    struct signalfd_siginfo info;
    while (read(monitor.signal_fd, &info, sizeof(info)) == sizeof(info))
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
            look_into(ward, false);
        else
            condemn(ward);
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
        struct ward *ward = &monitor.wards[i];
        if (ward->role != WARD_NONE && ward->deadline_ns != 0 && ward->deadline_ns <= now_ns)
            act_on_deadline(ward);
    }
    look_at_pulses(now_ns);
    if (monitor.start_ns != 0 && monitor.start_ns <= now_ns)
        start_serving();
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
    uint64_t next = monitor.start_ns;
    if (every_ns != 0)
        next = earlier(next, now_ns + every_ns);
    for (size_t i = 0; i < WARDS_MAX; i++) {
        const struct ward *ward = &monitor.wards[i];
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
    struct pollfd fds[WARDS_MAX + 1] = {{.fd = monitor.signal_fd, .events = POLLIN}};
    uint64_t now_ns = clock_mono_ns();
    const uint64_t until_ns = next_ns(now_ns);
    const struct timespec timeout = clock_timespec(until_ns > now_ns ? until_ns - now_ns : 0);
    for (size_t i = 0; i < WARDS_MAX; i++)
        fds[i + 1] = (struct pollfd){
            .fd = monitor.wards[i].role == WARD_NONE ? -1 : monitor.wards[i].channel,
            .events = POLLIN};
    (void)ppoll(fds, WARDS_MAX + 1, until_ns == 0 ? NULL : &timeout, NULL);
    take_signals();
    for (size_t i = 0; i < WARDS_MAX; i++)
        if (monitor.wards[i].role != WARD_NONE)
            take_messages(&monitor.wards[i]);
    reap();
    act_on_time(clock_mono_ns());
    const bool is_alone = find_main() == NULL && find_role(WARD_DRAINING) == NULL;
    if (monitor.stop_level > 0 && is_alone)
        end(monitor.status);
}

static int begin(int (*serve)(void))
{
    sigset_t mask;
    sigemptyset(&mask);
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        sigaddset(&mask, signals[i]);
    monitor.serve = serve;
    for (size_t i = 0; i < WARDS_MAX; i++)
        monitor.wards[i].channel = monitor.wards[i].table_fd = -1;
    sigprocmask(SIG_BLOCK, &mask, &monitor.mask_before);
    monitor.signal_fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
    return monitor.signal_fd < 0 ? -errno : 0;
}

int monitor_run(int (*serve)(void))
{
    int err = begin(serve);
    if (err != 0) {
        mtevL(mtev_error, "monitor: %s\n", strerrordesc_np(-err));
        return START_STATUS_WRONG;
    }
    start_serving();
    while (!monitor.is_over)
        turn();
    end_all();
    daemon_has_failed(monitor.status);
    sockets_close(&monitor.sockets);
    close(monitor.signal_fd);
    sigprocmask(SIG_SETMASK, &monitor.mask_before, NULL);
    return monitor.status;
}
