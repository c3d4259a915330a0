/* SPDX-License-Identifier: MIT */
/*
 * asking.h - questions over HTTP that are answered in JSON, to a server in this process.
 *
 * Call asking_begin() in main(), and asking_run() once the rules are there.
 */
#ifndef EVENTER_TESTS_ASKING_H
#define EVENTER_TESTS_ASKING_H

#include "../listener/listening.h"

#include "rest/rest.h"

#include <eventer_listen.h>
#include <jansson.h>
#include <mtev_rest.h>

#define ASKING_ACL   "<rest><acl><rule type='allow'/></acl></rest>"
#define ASKING_SIZE  (4u * 1024 * 1024)
#define ASKING_LOOPS 2 /* of the default pool: they do not serve */

static char asking_addresses[3][256]; /* IPv4, IPv6, unix */
static char asking_heard[ASKING_SIZE];
static int asking_status; /* of the last answer; 0: there was none */
static char asking_folder[] = "/tmp/asking-XXXXXX";

static inline void asking_note(const char *address, void *closure)
{
    int *count = closure;
    snprintf(asking_addresses[(*count)++], sizeof(asking_addresses[0]), "%s", address);
}

/* Make rest the configuration of access control. */
static inline int asking_configure(const char *rest)
{
    char text[1024];
    snprintf(text, sizeof(text),
             "<test><listeners type='http_rest_api' fanout_pool='web'>"
             "<listener address='127.0.0.1' port='0'/><listener address='::1' port='0'/>"
             "<listener address='%s/http'/></listeners>%s</test>",
             asking_folder, rest);
    return conf_load_text("test.conf", text);
}

/* Start two loops, and another one that serves. */
static inline void asking_begin(void)
{
    int count = 0;
    logged_begin();
    eventer_propset("loop_web", "1");
    start_loops(ASKING_LOOPS);
    if (mkdtemp(asking_folder) == NULL || asking_configure(ASKING_ACL) != 0)
        exit(1);
    mtev_http_rest_init();
    if (listener_init("test", true) != 0)
        exit(1);
    listener_each(asking_note, &count);
}

static inline int asking_run(const char *name, const struct CMUnitTest *tests, size_t count)
{
    eventer_loop_return();
    int status = harness_run(name, tests, count);
    harness_remove_folder(asking_folder);
    return status;
}

static inline void asking_count(eventer_listener_t *listener, void *closure)
{
    struct eventer_listener_stats stats;
    eventer_listener_get_stats(listener, &stats);
    *(unsigned *)closure += stats.connections;
}

/* Return once the server has closed every connection. */
static inline int asking_tear_down(void **state)
{
    unsigned count;
    struct errand errand;
    do {
        count = 0;
        eventer_listener_each(asking_count, &count);
        sched_yield();
    } while (count > 0);
    errand_send(&errand, eventer_pool("web")->loops[0], do_nothing, NULL);
    errand_wait(&errand);
    settle_all();
    return logged_tear_down(state);
}

#define asking_test(test) cmocka_unit_test_setup_teardown(test, logged_set_up, asking_tear_down)

/* Return once q has counted so many jobs that have ended: it does so behind their COMPLETE. */
static inline void await_jobs(eventer_jobq_t *q, uint64_t count)
{
    eventer_jobq_stats_t stats;
    do {
        sched_yield();
        eventer_jobq_get_stats(q, &stats);
    } while (stats.done < count);
}

/* Ask over fd, which is closed.  Returns the body; "" if there is none. */
static inline const char *asking_over(int fd, const char *method, const char *path)
{
    char request[512];
    snprintf(request, sizeof(request), "%s %s HTTP/1.0\r\nHost: test\r\n\r\n", method, path);
    (void)!send(fd, request, strlen(request), MSG_NOSIGNAL);
    read_all(fd, asking_heard, sizeof(asking_heard));
    const char *body = strstr(asking_heard, "\r\n\r\n");
    asking_status =
        strncmp(asking_heard, "HTTP/1.1 ", 9) == 0 ? (int)strtol(asking_heard + 9, NULL, 10) : 0;
    return body == NULL ? "" : body + 4;
}

static inline const char *asking_get(const char *path)
{
    return asking_over(connect_to(asking_addresses[0]), "GET", path);
}

/* The JSON of a body, which is all of it and has no NUL; the caller ends it with json_decref(). */
static inline json_t *asking_parse(const char *body)
{
    json_error_t error;
    json_t *json = json_loads(body, JSON_REJECT_DUPLICATES, &error);
    if (json == NULL)
        fail_msg("%s at %d in %.2000s", error.text, error.position, asking_heard);
    assert_non_null(strstr(asking_heard, "Content-Type: application/json"));
    return json;
}

/* The answer to GET path, which has status 200. */
static inline json_t *asking_json(const char *path)
{
    json_t *json = asking_parse(asking_get(path));
    assert_int_equal(asking_status, 200);
    return json;
}

/* GET path is answered with that status and {"error": TEXT}. */
static inline void assert_refused_with(const char *path, int status)
{
    json_t *json = asking_parse(asking_get(path));
    assert_int_equal(asking_status, status);
    assert_non_null(json_string_value(json_object_get(json, "error")));
    json_decref(json);
}

/* Nobody but whom the <acl> admits has an answer. */
static inline void assert_denied_without_acl(const char *method, const char *path)
{
    assert_int_equal(asking_configure(""), 0);
    assert_int_equal(rest_acl_load(), 0);
    asking_over(connect_to(asking_addresses[0]), method, path);
    assert_int_equal(asking_status, 403);
    assert_int_equal(asking_configure(ASKING_ACL), 0);
    assert_int_equal(rest_acl_load(), 0);
    logged_clear(); /* that everybody is denied was said */
}

static inline void asking_starved(void *path)
{
    const char *body = asking_get(path);
    if (asking_status == 200 && body[0] != '\0')
        json_decref(asking_parse(body));
    else if (asking_status != 0)
        assert_int_equal(asking_status, 503);
    settle_all();
    logged_clear();
}

/* Whichever allocation fails, the answer is whole, or says that there is no memory, or is none. */
static inline void assert_bears_starvation(const char *path)
{
    harness_fail_each_allocation(asking_starved, (void *)(uintptr_t)path);
    json_decref(asking_json(path));
    settle_all();
    logged_clear();
}

#endif
