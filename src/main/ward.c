/* SPDX-License-Identifier: MIT */
#include "main/ward.h"

#include "base/clock.h"
#include "main/channel.h"
#include "main/crash.h"
#include "main/watch.h"

#include <conf/conf.h>
#include <mtev_log.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

void sockets_close(struct sockets *sockets)
{
    for (int i = 0; i < sockets->count; i++)
        close(sockets->fds[i]);
    sockets->count = 0;
}

static void close_both(const int ends[2])
{
    close(ends[0]);
    close(ends[1]);
}

pid_t ward_fork(struct ward *ward, int *child_channel)
{
    int ends[2], table_fd = -1;
    int err = channel_open(ends);
    if (err != 0)
        return err;
    struct pulse_table *table = pulse_make(&table_fd);
    if (table == NULL) {
        err = -errno;
        close_both(ends);
        return err;
    }
    fflush(NULL); /* what is not written yet would be written twice */
    pid_t pid = fork();
    if (pid < 0) {
        err = -errno;
        close_both(ends);
        pulse_unmap(table);
        close(table_fd);
        return err;
    }
    close(ends[pid == 0 ? 0 : 1]);
    *ward = (struct ward){.pid = pid,
                          .channel = pid == 0 ? -1 : ends[0],
                          .table = table,
                          .table_fd = table_fd,
                          .started_ns = clock_mono_ns()};
    *child_channel = pid == 0 ? ends[1] : -1;
    return pid;
}

void ward_end(struct ward *ward)
{
    if (ward->channel >= 0)
        close(ward->channel);
    if (ward->table_fd >= 0)
        close(ward->table_fd);
    pulse_unmap(ward->table);
    sockets_close(&ward->sockets);
    *ward = (struct ward){.role = WARD_NONE, .channel = -1, .table_fd = -1};
}

enum ward_role ward_duty(const struct ward *ward)
{
    const bool is_accused = ward->role == WARD_ACCUSED || ward->role == WARD_CONDEMNED;
    return is_accused ? ward->accused_as : ward->role;
}

const char *ward_fate(int status, char *buffer, size_t size)
{
    if (WIFEXITED(status))
        snprintf(buffer, size, "ended with status %d", WEXITSTATUS(status));
    else if (WIFSTOPPED(status))
        snprintf(buffer, size, "was stopped by signal %d", WSTOPSIG(status));
    else if (WIFCONTINUED(status))
        snprintf(buffer, size, "goes on");
    else
        snprintf(buffer, size, "was ended by signal %d (%s)%s", WTERMSIG(status),
                 sigdescr_np(WTERMSIG(status)) == NULL ? "?" : sigdescr_np(WTERMSIG(status)),
                 WCOREDUMP(status) ? " and left a core" : "");
    return buffer;
}

void ward_accuse(const struct ward *ward, int tid)
{
    if (tid <= 0 || syscall(SYS_tgkill, ward->pid, tid, CRASH_STALL_SIGNAL) != 0)
        (void)kill(ward->pid, CRASH_STALL_SIGNAL);
}

/*
 * In the glider's process: it has no terminal, and its output goes to a file of the folder for
 * traces, if there is one.
 */
static void redirect(const struct ward *ward)
{
    const struct watch_settings *settings = watch_settings();
    char path[WATCH_PATH_MAX + 128];
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (fd >= 0)
        dup2(fd, STDIN_FILENO);
    if (settings->trace_folder[0] == '\0' || !settings->has_traces)
        return;
    snprintf(path, sizeof(path), "%s/%s.%d.glider", settings->trace_folder, conf_app_name(),
             (int)ward->pid);
    fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0600);
    if (fd < 0)
        return;
    dup2(fd, STDOUT_FILENO);
    dup2(fd, STDERR_FILENO);
}

pid_t ward_start_glider(const struct ward *ward, const char *why)
{
    const char *path = watch_settings()->glider;
    char id[16];
    sigset_t none;
    if (path[0] == '\0')
        return 0;
    snprintf(id, sizeof(id), "%d", (int)ward->pid);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        setpgid(0, 0);
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        signal(SIGPIPE, SIG_DFL);
        signal(SIGXFSZ, SIG_DFL);
        redirect(ward);
        execl(path, path, id, why, (char *)NULL);
        mtevL(mtev_error, "monitor: the glider %s: %s\n", path, strerrordesc_np(errno));
        _exit(127);
    } else if (pid > 0)
        (void)setpgid(pid, pid); /* whoever comes first */
    else
        mtevL(mtev_error, "monitor: the glider is not started: %s\n", strerrordesc_np(errno));
    return pid < 0 ? 0 : pid;
}
