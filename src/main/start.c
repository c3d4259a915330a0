/* SPDX-License-Identifier: MIT */
#include "main/start.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "conf/conf.h"
#include "eventer/pool.h"
#include "eventer/props.h"
#include "main/child.h"
#include "main/confine.h"
#include "main/crash.h"
#include "main/daemon.h"
#include "main/lockfile.h"
#include "main/monitor.h"
#include "main/notify.h"
#include "main/privileges.h"
#include "main/program.h"
#include "main/watch.h"

#include <eventer/eventer.h>
#include <mtev_conf.h>
#include <mtev_log.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define STOP_LATE_NS  (10 * CLOCK_NS_PER_S)
#define BUILT_IN_NAME "built-in configuration"
#define EVENTER       CONF_BLOCK("eventer")

static struct log_switch {
    char *name; /* owned */
    bool on;
} switches[START_SWITCHES_MAX];
static size_t switch_count;

static struct property {
    char *key, *value; /* owned */
} properties[START_PROPERTIES_MAX];
static size_t property_count;

static int lock_fd = -1; /* held until the process ends */
static bool is_debugging;
static bool wants_confinement;

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

static void forget_property(const char *key)
{
    size_t kept = 0;
    for (size_t i = 0; i < property_count; i++) {
        if (strcmp(properties[i].key, key) != 0) {
            properties[kept++] = properties[i];
            continue;
        }
        alloc_free(properties[i].key);
        alloc_free(properties[i].value);
    }
    property_count = kept;
}

void mtev_main_eventer_config(const char *key, const char *value)
{
    if (key != NULL)
        forget_property(key);
    if (key != NULL && value == NULL)
        return;
    char *key_copy = key == NULL ? NULL : alloc_text(key);
    char *value_copy = key == NULL ? NULL : alloc_text(value);
    if (key_copy != NULL && value_copy != NULL && property_count < START_PROPERTIES_MAX) {
        properties[property_count++] = (struct property){key_copy, value_copy};
        return;
    }
    mtevL(mtev_error, "mtev_main_eventer_config: %s: %s\n", key == NULL ? "(null)" : key,
          key == NULL                              ? "no name was given"
          : property_count == START_PROPERTIES_MAX ? "there are 128 already"
                                                   : "out of memory");
    alloc_free(key_copy);
    alloc_free(value_copy);
}

/* What the program wants where the configuration does not say otherwise. */
static int set_program_properties(void)
{
    for (size_t i = 0; i < property_count; i++) {
        if (eventer_propset(properties[i].key, properties[i].value) == 0)
            continue;
        int err = -errno;
        mtevL(mtev_error, "mtev_main_eventer_config: %s \"%s\": %s\n", properties[i].key,
              properties[i].value,
              err == -ENOENT ? "there is no such key" : "this value is not possible");
        return err;
    }
    return 0;
}

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
    int err = set_program_properties();
    if (err == 0)
        err = choose_implementation();
    mtev_conf_section_t *configs =
        mtev_conf_get_sections_read(MTEV_CONF_ROOT, EVENTER "//config", &count);
    for (int i = 0; i < count && err == 0; i++)
        err = conf_each_key(configs[i], "self::config", set_property, NULL);
    mtev_conf_release_sections_read(configs, count);
    return err;
}

/* ---- the process ----------------------------------------------------------------- */

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

int start_refuse_managed(void)
{
    int err = 0;
    mtev_conf_section_t managed = mtev_conf_get_section_read(MTEV_CONF_ROOT, CONF_BLOCK("managed"));
    if (!mtev_conf_section_is_empty(managed)) {
        conf_error(managed, "<managed>: other programs are the service manager's to start");
        err = -EINVAL;
    }
    mtev_conf_release_section_read(managed);
    return err;
}

/* The path of the lock file, or NULL; 0 or, logged, -errno. */
static int lock_path(char **out)
{
    *out = NULL;
    int err = conf_get_text(MTEV_CONF_ROOT, "@lockfile", out);
    return err == -ENOENT ? 0 : err;
}

static int take_lock(mtev_lock_op_t lock)
{
    char *path = NULL;
    int err = lock == MTEV_LOCK_OP_NONE ? 0 : lock_path(&path);
    if (err != 0 || path == NULL)
        return err;
    err = lockfile_take(path, lock == MTEV_LOCK_OP_WAIT, &lock_fd);
    if (err != 0)
        conf_value_error(MTEV_CONF_ROOT, "@lockfile", "%s",
                         err == -EWOULDBLOCK ? "another process holds it" : strerrordesc_np(-err));
    alloc_free(path);
    return err;
}

/* Go where the configuration says; in a process that nobody stands behind, to / if it does not. */
static int enter_folder(enum start_mode mode)
{
    char *path = NULL;
    int err = conf_get_text(MTEV_CONF_ROOT, "@workingdir", &path);
    if (err == -ENOENT && mode != START_ALONE)
        return chdir("/") == 0 ? 0 : -errno;
    if (err == -ENOENT)
        return 0;
    if (err == 0 && chdir(path) != 0) {
        err = -errno;
        conf_value_error(MTEV_CONF_ROOT, "@workingdir", "%s", strerrordesc_np(-err));
    }
    alloc_free(path);
    return err;
}

bool start_wants_confinement(void)
{
    return wants_confinement;
}

static int read_confinement(void)
{
    int err = conf_get_bool(MTEV_CONF_ROOT, "@seccomp", &wants_confinement);
    if (err != 0 || !wants_confinement || confine_is_possible())
        return err == -ENOENT ? 0 : err;
    conf_value_error(MTEV_CONF_ROOT, "@seccomp", "the library was built without libseccomp");
    return -ENOTSUP;
}

/* Whoever may, raises the hard limit, too: who comes later cannot. */
static void raise_limits(void)
{
    struct rlimit limit;
    rlim_t wanted = props_get()->rlim_nofiles;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && wanted > limit.rlim_max) {
        limit.rlim_max = wanted;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
    if (watch_settings()->dumps_core && getrlimit(RLIMIT_CORE, &limit) == 0) {
        limit.rlim_max = RLIM_INFINITY;
        (void)setrlimit(RLIMIT_CORE, &limit);
    }
}

/* ---- the environment ------------------------------------------------------------- */

/* True if it is set to something other than "0". */
static bool is_set(const char *name)
{
    const char *text = secure_getenv(name);
    return text != NULL && strcmp(text, "0") != 0;
}

static void obey_environment(void)
{
    if (secure_getenv("EVENTER_DEBUGGING") != NULL)
        switch_stream(mtev_log_stream_find("debug/eventer"), is_set("EVENTER_DEBUGGING"));
    if (is_set("MTEV_THREAD_BINDING_DISABLE"))
        (void)eventer_propset("cpu_affinity", "off");
}

/* ---- all of it ------------------------------------------------------------------- */

static int load(const struct start *start)
{
    if (start->text != NULL)
        return conf_load_text(BUILT_IN_NAME, start->text);
    if (start->path == NULL || start->mode == START_ALONE)
        return conf_load(start->path);
    char *path = program_absolute(start->path); /* the process will go elsewhere */
    int err = path == NULL ? -ENOMEM : conf_load(path);
    if (path == NULL)
        mtevL(mtev_error, "%s: %s\n", start->path, strerrordesc_np(ENOMEM));
    alloc_free(path);
    return err;
}

static int load_configuration(const struct start *start)
{
    int err = start->app_name == NULL ? -EINVAL : conf_set_app_name(start->app_name);
    if (err != 0) {
        mtevL(mtev_error, "the name of the program is %s\n",
              err == -EINVAL ? "missing" : "longer than 63 bytes");
        return err;
    }
    is_debugging = start->debug || is_set("MTEV_LOG_DEBUG");
    mtev_log_init(is_debugging);
    err = load(start);
    if (err == 0)
        err = check_root(start->app_name);
    if (err == 0)
        err = start_refuse_managed();
    if (err == 0)
        err = watch_configure();
    if (err == 0)
        err = read_confinement();
    if (err == 0 && start->glider != NULL) {
        err = watch_set_glider(start->glider);
        if (err != 0)
            mtevL(mtev_error, "the path of the glider is longer than %d bytes\n", WATCH_PATH_MAX);
    }
    return err;
}

/* Lock, and go to the background, in this order: who is refused still has a terminal. */
static int settle(const struct start *start)
{
    int err = take_lock(start->lock);
    if (err == 0 && start->mode == START_BACKGROUND) {
        err = daemon_begin();
        if (err != 0)
            mtevL(mtev_error, "no process in the background: %s\n", strerrordesc_np(-err));
    }
    if (err == 0 && lock_fd >= 0) {
        err = lockfile_sign(lock_fd);
        if (err != 0)
            conf_value_error(MTEV_CONF_ROOT, "@lockfile", "it cannot be written: %s",
                             strerrordesc_np(-err));
    }
    return err;
}

int start_configured(const struct start *start)
{
    int err = program_remember();
    if (err != 0) {
        mtevL(mtev_error, "what was called cannot be found out: %s\n", strerrordesc_np(-err));
        return err;
    }
    err = load_configuration(start);
    if (err == 0)
        err = enter_folder(start->mode);
    if (err == 0 && child_self.monitor == 0)
        err = settle(start);
    if (err == 0)
        err = set_up_eventer();
    if (err != 0)
        return err;
    raise_limits();
    err = privileges_drop(start->user, start->group);
    if (err == 0)
        err = set_up_logs(is_debugging); /* their files belong to that user */
    if (watch_settings()->dumps_core || is_set("MTEV_ASYNCH_CORE_DUMP") ||
        is_set("ASYNCH_CORE_DUMP"))
        crash_allow_core();
    obey_environment();
    return err;
}

int start_logs(void)
{
    return set_up_logs(is_debugging);
}

int start_again(void)
{
    int err = conf_load(NULL);
    return err == 0 ? start_logs() : err;
}

int start_and_serve(const struct start *start, int (*run)(void), int *out)
{
    notify_begin();
    signal(SIGPIPE, SIG_IGN); /* a log that nobody reads, or has no room for, ends nothing */
    signal(SIGXFSZ, SIG_IGN);
    if (start->mode != START_ALONE)
        (void)child_read_environment();
    int err = start_configured(start);
    if (err != 0)
        daemon_has_failed(START_STATUS_WRONG);
    else if (start->mode == START_ALONE || child_self.monitor != 0)
        *out = child_serve(run);
    else
        *out = monitor_run(run);
    return err;
}

/* Give the path of its lock file (owned).  Returns 0, or, logged, -errno. */
static int find_lockfile(const struct start *start, char **out)
{
    int err = program_remember();
    if (err == 0)
        err = load_configuration(start);
    if (err == 0)
        err = enter_folder(start->mode);
    if (err == 0)
        err = set_up_eventer();
    if (err == 0)
        err = lock_path(out);
    if (err == 0 && *out == NULL) {
        conf_error(MTEV_CONF_ROOT, "there is no lockfile=\"...\" to find the process by");
        err = -EINVAL;
    }
    return err;
}

/* Call fn with its lock file's path, in the folder that this is in; the caller's is as before. */
static int with_lockfile(const struct start *start, int (*fn)(const char *path, pid_t *out),
                         pid_t *out)
{
    char *path = NULL;
    int folder = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        return -errno;
    int err = find_lockfile(start, &path);
    if (err == 0)
        err = fn(path, out);
    if (fchdir(folder) != 0 && err == 0)
        err = -errno;
    close(folder);
    alloc_free(path);
    return err;
}

int start_holder(const struct start *start, pid_t *out)
{
    return with_lockfile(start, lockfile_holder, out);
}

static int end_holder(const char *path, pid_t *out)
{
    return lockfile_end_holder(path, pool_drain_ns() + STOP_LATE_NS, out);
}

int start_stop(const struct start *start)
{
    pid_t pid;
    return with_lockfile(start, end_holder, &pid);
}
