/* SPDX-License-Identifier: MIT */
/*
 * A program in the style of libmtev's examples: it starts everything that they start, in an order
 * that its first argument chooses, with modules that are not there.  It ends with status 0 once all
 * is ready, and prints nothing if all is well.
 */
#include <mtev_defines.h>

#include <eventer/eventer.h>
#include <mtev_capabilities_listener.h>
#include <mtev_conf.h>
#include <mtev_console.h>
#include <mtev_dso.h>
#include <mtev_events_rest.h>
#include <mtev_heap_profiler.h>
#include <mtev_listener.h>
#include <mtev_log.h>
#include <mtev_main.h>
#include <mtev_memory.h>
#include <mtev_rest.h>
#include <mtev_stats.h>

#define APPNAME "startup"

static const char *order;
static int called;

static int say_hello(mtev_console_closure_t ncct, int argc, char **argv,
                     mtev_console_state_t *state, void *closure)
{
    (void)argc, (void)argv, (void)state, (void)closure;
    return nc_printf(ncct, "hello\n") < 0;
}

static void add_commands(void)
{
    mtev_console_state_t *tl = mtev_console_state_initial();
    cmd_info_t *show = mtev_console_state_get_cmd(tl, "show");
    mtevAssert(show != NULL && show->dstate != NULL);
    mtevAssert(mtev_console_state_add_cmd(
        show->dstate, NCSCMD("hello", say_hello, mtev_console_opt_delegate, NULL, NULL)));
    mtevAssert(mtev_console_mksubdelegate(tl, "hello") != NULL);
}

static mtev_hook_return_t count_call(void *closure)
{
    (void)closure;
    called++;
    return MTEV_HOOK_CONTINUE;
}

static void start(char part)
{
    switch (part) {
    case 'c':
        mtev_console_init(APPNAME);
        mtev_console_conf_init();
        add_commands();
        break;
    case 'e':
        mtev_events_rest_init();
        break;
    case 's':
        mtev_stats_rest_init();
        break;
    case 'h':
        mtev_heap_profiler_rest_init();
        break;
    case 'a':
        mtev_capabilities_listener_init();
        break;
    case 'r':
        mtev_http_rest_init();
        break;
    case 'd':
        mtevAssert(mtev_dso_init() == 0);
        break;
    case 'l':
        mtev_listener_init(APPNAME);
        break;
    default:
        mtevFatal(mtev_error, "no part is called %c\n", part);
    }
}

static int child_main(void)
{
    if (mtev_conf_load(NULL) == -1)
        return 1;
    eventer_init();
    for (const char *part = order; *part != '\0'; part++)
        start(*part);
    dso_post_init_hook_register("startup", count_call, NULL);
    mtev_dso_post_init();
    mtevAssert(called == 1 && mtev_dso_load_failures() == 0);
    mtev_conf_coalesce_changes(10);
    mtev_conf_watch_and_journal_watchdog(mtev_conf_write_log, NULL);
    eventer_loop_return();
    return 0;
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    order = argv[1];
    mtev_memory_init();
    return mtev_main(APPNAME, argv[2], 0, 1, MTEV_LOCK_OP_LOCK, NULL, NULL, NULL, child_main);
}
