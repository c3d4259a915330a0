/* SPDX-License-Identifier: MIT */
/*
 * Goal: each key of <sslconfig> is known, and what is wrong with one or with the value of layer is
 * told; two settings are the same only if all is.
 * Method: the parser alone, and an SSL_CTX that the layer is applied to.
 */
#include "harness.h"

#include "base/alloc.h"
#include "tls/tls_impl.h"

#include <errno.h>
#include <string.h>

static int set(struct tls_settings *settings, const char *name, const char *value)
{
    const char *why = NULL;
    int err = tls_settings_set(settings, name, value, &why);
    assert_true(err != -EINVAL || why != NULL);
    return err;
}

static void each_key_is_known_by_all_its_names(void **state)
{
    static const struct {
        const char *name;
        enum tls_key key;
    } keys[] = {{"layer", TLS_LAYER},
                {"layer_openssl_11", TLS_LAYER},
                {"certificate", TLS_CERTIFICATE},
                {"certificate_file", TLS_CERTIFICATE},
                {"key", TLS_KEY},
                {"key_file", TLS_KEY},
                {"ca_chain", TLS_CA_CHAIN},
                {"ca_file", TLS_CA_CHAIN},
                {"ca_accept", TLS_CA_ACCEPT},
                {"crl", TLS_CRL},
                {"ocsp_file", TLS_OCSP},
                {"ciphers", TLS_CIPHERS},
                {"alpn", TLS_ALPN},
                {"npn", TLS_ALPN}};
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        struct tls_settings settings = {.handshake_ms = 0};
        assert_int_equal(set(&settings, keys[i].name, "one"), 0);
        assert_int_equal(set(&settings, keys[i].name, "two"), 0);
        assert_string_equal(settings.texts[keys[i].key], "two");
        tls_settings_free(&settings);
        assert_null(settings.texts[keys[i].key]);
    }
}

static void values_that_are_wrong_are_refused(void **state)
{
    struct tls_settings s = {.handshake_ms = 0};
    assert_int_equal(set(&s, "colour", "blue"), -ENOENT);
    assert_int_equal(set(&s, "layer_openssl_10", "whatever"), 0);
    assert_int_equal(set(&s, "optional_no_ca", "maybe"), -EINVAL);
    assert_int_equal(set(&s, "ignore_dates", ""), -EINVAL);
    assert_int_equal(set(&s, "client_certificate", "sometimes"), -EINVAL);
    static const char *const times[] = {
        "", "0", "-1", "600001", "1s", "ten", "99999999999999999999"};
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++)
        assert_int_equal(set(&s, "handshake_timeout", times[i]), -EINVAL);
    assert_int_equal(set(&s, "alpn", ""), -EINVAL);
    assert_int_equal(set(&s, "alpn", " , "), -EINVAL);
    assert_int_equal(set(&s, "handshake_timeout", "600000"), 0);
    assert_int_equal(s.handshake_ms, TLS_HANDSHAKE_MS_MAX);
    assert_int_equal(set(&s, "handshake_timeout", "1"), 0);
    assert_int_equal(set(&s, "optional_no_ca", "TRUE"), 0);
    assert_int_equal(set(&s, "ignore_dates", "on"), 0);
    assert_int_equal(set(&s, "client_certificate", "optional"), 0);
    assert_true(s.optional_no_ca && s.ignore_dates && s.handshake_ms == 1 &&
                s.client_certificate == TLS_CLIENT_OPTIONAL);
    assert_int_equal(set(&s, "optional_no_ca", "off"), 0);
    assert_false(s.optional_no_ca);
    tls_settings_free(&s);
}

static void two_files_have_a_comma_between(void **state)
{
    static const char *const wrong[] = {",", "a,", ",b", "a,b,c", "a, ", " ,b"};
    for (size_t second = 0; second < 2; second++) {
        const char *name = second == 0 ? "certificate" : "key_file";
        struct tls_settings s = {.handshake_ms = 0};
        char **text = &s.texts[second == 0 ? TLS_CERTIFICATE : TLS_KEY];
        char **other = &s.texts[second == 0 ? TLS_OTHER_CERTIFICATE : TLS_OTHER_KEY];
        assert_int_equal(set(&s, name, "/a b , /c d"), 0);
        assert_string_equal(*text, "/a b");
        assert_string_equal(*other, "/c d");
        for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
            assert_int_equal(set(&s, name, wrong[i]), -EINVAL);
        assert_string_equal(*other, "/c d");
        assert_int_equal(set(&s, name, "a text,\nwith lines"), 0);
        assert_string_equal(*text, "a text,\nwith lines");
        assert_null(*other);
        tls_settings_free(&s);
    }
}

static void a_list_of_protocols_has_its_limit(void **state)
{
    struct tls_settings s = {.handshake_ms = 0};
    char list[TLS_ALPN_BYTES_MAX + 2];
    for (size_t len = TLS_ALPN_BYTES_MAX - 2; len <= TLS_ALPN_BYTES_MAX; len++) {
        memset(list, 'x', len); /* and a byte for the length */
        list[len] = '\0';
        assert_int_equal(set(&s, "alpn", list), len <= TLS_ALPN_BYTES_MAX - 1 ? 0 : -EINVAL);
    }
    tls_settings_free(&s);
}

static void settings_differ_in_anything(void **state)
{
    static const char *const pairs[][2] = {
        {"certificate", "a"},           {"layer", "tlsv1"},
        {"certificate", "a,b"},         {"key", "a,b"},
        {"optional_no_ca", "on"},       {"ignore_dates", "on"},
        {"client_certificate", "none"}, {"handshake_timeout", "5"}};
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        struct tls_settings a = {.handshake_ms = 0}, b = {.handshake_ms = 0};
        assert_true(tls_settings_are_same(&a, &b));
        assert_int_equal(set(&a, pairs[i][0], pairs[i][1]), 0);
        assert_false(tls_settings_are_same(&a, &b));
        assert_false(tls_settings_are_same(&b, &a));
        assert_int_equal(set(&b, pairs[i][0], pairs[i][1]), 0);
        assert_true(tls_settings_are_same(&a, &b));
        tls_settings_free(&a);
        tls_settings_free(&b);
    }
}

/* What layer makes of a context that has TLS 1.2 and above: the lowest and highest version. */
static int apply(const char *layer, int *ret_min, int *ret_max, uint64_t *ret_options)
{
    char reason[TLS_REASON_SIZE] = "";
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    int err = tls_layer_apply(ctx, layer, reason);
    *ret_min = (int)SSL_CTX_get_min_proto_version(ctx);
    *ret_max = (int)SSL_CTX_get_max_proto_version(ctx);
    *ret_options = SSL_CTX_get_options(ctx);
    SSL_CTX_free(ctx);
    assert_true(err == 0 || strstr(reason, "layer: ") == reason);
    return err;
}

static void layers_say_which_protocols_there_are(void **state)
{
    int min, max;
    uint64_t options;
    assert_int_equal(apply("tlsv1:all,>=tlsv1.2,!all,!sslv3,!sslv2", &min, &max, &options), 0);
    assert_int_equal(min, TLS1_2_VERSION);
    assert_int_equal(max, 0);
    assert_int_equal(apply("tlsv1.2", &min, &max, &options), 0);
    assert_true(min == TLS1_2_VERSION && max == TLS1_2_VERSION);
    assert_int_equal(apply("tlsv1:>=tlsv1.3", &min, &max, &options), 0);
    assert_int_equal(min, TLS1_3_VERSION);
    assert_int_equal(apply("tls:!tlsv1.3,cipher_server_preference,", &min, &max, &options), 0);
    assert_true((options & SSL_OP_NO_TLSv1_3) != 0);
    assert_true((options & SSL_OP_CIPHER_SERVER_PREFERENCE) != 0);
}

static void layers_that_nobody_knows_are_refused(void **state)
{
    static const char *const wrong[] = {"",           "tlsv2",    "tlsv1:>=tlsv2",
                                        "tlsv1:fast", "tlsv1:!x", "tlsv1:>=tls"};
    int min, max;
    uint64_t options;
    char much[300];
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_int_equal(apply(wrong[i], &min, &max, &options), -EINVAL);
    memset(much, ',', sizeof(much));
    memcpy(much, "tlsv1:", 6);
    for (size_t len = 254; len <= 256; len++) {
        much[len] = '\0';
        assert_int_equal(apply(much, &min, &max, &options), len < 256 ? 0 : -EINVAL);
        much[len] = ',';
    }
}

static void set_twice(void *closure)
{
    struct tls_settings s = {.handshake_ms = 0};
    int first = set(&s, "key", "a"), second = set(&s, "key", "b,c");
    assert_true((first == 0 || first == -ENOMEM) && (second == 0 || second == -ENOMEM));
    if (first == 0)
        assert_string_equal(s.texts[TLS_KEY], second == 0 ? "b" : "a");
    assert_int_equal(s.texts[TLS_OTHER_KEY] != NULL, second == 0);
    tls_settings_free(&s);
}

static void without_memory_the_old_value_stays(void **state)
{
    harness_fail_each_allocation(set_twice, NULL);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(each_key_is_known_by_all_its_names),
    cmocka_unit_test(values_that_are_wrong_are_refused),
    cmocka_unit_test(two_files_have_a_comma_between),
    cmocka_unit_test(a_list_of_protocols_has_its_limit),
    cmocka_unit_test(settings_differ_in_anything),
    cmocka_unit_test(layers_say_which_protocols_there_are),
    cmocka_unit_test(layers_that_nobody_knows_are_refused),
    cmocka_unit_test(without_memory_the_old_value_stays),
};

HARNESS_MAIN(tests)
