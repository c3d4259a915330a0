/* SPDX-License-Identifier: MIT */
#include "conf/section_impl.h"

#include "base/alloc.h"
#include "conf/document_impl.h"
#include "conf/env.h"
#include "conf/fixup_impl.h"
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
        out->doc = document_share();
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

static __attribute__((format(printf, 3, 0))) void complain_at(const char *file, long line,
                                                              const char *format, va_list args)
{
    char text[COMPLAINT_SIZE];
    vsnprintf(text, sizeof(text), format, args);
    mtevL(mtev_error, "%s:%ld: %s\n", file, line, text);
}

bool conf_is_secret(const char *name)
{
    static const char *const parts[] = {"password", "passwd", "passphrase",
                                        "secret",   "token",  "psk"};
    size_t len = strlen(name);
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        if (strcasestr(name, parts[i]) != NULL)
            return len < 5 || strcasecmp(name + len - 5, "_file") != 0;
    return strcasecmp(name, "key") == 0 || (len > 4 && strcasecmp(name + len - 4, "_key") == 0);
}

static __attribute__((format(printf, 3, 0))) void complain_of(const struct section_place *place,
                                                              const struct section_value *value,
                                                              const char *format, va_list args)
{
    char text[COMPLAINT_SIZE];
    vsnprintf(text, sizeof(text), format, args);
    bool is_element = xml_is_element(value->node);
    bool is_secret = conf_is_secret(xml_node_name(value->node));
    const char *shown = is_secret ? "..." : value->text + strspn(value->text, " \t\r\n");
    size_t len = strcspn(shown, "\r\n");
    mtevL(mtev_error, "%s:%ld: <%s> %s%s\"%.*s\": %s\n", xml_file(place->doc, value->node),
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

int section_fail(const struct section_place *place, int err)
{
    mtevL(mtev_error, "%s:%ld: cannot be read: %s\n", xml_file(place->doc, place->node),
          xml_line(place->node), strerrordesc_np(-err));
    return err;
}

int section_read_node(const struct section_place *place, struct xml_node *node, const char *path,
                      char **out)
{
    char reason[VALUE_REASON_SIZE];
    struct section_value raw = {.node = node};
    char *text = NULL;
    int err = xml_text(place->doc, node, &raw.text);
    if (err != 0)
        return section_fail(place, err);
    err = value_interpolate(raw.text, &text, reason);
    if (err == 0)
        err = fixup_read(place, node, path, &text, reason);
    if (err == -ENOMEM)
        section_fail(place, err);
    else if (err != 0)
        section_complain(place, &raw, "%s", reason);
    alloc_free(raw.text);
    if (err != 0) {
        alloc_free(text);
        return err == -ENOMEM ? err : -EINVAL;
    }
    *out = text;
    return 0;
}

/* Keep of the *count nodes those that are not off.  0 or -ENOMEM. */
static int drop_off(struct xml_doc *doc, struct xml_node **nodes, size_t *count)
{
    size_t kept = 0;
    for (size_t i = 0; i < *count; i++) {
        int is_off = env_switches_off(doc, xml_element(nodes[i]), ENV_ATTRIBUTE);
        if (is_off < 0)
            return is_off;
        if (!is_off)
            nodes[kept++] = nodes[i];
    }
    *count = kept;
    return 0;
}

int section_find(const struct section_place *place, const char *path, struct xml_node ***out,
                 size_t *ret_count)
{
    struct xml_node **nodes = NULL;
    size_t count = 0;
    int err = path == NULL ? -EINVAL : xml_find(place->doc, place->node, path, &nodes, &count);
    if (err == -EINVAL)
        mtevL(mtev_error, "%s:%ld: \"%s\" is no path\n", xml_file(place->doc, place->node),
              xml_line(place->node), path == NULL ? "(null)" : path);
    else if (err == 0)
        err = drop_off(place->doc, nodes, &count);
    if (err == -ENOMEM)
        section_fail(place, err);
    if (err == 0 && count == 0)
        err = -ENOENT;
    if (err != 0) {
        alloc_free(nodes);
        return err;
    }
    *out = nodes;
    *ret_count = count;
    return 0;
}

int section_read(const struct section_place *place, const char *path, struct section_value *out)
{
    struct xml_node **nodes;
    size_t count;
    int err = section_find(place, path, &nodes, &count);
    if (err != 0)
        return err;
    struct section_value value = {.node = nodes[count - 1]};
    alloc_free(nodes);
    err = section_read_node(place, value.node, path, &value.text);
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
    int err = section_find(&place, path, &nodes, &count);
    if (err != 0)
        goto fail;
    mtev_conf_section_t *sections = alloc_zeroed(count, sizeof(*sections));
    if (sections == NULL) {
        err = section_fail(&place, -ENOMEM);
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

int conf_each_attribute(mtev_conf_section_t section, const char *prefix,
                        int (*fn)(void *closure, const char *name, const char *value),
                        void *closure)
{
    struct section_place place;
    int err = 0;
    if (!section_hold(section, &place))
        return 0;
    struct xml_node *node = xml_first_attribute(place.node);
    for (; node != NULL && err == 0; node = xml_next_attribute(node)) {
        char *value = NULL;
        const char *name = xml_node_name(node);
        if (xml_prefix(node) != NULL || strncmp(name, prefix, strlen(prefix)) != 0)
            continue;
        err = section_read_node(&place, node, name, &value);
        if (err == 0)
            err = fn(closure, name, value);
        alloc_free(value);
    }
    section_let_go(&place);
    return err;
}

void conf_error(mtev_conf_section_t section, const char *format, ...)
{
    struct section_place place;
    if (!section_hold(section, &place))
        return;
    va_list args;
    va_start(args, format);
    complain_at(xml_file(place.doc, place.node), xml_line(place.node), format, args);
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
    complain_at(xml_file(place.doc, place.node), line, format, args);
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
        complain_at(xml_file(place.doc, place.node), xml_line(place.node), format, args);
    }
    va_end(args);
    section_let_go(&place);
}
