/* SPDX-License-Identifier: MIT */
/*
 * Goal: a connection of a listener with TLS reaches its type with its handshake done, what the peer
 * has sent already, and the peer's name, if it is verified; and without memory it is dropped.
 * Method: listeners of each kind in this process, by a stanza and by a call; raw clients.
 */
#include "../tls/raw_peer.h"
#include "listening.h"

#include "base/alloc.h"

#include <eventer/eventer_SSL_fd_opset.h>
#include <eventer_listen.h>

static _Atomic int ended;
static char seen[256]; /* of the last connection; written before ended is raised */
static SSL_CTX *client;

/* Tells the peer who it is, and sends back what it says. */
static void tell_name(void)
{
    eventer_aco_t e = eventer_aco_arg();
    const char *name = mtev_acceptor_closure_remote_cn(eventer_aco_get_closure(e));
    eventer_ssl_ctx_t *ctx = eventer_get_eventer_ssl_ctx((eventer_t)e);
    char bytes[64];
    const char *subject = ctx == NULL ? "no TLS" : eventer_ssl_get_peer_subject(ctx);
    snprintf(seen, sizeof(seen), "%s|%s", name == NULL ? "-" : name,
             subject == NULL ? "-" : subject);
    int len = eventer_aco_read(e, bytes, sizeof(bytes), NULL);
    check(len < 0 || eventer_aco_write(e, bytes, (size_t)len, NULL) == len);
    eventer_aco_close(e);
    eventer_aco_free(e);
    atomic_fetch_add(&ended, 1);
}

static int answer_with(eventer_t e, const char *greeting)
{
    char bytes[64];
    int wanted = EVENTER_READ | EVENTER_EXCEPTION, len = eventer_read(e, bytes, 32, &wanted);
    if (len < 0 && errno == EAGAIN)
        return wanted;
    if (len > 0) {
        char text[128];
        snprintf(text, sizeof(text), "%s%.*s", greeting, len, bytes);
        check_int(eventer_write(e, text, strlen(text), &wanted), strlen(text));
    }
    eventer_remove_fde(e);
    eventer_close(e, &wanted);
    atomic_fetch_add(&ended, 1);
    return 0;
}

static int plain_type(eventer_t e, int mask, void *closure, struct timeval *now)
{
    int wanted = mask;
    if (mtev_listener_apply_alpn(e, &wanted, closure, now))
        return wanted;
    return answer_with(e, "plain ");
}

static int loud_type(eventer_t e, int mask, void *closure, struct timeval *now)
{
    int wanted = mask;
    check_int(mtev_listener_apply_alpn(e, &wanted, closure, now), 0); /* it is the one */
    return answer_with(e, "loud ");
}

static const char *stanza(const char *type, const char *more)
{
    static char text[2048];
    snprintf(text, sizeof(text),
             "<listener type='%s' address='127.0.0.1' port='0' ssl='on'><sslconfig>\n"
             "<certificate>%s</certificate><key>%s</key>%s</sslconfig></listener>",
             type, authority_path("server.pem"), authority_path("server.key"), more);
    return text;
}

/* Say "hello" through TLS to who listens; give what was answered. */
static const char *say_hello(SSL_CTX *ctx, const char *protocol)
{
    static char got[128];
    unsigned char wire[64];
    struct raw_peer peer = raw_open(ctx, connect_to(listening_on));
    if (protocol != NULL) {
        wire[0] = (unsigned char)strlen(protocol);
        memcpy(wire + 1, protocol, wire[0]);
        SSL_set_alpn_protos(peer.ssl, wire, wire[0] + 1u);
    }
    eventer_set_fd_nonblocking(peer.fd);
    int len = 0;
    if (raw_handshake(&peer) && raw_write(&peer, "hello", 5))
        len = raw_read(&peer, got, sizeof(got) - 1);
    got[len > 0 ? len : 0] = '\0';
    raw_close(&peer);
    return got;
}

static void settle_both(int count)
{
    wait_until(&ended, count);
    settle(0);
    settle(1);
    atomic_store(&ended, 0);
    assert_checks();
}

static SSL_CTX *client_with(const char *name)
{
    char file[64];
    SSL_CTX *ctx = raw_context(true);
    snprintf(file, sizeof(file), "%s.pem", name);
    SSL_CTX_use_certificate_file(ctx, authority_path(file), SSL_FILETYPE_PEM);
    snprintf(file, sizeof(file), "%s.key", name);
    SSL_CTX_use_PrivateKey_file(ctx, authority_path(file), SSL_FILETYPE_PEM);
    return ctx;
}

static void a_coroutine_knows_who_its_peer_is(void **state)
{
    char more[256];
    SSL_CTX *known = client_with("client"), *stranger = client_with("stranger");
    assert_int_equal(listen_to(stanza("name", ""), true), 0);
    assert_string_equal(say_hello(client, NULL), "hello");
    settle_both(1);
    assert_string_equal(seen, "-|-");
    snprintf(more, sizeof(more), "<ca_chain>%s</ca_chain>", authority_path("ca.pem"));
    assert_int_equal(listen_to(stanza("name", more), true), 0);
    assert_string_equal(say_hello(known, NULL), "hello");
    settle_both(1);
    assert_string_equal(seen, "client|CN=client,O=Test");
    assert_string_equal(say_hello(client, NULL), "");
    assert_string_equal(say_hello(stranger, NULL), "");
    snprintf(more, sizeof(more), "<ca_chain>%s</ca_chain><optional_no_ca>true</optional_no_ca>",
             authority_path("ca.pem"));
    assert_int_equal(listen_to(stanza("name", more), true), 0);
    assert_string_equal(say_hello(stranger, NULL), "hello");
    settle_both(1);
    assert_string_equal(seen, "-|CN=stranger"); /* said, and not verified */
    SSL_CTX_free(known);
    SSL_CTX_free(stranger);
}

static void callbacks_are_chosen_by_the_protocol(void **state)
{
    assert_int_equal(listen_to(stanza("plain", "<alpn>loud,quiet</alpn>"), true), 0);
    assert_string_equal(say_hello(client, "loud"), "loud hello");
    assert_string_equal(say_hello(client, "quiet"), "plain hello");
    assert_string_equal(say_hello(client, NULL), "plain hello");
    assert_string_equal(say_hello(client, "other"), "");
    settle_both(3);
}

static void several_certificates_share_what_is_around_them(void **state)
{
    char text[2048];
    snprintf(text, sizeof(text),
             "<group ssl='on'><sslconfig><alpn>loud</alpn></sslconfig>"
             "<listener type='plain' address='127.0.0.1' port='0'>"
             "<sslconfig><certificate>%s</certificate><key>%s</key></sslconfig>"
             "<sslconfig><certificate>%s</certificate><key>%s</key><alpn>quiet</alpn></sslconfig>"
             "</listener></group>",
             authority_path("server.pem"), authority_path("server.key"),
             authority_path("client.pem"), authority_path("client.key"));
    assert_int_equal(listen_to(text, true), 0);
    assert_string_equal(say_hello(client, "loud"), "loud hello");
    settle_both(1);
}

static void a_program_makes_such_a_listener_itself(void **state)
{
    mtev_hash_table table = MTEV_HASH_EMPTY;
    mtev_hash_dict_store(&table, "certificate", authority_path("server.pem"));
    struct eventer_listen_opts opts = {
        .address = "127.0.0.1", .coroutine = tell_name, .sslconfig = &table};
    assert_null(eventer_listen(&opts));
    assert_int_equal(logged("server.pem: it holds no key"), 1);
    logged_clear();
    mtev_hash_dict_store(&table, "key", authority_path("server.key"));
    eventer_listener_t *l = eventer_listen(&opts);
    assert_non_null(l);
    eventer_listener_address(l, listening_on, sizeof(listening_on));
    assert_string_equal(say_hello(client, NULL), "hello");
    settle_both(1);
    eventer_listener_free(l);
    mtev_hash_destroy(&table, free, free);
}

static void without_memory_a_connection_is_dropped(void **state)
{
    assert_int_equal(listen_to(stanza("name", ""), true), 0);
    for (uint64_t nth = 1; nth < 12; nth++) {
        alloc_fail_nth(nth, 0);
        (void)say_hello(client, NULL);
        alloc_fail_nth(0, 0);
        assert_string_equal(say_hello(client, NULL), "hello");
    }
    settle(0);
    settle(1);
    atomic_store(&ended, 0);
    logged_clear();
    assert_checks();
}

static void without_memory_nobody_passes_for_somebody_else(void **state)
{
    char more[256];
    int served = 0;
    SSL_CTX *known = client_with("client");
    snprintf(more, sizeof(more), "<ca_chain>%s</ca_chain>", authority_path("ca.pem"));
    assert_int_equal(listen_to(stanza("name", more), true), 0);
    for (uint64_t nth = 1; nth < 16; nth++) {
        alloc_fail_nth(nth, 0);
        const bool is_served = strcmp(say_hello(known, NULL), "hello") == 0;
        alloc_fail_nth(0, 0);
        served += is_served;
        settle_both(is_served);
        if (is_served)
            assert_memory_equal(seen, "client|", 7);
    }
    assert_in_range(served, 1, 14);
    assert_int_equal(logged("its peer's name cannot be kept"), 1);
    logged_clear();
    SSL_CTX_free(known);
}

static void without_memory_there_is_no_listener(void **state)
{
    for (uint64_t nth = 1; nth < 400; nth++) {
        char text[4096];
        snprintf(text, sizeof(text), "<test>\n<listeners>\n%s\n</listeners>\n</test>\n",
                 stanza("name", "<handshake_timeout>77</handshake_timeout>"));
        assert_int_equal(conf_load_text("test.conf", text), 0);
        alloc_fail_nth(nth, 0);
        (void)listener_init("test", true);
        const bool is_over = alloc_asked() < nth;
        alloc_fail_nth(0, 0);
        logged_clear();
        if (is_over)
            break;
    }
}

/* Leaves no listener. */
static void all_are_closed_again(void **state)
{
    assert_int_equal(listen_to("<listener/>", true), -EINVAL);
    assert_int_equal(listening_count, 0);
    logged_clear();
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_coroutine_knows_who_its_peer_is),
    cmocka_unit_test(callbacks_are_chosen_by_the_protocol),
    cmocka_unit_test(several_certificates_share_what_is_around_them),
    cmocka_unit_test(a_program_makes_such_a_listener_itself),
    cmocka_unit_test(without_memory_a_connection_is_dropped),
    cmocka_unit_test(without_memory_nobody_passes_for_somebody_else),
    cmocka_unit_test(without_memory_there_is_no_listener),
    cmocka_unit_test(all_are_closed_again),
};

int main(void)
{
    listening_begin(2);
    authority_begin();
    authority_issue_alone("stranger");
    client = raw_context(true);
    mtev_listener_register_aco_function("name", tell_name);
    eventer_name_callback("plain", plain_type);
    eventer_name_callback("plain/alpn:loud", loud_type);
    eventer_loop_return();
    int status = harness_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]));
    SSL_CTX_free(client);
    authority_end();
    return status;
}
