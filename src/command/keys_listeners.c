/* SPDX-License-Identifier: MIT */
#include "command/check.h"
#include "command/keys_impl.h"

#include "base/alloc.h"
#include "console/access.h"
#include "listener/settings.h"
#include "tls/tls.h"

#include <string.h>
#include <unistd.h>

static bool is_address(const char *name, const char *value)
{
    struct address address;
    bool is_dual;
    (void)name;
    return address_parse(value, 1, &address, &is_dual) == 0;
}

static bool is_mode(const char *name, const char *value)
{
    struct listen_values v;
    (void)name;
    return settings_read_mode(value, &v) == 0;
}

static bool are_networks(const char *name, const char *value)
{
    struct listen_values v = {.proxy_count = 0};
    const char *word;
    size_t len;
    (void)name;
    return settings_read_proxies(value, &v, &word, &len) == 0;
}

static bool is_acl(const char *name, const char *value)
{
    const struct sockaddr anybody = {.sa_family = AF_INET};
    bool is_faulty;
    (void)name;
    (void)access_is_allowed(&anybody, value, &is_faulty);
    return !is_faulty;
}

/* The path of a file that can be read, or those of two, or the text of one. */
static bool is_file_or_text(const char *name, const char *value)
{
    const char *why;
    struct tls_settings settings;
    memset(&settings, 0, sizeof(settings));
    bool is_right = tls_settings_set(&settings, name, value, &why) == 0;
    for (size_t i = 0; i < TLS_FILE_COUNT && is_right; i++) {
        const char *text = settings.texts[i];
        is_right = text == NULL || tls_is_text(text) || access(text, R_OK) == 0;
    }
    tls_settings_free(&settings);
    return is_right;
}

static bool is_layer(const char *name, const char *value)
{
    (void)name;
    return tls_layer_is_known(value);
}

static bool is_list(const char *name, const char *value)
{
    const char *why;
    struct tls_settings settings;
    memset(&settings, 0, sizeof(settings));
    const bool is_right = tls_settings_set(&settings, name, value, &why) == 0;
    tls_settings_free(&settings);
    return is_right;
}

static const struct key_element elements[] = {
    {.path = "listeners"},
    {.path = "listeners//listener", .check = check_listener},
    {.path = "listeners//config", .flags = KEY_OPEN},
    {.path = "listeners//sslconfig"},
};

static const struct key keys[] = {
    {"listeners", "@strict", KEY_BOOLEAN, .otherwise = "false",
     .says = "A listener that cannot listen ends the program."},
    {"listeners//listener", "@type", KEY_TEXT, .flags = KEY_INHERITED | KEY_REQUIRED,
     .says = "Who serves its connections."},
    {"listeners//listener", "@address", KEY_CHECKED, .is_right = is_address,
     .form = "*, inet:*, inet6:*, inet46:*, an IP address, @NAME or an absolute path",
     .otherwise = "*", .flags = KEY_INHERITED, .says = "Where it listens."},
    {"listeners//listener", "@port", KEY_NUMBER, .min = 0, .max = 65535, .flags = KEY_INHERITED,
     .says = "The TCP port; 0 lets the system choose one."},
    {"listeners//listener", "@ssl", KEY_BOOLEAN, .otherwise = "off", .flags = KEY_INHERITED,
     .says = "Speak TLS."},
    /* These may stand in either place. */
    {"listeners//listener", "@mode", KEY_CHECKED, .is_right = is_mode,
     .form = "an octal number up to 0777", .flags = KEY_INHERITED,
     .says = "The permissions of the path of a unix socket."},
    {"listeners//listener", "@owner", KEY_TEXT, .flags = KEY_INHERITED,
     .says = "The user who has the path of a unix socket."},
    {"listeners//listener", "@group", KEY_TEXT, .flags = KEY_INHERITED,
     .says = "The group that has the path of a unix socket."},
    {"listeners//listener", "@backlog", KEY_NUMBER, .min = 1, .max = 65535, .otherwise = "512",
     .flags = KEY_INHERITED, .says = "How many connections wait to be accepted."},
    {"listeners//listener", "@fanout", KEY_BOOLEAN, .otherwise = "on", .flags = KEY_INHERITED,
     .says = "Spread connections over the loops of the pool."},
    {"listeners//listener", "@fanout_pool", KEY_TEXT, .otherwise = "default",
     .flags = KEY_INHERITED, .says = "The pool whose loops accept and serve."},
    {"listeners//listener", "@reuseport", KEY_BOOLEAN, .otherwise = "off", .flags = KEY_INHERITED,
     .says = "A socket for each loop of the pool (SO_REUSEPORT)."},
    {"listeners//listener", "@accept_thread", KEY_BOOLEAN, .otherwise = "off",
     .flags = KEY_INHERITED, .says = "A thread of its own accepts."},
    {"listeners//listener", "@no_delay", KEY_BOOLEAN, .otherwise = "true", .flags = KEY_INHERITED,
     .says = "Send without waiting for more (TCP_NODELAY)."},
    {"listeners//listener", "@keepalive", KEY_BOOLEAN, .otherwise = "off", .flags = KEY_INHERITED,
     .says = "Look whether silent peers are there (SO_KEEPALIVE)."},
    {"listeners//listener", "@defer_accept", KEY_NUMBER, .min = 0, .max = 3600, .otherwise = "0",
     .flags = KEY_INHERITED, .says = "Seconds to wait for the first bytes (TCP_DEFER_ACCEPT)."},
    {"listeners//listener", "@fastopen", KEY_NUMBER, .min = 0, .max = 65535, .otherwise = "0",
     .flags = KEY_INHERITED, .says = "Clients that send with their first packet (TCP_FASTOPEN)."},
    {"listeners//listener", "@max_connections", KEY_NUMBER, .min = 0, .max = 4194304,
     .otherwise = "0", .flags = KEY_INHERITED,
     .says = "How many connections there are at once; 0: any number."},
    {"listeners//listener", "@max_per_address", KEY_NUMBER, .min = 0, .max = 4194304,
     .otherwise = "0", .flags = KEY_INHERITED,
     .says = "How many of them one peer has; 0: any number."},
    {"listeners//listener", "@accept_rate", KEY_NUMBER, .min = 0, .max = 1000000, .otherwise = "0",
     .flags = KEY_INHERITED, .says = "How many are accepted a second; 0: any number."},
    {"listeners//listener", "@accept_burst", KEY_NUMBER, .min = 1, .max = 1000000,
     .flags = KEY_INHERITED, .says = "How many of these at once; accept_rate if not given."},
    {"listeners//listener", "@idle_timeout", KEY_NUMBER, .min = 0, .max = 86400000,
     .otherwise = "0", .flags = KEY_INHERITED,
     .says = "Milliseconds without a byte until a connection is told; 0: never."},
    {"listeners//listener", "@proxy_protocol_from", KEY_CHECKED, .is_right = are_networks,
     .form = "addresses, blocks of them and unix", .flags = KEY_INHERITED,
     .says = "The networks whose connections begin with a header of the PROXY protocol."},
    {"listeners//config", "mode", KEY_CHECKED, .is_right = is_mode,
     .form = "an octal number up to 0777", .says = "The permissions of the path of a unix socket."},
    {"listeners//config", "owner", KEY_TEXT, .says = "The user who has the path of a unix socket."},
    {"listeners//config", "group", KEY_TEXT,
     .says = "The group that has the path of a unix socket."},
    {"listeners//config", "backlog", KEY_NUMBER, .min = 1, .max = 65535, .otherwise = "512",
     .says = "How many connections wait to be accepted."},
    {"listeners//config", "fanout", KEY_BOOLEAN, .otherwise = "on",
     .says = "Spread connections over the loops of the pool."},
    {"listeners//config", "fanout_pool", KEY_TEXT, .otherwise = "default",
     .says = "The pool whose loops accept and serve."},
    {"listeners//config", "reuseport", KEY_BOOLEAN, .otherwise = "off",
     .says = "A socket for each loop of the pool (SO_REUSEPORT)."},
    {"listeners//config", "accept_thread", KEY_BOOLEAN, .otherwise = "off",
     .says = "A thread of its own accepts."},
    {"listeners//config", "no_delay", KEY_BOOLEAN, .otherwise = "true",
     .says = "Send without waiting for more (TCP_NODELAY)."},
    {"listeners//config", "keepalive", KEY_BOOLEAN, .otherwise = "off",
     .says = "Look whether silent peers are there (SO_KEEPALIVE)."},
    {"listeners//config", "defer_accept", KEY_NUMBER, .min = 0, .max = 3600, .otherwise = "0",
     .says = "Seconds to wait for the first bytes (TCP_DEFER_ACCEPT)."},
    {"listeners//config", "fastopen", KEY_NUMBER, .min = 0, .max = 65535, .otherwise = "0",
     .says = "Clients that send with their first packet (TCP_FASTOPEN)."},
    {"listeners//config", "max_connections", KEY_NUMBER, .min = 0, .max = 4194304, .otherwise = "0",
     .says = "How many connections there are at once; 0: any number."},
    {"listeners//config", "max_per_address", KEY_NUMBER, .min = 0, .max = 4194304, .otherwise = "0",
     .says = "How many of them one peer has; 0: any number."},
    {"listeners//config", "accept_rate", KEY_NUMBER, .min = 0, .max = 1000000, .otherwise = "0",
     .says = "How many are accepted a second; 0: any number."},
    {"listeners//config", "accept_burst", KEY_NUMBER, .min = 1, .max = 1000000,
     .says = "How many of these at once; accept_rate if not given."},
    {"listeners//config", "idle_timeout", KEY_NUMBER, .min = 0, .max = 86400000, .otherwise = "0",
     .says = "Milliseconds without a byte until a connection is told; 0: never."},
    {"listeners//config", "http2", KEY_WORDS, .words = "on|off", .otherwise = "on",
     .says = "Whether HTTP/2 is spoken, where HTTP is."},
    {"listeners//config", "proxy_protocol_from", KEY_CHECKED, .is_right = are_networks,
     .form = "addresses, blocks of them and unix",
     .says = "The networks whose connections begin with a header of the PROXY protocol."},
    {"listeners//config", "line_protocol", KEY_WORDS, .words = "plain|telnet", .otherwise = "plain",
     .says = "How a console speaks."},
    {"listeners//config", "history_file", KEY_TEXT,
     .says = "Where a console keeps the lines of before."},
    {"listeners//config", "acl", KEY_CHECKED, .is_right = is_acl,
     .form = "networks with blanks or commas between them",
     .says = "The networks whose peers are admitted to a console over TCP."},
    {"listeners//sslconfig", "certificate_file", KEY_CHECKED, .is_right = is_file_or_text,
     .form = "a file that can be read",
     .says = "The certificate, and those that signed it; or two."},
    {"listeners//sslconfig", "certificate", KEY_CHECKED, .is_right = is_file_or_text,
     .form = "a file that can be read", .says = "The same."},
    {"listeners//sslconfig", "key_file", KEY_CHECKED, .is_right = is_file_or_text,
     .form = "a file that can be read", .flags = KEY_SECRET, .says = "Its key."},
    {"listeners//sslconfig", "key", KEY_CHECKED, .is_right = is_file_or_text,
     .form = "a file that can be read", .flags = KEY_SECRET, .says = "The same."},
    {"listeners//sslconfig", "ca_chain", KEY_FILE, .says = "Who signs for the clients."},
    {"listeners//sslconfig", "ca_file", KEY_FILE, .says = "The same."},
    {"listeners//sslconfig", "ca_accept", KEY_FILE, .says = "Whom clients are told of instead."},
    {"listeners//sslconfig", "crl", KEY_FILE, .says = "Certificates that were revoked."},
    {"listeners//sslconfig", "client_certificate", KEY_WORDS, .words = "none|optional|required",
     .says = "Whether clients show one."},
    {"listeners//sslconfig", "optional_no_ca", KEY_BOOLEAN, .otherwise = "off",
     .says = "Clients may show none, or one that nobody known has signed."},
    {"listeners//sslconfig", "ignore_dates", KEY_BOOLEAN, .otherwise = "off",
     .says = "Theirs may be out of their time."},
    {"listeners//sslconfig", "ocsp_file", KEY_FILE, .says = "An OCSP response to be stapled."},
    {"listeners//sslconfig", "layer", KEY_CHECKED, .is_right = is_layer,
     .form = "a protocol, and options behind a colon", .otherwise = "tlsv1:>=tlsv1.2",
     .says = "The protocols that are spoken."},
    {"listeners//sslconfig", "layer_openssl_11", KEY_CHECKED, .is_right = is_layer,
     .form = "a protocol, and options behind a colon", .says = "The same."},
    {"listeners//sslconfig", "layer_openssl_10", KEY_TEXT, .says = "It does not count."},
    {"listeners//sslconfig", "ciphers", KEY_TEXT, .says = "The ciphers of TLS 1.2."},
    {"listeners//sslconfig", "alpn", KEY_CHECKED, .is_right = is_list,
     .form = "names with commas between them, or none", .otherwise = "h2,http/1.1",
     .says = "The protocols above TLS, the best one first."},
    {"listeners//sslconfig", "npn", KEY_CHECKED, .is_right = is_list,
     .form = "names with commas between them, or none", .says = "The same."},
    {"listeners//sslconfig", "handshake_timeout", KEY_NUMBER, .min = 1, .max = 600000,
     .otherwise = "10000", .says = "Milliseconds that a handshake may take."},
};

const struct key_block keys_listeners = KEY_BLOCK("listeners", elements, keys);
