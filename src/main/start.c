/* SPDX-License-Identifier: MIT */
#include "main/start.h"

#include "base/alloc.h"
#include "conf/conf.h"
#include "main/lockfile.h"

#include <eventer/eventer.h>
#include <mtev_conf.h>
#include <mtev_log.h>

#include <errno.h>
#include <string.h>

#define BUILT_IN_NAME "built-in configuration"
#define EVENTER       CONF_BLOCK("eventer")

static struct log_switch {
    char *name; /* owned */
    bool on;
} switches[START_SWITCHES_MAX];
static size_t switch_count;

static int lock_fd = -1; /* held until the process ends */

/* ---- logs ------------------------------------------------------------------------ */

static void add_switch(const char *call, const char *name, bool on)
{
    const char *why = NULL;
    char *copy = NULL;
    if (name == NULL)
        why = "no name was given";
    else if (switch_count == START_SWITCHES_MAX)
        why = "there are 128 already";
    else if ((copy = alloc_text(name)) == NULL)
        why = "out of memory";
    if (why != NULL)
        mtevL(mtev_error, "%s: %s: %s\n", call, name == NULL ? "(null)" : name, why);
    else
        switches[switch_count++] = (struct log_switch){copy, on};
}

void mtev_main_enable_log(const char *name)
{
    add_switch("mtev_main_enable_log", name, true);
}

void mtev_main_disable_log(const char *name)
{
    add_switch("mtev_main_disable_log", name, false);
}

static void switch_stream(mtev_log_stream_t stream, bool on)
{
    unsigned flags = mtev_log_stream_get_flags(stream) & ~MTEV_LOG_STREAM_ENABLED;
    mtev_log_stream_set_flags(stream, flags | (on ? MTEV_LOG_STREAM_ENABLED : 0));
}

/* What the command line asks for counts more than what the file says. */
static int set_up_logs(bool debug)
{
    int err = conf_apply_logs();
    if (err != 0)
        return err;
    if (debug)
        switch_stream(mtev_debug, true);
    for (size_t i = 0; i < switch_count; i++)
        switch_stream(mtev_log_stream_find(switches[i].name), switches[i].on);
    return 0;
}

/* ---- the eventer ----------------------------------------------------------------- */

static int set_property(void *closure, mtev_conf_section_t place, const char *key,
                        const char *value)
{
    (void)closure;
    if (eventer_propset(key, value) == 0)
        return 0;
    int err = -errno;
    if (err == -ENOENT) {
        conf_error(place, "<%s> is no key of <eventer><config>; it is ignored", key);
        return 0;
    }
    conf_error(place, "<%s> \"%s\": %s", key, value,
               err == -EINVAL ? "this value is not possible" : strerrordesc_np(-err));
    return err;
}

static int choose_implementation(void)
{
    char *name = NULL;
    int err = conf_get_text(MTEV_CONF_ROOT, EVENTER "/@implementation", &name);
    if (err == -ENOENT)
        return 0;
    if (err == 0 && eventer_propset("implementation", name) != 0) {
        err = -errno;
        conf_value_error(MTEV_CONF_ROOT, EVENTER "/@implementation",
                         "neither epoll nor poll nor io_uring");
    }
    alloc_free(name);
    return err;
}

static int set_up_eventer(void)
{
    int count = 0;
    int err = choose_implementation();
    mtev_conf_section_t *configs =
        mtev_conf_get_sections_read(MTEV_CONF_ROOT, EVENTER "//config", &count);
    for (int i = 0; i < count && err == 0; i++)
        err = conf_each_key(configs[i], "self::config", set_property, NULL);
    mtev_conf_release_sections_read(configs, count);
    return err;
}

/* ---- all of it ------------------------------------------------------------------- */

static int check_root(const char *app_name)
{
    char *name = NULL;
    int err = conf_root_name(&name);
    if (err != 0) {
        mtevL(mtev_error, "%s: %s\n", app_name, strerrordesc_np(-err));
        return err;
    }
    if (strcmp(name, app_name) != 0) {
        conf_error(MTEV_CONF_ROOT, "the root element is <%s>, not <%s>", name, app_name);
        err = -EINVAL;
    }
    alloc_free(name);
    return err;
}

static int take_lock(mtev_lock_op_t lock)
{
    char *path = NULL;
    if (lock == MTEV_LOCK_OP_NONE)
        return 0;
    int err = conf_get_text(MTEV_CONF_ROOT, "@lockfile", &path);
    if (err == -ENOENT)
        return 0;
    if (err != 0)
        return err;
    err = lockfile_take(path, lock == MTEV_LOCK_OP_WAIT, &lock_fd);
    if (err != 0)
        conf_value_error(MTEV_CONF_ROOT, "@lockfile", "%s",
                         err == -EWOULDBLOCK ? "another process holds it" : strerrordesc_np(-err));
    alloc_free(path);
    return err;
}

int start_configured(const struct start *start)
{
    int err = start->app_name == NULL ? -EINVAL : conf_set_app_name(start->app_name);
    if (err != 0) {
        mtevL(mtev_error, "the name of the program is %s\n",
              err == -EINVAL ? "missing" : "longer than 63 bytes");
        return err;
    }
    mtev_log_init(start->debug);
    err = start->text != NULL ? conf_load_text(BUILT_IN_NAME, start->text) : conf_load(start->path);
    if (err == 0)
        err = check_root(start->app_name);
    if (err == 0)
        err = set_up_logs(start->debug);
    if (err == 0)
        err = set_up_eventer();
    if (err == 0)
        err = take_lock(start->lock);
    return err;
}
