/* SPDX-License-Identifier: MIT */
#include "base/alloc.h"
#include "conf/section_impl.h"
#include "log/filter.h"
#include "log/log.h"

#include <errno.h>
#include <string.h>

#define INHERITED(what) "ancestor-or-self::node()/" what
#define TYPES           "file, file_synch, memory, syslog, journald"

struct log_settings { /* what <log> says, beside its name */
    unsigned flags;
    mtev_log_format_t format;
    bool has_own_format;
    char *type; /* owned; NULL: none */
    char *path;
    int64_t limits[LOG_LIMITS_COUNT];
    size_t outlet_count;
    struct log_outlet outlets[LOG_OUTLETS_MAX]; /* their filters are owned */
};

/* ---- outlets --------------------------------------------------------------------- */

static int read_filter(mtev_conf_section_t outlet, struct filter **out)
{
    char reason[FILTER_REASON_SIZE] = "";
    char *text = NULL;
    int err = conf_get_text(outlet, "@filter", &text);
    if (err != 0)
        return err == -ENOENT ? 0 : err;
    err = filter_parse(text, reason, out);
    if (err != 0)
        conf_value_error(outlet, "@filter", "%s",
                         reason[0] != '\0' ? reason : strerrordesc_np(-err));
    alloc_free(text);
    return err;
}

/* Find the stream that outlet names, which is made if it does not exist yet. */
static int read_outlet(mtev_conf_section_t outlet, struct log_outlet *out)
{
    char *name = NULL;
    int err = conf_get_text(outlet, "@name", &name);
    if (err == -ENOENT) {
        conf_error(outlet, "<outlet> has no name");
    } else if (err == 0) {
        err = log_stream_get(name, &out->stream);
        if (err != 0)
            conf_value_error(outlet, "@name", "%s", strerrordesc_np(-err));
    }
    alloc_free(name);
    return err == 0 ? read_filter(outlet, &out->filter) : err;
}

/* The outlets that log names, itself and its ancestors. */
static int read_outlets(mtev_conf_section_t log, struct log_settings *s)
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
    for (int i = 0; i < count && err == 0; i++)
        err = read_outlet(named[i], &s->outlets[s->outlet_count++]);
    mtev_conf_release_sections_read(named, count);
    return err;
}

/* ---- attributes ------------------------------------------------------------------ */

static int optional(int err)
{
    return err == -ENOENT ? 0 : err;
}

static int read_type(mtev_conf_section_t log, struct log_settings *s)
{
    int err = optional(conf_get_text(log, INHERITED("@type"), &s->type));
    if (err == 0)
        err = optional(conf_get_text(log, INHERITED("@path"), &s->path));
    if (err != 0)
        return err;
    if (s->type == NULL && s->path != NULL) {
        conf_error(log, "<log> has a path but no type");
        return -EINVAL;
    }
    if (s->type != NULL && strcmp(s->type, "jlog") == 0) {
        conf_value_error(log, INHERITED("@type"), "jlog is not supported (" TYPES ")");
        return -EINVAL;
    }
    if (s->type != NULL && !log_type_is_known(s->type)) {
        conf_value_error(log, INHERITED("@type"), "no type of log (" TYPES ")");
        return -EINVAL;
    }
    return 0;
}

static int read_format(mtev_conf_section_t log, struct log_settings *s)
{
    char *format = NULL;
    int err = conf_get_text(log, INHERITED("@format"), &format);
    if (err != 0)
        return optional(err);
    if (strcmp(format, "json") == 0) {
        s->format = MTEV_LOG_FORMAT_JSON;
    } else if (strcmp(format, "plain") != 0) {
        conf_value_error(log, INHERITED("@format"),
                         strcmp(format, "flatbuffer") == 0
                             ? "flatbuffer is not supported (plain, json)"
                             : "no format (plain, json)");
        err = -EINVAL;
    }
    alloc_free(format);
    format = NULL;
    if (err == 0)
        s->has_own_format = conf_get_text(log, "@format", &format) == 0;
    alloc_free(format);
    return err;
}

/* Read one switch into the bit of *flags; what is not there leaves it. */
static int read_flag(mtev_conf_section_t log, const char *path, unsigned bit, unsigned *flags)
{
    bool is_on = false;
    int err = conf_get_bool(log, path, &is_on);
    if (err == 0 && is_on)
        *flags |= bit;
    return optional(err);
}

static int read_flags(mtev_conf_section_t log, struct log_settings *s)
{
    unsigned flags = MTEV_LOG_STREAM_ENABLED;
    bool is_disabled = false, unused = false;
    int err = optional(conf_get_bool(log, INHERITED("@disabled"), &is_disabled));
    if (err == 0)
        err = read_flag(log, INHERITED("@debug"), MTEV_LOG_STREAM_DEBUG, &flags);
    if (err == 0)
        err = read_flag(log, INHERITED("@timestamps"), MTEV_LOG_STREAM_TIMESTAMPS, &flags);
    if (err == 0)
        err = read_flag(log, INHERITED("@facility"), MTEV_LOG_STREAM_FACILITY, &flags);
    if (err == 0) /* lines are always counted */
        err = optional(conf_get_bool(log, INHERITED("@stats"), &unused));
    s->flags = is_disabled ? flags & ~MTEV_LOG_STREAM_ENABLED : flags;
    return err;
}

static int read_limits(mtev_conf_section_t log, struct log_settings *s)
{
    /* One by one, so that who looks for what is read finds it. */
    static const char *const paths[LOG_LIMITS_COUNT] = {
        [LOG_ROTATE_SECONDS] = INHERITED("@rotate_seconds"),
        [LOG_ROTATE_BYTES] = INHERITED("@rotate_bytes"),
        [LOG_RETAIN_SECONDS] = INHERITED("@retain_seconds"),
        [LOG_RETAIN_BYTES] = INHERITED("@retain_bytes"),
        [LOG_DEDUP_SECONDS] = INHERITED("@dedup_seconds"),
        [LOG_QUEUE_BYTES] = INHERITED("@queue_bytes"),
    };
    int err = 0;
    for (size_t i = 0; i < LOG_LIMITS_COUNT && err == 0; i++) {
        err = conf_get_int(log, paths[i], log_limits[i].min, log_limits[i].max, &s->limits[i]);
        err = optional(err);
    }
    return err;
}

static int read_settings(mtev_conf_section_t log, struct log_settings *s)
{
    int err = read_flags(log, s);
    if (err == 0)
        err = read_type(log, s);
    if (err == 0)
        err = read_format(log, s);
    if (err == 0)
        err = read_limits(log, s);
    return err == 0 ? read_outlets(log, s) : err;
}

/* ---- applying -------------------------------------------------------------------- */

/* Make the stream what its type says; what it was before is closed, unless it is the same. */
static int make_material(mtev_conf_section_t log, const char *name, const struct log_settings *s)
{
    const char *path = s->path != NULL ? s->path : log_type_default_path(s->type);
    if (path == NULL) {
        conf_error(log, "<log> has a type but no path");
        return -EINVAL;
    }
    mtev_log_stream_t stream = mtev_log_stream_new(name, s->type, path, NULL, NULL);
    if (stream != NULL) {
        log_stream_set_limits(stream, s->limits);
        /* a daemon has a format of its own, whatever is inherited */
        if (mtev_log_stream_set_format(stream, s->format) != 0 && s->has_own_format) {
            conf_value_error(log, "@format", "%s has a format of its own", s->type);
            return -EINVAL;
        }
        return 0;
    }
    int err = -errno;
    conf_value_error(log, s->path != NULL ? INHERITED("@path") : INHERITED("@type"), "%s",
                     err == -EINVAL ? "this is no path for such a log" : strerrordesc_np(-err));
    return err;
}

/* Set up the stream that log is about; a stream without outlets in <logs> keeps those it has. */
static int apply_settings(mtev_conf_section_t log, const char *name, struct log_settings *s)
{
    mtev_log_stream_t stream = NULL;
    int err = log_stream_get(name, &stream);
    if (err != 0) {
        conf_value_error(log, "@name", "%s", strerrordesc_np(-err));
        return err;
    }
    if (s->type != NULL && (err = make_material(log, name, s)) != 0)
        return err;
    if (s->outlet_count > 0)
        log_stream_set_outlets(stream, s->outlets, s->outlet_count);
    mtev_log_stream_set_flags(stream, s->flags);
    return 0;
}

static int apply_named(mtev_conf_section_t log, const char *name)
{
    struct log_settings *s = alloc_zeroed(1, sizeof(*s));
    if (s == NULL) {
        conf_error(log, "%s", strerrordesc_np(ENOMEM));
        return -ENOMEM;
    }
    int err = read_settings(log, s);
    if (err == 0)
        err = apply_settings(log, name, s);
    for (size_t i = 0; i < s->outlet_count; i++)
        filter_free(s->outlets[i].filter);
    alloc_free(s->type);
    alloc_free(s->path);
    alloc_free(s);
    return err;
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
