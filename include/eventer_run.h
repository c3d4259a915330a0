/* SPDX-License-Identifier: MIT */
/*
 * eventer_run.h - a whole server in one call, and all that such a program includes.
 *
 *     int main(int argc, char **argv)
 *     {
 *         const struct eventer_run_options options = {.name = "hello", .setup = setup};
 *         return eventer_run(argc, argv, &options);
 *     }
 */
#ifndef EVENTER_RUN_H
#define EVENTER_RUN_H

#include <eventer/eventer.h>
#include <eventer_listen.h>
#include <mtev_conf.h>
#include <mtev_listener.h>
#include <mtev_log.h>
#include <mtev_rest.h>

MTEV_BEGIN_DECLS

/* What a program is.  Texts are NUL-terminated and borrowed; what is left out is NULL. */
struct eventer_run_options {
    const char *name;   /* of the program, and of its configuration's root element */
    int (*setup)(void); /* makes rules and types and starts coroutines; not 0: do not serve */
    const char *configuration; /* used without -c; NULL: HTTP for all at 127.0.0.1:8080 */
    const char *greeting;      /* printed, without -c, once the addresses are bound */
};

/*
 * Serve until the process is told to end.  The arguments are those of main():
 *   -c FILE    read this configuration instead of the built-in one
 *   -b         run in the background, behind a monitor that starts it again
 *   -m         the same in the foreground
 *   -D         run in the foreground without a monitor, which is the default
 *   -k WORD    start; stop the one that runs; or status: say whether one does
 *   -u USER    become this user
 *   -g GROUP   and this group
 *   -l STREAM  switch this log stream on
 *   -d         log what is on the stream debug as well
 *   -h         print the usage and end
 * In this order: the configuration, the logs, the signals (all as mtev_main()), eventer_init(),
 * mtev_http_rest_init(), setup, the listeners, a line "NAME: listening on ADDRESS" on stdout for
 * each, and eventer_loop().  A rule may also be made before this is called.
 * Returns the exit status: 0 after a clean end; 2 after one line on stderr or mtev_error that says
 * what is wrong (an argument, the configuration, an address that cannot be had: nothing stays
 * bound), or when setup returned other than 0.  Main thread only, once.
 */
API_EXPORT(int) eventer_run(int argc, char **argv, const struct eventer_run_options *options);

MTEV_END_DECLS

#endif
