/* SPDX-License-Identifier: MIT */
/*
 * check_walk.c - each element, attribute and value against the tables of keys.h.
 *
 * An element stands in one of these places, each of which is known by a row of a block's table:
 *
 *     the root       ""; its children are blocks, or the program's own
 *     an element     a row's path, such as "logs//log"
 *     a group        of any name, below a path that has rows with "//"; the row is that path's
 *
 * <include> is transparent: its children stand where it does.
 */
#include "command/check_impl.h"

#include "base/alloc.h"
#include "base/number.h"
#include "conf/env.h"
#include "conf/value.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_SIZE 512 /* bytes of the name of a file */

struct place {
    const struct key_block *block;
    const struct key_element *row;
    bool is_group;
};

/* " did you mean x?", or nothing. */
struct hint {
    char text[NEAR_NAME_LEN_MAX + 32];
};

static struct hint hint_of(const struct near *near, const char *before, const char *behind)
{
    struct hint hint = {""};
    if (near->found != NULL)
        snprintf(hint.text, sizeof(hint.text), "; did you mean %s%.*s%s?", before, (int)near->len,
                 near->found, behind);
    return hint;
}

/* ---- values ---------------------------------------------------------------------- */

static bool is_boolean(const char *value)
{
    static const char *const words[] = {"true", "on", "false", "off"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strcasecmp(value, words[i]) == 0)
            return true;
    return false;
}

static void check_number(struct check *check, const struct key *key, struct xml_node *node,
                         const char *value, const char *shown)
{
    int64_t number;
    if (number_i64(value, strlen(value), key->min, key->max, &number) != 0)
        check_value_fault(check, node, shown, "not a number between %" PRId64 " and %" PRId64,
                          key->min, key->max);
}

static void check_words(struct check *check, const struct key *key, struct xml_node *node,
                        const char *value, const char *shown)
{
    struct near near = near_begin(value);
    for (const char *word = key->words; *word != '\0';) {
        size_t len = strcspn(word, "|");
        if (strlen(value) == len && memcmp(value, word, len) == 0)
            return;
        near_offer(&near, word, len);
        word += len + (word[len] == '|');
    }
    check_value_fault(check, node, shown, "none of %s%s", key->words,
                      hint_of(&near, "\"", "\"").text);
}

static void check_file(struct check *check, const struct key *key, struct xml_node *node,
                       const char *value, const char *shown)
{
    struct stat stat_of;
    check_relative(check, node, value);
    int fd = open(value, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    int err = fd == -1 || fstat(fd, &stat_of) != 0 ? errno : 0;
    if (fd != -1)
        close(fd);
    if (err == 0 && key->type == KEY_FOLDER && !S_ISDIR(stat_of.st_mode))
        err = ENOTDIR;
    if (err == 0 && key->type == KEY_FILE && S_ISDIR(stat_of.st_mode))
        err = EISDIR;
    if (err != 0)
        check_value_fault(check, node, shown, "cannot be read: %s", strerrordesc_np(err));
}

static void check_text(struct check *check, const struct key *key, struct xml_node *node,
                       const char *value)
{
    const char *shown = (key->flags & KEY_SECRET) != 0 ? "..." : value;
    const char *name = xml_node_name(node);
    switch (key->type) {
    case KEY_NUMBER:
        check_number(check, key, node, value, shown);
        break;
    case KEY_BOOLEAN:
        if (!is_boolean(value))
            check_value_fault(check, node, shown, "neither true (on) nor false (off)");
        break;
    case KEY_WORDS:
        check_words(check, key, node, value, shown);
        break;
    case KEY_FILE:
    case KEY_FOLDER:
        check_file(check, key, node, value, shown);
        break;
    case KEY_CHECKED:
        if (!key->is_right(name, value))
            check_value_fault(check, node, shown, "not %s", key->form);
        break;
    case KEY_NONE:
    case KEY_TEXT:
        break;
    }
}

/* Cut the blanks around text; they do not count in numbers and words. */
static char *trimmed(char *text)
{
    text += strspn(text, " \t\r\n");
    size_t len = strlen(text);
    while (len > 0 && strchr(" \t\r\n", text[len - 1]) != NULL)
        text[--len] = '\0';
    return text;
}

void check_value(struct check *check, const struct key *key, struct xml_node *node)
{
    char reason[VALUE_REASON_SIZE];
    char *raw = NULL, *value = NULL;
    if (xml_text(check->doc, node, &raw) != 0)
        return;
    int err = value_interpolate(raw, &value, reason);
    if (err == 0) {
        bool is_exact = key->type == KEY_TEXT || key->type == KEY_CHECKED;
        check_text(check, key, node, is_exact ? value : trimmed(value));
    } else if (err == -ENOSPC) {
        check_value_fault(check, node, raw, "%s", reason);
    } else if (err == -EINVAL) {
        check_note(check, node, "<%s>: %s; only the program may know it",
                   xml_node_name(xml_element(node)), reason);
    }
    alloc_free(value);
    alloc_free(raw);
}

/* ---- attributes ------------------------------------------------------------------ */

/* Does path begin with the elements of base? */
static bool is_within(const char *path, const char *base)
{
    size_t len = strlen(base);
    return strncmp(path, base, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

/* Does key stand for that name, @ included? */
static bool is_named(const struct key *key, const char *name)
{
    if ((key->flags & KEY_PREFIX) != 0)
        return strncmp(key->name, name, strlen(key->name)) == 0;
    return strcmp(key->name, name) == 0;
}

/* May key stand at the place?  Its own, or, inherited, one around it. */
static bool is_at(const struct key *key, const struct place *at)
{
    if (!at->is_group && strcmp(key->element, at->row->path) == 0)
        return true;
    return (key->flags & KEY_INHERITED) != 0 &&
           (at->row->path[0] == '\0' || is_within(key->element, at->row->path));
}

/* Find the key called name in a block, or offer those that may be meant. */
static const struct key *find_key(const struct key_block *block, const struct place *at,
                                  const char *name, struct near *near)
{
    for (size_t i = 0; i < block->key_count; i++) {
        const struct key *key = &block->keys[i];
        if ((key->name[0] == '@') != (name[0] == '@') || !is_at(key, at))
            continue;
        if (is_named(key, name))
            return key;
        near_offer(near, key->name + (name[0] == '@'), strlen(key->name + (name[0] == '@')));
    }
    return NULL;
}

/* The same in all tables that count at a place. */
static const struct key *find_anywhere(const struct place *at, const char *name, struct near *near)
{
    const struct key *found = find_key(at->block, at, name, near);
    for (size_t i = 0; i < key_everywhere_count && found == NULL && name[0] == '@'; i++) {
        if (strcmp(key_everywhere[i].name, name) == 0)
            return &key_everywhere[i];
        near_offer(near, key_everywhere[i].name + 1, strlen(key_everywhere[i].name + 1));
    }
    struct near other = near_begin(near->wanted); /* the program's own may be near to these */
    for (size_t i = 1; key_blocks[i] != NULL && found == NULL && at->row->path[0] == '\0'; i++)
        found = find_key(key_blocks[i], at, name, &other);
    return found;
}

static void check_attribute_of(struct check *check, struct xml_node *attribute,
                               const struct place *at)
{
    char name[NEAR_NAME_LEN_MAX + 2];
    if (xml_prefix(attribute) != NULL)
        return;
    snprintf(name, sizeof(name), "@%s", xml_node_name(attribute));
    struct near near = near_begin(name + 1);
    const struct key *key = find_anywhere(at, name, &near);
    bool is_open = (at->row->flags & KEY_OPEN) != 0 && !at->is_group;
    if (key != NULL)
        check_value(check, key, attribute);
    else if (!is_open || near.found != NULL)
        check_fault(check, attribute, "<%s> has no attribute \"%s\"%s",
                    xml_node_name(xml_element(attribute)), xml_node_name(attribute),
                    hint_of(&near, "\"", "\"").text);
    else if (at->row->path[0] != '\0')
        check_note(check, attribute,
                   "<%s>: the attribute \"%s\" is not known here; the program may "
                   "know it",
                   xml_node_name(xml_element(attribute)), xml_node_name(attribute));
}

static void check_required(struct check *check, struct xml_node *element, const struct place *at)
{
    for (size_t i = 0; i < at->block->key_count; i++) {
        const struct key *key = &at->block->keys[i];
        const char *name = key->name + 1;
        if ((key->flags & KEY_REQUIRED) == 0 || strcmp(key->element, at->row->path) != 0)
            continue;
        bool is_there = (key->flags & KEY_INHERITED) != 0 ? check_inherits(check, element, name)
                                                          : xml_attribute(element, name) != NULL;
        if (!is_there)
            check_fault(check, element, "<%s> has no %s", xml_node_name(element), name);
    }
}

/* ---- elements -------------------------------------------------------------------- */

static void check_children(struct check *check, struct xml_node *container, const struct place *at);

static void check_element(struct check *check, struct xml_node *element, const struct place *at)
{
    struct xml_node *attribute = xml_first_attribute(element);
    for (; attribute != NULL; attribute = xml_next_attribute(attribute))
        check_attribute_of(check, attribute, at);
    if (!at->is_group) {
        check_required(check, element, at);
        if (at->row->check != NULL)
            at->row->check(check, element);
    }
    check_children(check, element, at);
}

/* What an <include> has may be its own, or inherited by what is included. */
static void check_include(struct check *check, struct xml_node *include, const struct place *at)
{
    static const struct key_element row = {.path = "include"};
    const struct place own = {.block = key_blocks[0], .row = &row};
    struct xml_node *attribute = xml_first_attribute(include);
    for (; attribute != NULL; attribute = xml_next_attribute(attribute)) {
        char name[NEAR_NAME_LEN_MAX + 2];
        struct near near = near_begin("");
        snprintf(name, sizeof(name), "@%s", xml_node_name(attribute));
        struct place around = *at;
        around.is_group = true; /* so that only inherited ones are found */
        const struct key *key = find_key(at->block, &around, name, &near);
        if (key != NULL)
            check_value(check, key, attribute);
        else
            check_attribute_of(check, attribute, &own);
    }
    if (xml_attribute(include, "file") == NULL)
        check_fault(check, include, "<include> has no file");
    check_children(check, include, at);
}

/*
 * Is the row a child called name of the place?  A row "a//b" is one of each element within a.
 */
static bool is_child(const struct key_element *row, const struct place *at, const char *name)
{
    const char *slash = strrchr(row->path, '/');
    if (slash == NULL || strcmp(slash + 1, name) != 0)
        return false;
    bool is_deep = slash > row->path && slash[-1] == '/';
    size_t len = (size_t)(slash - row->path) - is_deep;
    const char *base = at->row->path;
    if (strncmp(row->path, base, len) != 0 || (base[len] != '\0' && base[len] != '/'))
        return false;
    return is_deep || (base[len] == '\0' && !at->is_group);
}

static const struct key_element *find_child(const struct place *at, const char *name)
{
    for (size_t i = 0; i < at->block->element_count; i++)
        if (is_child(&at->block->elements[i], at, name))
            return &at->block->elements[i];
    return NULL;
}

/* May elements of any name stand here, to group others? */
static bool has_groups(const struct place *at)
{
    size_t len = strlen(at->row->path);
    for (size_t i = 0; i < at->block->element_count; i++) {
        const char *path = at->block->elements[i].path;
        if (len > 0 && strncmp(path, at->row->path, len) == 0 && strncmp(path + len, "//", 2) == 0)
            return true;
    }
    return false;
}

/* Offer all elements that may stand at the place. */
static void offer_children(const struct place *at, struct near *near)
{
    for (size_t i = 0; i < at->block->element_count; i++) {
        const char *slash = strrchr(at->block->elements[i].path, '/');
        if (slash != NULL && is_child(&at->block->elements[i], at, slash + 1))
            near_offer(near, slash + 1, strlen(slash + 1));
    }
}

static void check_block(struct check *check, struct xml_node *element)
{
    const char *name = xml_node_name(element);
    struct near near = near_begin(name);
    if (strcmp(name, "managed") == 0) {
        check_fault(check, element, "<managed>: other programs are the service manager's to start");
        return;
    }
    for (size_t i = 1; key_blocks[i] != NULL; i++) {
        if (strcmp(key_blocks[i]->name, name) == 0) {
            check_element(check, element,
                          &(struct place){key_blocks[i], &key_blocks[i]->elements[0], false});
            return;
        }
        near_offer(&near, key_blocks[i]->name, strlen(key_blocks[i]->name));
    }
    if (near.found != NULL)
        check_fault(check, element, "<%s> is not known%s", name, hint_of(&near, "<", ">").text);
    else
        check_note(check, element, "<%s> is not known here; the program may know it", name);
}

static void check_child(struct check *check, struct xml_node *child, const struct place *at)
{
    const char *name = xml_node_name(child);
    struct near near = near_begin(name);
    const struct key_element *row = find_child(at, name);
    const struct key *key = row == NULL ? find_key(at->block, at, name, &near) : NULL;
    bool is_group = has_groups(at);
    if (row != NULL) {
        check_element(check, child, &(struct place){at->block, row, false});
        return;
    }
    if (key != NULL) {
        check_value(check, key, child);
        return;
    }
    offer_children(at, &near);
    const char *parent = xml_node_name(xml_parent(child));
    if (near.found != NULL || (!is_group && (at->row->flags & KEY_OPEN) == 0))
        check_fault(check, child, "<%s> has no <%s>%s", parent, name,
                    hint_of(&near, "<", ">").text);
    else if (is_group)
        check_element(check, child, &(struct place){at->block, at->row, true});
    else
        check_note(check, child, "<%s> is not known here; the program may know it", name);
}

/* Check the children of container, an element or an <include> in it. */
static void check_children(struct check *check, struct xml_node *container, const struct place *at)
{
    struct xml_node *child = xml_first_child(container);
    for (; child != NULL; child = xml_next_sibling(child)) {
        if (env_is_off(check->doc, child, ENV_ATTRIBUTE) || xml_prefix(child) != NULL)
            continue;
        if (strcmp(xml_node_name(child), "include") == 0)
            check_include(check, child, at);
        else if (at->row->path[0] == '\0')
            check_block(check, child);
        else
            check_child(check, child, at);
    }
}

void check_elements(struct check *check)
{
    const struct place root = {key_blocks[0], &key_blocks[0]->elements[0], false};
    check_element(check, xml_root(check->doc), &root);
}
