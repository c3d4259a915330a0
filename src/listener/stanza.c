/* SPDX-License-Identifier: MIT */
/*
 * stanza.c - what a <listener> of the configuration says.
 */
#include "listener/settings.h"

#include "base/alloc.h"
#include "conf/conf.h"
#include "eventer/props.h"

#include <errno.h>
#include <string.h>

#define INHERITED(name) "ancestor-or-self::node()/@" name

/* What may also be a key in <config>; the innermost of both counts. */
#define EITHER(name) INHERITED(name) "|ancestor-or-self::node()/config/" name

static int no_memory(mtev_conf_section_t section)
{
    conf_error(section, "<listener>: out of memory");
    return -ENOMEM;
}

static int read_type(mtev_conf_section_t section, struct listen_values *v)
{
    char *name = NULL;
    int err = conf_get_text(section, INHERITED("type"), &name);
    if (err == -ENOENT) {
        conf_error(section, "<listener> has no type");
        return -EINVAL;
    }
    if (err != 0)
        return err;
    err = type_find(name, &v->type);
    if (err == -ENOENT)
        conf_value_error(section, INHERITED("type"), "nobody registered a type of that name");
    alloc_free(name);
    return err == -ENOENT ? -EINVAL : err == 0 ? 0 : no_memory(section);
}

static int read_port(mtev_conf_section_t section, const char *address, uint16_t *out)
{
    int64_t port = 0;
    int err = conf_get_int(section, INHERITED("port"), 0, 65535, &port);
    if (err == -ENOENT)
        conf_error(section, "<listener> for address %s has no port", address);
    if (err == 0)
        *out = (uint16_t)port;
    return err == -ENOENT ? -EINVAL : err;
}

static int read_address(mtev_conf_section_t section, struct listen_values *v)
{
    char *text = NULL;
    uint16_t port = 0;
    int err = conf_get_text(section, INHERITED("address"), &text);
    if (err != 0 && err != -ENOENT)
        return err;
    const char *address = err == -ENOENT ? "*" : text;
    err = address[0] == '/' || address[0] == '@' ? 0 : read_port(section, address, &port);
    if (err == 0) {
        err = address_parse(address, port, &v->address, &v->is_dual);
        if (err != 0)
            conf_value_error(section, INHERITED("address"),
                             err == -ENAMETOOLONG
                                 ? "the path is too long for a unix socket"
                                 : "not *, inet:*, inet6:*, inet46:*, an IP address, @NAME or "
                                   "an absolute path");
    }
    alloc_free(text);
    return err;
}

static int read_bool(mtev_conf_section_t section, const char *path, bool *out)
{
    int err = conf_get_bool(section, path, out);
    return err == -ENOENT ? 0 : err;
}

/* Leaves *out as it is where nothing is said. */
static int read_count(mtev_conf_section_t section, const char *path, int64_t min, int64_t max,
                      uint32_t *out)
{
    int64_t count = 0;
    int err = conf_get_int(section, path, min, max, &count);
    if (err == 0)
        *out = (uint32_t)count;
    return err == -ENOENT ? 0 : err;
}

static int read_number(mtev_conf_section_t section, const char *path, int64_t min, int64_t max,
                       int *out)
{
    uint32_t number = (uint32_t)*out;
    int err = read_count(section, path, min, max, &number);
    *out = (int)number;
    return err;
}

/* ---- who serves ------------------------------------------------------------------ */

/* Will there be a pool of that name, as far as that is known before there is any? */
static bool is_pool_to_be(const char *name)
{
    const struct props *props = props_get();
    bool is_found = strcmp(name, "default") == 0;
    for (size_t i = 0; i < props->pool_count; i++)
        is_found = is_found || strcmp(props->pools[i].name, name) == 0;
    return is_found && pool_first_loop() == NULL;
}

static int read_pool(mtev_conf_section_t section, struct listen_values *v)
{
    char *name = NULL;
    int err = conf_get_text(section, EITHER("fanout_pool"), &name);
    if (err != 0)
        return err == -ENOENT ? 0 : err;
    struct eventer_pool *pool = eventer_pool(name);
    bool is_right = pool != NULL || is_pool_to_be(name);
    if (!is_right)
        conf_value_error(section, EITHER("fanout_pool"), "there is no pool of that name");
    else
        v->pool = pool;
    alloc_free(name);
    return is_right ? 0 : -EINVAL;
}

static int read_loops(mtev_conf_section_t section, struct listen_values *v)
{
    int err = read_pool(section, v);
    if (err == 0)
        err = read_bool(section, EITHER("fanout"), &v->fans_out);
    if (err == 0)
        err = read_bool(section, EITHER("accept_thread"), &v->has_thread);
    if (err == 0)
        err = read_bool(section, EITHER("reuseport"), &v->shares_port);
    const char *conflict = err == 0 ? settings_conflict(v) : NULL;
    if (conflict != NULL) {
        conf_value_error(section, EITHER("reuseport"), "%s", conflict);
        err = -EINVAL;
    }
    return err;
}

/* ---- options of the socket ------------------------------------------------------- */

static int read_options(mtev_conf_section_t section, struct listen_values *v)
{
    int err = read_number(section, EITHER("backlog"), 1, LISTEN_BACKLOG_MAX, &v->backlog);
    if (err == 0)
        err = read_bool(section, EITHER("no_delay"), &v->no_delay);
    if (err == 0)
        err = read_bool(section, EITHER("keepalive"), &v->keepalive);
    if (err == 0)
        err =
            read_number(section, EITHER("defer_accept"), 0, LISTEN_DEFER_S_MAX, &v->defer_accept_s);
    if (err == 0)
        err = read_number(section, EITHER("fastopen"), 0, LISTEN_FAST_OPEN_MAX, &v->fast_open);
    return err;
}

static int read_mode(mtev_conf_section_t section, struct listen_values *v)
{
    char *text = NULL;
    int err = conf_get_text(section, EITHER("mode"), &text);
    if (err != 0)
        return err == -ENOENT ? 0 : err;
    err = settings_read_mode(text, v);
    if (err != 0)
        conf_value_error(section, EITHER("mode"), "not an octal number up to 0777");
    alloc_free(text);
    return err;
}

/* Who has the path of a unix socket. */
static int read_owner(mtev_conf_section_t section, struct listen_values *v)
{
    char *name = NULL;
    int err = conf_get_text(section, EITHER("owner"), &name);
    if (err == 0) {
        err = settings_find_user(name, &v->owner);
        if (err == -ENOENT)
            conf_value_error(section, EITHER("owner"), "no such user");
        alloc_free(name);
        if (err != 0)
            return err == -ENOENT ? -EINVAL : no_memory(section);
    }
    name = NULL;
    if (err == 0 || err == -ENOENT)
        err = conf_get_text(section, EITHER("group"), &name);
    if (err == 0) {
        err = settings_find_group(name, &v->group);
        if (err == -ENOENT)
            conf_value_error(section, EITHER("group"), "no such group");
        alloc_free(name);
        if (err != 0)
            return err == -ENOENT ? -EINVAL : no_memory(section);
    }
    return err == -ENOENT ? 0 : err;
}

/* ---- limits ---------------------------------------------------------------------- */

static int read_limits(mtev_conf_section_t section, struct listen_values *v)
{
    uint32_t idle_ms = 0;
    int err = read_count(section, EITHER("max_connections"), 0, LISTEN_CONNECTIONS_MAX,
                         &v->connections_max);
    if (err == 0)
        err = read_count(section, EITHER("max_per_address"), 0, LISTEN_CONNECTIONS_MAX,
                         &v->per_address_max);
    if (err == 0)
        err =
            read_count(section, EITHER("accept_rate"), 0, LISTEN_ACCEPT_RATE_MAX, &v->accept_rate);
    v->accept_burst = v->accept_rate;
    if (err == 0)
        err = read_count(section, EITHER("accept_burst"), 1, LISTEN_ACCEPT_RATE_MAX,
                         &v->accept_burst);
    if (err == 0)
        err = read_count(section, EITHER("idle_timeout"), 0, LISTEN_IDLE_MS_MAX, &idle_ms);
    v->idle_ns = idle_ms * CLOCK_NS_PER_MS;
    return err;
}

static int read_proxies(mtev_conf_section_t section, struct listen_values *v)
{
    const char *word = "";
    char *text = NULL;
    size_t len = 0;
    int err = conf_get_text(section, EITHER("proxy_protocol_from"), &text);
    if (err != 0)
        return err == -ENOENT ? 0 : err;
    err = settings_read_proxies(text, v, &word, &len);
    if (err == -EINVAL)
        conf_value_error(section, EITHER("proxy_protocol_from"),
                         "\"%.*s\" is no address, no block of them and not unix", (int)len, word);
    else if (err == -E2BIG)
        conf_value_error(section, EITHER("proxy_protocol_from"), "more than %d networks",
                         LISTEN_PROXIES_MAX);
    alloc_free(text);
    return err == 0 ? 0 : -EINVAL;
}

/* ---- all of it ------------------------------------------------------------------- */

struct keys {
    mtev_conf_section_t section;
    mtev_hash_table *config;
};

static int add_key(void *closure, const char *name, const char *value, long line)
{
    struct keys *keys = closure;
    if (mtev_hash_dict_replace(keys->config, name, value) != 0)
        return 0;
    conf_error_at(keys->section, line, "<%s>: out of memory", name);
    return -ENOMEM;
}

int settings_read(mtev_conf_section_t section, struct listen_settings **out)
{
    static int (*const readers[])(mtev_conf_section_t section, struct listen_values * v) = {
        read_type,  read_address, read_loops,   read_options, read_mode,
        read_owner, read_limits,  read_proxies, secured_read,
    };
    struct listen_settings *settings = settings_new();
    if (settings == NULL)
        return no_memory(section);
    int err = 0;
    for (size_t i = 0; err == 0 && i < sizeof(readers) / sizeof(readers[0]); i++)
        err = readers[i](section, &settings->v);
    struct keys keys = {section, &settings->config};
    if (err == 0)
        err = conf_each_child(section, "config", add_key, &keys);
    if (err != 0) {
        settings_release(settings);
        return err == -ENOMEM ? err : -EINVAL;
    }
    *out = settings;
    return 0;
}
