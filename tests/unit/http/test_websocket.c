/* SPDX-License-Identifier: MIT */
/*
 * Goal: a WebSocket keeps to RFC 6455: its handshake (section 4), its frames (section 5) and its
 * end (section 7); on the loop's stack and in a coroutine alike.
 * Method: a client that sends bytes as they are written here, to handlers that say back what they
 * are told.
 */
#include "websocket_server.h"

static const struct handler handlers[] = {
    {"/classic", answer_classic, false},
    {"/coroutine", answer_coroutine, false},
};

/* Both styles, which behave alike. */
static const char *const styles[] = {HANDSHAKE("/classic"), HANDSHAKE("/coroutine")};
#define EACH_STYLE(style) for (size_t style = 0; style < 2; style++)

/* Send len bytes of frames, and expect that the connection ends with status, in both styles. */
static void expect_failure(const void *bytes, size_t len, unsigned status)
{
    EACH_STYLE(style)
    {
        struct client client;
        websocket_open_with(&client, styles[style]);
        assert_true(client_try_send(&client, bytes, len));
        frame_expect_close(&client, status);
        client_sees_end(&client);
        client_close(&client);
    }
}

static void expect_frame_to_fail(unsigned first, const char *text, size_t len, unsigned status)
{
    unsigned char bytes[256];
    expect_failure(bytes, frame_put(bytes, first, text, len), status);
}

/* ---- section 4: the handshake ---------------------------------------------------- */

#define UPGRADE      "Upgrade: websocket\r\n"
#define CONNECTION   "Connection: Upgrade\r\n"
#define KEY          "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define VERSION      "Sec-WebSocket-Version: 13\r\n"
#define WITH(fields) "GET /classic HTTP/1.1\r\nHost: x\r\n" fields "\r\n"

static void rfc6455_4_2_1_a_handshake_is_checked(void **state)
{
    static const struct {
        const char *request;
        int status;
    } cases[] = {
        {WITH(UPGRADE CONNECTION VERSION), 400},
        {WITH(UPGRADE CONNECTION VERSION "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j\r\n"), 400},
        {WITH(UPGRADE CONNECTION VERSION "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQo=\r\n"), 400},
        {WITH(UPGRADE CONNECTION VERSION "Sec-WebSocket-Key: dGhl!HNhbXBsZSBub25jZQ==\r\n"), 400},
        {WITH(UPGRADE CONNECTION KEY VERSION "Content-Length: 1\r\n") "x", 400},
        {WITH(UPGRADE CONNECTION KEY), 426},
        {WITH(UPGRADE CONNECTION KEY "Sec-WebSocket-Version: 8\r\n"), 426},
        {WITH(UPGRADE CONNECTION KEY "Sec-WebSocket-Version: 13, 8\r\n"), 426},
        {WITH("Upgrade: WebSocket\r\nConnection: foo,\tUPGRADE\r\n" KEY VERSION), 101},
        {WITH("Upgrade: h2c, websocket\r\n" CONNECTION KEY VERSION), 101},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct client client;
        client_open(&client);
        client_send(&client, cases[i].request);
        client_read(&client, cases[i].status != 101);
        assert_int_equal(answer.status, cases[i].status);
        if (cases[i].status == 426) {
            assert_true(answer_says("Upgrade", "websocket"));
            assert_true(answer_says("Connection", "Upgrade"));
            assert_true(answer_says("Sec-WebSocket-Version", "13"));
        }
        if (cases[i].status == 101)
            websocket_close_well(&client);
        else
            client_close(&client);
    }
}

static void rfc6455_4_2_2_the_protocol_is_one_that_was_offered(void **state)
{
    static const struct {
        const char *fields, *agreed;
    } cases[] = {
        {HANDSHAKE_WITH("/classic", "Sec-WebSocket-Protocol: chat\r\n"), "chat"},
        {HANDSHAKE_WITH("/classic", "Sec-WebSocket-Protocol: soap, chat\r\n"), "chat"},
        {HANDSHAKE_WITH("/classic",
                        "Sec-WebSocket-Protocol: soap\r\nSec-WebSocket-Protocol: chat\r\n"),
         "chat"},
        {HANDSHAKE_WITH("/classic", "Sec-WebSocket-Protocol: CHAT, chats, cha\r\n"), NULL},
        {HANDSHAKE("/classic"), NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct client client;
        websocket_open_with(&client, cases[i].fields);
        const char *agreed = answer_field("Sec-WebSocket-Protocol");
        assert_true((agreed == NULL) == (cases[i].agreed == NULL));
        if (agreed != NULL)
            assert_string_equal(agreed, cases[i].agreed);
        websocket_close_well(&client);
    }
}

static void frames_may_come_with_the_handshake(void **state)
{
    (void)state;
    EACH_STYLE(style)
    {
        struct client client;
        unsigned char bytes[1024];
        size_t len = strlen(styles[style]);
        memcpy(bytes, styles[style], len);
        len += frame_put(bytes + len, FIN | 1, "early", 5);
        client_open(&client);
        assert_true(client_try_send(&client, bytes, len));
        client_head(&client);
        assert_int_equal(answer.status, 101);
        frame_expect_text(&client, "early");
        websocket_close_well(&client);
    }
}

static void earlier_requests_of_the_connection_are_answered_first(void **state)
{
    (void)state;
    struct client client;
    client_open(&client);
    client_send(&client, GET("/nothing") HANDSHAKE("/classic"));
    client_read(&client, true);
    assert_int_equal(answer.status, 404);
    client_head(&client);
    assert_int_equal(answer.status, 101);
    frame_send_text(&client, "x");
    frame_expect_text(&client, "x");
    websocket_close_well(&client);
}

/* ---- section 5: frames ----------------------------------------------------------- */

static void rfc6455_5_2_every_form_of_length_comes_back(void **state)
{
    static const size_t lens[] = {0, 1, 125, 126, 127, 65535, 65536, 70000, 1000000};
    static char bytes[1000000];
    (void)state;
    memset(bytes, 'a', sizeof(bytes));
    EACH_STYLE(style)
    {
        struct client client;
        websocket_open_with(&client, styles[style]);
        for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
            frame_send(&client, FIN | 2, bytes, lens[i]);
            frame_expect(&client, FIN | 2, bytes, lens[i]);
        }
        websocket_close_well(&client);
    }
}

static void rfc6455_5_1_a_frame_without_a_mask_is_refused(void **state)
{
    (void)state;
    expect_failure("\x81\x01x", 3, 1002);
}

static void rfc6455_5_2_reserved_bits_and_opcodes_are_refused(void **state)
{
    static const unsigned firsts[] = {FIN | 0x40 | 1, FIN | 0x20 | 1, FIN | 0x10 | 1, FIN | 3,
                                      FIN | 4,        FIN | 7,        FIN | 0xb,      FIN | 0xf};
    (void)state;
    for (size_t i = 0; i < sizeof(firsts) / sizeof(firsts[0]); i++)
        expect_frame_to_fail(firsts[i], "x", 1, 1002);
}

static void rfc6455_5_2_a_length_is_in_its_shortest_form(void **state)
{
    (void)state;
    expect_failure("\x82\xfe\x00\x7d\0\0\0\0", 8, 1002);
    expect_failure("\x82\xff\0\0\0\0\0\0\xff\xff\0\0\0\0", 14, 1002);
    expect_failure("\x82\xff\x80\0\0\0\0\0\0\0\0\0\0\0", 14, 1002);
}

static void rfc6455_5_4_fragments_are_one_message_and_control_frames_may_stand_between(void **state)
{
    (void)state;
    EACH_STYLE(style)
    {
        struct client client;
        websocket_open_with(&client, styles[style]);
        frame_send(&client, 1, "one ", 4);
        frame_send(&client, FIN | 9, "ping", 4);
        frame_send(&client, 0, "", 0);
        frame_send(&client, 0, "two ", 4);
        frame_send(&client, FIN | 10, "unasked", 7);
        frame_send(&client, FIN, "three", 5);
        frame_expect(&client, FIN | 10, "ping", 4);
        frame_expect_text(&client, "one two three");
        websocket_close_well(&client);
    }
}

static void rfc6455_5_4_fragments_in_disorder_are_refused(void **state)
{
    unsigned char bytes[64];
    size_t len;
    (void)state;
    expect_frame_to_fail(FIN | 0, "x", 1, 1002);
    len = frame_put(bytes, 1, "x", 1);
    len += frame_put(bytes + len, FIN | 1, "x", 1);
    expect_failure(bytes, len, 1002);
    len = frame_put(bytes, 1, "x", 1);
    len += frame_put(bytes + len, FIN | 0xb, "x", 1);
    expect_failure(bytes, len, 1002);
}

static void rfc6455_5_5_control_frames_are_short_and_whole(void **state)
{
    static const char text[126] = "";
    (void)state;
    for (unsigned opcode = 8; opcode <= 10; opcode++)
        expect_frame_to_fail(opcode, "\x03\xe8", 2, 1002);
    expect_frame_to_fail(FIN | 9, text, 126, 1002);
    EACH_STYLE(style)
    {
        struct client client;
        websocket_open_with(&client, styles[style]);
        frame_send(&client, FIN | 9, text, 125);
        frame_expect(&client, FIN | 10, text, 125);
        websocket_close_well(&client);
    }
}

static void rfc6455_5_6_text_is_utf_8(void **state)
{
    static const char *const wrong[] = {"\x80",     "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80",
                                        "\xe2\x82", "\xff"};
    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        expect_frame_to_fail(FIN | 1, wrong[i], strlen(wrong[i]), 1007);
    /* found as soon as it is wrong: the message is not complete */
    expect_frame_to_fail(1, "\xff", 1, 1007);
    EACH_STYLE(style)
    {
        struct client client;
        websocket_open_with(&client, styles[style]);
        frame_send(&client, 1, "\xe2", 1); /* a character in two fragments */
        frame_send(&client, FIN, "\x82\xac", 2);
        frame_expect_text(&client, "\xe2\x82\xac");
        websocket_close_well(&client);
    }
}

static void frames_may_be_cut_at_every_byte(void **state)
{
    unsigned char bytes[1024];
    char text[200];
    (void)state;
    memset(text, 'z', sizeof(text));
    size_t len = frame_put(bytes, 1, "ab", 2);
    len += frame_put(bytes + len, FIN | 9, "p", 1);
    len += frame_put(bytes + len, FIN, "cd", 2);
    len += frame_put(bytes + len, FIN | 2, text, sizeof(text));
    EACH_STYLE(style)
    {
        struct client client;
        websocket_open_with(&client, styles[style]);
        const int on = 1;
        setsockopt(client.fd, IPPROTO_TCP, 1 /* TCP_NODELAY */, &on, sizeof(on));
        for (size_t cut = 1; cut < len; cut++) {
            assert_true(client_try_send(&client, bytes, cut));
            assert_true(client_try_send(&client, bytes + cut, len - cut));
            frame_expect(&client, FIN | 10, "p", 1);
            frame_expect_text(&client, "abcd");
            frame_expect(&client, FIN | 2, text, sizeof(text));
        }
        for (size_t i = 0; i < len; i++)
            assert_true(client_try_send(&client, bytes + i, 1));
        frame_expect(&client, FIN | 10, "p", 1);
        frame_expect_text(&client, "abcd");
        frame_expect(&client, FIN | 2, text, sizeof(text));
        websocket_close_well(&client);
    }
}

/* ---- section 7: the end ---------------------------------------------------------- */

static void rfc6455_7_1_5_the_status_of_the_peer_comes_back_and_is_told(void **state)
{
    (void)state;
    EACH_STYLE(style)
    {
        static const unsigned statuses[] = {1000, 1001, 1003, 1007, 1011, 3000, 4999};
        for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
            struct client client;
            int over = atomic_load(&websockets_over);
            websocket_open_with(&client, styles[style]);
            frame_send_close(&client, statuses[i], "bye");
            frame_expect_close(&client, statuses[i]);
            client_sees_end(&client);
            client_close(&client);
            if (style == 0)
                continue;
            while (atomic_load(&websockets_over) == over)
                usleep(200);
            assert_int_equal(atomic_load(&websocket_last), statuses[i]);
        }
    }
}

static void rfc6455_7_4_a_close_without_a_status_is_answered_without(void **state)
{
    (void)state;
    EACH_STYLE(style)
    {
        struct client client;
        websocket_open_with(&client, styles[style]);
        frame_send(&client, FIN | 8, "", 0);
        frame_expect_close(&client, 0);
        client_sees_end(&client);
        client_close(&client);
    }
}

static void rfc6455_7_4_a_wrong_close_is_refused(void **state)
{
    static const unsigned statuses[] = {1, 999, 1004, 1005, 1006, 1015, 2999, 5000, 65535};
    (void)state;
    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        const char payload[2] = {(char)(statuses[i] >> 8), (char)statuses[i]};
        expect_frame_to_fail(FIN | 8, payload, 2, 1002);
    }
    expect_frame_to_fail(FIN | 8, "\x03", 1, 1002);
    expect_frame_to_fail(FIN | 8, "\x03\xe8\xff", 3, 1007);
}

static void rfc6455_7_1_2_a_handler_that_has_enough_closes(void **state)
{
    (void)state;
    EACH_STYLE(style)
    {
        struct client client;
        websocket_open_with(&client, styles[style]);
        frame_send_text(&client, "drop");
        frame_send_text(&client, "not heard");
        frame_expect_close(&client, 1000);
        frame_send_text(&client, "not heard either");
        frame_send_close(&client, 1000, "");
        client_sees_end(&client);
        client_close(&client);
    }
}

static void a_peer_that_never_answers_a_close_loses_its_connection(void **state)
{
    (void)state;
    server_times((struct http_times){.websocket_close = 20 * CLOCK_NS_PER_MS});
    EACH_STYLE(style)
    {
        struct client client;
        websocket_open_with(&client, styles[style]);
        frame_send_text(&client, "drop");
        frame_expect_close(&client, 1000);
        client_sees_any_end(&client);
        client_close(&client);
    }
}

static void a_peer_that_goes_without_a_close_is_known_to_be_gone(void **state)
{
    (void)state;
    for (int with_reset = 0; with_reset < 2; with_reset++) {
        struct client client;
        int over = atomic_load(&websockets_over);
        websocket_open_with(&client, HANDSHAKE("/coroutine"));
        frame_send_text(&client, "x");
        frame_expect_text(&client, "x");
        if (with_reset)
            client_reset(&client);
        else
            client_close(&client);
        while (atomic_load(&websockets_over) == over)
            usleep(200);
        assert_int_equal(atomic_load(&websocket_last), -ECONNRESET);
    }
}

static void a_silent_peer_is_pinged_and_stays_if_it_answers(void **state)
{
    (void)state;
    server_times((struct http_times){.websocket_idle = 10 * CLOCK_NS_PER_MS});
    EACH_STYLE(style)
    {
        struct client client;
        websocket_open_with(&client, styles[style]);
        for (int i = 0; i < 3; i++) {
            frame_expect(&client, FIN | 9, "", 0);
            frame_send(&client, FIN | 10, "", 0);
        }
        frame_send_close(&client, 1000, "");
        do
            frame_read(&client);
        while (frame.first != (FIN | 8));
        client_sees_end(&client);
        client_close(&client);
    }
}

static void a_peer_that_answers_no_ping_loses_its_connection(void **state)
{
    (void)state;
    server_times((struct http_times){.websocket_idle = 10 * CLOCK_NS_PER_MS,
                                     .websocket_pong = 10 * CLOCK_NS_PER_MS});
    EACH_STYLE(style)
    {
        struct client client;
        websocket_open_with(&client, styles[style]);
        frame_expect(&client, FIN | 9, "", 0);
        client_sees_any_end(&client);
        client_close(&client);
    }
}

static void a_reset_at_every_stage_leaves_nothing(void **state)
{
    unsigned char bytes[1024];
    (void)state;
    EACH_STYLE(style)
    {
        size_t head_len = strlen(styles[style]), len = head_len;
        memcpy(bytes, styles[style], len);
        len += frame_put(bytes + len, 1, "ab", 2);
        len += frame_put(bytes + len, FIN, "cd", 2);
        len += frame_put(bytes + len, FIN | 8, "\x03\xe8", 2);
        for (size_t cut = head_len - 2; cut <= len; cut++) {
            struct client client;
            client_open(&client);
            assert_true(client_try_send(&client, bytes, cut));
            client_reset(&client);
        }
    }
}

static const struct CMUnitTest tests[] = {
    served_test(rfc6455_4_2_1_a_handshake_is_checked),
    served_test(rfc6455_4_2_2_the_protocol_is_one_that_was_offered),
    served_test(frames_may_come_with_the_handshake),
    served_test(earlier_requests_of_the_connection_are_answered_first),
    served_test(rfc6455_5_2_every_form_of_length_comes_back),
    served_test(rfc6455_5_1_a_frame_without_a_mask_is_refused),
    served_test(rfc6455_5_2_reserved_bits_and_opcodes_are_refused),
    served_test(rfc6455_5_2_a_length_is_in_its_shortest_form),
    served_test(rfc6455_5_4_fragments_are_one_message_and_control_frames_may_stand_between),
    served_test(rfc6455_5_4_fragments_in_disorder_are_refused),
    served_test(rfc6455_5_5_control_frames_are_short_and_whole),
    served_test(rfc6455_5_6_text_is_utf_8),
    served_test(frames_may_be_cut_at_every_byte),
    served_test(rfc6455_7_1_5_the_status_of_the_peer_comes_back_and_is_told),
    served_test(rfc6455_7_4_a_close_without_a_status_is_answered_without),
    served_test(rfc6455_7_4_a_wrong_close_is_refused),
    served_test(rfc6455_7_1_2_a_handler_that_has_enough_closes),
    served_test(a_peer_that_never_answers_a_close_loses_its_connection),
    served_test(a_peer_that_goes_without_a_close_is_known_to_be_gone),
    served_test(a_silent_peer_is_pinged_and_stays_if_it_answers),
    served_test(a_peer_that_answers_no_ping_loses_its_connection),
    served_test(a_reset_at_every_stage_leaves_nothing),
};

int main(void)
{
    server_start(handlers, sizeof(handlers) / sizeof(handlers[0]), 2);
    return harness_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]));
}
