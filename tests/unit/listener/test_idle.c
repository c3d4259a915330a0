/* SPDX-License-Identifier: MIT */
/*
 * Goal: a connection on which nothing is read or written for its listener's idle_timeout is told
 * so, one on which something moves is not, and no other connection that has got its fd is.
 * Method: short times; what moves is moved here.  Shown red for the defect of other libraries,
 * where writing did not count, by leaving last_write_ns and tcpi_last_data_sent out of idle.c.
 */
#include "listening.h"

#include "listener/acceptor.h"
#include "listener/listener_impl.h"

#define IDLE_MS 60

static char folder[] = "/tmp/test_idle.XXXXXX";
static _Atomic int timed_out, exceptions, ended;

/* Waits for bytes; says what ended the wait. */
static void await_bytes(void)
{
    eventer_aco_t e = eventer_aco_arg();
    char bytes[64];
    int count;
    do
        count = eventer_aco_read(e, bytes, sizeof(bytes), NULL);
    while (count > 0);
    if (count < 0 && errno == ETIME) {
        atomic_fetch_add(&timed_out, 1);
        eventer_aco_write(e, "idle", 4, NULL);
    }
    eventer_aco_close(e);
    eventer_aco_free(e);
    atomic_fetch_add(&ended, 1);
}

static int on_event(eventer_t e, int mask, void *closure, struct timeval *now)
{
    mtev_acceptor_closure_t *ac = closure;
    char bytes[64];
    int ignored;
    (void)now;
    if (mask & EVENTER_EXCEPTION) {
        check(mtev_acceptor_closure_readwrite_age(ac) >= IDLE_MS - 5);
        atomic_fetch_add(&exceptions, 1);
        eventer_remove_fde(e);
        eventer_close(e, &ignored);
        atomic_fetch_add(&ended, 1);
        return 0;
    }
    if (mask & EVENTER_READ)
        (void)eventer_read(e, bytes, sizeof(bytes), &ignored);
    return EVENTER_READ | EVENTER_EXCEPTION;
}

static eventer_listener_t *listen_idly(const char *address, void (*coroutine)(void),
                                       eventer_func_t callback)
{
    eventer_listener_t *l = eventer_listen(&(struct eventer_listen_opts){
        .address = address, .coroutine = coroutine, .callback = callback, .idle_timeout = IDLE_MS});
    assert_non_null(l);
    atomic_store(&timed_out, 0);
    atomic_store(&exceptions, 0);
    atomic_store(&ended, 0);
    return l;
}

static int client_of(eventer_listener_t *l)
{
    char text[ADDRESS_TEXT_MAX];
    eventer_listener_address(l, text, sizeof(text));
    return connect_to(text);
}

static void finish(eventer_listener_t *l)
{
    struct eventer_listener_stats stats;
    do {
        eventer_listener_get_stats(l, &stats);
        sched_yield();
    } while (stats.connections != 0);
    eventer_listener_free(l);
    assert_checks();
}

static const char *local_path(void)
{
    static char path[64];
    snprintf(path, sizeof(path), "%s/socket", folder);
    return path;
}

static void who_waits_is_timed_out(void **state)
{
    (void)state;
    for (int local = 0; local <= 1; local++) {
        char text[16];
        eventer_listener_t *l =
            listen_idly(local == 1 ? local_path() : "127.0.0.1", await_bytes, NULL);
        uint64_t begin_ns = clock_mono_ns();
        read_all(client_of(l), text, sizeof(text));
        assert_string_equal(text, "idle");
        assert_true(clock_mono_ns() - begin_ns >= (IDLE_MS - 5) * CLOCK_NS_PER_MS);
        assert_int_equal(atomic_load(&timed_out), 1);
        finish(l);
    }
}

static void a_callback_gets_an_exception(void **state)
{
    (void)state;
    for (int local = 0; local <= 1; local++) {
        char text[16];
        eventer_listener_t *l =
            listen_idly(local == 1 ? local_path() : "127.0.0.1", NULL, on_event);
        read_all(client_of(l), text, sizeof(text));
        assert_string_equal(text, "");
        assert_int_equal(atomic_load(&exceptions), 1);
        finish(l);
    }
}

static void pause_ms(long ms)
{
    nanosleep(&(struct timespec){.tv_nsec = ms * 1000000}, NULL);
}

/* What comes is activity.  The peer stops only when the time-out has long passed. */
static void reading_counts(void **state)
{
    (void)state;
    for (int local = 0; local <= 1; local++) {
        char text[16];
        eventer_listener_t *l =
            listen_idly(local == 1 ? local_path() : "127.0.0.1", await_bytes, NULL);
        int fd = client_of(l);
        uint64_t begin_ns = clock_mono_ns(), last_ns = begin_ns, longest_ns = 0;
        while (clock_mono_ns() - begin_ns < 4 * IDLE_MS * CLOCK_NS_PER_MS) {
            (void)!send(fd, "x", 1, MSG_NOSIGNAL);
            pause_ms(IDLE_MS / 6);
            longest_ns = MAX(longest_ns, clock_mono_ns() - last_ns);
            last_ns = clock_mono_ns();
        }
        if (longest_ns < IDLE_MS / 2 * CLOCK_NS_PER_MS) /* else this machine is too busy to tell */
            assert_int_equal(atomic_load(&timed_out), 0);
        read_all(fd, text, sizeof(text));
        assert_string_equal(text, "idle");
        finish(l);
    }
}

/* Writes now and then, for longer than the time-out, and reads nothing. */
static int writes_left;
static uint64_t written_ns; /* when it last did */

static int write_on_timer(eventer_t timer, int mask, void *closure, struct timeval *now)
{
    eventer_t e = closure;
    int ignored;
    (void)mask, (void)now, (void)timer;
    check_int(eventer_write(e, ".", 1, &ignored), 1);
    written_ns = loop_self->now_ns;
    if (--writes_left > 0) {
        eventer_add_in_s_us(write_on_timer, e, 0, IDLE_MS * 1000 / 3);
        return 0;
    }
    eventer_remove_fde(e);
    eventer_close(e, &ignored);
    eventer_free(e);
    atomic_fetch_add(&ended, 1);
    return 0;
}

static int begin_writing(eventer_t e, int mask, void *closure, struct timeval *now)
{
    (void)closure, (void)now;
    if (mask & EVENTER_EXCEPTION) { /* a machine that is very busy may write too seldom */
        check(loop_self->now_ns - written_ns >= (IDLE_MS - 10) * CLOCK_NS_PER_MS);
        return EVENTER_EXCEPTION;
    }
    written_ns = loop_self->now_ns;
    if (mask & EVENTER_WRITE)
        eventer_add_in_s_us(write_on_timer, e, 0, 0);
    return EVENTER_EXCEPTION;
}

static void writing_counts(void **state)
{
    (void)state;
    for (int local = 0; local <= 1; local++) {
        char text[64];
        eventer_listener_t *l =
            listen_idly(local == 1 ? local_path() : "127.0.0.1", NULL, begin_writing);
        writes_left = 12;
        read_all(client_of(l), text, sizeof(text));
        assert_string_equal(text, "............");
        finish(l);
    }
}

/* The peer is one of TCP then, and the socket is not. */
static void writing_counts_where_a_proxy_connects(void **state)
{
    (void)state;
    static const char header[] = "PROXY TCP4 192.0.2.7 192.0.2.8 1 2\r\n";
    char text[64];
    eventer_listener_t *l =
        eventer_listen(&(struct eventer_listen_opts){.address = local_path(),
                                                     .callback = begin_writing,
                                                     .idle_timeout = IDLE_MS,
                                                     .proxy_protocol_from = "unix"});
    assert_non_null(l);
    writes_left = 12;
    int fd = client_of(l);
    assert_int_equal(send(fd, header, sizeof(header) - 1, 0), (ssize_t)sizeof(header) - 1);
    read_all(fd, text, sizeof(text));
    assert_string_equal(text, "............");
    finish(l);
}

/* A coroutine that is busy elsewhere is told nothing, and ends when it likes. */
static void take_a_nap(void)
{
    eventer_aco_t e = eventer_aco_arg();
    sleep_ms(4 * IDLE_MS);
    check_int(eventer_aco_write(e, "up", 2, NULL), 2);
    eventer_aco_close(e);
    eventer_aco_free(e);
    atomic_fetch_add(&ended, 1);
}

static void who_does_something_else_is_left_alone(void **state)
{
    (void)state;
    char text[16];
    eventer_listener_t *l = listen_idly("127.0.0.1", take_a_nap, NULL);
    read_all(client_of(l), text, sizeof(text));
    assert_string_equal(text, "up");
    finish(l);
}

/* Marks of the protocol's own keep a connection alive. */
static void mark_now_and_then(void)
{
    eventer_aco_t e = eventer_aco_arg();
    mtev_acceptor_closure_t *ac = eventer_aco_get_closure(e);
    struct timeval past = clock_timeval(clock_wall_ns() - 7 * CLOCK_NS_PER_S), *none = NULL;
    mtev_acceptor_closure_mark_read(ac, &past);
    mtev_acceptor_closure_mark_write(ac, &past);
    check(idle_age_ns(ac, clock_mono_ns()) >= 7 * CLOCK_NS_PER_S);
    mtev_acceptor_closure_mark_read(ac, none);
    check(idle_age_ns(ac, clock_mono_ns()) < 5 * CLOCK_NS_PER_S);
    mtev_acceptor_closure_mark_read(ac, &past);
    mtev_acceptor_closure_mark_write(ac, none);
    check(idle_age_ns(ac, clock_mono_ns()) < 5 * CLOCK_NS_PER_S);
    check(mtev_acceptor_closure_readwrite_age(ac) < 5000);
    eventer_aco_close(e);
    eventer_aco_free(e);
    atomic_fetch_add(&ended, 1);
}

static void marks_count(void **state)
{
    (void)state;
    char text[16];
    eventer_listener_t *l = listen_idly("127.0.0.1", mark_now_and_then, NULL);
    read_all(client_of(l), text, sizeof(text));
    finish(l);
}

/*
 * Connections that end at once and whose fds are used again: their timers went with them, and the
 * one that has the fd now has a time of its own.
 */
static void end_at_once(void)
{
    eventer_aco_t e = eventer_aco_arg();
    eventer_aco_close(e);
    eventer_aco_free(e);
    atomic_fetch_add(&ended, 1);
}

static void a_reused_fd_is_not_hit(void **state)
{
    (void)state;
    char text[16];
    eventer_listener_t *quick = listen_idly("127.0.0.1", end_at_once, NULL);
    eventer_listener_t *slow = eventer_listen(&(struct eventer_listen_opts){
        .address = "127.0.0.1", .coroutine = await_bytes, .idle_timeout = 100 * IDLE_MS});
    assert_non_null(slow);
    for (int i = 0; i < 50; i++)
        read_all(client_of(quick), text, sizeof(text));
    int fd = client_of(slow);
    pause_ms(3 * IDLE_MS);
    assert_int_equal(atomic_load(&timed_out), 0);
    close(fd);
    finish(slow);
    finish(quick);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(who_waits_is_timed_out),
    cmocka_unit_test(a_callback_gets_an_exception),
    cmocka_unit_test(reading_counts),
    cmocka_unit_test(writing_counts),
    cmocka_unit_test(writing_counts_where_a_proxy_connects),
    cmocka_unit_test(who_does_something_else_is_left_alone),
    cmocka_unit_test(marks_count),
    cmocka_unit_test(a_reused_fd_is_not_hit),
};

int main(void)
{
    listening_begin(2);
    return listening_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]), folder);
}
