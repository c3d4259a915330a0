/* SPDX-License-Identifier: MIT */
#include "command/check.h"
#include "command/keys_impl.h"

#include "base/alloc.h"
#include "listener/address.h"

#include <string.h>

static bool is_address(const char *name, const char *value)
{
    struct address address;
    (void)name;
    return address_parse(value, 1, &address) == 0;
}

static const struct key_element elements[] = {
    {.path = "listeners"},
    {.path = "listeners//listener", .check = check_listener},
    {.path = "listeners//config", .flags = KEY_OPEN},
};

static const struct key keys[] = {
    {"listeners", "@strict", KEY_BOOLEAN, .otherwise = "false",
     .says = "A listener that cannot listen ends the program."},
    {"listeners//listener", "@type", KEY_TEXT, .flags = KEY_INHERITED | KEY_REQUIRED,
     .says = "Who serves its connections."},
    {"listeners//listener", "@address", KEY_CHECKED, .is_right = is_address,
     .form = "*, inet:*, inet6:*, an IP address or an absolute path", .otherwise = "*",
     .flags = KEY_INHERITED, .says = "Where it listens."},
    {"listeners//listener", "@port", KEY_NUMBER, .min = 0, .max = 65535, .flags = KEY_INHERITED,
     .says = "The TCP port; 0 lets the system choose one."},
    {"listeners//listener", "@ssl", KEY_BOOLEAN, .otherwise = "off", .flags = KEY_INHERITED,
     .says = "Speak TLS."},
    {"listeners//listener", "@fanout", KEY_BOOLEAN, .flags = KEY_INHERITED,
     .says = "Spread connections over the loops of the pool; on if it has several."},
    {"listeners//listener", "@backlog", KEY_NUMBER, .min = 1, .max = 65535, .otherwise = "512",
     .flags = KEY_INHERITED, .says = "How many connections wait to be accepted."},
    {"listeners//config", "no_delay", KEY_BOOLEAN, .otherwise = "true",
     .says = "Send without waiting for more (TCP_NODELAY)."},
};

const struct key_block keys_listeners = KEY_BLOCK("listeners", elements, keys);
