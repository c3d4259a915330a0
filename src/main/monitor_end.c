/* SPDX-License-Identifier: MIT */
/*
 * monitor_end.c - how one is told to end, and what follows from an end.
 */
#include "main/monitor_impl.h"

#include "base/clock.h"
#include "base/list.h"
#include "main/notify.h"
#include "main/start.h"

#include <inttypes.h>
#include <sys/wait.h>

#define SHORT_LIFE_NS (500 * CLOCK_NS_PER_MS) /* whoever dies younger is waited with */
#define BACK_OFF_NS   (100 * CLOCK_NS_PER_MS) /* the first time; then twice as long */
#define BACK_OFF_MAX  6                       /* doublings */
#define LATE_NS_MAX   (5 * CLOCK_NS_PER_S)    /* beyond the time that a child may drain */
#define NOBODY        (-1)                    /* in place of an id */
#define GAVE_UP       0                       /* the status when there were too many deaths */

/* ---- ending them ----------------------------------------------------------------- */

/* What is meant goes with it, so that who has the signal from somebody else, too, sees it once. */
void monitor_tell_stop(struct ward *ward, enum signals_stop what)
{
    if (ward->role == WARD_ACCUSED || ward->role == WARD_CONDEMNED) {
        (void)kill(ward->pid, SIGKILL);
        return;
    }
    (void)sigqueue(ward->pid, SIGTERM, (union sigval){.sival_int = (int)what});
    if (ward->is_stopped)
        (void)kill(ward->pid, SIGCONT);
    const uint64_t drain_ns = what == SIGNALS_END ? 0 : ward->drain_ns;
    const uint64_t deadline_ns = clock_mono_ns() + drain_ns + LATE_NS_MAX;
    if (ward->role != WARD_DRAINING || deadline_ns < ward->deadline_ns)
        ward->deadline_ns = deadline_ns;
    ward->role = WARD_DRAINING;
}

void monitor_stop(int level)
{
    const struct ward *serving = monitor_find_main();
    if (monitor_self.stop_level == 0)
        notify_stopping();
    if (monitor_self.last == 0)
        monitor_self.last = serving == NULL ? NOBODY : serving->pid;
    monitor_self.stop_level = MIN(2, monitor_self.stop_level + level);
    monitor_self.start_ns = 0;
    for (size_t i = 0; i < WARDS_MAX; i++)
        if (monitor_self.wards[i].role != WARD_NONE)
            monitor_tell_stop(&monitor_self.wards[i],
                              monitor_self.stop_level == 1 ? SIGNALS_DRAIN : SIGNALS_END);
}

/* Nobody serves any more: those that still drain may do so, and then that is the status. */
static void stop_with(int status)
{
    monitor_self.last = NOBODY;
    monitor_self.status = status;
    monitor_stop(1);
}

/* ---- a death --------------------------------------------------------------------- */

/* Note it; true if there were too many. */
static bool count_death(uint64_t now_ns)
{
    const struct watch_settings *settings = watch_settings();
    const uint64_t span_ns = (uint64_t)settings->span_s * CLOCK_NS_PER_S;
    size_t in_span = 0;
    monitor_self.deaths[monitor_self.death_count++ % (WATCH_RETRIES_MAX + 1)] = now_ns;
    const size_t kept = MIN(monitor_self.death_count, WATCH_RETRIES_MAX + 1);
    for (size_t i = 0; i < kept; i++)
        in_span += now_ns - monitor_self.deaths[i] < span_ns;
    return in_span > (size_t)settings->retries;
}

/* When to start the next one: at once, unless this one had hardly begun. */
static uint64_t restart_ns(uint64_t started_ns, uint64_t now_ns)
{
    if (now_ns - started_ns >= SHORT_LIFE_NS)
        monitor_self.short_lives = 0;
    else
        monitor_self.short_lives++;
    if (monitor_self.short_lives <= 1)
        return now_ns;
    return now_ns + (BACK_OFF_NS << MIN(monitor_self.short_lives - 2, BACK_OFF_MAX));
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

/* Whoever should serve, or was about to, has died. */
static void replace(enum ward_role duty, uint64_t started_ns, int status)
{
    const uint64_t now_ns = clock_mono_ns();
    if (!is_to_be_started_again(status)) {
        stop_with(WIFEXITED(status) ? WEXITSTATUS(status) : 0);
    } else if (count_death(now_ns)) {
        mtevL(mtev_error, "monitor: more than %" PRId64 " deaths in %" PRId64 " s: it gives up\n",
              watch_settings()->retries, watch_settings()->span_s);
        stop_with(duty == WARD_STARTING ? status_of(status) : GAVE_UP);
    } else if (monitor_find_role(WARD_SUCCEEDING) == NULL) { /* it takes over as it is */
        monitor_self.start_ns = restart_ns(started_ns, now_ns);
    }
}

/* One that was to succeed whoever serves has died. */
static void give_upgrade_up(pid_t pid, const char *how)
{
    const struct ward *serving = monitor_find_role(WARD_SERVING);
    mtevL(mtev_error, "monitor: the upgrade has failed: process %d %s before it was ready\n",
          (int)pid, how);
    if (serving != NULL)
        monitor_say_status(serving);
    else if (monitor_find_main() == NULL && monitor_self.stop_level == 0)
        monitor_self.start_ns = clock_mono_ns(); /* that one has died meanwhile */
}

static void bury(struct ward *ward, int status)
{
    char how[96];
    const pid_t pid = ward->pid;
    const uint64_t started_ns = ward->started_ns;
    const enum ward_role duty = ward_duty(ward);
    const bool is_clean =
        monitor_self.stop_level > 0 ? status_when_stopped(status) == 0 : status == 0;
    ward_fate(status, how, sizeof(how));
    monitor_stop_glider(ward);
    monitor_say_last_words(ward);
    ward_end(ward);
    if (!is_clean && (!WIFEXITED(status) || duty != WARD_SUCCEEDING))
        mtevL(mtev_error, "monitor: process %d %s\n", (int)pid, how);
    if (duty == WARD_SUCCEEDING)
        give_upgrade_up(pid, how);
    else if (monitor_self.stop_level == 0 && duty != WARD_DRAINING)
        replace(duty, started_ns, status);
    else if (pid == monitor_self.last)
        monitor_self.status = status_when_stopped(status);
}

/* Somebody has stopped it, or had it go on: what it was busy with is not its fault. */
static void note_stop(struct ward *ward, int status)
{
    char how[96];
    ward->is_stopped = WIFSTOPPED(status);
    ward->watch = (struct pulse_watch){0};
    if (ward->is_stopped && ward->role == WARD_DRAINING)
        (void)kill(ward->pid, SIGCONT);
    mtevL(mtev_notice, "monitor: process %d %s\n", (int)ward->pid,
          ward_fate(status, how, sizeof(how)));
}

static void forget_glider(pid_t pid)
{
    for (size_t i = 0; i < WARDS_MAX; i++)
        if (monitor_self.wards[i].glider == pid) {
            monitor_self.wards[i].glider = MONITOR_GLIDER_DONE;
            monitor_self.wards[i].deadline_ns = 1; /* at once */
        }
}

void monitor_reap(void)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG | WUNTRACED | WCONTINUED)) > 0) {
        struct ward *ward = monitor_find_pid(pid);
        const bool has_ended = !WIFSTOPPED(status) && !WIFCONTINUED(status);
        if (ward != NULL && has_ended)
            bury(ward, status);
        else if (ward != NULL)
            note_stop(ward, status);
        else if (has_ended)
            forget_glider(pid);
    }
}
