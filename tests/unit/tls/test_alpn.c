/* SPDX-License-Identifier: MIT */
/*
 * Goal: the server's list chooses the protocol, h2 only where somebody speaks it, and who has
 * nothing in common with a client refuses it; a list that is wrong is never read beyond its end.
 * Method: the matcher with lists of bytes; servers in a loop with raw clients.
 */
#include "secured.h"

#include "tls/tls_impl.h"

EVENTER_SSL_ALPN_MATCHER(choose_http, "http/1.1")
EVENTER_SSL_ALPN_MATCHER(choose_nothing, "")
EVENTER_SSL_ALPN_MATCHER(choose_h2, "h2")

static int match(eventer_ssl_alpn_func_t f, const char *in, size_t len, const char *wanted)
{
    const uint8_t *out = NULL;
    uint8_t outlen = 0;
    uint8_t *list = malloc(len == 0 ? 1 : len); /* so that a sanitizer sees where it ends */
    memcpy(list, in, len);
    int rv = f(NULL, &out, &outlen, list, (unsigned)len);
    if (rv == 0) {
        assert_int_equal(outlen, strlen(wanted));
        assert_memory_equal(out, wanted, outlen);
        assert_true(out > list && out + outlen <= list + len);
    }
    free(list);
    return rv;
}

static void a_matcher_finds_its_name_in_a_list(void **state)
{
    assert_int_equal(match(choose_http, "\x08http/1.1", 9, "http/1.1"), 0);
    assert_int_equal(match(choose_http, "\x02h2\x08http/1.1", 12, "http/1.1"), 0);
    assert_int_equal(match(choose_http, "\x08http/1.1\x02h2", 12, "http/1.1"), 0);
    assert_int_equal(match(choose_http, "\x08http/1.0\x02h2", 12, ""), 3);
    assert_int_equal(match(choose_http, "\x07http/1.", 8, ""), 3);
    assert_int_equal(match(choose_http, "\x09http/1.1x", 10, ""), 3);
    assert_int_equal(match(choose_http, "", 0, ""), 3);
    assert_int_equal(match(choose_nothing, "\x02h2", 3, ""), 3);
}

static void a_list_that_says_more_than_it_has_is_not_read_beyond(void **state)
{
    for (size_t len = 0; len < 9; len++)
        assert_int_equal(match(choose_http, "\x08http/1.1", len, ""), 3);
    assert_int_equal(match(choose_http, "\xff\x08http/1.1", 10, ""), 3);
    assert_int_equal(match(choose_http, "\x00\x08http/1.1", 10, "http/1.1"), 0);
}

static void tell_choice(struct secured *s, eventer_aco_t e)
{
    const uint8_t *name;
    uint8_t len;
    eventer_ssl_get_alpn_selected(eventer_get_eventer_ssl_ctx((eventer_t)e), &name, &len);
    eventer_aco_write(e, len == 0 ? "-" : (const char *)name, len == 0 ? 1 : len, NULL);
}

/* What a server with the list alpn (NULL: none is set) agrees on with a client; "": nothing. */
static const char *agreed(const char *alpn, const char *offered)
{
    static char got[64];
    struct tls_context *context =
        alpn == NULL ? secured_context(NULL) : secured_context("alpn", alpn, NULL);
    struct secured s = {.serve = tell_choice};
    unsigned char wire[TLS_ALPN_BYTES_MAX];
    secured_begin_with(&s, context, secured_client);
    if (offered != NULL)
        SSL_set_alpn_protos(s.peer.ssl, wire, (unsigned)tls_alpn_encode(offered, wire));
    int len = raw_handshake(&s.peer) ? raw_read(&s.peer, got, sizeof(got) - 1) : 0;
    got[len] = '\0';
    secured_wait(&s);
    tls_context_unref(context);
    return got;
}

static void the_server_chooses_from_its_own_list(void **state)
{
    assert_string_equal(agreed(NULL, NULL), "-");
    assert_string_equal(agreed(NULL, "http/1.1"), "http/1.1");
    assert_string_equal(agreed(NULL, "h2,http/1.1"), "http/1.1"); /* nobody speaks h2 */
    assert_string_equal(agreed("none", "h2,http/1.1"), "-");
    assert_string_equal(agreed("b, a", "a,b"), "b");
    assert_string_equal(agreed("a b", "b"), "b");
}

static void who_has_nothing_in_common_is_refused(void **state)
{
    assert_string_equal(agreed(NULL, "h2"), "");
    assert_string_equal(agreed("a", "b"), "");
}

static int choose_second(eventer_ssl_ctx_t *ctx, const uint8_t **out, uint8_t *outlen,
                         const uint8_t *in, unsigned int inlen)
{
    check(ctx != NULL && eventer_ssl_get_method(ctx) != NULL);
    return eventer_ssl_alpn_match("special/2", out, outlen, in, inlen);
}

static void who_registers_a_name_chooses(void **state)
{
    assert_int_equal(eventer_ssl_alpn_register("special", choose_second), 0);
    assert_int_equal(eventer_ssl_alpn_register("special", choose_http), -1);
    assert_int_equal(errno, EEXIST);
    assert_string_equal(agreed("special,other", "other,special,special/2"), "special/2");
    assert_string_equal(agreed("special,other", "other,special"), "other");
}

static void names_have_a_length(void **state)
{
    char name[258];
    memset(name, 'n', sizeof(name));
    for (size_t len = 254; len <= 256; len++) {
        name[len] = '\0';
        assert_int_equal(eventer_ssl_alpn_register(name, choose_http), len <= 255 ? 0 : -1);
        name[len] = 'n';
    }
    assert_int_equal(errno, EINVAL);
    assert_int_equal(eventer_ssl_alpn_register("", choose_http), -1);
    assert_int_equal(eventer_ssl_alpn_register(NULL, choose_http), -1);
    assert_int_equal(eventer_ssl_alpn_register("x", NULL), -1);
}

static void register_one(void *closure)
{
    unsigned *number = closure;
    char name[16];
    snprintf(name, sizeof(name), "n%u", (*number)++);
    int rv = eventer_ssl_alpn_register(name, choose_http);
    assert_true(rv == 0 || errno == ENOMEM);
}

static void without_memory_nobody_is_registered(void **state)
{
    unsigned number = 0;
    harness_fail_each_allocation(register_one, &number);
}

/* Last: from here on there is somebody. */
static void h2_is_offered_where_it_is_spoken(void **state)
{
    assert_int_equal(eventer_ssl_alpn_register("h2", choose_h2), 0);
    assert_string_equal(agreed(NULL, "http/1.1,h2"), "h2");
    assert_string_equal(agreed("http/1.1", "http/1.1,h2"), "http/1.1");
}

static const struct CMUnitTest tests[] = {
    clean_test(a_matcher_finds_its_name_in_a_list),
    clean_test(a_list_that_says_more_than_it_has_is_not_read_beyond),
    clean_test(the_server_chooses_from_its_own_list),
    clean_test(who_has_nothing_in_common_is_refused),
    clean_test(who_registers_a_name_chooses),
    clean_test(names_have_a_length),
    clean_test(without_memory_nobody_is_registered),
    clean_test(h2_is_offered_where_it_is_spoken),
};

SECURED_MAIN(tests)
