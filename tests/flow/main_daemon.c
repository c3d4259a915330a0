/* SPDX-License-Identifier: MIT */
/*
 * main_daemon.c - a daemon whose main() takes all of mtev_main()'s arguments from its own, for the
 * tests of what mtev_main() and signals do.
 *
 * Usage: main_daemon FILE.conf [KEY=VALUE]...
 *   debug foreground lock glider user group   as the arguments of mtev_main(); foreground is 1
 *   enable disable                            a log stream
 *   pause=before|after                        sleep until killed, before or after eventer_loop()
 *   status                                    what the child returns
 *   stop=1, running=1                         stop the one that runs; print its id, or end with 3
 *   die=FILE                                  if FILE is there, the child ends with what is in it,
 *                                             a status or "crash" or "terminate", or if that is
 *                                             "hang" sleeps; if it is "late" the child says so
 * before it is ready, and waits until FILE is there no more GET /slow says "begun" on stdout, waits
 * for a job of 300 ms in a coroutine and answers "done". GET /log logs a line on mtev_notice, GET
 * /id answers the id of the process and how often one was started, GET
 * /start tries to start a program, GET /crash faults in a coroutine called "clumsy", GET /wait
 * waits in one called "patient" for longer than any test, and GET /stall never ends. The listener
 * type "keep" holds connections open; "talk" does until it is told of a drain.
 */
#include <eventer/eventer.h>
#include <mtev_conf.h>
#include <mtev_console.h>
#include <mtev_listener.h>
#include <mtev_log.h>
#include <mtev_main.h>
#include <mtev_memory.h>
#include <mtev_rest.h>
#include <mtev_watchdog.h>

#include <signal.h>
#include <stdio.h>

static int debug, foreground = 1, lock_op, status;
static const char *glider, *user, *group;
static const char *pause_where = "", *die_path;
static bool wants_stop, wants_status;

static void say(const char *word)
{
    puts(word);
    fflush(stdout);
}

static void sleep_until_killed(void)
{
    say("paused");
    for (;;)
        pause();
}

static void work(void *closure)
{
    (void)closure;
    usleep(300000);
}

static int slow(mtev_http_rest_closure_t *restc, int npats, char **pats)
{
    (void)npats, (void)pats;
    say("begun");
    eventer_aco_simple_asynch(work, NULL);
    mtev_http_response_ok(restc->http_ctx, "text/plain");
    mtev_http_response_append_str(restc->http_ctx, "done\n");
    mtev_http_response_end(restc->http_ctx);
    return 0;
}

static int tell_id(mtev_http_rest_closure_t *restc, int npats, char **pats)
{
    (void)npats, (void)pats;
    mtev_http_response_ok(restc->http_ctx, "text/plain");
    mtev_http_response_appendf(restc->http_ctx, "%d %u\n", (int)getpid(),
                               mtev_watchdog_number_of_starts());
    mtev_http_response_end(restc->http_ctx);
    return 0;
}

static int wait_long(mtev_http_rest_closure_t *restc, int npats, char **pats)
{
    (void)restc, (void)npats, (void)pats;
    eventer_aco_set_name("patient");
    say("waiting");
    eventer_aco_sleep(&(struct timeval){1000, 0});
    return 0;
}

static int crash(mtev_http_rest_closure_t *restc, int npats, char **pats)
{
    (void)restc, (void)npats, (void)pats;
    eventer_aco_set_name("clumsy");
    raise(SIGABRT); /* which no sanitizer handles itself */
    return 0;
}

static int stall(mtev_http_rest_closure_t *restc, int npats, char **pats)
{
    (void)restc, (void)npats, (void)pats;
    for (volatile bool goes_on = true; goes_on;)
        usleep(0); /* or ThreadSanitizer would let no handler of a signal run */
    return 0;
}

/* Try what a confined process must not do. */
static int start_program(mtev_http_rest_closure_t *restc, int npats, char **pats)
{
    (void)npats, (void)pats;
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    mtev_http_response_ok(restc->http_ctx, "text/plain");
    mtev_http_response_appendf(restc->http_ctx, "%s, ", pid < 0 ? strerror(errno) : "a process");
    char *const argv[] = {(char *)(uintptr_t) "/nowhere", NULL};
    execv(argv[0], argv);
    mtev_http_response_appendf(restc->http_ctx, "%s\n", strerror(errno));
    mtev_http_response_end(restc->http_ctx);
    return 0;
}

static int log_line(mtev_http_rest_closure_t *restc, int npats, char **pats)
{
    (void)npats, (void)pats;
    mtevL(mtev_notice, "a line\n");
    mtev_http_response_ok(restc->http_ctx, "text/plain");
    mtev_http_response_end(restc->http_ctx);
    return 0;
}

static void keep(void)
{
    eventer_aco_t e = eventer_aco_arg();
    char byte;
    say("kept");
    while (eventer_aco_read(e, &byte, 1, NULL) > 0)
        ;
    eventer_aco_close(e);
    eventer_aco_free(e);
}

static void talk(void)
{
    eventer_aco_t e = eventer_aco_arg();
    say("talking");
    while (!eventer_aco_draining())
        eventer_aco_sleep(&(struct timeval){0, 10000});
    eventer_aco_write(e, "bye\n", 4, NULL);
    eventer_aco_close(e);
    eventer_aco_free(e);
}

/* Wait while the file is there and says so. */
static void maybe_be_late(void)
{
    if (die_path == NULL || access(die_path, F_OK) != 0)
        return;
    say("late");
    while (access(die_path, F_OK) == 0)
        usleep(1000);
}

/* Do what the file says that die=FILE names. */
static void maybe_die(void)
{
    char word[16] = "";
    FILE *file = die_path == NULL ? NULL : fopen(die_path, "re");
    if (file == NULL)
        return;
    if (fgets(word, sizeof(word), file) == NULL)
        word[0] = '\0';
    fclose(file);
    if (strcmp(word, "hang") == 0)
        sleep_until_killed();
    if (strcmp(word, "crash") == 0)
        raise(SIGKILL);
    if (strcmp(word, "terminate") == 0)
        mtevStartupTerminate(mtev_error, "no start\n");
    if (strcmp(word, "late") == 0)
        return;
    exit((int)strtol(word, NULL, 10));
}

static int child_main(void)
{
    maybe_die();
    mtevL(mtev_debug, "debugging\n");
    if (strcmp(pause_where, "before") == 0)
        sleep_until_killed();
    if (mtev_conf_load(NULL) != 0 || eventer_init() != 0)
        return 2;
    mtev_http_rest_init();
    mtev_console_init("daemon");
    mtev_rest_mountpoint_set_aco(mtev_http_rest_new_rule("GET", "/", "^slow$", slow), mtev_true);
    mtev_rest_mountpoint_set_aco(mtev_http_rest_new_rule("GET", "/", "^crash$", crash), mtev_true);
    mtev_rest_mountpoint_set_aco(mtev_http_rest_new_rule("GET", "/", "^wait$", wait_long),
                                 mtev_true);
    mtev_http_rest_new_rule("GET", "/", "^log$", log_line);
    mtev_http_rest_new_rule("GET", "/", "^id$", tell_id);
    mtev_http_rest_new_rule("GET", "/", "^stall$", stall);
    mtev_http_rest_new_rule("GET", "/", "^start$", start_program);
    mtev_listener_register_aco_function("talk", talk);
    mtev_listener_register_aco_function("keep", keep);
    mtev_listener_init("daemon");
    maybe_be_late();
    say("ready");
    eventer_loop();
    if (strcmp(pause_where, "after") == 0)
        sleep_until_killed();
    return status;
}

static int number(const char *value)
{
    return (int)strtol(value, NULL, 10);
}

static void take_argument(const char *key, const char *value)
{
    if (strcmp(key, "debug") == 0)
        debug = number(value);
    else if (strcmp(key, "foreground") == 0)
        foreground = number(value);
    else if (strcmp(key, "lock") == 0)
        lock_op = number(value);
    else if (strcmp(key, "status") == 0)
        status = number(value);
    else if (strcmp(key, "glider") == 0)
        glider = value;
    else if (strcmp(key, "user") == 0)
        user = value;
    else if (strcmp(key, "group") == 0)
        group = value;
    else if (strcmp(key, "enable") == 0)
        mtev_main_enable_log(value);
    else if (strcmp(key, "disable") == 0)
        mtev_main_disable_log(value);
    else if (strcmp(key, "pause") == 0)
        pause_where = value;
    else if (strcmp(key, "stop") == 0)
        wants_stop = true;
    else if (strcmp(key, "running") == 0)
        wants_status = true;
    else if (strcmp(key, "die") == 0)
        die_path = value;
}

int main(int argc, char **argv)
{
    pid_t pid, group_id;
    mtev_memory_init();
    for (int i = 2; i < argc; i++) {
        char key[16] = "";
        const char *value = strchr(argv[i], '=');
        if (value == NULL || value - argv[i] >= (ptrdiff_t)sizeof(key))
            return 3;
        memcpy(key, argv[i], (size_t)(value - argv[i]));
        take_argument(key, value + 1);
    }
    if (argc < 2)
        return 3;
    if (wants_stop)
        return mtev_main_terminate("daemon", argv[1], debug) == 0 ? 0 : 4;
    if (wants_status && mtev_main_status("daemon", argv[1], debug, &pid, &group_id) != 0)
        return 3;
    if (wants_status)
        return printf("%d\n", (int)pid) > 0 && group_id > 0 ? 0 : 4;
    return mtev_main("daemon", argv[1], debug, foreground, (mtev_lock_op_t)lock_op, glider, user,
                     group, child_main);
}
