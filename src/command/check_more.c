/* SPDX-License-Identifier: MIT */
#include "command/check_impl.h"

#include "base/alloc.h"
#include "conf/conf.h"
#include "conf/env.h"

#include <string.h>

/* ---- outlets --------------------------------------------------------------------- */

struct streams { /* the <log> elements that count */
    struct check *check;
    struct xml_node **logs; /* owned */
    char **names;           /* owned, of owned names; NULL: it has none */
    size_t count;
};

static const struct { /* streams that there are anyway */
    const char *name, *outlet;
} standing[] = {{"error", "stderr"}, {"notice", "error"}, {"debug", "stderr"}};

static struct xml_node *find_log(const struct streams *streams, const char *name)
{
    for (size_t i = 0; i < streams->count; i++)
        if (streams->names[i] != NULL && strcmp(streams->names[i], name) == 0)
            return streams->logs[i];
    return NULL;
}

/* Where lines of a stream that there is anyway go, or NULL. */
static const char *standing_outlet(const char *name)
{
    for (size_t i = 0; i < sizeof(standing) / sizeof(standing[0]); i++)
        if (strcmp(name, standing[i].name) == 0)
            return standing[i].outlet;
    return NULL;
}

/* Do lines of the stream called name come to an end somewhere?  steps: how far it may be. */
static bool leads_somewhere(const struct streams *streams, const char *name, size_t steps);

/* The same through the outlets that log, or an element around it, names. */
static bool has_way_out(const struct streams *streams, struct xml_node *log, size_t steps,
                        bool *has_outlets)
{
    bool found = false;
    for (struct xml_node *at = log; at != NULL; at = xml_parent(at)) {
        struct xml_node *child = xml_first_child(at);
        for (; child != NULL && !found; child = xml_next_sibling(child)) {
            if (strcmp(xml_node_name(child), "outlet") != 0)
                continue;
            char *name = check_attribute(streams->check, child, "name");
            *has_outlets = true;
            found = name != NULL && leads_somewhere(streams, name, steps);
            alloc_free(name);
        }
    }
    return found;
}

static bool leads_somewhere(const struct streams *streams, const char *name, size_t steps)
{
    struct xml_node *log = find_log(streams, name);
    bool has_outlets = false;
    if (strcmp(name, "stderr") == 0 || (log != NULL && check_inherits(streams->check, log, "type")))
        return true;
    if (steps == 0)
        return false;
    if (log != NULL && has_way_out(streams, log, steps - 1, &has_outlets))
        return true;
    if (has_outlets)
        return false;
    if (standing_outlet(name) != NULL)
        return leads_somewhere(streams, standing_outlet(name), steps - 1);
    const char *slash = strrchr(name, '/'); /* a/b goes to a, unless something else is said */
    char *parent = slash == NULL ? NULL : alloc_text_n(name, (size_t)(slash - name));
    bool found = parent != NULL && leads_somewhere(streams, parent, steps - 1);
    alloc_free(parent);
    return found;
}

static void check_outlet(const struct streams *streams, struct xml_node *outlet)
{
    char *name = check_attribute(streams->check, outlet, "name");
    if (name == NULL || leads_somewhere(streams, name, streams->count + 8)) {
        alloc_free(name);
        return;
    }
    struct near near = near_begin(name);
    for (size_t i = 0; i < streams->count; i++)
        if (streams->names[i] != NULL && leads_somewhere(streams, streams->names[i], 1))
            near_offer(&near, streams->names[i], strlen(streams->names[i]));
    near_offer(&near, "stderr", strlen("stderr"));
    bool is_known = find_log(streams, name) != NULL || standing_outlet(name) != NULL;
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
    struct xml_node **outlets = find_all(check, CONF_BLOCK("logs") "//outlet", &count);
    for (size_t i = 0; i < streams.count && streams.names != NULL; i++)
        streams.names[i] = check_attribute(check, streams.logs[i], "name");
    for (size_t i = 0; i < count && streams.names != NULL; i++)
        check_outlet(&streams, outlets[i]);
    for (size_t i = 0; i < streams.count && streams.names != NULL; i++)
        alloc_free(streams.names[i]);
    alloc_free(outlets);
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
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        is_known = is_known || strcmp(type, types[i]) == 0;
    if (!is_known)
        check_note(check, listener,
                   "<listener> type=\"%s\" is not known here; the program has to register it",
                   type);
    alloc_free(type);
    alloc_free(address);
}
