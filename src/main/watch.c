/* SPDX-License-Identifier: MIT */
#include "main/watch.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/list.h"
#include "conf/conf.h"

#include <eventer/eventer.h>
#include <mtev_log.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WATCHDOG CONF_BLOCK("watchdog")

static struct watch_settings settings = {
    .retries = 5,
    .span_s = 60,
    .ready_s = 60,
    .limit_ns = EVENTER_WATCHDOG_TIMEOUT_S * CLOCK_NS_PER_S,
    .has_traces = true,
};

const struct watch_settings *watch_settings(void)
{
    return &settings;
}

static int set_path(char *out, const char *path)
{
    const size_t len = path == NULL ? 0 : strlen(path);
    if (len > WATCH_PATH_MAX)
        return -ENAMETOOLONG;
    memcpy(out, path == NULL ? "" : path, len + 1);
    return 0;
}

int watch_set_glider(const char *path)
{
    return set_path(settings.glider, path);
}

int watch_set_trace_folder(const char *path)
{
    return set_path(settings.trace_folder, path);
}

void watch_set_rate(int64_t retries, int64_t span_s)
{
    settings.retries = MIN(MAX(retries, 0), WATCH_RETRIES_MAX);
    settings.span_s = MIN(MAX(span_s, 0), WATCH_SPAN_S_MAX);
}

void watch_set_traces(bool is_on)
{
    settings.has_traces = is_on;
}

static bool is_core_forbidden;

void watch_forbid_core(void)
{
    is_core_forbidden = true;
}

/* ---- the configuration ----------------------------------------------------------- */

static int read_path(const char *where, int (*set)(const char *path))
{
    char *path = NULL;
    int err = conf_get_text(MTEV_CONF_ROOT, where, &path);
    if (err == -ENOENT)
        return 0;
    if (err == 0) {
        err = set(path);
        if (err != 0)
            conf_value_error(MTEV_CONF_ROOT, where, "longer than %d bytes", WATCH_PATH_MAX);
    }
    alloc_free(path);
    return err;
}

static int read_number(const char *where, int64_t min, int64_t max, int64_t *out)
{
    int err = conf_get_int(MTEV_CONF_ROOT, where, min, max, out);
    return err == -ENOENT ? 0 : err;
}

static int read_switch(const char *where, bool *out)
{
    int err = conf_get_bool(MTEV_CONF_ROOT, where, out);
    return err == -ENOENT ? 0 : err;
}

/* Seconds, maybe with a fraction. */
static int read_limit(const char *name, const char *text)
{
    char *end;
    double seconds = strtod(text, &end);
    if (*text == '\0' || *end != '\0' || !(seconds >= 0 && seconds <= WATCH_LIMIT_S_MAX)) {
        mtevL(mtev_error, "%s=\"%s\" in the environment: not 0 to %d seconds\n", name, text,
              WATCH_LIMIT_S_MAX);
        return -EINVAL;
    }
    settings.limit_ns = (uint64_t)(seconds * (double)CLOCK_NS_PER_S);
    return 0;
}

static int read_environment(void)
{
    static const char *const names[] = {"WATCHDOG_TIMEOUT", "MTEV_WATCHDOG_TIMEOUT"};
    int err = 0;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && err == 0; i++) {
        const char *text = secure_getenv(names[i]);
        if (text != NULL)
            err = read_limit(names[i], text);
    }
    return err;
}

int watch_configure(void)
{
    int err = read_path(WATCHDOG "/@glider", watch_set_glider);
    if (err == 0)
        err = read_path(WATCHDOG "/@tracedir", watch_set_trace_folder);
    if (err == 0)
        err = read_number(WATCHDOG "/@retries", 0, WATCH_RETRIES_MAX, &settings.retries);
    if (err == 0)
        err = read_number(WATCHDOG "/@span", 1, WATCH_SPAN_S_MAX, &settings.span_s);
    if (err == 0)
        err = read_number(WATCHDOG "/@ready_seconds", 1, WATCH_READY_S_MAX, &settings.ready_s);
    if (err == 0)
        err = read_switch(WATCHDOG "/@save_trace_output", &settings.has_traces);
    if (err == 0)
        err = read_switch(WATCHDOG "/@core", &settings.dumps_core);
    if (is_core_forbidden)
        settings.dumps_core = false;
    return err == 0 ? read_environment() : err;
}
