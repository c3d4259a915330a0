/* SPDX-License-Identifier: MIT */
#include "command/check_impl.h"

#include "base/alloc.h"
#include "conf/conf.h"
#include "conf/env.h"
#include "log/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* ---- references ------------------------------------------------------------------ */

/* Tell when no element has the id that one inherits. */
static void check_id(struct check *check, struct xml_node *element)
{
    char *wanted = check_attribute(check, element, "inherit");
    char nearest[NEAR_NAME_LEN_MAX + 1] = "";
    struct near near = near_begin(wanted == NULL ? "" : wanted);
    bool is_found = wanted == NULL;
    struct xml_node *node = xml_root(check->doc);
    for (; node != NULL && !is_found; node = xml_next(node)) {
        char *id = check_attribute(check, node, "id");
        near.found = NULL;
        if (id != NULL && !env_is_off(check->doc, node, ENV_ATTRIBUTE)) {
            is_found = strcmp(id, wanted) == 0;
            near_offer(&near, id, strlen(id));
        }
        if (near.found != NULL)
            snprintf(nearest, sizeof(nearest), "%s", id);
        alloc_free(id);
    }
    if (!is_found)
        check_value_fault(check, xml_attribute(element, "inherit"), wanted,
                          "no element has that id%s%s%s",
                          nearest[0] == '\0' ? "" : "; did you mean \"", nearest,
                          nearest[0] == '\0' ? "" : "\"?");
    alloc_free(wanted);
}

void check_place(struct check *check, struct xml_node *node, const char *path)
{
    int err = log_check_path("file", path);
    if (err == -ENOENT && strncmp(path, "/run/", 5) == 0)
        return; /* is made for a program at its start */
    if (err == -ENOENT)
        check_note(check, node, "\"%s\" has no folder, unless somebody makes it before the start",
                   path);
    else if (err != 0)
        check_value_fault(check, node, path, "%s", strerrordesc_np(-err));
}

/* Tell where the root element names what cannot be made. */
static void check_lock(struct check *check)
{
    struct xml_node *attribute = xml_attribute(xml_root(check->doc), "lockfile");
    char *path = check_attribute(check, xml_root(check->doc), "lockfile");
    if (path != NULL)
        check_place(check, attribute, path);
    alloc_free(path);
}

void check_references(struct check *check)
{
    check_lock(check);
    for (struct xml_node *node = xml_root(check->doc); node != NULL; node = xml_next(node)) {
        const struct xml_doc *part = xml_part(node);
        struct xml_node *root = part == NULL ? NULL : xml_root(part);
        if (env_is_off(check->doc, node, ENV_ATTRIBUTE))
            continue;
        if (xml_attribute(node, "inherit") != NULL)
            check_id(check, node);
        if (root != NULL && xml_first_attribute(root) != NULL)
            check_note(check, node, "the attributes of <%s> in %s do not count",
                       xml_node_name(root), xml_name(part));
    }
}

/* ---- outlets --------------------------------------------------------------------- */

struct streams { /* the <log> elements that count */
    struct check *check;
    struct xml_node **logs; /* owned */
    char **names;           /* owned, of owned names; NULL: it has none */
    bool *leads;            /* owned: what goes there is known to end somewhere */
    size_t count;
};

static const struct { /* streams that there are anyway */
    const char *name, *outlet;
} standing[] = {{"error", "stderr"}, {"notice", "error"}, {"debug", "stderr"}};

/* The index of the last <log> of that name, or the count. */
static size_t find_log(const struct streams *streams, const char *name)
{
    for (size_t i = streams->count; i-- > 0;)
        if (streams->names[i] != NULL && strcmp(streams->names[i], name) == 0)
            return i;
    return streams->count;
}

/* Where lines of a stream that there is anyway go, or NULL. */
static const char *standing_outlet(const char *name)
{
    for (size_t i = 0; i < sizeof(standing) / sizeof(standing[0]); i++)
        if (strcmp(name, standing[i].name) == 0)
            return standing[i].outlet;
    return NULL;
}

/* Do lines of the stream called name come to an end, as far as that is known? */
static bool leads_somewhere(const struct streams *streams, const char *name)
{
    size_t log = find_log(streams, name);
    if (strcmp(name, "stderr") == 0)
        return true;
    if (log < streams->count)
        return streams->leads[log];
    if (standing_outlet(name) != NULL)
        return leads_somewhere(streams, standing_outlet(name));
    const char *slash = strrchr(name, '/'); /* a/b goes to a */
    char *parent = slash == NULL ? NULL : alloc_text_n(name, (size_t)(slash - name));
    bool found = parent != NULL && leads_somewhere(streams, parent);
    alloc_free(parent);
    return found;
}

/* Where lines of a <log> without outlets go: where they would go without it. */
static bool has_standing_way(const struct streams *streams, const char *name)
{
    const char *slash = strrchr(name, '/');
    if (standing_outlet(name) != NULL)
        return leads_somewhere(streams, standing_outlet(name));
    char *parent = slash == NULL ? NULL : alloc_text_n(name, (size_t)(slash - name));
    bool found = parent != NULL && leads_somewhere(streams, parent);
    alloc_free(parent);
    return found;
}

/* Does the log at index lead somewhere, through an outlet that it or an element around it names? */
static bool has_way_out(const struct streams *streams, size_t index)
{
    bool found = false, has_outlets = false;
    struct xml_node *at = streams->logs[index];
    if (streams->names[index] == NULL || check_inherits(streams->check, at, "type"))
        return true;
    for (; at != NULL; at = xml_parent(at)) {
        struct xml_node *child = xml_first_child(at);
        for (; child != NULL && !found; child = xml_next_sibling(child)) {
            if (strcmp(xml_node_name(child), "outlet") != 0)
                continue;
            char *name = check_attribute(streams->check, child, "name");
            has_outlets = true;
            found = name != NULL && leads_somewhere(streams, name);
            alloc_free(name);
        }
    }
    return has_outlets ? found : has_standing_way(streams, streams->names[index]);
}

/* Find out which streams lead somewhere: what is known of one may tell more of others. */
static void follow_outlets(struct streams *streams)
{
    bool is_news = true;
    while (is_news) {
        is_news = false;
        for (size_t i = 0; i < streams->count; i++) {
            if (streams->leads[i] || !has_way_out(streams, i))
                continue;
            streams->leads[i] = is_news = true;
        }
    }
}

static void check_outlet(const struct streams *streams, struct xml_node *outlet)
{
    char *name = check_attribute(streams->check, outlet, "name");
    if (name == NULL || leads_somewhere(streams, name)) {
        alloc_free(name);
        return;
    }
    struct near near = near_begin(name);
    for (size_t i = 0; i < streams->count; i++)
        if (streams->names[i] != NULL && streams->leads[i])
            near_offer(&near, streams->names[i], strlen(streams->names[i]));
    near_offer(&near, "stderr", strlen("stderr"));
    bool is_known = find_log(streams, name) < streams->count || standing_outlet(name) != NULL;
    check_fault(streams->check, outlet, "<outlet> name=\"%s\": %s%s%.*s%s", name,
                is_known ? "what goes there ends nowhere" : "no <log> sets that stream up",
                near.found == NULL ? "" : "; did you mean \"", (int)near.len,
                near.found == NULL ? "" : near.found, near.found == NULL ? "" : "\"?");
    alloc_free(name);
}

/* Find the elements that path selects and that count: an owned array. */
static struct xml_node **find_all(struct check *check, const char *path, size_t *count)
{
    struct xml_node **nodes = NULL;
    size_t found = 0, kept = 0;
    if (xml_find(check->doc, xml_root(check->doc), path, &nodes, &found) != 0)
        found = 0;
    for (size_t i = 0; i < found; i++)
        if (!env_is_off(check->doc, nodes[i], ENV_ATTRIBUTE))
            nodes[kept++] = nodes[i];
    *count = kept;
    return nodes;
}

size_t check_count_outlets(const struct check *check, struct xml_node *element)
{
    size_t count = 0;
    struct xml_node *child = xml_first_child(element);
    for (; child != NULL; child = xml_next_sibling(child))
        count += strcmp(xml_node_name(child), "outlet") == 0 &&
                 !env_is_off(check->doc, child, ENV_ATTRIBUTE);
    return count;
}

void check_outlets(struct check *check, struct xml_node *logs)
{
    size_t count = 0;
    struct streams streams = {.check = check};
    struct xml_node **blocks = find_all(check, CONF_BLOCK("logs"), &count);
    bool is_first = count > 0 && blocks[0] == logs; /* all of them are one */
    alloc_free(blocks);
    if (!is_first)
        return;
    streams.logs = find_all(check, CONF_BLOCK("logs") "//log", &streams.count);
    streams.names = alloc_zeroed(streams.count + 1, sizeof(char *));
    streams.leads = alloc_zeroed(streams.count + 1, sizeof(bool));
    struct xml_node **outlets = find_all(check, CONF_BLOCK("logs") "//outlet", &count);
    if (streams.names != NULL && streams.leads != NULL) {
        for (size_t i = 0; i < streams.count; i++)
            streams.names[i] = check_attribute(check, streams.logs[i], "name");
        follow_outlets(&streams);
        for (size_t i = 0; i < count; i++)
            check_outlet(&streams, outlets[i]);
        for (size_t i = 0; i < streams.count; i++)
            alloc_free(streams.names[i]);
    }
    alloc_free(outlets);
    alloc_free(streams.leads);
    alloc_free(streams.names);
    alloc_free(streams.logs);
}

/* ---- listeners ------------------------------------------------------------------- */

/* The types that the library has; programs register more. */
static const char *const types[] = {"http_rest_api", "control_dispatch", "mtev_console"};

void check_listener(struct check *check, struct xml_node *listener)
{
    char *address = check_inherited(check, listener, "address");
    char *type = check_inherited(check, listener, "type");
    bool is_local = address != NULL && (address[0] == '/' || address[0] == '@');
    bool is_known = type == NULL;
    if (!is_local && !check_inherits(check, listener, "port"))
        check_fault(check, listener, "<listener> has no port");
    if (address != NULL && address[0] == '/')
        check_place(check, check_find_inherited(listener, "address"), address);
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        is_known = is_known || strcmp(type, types[i]) == 0;
    if (!is_known)
        check_note(check, listener,
                   "<listener> type=\"%s\" is not known here; the program has to register it",
                   type);
    alloc_free(type);
    alloc_free(address);
}
