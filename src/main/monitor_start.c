/* SPDX-License-Identifier: MIT */
/*
 * monitor_start.c - who there is, and how another one is started.
 */
#include "main/monitor_impl.h"

#include "base/clock.h"
#include "main/daemon.h"
#include "main/notify.h"
#include "main/program.h"
#include "main/start.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

/* ---- who there is ---------------------------------------------------------------- */

struct ward *monitor_find_role(enum ward_role role)
{
    for (size_t i = 0; i < WARDS_MAX; i++)
        if (monitor_self.wards[i].role == role)
            return &monitor_self.wards[i];
    return NULL;
}

struct ward *monitor_find_pid(pid_t pid)
{
    for (size_t i = 0; i < WARDS_MAX; i++)
        if (monitor_self.wards[i].role != WARD_NONE && monitor_self.wards[i].pid == pid)
            return &monitor_self.wards[i];
    return NULL;
}

struct ward *monitor_find_main(void)
{
    static const enum ward_role duties[] = {WARD_SERVING, WARD_STARTING, WARD_SUCCEEDING};
    for (size_t d = 0; d < sizeof(duties) / sizeof(duties[0]); d++)
        for (size_t i = 0; i < WARDS_MAX; i++)
            if (ward_duty(&monitor_self.wards[i]) == duties[d])
                return &monitor_self.wards[i];
    return NULL;
}

void monitor_say_status(const struct ward *ward)
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
    child.socket_count = monitor_self.sockets.count;
    memcpy(child.sockets, monitor_self.sockets.fds, sizeof(child.sockets));
    for (size_t i = 0; i < WARDS_MAX; i++) {
        struct ward *other = &monitor_self.wards[i];
        if (other->role == WARD_NONE)
            continue;
        close(other->channel);
        close(other->table_fd);
        pulse_unmap(other->table);
        sockets_close(&other->sockets);
    }
    close(monitor_self.signal_fd);
    daemon_is_child();
    ward->table->starts = monitor_self.starts;
    atomic_store(&ward->table->limit_ns, watch_settings()->limit_ns);
    child_self = child;
    setpgid(0, 0); /* what a terminal sends, the monitor sends on */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1); /* it was over before the line above */
    sigprocmask(SIG_SETMASK, &monitor_self.mask_before, NULL);
}

/* In the child. */
static void __attribute__((noreturn)) be_child(struct ward *ward, bool executes)
{
    if (!executes) {
        pulse_attend(ward->table);
        close(ward->table_fd);
        if (ward->table->starts > 1 && start_again() != 0)
            mtevL(mtev_error, "it goes on with the configuration of before\n");
        exit(child_serve(monitor_self.serve));
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
    struct ward *slot = monitor_find_role(WARD_NONE), ward;
    const pid_t self = getpid();
    int channel;
    if (slot == NULL)
        return -EAGAIN;
    monitor_self.starts++;
    pid_t pid = ward_fork(&ward, &channel);
    if (pid == 0) {
        leave_monitor(&ward, channel, self);
        be_child(&ward, role == WARD_SUCCEEDING || monitor_self.has_program);
    }
    if (pid < 0)
        return pid;
    ward.role = role;
    if (role == WARD_SUCCEEDING)
        ward.deadline_ns = ward.started_ns + (uint64_t)watch_settings()->ready_s * CLOCK_NS_PER_S;
    *slot = ward;
    return 0;
}

void monitor_start_serving(void)
{
    monitor_self.start_ns = 0;
    int err = start(WARD_STARTING);
    if (err == 0)
        return;
    mtevL(mtev_error, "monitor: no process can be started: %s\n", strerrordesc_np(-err));
    monitor_self.start_ns = clock_mono_ns() + CLOCK_NS_PER_S;
}

void monitor_upgrade(void)
{
    int err = start(WARD_SUCCEEDING);
    if (err != 0)
        mtevL(mtev_error, "monitor: no upgrade: %s\n",
              err == -EAGAIN ? "too many processes still drain" : strerrordesc_np(-err));
    else
        notify_say("STATUS=Serving, and starting its successor");
}
