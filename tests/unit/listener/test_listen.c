/* SPDX-License-Identifier: MIT */
/*
 * Goal: a program's own listener does what its options say, stops, starts and ends at any time and
 * from any thread, and is listed beside those of the configuration.
 * Method: listeners of each kind in this process, with two loops and a second pool; connections
 * from here; options are asked of the kernel with getsockopt(2) and stat(2).
 */
#include "listening.h"

#include "base/alloc.h"
#include "listener/listener_impl.h"

#include <netinet/tcp.h>

static char folder[] = "/tmp/test_listen.XXXXXX";
static _Atomic int held; /* connections of hold_on() that are there */

/* Says the name of its loop and ends. */
static void say_loop(void)
{
    eventer_aco_t e = eventer_aco_arg();
    const char *name = eventer_get_thread_name();
    eventer_aco_write(e, name, strlen(name), NULL);
    eventer_aco_close(e);
    eventer_aco_free(e);
}

/* Says "!" and stays until the peer goes. */
static void hold_on(void)
{
    eventer_aco_t e = eventer_aco_arg();
    char byte;
    atomic_fetch_add(&held, 1);
    eventer_aco_write(e, "!", 1, NULL);
    (void)eventer_aco_read(e, &byte, 1, NULL);
    eventer_aco_close(e);
    eventer_aco_free(e);
    atomic_fetch_sub(&held, 1);
}

static void say_closure(void)
{
    eventer_aco_t e = eventer_aco_arg();
    const char *text = mtev_acceptor_closure_ctx(eventer_aco_get_closure(e));
    eventer_aco_write(e, text, strlen(text), NULL);
    eventer_aco_close(e);
    eventer_aco_free(e);
}

static int say_classic(eventer_t e, int mask, void *closure, struct timeval *now)
{
    int ignored;
    (void)mask, (void)now;
    check(mtev_acceptor_closure_dispatch(closure) == say_classic);
    check_int(eventer_write(e, "classic", 7, &ignored), 7);
    eventer_remove_fde(e);
    eventer_close(e, &ignored);
    return 0;
}

/* What clients are answered until the end. */
static const char *address_of_listener(eventer_listener_t *l)
{
    static char text[ADDRESS_TEXT_MAX];
    eventer_listener_address(l, text, sizeof(text));
    return text;
}

static int client_of(eventer_listener_t *l)
{
    return connect_to(address_of_listener(l));
}

static const char *hear(eventer_listener_t *l)
{
    static char text[64];
    read_all(client_of(l), text, sizeof(text));
    return text;
}

static void assert_byte(int fd, char wanted)
{
    char byte = 0;
    assert_int_equal(recv(fd, &byte, 1, 0), 1);
    assert_int_equal(byte, wanted);
}

static void assert_ended(int fd)
{
    char byte;
    assert_true(recv(fd, &byte, 1, 0) <= 0);
}

static eventer_listener_t *listen_with(const struct eventer_listen_opts *opts)
{
    eventer_listener_t *l = eventer_listen(opts);
    assert_non_null(l);
    assert_nothing_logged();
    return l;
}

static struct eventer_listener_stats stats_of(eventer_listener_t *l)
{
    struct eventer_listener_stats stats;
    eventer_listener_get_stats(l, &stats);
    return stats;
}

/* Wait until as many connections are there. */
static void await_connections(eventer_listener_t *l, uint32_t count)
{
    while (stats_of(l).connections != count)
        sched_yield();
}

#define LOCAL .address = "127.0.0.1"

/* ---- who serves --------------------------------------------------------------------- */

static void each_way_to_serve_does(void **state)
{
    (void)state;
    static char text[] = "context";
    eventer_listener_t *l =
        listen_with(&(struct eventer_listen_opts){LOCAL, .coroutine = say_loop});
    assert_int_equal(strncmp(hear(l), "e:default/", 10), 0);
    eventer_listener_free(l);
    l = listen_with(&(struct eventer_listen_opts){LOCAL, .callback = say_classic});
    assert_string_equal(hear(l), "classic");
    eventer_listener_free(l);
    l = listen_with(&(struct eventer_listen_opts){LOCAL, .type = "loop"});
    assert_int_equal(strncmp(hear(l), "e:default/", 10), 0);
    eventer_listener_free(l);
    l = listen_with(
        &(struct eventer_listen_opts){LOCAL, .coroutine = say_closure, .closure = text});
    assert_string_equal(hear(l), "context");
    eventer_listener_free(l);
    assert_checks();
}

static void loops_take_turns_or_one_serves(void **state)
{
    (void)state;
    char first[64];
    eventer_listener_t *l =
        listen_with(&(struct eventer_listen_opts){LOCAL, .coroutine = say_loop});
    for (int i = 0; i < 3; i++) {
        snprintf(first, sizeof(first), "%s", hear(l));
        assert_string_not_equal(hear(l), first);
    }
    eventer_listener_free(l);
    l = listen_with(&(struct eventer_listen_opts){LOCAL, .coroutine = say_loop, .one_loop = true});
    for (int i = 0; i < 4; i++)
        assert_string_equal(hear(l), "e:default/0");
    eventer_listener_free(l);
}

static void another_pool_serves(void **state)
{
    (void)state;
    eventer_listener_t *l = listen_with(
        &(struct eventer_listen_opts){LOCAL, .coroutine = say_loop, .pool = eventer_pool("other")});
    for (int i = 0; i < 3; i++)
        assert_string_equal(hear(l), "e:other/0");
    eventer_listener_free(l);
}

static void a_thread_of_its_own_accepts(void **state)
{
    (void)state;
    char first[64];
    eventer_listener_t *l = listen_with(
        &(struct eventer_listen_opts){LOCAL, .coroutine = say_loop, .accept_thread = true});
    assert_null(l->sockets[0].e);
    for (int i = 0; i < 3; i++) {
        snprintf(first, sizeof(first), "%s", hear(l));
        assert_string_not_equal(hear(l), first);
    }
    assert_int_equal(eventer_listener_stop(l), 0);
    assert_int_equal(eventer_listener_start(l), 0);
    assert_int_equal(strncmp(hear(l), "e:default/", 10), 0);
    eventer_listener_free(l);
}

/* The kernel chooses among the sockets by a hash of the addresses, so some time both have had one.
 */
static void with_reuseport_each_loop_has_a_socket(void **state)
{
    (void)state;
    bool has_seen[2] = {false};
    eventer_listener_t *l =
        listen_with(&(struct eventer_listen_opts){LOCAL, .coroutine = say_loop, .reuseport = true});
    assert_int_equal(l->socket_count, 2);
    for (uint32_t i = 0; i < 2; i++) {
        int is_on = 0;
        socklen_t len = sizeof(is_on);
        getsockopt(l->sockets[i].fd, SOL_SOCKET, SO_REUSEPORT, &is_on, &len);
        assert_int_equal(is_on, 1);
        assert_ptr_equal(l->sockets[i].loop, loop_at(i));
    }
    for (int i = 0; i < 1000 && !(has_seen[0] && has_seen[1]); i++)
        has_seen[strcmp(hear(l), "e:default/1") == 0] = true;
    assert_true(has_seen[0] && has_seen[1]);
    eventer_listener_free(l);
}

/* ---- addresses ---------------------------------------------------------------------- */

static void abstract_names_are_listened_to(void **state)
{
    (void)state;
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    char text[64], address[64];
    int len = snprintf(address, sizeof(address), "@%s", folder);
    eventer_listener_t *l =
        listen_with(&(struct eventer_listen_opts){.address = address, .coroutine = say_loop});
    assert_string_equal(address_of_listener(l), address);
    assert_int_equal(eventer_listener_port(l), 0);
    memcpy(name.sun_path, address, (size_t)len);
    name.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&name,
                             (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)len)),
                     0);
    read_all(fd, text, sizeof(text));
    assert_int_equal(strncmp(text, "e:default/", 10), 0);
    eventer_listener_free(l);
}

static void say_peer(void)
{
    eventer_aco_t e = eventer_aco_arg();
    struct sockaddr *remote = mtev_acceptor_closure_remote(eventer_aco_get_closure(e));
    char text[64];
    int len = mtev_convert_sockaddr_to_buff(text, sizeof(text), remote);
    eventer_aco_write(e, text, (size_t)len, NULL);
    eventer_aco_close(e);
    eventer_aco_free(e);
}

static void one_socket_serves_both_kinds_of_ip(void **state)
{
    (void)state;
    char text[64], v4[32];
    eventer_listener_t *l =
        eventer_listen(&(struct eventer_listen_opts){.address = "inet46:*", .coroutine = say_peer});
    if (l == NULL) { /* this machine has no IPv6 */
        logged_clear();
        return;
    }
    assert_string_equal(hear(l), "::1");
    snprintf(v4, sizeof(v4), "127.0.0.1:%u", eventer_listener_port(l));
    read_all(connect_to(v4), text, sizeof(text));
    assert_string_equal(text, "127.0.0.1");
    eventer_listener_free(l);
}

static void a_path_has_the_permissions_it_is_to_have(void **state)
{
    (void)state;
    char path[64], me[32], group[32];
    struct stat st;
    snprintf(path, sizeof(path), "%s/mode", folder);
    snprintf(me, sizeof(me), "%u", geteuid());
    snprintf(group, sizeof(group), "%u", getegid());
    static const char *const modes[] = {"0600", "666", "0"};
    for (int i = 0; i < 3; i++) {
        eventer_listener_t *l = listen_with(&(struct eventer_listen_opts){
            .address = path, .coroutine = say_loop, .mode = modes[i], .owner = me, .group = group});
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 0777, strtoul(modes[i], NULL, 8));
        assert_int_equal(st.st_uid, geteuid());
        eventer_listener_free(l);
        assert_int_equal(stat(path, &st), -1);
    }
    const bool may_give_away = geteuid() == 0;
    eventer_listener_t *l = eventer_listen(&(struct eventer_listen_opts){
        .address = path, .coroutine = say_loop, .owner = "54321", .group = "54322"});
    assert_int_equal(l != NULL, may_give_away);
    if (may_give_away) {
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_uid, 54321);
        assert_int_equal(st.st_gid, 54322);
        eventer_listener_free(l);
    } else {
        assert_int_equal(errno, EPERM);
        assert_logged(1, "Operation not permitted\n");
    }
    assert_int_equal(stat(path, &st), -1); /* also when it failed */
}

/* Whoever has put another file there in the meantime keeps it. */
static void only_its_own_path_is_removed(void **state)
{
    (void)state;
    char path[64], other[64];
    snprintf(path, sizeof(path), "%s/own", folder);
    snprintf(other, sizeof(other), "%s/other", folder);
    eventer_listener_t *l =
        listen_with(&(struct eventer_listen_opts){.address = path, .coroutine = say_loop});
    eventer_listener_t *successor =
        listen_with(&(struct eventer_listen_opts){.address = other, .coroutine = say_loop});
    assert_int_equal(rename(other, path), 0);
    eventer_listener_free(l);
    assert_int_equal(access(path, F_OK), 0);
    int fd = connect_to(path);
    close(fd);
    eventer_listener_free(successor);
    assert_int_equal(access(path, F_OK), 0); /* it had another name */
    unlink(path);
}

/* ---- options ------------------------------------------------------------------------ */

static int option_of(int fd, int level, int option)
{
    int value = -1;
    socklen_t len = sizeof(value);
    assert_int_equal(getsockopt(fd, level, option, &value, &len), 0);
    return value;
}

static int backlog_of(int fd)
{
    struct tcp_info info;
    socklen_t len = sizeof(info);
    assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len), 0);
    return (int)info.tcpi_sacked; /* what ss(8) shows for a listening socket */
}

static void options_reach_the_socket(void **state)
{
    (void)state;
    eventer_listener_t *l = listen_with(&(struct eventer_listen_opts){
        LOCAL, .coroutine = say_loop, .delay = true, .keepalive = true, .backlog = 7,
        .defer_accept = 3, .fastopen = 9});
    int fd = l->sockets[0].fd;
    assert_int_equal(option_of(fd, IPPROTO_TCP, TCP_NODELAY), 0);
    assert_int_equal(option_of(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
    assert_true(option_of(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT) >= 3);
    assert_int_equal(option_of(fd, IPPROTO_TCP, TCP_FASTOPEN), 9);
    assert_int_equal(backlog_of(fd), 7);
    eventer_listener_free(l);
    l = listen_with(&(struct eventer_listen_opts){LOCAL, .coroutine = say_loop});
    fd = l->sockets[0].fd;
    assert_true(option_of(fd, IPPROTO_TCP, TCP_NODELAY) != 0);
    assert_int_equal(option_of(fd, SOL_SOCKET, SO_KEEPALIVE), 0);
    assert_int_equal(option_of(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT), 0);
    assert_int_equal(option_of(fd, IPPROTO_TCP, TCP_FASTOPEN), 0);
    eventer_listener_free(l);
}

static void wrong_options_are_one_line(void **state)
{
    (void)state;
    static const struct {
        struct eventer_listen_opts opts;
        int err;
        const char *line;
    } cases[] = {
        {{LOCAL}, EINVAL, "eventer_listen: one of coroutine, callback and type is to be given: "},
        {{LOCAL, .coroutine = say_loop, .type = "loop"}, EINVAL, "eventer_listen: one of "},
        {{LOCAL, .type = "nobody"}, ENOENT, "eventer_listen: nobody: No such file or directory\n"},
        {{.address = "localhost", .coroutine = say_loop}, EINVAL, "eventer_listen: localhost: "},
        {{LOCAL, .coroutine = say_loop, .mode = "8"}, EINVAL, "eventer_listen: 8: "},
        {{LOCAL, .coroutine = say_loop, .mode = "01000"}, EINVAL, "eventer_listen: 01000: "},
        {{LOCAL, .coroutine = say_loop, .owner = "no such user"},
         ENOENT,
         "eventer_listen: no such user: "},
        {{LOCAL, .coroutine = say_loop, .group = "-1"}, ENOENT, "eventer_listen: -1: "},
        {{LOCAL, .coroutine = say_loop, .backlog = 65536}, EINVAL, "eventer_listen: a number "},
        {{LOCAL, .coroutine = say_loop, .backlog = -1}, EINVAL, "eventer_listen: a number "},
        {{LOCAL, .coroutine = say_loop, .defer_accept = 3601}, EINVAL, "eventer_listen: a number "},
        {{LOCAL, .coroutine = say_loop, .fastopen = 65536}, EINVAL, "eventer_listen: a number "},
        {{LOCAL, .coroutine = say_loop, .max_connections = 4194305},
         EINVAL,
         "eventer_listen: a number "},
        {{LOCAL, .coroutine = say_loop, .max_per_address = 4194305},
         EINVAL,
         "eventer_listen: a number "},
        {{LOCAL, .coroutine = say_loop, .accept_rate = 1000001},
         EINVAL,
         "eventer_listen: a number "},
        {{LOCAL, .coroutine = say_loop, .accept_burst = 1000001},
         EINVAL,
         "eventer_listen: a number "},
        {{LOCAL, .coroutine = say_loop, .idle_timeout = 86400001},
         EINVAL,
         "eventer_listen: a number "},
        {{LOCAL, .coroutine = say_loop, .proxy_protocol_from = "10.0.0.0/8, x"},
         EINVAL,
         "eventer_listen: 10.0.0.0/8, x: "},
        {{LOCAL, .coroutine = say_loop, .reuseport = true, .accept_thread = true},
         EINVAL,
         "eventer_listen: with reuseport "},
        {{.address = "/nonexistent/x", .coroutine = say_loop},
         ENOENT,
         "eventer_listen: /nonexistent/x: No such file or directory\n"},
        {{.address = "@x", .coroutine = say_loop, .reuseport = true},
         EINVAL,
         "eventer_listen: a unix socket "},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_null(eventer_listen(&cases[i].opts));
        assert_int_equal(errno, cases[i].err);
        assert_logged(1, cases[i].line);
    }
    assert_null(eventer_listen(NULL));
    assert_logged(1, "eventer_listen: no options: Invalid argument\n");
}

/* ---- limits ------------------------------------------------------------------------- */

static void the_limit_of_connections_is_exact(void **state)
{
    (void)state;
    int fds[4];
    eventer_listener_t *l = listen_with(
        &(struct eventer_listen_opts){LOCAL, .coroutine = hold_on, .max_connections = 3});
    for (int i = 0; i < 3; i++) {
        fds[i] = client_of(l);
        assert_byte(fds[i], '!');
    }
    assert_int_equal(stats_of(l).connections, 3);
    fds[3] = client_of(l);
    assert_ended(fds[3]);
    close(fds[3]);
    assert_int_equal(stats_of(l).refused_full, 1);
    assert_int_equal(stats_of(l).accepted, 4);
    close(fds[0]);
    await_connections(l, 2);
    fds[0] = client_of(l);
    assert_byte(fds[0], '!');
    for (int i = 0; i < 3; i++)
        close(fds[i]);
    await_connections(l, 0);
    eventer_listener_free(l);
}

static void the_limit_of_an_address_is_exact(void **state)
{
    (void)state;
    const struct sockaddr_in other = {.sin_family = AF_INET,
                                      .sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1)};
    int fds[4];
    eventer_listener_t *l = listen_with(
        &(struct eventer_listen_opts){LOCAL, .coroutine = hold_on, .max_per_address = 2});
    for (int i = 0; i < 2; i++) {
        fds[i] = client_of(l);
        assert_byte(fds[i], '!');
    }
    fds[2] = client_of(l);
    assert_ended(fds[2]);
    close(fds[2]);
    assert_int_equal(stats_of(l).refused_address, 1);
    fds[3] = open_socket("127.0.0.1:0");
    assert_int_equal(bind(fds[3], (const struct sockaddr *)&other, sizeof(other)), 0);
    connect_socket(fds[3], address_of_listener(l));
    assert_byte(fds[3], '!');
    close(fds[0]);
    await_connections(l, 2);
    fds[0] = client_of(l);
    assert_byte(fds[0], '!');
    close(fds[0]);
    close(fds[1]);
    close(fds[3]);
    await_connections(l, 0);
    eventer_listener_free(l);
}

/* Time is a lower bound here: so many cannot have come faster. */
static void connections_wait_for_the_rate(void **state)
{
    (void)state;
    eventer_listener_t *l = listen_with(&(struct eventer_listen_opts){
        LOCAL, .coroutine = say_loop, .accept_rate = 100, .accept_burst = 2});
    uint64_t begin_ns = clock_mono_ns();
    for (int i = 0; i < 12; i++)
        assert_int_equal(strncmp(hear(l), "e:default/", 10), 0);
    assert_true(clock_mono_ns() - begin_ns >= 90 * CLOCK_NS_PER_MS);
    assert_true(stats_of(l).delayed > 0);
    assert_int_equal(stats_of(l).failed, 0);
    eventer_listener_free(l);
    l = listen_with(&(struct eventer_listen_opts){LOCAL, .coroutine = say_loop, .accept_rate = 100,
                                                  .accept_burst = 1, .accept_thread = true});
    begin_ns = clock_mono_ns();
    for (int i = 0; i < 6; i++)
        assert_int_equal(strncmp(hear(l), "e:default/", 10), 0);
    assert_true(clock_mono_ns() - begin_ns >= 45 * CLOCK_NS_PER_MS);
    eventer_listener_free(l);
}

/* ---- stopping and starting ---------------------------------------------------------- */

static bool is_refused(const struct sockaddr_in *address)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool refused = connect(fd, (const struct sockaddr *)address, sizeof(*address)) != 0 &&
                   errno == ECONNREFUSED;
    close(fd);
    return refused;
}

static void a_stopped_listener_starts_at_its_port_again(void **state)
{
    (void)state;
    eventer_listener_t *l = listen_with(&(struct eventer_listen_opts){LOCAL, .coroutine = hold_on});
    uint16_t port = eventer_listener_port(l);
    const struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port)};
    int fd = client_of(l);
    assert_byte(fd, '!');
    for (int i = 0; i < 3; i++) {
        assert_int_equal(eventer_listener_stop(l), 0);
        assert_true(is_refused(&address));
        assert_int_equal(stats_of(l).is_open, mtev_false);
        assert_int_equal(stats_of(l).connections, 1); /* it goes on */
        assert_int_equal(eventer_listener_stop(l), 0);
        assert_int_equal(eventer_listener_start(l), 0);
        assert_int_equal(eventer_listener_start(l), 0);
        assert_int_equal(eventer_listener_port(l), port);
        int other = client_of(l);
        assert_byte(other, '!');
        close(other);
        await_connections(l, 1);
    }
    eventer_listener_free(l);
    assert_true(is_refused(&address));
    close(fd); /* the last one ends what is left of the listener */
    wait_until(&held, 0);
    while (atomic_load(&held) != 0)
        sched_yield();
    assert_int_equal(eventer_listener_stop(NULL), -1);
    assert_int_equal(eventer_listener_start(NULL), -1);
    eventer_listener_free(NULL);
    assert_logged(2, "(null): Invalid argument\n");
}

static void a_port_that_is_taken_meanwhile_is_an_error(void **state)
{
    (void)state;
    eventer_listener_t *l = listen_with(&(struct eventer_listen_opts){LOCAL, .coroutine = hold_on});
    eventer_listener_t *other;
    eventer_listener_stop(l);
    other = listen_with(&(struct eventer_listen_opts){LOCAL, .port = eventer_listener_port(l),
                                                      .coroutine = say_loop});
    assert_int_equal(eventer_listener_start(l), -1);
    assert_int_equal(errno, EADDRINUSE);
    assert_logged(1, "eventer_listener_start: 127.0.0.1:");
    eventer_listener_free(other);
    assert_int_equal(eventer_listener_start(l), 0);
    eventer_listener_free(l);
}

/* Hold the loop that accepts, so that whoever connects waits; then stop from here. */
static void who_has_connected_is_served_when_it_stops(void **state)
{
    (void)state;
    struct hold hold;
    char text[64];
    int fds[5];
    eventer_listener_t *l =
        listen_with(&(struct eventer_listen_opts){LOCAL, .coroutine = say_loop});
    hold_begin(&hold, loop_at(0));
    for (int i = 0; i < 5; i++)
        fds[i] = client_of(l);
    eventer_listener_stop(l);
    hold_end(&hold);
    for (int i = 0; i < 5; i++) {
        read_all(fds[i], text, sizeof(text));
        assert_int_equal(strncmp(text, "e:default/", 10), 0);
    }
    assert_int_equal(stats_of(l).accepted, 5);
    eventer_listener_free(l);
}

static void stop_and_start_here(void *closure)
{
    eventer_listener_t *l = closure;
    check_int(eventer_listener_stop(l), 0);
    check_int(eventer_listener_start(l), 0);
}

static void loops_and_coroutines_may_stop_it(void **state)
{
    (void)state;
    eventer_listener_t *l =
        listen_with(&(struct eventer_listen_opts){LOCAL, .coroutine = say_loop});
    in_loop(0, stop_and_start_here, l);
    in_loop(1, stop_and_start_here, l);
    in_coroutine(0, stop_and_start_here, l);
    in_coroutine(1, stop_and_start_here, l);
    assert_int_equal(strncmp(hear(l), "e:default/", 10), 0);
    eventer_listener_free(l);
}

#define RACE_ROUNDS 40

static _Atomic bool race_is_over;

/*
 * A socket that connects to a free port of its own kind may get that very port, and so itself:
 * RFC 9293, figure 8 (simultaneous open).
 */
static bool is_own_peer(int fd, uint16_t port)
{
    struct sockaddr_in self = {0};
    socklen_t len = sizeof(self);
    return getsockname(fd, (struct sockaddr *)&self, &len) == 0 && ntohs(self.sin_port) == port;
}

/*
 * Connect again and again; each connection is served or refused, and none is left hanging.  Linux
 * may drop one whose handshake ends at the moment when the listening socket is closed, without a
 * word; so each says something, which is answered with a reset then.
 */
static void *keep_connecting(void *closure)
{
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                        .sin_port = htons(*(uint16_t *)closure)};
    const struct timeval patience = {.tv_sec = 30};
    char text[16];
    while (!atomic_load(&race_is_over)) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
        if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0 &&
            !is_own_peer(fd, ntohs(address.sin_port)) && send(fd, "?", 1, MSG_NOSIGNAL) == 1)
            check(recv(fd, text, sizeof(text), 0) >= 0 || errno == ECONNRESET || errno == EPIPE);
        close(fd);
    }
    return NULL;
}

static void *keep_changing(void *closure)
{
    for (int i = 0; i < RACE_ROUNDS; i++)
        stop_and_start_here(closure);
    return NULL;
}

static void race(const struct eventer_listen_opts *opts)
{
    pthread_t threads[4];
    eventer_listener_t *l = listen_with(opts);
    uint16_t port = eventer_listener_port(l);
    atomic_store(&race_is_over, false);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, keep_connecting, &port), 0);
    for (int i = 2; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, keep_changing, l), 0);
    for (int i = 2; i < 4; i++)
        pthread_join(threads[i], NULL);
    atomic_store(&race_is_over, true);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    eventer_listener_start(l);
    assert_int_equal(strncmp(hear(l), "e:default/", 10), 0);
    await_connections(l, 0);
    eventer_listener_free(l);
    assert_checks();
    logged_clear();
}

static void stopping_races_with_accepting(void **state)
{
    (void)state;
    race(&(struct eventer_listen_opts){LOCAL, .coroutine = say_loop});
    race(&(struct eventer_listen_opts){LOCAL, .coroutine = say_loop, .reuseport = true});
    race(&(struct eventer_listen_opts){LOCAL, .coroutine = say_loop, .accept_thread = true});
}

/* ---- the list ----------------------------------------------------------------------- */

struct listed {
    eventer_listener_t *own;
    unsigned count, own_count;
};

static void list_one(eventer_listener_t *l, void *closure)
{
    struct listed *listed = closure;
    listed->count++;
    listed->own_count += l == listed->own;
}

static void end_own(eventer_listener_t *l, void *closure)
{
    struct listed *listed = closure;
    if (l == listed->own)
        eventer_listener_free(l);
}

static void refuse_to_end(eventer_listener_t *l, void *closure)
{
    (void)closure;
    eventer_listener_free(l);
}

static void both_kinds_are_listed(void **state)
{
    (void)state;
    struct listed listed = {0};
    assert_int_equal(listen_to("<listener type='loop' address='127.0.0.1' port='0'/>", true), 0);
    eventer_listener_each(refuse_to_end, NULL);
    assert_logged(1, "eventer_listener_free: it is the configuration's: Invalid argument\n");
    listed.own = listen_with(&(struct eventer_listen_opts){LOCAL, .coroutine = say_loop});
    eventer_listener_each(list_one, &listed);
    assert_int_equal(listed.count, 2);
    assert_int_equal(listed.own_count, 1);
    eventer_listener_each(end_own, &listed);
    listed = (struct listed){0};
    eventer_listener_each(list_one, &listed);
    assert_int_equal(listed.count, 1);
    assert_int_equal(listen_to("<listener/>", true), -EINVAL); /* ends those of the configuration */
    logged_clear();
    listed = (struct listed){0};
    eventer_listener_each(list_one, &listed);
    assert_int_equal(listed.count, 0);
}

static void an_address_is_cut(void **state)
{
    (void)state;
    char text[8];
    eventer_listener_t *l =
        listen_with(&(struct eventer_listen_opts){LOCAL, .coroutine = say_loop});
    assert_true(eventer_listener_address(l, text, sizeof(text)) > sizeof(text));
    assert_string_equal(text, "127.0.0");
    eventer_listener_address(l, text, 0);
    assert_string_equal(text, "127.0.0");
    eventer_listener_free(l);
}

/* ---- memory ------------------------------------------------------------------------- */

static void listen_without_memory(void *closure)
{
    const struct eventer_listen_opts *opts = closure;
    eventer_listener_t *l = eventer_listen(opts);
    if (l == NULL)
        assert_int_equal(errno, ENOMEM);
    eventer_listener_free(l);
}

static void without_memory_nothing_stays(void **state)
{
    (void)state;
    struct listed listed = {0};
    struct eventer_listen_opts opts = {LOCAL, .coroutine = say_loop, .max_per_address = 1};
    harness_fail_each_allocation(listen_without_memory, &opts);
    opts.accept_thread = true;
    harness_fail_each_allocation(listen_without_memory, &opts);
    eventer_listener_each(list_one, &listed);
    assert_int_equal(listed.count, 0);
    logged_clear();
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(each_way_to_serve_does),
    cmocka_unit_test(loops_take_turns_or_one_serves),
    cmocka_unit_test(another_pool_serves),
    cmocka_unit_test(a_thread_of_its_own_accepts),
    cmocka_unit_test(with_reuseport_each_loop_has_a_socket),
    cmocka_unit_test(abstract_names_are_listened_to),
    cmocka_unit_test(one_socket_serves_both_kinds_of_ip),
    cmocka_unit_test(a_path_has_the_permissions_it_is_to_have),
    cmocka_unit_test(only_its_own_path_is_removed),
    cmocka_unit_test(options_reach_the_socket),
    cmocka_unit_test(wrong_options_are_one_line),
    cmocka_unit_test(the_limit_of_connections_is_exact),
    cmocka_unit_test(the_limit_of_an_address_is_exact),
    cmocka_unit_test(connections_wait_for_the_rate),
    cmocka_unit_test(a_stopped_listener_starts_at_its_port_again),
    cmocka_unit_test(a_port_that_is_taken_meanwhile_is_an_error),
    cmocka_unit_test(who_has_connected_is_served_when_it_stops),
    cmocka_unit_test(loops_and_coroutines_may_stop_it),
    cmocka_unit_test(stopping_races_with_accepting),
    cmocka_unit_test(both_kinds_are_listed),
    cmocka_unit_test(an_address_is_cut),
    cmocka_unit_test(without_memory_nothing_stays),
};

int main(void)
{
    if (eventer_propset("loop_other", "1") != 0)
        return 1;
    listening_begin(2);
    mtev_listener_register_aco_function("loop", say_loop);
    return listening_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]), folder);
}
