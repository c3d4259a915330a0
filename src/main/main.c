/* SPDX-License-Identifier: MIT */
#include <mtev_log.h>
#include <mtev_main.h>
#include <mtev_memory.h>

#include "base/memory.h"
#include "main/signals.h"
#include "main/start.h"

#include <stdlib.h>

static void report(const char *what)
{
    mtevL(mtev_error, "%s\n", what);
}

void mtev_memory_init(void)
{
    memory_report_to(report); /* all else is ready from the start */
}

/* Return what is asked for and cannot be had yet, or NULL: better no process than half of one. */
static const char *unsupported(int foreground, const char *glider, const char *user,
                               const char *group)
{
    if (foreground != 1)
        return "to run as a daemon (foreground other than 1)";
    if (glider != NULL)
        return "a glider";
    if (user != NULL)
        return "to change the user";
    return group != NULL ? "to change the group" : NULL;
}

int mtev_main(const char *appname, const char *config_filename, int debug, int foreground,
              mtev_lock_op_t lock, const char *glider, const char *user, const char *group,
              int (*child)(void))
{
    const struct start start = {
        .app_name = appname, .path = config_filename, .debug = debug != 0, .lock = lock};
    const char *missing = unsupported(foreground, glider, user, group);
    if (missing != NULL)
        mtevL(mtev_error, "mtev_main: %s is not supported in this version\n", missing);
    if (missing != NULL || start_configured(&start) != 0 || signals_begin() != 0)
        exit(START_STATUS_WRONG);
    int status = child();
    signals_end();
    return status;
}
