/* SPDX-License-Identifier: MIT */
#include <eventer_run.h>
#include <mtev_memory.h>

#include "listener/listener.h"
#include "main/start.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define STATUS_NOT_RUNNING 3 /* of -k status */
#define STATUS_NOT_KNOWN   4

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
    COMMAND_SERVE,
    COMMAND_STOP,
    COMMAND_STATUS
};

static const struct eventer_run_options *options; /* of the program */
static bool greets;

/* ---- arguments ------------------------------------------------------------------- */

/* Print what is wrong with the arguments, in one line. */
static enum command complain(const char *name, const char *what, int option)
{
    if (option != 0)
        fprintf(stderr, "%s: %s -%c (see %s -h)\n", name, what, option, name);
    else
        fprintf(stderr, "%s: %s (see %s -h)\n", name, what, name);
    return COMMAND_WRONG;
}

static enum command command_called(const char *name, const char *word)
{
    if (strcmp(word, "start") == 0)
        return COMMAND_SERVE;
    if (strcmp(word, "stop") == 0)
        return COMMAND_STOP;
    if (strcmp(word, "status") == 0)
        return COMMAND_STATUS;
    return complain(name, "start, stop or status behind", 'k');
}

/* Take one option.  COMMAND_SERVE: the next one follows. */
static enum command read_option(int option, struct start *start, enum command *asked)
{
    switch (option) {
    case 'c':
        start->path = optarg;
        break;
    case 'b':
        start->mode = START_BACKGROUND;
        break;
    case 'm':
        start->mode = START_MONITORED;
        break;
    case 'D':
        start->mode = START_ALONE;
        break;
    case 'd':
        start->debug = true;
        break;
    case 'g':
        start->group = optarg;
        break;
    case 'k':
        *asked = command_called(start->app_name, optarg);
        return *asked == COMMAND_WRONG ? COMMAND_WRONG : COMMAND_SERVE;
    case 'l':
        mtev_main_enable_log(optarg);
        break;
    case 'u':
        start->user = optarg;
        break;
    case 'h':
        return COMMAND_HELP;
    case ':':
        return complain(start->app_name, "nothing follows", optopt);
    default:
        return complain(start->app_name, "unknown option", optopt);
    }
    return COMMAND_SERVE;
}

static enum command read_arguments(int argc, char **argv, struct start *start)
{
    static const struct option words[] = {{.name = "help", .val = 'h'}, {.name = NULL}};
    enum command asked = COMMAND_SERVE;
    int option;
    opterr = 0;
    while ((option = getopt_long(argc, argv, "+:bc:Ddg:hk:l:mu:", words, NULL)) != -1) {
        if (option == '?' && strncmp(argv[optind - 1], "--", 2) == 0) {
            fprintf(stderr, "%s: unknown option %s (see %s -h)\n", start->app_name,
                    argv[optind - 1], start->app_name);
            return COMMAND_WRONG;
        }
        enum command command = read_option(option, start, &asked);
        if (command != COMMAND_SERVE)
            return command;
    }
    return optind < argc ? complain(start->app_name, "more than options was given", 0) : asked;
}

static void print_help(const char *name)
{
    printf("usage: %s [OPTION]...\n"
           "  -c FILE    read this configuration instead of the built-in one\n"
           "  -b         run in the background, behind a monitor that starts it again\n"
           "  -m         the same in the foreground\n"
           "  -D         run in the foreground without a monitor, which is the default\n"
           "  -k WORD    start it; stop the one that runs; or say whether one does\n"
           "  -u USER    become this user\n"
           "  -g GROUP   and this group\n"
           "  -l STREAM  switch this log stream on\n"
           "  -d         log for debugging\n"
           "  -h, --help print this and end\n",
           name);
}

/* ---- serving --------------------------------------------------------------------- */

static void print_address(const char *address, void *closure)
{
    const char *const *name = closure;
    printf("%s: listening on %s\n", *name, address);
}

/* The child of mtev_main(), for a program that left it to us. */
static int serve(void)
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

/* ---- another process ------------------------------------------------------------- */

static int stop(const struct start *start)
{
    int err = start_stop(start);
    if (err == -ESRCH)
        printf("%s: not running\n", start->app_name);
    return err == 0 || err == -ESRCH ? 0 : START_STATUS_WRONG;
}

/* The status as of an init script: LSB 5.0, "Init Script Actions". */
static int print_status(const struct start *start)
{
    pid_t pid;
    int err = start_holder(start, &pid);
    if (err == 0)
        printf("%s: running, as process %d\n", start->app_name, (int)pid);
    else if (err == -ESRCH)
        printf("%s: not running\n", start->app_name);
    if (err == -ESRCH)
        return STATUS_NOT_RUNNING;
    return err == 0 ? 0 : STATUS_NOT_KNOWN;
}

int eventer_run(int argc, char **argv, const struct eventer_run_options *given)
{
    char text[DEFAULT_CONFIGURATION_SIZE];
    int status = START_STATUS_WRONG;
    if (given == NULL || given->name == NULL) {
        mtevL(mtev_error, "eventer_run: the name of the program is missing\n");
        return START_STATUS_WRONG;
    }
    options = given;
    struct start start = {.app_name = given->name, .lock = MTEV_LOCK_OP_LOCK};
    enum command command = read_arguments(argc, argv, &start);
    if (command == COMMAND_WRONG)
        return START_STATUS_WRONG;
    if (command == COMMAND_HELP) {
        print_help(given->name);
        return 0;
    }
    greets = start.path == NULL;
    if (greets) {
        snprintf(text, sizeof(text), DEFAULT_CONFIGURATION, given->name);
        start.text = given->configuration != NULL ? given->configuration : text;
    }
    mtev_memory_init();
    if (command == COMMAND_STOP)
        return stop(&start);
    if (command == COMMAND_STATUS)
        return print_status(&start);
    return start_and_serve(&start, serve, &status) == 0 ? status : START_STATUS_WRONG;
}
