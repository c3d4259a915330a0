/* SPDX-License-Identifier: MIT */
#include <mtev_log.h>
#include <mtev_main.h>
#include <mtev_memory.h>

#include "base/memory.h"
#include "main/start.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static void report(const char *what)
{
    mtevL(mtev_error, "%s\n", what);
}

void mtev_memory_init(void)
{
    memory_report_to(report); /* all else is ready from the start */
}

void mtev_init_globals(void)
{
    mtev_memory_init();
}

/* ---- serving --------------------------------------------------------------------- */

static enum start_mode mode_of(int foreground)
{
    if (foreground == 1)
        return START_ALONE;
    return foreground == 0 ? START_BACKGROUND : START_MONITORED;
}

int mtev_main(const char *appname, const char *config_filename, int debug, int foreground,
              mtev_lock_op_t lock, const char *glider, const char *user, const char *group,
              int (*child)(void))
{
    const struct start start = {.app_name = appname,
                                .path = config_filename,
                                .debug = debug != 0,
                                .mode = mode_of(foreground),
                                .lock = lock,
                                .glider = glider,
                                .user = user,
                                .group = group};
    int status = START_STATUS_WRONG;
    if (start_and_serve(&start, child, &status) != 0)
        exit(START_STATUS_WRONG);
    return status;
}

/* ---- another process ------------------------------------------------------------- */

static int refuse(int err)
{
    errno = -err;
    return -1;
}

int mtev_main_status(const char *appname, const char *config_filename, int debug, pid_t *pid,
                     pid_t *pgid)
{
    const struct start start = {
        .app_name = appname, .path = config_filename, .debug = debug != 0, .mode = START_MONITORED};
    pid_t found = 0;
    int err = start_holder(&start, &found);
    if (err != 0)
        return refuse(err);
    if (pid != NULL)
        *pid = found;
    if (pgid != NULL)
        *pgid = getpgid(found);
    return 0;
}

int mtev_main_terminate(const char *appname, const char *config_filename, int debug)
{
    const struct start start = {
        .app_name = appname, .path = config_filename, .debug = debug != 0, .mode = START_MONITORED};
    int err = start_stop(&start);
    return err == 0 || err == -ESRCH ? 0 : refuse(err);
}
