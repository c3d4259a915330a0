/* SPDX-License-Identifier: MIT */
#include "command/check.h"
#include "command/keys_impl.h"

static void check_log(struct check *check, struct xml_node *element)
{
    bool has_type = check_inherits(check, element, "type");
    bool has_path = check_inherits(check, element, "path");
    if (has_type && !has_path)
        check_fault(check, element, "<log> has a type but no path");
    if (has_path && !has_type)
        check_fault(check, element, "<log> has a path but no type");
}

static const struct key_element elements[] = {
    {.path = "logs", .check = check_outlets},
    {.path = "logs//log", .check = check_log},
    {.path = "logs//outlet"},
};

static const struct key keys[] = {
    {"logs//log", "@name", KEY_TEXT, .flags = KEY_REQUIRED, .says = "The stream that it sets up."},
    {"logs//log", "@type", KEY_WORDS, .words = "file|file_synch", .flags = KEY_INHERITED,
     .says = "What makes the stream an outlet."},
    {"logs//log", "@path", KEY_TEXT, .flags = KEY_INHERITED, .says = "The file; goes with type."},
    {"logs//log", "@disabled", KEY_BOOLEAN, .otherwise = "off", .flags = KEY_INHERITED,
     .says = "Switch the stream off."},
    {"logs//log", "@timestamps", KEY_BOOLEAN, .otherwise = "off", .flags = KEY_INHERITED,
     .says = "Put the local time before each line."},
    {"logs//log", "@facility", KEY_BOOLEAN, .otherwise = "off", .flags = KEY_INHERITED,
     .says = "Put the name of the stream before each line."},
    {"logs//log", "@debug", KEY_BOOLEAN, .otherwise = "off", .flags = KEY_INHERITED,
     .says = "Put thread, file and line before each line."},
    {"logs//outlet", "@name", KEY_TEXT, .flags = KEY_REQUIRED,
     .says = "The stream that lines go to, too."},
};

const struct key_block keys_logs = KEY_BLOCK("logs", elements, keys);
