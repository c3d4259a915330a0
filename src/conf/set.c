/* SPDX-License-Identifier: MIT */
/*
 * set.c - sections for writing, and what is changed through them.
 */
#include "base/alloc.h"
#include "conf/document_impl.h"
#include "conf/fixup_impl.h"
#include "conf/section_impl.h"

#include <errno.h>
#include <inttypes.h>
#include <mtev_hooks.h>
#include <stdio.h>
#include <string.h>

#define NUMBER_SIZE 40 /* bytes of a number as text, with the NUL */

MTEV_HOOK_PROTO(mtev_conf_delete_section, (mtev_conf_section_t section, const char *name), void *,
                closure, (void *closure, mtev_conf_section_t section, const char *name));
MTEV_HOOK_IMPL(mtev_conf_delete_section, (mtev_conf_section_t section, const char *name), void *,
               closure, (void *closure, mtev_conf_section_t section, const char *name),
               (closure, section, name))

static bool is_root(mtev_conf_section_t section)
{
    return section.opaque1 == MTEV_CONF_ROOT.opaque1;
}

/* Log err of a call; returns false and sets errno. */
static bool refuse(const char *call, const char *path, int err)
{
    const char *why = strerrordesc_np(-err);
    if (err == -EDEADLK)
        why = "the section was got for reading; get it for writing";
    if (err != -ENOMEM && err != -ENOENT)
        mtevL(mtev_error, "%s: \"%.100s\": %s\n", call, path == NULL ? "(null)" : path, why);
    errno = -err;
    return false;
}

/* ---- sections -------------------------------------------------------------------- */

/* Begin to write what section is of: the root, or what this thread already writes. */
static int begin(mtev_conf_section_t section)
{
    if (section.opaque1 == NULL)
        return -ENOENT;
    if (!is_root(section) && section.opaque2 != document_draft())
        return -EDEADLK;
    return document_begin();
}

mtev_conf_section_t *mtev_conf_get_sections_write(mtev_conf_section_t section, const char *path,
                                                  int *count)
{
    mtev_conf_section_t *sections = NULL;
    *count = 0;
    int err = begin(section);
    if (err != 0) {
        refuse("mtev_conf_get_sections_write", path, err);
        return NULL;
    }
    if (section_find_all(section, path, &sections, count) != 0)
        document_end(); /* there is nothing to release */
    return sections;
}

void mtev_conf_release_sections_write(mtev_conf_section_t *sections, int count)
{
    if (sections == NULL)
        return;
    mtev_conf_release_sections_read(sections, count);
    document_end();
}

mtev_conf_section_t mtev_conf_get_section_write(mtev_conf_section_t section, const char *path)
{
    int err = begin(section);
    if (err != 0) {
        refuse("mtev_conf_get_section_write", path, err);
        return MTEV_CONF_EMPTY;
    }
    mtev_conf_section_t found = mtev_conf_get_section_read(section, path);
    if (mtev_conf_section_is_empty(found))
        document_end();
    return found;
}

void mtev_conf_release_section_write(mtev_conf_section_t section)
{
    if (section.opaque1 == NULL || is_root(section))
        return;
    mtev_conf_release_section_read(section);
    document_end();
}

/* ---- values ---------------------------------------------------------------------- */

/* Take the next step of a simple path such as a/b/@c from *path.  Its length; 0: it is none. */
static size_t take_step(const char **path, const char **out)
{
    size_t len = strcspn(*path, "/");
    size_t name = **path == '@';
    if (len == name || strcspn(*path + name, "/*[]()|:.@'\" \t\r\n") + name != len)
        return 0;
    *out = *path;
    *path += len + ((*path)[len] == '/');
    return len;
}

static struct xml_node *find_child(struct xml_node *node, const char *name)
{
    struct xml_node *found = NULL;
    for (struct xml_node *at = xml_first_child(node); at != NULL; at = xml_next_sibling(at))
        if (strcmp(xml_node_name(at), name) == 0)
            found = at;
    return found;
}

static struct xml_node *find_last_child(struct xml_node *node)
{
    struct xml_node *last = xml_first_child(node);
    while (last != NULL && xml_next_sibling(last) != NULL)
        last = xml_next_sibling(last);
    return last;
}

/* Make the next step of a simple path, which ends with text.  Gives the element to go on with. */
static int make_step(struct xml_doc *doc, const char **path, const char *text,
                     struct xml_node **node)
{
    const char *start = NULL;
    size_t len = take_step(path, &start);
    bool is_attribute = len > 0 && *start == '@', is_last = **path == '\0';
    if (len == 0 || (is_attribute && !is_last))
        return -EINVAL;
    char *name = alloc_text_n(start + is_attribute, len - is_attribute);
    if (name == NULL)
        return -ENOMEM;
    int err = 0;
    struct xml_node *child = is_last ? NULL : find_child(*node, name);
    if (is_attribute)
        err = xml_add_attribute(doc, *node, name, text);
    else if (child == NULL)
        err = xml_add_child(doc, *node, name, &child);
    if (err == 0 && is_last && !is_attribute)
        err = xml_set_text(doc, child, text);
    alloc_free(name);
    if (child != NULL)
        *node = child;
    return err;
}

/* Make the elements and the attribute of a simple path that are not there yet, with a text. */
static int make(const struct section_place *place, const char *path, const char *text)
{
    struct xml_node *node = place->node, *made = NULL;
    int err = 0;
    while (*path != '\0' && err == 0) {
        struct xml_node *parent = node, *last = find_last_child(parent);
        err = make_step(place->doc, &path, text, &node);
        if (made == NULL && find_last_child(parent) != last)
            made = find_last_child(parent);
    }
    if (err == 0)
        document_changed(node);
    else if (made != NULL)
        xml_remove(place->doc, made);
    return err;
}

/* Set what path finds last to text, make it, or with NULL take it out. */
static int change(const struct section_place *place, const char *path, const char *text)
{
    struct xml_node **nodes = NULL;
    size_t count = 0;
    int err = xml_find(place->doc, place->node, path, &nodes, &count);
    struct xml_node *node = err == 0 ? nodes[count - 1] : NULL;
    alloc_free(nodes);
    if (err == -ENOENT)
        return text == NULL ? 0 : make(place, path, text);
    if (err != 0)
        return err;
    if (text == NULL && node == xml_root(place->doc))
        return -EPERM;
    document_changed(node);
    if (text != NULL)
        return xml_set_text(place->doc, node, text);
    xml_remove(place->doc, node);
    return 0;
}

/* Give the text as the program's functions have it, or NULL. */
static int fix_up(const struct section_place *place, const char *path, const char *text, char **out)
{
    char reason[VALUE_REASON_SIZE];
    if (text == NULL)
        return 0;
    char *copy = alloc_text(text);
    if (copy == NULL)
        return -ENOMEM;
    int err = fixup_set(place, path, &copy, reason);
    if (err == 0 && strlen(copy) > VALUE_LEN_MAX)
        err = -EFBIG;
    else if (err == 0 && !xml_is_text(copy))
        err = -EILSEQ;
    if (err != 0) {
        alloc_free(copy);
        return err;
    }
    *out = copy;
    return 0;
}

int mtev_conf_set_string(mtev_conf_section_t section, const char *path, const char *value)
{
    struct section_place place;
    char *text = NULL;
    int err = path == NULL ? -EINVAL : begin(section);
    if (err == 0) {
        section_hold(section, &place); /* which is there, or it had not begun */
        err = fix_up(&place, path, value, &text);
        if (err == 0)
            err = change(&place, path, text);
        section_let_go(&place);
        document_end();
        alloc_free(text);
    }
    return err == 0 || refuse("mtev_conf_set_string", path, err);
}

static int __attribute__((format(printf, 3, 4)))
set_number(mtev_conf_section_t section, const char *path, const char *format, ...)
{
    char text[NUMBER_SIZE];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return mtev_conf_set_string(section, path, text);
}

int mtev_conf_set_int32(mtev_conf_section_t section, const char *path, int32_t value)
{
    return set_number(section, path, "%" PRId32, value);
}

int mtev_conf_set_uint32(mtev_conf_section_t section, const char *path, uint32_t value)
{
    return set_number(section, path, "%" PRIu32, value);
}

int mtev_conf_set_int64(mtev_conf_section_t section, const char *path, int64_t value)
{
    return set_number(section, path, "%" PRId64, value);
}

int mtev_conf_set_uint64(mtev_conf_section_t section, const char *path, uint64_t value)
{
    return set_number(section, path, "%" PRIu64, value);
}

int mtev_conf_set_float(mtev_conf_section_t section, const char *path, float value)
{
    return set_number(section, path, "%.9g", (double)value);
}

int mtev_conf_set_double(mtev_conf_section_t section, const char *path, double value)
{
    return set_number(section, path, "%.17g", value);
}

int mtev_conf_set_boolean(mtev_conf_section_t section, const char *path, mtev_boolean value)
{
    return mtev_conf_set_string(section, path, value == mtev_true ? "true" : "false");
}

int mtev_conf_remove_section(mtev_conf_section_t section)
{
    struct xml_node *node = section.opaque1;
    int err = is_root(section) ? -EPERM : begin(section);
    if (err != 0)
        return refuse("mtev_conf_remove_section", "", err);
    if (node == xml_root(section.opaque2))
        err = -EPERM;
    else if (mtev_conf_delete_section_hook_invoke(section, xml_node_name(node)) == MTEV_HOOK_ABORT)
        err = -ECANCELED;
    if (err == 0) {
        document_changed(node);
        xml_remove(section.opaque2, node);
    }
    document_end();
    return err == 0 || refuse("mtev_conf_remove_section", xml_node_name(node), err);
}
