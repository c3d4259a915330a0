/* SPDX-License-Identifier: MIT */
/*
 * Goal: a configuration that is read anew is what runs: new listeners are there, those that are
 * gone are not, what differs is changed in place with nobody turned away, and a wrong one changes
 * nothing.  Keys may stand where they may; what is to be skipped is.
 * Method: configurations as texts, read again and again; options are asked of the kernel.
 */
#include "listening.h"

#include "base/alloc.h"
#include "listener/listener_impl.h"

#include <netinet/tcp.h>

static char folder[] = "/tmp/test_configured.XXXXXX";

static void say(const char *text)
{
    eventer_aco_t e = eventer_aco_arg();
    eventer_aco_write(e, text, strlen(text), NULL);
    eventer_aco_close(e);
    eventer_aco_free(e);
}

static void say_one(void)
{
    say("one");
}

static void say_two(void)
{
    say("two");
}

/* Says its loop. */
static void say_loop(void)
{
    say(eventer_get_thread_name());
}

/* Says what the key "greeting" is, then echoes a byte. */
static void greet(void)
{
    eventer_aco_t e = eventer_aco_arg();
    mtev_hash_table *config = mtev_acceptor_closure_config(eventer_aco_get_closure(e));
    const char *text = mtev_hash_dict_get(config, "greeting");
    char byte;
    if (text == NULL)
        text = "-";
    eventer_aco_write(e, text, strlen(text), NULL);
    if (eventer_aco_read(e, &byte, 1, NULL) == 1)
        eventer_aco_write(e, &byte, 1, NULL);
    eventer_aco_close(e);
    eventer_aco_free(e);
}

static int reload(const char *stanzas)
{
    char text[4096];
    snprintf(text, sizeof(text), "<test>\n<listeners>\n%s\n</listeners>\n</test>\n", stanzas);
    assert_int_equal(conf_load_text("test.conf", text), 0);
    int err = listener_reload();
    listening_look();
    return err;
}

/* A free port at 127.0.0.1; that it stays free until it is used is next to certain. */
static uint16_t free_port(void)
{
    uint16_t port;
    close(harness_listen(&port));
    return port;
}

static const char *at_port(const char *format, uint16_t port)
{
    static char texts[4][512];
    static int turn;
    const char *mark = strstr(format, "%u");
    char *text = texts[turn++ % 4];
    assert_non_null(mark);
    snprintf(text, sizeof(texts[0]), "%.*s%u%s", (int)(mark - format), format, port, mark + 2);
    return text;
}

#define AT(attributes) "<listener address='127.0.0.1' port='%u' " attributes "/>"

static void find_newest(eventer_listener_t *l, void *closure)
{
    *(eventer_listener_t **)closure = l;
}

static eventer_listener_t *newest(void)
{
    eventer_listener_t *l = NULL;
    eventer_listener_each(find_newest, &l);
    return l;
}

static int option_of(int level, int option)
{
    int value = -1;
    socklen_t len = sizeof(value);
    assert_int_equal(getsockopt(newest()->sockets[0].fd, level, option, &value, &len), 0);
    return value;
}

static void new_ones_come_and_gone_ones_go(void **state)
{
    (void)state;
    char both[1024];
    uint16_t first = free_port(), second = free_port();
    const char *one = at_port(AT("type='one'"), first), *two = at_port(AT("type='two'"), second);
    assert_int_equal(reload(one), 0);
    assert_int_equal(listening_count, 1);
    assert_hears(listening_on, "one");
    snprintf(both, sizeof(both), "%s\n%s", one, two);
    assert_int_equal(reload(both), 0);
    assert_int_equal(listening_count, 2);
    assert_hears(at_port("127.0.0.1:%u", first), "one");
    assert_hears(at_port("127.0.0.1:%u", second), "two");
    assert_int_equal(reload(two), 0);
    assert_int_equal(listening_count, 1);
    assert_hears(at_port("127.0.0.1:%u", second), "two");
    assert_int_equal(reload(""), 0);
    assert_int_equal(listening_count, 0);
    assert_nothing_logged();
}

static void what_differs_changes_in_place(void **state)
{
    (void)state;
    uint16_t port = free_port();
    assert_int_equal(reload(at_port(AT("type='one' no_delay='off'"), port)), 0);
    eventer_listener_t *l = newest();
    const uint64_t id = l->id;
    assert_int_equal(option_of(IPPROTO_TCP, TCP_NODELAY), 0);
    assert_int_equal(reload(at_port(AT("type='two' no_delay='on' keepalive='on' fastopen='4' "
                                       "defer_accept='2' backlog='3'"),
                                    port)),
                     0);
    assert_int_equal(newest()->id, id);
    assert_hears(listening_on, "two");
    assert_true(option_of(IPPROTO_TCP, TCP_NODELAY) != 0);
    assert_int_equal(option_of(SOL_SOCKET, SO_KEEPALIVE), 1);
    assert_int_equal(option_of(IPPROTO_TCP, TCP_FASTOPEN), 4);
    assert_true(option_of(IPPROTO_TCP, TCP_DEFER_ACCEPT) >= 2);
    assert_int_equal(reload(at_port(AT("type='loop' fanout_pool='other'"), port)), 0);
    assert_hears(listening_on, "e:other/0");
    assert_int_equal(reload(at_port(AT("type='loop' fanout='off'"), port)), 0);
    assert_hears(listening_on, "e:default/0");
    assert_int_equal(reload(at_port(AT("type='loop' fanout='off' accept_thread='on'"), port)), 0);
    assert_non_null(newest()->sockets[0].thread);
    assert_hears(listening_on, "e:default/0");
    assert_int_equal(reload(at_port(AT("type='loop' fanout='off'"), port)), 0);
    assert_null(newest()->sockets[0].thread);
    assert_hears(listening_on, "e:default/0");
    assert_int_equal(newest()->id, id);
    assert_int_equal(reload(""), 0);
    assert_nothing_logged();
}

static void port_0_stays_the_port_it_was(void **state)
{
    (void)state;
    char address[sizeof(listening_on)];
    static const char *const texts[] = {
        "<listener type='one' address='127.0.0.1' port='0'/>",
        "<listener type='one' address='127.0.0.1' port='0' backlog='5'/>",
        "<listener type='two' address='127.0.0.1' port='0'/>",
    };
    assert_int_equal(reload(texts[0]), 0);
    snprintf(address, sizeof(address), "%s", listening_on);
    for (int i = 1; i < 3; i++) {
        assert_int_equal(reload(texts[i]), 0);
        assert_string_equal(listening_on, address);
    }
    assert_hears(address, "two");
    assert_int_equal(reload(""), 0);
}

static void connections_keep_what_they_had(void **state)
{
    (void)state;
    uint16_t port = free_port();
    char text[16];
    static const char format[] = "<listener type='greet' address='127.0.0.1' port='%u'>"
                                 "<config><greeting>hello</greeting></config></listener>";
    assert_int_equal(reload(at_port(format, port)), 0);
    int fd = connect_to(listening_on);
    assert_int_equal(recv(fd, text, 5, MSG_WAITALL), 5);
    assert_memory_equal(text, "hello", 5);
    assert_int_equal(reload(at_port(AT("type='greet'"), port)), 0);
    int other = connect_to(listening_on);
    assert_int_equal(recv(other, text, 1, 0), 1);
    assert_int_equal(text[0], '-');
    assert_int_equal(reload(""), 0);
    for (int i = 0; i < 2; i++) {
        int each = i == 0 ? fd : other;
        assert_int_equal(send(each, "x", 1, MSG_NOSIGNAL), 1);
        read_all(each, text, sizeof(text));
        assert_string_equal(text, "x");
    }
}

static void a_wrong_one_changes_nothing(void **state)
{
    (void)state;
    char text[1024], line[128];
    uint16_t first = free_port(), second = free_port(), taken;
    int fd = harness_listen(&taken);
    assert_int_equal(reload(at_port(AT("type='one'"), first)), 0);
    snprintf(text, sizeof(text), "%s\n%s\n<listener type='nobody' address='127.0.0.1' port='0'/>",
             at_port(AT("type='two'"), first), at_port(AT("type='two'"), second));
    assert_int_equal(reload(text), -EINVAL);
    assert_logged(1, "test.conf:5: <listener> type=\"nobody\": ");
    assert_int_equal(listening_count, 1);
    assert_hears(listening_on, "one");
    snprintf(text, sizeof(text), "%s\n%s\n%s", at_port(AT("type='two'"), first),
             at_port(AT("type='two'"), second), at_port(AT("type='two'"), taken));
    snprintf(line, sizeof(line),
             "test.conf:5: cannot listen on 127.0.0.1:%u: Address already in use\n", taken);
    assert_int_equal(reload(text), -EADDRINUSE);
    assert_logged(1, line);
    assert_int_equal(listening_count, 1); /* also the second one, which was new, is gone again */
    assert_hears(listening_on, "one");
    snprintf(text, sizeof(text), "%s\n%s", at_port(AT("type='one'"), first),
             at_port(AT("type='two'"), first)); /* twice the same address */
    assert_int_equal(reload(text), -EADDRINUSE);
    logged_clear();
    assert_int_equal(listening_count, 1);
    assert_hears(listening_on, "one");
    close(fd);
    assert_int_equal(reload(""), 0);
}

static void reuseport_waits_for_the_next_start(void **state)
{
    (void)state;
    uint16_t port = free_port();
    assert_int_equal(reload(at_port(AT("type='one'"), port)), 0);
    assert_int_equal(reload(at_port(AT("type='two' reuseport='on'"), port)), 0);
    assert_logged(1, "test.conf:3: reuseport of 127.0.0.1:");
    assert_hears(listening_on, "two"); /* and the rest has changed */
    assert_int_equal(newest()->socket_count, 1);
    assert_int_equal(reload(""), 0);
    assert_int_equal(reload(at_port(AT("type='one' reuseport='on'"), port)), 0);
    assert_int_equal(newest()->socket_count, 2);
    assert_hears(listening_on, "one");
    assert_int_equal(reload(""), 0);
    assert_nothing_logged();
}

static void the_path_of_a_unix_socket_changes_its_mode(void **state)
{
    (void)state;
    char path[64], text[256];
    struct stat st;
    snprintf(path, sizeof(path), "%s/mode", folder);
    for (int i = 0; i < 2; i++) {
        snprintf(text, sizeof(text), "<listener type='one' address='%s' mode='06%d0'/>", path, i);
        assert_int_equal(reload(text), 0);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600 + 010 * i);
        assert_hears(path, "one");
    }
    assert_int_equal(reload(""), 0);
    assert_int_equal(stat(path, &st), -1);
}

static void what_is_said_no_more_is_as_if_it_never_was(void **state)
{
    (void)state;
    char path[64], said[64], text[256];
    struct stat before, st;
    gid_t groups[64];
    const int count = getgroups(64, groups); /* root, or whoever has one, can give it away */
    const gid_t other = getuid() == 0 ? 1 : count > 0 ? groups[count - 1] : getgid();
    snprintf(path, sizeof(path), "%s/mode", folder);
    snprintf(said, sizeof(said), "mode='0600' group='%u'", other);
    for (int i = 0; i < 3; i++) {
        snprintf(text, sizeof(text), "<listener type='one' address='%s' %s/>", path,
                 i == 1 ? said : "");
        assert_int_equal(reload(text), 0);
        assert_int_equal(stat(path, i == 0 ? &before : &st), 0);
        if (i == 1)
            assert_true((st.st_mode & 0777) == 0600 && st.st_gid == other);
    }
    assert_int_equal(st.st_mode, before.st_mode);
    assert_int_equal(st.st_gid, before.st_gid);
    assert_int_equal(reload(""), 0);
    assert_nothing_logged();
}

/* At one a second a hundred are taken at once, and at another rate none of them counts. */
static void another_rate_counts_from_now_on(void **state)
{
    (void)state;
    uint16_t port = free_port();
    const uint64_t begin_ns = clock_mono_ns();
    assert_int_equal(reload(at_port(AT("type='one' accept_rate='1' accept_burst='100'"), port)), 0);
    for (int i = 0; i < 100; i++)
        assert_hears(listening_on, "one");
    assert_int_equal(reload(at_port(AT("type='one' accept_rate='2' accept_burst='2'"), port)), 0);
    assert_hears(listening_on, "one");
    assert_true(clock_mono_ns() - begin_ns < 25 * CLOCK_NS_PER_S);
    assert_int_equal(reload(""), 0);
    assert_nothing_logged();
}

/* ---- keys --------------------------------------------------------------------------- */

static void keys_may_stand_in_config(void **state)
{
    (void)state;
    assert_int_equal(reload("<listener type='loop' address='127.0.0.1' port='0' backlog='9'>"
                            "<config><fanout_pool>other</fanout_pool><backlog>8</backlog>"
                            "<keepalive>on</keepalive></config></listener>"),
                     0);
    assert_hears(listening_on, "e:other/0");
    assert_int_equal(option_of(SOL_SOCKET, SO_KEEPALIVE), 1);
    assert_int_equal(newest()->settings->v.backlog, 8); /* deeper than the attribute */
    assert_int_equal(reload(""), 0);
    assert_nothing_logged();
}

static void each_wrong_value_is_one_line(void **state)
{
    (void)state;
    static const struct {
        const char *attribute, *line;
    } cases[] = {
        {"mode='0x1'", "mode=\"0x1\": not an octal number up to 0777\n"},
        {"mode='1777'", "mode=\"1777\": not an octal number up to 0777\n"},
        {"mode='-1'", "mode=\"-1\": not an octal number up to 0777\n"},
        {"owner='no-such-user'", "owner=\"no-such-user\": no such user\n"},
        {"group='no-such-group'", "group=\"no-such-group\": no such group\n"},
        {"fanout_pool='nowhere'", "fanout_pool=\"nowhere\": there is no pool of that name\n"},
        {"accept_thread='1'", "accept_thread=\"1\": neither true (on) nor false (off)\n"},
        {"reuseport='1'", "reuseport=\"1\": neither true (on) nor false (off)\n"},
        {"reuseport='on' accept_thread='on'",
         "reuseport=\"on\": with reuseport the loops accept, not a thread\n"},
        {"reuseport='on' address='/tmp/x'",
         "reuseport=\"on\": a unix socket cannot be shared in this way\n"},
        {"no_delay='maybe'", "no_delay=\"maybe\": neither true (on) nor false (off)\n"},
        {"keepalive='maybe'", "keepalive=\"maybe\": neither true (on) nor false (off)\n"},
        {"defer_accept='3601'", "defer_accept=\"3601\": not a number between 0 and 3600\n"},
        {"fastopen='65536'", "fastopen=\"65536\": not a number between 0 and 65535\n"},
        {"max_connections='4194305'",
         "max_connections=\"4194305\": not a number between 0 and 4194304\n"},
        {"max_per_address='4194305'",
         "max_per_address=\"4194305\": not a number between 0 and 4194304\n"},
        {"accept_rate='1000001'", "accept_rate=\"1000001\": not a number between 0 and 1000000\n"},
        {"accept_burst='0'", "accept_burst=\"0\": not a number between 1 and 1000000\n"},
        {"accept_burst='1000001'",
         "accept_burst=\"1000001\": not a number between 1 and 1000000\n"},
        {"idle_timeout='86400001'",
         "idle_timeout=\"86400001\": not a number between 0 and 86400000\n"},
        {"proxy_protocol_from='10.0.0.0/8, ten'",
         "proxy_protocol_from=\"10.0.0.0/8, ten\": \"ten\" is no address, no block of them and not "
         "unix\n"},
        {"proxy_protocol_from='10.0.0.0/33'",
         "proxy_protocol_from=\"10.0.0.0/33\": \"10.0.0.0/33\" is no address"},
        {"address='@'", "address=\"@\": not *, inet:*, inet6:*, inet46:*, an IP address, "},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[512], line[512];
        bool has_address = strstr(cases[i].attribute, "address='") != NULL &&
                           strstr(cases[i].attribute, "max_per") == NULL;
        snprintf(text, sizeof(text), "<listener type='one' port='0' %s %s/>",
                 has_address ? "" : "address='127.0.0.1'", cases[i].attribute);
        snprintf(line, sizeof(line), "test.conf:3: <listener> %s", cases[i].line);
        assert_int_equal(reload(text), -EINVAL);
        assert_logged(1, line);
        assert_int_equal(listening_count, 0);
    }
}

static void the_limits_of_numbers_are_accepted(void **state)
{
    (void)state;
    assert_int_equal(reload("<listener type='one' address='127.0.0.1' port='0' defer_accept='0' "
                            "fastopen='65535' max_connections='4194304' max_per_address='4194304' "
                            "accept_rate='1000000' accept_burst='1000000' idle_timeout='86400000' "
                            "proxy_protocol_from='2001:db8::/32,&#10;10.0.0.1 10.0.0.0/8,unix,' "
                            "owner='0' group='0' mode='0'/>"),
                     0);
    assert_hears(listening_on, "one");
    assert_int_equal(reload(""), 0);
    assert_nothing_logged();
}

static void as_many_networks_as_may_be(void **state)
{
    (void)state;
    for (int by = -1; by <= 1; by++) {
        struct listen_values v;
        char text[1024] = "";
        const char *word;
        size_t len;
        memset(&v, 0, sizeof(v));
        for (int i = 0; i < LISTEN_PROXIES_MAX + by; i++)
            snprintf(text + strlen(text), sizeof(text) - strlen(text), "10.0.0.%d ", i);
        assert_int_equal(settings_read_proxies(text, &v, &word, &len), by <= 0 ? 0 : -E2BIG);
    }
}

static void the_environment_may_leave_one_out(void **state)
{
    (void)state;
    assert_int_equal(setenv("TEST_CONFIGURED", "yes", 1), 0);
    assert_int_equal(reload("<listener type='one' address='127.0.0.1' port='0' "
                            "require_env='TEST_CONFIGURED=no'/>"
                            "<listener type='two' address='127.0.0.1' port='0' "
                            "require_env='TEST_CONFIGURED=yes'/>"),
                     0);
    assert_int_equal(listening_count, 1);
    assert_hears(listening_on, "two");
    assert_int_equal(reload(""), 0);
}

static void what_is_to_be_skipped_is(void **state)
{
    (void)state;
    uint16_t skipped = free_port(), port = free_port();
    char text[1024];
    mtev_listener_skip("127.0.0.1", skipped);
    snprintf(text, sizeof(text), "%s\n%s", at_port(AT("type='one'"), skipped),
             at_port(AT("type='two'"), port));
    assert_int_equal(listen_to(text, true), 0);
    assert_int_equal(listening_count, 1);
    assert_hears(listening_on, "two");
    mtev_listener_skip(NULL, port);
    assert_int_equal(reload(text), 0);
    assert_int_equal(listening_count, 0);
    mtev_listener_skip("localhost", 1);
    assert_logged(1, "mtev_listener_skip: localhost: Invalid argument\n");
}

/* ---- races and memory --------------------------------------------------------------- */

static _Atomic bool is_over;
static _Atomic int served;

static void *keep_asking(void *closure)
{
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                        .sin_port = htons(*(uint16_t *)closure)};
    char text[16];
    while (!atomic_load(&is_over)) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        check(connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0);
        check_int(recv(fd, text, sizeof(text), 0), 3);
        close(fd);
        atomic_fetch_add(&served, 1);
    }
    return NULL;
}

static void nobody_is_turned_away_by_a_change(void **state)
{
    (void)state;
    static const char *const formats[] = {
        AT("type='one' backlog='100'"),
        AT("type='two' backlog='200' accept_thread='on'"),
        AT("type='two' fanout_pool='other' idle_timeout='30000'"),
    };
    pthread_t threads[2];
    uint16_t port = free_port();
    assert_int_equal(reload(at_port(formats[0], port)), 0);
    atomic_store(&is_over, false);
    atomic_store(&served, 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, keep_asking, &port), 0);
    for (int i = 0; i < 60; i++) {
        assert_int_equal(reload(at_port(formats[i % 3], port)), 0);
        wait_until(&served, 2 * i);
    }
    atomic_store(&is_over, true);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    assert_checks();
    assert_int_equal(reload(""), 0);
    assert_nothing_logged();
}

static void reload_without_memory(void *closure)
{
    (void)closure;
    (void)listener_reload();
}

static void without_memory_it_changes_or_not(void **state)
{
    (void)state;
    uint16_t port = free_port();
    assert_int_equal(reload(at_port(AT("type='one'"), port)), 0);
    for (int i = 0; i < 2; i++) {
        char text[1024];
        snprintf(text, sizeof(text), "<test><listeners>%s%s</listeners></test>",
                 at_port(i == 0 ? AT("type='two'") : AT("type='one'"), port),
                 i == 0 ? "<listener type='one' address='127.0.0.1' port='0'/>" : "");
        assert_int_equal(conf_load_text("test.conf", text), 0);
        harness_fail_each_allocation(reload_without_memory, NULL);
        logged_clear();
        assert_int_equal(listener_reload(), 0); /* now there is memory */
        assert_hears(at_port("127.0.0.1:%u", port), i == 0 ? "two" : "one");
    }
    assert_int_equal(reload(""), 0);
    assert_nothing_logged();
}

static void all_are_closed_again(void **state)
{
    (void)state;
    assert_int_equal(reload(""), 0);
    assert_int_equal(listening_count, 0);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(new_ones_come_and_gone_ones_go),
    cmocka_unit_test(what_differs_changes_in_place),
    cmocka_unit_test(port_0_stays_the_port_it_was),
    cmocka_unit_test(connections_keep_what_they_had),
    cmocka_unit_test(a_wrong_one_changes_nothing),
    cmocka_unit_test(reuseport_waits_for_the_next_start),
    cmocka_unit_test(the_path_of_a_unix_socket_changes_its_mode),
    cmocka_unit_test(what_is_said_no_more_is_as_if_it_never_was),
    cmocka_unit_test(another_rate_counts_from_now_on),
    cmocka_unit_test(keys_may_stand_in_config),
    cmocka_unit_test(each_wrong_value_is_one_line),
    cmocka_unit_test(the_limits_of_numbers_are_accepted),
    cmocka_unit_test(as_many_networks_as_may_be),
    cmocka_unit_test(the_environment_may_leave_one_out),
    cmocka_unit_test(what_is_to_be_skipped_is),
    cmocka_unit_test(nobody_is_turned_away_by_a_change),
    cmocka_unit_test(without_memory_it_changes_or_not),
    cmocka_unit_test(all_are_closed_again),
};

int main(void)
{
    if (eventer_propset("loop_other", "1") != 0)
        return 1;
    listening_begin(2);
    mtev_listener_register_aco_function("one", say_one);
    mtev_listener_register_aco_function("two", say_two);
    mtev_listener_register_aco_function("loop", say_loop);
    mtev_listener_register_aco_function("greet", greet);
    return listening_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]), folder);
}
