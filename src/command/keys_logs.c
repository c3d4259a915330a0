/* SPDX-License-Identifier: MIT */
#include "command/check.h"
#include "command/keys_impl.h"

#include "base/alloc.h"
#include "log/filter.h"
#include "log/log.h"

#include <errno.h>
#include <string.h>

#define BYTES_MAX   1125899906842624
#define SECONDS_MAX 315360000

/* Tell when there can be no log of that type where path says. */
static void check_path(struct check *check, struct xml_node *element, const char *type)
{
    struct xml_node *attribute = check_find_inherited(element, "path");
    char *path = attribute == NULL ? NULL : check_attribute(check, xml_element(attribute), "path");
    int err = path == NULL ? 0 : log_check_path(type, path);
    if (err != 0)
        check_value_fault(check, attribute, path, "%s",
                          err == -EINVAL ? "this is no path for such a log"
                                         : strerrordesc_np(-err));
    else if (path != NULL && strncmp(type, "file", 4) == 0)
        check_relative(check, attribute, path);
    alloc_free(path);
}

static void check_own(struct check *check, struct xml_node *element, const char *type)
{
    char *name = check_attribute(check, element, "name");
    size_t outlets = 0;
    if (name != NULL && strlen(name) > LOG_NAME_MAX)
        check_value_fault(check, xml_attribute(element, "name"), name, "%s",
                          strerrordesc_np(ENAMETOOLONG));
    alloc_free(name);
    if (type != NULL && log_type_has_format(type) && xml_attribute(element, "format") != NULL)
        check_fault(check, element, "<log> format: %s has a format of its own", type);
    for (struct xml_node *at = element; at != NULL; at = xml_parent(at))
        outlets += check_count_outlets(check, at);
    if (outlets > LOG_OUTLETS_MAX)
        check_fault(check, element, "<log> has more than %d outlets", LOG_OUTLETS_MAX);
}

static void check_log(struct check *check, struct xml_node *element)
{
    char *type = check_inherited(check, element, "type");
    bool has_path = check_inherits(check, element, "path");
    if (type != NULL && !has_path && log_type_default_path(type) == NULL)
        check_fault(check, element, "<log> has a type but no path");
    if (has_path && type == NULL)
        check_fault(check, element, "<log> has a path but no type");
    if (type != NULL && log_type_is_known(type))
        check_path(check, element, type);
    check_own(check, element, type);
    alloc_free(type);
}

static bool is_filter(const char *name, const char *value)
{
    char reason[FILTER_REASON_SIZE];
    struct filter *filter = NULL;
    int err = filter_parse(value, reason, &filter);
    filter_free(filter);
    return err == 0;
}

static const struct key_element elements[] = {
    {.path = "logs", .check = check_outlets},
    {.path = "logs//log", .check = check_log},
    {.path = "logs//outlet"},
};

static const struct key keys[] = {
    {"logs//log", "@name", KEY_TEXT, .flags = KEY_REQUIRED, .says = "The stream that it sets up."},
    {"logs//log", "@type", KEY_WORDS, .words = "file|file_synch|memory|syslog|journald",
     .flags = KEY_INHERITED, .says = "What makes the stream an outlet."},
    {"logs//log", "@path", KEY_TEXT, .flags = KEY_INHERITED,
     .says = "The file, or what the type says; goes with type."},
    {"logs//log", "@format", KEY_WORDS, .words = "plain|json", .otherwise = "plain",
     .flags = KEY_INHERITED, .says = "What a line looks like."},
    {"logs//log", "@disabled", KEY_BOOLEAN, .otherwise = "off", .flags = KEY_INHERITED,
     .says = "Switch the stream off."},
    {"logs//log", "@timestamps", KEY_BOOLEAN, .otherwise = "off", .flags = KEY_INHERITED,
     .says = "Put the local time before each line."},
    {"logs//log", "@facility", KEY_BOOLEAN, .otherwise = "off", .flags = KEY_INHERITED,
     .says = "Put the name of the stream before each line."},
    {"logs//log", "@debug", KEY_BOOLEAN, .otherwise = "off", .flags = KEY_INHERITED,
     .says = "Put thread, file and line before each line."},
    {"logs//log", "@stats", KEY_BOOLEAN, .otherwise = "on", .flags = KEY_INHERITED,
     .says = "Accepted, and without effect: lines are always counted."},
    {"logs//log", "@rotate_bytes", KEY_NUMBER, .min = 102400, .max = BYTES_MAX,
     .flags = KEY_INHERITED, .says = "Rename the file when it has so many."},
    {"logs//log", "@rotate_seconds", KEY_NUMBER, .min = 600, .max = SECONDS_MAX,
     .flags = KEY_INHERITED, .says = "Rename the file when it is so old."},
    {"logs//log", "@retain_bytes", KEY_NUMBER, .min = 1, .max = BYTES_MAX, .flags = KEY_INHERITED,
     .says = "Then remove the oldest, until so many are left."},
    {"logs//log", "@retain_seconds", KEY_NUMBER, .min = 1, .max = SECONDS_MAX,
     .flags = KEY_INHERITED, .says = "Then remove those that were renamed so long ago."},
    {"logs//log", "@dedup_seconds", KEY_NUMBER, .min = 1, .max = 86400, .flags = KEY_INHERITED,
     .says = "Fold repeated lines for so long."},
    {"logs//log", "@queue_bytes", KEY_NUMBER, .min = 65536, .max = 1073741824,
     .otherwise = "4194304", .flags = KEY_INHERITED, .says = "Lines that may wait to be written."},
    {"logs//outlet", "@name", KEY_TEXT, .flags = KEY_REQUIRED,
     .says = "The stream that lines go to, too."},
    {"logs//outlet", "@filter", KEY_CHECKED, .is_right = is_filter,
     .form = "tests joined by and, or, not", .says = "Which lines."},
};

const struct key_block keys_logs = KEY_BLOCK("logs", elements, keys);
