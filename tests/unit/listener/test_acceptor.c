/* SPDX-License-Identifier: MIT */
/*
 * Goal: an accepted connection reaches its type with the peer's address, in a loop of its own, and
 * what is kept for it is freed once with its last event, however the connection ends.
 * Method: listeners of each kind in this process; connections from here.
 */
#include "listening.h"

#include "base/alloc.h"

static char folder[] = "/tmp/test_acceptor.XXXXXX";
static _Atomic int freed, ended;
static char remote[128]; /* of the last connection; written before ended is raised */

static void note_freed(void *ctx)
{
    check(ctx == &freed);
    atomic_fetch_add(&freed, 1);
}

static void note_remote(mtev_acceptor_closure_t *ac)
{
    struct sockaddr *sa = mtev_acceptor_closure_remote(ac);
    mtev_convert_sockaddr_to_buff(remote, sizeof(remote), sa);
    check(mtev_acceptor_closure_ctx(ac) == NULL);
    mtev_acceptor_closure_set_ctx(ac, &freed, note_freed);
    check(mtev_acceptor_closure_ctx(ac) == &freed);
}

/* Sends its loop's index and ends. */
static void tell_loop(void)
{
    eventer_aco_t e = eventer_aco_arg();
    char digit = (char)('0' + loop_self->index);
    note_remote(eventer_aco_get_closure(e));
    check(eventer_is_aco(NULL) && eventer_is_aco((eventer_t)e));
    check_int(eventer_aco_write(e, &digit, 1, NULL), 1);
    eventer_aco_close(e);
    eventer_aco_free(e);
    atomic_fetch_add(&ended, 1);
}

static void forget_to_close(void)
{
    eventer_aco_t e = eventer_aco_arg();
    note_remote(eventer_aco_get_closure(e));
    eventer_aco_write(e, "?", 1, NULL);
    memcpy(remote, &e, sizeof(e)); /* for the test to end it */
    atomic_fetch_add(&ended, 1);
}

/* Closes the connection by way of a copy of the event, which shares the closure. */
static int classic(eventer_t e, int mask, void *closure, struct timeval *now)
{
    int ignored;
    (void)mask, (void)now;
    note_remote(closure);
    eventer_remove_fde(e);
    eventer_t copy = eventer_alloc_copy(e);
    check(eventer_get_closure(copy) == closure);
    check_int(atomic_load(&freed), 0);
    check_int(eventer_write(copy, "c", 1, &ignored), 1);
    eventer_close(copy, &ignored);
    eventer_free(copy);
    atomic_fetch_add(&ended, 1);
    return 0;
}

static void hear(const char *wanted)
{
    char text[64];
    atomic_store(&freed, 0);
    atomic_store(&ended, 0);
    read_all(connect_to(listening_on), text, sizeof(text));
    if (wanted != NULL)
        assert_string_equal(text, wanted);
    wait_until(&ended, 1);
    settle(0);
    settle(1);
    assert_int_equal(atomic_load(&freed), 1);
    assert_checks();
}

static void connections_go_round_the_loops(void **state)
{
    (void)state;
    assert_int_equal(
        listen_to("<listener type='loop' address='127.0.0.1' port='0' fanout='on'/>", true), 0);
    char text[4][64];
    for (int i = 0; i < 4; i++)
        read_all(connect_to(listening_on), text[i], sizeof(text[i]));
    assert_string_not_equal(text[0], text[1]);
    assert_string_equal(text[0], text[2]);
    assert_string_equal(text[1], text[3]);
    assert_int_equal(
        listen_to("<listener type='loop' address='127.0.0.1' port='0' fanout='off'/>", true), 0);
    for (int i = 0; i < 4; i++)
        assert_hears(listening_on, "0");
    wait_until(&ended, 8);
    settle(0);
    settle(1);
}

static void peers_of_each_family_have_an_address(void **state)
{
    (void)state;
    char text[256];
    assert_int_equal(listen_to("<listener type='loop' address='127.0.0.1' port='0'/>", true), 0);
    hear(NULL);
    assert_string_equal(remote, "127.0.0.1");
    snprintf(text, sizeof(text), "<listener type='loop' address='%s/socket'/>", folder);
    assert_int_equal(listen_to(text, true), 0);
    for (int i = 0; i < 3; i++) { /* one that has no name */
        hear(NULL);
        assert_string_equal(remote, "");
    }
    if (listen_to("<listener type='loop' address='::1' port='0'/>", false) == 0 &&
        listening_on[0] == '[') {
        hear(NULL);
        assert_string_equal(remote, "::1");
    }
    logged_clear();
}

static void a_peer_with_a_path_is_known_by_it(void **state)
{
    (void)state;
    struct sockaddr_un name = {.sun_family = AF_UNIX}, server = {.sun_family = AF_UNIX};
    char text[256];
    snprintf(name.sun_path, sizeof(name.sun_path), "%s/peer", folder);
    snprintf(server.sun_path, sizeof(server.sun_path), "%s/named", folder);
    snprintf(text, sizeof(text), "<listener type='loop' address='%s/named'/>", folder);
    assert_int_equal(listen_to(text, true), 0);
    atomic_store(&ended, 0);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&name, sizeof(name)), 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&server, sizeof(server)), 0);
    read_all(fd, text, sizeof(text));
    wait_until(&ended, 1);
    assert_string_equal(remote, name.sun_path);
    unlink(name.sun_path);
}

static void a_classic_callback_may_copy_its_event(void **state)
{
    (void)state;
    assert_int_equal(listen_to("<listener type='classic' address='127.0.0.1' port='0'/>", true), 0);
    hear("c");
}

static void close_it(void *closure)
{
    eventer_aco_t e = closure;
    eventer_aco_close(e);
    eventer_aco_free(e);
}

static void a_function_that_does_not_close_is_named(void **state)
{
    (void)state;
    eventer_aco_t e;
    char byte;
    assert_int_equal(eventer_name_callback("forgetful", (eventer_func_t)(uintptr_t)forget_to_close),
                     0);
    assert_int_equal(
        listen_to("<listener type='forget' address='127.0.0.1' port='0' fanout='off'/>", true), 0);
    atomic_store(&ended, 0);
    int fd = connect_to(listening_on);
    assert_int_equal(recv(fd, &byte, 1, 0), 1);
    wait_until(&ended, 1);
    settle(0);
    assert_logged(1, "coroutine forgetful ended with open events; they stay valid\n");
    memcpy(&e, remote, sizeof(e));
    in_loop(0, close_it, e);
    assert_int_equal(recv(fd, &byte, 1, 0), 0);
    close(fd);
}

/* Whatever cannot be allocated, the connection is served or dropped, and the next one is served. */
static void connect_once(void *closure)
{
    char text[64];
    (void)closure;
    read_all(connect_to(listening_on), text, sizeof(text));
    assert_true(text[0] == '\0' || text[1] == '\0');
}

static void without_memory_a_connection_is_dropped_or_waits(void **state)
{
    (void)state;
    assert_int_equal(
        listen_to("<listener type='loop' address='127.0.0.1' port='0' fanout='off'/>", true), 0);
    for (uint64_t nth = 1; nth < 12; nth++) {
        alloc_fail_nth(nth, 0);
        connect_once(NULL);
        alloc_fail_nth(0, 0);
        assert_hears(listening_on, "0");
    }
    settle(0);
    logged_clear();
    assert_checks();
}

static void all_are_closed_again(void **state)
{
    (void)state;
    assert_int_equal(listen_to("<listener/>", true), -EINVAL);
    assert_int_equal(listening_count, 0);
    logged_clear();
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(connections_go_round_the_loops),
    cmocka_unit_test(peers_of_each_family_have_an_address),
    cmocka_unit_test(a_peer_with_a_path_is_known_by_it),
    cmocka_unit_test(a_classic_callback_may_copy_its_event),
    cmocka_unit_test(a_function_that_does_not_close_is_named),
    cmocka_unit_test(without_memory_a_connection_is_dropped_or_waits),
    cmocka_unit_test(all_are_closed_again),
};

int main(void)
{
    listening_begin(2);
    mtev_listener_register_aco_function("loop", tell_loop);
    mtev_listener_register_aco_function("forget", forget_to_close);
    eventer_name_callback("classic", classic);
    return listening_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]), folder);
}
