/* SPDX-License-Identifier: MIT */
#include "base/alloc.h"
#include "conf/section_impl.h"
#include "log/log.h"

#include <errno.h>
#include <string.h>

#define INHERITED(what) "ancestor-or-self::node()/" what

/* The outlets that log names, itself and its ancestors; those that do not exist yet are made. */
static int find_outlets(mtev_conf_section_t log, mtev_log_stream_t outlets[static LOG_OUTLETS_MAX],
                        size_t *ret_count)
{
    int count = 0;
    mtev_conf_section_t *named = NULL;
    int err = section_find_all(log, INHERITED("outlet"), &named, &count);
    if (err == -ENOENT)
        err = 0;
    if (count > LOG_OUTLETS_MAX) {
        conf_error(log, "<log> has more than %d outlets", LOG_OUTLETS_MAX);
        err = -EINVAL;
    }
    for (int i = 0; i < count && err == 0; i++) {
        char *name = NULL;
        err = conf_get_text(named[i], "@name", &name);
        if (err == -ENOENT) {
            conf_error(named[i], "<outlet> has no name");
        } else if (err == 0) {
            err = log_stream_get(name, &outlets[i]);
            if (err != 0)
                conf_value_error(named[i], "@name", "%s", strerrordesc_np(-err));
        }
        alloc_free(name);
    }
    mtev_conf_release_sections_read(named, count);
    if (err == 0)
        *ret_count = (size_t)count;
    return err;
}

/* Give the stream what makes it material, if log has a type; what it was before is closed. */
static int set_type(mtev_conf_section_t log, const char *name, const char *type, const char *path)
{
    if (type == NULL && path == NULL)
        return 0;
    if (type == NULL || path == NULL) {
        conf_error(log, "<log> has a %s but no %s", type == NULL ? "path" : "type",
                   type == NULL ? "type" : "path");
        return -EINVAL;
    }
    if (strcmp(type, "file") != 0 && strcmp(type, "file_synch") != 0) {
        conf_value_error(log, INHERITED("@type"), "no type of log (file, file_synch)");
        return -EINVAL;
    }
    if (mtev_log_stream_new(name, type, path, NULL, NULL) != NULL)
        return 0;
    int err = -errno;
    conf_value_error(log, INHERITED("@path"), "%s", strerrordesc_np(-err));
    return err;
}

/* Read the type and path of log and apply them. */
static int apply_type(mtev_conf_section_t log, const char *name)
{
    char *type = NULL;
    char *path = NULL;
    int err = conf_get_text(log, INHERITED("@type"), &type);
    if (err == 0 || err == -ENOENT)
        err = conf_get_text(log, INHERITED("@path"), &path);
    if (err == 0 || err == -ENOENT)
        err = set_type(log, name, type, path);
    alloc_free(path);
    alloc_free(type);
    return err;
}

/* Read one switch into the bit of *flags; what is not there leaves it. */
static int read_flag(mtev_conf_section_t log, const char *path, unsigned bit, unsigned *flags)
{
    bool is_on = false;
    int err = conf_get_bool(log, path, &is_on);
    if (err == 0 && is_on)
        *flags |= bit;
    return err == -ENOENT ? 0 : err;
}

static int read_flags(mtev_conf_section_t log, unsigned *out)
{
    unsigned flags = MTEV_LOG_STREAM_ENABLED;
    bool is_disabled = false;
    int err = conf_get_bool(log, INHERITED("@disabled"), &is_disabled);
    if (err == -ENOENT)
        err = 0;
    if (err == 0)
        err = read_flag(log, INHERITED("@debug"), MTEV_LOG_STREAM_DEBUG, &flags);
    if (err == 0)
        err = read_flag(log, INHERITED("@timestamps"), MTEV_LOG_STREAM_TIMESTAMPS, &flags);
    if (err == 0)
        err = read_flag(log, INHERITED("@facility"), MTEV_LOG_STREAM_FACILITY, &flags);
    if (err == 0)
        *out = is_disabled ? flags & ~MTEV_LOG_STREAM_ENABLED : flags;
    return err;
}

/* Set up the stream that log is about; a stream without outlets in <logs> keeps those it has. */
static int apply_named(mtev_conf_section_t log, const char *name)
{
    mtev_log_stream_t outlets[LOG_OUTLETS_MAX];
    mtev_log_stream_t stream = NULL;
    size_t count = 0;
    unsigned flags = 0;
    int err = read_flags(log, &flags);
    if (err == 0)
        err = find_outlets(log, outlets, &count);
    if (err != 0)
        return err;
    err = log_stream_get(name, &stream);
    if (err != 0) {
        conf_value_error(log, "@name", "%s", strerrordesc_np(-err));
        return err;
    }
    err = apply_type(log, name);
    if (err != 0)
        return err;
    if (count > 0)
        log_stream_set_outlets(stream, outlets, count);
    mtev_log_stream_set_flags(stream, flags);
    return 0;
}

int conf_apply_logs(void)
{
    int count = 0;
    mtev_conf_section_t *logs = NULL;
    int found = section_find_all(MTEV_CONF_ROOT, CONF_BLOCK("logs") "//log", &logs, &count);
    int result = found != 0 && found != -ENOENT ? -EINVAL : 0;
    for (int i = 0; i < count; i++) {
        char *name = NULL;
        int err = conf_get_text(logs[i], "@name", &name);
        if (err == -ENOENT)
            conf_error(logs[i], "<log> has no name");
        else if (err == 0)
            err = apply_named(logs[i], name);
        alloc_free(name);
        if (err != 0)
            result = -EINVAL;
    }
    mtev_conf_release_sections_read(logs, count);
    return result;
}
