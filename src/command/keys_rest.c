/* SPDX-License-Identifier: MIT */
#include "command/keys_impl.h"

/* What expressions, ip and skipto say is checked by the code that reads them. */
static const struct key_element elements[] = {
    {.path = "rest"},
    {.path = "rest//acl"},
    {.path = "rest//acl/rule"},
};

static const struct key keys[] = {
    {"rest//acl", "@type", KEY_WORDS, .words = "allow|deny", .otherwise = "deny",
     .says = "What is decided when no rule in it holds."},
    {"rest//acl", "@url", KEY_TEXT, .says = "The expression that the path matches."},
    {"rest//acl", "@cn", KEY_TEXT,
     .says = "The expression that the name in the peer's certificate matches."},
    {"rest//acl", "@listener_", KEY_TEXT, .flags = KEY_PREFIX,
     .says = "The expression that a key of the listener's <config> matches."},
    {"rest//acl", "@ip", KEY_TEXT, .says = "The address of the peer, or a block of them."},
    {"rest//acl/rule", "@type", KEY_WORDS, .words = "allow|deny", .otherwise = "deny",
     .says = "What is decided when the rule holds."},
    {"rest//acl/rule", "@url", KEY_TEXT, .says = "The expression that the path matches."},
    {"rest//acl/rule", "@cn", KEY_TEXT,
     .says = "The expression that the name in the peer's certificate matches."},
    {"rest//acl/rule", "@listener_", KEY_TEXT, .flags = KEY_PREFIX,
     .says = "The expression that a key of the listener's <config> matches."},
    {"rest//acl/rule", "@ip", KEY_TEXT, .says = "The address of the peer, or a block of them."},
    {"rest//acl/rule", "@name", KEY_TEXT, .says = "What skipto calls it."},
    {"rest//acl/rule", "@skipto", KEY_TEXT, .says = "Go on with a later rule of that name."},
};

const struct key_block keys_rest = KEY_BLOCK("rest", elements, keys);
