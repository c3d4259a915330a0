/* SPDX-License-Identifier: MIT */
/*
 * hash.c - the keys of <config> elements and their like, merged.
 */
#include "base/alloc.h"
#include "conf/env.h"
#include "conf/section_impl.h"

#include <errno.h>
#include <mtev_hash.h>
#include <stdio.h>
#include <string.h>

struct keys {
    const struct section_place *place;
    const char *prefix; /* of the names that count; NULL: those without one */
    struct xml_node *
        *nodes; /* owned: CONF_CHILDREN_MAX; the last of each name, where the first was */
    size_t count;
};

static bool is_prefixed(const struct keys *keys, const struct xml_node *node)
{
    const char *prefix = xml_prefix(node);
    if (prefix == NULL || keys->prefix == NULL)
        return prefix == keys->prefix;
    return strcmp(prefix, keys->prefix) == 0;
}

static int put(struct keys *keys, struct xml_node *node)
{
    size_t at = 0;
    while (at < keys->count && strcmp(xml_node_name(keys->nodes[at]), xml_node_name(node)) != 0)
        at++;
    if (at == CONF_CHILDREN_MAX) {
        struct xml_node *parent = xml_parent(node);
        mtevL(mtev_error, "%s:%ld: <%s> has more than %d keys\n",
              xml_file(keys->place->doc, parent), xml_line(parent), xml_node_name(parent),
              CONF_CHILDREN_MAX);
        return -ENOSPC;
    }
    keys->nodes[at] = node;
    keys->count = MAX(keys->count, at + 1);
    return 0;
}

/* Put the children of element, and those of what is included there.  Depth: XML_DEPTH_MAX. */
static int put_children(struct keys *keys, struct xml_node *element)
{
    int err = 0;
    struct xml_node *node = xml_first_child(element);
    for (; node != NULL && err == 0; node = xml_next_sibling(node)) {
        int is_off = env_switches_off(keys->place->doc, node, ENV_ATTRIBUTE);
        if (is_off < 0)
            err = section_fail(keys->place, is_off);
        else if (!is_off && xml_part(node) != NULL)
            err = put_children(keys, node);
        else if (!is_off && is_prefixed(keys, node))
            err = put(keys, node);
    }
    return err;
}

static int complain(const struct keys *keys, struct xml_node *element, const char *id,
                    const char *what)
{
    mtevL(mtev_error, "%s:%ld: <%s> inherit=\"%.100s\": %s\n", xml_file(keys->place->doc, element),
          xml_line(element), xml_node_name(element), id, what);
    return -EINVAL;
}

/* Is the text of attribute (NULL: it has none) id?  1, 0 or -ENOMEM. */
static int has_text(struct xml_doc *doc, struct xml_node *attribute, const char *id)
{
    char *text = NULL;
    if (attribute == NULL)
        return 0;
    int err = xml_text(doc, attribute, &text);
    if (err != 0)
        return err;
    int is_equal = strcmp(text, id) == 0;
    alloc_free(text);
    return is_equal;
}

static int put_all(struct keys *keys, struct xml_node *element, unsigned depth);

/* Put the keys of the elements whose id is what element inherits. */
static int put_inherited(struct keys *keys, struct xml_node *element, unsigned depth)
{
    struct xml_doc *doc = keys->place->doc;
    struct xml_node *attribute = xml_attribute(element, "inherit");
    struct xml_node *node = xml_root(doc);
    char *id = NULL;
    bool is_found = false;
    if (attribute == NULL)
        return 0;
    int err = section_read_node(keys->place, attribute, "@inherit", &id);
    if (err == 0 && depth == CONF_INHERIT_DEPTH_MAX)
        err = complain(keys, element, id, "elements inherit from each other too deep");
    for (; node != NULL && err == 0; node = xml_next(node)) {
        int found = has_text(doc, xml_attribute(node, CONF_ATTRIBUTE("id")), id);
        if (found < 0)
            err = section_fail(keys->place, found);
        int is_off = found <= 0 ? 1 : env_switches_off(doc, node, ENV_ATTRIBUTE);
        if (is_off < 0)
            err = section_fail(keys->place, is_off);
        if (is_off != 0)
            continue;
        is_found = true;
        err = put_all(keys, node, depth + 1);
    }
    if (err == 0 && !is_found)
        err = complain(keys, element, id, "no element has that id");
    alloc_free(id);
    return err;
}

static int put_all(struct keys *keys, struct xml_node *element, unsigned depth)
{
    int err = put_inherited(keys, element, depth);
    return err == 0 ? put_children(keys, element) : err;
}

/* Find the keys of the elements path of the place and its ancestors; free keys->nodes in any case.
 */
static int find_keys(struct keys *keys, const char *path)
{
    char containers[CONF_PATH_MAX + 64];
    struct xml_node **found = NULL;
    size_t count = 0;
    if (path == NULL || strlen(path) > CONF_PATH_MAX)
        return section_fail(keys->place, path == NULL ? -EINVAL : -ENAMETOOLONG);
    snprintf(containers, sizeof(containers), "ancestor-or-self::node()/%s", path);
    int err = section_find(keys->place, containers, &found, &count);
    if (err == -ENOENT)
        return 0;
    if (err != 0)
        return err;
    keys->nodes = alloc_zeroed(CONF_CHILDREN_MAX, sizeof(struct xml_node *));
    if (keys->nodes == NULL)
        err = section_fail(keys->place, -ENOMEM);
    for (size_t i = 0; i < count && err == 0; i++)
        if (xml_is_element(found[i]))
            err = put_all(keys, found[i], 0);
    alloc_free(found);
    return err;
}

static void free_values(char **values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        alloc_free(values[i]);
    alloc_free(values);
}

/* Read the values of the keys: *out is an owned array of owned texts. */
static int read_values(const struct keys *keys, char ***out)
{
    char **values = alloc_zeroed(keys->count, sizeof(char *));
    if (values == NULL)
        return section_fail(keys->place, -ENOMEM);
    for (size_t i = 0; i < keys->count; i++) {
        int err = section_read_node(keys->place, keys->nodes[i], xml_node_name(keys->nodes[i]),
                                    &values[i]);
        if (err != 0) {
            free_values(values, keys->count);
            return err;
        }
    }
    *out = values;
    return 0;
}

int conf_each_key(mtev_conf_section_t section, const char *path,
                  int (*fn)(void *closure, mtev_conf_section_t key, const char *name,
                            const char *value),
                  void *closure)
{
    struct section_place place;
    struct keys keys = {.place = &place};
    char **values = NULL;
    if (!section_hold(section, &place))
        return 0;
    int err = find_keys(&keys, path);
    if (err == 0 && keys.count > 0)
        err = read_values(&keys, &values);
    for (size_t i = 0; i < keys.count && err == 0; i++)
        err = fn(closure, (mtev_conf_section_t){keys.nodes[i], place.doc},
                 xml_node_name(keys.nodes[i]), values[i]);
    if (values != NULL)
        free_values(values, keys.count);
    alloc_free(keys.nodes);
    section_let_go(&place);
    return err;
}

struct with_line {
    int (*fn)(void *closure, const char *name, const char *value, long line);
    void *closure;
};

static int call_with_line(void *closure, mtev_conf_section_t key, const char *name,
                          const char *value)
{
    const struct with_line *with = closure;
    return with->fn(with->closure, name, value, xml_line(key.opaque1));
}

int conf_each_child(mtev_conf_section_t section, const char *path,
                    int (*fn)(void *closure, const char *name, const char *value, long line),
                    void *closure)
{
    struct with_line with = {fn, closure};
    return conf_each_key(section, path, call_with_line, &with);
}

/* ---- as a table ------------------------------------------------------------------ */

static void free_table(mtev_hash_table *table)
{
    mtev_hash_destroy(table, alloc_free, alloc_free);
    alloc_free(table);
}

/* Store copies.  What cannot be read is logged and left out.  0 or -ENOMEM. */
static int fill(mtev_hash_table *table, const struct keys *keys)
{
    for (size_t i = 0; i < keys->count; i++) {
        char *value = NULL;
        const char *name = xml_node_name(keys->nodes[i]);
        int err = section_read_node(keys->place, keys->nodes[i], name, &value);
        if (err == 0 && mtev_hash_dict_store(table, name, value) == 0)
            err = section_fail(keys->place, -ENOMEM);
        alloc_free(value);
        if (err == -ENOMEM)
            return err;
    }
    return 0;
}

static mtev_hash_table *make_table(mtev_conf_section_t section, const char *path,
                                   const char *prefix)
{
    struct section_place place;
    struct keys keys = {.place = &place, .prefix = prefix};
    mtev_hash_table *table = alloc_zeroed(1, sizeof(*table));
    if (table == NULL)
        return NULL;
    mtev_hash_init(table);
    if (!section_hold(section, &place))
        return table;
    int err = find_keys(&keys, path);
    if (err != -ENOMEM) /* what was found before a fault counts */
        err = fill(table, &keys);
    alloc_free(keys.nodes);
    section_let_go(&place);
    if (err != -ENOMEM)
        return table;
    free_table(table);
    errno = ENOMEM;
    return NULL;
}

mtev_hash_table *mtev_conf_get_hash(mtev_conf_section_t section, const char *path)
{
    return make_table(section, path, NULL);
}

mtev_hash_table *mtev_conf_get_namespaced_hash(mtev_conf_section_t section, const char *path,
                                               const char *name_space)
{
    mtev_hash_table *table = make_table(section, path, name_space);
    if (table == NULL || mtev_hash_size(table) > 0)
        return table;
    free_table(table);
    return NULL;
}

mtev_boolean mtev_conf_env_off(mtev_conf_section_t section, const char *attribute)
{
    struct section_place place;
    if (!section_hold(section, &place))
        return mtev_false;
    bool is_off = env_is_off(place.doc, place.node, attribute == NULL ? ENV_ATTRIBUTE : attribute);
    section_let_go(&place);
    return is_off ? mtev_true : mtev_false;
}
