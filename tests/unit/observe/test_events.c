/* SPDX-License-Identifier: MIT */
/*
 * Goal: what is registered, and what coroutines wait for, is told whole and in the shape that is
 * promised, however much it is, whatever bytes its names have, and while a loop is busy.
 * Method: events and coroutines of two loops are asked for over HTTP, which a third loop serves,
 * and the answers are parsed.
 */
#include "../rest/asking.h"

#include "base/alloc.h"

#include <eventer/eventer.h>
#include <mtev_events_rest.h>
#include <sys/eventfd.h>
#include <sys/un.h>

#define MANY     1000
#define HOSTILE  "never \xff \"\\\n" /* a name */
#define CLEANSED "never \xef\xbf\xbd \"\\\n"

static int never(eventer_t e, int mask, void *closure, struct timeval *now)
{
    check(false);
    return 0;
}

static int unnamed(eventer_t e, int mask, void *closure, struct timeval *now)
{
    check(false);
    return 0;
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    if (text == NULL)
        fail_msg("no text %s in %.2000s", key, json_dumps(object, 0));
    return text;
}

static json_int_t number_of(const json_t *object, const char *key)
{
    const json_t *number = json_object_get(object, key);
    if (!json_is_integer(number))
        fail_msg("no number %s in %.2000s", key, json_dumps(object, 0));
    return json_integer_value(number);
}

/* How many of the array have that text there; the last of them in *out. */
static size_t count_with(const json_t *array, const char *key, const char *wanted, json_t **out)
{
    size_t index, count = 0;
    json_t *each;
    assert_true(json_is_array(array));
    json_array_foreach(array, index, each)
    {
        const char *text = json_string_value(json_object_get(each, key));
        if (text != NULL && strcmp(text, wanted) == 0) {
            count++;
            *out = each;
        }
    }
    return count;
}

/* ---- sockets --------------------------------------------------------------------- */

static eventer_t events[MANY];

static void add_sockets(void)
{
    for (uint32_t i = 0; i < MANY; i++) {
        int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        assert_true(fd >= 0);
        events[i] = eventer_alloc_fd(never, NULL, fd, EVENTER_READ | EVENTER_EXCEPTION);
        eventer_set_owner(events[i], loop_at(i % 2)->thread);
        eventer_add(events[i]);
    }
}

static void end_sockets(void)
{
    int mask;
    for (uint32_t i = 0; i < MANY; i++)
        eventer_close(events[i], &mask); /* the eventer's reference is the last */
}

static void each_of_many_sockets_is_told_once(void **state)
{
    static bool is_seen[1 << 16];
    size_t index;
    json_t *each, *last = NULL;
    add_sockets();
    json_t *all = asking_json("/eventer/sockets.json");
    assert_int_equal(count_with(all, "callback", CLEANSED, &last), MANY);
    json_array_foreach(all, index, each)
    {
        json_int_t fd = number_of(each, "fd");
        assert_in_range(fd, 0, sizeof(is_seen) - 1);
        assert_false(is_seen[fd]);
        is_seen[fd] = true;
        assert_null(strstr(text_of(each, "callback"), "0x"));
    }
    assert_int_equal(number_of(last, "mask"), EVENTER_READ | EVENTER_EXCEPTION);
    assert_string_equal(text_of(last, "impl"), "POSIX");
    assert_string_equal(text_of(last, "eventer_pool"), "default");
    assert_null(json_object_get(last, "local"));
    assert_null(json_object_get(last, "remote"));
    json_decref(all);
    end_sockets();
    settle_all();
    all = asking_json("/eventer/sockets.json");
    assert_int_equal(count_with(all, "callback", CLEANSED, &last), 0);
    json_decref(all);
}

/* The socket among all whose peer has that port. */
static const json_t *with_peer(const json_t *all, json_int_t port)
{
    size_t index;
    json_t *each;
    json_array_foreach(all, index, each)
    {
        json_t *remote = json_object_get(each, "remote");
        if (remote != NULL && json_integer_value(json_object_get(remote, "port")) == port)
            return each;
    }
    fail_msg("nobody has a peer at port %lld", (long long)port);
    return NULL;
}

static void assert_own_connection_is_told(const char *to, const char *address)
{
    struct sockaddr_storage own;
    socklen_t len = sizeof(own);
    int fd = connect_to(to);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&own, &len), 0);
    in_port_t port = own.ss_family == AF_INET ? ((struct sockaddr_in *)&own)->sin_port
                                              : ((struct sockaddr_in6 *)&own)->sin6_port;
    json_t *all = asking_parse(asking_over(fd, "GET", "/eventer/sockets.json"));
    const json_t *mine = with_peer(all, ntohs(port));
    const json_t *local = json_object_get(mine, "local");
    assert_string_equal(text_of(json_object_get(mine, "remote"), "address"), address);
    assert_string_equal(text_of(local, "address"), address);
    assert_int_equal(number_of(local, "port"), strtol(strrchr(to, ':') + 1, NULL, 10));
    assert_string_equal(text_of(mine, "eventer_pool"), "web");
    json_decref(all);
}

static void peers_of_both_kinds_are_told_by_their_addresses(void **state)
{
    assert_own_connection_is_told(asking_addresses[0], "127.0.0.1");
    assert_own_connection_is_told(asking_addresses[1], "::1");
}

static void a_unix_socket_is_told_by_its_path(void **state)
{
    size_t index, count = 0;
    json_t *each, *all = asking_parse(
                      asking_over(connect_to(asking_addresses[2]), "GET", "/eventer/sockets.json"));
    json_array_foreach(all, index, each)
    {
        json_t *local = json_object_get(each, "local");
        if (local == NULL || strcmp(text_of(local, "address"), asking_addresses[2]) != 0)
            continue;
        count++;
        assert_null(json_object_get(local, "port"));
    }
    assert_int_equal(count, 2); /* the listener, and this connection */
    json_decref(all);
}

/* ---- timers ---------------------------------------------------------------------- */

static void add_timers(eventer_func_t func, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        events[i] = eventer_in_s_us(func, NULL, 3600 + i, 0);
        eventer_set_owner(events[i], loop_at(i % 2)->thread);
        eventer_add(events[i]);
    }
    settle_all();
}

static void end_timers(uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        eventer_free(eventer_remove(events[i]));
    settle_all();
}

static void each_of_many_timers_is_told_once(void **state)
{
    size_t index;
    json_t *each, *last = NULL;
    add_timers(never, MANY);
    struct timeval first = eventer_get_whence(events[0]);
    json_t *all = asking_json("/eventer/timers.json");
    assert_int_equal(count_with(all, "callback", CLEANSED, &last), MANY);
    assert_string_equal(text_of(last, "eventer_pool"), "default");
    json_array_foreach(all, index, each)
    {
        if (strcmp(text_of(each, "callback"), CLEANSED) != 0)
            continue;
        json_int_t after_ms = number_of(each, "whence") - (json_int_t)first.tv_sec * 1000;
        assert_in_range(after_ms, 0, MANY * 1000 + 60000);
    }
    json_decref(all);
    end_timers(MANY);
}

static void a_function_without_a_name_is_told_without_its_address(void **state)
{
    json_t *last;
    add_timers(unnamed, 1);
    json_t *all = asking_json("/eventer/timers.json");
    assert_int_equal(count_with(all, "callback", "unnamed", &last), 1);
    assert_null(strstr(asking_heard, "0x"));
    json_decref(all);
    end_timers(1);
}

/* ---- coroutines ------------------------------------------------------------------ */

static struct errand errands[MANY];
static atomic_bool may_go;

static void stand_about(void *closure)
{
    check_int(eventer_aco_set_name("waits \xff"), 0);
    while (!atomic_load(&may_go))
        sleep_ms(5);
}

static void each_of_many_coroutines_is_told_once(void **state)
{
    json_t *last = NULL;
    for (uint32_t i = 0; i < MANY; i++)
        coroutine_post(&errands[i], i % 2, stand_about, NULL);
    settle_all();
    json_t *all = asking_json("/eventer/coroutines.json");
    assert_int_equal(count_with(all, "name", "waits \xef\xbf\xbd", &last), MANY);
    assert_true(number_of(last, "bytes") >=
                number_of(last, "stack_bytes") + number_of(last, "saved_bytes"));
    assert_true(number_of(last, "stack_bytes_max") >= 0);
    assert_in_range(number_of(last, "age_ms"), 0, 600000);
    assert_non_null(strstr("e:default/0 e:default/1", text_of(last, "loop")));
    assert_non_null(strstr("parked ready running", text_of(last, "state")));
    assert_non_null(text_of(last, "waits_for"));
    assert_non_null(text_of(last, "function"));
    assert_non_null(strstr(text_of(last, "where"), ".h:"));
    assert_true(json_is_boolean(json_object_get(last, "private")));
    assert_true(json_is_boolean(json_object_get(last, "lent")));
    assert_null(json_object_get(last, "fd"));
    assert_null(strstr(asking_heard, "0x"));
    json_decref(all);
    atomic_store(&may_go, true);
    for (uint32_t i = 0; i < MANY; i++)
        errand_wait(&errands[i]);
    wait_for_all_to_end(0);
    wait_for_all_to_end(1);
}

static struct tally is_reading;
static int pipe_fds[2];

static void read_once(void *closure)
{
    char byte;
    eventer_aco_t e =
        eventer_set_eventer_aco(eventer_alloc_fd(never, NULL, pipe_fds[0], EVENTER_READ));
    eventer_aco_set_name("reader");
    tally_raise(&is_reading);
    check_int(eventer_aco_read(e, &byte, 1, NULL), 1);
    eventer_aco_close(e);
    eventer_aco_free(e);
}

static void what_a_coroutine_waits_for_is_told(void **state)
{
    json_t *last = NULL;
    struct errand errand;
    is_reading = (struct tally)TALLY_NONE;
    assert_int_equal(pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK), 0);
    coroutine_post(&errand, 0, read_once, NULL);
    tally_wait(&is_reading);
    settle(0);
    json_t *all = asking_json("/eventer/coroutines.json");
    assert_int_equal(count_with(all, "name", "reader", &last), 1);
    assert_string_equal(text_of(last, "waits_for"), "to read");
    assert_string_equal(text_of(last, "state"), "parked");
    assert_int_equal(number_of(last, "fd"), pipe_fds[0]);
    json_decref(all);
    assert_int_equal(write(pipe_fds[1], "x", 1), 1);
    errand_wait(&errand);
    settle(0);
    close(pipe_fds[1]);
}

/* ---- a loop that is busy --------------------------------------------------------- */

static void a_loop_that_is_busy_is_left_out_and_named(void **state)
{
    static const char *const paths[] = {"/eventer/sockets.json", "/eventer/timers.json",
                                        "/eventer/coroutines.json"};
    struct hold hold;
    json_t *last = NULL;
    hold_begin(&hold, loop_at(0));
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        json_t *all = asking_json(paths[i]);
        assert_int_equal(count_with(all, "loop", "e:default/0", &last), 1);
        assert_non_null(strstr(text_of(last, "error"), "is busy"));
        json_decref(all);
    }
    hold_end(&hold);
}

/* ---- queues and memory ----------------------------------------------------------- */

static int idle(eventer_t e, int mask, void *closure, struct timeval *now)
{
    if (mask == EVENTER_ASYNCH_COMPLETE)
        tally_raise(closure);
    else if (mask == EVENTER_ASYNCH_WORK)
        check(closure != NULL);
    return 0;
}

static void add_job(void *closure)
{
    struct timeval past = {1, 0};
    eventer_add_asynch(NULL, eventer_alloc_asynch(idle, closure));
    eventer_add_asynch(NULL, eventer_alloc_asynch_timeout(idle, closure, &past));
}

static void job_queues_are_told(void **state)
{
    struct tally done = TALLY_NONE;
    eventer_jobq_t *q = eventer_jobq_create("other \xff");
    eventer_jobq_set_lifo(q, mtev_true);
    eventer_jobq_set_min_max(q, 1, 4);
    eventer_jobq_set_concurrency(q, 3);
    in_loop(0, add_job, &done);
    tally_wait(&done);
    tally_wait(&done);
    await_jobs(eventer_default_jobq(), 2);
    json_t *all = asking_json("/eventer/jobq.json");
    const json_t *other = json_object_get(all, "other \xef\xbf\xbd");
    assert_string_equal(text_of(other, "mode"), "LIFO");
    assert_int_equal(number_of(other, "min_concurrency"), 1);
    assert_int_equal(number_of(other, "max_concurrency"), 4);
    assert_int_equal(number_of(other, "desired_concurrency"), 3);
    assert_int_equal(number_of(other, "concurrency"), 1);
    assert_int_equal(number_of(other, "total_jobs"), 0);
    assert_int_equal(number_of(other, "backlog"), 0);
    assert_int_equal(number_of(other, "inflight"), 0);
    assert_int_equal(number_of(other, "timeouts"), 0);
    assert_true(json_real_value(json_object_get(other, "avg_wait_ms")) == 0);
    assert_true(json_real_value(json_object_get(other, "avg_run_ms")) == 0);
    const json_t *first = json_object_get(all, eventer_jobq_get_queue_name(eventer_default_jobq()));
    assert_string_equal(text_of(first, "mode"), "FIFO");
    assert_int_equal(number_of(first, "timeouts"), 1);
    assert_true(json_real_value(json_object_get(first, "avg_wait_ms")) > 0);
    assert_true(json_real_value(json_object_get(first, "avg_run_ms")) > 0);
    assert_int_equal(number_of(json_object_get(all, "observe"), "inflight"), 1);
    json_decref(all);
    eventer_jobq_drain_and_shutdown(q);
    eventer_jobq_destroy(q);
}

static void events_are_counted(void **state)
{
    add_timers(never, 10);
    json_t *all = asking_json("/eventer/memory.json");
    const json_t *count = json_object_get(all, "eventer_t");
    assert_true(number_of(count, "current") >= 10);
    assert_true(number_of(count, "total") >= number_of(count, "current"));
    json_decref(all);
    end_timers(10);
}

/* ---- all of them ----------------------------------------------------------------- */

static const char *const all_paths[] = {"/eventer/sockets.json", "/eventer/timers.json",
                                        "/eventer/coroutines.json", "/eventer/jobq.json",
                                        "/eventer/memory.json"};

static void nobody_is_told_without_an_acl(void **state)
{
    for (size_t i = 0; i < sizeof(all_paths) / sizeof(all_paths[0]); i++)
        assert_denied_without_acl("GET", all_paths[i]);
}

static void a_peer_that_goes_away_ends_its_answer(void **state)
{
    const char request[] = "GET /eventer/sockets.json HTTP/1.1\r\nHost: t\r\n\r\n";
    add_sockets();
    for (int i = 0; i < 20; i++) {
        int fd = connect_to(asking_addresses[0]);
        assert_int_equal(send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL), sizeof(request) - 1);
        close(fd);
    }
    end_sockets();
    json_decref(asking_json("/eventer/sockets.json"));
}

static void each_allocation_may_fail(void **state)
{
    add_timers(never, 3);
    for (size_t i = 0; i < sizeof(all_paths) / sizeof(all_paths[0]); i++)
        assert_bears_starvation(all_paths[i]);
    end_timers(3);
}

static const struct CMUnitTest tests[] = {
    asking_test(each_of_many_sockets_is_told_once),
    asking_test(peers_of_both_kinds_are_told_by_their_addresses),
    asking_test(a_unix_socket_is_told_by_its_path),
    asking_test(each_of_many_timers_is_told_once),
    asking_test(a_function_without_a_name_is_told_without_its_address),
    asking_test(each_of_many_coroutines_is_told_once),
    asking_test(what_a_coroutine_waits_for_is_told),
    asking_test(a_loop_that_is_busy_is_left_out_and_named),
    asking_test(job_queues_are_told),
    asking_test(events_are_counted),
    asking_test(nobody_is_told_without_an_acl),
    asking_test(a_peer_that_goes_away_ends_its_answer),
    asking_test(each_allocation_may_fail),
};

int main(void)
{
    asking_begin();
    eventer_name_callback(HOSTILE, never);
    mtev_events_rest_init();
    mtev_events_rest_init(); /* does nothing */
    return asking_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]));
}
