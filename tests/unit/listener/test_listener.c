/* SPDX-License-Identifier: MIT */
/*
 * Goal: <listeners> means what it says: each attribute is read, inherited and checked, what is
 * wrong is one line that names the place, and other listeners are not harmed, unless they are
 * strict. Method: configurations as texts; what is bound is asked of the registry and connected to.
 */
#include "listening.h"

#include <sys/resource.h>

static char folder[] = "/tmp/test_listener.XXXXXX";

static void say_one(void)
{
    eventer_aco_t e = eventer_aco_arg();
    eventer_aco_write(e, "one", 3, NULL);
    eventer_aco_close(e);
    eventer_aco_free(e);
}

static void say_two(void)
{
    eventer_aco_t e = eventer_aco_arg();
    eventer_aco_write(e, "two", 3, NULL);
    eventer_aco_close(e);
    eventer_aco_free(e);
}

static int say_classic(eventer_t e, int mask, void *closure, struct timeval *now)
{
    int ignored;
    (void)closure, (void)now;
    check((mask & (EVENTER_READ | EVENTER_WRITE)) != 0);
    check_int(eventer_write(e, "classic", 7, &ignored), 7);
    eventer_remove_fde(e);
    eventer_close(e, &ignored);
    return 0;
}

static void what_is_wrong_is_one_line(void **state)
{
    (void)state;
    static const struct {
        const char *stanza, *line;
    } cases[] = {
        {"<listener address='127.0.0.1' port='0'/>", "test.conf:3: <listener> has no type\n"},
        {"<listener type='nobody' address='127.0.0.1' port='0'/>",
         "test.conf:3: <listener> type=\"nobody\": nobody registered a type of that name\n"},
        {"<listener type='one' address='localhost' port='0'/>",
         "test.conf:3: <listener> address=\"localhost\": not *, inet:*, inet6:*, inet46:*, an IP "
         "address, @NAME or an absolute path\n"},
        {"<listener type='one' address='127.0.0.1'/>",
         "test.conf:3: <listener> for address 127.0.0.1 has no port\n"},
        {"<listener type='one' address='127.0.0.1' port='http'/>",
         "test.conf:3: <listener> port=\"http\": "},
        {"<listener type='one' address='127.0.0.1' port='65536'/>",
         "test.conf:3: <listener> port=\"65536\": "},
        {"<listener type='one' address='127.0.0.1' port='-1'/>",
         "test.conf:3: <listener> port=\"-1\": "},
        {"<listener type='one' address='127.0.0.1' port='0' backlog='0'/>",
         "test.conf:3: <listener> backlog=\"0\": "},
        {"<listener type='one' address='127.0.0.1' port='0' backlog='65536'/>",
         "test.conf:3: <listener> backlog=\"65536\": "},
        {"<listener type='one' address='127.0.0.1' port='0' ssl='on'/>",
         "test.conf:3: <listener>: TLS: there is no certificate\n"},
        {"<listener type='one' address='127.0.0.1' port='0' ssl='perhaps'/>",
         "test.conf:3: <listener> ssl=\"perhaps\": "},
        {"<listener type='one' address='127.0.0.1' port='0' fanout='some'/>",
         "test.conf:3: <listener> fanout=\"some\": "},
        {"<listener type='one' address='192.0.2.77' port='0'/>",
         "test.conf:3: cannot listen on 192.0.2.77:0: Cannot assign requested address\n"},
        {"<listener type='one' address='/nonexistent/socket'/>",
         "test.conf:3: cannot listen on /nonexistent/socket: No such file or directory\n"},
    };
    unsigned before = listening_look();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        for (int strict = 0; strict <= 1; strict++) {
            assert_int_equal(listen_to(cases[i].stanza, strict == 1) != 0, strict == 1);
            assert_logged(1, cases[i].line);
            assert_int_equal(listening_look(), strict == 1 ? 0 : before);
            if (strict == 1)
                before = 0; /* nothing stays bound */
        }
}

static void right_attributes_are_accepted(void **state)
{
    (void)state;
    static const char *const stanzas[] = {
        "<listener type='one' address='127.0.0.1' port='0' ssl='off' fanout='on' backlog='1'/>",
        "<listener type='one' address='*' port='0' fanout='off' backlog='65535'/>",
        "<listener type='one' port='0'/>",
        "<a type='one' port='1'><b address='127.0.0.1' port='0'><listener/></b></a>",
        "<listener type='one' address='127.0.0.1' "
        "port='0'><config><no_delay>off</no_delay></config>"
        "</listener>",
    };
    unsigned before = listening_look();
    for (size_t i = 0; i < sizeof(stanzas) / sizeof(stanzas[0]); i++) {
        assert_int_equal(listen_to(stanzas[i], true), 0);
        assert_nothing_logged();
        assert_int_equal(listening_look(), before + i + 1);
        assert_hears(listening_on, "one");
    }
}

static void both_kinds_of_ip_are_listened_to(void **state)
{
    (void)state;
    assert_int_equal(listen_to("<listener type='one' address='127.0.0.1' port='0'/>", true), 0);
    assert_int_equal(strncmp(listening_on, "127.0.0.1:", 10), 0);
    assert_string_not_equal(listening_on, "127.0.0.1:0");
    assert_hears(listening_on, "one");
    int probe = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    bool has_v6 = probe >= 0 && bind(probe, (const struct sockaddr *)&v6, sizeof(v6)) == 0;
    if (probe >= 0)
        close(probe);
    if (!has_v6)
        return; /* this machine has none */
    assert_int_equal(listen_to("<listener type='two' address='::1' port='0'/>", true), 0);
    assert_int_equal(strncmp(listening_on, "[::1]:", 6), 0);
    assert_hears(listening_on, "two");
    assert_int_equal(listen_to("<listener type='two' address='inet6:*' port='0'/>", true), 0);
    assert_hears(listening_on, "two");
}

static void a_port_in_use_is_named(void **state)
{
    (void)state;
    char text[256], line[256];
    uint16_t port;
    int fd = harness_listen(&port);
    snprintf(text, sizeof(text), "<listener type='one' address='127.0.0.1' port='%u'/>", port);
    snprintf(line, sizeof(line), "cannot listen on 127.0.0.1:%u: Address already in use\n", port);
    assert_int_equal(listen_to(text, false), 0);
    assert_logged(1, line);
    assert_int_equal(listen_to(text, true), -EADDRINUSE);
    assert_logged(1, line);
    close(fd);
}

static void a_lenient_configuration_goes_on_behind_a_fault(void **state)
{
    (void)state;
    unsigned before = listening_look();
    assert_int_equal(listen_to("<listener type='nobody' port='0'/>\n"
                               "<listener type='one' address='127.0.0.1' port='0'/>\n"
                               "<listener type='one' port='x'/>\n"
                               "<listener type='two' address='127.0.0.1' port='0'/>",
                               false),
                     0);
    assert_int_equal(logged("test.conf:3: "), 1);
    assert_int_equal(logged("test.conf:5: "), 1);
    assert_int_equal(logged("\n"), 2);
    logged_clear();
    assert_int_equal(listening_look(), before + 2);
    assert_hears(listening_on, "two");
}

static void a_strict_configuration_is_all_or_nothing(void **state)
{
    (void)state;
    assert_int_equal(listen_to("<listener type='one' address='127.0.0.1' port='0'/>\n"
                               "<listener type='nobody' port='0'/>\n"
                               "<listener type='nobody' port='0'/>",
                               true),
                     -EINVAL);
    assert_logged(1, "test.conf:4: ");
    assert_int_equal(listening_look(), 0);
}

/* ---- types -------------------------------------------------------------------------- */

static void a_callback_goes_before_a_function_of_the_same_name(void **state)
{
    (void)state;
    assert_int_equal(eventer_name_callback("callback", say_classic), 0);
    assert_int_equal(listen_to("<listener type='callback' address='127.0.0.1' port='0'/>", true),
                     0);
    assert_hears(listening_on, "classic");
    mtev_listener_register_aco_function("both", say_one);
    assert_int_equal(listen_to("<listener type='both' address='127.0.0.1' port='0'/>", true), 0);
    assert_hears(listening_on, "one");
    assert_int_equal(eventer_name_callback("both", say_classic), 0);
    assert_int_equal(listen_to("<listener type='both' address='127.0.0.1' port='0'/>", true), 0);
    assert_hears(listening_on, "classic");
    assert_checks();
}

static void a_type_is_registered_once(void **state)
{
    (void)state;
    mtev_listener_register_aco_function("one", say_two);
    assert_logged(1, "mtev_listener_register_aco_function: one: there is a type of that name\n");
    mtev_listener_register_aco_function(NULL, say_two);
    assert_logged(1, "mtev_listener_register_aco_function: (null): Invalid argument\n");
    mtev_listener_register_aco_function("three", NULL);
    assert_logged(1, "mtev_listener_register_aco_function: three: Invalid argument\n");
}

/* ---- unix sockets ------------------------------------------------------------------- */

static bool exists(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0;
}

static void a_unix_socket_is_made_and_a_dead_one_replaced(void **state)
{
    (void)state;
    char path[64], text[256], line[256];
    snprintf(path, sizeof(path), "%s/socket", folder);
    snprintf(text, sizeof(text), "<listener type='one' address='%s'/>", path);
    struct sockaddr_un dead = {.sun_family = AF_UNIX};
    snprintf(dead.sun_path, sizeof(dead.sun_path), "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&dead, sizeof(dead)), 0);
    close(fd);
    assert_true(exists(path));
    assert_int_equal(listen_to(text, true), 0);
    assert_string_equal(listening_on, path);
    assert_hears(path, "one");
    /* A live one stays with who has it. */
    assert_int_equal(listen_to(text, false), 0);
    snprintf(line, sizeof(line), "cannot listen on %s: Address already in use\n", path);
    assert_logged(1, line);
    assert_hears(path, "one");
    /* A strict fault stops all of them. */
    assert_int_equal(listen_to("<listener/>", true), -EINVAL);
    logged_clear();
    assert_false(exists(path));
}

static void a_file_at_the_path_is_left_alone(void **state)
{
    (void)state;
    char path[64], text[256];
    snprintf(path, sizeof(path), "%s/file", folder);
    snprintf(text, sizeof(text), "<listener type='one' address='%s'/>", path);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    fclose(file);
    assert_int_equal(listen_to(text, false), 0);
    assert_logged(1, "Address already in use\n");
    assert_true(exists(path));
    unlink(path);
}

/* ---- memory --------------------------------------------------------------------------- */

static void init_without_memory(void *closure)
{
    (void)closure;
    listener_init("test", true); /* nothing, or one listener, is bound */
}

static void without_memory_nothing_is_bound(void **state)
{
    (void)state;
    unsigned before = listening_look();
    assert_int_equal(listen_to("", true), 0);
    assert_int_equal(conf_load_text("test.conf",
                                    "<test><listeners><listener type='one' "
                                    "address='127.0.0.1' port='0'/></listeners></test>"),
                     0);
    harness_fail_each_allocation(init_without_memory, NULL);
    (void)before;
    logged_clear();
    assert_int_equal(listen_to("<listener/>", true), -EINVAL); /* closes those that were bound */
    logged_clear();
    assert_int_equal(listening_look(), 0);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(what_is_wrong_is_one_line),
    cmocka_unit_test(right_attributes_are_accepted),
    cmocka_unit_test(both_kinds_of_ip_are_listened_to),
    cmocka_unit_test(a_port_in_use_is_named),
    cmocka_unit_test(a_lenient_configuration_goes_on_behind_a_fault),
    cmocka_unit_test(a_strict_configuration_is_all_or_nothing),
    cmocka_unit_test(a_callback_goes_before_a_function_of_the_same_name),
    cmocka_unit_test(a_type_is_registered_once),
    cmocka_unit_test(a_unix_socket_is_made_and_a_dead_one_replaced),
    cmocka_unit_test(a_file_at_the_path_is_left_alone),
    cmocka_unit_test(without_memory_nothing_is_bound),
};

int main(void)
{
    listening_begin(2);
    mtev_listener_register_aco_function("one", say_one);
    mtev_listener_register_aco_function("two", say_two);
    return listening_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]), folder);
}
