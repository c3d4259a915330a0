/* SPDX-License-Identifier: MIT */
#include <eventer_run.h>
#include <mtev_memory.h>

#include "listener/listener.h"
#include "main/signals.h"
#include "main/start.h"

#include <stdio.h>
#include <unistd.h>

#define USAGE "usage: %s [-c FILE] [-D] [-d] [-h]"

/* The configuration of a program that has none, around its name. */
#define DEFAULT_CONFIGURATION                                                                      \
    "<%1$s>\n"                                                                                     \
    "  <listeners><listener type=\"http_rest_api\" address=\"127.0.0.1\" port=\"8080\"/>\n"        \
    "  </listeners>\n"                                                                             \
    "  <rest><acl><rule type=\"allow\"/></acl></rest>\n"                                           \
    "</%1$s>\n"
#define DEFAULT_CONFIGURATION_SIZE 512 /* with the longest name there may be */

enum command { /* what the arguments ask for */
    COMMAND_WRONG = 0,
    COMMAND_HELP,
    COMMAND_SERVE
};

/* ---- arguments ------------------------------------------------------------------- */

/* Print what is wrong with the arguments, and the usage, in one line. */
static enum command complain(const char *name, const char *what, int option)
{
    if (option != 0)
        fprintf(stderr, "%s: %s -%c (" USAGE ")\n", name, what, option, name);
    else
        fprintf(stderr, "%s: %s (" USAGE ")\n", name, what, name);
    return COMMAND_WRONG;
}

static enum command read_arguments(int argc, char **argv, struct start *start)
{
    int option;
    opterr = 0;
    while ((option = getopt(argc, argv, "+:c:Ddh")) != -1) {
        switch (option) {
        case 'c':
            start->path = optarg;
            break;
        case 'D':
            break;
        case 'd':
            start->debug = true;
            break;
        case 'h':
            return COMMAND_HELP;
        case ':':
            return complain(start->app_name, "no file for", optopt);
        default:
            return complain(start->app_name, "unknown option", optopt);
        }
    }
    return optind < argc ? complain(start->app_name, "more than options was given", 0)
                         : COMMAND_SERVE;
}

static void print_help(const char *name)
{
    printf(USAGE "\n"
                 "  -c FILE  read this configuration instead of the built-in one\n"
                 "  -D       stay in the foreground, which is what it always does\n"
                 "  -d       log for debugging\n"
                 "  -h       print this and end\n",
           name);
}

/* ---- serving --------------------------------------------------------------------- */

static int configure(const struct start *asked, const struct eventer_run_options *options)
{
    char text[DEFAULT_CONFIGURATION_SIZE];
    struct start start = *asked;
    if (start.path == NULL && options->configuration != NULL) {
        start.text = options->configuration;
    } else if (start.path == NULL) {
        snprintf(text, sizeof(text), DEFAULT_CONFIGURATION, options->name);
        start.text = text;
    }
    return start_configured(&start);
}

static void print_address(const char *address, void *closure)
{
    const char *const *name = closure;
    printf("%s: listening on %s\n", *name, address);
}

/* The child of mtev_main(), for a program that left it to us. */
static int serve(const struct eventer_run_options *options, bool greets)
{
    const char *name = options->name;
    if (eventer_init() != 0)
        return START_STATUS_WRONG;
    mtev_http_rest_init();
    if (options->setup != NULL && options->setup() != 0)
        return START_STATUS_WRONG;
    if (listener_init(options->name, true) != 0)
        return START_STATUS_WRONG;
    listener_each(print_address, &name);
    if (greets && options->greeting != NULL)
        fputs(options->greeting, stdout);
    fflush(stdout);
    eventer_loop();
    return 0;
}

int eventer_run(int argc, char **argv, const struct eventer_run_options *options)
{
    if (options == NULL || options->name == NULL) {
        mtevL(mtev_error, "eventer_run: the name of the program is missing\n");
        return START_STATUS_WRONG;
    }
    struct start start = {.app_name = options->name, .lock = MTEV_LOCK_OP_LOCK};
    enum command command = read_arguments(argc, argv, &start);
    if (command == COMMAND_WRONG)
        return START_STATUS_WRONG;
    if (command == COMMAND_HELP) {
        print_help(options->name);
        return 0;
    }
    mtev_memory_init();
    if (configure(&start, options) != 0 || signals_begin() != 0)
        return START_STATUS_WRONG;
    int status = serve(options, start.path == NULL);
    signals_end();
    return status;
}
