/* SPDX-License-Identifier: MIT */
#include "conf/section_impl.h"

#include "base/alloc.h"
#include "conf/value.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define COMPLAINT_SIZE  256 /* bytes of what is said of a place, with the NUL */
#define EXCERPT_LEN_MAX 100 /* bytes of a value that are shown */

/* Its address tells the root from an empty section. */
static char root_mark;

const mtev_conf_section_t MTEV_CONF_ROOT = {&root_mark, NULL};
const mtev_conf_section_t MTEV_CONF_EMPTY = {NULL, NULL};

bool section_hold(mtev_conf_section_t section, struct section_place *out)
{
    if (section.opaque1 == &root_mark) {
        out->doc = conf_share_current();
        if (out->doc == NULL)
            return false;
        out->node = xml_root(out->doc);
        return true;
    }
    if (section.opaque1 == NULL)
        return false;
    out->doc = xml_share(section.opaque2);
    out->node = section.opaque1;
    return true;
}

void section_let_go(struct section_place *place)
{
    xml_release(place->doc);
}

static __attribute__((format(printf, 3, 0))) void complain_at(const struct xml_doc *doc, long line,
                                                              const char *format, va_list args)
{
    char text[COMPLAINT_SIZE];
    vsnprintf(text, sizeof(text), format, args);
    mtevL(mtev_error, "%s:%ld: %s\n", xml_name(doc), line, text);
}

static __attribute__((format(printf, 3, 0))) void complain_of(const struct section_place *place,
                                                              const struct section_value *value,
                                                              const char *format, va_list args)
{
    char text[COMPLAINT_SIZE];
    vsnprintf(text, sizeof(text), format, args);
    bool is_element = xml_is_element(value->node);
    const char *shown = value->text + strspn(value->text, " \t\r\n");
    size_t len = strcspn(shown, "\r\n");
    mtevL(mtev_error, "%s:%ld: <%s> %s%s\"%.*s\": %s\n", xml_name(place->doc),
          xml_line(value->node), xml_node_name(xml_element(value->node)),
          is_element ? "" : xml_node_name(value->node), is_element ? "" : "=",
          (int)MIN(len, EXCERPT_LEN_MAX), shown, text);
}

void section_complain(const struct section_place *place, const struct section_value *value,
                      const char *format, ...)
{
    va_list args;
    va_start(args, format);
    complain_of(place, value, format, args);
    va_end(args);
}

/* Log a failure that is not the fault of the configuration. */
static int fail_at(const struct section_place *place, int err)
{
    mtevL(mtev_error, "%s:%ld: cannot be read: %s\n", xml_name(place->doc), xml_line(place->node),
          strerrordesc_np(-err));
    return err;
}

/* Read the text of node with what its references stand for; logs. */
static int read_node(const struct section_place *place, struct xml_node *node, char **out)
{
    char reason[VALUE_REASON_SIZE];
    struct section_value raw = {.node = node};
    char *text = NULL;
    int err = xml_text(place->doc, node, &raw.text);
    if (err != 0)
        return fail_at(place, err);
    err = value_interpolate(raw.text, &text, reason);
    if (err == -ENOMEM)
        fail_at(place, err);
    else if (err != 0)
        section_complain(place, &raw, "%s", reason);
    alloc_free(raw.text);
    if (err != 0)
        return err == -ENOMEM ? err : -EINVAL;
    *out = text;
    return 0;
}

/* xml_find(), logged. */
static int find(const struct section_place *place, const char *path, struct xml_node ***out,
                size_t *ret_count)
{
    int err = xml_find(place->doc, place->node, path, out, ret_count);
    if (err == -EINVAL)
        mtevL(mtev_error, "%s:%ld: \"%s\" is no path\n", xml_name(place->doc),
              xml_line(place->node), path);
    else if (err != 0 && err != -ENOENT)
        fail_at(place, err);
    return err;
}

int section_read(const struct section_place *place, const char *path, struct section_value *out)
{
    struct xml_node **nodes;
    size_t count;
    int err = find(place, path, &nodes, &count);
    if (err != 0)
        return err;
    struct section_value value = {.node = nodes[count - 1]};
    alloc_free(nodes);
    err = read_node(place, value.node, &value.text);
    if (err == 0)
        *out = value;
    return err;
}

mtev_boolean mtev_conf_section_is_empty(mtev_conf_section_t section)
{
    return section.opaque1 == NULL ? mtev_true : mtev_false;
}

int section_find_all(mtev_conf_section_t section, const char *path, mtev_conf_section_t **out,
                     int *ret_count)
{
    struct section_place place;
    struct xml_node **nodes = NULL;
    size_t count = 0;
    if (!section_hold(section, &place))
        return -ENOENT;
    int err = find(&place, path, &nodes, &count);
    if (err != 0)
        goto fail;
    mtev_conf_section_t *sections = alloc_zeroed(count, sizeof(*sections));
    if (sections == NULL) {
        err = fail_at(&place, -ENOMEM);
        goto fail_nodes;
    }
    int elements = 0;
    for (size_t i = 0; i < count; i++)
        if (xml_is_element(nodes[i]))
            sections[elements++] = (mtev_conf_section_t){nodes[i], xml_share(place.doc)};
    *out = sections;
    *ret_count = elements;
fail_nodes:
    alloc_free(nodes);
fail:
    section_let_go(&place);
    return err;
}

mtev_conf_section_t *mtev_conf_get_sections_read(mtev_conf_section_t section, const char *path,
                                                 int *count)
{
    mtev_conf_section_t *sections = NULL;
    *count = 0;
    section_find_all(section, path, &sections, count);
    return sections;
}

void mtev_conf_release_sections_read(mtev_conf_section_t *sections, int count)
{
    for (int i = 0; i < count; i++)
        mtev_conf_release_section_read(sections[i]);
    alloc_free(sections);
}

mtev_conf_section_t mtev_conf_get_section_read(mtev_conf_section_t section, const char *path)
{
    int count;
    mtev_conf_section_t last = MTEV_CONF_EMPTY;
    mtev_conf_section_t *sections = mtev_conf_get_sections_read(section, path, &count);
    if (count > 0)
        last = sections[--count];
    mtev_conf_release_sections_read(sections, count);
    return last;
}

void mtev_conf_release_section_read(mtev_conf_section_t section)
{
    if (section.opaque1 != NULL && section.opaque1 != &root_mark)
        xml_release(section.opaque2);
}

void conf_error(mtev_conf_section_t section, const char *format, ...)
{
    struct section_place place;
    if (!section_hold(section, &place))
        return;
    va_list args;
    va_start(args, format);
    complain_at(place.doc, xml_line(place.node), format, args);
    va_end(args);
    section_let_go(&place);
}

void conf_error_at(mtev_conf_section_t section, long line, const char *format, ...)
{
    struct section_place place;
    if (!section_hold(section, &place))
        return;
    va_list args;
    va_start(args, format);
    complain_at(place.doc, line, format, args);
    va_end(args);
    section_let_go(&place);
}

void conf_value_error(mtev_conf_section_t section, const char *path, const char *format, ...)
{
    struct section_place place;
    struct section_value value;
    if (!section_hold(section, &place))
        return;
    va_list args;
    va_start(args, format);
    if (section_read(&place, path, &value) == 0) {
        complain_of(&place, &value, format, args);
        alloc_free(value.text);
    } else {
        complain_at(place.doc, xml_line(place.node), format, args);
    }
    va_end(args);
    section_let_go(&place);
}

/* Keep of the count nodes the last of each name, in the place of the first.  Returns how many. */
static size_t merge(struct xml_node **nodes, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        size_t at = 0;
        while (at < kept && strcmp(xml_node_name(nodes[at]), xml_node_name(nodes[i])) != 0)
            at++;
        if (at == CONF_CHILDREN_MAX)
            return CONF_CHILDREN_MAX + 1;
        nodes[at] = nodes[i];
        kept = MAX(kept, at + 1);
    }
    return kept;
}

static void free_values(char **values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        alloc_free(values[i]);
    alloc_free(values);
}

/* Read the values of the count nodes: *out is an owned array of owned texts. */
static int read_values(const struct section_place *place, struct xml_node **nodes, size_t count,
                       char ***out)
{
    char **values = alloc_zeroed(count, sizeof(char *));
    if (values == NULL)
        return fail_at(place, -ENOMEM);
    for (size_t i = 0; i < count; i++) {
        int err = read_node(place, nodes[i], &values[i]);
        if (err != 0) {
            free_values(values, count);
            return err;
        }
    }
    *out = values;
    return 0;
}

/* Find the child elements that conf_each_child() is about; -ENOENT: there are none. */
static int find_children(const struct section_place *place, const char *path,
                         struct xml_node ***out, size_t *ret_count)
{
    char children[CONF_PATH_MAX + 64];
    if (strlen(path) > CONF_PATH_MAX)
        return fail_at(place, -ENAMETOOLONG);
    snprintf(children, sizeof(children), "ancestor-or-self::node()/%s/*", path);
    struct xml_node **nodes;
    size_t count;
    int err = find(place, children, &nodes, &count);
    if (err != 0)
        return err;
    count = merge(nodes, count);
    if (count > CONF_CHILDREN_MAX) {
        mtevL(mtev_error, "%s:%ld: <%s> has more than %d keys\n", xml_name(place->doc),
              xml_line(place->node), path, CONF_CHILDREN_MAX);
        alloc_free(nodes);
        return -ENOSPC;
    }
    *out = nodes;
    *ret_count = count;
    return 0;
}

int conf_each_child(mtev_conf_section_t section, const char *path,
                    int (*fn)(void *closure, const char *name, const char *value, long line),
                    void *closure)
{
    struct section_place place;
    struct xml_node **nodes = NULL;
    size_t count = 0;
    char **values = NULL;
    if (!section_hold(section, &place))
        return 0;
    int err = find_children(&place, path, &nodes, &count);
    if (err != 0) {
        err = err == -ENOENT ? 0 : err;
        goto fail;
    }
    err = read_values(&place, nodes, count, &values);
    if (err != 0)
        goto fail_nodes;
    for (size_t i = 0; i < count && err == 0; i++)
        err = fn(closure, xml_node_name(nodes[i]), values[i], xml_line(nodes[i]));
    free_values(values, count);
fail_nodes:
    alloc_free(nodes);
fail:
    section_let_go(&place);
    return err;
}
