/* SPDX-License-Identifier: MIT */
/*
 * monitor_end.c - how one is told to end, and what follows from an end.
 */
#include "main/monitor_impl.h"

#include "base/clock.h"
#include "base/list.h"
#include "main/notify.h"
#include "main/start.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/wait.h>

#define SHORT_LIFE_NS (500 * CLOCK_NS_PER_MS) /* whoever dies younger is waited with */
#define BACK_OFF_NS   (100 * CLOCK_NS_PER_MS) /* the first time; then twice as long */
#define BACK_OFF_MAX  6                       /* doublings */
#define LATE_NS_MAX   (5 * CLOCK_NS_PER_S)    /* beyond the time that a child may drain */
#define LINE_LEN_MAX  1024                    /* of what a child had to say */
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
    if (what != SIGNALS_END && ward->role != WARD_DRAINING) {
        ward->role = WARD_DRAINING;
        ward->deadline_ns = clock_mono_ns() + ward->drain_ns + LATE_NS_MAX;
    }
}

void monitor_stop(int level)
{
    monitor_self.stop_level = MIN(2, monitor_self.stop_level + level);
    monitor_self.start_ns = 0;
    if (monitor_self.last == 0) {
        const struct ward *serving = monitor_find_main();
        monitor_self.last = serving == NULL ? NOBODY : serving->pid;
        notify_stopping();
    }
    for (size_t i = 0; i < WARDS_MAX; i++)
        if (monitor_self.wards[i].role != WARD_NONE)
            monitor_tell_stop(&monitor_self.wards[i],
                              monitor_self.stop_level == 1 ? SIGNALS_DRAIN : SIGNALS_END);
}

void monitor_end(int status)
{
    if (!monitor_self.is_over)
        monitor_self.status = status;
    monitor_self.is_over = true;
}

void monitor_end_all(void)
{
    for (size_t i = 0; i < WARDS_MAX; i++) {
        struct ward *ward = &monitor_self.wards[i];
        if (ward->role == WARD_NONE)
            continue;
        monitor_stop_glider(ward);
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
    monitor_self.deaths[monitor_self.death_count++ % (WATCH_RETRIES_MAX + 1)] = now_ns;
    const size_t kept = MIN(monitor_self.death_count, WATCH_RETRIES_MAX + 1);
    for (size_t i = 0; i < kept; i++)
        in_span += now_ns - monitor_self.deaths[i] < span_ns;
    return in_span > (size_t)settings->retries;
}

/* When to start the next one: at once, unless this one had hardly begun. */
static uint64_t restart_ns(const struct ward *ward, uint64_t now_ns)
{
    if (now_ns - ward->started_ns >= SHORT_LIFE_NS)
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

/* Whoever should serve has died. */
static void replace(const struct ward *dead, int status)
{
    const uint64_t now_ns = clock_mono_ns();
    if (!is_to_be_started_again(status)) {
        monitor_end(WIFEXITED(status) ? WEXITSTATUS(status) : 0);
    } else if (count_death(now_ns)) {
        mtevL(mtev_error, "monitor: more than %" PRId64 " deaths in %" PRId64 " s: it gives up\n",
              watch_settings()->retries, watch_settings()->span_s);
        monitor_end(dead->role == WARD_STARTING ? status_of(status) : GAVE_UP);
    } else if (monitor_find_role(WARD_SUCCEEDING) == NULL) { /* it takes over as it is */
        monitor_self.start_ns = restart_ns(dead, now_ns);
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
    monitor_stop_glider(ward);
    say_last_words(ward);
    const bool was_draining = ward->role == WARD_DRAINING;
    const bool is_clean =
        monitor_self.stop_level > 0 ? status_when_stopped(status) == 0 : status == 0;
    if (!is_clean && (!WIFEXITED(status) || !was_successor))
        mtevL(mtev_error, "monitor: process %d %s\n", (int)ward->pid,
              ward_end_text(status, how, sizeof(how)));
    if (was_successor) {
        mtevL(mtev_error, "monitor: the upgrade has failed: process %d %s before it was ready\n",
              (int)ward->pid, ward_end_text(status, how, sizeof(how)));
        if (monitor_find_main() != ward)
            monitor_say_status(monitor_find_main());
        else if (monitor_self.stop_level == 0)
            monitor_self.start_ns = clock_mono_ns();
    } else if (monitor_self.stop_level > 0) {
        if (ward->pid == monitor_self.last)
            monitor_self.status = status_when_stopped(status);
    } else if (!was_draining) {
        replace(ward, status);
    }
    ward_end(ward);
}

void monitor_reap(void)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        struct ward *ward = monitor_find_pid(pid);
        if (ward != NULL)
            bury(ward, status);
        for (size_t i = 0; ward == NULL && i < WARDS_MAX; i++)
            if (monitor_self.wards[i].glider == pid) {
                monitor_self.wards[i].glider = MONITOR_GLIDER_DONE;
                monitor_self.wards[i].deadline_ns = 1; /* at once */
            }
    }
}
